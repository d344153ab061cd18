"""PubMed's dates, as far as they are certain.

The shapes are those of the NLM PubMed DTD: PubDate is Year with Month, Day or Season, or one
free-text MedlineDate (https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html#pubdate).
The MEDLINE format prints the same text after DP.
"""

from __future__ import annotations

import re
from calendar import monthrange
from functools import lru_cache

from tracker.article import PartialDate, Precision

_YEAR = re.compile(r"(?<![0-9])(?:1[5-9]|2[01])[0-9]{2}(?![0-9])")
# Words and numbers separately; an ordinal ("1st") is one word, so that it is never read as a day.
_TOKEN = re.compile(r"[0-9]+(?:st|nd|rd|th)\b|[0-9]+|[a-z]+", re.IGNORECASE)
# A two-part "2001-02" may be a range of years, so only three parts, or parts set apart by spaces, count.
_NUMERIC = re.compile(
    r"([0-9]{4})(?:([-/])([0-9]{1,2})\2([0-9]{1,2})|\s+([0-9]{1,2})(?:\s+([0-9]{1,2}))?)(?![0-9a-z])",
    re.IGNORECASE,
)
_SEASON = re.compile(r"\b(?:spring|summer|autumn|fall|winter|quart|trimest|semest|half)", re.IGNORECASE)
# Spelled out here, as calendar's names follow the locale.
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


@lru_cache(maxsize=65_536)
def parse_date(raw: str) -> PartialDate | None:
    """A MedlineDate, a DP line or an ISO-like date, cut to the earliest part that is certain.

    ``"1998 Dec-1999 Jan"`` gives ``1998-12``, ``"2000 Oct 5-18"`` gives ``2000-10-05``,
    ``"Spring 2004"`` gives ``2004`` with precision season. None if there is no
    year from 1500 to 2199. Never raises.
    """
    numeric = _NUMERIC.match(raw.strip())
    if numeric and _YEAR.match(numeric[1]):
        return _dated(numeric[1], numeric[3] or numeric[5], numeric[4] or numeric[6], raw)
    years = list(_YEAR.finditer(raw))
    if not years:
        return None
    start = raw[: years[1].start()] if len(years) > 1 else raw
    month, day = _month_and_day(_TOKEN.findall(start))
    return _dated(years[0][0], month, day, raw)


@lru_cache(maxsize=65_536)
def partial_date(
    year: str | None, month: str | None = None, day: str | None = None, season: str | None = None
) -> PartialDate | None:
    """The date that Year, Month, Day and Season elements make together.

    The month is a name (``Nov``, ``November``) or a number; ``raw`` is the parts joined by a space.
    A month or day that the calendar does not have is dropped, with what depends on it. None if
    the year is missing or is not from 1500 to 2199. Never raises.
    """
    raw = " ".join(part.strip() for part in (year, month, day, season) if part and part.strip())
    seen = _YEAR.search(year or "")
    if not seen:
        return None
    # NLM also puts "Sep-Dec" into Season.
    return _dated(seen[0], month if month and month.strip() else season, day, raw)


def _dated(year: str, month: str | None, day: str | None, raw: str) -> PartialDate:
    number = _month_number(month)
    if not number:
        precision: Precision = "season" if _SEASON.search(raw) else "year"
        return PartialDate(year, precision, raw)
    wanted = int(day) if day and _is_day(day) else 0
    if 1 <= wanted <= monthrange(int(year), number)[1]:
        return PartialDate(f"{year}-{number:02}-{wanted:02}", "day", raw)
    return PartialDate(f"{year}-{number:02}", "month", raw)


def _month_number(text: str | None) -> int:
    """1 to 12, or 0 if it is not a month; the first month of ``Nov-Dec``."""
    tokens = _TOKEN.findall(text or "")
    if not tokens:
        return 0
    first = tokens[0].lower()
    if _is_day(first):
        return int(first) if 1 <= int(first) <= 12 else 0
    return next((i for i, name in enumerate(_MONTHS, 1) if len(first) > 2 and name.startswith(first)), 0)


def _month_and_day(tokens: list[str]) -> tuple[str | None, str | None]:
    """The first month named, and the day beside it: after it (``Oct 5-18``) or before it (``5-18 Oct``)."""
    for i, token in enumerate(tokens):
        if not token[0].isdigit() and _month_number(token):
            after = tokens[i + 1 : i + 2]
            before = _days_before(tokens, i)
            return token, next((d for d in (*after, *before) if _is_day(d)), None)
    return None, None


def _days_before(tokens: list[str], index: int) -> list[str]:
    start = index
    while start and _is_day(tokens[start - 1]):
        start -= 1
    return tokens[start:index]


def _is_day(text: str) -> bool:
    """Whether it is one or two plain digits; isdigit alone would accept ``²``."""
    return re.fullmatch(r"\s*[0-9]{1,2}\s*", text) is not None
