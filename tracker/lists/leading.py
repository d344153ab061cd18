"""The records with which a question's page leads: those in people treated, first what reports a result."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tracker.evidence.facets import EVERYTHING
from tracker.evidence.rows import Row
from tracker.lists.answers import PROTOCOL, treated, with_answers
from tracker.lists.entries import read_entries
from tracker.lists.selection import Count, Selection, Tallies, count, page
from tracker.reading.findings import MEASURED, NOT_MEASURED, NOT_MENTIONED, RESULT
from tracker.team.placements import GROUP

OUTCOME = "outcome"
# The designs that answer a question most directly, as rules/design.yml names them; what is still to be done.
FIRST = ("meta-analysis", "systematic review", "guideline", "randomised controlled trial")
PROTOCOLS = (PROTOCOL,)
MOST_RESULTS, MOST_OTHERS = 8, 3
_DIRECT = ("direct",)
_WITHOUT = (MEASURED, NOT_MEASURED, NOT_MENTIONED)


@dataclass(frozen=True, slots=True)
class Leading:
    """Entries that bear directly on a question, and how many records bear on it in which way.

    ``phrase`` is what pages call those that bear on it directly. ``results`` report a result, newest reviews and trials
    first, and those withdrawn last; ``without`` report none in their abstracts; ``under_way`` are protocols.
    """

    phrase: str
    results: Sequence[Row]
    without: Sequence[Row]
    under_way: Sequence[Row]
    direct: int
    with_result: Count
    protocols: Count
    indirect: int
    off: int
    unsorted: int


def leading(db: sqlite3.Connection, slug: str, whole: Tallies, viewer: int | None) -> Leading | None:
    """None for a question whose file does not say how records bear on it."""
    numbers = {value: sum(years.values()) for value, years in whole.get(GROUP, {}).items()}
    if not numbers:
        return None
    direct = Selection(slug, {GROUP: _DIRECT}, viewer=viewer)
    protocols = _and(direct, "design", PROTOCOLS)
    return Leading(
        phrase=treated(db, slug),
        results=_results(db, _and(direct, OUTCOME, (RESULT,))),
        without=_entries(db, _and(direct, OUTCOME, _WITHOUT), 3 * MOST_OTHERS, but=PROTOCOLS)[:MOST_OTHERS],
        under_way=_entries(db, protocols, MOST_OTHERS),
        direct=numbers.get("direct", 0),
        with_result=count(db, _and(direct, OUTCOME, (RESULT,))),
        protocols=count(db, protocols),
        indirect=numbers.get("indirect", 0),
        off=numbers.get("off", 0),
        unsorted=sum(whole.get(EVERYTHING, {}).get("", {}).values()) - sum(numbers.values()),
    )


class Direct(NamedTuple):
    """How many records bear on a question directly, and how many of these report a result."""

    n: int
    with_result: Count


def direct(db: sqlite3.Connection, slug: str, whole: Tallies) -> Direct | None:
    """As the question's page counts them for everybody; None as for ``leading``."""
    if not (numbers := whole.get(GROUP)):
        return None
    chosen = Selection(slug, {GROUP: _DIRECT, OUTCOME: (RESULT,)})
    return Direct(sum(numbers.get("direct", {}).values()), count(db, chosen))


def _and(selection: Selection, group: str, values: Sequence[str]) -> Selection:
    return selection._replace(labels={**selection.labels, group: tuple(values)})


def _results(db: sqlite3.Connection, results: Selection) -> list[Row]:
    first = _entries(db, _and(results, "design", FIRST), MOST_RESULTS)
    known = {entry["pmid"] for entry in first}
    others = [
        entry
        for entry in _entries(db, results, 2 * MOST_RESULTS, but=PROTOCOLS)
        if entry["pmid"] not in known
    ]
    return sorted([*first, *others], key=_is_withdrawn)[:MOST_RESULTS]


def _is_withdrawn(entry: Row) -> bool:
    return bool(entry["retracted"] or entry["withdrawn"] or entry["expression_of_concern"])


def _entries(db: sqlite3.Connection, selection: Selection, size: int, but: Sequence[str] = ()) -> list[Row]:
    """The newest of a list, each with its answer; without those of the designs ``but``."""
    slug = selection.question or ""
    entries = read_entries(db, page(db, selection, size=size).pmids, slug)
    left = [entry for entry in entries if not set(entry["labels"].get("design", ())) & set(but)]
    return list(with_answers(db, left, slug, selection.viewer))
