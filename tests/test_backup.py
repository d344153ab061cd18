"""``tracker backup`` and ``tracker restore``: whole, or as if they had never been run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.conftest import Desk, Result, check_whole, finish, program, wait_for
from tests.eutils_server import StandIn
from tests.helpers_load import open_evidence, put, record
from tracker.jobs import backup as module
from tracker.jobs import copies
from tracker.jobs.lock import backing_up, writing_job

BOTH = ("evidence.db", "annotations.db")
Tables = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Two articles, and a tag on one of them; nobody to ask for more."""
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    with closing(open_evidence(tmp_path / "db")) as db:
        put(db, record(1, "Ketamine and the bladder"), record(2, "Ketamine and memory"))
    desk.annotate()
    return desk


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the time is said to be, last first; the last one stays."""
    times: list[str] = []
    monkeypatch.setattr(module, "now", lambda: times.pop() if len(times) > 1 else times[0])
    return times


def tables(path: Path) -> Tables:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        return {name: sorted(db.execute(f"select * from {name}"), key=repr) for name in names}


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def tag(desk: Desk, pmid: int) -> None:
    """One more tag, with its event, as the site writes them."""
    change(
        desk.annotations,
        "insert into events (happened, person, origin, action, pmid) values ('2026', 1, 'test', 'tag', 2)",
        f"insert into taggings (pmid, tag, person, tagged) values ({pmid}, 901, 1, '2026')",
    )


def made(done: Result) -> Path:
    assert done.code == 0, done.err
    return Path(done.json["backup"])


def back_up(desk: Desk, *arguments: str) -> Path:
    return desk.home / made(desk.run("backup", "--json", *arguments))


def names(folder: Path) -> list[str]:
    """What lies there, but for the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".backup.lock")


def backups(desk: Desk) -> list[str]:
    return names(desk.home / "db" / "backups")


def unpacked(backup: Path, name: str) -> Path:
    target = backup.parent.parent / f"unpacked-{backup.name}-{name}"
    with (backup / f"{name}.zst").open("rb") as packed, target.open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(packed, out)
    return target


def one_line(done: Result, code: int, *words: str) -> None:
    assert done.code == code, done.err
    assert len(done.err.splitlines()) == 1, done.err
    for word in words:
        assert word in done.err


@contextmanager
def untouched(desk: Desk) -> Iterator[None]:
    """Nothing in the database folder but the locks is other than it was."""

    def state() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes()
            for path in (desk.home / "db").rglob("*")
            if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm"))
        }

    before = state()
    yield
    assert state() == before
    assert not (desk.home / "db" / ".restore.part").exists()


# -- what a backup is ------------------------------------------------------------------------------


def test_a_backup_holds_both_databases_and_says_what_is_in_them(desk: Desk) -> None:
    backup = back_up(desk)
    assert backup.parent == desk.home / "db" / "backups"
    assert names(backup) == ["annotations.db.zst", "evidence.db.zst", "manifest.json"]
    manifest = json.loads((backup / "manifest.json").read_text())
    assert backup.name == f"evidence-tracker-{manifest['moment'].replace('-', '').replace(':', '')}"
    assert manifest["files"]["evidence.db"]["counts"]["articles"] == 2
    assert manifest["files"]["annotations.db"]["counts"]["taggings"] == 1
    for name in BOTH:
        copy = unpacked(backup, name)
        told = manifest["files"][name]
        assert told["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
        assert told["bytes"] == copy.stat().st_size
        assert "m001_first_schema" in told["migrations"]
        check_whole(copy)
        assert tables(copy) == tables(desk.home / "db" / name)


def test_plain_tools_can_unpack_it(desk: Desk) -> None:
    backup = back_up(desk)
    for name in BOTH:
        target = desk.home / name
        subprocess.run([program("zstd"), "-q", "-d", backup / f"{name}.zst", "-o", target], check=True)
        assert tables(target) == tables(desk.home / "db" / name)


def test_nobody_else_may_read_it_and_the_signing_secret_is_not_in_it(desk: Desk) -> None:
    (desk.home / "db" / ".secret").write_text("0123")
    mask = os.umask(0)
    try:
        backup = back_up(desk)
    finally:
        os.umask(mask)
    for path in (backup.parent, backup):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    assert not any("secret" in path.name for path in backup.rglob("*"))


@pytest.mark.parametrize("name", BOTH)
def test_one_database_alone_is_backed_up_too(desk: Desk, name: str) -> None:
    (desk.home / "db" / name).unlink()
    assert len(names(back_up(desk))) == 2


def test_without_a_database_there_is_nothing_to_back_up(desk: Desk) -> None:
    one_line(desk.run("--db-dir", "elsewhere", "backup"), 2, "no database to back up")
    assert not (desk.home / "elsewhere").exists()


def test_it_says_in_words_what_it_did(desk: Desk) -> None:
    done = desk.run("backup")
    assert done.code == 0
    assert done.err == "", "cron mails what is said there"
    assert "2 articles" in done.out
    assert "1 taggings" in done.out


# -- while others write ----------------------------------------------------------------------------


def test_it_is_consistent_while_people_tag_and_a_refresh_runs(
    tmp_path: Path, pubmed: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tag comes with its event in one transaction, so there are as many of one as of the other."""
    monkeypatch.setattr(copies, "PAGES_AT_A_TIME", 1)
    desk = Desk(tmp_path, pubmed.url)
    assert desk.run("refresh", "cystitis").code == 0
    desk.annotate()
    change(desk.annotations, "delete from taggings")
    done, written = threading.Event(), [0]

    def write() -> None:
        with closing(sqlite3.connect(desk.annotations, isolation_level=None, timeout=30)) as db:
            db.execute("pragma synchronous = off")
            while not done.is_set():
                db.execute("begin immediate")
                db.execute("insert into events (happened, origin, action) values ('2026', 'test', 'tag')")
                pmid = written[0] + 1
                db.execute("insert into taggings (pmid, tag, person, tagged) values (?, 901, 1, '')", (pmid,))
                db.execute("commit")
                written[0] += 1

    writer = threading.Thread(target=write)
    refresh = desk.start("refresh", "--full")
    writer.start()
    try:
        wait_for(lambda: written[0] > 100)
        found = []
        for _ in range(2):
            before = written[0]
            found.append((before, back_up(desk)))
        assert written[0] > before + 10, "somebody who tags must not wait for a backup"
    finally:
        done.set()
        writer.join()
        assert finish(refresh).code == 0
    for before, backup in found:
        for name in BOTH:
            check_whole(unpacked(backup, name))
        copy = tables(unpacked(backup, "annotations.db"))
        assert len(copy["events"]) == len(copy["taggings"]) >= before


def test_both_are_as_of_one_moment(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copies.copy

    def copy_then_write(db: sqlite3.Connection, target: Path) -> None:
        copy(db, target)
        if target.name == "evidence.db":
            tag(desk, 2)

    monkeypatch.setattr(copies, "copy", copy_then_write)
    backup = back_up(desk)
    assert len(tables(desk.annotations)["taggings"]) == 2
    assert len(tables(unpacked(backup, "annotations.db"))["taggings"]) == 1


# -- rotation --------------------------------------------------------------------------------------


def test_the_newest_stay_and_what_is_not_ours_stays_too(desk: Desk, clock: list[str]) -> None:
    folder = desk.home / "db" / "backups"
    clock.append("2026-01-01T00:00:00Z")
    back_up(desk)
    with_a_note = folder / "evidence-tracker-20250101T000000Z"
    shutil.copytree(folder / "evidence-tracker-20260101T000000Z", with_a_note)
    (with_a_note / "keep-this.txt").write_text("before the audit")
    (folder / "evidence-tracker-20250202T000000Z").mkdir()
    (folder / "evidence-tracker-20250303T000000Z").symlink_to("evidence-tracker-20260101T000000Z")
    (folder / "holiday.jpg").write_text("")
    others = [name for name in names(folder) if "2026" not in name]
    assert len(others) == 4
    for day in (2, 3, 4):
        clock[:] = [f"2026-01-0{day}T00:00:00Z"]
        report = desk.run("backup", "--keep", "2", "--json").json
    assert report["deleted"] == ["evidence-tracker-20260102T000000Z"]
    assert report["kept"] == 2
    ours = ["evidence-tracker-20260103T000000Z", "evidence-tracker-20260104T000000Z"]
    assert names(folder) == sorted([*others, *ours])


def test_the_one_just_made_stays_whatever_the_clock_says(desk: Desk, clock: list[str]) -> None:
    clock[:] = ["2031-01-01T00:00:00Z"]
    back_up(desk, "--keep", "1")
    clock[:] = ["2026-01-01T00:00:00Z"]
    one_line(
        desk.run("backup", "--keep", "1"), 3, "evidence-tracker-20310101T000000Z: its time is in the future"
    )
    assert backups(desk) == ["evidence-tracker-20260101T000000Z", "evidence-tracker-20310101T000000Z"]


def test_two_in_one_second_do_not_meet(desk: Desk, clock: list[str]) -> None:
    clock[:] = ["2026-01-01T00:00:00Z"]
    back_up(desk)
    clock[:] = ["2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z"]
    back_up(desk)
    assert len(backups(desk)) == 2


def test_the_last_backup_of_a_database_that_has_gone_is_kept(desk: Desk, clock: list[str]) -> None:
    clock[:] = ["2026-01-01T00:00:00Z"]
    last = back_up(desk)
    desk.annotations.unlink()
    for day in (2, 3):
        clock[:] = [f"2026-01-0{day}T00:00:00Z"]
        done = desk.run("backup", "--keep", "1")
        one_line(done, 3, "annotations.db no longer exists", last.name)
    assert backups(desk) == [last.name, "evidence-tracker-20260103T000000Z"]


def test_a_log_that_has_become_shorter_is_pointed_out(desk: Desk, clock: list[str]) -> None:
    clock[:] = ["2026-01-01T00:00:00Z"]
    tag(desk, 2)
    back_up(desk)
    desk.annotations.unlink()
    desk.annotate()
    clock[:] = ["2026-01-02T00:00:00Z"]
    one_line(desk.run("backup"), 3, "has 0 events", "has 1, and the log only ever grows")
    assert len(backups(desk)) == 2


# -- what can go wrong -----------------------------------------------------------------------------


def overwrite(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))


def unsettle(path: Path) -> None:
    """An index that lacks a row: every page can be read, and still it is wrong."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma writable_schema = on")
        db.execute("create table aside as select sql from sqlite_master where name = 'taggings_tag'")
        db.execute("update sqlite_master set sql = sql || ' where pmid > 5' where name = 'taggings_tag'")
    change(path, "insert into taggings (pmid, tag, person, tagged) values (3, 901, 1, '2026')")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma writable_schema = on")
        db.execute("update sqlite_master set sql = (select sql from aside) where name = 'taggings_tag'")


def orphan(path: Path) -> None:
    change(path, "insert into taggings (pmid, tag, person, tagged) values (3, 901, 999, '2026')")


DAMAGE = {
    "pages overwritten": overwrite,
    "an index without a row": unsettle,
    "a person who is not there": orphan,
}


@pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_database_is_told_and_older_backups_stay(desk: Desk, spoil: Callable[[Path], None]) -> None:
    back_up(desk)
    spoil(desk.annotations)
    with untouched(desk):
        one_line(desk.run("backup", "--keep", "1"), 1, "annotations.db", "damaged")


def test_a_database_of_a_later_version_is_left_to_that(desk: Desk) -> None:
    change(desk.annotations, "insert into _sqlite_migrations values (99, 'annotations', 'm999', '')")
    one_line(desk.run("backup"), 2, "later version")
    assert backups(desk) == []


def test_a_folder_that_is_given_has_to_be_there(desk: Desk) -> None:
    one_line(desk.run("backup", "not-mounted/backups"), 2, "no such folder. Mount its disk")
    assert not (desk.home / "not-mounted").exists()
    (desk.home / "disk").mkdir()
    assert back_up(desk, "disk").parent == desk.home / "disk"


def test_a_folder_that_cannot_be_written_is_one_clear_line(desk: Desk) -> None:
    (desk.home / "db" / "backups").write_text("a file")
    one_line(desk.run("backup"), 2, "backups: cannot be used")


def test_too_little_room_is_told_before_anything_is_copied(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(desk)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1000))
    with untouched(desk):
        one_line(desk.run("backup"), 1, "needs up to", "0.0 MB are free")


def test_a_disk_that_fills_up_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    back_up(desk)

    class Full:
        def write(self, chunk: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_private", lambda path: nullcontext(Full()))
    with untouched(desk):
        one_line(desk.run("backup", "--keep", "1"), 1, "the disk is full")


def test_what_cannot_be_read_back_is_no_backup(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    back_up(desk)
    monkeypatch.setattr(module, "_unpack", lambda *arguments: "another hash")
    with untouched(desk):
        one_line(desk.run("backup", "--keep", "1"), 1, "what was read back differs from what was written")


def test_two_backups_at_once_do_not_disturb_each_other(desk: Desk) -> None:
    back_up(desk)
    with backing_up(desk.home / "db" / "backups"), untouched(desk):
        one_line(desk.run("backup"), 4, "another backup is being made")


KILLED_WHILE = {
    "copying": "copies.copy = wait",
    "checking": "copies.contents = wait",
    "compressing": "backup._compress = wait",
    "naming": "backup._sync = wait",
}


@pytest.mark.parametrize("instant", KILLED_WHILE.values(), ids=KILLED_WHILE)
def test_a_killed_backup_leaves_nothing_that_looks_like_one(desk: Desk, instant: str) -> None:
    script = f"""
import time
from tracker.jobs import backup, copies
def wait(*arguments):
    print("now", flush=True)
    time.sleep(60)
{instant}
from tracker.cli import main
main(["backup"])
"""
    process = desk.start_python("-c", script)
    assert process.stdout
    assert process.stdout.readline() == "now\n"
    (left,) = backups(desk)
    process.kill()
    finish(process)
    assert left.startswith(".")
    one_line(desk.run("restore", "latest", "--yes"), 2, "no backup found")
    assert backups(desk) == [left]
    whole = back_up(desk)
    assert backups(desk) == [whole.name]


def test_a_backup_that_is_stopped_clears_up_behind_itself(desk: Desk) -> None:
    script = """
import time
from tracker.jobs import copies
def wait(*arguments):
    print("now", flush=True)
    time.sleep(60)
copies.contents = wait
from tracker.cli import main
main(["backup"])
"""
    process = desk.start_python("-c", script)
    assert process.stdout
    assert process.stdout.readline() == "now\n"
    process.send_signal(signal.SIGTERM)
    assert finish(process).code == 3
    assert backups(desk) == []


# -- restoring -------------------------------------------------------------------------------------


def restore(desk: Desk, *arguments: str) -> Any:
    done = desk.run("restore", *(arguments or ("latest",)), "--yes", "--json")
    assert done.code == 0, done.err
    return done.json


def but_for_the_restore(found: Tables) -> Tables:
    """Without what restoring itself writes: an event, and that everybody is signed out."""
    found["events"] = [row for row in found["events"] if "restore" not in row]
    found["people"] = [row[:-1] for row in found["people"]]
    return found


def test_restoring_brings_back_every_row_of_every_table(tmp_path: Path, pubmed: StandIn) -> None:
    desk = Desk(tmp_path, pubmed.url)
    assert desk.run("refresh").code == 0
    desk.annotate()
    tag(desk, 90000302)
    before = {name: tables(desk.home / "db" / name) for name in BOTH}
    back_up(desk)
    change(desk.db, "delete from articles", "delete from changes", "delete from runs")
    change(desk.annotations, "delete from taggings", "update people set role = 'admin'")
    restore(desk)
    check_whole(desk.db)
    check_whole(desk.annotations)
    assert tables(desk.db) == before["evidence.db"]
    assert but_for_the_restore(tables(desk.annotations)) == but_for_the_restore(before["annotations.db"])
    assert desk.run("refresh").code == 0, "and work goes on"


def test_what_was_there_is_kept_under_another_name(desk: Desk) -> None:
    back_up(desk)
    tag(desk, 2)
    before = {name: tables(desk.home / "db" / name) for name in BOTH}
    report = restore(desk)
    for name in BOTH:
        kept = desk.home / report["files"][name]["kept_as"]
        assert kept.parent == desk.home / "db"
        check_whole(kept)
        assert tables(kept) == before[name]


def test_the_log_says_what_was_restored_and_everybody_is_signed_out(desk: Desk) -> None:
    change(desk.annotations, "update people set session = 7")
    backup = back_up(desk)
    change(desk.annotations, "update people set session = 8")
    report = restore(desk)
    with closing(sqlite3.connect(desk.annotations)) as db:
        ((origin, person, *said),) = db.execute(
            "select origin, person, subject, before, after from events where action = 'restore'"
        )
        assert db.execute("select session from people").fetchone()[0] > 8
    assert (origin, person) == ("tracker restore", None)
    subject, before, after = map(json.loads, said)
    assert subject == {"backup": backup.name}
    assert before == {"kept_as": Path(report["files"]["annotations.db"]["kept_as"]).name}
    assert after == {"moment": report["moment"]}


@pytest.mark.parametrize("only", ["annotations", "evidence"])
def test_only_one_is_restored_and_the_other_not_touched(desk: Desk, only: str) -> None:
    back_up(desk)
    tag(desk, 2)
    change(desk.db, "delete from changes", "delete from runs")
    other = desk.db if only == "annotations" else desk.annotations
    before = other.read_bytes()
    report = restore(desk, "latest", "--only", only)
    assert list(report["files"]) == [f"{only}.db"]
    assert other.read_bytes() == before
    assert len(tables(desk.annotations)["taggings"]) == (1 if only == "annotations" else 2)
    assert len(tables(desk.db)["runs"]) == (1 if only == "evidence" else 0)


def test_it_is_restored_where_nothing_is_yet(desk: Desk) -> None:
    backup = back_up(desk)
    done = desk.run("--db-dir", "other-machine", "restore", str(backup), "--yes", "--json")
    assert done.code == 0, done.err
    report = done.json
    assert {file["kept_as"] for file in report["files"].values()} == {None}
    assert tables(desk.home / "other-machine" / "evidence.db") == tables(desk.db)
    assert stat.S_IMODE((desk.home / "other-machine" / "annotations.db").stat().st_mode) == 0o600


def test_owner_and_mode_stay_as_they_were(desk: Desk) -> None:
    back_up(desk)
    desk.db.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(desk.db, 1234, 1234)
    before = desk.db.stat()
    restore(desk)
    after = desk.db.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_backup_is_found_by_path_by_name_or_as_the_latest(desk: Desk, clock: list[str]) -> None:
    found = []
    for day in (1, 2):
        clock[:] = [f"2026-01-0{day}T00:00:00Z"]
        found.append(back_up(desk))
    clock[:] = [f"2026-01-03T00:00:0{n}Z" for n in range(9)]
    first, last = found
    assert restore(desk, str(first))["moment"] == "2026-01-01T00:00:00Z"
    assert restore(desk, first.name)["moment"] == "2026-01-01T00:00:00Z"
    assert restore(desk, "latest")["moment"] == "2026-01-02T00:00:00Z"
    one_line(desk.run("restore", "db/backups", "--yes"), 2, "a folder of 2 backups", last.name)
    one_line(desk.run("restore", "nowhere", "--yes"), 2, "not a backup made by tracker")


def test_the_latest_with_this_database_is_taken(desk: Desk, clock: list[str]) -> None:
    clock[:] = ["2026-01-01T00:00:00Z"]
    back_up(desk)
    desk.annotations.rename(desk.home / "lost.db")
    clock[:] = ["2026-01-02T00:00:00Z"]
    assert desk.run("backup").code == 3
    assert restore(desk, "latest", "--only", "annotations")["moment"] == "2026-01-01T00:00:00Z"
    second = desk.home / "db" / "backups" / "evidence-tracker-20260102T000000Z"
    done = desk.run("restore", str(second), "--only", "annotations", "--yes")
    one_line(done, 2, "this backup has no annotations.db")


# -- what is refused -------------------------------------------------------------------------------


def repack(backup: Path, name: str, spoil: Callable[[Path], None]) -> None:
    """Change the database in a backup, with a manifest that fits."""
    copy = unpacked(backup, name)
    spoil(copy)
    with closing(sqlite3.connect(copy)) as db:
        if spoil is not overwrite:
            db.execute("pragma wal_checkpoint(truncate)").fetchall()
    packed = zstandard.ZstdCompressor().compress(copy.read_bytes())
    (backup / f"{name}.zst").write_bytes(packed)
    manifest = json.loads((backup / "manifest.json").read_text())
    told = manifest["files"][name]
    told["bytes"], told["sha256"] = copy.stat().st_size, hashlib.sha256(copy.read_bytes()).hexdigest()
    (backup / "manifest.json").write_text(json.dumps(manifest))


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def later(path: Path) -> None:
    change(path, "insert into _sqlite_migrations values (99, 'annotations', 'm999', '')")


def others(path: Path) -> None:
    path.unlink()
    change(path, "create table holidays (day text)")


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "one byte is another": (
        lambda b: edit(b / "annotations.db.zst", lambda x: x[:99] + bytes([x[99] ^ 1]) + x[100:]),
        "damaged",
    ),
    "cut off": (lambda b: edit(b / "annotations.db.zst", lambda x: x[: len(x) // 2]), "damaged"),
    "empty": (lambda b: edit(b / "annotations.db.zst", lambda x: b""), "damaged"),
    "not compressed": (lambda b: edit(b / "annotations.db.zst", lambda x: b"SQLite format 3"), "damaged"),
    "missing": (lambda b: (b / "annotations.db.zst").unlink(), "missing"),
    "another database": (
        lambda b: shutil.copy(b / "evidence.db.zst", b / "annotations.db.zst") and None,
        "it differs from the manifest",
    ),
    "no manifest": (lambda b: (b / "manifest.json").unlink(), "not a backup made by tracker"),
    "half a manifest": (
        lambda b: edit(b / "manifest.json", lambda x: x[:60]),
        "damaged, or made by a later version",
    ),
    "a later format": (
        lambda b: edit(b / "manifest.json", lambda x: x.replace(b'"format": 1', b'"format": 2')),
        "made by a later version",
    ),
    "a path in the manifest": (
        lambda b: edit(b / "manifest.json", lambda x: x.replace(b"annotations.db", b"../annotations.db")),
        "damaged, or made by a later version",
    ),
    "an index without a row": (lambda b: repack(b, "annotations.db", unsettle), "damaged"),
    "a person who is not there": (lambda b: repack(b, "annotations.db", orphan), "damaged"),
    "pages overwritten": (lambda b: repack(b, "annotations.db", overwrite), "damaged"),
    "a later schema": (lambda b: repack(b, "annotations.db", later), "made by a later version"),
    "somebody else's": (lambda b: repack(b, "annotations.db", others), "not made by evidence-tracker"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_a_spoilt_backup_is_refused_before_anything_is_touched(
    desk: Desk, spoil: Callable[[Path], None], message: str
) -> None:
    backup = back_up(desk)
    spoil(backup)
    with untouched(desk):
        one_line(desk.run("restore", str(backup), "--yes"), 2, message)


def statements(*texts: str) -> Callable[[Path], None]:
    return lambda path: change(path, *texts)


def rewritten(name: str, old: str, new: str) -> Callable[[Path], None]:
    """An object whose text is another, as only whoever writes the file by hand can make it."""

    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("pragma writable_schema = on")
            done = db.execute(
                "update sqlite_master set sql = replace(sql, ?, ?) where name = ? and instr(sql, ?)",
                (old, new, name, old),
            )
            assert done.rowcount == 1

    return spoil


_ADMIN = "begin update people set role = 'admin' where name = 'ada'; end"
FOREIGN: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a trigger on tags": (
        "annotations.db",
        statements(f"create trigger helpful after insert on taggings {_ADMIN}"),
        "trigger 'helpful'",
    ),
    "a trigger on the log": (
        "annotations.db",
        statements(f"create trigger helpful after insert on events {_ADMIN}"),
        "trigger 'helpful'",
    ),
    "a trigger on the log of steps": (
        "annotations.db",
        statements(f"create trigger helpful after insert on _sqlite_migrations {_ADMIN}"),
        "trigger 'helpful'",
    ),
    "a view": ("annotations.db", statements("create view w as select * from people"), "view 'w'"),
    "a table": ("annotations.db", statements("create table more (x)"), "table 'more'"),
    "an index": ("annotations.db", statements("create index i on people (upper(name))"), "index 'i'"),
    "another index of the name": (
        "annotations.db",
        statements("drop index notes_pmid", "create index notes_pmid on notes (abs(pmid))"),
        "index 'notes_pmid' differs from ours",
    ),
    "a virtual table": (
        "annotations.db",
        statements("create virtual table v using fts5 (x)"),
        "an unknown table 'v'",
    ),
    "a generated column": (
        "annotations.db",
        statements("alter table people add column x as (upper(name))"),
        "table 'people' differs from ours",
    ),
    "a log that forgets": (
        "annotations.db",
        statements("drop trigger events_never_deleted"),
        "trigger 'events_never_deleted' is missing",
    ),
    "a log that can be changed": (
        "annotations.db",
        statements(
            "drop trigger events_never_updated",
            "create trigger events_never_updated before update on events begin select 1; end",
        ),
        "trigger 'events_never_updated' differs from ours",
    ),
    "a role that is always the same": (
        "annotations.db",
        rewritten("people", "role text not null", "role text default 'admin' not null"),
        "table 'people' differs from ours",
    ),
    "a step left out": (
        "annotations.db",
        statements("delete from _sqlite_migrations where name = 'm002_teamwork'"),
        "step of its schema",
    ),
    "a trigger in evidence.db": (
        "evidence.db",
        statements("create trigger t after insert on articles begin update articles set retracted = 0; end"),
        "trigger 't'",
    ),
    "a view in evidence.db": ("evidence.db", statements("create view w as select 1"), "view 'w'"),
}


@pytest.mark.parametrize(("name", "spoil", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_backup_with_a_schema_that_is_not_ours_is_not_put_back(
    desk: Desk, name: str, spoil: Callable[[Path], None], message: str
) -> None:
    """Whatever the file brings would act in our name: a trigger once made a tagger an admin."""
    backup = back_up(desk)
    repack(backup, name, spoil)
    with untouched(desk):
        one_line(desk.run("restore", str(backup), "--yes"), 2, message, f"{name}.zst", "Nothing was changed")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(spoil, message) for name, spoil, message in FOREIGN.values() if name == "annotations.db"],
    ids=[title for title, (name, *_) in FOREIGN.items() if name == "annotations.db"],
)
def test_annotations_with_a_schema_that_is_not_ours_are_not_written_to(
    desk: Desk, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(desk.annotations)
    with untouched(desk):
        one_line(desk.run("people", "role", "ada", "lead"), 1, "annotations.db", message)
        one_line(desk.run("backup"), 1, "annotations.db", message, "older ones are unchanged")
    served = desk.shell("serve", "--port", "1")
    assert served.code == 1 and message in served.err and "Traceback" not in served.err


def test_what_sqlite_itself_keeps_is_no_difference(desk: Desk) -> None:
    for path in (desk.db, desk.annotations):
        change(path, "analyze")
    restore(desk, back_up(desk).name)


# What has the name of a file and is none: (what to put there, what it is called).
NO_FILES: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a socket": lambda path: socket(path),
}


def socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


@pytest.mark.parametrize("put", NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("name", ["manifest.json", "annotations.db.zst"])
def test_what_is_no_file_is_refused_and_not_waited_for(
    desk: Desk, name: str, put: Callable[[Path], None]
) -> None:
    """As processes, which are given up after a minute."""
    backup = back_up(desk)
    (backup / name).unlink()
    put(backup / name)
    with untouched(desk):
        one_line(desk.shell("restore", str(backup), "--yes"), 2, name)
    # Others in the same folder are found past it, and a new one is made.
    assert desk.shell("backup").code in (0, 3)


def test_a_job_that_is_running_is_waited_for(desk: Desk) -> None:
    back_up(desk)
    with writing_job(desk.home / "db"), untouched(desk):
        one_line(desk.run("restore", "latest", "--yes"), 4, "another refresh, load or rebuild is running")


@pytest.mark.parametrize("name", BOTH)
def test_a_database_that_the_site_has_open_is_left_alone(
    desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(desk)
    monkeypatch.setattr(copies, "PATIENCE", 0.2)
    with closing(sqlite3.connect(f"file:{desk.home / 'db' / name}?mode=ro", uri=True)) as site:
        site.execute("select count(*) from sqlite_master").fetchone()
        before = {name: tables(desk.home / "db" / name) for name in BOTH}
        done = desk.run("restore", "latest", "--yes")
        one_line(done, 4, name, "Stop 'tracker serve'", "Nothing was changed")
        assert {name: tables(desk.home / "db" / name) for name in BOTH} == before
    restore(desk)


def test_without_a_terminal_and_without_yes_nothing_is_done(desk: Desk) -> None:
    back_up(desk)
    with untouched(desk):
        one_line(desk.run("restore", "latest"), 2, "Add --yes")


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 3), ("", 3)])
def test_on_a_terminal_it_asks_first(desk: Desk, answer: str, code: int) -> None:
    back_up(desk)
    tag(desk, 2)
    process, ours = desk.start_at_terminal("restore", "latest")
    os.write(ours, f"{answer}\n".encode())
    done = finish(process)
    os.close(ours)
    assert done.code == code, done.err
    assert "Put evidence.db and annotations.db as of" in done.err
    assert len(tables(desk.annotations)["taggings"]) == (1 if code == 0 else 2)


# -- the old files ---------------------------------------------------------------------------------


def leave_a_log(path: Path) -> None:
    """A process that tags somebody and dies: what it wrote is in the log beside the database only."""
    script = f"""
import os, sqlite3
db = sqlite3.connect({str(path)!r}, isolation_level=None)
db.execute("insert into taggings (pmid, tag, person, tagged) values (2, 901, 1, '2026')")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script])
    assert path.with_name(f"{path.name}-wal").stat().st_size > 0


def test_a_log_that_was_left_beside_the_old_database_stays_with_that(desk: Desk) -> None:
    back_up(desk)
    leave_a_log(desk.annotations)
    report = restore(desk)
    assert len(tables(desk.annotations)["taggings"]) == 1
    kept = desk.home / report["files"]["annotations.db"]["kept_as"]
    assert len(tables(kept)["taggings"]) == 2
    assert not kept.with_name(f"{kept.name}-wal").exists(), "folded in"


def test_the_log_of_a_database_that_is_gone_is_not_applied_to_the_new_one(desk: Desk) -> None:
    back_up(desk)
    leave_a_log(desk.annotations)
    desk.annotations.unlink()
    restore(desk)
    assert len(tables(desk.annotations)["taggings"]) == 1
    (kept,) = (desk.home / "db").glob("annotations-replaced-*.db-wal")
    assert kept.stat().st_size > 0


def test_a_damaged_database_can_be_replaced_and_is_kept_with_its_log(desk: Desk) -> None:
    back_up(desk)
    leave_a_log(desk.annotations)
    log = desk.annotations.with_name("annotations.db-wal")
    was = log.read_bytes()
    desk.annotations.write_bytes(b"\xa5" * 10_000)
    log.write_bytes(was)
    report = restore(desk)
    check_whole(desk.annotations)
    assert len(tables(desk.annotations)["taggings"]) == 1
    kept = desk.home / report["files"]["annotations.db"]["kept_as"]
    assert kept.read_bytes() == b"\xa5" * 10_000


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_where_the_second_cannot_be_replaced_the_first_is_put_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    back_up(desk)
    tag(desk, 2)
    change(desk.db, "delete from runs")
    replace = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if self.parent.name == ".restore.part" and self.name == "annotations.db":
            raise OSError(5, "Input/output error", str(self))
        return replace(self, target)

    def no_links(self: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", fails)
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    before = {name: tables(desk.home / "db" / name) for name in BOTH}
    one_line(desk.run("restore", "latest", "--yes"), 2, "Input/output error")
    assert {name: tables(desk.home / "db" / name) for name in BOTH} == before
    assert not list((desk.home / "db").glob("*-replaced-*"))
    assert not (desk.home / "db" / ".restore.part").exists()


def test_a_restore_that_is_killed_leaves_whole_databases_and_can_be_run_again(desk: Desk) -> None:
    back_up(desk)
    tag(desk, 2)
    change(desk.db, "delete from runs")
    script = """
import time
from tracker.jobs import backup
replace = backup._replace
def second_waits(path, *rest):
    if path.name == "annotations.db":
        print("now", flush=True)
        time.sleep(60)
    replace(path, *rest)
backup._replace = second_waits
from tracker.cli import main
main(["restore", "latest", "--yes"])
"""
    process = desk.start_python("-c", script)
    assert process.stdout
    assert process.stdout.readline() == "now\n"
    process.kill()
    finish(process)
    assert len(tables(desk.db)["runs"]) == 1, "the first is the new one"
    assert len(tables(desk.annotations)["taggings"]) == 2, "the second still the old one"
    for name in BOTH:
        check_whole(desk.home / "db" / name)
    restore(desk)
    assert len(tables(desk.annotations)["taggings"]) == 1
    assert not (desk.home / "db" / ".restore.part").exists()
