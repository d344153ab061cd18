"""Superscripts and subscripts in plain text: ``10⁶``, ``H₂O``, ``PM_(2.5)``, and the forms that a search may use.

A run whose characters all have a raised (lowered) form in Unicode is written with those; any other is put in
brackets after ``^`` or ``_``. Signs that are raised by themselves (``®``, ``°``, ``†``) stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

Level = Literal["sup", "sub"]

# https://www.unicode.org/charts/PDF/U2070.pdf, U1D00.pdf and U02B0.pdf.
_FORMS: dict[Level, tuple[str, str]] = {
    "sup": (
        "0123456789+-=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθφχ",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿᵠᵡ",
    ),
    "sub": ("0123456789+-=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ"),
}
# Minus signs and dashes count as a hyphen, as in 10–6.
_DASHES = "\u2212\u2013\u2010\u2011"
_RAISED_BY_THEMSELVES = "®©™℠°º∘ª′″‴'*∗†‡§¶"
_SETS = {level: dict(zip(*forms, strict=True)) for level, forms in _FORMS.items()}
_SETS["sup"] |= dict.fromkeys(_DASHES, "⁻") | {sign: sign for sign in _RAISED_BY_THEMSELVES}
_SETS["sub"] |= dict.fromkeys(_DASHES, "₋")
_TABLES = {level: str.maketrans(signs) for level, signs in _SETS.items()}
_BRACKET: dict[Level, str] = {"sup": "^(", "sub": "_("}

_FLAT = str.maketrans(
    {form: base for bases, forms in _FORMS.values() for base, form in zip(bases, forms, strict=True)}
)
_SUPERSCRIPTS, _SUBSCRIPTS = (forms for _, forms in _FORMS.values())
# Beside our own two ways: MEDLINE's until 2016 (``10(6)``, ``Ca(2+)``), and that of keyboards (``10^6``, ``CO_2``).
_RUN = re.compile(
    rf"[\^_]\((?P<bracketed>(?:[^()\n]|\([^()\n]*\))*)\)"
    rf"|(?P<raised>[{_SUPERSCRIPTS}]+)|(?P<lowered>[{_SUBSCRIPTS}]+)"
    r"|(?<=[^\W_])\((?P<medline>[0-9]{1,3}[+-]?)\)"
    r"|(?<=[^\W_])(?:\^(?=[-+\u2212]?[0-9A-Za-z])|_(?=[0-9]))(?P<typed>[-+\u2212]?[^\W_]+)"
)
# Every run has one of these. Looking for them first takes a tenth of the time, and most texts have none.
_SHIFTED = re.compile(f"[{_SUPERSCRIPTS}{_SUBSCRIPTS}]")
_BRACKETED = re.compile(r"\((?<=[^\W_]\()[0-9]{1,3}[+-]?\)")


class Form(NamedTuple):
    """A text in a form that a search may use; ``places`` gives the place in the text of each of its characters."""

    text: str
    places: Sequence[int]


def shifted(text: str, level: Level) -> str:
    """The text raised or lowered, in Unicode's own signs or in brackets."""
    if not text.strip(_FORMS[level][1]):
        return text
    if all(sign in _SETS[level] for sign in text):
        return text.translate(_TABLES[level])
    return f"{_BRACKET[level]}{text})"


def has_forms(text: str) -> bool:
    """Whether anything in the text is raised or lowered."""
    likely = (
        "^" in text
        or "_" in text
        or (not text.isascii() and _SHIFTED.search(text))
        or _BRACKETED.search(text)
    )
    return bool(likely and _RUN.search(text))


def forms(text: str) -> tuple[Form, ...]:
    """The text as words are searched for: ``10⁶`` as ``106`` and as ``10 6``, ``PM_(2.5)`` as ``PM2.5`` and ``PM 2.5``.

    The first joins what is raised or lowered to the word before it, as people type it; the second separates them, as
    MEDLINE's ``10(6)`` does. A text without any has just one form, itself.
    """
    if not has_forms(text):
        return (Form(text, range(len(text))),)
    return (_form(text, ""), _form(text, " "))


def flat(text: str) -> str:
    """The first of the text's forms."""
    return forms(text)[0].text


def _form(text: str, gap: str) -> Form:
    parts: list[str] = []
    places: list[int] = []
    end = 0
    for run in _RUN.finditer(text):
        inside = run.lastgroup or 0
        at, beyond = run.span(inside)
        parts += (text[end : run.start()], gap, run[inside].translate(_FLAT), gap)
        places += (*range(end, run.start()), *[at] * len(gap), *range(at, beyond), *[beyond] * len(gap))
        end = run.end()
    return Form("".join([*parts, text[end:]]), [*places, *range(end, len(text))])
