"""What a search shows beside what it found: the questions that its words name, and what to search for instead.

A search that finds nothing must not read as "no harm": abstracts may say it in other words, or leave harms out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby, islice
from typing import NamedTuple

from tracker.directness import DIRECTNESS
from tracker.evidence import identifiers, search
from tracker.evidence.cache import cached
from tracker.evidence.rows import Row, read_rows
from tracker.lists.selection import Count, Reader, Selection, count, tallies_of, with_moved
from tracker.query.vocabulary import fold_words
from tracker.reading.brief import brief_of
from tracker.reading.naming import names
from tracker.team.placements import GROUP

# So many searches with one word less are counted, each by one intersection in the index.
MOST_SHORTER = 6
MOST_QUESTIONS = 5
# Words that part what a title names: "Salt and the heart".
_BETWEEN = frozenset(
    "a after an and are as at before by can do does during for from how in is it its of on or than that the to under "
    "what when whether which who with without".split()
)


class Asked(NamedTuple):
    """A question that a search names: how many records match it, and how many bear on it how directly, as people
    moved them; only the values that some have, in their order."""

    slug: str
    title: str
    matching: int
    directness: Mapping[str, int]


class Instead(NamedTuple):
    """Another search, and the number of records that it finds; ``without`` is the part that it lacks."""

    text: str
    number: Count
    without: str = ""


class Unfound(NamedTuple):
    """A search that finds nothing, and what to search for instead, within the same filters, if it has any.

    ``apart`` has the words of its phrases by themselves; None if that finds nothing, either. ``shorter`` lack one of
    the ``parts`` each, the first MOST_SHORTER.
    """

    parts: Sequence[str]
    filtered: bool
    apart: Instead | None
    shorter: Sequence[Instead]

    @property
    def searches(self) -> list[Instead]:
        return [*([self.apart] if self.apart else []), *self.shorter]

    @property
    def says(self) -> str:
        """What is not there, and that this says nothing of harm."""
        no = "With these filters, no" if self.filtered else "No"
        words = "all these words" if len(self.parts) > 1 or self.apart else "this word"
        whole = " with their phrases whole" if self.apart else ""
        return (
            f"{no} stored record holds {words}{whole}, which is no evidence of no harm: abstracts often leave harms "
            "out, and only a part of PubMed is stored here."
        )


def asked(db: sqlite3.Connection, text: str, viewer: int | None = None) -> list[Asked]:
    """The questions whose title or outcome a search names; none if it consists of papers' identifiers.

    Words that the question's file excepts, as they mean something else ("salt of the earth"), count only if the search
    names no question otherwise.
    """
    if not text or identifiers.identifiers(text):
        return []
    texts = [" ".join(search.parts(text)), *search.synonyms(text)]
    questions = cached(db, ("questions named",), lambda: _questions(db))
    found = _named(questions, texts, exceptions=True) or _named(questions, texts, exceptions=False)
    return [_asked(db, question, viewer) for question in found[:MOST_QUESTIONS]]


def unfound(db: sqlite3.Connection, chosen: Selection) -> Unfound | None:
    """What to search for instead, within the same filters; None for identifiers, and for a text without words."""
    parts = [] if identifiers.identifiers(chosen.text) else search.parts(chosen.text)
    if not parts:
        return None
    by_itself = search.apart(chosen.text)
    apart = _instead(db, chosen, by_itself) if by_itself else None
    dropped = islice(enumerate(parts), MOST_SHORTER if len(parts) > 1 else 0)
    shorter = [
        _instead(db, chosen, " ".join([*parts[:place], *parts[place + 1 :]]), part) for place, part in dropped
    ]
    filtered = not chosen._replace(text="").is_whole
    return Unfound(parts, filtered, apart if apart and apart.number.n else None, shorter)


def _instead(db: sqlite3.Connection, chosen: Selection, text: str, without: str = "") -> Instead:
    return Instead(text, Reader(db, chosen._replace(text=text)).count(), without)


def _questions(db: sqlite3.Connection) -> list[Row]:
    return read_rows(db, "select slug, title, reading from questions order by position, slug")


def _named(questions: Sequence[Row], texts: Sequence[str], *, exceptions: bool) -> list[Row]:
    return [
        question
        for question in questions
        if _in_title(texts, question["title"])
        or (question["reading"] and names(texts, brief_of(question["reading"]), exceptions=exceptions))
    ]


def _in_title(texts: Sequence[str], title: str) -> bool:
    folded = [f" {fold_words(text)} " for text in texts]
    return any(f" {piece} " in text for piece in _pieces(title) for text in folded)


@lru_cache(maxsize=64)
def _pieces(title: str) -> tuple[str, ...]:
    """What a title names, folded: "Salt and the heart" names "salt" and "heart"."""
    parted = groupby(fold_words(title).split(), key=_BETWEEN.__contains__)
    return tuple(" ".join(words) for is_between, words in parted if not is_between)


def _asked(db: sqlite3.Connection, question: Row, viewer: int | None) -> Asked:
    slug = question["slug"]
    read = cached(db, ("directness", slug), lambda: {GROUP: tallies_of(db, slug, GROUP)})
    placed = with_moved(db, read, slug, viewer).get(GROUP, {})
    numbers = {value: sum(placed.get(value, {}).values()) for value in DIRECTNESS}
    return Asked(
        slug,
        question["title"],
        count(db, Selection(slug)).n,
        {value: n for value, n in numbers.items() if n},
    )
