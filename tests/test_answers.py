"""What a question's page leads with: what is known in people treated, in the abstracts' own words."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from tests.conftest import QUERIES, Desk
from tests.helpers_load import document
from tests.helpers_papers import RANDOMISED, REVIEW, TRIAL, finding, paper
from tests.helpers_site import Site
from tracker.jobs.console import Console
from tracker.jobs.starter import load_starter
from tracker.questions import load_questions
from tracker.reading.searched import searched
from tracker.settings import Settings

PHRASE = "In people treated at a clinic"


OLD_TRIAL, NEW_TRIAL, REPORT, LATE_TRIAL = 90010001, 90010002, 90010003, 90010004
LISTED, UNLISTED = 90010011, 90010012
SILENT, PROTOCOL, USERS, SHIVERING, RETRACTED = 90010021, 90010022, 90010023, 90010024, 90010025
NONE_SEEN = "There was no case of interstitial cystitis."
LOOKED_FOR = "Bladder symptoms were assessed by questionnaire at every visit."
PAPERS = (
    paper(
        OLD_TRIAL,
        "Ketamine for depression and the bladder",
        RANDOMISED,
        finding("Bladder pain was reported by 3 of 40 patients."),
        types=TRIAL,
        year=2015,
        trial="NCT00000001",
    ),
    paper(
        NEW_TRIAL,
        "Ketamine for depression: urinary symptoms",
        RANDOMISED,
        ("METHODS", LOOKED_FOR),
        finding(NONE_SEEN),
        types=TRIAL,
        year=2018,
    ),
    paper(
        LATE_TRIAL,
        "A late trial of ketamine for depression and cystitis",
        RANDOMISED,
        finding("Cystitis was as frequent as under placebo, with no significant difference."),
        types=TRIAL,
        year=2024,
    ),
    paper(
        REPORT,
        "Ketamine for depression and the bladder: a further report",
        (
            "METHODS",
            "Bladder symptoms were asked for in the patients with depression who were treated with ketamine.",
        ),
        finding("Bladder symptoms were rare."),
        year=2016,
        trial="NCT00000001",
    ),
    paper(
        LISTED,
        "Ketamine treatment of depression and the urinary tract: a systematic review",
        (
            "METHODS",
            "We searched MEDLINE and Embase from inception to March 2020 for patients treated for depression.",
        ),
        finding(
            "Urinary symptoms were reported in 4 studies of patients treated with ketamine for depression."
        ),
        types=REVIEW,
        year=2021,
        cites=(REPORT, 12345),
    ),
    paper(
        UNLISTED,
        "Ketamine treatment of depression and cystitis: a systematic review",
        ("METHODS", "Databases were searched for patients with depression treated with ketamine."),
        finding("Cystitis was reported by two studies of patients with depression."),
        types=REVIEW,
        year=2019,
    ),
    paper(
        SILENT,
        "Ketamine for depression in a clinic",
        (
            "METHODS",
            "Bladder symptoms were assessed in 30 patients with depression who were treated with ketamine.",
        ),
        finding("Depression improved."),
    ),
    paper(
        PROTOCOL,
        "Ketamine for depression and bladder symptoms: study protocol for a randomised trial",
        (
            "METHODS",
            "Patients with depression will be randomised to ketamine. Bladder symptoms will be measured.",
        ),
        types=("Clinical Trial Protocol", "Journal Article"),
    ),
    paper(
        USERS,
        "Bladder pain in recreational ketamine users",
        finding("Bladder pain was reported by 20 of 60 recreational users of ketamine."),
    ),
    paper(
        SHIVERING,
        "Ketamine against shivering after spinal anaesthesia in urological surgery",
        finding("Shivering was less frequent with ketamine than with tramadol."),
        types=TRIAL,
    ),
    paper(
        RETRACTED,
        "Ketamine for depression spares the bladder",
        RANDOMISED,
        finding("Bladder symptoms did not occur."),
        types=("Retracted Publication", *TRIAL),
        year=2025,
        notice=("RetractionIn", 90010099),
    ),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    home = tmp_path_factory.mktemp("answers")
    question = shutil.copytree(QUERIES, home / "queries") / "cystitis.yml"
    words = question.read_text(encoding="utf-8")
    line = {"text": "It is rare.", "author": "A. Clinician", "date": "2017-01-01", "pmids": [str(OLD_TRIAL)]}
    question.write_text(
        words.replace("reading:\n  version: 1\n", f"reading:\n  version: 1\n  treated: {PHRASE}\n")
        + f"bottom_line: {json.dumps(line)}\n",
        encoding="utf-8",
    )
    (home / "papers.xml").write_text(document(*PAPERS), encoding="utf-8")
    desk = Desk(home, "http://127.0.0.1:9/")
    assert desk.run("load", "--match", "cystitis", str(home / "papers.xml")).code == 0
    return desk


@pytest.fixture(scope="module")
def page(desk: Desk) -> Any:
    return html.fromstring(Site(desk).page("/questions/cystitis"))


def text(element: Any) -> str:
    return " ".join(element.text_content().split())


def pmids(element: Any) -> list[int]:
    return [
        int(re.findall(r"/articles/(\d+)", link.get("href"))[0])
        for link in element.cssselect("p.title a.record")
    ]


def row(page: Any, pmid: int) -> Any:
    return next(item for item in page.cssselect(".leading li") if pmids(item)[:1] == [pmid])


def test_one_line_says_how_many_bear_on_it_and_how_many_report_a_result(page: Any) -> None:
    line = text(page.cssselect("p.matched")[0])
    assert line == "11 matched; 9 in people treated at a clinic, 7 of them report a result."
    assert text(page.cssselect(".leading h2")[0]) == PHRASE


def test_reviews_and_trials_with_a_result_come_first_newest_first_and_a_retracted_one_last(page: Any) -> None:
    first, *rest = page.cssselect(".leading ul.articles")
    assert pmids(first) == [LATE_TRIAL, LISTED, UNLISTED, NEW_TRIAL, OLD_TRIAL, RETRACTED] or pmids(
        first
    ) == [
        LATE_TRIAL,
        LISTED,
        UNLISTED,
        NEW_TRIAL,
        OLD_TRIAL,
        REPORT,
        RETRACTED,
    ]
    assert [pmids(each) for each in rest] == [[SILENT], [PROTOCOL]]
    headings = [text(each) for each in page.cssselect(".leading h3")]
    assert headings == ["Without a result in the abstract", "Under way"]


def test_the_rest_is_counted_and_one_click_away(desk: Desk, page: Any) -> None:
    rest = page.cssselect(".rest")[0]
    assert "1 in other people or animals, 1 not about this" in text(rest)
    for link, pmid in zip(rest.cssselect("a"), (USERS, SHIVERING), strict=True):
        listed = html.fromstring(Site(desk).page(link.get("href").partition("#")[0]))
        assert pmids(listed.cssselect("ol.articles")[0]) == [pmid]


def test_a_row_has_the_finding_in_the_abstracts_words_and_each_value_leads_to_its_quote(page: Any) -> None:
    trial = row(page, OLD_TRIAL)
    assert [text(each) for each in trial.cssselect(".finding q")] == [
        "Bladder pain was reported by 3 of 40 patients."
    ]
    assert [text(each) for each in trial.cssselect(".finding .about")] == ["about 40 people"]
    shown = {each.get("href"): text(each).split(": ", 1)[1] for each in trial.cssselect("a.machine")}
    own = f"/articles/{OLD_TRIAL}#read-"
    assert shown[f"{own}design"] == "randomised controlled trial"
    assert shown[f"{own}participants"] == "n = 80"
    assert shown[f"{own}follow_up"] == "follow-up 4 weeks"


def test_what_was_not_seen_is_told_in_the_abstracts_words_and_what_is_not_told_is_said(page: Any) -> None:
    assert [text(each) for each in row(page, NEW_TRIAL).cssselect(".finding q")] == [NONE_SEEN]
    assert text(row(page, NEW_TRIAL).cssselect(".looked-for")[0]) == f"How this was looked for: {LOOKED_FOR}"
    late = row(page, LATE_TRIAL).cssselect(".looked-for")[0]
    assert text(late) == "How this was looked for: the abstract does not say."
    assert not row(page, OLD_TRIAL).cssselect(".looked-for")
    silent = row(page, SILENT)
    assert not silent.cssselect("q")
    assert text(row(page, PROTOCOL).cssselect(".finding")[0]) == "To be measured"
    assert text(silent.cssselect(".finding")[0]) == "Measured, result not in the abstract"


def test_a_retracted_paper_bears_its_mark_where_it_leads(page: Any) -> None:
    assert "Retracted" in text(row(page, RETRACTED).cssselect(".mark")[0])


def test_the_bottom_line_says_how_many_direct_records_came_since(page: Any) -> None:
    line = text(page.cssselect(".bottom-line")[0])
    assert "It is rare." in line and "A. Clinician" in line and "7 direct records since." in line


def test_trials_that_no_review_cites_are_named_and_those_too_new_for_each_stand_apart(page: Any) -> None:
    section = page.cssselect("section.cited")[0]
    assert "1 of 2 reviews in people treated have a reference list in PubMed." in text(section)
    uncited = section.cssselect("section > ul")[0]
    # The review cites another report of OLD_TRIAL's registration.
    assert {int(re.findall(r"\d+", link.get("href"))[0]) for link in uncited.cssselect("a.record")} == {
        NEW_TRIAL
    }
    too_new = section.cssselect("details")[0]
    assert f"/articles/{LATE_TRIAL}" in html.tostring(too_new).decode()
    assert text(section.cssselect("tbody tr td")[0]).startswith("2020-03")
    for word in ("ignores", "misses", "includes"):
        assert word not in text(section)


def test_a_question_without_direct_records_says_that_this_is_no_evidence_of_no_harm(tmp_path: Path) -> None:
    (tmp_path / "papers.xml").write_text(document(PAPERS[8]), encoding="utf-8")
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    assert desk.run("load", "--match", "cystitis", str(tmp_path / "papers.xml")).code == 0
    shown = html.fromstring(Site(desk).page("/questions/cystitis"))
    assert "no evidence of no effect and no harm" in text(shown.cssselect(".leading")[0])
    assert "1 matched; 0 in people treated." in text(shown.cssselect("p.matched")[0])


def test_a_title_alone_tells_neither_what_was_found_nor_that_the_abstract_is_silent(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    title = "Ketamine for depression: cystitis in patients treated at a clinic"
    bare = paper(SILENT, title).replace("<Abstract></Abstract>", "")
    assert "<Abstract" not in bare
    (tmp_path / "papers.xml").write_text(document(bare), encoding="utf-8")
    assert desk.run("load", "--match", "cystitis", str(tmp_path / "papers.xml")).code == 0
    site = Site(desk)
    for path in ("/questions/cystitis", "/questions/cystitis/table?directness=any", f"/articles/{SILENT}"):
        told = [text(each) for each in html.fromstring(site.page(path)).cssselect(".finding, td .unstated")]
        assert "No abstract to read it from" in told, path
        assert not any("not in the abstract" in words for words in told), path


def test_starter_citations_say_that_they_come_without_abstracts(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    citations = tmp_path / "db" / "starter" / "citations.csv"
    citations.parent.mkdir(parents=True)
    names = "pmid,title,authors,journal,year,volume,issue,pages,doi,questions"
    row = f"{SILENT},Ketamine for depression: cystitis in patients treated at a clinic,,,2020,,,,,cystitis"
    citations.write_text(f"{names}\n{row}\n", encoding="utf-8")
    settings = Settings(db_dir=desk.db.parent, queries=QUERIES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert load_starter(settings, load_questions(QUERIES), Console(quiet=True)) == 1
    told = text(html.fromstring(Site(desk).page("/questions/cystitis")).cssselect(".leading")[0])
    assert "Starter citations come without abstracts" in told and "reports a result" not in told


def test_evidence_level_is_on_no_page_and_in_exports(desk: Desk) -> None:
    assert "evidence level" not in Site(desk).page("/questions/cystitis").lower()
    assert "evidence_level" in desk.run("export", "cystitis", "--format", "json").out


@pytest.mark.parametrize(
    ("sentence", "until"),
    [
        ("We searched MEDLINE from inception to March 2020.", "2020-03"),
        ("Databases were searched up to January 4(th) 2019.", "2019-01-04"),
        ("PubMed was searched until 25 August 2015 and Embase until July 2015.", "2015-08-25"),
        ("Embase was searched between 1990 and 2017.", "2017"),
        ("The protocol is registered (PROSPERO CRD42021235384).", None),
        ("Patients were seen until March 2020.", None),
    ],
)
def test_until_when_a_review_searched_is_read_from_its_abstract(sentence: str, until: str | None) -> None:
    found = searched(f"We reviewed trials of 2 drugs. {sentence} Ten studies were included.")
    assert (found and found.until) == until
    assert found is None or found.sentence == sentence
