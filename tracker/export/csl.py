"""CSL-JSON, which Zotero, pandoc and every CSL processor take.

Variables: https://docs.citationstyles.org/en/stable/specification.html#appendix-iv-variables. ``note`` has all
remarks, ``status`` the standing, ``keyword`` our tags as well, with "tag: " before each; ``custom`` has what was read
by machine, what people say, registrations, and in the first item the remarks on the list: the format is an array of
items and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

from tracker.citation import Citation, CitedAuthor
from tracker.export.clean import printable
from tracker.export.json_ import write_array
from tracker.export.listing import Listing
from tracker.export.pages import written_out
from tracker.export.titles import without_stop


def write(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    write_array(map(item, citations), out)
    out.write(b"\n")


def item(c: Citation) -> dict[str, Any]:
    """The citation as a CSL item; what it lacks is left out."""
    fields = {
        "id": f"pmid{c.pmid}" if c.pubmed_id else c.key,
        "type": _type(c),
        "genre": "preprint" if _type(c) == "article" else None,
        "title": without_stop(c.headline),
        "author": [_name(author) for author in c.authors if author.role == "author"],
        "editor": [_name(author) for author in c.authors if author.role == "editor"],
        "issued": {"date-parts": [list(c.date_parts)]} if c.date_parts else None,
        "volume": c.volume,
        "issue": c.issue,
        "page": written_out(c.location),
        "ISSN": c.issn,
        "DOI": c.doi_name,
        "PMID": str(c.pubmed_id) if c.pubmed_id else None,
        "source": c.external and c.database,
        "archive_location": c.external and c.accession,
        "PMCID": c.pmcid,
        "URL": c.url,
        "language": ", ".join(c.languages),
        "keyword": ", ".join((*c.keywords, *c.mesh_terms, *c.tag_terms)),
        "abstract": c.abstract,
        "status": "; ".join(c.standing),
        "note": "\n".join(c.remarks),
        "custom": {
            "read-by-machine": {label.group: _values(c, label.group) for label in c.labels},
            "said-by-people": list(c.said_by_people),
            "registrations": [f"{bank} {number or ''}".strip() for bank, number in c.registrations],
            "publication-types": list(c.publication_types),
        },
        **_container(c),
    }
    return {name: _clean(value) for name, value in fields.items() if value}


def _type(c: Citation) -> str:
    """``article`` is a preprint: https://docs.citationstyles.org/en/stable/specification.html#appendix-iii-types."""
    if c.kind == "book":
        return "chapter" if c.is_chapter else "book"
    return "article" if c.is_preprint else "article-journal"


def _container(c: Citation) -> dict[str, Any]:
    if c.book is None:
        # For a preprint Zotero has only the server.
        titles = {"container-title": c.journal, "container-title-short": c.abbreviation}
        return {"publisher": c.journal} if c.is_preprint else titles
    return {
        "container-title": without_stop(c.book.title) if c.is_chapter else None,
        "collection-title": c.book.collection,
        "publisher": c.book.publisher,
        "publisher-place": c.book.place,
        "edition": c.book.edition,
        "ISBN": " ".join(c.book.isbns),
    }


def _name(author: CitedAuthor) -> dict[str, str]:
    if author.group:
        return {"literal": author.group}
    parts = {"family": author.family, "given": author.given_name, "suffix": author.suffix}
    return {name: part for name, part in parts.items() if part}


def _values(c: Citation, group: str) -> list[str]:
    return [label.value for label in c.labels if label.group == group]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {name: _clean(part) for name, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list) else value
