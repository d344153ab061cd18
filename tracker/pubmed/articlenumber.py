"""Article numbers: where a paper is in its volume, if it has no pages.

Journals without pages number their papers (eLife's e42692). NLM has that number as the first ELocationID of the type
pii, which also holds publishers' manuscript numbers, so known forms of those do not count as article numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NOT = {
    # https://en.wikipedia.org/wiki/Publisher_Item_Identifier: S0140-6736(19)30000-1
    "publisher item identifier": r"[SB]?\d{4}-?\d{3}[\dX]\(?\d\d\)?-?\d{5}-?[\dX]",
    "DOI": r"(?:doi:)?10\.\d{4,}.*|.*/.*",
    # Of editorial systems: bmjopen-2019-031234
    "manuscript number": r"[A-Za-z]{2,}-(?:19|20)\d\d-\d{3,}.*",
    # bioRxiv's and medRxiv's, Research Square's, arXiv's
    "number of a preprint server": r"\d{4}\.\d\d\.\d\d\.\d{6,}.*|rs\.\d+\.rs-\d+.*|(?:arxiv:)?\d{4}\.\d{4,5}(?:v\d+)?",
    "too long, or more than a number": r".{21,}|.*\s.*",
    "without a digit": r"\D*",
}
_IS_NONE = re.compile("|".join(f"(?:{pattern})" for pattern in _NOT.values()), re.I | re.S)


def article_number(location_ids: Iterable[str]) -> str | None:
    """The first of a record's valid ELocationIDs of type pii, in its order, that is an article number."""
    return next((id for id in location_ids if not _IS_NONE.fullmatch(id)), None)
