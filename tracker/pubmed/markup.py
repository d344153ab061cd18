"""Text with inline markup -> plain text for search, and HTML that is safe because only we write it.

NLM's DTD allows b, i, u, sub, sup and MathML inside titles, abstracts and the like. Whatever else
turns up is kept as its text alone; attributes are dropped but for a few of MathML's that carry meaning.
"""

from __future__ import annotations

import re
from html import escape

from lxml import etree

from tracker.article import Text

_INLINE = {tag: tag for tag in ("b", "i", "u", "sub", "sup", "em", "strong")} | {
    "bold": "b",
    "italic": "i",
    "underline": "u",
}
# MathML Core (W3C), without the elements that could carry HTML (annotation-xml, semantics' annotations).
_MATH = frozenset(
    "math merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt "
    "mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none mfenced".split()
)
_MATH_ATTRIBUTES = frozenset(("display", "mathvariant", "open", "close", "separators", "stretchy", "accent"))
_MATH_NAMESPACE = "http://www.w3.org/1998/Math/MathML"
_SPACES = re.compile(r"[ \t\r\n]{2,}|[\t\n]")


def clean(text: str) -> str:
    """The text with XML's white space (line breaks, indentation) folded to single spaces, ends trimmed."""
    if "\n" in text or "  " in text or "\t" in text:
        text = _SPACES.sub(" ", text)
    return text.strip(" ")


def plain(element: etree._Element) -> str:
    """All text below the element, without markup."""
    if len(element):
        return clean("".join(map(str, element.itertext())))
    return clean(text) if (text := element.text) else ""


def text_of(element: etree._Element) -> Text:
    """The element's content, without its own tag, both ways."""
    if len(element) == 0:
        words = clean(element.text or "")
        return Text(words, escape(words, quote=False))
    return Text(plain(element), clean("".join(_inner(element))))


def _inner(element: etree._Element) -> list[str]:
    parts = [escape(element.text or "", quote=False)]
    for child in element:
        parts += _outer(child)
        parts.append(escape(child.tail or "", quote=False))
    return parts


def _outer(element: etree._Element) -> list[str]:
    start, end = _tags(element)
    return [start, *_inner(element), end]


def _tags(element: etree._Element) -> tuple[str, str]:
    if not isinstance(element.tag, str):
        return "", ""
    name = etree.QName(element)
    if name.namespace == _MATH_NAMESPACE or name.localname == "math":
        if name.localname not in _MATH:
            return "", ""
        attributes = "".join(
            f' {key}="{escape(value)}"'
            for key, value in element.attrib.items()
            if isinstance(key, str) and isinstance(value, str) and key in _MATH_ATTRIBUTES
        )
        return f"<{name.localname}{attributes}>", f"</{name.localname}>"
    tag = _INLINE.get(name.localname)
    return (f"<{tag}>", f"</{tag}>") if tag else ("", "")
