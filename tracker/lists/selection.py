"""Lists of articles: which they hold, in what order and how many, read by key from any position.

If something narrows a list to a thousand articles or fewer, these are found first, by one intersection in the
full-text index (facets.py), and sorted; a longer list is read along an index in its order. So no list costs more in
a larger database.

If people moved records to another directness than the machine read, a list of one directness leaves out those that
left it; those that joined it, always few, are read separately and merged in.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any, Literal, NamedTuple

from tracker.article import ArticleKey
from tracker.evidence import facets, identifiers, search
from tracker.team import blind, boxes, decisions, placements
from tracker.team.boxes import Box
from tracker.team.review import reviews

Sort = Literal["published", "entered", "pmid"]
# The value by which a row is sorted, and its PMID.
Key = tuple[str, int]
TOP: Key = ("~", 2**62)
NARROW = 1000
# While one article is asked whether it has a text, so many that have it are looked through (20 µs).
RARE = 100
FIRST_BATCH = 25
# PubMed's oldest records are from 1781.
FIRST_YEAR = 1780


class Selection(NamedTuple):
    """What a list shows: articles of a question or, without one, of all that is stored.

    For every group in ``labels``, an article must have one of its values; both years of publication are inclusive;
    ``created_since`` is a day on or after which PubMed created the record. ``tag`` and ``decision`` are what people
    said, as annotations.db has it, as far as ``viewer`` may see it, including the directness they moved a record to.
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
        return self._replace(sort="published", viewer=None) == Selection(self.question)


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
    viewer: int | None = None,
) -> list[ArticleKey]:
    """The latest published articles of a question that have any of the group's values.

    With ``also`` they must have that label of another group as well. With ``without`` they must have no label of that
    group; then only the latest of each value are looked at. Directness is as people moved records, as far as ``viewer``
    may see it.

    Each value is read from its own place in the index: a few rows, however many there are.
    """
    labels = {group: values} | ({also[0]: (also[1],)} if also else {})
    if any(_moved(db, chosen := Selection(slug, labels, viewer=viewer))):
        return _newest_without(db, chosen, without, size) if without else page(db, chosen, size=size).pmids
    condition = f"where {_HAS_FACET}" if also else f"where not {_HAS_GROUP}" if without else ""
    given = {
        "question": slug,
        "also": facets.number(db, slug, *also) if also else None,
        "without": without,
        "narrow": NARROW,
        "size": size,
    }
    latest: set[Key] = set()
    for number in facets.numbers(db, slug, {group: values})[group]:
        rows = db.execute(
            f"""
            select q.published, q.pmid from (
              select published, pmid from article_facets where facet = :facet
              order by published desc, pmid desc limit :narrow) q {condition}
            limit :size
            """,
            given | {"facet": number},
        ).fetchall()
        latest.update((published, pmid) for published, pmid in rows)
    if also and len(latest) < size:
        # There may be more of them further back.
        return page(db, Selection(slug, labels), size=size).pmids
    return [ArticleKey(pmid) for _, pmid in sorted(latest, reverse=True)[:size]]


def _newest_without(db: sqlite3.Connection, chosen: Selection, group: str, size: int) -> list[ArticleKey]:
    """The first of the list that have no label of the group, as far as its first NARROW show."""
    first = [pmid for _, pmid in Reader(db, chosen).rows(TOP, NARROW)]
    rows = db.execute(
        f"select q.pmid from (select value as pmid from json_each(:pmids)) q where {_HAS_GROUP}",
        {"pmids": json.dumps(first), "question": chosen.question, "without": group},
    )
    having = {pmid for (pmid,) in rows}
    return [ArticleKey(pmid) for pmid in first if pmid not in having][:size]


_HAS_FACET = "exists (select 1 from facets_of o where o.pmid = q.pmid and o.facet = :also)"
_HAS_GROUP = """
exists (
  select 1 from facets_of o join facets f on f.id = o.facet
  where o.pmid = q.pmid and f.question = :question and f.label_group = :without)
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
# Of a list: its facets are counted by their numbers and named afterwards, which takes half as long as naming each.
_EACH_FACET = """
select json_group_array(o.facet) from json_each(:pmids) given cross join facets_of o on o.pmid = given.value
"""
# One group is looked up facet by facet, without a look at all others that an article has.
_ONE_GROUP = """
select f.label_group, f.value, '', counted.n
from (
  select o.facet, count(*) as n
  from json_each(:pmids) given
  cross join facets_of o on o.pmid = given.value
  where o.facet in (select id from facets where question = :slug and label_group = :group)
  group by 1) counted
join facets f on f.id = counted.facet
"""
_NAMES = f"""
select id, label_group, value from facets where question = :slug and label_group not in {_BY_YEAR}
"""
_EACH_YEAR = f"""
select f.label_group, f.value, counted.year, counted.n
from (
  select o.facet, substr(q.published, 1, 4) as year, count(*) as n
  from json_each(:pmids) given
  cross join question_articles q on q.question = :slug and q.pmid = given.value
  cross join facets_of o on o.pmid = q.pmid
  where o.facet in (select id from facets where question = :slug and label_group in {_BY_YEAR})
  group by 1, 2) counted
join facets f on f.id = counted.facet
"""


def tallies_of(db: sqlite3.Connection, slug: str, group: str) -> dict[str, dict[str, int]]:
    """Numbers of all of a question's articles, by value of one group and by year; directness as it was read."""
    rows = db.execute(
        "select label_group, value, year, n from question_counts where question = :question and label_group = :group",
        {"question": slug, "group": group},
    )
    return _tallied(rows).get(group, {})


def tallies(db: sqlite3.Connection, selection: Selection, group: str | None = None) -> Tallies | None:
    """Numbers of articles of a question's list, by all groups or by one.

    None if the list is neither the whole question nor short enough to be counted while a reader waits.
    """
    return Reader(db, selection).tallies(group)


def tallies_as_read(db: sqlite3.Connection, slug: str) -> Tallies:
    """Numbers of all of a question's articles by what evidence.db alone says of them."""
    return _tallied(db.execute(_WHOLE_TALLIES, {"slug": slug}))


def with_moved(
    db: sqlite3.Connection,
    read: Tallies,
    slug: str,
    viewer: int | None,
    within: Collection[int] | None = None,
) -> Tallies:
    """The same numbers with each record where people moved it; of a list, ``within`` are its articles."""
    moved = placements.moved(db, slug, viewer)
    if moved == placements.UNMOVED:
        return read
    listed = None if within is None else frozenset(within)

    def number(pmids: Collection[int]) -> int:
        return len(pmids) if listed is None else len(listed.intersection(pmids))

    as_read = read.get(placements.GROUP, {})
    numbers = {
        value: sum(as_read.get(value, {}).values())
        + number(moved.into.get(value, ()))
        - number(moved.out_of.get(value, ()))
        for value in sorted({*as_read, *moved.into})
    }
    others = {group: values for group, values in read.items() if group != placements.GROUP}
    placed = {value: {"": n} for value, n in numbers.items() if n}
    return others | {placements.GROUP: placed} if placed else others


def _tallies(
    db: sqlite3.Connection, slug: str, pmids: Sequence[int], group: str | None
) -> Iterable[tuple[str, str, str, int]]:
    """Rows of group, value, year and number, for articles of the question; of one group without years."""
    given = {"pmids": json.dumps(pmids), "slug": slug, "group": group}
    if group:
        return db.execute(_ONE_GROUP, given)
    numbers = Counter(json.loads(db.execute(_EACH_FACET, given).fetchone()[0]))
    named = [
        (group, value, "", numbers[id]) for id, group, value in db.execute(_NAMES, given) if id in numbers
    ]
    by_year = [(group, value, year, n) for group, value, year, n in db.execute(_EACH_YEAR, given)]
    return sorted(named + by_year)


def _tallied(rows: Iterable[tuple[str, str, str, int]]) -> Tallies:
    counted: Tallies = {}
    for group, value, year, n in rows:
        counted.setdefault(group, {}).setdefault(value, {})[year] = n
    return counted


class Reader:
    """One list, ready to be read from any key, downwards or upwards.

    No text that a reader types raises an error: a text without words finds nothing. Without a text, ``among`` may be a
    few PMIDs that the list lies within, and ``sort`` its order if that must not depend on its length.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        selection: Selection,
        *,
        among: Collection[int] | None = None,
        sort: Sort | None = None,
    ) -> None:
        self._db = db
        self.selection = selection
        self._among = among
        joining, self._leaving = _moved(db, selection)
        #: The papers, if the text consists only of identifiers.
        self.named = identifiers.named(db, selection.text)
        self._words = search.expression(db, "" if self.named else selection.text, _words(db, selection))
        #: The numbers of the facets that are asked for, by group.
        self._facets = facets.numbers(db, selection.question or "", selection.labels)
        self._said = _by_people(db, selection)
        if self._leaving:
            self._said.append(_ByPeople(False, json.dumps(list(self._leaving))))
        self._few = self._narrow()
        #: The actual sort order: a long list found by a text search can only be sorted by PMID.
        self.sort: Sort = sort or self._sort(is_narrow=self._few is not None)
        self._source, self._values = self._plan() if self._few is None else self._plan_within(self._few)
        #: Those of the list that people moved into it.
        self._joining = _Joining(self, joining) if joining else None

    def page(self, after: Key = TOP, size: int = 25) -> Page:
        rows = self.rows(after, size + 1)
        more, rows = len(rows) > size, rows[:size]
        return Page([ArticleKey(pmid) for _, pmid in rows], rows[-1] if more else None)

    def count(self, most: int = NARROW) -> Count:
        if _is_counted(self.selection):
            return Count(_counted(self._db, self.selection) + self._moved_by())
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

    def tallies(self, group: str | None = None) -> Tallies | None:
        slug, viewer = self.selection.question or "", self.selection.viewer
        if self.selection.is_whole:
            read = {group: tallies_of(self._db, slug, group)} if group else tallies_as_read(self._db, slug)
            return with_moved(self._db, read, slug, viewer)
        pmids = [] if self._is_long else self._pmids(NARROW + 1)
        if self._is_long or len(pmids) > NARROW:
            return None
        return with_moved(self._db, _tallied(_tallies(self._db, slug, pmids, group)), slug, viewer, pmids)

    def rows(self, after: Key, limit: int, *, upwards: bool = False) -> list[Key]:
        """Keys and PMIDs below the key or, nearest first, above it."""
        rows = self._rows(after, limit, upwards)
        if self._joining is None:
            return rows
        until = rows[-1] if len(rows) == limit else None
        joining = self._joining.rows(after, until, limit, upwards=upwards)
        return sorted([*rows, *joining], reverse=not upwards)[:limit]

    def _rows(self, after: Key, limit: int, upwards: bool) -> list[Key]:
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
        rows = self._db.execute(
            f"select {self._column}, q.pmid {self._source} and {beyond} order by {ordered} limit :limit",
            self._values | {"after_key": after[0], "after_pmid": after[1], "limit": limit},
        )
        # As tuples, which sort among those that join: Datasette's connections have rows of another kind.
        return [(key, pmid) for key, pmid in rows]

    def key_of(self, pmid: ArticleKey) -> Key | None:
        """The article's own key; None where it is not in the list."""
        joining = self._joining and self._joining.key_of(pmid)
        return joining or self._key_of(pmid)

    def _key_of(self, pmid: ArticleKey) -> Key | None:
        if self._few is not None:
            return next((key for key in self._all if key[1] == pmid), None)
        row = self._db.execute(
            f"select {self._column}, q.pmid {self._source} and q.pmid = :pmid {self._dated}",
            self._values | {"pmid": pmid, "question": self.selection.question},
        ).fetchone()
        return (row[0], row[1]) if row else None

    @property
    def _dated(self) -> str:
        """The date of the article ``:pmid``, by which it is found in a facet of hundreds of thousands at once."""
        if self.sort != "published":
            return ""
        return """
            and q.published = (
              select d.published from question_articles d where d.question = :question and d.pmid = :pmid)"""

    def whatever_directness(self, among: Collection[int]) -> list[Key]:
        """Those of these articles that meet all conditions but the directness and the text, in the list's order."""
        labels = {
            group: values for group, values in self.selection.labels.items() if group != placements.GROUP
        }
        others = self.selection._replace(labels=labels, text="")
        return Reader(self._db, others, among=among, sort=self.sort)._all

    def _moved_by(self) -> int:
        """How many articles more a list without a text has as people moved them; fewer, where it is below 0."""
        return (len(self._joining.keys) if self._joining else 0) - len(
            self.whatever_directness(self._leaving)
        )

    @cached_property
    def _all(self) -> list[Key]:
        """All of a short list, in its order."""
        rows = self._db.execute(f"select {self._column}, q.pmid {self._source}", self._values)
        return sorted(((key, pmid) for key, pmid in rows), reverse=True)

    @property
    def _told(self) -> list[int] | None:
        """All of a short list, unsorted, if it was found by the words of the index and needs no other look."""
        if self._few and self._few.by_words and self._is_told and self._joining is None:
            return self._few.pmids
        return None

    def _pmids(self, limit: int) -> list[int]:
        """PMIDs to count by: no article's row is read unless that is necessary."""
        return self._told[:limit] if self._told is not None else [pmid for _, pmid in self.rows(TOP, limit)]

    @property
    def _is_long(self) -> bool:
        """Whether it is known to hold more than NARROW, because no short list was found by the words of the index."""
        sifted = self.selection.sort == "published" and _is_counted(self.selection)
        return self._few is None and self._is_told and not sifted

    @property
    def _is_told(self) -> bool:
        """Whether the index's words decide what is in it, except for what people left out."""
        return not self.selection.created_since and not any(each.among for each in self._said)

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
        if self._among is not None:
            return _Narrow(sorted(self._among), by_words=False)
        for query, values in self._sets():
            rows = self._db.execute(f"{query} limit :most", values | {"most": NARROW + 1}).fetchall()
            if len(rows) <= NARROW:
                return _Narrow([pmid for (pmid,) in rows], by_words=query.startswith(_BY_WORDS))
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
            # Those that people's words leave out are left out here: what is left is then counted as it is.
            left_out = [each for each in self._said if not each.among]
            conditions, values = _as_people_said("rowid", left_out)
            yield f"{_BY_WORDS} {conditions}", {"words": self._words} | values

    def _plan_within(self, narrow: _Narrow) -> tuple[str, Values]:
        """A from clause for ``q``, the articles of a small set that meet the conditions, and its values."""
        chosen = self.selection
        table = "question_articles" if chosen.question else "articles"
        conditions, values = (
            _beyond_words(chosen, self._said)
            if narrow.by_words
            else _conditions(chosen, self._facets, self._said)
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
        conditions, values = _conditions(chosen, self._facets, self._said)
        if self.sort == "published":
            walked = facets.number(self._db, chosen.question or "", *_driver(self._db, chosen))
            return f"from article_facets q where q.facet = :walked {conditions}", {"walked": walked} | values
        source = "question_articles q where q.matching and q.question = :question"
        return f"from {source} {conditions}", {"question": chosen.question} | values


class _Joining:
    """The articles that people moved into a list of a directness: few, so that all are read, and sorted.

    Which of them have the words of its text takes a while to tell of each: they are asked for where these are not rare,
    and only as far as somebody reads.
    """

    def __init__(self, list: Reader, pmids: Collection[int]) -> None:
        self._db = list._db
        chosen = list.selection
        #: Those that meet all conditions but the text.
        self.keys = list.whatever_directness(pmids)
        self._text = "" if list.named else chosen.text
        if list.named:
            self._keep({pmid for identifier in list.named for pmid in identifier.pmids})
        elif self._text and not search.fts_query(self._text):
            self._keep(())
        elif self._text and list._few is not None:
            # Of a long list a reader sees one page, for which a few are asked.
            self._look_up(chosen.question or "")

    def rows(self, after: Key, until: Key | None, limit: int, *, upwards: bool) -> list[Key]:
        """Keys below the one (or above it, nearest first), but not beyond the other."""
        keys = reversed(self.keys) if upwards else iter(self.keys)
        wanted = (
            key
            for key in keys
            if (key > after if upwards else key < after)
            and (until is None or (key < until if upwards else key > until))
        )
        return [*islice(self._with_text(wanted), limit)]

    def key_of(self, pmid: ArticleKey) -> Key | None:
        return next(self._with_text(key for key in self.keys if key[1] == pmid), None)

    def _with_text(self, keys: Iterator[Key]) -> Iterator[Key]:
        while self._text and (some := [*islice(keys, FIRST_BATCH)]):
            found = self._found(search.expression(self._db, self._text, []), [pmid for _, pmid in some])
            yield from (key for key in some if key[1] in found)
        yield from keys

    def _found(self, words: str, pmids: Sequence[int]) -> set[int]:
        query = f"{_BY_WORDS} and rowid in (select value from json_each(:few))"
        return {pmid for (pmid,) in self._db.execute(query, {"words": words, "few": json.dumps(pmids)})}

    def _look_up(self, question: str) -> None:
        """Where the words are rare in the question, all that have them are found at once."""
        words = search.expression(self._db, self._text, _words(self._db, Selection(question)))
        rare = RARE * len(self.keys)
        seen, found = self._db.execute(
            f"""
            select count(*), json_group_array(pmid) filter (where pmid in (select value from json_each(:few)))
            from ({_BY_WORDS} limit :most)
            """,
            {"words": words, "most": rare + 1, "few": json.dumps([pmid for _, pmid in self.keys])},
        ).fetchone()
        if seen <= rare:
            self._keep(set(json.loads(found)))
            self._text = ""

    def _keep(self, pmids: Collection[int]) -> None:
        self.keys = [key for key in self.keys if key[1] in pmids]


_BY_WORDS = "select rowid as pmid from articles_fts where articles_fts match :words"


class _Narrow(NamedTuple):
    """A few PMIDs; if found ``by_words`` of the index, they meet every condition that the index covers."""

    pmids: list[int]
    by_words: bool


def _conditions(
    chosen: Selection, numbers: Mapping[str, Sequence[int]], by_people: Sequence[_ByPeople]
) -> tuple[str, Values]:
    """The conditions that an article ``q`` of the list must meet, besides being in the question."""
    conditions, values = _beyond_words(chosen, by_people)
    for n, wanted in enumerate(numbers.values() if chosen.question else ()):
        conditions += f"""
            and exists (
              select 1 from json_each(:facets_{n}) f cross join facets_of o
              where o.pmid = q.pmid and o.facet = f.value)"""
        values[f"facets_{n}"] = json.dumps(wanted)
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
    said, people = _as_people_said("q.pmid", by_people)
    return "".join(f" and {condition}" for condition in conditions) + said, values | people


def _as_people_said(pmid: str, by_people: Sequence[_ByPeople]) -> tuple[str, Values]:
    """The conditions that people's words make for a column of PMIDs."""
    conditions, values = "", {}
    for n, each in enumerate(by_people):
        among = "in" if each.among else "not in"
        conditions += f" and {pmid} {among} (select value from json_each(:people_{n}))"
        values[f"people_{n}"] = each.pmids
    return conditions, values


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
        box = Box.parse(chosen.decision)
        members = (
            boxes.members(db, review, box)
            if box
            else decisions.members(db, review, chosen.decision, chosen.viewer)
        )
        conditions.append(_ByPeople(members.among, json.dumps(list(members.pmids))))
    return conditions


def _moved(db: sqlite3.Connection, chosen: Selection) -> tuple[set[int], set[int]]:
    """The records that people moved into a list of a directness, and those that they moved out of it."""
    values = chosen.labels.get(placements.GROUP)
    if not chosen.question or not values:
        return set(), set()
    return placements.moved(db, chosen.question, chosen.viewer).of_any(values)


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


def _words(db: sqlite3.Connection, chosen: Selection) -> Iterator[list[str]]:
    """The index's words for each thing that the list is narrowed by; any of each will do."""
    question = chosen.question or ""
    if question and not chosen.labels:
        yield [facets.word(facets.number(db, question, facets.EVERYTHING, ""))]
    for numbers in facets.numbers(db, question, chosen.labels).values():
        yield [facets.word(number) for number in numbers]
    if chosen.first_year is not None or chosen.last_year is not None:
        last = min(chosen.last_year or 9999, datetime.now(UTC).year + 2)
        years = [str(year) for year in range(max(chosen.first_year or 0, FIRST_YEAR), last + 1)]
        # No year at all: a word that occurs nowhere.
        numbers = facets.numbers(db, "", {facets.YEAR: years})[facets.YEAR]
        yield [facets.word(number) for number in numbers if number] or [facets.word(0)]
