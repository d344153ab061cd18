"""``tracker up``: whatever is lacking, it says so in a line and serves what there is."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import QUERIES, QUESTIONS, Desk, dump, expected, finish, wait_for
from tests.eutils_server import StandIn
from tracker.jobs.lock import writing_job
from tracker.jobs.up import keep_email
from tracker.settings import load_settings

# Nobody listens there: as good as no network, and found out at once.
NOWHERE = "http://127.0.0.1:9/entrez/eutils/"
STARTERS = "select count(*) from record_state where source = 'starter'"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(slots=True)
class Site:
    """A ``tracker up`` that runs, and where it serves."""

    process: subprocess.Popen[str]
    port: int

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return str(answer.read().decode())

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"it ended: {finish(self.process)}")
        try:
            self.get("/")
        except (urllib.error.URLError, ConnectionError):
            return False
        return True

    def stop(self) -> str:
        """Ctrl-C; returns what it said to stderr."""
        self.process.send_signal(signal.SIGINT)
        done = finish(self.process)
        assert done.code == 0, done.err
        return done.err


@contextmanager
def up(desk: Desk, command: str = "up", **environment: str) -> Iterator[Site]:
    site = start(desk, command, **environment)
    try:
        wait_for(site.answers)
        yield site
    finally:
        if site.process.poll() is None:
            site.process.kill()
        site.process.communicate()


def start(desk: Desk, command: str = "up", port: int | None = None, **environment: str) -> Site:
    port = port or free_port()
    return Site(desk.start(command, "--port", str(port), **environment), port)


@pytest.fixture(autouse=True)
def closed_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under make in a job: nobody is there to answer."""
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *args, **kw: popen(*args, **{"stdin": subprocess.DEVNULL} | kw)
    )


# -- without PubMed --------------------------------------------------------------------------------


def test_without_an_email_address_it_says_so_and_serves_starter_citations(desk: Desk) -> None:
    with up(desk, TRACKER_EMAIL="") as site:
        home = site.get("/")
        assert all(f'href="/questions/{question}"' in home for question in QUESTIONS)
        assert "not search results" in home
        assert desk.column(STARTERS)[0] >= 90
        said = site.stop()
    assert "No refresh: no e-mail address is set" in said
    assert "starter citations loaded" in said


def test_without_a_network_it_says_so_and_serves_starter_citations(desk: Desk) -> None:
    with up(desk, TRACKER_EUTILS_URL=NOWHERE) as site:
        assert "not search results" in site.get("/questions/cystitis")
        said = site.stop()
    assert re.search(r"No refresh: PubMed \(127\.0\.0\.1:9\) did not answer", said)
    assert desk.column("select command from runs") == ["starter"]


def test_without_a_network_it_serves_what_an_earlier_refresh_stored(desk: Desk) -> None:
    assert desk.run("refresh").code == 0
    before = dump(desk.db)
    with up(desk, TRACKER_EUTILS_URL=NOWHERE) as site:
        assert "not search results" not in site.get("/")
        site.stop()
    assert dump(desk.db) == before


def test_a_key_that_ncbi_refuses_keeps_nobody_from_the_site(desk: Desk) -> None:
    with up(desk, NCBI_API_KEY="wrong") as site:
        assert "No refresh: NCBI_API_KEY: NCBI does not accept this key" in site.stop()


# -- with PubMed -----------------------------------------------------------------------------------


def test_with_pubmed_it_refreshes_and_the_starter_citations_are_gone(desk: Desk) -> None:
    with up(desk, TRACKER_EMAIL="") as site:
        site.stop()
    assert desk.column(STARTERS)[0] >= 90
    with up(desk) as site:
        assert "not search results" not in site.get("/")
        said = site.stop()
    assert desk.column(STARTERS) == [0]
    assert desk.matching("cystitis") == expected("cystitis")
    assert (
        f"cystitis: {len(expected('cystitis'))} counted, {len(expected('cystitis'))} entered; complete"
        in said
    )


def test_an_incomplete_refresh_is_reported_and_served_all_the_same(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("bad-record:90000301")
    with up(desk) as site:
        site.get("/questions/cystitis")
        said = site.stop()
    assert "cystitis: " in said and "incomplete: " in said
    assert "The refresh is incomplete, as said above; serving what is stored." in said
    assert desk.stored()


def test_a_refresh_that_got_nothing_leaves_the_starter_citations(desk: Desk, pubmed: StandIn) -> None:
    # One question will do: a search is patient.
    (desk.home / "queries").mkdir()
    shutil.copy(QUERIES / "cystitis.yml", desk.home / "queries")
    pubmed.faults.add("500", only="esearch")
    with up(desk) as site:
        assert "not search results" in site.get("/")
        site.stop()
    assert desk.column(STARTERS)[0] == 10
    assert desk.column("select command from runs") == ["refresh", "starter"]


def test_beside_another_refresh_it_serves_what_is_stored(desk: Desk) -> None:
    assert desk.run("refresh").code == 0
    with writing_job(desk.home / "db"), up(desk) as site:
        assert "another refresh, load or rebuild is running" in site.stop()


# -- what stops it ---------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_one_line_before_anything_is_done(desk: Desk, pubmed: StandIn) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = finish(start(desk, port=port).process)
    assert done.code == 2
    assert f"127.0.0.1:{port} cannot be used" in done.err
    assert len(done.err.splitlines()) == 1
    assert pubmed.log == []
    assert not desk.db.exists()


def test_without_questions_it_is_one_line(desk: Desk) -> None:
    (desk.home / "queries").mkdir()
    done = finish(start(desk).process)
    assert (done.code, len(done.err.splitlines())) == (2, 1)


def test_interrupted_while_it_refreshes_it_stops_cleanly(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("hang", only="efetch")
    site = start(desk)
    wait_for(lambda: any(request.endpoint == "efetch" for request in pubmed.log))
    site.process.send_signal(signal.SIGINT)
    done = finish(site.process)
    assert done.code == 3
    assert "interrupted. Nothing was half-written" in done.err
    assert "Serving" not in done.out
    with closing(sqlite3.connect(desk.db)) as db:
        assert db.execute("select outcome, reason from runs").fetchone()[0] == "incomplete"


def test_serve_without_a_database_is_one_line(desk: Desk) -> None:
    done = finish(start(desk, "serve").process)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "there is no database yet" in done.err


def test_serve_serves_what_is_stored_and_asks_nobody(desk: Desk, pubmed: StandIn) -> None:
    assert desk.run("refresh").code == 0
    asked = len(pubmed.log)
    with up(desk, "serve") as site:
        assert "/questions/cystitis" in site.get("/")
        assert site.stop() == ""
    assert len(pubmed.log) == asked


# -- the e-mail address ----------------------------------------------------------------------------


class Terminal:
    """A ``tracker up`` on a terminal of its own."""

    def __init__(self, desk: Desk, *answers: str) -> None:
        self.said = ""
        self.port = free_port()
        environment = desk._environment({"TERM": "dumb"})
        # A variable that is empty would hide the one in .env.
        del environment["TRACKER_EMAIL"]
        self._terminal, end = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tracker", "up", "--port", str(self.port)],
            cwd=desk.home,
            env=environment,
            stdin=end,
            stdout=end,
            stderr=end,
        )
        os.close(end)
        for answer in answers:
            self.wait_for("E-mail address (press Enter to continue without one): ")
            self.said = ""
            self.type(answer)

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, words: str, seconds: float = 30) -> None:
        limit = time.monotonic() + seconds
        while words not in self.said:
            assert time.monotonic() < limit, f"it never said {words!r}, but {self.said!r}"
            self._read()

    def _read(self) -> bool:
        """Whether there may be more to come."""
        if not select.select([self._terminal], [], [], 0.1)[0]:
            return True
        try:
            self.said += os.read(self._terminal, 65_536).decode()
        except OSError:
            return False
        return True

    def end(self) -> int:
        """Ctrl-C; returns the exit code."""
        self._process.send_signal(signal.SIGINT)
        while self._read():
            pass
        os.close(self._terminal)
        return self._process.wait(30)


def test_on_a_terminal_it_asks_once_and_keeps_the_address(desk: Desk) -> None:
    first = Terminal(desk, "not an address\n", "me@example.org\n")
    first.wait_for("Serving at")
    assert first.end() == 0
    assert (desk.home / ".env").read_text() == "TRACKER_EMAIL=me@example.org\n"
    assert stat.S_IMODE((desk.home / ".env").stat().st_mode) == 0o600
    assert desk.matching("cystitis") == expected("cystitis")
    second = Terminal(desk)
    second.wait_for("Serving at")
    assert "E-mail address" not in second.said
    assert second.end() == 0


def test_an_empty_answer_goes_on_without(desk: Desk) -> None:
    terminal = Terminal(desk, "\n")
    terminal.wait_for("Serving at")
    assert "no e-mail address is set" in terminal.said
    assert terminal.end() == 0
    assert not (desk.home / ".env").exists()


def test_ctrl_c_at_the_question_stops_it(desk: Desk) -> None:
    terminal = Terminal(desk)
    terminal.wait_for("E-mail address")
    assert terminal.end() == 3
    assert not desk.db.exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("NCBI_API_KEY=abc\n", "NCBI_API_KEY=abc\nTRACKER_EMAIL=me@example.org\n"),
        ("NCBI_API_KEY=abc", "NCBI_API_KEY=abc\nTRACKER_EMAIL=me@example.org\n"),
        ("TRACKER_EMAIL=\n", "TRACKER_EMAIL=\nTRACKER_EMAIL=me@example.org\n"),
    ],
    ids=["a line", "a line without an end", "an empty setting"],
)
def test_the_address_is_added_to_what_stands_in_dotenv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(before)
    keep_email("me@example.org")
    assert Path(".env").read_text() == after
    assert load_settings(environ={}).email == "me@example.org"


def test_where_dotenv_cannot_be_written_the_address_is_used_this_once(desk: Desk) -> None:
    (desk.home / ".env").mkdir()
    terminal = Terminal(desk, "me@example.org\n")
    terminal.wait_for("Serving at")
    assert ".env: cannot be written" in terminal.said
    assert terminal.end() == 0
    assert desk.matching("cystitis") == expected("cystitis")
