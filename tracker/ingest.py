"""Raw bytes -> Article -> labels -> rows: the one road into the database, for refresh, load and rebuild."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import zstandard

from tracker.article import Article, Pmid
from tracker.pubmed import nbib, starter, xml
from tracker.reading import read_labels
from tracker.reading.changes import changes_between
from tracker.reading.notices import Flags, flags
from tracker.store import articles, questions, records
from tracker.store.starter import forget_records

_COMPRESSOR = zstandard.ZstdCompressor(level=1)
PARSERS: dict[str, Callable[[bytes], Article]] = {
    "starter": starter.parse_record,
    "nbib": nbib.parse_record,
    "xml": xml.parse_record,
}
# A fuller format is never replaced by a poorer one.
FORMATS = ("starter", "nbib", "xml")


class Reading(NamedTuple):
    """What one raw record comes to; everything that the database needs, and plain to send between processes."""

    pmid: Pmid
    sha256: str
    format: str
    body: bytes
    version: int
    revised: str
    rows: articles.Rows


class Stored(NamedTuple):
    """What became of a batch: PMIDs that are new, that changed (with a notice or without), that did not."""

    new: list[Pmid]
    changed: list[Pmid]
    noticed: list[Pmid]
    unchanged: list[Pmid]


def read(body: bytes, format: str = "xml") -> Reading:
    """Parse a record and label it. Raises RecordError where it cannot be read."""
    return reading_of(parse(body, format), body, format)


def parse(body: bytes, format: str) -> Article:
    """The record's Article. Raises RecordError where it cannot be read."""
    return PARSERS[format](body)


def reading_of(article: Article, body: bytes, format: str) -> Reading:
    return Reading(
        article.pmid,
        hashlib.sha256(body).hexdigest(),
        format,
        _COMPRESSOR.compress(body),
        article.version,
        article.revised or "",
        rows_of(article),
    )


def rows_of(article: Article) -> articles.Rows:
    """The record's rows in the derived tables, labels with them."""
    return articles.rows(article, flags(article), read_labels(article))


def store(
    db: sqlite3.Connection,
    readings: Iterable[Reading],
    *,
    run: int,
    when: str,
    recheck_days: int = records.DEFAULT_RECHECK_DAYS,
    source: str = "pubmed",
) -> Stored:
    """Write a batch inside the caller's transaction.

    Each version is kept. What PubMed sends (``source`` "pubmed") is the record's newest; a file's version
    is shown only where it is no older, and no poorer in format, than the one that is shown. A starter citation
    leaves no trace once its record comes, which counts as new.
    """
    latest = {reading.pmid: reading for reading in readings}
    states = records.states(db, latest.keys())
    shown = {
        pmid: reading
        for pmid, reading in latest.items()
        if _supersedes(reading, states.get(pmid), source == "pubmed")
    }
    fresh = {pmid: reading for pmid, reading in shown.items() if _differs(reading, states.get(pmid))}
    known = {pmid for pmid, state in states.items() if state.raw}
    stored = {pmid for pmid in known if states[pmid].stored}
    changed, noticed = _note_changes(db, [fresh[pmid] for pmid in fresh.keys() & known], states, run, when)
    forget_records(db, [pmid for pmid in fresh.keys() & known if not states[pmid].stored])
    versions = (records.RawVersion(r.pmid, r.sha256, r.format, r.body) for r in latest.values())
    records.keep(db, versions, when)
    with questions.relabelling(db, fresh.keys()):
        articles.write(db, [reading.rows for reading in fresh.values()])
    returned = [pmid for pmid, state in states.items() if state.gone and pmid in shown]
    records.note_changes(db, ((pmid, "record", "gone", "present") for pmid in returned), when, run)
    records.received(
        db, ((pmid, reading.sha256) for pmid, reading in shown.items()), when, recheck_days, source
    )
    return Stored(
        new=[pmid for pmid in latest if pmid not in stored],
        changed=sorted(changed),
        noticed=sorted(noticed),
        unchanged=[pmid for pmid in latest if pmid in stored and pmid not in changed],
    )


def _supersedes(reading: Reading, state: records.State | None, from_pubmed: bool) -> bool:
    if from_pubmed or state is None or state.format is None:
        return True
    rank = FORMATS.index(reading.format) - FORMATS.index(state.format)
    return rank > 0 or (rank == 0 and (reading.version, reading.revised) >= (state.version, state.revised))


def _differs(reading: Reading, state: records.State | None) -> bool:
    return state is None or state.raw != reading.sha256


def _note_changes(
    db: sqlite3.Connection,
    readings: Sequence[Reading],
    states: dict[Pmid, records.State],
    run: int,
    when: str,
) -> tuple[set[Pmid], set[Pmid]]:
    changed, noticed = set(), set()
    for reading in readings:
        state = states[reading.pmid]
        if not state.stored:
            continue
        found = list(changes_between(_stored_article(db, reading.pmid, state), _article(reading)))
        if found:
            changed.add(reading.pmid)
        if any(change.field in Flags._fields for change in found):
            noticed.add(reading.pmid)
        records.note_changes(db, ((reading.pmid, *change) for change in found), when, run)
    return changed, noticed


def _article(reading: Reading) -> Article:
    return parse(records.unpack(reading.body), reading.format)


def _stored_article(db: sqlite3.Connection, pmid: Pmid, state: records.State) -> Article:
    assert state.raw is not None
    format, body = records.body(db, pmid, state.raw)
    return parse(body, format)
