"""Which design a record has where rules find only words that many records hold, told by the weights of all its words.

Rules end where many records hold the same words ("rats", "is discussed"). A linear model (multinomial logistic
regression) has a weight for each word and each design, learned from records that people labelled; the weights are a
text file (``weights/design.tsv``), made by ``benchmarks/reading/train.py``. It confirms what a weak rule found words
for, where no other rule fits, and never brings a value of its own, so that each label keeps its quote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import cache
from importlib.resources import files
from math import exp
from typing import TYPE_CHECKING, NamedTuple

from tracker.reading.text import RecordText

if TYPE_CHECKING:
    from tracker.reading.engine import Fit

# A weak rule counts from this chance of its design on; a review's needs more, since any paper may hold its words.
LEAST = 0.3
LEAST_OF = {"narrative review": 0.5}

# What is none of the designs that the model knows.
OTHER = "other"
# Designs that the model takes for one, as those who labelled its records did.
SAME = {
    "meta-analysis": "systematic review",
    "scoping review": "systematic review",
    "cross-sectional study": "observational study",
    "cohort study": "observational study",
}


class Weighed(NamedTuple):
    """A word, or the name of a rule, and what it says for a design (above 0) or against it."""

    word: str
    weight: float


class Weights(NamedTuple):
    """The weights of each word in the order of ``designs``."""

    designs: tuple[str, ...]
    words: Mapping[str, tuple[float, ...]]


@cache
def weights() -> Weights:
    """The weights of ``weights/design.tsv``: a line for each word and design."""
    rows = [
        line.split("\t")
        for line in files(__package__).joinpath("weights/design.tsv").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    designs = tuple(sorted({design for _, design, _ in rows}))
    table: dict[str, list[float]] = {}
    for word, design, weight in rows:
        table.setdefault(word, [0.0] * len(designs))[designs.index(design)] = float(weight)
    return Weights(designs, {word: tuple(numbers) for word, numbers in table.items()})


def words_of(text: RecordText, rules: Iterable[str]) -> set[str]:
    """What is weighed: the words of title (``title:word``) and abstract, the rules that fit (``rule:name``), and a
    constant (``*``).
    """
    title, *abstract = text.words
    words = set().union(*abstract)
    words.update(["title:" + word for word in title])
    words.update(["rule:" + rule for rule in rules])
    words.add("*")
    return words


def model_name(design: str, table: Weights | None = None) -> str:
    """How the model calls a design: by its own name, by that of one it takes it for, or ``other``."""
    name = SAME.get(design, design)
    return name if name in (table or weights()).designs else OTHER


def chances(words: Set[str], table: Weights | None = None) -> dict[str, float]:
    """How likely each design is after the weights of these words; they come to one."""
    table = table or weights()
    rows = [table.words[word] for word in words & table.words.keys()]
    sums = [sum(column) for column in zip(*rows, strict=True)] if rows else [0.0] * len(table.designs)
    highest = max(sums, default=0.0)
    shares = [exp(total - highest) for total in sums]
    whole = sum(shares)
    return {design: share / whole for design, share in zip(table.designs, shares, strict=True)}


def agreed(text: RecordText, fits: Sequence[Fit], table: Weights | None = None) -> Fit | None:
    """The first fit of the likeliest design that fits tell of, where it is likely enough; None where none is."""
    if not fits:
        return None
    first = {model_name(fit.rule.value, table): fit for fit in reversed(fits)}
    likely = chances(words_of(text, (fit.rule.name for fit in fits)), table)
    best = max(first, key=lambda design: (likely.get(design, 0), design))
    return first[best] if likely.get(best, 0) >= LEAST_OF.get(best, LEAST) else None


def why(words: Set[str], design: str, most: int = 8) -> list[Weighed]:
    """The words of a record that weighed most for or against a design, the heaviest first."""
    table = weights()
    place = table.designs.index(model_name(design))
    found = [Weighed(word, table.words[word][place]) for word in words & table.words.keys() if word != "*"]
    return sorted((one for one in found if one.weight), key=lambda one: (-abs(one.weight), one.word))[:most]
