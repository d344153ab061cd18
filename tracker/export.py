"""A question's articles as a file that other programs take: what ``tracker export`` and the site both write."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tracker.cite import FORMATS, Citation, Listing
from tracker.errors import UsageError
from tracker.reading.notices import describe
from tracker.store import citations, questions
from tracker.store.citations import Filters, Sort

NEVER = "1970-01-01T00:00:00Z"


def export(
    db: sqlite3.Connection,
    slug: str,
    format: str,
    out: BinaryIO,
    filters: Filters = Filters(),  # noqa: B008 – immutable
    sort: Sort = "published",
) -> int:
    """Write what the question matches to ``out``, all of it as of one moment; returns how many articles.

    Raises UsageError where there is no such question in the database, or a filter that fits nothing in it.
    """
    count = 0

    def counted() -> Iterator[Citation]:
        nonlocal count
        for citation in citations.of_question(db, slug, describe, filters, sort):
            count += 1
            yield citation

    with _one_moment(db):
        about = listing(db, slug)
        check_filters(db, slug, filters.labels)
        FORMATS[format].write(about, counted(), out)
    return count


def listing(db: sqlite3.Connection, slug: str, home: str | None = None) -> Listing:
    """What is to be said of the question's list as a whole. Raises UsageError where there is no such question."""
    rows = db.execute("select slug, title from questions order by position, slug").fetchall()
    titles = dict(rows)
    if slug not in titles:
        raise UsageError(f"there is no question {slug!r} in the database. There are: {', '.join(titles)}.")
    standing = questions.standing(db, slug)
    remarks = [
        f"Complete to {standing.complete_to}." if standing.complete_to else "Never searched to completion."
    ]
    if standing.incomplete_since:
        remarks.append(f"Incomplete since {standing.incomplete_since}: {standing.incomplete_reason}.")
    if _has_starter(db, slug):
        remarks.append("Holds starter citations: a sample, not search results.")
    return Listing(
        slug,
        titles[slug],
        max(citations.newest(db, slug) or NEVER, standing.complete_to or NEVER),
        tuple(remarks),
        tuple(citations.label_choices(db, slug)),
        home,
    )


def parse_filters(texts: Sequence[str], years: str | None = None) -> Filters:
    """``["design=randomised trial", ...]`` and ``"2015-2020"`` (or ``2015-``, ``-2020``, ``2015``) as Filters.

    Raises UsageError where a text has no such form.
    """
    labels: dict[str, list[str]] = {}
    for text in texts:
        group, sign, value = text.partition("=")
        if not (group.strip() and sign and value.strip()):
            raise UsageError(f"{text!r} is no filter. Write it as GROUP=VALUE, say design=cohort.")
        labels.setdefault(group.strip(), []).append(value.strip())
    if years is None:
        return Filters(labels)
    first, dash, last = years.strip().partition("-")
    if not (first or last) or not all(part.isdecimal() and len(part) == 4 for part in (first, last) if part):
        raise UsageError(f"{years!r} is no range of years. Write it as 2015-2020, 2015- or -2020.")
    return Filters(labels, int(first) if first else None, int(last) if last else None if dash else int(first))


def check_filters(db: sqlite3.Connection, slug: str, labels: Mapping[str, Collection[str]]) -> None:
    """Raises UsageError, with the choices, for a label that no article of the question has."""
    choices = citations.label_choices(db, slug)
    for group, values in labels.items():
        if group not in choices:
            names = ", ".join(choices) or "none yet"
            raise UsageError(f"{slug} has no label group {group!r}. There are: {names}.")
        for value in values:
            if value not in choices[group]:
                names = ", ".join(choices[group])
                raise UsageError(f"no article of {slug} has {group}={value}. There are: {names}.")


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that is there in full under its name, or not at all: written beside it, moved into place at the end.

    Raises UsageError where it cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    written = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        # mkstemp's own mode shuts everybody else out; an export is as open as any new file.
        written.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        written.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    finally:
        written.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _has_starter(db: sqlite3.Connection, slug: str) -> bool:
    found = db.execute(
        "select exists (select 1 from question_articles where question = ? and matching and reason = ?)",
        (slug, questions.STARTER),
    ).fetchone()
    return bool(found[0])


@contextmanager
def _one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """A refresh that runs meanwhile changes nothing of what is read inside."""
    db.execute("begin")
    try:
        yield
    finally:
        db.rollback()
