"""Directness: how a record bears on a question, by the rules of its file, and why."""

from __future__ import annotations

import pytest

from tests.conftest import QUERIES
from tests.test_findings import article
from tracker.questions import load_questions
from tracker.reading.directness import Directness, directness
from tracker.reading.engine import Record
from tracker.reading.findings import findings
from tracker.reading.labels import Label

BRIEFS = {question.slug: question.brief for question in load_questions(QUERIES) if question.brief}


def labels(**values: list[str]) -> list[Label]:
    return [
        Label(group, value, "title", value, "test", 1, "high")
        for group, each in values.items()
        for value in each
    ]


def judged(slug: str, text: str, *, title: str = "A study", **values: list[str]) -> Directness:
    record = Record(article(title, METHODS="Forty people took part.", RESULTS=text))
    brief = BRIEFS[slug]
    return directness(record, findings(record, brief), brief, labels(**values))


TREATED = {"exposure": ["therapeutic"], "population": ["depression"]}
USERS = {"exposure": ["recreational"], "population": ["ketamine users"]}


# (question, sentence, labels, what it is): as the guide of the readers defines them.
CASES = [
    ("cognition", "Memory did not change.", TREATED, "direct"),
    ("cognition", "Memory was impaired.", USERS, "indirect"),
    ("cognition", "Memory was impaired.", {"exposure": ["challenge"], "population": ["healthy"]}, "indirect"),
    ("cognition", "Memory was stable.", {"exposure": ["therapeutic"], "population": ["ptsd"]}, "indirect"),
    ("cognition", "Memory was better.", {"exposure": ["anaesthesia"], "population": ["surgical"]}, "off"),
    (
        "cognition",
        "Memory was better.",
        {"exposure": ["ect-anaesthesia"], "population": ["depression"]},
        "off",
    ),
    ("cognition", "Mood was better.", TREATED, "off"),
    ("tolerance", "Tachyphylaxis was not seen.", TREATED, "direct"),
    ("tolerance", "Drug liking did not rise.", TREATED, "direct"),
    ("tolerance", "A third had a ketamine use disorder.", USERS, "indirect"),
    ("tolerance", "Self-administration rose.", {"exposure": ["animal"], "species": ["animals"]}, "indirect"),
    (
        "tolerance",
        "Craving fell.",
        {"exposure": ["therapeutic"], "population": ["substance use disorder"]},
        "off",
    ),
    (
        "tolerance",
        "Its abuse potential was low, and craving fell.",
        {"exposure": ["therapeutic"], "population": ["substance use disorder"]},
        "direct",
    ),
    ("cystitis", "No cystitis occurred.", TREATED, "direct"),
    ("cystitis", "Bladder capacity was low.", USERS, "indirect"),
    (
        "cystitis",
        "Bladder pain was rare.",
        {"exposure": ["pain"], "population": ["chronic pain"]},
        "indirect",
    ),
    ("cystitis", "The bladder wall was thin.", {"species": ["animals"], "exposure": ["animal"]}, "indirect"),
    ("cystitis", "Bladder discomfort was rare.", {"exposure": ["anaesthesia"]}, "off"),
    ("psychotherapy", "Ketamine with psychotherapy helped more.", TREATED, "direct"),
    ("psychotherapy", "Ketamine helped; they had psychotherapy before.", {"exposure": ["challenge"]}, "off"),
    ("psychotherapy", "Ketamine with mindfulness helped more.", TREATED, "indirect"),
]


@pytest.mark.parametrize(("slug", "text", "values", "value"), CASES)
def test_the_four_questions_are_judged_as_the_guide_defines_them(
    slug: str, text: str, values: dict[str, list[str]], value: str
) -> None:
    assert judged(slug, text, **values).value == value


def test_it_says_why_in_plain_words_and_by_which_rule() -> None:
    assert judged("cystitis", "No cystitis occurred.", **TREATED) == Directness(
        "direct",
        "people treated for depression or another psychiatric condition; bladder outcome reported or measured",
        "treated",
        1,
    )
    off = judged("cystitis", "Mood rose.", **TREATED)
    assert (off.rule, off.reason) == ("otherwise", "harm of ketamine to the bladder is not what it is about")


def test_a_notice_bears_on_nothing() -> None:
    found = judged("cystitis", "No cystitis occurred.", design=["notice"], **TREATED)
    assert (found.value, found.reason) == ("off", "a notice about another paper")


def test_what_only_the_conclusions_touch_on_is_indirect() -> None:
    record = Record(
        article("A trial", METHODS="They took part.", RESULTS="Mood rose.", CONCLUSIONS="Misuse was rare.")
    )
    brief = BRIEFS["tolerance"]
    found = directness(record, findings(record, brief), brief, labels(**TREATED))
    assert found.value == "indirect"


def test_the_records_own_labels_are_taken_where_none_are_given() -> None:
    record = Record(article("A study", METHODS="Ten took part.", RESULTS="No cystitis occurred."))
    brief = BRIEFS["cystitis"]
    before = directness(record, findings(record, brief), brief)
    record.add(labels(**TREATED))
    after = directness(record, findings(record, brief), brief)
    assert (before.value, after.value) == ("off", "direct")
