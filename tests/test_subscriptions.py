"""Subscriptions on the site: nothing but the link before consent, and leaving erases; over HTTP and a mail server."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Desk, wait_for
from tests.helpers_browser import RULES, objections, visiting
from tests.helpers_site import add_person, filled, send, served, signed_in
from tests.mail_server import Mail, MailServer
from tracker.team import subscriptions

CYSTITIS = {"what": "questions", "question": "cystitis", "every": "day"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


class Reader:
    """Somebody in front of the site, and the mails that they get."""

    def __init__(self, desk: Desk, address: str, server: MailServer, client: httpx.Client) -> None:
        self.desk, self.site, self.server, self.client = desk, address, server, client
        self.client.get("/subscribe")

    def ask(self, address: str, **fields: Any) -> httpx.Response:
        return send(self.client, "/subscribe", address=address, **{**CYSTITIS, **fields})

    def mails(self, address: str, number: int = 1) -> list[Mail]:
        """The mails to an address, once there are so many."""
        wait_for(lambda: len(self._to(address)) >= number, 30)
        return self._to(address)

    def link(self, address: str, number: int = 1) -> str:
        """The path of the link that confirms, in the last of so many mails."""
        found = re.search(r"(/subscribe/\S+)", self.mails(address, number)[-1].text)
        assert found
        return found[1]

    def subscribe(self, address: str, **fields: Any) -> str:
        """Ask and confirm; returns the random name of the links."""
        assert self.ask(address, **fields).status_code == 200
        path = self.link(address)
        assert self.client.get(path).status_code == 200
        assert send(self.client, path).status_code == 200
        return path.rpartition("/")[2]

    def _to(self, address: str) -> list[Mail]:
        return [mail for mail in self.server.taken if mail.to == address]


def annotations(desk: Desk, query: str, **values: Any) -> list[Any]:
    with closing(sqlite3.connect(desk.annotations, timeout=30)) as db, db:
        return db.execute(query, values).fetchall()


def tell_from_the_beginning(desk: Desk) -> None:
    """Let everybody who subscribed have done so before all that is stored happened."""
    annotations(desk, "update subscriptions set told_to = '2025-01-01T00:00:00Z', mailed = null")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("subscriptions"))


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def site(library: Desk, server: MailServer) -> Iterator[str]:
    library.environment |= {"TRACKER_SMTP_URL": server.url(), "TRACKER_MAIL_FROM": "tracker@example.org"}
    with served(library) as address:
        library.environment["TRACKER_SITE_URL"] = address
        yield address


@pytest.fixture
def reader(library: Desk, site: str, server: MailServer) -> Iterator[Reader]:
    annotations(library, "delete from subscriptions")
    annotations(library, "delete from subscription_requests")
    with httpx.Client(base_url=site, timeout=60) as client:
        yield Reader(library, site, server, client)


def test_nothing_but_the_link_comes_before_consent(reader: Reader) -> None:
    assert "on its way" in reader.ask("careful@example.org").text
    (mail,) = reader.mails("careful@example.org")
    assert mail.message["Subject"] == "Evidence tracker: please confirm"
    assert "a subscription may reveal a health interest" in " ".join(mail.text.split())
    for part in (mail.text, mail.html, str(mail.message["Subject"])):
        assert not re.search(r"bladder|urinary|ketamine|cystitis", part, re.I)
    annotations(reader.desk, "update subscriptions set told_to = '2025-01-01T00:00:00Z'")
    assert reader.desk.run("digest").code == 0
    # A scanner opens the link, and that confirms nothing.
    assert httpx.get(reader.site + reader.link("careful@example.org")).status_code == 200
    assert reader.desk.run("digest").code == 0
    assert len(reader.mails("careful@example.org")) == 1


def test_whoever_confirms_gets_news_and_leaves_with_a_click(reader: Reader) -> None:
    name = reader.subscribe("eager@example.org")
    tell_from_the_beginning(reader.desk)
    assert reader.desk.run("digest").code == 0
    _, digest = reader.mails("eager@example.org", 2)
    leaving = digest.message["List-Unsubscribe"].strip("<>")
    assert leaving == f"{reader.site}/unsubscribe/{name}" and leaving in digest.text
    assert digest.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    # Scanners only ask, whatever they send with it.
    for answer in (httpx.get(leaving), httpx.head(leaving), httpx.get(leaving, params=ONE_CLICK)):
        assert answer.status_code == 200
    assert annotations(reader.desk, "select address from subscriptions") == [("eager@example.org",)]
    # A mail program has no cookie, no token, and names no origin.
    assert httpx.post(leaving, files={"List-Unsubscribe": (None, "One-Click")}).status_code == 200
    assert annotations(reader.desk, "select * from subscriptions") == []
    assert annotations(reader.desk, "select * from deliveries where address is not null") == []
    assert httpx.post(leaving, data=ONE_CLICK).status_code == 200
    assert httpx.get(leaving).status_code == 404


def test_the_pages_button_leaves_too(reader: Reader) -> None:
    name = reader.subscribe("button@example.org")
    page = reader.client.get(f"/unsubscribe/{name}")
    assert "Bladder" in page.text and "no-store" in page.headers["cache-control"]
    assert "erased" in reader.client.post(f"/unsubscribe/{name}", data={"x": ""}).text
    assert annotations(reader.desk, "select * from subscriptions") == []


def test_leaving_erases_mail_that_waits(reader: Reader) -> None:
    name = reader.subscribe("waits@example.org")
    tell_from_the_beginning(reader.desk)
    reader.server.at_recipient = lambda address: "451 later"
    assert reader.desk.run("digest").code == 3
    reader.server.at_recipient = lambda address: None
    assert httpx.post(f"{reader.site}/unsubscribe/{name}", data=ONE_CLICK).status_code == 200
    assert reader.desk.run("digest").code == 0
    assert len(reader.mails("waits@example.org")) == 1
    for path in (reader.desk.annotations, Path(f"{reader.desk.annotations}-wal")):
        if path == reader.desk.annotations:
            with closing(sqlite3.connect(path)) as db:
                db.execute("pragma wal_checkpoint(truncate)").fetchall()
        assert b"waits@example.org" not in path.read_bytes()


def test_the_answer_is_the_same_for_an_address_that_is_known(reader: Reader) -> None:
    reader.subscribe("known@example.org")
    answers = {}
    for address in ("known@example.org", "unknown@example.org"):
        answer = reader.ask(address)
        answers[address] = (answer.status_code, re.sub(r'value="[^"]*"', "", answer.text))
        reader.mails(address)
    assert answers["known@example.org"] == answers["unknown@example.org"]
    send(reader.client, reader.link("known@example.org", 2))
    confirmed = annotations(reader.desk, "select address from subscriptions where confirmed is not null")
    assert confirmed == [("known@example.org",)]


def test_an_address_gets_few_links_a_day_and_nobody_is_told(reader: Reader) -> None:
    answers = {reader.ask("often@example.org").status_code for _ in range(subscriptions.MOST_BY_ADDRESS + 2)}
    assert answers == {200}
    reader.ask("last@example.org")
    reader.mails("last@example.org")
    assert len(reader.mails("often@example.org")) == subscriptions.MOST_BY_ADDRESS


def test_a_sender_asks_for_few_addresses_a_day(reader: Reader) -> None:
    codes = [
        reader.ask(f"n{number}@example.org").status_code for number in range(subscriptions.MOST_BY_SENDER + 1)
    ]
    assert codes == [200] * subscriptions.MOST_BY_SENDER + [429]
    stored = annotations(reader.desk, "select sender, address from subscription_requests")
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for row in stored for value in row)
    annotations(reader.desk, "update subscription_requests set requested = '2025-01-01T00:00:00Z'")
    assert reader.ask("tomorrow@example.org").status_code == 200


def test_what_is_not_confirmed_in_two_days_is_erased(reader: Reader) -> None:
    reader.ask("late@example.org")
    path = reader.link("late@example.org")
    annotations(reader.desk, "update subscriptions set asked = '2025-01-01T00:00:00Z'")
    assert send(reader.client, path).status_code == 404
    assert reader.desk.run("digest").code == 0
    assert annotations(reader.desk, "select * from subscriptions") == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"address": "nobody"}, "not an e-mail address"),
        ({"address": "a@example.org\nBcc: b@example.org"}, "not an e-mail address"),
        ({"address": "a@example.org,b@example.org"}, "not an e-mail address"),
        ({"question": "bones"}, "at least one question"),
        ({"what": "tag", "tag": "4711"}, "Choose a tag"),
        ({"what": "person"}, "Sign in first"),
    ],
    ids=str,
)
def test_what_cannot_be_followed_is_said(reader: Reader, fields: dict[str, str], words: str) -> None:
    answer = reader.ask(**{"address": "right@example.org", **fields})
    assert (answer.status_code, words in answer.text) == (400, True)
    assert annotations(reader.desk, "select * from subscriptions") == []


def test_a_form_from_elsewhere_or_without_its_token_subscribes_nobody(reader: Reader) -> None:
    form = {"address": "a@example.org", **CYSTITIS}
    token = {"csrftoken": reader.client.cookies["ds_csrftoken"]}
    for answer in (
        httpx.post(f"{reader.site}/subscribe", data=form),
        reader.client.post("/subscribe", data=form),
        reader.client.post("/subscribe", data=form | token, headers={"Origin": "https://evil.example"}),
        reader.client.post("/subscribe", data=form | token, headers={"Sec-Fetch-Site": "cross-site"}),
    ):
        assert answer.status_code == 403
    assert annotations(reader.desk, "select * from subscriptions") == []
    # A token is missing wherever else a mail program might send its click.
    assert reader.client.post("/subscribe/" + "0" * 32, data=ONE_CLICK).status_code == 403


def test_somebody_signed_in_follows_what_they_tagged(reader: Reader) -> None:
    if not annotations(reader.desk, "select 1 from people where name = 'eva'"):
        add_person(reader.desk, "eva")
    with signed_in(reader.site, "eva") as client:
        assert "papers that I tagged" in client.get("/subscribe").text
        Reader(reader.desk, reader.site, reader.server, client).subscribe("eva@example.org", what="person")
    assert annotations(
        reader.desk, "select what, p.name from subscriptions join people p on p.id = person"
    ) == [("person", "eva")]


def test_a_tag_can_be_followed(reader: Reader) -> None:
    ((tag,),) = annotations(reader.desk, "select id from tags where name = 'bladder' limit 1")
    assert "Get news by mail" in reader.client.get("/questions/cystitis").text
    reader.subscribe("tag@example.org", what="tag", tag=str(tag))
    assert annotations(reader.desk, "select what, tag from subscriptions") == [("tag", tag)]


def test_a_server_that_is_away_keeps_no_reader_waiting_and_the_next_digest_sends(reader: Reader) -> None:
    reader.server.at_recipient = lambda address: "451 later" if address == "slow@example.org" else None
    reader.ask("slow@example.org")
    wait_for(
        lambda: bool(
            annotations(reader.desk, "select 1 from deliveries where attempts = 1 and sent is null")
        ),
        30,
    )
    reader.server.at_recipient = lambda address: None
    assert reader.desk.run("digest").code == 0
    assert len(reader.mails("slow@example.org")) == 1


@pytest.mark.parametrize("scheme", RULES)
def test_axe_finds_nothing_to_object_to(chromium: Any, reader: Reader, scheme: Any) -> None:
    reader.ask("axe@example.org")
    link = reader.link("axe@example.org")
    for path in ("/subscribe?question=cystitis", link, link.replace("/subscribe", "/unsubscribe")):
        with visiting(chromium, color_scheme=scheme, bypass_csp=True) as visit:
            assert objections(visit.to(reader.site + path).page, scheme) == []


def test_a_site_without_a_mail_server_says_so(tmp_path: Path, library: Desk) -> None:
    desk = Desk(library.home, library.url)
    with served(desk) as address, httpx.Client(base_url=address) as client:
        assert "not set up to send mail" in client.get("/subscribe").text
        assert "Get news by mail" not in client.get("/changes").text
        client.get("/sign-in")
        assert send(client, "/subscribe", address="a@example.org", **CYSTITIS).status_code == 503


def test_a_closed_site_is_subscribed_to_by_those_signed_in_only(
    library: Desk, site: str, server: MailServer
) -> None:
    if not annotations(library, "select 1 from people where name = 'carl'"):
        add_person(library, "carl")
    with (
        served(library, "--base-path", "/below/", TRACKER_CLOSED="1", TRACKER_SITE_URL="") as address,
        httpx.Client(base_url=f"{address}/below") as stranger,
    ):
        stranger.get("/sign-in")
        assert stranger.get("/subscribe").status_code == 302
        assert send(stranger, "/subscribe", address="a@example.org", **CYSTITIS).status_code == 403
        with signed_in(f"{address}/below", "carl") as client:
            client.get("/subscribe")
            assert send(client, "/subscribe", address="carl@example.org", **CYSTITIS).status_code == 200
        wait_for(lambda: any(mail.to == "carl@example.org" for mail in server.taken), 30)
        (mail,) = [mail for mail in server.taken if mail.to == "carl@example.org"]
        found = re.search(r"(http\S+/below)(/subscribe/\S+)", mail.text)
        assert found and found[1] == f"{address}/below"
        page = stranger.get(found[2])
        assert page.status_code == 200 and "Bladder" not in page.text
        assert send(stranger, found[2]).status_code == 200
        stored = "select p.name from subscriptions join people p on p.id = person where address = 'carl@example.org'"
        assert annotations(library, stored) == [("carl",)]
        leaving = f"{found[1]}{found[2].replace('/subscribe', '/unsubscribe')}"
        assert httpx.post(leaving, data=ONE_CLICK).status_code == 200
