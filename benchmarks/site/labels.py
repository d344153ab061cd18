"""What made-up articles are labelled with: every group of labels, each value as common as among real records."""

from __future__ import annotations

import random
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from benchmarks.site.material import Pool, parts
from tracker.evidence.articles import Row


class Labels:
    """All groups but design and level, which follow from what an article is (proportions.yml)."""

    def __init__(self) -> None:
        data = yaml.safe_load(files(__package__).joinpath("proportions.yml").read_text("utf-8"))
        self._groups = [
            _Quantities(name, **entry) if "deciles" in entry else _Values(name, **entry)
            for name, entry in data.items()
        ]

    def draw(self, rng: random.Random) -> list[Row]:
        """An article's labels, as rows without the PMID."""
        return [each for group in self._groups if rng.random() < group.records for each in group.draw(rng)]


class _Values:
    def __init__(self, name: str, records: float, values: dict[str, float], more: float = 0.0) -> None:
        self.name, self.records, self._more = name, records, more
        self._values = Pool(values, values.values())

    def draw(self, rng: random.Random) -> list[Row]:
        drawn = {self._values.draw(rng): None}
        while rng.random() < self._more:
            drawn[self._values.draw(rng)] = None
        return [label(self.name, value) for value in drawn]


class _Quantities:
    def __init__(self, name: str, records: float, deciles: list[int], unit: str = "") -> None:
        self.name, self.records = name, records
        self._deciles, self._unit = deciles, unit

    def draw(self, rng: random.Random) -> list[Row]:
        at = rng.randrange(len(self._deciles) - 1)
        number = rng.randint(self._deciles[at], self._deciles[at + 1])
        return [label(self.name, f"{number} {self._unit}".strip(), number)]


@cache
def label(group: str, value: str, number: Any = "") -> Row:
    """The row, without the PMID; its words stand somewhere near the beginning of the abstract."""
    start = 7 * len(group + value)
    return parts(
        "labels", label_group=group, value=value, basis="abstract", quote=value, rule=f"{group}-bench",
        rule_version=1, confidence="medium", part="abstract", start=start, end=start + len(value), number=number,
    )  # fmt: skip
