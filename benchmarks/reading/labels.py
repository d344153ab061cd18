"""Each group's labels against those of each set that has the like, by the tables of ``mappings.yml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.reading import sets
from benchmarks.reading.scores import Pair
from tracker.article import Article
from tracker.reading import Label, read_labels

# What people wrote where nothing was stated.
UNSAID = frozenset({"Unknown", "Not applicable", "not stated", "", "none"})


class Task(NamedTuple):
    """One comparison: a set's field with a group of ours."""

    name: str
    set: str
    field: str
    group: str
    ours: dict[str, str] = {}  # noqa: RUF012 -- never changed
    theirs: dict[str, str] | None = None
    rest: str | None = None
    scored: list[str] | None = None
    measure: str = "weighted"


def tasks() -> list[Task]:
    data = yaml.safe_load((Path(__file__).parent / "mappings.yml").read_text("utf-8"))
    return [Task(name, **entry) for name, entry in data["tasks"].items()]


def compared(task: Task, *, develop: bool) -> Iterator[tuple[sets.Read, Pair]]:
    """Each record of the half asked for, with what people and we read in it."""
    for record in sets.load(task.set):
        if record.develop == develop:
            values = [label.value for label in read(record.article) if label.group == task.group]
            yield record, pair(task, record, values)


def pair(task: Task, record: sets.Read, values: Iterable[str]) -> Pair:
    """What people read in a record, beside these values of ours."""
    return _theirs(task, record.gold), _ours(task, values)


def _theirs(task: Task, gold: dict[str, Any]) -> frozenset[str]:
    found = gold.get(task.field) or []
    given = [found] if isinstance(found, str) else [str(value) for value in found]
    if task.theirs is not None:
        ours_too = task.set in sets.OURS
        given = [task.theirs.get(value, value if ours_too else "") for value in given]
    return _scored(task, {name for name in given if name not in UNSAID or task.group == "comparator"})


def _ours(task: Task, values: Iterable[str]) -> frozenset[str]:
    foreign = task.set not in sets.OURS
    names = {task.ours.get(value, (task.rest if foreign else None) or value) for value in values}
    return _scored(task, names or ({task.rest} if task.rest else set()))


def _scored(task: Task, names: set[str]) -> frozenset[str]:
    return frozenset(name for name in names if not task.scored or name in task.scored)


def read(article: Article) -> tuple[Label, ...]:
    """The article's labels, read once."""
    if id(article) not in _LABELS:
        _LABELS[id(article)] = read_labels(article)
    return _LABELS[id(article)]


_LABELS: dict[int, tuple[Label, ...]] = {}
