"""The refresh over real PubMed records: whatever a strategy matches is stored, whatever changes is noticed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.conftest import QUESTIONS, Desk, assert_same, check_whole, dump
from tests.eutils_server import StandIn

SHARED = Path(__file__).parents[2] / "shared" / "data"
DATA = [SHARED / name for name in ("ketamine.xml.gz", "pubmed_real.xml.gz", "edge")]

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data (real PubMed records) is not beside the checkout"
)


@pytest.fixture
def real() -> Iterator[StandIn]:
    with StandIn(DATA, rate=0) as service:
        yield service


@pytest.fixture
def desk(tmp_path: Path, real: StandIn) -> Desk:
    """After a first refresh."""
    desk = Desk(tmp_path, real.url)
    assert desk.run("refresh").code == 0
    return desk


def found(desk: Desk, service: StandIn) -> dict[str, set[int]]:
    """What PubMed finds today for each question."""
    questions = desk.run("questions", "--json").json
    return {row["slug"]: set(service.search(row["strategy"]).pmids) for row in questions}


def as_served(desk: Desk, service: StandIn) -> dict[int, bool]:
    """Of each stored record that PubMed still has, whether what is shown is what PubMed serves, byte by byte."""
    rows = desk.sql("select pmid, raw from record_state where gone is null and missing_since is null")
    return {pmid: sha256(service.bodies[pmid]).hexdigest() == raw for pmid, raw in rows}


def test_a_first_refresh_stores_every_record_that_a_strategy_matches(desk: Desk, real: StandIn) -> None:
    today = found(desk, real)
    assert today.keys() == set(QUESTIONS) and all(today.values())
    for question, pmids in today.items():
        assert desk.matching(question) == pmids
    assert desk.stored() == set().union(*today.values())
    assert all(as_served(desk, real).values())
    check_whole(desk.db)


def test_with_nothing_new_and_nothing_due_two_requests_a_question_are_enough(
    desk: Desk, real: StandIn
) -> None:
    before, sent = dump(desk.db), len(real.log)
    assert desk.run("refresh").code == 0
    assert len(real.log) - sent <= 2 * len(QUESTIONS)
    assert_same(desk.db, before)


def test_the_next_day_what_is_new_and_what_is_retracted_comes_in_at_once(desk: Desk, real: StandIn) -> None:
    old, sent = desk.stored(), len(real.log)
    overnight = real.next_day()
    done = desk.run("refresh", "--json")
    assert done.code == 0
    today = found(desk, real)
    for question, pmids in today.items():
        assert desk.matching(question) == pmids
    new = desk.stored() - old
    assert new & overnight.added
    assert len(real.log) - sent <= 2 * len(QUESTIONS) + math.ceil(len(new) / 200) + 2
    retracted = overnight.retracted & set().union(*today.values())
    assert retracted <= set(desk.column("select pmid from articles where retracted"))
    assert retracted <= set(desk.column("select pmid from changes where field = 'retracted'"))


def test_once_all_were_checked_everything_new_changed_and_withdrawn_is_stored_and_logged(
    desk: Desk, real: StandIn
) -> None:
    old = desk.stored()
    overnight = real.next_day()
    for _ in range(2):
        assert desk.run("refresh", "--full").code == 0
    changed, deleted = overnight.changed & old, overnight.deleted & old
    assert changed and deleted
    assert all(as_served(desk, real).values())
    assert set(desk.column("select pmid from changes where field <> 'record'")) == changed
    assert set(desk.column("select pmid from record_state where gone is not null")) == deleted
    assert desk.sql("select pmid, before, after from changes where field = 'record'") == [
        (pmid, "present", "gone") for pmid in deleted
    ]
    for flag, pmids in (("retracted", overnight.retracted), ("corrected", overnight.corrected)):
        assert pmids & old <= set(desk.column(f"select pmid from articles where {flag}"))
    check_whole(desk.db)
