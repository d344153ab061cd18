"""Deceptive characters: invisible ones, unusual spaces, letters of other alphabets, ligatures and wide forms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

_OTHER = re.compile(r"[^\x20-\x7e\t\n\r]")
_LETTERS = re.compile(r"[^\W\d_]+")
# Greek letters are part of names (TNFα, NFκB); only those drawn like a Latin letter deceive.
_GREEK_AS_LATIN = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧοινϲϳ")
_FORMS = ("<wide>", "<narrow>", "<font>")


class Odd(NamedTuple):
    code: str
    start: int
    end: int
    message: str


def odd_characters(text: str) -> Iterator[Odd]:
    """Each such character with its place and what to do; the codes are those of ``codes.yml``."""
    if text.isascii() and text.isprintable():
        return
    for match in _OTHER.finditer(text):
        at = match.start()
        if (kind := _kind(match[0])) is not None:
            yield Odd(kind[0], at, at + 1, kind[1])
    for word in _LETTERS.finditer(text):
        if not word[0].isascii():
            yield from _lookalikes(word)


@cache
def _kind(character: str) -> tuple[str, str] | None:
    category, name = unicodedata.category(character), _name(character)
    if category in ("Cf", "Cc", "Cn", "Co", "Cs") or name in ("HANGUL FILLER", "COMBINING GRAPHEME JOINER"):
        return "Q025", f"there is an invisible character here ({name}); remove it"
    if category in ("Zs", "Zl", "Zp"):
        return "Q026", f"this is not a plain space ({name}); use a plain space"
    decomposition = unicodedata.decomposition(character)
    if decomposition.startswith(_FORMS) or (decomposition and "LIGATURE" in name):
        plain = unicodedata.normalize("NFKC", character)
        return "Q028", f"{character} is a special form of a character ({name}); write {plain}"
    return None


def _lookalikes(word: re.Match[str]) -> Iterator[Odd]:
    scripts = [_name(letter).split()[0] for letter in word[0]]
    if "LATIN" not in scripts:
        return
    for place, (letter, script) in enumerate(zip(word[0], scripts, strict=True), word.start()):
        if script in ("CYRILLIC", "ARMENIAN", "CHEROKEE") or letter in _GREEK_AS_LATIN:
            what = f"{letter} is not a Latin letter ({_name(letter)})"
            problem = f"{what}, though the rest of the word is Latin; retype it"
            yield Odd("Q027", place, place + 1, problem)


def _name(character: str) -> str:
    return unicodedata.name(character, f"U+{ord(character):04X}")
