"""What people wrote about two records that are one paper: moved to the other as one act, and moved back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from tracker.article import ArticleKey
from tracker.evidence.rows import Row, read_rows
from tracker.team.acts import STATEMENTS, Act, Statement, current, undo
from tracker.team.review import REVIEWERS

MERGE = "merge"


def merge(act: Act, pmid: ArticleKey, into: ArticleKey) -> int:
    """Move everything that was said about a record to another; returns how many statements were moved.

    Where the same person said something else of each, what they said later counts; the log keeps both. Decisions of
    different people stand side by side, so that contradicting ones are a conflict; two settlements that contradict each
    other are both taken back, for the same reason.
    """
    moved = 0
    for kind, of in _about_papers():
        for row in _about(act.db, of, pmid):
            _move(act, kind, of, row, into)
            moved += 1
    _unseal(act, into)
    return moved


def take_back(act: Act, origin: str) -> None:
    """Put back what the latest merge from this origin moved, except for what was changed since."""
    row = act.db.execute(
        "select batch from events where origin = :origin and action = :merge order by id desc limit 1",
        {"origin": origin, "merge": MERGE},
    ).fetchone()
    if row:
        undo(act, row[0], may=lambda event: True, seal=lambda pmid, question: None, merges=True)


def _about_papers() -> Iterator[tuple[str, Statement]]:
    """A peer review of a strategy is about no paper."""
    return ((kind, of) for kind, of in STATEMENTS.items() if "pmid" in of.key)


def _about(db: sqlite3.Connection, of: Statement, pmid: ArticleKey) -> list[Row]:
    names = ", ".join((*of.key, *of.says, of.when))
    return read_rows(db, f"select {names} from {of.table} where pmid = :pmid", {"pmid": pmid})


def _move(act: Act, kind: str, of: Statement, row: Row, into: ArticleKey) -> None:
    key = {name: row[name] for name in of.key}
    says: dict[str, Any] = {name: row[name] for name in (*of.says, of.when)}
    there = current(act.db, kind, key | {"pmid": into})
    act.put(MERGE, kind, key, None)
    if there is None:
        act.put(MERGE, kind, key | {"pmid": into}, says)
    elif kind == "settlement" and there["decision"] != says["decision"]:
        act.put(MERGE, kind, key | {"pmid": into}, None)
    elif there[of.when] < says[of.when]:
        act.put(MERGE, kind, key | {"pmid": into}, says)


def _unseal(act: Act, pmid: ArticleKey) -> None:
    """Once two people have decided on either record, what they said is hidden no more."""
    rows = act.db.execute(
        """
        select blind from decisions where pmid = :pmid and blind is not null
        group by question, stage, blind having count(distinct person) >= :reviewers
        """,
        {"pmid": pmid, "reviewers": REVIEWERS},
    ).fetchall()
    for (seal,) in rows:
        act.db.execute(
            "insert into unsealed (review, pmid, unsealed) values (:seal, :pmid, :when) on conflict do nothing",
            {"seal": seal, "pmid": pmid, "when": act.when},
        )
