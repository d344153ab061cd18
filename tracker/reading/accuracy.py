"""How well each group of labels was read when it was last measured, as ``benchmarks/reading`` wrote it down.

The figures belong to a topic, with whose words records were read: another topic has none until it is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tracker import topic
from tracker.errors import UsageError


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


def accuracy(folder: Path | None = None) -> Mapping[str, tuple[Accuracy, ...]]:
    """The figures of each group that was measured on the topic in use, or in a folder; those that pages name first.

    Raises UsageError for a file that ``benchmarks/reading`` has not written.
    """
    return _figures((folder or topic.folder()) / "accuracy.json")


@cache
def _figures(file: Path) -> Mapping[str, tuple[Accuracy, ...]]:
    if not file.exists():
        return {}
    try:
        data: dict[str, list[dict[str, Any]]] = json.loads(file.read_text("utf-8"))
        return {group: tuple(map(_accuracy, entries)) for group, entries in data.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UsageError(
            f"{file}: these are no figures of accuracy ({error}). Remove it, or write it again by "
            "'python -m benchmarks.reading'."
        ) from None


def _accuracy(entry: dict[str, Any]) -> Accuracy:
    values = tuple(ValueAccuracy(**value) for value in entry["values"])
    return Accuracy(**{**entry, "values": values})
