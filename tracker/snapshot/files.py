"""A snapshot's files beside its databases: lists, evidence tables, reports and searches, as the site gives them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tracker.evidence import versions
from tracker.evidence.rows import read_rows
from tracker.export.files import export
from tracker.export.formats import FORMATS as LISTS
from tracker.export.json_ import dump
from tracker.lists.selection import Selection
from tracker.report import docx_, files, reports
from tracker.report.formats import FORMATS as TABLES
from tracker.report.order import usual
from tracker.report.table import Wanted, direct_only

Write = Callable[[BinaryIO], object]
# A feed says what is new, which a snapshot never is.
NO_FEED = "atom"


class File(NamedTuple):
    """A file by its place in the snapshot, what it is, and the function that writes it."""

    place: str
    about: str
    media_type: str
    write: Write


def files_of(db: sqlite3.Connection, slug: str, title: str) -> Iterator[File]:
    """All files of one question; ``db`` reads both databases of the snapshot."""
    everything = Selection(slug)
    for format in LISTS.values():
        if format.name != NO_FEED:
            write: Write = partial(export, db, everything, format.name)
            yield File(
                f"lists/{slug}.{format.extension}",
                f"{title}: all records, {format.title}",
                format.media_type,
                write,
            )
    wanted = Wanted(direct_only(db, everything), usual("published"))
    for table in TABLES.values():
        if table.name != "docx" or _fits(db, wanted):
            write = partial(_table, db, wanted, table.name)
            place = f"tables/{slug}.{table.extension}"
            yield File(place, f"{title}: evidence table, {table.title}", table.media_type, write)
    for report in reports.REPORTS.values():
        for kind in report.formats.values():
            write = partial(_report, db, report.name, kind.name, slug)
            place = f"reports/{slug}-{report.name}.{kind.extension}"
            yield File(place, f"{title}: {report.title}, {kind.title}", kind.media_type, write)
    yield File(
        f"searches/{slug}.json",
        f"{title}: every version of its search",
        "application/json",
        partial(_searches, db, slug),
    )


def _fits(db: sqlite3.Connection, wanted: Wanted) -> bool:
    """Whether Word can hold the table, which it cannot if it is long."""
    from tracker.lists.selection import count

    return count(db, wanted.selection, docx_.MOST_ROWS + 1).n <= docx_.MOST_ROWS


def _table(db: sqlite3.Connection, wanted: Wanted, format: str, out: BinaryIO) -> None:
    files.write(db, wanted, format, out)


def _report(db: sqlite3.Connection, report: str, format: str, slug: str, out: BinaryIO) -> None:
    out.write(reports.write(db, report, format, slug))


def _searches(db: sqlite3.Connection, slug: str, out: BinaryIO) -> None:
    """The versions, oldest first: number, hash, days of first run and adoption, and the text that PubMed takes."""
    found = [
        {
            "version": version.number,
            "hash": version.hash,
            "first_run": version.first_run,
            "adopted": version.adopted,
            "is_adopted": version.is_adopted,
            "strategy": versions.strategy(db, version).text,
        }
        for version in versions.versions(db, slug)
    ]
    out.write(dump({"question": slug, "versions": found}) + b"\n")


def questions(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Slug and title of each question, in the order of the site."""
    return [
        (row["slug"], row["title"])
        for row in read_rows(db, "select slug, title from questions order by position, slug")
    ]


def write(folder: Path, file: File) -> Path:
    path = folder / file.place
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        file.write(out)
    return path
