"""Directness: how a record bears on a question, by the rules of its file, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import QUERIES
from tests.test_findings import article, bare
from tracker.questions import load_questions
from tracker.reading.directness import Directness, directness
from tracker.reading.engine import Record
from tracker.reading.findings import findings
from tracker.reading.labels import Label

QUESTIONS = {question.slug: question for question in load_questions(QUERIES)}


def labels(**values: list[str]) -> list[Label]:
    return [
        Label(group, value, "title", value, "test", 1, "high")
        for group, each in values.items()
        for value in each
    ]


def judged(slug: str, text: str, *, title: str = "A study", **values: list[str]) -> Directness:
    record = Record(article(title, METHODS="Forty people took part.", RESULTS=text))
    question = QUESTIONS[slug]
    found = directness(record, findings(record, question), question, labels(**values))
    assert found is not None
    return found


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
    question = QUESTIONS["tolerance"]
    found = directness(record, findings(record, question), question, labels(**TREATED))
    assert found is not None and found.value == "indirect"


def test_the_records_own_labels_are_taken_where_none_are_given() -> None:
    record = Record(article("A study", METHODS="Ten took part.", RESULTS="No cystitis occurred."))
    question = QUESTIONS["cystitis"]
    before = directness(record, findings(record, question), question)
    record.add(labels(**TREATED))
    after = directness(record, findings(record, question), question)
    assert before is not None and after is not None
    assert (before.value, after.value) == ("off", "direct")


def test_a_question_without_rules_has_no_directness(tmp_path: Path) -> None:
    record, question = Record(article("Memory")), bare(tmp_path)
    assert directness(record, findings(record, question), question) is None
