"""What programs ask that look after the site: is it well, and in numbers."""

from __future__ import annotations

import math
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric

from tracker import __version__
from tracker.evidence import runs
from tracker.evidence.status import MAX_AGE, Pulse, due, pulse
from tracker.site.server import access, traffic
from tracker.site.server.compat import Request, Response
from tracker.site.server.reader import read
from tracker.site.server.security import SITE

if TYPE_CHECKING:
    from datasette.app import Datasette

NO_STORE = {"Cache-Control": "no-store"}
OUTCOMES = (runs.RUNNING, runs.COMPLETE, runs.INCOMPLETE, runs.FAILED)


async def health(request: Request, datasette: Datasette) -> Response:
    """200 if the site can answer from data that are no older than promised, else 503, and why. It names no question.

    A copy that nothing writes to is of its day, so its age is no problem of its own. A closed site tells strangers the
    status alone.
    """
    beat = await _read(datasette, pulse)
    is_copy = not datasette.get_database(SITE).is_mutable
    problems = list(_problems(beat, is_copy=is_copy))
    told: dict[str, Any] = {"status": "failing" if problems else "ok"}
    if not access.is_closed(datasette) or access.viewer(request) is not None:
        told |= {"problems": problems, "version": __version__, **(_summary(beat) if beat else {})}
    return Response.json(told, status=503 if problems else 200, headers=NO_STORE)


def _problems(beat: Pulse | None, *, is_copy: bool) -> Iterator[str]:
    if beat is None:
        yield "The database cannot be read."
    elif is_copy:
        return
    elif not any(beat.complete_to.values()):
        yield "Nothing has been refreshed yet."
    elif beat.stale:
        yield f"{len(beat.stale)} of {len(beat.complete_to)} questions were not complete for {MAX_AGE} days."


def _summary(beat: Pulse) -> dict[str, Any]:
    refresh = beat.last_refresh
    return {
        "questions": len(beat.complete_to),
        "incomplete": len(beat.incomplete),
        "complete_to": min((moment or "" for moment in beat.complete_to.values()), default="") or None,
        "last_refresh": refresh and {"started": refresh.started, "outcome": refresh.outcome},
    }


async def metrics(request: Request, datasette: Datasette) -> Response:
    """The same in numbers, and the requests of this process, in the text format of Prometheus."""
    beat = await _read(datasette, pulse)
    of_data = CollectorRegistry()
    of_data.register(_Gauges(datasette, beat, await _read(datasette, due)))
    text = generate_latest(of_data) + generate_latest(traffic.of(datasette).registry)
    return Response(text.decode(), headers=NO_STORE, content_type=CONTENT_TYPE_LATEST)


class _Gauges:
    """What is read from the database when somebody asks; without it, only that it cannot be read."""

    def __init__(self, datasette: Datasette, beat: Pulse | None, due: int | None) -> None:
        self._folder = Path(datasette.get_database(SITE).path).parent
        self._beat, self._due = beat, due

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("tracker", "The version that serves.", value={"version": __version__})
        yield _gauge("database_readable", "1 if evidence.db can be read.", int(self._beat is not None))
        yield _gauge(
            "disk_free_bytes", "Free on the disk of the databases.", shutil.disk_usage(self._folder).free
        )
        if self._due is not None:
            yield _gauge("records_due", "Stored records that the next refresh asks for again.", self._due)
        if self._beat:
            yield from _of_questions(self._beat)
        if self._beat and self._beat.last_refresh:
            yield from _of_refresh(self._beat.last_refresh)


def _of_questions(beat: Pulse) -> Iterator[Metric]:
    now = datetime.now(UTC)
    age = _gauge("question_complete_to_age_seconds", "Since a question was complete; +Inf if it never was.")
    incomplete = _gauge("question_incomplete", "1 if the last refresh left the question incomplete.")
    for question, moment in beat.complete_to.items():
        seconds = (now - datetime.fromisoformat(moment)).total_seconds() if moment else math.inf
        age.add_metric([question], seconds)
        incomplete.add_metric([question], int(question in beat.incomplete))
    yield from (age, incomplete)


def _of_refresh(refresh: runs.LastRun) -> Iterator[Metric]:
    outcomes = _gauge("last_refresh_outcome", "1 for how the last refresh ended.", label="outcome")
    for outcome in OUTCOMES:
        outcomes.add_metric([outcome], int(outcome == refresh.outcome))
    yield outcomes
    started = datetime.fromisoformat(refresh.started).timestamp()
    yield _gauge("last_refresh_start_timestamp_seconds", "When the last refresh began.", started)


def _gauge(name: str, about: str, value: float | None = None, label: str = "question") -> GaugeMetricFamily:
    """A gauge with its one value, or one that gets a value for each ``label``."""
    labels = [label] if value is None else None
    return GaugeMetricFamily(f"tracker_{name}", about, value=value, labels=labels)


async def _read(datasette: Datasette, query: Any) -> Any:
    """What the query reads; None if the database cannot be read, or its file is gone."""
    if not Path(datasette.get_database(SITE).path).is_file():
        return None
    try:
        return await read(datasette, query)
    except sqlite3.Error:
        return None
