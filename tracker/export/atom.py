"""An Atom feed (RFC 4287) of the list: one entry per article, updated when something about it changes.

All texts are plain, so that a feed reader does not have to trust our markup.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from lxml import etree

from tracker.citation import Citation
from tracker.export.clean import printable
from tracker.export.listing import Listing

ATOM = "http://www.w3.org/2005/Atom"
NAMED_AUTHORS = 20
# lxml takes None for the default namespace; its stubs do not know it.
_NAMESPACE: Any = {None: ATOM}


def write(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    with etree.xmlfile(out, encoding="utf-8") as file:
        file.write_declaration()
        with file.element(f"{{{ATOM}}}feed", nsmap=_NAMESPACE):
            for element in _head(listing):
                file.write(element)
            for citation in citations:
                file.write("\n", _entry(citation, listing))


def _head(listing: Listing) -> Iterator[Any]:
    yield _element("id", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'evidence-tracker/{listing.slug}')}")
    yield _element("title", listing.title)
    yield _element("updated", listing.updated)
    if listing.remarks:
        yield _element("subtitle", " ".join(listing.remarks))
    if listing.home:
        yield _element("link", rel="alternate", href=listing.home)
    author = _element("author")
    _add(author, "name", "evidence-tracker")
    yield author
    yield _element("rights", "Records from PubMed, courtesy of the U.S. National Library of Medicine")


def _entry(c: Citation, listing: Listing) -> Any:
    entry = _element("entry")
    _add(entry, "id", _id(c))
    _add(entry, "title", c.headline)
    moments = [moment for moment in (c.entered, c.changed) if moment]
    _add(entry, "updated", max(moments) if moments else listing.updated)
    if c.entered:
        _add(entry, "published", c.entered)
    if c.url:
        _add(entry, "link", rel="alternate", href=c.url)
    if c.doi_url and c.doi_url != c.url:
        _add(entry, "link", rel="related", href=c.doi_url)
    for author in c.authors[:NAMED_AUTHORS]:
        _add(_add(entry, "author"), "name", author.short)
    for term in (*c.publication_types, *(label.value for label in c.labels), *c.tag_terms):
        _add(entry, "category", term=term)
    _add(entry, "content", "\n\n".join(_paragraphs(c)), type="text")
    return entry


def _id(c: Citation) -> str:
    """The page in PubMed; for a record that PubMed lacks, a name that stays the same wherever its page is."""
    name = f"evidence-tracker/{c.database}/{c.accession or c.key}"
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}" if c.external or not c.url else c.url


def _add(parent: Any, name: str, text: str | None = None, **attributes: str) -> Any:
    """Add a part to an element. A part made separately and added later would bring its own namespace declaration."""
    element = etree.SubElement(parent, f"{{{ATOM}}}{name}")
    for key, value in attributes.items():
        element.set(key, printable(value))
    element.text = printable(text) if text is not None else None
    return element


def _paragraphs(c: Citation) -> Iterator[str]:
    yield ". ".join(c.remarks)
    source = ". ".join(part for part in (c.journal, c.published) if part)
    if source:
        yield source
    for sentences in (c.readings, c.said_by_people):
        if sentences:
            yield "; ".join(sentences)
    if c.abstract:
        yield c.abstract


def _element(name: str, text: str | None = None, **attributes: str) -> Any:
    given = {key: printable(value) for key, value in attributes.items()}
    element = etree.Element(f"{{{ATOM}}}{name}", given, nsmap=_NAMESPACE)
    element.text = printable(text) if text is not None else None
    return element
