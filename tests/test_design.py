"""A record's design is read from its own fields and words, or not at all."""

import pytest

from tracker.article import AbstractSection, Article, MeshHeading, Notice, Pmid, PublicationType, Text
from tracker.reading import read_labels
from tracker.reading.engine import Record, fits
from tracker.reading.labels import Label
from tracker.reading.ranking import chances, weights, why, words_of
from tracker.reading.rules import Rule, all_rules, own_rules
from tracker.reading.text import RecordText

pytestmark = pytest.mark.usefixtures("shipped_topic")

RULES = all_rules()["design"].rules
TEXT_RULES = [rule for rule in RULES if rule.pattern]
LEVELS = all_rules()["evidence_level"].rules


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


def read_design(article: Article) -> list[Label]:
    """The design and what goes with it."""
    return [
        label for label in read_labels(article) if label.group in ("design", "evidence_level", "publication")
    ]


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
    file = own_rules("design")
    assert file is not None
    assert {rule.source for rule in file.rules} == set(file.sources)


def test_rules_have_names_of_their_own_and_levels_name_designs_that_exist() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(rule.taken and rule.taken[0] == "design" for rule in LEVELS)
    levelled = {value for rule in LEVELS if rule.taken for value in rule.taken[1]}
    assert levelled <= {rule.value for rule in RULES}


DESIGNS = [
    (
        "a registration of what will be done",
        "A study of one dose.",
        "Forty adults will receive one dose.",
        "protocol",
    ),
    (
        "a plan, randomised",
        "One dose for pain.",
        "This randomised trial will compare two doses. Participants will be assigned to one of them.",
        "protocol",
    ),
    ("fertilisation is no cells", "In vitro fertilization: a randomised trial.", "", TRIAL),
    ("cells", "Toxicity of one dose in SH-SY5Y cells.", "", "in vitro study"),
    (
        "trials as a subject",
        "A comparison of observational studies and randomised evidence.",
        "",
        "observational study",
    ),
    (
        "animals at random",
        "One dose and memory.",
        "Male rats were randomly assigned to one dose.",
        "animal study",
    ),
    (
        "animals that are pets",
        "Fatal dog attack.",
        "A case of an attack on a woman is presented.",
        "case report",
    ),
    ("an extension", "An open-label extension of a randomised trial.", "", "open-label trial"),
    ("a trial with an extension", "A randomised trial with an open-label extension.", "", TRIAL),
    ("a trial with an analysis of its own", "A randomised trial with a post hoc analysis.", "", TRIAL),
    ("no randomisation", "A non-randomised controlled trial.", "", "controlled trial"),
    (
        "what others did",
        "One dose and memory.",
        "Background: Patients were randomly assigned in the first trial. Methods: We tested forty people.",
        None,
    ),
    (
        "a review by its own word",
        "Doses.",
        "In this review, we discuss what is known of doses.",
        "narrative review",
    ),
    ("charts are no literature", "Doses.", "We reviewed the charts of 40 people.", None),
    (
        "users and controls",
        "Memory.",
        "Methods: Thirty users were compared with controls.",
        "cross-sectional study",
    ),
    ("looking back", "Doses.", "Methods: We retrospectively reviewed 40 patients.", "cohort study"),
]


@pytest.mark.parametrize(
    ("title", "abstract", "expected"), [case[1:] for case in DESIGNS], ids=[case[0] for case in DESIGNS]
)
def test_words_tell_a_design(title: str, abstract: str, expected: str | None) -> None:
    found = design(record(title, abstract))
    assert (found.value if found else None) == expected


NOTICES = [
    "Ketamine for depression: Corrigendum.",
    'Corrigendum to "Ketamine for depression"',
    "Correction to: Ketamine for depression.",
    "Erratum: Ketamine for depression",
    "Ketamine for depression. Erratum.",
    "Retraction: Ketamine for depression",
    "Expression of concern: Ketamine for depression",
]


@pytest.mark.parametrize("title", NOTICES)
def test_a_notice_is_no_evidence(title: str) -> None:
    reprinted = (
        "Methods: Forty patients with depression were randomly assigned to intravenous ketamine 0.5 mg/kg."
    )
    labels = read_labels(record(title, reprinted, types=[RCT], mesh=[HUMANS]))
    assert [(label.group, label.value) for label in labels] == [("design", "notice")]
    assert labels[0].quote == title


def test_a_notice_known_by_its_link_or_type_has_no_other_label() -> None:
    for article in (
        record("A randomised trial in patients.", notices=OF),
        record("A randomised trial in patients.", types=[("Published Erratum", "D016425"), RCT]),
    ):
        assert [(label.group, label.value) for label in read_labels(article)] == [("design", "notice")]


@pytest.mark.parametrize("title", ["RETRACTED: A randomised trial.", "A randomised trial [Retracted]."])
def test_a_retracted_paper_is_the_paper_itself(title: str) -> None:
    found = design(record(title))
    assert found is not None
    assert found.value == TRIAL


def only(group: str, article: Article) -> list[str]:
    return [label.value for label in read_labels(article) if label.group == group]


SPECIES = [
    ("both tags", record(mesh=[ANIMALS, HUMANS]), ["both"]),
    ("people", record(mesh=[HUMANS]), ["humans"]),
    ("animals", record(mesh=[ANIMALS, MICE]), ["animals"]),
    ("animals by name", record("One dose in mice."), ["animals"]),
    ("a trial", record(types=[RCT]), ["humans"]),
    ("a trial in animals", record(types=[RCT], mesh=[ANIMALS]), ["animals"]),
    ("cells of people", record("Toxicity in SH-SY5Y cells.", mesh=[HUMANS]), ["in vitro"]),
    ("a review of animals", record("One dose: a systematic review of animal studies."), ["animals"]),
    ("a review of both", record("A review.", "We review preclinical and clinical studies."), ["both"]),
    ("patients", record("Care of patients."), ["humans"]),
    ("nothing", record("Doses."), []),
]


@pytest.mark.parametrize(
    ("article", "expected"), [case[1:] for case in SPECIES], ids=[case[0] for case in SPECIES]
)
def test_the_species_is(article: Article, expected: list[str]) -> None:
    assert only("species", article) == expected


PROTOCOL = "Ketamine: protocol for a randomised trial."
CONTRADICTIONS = [
    (record(PROTOCOL, types=[RCT]), ["says randomised, but is a protocol"]),
    (
        record("Ketamine: a systematic review.", types=[RCT]),
        ["says systematic review, but NLM has it as a randomised trial"],
    ),
    (
        record("Open-label extension of a randomised trial."),
        ["says randomised, but is an open-label extension"],
    ),
    (record(PROTOCOL), []),
    (record("A randomised trial.", types=[RCT]), []),
]


@pytest.mark.parametrize(("article", "expected"), CONTRADICTIONS)
def test_what_does_not_go_together_is_kept(article: Article, expected: list[str]) -> None:
    assert only("contradiction", article) == expected


REVIEW_LIKE = record(
    "Management of panic disorder.",
    "Panic disorder is a common disorder in which therapy may be needed for many years. "
    "Its diagnosis is often difficult. Current treatment is discussed, new strategies are outlined, and the role of "
    "these therapies in clinical practice is considered. Clinicians should be aware of recent evidence.",
)


def test_weights_confirm_a_weak_rule_and_say_why() -> None:
    found = fits(Record(REVIEW_LIKE), "design")
    assert all(fit.rule.weak for fit in found)
    label = design(REVIEW_LIKE)
    assert label is not None
    assert label.value == "narrative review"
    assert label.quote
    words = words_of(RecordText(REVIEW_LIKE), (fit.rule.name for fit in found))
    reasons = why(words, "narrative review")
    assert reasons
    assert [abs(reason.weight) for reason in reasons] == sorted(
        (abs(r.weight) for r in reasons), reverse=True
    )
    assert {reason.word for reason in reasons} <= words


def test_weights_bring_no_design_without_words_of_a_rule() -> None:
    title = "Ketamine and the bladder."
    assert fits(Record(record(title)), "design") == []
    assert design(record(title)) is None


def test_chances_come_to_one_and_weights_name_designs_and_rules_that_exist() -> None:
    assert sum(chances({"mice", "title:rats", "*"}).values()) == pytest.approx(1)
    assert set(weights().designs) - {"other"} <= {rule.value for rule in RULES}
    named = {word.removeprefix("rule:") for word in weights().words if word.startswith("rule:")}
    assert named <= {rule.name for rule in RULES}
