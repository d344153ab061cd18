"""Signing in, roles, tokens and a closed site, over real HTTP: who is let in, and who is not any more."""

from __future__ import annotations

import asyncio
import importlib
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml
from datasette.plugins import pm
from lxml import html

from tests.conftest import Desk
from tests.helpers_browser import missing
from tests.helpers_site import (
    OURS,
    PASSWORD,
    RETRACTED,
    Site,
    add_person,
    add_token,
    example,
    filled,
    send,
    served,
    signed_in,
)
from tracker.errors import UsageError
from tracker.settings import load_settings
from tracker.site import plugin
from tracker.site.routes import ROUTES, Route
from tracker.site.server import actors, passwords
from tracker.site.views import exports, signin
from tracker.team import people
from tracker.team.acts import acting, open_annotations

METADATA = Path(__file__).parents[1] / "metadata.yml"
# Where 'make setup' puts what is too particular for every test: see the Makefile.
PLUGINS = Path(sys.prefix) / "plugins"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("signin"))


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    """The site, as ``tracker serve`` serves it. Tests add the people whom they need while it runs."""
    with served(desk) as url:
        yield url


@pytest.fixture
def anybody(address: str) -> Iterator[httpx.Client]:
    """A browser in which nobody is signed in, on the sign-in page; each test comes from somewhere else."""
    with httpx.Client(base_url=address, headers={"X-Forwarded-For": new_address()}) as client:
        assert client.get("/sign-in").status_code == 200
        yield client


_addresses = iter(range(1, 65_000))


def new_address() -> str:
    number = next(_addresses)
    return f"198.18.{number // 250}.{number % 250 + 1}"


def actor(client: httpx.Client | str, **options: Any) -> Any:
    """Whom Datasette takes this browser for."""
    if isinstance(client, str):
        return httpx.get(f"{client}/-/actor.json", **options).json()["actor"]
    return client.get("/-/actor.json", **options).json()["actor"]


def change(desk: Desk, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.execute(statement, values)


def change_person(desk: Desk, name: str, **changes: Any) -> None:
    with closing(open_annotations(desk.annotations)) as db, acting(db, None, "a test") as act:
        people.change(act, name, **changes)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def words(page: httpx.Response) -> str:
    return " ".join(html.fromstring(page.text).text_content().split())


# -- signing in and out ----------------------------------------------------------------------------


def test_who_signs_in_is_named_at_the_top_of_every_page(desk: Desk, address: str) -> None:
    person = add_person(desk, "ada.in", "lead", display_name="Ada <b>Lovelace</b>")
    with signed_in(address, "ada.in") as client:
        assert actor(client) == {
            "id": "ada.in", "name": "Ada <b>Lovelace</b>", "role": "lead", "person": person.id
        }  # fmt: skip
        for path in (*OURS, "/account", "/nowhere"):
            (nav,) = html.fromstring(client.get(path).text).xpath('//nav[@aria-label="Account"]')
            assert " ".join(nav.text_content().split()) == "Ada <b>Lovelace</b> My work Account Sign out"
        assert {"/my-work", "/account"} <= set(
            html.fromstring(client.get("/evidence").text).xpath("//a/@href")
        )


def test_a_name_may_begin_with_a_capital_as_phones_write_it(desk: Desk, anybody: httpx.Client) -> None:
    add_person(desk, "bea")
    assert send(anybody, "/sign-in", name=" Bea ", password=PASSWORD).status_code == 303
    assert actor(anybody)["id"] == "bea"


def test_anonymous_pages_offer_to_sign_in_and_set_no_cookie(address: str) -> None:
    for path in (*OURS, "/evidence"):
        answer = httpx.get(address + path)
        links = [
            link for link in html.fromstring(answer.text).xpath("//a/@href") if link.startswith("/sign-in")
        ]
        there = "" if path in ("/", "/evidence") else f"?next={quote(path)}"
        assert set(links) == {f"/sign-in{there}"}, path
        assert "set-cookie" not in answer.headers
    assert httpx.get(f"{address}/").headers["cache-control"] == "public, max-age=60"


def test_the_cookie_is_for_this_site_and_no_script(desk: Desk, anybody: httpx.Client) -> None:
    add_person(desk, "cookie")
    answer = send(anybody, "/sign-in", name="cookie", password=PASSWORD)
    (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith("tracker=")]
    assert set(cookie.split("; ")[1:]) == {"HttpOnly", "Max-Age=604800", "Path=/", "SameSite=lax"}


def test_over_https_all_cookies_are_secure_and_ours_is_bound_to_the_host(desk: Desk, address: str) -> None:
    add_person(desk, "secure")
    https = {"X-Forwarded-Proto": "https", "X-Forwarded-For": new_address()}
    first = httpx.get(f"{address}/sign-in", headers=https)
    (token,) = first.headers.get_list("set-cookie")
    assert "; Secure" in token
    token = token.partition("=")[2].partition(";")[0]
    form = {"csrftoken": token, "name": "secure", "password": PASSWORD}
    with_token = {**https, "Cookie": f"ds_csrftoken={token}"}
    answer = httpx.post(f"{address}/sign-in", data=form, headers=with_token)
    (cookie,) = answer.headers.get_list("set-cookie")
    name, _, rest = cookie.partition("=")
    assert name == "__Host-tracker"
    assert set(rest.split("; ")[1:]) == {"HttpOnly", "Max-Age=604800", "Path=/", "SameSite=lax", "Secure"}
    value = rest.partition(";")[0]
    assert actor(address, headers={**https, "Cookie": f"{name}={value}"})["id"] == "secure"
    # Somebody who reads along can set the plain name, also for HTTPS.
    assert actor(address, headers={**https, "Cookie": f"tracker={value}"}) is None


@pytest.mark.parametrize(
    ("path", "onward"),
    [
        ("/questions/cystitis?q=a%20b&since=2020", "/questions/cystitis?q=a%20b&since=2020"),
        ("/my-work", "/my-work"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("///evil.example", "/"),
        ("https://evil.example/", "/"),
        ("https:evil.example", "/"),
        ("javascript:alert(1)", "/"),
        (" //evil.example", "/"),
        ("evil.example", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/\u2215evil", "/"),
        ("/" + "x" * 3000, "/"),
        ("/sign-in?next=/sign-in", "/"),
        ("/sign-out", "/"),
    ],
)
def test_signing_in_leads_on_to_a_path_of_ours_and_nowhere_else(
    desk: Desk, anybody: httpx.Client, path: str, onward: str
) -> None:
    if not desk_has(desk, "onward"):
        add_person(desk, "onward")
    (shown,) = html.fromstring(anybody.get("/sign-in", params={"next": path}).text).xpath(
        '//input[@name="next"]'
    )
    assert shown.get("value") == onward
    answer = send(anybody, "/sign-in", name="onward", password=PASSWORD, next=path)
    assert (answer.status_code, answer.headers["location"]) == (303, onward)
    # Who is signed in already is led on at once.
    if answer.status_code == 303:
        again = anybody.get("/sign-in", params={"next": path})
        assert (again.status_code, again.headers["location"]) == (303, onward)


def desk_has(desk: Desk, name: str) -> bool:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return bool(db.execute("select 1 from people where name = ?", (name,)).fetchone())


def test_signing_out_takes_a_form_and_ends_the_session_of_this_browser(desk: Desk, address: str) -> None:
    add_person(desk, "out")
    with signed_in(address, "out") as client:
        assert client.get("/sign-out").status_code == 405
        assert client.post("/sign-out", data={"csrftoken": "x"}).status_code == 403
        assert actor(client)
        answer = send(client, "/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert actor(client) is None
        assert "tracker" not in client.cookies


def test_signing_out_ends_that_session_and_no_other(desk: Desk, address: str) -> None:
    """A cookie that somebody else has got hold of counts no more; the person's other browsers stay signed in."""
    add_person(desk, "several")
    with signed_in(address, "several") as here, signed_in(address, "several") as there:
        stolen = here.cookies["tracker"]
        assert stolen != there.cookies["tracker"]
        assert actor(address, headers={"Cookie": f"tracker={stolen}"})
        send(here, "/sign-out")
        # base64 has spare bits at its end: the same signature, written in another way, is the same session.
        spellings = [
            stolen,
            *(stolen[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopq"),
        ]
        for cookie in (*spellings, f"{stolen}=", f"{stolen}=="):
            assert actor(address, headers={"Cookie": f"tracker={cookie}"}) is None
            page = httpx.get(address, headers={"Cookie": f"tracker={cookie}"})
            assert "Sign out" not in page.text
        assert actor(there)
        send(there, "/sign-out")
        assert actor(there) is None


def test_signing_out_without_a_session_of_ours_writes_nothing(desk: Desk, address: str) -> None:
    before = db_rows(desk, "select * from ended_sessions")
    with httpx.Client(base_url=address) as client:
        client.get("/sign-in")
        for cookie in ("", "x.y", Site(desk).session(add_person(desk, "not.here"))["tracker"]):
            client.cookies.set("tracker", cookie)
            assert send(client, "/sign-out").status_code == 303
    assert db_rows(desk, "select * from ended_sessions") == before


def test_an_ended_session_is_forgotten_once_its_cookie_has_expired(desk: Desk, address: str) -> None:
    add_person(desk, "often")
    with signed_in(address, "often") as client:
        send(client, "/sign-out")
    change(desk, "update ended_sessions set ended = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-9 days')")
    with signed_in(address, "often") as client:
        send(client, "/sign-out")
    assert len(db_rows(desk, "select * from ended_sessions")) == 1


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/account/password", "/account/tokens",
                                  "/account/tokens/revoke", "/account/sessions"])  # fmt: skip
def test_a_form_from_another_site_is_refused(desk: Desk, address: str, path: str) -> None:
    name = "csrf" + re.sub("[^a-z]", "", path)
    add_person(desk, name)
    fields = {"name": name, "password": PASSWORD, "scope": "tag", "days": "7", "token": "1"}
    with signed_in(address, name) as client:
        session = {"Cookie": f"tracker={client.cookies['tracker']}"}
        token = client.cookies["ds_csrftoken"]
        for headers, more in (
            ({}, {}),
            (session, {}),
            (session, {"csrftoken": token}),
            ({"Cookie": f"ds_csrftoken={token}"}, {}),
            ({"Origin": "https://evil.example"}, {}),
        ):
            answer = httpx.post(address + path, data={**fields, **more}, headers=headers)
            assert answer.status_code == 403, (headers, more)
            assert "set-cookie" not in answer.headers or "tracker=" not in answer.headers["set-cookie"]
        # A form that got hold of the token is sent from elsewhere all the same.
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Origin": "null"},
        ):
            answer = client.post(path, data={**fields, "csrftoken": token}, headers=headers)
            assert answer.status_code == 403, headers
        assert actor(client)["id"] == name
    assert db_rows(
        desk, "select count(*) from tokens where person = (select id from people where name = ?)", name
    ) == [(0,)]


def db_rows(desk: Desk, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return db.execute(query, values).fetchall()


# -- sessions that count no more -------------------------------------------------------------------


def test_who_is_disabled_is_out_at_the_next_request_and_stays_out_when_enabled(
    desk: Desk, address: str
) -> None:
    add_person(desk, "leaver")
    with signed_in(address, "leaver") as client:
        assert actor(client)["role"] == "tagger"
        change_person(desk, "leaver", disabled=True)
        assert actor(client) is None
        change_person(desk, "leaver", disabled=False)
        assert actor(client) is None


def test_a_role_holds_from_the_next_request_on(desk: Desk, address: str) -> None:
    add_person(desk, "riser")
    with signed_in(address, "riser") as client:
        for role in people.ROLES:
            change_person(desk, "riser", role=role)
            assert actor(client)["role"] == role


def test_a_page_kept_from_before_is_not_confirmed_to_somebody_who_is_out(desk: Desk, address: str) -> None:
    add_person(desk, "kept")
    with signed_in(address, "kept") as client:
        tag = client.get("/").headers["etag"]
        assert client.get("/", headers={"If-None-Match": tag}).status_code == 304
        change_person(desk, "kept", disabled=True)
        answer = client.get("/", headers={"If-None-Match": tag})
        assert answer.status_code == 200
        assert "Sign in" in words(answer)


def forged(desk: Desk, namespace: str = "tracker-session", **changes: Any) -> str:
    """A cookie that says something else than what is so, signed with the site's own secret."""
    person = db_rows(desk, "select id, session from people where name = 'forged'")[0]
    said = {"person": person[0], "session": person[1], "began": int(time.time())} | changes
    site = Site(desk)
    site.datasette._secret = (desk.db.parent / ".secret").read_text().strip()
    return str(site.datasette.sign(said, namespace))


def test_a_cookie_counts_only_as_it_was_given_and_for_a_week(desk: Desk, address: str) -> None:
    add_person(desk, "forged")

    def who(value: str) -> Any:
        return actor(address, headers={"Cookie": f"tracker={value}"})

    good = forged(desk)
    assert who(good)["id"] == "forged"
    week = 7 * 24 * 3600
    assert who(forged(desk, began=int(time.time()) - week + 60))["id"] == "forged"
    for value in (
        forged(desk, began=int(time.time()) - week - 1),
        forged(desk, began=int(time.time()) + 3600),
        forged(desk, session=1),
        forged(desk, person=99_999),
        forged(desk, person=None),
        forged(desk, began="soon"),
        forged(desk, namespace="actor"),
        good[:-9] + ("A" if good[-9] != "A" else "B") + good[-8:],
        "x" + good,
        good.partition(".")[0],
        "",
        '"',
        "\x7f" * 10,
    ):
        assert who(value) is None, value
    change_person(desk, "forged", disabled=True)
    assert who(forged(desk)) is None


def test_somebody_elses_signed_cookie_makes_nobody_an_admin(desk: Desk, address: str) -> None:
    """Datasette's own cookie may be set by other plugins; what it says of roles is not believed."""
    site = Site(desk)
    site.datasette._secret = (desk.db.parent / ".secret").read_text().strip()
    claim = {"id": "root", "role": "admin", "person": 1, "scopes": ["lead"], "token": 1, "more": "kept"}
    cookie = {"Cookie": f"ds_actor={site.datasette.sign({'a': claim}, 'actor')}"}
    assert actor(address, headers=cookie) == {"id": "root", "more": "kept"}
    for path in ("/-/permissions", "/_internal", "/_internal/databases.json", "/annotations", "/_site"):
        assert httpx.get(address + path, headers=cookie).status_code in (403, 404), path


# -- attempts --------------------------------------------------------------------------------------


def attempt(client: httpx.Client, name: str, password: str = "wrong", address: str = "") -> httpx.Response:
    headers = {"X-Forwarded-For": address} if address else {}
    form = {"csrftoken": client.cookies["ds_csrftoken"], "name": name, "password": password}
    return client.post("/sign-in", data=form, headers=headers)


def test_what_does_not_match_is_told_alike_whether_or_not_anybody_has_the_name(
    desk: Desk, anybody: httpx.Client
) -> None:
    add_person(desk, "known")
    add_person(desk, "disabled")
    change_person(desk, "disabled", disabled=True)
    with closing(open_annotations(desk.annotations)) as db, acting(db, None, "a test") as act:
        people.add(act, "elsewhere", "tagger", identity="github:elsewhere")
    answers = {
        name: attempt(anybody, name, password)
        for name, password in (
            ("known", "wrong"), ("nobody", "wrong"), ("disabled", PASSWORD), ("elsewhere", ""), ("' or 1=1", "x"),
            ("known\u0000", PASSWORD),
        )
    }  # fmt: skip
    control = answers.pop("known\u0000")
    assert control.status_code == 400
    shown = {re.sub(r'value="[^"]*"', "", answer.text.replace(name, "")) for name, answer in answers.items()}
    assert len(shown) == 1
    assert "Name and password do not match" in shown.pop()
    for answer in answers.values():
        assert answer.status_code == 403
        assert "tracker" not in answer.cookies


def test_every_attempt_takes_the_work_of_one_hash(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    right = passwords.verify_password
    monkeypatch.setattr(
        passwords,
        "verify_password",
        lambda given, stored: bool(looked.append(stored)) or right(given, stored),
    )
    monkeypatch.setattr(passwords, "NOBODY", "pbkdf2_sha256$1$00$AA=")
    site = Site(desk)
    for name in ("nobody", "worked", "worked-not"):
        if name != "nobody":
            add_person(desk, name)
    change_person(desk, "worked-not", disabled=True)
    token, cookies = form_token(site)
    for name in ("nobody", "worked", "worked-not"):
        form = {"csrftoken": token, "name": name, "password": "wrong"}
        assert post(site, "/sign-in", form, cookies).status_code == 403
    assert len(looked) == 3
    assert looked[0] == passwords.NOBODY
    assert all(stored.count("$") == 3 for stored in looked)


def test_nobodys_hash_is_like_a_real_one_and_matches_nothing() -> None:
    real = passwords.hashed(PASSWORD)
    assert [len(part) for part in real.split("$")] == [len(part) for part in passwords.NOBODY.split("$")]
    assert real.split("$")[:2] == passwords.NOBODY.split("$")[:2]
    for password in ("", PASSWORD, "x" * passwords.LONGEST):
        assert not passwords.is_right(password, None)


def form_token(site: Site) -> tuple[str, dict[str, str]]:
    answer = site.get("/sign-in")
    return answer.cookies["ds_csrftoken"], {"ds_csrftoken": answer.cookies["ds_csrftoken"]}


def post(
    site: Site, path: str, form: dict[str, Any], cookies: dict[str, str], **options: Any
) -> httpx.Response:
    return asyncio.run(site.datasette.client.post(path, data=form, cookies=cookies, **options))


def test_five_failures_with_a_name_from_an_address_are_the_last_for_a_while(
    desk: Desk, anybody: httpx.Client, address: str
) -> None:
    add_person(desk, "limited")
    for name in ("limited", "limited-nobody"):
        assert [attempt(anybody, name).status_code for _ in range(5)] == [403] * 5
        answer = attempt(anybody, name, PASSWORD)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "900"
        assert "Wait 15 minutes" in words(answer)
        assert "tracker" not in anybody.cookies
    # The account's owner, who is somewhere else, is not locked out.
    assert attempt(anybody, "limited", PASSWORD, new_address()).status_code == 303
    change(desk, "update sign_in_failures set failed = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-16 minutes')")
    assert attempt(anybody, "limited", PASSWORD).status_code == 303


def test_an_address_has_thirty_failures_whatever_the_names_and_a_network_of_ipv6_counts_as_one(
    desk: Desk, address: str
) -> None:
    change(desk, "delete from sign_in_failures")
    with httpx.Client(base_url=address) as client:
        client.get("/sign-in")
        codes = [attempt(client, f"x{n}", address=f"2001:db8:1:2::{n:x}").status_code for n in range(31)]
        assert codes == [403] * 30 + [429]
        # Another network of the same customer's, and another customer's.
        assert attempt(client, "x", address="2001:db8:1:3::1").status_code == 429
        assert attempt(client, "x", address="2001:db8:2::1").status_code == 403


def test_a_password_tried_from_everywhere_is_stopped(desk: Desk, address: str) -> None:
    add_person(desk, "popular")
    tried = signin.sha256(b"popular").hexdigest()[:32]
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.executemany(
            "insert into sign_in_failures (name, address, failed) "
            "values (?, ?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))",
            [(tried, f"192.0.2.{n}") for n in range(100)],
        )
    with httpx.Client(base_url=address) as client:
        client.get("/sign-in")
        assert attempt(client, "popular", PASSWORD, new_address()).status_code == 429


def test_success_forgets_what_was_mistyped(desk: Desk, anybody: httpx.Client) -> None:
    add_person(desk, "mistyper")
    for _ in range(3):
        assert [attempt(anybody, "mistyper").status_code for _ in range(4)] == [403] * 4
        assert attempt(anybody, "mistyper", PASSWORD).status_code == 303


def test_attempts_at_once_gain_nothing(desk: Desk, anybody: httpx.Client) -> None:
    add_person(desk, "raced")
    codes: list[int] = []
    token, headers = anybody.cookies["ds_csrftoken"], dict(anybody.headers)

    def once() -> None:
        form = {"csrftoken": token, "name": "raced", "password": "wrong"}
        answer = httpx.post(
            f"{anybody.base_url}/sign-in",
            data=form,
            headers=headers,
            cookies={"ds_csrftoken": token},
            timeout=60,
        )
        codes.append(answer.status_code)

    threads = [threading.Thread(target=once) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [403] * 5 + [429] * 3


def test_what_is_typed_as_a_name_is_not_kept_as_it_is(desk: Desk, anybody: httpx.Client) -> None:
    attempt(anybody, "my-secret-in-the-wrong-field")
    assert "my-secret" not in repr(db_rows(desk, "select * from sign_in_failures"))


def test_a_flood_of_attempts_is_turned_away_and_pages_are_served_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(desk)
    release, hashing = threading.Event(), []

    def slow(given: str, stored: str | None) -> bool:
        hashing.append(threading.current_thread())
        assert release.wait(30)
        return False

    monkeypatch.setattr(passwords, "is_right", slow)
    token, cookies = form_token(site)

    async def flood() -> list[int]:
        client = site.datasette.client
        form = {"csrftoken": token, "password": "x"}
        tasks = [
            asyncio.create_task(client.post("/sign-in", data={**form, "name": f"flood{n}"}, cookies=cookies))
            for n in range(14)
        ]
        while not (len(hashing) == 2 and sum(task.done() for task in tasks) == 4):
            await asyncio.sleep(0.01)
        assert (await client.get("/")).status_code == 200
        turned_away = [task.result() for task in tasks if task.done()]
        assert all("Try again in a few seconds" in answer.text for answer in turned_away)
        assert all(answer.headers["retry-after"] == "5" for answer in turned_away)
        release.set()
        return sorted([(await task).status_code for task in tasks])

    change(desk, "delete from sign_in_failures")
    assert asyncio.run(flood()) == [403] * 10 + [503] * 4
    assert len(set(hashing)) == 2


# -- the account -----------------------------------------------------------------------------------

NEW = "another word or four"


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(desk: Desk, address: str) -> None:
    add_person(desk, "changer")
    with signed_in(address, "changer") as here, signed_in(address, "changer") as there:
        for fields, words_ in (
            ({"old": "wrong", "new": NEW, "again": NEW}, "The old password is wrong."),
            ({"old": PASSWORD, "new": NEW, "again": NEW + "x"}, "two new passwords differ"),
            ({"old": PASSWORD, "new": "short", "again": "short"}, "at least 12 characters"),
            (
                {"old": PASSWORD, "new": "changer12345", "again": "changer12345"},
                "more than the person's name",
            ),
        ):
            answer = send(here, "/account/password", **fields)
            assert answer.status_code == 400
            assert words_ in words(answer)
            assert actor(there)
        before = here.cookies["tracker"]
        answer = send(here, "/account/password", old=PASSWORD, new=NEW, again=NEW)
        assert answer.status_code == 303
        assert "Your password is changed." in words(here.get(answer.headers["location"]))
        assert actor(here)["id"] == "changer"
        assert actor(there) is None
        assert actor(address, headers={"Cookie": f"tracker={before}"}) is None
    with signed_in(address, "changer", NEW), httpx.Client(base_url=address) as client:
        client.get("/sign-in")
        assert attempt(client, "changer", PASSWORD).status_code == 403


def test_the_old_password_cannot_be_guessed_on_the_account_page(desk: Desk, address: str) -> None:
    add_person(desk, "guessed")
    with signed_in(address, "guessed") as client:
        client.headers["X-Forwarded-For"] = new_address()
        fields = {"old": "wrong", "new": NEW, "again": NEW}
        for _ in range(5):
            assert "old password is wrong" in words(send(client, "/account/password", **fields))
        assert "Wait 15 minutes" in words(send(client, "/account/password", **{**fields, "old": PASSWORD}))


def test_signing_out_everywhere_ends_every_session_and_token(desk: Desk, address: str) -> None:
    add_person(desk, "everywhere")
    token = {"Authorization": f"Bearer {add_token(desk, 'everywhere', 'read', 'tag')}"}
    assert httpx.get(f"{address}/my-work", headers=token).status_code == 200
    with signed_in(address, "everywhere") as here, signed_in(address, "everywhere") as there:
        assert send(here, "/account/sessions").status_code == 303
        assert actor(here) is None
        assert actor(there) is None
    assert httpx.get(f"{address}/my-work", headers=token).status_code == 401


def test_a_token_is_shown_once_and_serves_as_far_as_it_says(desk: Desk, address: str) -> None:
    person = add_person(desk, "maker", "lead")
    with signed_in(address, "maker") as client:
        answer = send(client, "/account/tokens", name="nightly", scope=["tag", "read"], days="7")
        assert answer.status_code == 200
        assert "no-store" in answer.headers["cache-control"]
        (token,) = set(re.findall(r"ett_[\w-]+", answer.text))
        page = client.get("/account")
        assert "nightly" in words(page)
        assert "ett_" not in page.text
        assert actor(address, headers=bearer(token)) == {
            "id": "maker", "name": "maker", "role": "lead", "person": person.id, "scopes": ["read", "tag"],
            "token": db_rows(desk, "select max(id) from tokens")[0][0],
        }  # fmt: skip
        (id,) = html.fromstring(client.get("/account").text).xpath('//button[@name="token"]/@value')
        assert send(client, "/account/tokens/revoke", token=id).status_code == 303
        assert actor(address, headers=bearer(token)) is None
        for fields in (
            {"name": "x", "days": "7"},
            {"name": "", "scope": "tag", "days": "7"},
            {"name": "x", "scope": "all", "days": "7"},
            {"name": "x", "scope": "tag", "days": "999"},
            {"name": "x", "scope": "tag", "days": "many"},
        ):
            assert send(client, "/account/tokens", **fields).status_code == 400, fields
        assert send(client, "/account/tokens/revoke", token="999999").status_code == 400


def test_nobody_revokes_the_token_of_another(desk: Desk, address: str) -> None:
    add_person(desk, "owner")
    add_person(desk, "other", "admin")
    token = add_token(desk, "owner", "tag")
    id = actor(address, headers=bearer(token))["token"]
    with signed_in(address, "other") as client:
        assert send(client, "/account/tokens/revoke", token=id).status_code == 400
    assert actor(address, headers=bearer(token))


def test_a_tagger_can_make_no_token_for_what_a_lead_may(desk: Desk, address: str) -> None:
    add_person(desk, "tagger")
    with signed_in(address, "tagger") as client:
        page = html.fromstring(client.get("/account").text)
        assert page.xpath('//input[@name="scope"]/@value') == ["read", "tag", "decide"]
        answer = send(client, "/account/tokens", name="x", scope="lead", days="7")
        assert answer.status_code == 400
        assert "needs a higher role" in words(answer)


def test_the_account_is_of_nobody_who_is_not_signed_in(address: str) -> None:
    answer = httpx.get(f"{address}/account")
    assert (answer.status_code, answer.headers["location"]) == (302, "/sign-in?next=/account")


@pytest.mark.parametrize("path", ["/sign-in", "/account"])
def test_what_is_somebodys_own_is_stored_nowhere(desk: Desk, address: str, path: str) -> None:
    assert "no-store" in httpx.get(address + path).headers["cache-control"]
    if not desk_has(desk, "store"):
        add_person(desk, "store")
    with signed_in(address, "store") as client:
        for page in (path, "/", f"/articles/{RETRACTED}", "/evidence"):
            headers = client.get(page).headers
            assert "private" in headers["cache-control"] or "no-store" in headers["cache-control"]
            assert "public" not in headers["cache-control"]


# -- tokens ----------------------------------------------------------------------------------------


def test_a_token_ends_with_its_time_its_owner_and_its_owners_role(desk: Desk, address: str) -> None:
    add_person(desk, "token", "lead")
    token = add_token(desk, "token", "lead", days=1)
    assert actor(address, headers=bearer(token))["role"] == "lead"
    change_person(desk, "token", role="reader")
    assert actor(address, headers=bearer(token))["role"] == "reader"
    change_person(desk, "token", role="lead", disabled=True)
    assert actor(address, headers=bearer(token)) is None
    change_person(desk, "token", disabled=False)
    assert actor(address, headers=bearer(token))
    id = actor(address, headers=bearer(token))["token"]
    change(desk, "update tokens set expires = '2020-01-01T00:00:00Z' where id = ?", id)
    assert actor(address, headers=bearer(token)) is None


def test_a_token_that_does_not_count_does_not_fall_back_on_the_cookie(desk: Desk, address: str) -> None:
    add_person(desk, "fallback")
    good = add_token(desk, "fallback", "tag")
    with signed_in(address, "fallback") as client:
        for value in (
            f"Bearer {good}x",
            "Bearer ett_",
            "bearer ett_nothing",
            "Bearer something-else",
            "BEARER  x",
        ):
            assert actor(client, headers={"Authorization": value}) is None, value
        assert actor(client, headers={"Authorization": "Basic eDp5"})["id"] == "fallback"
        assert actor(client, headers={"Authorization": f"bearer {good}"})["token"]


def test_what_is_answered_to_a_token_is_private(desk: Desk, address: str) -> None:
    add_person(desk, "private")
    headers = bearer(add_token(desk, "private", "read"))
    for path in (
        "/",
        "/questions/cystitis.ris",
        "/changes.atom",
        "/evidence.json",
        "/sitemap.xml",
        "/nowhere",
    ):
        answer = httpx.get(address + path, headers=headers).headers
        assert "private" in answer["cache-control"], path
        assert "authorization" in answer["vary"].lower(), path
        assert "authorization" in httpx.get(address + path).headers["vary"].lower(), path


def test_a_tokens_last_use_is_noted_to_the_hour(desk: Desk, address: str) -> None:
    add_person(desk, "used")
    token = add_token(desk, "used", "tag")

    def used() -> str | None:
        found: str | None = db_rows(
            desk,
            "select max(coalesce(used, '')) from tokens where hash = ?",
            signin.sha256(token.encode()).hexdigest(),
        )[0][0]
        return found

    def ask_and_wait(until: Any) -> None:
        limit = time.monotonic() + 10
        actor(address, headers=bearer(token))
        while not until() and time.monotonic() < limit:
            time.sleep(0.01)
        assert until()

    assert used() == ""
    ask_and_wait(lambda: used() != "")
    for ago, is_noted in (("-59 minutes", False), ("-61 minutes", True)):
        change(desk, "update tokens set used = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?)", ago)
        before = used()
        if is_noted:
            ask_and_wait(lambda before=before: used() != before)
        else:
            actor(address, headers=bearer(token))
            time.sleep(0.2)
            assert used() == before


def test_a_token_looks_after_no_account(desk: Desk, address: str) -> None:
    add_person(desk, "program", "admin")
    headers = bearer(add_token(desk, "program", "read", "tag", "decide", "lead"))
    assert httpx.get(f"{address}/account", headers=headers).status_code == 403
    fields = {
        "old": PASSWORD,
        "new": NEW,
        "again": NEW,
        "name": "x",
        "scope": "lead",
        "days": "7",
        "token": "1",
    }
    for path in ("password", "tokens", "tokens/revoke", "sessions"):
        answer = httpx.post(f"{address}/account/{path}", data=fields, headers=headers)
        assert answer.status_code == 403, path


# -- permissions -----------------------------------------------------------------------------------

MAY = {
    None: set(),
    "reader": set(),
    "tagger": {"tracker-tag", "tracker-decide"},
    "lead": {"tracker-tag", "tracker-decide", "tracker-lead"},
    "admin": {"tracker-tag", "tracker-decide", "tracker-lead", "tracker-admin"},
}
PERMISSIONS = sorted(MAY["admin"])


def allowed(site: Site, actor: dict[str, Any] | None) -> set[str]:
    async def ask() -> set[str]:
        return {
            name for name in PERMISSIONS if await site.datasette.permission_allowed(actor, name, default=True)
        }

    return asyncio.run(ask())


@pytest.mark.parametrize("role", MAY)
def test_roles_are_datasettes_permissions(desk: Desk, role: str | None) -> None:
    site = Site(desk)
    somebody = role and {"id": "x", "name": "X", "role": role, "person": 1}
    assert allowed(site, somebody) == MAY[role]
    if somebody:
        for scopes in ([], ["read"], ["tag"], ["tag", "lead"]):
            ours = {f"tracker-{scope}" for scope in scopes}
            assert allowed(site, somebody | {"scopes": scopes}) == MAY[role] & ours
    assert allowed(site, {"id": "x", "role": "admin"}) == set()


def test_another_plugin_may_deny_but_not_grant(desk: Desk) -> None:
    from datasette import hookimpl

    class Other:
        __name__ = "other"
        says: bool

        @hookimpl
        def permission_allowed(self, action: str) -> bool | None:
            return self.says if action in PERMISSIONS else None

    other, site = Other(), Site(desk)
    pm.register(other)
    try:
        other.says = True
        assert allowed(site, {"id": "x"}) == set()
        assert allowed(site, {"id": "x", "role": "tagger", "person": 1}) == MAY["tagger"]
        other.says = False
        assert allowed(site, {"id": "x", "role": "admin", "person": 1}) == set()
    finally:
        pm.unregister(other)


def test_an_admin_sees_annotations_no_more_than_anybody(desk: Desk, address: str) -> None:
    add_person(desk, "boss", "admin")
    with signed_in(address, "boss") as client:
        for path in ("/annotations", "/annotations.json", "/annotations/people", "/annotations/people.json",
                     "/_site", "/_internal", "/-/permissions", "/annotations.db"):  # fmt: skip
            assert client.get(path).status_code in (403, 404), path
        assert (
            client.get("/evidence.json", params={"sql": "select * from annotations.people"}).status_code
            == 400
        )


def test_no_page_tells_a_hash_a_secret_or_a_session(desk: Desk, address: str) -> None:
    add_person(desk, "secretive", "admin")
    token = add_token(desk, "secretive", "read")
    secrets = [
        *(
            hash.split("$")[-1]
            for (hash,) in db_rows(desk, "select password_hash from people")
            if hash and hash.count("$") == 3
        ),
        *(hash for (hash,) in db_rows(desk, "select hash from tokens")),
        (desk.db.parent / ".secret").read_text().strip(),
        token,
    ]
    assert len(secrets) > 4
    with signed_in(address, "secretive") as client:
        for path in ("/-/actor.json", "/-/metadata.json", "/-/plugins.json", "/-/settings.json", "/-/versions.json",
                     "/-/threads.json", "/-/databases.json", "/account", "/", "/-/allow-debug"):  # fmt: skip
            page = client.get(path)
            assert page.status_code == 200
            for secret in secrets:
                assert secret not in page.text, path
    assert "auth-passwords" not in httpx.get(f"{address}/-/plugins.json").text


@pytest.mark.parametrize("path", ["/-/login", "/-/password-tool"])
def test_the_routes_of_the_plugin_whose_hashing_is_used_are_not_there(address: str, path: str) -> None:
    assert httpx.get(address + path).status_code == 404
    assert httpx.post(address + path).status_code == 404


# -- a closed site ---------------------------------------------------------------------------------

# By what a stranger gets there. Every route of ours, and of Datasette's, is met by one of these (a test sees to it).
LEADS_TO_SIGN_IN = (
    *OURS, "/evidence", "/evidence/articles", f"/evidence/articles/{RETRACTED}", "/evidence?sql=select+1",
    "/evidence/withdrawn", "/-/databases", "/-/metadata", "/-/plugins", "/-/settings", "/-/versions", "/-/threads",
    "/-/actor", "/-/permissions", "/-/messages", "/-/patterns", "/account",
)  # fmt: skip
REFUSED = (
    *(f"/questions/cystitis.{extension}" for extension in exports.EXTENSIONS),
    *(f"/search.{extension}?q=bladder" for extension in exports.EXTENSIONS),
    "/changes.atom", "/sitemap.xml", "/sitemaps/pages.xml", "/sitemaps/articles-1800.xml", "/.json",
    "/evidence.json", "/evidence.json?sql=select+*+from+articles", "/evidence/articles.json",
    "/evidence/articles.ris", f"/evidence/articles/{RETRACTED}.json",
    f"/evidence/articles/{RETRACTED}.blob?_blob_column=title",
    "/evidence/withdrawn.json", "/-/databases.json", "/-/metadata.json", "/-/plugins.json", "/-/settings.json",
    "/-/versions.json", "/-/threads.json", "/-/actor.json", "/evidence.db",
)  # fmt: skip
OPEN = (
    "/robots.txt", "/sign-in", "/-/health", "/-/static/app.css",
    "/-/static-plugins/evidence-tracker/tracker.css", "/favicon.ico",
)  # fmt: skip
# Whoever has the random name of a subscription may open them.
LINKS_OF_MAILS = (f"/subscribe/{'0' * 32}", f"/unsubscribe/{'0' * 32}")


@pytest.fixture(scope="module")
def closed(desk: Desk) -> Site:
    return Site(desk, closed=True)


@pytest.fixture(scope="module")
def reader(desk: Desk, closed: Site) -> dict[str, str]:
    return closed.session(add_person(desk, "closed-reader", "reader"))


@pytest.mark.parametrize("path", LEADS_TO_SIGN_IN)
def test_a_closed_site_leads_a_stranger_to_the_form(closed: Site, reader: dict[str, str], path: str) -> None:
    for accept in ("*/*", "text/html,application/xhtml+xml,*/*;q=0.8"):
        answer = closed.get(path, headers={"Accept": accept})
        assert answer.status_code == 302
        there = httpx.URL(answer.headers["location"])
        assert (there.path, there.params["next"]) == ("/sign-in", path)
        assert "public" not in answer.headers.get("cache-control", "")
        assert "etag" not in answer.headers
        assert not answer.text
    if path != "/account":
        assert closed.get(path, headers={"Accept": "application/json"}).status_code == 403
        assert closed.get(path, headers=bearer("ett_nothing")).status_code == 401
    if path not in ("/-/permissions",):
        assert closed.get(path, cookies=reader).status_code == 200


@pytest.mark.parametrize("path", REFUSED)
def test_a_closed_site_gives_nothing_away_in_any_format(
    closed: Site, reader: dict[str, str], path: str
) -> None:
    for headers in ({}, {"Accept": "text/html"}, {"If-None-Match": "*"}):
        answer = closed.get(path, headers=headers)
        assert answer.status_code == 403
        assert len(answer.text) < 6000
    answer = closed.get(path, headers=bearer("ett_nothing"))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    if path != "/evidence.db":
        assert closed.get(path, cookies=reader).status_code == 200, path


def test_csv_of_a_closed_site_holds_nothing(closed: Site, reader: dict[str, str]) -> None:
    """Datasette answers a CSV that cannot be had in its own way."""
    for path in (
        "/evidence/articles.csv",
        "/evidence.csv?sql=select+*+from+articles",
        "/evidence/articles.csv?_stream=1",
    ):
        answer = closed.get(path)
        assert answer.status_code == 403 or not answer.text.strip()
        assert closed.get(path, cookies=reader).text.count("\n") > 5


@pytest.mark.parametrize("path", OPEN)
def test_what_the_sign_in_page_needs_is_open(closed: Site, path: str) -> None:
    assert closed.get(path).status_code == 200


def test_a_closed_site_tells_robots_to_stay_away(closed: Site) -> None:
    assert closed.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"


def test_every_page_of_datasettes_is_among_those_that_are_tried(closed: Site) -> None:
    tried = [path.partition("?")[0] for path in (*LEADS_TO_SIGN_IN, *REFUSED, *OPEN, *LINKS_OF_MAILS)]
    # What shows nothing that is stored: signing out, a one-time key, a calculator of rules, other plugins' files.
    others = [
        "/-/logout", "/-/auth-token", "/-/allow-debug", "/-/static-plugins/x/y", "/-/static-plugins/evidence_tracker/y",
        "/:memory:", "/-/config", "/-/config.json",
    ]  # fmt: skip
    ours = {pattern for pattern, _ in plugin.register_routes()}
    for pattern, _ in closed.datasette._routes():
        assert pattern.pattern in ours or any(map(pattern.match, (*tried, *others))), pattern.pattern


@pytest.mark.parametrize("route", [route for route in ROUTES if route.read or route.write], ids=example)
def test_every_address_of_ours_refuses_a_stranger(closed: Site, route: Route) -> None:
    """Whatever is added to the table of routes."""
    path = example(route)
    assert re.match(route.path, path), path
    if path in OPEN:
        return
    if path in LINKS_OF_MAILS:
        assert closed.get(path).status_code == 404
        return
    assert closed.get(path).status_code in (302, 401, 403, 405), path
    token, cookies = form_token(closed)
    form = {"csrftoken": token}
    if path != "/sign-out":
        assert post(closed, path, form, cookies).status_code in (302, 401, 403, 405), path


def test_a_token_reads_a_closed_site_where_it_is_for_reading(desk: Desk, closed: Site) -> None:
    add_person(desk, "closed-program", "lead")
    reads, tags = (add_token(desk, "closed-program", scope) for scope in ("read", "tag"))
    assert closed.get("/questions/cystitis.ris", headers=bearer(reads)).status_code == 200
    assert closed.get("/questions/cystitis.ris", headers=bearer(tags)).status_code == 403
    assert closed.get("/", headers=bearer(tags)).status_code == 403


def test_a_token_for_tagging_tags_on_a_closed_site_and_one_that_counts_no_more_is_told_so(
    desk: Desk, closed: Site
) -> None:
    add_person(desk, "closed-tagger")
    reads, tags = (add_token(desk, "closed-tagger", scope) for scope in ("read", "tag"))
    path, form = f"/articles/{RETRACTED}/tag", {"tag": "bladder"}
    for site in (closed, Site(desk)):
        assert post(site, path, form, {}, headers=bearer(tags)).status_code in (200, 303)
        assert post(site, path, form, {}, headers=bearer(reads)).status_code == 403
        answer = post(site, path, form, {}, headers=bearer("ett_nothing"))
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert post(site, path, form, {}, headers={"Accept": "application/json"}).status_code in (401, 403)


def test_nothing_is_confirmed_to_somebody_who_may_not_read(
    desk: Desk, closed: Site, reader: dict[str, str]
) -> None:
    tag = Site(desk).get("/").headers["etag"]
    for path in OURS:
        for header in (tag, "*"):
            assert closed.get(path, headers={"If-None-Match": header}).status_code == 302


def test_one_setting_closes_the_site_that_is_served(desk: Desk) -> None:
    add_person(desk, "closed-served", "reader")
    with served(desk, TRACKER_CLOSED="1") as url:
        assert httpx.get(url).status_code == 302
        assert httpx.get(f"{url}/evidence.json").status_code == 403
        with signed_in(url, "closed-served") as client:
            assert client.get("/").status_code == 200
            assert client.get("/evidence.json").status_code == 200
            change_person(desk, "closed-served", disabled=True)
            assert client.get("/evidence.json").status_code == 403


@pytest.mark.parametrize(
    ("value", "closed"), [("1", True), ("yes", True), ("TRUE", True), ("0", False), ("", False)]
)
def test_the_setting_is_yes_or_no(tmp_path: Path, value: str, closed: bool) -> None:
    assert load_settings(environ={"TRACKER_CLOSED": value}, cwd=tmp_path).closed is closed


def test_a_setting_that_is_neither_yes_nor_no_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="TRACKER_CLOSED: 'oui' is neither"):
        load_settings(environ={"TRACKER_CLOSED": "oui"}, cwd=tmp_path)


# -- other ways of signing in ----------------------------------------------------------------------


@contextmanager
def loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A plugin that is not installed for every test, as Datasette would load it."""
    monkeypatch.syspath_prepend(str(PLUGINS))
    try:
        module = importlib.import_module(name)
    except ImportError:
        missing(f"{name} is not in {PLUGINS}: make setup")
    pm.register(module)
    try:
        yield module
    finally:
        pm.unregister(module)


@pytest.fixture
def configured(desk: Desk) -> Iterator[Desk]:
    """With a metadata.yml of its own, which has what both plugins ask for."""
    metadata = yaml.safe_load(METADATA.read_text(encoding="utf-8"))
    metadata["plugins"] = {
        "datasette-auth-headers": {"id-header-name": "X-Remote-User"},
        "datasette-auth-github": {
            "client_id": {"$env": "GITHUB_ID"},
            "client_secret": {"$env": "GITHUB_SECRET"},
        },
    }
    (desk.home / "metadata.yml").write_text(yaml.safe_dump(metadata), "utf-8")
    yield desk
    (desk.home / "metadata.yml").unlink()


def test_somebody_signed_in_by_a_proxy_is_one_of_ours_where_we_say_so(
    configured: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = add_person(configured, "proxied", "lead", identity="p.roxied@hospital.example")
    monkeypatch.chdir(configured.home)
    with loaded("datasette_auth_headers", monkeypatch):
        site = Site(configured)

        def who(**headers: str) -> Any:
            return site.get("/-/actor.json", headers=headers).json()["actor"]

        header = {"X-Remote-User": "p.roxied@hospital.example"}
        assert who(**header) == {"id": "proxied", "name": "proxied", "role": "lead", "person": person.id}
        assert who() is None
        # Whoever is known by nothing reads, also under a name of ours.
        assert who(**{"X-Remote-User": "proxied"}) == {"id": "proxied"}
        page = site.get("/account", headers={"X-Remote-User": "stranger"})
        assert "that account is not linked to anybody here" in " ".join(words(page).split())
        assert "stranger" in words(page)
        assert "private" in site.get("/", headers=header).headers["cache-control"]
        assert site.get("/", headers=header).headers["etag"] != site.get("/").headers["etag"]
        change_person(configured, "proxied", disabled=True)
        assert who(**header) == {"id": "p.roxied@hospital.example"}


def test_a_form_is_refused_from_elsewhere_also_where_a_proxy_signs_in(
    configured: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be no cookie at all, and Datasette asks for a form's token only where there is one."""
    add_person(configured, "by-header", "lead", identity="by-header@hospital.example")
    monkeypatch.chdir(configured.home)
    with loaded("datasette_auth_headers", monkeypatch):
        site = Site(configured)
        header = {"X-Remote-User": "by-header@hospital.example"}
        form = {"name": "x", "scope": "tag", "days": "7"}
        for more in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            assert post(site, "/account/tokens", form, {}, headers=header | more).status_code == 403
        token, cookies = form_token(site)
        answer = post(site, "/account/tokens", form | {"csrftoken": token}, cookies, headers=header)
        assert answer.status_code == 200
        assert "ett_" in answer.text
        # Some proxies add a key of their own to every request, and then Datasette compares no token.
        foreign = header | {"Authorization": "Bearer of-the-proxy"}
        assert post(site, "/account/tokens", form, cookies, headers=foreign).status_code == 403
        foreign |= {"Sec-Fetch-Site": "same-origin"}
        assert post(site, "/account/tokens", form, cookies, headers=foreign).status_code == 200


def test_the_site_is_served_with_both_plugins_installed(configured: Desk) -> None:
    """As real plugins, by their entry points, with a configuration that keeps secrets in the environment."""
    if not PLUGINS.is_dir():
        missing(f"there is no {PLUGINS}: make setup")
    add_person(configured, "both", "tagger", identity="both@hospital.example")
    environment = {"PYTHONPATH": str(PLUGINS), "GITHUB_ID": "id", "GITHUB_SECRET": "the-github-secret"}
    with served(configured, **environment) as url:
        names = {row["name"] for row in httpx.get(f"{url}/-/plugins.json").json()}
        assert {"datasette-auth-headers", "datasette-auth-github"} <= names
        assert actor(url, headers={"X-Remote-User": "both@hospital.example"})["role"] == "tagger"
        assert "Sign in with GitHub" in httpx.get(f"{url}/sign-in").text
        start = httpx.get(f"{url}/-/github-auth-start")
        assert start.headers["location"].startswith("https://github.com/login/oauth/authorize?")
        assert "the-github-secret" not in httpx.get(f"{url}/-/metadata.json").text
        with signed_in(url, "both") as client:
            assert actor(client)["id"] == "both"


class GitHub:
    """What the plugin asks of GitHub, answered here: there is no other way to it from a test."""

    def __init__(self, id: int, login: str) -> None:
        self.profile = {"id": id, "login": login, "name": "N", "email": None}

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/login/oauth/access_token":
            return httpx.Response(200, text="access_token=x")
        assert request.url == "https://api.github.com/user"
        return httpx.Response(200, json=self.profile)


@pytest.mark.parametrize(
    ("identity", "id", "login", "is_theirs"),
    [
        ("github:octocat", 583231, "Octocat", True),
        ("github:583231", 583231, "renamed", True),
        ("github:octocat", 1, "somebody", False),
        # Somebody may call themselves by another's number.
        ("github:583231", 7, "583231", False),
        ("octocat", 583231, "octocat", False),
    ],
)
def test_somebody_signed_in_by_github_is_one_of_ours_by_number_or_login(
    configured: Desk, monkeypatch: pytest.MonkeyPatch, identity: str, id: int, login: str, is_theirs: bool
) -> None:
    name = f"gh{abs(hash((identity, id, login)))}"[:20]
    change(configured, "update people set identity = null")
    add_person(configured, name, "tagger", identity=identity)
    monkeypatch.chdir(configured.home)
    monkeypatch.setenv("GITHUB_ID", "id")
    monkeypatch.setenv("GITHUB_SECRET", "secret")
    with loaded("datasette_auth_github", monkeypatch):
        site = Site(configured, closed=True)
        async_client, github = httpx.AsyncClient, GitHub(id, login)
        views = importlib.import_module("datasette_auth_github.views")
        fake = type(
            "Http", (), {"AsyncClient": lambda: async_client(transport=httpx.MockTransport(github.answer))}
        )
        monkeypatch.setattr(views, "httpx", fake)
        answer = site.get("/-/github-auth-callback?code=x")
        assert answer.status_code == 302
        cookies = {"ds_actor": answer.cookies["ds_actor"]}
        home = site.get("/", cookies=cookies)
        assert home.status_code == (200 if is_theirs else 302)
        if is_theirs:
            assert site.get("/-/actor.json", cookies=cookies).json()["actor"]["id"] == name
            token, more = form_token(site)
            out = post(site, "/sign-out", {"csrftoken": token}, cookies | more)
            assert any(
                value.startswith("ds_actor=") and "Max-Age=0" in value
                for value in out.headers.get_list("set-cookie")
            )
        else:
            page = site.get("/sign-in", cookies=cookies)
            assert "that account may not write here" in words(page)


def test_identities_are_compared_as_their_service_does() -> None:
    assert actors.tidy_identity("GitHub:OctoCat") == "github:octocat"
    assert actors.tidy_identity(" A.Meier@Example.org ") == "A.Meier@Example.org"
    assert actors.tidy_identity("") == ""
    assert actors.tidy_identity(None) is None
    assert actors.identities({"id": "x", "gh_login": "octocat"}) == ["x"]
