"""``tracker people``: who may sign in, as what, and with which tokens. Nothing secret is ever told."""

from __future__ import annotations

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Desk
from tests.helpers_site import PASSWORD, add_person, add_token
from tracker.site.server import passwords


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Where hashing takes no time."""
    monkeypatch.setattr(passwords, "ITERATIONS", 1)
    return Desk(tmp_path, "http://127.0.0.1:9/")


def rows(desk: Desk, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return db.execute(query).fetchall()


def stored_hash(desk: Desk, name: str) -> str | None:
    (found,) = [hash for who, hash in rows(desk, "select name, password_hash from people") if who == name]
    return found


def test_the_first_admin_is_added_with_one_line_of_standard_input(desk: Desk) -> None:
    done = desk.run(
        "people", "add", "ada", "--role", "admin", "--display-name", "Ada L.", stdin=PASSWORD + "\n"
    )
    assert (done.code, done.out, done.err) == (0, "", "ada: added as admin\n")
    listed = desk.run("people", "list", "--json").json
    assert [(row["name"], row["display_name"], row["role"], row["password"]) for row in listed] == [
        ("ada", "Ada L.", "admin", True)
    ]
    assert passwords.is_right(PASSWORD, stored_hash(desk, "ada"))
    assert not passwords.is_right(PASSWORD + " ", stored_hash(desk, "ada"))


def test_a_terminal_is_asked_twice_and_shows_nothing(desk: Desk) -> None:
    """As a process, in a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", "people", "add", "ada"],
        cwd=desk.home, env=desk._environment({}), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    for question, answer in ((b"Password:", PASSWORD), (b"confirmation", PASSWORD)):
        while question not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, answer.encode() + b"\n")
    assert process.wait(timeout=60) == 0
    shown += os.read(ours, 1024)
    os.close(ours)
    assert b"added as tagger" in shown
    assert PASSWORD.encode() not in shown
    assert passwords.is_right(PASSWORD, stored_hash(desk, "ada"))


def test_no_password_can_be_given_as_an_argument(desk: Desk) -> None:
    for command in ("add", "passwd"):
        assert desk.run("people", command, "ada", PASSWORD, stdin="").code == 2
        assert "--password" not in re.sub("--no-password", "", desk.run("people", command, "--help").out)


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("add", "Ada Lovelace"), PASSWORD, "is not a valid name: use small letters"),
        (("add", "-x"), PASSWORD, "No such option"),
        (("add", "bea", "--role", "chief"), PASSWORD, "Unknown role 'chief'. Use reader, tagger"),
        (("add", "ada"), PASSWORD, "the name 'ada' is taken"),
        (("add", "bea", "--identity", "github:Ada"), PASSWORD, "'github:ada' already belongs to ada"),
        (("add", "bea"), "", "at least 12 characters"),
        (("add", "bea"), "short", "at least 12 characters"),
        (("add", "bea"), "bea bea bea bea", "more than the person's name"),
        (("add", "bea-longer-name"), "Bea Longer Name 123", "more than the person's name"),
        (("add", "bea"), "Password 1234", "too easy to guess"),
        (("add", "bea"), "12 12 12 12 12", "too easy to guess"),
        (("add", "bea"), "tab\tin the password", "not contain line breaks or other control characters"),
        (("add", "bea"), "x" * 1001, "at most 1,000 characters"),
        (("passwd", "bea"), PASSWORD, "Unknown person 'bea'. Choose one of: ada"),
        (("passwd", "ada"), "short", "at least 12 characters"),
        (("role", "ada", "chief"), None, "Unknown role 'chief'"),
        (("role", "bea", "lead"), None, "Unknown person 'bea'"),
        (("disable", "bea"), None, "Unknown person 'bea'"),
        (("change", "ada"), None, "say what to change"),
        (("token", "add", "ada", "--scope", "all", "--name", "x"), None, "Unknown scope 'all'"),
        (("token", "add", "ada", "--scope", "lead", "--name", "x"), None, "needs a higher role than ada has (tagger)"),
        (("token", "add", "ada", "--scope", "tag", "--days", "0", "--name", "x"), None, "from 1 to 366 days"),
        (("token", "add", "ada", "--scope", "tag", "--name", " "), None, "a name that says what it is for"),
        (("token", "revoke", "ada", "7"), None, "ada has no token 7"),
        (("token", "list", "bea"), None, "Unknown person 'bea'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_clear_line_and_changes_nothing(
    desk: Desk, arguments: tuple[str, ...], stdin: str | None, words: str
) -> None:
    add_person(desk, "ada", identity="github:ada")
    before = (
        rows(desk, "select * from people")
        + rows(desk, "select * from tokens")
        + rows(desk, "select * from events")
    )
    done = desk.run("people", *arguments, stdin=stdin)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    if "option" not in words:
        assert done.err.count("\n") == 1
        assert done.err.startswith("Error: ")
    if stdin:
        assert stdin not in done.err
    after = (
        rows(desk, "select * from people")
        + rows(desk, "select * from tokens")
        + rows(desk, "select * from events")
    )
    assert after == before


def test_a_name_that_cannot_be_is_told_before_a_password_is_asked_for(desk: Desk) -> None:
    assert "is not a valid name" in desk.run("people", "add", "A", stdin="").err


def test_role_display_name_identity_and_disabling_are_changed_and_logged(desk: Desk) -> None:
    add_person(desk, "ada")
    for arguments in (
        ("role", "ada", "lead"),
        ("change", "ada", "--display-name", "A. L.", "--identity", "GitHub:Octocat"),
        ("disable", "ada"),
        ("enable", "ada"),
        ("change", "ada", "--identity", ""),
    ):
        assert desk.run("people", *arguments).code == 0
    (ada,) = desk.run("people", "list", "--json").json
    assert (ada["role"], ada["display_name"], ada["identity"], ada["disabled"]) == (
        "lead",
        "A. L.",
        None,
        None,
    )
    log = rows(desk, "select origin, person, action, before, after from events order by id")
    assert [(origin, person) for origin, person, *_ in log[1:]] == [
        (f"tracker people {command}", None) for command in ("role", "change", "disable", "enable", "change")
    ]
    assert json.loads(log[1][3])["role"] == "tagger"
    assert json.loads(log[1][4])["role"] == "lead"
    assert json.loads(log[2][4])["identity"] == "github:octocat"
    assert json.loads(log[3][4])["disabled"]


def test_somebody_who_signs_in_elsewhere_has_no_password(desk: Desk) -> None:
    done = desk.run("people", "add", "cleo", "--identity", "github:Cleo", "--no-password")
    assert done.code == 0
    (cleo,) = desk.run("people", "list", "--json").json
    assert (cleo["identity"], cleo["password"]) == ("github:cleo", False)
    assert "github:cleo" in desk.run("people", "list").out


def test_a_token_is_printed_once_and_only_its_hash_is_kept(desk: Desk) -> None:
    add_person(desk, "ada", "lead")
    done = desk.run(
        "people",
        "token",
        "add",
        "ada",
        "--scope",
        "tag",
        "--scope",
        "read",
        "--days",
        "7",
        "--name",
        "nightly",
    )
    assert done.code == 0
    token = done.out.strip()
    assert re.fullmatch(r"ett_[\w-]{43}", token)
    assert token not in done.err
    assert rows(desk, "select hash from tokens") == [(sha256(token.encode()).hexdigest(),)]
    listed = desk.run("people", "token", "list", "ada", "--json")
    (row,) = listed.json
    assert (row["id"], row["name"], row["scopes"], row["revoked"]) == (1, "nightly", ["read", "tag"], None)
    assert desk.run("people", "token", "revoke", "ada", "1").code == 0
    assert desk.run("people", "token", "list", "ada", "--json").json[0]["revoked"]
    assert "nightly" in desk.run("people", "token", "list", "ada").out
    everything = desk.annotations.read_bytes() + listed.out.encode()
    assert token.encode() not in everything


def test_nothing_secret_is_listed_logged_or_in_the_environment_of_an_error(desk: Desk) -> None:
    assert desk.run("people", "add", "ada", stdin=PASSWORD).code == 0
    assert desk.run("people", "passwd", "ada", stdin="another word or four").code == 0
    hash = stored_hash(desk, "ada")
    assert hash
    log = repr(rows(desk, "select * from events"))
    shown = desk.run("people", "list", "--json").out + desk.run("people", "list").out
    for secret in (hash, hash.split("$")[-1], PASSWORD, "another word or four"):
        assert secret not in log + shown
    assert "change password" in log


def test_a_new_password_takes_the_place_of_the_old_one(desk: Desk) -> None:
    add_person(desk, "ada")
    assert desk.run("people", "passwd", "ada", stdin="another word or four\r\n").code == 0
    assert passwords.is_right("another word or four", stored_hash(desk, "ada"))
    assert not passwords.is_right(PASSWORD, stored_hash(desk, "ada"))
    assert rows(desk, "select session from people") == [(1,)]


def test_hostile_text_does_not_reach_the_terminal(desk: Desk) -> None:
    add_person(desk, "ada")
    done = desk.run("people", "change", "ada", "--display-name", "\x1b[31mred\x07\u202e")
    assert done.code == 0
    assert not re.search("[\x07\x1b\u202e]", done.err + desk.run("people", "list").out)


def test_a_password_is_the_same_from_any_keyboard(desk: Desk) -> None:
    composed, apart = "caf\u00e9 with three words", "cafe\u0301 with three words"
    assert desk.run("people", "add", "ada", stdin=composed).code == 0
    assert passwords.is_right(apart, stored_hash(desk, "ada"))


def test_the_erasure_that_is_documented_leaves_neither_name_nor_hole(desk: Desk) -> None:
    page = (Path(__file__).parents[1] / "docs" / "people.md").read_text("utf-8")
    (script,) = re.findall(r"```sql\n(.*?)```", page, re.S)
    for n in range(1, 7):
        add_person(desk, f"colleague{n}")
    assert add_person(desk, "nobodys.business", display_name="N. Business", identity="github:nobodys").id == 7
    add_token(desk, "nobodys.business", "tag")
    assert desk.run("people", "change", "nobodys.business", "--display-name", "Nobodys B.").code == 0
    before = rows(desk, "select id, happened, action from events")
    with closing(sqlite3.connect(desk.annotations)) as db:
        db.executescript(script)
        db.execute("vacuum")
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
        assert b"obodys" not in desk.annotations.read_bytes()
        assert rows(desk, "select id, happened, action from events") == before
        with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
            db.execute("update events set before = null")
    assert desk.run("people", "list", "--json").json[-1]["name"] == "former-7"
    assert desk.run("people", "list", "--json").json[0]["disabled"] is None
