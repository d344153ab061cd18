"""Records that people move to another directness: on their pages, in lists, numbers, files and the log, and back."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from lxml import html

from tests.conftest import Desk
from tests.helpers_directness import REASON, read_as
from tests.helpers_site import add_person, add_token, articles_on, filled, send, served, signed_in

JSON = {"Accept": "application/json"}
# psychotherapy is screened by two who are blind to each other.
OPEN, BLIND = "cystitis", "psychotherapy"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, str]]:
    """The fixtures' site with two taggers and a reader; every second record was read as direct, the others as off."""
    desk = filled(tmp_path_factory.mktemp("placements"))
    desk.annotations.unlink()
    for slug in (OPEN, BLIND):
        read_as(
            desk, slug, {pmid: ("off", "direct")[n % 2] for n, pmid in enumerate(sorted(desk.matching(slug)))}
        )
    for name, role in (("ann", "tagger"), ("bob", "tagger"), ("rex", "reader")):
        add_person(desk, name, role, display_name=f"{name.title()} Surname")
    with served(desk) as address:
        yield desk, address


@pytest.fixture(autouse=True)
def nothing_placed(team: tuple[Desk, str]) -> None:
    with closing(sqlite3.connect(team[0].annotations)) as db, db:
        db.execute("delete from placements")
        db.execute("delete from decisions")
        db.execute("delete from unsealed")


@pytest.fixture
def ann(team: tuple[Desk, str]) -> Iterator[httpx.Client]:
    with signed_in(team[1], "ann") as client:
        client.get("/account")
        yield client


@pytest.fixture
def bob(team: tuple[Desk, str]) -> Iterator[httpx.Client]:
    with signed_in(team[1], "bob") as client:
        client.get("/account")
        yield client


def read_direct(desk: Desk, slug: str = OPEN) -> list[int]:
    return sorted(desk.column("select pmid from directness where question = ? and value = 'direct'", slug))


def move(client: httpx.Client, pmid: int, value: str, reason: str = "because", slug: str = OPEN) -> None:
    answer = send(client, f"/articles/{pmid}/place", question=slug, value=value, reason=reason)
    assert answer.status_code == 303, answer.text


def listed(client: httpx.Client | str, value: str, slug: str = OPEN, query: str = "") -> set[int]:
    """The PMIDs of the list with this directness, as CSV has it, which is of any length."""
    path = f"/questions/{slug}.csv?directness={value}{query}"
    answer = httpx.get(f"{client}{path}") if isinstance(client, str) else client.get(path)
    if answer.status_code == 400:
        assert "no article of" in answer.text
        return set()
    return {int(row["pmid"]) for row in rows_of(answer)}


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def bearing(page: str) -> str:
    """What an article's page says of how it bears on the questions, forms left out."""
    parts = html.fromstring(page).xpath('//section[@aria-labelledby="directness"]/*[not(self::form)]')
    return " ".join(" ".join(" ".join(part.itertext()) for part in parts).split())


def stored(desk: Desk, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return db.execute(query).fetchall()


def test_a_moved_record_leaves_one_list_and_joins_the_other(
    team: tuple[Desk, str], ann: httpx.Client
) -> None:
    desk, address = team
    before = desk.db.read_bytes()
    direct = set(read_direct(desk))
    pmid = max(direct)
    page = ann.get(f"/articles/{pmid}").text
    assert f"In people treated sorted by machine: {REASON}" in bearing(page)
    fields = {"question": OPEN, "value": "indirect", "reason": "Volunteers", "back": f"/articles/{pmid}"}
    answer = send(ann, f"/articles/{pmid}/place", **fields)
    assert answer.status_code == 303
    page = ann.get(answer.headers["location"]).text
    assert "Moved a record: In other people or animals." in page
    for reader in (ann, address):
        assert listed(reader, "direct") == direct - {pmid}
        assert listed(reader, "indirect") == {pmid}
    anonymous = httpx.get(f"{address}/articles/{pmid}").text
    assert (
        f"In other people or animals moved by Ann Surname: Volunteers In people treated sorted by machine: {REASON}"
        in bearing(anonymous)
    )
    assert '/place"' not in anonymous
    listed_page = httpx.get(f"{address}/questions/{OPEN}?directness=indirect").text
    assert articles_on(listed_page) == [pmid]
    assert desk.db.read_bytes() == before


def test_a_page_shows_what_was_moved_there_among_what_was_read_so(
    team: tuple[Desk, str], ann: httpx.Client
) -> None:
    desk, address = team
    direct = read_direct(desk)
    off = sorted(desk.matching(OPEN) - set(direct))
    move(ann, off[0], "direct")
    page = httpx.get(f"{address}/questions/{OPEN}?directness=direct")
    assert page.status_code == 200
    assert sorted(articles_on(page.text)) == sorted([*direct, off[0]])


def test_numbers_beside_filters_follow(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    direct = read_direct(desk)
    off = len(desk.matching(OPEN)) - len(direct)
    move(ann, direct[0], "off")
    page = " ".join(html.fromstring(httpx.get(f"{address}/questions/{OPEN}").text).text_content().split())
    assert f"In people treated {len(direct) - 1}" in page
    assert f"Not about this {off + 1}" in page


def test_what_was_said_last_counts_for_everybody(
    team: tuple[Desk, str], ann: httpx.Client, bob: httpx.Client
) -> None:
    desk, address = team
    pmid = read_direct(desk)[0]
    move(ann, pmid, "off")
    move(bob, pmid, "direct", "It is about it")
    assert pmid in listed(address, "direct")
    assert pmid not in listed(address, "off")
    # Said again, it is the last word again, also within the same second.
    move(ann, pmid, "off")
    assert pmid in listed(address, "off")
    assert len(stored(desk, "select 1 from placements")) == 2
    page = bearing(httpx.get(f"{address}/articles/{pmid}").text)
    assert page.index("moved by Ann Surname") < page.index("moved by Bob Surname: It is about it")


def test_it_is_undone_and_taken_back_like_a_tag(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    pmid = read_direct(desk)[0]
    move(ann, pmid, "off")
    move(ann, pmid, "indirect", "Second thoughts")
    assert send(ann, "/undo").status_code == 303
    assert stored(desk, "select value, reason from placements") == [("off", "because")]
    withdrawn = send(ann, f"/articles/{pmid}/place", question=OPEN, on="0")
    assert withdrawn.status_code == 303
    assert stored(desk, "select 1 from placements") == []
    assert pmid in listed(address, "direct")
    assert send(ann, "/undo").status_code == 303
    assert pmid in listed(address, "off")
    log = " ".join(html.fromstring(ann.get(f"/log?pmid={pmid}").text).text_content().split())
    assert (
        "Moved a record Not about this → In other people or animals (Second thoughts) for Ketamine cystitis"
        in log.replace(
            html.fromstring(ann.get(f"/questions/{OPEN}").text).xpath("string(//h1)").strip(),
            "Ketamine cystitis",
        )
    )
    assert "Took a move back Not about this" in log
    assert "Undid: moved a record" in log


def test_a_double_submit_writes_once(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, _ = team
    pmid = read_direct(desk)[0]
    fields = {"question": OPEN, "value": "off", "reason": "because"}
    token = {"csrftoken": ann.cookies["ds_csrftoken"]}
    answers = [
        ann.post(f"/articles/{pmid}/place", data=token | fields, headers=JSON).json() for _ in range(2)
    ]
    assert [answer["changed"] for answer in answers] == [1, 0]


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"value": "direct", "reason": "x"}, 400, "for which question"),
        ({"question": "nowhere", "value": "direct", "reason": "x"}, 404, "not in a question"),
        ({"question": OPEN, "value": "strong", "reason": "x"}, 400, "Use direct, indirect or off"),
        ({"question": OPEN, "value": "off", "reason": " "}, 400, "say why"),
        ({"question": OPEN, "value": "off", "reason": "x" * 301}, 400, "at most 300 characters"),
        ({"question": OPEN, "value": "off", "reason": "two\nlines"}, 400, "one line"),
    ],
)
def test_what_cannot_be_is_answered_clearly_and_nothing_is_written(
    team: tuple[Desk, str], ann: httpx.Client, fields: dict[str, str], status: int, words: str
) -> None:
    desk, _ = team
    answer = send(ann, f"/articles/{read_direct(desk)[0]}/place", **fields)
    assert answer.status_code == status
    assert words in answer.text
    assert stored(desk, "select 1 from placements") == []


def test_what_others_placed_is_hidden_until_two_have_decided(
    team: tuple[Desk, str], ann: httpx.Client, bob: httpx.Client
) -> None:
    desk, address = team
    pmid = read_direct(desk, BLIND)[0]
    move(ann, pmid, "off", "Hidden reason", BLIND)
    everywhere = (f"/articles/{pmid}", f"/questions/{BLIND}", f"/questions/{BLIND}.json", f"/log?pmid={pmid}")
    assert pmid in listed(ann, "off", BLIND)
    for reader in (bob, address):
        assert pmid in listed(reader, "direct", BLIND)
        assert pmid not in listed(reader, "off", BLIND)
    for path in everywhere:
        assert "Hidden reason" not in bob.get(path).text
    assert "Hidden reason" in bearing(ann.get(f"/articles/{pmid}").text)
    # Nor do a choice among filters, or an answer to the same wish, tell that somebody placed it.
    move(bob, pmid, "direct", "mine", BLIND)
    for client in (ann, bob):
        decided = {"question": BLIND, "decision": "exclude", "stage": "title-abstract"}
        assert send(client, f"/articles/{pmid}/decide", **decided).status_code == 303
    assert "Hidden reason" in bob.get(f"/articles/{pmid}").text
    assert "Hidden reason" in httpx.get(f"{address}/articles/{pmid}").text


def test_a_file_says_what_was_read_and_what_people_said(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    pmid, other = read_direct(desk)[:2]
    move(ann, pmid, "off", "Of mice")
    (desk.home / "list.csv").write_bytes(httpx.get(f"{address}/questions/{OPEN}.csv").content)
    by_pmid = {int(row["pmid"]): row for row in rows_of(httpx.get(f"{address}/questions/{OPEN}.csv"))}
    names = ("directness (read by machine)", "directness (said by people)")
    assert [by_pmid[pmid][name] for name in names] == [f"direct: {REASON}", "off: Of mice (Ann Surname)"]
    assert [by_pmid[other][name] for name in names] == [f"direct: {REASON}", ""]
    articles = httpx.get(f"{address}/questions/{OPEN}.json").json()["articles"]
    said = {each["pmid"]: (each["directness"], each["placement"]) for each in articles}
    read = {"value": "direct", "reason": REASON, "read_by": "machine"}
    assert said[pmid] == (read, {"value": "off", "reason": "Of mice", "person": "Ann Surname"})
    assert said[other] == (read, None)
    found = {each["pmid"]: each for each in httpx.get(f"{address}/search.json?q=ketamine").json()["articles"]}
    assert {(each["directness"], each["placement"]) for each in found.values()} == {(None, None)}
    ris = httpx.get(f"{address}/questions/{OPEN}.ris").text
    assert "directness: off: Of mice (Ann Surname)" in ris
    exported = desk.run("export", OPEN, "--format", "json")
    assert exported.json["articles"] == articles


def test_a_feed_follows(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    pmid = read_direct(desk)[0]
    move(ann, pmid, "indirect")
    assert f"/{pmid}/" in httpx.get(f"{address}/questions/{OPEN}.atom?directness=indirect").text
    assert f"/{pmid}/" not in httpx.get(f"{address}/questions/{OPEN}.atom?directness=direct").text


def test_where_nothing_was_read_people_say_it_all(team: tuple[Desk, str], ann: httpx.Client) -> None:
    desk, address = team
    pmid = min(desk.matching("tolerance"))
    assert "sorted by machine" not in httpx.get(f"{address}/articles/{pmid}").text.split("tolerance")[-1]
    move(ann, pmid, "direct", "Read it", "tolerance")
    assert listed(address, "direct", "tolerance") == {pmid}
    assert "In people treated moved by Ann Surname: Read it" in bearing(
        httpx.get(f"{address}/articles/{pmid}").text
    )


def test_a_program_moves_within_its_scope(team: tuple[Desk, str]) -> None:
    desk, address = team
    pmid = read_direct(desk)[0]
    for scope, status in (("read", 403), ("tag", 200)):
        headers = JSON | {"Authorization": f"Bearer {add_token(desk, 'ann', scope)}"}
        fields = {"question": OPEN, "value": "off", "reason": "because"}
        answer = httpx.post(f"{address}/articles/{pmid}/place", data=fields, headers=headers)
        assert answer.status_code == status
    assert answer.json()["message"] == "Moved: Not about this."


# -- on the command line ---------------------------------------------------------------------------


def test_the_command_line_moves_and_takes_back(team: tuple[Desk, str]) -> None:
    desk, address = team
    pmid = read_direct(desk)[0]
    arguments = ("--as", "ann", "--question", OPEN)
    placed = desk.run("tag", "place", str(pmid), "off", *arguments, "--reason", "Of mice")
    assert (placed.code, placed.err) == (0, f"PMID {pmid}: moved\n")
    assert pmid in listed(address, "off")
    assert "Of mice" in desk.run("tag", "list", str(pmid)).out
    again = desk.run("tag", "place", str(pmid), "off", *arguments, "--reason", "Of mice")
    assert again.err == f"PMID {pmid}: was there already\n"
    assert desk.run("tag", "unplace", str(pmid), *arguments).err == f"PMID {pmid}: taken back\n"
    assert desk.run("tag", "unplace", str(pmid), *arguments).err == f"PMID {pmid}: they had not moved it\n"
    elsewhere = min(set(desk.matching("cognition")) - set(desk.matching(OPEN)))
    refused = desk.run("tag", "place", str(elsewhere), "off", *arguments, "--reason", "x")
    assert refused.code == 2
    assert "is not in a question" in refused.err


def test_the_command_line_seals_it_as_the_site_does(team: tuple[Desk, str]) -> None:
    desk, _ = team
    pmid = str(read_direct(desk, BLIND)[0])
    arguments = ("--as", "ann", "--question", BLIND, "--reason", "Hidden")
    assert desk.run("tag", "place", pmid, "off", *arguments).code == 0
    assert stored(desk, "select blind from placements") == [(f"{BLIND}/title-abstract",)]
    hidden = desk.run("tag", "list", pmid)
    assert "Hidden" not in hidden.out
    assert "hidden by a blind review" in hidden.err
    assert "Hidden" in desk.run("tag", "list", pmid, "--as", "ann").out


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_export_of_an_import_is_the_same_file(
    team: tuple[Desk, str], tmp_path_factory: pytest.TempPathFactory, ending: str
) -> None:
    desk, _ = team
    for slug, person in ((OPEN, "ann"), (OPEN, "bob"), (BLIND, "bob")):
        pmid = str(read_direct(desk, slug)[0])
        arguments = ("--as", person, "--question", slug, "--reason", f'=of "{person}", and mice')
        assert desk.run("tag", "place", pmid, "off", *arguments).code == 0
    file = desk.home / f"said.{ending}"
    assert desk.run("tag", "export", "-o", str(file)).code == 0
    elsewhere = Desk(tmp_path_factory.mktemp("elsewhere"), desk.url)
    imported = elsewhere.run("tag", "import", str(file))
    assert imported.code == 0, imported.err
    assert "3 placements written" in imported.err
    again = elsewhere.home / f"again.{ending}"
    assert elsewhere.run("tag", "export", "-o", str(again)).code == 0
    assert again.read_bytes() == file.read_bytes()
    assert "3 there already" in elsewhere.run("tag", "import", str(file)).err


def test_an_import_leaves_what_contradicts_and_refuses_what_is_none(team: tuple[Desk, str]) -> None:
    desk, _ = team
    pmid = str(read_direct(desk)[0])
    arguments = ("--as", "ann", "--question", OPEN, "--reason", "because")
    assert desk.run("tag", "place", pmid, "off", *arguments).code == 0
    file = desk.home / "contrary.csv"
    assert desk.run("tag", "export", "-o", str(file)).code == 0
    text = file.read_text("utf-8-sig")
    file.write_text(text.replace('"off"', '"direct"'), "utf-8")
    contrary = desk.run("tag", "import", str(file))
    assert contrary.code == 3
    assert "placement of ann: there is off, not direct" in contrary.out
    for found, put, words in (
        ('"off"', '"strong"', "value: 'strong'"),
        ('"because"', '""', "reason: is empty"),
    ):
        file.write_text(text.replace(found, put), "utf-8")
        refused = desk.run("tag", "import", str(file))
        assert refused.code == 2
        assert words in refused.err
