"""What made-up articles are put together from, each thing as common as among real ones."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from tracker.evidence.articles import TABLES, Row

DESIGNS = {
    "narrative review": 18, "randomised controlled trial": 12, "animal study": 22, "case report": 11, "cohort study": 8,
    "in vitro study": 6, "cross-sectional study": 5, "comment": 4, "letter": 3, "systematic review": 3,
    "meta-analysis": 2, "open-label trial": 2, "case series": 2, "protocol": 1, "scoping review": 0.3,
}  # fmt: skip
LANGUAGES = {"eng": 92, "chi": 2, "ger": 1.5, "fre": 1.5, "spa": 1, "jpn": 1, "eng,spa": 0.5, "por": 0.5}

COMMON_WORDS = (
    "the of and in to with a was for were that by or from on as is at this be are than not which".split()
)
MEDICAL_WORDS = (
    "patients treatment group study effects clinical trial dose pain anaesthesia receptor memory symptoms response "
    "placebo infusion weeks rats mice ketone ketosis ketorolac ketoacidosis cognitive scale score associated"
).split()

T = TypeVar("T")


class Pool(Generic[T]):
    """Things to draw from, the first far more often than the last, or as their weights say."""

    def __init__(self, things: Iterable[T], weights: Iterable[float] | None = None) -> None:
        self.things = list(things)
        rising = weights or (1 / (rank + 2.7) for rank in range(len(self.things)))
        self.cumulated = list(itertools.accumulate(rising))

    def draw(self, rng: random.Random) -> T:
        return self.things[bisect.bisect(self.cumulated, rng.random() * self.cumulated[-1])]

    def sample(self, rng: random.Random, size: int) -> list[T]:
        return rng.choices(self.things, cum_weights=self.cumulated, k=size)


class Author(NamedTuple):
    display: str
    row: Row


class Term(NamedTuple):
    """A MeSH heading or a keyword."""

    name: str
    row: Row


class Journal(NamedTuple):
    name: str
    abbreviation: str
    number: int


class Material:
    """Made once; drawn from for every article."""

    def __init__(self, rng: random.Random) -> None:
        words = _vocabulary(rng, 40_000)
        vocabulary = Pool(words)
        self.sentences = [
            f"{' '.join(vocabulary.sample(rng, rng.randint(8, 32))).capitalize()}." for _ in range(60_000)
        ]
        self.titles = [" ".join(vocabulary.sample(rng, rng.randint(4, 9))) for _ in range(60_000)]
        rare = words[500:]
        self.authors = Pool(_author(rng, rare) for _ in range(30_000))
        self.headings = Pool(_heading(_pair(rng, rare).capitalize(), n) for n in range(3_000))
        self.humans, self.animals = _heading("Humans", 6801), _heading("Animals", 818)
        self.keywords = Pool(_keyword(_pair(rng, rare)) for _ in range(4_000))
        self.journals = Pool(
            Journal(f"The journal of {_pair(rng, rare)}", f"J {rare[n][:5].capitalize()}", n)
            for n in range(1_500)
        )
        self.designs = Pool(DESIGNS, DESIGNS.values())
        self.languages = Pool(LANGUAGES, LANGUAGES.values())
        self.types = {
            "randomised controlled trial": _type("Randomized Controlled Trial", "D016449"),
            "case report": _type("Case Reports", "D002363"),
            "meta-analysis": _type("Meta-Analysis", "D017418"),
            "systematic review": _type("Systematic Review", "D000078182"),
            "narrative review": _type("Review", "D016454"),
            "letter": _type("Letter", "D016422"),
            "comment": _type("Comment", "D016420"),
        }
        self.article_type = _type("Journal Article", "D016428")


def _vocabulary(rng: random.Random, size: int) -> list[str]:
    """The commonest words of English, then words that only sound like some."""
    syllables = [
        first + vowel + last for first in "bdfglmnprstv" for vowel in "aeiou" for last in ("", *"lnrsm")
    ]
    words = dict.fromkeys((*COMMON_WORDS, *MEDICAL_WORDS))
    while len(words) < size:
        words["".join(rng.choices(syllables, k=rng.choice((2, 3, 3, 4))))] = None
    words.pop("treatment")  # planted
    return list(words)


def _pair(rng: random.Random, words: list[str]) -> str:
    return " ".join(rng.sample(words, 2))


def parts(table: str, **values: Any) -> Row:
    """The columns of a row after PMID and position; whatever is not given is empty."""
    columns = [name for name in TABLES[table].columns if name not in ("pmid", "position")]
    return tuple(values.get(name, "") for name in columns)


def _author(rng: random.Random, words: list[str]) -> Author:
    last = rng.choice(words).capitalize()
    initials = "".join(rng.choices("ABCDEFGHJKLMNPRSTW", k=rng.choice((1, 2))))
    orcid = f"0000-0001-{rng.randrange(10_000):04}-{rng.randrange(10_000):04}" if rng.random() < 0.3 else ""
    row = parts(
        "authors", last_name=last, fore_name=initials, initials=initials, orcid=orcid, equal_contribution=0,
        valid=1, role="author",
    )  # fmt: skip
    return Author(f"{last} {initials}", row)


def _heading(name: str, number: int) -> Term:
    row = parts("mesh_headings", descriptor=name, descriptor_ui=f"D{number:06}", major=0, descriptor_major=0)
    return Term(name, row)


def _keyword(name: str) -> Term:
    return Term(name, parts("keywords", term=name, owner="NOTNLM", major=0))


def _type(name: str, ui: str) -> Row:
    return parts("publication_types", name=name, ui=ui)
