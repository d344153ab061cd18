"""The nine further questions that the repository ships: records are sorted as docs/reading.md defines.

A question that queries/ no longer has is skipped, so that it may ask others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.test_directness import labels
from tests.test_findings import article
from tracker import topic
from tracker.questions import load_questions
from tracker.reading.directness import directness
from tracker.reading.engine import Record
from tracker.reading.findings import findings

QUERIES = Path(__file__).parents[1] / "queries"
BRIEFS = {question.slug: question.brief for question in load_questions(QUERIES) if question.brief}

TREATED = {"exposure": ["therapeutic"], "population": ["depression"]}
REPEATED, SINGLE = TREATED | {"regimen": ["repeated"]}, TREATED | {"regimen": ["single"]}
NASAL = TREATED | {"route": ["intranasal"]}
AT_RISK = {"exposure": ["therapeutic"], "population": ["depression", "suicidality"]}
BIPOLAR = {"exposure": ["therapeutic"], "population": ["bipolar", "depression"]}
OPERATED = {"exposure": ["anaesthesia"], "population": ["surgical"]}
VOLUNTEERS = {"exposure": ["challenge"], "population": ["healthy"]}
ANIMALS = {"exposure": ["animal"], "species": ["animals"]}
REVIEW = {"design": ["systematic review"]}
PROTOCOL = TREATED | {"design": ["protocol"]}

# (question, title, a result, labels, what it is)
CASES: list[tuple[str, str, str, dict[str, list[str]], str]] = [
    ("safety", "A trial", "Adverse events were more frequent.", REPEATED, "direct"),
    ("safety", "A trial", "Adverse events were more frequent.", SINGLE, "indirect"),
    ("safety", "A trial", "Adverse events were more frequent.", TREATED, "indirect"),
    ("safety", "A review", "Adverse events were more frequent.", TREATED | REVIEW, "direct"),
    ("safety", "Adverse events in psychiatric disorders", "Nausea came first.", REVIEW, "direct"),
    ("safety", "Reports to an agency", "Disproportionality told of adverse events.", {}, "direct"),
    ("safety", "A trial", "Adverse events were rarer.", OPERATED, "off"),
    ("safety", "A trial", "Adverse events were rare.", VOLUNTEERS, "indirect"),
    ("safety", "A trial", "Mood rose.", REPEATED, "off"),
    ("maintenance", "A trial", "Relapse came later with weekly doses.", TREATED, "direct"),
    ("maintenance", "A trial", "Relapse came later with weekly doses.", PROTOCOL, "indirect"),
    ("maintenance", "A trial", "Drinking relapse was rarer.", TREATED, "off"),
    ("maintenance", "A study", "Long-term potentiation rose.", ANIMALS, "off"),
    ("maintenance", "A trial", "Mood rose within a day.", TREATED, "off"),
    ("routes", "Intranasal ketamine in depression", "Mood rose.", NASAL, "direct"),
    ("routes", "A trial", "After intranasal ketamine mood rose.", NASAL, "direct"),
    (
        "routes",
        "A trial",
        "Intranasal ketamine and infusions both helped.",
        NASAL | {"route": ["IV", "intranasal"]},
        "indirect",
    ),
    ("routes", "A trial", "Oral antidepressants went on.", TREATED | {"route": ["IV"]}, "off"),
    ("routes", "Intranasal ketamine", "Children slept after intranasal ketamine.", OPERATED, "off"),
    ("suicidality", "A trial", "Suicidal ideation fell.", AT_RISK, "direct"),
    ("suicidality", "A trial", "Suicidal ideation fell.", TREATED, "indirect"),
    ("suicidality", "Ketamine for suicidal ideation", "It fell.", TREATED | REVIEW, "direct"),
    ("suicidality", "Ketamine at large", "Suicidal ideation fell.", AT_RISK | REVIEW, "indirect"),
    ("suicidality", "A trial", "Those with suicidal ideation were excluded.", OPERATED, "off"),
    ("response", "Predictors of response", "Age predicted response.", TREATED, "direct"),
    ("response", "A trial", "Baseline anxiety predicted less improvement.", TREATED, "direct"),
    ("response", "A trial", "Plasma metabolites were measured.", VOLUNTEERS, "indirect"),
    ("response", "A trial", "Psilocybin and ketamine: insight predicted response.", TREATED, "indirect"),
    ("response", "A trial", "Reward prediction error was smaller.", VOLUNTEERS, "off"),
    ("bipolar", "Ketamine in bipolar depression", "Mood rose.", BIPOLAR, "direct"),
    ("bipolar", "Ketamine in unipolar and bipolar depression", "Mood rose.", BIPOLAR, "indirect"),
    ("bipolar", "A trial", "Three had bipolar disorder.", TREATED, "indirect"),
    ("bipolar", "A trial", "Mood rose.", TREATED, "off"),
    (
        "other-disorders",
        "Ketamine for dementia: a case report",
        "Mood rose.",
        {"exposure": ["therapeutic"]},
        "direct",
    ),
    (
        "other-disorders",
        "Ketamine in schizophrenia",
        "Symptoms rose.",
        VOLUNTEERS | {"population": ["psychosis"]},
        "indirect",
    ),
    (
        "other-disorders",
        "A model of schizophrenia",
        "Gating fell in a model of schizophrenia.",
        VOLUNTEERS,
        "off",
    ),
    ("mechanisms", "Glutamate levels after ketamine", "They rose.", TREATED, "direct"),
    ("mechanisms", "A trial", "Plasma BDNF levels rose.", TREATED, "direct"),
    ("mechanisms", "Glutamate levels after ketamine", "They rose.", ANIMALS, "indirect"),
    ("mechanisms", "A trial", "Plasticity of functional connectivity on fMRI rose.", TREATED, "indirect"),
    ("mechanisms", "Mechanisms of PTSD", "Sleep was worse.", TREATED, "off"),
    ("access", "Cost-effectiveness of a spray", "It cost less.", TREATED, "direct"),
    ("access", "Telehealth for depression", "Mood rose with telehealth.", TREATED, "indirect"),
    ("access", "The drug approval of a spray", "It took years.", TREATED, "indirect"),
    ("access", "A trial", "Mood rose.", TREATED, "off"),
]


@pytest.mark.parametrize(("slug", "title", "text", "values", "value"), CASES)
def test_a_record_is_sorted_as_the_definitions_say(
    slug: str, title: str, text: str, values: dict[str, Any], value: str
) -> None:
    if slug not in BRIEFS:
        pytest.skip(f"queries/ has no {slug}")
    topic.use(QUERIES / "topic")
    record = Record(article(title, METHODS="Forty people took part.", RESULTS=text))
    brief = BRIEFS[slug]
    found = directness(record, findings(record, brief), brief, labels(**values))
    assert found.value == value, found.reason
