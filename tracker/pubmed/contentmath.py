"""Content MathML, which gives a formula's meaning -> presentation MathML, which browsers show.

Elements are those of https://www.w3.org/TR/MathML3/chapter4.html. An operator that is not in the table is written
as a function of its arguments, any other element as a row of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lxml import etree

Element = etree._Element

_SYMBOLS = dict(
    pair.split("=")
    for pair in (
        "infinity=∞ pi=π exponentiale=e imaginaryi=i eulergamma=γ complexes=ℂ reals=ℝ rationals=ℚ integers=ℤ "
        "naturalnumbers=ℕ primes=ℙ emptyset=∅ notanumber=NaN true=true false=false"
    ).split()
)
# Signs between arguments, those that bind more loosely first.
_INFIX = (
    {"eq": "=", "neq": "≠", "gt": ">", "lt": "<", "geq": "≥", "leq": "≤", "approx": "≈", "equivalent": "≡"}
    | {"in": "∈", "notin": "∉", "subset": "⊆", "prsubset": "⊂", "implies": "⇒", "tendsto": "→"}
    | {"and": "∧", "or": "∨"},
    {"plus": "+", "minus": "−", "union": "∪", "intersect": "∩", "setdiff": "∖"},
    {"times": "×", "divide": "/"},
)
_BETWEEN = {name: (rank, sign) for rank, signs in enumerate(_INFIX) for name, sign in signs.items()}
_AROUND = {"abs": ("|", "|"), "floor": ("⌊", "⌋"), "ceiling": ("⌈", "⌉"), "mean": ("⟨", "⟩")}
_FENCES = {"set": ("{", "}"), "list": ("(", ")"), "vector": ("(", ")"), "interval": ("[", "]")}
_LEAVES = {"cn": "mn", "ci": "mi", "csymbol": "mi"}
ELEMENTS = frozenset({"apply", "matrix", "matrixrow", *_SYMBOLS, *_FENCES, *_LEAVES})


def presented(element: Element) -> Element:
    """A content element, and what is in it, as presentation MathML. Other elements come back as they are."""
    name = etree.QName(element).localname
    if name == "apply":
        return _application(element)
    if name in _SYMBOLS:
        return _leaf("mi", _SYMBOLS[name])
    if name in _LEAVES:
        return _number(element) if name == "cn" else _made(_LEAVES[name], element, element)
    if name == "matrix":
        return _made("mfenced", [_made("mtable", map(presented, element))])
    if name == "matrixrow":
        return _made("mtr", [_made("mtd", [presented(cell)]) for cell in element])
    if name in _FENCES:
        return _fenced(map(presented, element), *_FENCES[name])
    return element


def _application(element: Element) -> Element:
    if len(element) == 0:
        return _made("mrow", [], element)
    operator, *given = element
    name = etree.QName(operator).localname
    arguments = [presented(each) for each in given]
    if name in _BETWEEN:
        return _infix(name, given, arguments)
    if name == "power" and len(arguments) == 2:
        return _made("msup", [_grouped(given[0], arguments[0], len(_INFIX)), arguments[1]])
    if name == "root" and arguments:
        return _made("msqrt", arguments[-1:])
    if name == "factorial" and arguments:
        return _made("mrow", [*arguments, _leaf("mo", "!")])
    if name in _AROUND:
        return _fenced(arguments, *_AROUND[name])
    function = presented(operator) if name in ELEMENTS else _leaf("mi", name)
    return _made("mrow", [function, _fenced(arguments, "(", ")")])


def _infix(name: str, given: Sequence[Element], arguments: Sequence[Element]) -> Element:
    rank, sign = _BETWEEN[name]
    grouped = [_grouped(each, made, rank) for each, made in zip(given, arguments, strict=True)]
    if len(grouped) == 1:
        return _made("mrow", [_leaf("mo", sign), *grouped])
    if name == "divide" and len(grouped) == 2:
        return _made("mfrac", arguments)
    parts = [part for each in grouped for part in (_leaf("mo", sign), each)]
    return _made("mrow", parts[1:])


def _grouped(given: Element, made: Element, rank: int) -> Element:
    """In brackets, if its own sign binds no more tightly than the one beside it."""
    if etree.QName(given).localname != "apply" or len(given) == 0:
        return made
    inner, _ = _BETWEEN.get(etree.QName(given[0]).localname, (len(_INFIX), ""))
    return _fenced([made], "(", ")") if inner <= rank and inner < len(_INFIX) else made


def _number(element: Element) -> Element:
    """A number; ``sep`` separates the two parts of a compound one."""
    first, *rest = (text.strip() for text in (element.text or "", *(part.tail or "" for part in element)))
    type = element.get("type", "")
    if len(rest) != 1:
        return _leaf("mn", " ".join("".join(map(str, element.itertext())).split()))
    number, second = _leaf("mn", first), _leaf("mn", rest[0])
    if type == "rational":
        return _made("mfrac", [number, second])
    if type == "e-notation":
        return _made("mrow", [number, _leaf("mo", "×"), _made("msup", [_leaf("mn", "10"), second])])
    if type == "complex-polar":
        turn = _made("msup", [_leaf("mi", "e"), _made("mrow", [_leaf("mi", "i"), second])])
        return _made("mrow", [number, turn])
    if type == "complex-cartesian":
        return _made("mrow", [number, _leaf("mo", "+"), second, _leaf("mi", "i")])
    return _made("mrow", [number, _leaf("mo", ";"), second])


def _fenced(parts: Iterable[Element], open: str, close: str) -> Element:
    made = _made("mfenced", parts)
    made.set("open", open)
    made.set("close", close)
    return made


def _leaf(tag: str, text: str) -> Element:
    leaf = etree.Element(tag)
    leaf.text = text
    return leaf


def _made(tag: str, parts: Iterable[Element], source: Element | None = None) -> Element:
    """An element with these parts, and with the text of the element that it replaces."""
    made = etree.Element(tag)
    made.text = source.text if source is not None else None
    for part in list(parts):
        made.append(part)
    return made
