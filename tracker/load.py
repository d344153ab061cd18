"""Records from disk, and the derived tables made again: parsed on one core while the other writes."""

from __future__ import annotations

import gc
import marshal
import os
import re
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from itertools import chain, islice
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self, TypeVar

from tracker import __version__, ingest, query
from tracker.article import Article, Pmid
from tracker.clock import now
from tracker.console import Console
from tracker.errors import RecordError, UnusableInput
from tracker.lock import writing_job
from tracker.pubmed import nbib
from tracker.pubmed.records import RawRecord, open_file, split, utf8
from tracker.settings import Settings
from tracker.store import articles, connect, records, runs, schema, wrongclock
from tracker.store import questions as store

if TYPE_CHECKING:
    from tracker.questions import Question

BATCH = 200
LOADED = "loaded from a file"
MOST_REASONS = 20
_MEDLINE = re.compile(r"^PMID[ \t]*-[ \t]*[0-9]", re.M | re.I)
T = TypeVar("T")


class Parsed(NamedTuple):
    """What one batch comes to: readings with the questions that each matches, and what could not be read.

    ``stray`` are lines of MEDLINE text that belong to no field.
    """

    readings: list[tuple[ingest.Reading, tuple[str, ...]]]
    refused: list[tuple[int | None, str]]
    unmatched: int
    stray: list[tuple[int, str]]


@dataclass(slots=True)
class Tally:
    """What a load has come to so far."""

    records: int = 0
    new: int = 0
    changed: int = 0
    notices: int = 0
    unchanged: int = 0
    unmatched: int = 0
    deleted: int = 0
    refused: list[tuple[str, int | None, str]] = field(default_factory=list)
    stray: list[tuple[str, int, str]] = field(default_factory=list)
    matched: dict[str, int] = field(default_factory=dict)

    @property
    def reason(self) -> str | None:
        """Why the job is not complete, if it is not."""
        count = len(self.refused)
        return f"{count:,} record{'s' if count > 1 else ''} cannot be read" if count else None

    def report(self) -> dict[str, Any]:
        return {
            "records": self.records,
            "new": self.new,
            "changed": self.changed,
            "notices": self.notices,
            "unchanged": self.unchanged,
            "unmatched": self.unmatched,
            "deleted": self.deleted,
            "refused": len(self.refused),
            "refusals": [
                {"file": file, "pmid": pmid, "reason": reason}
                for file, pmid, reason in self.refused[:MOST_REASONS]
            ],
            "stray_lines": [
                {"file": file, "pmid": pmid, "line": line} for file, pmid, line in self.stray[:MOST_REASONS]
            ],
            "matched": self.matched,
        }


def load(
    settings: Settings, paths: Sequence[Path], console: Console, *, match: Sequence[Question] = ()
) -> dict[str, Any]:
    """Store the records of PubMed XML (plain or gzip; DeleteCitation honoured) and MEDLINE text files.

    With ``match`` only those that one of these questions' strategies matches, here and now. Each file is one
    transaction: what cannot be used to its end leaves nothing behind. Single records that cannot be read are
    set aside and counted.

    Returns the report that ``tracker load --json`` prints. Raises UnusableInput for a file that is missing,
    empty, of another kind, hostile or cut off; LockHeld; and what opening the database raises.
    """
    for path in paths:
        _format_of(path)
    with writing_job(settings.db_dir):
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        try:
            db.execute("pragma cache_size = -65536")
            for words in wrongclock.put_right(db):
                console.say(words)
            run = runs.start(db, "load", __version__, {"files": [path.name for path in paths]})
            tally = Tally()
            try:
                _prepare(db, match)
                with Workers() as workers:
                    for path in paths:
                        with connect.transaction(db):
                            _load_file(db, run, path, match, tally, workers)
                        console.say(f"{path}: loaded; {tally.records:,} records so far")
            except BaseException as error:
                _close(db, run, runs.FAILED, str(error) or type(error).__name__, tally)
                raise
            _close(db, run, runs.INCOMPLETE if tally.refused else runs.COMPLETE, tally.reason, tally)
            connect.tidy(db, console.say)
            return {"run": run, "reason": tally.reason, **tally.report()}
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()


def rebuild(settings: Settings, console: Console) -> dict[str, Any]:
    """Derive every derived table again from the raw records, in one transaction.

    Returns the report that ``tracker rebuild --json`` prints: how many records, how many could not be read
    (their rows are gone until they can be).
    """
    with writing_job(settings.db_dir):
        connect.open_for_reading(settings.evidence_db, schema.migrations).close()
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        reader = connect.open_for_reading(settings.evidence_db, schema.migrations)
        try:
            run = runs.start(db, "rebuild", __version__, {})
            total = reader.execute("select count(*) from record_state where raw is not null").fetchone()[0]
            tally = Tally()
            with connect.transaction(db), Workers() as workers, console.progress("records", total) as advance:
                articles.forget_all(db)
                versions = ((format, body) for _, format, body in records.current_versions(reader))
                for parsed in workers.parsed(_parse_versions, _batches(versions)):
                    articles.write(db, [reading.rows for reading, _ in parsed.readings])
                    tally.records += len(parsed.readings)
                    tally.refused += [("", *refusal) for refusal in parsed.refused]
                    advance(len(parsed.readings))
                store.relabel_all(db)
            _close(db, run, runs.INCOMPLETE if tally.refused else runs.COMPLETE, tally.reason, tally)
            reader.close()
            connect.tidy(db, console.say)
            return {
                "run": run,
                "reason": tally.reason,
                "records": tally.records,
                "refused": len(tally.refused),
            }
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            reader.close()
            db.close()


def _prepare(db: sqlite3.Connection, match: Sequence[Question]) -> None:
    with connect.transaction(db):
        store.describe(db, match)
        for question in match:
            store.keep_strategy(db, question, now())


def _close(db: sqlite3.Connection, run: int, outcome: str, reason: str | None, tally: Tally) -> None:
    with connect.transaction(db):
        runs.finish(db, run, outcome, reason, tally.report())


# -- one file ----------------------------------------------------------------------------------


def _load_file(
    db: sqlite3.Connection, run: int, path: Path, match: Sequence[Question], tally: Tally, workers: Workers
) -> None:
    format = _format_of(path)
    strategies = {question.slug: question.strategy for question in match}
    when = now()
    with open_file(path) as stream:
        for deleted, parsed in _parsed(stream, path, format, strategies, workers):
            if deleted:
                _delete(db, run, deleted, when, tally)
            else:
                _store(db, run, path, parsed, when, tally, match)


def _parsed(
    stream: BinaryIO, path: Path, format: str, strategies: dict[str, str], workers: Workers
) -> Iterator[tuple[tuple[Pmid, ...], Parsed]]:
    """Batches parsed elsewhere, and deletions, each in its place."""
    nothing = Parsed([], [], 0, [])
    deleted: list[Pmid] = []

    def bodies() -> Iterator[bytes]:
        for raw in _raw_records(stream, path, format):
            # Deletions come last in an update file; what they delete is in earlier files.
            deleted.extend(raw.deleted)
            if raw.body:
                yield raw.body

    jobs = ((batch, format, strategies) for batch in _batches(bodies()))
    for parsed in workers.parsed(_parse, jobs):
        yield (), parsed
    if deleted:
        yield tuple(deleted), nothing


def _raw_records(stream: BinaryIO, path: Path, format: str) -> Iterator[RawRecord]:
    if format == "xml":
        yield from split(stream, str(path))
    else:
        for body in nbib.split(stream, str(path)):
            yield RawRecord(body)


def _store(
    db: sqlite3.Connection,
    run: int,
    path: Path,
    parsed: Parsed,
    when: str,
    tally: Tally,
    match: Sequence[Question],
) -> None:
    stored = ingest.store(db, (reading for reading, _ in parsed.readings), run=run, when=when, source="file")
    for question in match:
        mine = {reading.pmid: LOADED for reading, slugs in parsed.readings if question.slug in slugs}
        with store.relabelling(db, mine.keys()):
            store.enter(db, question.slug, question.strategy_hash, mine, when)
        tally.matched[question.slug] = tally.matched.get(question.slug, 0) + len(mine)
    tally.records += len(parsed.readings)
    tally.new += len(stored.new)
    tally.changed += len(stored.changed)
    tally.notices += len(stored.noticed)
    tally.unchanged += len(stored.unchanged)
    tally.unmatched += parsed.unmatched
    tally.refused += [(path.name, *refusal) for refusal in parsed.refused]
    tally.stray += [(path.name, *line) for line in parsed.stray]


def _delete(db: sqlite3.Connection, run: int, pmids: Sequence[Pmid], when: str, tally: Tally) -> None:
    with store.relabelling(db, pmids):
        went = records.deleted(db, pmids, when)
        store.leave_all(db, went, when)
    records.note_changes(db, ((pmid, "record", "present", "deleted by NLM") for pmid in went), when, run)
    tally.deleted += len(went)


def _format_of(path: Path) -> str:
    """xml or nbib, by how the file begins. Raises UnusableInput for anything else."""
    with open_file(path) as stream:
        begins = (
            next(utf8(BytesIO(stream.read(4096)), str(path)), b"").decode("utf-8", "replace").lstrip("\ufeff")
        )
    text = begins.lstrip()
    if text.startswith("<"):
        return "xml"
    if _MEDLINE.search(text.replace("\r", "\n")) or nbib.begins_a_record(text.partition("\n")[0]):
        return "nbib"
    shown = begins[:40]
    raise UnusableInput(
        f"{path}: neither PubMed XML nor MEDLINE text (it begins {shown!r}). "
        "In PubMed, choose 'Send to: Citation manager', or save as PubMed format."
    )


# -- work for the other core ---------------------------------------------------------------------


def _parse(job: tuple[list[bytes], str, dict[str, str]]) -> bytes:
    """Runs in a worker: parse, match, turn into rows; marshal is the quickest way back between equals."""
    bodies, format, strategies = job
    parsed = Parsed([], [], 0, [])
    unmatched = 0
    for body in bodies:
        try:
            article = ingest.parse(body, format)
        except RecordError as error:
            parsed.refused.append((RawRecord(body).pmid, str(error)))
            continue
        if format == "nbib":
            parsed.stray.extend((article.pmid, line) for line in nbib.stray_lines(body))
        slugs = _matching(article, strategies)
        if strategies and not slugs:
            unmatched += 1
        else:
            parsed.readings.append((ingest.reading_of(article, body, format), slugs))
    return _packed(parsed._replace(unmatched=unmatched))


def _matching(article: Article, strategies: dict[str, str]) -> tuple[str, ...]:
    if not strategies:
        return ()
    index = query.Index(article)
    return tuple(slug for slug, text in strategies.items() if query.matches(_compiled(text), index))


_compiled = cache(query.parse)


def _parse_versions(versions: list[tuple[str, bytes]]) -> bytes:
    parsed = Parsed([], [], 0, [])
    for format, body in versions:
        try:
            parsed.readings.append((ingest.read(body, format), ()))
        except RecordError as error:
            parsed.refused.append((RawRecord(body).pmid, str(error)))
    return _packed(parsed)


def _packed(parsed: Parsed) -> bytes:
    readings = [(tuple(reading), slugs) for reading, slugs in parsed.readings]
    return marshal.dumps((readings, parsed.refused, parsed.unmatched, parsed.stray))


def _unpacked(packed: bytes) -> Parsed:
    readings, *others = marshal.loads(packed)  # noqa: S302 - from our own worker
    return Parsed([(ingest.Reading(*reading), slugs) for reading, slugs in readings], *others)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, BATCH)):
        yield batch


class Workers:
    """Other processes to parse in; none is started where one batch is all there is.

    Meanwhile nobody collects garbage: rows hold no cycles, and looking for some takes a tenth of the time
    (measured).
    """

    def __init__(self) -> None:
        self._count = max(1, min(2, os.cpu_count() or 1))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        gc.disable()
        return self

    def __exit__(self, *error: object) -> None:
        gc.enable()
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def parsed(self, work: Callable[[Any], bytes], jobs: Iterable[Any]) -> Iterator[Parsed]:
        """What ``work`` makes of each job, in order; a few are under way at a time, so that memory stays flat."""
        jobs = iter(jobs)
        first, second = next(jobs, None), next(jobs, None)
        if first is None:
            return
        if second is None:
            yield _unpacked(work(first))
            return
        waiting: deque[Future[bytes]] = deque()
        for job in chain((first, second), jobs):
            waiting.append(self._submit(work, job))
            if len(waiting) > 2 * self._count:
                yield _unpacked(waiting.popleft().result())
        while waiting:
            yield _unpacked(waiting.popleft().result())

    def _submit(self, work: Callable[[Any], bytes], job: Any) -> Future[bytes]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._count, mp_context=_start_method(), initializer=gc.disable)
        return self._pool.submit(work, job)


def _start_method() -> BaseContext:
    """Workers forked off a process that has nothing but this module, where the system has that: quickest."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context
