"""How a question's records are screened: by one person, or by two who are blind to each other, in two stages."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

REVIEWERS = 2


class Review(NamedTuple):
    """How a question's records are screened, as its file says."""

    question: str
    dual: bool
    reasons: tuple[str, ...]

    @property
    def wanted(self) -> int:
        """How many have to decide on a record."""
        return REVIEWERS if self.dual else 1

    def seal(self, stage: str) -> str:
        """The name of one stage of the review, which hides what is said until two have decided."""
        return f"{self.question}/{stage}"


def reviews(evidence: sqlite3.Connection) -> dict[str, Review]:
    """Each question's way of screening, from evidence.db."""
    rows = evidence.execute("select slug, dual, reasons from questions order by position, slug")
    return {
        slug: Review(slug, bool(dual), tuple(json.loads(reasons or "[]"))) for slug, dual, reasons in rows
    }
