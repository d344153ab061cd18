"""A clock that was once ahead, and went back: it is noticed, told and put right, and nobody waits months for it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, Desk
from tests.eutils_server import StandIn
from tests.helpers_site import Site, add_person, send, served, signed_in
from tracker.evidence.wrongclock import NOTED

# Of each of these a part may lie ahead.
TIMES = (*NOTED, ("questions", "complete_to"), ("record_state", "checked"), ("record_state", "next_check"))


@pytest.fixture(scope="module")
def pubmed() -> StandIn:
    with StandIn(FIXTURES, rate=0) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, pubmed: StandIn) -> Desk:
    desk = Desk(tmp_path, pubmed.url)
    assert desk.run("refresh").code == 0
    return desk


def put_ahead(desk: Desk, days: int = 250, from_run: int = 1) -> None:
    """Make it so as if the clock had been that many days ahead from this run on."""
    with closing(sqlite3.connect(desk.db)) as db, db:
        (since,) = db.execute("select started from runs where id = ?", (from_run,)).fetchone()
        for table, column in TIMES:
            db.execute(
                f"update {table} set {column} = strftime('%Y-%m-%dT%H:%M:%SZ', {column}, ?) where {column} >= ?",
                (f"{days:+} days", since),
            )


def ahead(desk: Desk) -> set[tuple[str, str]]:
    """The columns that hold a time yet to come, whichever they are."""
    now = f"{datetime.now(UTC) + timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"
    with closing(sqlite3.connect(desk.db)) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        columns = [(table, row[1]) for table in tables for row in db.execute(f"pragma table_info({table})")]
        return {
            (table, column)
            for table, column in columns
            if column != "next_check"
            and db.execute(
                f"select 1 from {table} where {column} glob '2[0-9][0-9][0-9]-*T*Z' and {column} > ? limit 1",
                (now,),
            ).fetchone()
        }


def complete_to(desk: Desk) -> dict[str, str | None]:
    return dict(desk.sql("select slug, complete_to from questions"))


def test_status_tells_of_it_and_takes_no_such_day_for_fresh(desk: Desk) -> None:
    put_ahead(desk)
    done = desk.run("status")
    assert done.code == 3
    assert "in the future: a clock was wrong" in done.out
    assert "Stale or incomplete: cognition, tolerance, cystitis, psychotherapy." in done.err


def test_pages_and_exports_tell_of_it(desk: Desk) -> None:
    put_ahead(desk)
    site = Site(desk)
    for path in ("/", "/questions/cystitis", "/methods"):
        assert "a time in the future" in site.page(path), path


@pytest.mark.parametrize("command", ["refresh", "load"])
def test_the_next_job_puts_it_right_and_says_so(desk: Desk, command: str) -> None:
    put_ahead(desk)
    assert ahead(desk)
    done = desk.run(command, *([str(FIXTURES / "pubmed" / "season.xml")] if command == "load" else []))
    assert done.code == 0, done.err
    assert "This machine's clock was wrong: times up to" in done.err
    assert ahead(desk) == set()


def test_every_record_is_checked_again_and_then_no_more(desk: Desk) -> None:
    put_ahead(desk)
    stored = {row["question"]: row["matching"] for row in desk.run("status", "--json").json["questions"]}
    first, second = desk.run("refresh", "--json"), desk.run("refresh", "--json")
    assert {row["question"]: row["fetched"] for row in first.json["questions"]} == stored
    assert {row["fetched"] for row in second.json["questions"]} == {0}
    assert "clock was wrong" not in second.err


def test_a_question_is_complete_to_its_last_search_of_before(desk: Desk) -> None:
    # The first refresh was yesterday, so that no time of its own is one of the second's.
    put_ahead(desk, days=-1)
    known = complete_to(desk)
    assert desk.run("refresh").code == 0
    put_ahead(desk, from_run=2)
    assert desk.run("load", str(FIXTURES / "pubmed" / "season.xml")).code == 0
    assert complete_to(desk) == known


def test_a_question_that_was_only_ever_searched_by_a_wrong_clock_is_complete_to_no_day(desk: Desk) -> None:
    put_ahead(desk)
    assert desk.run("load", str(FIXTURES / "pubmed" / "season.xml")).code == 0
    assert set(complete_to(desk).values()) == {None}


def test_where_the_clock_of_now_is_wrong_nothing_is_touched(desk: Desk) -> None:
    put_ahead(desk)
    with closing(sqlite3.connect(desk.db)) as db, db:
        db.execute(
            "update articles set created = date('now', '+250 days') where pmid = (select max(pmid) from articles)"
        )
    before = ahead(desk)
    done = desk.run("load", str(FIXTURES / "pubmed" / "season.xml"))
    assert "Set the clock" in done.err
    assert ahead(desk) >= before


def test_a_backup_named_after_a_time_to_come_is_neither_the_latest_nor_deleted(desk: Desk) -> None:
    assert desk.run("backup").code == 0
    folder = desk.db.parent / "backups"
    (made,) = folder.glob("evidence-tracker-*")
    future = f"{datetime.now(UTC) + timedelta(days=250):%Y-%m-%dT%H:%M:%SZ}"
    manifest = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps(manifest | {"moment": future}))
    wrong = made.rename(made.with_name(f"evidence-tracker-{future.replace('-', '').replace(':', '')}"))
    done = desk.run("backup", "--keep", "1")
    assert done.code == 3
    assert f"{wrong.name}: its time is in the future" in done.err
    assert wrong.is_dir()
    restored = desk.run("restore", "latest", "--yes", "--json")
    assert wrong.name not in restored.out


def test_nobody_is_locked_out_until_a_time_to_come(desk: Desk) -> None:
    add_person(desk, "ada")
    with served(desk) as address:
        with pytest.raises(AssertionError):
            signed_in(address, "ada", "wrong")
        with closing(sqlite3.connect(desk.annotations)) as db, db:
            db.execute("update sign_in_failures set failed = '2099-01-01T00:00:00Z'")
            db.execute(
                "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200) "
                "insert into sign_in_failures (name, address, failed) select f.name, f.address, f.failed "
                "from sign_in_failures f, n"
            )
        with signed_in(address, "ada") as client:
            assert send(client, "/sign-out").status_code == 303
