"""Words that a search strategy may lack: those that records judged relevant have, others do not, and it never asks for.

A term is one word of title or abstract, two that follow each other, or a MeSH descriptor. It is suggested where it
stands in a larger part of the question's records that people judged relevant than of its other records, by a likelihood
ratio that chance seldom gives (Dunning 1993, https://aclanthology.org/J93-1003).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from math import log
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.evidence.rows import each_row
from tracker.lists.selection import Selection, pmids
from tracker.query.syntax import Term, parse, terms
from tracker.query.vocabulary import default_tree, fold_value, fold_words, stopwords

FEWEST_RECORDS = 3
# One time in a hundred by chance: the 99th percentile of chi square with one degree of freedom.
LEAST_RATIO = 6.63
_BATCH = 500
_WORDS = ("ti", "ab", "tiab", "tw", "all")
_HEADINGS = ("mh", "majr")


class Suggested(NamedTuple):
    """A term with the number of records that have it: of those judged relevant, and of the question's others.

    ``field`` is the tag by which PubMed would look for it: tiab or mh.
    """

    term: str
    field: str
    relevant: int
    others: int


class Suggestions(NamedTuple):
    """The terms that speak most for themselves first; ``relevant`` and ``others`` are the numbers of records."""

    terms: list[Suggested]
    relevant: int
    others: int


def suggestions(db: sqlite3.Connection, slug: str, strategy: str, most: int = 50) -> Suggestions:
    """What the records of a question say that people judged relevant, and the strategy does not ask for.

    ``strategy`` is a search in PubMed's syntax. Raises QueryError where it cannot be read.
    """
    relevant = frozenset(_pmids(db, Selection(slug, decision="include")))
    others = frozenset(_pmids(db, Selection(slug))) - relevant
    mine, theirs = _counted(db, relevant), _counted(db, others)
    asked = _Asked(strategy)
    found = [
        (_likelihood_ratio(n, len(relevant), theirs[term], len(others)), Suggested(*term, n, theirs[term]))
        for term, n in mine.items()
        if n >= FEWEST_RECORDS and n * len(others) > theirs[term] * len(relevant) and not asked.holds(*term)
    ]
    best = sorted((each for each in found if each[0] >= LEAST_RATIO), key=lambda each: (-each[0], each[1]))
    return Suggestions([each for _, each in best[:most]], len(relevant), len(others))


def _pmids(db: sqlite3.Connection, selection: Selection) -> Iterator[ArticleKey]:
    for batch in pmids(db, selection, _BATCH):
        yield from batch


# A term and its field.
Key = tuple[str, str]


def _counted(db: sqlite3.Connection, chosen: Collection[ArticleKey]) -> Counter[Key]:
    """In how many of these records each term stands."""
    counted: Counter[Key] = Counter()
    given = {"pmids": json.dumps(sorted(chosen))}
    for row in each_row(db, _TEXTS, given):
        counted.update(set(_terms_of(row["title"], row["abstract"] or "", json.loads(row["headings"]))))
    return counted


def _terms_of(title: str, abstract: str, headings: Iterable[str]) -> Iterator[Key]:
    for text in (title, abstract):
        words = fold_words(text).split()
        telling = [word for word in words if _tells(word)]
        yield from ((word, "tiab") for word in telling)
        yield from ((f"{one} {two}", "tiab") for one, two in pairwise(words) if _tells(one) and _tells(two))
    yield from ((heading, "mh") for heading in headings)


@lru_cache(maxsize=50_000)
def _tells(word: str) -> bool:
    return len(word) > 3 and not word.isdigit() and word not in stopwords()


class _Asked:
    """What a strategy asks for: words of title or abstract, and headings with those below them."""

    def __init__(self, strategy: str) -> None:
        leaves = [leaf for leaf in terms(parse(strategy)) if isinstance(leaf, Term)]
        tree = default_tree()
        words = [leaf for leaf in leaves if leaf.field.key in _WORDS]
        self._whole = {f" {fold_words(leaf.text)} " for leaf in words if not leaf.truncated}
        self._beginnings = {f" {fold_words(leaf.text)}" for leaf in words if leaf.truncated}
        self._headings = {
            name
            for leaf in leaves
            if leaf.field.key in _HEADINGS
            for name in (tree.explode(leaf.text) if leaf.explode else {fold_value(leaf.text)})
        }

    def holds(self, term: str, field: str) -> bool:
        """Whether a record with this term is found by it anyway, or the term is a part of what is asked for."""
        if field == "mh":
            return fold_value(term) in self._headings
        padded = f" {term} "
        return any(text in padded for text in (*self._whole, *self._beginnings)) or any(
            padded in text for text in self._whole
        )


def _likelihood_ratio(mine: int, all_mine: int, theirs: int, all_theirs: int) -> float:
    """Dunning's G²: how much better two shares explain the numbers than one."""
    cells = (
        (mine, all_mine, mine + theirs),
        (theirs, all_theirs, mine + theirs),
        (all_mine - mine, all_mine, all_mine + all_theirs - mine - theirs),
        (all_theirs - theirs, all_theirs, all_mine + all_theirs - mine - theirs),
    )
    whole = all_mine + all_theirs
    return 2 * sum(n * log(n * whole / (row * column)) for n, row, column in cells if n)


_TEXTS = """
select a.title, a.abstract,
  (select json_group_array(descriptor) from (
    select distinct descriptor from mesh_headings m where m.pmid = a.pmid)) as headings
from json_each(:pmids) given join articles a on a.pmid = given.value
"""
