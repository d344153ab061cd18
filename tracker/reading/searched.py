"""Until when a review searched, as its abstract says."""

from __future__ import annotations

import re
from calendar import month_abbr
from typing import NamedTuple

_MONTHS = {name.lower(): number for number, name in enumerate(month_abbr) if name}
_ABOUT_SEARCH = re.compile(
    r"\b(?:search\w*|inception|databases?|medline|embase|pubmed|psycinfo|cochrane|registries|retrieved)\b",
    re.IGNORECASE,
)
_MONTH = r"(?P<month>jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?,?"
_DAY = r"(?:st|nd|rd|th|\((?:st|nd|rd|th)\))?"
_DATE = re.compile(
    rf"(?:\b(?P<before>[0-9]{{1,2}}){_DAY}\s(?:of\s)?)?\b{_MONTH}\s(?:(?P<behind>[0-9]{{1,2}}){_DAY},?\s)?(?P<year>(?:19|20)[0-9]{{2}})\b"
    r"|\b(?:to|until|till|through|and)\s(?P<alone>(?:19|20)[0-9]{2})\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")


class Searched(NamedTuple):
    """The last day that was searched, as ``YYYY-MM-DD`` as far as it is stated, and the sentence that says so."""

    until: str
    sentence: str


def searched(abstract: str) -> Searched | None:
    """The latest date in a sentence about searching; None where an abstract states none. Never raises."""
    dated = [
        Searched(_iso(match), sentence)
        for sentence in _SENTENCE.split(abstract)
        if _ABOUT_SEARCH.search(sentence)
        for match in _DATE.finditer(sentence)
    ]
    return max(dated, key=lambda each: each.until, default=None)


def _iso(match: re.Match[str]) -> str:
    if match["alone"]:
        return match["alone"]
    month = _MONTHS[match["month"][:3].lower()]
    day = int(match["before"] or match["behind"] or 0)
    return f"{match['year']}-{month:02}" + (f"-{day:02}" if 1 <= day <= 31 else "")
