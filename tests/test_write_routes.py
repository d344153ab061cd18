"""Every address that writes, by everybody, in every wrong way: nothing is written without the right to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any, NamedTuple

import httpx
import pytest

from tests.conftest import Desk
from tests.helpers_site import PASSWORD, add_person, add_token, example, filled, send, served, signed_in
from tracker.evidence import derived
from tracker.site.routes import ROUTES, Route
from tracker.site.server.access import PERMISSIONS
from tracker.site.views import press, review, tagging
from tracker.site.views import team as team_views
from tracker.team.acts import PRESS_PARTS
from tracker.team.people import ROLES

NUMBERS = count(1)


class Write(NamedTuple):
    """An address that writes: the least role, a token's scope, and fields (``{n}`` makes each different)."""

    path: str
    role: str
    scope: str
    fields: dict[str, str]


# What each takes.
FIELDS: dict[Any, dict[str, str]] = {
    tagging.tag: {"tag": "teaching", "note": "{n}"},
    tagging.decide: {"question": "cystitis", "decision": "{decision}", "stage": "title-abstract"},
    tagging.note: {"text": "{n}"},
    tagging.label: {
        "label_group": "evidence_level",
        "machine_value": "",
        "verdict": "correct",
        "value": "{level}",
    },
    tagging.move: {"question": "cystitis", "value": "{directness}", "reason": "{n}"},
    tagging.do_bulk: {"action": "tag", "tag": "to discuss", "count": "{count}"},
    review.choose_labels: {"labels": "{labels}"},
    review.settle: {"pmid": "{settled}", "stage": "title-abstract", "decision": "exclude", "why": "{n}"},
    press.review: {
        "strategy": "{strategy}",
        "independent": "1",
        "overall_comment": "{n}",
        **dict.fromkeys(PRESS_PARTS, "no revision"),
    },
    tagging.undo: {},
    team_views.change_vocabulary: {"action": "add", "group": "Use", "name": "tag number {n}"},
    team_views.see: {"pmid": "{alert}", "field": "{field}", "noticed": "{noticed}"},
}
TEAMS = [route for route in ROUTES if route.write and not isinstance(route.writers, str)]
WRITES = tuple(
    Write(
        example(route, pmid="{pmid}"),
        min((PERMISSIONS[permission] for permission in route.writers), key=ROLES.index),
        route.writers[0].removeprefix("tracker-"),
        FIELDS[route.write],
    )
    for route in TEAMS
    if route.write in FIELDS
)
# Those of an account, which are anybody's own and no token's.
OWN = [example(route) for route in ROUTES if isinstance(route.writers, str) and not route.read]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    desk = filled(tmp_path_factory.mktemp("writes"))
    desk.annotations.unlink()
    for role in ROLES:
        add_person(desk, role, role)
        add_person(desk, f"{role}-gone", role)
    with served(desk) as address:
        for role in ROLES:
            with signed_in(address, role) as client:
                client.get("/account")
                if role == "tagger" or role == "lead":
                    # A conflict to settle, and a paper that was withdrawn before it was tagged.
                    pmid = papers(desk)[0]
                    decision = "include" if role == "tagger" else "exclude"
                    decided = {"question": "cystitis", "decision": decision, "stage": "title-abstract"}
                    assert send(client, f"/articles/{pmid}/decide", **decided).status_code == 303
        yield desk, address


def papers(desk: Desk) -> list[int]:
    with closing(sqlite3.connect(desk.db)) as db:
        query = "select pmid from question_articles where question = 'cystitis' and matching order by pmid"
        return [pmid for (pmid,) in db.execute(query)]


def written(desk: Desk) -> dict[str, list[Any]]:
    """All that people have written, and who they are; when a token was last used is not that."""
    with closing(sqlite3.connect(desk.annotations)) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        found = {name: db.execute(f"select * from {name}").fetchall() for name in tables}
        found["tokens"] = db.execute("select id, person, hash, revoked from tokens").fetchall()
        del found["sign_in_failures"]
        return found


def filled_in(desk: Desk, write: Write, role: str) -> tuple[str, dict[str, str]]:
    """The path, and fields that change something."""
    n = next(NUMBERS)
    every = papers(desk)
    values = {
        "n": f"unlike any other {n}",
        "pmid": every[1 + n % (len(every) - 1)],
        "settled": every[0],
        "count": len(every),
        "decision": ("include", "exclude", "unsure")[n % 3],
        "labels": ("hidden", "shown")[n % 2],
        "directness": ("direct", "indirect", "off")[n % 3],
        "level": ("2 (randomised trial)", "1 (systematic review)")[n % 2],
        "alert": 1,
        "field": "retracted",
        "noticed": "",
        "strategy": desk.column("select strategy from questions where slug = 'cystitis'")[0],
    }
    fields = {name: value.format(**values) for name, value in write.fields.items()}
    return write.path.format(**values), fields


@pytest.mark.parametrize("route", TEAMS, ids=lambda route: route.path)
def test_every_address_that_writes_says_who_may_and_is_tried(route: Route) -> None:
    assert route.writers
    assert route.write in FIELDS


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.path)
def test_who_may_not_writes_nothing(team: tuple[Desk, str], write: Write) -> None:
    desk, address = team
    before = written(desk)
    path, fields = filled_in(desk, write, "reader")
    with httpx.Client(base_url=address) as anonymous:
        assert anonymous.post(path, data=fields).status_code in (401, 403)
        anonymous.get("/sign-in")
        assert send(anonymous, path, **fields).status_code == 401
    for role in ROLES[: ROLES.index(write.role)]:
        with signed_in(address, role) as client:
            client.get("/account")
            assert (role, send(client, path, **fields).status_code) == (role, 403)
    assert written(desk) == before


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.path)
@pytest.mark.parametrize("role", ROLES)
def test_without_the_forms_token_or_from_elsewhere_nothing_is_written(
    team: tuple[Desk, str], write: Write, role: str
) -> None:
    desk, address = team
    with signed_in(address, role) as client:
        client.get("/account")
        before = written(desk)
        path, fields = filled_in(desk, write, role)
        token = client.cookies["ds_csrftoken"]
        wrong = token[:-2] + ("AA" if not token.endswith("AA") else "BB")
        session = {name: value for name, value in client.cookies.items() if name != "ds_csrftoken"}
        good = {**fields, "csrftoken": token}
        answers = {
            "GET": client.get(path, params=good),
            "no token": client.post(path, data=fields),
            "wrong token": client.post(path, data={**fields, "csrftoken": wrong}),
            "no cookie": httpx.post(address + path, data=good, cookies=session),
            "cross-site": client.post(path, data=good, headers={"Sec-Fetch-Site": "cross-site"}),
            "same-site": client.post(path, data=good, headers={"Sec-Fetch-Site": "same-site"}),
            "other origin": client.post(path, data=good, headers={"Origin": "https://evil.example"}),
            "null origin": client.post(path, data=good, headers={"Origin": "null"}),
            "JSON": client.post(path, json=good),
            "PUT": client.put(path, data=good),
            "DELETE": client.delete(path),
        }
        refused = {how: answer.status_code for how, answer in answers.items()}
        assert written(desk) == before
        if path.endswith(("/bulk", "/press")):
            # It has a page as well, for those who may.
            assert refused.pop("GET") in (200, 401, 403)
        others = {how: status for how, status in refused.items() if status not in (400, 401, 403, 404, 405)}
        assert others == {}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.path)
def test_whoever_may_writes_one_act(team: tuple[Desk, str], write: Write) -> None:
    desk, address = team
    for role in ROLES[ROLES.index(write.role) :]:
        with signed_in(address, role) as client:
            client.get("/account")
            if write.path == "/undo":
                send(client, f"/articles/{papers(desk)[2]}/note", text=f"to be undone {next(NUMBERS)}")
            path, fields = filled_in(desk, write, role)
            before = written(desk)["events"]
            answer = send(client, path, **fields)
            if write.path == "/alerts/seen":
                # Nothing was withdrawn since they tagged it.
                assert answer.status_code == 404
                continue
            assert (role, answer.status_code) == (role, 303), answer.text
            assert len(written(desk)["events"]) > len(before)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.path)
def test_a_token_writes_within_its_scope_only(team: tuple[Desk, str], write: Write) -> None:
    desk, address = team
    scopes = [scope for scope in ("read", "tag", "decide", "lead") if scope != write.scope]
    path, fields = filled_in(desk, write, "admin")
    if write.path == "/undo":
        # It asks for the scope of what is undone: test_a_token_undoes_nothing_beyond_its_scope.
        scopes = ["read"]
    others = {"Authorization": f"Bearer {add_token(desk, 'admin', *scopes)}"}
    before = written(desk)
    assert httpx.post(address + path, data=fields, headers=others).status_code == 403
    assert httpx.post(address + path, data=fields, headers={"Authorization": "Bearer ett_x"}).status_code in (
        401,
        403,
    )
    assert written(desk) == before
    if write.path in ("/undo", "/alerts/seen"):
        return
    own = {"Authorization": f"Bearer {add_token(desk, 'admin', write.scope or 'tag')}"}
    # A program has no form, and needs no token of one; nor does a cookie beside it matter.
    answer = httpx.post(address + path, data=fields, headers={**own, "Accept": "application/json"})
    assert (answer.status_code, answer.json()["ok"]) == (200, True), answer.text


def test_a_token_undoes_nothing_and_decides_nothing_in_bulk_beyond_its_scope(team: tuple[Desk, str]) -> None:
    desk, address = team
    pmid = papers(desk)[4]
    headers = {
        scope: {"Authorization": f"Bearer {add_token(desk, 'lead', scope)}", "Accept": "application/json"}
        for scope in ("tag", "decide", "lead")
    }

    def post(scope: str, path: str, **fields: Any) -> httpx.Response:
        return httpx.post(address + path, data=fields, headers=headers[scope])

    decided = {"question": "cystitis", "decision": "unsure", "stage": "title-abstract"}
    decision = post("decide", f"/articles/{pmid}/decide", **decided).json()["batch"]
    settled = {
        "pmid": papers(desk)[0],
        "stage": "title-abstract",
        "decision": "include",
        "why": "The last word",
    }
    settlement = post("lead", "/questions/cystitis/settle", **settled).json()["batch"]
    before = written(desk)
    assert post("tag", "/undo", batch=decision).status_code == 403
    for scope in ("tag", "decide"):
        assert post(scope, "/undo", batch=settlement).status_code == 403
    bulk = {"action": "exclude", "count": len(papers(desk))}
    assert post("tag", "/questions/cystitis/bulk", **bulk).status_code == 403
    assert (
        post("decide", "/questions/cystitis/bulk", **bulk | {"action": "tag", "tag": "teaching"}).status_code
        == 403
    )
    assert written(desk) == before
    # Who is no lead any more takes no word of a lead's back.
    assert desk.run("people", "role", "lead", "tagger").code == 0
    with signed_in(address, "lead") as client:
        client.get("/account")
        assert send(client, "/undo", batch=settlement).status_code == 403
    assert desk.run("people", "role", "lead", "lead").code == 0
    assert post("lead", "/undo", batch=settlement).status_code == 200
    assert post("decide", "/undo", batch=decision).status_code == 200


@pytest.mark.parametrize("cookies", [{}, {"x": "1"}])
def test_more_than_a_form_holds_is_not_heard_to_its_end(
    team: tuple[Desk, str], cookies: dict[str, str]
) -> None:
    desk, address = team
    before = written(desk)
    answer = httpx.post(f"{address}/sign-in", data={"name": "x" * 400_000}, cookies=cookies)
    # Without any cookie it is refused before it is heard.
    expected = (413, True) if cookies else (403, False)
    assert (answer.status_code, "262,144 bytes" in answer.text) == expected
    assert written(desk) == before


@pytest.mark.parametrize("field", ["batch", "count", "tag", "pmid", "id", "token"])
def test_a_number_of_many_digits_is_no_number(team: tuple[Desk, str], field: str) -> None:
    desk, address = team
    with signed_in(address, "lead") as client:
        client.get("/account")
        for write in WRITES:
            path, fields = filled_in(desk, write, "lead")
            if field in fields or field in ("batch", "id"):
                for digits in (25, 5000):
                    status = send(client, path, **{**fields, field: "9" * digits}).status_code
                    assert status in (303, 400, 404, 409), (path, status)
        assert send(client, "/account/tokens/revoke", token="9" * 5000).status_code in (303, 400, 404)


def test_who_was_disabled_writes_nothing_from_the_next_request_on(team: tuple[Desk, str]) -> None:
    desk, address = team
    for role in ROLES[1:]:
        token = add_token(desk, f"{role}-gone", "tag")
        with signed_in(address, f"{role}-gone") as client:
            client.get("/account")
            pmid = papers(desk)[3]
            assert send(client, f"/articles/{pmid}/note", text="Still here").status_code == 303
            assert desk.run("people", "disable", f"{role}-gone").code == 0
            before = written(desk)
            for write in WRITES:
                path, fields = filled_in(desk, write, role)
                assert (path, send(client, path, **fields).status_code) == (path, 401)
                answer = httpx.post(address + path, data=fields, headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code in (401, 403)
            assert written(desk) == before


def test_the_accounts_forms_need_their_token_and_take_no_programs(team: tuple[Desk, str]) -> None:
    desk, address = team
    program = {"Authorization": f"Bearer {add_token(desk, 'admin', 'read', 'tag', 'decide', 'lead')}"}
    with signed_in(address, "tagger") as client:
        client.get("/account")
        before = written(desk)
        for path in OWN:
            assert client.post(path, data={"old": PASSWORD}).status_code == 403
            assert client.get(path).status_code in (404, 405) or path == "/account"
            if path != "/sign-out":
                assert httpx.post(address + path, headers=program).status_code == 403
        assert written(desk) == before
        assert "Sign out" in client.get("/").text


def test_ten_thousand_papers_at_once_are_done_and_one_more_is_refused(team: tuple[Desk, str]) -> None:
    desk, address = team
    with closing(sqlite3.connect(desk.db)) as db, db:
        db.execute("pragma foreign_keys = off")
        columns = [row[1] for row in db.execute("pragma table_info(articles)") if row[1] != "pmid"]
        (one,) = db.execute("select min(pmid) from articles").fetchone()
        db.execute(
            f"""
            with recursive n(i) as (select 1 union all select i + 1 from n where i < 10001)
            insert into articles (pmid, {", ".join(columns)}) select 10000000 + i, {", ".join(columns)}
            from articles, n where pmid = ?
            """,
            (one,),
        )
        db.execute(
            """
            insert into question_articles (question, pmid, published, entered, reason, matching, created)
            select 'tolerance', pmid, '2001', '2001-01-01T00:00:00Z', 'loaded from a file', 1, '2001-01-01'
            from articles where pmid > 10000000 and pmid < 10010001
            """
        )
        db.execute(
            "delete from question_articles where question = 'tolerance' and pmid not between 10000001 and 10010000"
        )
        derived.fill(db)
    with signed_in(address, "lead") as client:
        page = client.get("/questions/tolerance/bulk").text
        assert "10,000 records" in " ".join(page.split()), page
        sent = {"action": "tag", "tag": "background", "count": "10000"}
        assert send(client, "/questions/tolerance/bulk", **sent).status_code == 303
        assert len(written(desk)["taggings"]) >= 10_000
        with closing(sqlite3.connect(desk.db)) as db, db:
            db.execute(
                """
                insert into question_articles (question, pmid, published, entered, reason, matching, created)
                values ('tolerance', 10010001, '2001', '2001-01-01T00:00:00Z', 'loaded from a file', 1, '2001-01-01')
                """
            )
            derived.fill(db)
        before = written(desk)["events"]
        answer = send(client, "/questions/tolerance/bulk", **{**sent, "count": "10001"})
        assert (answer.status_code, "more than 10,000 papers" in answer.text) == (409, True)
        assert written(desk)["events"] == before
