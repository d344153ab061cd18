"""PubMed's own text format (MEDLINE, ``.nbib``).

Tags: https://pubmed.ncbi.nlm.nih.gov/help/#pubmed-format. Notices have NLM's tags (``RIN``: retracted in); ``GN``,
the general note, has all remarks in words, what was read by machine, and what people say, tags as well (``OT`` is for
the record's own keywords, and readers of the file would take tags for keywords). In the first record it also has the
remarks on the list: before that record, readers would take them for another record. Fields are not folded, as readers
differ in how they unfold lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tracker.citation import Citation, CitedNotice
from tracker.export.clean import one_line
from tracker.export.listing import Listing

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
NOTICES = {
    "CommentIn": "CIN",
    "CommentOn": "CON",
    "CorrectedandRepublishedIn": "CRI",
    "CorrectedandRepublishedFrom": "CRF",
    "ExpressionOfConcernIn": "ECI",
    "ExpressionOfConcernFor": "ECF",
    "ErratumIn": "EIN",
    "ErratumFor": "EFR",
    "OriginalReportIn": "ORI",
    "PartialRetractionIn": "PRIN",
    "PartialRetractionOf": "PROF",
    "RetractionIn": "RIN",
    "RetractionOf": "ROF",
    "RepublishedIn": "RPI",
    "RepublishedFrom": "RPF",
    "RetractedandRepublishedIn": "RRI",
    "RetractedandRepublishedFrom": "RRF",
    "SummaryForPatientsIn": "SPIN",
    "UpdateIn": "UIN",
    "UpdateOf": "UOF",
}


def write(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    for citation in citations:
        lines = [f"{tag:<4}- {text}\n" for tag, value in _fields(citation) if (text := one_line(value or ""))]
        out.write("".join([*lines, "\n"]).encode())


def _fields(c: Citation) -> Iterator[tuple[str, str | None]]:
    if c.pubmed_id:
        yield "PMID", str(c.pubmed_id)
    else:
        # MEDLINE's tag for a number that another organisation gave.
        yield "OID", f"{c.database}: {c.accession or c.key}"
    yield from _place(c)
    yield "AB", c.abstract
    yield from _people(c)
    yield from (("LA", language) for language in c.languages)
    yield from (("SI", f"{bank}/{number}" if number else bank) for bank, number in c.registrations)
    yield from (("PT", name) for name in c.publication_types)
    if not c.book:
        yield "TA", c.medline_abbreviation or c.iso_abbreviation
        yield "JT", c.journal
    yield from ((NOTICES[notice.type], _notice(notice)) for notice in c.notices if notice.type in NOTICES)
    yield from (("MH", term) for term in c.mesh)
    yield from (("OT", keyword) for keyword in c.keywords)
    yield "PMC", c.pmcid
    if c.doi_name:
        yield "AID", f"{c.doi_name} [doi]"
    yield from (("GN", text) for text in (*c.remarks, *c.readings, *c.said_by_people, *c.tag_terms))


def _place(c: Citation) -> Iterator[tuple[str, str | None]]:
    """Where it was published: the volume, its title, the pages, and the book if it is in one."""
    yield "IS", c.issn
    if c.issn_linking:
        yield "IS", f"{c.issn_linking} (Linking)"
    yield "VI", c.volume
    yield "IP", c.issue
    yield "DP", _date(c)
    yield "TI", c.headline
    yield "TT", c.vernacular_title
    yield "PG", c.pages
    if c.article_number:
        yield "LID", f"{c.article_number} [pii]"
    if c.doi_name:
        yield "LID", f"{c.doi_name} [doi]"
    if c.book:
        yield "BTI", c.book.title
        yield "PB", c.book.publisher
        yield "PL", c.book.place
        yield "EN", c.book.edition
        yield "CTI", c.book.collection
        yield from (("ISBN", isbn) for isbn in c.book.isbns)


def _people(c: Citation) -> Iterator[tuple[str, str | None]]:
    for author in c.authors:
        if author.group:
            yield "CN", author.group
        else:
            editor = author.role == "editor"
            yield ("FED" if editor else "FAU"), author.inverted
            yield ("ED" if editor else "AU"), author.short
    if not c.authors_complete:
        yield "AU", "et al."


def _date(c: Citation) -> str:
    year, month, day = [*c.date_parts, 0, 0, 0][:3]
    return " ".join(
        part
        for part in (f"{year:04}" if year else "", _MONTHS[month - 1] if month else "", str(day or ""))
        if part
    )


def _notice(notice: CitedNotice) -> str:
    where = (notice.citation, f"PMID: {notice.pmid}" if notice.pmid else None)
    return " ".join(part for part in where if part) or "(no reference given)"
