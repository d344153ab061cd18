"""Europe PMC: where full text is, under which licence, and which preprint belongs to which article.

https://europepmc.org/RestfulWebService. A link between preprint and article that it made by title and first author is
only probable, and stays apart from those that a preprint server or Crossref stated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from tracker.enrich.source import (
    Answered,
    Answers,
    Day,
    Number,
    Rows,
    Source,
    understood,
    web_address,
    whole,
)
from tracker.pubmed.transport import Line

_PREPRINT = "PPR"
_MOST_PAGES = 10
# What the other of a link is, seen from the record that names it. Updates and errata are told by PubMed itself.
_RELATIONS = {"Preprint in": "preprint", "Preprint of": "article"}
# How Europe PMC says that a link was stated by those who must know.
_STATED = "crossref"
_OPEN = ("OA", "F")


class _List(Answered):
    result: list[dict[str, Any]]


class _Frame(Answered):
    count: Number = Field(alias="hitCount")
    results: _List = Field(alias="resultList")
    next_page: str | None = Field(default=None, alias="nextCursorMark")


class _Address(Answered):
    url: str
    site: str
    format: str | None = Field(default=None, alias="documentStyle")
    availability: str | None = None
    code: str | None = Field(default=None, alias="availabilityCode")


class _Addresses(Answered):
    all: list[_Address] = Field(default=[], alias="fullTextUrl")


class _Link(Answered):
    id: str | None = None
    type: str
    note: str | None = None


class _Links(Answered):
    all: list[_Link] = Field(default=[], alias="commentCorrection")


class _Book(Answered):
    publisher: str | None = None


class _Record(Answered):
    id: str
    doi: str | None = None
    title: str = ""
    licence: str | None = Field(default=None, alias="license")
    published: Day = Field(default=None, alias="firstPublicationDate")
    addresses: _Addresses = Field(default=_Addresses(), alias="fullTextUrlList")
    links: _Links = Field(default=_Links(), alias="commentCorrectionList")
    book: _Book = Field(default=_Book(), alias="bookOrReportDetails")


def ask(line: Line, keys: Sequence[str]) -> Answers:
    return {key: record for record in _records(line, keys) if (key := str(record.get("id"))) in keys}


def _records(line: Line, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What it finds, page by page: it may count more than it returns, so that the last page is the empty one."""
    ids = " OR ".join(f"EXT_ID:{key}" for key in keys)
    params = {
        "query": f"({ids}) AND (SRC:MED OR SRC:{_PREPRINT})",
        "resultType": "core",
        "format": "json",
        "pageSize": str(len(keys)),
    }
    page, found = "*", 0
    for _ in range(_MOST_PAGES):
        frame = whole(_Frame, line.get("search", {**params, "cursorMark": page}), SOURCE.title)
        yield from frame.results.result
        found += len(frame.results.result)
        if not frame.results.result or found >= frame.count or frame.next_page in (None, page):
            return
        page = frame.next_page or page


def rows(key: str, answer: Any) -> Rows:
    record = understood(_Record, answer)
    if key.startswith(_PREPRINT):
        return {"preprint_records": [_preprint(key, record)]}
    pmid = int(key)
    return {
        "full_text_links": [
            {
                "pmid": pmid,
                "site": address.site,
                "url": address.url,
                "format": address.format,
                "availability": address.availability,
                "open": address.code in _OPEN,
                "licence": record.licence if address.code == "OA" else None,
            }
            for address in record.addresses.all
            if web_address(address.url)
        ],
        "preprint_links": [
            {
                "pmid": pmid,
                "relation": _RELATIONS[link.type],
                "other": link.id,
                "certainty": "sure" if _STATED in (link.note or "").lower() else "probable",
                "note": link.note,
            }
            for link in record.links.all
            if link.type in _RELATIONS and link.id
        ],
    }


def _preprint(key: str, record: _Record) -> dict[str, Any]:
    return {
        "id": key,
        "doi": record.doi and record.doi.lower(),
        "title": record.title,
        "server": record.book.publisher,
        "published": record.published,
    }


SOURCE = Source(
    name="europepmc",
    title="Europe PMC",
    keys="""
        select cast(q.pmid as text) as key, q.created as newest from question_articles q
        where q.matching and q.pmid > 0 and q.question in (select value from json_each(:questions))
        union all
        select l.other, '' from preprint_links l join question_articles q on q.pmid = l.pmid
        where q.matching and l.other glob 'PPR[0-9]*' and q.question in (select value from json_each(:questions))
    """,
    tables=("full_text_links", "preprint_links", "preprint_records"),
    ask=ask,
    rows=rows,
    batch=50,
    per_second=3,
    young_days=7,
    old_days=60,
)
