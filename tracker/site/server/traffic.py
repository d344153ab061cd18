"""How many requests were answered and how long that took, by family of addresses; nothing about who asked for what.

It is counted in the memory of this process, and begins at nothing when that starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

if TYPE_CHECKING:
    from datasette.app import Datasette

# In seconds: most pages take 5 to 50 ms, readers' SQL at most 1 s, a large file longer.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
# Anybody may send any other word as a method.
METHODS = frozenset(("GET", "HEAD", "POST"))

disable_created_metrics()  # type: ignore[no-untyped-call]


class Traffic:
    """What was counted, as a registry of prometheus_client."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "tracker_http_requests",
            "Requests that were answered, by family of addresses, method and class of status.",
            ("family", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "tracker_http_request_duration_seconds",
            "Time from a request to the last byte of its answer.",
            ("family",),
            buckets=BUCKETS,
            registry=self.registry,
        )

    def count(self, family: str, method: str, status: int, seconds: float) -> None:
        known = method if method in METHODS else "other"
        self._requests.labels(family, known, f"{status // 100}xx").inc()
        self._seconds.labels(family).observe(seconds)


def of(datasette: Datasette) -> Traffic:
    """What this Datasette has counted; it makes its application anew for each request of its own."""
    known: Traffic | None = getattr(datasette, "traffic", None)
    if known is None:
        known = datasette.traffic = Traffic()
    return known


def counted(app: Any, traffic: Traffic, family_of: Callable[[str], str]) -> Any:
    """The ASGI application with every request counted; ``family_of`` names the family of a path."""

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        # What no answer was begun for has failed.
        status, began = 500, time.monotonic()

        async def noticed(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await app(scope, receive, noticed)
        finally:
            traffic.count(family_of(scope["path"]), scope["method"], status, time.monotonic() - began)

    return answer
