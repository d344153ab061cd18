"""The history of records: every version as received, each record's standing, and what changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple

import zstandard

from tracker.article import ArticleKey, Pmid
from tracker.evidence.questions import STARTER

_DECOMPRESSOR = zstandard.ZstdDecompressor()
_MAX_BODY = 64 * 2**20
DEFAULT_RECHECK_DAYS = 30
# Sources of which PubMed says nothing.
NOT_PUBMEDS = ("starter", "external")


class State(NamedTuple):
    """A record's standing; ``raw`` is the hash of the version shown, None before one was received.

    ``stored`` says whether there is a version: a starter citation only stands in for one.
    """

    raw: str | None
    format: str | None
    source: str
    missing_since: str | None
    gone: str | None

    @property
    def stored(self) -> bool:
        return self.raw is not None and self.format != "starter"


class RawVersion(NamedTuple):
    """One version of a record; ``body`` is compressed where it is stored."""

    pmid: ArticleKey
    sha256: str
    format: str
    body: bytes


def states(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> dict[ArticleKey, State]:
    """The standing of each of these records that we know of."""
    rows = db.execute(
        """
        select s.pmid, s.raw, r.format, s.source, s.missing_since, s.gone
        from record_state s
        left join raw_records r on r.pmid = s.pmid and r.sha256 = s.raw
        where s.pmid in (select value from json_each(:pmids))
        """,
        {"pmids": json.dumps(list(pmids))},
    )
    return {ArticleKey(pmid): State(*rest) for pmid, *rest in rows}


def stored(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> set[ArticleKey]:
    """Which of the records have a stored version."""
    return {pmid for pmid, state in states(db, pmids).items() if state.stored}


def keep(db: sqlite3.Connection, versions: Iterable[RawVersion], when: str) -> None:
    """Store each version that is not stored yet."""
    db.executemany(
        """
        insert into raw_records (pmid, sha256, format, fetched, body) values (?, ?, ?, ?, ?)
        on conflict (pmid, sha256) do nothing
        """,
        [(pmid, sha256, format, when, body) for pmid, sha256, format, body in versions],
    )


def body(db: sqlite3.Connection, pmid: ArticleKey, sha256: str) -> tuple[str, bytes]:
    """Format and bytes of a stored version. Raises KeyError if it is not stored."""
    row = db.execute(
        "select format, body from raw_records where pmid = :pmid and sha256 = :sha256",
        {"pmid": pmid, "sha256": sha256},
    ).fetchone()
    if row is None:
        raise KeyError(pmid)
    return row[0], unpack(row[1])


def has_version(db: sqlite3.Connection, pmid: ArticleKey, sha256: str) -> bool:
    rows = db.execute(
        "select 1 from raw_records where pmid = :pmid and sha256 = :sha256", {"pmid": pmid, "sha256": sha256}
    )
    return rows.fetchone() is not None


def versions(db: sqlite3.Connection, pmid: ArticleKey, shown: str | None) -> list[tuple[str, str, bytes]]:
    """(hash, format, bytes) of all versions of a record as received, with the one that is shown at the end."""
    rows = db.execute(
        """
        select sha256, format, body from raw_records where pmid = :pmid and format <> 'starter'
        order by sha256 is :shown, fetched, rowid
        """,
        {"pmid": pmid, "shown": shown},
    )
    return [(sha256, format, unpack(packed)) for sha256, format, packed in rows]


def unpack(body: bytes) -> bytes:
    return _DECOMPRESSOR.decompress(body, max_output_size=_MAX_BODY)


def received(
    db: sqlite3.Connection, shown: Iterable[tuple[ArticleKey, str]], when: str, recheck_days: int, source: str
) -> None:
    """Note that PubMed (or a file) has just delivered these records, and which version is shown now.

    PubMed has not been asked for a starter citation yet, and never is for a record of another database.
    """
    checked = None if source in NOT_PUBMEDS else when
    db.executemany(
        """
        insert into record_state (pmid, raw, first_seen, checked, next_check, source) values (?, ?, ?, ?, ?, ?)
        on conflict (pmid) do update set raw = excluded.raw, checked = excluded.checked,
          next_check = excluded.next_check, missing_since = null, gone = null, source = excluded.source
        """,
        [
            (pmid, raw, when, checked, checked and next_check(pmid, when, recheck_days), source)
            for pmid, raw in shown
        ],
    )


def answered(db: sqlite3.Connection, pmids: Iterable[ArticleKey], when: str, recheck_days: int) -> None:
    """Note that PubMed has just delivered these, though in a version older than the one shown.

    Their standing is still known only as of then, so ``checked`` stays unchanged.
    """
    db.executemany(
        "update record_state set next_check = :next_check, missing_since = null, gone = null where pmid = :pmid",
        [{"pmid": pmid, "next_check": next_check(pmid, when, recheck_days)} for pmid in pmids],
    )


def next_check(pmid: ArticleKey, checked: str, recheck_days: int) -> str:
    """When a record is due again: after half to all of the interval, spread by PMID."""
    moment = datetime.fromisoformat(checked) + timedelta(days=recheck_days * (0.5 + pmid % 97 / 194))
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_at_once(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Make these due, whatever their interval, until PubMed has answered."""
    db.execute(
        "update record_state set next_check = checked where pmid in (select value from json_each(:pmids))",
        {"pmids": json.dumps(list(pmids))},
    )


def missing(
    db: sqlite3.Connection, pmids: Collection[ArticleKey], when: str, recheck_days: int, source: str
) -> list[ArticleKey]:
    """Note that PubMed did not return these; those that were missing before are now gone, and are returned.

    Records that are gone are checked as rarely as any other; those missing for the first time stay due.
    """
    gone = [pmid for pmid, state in states(db, pmids).items() if state.missing_since and not state.gone]
    db.executemany(
        """
        insert into record_state (pmid, first_seen, missing_since, source) values (:pmid, :when, :when, :source)
        on conflict (pmid) do update set missing_since = coalesce(missing_since, :when),
          gone = case when missing_since is not null then coalesce(gone, :when) end,
          checked = case when missing_since is not null then :when else checked end,
          next_check = case when missing_since is not null then :next_check else next_check end
        """,
        [
            {"pmid": p, "when": when, "source": source, "next_check": next_check(p, when, recheck_days)}
            for p in pmids
        ],
    )
    return gone


def deleted(
    db: sqlite3.Connection, deletions: Iterable[tuple[ArticleKey, int]], when: str
) -> list[ArticleKey]:
    """Note that NLM has deleted these, each up to a version; returns those that were here and not yet gone."""
    went = []
    for pmid, version in deletions:
        cursor = db.execute(
            """
            update record_state set missing_since = coalesce(missing_since, :when), gone = :when
            where pmid = :pmid and gone is null
              and not exists (select 1 from articles a where a.pmid = :pmid and a.version > :version)
            """,
            {"when": when, "pmid": pmid, "version": version},
        )
        if cursor.rowcount:
            went.append(pmid)
    return went


def note_changes(
    db: sqlite3.Connection,
    changes: Iterable[tuple[ArticleKey, str, str | None, str | None]],
    when: str,
    run: int | None,
) -> None:
    """Add (pmid, field, before, after) to the list of changes."""
    db.executemany(
        "insert into changes (pmid, field, before, after, noticed, run) values (?, ?, ?, ?, ?, ?)",
        [(*change, when, run) for change in changes],
    )


def due(
    db: sqlite3.Connection, when: str, questions: Sequence[str], recheck_days: int | None, full: bool
) -> list[Pmid]:
    """The stored records of these questions that are due to be asked for again, the longest unchecked first.

    Records that belong to no question are not checked, and neither are those that PubMed lacks. ``recheck_days``
    replaces each record's own interval.
    """
    rows: Iterator[Any] = db.execute(
        """
        select pmid, checked, next_check, missing_since, gone from record_state s
        where raw is not null and source not in ('starter', 'external') and pmid in (
          select pmid from question_articles
          where question in (select value from json_each(:questions)) and reason <> :starter
        )
        order by checked, pmid
        """,
        {"questions": json.dumps(list(questions)), "starter": STARTER},
    )
    return [
        Pmid(ArticleKey(pmid))
        for pmid, checked, next_time, missing_since, gone in rows
        if full
        or (missing_since and not gone)
        or next_time <= checked
        or (next_check(pmid, checked, recheck_days) if recheck_days else next_time) <= when
    ]


def shown_versions(db: sqlite3.Connection) -> Iterator[RawVersion]:
    """The version that each of PubMed's records shows, uncompressed, of all that PubMed still has."""
    rows = db.execute(f"select s.pmid, r.sha256, r.format, r.body {_OF_PUBMED}")
    for pmid, sha256, format, packed in rows:
        yield RawVersion(Pmid(ArticleKey(pmid)), sha256, format, unpack(packed))


def count_shown(db: sqlite3.Connection) -> int:
    """How many ``shown_versions`` there are."""
    count: int = db.execute(f"select count(*) {_OF_PUBMED}").fetchone()[0]
    return count


_OF_PUBMED = """
from record_state s join raw_records r on r.pmid = s.pmid and r.sha256 = s.raw
where s.gone is null and s.source not in ('starter', 'external')
"""


class Versions(NamedTuple):
    """All versions of a record: (hash, format, bytes) as received, with the ``shown`` one last."""

    pmid: ArticleKey
    shown: str
    kept: list[tuple[str, str, bytes]]


def all_versions(db: sqlite3.Connection) -> Iterator[Versions]:
    """Every record that shows a version, with all its stored versions, by PMID."""
    rows = db.execute(
        """
        select s.pmid, s.raw, r.sha256, r.format, r.body from record_state s
        join raw_records r on r.pmid = s.pmid
        where s.raw is not null
        order by s.pmid, r.sha256 is s.raw, r.fetched, r.rowid
        """
    )
    for (pmid, shown), versions in groupby(rows, key=lambda row: (row[0], row[1])):
        yield Versions(
            ArticleKey(pmid),
            shown,
            [(sha256, format, unpack(packed)) for *_, sha256, format, packed in versions],
        )


def show(db: sqlite3.Connection, pmid: ArticleKey, sha256: str) -> None:
    """Note that the record shows another of its stored versions."""
    db.execute("update record_state set raw = :sha256 where pmid = :pmid", {"pmid": pmid, "sha256": sha256})
