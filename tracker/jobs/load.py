"""Records from disk: parsed on one core while another writes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from tracker import __version__, query
from tracker.article import Article, ArticleKey, Pmid
from tracker.clock import now
from tracker.errors import RecordError, UnusableInput
from tracker.evidence import articles, connect, known_items, records, runs, schema, wrongclock
from tracker.evidence import questions as store
from tracker.jobs import adopted, ingest
from tracker.jobs.console import Console
from tracker.jobs.lock import writing_job
from tracker.jobs.workers import BATCH, Parsed, Workers, packed
from tracker.pubmed import nbib
from tracker.pubmed.records import RawRecord, open_file, split, utf8
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.questions import Question

LOADED = "loaded from a file"
MOST_REASONS = 20
_MEDLINE = re.compile(r"^PMID[ \t]*-[ \t]*[0-9]", re.M | re.I)


class Batch(NamedTuple):
    """Some of a file's records as they came, and what is deleted after them: by PMID, up to which version."""

    bodies: list[bytes]
    format: str
    strategies: dict[str, str]
    deleted: Mapping[Pmid, int] = {}


@dataclass(slots=True)
class Tally:
    """What a load has done so far."""

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

    With ``match``, store only records that match the adopted search of one of these questions, which is the file's own
    where it is the first; matching is done locally.
    Each file is one transaction: a file that cannot be used to its end leaves nothing behind. Single records that
    cannot be read are set aside and counted.

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
            if older := articles.read_by_older_rules(db):
                console.say(articles.say_older_rules(older))
            run = runs.start(db, "load", __version__, {"files": [path.name for path in paths]})
            tally = Tally()
            try:
                searches = _prepare(db, match)
                for search in searches:
                    if search.remark:
                        console.say(search.remark)
                with Workers() as workers:
                    for path in paths:
                        with connect.transaction(db):
                            _load_file(db, run, path, searches, tally, workers)
                        console.say(f"{path}: loaded; {tally.records:,} records so far")
            except BaseException as error:
                _close(db, run, runs.FAILED, str(error) or type(error).__name__, tally)
                raise
            with connect.transaction(db):
                for search in searches:
                    store.matched(db, search.slug, search.strategy.hash)
                known_items.fill_due(db)
            _close(db, run, runs.INCOMPLETE if tally.refused else runs.COMPLETE, tally.reason, tally)
            connect.tidy(db, console.say)
            return {"run": run, "reason": tally.reason, **tally.report()}
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()


def _prepare(db: sqlite3.Connection, match: Sequence[Question]) -> list[adopted.Search]:
    """Store what the files say, and return the searches to match: the adopted ones."""
    with connect.transaction(db):
        store.describe(db, match)
        searches = [adopted.search(db, question) for question in match]
        for question, search in zip(match, searches, strict=True):
            adopted.keep(db, question, search, now())
    return searches


def _close(db: sqlite3.Connection, run: int, outcome: str, reason: str | None, tally: Tally) -> None:
    with connect.transaction(db):
        runs.finish(db, run, outcome, reason, tally.report())


# -- one file ----------------------------------------------------------------------------------


def _load_file(
    db: sqlite3.Connection,
    run: int,
    path: Path,
    searches: Sequence[adopted.Search],
    tally: Tally,
    workers: Workers,
) -> None:
    format = _format_of(path)
    strategies = {search.slug: search.strategy.text for search in searches}
    when = now()
    passed: set[ArticleKey] = set()
    with open_file(path) as stream:
        for batch, parsed in workers.parsed(_parse, _batches_of(stream, path, format, strategies)):
            _store(db, run, path, batch, parsed, when, tally, searches)
            _delete(db, run, batch.deleted, when, tally)
            passed.update(parsed.unmatched)
            passed -= batch.deleted.keys()
    if overlooked := records.stored(db, passed):
        with open_file(path) as stream:
            _look_again(db, run, _raw_records(stream, path, format), format, overlooked, when, tally)


def _batches_of(stream: BinaryIO, path: Path, format: str, strategies: dict[str, str]) -> Iterator[Batch]:
    """The file in batches; a deletion ends a batch, so that a record after it is stored again."""
    bodies: list[bytes] = []
    for raw in _raw_records(stream, path, format):
        if raw.body:
            bodies.append(raw.body)
        if raw.deleted or len(bodies) == BATCH:
            yield Batch(bodies, format, strategies, dict(zip(raw.deleted, raw.versions, strict=True)))
            bodies = []
    if bodies:
        yield Batch(bodies, format, strategies)


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
    batch: Batch,
    parsed: Parsed,
    when: str,
    tally: Tally,
    searches: Sequence[adopted.Search],
) -> None:
    stored = ingest.store(db, (reading for reading, _ in parsed.readings), run=run, when=when, source="file")
    matching = _matching_as_shown(db, batch, parsed)
    for search in searches:
        mine = {pmid: LOADED for pmid, slugs in matching.items() if search.slug in slugs}
        with store.relabelling(db, mine.keys()):
            store.enter(db, search.slug, search.strategy.hash, mine, when)
        tally.matched[search.slug] = tally.matched.get(search.slug, 0) + len(mine)
    _count(tally, stored)
    tally.unmatched += len(parsed.unmatched)
    tally.refused += [(path.name, *refusal) for refusal in parsed.refused]
    tally.stray += [(path.name, *line) for line in parsed.stray]


def _look_again(
    db: sqlite3.Connection,
    run: int,
    raw_records: Iterable[RawRecord],
    format: str,
    overlooked: Collection[ArticleKey],
    when: str,
    tally: Tally,
) -> None:
    """Also store records that match no question if they are stored already: a retraction may have removed the words."""
    for raw in raw_records:
        if raw.pmid not in overlooked:
            continue
        with suppress(RecordError):
            reading = ingest.read(raw.body, format)
            if not records.has_version(db, reading.pmid, reading.sha256):
                _count(tally, ingest.store(db, [reading], run=run, when=when, source="file"))
                tally.unmatched -= 1


def _count(tally: Tally, stored: ingest.Stored) -> None:
    tally.records += len(stored.new) + len(stored.changed) + len(stored.unchanged)
    tally.new += len(stored.new)
    tally.changed += len(stored.changed)
    tally.notices += len(stored.noticed)
    tally.unchanged += len(stored.unchanged)


def _matching_as_shown(
    db: sqlite3.Connection, batch: Batch, parsed: Parsed
) -> dict[ArticleKey, tuple[str, ...]]:
    """For each record that matched any question: the questions that its shown version matches."""
    matching = {(reading.pmid, reading.sha256): slugs for reading, slugs in parsed.readings}
    if not batch.strategies:
        return {}
    shown = {pmid: state.raw for pmid, state in records.states(db, {pmid for pmid, _ in matching}).items()}
    return {
        pmid: matching[pmid, raw]
        if (pmid, raw) in matching
        else _matching(ingest.stored_article(db, pmid, raw), batch.strategies)
        for pmid, raw in shown.items()
        if raw
    }


def _delete(db: sqlite3.Connection, run: int, deleted: Mapping[Pmid, int], when: str, tally: Tally) -> None:
    if not deleted:
        return
    with store.relabelling(db, deleted.keys()):
        went = records.deleted(db, deleted.items(), when)
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
        "In PubMed, choose 'Send to: Citation manager', or save in PubMed format."
    )


# -- work for the other core ---------------------------------------------------------------------


def _parse(batch: Batch) -> bytes:
    """Runs in a worker: parse, match, turn into rows; marshal is fastest between processes of the same Python."""
    parsed = Parsed([], [], [], [])
    for body in batch.bodies:
        try:
            article = ingest.parse(body, batch.format)
        except RecordError as error:
            parsed.refused.append((RawRecord(body).pmid, str(error)))
            continue
        if batch.format == "nbib":
            parsed.stray.extend((article.pmid, line) for line in nbib.stray_lines(body))
        slugs = _matching(article, batch.strategies)
        if batch.strategies and not slugs:
            parsed.unmatched.append(article.pmid)
        else:
            parsed.readings.append((ingest.reading_of(article, body, batch.format), slugs))
    return packed(parsed)


def _matching(article: Article, strategies: dict[str, str]) -> tuple[str, ...]:
    if not strategies:
        return ()
    index = query.Index(article)
    return tuple(slug for slug, text in strategies.items() if query.matches(_compiled(text), index))


_compiled = cache(query.parse)
