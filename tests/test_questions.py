"""Question files: what they become, what is refused and how it is said, and those that we ship."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from lxml import etree

from tests.conftest import QUERIES
from tracker import topic
from tracker.article import Article, Pmid
from tracker.errors import UsageError
from tracker.pubmed.xml import parse_record
from tracker.query import codes, matches, parse, unknown_headings
from tracker.questions import InvalidQuestions, Question, check, json_schema, load_question, load_questions
from tracker.reading.brief import brief_of

ROOT = Path(__file__).parents[1]
KETAMINE = Path(__file__).parents[2] / "shared" / "data" / "ketamine.xml.gz"
# Those of the tests, on which much depends; and those of the repository, whichever they are today.
OURS = load_questions(QUERIES)
SHIPPED = load_questions(ROOT / "queries")

GOOD = """\
order: 3
title: Ketamine cystitis
question: Does it harm the bladder?
claim: A website says that it may.
pico: {population: people, intervention: ketamine, comparison: none, outcome: symptoms}
search:
  ketamine: ketamine[mh] OR ketamine[tiab]
  bladder: >-
    cystitis[mh] OR
    bladder[tiab]
  combine: ketamine AND bladder
seeds:
  32212278: What urologists need to know
live_seeds:
  22416998: ""
review: {built_by: us, reasons: [wrong drug]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(folder: Path, text: str | bytes, name: str = "cystitis.yml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(InvalidQuestions) as caught:
        load_question(path)
    return str(caught.value).replace(str(path), path.name).splitlines()


def test_a_file_becomes_a_question(folder: Path) -> None:
    question = load_question(write(folder, GOOD))
    assert question.slug == "cystitis"
    assert question.order == 3
    assert question.pico.intervention == "ketamine"
    assert [line.name for line in question.search] == ["ketamine", "bladder"]
    assert question.seeds == {Pmid(32212278): "What urologists need to know"}
    assert question.live_seeds == {Pmid(22416998): ""}
    assert question.recheck_days == 30
    assert question.review.reasons == ["wrong drug"] and not question.review.peer_reviewed
    assert question.bottom_line is None


def test_the_strategy_puts_each_line_in_parentheses_and_its_hash_is_sha256(folder: Path) -> None:
    question = load_question(write(folder, GOOD))
    assert question.strategy == "(ketamine[mh] OR ketamine[tiab]) AND (cystitis[mh] OR bladder[tiab])"
    assert question.strategy_hash == hashlib.sha256(question.strategy.encode()).hexdigest()


def test_line_breaks_and_comments_in_a_file_do_not_change_its_hash(folder: Path) -> None:
    before = load_question(write(folder, GOOD)).strategy_hash
    after = load_question(
        write(folder, "# note\n" + GOOD.replace("cystitis[mh] OR\n    bladder", "cystitis[mh] OR bladder"))
    )
    assert after.strategy_hash == before


def test_groups_in_combine_stay_as_they_are(folder: Path) -> None:
    text = GOOD.replace("ketamine AND bladder\n", "ketamine AND (bladder NOT (ketamine OR bladder))\n")
    ketamine, bladder = "(ketamine[mh] OR ketamine[tiab])", "(cystitis[mh] OR bladder[tiab])"
    strategy = load_question(write(folder, text)).strategy
    assert strategy == f"{ketamine} AND ({bladder} NOT ({ketamine} OR {bladder}))"


READING = """\
reading:
  version: 2
  outcomes:
    bladder:
      title: the bladder
      lines: [bladder]
      words: [urin*, pain ... voiding|micturition]
      except: [bladder catheter*]
  directness:
    - name: treated
      value: direct
      reason: people treated; bladder outcome reported
      labels: {exposure: [therapeutic], design: [cohort study]}
      without: {species: any}
      sides: [bladder]
    - name: rest
      value: indirect
      reason: others
  otherwise: not about the bladder
"""
WITH_READING = GOOD.replace("review:", f"{READING}review:")


def test_a_file_says_how_records_are_read_for_it(folder: Path) -> None:
    reading = load_question(write(folder, WITH_READING)).brief
    assert reading is not None and (reading.version, reading.otherwise) == (2, "not about the bladder")
    (side,) = reading.outcomes
    assert (side.name, side.title, side.names) == ("bladder", "the bladder", "outcome")
    assert side.queries == ("cystitis[mh] OR bladder[tiab]",)
    assert side.words == ("urin*", "pain ... voiding|micturition") and side.exceptions == (
        "bladder catheter*",
    )
    first, second = reading.rules
    assert (first.name, first.value, first.outcome) == ("treated", "direct", "any")
    assert dict(first.labels) == {"exposure": {"therapeutic"}, "design": {"cohort study"}}
    # Any value of a group is none in particular.
    assert dict(first.without) == {"species": frozenset()} and first.sides == {"bladder"}
    assert (second.labels, second.reason) == ((), "others")


def test_how_records_are_read_changes_nothing_of_the_search(folder: Path) -> None:
    before, after = load_question(write(folder, GOOD)), load_question(write(folder, WITH_READING))
    assert before.brief is None and after.strategy_hash == before.strategy_hash
    assert after.brief != load_question(write(folder, WITH_READING.replace("urin*", "urin"))).brief
    assert after.brief == load_question(write(folder, WITH_READING)).brief
    assert after.brief == brief_of(str(after.brief)), "what the database keeps of it says the same"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "lines: [bladder]",
            "lines: [blader]",
            'line 21: reading.outcomes.bladder.lines.0: "blader" is not a line of search. Did you mean "bladder"?',
        ),
        (
            "exposure: [ther",
            "expozure: [ther",
            'line 28: reading.directness.0.labels.expozure: "expozure" is not a group of labels. Did you mean "exp',
        ),
        ("{species: any}", "{animal: any}", '"animal" is not a group of labels. Known are design, '),
        ("sides: [bladder]", "sides: [kidney]", '"kidney" is not a side of the outcome. Known are bladder.'),
        ("name: rest", "name: treated", 'line 31: two rules are called "treated"; rename one'),
        ("value: direct", "value: maybe", 'line 26: reading.directness.0.value is "maybe"'),
        ("      reason: others\n", "", '"reading.directness.1.reason" is missing; add it'),
        ("  otherwise:", "  otherwis:", '"reading.otherwis" is not a field; did you mean "otherwise"?'),
        (
            "      words:",
            "      wurds:",
            '"reading.outcomes.bladder.wurds" is not a field; did you mean "words"?',
        ),
        ("sides: [", "side: [", '"reading.directness.0.side" is not a field; did you mean "sides"?'),
        ("[urin*,", "['(urin',", '"(urin" cannot be looked for; write up to ten words'),
        ("name: rest", "name: The rest", '"The rest" is not a name; use a-z'),
        ("version: 2", "version: 0", "reading.version is 0"),
    ],
)
def test_a_reading_that_cannot_be_used_is_refused_with_line_and_remedy(
    folder: Path, old: str, new: str, says: str
) -> None:
    assert old in READING
    found = problems(write(folder, WITH_READING.replace(old, new, 1)))
    assert any(says in line for line in found), found


def test_a_value_that_no_rule_gives_is_found_by_the_check(folder: Path) -> None:
    path = write(folder, WITH_READING.replace("cohort study", "cohort studie"))
    (problem,) = [each for each in check(load_question(path)) if each.code == "S003"]
    assert (problem.line, problem.severity) == (28, "error")
    assert problem.message.endswith('"cohort studie" is not a value of design. Did you mean "cohort study"?')
    assert not [each for each in check(load_question(write(folder, WITH_READING))) if each.code == "S003"]


def test_questions_come_by_order_and_then_by_name(folder: Path) -> None:
    write(folder, GOOD, "b.yml")
    write(folder, GOOD, "a.yml")
    write(folder, GOOD.replace("order: 3", "order: 1"), "z.yml")
    assert [question.slug for question in load_questions(folder)] == ["z", "a", "b"]


# (name, what is replaced in GOOD, by what, what the message says)
REFUSALS = [
    (
        "unknown line in combine",
        "combine: ketamine AND bladder",
        "combine: ketamine AND blader",
        'cystitis.yml line 11: search.combine names "blader", which is not a line of search. Did you mean "bladder"?',
    ),
    (
        "mixed combine",
        "ketamine AND bladder\n",
        "ketamine AND bladder OR ketamine\n",
        "cystitis.yml line 11: search.combine: AND and OR are mixed here",
    ),
    (
        "combine without operator",
        "ketamine AND bladder\n",
        "ketamine bladder\n",
        'line 11: search.combine lacks AND, OR or NOT between "ketamine" and "bladder"',
    ),
    (
        "operator in small letters",
        "ketamine AND bladder\n",
        "ketamine and bladder\n",
        "write AND in capitals",
    ),
    ("syntax in combine", "ketamine AND bladder\n", "ketamine AND bladder[tiab]\n", 'names "bladder[tiab]"'),
    ("unclosed combine", "ketamine AND bladder\n", "ketamine AND (bladder\n", 'this "(" is never closed'),
    ("combine names itself", "ketamine AND bladder\n", "ketamine AND combine\n", 'names "combine"'),
    ("no combine", "  combine: ketamine AND bladder\n", "", 'line 6: search has no "combine"'),
    ("missing field", "title: Ketamine cystitis\n", "", 'cystitis.yml: "title" is missing; add it'),
    ("missing part", "population: people, ", "", 'cystitis.yml line 5: "pico.population" is missing'),
    (
        "unknown field",
        "title: Ketamine",
        "titel: x\ntitle: Ketamine",
        'line 2: "titel" is not a field; did you mean "title"?',
    ),
    (
        "unknown part",
        "built_by: us",
        "built_by: us, dul: true",
        'line 16: "review.dul" is not a field; did you mean "dual"?',
    ),
    ("number for text", "title: Ketamine cystitis", "title: 12", "line 2: title is 12; it needs text"),
    ("text for number", "order: 3", "order: third", 'line 1: order is "third"'),
    ("nothing for text", "title: Ketamine cystitis", "title:", "line 2: title is null; it needs text"),
    ("empty text", "title: Ketamine cystitis", 'title: " "', "line 2: title is empty"),
    (
        "not a PMID",
        "  32212278:",
        "  PMC32212278:",
        "line 13: seeds.PMC32212278: 'PMC32212278' is not a PMID",
    ),
    ("PMID 0", "  32212278:", "  0:", "'0' is not a PMID"),
    (
        "seed without a title",
        "  32212278: What urologists need to know",
        "  32212278:",
        "line 13: seeds.32212278 is null; it needs text",
    ),
    ("line name", "  bladder: >-", "  Bladder line: >-", 'line 8: "Bladder line" cannot name a search line'),
    ("recheck_days", "order: 3", "order: 3\nrecheck_days: 0", "line 2: recheck_days is 0"),
    (
        "duplicate key",
        "title: Ketamine",
        "order: 4\ntitle: Ketamine",
        '"order" is given twice (first in line 1); keep one',
    ),
    (
        "duplicate seed",
        "  32212278: What",
        "  32212278: x\n  32212278: What",
        'line 14: "32212278" is given twice',
    ),
    ("tab", "  bladder: >-", "\tbladder: >-", "line 8: there is a tab here; indent with spaces"),
    ("not YAML", "title: Ketamine", "title: 'Ketamine", "this is not YAML"),
    (
        "alias",
        "title: Ketamine cystitis",
        "title: &a Ketamine cystitis",
        "anchors (&) and aliases (*) are not read",
    ),
    (
        "tag",
        "title: Ketamine cystitis",
        "title: !!python/object:os.system x\nx: !!python/name:os.system y",
        '"x" is not a field',
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "says"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS]
)
def test_a_refusal_names_file_line_field_and_remedy(folder: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    assert any(says in line for line in problems(write(folder, GOOD.replace(old, new, 1))))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "a question is a list of"),
        (b"- a\n- b\n", "a question is a list of"),
        (b"order: 1\ntitle: K\xe4tamin\n", "line 2: this is not UTF-8 text; save the file as UTF-8"),
        (b"order: 1\ntitle: \x00\n", "this is not YAML"),
        (b"order: 1\n" + b"#" * 300_000, "at most 262,144"),
        (b"a: " + b"[" * 5_000, "nested more than 8 deep"),
        (b"a: &a [x]\nb: *a\n", "line 1: anchors"),
    ],
    ids=["empty", "comment", "list", "latin-1", "control character", "huge", "deep", "bomb"],
)
def test_what_is_not_a_question_file_is_refused_plainly(folder: Path, content: bytes, says: str) -> None:
    assert any(says in line for line in problems(write(folder, content)))


def test_control_characters_of_a_file_never_reach_the_terminal(folder: Path) -> None:
    message = "".join(problems(write(folder, GOOD.replace("title:", '"\\e[31mtitle\\n":', 1))))
    assert "31mtitle" in message and message.isprintable()


@pytest.mark.parametrize("name", ["Cystitis.yml", "my question.yml", "-x.yml", "ü.yml"])
def test_a_file_name_that_cannot_be_an_address_is_refused_with_one_that_can(folder: Path, name: str) -> None:
    assert "the name may hold a-z, 0-9 and single hyphens; call it" in problems(write(folder, GOOD, name))[0]


def test_all_problems_of_all_files_are_reported_together(folder: Path) -> None:
    write(folder, GOOD.replace("order: 3", "order: third").replace("title: Ketamine cystitis\n", ""), "a.yml")
    write(folder, "", "b.yml")
    write(folder, GOOD, "c.yml")
    with pytest.raises(UsageError) as caught:
        load_questions(folder)
    assert len(str(caught.value).splitlines()) == 3
    assert [Path(problem.file).name for problem in caught.value.problems] == ["a.yml", "a.yml", "b.yml"]  # type: ignore[attr-defined]


def test_a_folder_without_questions_is_refused_with_the_remedy(folder: Path) -> None:
    for place, says in ((folder, "holds no question files"), (folder / "absent", "is not a folder")):
        with pytest.raises(UsageError, match=says) as caught:
            load_questions(place)
        assert "TRACKER_QUERIES" in str(caught.value)


def test_a_byte_order_mark_and_windows_line_ends_are_read(folder: Path) -> None:
    path = write(folder, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_question(path).strategy == load_question(write(folder, GOOD)).strategy


# (name, how the bladder line is written, code, line, column)
PLACES = [
    ("folded", "bladder: >-\n    cystitis[mh] OR\n    bladder[tiba]", "Q003", 10, 12),
    ("kept line ends", "bladder: |\n    cystitis[mh] OR\n    bladder[tiba]", "Q003", 10, 12),
    ("plain", "bladder: cystitis[mh] OR bladder[tiba]", "Q003", 8, 35),
    ("plain, two lines", "bladder: cystitis[mh] OR\n    bladder[tiba]", "Q003", 9, 12),
    ("double quotes", 'bladder: "\\"x y\\"[mh] OR bladder[tiba]"', "Q003", 8, 35),
    ("single quotes", "bladder: 'o''brien[au] OR bladder[tiba]'", "Q003", 8, 36),
]


@pytest.mark.parametrize(
    ("line", "code", "row", "column"), [case[1:] for case in PLACES], ids=[case[0] for case in PLACES]
)
def test_a_check_points_into_the_file(folder: Path, line: str, code: str, row: int, column: int) -> None:
    text = GOOD.replace("bladder: >-\n    cystitis[mh] OR\n    bladder[tiab]", line)
    found = [problem for problem in check(load_question(write(folder, text))) if problem.code == code]
    assert [(problem.line, problem.column, problem.field) for problem in found] == [
        (row, column, "search.bladder")
    ]
    assert found[0].effect and "did you mean [tiab]?" in found[0].message


def test_a_line_that_is_never_searched_is_found(folder: Path) -> None:
    found = check(load_question(write(folder, GOOD.replace("ketamine AND bladder\n", "ketamine\n"))))
    assert [(problem.code, problem.field, problem.severity) for problem in found] == [
        ("S001", "search.bladder", "warning")
    ]


COMMENTS = [
    ("behind a plain value", "bladder: cystitis[mh] # OR bladder[tiab]", [(8, 27)]),
    (
        "behind the last of two plain lines",
        "bladder: cystitis[mh] OR\n    bladder[tiab] # and more",
        [(9, 21)],
    ),
    ("on a line of its own", "# a remark\n  bladder: cystitis[mh]", []),
    ("within a block", "bladder: >-\n    cystitis[mh]", []),
    ("behind quotes", "bladder: 'cystitis[mh]' # a remark", []),
]


@pytest.mark.parametrize(
    ("line", "places"), [case[1:] for case in COMMENTS], ids=[case[0] for case in COMMENTS]
)
def test_text_that_yaml_drops_is_found(folder: Path, line: str, places: list[tuple[int, int]]) -> None:
    text = GOOD.replace("bladder: >-\n    cystitis[mh] OR\n    bladder[tiab]", line)
    found = check(load_question(write(folder, text)))
    assert [(problem.line, problem.column) for problem in found if problem.code == "S002"] == places


def test_the_schema_for_editors_is_current() -> None:
    assert (ROOT / "queries" / "schema.json").read_text(encoding="utf-8") == json_schema(), (
        "write what tracker.questions.json_schema() returns to queries/schema.json"
    )
    assert json.loads(json_schema())["properties"]["search"]["required"] == ["combine"]


@pytest.mark.parametrize("question", OURS, ids=lambda question: question.slug)
def test_a_question_of_the_tests_is_clean_and_says_that_a_claim_is_none(question: Question) -> None:
    # "use" and "of" in quotes are worth knowing, and meant. Labels' values are those of the shipped topic: see below.
    assert [problem for problem in check(question) if problem.code not in ("Q029", "S003")] == []
    assert unknown_headings(parse(question.strategy)) == []
    assert "not evidence" in question.claim


@pytest.mark.parametrize("question", OURS, ids=lambda question: question.slug)
def test_a_question_of_the_tests_asks_for_labels_that_the_shipped_rules_give(
    question: Question, shipped_topic: None
) -> None:
    """The tests' own topic has rules for a few values only, while its questions are written as the shipped ones are."""
    assert [problem for problem in check(question) if problem.code == "S003"] == []


@pytest.mark.parametrize("question", SHIPPED, ids=lambda question: question.slug)
def test_a_shipped_question_has_nothing_to_mend(question: Question) -> None:
    topic.use(ROOT / "queries" / "topic")
    assert [problem for problem in check(question) if problem.severity != "note"] == []


def test_the_lines_that_questions_share_are_the_same_everywhere() -> None:
    for name in ("ketamine", "depression"):
        assert len({query for question in OURS for line, query in question.search if line == name}) == 1


@pytest.fixture(scope="module")
def ketamine_records() -> dict[Pmid, Article]:
    if not KETAMINE.exists():
        pytest.skip("the real records are not beside this checkout")
    records = etree.fromstring(gzip.decompress(KETAMINE.read_bytes()))
    articles = [parse_record(etree.tostring(record, with_tail=False)) for record in records]
    return {article.pmid: article for article in articles}


@pytest.mark.parametrize("question", OURS, ids=lambda question: question.slug)
def test_some_seeds_are_among_the_real_records(
    question: Question, ketamine_records: dict[Pmid, Article]
) -> None:
    assert len(question.seeds.keys() & ketamine_records.keys()) >= 4


@pytest.mark.parametrize(
    "question", [*OURS, *SHIPPED], ids=lambda question: f"{question.path.parts[-3]}-{question.slug}"
)
def test_every_seed_among_the_real_records_is_found(
    question: Question, ketamine_records: dict[Pmid, Article]
) -> None:
    topic.use(question.path.parent / "topic")
    node = parse(question.strategy)
    here = question.seeds.keys() & ketamine_records.keys()
    assert {pmid for pmid in here if not matches(node, ketamine_records[pmid])} == set()


def test_the_guide_explains_every_code() -> None:
    guide = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    for code, rule in codes().items():
        assert f"| {code} | {rule.severity} | {rule.title} |" in guide, code
