"""Starter citations in evidence.db: what marks them, and how they are removed.

A record is one while ``record_state.source`` is 'starter'; a question holds one as such while
``question_articles.reason`` is STARTER, even where the record itself has been replaced for another question.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from tracker.article import ArticleKey
from tracker.evidence import articles
from tracker.evidence.questions import STARTER, relabelling


def is_untouched(db: sqlite3.Connection) -> bool:
    """Whether no record has ever been asked for or loaded, and no question has ever been complete."""
    row = db.execute(
        """
        select not exists (select 1 from record_state)
          and not exists (select 1 from questions where complete_to is not null)
        """
    ).fetchone()
    return bool(row[0])


def leave_question(db: sqlite3.Connection, slug: str) -> None:
    """Take the starter citations out of a question, and out of the database where no other question has them."""
    given = {"question": slug, "starter": STARTER}
    rows = db.execute(
        "select pmid from question_articles where question = :question and reason = :starter", given
    )
    pmids = {ArticleKey(pmid) for (pmid,) in rows}
    if not pmids:
        return
    with relabelling(db, pmids):
        db.execute("delete from question_articles where question = :question and reason = :starter", given)
    _remove(db, pmids)


def _remove(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Remove those of these records that are starter citations and no longer held by any question."""
    rows = db.execute(
        """
        select pmid from record_state
        where source = 'starter' and pmid in (select value from json_each(:pmids))
          and pmid not in (select pmid from question_articles)
        """,
        {"pmids": json.dumps(list(pmids))},
    )
    orphans = {ArticleKey(pmid) for (pmid,) in rows}
    articles.forget(db, orphans)
    forget_records(db, orphans)


def forget_records(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Forget what these starter citations said, except for records that PubMed did not deliver."""
    given = {"pmids": json.dumps(list(pmids))}
    db.execute(
        "delete from raw_records where format = 'starter' and pmid in (select value from json_each(:pmids))",
        given,
    )
    db.execute(
        """
        delete from record_state
        where source = 'starter' and missing_since is null and pmid in (select value from json_each(:pmids))
        """,
        given,
    )
    db.execute(
        """
        update record_state set raw = null, source = 'pubmed'
        where source = 'starter' and pmid in (select value from json_each(:pmids))
        """,
        given,
    )
