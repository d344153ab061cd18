"""Lists as files to download: complete however long, read by threads of their own and sent while they are written.

Datasette's few SQL threads are for pages; an export of a long list would hold one for minutes. An export reads the
whole list as of one moment, for which SQLite has to keep all later changes apart, so it ends when its reader leaves
or stops receiving.
"""

from __future__ import annotations

import asyncio
import io
import logging
import re
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol, cast

from tracker.article import MAX_PMID, ArticleKey
from tracker.errors import UsageError
from tracker.evidence.connect import BUSY_SECONDS, reading_uri
from tracker.export.files import check_filters, export, listing
from tracker.export.formats import FORMATS, Citation, Format, Listing
from tracker.lists import citations
from tracker.lists.selection import Selection
from tracker.site.parts import filters
from tracker.site.server import access, etag
from tracker.site.server.compat import BadRequest, Database, NotFound, Request, Response
from tracker.site.server.reader import read
from tracker.site.server.security import ANNOTATIONS, EVIDENCE, SITE

if TYPE_CHECKING:
    from datasette.app import Datasette

log = logging.getLogger("tracker.site")

EXTENSIONS = {format.extension: format.name for format in FORMATS.values()}
# The end of an export's address.
ENDING = rf"\.(?P<extension>{'|'.join(map(re.escape, EXTENSIONS))})$"
CHUNK = 16 * 1024
# Number of articles that are written as quickly as a page.
FEW = 100
# Maximum number of chunks written but not yet sent.
AHEAD = 16
# Maximum number of exports written at the same time; further readers are asked to try again later.
AT_ONCE = 4
COME_AGAIN_SECONDS = 30
# An export ends if its reader takes no chunk for this long.
STALLED_SECONDS = 60.0
# No export runs longer than this, however much its reader has taken.
LONGEST_SECONDS = 3600.0
# Steps of SQLite between checks whether anybody is still waiting.
STEPS = 1000

_free = threading.BoundedSemaphore(AT_ONCE)
Choose = Callable[[sqlite3.Connection], Selection]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def question(request: Request, datasette: Datasette) -> Response:
    """``/questions/SLUG.EXT``: the list that the question's page shows under the same filters, all of it.

    Byte for byte what ``tracker export`` writes. Before the first byte, raises NotFound if there is no such question,
    and BadRequest for a filter that matches nothing in it or a list that the format cannot hold. A later failure cuts
    the connection.
    """
    return await _list(datasette, request, request.url_vars["slug"])


async def search(request: Request, datasette: Datasette) -> Response:
    """``/search.EXT``: everything stored that the search finds."""
    return await _list(datasette, request, None)


async def _list(datasette: Datasette, request: Request, slug: str | None) -> Response:
    newest = request.args.get("newest") or None
    if newest and not re.fullmatch("[0-9]{1,9}", newest):
        raise BadRequest(f"newest={newest!r} is not a number of articles. Write digits, such as 100.")

    def choose(db: sqlite3.Connection) -> Selection:
        return filters.selection(
            request, slug, citations.label_choices(db, slug, access.viewer(request)), strict=True
        )

    format = FORMATS[EXTENSIONS[request.url_vars["extension"]]]
    most = int(newest) if newest else None
    return await stream(datasette, request, _ListFile(slug, format, choose, most))


class File(Protocol):
    """What is written for a reader: ``format`` is how, ``name`` what the file is called, without its ending.

    ``check`` raises what stands against writing it, and ``write`` writes it; both raise NotFound and UsageError.
    ``is_short`` is whether it is as quick as a page.
    """

    @property
    def format(self) -> AnyFormat: ...

    @property
    def name(self) -> str: ...

    @property
    def is_short(self) -> bool: ...

    def check(self, db: sqlite3.Connection) -> None: ...

    def write(self, db: sqlite3.Connection, out: BinaryIO) -> None: ...


class AnyFormat(Protocol):
    """What a file's headers say of its format."""

    @property
    def name(self) -> str: ...

    @property
    def media_type(self) -> str: ...

    @property
    def extension(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _ListFile:
    """A list of articles, all of it or its first ``newest``."""

    slug: str | None
    format: Format
    choose: Choose
    newest: int | None

    @property
    def name(self) -> str:
        return self.slug or "search"

    @property
    def is_short(self) -> bool:
        return self.newest is not None and self.newest <= FEW

    def check(self, db: sqlite3.Connection) -> None:
        selection = self.choose(db)
        check_question(db, selection.question)
        listing(db, selection)
        check_filters(db, selection)

    def write(self, db: sqlite3.Connection, out: BinaryIO) -> None:
        selection = self.choose(db)
        check_question(db, selection.question)
        export(db, selection, self.format.name, out, self.newest)


async def stream(datasette: Datasette, request: Request, file: File) -> Response:
    """The file, sent while it is written. Raises NotFound and BadRequest before its first byte."""
    about = file.format
    # Before anything is read: see ``state_tag``.
    tag = etag.state_tag(datasette, request)
    headers = {"ETag": tag, "Cache-Control": etag.CACHE_CONTROL, **_headers(about, file.name)}
    if etag.not_modified(request, tag):
        return Response("", 304, headers, about.media_type)
    if file.is_short and request.method == "GET":
        body = await _at_once(datasette, file)
        return Response(body, 200, headers, content_type=about.media_type)
    pipe = _Pipe(asyncio.get_running_loop())
    work = _Work(
        datasette.get_database(EVIDENCE),
        datasette.databases.get(ANNOTATIONS),
        file,
        only_checks=request.method == "HEAD",
        # HTTP/1.0, which nginx uses with us by default, has no chunks: only the length tells a cut-off file from a
        # complete one.
        measured=request.scope.get("http_version") == "1.0",
    )
    if not _begin(work, pipe, f"export {file.name} {about.name}"):
        return _busy()
    watching = asyncio.ensure_future(_watch(request, pipe))
    try:
        first = await pipe.take()
    except BaseException as error:
        pipe.leave()
        watching.cancel()
        if isinstance(error, _Gone):
            return Response.text("", 503)
        if isinstance(error, UsageError):
            raise BadRequest(_sentence(error)) from None
        raise
    if pipe.length is not None:
        headers["Content-Length"] = str(pipe.length)
    return _Streamed(request, pipe, first, watching, headers, about.media_type)


def _begin(work: _Work, pipe: _Pipe, name: str) -> bool:
    """Whether one more export could be started in a thread of its own."""
    free = _free
    if not free.acquire(blocking=False):
        return False
    try:
        threading.Thread(target=_write, args=(work, pipe, free), name=name).start()
    except RuntimeError:
        free.release()
        return False
    return True


async def _at_once(datasette: Datasette, file: File) -> bytes:
    """A file of few articles, such as a feed, in one piece: as quick as a page, it takes no large export's place."""

    def written(db: sqlite3.Connection) -> bytes | UsageError:
        out = io.BytesIO()
        try:
            file.write(db, out)
        except UsageError as error:
            return error
        return out.getvalue()

    content = await read(datasette, written)
    if isinstance(content, UsageError):
        raise BadRequest(_sentence(content))
    return bytes(content)


def check_question(db: sqlite3.Connection, slug: str | None) -> None:
    """Raises NotFound for a question that is not there."""
    if (
        slug is not None
        and not db.execute("select 1 from questions where slug = :slug", {"slug": slug}).fetchone()
    ):
        raise NotFound(f"Unknown question {slug!r}.")


def _headers(format: AnyFormat, name: str) -> dict[str, str]:
    if format.name == "atom":
        return {}
    headers = {"X-Robots-Tag": "noindex"}
    if format.name != "json":
        headers["Content-Disposition"] = f'attachment; filename="{_file_name(name)}.{format.extension}"'
    return headers


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)


def _busy() -> Response:
    return Response.text(
        f"This site is already writing {AT_ONCE} exports, its limit. Try again in half a minute.\n",
        503,
        {"Retry-After": str(COME_AGAIN_SECONDS), "Cache-Control": "no-store"},
    )


def _sentence(error: UsageError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


# -- from a thread to the reader -------------------------------------------------------------------


class _Gone(Exception):
    """Nobody is waiting for the file any more."""


class _End(NamedTuple):
    error: Exception | None


class _Pipe(io.RawIOBase):
    """A file that a thread writes and a coroutine reads, chunk by chunk; the thread is never far ahead."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        #: The length of the whole file, if known before it is sent.
        self.length: int | None = None
        self._loop = loop
        self._chunks: asyncio.Queue[bytes | _End] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)
        self._left = threading.Event()
        self._rest = bytearray()

    # The thread's side.

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Raises _Gone if nobody reads the file any more."""
        self._rest += data
        while len(self._rest) >= CHUNK:
            self._put(bytes(self._rest[:CHUNK]))
            del self._rest[:CHUNK]
        return len(data)

    def end(self, error: Exception | None = None) -> None:
        """Everything was written, or this error prevented it."""
        try:
            if self._rest and not error:
                self._put(bytes(self._rest))
            self._tell(_End(error))
        except _Gone:
            pass

    @property
    def is_left(self) -> bool:
        return self._left.is_set()

    def _put(self, chunk: bytes) -> None:
        # The other side gives up first; this is in case there is no other side.
        if not self._room.acquire(timeout=STALLED_SECONDS + 10) or self.is_left:
            raise _Gone
        self._tell(chunk)

    def _tell(self, what: bytes | _End) -> None:
        try:
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, what)
        except RuntimeError:  # The loop is closed: the server has stopped.
            raise _Gone from None

    # The coroutine's side.

    async def take(self) -> bytes | None:
        """The next chunk; None at the end. Raises what the thread raised, and _Gone after ``leave``."""
        chunk = await self._chunks.get()
        if self.is_left:
            raise _Gone
        if isinstance(chunk, _End):
            if chunk.error:
                raise chunk.error
            return None
        self._room.release()
        return chunk

    def leave(self) -> None:
        """Make both the writer and the reader stop."""
        self._left.set()
        self._room.release()
        self._chunks.put_nowait(_End(None))


class _Streamed(Response):  # type: ignore[misc]
    """A response with the content of a pipe."""

    def __init__(
        self,
        request: Request,
        pipe: _Pipe,
        first: bytes | None,
        watching: asyncio.Future[None],
        headers: Mapping[str, str],
        content_type: str,
    ) -> None:
        super().__init__("", 200, dict(headers), content_type)
        self._name = request.path
        self._pipe = pipe
        self._first = first
        self._watching = watching

    async def asgi_send(self, send: Send) -> None:
        headers = [*self.headers.items(), ("content-type", self.content_type)]
        headers += [("set-cookie", cookie) for cookie in self._set_cookie_headers]
        start = [[name.lower().encode("latin-1"), value.encode("latin-1")] for name, value in headers]
        # After an exception or an early end the last message has not been sent: the server then closes the
        # connection without the final chunk, which every client notices.
        try:
            await send({"type": "http.response.start", "status": self.status, "headers": start})
            chunk = self._first
            async with asyncio.timeout(LONGEST_SECONDS):
                while True:
                    message = {
                        "type": "http.response.body",
                        "body": chunk or b"",
                        "more_body": chunk is not None,
                    }
                    async with asyncio.timeout(STALLED_SECONDS):
                        await send(message)
                    if chunk is None:
                        break
                    chunk = await self._pipe.take()
        except _Gone:
            pass
        except TimeoutError:
            log.warning(
                "%s was cut: its reader took nothing for %d seconds, or not all in %d",
                self._name,
                STALLED_SECONDS,
                LONGEST_SECONDS,
            )
        except Exception as error:
            log.error("%s was cut", self._name, exc_info=error)
        finally:
            self._pipe.leave()
            self._watching.cancel()


async def _watch(request: Request, pipe: _Pipe) -> None:
    """Wait until the reader goes away."""
    if request.receive:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        pipe.leave()


# -- the thread ------------------------------------------------------------------------------------


class _Work(NamedTuple):
    evidence: Database
    annotations: Database | None
    file: File
    only_checks: bool
    measured: bool


def _write(work: _Work, pipe: _Pipe, free: threading.Semaphore) -> None:
    """Write the file into the pipe, and release everything before its last chunk is read."""
    error = None
    try:
        if work.measured and not work.only_checks:
            with TemporaryFile() as file:
                _read(work, pipe, cast(BinaryIO, file))
                pipe.length = file.tell()
                file.seek(0)
                copyfileobj(file, pipe, CHUNK)
        else:
            _read(work, pipe, cast(BinaryIO, pipe))
    except Exception as raised:
        error = raised
    finally:
        free.release()
    pipe.end(error)


def _read(work: _Work, pipe: _Pipe, out: BinaryIO) -> None:
    with closing(_connect(work.evidence)) as db:
        # Needed even if nothing has been written yet, as with a workbook until it is complete.
        db.set_progress_handler(lambda: pipe.is_left, STEPS)
        if work.annotations:
            db.execute("attach database ? as annotations", (_uri(work.annotations),))
        if work.only_checks:
            work.file.check(db)
        else:
            work.file.write(db, out)


def _connect(database: Database) -> sqlite3.Connection:
    return sqlite3.connect(_uri(database), uri=True, timeout=BUSY_SECONDS)


def _uri(database: Database) -> str:
    return reading_uri(Path(database.path), "mode=ro" if database.is_mutable else "immutable=1")


# -- Datasette's tables and queries ----------------------------------------------------------------

PART = "ONLY A PART"
# The formats that Datasette writes itself.
DATASETTES = ("csv", "json")
# An extension that Datasette recognises in an address is one word.
RENDERED = {
    extension.partition(".")[0]: name for extension, name in EXTENSIONS.items() if extension not in DATASETTES
}


def renderers() -> list[dict[str, Any]]:
    """For Datasette: these formats for any table or query with a column ``pmid``."""
    return [
        {"extension": extension, "render": partial(_render, FORMATS[format]), "can_render": _can_render}
        for extension, format in RENDERED.items()
    ]


def _can_render(database: str, columns: Sequence[str]) -> bool:
    return database == EVIDENCE and "pmid" in columns


async def _render(
    format: Format,
    datasette: Datasette,
    request: Request,
    database: str,
    table: str | None,
    query_name: str | None,
    columns: Sequence[str],
    rows: Sequence[Any],
    data: Mapping[str, Any],
) -> Response:
    """The articles that the rows name, in their order, each once. Datasette passes one page of rows."""
    if data.get("error"):
        raise BadRequest(str(data["error"]))
    if not _can_render(database, columns):
        raise BadRequest("It has no column pmid, so there is nothing to cite.")
    pmids = list(dict.fromkeys(pmid for row in rows if (pmid := _pmid(row["pmid"]))))
    name = table or query_name or "query"

    def read(db: sqlite3.Connection) -> tuple[Listing, list[Citation]]:
        db.execute("begin")
        try:
            return listing(db, Selection()), list(citations.of_articles(db, pmids))
        finally:
            db.rollback()

    about, cited = await datasette.get_database(SITE).execute_fn(read)
    about = about._replace(
        slug=request.full_path,
        title=f"Table {name}" if table else f"Query {query_name}" if query_name else "A query",
        remarks=tuple(_extent(datasette, request, len(rows), len(pmids), len(cited), data)),
    )
    out = io.BytesIO()
    await asyncio.to_thread(format.write, about, cited, out)
    # A file of citations has no place to say this: it only holds what concerns each paper.
    extent = "-part" if any(remark.startswith(PART) for remark in about.remarks) else ""
    return Response(out.getvalue(), 200, _headers(format, name + extent), format.media_type)


def _pmid(value: Any) -> ArticleKey | None:
    """The PMID in a cell, which may hold anything that readers' SQL put there."""
    if isinstance(value, dict):
        # A foreign key, with the label of its target.
        value = value.get("value")
    if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value):
        value = int(value)
    return ArticleKey(value) if isinstance(value, int) and -MAX_PMID <= value <= MAX_PMID else None


def _extent(
    datasette: Datasette, request: Request, rows: int, pmids: int, cited: int, data: Mapping[str, Any]
) -> Iterator[str]:
    """What the file contains and, above all, what it lacks."""
    most: int = datasette.setting("max_returned_rows")
    path = datasette.urls.path("/questions/NAME")
    own = f"A question's own export ({path} and the format's ending) is complete."
    # The last page of a table has no next one.
    if data.get("next") or request.args.get("_next"):
        more = f" Add _size=max to the address for up to {most:,} rows." if rows < most else ""
        yield f"{PART}: the {rows:,} rows of one page, not the whole table.{more} {own}"
    elif data.get("truncated"):
        yield f"{PART}: the first {rows:,} rows; the query has more, which are never returned. {own}"
    yield f"Rows: {rows:,}; distinct articles: {pmids:,}."
    if cited < pmids:
        yield f"Left out, as they are not stored here: {pmids - cited:,}."
