"""How directly a record bears on a question, by the rules of the question's file.

Direct, indirect and off are ours; the thought is GRADE's: evidence is indirect where its people, its treatment or its
outcome differ from those asked about (Guyatt 2011, doi:10.1016/j.jclinepi.2011.04.014).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from tracker.reading.brief import Brief, DirectnessRule, Verdict
from tracker.reading.engine import Record
from tracker.reading.findings import MEASURED, NOT_MEASURED, RESULT, Findings, Side
from tracker.reading.labels import Label
from tracker.reading.outcomes import Phrase, phrases, spans_in
from tracker.reading.text import RecordText

Has = Callable[[str, frozenset[str]], bool]
_NOTICE = frozenset({"notice"})
_MEASURED = (RESULT, MEASURED, NOT_MEASURED)


class Directness(NamedTuple):
    """How directly a record bears on a question, why in plain words, and the rule and version that say so."""

    value: Verdict
    reason: str
    rule: str
    version: int


def directness(
    record: Record, found: Findings, brief: Brief, labels: Iterable[Label] | None = None
) -> Directness:
    """By the first rule that fits; ``labels`` stand in for those that the record was read as."""
    has = record.has if labels is None else _has_of(labels)
    if has("design", _NOTICE):
        return Directness("off", "a notice about another paper", "notice", brief.version)
    for rule in brief.rules if found.named else _for_any_record(brief):
        if _fits(rule, record.text, found, has):
            return Directness(rule.value, rule.reason, rule.name, brief.version)
    return Directness("off", brief.otherwise, "otherwise", brief.version)


@lru_cache(maxsize=64)
def _for_any_record(brief: Brief) -> tuple[DirectnessRule, ...]:
    """The rules that a record may fit that never names the outcome; most records of a large database are such."""
    return tuple(rule for rule in brief.rules if rule.outcome == "none")


def _has_of(labels: Iterable[Label]) -> Has:
    """Whether one of these labels is of a group and has one of these values; any, where there are none."""
    values: dict[str, set[str]] = {}
    for label in labels:
        values.setdefault(label.group, set()).add(label.value)

    def has(group: str, wanted: frozenset[str]) -> bool:
        mine = values.get(group)
        return mine is not None and (not wanted or not wanted.isdisjoint(mine))

    return has


def _fits(rule: DirectnessRule, text: RecordText, found: Findings, has: Has) -> bool:
    return (
        _named(rule, text, found)
        and all(has(*condition) for condition in rule.labels)
        and not any(has(*condition) for condition in rule.without)
        and (not rule.says or _says(text, _phrases(rule.says)))
        and not (rule.lacks and _says(text, _phrases(rule.lacks)))
    )


def _named(rule: DirectnessRule, text: RecordText, found: Findings) -> bool:
    """Whether the outcome is named as the rule asks, on one of its sides."""
    if rule.outcome == "none":
        return True
    sides = [side for side in found.sides if not rule.sides or side.name in rule.sides]
    return any(_evidence(rule, side) and _is_beside(rule, text, side) for side in sides)


def _is_beside(rule: DirectnessRule, text: RecordText, side: Side) -> bool:
    """Whether a sentence that names the outcome holds one of the words that the rule wants beside it."""
    return not rule.beside or _hold(text, _phrases(rule.beside), side.sentences)


def _evidence(rule: DirectnessRule, side: Side) -> bool:
    if rule.outcome == "any":
        return side.state in _MEASURED
    if rule.outcome == "studied":
        return not side.places.isdisjoint(("title", "aim", "methods", "results"))
    if rule.outcome == "reported":
        return side.state == RESULT
    if rule.outcome == "title":
        return "title" in side.places
    return bool(side.places)


@lru_cache(maxsize=256)
def _phrases(texts: tuple[str, ...]) -> tuple[Phrase, ...]:
    return phrases(texts)


def _says(text: RecordText, wanted: tuple[Phrase, ...]) -> bool:
    """Whether a sentence about the paper itself holds one of these phrases."""
    own = (number for number, sentence in enumerate(text.sentences) if sentence.section != "background")
    return _hold(text, wanted, own)


def _hold(text: RecordText, wanted: tuple[Phrase, ...], numbers: Iterable[int]) -> bool:
    near = [phrase for phrase in wanted if phrase.may_stand_in(text.folded_beginnings)]
    return bool(near) and any(
        any(True for _ in spans_in(text, phrase, number)) for number in numbers for phrase in near
    )
