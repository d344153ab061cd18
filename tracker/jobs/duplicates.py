"""What people decide about duplicates: two records are one paper, or they are not; each can be taken back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tracker import __version__
from tracker.article import ArticleKey, is_pmid, named, spelt
from tracker.clock import now
from tracker.errors import Refused, UsageError
from tracker.evidence import articles, connect, external, known_items, runs, schema
from tracker.evidence import questions as store
from tracker.external import record
from tracker.jobs import ingest
from tracker.jobs.lock import writing_job
from tracker.settings import Settings
from tracker.team import merging, people
from tracker.team.acts import acting, open_annotations


def merge(settings: Settings, key: ArticleKey, into: ArticleKey, person: str) -> int:
    """Say that an external record is the article ``into``, and show it as that; returns how many statements of people
    moved there. Its address leads there from now on.

    Raises UsageError if one of them is not stored or if they are the same, Refused if the person may not write,
    LockHeld.
    """
    _check_external(key)
    with _both(settings) as (evidence, annotations):
        if key == into or external.shown_as(evidence, key) != key:
            raise UsageError(f"{named(key)} is not shown as an article of its own. Nothing was written.")
        if not articles.present(evidence, [into]):
            raise UsageError(f"{named(into)} is not stored. Nothing was written.")
        run = runs.start(evidence, "duplicates", __version__, {"merge": spelt(key), "into": spelt(into)})
        writer = people.writer(annotations, person)
        with acting(annotations, writer.id, _origin(key, into)) as act, connect.transaction(evidence):
            moved = merging.merge(act, key, into)
            _show_as(evidence, key, into)
            external.note_verdict(
                evidence, -key, into, "duplicate", "said by a person", act.when, by_person=True
            )
            known_items.fill_due(evidence)
            runs.finish(evidence, run, runs.COMPLETE, None, {"moved": moved})
    return moved


def split(settings: Settings, key: ArticleKey, person: str) -> ArticleKey:
    """Say that an external record is no duplicate after all: it is an article of its own again, and has back what
    people had written about it. Returns the article that it was shown as. Raises as ``merge``."""
    _check_external(key)
    with _both(settings) as (evidence, annotations):
        before = external.shown_as(evidence, key)
        if before is None or before == key:
            raise UsageError(f"{named(key)} is not a duplicate of anything. Nothing was written.")
        run = runs.start(evidence, "duplicates", __version__, {"split": spelt(key), "from": spelt(before)})
        writer = people.writer(annotations, person)
        with acting(annotations, writer.id, f"tracker duplicates split {spelt(key)}") as act:
            merging.take_back(act, _origin(key, before))
            with connect.transaction(evidence):
                _show_alone(evidence, run, key, before)
                external.note_verdict(
                    evidence, -key, before, external.DIFFERENT, "said by a person", act.when, by_person=True
                )
                known_items.fill_due(evidence)
                runs.finish(evidence, run, runs.COMPLETE, None, {})
    return before


def differ(settings: Settings, key: ArticleKey, other: ArticleKey, person: str) -> None:
    """Say that an external record, shown as an article of its own, is not the article ``other``. Raises as above."""
    _check_external(key)
    with _both(settings) as (evidence, annotations):
        if external.shown_as(evidence, key) != key:
            raise UsageError(f"{named(key)} is not shown as an article of its own. Nothing was written.")
        people.writer(annotations, person)
        with connect.transaction(evidence):
            external.note_verdict(
                evidence, -key, other, external.DIFFERENT, "said by a person", now(), by_person=True
            )


@contextmanager
def _both(settings: Settings) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Both databases for writing, under the lock of jobs."""
    with (
        writing_job(settings.db_dir),
        closing(connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")) as evidence,
        closing(open_annotations(settings.annotations_db)) as annotations,
    ):
        try:
            yield evidence, annotations
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None


def _check_external(key: ArticleKey) -> None:
    if is_pmid(key):
        raise Refused(f"{named(key)} is PubMed's. Name a record of another database first, such as x12.")


def _origin(key: ArticleKey, into: ArticleKey) -> str:
    return f"tracker duplicates merge {spelt(key)} {spelt(into)}"


def _show_as(db: sqlite3.Connection, key: ArticleKey, into: ArticleKey) -> None:
    held = _held(db, key)
    with store.relabelling(db, [key, into]):
        db.execute("delete from question_articles where pmid = :pmid", {"pmid": key})
        for slug in held:
            if into not in store.holding(db, slug, [into]):
                external.enter(db, slug, [into], now())
    articles.forget(db, {key})
    db.execute("delete from record_state where pmid = :pmid", {"pmid": key})
    db.execute("update external_records set pmid = :into where pmid = :pmid", {"into": into, "pmid": key})


def _show_alone(db: sqlite3.Connection, run: int, key: ArticleKey, before: ArticleKey) -> None:
    given = {"id": -key, "pmid": key, "before": before}
    # Those that were taken for this record before it was taken for another.
    db.execute(
        """
        update external_records set pmid = :pmid
        where id = :id or (pmid = :before and id in (
          select record from duplicates d where d.pmid = :pmid and d.verdict = 'duplicate'
            and d.id = (select max(id) from duplicates l where l.record = d.record)))
        """,
        given,
    )
    source, accession, raw = db.execute(
        "select source, accession, record from external_records where id = :id", given
    ).fetchone()
    fields: dict[str, Any] = json.loads(raw)
    body = record.make_record(record.Known(-key, source, accession or ""), fields["form"], fields["fields"])
    when = now()
    ingest.store(db, [ingest.read(body, "external")], run=run, when=when, source="external")
    slugs = [
        slug
        for (slug,) in db.execute("select distinct question from external_records where pmid = :pmid", given)
    ]
    with store.relabelling(db, [key, before]):
        for slug in slugs:
            external.enter(db, slug, [key], when)
            if external.is_alone(db, slug, before):
                store.leave(db, slug, [before], when)


def _held(db: sqlite3.Connection, key: ArticleKey) -> list[str]:
    rows = db.execute("select question from question_articles where pmid = :pmid and matching", {"pmid": key})
    return [slug for (slug,) in rows]
