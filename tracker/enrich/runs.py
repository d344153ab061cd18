"""The log of what each service was asked: one row a service and run."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from typing import Literal

from tracker.evidence.rows import Row, read_rows

Outcome = Literal["complete", "incomplete", "failed"]


@dataclass(slots=True)
class Asked:
    """How asking one service went; ``due``, ``asked`` and ``answered`` count keys."""

    source: str
    started: str
    finished: str = ""
    outcome: Outcome = "complete"
    reason: str | None = None
    requests: int = 0
    bytes: int = 0
    due: int = 0
    asked: int = 0
    answered: int = 0


def note(db: sqlite3.Connection, run: int, asked: Asked) -> None:
    """Log it, inside the caller's transaction."""
    db.execute(
        """
        insert into enrich_runs
          (run, source, started, finished, outcome, reason, requests, bytes, due, asked, answered)
        values (:run, :source, :started, :finished, :outcome, :reason, :requests, :bytes, :due, :asked, :answered)
        """,
        {"run": run, **asdict(asked)},
    )


def last_runs(db: sqlite3.Connection) -> list[Row]:
    """The latest row of each source, by name."""
    return read_rows(
        db,
        """
        select source, started, finished, outcome, reason, requests, due, asked, answered from enrich_runs
        where id in (select max(id) from enrich_runs group by source) order by source
        """,
    )
