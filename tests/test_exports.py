"""Lists as files from the site: the bytes of ``tracker export``, whole or visibly cut, and nobody's thread for long."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import bibtexparser
import feedparser
import httpx
import openpyxl
import pytest
import uvicorn
from lxml import etree

from tests.conftest import Desk, finish, program, wait_for
from tests.helpers_load import document, open_evidence, put, record
from tests.helpers_site import CONCERN, HOSTILE, RETRACTED, Site, filled, free_port
from tests.test_cite import HOSTILE_TEXTS, READERS, SOUND
from tracker.article import Pmid
from tracker.evidence import connect, schema
from tracker.export.files import export
from tracker.export.formats import FORMATS, Listing
from tracker.lists.selection import Selection
from tracker.site.server import etag
from tracker.site.server.compat import Request
from tracker.site.views import exports

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two days of refreshes, and a tag; the tests only read it."""
    return filled(tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def site(library: Desk) -> Site:
    return Site(library)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One long list: 2,000 articles with a long abstract, 15 MB as JSON; the tests only read it."""
    desk = Desk(tmp_path_factory.mktemp("long"), "http://127.0.0.1:9/")
    # Words that no rule asks for: what is read of them is not tried here, and reading would take a minute.
    text = "Ketamine cystitis and bladder pain. " + "Lorem ipsum dolor sit amet elitra, " * 200
    articles = (record(n, f"Ketamine cystitis {n}", text) for n in range(1, 2_001))
    (desk.home / "many.xml").write_text(document(*articles))
    assert desk.run("load", "--match", "cystitis", "many.xml").code == 0
    desk.annotate()
    return desk


@pytest.fixture
def own(tmp_path: Path) -> Desk:
    """A database of the test's own, with a few articles."""
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    desk.db.parent.mkdir()
    with closing(open_evidence(desk.db.parent)) as db:
        put(db, *(record(pmid) for pmid in (1, 49_999, 50_000, 20_000_000)))
    return desk


def exported(desk: Desk, format: str, *options: str) -> bytes:
    """What ``tracker export`` writes."""
    file = desk.home / f"exported-{threading.get_ident()}"
    done = desk.run("export", "cystitis", "--format", format, *options, "-o", str(file))
    assert done.code == 0, done.err
    return file.read_bytes()


def written(desk: Desk, selection: Selection, format: str, newest: int | None = None) -> bytes:
    out = io.BytesIO()
    with closing(connect.open_for_reading(desk.db, schema.migrations)) as db:
        db.execute("attach database ? as annotations", (str(desk.annotations),))
        export(db, selection, format, out, newest)
    return out.getvalue()


# -- the same bytes --------------------------------------------------------------------------------

LISTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "all": ({}, ()),
    "labels": (
        {"design": ["randomised controlled trial", "cohort study"]},
        ("--filter", "design=randomised controlled trial", "--filter", "design=cohort study"),
    ),
    "years": ({"from": "2014", "to": "2020"}, ("--years", "2014-2020")),
    "text": ({"q": 'bladder "ketamine cystitis"'}, ("--search", 'bladder "ketamine cystitis"')),
    "since": ({"new": "2015-01-01"}, ("--since", "2015-01-01")),
    "sort and newest": ({"sort": "entered", "newest": "5"}, ("--sort", "entered", "--newest", "5")),
    "all of it": (
        {"design": "case report", "from": "2000", "q": "ketamine", "newest": "2", "fields": "ignored"},
        ("--filter", "design=case report", "--years", "2000-", "--search", "ketamine", "--newest", "2"),
    ),
}


@pytest.mark.parametrize("format", FORMATS)
def test_a_list_has_the_bytes_of_tracker_export(site: Site, library: Desk, format: str) -> None:
    sizes = set()
    for name, (parameters, options) in LISTS.items():
        path = str(httpx.URL(f"/questions/cystitis.{FORMATS[format].extension}", params=parameters))
        answer = site.get(path)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.content == exported(library, format, *options), name
        sizes.add(len(answer.content))
    assert len(sizes) > 4, "the filters narrow nothing"


@pytest.mark.parametrize("format", FORMATS)
def test_so_has_a_search(site: Site, library: Desk, format: str) -> None:
    answer = site.get(f"/search.{FORMATS[format].extension}?q=bladder")
    assert answer.status_code == 200
    assert answer.content == written(library, Selection(text="bladder"), format)


def test_what_people_said_narrows_a_list(site: Site, library: Desk) -> None:
    for parameters, selection in (
        ("tag=bladder", Selection("cystitis", tag="bladder")),
        ("decision=none", Selection("cystitis", decision="none")),
        ("decision=include", Selection("cystitis", decision="include")),
    ):
        answer = site.get(f"/questions/cystitis.json?{parameters}")
        assert answer.content == written(library, selection, "json"), parameters
    tagged = site.get("/questions/cystitis.json?tag=bladder").json()["articles"]
    assert [article["pmid"] for article in tagged] == [90000301]


@pytest.mark.parametrize("format", FORMATS)
def test_a_long_list_is_complete(long: Desk, format: str) -> None:
    answer = Site(long).get(f"/questions/cystitis.{FORMATS[format].extension}")
    assert answer.content == exported(long, format)
    if format != "xlsx":
        assert {int(n) for n in re.findall(rb"Ketamine cystitis (\d+)", answer.content)} == set(
            range(1, 2_001)
        )


def test_a_copy_that_nothing_writes_to_is_read_too(library: Desk, tmp_path: Path) -> None:
    copy = Desk(tmp_path, "")
    (tmp_path / "db").mkdir()
    library.sql("vacuum into ?", str(copy.db))
    copy.sql("pragma journal_mode = wal")
    shutil.copy(library.annotations, copy.annotations)
    site = Site(copy, immutable=True)
    for left in copy.db.parent.glob("evidence.db-*"):
        left.unlink()
    answer = site.get("/questions/cystitis.ris")
    assert answer.content == exported(library, "ris")
    assert sorted(path.name for path in copy.db.parent.glob("evidence.db*")) == ["evidence.db"]


# -- what goes with it -----------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_the_headers_say_what_it_is_and_what_to_call_it(site: Site, format: Any) -> None:
    headers = site.get(f"/questions/cystitis.{format.extension}").headers
    assert headers["content-type"] == format.media_type
    assert headers["cache-control"] == "public, max-age=60"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers.get("x-robots-tag") == (None if format.name == "atom" else "noindex")
    named = None if format.name in ("atom", "json") else f'attachment; filename="cystitis.{format.extension}"'
    assert headers.get("content-disposition") == named
    search = site.get(f"/search.{format.extension}?q=ketamine").headers
    assert search.get("content-disposition") == (named and named.replace("cystitis", "search"))


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_head_has_the_headers_and_writes_nothing(
    site: Site, format: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/questions/cystitis.{format.extension}?q=bladder"
    whole = site.get(path)
    monkeypatch.setattr(exports, "export", lambda *_: pytest.fail("it is written"))
    answer = asyncio.run(site.datasette.client.head(path))
    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("content-type", "content-disposition", "etag", "cache-control", "x-robots-tag"):
        assert answer.headers.get(name) == whole.headers.get(name)
    missing = asyncio.run(site.datasette.client.head(f"/questions/nowhere.{format.extension}"))
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/questions/nowhere.ris", 404, "Unknown question &#39;nowhere&#39;."),
        ("/questions/cystitis.ris?design=astrology", 400, "Choose one of: "),
        ("/questions/cystitis.ris?from=early", 400, "is not a year"),
        ("/questions/cystitis.ris?newest=all", 400, "is not a number of articles"),
        ("/questions/cystitis.ris?sort=colour", 400, "Unknown sort order"),
        ("/search.ris?design=%3Cscript%3E", 400, "design=&lt;script&gt;"),
        ("/questions/cystitis.docx", 404, "Not found"),
        ("/questions/cystitis.ris.ris", 404, "Not found"),
    ],
)
def test_what_cannot_be_had_is_a_page_that_says_why(site: Site, path: str, status: int, words: str) -> None:
    answer = site.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert "text/html" in answer.headers["content-type"]
    assert "content-disposition" not in answer.headers
    assert "etag" not in answer.headers


def test_a_program_gets_json_that_says_why(site: Site) -> None:
    answer = site.get("/questions/nowhere.json")
    assert (answer.status_code, answer.json()["error"]) == (404, "Unknown question 'nowhere'.")
    answer = site.get("/questions/cystitis.csl.json?design=x")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("No article of cystitis has design=x. Choose one of: ")


def test_more_rows_than_a_sheet_holds_is_a_page_that_says_what_to_take(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.export.table.ROW_LIMIT", 3)
    answer = site.get("/questions/cystitis.xlsx")
    assert answer.status_code == 400
    assert "An Excel sheet holds at most 2 articles. Export as CSV instead." in answer.text


def test_our_own_mistakes_are_logged_once_and_not_shown(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the inner life")

    monkeypatch.setitem(FORMATS, "ris", FORMATS["ris"]._replace(write=broken))
    answer = site.get("/questions/cystitis.ris")
    assert answer.status_code == 500
    assert "inner life" not in answer.text
    assert [each.getMessage() for each in caplog.records if each.name == "tracker.site"] == [
        "GET /questions/cystitis.ris failed"
    ]


# -- kept by browsers and proxies ------------------------------------------------------------------


def request(*fields: str, method: str = "GET", path: str = "/") -> Request:
    scope = Request.fake(path, method).scope
    return Request({**scope, "headers": [(b"if-none-match", field.encode()) for field in fields]}, None)


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ((), False),
        (('W/"a,b"',), True),
        (('"a,b"',), True),
        (("*",), False),
        (('"x", W/"y" ,"a,b"',), True),
        (('"x"', 'W/"a,b"'), True),
        (('"a","b"',), False),
        (('"a,b',), False),
        (("a,b",), False),
        (('w/"a"',), False),
        (('W/"a,b "',), False),
        (("",), False),
    ],
)
def test_a_tag_is_compared_weakly_among_those_given(fields: tuple[str, ...], same: bool) -> None:
    assert etag.not_modified(request(*fields), 'W/"a,b"') is same
    assert etag.not_modified(request(*fields, method="HEAD"), 'W/"a,b"') is same
    assert etag.not_modified(request(*fields, method="POST"), 'W/"a,b"') is False


@pytest.mark.parametrize("path", ["/questions/cystitis.ris?q=bladder", "/search.xlsx?q=x", "/sitemap.xml"])
def test_who_has_it_already_is_told_so_before_any_work(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    whole = site.get(path)
    monkeypatch.setattr(exports, "_write", lambda *_: pytest.fail("it is read"))
    monkeypatch.setattr(
        site.datasette.get_database("_site"), "execute_fn", lambda *_: pytest.fail("it is read")
    )
    assert re.fullmatch(r'W/"[0-9a-f]{32}"', whole.headers["etag"])
    for given in (whole.headers["etag"], whole.headers["etag"].removeprefix("W/")):
        answer = site.get(path, headers={"If-None-Match": f'"x", {given}'})
        assert (answer.status_code, answer.content) == (304, b"")
        for name in ("etag", "cache-control", "vary", "content-type"):
            assert answer.headers[name] == whole.headers[name]


def test_a_tag_changes_with_what_the_answer_is_made_of(own: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    own.annotate()
    site = Site(own)

    def tag(path: str = "/search.json", **headers: str) -> str:
        return str(site.get(path, headers=headers).headers["etag"])

    seen = [tag()]
    assert tag() == tag("/search.json", **{"User-Agent": "another"}) == seen[0]
    seen += [tag("/search.json?q=title"), tag("/search.csv"), tag(Cookie="ds_actor=1")]
    seen += [tag(Authorization="Bearer x"), tag(Host="elsewhere")]
    for file, statement in (
        (own.db, "update articles set title = 'Another' where pmid = 1"),
        (own.annotations, "insert into tags (tag_group, name) values (901, 'new')"),
    ):
        with closing(sqlite3.connect(file)) as db:
            db.execute(statement)
            db.commit()
            # It is in the log alone.
            seen.append(tag())
    monkeypatch.setattr(etag, "now", lambda: "2099-01-01T00:00:00Z")
    seen.append(tag())
    monkeypatch.setattr(etag, "__version__", "later")
    seen.append(tag())
    assert len(set(seen)) == len(seen)


def test_a_log_that_a_reader_left_empty_changes_no_tag(own: Desk) -> None:
    own.annotate()
    site = Site(own)
    for desk_file in (own.db, own.annotations):
        with closing(sqlite3.connect(desk_file)) as db:
            db.execute("pragma wal_checkpoint(truncate)").fetchall()
    fake = Request.fake("/")
    before = etag.state_tag(site.datasette, fake)
    with closing(sqlite3.connect(f"file:{own.db}?mode=ro", uri=True)) as db:
        db.execute("select count(*) from articles").fetchone()
        assert etag.state_tag(site.datasette, fake) == before


# -- a reader who is slow, stalls or goes away -----------------------------------------------------


def threads() -> list[str]:
    """The exports that are being written in this process."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("export ")]


class Endless:
    """A format without an end that counts what was written of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written = 0
        self.stopped_by: BaseException | None = None
        monkeypatch.setitem(FORMATS, "ris", FORMATS["ris"]._replace(write=self.write))

    def write(self, listing: Any, citations: Any, out: Any) -> None:
        try:
            while True:
                self.written += out.write(b"x" * 10_000)
        except BaseException as error:
            self.stopped_by = error
            raise


async def asked(site: Site, path: str, send: Any, receive: Any = None) -> None:
    """One GET by hand, straight to the ASGI application."""
    scope = Request.fake(path).scope | {"headers": [(b"host", b"localhost")]}

    async def never() -> Any:
        await asyncio.Event().wait()

    await site.datasette.client.app(scope, receive or never, send)


def test_the_writer_waits_for_its_reader_and_gives_up_one_who_stalls(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    endless = Endless(monkeypatch)
    monkeypatch.setattr(exports, "STALLED_SECONDS", 0.4)
    got: list[dict[str, Any]] = []
    ahead: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        got.append(message)
        if len(got) > 10:
            await asyncio.sleep(0.2)
            ahead.append(endless.written - sum(len(each.get("body", b"")) for each in got))
            await asyncio.sleep(100)

    asyncio.run(asked(site, "/questions/cystitis.ris", send))
    assert {len(message["body"]) for message in got[1:]} == {exports.CHUNK}
    assert ahead[0] <= (exports.AHEAD + 2) * exports.CHUNK
    # It never said that it was done.
    assert all(message["more_body"] for message in got[1:])
    assert "took nothing" in caplog.text
    wait_for(lambda: not threads(), 5)
    assert isinstance(endless.stopped_by, exports._Gone)


def test_a_reader_who_takes_a_little_now_and_then_is_given_up_in_the_end(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    endless = Endless(monkeypatch)
    monkeypatch.setattr(exports, "LONGEST_SECONDS", 0.4)
    got: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        got.append(message)
        await asyncio.sleep(0.05)

    asyncio.run(asked(site, "/questions/cystitis.ris", send))
    assert 2 < len(got) < 20
    assert all(message["more_body"] for message in got[1:])
    assert "not all in" in caplog.text
    wait_for(lambda: not threads(), 5)
    assert isinstance(endless.stopped_by, exports._Gone)


def test_what_is_not_there_is_not_unchanged(site: Site) -> None:
    for path in (
        "/questions/nowhere",
        "/questions/nowhere.ris",
        "/articles/999999999",
        "/sitemaps/articles-99999.xml",
    ):
        assert site.get(path, headers={"If-None-Match": "*"}).status_code == 404


def test_a_reader_who_goes_away_ends_the_writing_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Endless(monkeypatch)

    async def visit() -> None:
        left, got = asyncio.Event(), []

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            got.append(message)
            if len(got) == 5:
                left.set()
            await asyncio.sleep(0.001)

        await asked(site, "/questions/cystitis.ris", send, receive)
        assert len(got) < 10

    began = time.monotonic()
    asyncio.run(visit())
    wait_for(lambda: not threads(), 5)
    assert time.monotonic() - began < 3
    assert isinstance(endless.stopped_by, exports._Gone)


@pytest.mark.parametrize("format", ["xlsx", "ris"])
def test_so_does_one_who_goes_away_before_the_first_byte(
    long: Desk, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    """While a workbook is put together nothing is written, and while the list is sought nothing is known."""
    site, reading = Site(long), threading.Event()
    if format == "ris":

        def choose(db: sqlite3.Connection, *_: Any) -> dict[str, Any]:
            reading.set()
            endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
            db.execute(endless).fetchone()
            return {}

        monkeypatch.setattr(exports.citations, "label_choices", choose)
    else:
        select = exports.export

        def export(*arguments: Any) -> int:
            reading.set()
            while True:
                select(*arguments)

        monkeypatch.setattr(exports, "export", export)

    async def visit() -> None:
        async def receive() -> dict[str, Any]:
            while not reading.is_set():
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            pass

        await asked(site, f"/questions/cystitis.{format}", send, receive)

    asyncio.run(visit())
    assert reading.is_set()
    wait_for(lambda: not threads(), 10)


def test_more_exports_than_may_be_written_at_once_are_asked_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def waiting(listing: Any, citations: Any, out: Any) -> None:
        assert go_on.wait(20)
        out.write(b"done")

    monkeypatch.setitem(FORMATS, "ris", FORMATS["ris"]._replace(write=waiting))

    async def visit() -> tuple[list[httpx.Response], list[httpx.Response], httpx.Response]:
        get = site.datasette.client.get
        first = [asyncio.create_task(get("/questions/cystitis.ris")) for _ in range(exports.AT_ONCE)]
        while len(threads()) < exports.AT_ONCE:
            await asyncio.sleep(0.01)
        refused = [await get(f"/questions/cystitis.{ending}") for ending in ("ris", "json", "xlsx")]
        # Pages do not wait for exports, nor does what needs no writing.
        page = await asyncio.wait_for(get("/questions/cystitis"), 5)
        assert page.status_code == 200
        go_on.set()
        done = await asyncio.gather(*first)
        while threads():
            await asyncio.sleep(0.01)
        return done, refused, await get("/questions/cystitis.ris")

    done, refused, after = asyncio.run(visit())
    for answer in refused:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "30"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.text.startswith("This site is already writing 4 exports")
    assert [answer.content for answer in (*done, after)] == [b"done"] * (exports.AT_ONCE + 1)


def test_errors_and_readers_who_leave_keep_no_place(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3 * exports.AT_ONCE):
        assert site.get("/questions/nowhere.ris").status_code == 404
        assert site.get("/questions/cystitis.ris?design=x").status_code == 400

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2 * exports.AT_ONCE):
            status = asyncio.run(exports.question(_of_cystitis(), site.datasette)).status
            assert status == 503
    assert site.get("/questions/cystitis.ris").status_code == 200


def _of_cystitis() -> Request:
    return Request.fake("/questions/cystitis.ris", url_vars={"slug": "cystitis", "extension": "ris"})


# -- a server in a process of its own --------------------------------------------------------------

BOOT = """
import sys
sys.path[0] = {root!r}
import tests.test_exports as here
{more}
from tracker.cli import main
main()
"""


@contextmanager
def process(desk: Desk, more: str = "pass") -> Iterator[tuple[int, int]]:
    """``tracker serve``; yields its port and its process."""
    port = free_port()
    boot = BOOT.format(root=str(ROOT), more=more)
    server = desk.start_python("-c", boot, "serve", "--port", str(port))

    def answers() -> bool:
        with closing(socket.socket()) as probe:
            return server.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(answers)
        assert server.poll() is None, server.communicate()
        yield port, server.pid
    finally:
        server.terminate()
        done = finish(server)
    assert "Traceback" not in done.err


class Visitor:
    """A reader of one path, over a connection that holds little."""

    def __init__(self, port: int, path: str, version: str = "1.1") -> None:
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.connection.settimeout(60)
        self.connection.connect(("127.0.0.1", port))
        self.connection.sendall(f"GET {path} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
        self.answer = http.client.HTTPResponse(self.connection)

    def __enter__(self) -> http.client.HTTPResponse:
        self.answer.begin()
        return self.answer

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        # Each holds the socket open.
        self.answer.close()
        self.connection.close()


def status_of(pid: int, name: str) -> int:
    """A number that /proc has on the process: Threads, VmRSS."""
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found
    return int(found[1])


def opened(pid: int, name: str) -> int:
    """How many files of this name the process holds open."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            count += link.readlink().name == name
    return count


def log_is_free(desk: Desk) -> bool:
    """Whether nobody reads an older state of the database."""
    with closing(sqlite3.connect(desk.db, timeout=0)) as db:
        return bool(db.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0)


linux = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")


@pytest.fixture
def copied(long: Desk, tmp_path: Path) -> Desk:
    """The long list, in a database that a test may write to."""
    desk = Desk(tmp_path, long.url)
    shutil.copytree(long.db.parent, desk.db.parent)
    return desk


@linux
def test_a_slow_reader_gets_all_of_one_moment_and_holds_up_nobody(copied: Desk) -> None:
    before = exported(copied, "json")
    with process(copied) as (port, pid):
        address = f"http://127.0.0.1:{port}"
        for path in ("/questions/cystitis", "/articles/1", "/questions/cystitis.json?newest=500"):
            assert httpx.get(f"{address}{path}", timeout=60).status_code == 200
        memory = status_of(pid, "VmRSS")
        with Visitor(port, "/questions/cystitis.json") as answer:
            received = answer.read(1000)
            copied.change("update articles set title = 'Changed meanwhile'")
            for _ in range(20):
                began = time.monotonic()
                assert httpx.get(f"{address}/articles/1").status_code == 200
                assert time.monotonic() - began < 5
                received += answer.read(1000)
            # Most of the 15 MB is not written yet.
            assert status_of(pid, "VmRSS") - memory < 10_000
            assert not log_is_free(copied)
            received += answer.read()
        assert received == before
        wait_for(lambda: log_is_free(copied))
        after = httpx.get(f"{address}/questions/cystitis.json", timeout=60)
        assert after.content == exported(copied, "json") != before


@linux
def test_readers_who_leave_or_stall_leave_nothing_behind(copied: Desk) -> None:
    with process(copied, "here.exports.STALLED_SECONDS = 2") as (port, pid):
        for _ in range(10):
            httpx.get(f"http://127.0.0.1:{port}/articles/1")

        def held() -> tuple[int, int]:
            return status_of(pid, "Threads"), opened(pid, "evidence.db-wal")

        def is_read_meanwhile() -> bool:
            copied.change("update articles set title = title || '.' where pmid = 1")
            return not log_is_free(copied)

        before = held()
        # Whoever reads a little, then leaves; and who leaves before the workbook is put together.
        for format in ("json", "xlsx", "json"):
            with ExitStack() as visits:
                for _ in range(2):
                    visitor = Visitor(port, f"/questions/cystitis.{format}")
                    visits.callback(visitor.leave)
                    if format == "json":
                        visits.enter_context(visitor).read(1000)
                wait_for(is_read_meanwhile)
                assert held() != before
            wait_for(lambda: held() == before and log_is_free(copied))
        with Visitor(port, "/questions/cystitis.json") as answer:
            answer.read(1000)
            assert is_read_meanwhile()
            assert held() != before
            wait_for(lambda: held() == before and log_is_free(copied))
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
        assert not list(copied.home.glob("tmp*"))
        assert httpx.get(f"http://127.0.0.1:{port}/questions/cystitis.ris", timeout=60).status_code == 200


def test_http_1_0_gets_the_length_for_want_of_chunks(long: Desk) -> None:
    with process(long) as (port, _):
        for format in ("ris", "xlsx"):
            with Visitor(port, f"/questions/cystitis.{format}?newest=300", "1.0") as answer:
                body = answer.read()
                assert int(answer.headers["content-length"]) == len(body)
            assert body == exported(long, format, "--newest", "300")
        with Visitor(port, "/questions/cystitis.ris?newest=1") as answer:
            assert answer.headers["content-length"] is None
            assert answer.headers["transfer-encoding"] == "chunked"


@pytest.fixture
def cut(long: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server in this process, at this port, whose RIS export fails in the middle."""

    def broken(listing: Any, citations: Any, out: Any) -> None:
        for number, citation in enumerate(citations):
            if number == 1_000:
                raise sqlite3.OperationalError("disk I/O error")
            out.write(f"{citation.title}\n{citation.abstract}\n".encode())

    monkeypatch.setitem(FORMATS, "ris", FORMATS["ris"]._replace(write=broken))
    port = free_port()
    config = uvicorn.Config(Site(long).datasette.app(), port=port, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield port
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def test_a_file_that_was_cut_cannot_pass_for_a_whole_one(
    cut: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"http://127.0.0.1:{cut}/questions/cystitis.ris"
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        httpx.get(address)
    with pytest.raises(http.client.IncompleteRead), Visitor(cut, "/questions/cystitis.ris") as answer:
        assert answer.status == 200
        answer.read()
    logged = [each for each in caplog.records if each.name == "tracker.site"]
    assert [each.getMessage() for each in logged] == ["/questions/cystitis.ris was cut"] * 2
    assert logged[0].exc_info
    assert "disk I/O error" in str(logged[0].exc_info[1])
    # The older protocol has no such sign, and gets no file at all.
    with Visitor(cut, "/questions/cystitis.ris", "1.0") as answer:
        assert answer.status == 500
        assert b"Something went wrong" in answer.read()


def test_curl_sees_that_it_was_cut(cut: int, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{cut}/questions/cystitis.ris"
    command = [program("curl"), "-sS", "-o", str(tmp_path / "list.ris"), address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 18, done.stderr


# -- Datasette's tables and queries ----------------------------------------------------------------


def sql(query: str, ending: str) -> str:
    return str(httpx.URL(f"/evidence.{ending}", params={"sql": query}))


def pmids_in(format: str, entries: list[dict[str, Any]]) -> list[int]:
    name = {"ris": "id", "bibtex": "pmid", "csl-json": "PMID", "nbib": "PMID", "xlsx": "pmid", "atom": "id"}[
        format
    ]
    return [int(re.sub(r"\D", "", str(entry[name]))) for entry in entries]


# Files that have a place for what is said of the list as a whole, beside the citations.
WITH_A_PLACE = ("bib", "xlsx", "atom")


def said(format: str, data: bytes) -> str:
    """What the file says of itself, where its reader finds it."""
    if format == "atom":
        feed = feedparser.parse(io.BytesIO(data)).feed
        return f"{feed.title}\n{feed.subtitle}"
    if format == "xlsx":
        with closing(openpyxl.load_workbook(io.BytesIO(data), read_only=True)) as book:
            return "\n".join(str(row[0]) for row in book["about"].iter_rows(values_only=True))
    if format == "bibtex":
        return "\n".join(comment.comment for comment in bibtexparser.parse_string(data.decode()).comments)
    raise AssertionError(f"{format} has no place of its own for it")


@pytest.mark.parametrize("ending", exports.RENDERED)
def test_any_table_query_or_row_with_a_pmid_can_be_had_in_these_formats(
    site: Site, library: Desk, ending: str
) -> None:
    format = exports.RENDERED[ending]
    reviews = (
        "select pmid from question_labels where question = 'cystitis' and label_group = 'design' "
        "and value in ('systematic review', 'meta-analysis') order by published desc, pmid desc"
    )
    both = f"select 'x' as y, pmid from articles where pmid in ({HOSTILE}, {CONCERN}) order by pmid desc"
    wanted = {
        f"/evidence/articles.{ending}?_size=max": "select pmid from articles order by pmid",
        f"/evidence/articles.{ending}": "select pmid from articles order by pmid limit 25",
        f"/evidence/articles.{ending}?retracted=1": "select pmid from articles where retracted order by pmid",
        f"/evidence/articles/{RETRACTED}.{ending}": f"select {RETRACTED}",
        f"/evidence/labels.{ending}?_labels=on&_size=max&label_group=design&_sort=pmid":
            "select distinct pmid from labels where label_group = 'design' order by pmid",
        f"/evidence/reviews.{ending}?question=cystitis": f"select distinct pmid from ({reviews})",
        sql(both, ending): f"values ({HOSTILE}), ({CONCERN})",
    }  # fmt: skip
    for path, query in wanted.items():
        pmids = library.column(query)
        answer = site.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert pmids
        assert pmids_in(format, READERS[format](answer.content)) == pmids, path
        assert answer.headers["content-type"] == FORMATS[format].media_type
        assert ("content-disposition" in answer.headers) is (ending != "atom")


@pytest.mark.parametrize("ending", exports.RENDERED)
def test_a_retraction_goes_with_it(site: Site, ending: str) -> None:
    format = exports.RENDERED[ending]
    answer = site.get(sql(f"select {RETRACTED} as pmid", ending))
    (entry,) = READERS[format](answer.content)
    text = json.dumps(entry, default=str).replace("\\", "")
    assert "RETRACTED" in text
    assert "Retracted: see Ann Inv Urol. 2025 Jun;35(6):420" in text
    assert "PubMed's status as of 20" in text


@pytest.mark.parametrize("ending", WITH_A_PLACE)
def test_a_file_says_of_what_it_is_a_part(site: Site, library: Desk, ending: str) -> None:
    format = exports.RENDERED[ending]
    total = len(library.stored())

    def about(path: str) -> str:
        return said(format, site.get(path).content)

    page = about(f"/evidence/articles.{ending}")
    assert "Table articles" in page
    assert "ONLY A PART: the 25 rows of one page, not the whole table. Add _size=max" in page
    assert "Rows: 25; distinct articles: 25." in page
    # The last page has no next one, and is a part all the same.
    size = f"_size={total - 1}"
    (following,) = re.findall("_next=[^&]+", site.get(f"/evidence/articles.json?{size}").json()["next_url"])
    assert "ONLY A PART: the 1 rows of one page" in about(f"/evidence/articles.{ending}?{size}&{following}")
    everything = about(f"/evidence/articles.{ending}?_size=max")
    assert "ONLY A PART" not in everything
    assert f"Rows: {total}; distinct articles: {total}." in everything
    many = "with recursive n(i) as (select 1 union all select i + 1 from n limit 2000)"
    cut = about(sql(f"{many} select {RETRACTED} as pmid from n", ending))
    assert "A query" in cut
    assert "ONLY A PART: the first 1,000 rows; the query has more" in cut
    assert "Rows: 1,000; distinct articles: 1." in cut
    missing = about(sql(f"select {RETRACTED} as pmid union all select 7 union all select 8", ending))
    assert "ONLY A PART" not in missing
    assert "Left out, as they are not stored here: 2." in missing
    assert "Query reviews" in about(f"/evidence/reviews.{ending}?question=cystitis")


@pytest.mark.parametrize("ending", WITH_A_PLACE)
def test_a_question_s_own_file_says_how_complete_it_is(site: Site, library: Desk, ending: str) -> None:
    format = exports.RENDERED[ending]
    found = said(format, site.get(f"/questions/cystitis.{FORMATS[format].extension}").content)
    ((title, moment),) = library.sql("select title, complete_to from questions where slug = 'cystitis'")
    assert title in found
    assert f"Complete to {moment}." in found


@pytest.mark.parametrize("ending", sorted(exports.RENDERED.keys() - set(WITH_A_PLACE)))
def test_citations_alone_say_nothing_of_the_list_that_they_came_from(
    site: Site, library: Desk, ending: str
) -> None:
    """A reference manager keeps with the paper, for ever, whatever a record says."""
    format = exports.RENDERED[ending]
    (title,) = library.sql("select title from questions where slug = 'cystitis'")[0]
    whole = site.get(f"/questions/cystitis.{FORMATS[format].extension}").text
    part = site.get(f"/evidence/articles.{ending}")
    for text in (whole, part.text):
        for words in ("About the list", "Complete to", "ONLY A PART", title, "Table articles"):
            assert words not in text, words
    assert f"articles-part.{FORMATS[format].extension}" in part.headers["content-disposition"]
    everything = site.get(f"/evidence/articles.{ending}?_size=max")
    assert f"articles.{FORMATS[format].extension}" in everything.headers["content-disposition"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: repr(text[:20]))
def test_what_is_said_of_a_list_breaks_no_entry(format: str, text: str) -> None:
    """A search has the reader's own words for a title."""
    listing = Listing("search", f"Search: {text}", "2026-01-02T03:04:05Z", (text, f"{text} again"))
    out = io.BytesIO()
    FORMATS[format].write(listing, iter((SOUND, replace(SOUND, pmid=Pmid(9)))), out)
    entries = READERS[format](out.getvalue())
    assert len(entries) == 2
    name = {"ris": "title", "nbib": "TI"}.get(format, "title")
    assert all("The next one" in entry[name] for entry in entries)


@pytest.mark.parametrize("ending", exports.RENDERED)
def test_what_is_no_pmid_is_passed_over(site: Site, ending: str) -> None:
    odd = "null, 'x', 1.5, x'00', -1, 0, 99999999999999999999, 9223372036854775807, '1e3', '٣', ''".split(
        ", "
    )
    query = " union all ".join(f"select {value} as pmid" for value in (*odd, f"'{RETRACTED}'", RETRACTED))
    format = exports.RENDERED[ending]
    assert pmids_in(format, READERS[format](site.get(sql(query, ending)).content)) == [RETRACTED]
    answer = site.get(sql("select null as pmid", ending))
    assert answer.status_code == 200
    assert READERS[format](answer.content) == []


@pytest.mark.parametrize("ending", exports.RENDERED)
def test_hostile_text_stays_text(site: Site, library: Desk, ending: str) -> None:
    format = exports.RENDERED[ending]
    path = str(
        httpx.URL(f"/evidence/articles.{ending}", params={"pmid": HOSTILE, "_x": "</feed>\r\nER  - \n@x{"})
    )
    answer = site.get(path)
    (entry,) = READERS[format](answer.content)
    assert "alert" in json.dumps(entry, default=str)
    if format == "atom":
        assert not etree.fromstring(answer.content).xpath("//*[local-name() = 'script']")
        assert entry["title_detail"]["type"] == "text/plain"


@pytest.mark.parametrize("ending", exports.RENDERED)
def test_the_rest_is_refused_in_plain_words(site: Site, ending: str) -> None:
    for path, status, words in (
        (f"/evidence/runs.{ending}", 400, "It has no column pmid"),
        (sql("select 1 as x", ending), 400, "It has no column pmid"),
        (sql("select pmid from nowhere", ending), 400, "no such table: nowhere"),
        (f"/evidence/nowhere.{ending}", 404, "Not found"),
        (f"/annotations/taggings.{ending}", 403, "Not allowed"),
        (f"/_site/articles.{ending}", 403, "Not allowed"),
    ):
        answer = site.get(path)
        assert answer.status_code == status, path
        assert words in answer.text, path


def test_tables_and_queries_with_a_pmid_lead_to_these_formats(site: Site) -> None:
    for path in (
        "/evidence/articles",
        "/evidence/labels",
        "/evidence/reviews?question=",
        sql("select 1 as pmid", ""),
    ):
        page = site.page(path.replace(".?", "?"))
        for ending in exports.RENDERED:
            assert re.search(rf'href="/evidence[^"]*\.{ending}', page), (path, ending)
    assert ".ris" not in site.page("/evidence/runs")


def test_a_feed_of_a_table_calls_nothing_new_that_was_there_before(own: Desk) -> None:
    """Its entries are dated by when they were first seen, not by the last refresh."""
    site = Site(own)
    own.annotate()
    before = feedparser.parse(site.get("/evidence/articles.atom").content).entries
    with closing(open_evidence(own.db.parent)) as db:
        put(db, record(60_000))
        db.execute("update runs set started = '2099-01-01T00:00:00Z', finished = '2099-01-01T00:00:00Z'")
    after = feedparser.parse(site.get("/evidence/articles.atom").content).entries
    assert len(after) == len(before) + 1
    for entry in before:
        assert entry["updated"] == next(each["updated"] for each in after if each["id"] == entry["id"])
        assert entry["updated"] < "2099"


# -- robots and sitemaps ---------------------------------------------------------------------------


def allowed(robots: str, path: str) -> bool:
    """As RFC 9309 has it: the longest rule that matches decides, and in doubt it is allowed."""
    rules = re.findall(r"^(Allow|Disallow): (\S+)$", robots, re.M)
    matching = [
        (len(rule), kind == "Allow")
        for kind, rule in rules
        if re.match(re.escape(rule).replace(r"\*", ".*").replace(r"\$", "$"), path)
    ]
    return max(matching, default=(0, True))[1]


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/", True),
        ("/questions/cystitis", True),
        ("/questions/cystitis?after=2020,1", False),
        ("/questions/cystitis.atom", True),
        ("/questions/cystitis.atom?sort=entered", False),
        *((f"/questions/cystitis.{ending}", False) for ending in exports.EXTENSIONS if ending != "atom"),
        ("/articles/90000303", True),
        ("/articles/90000303?in=cystitis", False),
        ("/methods", True),
        ("/changes", True),
        ("/search", True),
        ("/search?q=x", False),
        ("/search.csv", False),
        ("/evidence/articles", True),
        ("/evidence/articles?_sort=title", False),
        ("/evidence/articles.json", False),
        ("/evidence?sql=select+1", False),
        ("/evidence.json?sql=select+1", False),
        ("/-/settings", False),
        ("/-/static/app.css?abc", True),
        ("/-/static-plugins/evidence-tracker/tracker.css?v=1", True),
        ("/sitemap.xml", True),
        ("/sitemaps/articles-1.xml", True),
    ],
)
def test_robots_may_read_our_pages_and_no_endless_variants(site: Site, path: str, may: bool) -> None:
    answer = site.get("/robots.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert allowed(answer.text, path) is may


def test_robots_are_told_where_the_sitemap_is(site: Site) -> None:
    assert "\nSitemap: http://localhost/sitemap.xml\n" in site.get("/robots.txt").text


SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"


def places(site: Site, path: str) -> list[tuple[str, str | None]]:
    """Addresses and days of a sitemap or of an index of them."""
    answer = site.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    tree = etree.fromstring(answer.content)
    assert tree.tag in (f"{SITEMAP}urlset", f"{SITEMAP}sitemapindex")
    return [(entry.findtext(f"{SITEMAP}loc"), entry.findtext(f"{SITEMAP}lastmod")) for entry in tree]


def test_the_sitemap_leads_to_every_page_once(site: Site, library: Desk) -> None:
    index = [address for address, _ in places(site, "/sitemap.xml")]
    listed = [place for address in index for place in places(site, address.removeprefix("http://localhost"))]
    addresses = [address for address, _ in listed]
    assert all(address.startswith("http://localhost/") for address in (*index, *addresses))
    assert len(addresses) == len(set(addresses))
    slugs = library.column("select slug from questions")
    pages = ["/", *(f"/questions/{slug}" for slug in slugs), "/changes", "/trials", "/methods"]
    articles = {f"http://localhost/articles/{pmid}" for pmid in library.stored()}
    assert set(addresses) == {f"http://localhost{path}" for path in pages} | articles
    days = dict(library.sql("select 'http://localhost/articles/' || pmid, revised from articles"))
    assert {address: day for address, day in listed if day} == {
        address: day for address, day in days.items() if day and len(day) == 10
    }
    assert sum(day is not None for _, day in listed) > 10


def test_a_block_of_pmids_has_a_sitemap_of_its_own_and_an_empty_one_has_none(own: Desk) -> None:
    own.change("update articles set revised = '2025-02-30' where pmid = 1")
    own.change("update articles set revised = '2025-02' where pmid = 49999")
    site = Site(own)
    names = ("pages", "articles-0", "articles-1", "articles-400")
    assert [address for address, _ in places(site, "/sitemap.xml")] == [
        f"http://localhost/sitemaps/{name}.xml" for name in names
    ]
    assert places(site, "/sitemaps/articles-0.xml") == [
        ("http://localhost/articles/1", None),
        ("http://localhost/articles/49999", None),
    ]
    assert places(site, "/sitemaps/articles-1.xml") == [("http://localhost/articles/50000", "2024-01-01")]
    for path in ("/sitemaps/articles-2.xml", "/sitemaps/articles-999999.xml", "/sitemaps/articles-x.xml"):
        assert site.get(path).status_code == 404


def test_a_site_without_articles_has_a_sitemap(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "")
    desk.db.parent.mkdir()
    open_evidence(desk.db.parent).close()
    assert [address for address, _ in places(Site(desk), "/sitemap.xml")] == [
        "http://localhost/sitemaps/pages.xml"
    ]


def test_below_another_path_every_address_begins_with_it(library: Desk) -> None:
    site = Site(library)
    site.datasette._settings["base_url"] = "/evidence-tracker/"
    tree = etree.fromstring(site.get("/sitemap.xml").content)
    assert tree[0].findtext(f"{SITEMAP}loc") == "http://localhost/evidence-tracker/sitemaps/pages.xml"
    robots = site.get("/robots.txt").text
    assert "Disallow: /evidence-tracker/-/" in robots
    assert "Sitemap: http://localhost/evidence-tracker/sitemap.xml" in robots
