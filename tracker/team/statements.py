"""Everything that people wrote about papers, row by row, and its log: from annotations.db alone, for the command line.

Rows name people and tags, never ids, so that they mean the same in another database.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from tracker.evidence.rows import each_row
from tracker.team.review import Seal


class Row(NamedTuple):
    """One thing that somebody said about a paper; fields that its kind does not have are None.

    ``group`` is that of a tag or label; ``value`` a decision, a person's verdict on a label, or where they place the
    record; ``text`` a note, a tag's note, or why something was settled. ``sealed`` names the blind review that hides it
    until two have decided. ``basis`` and ``labels`` are what was before somebody who decided, where that is known.
    """

    kind: str
    pmid: int
    question: str | None
    stage: str | None
    person: str
    group: str | None
    tag: str | None
    machine_value: str | None
    value: str | None
    reason: str | None
    text: str | None
    when: str
    sealed: str | None
    basis: str | None = None
    labels: str | None = None


# Sorted by content, not by id, so that exporting an import gives the same file. SQLite sorts in a temporary file, so
# any number of rows will do.
_ROWS = """
select kind, w.pmid, question, stage, p.name, label_group, tag, machine_value, value, reason, text, moment, blind,
  basis, labels
from (
  select 'tagging' as kind, g.pmid, g.question, null as stage, g.person, u.name as label_group, t.name as tag,
    null as machine_value, null as value, null as reason, g.note as text, g.tagged as moment, g.blind,
    null as basis, null as labels
  from taggings g join tags t on t.id = g.tag join tag_groups u on u.id = t.tag_group
  union all
  select 'decision', pmid, question, stage, person, null, null, null, decision, reason, null, decided, blind,
    basis, labels
  from decisions
  union all
  select 'settlement', pmid, question, stage, person, null, null, null, decision, reason, why, settled, null,
    null, null
  from settlements
  union all
  select 'note', pmid, question, null, person, null, null, null, null, null, text, written, blind,
    null, null
  from notes
  union all
  select 'label review', pmid, null, null, person, label_group, null, machine_value, value, null, null, reviewed, null,
    null, null
  from label_reviews
  union all
  select 'placement', pmid, question, null, person, null, null, null, value, reason, null, placed, blind,
    null, null
  from placements) w
join people p on p.id = w.person
where (:pmid is null or w.pmid = :pmid) and (:question is null or question = :question)
  and (:person is null or p.name = :person)
order by w.pmid, kind, question, stage, p.name, label_group, tag, machine_value, moment, text, value
"""
_LOG = """
select e.id, e.happened, p.name as person, e.origin, e.action, e.kind, e.pmid, e.question, e.subject, e.before,
  e.after, e.batch, e.blind as sealed
from events e left join people p on p.id = coalesce(e.person, json_extract(e.subject, '$.person'))
where (:pmid is null or e.pmid = :pmid) and (:person is null or p.name = :person)
  and (:day is null or e.happened >= :day and e.happened < :day || 'U')
  and (:question is null or e.question = :question)
order by e.id
"""


def rows(
    db: sqlite3.Connection,
    *,
    pmid: int | None = None,
    question: str | None = None,
    person: str | None = None,
) -> Iterator[Row]:
    """What is currently said about one paper, for one question or by one person (by name), including sealed rows."""
    for row in db.execute(_ROWS, {"pmid": pmid, "question": question, "person": person}):
        yield Row(*row)


def is_hidden(
    db: sqlite3.Connection, row: Row, viewer: str | None = None, single: Collection[str] | None = None
) -> bool:
    """Whether a blind review still hides the row from ``viewer`` (a name). ``single`` are the questions that one
    person screens, if that is known: as in ``blind.visible``, their seals hide nothing."""
    if row.sealed is None or row.person == viewer:
        return False
    seal = Seal.parse(row.sealed)
    if single is not None and seal and seal.question in single:
        return False
    unsealed = db.execute(
        "select 1 from unsealed where review = :review and pmid = :pmid",
        {"review": row.sealed, "pmid": row.pmid},
    )
    return unsealed.fetchone() is None


def log(
    db: sqlite3.Connection,
    *,
    pmid: int | None = None,
    person: str | None = None,
    day: str | None = None,
    question: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Every event, oldest first: for one paper, person (by name), day (UTC) or question.

    ``person`` is who did it or, if the command line did it, whose row it changed. ``subject``, ``before`` and ``after``
    give people and tags by name. Sealed events are included.
    """
    names = {
        "person": dict(db.execute("select id, name from people")),
        "tag": dict(db.execute("select id, name from tags")),
        "merged_into": dict(db.execute("select id, name from tags")),
        "tag_group": dict(db.execute("select id, name from tag_groups")),
    }
    given = {"pmid": pmid, "person": person, "day": day, "question": question}
    for event in each_row(db, _LOG, given):
        for part in ("subject", "before", "after"):
            event[part] = event[part] and _named(json.loads(event[part]), names)
        yield event


def _named(state: dict[str, Any], names: dict[str, dict[int, str]]) -> dict[str, Any]:
    return {key: names[key].get(value, value) if key in names else value for key, value in state.items()}
