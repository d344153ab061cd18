"""What an article's page shows of its record."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from tracker.article import ArticleKey
from tracker.evidence.articles import present
from tracker.evidence.rows import Row
from tracker.evidence.show import show
from tracker.lists.entries import read_entries


@dataclass(frozen=True, slots=True)
class ArticleRecord:
    """All that is stored about a record (see ``show``), with each author's affiliations beside the name.

    ``entry`` is what a list shows of it; ``stored_here`` are the records named by its notices that are stored.
    """

    record: Row
    entry: Row
    is_preprint: bool
    stored_here: set[ArticleKey]
    starter: bool


def read_article(db: sqlite3.Connection, pmid: ArticleKey) -> ArticleRecord | None:
    record = show(db, pmid)
    if record is None:
        return None
    for position, author in enumerate(record["authors"], 1):
        author["affiliations"] = [
            affiliation["affiliation"]
            for affiliation in record["affiliations"]
            if affiliation["author"] == position
        ]
    (entry,) = read_entries(db, [pmid])
    return ArticleRecord(
        record,
        entry,
        is_preprint="preprint" in entry["labels"].get("publication", []),
        stored_here=present(
            db, [notice["other_pmid"] for notice in record["notices"] if notice["other_pmid"]]
        ),
        starter=(record["state"] or {}).get("source") == "starter",
    )
