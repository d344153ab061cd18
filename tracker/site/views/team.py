"""Pages for the team: their work and what is left of it, the log, the vocabulary, and papers withdrawn since."""

from __future__ import annotations

import asyncio
import io
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tracker.article import ArticleKey, parse_key, spelt
from tracker.errors import NotThere, UsageError, either
from tracker.evidence.rows import Row
from tracker.export.files import NEVER
from tracker.export.formats import FORMATS, Citation, Listing
from tracker.lists import citations, news, work
from tracker.lists.entries import read_entries
from tracker.site.parts.page import Page, render
from tracker.site.server import access, address
from tracker.site.server.access import Form, Writer, write
from tracker.site.server.compat import BadRequest, Request, Response
from tracker.site.server.reader import read
from tracker.site.views.tagging import Done, answer
from tracker.team import alerts, vocabulary
from tracker.team.acts import Act
from tracker.team.alerts import Alert
from tracker.team.log import events

if TYPE_CHECKING:
    from datasette.app import Datasette

PAGE = 50
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class WorkPage(Page):
    template = "tracker_work.html"
    left: Sequence[work.Left]
    alerts: Sequence[Alert]
    papers: Mapping[int, Row]
    log: Sequence[Row]
    titles: Mapping[str, str]


async def my_work(request: Request, datasette: Datasette) -> Response:
    """What is left for the viewer in each question, what they did last, and those of their papers withdrawn since."""
    viewer = access.viewer(request)
    assert viewer is not None

    def query(db: sqlite3.Connection) -> WorkPage:
        mine = alerts.of_person(db, viewer)
        return WorkPage(
            work.left(db, viewer),
            mine,
            _papers(db, mine),
            _acts(events(db, viewer, by=viewer, limit=PAGE * 20))[:PAGE],
            news.titles(db),
        )

    return await render(datasette, request, await read(datasette, query))


def _papers(db: sqlite3.Connection, alerts: Iterable[Alert]) -> dict[int, Row]:
    """The papers that alerts are about, by PMID."""
    papers = read_entries(db, [ArticleKey(alert.pmid) for alert in alerts], fold=False)
    return {paper["pmid"]: paper for paper in papers}


def _acts(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per act, with the number of ``papers`` that it was on."""
    acts = [
        (event, list(each))
        for _, each in groupby(events, key=lambda row: row["batch"])
        for event in [next(each)]
    ]
    return [event | {"papers": len({row["pmid"] for row in (event, *others)})} for event, others in acts]


@dataclass(frozen=True, slots=True)
class LogPage(Page):
    """``chosen`` are the log's filters, by the fields of its form."""

    template = "tracker_log.html"
    log: Sequence[Row]
    more: bool
    people: Sequence[tuple[str, str]]
    titles: Mapping[str, str]
    chosen: Mapping[str, Any]
    path: str


async def log(request: Request, datasette: Datasette) -> Response:
    """Who said what about which paper and when, newest first; only admins see events on accounts."""
    pmid, before, day = (request.args.get(name) or None for name in ("pmid", "before", "day"))
    if before and not (before.isdecimal() and len(before) < 16):
        raise BadRequest(f"before={before!r} is not a number.")
    try:
        key = parse_key(pmid) if pmid else None
    except ValueError:
        raise BadRequest(f"pmid={pmid!r} is not a number.") from None
    if day and not _DAY.fullmatch(day):
        raise BadRequest(f"day={day!r} is not a day. Write it as 2026-01-31.")
    chosen: dict[str, Any] = {
        "pmid": key,
        "person": request.args.get("person") or None,
        "day": day,
        "question": request.args.get("question") or None,
    }
    viewer, path = access.viewer(request), datasette.urls.path("/log")
    everything = await access.may(datasette, request, "tracker-admin")

    def query(db: sqlite3.Connection) -> LogPage:
        logged = events(
            db, viewer, **chosen, before=int(before) if before else None, limit=PAGE + 1, accounts=everything
        )
        people = db.execute("select name, display_name from annotations.people order by display_name")
        return LogPage(logged[:PAGE], len(logged) > PAGE, people.fetchall(), news.titles(db), chosen, path)

    return await render(datasette, request, await read(datasette, query))


@dataclass(frozen=True, slots=True)
class AlertsPage(Page):
    template = "tracker_alerts.html"
    alerts: Sequence[Alert]
    papers: Mapping[int, Row]


async def withdrawn(request: Request, datasette: Datasette) -> Response:
    """Every paper that somebody here wrote about and that was since withdrawn or corrected, or came under concern."""

    def query(db: sqlite3.Connection) -> AlertsPage:
        everybodys = alerts.of_everybody(db, access.viewer(request))
        return AlertsPage(everybodys, _papers(db, everybodys))

    return await render(datasette, request, await read(datasette, query))


async def feed(request: Request, datasette: Datasette) -> Response:
    """``/alerts.atom``: the same papers for a feed reader."""

    def query(db: sqlite3.Connection) -> tuple[Listing, list[Citation]]:
        everybodys = alerts.of_everybody(db, access.viewer(request))
        pmids = list(dict.fromkeys(ArticleKey(alert.pmid) for alert in everybodys))
        home = address.absolute(datasette, request, datasette.urls.path("/alerts"))
        latest = max((alert.noticed for alert in everybodys), default=NEVER)
        return Listing("alerts", "Withdrawn since they were tagged", latest, home=home), list(
            citations.of_articles(db, pmids)
        )

    about, cited = await read(datasette, query)
    out = io.BytesIO()
    atom = FORMATS["atom"]
    await asyncio.to_thread(atom.write, about, cited, out)
    return Response(out.getvalue(), 200, content_type=atom.media_type)


async def see(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """Mark an alert as seen."""
    pmid, field, noticed = form.get("pmid"), form.get("field"), form.get("noticed")
    known = await read(
        datasette,
        lambda db: [(spelt(a.pmid), a.field, a.noticed) for a in alerts.of_person(db, writer.person)],
    )
    if (pmid, field, noticed) not in known:
        raise NotThere("none of your papers has this notice.")

    def what(act: Act) -> Done:
        alerts.mark_seen(act, parse_key(pmid), field, noticed)
        return Done.by(act, "Marked as seen.", parse_key(pmid))

    return await answer(request, datasette, form, await write(datasette, writer, what))


@dataclass(frozen=True, slots=True)
class TagsPage(Page):
    """``uses`` is how many papers have each tag, by the tag's id."""

    template = "tracker_tags.html"
    groups: Sequence[vocabulary.Group]
    uses: Mapping[int, int]


async def tags(request: Request, datasette: Datasette) -> Response:
    """The vocabulary, for everybody, with forms for leads."""

    def query(db: sqlite3.Connection) -> TagsPage:
        groups = vocabulary.groups(db, "annotations", retired=True)
        return TagsPage(groups, vocabulary.uses(db, access.viewer(request)))

    return await render(datasette, request, await read(datasette, query))


async def change_vocabulary(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """``action``: add-group, add, rename, describe, merge, retire or bring-back."""
    action = form.get("action")
    if action not in _CHANGES:
        raise UsageError(f"Unknown action {action!r}. Use {either(_CHANGES)}.")

    def what(act: Act) -> Done:
        said = _CHANGES[action](act, form)
        # The number of papers that a merge changed is not shown, as some may be hidden.
        return Done(said, 1, act.batch) if act.changed else Done.by(act, said)

    return await answer(request, datasette, form, await write(datasette, writer, what))


def _add_group(act: Act, form: Form) -> str:
    vocabulary.add_group(
        act,
        form.get("name"),
        form.get("description"),
        form.get("colour") or None,
        form.get("choice", "multiple"),
    )
    return "Group added."


def _change_group(act: Act, form: Form) -> str:
    asked = [group for group in vocabulary.groups(act.db) if group.id == form.number("group")]
    if not asked:
        raise NotThere("unknown group.")
    vocabulary.change_group(act, asked[0], name=form.get("name") or None, description=form.get("description"))
    return "Group changed."


def _add(act: Act, form: Form) -> str:
    vocabulary.add(
        act, form.get("group"), form.get("name"), form.get("description"), form.get("colour") or None
    )
    return "Tag added."


def _change(act: Act, form: Form) -> str:
    vocabulary.change(
        act,
        vocabulary.named(act.db, form.get("tag")),
        name=form.get("name") or None,
        description=form.get("description") if form.has("description") else None,
        colour=form.get("colour") or None,
    )
    return "Tag changed. Papers keep it."


def _merge(act: Act, form: Form) -> str:
    tag, into = (vocabulary.named(act.db, form.get(name)) for name in ("tag", "into"))
    vocabulary.merge(act, tag, into)
    return f"Merged {tag.name} into {into.name}."


def _retire(act: Act, form: Form) -> str:
    vocabulary.change(act, vocabulary.named(act.db, form.get("tag")), retired=True)
    return "Tag retired. Papers that have it keep it."


def _bring_back(act: Act, form: Form) -> str:
    vocabulary.change(act, vocabulary.named(act.db, form.get("tag")), retired=False)
    return "Tag brought back."


_CHANGES = {
    "add-group": _add_group,
    "change-group": _change_group,
    "add": _add,
    "change": _change,
    "merge": _merge,
    "retire": _retire,
    "bring-back": _bring_back,
}
