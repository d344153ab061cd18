"""The order of an evidence table: by date of publication, or by a column that was read from the records.

A table of at most NARROW records can be sorted by any of these columns: its records are looked up and sorted. A longer
one is read along an index, by date, a page at a time, so that it costs no more in a larger database.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.lists.selection import NARROW, TOP, Count, Key, Reader, Selection
from tracker.reading.findings import MEASURED, NOT_MEASURED, NOT_MENTIONED, RESULT
from tracker.reading.labels import groups

PUBLISHED, OUTCOME = "published", "outcome"
# Label groups with a column that can be sorted by; doses have no order.
SORTED_GROUPS = ("design", "population", "drug", "route", "comparator", "participants", "follow_up")
SORTS = (PUBLISHED, *SORTED_GROUPS, OUTCOME)
_BOTTOM: Key = ("", -(2**62))
_STATES = (RESULT, MEASURED, NOT_MEASURED, NOT_MENTIONED)
_BATCH = 100


class Sorting(NamedTuple):
    """A column of ``SORTS`` and its direction; what has no value comes last, the latest published first of equals."""

    by: str = PUBLISHED
    ascending: bool = False


def usual(by: str) -> Sorting:
    """The direction that a reader expects first: newest and largest first, words from A."""
    of_words = by == OUTCOME or (by in SORTED_GROUPS and groups()[by].kind in ("one", "many"))
    return Sorting(by, ascending=of_words)


class Order:
    """A selection's records in an order; ``sorting`` is the one that they have, which by date any list can have."""

    def __init__(self, db: sqlite3.Connection, selection: Selection, sorting: Sorting) -> None:
        self._db = db
        self._slug = selection.question
        self._reader = Reader(db, selection)
        self._keys: dict[ArticleKey, Key | None] = {}
        wanted = self._reader.rows(TOP, NARROW + 1) if sorting.by != PUBLISHED else []
        self.is_short = len(wanted) <= NARROW
        self.sorting = sorting if self.is_short else Sorting()
        self._sorted = self._by_column([ArticleKey(pmid) for _, pmid in wanted]) if self.is_sorted else None
        self._places = {pmid: place for place, pmid in enumerate(self._sorted or ())}

    @property
    def is_sorted(self) -> bool:
        """Whether all of its records were looked up and sorted."""
        return self.sorting.by != PUBLISHED

    @property
    def is_by_date(self) -> bool:
        """Not where a long search has PubMed's order."""
        return not self.is_sorted and self._reader.sort == "published"

    def count(self, most: int = NARROW) -> Count:
        return self._reader.count(most)

    def batches(self, after: ArticleKey | None = None, size: int = _BATCH) -> Iterator[list[ArticleKey]]:
        """The records behind this one, or all; it may have left the list since somebody saw it there."""
        if self._sorted is not None:
            rest = self._behind(after)
            yield from (rest[start : start + size] for start in range(0, len(rest), size))
            return
        upwards = self.sorting.ascending
        key = self._key_of(after) if after else (_BOTTOM if upwards else TOP)
        while rows := self._reader.rows(key, size, upwards=upwards):
            self._keys.update((ArticleKey(row[1]), row) for row in rows)
            yield [ArticleKey(pmid) for _, pmid in rows]
            key = rows[-1]

    def in_order(self, pmids: Iterable[ArticleKey]) -> list[ArticleKey]:
        """Those of these that the list holds, in its order."""
        if self._sorted is not None:
            return sorted((pmid for pmid in pmids if pmid in self._places), key=self._places.__getitem__)
        keys = [(key, pmid) for pmid in pmids if (key := self._member(pmid))]
        return [pmid for _, pmid in sorted(keys, reverse=not self.sorting.ascending)]

    def _member(self, pmid: ArticleKey) -> Key | None:
        if pmid not in self._keys:
            self._keys[pmid] = self._reader.key_of(pmid)
        return self._keys[pmid]

    def _key_of(self, pmid: ArticleKey) -> Key:
        return self._member(pmid) or (self._published([pmid]).get(pmid, ""), pmid)

    def _behind(self, after: ArticleKey | None) -> list[ArticleKey]:
        ordered = self._sorted or []
        if after is None:
            return ordered
        if after not in self._places:
            ordered = self._by_column([*ordered, after])
        return ordered[ordered.index(after) + 1 :]

    def _by_column(self, pmids: list[ArticleKey]) -> list[ArticleKey]:
        published = self._published(pmids)
        newest = sorted(pmids, key=lambda pmid: (published.get(pmid, ""), pmid), reverse=True)
        values = self._values(pmids)
        having = [pmid for pmid in newest if pmid in values]
        having.sort(key=values.__getitem__, reverse=not self.sorting.ascending)
        return [*having, *(pmid for pmid in newest if pmid not in values)]

    def _values(self, pmids: list[ArticleKey]) -> dict[ArticleKey, tuple[float, str]]:
        """What each is sorted by: a number, or words."""
        given = {"pmids": json.dumps(pmids), "question": self._slug, "group": self.sorting.by}
        if self.sorting.by == OUTCOME:
            states = self._db.execute(_OUTCOMES, given)
            return {pmid: (_STATES.index(state), "") for pmid, state in states if state in _STATES}
        return {
            pmid: (number or 0, words if number is None else "")
            for pmid, number, words in self._db.execute(_LABELS, given)
        }

    def _published(self, pmids: list[ArticleKey]) -> dict[ArticleKey, str]:
        return dict(
            self._db.execute(_PUBLISHED, {"pmids": json.dumps(pmids), "question": self._slug}).fetchall()
        )


_LABELS = """
select pmid, max(number), group_concat(value, '; ') from (
  select l.pmid, l.number, l.value from json_each(:pmids) given
  join labels l on l.pmid = given.value and l.label_group = :group order by l.pmid, l.value)
group by pmid
"""
_OUTCOMES = """
select pmid, outcome from directness
where question = :question and pmid in (select value from json_each(:pmids))
"""
_PUBLISHED = """
select pmid, published from question_articles
where question = :question and pmid in (select value from json_each(:pmids))
"""
