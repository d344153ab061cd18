"""The site over the fixtures' records: in this process, and as a server that a browser can visit."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from datasette_auth_passwords.utils import hash_password
from lxml import html

from tests.conftest import FIXTURES, Desk, wait_for
from tests.eutils_server import StandIn
from tracker.settings import Settings
from tracker.site.routes import ROUTES, Readers, Route
from tracker.site.server.compat import close
from tracker.site.server.serve import open_site
from tracker.site.views import pages
from tracker.team import people
from tracker.team.acts import acting, open_annotations
from tracker.team.people import Person

QUESTIONS = ("cognition", "tolerance", "cystitis", "psychotherapy")
RETRACTED, CONCERN, MARKUP, MATHML, HOSTILE = 90000303, 90000102, 90000657, 90000658, 90000663
HASH = "pbkdf2_sha256$260000$NOWHEREELSE"
# What stands in addresses for the parts that routes have: of formats one that lists and tables have.
PARTS = {"slug": "cystitis", "pmid": str(RETRACTED), "extension": "csv", "block": "1800", "format": ".json"}
PARTS |= {"file": "flow.svg", "name": "0" * 32}
# Other addresses at which these show something of their own, the fullest last.
MORE = {
    pages.question: (
        *(f"/questions/{slug}" for slug in QUESTIONS),
        "/questions/cystitis?q=ketamine&language=eng&since=2020-01-01",
    ),
    pages.article: (f"/articles/{RETRACTED}?in=cystitis",),
    pages.search: ("/search?q=bladder",),
}
_PART = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)\??")


def example(route: Route, **parts: str) -> str:
    """One address of the route, with these or the usual parts. Fails where PARTS lacks one of them."""
    known = PARTS | parts
    if missing := set(_PART.findall(route.path)) - known.keys():
        raise AssertionError(f"{route.path}: say in PARTS what stands for {missing}.")
    return _PART.sub(lambda found: known[found[1]], route.path.strip("^$")).replace("\\", "")


def examples(route: Route) -> tuple[str, ...]:
    """Addresses at which a page is looked at."""
    more = MORE.get(route.read, ()) if route.read else ()
    return tuple(dict.fromkeys((example(route), *more)))


# Of ours, those that anybody may read on an open site: no files, and nothing that writes.
PAGES = tuple(
    route
    for route in ROUTES
    if route.read
    and not route.write
    and route.readers is Readers.READERS
    # What is below /-/ is for programs.
    and "." not in example(route)
    and not example(route).startswith("/-/")
)
OURS = tuple(path for route in PAGES for path in examples(route))


def filled(home: Path) -> Desk:
    """Two days of refreshes over records that were loaded before, whatever they match; and one person."""
    if (home / "queries").exists():
        return _filled(home)
    desk = Desk(home, "http://127.0.0.1:9/")
    desk.db.parent.mkdir(parents=True, exist_ok=True)
    for name, mode, content in _filled_files():
        path = desk.db.parent / name
        path.write_bytes(content)
        path.chmod(mode)
    return desk


@cache
def _filled_files() -> list[tuple[str, int, bytes]]:
    """Both databases, made once in each process; they have no log beside them, as nobody has them open."""
    with tempfile.TemporaryDirectory() as folder:
        desk = _filled(Path(folder))
        return [(path.name, path.stat().st_mode, path.read_bytes()) for path in (desk.db, desk.annotations)]


def _filled(home: Path) -> Desk:
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


GROUPED_SITE = """\
title: Salt
groups:
  - {name: sides, title: Two sides}
  - {name: empty, title: Nothing here}
  - {name: first, title: First of all, cards: true}
"""
GROUPS = {"tolerance": "sides", "cystitis": "sides", "psychotherapy": "first"}


def grouped(home: Path, site: str = GROUPED_SITE, groups: dict[str, str] = GROUPS) -> Desk:
    """A site on which two questions are rows, one is a card, and one is of no group."""
    desk = Desk(home, "http://127.0.0.1:9/")
    queries = desk.own_queries()
    (queries / "topic" / "site.yml").write_text(site, encoding="utf-8")
    for slug, group in groups.items():
        file = queries / f"{slug}.yml"
        file.write_text(f"group: {group}\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    return desk


class Site:
    """The site in this process, for one GET at a time."""

    def __init__(self, desk: Desk, closed: bool = False, **options: Any) -> None:
        self.settings = Settings(
            db_dir=desk.db.parent, queries=desk.queries, secret="of the tests", closed=closed
        )
        self.datasette = open_site(self.settings, **options)
        weakref.finalize(self, close, self.datasette)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self.datasette.client.get(path, **options))

    def session(self, person: Person) -> dict[str, str]:
        """The cookies of a browser in which this person is signed in."""
        said = {"person": person.id, "session": person.session, "began": int(time.time())}
        return {"tracker": self.datasette.sign(said, "tracker-session")}

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
def served(desk: Desk, *options: str, **environment: str) -> Iterator[str]:
    """``tracker serve`` in a process of its own; yields its address, and sees that it ends as it should."""
    port = free_port()
    server = desk.start("serve", "--port", str(port), *options, **environment)
    try:
        wait_for(lambda: server.poll() is not None or answers(port))
        assert server.poll() is None, server.communicate()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, ""), (out, err)


# -- people ----------------------------------------------------------------------------------------

PASSWORD = "three words do well"


def add_person(desk: Desk, name: str, role: str = "tagger", password: str = PASSWORD, **more: Any) -> Person:
    """Somebody who may sign in, with a hash that takes no time; ``more`` is for ``people.add``."""
    with closing(open_annotations(desk.annotations)) as db, acting(db, None, "a test") as act:
        return people.add(act, name, role, password_hash=hash_password(password, iterations=1), **more)


def add_token(desk: Desk, name: str, *scopes: str, days: int = 90) -> str:
    """A token of somebody's, as a program sends it: ``Authorization: Bearer TOKEN``."""
    with closing(open_annotations(desk.annotations)) as db, acting(db, None, "a test") as act:
        return people.make_token(act, people.named(db, name), "a test", scopes, days)


def signed_in(base_url: str, name: str, password: str = PASSWORD) -> httpx.Client:
    """A browser, as it were, in which this person has signed in by the form."""
    with httpx.Client(base_url=base_url, timeout=60) as client:
        client.get("/sign-in")
        answer = send(client, "/sign-in", name=name, password=password)
        assert answer.status_code == 303, answer.text
        return httpx.Client(base_url=base_url, cookies=client.cookies, timeout=60)


def send(client: httpx.Client, path: str, **fields: Any) -> httpx.Response:
    """Send a form with the token that our pages put into each; a page with a form must have been seen before."""
    return client.post(path, data={"csrftoken": client.cookies["ds_csrftoken"], **fields})


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        # A probe may get this very port for its own end, and then talks to itself.
        return probe.connect_ex(("127.0.0.1", port)) == 0 and probe.getsockname() != probe.getpeername()
