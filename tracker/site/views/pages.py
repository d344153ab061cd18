"""The reader pages: each reads through the ``_site`` connection and renders one template."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from tracker import clock, topic
from tracker.article import MAX_PMID, ArticleKey, is_pmid, named, parse_key, spelt
from tracker.enrich import added, trials
from tracker.evidence import external
from tracker.evidence.cache import Cache, states
from tracker.evidence.facets import FACTS
from tracker.evidence.identifiers import PUBMED
from tracker.evidence.rows import Row
from tracker.evidence.wrongclock import is_ahead
from tracker.export.formats import FORMATS
from tracker.export.reference import Reference, references
from tracker.lists import citations, finding, news, pages, selection
from tracker.lists import methods as of_methods
from tracker.lists.article import read_article
from tracker.lists.cited import Cited
from tracker.lists.leading import Leading
from tracker.lists.news import Since, Warned
from tracker.lists.selection import TOP, Key, Selection, Sort
from tracker.questions import groups_of
from tracker.reading import labels as registry
from tracker.reading.labels import Group, groups
from tracker.reading.rules import all_rules
from tracker.report.prisma_s import PrismaS
from tracker.report.reports import REPORTS, read_prisma_s
from tracker.report.told import Told, told_if_readable
from tracker.site import words
from tracker.site.parts import charts, filters, panels
from tracker.site.parts.choices import ChoiceGroup, choice_groups
from tracker.site.parts.marks import Marked
from tracker.site.parts.page import Page, render
from tracker.site.parts.panels import Forms, SaidOfArticle
from tracker.site.parts.readings import (
    NOTHING_READ,
    Answer,
    Readings,
    answers_to,
    in_order,
    marked_in,
    readings,
)
from tracker.site.parts.scholarly import scholarly_article
from tracker.site.server import access, address
from tracker.site.server.compat import NotFound, Request, Response
from tracker.site.server.reader import read
from tracker.site.server.security import HIDDEN
from tracker.team import by_article, hidden_labels
from tracker.team.placements import Bearing
from tracker.team.press import PressReview, reviews_of
from tracker.team.review import reviews

if TYPE_CHECKING:
    from datasette.app import Datasette

LABELS_HIDDEN = "Labels are hidden, so the list is not filtered by what the machine read."
# Cookies: when this visit began, and when the previous one did.
LOOKS = ("seen", "looked")
SAME_LOOK = timedelta(hours=4)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")


class Section(NamedTuple):
    """Questions that the home page shows together: as cards with their newest papers, or as rows with their numbers.

    Those of no group have no title.
    """

    title: str | None
    cards: Sequence[pages.Card]
    as_rows: bool


@dataclass(frozen=True, slots=True)
class HomePage(Page):
    template = "tracker_home.html"
    sections: Sequence[Section]
    sparklines: Mapping[str, Markup]
    standing: Sequence[Warned]
    starter: bool


async def home(request: Request, datasette: Datasette) -> Response:
    shown: pages.Home = await read(datasette, pages.home)
    sparklines = {
        card.question.slug: charts.sparkline(card.by_year, min(card.by_year), max(card.by_year))
        for card in shown.cards
        if card.by_year
    }
    page = HomePage(list(_sections(shown.cards)), sparklines, shown.standing, shown.starter)
    return await render(datasette, request, page)


def _sections(cards: Sequence[pages.Card]) -> Iterator[Section]:
    """The questions by the groups of the topic, in its order, then those of none."""
    groups, named = topic.current().site.groups, groups_of(topic.folder().parent)
    for group in groups:
        if mine := [card for card in cards if named.get(card.question.slug) == group.name]:
            yield Section(group.title, mine, as_rows=not group.cards)
    known = {group.name for group in groups}
    if rest := [card for card in cards if named.get(card.question.slug) not in known]:
        yield Section(None, rest, as_rows=False)


class ListLinks(NamedTuple):
    """What is shown with a list's articles: active filters, and the addresses of its next page, other orders and
    exports."""

    chips: Sequence[filters.Chip]
    query: str
    article_query: str
    next_query: str | None
    sorts: Mapping[Sort, tuple[str, str]]
    formats: Sequence[tuple[str, str]]


class Chart(NamedTuple):
    picture: Markup = Markup()
    table: Markup = Markup()


@dataclass(frozen=True, slots=True)
class QuestionPage(Page):
    """``labels_hidden`` from somebody who screens: then nothing that the machine read is shown, or filtered by.
    ``asked`` is the address of the list, whether they are hidden or not."""

    template = "tracker_question.html"
    question: pages.Question
    screened: pages.Screened
    bottom_line: pages.BottomLine | None
    preprints: int
    labelled: pages.Labelled
    leading: Leading | None
    cited: Cited | None
    trials: Mapping[trials.State, int]
    since: Since | None
    looked: str | None
    listed: pages.ListPage
    said: Mapping[int, Mapping[str, Any]]
    forms: Forms
    labels_hidden: bool
    titles: Mapping[str, str]
    chosen: Selection
    asked: str
    path: str
    first_page: bool
    whole: bool
    links: ListLinks
    feed: str
    groups: Sequence[ChoiceGroup]
    tags: Sequence[str]
    decisions: Mapping[str, str]
    ignored: Sequence[str]
    chart: Chart
    starter: bool


async def question(request: Request, datasette: Datasette) -> Response:
    slug = request.url_vars["slug"]
    path = datasette.urls.path(f"/questions/{slug}")
    screens = await access.may(datasette, request, "tracker-decide")
    page: QuestionPage | None = await read(
        datasette, lambda db: _question_page(db, request, slug, path, screens=screens)
    )
    if page is None:
        raise NotFound(f"Unknown question {slug!r}.")
    return await render(datasette, request, page)


def _question_page(
    db: sqlite3.Connection, request: Request, slug: str, path: str, *, screens: bool
) -> QuestionPage | None:
    choices = citations.label_choices(db, slug, access.viewer(request))
    asked, after = filters.selection(request, slug, choices), filters.after(request)
    looked, viewer = _looked(request, slug), access.viewer(request)
    hidden = screens and _are_labels_hidden(db, slug, viewer)
    chosen = filters.without_labels(asked) if hidden else asked
    shown = pages.question(db, chosen, after, looked, viewer)
    if shown is None:
        return None
    pmids = [entry["pmid"] for entry in shown.listed.articles]
    return QuestionPage(
        question=shown.question,
        screened=shown.screened,
        bottom_line=None if hidden else shown.bottom_line,
        preprints=shown.preprints,
        labelled=shown.labelled,
        leading=None if hidden else shown.leading,
        cited=None if hidden else shown.cited,
        trials=trials.counted(db, slug, clock.today()),
        since=shown.since,
        looked=looked,
        listed=shown.listed,
        said=by_article.of_articles(db, pmids, slug, viewer),
        forms=panels.forms(db, viewer, slug, pmids),
        labels_hidden=hidden,
        titles=news.titles(db),
        chosen=chosen,
        asked=path + filters.query(asked._replace(sort="published") if asked.sort == "pmid" else asked),
        path=path,
        first_page=after == TOP,
        whole=chosen.is_whole,
        links=_list_links(chosen, path, shown.listed.next),
        feed=path + ".atom" + filters.query(chosen._replace(sort="entered"), newest="50"),
        groups=[
            group
            for group in choice_groups(shown.labelled.groups, shown.labelled.choices, chosen)
            if group.name in FACTS or not hidden
        ],
        tags=shown.tags,
        decisions=filters.decisions(chosen, viewer),
        ignored=filters.ignored(request, choices)
        + ([LABELS_HIDDEN] if hidden and chosen.labels != asked.labels else []),
        chart=Chart() if hidden else _chart(shown.labelled.designs),
        starter=shown.question.numbers.starter,
    )


def _are_labels_hidden(db: sqlite3.Connection, slug: str, viewer: int | None) -> bool:
    review = reviews(db).get(slug)
    return review is not None and hidden_labels.labels(db, review, viewer) == "hidden"


@dataclass(frozen=True, slots=True)
class SearchPage(Page):
    """``hits`` and ``links`` are None if nothing was searched for, ``instead`` unless nothing was found."""

    template = "tracker_search.html"
    chosen: Selection
    path: str
    ignored: Sequence[str]
    questions: Sequence[pages.Within]
    hits: pages.Hits | None
    asked: Sequence[finding.Asked]
    instead: finding.Unfound | None
    links: ListLinks | None
    at_pubmed: str
    said: Mapping[int, Mapping[str, Any]]
    forms: Forms
    titles: Mapping[str, str]
    starter: bool


async def search(request: Request, datasette: Datasette) -> Response:
    path, viewer = datasette.urls.path("/search"), access.viewer(request)

    def query(db: sqlite3.Connection) -> SearchPage:
        choices = citations.label_choices(db)
        chosen = filters.selection(request, None, choices)
        shown = pages.found(db, chosen, filters.after(request))
        pmids = [entry["pmid"] for entry in shown.hits.listed.articles] if shown.hits else []
        return SearchPage(
            chosen=chosen,
            path=path,
            ignored=filters.ignored(request, choices),
            questions=shown.questions,
            hits=shown.hits,
            asked=finding.asked(db, chosen.text, viewer),
            instead=finding.unfound(db, chosen) if shown.hits and not shown.hits.listed.count.n else None,
            links=_list_links(chosen, path, shown.hits.listed.next) if shown.hits else None,
            at_pubmed=f"{PUBMED}?term={quote(chosen.text, safe='')}",
            said=by_article.of_articles(db, pmids, None, viewer),
            forms=panels.forms(db, viewer, None, pmids),
            titles=news.titles(db),
            starter=shown.starter,
        )

    return await render(datasette, request, await read(datasette, query))


class Beside(NamedTuple):
    """The list that the reader came from, with the articles before and after this one."""

    title: str
    path: str
    article_query: str
    before: int | None
    behind: int | None


@dataclass(frozen=True, slots=True)
class ArticlePage(Page):
    """``labels_hidden_for`` are questions that the reader, who hides what the machine read, has yet to decide for: then
    nothing of it is here."""

    template = "tracker_article.html"
    article: Row
    entry: Row
    is_preprint: bool
    is_review: bool
    fallen: Sequence[Row]
    full_texts: Sequence[added.Link]
    metrics: added.Metrics | None
    others: Sequence[added.Preprint]
    registered: Mapping[str, trials.Trial]
    stored_here: set[ArticleKey]
    bearings: Mapping[str, Bearing]
    answers: Mapping[str, Answer]
    labels_hidden_for: Sequence[str]
    readings: Readings
    marked: Marked
    described: Mapping[str, Any]
    references: Sequence[Reference]
    people: SaidOfArticle
    forms: Forms
    titles: Mapping[str, str]
    beside: Beside | None
    starter: bool


async def article(request: Request, datasette: Datasette) -> Response:
    pmid = key_in(request)
    if moved := await _moved_to(datasette, pmid):
        query_string = f"?{request.query_string}" if request.query_string else ""
        return Response.redirect(datasette.urls.path(f"/articles/{spelt(moved)}{query_string}"), status=301)
    canonical = address.absolute(datasette, request, datasette.urls.path(request.path))
    screens = await access.may(datasette, request, "tracker-decide")

    def query(db: sqlite3.Connection) -> ArticlePage | None:
        shown = read_article(db, pmid)
        if shown is None:
            return None
        (cited,) = citations.of_articles(db, [pmid])
        people, titles = panels.said_of(db, request, pmid), news.titles(db)
        holding = [review for slug, review in reviews(db).items() if slug in people.places]
        hidden = hidden_labels.hidden_for(db, holding, pmid, access.viewer(request)) if screens else []
        bearings = {} if hidden else in_order(people.bearings, people.came)
        answers = answers_to(bearings, shown.outcomes, titles)
        read = NOTHING_READ if hidden else readings(shown.record["labels"], people.labels.reviews)
        return ArticlePage(
            article=shown.record,
            entry=shown.entry,
            is_preprint=shown.is_preprint,
            is_review=shown.is_review,
            fallen=shown.fallen,
            full_texts=shown.links,
            metrics=shown.metrics,
            others=shown.others,
            registered={
                trial.nct: trial for trial in trials.trials_named_by(db, [pmid], clock.today()).get(pmid, ())
            },
            stored_here=shown.stored_here,
            bearings=bearings,
            answers=answers,
            labels_hidden_for=hidden,
            readings=read,
            marked=marked_in(shown.record, read, answers),
            described=scholarly_article(shown.record, canonical),
            references=references(cited),
            people=people,
            forms=panels.forms_of_article(db, access.viewer(request), pmid),
            titles=titles,
            beside=_beside(request, db, pmid),
            starter=shown.starter,
        )

    page: ArticlePage | None = await read(datasette, query)
    if page is None:
        raise NotFound(f"{named(pmid)} is not stored here.")
    return await render(datasette, request, page)


def key_in(request: Request) -> ArticleKey:
    """The article's key in the address. Raises NotFound for a number that no PMID has."""
    given = request.url_vars["pmid"]
    try:
        return parse_key(given)
    except ValueError:
        raise NotFound(f"{given} is not stored here. PMIDs go up to {MAX_PMID}.") from None


async def _moved_to(datasette: Datasette, pmid: ArticleKey) -> ArticleKey | None:
    """The article that shows an external record, where that is another: it was found to be the same."""
    if is_pmid(pmid):
        return None
    shown: ArticleKey | None = await read(datasette, lambda db: external.shown_as(db, pmid))
    return shown if shown != pmid else None


@dataclass(frozen=True, slots=True)
class MethodsPage(Page):
    template = "tracker_methods.html"
    methods: Sequence[of_methods.Method]
    seed_words: Mapping[of_methods.SeedState, str]
    readings: Sequence[Group | registry.Answer]
    runs: Sequence[Row]
    starter: bool
    press: Mapping[str, Sequence[PressReview]]
    searches: Mapping[str, PrismaS]
    report_formats: Sequence[tuple[str, str]]


async def methods(request: Request, datasette: Datasette) -> Response:
    shown, press, searches = await read(datasette, _methods)
    # What the topic has no rules for is never read.
    read_here = [group for name, group in groups().items() if name in all_rules()]
    readings: tuple[Group | registry.Answer, ...] = (*read_here, *registry.answers())
    return await render(
        datasette,
        request,
        MethodsPage(
            shown.methods,
            words.SEED_WORDS,
            readings,
            shown.runs,
            shown.starter,
            press,
            searches,
            [(format.title, format.extension) for format in REPORTS["prisma-s"].formats.values()],
        ),
    )


# The methods, the peer reviews of each version shown by its hash, and the reports of the searches by question.
_Methods = tuple[of_methods.Methods, dict[str, list[PressReview]], dict[str, PrismaS]]
_METHODS: Cache[_Methods] = Cache(4)


def _methods(db: sqlite3.Connection) -> _Methods:
    """Kept until a database or a question's file changes: each night adds a search of every question to read."""
    slugs = [slug for (slug,) in db.execute("select slug from questions")]
    files = {slug: told_if_readable(slug) for slug in slugs}
    return _METHODS.get((states(db), repr(files)), lambda: _read_methods(db, files))


def _read_methods(db: sqlite3.Connection, files: Mapping[str, Told]) -> _Methods:
    shown = of_methods.methods(db)
    questions = [method.question for method in shown.methods]
    return (
        shown,
        {each["hash"]: reviews_of(db, each["slug"], each["hash"]) for each in questions if each["hash"]},
        {slug: read_prisma_s(db, slug, told) for slug, told in files.items()},
    )


async def databases(request: Request, datasette: Datasette) -> Response:
    """Datasette's list of databases, without hidden ones and without paths on this machine."""
    listed = [
        {"name": name, "is_mutable": database.is_mutable, "is_memory": database.is_memory}
        for name, database in datasette.databases.items()
        if name not in HIDDEN and name != "_internal"
    ]
    return Response.json(listed)


def _list_links(chosen: Selection, path: str, following: Key | None) -> ListLinks:
    return ListLinks(
        chips=filters.chips(chosen, path),
        query=filters.query(chosen),
        article_query=filters.query(chosen, **{"in": chosen.question or "search"}),
        next_query=filters.query(chosen, after=f"{following[0]},{spelt(following[1])}")
        if following
        else None,
        sorts={
            sort: (title, path + filters.query(chosen._replace(sort=sort)))
            for sort, title in filters.SORTS.items()
        },
        formats=[
            (format.title, f"{path}.{format.extension}{filters.query(chosen)}") for format in FORMATS.values()
        ],
    )


def _chart(designs: Mapping[str, Mapping[str, int]]) -> Chart:
    """Designs by year, as a chart and as a table."""
    return _drawn(tuple((design, tuple(by_year.items())) for design, by_year in designs.items()))


@lru_cache(maxsize=64)
def _drawn(designs: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]) -> Chart:
    """The chart, cached: a thousand bars take some milliseconds, and most readers see the same ones."""
    counts = {design: pages.by_year(dict(by_year)) for design, by_year in designs}
    years = {year for by_year in counts.values() for year in by_year}
    if not years:
        return Chart()
    undated = {design: dict(by_year)[""] for design, by_year in designs if "" in dict(by_year)}
    total = {design: sum(n for _, n in by_year) for design, by_year in designs}
    ordered = {design: counts[design] for design in sorted(counts, key=lambda design: -total[design])}
    options: dict[str, Any] = {"id": "by-design", "name": "Records by study design and year"}
    return Chart(
        charts.year_by_label(ordered, min(years), max(years), undated, **options),
        charts.year_table(ordered, min(years), max(years), undated, **options),
    )


def _beside(request: Request, db: sqlite3.Connection, pmid: ArticleKey) -> Beside | None:
    place = request.args.get("in")
    if not place:
        return None
    slug = None if place == "search" else place
    chosen = filters.selection(request, slug, citations.label_choices(db, slug, access.viewer(request)))
    title = "the search" if slug is None else news.titles(db).get(slug)
    if title is None:
        return None
    before, behind = selection.neighbours(db, chosen, pmid)
    return Beside(
        title,
        ("/search" if slug is None else f"/questions/{slug}") + filters.query(chosen),
        filters.query(chosen, **{"in": place}),
        before,
        behind,
    )


def _looked(request: Request, slug: str) -> str | None:
    """When the reader last looked: ``?since=``, or what the page's script stored in cookies.

    The script stores when this visit began; within a few hours it is still the same visit.
    """
    asked = _moment(request.args.get("since"))
    looks = (_moment(request.cookies.get(f"{name}-{slug}")) for name in LOOKS)
    # The reader's clock may once have been ahead.
    seen, before = (None if is_ahead(look) else look for look in looks)
    same_look = (datetime.now(UTC) - SAME_LOOK).strftime("%Y-%m-%dT%H:%M:%SZ")
    return asked or (seen if seen and seen < same_look else before)


def _moment(text: str | None) -> str | None:
    """The text if it is a UTC time or a day."""
    with suppress(ValueError):
        if text and _MOMENT.fullmatch(text) and datetime.fromisoformat(text):
            return text
    return None
