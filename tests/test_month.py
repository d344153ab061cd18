"""A month in minutes: thirty nights of what the schedule runs, with all that goes wrong in a month, on its own clock.

Each command of a night is run as cron would; between them people read, tag, subscribe and leave over HTTP. PubMed, the
other services and the mail server are stand-ins over real HTTP and SMTP. What is looked at is how it stands at the end.
"""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import time_machine
from aiosmtpd.smtp import SMTP

from tests.conftest import FIXTURES, QUESTIONS, Desk, Result, check_whole, expected, finish, wait_for
from tests.enrich_servers import NAMES, Services, study
from tests.eutils_server import StandIn
from tests.helpers_site import add_person, send, served, signed_in
from tests.mail_server import Mail, MailServer, cut
from tests.test_subscriptions import ONE_CLICK, Reader

NIGHTS = 30
# A few days after PubMed's newest record among the fixtures, at an hour at which cron starts.
START = datetime(2025, 7, 8, 5, 17, tzinfo=UTC)
BETWEEN_JOBS = timedelta(minutes=10)
JUMP = timedelta(days=250)
CLOCKED = """
import datetime, time_machine
time_machine.travel(datetime.datetime.fromisoformat({moment!r}), tick=True).start()
from tracker.cli import main
main()
"""
DAILY, WEEKLY, ADA = "daily@example.org", "weekly@example.org", "ada@example.org"
# Crossref alone knows of its retraction.
UNKNOWN_TO_PUBMED = 90000901
TAGGED = (90000304, UNKNOWN_TO_PUBMED, 90000303, 90000305)
# Old papers that bear directly on a question and that PubMed lets the searches find only during the month.
LATE = (36244360, 90000301, 90000401, 40583492)
WELL = f"Last night went well: {len(QUESTIONS)} of {len(QUESTIONS)} questions complete, backup made."
LONGEST_LINE = 300


class Box(Desk):
    """An installation whose clock the test sets; each command takes some minutes of it."""

    clock = START

    @contextmanager
    def now(self) -> Iterator[None]:
        with time_machine.travel(self.clock, tick=True):
            yield
        self.clock += BETWEEN_JOBS

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        with self.now():
            return super().run(*arguments, stdin=stdin, **environment)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        code = CLOCKED.format(moment=self.clock.isoformat())
        self.clock += BETWEEN_JOBS
        return self.start_python("-c", code, *arguments, **environment)


class Job(NamedTuple):
    """What a command of a night came to."""

    night: int
    command: str
    done: Result


@dataclass
class Month:
    """The box, what stands in for the world around it, and what its jobs wrote."""

    box: Box
    pubmed: StandIn
    services: Services
    server: MailServer
    jobs: list[Job] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    tagged: list[int] = field(default_factory=list)
    night: int = 0
    # Message-IDs of mails that the server took although we could not know it.
    struck: list[str] = field(default_factory=list)
    taken_when_left: int = 0

    def job(self, *arguments: str) -> None:
        self.jobs.append(Job(self.night, arguments[0], self.box.run(*arguments)))

    def pass_night(self) -> None:
        """What ``tracker schedule`` prescribes for a night; whatever a job comes to, the next one follows."""
        self.night += 1
        self.box.clock = START + timedelta(days=self.night)
        before, instead = BEFORE.get(self.night), INSTEAD.get(self.night, {})
        if before:
            before(self)
        for command in (("refresh",), ("digest",), ("backup",), ("doctor", "--offline")):
            if replaced := instead.get(command[0]):
                replaced(self)
            else:
                self.job(*command)
        self.heal()
        if visit := DAYTIME.get(self.night):
            self.box.clock = START + timedelta(days=self.night, hours=9)
            visit(self)

    def heal(self) -> None:
        self.pubmed.faults.clear()
        self.services.faults.clear()
        self.server.at_data = lambda smtp, mail: None

    def annotations(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.box.annotations)) as db:
            return db.execute(query).fetchall()

    @contextmanager
    def site(self) -> Iterator[str]:
        with served(self.box) as address, self.box.now():
            yield address

    def mails(self, address: str = "") -> list[Mail]:
        """The digests to an address, or to all, each Message-ID once."""
        digests = {mail.id: mail for mail in self.server.taken if "List-Unsubscribe" in mail.message}
        return [mail for mail in digests.values() if address in mail.to]


# -- what happens at night -------------------------------------------------------------------------


def enters(*pmids: int) -> Callable[[Month], None]:
    """PubMed has these as they are on the fixtures' second day."""
    return lambda month: month.pubmed.take_over(*pmids)


def pubmed_fails(name: str, **pattern: Any) -> Callable[[Month], None]:
    return lambda month: month.pubmed.faults.add(name, **pattern)


def service_fails(service: str, *faults: str) -> Callable[[Month], None]:
    return lambda month: month.services.faults.update({service: list(faults)})


def all_of(*happenings: Callable[[Month], None]) -> Callable[[Month], None]:
    def happen(month: Month) -> None:
        for each in happenings:
            each(month)

    return happen


def mail_is_put_off(month: Month) -> None:
    month.server.at_data = lambda smtp, mail: "451 try later"


def connection_breaks_after_yes(month: Month) -> None:
    def taken_and_gone(smtp: SMTP, mail: Mail) -> None:
        month.server.at_data = lambda smtp, mail: None
        month.struck.append(mail.id)
        cut(smtp)

    month.server.at_data = taken_and_gone


def crossref_learns(month: Month) -> None:
    month.services.works.append(
        {
            "DOI": f"10.5555/et.{UNKNOWN_TO_PUBMED}",
            "title": ["RETRACTED: Written by us"],
            "type": "journal-article",
            "updated-by": [
                {
                    "DOI": "10.5555/notice.9",
                    "type": "retraction",
                    "label": "Retraction",
                    "source": "retraction-watch",
                    "record-id": "99009",
                    "updated": {"date-parts": [[2025, 7, 20]], "date-time": "2025-07-20T00:00:00Z"},
                }
            ],
        }
    )


def disk_is_lost(month: Month) -> None:
    """Both databases are gone; what is in the last backup comes back."""
    for name in ("evidence.db", "annotations.db"):
        for path in month.box.db.parent.glob(f"{name}*"):
            path.unlink()
    done = month.box.run("restore", "latest", "--yes")
    assert done.code == 0, done.err


def clock_jumps(month: Month) -> None:
    month.box.clock += JUMP


def somebody_deletes_what_the_clock_misnamed(month: Month) -> None:
    """As last night's job said."""
    (misnamed,) = (
        path
        for path in (month.box.db.parent / "backups").glob("evidence-tracker-*")
        if path.name.startswith(f"evidence-tracker-{START + JUMP:%Y}")
    )
    with ExitStack() as files:
        for path in misnamed.iterdir():
            files.callback(path.unlink)
    misnamed.rmdir()


def refresh_is_killed(month: Month) -> None:
    since = len(month.pubmed.log)
    month.pubmed.faults.add("hang", only="efetch")
    process = month.box.start("refresh")
    wait_for(lambda: any(request.endpoint == "efetch" for request in month.pubmed.log[since:]))
    process.kill()
    assert finish(process).code == -signal.SIGKILL


def digest_is_killed(month: Month) -> None:
    """Between the mail server's yes and our note of it."""

    def kill(smtp: SMTP, mail: Mail) -> None:
        month.struck.append(mail.id)
        process.kill()
        process.wait()

    month.server.at_data = kill
    process = month.box.start("digest")
    assert finish(process).code == -signal.SIGKILL


BEFORE: dict[int, Callable[[Month], None]] = {
    3: pubmed_fails("503"),
    4: enters(UNKNOWN_TO_PUBMED, LATE[0]),
    5: service_fails("icite", *["500"] * 20),
    6: all_of(enters(90000513, LATE[2]), mail_is_put_off),
    8: enters(90000303, 90000906),
    9: pubmed_fails("short", first=2),
    10: all_of(enters(90000904, LATE[1]), connection_breaks_after_yes),
    11: service_fails("crossref", *["html"] * 20),
    12: crossref_learns,
    13: all_of(disk_is_lost, service_fails("europepmc", "429", "truncated"), pubmed_fails("503", first=2)),
    14: enters(90000902, LATE[3]),
    16: service_fails("clinicaltrials", *["truncated"] * 20),
    # The weekly mail is not due, but is by this clock; and there is news for it.
    17: clock_jumps,
    18: enters(90000305),
    19: somebody_deletes_what_the_clock_misnamed,
    24: enters(90000101, 90000907),
    26: enters(90000903, 90000204),
    27: enters(90000106),
    28: enters(90000102, 90000908),
}
INSTEAD: dict[int, dict[str, Callable[[Month], None]]] = {
    14: {"refresh": refresh_is_killed},
    15: {"digest": digest_is_killed},
}


# -- what happens by day ---------------------------------------------------------------------------


def people_subscribe(month: Month) -> None:
    with month.box.now():
        add_person(month.box, "ada")
    with month.site() as address, httpx.Client(base_url=address, timeout=60) as client:
        reader = Reader(month.box, address, month.server, client)
        month.names[DAILY] = reader.subscribe(DAILY, question=["cognition", "cystitis", "psychotherapy"])
        month.names[WEEKLY] = reader.subscribe(WEEKLY, question=list(QUESTIONS), every="week")
        with signed_in(address, "ada") as own:
            month.names[ADA] = Reader(month.box, address, month.server, own).subscribe(ADA, what="person")


def ada_tags(*pmids: int) -> Callable[[Month], None]:
    def tag(month: Month) -> None:
        with month.site() as address, signed_in(address, "ada") as client:
            client.get("/questions/cystitis")
            for pmid in pmids:
                assert send(client, f"/articles/{pmid}/tag", tag="background").status_code == 303
                month.tagged.append(pmid)
            scan(month, client)

    return tag


def ada_tags_by_command(pmid: int) -> Callable[[Month], None]:
    def tag(month: Month) -> None:
        done = month.box.run("tag", "add", str(pmid), "background", "--as", "ada")
        assert done.code == 0, done.err
        month.tagged.append(pmid)

    return tag


def weekly_leaves(month: Month) -> None:
    with month.site() as address, httpx.Client(base_url=address, timeout=60) as client:
        scan(month, client)
        assert subscribers(month) == [ADA, DAILY, WEEKLY]
        (*_, last) = month.mails(WEEKLY)
        leaving = urlsplit(last.message["List-Unsubscribe"].strip("<>")).path
        assert client.post(leaving, data=ONE_CLICK).status_code == 200
    month.taken_when_left = len(month.server.taken)


def scan(month: Month, client: httpx.Client) -> None:
    """A mail scanner opens every link of every mail."""
    links = {link for mail in month.server.taken for link in re.findall(r"https?://[^\s<>\"]+", mail.text)}
    links |= {link for mail in month.server.taken for link in re.findall(r'href="([^"]+)"', mail.html)}
    links |= {mail.message["List-Unsubscribe"].strip("<>") for mail in month.mails()}
    before = subscribers(month)
    for path in sorted({urlsplit(link).path for link in links}):
        assert client.get(path).status_code < 500, path
    assert subscribers(month) == before


def subscribers(month: Month) -> list[str]:
    rows = month.annotations("select address from subscriptions where confirmed is not null order by 1")
    return [address for (address,) in rows]


DAYTIME: dict[int, Callable[[Month], None]] = {
    1: people_subscribe,
    5: ada_tags(*TAGGED[:2]),
    7: ada_tags_by_command(TAGGED[2]),
    16: ada_tags(TAGGED[3]),
    23: weekly_leaves,
}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    home = tmp_path_factory.mktemp("month")
    with StandIn(FIXTURES, rate=0) as pubmed, Services() as services, MailServer() as server:
        pubmed.bodies = {pmid: body for pmid, body in pubmed.bodies.items() if pmid not in LATE}
        services.studies.append(study("NCT99000301", "COMPLETED", "2019-12-20"))
        environment = {
            **services.environment,
            "TRACKER_SMTP_URL": server.url(),
            "TRACKER_MAIL_FROM": "tracker@example.org",
            "TRACKER_SITE_URL": "http://127.0.0.1",
        }
        month = Month(Box(home, pubmed.url, environment), pubmed, services, server)
        while month.night < NIGHTS:
            month.pass_night()
        yield month


# -- how it stands at the end ----------------------------------------------------------------------


def test_nothing_is_lost_and_each_question_has_what_pubmed_has(month: Month) -> None:
    check_whole(month.box.db)
    assert month.pubmed.violations == []
    assert {slug: month.box.matching(slug) for slug in QUESTIONS} == {
        slug: expected(slug, day=2) for slug in QUESTIONS
    }
    tagged = month.annotations(
        "select g.pmid from taggings g join tags on tags.id = g.tag order by g.tagged, g.id"
    )
    assert [pmid for (pmid,) in tagged] == month.tagged == [*TAGGED]
    assert month.annotations("pragma integrity_check") == [("ok",)]
    events = [id for (id,) in month.annotations("select id from events order by id")]
    assert events == list(range(1, len(events) + 1))
    tags = month.annotations("select pmid from events where action = 'tag' order by id")
    assert [pmid for (pmid,) in tags] == [*TAGGED]


def test_each_message_id_has_one_intent_and_each_intent_one_text(month: Month) -> None:
    stored = [id for (id,) in month.annotations("select message_id from deliveries")]
    assert len(stored) == len(set(stored))
    taken = {mail.id: mail.data for mail in month.server.taken}
    assert all(mail.data == taken[mail.id] for mail in month.server.taken)
    assert set(stored) == taken.keys()
    # What was sent twice is what the cut and the kill have struck, and nothing else.
    assert len(month.server.taken) - len(taken) == len(month.struck) == 2
    assert all(sum(mail.id == id for mail in month.server.taken) == 2 for id in month.struck)
    assert month.annotations("select * from deliveries where sent is null or address is not null") == []


def test_no_mail_came_for_nothing(month: Month) -> None:
    assert any(mail.message["Date"].datetime > START + JUMP for mail in month.mails(WEEKLY))
    for address in (DAILY, WEEKLY, ADA):
        told: set[tuple[str, str]] = set()
        for mail in month.mails(address):
            new = items(mail) - told
            assert new, (address, mail.text)
            told |= new


def test_everybody_heard_of_what_they_follow(month: Month) -> None:
    told = {
        address: {pmid for mail in month.mails(address) for pmid, _ in items(mail)} for address in month.names
    }
    in_its_first_weeks = {"90000303", "90000901", "90000902", *map(str, LATE)}
    assert told[DAILY] == {*in_its_first_weeks, "90000101", "90000102", "90000106", "90000305"}
    assert told[WEEKLY] == {*in_its_first_weeks, "90000305"}
    assert told[ADA] == {"90000303", "90000305", "90000901"}
    assert any("newly indexed" in why for mail in month.mails(DAILY) for _, why in items(mail))


def test_a_retraction_that_only_crossref_knows_is_told_once_to_each_who_follows_it(month: Month) -> None:
    for address in (DAILY, WEEKLY, ADA):
        told = [
            why
            for mail in month.mails(address)
            for pmid, why in items(mail)
            if pmid == str(UNKNOWN_TO_PUBMED)
        ]
        assert len(told) == 1
        assert told[0].startswith("Retracted, says Retraction Watch; PubMed does not say so.")


def test_a_scanner_unsubscribed_nobody_and_a_click_did(month: Month) -> None:
    assert subscribers(month) == [ADA, DAILY]
    # There was news in what both followed.
    assert {mail.to for mail in month.server.taken[month.taken_when_left :]} == {DAILY}
    assert WEEKLY.encode() not in month.box.annotations.read_bytes()


def test_it_ends_well(month: Month) -> None:
    month.box.clock = START + timedelta(days=NIGHTS, hours=12)
    status = month.box.run("status")
    assert (status.code, status.err, status.out.splitlines()[0]) == (0, "", WELL)
    doctor = month.box.run("doctor", "--offline")
    assert (doctor.code, doctor.err) == (0, ""), doctor.out


def test_what_went_wrong_is_told_on_its_night_and_on_no_other(month: Month) -> None:
    wrong = {(job.night, job.command) for job in month.jobs if job.done.code}
    assert wrong == {
        *((3, "refresh"), (3, "doctor")),
        *((6, "digest"), (10, "digest")),
        *((14, "doctor"), (18, "backup")),
    }


def test_the_log_of_the_month_is_readable(month: Month) -> None:
    for night, command, done in month.jobs:
        lines = [*done.err.splitlines(), *done.out.splitlines()]
        assert not any("Traceback" in line or len(line) > LONGEST_LINE for line in lines), (night, lines)
        if night not in BEFORE and night not in INSTEAD and command != "refresh":
            assert done.err == ""
    quiet = [
        job.done.err.splitlines()
        for job in month.jobs
        if job.command == "refresh" and job.night not in BEFORE
    ]
    assert max(map(len, quiet)) <= 2 * len(QUESTIONS) + len(NAMES)
    assert not any(re.search("trying again|did not answer|seed", line) for lines in quiet for line in lines)


def items(mail: Mail) -> set[tuple[str, str]]:
    """Each PMID that the mail names, and why."""
    found = re.findall(r"Why it is here: (.*?)\n\s*\S*/articles/(\d+)\n", mail.text, re.S)
    return {(pmid, " ".join(why.split())) for why, pmid in found}
