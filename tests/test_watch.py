"""What somebody who looks after an installation is told: how it stands in one sentence, what is wrong, what to do."""

from __future__ import annotations

import signal

from tests.conftest import QUESTIONS, Desk, finish, wait_for
from tests.eutils_server import StandIn

ALL = f"{len(QUESTIONS)} of {len(QUESTIONS)} questions complete"


def first_line(desk: Desk) -> str:
    return desk.run("status").out.splitlines()[0]


# -- the sentence ----------------------------------------------------------------------------------


def test_status_begins_with_how_the_night_went(desk: Desk, pubmed: StandIn) -> None:
    assert desk.run("refresh").code == 0
    assert first_line(desk) == f"{ALL}. No backup has been made: run 'tracker backup'."
    elsewhere = desk.home / "other disk"
    elsewhere.mkdir()
    assert desk.run("backup", str(elsewhere)).code == 0
    assert first_line(desk) == f"Last night went well: {ALL}, backup made."
    found = desk.run("status", "--json").json
    assert found["sentence"] == first_line(desk) and found["well"] is True
    assert found["last_backup"]["folder"].startswith(str(elsewhere))
    desk.days_pass(3)
    desk.change("update runs set started = strftime('%Y-%m-%dT%H:%M:%SZ', started, '-3 days')")
    assert first_line(desk).startswith("The refresh of ") and f" went well: {ALL}." in first_line(desk)


def test_a_failure_says_what_to_do_and_fits_80_columns(desk: Desk, pubmed: StandIn) -> None:
    assert desk.run("refresh").code == 0
    pubmed.faults.add("503")
    assert desk.run("refresh").code == 3
    done = desk.run("status")
    assert done.code == 3
    told = " ".join(done.err.split())
    assert (
        f"{len(QUESTIONS)} of {len(QUESTIONS)} questions are stale or incomplete. Run it again to continue."
        in told
    )
    assert "cystitis: PubMed" in told and "HTTP 503" in told
    assert max(map(len, done.err.splitlines())) <= 80
    assert max(len(line.rstrip(" ─")) for line in done.out.splitlines()) <= 80


def test_a_killed_refresh_is_told_from_one_at_work(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("hang", only="efetch")
    process = desk.start("refresh")
    wait_for(lambda: any(request.endpoint == "efetch" for request in pubmed.log))
    assert first_line(desk).startswith("A refresh is at work since")
    assert desk.run("status", "--json").json["runs"][0]["outcome"] == "running"
    process.send_signal(signal.SIGKILL)
    finish(process)
    done = desk.run("status", "--json")
    assert done.code == 3
    assert (done.json["runs"][0]["outcome"], done.json["runs"][0]["reason"]) == (
        "failed",
        "stopped before its end",
    )
    assert "stopped before its end. Run 'tracker refresh' to continue." in " ".join(done.err.split())
    # Looking changes nothing.
    assert desk.column("select outcome from runs") == ["running"]


def test_seeds_are_told_with_the_searches_and_do_not_make_a_night_a_bad_one(desk: Desk) -> None:
    assert desk.run("refresh").code == 0
    plain, searches = desk.run("status"), desk.run("status", "--searches")
    assert plain.code == searches.code == 0
    assert "seed papers not found" in searches.out
    assert "seed" not in plain.out + plain.err
