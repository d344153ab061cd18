"""What somebody who looks after an installation is told: how it stands in one sentence, what is wrong, what to do."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import QUESTIONS, Desk, finish, wait_for
from tests.eutils_server import StandIn
from tests.helpers_site import add_person, add_token, answers, free_port, served

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
    nightly, by_hand = desk.run("refresh"), desk.run("refresh", "cystitis")
    plain, searches = desk.run("status"), desk.run("status", "--searches")
    assert {done.code for done in (nightly, by_hand, plain, searches)} == {0}
    assert "seed papers not found" in searches.out and "seed papers not found" in by_hand.err
    assert "seed" not in plain.out + plain.err + nightly.out + nightly.err


def test_what_failed_for_several_questions_is_said_once(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("503")
    *_, last = desk.run("refresh").err.splitlines()
    assert last.startswith(f"Incomplete: {', '.join(QUESTIONS)}: PubMed") and last.count("HTTP 503") == 1


# -- the doctor ------------------------------------------------------------------------------------


def wrong(desk: Desk, *arguments: str) -> dict[str, str]:
    """What the doctor finds wrong, by check, in the words for people."""
    done = desk.run("doctor", "--json", *arguments)
    found = {row["check"]: f"{row['found']} {row['remedy']}" for row in done.json if not row["well"]}
    assert done.code == (3 if found else 0)
    return found


@pytest.fixture
def healthy(desk: Desk) -> Desk:
    assert desk.run("refresh").code == 0
    desk.annotate()
    desk.annotations.chmod(0o600)
    assert desk.run("backup").code == 0
    return desk


def test_the_doctor_finds_nothing_where_all_is_well(healthy: Desk) -> None:
    done = healthy.run("doctor")
    assert (done.code, done.err) == (0, ""), done.out
    assert "PubMed answers" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_the_doctor_explains_what_it_does_not_mend(healthy: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("503")
    with sqlite3.connect(healthy.annotations) as db:
        db.execute("update taggings set pmid = 12345")
    db.close()
    shutil.rmtree(next((healthy.db.parent / "backups").glob("evidence-*")))
    found = wrong(healthy, "--fix")
    assert found.keys() == {"annotations", "backup", "PubMed"}
    assert "12345" in found["annotations"] and "'tracker refresh'" in found["annotations"]
    assert "is not there" in found["backup"]
    assert "HTTP 503" in found["PubMed"]
    assert "PubMed" not in wrong(healthy, "--offline")
    assert "TRACKER_EMAIL is not set" in healthy.run("doctor", "--offline", TRACKER_EMAIL="").err


def test_the_doctor_mends_only_when_told_and_says_what_it_did(healthy: Desk) -> None:
    secret, part = healthy.db.parent / ".secret", healthy.db.parent / ".restore.part"
    secret.write_text("x")
    secret.chmod(0o644)
    part.mkdir()
    killed = healthy.db.parent / "backups" / ".evidence-tracker-20260101T000000Z.part"
    killed.mkdir()
    healthy.change("update questions set complete_to = '2999-01-01T00:00:00Z' where slug = 'cystitis'")
    told = wrong(healthy)
    assert {"permissions", "leftovers", "clock"} <= told.keys()
    assert secret.stat().st_mode & 0o077 and part.exists() and killed.exists()
    done = healthy.run("doctor", "--fix")
    assert "mended   permissions: " in done.out and "mended   leftovers: " in done.out
    assert "This machine's clock was wrong" in " ".join(done.out.split())
    assert not secret.stat().st_mode & 0o077 and not part.exists() and not killed.exists()
    assert wrong(healthy) == {}


def test_others_may_read_an_address_and_no_key(healthy: Desk) -> None:
    dotenv = healthy.home / ".env"
    dotenv.write_text("TRACKER_EMAIL=somebody@example.org\n")
    dotenv.chmod(0o644)
    assert wrong(healthy) == {}
    dotenv.write_text("NCBI_API_KEY=secret\n")
    assert ".env" in wrong(healthy)["permissions"]


def test_the_doctor_survives_a_database_that_is_damaged(healthy: Desk) -> None:
    size = healthy.db.stat().st_size
    with healthy.db.open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\xff" * (size // 3))
    found = wrong(healthy, "--offline")
    assert "tracker restore latest" in found["integrity"] or "damaged" in found["integrity"]
    healthy.db.write_bytes(b"no database at all")
    assert "not a SQLite database" in wrong(healthy, "--offline")["schema"]


# -- what programs ask -----------------------------------------------------------------------------


def numbers(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """The samples of a text of Prometheus by name, and then by the values of their labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_a_monitor_learns_whether_the_site_is_well(healthy: Desk) -> None:
    with served(healthy) as url:
        answer = httpx.get(f"{url}/-/health")
        told = answer.json()
        assert (answer.status_code, told["status"], told["problems"]) == (200, "ok", [])
        assert (told["questions"], told["incomplete"]) == (len(QUESTIONS), 0)
        assert told["last_refresh"]["outcome"] == "complete"
        assert answer.headers["cache-control"] == "no-store"
        assert not any(question in answer.text for question in QUESTIONS)
        healthy.days_pass(10)
        answer = httpx.get(f"{url}/-/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "failing")
        assert "4 of 4 questions" in answer.json()["problems"][0]
        healthy.db.rename(healthy.db.with_name("gone.db"))
        assert httpx.get(f"{url}/-/health").json()["problems"] == ["The database cannot be read."]
        assert numbers(httpx.get(f"{url}/-/metrics").text)["tracker_database_readable"] == {(): 0}


def test_a_night_that_failed_does_not_make_the_site_ill(healthy: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("503")
    assert healthy.run("refresh").code == 3
    with served(healthy) as url:
        answer = httpx.get(f"{url}/-/health")
        assert (answer.status_code, answer.json()["incomplete"]) == (200, len(QUESTIONS))
        found = numbers(httpx.get(f"{url}/-/metrics").text)
    assert found["tracker_last_refresh_outcome"][("incomplete",)] == 1
    assert set(found["tracker_question_incomplete"].values()) == {1}


def test_metrics_are_numbers_about_questions_and_requests_and_reveal_no_reader(healthy: Desk) -> None:
    healthy.change("update questions set complete_to = null where slug = 'cystitis'")
    healthy.change("update record_state set next_check = '2020-01-01T00:00:00Z' where pmid = 90000301")
    with served(healthy) as url:
        for path in (
            "/",
            "/search?q=secretword",
            "/questions/cystitis",
            "/secretplace",
            "/evidence/articles.json",
        ):
            httpx.get(f"{url}{path}")
        httpx.request("SECRETVERB", f"{url}/")
        answer = httpx.get(f"{url}/-/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "secret" not in answer.text.lower()
    assert "127.0.0.1" not in answer.text
    found = numbers(answer.text)
    ages = {question: age for (question,), age in found["tracker_question_complete_to_age_seconds"].items()}
    assert ages.pop("cystitis") == float("inf")
    assert ages.keys() == set(QUESTIONS) - {"cystitis"}
    assert all(0 <= age < 3600 for age in ages.values())
    assert found["tracker_records_due"] == {(): 1}
    assert found["tracker_disk_free_bytes"][()] > 0
    assert found["tracker_database_readable"] == {(): 1}
    outcomes = {outcome: value for (outcome,), value in found["tracker_last_refresh_outcome"].items()}
    assert outcomes == {"complete": 1, "incomplete": 0, "failed": 0, "running": 0}
    requests = found["tracker_http_requests_total"]
    assert requests[("pages", "GET", "2xx")] == 3
    assert requests[("none", "GET", "4xx")] == 1
    assert requests[("datasette", "GET", "2xx")] == 1
    assert ("pages", "other", "2xx") in requests
    assert found["tracker_http_request_duration_seconds_count"][("pages",)] == 4


def test_a_closed_site_tells_strangers_only_whether_it_is_well(healthy: Desk) -> None:
    add_person(healthy, "prometheus", "reader")
    token = {"Authorization": f"Bearer {add_token(healthy, 'prometheus', 'read')}"}
    with served(healthy, TRACKER_CLOSED="1") as url:
        assert httpx.get(f"{url}/-/health").json() == {"status": "ok"}
        assert httpx.get(f"{url}/-/health", headers=token).json()["questions"] == len(QUESTIONS)
        assert httpx.get(f"{url}/-/metrics").status_code in (302, 403)
        assert "cystitis" in httpx.get(f"{url}/-/metrics", headers=token).text


# -- logs for programs -----------------------------------------------------------------------------


def objects(log: str) -> list[dict[str, str]]:
    """The lines of a log; each is an object with what every line has."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line.keys() >= {"time", "level", "message"} for line in lines)
    return lines


def test_what_a_job_says_is_one_object_a_line(desk: Desk, pubmed: StandIn) -> None:
    lines = objects(desk.run("--log-format", "json", "refresh").err)
    assert any("cystitis: PubMed counts" in line["message"] for line in lines)
    assert {line["level"] for line in lines} == {"info"}
    # The time is a field, and not in the words as well.
    assert not any(line["message"].startswith("20") for line in lines)


@pytest.mark.parametrize(
    "arguments", [("status",), ("refresh", "nothing"), ("show",), ("restore", "latest")], ids=lambda it: it[0]
)
def test_so_are_errors_of_every_command(desk: Desk, arguments: tuple[str, ...]) -> None:
    done = desk.run("--log-format", "json", *arguments)
    assert done.code == 2
    last = objects(done.err)[-1]
    assert last["level"] == "error"
    assert not last["message"].startswith("Error")
    assert desk.run(*arguments).err.splitlines()[-1] == f"Error: {last['message']}"


def test_so_is_the_log_of_the_site(healthy: Desk) -> None:
    server = healthy.start("--log-format", "json", "serve", "--port", str(port := free_port()))
    wait_for(lambda: answers(port))
    healthy.change("drop table question_counts")
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 500
    server.send_signal(signal.SIGINT)
    lines = objects(finish(server).err)
    assert [(line["level"], "raised in" in line["traceback"]) for line in lines if "traceback" in line]


def test_the_status_as_json_has_what_the_sentence_rests_on(healthy: Desk) -> None:
    told = healthy.run("status", "--json").json
    assert told["well"] and told["sentence"] == healthy.run("status").out.splitlines()[0]
    assert told["last_refresh"]["outcome"] == "complete"
    assert told["last_backup"]["folder"].startswith(str(healthy.home))
    assert told["disk_free_bytes"] > 0
    assert (told["stale"], told["due"], told["clock_was_ahead"]) == ([], 0, None)


# -- silence is noticed elsewhere ------------------------------------------------------------------


class Listener(BaseHTTPRequestHandler):
    """What expects a call; it leads on to another place where it is asked at /away."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(self.path)
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def test_only_a_good_night_is_told_and_no_secret_is_logged(desk: Desk, pubmed: StandIn) -> None:
    Listener.heard.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_port}"
        assert desk.run("refresh", "cystitis", TRACKER_PING_URL=f"{here}/part").code == 0
        assert desk.run("refresh", TRACKER_PING_URL=f"{here}/good").code == 0
        away = desk.run("refresh", TRACKER_PING_URL=f"{here}/away")
        assert away.code == 0 and "TRACKER_PING_URL answered 302" in away.err
        pubmed.faults.add("503")
        assert desk.run("refresh", TRACKER_PING_URL=f"{here}/bad").code == 3
        pubmed.faults.clear()
        server.shutdown()
    assert Listener.heard == ["/good", "/away"]
    gone = desk.run("refresh", TRACKER_PING_URL="http://127.0.0.1:9/secret-number")
    assert gone.code == 0 and "could not be reached" in gone.err
    assert "secret-number" not in gone.err
    wrong = desk.run("status", TRACKER_PING_URL="secret-number")
    assert wrong.code == 2 and "TRACKER_PING_URL" in wrong.err and "secret-number" not in wrong.err
