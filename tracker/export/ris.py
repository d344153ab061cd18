"""RIS, as EndNote, Zotero and Mendeley take it.

Tags: https://en.wikipedia.org/wiki/RIS_(file_format) (the 2011 list); lines end with CR LF, as Research Information
Systems specified. ``C1`` has the standing in short, one ``N1`` each has all remarks, what was read by machine, what
people say; ``KW`` has our tags as well, each with "tag: " before it to tell it from the record's own keywords.
``AN`` is the PMID, or the number in the database that ``DB`` names, and ``C2`` the PMC number, where EndNote's own
PubMed import puts it. There are no remarks on the list as a whole: a reference manager would keep them with the first
paper for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tracker.citation import Citation, CitedAuthor
from tracker.export.clean import one_line
from tracker.export.listing import Listing
from tracker.export.pages import first_and_last
from tracker.export.titles import without_stop


def write(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    for citation in citations:
        lines = [
            f"{tag}  - {text}\r\n" for tag, value in _fields(citation) if (text := one_line(value or ""))
        ]
        out.write("".join([*lines, "ER  - \r\n\r\n"]).encode())


def _fields(c: Citation) -> Iterator[tuple[str, str | None]]:
    yield "TY", _type(c)
    yield "ID", c.key
    yield "TI", without_stop(c.headline)
    for author in c.authors:
        yield ("A2" if author.role == "editor" else "AU"), _name(author)
    if c.book:
        yield from _book(c)
    else:
        yield "T2", c.journal
        if c.is_preprint:
            # The server, as Zotero has it for preprints.
            yield "PB", c.journal
        yield "J2", c.abbreviation
        yield "SN", c.issn
    yield "VL", c.volume
    yield "IS", c.issue
    first, last = first_and_last(c.location)
    yield "SP", first
    yield "EP", last
    if c.published:
        yield "PY", c.published[:4]
        year, month, day = [*c.published.split("-"), "", ""][:3]
        yield "DA", f"{year}/{month}/{day}/"
    yield "DO", c.doi_name
    yield "AN", c.accession
    yield "C2", c.pmcid
    yield "DB", c.database
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


def _type(c: Citation) -> str:
    """UNPB, an unpublished work, is what Zotero and others write for a preprint: RIS has no type of its own for it."""
    if c.kind == "book":
        return "CHAP" if c.is_chapter else "BOOK"
    return "UNPB" if c.is_preprint else "JOUR"


def _name(author: CitedAuthor) -> str:
    """Readers split a name at each comma, and RIS has no escape, so a group's name gets look-alikes of commas."""
    return author.group.replace(",", "\u201a") if author.group else author.inverted


def _book(c: Citation) -> Iterator[tuple[str, str | None]]:
    assert c.book
    if c.is_chapter:
        yield "T2", without_stop(c.book.title)
    yield "T3", c.book.collection
    yield "PB", c.book.publisher
    yield "CY", c.book.place
    yield "ET", c.book.edition
    for isbn in c.book.isbns:
        yield "SN", isbn
