"""What is left of a query when PubMed drops some of its terms, as it does with words that are not in its index.

A dropped term is harmless if another term of the same OR was searched for. If a whole operand of an AND is dropped,
PubMed searches without it, and so answers another question; likewise if what follows a NOT is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tracker.query.syntax import Node, Operation, Range, Term, terms
from tracker.query.vocabulary import Field, fields_by_tag, fold_words

_REPORTED = re.compile(r"(?P<words>.*?)(?:\[(?P<tag>[^\[\]]*)\])?", re.S)


class Loss(NamedTuple):
    """A part of a query that was not searched for as written, and the phrases, as PubMed reports them, that tell so.
    ``part`` is None if a phrase is not among the query's terms, so that its part is unknown."""

    phrases: tuple[str, ...]
    part: Node | None


class _Phrase(NamedTuple):
    words: str
    truncated: bool
    field: Field | None


def losses(query: Node, dropped: Sequence[str], broken: Sequence[str] = ()) -> list[Loss]:
    """What was lost from a query; nothing if what PubMed reports is harmless.

    ``dropped`` are phrases that PubMed did not know, ``broken`` are quoted phrases that it may have searched word by
    word: that finds more, so it does harm after a NOT, even beside other terms.
    """
    by_phrase = {phrase: _terms_of(query, phrase) for phrase in (*dropped, *broken)}
    lost = [Loss((phrase,), None) for phrase, places in by_phrase.items() if not places]
    gone = {place for places in by_phrase.values() for place in places}
    loose = {place for phrase in broken for place in by_phrase[phrase]}
    parts = [query] if _is_gone(query, gone) else [*_lost(query, gone), *_excluded(query, loose, False)]
    for part in dict.fromkeys(parts):
        within = {term.start for term in terms(part)}
        lost.append(Loss(tuple(phrase for phrase, places in by_phrase.items() if within & places), part))
    return lost


def _terms_of(query: Node, phrase: str) -> set[int]:
    """Where the terms that a reported phrase means begin, as exactly as PubMed reports them."""
    sought = _read(phrase)
    for means in _CLOSENESS:
        if places := {term.start for term in terms(query) if isinstance(term, Term) and means(term, sought)}:
            return places
    return set()


def _read(phrase: str) -> _Phrase:
    """With or without quotes, tag and asterisk: ``cystopathyx``, ``"x y"[tiab]``, ``zzz*[tiab]``."""
    match = _REPORTED.fullmatch(phrase.strip())
    words, tag = (match["words"], match["tag"]) if match else (phrase, None)
    known = fields_by_tag().get(" ".join((tag or "").partition(":")[0].lower().split()))
    return _Phrase(fold_words(words), "*" in words, known)


def _has_field(term: Term, phrase: _Phrase) -> bool:
    return phrase.field is None or phrase.field == term.field


_CLOSENESS: tuple[Callable[[Term, _Phrase], bool], ...] = (
    lambda term, phrase: (
        fold_words(term.text) == phrase.words
        and term.truncated == phrase.truncated
        and _has_field(term, phrase)
    ),
    lambda term, phrase: fold_words(term.text) == phrase.words and _has_field(term, phrase),
    lambda term, phrase: fold_words(term.text) == phrase.words,
    # A word of a phrase.
    lambda term, phrase: bool(phrase.words) and f" {phrase.words} " in f" {fold_words(term.text)} ",
)


def _is_gone(node: Node, gone: Iterable[int]) -> bool:
    """Whether no part of it was searched for."""
    if not isinstance(node, Operation):
        return isinstance(node, Term) and node.start in gone
    return node.operator != "NOT" and all(_is_gone(operand, gone) for operand in node.operands)


def _lost(node: Node, gone: Iterable[int]) -> Iterator[Node]:
    """The operands of AND and NOT of which no part was searched for."""
    if isinstance(node, Operation) and not _is_gone(node, gone):
        for operand in node.operands:
            if node.operator != "OR" and _is_gone(operand, gone):
                yield operand
            yield from _lost(operand, gone)


def _excluded(node: Node, loose: Iterable[int], behind_not: bool) -> Iterator[Term | Range]:
    """The terms after a NOT that may have excluded more than they say."""
    if not isinstance(node, Operation):
        if behind_not and node.start in loose:
            yield node
        return
    for number, operand in enumerate(node.operands):
        yield from _excluded(operand, loose, behind_not or (node.operator == "NOT" and number > 0))
