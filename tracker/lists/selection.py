"""Lists of articles: which they hold, in what order and how many, read by key from any position.

If something narrows a list to a thousand articles or fewer, these are found first, by one intersection in the
full-text index (facets.py), and sorted; a longer list is read along an index in its order. So no list costs more in
a larger database.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any, Literal, NamedTuple

from tracker.article import ArticleKey
from tracker.evidence import facets, identifiers, search
from tracker.team import blind, decisions
from tracker.team.review import reviews

Sort = Literal["published", "entered", "pmid"]
# The value by which a row is sorted, and its PMID.
Key = tuple[str, int]
TOP: Key = ("~", 2**62)
NARROW = 1000
FIRST_BATCH = 25
# PubMed's oldest records are from 1781.
FIRST_YEAR = 1780


class Selection(NamedTuple):
    """What a list shows: articles of a question or, without one, of all that is stored.

    For every group in ``labels``, an article must have one of its values; both years of publication are inclusive;
    ``created_since`` is a day on or after which PubMed created the record. ``tag`` and ``decision`` are what people
    said, as annotations.db has it, as far as ``viewer`` may see it.
    """

    question: str | None = None
    labels: Mapping[str, Sequence[str]] = {}
    first_year: int | None = None
    last_year: int | None = None
    text: str = ""
    created_since: str | None = None
    tag: str | None = None
    decision: str | None = None
    viewer: int | None = None
    sort: Sort = "published"

    @property
    def is_whole(self) -> bool:
        """Whether nothing narrows it."""
        return self._replace(sort="published") == Selection(self.question)


class Page(NamedTuple):
    """Some articles of a list, and the key after which it continues, if it does."""

    pmids: list[ArticleKey]
    next: Key | None


# The values of a query's parameters, by name.
Values = dict[str, Any]


class Count(NamedTuple):
    """How many; if not ``exact``, at least that many."""

    n: int
    exact: bool = True


def page(db: sqlite3.Connection, selection: Selection, after: Key = TOP, size: int = 25) -> Page:
    """The next ``size`` articles after the key."""
    return Reader(db, selection).page(after, size)


def count(db: sqlite3.Connection, selection: Selection, most: int = NARROW) -> Count:
    """How many articles the list holds; beyond ``most`` they are only counted if that costs nothing."""
    return Reader(db, selection).count(most)


def newest_with(
    db: sqlite3.Connection,
    slug: str,
    group: str,
    values: Sequence[str],
    size: int,
    also: tuple[str, str] | None = None,
    without: str | None = None,
) -> list[ArticleKey]:
    """The latest published articles of a question that have any of the group's values.

    With ``also`` they must have that label of another group as well. With ``without`` they must have no label of that
    group; then only the latest of each value are looked at.

    Each value is read from its own place in the index: a few rows, however many there are.
    """
    condition = f"where {_HAS_LABEL}" if also else f"where not {_HAS_GROUP}" if without else ""
    also_group, also_value = also or (without, None)
    given = {
        "question": slug,
        "group": group,
        "also_group": also_group,
        "also_value": also_value,
        "narrow": NARROW,
        "size": size,
    }
    latest: set[Key] = set()
    for value in values:
        rows = db.execute(
            f"""
            select q.published, q.pmid from (
              select question, published, pmid from question_labels
              where question = :question and label_group = :group and value = :value
              order by published desc, pmid desc limit :narrow) q {condition}
            limit :size
            """,
            given | {"value": value},
        ).fetchall()
        latest.update((published, pmid) for published, pmid in rows)
    if also and len(latest) < size:
        # There may be more further back.
        return page(db, Selection(slug, {group: values, also[0]: (also[1],)}), size=size).pmids
    return [ArticleKey(pmid) for _, pmid in sorted(latest, reverse=True)[:size]]


_HAS_GROUP = """
exists (
  select 1 from question_labels l where l.question = q.question and l.pmid = q.pmid and l.label_group = :also_group)
"""
_HAS_LABEL = """
exists (
  select 1 from question_labels l
  where l.question = q.question and l.label_group = :also_group and l.value = :also_value and l.published = q.published
    and l.pmid = q.pmid)
"""


def neighbours(
    db: sqlite3.Connection, selection: Selection, pmid: ArticleKey
) -> tuple[ArticleKey | None, ArticleKey | None]:
    """The articles before and after an article in the list; None at its ends, and if it is not in the list."""
    reader = Reader(db, selection)
    key = reader.key_of(pmid)
    if key is None:
        return None, None
    before, after = reader.rows(key, 1, upwards=True), reader.rows(key, 1)
    return tuple(ArticleKey(rows[0][1]) if rows else None for rows in (before, after))  # type: ignore[return-value]


def pmids(db: sqlite3.Connection, selection: Selection, batch: int) -> Iterator[list[ArticleKey]]:
    """All of the list in batches, in constant memory; the first ones are small, as somebody is waiting for them."""
    reader = Reader(db, selection)
    after: Key = TOP
    size = min(FIRST_BATCH, batch)
    while rows := reader.rows(after, size):
        yield [ArticleKey(pmid) for _, pmid in rows]
        after = rows[-1]
        size = min(2 * size, batch)


# Numbers of articles by label group, value and year. The year is empty if there is none; only designs, and all
# articles together, are counted by year.
Tallies = dict[str, dict[str, dict[str, int]]]
_BY_YEAR = f"('design', '{facets.EVERYTHING}')"
# Each half is read in the order of the table: grouped together, all rows would be sorted first.
_WHOLE_TALLIES = f"""
select label_group, value, year, n from question_counts where question = :slug and label_group in {_BY_YEAR}
union all
select label_group, value, '', sum(n) from question_counts
where question = :slug and label_group not in {_BY_YEAR} group by label_group, value
"""
_TALLIES = f"""
select l.label_group, l.value, iif(l.label_group in {_BY_YEAR}, substr(l.published, 1, 4), ''), count(*)
from json_each(:pmids) given cross join question_labels l on l.pmid = given.value and l.question = :slug
group by 1, 2, 3
"""


def tallies_of(db: sqlite3.Connection, slug: str, group: str) -> dict[str, dict[str, int]]:
    """Numbers of all of a question's articles, by value of one group and by year."""
    rows = db.execute(
        "select label_group, value, year, n from question_counts where question = :question and label_group = :group",
        {"question": slug, "group": group},
    )
    return _tallied(rows).get(group, {})


def tallies(db: sqlite3.Connection, selection: Selection) -> Tallies | None:
    """Numbers of articles of a question's list.

    None if the list is neither the whole question nor short enough to be counted while a reader waits.
    """
    return Reader(db, selection).tallies()


def _tallied(rows: Iterable[tuple[str, str, str, int]]) -> Tallies:
    counted: Tallies = {}
    for group, value, year, n in rows:
        counted.setdefault(group, {}).setdefault(value, {})[year] = n
    return counted


class Reader:
    """One list, ready to be read from any key, downwards or upwards.

    No text that a reader types raises an error: a text without words finds nothing.
    """

    def __init__(self, db: sqlite3.Connection, selection: Selection) -> None:
        self._db = db
        self.selection = selection
        #: The papers, if the text consists only of identifiers.
        self.named = identifiers.named(db, selection.text)
        self._words = search.expression(db, "" if self.named else selection.text, _words(selection))
        self._said = _by_people(db, selection)
        self._few = self._narrow()
        #: The actual sort order: a long list found by a text search can only be sorted by PMID.
        self.sort: Sort = self._sort(is_narrow=self._few is not None)
        self._source, self._values = self._plan() if self._few is None else self._plan_within(self._few)

    def page(self, after: Key = TOP, size: int = 25) -> Page:
        rows = self.rows(after, size + 1)
        more, rows = len(rows) > size, rows[:size]
        return Page([ArticleKey(pmid) for _, pmid in rows], rows[-1] if more else None)

    def count(self, most: int = NARROW) -> Count:
        if _is_counted(self.selection):
            return Count(_counted(self._db, self.selection))
        if self._is_long and most <= NARROW:
            return Count(most, exact=False)
        n = len(self._pmids(most + 1))
        return Count(min(n, most), n <= most)

    def counts_within(self, slugs: Iterable[str]) -> dict[str, Count] | None:
        """How many articles of a list over everything are in each of the questions; None for a long list, which would
        have to be intersected with each."""
        if self._told is None:
            return None
        rows = self._db.execute(
            """
            select q.question, count(*) from json_each(:pmids) given join question_articles q on q.pmid = given.value
            where q.matching group by 1
            """,
            {"pmids": json.dumps(self._told)},
        )
        by_question = dict(rows.fetchall())
        return {slug: Count(by_question.get(slug, 0)) for slug in slugs}

    def tallies(self) -> Tallies | None:
        slug = self.selection.question
        if self.selection.is_whole:
            return _tallied(self._db.execute(_WHOLE_TALLIES, {"slug": slug}))
        pmids = [] if self._is_long else self._pmids(NARROW + 1)
        if self._is_long or len(pmids) > NARROW:
            return None
        return _tallied(self._db.execute(_TALLIES, {"pmids": json.dumps(pmids), "slug": slug}))

    def rows(self, after: Key, limit: int, *, upwards: bool = False) -> list[Key]:
        """Keys and PMIDs below the key or, nearest first, above it."""
        if self._few is not None:
            above = (key for key in reversed(self._all) if key > after)
            below = (key for key in self._all if key < after)
            return list(islice(above if upwards else below, limit))
        sign, order = (">", "asc") if upwards else ("<", "desc")
        if self.sort == "pmid":
            beyond, ordered = f"q.pmid {sign} :after_pmid", f"q.pmid {order}"
        else:
            beyond = f"({self._column}, q.pmid) {sign} (:after_key, :after_pmid)"
            ordered = f"{self._column} {order}, q.pmid {order}"
        return self._db.execute(
            f"select {self._column}, q.pmid {self._source} and {beyond} order by {ordered} limit :limit",
            self._values | {"after_key": after[0], "after_pmid": after[1], "limit": limit},
        ).fetchall()

    def key_of(self, pmid: ArticleKey) -> Key | None:
        """The article's own key; None if it is not in the list."""
        if self._few is not None:
            return next((key for key in self._all if key[1] == pmid), None)
        row = self._db.execute(
            f"select {self._column}, q.pmid {self._source} and q.pmid = :pmid",
            self._values | {"pmid": pmid},
        ).fetchone()
        return (row[0], row[1]) if row else None

    @cached_property
    def _all(self) -> list[Key]:
        """All of a short list, in its order."""
        rows = self._db.execute(f"select {self._column}, q.pmid {self._source}", self._values)
        return sorted(((key, pmid) for key, pmid in rows), reverse=True)

    @property
    def _told(self) -> list[int] | None:
        """All of a short list, unsorted, if the index's words alone decide what is in it."""
        if self._few and self._few.by_words and not _beyond_words(self.selection, self._said)[0]:
            return self._few.pmids
        return None

    def _pmids(self, limit: int) -> list[int]:
        """PMIDs to count by: no article's row is read unless that is necessary."""
        return self._told[:limit] if self._told is not None else [pmid for _, pmid in self.rows(TOP, limit)]

    @property
    def _is_long(self) -> bool:
        """Whether it is known to hold more than NARROW, because the index's words alone decide what is in it."""
        sifted = self.selection.sort == "published" and _is_counted(self.selection)
        return self._few is None and not (sifted or _beyond_words(self.selection, self._said)[0])

    @property
    def _column(self) -> str:
        """SQL for the value by which the list is sorted, before the PMID."""
        if self.sort == "pmid":
            return "''"
        return f"q.{self.sort}" if self.selection.question else f"coalesce(q.{self.sort}, '')"

    def _sort(self, *, is_narrow: bool) -> Sort:
        asked = self.selection.sort
        if self.selection.question is None:
            return "published" if is_narrow and asked == "published" else "pmid"
        return "pmid" if self.selection.text and not is_narrow else asked

    def _narrow(self) -> _Narrow | None:
        """A set that contains the list, if one is small enough to be sorted."""
        if self.named:
            return _Narrow(
                sorted({pmid for identifier in self.named for pmid in identifier.pmids}),
                by_words=not self._words,
            )
        if self.selection.text and not search.fts_query(self.selection.text):
            return _Narrow([], by_words=True)
        for query, values in self._sets():
            rows = self._db.execute(f"{query} limit :most", values | {"most": NARROW + 1}).fetchall()
            if len(rows) <= NARROW:
                return _Narrow([pmid for (pmid,) in rows], by_words=query == _BY_WORDS)
        return None

    def _sets(self) -> Iterator[tuple[str, Values]]:
        chosen = self.selection
        if chosen.is_whole or (_is_counted(chosen) and chosen.sort == "published"):
            # An index has the list in its order.
            return
        for by_people in self._said:
            if by_people.among:
                yield "select value from json_each(:pmids)", {"pmids": by_people.pmids}
        if chosen.created_since and chosen.question:
            yield (
                """
                select pmid from question_articles
                where question = :question and created >= :created_since and matching
                """,
                {"question": chosen.question, "created_since": chosen.created_since},
            )
        if self._words:
            yield _BY_WORDS, {"words": self._words}

    def _plan_within(self, narrow: _Narrow) -> tuple[str, Values]:
        """A from clause for ``q``, the articles of a small set that meet the conditions, and its values."""
        chosen = self.selection
        table = "question_articles" if chosen.question else "articles"
        conditions, values = (
            _beyond_words(chosen, self._said) if narrow.by_words else _conditions(chosen, self._said)
        )
        if chosen.question:
            conditions += " and q.matching and q.question = :question"
        if self._words and not narrow.by_words and (chosen.text or not chosen.question):
            conditions += f" and q.pmid in ({_BY_WORDS} and rowid in (select value from json_each(:few)))"
        source = f"json_each(:few) s cross join {table} q on q.pmid = s.value"
        given = {"few": json.dumps(narrow.pmids), "question": chosen.question, "words": self._words}
        return f"from {source} where 1 {conditions}", given | values

    def _plan(self) -> tuple[str, Values]:
        """A from clause for ``q`` along an index in the list's order, with its conditions, and its values."""
        chosen = self.selection
        if self.sort == "pmid":
            conditions, values = _beyond_words(chosen, self._said)
            if not self._words:
                return f"from articles q where 1 {conditions}", values
            return f"from ({_BY_WORDS}) q where 1 {conditions}", {"words": self._words} | values
        conditions, values = _conditions(chosen, self._said)
        if self.sort == "published":
            source = "question_labels q where q.label_group = :group and q.value = :value and q.question = :question"
            group, value = _driver(self._db, chosen)
            given = {"group": group, "value": value, "question": chosen.question}
            return f"from {source} {conditions}", given | values
        source = "question_articles q where q.matching and q.question = :question"
        return f"from {source} {conditions}", {"question": chosen.question} | values


_BY_WORDS = "select rowid as pmid from articles_fts where articles_fts match :words"


class _Narrow(NamedTuple):
    """A few PMIDs; if found ``by_words`` of the index, they meet every condition that the index covers."""

    pmids: list[int]
    by_words: bool


def _conditions(chosen: Selection, by_people: Sequence[_ByPeople]) -> tuple[str, Values]:
    """The conditions that an article ``q`` of the list must meet, besides being in the question."""
    conditions, values = _beyond_words(chosen, by_people)
    for n, (group, wanted) in enumerate(chosen.labels.items() if chosen.question else ()):
        conditions += f"""
            and exists (
              select 1 from question_labels l
              where l.question = q.question and l.label_group = :group_{n}
                and l.value in (select value from json_each(:wanted_{n}))
                and l.published = q.published and l.pmid = q.pmid)"""
        values |= {f"group_{n}": group, f"wanted_{n}": json.dumps(list(wanted))}
    if chosen.first_year is not None:
        conditions += " and q.published >= :first_year"
        values["first_year"] = f"{chosen.first_year:04}"
    if chosen.last_year is not None:
        conditions += " and q.published > '' and q.published < :year_after"
        values["year_after"] = f"{chosen.last_year + 1:04}"
    return conditions, values


def _beyond_words(chosen: Selection, by_people: Sequence[_ByPeople]) -> tuple[str, Values]:
    """The conditions that the full-text index does not cover."""
    conditions: list[str] = []
    values: Values = {"question": chosen.question, "created_since": chosen.created_since}
    if chosen.created_since and chosen.question:
        conditions.append(
            """exists (
              select 1 from question_articles x
              where x.question = :question and x.pmid = q.pmid and x.created >= :created_since)"""
        )
    if chosen.created_since and not chosen.question:
        conditions.append(
            "exists (select 1 from articles x where x.pmid = q.pmid and x.created >= :created_since)"
        )
    for n, each in enumerate(by_people):
        among = "in" if each.among else "not in"
        conditions.append(f"q.pmid {among} (select value from json_each(:people_{n}))")
        values[f"people_{n}"] = each.pmids
    return "".join(f" and {condition}" for condition in conditions), values


class _ByPeople(NamedTuple):
    """The records that people's words select: these PMIDs (JSON) or, if not ``among``, all others."""

    among: bool
    pmids: str


def _by_people(db: sqlite3.Connection, chosen: Selection) -> list[_ByPeople]:
    """The records that the list's tag and decision select for its viewer; people write about few records."""
    conditions = []
    if chosen.tag:
        rows = db.execute(
            f"""
            select distinct g.pmid from annotations.taggings g join annotations.tags n on n.id = g.tag
            where n.name = :tag and {TAGGED_FOR} and {blind.visible("g")}
            """,
            {"tag": chosen.tag, "question": chosen.question, "viewer": chosen.viewer},
        )
        conditions.append(_ByPeople(True, json.dumps([pmid for (pmid,) in rows])))
    review = reviews(db).get(chosen.question or "") if chosen.decision else None
    if review and chosen.decision:
        members = decisions.members(db, review, chosen.decision, chosen.viewer)
        conditions.append(_ByPeople(members.among, json.dumps(list(members.pmids))))
    return conditions


# Taggings ``g`` for ``:question``, including those for none in particular; without a question, all taggings.
TAGGED_FOR = "(g.question is null or g.question = coalesce(:question, g.question))"


def _driver(db: sqlite3.Connection, chosen: Selection) -> tuple[str, str]:
    """The facet to read along: all articles of the list have it, and the fewest others."""
    single = [(group, values[0]) for group, values in chosen.labels.items() if len(values) == 1]
    return min(single, key=lambda facet: _of_facet(db, chosen, *facet), default=(facets.EVERYTHING, ""))


def _is_counted(chosen: Selection) -> bool:
    """Whether question_counts has the number: at most one facet, and years."""
    plain = chosen._replace(labels={}, first_year=None, last_year=None).is_whole
    single = len(chosen.labels) <= 1 and all(len(values) == 1 for values in chosen.labels.values())
    return bool(chosen.question) and plain and single


def _counted(db: sqlite3.Connection, chosen: Selection) -> int:
    return _of_facet(db, chosen, *_driver(db, chosen))


def _of_facet(db: sqlite3.Connection, chosen: Selection, group: str, value: str) -> int:
    dated = "" if chosen.first_year is None and chosen.last_year is None else "and year <> ''"
    total: int = db.execute(
        f"""
        select coalesce(sum(n), 0) from question_counts
        where question = :question and label_group = :group and value = :value
          and year >= :first and year <= :last {dated}
        """,
        {
            "question": chosen.question,
            "group": group,
            "value": value,
            "first": f"{chosen.first_year or 0:04}" if dated else "",
            "last": f"{chosen.last_year or 9999:04}",
        },
    ).fetchone()[0]
    return total


def _words(chosen: Selection) -> Iterator[list[str]]:
    if chosen.question:
        yield [facets.word(facets.QUESTION, chosen.question)]
    for group, values in chosen.labels.items():
        yield [facets.word(group, value) for value in values]
    if chosen.first_year is not None or chosen.last_year is not None:
        last = min(chosen.last_year or 9999, datetime.now(UTC).year + 2)
        years = range(max(chosen.first_year or 0, FIRST_YEAR), last + 1)
        # No year at all: a word that occurs nowhere.
        yield [facets.word(facets.YEAR, str(year)) for year in years] or [facets.word(facets.YEAR, "none")]
