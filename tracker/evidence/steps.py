"""How a database is built: numbered steps, each frozen once it has landed, and what is derived besides.

A step is a file of SQL that is never edited again. What is derived (views, the full-text index, counts) is not made by
steps, since it changes with the code: it has a fingerprint, and is rebuilt if that differs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple, Protocol

from sqlite_utils import Database, Migrations
from sqlite_utils.db import quote_identifier

# What SQLite (statistics, sequence numbers) and sqlite-utils (its log of steps) keep: it differs by their versions and
# does nothing.
_NOT_OURS = ("sqlite_sequence", "sqlite_stat")
# What Litestream keeps in a database that it copies (https://litestream.io/reference/), word for word: nothing but
# these plain tables, which no act of ours reaches.
_LITESTREAMS = {
    "_litestream_seq": "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)",
    "_litestream_lock": "CREATE TABLE _litestream_lock (id INTEGER)",
}


class Derived(Protocol):
    """What this version of the code makes from a database's own tables."""

    def owns(self, name: str) -> bool:
        """Whether a table, view or trigger of this name is derived, in any version."""

    def is_made(self, db: sqlite3.Connection) -> bool:
        """Whether the derived data there is as this version makes it."""

    def make(self, db: sqlite3.Connection) -> None:
        """Rebuild all of it, inside the caller's transaction."""


class Schema(Migrations):
    """The steps of one database: SQL by the name of the step, in order.

    Some steps were edited after they had landed; the step ``alike`` gives all databases with these steps one schema.
    ``landed`` are the fingerprints of schemas that are ours although their steps now make another.
    """

    def __init__(
        self,
        name: str,
        texts: Mapping[str, str],
        *,
        alike: str | None = None,
        landed: Collection[str] = (),
        derived: Derived | None = None,
    ) -> None:
        super().__init__(name)
        self.landed = landed
        self.derived = derived
        for position, (step, text) in enumerate(texts.items()):
            before = tuple(texts.values())[:position]
            self(name=f"m{step}")(_alike(before) if step == alike else _as_written(text))

    @property
    def steps(self) -> list[str]:
        """The names of all steps, in order."""
        return [step.name for step in self._migrations]

    def objects(self, db: sqlite3.Connection) -> dict[str, Object]:
        """The tables, indexes, views and triggers of a database, without what SQLite, sqlite-utils, Litestream keep."""
        return {
            object.name: object
            for object in _objects(db)
            if not object.name.startswith(_NOT_OURS)
            and object.sql != _LITESTREAMS.get(object.name)
            and not (object.table == self.migrations_table and object.type in ("table", "index"))
        }

    def made(self, steps: int, is_derived: bool) -> dict[str, Object]:
        """What this many steps make, and what is derived if this version made it."""
        return _made(self, steps, is_derived)


def steps_of(package: str) -> dict[str, str]:
    """The files of a package's ``migrations/``, by name without extension."""
    migrations = sorted((files(package) / "migrations").iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".sql"): file.read_text("utf-8") for file in migrations}


class Object(NamedTuple):
    """A row of sqlite_master."""

    type: str
    name: str
    table: str
    sql: str


def fingerprint(texts: Iterable[str]) -> str:
    """A short name for what these texts say together, whatever their white space."""
    return sha256("\n".join(" ".join(text.split()) for text in texts).encode()).hexdigest()[:16]


def statements(text: str) -> Iterator[str]:
    """The statements of a file of SQL."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _as_written(text: str) -> Callable[[Database], None]:
    def take(db: Database) -> None:
        _execute(db, text)

    return take


def _alike(before: tuple[str, ...]) -> Callable[[Database], None]:
    def take(db: Database) -> None:
        _make_alike(db, before)

    return take


def _execute(db: Database, text: str) -> None:
    for statement in statements(text):
        db.execute(statement)


@cache
def _made(schema: Schema, steps: int, is_derived: bool) -> dict[str, Object]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        wrapped = Database(db, execute_plugins=False)
        for step in schema._migrations[:steps]:
            step.fn(wrapped)
        if schema.derived and is_derived:
            schema.derived.make(db)
        return schema.objects(db)


def _objects(db: sqlite3.Connection) -> list[Object]:
    rows = db.execute("select type, name, tbl_name, coalesce(sql, '') from sqlite_master").fetchall()
    return [Object(type, name, table, " ".join(sql.split())) for type, name, table, sql in rows]


# -- one schema for one name -----------------------------------------------------------------------


def _make_alike(db: Database, before: tuple[str, ...]) -> None:
    """Give the database the tables, columns and indexes that the steps before this one make.

    Tables that somebody else put there are not touched.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        for text in before:
            _execute(Database(model, execute_plugins=False), text)
        wanted = _objects(model)
        tables = {object.name: _columns(model, object.name) for object in wanted if object.type == "table"}
    there = {object.name: object for object in _objects(db.conn)}
    db.execute("pragma defer_foreign_keys = on")
    for object in there.values():
        if object.type == "index" and object.sql and object.table in tables and object not in wanted:
            # A name that somebody else chose may hold anything.
            db.execute(f"drop index {quote_identifier(object.name)}")
    for object in wanted:
        if object.type == "table":
            _make_table_alike(db, object, tables[object.name], _columns(db.conn, object.name))
    standing = {object.name for object in _objects(db.conn)}
    for object in wanted:
        if object.type in ("index", "trigger") and object.sql and object.name not in standing:
            db.execute(object.sql)


def _make_table_alike(db: Database, table: Object, wanted: list[_Column], there: list[_Column]) -> None:
    if not there:
        db.execute(table.sql)
    elif wanted[: len(there)] == there:
        for column in wanted[len(there) :]:
            db.execute(f"alter table {table.name} add column {column.sql}")
    else:
        shared = ", ".join(column.name for column in wanted if column.name in {old.name for old in there})
        db.execute(f"create temp table carried as select {shared} from main.{table.name}")
        db.execute(f"drop table main.{table.name}")
        db.execute(table.sql)
        db.execute(f"insert into {table.name} ({shared}) select {shared} from temp.carried")
        db.execute("drop table temp.carried")


class _Column(NamedTuple):
    """A column as ``pragma table_info`` reports it; ``default`` is SQL."""

    name: str
    type: str
    not_null: int
    default: str | None

    @property
    def sql(self) -> str:
        rest = " not null" * self.not_null + (f" default {self.default}" if self.default else "")
        return f"{self.name} {self.type}{rest}"


def _columns(db: sqlite3.Connection, table: str) -> list[_Column]:
    query = """select name, lower(type), "notnull", dflt_value from pragma_table_info(:table) order by cid"""
    return [_Column(*row) for row in db.execute(query, {"table": table})]
