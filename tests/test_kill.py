"""A refresh that is killed at any instant leaves both files whole, and the next one makes it good.

There are 12 instants; ``TRACKER_TEST_KILLS=50 pytest tests/test_kill.py`` tries as many as you like.
They are drawn from a fixed seed, one from each part of the duration of an undisturbed refresh.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import FIXTURES, Desk, asked_for, assert_same, check_whole, dump, finish, tiled, wait_for
from tests.eutils_server import StandIn

KILLS = int(os.environ.get("TRACKER_TEST_KILLS", "12"))
# Without the pace, or nearly all instants would fall into its pauses, where nothing happens.
HURRIED = """
from tracker.pubmed import pace
pace.MARGIN = 0.01
from tracker.cli import main
main()
"""
# Several batches, so that some are stored and others not yet.
COPIES = 8

Tables = dict[str, list[tuple[Any, ...]]]


class Course(NamedTuple):
    """An undisturbed refresh: from its first request it took ``seconds``; ``tables`` is what it left."""

    seconds: float
    tables: Tables


def first_day(desk: Desk, service: StandIn) -> tuple[str, ...]:
    warm(desk, service)
    return ()


def second_day(desk: Desk, service: StandIn) -> tuple[str, ...]:
    """Let the first day be over; what follows fetches everything again."""
    assert desk.run("refresh").code == 0
    desk.days_pass(1)
    service.next_day()
    warm(desk, service)
    return ("--full",)


def warm(desk: Desk, service: StandIn) -> None:
    """Let the server think beforehand: a refresh that waits for it is hardly worth killing."""
    for question in desk.run("questions", "--json").json:
        service.search(question["strategy"])


DAYS = {"a first refresh": first_day, "a full one on the next day": second_day}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [FIXTURES, tiled(tmp_path_factory.mktemp("data"), COPIES)]


@pytest.fixture
def crowded(data: list[Path]) -> Iterator[StandIn]:
    with StandIn(data, rate=0) as service:
        yield service


@pytest.fixture(scope="module")
def undisturbed(data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Course]:
    courses = {}
    for name, prepare in DAYS.items():
        with StandIn(data, rate=0) as service:
            desk = Desk(tmp_path_factory.mktemp("undisturbed"), service.url)
            options = prepare(desk, service)
            started = len(service.log)
            assert finish(desk.start_python("-c", HURRIED, "refresh", *options)).code == 0
            seconds = time.monotonic() - service.log[started].time
            # Once more, as after a kill: what was deleted is gone when two runs have missed it.
            assert desk.run("refresh", *options).code == 0
            courses[name] = Course(seconds, dump(desk.db))
    return courses


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_at_any_instant_is_made_good_by_the_next_refresh(
    tmp_path: Path, crowded: StandIn, undisturbed: dict[str, Course], number: int
) -> None:
    name = list(DAYS)[number % len(DAYS)]
    desk = Desk(tmp_path, crowded.url)
    written = desk.annotate()
    options = DAYS[name](desk, crowded)
    instant = undisturbed[name].seconds * (number + random.Random(number).random()) / KILLS

    kill_after(instant, desk, crowded, options)
    stored = set[int]()
    if desk.db.exists():
        check_whole(desk.db)
        stored = desk.stored()

    before = len(crowded.log)
    # Twice on the second day, for what was deleted: the killed run may have missed it, or not.
    for _ in range(2):
        assert desk.run("refresh", *options).code == 0
    if not options:
        assert stored.isdisjoint(asked_for(crowded, before)), "fetched again although it was stored"
    check_whole(desk.db)
    assert_same(desk.db, undisturbed[name].tables)
    assert desk.annotations.read_bytes() == written


def kill_after(seconds: float, desk: Desk, service: StandIn, options: tuple[str, ...]) -> None:
    """Start a refresh and kill it (SIGKILL) so long after its first request."""
    sent = len(service.log)
    process = desk.start_python("-c", HURRIED, "refresh", *options)
    wait_for(lambda: len(service.log) > sent)
    time.sleep(max(0.0, service.log[sent].time + seconds - time.monotonic()))
    process.kill()
    finish(process)
