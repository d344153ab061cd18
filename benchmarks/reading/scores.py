"""Precision, recall and F1 of what was read against what people read, with intervals."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tracker.lists.recall import Share

# Under so many positives a figure says too little to be shown.
TOO_FEW = 30
_DRAWS = 1000

Pair = tuple[frozenset[str], frozenset[str]]


class Figure(NamedTuple):
    """A share with its 95 % interval; ``n`` is what it is a share of."""

    value: float
    low: float
    high: float
    n: int


class Score(NamedTuple):
    """How well one value was read: ``n`` records have it by the people who read them."""

    value: str
    n: int
    precision: float
    recall: float
    f1: float


def entry(
    set: str,
    n: int,
    measure: str,
    score: Figure,
    exact: Figure | None = None,
    coverage: Figure | None = None,
    values: Sequence[Score] = (),
) -> dict[str, Any]:
    """What ``tracker/reading/accuracy.py`` reads: a measure on a set, with the values that it is made of."""
    return {
        "set": set,
        "n": n,
        "measure": measure,
        "score": round(score.value, 3),
        "low": round(score.low, 3),
        "high": round(score.high, 3),
        "exact": exact and round(exact.value, 3),
        "coverage": coverage and round(coverage.value, 3),
        "values": [_of_value(value) for value in values],
    }


def _of_value(score: Score) -> dict[str, Any]:
    few = score.n < TOO_FEW
    rest = {name: None if few else round(getattr(score, name), 3) for name in ("precision", "recall", "f1")}
    return {"value": score.value, "n": score.n, **rest}


def share(part: int, whole: int) -> Figure:
    """Part of a whole, with Wilson's interval (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    if not whole:
        return Figure(0, 0, 1, 0)
    return Figure(part / whole, *Share(part, whole).interval, whole)


def by_value(pairs: Sequence[Pair]) -> list[Score]:
    """One score for each value that people read, the commonest first."""
    gold: Counter[str] = Counter(value for theirs, _ in pairs for value in theirs)
    read: Counter[str] = Counter(value for _, ours in pairs for value in ours)
    both: Counter[str] = Counter(value for theirs, ours in pairs for value in theirs & ours)
    return [_score(value, n, read[value], both[value]) for value, n in gold.most_common()]


def _score(value: str, gold: int, read: int, both: int) -> Score:
    precision, recall = both / read if read else 0.0, both / gold if gold else 0.0
    return Score(value, gold, precision, recall, 2 * both / (gold + read) if gold + read else 0.0)


def weighted_f1(pairs: Sequence[Pair]) -> float:
    """F1 over values, each weighted by how many records have it."""
    scores = by_value(pairs)
    whole = sum(score.n for score in scores)
    return sum(score.f1 * score.n for score in scores) / whole if whole else 0.0


def macro_f1(pairs: Sequence[Pair]) -> float:
    """F1 over values, each weighted alike."""
    scores = by_value(pairs)
    return sum(score.f1 for score in scores) / len(scores) if scores else 0.0


def drawn(pairs: Sequence[Pair], measure: Callable[[Sequence[Pair]], float]) -> Figure:
    """A measure with its interval from records drawn with replacement (bootstrap, percentiles); the same each time."""
    dice = random.Random(20261130)
    values = sorted(measure(dice.choices(pairs, k=len(pairs))) for _ in range(_DRAWS)) if pairs else [0.0]
    return Figure(
        measure(pairs), values[int(0.025 * len(values))], values[int(0.975 * (len(values) - 1))], len(pairs)
    )


def exact(pairs: Sequence[Pair]) -> Figure:
    """In how many records all values agree, of those of which people read something."""
    stated = [pair for pair in pairs if pair[0]]
    return share(sum(theirs == ours for theirs, ours in stated), len(stated))


def coverage(pairs: Sequence[Pair]) -> Figure:
    """In how many records we read something, of those of which people did."""
    stated = [pair for pair in pairs if pair[0]]
    return share(sum(bool(ours) for _, ours in stated), len(stated))
