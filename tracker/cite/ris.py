"""RIS, as EndNote, Zotero and Mendeley take it.

Tags: https://en.wikipedia.org/wiki/RIS_(file_format) (the 2011 list); lines end with CR LF, as Research Information
Systems had it. ``C1`` has the standing in short, an ``N1`` each all remarks, what was read by machine and what people
say; ``KW`` has our tags as well, each with "tag: " before it, so that none passes for the record's own keyword.
``AN`` is the PMID and ``C2`` the PMC number, where EndNote's own PubMed import puts it. What is to be said of the list
is one more ``N1`` of the first entry: readers drop what stands before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tracker.citation import Citation
from tracker.cite.clean import one_line
from tracker.cite.listing import Listing


def write(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    note = listing.note
    for citation in citations:
        fields = (*_fields(citation), ("N1", note))
        lines = [f"{tag}  - {text}\r\n" for tag, value in fields if (text := one_line(value or ""))]
        note = None
        out.write("".join([*lines, "ER  - \r\n\r\n"]).encode())


def _fields(c: Citation) -> Iterator[tuple[str, str | None]]:
    yield "TY", ("CHAP" if c.is_chapter else "BOOK") if c.kind == "book" else "JOUR"
    yield "ID", str(c.pmid)
    yield "TI", c.headline
    for author in c.authors:
        yield ("A2" if author.role == "editor" else "AU"), author.inverted
    if c.book:
        yield from _book(c)
    else:
        yield "T2", c.journal
        yield "J2", c.iso_abbreviation
        yield "SN", c.issn
    yield "VL", c.volume
    yield "IS", c.issue
    first, last = c.page_range
    yield "SP", first
    yield "EP", last
    if c.published:
        yield "PY", c.published[:4]
        year, month, day = [*c.published.split("-"), "", ""][:3]
        yield "DA", f"{year}/{month}/{day}/"
    yield "DO", c.doi_name
    yield "AN", str(c.pmid)
    yield "C2", c.pmcid
    yield "DB", "PubMed"
    yield "C1", "; ".join((*c.standing, c.status_date))
    for text in (*c.remarks, *c.readings, *c.said_by_people):
        yield "N1", text
    for bank, number in c.registrations:
        yield "N1", f"Registered: {bank} {number or ''}"
    for term in (*c.keywords, *c.mesh_terms, *c.tag_terms):
        yield "KW", term
    yield "M3", "; ".join(c.publication_types)
    yield "LA", ", ".join(c.languages)
    yield "AB", c.abstract
    yield "UR", c.url
    yield "UR", c.doi_url


def _book(c: Citation) -> Iterator[tuple[str, str | None]]:
    assert c.book
    if c.is_chapter:
        yield "T2", c.book.title
    yield "T3", c.book.collection
    yield "PB", c.book.publisher
    yield "CY", c.book.place
    yield "ET", c.book.edition
    for isbn in c.book.isbns:
        yield "SN", isbn
