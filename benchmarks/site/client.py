"""One client of a server: it asks for a page, and says how long the answer took."""

from __future__ import annotations

import gzip
import http.client
import time
from typing import NamedTuple

from benchmarks.processes import HOST

ANSWERED = (200, 304)


class Answer(NamedTuple):
    """Milliseconds to the first byte and to the last; ``status`` is 0 where there was no answer in time."""

    status: int
    first: float
    total: float
    body: bytes = b""


class Client:
    """One connection, kept alive."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=timeout)

    def get(self, path: str) -> Answer:
        started = time.perf_counter()
        try:
            self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = self._connection.getresponse()
            head = answer.read(1)
            first = time.perf_counter()
            body = head + answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            took = (time.perf_counter() - started) * 1000
            return Answer(0, took, took)
        ended = time.perf_counter()
        return Answer(answer.status, (first - started) * 1000, (ended - started) * 1000, body)

    def page(self, path: str) -> str:
        body = self.get(path).body
        return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode("utf-8", "replace")

    def close(self) -> None:
        self._connection.close()
