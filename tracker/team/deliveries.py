"""Mails: each is stored, with its Message-ID, before it is sent; what is sent is what was stored.

So a crash loses none, and one that the server took just before a crash comes once more as the same message, which mail
programs show once. Writers are called inside the caller's transaction on annotations.db.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Literal, NamedTuple

from tracker.clock import now
from tracker.evidence.rows import read_rows

Kind = Literal["confirmation", "digest", "note"]
KINDS: tuple[Kind, ...] = ("confirmation", "note", "digest")


class Intent(NamedTuple):
    """A mail to be stored.

    ``subscription`` is the id of the one it is for; ``about`` names, as a keyed hash, what a mail that staff asked for
    is about; ``after`` and ``up_to`` are the moments between which a digest tells news.
    """

    kind: Kind
    message_id: str
    address: str
    message: bytes
    subscription: int | None = None
    about: str | None = None
    after: str | None = None
    up_to: str | None = None


class Waiting(NamedTuple):
    """A stored mail that is neither sent nor given up, and how often it was tried."""

    id: int
    kind: Kind
    address: str
    message: bytes
    subscription: int | None
    after: str | None
    attempts: int


def store(db: sqlite3.Connection, intent: Intent) -> int:
    """The id of the mail, which is sent from now on, sooner or later."""
    columns = (*Intent._fields, "intended")
    stored = db.execute(
        f"insert into deliveries ({', '.join(columns)}) values ({', '.join(f':{name}' for name in columns)})",
        {**intent._asdict(), "intended": now()},
    )
    assert stored.lastrowid is not None
    return stored.lastrowid


def waiting(db: sqlite3.Connection, kinds: Collection[Kind] = KINDS) -> list[int]:
    """The ids of what waits, the oldest first; confirmations before all others, as somebody waits for them."""
    rows = db.execute("select id, kind from deliveries where sent is null and failed is null order by id")
    return [id for id, kind in sorted(rows, key=lambda row: KINDS.index(row[1])) if kind in kinds]


def still_waiting(db: sqlite3.Connection, id: int) -> Waiting | None:
    """The mail, unless it was sent or given up meanwhile."""
    rows = read_rows(
        db,
        f"select {', '.join(Waiting._fields)} from deliveries where id = :id and sent is null and failed is null",
        {"id": id},
    )
    return Waiting(**rows[0]) if rows else None


def waits_for(db: sqlite3.Connection, about: str) -> bool:
    """Whether a mail about this waits."""
    row = db.execute(
        "select 1 from deliveries where about = :about and sent is null and failed is null", {"about": about}
    ).fetchone()
    return row is not None


def stored_since(db: sqlite3.Connection, about: str, moment: str) -> bool:
    """Whether a mail about this was stored after a moment (UTC), whatever became of it."""
    row = db.execute(
        "select 1 from deliveries where about = :about and intended > :moment",
        {"about": about, "moment": moment},
    ).fetchone()
    return row is not None


def told_up_to(db: sqlite3.Connection, about: str) -> str | None:
    """The moment up to which mails about this have told news; None if there was none."""
    (moment,) = db.execute(
        "select max(up_to) from deliveries where about = :about and failed is null and up_to <= :now",
        {"about": about, "now": now()},
    ).fetchone()
    return moment  # type: ignore[no-any-return]


def note_attempt(db: sqlite3.Connection, id: int) -> None:
    db.execute("update deliveries set attempts = attempts + 1 where id = :id", {"id": id})


def note_sent(db: sqlite3.Connection, id: int) -> None:
    """The server took it; who got it and what it said is forgotten."""
    db.execute(
        "update deliveries set sent = :now, address = null, message = null, reason = null where id = :id",
        {"now": now(), "id": id},
    )


def note_later(db: sqlite3.Connection, id: int, reason: str) -> None:
    """It was not taken, and is tried again in a later run."""
    db.execute("update deliveries set reason = :reason where id = :id", {"reason": reason, "id": id})


def note_failed(db: sqlite3.Connection, id: int, reason: str) -> None:
    """It is given up; who would have got it and what it said is forgotten."""
    db.execute(
        "update deliveries set failed = :now, reason = :reason, address = null, message = null where id = :id",
        {"now": now(), "reason": reason, "id": id},
    )
