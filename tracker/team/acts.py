"""annotations.db: what people write, and the only way to write it. No refresh, load or rebuild ever opens it.

Everything that a person says about a paper, or a peer about a search strategy, is a row of one of ``STATEMENTS``. Only
``Act.put`` changes such a row, and it adds an event with the states before and after: so the log is complete, and
undoing means putting back the state before.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tracker.clock import now
from tracker.errors import Refused
from tracker.evidence.connect import open_for_writing, transaction
from tracker.evidence.rows import read_rows
from tracker.evidence.steps import Schema, steps_of
from tracker.team.review import Seal

migrations = Schema(
    "annotations",
    steps_of(__package__),
    alike="004_alike",
    # As commits 4bdad48 and cc82f05 made them.
    landed=("4ad57f149bcb4dbb", "a95ae3b2d1582e5b"),
)


def open_annotations(path: Path) -> sqlite3.Connection:
    """A connection for writing. A missing database is created, readable only by its owner, as it holds password hashes.
    Every commit is on disk before it returns.

    Raises as ``connect.open_for_writing`` does.
    """
    if path.parent.is_dir() and not path.exists():
        # SQLite gives its log the mode of the file. If the file cannot be created, the code below says why.
        with suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    db = open_for_writing(path, migrations, "FULL", only_ours=True)
    # What is deleted, such as the address of a subscriber, is overwritten.
    db.execute("pragma secure_delete = on")
    return db


# What a peer judges of a strategy; each has a comment beside it (``tracker.team.press``).
PRESS_PARTS = ("translation", "operators", "headings", "text_words", "spelling", "limits", "overall")


class Statement(NamedTuple):
    """A kind of thing that people say about a paper or a strategy: its table, its key, and the columns for content and
    time."""

    table: str
    key: tuple[str, ...]
    says: tuple[str, ...]
    when: str


STATEMENTS = {
    "tagging": Statement("taggings", ("pmid", "question", "tag", "person"), ("note", "blind"), "tagged"),
    "decision": Statement(
        "decisions",
        ("pmid", "question", "stage", "person"),
        ("decision", "reason", "blind", "basis", "labels"),
        "decided",
    ),
    "settlement": Statement(
        "settlements", ("pmid", "question", "stage"), ("decision", "reason", "why", "person"), "settled"
    ),
    "note": Statement("notes", ("pmid", "question", "id", "person"), ("text", "blind"), "written"),
    "label review": Statement(
        "label_reviews", ("pmid", "label_group", "machine_value", "person"), ("value",), "reviewed"
    ),
    "placement": Statement(
        "placements", ("pmid", "question", "person"), ("value", "reason", "blind"), "placed"
    ),
    "press review": Statement(
        "press_reviews",
        ("question", "strategy", "reviewer", "person"),
        ("reviewed", *(name for part in PRESS_PARTS for name in (part, f"{part}_comment"))),
        "written",
    ),
}
Key = Mapping[str, Any]
State = dict[str, Any]


class Act:
    """What one person does in one step: its events are one batch, which can be undone as a whole.

    ``db`` is a connection to annotations.db inside a write transaction (``acting`` opens one), ``person`` an id of
    ``people`` or None for the command line, ``origin`` the page or command.
    """

    def __init__(self, db: sqlite3.Connection, person: int | None, origin: str) -> None:
        self.db = db
        self.person = person
        self.origin = origin
        self.when = now()
        self.batch: int | None = None
        self.undoes: int | None = None
        self.changed = 0

    def put(
        self, action: str, kind: str, key: Key, says: Mapping[str, Any] | None, seal: Seal | None = None
    ) -> bool:
        """Store what is now said under a key, or remove it if ``says`` is None; returns whether that changed anything.

        ``says`` may have a time under the kind's ``when`` (what is imported or put back keeps its own). ``seal`` is
        what hides it from others from now on, unless ``says`` has a seal under ``blind``.
        """
        of = STATEMENTS[kind]
        before = current(self.db, kind, key)
        if says is not None and "blind" in of.says:
            says = {"blind": seal and str(seal)} | dict(says)
        after = None if says is None else dict.fromkeys(of.says) | {of.when: self.when} | dict(says)
        if before == after or (
            before and says and of.when not in says and _says(of, before) == _says(of, says)
        ):
            return False
        if after is None:
            self.db.execute(f"delete from {of.table} where {_is(of)}", key)
        elif before is None:
            names = (*of.key, *after)
            values = ", ".join(f":{name}" for name in names)
            self.db.execute(
                f"insert into {of.table} ({', '.join(names)}) values ({values})", {**after, **key}
            )
        else:
            changes = ", ".join(f"{name} = :{name}" for name in after)
            self.db.execute(f"update {of.table} set {changes} where {_is(of)}", {**after, **key})
        self.log(action, kind, key, before, after, seal)
        return True

    def log(
        self,
        action: str,
        kind: str,
        subject: Key,
        before: State | None,
        after: State | None,
        seal: Seal | None = None,
    ) -> None:
        """Add an event. ``subject`` is what it was done to; its pmid and question have columns of their own. If
        something was removed, ``seal`` is what hides the removal."""
        rest = {name: value for name, value in subject.items() if name not in ("pmid", "question")}
        self.batch = self.batch or next_event(self.db)
        self.db.execute(
            """
            insert into events (happened, person, origin, action, kind, pmid, question, subject, before, after, batch,
              blind, undoes)
            values (:happened, :person, :origin, :action, :kind, :pmid, :question, :subject, :before, :after, :batch,
              :blind, :undoes)
            """,
            {
                "happened": self.when,
                "person": self.person,
                "origin": self.origin,
                "action": action,
                "kind": kind,
                "pmid": subject.get("pmid"),
                "question": subject.get("question"),
                "subject": _json(rest),
                "before": _json(before),
                "after": _json(after),
                "batch": self.batch,
                "blind": after.get("blind") if after else (seal and str(seal)) or (before or {}).get("blind"),
                "undoes": self.undoes,
            },
        )
        self.changed += 1


@contextmanager
def acting(db: sqlite3.Connection, person: int | None, origin: str) -> Iterator[Act]:
    """An act in one transaction: when this ends, all of it or nothing is on disk."""
    with transaction(db):
        yield Act(db, person, origin)


class Undone(NamedTuple):
    """How much of a batch was put back, and how much could not be, as it has changed since or may not be undone."""

    undone: int
    changed_since: int


def undo(
    act: Act,
    batch: int,
    may: Callable[[sqlite3.Row], bool],
    seal: Callable[[int, str | None], Seal | None],
    *,
    merges: bool = False,
) -> Undone:
    """Restore the state before a batch, with new events.

    ``may`` says whether an event can be undone, ``seal`` what now hides a tag, note or placement of a paper for a
    question. Anything changed since the batch is left alone. Raises Refused for a batch that also did something other
    than writing about papers, as that must not be half undone; and, unless ``merges``, for one that moved statements
    because two records are one paper.
    """
    act.db.row_factory, factory = sqlite3.Row, act.db.row_factory
    try:
        events = act.db.execute(
            "select * from events where batch = :batch order by id desc", {"batch": batch}
        ).fetchall()
    finally:
        act.db.row_factory = factory
    if any(event["kind"] not in STATEMENTS for event in events):
        raise Refused("This also changed the vocabulary or an account. Undo it there.")
    if not merges and any(event["action"] == "merge" for event in events):
        raise Refused("This merged two records. Undo it with 'tracker duplicates split'.")
    act.undoes = batch
    undone = changed = 0
    for event in events:
        of = STATEMENTS[event["kind"]]
        given = {"pmid": event["pmid"], "question": event["question"]} | json.loads(event["subject"])
        key = {name: given[name] for name in of.key}
        before, after = (_whole(of, event[name] and json.loads(event[name])) for name in ("before", "after"))
        if current(act.db, event["kind"], key) != after or not may(event):
            changed += 1
            continue
        if before and event["kind"] in ("tagging", "note", "placement"):
            before = {name: value for name, value in before.items() if name != "blind"}
        act.put(f"undo {event['action']}", event["kind"], key, before, seal(event["pmid"], event["question"]))
        undone += 1
    return Undone(undone, changed)


def current(db: sqlite3.Connection, kind: str, key: Key) -> State | None:
    """What is currently said under this key."""
    of = STATEMENTS[kind]
    columns = ", ".join((*of.says, of.when))
    rows = read_rows(db, f"select {columns} from {of.table} where {_is(of)}", key)
    return rows[0] if rows else None


def next_event(db: sqlite3.Connection) -> int:
    """The id of the next event. Events are never deleted, so it is a unique name."""
    id: int = db.execute("select coalesce(max(id), 0) + 1 from events").fetchone()[0]
    return id


def _whole(of: Statement, state: State | None) -> State | None:
    """A state as the log has it, with the columns that a later step added."""
    return state and dict.fromkeys(of.says) | state


def _says(of: Statement, state: Mapping[str, Any]) -> list[Any]:
    # Whether it is hidden is not part of what is said.
    return [state.get(name) for name in of.says if name != "blind"]


def _is(of: Statement) -> str:
    return " and ".join(f"{name} is :{name}" for name in of.key)


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
