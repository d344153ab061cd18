"""How much of what is known a question's search finds: of the papers about it that its direct reviews cite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from tracker.evidence.rows import Row, read_rows

Z95 = 1.959964


class Share(NamedTuple):
    """A part of a whole with its 95 % interval by Wilson (1927, doi:10.1080/01621459.1927.10502953)."""

    part: int
    whole: int

    @property
    def interval(self) -> tuple[float, float]:
        """Its ends, from 0 to 1; all of that where there is nothing to count."""
        n = self.whole
        if not n:
            return 0.0, 1.0
        p, scale = self.part / n, 1 + Z95**2 / n
        middle = p + Z95**2 / (2 * n)
        width = Z95 * sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n))
        return max(0.0, (middle - width) / scale), min(1.0, (middle + width) / scale)


@dataclass(frozen=True, slots=True)
class Recall:
    """``missed`` are papers about the question that its search did not find, those that most reviews cite first.

    ``reviews`` are its direct reviews, ``with_references`` those with a reference list in PubMed; these cite ``cited``
    papers, of which ``judged`` are stored here or cited with a title. ``is_searched`` tells whether PubMed was searched
    to the end: if not, a paper that is not here may only not have been loaded.
    """

    reviews: int
    with_references: int
    cited: int
    judged: int
    found: Share
    missed: Sequence[Row]
    is_searched: bool


def recall(db: sqlite3.Connection, slug: str) -> Recall | None:
    """None for a question without direct reviews that have a reference list."""
    counts = read_rows(db, _COUNTS, {"slug": slug})
    if not counts or not counts[0]["with_references"]:
        return None
    (row,) = counts
    items = read_rows(db, _ITEMS, {"slug": slug})
    return Recall(
        reviews=row["reviews"],
        with_references=row["with_references"],
        cited=row["cited"],
        judged=row["judged"],
        found=Share(sum(item["found"] for item in items), len(items)),
        missed=[item for item in items if not item["found"]],
        is_searched=row["complete_to"] is not None,
    )


_COUNTS = """
select k.reviews, k.with_references, k.cited, k.judged, q.complete_to
from known_item_sets k join questions q on q.slug = k.question where k.question = :slug
"""
_ITEMS = """
select k.pmid, k.reviews, coalesce(a.title, k.words) as words, a.pmid is not null as is_stored, k.fits,
  exists (select 1 from question_articles m where m.question = k.question and m.pmid = k.pmid and m.matching) as found,
  exists (select 1 from seeds s where s.question = k.question and s.pmid = k.pmid) as is_seed
from known_items k left join articles a on a.pmid = k.pmid
where k.question = :slug order by k.reviews desc, k.pmid desc
"""
