"""Whatever PubMed does, a refresh ends complete or says what is missing, and the next one makes it good."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import FIXTURES, QUESTIONS, Desk, Result, assert_same, check_whole, dump, expected
from tests.eutils_server import StandIn
from tracker.pubmed.transport import Backoff
from tracker.questions import load_questions
from tracker.settings import Settings

FAULTS = (
    "429",
    "429-retry-after",
    "500",
    "502",
    "503",
    "html",
    "error-in-200",
    "gateway-in-200",
    "empty",
    "reset",
    "hang",
    "drip",
    "short",
    "short-right-length",
    "broken-xml",
    "half-missing",
    "control-character",
    "bad-record:90000301",
)
# Which requests a fault strikes.
TWICE: dict[str, dict[str, Any]] = {
    "the first two requests": {"first": 2},
    "the first two fetches": {"first": 2, "only": "efetch"},
}
EVERY_SECOND = {"every": 2}
ALWAYS: dict[str, dict[str, Any]] = {
    "every request": {},
    "every fetch": {"only": "efetch"},
}
# Where two of these in a row are enough for a question to stay incomplete until the next run.
STUBBORN = ("drip", "broken-xml", "control-character", "half-missing", "bad-record:90000301")

Tables = dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Tables]:
    """The database after a refresh on the first day, and after full ones on the second."""
    with StandIn(FIXTURES, rate=0) as service:
        desk = Desk(tmp_path_factory.mktemp("undisturbed"), service.url)
        assert desk.run("refresh").code == 0
        first = dump(desk.db)
        desk.days_pass(1)
        service.next_day()
        # Twice, so that what was deleted is confirmed to be gone.
        for _ in range(2):
            assert desk.run("refresh", "--full").code == 0
        return {1: first, 2: dump(desk.db)}


def refresh(desk: Desk, fault: str, *options: str) -> Result:
    """A refresh under this fault: a time-out as short as one that is to strike can be."""
    slow = fault in ("hang", "drip")
    return desk.run("refresh", "--json", *options, TRACKER_TIMEOUT="1.5" if slow else "10")


def check_honest(desk: Desk, done: Result, day: int = 1) -> None:
    """Complete where it says so; elsewhere the reason is given, and the watermark has not moved."""
    check_whole(desk.db)
    rows = {row["question"]: row for row in done.json["questions"]}
    assert rows.keys() == set(QUESTIONS)
    assert done.code == (0 if all(row["complete"] for row in rows.values()) else 3)
    assert done.json["outcome"] == ("complete" if done.code == 0 else "incomplete")
    for question, row in rows.items():
        since, reason = desk.sql(
            "select incomplete_since, incomplete_reason from questions where slug = ?", question
        )[0]
        if row["complete"]:
            assert desk.matching(question) == expected(question, day)
            assert (since, reason) == (None, None)
        else:
            assert row["reasons"] and since and reason == "; ".join(row["reasons"])
            assert question in done.err.splitlines()[-1]
    log = desk.sql("select outcome, reason from runs order by id desc limit 1")
    assert log == [(done.json["outcome"], done.json["reason"])]


def unmoved(desk: Desk, done: Result, before: dict[str, Any]) -> bool:
    """Whether every question that is not complete is complete to the day that it was complete to before."""
    now = watermarks(desk)
    return all(
        now[row["question"]] == before.get(row["question"])
        for row in done.json["questions"]
        if not row["complete"]
    )


def watermarks(desk: Desk) -> dict[str, Any]:
    return dict(desk.sql("select slug, complete_to from questions"))


@pytest.mark.parametrize("pattern", TWICE)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in STUBBORN])
def test_a_fault_that_strikes_twice_costs_nothing_but_time(
    desk: Desk, pubmed: StandIn, undisturbed: dict[int, Tables], fault: str, pattern: str
) -> None:
    pubmed.faults.add(fault, **TWICE[pattern])
    assert refresh(desk, fault).code == 0
    assert_same(desk.db, undisturbed[1])


@pytest.mark.parametrize("pattern", TWICE)
@pytest.mark.parametrize("fault", STUBBORN)
def test_a_fault_that_strikes_twice_ends_complete_or_honest_and_is_made_good(
    desk: Desk, pubmed: StandIn, undisturbed: dict[int, Tables], fault: str, pattern: str
) -> None:
    pubmed.faults.add(fault, **TWICE[pattern])
    done = refresh(desk, fault)
    check_honest(desk, done)
    assert unmoved(desk, done, {})
    assert desk.run("refresh").code == 0
    assert_same(desk.db, undisturbed[1])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_every_second_request_ends_complete_or_honest_and_is_made_good(
    desk: Desk, pubmed: StandIn, undisturbed: dict[int, Tables], fault: str
) -> None:
    pubmed.faults.add(fault, **EVERY_SECOND)
    done = refresh(desk, fault)
    check_honest(desk, done)
    assert unmoved(desk, done, {})
    pubmed.faults.clear()
    assert desk.run("refresh").code == 0
    assert_same(desk.db, undisturbed[1])


@pytest.mark.parametrize("fault", FAULTS)
def test_the_same_on_the_next_day(
    desk: Desk, pubmed: StandIn, undisturbed: dict[int, Tables], fault: str
) -> None:
    assert desk.run("refresh").code == 0
    desk.days_pass(1)
    pubmed.next_day()
    before = watermarks(desk)
    pubmed.faults.add(fault, **EVERY_SECOND)
    done = refresh(desk, fault, "--full")
    check_honest(desk, done, day=2)
    assert unmoved(desk, done, before)
    pubmed.faults.clear()
    for _ in range(2):
        assert desk.run("refresh", "--full").code == 0
    assert_same(desk.db, undisturbed[2])


@pytest.mark.parametrize("pattern", ALWAYS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_without_end_is_admitted_and_made_good(
    desk: Desk, pubmed: StandIn, undisturbed: dict[int, Tables], fault: str, pattern: str
) -> None:
    pubmed.faults.add(fault, **ALWAYS[pattern])
    done = refresh(desk, fault)
    assert done.code == 3
    check_honest(desk, done)
    assert unmoved(desk, done, {})
    pubmed.faults.clear()
    assert desk.run("refresh").code == 0
    assert_same(desk.db, undisturbed[1])


def test_one_bad_record_is_set_aside_and_named_and_the_others_are_stored(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("bad-record:90000301")
    done = desk.run("refresh", "--json")
    assert done.code == 3
    assert "PMID 90000301 cannot be read" in done.question("cystitis")["reasons"][0]
    assert desk.matching("cystitis") == expected("cystitis") - {90000301}
    assert {row["question"] for row in done.json["questions"] if row["complete"]} == set(QUESTIONS) - {
        "cystitis"
    }
    assert desk.column("select refused like '%90000301%' from fetches") == [1]


def test_an_outage_of_pubmed_stops_the_run_instead_of_trying_every_batch(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("503")
    assert desk.run("refresh").code == 3
    assert len(pubmed.log) == len(QUESTIONS) * Backoff().tries


def test_two_requests_that_hang_delay_a_run_by_two_time_outs_and_their_pauses(
    desk: Desk, pubmed: StandIn
) -> None:
    pubmed.faults.add("hang", first=2)
    assert refresh(desk, "hang").code == 0
    # Each line is counted once, as the version is new.
    lines = {line.query for question in load_questions(desk.queries) for line in question.search}
    assert len(pubmed.log) == len(QUESTIONS) + len(lines) + 1 + 2
    # The settings that staff have: under the three minutes that were promised.
    assert 2 * (Settings().timeout + Backoff().most + Backoff().first) < 180


def test_a_server_that_hangs_for_ever_is_given_up(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("hang")
    done = refresh(desk, "hang")
    assert done.code == 3
    assert len(pubmed.log) <= len(QUESTIONS) * Backoff().tries
    assert "no answer within 1.5 s" in done.json["reason"]


def test_nothing_that_was_fetched_before_a_failure_is_fetched_again(desk: Desk, pubmed: StandIn) -> None:
    """Half of the questions come in; only what the others need is asked for later."""
    pubmed.faults.add("503", after=2)
    assert desk.run("refresh").code == 3
    pubmed.faults.clear()
    assert desk.run("refresh", "cognition").code == 0
    here, sent = desk.stored(), len(pubmed.log)
    assert desk.run("refresh").code == 0
    fetches = [request.params["id"] for request in pubmed.log[sent:] if request.endpoint == "efetch"]
    assert here and here.isdisjoint(int(pmid) for ids in fetches for pmid in ids.split(","))
