"""An abstract as sentences, each in its section: labelled by the record, or inferred from what the sentence says.

The words that tell are data (``sections.yml``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import yaml

from tracker.article import AbstractSection

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
_STOP = re.compile(r"[.!?][)\]'\"”’»]{0,2}(?=\s+[\"“'(\[«]?[A-Z0-9À-Ý\u0370-\u03ff])|\n")
# How far before a colon its label may begin.
_LONGEST_LABEL = 56
# Signs that stand around words, not in them.
_AROUND = "()[].,;:?!\"'"


class Sentence(NamedTuple):
    """A sentence; ``start`` and ``end`` are offsets (code points, end exclusive) in the plain text of its part."""

    part: Part
    start: int
    end: int
    section: Section
    text: str


class Cue(NamedTuple):
    """What tells a section: any of the words, a phrase that has one of its own words, or a sign anywhere."""

    words: frozenset[str]
    phrases: tuple[tuple[frozenset[str], re.Pattern[str]], ...]
    signs: re.Pattern[str] | None

    def fits(self, text: str, words: frozenset[str]) -> bool:
        """Whether a sentence in lower case, which has these words, tells it."""
        return (
            not self.words.isdisjoint(words)
            or any(not own.isdisjoint(words) and pattern.search(text) for own, pattern in self.phrases)
            or bool(self.signs and self.signs.search(text))
        )


def sentences_of(abstract: Sequence[AbstractSection]) -> tuple[Sentence, ...]:
    """The sentences of an abstract in order, without the labels before them."""
    return tuple(_inferred(list(_labelled(abstract))))


def section_of(label: str) -> Section | None:
    """The section that a label announces; None for a label that says nothing of it."""
    words = label.lower().strip(" :")
    return next((section for beginning, section in _words().labels if words.startswith(beginning)), None)


def states_aim(sentence: str) -> bool:
    """Whether a sentence says what a paper is about to do."""
    text = sentence.lower()
    return _words().cues["aim"].fits(text, _words_in(text))


# -- sentences -----------------------------------------------------------------------------------


def _labelled(abstract: Sequence[AbstractSection]) -> Iterator[tuple[Sentence, bool]]:
    """Each sentence, and whether its section is labelled."""
    offset = 0
    for section in abstract:
        text = section.plain
        printed = len(section.label) + 2 if section.label and text.startswith(f"{section.label}: ") else 0
        labelled = _CATEGORIES.get(section.category or "") or section_of(section.label or "")
        for start, end, label in _pieces(text, printed):
            labelled = (section_of(label) if label else None) or labelled
            if text[start:end].strip():
                yield _sentence(text, start, end, offset, labelled), labelled is not None
        offset += len(text) + 1


def _sentence(text: str, start: int, end: int, offset: int, section: Section | None) -> Sentence:
    """The piece without white space around it."""
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    piece = piece.strip()
    return Sentence("abstract", offset + start, offset + start + len(piece), section or "background", piece)


def _pieces(text: str, printed: int) -> Iterator[tuple[int, int, str | None]]:
    """Start and end of each sentence behind the printed label, and the label that stands before it in the text."""
    labels = {end: (start, label) for start, end, label in _labels_in(text, printed)}
    skipped = {start for start, _ in labels.values()}
    for start, end in pairwise(sorted({printed, len(text), *labels, *skipped, *_stops(text, printed)})):
        if start not in skipped:
            yield start, end, labels[start][1] if start in labels else None


def _labels_in(text: str, printed: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and words of each label inside the running text, its colon and the space behind it included."""
    colon = text.find(":", printed)
    while colon >= 0:
        first = max(printed, colon - _LONGEST_LABEL)
        before = text[first:colon] if first > printed else f"\n{text[first:colon]}"
        if text[colon + 1 : colon + 2].isspace() and (match := _words().label.search(before)):
            start = colon - (len(before) - match.start("label"))
            yield start, colon + 2, match["label"]
        colon = text.find(":", colon + 1)


def _stops(text: str, printed: int) -> Iterator[int]:
    for match in _STOP.finditer(text, printed):
        if text[match.start()] != "." or not _is_abbreviated(text, match.start()):
            yield match.end()


def _is_abbreviated(text: str, stop: int) -> bool:
    """Whether the word before a full stop is an abbreviation, or somebody's initial."""
    word = text[max(text.rfind(" ", 0, stop), stop - 12, -1) + 1 : stop].lstrip("([")
    return (len(word) == 1 and word.isascii() and word.isalpha()) or word.lower() in _words().abbreviations


# -- sections ------------------------------------------------------------------------------------


def _inferred(sentences: list[tuple[Sentence, bool]]) -> Iterator[Sentence]:
    """The sentences with their sections, inferred where no label gives them.

    Without labels an abstract starts with its background; what it aims at, does, reports and concludes is told by its
    verbs, and background does not come back once one of these was met.
    """
    met: Section = "background"
    count = len(sentences)
    own_aim = _words().cues["own aim"]
    for number, (sentence, labelled) in enumerate(sentences):
        if not labelled:
            met = _told(sentence.text.lower(), met, last=number >= count - 2 and count > 2)
            sentence = sentence._replace(section=met)
        elif sentence.section == "background":
            text = sentence.text.lower()
            if own_aim.fits(text, _words_in(text)):
                sentence = sentence._replace(section="aim")
        yield sentence


def _told(text: str, before: Section, *, last: bool) -> Section:
    """The section that a sentence tells by its words, after one of the section ``before``."""
    cues, words = _words().cues, _words_in(text)
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


def _words_in(text: str) -> frozenset[str]:
    return frozenset([word.strip(_AROUND) for word in text.split()])


# -- the words that tell ---------------------------------------------------------------------------


class _Words(NamedTuple):
    """``labels`` are beginnings of labels with their sections; ``label`` finds one at the end of a text."""

    labels: tuple[tuple[str, Section], ...]
    label: re.Pattern[str]
    abbreviations: frozenset[str]
    cues: dict[str, Cue]


@cache
def _words() -> _Words:
    data = yaml.safe_load(files(__package__).joinpath("sections.yml").read_text("utf-8"))
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
    phrases = tuple(
        (frozenset(phrase["words"]), re.compile(phrase["pattern"].replace("{study}", study)))
        for phrase in entry.get("phrases", ())
    )
    signs = re.compile(entry["signs"]) if "signs" in entry else None
    return Cue(frozenset(entry.get("words", ())), phrases, signs)
