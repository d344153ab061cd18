"""What the page of methods shows: each question's search as it was run, its seed papers, and the latest runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from tracker.evidence.rows import Row, read_rows
from tracker.lists.pages import has_starter

RUNS = 20

_QUESTIONS = """
select slug, title, question, complete_to, incomplete_since, incomplete_reason,
  (select s.strategy from strategies s where s.hash = questions.strategy) as strategy_text
from questions order by position, slug
"""


@dataclass(frozen=True, slots=True)
class Method:
    """A question's latest search as it was run, if any, and its seed papers."""

    question: Row
    searches: Sequence[Row]
    seeds: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Methods:
    """``runs`` are the latest runs over all questions."""

    methods: Sequence[Method]
    runs: Sequence[Row]
    starter: bool


def methods(db: sqlite3.Connection) -> Methods:
    """Each question's latest search as it was run, with its seed papers; and the latest runs."""
    runs = read_rows(
        db,
        "select id, command, started, finished, outcome, reason from runs order by id desc limit :runs",
        {"runs": RUNS},
    )
    return Methods([_method(db, question) for question in read_rows(db, _QUESTIONS)], runs, has_starter(db))


def _method(db: sqlite3.Connection, question: Row) -> Method:
    searches = read_rows(
        db,
        """
        select query, translation, errors, warnings, count, entered, left_count, kept, reconciled, reason,
          started, seconds, run
        from searches where question = :slug and purpose = 'strategy' order by id desc limit 1
        """,
        {"slug": question["slug"]},
    )
    for run in searches:
        run["remarks"] = json.loads(run["errors"]) + json.loads(run["warnings"])
    seeds = read_rows(
        db,
        "select pmid, title, found, record_title from seeds where question = :slug order by pmid",
        {"slug": question["slug"]},
    )
    return Method(question, searches, seeds)
