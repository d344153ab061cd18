"""The page of methods: every strategy by its lines, every seed with what became of it, every figure of accuracy."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from tests.conftest import FIXTURES, QUERIES, QUESTIONS, Desk
from tests.eutils_server import StandIn
from tests.helpers_load import document, record
from tests.helpers_site import Site
from tracker.questions import Question, load_questions
from tracker.reading.accuracy import accuracy
from tracker.reading.labels import answers, groups

NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Records from files, matched here; PubMed was never asked. One seed is stored, but is about something else."""
    desk = Desk(tmp_path_factory.mktemp("loaded"), NOWHERE)
    file = desk.home / "seeds.xml"
    file.write_text(
        document(
            record(36464318, "Systematic review and meta-analysis of ketamine-associated uropathy"),
            record(40583492, "Another paper about ketamine and the bladder"),
            record(37897311, "Newer therapies and surgical management"),
        ),
        encoding="utf-8",
    )
    assert desk.run("load", str(file)).code == 0
    assert desk.run("load", "--match", "all", str(file)).code == 0
    return desk


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Desk(tmp_path_factory.mktemp("searched"), pubmed.url)
        assert desk.run("refresh").code == 0
    return desk


def text(element: Any) -> str:
    return " ".join(element.text_content().split())


def methods(desk: Desk) -> Any:
    return html.fromstring(Site(desk).page("/methods"))


def section(page: Any, slug: str) -> Any:
    (found,) = page.xpath(f'//section[@id="{slug}"]')
    return found


def lines_shown(of_question: Any) -> dict[str, str]:
    names = [text(name) for name in of_question.xpath('.//dl[@class="lines"]/dt')]
    return dict(zip(names, map(text, of_question.xpath('.//dl[@class="lines"]/dd')), strict=True))


def lines_of(question: Question) -> dict[str, str]:
    return {**dict(question.search), "combined as": question.combine}


@pytest.mark.parametrize("which", ["loaded", "searched"])
def test_each_strategy_is_shown_line_by_line_with_the_names_of_its_file(
    which: str, request: pytest.FixtureRequest
) -> None:
    desk: Desk = request.getfixturevalue(which)
    page = methods(desk)
    questions = load_questions(desk.queries)
    assert {question.slug for question in questions} == set(QUESTIONS)
    for question in questions:
        mine = section(page, question.slug)
        assert lines_shown(mine) == lines_of(question)
        assert question.strategy in [text(whole) for whole in mine.xpath('.//pre[@class="query"]')]


def test_where_pubmed_was_never_asked_the_page_says_so_and_leads_to_the_search(loaded: Desk) -> None:
    mine = section(methods(loaded), "cystitis")
    assert "No search of PubMed has been run." in text(mine)
    (link,) = mine.xpath('.//a[starts-with(@href, "https://pubmed.ncbi.nlm.nih.gov/?term=")]/@href')
    assert "ketamine%5Bmh%5D" in link


def test_a_strategy_that_was_stored_without_its_lines_is_shown_in_one_piece(
    loaded: Desk, tmp_path: Path
) -> None:
    older = Desk(tmp_path, NOWHERE)
    shutil.copytree(loaded.db.parent, older.db.parent)
    older.change("update strategies set lines = null")
    mine = section(methods(older), "cystitis")
    assert lines_shown(mine) == {}
    assert older.sql("select strategy from strategies where question = 'cystitis'") == [
        (text(mine.xpath('.//pre[@class="query"]')[0]),)
    ]


def test_a_changed_name_of_a_line_is_shown_though_the_search_is_the_same(
    loaded: Desk, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, NOWHERE)
    shutil.copytree(QUERIES, tmp_path / "queries")
    shutil.copytree(loaded.db.parent, desk.db.parent)
    path = desk.queries / "cystitis.yml"
    path.write_text(path.read_text("utf-8").replace("bladder:", "urinary:").replace("AND bladder", "AND urinary")
                    .replace("[bladder]", "[urinary]"), "utf-8")  # fmt: skip
    file = tmp_path / "none.xml"
    file.write_text(document(record(5, "Nothing of this kind")), encoding="utf-8")
    assert desk.run("load", "--match", "cystitis", str(file)).code == 0
    assert desk.sql("select count(*) from strategies where question = 'cystitis'") == [(1,)]
    assert list(lines_shown(section(methods(desk), "cystitis"))) == ["ketamine", "urinary", "combined as"]


def seeds_shown(of_question: Any) -> tuple[str, dict[int, str]]:
    """What the summary says, and what is said of each seed."""
    (summary,) = of_question.xpath('.//summary[starts-with(., "Papers that the search must find")]')
    items = summary.getparent().xpath("./ul/li")
    return text(summary), {int(text(item).split()[1].rstrip(":")): text(item) for item in items}


def test_before_a_search_seeds_are_looked_for_among_what_is_stored(loaded: Desk) -> None:
    summary, seeds = seeds_shown(section(methods(loaded), "cystitis"))
    assert summary.endswith("(2 of 12 are here)")
    assert seeds[36464318].endswith("– here, and matched")
    assert "– here, and matched; in PubMed it is called “Another paper" in seeds[40583492]
    assert "– here, but not matched" in seeds[37897311]
    assert seeds[32212278].endswith("– not here")
    (link,) = section(methods(loaded), "cystitis").xpath('.//a[@href="/articles/37897311"]')
    assert text(link) == "PMID 37897311"


def test_after_a_complete_search_seeds_are_those_that_it_found(searched: Desk) -> None:
    summary, seeds = seeds_shown(section(methods(searched), "cystitis"))
    found = {pmid for (pmid,) in searched.sql("select pmid from seeds where question = 'cystitis' and found")}
    assert summary.endswith(f"({len(found)} of {len(seeds)} found)")
    assert found
    for pmid, words in seeds.items():
        assert ("– found" in words) == (pmid in found)
        assert ("– not found" in words) == (pmid not in found)


def test_every_figure_of_accuracy_is_shown_with_its_records_and_its_interval(searched: Desk) -> None:
    page = methods(searched)
    known = {*groups(), *(answer.name for answer in answers())}
    assert accuracy() and accuracy().keys() <= known
    for name in known:
        (term,) = page.xpath(f'//dt[@id="label-{name}"]')
        shown = text(term.getnext())
        figures = accuracy().get(name, ())
        assert ("Not measured." in shown) == (not figures)
        for one in figures:
            assert (
                f"{one.score:.2f} ({one.low:.2f} to {one.high:.2f}) {one.measure}, on {one.n:,} records"
                in shown
            )


def test_every_group_says_what_a_wrong_label_looks_like(searched: Desk) -> None:
    page = methods(searched)
    for reading in (*groups().values(), *answers()):
        (term,) = page.xpath(f'//dt[@id="label-{reading.name}"]')
        assert text(term.getnext()).endswith(f"What a wrong one would look like: {reading.wrong}.")
        # One sentence, to which the page adds its full stop.
        assert reading.wrong and not reading.wrong.rstrip('"').endswith(".")
