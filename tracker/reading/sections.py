"""An abstract as sentences, each in its section: labelled by the record, or inferred from what the sentence says.

The words that tell are data (``sections.yml``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from tracker.article import AbstractSection
from tracker.datafile import packaged

Part = Literal["title", "abstract"]
Section = Literal["title", "background", "aim", "methods", "results", "conclusions"]

# NLM's categories of a structured abstract.
_CATEGORIES: dict[str, Section] = {
    "BACKGROUND": "background",
    "OBJECTIVE": "aim",
    "METHODS": "methods",
    "RESULTS": "results",
    "CONCLUSIONS": "conclusions",
}
# Behind a full stop a sentence begins with a capital letter, a figure or a bracket; a line ends one, too.
# One set of signs comes first, as a pattern that begins with it is looked for twice as fast.
_STOP = re.compile(r"[.!?\n](?:(?<=\n)|[)\]'\"”’»]{0,2}(?=\s+[\"“'(\[«]?[A-Z0-9À-Ý\u0370-\u03ff]))")
# A space, a bracket, and the letters.
_LONGEST_ABBREVIATION = 9
# How far before a colon its label may begin.
_LONGEST_LABEL = 56


class Sentence(NamedTuple):
    """A sentence; ``start`` and ``end`` are offsets (code points, end exclusive) in the plain text of its part."""

    part: Part
    start: int
    end: int
    section: Section
    text: str


class Piece(NamedTuple):
    """A sentence of an abstract by its offsets, and the section that the record labels it with, if it does."""

    start: int
    end: int
    labelled: Section | None


class Cue(NamedTuple):
    """What tells a section: any of the words, a phrase that has one of its own words, or signs.

    ``own`` are all these words, and ``signs`` those signs one of which the pattern needs.
    """

    own: frozenset[str]
    words: frozenset[str]
    phrases: tuple[tuple[frozenset[str], re.Pattern[str]], ...]
    signs: tuple[tuple[str, ...], re.Pattern[str]] | None

    def fits(self, text: str, words: frozenset[str]) -> bool:
        """Whether a sentence in lower case, which has these words, tells it."""
        if not self.own.isdisjoint(words):
            if not self.words.isdisjoint(words):
                return True
            for own, pattern in self.phrases:
                if not own.isdisjoint(words) and pattern.search(text):
                    return True
        if self.signs is None:
            return False
        of, pattern = self.signs
        return any(sign in text for sign in of) and pattern.search(text) is not None


def section_of(label: str) -> Section | None:
    """The section that a label announces; None for a label that says nothing of it."""
    words = label.lower().strip(" :")
    return next((section for beginning, section in _words().labels if words.startswith(beginning)), None)


def states_aim(small: str, words: frozenset[str]) -> bool:
    """Whether a sentence in lower case, which has these words, says what a paper is about to do."""
    return _words().cues["aim"].fits(small, words)


# -- sentences -----------------------------------------------------------------------------------


def pieces(abstract: Sequence[AbstractSection], text: str) -> Iterator[Piece]:
    """The sentences of an abstract in order, without the labels before them and without white space around them.

    ``text`` is the abstract as ``Article.abstract_text`` has it.
    """
    offset = 0
    for section in abstract:
        end = offset + len(section.plain)
        labelled = _CATEGORIES.get(section.category or "") or section_of(section.label or "")
        first = offset + (len(section.label) + 2 if section.label else 0)
        for start, stop, label in _cut(text, min(first, end), end):
            labelled = (section_of(label) if label else None) or labelled
            while start < stop and text[start].isspace():
                start += 1
            while stop > start and text[stop - 1].isspace():
                stop -= 1
            if start < stop:
                yield Piece(start, stop, labelled)
        offset = end + 1


def _cut(text: str, first: int, last: int) -> Iterator[tuple[int, int, str | None]]:
    """Start and end of each sentence between two places, and the label that stands before it in the running text."""
    stops = _stops(text, first, last)
    labels = {end: (start, label) for start, end, label in _labels_in(text, first, last)}
    skipped = {start for start, _ in labels.values()}
    ends = sorted({*stops, *labels, *skipped} - {first, last}) if labels else stops
    for start, end in pairwise((first, *ends, last)):
        if start not in skipped:
            yield start, end, labels[start][1] if start in labels else None


def _labels_in(text: str, begin: int, last: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and words of each label inside the running text, its colon and the space behind it included."""
    colon = text.find(":", begin, last)
    while colon >= 0:
        first = max(begin, colon - _LONGEST_LABEL)
        before = text[first:colon] if first > begin else f"\n{text[first:colon]}"
        if text[colon + 1 : colon + 2].isspace() and (match := _words().label.search(before)):
            start = colon - (len(before) - match.start("label"))
            yield start, min(colon + 2, last), match["label"]
        colon = text.find(":", colon + 1, last)


def _stops(text: str, first: int, last: int) -> list[int]:
    """Where sentences end between two places, but for the last."""
    return [
        match.end()
        for match in _STOP.finditer(text, first, last)
        if text[match.start()] != "." or not _is_abbreviated(text, match.start())
    ]


def _is_abbreviated(text: str, stop: int) -> bool:
    """Whether the word before a full stop is an abbreviation, or somebody's initial."""
    near = text[max(0, stop - _LONGEST_ABBREVIATION) : stop]
    word = near[max(near.rfind(" "), near.rfind("\n")) + 1 :].lstrip("([")
    return (len(word) == 1 and word.isascii() and word.isalpha()) or word.lower() in _words().abbreviations


# -- sections ------------------------------------------------------------------------------------


def sections(
    sentences: Sequence[Piece], small: Sequence[str], words: Sequence[frozenset[str]]
) -> Iterator[Section]:
    """The section of each sentence, inferred where no label gives it; ``small`` is each in lower case.

    Without labels an abstract starts with its background; what it aims at, does, reports and concludes is told by its
    verbs, and background does not come back once one of these was met.
    """
    met: Section = "background"
    count = len(sentences)
    own_aim = _words().cues["own aim"]
    for number, sentence in enumerate(sentences):
        if sentence.labelled is None:
            met = _told(small[number], words[number], met, last=number >= count - 2 and count > 2)
            yield met
        elif sentence.labelled == "background" and own_aim.fits(small[number], words[number]):
            yield "aim"
        else:
            yield sentence.labelled


def _told(text: str, words: frozenset[str], before: Section, *, last: bool) -> Section:
    """The section that a sentence tells by its words, after one of the section ``before``."""
    cues = _words().cues
    if before != "background" or last:
        if cues["conclusions"].fits(text, words):
            return "conclusions"
        if before == "conclusions":
            return "results" if cues["results"].fits(text, words) else "conclusions"
    if before in ("background", "aim") and cues["aim"].fits(text, words):
        return "aim"
    if before in ("background", "aim", "methods") and cues["methods"].fits(text, words):
        return "results" if before == "methods" and cues["results"].fits(text, words) else "methods"
    if before != "background" and cues["results"].fits(text, words):
        return "results"
    return before


# -- the words that tell ---------------------------------------------------------------------------


class _Words(NamedTuple):
    """``labels`` are beginnings of labels with their sections; ``label`` finds one at the end of a text."""

    labels: tuple[tuple[str, Section], ...]
    label: re.Pattern[str]
    abbreviations: frozenset[str]
    cues: dict[str, Cue]


@cache
def _words() -> _Words:
    data = packaged(__package__, "sections.yml")
    labels = tuple((beginning, section) for section, each in data["labels"].items() for beginning in each)
    headings = "|".join(data["headings"])
    return _Words(
        labels,
        re.compile(
            rf"(?:[.!?)\]:]\s|\n)(?P<label>[A-Z][A-Z/&,() -]{{3,50}}|(?:{headings})(?: (?:and|&) [A-Za-z]+)?)\s?$"
        ),
        frozenset(data["abbreviations"]),
        {name: _cue(entry, data["study"]) for name, entry in data["cues"].items()},
    )


def _cue(entry: dict[str, Any], study: str) -> Cue:
    given = entry.get("words", ())
    words = frozenset(word for word in given if word.isalpha())
    # A word with a hyphen is two of a text's words.
    phrases = tuple(
        (frozenset(phrase["words"]), re.compile(phrase["pattern"].replace("{study}", study)))
        for phrase in (
            *entry.get("phrases", ()),
            *({"words": word.split("-")[-1:], "pattern": word} for word in given if not word.isalpha()),
        )
    )
    signs = entry.get("signs")
    return Cue(
        words.union(*(own for own, _ in phrases)),
        words,
        phrases,
        (tuple(signs["of"]), re.compile(signs["pattern"])) if signs else None,
    )
