"""Findings: which sentences of an abstract answer a question, in what order, and what a record is silent about."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.reading import sets
from tests.conftest import QUERIES
from tracker.article import AbstractSection, Article, ArticleKey, MeshHeading, Pmid, Text
from tracker.query.vocabulary import fold_words
from tracker.questions import Question, load_question, load_questions
from tracker.reading.engine import Record
from tracker.reading.findings import Count, Findings, findings
from tracker.reading.outcomes import phrases, spans_in
from tracker.reading.text import RecordText, fold, lower

BRIEFS = {question.slug: question.brief for question in load_questions(QUERIES) if question.brief}
LABELS = {"BACKGROUND", "OBJECTIVE", "METHODS", "RESULTS", "CONCLUSIONS"}


def article(title: str, *headings: str, **sections: str) -> Article:
    """An article with these sections; ``text`` is an abstract without labels."""
    return Article(
        pmid=Pmid(ArticleKey(1)),
        title=Text(title, title),
        abstract=tuple(
            AbstractSection(
                label if label in LABELS else None, label if label in LABELS else None, Text(text, text)
            )
            for label, text in sections.items()
        ),
        mesh_headings=tuple(MeshHeading(name, None, False) for name in headings),
    )


def found(slug: str, title: str, *headings: str, **sections: str) -> Findings:
    return findings(Record(article(title, *headings, **sections)), BRIEFS[slug])


def sentences(slug: str, title: str, **sections: str) -> list[str]:
    """The findings' own words, in order."""
    record = Record(article(title, **sections))
    parts = {"title": record.text.title, "abstract": record.text.abstract}
    return [parts[each.part][each.start : each.end] for each in findings(record, BRIEFS[slug]).sentences]


# -- which sentences, in which order ---------------------------------------------------------------


def test_results_come_before_conclusions_and_no_difference_before_other_results() -> None:
    assert sentences(
        "cognition",
        "Ketamine for depression",
        OBJECTIVE="We aimed to study memory.",
        METHODS="Memory was measured by a list of words.",
        RESULTS="Attention to pictures rose. Memory improved (p = 0.03). There was no difference in cognition.",
        CONCLUSIONS="Ketamine improves memory.",
    ) == ["There was no difference in cognition.", "Memory improved (p = 0.03).", "Ketamine improves memory."]


def test_the_primary_result_of_a_trial_of_psychotherapy_comes_first_though_it_does_not_name_it() -> None:
    own = sentences(
        "psychotherapy",
        "Cognitive behavioral therapy to extend the effect of ketamine",
        METHODS="The primary outcome was relapse.",
        RESULTS=(
            "Twenty-eight patients were assigned. The group by time interaction was not significant. "
            "Psychotherapy gave a large effect on a second scale."
        ),
        CONCLUSIONS="Psychotherapy may prolong the effect of ketamine.",
    )
    assert own[0] == "The group by time interaction was not significant."
    assert own[1] == "Psychotherapy gave a large effect on a second scale."
    assert own[-1] == "Psychotherapy may prolong the effect of ketamine."


def test_what_goes_with_what_counts_only_where_no_result_says_more() -> None:
    aside = "Baseline memory correlated with response."
    assert sentences(
        "cognition", "Memory after ketamine", RESULTS=f"Memory improved (p = 0.03). {aside}"
    ) == ["Memory improved (p = 0.03)."]
    assert sentences("cognition", "Memory after ketamine", RESULTS=aside) == [aside]


def test_what_is_supposed_is_no_finding() -> None:
    assert not sentences(
        "psychotherapy",
        "Psychotherapy with ketamine",
        CONCLUSIONS="We speculate that psychotherapy improved the effect.",
    )


def test_a_finding_like_another_is_no_null_result() -> None:
    assert not sentences(
        "cognition",
        "Memory after ketamine in depression",
        METHODS="Memory was tested.",
        RESULTS="There was a similar finding in the front of the brain.",
    )


def test_who_took_part_is_no_finding_and_the_primary_outcome_comes_first() -> None:
    own = sentences(
        "psychotherapy",
        "Cognitive behavioral therapy (CBT) to sustain the effect of ketamine",
        METHODS="Responders to ketamine had CBT or usual care.",
        RESULTS=(
            "Fifty patients responded and were randomized to CBT or usual care. With a second scale there was an "
            "interaction in favour of CBT (p = 0.04). On the primary outcome measure the effect was not significant."
        ),
        CONCLUSIONS="CBT may sustain the effect of ketamine.",
    )
    assert [each.split()[0] for each in own] == ["On", "With", "CBT"]


def test_a_conclusion_never_stands_alone_where_results_are_given() -> None:
    own = sentences(
        "psychotherapy",
        "Ketamine with psychotherapy for alcohol use disorder",
        RESULTS="After six months 60% of the one group and 30% of the other were abstinent.",
        CONCLUSIONS="Ketamine with psychotherapy is promising.",
    )
    assert own == [
        "After six months 60% of the one group and 30% of the other were abstinent.",
        "Ketamine with psychotherapy is promising.",
    ]


def test_what_the_methods_declare_as_the_primary_outcome_is_followed_into_the_results() -> None:
    own = sentences(
        "psychotherapy",
        "Ketamine with psychotherapy for cocaine use",
        METHODS="The primary outcomes were abstinence and time to relapse.",
        RESULTS="Heart rate rose by 10%. Abstinence was reached by more people with it. Psychotherapy sessions rose.",
    )
    assert own == ["Psychotherapy sessions rose.", "Abstinence was reached by more people with it."]


@pytest.mark.parametrize(
    "sentence",
    [
        "Memory was assessed with a list of words.",
        "Previous studies have shown that ketamine impairs memory.",
        "Further studies of memory are needed.",
        "Effects on memory are discussed.",
        "Memory should be looked at.",
    ],
)
def test_what_is_no_result_is_no_finding(sentence: str) -> None:
    assert sentences("cognition", "Ketamine", METHODS="Forty people took part.", RESULTS=sentence) == []


def test_background_is_no_finding() -> None:
    assert not sentences(
        "cognition", "Ketamine", BACKGROUND="Ketamine impairs memory.", RESULTS="Mood improved."
    )


def test_a_review_without_sections_is_read_behind_its_aim() -> None:
    assert sentences(
        "cystitis",
        "Ketamine as a drug",
        text="Ketamine harms the bladder. We review its risks. At low doses bladder symptoms seem uncommon.",
    ) == ["At low doses bladder symptoms seem uncommon."]


def test_abbreviations_that_the_record_explains_are_followed() -> None:
    assert sentences(
        "cognition",
        "Ketamine and the brain",
        METHODS="We tested verbal working memory (WM) twice.",
        RESULTS="WM fell. WMX rose.",
    ) == ["WM fell."]


def test_words_that_mean_something_else_do_not_count() -> None:
    assert (
        found("tolerance", "Ketamine for alcohol dependence", RESULTS="Alcohol craving fell.").state
        == "not mentioned"
    )
    assert found("cognition", "Cognitive behavioral therapy and ketamine").state == "not mentioned"


def test_a_finding_carries_its_place_its_cue_and_its_side() -> None:
    record = Record(
        article("Ketamine", METHODS="It was taken often.", RESULTS="Craving rose. Tachyphylaxis was rare.")
    )
    first, second = findings(record, BRIEFS["tolerance"]).sentences
    assert (first.side, first.cue, first.section, first.part) == (
        "dependence",
        "Craving",
        "results",
        "abstract",
    )
    assert (second.side, second.cue) == ("fading", "Tachyphylaxis")
    assert record.text.abstract[second.start : second.end] == "Tachyphylaxis was rare."


def test_no_change_and_no_case_are_told_with_how_they_were_looked_for() -> None:
    record = Record(
        article(
            "Ketamine",
            METHODS="Doses were repeated. Memory was assessed with the N-back task. Memory was rated again later.",
            RESULTS="Memory did not change. Memory complaints were reported by two. Cognition improved.",
        )
    )
    unchanged, *others = findings(record, BRIEFS["cognition"]).sentences
    assert unchanged.is_null and unchanged.looked_for
    assert record.text.abstract[slice(*unchanged.looked_for)] == "Memory was assessed with the N-back task."
    assert [(each.is_null, each.looked_for) for each in others] == [(False, None), (False, None)]


@pytest.mark.parametrize(
    "methods",
    ["People with memory complaints were excluded.", "Mood was assessed weekly.", "Memory matters to many."],
)
def test_what_does_not_say_how_it_was_looked_for_is_not_taken_for_it(methods: str) -> None:
    (finding,) = findings(
        Record(article("Ketamine", METHODS=methods, RESULTS="No memory decline was seen.")),
        BRIEFS["cognition"],
    ).sentences
    assert finding.is_null and finding.looked_for is None


# -- the four states -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "state"),
    [
        ({"RESULTS": "Memory did not change."}, "result given"),
        ({"METHODS": "Memory was tested.", "RESULTS": "Mood rose."}, "measured, result not in the abstract"),
        ({"RESULTS": "Memory was not assessed."}, "said not to have been measured"),
        ({"RESULTS": "Trials did not report memory."}, "said not to have been measured"),
        ({"BACKGROUND": "Memory matters.", "RESULTS": "Mood rose."}, "not mentioned"),
        (
            {"METHODS": "People with memory complaints were excluded.", "RESULTS": "Mood rose."},
            "not mentioned",
        ),
        ({"RESULTS": "Patients did not report problems of memory."}, "result given"),
        ({"RESULTS": "Groups did not differ in the memory assessments."}, "result given"),
        ({"RESULTS": "Mood rose.", "CONCLUSIONS": "Memory remains to be studied."}, "not mentioned"),
    ],
)
def test_a_record_says_one_of_four_things(sections: dict[str, str], state: str) -> None:
    assert found("cognition", "Ketamine for depression", **sections).state == state


def test_a_heading_says_that_it_was_looked_at() -> None:
    account = found("cognition", "Ketamine for depression", "Ketamine", "Memory, Short-Term")
    assert account.state == "measured, result not in the abstract"
    assert account.sides[0].heading == "Memory, Short-Term"


def test_sides_have_states_of_their_own() -> None:
    account = found("tolerance", "Ketamine", METHODS="They came weekly.", RESULTS="Craving did not occur.")
    assert {side.name: side.state for side in account.sides} == {
        "fading": "not mentioned",
        "dependence": "result given",
    }
    assert account.state == "result given"


def bare(folder: Path, reading: str = "", line: str = "memory[tiab]") -> Question:
    path = folder / "memory.yml"
    path.write_text(
        "order: 1\ntitle: t\nquestion: q\nclaim: c\n"
        "pico: {population: p, intervention: i, comparison: c, outcome: o}\n"
        f"search:\n  outcome: >-\n    {line}\n  combine: outcome\n{reading}review: {{built_by: us}}\n"
    )
    return load_question(path)


# -- people ----------------------------------------------------------------------------------------


def test_the_number_that_reached_the_end_is_told_from_those_that_began() -> None:
    text = (
        "Of 802 enrolled patients, 580 (74.5%) of 779 patients who entered the first phase completed the phase, and "
        "150 (24.9%) of 603 who entered the second phase completed the phase. Memory was stable."
    )
    record = Record(article("Ketamine", RESULTS=text))
    reached = findings(record, BRIEFS["cognition"]).reached
    assert reached is not None and reached.number == 150
    assert record.text.abstract[reached.start : reached.end] == "150"


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("Memory fell in 12 of 40 patients.", 40),
        ("Of the 150 who completed, none had problems of memory.", 150),
        ("Memory loss was seen in 3/20 (15%).", 20),
        ("Memory was stable in 603 patients.", 603),
        ("Memory rose by 12 points.", None),
        ("Memory fell at 24 of 12 visits.", None),
    ],
)
def test_the_number_that_a_finding_is_about_is_quoted(sentence: str, number: int | None) -> None:
    record = Record(article("Ketamine", RESULTS=sentence))
    (finding,) = findings(record, BRIEFS["cognition"]).sentences
    assert (finding.about and finding.about.number) == number
    if isinstance(finding.about, Count):
        assert record.text.abstract[finding.about.start : finding.about.end] == str(number)


@pytest.mark.parametrize(
    "text", ["45 in the ketamine group completed the trial.", "80 patients completed the questionnaire."]
)
def test_one_arm_or_a_sitting_is_not_who_reached_the_end(text: str) -> None:
    assert found("cognition", "Ketamine", RESULTS=f"{text} Memory was stable.").reached is None


# -- words -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "text", "fits"),
    [
        ("memor*", "memories", True),
        ("memory", "memories", False),
        ("verbal|visual recall", "Visual recall", True),
        ("loss of ... effect", "loss of the first effect", True),
        ("loss of ... effect", "loss of effect", True),
        ("loss of ... effect", "loss of all of the good effect", False),
        ("self-association", "self association", True),
        ("recall", "precall", False),
        ("tolerance", "tolérance", True),
        ("finding", "\ufb01nding", True),
    ],
)
def test_phrases_are_looked_for_as_the_search_compares_words(phrase: str, text: str, fits: bool) -> None:
    record = RecordText(article(text))
    (wanted,) = phrases([phrase])
    assert bool(list(spans_in(record, wanted, 0))) is fits


@pytest.mark.parametrize(
    "text", ["Sjögren", "e\u0301tude", "\ufb01nd", "Größe", "plain", "≥ 5 µg", "İstanbul"]
)
def test_folding_agrees_with_the_search_and_leads_back(text: str) -> None:
    folded = fold(lower(text))
    assert fold_words(folded.text) == fold_words(text)
    assert [folded.before(folded.now(place)) for place in (0, len(text))] == [0, len(text)]


@pytest.mark.parametrize(
    ("line", "sentence", "fits"),
    [
        ('"verbal memory"[tiab:~2]', "Memory that was verbal fell.", True),
        ('"verbal memory"[tiab:~1]', "Memory that was very verbal fell.", False),
        ("memory[ti]", "Memory fell.", False),
        ("memory[tiab] AND verbal[tiab]", "Memory fell.", False),
        ("memory[tiab] AND verbal[tiab]", "Memory of verbal tasks fell.", True),
        ("memory[tiab] NOT foam[tiab]", "Memory foam fell.", False),
        ("memory[tiab] OR ketamine[mh]", "Memory fell.", True),
    ],
)
def test_a_line_is_read_as_a_search_reads_it(tmp_path: Path, line: str, sentence: str, fits: bool) -> None:
    reading = (
        "reading:\n  version: 1\n  otherwise: o\n  outcomes: {memory: {title: t, lines: [outcome]}}\n"
        "  directness: [{name: all, value: direct, reason: r}]\n"
    )
    brief = bare(tmp_path, reading, line).brief
    assert brief is not None
    assert bool(findings(Record(article("Title", RESULTS=sentence)), brief).sentences) is fits


# -- every record ----------------------------------------------------------------------------------


def test_every_finding_of_every_record_is_a_sentence_of_its_text() -> None:
    records = sets.records("ketamine") | sets.records("pubmed_real")
    if not records:
        pytest.skip("the real records are not beside this checkout")
    for each in records.values():
        record = Record(each)
        parts = {"title": record.text.title, "abstract": record.text.abstract}
        for brief in BRIEFS.values():
            account = findings(record, brief)
            for finding in account.sentences:
                words = parts[finding.part][finding.start : finding.end]
                assert words == words.strip() and finding.cue and finding.cue in words
                assert finding.about is None or parts[finding.about.part][finding.about.start].isdigit()
            assert (account.state == "result given") == bool(account.sentences)
