"""The run log: what each run did, each search as sent and answered, each batch fetched."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tracker.article import Pmid
from tracker.clock import now
from tracker.evidence.connect import transaction

RUNNING, COMPLETE, INCOMPLETE, FAILED = "running", "complete", "incomplete", "failed"
# The reason of a run that was killed.
STOPPED = "stopped before its end"


def start(db: sqlite3.Connection, command: str, version: str, details: Mapping[str, Any]) -> int:
    """Open a run, in its own transaction, and return its id.

    A run that is still open was killed, as the lock shows that nothing else is running; it is closed as failed.
    """
    with transaction(db):
        db.execute(
            """
            update runs set outcome = :failed, finished = :now, reason = :reason
            where outcome = :running
            """,
            {"failed": FAILED, "now": now(), "reason": STOPPED, "running": RUNNING},
        )
        cursor = db.execute(
            """
            insert into runs (command, started, outcome, version, details)
            values (:command, :now, :running, :version, :details)
            """,
            {
                "command": command,
                "now": now(),
                "running": RUNNING,
                "version": version,
                "details": json.dumps(details),
            },
        )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def finish(
    db: sqlite3.Connection, run: int, outcome: str, reason: str | None, details: Mapping[str, Any]
) -> None:
    """Close a run, inside the caller's transaction."""
    db.execute(
        """
        update runs set finished = :now, outcome = :outcome, reason = :reason, details = :details where id = :run
        """,
        {
            "run": run,
            "now": now(),
            "outcome": outcome,
            "reason": reason,
            "details": json.dumps(details, ensure_ascii=False),
        },
    )


class LastRun(NamedTuple):
    """The latest run of a command; times are UTC, ``finished`` is None and ``outcome`` running until it is closed."""

    run: int
    started: str
    finished: str | None
    outcome: str
    reason: str | None
    details: dict[str, Any]


def last(db: sqlite3.Connection, command: str) -> LastRun | None:
    """The latest run of this command, with the report that it stored; None before the first."""
    row = db.execute(
        """
        select id, started, finished, outcome, reason, details from runs where command = :command
        order by id desc limit 1
        """,
        {"command": command},
    ).fetchone()
    return LastRun._make((*row[:5], json.loads(row[5] or "{}"))) if row else None


def log_search(db: sqlite3.Connection, run: int, question: str, purpose: str, **columns: Any) -> None:
    """Log one search; lists are stored as JSON."""
    row = {"run": run, "question": question, "purpose": purpose} | columns
    _insert(db, "searches", row)


def log_fetch(
    db: sqlite3.Connection,
    run: int,
    *,
    asked: int,
    returned: int,
    missing: Sequence[int],
    refused: Mapping[Pmid, str],
    bytes: int,
    started: str,
    seconds: float,
) -> None:
    """Log one batch that was asked for."""
    _insert(
        db,
        "fetches",
        {
            "run": run,
            "asked": asked,
            "returned": returned,
            "missing": missing,
            "refused": refused,
            "bytes": bytes,
            "started": started,
            "seconds": seconds,
        },
    )


def last_count(db: sqlite3.Connection, question: str, strategy: str) -> int | None:
    """How many records the latest search of this strategy counted; None before the first."""
    row = db.execute(
        """
        select count from searches where question = :question and strategy = :strategy and purpose = 'strategy'
        order by id desc limit 1
        """,
        {"question": question, "strategy": strategy},
    ).fetchone()
    return row[0] if row else None


def _insert(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    values = {
        name: json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple | Mapping) else value
        for name, value in row.items()
    }
    columns, places = ", ".join(values), ", ".join(f":{name}" for name in values)
    db.execute(f"insert into {table} ({columns}) values ({places})", values)
