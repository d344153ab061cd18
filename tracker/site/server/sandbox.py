"""Readers' SQL, run by processes, as they can be killed; a thread inside one long step of SQLite cannot.

``evidence`` is answered by two child processes (``sandbox_child.py``). What Datasette asks about the schema, and our
own pages, stay in the server and never wait for them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import re
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl

from tracker.evidence.connect import reading_uri
from tracker.site.server import sandbox_child
from tracker.site.server.compat import Base400, Database, QueryInterrupted, Results, asks_for_schema, traced
from tracker.site.server.sandbox_child import packed, unpacked

if TYPE_CHECKING:
    from datasette.app import Datasette

log = logging.getLogger("tracker.site")

CHILDREN = 2
# Readers who may wait for one of them; further readers are asked to try again later.
WAITING = 16
COME_AGAIN_SECONDS = 5
# Python starts in 0.1 s if nothing else is running.
START_SECONDS = 20.0
# Time after a query's limit by which its process has ended itself, or is killed.
MARGIN_SECONDS = 0.3
# Time in which a result must be sent completely once sending has begun.
SEND_SECONDS = 10.0
# Cells in a page of SQL results; Datasette takes at least 20 microseconds to render one.
MOST_CELLS = 20_000
# JSON takes up to six bytes for one byte.
LARGEST_ANSWER = 6 * max(sandbox_child.LARGEST_RESULT.values())
# What a process needs to find its libraries; it gets nothing else of the environment.
ENVIRONMENT = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH")

_NAMED = re.compile(r"[:@$](\w+)")

Receive = Callable[[], Awaitable[dict[str, Any]]]


class Unavailable(Base400):  # type: ignore[misc]
    """Nobody can run the query now."""

    status = 503
    headers: ClassVar = {"Retry-After": str(COME_AGAIN_SECONDS)}


class Query(NamedTuple):
    sql: str
    params: Mapping[str, Any] | Sequence[Any]
    seconds: float
    #: Rows after which the result counts as truncated.
    most: int | None
    #: Whether a reader wrote it, or part of it.
    own: bool
    #: Whether a result that is too large may be truncated earlier; if not, that is an error.
    ends_early: bool
    #: Cells after which it is truncated.
    most_cells: int | None


class Answer(NamedTuple):
    rows: list[sqlite3.Row]
    truncated: bool
    description: Sequence[tuple[Any, ...]]


def is_possible() -> bool:
    """Whether this system has the signals and resource limits that it needs. Windows does not."""
    return hasattr(signal, "setitimer") and importlib.util.find_spec("resource") is not None


# -- who asks --------------------------------------------------------------------------------------


class _Reader:
    """The reader behind one request: which parts of it are SQL, and whether they still wait for the answer."""

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        #: Whether a query of this request was accepted. Its other queries are then accepted, too, so that a page, or a
        #: file that is being sent, is complete.
        self.has_begun = False

    @cached_property
    def wrote(self) -> frozenset[str]:
        """The parameters with which SQL was sent."""
        query = parse_qsl(self._scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        return frozenset(name for name, _ in query) & {"sql", "_where"}

    @property
    def wants_page(self) -> bool:
        """Whether the answer is a page rather than a file."""
        return "." not in str(self._scope["path"]).rpartition("/")[2]

    async def gone(self) -> None:
        """Wait until nobody is waiting any more. The body of a form is left for others to receive."""
        if self._scope["method"] in ("GET", "HEAD"):
            # The first message says that the request has no body; the next one is the disconnect.
            for _ in range(2):
                if (await self._receive())["type"] == "http.disconnect":
                    return
        await asyncio.Event().wait()


_reader: ContextVar[_Reader | None] = ContextVar("reader", default=None)
# Set while Datasette runs a query of its own.
_for_itself: ContextVar[bool] = ContextVar("for_itself", default=False)


def attended(app: Any) -> Any:
    """The ASGI application; for each of its requests we know whether somebody still waits."""

    async def answer(scope: dict[str, Any], receive: Receive, send: Any) -> None:
        if scope["type"] == "http":
            _reader.set(_Reader(scope, receive))
        await app(scope, receive, send)

    return answer


# -- the database ----------------------------------------------------------------------------------


class SandboxedDatabase(Database):  # type: ignore[misc]
    """A database whose SQL is run by other processes, unless Datasette wrote all of it."""

    def __init__(self, datasette: Datasette, path: str, is_mutable: bool) -> None:
        super().__init__(datasette, path=path, is_mutable=is_mutable)
        self._sandbox = Sandbox(reading_uri(Path(path), "mode=ro" if is_mutable else "immutable=1"))

    def warm(self) -> None:
        """Start the processes, so that the first reader does not have to wait for them."""
        self._sandbox.warm()

    def stop(self) -> None:
        """End the processes, and tell everybody who is waiting that there will be no answer."""
        self._sandbox.stop()

    def close(self) -> None:
        self.stop()
        super().close()

    async def execute(
        self,
        sql: str,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        truncate: bool = False,
        custom_time_limit: int | None = None,
        page_size: int | None = None,
        log_sql_errors: bool = True,
    ) -> Any:
        """As Datasette's, except that a reader's error is never logged.

        Raises QueryInterrupted for a query that outlasts its limit, sqlite3.OperationalError with SQLite's words for
        one that fails, Unavailable if too many are waiting already.
        """
        if _for_itself.get() or asks_for_schema(sql):
            return await super().execute(
                sql, params, truncate, custom_time_limit, page_size, log_sql_errors=log_sql_errors
            )
        reader = _reader.get()
        wrote = reader.wrote if reader else frozenset(("sql",))
        milliseconds = min(custom_time_limit or self.ds.sql_time_limit_ms, self.ds.sql_time_limit_ms)
        query = Query(
            sql,
            _bound(sql, params),
            max(milliseconds, 1) / 1000,
            self._most(page_size or self.ds.page_size) if truncate else None,
            own=bool(wrote),
            ends_early=truncate and "sql" in wrote,
            most_cells=MOST_CELLS if reader and reader.wants_page else None,
        )
        with traced("sql", database=self.name, sql=sql.strip(), params=params):
            answer = await self._sandbox.ask(query, reader)
        return Results(answer.rows, answer.truncated, answer.description)

    def _most(self, page_size: int) -> int | None:
        most: int = self.ds.max_returned_rows
        return (most + 1 if most == page_size else most) or None

    async def table_counts(self, limit: int = 10) -> Any:
        # Its SQL contains nothing but the names of the tables.
        token = _for_itself.set(True)
        try:
            return await super().table_counts(limit)
        finally:
            _for_itself.reset(token)


def _bound(sql: str, params: Mapping[str, Any] | Sequence[Any] | None) -> dict[str, Any] | list[Any]:
    """The parameters named in the SQL. For a saved query Datasette computes some of them on access."""
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        return list(params)
    bound = {}
    for name in set(_NAMED.findall(sql)):
        with suppress(KeyError):
            bound[name] = params[name]
    return bound


# -- the processes ---------------------------------------------------------------------------------


class Sandbox:
    """Two processes that run SQL on one database, a thread for each, and the queue for them."""

    def __init__(self, uri: str) -> None:
        self._threads = ThreadPoolExecutor(CHILDREN, "readers-sql")
        self._children = tuple(_Child(uri) for _ in range(CHILDREN))
        self._idle = list(self._children)
        self._in_line = 0
        self._lock = threading.Lock()
        #: Runs even if nobody calls it.
        self.stop = weakref.finalize(self, _stop, self._threads, self._children)

    def warm(self) -> None:
        for child in self._children:
            child.start()

    async def ask(self, query: Query, reader: _Reader | None) -> Answer:
        """The answer to the query. Raises as ``SandboxedDatabase.execute`` does."""
        has_begun = reader is not None and reader.has_begun
        try:
            request = packed(query._asdict())
        except TypeError as error:
            raise sqlite3.OperationalError(str(error)) from None
        with self._lock:
            if self._in_line >= CHILDREN + WAITING and not has_begun:
                raise Unavailable(
                    "Too many queries are waiting already. "
                    "Try again in a few seconds. Pages that need no SQL still work."
                )
            self._in_line += 1
        if reader:
            reader.has_begun = True
        job = _Job(request, query)
        try:
            running = self._threads.submit(self._run, job)
        except RuntimeError:
            self._leave()
            raise _stopping() from None
        running.add_done_callback(lambda _: self._leave())
        return await _answer(asyncio.wrap_future(running), job, reader)

    def _run(self, job: _Job) -> Answer:
        # There are as many threads as children.
        with self._lock:
            child = self._idle.pop()
        try:
            return job.run(child)
        finally:
            with self._lock:
                self._idle.append(child)

    def _leave(self) -> None:
        with self._lock:
            self._in_line -= 1


def _stop(threads: ThreadPoolExecutor, children: Sequence[_Child]) -> None:
    threads.shutdown(wait=False, cancel_futures=True)
    for child in children:
        child.stop()


def _stopping() -> Unavailable:
    return Unavailable("The site is being stopped. Try again in a few seconds.")


async def _answer(answer: asyncio.Future[Answer], job: _Job, reader: _Reader | None) -> Answer:
    """Wait for the answer or until nobody waits for it; in the latter case, or if cancelled, give up the job."""
    gone = asyncio.ensure_future(reader.gone()) if reader else None
    try:
        await asyncio.wait(
            [waited for waited in (answer, gone) if waited], return_when=asyncio.FIRST_COMPLETED
        )
        if not answer.done():
            raise Unavailable("Nobody waits for the answer.")
        if answer.cancelled():
            raise _stopping()
        return answer.result()
    finally:
        if gone:
            gone.cancel()
        if not answer.done():
            answer.cancel()
            job.give_up()


class _Job:
    """A query that is queued or running."""

    def __init__(self, request: bytes, query: Query) -> None:
        self._request = request
        self._query = query
        self._child: _Child | None = None
        self._is_given_up = False
        self._lock = threading.Lock()

    def run(self, child: _Child) -> Answer:
        """Get its answer. Raises as ``SandboxedDatabase.execute`` does."""
        query = self._query
        child.prepare()
        with self._lock:
            if self._is_given_up:
                raise Unavailable("Nobody waits for the answer.")
            self._child = child
        try:
            answer = child.ask(self._request, query.seconds)
        except TimeoutError as error:
            raise QueryInterrupted(error, query.sql, query.params) from None
        finally:
            with self._lock:
                self._child = None
        about, *lines = answer.split(b"\n")
        told = json.loads(about)
        if "error" in told:
            if told.get("spent"):
                # Only a new process gets all its memory back.
                child.restart()
            failure = sqlite3.OperationalError(told["error"])
            interrupted = told["error"] == "interrupted"
            raise QueryInterrupted(failure, query.sql, query.params) if interrupted else failure
        rows, description = _as_rows(told["columns"], lines)
        return Answer(rows, bool(told["truncated"]), description)

    def give_up(self) -> None:
        with self._lock:
            self._is_given_up = True
            if self._child:
                self._child.kill()


def _as_rows(columns: Sequence[str], lines: Sequence[bytes]) -> tuple[list[sqlite3.Row], Any]:
    """SQLite's own row type, which it makes for a cursor with these columns."""
    names = ", ".join('null as "{}"'.format(name.replace('"', '""')) for name in columns)
    with closing(sqlite3.connect(":memory:")) as db:
        cursor = db.execute(f"select {names or 'null'}")
        rows = [sqlite3.Row(cursor, tuple(json.loads(line, object_hook=unpacked))) for line in lines]
        return rows, cursor.description if columns else ()


class _Child:
    """One process, started when needed and again after it was killed. Only one thread at a time uses it."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._is_stopped = False
        self._lock = threading.RLock()
        # Held while somebody reads from its pipes, which must not be closed meanwhile.
        self._asked = threading.RLock()

    def prepare(self) -> None:
        """Wait until the process is ready. Raises Unavailable if it cannot be started."""
        with self._asked:
            self._prepare()

    def ask(self, request: bytes, seconds: float) -> bytes:
        """The answer to the request.

        Raises TimeoutError if there is none in time, sqlite3.OperationalError if the process ended,
        Unavailable if queries are no longer answered.
        """
        with self._asked:
            return self._ask(request, seconds)

    def _prepare(self) -> None:
        with self._lock:
            if self._process and self._process.poll() is not None:
                # It was ended between queries, for example by the system for lack of memory.
                self._end()
        try:
            self.start()
            if self._process and not self._is_ready:
                said = json.loads(_receive(self._process, time.monotonic() + START_SECONDS))
                if "error" in said:
                    raise EOFError(said["error"])
                self._is_ready = True
        except (OSError, EOFError) as error:
            self._end()
            if self._is_stopped:
                raise _stopping() from None
            log.error("no process for readers' SQL can be started: %s", error)
            raise Unavailable("SQL cannot be run on this site at the moment. Try again later.") from None

    def _ask(self, request: bytes, seconds: float) -> bytes:
        process = self._process
        if process is None:
            raise _stopping()
        begun = time.monotonic()
        limit = begun + seconds + MARGIN_SECONDS
        try:
            _send(process, request, limit)
            return _receive(process, limit)
        except (OSError, EOFError) as error:
            self.restart()
            if self._is_stopped:
                raise _stopping() from None
            if isinstance(error, TimeoutError) or time.monotonic() - begun >= seconds:
                raise TimeoutError("interrupted") from None
            if process.returncode != -signal.SIGKILL:
                log.warning("a process for readers' SQL came to an end (%s)", process.returncode)
            raise sqlite3.OperationalError("the query ended the process that ran it") from None

    def start(self) -> None:
        """Start the process, without waiting until it is ready. Raises OSError."""
        with self._lock:
            if self._process is None and not self._is_stopped:
                self._process = _started(self._uri)
                self._is_ready = False

    def kill(self) -> None:
        """End the process, whatever it is doing; the caller notices."""
        with self._lock:
            if self._process:
                self._process.kill()

    def restart(self) -> None:
        """End the process and start another for the next query."""
        self._end()
        with suppress(OSError):
            self.start()

    def stop(self) -> None:
        """End the process for good."""
        with self._lock:
            self._is_stopped = True
            self.kill()
        with self._asked:
            self._end()

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
            if process:
                process.kill()
                process.wait()
                for stream in (process.stdin, process.stdout):
                    if stream:
                        stream.close()


def _started(uri: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, "-I", "-S", sandbox_child.__file__, uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        # Ctrl-C in a terminal goes to the server only, which ends this process.
        start_new_session=True,
    )
    for stream in (process.stdin, process.stdout):
        if stream:
            os.set_blocking(stream.fileno(), False)
    return process


def _send(process: subprocess.Popen[bytes], request: bytes, limit: float) -> None:
    assert process.stdin
    descriptor = process.stdin.fileno()
    rest = memoryview(struct.pack(">I", len(request)) + request)
    while rest:
        _wait(descriptor, select.POLLOUT, limit)
        rest = rest[os.write(descriptor, rest) :]


def _receive(process: subprocess.Popen[bytes], limit: float) -> bytes:
    """The next message. Raises TimeoutError, and EOFError if the process has ended or sends nonsense."""
    assert process.stdout
    descriptor = process.stdout.fileno()
    (length,) = struct.unpack(">I", _read(descriptor, 4, limit))
    if length > LARGEST_ANSWER:
        raise EOFError(f"an answer of {length:,} bytes")
    return _read(descriptor, length, time.monotonic() + SEND_SECONDS)


def _read(descriptor: int, size: int, limit: float) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        _wait(descriptor, select.POLLIN, limit)
        part = os.read(descriptor, size - len(parts))
        if not part:
            raise EOFError("it ended")
        parts += part
    return bytes(parts)


def _wait(descriptor: int, event: int, limit: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, limit - time.monotonic()) * 1000):
        raise TimeoutError
