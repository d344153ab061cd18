"""Words of a title and an abstract marked where they stand, each mark with the signs of what was read from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from markupsafe import Markup

from tracker.article import AbstractSection, Text
from tracker.lists.article import Place
from tracker.pubmed.markup import cut


class Sign(NamedTuple):
    """What marks share that were read for the same: a letter behind them, what it is called, where the page has it."""

    letter: str
    title: str
    target: str
    kind: str


class Mark(NamedTuple):
    place: Place
    sign: Sign


@dataclass(frozen=True, slots=True)
class Marked:
    """Title and paragraphs of the abstract as HTML; ``ids`` are the elements where the words of a place begin."""

    title: Markup
    sections: Sequence[Markup]
    ids: Mapping[Place, str]


def marked(title_html: str, sections: Sequence[Mapping[str, Any]], marks: Iterable[Mark]) -> Marked:
    """The title and the paragraphs of an abstract (rows of ``abstract_sections``) with these marks.

    Marks that overlap are cut where one begins or ends: each piece has the signs of all that hold it. A place within a
    paragraph's heading alone gets no mark.
    """
    writer, given = _Writer(), sorted(set(marks))
    title = writer.write(title_html, [mark for mark in given if mark.place.part == "title"], 0, linked=False)
    of_abstract = [mark for mark in given if mark.place.part == "abstract"]
    written = [writer.write(section["html"], of_abstract, start) for section, start in _starts(sections)]
    return Marked(title, written, writer.ids)


def _starts(sections: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Each paragraph, and where its text starts in the plain abstract, which has headings and a line for each."""
    start = 0
    for section in sections:
        text = Text(section["text"], section["html"])
        end = start + len(AbstractSection(section["label"], None, text).plain)
        yield section, end - len(text.plain)
        start = end + 1


@dataclass(slots=True)
class _Writer:
    """Writes the parts of one page: ids go on from part to part."""

    ids: dict[Place, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def write(self, html: str, marks: Sequence[Mark], start: int, linked: bool = True) -> Markup:
        """HTML whose plain text begins at ``start`` of its part, with these marks."""
        spans = [(max(mark.place.start - start, 0), max(mark.place.end - start, 0)) for mark in marks]
        pieces = list(cut(html, spans))
        last = {number: at for at, (_, numbers) in enumerate(pieces) for number in numbers}
        written = Markup()
        for at, (text, numbers) in enumerate(pieces):
            inside = Markup(text)  # noqa: S704 - HTML of ours
            if numbers:
                inside = self._mark(inside, [marks[number] for number in numbers])
                ended = [marks[number].sign for number in numbers if last[number] == at]
                inside += _signs(ended, linked)
            written += inside
        return written

    def _mark(self, text: Markup, marks: Sequence[Mark]) -> Markup:
        begun = [mark.place for mark in marks if mark.place not in self.ids]
        id_ = Markup()
        if begun:
            name = f"words-{next(self._numbers)}"
            self.ids |= dict.fromkeys(begun, name)
            id_ = Markup(' id="{}"').format(name)
        kinds = " ".join(sorted({mark.sign.kind for mark in marks}))
        titles = "; ".join(dict.fromkeys(mark.sign.title for mark in marks))
        return Markup('<mark class="{}"{} title="{}">{}</mark>').format(kinds, id_, titles, text)


def _signs(signs: Iterable[Sign], linked: bool) -> Markup:
    """The letters behind a mark, each once; where they can't be links, they are for the eye alone.

    The style sheet writes them: the text stays one to search in and to copy.
    """
    once = sorted(set(signs))
    if not once:
        return Markup()
    if not linked:
        letters = " ".join(sign.letter for sign in once)
        return Markup('<sup class="sign" aria-hidden="true" data-sign="{}"></sup>').format(letters)
    links = Markup().join(
        Markup('<a href="#{}" aria-label="{}: {}" data-sign="{}"></a>').format(
            sign.target, sign.letter, sign.title, sign.letter
        )
        for sign in once
    )
    return Markup('<sup class="sign">{}</sup>').format(links)
