"""The page and the feed of changes: new, changed, withdrawn and left, by day and by question."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from tracker.export.files import NEVER
from tracker.export.formats import FORMATS, Citation, Listing
from tracker.lists import citations, news
from tracker.lists.news import Field, News
from tracker.lists.pages import has_starter
from tracker.lists.selection import Count
from tracker.site import words
from tracker.site.parts.page import Page, render
from tracker.site.server import address
from tracker.site.server.compat import NotFound, Request, Response
from tracker.site.server.reader import read

if TYPE_CHECKING:
    from datasette.app import Datasette

PATH = "/changes"
NEWS_WORDS: dict[News, str] = {
    "new": "New in a question",
    "withdrawn": "Retracted, withdrawn or under concern",
    "corrected": "Corrected",
    "added": "Added, but not new",
    "left": "No longer found by the search",
    "changed": "Other changes of records",
}
# Names for fields whose own name is not clear, and the meaning of each flag's change.
_NAMES = {
    "copyright": "copyright statement",
    "created": "day of creation in PubMed",
    "electronic": "date of electronic publication",
    "entered": "day of entry in PubMed",
    "history": "dates in its history",
    "ids": "identifiers",
    "kind": "kind of record",
    "mesh_headings": "MeSH headings",
    "published": "date of publication",
    "published_raw": "date of publication as printed",
    "revised": "day of the last revision",
    "completed": "day of completion",
    "status": "indexing status",
}
_TURNED = {
    ("record", "gone"): "no longer in PubMed",
    ("record", "present"): "in PubMed again",
    ("retracted", "0"): "no longer marked as retracted",
    ("withdrawn", "0"): "no longer withdrawn by its title",
    ("expression_of_concern", "0"): "no longer under an expression of concern",
    ("corrected", "0"): "no longer marked as corrected",
    ("updated", "1"): "an update was published",
    ("commented", "1"): "a comment was published",
    ("republished", "1"): "published again",
    ("is_notice", "1"): "now marked as a notice about another paper",
}


# Not worth mentioning beside others.
_QUIET = frozenset({"revised", "published_raw"})


class MonthPart(NamedTuple):
    """A number of this month in words, and the address that shows what it counts."""

    words: str
    path: str


@dataclass(frozen=True, slots=True)
class ChangesPage(Page):
    """``said`` describes in words what changed in a record; ``month`` is there on the first page."""

    template = "tracker_changes.html"
    days: Sequence[news.Day]
    questions: Mapping[str, str]
    question: str | None
    kind: News | None
    kinds: Mapping[News, str]
    notices: Mapping[str, words.NoticeWords]
    month: Sequence[MonthPart]
    month_begins: str
    said: Callable[[Sequence[Field]], str]
    latest_path: str | None
    earlier_path: str | None
    feed_path: str
    starter: bool


async def changes(request: Request, datasette: Datasette) -> Response:
    """The latest days on which something happened, by the address's ``question``, ``kind`` and ``before``.

    Raises NotFound if there is no such question; an invalid kind or day is ignored.
    """
    slug, kind, before = request.args.get("question") or None, _kind(request), _day(request)

    def query(db: sqlite3.Connection) -> ChangesPage:
        days, earlier = news.days(db, before, slug, kind)
        month = news.month(db, slug)
        return ChangesPage(
            days=days,
            questions=news.titles(db),
            question=slug,
            kind=kind,
            kinds=NEWS_WORDS,
            notices=words.NOTICES,
            month=[] if before else _month_parts(month, slug),
            month_begins=month.begins,
            said=said,
            latest_path=PATH + _query(question=slug, kind=kind) if before else None,
            earlier_path=PATH + _query(question=slug, kind=kind, before=earlier) if earlier else None,
            feed_path=f"{PATH}.atom" + _query(question=slug),
            starter=has_starter(db),
        )

    page: ChangesPage = await read(datasette, query)
    if slug and slug not in page.questions:
        raise NotFound(f"Unknown question {slug!r}.")
    return await render(datasette, request, page)


async def feed(request: Request, datasette: Datasette) -> Response:
    """``/changes.atom``: the articles in the latest news, for one question with ``?question=``.

    Raises NotFound if there is no such question.
    """
    slug = request.args.get("question") or None

    def query(db: sqlite3.Connection) -> tuple[Listing, list[Citation]] | None:
        titles = news.titles(db)
        if slug and slug not in titles:
            return None
        cited = list(citations.of_articles(db, news.feed(db, slug), slug))
        moments = [moment for each in cited for moment in (each.entered, each.changed) if moment]
        title = f"What changed: {titles[slug]}" if slug else "What changed"
        home = address.absolute(datasette, request, datasette.urls.path(PATH + _query(question=slug)))
        return Listing(
            f"changes/{slug or ''}",
            title,
            max(moments, default=NEVER),
            remarks=(_month_words(news.month(db, slug)),),
            home=home,
        ), cited

    listed = await read(datasette, query)
    if listed is None:
        raise NotFound(f"Unknown question {slug!r}.")
    about, cited = listed
    out = io.BytesIO()
    atom = FORMATS["atom"]
    await asyncio.to_thread(atom.write, about, cited, out)
    return Response(out.getvalue(), 200, content_type=atom.media_type)


def _month_parts(month: news.Month, slug: str | None) -> list[MonthPart]:
    """The numbers of the month, each with its address; those under concern only where there are some."""
    parts: list[tuple[Count, str, News]] = [
        (month.new, "new", "new"),
        (month.withdrawn, "withdrawn", "withdrawn"),
        (month.under_concern, "under concern", "withdrawn"),
        (month.corrected, "corrected", "corrected"),
    ]
    return [
        MonthPart(
            f"{number.n:,}{'' if number.exact else '+'} {text}", PATH + _query(question=slug, kind=kind)
        )
        for number, text, kind in parts
        if number is not month.under_concern or number.n
    ]


def _month_words(month: news.Month) -> str:
    return f"This month: {', '.join(part.words for part in _month_parts(month, None))}."


def said(fields: Sequence[Field]) -> str:
    """What changed, in words: ``title, abstract; a comment was published``."""
    turned = [_TURNED[field] for field in fields if field in _TURNED]
    others = [field.name for field in fields if field not in _TURNED]
    telling = [name for name in others if name not in _QUIET]
    names = [_NAMES.get(name, name.replace("_", " ")) for name in telling or others]
    return "; ".join(filter(None, [", ".join(names), *turned]))


def _kind(request: Request) -> News | None:
    return next((kind for kind in NEWS_WORDS if kind == request.args.get("kind")), None)


def _day(request: Request) -> str | None:
    with suppress(ValueError):
        return date.fromisoformat(request.args.get("before") or "").isoformat()
    return None


def _query(**given: Any) -> str:
    """A query string of the given values, including ``?`` unless it is empty."""
    pairs = {name: value for name, value in given.items() if value}
    return f"?{urlencode(pairs)}" if pairs else ""
