"""Times that were stored while this machine's clock was ahead: found, reported, and corrected.

A clock that once said 2027 and then went back delays re-checks for months, and makes a question complete to a day
in the future. All that is certain is that everything was stored before now; if more is known, that is used.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tracker.clock import now
from tracker.evidence.connect import transaction
from tracker.evidence.schema import ENRICHED

# Clocks of machines that share a disk differ a little.
TOLERANCE = timedelta(minutes=5)
# PubMed's own days are those of its time zone.
A_DAY_AND_ZONES = timedelta(days=2)
# When something happened, as we noted it; what depends on it is corrected separately.
NOTED = (
    *(("runs", "started"), ("runs", "finished"), ("searches", "started"), ("fetches", "started")),
    *(("strategies", "first_run"), ("questions", "incomplete_since"), ("changes", "noticed")),
    ("adoptions", "adopted"),
    *(("question_articles", "entered"), ("question_articles", "left_at")),
    *(("raw_records", "fetched"), ("record_state", "first_seen")),
    *(("record_state", "missing_since"), ("record_state", "gone")),
    *(("enrichments", "asked"), ("enrichments", "answered")),
    *(("enrich_runs", "started"), ("enrich_runs", "finished")),
    *((table, "fetched") for table in ENRICHED),
)
_LATEST = """
select max(moment) from (
  select max(started) as moment from runs union all select max(finished) from runs
  union all select max(complete_to) from questions)
"""


def is_ahead(moment: str | None) -> bool:
    """Whether a stored time (UTC) is in the future."""
    return bool(moment) and str(moment) > _limit()


def latest_ahead(db: sqlite3.Connection) -> str | None:
    """The latest time in the future that a job noted; None if there is none.

    Every job notes when it ran, so no other table has to be searched.
    """
    (latest,) = db.execute(_LATEST).fetchone()
    return latest if is_ahead(latest) else None


def put_right(db: sqlite3.Connection) -> Iterator[str]:
    """Correct what a clock that was ahead has left in evidence.db, in one transaction; says what was done.

    Records become due, since it is unknown when PubMed last answered for them; a question becomes complete to its last
    complete search before that. If PubMed's own dates are later than now, the clock is wrong now, and nothing is
    changed.
    """
    latest = latest_ahead(db)
    if latest is None:
        return
    if later := pubmed_is_later(db):
        yield (
            f"This machine's clock says {now()}, but PubMed has records of {later}. Set the clock; until then, "
            "re-checks and dates are unreliable"
        )
        return
    given = {"now": now(), "limit": _limit()}
    with transaction(db):
        given["known"] = _last_run_before(db) or given["now"]
        due = db.execute(
            """
            update record_state set
              checked = case when first_seen <= :limit then first_seen else :known end,
              next_check = case when first_seen <= :limit then first_seen else :known end
            where checked > :limit
            """,
            given,
        ).rowcount
        questions = _complete_to_what_is_known(db, given)
        for table, column in NOTED:
            db.execute(f"update {table} set {column} = :now where {column} > :limit", given)
    yield (
        f"This machine's clock was wrong: times up to {latest} were stored, but it is {given['now']}. Corrected; "
        f"{due:,} record{'' if due == 1 else 's'} will be checked again"
    )
    for slug, moment in questions:
        yield f"{slug}: complete to {moment}" if moment else f"{slug}: not known to be complete to any day"


def _limit() -> str:
    return f"{datetime.now(UTC) + TOLERANCE:%Y-%m-%dT%H:%M:%SZ}"


def pubmed_is_later(db: sqlite3.Connection) -> str | None:
    """PubMed's newest creation date, if it is in the future by our clock."""
    (newest,) = db.execute("select max(created) from articles").fetchone()
    return newest if newest and newest > f"{datetime.now(UTC) + A_DAY_AND_ZONES:%Y-%m-%d}" else None


def _last_run_before(db: sqlite3.Connection) -> str | None:
    row = db.execute("select max(started) from runs where started <= :now", {"now": now()}).fetchone()
    started: str | None = row[0]
    return started


def _complete_to_what_is_known(db: sqlite3.Connection, given: dict[str, str]) -> list[tuple[str, str | None]]:
    """Set questions that are complete to a time ahead back to their last complete search before it, if any."""
    return db.execute(
        """
        update questions set complete_to = (
          select max(s.started) from searches s join runs r on r.id = s.run
          where s.question = slug and s.purpose = 'strategy' and s.reason is null and s.reconciled
            and r.outcome = 'complete' and s.started <= :limit)
        where complete_to > :limit returning slug, complete_to
        """,
        given,
    ).fetchall()
