"""A formula in MathML -> one line of plain text, in the order in which it is read.

``17+29i``, ``(a+b)²``, ``(x+1)/(2y)``, ``√x``, ``³He``: raised and lowered signs as ``superscript`` writes them,
brackets where the formula groups only by layout. The elements are those of MathML Core
(https://www.w3.org/TR/mathml-core/), ``mfenced`` and ``mmultiscripts`` as MathML 3 has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from lxml import etree

from tracker.superscript import shifted

# MathML Core, without the elements that could carry HTML (annotation-xml, semantics' annotations).
ELEMENTS = frozenset(
    "merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt "
    "mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none mfenced".split()
)
# The same formula again, for programs.
ANNOTATIONS = frozenset(("annotation", "annotation-xml"))

# Function application, invisible times, separator and plus: https://www.unicode.org/charts/PDF/U2000.pdf
_INVISIBLE = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064"))
_SPACE = " \t\r\n"
_ACCENTS = {"¯": "\u0304", "‾": "\u0304", "^": "\u0302", "ˆ": "\u0302", "~": "\u0303", "˜": "\u0303"} | {
    "˙": "\u0307",
    "¨": "\u0308",
    "→": "\u20d7",
}
# The middle of a text, and signs in it that bind more loosely than a power or a fraction.
_BETWEEN = re.compile(r"[^\W_](.*)[^\W_]")
_SIGN = re.compile(r"[-+\u2212±×·∗*/=<>≤≥≈~,\s]")
_SIGNED = re.compile(r"[-+\u2212±].")
_NUMBER_OR_NAME = re.compile(r"[0-9.,]+|[^\W\d]\w*")
_PAIRS = {"(": ")", "[": "]", "{": "}", "⟨": "⟩"}
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)

Part = Callable[[etree._Element, Sequence[str]], str]


def plain(formula: str) -> str:
    """The text of one of our ``<math>`` elements. Whatever its parts are, nothing visible is left out."""
    root = etree.fromstring(formula, _PARSER)
    made: dict[etree._Element, str] = {}
    for _, element in etree.iterwalk(root, events=("end",)):
        parts = [made.pop(child) for child in element]
        arity, part = _PARTS.get(element.tag, (None, _row))
        fits = arity in (None, len(parts)) and not any(map(str.strip, _loose(element)))
        made[element] = (part if fits else _row)(element, parts)
    return made[root].translate(_INVISIBLE).strip(_SPACE)


def _loose(element: etree._Element) -> list[str]:
    """Text between the element's parts."""
    return [element.text or "", *(child.tail or "" for child in element)]


def _row(element: etree._Element, parts: Sequence[str]) -> str:
    first, *others = (text.strip(_SPACE) for text in _loose(element))
    pieces = [first, *(each for pair in zip(parts, others, strict=True) for each in pair)]
    return _joined([each for each in pieces if each])


def _joined(parts: Sequence[str]) -> str:
    """The parts joined, with a space where a fraction or a word would run into its neighbour."""
    pairs = pairwise(["", *parts])
    return "".join(f" {part}" if before and _runs_in(before, part) else part for before, part in pairs)


def _runs_in(left: str, right: str) -> bool:
    if not (left[-1].isalnum() and right[0].isalnum()):
        return False
    return "/" in left + right or (left.isalpha() and right.isalpha() and len(left + right) > 2)


def _grouped(text: str) -> str:
    """In brackets, if what follows would otherwise apply only to its last part."""
    between = _BETWEEN.search(text)
    is_compound = (between and _SIGN.search(between[1])) or _SIGNED.match(text)
    return f"({text})" if is_compound and not _enclosed(text) else text


def _enclosed(text: str) -> bool:
    """Whether the bracket that opens the text is closed by its end, and not before."""
    closing, depth = _PAIRS.get(text[:1]), 0
    for place, sign in enumerate(text):
        depth += (sign == text[0]) - (sign == closing)
        if depth == 0:
            return closing is not None and place == len(text) - 1
    return False


def _scripted(base: str, below: str, above: str) -> str:
    lowered = shifted(below, "sub") if below else ""
    return base + lowered + (shifted(above, "sup") if above else "")


def _fraction(element: etree._Element, parts: Sequence[str]) -> str:
    above, below = parts
    return (
        f"{_grouped(above)}/{below if _NUMBER_OR_NAME.fullmatch(below) or _enclosed(below) else f'({below})'}"
    )


def _over(element: etree._Element, parts: Sequence[str]) -> str:
    base, above = parts
    if len(base) == 1 and above in _ACCENTS:
        return base + _ACCENTS[above]
    return _scripted(_grouped(base), "", above)


def _root(element: etree._Element, parts: Sequence[str]) -> str:
    base, index = parts
    return _scripted("", "", index) + _square_root(element, [base])


def _square_root(element: etree._Element, parts: Sequence[str]) -> str:
    base = _row(element, parts) if element.tag == "msqrt" else parts[0]
    return f"√{base if base.isalnum() or _enclosed(base) else f'({base})'}"


def _fenced(element: etree._Element, parts: Sequence[str]) -> str:
    signs = "".join(element.get("separators", ",").split())
    between = [signs[min(place, len(signs) - 1)] if signs else "" for place in range(len(parts) - 1)]
    inside = (
        "".join(each for pair in zip(parts, (*between, ""), strict=True) for each in pair) if parts else ""
    )
    return element.get("open", "(") + inside + element.get("close", ")")


def _multiscripts(element: etree._Element, parts: Sequence[str]) -> str:
    """The base, then pairs of lower and upper signs; those after ``mprescripts`` come before the base."""
    tags = [child.tag for child in element]
    middle = tags.index("mprescripts") if "mprescripts" in tags else len(tags)
    before, after = parts[middle + 1 :], parts[1:middle]
    return _pairs(before) + (_grouped(parts[0]) if parts else "") + _pairs(after)


def _pairs(scripts: Sequence[str]) -> str:
    filled = [*scripts, ""]
    return "".join(_scripted("", *filled[place : place + 2]) for place in range(0, len(scripts), 2))


def _nothing(element: etree._Element, parts: Sequence[str]) -> str:
    return ""


# How many parts each must have (None: any number), and how it is read; all others are rows of their parts.
_PARTS: dict[str, tuple[int | None, Part]] = {
    "mfrac": (2, _fraction),
    "msup": (2, lambda _, parts: _scripted(_grouped(parts[0]), "", parts[1])),
    "msub": (2, lambda _, parts: _scripted(_grouped(parts[0]), parts[1], "")),
    "msubsup": (3, lambda _, parts: _scripted(_grouped(parts[0]), *parts[1:])),
    "munder": (2, lambda _, parts: _scripted(_grouped(parts[0]), parts[1], "")),
    "mover": (2, _over),
    "munderover": (3, lambda _, parts: _scripted(_grouped(parts[0]), *parts[1:])),
    "mmultiscripts": (None, _multiscripts),
    "msqrt": (None, _square_root),
    "mroot": (2, _root),
    "mfenced": (None, _fenced),
    "mtr": (None, lambda _, parts: ", ".join(parts)),
    "mtable": (None, lambda _, parts: "; ".join(parts)),
    "mspace": (0, lambda *_: " "),
    "mphantom": (None, _nothing),
    "none": (0, _nothing),
    "mprescripts": (0, _nothing),
}
