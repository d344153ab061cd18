"""Study design, as the record's own fields and words say it.

The rules are data (``rules/design.yml``) and are tried from the top: the first that fits gives the one
design of the record, so their order is the precedence between sources and between designs. A record
that no rule fits gets no label.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from tracker.article import Article
from tracker.reading.labels import Basis, Confidence, Label

_FIELDS: dict[str, Basis] = {"types": "publication type", "mesh": "MeSH", "links": "link"}
_TEXTS: dict[str, Basis] = {"title": "title", "abstract": "abstract"}
_STAGES: tuple[tuple[Basis, ...], ...] = (("publication type", "MeSH", "link"), ("title",), ("abstract",))
_PREPRINT = ("D000076942", "preprint")


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to tell a design: by terms of a field, or by a pattern in a text.

    ``terms`` are a field's UIs and lower-case names, any of which will do, ``unless`` those that must be
    absent. Of a text, ``terms`` are plain lower-case words, one of which every match of ``pattern``
    contains: looking for them first keeps the patterns, which are slow, off nearly all records. Where
    ``exception`` fits the same title or sentence, the rule does not.
    """

    name: str
    value: str
    basis: Basis
    confidence: Confidence
    terms: frozenset[str]
    unless: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    exception: re.Pattern[str] | None = None
    examples: tuple[str, ...] = ()
    not_examples: tuple[str, ...] = ()

    def match(self, text: str) -> str | None:
        """The words of a title or sentence that fit."""
        found = self.pattern and self.pattern.search(text)
        if not found or (self.exception and self.exception.search(text)):
            return None
        return found[0].strip()


class Rules(NamedTuple):
    """All rules in order; ``asking`` gives, for each basis, the places of the rules that ask for a term."""

    version: int
    rules: tuple[Rule, ...]
    asking: dict[Basis, dict[str, tuple[int, ...]]]
    levels: dict[str, str]


@cache
def rules() -> Rules:
    """The rules of ``rules/design.yml``, compiled once."""
    data = yaml.safe_load(files(__package__).joinpath("rules/design.yml").read_text("utf-8"))
    found = tuple(_rule(entry) for entry in data["rules"])
    asking: dict[Basis, dict[str, tuple[int, ...]]] = {basis: {} for stage in _STAGES for basis in stage}
    for place, rule in enumerate(found):
        for term in rule.terms:
            asking[rule.basis][term] = (*asking[rule.basis].get(term, ()), place)
    levels = {design: level for level, entry in data["levels"].items() for design in entry["designs"]}
    return Rules(data["version"], found, asking, levels)


def _rule(entry: dict[str, Any]) -> Rule:
    field = next(field for field in (*_FIELDS, *_TEXTS) if field in entry)
    confidence = entry.get("confidence", "medium" if field == "abstract" else "high")
    if field in _FIELDS:
        terms, unless = _terms(entry[field]), _terms(entry.get("unless", {}))
        return Rule(entry["name"], entry["value"], _FIELDS[field], confidence, terms, unless)
    return Rule(
        entry["name"],
        entry["value"],
        _TEXTS[field],
        confidence,
        terms=frozenset(entry["words"]),
        pattern=re.compile(entry[field], re.IGNORECASE | re.VERBOSE),
        exception=re.compile(entry["except"], re.IGNORECASE) if "except" in entry else None,
        examples=tuple(entry["examples"]),
        not_examples=tuple(entry.get("not_examples", ())),
    )


def _terms(entry: dict[str, str]) -> frozenset[str]:
    """UIs, and names for records without UIs (MEDLINE text, old XML)."""
    return frozenset(entry) | frozenset(name.lower() for name in entry.values())


def read_design(article: Article) -> tuple[Label, ...]:
    """The record's design, the level of evidence that goes with it, and whether it is a preprint.

    At most one label of each group ``design``, ``evidence_level`` and ``publication``. The level is that
    of the design alone, after the Oxford 2011 table (see the rules file); many designs have none.
    Never raises.
    """
    evidence = _Evidence(article)
    labels = _preprint(evidence)
    if design := _design(evidence):
        labels.append(design)
        if level := rules().levels.get(design.value):
            labels.append(design._replace(group="evidence_level", value=level))
    return tuple(labels)


def _preprint(evidence: _Evidence) -> list[Label]:
    types = evidence["publication type"]
    kind = next((types[term] for term in _PREPRINT if term in types), None)
    if not kind:
        return []
    version = rules().version
    return [Label("publication", "preprint", "publication type", kind, "preprint-type", version, "high")]


class _Fit(NamedTuple):
    place: int
    quote: str


def _design(evidence: _Evidence) -> Label | None:
    """The label of the first rule that fits.

    The longer a text, the later it is looked at, and only where a rule about it could still come first.
    """
    best = _Fit(len(rules().rules), "")
    for bases in _STAGES:
        if _first_place(bases) < best.place:
            best = min(best, _first_fit(evidence, bases) or best)
    if not best.quote:
        return None
    rule = rules().rules[best.place]
    return Label("design", rule.value, rule.basis, best.quote, rule.name, rules().version, rule.confidence)


@cache
def _first_place(bases: tuple[Basis, ...]) -> int:
    return next(place for place, rule in enumerate(rules().rules) if rule.basis in bases)


def _first_fit(evidence: _Evidence, bases: tuple[Basis, ...]) -> _Fit | None:
    """The first rule about these bases that fits; only those that ask for something present are tried."""
    asking = rules().asking
    places = {place for basis in bases for term in evidence[basis] for place in asking[basis].get(term, ())}
    for place in sorted(places):
        rule = rules().rules[place]
        if quote := _words(rule, evidence) if rule.pattern else _term(rule, evidence[rule.basis]):
            return _Fit(place, quote)
    return None


def _term(rule: Rule, present: dict[str, str]) -> str | None:
    if not rule.unless.isdisjoint(present):
        return None
    return next(name for term, name in present.items() if term in rule.terms)


def _words(rule: Rule, evidence: _Evidence) -> str | None:
    """The matching words of a title; of an abstract the whole sentence, the only part that is searched."""
    text = evidence.text[rule.basis]
    if rule.basis == "title":
        return rule.match(text)
    lower = evidence.lower[rule.basis]
    for word in sorted(rule.terms):
        at = lower.find(word)
        while at >= 0:
            start, end = _sentence_around(text, at)
            if rule.match(text[start:end]):
                return text[start:end].strip()
            at = lower.find(word, end)
    return None


class _Evidence(dict[Basis, dict[str, str]]):
    """What of a basis is present, found out when first asked for: most abstracts need not be looked at.

    Of a field: each term, with the name to quote. Of a text: each word that some rule asks for.
    """

    def __init__(self, article: Article) -> None:
        super().__init__()
        self.article = article
        self.text: dict[Basis, str] = {}
        self.lower: dict[Basis, str] = {}

    def __missing__(self, basis: Basis) -> dict[str, str]:
        self[basis] = found = self._look(basis)
        return found

    def _look(self, basis: Basis) -> dict[str, str]:
        article = self.article
        if basis == "publication type":
            names = {kind.name.lower(): kind.name for kind in article.publication_types}
            return names | {kind.ui: kind.name for kind in article.publication_types if kind.ui}
        if basis == "MeSH":
            return {head.ui or head.descriptor.lower(): head.descriptor for head in article.mesh_headings}
        if basis == "link":
            return {notice.type: notice.type for notice in article.notices}
        self.text[basis] = text = article.title.plain if basis == "title" else article.abstract_text
        self.lower[basis] = lower = _lower(text)
        return {word: word for word in rules().asking[basis] if word in lower}


def _lower(text: str) -> str:
    """Lower case at unchanged offsets: a few letters (``İ``) would become two."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _sentence_around(text: str, at: int) -> tuple[int, int]:
    """Where the sentence of ``text[at]`` starts and ends; a labelled section is a line, and ends one too."""
    start = max(text.rfind(". ", 0, at), text.rfind("\n", 0, at)) + 1
    ends = (text.find(". ", at), text.find("\n", at))
    return start, min((end + 1 for end in ends if end >= 0), default=len(text))
