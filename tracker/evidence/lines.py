"""What PubMed made of each line of a search, check after check, and what has drifted since the one before."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from tracker.evidence.rows import Row, each_row

CHECK_DAYS = 30
# A line's count grows with PubMed, by less than this within a month; small numbers vary by chance.
JUMP, FEW = 0.2, 20
PURPOSE = "line"
# Of a translation that changed, as many terms are named.
MOST_TERMS = 5
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
# What PubMed says of words that it does not find as they were written.
_NOT_FOUND = re.compile(r"(?:PhraseNotFound|QuotedPhraseNotFound|PhraseIgnored|FieldNotFound): (.*)", re.S)
_CHECKS = """
select line, query, count, translation, errors, warnings, started from (
  select *, row_number() over (partition by line order by id desc) as place from searches
  where question = :slug and strategy = :strategy and line is not null)
where place <= 2 order by line, place
"""


class Check(NamedTuple):
    """The last check of a line: when, how many records PubMed ``found``, and what it made of the line.

    ``not_found`` are the words that PubMed did not find as written. ``drift`` says in plain words what differs from the
    check before.
    """

    line: str
    query: str
    found: int
    translation: str
    not_found: tuple[str, ...]
    checked: str
    drift: tuple[str, ...]


def checks(db: sqlite3.Connection, slug: str, strategy: str) -> dict[str, Check]:
    """The last check of each line of a version (by its hash) that was ever checked, by the line's name."""
    last: dict[str, Row] = {}
    before: dict[str, Row] = {}
    for row in each_row(db, _CHECKS, {"slug": slug, "strategy": strategy}):
        (before if row["line"] in last else last)[row["line"]] = row
    return {line: _check(row, before.get(line)) for line, row in last.items()}


def are_due(db: sqlite3.Connection, slug: str, strategy: str, when: str) -> bool:
    """Whether the lines of this version were never checked, or not for 30 days."""
    row = db.execute(
        """
        select max(started) from searches where question = :slug and strategy = :strategy and line is not null
        """,
        {"slug": slug, "strategy": strategy},
    ).fetchone()
    oldest = datetime.strptime(when, _MOMENT) - timedelta(days=CHECK_DAYS)
    return row[0] is None or row[0] <= oldest.strftime(_MOMENT)


def _check(row: Row, before: Row | None) -> Check:
    return Check(
        row["line"],
        row["query"],
        row["count"],
        row["translation"] or "",
        _not_found(row),
        row["started"],
        tuple(_drift(before, row)) if before and before["query"] == row["query"] else (),
    )


def _not_found(row: Row) -> tuple[str, ...]:
    return not_found(json.loads(row["errors"]) + json.loads(row["warnings"]))


def not_found(remarks: Iterable[str]) -> tuple[str, ...]:
    """The words that PubMed did not find as they were written, by its errors and warnings."""
    return tuple(dict.fromkeys(found[1] for remark in remarks if (found := _NOT_FOUND.fullmatch(remark))))


def _drift(before: Row, now: Row) -> Iterator[str]:
    since = f"since {before['started'][:10]}"
    if gone := [words for words in _not_found(now) if words not in _not_found(before)]:
        yield f"PubMed no longer finds {', '.join(gone)}, which it still found on {before['started'][:10]}"
    if now["translation"] != before["translation"]:
        yield f"PubMed's translation of it has changed {since}{_turned(before['translation'], now['translation'])}"
    change = now["count"] - before["count"]
    if abs(change) >= max(FEW, JUMP * before["count"]):
        verb = "rose" if change > 0 else "fell"
        yield f"its count {verb} from {before['count']:,} to {now['count']:,} {since}"


def _turned(before: str | None, now: str | None) -> str:
    """Which terms came and went; none do where only their order or parentheses changed."""
    then, today = (dict.fromkeys(_terms(text or "")) for text in (before, now))
    told = [
        f"{words} {', '.join(terms[:MOST_TERMS])}{' and others' if len(terms) > MOST_TERMS else ''}"
        for words, terms in (
            ("it now has", [term for term in today if term not in then]),
            ("it lacks", [term for term in then if term not in today]),
        )
        if terms
    ]
    return f" ({'; '.join(told)})" if told else ""


def _terms(translation: str) -> list[str]:
    return [term.strip("() ") for term in re.split(r"\b(?:AND|OR|NOT)\b", translation) if term.strip("() ")]
