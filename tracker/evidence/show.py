"""Everything that is stored about one record."""

from __future__ import annotations

import sqlite3
from typing import Any

from tracker.article import ArticleKey
from tracker.citation import status_date
from tracker.evidence import external
from tracker.evidence.articles import TABLES
from tracker.evidence.rows import read_rows
from tracker.reading.notices import IS_NOTICE


def show(db: sqlite3.Connection, pmid: ArticleKey) -> dict[str, Any] | None:
    """The record's columns and, under each table's name, its rows in order; None if it is not stored.

    ``warnings`` are sentences that must come before everything else: a starter citation, retracted, withdrawn, under
    concern, corrected, itself a notice, gone from PubMed.
    """
    given = {"pmid": pmid}
    article = read_rows(db, "select * from articles where pmid = :pmid", given)
    if not article:
        return None
    record = article[0]
    for table in TABLES:
        if table not in ("articles", "searched_texts"):
            rows = read_rows(db, f"select * from {table} where pmid = :pmid", given)
            record[table] = [
                {key: row[key] for key in row if key not in ("pmid", "position")} for row in rows
            ]
    record["questions"] = read_rows(
        db,
        """
        select question, entered, reason, left_at, matching from question_articles
        where pmid = :pmid order by question
        """,
        given,
    )
    record["changes"] = read_rows(
        db,
        "select field, before, after, noticed from changes where pmid = :pmid order by noticed, field",
        given,
    )
    state = read_rows(
        db,
        "select first_seen, checked, next_check, missing_since, gone, source from record_state where pmid = :pmid",
        given,
    )
    record["state"] = state[0] if state else None
    record["other_databases"] = external.records_of(db, pmid)
    record["warnings"] = list(_warnings(record))
    return record


def _warnings(record: dict[str, Any]) -> list[str]:
    state = record["state"] or {"source": "pubmed", "checked": None}
    checked = status_date(state["source"], state["checked"])
    warnings = []
    if record["state"] and record["state"]["source"] == "starter":
        warnings.append(
            "STARTER CITATION, not a search result: a few facts, until a refresh fetches the record"
        )
    if record["retracted"]:
        where = _where(record, "RetractionIn", "RetractedandRepublishedIn")
        warnings.append(f"RETRACTED{_by_title(record, 'retracted')}{where} ({checked})")
    if record["withdrawn"]:
        warnings.append(f"WITHDRAWN{_by_title(record, 'withdrawn')} ({checked})")
    if record["expression_of_concern"]:
        warnings.append(f"EXPRESSION OF CONCERN{_where(record, 'ExpressionOfConcernIn')} ({checked})")
    if record["corrected"]:
        warnings.append(f"CORRECTED{_where(record, 'ErratumIn', 'CorrectedandRepublishedIn')} ({checked})")
    if record["is_notice"]:
        about = _where(record, *sorted(IS_NOTICE))
        warnings.append(f"NOTICE ABOUT ANOTHER PUBLICATION{_by_title(record, 'notice')}{about}")
    if record["state"] and record["state"]["gone"]:
        warnings.append(f"GONE: PubMed no longer has this record (since {record['state']['missing_since']})")
    return warnings


def _by_title(record: dict[str, Any], kind: str) -> str:
    return ", by its title" if record["by_title"] and record["title_says"] == kind else ""


def _where(record: dict[str, Any], *types: str) -> str:
    places = [
        notice["citation"] for notice in record["notices"] if notice["type"] in types and notice["citation"]
    ]
    return f": {'; '.join(places)}" if places else ""
