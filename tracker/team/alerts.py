"""Papers that somebody wrote about and that have since been withdrawn or corrected, or come under concern."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from tracker.team.acts import Act
from tracker.team.blind import visible

# What is news to anybody who relied on a paper, the most important first.
FIELDS = ("retracted", "withdrawn", "expression_of_concern", "corrected")
MOST = 200


class Alert(NamedTuple):
    """``field`` is what has become true of the paper, ``noticed`` when we noticed, ``since`` when somebody first wrote
    about it; ``seen`` says that the viewer has marked it as seen. What PubMed lacks has who states it in ``field``:
    ``retracted by retraction-watch``."""

    pmid: int
    field: str
    noticed: str
    since: str
    seen: bool


_STATEMENTS = " union all ".join(
    f"select x.pmid, x.{when} as at from annotations.{table} x where {{of}} and {visible('x')}"
    for table, when in (("taggings", "tagged"), ("decisions", "decided"), ("notes", "written"))
)


def of_person(db: sqlite3.Connection, person: int) -> list[Alert]:
    """The person's own alerts, newest first."""
    return _alerts(db, "x.person = :viewer", person)[:MOST]


def of_everybody(db: sqlite3.Connection, viewer: int | None) -> list[Alert]:
    """Alerts on all papers that, as far as the viewer may know, somebody wrote about, newest first."""
    return _alerts(db, "true", viewer)[:MOST]


def of_article(db: sqlite3.Connection, pmid: int, viewer: int | None) -> list[Alert]:
    """Alerts to show above the paper: it was judged before it was withdrawn."""
    return _alerts(db, "x.pmid = :pmid", viewer, pmid)


def mark_seen(act: Act, pmid: int, field: str, noticed: str) -> bool:
    """Mark an alert as seen; returns False if the acting person had marked it before."""
    done = act.db.execute(
        """
        insert into alerts_seen (person, pmid, field, noticed, seen)
        values (:person, :pmid, :field, :noticed, :seen) on conflict do nothing
        """,
        {"person": act.person, "pmid": pmid, "field": field, "noticed": noticed, "seen": act.when},
    )
    if done.rowcount:
        act.log(
            "see alert",
            "alert",
            {"pmid": pmid, "question": None, "field": field, "noticed": noticed},
            None,
            None,
        )
    return bool(done.rowcount)


def _alerts(db: sqlite3.Connection, of: str, viewer: int | None, pmid: int | None = None) -> list[Alert]:
    # If evidence.db was created again, no change was noticed: then what counts is when the record came back.
    rows = db.execute(
        f"""
        with said as materialized (select pmid, min(at) as since from ({_STATEMENTS.format(of=of)}) group by pmid),
        standing as (
          select said.pmid, said.since, f.value as field,
            coalesce(
              (select max(c.noticed) from changes c where c.pmid = said.pmid and c.field = f.value and c.after = '1'),
              (select s.first_seen from record_state s where s.pmid = said.pmid), '') as noticed
          from said join articles a on a.pmid = said.pmid, json_each(:fields) f
          where case f.value when 'retracted' then a.retracted when 'withdrawn' then a.withdrawn
            when 'expression_of_concern' then a.expression_of_concern else a.corrected end
          union all
          select said.pmid, said.since, n.kind || ' by ' || n.stated_by, n.fetched
          from said join outside_notices n on n.pmid = said.pmid where n.kind <> 'other')
        select pmid, field, noticed, since, exists (
          select 1 from annotations.alerts_seen s where s.person = :viewer and s.pmid = standing.pmid
            and s.field = standing.field and s.noticed = standing.noticed)
        from standing where noticed > since order by noticed desc, pmid desc
        """,
        {"viewer": viewer, "pmid": pmid, "fields": json.dumps(FIELDS)},
    )
    return [Alert(pmid, field, noticed, since, bool(seen)) for pmid, field, noticed, since, seen in rows]
