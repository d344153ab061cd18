"""What we make of a record: labels, each with the words that it was read from; and the registry of their groups."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

from tracker.datafile import packaged

Basis = Literal[
    "publication type",
    "MeSH",
    "link",
    "substance",
    "keyword",
    "grant",
    "registration",
    "conflict of interest",
    "affiliation",
    "title",
    "abstract",
]
Confidence = Literal["high", "medium"]
Kind = Literal["one", "many", "number", "duration", "dose"]


class Label(NamedTuple):
    """One thing that was read by machine from one record.

    ``group`` is what it is about (``design``, ``route``, ...) and ``value`` what was read.
    ``basis`` is where: a field of the record, its title or its abstract.
    ``quote`` is the field's value, or the words as they stand there. ``rule`` and ``version`` name the
    rule and its file's version. ``confidence`` is ``high`` where indexers or the authors' own title
    say it, ``medium`` where it follows from a sentence of the abstract: words, because the accuracy
    in figures is measured for each group and shown apart.

    ``part`` is title, abstract or field; of a title and an abstract, ``start`` and ``end`` are the quote's offsets in
    their plain text (code points, end exclusive). ``number`` is what the value comes to where it is a quantity: people,
    studies, or days.
    """

    group: str
    value: str
    basis: Basis
    quote: str
    rule: str
    version: int
    confidence: Confidence
    part: Literal["title", "abstract", "field"] = "field"
    start: int | None = None
    end: int | None = None
    number: float | None = None


class Band(NamedTuple):
    """A range of numbers that a filter offers as one value; ``below`` is exclusive, None without an upper end."""

    name: str
    least: float
    below: float | None


class Group(NamedTuple):
    """A group of labels as ``labels.yml`` has it.

    ``kind`` is one (a single value a record), many, number, duration or dose. ``filter`` is whether lists can be
    narrowed by it, by ``bands`` where its values are quantities. ``column`` is whether tables have a column for
    it. ``needs`` names a group without rules for which this one is not read. ``never_summed`` is there where its
    values are never one total: those that come first, in order. ``chip`` is whether an entry of a list shows it, or
    how: words with the value in them. ``wrong`` says what a wrong label looks like.
    """

    name: str
    title: str
    kind: Kind
    about: str
    wrong: str
    filter: bool = True
    bands: tuple[Band, ...] = ()
    column: bool = True
    never_summed: tuple[str, ...] | None = None
    chip: bool | str = True
    needs: str | None = None

    @property
    def order(self) -> dict[str, int]:
        """The place of each value that has one: of bands, and of those that are never summed."""
        names = [band.name for band in self.bands] or self.never_summed or ()
        return {name: place for place, name in enumerate(names)}


class Answer(NamedTuple):
    """Something else that is read, for each question, and measured like a group of labels."""

    name: str
    title: str
    about: str
    wrong: str


@cache
def groups() -> Mapping[str, Group]:
    """Every group of ``labels.yml`` in order, by its name. Later groups may be read from earlier ones."""
    return {name: _group(name, dict(entry)) for name, entry in _registry()["groups"].items()}


@cache
def answers() -> tuple[Answer, ...]:
    """What is read for each question, as ``labels.yml`` has it."""
    return tuple(Answer(name, **entry) for name, entry in _registry()["answers"].items())


@cache
def _registry() -> dict[str, Any]:
    data: dict[str, Any] = packaged(__package__, "labels.yml")
    return data


def _group(name: str, entry: dict[str, Any]) -> Group:
    bands = tuple(Band(band, *limits) for band, limits in entry.pop("bands", {}).items())
    apart = entry.pop("never_summed", None)
    return Group(name, bands=bands, never_summed=None if apart is None else tuple(apart), **entry)
