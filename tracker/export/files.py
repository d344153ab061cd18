"""A list of articles as a file for other programs, as both ``tracker export`` and the site write it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tracker.directness import DIRECTNESS
from tracker.errors import UsageError, choose_one
from tracker.evidence import questions
from tracker.evidence.wrongclock import is_ahead
from tracker.export.formats import FORMATS, Citation, Listing
from tracker.lists import citations
from tracker.lists.selection import Selection
from tracker.reading.labels import groups
from tracker.team.placements import GROUP

NEVER = "1970-01-01T00:00:00Z"


def export(
    db: sqlite3.Connection,
    selection: Selection,
    format: str,
    out: BinaryIO,
    newest: int | None = None,
) -> int:
    """Write the list to ``out``, all of it as of one moment or its first ``newest``; returns the number of articles.

    Raises UsageError if the question is not in the database, or a filter matches nothing in it.
    """
    count = 0

    def counted() -> Iterator[Citation]:
        nonlocal count
        for citation in citations.of_selection(db, selection, newest):
            count += 1
            yield citation

    with one_moment(db):
        about = listing(db, selection)
        check_filters(db, selection)
        FORMATS[format].write(about, counted(), out)
    return count


def listing(db: sqlite3.Connection, selection: Selection) -> Listing:
    """The remarks on the list as a whole. Raises UsageError if there is no such question."""
    slug = selection.question
    columns = tuple(group.name for group in groups().values() if group.column)
    if slug is None:
        title = f"Search: {selection.text}" if selection.text else "All articles"
        return Listing("search", title, _newest_run(db), ("A search over everything stored here.",), columns)
    rows = db.execute("select slug, title from questions order by position, slug").fetchall()
    titles = dict(rows)
    if slug not in titles:
        raise UsageError(f"Unknown question {slug!r}. {choose_one(titles)}")
    standing = questions.completeness(db, slug)
    remarks = [
        f"Complete to {standing.complete_to}." if standing.complete_to else "Never searched to completion."
    ]
    if is_ahead(standing.complete_to):
        remarks.append("That day is in the future: a clock was wrong. The next refresh corrects it.")
    if standing.incomplete_since:
        remarks.append(f"Incomplete since {standing.incomplete_since}: {standing.incomplete_reason}.")
    if questions.has_starter(db, slug):
        remarks.append("Holds starter citations: a sample, not search results.")
    updated = max(citations.newest(db, slug) or NEVER, standing.complete_to or NEVER)
    return Listing(slug, titles[slug], updated, tuple(remarks), columns)


def parse_labels(texts: Sequence[str]) -> dict[str, list[str]]:
    """``["design=cohort study", ...]`` as values by group. Raises UsageError if a text does not have this form."""
    labels: dict[str, list[str]] = {}
    for text in texts:
        group, sign, value = text.partition("=")
        if not (group.strip() and sign and value.strip()):
            raise UsageError(
                f"{text!r} is not a filter. Write it as GROUP=VALUE, such as design=cohort study."
            )
        labels.setdefault(group.strip(), []).append(value.strip())
    return labels


def parse_years(text: str | None) -> tuple[int | None, int | None]:
    """``2015-2020``, ``2015-``, ``-2020`` or ``2015`` as first and last year. Raises UsageError for anything else."""
    if text is None:
        return None, None
    first, dash, last = text.strip().partition("-")
    if not (first or last) or not all(part.isdecimal() and len(part) == 4 for part in (first, last) if part):
        raise UsageError(f"{text!r} is not a range of years. Write it as 2015-2020, 2015- or -2020.")
    return int(first) if first else None, int(last) if last else None if dash else int(first)


def check_filters(db: sqlite3.Connection, selection: Selection) -> None:
    """Raises UsageError, with the choices, for a label that no article of the question has."""
    if not selection.labels:
        return
    choices = citations.label_choices(db, selection.question, selection.viewer)
    where = selection.question or "the database"
    for group, values in selection.labels.items():
        if group not in choices:
            raise UsageError(f"{where} has no label group {group!r}. {choose_one(choices)}")
        # That nothing bears on a question in this way is an answer.
        known_values = {*choices[group], *(DIRECTNESS if group == GROUP else ())}
        for value in values:
            if value not in known_values:
                known = choose_one(choices[group])
                raise UsageError(f"no article of {where} has {group}={value}. {known}")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that appears in full or not at all: written under another name, moved into place at the end.

    Raises UsageError if it cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    finished = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        # mkstemp makes files private; an export is as open as any new file.
        finished.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        finished.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    finally:
        finished.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _newest_run(db: sqlite3.Connection) -> str:
    row = db.execute("select max(coalesce(finished, started)) from runs").fetchone()
    return row[0] or NEVER


@contextmanager
def one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """A refresh that runs meanwhile does not change what is read inside."""
    db.execute("begin")
    try:
        yield
    finally:
        db.rollback()
