"""What is news: papers that are new in a question, left it, were withdrawn or corrected, or changed, day by day.

Everything is read newest first along an index, and no further than ``LOOKED`` rows: if there is more, the number
says so. Starter citations are never news.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from tracker import article
from tracker.article import ArticleKey
from tracker.clock import now
from tracker.evidence.cache import cached
from tracker.evidence.questions import STARTER
from tracker.evidence.schema import STANDING
from tracker.lists.selection import NARROW, Count
from tracker.reading import notices

News = Literal["new", "withdrawn", "corrected", "added", "left", "changed"]
NEWS: tuple[News, ...] = ("new", "withdrawn", "corrected", "added", "left", "changed")
# Why an article enters, reasons that make it news first; of a first search's finds only the number is shown.
FIRST_SEARCH = "first search"
LOADED = "loaded from a file"
# The others are added: they were in PubMed before, and nobody had looked.
NEW = ("newly published", "newly indexed")
REASONS = (*NEW, LOADED, "strategy changed", FIRST_SEARCH)
# An edit of a strategy must not flood feeds.
FED = REASONS[:3]

LOOKED, FEW = 1000, 1000
# As SQLite has it: a limit below 0 is none.
ALL = -1
LOOKED_AT_DAYS = 30
SHOWN, SHOWN_WITHDRAWN, SHOWN_CHANGED = 10, 50, 20
# Papers on a page; the last of its days may go beyond it.
FULL = 80
SINCE, SINCE_CHANGED = 5, 100

# Fields that a notice itself changes in a record, and that add nothing.
_OF_NOTICES = frozenset({"notices", "publication_types", "revised"})
# For these fields the direction of the change matters; their values are short.
_TURNING = f"{STANDING}, 'record', 'updated', 'commented', 'republished', 'is_notice'"
# Changes that a reader of the paper wants to hear of; indexing and the like change all the time.
_TELLING = frozenset({"title", "abstract", "record", "updated", "republished"})
_STANDING_FIELDS = frozenset({"retracted", "withdrawn", "expression_of_concern", "corrected"})
CORRECTED = "corrected"
_WITHDRAWN = ("retracted", "withdrawn", "expression_of_concern")
# PubMed's links that say so of a paper; a withdrawal is said by the title alone.
_LINKS = {
    "retracted": notices.RETRACTED,
    "withdrawn": frozenset[str](),
    "expression_of_concern": notices.CONCERN,
    CORRECTED: notices.CORRECTED,
}


class Paper(NamedTuple):
    """An article as news names it.

    ``questions`` are the slugs of all questions that it is or was in; ``labels`` give the kind of publication.
    """

    pmid: ArticleKey
    title_html: str
    authors_text: str | None
    journal: str | None
    published: str | None
    retracted: int
    withdrawn: int
    expression_of_concern: int
    corrected: int
    is_notice: int
    title_says: str | None
    by_title: int
    questions: Sequence[str]
    labels: Mapping[str, Sequence[str]]


class Entered(NamedTuple):
    """What entered a question: how many for each reason, and the newest of those that are news."""

    question: str
    title: str
    reasons: Mapping[str, Count]
    newest: Sequence[Paper]

    @property
    def more(self) -> bool:
        """Whether there are more than the newest."""
        return sum(count.n for count in self.reasons.values()) > len(self.newest)


class Left(NamedTuple):
    """What left a question: how many, and the newest of them."""

    question: str
    title: str
    number: Count
    newest: Sequence[Paper]


class Published(NamedTuple):
    """Where a notice was published, in words; its PMID and its date if we have the notice's own record."""

    words: str
    pmid: ArticleKey | None
    date: str | None


class Notice(NamedTuple):
    """``field`` (retracted, withdrawn, expression_of_concern or corrected) turned to 1; ``noticed`` is when.

    ``published`` are the notices themselves, as PubMed's links name them.
    """

    paper: Paper
    noticed: str
    field: str
    before: str | None
    after: str | None
    published: Sequence[Published] = ()


class Field(NamedTuple):
    """A field that changed; ``turned`` is the new value of a flag or of ``record`` (present or gone)."""

    name: str
    turned: str | None


class Changed(NamedTuple):
    """A record that changed in fields other than those of a Notice, and when we last noticed."""

    paper: Paper
    fields: Sequence[Field]
    noticed: str


class Day(NamedTuple):
    """What happened on a day (UTC); long lists hold only the first entries and the number of all.

    ``entered`` is what is new, ``added`` what entered for another reason: by a first search, from a file, or because
    the strategy changed. ``withdrawn`` are retractions, withdrawals and expressions of concern.
    """

    day: str
    entered: Sequence[Entered]
    added: Sequence[Entered]
    left: Sequence[Left]
    withdrawn: Sequence[Notice]
    withdrawn_number: Count
    corrected: Sequence[Notice]
    corrected_number: Count
    changed: Sequence[Changed]
    changed_number: Count

    @property
    def is_empty(self) -> bool:
        # If not all rows were read, finding nothing does not mean that there is nothing.
        numbers = (self.withdrawn_number, self.corrected_number, self.changed_number)
        entered = self.entered or self.added or self.left
        return not (entered or any(number.n or not number.exact for number in numbers))

    @property
    def shown(self) -> int:
        """How many papers are named."""
        entered = sum(len(entry.newest) for entry in (*self.entered, *self.added))
        left = sum(len(entry.newest) for entry in self.left)
        return entered + left + len(self.withdrawn) + len(self.corrected) + len(self.changed)


class Month(NamedTuple):
    """How many papers are new, withdrawn (retracted included), under concern and corrected since the day ``begins``."""

    begins: str
    new: Count
    withdrawn: Count
    under_concern: Count
    corrected: Count


class Days(NamedTuple):
    """``earlier`` is the day before which to continue, None if nothing happened earlier."""

    days: Sequence[Day]
    earlier: str | None


class Warned(NamedTuple):
    """An article that is retracted, withdrawn, under concern or corrected; ``noticed`` is None if it always was."""

    pmid: ArticleKey
    title_html: str
    retracted: int
    withdrawn: int
    expression_of_concern: int
    corrected: int
    title_says: str | None
    by_title: int
    noticed: str | None


class Since(NamedTuple):
    """What happened in a question after a moment.

    ``entered`` counts the records still there by reason; ``standing`` are the first of those that were noticed as
    retracted, under concern or corrected; ``standing_number`` is the number of such notices.
    """

    moment: str
    entered: Mapping[str, Count]
    newest: Sequence[Paper]
    left: Count
    standing: Sequence[Warned]
    standing_number: Count
    changed: Count

    @property
    def is_empty(self) -> bool:
        return not (self.entered or self.left.n or self.standing_number.n or self.changed.n)


class Between(NamedTuple):
    """What happened between two moments.

    Notices that still stand; what entered, by reason; how many more a first search found; and records that changed in
    what they say, or left PubMed.
    """

    notices: Sequence[Notice]
    entered: Mapping[str, Sequence[Paper]]
    first_search: int
    changed: Sequence[Changed]


class _Span(NamedTuple):
    """Between two moments, both excluded; a day sorts before all of its moments."""

    after: str
    before: str


_EVER = _Span("", "~")


class _Record(NamedTuple):
    """What was noticed in a record at one moment."""

    pmid: ArticleKey
    noticed: str
    fields: list[Field]


def days(
    db: sqlite3.Connection,
    before: str | None = None,
    question: str | None = None,
    kind: News | None = None,
    size: int = 7,
) -> Days:
    """The latest days, before the given one if any, on which something of the kind happened in the question.

    There may be fewer than ``size`` with more to come if each day has much to show, or if much happened that was
    not asked for.
    """
    asked = titles(db, question)
    eventful: list[Day] = []
    end = before or _EVER.before
    latest = _latest(db, end, asked, kind)
    for _ in range(LOOKED_AT_DAYS):
        if latest is None or len(eventful) == size or sum(day.shown for day in eventful) >= FULL:
            break
        end = latest[:10]
        day = _day(db, end, asked, question, kind)
        if not day.is_empty:
            eventful.append(day)
        latest = _latest(db, end, asked, kind)
    return Days(eventful, end if latest else None)


def since(db: sqlite3.Connection, slug: str, moment: str) -> Since:
    """What happened in a question after a moment, or since a day."""
    span = _Span(moment, _EVER.before)
    found = _entered(db, slug, span, matching=True)
    entered = found.told()
    notices, number = _withdrawn(db, slug, span)
    noticed: dict[ArticleKey, str] = {}
    for pmid, when, *_ in notices:
        noticed.setdefault(pmid, when)
    standing = list(noticed)[:SINCE]
    changed = _changed(*_records(db, slug, span))[1]
    papers = _papers(db, [*entered[:SINCE], *standing])
    return Since(
        moment,
        found.reasons(),
        _papers_of(papers, entered[:SINCE]),
        _capped(_left(db, slug, _moments_left(db, span))),
        [_warned(paper, noticed[paper.pmid]) for paper in _papers_of(papers, standing)],
        number,
        Count(min(changed.n, SINCE_CHANGED), changed.exact and changed.n <= SINCE_CHANGED),
    )


def between(
    db: sqlite3.Connection,
    after: str,
    up_to: str,
    *,
    question: str | None = None,
    pmids: Collection[ArticleKey] | None = None,
) -> Between:
    """What happened after one moment and no later than the other, in a question, or to these papers of any question."""
    span = _Span(after, f"{up_to}~")
    found = _entered(db, question, span, matching=True) if question else _ByReason({}, True)
    # A reader is told of all that happened, however much happened elsewhere: the span is the only limit.
    standing = _withdrawn(db, question, span, pmids, looked=ALL)
    changed, _ = _changed(*_records(db, question, span, pmids, looked=ALL))
    telling = [each for each in changed if any(_tells(field) for field in each.fields)]
    papers = _papers(db, [*(pmid for pmid, *_ in standing.rows), *found.told(), *(r.pmid for r in telling)])
    published = _published(db, {pmid for pmid, *_ in standing.rows})
    # What was taken back again meanwhile is no notice.
    notices = [
        Notice(papers[pmid], when, field, before, after, published.get((pmid, field), ()))
        for pmid, when, field, before, after in standing.rows
        if pmid in papers and getattr(papers[pmid], field)
    ]
    return Between(
        notices,
        {
            reason: _papers_of(papers, entered)
            for reason, entered in found.pmids.items()
            if reason != FIRST_SEARCH
        },
        len(found.pmids.get(FIRST_SEARCH, ())),
        [Changed(papers[r.pmid], r.fields, r.noticed) for r in telling if r.pmid in papers],
    )


def month(db: sqlite3.Connection, question: str | None = None) -> Month:
    """What this calendar month (UTC) brought to the question, or to all of them; a paper in several counts once."""
    begins = f"{now()[:7]}-01"
    return cached(db, ("month", question, begins), lambda: _month(db, question, begins))


def _month(db: sqlite3.Connection, question: str | None, begins: str) -> Month:
    span = _Span(begins, _EVER.before)
    rows, exact = _noticed(db, _NOTICES, question, span)
    turned: dict[tuple[ArticleKey, str], str] = {}
    for pmid, _, field, _, after in rows[:LOOKED]:
        # Newest first: what was taken back again within the month is no notice.
        turned.setdefault((pmid, field), after)

    def number(*fields: str) -> Count:
        pmids = {pmid for (pmid, field), after in turned.items() if field in fields and after == "1"}
        return Count(len(pmids), exact)

    return Month(
        begins,
        _new(db, titles(db, question), span),
        number("retracted", "withdrawn"),
        number("expression_of_concern"),
        number(CORRECTED),
    )


def _new(db: sqlite3.Connection, slugs: Iterable[str], span: _Span) -> Count:
    """How many papers are new in any of these questions."""
    pmids: set[ArticleKey] = set()
    exact = True
    for slug in slugs:
        given = {"question": slug, **span._asdict(), "looked": LOOKED}
        moments = db.execute(_MOMENTS_ENTERED, given).fetchall()
        # A search or a file that brings a hundred thousand is one moment, and nothing of it is new.
        eventful = [moment for moment, reason in moments if reason not in (FIRST_SEARCH, LOADED, STARTER)]
        exact = exact and len(moments) < LOOKED
        left = NARROW + 1
        for moment in eventful:
            at_once = {"question": slug, "moment": moment, "most": left}
            rows = db.execute(_ENTERED_AT, at_once).fetchall()
            pmids.update(pmid for pmid, reason in rows if reason in NEW)
            left -= len(rows)
            if left <= 0:
                exact = False
                break
    return Count(min(len(pmids), NARROW), exact and len(pmids) <= NARROW)


def standing(db: sqlite3.Connection, most: int = 5) -> list[Warned]:
    """Articles of any question that were recently noticed as retracted, under concern or corrected, and still are.

    If there are too few, others that are retracted or under concern are added, though no such change was noticed.
    """
    by_pmid: dict[ArticleKey, Warned] = {}
    for query in (_LATELY_NOTICED, _EVER_WITHDRAWN):
        for row in db.execute(query, {"looked": LOOKED}):
            if len(by_pmid) == most:
                return list(by_pmid.values())
            warned = Warned(*row)
            by_pmid.setdefault(warned.pmid, warned)
    return list(by_pmid.values())


def feed(db: sqlite3.Connection, question: str | None = None, size: int = 50) -> list[ArticleKey]:
    """The articles that entered recently or whose record changed, newest news first.

    Articles added by a first search or an edit of a strategy are not news here.
    """
    latest: dict[ArticleKey, str] = {}
    for slug in titles(db, question):
        rows = db.execute(_ENTERED, {"question": slug, **_EVER._asdict(), "most": LOOKED})
        for pmid, entered in islice(((row[0], row[1]) for row in rows if row[2] in FED), size):
            latest[pmid] = max(entered, latest.get(pmid, ""))
    for record in _records(db, question, _EVER)[0]:
        latest[record.pmid] = max(record.noticed, latest.get(record.pmid, ""))
    return sorted(latest, key=lambda pmid: (latest[pmid], pmid), reverse=True)[:size]


def papers(db: sqlite3.Connection, pmids: Sequence[ArticleKey]) -> list[Paper]:
    """The papers with these keys, in their order; what is not stored is left out."""
    return _papers_of(_papers(db, pmids), pmids)


def titles(db: sqlite3.Connection, question: str | None = None) -> dict[str, str]:
    """Titles of all questions by slug, in their order, or only of this one."""
    rows = db.execute("select slug, title from questions order by position, slug")
    return {slug: title for slug, title in rows if question in (None, slug)}


# -- a day -----------------------------------------------------------------------------------------


def _latest(db: sqlite3.Connection, before: str, slugs: Collection[str], kind: News | None) -> str | None:
    """The last moment before ``before`` at which something of the kind may have happened: one step in each index."""
    queries: list[tuple[str, str | None]] = []
    only = next(iter(slugs)) if len(slugs) == 1 else None
    if kind in (None, "new", "added"):
        query = "select max(entered) from question_articles where question = :question and entered < :before"
        queries += [(query, slug) for slug in slugs]
    if kind in (None, "left"):
        queries.append(("select max(left_at) from question_articles where left_at < :before", None))
    if kind in (None, "changed"):
        if only and _is_small(db, only):
            queries.append((_LATEST_OF_FEW, only))
        else:
            queries.append(("select max(noticed) from changes where noticed < :before", None))
    if kind in ("withdrawn", "corrected"):
        queries.append((_LATEST_STANDING, None))
    moments = [
        db.execute(query, {"before": before, "question": question}).fetchone()[0]
        for query, question in queries
    ]
    return max(filter(None, moments), default=None)


def _day(
    db: sqlite3.Connection, day: str, asked: Mapping[str, str], question: str | None, kind: News | None
) -> Day:
    span = _Span(day, f"{day}~")
    entering = kind in (None, "new", "added")
    found = {slug: _entered(db, slug, span) for slug in asked} if entering else {}
    entered = {slug: each.only(NEW) for slug, each in found.items() if kind != "added"}
    added = {slug: each.without(NEW) for slug, each in found.items() if kind != "new"}
    moments = _moments_left(db, span) if kind in (None, "left") else []
    left = {slug: _left(db, slug, moments) for slug in asked if moments}
    asks_for_notices = kind in (None, "withdrawn", "corrected")
    standing = _withdrawn(db, question, span) if asks_for_notices else _Noticed([], Count(0))
    withdrawn = _of_fields(standing, _WITHDRAWN if kind != "corrected" else ())
    corrected = _of_fields(standing, (CORRECTED,) if kind != "withdrawn" else ())
    records = _records(db, question, span) if kind in (None, "changed") else ([], True)
    changed, changed_number = _changed(*records)
    changed = changed[:SHOWN_CHANGED]
    told = [*withdrawn.rows[:SHOWN_WITHDRAWN], *corrected.rows[:SHOWN_WITHDRAWN]]
    wanted = [pmid for each in (*entered.values(), *added.values()) for pmid in each.told()[:SHOWN]]
    wanted += [pmid for pmids in left.values() for pmid in pmids[:SHOWN]]
    wanted += [pmid for pmid, *_ in told] + [record.pmid for record in changed]
    papers = _papers(db, wanted)
    published = _published(db, {pmid for pmid, *_ in told})
    return Day(
        day,
        _entries(entered, asked, papers),
        _entries(added, asked, papers),
        [
            Left(slug, asked[slug], _capped(pmids), _papers_of(papers, pmids[:SHOWN]))
            for slug, pmids in left.items()
            if pmids
        ],
        _told(withdrawn, papers, published),
        withdrawn.number,
        _told(corrected, papers, published),
        corrected.number,
        [Changed(papers[r.pmid], r.fields, r.noticed) for r in changed if r.pmid in papers],
        changed_number,
    )


def _entries(
    entered: Mapping[str, _ByReason], asked: Mapping[str, str], papers: Mapping[ArticleKey, Paper]
) -> list[Entered]:
    return [
        Entered(slug, asked[slug], reasons, _papers_of(papers, each.told()[:SHOWN]))
        for slug, each in entered.items()
        if (reasons := each.reasons())
    ]


def _of_fields(noticed: _Noticed, fields: Collection[str]) -> _Noticed:
    rows = [row for row in noticed.rows if row[2] in fields]
    return _Noticed(rows, Count(len(rows), noticed.number.exact))


def _told(
    noticed: _Noticed,
    papers: Mapping[ArticleKey, Paper],
    published: Mapping[tuple[ArticleKey, str], Sequence[Published]],
) -> list[Notice]:
    return [
        Notice(papers[pmid], when, field, before, after, published.get((pmid, field), ()))
        for pmid, when, field, before, after in noticed.rows[:SHOWN_WITHDRAWN]
        if pmid in papers
    ]


# -- what entered and what left --------------------------------------------------------------------

_ENTERED = """
select pmid, entered, reason, matching from question_articles
where question = :question and entered > :after and entered < :before
order by entered desc, pmid desc limit :most
"""
# Step by step from each moment to the one before, however many articles entered at each.
_MOMENTS_ENTERED = """
with recursive moments (moment) as (
  select max(entered) from question_articles
  where question = :question and entered > :after and entered < :before
  union all
  select (
    select max(entered) from question_articles
    where question = :question and entered > :after and entered < moment)
  from moments where moment is not null
)
select moment, (select reason from question_articles where question = :question and entered = moment limit 1)
from moments where moment is not null limit :looked
"""
_ENTERED_AT = """
select pmid, reason from question_articles where question = :question and entered = :moment
order by pmid desc limit :most
"""
# The same of what left.
_MOMENTS_LEFT = """
with recursive moments (moment) as (
  select max(left_at) from question_articles where left_at > :after and left_at < :before
  union all
  select (select max(left_at) from question_articles where left_at > :after and left_at < moment)
  from moments where moment is not null
)
select moment from moments where moment is not null limit :looked
"""
_LEFT = """
select pmid from question_articles indexed by question_articles_left
where left_at = :moment and question = :question and reason <> :starter order by pmid desc limit :most
"""


class _ByReason(NamedTuple):
    """What entered a question, by reason, newest first; ``exact`` if that is all."""

    pmids: Mapping[str, list[ArticleKey]]
    exact: bool

    def only(self, reasons: Collection[str]) -> _ByReason:
        return _ByReason({name: pmids for name, pmids in self.pmids.items() if name in reasons}, self.exact)

    def without(self, reasons: Collection[str]) -> _ByReason:
        return self.only(self.pmids.keys() - set(reasons))

    def told(self) -> list[ArticleKey]:
        """What is named and not only counted."""
        return [pmid for name, pmids in self.pmids.items() if name != FIRST_SEARCH for pmid in pmids]

    def reasons(self) -> dict[str, Count]:
        return {name: Count(len(pmids), self.exact) for name, pmids in self.pmids.items()}


def _entered(db: sqlite3.Connection, slug: str, span: _Span, *, matching: bool = False) -> _ByReason:
    """What entered, by reason, those that make it news first."""
    given = {"question": slug, **span._asdict(), "most": NARROW + 1}
    rows = db.execute(_ENTERED, given).fetchall()
    exact = len(rows) <= NARROW
    by_reason: dict[str, list[ArticleKey]] = {}
    for pmid, _, reason, still in rows[:NARROW]:
        if reason != STARTER and (still or not matching):
            by_reason.setdefault(reason, []).append(pmid)
    reasons = sorted(by_reason, key=lambda reason: (*REASONS, reason).index(reason))
    return _ByReason({reason: by_reason[reason] for reason in reasons}, exact)


def _moments_left(db: sqlite3.Connection, span: _Span) -> list[str]:
    given = {**span._asdict(), "looked": LOOKED}
    return [moment for (moment,) in db.execute(_MOMENTS_LEFT, given)]


def _left(db: sqlite3.Connection, slug: str, moments: Iterable[str]) -> list[ArticleKey]:
    """What left the question at these moments, at most one more than is counted."""
    pmids: list[ArticleKey] = []
    for moment in moments:
        most = NARROW + 1 - len(pmids)
        given = {"moment": moment, "question": slug, "starter": STARTER, "most": most}
        rows = db.execute(_LEFT, given)
        pmids += [pmid for (pmid,) in rows]
        if len(pmids) > NARROW:
            break
    return pmids


def _capped(pmids: Collection[ArticleKey]) -> Count:
    return Count(min(len(pmids), NARROW), len(pmids) <= NARROW)


# -- what changed ----------------------------------------------------------------------------------

# The columns wanted of changes and a further condition: for any record, and for those of a small question.
_LOOKED_THROUGH = """
select {columns} from changes c where c.noticed > :after and c.noticed < :before {condition}
order by c.noticed desc, c.pmid desc, c.rowid desc limit :looked
"""
_OF_FEW = f"""
select {{columns}} from question_articles q cross join changes c on c.pmid = q.pmid
where q.question = :question and q.reason <> '{STARTER}' and c.noticed > :after and c.noticed < :before {{condition}}
order by c.noticed desc, c.pmid desc, c.rowid desc limit :looked
"""
_IN_QUESTION = """
select given.value from json_each(:pmids) given
where exists (
  select 1 from question_articles q
  where q.pmid = given.value and (:question is null or q.question = :question) and q.reason <> :starter)
"""
_CHANGES = {
    # For most changes the index has all columns that are asked for.
    "columns": f"""c.pmid, c.noticed, c.field,
      iif(c.field in ({_TURNING}), (select x.after from changes x where x.rowid = c.rowid), null)""",
    "condition": "",
}
_NOTICES = {
    "columns": "c.pmid, c.noticed, c.field, c.before, c.after",
    "condition": f"and c.field in ({STANDING})",
}
# A list of given papers.
_OF_GIVEN = """
select {columns} from json_each(:given) g cross join changes c on c.pmid = g.value
where c.noticed > :after and c.noticed < :before {condition}
order by c.noticed desc, c.pmid desc, c.rowid desc limit :looked
"""
_LATEST_OF_FEW = """
select max((select max(c.noticed) from changes c where c.pmid = q.pmid and c.noticed < :before))
from question_articles q where q.question = :question
"""
_LATEST_STANDING = f"select max(noticed) from changes where field in ({STANDING}) and noticed < :before"
_MATCHING = "exists (select 1 from question_articles q where q.pmid = a.pmid and q.matching)"
_FLAGGED = "a.retracted, a.withdrawn, a.expression_of_concern, a.corrected"
_WARNED = f"a.pmid, a.title_html, {_FLAGGED}, a.title_says, a.by_title"
_LATELY_NOTICED = f"""
select {_WARNED}, newest.noticed
from (
  select pmid, field, after, noticed from changes where field in ({STANDING}) and noticed > ''
  order by noticed desc, pmid desc limit :looked) newest
cross join articles a on a.pmid = newest.pmid
where newest.after = '1' and {_MATCHING} and case newest.field
  when 'retracted' then a.retracted when 'withdrawn' then a.withdrawn when 'corrected' then a.corrected
  else a.expression_of_concern end
"""
_EVER_WITHDRAWN = f"""
select {_WARNED}, null
from (
  select pmid from articles indexed by articles_retracted
  where retracted or withdrawn or expression_of_concern
  order by pmid desc limit :looked) newest
cross join articles a on a.pmid = newest.pmid
where {_MATCHING}
"""


def _noticed(
    db: sqlite3.Connection,
    what: Mapping[str, str],
    question: str | None,
    span: _Span,
    papers: Collection[ArticleKey] | None = None,
    looked: int = LOOKED,
) -> tuple[list[Any], bool]:
    """Changes in records of the question (or of any question), newest first, of all or of these papers; and whether
    that is all of them."""
    given = {"question": question, **span._asdict(), "looked": ALL if looked == ALL else looked + 1}
    # For a small question it is faster to go through its own articles.
    query = _OF_FEW if question and _is_small(db, question) else _LOOKED_THROUGH
    if papers is not None:
        query = _OF_GIVEN
        given["given"] = json.dumps(list(papers))
    rows = db.execute(query.format(**what), given).fetchall()
    pmids = json.dumps(list({pmid for pmid, *_ in rows}))
    within = db.execute(_IN_QUESTION, {"pmids": pmids, "question": question, "starter": STARTER})
    ours = {pmid for (pmid,) in within}
    return [row for row in rows if row[0] in ours], looked == ALL or len(rows) <= looked


def _records(
    db: sqlite3.Connection,
    question: str | None,
    span: _Span,
    papers: Collection[ArticleKey] | None = None,
    looked: int = LOOKED,
) -> tuple[list[_Record], bool]:
    """What was noticed in records of the question, newest first; and whether that is all."""
    rows, exact = _noticed(db, _CHANGES, question, span, papers, looked)
    records = [
        # Within a record, fields came newest first as well.
        _Record(pmid, noticed, [Field(*field) for _, _, *field in group][::-1])
        for (pmid, noticed), group in groupby(rows, key=itemgetter(0, 1))
    ]
    # If not all was read, the last record may be incomplete.
    return (records if exact else records[:-1]), exact


def _changed(records: Iterable[_Record], exact: bool) -> tuple[list[_Record], Count]:
    """One entry per record, without what its notices already say; and the number of entries."""
    by_pmid: dict[ArticleKey, _Record] = {}
    for record in records:
        others = [field for field in record.fields if not _says_standing(field)]
        if len(others) < len(record.fields):
            others = [field for field in others if field.name not in _OF_NOTICES]
        if not others:
            continue
        known = by_pmid.setdefault(record.pmid, _Record(record.pmid, record.noticed, []))
        names = {field.name for field in known.fields}
        known.fields.extend(field for field in others if field.name not in names)
    return list(by_pmid.values()), Count(min(len(by_pmid), NARROW), exact and len(by_pmid) <= NARROW)


def _tells(field: Field) -> bool:
    return field.name in _TELLING or (field.name in _STANDING_FIELDS and field.turned == "0")


def _says_standing(field: Field) -> bool:
    return field.name in _STANDING_FIELDS and field.turned == "1"


class _Noticed(NamedTuple):
    """(pmid, noticed, field, before, after) for papers noticed as withdrawn or corrected; and their number."""

    rows: list[Any]
    number: Count


def _withdrawn(
    db: sqlite3.Connection,
    question: str | None,
    span: _Span,
    papers: Collection[ArticleKey] | None = None,
    looked: int = LOOKED,
) -> _Noticed:
    rows, exact = _noticed(db, _NOTICES, question, span, papers, looked)
    turned = [row for row in rows[:LOOKED] if row[-1] == "1"]
    return _Noticed(turned, Count(len(turned), exact))


_PUBLISHED = """
select n.pmid, n.type, n.other_pmid, n.citation, n.note, a.published
from json_each(:pmids) given
cross join notices n on n.pmid = given.value
left join articles a on a.pmid = n.other_pmid
where n.type <> 'Cites' order by n.pmid, n.position
"""


def _published(
    db: sqlite3.Connection, pmids: Collection[ArticleKey]
) -> dict[tuple[ArticleKey, str], list[Published]]:
    """The notices that PubMed links to these papers, by paper and by the field that they set."""
    rows = db.execute(_PUBLISHED, {"pmids": json.dumps(sorted(pmids))})
    found: dict[tuple[ArticleKey, str], list[Published]] = {}
    for pmid, type, other, citation, note, date in rows:
        words = notices.describe(article.Notice(type, other, citation, note))
        for field in (field for field, of_field in _LINKS.items() if type in of_field):
            found.setdefault((pmid, field), []).append(Published(words, other if date else None, date))
    return found


def _is_small(db: sqlite3.Connection, slug: str) -> bool:
    query = "select count(*) from (select 1 from question_articles where question = :question limit :most)"
    size: int = db.execute(query, {"question": slug, "most": FEW + 1}).fetchone()[0]
    return size <= FEW


# -- the papers themselves -------------------------------------------------------------------------

_PAPERS = f"""
select a.pmid, a.title_html, a.authors_text,
  coalesce(a.iso_abbreviation, a.medline_abbreviation, a.journal), a.published,
  a.retracted, a.withdrawn, a.expression_of_concern, a.corrected, a.is_notice, a.title_says, a.by_title,
  (select json_group_array(q.question) from question_articles q where q.pmid = a.pmid and q.reason <> '{STARTER}'),
  (select json_group_array(l.value) from labels l where l.pmid = a.pmid and l.label_group = 'publication')
from json_each(:pmids) given join articles a on a.pmid = given.value
"""


def _papers(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> dict[ArticleKey, Paper]:
    rows = db.execute(_PAPERS, {"pmids": json.dumps(sorted(set(pmids)))})
    papers = (
        Paper._make([*values, json.loads(questions), {"publication": json.loads(kinds)}])
        for *values, questions, kinds in rows
    )
    return {paper.pmid: paper for paper in papers}


def _papers_of(papers: Mapping[ArticleKey, Paper], pmids: Iterable[ArticleKey]) -> list[Paper]:
    return [papers[pmid] for pmid in pmids if pmid in papers]


def _warned(paper: Paper, noticed: str) -> Warned:
    return Warned(**{name: getattr(paper, name) for name in Warned._fields[:-1]}, noticed=noticed)
