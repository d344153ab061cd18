"""A question's evidence table: one row a report, the reports of one trial under one head.

Of a trial, the number of people stands once; no number is added up over records. A table is read by pages of heads,
from any record on, so that a large question costs no more than a small one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.directness import DIRECTNESS
from tracker.evidence.cache import cached
from tracker.evidence.rows import Row, read_rows
from tracker.lists.selection import NARROW, Count, Reader, Selection, Tallies, tallies_as_read, with_moved
from tracker.report.order import Order, Sorting
from tracker.report.people import possibly_same
from tracker.report.rows import Reading, Report, read_reports
from tracker.report.trials import Registration, registrations, together
from tracker.team import placements
from tracker.team.placements import GROUP

DIRECT = "direct"
PAGE = 20
# Reports of one trial on a page; a file has them all.
MOST_REPORTS = 12
_FILE_BATCH = 100


class Wanted(NamedTuple):
    """Which records a table shows, in which order."""

    selection: Selection
    sorting: Sorting = Sorting()


@dataclass(frozen=True, slots=True)
class Study:
    """A head of the table: the reports of one trial, or one report by itself; ``more`` are reports left out."""

    reports: Sequence[Report]
    more: int = 0

    @property
    def is_trial(self) -> bool:
        return len(self.reports) + self.more > 1

    @property
    def registrations(self) -> list[Registration]:
        """The trial's numbers, in the order in which its reports name them."""
        return list(dict.fromkeys(each for report in self.reports for each in report.registrations))

    @property
    def largest(self) -> Report | None:
        """The report that states the most people: the others are about some of them, or about as many."""
        stating = [report for report in self.reports if report.participants]
        return max(stating, key=_people, default=None)

    @property
    def participants(self) -> Reading | None:
        """The trial's number of people, which stands once."""
        return self.largest.participants if self.largest else None


def _people(report: Report) -> float:
    return report.participants.number or 0 if report.participants else 0


class Bearing(NamedTuple):
    """How many records bear on the question in one way; None where they were not counted."""

    value: str
    n: int | None
    on: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A page of an evidence table; ``next`` is the record behind which the next page begins."""

    studies: Sequence[Study]
    next: ArticleKey | None
    count: Count
    sorting: Sorting
    can_be_sorted: bool
    is_by_date: bool


class Strategy(NamedTuple):
    """The version of the search strategy that a table's records were found by: the beginning of its hash, and the day
    of its first run."""

    version: str
    first_run: str


def table(db: sqlite3.Connection, wanted: Wanted, after: ArticleKey | None = None, size: int = PAGE) -> Table:
    """The page of a question's table behind a record, or the first one."""
    order = Order(db, wanted.selection, wanted.sorting)
    heads = list(islice(_heads(db, order, wanted.selection, after, 2 * size), size + 1))
    more, heads = len(heads) > size, heads[:size]
    count = order.count()
    return Table(
        studies=_studies(db, wanted.selection, heads, MOST_REPORTS),
        next=heads[-1][0] if more else None,
        count=count,
        sorting=order.sorting,
        can_be_sorted=count.exact and count.n <= NARROW,
        is_by_date=order.is_by_date,
    )


def all_studies(db: sqlite3.Connection, wanted: Wanted) -> Iterator[Study]:
    """The whole table, however long, read in batches: for one consistent state, inside a transaction."""
    order = Order(db, wanted.selection, wanted.sorting)
    heads = _heads(db, order, wanted.selection, None, _FILE_BATCH)
    while batch := list(islice(heads, _FILE_BATCH)):
        yield from _studies(db, wanted.selection, batch)


def _heads(
    db: sqlite3.Connection, order: Order, selection: Selection, after: ArticleKey | None, size: int
) -> Iterator[list[ArticleKey]]:
    """The records of each head, which stands where the first of its reports would."""
    slug = selection.question or ""
    for batch in order.batches(after, size):
        trials = together(db, slug, set(batch))
        for pmid in batch:
            reports = order.in_order(trials[pmid]) if len(trials[pmid]) > 1 else [pmid]
            if reports[0] == pmid:
                yield reports


def _studies(
    db: sqlite3.Connection,
    selection: Selection,
    heads: Sequence[Sequence[ArticleKey]],
    most: int | None = None,
) -> list[Study]:
    slug = selection.question or ""
    shown = [head[:most] for head in heads]
    pmids = [pmid for head in shown for pmid in head]
    known = {pmid: head for head in heads for pmid in head}
    reports = {
        report.pmid: report
        for report in read_reports(
            db, slug, pmids, selection.viewer, registrations(db, pmids), _sharing(db, slug, pmids, known)
        )
    }
    return [
        Study([reports[pmid] for pmid in some if pmid in reports], len(head) - len(some))
        for some, head in zip(shown, heads, strict=True)
    ]


def _sharing(
    db: sqlite3.Connection,
    slug: str,
    pmids: Sequence[ArticleKey],
    known: Mapping[ArticleKey, Sequence[ArticleKey]],
) -> Mapping[ArticleKey, Sequence[ArticleKey]]:
    """Which are possibly about the same people, kept for pages that many open: to find out takes half a page's time."""
    if db.in_transaction:
        return possibly_same(db, slug, pmids, known)
    trials = tuple(tuple(known[pmid]) for pmid in pmids)
    return cached(db, ("sharing", slug, tuple(pmids), trials), lambda: possibly_same(db, slug, pmids, known))


# -- which records ---------------------------------------------------------------------------------


def direct_only(db: sqlite3.Connection, selection: Selection) -> Selection:
    """The selection narrowed to what bears directly on the question, unless it says how its records should bear on it
    or the question does not tell."""
    slug = selection.question or ""
    if GROUP in selection.labels or not is_told(db, slug, selection.viewer):
        return selection
    return selection._replace(labels={**selection.labels, GROUP: (DIRECT,)})


def is_told(db: sqlite3.Connection, slug: str, viewer: int | None = None) -> bool:
    """Whether anything says of any record how directly it bears on the question."""
    read = db.execute(
        "select exists (select 1 from facets where question = :slug and label_group = :group)",
        {"slug": slug, "group": GROUP},
    ).fetchone()[0]
    return bool(read) or bool(placements.moved(db, slug, viewer).into)


def bearings(db: sqlite3.Connection, selection: Selection) -> list[Bearing]:
    """How many records bear on the question in each way, with the selection's other filters."""
    labels = {group: values for group, values in selection.labels.items() if group != GROUP}
    others = selection._replace(labels=labels)
    slug = selection.question or ""
    counted = whole(db, slug, selection.viewer) if others.is_whole else Reader(db, others).tallies()
    numbers = None if counted is None else counted.get(GROUP, {})
    on = selection.labels.get(GROUP, ())
    return [
        Bearing(value, None if numbers is None else sum(numbers.get(value, {}).values()), value in on)
        for value in DIRECTNESS
    ]


def whole(db: sqlite3.Connection, slug: str, viewer: int | None) -> Tallies:
    """Numbers of all of a question's records, each as people moved it."""
    # A transaction may have begun before the latest commit, which what is kept must not be older than.
    if db.in_transaction:
        as_read = tallies_as_read(db, slug)
    else:
        as_read = cached(db, ("tallies", slug), lambda: tallies_as_read(db, slug))
    return with_moved(db, as_read, slug, viewer)


# -- the question ----------------------------------------------------------------------------------


def question(db: sqlite3.Connection, slug: str) -> Row | None:
    """What a table says of its question: title, question and completeness; None if there is no such question."""
    rows = read_rows(db, _QUESTION, {"slug": slug})
    return rows[0] if rows else None


def strategy(db: sqlite3.Connection, slug: str) -> Strategy | None:
    """The search strategy that was last run to completion, if any was."""
    row = db.execute(_STRATEGY, {"slug": slug}).fetchone()
    return Strategy(row[0][:12], row[1][:10]) if row else None


_QUESTION = """
select slug, title, question, complete_to, incomplete_since, incomplete_reason, harms,
  (select s.strategy from strategies s where s.hash = questions.strategy) as strategy_text
from questions where slug = :slug
"""
_STRATEGY = """
select s.hash, s.first_run from questions q join strategies s on s.hash = q.strategy where q.slug = :slug
"""
