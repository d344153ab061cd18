"""Asking one source about all that is due, batch by batch: what was answered is kept whatever happens next."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from tracker.clock import now
from tracker.enrich import runs, store
from tracker.enrich.runs import Asked
from tracker.enrich.source import Answers, Scope, Source
from tracker.enrich.store import Kept
from tracker.errors import ServiceError, TrackerError
from tracker.evidence.connect import transaction
from tracker.pubmed.transport import OnWait
from tracker.settings import Settings

Advance = Callable[[int], None]
Counting = Callable[[int], AbstractContextManager[Advance]]


class Job(NamedTuple):
    """What a run asks for, whichever the source: at most ``limit`` keys of each (``source.most`` where None)."""

    db: sqlite3.Connection
    run: int
    scope: Scope
    settings: Settings
    limit: int | None = None


# So many in a row, and it is not a key that is at fault.
MOST_REFUSED = 3


def ask(job: Job, source: Source, counting: Counting, on_wait: OnWait | None = None) -> Asked:
    """Ask a source about what is due, and log how it went.

    ``counting(total)`` opens what is called with how many keys more were asked about. A service that fails raises
    nothing: the result says so.
    """
    asked = Asked(source.name, now())
    try:
        with transaction(job.db):
            source.prepare(job.db, job.scope)
        keys = store.due(job.db, source, job.scope)
        asked.due = len(keys)
        if chosen := keys[: source.most if job.limit is None else job.limit]:
            with counting(len(chosen)) as advance, source.connect(source, job.settings, on_wait) as line:
                _ask_all(job.db, source, line, chosen, advance, asked)
        if asked.asked < asked.due and asked.outcome == "complete":
            asked.outcome = "incomplete"
    except TrackerError as error:
        asked.outcome, asked.reason = "failed", str(error)
    asked.finished = now()
    with transaction(job.db):
        runs.note(job.db, job.run, asked)
    return asked


def _ask_all(
    db: sqlite3.Connection,
    source: Source,
    line: Any,
    keys: Sequence[str],
    advance: Advance,
    asked: Asked,
) -> None:
    try:
        for batch in _batches(keys, source.batch):
            kept, refused = _answers(source, line, batch)
            with transaction(db):
                store.keep(db, source, [key for key in batch if key not in refused], kept, now())
            asked.asked += len(batch)
            asked.answered += len(kept.keys() & set(batch))
            if refused:
                asked.outcome, asked.reason = "failed", _say(source, refused)
            advance(len(batch))
    finally:
        asked.requests, asked.bytes = line.requests, line.received


def _answers(source: Source, line: Any, batch: Sequence[str]) -> tuple[dict[str, Kept], dict[str, str]]:
    """As ``_read``. Where the request itself is at fault, one key is, which must not keep the others from being asked.

    Raises ServiceError if the service refuses whatever it is asked, or does not answer.
    """
    try:
        return _read(source, source.ask(line, batch))
    except ServiceError as error:
        if not error.final or len(batch) == 1:
            raise
        refusal = error
    kept: dict[str, Kept] = {}
    refused: dict[str, str] = {}
    for key in batch:
        try:
            one, not_one = _read(source, source.ask(line, [key]))
        except ServiceError as error:
            if not error.final:
                raise
            one, not_one = {}, {key: "the request for it was refused"}
        kept |= one
        refused |= not_one
        if len(refused) >= MOST_REFUSED and not kept:
            raise refusal
    return kept, refused


def _batches(keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def _read(source: Source, answers: Answers) -> tuple[dict[str, Kept], dict[str, str]]:
    """The answers that are understood, and why the others are not: these are asked for again next time."""
    kept: dict[str, Kept] = {}
    refused: dict[str, str] = {}
    for key, raw in answers.items():
        try:
            rows = source.rows(key, raw)
            # JSON may hold half a character (\ud800), which no database takes.
            json.dumps(rows, ensure_ascii=False).encode()
            kept[key] = Kept(raw, rows)
        except UnicodeEncodeError:
            refused[key] = "a text with half a character"
        except ValueError as error:
            refused[key] = str(error)
    return kept, refused


def _say(source: Source, refused: dict[str, str]) -> str:
    key, why = next(iter(refused.items()))
    others = f" and {len(refused) - 1:,} more" if len(refused) > 1 else ""
    return (
        f"{source.title} answered something else than documented for {key}{others}: {why}. "
        "What was stored of it stays; it is asked again next time."
    )
