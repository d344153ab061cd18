"""Text with inline markup -> HTML that is safe because only we write it, and plain text made from that HTML.

NLM's DTD allows b, i, u, sub, sup and MathML inside titles, abstracts and the like. Of any other
element only the text is kept; attributes are dropped except for a few of MathML's that carry meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape, unescape
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

from lxml import etree

from tracker.article import Text
from tracker.pubmed import contentmath, mathml
from tracker.superscript import Level, shifted

_INLINE = {tag: tag for tag in ("b", "i", "u", "sub", "sup", "em", "strong")} | {
    "bold": "b",
    "italic": "i",
    "underline": "u",
}
_MATH_ATTRIBUTES = frozenset(("display", "mathvariant", "open", "close", "separators", "stretchy", "accent"))
_SPACES = re.compile(r"[ \t\r\n]{2,}|[\t\n]")
_NEEDLESS = re.compile(r"^ +| +$| +(?=[ \n])|(?<=\n) +")
# What our HTML is made of. A formula is one piece: to a browser, a mark inside would end it.
_PIECE = re.compile(
    r"(?P<formula><math[ >].*?</math>)|<(?P<end>/?)(?P<tag>[a-z]+)[^>]*>|(?P<entity>&(?:amp|lt|gt|quot|#x27);)|[^<&]+"
)


def clean(text: str) -> str:
    """The text with XML's white space (line breaks, indentation) folded to single spaces, ends trimmed."""
    if "\n" in text or "  " in text or "\t" in text:
        text = _SPACES.sub(" ", text)
    return text.strip(" ")


def plain(element: etree._Element) -> str:
    """All text below the element, as ``plain_of`` puts it."""
    if len(element):
        return text_of(element).plain
    return clean(text) if (text := element.text) else ""


def text_of(element: etree._Element) -> Text:
    """The element's content, without its own tag, as HTML and as plain text."""
    if len(element) == 0:
        words = clean(element.text or "")
        return Text(words, escape(words, quote=False))
    pieces: list[str] = []
    _write(element, pieces)
    html = clean("".join(pieces))
    return Text(plain_of(html).text, html)


# -- markup to HTML --------------------------------------------------------------------------------


def _write(element: etree._Element, out: list[str], in_formula: bool = False) -> None:
    """The element's content as HTML, in pieces."""
    out.append(escape(element.text or "", quote=False))
    for child in element:
        if not isinstance(child.tag, str):
            # An entity that nobody declared.
            out.append(escape(child.text or "", quote=False))
        elif etree.QName(child).localname not in mathml.ANNOTATIONS:
            shown = contentmath.presented(child) if in_formula else child
            start, end, formula = _tags(shown, in_formula)
            out.append(start)
            _write(shown, out, formula)
            out.append(end)
        out.append(escape(child.tail or "", quote=False))


def _tags(element: etree._Element, in_formula: bool) -> tuple[str, str, bool]:
    """The tags around an element's content, and whether it is in a formula."""
    name = etree.QName(element).localname
    if in_formula:
        # What is unknown stays one part: the elements around it count theirs.
        tag = name if name in mathml.ELEMENTS else "mrow"
    elif name == "math":
        tag, in_formula = name, True
    else:
        tag = _INLINE.get(name, "")
    if not tag:
        return "", "", in_formula
    attributes = "".join(
        f' {key}="{escape(value)}"'
        for key, value in element.attrib.items()
        if in_formula and isinstance(key, str) and isinstance(value, str) and key in _MATH_ATTRIBUTES
    )
    return f"<{tag}{attributes}>", f"</{tag}>", in_formula


# -- HTML to plain text ----------------------------------------------------------------------------


class Plain(NamedTuple):
    """Plain text, and for each of its characters the place in the HTML that it was made from."""

    text: str
    places: Sequence[int]


def plain_of(html: str) -> Plain:
    """The plain text of our own HTML (of a title, a section, or a whole abstract in paragraphs).

    Raised and lowered text is as ``superscript`` writes it, formulas are as ``mathml`` writes them, and all characters
    of a formula have the formula's place. Paragraphs are lines.
    """
    if "<" not in html and "&" not in html:
        return Plain(html, range(len(html)))
    runs = [_Run()]
    for piece in _PIECE.finditer(html):
        at, tag = piece.start(), piece["tag"]
        if tag in ("sub", "sup"):
            if piece["end"]:
                ended = runs.pop()
                runs[-1].take(ended, "sup" if tag == "sup" else "sub")
            else:
                runs.append(_Run())
        elif tag == "p" and at and not piece["end"]:
            runs[-1].add("\n", [at])
        elif piece["formula"]:
            text = mathml.plain(piece["formula"])
            runs[-1].add(text, [at] * len(text))
        elif not tag:
            text = unescape(piece[0])
            runs[-1].add(text, [at] if piece["entity"] else range(at, piece.end()))
    return runs[0].folded()


class _Run:
    """Characters on one level, with their places."""

    def __init__(self) -> None:
        self.text = ""
        self.places: list[int] = []

    def add(self, text: str, places: Iterable[int]) -> None:
        self.text += text
        self.places += places

    def take(self, other: _Run, level: Level) -> None:
        """Add raised or lowered text, but leave the spaces around it level."""
        text = other.text.strip(" ")
        start = other.text.find(text)
        end = start + len(text)
        self.add(other.text[:start], other.places[:start])
        if text:
            moved, places = shifted(text, level), other.places[start:end]
            if len(moved) > len(text):
                places = [places[0], places[0], *places, places[-1]]
            self.add(moved, places)
        self.add(other.text[end:], other.places[end:])

    def folded(self) -> Plain:
        """The text with single spaces, and none at the ends of lines."""
        dropped = {place for match in _NEEDLESS.finditer(self.text) for place in range(*match.span())}
        if not dropped:
            return Plain(self.text, self.places)
        stay = [place for place in range(len(self.text)) if place not in dropped]
        return Plain("".join(self.text[place] for place in stay), [self.places[place] for place in stay])


# -- words marked ----------------------------------------------------------------------------------


def marked(html: str, spans: Iterable[tuple[int, int]]) -> str:
    """The HTML with ``<mark>`` around what these spans of its plain text (first character, one beyond) came from.

    No mark holds a tag, entities and formulas are marked whole, and without the marks the HTML is unchanged.
    """
    return "".join(f"<mark>{text}</mark>" if inside else text for text, inside in cut(html, tuple(spans)))


def cut(html: str, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The HTML in pieces, each with the numbers of those spans of its plain text that it came from.

    A piece of any span holds no tag; entities and formulas stay whole; together the pieces are the HTML.
    """
    edges = _edges(plain_of(html).places, spans)
    for numbers, same in groupby(_undivided(html, edges), key=itemgetter(1)):
        yield "".join(piece for piece, _ in same), tuple(sorted(numbers))


def _undivided(html: str, edges: list[tuple[int, int]]) -> Iterator[tuple[str, frozenset[int]]]:
    """Pieces of the HTML within which no edge lies, each with the spans that it is in."""
    inside = frozenset[int]()
    for piece in _PIECE.finditer(html):
        at, end = piece.span()
        is_text = not (piece["formula"] or piece["tag"] or piece["entity"])
        while at < end:
            while edges and edges[-1][0] <= at:
                inside ^= {edges.pop()[1]}
            until = min(edges[-1][0], end) if edges and is_text else end
            yield html[at:until], frozenset() if piece["tag"] or _UNSEEN in inside else inside
            at = until


# The number of what is in no span, as the plain text leaves it out.
_UNSEEN = -1


def _edges(places: Sequence[int], spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where in the HTML each span, by its number, starts and where it has ended; the last edge first."""
    edges = []
    for number, (start, end) in enumerate(spans):
        if inside := places[max(start, 0) : end]:
            edges += [(inside[0], number), (inside[-1] + 1, number)]
    if edges and not isinstance(places, range):
        gaps = ((place + 1, after) for place, after in pairwise((-1, *places)) if after > place + 1)
        edges += [(edge, _UNSEEN) for gap in gaps for edge in gap]
    return sorted(edges, reverse=True)
