"""How a question's records are screened: by one person, or by two who are blind to each other, in two stages."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from tracker.decision import STAGES
from tracker.questions import SLUG

REVIEWERS = 2


@dataclass(frozen=True, slots=True)
class Seal:
    """One stage of a dual review, which hides what is said until two people have decided.

    Columns ``blind``, ``review`` and ``sealed`` hold it as text: ``QUESTION/STAGE``.
    """

    question: str
    stage: str

    def __str__(self) -> str:
        return f"{self.question}/{self.stage}"

    @classmethod
    def parse(cls, text: str) -> Seal | None:
        """The seal that the text stands for; None if it is not a seal."""
        question, _, stage = text.partition("/")
        return cls(question, stage) if SLUG.fullmatch(question) and stage in STAGES else None


class Review(NamedTuple):
    """How a question's records are screened, according to its file; ``hide_labels`` until a person shows them."""

    question: str
    dual: bool
    reasons: tuple[str, ...]
    hide_labels: bool = False

    @property
    def wanted(self) -> int:
        """How many people have to decide on a record."""
        return REVIEWERS if self.dual else 1

    def seal(self, stage: str) -> Seal:
        """What hides what is said at a stage of the review."""
        return Seal(self.question, stage)


def reviews(evidence: sqlite3.Connection) -> dict[str, Review]:
    """How each question is screened, from evidence.db."""
    rows = evidence.execute("select slug, dual, reasons, hide_labels from questions order by position, slug")
    return {
        slug: Review(slug, bool(dual), tuple(json.loads(reasons or "[]")), bool(hide_labels))
        for slug, dual, reasons, hide_labels in rows
    }
