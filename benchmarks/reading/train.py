"""The weights by which designs are told apart where rules end, learned from records that people labelled.

Run: ``python -m benchmarks.reading.train [--check]``. It learns from the development quarters of StudyTypeTeller and
PsyNamic alone and writes ``tracker/reading/weights/design.tsv``; the same records and rules give the same file.
``--check`` writes nothing and compares rules alone with rules and weights in ten parts, each read by weights that were
learned from the other nine.

The model is a multinomial logistic regression with an L2 penalty. Where a set's name for a record leaves open which of
our designs it has ("other" of a set that does not know narrative reviews), any of those left open will do: the loss is
the logarithm of the sum of their chances.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.reading import labels, scores, sets
from tracker.reading import engine, ranking
from tracker.reading.rules import all_rules

DESIGNS = (
    "animal study",
    "case report",
    "in vitro study",
    "narrative review",
    "observational study",
    "other",
    "protocol",
    "randomised controlled trial",
    "systematic review",
)
LABELS: dict[str, tuple[str, ...]] = {
    # StudyTypeTeller
    "Human-RCT-drug-intervention": ("randomised controlled trial",),
    "Human-RCT-non-drug-intervention": ("randomised controlled trial",),
    "Human-RCT-non-intervention": ("randomised controlled trial",),
    "Human-systematic-review": ("systematic review",),
    "Non-systematic-review": ("narrative review",),
    "Clinical-study-protocol": ("protocol",),
    "Human-case-report": ("case report",),
    "Animal-drug-intervention": ("animal study",),
    "Animal-non-drug-intervention": ("animal study",),
    "Animal-other": ("animal study",),
    "In-vitro-study": ("in vitro study",),
    "Remaining": ("observational study", "other"),
    "Human-non-RCT-drug-intervention": ("observational study", "other"),
    "Human-non-RCT-non-drug-intervention": ("observational study", "other"),
    # PsyNamic
    "Randomized-controlled trial (RCT)": ("randomised controlled trial",),
    "Systematic review/meta-analysis": ("systematic review",),
    "Study protocol": ("protocol",),
    "Case report": ("case report",),
    "Real-world study": ("observational study",),
    "Qualitative Study": ("other",),
    "Case series": ("other",),
    "Cohort study": ("observational study",),
    "Other": ("other", "narrative review", "animal study", "in vitro study"),
}
# Words of fewer records say too little; of the rest the heaviest are kept, and learned again by themselves.
FEWEST = 4
# Drugs that the sets happen to be about say nothing of designs elsewhere, and no topic stands in the package.
DRUGS = re.compile(
    r"(?:\w+:)?(?:\w*ketamine|mdma|methylenedioxy\w+|ecstasy|lsd|lysergic|psilocybin|ayahuasca|psychedelic\w*)"
)
MOST_LINES = 4000
SETS = ("studytypeteller", "psynamic_full")
PENALTY = 8.0
STEPS = 200
TARGET = Path(ranking.__file__).parent / "weights" / "design.tsv"

Matrix = NDArray[np.float64]


class Example(NamedTuple):
    """A record of a set to learn from: its words and rules, and the designs that it may have."""

    origin: str
    record: sets.Read
    words: set[str]
    allowed: tuple[str, ...]


@cache
def examples() -> list[Example]:
    return [
        Example(name, read, words(read), LABELS[read.gold["study_type"][0]])
        for name in SETS
        for read in sets.load(name)
        if read.develop and read.gold["study_type"][0] in LABELS
    ]


def words(read: sets.Read) -> set[str]:
    # Where a strong rule fits, weights are not asked; with strong rules among the words, the others would learn little.
    record = engine.Record(read.article)
    fits = engine.fits(record, "design", weak=True)
    return ranking.words_of(record.text, (fit.rule.name for fit in fits))


def learn(given: Sequence[Example]) -> dict[str, list[float]]:
    """The weights of each word, in the order of ``DESIGNS``."""
    counts = Counter(word for example in given for word in example.words)
    vocabulary = sorted(
        word for word, count in counts.items() if count >= FEWEST and not DRUGS.fullmatch(word)
    )
    first = _fitted(given, vocabulary, np.ones((len(vocabulary), len(DESIGNS))))
    # Rules and the constant stay: they are few, and what the rest is measured from.
    sizes = np.abs(first) + np.array([[1000.0 * w.startswith(("rule:", "*"))] for w in vocabulary])
    least = np.sort(sizes, axis=None)[-min(MOST_LINES, sizes.size)]
    kept = sizes >= least
    second = _fitted(given, vocabulary, kept.astype(np.float64))
    return {
        word: [float(number) for number in second[row]]
        for row, word in enumerate(vocabulary)
        if kept[row].any()
    }


def _fitted(given: Sequence[Example], vocabulary: Sequence[str], mask: Matrix) -> Matrix:
    """Gradient descent with Nesterov's momentum from zero, so that the same input gives the same weights."""
    places = {word: place for place, word in enumerate(vocabulary)}
    has = np.zeros((len(given), len(vocabulary)))
    may = np.zeros((len(given), len(DESIGNS)))
    for row, example in enumerate(given):
        has[row, [places[word] for word in example.words if word in places]] = 1
        may[row, [DESIGNS.index(design) for design in example.allowed]] = 1
    weights = np.zeros((len(vocabulary), len(DESIGNS)))
    before = weights
    rate = 1 / (np.linalg.norm(has, 2) ** 2 / 2 + PENALTY)
    free = np.array([[0.0 if word == "*" else 1.0] for word in vocabulary])
    for step in range(STEPS):
        ahead = weights + step / (step + 3) * (weights - before)
        chance = _shares(has @ ahead)
        wanted = chance * may
        wanted /= wanted.sum(axis=1, keepdims=True)
        slope = has.T @ (chance - wanted) + PENALTY * free * ahead
        before, weights = weights, (ahead - rate * slope) * mask
    return weights


def _shares(sums: Matrix) -> Matrix:
    raised = np.exp(sums - sums.max(axis=1, keepdims=True))
    shares: Matrix = raised / raised.sum(axis=1, keepdims=True)
    return shares


def lines(weights: dict[str, list[float]]) -> list[str]:
    return [
        f"{word}\t{design}\t{number:.3f}"
        for word, numbers in sorted(weights.items())
        for design, number in zip(DESIGNS, numbers, strict=True)
        if f"{abs(number):.3f}" != "0.000"
    ]


def check(given: Sequence[Example]) -> None:
    """Rules alone, and rules with weights learned from other records, on each set that is learned from."""
    for task in labels.tasks():
        if task.group == "design" and task.set in SETS:
            measure = scores.macro_f1 if task.measure == "macro" else scores.weighted_f1
            mine = [example for example in given if example.origin == task.set]
            for name, weighed in (("rules alone", False), ("with weights", True)):
                pairs = [_pair(task, one, _learned(part_of(one)) if weighed else None) for one in mine]
                print(f"{task.name}, {name}: {task.measure} F1 {measure(pairs):.3f}")


@cache
def _learned(part: int) -> ranking.Weights:
    given = examples()
    learned = learn([example for example in given if part_of(example) != part])
    return ranking.Weights(DESIGNS, {word: tuple(numbers) for word, numbers in learned.items()})


def _pair(task: labels.Task, example: Example, table: ranking.Weights | None) -> scores.Pair:
    record = engine.Record(example.record.article)
    found = engine.fits(record, "design")
    fit = next((fit for fit in found if not fit.rule.weak), None)
    if not fit and table:
        fit = ranking.agreed(record.text, found, table)
    own = [engine.label_of(record, all_rules()["design"], fit)] if fit else []
    return labels.pair(task, example.record, own)


def part_of(example: Example) -> int:
    """One of ten parts, by what the record is called."""
    return int(hashlib.sha1(example.record.id.encode()).hexdigest(), 16) % 10


def main(arguments: Sequence[str]) -> int:
    given = examples()
    if "--check" in arguments:
        check(given)
        return 0
    TARGET.parent.mkdir(exist_ok=True)
    head = "# What words say for or against a design, by benchmarks/reading/train.py: word, design, weight."
    found = lines(learn(given))
    TARGET.write_text("\n".join([head, *found]) + "\n", "utf-8")
    print(f"{len(given)} records, {len(found)} weights")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
