"""An evidence table as a file, as both ``tracker report evidence-table`` and the site write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import BinaryIO

from tracker.directness import directness_words
from tracker.export.files import check_filters, listing, one_moment
from tracker.export.listing import Listing
from tracker.lists.selection import Selection
from tracker.report import table
from tracker.report.columns import Line, lines
from tracker.report.formats import FORMATS
from tracker.report.table import Wanted

CAUTION = (
    "A label is what rules found in the record; “not stated” means that they found nothing. Numbers of people are "
    "not to be added up: reviews include the people of their studies, and reports may share theirs."
)


def write(db: sqlite3.Connection, wanted: Wanted, format: str, out: BinaryIO) -> int:
    """Write the table to ``out``, all of it as of one moment; returns the number of reports.

    Raises UsageError if the question is not in the database, a filter matches nothing in it, or the format holds
    fewer rows.
    """
    count = 0

    def counted() -> Iterator[Line]:
        nonlocal count
        for line in lines(table.all_studies(db, wanted)):
            count += 1
            yield line

    with one_moment(db):
        FORMATS[format].write(checked(db, wanted.selection), counted(), out)
    return count


def checked(db: sqlite3.Connection, selection: Selection) -> Listing:
    """The remarks on the table. Raises UsageError as ``write`` does."""
    about = listing(db, selection)
    check_filters(db, selection)
    return about._replace(
        title=f"Evidence table: {about.title}",
        remarks=(*_strategy(db, about.slug), *about.remarks, *_bearings(db, selection), CAUTION),
    )


def updated(db: sqlite3.Connection, slug: str) -> str:
    """The day as of which the question's records are shown."""
    return listing(db, Selection(slug)).updated[:10]


def _strategy(db: sqlite3.Connection, slug: str) -> Iterator[str]:
    if strategy := table.strategy(db, slug):
        yield f"Search strategy {strategy.version}, first run {strategy.first_run}."


def _bearings(db: sqlite3.Connection, selection: Selection) -> Iterator[str]:
    """Which records the table has, and how many others there are."""
    bearings = (
        table.bearings(db, selection) if table.is_told(db, selection.question or "", selection.viewer) else []
    )
    for title, on in (("Shown, sorted by machine", True), ("Not shown", False)):
        words = [
            f"{directness_words(each.value)}{'' if each.n is None else f' ({each.n:,})'}"
            for each in bearings
            if each.on is on
        ]
        if words and any(each.on for each in bearings):
            yield f"{title}: {', '.join(words)}."
