"""Adopting a version of a question's search, which every refresh and load runs from then on."""

from __future__ import annotations

import sqlite3

from tracker.clock import now
from tracker.errors import UsageError
from tracker.evidence import connect, schema, versions
from tracker.evidence.versions import Adoption, How, Version
from tracker.jobs.comparison import Side
from tracker.jobs.lock import writing_job
from tracker.questions import Question
from tracker.settings import Settings
from tracker.strategy import Strategy

FILE, ADOPTED = "file", "adopted"


def side(db: sqlite3.Connection, slug: str, name: str, question: Question | None) -> Side:
    """The search that a name stands for: ``file``, ``adopted``, the number of a version, or how its hash begins.

    Raises UsageError where there is none.
    """
    if name == FILE:
        if question is None:
            raise UsageError(f"{slug}: there is no such file. Name two versions with --from and --to.")
        numbers = {version.hash: version.number for version in versions.versions(db, slug)}
        return Side(question.in_file, numbers.get(question.strategy_hash))
    version = versions.adopted(db, slug) if name == ADOPTED else versions.named(db, slug, name)
    if version is None:
        raise UsageError(
            f"{slug}: nothing is adopted yet. The first refresh or load adopts what the file has."
        )
    return Side(versions.strategy(db, version), version.number)


def adopt(
    settings: Settings,
    slug: str,
    strategy: Strategy,
    *,
    person: str,
    note: str | None,
    how: How,
    in_file: Strategy | None,
) -> Version:
    """Have this search run from now on; ``in_file`` is what the question's file has, if there is one.

    Raises LockHeld while another job writes, and what opening the database raises.
    """
    with writing_job(settings.db_dir):
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        try:
            with connect.transaction(db):
                version = versions.adopt(db, slug, strategy, Adoption(now(), person, note, how))
                if in_file:
                    versions.note_file(db, slug, in_file)
            return version
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()
