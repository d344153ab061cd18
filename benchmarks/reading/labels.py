"""Each group's labels against those of each set that has the like, by the tables of ``mappings.yml``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.reading import sets
from benchmarks.reading.scores import Pair
from tracker.article import Article
from tracker.reading import Label, read_labels

# What people wrote where nothing was stated.
UNSAID = frozenset({"Unknown", "Not applicable", "not stated", "", "none"})
# Of comparators, "none" is what is stated: that there was no comparison.
_SAID_OF_COMPARATORS = UNSAID - {"none"}


class Task(NamedTuple):
    """One comparison: a set's field with a group of ours."""

    name: str
    set: str
    field: str
    group: str
    ours: dict[str, str | list[str]] = {}  # noqa: RUF012 -- never changed
    theirs: dict[str, str] | None = None
    rest: str | None = None
    scored: list[str] | None = None
    drop: list[str] | None = None
    implied: dict[str, dict[str, list[str]]] = {}  # noqa: RUF012 -- never changed
    also: dict[str, dict[str, list[str]]] = {}  # noqa: RUF012 -- never changed
    unless: dict[str, dict[str, list[str]]] = {}  # noqa: RUF012 -- never changed
    measure: str = "weighted"


def tasks() -> list[Task]:
    data = yaml.safe_load((Path(__file__).parent / "mappings.yml").read_text("utf-8"))
    return [Task(name, **entry) for name, entry in data["tasks"].items()]


def compared(task: Task, *, develop: bool) -> Iterator[tuple[sets.Read, Pair]]:
    """Each record of the half asked for, with what people and we read in it."""
    for record in sets.load(task.set):
        if record.develop == develop and not _dropped(task, record.gold):
            yield record, pair(task, record, read(record.article))


def pair(task: Task, record: sets.Read, labels: Sequence[Label]) -> Pair:
    """What people read in a record, beside what these labels of ours say."""
    return _theirs(task, record.gold), _ours(task, labels)


def _dropped(task: Task, gold: dict[str, Any]) -> bool:
    """Whether people gave the record a value that leaves it out."""
    return bool(task.drop) and not set(task.drop or ()).isdisjoint(gold.get(task.field) or ())


def _theirs(task: Task, gold: dict[str, Any]) -> frozenset[str]:
    found = gold.get(task.field) or []
    given = [found] if isinstance(found, str) else [str(value) for value in found]
    if task.theirs is not None:
        ours_too = task.set in sets.OURS
        given = [task.theirs.get(value, value if ours_too else "") for value in given]
    unsaid = _SAID_OF_COMPARATORS if task.group == "comparator" else UNSAID
    return _scored(task, {name for name in given if name not in unsaid})


def _ours(task: Task, labels: Sequence[Label]) -> frozenset[str]:
    values = [
        label.value
        for label in labels
        if label.group == task.group and not _any(task.unless.get(label.value, {}), labels)
    ]
    too = {name for name, groups in task.also.items() if _any(groups, labels)}
    if not values:
        return _scored(task, too or _implied(task, labels))
    foreign = task.set not in sets.OURS
    renamed = [task.ours.get(value, (task.rest if foreign else None) or value) for value in values]
    names = {name for each in renamed for name in ([each] if isinstance(each, str) else each)}
    return _scored(task, (names - {""}) | too or _rest(task))


def _implied(task: Task, labels: Sequence[Label]) -> set[str]:
    """What labels of other groups come to by a set's broader sense of a value; else the rest."""
    return next(({name} for name, groups in task.implied.items() if _any(groups, labels)), _rest(task))


def _any(groups: dict[str, list[str]], labels: Sequence[Label]) -> bool:
    """Whether a record has one of these labels of other groups."""
    return any(label.value in groups.get(label.group, ()) for label in labels)


def _rest(task: Task) -> set[str]:
    return {task.rest} if task.rest else set()


def _scored(task: Task, names: set[str]) -> frozenset[str]:
    return frozenset(name for name in names if not task.scored or name in task.scored)


def read(article: Article) -> tuple[Label, ...]:
    """The article's labels, read once."""
    if id(article) not in _LABELS:
        _LABELS[id(article)] = read_labels(article)
    return _LABELS[id(article)]


_LABELS: dict[int, tuple[Label, ...]] = {}
