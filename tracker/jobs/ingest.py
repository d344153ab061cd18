"""Raw bytes -> Article -> labels -> rows: the only way into the database, for refresh, load and rebuild."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

import zstandard

from tracker.article import Article, ArticleKey
from tracker.errors import RecordError
from tracker.evidence import articles, questions, records
from tracker.evidence.starter import forget_records
from tracker.external import record as external
from tracker.pubmed import nbib, starter, xml
from tracker.reading import read_labels
from tracker.reading.changes import Change, changes_between
from tracker.reading.notices import Flags, flags, standing

_COMPRESSOR = zstandard.ZstdCompressor(level=1)
PARSERS: dict[str, Callable[[bytes], Article]] = {
    "starter": starter.parse_record,
    "external": external.parse_record,
    "nbib": nbib.parse_record,
    "xml": xml.parse_record,
}
# From the poorest to the fullest.
FORMATS = ("starter", "external", "nbib", "xml")


class Edition(NamedTuple):
    """The properties of a version of a record that decide whether it is the one shown.

    ``version`` is that of the PMID, 0 if the format has none; ``dated`` is the last day on which NLM worked on it;
    ``notices`` says whether it is retracted or withdrawn, under concern, or corrected.
    """

    sha256: str
    format: str
    version: int
    dated: str
    notices: tuple[bool, bool, bool]


class Reading(NamedTuple):
    """One raw record as read: everything that the database needs, in plain types that processes can exchange."""

    pmid: ArticleKey
    sha256: str
    format: str
    body: bytes
    rows: articles.Rows


class Stored(NamedTuple):
    """The outcome of a batch: PMIDs that are new, that changed (with a notice or without), and that did not."""

    new: list[ArticleKey]
    changed: list[ArticleKey]
    noticed: list[ArticleKey]
    unchanged: list[ArticleKey]


def read(body: bytes, format: str = "xml") -> Reading:
    """Parse a record and label it. Raises RecordError if it cannot be read."""
    return reading_of(parse(body, format), body, format)


def parse(body: bytes, format: str) -> Article:
    """The record's Article. Raises RecordError if it cannot be read."""
    return PARSERS[format](body)


def reading_of(article: Article, body: bytes, format: str) -> Reading:
    return Reading(
        article.pmid,
        hashlib.sha256(body).hexdigest(),
        format,
        _COMPRESSOR.compress(body),
        articles.rows(article, standing(article).columns, read_labels(article)),
    )


# -- which version is shown ----------------------------------------------------------------------


def newest(editions: Sequence[Edition], today: date) -> Edition:
    """The version to show, out of all versions of a record in the order in which they came.

    A higher version of the PMID supersedes a lower one; next, a later NLM date supersedes an earlier one
    (https://www.nlm.nih.gov/pubs/techbull/jf12/jf12_pm_versioning.html). On the same day the more serious notice wins,
    as one warning too many does less harm; then what came last, as NLM also changes records without a new date. A
    poorer format is shown only if it is as new and has the more serious notice.

    MEDLINE text has no version: PubMed gives it for the latest only. A date in the future is ignored.
    """
    latest = max(edition.version for edition in editions) or 1
    tomorrow = (today + timedelta(days=1)).isoformat()

    def age(edition: Edition) -> tuple[int, str]:
        return edition.version or latest, edition.dated if edition.dated <= tomorrow else ""

    def of_format(format: str) -> Edition | None:
        candidates = [edition for edition in reversed(editions) if edition.format == format]
        return max(candidates, key=lambda edition: (age(edition), edition.notices), default=None)

    chosen, *poorer = [edition for edition in map(of_format, reversed(FORMATS)) if edition]
    for edition in poorer:
        if age(edition) >= age(chosen) and edition.notices > chosen.notices:
            chosen = edition
    return chosen


def newest_of(versions: records.Versions, today: date) -> tuple[Reading | None, list[str]]:
    """The version of a record to show, as read; and, for versions that can no longer be read, the reasons.

    None if no version can be read.
    """
    bodies = {sha256: (format, body) for sha256, format, body in versions.kept}
    editions, problems = [], []
    for sha256, version in bodies.items():
        try:
            editions.append(edition_of(sha256, *version))
        except RecordError as error:
            problems.append(str(error))
    if not editions:
        return None, problems
    format, body = bodies[newest(editions, today).sha256]
    return read(body, format), problems


def edition_of(sha256: str, format: str, body: bytes) -> Edition:
    """The edition of a stored version. Raises RecordError if it cannot be read."""
    article = parse(body, format)
    days = (article.revised, article.completed, article.created)
    flagged = flags(article)
    return Edition(
        sha256,
        format,
        article.version if format == "xml" else 0,
        max(day or "" for day in days),
        (flagged.retracted or flagged.withdrawn, flagged.expression_of_concern, flagged.corrected),
    )


# -- storing ---------------------------------------------------------------------------------------


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

    Each version is kept, and the newest is shown (see ``newest``), whatever its source and the order of arrival. A
    record that comes twice is stored twice, one after the other. A starter citation is removed without trace once its
    record comes, which counts as new.
    """
    stored = Stored([], [], [], [])
    for came in _rounds(readings):
        for pmids, more in zip(stored, _store_round(db, came, run, when, recheck_days, source), strict=True):
            pmids += more
    return stored


def _rounds(readings: Iterable[Reading]) -> Iterator[dict[ArticleKey, Reading]]:
    """The readings in rounds, in order, each record once per round: a second reading of a record is in the second."""
    rounds: list[dict[ArticleKey, Reading]] = []
    seen: dict[ArticleKey, int] = {}
    for reading in readings:
        place = seen[reading.pmid] = seen.get(reading.pmid, -1) + 1
        if place == len(rounds):
            rounds.append({})
        rounds[place][reading.pmid] = reading
    yield from rounds


def _store_round(
    db: sqlite3.Connection,
    came: dict[ArticleKey, Reading],
    run: int,
    when: str,
    recheck_days: int,
    source: str,
) -> Stored:
    states = records.states(db, came.keys())
    shown = {
        pmid: newer
        for pmid, reading in came.items()
        if (newer := _to_show(db, reading, states.get(pmid), when))
    }
    fresh = {pmid: reading for pmid, reading in shown.items() if _differs(reading, states.get(pmid))}
    known = {pmid for pmid, state in states.items() if state.raw}
    stored = {pmid for pmid in known if states[pmid].stored}
    changes = {
        pmid: note_changes(db, fresh[pmid], raw, run, when)
        for pmid in sorted(fresh.keys() & stored)
        if (raw := states[pmid].raw)
    }
    changed = [pmid for pmid, logged in changes.items() if logged]
    forget_records(db, [pmid for pmid in fresh.keys() & known if not states[pmid].stored])
    versions = (records.RawVersion(r.pmid, r.sha256, r.format, r.body) for r in came.values())
    records.keep(db, versions, when)
    with questions.relabelling(db, fresh.keys()):
        articles.write(db, [reading.rows for reading in fresh.values()])
    present = came.keys() if source == "pubmed" else shown.keys()
    returned = [pmid for pmid in present if pmid in states and states[pmid].gone]
    records.note_changes(db, ((pmid, "record", "gone", "present") for pmid in returned), when, run)
    if source == "pubmed":
        records.answered(db, came.keys() - shown.keys(), when, recheck_days)
    brought = [
        (pmid, reading.sha256)
        for pmid, reading in shown.items()
        if pmid in fresh or source == "pubmed" or not _is_pubmeds(states[pmid])
    ]
    records.received(db, brought, when, recheck_days, source)
    return Stored(
        new=[pmid for pmid in came if pmid not in stored],
        changed=changed,
        noticed=[pmid for pmid in changed if any(change.field in Flags._fields for change in changes[pmid])],
        unchanged=[pmid for pmid in came if pmid in stored and pmid not in changed],
    )


def _to_show(
    db: sqlite3.Connection, reading: Reading, state: records.State | None, when: str
) -> Reading | None:
    """What to show now that this reading has come; None if the shown version stays."""
    if state is None or state.raw is None or not state.stored or not _differs(reading, state):
        return reading
    stored_versions = records.versions(db, reading.pmid, state.raw)
    came = (reading.sha256, reading.format, records.unpack(reading.body))
    others = [version for version in stored_versions if version[0] != reading.sha256]
    # A rebuild reports what can no longer be read.
    chosen, _ = newest_of(
        records.Versions(reading.pmid, state.raw, [*others, came]), date.fromisoformat(when[:10])
    )
    return chosen if chosen and _differs(chosen, state) else None


def _is_pubmeds(state: records.State) -> bool:
    """Whether PubMed's own answer is shown: a file that says the same is no newer information on its status."""
    return state.source == "pubmed" and not state.gone


def _differs(reading: Reading, state: records.State | None) -> bool:
    return state is None or state.raw != reading.sha256


def note_changes(db: sqlite3.Connection, reading: Reading, before: str, run: int, when: str) -> list[Change]:
    """Log how the reading differs from the version of that hash, field by field; returns what was logged."""
    old = stored_article(db, reading.pmid, before)
    changes = list(changes_between(old, parse(records.unpack(reading.body), reading.format)))
    records.note_changes(db, ((reading.pmid, *change) for change in changes), when, run)
    return changes


def stored_article(db: sqlite3.Connection, pmid: ArticleKey, sha256: str) -> Article:
    """The Article of a stored version. Raises KeyError if it is not stored."""
    format, body = records.body(db, pmid, sha256)
    return parse(body, format)
