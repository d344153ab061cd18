"""A record's design is read from its own fields and words, or not at all."""

from importlib.resources import files

import pytest
import yaml
from tracker.reading.design import Rule, read_design, rules

from tracker.article import AbstractSection, Article, MeshHeading, Notice, Pmid, PublicationType, Text
from tracker.reading import read_labels
from tracker.reading.labels import Label

RULES = rules().rules
TEXT_RULES = [rule for rule in RULES if rule.pattern]


def record(title: str = "Ketamine.", abstract: str = "", **fields: object) -> Article:
    fields["publication_types"] = tuple(
        PublicationType(name, ui)
        for name, ui in fields.pop("types", [("Journal Article", "D016428")])  # type: ignore[attr-defined]
    )
    fields["mesh_headings"] = tuple(MeshHeading(name, ui, False) for name, ui in fields.pop("mesh", []))  # type: ignore[attr-defined]
    sections = (AbstractSection(None, None, Text(abstract, abstract)),) if abstract else ()
    return Article(pmid=Pmid(1), title=Text(title, title), abstract=sections, **fields)  # type: ignore[arg-type]


def design(article: Article) -> Label | None:
    return next((label for label in read_labels(article) if label.group == "design"), None)


RCT, REVIEW = ("Randomized Controlled Trial", "D016449"), ("Review", "D016454")
LETTER, COMMENT = ("Letter", "D016422"), ("Comment", "D016420")
IN, OF = (Notice("RetractionIn", Pmid(2), None),), (Notice("RetractionOf", Pmid(2), None),)
ANIMALS, MICE, HUMANS = ("Animals", "D000818"), ("Mice", "D051379"), ("Humans", "D006801")
TRIAL = "randomised controlled trial"
CASES = [
    ("the publication type of a trial", record(types=[RCT]), TRIAL),
    ("a type without its UI", record(types=[("Randomized Controlled Trial", None)]), TRIAL),
    ("a type renamed under the same UI", record(types=[("RCT", "D016449")]), TRIAL),
    ("a title in British spelling", record("A randomised trial of ketamine."), TRIAL),
    ("a title in American spelling", record("A randomized trial of ketamine."), TRIAL),
    ("a review whose title says more", record("A systematic review.", types=[REVIEW]), "systematic review"),
    ("a review with no more to say", record(types=[REVIEW]), "narrative review"),
    ("a comment, under its trial's title", record("A randomised trial.", types=[COMMENT]), "comment"),
    ("a letter with a case", record("Ketamine mania: a case report.", types=[LETTER]), "case report"),
    ("the protocol of a trial", record("Ketamine: protocol for a randomised trial."), "protocol"),
    ("a trial looked at again", record("Age: a post hoc analysis.", types=[RCT]), "secondary analysis"),
    ("animals without people", record(mesh=[ANIMALS, MICE]), "animal study"),
    ("animals with people", record(mesh=[ANIMALS, HUMANS]), None),
    ("a retraction notice", record(notices=OF), "notice"),
    ("a retracted trial keeps its design", record(types=[RCT], notices=IN), TRIAL),
    ("an abstract that says how", record(abstract="Ten people were randomly assigned."), TRIAL),
    ("others' trials", record(abstract="Randomised trials have shown benefit."), None),
    ("a wish for a trial", record(abstract="A randomised trial is needed."), None),
    ("nothing recognisable", record("Ketamine and the bladder."), None),
    ("an empty record", record(""), None),
]


@pytest.mark.parametrize(
    ("article", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_design_is(article: Article, expected: str | None) -> None:
    found = design(article)
    assert (found.value if found else None) == expected


def test_a_label_quotes_the_sentence_that_it_was_read_from() -> None:
    abstract = "Depression is bad. Ten people were randomly assigned to ketamine. It helped."
    label = design(record(abstract=abstract))
    assert label is not None
    assert label.basis == "abstract"
    assert label.quote == "Ten people were randomly assigned to ketamine."
    assert (label.rule, label.confidence) == ("rct-abstract", "medium")


def test_a_label_quotes_the_field_that_it_was_read_from() -> None:
    label = design(record(types=[RCT]))
    assert label is not None
    assert (label.basis, label.quote, label.confidence) == (
        "publication type",
        "Randomized Controlled Trial",
        "high",
    )


def test_the_level_goes_with_the_design_and_names_it() -> None:
    labels = {label.group: label.value for label in read_design(record(types=[RCT]))}
    assert labels == {
        "design": "randomised controlled trial",
        "evidence_level": "2 (randomised trial)",
    }


def test_a_design_that_the_table_does_not_rank_has_no_level() -> None:
    assert [label.group for label in read_design(record("A qualitative study."))] == ["design"]


def test_a_preprint_is_told_beside_its_design() -> None:
    labels = read_design(record("A randomised trial.", types=[("Preprint", "D000076942")]))
    assert {label.group: label.value for label in labels}["publication"] == "preprint"
    assert design(record("A randomised trial.", types=[("Preprint", "D000076942")])) is not None


def test_letters_that_grow_in_lower_case_do_not_shift_the_quote() -> None:
    label = design(record(abstract="İİİİ. People were randomly assigned to İ. End."))
    assert label is not None
    assert label.quote == "People were randomly assigned to İ."


@pytest.mark.parametrize("rule", TEXT_RULES, ids=lambda rule: rule.name)
def test_a_rule_fits_its_examples_and_not_its_counter_examples(rule: Rule) -> None:
    assert rule.examples
    for example in rule.examples:
        assert rule.match(example), example
        assert any(word in example.lower() for word in rule.terms), f"no word of the rule in {example!r}"
    for example in rule.not_examples:
        assert not rule.match(example), example


def test_every_rule_gives_a_source() -> None:
    data = yaml.safe_load((files("tracker.reading") / "rules/design.yml").read_text("utf-8"))
    assert {rule["source"] for rule in data["rules"]} == set(data["sources"])


def test_rules_have_names_of_their_own_and_levels_name_designs_that_exist() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert set(rules().levels) <= {rule.value for rule in RULES}
