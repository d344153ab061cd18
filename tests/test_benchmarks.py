"""The database on which pages are timed is made without our jobs, and has to follow every change of the schema."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.test_other_questions import ROOT
from tracker.evidence import connect, schema


def test_the_database_for_timing_pages_can_be_made(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.site",
        "--articles",
        "300",
        "--build-only",
        "--dir",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    with closing(sqlite3.connect(tmp_path / "evidence.db")) as db:
        connect.check_ours(db, schema.migrations)
        for table in (
            "articles",
            "question_articles",
            "directness",
            "findings",
            "facets_of",
            "known_item_sets",
        ):
            assert db.execute(f"select count(*) > 0 from {table}").fetchone() == (1,), table
