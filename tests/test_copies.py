"""Where nothing can be written: read-only copies, a disk that is full, an output that lacks a sign or room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import FIXTURES, Desk, tiled
from tests.helpers_browser import missing
from tests.helpers_site import add_person, send, served, signed_in

PUBMED = sorted((FIXTURES / "pubmed").glob("*.xml"))
READING = (
    ("status",),
    ("search", "ketamine"),
    ("show", "90000303", "--json"),
    ("export", "cystitis", "--format", "ris"),
    ("people", "list"),
    ("tag", "list"),
    ("tag", "log"),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Both databases, with nothing beside them, as somebody copies them."""
    desk = Desk(tmp_path_factory.mktemp("copies"), "http://127.0.0.1:9/")
    assert desk.run("load", "--match", "all", *map(str, PUBMED)).code == 0
    add_person(desk, "ada")
    for path in desk.db.parent.iterdir():
        if path.name.endswith(("-wal", "-shm")):
            path.unlink()
    desk.db.with_name(".secret").unlink(missing_ok=True)
    return desk


@contextmanager
def mounted(source: Path, *options: str) -> Iterator[None]:
    """The folder mounted onto itself with these options. Skips where this may not be done."""
    if os.geteuid() or not shutil.which("mount"):
        missing("mounting takes root")
    if subprocess.run(["mount", *options, str(source)], capture_output=True).returncode:
        missing("nothing can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(source)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield


def copied(desk: Desk, home: Path, *names: str) -> Desk:
    (home / "db").mkdir()
    for name in names:
        shutil.copy(desk.db.with_name(name), home / "db" / name)
    return Desk(home, desk.url)


# -- a folder that cannot be written ---------------------------------------------------------------


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_read_only_copy_can_be_read(desk: Desk, tmp_path: Path, command: tuple[str, ...]) -> None:
    copy = copied(desk, tmp_path, "evidence.db", "annotations.db")
    with read_only(tmp_path / "db"):
        done = copy.run(*command)
    assert (done.code, done.out) == (desk.run(*command).code, desk.run(*command).out), done.err


@pytest.mark.parametrize("names", [("evidence.db", "annotations.db"), ("evidence.db",)], ids=len)
@pytest.mark.parametrize("options", [("--immutable",), ()], ids=["immutable", "as it is"])
def test_a_read_only_copy_is_served_and_nobody_writes(
    desk: Desk, tmp_path: Path, names: tuple[str, ...], options: tuple[str, ...]
) -> None:
    copy = copied(desk, tmp_path, *names)
    with (
        read_only(tmp_path / "db"),
        served(copy, *options) as address,
        httpx.Client(base_url=address) as client,
    ):
        paths = ("/", "/questions/cystitis", "/search?q=ketamine", "/articles/90000303", "/evidence/articles")
        for path in (*paths, "/questions/cystitis.ris", "/tags", "/evidence.json?sql=select+1"):
            assert client.get(path).status_code == 200, path
        client.get("/sign-in")
        form = {"csrftoken": client.cookies["ds_csrftoken"], "name": "ada", "password": "three words do well"}
        answer = client.post("/sign-in", data=form)
    assert answer.status_code == 403
    assert "read-only copy" in answer.text


def test_who_is_signed_in_elsewhere_reads_a_copy_with_the_same_secret_and_signs_out_of_this_browser(
    desk: Desk, tmp_path: Path
) -> None:
    """As behind one name: one node that is written, and copies of it."""
    copy = copied(desk, tmp_path, "evidence.db", "annotations.db")
    with served(desk, TRACKER_SECRET="one for all") as address, signed_in(address, "ada") as writer:
        cookies = dict(writer.cookies)
    with (
        read_only(tmp_path / "db"),
        served(copy, TRACKER_SECRET="one for all", TRACKER_CLOSED="1") as address,
        httpx.Client(base_url=address, cookies=cookies) as reader,
    ):
        assert reader.get("/questions/cystitis").status_code == 200
        assert send(reader, "/sign-out").status_code == 303


def test_a_copy_whose_facets_another_version_made_is_read_as_it_is(desk: Desk, tmp_path: Path) -> None:
    copy = copied(desk, tmp_path, "evidence.db", "annotations.db")
    copy.change("update _derived set fingerprint = 'of another version'")
    with (
        read_only(tmp_path / "db"),
        served(copy) as address,
        httpx.Client(base_url=address) as client,
    ):
        assert copy.run("search", "ketamine").code == 0
        assert client.get("/questions/cystitis").status_code == 200
    assert copy.column("select fingerprint from _derived") == ["of another version"]


def test_a_copy_that_lacks_what_only_its_log_holds_is_not_read_as_if_it_were_whole(
    desk: Desk, tmp_path: Path
) -> None:
    copy = copied(desk, tmp_path, "evidence.db")
    copy.db.with_name("evidence.db-wal").write_bytes(b"x" * 4096)
    with read_only(tmp_path / "db"):
        done = copy.run("status")
    assert done.code == 2
    assert "evidence.db-wal" in done.err
    assert len(done.err.splitlines()) == 1


# -- a full disk -----------------------------------------------------------------------------------


def test_a_disk_that_fills_up_loses_nothing_and_tells_what_was_stored(tmp_path: Path) -> None:
    """On the smallest disk that takes the records the log cannot be emptied; on a smaller one nothing is stored.

    One file, and one commit: the log of several may be emptied between two of them, when there is still room.
    """
    whole, records = Desk(tmp_path, "http://127.0.0.1:9/"), tiled(tmp_path, 2)
    assert whole.run("load", str(records)).code == 0
    too_small, enough = 500, 32_000
    told = {}
    while enough - too_small > 100:
        kilobytes = (too_small + enough) // 2
        desk = Desk(tmp_path / str(kilobytes), whole.url)
        desk.db.parent.mkdir(parents=True)
        with mounted(desk.db.parent, "-t", "tmpfs", "-o", f"size={kilobytes}k", "none"):
            done = desk.run("load", str(records))
            if done.code == 0:
                assert desk.sql("select pmid from articles") == whole.sql("select pmid from articles")
                enough = kilobytes
            else:
                assert done.code == 1
                assert "the disk is full. Nothing was half-written; make room and run again." in done.err
                too_small = kilobytes
            told[kilobytes] = done.err
    assert "Everything is stored and nothing needs to be run again, but the disk is full" in told[enough]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("command", [*READING[:4], ("--help",), ("status", "--json")], ids=" ".join)
def test_an_output_without_room_is_told_in_one_line(desk: Desk, command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tracker", *command],
            cwd=desk.home,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(told) == 1
    assert "disk is full" in told[0]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


# -- an encoding that lacks a sign -----------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8"])
@pytest.mark.parametrize(
    "command",
    [("status",), ("search", "a*"), ("show", "90000303"), ("questions",), ("tag", "log")],
    ids=" ".join,
)
def test_what_a_terminal_cannot_show_is_replaced(desk: Desk, encoding: str, command: tuple[str, ...]) -> None:
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [sys.executable, "-m", "tracker", *command], cwd=desk.home, env=environment, capture_output=True
    )
    assert b"Error" not in done.stderr
    # Click itself writes UTF-8 where somebody says ASCII.
    assert done.stdout.decode(encoding.replace("ascii", "utf-8")) or command == ("tag", "log")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_json_is_the_same_in_every_encoding(desk: Desk, encoding: str) -> None:
    command = ("search", "a*", "--limit", "1000", "--json")
    assert desk.shell(*command, PYTHONIOENCODING=encoding).json == desk.run(*command).json
