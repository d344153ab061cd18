"""What the reader pages show, as plain dictionaries. Every query is by key: none grows with the database."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

from tracker.article import Pmid
from tracker.store.questions import STARTER
from tracker.store.show import show

NEWEST, PAGE, RUNS = 3, 25, 20

_LISTED = """
  a.pmid, a.title_html, a.authors_text, coalesce(a.iso_abbreviation, a.journal) as journal, a.published,
  a.retracted, a.expression_of_concern, a.corrected, q.entered, q.reason,
  (select value from labels l where l.pmid = a.pmid and l.label_group = 'design' limit 1) as design
"""
_QUESTION = """
select slug, title, question, claim, pico, complete_to, incomplete_since, incomplete_reason, strategy
from questions
"""


def home(db: sqlite3.Connection) -> dict[str, Any]:
    """Every question with its counts and newest papers, and what was lately withdrawn."""
    questions = _rows(db, f"{_QUESTION} order by position, slug")
    for question in questions:
        question |= _counts(db, question["slug"])
        question["newest"] = page_of(db, question["slug"], size=NEWEST)["articles"]
    return {"questions": questions, "withdrawn": withdrawn(db), "starter": has_starter(db)}


def question(db: sqlite3.Connection, slug: str, after: tuple[str, int] | None) -> dict[str, Any] | None:
    """One question with a page of its articles, newest publication first, after ``(published, pmid)``.

    None where there is no such question.
    """
    found = _rows(db, f"{_QUESTION} where slug = ?", slug)
    if not found:
        return None
    about = found[0] | _counts(db, slug)
    about["pico"] = json.loads(about["pico"] or "{}")
    designs = _rows(
        db,
        """
        select value as design, sum(n) as n from question_counts
        where question = ? and label_group = 'design' group by value order by n desc, value
        """,
        slug,
    )
    return {
        "question": about,
        "designs": designs,
        "first_page": after is None,
        "starter": about["starter"] > 0,
        **page_of(db, slug, after),
    }


def page_of(
    db: sqlite3.Connection, slug: str, after: tuple[str, int] | None = None, size: int = PAGE
) -> dict[str, Any]:
    """``articles`` of a question, and ``next``: the key that the following page starts after, or None."""
    published, pmid = after or ("~", 0)
    articles = _rows(
        db,
        f"""
        select {_LISTED} from question_articles q join articles a using (pmid)
        where q.question = ? and q.matching and (q.published, q.pmid) < (?, ?)
        order by q.published desc, q.pmid desc limit ?
        """,
        slug,
        published,
        pmid,
        size + 1,
    )
    more, articles = len(articles) > size, articles[:size]
    last = articles[-1] if more else None
    return {"articles": articles, "next": f"{last['published'] or ''},{last['pmid']}" if last else None}


def article(db: sqlite3.Connection, pmid: Pmid) -> dict[str, Any] | None:
    """All that is stored about a record (see ``show``), with each author's affiliations beside the name."""
    record = show(db, pmid)
    if record is None:
        return None
    for position, author in enumerate(record["authors"], 1):
        author["affiliations"] = [
            entry["affiliation"] for entry in record["affiliations"] if entry["author"] == position
        ]
    record["question_titles"] = dict(db.execute("select slug, title from questions").fetchall())
    record["starter"] = (record["state"] or {}).get("source") == "starter"
    return record


def methods(db: sqlite3.Connection) -> dict[str, Any]:
    """Each question's latest search as it was run, with its seed papers; and the latest runs."""
    questions = _rows(db, f"{_QUESTION} order by position, slug")
    for question in questions:
        question |= _counts(db, question["slug"])
        question["searches"] = _rows(
            db,
            """
            select query, translation, errors, warnings, count, entered, left_count, kept, reconciled, reason,
              started, seconds, run
            from searches where question = ? and purpose = 'strategy' order by id desc limit 1
            """,
            question["slug"],
        )
        for search in question["searches"]:
            search["remarks"] = json.loads(search["errors"]) + json.loads(search["warnings"])
        question["seeds"] = _rows(
            db,
            "select pmid, title, found, record_title from seeds where question = ? order by pmid",
            question["slug"],
        )
    runs = _rows(
        db, "select id, command, started, finished, outcome, reason from runs order by id desc limit ?", RUNS
    )
    return {"questions": questions, "runs": runs, "starter": has_starter(db)}


def withdrawn(db: sqlite3.Connection, most: int = 5) -> list[dict[str, Any]]:
    """The articles of some question that are retracted or under concern, the lately noticed first."""
    return _rows(
        db,
        """
        select a.pmid, a.title_html, a.retracted, a.expression_of_concern,
          (select max(noticed) from changes c where c.pmid = a.pmid
           and c.field in ('retracted', 'expression_of_concern')) as noticed
        from articles a
        where (a.retracted or a.expression_of_concern)
          and exists (select 1 from question_articles q where q.pmid = a.pmid and q.matching)
        order by noticed desc, a.pmid desc limit ?
        """,
        most,
    )


def has_starter(db: sqlite3.Connection) -> bool:
    """Whether starter citations are still shown for some question."""
    found = db.execute("select exists (select 1 from record_state where source = 'starter')").fetchone()
    return bool(found[0])


def _counts(db: sqlite3.Connection, slug: str) -> dict[str, Any]:
    month_ago = (datetime.now(UTC) - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    matching, starter = db.execute(
        "select count(*), sum(reason = ?) from question_articles where question = ? and matching",
        (STARTER, slug),
    ).fetchone()
    (entered,) = db.execute(
        """
        select count(*) from question_articles
        where question = ? and matching and entered >= ? and reason in ('newly published', 'newly indexed')
        """,
        (slug, month_ago),
    ).fetchone()
    return {"matching": matching, "starter": starter or 0, "new": entered}


def _rows(db: sqlite3.Connection, query: str, *values: Any) -> list[dict[str, Any]]:
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]
