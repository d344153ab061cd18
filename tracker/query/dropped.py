"""What becomes of a query when PubMed drops some of its terms, as it does with words that its index does not hold.

A dropped term is harmless where something beside it in the same OR was searched for. Where a whole operand of an AND
goes, PubMed searches without it, for another question; so it does where what follows a NOT is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tracker.query.syntax import Node, Operation, Range, Term, terms
from tracker.query.vocabulary import Field, fields_by_tag, fold_words

_REPORTED = re.compile(r"(?P<words>.*?)(?:\[(?P<tag>[^\[\]]*)\])?", re.S)


class Loss(NamedTuple):
    """A part of a query that was not searched for as it stands, and the phrases, as PubMed reports them, that it
    rests on. ``part`` is None where a phrase is none of the query's terms, so that nothing can be said of it."""

    phrases: tuple[str, ...]
    part: Node | None


class _Phrase(NamedTuple):
    words: str
    truncated: bool
    field: Field | None


def losses(query: Node, dropped: Sequence[str], broken: Sequence[str] = ()) -> list[Loss]:
    """What was lost of a query; nothing where what PubMed reports is harmless.

    ``dropped`` are phrases that PubMed did not know, ``broken`` quoted ones that it may have searched word by word:
    that finds more, so that it does harm behind a NOT, even beside others.
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
    """Where the terms begin that a reported phrase means: as exactly as PubMed says it, which is not always."""
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
    """Whether nothing of it was searched for."""
    if not isinstance(node, Operation):
        return isinstance(node, Term) and node.start in gone
    return node.operator != "NOT" and all(_is_gone(operand, gone) for operand in node.operands)


def _lost(node: Node, gone: Iterable[int]) -> Iterator[Node]:
    """The operands of AND and NOT of which nothing was searched for."""
    if isinstance(node, Operation) and not _is_gone(node, gone):
        for operand in node.operands:
            if node.operator != "OR" and _is_gone(operand, gone):
                yield operand
            yield from _lost(operand, gone)


def _excluded(node: Node, loose: Iterable[int], behind_not: bool) -> Iterator[Term | Range]:
    """The terms behind a NOT that may have excluded more than they say."""
    if not isinstance(node, Operation):
        if behind_not and node.start in loose:
            yield node
        return
    for number, operand in enumerate(node.operands):
        yield from _excluded(operand, loose, behind_not or (node.operator == "NOT" and number > 0))
