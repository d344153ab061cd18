"""How long a page takes: asked for again and again, by one client or by several at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.percentiles import nearest_rank
from benchmarks.site.client import ANSWERED, Answer, Client
from benchmarks.site.servers import Server


class Timing(NamedTuple):
    """p50 and p95 in milliseconds of ``n`` answers, and the server's processor time for each.

    With another status than 200 there are none.
    """

    status: int
    n: int = 0
    p50: float = 0.0
    p95: float = 0.0
    first_p50: float = 0.0
    first_p95: float = 0.0
    cpu: float = 0.0
    bytes: int = 0

    @property
    def answered(self) -> bool:
        return self.status in ANSWERED

    def to_first_byte(self) -> Timing:
        return self._replace(p50=self.first_p50, p95=self.first_p95)


class Effort(NamedTuple):
    """How often a page is asked for, at most, and for how many seconds."""

    warm: int
    requests: int
    seconds: float

    def shared_by(self, clients: int) -> Effort:
        """Several clients ask at least ten times each."""
        return self if clients == 1 else self._replace(requests=max(self.requests, clients * 10))


def measure(server: Server, path: str, clients: int, effort: Effort) -> Timing:
    """One page, asked for by so many clients at once, each as soon as it has its last answer."""
    connections = [Client(server.port) for _ in range(clients)]
    try:
        return _hopeless(server, path, connections[0], effort) or _at_once(server, path, connections, effort)
    finally:
        for connection in connections:
            connection.close()
        server.rest()


def _hopeless(server: Server, path: str, client: Client, effort: Effort) -> Timing | None:
    """While warming up: what fails, or takes all the time that there is, is not asked for again and again."""
    worked = server.worked()
    for _ in range(effort.warm):
        answer = client.get(path)
        if answer.status not in ANSWERED or answer.total > effort.seconds * 1000:
            return _timing([answer], server.worked() - worked)
    return None


def _at_once(server: Server, path: str, connections: Sequence[Client], effort: Effort) -> Timing:
    found: list[Answer] = []
    asked = itertools.count()  # one count for all: the requests are shared
    threads = [
        threading.Thread(target=lambda c=c: found.extend(_asked(c, path, effort, asked)), daemon=True)
        for c in connections
    ]
    worked = server.worked()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _timing(found, (server.worked() - worked) / max(1, len(found)))


def _asked(client: Client, path: str, effort: Effort, asked: Iterator[int]) -> Iterator[Answer]:
    end = time.perf_counter() + effort.seconds
    while next(asked) < effort.requests and time.perf_counter() < end:
        yield client.get(path)


def _timing(answers: Sequence[Answer], cpu: float) -> Timing:
    wrong = [answer.status for answer in answers if answer.status not in ANSWERED]
    if wrong or not answers:
        return Timing(wrong[0] if wrong else 0, len(answers))
    totals, firsts = sorted(answer.total for answer in answers), sorted(answer.first for answer in answers)
    return Timing(
        status=answers[0].status,
        n=len(answers),
        p50=nearest_rank(totals, 50),
        p95=nearest_rank(totals, 95),
        first_p50=nearest_rank(firsts, 50),
        first_p95=nearest_rank(firsts, 95),
        cpu=cpu,
        bytes=len(answers[0].body),
    )
