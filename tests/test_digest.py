"""Digests by mail, against a real mail server: what they say and leave out, and that each mail has one intent."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from tests.conftest import Desk, Result, finish
from tests.helpers_site import CONCERN, RETRACTED, add_person, filled
from tests.mail_server import HOST, PASSWORD, USER, Gone, Mail, MailServer, authority, certificate_of, cut
from tracker.evidence.connect import transaction
from tracker.mail import messages, outbox
from tracker.settings import load_settings
from tracker.team import deliveries
from tracker.team.acts import open_annotations

ADDRESS = "reader@example.org"
TO = ("digest", "--to", ADDRESS)
NEW, CHANGED = 90000902, 90000305
END = "Do not start, stop or change treatment because of this mail; ask whoever treats you."
# What subject, sender and the first lines must not name; and no word of any question's title.
TELLING = re.compile(r"ketamine|depress|bladder|urinary|suicid|memory|tolerance|psychotherapy", re.I)


@pytest.fixture(scope="module")
def two_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("mail")).db.parent


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, two_days: Path, server: MailServer) -> Desk:
    """Two days of news, nobody who was told of it, and a mail server."""
    (tmp_path / "db").mkdir()
    for name in ("evidence.db", "annotations.db"):
        with (
            closing(sqlite3.connect(two_days / name)) as source,
            closing(sqlite3.connect(tmp_path / "db" / name)) as target,
        ):
            source.backup(target)
    environment = {
        "TRACKER_SITE_URL": "https://tracker.example.org",
        "TRACKER_BASE_PATH": "/evidence/",
        "TRACKER_SMTP_URL": server.url(),
        "TRACKER_MAIL_FROM": "tracker@example.org",
    }
    return Desk(tmp_path, "http://127.0.0.1:9/", environment)


def annotations(desk: Desk, query: str, **values: Any) -> list[Any]:
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        return db.execute(query, values).fetchall()


def one_line(done: Result, code: int, *words: str) -> None:
    assert done.code == code, done
    assert done.err.count("\n") == 1 and "Traceback" not in done.err, done.err
    for word in words:
        assert word in done.err


def subscribe(desk: Desk, what: str = "questions", every: str = "day", **more: Any) -> str:
    """A confirmed subscription that has been told nothing of the last two days; returns the name of its links."""
    row = {"questions": '["cystitis"]', "tag": None, "person": None, "address": ADDRESS} | more
    name = f"{len(annotations(desk, 'select 1 from subscriptions')):032}"
    annotations(
        desk,
        """
        insert into subscriptions (name, address, what, questions, tag, person, every, asked, confirmed, told_to)
        values (:name, :address, :what, :questions, :tag, :person, :every, :day, :day, :day)
        """,
        name=name,
        what=what,
        every=every,
        day="2025-01-01T00:00:00Z",
        **row,
    )
    return name


def item(mail: Mail, pmid: int) -> str:
    """The part of the text that is about a paper."""
    blocks = [block for block in mail.text.split("\n* ") if f"/articles/{pmid}\n" in block]
    assert len(blocks) == 1, (pmid, mail.text)
    return " ".join(blocks[0].partition(f"/articles/{pmid}\n")[0].split())


# -- what a digest says ----------------------------------------------------------------------------


def test_retractions_come_first_then_new_papers_then_changes_each_with_its_reason(
    desk: Desk, server: MailServer
) -> None:
    assert desk.run(*TO).code == 0
    (mail,) = server.taken
    assert mail.to == ADDRESS
    places = [mail.text.index(f"/articles/{pmid}\n") for pmid in (RETRACTED, NEW, CHANGED)]
    assert places == sorted(places)
    assert "Why it is here: retracted, noticed on" in item(mail, RETRACTED)
    assert "Why it is here: under an expression of concern" in item(mail, CONCERN)
    assert "Why it is here: newly published" in item(mail, NEW)
    assert "Why it is here: changed in PubMed: abstract" in item(mail, CHANGED)
    assert f"https://tracker.example.org/evidence/articles/{NEW}" in mail.text
    assert "16 papers that its first search found" in " ".join(mail.text.split())


def test_a_finding_stands_with_the_design_and_the_number_of_people(desk: Desk, server: MailServer) -> None:
    desk.run(*TO)
    told = item(server.taken[0], NEW)
    assert "randomised controlled trial; 80 people" in told
    assert "The abstract says: “Of 80 adults with depression" in told


def test_a_case_report_is_about_one_person(desk: Desk, server: MailServer) -> None:
    desk.change("delete from labels where pmid = ? and label_group = 'participants'", NEW)
    desk.change("update labels set value = 'case report' where pmid = ? and label_group = 'design'", NEW)
    desk.run(*TO)
    assert "case report; one person The abstract says" in item(server.taken[0], NEW)


@pytest.mark.parametrize("of_the_question", [False, True])
def test_what_the_topic_says_not_to_quote_is_linked(
    desk: Desk, server: MailServer, of_the_question: bool
) -> None:
    if of_the_question:
        desk.change("update questions set question = 'Does it reduce suicidality?' where slug = 'cognition'")
    else:
        site = desk.own_queries() / "topic" / "site.yml"
        site.write_text(site.read_text("utf-8").replace("[suicid", "[processing, suicid"), encoding="utf-8")
    desk.run(*TO)
    told = item(server.taken[0], NEW)
    assert "The abstract says" not in told
    assert "Read what the abstract found on the paper's page" in told
    assert ">Read what the abstract found</a>" in server.taken[0].html


def test_subject_sender_and_first_lines_name_no_condition_drug_or_question(
    desk: Desk, server: MailServer
) -> None:
    desk.run(*TO)
    (mail,) = server.taken
    assert str(mail.message["Subject"]) == "Evidence tracker: 3 papers, 3 notices"
    assert str(mail.message["From"]) == "Evidence tracker <tracker@example.org>"
    seen = re.sub(r"\s+", " ", re.sub(r"<style.*?</style>|<[^>]*>", " ", mail.html, flags=re.S))
    assert not TELLING.search(f"{mail.message['Subject']} {mail.message['From']} {mail.message['To']}")
    assert not TELLING.search(mail.text[:220]) and not TELLING.search(seen[:220])


def test_each_mail_ends_with_the_advice_in_both_forms(desk: Desk, server: MailServer) -> None:
    subscribe(desk)
    desk.run(*TO)
    desk.run("digest")
    assert len(server.taken) == 2
    for mail in server.taken:
        assert " ".join(mail.text.split()).endswith(END)
        assert re.sub(r"<[^>]*>|\s+", " ", mail.html).split()[-len(END.split()) :] == END.split()


def test_only_the_questions_that_are_named_are_told(desk: Desk, server: MailServer) -> None:
    assert desk.run(*TO, "--question", "cystitis").code == 0
    text = server.taken[0].text
    assert f"/articles/{RETRACTED}\n" in text and f"/articles/{NEW}\n" not in text
    one_line(desk.run(*TO, "--question", "bones"), 2, "'bones'", "cystitis")


def test_a_hostile_title_is_only_ever_text(desk: Desk, server: MailServer) -> None:
    title = 'Bcc: x@example.org\r\n.\r\n<script>alert(1)</script> & "\u202eevil" \x1b[31m'
    desk.change("update articles set title = ? where pmid = ?", title, NEW)
    desk.run(*TO)
    (mail,) = server.taken
    assert [name for name in mail.message if name.lower() == "bcc"] == []
    assert "<script>" not in mail.html and "&lt;script&gt;" in mail.html
    assert "Bcc: x@example.org . <script>alert(1)</script>" in item(mail, NEW)
    assert "\u202e" not in mail.text + mail.html and "\x1b" not in mail.text


def test_no_address_adds_a_header_or_a_recipient(desk: Desk, server: MailServer) -> None:
    for address in (
        "a@example.org\nBcc: b@example.org",
        "a@example.org, b@example.org",
        "Name <a@example.org>",
        "a@example.org>",
        "a@localhost",
        "a b@example.org",
        "ä@example.org",
        f"{'a' * 65}@example.org",
        "",
    ):
        one_line(desk.run("digest", "--to", address), 2, "--to", "e-mail address")
    assert server.taken == []


def test_papers_with_a_tag_are_told_and_papers_that_a_person_wrote_about(
    desk: Desk, server: MailServer
) -> None:
    # Ada tagged one of them (Desk.annotate); another is tagged here.
    annotations(
        desk,
        "insert into taggings (pmid, tag, person, tagged) values (:pmid, 901, 1, '2025-06-02T00:00:00Z')",
        pmid=RETRACTED,
    )
    subscribe(desk, "tag", tag=901, address="tag@example.org")
    subscribe(desk, "person", person=1, address="ada@example.org")
    assert desk.run("digest").code == 0
    of_tag, of_person = server.taken
    assert "retracted, noticed on" in item(of_tag, RETRACTED)
    assert "Why it is here: newly tagged" in item(of_tag, 90000301)
    assert "retracted, noticed on" in item(of_person, RETRACTED)
    assert "90000301" not in of_person.text


def test_who_follows_a_tag_that_was_merged_follows_the_other(desk: Desk, server: MailServer) -> None:
    annotations(desk, "insert into tags (id, tag_group, name, merged_into) values (950, 901, 'urology', 901)")
    subscribe(desk, "tag", tag=950)
    assert desk.run("digest").code == 0
    assert "Why it is here: newly tagged" in item(server.taken[0], 90000301)


def test_conflicts_wait_for_people_who_work_here_and_are_told_once(desk: Desk, server: MailServer) -> None:
    (pmid,) = desk.sql(
        "select min(pmid) from question_articles where question = 'psychotherapy' and matching"
    )[0]
    for name, decision in (("eva", "include"), ("finn", "exclude")):
        person = add_person(desk, name)
        annotations(
            desk,
            """
            insert into decisions (pmid, question, stage, person, decision, decided)
            values (:pmid, 'psychotherapy', 'title-abstract', :person, :decision, '2025-06-02T00:00:00Z')
            """,
            pmid=pmid,
            person=person.id,
            decision=decision,
        )
    annotations(
        desk,
        """
        insert into events (happened, origin, action, kind, pmid, question, subject, batch)
        values ('2025-06-02T00:00:00Z', 'a test', 'decide', 'decision', :pmid, 'psychotherapy', '{}', 99)
        """,
        pmid=pmid,
    )
    subscribe(desk, questions='["psychotherapy"]', address="public@example.org")
    subscribe(desk, "person", person=1, address="ada@example.org")
    desk.run("digest")
    (mail,) = [mail for mail in server.taken if mail.to == "ada@example.org"]
    assert "Waiting for a lead: 1 conflict between two reviewers." in mail.text
    assert all("conflict" not in mail.text for mail in server.taken if mail.to == "public@example.org")
    annotations(desk, "update subscriptions set mailed = '2025-01-01T00:00:00Z'")
    server.taken.clear()
    desk.run("digest")
    assert server.taken == []


# -- when a digest is sent -------------------------------------------------------------------------


def test_nothing_new_no_mail(desk: Desk, server: MailServer) -> None:
    subscribe(desk)
    desk.run(*TO)
    desk.run("digest")
    assert len(server.taken) == 2
    annotations(desk, "update subscriptions set mailed = '2025-01-01T00:00:00Z'")
    for command in (TO, ("digest",)):
        done = desk.run(*command)
        assert (done.code, done.out) == (0, "0 new, 0 sent, 0 put off, 0 refused\n")
    assert len(server.taken) == 2
    assert desk.run("digest", "--to", "other@example.org", "--since", "2099-01-01").code == 0
    assert len(server.taken) == 2


def test_since_a_day_is_told_again_when_staff_ask(desk: Desk, server: MailServer) -> None:
    for _ in range(2):
        assert desk.run(*TO, "--since", "2025-01-01").code == 0
    assert len({mail.id for mail in server.taken}) == 2
    one_line(desk.run("digest", "--since", "2025-01-01"), 2, "--since")


@pytest.mark.parametrize(
    ("every", "hours", "mails"), [("day", 10, 1), ("day", 23, 2), ("week", 100, 1), ("week", 168, 2)]
)
def test_a_subscriber_gets_no_more_than_they_asked_for(
    desk: Desk, server: MailServer, every: str, hours: int, mails: int
) -> None:
    subscribe(desk, every=every)
    desk.run("digest")
    moved = f"strftime('%Y-%m-%dT%H:%M:%SZ', mailed, '-{hours} hours')"
    annotations(desk, f"update subscriptions set mailed = {moved}, told_to = '2025-01-02T00:00:00Z'")
    desk.run("digest")
    assert len(server.taken) == mails


def test_a_dry_run_prints_the_mail_and_stores_nothing(desk: Desk, server: MailServer) -> None:
    subscribe(desk)
    before = annotations(desk, "select * from subscriptions")
    unset = {"TRACKER_SMTP_URL": "", "TRACKER_MAIL_FROM": ""}
    done = desk.run(*TO, "--dry-run", **unset)
    assert done.code == 0 and f"/articles/{NEW}" in done.out and END.split()[0] in done.out
    done = desk.run("digest", "--dry-run", **unset)
    assert done.code == 0 and f"/articles/{RETRACTED}" in done.out and ADDRESS not in done.out
    assert annotations(desk, "select * from deliveries") == []
    assert annotations(desk, "select * from subscriptions") == before
    assert server.taken == []


def test_what_a_running_refresh_has_stored_is_told_once_it_has_ended(desk: Desk, server: MailServer) -> None:
    desk.change("update runs set outcome = 'running' where id = (select min(id) from runs)")
    desk.change("update runs set started = '2025-01-02T00:00:00Z' where outcome = 'running'")
    subscribe(desk)
    desk.run("digest")
    assert server.taken == []
    desk.change("update runs set outcome = 'complete'")
    desk.run("digest")
    assert len(server.taken) == 1


def test_a_clock_that_was_ahead_puts_no_news_off(desk: Desk, server: MailServer) -> None:
    subscribe(desk)
    annotations(
        desk, "update subscriptions set told_to = '2099-01-01T00:00:00Z', mailed = '2099-01-01T00:00:00Z'"
    )
    desk.run("digest")
    assert len(server.taken) == 1
    assert annotations(desk, "select told_to < '2099' from subscriptions") == [(1,)]


@pytest.mark.parametrize("closed", ["0", "1"])
def test_a_closed_site_mails_only_those_who_may_sign_in(desk: Desk, server: MailServer, closed: str) -> None:
    subscribe(desk)
    subscribe(desk, person=add_person(desk, "eva").id, address="eva@example.org")
    subscribe(desk, person=add_person(desk, "gone").id, address="gone@example.org")
    assert desk.run("people", "disable", "gone").code == 0
    desk.run("digest", TRACKER_CLOSED=closed)
    expected = ["eva@example.org"] if closed == "1" else [ADDRESS, "eva@example.org"]
    assert [mail.to for mail in server.taken] == expected


# -- what can go wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [TO, (*TO, "--since", "2025-01-01"), ("digest",)], ids=" ".join)
def test_a_crash_between_the_servers_yes_and_our_note_sends_the_same_mail_once_more(
    desk: Desk, server: MailServer, command: tuple[str, ...]
) -> None:
    if command == ("digest",):
        subscribe(desk)

    def kill(smtp: SMTP, mail: Mail) -> None:
        process.kill()
        process.wait()

    server.at_data = kill
    process = desk.start(*command)
    assert finish(process).code == -signal.SIGKILL
    (first,) = server.taken
    server.at_data = lambda smtp, mail: None
    # With a day given, staff could ask for a mail of its own by a third run.
    for _ in range(1 if "--since" in command else 2):
        assert desk.run(*command).code == 0
    assert [mail.data for mail in server.taken] == [first.data, first.data]


def test_a_connection_that_breaks_after_the_servers_yes_is_the_same_mail_again(
    desk: Desk, server: MailServer
) -> None:
    def taken_and_gone(smtp: SMTP, mail: Mail) -> None:
        server.at_data = lambda smtp, mail: None
        server.taken.append(mail)
        cut(smtp)

    server.at_data = taken_and_gone
    assert desk.run(*TO).code == 3
    assert desk.run(*TO).code == 0
    assert len({mail.id for mail in server.taken}) == 1


@pytest.mark.parametrize("where", ["at_data", "at_recipient"])
def test_what_is_put_off_is_tried_again_and_in_the_end_given_up(
    desk: Desk, server: MailServer, where: str
) -> None:
    subscribe(desk)
    setattr(server, where, lambda *_: "451 try later")
    for attempt in range(outbox.MOST_ATTEMPTS):
        done = desk.run("digest")
        assert done.code == 3 and "451 try later" in done.err, attempt
    assert annotations(desk, "select attempts, failed is not null, address, message from deliveries") == [
        (outbox.MOST_ATTEMPTS, 1, None, None)
    ]
    # Whoever puts off may be full or out of order for a week: the address stays, and the next mail tells it all.
    assert annotations(desk, "select suspended is not null from subscriptions") == [(0,)]
    setattr(server, where, lambda *_: None)
    annotations(desk, "update subscriptions set mailed = null")
    assert desk.run("digest").code == 0
    assert "retracted, noticed" in item(server.taken[0], RETRACTED)


@pytest.mark.parametrize(
    "answer", ["554 5.7.1 Relay access denied", "550 5.7.1 not allowed", "552 5.2.2 mailbox full"]
)
def test_what_is_wrong_with_us_or_passes_suspends_nobody(desk: Desk, server: MailServer, answer: str) -> None:
    subscribe(desk, address="other@example.org")
    subscribe(desk)
    server.at_recipient = lambda address: answer
    for _ in range(2):
        done = desk.run("digest")
        assert done.code == 3 and answer[4:9] in done.err, done.err
    assert annotations(desk, "select count(*) from subscriptions where suspended is not null") == [(0,)]
    server.at_recipient = lambda address: None
    assert desk.run("digest").code == 0
    assert {mail.to for mail in server.taken} == {ADDRESS, "other@example.org"}


def test_a_confirmation_is_never_given_up_because_others_ask(desk: Desk, server: MailServer) -> None:
    server.at_recipient = lambda address: "451 greylisted, try later"
    environ = desk.environment | {"TRACKER_DB_DIR": str(desk.db.parent)}
    box = outbox.outbox_of(load_settings(environ=environ, cwd=desk.home))
    message = messages.confirmation(box.sender, ADDRESS, "https://tracker.example.org/subscribe/x", 48)
    with closing(open_annotations(desk.annotations)) as db:
        with transaction(db):
            deliveries.store(db, outbox.intent(message, "confirmation"))
        for _ in range(outbox.MOST_ATTEMPTS + 2):
            assert outbox.send_waiting(box, db).put_off == 1
        server.at_recipient = lambda address: None
        assert outbox.send_waiting(box, db).sent == 1


@pytest.mark.parametrize(
    "address", ["a..b@example.org", ".a@example.org", "a.@example.org", "a@example", "a b@example.org"]
)
def test_what_no_mail_could_be_addressed_to_is_said(desk: Desk, address: str) -> None:
    one_line(desk.run("digest", "--to", address), 2, "is not an e-mail address")


def test_a_retraction_is_told_however_much_happened_elsewhere(desk: Desk, server: MailServer) -> None:
    (noticed,) = desk.column("select max(noticed) from changes")
    with closing(sqlite3.connect(desk.db)) as db, db:
        db.executemany(
            "insert into changes (pmid, noticed, field, before, after) values (?, ?, ?, ?, ?)",
            [
                (80_000_000 + n, noticed, field, "0", "1")
                for n in range(1_200)
                for field in ("corrected", "mesh_headings")
            ],
        )
    assert desk.run(*TO, "--question", "cystitis").code == 0
    assert "retracted, noticed" in item(server.taken[0], RETRACTED)


def test_an_address_that_is_refused_for_good_is_suspended(desk: Desk, server: MailServer) -> None:
    subscribe(desk, address="gone@example.org")
    subscribe(desk)
    server.at_recipient = lambda address: "550 no such user" if address.startswith("gone") else None
    done = desk.run("digest")
    assert done.code == 3 and "550 no such user" in done.err and "gone@" not in done.err
    assert [mail.to for mail in server.taken] == [ADDRESS]
    annotations(desk, "update subscriptions set mailed = null, told_to = '2025-01-01T00:00:00Z'")
    assert desk.run("digest").code == 0
    assert [mail.to for mail in server.taken] == [ADDRESS, ADDRESS]


def test_news_of_a_mail_that_is_refused_for_what_it_says_is_told_by_the_next(
    desk: Desk, server: MailServer
) -> None:
    subscribe(desk)
    server.at_data = lambda smtp, mail: "554 looks like spam"
    assert desk.run("digest").code == 3
    server.at_data = lambda smtp, mail: None
    annotations(desk, "update subscriptions set mailed = null")
    assert desk.run("digest").code == 0
    assert "retracted, noticed" in item(server.taken[0], RETRACTED)


def test_a_server_that_is_away_costs_nobody_an_attempt(desk: Desk, server: MailServer) -> None:
    subscribe(desk)
    with Gone() as url:
        for _ in range(outbox.MOST_ATTEMPTS + 1):
            one_line(desk.run("digest", TRACKER_SMTP_URL=url), 3, "waits")
    assert annotations(desk, "select attempts from deliveries") == [(0,)]
    assert desk.run("digest").code == 0
    assert len(server.taken) == 1


def test_two_runs_at_once_send_one_mail(desk: Desk, server: MailServer) -> None:
    subscribe(desk)
    done: list[Result] = []
    server.at_data = lambda smtp, mail: done.append(desk.shell("digest"))
    assert desk.run("digest", TRACKER_TIMEOUT="60").code == 0
    one_line(done[0], 4, "sending mail")
    assert len(server.taken) == 1


# -- the server ------------------------------------------------------------------------------------


def login(password: str = PASSWORD) -> str:
    from urllib.parse import quote

    return f"{USER}:{quote(password, safe='')}"


@pytest.mark.parametrize("encryption", ["starttls", "tls"])
def test_mail_goes_encrypted_with_name_and_password(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, encryption: str
) -> None:
    trust(monkeypatch, desk)
    with MailServer(encryption=encryption, auth=encryption == "starttls") as server:
        url = server.url(HOST, login() if encryption == "starttls" else "")
        assert desk.run(*TO, TRACKER_SMTP_URL=url).code == 0
        assert [mail.encrypted for mail in server.taken] == [True]


def test_a_wrong_password_is_said_and_never_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, desk)
    with MailServer(encryption="starttls", auth=True) as server:
        done = desk.run(*TO, TRACKER_SMTP_URL=server.url(HOST, login("another secret")))
        one_line(done, 3, "did not accept user and password")
        assert "another secret" not in done.err and USER not in done.err
        assert server.logins[0] is False


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_a_server_without_encryption_or_with_anothers_certificate_gets_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, desk)
    with MailServer(auth=True) as plain:
        one_line(desk.run(*TO, TRACKER_SMTP_URL=plain.url(HOST, login())), 3, "STARTTLS")
        assert plain.taken == [] and plain.logins == []
    for encryption in ("starttls", "tls"):
        wrong = certificate_of(authority(), "other.example.org")
        with MailServer(encryption=encryption, certificate=wrong) as server:
            one_line(desk.run(*TO, TRACKER_SMTP_URL=server.url(HOST)), 3, "certificate")
            assert server.taken == []


def trust(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    """Let HOST be this machine, and its certificate be trusted, as that of a server elsewhere would be."""
    real = socket.getaddrinfo

    def find(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == HOST else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    file = desk.home / "authority.pem"
    authority().cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(file))


# -- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://secret@mail.example.org",
        "smtp://user:secret@mail.example.org:99999",
        "smtp://user:secret@mail.example.org/path",
        "smtp://user:secret#x@mail.example.org",
    ],
)
def test_an_address_of_no_mail_server_is_said_without_repeating_it(desk: Desk, value: str) -> None:
    done = desk.run(*TO, TRACKER_SMTP_URL=value)
    one_line(done, 2, "TRACKER_SMTP_URL")
    assert "secret" not in done.err


@pytest.mark.parametrize("value", ["nobody", "a@b", "Ä <a@example.org>", "a@example.org\nBcc: b@example.org"])
def test_a_sender_that_is_none_is_said(desk: Desk, value: str) -> None:
    one_line(desk.run(*TO, TRACKER_MAIL_FROM=value), 2, "TRACKER_MAIL_FROM")


@pytest.mark.parametrize("name", ["TRACKER_SMTP_URL", "TRACKER_MAIL_FROM", "TRACKER_SITE_URL"])
def test_a_setting_that_is_missing_is_named(desk: Desk, name: str) -> None:
    one_line(desk.run(*TO, **{name: ""}), 2, f"{name} is not set")


def test_the_password_is_in_no_repr(tmp_path: Path) -> None:
    environ = {
        "TRACKER_SMTP_URL": "smtp://user:topsecret@mail.example.org",
        "TRACKER_MAIL_FROM": "a@example.org",
    }
    settings = load_settings(environ=environ, cwd=tmp_path)
    assert "topsecret" not in repr(settings) + repr(outbox.outbox_of(settings))


def test_a_note_to_somebody_who_works_here_is_stored_and_sent(desk: Desk, server: MailServer) -> None:
    environ = desk.environment | {"TRACKER_DB_DIR": str(desk.db.parent)}
    box = outbox.outbox_of(load_settings(environ=environ, cwd=desk.home))
    assert outbox.send_note(box, ADDRESS, "Evidence tracker: 2 seeds", "Look at them.\n").sent == 1
    assert server.taken[0].message.get_content().strip() == "Look at them."
    assert annotations(desk, "select kind, sent is not null, address from deliveries") == [("note", 1, None)]


# What apprise imports is its own affair.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_other_channels_get_the_text_without_a_mail_server(desk: Desk) -> None:
    posted: list[dict[str, Any]] = []
    status = 503

    class Channel(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if status == 200:
                posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Channel) as channel:
        threading.Thread(target=channel.serve_forever, daemon=True).start()
        to = ("digest", "--to", f"json://user:secret@127.0.0.1:{channel.server_port}/")
        unset = {"TRACKER_SMTP_URL": "", "TRACKER_MAIL_FROM": ""}
        done = desk.run(*to, **unset)
        assert done.code == 3 and "the channel did not take it" in done.err and "secret" not in done.err
        status = 200
        assert [desk.run(*to, **unset).code for _ in range(2)] == [0, 0]
        channel.shutdown()
    (told,) = posted
    assert told["title"] == "Evidence tracker: 3 papers, 3 notices"
    assert f"/articles/{RETRACTED}\n" in told["message"] and told["message"].rstrip().endswith("treats you.")
    assert annotations(desk, "select address, message from deliveries") == [(None, None)]
    one_line(desk.run("digest", "--to", "nothing://secret", **unset), 2, "--to", "apprise does not know")


# -- the owners of searches ------------------------------------------------------------------------


def owned(desk: Desk) -> Desk:
    """A question whose file names its owner, and a seed that its search does not find."""
    file = desk.own_queries() / "cystitis.yml"
    file.write_text(f"owner: owner@example.org\n{file.read_text(encoding='utf-8')}", encoding="utf-8")
    return desk


def test_the_owner_of_a_search_hears_once_a_week_what_to_look_at(desk: Desk, server: MailServer) -> None:
    owned(desk)
    for _ in range(2):
        done = desk.run("digest")
        assert done.code == 0, done.err
    (mail,) = server.taken
    assert mail.to == "owner@example.org"
    assert "cystitis: seed papers not found: " in mail.text
    assert not TELLING.search(mail.message["Subject"])
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.execute("update deliveries set intended = '2020-01-01T00:00:00Z'")
    assert desk.run("digest").code == 0
    assert len(server.taken) == 2


def test_an_owner_with_nothing_to_look_at_gets_no_mail(desk: Desk, server: MailServer) -> None:
    owned(desk)
    desk.change("delete from seeds where question = 'cystitis'")
    assert desk.run("digest").code == 0
    assert server.taken == []


def test_an_owner_that_is_no_address_is_told_by_the_check(desk: Desk) -> None:
    file = owned(desk).queries / "cystitis.yml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("owner@example.org", "the librarian"), encoding="utf-8"
    )
    done = desk.run("questions", "check")
    assert done.code == 2 and "owner" in done.err + done.out
