"""A question's review: the status of its records (for everybody); progress, conflicts and reviewers' agreement (for
the team); the form in which a lead settles conflicts; and whether somebody has labels hidden while they screen.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from tracker.article import ArticleKey, named, parse_key, shown
from tracker.errors import NotThere, UsageError
from tracker.evidence.rows import Row
from tracker.export import files
from tracker.lists.selection import Selection
from tracker.report import flow, flow_svg
from tracker.report.document import Table
from tracker.report.flow import Diagram
from tracker.report.reports import REPORTS, flow_table
from tracker.report.told import told_if_readable
from tracker.site import words
from tracker.site.parts.page import Page, render
from tracker.site.server import access
from tracker.site.server.access import Form, Writer, write
from tracker.site.server.compat import NotFound, Request, Response
from tracker.site.server.errors import wants_json
from tracker.site.server.reader import read
from tracker.site.views.tagging import Done, with_done
from tracker.team import decisions, hidden_labels, screening
from tracker.team.acts import Act
from tracker.team.review import Review, reviews
from tracker.team.screening import Flow, Pair, Progress, ReviewState

if TYPE_CHECKING:
    from datasette.app import Datasette

# Number of conflicts shown on a page; the others appear as these are settled.
MOST_CONFLICTS = 100
LONGEST_WHY = 2_000


class Shown(NamedTuple):
    title: str
    standing: ReviewState
    is_team: bool
    diagram: Diagram


@dataclass(frozen=True, slots=True)
class ReviewPage(Page):
    template = "tracker_review.html"
    title: str
    path: str
    is_team: bool
    most_conflicts: int
    review: Review
    flow: Flow
    diagram: Diagram
    drawing: Markup
    flow_table: Table
    formats: Sequence[tuple[str, str]]
    progress: Sequence[Progress]
    conflicts: Sequence[Row]
    pairs: Sequence[Pair]


async def review(request: Request, datasette: Datasette) -> Response:
    title, standing, is_team, diagram = await _shown(request, datasette)
    path = datasette.urls.path(f"/questions/{standing.review.question}")
    page = ReviewPage(
        title,
        path,
        is_team,
        MOST_CONFLICTS,
        standing.review,
        standing.flow,
        diagram,
        flow_svg.drawing(diagram, path),
        flow_table(diagram, path),
        [(format.title, f"{path}/flow.{format.extension}") for format in REPORTS["flow"].formats.values()],
        standing.progress,
        standing.conflicts,
        standing.pairs,
    )
    return await render(datasette, request, page)


async def review_json(request: Request, datasette: Datasette) -> Response:
    """The same figures for programs; those for the team only need a token with the scope ``tag``."""
    title, standing, is_team, _ = await _shown(request, datasette)
    answer: dict[str, Any] = {
        "question": standing.review.question,
        "title": title,
        "dual": standing.review.dual,
        "reasons": standing.review.reasons,
        "flow": standing.flow._asdict(),
    }
    if is_team:
        answer |= {
            "progress": [person._asdict() for person in standing.progress],
            "conflicts": [each | {"pmid": shown(each["pmid"])} for each in standing.conflicts],
            "agreement": [_pair(pair) for pair in standing.pairs],
        }
    return await asyncio.to_thread(Response.json, answer)


async def settle(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """A lead's final decision on a record: ``pmid``, ``stage``, ``decision``, ``reason`` and ``why``; ``was`` is how it
    was settled when they looked, '' if it was not."""
    slug, given = request.url_vars["slug"], form.get("pmid").strip()
    try:
        pmid = parse_key(given)
    except ValueError:
        raise UsageError(f"pmid={given!r} is not a PubMed ID. Nothing was written.") from None
    stage, decision, why = form.get("stage"), form.get("decision"), form.get("why")
    # The list of reasons is shown beside both choices.
    reason = (form.get("reason") or None) if decision == "exclude" else None
    was = (form.get("was") or None) if form.has("was") else decisions.UNSAID
    if len(why) > LONGEST_WHY:
        raise UsageError(f"why has {len(why):,} characters; the limit is {LONGEST_WHY:,}. Shorten it.")
    holding = await read(datasette, lambda db: _holding(db, slug, pmid))

    def what(act: Act) -> Done:
        decisions.settle(act, holding, pmid, stage, decision, reason, why, was=was)
        said = f"Settled by {words.stage_words(stage)}: {words.decision_words(decision)}."
        return Done.by(act, said, pmid)

    done = await write(datasette, writer, what)
    if wants_json(request):
        return Response.json({"ok": True, **done.as_json()})
    back = form.get("back") or datasette.urls.path(f"/questions/{slug}/review")
    return Response.redirect(with_done(access.local_path(back), done), status=303)


async def choose_labels(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """Whether the writer has labels ``shown`` or ``hidden`` (``labels``) while they screen the question."""
    slug, labels = request.url_vars["slug"], form.get("labels")
    if slug not in await read(datasette, reviews):
        raise NotThere(f"Unknown question {slug!r}.")

    def what(act: Act) -> Done:
        hidden_labels.choose(act, slug, labels)
        return Done.by(act, "Labels are hidden." if labels == "hidden" else "Labels are shown.")

    done = await write(datasette, writer, what)
    if wants_json(request):
        return Response.json({"ok": True, **done.as_json()})
    back = form.get("back") or datasette.urls.path(f"/questions/{slug}")
    return Response.redirect(with_done(access.local_path(back), done), status=303)


def _holding(db: sqlite3.Connection, slug: str, pmid: ArticleKey) -> Review:
    """The review of a question that holds the record. Raises NotThere."""
    review = reviews(db).get(slug)
    if review is None:
        raise NotThere(f"Unknown question {slug!r}.")
    row = db.execute(
        "select 1 from question_articles where question = :slug and pmid = :pmid and matching",
        {"slug": slug, "pmid": pmid},
    ).fetchone()
    if row is None:
        raise NotThere(f"{named(pmid)} is not in the question {slug!r}. Nothing was written.")
    return review


async def _shown(request: Request, datasette: Datasette) -> Shown:
    slug, is_team = request.url_vars["slug"], await access.may(datasette, request, "tracker-tag")

    def query(db: sqlite3.Connection) -> Shown | None:
        row = db.execute("select title from questions where slug = :slug", {"slug": slug}).fetchone()
        updated_from = told_if_readable(slug).updated_from
        standing = screening.standing(db, slug, access.viewer(request) if is_team else None, updated_from)
        if not (row and standing):
            return None
        diagram = flow.diagram(db, slug, files.listing(db, Selection(slug)).updated, updated_from)
        return Shown(row[0], standing, is_team, diagram)

    shown: Shown | None = await read(datasette, query)
    if shown is None:
        raise NotFound(f"Unknown question {slug!r}.")
    return shown


def _pair(pair: Pair) -> dict[str, Any]:
    parts = ("excluded_or_not", "all_three", "before")
    return pair._asdict() | {name: getattr(pair, name)._asdict() for name in parts}
