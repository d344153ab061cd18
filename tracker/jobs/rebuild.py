"""Rebuilding the derived tables from the raw records."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from tracker import __version__
from tracker.clock import now
from tracker.errors import RecordError
from tracker.evidence import articles, connect, derived, records, runs, schema
from tracker.evidence import questions as store
from tracker.jobs import ingest
from tracker.jobs.console import Console
from tracker.jobs.lock import writing_job
from tracker.jobs.workers import Parsed, Workers, batches, packed
from tracker.questions import Question, load_questions
from tracker.settings import Settings


def rebuild(settings: Settings, console: Console) -> dict[str, Any]:
    """Rebuild every derived table from the raw records and the question files, in one transaction.

    Returns the report that ``tracker rebuild --json`` prints: how many records, how many of them show another version
    now, how many could not be read (they have no rows until they can be). Raises InvalidQuestions if a file is wrong.
    """
    questions = _questions(settings.queries)
    with writing_job(settings.db_dir):
        connect.open_for_reading(settings.evidence_db, schema.migrations).close()
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        try:
            return _derive(db, settings, questions, console)
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()


def _questions(folder: Path) -> Sequence[Question]:
    """The questions of the folder; none where there are no files, since records alone can be read again, too."""
    return load_questions(folder) if any(folder.glob("*.y*ml")) else ()


def _derive(
    db: sqlite3.Connection, settings: Settings, questions: Sequence[Question], console: Console
) -> dict[str, Any]:
    count = changed = refused = 0
    reader = connect.open_for_reading(settings.evidence_db, schema.migrations)
    try:
        run, when = runs.start(db, "rebuild", __version__, {}), now()
        total = reader.execute("select count(*) from record_state where raw is not null").fetchone()[0]
        with connect.transaction(db), Workers() as workers, console.progress("records", total) as advance:
            store.describe_again(db, questions)
            articles.forget_all(db)
            jobs = ((batch, when[:10]) for batch in batches(records.all_versions(reader)))
            for (batch, _), parsed in workers.parsed(_parse_versions, jobs):
                readings = [reading for reading, _ in parsed.readings]
                articles.write(db, [reading.rows for reading in readings])
                changed += _show_newer(db, run, batch, readings, when)
                count, refused = count + len(readings), refused + len(parsed.refused)
                advance(len(batch))
            derived.fill(db)
    finally:
        reader.close()
    reason = f"{refused:,} record{'s' if refused > 1 else ''} cannot be read" if refused else None
    report = {"run": run, "reason": reason, "records": count, "changed": changed, "refused": refused}
    with connect.transaction(db):
        runs.finish(db, run, runs.INCOMPLETE if refused else runs.COMPLETE, reason, report)
    connect.tidy(db, console.say)
    return report


def _show_newer(
    db: sqlite3.Connection,
    run: int,
    batch: Sequence[records.Versions],
    readings: Sequence[ingest.Reading],
    when: str,
) -> int:
    """Report a version newer than the one shown as news, as if it had just come; returns how many there were."""
    shown = {versions.pmid: versions.shown for versions in batch}
    newer = [reading for reading in readings if reading.sha256 != shown[reading.pmid]]
    for reading in newer:
        with suppress(RecordError):
            ingest.note_changes(db, reading, shown[reading.pmid], run, when)
        records.show(db, reading.pmid, reading.sha256)
    return len(newer)


def _parse_versions(job: tuple[list[records.Versions], str]) -> bytes:
    """Runs in a worker: the newest version of each record, turned into rows."""
    batch, today = job
    parsed = Parsed([], [], [], [])
    for versions in batch:
        reading, problems = ingest.newest_of(versions, date.fromisoformat(today))
        parsed.refused.extend((versions.pmid, problem) for problem in problems)
        if reading:
            parsed.readings.append((reading, ()))
    return packed(parsed)
