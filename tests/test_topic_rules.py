"""The topic's own rules: their examples, and what whole records are read as."""

from __future__ import annotations

import pytest

from tracker.article import AbstractSection, Article, ArticleKey, Pmid, Text
from tracker.reading.engine import read
from tracker.reading.rules import Rule, all_rules
from tracker.reading.text import lower

pytestmark = pytest.mark.usefixtures("shipped_topic")

OURS = ("drug", "population", "exposure")
RULES = [rule for group in OURS for rule in all_rules()[group].rules]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_fits_its_examples_and_no_others(rule: Rule) -> None:
    assert all(rule.match(example) for example in rule.examples)
    assert not any(rule.match(example) for example in rule.not_examples)


@pytest.mark.parametrize("rule", [r for r in RULES if r.pattern], ids=lambda rule: rule.name)
def test_each_example_holds_a_word_that_the_rule_is_looked_up_by(rule: Rule) -> None:
    assert rule.examples
    for example in rule.examples:
        assert any(term in lower(example) for term in rule.terms), example


def values(title: str, abstract: str = "") -> dict[str, set[str]]:
    sections = (AbstractSection(None, None, Text(abstract, abstract)),) if abstract else ()
    labels = read(Article(pmid=Pmid(ArticleKey(1)), title=Text(title, title), abstract=sections))
    return {group: {label.value for label in labels if label.group == group} for group in OURS}


@pytest.mark.parametrize(
    ("title", "abstract", "drug", "population", "exposure"),
    [
        (
            "Ketamine for treatment-resistant depression",
            "",
            {"ketamine"},
            {"depression"},
            {"therapeutic"},
        ),
        (
            "Antidepressant doses of ketamine and memory in healthy volunteers",
            "",
            {"ketamine"},
            {"healthy"},
            {"challenge"},
        ),
        (
            "Depressive symptoms of chronic ketamine users",
            "",
            {"ketamine"},
            {"ketamine users"},
            {"recreational"},
        ),
        (
            "Ketamine for alcohol use disorder",
            "",
            {"ketamine"},
            {"substance use disorder"},
            {"therapeutic"},
        ),
        (
            "Ketamine anaesthesia for electroconvulsive therapy in depression",
            "",
            {"ketamine"},
            {"depression"},
            {"ect-anaesthesia"},
        ),
        (
            "Ketamine versus electroconvulsive therapy in bipolar depression",
            "",
            {"ketamine"},
            {"depression", "bipolar"},
            {"therapeutic"},
        ),
        (
            "Esketamine and depressive symptoms after major surgery",
            "Patients undergoing elective surgery were randomly assigned to esketamine or saline.",
            {"esketamine"},
            {"surgical"},
            {"anaesthesia"},
        ),
        (
            "Racemic ketamine against S-ketamine in adults with MDD",
            "",
            {"racemic ketamine", "esketamine"},
            {"depression"},
            {"therapeutic"},
        ),
        (
            "Psilocybin for depression",
            "He had failed lithium, ECT and intravenous ketamine.",
            set(),
            {"depression"},
            set(),
        ),
        (
            "Ketamine in rats",
            "Male rats were given ketamine in a model of depression.",
            {"ketamine"},
            set(),
            {"animal"},
        ),
    ],
)
def test_what_a_record_is_read_as(
    title: str, abstract: str, drug: set[str], population: set[str], exposure: set[str]
) -> None:
    assert values(title, abstract) == {"drug": drug, "population": population, "exposure": exposure}


def test_a_condition_that_patients_do_not_have_is_no_population() -> None:
    read_as = values("Ketamine for pain", "Adults with chronic pain without depression were randomised.")
    assert read_as["population"] == {"chronic pain"}
