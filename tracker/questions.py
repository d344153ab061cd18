"""The questions that are watched: ``queries/*.yml``, one file per question, read and checked.

A file is read in four steps: as text, as YAML, against the models below, and then as searches. Each
problem names the file, the line, the field, what was found and the remedy, and all problems of all files
are reported together.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, Field

from tracker.article import MAX_PMID, Pmid, given_pmid, parse_pmid
from tracker.datafile import InvalidFiles, Part, Place, Problem, Reader, line_and_column, schema_of
from tracker.errors import UsageError
from tracker.query import lint

SCHEMA = "schema.json"
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
DEFAULT_RECHECK_DAYS = 30

_LINE_NAME = r"^[a-z][a-z0-9_-]*$"
_OPERATORS = ("AND", "OR", "NOT")
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


class BottomLine(Part):
    """What people conclude, and from which records; it goes stale when newer ones come."""

    text: Prose
    author: Prose
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    pmids: list[SeedPmid]


class _File(Part):
    """A question for evidence-tracker; the file's name is its address on the site."""

    order: int = Field(description="Its place among the questions, from 1")
    title: Prose
    question: Prose
    claim: Prose = Field(description="What the clinic's website claims, in our own words")
    pico: Pico
    search: dict[LineName, Prose] = Field(
        description="Named lines of PubMed syntax, and `combine`, which puts them together",
        json_schema_extra={"required": ["combine"]},
    )
    seeds: dict[SeedPmid, Prose] = Field(default={}, description="PMID: title; every search must find these")
    live_seeds: dict[SeedPmid, str] = Field(
        default={}, description="PMID: note; required of PubMed itself, the title is not compared"
    )
    harms: bool = Field(default=False, description="Whether it asks for harms, which abstracts often omit")
    recheck_days: int = Field(default=DEFAULT_RECHECK_DAYS, ge=1, le=365)
    review: Review
    bottom_line: BottomLine | None = None


# What the rest of the program sees


class SearchLine(NamedTuple):
    name: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question; ``strategy`` is the PubMed query exactly as it is sent.

    ``live_seeds`` are required only of PubMed itself; their value is a note, not a title to compare.
    ``source`` is the file's text, for messages that give a line.
    """

    slug: str
    path: Path
    order: int
    title: str
    question: str
    claim: str
    pico: Pico
    search: tuple[SearchLine, ...]
    combine: str
    seeds: dict[Pmid, str]
    live_seeds: dict[Pmid, str]
    harms: bool
    recheck_days: int
    review: Review
    bottom_line: BottomLine | None
    source: str = field(default="", repr=False, compare=False)

    @property
    def all_seeds(self) -> dict[Pmid, str]:
        """Every seed with the title to compare, which is empty for live seeds."""
        return dict.fromkeys(self.live_seeds, "") | self.seeds

    @property
    def strategy(self) -> str:
        """``combine`` with each name replaced by its line in parentheses."""
        lines = dict(self.search)
        return re.sub(r"[^\s()]+", lambda word: _in_parentheses(lines, word.group()), self.combine)

    @property
    def strategy_hash(self) -> str:
        """SHA-256 of the strategy in hexadecimal: the same hash means the same search."""
        return hashlib.sha256(self.strategy.encode()).hexdigest()


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
    questions, problems = [], []
    for path in paths:
        try:
            questions.append(load_question(path))
        except InvalidQuestions as error:
            problems += error.problems
    if problems:
        raise InvalidQuestions(problems)
    return tuple(sorted(questions, key=lambda question: (question.order, question.slug)))


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
        combine=lines.pop("combine"),
        search=tuple(SearchLine(*line) for line in lines.items()),
        seeds={parse_pmid(pmid): title for pmid, title in content.seeds.items()},
        live_seeds={parse_pmid(pmid): note for pmid, note in content.live_seeds.items()},
        harms=content.harms,
        recheck_days=content.recheck_days,
        review=content.review,
        bottom_line=content.bottom_line,
        source=reader.text,
    )


def check(question: Question) -> list[Problem]:
    """What is wrong with a question's searches, or worth knowing, line by line.

    The codes are those of ``tracker.query.lint``, S001 for a line that ``combine`` never uses, and
    S002 for text that YAML leaves out.
    """
    reader = _Reader(question.path, question.source)
    root = reader.compose()
    if root is not None:
        reader.check_lines(root)
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
    }
    noun = "question"
    beginning = "order: 1"

    def check_name(self) -> None:
        if not SLUG.fullmatch(self.path.stem):
            slug = re.sub(r"[^a-z0-9]+", "-", self.path.stem.lower()).strip("-") or "question"
            self.problem("F001", f"the name may hold a-z, 0-9 and single hyphens; call it {slug}.yml")

    def check_content(self, content: _File) -> None:
        self._check_combine(content.search)

    def explain(self, error: Any, place: Place) -> str:
        if error["type"] == "string_pattern_mismatch" and place[:1] == ("search",):
            return f'"{place[-1]}" cannot name a search line; use a-z, 0-9, _ and -, beginning with a letter'
        return super().explain(error, place)

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
        if word in _OPERATORS or word == ")":
            return
        if before is not None and before not in _OPERATORS and before != "(":
            self.problem(
                "F004", f'search.combine lacks AND, OR or NOT between "{before}" and "{word}"', place
            )
        if word == "(" or (word in search and word != "combine"):
            return
        if word.upper() in _OPERATORS:
            self.problem("F004", f'search.combine: write {word.upper()} in capitals for "{word}"', place)
            return
        near = get_close_matches(word, [name for name in search if name != "combine"], n=1)
        remedy = f' Did you mean "{near[0]}"?' if near else f" Its lines are {', '.join(search)}."
        self.problem("F004", f'search.combine names "{word}", which is not a line of search.{remedy}', place)

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


def _in_parentheses(lines: Mapping[str, str], name: str) -> str:
    return name if name in _OPERATORS else f"({lines[name]})"


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
