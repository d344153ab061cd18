"""What people say about a paper, as pages show it beside the record, with forms for people who may write."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from tracker.article import ArticleKey, spelt
from tracker.decision import Basis, Labels
from tracker.evidence.facets import is_label
from tracker.evidence.rows import Row
from tracker.lists import citations, news
from tracker.reading.labels import groups
from tracker.reading.rules import all_rules
from tracker.site import words
from tracker.site.server import access, compat
from tracker.site.server.compat import Request
from tracker.site.server.reader import read
from tracker.team import alerts, by_article, hidden_labels, log, placements, vocabulary
from tracker.team.alerts import Alert
from tracker.team.placements import Bearing
from tracker.team.review import reviews
from tracker.team.vocabulary import Group

if TYPE_CHECKING:
    from datasette.app import Datasette

# Number of events shown on a paper's own page; the log has all.
LOGGED = 20
# The parameters that tell a page what was just done.
DONE = ("done", "unchanged", "refused")
PARTS = ("tags", "decisions", "settlements", "notes")


class Forms(NamedTuple):
    """What the forms of panels offer: tags, the question's ``reasons`` for excluding, and the ``abstracts`` to decide
    by, as sanitised HTML.

    ``labels`` says whether the page shows the machine's, ``basis`` for some papers what a decision there is taken from;
    where an abstract can be opened, only the browser knows.
    """

    vocabulary: Sequence[Group] = ()
    reasons: Sequence[str] = ()
    abstracts: Mapping[int, str] = {}
    labels: Labels = "shown"
    basis: Mapping[int, Basis] = {}


class LabelReviews(NamedTuple):
    """People's reviews of a paper's labels.

    ``read`` are the groups and values of the machine's current labels, ``reviews`` what people said, by group and the
    machine's value. ``choices`` are the values that a label of a group can have.
    """

    read: Sequence[list[str]]
    reviews: Mapping[tuple[str, str], Sequence[Row]]
    groups: Sequence[str]
    choices: Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class SaidOfArticle:
    """What people say about one paper.

    ``places`` groups it by the questions that hold the paper, with ``any`` for what was said for none of them; ``came``
    is the question whose list the reader came from. ``bearings`` are how the paper bears on each of these questions.
    """

    places: Mapping[str, Mapping[str, Any]]
    came: str | None
    bearings: Mapping[str, Bearing]
    labels: LabelReviews
    alerts: Sequence[Alert]
    log: Sequence[Row]

    @property
    def is_silent(self) -> bool:
        return not any(place[part] for place in self.places.values() for part in PARTS)


class _Panel(NamedTuple):
    """What a paper's panel shows: what people said, the question's reasons for excluding, and the forms' choices."""

    said: Mapping[str, Any]
    reasons: Sequence[str]
    forms: Forms


async def panels(
    datasette: Datasette,
    request: Request,
    question: str | None,
    pmids: Sequence[int],
    *,
    on_article: bool,
    back: str,
) -> dict[str, str]:
    """What people say about each paper of a list (or about one paper, ``on_article``), for the page ``back``."""

    def query(db: sqlite3.Connection) -> tuple[dict[int, _Panel], dict[str, str]]:
        read_panels = _of_articles if on_article else _of_list
        return read_panels(db, request, question, pmids), news.titles(db)

    common = {
        "rights": await access.rights(datasette, request),
        "csrftoken": request.scope.get("csrftoken"),
        "urls": compat.Urls(datasette),
        "here": back.partition("#")[0],
        "done": None,
    }
    parts = compat.templates(datasette).get_template("_tracker_tagging.html")

    def render(shown: Mapping[int, _Panel], titles: Mapping[str, str]) -> dict[str, str]:
        made = {}
        for pmid, panel in shown.items():
            module: Any = parts.make_module({**common, "forms": panel.forms, "titles": titles})
            made[spelt(pmid)] = str(module.panel(pmid, panel.said, question, panel.reasons))
        return made

    return await asyncio.to_thread(render, *await read(datasette, query))


def _of_list(
    db: sqlite3.Connection, request: Request, question: str | None, pmids: Sequence[int]
) -> dict[int, _Panel]:
    viewer = access.viewer(request)
    offered = forms(db, viewer, question, pmids)
    said = by_article.of_articles(db, pmids, question, viewer)
    return {pmid: _Panel(said[pmid], offered.reasons, offered) for pmid in pmids}


def _of_articles(
    db: sqlite3.Connection, request: Request, question: str | None, pmids: Sequence[int]
) -> dict[int, _Panel]:
    """Papers that the question does not hold are left out."""
    place, viewer = question or "any", access.viewer(request)
    places = {pmid: said_of(db, request, ArticleKey(pmid)).places for pmid in pmids}
    return {
        pmid: _Panel(said[place], said[place].get("reasons", ()), forms_of_article(db, viewer, pmid))
        for pmid, said in places.items()
        if place in said
    }


def forms(
    db: sqlite3.Connection, viewer: int | None, slug: str | None = None, pmids: Sequence[int] = ()
) -> Forms:
    """What the forms beside these papers of the question's list offer the viewer."""
    review = reviews(db).get(slug or "")
    reasons = review.reasons if review else ()
    if not viewer:
        return Forms(reasons=reasons)
    abstracts = _abstracts(db, pmids)
    return Forms(
        vocabulary.groups(db, "annotations"),
        reasons,
        abstracts,
        hidden_labels.labels(db, review, viewer) if review else "shown",
        {pmid: "title" for pmid in pmids if pmid not in abstracts},
    )


def forms_of_article(db: sqlite3.Connection, viewer: int | None, pmid: int) -> Forms:
    """What the forms on a paper's own page offer, where its abstract and its labels are on screen."""
    basis: Basis = "abstract" if _abstracts(db, [pmid]) else "title"
    return forms(db, viewer)._replace(basis={pmid: basis})


def _abstracts(db: sqlite3.Connection, pmids: Sequence[int]) -> dict[int, str]:
    rows = db.execute(
        "select pmid, abstract_html from articles where pmid in (select value from json_each(:pmids))",
        {"pmids": json.dumps(list(pmids))},
    )
    return {pmid: html for pmid, html in rows if html}


def said_of(db: sqlite3.Connection, request: Request, pmid: ArticleKey) -> SaidOfArticle:
    viewer, came = access.viewer(request), request.args.get("in")
    whole = by_article.of_article(db, pmid, viewer)
    places = _places(whole)
    # Keys decide for the question that the reader came from, so it comes first.
    if came in places:
        places = {came: places[came]} | places
    return SaidOfArticle(
        places,
        came,
        placements.of_article(db, pmid, viewer),
        _label_reviews(db, pmid, viewer, whole["label_reviews"]),
        alerts.of_article(db, pmid, viewer),
        log.events(db, viewer, pmid=pmid, limit=LOGGED) if viewer else [],
    )


def _places(whole: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    places = {slug: standing | {part: [] for part in PARTS} for slug, standing in whole["reviews"].items()}
    places["any"] = {part: [] for part in PARTS}
    for part in PARTS:
        for row in whole[part]:
            places[row["question"] if row["question"] in places else "any"][part].append(row)
    return places


def _label_reviews(
    db: sqlite3.Connection, pmid: ArticleKey, viewer: int | None, rows: Iterable[Row]
) -> LabelReviews:
    reviews: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        reviews.setdefault((row["label_group"], row["machine_value"]), []).append(row)
    labels = db.execute("select label_group, value from labels where pmid = :pmid", {"pmid": pmid})
    return LabelReviews(list(map(list, labels)), reviews, label_groups(db) if viewer else [], choices)


def choices(group: str) -> tuple[str, ...]:
    """The values that a label of this group can have, where the machine's rules name them all."""
    rules = all_rules().get(group)
    named = rules and groups()[group].kind in ("one", "many")
    return tuple(sorted({rule.value for rule in rules.rules})) if rules and named else ()


def label_groups(db: sqlite3.Connection) -> list[str]:
    """The groups of labels that can be corrected: those of the registry, and whatever else was read."""
    others = filter(is_label, citations.label_choices(db))
    return list(dict.fromkeys((*groups(), *sorted(others))))


class JustDone(NamedTuple):
    """What the viewer did last, in words; ``pmids`` are the first of the papers concerned."""

    message: str
    pmids: Sequence[int] = ()
    undoable: bool = False
    batch: int | None = None


async def done(datasette: Datasette, request: Request) -> JustDone | None:
    """What the viewer has just done, according to the address, to confirm it and offer to undo it."""
    viewer, batch = access.viewer(request), request.args.get("done") or ""
    if viewer is None or not (batch.isdecimal() or request.args.get("unchanged")):
        return None
    if not batch:
        return JustDone("Nothing changed: it was already so.")
    act: Row | None = await read(datasette, lambda db: log.batch(db, viewer, int(batch[:18])))
    if act is None:
        return None
    message = words.done(act, request.args.get("refused"))
    return JustDone(message, act["pmids"], act["undoable"], int(batch))


def here(request: Request) -> str:
    """Where a form returns to: this page, without the parameters that say what was done.

    Each form on a page repeats it, so an address that is too long to return to is cut to its path.
    """
    pairs = [pair for pair in parse_qsl(request.query_string) if pair[0] not in DONE]
    address = str(request.path) + (f"?{urlencode(pairs)}" if pairs else "")
    return address if len(address) <= access.LONGEST_PATH else str(request.path)
