"""Every rule of every group of labels fits its own examples, is looked up by a word that they hold, has a source."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracker import topic
from tracker.reading.labels import groups
from tracker.reading.rules import Rule, all_rules, own_rules

SHIPPED = Path(__file__).parents[1] / "queries" / "topic"
pytestmark = pytest.mark.usefixtures("shipped_topic")

RULES = [(group, rule) for group, rules in all_rules().items() for rule in rules.rules]
TEXT_RULES = [(group, rule) for group, rule in RULES if rule.pattern]


def _name(value: object) -> str:
    return value.name if isinstance(value, Rule) else str(value)


@pytest.mark.parametrize(("group", "rule"), TEXT_RULES, ids=_name)
def test_a_rule_fits_its_examples_and_not_its_counter_examples(group: str, rule: Rule) -> None:
    assert rule.examples, f"{group}: {rule.name} has no example"
    for example in rule.examples:
        assert rule.match(example), example
    for example in rule.not_examples:
        assert not rule.match(example), example


@pytest.mark.parametrize(("group", "rule"), TEXT_RULES, ids=_name)
def test_each_example_holds_a_word_that_the_rule_is_looked_up_by(group: str, rule: Rule) -> None:
    for example in rule.examples:
        found = rule.match(example)
        assert found
        assert any(word in example.lower() for word in rule.terms), f"{group}: no word of it in {example!r}"


@pytest.mark.parametrize("group", all_rules())
def test_rules_of_a_group_have_names_of_their_own(group: str) -> None:
    names = [rule.name for rule in all_rules()[group].rules]
    assert sorted(names) == sorted(set(names))


def _sourced() -> Iterator[tuple[str, str | None, frozenset[str]]]:
    of_topic = topic.rules()
    for group in groups():
        for file in (of_topic.get(group), own_rules(group)):
            if file:
                yield from ((rule.name, rule.source, frozenset(file.sources)) for rule in file.rules)


@pytest.mark.parametrize(("name", "source", "sources"), list(_sourced()))
def test_every_rule_gives_a_source_that_its_file_explains(
    name: str, source: str | None, sources: frozenset[str]
) -> None:
    assert source in sources, name


def test_what_rules_need_are_values_of_groups_before_theirs() -> None:
    order = list(groups())
    values = {group: {rule.value for rule in rules.rules} for group, rules in all_rules().items()}
    for group, rule in RULES:
        conditions = [*rule.needs, *rule.without, *([rule.taken] if rule.taken else [])]
        for other, wanted in conditions:
            assert order.index(other) <= order.index(group), f"{group}: {rule.name}"
            assert other not in values or wanted <= values[other], (
                f"{group}: {rule.name}: {wanted - values[other]}"
            )


HOSTILE = (
    "a ",
    "- ",
    "  ",
    "1 ",
    "a-",
    ", ",
    "(",
    "randomised ",
    "patients with ",
    "this study ",
    "rats and ",
)


def test_no_text_takes_a_rule_long() -> None:
    """Records are hostile input: a process of its own tries each rule on long texts, and is given up on."""
    code = f"""
import sys
from pathlib import Path
from tracker import topic
from tracker.reading.rules import all_rules
topic.use(Path({str(SHIPPED)!r}))
for group, rules in all_rules().items():
    for rule in rules.rules:
        if rule.pattern:
            print(f"{{group}}: {{rule.name}}", flush=True)
            first = min(rule.terms)
            for piece in {HOSTILE!r}:
                rule.match(f"{{first}} {{piece * (5_000 // len(piece))}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(TEXT_RULES)


PIECES = (
    *(
        "patients with major, ",
        "healthy adult ",
        "ketamine and ",
        "users of ecstasy, ",
        "treatment of (a) ",
        "S (",
    ),
    *(
        "undergoing (b) ",
        "with ",
        "50 patients ",
        "aa ",
        "5, ",
        "5 to ",
        "n = 5 ",
        "(",
        "5 mg ketamine ",
        "0.5 - ",
    ),
    *(
        "50 patients were were were ",
        "follow up for the up to at least ",
        "healthy, ",
        " ",
        "memory ",
        "memory (AB) ",
    ),
    *(
        "no ",
        "cognitive control ",
        "1 of 2 of ",
        "further memory-",
        "primary ",
        "memory evidence ",
        "e.g. ",
        "A: ",
    ),
)


def test_no_text_takes_a_record_long() -> None:
    """Title and abstract are long rows of the same words, read in a process that is given up on."""
    code = f"""
from pathlib import Path
from tracker import topic
from tracker.article import AbstractSection, Article, Text
from tracker.questions import load_questions
from tracker.reading.directness import directness
from tracker.reading.engine import Record, read
from tracker.reading.findings import findings
topic.use(Path({str(SHIPPED)!r}))
briefs = [question.brief for question in load_questions(Path({str(SHIPPED.parent)!r}))]
for piece in {PIECES!r}:
    long = piece * (20_000 // len(piece))
    text = f"Memory was tested. {{long}} patients were randomised to ketamine 5 mg for 5 weeks and completed."
    title = f"Ketamine for depression, {{long}}"
    article = Article(pmid=1, title=Text(title, title), abstract=(AbstractSection(None, None, Text(text, text)),))
    record = Record(article)
    record.add(read(article))
    for brief in briefs:
        directness(record, findings(record, brief), brief)
    print(piece, flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(PIECES)
