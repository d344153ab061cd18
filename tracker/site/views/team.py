"""Pages for those who tag: their work and what is left of it, the log, the vocabulary, and papers withdrawn since."""

from __future__ import annotations

import asyncio
import io
import re
import sqlite3
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tracker.article import ArticleKey
from tracker.errors import NotThere, UsageError, either
from tracker.export.files import NEVER
from tracker.export.formats import FORMATS, Citation, Listing
from tracker.lists import citations, news, work
from tracker.lists.entries import read_entries
from tracker.site.server import access, address
from tracker.site.server.access import Form, Writer, write
from tracker.site.server.compat import BadRequest, Request, Response
from tracker.site.server.reader import read
from tracker.site.views import pages
from tracker.site.views.tagging import Done, answer
from tracker.team import alerts, vocabulary
from tracker.team.acts import Act
from tracker.team.log import events

if TYPE_CHECKING:
    from datasette.app import Datasette

PAGE = 50
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


async def my_work(request: Request, datasette: Datasette) -> Response:
    """What is left for the viewer in each question, what they did last, and their papers that were withdrawn since."""
    viewer = access.viewer(request)
    assert viewer is not None

    def query(db: sqlite3.Connection) -> dict[str, Any]:
        mine = alerts.of_person(db, viewer)
        papers = read_entries(db, [ArticleKey(alert.pmid) for alert in mine], fold=False)
        latest = _acts(events(db, viewer, by=viewer, limit=PAGE * 20))[:PAGE]
        return {
            "left": work.left(db, viewer),
            "alerts": mine,
            "papers": {paper["pmid"]: paper for paper in papers},
            "log": latest,
            "titles": news.titles(db),
        }

    return await pages.page(datasette, request, "tracker_work.html", await read(datasette, query))


def _acts(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry an act, with on how many ``papers`` it was."""
    acts = [
        (event, list(each))
        for _, each in groupby(events, key=lambda row: row["batch"])
        for event in [next(each)]
    ]
    return [event | {"papers": len({row["pmid"] for row in (event, *others)})} for event, others in acts]


async def log(request: Request, datasette: Datasette) -> Response:
    """Who said what of which paper and when, newest first; what happened to accounts only for admins."""
    pmid, before, day = (request.args.get(name) or None for name in ("pmid", "before", "day"))
    for name, value in (("pmid", pmid), ("before", before)):
        if value and not (value.isdecimal() and len(value) < 16):
            raise BadRequest(f"{name}={value!r} is not a number.")
    if day and not _DAY.fullmatch(day):
        raise BadRequest(f"day={day!r} is not a day. Write it as 2026-01-31.")
    chosen: dict[str, Any] = {
        "pmid": int(pmid) if pmid else None,
        "person": request.args.get("person") or None,
        "day": day,
        "question": request.args.get("question") or None,
    }
    viewer = access.viewer(request)
    everything = await access.may(datasette, request, "tracker-admin")

    def query(db: sqlite3.Connection) -> dict[str, Any]:
        found = events(
            db, viewer, **chosen, before=int(before) if before else None, limit=PAGE + 1, accounts=everything
        )
        people = db.execute(
            "select name, display_name from annotations.people order by display_name"
        ).fetchall()
        return {"log": found[:PAGE], "more": len(found) > PAGE, "people": people, "titles": news.titles(db)}

    found = await read(datasette, query)
    path = datasette.urls.path("/log")
    return await pages.page(datasette, request, "tracker_log.html", found | {"chosen": chosen, "path": path})


async def withdrawn(request: Request, datasette: Datasette) -> Response:
    """Every paper that somebody here tagged or decided on and that was withdrawn, doubted or corrected since."""

    def query(db: sqlite3.Connection) -> dict[str, Any]:
        found = alerts.of_everybody(db, access.viewer(request))
        papers = read_entries(db, [ArticleKey(alert.pmid) for alert in found], fold=False)
        return {
            "alerts": found,
            "papers": {paper["pmid"]: paper for paper in papers},
            "titles": news.titles(db),
        }

    return await pages.page(datasette, request, "tracker_alerts.html", await read(datasette, query))


async def feed(request: Request, datasette: Datasette) -> Response:
    """``/alerts.atom``: the same papers for a feed reader."""

    def query(db: sqlite3.Connection) -> tuple[Listing, list[Citation]]:
        found = alerts.of_everybody(db, access.viewer(request))
        pmids = list(dict.fromkeys(ArticleKey(alert.pmid) for alert in found))
        home = address.absolute(datasette, request, datasette.urls.path("/alerts"))
        latest = max((alert.noticed for alert in found), default=NEVER)
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
        lambda db: [(str(a.pmid), a.field, a.noticed) for a in alerts.of_person(db, writer.person)],
    )
    if (pmid, field, noticed) not in known:
        raise NotThere("there is no such notice on a paper of yours.")

    def what(act: Act) -> Done:
        alerts.mark_seen(act, int(pmid), field, noticed)
        return Done.by(act, "Marked as seen.", int(pmid))

    return await answer(request, datasette, form, await write(datasette, writer, what))


async def tags(request: Request, datasette: Datasette) -> Response:
    """The vocabulary, for everybody; with forms for leads."""

    def query(db: sqlite3.Connection) -> dict[str, Any]:
        return {
            "groups": vocabulary.groups(db, "annotations", retired=True),
            "uses": vocabulary.uses(db, access.viewer(request)),
            "titles": news.titles(db),
        }

    return await pages.page(datasette, request, "tracker_tags.html", await read(datasette, query))


async def change_vocabulary(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """``action``: add-group, add, rename, describe, merge, retire or bring-back."""
    action = form.get("action")
    if action not in _CHANGES:
        raise UsageError(f"Unknown action {action!r}. Use {either(_CHANGES)}.")

    def what(act: Act) -> Done:
        said = _CHANGES[action](act, form)
        # How many papers a merge changed is nobody's business: some may be hidden.
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
    found = [group for group in vocabulary.groups(act.db) if group.id == form.number("group")]
    if not found:
        raise NotThere("there is no such group.")
    vocabulary.change_group(act, found[0], name=form.get("name") or None, description=form.get("description"))
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
