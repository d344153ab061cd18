"""Opening a database the way every part of the tracker must: WAL, foreign keys, migrations, honest errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Literal

from sqlite_utils import Database

from tracker.clock import now
from tracker.errors import CorruptDatabase, NewerSchema, TrackerError, UsageError
from tracker.evidence.steps import Schema, fingerprint

BUSY_SECONDS = 30
Mode = Literal["mode=ro", "immutable=1"]


def open_for_writing(
    path: Path, schema: Schema, synchronous: Literal["NORMAL", "FULL"], *, only_ours: bool = False
) -> sqlite3.Connection:
    """A connection in WAL mode with the schema up to date, and derived data as this version makes it.

    The file and its folder are made if missing. The connection opens no transactions: use ``transaction(db)``. With
    ``only_ours`` a file with anything in it that the schema does not make is refused: a foreign trigger, say, would
    act in the name of whoever writes.

    Raises NewerSchema if a later version wrote the file, CorruptDatabase if it is damaged or not an SQLite
    file, UsageError if it cannot be written.
    """
    with _plain_errors(path):
        if is_sealed(path):
            raise UsageError(
                f"{path}: its permissions let nobody write to it: it belongs to a snapshot, or is a copy to be kept "
                "as it is. Choose another folder with --db-dir."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            # Checked first, so that a file that is not ours stays untouched.
            with _one_moment(db):
                is_due = _is_due(db, path, schema)
                if only_ours:
                    _refuse_foreign(db, path, schema)
            db.execute("pragma foreign_keys = on")
            if db.execute("pragma journal_mode = wal").fetchone()[0] != "wal":
                raise UsageError(f"{path}: this disk cannot hold a write-ahead log. Use a local disk.")
            db.execute(f"pragma synchronous = {synchronous}")
            if is_due:
                migrate(db, path, schema)
        except BaseException:
            db.close()
            raise
    return db


def open_for_reading(path: Path, schema: Schema) -> sqlite3.Connection:
    """A connection that cannot write. The file is brought up to date first.

    If it cannot be written, what another version derived is read as it is. Raises UsageError if there is no such
    file yet or a missing step cannot be taken, NewerSchema and CorruptDatabase as above.
    """
    if not path.is_file():
        raise UsageError(
            f"{path}: there is no database yet. Run 'tracker refresh' (or 'tracker load FILE') first."
        )
    with _plain_errors(path):
        with closing(connect_read_only(path)) as db, _one_moment(db):
            is_step_missing = len(applied_steps(db, path, schema)) < len(schema.steps)
            is_due = _is_due(db, path, schema)
        if is_due:
            try:
                open_for_writing(path, schema, "NORMAL").close()
            except UsageError:
                if is_step_missing:
                    raise
        return connect_read_only(path)


def connect_read_only(path: Path, mode: Mode | None = None) -> sqlite3.Connection:
    """A bare connection that cannot write, in the mode that ``reading_mode`` finds unless it is given.

    Raises sqlite3.DatabaseError, UsageError as ``reading_mode``.
    """
    return sqlite3.connect(reading_uri(path, mode), uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def reading_uri(path: Path, mode: Mode | None = None) -> str:
    """How SQLite is told to open the file without ever writing. Raises as ``reading_mode``."""
    return f"{path.absolute().as_uri()}?{mode or reading_mode(path)}"


def reading_mode(path: Path) -> Mode:
    """``mode=ro``, or ``immutable=1`` if the file is sealed, or in a folder that we cannot write (a read-only mount).

    A database in WAL mode has two files beside it, which SQLite makes even to read. If it can't, nobody here
    writes to the file either, and it is complete if its log is empty
    (https://www.sqlite.org/wal.html#read_only_databases).

    Raises UsageError if the copy was made during a write, so that it lacks what only its log holds;
    sqlite3.DatabaseError for anything else that is wrong with the file.
    """
    log = path.with_name(f"{path.name}-wal")
    if not is_sealed(path) and _has_room_beside(path):
        return "mode=ro"
    if log.exists() and log.stat().st_size:
        raise UsageError(
            f"{path}: it cannot be read here: {log.name} beside it holds changes that are not in it yet. This folder "
            "cannot be written. Copy both to a folder that can be written, or copy it with 'tracker backup'."
        )
    return "immutable=1"


def is_sealed(path: Path) -> bool:
    """Whether its permissions let nobody write to a file, as those of a snapshot do; root is held to that as well."""
    return path.is_file() and not path.stat().st_mode & 0o222


def _has_room_beside(path: Path) -> bool:
    """Whether SQLite can make beside the file what it needs to read it."""
    with closing(sqlite3.connect(reading_uri(path, "mode=ro"), uri=True, timeout=BUSY_SECONDS)) as db:
        try:
            db.execute("pragma schema_version").fetchone()
            return True
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            if not (path.is_file() and os.access(path, os.R_OK)):
                raise
    return False


def attach(db: sqlite3.Connection, path: Path, schema: Schema, name: str) -> None:
    """Let a connection of ``open_for_reading`` read another of our files as schema ``name``. Raises as that does."""
    open_for_reading(path, schema).close()
    with _plain_errors(path):
        db.execute(f"attach database :file as {name}", {"file": reading_uri(path)})


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction, begun IMMEDIATE: a deferred one fails at once if another writes (measured)."""
    db.execute("begin immediate")
    try:
        yield db
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise
    db.execute("commit")


@contextmanager
def _one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside is as of one moment, as another process may be making the same file."""
    db.execute("begin")
    try:
        yield
    finally:
        db.execute("rollback")


def migrate(db: sqlite3.Connection, path: Path, schema: Schema) -> None:
    """Take the missing steps and rebuild derived data, all or nothing.

    Before a step is taken, a file that is not empty is copied.
    """
    wrapped = Database(db, execute_plugins=False)
    applied = schema.applied(wrapped)
    copy = _keep_copy(db, path) if 0 < len(applied) < len(schema.steps) else None
    try:
        with transaction(db):
            schema.apply(wrapped)
            if schema.derived and not schema.derived.is_made(db):
                schema.derived.make(db)
    except BaseException:
        # The database is unchanged: keeping a copy of every attempt would only fill the disk.
        if copy:
            copy.unlink(missing_ok=True)
        raise


def _is_due(db: sqlite3.Connection, path: Path, schema: Schema) -> bool:
    """Whether a step is missing, or derived data is of another version."""
    missing = len(applied_steps(db, path, schema)) < len(schema.steps)
    return missing or bool(schema.derived and not schema.derived.is_made(db))


def applied_steps(db: sqlite3.Connection, path: Path, schema: Schema) -> list[str]:
    """The names of the schema's steps that the database has, in order.

    Raises NewerSchema if it has one that we do not know, CorruptDatabase if it is not ours.
    """
    wrapped = Database(db, execute_plugins=False)
    applied = sorted(step.name for step in schema.applied(wrapped))
    if newer := sorted(set(applied) - set(schema.steps)):
        raise NewerSchema(
            f"{path}: written by a later version of evidence-tracker (it has {newer[-1]}). Update, then try again."
        )
    if not applied and any(name for name in wrapped.table_names() if name != schema.migrations_table):
        raise CorruptDatabase(
            f"{path}: this SQLite database was not made by evidence-tracker. Choose another folder with --db-dir."
        )
    return applied


def check_ours(db: sqlite3.Connection, schema: Schema) -> None:
    """Raises CorruptDatabase if the database holds anything besides, or instead of, what our schema makes."""
    if problem := next(_foreign(db, schema), None):
        raise CorruptDatabase(
            f"{problem}. A changed schema can alter data whenever the file is used. If you know how it changed, "
            "correct it with sqlite3; if not, restore a backup that you trust"
        )


def _refuse_foreign(db: sqlite3.Connection, path: Path, schema: Schema) -> None:
    try:
        check_ours(db, schema)
    except CorruptDatabase as error:
        raise CorruptDatabase(f"{path}: {error}.") from None


def _foreign(db: sqlite3.Connection, schema: Schema) -> Iterator[str]:
    """The differences, in words. Triggers are the worst, but columns and indexes can compute, too.

    Derived data is compared if this version made it; if another did, it is rebuilt before it is used.
    """
    applied = sorted(step.name for step in schema.applied(Database(db, execute_plugins=False)))
    if applied != schema.steps[: len(applied)]:
        yield "a step of its schema is missing"
        return
    is_derived = bool(schema.derived and schema.derived.is_made(db))
    objects, ours = schema.objects(db), schema.made(len(applied), is_derived)
    if schema.derived and not is_derived:
        objects = {name: object for name, object in objects.items() if not schema.derived.owns(name)}
    if fingerprint(object.sql for _, object in sorted(objects.items())) in schema.landed:
        return
    for name in sorted(objects.keys() - ours.keys()):
        yield f"it has an unknown {objects[name].type} {name!r}"
    for name in sorted(ours.keys() - objects.keys()):
        yield f"its {ours[name].type} {name!r} is missing"
    for name, object in ours.items():
        if objects.get(name, object) != object:
            yield f"its {object.type} {name!r} differs from ours"


def _keep_copy(db: sqlite3.Connection, path: Path) -> Path:
    # The time alone is not enough: other processes may be about to migrate it in the same second.
    stamp = f"{now().replace(':', '').replace('-', '')}-{token_hex(3)}"
    copy = path.with_name(f"{path.stem}-before-{stamp}.db")
    db.execute("vacuum into :copy", {"copy": str(copy)})
    return copy


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise plain_error(path, error) from None
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be opened ({error.strerror}). Check the folder and its owner."
        ) from None


def plain_error(path: Path, error: sqlite3.DatabaseError) -> TrackerError:
    """What a SQLite error means to a person, with what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptDatabase(
            f"{path}: the file is damaged or is not a SQLite database ({error}). "
            "Move it away and restore a backup, or refresh into a new folder."
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return UsageError(f"{path}: cannot be written ({error}). Check the folder, its owner and free space.")
    if code == sqlite3.SQLITE_FULL:
        return TrackerError(f"{path}: the disk is full. Nothing was half-written; make room and run again.")
    if code == sqlite3.SQLITE_BUSY:
        return TrackerError(
            f"{path}: another process held it for {BUSY_SECONDS} seconds. Try again when that has finished."
        )
    return TrackerError(f"{path}: {error}")


def tidy(db: sqlite3.Connection, say: Callable[[str], None]) -> None:
    """After a job, empty the log (it grows without bound while readers hold on) and refresh statistics.

    The job's work is committed by then, so a full disk is only reported by ``say`` and is not a failure.
    """
    try:
        db.execute("pragma optimize")
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        say(
            f"Everything is stored and nothing needs to be run again, but the disk is full ({error}). Make room "
            "before the next job."
        )
