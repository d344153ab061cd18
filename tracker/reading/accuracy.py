"""How well each group of labels was read when it was last measured, as ``benchmarks/reading`` wrote it down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


class ValueAccuracy(NamedTuple):
    """Of one value: how many records have it by the people who read them, and how often we agree.

    The figures are None where there are too few such records to say.
    """

    value: str
    n: int
    precision: float | None
    recall: float | None
    f1: float | None


class Accuracy(NamedTuple):
    """Of one group, on one set of records that people labelled and nobody tuned on.

    ``measure`` names ``score``, which lies between ``low`` and ``high`` with 95 % confidence; ``exact`` is the share of
    records with something to read in which all values agree, ``coverage`` of those in which we read anything.
    """

    set: str
    n: int
    measure: str
    score: float
    low: float
    high: float
    exact: float | None
    coverage: float | None
    values: tuple[ValueAccuracy, ...]

    def __str__(self) -> str:
        figures = f"{self.score:.2f} ({self.low:.2f} to {self.high:.2f})"
        return f"{self.measure} {figures} on {self.n:,} records of {self.set}"


@cache
def accuracy() -> Mapping[str, tuple[Accuracy, ...]]:
    """The figures of each group that was measured, those that pages name first."""
    data: dict[str, list[dict[str, Any]]] = json.loads(
        files(__package__).joinpath("accuracy.json").read_text("utf-8")
    )
    return {group: tuple(_accuracy(entry) for entry in entries) for group, entries in data.items()}


def _accuracy(entry: dict[str, Any]) -> Accuracy:
    values = tuple(ValueAccuracy(**value) for value in entry.pop("values"))
    return Accuracy(values=values, **entry)
