"""A topic's files, read and checked as those of questions are: one file a matter, each of which may be missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from tracker.datafile import FAST_LOADER, InvalidFiles, Part, Place, Problem, Reader, schema_of
from tracker.topic.shapes import (
    GroupEntry,
    Headings,
    Labels,
    QuestionGroup,
    RuleFile,
    Site,
    Synonyms,
    TagEntry,
    Vocabulary,
    WordLists,
)

P = TypeVar("P", bound=Part)


@dataclass(frozen=True, slots=True, eq=False)
class Topic:
    """What this tracker is about, beside its questions.

    ``synonyms`` are phrases that find one another; ``headings`` MeSH headings with narrower ones below them, as in
    ``mesh.yml``; ``tags`` those to start with; ``never_summed`` label groups whose values are never one total;
    ``words`` lists of words that the patterns of rules name.
    """

    site: Site = field(default_factory=Site)
    synonyms: tuple[tuple[str, ...], ...] = ()
    headings: Mapping[str, Any] = field(default_factory=dict)
    tags: Vocabulary = field(default_factory=lambda: Vocabulary(groups=[]))
    never_summed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class InvalidTopic(InvalidFiles):
    """Files of a topic that cannot be used."""


def load_topic(folder: Path) -> Topic:
    """The topic in a folder; a file or folder that is missing leaves the words that fit any topic.

    Raises InvalidTopic with all problems of all files.
    """
    readers = _readers(folder)
    contents = {name: reader.read() for name, reader in readers.items()}
    if problems := [*_strangers(folder), *(each for reader in readers.values() for each in reader.problems)]:
        raise InvalidTopic(problems)
    labels = _as(Labels, contents.get("labels")) or Labels()
    headings = _as(Headings, contents.get("headings")) or Headings()
    synonyms = _as(Synonyms, contents.get("synonyms")) or Synonyms()
    lists = _as(WordLists, contents.get("words")) or WordLists()
    return Topic(
        site=_as(Site, contents.get("site")) or Site(),
        synonyms=tuple(map(tuple, synonyms.synonyms)),
        headings=headings.model_dump()["headings"],
        tags=_as(Vocabulary, contents.get("tags")) or Vocabulary(groups=[]),
        never_summed={group: tuple(values) for group, values in labels.never_summed.items()},
        words={name: tuple(words) for name, words in lists.words.items()},
    )


def load_rules(folder: Path) -> dict[str, RuleFile]:
    """The topic's own rules by group of labels, of the files in its folder ``rules/``.

    Raises InvalidTopic with all problems of all files.
    """
    readers = _rules(folder)
    found = {group: reader.read() for group, reader in readers.items()}
    if problems := [problem for reader in readers.values() for problem in reader.problems]:
        raise InvalidTopic(problems)
    return {group: file for group, file in found.items() if isinstance(file, RuleFile)}


def check(folder: Path) -> list[Problem]:
    """What is to be mended in the files of a topic that can be used."""
    readers = [*_readers(folder).values(), *_rules(folder).values()]
    for reader in readers:
        if (content := reader.read()) is not None:
            reader.look_through(content)
    return [problem for reader in readers for problem in reader.problems]


def _rules(folder: Path) -> dict[str, _Rules]:
    """A reader for each file of rules, by the group that they are for."""
    return {path.stem: _Rules(path) for path in sorted((folder / "rules").glob("*.yml"))}


def json_schemas() -> dict[str, str]:
    """The JSON Schema of each file by its name, as they are kept in ``queries/topic/schemas/``."""
    return {name: schema_of(reader.model, f"Topic: {name}") for name, reader in READERS.items()}


# Reading


class _Reader(Reader[Any]):
    noun = "topic's file"

    def look_through(self, content: Any) -> None:
        """Note what the file can be used with, and is yet to be mended."""


class _Site(_Reader):
    model = Site
    parts: ClassVar[Mapping[Place, type[BaseModel]]] = {("groups",): QuestionGroup}
    beginning = "title: Open questions"

    def check_content(self, content: Site) -> None:
        names = [group.name for group in content.groups]
        for number, name in enumerate(names):
            if name in names[:number]:
                message = f'the group of questions "{name}" appears twice; rename one'
                self.problem("T004", message, ("groups", number, "name"))


class _Synonyms(_Reader):
    model = Synonyms
    beginning = "synonyms:"

    def look_through(self, content: Synonyms) -> None:
        lines: dict[str, int] = {}
        for number, line in enumerate(content.synonyms):
            for place, phrase in enumerate(line):
                before = lines.setdefault(phrase.casefold(), number)
                if before != number:
                    self.problem(
                        "T001",
                        f'synonyms: "{phrase}" is on another line, too; put all that mean the same on one line',
                        ("synonyms", number, place),
                        severity="warning",
                        effect="A search for it finds only what the last of these lines names.",
                    )


class _Headings(_Reader):
    model = Headings
    beginning = "headings:"


class _Tags(_Reader):
    model = Vocabulary
    parts: ClassVar[Mapping[Place, type[BaseModel]]] = {
        ("groups",): GroupEntry,
        ("groups", "tags"): TagEntry,
    }
    beginning = "groups:"

    def check_content(self, content: Vocabulary) -> None:
        for group, place in content.repeated:
            name = content.groups[group].tags[place].name
            self.problem(
                "T002",
                f'the tag "{name}" appears twice; rename one',
                ("groups", group, "tags", place),
            )


class _Labels(_Reader):
    model = Labels
    beginning = "never_summed:"


class _Words(_Reader):
    model = WordLists
    beginning = "words:"


class _Rules(_Reader):
    model = RuleFile
    beginning = "version: 1"
    loader = FAST_LOADER

    def look_through(self, content: RuleFile) -> None:
        for number, rule in enumerate(content.rules):
            for name, pattern in rule.patterns.items():
                try:
                    # A list of words stands where any word may.
                    re.compile(re.sub(r"\{[a-z_]+\}", "(?:x)", pattern), re.VERBOSE)
                except re.error as error:
                    self.problem(
                        "T003",
                        f'the pattern of "{rule.name}" cannot be read: {error}',
                        ("rules", number, name),
                        effect="Reading stops at the first record for which the rule is tried.",
                    )


READERS: dict[str, type[_Reader]] = {
    "site": _Site,
    "synonyms": _Synonyms,
    "headings": _Headings,
    "tags": _Tags,
    "labels": _Labels,
    "words": _Words,
}


def _readers(folder: Path) -> dict[str, _Reader]:
    """One for each file that is there."""
    paths = {name: folder / f"{name}.yml" for name in READERS}
    return {name: READERS[name](path) for name, path in paths.items() if path.exists()}


def _strangers(folder: Path) -> Iterator[Problem]:
    """What stands in the place of a topic, or of one of its files, and would never be read."""
    if folder.exists() and not folder.is_dir():
        yield _misplaced(folder, "this is not a folder; put site.yml and the topic's other files into one")
    for path in sorted((*folder.glob("*.yml"), *folder.glob("*.yaml"))):
        if path.suffix != ".yml" or path.stem not in READERS:
            near = get_close_matches(path.stem, READERS, n=1)
            known = ", ".join(f"{name}.yml" for name in READERS)
            remedy = f"did you mean {near[0]}.yml?" if near else f"choose one of: {known}"
            yield _misplaced(path, f"this is not a topic file; {remedy}")


def _misplaced(path: Path, message: str) -> Problem:
    return Problem(str(path), 0, 0, "", "F001", "error", message)


def _as(model: type[P], content: Any) -> P | None:
    assert content is None or isinstance(content, model)
    return content
