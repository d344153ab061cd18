"""What is news is told once, on its day, with its reason; and reading it costs no more in a large database."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest
from lxml import etree, html

from tests.conftest import FIXTURES, QUESTIONS, Desk, expected
from tests.eutils_server import StandIn
from tests.helpers_load import document, open_evidence, record
from tests.helpers_site import CONCERN, HOSTILE, RETRACTED, Site
from tracker.clock import now
from tracker.lists import news, selection
from tracker.lists.news import NEWS, Field
from tracker.lists.selection import Count
from tracker.reading.notices import words as notice_words
from tracker.site.views.news import said
from tracker.site.words import NOTICES

CORRECTED, CHANGED, RETITLED, DELETED, INDEXED = 90000101, 90000305, 90000204, 90000106, 90000513
DAY_1, DAY_2 = "2026-06-01", "2026-06-02"
AT_1, AT_2 = f"{DAY_1}T03:00:00Z", f"{DAY_2}T03:00:00Z"
# On a third day, of which the library knows nothing.
LATER = "2026-06-03T03:00:00Z"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A refresh on each of two days, which are always the same; the tests only read it."""
    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Desk(tmp_path_factory.mktemp("news"), pubmed.url)
        assert desk.run("refresh").code == 0
        desk.change("update question_articles set entered = ?", AT_1)
        desk.change("update questions set complete_to = ?", AT_1)
        pubmed.next_day()
        assert desk.run("refresh").code == 0
    desk.change("update question_articles set entered = ? where entered <> ?", AT_2, AT_1)
    desk.change("update question_articles set left_at = ? where left_at is not null", AT_2)
    desk.change("update changes set noticed = ?", AT_2)
    desk.annotate()
    return desk


@pytest.fixture(scope="module")
def db(library: Desk) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(library.db)) as found:
        yield found


@pytest.fixture(scope="module")
def site(library: Desk) -> Site:
    return Site(library)


@pytest.fixture
def copy(library: Desk, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """The library's database for one test to change."""
    with (
        closing(sqlite3.connect(library.db)) as whole,
        closing(sqlite3.connect(tmp_path / "evidence.db")) as mine,
    ):
        whole.backup(mine)
        mine.isolation_level = None
        yield mine


def site_over(copy: sqlite3.Connection, library: Desk, home: Path) -> Site:
    """The site over the changed copy."""
    (home / "db").mkdir(parents=True)
    with closing(sqlite3.connect(home / "db" / "evidence.db")) as db:
        copy.backup(db)
    return Site(Desk(home, library.url))


def day(db: sqlite3.Connection, which: str, **asked: Any) -> news.Day:
    """The news of one day, which must have some."""
    return {each.day: each for each in news.days(db, **asked).days}[which]


def pmids(things: Any) -> list[int]:
    return [getattr(thing, "paper", thing).pmid for thing in things]


def text(element: Any) -> str:
    return " ".join(element.text_content().split())


def section(page: str, which: str) -> Any:
    (found,) = html.fromstring(page).xpath(f'//section[@aria-labelledby="d{which}"]')
    return found


# -- what a day tells ------------------------------------------------------------------------------


def test_what_entered_is_told_by_question_and_reason_newest_first(db: sqlite3.Connection) -> None:
    entered = {entry.question: entry for entry in day(db, DAY_2).entered}
    assert list(entered) == list(QUESTIONS)
    for slug, entry in entered.items():
        assert set(pmids(entry.newest)) == expected(slug, 2) - expected(slug, 1)
    assert entered["cystitis"].reasons == {"newly published": Count(2)}
    assert pmids(entered["cystitis"].newest) == [90000906, 90000901]
    assert entered["psychotherapy"].reasons == {"newly published": Count(1), "newly indexed": Count(1)}
    assert pmids(entered["psychotherapy"].newest) == [90000904, INDEXED]


def test_a_first_search_is_a_number_and_no_flood(db: sqlite3.Connection, site: Site) -> None:
    first = day(db, DAY_1)
    assert first.entered == []
    assert {entry.question: entry.reasons for entry in first.added} == {
        slug: {"first search": Count(len(expected(slug)))} for slug in QUESTIONS
    }
    assert first.shown == 0
    told = section(site.page("/changes"), DAY_1)
    assert not told.xpath('.//a[starts-with(@href, "/articles/")]')
    assert "21 records found by the first search" in text(told)


def test_a_retraction_a_concern_and_a_correction_are_told_the_next_day(db: sqlite3.Connection) -> None:
    told = day(db, DAY_2)
    assert {(notice.paper.pmid, notice.field) for notice in told.withdrawn} == {
        (RETRACTED, "retracted"),
        (CONCERN, "expression_of_concern"),
    }
    assert [(notice.paper.pmid, notice.field) for notice in told.corrected] == [(CORRECTED, "corrected")]
    assert (told.withdrawn_number, told.corrected_number) == (Count(2), Count(1))
    for notice in (*told.withdrawn, *told.corrected):
        assert (notice.before, notice.after, notice.noticed) == ("0", "1", AT_2)
    (retracted,) = [notice.paper for notice in told.withdrawn if notice.field == "retracted"]
    assert (retracted.retracted, retracted.expression_of_concern, retracted.questions) == (1, 0, ["cystitis"])


def test_what_left_is_told_with_its_question(db: sqlite3.Connection) -> None:
    left = {entry.question: (entry.number, pmids(entry.newest)) for entry in day(db, DAY_2).left}
    assert left == {"cognition": (Count(1), [DELETED]), "tolerance": (Count(1), [RETITLED])}


def test_another_change_is_one_entry_a_record_with_the_names_of_its_fields(db: sqlite3.Connection) -> None:
    told = day(db, DAY_2)
    assert len(told.changed) == len(set(pmids(told.changed))) == told.changed_number.n
    fields = {change.paper.pmid: [field.name for field in change.fields] for change in told.changed}
    assert fields[CHANGED] == ["abstract", "revised"]
    assert fields[RETITLED][:2] == ["title", "abstract"]


def test_what_a_notice_changes_by_itself_is_not_told_twice(
    db: sqlite3.Connection, copy: sqlite3.Connection
) -> None:
    assert RETRACTED not in pmids(day(db, DAY_2).changed)
    copy.execute(
        "insert into changes (pmid, field, before, after, noticed) values (?, 'abstract', 'x', 'y', ?)",
        (CORRECTED, AT_2),
    )
    (change,) = [change for change in day(copy, DAY_2).changed if change.paper.pmid == CORRECTED]
    assert change.fields == [Field("abstract", None)]


def test_changes_of_several_moments_of_a_day_are_one_entry_and_a_flag_that_turned_back_says_so(
    copy: sqlite3.Connection,
) -> None:
    for hour, field, before, after in (
        (4, "title", "a", "b"),
        (5, "title", "b", "c"),
        (5, "retracted", "1", "0"),
        (6, "record", "present", "gone"),
    ):
        copy.execute(
            "insert into changes (pmid, field, before, after, noticed) values (?, ?, ?, ?, ?)",
            (RETRACTED, field, before, after, f"{DAY_2}T0{hour}:00:00Z"),
        )
    (change,) = [change for change in day(copy, DAY_2).changed if change.paper.pmid == RETRACTED]
    assert change.noticed == f"{DAY_2}T06:00:00Z"
    assert change.fields == [Field("record", "gone"), Field("title", None), Field("retracted", "0")]
    assert said(change.fields) == "title; no longer in PubMed; no longer marked as retracted"


def test_starter_citations_and_records_of_no_question_are_never_news(copy: sqlite3.Connection) -> None:
    copy.execute("update question_articles set reason = 'starter citation' where question = 'cystitis'")
    copy.execute("delete from question_articles where question <> 'cystitis'")
    assert news.days(copy) == news.Days([], None)
    assert news.since(copy, "cystitis", DAY_1).is_empty
    assert news.feed(copy) == []


def test_a_database_without_news_has_none(tmp_path: Path) -> None:
    with closing(open_evidence(tmp_path)) as db:
        assert news.days(db) == news.Days([], None)
        assert news.standing(db) == news.feed(db) == []
        assert news.since(db, "nowhere", DAY_1).is_empty


# -- filters and pages -----------------------------------------------------------------------------

PARTS = {kind: "entered" if kind == "new" else kind for kind in NEWS}


@pytest.mark.parametrize("kind", NEWS)
def test_a_kind_shows_the_same_as_without_a_filter_and_nothing_else(
    db: sqlite3.Connection, kind: news.Kind
) -> None:
    whole = {each.day: each for each in news.days(db).days}
    found = news.days(db, kind=kind).days
    assert [each.day for each in found] == ([DAY_1] if kind == "added" else [DAY_2])
    for each in found:
        for name, part in PARTS.items():
            assert getattr(each, part) == (getattr(whole[each.day], part) if name == kind else [])


@pytest.mark.parametrize("slug", QUESTIONS)
def test_a_question_shows_only_its_own(db: sqlite3.Connection, slug: str) -> None:
    whole, mine = day(db, DAY_2), day(db, DAY_2, question=slug)
    for part in ("entered", "left"):
        assert getattr(mine, part) == [entry for entry in getattr(whole, part) if entry.question == slug]
    for part in ("changed", "withdrawn", "corrected"):
        entries = getattr(whole, part)
        assert getattr(mine, part) == [entry for entry in entries if slug in entry.paper.questions]


@pytest.fixture
def busy(copy: sqlite3.Connection) -> sqlite3.Connection:
    """News on many days, some days without any of a question or a kind."""
    copy.execute("update question_articles set entered = '2026-03-' || (10 + pmid % 17) || 'T03:00:00Z'")
    copy.execute(
        "update question_articles set left_at = '2026-04-0' || (1 + pmid % 3) || 'T03:00:00Z' where pmid % 3 = 0"
    )
    copy.execute("update question_articles set matching = left_at is null, reason = 'newly published'")
    copy.execute("update changes set noticed = '2026-03-' || (20 + pmid % 11) || 'T04:00:00Z'")
    return copy


_HAPPENED = {
    "new": "select entered, question from question_articles",
    "left": "select left_at, question from question_articles where left_at is not null",
    "withdrawn": f"select noticed, question from changes join question_articles using (pmid) "
    f"where field in ({news.STANDING}) and field <> 'corrected' and after = '1'",
    "corrected": "select noticed, question from changes join question_articles using (pmid) "
    "where field = 'corrected' and after = '1'",
    "added": "select null, null where 0",
    "changed": "select noticed, question from changes c join question_articles using (pmid) where not exists ("
    f"select 1 from changes o where o.pmid = c.pmid and o.field in ({news.STANDING}))",
}


@pytest.mark.parametrize("question", [None, *QUESTIONS])
@pytest.mark.parametrize("kind", [None, *NEWS])
def test_going_back_shows_every_day_once_and_none_that_is_empty(
    busy: sqlite3.Connection, question: str | None, kind: news.Kind | None
) -> None:
    happened = " union ".join(f"select * from ({_HAPPENED[each]})" for each in NEWS if kind in (None, each))
    days = busy.execute(
        f"select distinct substr(column1, 1, 10) from (select null as column1, null as column2 where 0 union all "
        f"{happened}) where ? is null or column2 = ? order by 1 desc",
        (question, question),
    )
    seen, before = [], None
    while True:
        found = news.days(busy, before, question, kind, size=3)
        assert len(found.days) <= 3
        seen += [each.day for each in found.days]
        if found.earlier is None:
            break
        before = found.earlier
    assert seen == [day for (day,) in days]


def test_a_page_that_is_full_goes_on_with_the_next_day(
    busy: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "FULL", 1)
    found = news.days(busy, kind="new")
    assert len(found.days) == 1
    assert news.days(busy, found.earlier, kind="new").days[0].day < found.days[0].day


def test_a_long_way_between_two_days_of_a_question_ends_in_a_page_that_goes_on(
    copy: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "LOOKED_AT_DAYS", 1)
    monkeypatch.setattr(news, "FEW", 0)
    first = news.days(copy, question="psychotherapy", kind="changed")
    assert first == news.Days([], None)
    copy.execute("insert into changes (pmid, field, noticed) values (?, 'title', ?)", (INDEXED, AT_1))
    first = news.days(copy, question="psychotherapy", kind="changed")
    assert first == news.Days([], DAY_2)
    assert pmids(news.days(copy, first.earlier, "psychotherapy", "changed").days[0].changed) == [INDEXED]


# -- however much there is -------------------------------------------------------------------------

MANY = selection.NARROW + 200


def enter_many(db: sqlite3.Connection, **columns: str) -> None:
    """Many articles that enter cystitis on the third day, and are stored under high PMIDs."""
    columns_of = db.execute("pragma table_info(articles)")
    needed = [name for _, name, _, not_null, _, _ in columns_of if not_null]
    values = [repr(name) if name in ("title", "title_html", "kind") else "0" for name in needed]
    db.execute(
        f"with recursive n (i) as (select 1 union all select i + 1 from n where i < {MANY}) "
        f"insert into articles (pmid, {', '.join(needed)}) select 95000000 + i, {', '.join(values)} from n"
    )
    row = {
        "question": "cystitis",
        "published": "2026",
        "reason": "newly published",
        "entered": LATER,
        **columns,
    }
    db.execute(
        f"insert into question_articles (pmid, matching, {', '.join(row)}) "
        f"select pmid, 1, {', '.join('?' * len(row))} from articles where pmid > 95000000",
        list(row.values()),
    )


def test_counts_are_capped_and_say_so(copy: sqlite3.Connection, library: Desk, tmp_path: Path) -> None:
    enter_many(copy)
    told = day(copy, LATER[:10])
    assert told.entered[0].reasons == {"newly published": Count(1000, exact=False)}
    assert len(told.entered[0].newest) == news.SHOWN
    assert told.entered[0].newest[0].pmid == 95000000 + MANY
    since = news.since(copy, "cystitis", AT_2)
    assert since.entered == {"newly published": Count(1000, exact=False)}
    assert len(since.newest) == news.SINCE
    assert len(news.feed(copy)) == 50
    page = text(section(site_over(copy, library, tmp_path / "site").page("/changes"), LATER[:10]))
    assert "1,000+ records newly published" in page


def test_an_edit_of_a_strategy_floods_neither_page_nor_feed(copy: sqlite3.Connection) -> None:
    enter_many(copy, reason="strategy changed")
    copy.execute(
        "insert into question_articles (pmid, question, published, entered, reason, matching) "
        "values (96000000, 'cystitis', '2026', ?, 'newly published', 1)",
        (LATER,),
    )
    copy.execute("update articles set pmid = 96000000 where pmid = 95000001")
    told = day(copy, LATER[:10])
    assert pmids(told.entered[0].newest) == [96000000]
    assert told.entered[0].reasons == {"newly published": Count(1, exact=False)}
    assert len(told.added[0].newest) == news.SHOWN
    assert [pmid for pmid in news.feed(copy) if pmid > 95000000] == [96000000]


def test_what_left_in_numbers_is_capped(copy: sqlite3.Connection) -> None:
    enter_many(copy)
    copy.execute("update question_articles set matching = 0, left_at = ? where pmid > 95000000", (LATER,))
    (left,) = day(copy, LATER[:10]).left
    assert left.number == Count(1000, exact=False)
    assert len(left.newest) == news.SHOWN
    assert news.since(copy, "cystitis", AT_2).left == Count(1000, exact=False)
    assert news.since(copy, "cystitis", AT_2).entered == {}


def test_where_others_change_in_numbers_a_questions_own_changes_are_still_found(
    copy: sqlite3.Connection, library: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter_many(copy)
    for field, after in (("mesh_headings", "[]"), ("corrected", "1")):
        copy.execute(
            f"insert into changes (pmid, field, after, noticed) select pmid, '{field}', '{after}', '{DAY_2}T05:00:00Z' "
            "from articles where pmid > 95000000"
        )
    mine, whole = day(copy, DAY_2, question="cognition"), day(copy, DAY_2)
    assert (pmids(mine.withdrawn), pmids(mine.corrected)) == ([CONCERN], [CORRECTED])
    assert mine.changed_number.exact and mine.withdrawn_number.exact
    assert not whole.changed_number.exact and not whole.corrected_number.exact
    assert len(whole.corrected) == news.SHOWN_WITHDRAWN and whole.changed_number.n >= 100
    assert news.since(copy, "cystitis", DAY_2).changed == Count(100, exact=False)
    # In a question too large to go through, the page owns up to it.
    monkeypatch.setattr(news, "FEW", 1)
    hidden = day(copy, DAY_2, question="cognition", kind="changed")
    assert (hidden.changed, hidden.changed_number) == ([], Count(0, exact=False))
    page = site_over(copy, library, tmp_path / "site").page("/changes?question=cognition&kind=changed")
    assert "this page does not list them" in text(section(page, DAY_2))


_MAY_BE_WALKED = (
    "SCAN questions",
    "SCAN given VIRTUAL TABLE",
    "SCAN moments",
    "SCAN newest",
    "SCAN (subquery",
    # A few hundred in a million, and no further than LOOKED.
    "SCAN articles USING INDEX articles_retracted",
)


@pytest.mark.parametrize("analysed", [False, True])
def test_no_query_walks_through_a_table_that_grows(copy: sqlite3.Connection, analysed: bool) -> None:
    enter_many(copy)
    for _ in range(3):
        copy.execute(
            "insert into changes (pmid, field, after, noticed) select pmid, 'corrected', '1', ? from articles",
            (LATER,),
        )
    if analysed:
        copy.execute("analyze")
    asked: list[str] = []
    copy.set_trace_callback(asked.append)
    for question, kind in product((None, "cognition", "cystitis"), (None, *NEWS)):
        news.days(copy, question=question, kind=kind)
        news.days(copy, LATER, question, kind)
        news.month(copy, question)
    for slug in QUESTIONS:
        news.since(copy, slug, DAY_1)
        news.feed(copy, slug)
    news.feed(copy)
    news.standing(copy, 50)
    copy.set_trace_callback(None)
    plans = {step[3]: query for query in asked for step in copy.execute(f"explain query plan {query}")}
    walked = {step: query for step, query in plans.items() if step.startswith("SCAN")}
    assert {step: query for step, query in walked.items() if not step.startswith(_MAY_BE_WALKED)} == {}
    for index in (
        "question_articles_entered",
        "question_articles_left",
        "changes_noticed",
        "changes_standing",
    ):
        assert any(index in step for step in plans), index
    assert any("SEARCH c USING INDEX changes_pmid" in step for step in plans)


# -- since, standing, feed -------------------------------------------------------------------------


def test_since_tells_what_happened_in_the_question_after_the_moment(db: sqlite3.Connection) -> None:
    since = news.since(db, "cystitis", AT_1)
    assert since.entered == {"newly published": Count(2)}
    assert pmids(since.newest) == [90000906, 90000901]
    assert [(warned.pmid, warned.noticed) for warned in since.standing] == [(RETRACTED, AT_2)]
    assert (since.standing_number, since.left) == (Count(1), Count(0))
    assert since.changed == day(db, DAY_2, question="cystitis").changed_number
    assert news.since(db, "tolerance", AT_1).left == Count(1)
    assert news.since(db, "cystitis", AT_2).is_empty


def test_since_may_be_a_day_which_is_included(db: sqlite3.Connection) -> None:
    assert news.since(db, "cystitis", DAY_2)._replace(moment=AT_1) == news.since(db, "cystitis", AT_1)
    whole = news.since(db, "cystitis", DAY_1)
    assert whole.entered == {"newly published": Count(2), "first search": Count(21)}
    assert pmids(whole.newest) == [90000906, 90000901]


def test_since_counts_nothing_that_has_left_again(db: sqlite3.Connection) -> None:
    assert news.since(db, "tolerance", DAY_1).entered["first search"] == Count(len(expected("tolerance")) - 1)


def test_standing_begins_with_what_was_lately_noticed_and_fills_up_with_what_came_so(
    db: sqlite3.Connection, copy: sqlite3.Connection
) -> None:
    found = news.standing(db, most=50)
    assert [(warned.pmid, warned.noticed) for warned in found[:3]] == [
        (RETRACTED, AT_2), (CONCERN, AT_2), (CORRECTED, AT_2),
    ]  # fmt: skip
    rest = [warned.pmid for warned in found[3:]]
    assert rest == sorted(rest, reverse=True)
    withdrawn = db.execute(
        "select pmid from articles where (retracted or expression_of_concern) and pmid in "
        "(select pmid from question_articles where matching)"
    )
    assert {pmid for (pmid,) in withdrawn} == {*rest, RETRACTED, CONCERN}
    assert all(warned.noticed is None for warned in found[3:])
    assert news.standing(db, most=4) == found[:4]
    # What is no longer so is no warning.
    copy.execute("update articles set corrected = 0 where pmid = ?", (CORRECTED,))
    copy.execute("update question_articles set matching = 0 where pmid = ?", (CONCERN,))
    assert not {CORRECTED, CONCERN} & {warned.pmid for warned in news.standing(copy, most=50)}


def test_the_feed_has_what_entered_or_changed_and_no_first_search(db: sqlite3.Connection) -> None:
    entered = set[int]().union(*(expected(slug, 2) - expected(slug, 1) for slug in QUESTIONS))
    changed = {pmid for (pmid,) in db.execute("select pmid from changes join question_articles using (pmid)")}
    feed = news.feed(db)
    assert Counter(feed) == Counter(entered | changed)
    assert set(news.feed(db, "cystitis")) == {90000906, 90000901, RETRACTED, CHANGED, 40583492}
    assert news.feed(db, size=3) == feed[:3]
    assert news.feed(db, "nowhere") == []


def test_the_feed_begins_with_the_newest_news(copy: sqlite3.Connection) -> None:
    copy.execute("insert into changes (pmid, field, noticed) values (?, 'title', ?)", (32212278, LATER))
    assert news.feed(copy)[0] == 32212278


# -- this month ------------------------------------------------------------------------------------


@pytest.fixture
def this_month(copy: sqlite3.Connection) -> sqlite3.Connection:
    """Both days of the library in this month: a first search, and the day after it."""
    for at, hour in ((AT_1, 1), (AT_2, 2)):
        moment = f"{now()[:7]}-01T00:00:0{hour}Z"
        copy.execute("update question_articles set entered = ? where entered = ?", (moment, at))
        copy.execute("update changes set noticed = ? where noticed = ?", (moment, at))
    return copy


def summary(site: Site, path: str = "/changes") -> Any:
    (found,) = html.fromstring(site.page(path)).xpath('//p[starts-with(normalize-space(), "This month:")]')
    return found


def new_ones(slugs: Iterable[str]) -> set[int]:
    return set[int]().union(*(expected(slug, 2) - expected(slug, 1) for slug in slugs))


def test_the_page_opens_with_what_this_month_brought(
    this_month: sqlite3.Connection, library: Desk, tmp_path: Path
) -> None:
    site = site_over(this_month, library, tmp_path / "site")
    new = len(new_ones(QUESTIONS))
    told = summary(site)
    assert text(told) == f"This month: {new} new, 1 withdrawn, 1 under concern, 1 corrected."
    # Each number leads to the papers that it counts.
    papers = {}
    for link in told.xpath("./a"):
        page = html.fromstring(site.page(link.get("href")))
        papers[link.text] = set(page.xpath('//section//p[@class="title"]/a/@href'))
    withdrawn = {f"/articles/{RETRACTED}", f"/articles/{CONCERN}"}
    assert papers == {
        f"{new} new": {f"/articles/{pmid}" for pmid in new_ones(QUESTIONS)},
        "1 withdrawn": withdrawn,
        "1 under concern": withdrawn,
        "1 corrected": {f"/articles/{CORRECTED}"},
    }
    feed = etree.fromstring(site.get("/changes.atom").content)
    (subtitle,) = feed.xpath("//*[local-name()='subtitle']/text()")
    assert subtitle == text(told)


def test_the_month_of_a_question_is_its_own(
    this_month: sqlite3.Connection, library: Desk, tmp_path: Path
) -> None:
    site = site_over(this_month, library, tmp_path / "site")
    told = summary(site, "/changes?question=cystitis&kind=left")
    assert text(told) == f"This month: {len(new_ones(['cystitis']))} new, 1 withdrawn, 0 corrected."
    assert [link.get("href") for link in told.xpath("./a")] == [
        f"/changes?question=cystitis&kind={kind}" for kind in ("new", "withdrawn", "corrected")
    ]


def test_nothing_of_an_earlier_month_is_counted(
    copy: sqlite3.Connection, library: Desk, tmp_path: Path
) -> None:
    copy.execute("update question_articles set entered = '2025-01-31T23:59:59Z'")
    copy.execute("update changes set noticed = '2025-01-31T23:59:59Z'")
    site = site_over(copy, library, tmp_path / "site")
    assert text(summary(site)) == "This month: 0 new, 0 withdrawn, 0 corrected."
    assert "This month" not in site.page("/changes?before=2025-02-01")


def test_a_notice_that_was_taken_back_within_the_month_is_not_counted(this_month: sqlite3.Connection) -> None:
    assert news.month(this_month).withdrawn == Count(1)
    this_month.execute(
        "insert into changes (pmid, field, before, after, noticed) values (?, 'retracted', '1', '0', ?)",
        (RETRACTED, f"{now()[:7]}-01T00:00:03Z"),
    )
    assert news.month(this_month).withdrawn == Count(0)


@pytest.mark.parametrize("reason", ["first search", "loaded from a file"])
def test_however_many_a_search_or_a_file_brought_what_is_new_is_counted_to_the_last(
    this_month: sqlite3.Connection, reason: str
) -> None:
    before = news.month(this_month).new
    enter_many(this_month, reason=reason, entered=f"{now()[:7]}-01T00:00:09Z")
    assert news.month(this_month).new == before == Count(len(new_ones(QUESTIONS)))


def test_a_month_with_more_new_papers_than_are_counted_says_so(this_month: sqlite3.Connection) -> None:
    enter_many(this_month, entered=f"{now()[:7]}-01T00:00:09Z")
    assert news.month(this_month).new == Count(selection.NARROW, exact=False)


# -- the page --------------------------------------------------------------------------------------


def test_every_notice_shows_its_date_where_it_was_published_and_what_it_means(
    site: Site, library: Desk
) -> None:
    told = section(site.page("/changes"), DAY_2)
    for pmid, field in (
        (RETRACTED, "retracted"),
        (CONCERN, "expression_of_concern"),
        (CORRECTED, "corrected"),
    ):
        (notice,) = told.xpath(f'.//li[p[@class="title"]/a[@href="/articles/{pmid}"]][.//time]')
        assert f"{NOTICES[field].told} {NOTICES[field].means}" in text(notice)
        assert notice.xpath(".//time/@datetime") == [AT_2]
        assert "Noticed 2 June 2026." in text(notice)
        links = library.sql(
            f"select type, citation from notices where pmid = {pmid} and type in "
            "('RetractionIn', 'ExpressionOfConcernIn', 'ErratumIn') and citation is not null"
        )
        assert links
        for type, citation in links:
            assert f"{notice_words(type)} {citation.strip().rstrip('.')}" in text(notice)


def test_the_page_tells_each_kind_in_plain_words_with_links(site: Site) -> None:
    told = section(site.page("/changes"), DAY_2)
    words = text(told)
    for phrase in (
        "2 June 2026",
        "This paper has been retracted.",
        "An expression of concern about this paper was published.",
        "A correction of this paper was published.",
        "2 records newly published",
        "1 record newly indexed: in PubMed before, but found only now",
        "1 record no longer found",
        "Changed: title, abstract.",
    ):
        assert phrase in words
    (notice,) = told.xpath(f'.//li[.//a[@href="/articles/{RETRACTED}"]]')
    assert [mark.text for mark in notice.xpath('.//strong[@class="mark bad"]')] == ["Retracted"]
    assert notice.xpath('.//a[@href="/questions/cystitis"]')


def test_every_day_has_an_anchor_and_headings_in_order(site: Site) -> None:
    tree = html.fromstring(site.page("/changes"))
    assert tree.xpath("//h2/@id") == [f"d{DAY_2}", f"d{DAY_1}"]
    assert tree.xpath("//h2/a/@href") == [f"#d{DAY_2}", f"#d{DAY_1}"]
    levels = [int(heading.tag[1]) for heading in tree.xpath("//h1 | //h2 | //h3 | //h4")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert not tree.xpath("//ul[not(li)] | //ol[not(li)] | //nav[not(a)]")


def test_the_filters_are_a_form_that_keeps_what_was_chosen(site: Site) -> None:
    tree = html.fromstring(site.page("/changes?question=cystitis&kind=withdrawn"))
    (form,) = tree.xpath('//form[@action="/changes"]')
    assert form.method == "GET"
    assert dict(form.fields) == {"question": "cystitis", "kind": "withdrawn"}
    assert set(form.inputs["question"].value_options) == {"", *QUESTIONS}
    assert set(form.inputs["kind"].value_options) == {"", *NEWS}
    assert {f"/articles/{RETRACTED}"} == set(tree.xpath('//section//a[@class="record"]/@href'))
    (feed,) = tree.xpath('//link[@type="application/atom+xml"]/@href')
    assert feed == "/changes.atom?question=cystitis"


def test_earlier_keeps_the_filters(busy: sqlite3.Connection, library: Desk, tmp_path: Path) -> None:
    site, path, seen = site_over(busy, library, tmp_path / "site"), "/changes?question=cystitis&kind=new", []
    while path:
        tree = html.fromstring(site.page(path))
        seen += tree.xpath("//h2/@id")
        path = "".join(tree.xpath('//a[@rel="next"]/@href'))
        assert not path or re.fullmatch(r"/changes\?question=cystitis&kind=new&before=2026-03-\d\d", path)
    days = busy.execute(
        "select distinct substr(entered, 1, 10) from question_articles where question = 'cystitis'"
    )
    assert len(seen) == len(set(seen)) > 7
    assert set(seen) == {f"d{day}" for (day,) in days}


@pytest.mark.parametrize(
    "query",
    ["before=x", "before=2026-13-01", "kind=nonsense", "kind=&question=", "before='; drop table changes"],
)
def test_what_is_no_day_or_kind_is_taken_for_none(site: Site, query: str) -> None:
    assert html.fromstring(site.page(f"/changes?{query}")).xpath("//h2/@id") == [f"d{DAY_2}", f"d{DAY_1}"]


def test_a_question_that_is_not_there_is_not_found(site: Site) -> None:
    answer = site.get("/changes?question=nowhere")
    assert answer.status_code == 404
    assert "Unknown question &#39;nowhere&#39;." in answer.text


def test_a_page_without_news_says_so(site: Site, tmp_path: Path) -> None:
    assert "Nothing of this kind before." in site.page(f"/changes?before={DAY_1}")
    assert "Nothing of this kind yet." in site.page("/changes?question=psychotherapy&kind=left")
    desk = Desk(tmp_path, "")
    desk.db.parent.mkdir()
    open_evidence(desk.db.parent).close()
    assert "Nothing has happened yet" in Site(desk).page("/changes")


def test_text_from_a_record_is_only_ever_text(
    copy: sqlite3.Connection, library: Desk, tmp_path: Path
) -> None:
    copy.execute("update question_articles set reason = 'newly published' where pmid = ?", (HOSTILE,))
    copy.execute("update question_articles set left_at = ? where pmid = ?", (AT_2, HOSTILE))
    for field in ("title", "retracted", "<script>alert(1)</script>"):
        copy.execute(
            "insert into changes (pmid, field, before, after, noticed) values (?, ?, '0', '1', ?)",
            (HOSTILE, field, AT_2),
        )
    copy.execute("update questions set title = '<img src=x onerror=alert(2)>' where slug = 'cystitis'")
    site = site_over(copy, library, tmp_path / "site")
    for query in ("", "?question=cystitis"):
        page = site.page(f"/changes{query}")
        tree = html.fromstring(page)
        assert len(tree.xpath(f'//a[@href="/articles/{HOSTILE}"]')) == 4
        assert not tree.xpath(
            "//main//script | //style | //*[@style] | //main//img | //main//iframe | //main//svg"
        )
        assert not tree.xpath("//@*[starts-with(name(), 'on')]")
        for written in (
            '<script>alert("title")</script>',
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(2)>",
        ):
            assert written in text(tree)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ([Field("revised", None)], "day of the last revision"),
        ([Field("title", None), Field("revised", None)], "title"),
        ([Field("mesh_headings", None), Field("commented", "1")], "MeSH headings; a comment was published"),
        ([Field("commented", "0")], "commented"),
        ([Field("record", "present")], "in PubMed again"),
        ([Field("conflict_of_interest", None)], "conflict of interest"),
    ],
)
def test_a_change_is_put_in_words(fields: list[Field], words: str) -> None:
    assert said(fields) == words


def test_a_paper_loaded_from_a_file_is_news_with_that_reason_and_not_new(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    file = tmp_path / "one.xml"
    file.write_text(
        document(record(7, "Ketamine and the bladder", "Cystitis after ketamine.")), encoding="utf-8"
    )
    assert desk.run("load", "--match", "cystitis", str(file)).code == 0
    with closing(sqlite3.connect(desk.db)) as db:
        (today,) = news.days(db).days
        assert today.entered == []
        (told,) = today.added
        assert (told.question, told.reasons, pmids(told.newest)) == (
            "cystitis", {"loaded from a file": Count(1)}, [7],
        )  # fmt: skip
        assert news.feed(db) == [7]
    site = Site(desk)
    assert "This month: 0 new, 0 withdrawn, 0 corrected." in text(html.fromstring(site.page("/changes")))
    assert "Nothing of this kind" in site.page("/changes?kind=new")
    assert "1 record loaded from a file" in text(html.fromstring(site.page("/changes?kind=added")))
