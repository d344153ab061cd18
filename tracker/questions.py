"""The questions that are watched: ``queries/*.yml``, one file per question, read and checked.

A file is read in four steps: as text, as YAML, against the models below, and then as searches. Each
problem names the file, the line, the field, what was found and the remedy, and all problems of all files
are reported together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, Field

from tracker.article import MAX_PMID, Pmid, given_pmid, parse_pmid
from tracker.datafile import (
    FAST_LOADER,
    MAX_BYTES,
    InvalidFiles,
    Part,
    Place,
    Problem,
    Reader,
    line_and_column,
    schema_of,
)
from tracker.errors import UsageError
from tracker.query import lint
from tracker.reading.brief import TREATED, Brief, Conditions, DirectnessRule, Evidence, Outcome, Verdict
from tracker.regular import read_regular
from tracker.strategy import OPERATORS, SearchLine, Strategy

if TYPE_CHECKING:
    from tracker.topic.shapes import QuestionGroup

SCHEMA = "schema.json"
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
DEFAULT_RECHECK_DAYS = 30

_LINE_NAME = r"^[a-z][a-z0-9_-]*$"
_COMMENT = re.compile(r"[ \t]+#[ \t]*([^\n]*)")

# The shape of a file. Its JSON Schema is queries/schema.json, for editors.


def _as_pmid(key: object) -> object:
    return given_pmid(key) if isinstance(key, str | int) else key


Prose = Annotated[str, Field(min_length=1)]
SeedPmid = Annotated[int, BeforeValidator(_as_pmid), Field(ge=1, le=MAX_PMID)]
LineName = Annotated[str, Field(pattern=_LINE_NAME)]


class Pico(Part):
    """The question taken apart: whom, what, against what, measured by what."""

    population: Prose
    intervention: Prose
    comparison: Prose
    outcome: Prose


class Review(Part):
    """How the strategy came about, and how its records are to be screened."""

    built_by: Prose
    peer_reviewed: bool = False
    dual: bool = False
    reasons: list[Prose] = Field(default=[], description="Reasons for excluding a record")
    hide_labels: bool = Field(
        default=False,
        description="Whether labels, directness and findings are hidden from those who screen, until they show them",
    )
    updated_from: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = Field(
        default=None,
        description="First day of the current update of a living review; what was decided before is its last version",
    )


class PrismaS(Part):
    """What the report of the search (PRISMA-S) has to say and only people know; the log answers the rest.

    On items that the log answers, it is added to what the log says.
    """

    databases: Prose | None = Field(default=None, description="Item 1: other databases that you searched")
    platform: Prose | None = Field(
        default=None, description="Item 2: databases that you searched together on one platform"
    )
    registries: Prose | None = Field(default=None, description="Item 3: study registries that you searched")
    browsing: Prose | None = Field(
        default=None, description="Item 4: websites, journals and other places that you looked through"
    )
    citation_searching: Prose | None = Field(
        default=None, description="Item 5: whether you followed references or citing papers, and how"
    )
    contacts: Prose | None = Field(
        default=None, description="Item 6: authors, experts or manufacturers whom you asked"
    )
    other_methods: Prose | None = Field(
        default=None, description="Item 7: any other way in which you searched"
    )
    strategies: Prose | None = Field(
        default=None, description="Item 8: the strategies of other databases, line by line as they were run"
    )
    limits: Prose | None = Field(
        default=None, description="Item 9: limits of the search, and why they are there"
    )
    filters: Prose | None = Field(
        default=None, description="Item 10: published search filters that you used or changed, with citations"
    )
    prior_work: Prose | None = Field(
        default=None, description="Item 11: earlier reviews whose strategies you took over or adapted"
    )
    updates: Prose | None = Field(
        default=None, description="Item 12: how you update the searches beside this one"
    )
    deduplication: Prose | None = Field(
        default=None, description="Item 16: how you removed duplicates between databases"
    )


class Trials(Part):
    """What is looked for among registered trials: any of the conditions, and any of the interventions."""

    conditions: list[Prose] = Field(
        default=[], description="Conditions, as ClinicalTrials.gov's field has them"
    )
    interventions: list[Prose] = Field(default=[], description="Treatments")

    @property
    def terms(self) -> dict[str, str]:
        """The search, as parameters of ClinicalTrials.gov's API."""
        parts = {"query.cond": self.conditions, "query.intr": self.interventions}
        return {name: " OR ".join(map(_phrase, words)) for name, words in parts.items() if words}


def _phrase(words: str) -> str:
    """Words that belong together; an expression with operators of the registry's is left as it is."""
    if re.search(r'"| (AND|OR|NOT) ', words):
        return f"({words})"
    return f'"{words}"' if " " in words else words


class BottomLine(Part):
    """What people conclude, and from which records; it goes stale when newer ones come."""

    text: Prose
    author: Prose
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    pmids: list[SeedPmid]


Phrase = Annotated[
    str,
    Field(
        pattern=r"^(?:\.\.\.|[\w'/-]+\*?(?:\|[\w'/-]+\*?)*)(?: (?:\.\.\.|[\w'/-]+\*?(?:\|[\w'/-]+\*?)*)){0,9}$",
        description="Words; a|b is either, * any ending, ... up to three words",
    ),
]
Values = Literal["any"] | Annotated[list[Prose], Field(min_length=1)]


class OutcomePart(Part):
    """One side of the question's outcome: what counts as naming it."""

    title: Prose = Field(description="Its name on pages")
    lines: Annotated[list[LineName], Field(min_length=1)] = Field(
        description="Lines of the search that name it"
    )
    words: list[Phrase] = Field(
        default=[], description="Further words that name it, too broad for the search"
    )
    exceptions: list[Phrase] = Field(
        default=[], alias="except", description="Phrases in which its words mean something else"
    )
    names: Literal["outcome", "treatment"] = Field(
        default="outcome",
        description="Whether the lines name the outcome, or the treatment whose outcome is asked for",
    )


class DirectnessPart(Part):
    """One rule: what a record must have been read as for it to bear on the question in this way."""

    name: LineName
    value: Verdict
    reason: Prose = Field(description="In plain words, as pages show it")
    labels: dict[Prose, Values] = Field(
        default={}, description="Group: values, one of which the record must have"
    )
    without: dict[Prose, Values] = Field(default={}, description="Group: values, none of which it may have")
    outcome: Evidence = Field(
        default="any",
        description=(
            "any: measured, reported or reviewed; studied: not only in the conclusions; reported: with a result; "
            "named: in any sentence about the paper itself; title: in the title; none: whether or not it is there"
        ),
    )
    sides: list[LineName] = Field(
        default=[], description="Sides of the outcome that count; all where left out"
    )
    beside: list[Phrase] = Field(
        default=[], description="Phrases, one of which a sentence that names the outcome holds"
    )
    says: list[Phrase] = Field(default=[], description="Phrases, one of which its own sentences hold")
    lacks: list[Phrase] = Field(default=[], description="Phrases, none of which its own sentences hold")


class ReadingPart(Part):
    """How records are read for this question: what was found of its outcome, and how directly they bear on it."""

    version: int = Field(ge=1, description="Raise it with every change of this part")
    treated: Prose = Field(
        default=TREATED, description="What pages call the records that bear on it directly"
    )
    outcomes: Annotated[dict[LineName, OutcomePart], Field(min_length=1)]
    directness: Annotated[list[DirectnessPart], Field(min_length=1)] = Field(
        description="Rules in order; the first that fits decides"
    )
    otherwise: Prose = Field(description="Why a record that no rule fits is off")


class _File(Part):
    """A question for evidence-tracker; the file's name is its address on the site."""

    order: int = Field(description="Its place among the questions, from 1")
    group: LineName | None = Field(
        default=None, description="Its group on the home page, one of those in topic/site.yml"
    )
    title: Prose
    question: Prose
    claim: Prose | None = Field(
        default=None, description="What whoever raised the question claims, in our own words"
    )
    pico: Pico | None = None
    search: dict[LineName, Prose] = Field(
        description="Named lines of PubMed syntax, and `combine`, which puts them together",
        json_schema_extra={"required": ["combine"]},
    )
    owner: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$",
        max_length=254,
        description="Mail address of whoever looks after the search: seeds not found, drift go there, once a week",
    )
    note: Prose | None = Field(default=None, description="Why this version of the search, in a sentence")
    seeds: dict[SeedPmid, Prose] = Field(default={}, description="PMID: title; every search must find these")
    live_seeds: dict[SeedPmid, str] = Field(
        default={}, description="PMID: note; required of PubMed itself, the title is not compared"
    )
    harms: bool = Field(default=False, description="Whether it asks for harms, which abstracts often omit")
    recheck_days: int = Field(default=DEFAULT_RECHECK_DAYS, ge=1, le=365)
    review: Review
    reading: ReadingPart | None = Field(
        default=None,
        description="How records are read for it; without it there are no findings and no directness",
    )
    bottom_line: BottomLine | None = None
    trials: Trials | None = Field(
        default=None,
        description="What is looked for in ClinicalTrials.gov; without it only trials that records name are followed",
    )
    prisma_s: PrismaS | None = Field(
        default=None,
        description="What the report of the search has to say and only people know; write that there was none, too",
    )


# What the rest of the program sees


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question; ``strategy`` is the PubMed query exactly as the file has it sent.

    ``live_seeds`` are required only of PubMed itself; their value is a note, not a title to compare.
    ``note`` says why the search was changed. ``source`` is the file's text, for messages that give a line.
    """

    slug: str
    path: Path
    order: int
    title: str
    question: str
    claim: str | None
    pico: Pico | None
    search: tuple[SearchLine, ...]
    combine: str
    seeds: dict[Pmid, str]
    live_seeds: dict[Pmid, str]
    harms: bool
    recheck_days: int
    review: Review
    bottom_line: BottomLine | None
    group: str | None = None
    prisma_s: PrismaS = field(default_factory=PrismaS)
    trials: Trials | None = None
    owner: str | None = None
    note: str | None = None
    brief: Brief | None = None
    source: str = field(default="", repr=False, compare=False)

    @property
    def all_seeds(self) -> dict[Pmid, str]:
        """Every seed with the title to compare, which is empty for live seeds."""
        return dict.fromkeys(self.live_seeds, "") | self.seeds

    @property
    def in_file(self) -> Strategy:
        """The search that the file asks for, which is not run before somebody adopts it."""
        return Strategy.of(self.search, self.combine)

    @property
    def strategy(self) -> str:
        return self.in_file.text

    @property
    def strategy_hash(self) -> str:
        return self.in_file.hash


class InvalidQuestions(InvalidFiles):
    """Question files that cannot be used."""


def load_questions(folder: Path) -> tuple[Question, ...]:
    """Every question of a folder, by order and then slug.

    Raises InvalidQuestions with all problems of all files; UsageError for a folder without questions.
    """
    paths = sorted(folder.glob("*.yml")) + sorted(folder.glob("*.yaml"))
    if not paths:
        what = "holds no question files (*.yml)" if folder.is_dir() else "is not a folder"
        raise UsageError(f"{folder}: {what}. Point --queries or TRACKER_QUERIES at the folder of questions.")
    questions, problems = [], list(_same_names(paths))
    for path in paths:
        try:
            questions.append(load_question(path))
        except InvalidQuestions as error:
            problems += error.problems
    if problems:
        raise InvalidQuestions(problems)
    return tuple(sorted(questions, key=lambda question: (question.order, question.slug)))


def _same_names(paths: Sequence[Path]) -> Iterator[Problem]:
    by_name: dict[str, Path] = {}
    for path in paths:
        first = by_name.setdefault(path.stem, path)
        if first is not path:
            reader = _Reader(path)
            reader.problem("F001", f"{first.name} is the same question; remove one of the two files")
            yield from reader.problems


def load_question(path: Path) -> Question:
    """The question in one file. Raises InvalidQuestions with all its problems."""
    reader = _Reader(path)
    content = reader.read()
    if content is None:
        raise InvalidQuestions(reader.problems)
    lines = {name: " ".join(query.split()) for name, query in content.search.items()}
    return Question(
        slug=path.stem,
        path=path,
        order=content.order,
        title=content.title,
        question=content.question,
        claim=content.claim,
        pico=content.pico,
        combine=lines["combine"],
        search=tuple(SearchLine(*line) for line in lines.items() if line[0] != "combine"),
        seeds={parse_pmid(pmid): title for pmid, title in content.seeds.items()},
        live_seeds={parse_pmid(pmid): note for pmid, note in content.live_seeds.items()},
        harms=content.harms,
        recheck_days=content.recheck_days,
        review=content.review,
        bottom_line=content.bottom_line,
        group=content.group,
        trials=content.trials,
        prisma_s=content.prisma_s or PrismaS(),
        owner=content.owner,
        note=content.note and " ".join(content.note.split()),
        brief=_brief(content.reading, lines) if content.reading else None,
        source=reader.text,
    )


@cache
def groups_of(folder: Path) -> Mapping[str, str]:
    """The group that each question's file in a folder names, by slug; read once in a process, as the topic is.

    A file that cannot be read names none: the home page is no place to learn of it.
    """
    named = {path.stem: _group_in(path) for path in folder.glob("*.y*ml")}
    return {slug: group for slug, group in named.items() if group}


def _group_in(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError, yaml.YAMLError):
        content = yaml.load(read_regular(path, MAX_BYTES).decode(), FAST_LOADER)  # noqa: S506 - a safe one
        if isinstance(content, dict) and isinstance(group := content.get("group"), str):
            return group
    return None


def _brief(part: ReadingPart, lines: Mapping[str, str]) -> Brief:
    outcomes = tuple(
        Outcome(
            name,
            entry.title,
            tuple(lines[line] for line in entry.lines),
            tuple(entry.words),
            tuple(entry.exceptions),
            entry.names,
        )
        for name, entry in part.outcomes.items()
    )
    rules = tuple(map(_rule, part.directness))
    return Brief(
        version=part.version, outcomes=outcomes, rules=rules, otherwise=part.otherwise, treated=part.treated
    )


def _rule(part: DirectnessPart) -> DirectnessRule:
    return DirectnessRule(
        part.name,
        part.value,
        part.reason,
        _conditions(part.labels),
        _conditions(part.without),
        part.outcome,
        frozenset(part.sides),
        tuple(part.beside),
        tuple(part.says),
        tuple(part.lacks),
    )


def _conditions(entry: Mapping[str, Values]) -> Conditions:
    return tuple((group, frozenset(() if values == "any" else values)) for group, values in entry.items())


def check(question: Question) -> list[Problem]:
    """What is wrong with a question's searches, or worth knowing, line by line; then with how records are read.

    The codes are those of ``tracker.query.lint``, S001 for a line that ``combine`` never uses, S002 for text that YAML
    leaves out, S003 for a label's value that no rule gives, and S004 for a group that the home page does not have.
    """
    reader = _Reader(question.path, question.source)
    root = reader.compose()
    if root is not None:
        reader.check_lines(root)
        reader.check_values(question.brief)
        reader.check_group(question.group)
    return reader.problems


def json_schema() -> str:
    """The JSON Schema of a question file, as it is kept in ``queries/schema.json``."""
    return schema_of(_File, "Question")


# Reading a file


class _Reader(Reader[_File]):
    model = _File
    parts: ClassVar[Mapping[Place, type[BaseModel]]] = {
        ("pico",): Pico,
        ("review",): Review,
        ("bottom_line",): BottomLine,
        ("prisma_s",): PrismaS,
        ("trials",): Trials,
        ("reading",): ReadingPart,
        ("reading", "directness"): DirectnessPart,
    }
    noun = "question"
    beginning = "order: 1"

    def check_name(self) -> None:
        if not SLUG.fullmatch(self.path.stem):
            slug = re.sub(r"[^a-z0-9]+", "-", self.path.stem.lower()).strip("-") or "question"
            self.problem("F001", f"the name may hold a-z, 0-9 and single hyphens; call it {slug}.yml")

    def check_content(self, content: _File) -> None:
        self._check_combine(content.search)
        self._check_day(content.review.updated_from, ("review", "updated_from"))
        if content.trials and not content.trials.terms:
            self.problem(
                "F003",
                "trials has neither conditions nor interventions; add some, or leave it out",
                ("trials",),
            )
        if content.reading:
            self._check_reading(content.reading, content.search)

    def _model_at(self, place: Place) -> type[BaseModel]:
        # The sides of an outcome have names of their own.
        if place[:2] == ("reading", "outcomes") and len(place) > 2:
            return OutcomePart
        return super()._model_at(place)

    def explain(self, error: Any, place: Place) -> str:
        if error["type"] == "string_pattern_mismatch" and place[:1] == ("search",):
            return f'"{place[-1]}" cannot name a search line; use a-z, 0-9, _ and -, beginning with a letter'
        if error["type"] == "string_pattern_mismatch" and place[:1] == ("reading",):
            if {"words", "except", "beside", "says", "lacks"} & set(place):
                what = 'cannot be looked for; write up to ten words, as in "loss|lack of ... respons*"'
            else:
                what = "is not a name; use a-z, 0-9, _ and -, beginning with a letter"
            return f'{".".join(map(str, place))}: "{error["input"]}" {what}'
        return super().explain(error, place)

    def _check_day(self, day: str | None, place: Place) -> None:
        try:
            date.fromisoformat(day or "2000-01-01")
        except ValueError:
            where = ".".join(map(str, place))
            self.problem("F003", f'{where}: "{day}" is not a day; write it as "2026-11-24"', place)

    # Searches

    def _check_combine(self, search: Mapping[str, str]) -> None:
        place = ("search", "combine")
        combine = search.get("combine")
        if combine is None:
            example = " AND ".join(search) or "drug AND outcome"
            self.problem("F004", f'search has no "combine"; add one, such as combine: {example}', ("search",))
            return
        before = None
        for word in re.findall(r"[()]|[^\s()]+", combine):
            self._check_word(word, before, search, place)
            before = word
        for finding in lint(combine):
            if finding.code in ("Q001", "Q005", "Q006", "Q007"):
                self.problem("F004", f"search.combine: {finding.message}", place)

    def _check_word(self, word: str, before: str | None, search: Mapping[str, str], place: Place) -> None:
        if word in OPERATORS or word == ")":
            return
        if before is not None and before not in OPERATORS and before != "(":
            self.problem(
                "F004", f'search.combine lacks AND, OR or NOT between "{before}" and "{word}"', place
            )
        if word == "(" or (word in search and word != "combine"):
            return
        if word.upper() in OPERATORS:
            self.problem("F004", f'search.combine: write {word.upper()} in capitals for "{word}"', place)
            return
        near = get_close_matches(word, [name for name in search if name != "combine"], n=1)
        remedy = f' Did you mean "{near[0]}"?' if near else f" Its lines are {', '.join(search)}."
        self.problem("F004", f'search.combine names "{word}", which is not a line of search.{remedy}', place)

    # How records are read

    def _check_reading(self, part: ReadingPart, search: Mapping[str, str]) -> None:
        lines = [name for name in search if name != "combine"]
        for side, outcome in part.outcomes.items():
            for number, line in enumerate(outcome.lines):
                where: Place = ("reading", "outcomes", side, "lines", number)
                self._check_known("F005", line, lines, "a line of search", where)
        names: dict[str, int] = {}
        for number, rule in enumerate(part.directness):
            place: Place = ("reading", "directness", number)
            for each, side in enumerate(rule.sides):
                sides = list(part.outcomes)
                self._check_known("F005", side, sides, "a side of the outcome", (*place, "sides", each))
            for key, conditions in (("labels", rule.labels), ("without", rule.without)):
                for group in conditions:
                    self._check_known(
                        "F005", group, list(_groups()), "a group of labels", (*place, key, group)
                    )
            if names.setdefault(rule.name, number) != number:
                self.problem("F005", f'two rules are called "{rule.name}"; rename one', (*place, "name"))

    def _check_known(
        self, code: str, name: str, known: Sequence[str], what: str, place: Place, effect: str | None = None
    ) -> None:
        if name in known:
            return
        near = get_close_matches(name, known, n=1)
        remedy = f'Did you mean "{near[0]}"?' if near else f"Known are {', '.join(known)}."
        where = ".".join(map(str, place))
        self.problem(code, f'{where}: "{name}" is not {what}. {remedy}', place, effect=effect)

    def check_values(self, brief: Brief | None) -> None:
        """Whether each value that a rule of directness asks for can be read at all."""
        for number, rule in enumerate(brief.rules if brief else ()):
            for key, conditions in (("labels", rule.labels), ("without", rule.without)):
                for group, values in conditions:
                    known = _values_of(group)
                    for value in sorted(values) if known else ():
                        place = ("reading", "directness", number, key, group)
                        what = f"a value of {group}"
                        self._check_known("S003", value, sorted(known), what, place, "The rule never fits.")

    def check_group(self, group: str | None) -> None:
        """Whether the home page has the group."""
        if group is not None:
            known = [each.name for each in _groups_at_home()]
            effect = "The home page shows it last, in no group."
            if known:
                what = "a group of topic/site.yml"
                self._check_known("S004", group, known, what, ("group",), effect)
            else:
                message = f'group: "{group}" is no group, as topic/site.yml has none; add it there, or remove the line'
                self.problem("S004", message, ("group",), effect=effect)

    def check_lines(self, root: yaml.MappingNode) -> None:
        """Lint every search line, and report each finding with its place in the file."""
        lines = self.data(root)["search"]
        used = set(re.findall(r"[^\s()]+", lines["combine"]))
        for name, query in lines.items():
            place = ("search", name)
            if name == "combine":
                self._check_comment(self.places[place].node, place)
                continue
            if name not in used:
                self.problem(
                    "S001",
                    f'search.{name} is used nowhere in "combine"; add it there, or remove the line',
                    place,
                    severity="warning",
                    effect="The line is never searched.",
                )
            self._check_comment(self.places[place].node, place)
            findings = lint(query)
            places = _positions(
                self.text, self.places[place].node, query, [finding.start for finding in findings]
            )
            for finding, at in zip(findings, places, strict=True):
                message = f"search.{name}: {finding.message}"
                self.problem(finding.code, message, place, at, finding.severity, finding.effect)

    def _check_comment(self, node: yaml.Node, place: Place) -> None:
        """Text after " #" on the last line of a plain value, which YAML takes for a comment."""
        end = node.end_mark.index
        match = _COMMENT.match(self.text, end)
        if getattr(node, "style", None) is None and match:
            self.problem(
                "S002",
                f'{".".join(map(str, place))}: YAML ignores "{match[1][:60]}", because it follows " #"; '
                "put a remark on a line of its own, or the search below a |",
                place,
                _line_and_column_of(self.text, match.start(1)),
                effect="That text is never searched.",
            )


def _groups_at_home() -> Sequence[QuestionGroup]:
    from tracker import topic
    from tracker.topic.files import InvalidTopic

    try:
        return topic.current().site.groups
    except InvalidTopic:  # Reported with the topic's own files.
        return ()


def _groups() -> Iterable[str]:
    # Imported when a file has such a part: who asks for --help waits for no groups of labels.
    from tracker.reading.labels import groups

    return groups()


def _values_of(group: str) -> set[str]:
    """The values that rules give in a group; none where the group has no rules, or gives quantities."""
    from tracker.reading.labels import groups
    from tracker.reading.rules import all_rules
    from tracker.topic.files import InvalidTopic

    try:
        rules = all_rules().get(group)
    except InvalidTopic:  # Reported with the topic's own files.
        return set()
    if rules is None or groups()[group].kind in ("number", "duration", "dose"):
        return set()
    return {rule.value for rule in rules.rules}


def _positions(text: str, node: yaml.Node, value: str, offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The places in the file (line and column, from 1) of characters of a YAML text value, in the value's order.

    Folding moves only white space, so the other characters are followed one by one.
    """
    at = node.start_mark.index
    if getattr(node, "style", None) in ("|", ">"):
        at = text.index("\n", at)
    done = 0
    for offset in offsets:
        for character in value[done : offset + 1]:
            if not character.isspace() and at >= 0:
                at = text.find(character, at) + 1 or -1
        done = max(done, offset + 1)
        yield line_and_column(node.start_mark) if at < 0 else _line_and_column_of(text, at - 1)


def _line_and_column_of(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
