"""The starter citations of db/starter/: something real to look at before the first contact with PubMed."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tracker import __version__
from tracker.clock import now
from tracker.errors import RecordError, UnusableInput
from tracker.evidence import connect, known_items, runs, schema, starter
from tracker.evidence import questions as store
from tracker.jobs import ingest
from tracker.jobs.console import Console
from tracker.jobs.lock import writing_job
from tracker.pubmed.starter import make_record
from tracker.questions import Question
from tracker.settings import Settings, find_default


class Citation(NamedTuple):
    """A citation as it is stored, and the slugs of the questions for which it is a sample."""

    reading: ingest.Reading
    questions: frozenset[str]


def load_starter(settings: Settings, questions: Sequence[Question], console: Console) -> int:
    """Load the citations that are samples for these questions, but only into a database without records.

    Returns how many were loaded: 0 if there were records already. Raises LockHeld if another job is running,
    UnusableInput if the file cannot be read, and what opening the database raises.
    """
    with writing_job(settings.db_dir):
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        try:
            loaded = _load(db, questions) if starter.is_untouched(db) else 0
            connect.tidy(db, console.say)
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()
    if loaded:
        console.say(
            f"{loaded} starter citations loaded. They are samples, not search results; a refresh replaces them"
        )
    return loaded


def _load(db: sqlite3.Connection, questions: Sequence[Question]) -> int:
    slugs = {question.slug for question in questions}
    citations = [
        c for c in read_citations(find_default("db/starter") / "citations.csv") if c.questions & slugs
    ]
    run, when = runs.start(db, "starter", __version__, {}), now()
    with connect.transaction(db):
        store.describe(db, questions)
        ingest.store(db, (c.reading for c in citations), run=run, when=when, source="starter")
        for slug in slugs:
            mine = {c.reading.pmid: store.STARTER for c in citations if slug in c.questions}
            with store.relabelling(db, mine.keys()):
                store.enter(db, slug, None, mine, when)
        known_items.fill_due(db)
        runs.finish(db, run, runs.COMPLETE, None, {"citations": len(citations)})
    return len(citations)


def read_citations(path: Path) -> Iterator[Citation]:
    """The citations of a CSV file, in its order. Raises UnusableInput if it is missing or a line is not a citation."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.DictReader(file)
            for row in lines:
                try:
                    reading = ingest.read(make_record(row), "starter")
                except RecordError as error:
                    raise UnusableInput(f"{path}, line {lines.line_num}: {error}.") from None
                yield Citation(reading, frozenset((row.get("questions") or "").split()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnusableInput(f"{path}: the starter citations cannot be read ({error}).") from None
