"""YAML files that people write, read so that every problem is reported with its file, line, field and remedy.

A file is read in three steps: as text, as YAML, and against a model. A kind of file that needs more has a subclass
of ``Reader``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from tracker.errors import Severity, UsageError
from tracker.regular import read_regular

MAX_BYTES = 256 * 1024
MAX_DEPTH = 8
# The loader in C is ten times as fast, where PyYAML was built with it; its marks of problems are less exact.
FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Place = tuple[str | int, ...]


class Part(BaseModel):
    """A model of such a file, or of a part of one: nothing is converted, nothing unknown is accepted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=True)


M = TypeVar("M", bound=BaseModel)


class Problem(NamedTuple):
    """One thing to fix in a file; a ``severity`` of note is information only."""

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


class InvalidFiles(UsageError):
    """Files that cannot be used; ``problems`` holds every problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class Placed(NamedTuple):
    """A YAML value with the places of its key and of itself, from the file's first character."""

    key: yaml.Mark
    node: yaml.Node


class Reader(Generic[M]):
    """Reads one file and collects what is wrong with it.

    ``model`` is the whole file and ``parts`` are the models within it, by their place without list indexes;
    ``noun`` and ``beginning`` (its usual first line) say in messages what kind of file it is.
    """

    model: type[M]
    parts: ClassVar[Mapping[Place, type[BaseModel]]] = {}
    loader: Any = yaml.SafeLoader
    noun: str
    beginning: str

    def __init__(self, path: Path, text: str = "") -> None:
        self.path = path
        self.text = text
        self.problems: list[Problem] = []
        self.places: dict[Place, Placed] = {}

    def read(self) -> M | None:
        """The file's content, or None if there is a problem.

        A file with problems is read once more, by the slower loader, which knows exactly where they are.
        """
        exact, self.loader = self.loader, FAST_LOADER
        content = self._read()
        if self.problems and exact is not FAST_LOADER:
            self.loader, self.problems, self.places = exact, [], {}
            content = self._read()
        return content

    def _read(self) -> M | None:
        self.check_name()
        self.text = self._read_text()
        root = self.compose() if not self.problems else None
        if root is None:
            return None
        content = self._validate(self.data(root))
        if content is not None:
            self.check_content(content)
        return None if self.problems else content

    def check_name(self) -> None:
        """Note what is wrong with the file's name."""

    def check_content(self, content: M) -> None:
        """Note problems that the model cannot see and that make the file unusable."""

    def explain(self, error: Any, place: Place) -> str:
        """A pydantic error in our words: the field, what was found, the remedy."""
        name = ".".join(map(str, place)) or "the file"
        given = json.dumps(error["input"], ensure_ascii=False, default=str)[:80]
        kind = error["type"]
        if kind == "missing":
            return f'"{name}" is missing; add it'
        if kind == "extra_forbidden":
            fields = list(self._model_at(place[:-1]).model_fields)
            near = get_close_matches(str(place[-1]), fields, n=1)
            remedy = f'did you mean "{near[0]}"?' if near else f"choose one of: {', '.join(fields)}"
            return f'"{name}" is not a field; {remedy}'
        if kind == "string_type":
            return f"{name} is {given}; it needs text (put numbers in quotes)"
        if kind == "string_too_short":
            return f"{name} is empty; write something or remove it"
        if kind == "value_error":
            return f"{name}: {error['ctx']['error']}"
        return f"{name} is {given}; {error['msg'].lower()}"

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
        # A file may be anybody's: none of its control characters may reach a terminal.
        message = "".join(each if each.isprintable() else "\ufffd" for each in message)
        self.problems.append(Problem(str(self.path), line, column, name, code, severity, message, effect))

    def compose(self) -> yaml.MappingNode | None:
        """The file as YAML nodes, which keep their line numbers."""
        try:
            self._refuse_bombs()
            root = None if self.problems else yaml.compose(self.text, Loader=self.loader)
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
            self.problem(
                "F002",
                f'a {self.noun} is a list of "field: value"; begin with "{self.beginning}"',
                mark=(1, 1),
            )
            return None
        return root

    def data(self, node: yaml.Node, place: Place = ()) -> Any:
        """Plain values of a node; keeps the place of each, and reports a key that is given twice."""
        if isinstance(node, yaml.MappingNode):
            return {key: self.data(value, (*place, key)) for key, value in self._entries(node, place)}
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.places[(*place, number)] = Placed(item.start_mark, item)
            return [self.data(item, (*place, number)) for number, item in enumerate(node.value)]
        return _scalar(node)

    def _mark(self, place: Place) -> tuple[int, int]:
        while place not in self.places and place:
            place = place[:-1]
        placed = self.places.get(place)
        return line_and_column(placed.key) if placed and place else (0, 0)

    def _read_text(self) -> str:
        try:
            body = read_regular(self.path, MAX_BYTES + 1)
        except OSError as error:
            self.problem(
                "F001", f"the file cannot be read ({error.strerror}); check its name and permissions"
            )
            return ""
        if len(body) > MAX_BYTES:
            self.problem("F001", f"the file is too large; a {self.noun} has at most {MAX_BYTES:,} bytes")
            return ""
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = body.count(b"\n", 0, error.start) + 1
            self.problem("F001", "this is not UTF-8 text; save the file as UTF-8", mark=(line, 1))
            return ""
        if not text.strip():
            self.problem("F001", f"the file is empty; start from another {self.noun}, or remove it")
        return text

    def _refuse_bombs(self) -> None:
        depth = 0
        for event in yaml.parse(self.text, Loader=self.loader):
            mark = line_and_column(event.start_mark)
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
        mark = line_and_column(error.problem_mark or error.context_mark)
        if "'\\t'" in (error.problem or ""):
            message = "there is a tab here; indent with spaces"
        else:
            message = (
                f"this is not YAML: {error.problem or error.context}; look at the colons, quotes and indents"
            )
        self.problem("F002", message, mark=mark)

    def _entries(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in seen:
                first = self.places[(*place, key)].key.line + 1
                mark = line_and_column(key_node.start_mark)
                self.problem("F003", f'"{key}" is given twice (first in line {first}); keep one', mark=mark)
            else:
                self.places[(*place, key)] = Placed(key_node.start_mark, value)
                yield key, value
            seen.add(key)

    def _validate(self, data: Any) -> M | None:
        try:
            return self.model.model_validate(data)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                place = tuple(part for part in each["loc"] if part != "[key]")
                self.problem("F003", self.explain(each, place), place)
            return None

    def _model_at(self, place: Place) -> type[BaseModel]:
        names = tuple(part for part in place if isinstance(part, str))
        return self.parts.get(names, self.model)


def packaged(package: str, name: str) -> Any:
    """The content of a YAML file that lies beside our code, and so needs no check."""
    return yaml.load(files(package).joinpath(name).read_text("utf-8"), Loader=FAST_LOADER)  # noqa: S506 - a safe one


def schema_of(model: type[BaseModel], title: str) -> str:
    """The JSON Schema of a kind of file, for editors."""
    schema = model.model_json_schema(mode="validation")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = title
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def line_and_column(mark: Any) -> tuple[int, int]:
    """Where a YAML mark is, from 1."""
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
