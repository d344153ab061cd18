"""A node that is lost: what people said is restored from Litestream, but for the last moment, and from a backup."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from tests.conftest import Desk, wait_for
from tests.helpers_browser import missing
from tests.helpers_load import document, record
from tests.helpers_site import add_person

CONFIGURATION = Path(__file__).parents[1] / "deploy" / "litestream.yml"


class Replica:
    """deploy/litestream.yml with paths of the test, and Litestream itself."""

    def __init__(self, desk: Desk) -> None:
        beside = Path(sys.executable).with_name("litestream")
        self._program = str(beside) if beside.exists() else shutil.which("litestream")
        if not self._program:
            missing("Litestream is not installed")
        self._database = desk.annotations
        self.settings = desk.home / "litestream.yml"
        settings = yaml.safe_load(CONFIGURATION.read_text("utf-8"))
        (of_database,) = settings["dbs"]
        assert of_database["replica"]["sync-interval"] == "1s"
        of_database["path"] = str(desk.annotations)
        of_database["replica"]["path"] = str(desk.home / "elsewhere")
        self.settings.write_text(yaml.safe_dump(settings), "utf-8")

    def start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._program, "replicate", "-config", self.settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def restored(self, to: Path) -> list[int]:
        """The events of what can be restored now, by their number."""
        to.unlink(missing_ok=True)
        done = subprocess.run(
            [self._program, "restore", "-config", self.settings, "-o", to, self._database],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return events(to) if done.returncode == 0 else []


def events(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        return [number for (number,) in db.execute("select id from events order by id")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    papers = [record(pmid, f"Ketamine and the bladder, part {pmid}") for pmid in range(1, 13)]
    (tmp_path / "papers.xml").write_text(document(*papers), encoding="utf-8")
    assert desk.run("load", "--match", "all", "papers.xml").code == 0
    add_person(desk, "ann")
    yield desk


def tagged(desk: Desk) -> set[int]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return {pmid for (pmid,) in db.execute("select pmid from taggings")}


def tag(desk: Desk, pmids: range) -> None:
    for pmid in pmids:
        done = desk.run("tag", "add", str(pmid), "background", "--as", "ann")
        assert done.code == 0, done.err


def test_a_lost_node_comes_back_from_litestream_but_for_its_last_moment(desk: Desk) -> None:
    replica = Replica(desk)
    replicating = replica.start()
    try:
        tag(desk, range(1, 7))
        safe = events(desk.annotations)
        # Its interval goes by.
        wait_for(lambda: replica.restored(desk.home / "tried.db") == safe)
        tag(desk, range(7, 13))
        replicating.send_signal(signal.SIGKILL)
    finally:
        replicating.kill()
        replicating.wait(timeout=10)
    every = events(desk.annotations)
    for file in desk.annotations.parent.glob("annotations.db*"):
        file.unlink()
    back = replica.restored(desk.annotations)
    assert back[: len(safe)] == safe, "what was acknowledged before the interval is there"
    assert back == every[: len(back)], "and of the rest the first, without a gap"
    listed = desk.run("tag", "export", "--format", "jsonl")
    assert listed.code == 0, listed.err
    tag(desk, range(7, 13))
    assert tagged(desk) == set(range(1, 13))


def test_a_lost_node_comes_back_from_a_backup_as_of_its_moment(desk: Desk) -> None:
    tag(desk, range(1, 7))
    kept = events(desk.annotations)
    (desk.home / "backups").mkdir(exist_ok=True)
    assert desk.run("backup", str(desk.home / "backups")).code == 0
    tag(desk, range(7, 13))
    shutil.rmtree(desk.db.parent)
    done = desk.run("restore", "--yes", str(next((desk.home / "backups").glob("evidence-*"))))
    assert done.code == 0, done.err
    # The restore itself is written down as well.
    assert events(desk.annotations)[:-1] == kept
    assert tagged(desk) == set(range(1, 7))
