"""Starter citations: a few bibliographic facts of a real paper, standing in for its record until a refresh.

The raw record is a JSON object of those facts, all strings; a fact that is not known is an empty string.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from tracker.article import Article, ArticleId, Author, Journal, Text, parse_pmid
from tracker.errors import RecordError
from tracker.pubmed.dates import partial_date

FACTS = ("pmid", "title", "authors", "journal", "year", "volume", "issue", "pages", "doi")


def make_record(facts: Mapping[str, Any]) -> bytes:
    """The raw record of these facts; anything else in the mapping is left out."""
    return json.dumps({name: facts.get(name) or "" for name in FACTS}, ensure_ascii=False).encode()


def parse_record(body: bytes) -> Article:
    """The Article that the facts make. Raises RecordError if they are not a JSON object, or lack PMID or title."""
    try:
        facts = json.loads(body)
        return _article({name: str(facts[name]).strip() for name in FACTS})
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"not a usable starter citation: {error}") from None


def _article(facts: dict[str, str]) -> Article:
    if not facts["title"]:
        raise ValueError("it has no title")
    given = {name: value or None for name, value in facts.items()}
    journal = Journal(given["journal"], given["journal"], volume=given["volume"], issue=given["issue"])
    return Article(
        pmid=parse_pmid(facts["pmid"]),
        title=Text(facts["title"], escape(facts["title"], quote=False)),
        authors=tuple(_author(name) for name in facts["authors"].split(", ") if name),
        journal=journal,
        pages=given["pages"],
        published=partial_date(facts["year"]),
        published_raw=given["year"],
        ids=(ArticleId("doi", facts["doi"]),) if facts["doi"] else (),
    )


def _author(name: str) -> Author:
    """``Smith-Apeldoorn SY``: the initials are the last word."""
    last, _, initials = name.rpartition(" ")
    return Author(last_name=last or initials, initials=initials if last else None)
