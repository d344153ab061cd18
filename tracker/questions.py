"""The questions that are watched: ``queries/*.yml``, one file a question, read and checked.

A file is read in four steps: as text, as YAML, against the models below, and then as searches. Each
problem names the file, the line, the field, what was found and the remedy, and all problems of all files
are reported together.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tracker.article import MAX_PMID, Pmid, given_pmid
from tracker.errors import UsageError
from tracker.query import Severity, lint
from tracker.regular import read_regular

SCHEMA = "schema.json"
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
MAX_BYTES = 256 * 1024
MAX_DEPTH = 8
DEFAULT_RECHECK_DAYS = 30

_LINE_NAME = r"^[a-z][a-z0-9_-]*$"
_OPERATORS = ("AND", "OR", "NOT")
_COMMENT = re.compile(r"[ \t]+#[ \t]*([^\n]*)")

Place = tuple[str | int, ...]


# The shape of a file. Its JSON Schema is queries/schema.json, for editors.


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=True)


def _as_pmid(key: object) -> object:
    return given_pmid(key) if isinstance(key, str | int) else key


Prose = Annotated[str, Field(min_length=1)]
SeedPmid = Annotated[int, BeforeValidator(_as_pmid), Field(ge=1, le=MAX_PMID)]
LineName = Annotated[str, Field(pattern=_LINE_NAME)]


class Pico(_Part):
    """The question taken apart: whom, what, against what, measured by what."""

    population: Prose
    intervention: Prose
    comparison: Prose
    outcome: Prose


class Review(_Part):
    """How the strategy came about, and how its records are to be screened."""

    built_by: Prose
    peer_reviewed: bool = False
    dual: bool = False
    reasons: list[Prose] = Field(default=[], description="Reasons for leaving a record out")


class BottomLine(_Part):
    """What people conclude, and from which records; it goes stale when newer ones come."""

    text: Prose
    author: Prose
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    pmids: list[SeedPmid]


class _File(_Part):
    """A question for evidence-tracker; the file's name is its address on the site."""

    order: int = Field(description="Where it stands among the questions, from 1")
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
        """Every seed with the title to compare; empty for the live ones, which have none."""
        return dict.fromkeys(self.live_seeds, "") | self.seeds

    @property
    def strategy(self) -> str:
        """``combine`` with each name replaced by its line in parentheses."""
        lines = dict(self.search)
        return re.sub(r"[^\s()]+", lambda found: _in_parentheses(lines, found.group()), self.combine)

    @property
    def strategy_hash(self) -> str:
        """SHA-256 of the strategy in hexadecimal: the same hash, the same search."""
        return hashlib.sha256(self.strategy.encode()).hexdigest()


class Problem(NamedTuple):
    """One thing to mend in a question file; ``severity`` note is information only."""

    file: str
    line: int
    column: int
    field: str
    code: str
    severity: Severity
    message: str
    effect: str | None = None

    def __str__(self) -> str:
        where = f"{self.file} line {self.line}" if self.line else self.file
        return f"{where}: {self.message}"


class InvalidQuestions(UsageError):
    """Question files that cannot be used; ``problems`` holds every one."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


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
    found = reader.read()
    if found is None:
        raise InvalidQuestions(reader.problems)
    lines = {name: " ".join(query.split()) for name, query in found.search.items()}
    return Question(
        slug=path.stem,
        path=path,
        order=found.order,
        title=found.title,
        question=found.question,
        claim=found.claim,
        pico=found.pico,
        combine=lines.pop("combine"),
        search=tuple(SearchLine(*line) for line in lines.items()),
        seeds={Pmid(pmid): title for pmid, title in found.seeds.items()},
        live_seeds={Pmid(pmid): note for pmid, note in found.live_seeds.items()},
        harms=found.harms,
        recheck_days=found.recheck_days,
        review=found.review,
        bottom_line=found.bottom_line,
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
    schema = _File.model_json_schema(mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Question"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


# Reading a file


class _Node(NamedTuple):
    """A YAML value with the places of its key and of itself, from the file's first character."""

    key: yaml.Mark
    node: yaml.Node


class _Reader:
    """Reads one file and collects what is wrong with it."""

    def __init__(self, path: Path, text: str = "") -> None:
        self.path = path
        self.text = text
        self.problems: list[Problem] = []
        self.places: dict[Place, _Node] = {}

    def read(self) -> _File | None:
        """The file's content, or None where there is a problem."""
        if not SLUG.fullmatch(self.path.stem):
            slug = re.sub(r"[^a-z0-9]+", "-", self.path.stem.lower()).strip("-") or "question"
            self.problem("F001", f"the name may hold a-z, 0-9 and single hyphens; call it {slug}.yml")
        self.text = self._read_text()
        root = self.compose() if not self.problems else None
        if root is None:
            return None
        found = self._validate(self._data(root, ()))
        if found is not None:
            self._check_combine(found.search)
        return None if self.problems else found

    def problem(
        self,
        code: str,
        message: str,
        place: Place = (),
        mark: tuple[int, int] | None = None,
        severity: Severity = "error",
        effect: str | None = None,
    ) -> None:
        """Note a problem at a place in the data, or at a mark (line and column, from 1)."""
        line, column = mark or self._mark(place)
        name = ".".join(map(str, place))
        # A file may be anybody's: no control character of it reaches a terminal.
        message = "".join(each if each.isprintable() else "\ufffd" for each in message)
        self.problems.append(Problem(str(self.path), line, column, name, code, severity, message, effect))

    def _mark(self, place: Place) -> tuple[int, int]:
        while place not in self.places and place:
            place = place[:-1]
        found = self.places.get(place)
        return _line_and_column(found.key) if found and place else (0, 0)

    def _read_text(self) -> str:
        try:
            body = read_regular(self.path, MAX_BYTES + 1)
        except OSError as error:
            self.problem(
                "F001", f"the file cannot be read ({error.strerror}); check its name and permissions"
            )
            return ""
        if len(body) > MAX_BYTES:
            self.problem("F001", f"the file is too large; a question has at most {MAX_BYTES:,} bytes")
            return ""
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = body.count(b"\n", 0, error.start) + 1
            self.problem("F001", "this is not UTF-8 text; save the file as UTF-8", mark=(line, 1))
            return ""
        if not text.strip():
            self.problem("F001", "the file is empty; start from another question, or remove it")
        return text

    def compose(self) -> yaml.MappingNode | None:
        """The file as YAML nodes, which know their lines."""
        try:
            self._refuse_bombs()
            root = None if self.problems else yaml.compose(self.text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            self._yaml_problem(error)
            return None
        except yaml.YAMLError as error:
            self.problem(
                "F002", f"this is not YAML ({' '.join(str(error).split())[:200]}); save it as plain text"
            )
            return None
        if self.problems:
            return None
        if not isinstance(root, yaml.MappingNode):
            self.problem("F002", 'a question is a list of "field: value"; begin with "order: 1"', mark=(1, 1))
            return None
        return root

    def _refuse_bombs(self) -> None:
        depth = 0
        for event in yaml.parse(self.text, Loader=yaml.SafeLoader):
            mark = _line_and_column(event.start_mark)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                self.problem(
                    "F002", "anchors (&) and aliases (*) are not read; write the value out", mark=mark
                )
                return
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                self.problem("F002", f"values are nested more than {MAX_DEPTH} deep", mark=mark)
                return

    def _yaml_problem(self, error: yaml.MarkedYAMLError) -> None:
        mark = _line_and_column(error.problem_mark or error.context_mark)
        if "'\\t'" in (error.problem or ""):
            message = "there is a tab here; indent with spaces"
        else:
            message = (
                f"this is not YAML: {error.problem or error.context}; look at the colons, quotes and indents"
            )
        self.problem("F002", message, mark=mark)

    def _data(self, node: yaml.Node, place: Place) -> Any:
        """Plain values of a node; keeps the place of each, and reports a key that is given twice."""
        if isinstance(node, yaml.MappingNode):
            return {key: self._data(value, (*place, key)) for key, value in self._entries(node, place)}
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.places[(*place, number)] = _Node(item.start_mark, item)
            return [self._data(item, (*place, number)) for number, item in enumerate(node.value)]
        return _scalar(node)

    def _entries(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in seen:
                first = self.places[(*place, key)].key.line + 1
                mark = _line_and_column(key_node.start_mark)
                self.problem("F003", f'"{key}" is given twice (first in line {first}); keep one', mark=mark)
            else:
                self.places[(*place, key)] = _Node(key_node.start_mark, value)
                yield key, value
            seen.add(key)

    def _validate(self, data: Any) -> _File | None:
        try:
            return _File.model_validate(data)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                place = tuple(part for part in each["loc"] if part != "[key]")
                self.problem("F003", _explain(each, place), place)
            return None

    # Searches

    def _check_combine(self, search: Mapping[str, str]) -> None:
        place = ("search", "combine")
        combine = search.get("combine")
        if combine is None:
            self.problem(
                "F004", 'search has no "combine"; add one, such as combine: ketamine AND bladder', ("search",)
            )
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
        """Lint every search line, with the place in the file of whatever is found."""
        lines = self._data(root, ())["search"]
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
        """Text behind " #" on the last line of a plain value, which YAML takes for a comment."""
        end = node.end_mark.index
        found = _COMMENT.match(self.text, end)
        if getattr(node, "style", None) is None and found:
            self.problem(
                "S002",
                f'{".".join(map(str, place))}: YAML leaves out "{found[1][:60]}", as it stands behind " #"; '
                "put a remark on a line of its own, or the search below a |",
                place,
                _line_and_column_of(self.text, found.start(1)),
                effect="What stands there is never searched.",
            )


def _in_parentheses(lines: Mapping[str, str], name: str) -> str:
    return name if name in _OPERATORS else f"({lines[name]})"


def _line_and_column(mark: Any) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _scalar(node: yaml.Node) -> Any:
    """A YAML scalar as we take it: whole numbers, true and false, nothing, and otherwise text."""
    value = str(node.value)
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.tag == "tag:yaml.org,2002:bool" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if node.tag == "tag:yaml.org,2002:int" and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return value


def _explain(error: Any, place: Place) -> str:
    """A pydantic error in our words: the field, what was found, the remedy."""
    name = ".".join(map(str, place)) or "the file"
    found = json.dumps(error["input"], ensure_ascii=False, default=str)[:80]
    kind = error["type"]
    if kind == "missing":
        return f'"{name}" is missing; add it'
    if kind == "extra_forbidden":
        fields = list(_model_at(place[:-1]).model_fields)
        near = get_close_matches(str(place[-1]), fields, n=1)
        remedy = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(fields)}"
        return f'"{name}" is not a field; {remedy}'
    if kind == "string_type":
        return f"{name} is {found}; it needs text (put numbers in quotes)"
    if kind == "string_too_short":
        return f"{name} is empty; write something or remove it"
    if kind == "string_pattern_mismatch" and place[:1] == ("search",):
        return f'"{place[-1]}" cannot name a search line; use a-z, 0-9, _ and -, beginning with a letter'
    if kind == "value_error":
        return f"{name}: {error['ctx']['error']}"
    return f"{name} is {found}; {error['msg'].lower()}"


def _model_at(place: Place) -> type[BaseModel]:
    models: dict[Place, type[BaseModel]] = {
        ("pico",): Pico,
        ("review",): Review,
        ("bottom_line",): BottomLine,
    }
    return models.get(place, _File)


def _positions(text: str, node: yaml.Node, value: str, offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where characters of a YAML text value stand in the file (line and column, from 1), in the order of the value.

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
        yield _line_and_column(node.start_mark) if at < 0 else _line_and_column_of(text, at - 1)


def _line_and_column_of(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
