"""What goes to a log or a terminal: nothing that acts there, and in the server's log nothing that a reader sent."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.conftest import Desk, wait_for
from tests.helpers_load import document, record
from tests.helpers_site import add_person, filled, free_port, send, signed_in

# What drives a terminal, in one byte or two, and what turns the direction of writing.
ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
SECRET = "mysecretword"
EVIL = f"{SECRET}\x1b[2J\x9b31m\u202e\r\n2026 ERROR: forged"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("logs"))


# A page that fails with what the reader sent in its exception, and one that fails in the middle of an answer.
BROKEN = """
import sqlite3, sys
from tracker.lists import pages
from tracker.site.views import exports
from tracker.cli import main
def fail(db, selection, *rest):
    try:
        raise sqlite3.OperationalError("no such column: " + selection.text)
    except sqlite3.OperationalError as error:
        raise RuntimeError("searched for " + selection.text) from error
pages.found = fail
exports.listing = fail
sys.argv = ["tracker", "serve", "--port", sys.argv[1]]
main()
"""


@contextmanager
def logged(desk: Desk, log: Path) -> Iterator[str]:
    """``tracker serve`` with pages that fail; what it writes is in the file after the end."""
    port = free_port()
    server = desk.start_python("-c", BROKEN, str(port))
    try:
        wait_for(lambda: server.poll() is not None or _answers(port), 60)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        _, err = server.communicate(timeout=30)
        log.write_text(err, encoding="utf-8")


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def raw(address: str, request: bytes) -> bytes:
    """What is answered to a request that no library would send."""
    where = urlsplit(address)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=20) as connection:
        connection.sendall(request)
        return connection.recv(65_536)


def test_the_servers_log_has_no_word_of_a_reader(desk: Desk, tmp_path: Path) -> None:
    """Whatever fails, and however: the kind of the error and where it was raised are there, its words are not."""
    add_person(desk, "log.writer", "lead")
    evil = quote(EVIL)
    with logged(desk, tmp_path / "log") as address:
        assert httpx.get(f"{address}/search?q={evil}").status_code == 500
        assert httpx.get(f"{address}/search.ris?q={evil}").status_code in (200, 400, 500)
        for path in (
            f"/evidence.json?sql=select+{evil}",
            f"/evidence.csv?sql=select+{evil}",
            f"/evidence.csv?sql=select+%22{evil}%22,+nothing&_stream=on",
            f"/evidence/articles.csv?_where={evil}",
            f"/evidence/articles?title__contains={evil}&_sort={evil}&_facet={evil}",
            f"/evidence/articles.json?_search={evil}",
            f"/{evil}",
            f"/questions/{evil}",
            f"/questions/cystitis?after={evil}&from={evil}",
            f"/-/{evil}",
        ):
            httpx.get(f"{address}{path}", headers={"Accept": EVIL.encode("unicode_escape").decode()})
        for line in (
            b"GET /\x9b31m\xff HTTP/1.1",
            b"GET /%1b%5b HTTP/1.1",
            f"{SECRET} \x1b[2J".encode(),
            b"\x16\x03\x01",
        ):
            raw(address, line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 400 " in raw(address, b"GET /\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with signed_in(address, "log.writer") as client:
            for path, fields in (
                ("/articles/90000303/note", {"text": SECRET, "question": SECRET}),
                ("/articles/90000303/tag", {"tag": SECRET}),
                ("/tags/change", {"action": SECRET}),
                ("/account/password", {"old": SECRET, "new": SECRET, "again": SECRET}),
            ):
                send(client, path, **fields)
        httpx.post(f"{address}/sign-in", data={"name": SECRET, "password": SECRET}, cookies={"x": SECRET})
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert SECRET not in log and "forged" not in log
    assert not ACTING.search(log)
    assert "ERROR: GET /search failed" in log
    assert "RuntimeError, raised in" in log and "OperationalError, raised in" in log
    assert "in fail" in log


def test_the_words_are_there_where_somebody_looks_for_the_mistake(desk: Desk, tmp_path: Path) -> None:
    desk.environment["TRACKER_DEBUG"] = "1"
    try:
        with logged(desk, tmp_path / "log") as address:
            httpx.get(f"{address}/search?q={quote(EVIL)}")
    finally:
        del desk.environment["TRACKER_DEBUG"]
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert f"RuntimeError: searched for {SECRET}\\x1b[2J" in log
    assert not ACTING.search(log)


# -- terminals -------------------------------------------------------------------------------------

# XML has C1 controls and bidi overrides, MEDLINE text as it is saved whatever there is.
TITLE = "A title \x9b31m and \u202e more"


@pytest.fixture
def terminal(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    file = tmp_path / "records.xml"
    file.write_text(document(record(95_000_001, f"Ketamine {TITLE}", abstract=TITLE, keywords=[TITLE])))
    assert desk.run("load", "records.xml").code == 0
    return desk


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "ketamine"),
        ("search", "ketamine", "--json"),
        ("show", "95000001"),
        ("show", "95000001", "--json"),
        ("status",),
        ("load", "evil\x1b[2J.xml"),
        ("load", "damaged.xml"),
        ("questions", "check"),
        ("export", "evil\x1b[2J", "--format", "ris"),
        ("restore", "evil\x9b31m", "--yes"),
        ("tag", "import", "evil\x9b31m.csv"),
    ],
    ids=lambda each: " ".join(each).encode("unicode_escape").decode(),
)
def test_no_command_sends_a_terminal_what_drives_it(terminal: Desk, arguments: tuple[str, ...]) -> None:
    (terminal.home / "damaged.xml").write_text(f"<PubmedArticleSet>{TITLE}", encoding="utf-8")
    (terminal.own_queries() / "evil\x9b31m.yml").write_text(f"title: {TITLE!r}\n", encoding="utf-8")
    done = terminal.run(*arguments)
    assert not ACTING.search(done.out + done.err), (done.out, done.err)
    if "--json" in arguments:
        assert "\x9b31m" in json.dumps(json.loads(done.out), ensure_ascii=False)


def test_a_job_on_a_terminal_shows_names_of_files_harmlessly(terminal: Desk) -> None:
    file = terminal.home / "evil\x9b31m.xml"
    file.write_text(document(record(95_000_002, "Another")), encoding="utf-8")
    done = terminal.run("load", str(file))
    assert done.code == 0 and "evil31m.xml: loaded" in done.err
    assert not ACTING.search(done.err)
