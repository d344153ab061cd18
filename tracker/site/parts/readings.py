"""What was read from one record, as its page shows it: labels by group, beside what people said of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from string import ascii_lowercase
from typing import NamedTuple

from tracker.directness import DIRECTNESS
from tracker.evidence.rows import Row
from tracker.lists.article import Outcome, Place
from tracker.reading.accuracy import Accuracy, accuracy
from tracker.reading.labels import groups
from tracker.site.parts.marks import Mark, Marked, Sign, marked
from tracker.team.placements import Bearing

# It follows from the design alone, and reads like a verdict on the study: exports have it.
LEFT_OUT = ("evidence_level",)

# What people said, by group and the machine's value.
Reviews = Mapping[tuple[str, str], Sequence[Row]]


class Reading(NamedTuple):
    """A value with the ``label`` that it was read as, and what people said of it.

    ``label`` is None, and ``value`` may be empty, where people said something of what is not read, or not any more.
    """

    value: str
    label: Row | None
    place: Place | None
    reviews: Sequence[Row]


class GroupRead(NamedTuple):
    """A group with its values; ``sign`` is that of its marks, None where its words stand in no text."""

    name: str
    title: str
    sign: Sign | None
    accuracy: Accuracy | None
    readings: Sequence[Reading]


class Readings(NamedTuple):
    """The groups of which something was read or said, and the titles of those of which nothing was."""

    groups: Sequence[GroupRead]
    not_stated: Sequence[str]

    @property
    def signs(self) -> list[Sign]:
        return [group.sign for group in self.groups if group.sign]

    @property
    def marks(self) -> Iterator[Mark]:
        for group in self.groups:
            for reading in group.readings:
                if group.sign and reading.place:
                    yield Mark(reading.place, group.sign)


NOTHING_READ = Readings((), ())


def readings(labels: Sequence[Row], reviews: Reviews) -> Readings:
    """A record's labels (rows of ``labels``) and people's reviews of them, in the order of the registry."""
    names = {label["label_group"] for label in labels if label["label_group"] not in LEFT_OUT}
    names |= {group for group, _ in reviews}
    letters = iter(_letters())
    return Readings(
        [_group(name, labels, reviews, letters) for name in _in_order(names)],
        [
            group.title
            for group in groups().values()
            if group.column and group.name not in (*names, *LEFT_OUT)
        ],
    )


def _in_order(names: Iterable[str]) -> list[str]:
    order = {name: place for place, name in enumerate(groups())}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def _group(name: str, labels: Iterable[Row], reviews: Reviews, letters: Iterator[str]) -> GroupRead:
    read = [label for label in labels if label["label_group"] == name]
    values = {label["value"] for label in read}
    found = [_reading(label, reviews.get((name, label["value"]), ())) for label in read]
    found += [
        Reading(value, None, None, rows)
        for (group, value), rows in reviews.items()
        if group == name and value not in values
    ]
    title = groups()[name].title if name in groups() else name.replace("_", " ").capitalize()
    marked = any(reading.place for reading in found)
    sign = Sign(next(letters), title, f"read-{name}", "read") if marked else None
    return GroupRead(name, title, sign, next(iter(accuracy().get(name, ())), None), found)


def _reading(label: Row, reviews: Sequence[Row]) -> Reading:
    has_place = label["part"] != "field" and label["start"] is not None
    place = Place(label["part"], label["start"], label["end"]) if has_place else None
    return Reading(label["value"], label, place, reviews)


def _letters() -> Iterator[str]:
    """a, b, … z, za, zb, …"""
    before = ""
    while True:
        yield from (before + letter for letter in ascii_lowercase)
        before += "z"


class Answer(NamedTuple):
    """What the record says of one question's outcome; ``sign`` is that of its sentences, None where it has none."""

    outcome: Outcome
    sign: Sign | None

    @property
    def marks(self) -> Iterator[Mark]:
        if self.sign is None:
            return
        for sentence in self.outcome.sentences:
            yield Mark(sentence.place, self.sign)
            if sentence.counted:
                yield Mark(sentence.counted, self.sign)
        if self.outcome.reached_at:
            yield Mark(self.outcome.reached_at, self.sign)


def in_order(bearings: Mapping[str, Bearing], came: str | None) -> dict[str, Bearing]:
    """How a record bears on its questions: the one that the reader came from, then those on which it bears directly."""

    def place(slug: str) -> tuple[bool, int]:
        bearing = bearings[slug]
        last = bearing.last or bearing.read
        return slug != came, DIRECTNESS.index(last["value"]) if last else len(DIRECTNESS)

    return {slug: bearings[slug] for slug in sorted(bearings, key=place)}


def answers_to(
    questions: Iterable[str], outcomes: Mapping[str, Outcome], titles: Mapping[str, str]
) -> dict[str, Answer]:
    """What the record says of each of the questions, in their order: sentences of the first are marked with 1."""
    numbers = count(1)
    return {
        slug: Answer(outcomes[slug], _sign(numbers, slug, titles) if outcomes[slug].sentences else None)
        for slug in questions
        if slug in outcomes
    }


def _sign(numbers: Iterator[int], slug: str, titles: Mapping[str, str]) -> Sign:
    return Sign(str(next(numbers)), f"Finding: {titles.get(slug, slug)}", f"bears-{slug}", "finding")


def marked_in(record: Row, read: Readings, answers: Mapping[str, Answer]) -> Marked:
    """The record's title and abstract, with the words marked that labels and findings were read from."""
    marks = chain(read.marks, *(answer.marks for answer in answers.values()))
    return marked(record["title_html"] or "", record["abstract_sections"], marks)
