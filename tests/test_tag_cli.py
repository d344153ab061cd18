"""``tracker tag``: what somebody says of a paper from the command line, and what everybody said."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, Desk
from tracker.team import people, vocabulary
from tracker.team.acts import acting, open_annotations

PMID = "90000301"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("tag"), "http://127.0.0.1:9/")
    files = sorted(str(path) for path in (FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *files).code == 0
    return desk


@pytest.fixture
def desk(loaded: Desk, tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, loaded.url)
    desk.db.parent.mkdir()
    shutil.copy(loaded.db, desk.db)
    with closing(open_annotations(desk.annotations)) as db, acting(db, None, "test") as act:
        for name, role in (("ada", "tagger"), ("ben", "lead"), ("rita", "reader"), ("zed", "tagger")):
            people.add(act, name, role)
        people.change(act, "zed", disabled=True)
    return desk


def test_a_tag_is_put_on_and_taken_off(desk: Desk) -> None:
    done = desk.run(
        "tag", "add", PMID, "Harm", "--as", "ada", "--question", "cystitis", "--note", "=1, as they say"
    )
    assert (done.code, done.out, done.err) == (0, "", f"PMID {PMID}: tagged\n")
    (row,) = desk.run("tag", "list", PMID, "--json").json
    assert row | {"when": ""} == {
        "kind": "tagging",
        "pmid": 90000301,
        "question": "cystitis",
        "stage": None,
        "person": "ada",
        "group": "Outcome",
        "tag": "harm",
        "machine_value": None,
        "value": None,
        "reason": None,
        "text": "=1, as they say",
        "when": "",
        "sealed": None,
        "basis": None,
        "labels": None,
        "source": None,
        "accession": None,
        "doi": None,
    }
    again = desk.run("tag", "add", PMID, "harm", "--as", "ada", "--question", "cystitis")
    assert "already tagged" in again.err
    # Another's tag, and one for no question, are others.
    assert (
        "has not put that tag on it"
        in desk.run("tag", "remove", PMID, "harm", "--as", "ben", "--question", "cystitis").err
    )
    assert "has not put that tag on it" in desk.run("tag", "remove", PMID, "harm", "--as", "ada").err
    assert (
        "tag removed" in desk.run("tag", "remove", PMID, "harm", "--as", "ada", "--question", "cystitis").err
    )
    assert desk.run("tag", "list", "--json").json == []


def test_of_a_group_of_which_one_holds_the_other_goes(desk: Desk) -> None:
    for tag in ("harm", "benefit", "teaching", "to discuss"):
        assert desk.run("tag", "add", PMID, tag, "--as", "ada").code == 0
    listed = desk.run("tag", "list", "--person", "ada", "--json").json
    assert {row["tag"] for row in listed} == {"benefit", "teaching", "to discuss"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((PMID, "harm", "--as", "nobody"), "Choose one of: ada, ben, rita, zed."),
        ((PMID, "harm", "--as", "rita"), "rita is a reader and may only read"),
        ((PMID, "harm", "--as", "zed"), "zed has been disabled since"),
        ((PMID, "unheard of", "--as", "ada"), "Unknown tag 'unheard of'"),
        (("1", "harm", "--as", "ada"), "PMID 1 is not stored"),
        (("x", "harm", "--as", "ada"), "'x' is not a PMID"),
        ((PMID, "harm", "--as", "ada", "--question", "gout"), "Choose one of: cognition"),
        ((PMID, "harm", "--as", "ada", "--note", "x" * 10_001), "10,001 characters"),
        ((PMID, "harm"), "--as"),
    ],
)
def test_what_cannot_be_is_refused(desk: Desk, arguments: tuple[str, ...], words: str) -> None:
    done = desk.run("tag", "add", *arguments)
    assert done.code == 2
    assert words in done.err
    assert desk.run("tag", "list", "--json").json == []


def test_a_blind_review_seals_it_as_on_the_site(desk: Desk) -> None:
    pmid = str(min(desk.matching("psychotherapy")))
    assert desk.run("tag", "add", pmid, "harm", "--as", "ada").code == 0
    hidden = desk.run("tag", "list", pmid)
    assert (hidden.out, hidden.err) == ("", "1 more are hidden by a blind review.\n")
    assert "harm" in desk.run("tag", "list", pmid, "--as", "ada").out
    # Without evidence.db nobody knows what is blind, so what is sealed stays so; nothing else is.
    desk.db.unlink()
    assert desk.run("tag", "list", pmid).out == ""
    assert desk.run("tag", "add", PMID, "harm", "--as", "ada").code == 0
    assert "harm" in desk.run("tag", "list", PMID).out


def test_a_review_that_is_no_longer_dual_hides_nothing(desk: Desk) -> None:
    pmid = str(min(desk.matching("psychotherapy")))
    desk.run("tag", "add", pmid, "harm", "--as", "ada")
    desk.change("update questions set dual = 0")
    assert "harm" in desk.run("tag", "list", pmid).out


def test_the_log_tells_all_of_it(desk: Desk) -> None:
    desk.run("tag", "add", PMID, "harm", "--as", "ada", "--note", "first")
    desk.run("tag", "add", PMID, "harm", "--as", "ada", "--note", "second")
    desk.run("tag", "remove", PMID, "harm", "--as", "ada")
    desk.run("tag", "add", "90000302", "harm", "--as", "ben", "--question", "cystitis")
    desk.db.unlink()
    done = desk.run("tag", "log", "--pmid", PMID, "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [(event["action"], event["person"]) for event in events] == [
        ("tag", "ada"),
        ("tag", "ada"),
        ("untag", "ada"),
    ]
    assert [event["subject"]["tag"] for event in events] == ["harm"] * 3
    assert events[0]["before"] is None
    assert events[1]["before"]["note"] == "first"
    assert events[1]["after"]["note"] == "second"
    assert events[2]["after"] is None
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    for arguments, pmids in (
        (("--person", "ben"), {90000302}),
        (("--question", "cystitis"), {90000302}),
        (("--day", "2001-01-01"), set()),
        (("--day", events[0]["happened"][:10], "--person", "ada"), {90000301}),
    ):
        found = desk.run("tag", "log", "--json", *arguments)
        assert {json.loads(line)["pmid"] for line in found.out.splitlines()} - {None} == pmids
    text = desk.run("tag", "log", "--pmid", PMID)
    assert "note='first'" in text.out.splitlines()[1]


@pytest.mark.parametrize("command", [("list",), ("log",), ("export",), ("vocabulary", "export")])
def test_where_nobody_wrote_anything_it_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = Desk(tmp_path, "").run("tag", *command)
    assert done.code == 2
    assert "nobody has written anything" in done.err
    assert not (tmp_path / "db").exists()


def test_nobody_who_is_not_there_is_listed(desk: Desk) -> None:
    for command in ("list", "log"):
        done = desk.run("tag", command, "--person", "nobody")
        assert (done.code, "Unknown person 'nobody'" in done.err) == (2, True)


def test_a_terminal_is_not_driven_by_a_note(desk: Desk) -> None:
    desk.run("tag", "add", PMID, "harm", "--as", "ada", "--note", "red \x1b[31m and \u202eback")
    for command in ("list", "log"):
        out = desk.run("tag", command).out
        assert "\x1b" not in out
        assert "\u202e" not in out


# -- the vocabulary --------------------------------------------------------------------------------


def test_a_vocabulary_comes_back_as_it_was(desk: Desk, tmp_path: Path) -> None:
    with closing(open_annotations(desk.annotations)) as db, acting(db, None, "test") as act:
        vocabulary.ensure(act)
        vocabulary.add_group(act, "Größe: = #1 🧪", "with a colon: and a # hash", None, "single")
        vocabulary.add(act, "Größe: = #1 🧪", "yes", "- no", "#123456")
        for name, into in (("harm", "mixed results"), ("benefit", "mixed results")):
            vocabulary.merge(act, vocabulary.named(db, name), vocabulary.named(db, into))
        vocabulary.merge(
            act, vocabulary.named(db, "mixed results"), vocabulary.named(db, "no difference found")
        )
        vocabulary.change(act, vocabulary.named(db, "teaching"), retired=True)
    assert desk.run("tag", "vocabulary", "export", "-o", "first.yml").code == 0
    other = Desk(tmp_path / "other", "")
    other.home.mkdir()
    done = other.run("tag", "vocabulary", "import", str(desk.home / "first.yml"))
    assert done.code == 0, done.err
    assert other.run("tag", "vocabulary", "export").out == (desk.home / "first.yml").read_text()
    again = other.run("tag", "vocabulary", "import", str(desk.home / "first.yml"), "--json")
    assert again.json == {"added": 0, "changed": 0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("groups: [", "not valid YAML"),
        ("tags: []", "groups: Field required"),
        ("groups: [{name: A, colour: red}]", "groups.0.colour"),
        ("groups: [{name: A, tags: [{name: a}, {name: A}]}]", "tag 'A' appears twice"),
        ("groups: [{name: A, tags: [{name: a, merged_into: b}]}]", "merged_into: unknown tag 'b'"),
        ("groups: [{name: A, tags: [{name: a, size: 1}]}]", "groups.0.tags.0.size"),
    ],
)
def test_a_bad_vocabulary_is_refused_whole(desk: Desk, text: str, words: str) -> None:
    (desk.home / "bad.yml").write_text(text)
    done = desk.run("tag", "vocabulary", "import", "bad.yml")
    assert done.code == 2
    assert "bad.yml: " in done.err
    assert words in done.err
    with closing(sqlite3.connect(desk.annotations)) as db:
        assert db.execute("select count(*) from tag_groups").fetchone() == (0,)
