"""An article described for machines: schema.org's MedicalScholarlyArticle, as JSON-LD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tracker.evidence.rows import Row
from tracker.site.words import doi_link, language_tag


def scholarly_article(record: Row, address: str) -> dict[str, Any]:
    """What search engines and reference managers take from a page; ``address`` is the page's own, if known.

    ``record`` is as ``evidence.show.show`` gives it. A chapter is a Chapter of its Book. What a record lacks is left
    out.
    """
    book = next(iter(record["books"]), None)
    described = {
        "@context": "https://schema.org",
        "@type": "Chapter" if book else "MedicalScholarlyArticle",
        "headline": record["title"],
        "url": address if address.startswith("http") else None,
        "sameAs": list(_elsewhere(record)),
        "identifier": [*_pmid(record), *_doi(record)],
        "datePublished": record["published"],
        "inLanguage": [language_tag(code) for code in (record["languages"] or "").split(",") if code],
        "author": [_author(author) for author in _valid(record["authors"], "author")],
        "editor": [_author(author) for author in _valid(record["authors"], "editor")],
        "isPartOf": _book(book) if book else _issue(record),
        "pagination": record["pages"] or record["article_number"],
        "publicationType": None if book else [each["name"] for each in record["publication_types"]],
        "keywords": [each["term"] for each in record["keywords"]],
        "creativeWorkStatus": _status(record),
        "isAccessibleForFree": True if record["pmcid"] else None,
    }
    return _filled(described)


def _filled(described: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if value not in (None, "", [])}


def _elsewhere(record: Row) -> Iterable[str]:
    if record["pmid"] > 0:
        yield f"https://pubmed.ncbi.nlm.nih.gov/{record['pmid']}/"
    if record["doi"]:
        yield doi_link(record["doi"])


def _pmid(record: Row) -> list[dict[str, str]]:
    return [_identifier("pmid", str(record["pmid"]))] if record["pmid"] > 0 else []


def _doi(record: Row) -> list[dict[str, str]]:
    return [_identifier("doi", record["doi"])] if record["doi"] else []


def _identifier(name: str, value: str) -> dict[str, str]:
    return {"@type": "PropertyValue", "propertyID": name, "value": value}


def _valid(authors: Iterable[Row], role: str) -> Iterable[Row]:
    """A name that NLM marked as wrong belongs to nobody."""
    return (author for author in authors if author["valid"] and author["role"] == role)


def _author(author: Row) -> dict[str, Any]:
    if author["collective_name"]:
        return {"@type": "Organization", "name": author["collective_name"]}
    given = author["fore_name"] or author["initials"]
    person = {
        "@type": "Person",
        "name": " ".join(filter(None, (given, author["last_name"], author["suffix"]))),
        "givenName": given,
        "familyName": author["last_name"],
        "sameAs": f"https://orcid.org/{author['orcid']}" if author["orcid"] else None,
    }
    return _filled(person)


def _issue(record: Row) -> dict[str, Any] | None:
    """The journal; the volume that is part of it, and the issue that is part of that, as far as known."""
    if not record["journal"]:
        return None
    within = _filled({"@type": "Periodical", "name": record["journal"], "issn": record["issn"]})
    for type_, name in (("PublicationVolume", "volume"), ("PublicationIssue", "issue")):
        if record[name]:
            within = {"@type": type_, f"{name}Number": record[name], "isPartOf": within}
    return within


def _book(book: Row) -> dict[str, Any]:
    publisher = {"@type": "Organization", "name": book["publisher"]} if book["publisher"] else None
    return _filled({"@type": "Book", "name": book["title"], "publisher": publisher})


def _status(record: Row) -> str | None:
    """How the paper stands, so that no machine takes a retracted one for sound."""
    names = {
        "retracted": "Retracted",
        "withdrawn": "Withdrawn",
        "expression_of_concern": "Expression of concern",
    }
    return "; ".join(name for flag, name in names.items() if record[flag]) or None
