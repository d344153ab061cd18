"""Where readers' SQL runs: a process that reads one database, answers one query after another, and may die at any time.

A file of its own that imports nothing but the standard library: ``sandbox.py`` starts it with ``python -I -S``, and
communicates with it over its standard input and output. Each message is four bytes of length and then that many bytes:
a request as JSON; an answer as lines of JSON, first a line that describes it, then one line per row. What is read back
can only be text, numbers and bytes.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sqlite3
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, BinaryIO

MEBI = 2**20
#: For a connection: SQLite's own memory, including the page cache and sorting.
HEAP = 128 * MEBI
#: For the process, including Python and one result.
ADDRESS_SPACE = 512 * MEBI
# The only file written to is the shared memory beside the database's log, which the first process to open it writes.
LONGEST_FILE = 16 * MEBI
OPEN_FILES = 32
#: Bytes of one value or row, and of one result: True for SQL that a reader wrote, False for SQL that Datasette puts
#: together itself, whose results are as long as what is stored.
LONGEST_VALUE = {True: 1 * MEBI, False: 16 * MEBI}
LARGEST_RESULT = {True: 8 * MEBI, False: 32 * MEBI}
# Limits on a statement, including what Datasette puts around a reader's SQL.
LIMITS = {
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 32_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    # Datasette looks up the labels of a page of rows in one query.
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 2_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
# SQLite itself ends a query at its limit, if it checks between two steps; the kernel ends it this much later.
GRACE_SECONDS = 0.2
# Steps of SQLite between two checks; about 0.1 ms.
STEPS = 1000
BUSY_MILLISECONDS = 1000
CACHED_KILOBYTES = 16 * 1024
# Lower priority than the server, so that pages come first.
NICENESS = 5

# What readers' SQL may call (https://www.sqlite.org/lang_corefunc.html and the pages beside it, to 3.50). Others reveal
# something about the process (fts3_tokenizer gives an address), write to a log, or load code.
FUNCTIONS = frozenset(
    """
    -> ->> abs acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling char coalesce concat concat_ws cos
    cosh count cume_dist current_date current_time current_timestamp date datetime degrees dense_rank escape_fts
    exp first_value floor format glob group_concat hex highlight if ifnull iif instr json json_array
    json_array_length json_error_position json_extract json_group_array json_group_object json_insert
    json_object json_patch json_pretty json_quote json_remove json_replace json_set json_type json_valid jsonb
    jsonb_array jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch
    jsonb_remove jsonb_replace jsonb_set julianday lag last_value lead length like likelihood likely ln log
    log10 log2 lower ltrim match max median min mod nth_value ntile nullif octet_length percent_rank percentile
    percentile_cont percentile_disc pi pow power printf quote radians random randomblob rank replace round
    row_number rtrim sign sin sinh snippet soundex sqlite_version sqrt strftime string_agg substr substring
    subtype sum tan tanh time timediff total trim trunc typeof unhex unicode unistr unistr_quote unixepoch
    unlikely upper zeroblob
    """.split()
)
PRAGMAS = frozenset(
    """
    data_version foreign_key_list function_list index_info index_list index_xinfo max_page_count page_count page_size
    schema_version table_info table_xinfo
    """.split()
)
# Virtual tables that exist without being created: those that reveal nothing about the process or other readers.
TABLES = frozenset(
    ("json_each", "json_tree", *(f"pragma_{name}" for name in PRAGMAS), "pragma_database_list")
)
# For SQLite versions that cannot list theirs.
MODULES = frozenset("bytecode dbstat sqlite_dbpage sqlite_memstat sqlite_stmt tables_used".split())

Authoriser = Callable[..., int]


def main(uri: str) -> None:
    """Answer requests until the input ends. The first answer says that the process is ready, or why it is not."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        bound_process()
        db = connect(uri)
    except Exception as error:
        write(answers, [{"error": str(error)}])
        return
    write(answers, [{"ready": True}])
    while (request := read(requests)) is not None:
        lines = answer(db, json.loads(request, object_hook=unpacked))
        write(answers, lines)


def bound_process() -> None:
    """Let the kernel limit this process's resources, and end it on SIGALRM and together with its parent."""
    # Not on Windows, where this process is never started.
    import resource

    os.nice(NICENESS)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for what, most in (
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, LONGEST_FILE),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),
    ):
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):
            # macOS knows RLIMIT_AS and refuses to set it. SQLite's own limit remains.
            if what != resource.RLIMIT_AS:
                raise


def connect(uri: str) -> sqlite3.Connection:
    """A read-only connection with all limits set. Raises sqlite3.Error."""
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_MILLISECONDS / 1000, isolation_level=None)
    db.execute(f"pragma hard_heap_limit = {HEAP}")
    db.execute("pragma query_only = on")
    # On disk it would be unlimited.
    db.execute("pragma temp_store = memory")
    db.execute(f"pragma cache_size = -{CACHED_KILOBYTES}")
    db.execute("select count(*) from sqlite_master").fetchone()
    db.text_factory = lambda text: str(text, "utf-8", "replace")
    db.create_function("escape_fts", 1, escape_fts, deterministic=True)
    for limit, most in LIMITS.items():
        db.setlimit(limit, most)
    restrict(db)
    return db


def restrict(db: sqlite3.Connection) -> None:
    """Let the connection do only what ``authoriser`` allows."""
    try:
        rows = db.execute("select name from pragma_module_list").fetchall()
    except sqlite3.OperationalError:
        rows = []
    modules = MODULES.union(name.lower() for (name,) in rows)
    db.set_authorizer(authoriser(modules - TABLES))


def authoriser(refused: frozenset[str]) -> Authoriser:
    """SQLite's authoriser for readers' SQL: it may read what is stored, but nothing about other readers."""

    def may(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        name = (first or "").lower()
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            known = name not in refused and (name in TABLES or not name.startswith("pragma_"))
            return sqlite3.SQLITE_OK if known else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_FUNCTION:
            return sqlite3.SQLITE_OK if (second or "").lower() in FUNCTIONS else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_PRAGMA:
            if name == "database_list":
                # It reveals the file's path. Datasette asks for it and accepts an empty answer.
                return sqlite3.SQLITE_IGNORE
            return sqlite3.SQLITE_OK if name in PRAGMAS else sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_UPDATE and name == "sqlite_master":
            # A virtual table does this to declare itself; nobody can write to this one.
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return may


def answer(db: sqlite3.Connection, request: dict[str, Any]) -> list[Any]:
    """The query's result: the columns and whether there is more, then the rows; or only the error, in words.

    The kernel ends the process if SQLite does not end the query.
    """
    own = bool(request["own"])
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE[own])
    limit = time.perf_counter() + request["seconds"]
    db.set_progress_handler(lambda: time.perf_counter() >= limit, STEPS)
    signal.setitimer(signal.ITIMER_REAL, request["seconds"] + GRACE_SECONDS)
    try:
        return result(db, request, own)
    except MemoryError:
        return [{"error": f"the query needs more memory than it may use ({HEAP // MEBI} MB)", "spent": True}]
    except (sqlite3.Error, sqlite3.Warning) as error:
        return [{"error": str(error)}]
    except (OverflowError, UnicodeError, ValueError) as error:
        return [{"error": f"a value cannot be given to SQLite: {error}"}]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def result(db: sqlite3.Connection, request: dict[str, Any], own: bool) -> list[Any]:
    """As above. Raises what SQLite raises, and sqlite3.DataError for a result that is too large."""
    most, room = request["most"] or sys.maxsize, LARGEST_RESULT[own]
    with closing(db.execute(request["sql"], request["params"])) as cursor:
        columns = [column[0] for column in cursor.description or ()]
        if request["ends_early"] and request["most_cells"]:
            most = min(most, max(1, request["most_cells"] // max(1, len(columns))))
        about = {"columns": columns, "truncated": False}
        lines: list[Any] = [about]
        for row in cursor:
            line = packed(row)
            room -= len(line)
            is_too_large = room < 0
            if len(lines) > most or (is_too_large and request["ends_early"] and len(lines) > 1):
                about["truncated"] = True
                break
            if is_too_large:
                size = LARGEST_RESULT[own] // MEBI
                raise sqlite3.DataError(f"the result is larger than {size} MB; ask for fewer rows or columns")
            lines.append(line)
    return lines


_PARTS = re.compile(r'\s+|(".*?")')


def escape_fts(query: str) -> str:
    """As Datasette's SQL function of this name: every word in quotes, so that no character in it is an operator."""
    if query.count('"') % 2:
        query += '"'
    parts = (part for part in _PARTS.split(query) if part and part != '""')
    return " ".join(part if part.startswith('"') else f'"{part}"' for part in parts)


# -- messages ----------------------------------------------------------------------------------------


def packed(value: Any) -> bytes:
    """SQLite's values as JSON; bytes become an object with a key that cannot be the name of an SQL parameter."""
    return json.dumps(value, ensure_ascii=False, default=_as_object).encode("utf-8", "surrogatepass")


def _as_object(value: Any) -> dict[str, str]:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"": base64.b64encode(value).decode("ascii")}
    raise TypeError(f"type '{type(value).__name__}' is not supported")


def unpacked(value: dict[str, Any]) -> Any:
    """The ``object_hook`` for what ``packed`` wrote."""
    return base64.b64decode(value[""]) if "" in value else value


def write(stream: BinaryIO, lines: list[Any]) -> None:
    """Write one message. The first line is an object, the others are packed already."""
    lines[0] = packed(lines[0])
    stream.write(struct.pack(">I", sum(map(len, lines)) + len(lines) - 1))
    for line in _between(lines):
        stream.write(line)
    stream.flush()


def _between(lines: list[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        yield b"\n" + line if number else line


def read(stream: BinaryIO) -> bytes | None:
    """The next message; None if there are no more."""
    head = stream.read(4)
    return stream.read(struct.unpack(">I", head)[0]) if len(head) == 4 else None


if __name__ == "__main__":
    main(sys.argv[1])
