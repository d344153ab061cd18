"""What each question makes of its articles: how directly they bear on it, and what they say of its outcome.

Made of what is stored, by the rules that the question's file had when the database last heard of it; made again with
every change of a record, of its questions, or of these rules.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from typing import Any

from tracker.article import AbstractSection, Article, ArticleKey, MeshHeading, Pmid, Text
from tracker.evidence.rows import each_row, read_rows
from tracker.reading.brief import Brief, brief_of
from tracker.reading.directness import directness
from tracker.reading.engine import Record
from tracker.reading.findings import Count, Finding, findings
from tracker.reading.labels import Label

NOTICE = frozenset({"notice"})
_GIVEN = "pmid in (select value from json_each(:pmids))"


def fill(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Make these articles' answers anew in every question that has them; inside the caller's transaction."""
    given = {"pmids": json.dumps(list(pmids))}
    for table in ("directness", "findings"):
        db.execute(f"delete from {table} where {_GIVEN}", given)
    briefs = _briefs(db)
    if not briefs:
        return
    rows = read_rows(db, f"select question, pmid from question_articles where {_GIVEN}", given)
    asked: dict[int, list[str]] = {}
    for row in rows:
        if row["question"] in briefs:
            asked.setdefault(row["pmid"], []).append(row["question"])
    answers: list[tuple[Any, ...]] = []
    sentences: list[tuple[Any, ...]] = []
    for pmid, record in records(db, list(asked)):
        for slug in asked[pmid]:
            found = findings(record, briefs[slug])
            answer = directness(record, found, briefs[slug])
            # What a notice reprints is the paper's that it is about.
            state = "" if record.has("design", NOTICE) else found.state
            answers.append((slug, pmid, *answer, state))
            sentences += [
                (slug, pmid, position, *_row(finding, found.reached))
                for position, finding in enumerate(found.sentences, 1)
            ]
    db.executemany("insert into directness values (?, ?, ?, ?, ?, ?, ?)", answers)
    db.executemany(f"insert into findings values ({', '.join('?' * 18)})", sentences)


def fill_all(db: sqlite3.Connection, batch: int = 2_000) -> None:
    """Make all answers anew, and drop those of articles that stand in no question any more."""
    for table in ("directness", "findings"):
        db.execute(f"delete from {table}")
    after = -(2**63)
    query = "select distinct pmid from question_articles where pmid > :after order by pmid limit :batch"
    while rows := db.execute(query, {"after": after, "batch": batch}).fetchall():
        fill(db, [ArticleKey(pmid) for (pmid,) in rows])
        after = rows[-1][0]


def brief_of_question(db: sqlite3.Connection, slug: str) -> Brief | None:
    """How records are read for a question; None where its file does not say, or where there is no such question."""
    return _briefs(db).get(slug)


def _briefs(db: sqlite3.Connection) -> dict[str, Brief]:
    rows = db.execute("select slug, reading from questions where reading is not null")
    return {slug: brief_of(text) for slug, text in rows}


def _row(finding: Finding, reached: Count | None) -> tuple[Any, ...]:
    place = (finding.side, finding.part, finding.start, finding.end, finding.section, finding.cue)
    looked_for = finding.looked_for or (None, None)
    return (*place, *_counted(finding.about), finding.is_null, *looked_for, *_counted(reached))


def _counted(count: Count | None) -> tuple[int | None, int | None, int | None]:
    return (count.number, count.start, count.end) if count else (None, None, None)


def records(db: sqlite3.Connection, pmids: Collection[int]) -> Iterator[tuple[int, Record]]:
    """Each stored article as far as answers are read from it: title, abstract, headings, and its labels."""
    given = {"pmids": json.dumps(list(pmids))}
    sections = _by_article(
        db, f"select * from abstract_sections where {_GIVEN} order by pmid, position", given
    )
    headings = _by_article(
        db,
        f"select distinct pmid, descriptor, descriptor_ui, descriptor_major from mesh_headings where {_GIVEN}",
        given,
    )
    labels = _by_article(db, f"select * from labels where {_GIVEN} order by pmid, label_group, value", given)
    for row in each_row(db, f"select pmid, title, title_html from articles where {_GIVEN}", given):
        pmid = row["pmid"]
        article = Article(
            pmid=Pmid(ArticleKey(pmid)),
            title=Text(row["title"], row["title_html"]),
            abstract=tuple(
                AbstractSection(each["label"], each["category"], Text(each["text"], each["html"]))
                for each in sections.get(pmid, ())
            ),
            mesh_headings=tuple(
                MeshHeading(each["descriptor"], each["descriptor_ui"], bool(each["descriptor_major"]))
                for each in headings.get(pmid, ())
            ),
        )
        record = Record(article)
        record.add(_label(each) for each in labels.get(pmid, ()))
        yield pmid, record


def _label(row: dict[str, Any]) -> Label:
    names = ("value", "basis", "quote", "rule", "confidence", "part", "start", "end", "number")
    rest = {name: row[name] for name in names}
    return Label(group=row["label_group"], version=row["rule_version"], **rest)


def _by_article(db: sqlite3.Connection, query: str, given: dict[str, str]) -> dict[int, list[dict[str, Any]]]:
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in each_row(db, query, given):
        rows.setdefault(row["pmid"], []).append(dict(row))
    return rows
