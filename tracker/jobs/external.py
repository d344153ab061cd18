"""Records of other databases, from a file into a question."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tracker import __version__
from tracker.article import ArticleKey, external_key, spelt
from tracker.clock import now
from tracker.errors import RecordError, UnusableInput, UsageError
from tracker.evidence import connect, external, known_items, runs, schema
from tracker.evidence import questions as store
from tracker.exchange.files import read_bytes
from tracker.external import duplicates, record
from tracker.external.duplicates import Described, Judged
from tracker.external.files import Found, read_records
from tracker.jobs import ingest
from tracker.jobs.console import Console
from tracker.jobs.lock import writing_job
from tracker.questions import Question
from tracker.settings import Settings

_SOURCE = re.compile(r"[^\W_][\w .,:&()/+-]{0,59}")
MOST_NAMED = 200


@dataclass(slots=True)
class Report:
    """What an import did, or would do. The lists name the place in the file."""

    file: str
    question: str
    source: str
    searched: str
    dry_run: bool
    records: int = 0
    new: int = 0
    duplicates: list[dict[str, Any]] = field(default_factory=list)
    possible: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    entered: int = 0
    already_imported: bool = False

    @property
    def reason(self) -> str | None:
        """Why the import is not complete, if it is not."""
        count = len(self.refused)
        return f"{count:,} record{'s' if count > 1 else ''} cannot be read" if count else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "question": self.question,
            "source": self.source,
            "searched": self.searched,
            "dry_run": self.dry_run,
            "already_imported": self.already_imported,
            "records": self.records,
            "new": self.new,
            "entered": self.entered,
            "duplicates": self.duplicates,
            "possible": self.possible,
            "refused": self.refused,
            "reason": self.reason,
        }


class _DryRun(Exception):
    """Not an error: it only undoes the transaction."""


def import_records(
    settings: Settings,
    question: Question,
    path: Path,
    source: str,
    searched: str,
    console: Console,
    *,
    dry_run: bool = False,
) -> Report:
    """Put a file's records into a question, in one transaction: each as an article of its own or, where it is stored
    already, as a duplicate of that. With ``dry_run`` nothing stays.

    ``source`` is the database's name, ``searched`` the day of the search there (``YYYY-MM-DD``). A file that was
    imported for the question already changes nothing. Raises UsageError for a name or day that is none, UnusableInput
    for a file that cannot be read, LockHeld, and what opening the database raises.
    """
    _check(source, searched)
    data = read_bytes(path)
    found, file_hash = read_records(path, data), hashlib.sha256(data).hexdigest()
    report = Report(path.name, question.slug, source, searched, dry_run, len(found))
    with writing_job(settings.db_dir):
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        try:
            if external.is_imported(db, question.slug, file_hash, source):
                report.already_imported = True
                return report
            _in_one_run(db, _Import(db, question, report, file_hash), found, console)
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()
    return report


def _check(source: str, searched: str) -> None:
    if not _SOURCE.fullmatch(source) or source.casefold() in ("pubmed", "medline"):
        remedy = (
            "PubMed's records come by 'tracker refresh' or 'tracker load'" if source else "Name the database"
        )
        raise UsageError(
            f"--source {source!r} is not the name of another database. {remedy}: Embase, Scopus, …"
        )
    try:
        day = date.fromisoformat(searched)
    except ValueError:
        raise UsageError(f"--searched {searched!r} is not a day. Write it as 2026-11-30.") from None
    if day > date.fromisoformat(now()[:10]):
        raise UsageError(f"--searched {searched} is in the future. Give the day of the search.")


def _in_one_run(db: sqlite3.Connection, job: _Import, found: Sequence[Found], console: Console) -> None:
    report = job.report
    details = {"file": report.file, "source": report.source, "question": report.question}
    try:
        if report.dry_run:
            with connect.transaction(db):
                job.run(None, found, console)
                raise _DryRun
        run = runs.start(db, "import", __version__, details)
        with connect.transaction(db):
            job.run(run, found, console)
            known_items.fill_due(db)
            counts = {**details, "records": report.records, "new": report.new}
            outcome = runs.INCOMPLETE if report.refused else runs.COMPLETE
            runs.finish(db, run, outcome, report.reason, counts | {"duplicates": len(report.duplicates)})
        connect.tidy(db, console.say)
    except _DryRun:
        pass


class _Import:
    """One file's records on their way into the database, one after another: the next may be the same as this one."""

    def __init__(self, db: sqlite3.Connection, question: Question, report: Report, file_hash: str) -> None:
        self.db = db
        self.question = question
        self.report = report
        self.file_hash = file_hash
        self.when = now()

    def run(self, run: int | None, found: Sequence[Found], console: Console) -> None:
        store.describe(self.db, [self.question])
        with console.progress("records", len(found)) as advance:
            for each in found:
                try:
                    self._bring(run, each)
                except (RecordError, ValueError) as error:
                    self.report.refused.append({"place": each.place, "reason": str(error)})
                advance(1)
        if len(self.report.refused) == len(found):
            first = self.report.refused[0]
            raise UnusableInput(
                f"{self.report.file}: none of its records can be read ({first['place']}: {first['reason']}). "
                "Does the file come from a database of literature?"
            )

    def _bring(self, run: int | None, each: Found) -> None:
        id = external.next_id(self.db)
        known = record.Known(id, self.report.source, record.accession(each.form, each.fields))
        body = record.make_record(known, each.form, each.fields)
        reading = ingest.read(body, "external")
        described = duplicates.described(ingest.parse(body, "external"))
        judged = self._judge(known, described)
        key = judged.pmid if judged and judged.verdict == "duplicate" else external_key(id)
        self._keep(id, known, each, key)
        if key == external_key(id):
            ingest.store(self.db, [reading], run=run or 0, when=self.when, source="external")
            self.report.new += 1
        self._enter(key)
        if judged:
            external.note_verdict(self.db, id, judged.pmid, judged.verdict, judged.reason, self.when)
            listed = self.report.duplicates if judged.verdict == "duplicate" else self.report.possible
            listed.append(
                {
                    "place": each.place,
                    "record": spelt(external_key(id)),
                    "of": spelt(judged.pmid),
                    "reason": judged.reason,
                }
            )

    def _judge(self, known: record.Known, described: Described) -> Judged | None:
        if there := external.of_accession(self.db, known.source, known.accession):
            return Judged(there, "duplicate", f"same number in {known.source}, {known.accession}")
        return duplicates.find(self.db, described)

    def _keep(self, id: int, known: record.Known, each: Found, key: ArticleKey) -> None:
        fields = {name: list(values) for name, values in each.fields.items()}
        external.add(
            self.db,
            {
                "id": id,
                "question": self.report.question,
                "source": known.source,
                "accession": known.accession or None,
                "searched": self.report.searched,
                "imported": self.when,
                "file": self.report.file,
                "file_hash": self.file_hash,
                "place": each.place,
                "record": json.dumps({"form": each.form, "fields": fields}, ensure_ascii=False),
                "pmid": key,
            },
        )

    def _enter(self, key: ArticleKey) -> None:
        if store.holding(self.db, self.report.question, [key]):
            return
        with store.relabelling(self.db, [key]):
            external.enter(self.db, self.report.question, [key], self.when)
        self.report.entered += 1
