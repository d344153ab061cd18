"""The versions of a question's search: which there are, who adopted which, when and why, and which is run."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from tracker.errors import UsageError
from tracker.evidence import known_items
from tracker.evidence.rows import read_rows
from tracker.strategy import SHOWN, Strategy

_VERSIONS = """
select v.number, v.strategy as hash, s.first_run, a.adopted, a.person, a.note, a.how,
  a.id is not null and a.id = (select max(id) from adoptions where question = :slug) as is_adopted
from strategy_versions v join strategies s on s.hash = v.strategy
left join adoptions a on a.id = (
  select max(id) from adoptions where question = v.question and number = v.number)
where v.question = :slug order by v.number
"""
_LOG = """
select v.number, v.strategy as hash, s.first_run, a.adopted, a.person, a.note, a.how,
  a.id is not null and a.id = (select max(id) from adoptions where question = :slug) as is_adopted
from strategy_versions v join strategies s on s.hash = v.strategy
left join adoptions a on a.question = v.question and a.number = v.number
where v.question = :slug order by coalesce(a.adopted, s.first_run), a.id
"""


class How(StrEnum):
    """How a version came to be the one that is run."""

    FIRST = "first file"
    ADOPTED = "adopted"
    ROLLED_BACK = "rolled back"
    RUN_EDITED = "run as edited"
    RUN_BEFORE = "run before"


class Adoption(NamedTuple):
    """Who adopts a version, why and how; a moment in UTC."""

    when: str
    person: str | None
    note: str | None
    how: How


class Version(NamedTuple):
    """A version with its last adoption, if it was ever adopted; ``how`` is a word of ``How``."""

    number: int
    hash: str
    first_run: str
    adopted: str | None
    person: str | None
    note: str | None
    how: str | None
    is_adopted: bool

    @property
    def short(self) -> str:
        return self.hash[:SHOWN]

    def __str__(self) -> str:
        return f"version {self.number} ({self.short})"


def versions(db: sqlite3.Connection, slug: str) -> list[Version]:
    """Every version of a question's search, the first one first."""
    rows = read_rows(db, _VERSIONS, {"slug": slug})
    return [Version(**row | {"is_adopted": bool(row["is_adopted"])}) for row in rows]


def log(db: sqlite3.Connection, slug: str) -> list[Version]:
    """Every adoption of a version, and every version that never was one, in the order in which they came."""
    rows = read_rows(db, _LOG, {"slug": slug})
    return [Version(**row | {"is_adopted": bool(row["is_adopted"])}) for row in rows]


def adopted(db: sqlite3.Connection, slug: str) -> Version | None:
    """The version that is run; None before the first search or load."""
    return next((version for version in versions(db, slug) if version.is_adopted), None)


def adopted_before(db: sqlite3.Connection, slug: str) -> Version | None:
    """The version that was run before the adopted one, by the log of adoptions."""
    row = db.execute(
        """
        select number from adoptions
        where question = :slug and number <> (
          select number from adoptions where question = :slug order by id desc limit 1)
        order by id desc limit 1
        """,
        {"slug": slug},
    ).fetchone()
    return next((version for version in versions(db, slug) if row and version.number == row[0]), None)


def named(db: sqlite3.Connection, slug: str, name: str) -> Version:
    """The version with this number, or whose hash begins like this. Raises UsageError if there is not just one."""
    known = versions(db, slug)
    by_number = [version for version in known if str(version.number) == name]
    by_hash = [version for version in known if len(name) >= 4 and version.hash.startswith(name.lower())]
    found = by_number or by_hash
    if len(found) == 1:
        return found[0]
    what = "names several versions" if found else "is no version"
    raise UsageError(f"{slug}: {name!r} {what} of its search. {_choices(known)}")


def _choices(known: Sequence[Version]) -> str:
    if not known:
        return "It has none yet: the first refresh or load makes the first."
    return f"There are {', '.join(f'{version.number} ({version.short})' for version in known)}."


def strategy(db: sqlite3.Connection, version: Version) -> Strategy:
    """The search itself."""
    row = db.execute(
        "select strategy, lines from strategies where hash = :hash", {"hash": version.hash}
    ).fetchone()
    return Strategy.stored(*row)


def keep(db: sqlite3.Connection, slug: str, strategy: Strategy, when: str) -> int:
    """Store this version, and return its number; one that is known keeps its day, and gets the names of these lines."""
    given = {
        "slug": slug,
        "hash": strategy.hash,
        "strategy": strategy.text,
        "when": when,
        "lines": strategy.lines_as_json,
    }
    db.execute(
        """
        insert into strategies (hash, question, strategy, first_run, lines)
        values (:hash, :slug, :strategy, :when, :lines)
        on conflict (hash) do update set lines = coalesce(excluded.lines, lines)
        """,
        given,
    )
    added = db.execute(
        """
        insert into strategy_versions (question, number, strategy)
        select :slug, coalesce(max(number), 0) + 1, :hash from strategy_versions where question = :slug
        on conflict (question, strategy) do nothing
        """,
        given,
    ).rowcount
    if added:
        known_items.mark_due(db)
    row = db.execute(
        "select number from strategy_versions where question = :slug and strategy = :hash", given
    ).fetchone()
    return int(row[0])


def adopt(db: sqlite3.Connection, slug: str, strategy: Strategy, adoption: Adoption) -> Version:
    """Run this version from now on, inside the caller's transaction."""
    number = keep(db, slug, strategy, adoption.when)
    db.execute(
        """
        insert into adoptions (question, number, adopted, person, note, how)
        values (:slug, :number, :when, :person, :note, :how)
        """,
        {"slug": slug, "number": number, **adoption._asdict()},
    )
    return named(db, slug, str(number))


def note_file(db: sqlite3.Connection, slug: str, in_file: Strategy) -> None:
    """Note whether the question's file asks for another search than the adopted one."""
    now_adopted = adopted(db, slug)
    is_edited = now_adopted is not None and now_adopted.hash != in_file.hash
    db.execute(
        "update questions set edited = :edited where slug = :slug",
        {"slug": slug, "edited": in_file.hash if is_edited else None},
    )
