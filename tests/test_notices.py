"""What has happened to a paper is told apart, and told in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, Desk
from tests.helpers_site import Site
from tracker.article import Article, Notice, Pmid, PublicationType, Text
from tracker.reading.notices import describe, flags, standing, title_rules, title_says


def record(*links: str, types: tuple[tuple[str, str | None], ...] = ()) -> Article:
    return Article(
        pmid=Pmid(1),
        title=Text("Ketamine.", "Ketamine."),
        notices=tuple(Notice(link, Pmid(2), None) for link in links),
        publication_types=tuple(PublicationType(*kind) for kind in types),
    )


RETRACTED_TYPE = (("Retracted Publication", "D016441"),)
CONCERN_TYPE = (("Expression of Concern", None),)
CASES = [
    ("nothing", record(), set()),
    ("citing is no news", record("Cites"), set()),
    ("a retraction", record("RetractionIn"), {"retracted"}),
    ("a retraction known by type alone", record(types=RETRACTED_TYPE), {"retracted"}),
    (
        "a retraction known by the type's name",
        record(types=(("Retracted Publication", None),)),
        {"retracted"},
    ),
    ("a retraction in part", record("PartialRetractionIn"), {"corrected"}),
    ("retracted and published anew", record("RetractedandRepublishedIn"), {"retracted", "republished"}),
    ("a concern", record("ExpressionOfConcernIn"), {"expression_of_concern"}),
    ("a concern known by type alone", record(types=CONCERN_TYPE), {"expression_of_concern"}),
    ("the notice of a concern", record("ExpressionOfConcernFor", types=CONCERN_TYPE), {"is_notice"}),
    ("an erratum", record("ErratumIn"), {"corrected"}),
    ("the notice of an erratum", record("ErratumFor"), {"is_notice"}),
    ("a notice known by type alone", record(types=(("Published Erratum", "D016425"),)), {"is_notice"}),
    ("an update", record("UpdateIn"), {"updated"}),
    ("an update of another", record("UpdateOf"), set()),
    ("a comment", record("CommentIn"), {"commented"}),
    ("a comment on another", record("CommentOn"), set()),
    ("corrected and published again", record("CorrectedandRepublishedIn"), {"corrected", "republished"}),
    (
        "several at once",
        record("CommentIn", "ErratumIn", "RetractionIn"),
        {"commented", "corrected", "retracted"},
    ),
]


@pytest.mark.parametrize(
    ("article", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_each_kind_raises_its_own_flag(article: Article, expected: set[str]) -> None:
    assert {name for name, raised in flags(article)._asdict().items() if raised} == expected


SENTENCES = [
    (
        Notice("RetractionIn", Pmid(32167152), "Biosci Rep. 2020 Mar 27;40(3):BSR. "),
        "Retracted: see Biosci Rep. 2020 Mar 27;40(3):BSR, PMID 32167152",
    ),
    (Notice("ErratumIn", None, "Lancet. 2020;1:2."), "Corrected: see Lancet. 2020;1:2"),
    (Notice("UpdateOf", Pmid(5), None), "Updates PMID 5"),
    (Notice("CommentIn", None, None), "Comment: see (no reference given)"),
    (Notice("ErratumIn", Pmid(5), None, "dosage error"), "Corrected: see PMID 5 (dosage error)"),
    (Notice("SomethingNewIn", Pmid(5), None), "SomethingNewIn: PMID 5"),
]


@pytest.mark.parametrize(("notice", "sentence"), SENTENCES)
def test_a_notice_is_one_plain_sentence(notice: Notice, sentence: str) -> None:
    assert describe(notice) == sentence


def test_of_what_was_loaded_no_page_says_that_pubmed_was_asked(tmp_path: Path) -> None:
    """Everywhere the same words: a file may be older than the day it was loaded."""
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    files = [str(FIXTURES / "pubmed" / name) for name in ("cystitis.xml", "retraction_with_notice.xml")]
    assert desk.run("load", "--match", "all", *files).code == 0
    retracted = desk.sql("select pmid from articles where retracted")
    assert retracted
    site = Site(desk)
    for (pmid,) in retracted:
        pages = [site.page(f"/articles/{pmid}"), desk.run("show", str(pmid)).out]
        pages += [site.page(f"/search?q={pmid}"), site.page(f"/articles/{pmid}")]
        for page in pages:
            assert "PubMed's status as in a file loaded" in page.replace("&#39;", "'")
            assert "PubMed's status as of" not in page.replace("&#39;", "'")


# -- what the title says ---------------------------------------------------------------------------

SAID = [(example, rule.value) for rule in title_rules() for example in rule.examples]
NOT_SAID = [(example, rule.name) for rule in title_rules() for example in rule.not_examples]


@pytest.mark.parametrize(("title", "value"), SAID)
def test_a_title_says_what_becomes_of_the_paper(title: str, value: str) -> None:
    assert title_says(title) == value


@pytest.mark.parametrize(("title", "name"), NOT_SAID)
def test_words_that_are_part_of_a_title_say_nothing(title: str, name: str) -> None:
    (rule,) = [rule for rule in title_rules() if rule.name == name]
    assert rule.pattern.search(title) is None


def titled(title: str, *links: str, types: tuple[tuple[str, str | None], ...] = ()) -> Article:
    return replace(record(*links, types=types), title=Text(title, title))


@pytest.mark.parametrize(
    ("article", "expected", "by_title"),
    [
        (titled("RETRACTED: A trial."), {"retracted"}, True),
        (titled("RETRACTED: A trial.", "RetractionIn"), {"retracted"}, False),
        (titled("RETRACTED: A trial.", types=RETRACTED_TYPE), {"retracted"}, False),
        (titled("WITHDRAWN: A review."), {"withdrawn"}, True),
        (titled("WITHDRAWN: A review.", "RetractionIn"), {"withdrawn", "retracted"}, True),
        (titled("Retracted: A trial.", "RetractionOf"), {"is_notice"}, False),
        (titled("Retracted: A trial.", types=(("Retraction of Publication", None),)), {"is_notice"}, False),
        (titled("Retraction: A trial."), {"is_notice"}, True),
        (titled("Expression of concern: A trial.", types=CONCERN_TYPE), {"is_notice"}, True),
        (titled("Retracted ketamine infusions.", "ErratumIn"), {"corrected"}, False),
    ],
)
def test_what_only_the_title_says_is_told_apart(article: Article, expected: set[str], by_title: bool) -> None:
    found = standing(article)
    assert {name for name, raised in found.flags._asdict().items() if raised} == expected
    assert found.by_title is by_title


@pytest.mark.parametrize(
    "word",
    ["[Retracted,", "(retracted;", "RETRACTED ", "- RETRACTED", "Expression of concern ", " ", "removed "],
)
def test_no_title_takes_long_to_read(word: str) -> None:
    title_says("x" + word * 20_000)
    title_says(word * 20_000)
