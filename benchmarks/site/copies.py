"""Many articles out of few, in SQL, as Python would take an hour over a million: each again under the PMIDs that follow
its own, with all that is stored about it, facets included.

So words, labels and dates are as common among all as among those few, and PMIDs still follow the days.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracker.evidence import schema

# Columns that name articles, each copy its own; and columns of what no two articles have in common.
_PMIDS = ("pmid", "other_pmid", "cited_pmid", "cited", "preprint")
_IDENTIFYING = {
    ("articles", "doi"),
    ("articles", "pmcid"),
    ("identifiers", "value"),
    ("registrations", "number"),
}

# Its PMIDs are those that the questions' files name.
_OF_FILES = "seeds"
# What follows from all articles together.
_OF_ALL = ("known_item_sets", "known_items")


def fill(db: sqlite3.Connection, few: Path, copies: int) -> None:
    """Fill the empty database with the articles of the other one, so many of each; the full-text index stays empty."""
    db.execute("attach ? as few", (str(few),))
    db.execute("create temp table copies (copy integer primary key)")
    db.executemany("insert into temp.copies values (?)", [(copy,) for copy in range(copies)])
    with _filled_in_bulk(db):
        for table in schema.TABLES:
            if table.name in _OF_ALL:
                continue
            columns = ", ".join(f'"{name}"' for name in table.columns)
            db.execute(f"insert into main.{table.name} ({columns}) {_copied(table)}", {"copies": copies})


def _copied(table: schema.Table) -> str:
    """A query for the rows of the table, as far as it can in the order in which they are stored."""
    columns = ", ".join(_column(table.name, name) for name in table.columns)
    if "pmid" not in table.columns or table.name == _OF_FILES:
        return f"select {columns} from few.{table.name} t where :copies"
    if next(iter(table.columns)) == "pmid":
        articles = "few.record_state s cross join temp.copies c"
        return (
            f"select {columns} from {articles} cross join few.{table.name} t on t.pmid = s.pmid where :copies"
        )
    return f"select {columns} from few.{table.name} t cross join temp.copies c where :copies"


def _column(table: str, name: str) -> str:
    column = f't."{name}"'
    if (table, name) == ("question_counts", "n"):
        return f"{column} * :copies"
    if name in _PMIDS and table != _OF_FILES:
        return f"{column} + c.copy"
    return f"{column} || printf('%02d', c.copy)" if (table, name) in _IDENTIFYING else column


@contextmanager
def _filled_in_bulk(db: sqlite3.Connection) -> Iterator[None]:
    """Without indexes, which are made by sorting afterwards, and without the triggers that count row by row."""
    standing = db.execute(
        "select type, name, sql from main.sqlite_master where type in ('index', 'trigger') and sql is not null"
    ).fetchall()
    for type, name, _ in standing:
        db.execute(f"drop {type} main.{name}")
    yield
    for _, _, sql in standing:
        db.execute(sql)
