"""Either database as a file to keep: copying it while others write, checking it, and taking it out of use."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from tracker.errors import CorruptDatabase, LockHeld, UsageError
from tracker.evidence import connect, schema
from tracker.evidence.steps import Schema
from tracker.team.acts import acting, open_annotations
from tracker.team.acts import migrations as annotations_schema

Name = Literal["evidence.db", "annotations.db"]
PAGES_AT_A_TIME = 4096
# How long to wait for a command that is just ending, in seconds.
PATIENCE = 5.0
# The files that SQLite keeps beside a database in use, and would apply to any database of that name.
BESIDE = ("-wal", "-shm", "-journal")


class OurDatabase(NamedTuple):
    """One of our databases: its schema, and the tables whose sizes tell a person what it holds."""

    schema: Schema
    counted: tuple[str, ...]


# In the order in which they are copied.
DATABASES: dict[Name, OurDatabase] = {
    "evidence.db": OurDatabase(schema.migrations, ("articles", "raw_records", "question_articles", "runs")),
    "annotations.db": OurDatabase(
        annotations_schema, ("people", "taggings", "decisions", "notes", "label_reviews", "events")
    ),
}


class Contents(NamedTuple):
    """What is in a database: the steps of its schema, and how many rows."""

    migrations: list[str]
    counts: dict[str, int]


def snapshot(path: Path, name: Name) -> sqlite3.Connection:
    """A read-only connection that sees the database ``name`` as it is now, for as long as it is open.

    It delays nobody: in WAL mode a reader does not block writers. Raises UsageError if it cannot be opened,
    CorruptDatabase if it is damaged or not ours, NewerSchema if a later version wrote it.
    """
    try:
        db = connect.connect_read_only(path)
        try:
            db.execute("begin")
            connect.applied_steps(db, path, DATABASES[name].schema)
        except BaseException:
            db.close()
            raise
    except sqlite3.DatabaseError as error:
        raise connect.plain_error(path, error) from None
    return db


def size(db: sqlite3.Connection) -> int:
    """How many bytes a copy takes."""
    (pages,), (page,) = (db.execute(f"pragma {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages * page)


def copy(db: sqlite3.Connection, target: Path) -> None:
    """Copy what a ``snapshot`` sees into a new file that only its owner can read. Raises sqlite3.DatabaseError.

    It uses SQLite's backup API, not VACUUM INTO: that copies page by page, so checking the copy checks the
    original (VACUUM would read around a damaged index and write a sound one), and keeps row ids. It copies in small
    steps, so that Ctrl-C works; the open snapshot keeps it from starting over whenever somebody writes.
    """
    target.touch(0o600, exist_ok=False)
    # Without locks, which fail on some network disks: nobody else knows about the file.
    uri = f"{target.absolute().as_uri()}?nolock=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as new:
        # It is only ever read again if it was written completely.
        new.execute("pragma synchronous = off")
        db.backup(new, pages=PAGES_AT_A_TIME)


def contents(path: Path, name: Name) -> Contents:
    """Check a copy that nobody else has open, as the database ``name``, and say what is in it.

    Raises CorruptDatabase, saying what is wrong, and NewerSchema if a later version wrote it.
    """
    database = DATABASES[name]
    try:
        with closing(connect.connect_read_only(path, "immutable=1")) as db:
            for check, says in (
                ("pragma integrity_check(1)", "damaged: {}"),
                ("pragma foreign_key_check", "damaged: a row of {} refers to a missing row"),
            ):
                for problem, *_ in db.execute(check):
                    if problem != "ok":
                        raise CorruptDatabase(says.format(" ".join(str(problem).split())))
            applied = connect.applied_steps(db, path, database.schema)
            if not applied:
                raise CorruptDatabase("it has no tables of evidence-tracker")
            connect.check_ours(db, database.schema)
            counts = {
                table: int(db.execute(f"select count(*) from {table}").fetchone()[0])
                for table in database.counted
            }
    except sqlite3.DatabaseError as error:
        raise CorruptDatabase(f"damaged: {error}") from None
    return Contents(applied, counts)


def take_out_of_use(path: Path) -> None:
    """Fold the log into the database, and make sure that nobody has it open, which this pragma requires.

    A damaged file is left as it is. Raises LockHeld if another process has it open, UsageError if it cannot be
    written.
    """
    deadline = time.monotonic() + PATIENCE
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            while True:
                try:
                    db.execute("pragma journal_mode = delete").fetchone()
                    return
                except sqlite3.OperationalError as error:
                    # SQLite's own time-out does not apply here, so we wait for a short command ourselves.
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                        raise
                    if time.monotonic() > deadline:
                        raise LockHeld(
                            f"{path}: another process has it open, probably the site. Stop 'tracker serve', "
                            "then restore. Nothing was changed."
                        ) from None
                    time.sleep(0.1)
    except sqlite3.DatabaseError as error:
        told = connect.plain_error(path, error)
        if isinstance(told, UsageError):
            raise told from None


def note_restored(path: Path, backup: str, moment: str, kept_as: str | None) -> None:
    """Note the restore in the log of a copy of annotations.db that is about to be put back, and end all sessions.

    Sessions have to end because the copy has older session numbers, with which ended sessions would be valid again.
    Raises what opening it raises.
    """
    with closing(open_annotations(path)) as db:
        with acting(db, None, "tracker restore") as act:
            db.execute("update people set session = max(session + 1, cast(strftime('%s') as integer))")
            before = {"kept_as": kept_as} if kept_as else None
            act.log("restore", "backup", {"backup": backup}, before, {"moment": moment})
        db.execute("pragma journal_mode = delete")
