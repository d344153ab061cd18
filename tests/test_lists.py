"""Every list is what its filters say, in its order, however it is read: checked against reading everything."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import FIXTURES, Desk, tiled
from tests.helpers_load import document, record
from tracker.article import Pmid
from tracker.evidence import cache, connect, derived, schema, search
from tracker.lists import pages, selection
from tracker.lists.citations import label_choices
from tracker.lists.selection import TOP, Key, Selection
from tracker.team.decisions import UNDECIDED


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """Some three hundred articles, with dates unknown, dates of entry apart, tags and decisions among them.

    How directly they bear on the questions was read, but for tolerance; Ada and Ben moved some, and Ben's of cognition
    are sealed but for a few.
    """
    home = tmp_path_factory.mktemp("lists")
    desk = Desk(home, "http://127.0.0.1:9/")
    files = sorted((FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *map(str, files), str(tiled(home, 4))).code == 0
    desk.change("update articles set published = null where pmid % 7 = 0")
    desk.change("update question_articles set entered = '2026-0' || (1 + pmid % 5) || '-01T00:00:00Z'")
    desk.change("update question_articles set matching = 0, left_at = entered where pmid % 11 = 0")
    desk.annotate()
    desk.change("update questions set reading = null where slug = 'tolerance'")
    with closing(sqlite3.connect(desk.db)) as found:
        derived.fill(found)
        found.commit()
        found.execute("attach database ? as annotations", (str(desk.annotations),))
        found.executescript(
            """
            insert into annotations.decisions (pmid, question, stage, person, decision, decided)
              select pmid, 'cystitis', 'title-abstract', 1, iif(pmid % 2, 'include', 'exclude'), '2026-01-01T00:00:00Z'
              from question_articles where question = 'cystitis' and pmid % 3 = 0;
            insert or ignore into annotations.taggings (pmid, tag, person, tagged)
              select pmid, 901, 1, '2026-01-01T00:00:00Z' from articles where pmid % 5 = 0;
            insert into annotations.people (id, name, display_name, role, created)
              values (2, 'ben', 'Ben', 'tagger', '2025-06-01T00:00:00Z');
            insert into annotations.placements (pmid, question, person, value, reason, placed)
              select pmid, question, 1, iif(pmid % 8 < 4, 'direct', 'off'), 'x', '2026-01-02T00:00:00Z'
              from question_articles where pmid % 4 = 0;
            update questions set dual = 1 where slug = 'cognition';
            insert into annotations.placements (pmid, question, person, value, reason, placed, blind)
              select pmid, question, 2, iif(pmid % 9 < 3, 'direct', 'indirect'), 'x',
                '2026-01-0' || (1 + 2 * (pmid % 2)) || 'T00:00:00Z',
                iif(question = 'cognition', 'cognition/title-abstract', null)
              from question_articles where pmid % 3 = 0;
            insert into annotations.unsealed (review, pmid, unsealed)
              select 'cognition/title-abstract', pmid, '2026-01-04T00:00:00Z' from articles where pmid % 6 = 0
            """
        )
        yield found


LABELS = st.dictionaries(
    st.sampled_from(["design", "evidence_level", "language", "species", "full_text", "nothing"]),
    st.lists(
        st.sampled_from(
            [
                "cohort study",
                "randomised controlled trial",
                "eng",
                "jpn",
                "humans",
                "free in PubMed Central",
            ]
        ),
        min_size=1,
        max_size=3,
        unique=True,
    ),
    max_size=2,
)
DIRECTNESS = st.just({}) | st.fixed_dictionaries(
    {
        "directness": st.lists(
            st.sampled_from(["direct", "indirect", "off"]), min_size=1, max_size=3, unique=True
        )
    }
)
SELECTIONS = st.builds(
    Selection,
    question=st.sampled_from(["cystitis", "cognition", None]),
    labels=st.builds(dict.__or__, LABELS, DIRECTNESS),
    first_year=st.none() | st.integers(2010, 2025),
    last_year=st.none() | st.integers(2010, 2025),
    text=st.sampled_from(
        ["", "", "ketamine", "bladder", '"ketamine cystitis"', "patients ket*", "!", "nowhere"]
    ),
    created_since=st.none() | st.sampled_from(["2020-01-01", "2024-06-01"]),
    tag=st.none() | st.just("bladder"),
    decision=st.sampled_from([None, None, "include", "exclude", UNDECIDED]),
    viewer=st.sampled_from([None, 1, 2]),
    sort=st.sampled_from(["published", "entered", "pmid"]),
)


def read_everything(db: sqlite3.Connection, chosen: Selection) -> set[int]:
    """The same list by looking at every article in turn."""
    found = set(search_all(db, chosen.text)) if chosen.text else column(db, "select pmid from articles")
    if chosen.question:
        found &= column(
            db, "select pmid from question_articles where question = ? and matching", chosen.question
        )
    for group, values in chosen.labels.items():
        found &= {pmid for pmid, value in labelled(db, chosen, group) if value in values}
    for pmid in list(found):
        published, created = db.execute(
            "select coalesce(published, ''), created from articles where pmid = ?", (pmid,)
        ).fetchone()
        year = int(published[:4] or 0)
        if (
            (chosen.first_year and year < chosen.first_year)
            or (chosen.last_year and not 0 < year <= chosen.last_year)
            or (chosen.question and chosen.created_since and (created or "") < chosen.created_since)
        ):
            found.remove(pmid)
    if chosen.tag:
        found &= column(db, "select pmid from annotations.taggings")
    if chosen.decision:
        decided = "select pmid from annotations.decisions where question = ?"
        if chosen.decision == UNDECIDED:
            found -= column(db, decided, chosen.question)
        else:
            found &= column(db, f"{decided} and decision = ?", chosen.question, chosen.decision)
    return found


def labelled(db: sqlite3.Connection, chosen: Selection, group: str) -> set[tuple[int, str]]:
    """The values of a group that each article of the question has; directness as the viewer may see it."""
    table = "question_labels where label_group = ? and question = ?"
    read = set(db.execute(f"select pmid, value from {table}", (group, chosen.question)))
    if group != "directness":
        return read
    values = dict(read)
    for pmid, person, value, is_sealed in db.execute(
        """
        select pmid, person, value, blind is not null and not exists (
          select 1 from annotations.unsealed u where u.review = blind and u.pmid = p.pmid)
        from annotations.placements p join question_articles m using (question, pmid)
        where question = ? and matching order by placed
        """,
        (chosen.question,),
    ):
        if person == chosen.viewer or not is_sealed:
            values[pmid] = value
    return set(values.items())


def numbers(db: sqlite3.Connection, chosen: Selection, group: str) -> dict[str, int]:
    """How many articles of the list have each value of the group."""
    listed = read_everything(db, chosen)
    return Counter(value for pmid, value in labelled(db, chosen, group) if pmid in listed)


def search_all(db: sqlite3.Connection, text: str) -> set[int]:
    return {hit.pmid for hit in search.search(db, text, limit=10_000)}


def column(db: sqlite3.Connection, query: str, *values: Any) -> set[int]:
    return {pmid for (pmid,) in db.execute(query, values)}


def sort_key(db: sqlite3.Connection, chosen: Selection, sort: str, pmid: int) -> tuple[str, int]:
    if sort == "pmid":
        return "", pmid
    table = (
        "question_articles where question = ? and pmid = ?"
        if chosen.question
        else "articles where ? is null and pmid = ?"
    )
    return db.execute(f"select coalesce({sort}, '') from {table}", (chosen.question, pmid)).fetchone()[
        0
    ], pmid


@pytest.mark.parametrize("narrow", [1000, 20, 0])
def test_a_list_is_what_its_filters_say_in_its_order(db: sqlite3.Connection, narrow: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "NARROW", narrow)
        patch.setattr(selection, "RARE", narrow // 20)
        compare(db)


@given(chosen=SELECTIONS)
@settings(max_examples=150)
def compare(db: sqlite3.Connection, chosen: Selection) -> None:
    if chosen.question is None:
        # Facts of a question, and what was said for one, narrow the lists of a question alone.
        chosen = chosen._replace(decision=None, created_since=None, labels={})
    expected = read_everything(db, chosen)
    seen: list[int] = []
    after: Key | None = TOP
    while after:
        page = selection.page(db, chosen, after, size=7)
        seen += page.pmids
        after = page.next
    sort = selection.Reader(db, chosen).sort
    assert seen == sorted(expected, key=lambda pmid: sort_key(db, chosen, sort, pmid), reverse=True)
    n, exact = selection.count(db, chosen, most=30)
    assert n == len(expected) if exact else n == 30 < len(expected)
    assert [pmid for batch in selection.pmids(db, chosen, 11) for pmid in batch] == seen
    for place, pmid in enumerate(seen[:3]):
        before, behind = selection.neighbours(db, chosen, Pmid(pmid))
        assert before == (seen[place - 1] if place else None)
        assert behind == (seen[place + 1] if place + 1 < len(seen) else None)
    if chosen.question and (counted := selection.tallies(db, chosen)) is not None:
        assert sum(counted.get("all", {}).get("", {}).values()) == len(expected)
        for group in ("directness", "design", "language"):
            told = {value: sum(years.values()) for value, years in counted.get(group, {}).items()}
            assert told == numbers(db, chosen, group), group
    if chosen.question:
        check_choices(db, chosen)


def check_choices(db: sqlite3.Connection, chosen: Selection) -> None:
    """The numbers beside the filters: of directness, as if none were chosen."""
    shown = pages.question(db, chosen, viewer=chosen.viewer)
    assert shown
    choices = shown.labelled.choices.get("directness", {})
    rest = chosen._replace(
        labels={name: each for name, each in chosen.labels.items() if name != "directness"}
    )
    if shown.labelled.is_of_list and selection.tallies(db, rest) is not None:
        assert choices == numbers(db, rest, "directness")
    assert choices.keys() <= set(label_choices(db, chosen.question, chosen.viewer)["directness"])


@pytest.mark.parametrize("viewer", [None, 2])
@pytest.mark.parametrize("slug", ["cystitis", "cognition"])
def test_the_newest_of_a_directness_are_those_that_people_see_there(
    db: sqlite3.Connection, slug: str, viewer: int | None
) -> None:
    direct = Selection(slug, {"directness": ["direct"]}, viewer=viewer)
    design = ("design", "randomised controlled trial")
    trials = direct._replace(labels={"directness": ["direct"], design[0]: [design[1]]})
    labelled_so = {pmid for pmid, _ in labelled(db, direct, "design")}
    for also, without, among in (
        (None, None, read_everything(db, direct)),
        (design, None, read_everything(db, trials)),
        (None, "design", read_everything(db, direct) - labelled_so),
    ):
        newest = sorted(among, key=lambda pmid: sort_key(db, direct, "published", pmid), reverse=True)
        for size in (3, 1000):
            found = selection.newest_with(
                db, slug, "directness", ["direct"], size, also=also, without=without, viewer=viewer
            )
            assert found == newest[:size]


def test_an_article_that_is_not_in_the_list_has_no_neighbours(db: sqlite3.Connection) -> None:
    assert selection.neighbours(db, Selection("cystitis"), Pmid(1)) == (None, None)
    assert selection.neighbours(db, Selection("nothing"), Pmid(90000301)) == (None, None)


def test_labels_narrow_a_search_over_everything(db: sqlite3.Connection) -> None:
    found = selection.page(
        db, Selection(text="ketamine", labels={"design": ["cohort study"]}), size=1000
    ).pmids
    assert set(found) == search_all(db, "ketamine") & column(
        db, "select pmid from labels where label_group = 'design' and value = 'cohort study'"
    )


def test_no_word_that_a_reader_types_finds_a_facet(db: sqlite3.Connection) -> None:
    assert selection.page(db, Selection(text="x6*")).pmids == []
    assert selection.page(db, Selection("cystitis", text="x64*")).pmids == []


def test_a_beginning_finds_what_fts5_itself_would_find(db: sqlite3.Connection) -> None:
    """The words that begin so, asked for one by one; also those whose stems are not their own."""
    db.execute("create virtual table if not exists temp.every_word using fts5vocab (main, articles_fts, row)")
    stored = [
        term
        for (term,) in db.execute("select term from temp.every_word")
        if len(term) < 40 and term.isalnum()
    ]
    beginnings = sorted({term[:length] for term in stored for length in (1, 3, 6)})
    texts = [f"{beginning}*" for beginning in beginnings[:: len(beginnings) // 150]]
    put_as_words = 0
    for text in [*texts, "disea*", "diseases*", "ketamine bla*", "ketamine-cys*", "Kétam*"]:
        found = search.fts_query(text, db)
        put_as_words += "*" not in found
        asked = "select rowid from articles_fts where articles_fts match ?"
        assert column(db, asked, found) == column(db, asked, search.fts_query(text)), text
    assert put_as_words > 120
    assert "*" not in search.fts_query("ket* dise* patient*", db)


def test_a_beginning_of_very_many_words_is_left_to_fts5(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search_all(db, "c*")
    monkeypatch.setattr(search, "MOST_WORDS", 1)
    assert search.fts_query("c*", db) == '"c" *'
    assert search_all(db, "c*") == found


def test_words_around_a_match_are_shown_with_marks(db: sqlite3.Connection) -> None:
    (pmid, *_) = selection.page(db, Selection("cystitis", text="bladder")).pmids
    (snippet,) = search.snippets(db, "bladder", [pmid], ("[", "]")).values()
    assert "[" in snippet and "]" in snippet
    assert search.snippets(db, "!", [pmid], ("[", "]")) == {}


def test_the_first_page_of_any_list_is_read_from_an_index(db: sqlite3.Connection, tmp_path: Path) -> None:
    for sort in ("published", "entered"):
        reader = selection.Reader(db, Selection("cystitis", sort=sort))  # type: ignore[arg-type]
        asked: list[str] = []
        db.set_trace_callback(asked.append)
        reader.rows(TOP, 26)
        db.set_trace_callback(None)
        plan = " ".join(str(row[3]) for row in db.execute(f"explain query plan {asked[-1]}"))
        assert "SEARCH" in plan
        assert "TEMP B-TREE" not in plan


_PIECES = st.sampled_from(
    ["ket", "2", "10", "⁶", "₂", "^(", "_(", ")", " ", " … ", "\n", "é", "ﬁ", "«", "*", "CO", "x\u0301"]
)
_TEXT = st.lists(_PIECES, max_size=40).map("".join)


@given(texts=st.lists(_TEXT, min_size=5, max_size=5), asked=_TEXT)
def test_a_snippet_is_a_part_of_the_text_whatever_stands_in_it(texts: list[str], asked: str) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        columns = ", ".join(schema.SEARCHED)
        db.execute(f"create table articles (pmid integer primary key, {columns})")
        db.execute("insert into articles values (1, ?, ?, ?, ?, ?)", texts)
        for snippet in search.snippets(db, asked, [Pmid(1)], ("\x02", "\x03")).values():
            plain = snippet.replace("\x02", "").replace("\x03", "")
            assert any(
                plain.removeprefix(" … ").removesuffix(" … ") in text or plain in text for text in texts
            )


def test_what_is_read_during_a_write_is_not_kept(tmp_path: Path) -> None:
    """A commit shows in the log before readers see it: what was there before would be kept as the new state's."""
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    (tmp_path / "papers.xml").write_text(document(record(1, "Ketamine cystitis")), encoding="utf-8")
    assert desk.run("load", "--match", "cystitis", "papers.xml").code == 0
    asked: list[int] = []
    for keep in (cache.cached, cache.cached_of_all):
        asked.clear()
        for age in (0, 60):
            os.utime(desk.db, (time.time() - age, time.time() - age))
            with closing(connect.open_for_reading(desk.db, schema.migrations)) as db:
                for _ in range(3):
                    keep(db, ("a test", keep.__name__), lambda: asked.append(1))
        assert len(asked) == 4, keep.__name__
