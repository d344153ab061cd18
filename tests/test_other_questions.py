"""The tests on a repository that asks more, fewer or other questions: what queries/ holds turns nothing red."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What reads questions: as files, at the stand-in for PubMed, through a refresh, from the wheel, in the documentation.
READERS = (
    "tests/test_questions.py",
    "tests/test_topic.py::test_what_we_ship_has_nothing_to_mend",
    "tests/test_topic.py::test_the_schemas_for_editors_are_current",
    "tests/test_settings.py",
    "tests/test_package.py::test_it_runs_from_an_empty_folder_with_the_questions_that_it_brings",
    "tests/test_eutils_server.py::test_each_question_finds_what_was_written_down_by_hand",
    "tests/test_eutils_server.py::test_the_index_knows_all_words_of_our_strategies",
    "tests/test_refresh.py::test_a_first_refresh_stores_every_record_that_a_question_must_find",
    "tests/test_docs.py::test_a_command_in_the_documentation_exists_as_written",
)
# The real records say nothing of other questions, and take long to be read.
LONG = ("-k", "not real_records")
SALT = """\
order: 5
title: Salt
question: Does eating less salt lower blood pressure?
claim: A website says so.
pico: {population: adults, intervention: less salt, comparison: no change, outcome: blood pressure}
search:
  salt: '"sodium chloride, dietary"[mh] OR salt[tiab]'
  pressure: hypertension[mh] OR "blood pressure"[tiab]
  ketamine: "salt[tiab]"
  combine: salt AND pressure NOT ketamine
review: {built_by: a test}
"""


def test_other_questions_in_the_repository_turn_no_test_red(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.db*", "backups"))
    # One more and one less at once: the tests of readers take long.
    (copy / "queries" / "salt.yml").write_text(SALT, encoding="utf-8")
    (copy / "queries" / "cystitis.yml").unlink()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", *READERS, *LONG]
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "PYTEST_"))
    }
    done = subprocess.run(
        command, cwd=copy, env=environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
