"""Which records stand in which box of a PRISMA 2020 flow (DOI 10.1136/bmj.n71): for its numbers and for lists of them.

A list and a number of one box come from the same set, so that they cannot differ. A box is named in an address, as
``excluded-full-text``, with what narrows it behind semicolons: ``;since=2026-01-01`` leaves out what the last version
of a living review had decided, ``;reason=wrong drug`` keeps what was excluded for that reason.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from tracker.decision import STAGES
from tracker.team import decisions
from tracker.team.decisions import Members, Outcome, Standings
from tracker.team.review import Review

# The reason for which a report counts as sought but not retrieved, instead of as assessed and excluded.
NOT_RETRIEVED = "not retrieved"
NO_REASON = "no reason given"

# The boxes whose records can be listed, with the words for the filter.
BOXES: Mapping[str, str] = {
    "decided-before": "decided in the last version",
    "included-before": "included in the last version",
    "undecided-title-abstract": "not decided yet by title and abstract",
    "conflict-title-abstract": "in conflict by title and abstract",
    "screened": "screened by title and abstract",
    "excluded-title-abstract": "excluded by title and abstract",
    "sought": "sought for retrieval",
    "not-retrieved": "not retrieved",
    "undecided-full-text": "not decided yet by full text",
    "conflict-full-text": "in conflict by full text",
    "assessed": "assessed by full text",
    "excluded-full-text": "excluded by full text",
    "unsure-full-text": "unsure by full text",
    "included": "included by full text",
}
_NAME = re.compile(
    r"(?P<box>[a-z-]+)(?:;since=(?P<since>\d{4}-\d\d-\d\d))?(?:;reason=(?P<reason>.+))?", re.ASCII
)


class Box(NamedTuple):
    """A box as an address names it."""

    name: str
    since: str | None = None
    reason: str | None = None

    def __str__(self) -> str:
        parts = (("since", self.since), ("reason", self.reason))
        return ";".join([self.name, *(f"{name}={value}" for name, value in parts if value)])

    @classmethod
    def parse(cls, text: str) -> Box | None:
        """The box that a text names; None if it names none."""
        found = _NAME.fullmatch(text)
        if found is None or found["box"] not in BOXES:
            return None
        try:
            date.fromisoformat(found["since"] or "2000-01-01")
        except ValueError:
            return None
        if found["reason"] and found["box"] != "excluded-full-text":
            return None
        return cls(found["box"], found["since"], found["reason"])

    @property
    def words(self) -> str:
        """The words for a list of its records."""
        before = self.name.endswith("-before")
        since = f", {'before' if before else 'in the update from'} {self.since}" if self.since else ""
        return BOXES[self.name] + (f": {self.reason}" if self.reason else "") + since


class Boxes:
    """The records in each box, by the standings of a question's records.

    ``before`` are those that the last version of a living review had decided to the end: none of them is in a box of
    the update. Those in neither are the undecided ones, which nobody may have touched.
    """

    def __init__(
        self,
        first: Mapping[int, Outcome],
        second: Mapping[int, Outcome],
        at_full_text: frozenset[int],
        before: frozenset[int],
    ) -> None:
        self._second = second
        self.before = before
        self._at: dict[str, set[int]] = {name: set() for name in BOXES}
        self._at["decided-before"] |= before
        self._at["included-before"] |= {
            pmid for pmid in before & at_full_text if _place(second.get(pmid)) == "include"
        }
        for pmid in (first.keys() | second.keys()) - before:
            for name in self._names(pmid, first.get(pmid), is_at_full_text=pmid in at_full_text):
                self._at[name].add(pmid)

    def members(self, box: Box) -> Members:
        """The records of a box."""
        if box.name == "undecided-title-abstract":
            return Members(False, self.before | self.at("screened") | self.at("conflict-title-abstract"))
        return Members(True, self.at(box.name, box.reason))

    def at(self, name: str, reason: str | None = None) -> frozenset[int]:
        """The records in any box but that of undecided ones, which is all others."""
        if reason is None:
            return frozenset(self._at[name])
        return frozenset(pmid for pmid in self._at[name] if self.reason(pmid) == reason)

    def reason(self, pmid: int) -> str:
        """Why a report was excluded by full text."""
        outcome = self._second.get(pmid)
        return (outcome and outcome.reason) or NO_REASON

    def _names(self, pmid: int, first: Outcome | None, *, is_at_full_text: bool) -> tuple[str, ...]:
        """All boxes that a record is in, the smaller within the larger."""
        if not is_at_full_text:
            return _AT_FIRST.get(_place(first), ())
        place = _place(self._second.get(pmid))
        if place == "exclude" and self.reason(pmid) == NOT_RETRIEVED:
            return ("screened", "sought", "not-retrieved")
        return ("screened", "sought", *_AT_FULL_TEXT[place])


_AT_FIRST = {
    "exclude": ("screened", "excluded-title-abstract"),
    "conflict": ("conflict-title-abstract",),
}
_AT_FULL_TEXT = {
    "open": ("undecided-full-text",),
    "conflict": ("conflict-full-text",),
    "exclude": ("assessed", "excluded-full-text"),
    "unsure": ("assessed", "unsure-full-text"),
    "include": ("assessed", "included"),
}


def boxes(db: sqlite3.Connection, review: Review, since: str | None = None) -> Boxes:
    """The boxes of a question's flow, or of its update ``since`` a day. ``db`` has annotations.db attached."""
    standings = decisions.standings(db, review)
    anything = standings.first or standings.second
    before = _before(db, review, standings, since) if since and anything else frozenset()
    return Boxes(standings.first, standings.second, standings.at_full_text, before)


def members(db: sqlite3.Connection, review: Review, box: Box) -> Members:
    """The records that a list of the box has."""
    return boxes(db, review, box.since).members(box)


def latest(db: sqlite3.Connection, review: Review) -> str | None:
    """When a record last got an outcome; what is still blind does not tell its moment."""
    standings = decisions.standings(db, review)
    if not (standings.first or standings.second):
        return None
    return max((moment for stage in STAGES for moment in _reached(db, review, stage).values()), default=None)


def _before(db: sqlite3.Connection, review: Review, standings: Standings, since: str) -> frozenset[int]:
    """Records whose outcome of now, excluded or included, stood already before the day."""
    excluded, done = (_reached(db, review, stage) for stage in STAGES)
    finished = {
        pmid: excluded[pmid]
        for pmid, outcome in standings.first.items()
        if outcome.decision == "exclude" and pmid in excluded
    } | {
        pmid: done[pmid]
        for pmid, outcome in standings.second.items()
        if pmid in standings.at_full_text and outcome.decision in ("include", "exclude") and pmid in done
    }
    return frozenset(pmid for pmid, moment in finished.items() if moment < since)


def _reached(db: sqlite3.Connection, review: Review, stage: str) -> dict[int, str]:
    """When each record's outcome at a stage came to be: when a lead settled it, or as many had decided as have to."""
    given = {"question": review.question, "stage": stage, "wanted": review.wanted}
    decided = db.execute(
        """
        select pmid, decided from (
          select pmid, decided, row_number() over (partition by pmid order by decided, id) as place
          from decisions where question = :question and stage = :stage)
        where place = :wanted
        """,
        given,
    ).fetchall()
    settled = db.execute(
        "select pmid, settled from settlements where question = :question and stage = :stage", given
    ).fetchall()
    return dict(decided) | dict(settled)


def _place(outcome: Outcome | None) -> str:
    if outcome is None or not outcome.holds:
        return "open"
    return outcome.decision or "conflict"
