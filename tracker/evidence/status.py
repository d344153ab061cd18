"""The current state: each question, the latest runs, the stock of records."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tracker.clock import now
from tracker.evidence import articles, lines, runs, versions
from tracker.evidence.questions import STARTER, seeds
from tracker.evidence.rows import read_rows
from tracker.evidence.wrongclock import is_ahead, latest_ahead

# Days without a refresh after which a question counts as stale.
MAX_AGE = 8

_QUESTIONS = """
select slug as question, title, edited, complete_to, incomplete_since, incomplete_reason,
  (select count(*) from question_articles a
   where a.question = q.slug and matching and reason <> :starter) as matching,
  (select count(*) from question_articles a
   where a.question = q.slug and matching and reason = :starter) as starter_citations,
  (select count(*) from question_articles a
   where a.question = q.slug and matching and reason <> :starter and created >= :month_ago) as new_in_30_days
from questions q order by position, slug
"""
_RUNS = """
select id as run, command, started, finished, outcome, reason from runs order by id desc limit 5
"""
_STOCK = """
select (select count(*) from record_state where raw is not null and source <> 'starter') as records,
  (select count(*) from record_state where source = 'starter') as starter_citations,
  (select count(*) from articles where retracted or withdrawn or expression_of_concern) as withdrawn,
  (select count(*) from record_state where raw is not null and next_check <= :now) as due,
  (select count(*) from record_state where gone is not null) as gone
"""


def status(db: sqlite3.Connection, max_age: int, searches: bool = False) -> dict[str, Any]:
    """What ``tracker status --json`` prints, with ``searches`` also the lines of each adopted search.

    ``stale`` are the questions that are not complete as of ``max_age`` days ago, or incomplete since;
    ``read_by_older_rules`` counts the records that ``tracker rebuild`` would read again, ``read_again`` says whether
    there are any.
    """
    today = datetime.now(UTC)
    given = {
        "month_ago": (today - timedelta(days=30)).strftime("%Y-%m-%d"),
        "now": now(),
        "starter": STARTER,
        "oldest": _oldest(max_age),
    }
    questions = read_rows(db, _QUESTIONS, given)
    for question in questions:
        seed_rows = seeds(db, question["question"])
        question["seeds_missing"] = [
            {"pmid": pmid, "title": title} for pmid, title, here, _ in seed_rows if here == 0
        ]
        question["seeds_with_another_title"] = [
            {"pmid": pmid, "title": title, "record_title": other}
            for pmid, title, _, other in seed_rows
            if other
        ]
        question |= _search(db, question["question"], bool(question.pop("edited")), searches)
    stale = [
        question["question"]
        for question in questions
        if question["incomplete_since"] or is_stale(question["complete_to"], max_age)
    ]
    older = articles.read_by_older_rules(db)
    return {
        "questions": questions,
        "runs": latest_runs(db),
        **read_rows(db, _STOCK, given)[0],
        "read_again": older > 0,
        "read_by_older_rules": older,
        "stale": stale,
        "clock_was_ahead": latest_ahead(db),
    }


def is_stale(complete_to: str | None, max_age: int = MAX_AGE) -> bool:
    """Whether what was complete at this time (UTC) is so no more; a time in the future says nothing."""
    return (complete_to or "") < _oldest(max_age) or is_ahead(complete_to)


def _oldest(max_age: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=max_age):%Y-%m-%dT%H:%M:%SZ}"


class Pulse(NamedTuple):
    """What a monitor asks for every minute: of each question until when it is complete, and since when not (UTC)."""

    complete_to: dict[str, str | None]
    incomplete_since: dict[str, str | None]
    last_refresh: runs.LastRun | None

    @property
    def stale(self) -> list[str]:
        return [question for question, moment in self.complete_to.items() if is_stale(moment)]

    @property
    def incomplete(self) -> list[str]:
        return [question for question, moment in self.incomplete_since.items() if moment]


def pulse(db: sqlite3.Connection) -> Pulse:
    """A few indexed reads, whatever is stored."""
    rows = db.execute(
        "select slug, complete_to, incomplete_since from questions order by position, slug"
    ).fetchall()
    return Pulse(
        {slug: moment for slug, moment, _ in rows},
        {slug: moment for slug, _, moment in rows},
        runs.last(db, "refresh"),
    )


def due(db: sqlite3.Connection) -> int:
    """How many stored records are to be asked for again by now."""
    return int(
        db.execute(
            "select count(*) from record_state where raw is not null and next_check <= ?", (now(),)
        ).fetchone()[0]
    )


def latest_runs(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """The last five runs as they are logged, the latest first."""
    return read_rows(db, _RUNS, {})


def _search(db: sqlite3.Connection, slug: str, edited: bool, searches: bool) -> dict[str, Any]:
    """The adopted version of a question's search, and whether its file had another when a job last read it."""
    version = versions.adopted(db, slug)
    adopted = version and {
        "version": version.number,
        "hash": version.hash,
        "adopted": version.adopted,
        "by": version.person,
        "note": version.note,
    }
    found: dict[str, Any] = {"search": adopted, "edited": edited}
    if searches:
        checks = lines.checks(db, slug, version.hash) if version else {}
        found["lines"] = [check._asdict() for check in checks.values()]
    return found
