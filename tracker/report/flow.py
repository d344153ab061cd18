"""The flow of a question's records as PRISMA 2020 draws it (Page 2021, doi:10.1136/bmj.n71): every box, its numbers and
the lists behind them. The drawing, the tables, the files and the page of a review all come from ``diagram``.

The form is that for new reviews; with a day since when a living review has been updated, that for updated ones, whose
first box is what the version before had included. Words are ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from tracker.article import ArticleKey
from tracker.errors import UsageError, choose_one
from tracker.evidence import external
from tracker.evidence.external import Identified
from tracker.report import trials
from tracker.team import boxes, screening
from tracker.team.boxes import Box as Named
from tracker.team.review import Review, reviews
from tracker.team.screening import Counted, Flow

# Where a box stands: what was there before, down the middle, or beside what leaves it.
Column = Literal["before", "main", "side"]
Phase = Literal["identification", "screening", "included"]
PHASES: Mapping[Phase, str] = {
    "identification": "Identification",
    "screening": "Screening",
    "included": "Included",
}


class Line(NamedTuple):
    """A number within a box. ``list`` is the address of its records behind the question's page: "" is all of them, None
    where they cannot be listed, as they are no records. ``level`` 1 is a part of the number above it."""

    words: str
    n: int
    list: str | None = None
    level: int = 0


class Box(NamedTuple):
    """A box of the flow: its first line heads it."""

    name: str
    phase: Phase
    column: Column
    lines: tuple[Line, ...]


class Diagram(NamedTuple):
    """``updated`` is the day as of which the numbers hold; ``remarks`` say what the boxes cannot."""

    slug: str
    title: str
    updated: str
    flow: Flow
    boxes: tuple[Box, ...]
    remarks: tuple[str, ...]

    @property
    def is_update(self) -> bool:
        return self.flow.updated_from is not None

    def of(self, column: Column) -> list[Box]:
        return [box for box in self.boxes if box.column == column]

    def as_json(self, home: str = "") -> dict[str, Any]:
        """All of it for programs; ``home`` is the address of the question's page, with which lists are given."""
        return {
            "question": self.slug,
            "title": self.title,
            "updated": self.updated,
            "form": "updated review" if self.is_update else "new review",
            "flow": self.flow._asdict(),
            "boxes": [
                {
                    "name": box.name,
                    "phase": box.phase,
                    "column": box.column,
                    "lines": [line._asdict() | {"list": link(home, line)} for line in box.lines],
                }
                for box in self.boxes
            ],
            "remarks": list(self.remarks),
        }


def link(home: str, line: Line) -> str | None:
    """The address of a line's records, with the question's page at ``home``; None where there is no list or no site."""
    return f"{home}{line.list}" if home and line.list is not None else None


def diagram(db: sqlite3.Connection, slug: str, updated: str, updated_from: str | None = None) -> Diagram:
    """The flow of a question's records now; those were ``updated`` last. ``db`` has annotations.db attached if anybody
    has decided on anything.

    Raises UsageError if there is no such question.
    """
    review = reviews(db).get(slug)
    if review is None:
        raise UsageError(f"Unknown question {slug!r}. {choose_one(reviews(db))}")
    (title,) = db.execute("select title from questions where slug = :slug", {"slug": slug}).fetchone()
    counted = screening.counted(db, review, updated_from)
    found = external.identified(db, slug)
    return Diagram(
        slug,
        title,
        max(updated, boxes.latest(db, review) or updated),
        counted.flow,
        tuple(_boxes(db, review, counted, found)),
        tuple(_remarks(review, counted.flow)),
    )


def _boxes(
    db: sqlite3.Connection, review: Review, counted: Counted, found: list[Identified]
) -> Iterator[Box]:
    flow, at = counted.flow, _Lists(counted.flow.updated_from)
    reports = at("included-before")
    if flow.updated_from is not None:
        before = _studies(db, review.question, counted.included_before)
        yield Box(
            "previous",
            "identification",
            "before",
            (
                Line(f"Studies included in the version before {flow.updated_from}", before, reports),
                Line("Reports of these studies", flow.included_before, reports),
            ),
        )
    yield Box("identified", "identification", "main", tuple(_identified(flow, found)))
    yield Box(
        "removed",
        "identification",
        "side",
        tuple(_removed(flow, at, sum(source.duplicates for source in found))),
    )
    yield Box("screened", "screening", "main", tuple(_screened(flow, at)))
    yield Box(
        "excluded",
        "screening",
        "side",
        (Line("Records excluded by title and abstract", flow.excluded, at("excluded-title-abstract")),),
    )
    yield Box(
        "sought", "screening", "main", (Line("Reports sought for retrieval", flow.sought, at("sought")),)
    )
    yield Box(
        "not retrieved",
        "screening",
        "side",
        (Line("Reports not retrieved", flow.not_retrieved, at("not-retrieved")),),
    )
    yield Box("assessed", "screening", "main", tuple(_assessed(flow, at)))
    yield Box("excluded by full text", "screening", "side", tuple(_excluded_by_full_text(flow, at)))
    yield from _included(db, review, counted, at)


class _Lists(NamedTuple):
    """Addresses of the records of boxes, all of the same flow."""

    since: str | None

    def __call__(self, name: str, reason: str | None = None) -> str:
        return "?" + urlencode({"decision": str(Named(name, self.since, reason))})


def _identified(flow: Flow, found: list[Identified]) -> Iterator[Line]:
    total = sum(source.records for source in found)
    if len(found) == 1:
        yield Line(f"Records identified in {found[0].source}", total, "")
        return
    yield Line("Records identified", total, "")
    for source in found:
        yield Line(source.source, source.records, None, 1)


def _removed(flow: Flow, at: _Lists, duplicate: int) -> Iterator[Line]:
    yield Line("Records removed before screening", duplicate + flow.decided_before)
    yield Line("Duplicates", duplicate, None, 1)
    if flow.updated_from is not None:
        yield Line(
            f"Decided already, before {flow.updated_from}", flow.decided_before, at("decided-before"), 1
        )


def _screened(flow: Flow, at: _Lists) -> Iterator[Line]:
    yield Line("Records screened by title and abstract", flow.screened, at("screened"))
    yield from _waiting("title and abstract", "title-abstract", flow.undecided, flow.conflicts, at)


def _assessed(flow: Flow, at: _Lists) -> Iterator[Line]:
    yield Line("Reports assessed by full text", flow.assessed, at("assessed"))
    yield from _waiting("full text", "full-text", flow.undecided_full_text, flow.conflicts_full_text, at)


def _waiting(by: str, stage: str, undecided: int, conflicts: int, at: _Lists) -> Iterator[Line]:
    """What is not through a stage yet."""
    if undecided:
        yield Line(f"Not decided yet by {by}, not counted", undecided, at(f"undecided-{stage}"), 1)
    if conflicts:
        yield Line(f"In conflict by {by}, not counted", conflicts, at(f"conflict-{stage}"), 1)


def _excluded_by_full_text(flow: Flow, at: _Lists) -> Iterator[Line]:
    yield Line("Reports excluded by full text", flow.excluded_full_text, at("excluded-full-text"))
    for reason, n in flow.reasons.items():
        yield Line(reason, n, at("excluded-full-text", reason), 1)
    if flow.unsure_full_text:
        yield Line("Unsure, neither excluded nor included", flow.unsure_full_text, at("unsure-full-text"))


def _included(db: sqlite3.Connection, review: Review, counted: Counted, at: _Lists) -> Iterator[Box]:
    flow, slug, reports = counted.flow, review.question, at("included")
    new = "New studies included" if flow.updated_from is not None else "Studies included"
    yield Box(
        "included",
        "included",
        "main",
        (
            Line(new, _studies(db, slug, counted.included), reports),
            Line("Reports of these studies", flow.included, reports),
        ),
    )
    if flow.updated_from is not None:
        every, total = _Lists(None)("included"), counted.included | counted.included_before
        yield Box(
            "total",
            "included",
            "main",
            (
                Line("Studies included in all", _studies(db, slug, total), every),
                Line("Reports of these studies", len(total), every),
            ),
        )


def _studies(db: sqlite3.Connection, slug: str, pmids: frozenset[int]) -> int:
    """How many studies the reports are of: those of one registration, and a preprint and its article, are of one."""
    keys = {ArticleKey(pmid) for pmid in pmids}
    return len({group & keys for group in trials.together(db, slug, keys).values()})


def _remarks(review: Review, flow: Flow) -> Iterator[str]:
    yield (
        "A report is one record. Reports that give the same registration are of one study, and so are a preprint and "
        "its article; a report without a registration counts as a study of its own."
    )
    yield (
        "PubMed gives each record one number, so it holds no duplicates; those of other databases are recognised as "
        "the methods say. A report counts as not retrieved where that is the reason it was excluded for; else nobody "
        "recorded it."
    )
    if flow.updated_from is not None:
        yield (
            f"The update began on {flow.updated_from}: what was excluded or included before stands as it was, and "
            "is not screened again. Who decides otherwise since moves the record into the update."
        )
    if flow.gone:
        yield f"{flow.gone:,} more had been decided on, but the search no longer finds them."
