"""Titles as reference managers keep them: without the full stop that PubMed puts at the end.

Styles set their own, as Zotero's translators know (https://github.com/zotero/translators, PubMed XML.js).
"""

from __future__ import annotations

import re

# A full stop that is part of the last word, unlike those of "CO." and "Part A.".
_ABBREVIATIONS = "et al|vs|etc|approx|ca|cf|Inc|Ltd|Corp|Co|Bros|Jr|Sr|Dr|Mr|Mrs|St|spp?|subsp|nov"
_ABBREVIATION = re.compile(
    rf"(?:^|[\s(\[\"'“‘])(?:(?:[A-Za-z]{{1,2}}\.)+[A-Za-z]|{_ABBREVIATIONS})\.[\])\"'”’»]*$"
)
_STOP = re.compile(r"(?<!\.)\.([\])\"'”’»]*)$")


def without_stop(title: str) -> str:
    """The title without its final full stop, in a bracket or quotation marks too. ``U.S.``, ``?`` and ``...`` stay."""
    # [Title.]. has two.
    bare = re.sub(r"([\])\"'”’»])\.$", r"\1", title.rstrip())
    return bare if _ABBREVIATION.search(bare) else _STOP.sub(r"\1", bare) or title
