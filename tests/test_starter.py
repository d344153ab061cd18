"""Starter citations: shown as what they are, and gone without a trace once PubMed has answered."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXPECTED, QUERIES, Desk, assert_same, check_whole, dump, expected
from tests.eutils_server import StandIn
from tests.helpers_load import document, record
from tracker.errors import LockHeld, RecordError, UnusableInput
from tracker.evidence.questions import STARTER
from tracker.jobs.console import Console
from tracker.jobs.lock import writing_job
from tracker.jobs.starter import load_starter, read_citations
from tracker.pubmed.starter import FACTS, make_record, parse_record
from tracker.questions import load_questions
from tracker.settings import Settings

SHIPPED = Path(__file__).parents[1] / "db" / "starter"
# What a search finds for this question, for another, for none; the last one PubMed does not have at all.
MINE, OTHERS, NOBODYS, UNKNOWN = 90000101, 38479192, 90000672, 999
CITATIONS = {MINE: "cognition", OTHERS: "cognition cystitis", NOBODYS: "psychotherapy", UNKNOWN: "tolerance"}


def write_citations(folder: Path, citations: dict[int, str]) -> Path:
    """A citations.csv that is found from ``folder``."""
    path = folder / "db" / "starter" / "citations.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*FACTS, "questions"])
        for pmid, questions in citations.items():
            title = f"A randomised trial of ketamine, number {pmid}"
            lines.writerow(
                [pmid, title, "Smith-Jones AB, Li C", "J Made Up", 2020, 1, 2, "3-4", "10.1/x", questions]
            )
    return path


def load(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.chdir(desk.home)
    settings = Settings(db_dir=desk.home / "db", queries=QUERIES)
    return load_starter(settings, load_questions(QUERIES), Console(quiet=True))


@pytest.fixture
def started(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A database with starter citations in it, and nothing else."""
    write_citations(desk.home, CITATIONS)
    assert load(desk, monkeypatch) == len(CITATIONS)
    return desk


@pytest.fixture
def undisturbed(tmp_path: Path, pubmed: StandIn) -> Desk:
    """The same refreshes, but into a database that was empty."""
    home = tmp_path / "undisturbed"
    home.mkdir()
    return Desk(home, pubmed.url)


def starters(desk: Desk, question: str = "%") -> set[int]:
    query = "select pmid from question_articles where question like ? and reason = ?"
    return set(desk.column(query, question, STARTER))


# -- the file that comes with us -------------------------------------------------------------------


def test_the_shipped_citations_are_enough_and_of_all_questions() -> None:
    citations = list(read_citations(SHIPPED / "citations.csv"))
    pmids = [citation.reading.pmid for citation in citations]
    assert len(citations) >= 90
    assert pmids == sorted(set(pmids), reverse=True)
    assert {slug for citation in citations for slug in citation.questions} >= set(EXPECTED["questions"])


def test_the_shipped_citations_are_facts_only() -> None:
    with (SHIPPED / "citations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {*FACTS, "questions"}
    assert max(len(row["title"]) for row in rows) < 400
    for row in rows:
        assert re.fullmatch(r"(19|20)\d\d", row["year"])
        assert row["doi"] == "" or row["doi"].startswith("10.")
    assert str(len(rows)) in (SHIPPED / "README.md").read_text("utf-8")


# -- a citation as a record ------------------------------------------------------------------------


def test_a_citation_says_no_more_than_its_facts() -> None:
    facts = {"pmid": "7", "title": "a < b & c", "authors": "Smith-Jones AB, Li C, Mononym", "year": "2020"}
    article = parse_record(make_record(facts | {"doi": "10.1/x", "questions": "cognition"}))
    assert article.pmid == 7
    assert article.title == ("a < b & c", "a &lt; b &amp; c")
    assert [author.display for author in article.authors] == ["Smith-Jones AB", "Li C", "Mononym"]
    assert article.published and article.published.iso == "2020"
    assert article.id("doi") == "10.1/x"
    assert article.abstract == () and article.journal.title is None and article.created is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        make_record({"pmid": "x", "title": "T"}),
        make_record({"pmid": "1"}),
    ],
    ids=["nothing", "a list", "null", "no facts", "no text", "no PMID", "no title"],
)
def test_what_is_no_citation_is_refused(body: bytes) -> None:
    with pytest.raises(RecordError):
        parse_record(body)


def test_a_line_that_is_no_citation_is_named(tmp_path: Path) -> None:
    path = write_citations(tmp_path, {1: "cognition"})
    path.write_text(path.read_text() + "two,A title\n")
    with pytest.raises(UnusableInput, match=r"citations\.csv, line 3: .*'two'"):
        list(read_citations(path))
    with pytest.raises(UnusableInput, match="cannot be read"):
        list(read_citations(tmp_path / "missing.csv"))


# -- loading ---------------------------------------------------------------------------------------


def test_citations_are_loaded_with_labels_and_marked_for_what_they_are(started: Desk) -> None:
    check_whole(started.db)
    assert started.stored() == set(CITATIONS)
    assert set(started.column("select source from record_state")) == {"starter"}
    assert set(started.column("select reason from question_articles where matching")) == {STARTER}
    assert started.matching("cognition") == {MINE, OTHERS}
    assert started.sql(
        "select value, n from question_counts where question = 'cystitis' and label_group = 'design'"
    )
    assert started.sql("select command, outcome from runs") == [("starter", "complete")]
    assert started.column("select checked from record_state where checked or next_check") == []
    assert started.column("select slug from questions") != []
    assert started.column("select complete_to from questions where complete_to is not null") == []


def test_loading_again_does_nothing(started: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dump(started.db)
    assert load(started, monkeypatch) == 0
    assert_same(started.db, before)
    assert len(started.sql("select 1 from runs")) == 1


def test_a_database_that_holds_a_record_gets_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = desk.home / "one.xml"
    file.write_text(document(record(1)))
    assert desk.run("load", str(file)).code == 0
    assert load(desk, monkeypatch) == 0
    assert desk.stored() == {1}


def test_a_database_that_was_complete_gets_none_even_if_nothing_matched(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_citations(desk.home, CITATIONS)
    assert load(desk, monkeypatch)
    desk.change("delete from question_articles")
    desk.change("delete from record_state")
    desk.change("update questions set complete_to = '2026-01-01T00:00:00Z'")
    assert load(desk, monkeypatch) == 0


def test_only_citations_of_the_questions_that_there_are_come_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_citations(desk.home, CITATIONS | {998: "another"})
    assert load(desk, monkeypatch) == len(CITATIONS)


def test_loading_waits_for_nobody_who_holds_the_lock(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with writing_job(desk.home / "db"), pytest.raises(LockHeld):
        load(desk, monkeypatch)


# -- and their end ---------------------------------------------------------------------------------


def test_a_refresh_leaves_what_one_into_an_empty_database_leaves(started: Desk, undisturbed: Desk) -> None:
    for desk in (started, undisturbed):
        assert desk.run("refresh").code == 0
    assert_same(started.db, dump(undisturbed.db))
    check_whole(started.db)
    assert started.sql("select * from changes") == []


def test_a_record_that_takes_the_place_of_a_citation_counts_as_new(started: Desk, undisturbed: Desk) -> None:
    reports = [desk.run("refresh", "--json").json for desk in (started, undisturbed)]
    for counted in ("fetched", "new", "changed", "due"):
        assert reports[0][counted] == reports[1][counted], counted
    for mine, theirs in zip(reports[0]["questions"], reports[1]["questions"], strict=True):
        assert mine == theirs


def test_the_next_day_differs_in_nothing_either(started: Desk, undisturbed: Desk, pubmed: StandIn) -> None:
    for desk in (started, undisturbed):
        assert desk.run("refresh").code == 0
    pubmed.next_day()
    for desk in (started, undisturbed):
        assert desk.run("refresh", "--full").code == 0
    assert_same(started.db, dump(undisturbed.db))


def test_a_question_alone_loses_its_own_citations_only(started: Desk, undisturbed: Desk) -> None:
    assert started.run("refresh", "cognition").code == 0
    check_whole(started.db)
    assert started.matching("cognition") == expected("cognition")
    assert starters(started) == {OTHERS, NOBODYS, UNKNOWN}
    # Found for one question, and still a sample in the other: the record is the real one.
    sources = dict(started.sql("select pmid, source from record_state"))
    assert (sources[OTHERS], sources[NOBODYS]) == ("pubmed", "starter")
    assert started.run("refresh").code == 0
    assert undisturbed.run("refresh", "cognition").code == 0
    assert undisturbed.run("refresh").code == 0
    assert_same(started.db, dump(undisturbed.db))


def test_citations_stay_while_a_refresh_is_incomplete(started: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("500", only="efetch")
    assert started.run("refresh").code == 3
    assert starters(started) == set(CITATIONS)
    assert started.stored() == set(CITATIONS)
    check_whole(started.db)


def test_a_record_that_pubmed_lists_and_does_not_deliver_leaves_no_trace_of_the_citation(
    started: Desk, undisturbed: Desk, pubmed: StandIn
) -> None:
    for question in load_questions(QUERIES):
        pubmed.search(question.strategy)  # is remembered, and so goes on to list what is taken away
    del pubmed.bodies[MINE]
    for desk in (started, undisturbed):
        # The first time it is missing, the second time gone.
        assert [desk.run("refresh").code for _ in range(2)] == [3, 0]
        assert desk.column("select pmid from record_state where gone is not null") == [MINE]
    assert_same(started.db, dump(undisturbed.db))


def test_a_record_loaded_from_a_file_takes_a_citations_place(started: Desk) -> None:
    file = started.home / "one.xml"
    file.write_text(document(record(MINE, "The real title")))
    report = started.run("load", str(file), "--json").json
    assert (report["new"], report["changed"]) == (1, 0)
    assert started.column("select title from articles where pmid = ?", MINE) == ["The real title"]
    assert started.column("select format from raw_records where pmid = ?", MINE) == ["xml"]
    assert started.column("select source from record_state where pmid = ?", MINE) == ["file"]
    assert started.sql("select * from changes") == []
    check_whole(started.db)


def test_a_rebuild_keeps_them(started: Desk) -> None:
    before = dump(started.db)
    assert started.run("rebuild").code == 0
    assert_same(started.db, before)


# -- what the command line says --------------------------------------------------------------------


def test_status_does_not_count_them_as_records(started: Desk) -> None:
    said = started.run("status")
    assert "cognition: 2 starter citations, not search results" in said.out
    assert "0 records stored" in said.out
    found: dict[str, Any] = json.loads(started.run("status", "--json").out)
    assert (found["records"], found["starter_citations"]) == (0, len(CITATIONS))
    assert {row["matching"] for row in found["questions"]} == {0}


def test_show_says_so_first(started: Desk) -> None:
    said = started.run("show", str(MINE)).out
    assert said.splitlines()[1].startswith("*** STARTER CITATION, not a search result")
    assert "Smith-Jones AB, Li C" in said
