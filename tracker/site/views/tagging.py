"""Where people write: tags, decisions, notes, reviews of labels, and moves of records; and undoing it.

It is about one paper or a whole list. Every address takes a plain form and redirects to the page that it was on; a
client that asks for JSON gets that, with the paper's current panel if it asks for ``panel``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from tracker.article import ArticleKey, named, shown
from tracker.decision import DECISIONS, Labels
from tracker.directness import directness_words
from tracker.errors import NotThere, Refused, UsageError, either
from tracker.lists import citations, news, selection
from tracker.lists.selection import Selection
from tracker.site import words
from tracker.site.parts import filters, panels
from tracker.site.parts.page import Page, render
from tracker.site.server import access
from tracker.site.server.access import Form, Writer, write
from tracker.site.server.compat import Forbidden, NotFound, Request, Response
from tracker.site.server.errors import wants_json
from tracker.site.server.reader import read
from tracker.site.views.pages import key_in
from tracker.team import decisions, hidden_labels, placements, tagging, vocabulary
from tracker.team.acts import Act
from tracker.team.acts import undo as undo_batch
from tracker.team.review import Review, reviews

if TYPE_CHECKING:
    from datasette.app import Datasette

MOST_PANELS = 100
BULK_ACTIONS = ("tag", "untag", *DECISIONS, "withdraw")


class Done(NamedTuple):
    """What was done, for people and programs; ``refused`` is how many papers could not be changed."""

    message: str
    changed: int
    batch: int | None
    pmids: tuple[int, ...] = ()
    refused: int = 0

    @classmethod
    def by(cls, act: Act, message: str, *pmids: int) -> Done:
        return cls(message if act.changed else "Nothing changed.", act.changed, act.batch, pmids)

    def as_json(self) -> dict[str, Any]:
        """The same for programs; an external record is named as in its address."""
        return self._asdict() | {"pmids": [shown(pmid) for pmid in self.pmids]}


class Place(NamedTuple):
    """A paper and the questions that hold it: what people can write about."""

    pmid: ArticleKey
    reviews: Mapping[str, Review]
    held: list[Review]

    def question(self, given: str) -> str | None:
        """The question meant; '' means none in particular. Raises NotThere if the question does not hold the paper."""
        if not given:
            return None
        if given not in {review.question for review in self.held}:
            raise NotThere(f"{named(self.pmid)} is not in a question {given!r}.")
        return given


async def tag(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    place = await _place(request, datasette)
    question = place.question(form.get("question"))
    name, on, note = form.get("tag").strip(), form.get("on", "1") != "0", form.get("note")
    if not name:
        raise UsageError("choose a tag. Nothing was written.")

    def what(act: Act) -> Done:
        chosen = vocabulary.named(act.db, name)
        seal = decisions.seal_for(act.db, place.held, place.pmid, question)
        if on:
            tagging.tag(act, place.pmid, question, chosen, note or None, seal)
            return Done.by(act, f"Tagged {chosen.name}.", place.pmid)
        tagging.untag(act, place.pmid, question, chosen, seal)
        return Done.by(act, f"Removed {chosen.name}.", place.pmid)

    return await answer(request, datasette, form, await write(datasette, writer, what))


async def decide(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    place = await _place(request, datasette)
    slug = place.question(form.get("question"))
    if slug is None:
        raise UsageError("choose a question. Nothing was written.")
    review = place.reviews[slug]
    decision, reason = form.get("decision") or None, form.get("reason") or None
    if decision != "exclude":
        # The list of reasons is shown beside all three buttons.
        reason = None
    was = (form.get("was") or None) if form.has("was") else decisions.UNSAID
    seen = decisions.checked_seen(form.get("basis") or None, form.get("labels") or None)

    def what(act: Act) -> Done:
        stage = form.get("stage") or decisions.stage_of(act.db, review, place.pmid)
        decisions.decide(act, review, place.pmid, stage, decision, reason, was=was, seen=seen)
        said = words.decision_words(decision).capitalize() if decision else "Withdrawn"
        return Done.by(act, f"{said}, by {words.stage_words(stage)}.", place.pmid)

    return await answer(request, datasette, form, await write(datasette, writer, what))


async def note(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    place = await _place(request, datasette)
    question = place.question(form.get("question"))
    id, text = form.number("id"), form.get("text")

    def what(act: Act) -> Done:
        seal = tagging.seals(act.db, {place.pmid: place.held})
        if form.get("id"):
            if id is None:
                raise NotThere("This note does not exist.")
            was = form.get("was") if form.has("was") else None
            tagging.change_note(act, id, text, was, seal=lambda question: seal(place.pmid, question))
            return Done.by(act, "Note changed." if text.strip() else "Note deleted.", place.pmid)
        tagging.write_note(act, place.pmid, question, text, seal(place.pmid, question))
        return Done.by(act, "Note written.", place.pmid)

    return await answer(request, datasette, form, await write(datasette, writer, what))


async def label(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """The writer's review of a label: ``verdict`` accept, correct (with ``value``), reject or withdraw."""
    place = await _place(request, datasette)
    group, machine = form.get("label_group"), form.get("machine_value")
    verdict, value = form.get("verdict"), form.get("value")
    values = {"accept": machine, "correct": value, "reject": tagging.NOTHING, "withdraw": None}
    if verdict not in values:
        raise UsageError(f"Unknown verdict {verdict!r}. Use {either(values)}.")

    def there(db: sqlite3.Connection) -> bool:
        given = {"pmid": place.pmid, "group": group, "value": machine}
        is_group, is_read = db.execute(
            """
            select exists (select 1 from labels where label_group = :group),
              exists (select 1 from labels where pmid = :pmid and label_group = :group and value = :value)
            """,
            given,
        ).fetchone()
        return bool(is_group or panels.choices(group)) and bool(
            is_read or machine == tagging.NOTHING or values[verdict] is None
        )

    if not await read(datasette, there):
        raise Refused(
            f"{named(place.pmid)} does not have the label {group}: {machine or 'none'} now. Reload the page."
        )

    def what(act: Act) -> Done:
        tagging.review_label(act, place.pmid, group, machine, values[verdict], panels.choices(group))
        said = {
            "accept": "accepted",
            "correct": "corrected",
            "reject": "rejected",
            "withdraw": "as the machine read it",
        }
        return Done.by(act, f"{group.replace('_', ' ').capitalize()}: {said[verdict]}.", place.pmid)

    return await answer(request, datasette, form, await write(datasette, writer, what))


async def move(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """Where the writer places a record of a question (``value``, with a ``reason``); ``on`` 0 takes that back."""
    place = await _place(request, datasette)
    slug = place.question(form.get("question"))
    if slug is None:
        raise UsageError("say for which question. Nothing was written.")
    value, reason, on = form.get("value"), form.get("reason"), form.get("on", "1") != "0"

    def what(act: Act) -> Done:
        seal = decisions.seal_for(act.db, place.held, place.pmid, slug)
        if on:
            placements.place(act, place.pmid, slug, value, reason, seal)
            return Done.by(act, f"Moved: {directness_words(value)}.", place.pmid)
        placements.withdraw(act, place.pmid, slug, seal)
        return Done.by(act, "Took the move back.", place.pmid)

    return await answer(request, datasette, form, await write(datasette, writer, what))


async def undo(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """Undo one of the writer's own acts: ``batch``, or else the last one. It needs the same right as the act did."""
    given = form.number("batch")
    if form.get("batch") and given is None:
        raise NotThere("This is not one of your changes.")
    rights = await access.rights(datasette, request)

    def look(
        db: sqlite3.Connection,
    ) -> tuple[int | None, list[int], Mapping[str, Review], dict[int, list[Review]]]:
        batch = given or tagging.latest_batch(db, writer.person)
        rows = db.execute(
            "select distinct pmid from annotations.events where batch = :batch", {"batch": batch}
        )
        pmids = [pmid for (pmid,) in rows if pmid]
        every = reviews(db)
        return batch, pmids, every, tagging.holding(db, every, pmids)

    batch, pmids, every, held = await read(datasette, look)
    if batch is None:
        raise Refused("There is nothing left to undo.")

    def what(act: Act) -> Done:
        action = tagging.undo_of(act.db, writer.person, batch)
        if action is None:
            raise NotThere(f"{batch} is not one of your changes.")

        def may(event: sqlite3.Row) -> bool:
            if not rights[RIGHTS.get(event["kind"], "tag")]:
                raise access.NotAllowed(
                    f"Undoing this needs the same right as doing it: {action}. Nothing was undone."
                )
            review = every.get(event["question"])
            return decisions.may_be_undone(review, act.db, event) and tagging.may_be_put_back(act.db, event)

        outcome = undo_batch(act, batch, may, tagging.seals(act.db, held))
        if not outcome.undone:
            raise Refused("Nothing was undone: it has changed since, or can no longer be undone.")
        said = f"Undone: {action}{f', {outcome.undone:,} times' if outcome.undone > 1 else ''}."
        if outcome.changed_since:
            said += f" {outcome.changed_since:,} had changed since or cannot be undone, and were kept."
        return Done(said, act.changed, act.batch, tuple(pmids[:MOST_PANELS]))

    return await answer(request, datasette, form, await write(datasette, writer, what))


# The permissions needed to undo each kind.
RIGHTS = {"decision": "decide", "settlement": "lead", "press review": "decide"}


# A whole list at once


@dataclass(frozen=True, slots=True)
class BulkPage(Page):
    """``list`` is the list's query string; ``count`` says how many papers it has, ``which`` identifies them."""

    template = "tracker_bulk.html"
    title: str
    path: str
    list: str
    chips: Sequence[filters.Chip]
    count: int
    which: str
    most: int
    review: Review
    labels: Labels
    groups: Sequence[vocabulary.Group]


async def show_bulk(request: Request, datasette: Datasette) -> Response:
    """The number of papers in a list, and a form for actions on all of them."""
    if not await access.may(datasette, request, "tracker-tag"):
        raise access.SignInNeeded("Sign in as a tagger to tag a whole list.")
    slug = request.url_vars["slug"]
    path = datasette.urls.path(f"/questions/{slug}")

    def query(db: sqlite3.Connection) -> BulkPage:
        chosen = _chosen(request, db, slug)
        pmids = _first(db, chosen)
        review = reviews(db)[slug]
        return BulkPage(
            title=news.titles(db)[slug],
            path=path,
            list=filters.query(chosen).removeprefix("?"),
            chips=filters.chips(chosen, path),
            count=len(pmids),
            which=_which(pmids),
            most=tagging.MOST_AT_ONCE,
            review=review,
            labels=hidden_labels.labels(db, review, access.viewer(request)),
            groups=vocabulary.groups(db, "annotations"),
        )

    return await render(datasette, request, await read(datasette, query))


async def do_bulk(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """Do what the form's ``action`` says to all papers of a list."""
    action = form.get("action")
    if action not in BULK_ACTIONS:
        raise UsageError(f"Unknown action {action!r}. Use {either(BULK_ACTIONS)}.")
    bulk = await _bulk(request, datasette, form)
    does_tag = action in ("tag", "untag")
    if not (await access.rights(datasette, request))["tag" if does_tag else "decide"]:
        raise Forbidden("You may not do this. Nothing was written.")

    def what(act: Act) -> Done:
        done = _tag_all(act, form, bulk) if does_tag else _decide_all(act, form, bulk)
        shown = tuple(bulk.pmids[:MOST_PANELS])
        return Done(_told(done, len(bulk.pmids)), act.changed, act.batch, shown, done.refused)

    return await answer(request, datasette, form, await write(datasette, writer, what))


class _Bulk(NamedTuple):
    """The papers of the list, the review of its question, and the reviews that hold each paper."""

    slug: str
    pmids: list[ArticleKey]
    review: Review
    held: dict[int, list[Review]]


async def _bulk(request: Request, datasette: Datasette, form: Form) -> _Bulk:
    """The list as it is now. Raises Refused if it is too long, or differs from what the person saw."""
    slug = request.url_vars["slug"]
    if (count := form.number("count")) is None:
        raise UsageError("count: say how many papers the list had when you looked. Nothing was written.")

    def query(db: sqlite3.Connection) -> _Bulk:
        pmids = _first(db, _chosen(_listed_request(request, form.get("list")), db, slug))
        every = reviews(db)
        return _Bulk(slug, pmids, every[slug], tagging.holding(db, every, pmids))

    bulk: _Bulk = await read(datasette, query)
    if len(bulk.pmids) > tagging.MOST_AT_ONCE:
        raise Refused(
            f"The list has more than {tagging.MOST_AT_ONCE:,} papers, the limit for one change. Narrow it."
        )
    if len(bulk.pmids) != count or form.get("which", _which(bulk.pmids)) != _which(bulk.pmids):
        raise Refused(
            f"The list had {count:,} papers when you looked, and has changed since: it has {len(bulk.pmids):,} now. "
            "Look again. Nothing was written."
        )
    return bulk


def _tag_all(act: Act, form: Form, bulk: _Bulk) -> tagging.Bulk:
    if not (name := form.get("tag").strip()):
        raise UsageError("choose a tag. Nothing was written.")
    chosen, seal = vocabulary.named(act.db, name), tagging.seals(act.db, bulk.held)

    def put(pmid: ArticleKey) -> bool:
        if form.get("action") == "tag":
            return tagging.tag(act, pmid, bulk.slug, chosen, seal=seal(pmid, bulk.slug))
        return tagging.untag(act, pmid, bulk.slug, chosen, seal(pmid, bulk.slug))

    return tagging.in_bulk(act, bulk.pmids, put)


def _decide_all(act: Act, form: Form, bulk: _Bulk) -> tagging.Bulk:
    action, stage = form.get("action"), form.get("stage")
    decision = None if action == "withdraw" else action
    reason = (form.get("reason") or None) if action == "exclude" else None
    seen = decisions.checked_seen(form.get("basis") or None, form.get("labels") or None)
    if stage:
        decisions.check_form(bulk.review, stage, decision, reason)

    def put(pmid: ArticleKey) -> bool:
        at = stage or decisions.stage_of(act.db, bulk.review, pmid)
        return decisions.decide(act, bulk.review, pmid, at, decision, reason, seen=seen)

    return tagging.in_bulk(act, bulk.pmids, put)


def _told(done: tagging.Bulk, papers: int) -> str:
    parts = [f"{done.changed:,} of {papers:,} papers changed"]
    if done.unchanged:
        parts.append(f"{done.unchanged:,} needed no change")
    if done.refused:
        parts.append(
            f"{done.refused:,} could not be changed (two people have decided, or it is not their stage)"
        )
    return "; ".join(parts) + "."


def _chosen(request: Request, db: sqlite3.Connection, slug: str) -> Selection:
    if not db.execute("select 1 from questions where slug = :slug", {"slug": slug}).fetchone():
        raise NotFound(f"Unknown question {slug!r}.")
    # An action on a list must never affect a longer list than its filters say.
    return filters.selection(
        request, slug, citations.label_choices(db, slug, access.viewer(request)), strict=True
    )


def _first(db: sqlite3.Connection, chosen: Selection) -> list[ArticleKey]:
    """All of the list, but at most one more than an act may change."""
    rows = selection.Reader(db, chosen).rows(selection.TOP, tagging.MOST_AT_ONCE + 1)
    return [ArticleKey(pmid) for _, pmid in rows]


def _which(pmids: Iterable[int]) -> str:
    """A hash of a list's papers, for a form: the same number of other papers is a different list."""
    return sha256(" ".join(map(str, sorted(pmids))).encode()).hexdigest()[:16]


def _listed_request(request: Request, query: str) -> Request:
    """The request that showed the list, with the person who makes this one."""
    scope = {**request.scope, "query_string": query.encode(), "method": "GET"}
    return Request(scope, request.receive)


# Answers


async def _place(request: Request, datasette: Datasette) -> Place:
    pmid = key_in(request)

    def query(db: sqlite3.Connection) -> Place | None:
        if not db.execute("select 1 from articles where pmid = :pmid", {"pmid": pmid}).fetchone():
            return None
        every = reviews(db)
        return Place(pmid, every, tagging.holding(db, every, [pmid]).get(pmid, []))

    place: Place | None = await read(datasette, query)
    if place is None:
        raise NotFound(f"{named(pmid)} is not stored here. Nothing was written.")
    return place


async def answer(request: Request, datasette: Datasette, form: Form, done: Done) -> Response:
    if wants_json(request):
        said: dict[str, Any] = {"ok": True, **done.as_json()}
        if form.has("panel"):
            said["panels"] = await panels.panels(
                datasette,
                request,
                form.get("question") or None,
                done.pmids[:MOST_PANELS],
                on_article=form.get("panel") == "article",
                back=form.get("back"),
            )
        return await asyncio.to_thread(Response.json, said)
    return Response.redirect(with_done(access.local_path(form.get("back")), done), status=303)


def with_done(path: str, done: Done) -> str:
    """Redirect to the page, with the number of the act, so that the page can read from the log what was done."""
    parts = urlsplit(path)
    pairs = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in panels.DONE]
    pairs.append(("done", str(done.batch)) if done.batch else ("unchanged", "1"))
    if done.refused:
        pairs.append(("refused", str(done.refused)))
    return parts._replace(query=urlencode(pairs)).geturl()
