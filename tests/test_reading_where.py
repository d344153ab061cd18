"""How the drug was given, against what, where, and who paid: read from the record's own words, or not at all."""

import pytest

from tracker.article import AbstractSection, Affiliation, Article, Author, Grant, Pmid, PublicationType, Text
from tracker.reading import read_labels

pytestmark = pytest.mark.usefixtures("shipped_topic")


def record(title: str = "A study.", methods: str = "", **fields: object) -> Article:
    sections = (AbstractSection("METHODS", "METHODS", Text(methods, methods)),) if methods else ()
    return Article(pmid=Pmid(1), title=Text(title, title), abstract=sections, **fields)  # type: ignore[arg-type]


def values(article: Article, group: str) -> set[str]:
    return {label.value for label in read_labels(article) if label.group == group}


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("Patients received intravenous ketamine (0.5 mg/kg).", {"IV"}),
        ("Ketamine was given as six infusions.", {"IV"}),
        ("Patients were given a subcutaneous infusion of ketamine.", {"SC"}),
        ("Oral ketamine was compared with intravenous midazolam.", {"oral"}),
        ("Esketamine nasal spray plus a newly started oral antidepressant was given.", {"intranasal"}),
        ("Depression was diagnosed by DSM-IV.", set()),
        ("Wound infiltration with ketamine was done.", {"other"}),
    ],
)
def test_the_route_is_the_studied_drugs(methods: str, expected: set[str]) -> None:
    assert values(record(methods=methods), "route") == expected


@pytest.mark.parametrize(
    ("title", "methods", "expected"),
    [
        ("A single dose of ketamine", "", {"single"}),
        ("Ketamine", "Patients received six infusions over two weeks.", {"repeated"}),
        (
            "Ketamine",
            "They were given it twice weekly and then entered a maintenance phase.",
            {"maintenance"},
        ),
        ("Ketamine", "Methadone maintenance treatment was continued.", set()),
        ("Ketamine", "Mood was rated after 1 week.", set()),
    ],
)
def test_the_regimen_is_what_is_stated(title: str, methods: str, expected: set[str]) -> None:
    assert values(record(title, methods), "regimen") == expected


@pytest.mark.parametrize(
    ("title", "methods", "expected"),
    [
        ("Ketamine versus ECT for depression", "", {"ECT"}),
        ("Ketamine", "They were randomised to ketamine or placebo.", {"placebo"}),
        ("Ketamine", "They were randomised to ketamine or midazolam.", {"active placebo"}),
        ("Ketamine", "An active placebo was given.", {"active placebo"}),
        ("Ketamine: a case report", "", {"none"}),
        ("Ketamine: a case report", "He had been given placebo in a trial.", {"none"}),
        ("Ketamine", "Current users and drug-naive controls were tested.", {"no treatment or usual care"}),
    ],
)
def test_the_comparator_is_what_the_drug_was_compared_with(
    title: str, methods: str, expected: set[str]
) -> None:
    assert values(record(title, methods), "comparator") == expected


def test_no_comparison_is_told_only_where_nothing_else_was_read() -> None:
    open_label = "An open-label study"
    assert values(record(open_label, "Twenty outpatients received it."), "comparator") == {"none"}
    assert values(record(open_label, "They received ketamine or placebo."), "comparator") == {"placebo"}


@pytest.mark.parametrize(
    ("title", "methods", "expected"),
    [
        ("Ketamine", "Twelve inpatients and ten outpatients took part.", {"inpatient", "outpatient"}),
        ("Ketamine", "Patients of the Mayo Clinic were asked.", set()),
        ("Ketamine", "It was done at a university hospital.", set()),
        ("Ketamine at home", "Patients took lozenges at home.", {"home"}),
        ("Ketamine", "Healthy volunteers received a dose of ketamine.", {"laboratory"}),
        ("Ketamine in outpatients: a systematic review", "Studies of inpatients were included.", set()),
    ],
)
def test_the_setting_is_where_people_were(title: str, methods: str, expected: set[str]) -> None:
    assert values(record(title, methods), "setting") == expected


def grants(*agencies: str) -> dict[str, object]:
    return {"grants": tuple(Grant(None, None, agency, None) for agency in agencies)}


def authors(*affiliations: str) -> dict[str, object]:
    return {
        "authors": tuple(
            Author(last_name="Doe", affiliations=(Affiliation(text),))  # type: ignore[call-arg]
            for text in affiliations
        )
    }


UNIVERSITY = "Department of Psychiatry, University of Somewhere"
COMPANY = "Example Devices Inc., Somewhere"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (grants("NIMH NIH HHS"), {"public"}),
        (grants("Example Pharmaceuticals"), {"industry"}),
        (
            {"publication_types": (PublicationType("Research Support, N.I.H., Extramural", "D052061"),)},
            {"public"},
        ),
        ({"publication_types": (PublicationType("Research Support, Non-U.S. Gov't", "D013485"),)}, set()),
        ({"conflict_of_interest": "The authors declare no conflict of interest."}, set()),
        ({"conflict_of_interest": "This research received no external funding."}, {"none declared"}),
        ({"conflict_of_interest": "A.B. is an employee of Example Pharma Inc."}, {"industry"}),
        ({"conflict_of_interest": "A.B. has received speaker fees from Example Pharma Inc."}, set()),
        (authors(UNIVERSITY), set()),
        (authors(COMPANY), {"industry"}),
        (authors(COMPANY, UNIVERSITY), set()),
        (authors("Janssen Research & Development, LLC", UNIVERSITY), {"industry"}),
        (grants("NIMH NIH HHS") | {"conflict_of_interest": "He received no external funding."}, {"public"}),
    ],
)
def test_the_sponsor_is_who_paid(fields: dict[str, object], expected: set[str]) -> None:
    assert values(record(**fields), "sponsor") == expected  # type: ignore[arg-type]
