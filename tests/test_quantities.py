"""How many people and studies, how long and how much: read with the exact words, or not at all."""

import pytest

from tracker.article import AbstractSection, Article, Pmid, PublicationType, Text
from tracker.reading import read_labels
from tracker.reading.labels import Label
from tracker.reading.quantities import doses, durations, number
from tracker.reading.rules import Rule, all_rules

pytestmark = pytest.mark.usefixtures("shipped_topic")

RCT, REVIEW = ("Randomized Controlled Trial", "D016449"), ("Systematic Review", "D000078182")
CASE, NARRATIVE, ANIMALS = ("Case Reports", "D002363"), ("Review", "D016454"), ("animals", "")


def record(
    text: str, kind: tuple[str, str] | None = None, title: str = "Ketamine.", label: str = "METHODS"
) -> Article:
    types = (PublicationType(*kind),) if kind else ()
    section = AbstractSection(label, label, Text(text, text))
    return Article(pmid=Pmid(1), title=Text(title, title), abstract=(section,), publication_types=types)


def read(group: str, article: Article) -> list[Label]:
    return [label for label in read_labels(article) if label.group == group]


RULES = [
    rule for group in ("participants", "studies", "follow_up", "dose") for rule in all_rules()[group].rules
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_fits_its_examples_and_not_its_counter_examples(rule: Rule) -> None:
    assert rule.examples
    for example in rule.examples:
        assert rule.match(example), example
        assert any(word in example.lower() for word in rule.terms), f"no word of the rule in {example!r}"
    for example in rule.not_examples:
        assert not rule.match(example), example


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("24", 24),
        ("1,286", 1286),
        ("1\u2009286", 1286),
        ("seven", 7),
        ("Twenty-one", 21),
        ("forty four", 44),
        ("One hundred and eighty-six", 186),
        ("two hundred", 200),
        ("a hundred", 100),
        ("patients", None),
        ("", None),
    ],
)
def test_numbers_are_read_in_digits_and_words(words: str, value: int | None) -> None:
    assert number(words) == value


PEOPLE = [
    ("A total of 71 patients were randomised to three groups.", 71),
    ("Ninety\u2010two participants aged 21\u201070 will be randomised.", 92),
    ("One hundred and eighty-six adults were enrolled.", 186),
    ("We enrolled 9,385 of 15,818 women screened.", 9385),
    ("We enrolled 1\u2009286 women.", 1286),
    ("Ninety-six patients were enrolled and 91 patients were randomised.", 91),
    ("Of 97 screened, 62 were randomised.", 62),
    ("In total, 67 (45 women) of 68 randomised patients received treatment.", 68),
    ("Students (n = 37) were randomly assigned to two courses.", 37),
    ("Adults (N\u00a0=\u00a0230) with depression received four infusions.", 230),
    ("The drug (n = 24) was compared with placebo (n = 26).", 50),
    ("Parents (n=120) were in the course group (n=60) or the control group (n=60).", 120),
    (
        "They received the drug (Cohort 1 n = 33; Cohort 2 n = 53) or placebo (Cohort 1 n = 35; Cohort 2 n = 53).",
        174,
    ),
    ("Fifty-one current users, 49 former users, and 100 healthy controls were recruited.", 200),
    (
        "We enrolled 64 patients (53 with and 11 without psychosis), 37 patients with mania, and 80 controls.",
        181,
    ),
    ("We examined 15 moderate, 23 heavy and 16 former users.", 54),
    ("Nineteen heavy users; 19 light users; and 19 controls were examined.", 57),
    ("Thirty-four users who were in treatment and 19 non-users were scanned.", 53),
    ("130 volunteers, of whom 29 were users, were assessed.", 130),
    ("Infusions were given to ten in-patients.", 10),
    ("Volunteers (placebo) in 30 participants with depression were compared.", 30),
    ("Thirty type 2 diabetic patients took part.", 30),
    ("We studied 534 6- to 10-year-old urban children.", 534),
    ("In a phase 2 trial, 30 patients were studied.", 30),
    ("Patients of ASA grade 1 or 2 were asked. A sample of 40 adults was seen.", 40),
    ("We plan a sample size of 400 (200 per group).", 400),
    ("Patients (60 years or older) were studied.", None),
    ("More than 900 people were surveyed.", None),
    ("Between 2010 and 2020 patients were treated.", None),
    ("Responders (n = 12) differed from others (n = 11).", None),
    ("Patients were given 50 mg.", None),
    ("Two weeks later patients improved.", None),
]


@pytest.mark.parametrize(("text", "value"), PEOPLE)
def test_people_are_counted(text: str, value: int | None) -> None:
    labels = read("participants", record(text))
    assert [label.number for label in labels] == ([] if value is None else [value])
    for label in labels:
        assert label.value == str(value)
        assert label.start is not None
        assert record(text).abstract_text[label.start : label.end] == label.quote


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("Seven patients with mania were given it.", "Seven patients"),
        ("It was given to 24 patients and 26 controls.", "24 patients and 26 controls"),
        ("A total of 71 patients were seen.", "total of 71 patients"),
    ],
)
def test_a_count_quotes_the_words_that_say_it(text: str, quote: str) -> None:
    (label,) = read("participants", record(text))
    assert label.quote == quote


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Nine trials comprising 812 patients were included.", REVIEW, 812),
        ("We included seven studies, with a total of 310 patients.", REVIEW, 310),
        ("One new study (185 participants) was identified.", REVIEW, None),
        ("An earlier trial treated 407 patients.", NARRATIVE, None),
        ("We treated a 45-year-old man.", CASE, 1),
        ("We report two patients who improved.", CASE, 2),
    ],
)
def test_people_of_reviews_and_cases(text: str, kind: tuple[str, str], value: int | None) -> None:
    labels = read("participants", record(text, kind, label="RESULTS"))
    assert [label.number for label in labels] == ([] if value is None else [value])


def test_what_was_known_before_counts_nobody() -> None:
    assert not read(
        "participants",
        record("A trial randomised 40 patients in 2010, as was published previously.", label="BACKGROUND"),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Twenty-eight studies in 35 publications were included.", 28),
        ("We included a total of three studies.", 3),
        ("We identified three trials, eight open-label trials, and 30 case series and reports.", 41),
        ("We found 264 articles, 17 of which met our criteria.", 17),
        ("118 records were identified, and 11 studies met the criteria.", 11),
        ("From 617 items, only 12 articles were obtained.", 12),
        ("The included studies (n = 29) were small.", 29),
        ("We screened 900 records.", None),
    ],
)
def test_included_studies_are_counted(text: str, value: int | None) -> None:
    labels = read("studies", record(text, REVIEW, label="RESULTS"))
    assert [label.number for label in labels] == ([] if value is None else [value])


def test_only_reviews_include_studies() -> None:
    assert not read("studies", record("Two studies were included.", RCT))


@pytest.mark.parametrize(
    ("text", "value", "days"),
    [
        ("Patients were followed for 12 months.", "12 months", 12 * 30.44),
        ("Relapse was monitored in a 24-week follow-up.", "24 weeks", 168),
        ("The total follow-up time will be 6 months.", "6 months", 6 * 30.44),
        ("Mood was rated at 3, 7, and 90 days post-surgery.", "90 days", 90),
        ("Ratings were made in week 1 and months 1, 2, and 3.", "month 3", 3 * 30.44),
        ("They were treated for 3-5 weeks.", "3-5 weeks", 35),
        ("Ratings were made at 24 and 72\u200ahours after infusion.", "72 hours", 3),
        ("Six infusions were given over four weeks, and ratings 2 h after each.", "4 weeks", 28),
        ("The study went on for up to 1 year.", "1 year", 365.25),
        ("At one-month follow-up they were well.", "1 month", 30.44),
        ("We took in patients aged 18 to 65 years.", None, None),
        ("A 45-year-old man was seen.", None, None),
        ("He had a 10-year history of depression.", None, None),
        ("Use in the past 12 months was asked for.", None, None),
        ("The half-life is 3 hours.", None, None),
        ("It was given every 2 weeks.", None, None),
        ("They were infused over 40 minutes.", None, None),
    ],
)
def test_the_longest_follow_up_is_read(text: str, value: str | None, days: float | None) -> None:
    labels = read("follow_up", record(text))
    assert [label.value for label in labels] == ([] if value is None else [value])
    assert [label.number for label in labels] == ([] if days is None else [pytest.approx(days)])


def test_durations_are_days() -> None:
    assert [days for _, _, days in durations("2 weeks, 1 year, day 28")] == [14, 365.25, 28]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Ketamine 0.5 mg/kg was given.", ["0.5 mg/kg"]),
        ("Ketamine (.41 mg/kg or .71 mg/kg) was given.", ["0.41 mg/kg", "0.71 mg/kg"]),
        ("Ketamine 0.4 mg kg(-1) was given.", ["0.4 mg/kg"]),
        ("Ketamine (0.4, 0.8 mg kg\u207b\u00b9) was given.", ["0.4 mg/kg", "0.8 mg/kg"]),
        ("Ketamine 0.5 to 1.0 mg/kg was given.", ["0.5-1 mg/kg"]),
        ("Ketamine 0,5 mg/kg was given.", ["0.5 mg/kg"]),
        ("Esketamine 28-mg, 56-mg, or 84-mg was given.", ["28 mg", "56 mg", "84 mg"]),
        ("Esketamine (56 or 84 mg) was given.", ["56 mg", "84 mg"]),
        ("Ketamine 0.5 mg per kilogram was given.", ["0.5 mg/kg"]),
        ("Ketamine 0.10, 0.40, and 0.60 mg/kg/hr was given.", ["0.1 mg/kg/h", "0.4 mg/kg/h", "0.6 mg/kg/h"]),
        ("They got ketamine (0.5 mg/kg) or midazolam (0.045 mg/kg).", ["0.5 mg/kg"]),
        ("They got 0.045 mg/kg midazolam or 0.5 mg/kg ketamine.", ["0.5 mg/kg"]),
        ("They got ABC-1234 (75 and 150 mg) or ketamine (0.5 mg/kg).", ["0.5 mg/kg"]),
        ("They got 0.5 mg/kg over 40 minutes.", ["0.5 mg/kg"]),
        ("Ketamine levels were 12 mg/ml.", []),
        ("Pain relief took 6.8 \u00b1 3.2 mg of ketamine.", []),
    ],
)
def test_doses_of_the_drug_are_read(text: str, values: list[str]) -> None:
    labels = read("dose", record(text))
    assert [label.value for label in labels] == values
    assert all(label.quote in text for label in labels)


def test_doses_of_any_drug_are_found() -> None:
    assert [dose.values for dose in doses("LSD 100 \u03bcg, then 20 mg/70 kg")] == [
        ("100 \u00b5g",),
        ("20 mg/70 kg",),
    ]
