"""The databases that are measured: kept from run to run, brought up to today's schema, or built anew."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from benchmarks.site.build import asked_questions, build, describe, say
from tracker.evidence import connect, derived, schema
from tracker.team.acts import open_annotations

RECIPE = 2  # another number where what is built changes: an older database is built anew


def ensure(folder: Path, articles: int, *, fresh: bool) -> None:
    """Build the databases in the folder, unless it holds the ones that are wanted."""
    marker = folder / "bench.json"
    wanted = {"recipe": RECIPE, "articles": articles, "complete": True}
    found = json.loads(marker.read_text()) if marker.exists() else {}
    if (folder / "evidence.db").exists() and not found:
        raise click.UsageError(
            f"{folder} holds a database that this script did not make. Give another --dir."
        )
    if not fresh and wanted.items() <= found.items() and _is_derived(folder) and _is_up_to_date(folder):
        print(_described(folder, articles, found["seconds"]))
        return
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(wanted | {"complete": False}))
    seconds, worked = _built_anew(folder, articles)
    marker.write_text(json.dumps(wanted | {"seconds": seconds}))
    print(f"{_described(folder, articles, seconds)} ({worked} s of the writer's processor time)", flush=True)


def _described(folder: Path, articles: int, seconds: int) -> str:
    size = (folder / "evidence.db").stat().st_size
    return f"{folder}: {articles:,} articles, {size / 1e9:.2f} GB, built in {seconds} s"


def _built_anew(folder: Path, articles: int) -> tuple[int, int]:
    """How many seconds that took, and how many of this process's processor time."""
    for file in (*folder.glob("evidence*.db*"), *folder.glob("annotations*.db*")):
        file.unlink()
    started, worked = time.perf_counter(), time.process_time()
    build(folder, articles)
    return round(time.perf_counter() - started), round(time.process_time() - worked)


def _is_derived(folder: Path) -> bool:
    """Whether facets and index are as this version makes them: opened for writing, they would be made again, and the
    articles read by the questions' rules."""
    with closing(sqlite3.connect(f"file:{folder / 'evidence.db'}?mode=ro", uri=True)) as db:
        return derived.is_made(db)


def _is_up_to_date(folder: Path) -> bool:
    """Whether the schema is the one that we have now; columns and indexes that came since are made here.

    Migrations are run here, and not while a server starts; their copies are not kept.
    """
    with closing(connect.open_for_writing(folder / "evidence.db", schema.migrations, "NORMAL")) as db:
        for copy in folder.glob("*-before-*.db"):
            copy.unlink()
        wanted = _wanted_schema()
        db.execute("pragma analysis_limit = 1000")
        with connect.transaction(db):
            _follow(db, wanted)
            if _schema(db) == wanted:
                describe(db, asked_questions())
        connect.tidy(db, say)
        is_same = _schema(db) == wanted
    open_annotations(folder / "annotations.db").close()
    return is_same


def _wanted_schema() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        empty = Path(scratch) / "empty.db"
        with closing(connect.open_for_writing(empty, schema.migrations, "NORMAL")) as db:
            return _schema(db)


def _schema(db: sqlite3.Connection) -> dict[str, Any]:
    """By name: a table's columns, and the SQL of everything else."""
    rows = db.execute(
        "select type, name, sql from sqlite_master where sql is not null and name not like '%sqlite%'"
    )
    return {
        name: {column[1] for column in db.execute(f"pragma table_info({name})")} if type == "table" else sql
        for type, name, sql in rows
    }


def _follow(db: sqlite3.Connection, wanted: dict[str, Any]) -> None:
    """Add the columns that are missing, make the indexes that are missing or other, and drop the rest of them."""
    ours = _schema(db)
    for table in schema.TABLES:
        for column in wanted[table.name] - ours.get(table.name, set()):
            db.execute(f"alter table {table.name} add column {column} {table.columns[column][0]}")
    for name in ours.keys() | wanted.keys():
        old, new = ours.get(name), wanted.get(name)
        if old != new and "create index" in f"{old or new}"[:12].lower():
            db.execute(f"drop index if exists {name}")
            if new:
                say(f"  {new}")
                db.execute(new)
                db.execute(f"analyze {name}")
