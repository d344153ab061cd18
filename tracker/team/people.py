"""Who may write: people with a role, the tokens of their programs, and attempts to sign in that failed."""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from tracker.clock import now
from tracker.errors import Refused, UsageError, choose_one, either
from tracker.team.acts import Act

Role = Literal["reader", "tagger", "lead", "admin"]
# Each role may do everything that the roles before it may.
ROLES: tuple[Role, ...] = ("reader", "tagger", "lead", "admin")
# What a token may be used for, and the lowest role that may do it.
SCOPES = {"read": "reader", "tag": "tagger", "decide": "tagger", "lead": "lead"}
TOKEN_PREFIX = "ett_"  # noqa: S105 - secret scanners recognise tokens by it
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LONGEST_TOKEN_DAYS = 366
# How many failed attempts within the window are allowed, by which parts of name and address match. A single address
# cannot lock out somebody else's account; guessing one account's password from many addresses is still stopped.
WINDOW = timedelta(minutes=15)
SESSION_LASTS = timedelta(days=7)
MOST_FAILURES = {"name and address": 5, "address": 30, "name": 100}


class Person(NamedTuple):
    """Somebody who may sign in. ``identity`` is their name in another way of signing in (say ``github:octocat``);
    ``session`` is increased to end all their sessions."""

    id: int
    name: str
    display_name: str
    role: Role
    identity: str | None
    disabled: str | None
    session: int
    created: str

    def may(self, role: str) -> bool:
        """Whether they may do what people with this role may."""
        return self.disabled is None and ROLES.index(self.role) >= ROLES.index(role)


class Token(NamedTuple):
    """A token as it is stored: never the token itself."""

    id: int
    person: int
    name: str
    scopes: tuple[str, ...]
    created: str
    expires: str
    used: str | None
    revoked: str | None


_PERSON = "select id, name, display_name, role, identity, disabled, session, created from people"
_TOKEN = "select id, person, name, scopes, created, expires, used, revoked from tokens"  # noqa: S105


def everybody(db: sqlite3.Connection) -> list[Person]:
    return [Person(*row) for row in db.execute(f"{_PERSON} order by name")]


def by_id(db: sqlite3.Connection, id: int) -> Person | None:
    return _one(db, "id = :value", id)


def by_name(db: sqlite3.Connection, name: str) -> Person | None:
    return _one(db, "name = :value", name)


def by_identity(db: sqlite3.Connection, identities: Collection[str]) -> Person | None:
    """The person with one of these identities from another way of signing in."""
    return next((person for name in identities if (person := _one(db, "identity = :value", name))), None)


def named(db: sqlite3.Connection, name: str) -> Person:
    """The person of this name. Raises UsageError if there is none."""
    person = by_name(db, name)
    if not person:
        known = choose_one(somebody.name for somebody in everybody(db))
        raise UsageError(f"Unknown person {name!r}. {known}")
    return person


def writer(db: sqlite3.Connection, name: str) -> Person:
    """The person for whom a command writes. Raises UsageError if there is none, Refused if they may not write."""
    person = named(db, name)
    if person.disabled:
        raise Refused(f"{name} has been disabled since {person.disabled}. An admin can enable the account.")
    if not person.may("tagger"):
        raise Refused(f"{name} is a {person.role} and may only read. An admin can make them a tagger.")
    return person


def add(
    act: Act,
    name: str,
    role: str,
    display_name: str | None = None,
    password_hash: str | None = None,
    identity: str | None = None,
) -> Person:
    """Raises UsageError for a name, role or identity that is invalid or taken."""
    check_new(act.db, name, role, identity)
    shown = _clean(display_name) or name
    act.db.execute(
        """
        insert into people (name, display_name, role, password_hash, identity, created)
        values (:name, :display_name, :role, :password_hash, :identity, :created)
        """,
        {
            "name": name,
            "display_name": shown,
            "role": role,
            "password_hash": password_hash,
            "identity": identity,
            "created": act.when,
        },
    )
    made = named(act.db, name)
    act.log("add person", "person", {"id": made.id}, None, _state(made))
    return made


def check_new(db: sqlite3.Connection, name: str, role: str, identity: str | None) -> None:
    """Raises UsageError as ``add`` does."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid name: use small letters, digits, '.', '_' and '-', 64 at most, such as 'a.meier'."
        )
    check_role(role)
    if by_name(db, name):
        raise UsageError(f"the name {name!r} is taken. The log keeps names for good; choose another.")
    _check_identity(db, identity)


def change(
    act: Act,
    name: str,
    *,
    role: str | None = None,
    display_name: str | None = None,
    identity: str | None = None,
    disabled: bool | None = None,
) -> Person:
    """Change the given fields of a person; '' removes an identity. A disabled person is signed out at once.

    Raises UsageError if there is no such person, or for an invalid value.
    """
    before = named(act.db, name)
    if role is not None:
        check_role(role)
        act.db.execute("update people set role = :role where id = :id", {"role": role, "id": before.id})
    if display_name is not None:
        act.db.execute(
            "update people set display_name = :name where id = :id",
            {"name": _clean(display_name) or name, "id": before.id},
        )
    if identity is not None and identity != before.identity:
        _check_identity(act.db, identity or None)
        act.db.execute(
            "update people set identity = :identity where id = :id",
            {"identity": identity or None, "id": before.id},
        )
    if disabled is not None and disabled != bool(before.disabled):
        act.db.execute(
            "update people set disabled = :since, session = session + :ended where id = :id",
            {"since": act.when if disabled else None, "ended": disabled, "id": before.id},
        )
    after = named(act.db, name)
    if _state(after) != _state(before):
        act.log("change person", "person", {"id": before.id}, _state(before), _state(after))
    return after


def set_password(act: Act, person: Person, password_hash: str) -> None:
    """Set a new password; sessions that began with the old one end."""
    act.db.execute(
        "update people set password_hash = :hash, session = session + 1 where id = :id",
        {"hash": password_hash, "id": person.id},
    )
    act.log("change password", "person", {"id": person.id}, None, None)


def end_sessions(act: Act, person: Person) -> None:
    """Sign the person out everywhere, and revoke their tokens."""
    act.db.execute("update people set session = session + 1 where id = :id", {"id": person.id})
    act.log("sign out everywhere", "person", {"id": person.id}, None, None)
    for token in tokens(act.db, person):
        revoke_token(act, person, token.id)


def in_session(db: sqlite3.Connection, id: int, session: int, name: str) -> Person | None:
    """The person whose session this is, if it is still valid. ``session`` is the person's number when it began,
    ``name`` distinguishes it from their other sessions."""
    person = by_id(db, id)
    if person is None or person.disabled or person.session != session:
        return None
    ended = db.execute("select 1 from ended_sessions where session = :session", {"session": name}).fetchone()
    return None if ended else person


def end_session(db: sqlite3.Connection, name: str) -> None:
    """End one session, for everybody who has its cookie; the person's other sessions continue."""
    long_ago = (datetime.now(UTC) - SESSION_LASTS - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    db.execute("delete from ended_sessions where ended < :long_ago", {"long_ago": long_ago})
    db.execute(
        "insert or ignore into ended_sessions (session, ended) values (:session, :ended)",
        {"session": name, "ended": now()},
    )


def password_hash(db: sqlite3.Connection, person: Person) -> str | None:
    stored: str | None
    (stored,) = db.execute("select password_hash from people where id = :id", {"id": person.id}).fetchone()
    return stored


# Tokens


def make_token(act: Act, person: Person, name: str, scopes: Collection[str], days: int) -> str:
    """A new token, which is shown once: only its SHA-256 is kept (it has 256 random bits, so no salt is needed).

    Raises UsageError for a scope that is unknown or beyond the person's role, and for a lifetime that is too long.
    """
    if unknown := sorted(set(scopes) - SCOPES.keys()):
        raise UsageError(f"Unknown scope {unknown[0]!r}. Use {either(SCOPES)}.")
    if not scopes:
        raise UsageError(f"give the token a scope. Choose from: {', '.join(SCOPES)}.")
    if beyond := [scope for scope in scopes if not person.may(SCOPES[scope])]:
        raise UsageError(f"scope {beyond[0]!r} needs a higher role than {person.name} has ({person.role}).")
    if not 1 <= days <= LONGEST_TOKEN_DAYS:
        raise UsageError(f"a token lasts from 1 to {LONGEST_TOKEN_DAYS} days, not {days}.")
    label = _clean(name)
    if not label:
        raise UsageError("give the token a name that says what it is for.")
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    granted = [scope for scope in SCOPES if scope in scopes]
    made = act.db.execute(
        """
        insert into tokens (person, name, hash, scopes, created, expires)
        values (:person, :name, :hash, :scopes, :created, :expires)
        """,
        {
            "person": person.id,
            "name": label,
            "hash": _digest(token),
            "scopes": " ".join(granted),
            "created": act.when,
            "expires": expires,
        },
    )
    state = {"person": person.id, "name": label, "scopes": granted, "expires": expires}
    act.log("make token", "token", {"id": made.lastrowid}, None, state)
    return token


def tokens(db: sqlite3.Connection, person: Person) -> list[Token]:
    rows = db.execute(f"{_TOKEN} where person = :person order by id desc", {"person": person.id})
    return [_token(row) for row in rows]


def revoke_token(act: Act, person: Person, id: int) -> None:
    """Raises UsageError if the person has no such token."""
    matching = [token for token in tokens(act.db, person) if token.id == id]
    if not matching:
        raise UsageError(f"{person.name} has no token {id}.")
    if not matching[0].revoked:
        act.db.execute("update tokens set revoked = :revoked where id = :id", {"revoked": act.when, "id": id})
        act.log("revoke token", "token", {"id": id}, None, {"revoked": act.when})


def by_token(db: sqlite3.Connection, token: str) -> tuple[Person, Token] | None:
    """The token and its owner, if it is still valid."""
    row = db.execute(f"{_TOKEN} where hash = :hash", {"hash": _digest(token)}).fetchone()
    if row is None:
        return None
    known = _token(row)
    person = by_id(db, known.person)
    if person is None or person.disabled or known.revoked or known.expires <= now():
        return None
    return person, known


def note_use(db: sqlite3.Connection, token: Token) -> None:
    """Note, to the hour, that the token was used: enough to tell which tokens nobody needs any more."""
    db.execute("update tokens set used = :used where id = :id", {"used": now(), "id": token.id})


# Attempts


def is_limited(db: sqlite3.Connection, name: str, address: str) -> bool:
    """Whether too many attempts with this name, from this address or with both have failed recently."""
    since = (datetime.now(UTC) - WINDOW).strftime("%Y-%m-%dT%H:%M:%SZ")
    row = db.execute(
        """
        select count(*) filter (where name = :name and address = :address),
          count(*) filter (where address = :address), count(*) filter (where name = :name)
        from sign_in_failures where failed > :since and failed <= :now and (name = :name or address = :address)
        """,
        {"name": name, "address": address, "since": since, "now": now()},
    ).fetchone()
    return any(n >= most for n, most in zip(row, MOST_FAILURES.values(), strict=True))


def failed(db: sqlite3.Connection, name: str, address: str) -> None:
    """Record a failed attempt, and delete those older than a day, as an address is personal data. Attempts dated in the
    future, by a clock that was ahead, are deleted as well."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    db.execute(
        "delete from sign_in_failures where failed < :yesterday or failed > :now",
        {"yesterday": yesterday, "now": now()},
    )
    db.execute(
        "insert into sign_in_failures (name, address, failed) values (:name, :address, :failed)",
        {"name": name, "address": address, "failed": now()},
    )


def succeeded(db: sqlite3.Connection, name: str, address: str) -> None:
    """Forget their failed attempts: it was this person, mistyping."""
    db.execute(
        "delete from sign_in_failures where name = :name and address = :address",
        {"name": name, "address": address},
    )


def check_role(role: str) -> None:
    if role not in ROLES:
        raise UsageError(f"Unknown role {role!r}. Use {either(ROLES)}.")


def _check_identity(db: sqlite3.Connection, identity: str | None) -> None:
    if not identity:
        return
    if len(identity) > 200 or not identity.isprintable():
        raise UsageError(f"identity {identity!r} is not valid: give at most 200 printable characters.")
    if taken := by_identity(db, [identity]):
        raise UsageError(f"identity {identity!r} already belongs to {taken.name}. Choose another.")


def _one(db: sqlite3.Connection, condition: str, value: Any) -> Person | None:
    """The person who meets the condition on ``:value``."""
    row = db.execute(f"{_PERSON} where {condition}", {"value": value}).fetchone()
    return Person(*row) if row else None


def _state(person: Person) -> dict[str, Any]:
    return {name: getattr(person, name) for name in ("name", "display_name", "role", "identity", "disabled")}


def _token(row: tuple[Any, ...]) -> Token:
    id, person, name, scopes, *times = row
    return Token(id, person, name, tuple(scopes.split()), *times)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _clean(text: str | None) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text or "").split())[:100]
