"""Controlled words that a query may name: fields, headings, subheadings, publication types, languages.

All of it is data (``fields.yml``, ``mesh.yml``, and the headings of the topic), read once, when first needed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

from tracker import topic
from tracker.datafile import packaged
from tracker.superscript import flat

if TYPE_CHECKING:
    from tracker.topic.files import Topic

FieldKind = Literal["words", "values", "names", "date", "uid", "filter"]

_WORD = re.compile(r"[^\W_]+")
_COMBINING = re.compile(r"[\u0300-\u036f]+")


@dataclass(frozen=True, slots=True)
class Field:
    """One search field; ``key`` is its shortest tag, ``name`` its form in NCBI's QueryTranslation."""

    key: str
    name: str
    kind: FieldKind
    tags: tuple[str, ...] = field(compare=False)
    proximity: bool = field(default=False, compare=False)
    noexp: bool = field(default=False, compare=False)
    offline: bool = field(default=True, compare=False)
    documented: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class MeshTree:
    """Headings and what each explodes to, by folded name; also subheadings, types and languages."""

    descriptors: Mapping[str, frozenset[str]]
    publication_types: Mapping[str, frozenset[str]]
    subheadings: Mapping[str, frozenset[str]]
    abbreviations: Mapping[str, str]
    languages: Mapping[str, str]
    filters: Mapping[str, str]
    statuses: Mapping[str, frozenset[str]]

    def knows(self, heading: str) -> bool:
        return fold_value(heading) in self.descriptors

    def explode(self, heading: str) -> frozenset[str]:
        """The heading and all narrower ones, folded; just the heading if it is unknown."""
        return _self_or(self.descriptors, fold_value(heading))

    def explode_type(self, name: str) -> frozenset[str]:
        return _self_or(self.publication_types, fold_value(name))

    def explode_subheading(self, name: str) -> frozenset[str]:
        """A subheading, or its two-letter form, with the more specific ones."""
        return _self_or(self.subheadings, self.subheading(name))

    def subheading(self, name: str) -> str:
        folded = fold_value(name)
        return fold_value(self.abbreviations.get(folded, folded))


def fold_words(text: str) -> str:
    """Text as PubMed compares it: lower case, no diacritics, nothing raised or lowered, one space between words.

    ``β-Carotene (Provitamin A®)`` -> ``β carotene provitamin a``, ``CO₂`` -> ``co2``.
    """
    text = flat(text)
    if not text.isascii():
        text = _COMBINING.sub("", unicodedata.normalize("NFKD", text))
    return " ".join(_WORD.findall(text.casefold()))


def fold_value(text: str) -> str:
    """A controlled term folded: MEDLINE writes ``administration & dosage``, searchers write ``and``."""
    return " ".join(word for word in fold_words(text).split() if word != "and")


@cache
def fields() -> dict[str, Field]:
    """Every search field by its key."""
    return {
        key: Field(key=key, **{**entry, "tags": tuple(entry["tags"])})
        for key, entry in read_data("fields.yml").items()
    }


@cache
def fields_by_tag() -> dict[str, Field]:
    """Every search field by each of its tags, long and short."""
    return {tag: entry for entry in fields().values() for tag in entry.tags}


@cache
def stopwords() -> frozenset[str]:
    """The words that PubMed does not index (``stopwords.yml``)."""
    return frozenset(read_data("stopwords.yml"))


def default_tree() -> MeshTree:
    """The headings that strategies of any topic name (``mesh.yml``), and those of the topic."""
    return _tree_of(topic.current())


@lru_cache(maxsize=4)
def _tree_of(about: Topic) -> MeshTree:
    general = read_data("mesh.yml")
    return load_tree(general | {"descriptors": {**general["descriptors"], **about.headings}})


def load_tree(data: Mapping[str, Any]) -> MeshTree:
    """A MeshTree from data shaped like ``mesh.yml``; what is left out is empty."""
    filters: dict[str, str] = data.get("filters", {})
    synonyms: dict[str, str] = data.get("filter_synonyms", {})
    return MeshTree(
        descriptors=_explosions(data.get("descriptors", {})),
        publication_types=_explosions(data.get("publication_types", {})),
        subheadings=_explosions(data.get("subheadings", {})),
        abbreviations=data.get("subheading_abbreviations", {}),
        languages=data.get("languages", {}),
        filters=filters | {other: filters[name] for other, name in synonyms.items()},
        statuses={name: frozenset(values) for name, values in data.get("statuses", {}).items()},
    )


def read_data(name: str) -> Any:
    return packaged(__package__, name)


def _self_or(explosions: Mapping[str, frozenset[str]], name: str) -> frozenset[str]:
    return explosions.get(name) or frozenset({name})


def _explosions(tree: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    by_heading: dict[str, frozenset[str]] = {}
    for name, narrower in _branches(tree):
        folded = fold_value(name)
        by_heading[folded] = by_heading.get(folded, frozenset({folded})) | {
            fold_value(each) for each in narrower
        }
    return by_heading


def _branches(tree: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    for name, children in tree.items():
        below = list(_branches(children or {}))
        yield name, [each for each, _ in below]
        yield from below
