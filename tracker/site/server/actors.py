"""Who asks: looked up in annotations.db at every request, so that removing a role takes effect at once.

Our actors, as Datasette calls them, are ``{"id": name, "name": display name, "role": role, "person": id}``; for a
token, ``"scopes"`` and ``"token"`` are added. Somebody signed in by another plugin is one of our people if one of
them has that identity, and a reader otherwise.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from tracker.evidence.connect import transaction
from tracker.site.server.below import base_path
from tracker.site.server.compat import BadSignature, Request, Response, settled
from tracker.site.server.security import ANNOTATIONS
from tracker.team import people
from tracker.team.people import Person, Token

if TYPE_CHECKING:
    from datasette.app import Datasette

Actor = dict[str, Any]
LASTS = int(people.SESSION_LASTS.total_seconds())
# A token's last use is recorded at most once in this time.
NOTED_EVERY = timedelta(hours=1)
# A signature for one purpose must not be valid for another.
_NAMESPACE = "tracker-session"
# Keys that only we set, whatever another plugin says.
_OURS = ("person", "role", "scopes", "token")


async def find(datasette: Datasette, request: Request, others: Sequence[Any]) -> Actor | None:
    """Who asks; ``others`` is what other plugins answered. An invalid token means nobody."""
    bearer = bearer_of(request)
    if bearer and bearer.startswith(people.TOKEN_PREFIX):
        return await _of_token(datasette, bearer)
    # A request with its own token is not also taken for the browser's owner.
    if bearer is None and (person := await of_session(datasette, request)):
        return actor(person)
    for answer in others:
        if other := await settled(answer):
            return await _of_another(datasette, other)
    return None


def actor(person: Person, token: Token | None = None) -> Actor:
    about = {"id": person.name, "name": person.display_name, "role": person.role, "person": person.id}
    if token:
        about |= {"scopes": list(token.scopes), "token": token.id}
    return about


def bearer_of(request: Request) -> str | None:
    """The token sent as ``Authorization: Bearer`` (RFC 6750)."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


# -- our session's cookie --------------------------------------------------------------------------


def cookie_name(request: Request) -> str:
    """The cookie's name. Over HTTPS it is one that no other host and no eavesdropper can set (RFC 6265bis, 4.1.3.2).

    Below a path the cookie is limited to that path, and only ``__Secure-`` allows that (4.1.3.1).
    """
    if request.scheme != "https":
        return "tracker"
    return "__Host-tracker" if base_path(request.scope) == "/" else "__Secure-tracker"


class _Session(NamedTuple):
    """What a cookie says: ``session`` is the person's number when it began, ``name`` its own name."""

    person: int
    session: int
    began: int
    name: str


def begin_session(datasette: Datasette, request: Request, response: Response, person: Person) -> None:
    said = {"person": person.id, "session": person.session, "began": int(time.time())}
    # Two sessions that begin in the same second are distinct.
    value = datasette.sign(said | {"id": secrets.token_urlsafe(16)}, _NAMESPACE)
    _set_cookie(request, response, value, LASTS)


async def end_session(datasette: Datasette, request: Request, response: Response) -> None:
    """End this browser's session for everybody who has its cookie, except on a read-only copy."""
    _set_cookie(request, response, "", 0)
    annotations = datasette.get_database(ANNOTATIONS)
    if annotations.is_mutable and (said := _said_by(datasette, request)):

        def end(db: sqlite3.Connection) -> None:
            with transaction(db):
                people.end_session(db, said.name)

        await annotations.execute_write_fn(end)


def _set_cookie(request: Request, response: Response, value: str, seconds: int) -> None:
    response.set_cookie(
        cookie_name(request),
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        secure=request.scheme == "https",
        samesite="lax",
    )


def has_session(request: Request) -> bool:
    return cookie_name(request) in request.cookies


async def of_session(datasette: Datasette, request: Request) -> Person | None:
    """The person whose session the cookie names, if it is still valid."""
    said = _said_by(datasette, request)
    # Another of our processes may have a clock that is slightly ahead.
    if said is None or not -60 < time.time() - said.began < LASTS:
        return None
    person: Person | None = await _read(
        datasette, lambda db: people.in_session(db, said.person, said.session, said.name)
    )
    return person


def _said_by(datasette: Datasette, request: Request) -> _Session | None:
    """What the session's cookie says, if we signed it."""
    name = cookie_name(request)
    if name not in request.headers.get("cookie", "") or not (value := request.cookies.get(name)):
        return None
    try:
        said = datasette.unsign(value, _NAMESPACE)
        person, session, began = (int(said[key]) for key in ("person", "session", "began"))
    except (BadSignature, KeyError, TypeError, ValueError):
        return None
    # Computed from what was signed, not from the cookie: base64 can write the same in several ways.
    name = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return _Session(person, session, began, name)


# -- tokens, and other plugins ---------------------------------------------------------------------


async def _of_token(datasette: Datasette, bearer: str) -> Actor | None:
    known: tuple[Person, Token] | None = await _read(datasette, lambda db: people.by_token(db, bearer))
    if not known:
        return None
    person, token = known
    annotations = datasette.get_database(ANNOTATIONS)
    if (
        annotations.is_mutable
        and (token.used or "") < f"{datetime.now(UTC) - NOTED_EVERY:%Y-%m-%dT%H:%M:%SZ}"
    ):

        def note(db: sqlite3.Connection) -> None:
            with transaction(db):
                people.note_use(db, token)

        # Nobody waits for it.
        await annotations.execute_write_fn(note, block=False)
    return actor(person, token)


async def _of_another(datasette: Datasette, other: Actor) -> Actor:
    person: Person | None = await _read(datasette, lambda db: people.by_identity(db, identities(other)))
    if person and not person.disabled:
        return actor(person)
    return {key: value for key, value in other.items() if key not in _OURS}


def identities(other: Actor) -> list[str]:
    """The possible values in ``people.identity`` for somebody signed in by another plugin, the most reliable first."""
    called = str(other.get("id") or "")
    login = other.get("gh_login")
    # A login of digits only would be taken for somebody else's number.
    by_login = isinstance(login, str) and called.startswith("github:") and not login.isdigit()
    return [name for name in (called, f"github:{str(login).lower()}" if by_login else "") if name]


def tidy_identity(identity: str | None) -> str | None:
    """An identity in the form that is compared: GitHub's logins ignore case."""
    if identity and identity.lower().startswith("github:"):
        return identity.strip().lower()
    return identity and identity.strip()


async def _read(datasette: Datasette, look: Callable[[sqlite3.Connection], Any]) -> Any:
    if ANNOTATIONS not in datasette.databases:
        return None
    return await datasette.get_database(ANNOTATIONS).execute_fn(look)
