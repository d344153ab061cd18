"""The site over the fixtures' records: in this process, and as a server that a browser can visit."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from lxml import html

from tests.conftest import FIXTURES, Desk, wait_for
from tests.eutils_server import StandIn
from tracker.settings import Settings
from tracker.site.serve import open_site

QUESTIONS = ("cognition", "tolerance", "cystitis", "psychotherapy")
RETRACTED, CONCERN, MARKUP, MATHML, HOSTILE = 90000303, 90000102, 90000657, 90000658, 90000663
HASH = "pbkdf2_sha256$260000$NOWHEREELSE"
OURS = (
    "/",
    *(f"/questions/{slug}" for slug in QUESTIONS),
    "/questions/cystitis?q=ketamine&language=eng&since=2020-01-01",
    f"/articles/{RETRACTED}",
    f"/articles/{RETRACTED}?in=cystitis",
    "/changes",
    "/methods",
    "/search",
    "/search?q=bladder",
)


def filled(home: Path) -> Desk:
    """Two days of refreshes over records that were loaded before, whatever they match; and one person."""
    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Desk(home, pubmed.url)
        files = sorted((FIXTURES / "pubmed").glob("*.xml"))
        assert desk.run("load", *map(str, files)).code == 0
        assert desk.run("refresh").code == 0
        pubmed.next_day()
        assert desk.run("refresh").code == 0
    desk.annotate()
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.execute("update people set password_hash = ?", (HASH,))
    return desk


class Site:
    """The site in this process, for one GET at a time."""

    def __init__(self, desk: Desk, **options: Any) -> None:
        self.settings = Settings(db_dir=desk.db.parent, secret="of the tests")
        self.datasette = open_site(self.settings, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self.datasette.client.get(path, **options))

    def page(self, path: str) -> str:
        """What a reader gets at this path, who must get something."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text


def articles_on(page: str, within: str = "") -> list[int]:
    """The PMIDs that the page lists under "Records", in order; reports under another one's title included.

    ``within`` may narrow it: ``/li/p`` are those that stand for themselves.
    """
    links = html.fromstring(page).xpath(f'//ol[@class="articles"]{within}//a[@class="record"]/@href')
    return [int(re.findall(r"/articles/(\d+)", link)[0]) for link in links]


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """``tracker serve`` in a process of its own; yields its address, and sees that it ends as it should."""
    port = free_port()
    server = desk.start("serve", "--port", str(port))
    try:
        wait_for(lambda: server.poll() is not None or _answers(port))
        assert server.poll() is None, server.communicate()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, ""), (out, err)


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
