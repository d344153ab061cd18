"""What was asked and answered, in evidence.db: which keys are due, and the rows that their answers become."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import zstandard

from tracker.enrich.clinicaltrials import search_key
from tracker.enrich.source import Rows, Scope, Source
from tracker.evidence.schema import TABLES

# A record that PubMed has had for less is asked about more often.
YOUNG = timedelta(days=365)
_ORIGIN = ("source", "key", "fetched")


class Kept(NamedTuple):
    """An answer to one key: as it came, and the rows that it becomes."""

    raw: Any
    rows: Rows


def due(db: sqlite3.Connection, source: Source, scope: Scope) -> list[str]:
    """The keys that the source is to be asked about, the most urgent first: new ones, then the longest unasked."""
    today = datetime.now(UTC)
    rows = db.execute(
        f"""
        select k.key from ({source.keys}) k
        left join enrichments e on e.source = :source and e.key = k.key
        group by k.key
        having max(e.asked) is null or max(e.asked) < iif(max(k.newest) >= :young_since, :young_before, :old_before)
        order by max(e.asked) is not null, max(k.newest) = '9999' desc, max(e.asked), max(k.newest) desc, k.key
        """,
        {
            "source": source.name,
            "questions": json.dumps(list(scope.questions)),
            "searches": json.dumps([search_key(*search) for search in scope.searches.items()]),
            "today": f"{today:%Y-%m-%d}",
            "young_since": f"{today - YOUNG:%Y-%m-%d}",
            "young_before": _ago(today, source.young_days),
            "old_before": _ago(today, source.old_days),
        },
    )
    return [key for (key,) in rows]


def _ago(today: datetime, days: int) -> str:
    # A nightly run that starts a little earlier than the last one must not wait for another night.
    return f"{today - timedelta(days=days) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"


def keep(
    db: sqlite3.Connection, source: Source, asked: Sequence[str], answers: Mapping[str, Kept], when: str
) -> None:
    """Store one batch, inside the caller's transaction. What a service no longer knows of stays as it was."""
    for key, answer in answers.items():
        for table in source.tables:
            _replace(db, table, (source.name, key, when), answer.rows.get(table, ()))
    db.executemany(
        """
        insert into enrichments (source, key, asked, answered, raw) values (:source, :key, :when, :answered, :raw)
        on conflict do update set asked = excluded.asked, answered = coalesce(excluded.answered, answered),
          raw = coalesce(excluded.raw, raw)
        """,
        [
            {
                "source": source.name,
                "key": key,
                "when": when,
                "answered": when if key in answers else None,
                "raw": _packed(answers[key].raw) if key in answers else None,
            }
            for key in dict.fromkeys((*asked, *answers))
        ],
    )


def _packed(raw: Any) -> bytes:
    return zstandard.compress(json.dumps(raw, separators=(",", ":")).encode())


def _replace(
    db: sqlite3.Connection, table: str, origin: tuple[str, str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Only rows that differ are touched, so that ``fetched`` says since when a row has been as it is."""
    columns = _columns(table)
    wanted = {tuple(row[column] for column in columns) for row in rows}
    names = ", ".join(columns)
    for rowid, *stored in db.execute(
        f"select rowid, {names} from {table} where source = ? and key = ?", origin[:2]
    ).fetchall():
        if tuple(stored) in wanted:
            wanted.discard(tuple(stored))
        else:
            db.execute(f"delete from {table} where rowid = ?", (rowid,))
    places = ", ".join("?" * (len(columns) + len(_ORIGIN)))
    db.executemany(
        f"insert into {table} ({names}, {', '.join(_ORIGIN)}) values ({places})",
        [(*row, *origin) for row in sorted(wanted, key=repr)],
    )


@cache
def _columns(table: str) -> tuple[str, ...]:
    (found,) = (one for one in TABLES if one.name == table)
    return tuple(column for column in found.columns if column not in _ORIGIN)
