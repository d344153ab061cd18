"""The log of everything that people did, as pages show it, and single acts in it.

Every function takes a connection to evidence.db that has annotations.db attached, and ``viewer``, the id of the
viewer or None: what a blind review still hides from them is left out.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from tracker.evidence.rows import Row, read_rows
from tracker.team.acts import STATEMENTS
from tracker.team.blind import visible

# For an event ``e``: what was done to what, the name of the tag, and the tag into which one was merged.
_EVENT = """
e.id, e.action, e.kind, e.pmid, e.question, e.subject, e.before, e.after,
(select t.name from annotations.tags t
  where e.kind = 'tagging' and t.id = json_extract(e.subject, '$.tag')) as tag,
(select t.name from annotations.tags t
  where e.kind = 'tag' and t.id = json_extract(e.after, '$.merged_into')) as "into"
"""


def events(
    db: sqlite3.Connection,
    viewer: int | None,
    *,
    pmid: int | None = None,
    person: str | None = None,
    by: int | None = None,
    day: str | None = None,
    question: str | None = None,
    before: int | None = None,
    limit: int = 50,
    accounts: bool = False,
) -> list[Row]:
    """The log, newest first: for a paper, a person (by name, or ``by`` id), a day (UTC) or a question, before the event
    ``before``. Events on other people's ``accounts`` are left out unless they are asked for.
    """
    chosen = {
        "pmid": pmid,
        "person": person,
        "by": by,
        "day": day,
        "question": question,
        "before": before,
    }
    conditions = [
        *(_SHOWN if accounts else (*_SHOWN, "(e.kind not in ('person', 'token') or e.person is :viewer)")),
        *(_CHOSEN[name] for name, value in chosen.items() if value is not None),
    ]
    query = f"{_EVENTS} where {' and '.join(conditions)} order by e.id desc limit :limit"
    return [_readable(row) for row in read_rows(db, query, {**chosen, "viewer": viewer, "limit": limit})]


_EVENTS = f"""
select {_EVENT}, e.happened, e.origin, e.batch, p.name as person, p.display_name, e.person is :viewer as mine,
  e.undoes is null and not exists (
    select 1 from annotations.events u where u.undoes = e.batch) as standing
from annotations.events e left join annotations.people p on p.id = e.person
"""
# What a lead's merge did to a tagging is as hidden as the tagging; who has seen which alert is private.
_SHOWN = (
    visible("e", "coalesce(json_extract(e.subject, '$.person'), e.person)"),
    "(e.kind <> 'alert' or e.person is :viewer)",
)
_CHOSEN = {
    "pmid": "e.pmid = :pmid",
    "person": "p.name = :person",
    "by": "e.person = :by",
    "day": "e.happened >= :day and e.happened < :day || 'U'",
    "question": "e.question = :question",
    "before": "e.id < :before",
}


def batch(db: sqlite3.Connection, person: int, batch: int) -> dict[str, Any] | None:
    """An act of this person: its ``action``, the number of papers (``count``), the first ``pmids`` of them, the first
    ``tag``, and whether it is ``undoable``."""
    given = {"batch": batch, "person": person}
    rows = read_rows(
        db,
        f"""
        select {_EVENT}, e.undoes from annotations.events e
        where e.batch = :batch and e.person = :person order by e.id desc limit 1
        """,
        given,
    )
    if not rows:
        return None
    event = _readable(rows[0])
    (event["count"],) = db.execute(
        "select count(distinct pmid) from annotations.events where batch = :batch", given
    ).fetchone()
    pmids = db.execute("select distinct pmid from annotations.events where batch = :batch limit 2", given)
    event["pmids"] = [pmid for (pmid,) in pmids if pmid]
    kinds = {
        kind
        for (kind,) in db.execute("select distinct kind from annotations.events where batch = :batch", given)
    }
    event["undoable"] = kinds <= STATEMENTS.keys() and event["undoes"] is None
    if not kinds <= STATEMENTS.keys():
        # A merge: the number of papers is not shown, as some may be hidden.
        event |= {"count": 1, "pmids": []}
    return event


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: row[name] and json.loads(row[name]) for name in ("subject", "before", "after")}
