"""Rows as dictionaries keyed by column name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

Row = dict[str, Any]


def read_rows(db: sqlite3.Connection, query: str, values: Mapping[str, Any] | None = None) -> list[Row]:
    """All rows of a query with named parameters. Raises sqlite3.Error."""
    return list(each_row(db, query, values))


def each_row(db: sqlite3.Connection, query: str, values: Mapping[str, Any] | None = None) -> Iterator[Row]:
    """The rows one after another, for a query that may return very many. Raises sqlite3.Error at once."""
    cursor = db.execute(query, values or {})
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)
