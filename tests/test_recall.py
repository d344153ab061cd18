"""What a search misses of what reviews cite, and which words it may lack."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import html

from tests.conftest import QUERIES, Desk, finish
from tests.helpers_load import document
from tests.helpers_papers import RANDOMISED, REVIEW, TRIAL, finding, paper
from tests.helpers_site import Site, add_person
from tracker.lists.recall import Share

LISTING, OTHER_LISTING, UNLISTING = 90020001, 90020002, 90020003
FOUND, MISSED, ELSEWHERE, BARE, UNRELATED = 90020011, 90020012, 90020013, 90020014, 90020015
MISSED_TITLE = "Lee A. Frequency of urination in patients with depression treated with ketamine. J. 2019;1:2."
CITED = {
    FOUND: "",
    MISSED: MISSED_TITLE,
    BARE: "J Urol. 2019;1:2",
    UNRELATED: "Lee A. A statement on how to report reviews and their searches in full. J. 2019;1:2.",
}
PAPERS = (
    paper(
        LISTING,
        "Bladder symptoms after ketamine for depression: a systematic review",
        finding("Bladder symptoms were reported by 3 of 40 patients with depression treated with ketamine."),
        types=REVIEW,
        cites=CITED,
    ),
    paper(
        OTHER_LISTING,
        "Cystitis after ketamine for depression: a systematic review",
        finding("Cystitis was seen in patients with depression treated with ketamine."),
        types=REVIEW,
        cites={MISSED: MISSED_TITLE},
    ),
    paper(
        UNLISTING,
        "Urinary symptoms after ketamine for depression: a systematic review",
        finding("Urinary symptoms were rare in patients with depression treated with ketamine."),
        types=REVIEW,
    ),
    paper(
        FOUND,
        "Ketamine for depression and the bladder",
        RANDOMISED,
        finding("Bladder pain was reported by 3 of 40 patients."),
        types=TRIAL,
    ),
)


def load(desk: Desk, *papers: str) -> None:
    (desk.home / "papers.xml").write_text(document(*papers), encoding="utf-8")
    assert desk.run("load", "--match", "cystitis", str(desk.home / "papers.xml")).code == 0


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    shutil.copytree(QUERIES, tmp_path / "queries")
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    load(desk, *PAPERS)
    return desk


def recall(desk: Desk) -> Any:
    done = desk.run("questions", "recall", "cystitis", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_what_direct_reviews_cite_and_the_search_does_not_find_is_listed(desk: Desk) -> None:
    found = recall(desk)
    assert (found["reviews"], found["reviews_with_references"]) == (3, 2)
    # A citation without a title cannot be judged, and what is about something else does not count.
    assert (found["cited"], found["judged"], found["about"], found["found"]) == (4, 3, 2, 1)
    assert [
        (each["pmid"], each["cited_by"], each["stored"], each["fits_search"]) for each in found["missed"]
    ] == [(MISSED, 2, False, False)]
    words = desk.run("questions", "recall", "cystitis")
    assert MISSED_TITLE in words.out
    assert "2 are about the question" in words.err and "others may only not be loaded" in words.err


def test_a_paper_that_another_question_found_is_judged_by_its_record(desk: Desk) -> None:
    stored = paper(
        ELSEWHERE,
        "Ketamine for depression",
        RANDOMISED,
        finding("Frequency of urination rose in patients treated with ketamine."),
    )
    citing = paper(
        LISTING,
        "Bladder symptoms after ketamine for depression: a systematic review",
        finding("Bladder symptoms were reported by 3 of 40 patients with depression treated with ketamine."),
        types=REVIEW,
        cites={ELSEWHERE: ""},
        year=2021,
    )
    (desk.home / "stored.xml").write_text(document(stored), encoding="utf-8")
    assert desk.run("load", str(desk.home / "stored.xml")).code == 0
    load(desk, citing)
    missed = {each["pmid"]: each for each in recall(desk)["missed"]}
    assert missed[ELSEWHERE]["stored"] and missed[ELSEWHERE]["words"] == "Ketamine for depression"
    # All of it is made again from the raw records.
    before = recall(desk)
    assert desk.run("rebuild").code == 0
    assert recall(desk) == before


@pytest.mark.parametrize("is_stopped", [False, True])
def test_what_a_job_stored_is_judged_even_if_it_was_stopped_before_its_end(
    desk: Desk, is_stopped: bool
) -> None:
    """MISSED is stored by a load that matches no question, and that, if stopped, never came to judge it."""
    stored = paper(
        MISSED,
        "A protocol of a trial of ketamine in pain",
        finding("Opioid use will be measured in people after surgery."),
    )
    (desk.home / "stored.xml").write_text(document(stored), encoding="utf-8")
    (desk.home / "cut.xml").write_text(document(stored)[:-200], encoding="utf-8")
    files = ["stored.xml", "cut.xml"] if is_stopped else ["stored.xml"]
    assert desk.run("load", *files).code == (2 if is_stopped else 0)
    if is_stopped:
        assert recall(desk)["about"] == 2
        load(desk, *PAPERS)
    # By its record it is about something else than its citation said.
    assert recall(desk)["about"] == 1


def test_methods_publish_it_with_denominator_and_interval(desk: Desk) -> None:
    page = html.fromstring(Site(desk).page("/methods"))
    (known,) = page.cssselect("#cystitis .known-items")
    words = " ".join(known.text_content().split())
    assert "1 of 2 about this question are here, 95 % interval 9 to 91 %" in words
    assert (
        "2 of 3 reviews in people treated have a reference list in PubMed. They cite 4 papers; 3 of them"
        in words
    )
    assert known.cssselect("li a")[0].get("href") == f"https://pubmed.ncbi.nlm.nih.gov/{MISSED}/"
    assert not page.cssselect("#tolerance .known-items")


def test_a_question_whose_reviews_have_no_reference_list_says_so(tmp_path: Path) -> None:
    shutil.copytree(QUERIES, tmp_path / "queries")
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    load(desk, PAPERS[2])
    done = desk.run("questions", "recall", "cystitis")
    assert (done.code, done.out) == (0, "")
    assert "no direct review with a reference list is stored" in done.err


def look(desk: Desk, key: str) -> str:
    process, ours = desk.start_at_terminal("questions", "recall", "cystitis", "--look")
    # What is typed before it waits for a key is dropped.
    while process.poll() is None:
        with suppress(OSError):
            os.write(ours, key.encode())
        time.sleep(0.2)
    done = finish(process)
    os.close(ours)
    assert done.code == 0, done.err
    return done.out


@pytest.mark.parametrize(
    "ending", ["", "live_seeds: {}\n", "live_seeds:\n  1: a note # with a comment\n\n# Below.\n"]
)
def test_by_one_key_a_missed_paper_becomes_a_seed_and_the_file_stays_as_it_was(
    desk: Desk, ending: str
) -> None:
    file = desk.queries / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    start, end = text.index("# Their titles are not known"), text.index("reading:")
    before = text[:start] + ending + text[end:]
    file.write_text(before, encoding="utf-8")
    if "{" in ending:
        assert desk.run("questions").code == 0
        ours = desk.run("questions", "recall", "cystitis", "--look")
        assert ours.code == 2 and "Only somebody at a terminal" in ours.err
        return
    assert "Added to cystitis.yml" in look(desk, "s")
    after = file.read_text(encoding="utf-8")
    assert yaml.safe_load(after)["live_seeds"][MISSED] == ""
    # Not a line of it is gone or moved.
    kept = iter(after.splitlines())
    assert all(line in kept for line in before.splitlines())
    assert len(after.splitlines()) - len(before.splitlines()) == (1 if ending else 2)
    assert desk.run("questions").code == 0
    assert "It is a seed already." in look(desk, "s")


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"), [(0, 0, 0, 1), (0, 10, 0, 0.278), (9, 10, 0.596, 0.982)]
)
def test_intervals_are_wilsons(part: int, whole: int, low: float, high: float) -> None:
    # The figures are those of Brown, Cai and DasGupta, doi:10.1214/ss/1009213286, for ten trials.
    assert Share(part, whole).interval == pytest.approx((low, high), abs=0.001)


# -- which words a search may lack -----------------------------------------------------------------


def test_words_of_relevant_records_that_the_search_does_not_ask_for_are_suggested(tmp_path: Path) -> None:
    shutil.copytree(QUERIES, tmp_path / "queries")
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    relevant = range(90030001, 90030009)
    others = range(90030011, 90030021)
    load(
        desk,
        *(
            paper(n, f"Ketamine and the bladder {n}", finding("Pelvic pain came with bladder pain."))
            for n in relevant
        ),
        *(
            paper(n, f"Ketamine and the bladder {n}", finding("Surgery of the bladder went well."))
            for n in others
        ),
    )
    add_person(desk, "ada", "tagger")
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.executemany(
            "insert into decisions (pmid, question, stage, person, decision, reason, decided) "
            "select ?, 'cystitis', 'title-abstract', id, ?, null, '2026-01-01T00:00:00Z' from people",
            [(n, "include") for n in relevant] + [(n, "exclude") for n in others],
        )
    done = desk.run("questions", "terms", "cystitis", "--json")
    found = json.loads(done.out)
    assert (found["relevant"], found["others"]) == (8, 10)
    terms = {each["term"]: each for each in found["terms"]}
    assert terms["pelvic pain"] == {"term": "pelvic pain", "field": "tiab", "relevant": 8, "others": 0}
    # What holds a word that is asked for would be found anyway; what speaks against a record is no suggestion.
    assert not any("bladder" in term or "surgery" in term for term in terms)
    assert "pelvic pain[tiab]" in desk.run("questions", "terms", "cystitis").out
