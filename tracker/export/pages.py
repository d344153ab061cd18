"""Pages as MEDLINE prints them -> pages as reference managers take them.

NLM shortens the last page (``345-52``), and adds what goes with the paper but is not part of it (``345-52; discussion
353-5``) or continues elsewhere (``101-5, 110``): https://www.nlm.nih.gov/bsd/mms/medlineelements.html#pg.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# No page number has more digits, and Python refuses to convert very many.
_PAGE = r"((?:[A-Za-z0-9.]*[A-Za-z.])?)(\d{1,18})([A-Za-z]?)"
_RANGE = re.compile(rf"(?:pp?\.? ?)?{_PAGE}(?:[-\u2010-\u2014]{_PAGE})?(?: [a-z. ]+)?")
_ROMAN = re.compile(r"([ivxlcdm]+)(?:[-\u2010-\u2014]([ivxlcdm]+))?", re.I)
# What the pages are in comes before a colon: SUPPL:4309-22.
_WITHIN = re.compile(r"\A.*:(?=[A-Za-z]*\d)")


class Stretch(NamedTuple):
    """Consecutive pages, written out; ``last`` is empty for a single page, or for text that we cannot read as pages."""

    first: str
    last: str = ""


def stretches(pages: str | None) -> tuple[Stretch, ...]:
    """The pages of the paper itself, without its discussion, reply and the like; what we cannot read stays as it is."""
    own: list[Stretch] = []
    for part in re.split(r"[;,]", _WITHIN.sub("", pages or "")):
        stretch = _stretch(part.strip())
        if stretch is None or (own and not _same_kind(own[0], stretch)):
            break
        own.append(stretch)
    return tuple(own) or ((Stretch(pages),) if pages else ())


def first_and_last(pages: str | None) -> tuple[str | None, str | None]:
    """The first page and, if there are several, the last."""
    own = stretches(pages)
    if not own:
        return None, None
    last = own[-1].last or own[-1].first
    return own[0].first, last if last != own[0].first else None


def written_out(pages: str | None, hyphen: str = "-") -> str:
    """All pages of the paper itself: ``101-105, 110``."""
    return ", ".join(hyphen.join(filter(None, stretch)) for stretch in stretches(pages))


def _stretch(text: str) -> Stretch | None:
    if roman := _ROMAN.fullmatch(text):
        return _of(roman[1], roman[2] or "")
    match = _RANGE.fullmatch(text)
    if not match:
        return None
    prefix, first, suffix, last_prefix, last, last_suffix = (part or "" for part in match.groups())
    if not last or last_prefix not in ("", prefix):
        return _of(prefix + first + suffix, last_prefix + last + last_suffix)
    whole = first[: max(0, len(first) - len(last))] + last
    if int(whole) < int(first):
        return None
    return _of(prefix + first + suffix, prefix + whole + last_suffix)


def _of(first: str, last: str) -> Stretch:
    return Stretch(first, "" if last == first else last)


def _same_kind(stretch: Stretch, other: Stretch) -> bool:
    """Not ``viii`` after ``77-95``."""
    return re.sub(r"\d+", "", stretch.first) == re.sub(r"\d+", "", other.first)
