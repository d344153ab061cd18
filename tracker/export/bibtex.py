"""BibTeX, for classic styles and for biblatex; UTF-8.

Values are in braces, so BibTeX counts every brace in them, escaped or not: braces in the text become commands.
``note`` is what styles print: it has the remarks on papers that are retracted, under concern, corrected or the like.
Remarks on other papers are in ``annotation``, beside what was read by machine. Remarks on the list come first, as
BibTeX takes everything outside an entry for a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tracker.citation import Citation, CitedAuthor
from tracker.export.clean import one_line
from tracker.export.listing import Listing
from tracker.export.pages import written_out
from tracker.export.titles import without_stop

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{sign: f"\\{sign}" for sign in "$&%#_"},
    }
)
_NOT_IN_COMMENTS = str.maketrans({"@": "(at)", "{": "(", "}": ")"})
# doi and url are taken verbatim by biblatex: these signs would break out of the braces, or be TeX.
_NOT_VERBATIM = re.compile(r"[\\{}%#$&^~]")


def write(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    if listing.remarks:
        lines = [f"% {_comment(text)}\n" for text in (listing.title, *listing.remarks)]
        out.write("".join([*lines, "\n"]).encode())
    for citation in citations:
        kind = _type(citation)
        fields = [f"  {name} = {value}" for name, value in _fields(citation)]
        out.write((f"@{kind}{{{_key(citation)},\n" + ",\n".join(fields) + "\n}\n\n").encode())


def _key(c: Citation) -> str:
    return f"pmid{c.pmid}" if c.pubmed_id else c.key


def _type(c: Citation) -> str:
    """``misc`` is what Zotero writes for a preprint, and what classic styles can print."""
    if c.kind == "book":
        return "incollection" if c.is_chapter else "book"
    return "misc" if c.is_preprint else "article"


def escape(text: str) -> str:
    """The text on one line, with nothing in it that LaTeX or BibTeX would take as a command."""
    return one_line(text).translate(_ESCAPES)


def _comment(text: str) -> str:
    """The text on one line, with nothing in it that would begin an entry."""
    return one_line(text).translate(_NOT_IN_COMMENTS)


def _fields(c: Citation) -> Iterator[tuple[str, str]]:
    yield "title", _as_written(c.headline)
    if c.book and c.is_chapter:
        yield "booktitle", _as_written(c.book.title)
    for role in ("author", "editor"):
        if names := [_name(author) for author in c.authors if author.role == role]:
            if role == "author" and not c.authors_complete:
                names.append("others")
            yield role, f"{{{' and '.join(names)}}}"
    for name, value in _texts(c):
        if value and (text := escape(value)):
            yield name, f"{{{text}}}"
    if c.date_parts:
        year, *rest = c.date_parts
        yield "year", f"{{{year:04}}}"
        if rest:
            yield "month", _MONTHS[rest[0] - 1]
        if rest[1:]:
            yield "day", f"{{{rest[1]}}}"
    if c.doi_name and not _NOT_VERBATIM.search(c.doi_name):
        yield "doi", f"{{{c.doi_name}}}"
    if c.url and not _NOT_VERBATIM.search(c.url):
        yield "url", f"{{{c.url}}}"


def _as_written(title: str) -> str:
    """A second pair of braces keeps capitals."""
    return f"{{{{{escape(without_stop(title))}}}}}"


def _texts(c: Citation) -> Iterator[tuple[str, str | None]]:
    if c.book:
        yield "series", c.book.collection
        yield "publisher", c.book.publisher
        yield "address", c.book.place
        yield "edition", c.book.edition
        yield "isbn", ", ".join(c.book.isbns)
    else:
        if c.is_preprint:
            yield "howpublished", f"Preprint, {c.journal}" if c.journal else "Preprint"
            yield "publisher", c.journal
            yield "pubstate", "prepublished"
        else:
            yield "journal", c.journal
        yield "shortjournal", c.abbreviation
        yield "issn", c.issn
    yield "volume", c.volume
    yield "number", c.issue
    yield "pages", written_out(c.location, "--")
    yield "pmid", str(c.pubmed_id) if c.pubmed_id else None
    yield "database", c.database if c.external else None
    yield "accession", c.accession if c.external else None
    yield "pmcid", c.pmcid
    yield "language", ", ".join(c.languages)
    yield "keywords", "; ".join((*c.keywords, *c.mesh_terms, *c.tag_terms))
    yield "note", ". ".join(c.remarks) if c.standing else None
    registered = [f"Registered: {bank} {number or ''}".strip() for bank, number in c.registrations]
    yield (
        "annotation",
        ". ".join((*(() if c.standing else c.remarks), *c.readings, *c.said_by_people, *registered)),
    )
    yield "abstract", c.abstract


def _name(author: CitedAuthor) -> str:
    if author.group:
        return f"{{{escape(author.group)}}}"
    family = _kept_whole(author.family or "")
    if not author.given_name:
        return f"{{{escape(author.family or '')}}}"
    return ", ".join(
        part for part in (family, _kept_whole(author.suffix), _kept_whole(author.given_name)) if part
    )


def _kept_whole(part: str | None) -> str:
    """A part of a name, in braces where BibTeX would divide it."""
    text = escape(part or "")
    return f"{{{text}}}" if "," in text or re.search(r"(?:^|\s)and(?:\s|$)", text, re.I) else text
