"""Both databases without what is not public: names, notes, addresses, reasons in free text, and hidden decisions.

annotations.db is not stripped but filled anew, by a list of what may be in it: whatever is added to it later stays out
until it is put on that list.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tracker.evidence import connect, schema
from tracker.team import acts, blind

# What evidence.db holds of people and machines: who adopted a search and why, names of files, errors that name paths.
_NOT_PUBLIC = (
    "update adoptions set person = null, note = null",
    "update external_records set file = ''",
    "update runs set details = null, reason = null where command <> 'refresh'",
    "update runs set details = null",
    "update enrich_runs set reason = null",
)


class Public(NamedTuple):
    """A table of annotations.db, its public columns as they are, and SQL for columns that are public in another form.

    ``is_sealed`` tells that a blind review may hide its rows.
    """

    table: str
    columns: str
    instead: tuple[tuple[str, str], ...] = ()
    is_sealed: bool = False


# An exclusion's reason is one of those that the question's file lists; anything else would be somebody's own words.
_REASON = """case when x.reason in (
  select r.value from questions q, json_each(q.reasons) r where q.slug = x.question) then x.reason end"""
_PERSON = ("person", "(select p.reviewer from temp.reviewers p where p.person = x.person)")
PUBLIC = (
    Public("tag_groups", "id name description colour choice position"),
    Public("tags", "id tag_group name description colour retired merged_into"),
    Public("taggings", "pmid question tag tagged", (_PERSON,), is_sealed=True),
    Public(
        "decisions", "pmid question stage decision decided", (_PERSON, ("reason", _REASON)), is_sealed=True
    ),
    Public(
        "settlements", "question pmid stage decision settled", (_PERSON, ("reason", _REASON), ("why", "''"))
    ),
    Public("label_reviews", "pmid label_group machine_value value reviewed", (_PERSON,)),
    Public("placements", "pmid question value placed", (_PERSON, ("reason", "''")), is_sealed=True),
    Public("unsealed", "review pmid unsealed"),
)
# Everybody who said something is a number, the same one throughout a snapshot.
_REVIEWERS = """
create temp table reviewers as select id as person, row_number() over (order by id) as reviewer from annotations.people
"""
_PEOPLE = """
insert into public.people (id, name, display_name, role, created, disabled)
select reviewer, 'reviewer ' || reviewer, 'Reviewer ' || reviewer, 'reader', :when, :when from temp.reviewers
where reviewer in (
  select person from public.taggings union select person from public.decisions union
  select person from public.settlements union select person from public.label_reviews union
  select person from public.placements)
"""


def strip_evidence(path: Path) -> None:
    """Take out of a copy of evidence.db what is not public, and leave no trace of it in the file."""
    with closing(connect.open_for_writing(path, schema.migrations, "NORMAL")) as db:
        with connect.transaction(db):
            for statement in _NOT_PUBLIC:
                db.execute(statement)
        _as_one_file(db)


def make_annotations(path: Path, evidence: Path, annotations: Path | None, when: str) -> None:
    """Make ``path`` anew with what is public of ``annotations``; ``evidence`` says what dual reviews hide.

    ``when`` is the moment of the snapshot. Nobody else has ``path`` or ``evidence`` open.
    """
    acts.open_annotations(path).close()
    if annotations:
        _fill(path, evidence, annotations, when)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        _as_one_file(db)


def _fill(path: Path, evidence: Path, annotations: Path, when: str) -> None:
    with closing(connect.connect_read_only(evidence)) as db:
        db.execute("attach database ? as annotations", (connect.reading_uri(annotations),))
        db.execute("attach database ? as public", (f"{path.absolute().as_uri()}?mode=rw",))
        with connect.transaction(db):
            for statement in _statements():
                db.execute(statement, {"when": when, "viewer": None})


def _statements() -> Iterator[str]:
    yield _REVIEWERS
    for public in PUBLIC:
        names = ", ".join((*public.columns.split(), *(name for name, _ in public.instead)))
        values = ", ".join(
            (*(f"x.{name}" for name in public.columns.split()), *(sql for _, sql in public.instead))
        )
        seen = f"where {blind.visible('x')}" if public.is_sealed else ""
        yield f"insert into public.{public.table} ({names}) select {values} from annotations.{public.table} x {seen}"
    yield _PEOPLE


def _as_one_file(db: sqlite3.Connection) -> None:
    """Without a log beside it, and without what was deleted, which SQLite leaves in unused pages."""
    db.execute("pragma journal_mode = delete").fetchall()
    db.execute("vacuum")
