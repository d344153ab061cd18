"""What the reader pages show. Every query is by key: none grows with the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from tracker import topic
from tracker.article import ArticleKey
from tracker.evidence import facets, identifiers, search
from tracker.evidence.articles import present
from tracker.evidence.cache import cached, cached_of_all
from tracker.evidence.identifiers import Named
from tracker.evidence.questions import STARTER
from tracker.evidence.questions import has_starter as has_starter_of
from tracker.evidence.rows import Row, read_rows
from tracker.lists import news
from tracker.lists.answers import with_answers
from tracker.lists.cited import Cited, cited
from tracker.lists.entries import read_entries
from tracker.lists.leading import Direct, Leading, direct, leading
from tracker.lists.selection import (
    NARROW,
    TAGGED_FOR,
    TOP,
    Count,
    Key,
    Reader,
    Selection,
    Sort,
    Tallies,
    count,
    newest_with,
    page,
    tallies,
    tallies_as_read,
    tallies_of,
    with_moved,
)
from tracker.reading.labels import groups
from tracker.team import blind, by_article
from tracker.team.placements import GROUP
from tracker.team.review import reviews

PAGE, RECENT_DAYS = 25, 30
# The designs that answer a question most directly, as rules/design.yml names them.
REVIEWS = ("meta-analysis", "systematic review", "guideline")
TRIALS = ("randomised controlled trial",)
# Not a design: a record about another paper, which counts as that paper's.
NOTICE = "notice"
# Maximum number of records in a question for which every choice shows its number.
COUNTED_AGAIN = 10_000

_QUESTION = """
select slug, title, question, claim, pico, complete_to, incomplete_since, incomplete_reason, harms,
  (select s.strategy from strategies s where s.hash = questions.strategy) as strategy_text
from questions
"""


class Numbers(NamedTuple):
    """How many records match a question, and how many of them PubMed created since the day ``recent``; ``starter``
    says whether they are starter citations."""

    matching: int
    starter: bool
    new: Count
    recent: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question as its file states it, and how complete its list is."""

    slug: str
    title: str
    question: str
    claim: str | None
    pico: Mapping[str, str]
    complete_to: str | None
    incomplete_since: str | None
    incomplete_reason: str | None
    harms: int
    strategy_text: str | None
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Card:
    """A question on the home page: its newest review and trial, or else its ``newest`` articles of any kind.

    Where a question's file says how records bear on it, only a review or trial that bears on it directly leads, and
    ``direct`` counts what does.
    """

    question: Question
    direct: Direct | None
    by_year: Mapping[int, int]
    review: Row | None
    trial: Row | None
    newest: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Home:
    """``standing`` are the papers recently withdrawn or corrected."""

    cards: Sequence[Card]
    standing: Sequence[news.Warned]
    starter: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list: its entries, the key of the ``next`` page, how many records the whole list has."""

    articles: Sequence[Row]
    next: Key | None
    count: Count
    sorted_by: Sort


class Screened(NamedTuple):
    looked_at: int
    relevant: int


@dataclass(frozen=True, slots=True)
class BottomLine:
    """What people concluded, the papers that it rests on, and how many reviews and trials have come since.

    ``missing`` are those of the papers that are not stored, ``withdrawn`` those withdrawn or under concern. The numbers
    are of records that PubMed created since.
    """

    text: str
    author: str
    date: str
    pmids: Sequence[ArticleKey]
    articles: Sequence[Row]
    missing: Sequence[ArticleKey]
    withdrawn: Sequence[Row]
    newer_reviews: Count
    newer_trials: Count
    direct_since: Count


@dataclass(frozen=True, slots=True)
class Labelled:
    """How many records have which label.

    ``groups`` has the numbers for the whole question. The others are for the list, if it could be counted: ``choices``
    are what it can be narrowed to, ``levels`` and ``designs`` its records by level of evidence and by design and year.
    ``apart`` are groups whose values are never added up to one total.
    """

    groups: Tallies
    choices: Mapping[str, Mapping[str, int | None]]
    designs: Mapping[str, Mapping[str, int]]
    levels: Sequence[tuple[str, int]]
    apart: Sequence[tuple[str, Sequence[tuple[str, int]]]]
    is_of_list: bool


@dataclass(frozen=True, slots=True)
class QuestionList:
    """A question with a page of its list, and what the page says about the whole list."""

    question: Question
    screened: Screened
    bottom_line: BottomLine | None
    preprints: int
    tags: Sequence[str]
    labelled: Labelled
    leading: Leading | None
    cited: Cited | None
    since: news.Since | None
    listed: ListPage


def home(db: sqlite3.Connection) -> Home:
    """Every question with its numbers and its newest review and trial, and what was recently withdrawn or corrected."""
    return Home([_card(db, question) for question in _questions(db)], news.standing(db), has_starter(db))


def _card(db: sqlite3.Connection, question: Question) -> Card:
    slug = question.slug
    return Card(question, *cached_of_all(db, ("card", slug), lambda: _told_on_card(db, slug)))


def _told_on_card(db: sqlite3.Connection, slug: str) -> tuple[Any, ...]:
    """The fields of a card behind the question."""
    only = (GROUP, "direct") if tallies_of(db, slug, GROUP) else None
    by_design = (newest_with(db, slug, "design", designs, 1, also=only) for designs in (REVIEWS, TRIALS))
    review, trial = (next(iter(read_entries(db, newest, slug)), None) for newest in by_design)
    return (
        direct(db, slug, _tallies(db, slug)),
        _evidence_by_year(db, slug),
        review,
        trial,
        [] if review or trial else read_entries(db, page(db, Selection(slug), size=2).pmids, slug),
    )


def _tallies(db: sqlite3.Connection, slug: str, viewer: int | None = None) -> Tallies:
    as_read = cached(db, ("tallies", slug), lambda: tallies_as_read(db, slug))
    return with_moved(db, as_read, slug, viewer)


def _evidence_by_year(db: sqlite3.Connection, slug: str) -> dict[int, int]:
    """How many records each year has; notices about other papers are no evidence."""
    records = by_year(tallies_of(db, slug, facets.EVERYTHING).get("", {}))
    notices = by_year(tallies_of(db, slug, "design").get(NOTICE, {}))
    return {year: n - notices.get(year, 0) for year, n in records.items() if n > notices.get(year, 0)}


def question(
    db: sqlite3.Connection,
    selection: Selection,
    after: Key = TOP,
    looked: str | None = None,
    viewer: int | None = None,
) -> QuestionList | None:
    """One question with a page of its list, and what the page says about the whole; None if there is no such question.

    ``looked`` is when the reader last looked, ``viewer`` who they are if they are signed in.
    """
    slug = selection.question
    question = slug and next(_questions(db, slug), None)
    if not question or slug is None:
        return None
    whole = _tallies(db, slug, viewer)
    answer = _answer(db, slug, viewer) if after == TOP and selection.is_whole else _NO_ANSWER
    reader = Reader(db, selection)
    return QuestionList(
        question=question,
        screened=screened(db, slug),
        bottom_line=_bottom_line(db, slug, viewer),
        preprints=cached(db, ("preprints", slug), lambda: preprints_of_listed(db, slug)),
        tags=tags_in_use(db, slug, viewer),
        labelled=_labelled(db, reader, whole),
        leading=answer.leading,
        cited=answer.cited,
        since=news.since(db, slug, looked) if looked else None,
        listed=_answering(db, _list_page(db, reader, after), slug, viewer),
    )


class _Answer(NamedTuple):
    leading: Leading | None
    cited: Cited | None


_NO_ANSWER = _Answer(None, None)


def _answer(db: sqlite3.Connection, slug: str, viewer: int | None) -> _Answer:
    """What the page leads with; callers must not change it.

    Kept until either database changes: where a hundred thousand records match, it takes a tenth of a second.
    """
    return cached_of_all(
        db,
        ("answer", slug, viewer),
        lambda: _Answer(leading(db, slug, _tallies(db, slug, viewer), viewer), cited(db, slug, viewer)),
    )


def _answering(db: sqlite3.Connection, listed: ListPage, slug: str, viewer: int | None) -> ListPage:
    """The page with what each of its records says of the question."""
    with_answers(db, listed.articles, slug, viewer)
    return listed


def _questions(db: sqlite3.Connection, slug: str | None = None) -> Iterator[Question]:
    """All questions in their order, or only the one given."""
    rows = read_rows(
        db, f"{_QUESTION} where :slug is null or slug = :slug order by position, slug", {"slug": slug}
    )
    for row in rows:
        pico = json.loads(row.pop("pico") or "{}")
        yield Question(**row, pico=pico, numbers=_numbers(db, row["slug"]))


def _labelled(db: sqlite3.Connection, reader: Reader, whole: Tallies) -> Labelled:
    narrowed = whole if reader.selection.is_whole else reader.tallies()
    counted = narrowed if narrowed is not None else whole
    by_level = sorted(counted.get("evidence_level", {}).items())
    return Labelled(
        groups=whole,
        choices=choices(db, reader.selection, counted, whole),
        designs={design: years for design, years in counted.get("design", {}).items() if design != NOTICE},
        levels=[(level, sum(years.values())) for level, years in by_level],
        apart=[(group, _apart(whole, group)) for group in never_summed() if group in whole],
        is_of_list=narrowed is not None,
    )


def _list_page(db: sqlite3.Connection, reader: Reader, after: Key) -> ListPage:
    shown = reader.page(after, PAGE)
    return ListPage(
        read_entries(db, shown.pmids, reader.selection.question, reader.selection.text),
        shown.next,
        reader.count(),
        reader.sort,
    )


def screened(db: sqlite3.Connection, slug: str) -> Screened:
    """How many of the question's records are fully decided, and how many of these are judged relevant.

    The last stage with an outcome counts; anything that a blind review still hides does not.
    """
    outcomes = [outcome for _, outcome in by_article.final_decisions(db, reviews(db)[slug])]
    return Screened(len(outcomes), sum(outcome.decision == "include" for outcome in outcomes))


def tags_in_use(db: sqlite3.Connection, slug: str, viewer: int | None = None) -> list[str]:
    """The tags that articles have for this question, or for none in particular, as far as the viewer may know."""
    rows = db.execute(
        f"""
        select distinct t.name from annotations.tags t
        where t.retired is null and exists (
          select 1 from annotations.taggings g
          where g.tag = t.id and {TAGGED_FOR} and {blind.visible("g")})
        order by t.name
        """,
        {"question": slug, "viewer": viewer},
    )
    return [name for (name,) in rows]


def preprints_of_listed(db: sqlite3.Connection, slug: str, most: int = 1000) -> int:
    """How many of the question's latest ``most`` preprints have their article in its list."""
    preprints: int = db.execute(
        """
        select count(*) from (
          select pmid from question_labels
          where question = :slug and label_group = 'publication' and value = 'preprint'
          order by published desc, pmid desc limit :most) l
        where exists (
          select 1 from notices n join question_articles q on q.question = :slug and q.pmid = n.other_pmid
          where n.pmid = l.pmid and n.type = 'UpdateIn' and q.matching)
        or exists (
          select 1 from preprint_pairs p join question_articles q on q.question = :slug and q.pmid = p.pmid
          where p.preprint = l.pmid and p.same_authors and q.matching)
        """,
        {"slug": slug, "most": most},
    ).fetchone()[0]
    return preprints


def by_year(counts: Mapping[str, int]) -> dict[int, int]:
    """The same numbers with years as integers; those without a year are left out."""
    return {int(year): n for year, n in counts.items() if year}


def choices(
    db: sqlite3.Connection, selection: Selection, narrowed: Tallies, whole: Tallies
) -> dict[str, dict[str, int | None]]:
    """The values of each group that the list can be narrowed to, with how many records remain; None if not counted.

    A group with a chosen value is counted without that choice, as another value would add records; in a large
    question that takes longer than a reader should wait.
    """
    counted: dict[str, dict[str, int | None]] = {
        group: {value: sum(years.values()) for value, years in values.items()}
        for group, values in narrowed.items()
    }
    is_large = sum(whole.get(facets.EVERYTHING, {}).get("", {}).values()) > COUNTED_AGAIN
    for group in selection.labels:
        labels = {name: values for name, values in selection.labels.items() if name != group}
        others = None if is_large else tallies(db, selection._replace(labels=labels), group)
        if others is not None:
            counted[group] = {value: sum(years.values()) for value, years in others.get(group, {}).items()}
        elif is_large:
            counted[group] = dict.fromkeys(whole.get(group, {})) | counted.get(group, {})
    return counted


def _bottom_line(db: sqlite3.Connection, slug: str, viewer: int | None) -> BottomLine | None:
    values = {"slug": slug}
    (stored,) = db.execute("select bottom_line from questions where slug = :slug", values).fetchone()
    if not stored:
        return None
    line = json.loads(stored)
    articles = read_entries(db, line["pmids"], fold=False)
    newer_reviews, newer_trials = (
        count(db, Selection(slug, {"design": designs}, created_since=line["date"]))
        for designs in (REVIEWS, TRIALS)
    )
    return BottomLine(
        text=line["text"],
        author=line["author"],
        date=line["date"],
        pmids=line["pmids"],
        articles=articles,
        missing=sorted(set(line["pmids"]) - present(db, line["pmids"])),
        withdrawn=[
            article
            for article in articles
            if article["retracted"] or article["withdrawn"] or article["expression_of_concern"]
        ],
        newer_reviews=newer_reviews,
        newer_trials=newer_trials,
        direct_since=count(
            db, Selection(slug, {GROUP: ("direct",)}, created_since=line["date"], viewer=viewer)
        ),
    )


def never_summed() -> dict[str, tuple[str, ...]]:
    """Label groups whose values are never added up, with the values that come first: for every topic, and for ours."""
    of_any = {group.name: group.never_summed for group in groups().values() if group.never_summed is not None}
    return of_any | dict(topic.current().never_summed)


def _apart(whole: Tallies, group: str) -> list[tuple[str, int]]:
    """Each value of a group whose values are never added up, in its own order, with its number."""
    order = never_summed()[group]
    totals = {value: sum(years.values()) for value, years in whole[group].items()}
    known = [value for value in order if value in totals]
    others = sorted(totals.keys() - set(known), key=lambda value: (-totals[value], value))
    return [(value, totals[value]) for value in (*known, *others)]


@dataclass(frozen=True, slots=True)
class Within:
    """A question, and how many of the records that a search found are in it: None if they were not counted."""

    slug: str
    title: str
    count: Count | None


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found.

    ``named`` are the papers' identifiers if the text consists of nothing else, ``elsewhere`` identifiers of papers
    that are not stored, ``borrowed`` syntax that only PubMed's search understands.
    """

    named: Sequence[Named]
    elsewhere: Sequence[Named]
    borrowed: Sequence[str]
    listed: ListPage


@dataclass(frozen=True, slots=True)
class Found:
    """``hits`` is None if nothing was searched for."""

    questions: Sequence[Within]
    starter: bool
    hits: Hits | None


def found(db: sqlite3.Connection, selection: Selection, after: Key = TOP) -> Found:
    """A page of what a search over everything finds, and how many of the hits are in each question."""
    if not selection.text:
        return Found(_within(db, None), has_starter(db), None)
    reader = Reader(db, selection)
    given = reader.named or identifiers.identifiers(selection.text)
    hits = Hits(
        named=reader.named,
        elsewhere=[identifier for identifier in given if not identifier.pmids],
        borrowed=[] if given else search.borrowed(selection.text),
        listed=_list_page(db, reader, after),
    )
    return Found(_within(db, reader), has_starter(db), hits)


def _within(db: sqlite3.Connection, reader: Reader | None) -> list[Within]:
    titles = news.titles(db)
    counts = reader.counts_within(titles) if reader else None
    return [Within(slug, title, counts[slug] if counts else None) for slug, title in titles.items()]


def has_starter(db: sqlite3.Connection) -> bool:
    """Whether starter citations are still shown for some question."""
    (exists,) = db.execute("select exists (select 1 from record_state where source = 'starter')").fetchone()
    return bool(exists)


def _numbers(db: sqlite3.Connection, slug: str) -> Numbers:
    recent = (datetime.now(UTC) - timedelta(days=RECENT_DAYS)).strftime("%Y-%m-%d")
    return cached(db, ("numbers", slug, recent), lambda: _numbers_since(db, slug, recent))


def _numbers_since(db: sqlite3.Connection, slug: str, recent: str) -> Numbers:
    (new,) = db.execute(
        """
        select count(*) from (
          select 1 from question_articles
          where question = :slug and created >= :recent and matching and reason <> :starter limit :limit)
        """,
        {"slug": slug, "recent": recent, "starter": STARTER, "limit": NARROW + 1},
    ).fetchone()
    return Numbers(
        count(db, Selection(slug)).n,
        has_starter_of(db, slug),
        Count(min(new, NARROW), new <= NARROW),
        recent,
    )
