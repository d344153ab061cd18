"""Who may read and write: roles as Datasette permissions, and what every form must send.

The table of routes says who may read and write where; each view is wrapped accordingly. ``for_writers`` only lets
through a POST from our own pages (or with one of our tokens) by somebody whose role and scope allow it;
``for_readers`` keeps a closed site closed. Nothing else decides.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from tracker.errors import NotThere, Refused, UsageError
from tracker.site.server.actors import bearer_of
from tracker.site.server.compat import BadRequest, Base400, Forbidden, NotFound, Request, Response
from tracker.site.server.security import ANNOTATIONS, HIDDEN
from tracker.team.acts import Act, acting
from tracker.team.people import ROLES, SCOPES

if TYPE_CHECKING:
    import sqlite3

    from datasette.app import Datasette

T = TypeVar("T")
# Permissions as Datasette knows them, each with the lowest role that has it: other plugins may also deny them.
PERMISSIONS = {
    "tracker-tag": "tagger",
    "tracker-decide": "tagger",
    "tracker-lead": "lead",
    "tracker-admin": "admin",
}
READ_ONLY = "This is a read-only copy of the site: nobody can sign in or write here. Nothing was written."
NO_TOKEN = "Unknown, expired or revoked token."  # noqa: S105
LONGEST_ORIGIN = 300
LONGEST_PATH = 2000
# Visible ASCII without a backslash, which browsers read as a slash; two slashes would name another host.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*")
CSRF_COOKIE = "ds_csrftoken"


class Conflict(Base400):  # type: ignore[misc]
    """What somebody wants to write conflicts with the current state."""

    status = 409


class MethodNotAllowed(Base400):  # type: ignore[misc]
    status = 405


class NotAllowed(UsageError):
    """Raised inside a transaction, which then writes nothing; answered as Forbidden."""


class SignInNeeded(Base400):  # type: ignore[misc]
    status = 401


class Form(NamedTuple):
    """The fields of a form in their order; a name may come more than once."""

    pairs: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in reversed(self.pairs) if key == name), default)

    def number(self, name: str) -> int | None:
        """The field as a number; None if it is not a number, or has more digits than any id or count."""
        value = self.get(name)
        return int(value) if value.isdecimal() and value.isascii() and len(value) < 16 else None

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)


class Writer(NamedTuple):
    """Somebody who writes: ``person`` is their id, ``origin`` the page that they came from, for the log."""

    person: int
    origin: str


View = Callable[[Request, "Datasette"], Awaitable[Response]]
WriteView = Callable[[Request, "Datasette", Writer, Form], Awaitable[Response]]


def viewer(request: Request) -> int | None:
    """The viewer's id, if they are one of our people."""
    actor: Mapping[str, Any] = request.actor or {}
    person = actor.get("person")
    return person if isinstance(person, int) else None


def role(actor: Mapping[str, Any] | None) -> str:
    stored = (actor or {}).get("role")
    return stored if stored in ROLES else "reader"


def allowed(actor: Mapping[str, Any] | None, permission: str) -> bool | None:
    """What our roles say about one of our permissions; None for any other."""
    needed = PERMISSIONS.get(permission)
    if needed is None:
        return None
    if actor is None or not isinstance(actor.get("person"), int):
        return False
    scopes = actor.get("scopes")
    if scopes is not None and permission.removeprefix("tracker-") not in scopes:
        return False
    return ROLES.index(role(actor)) >= ROLES.index(needed)


def is_closed(datasette: Datasette) -> bool:
    """Whether people must sign in to read (TRACKER_CLOSED)."""
    return bool(getattr(datasette, "closed", False))


def is_read_only(datasette: Datasette) -> bool:
    """Whether nobody can write here, as the databases are in a folder that cannot be written."""
    return not datasette.get_database(ANNOTATIONS).is_mutable


def check_writable(datasette: Datasette) -> None:
    """Raises Forbidden on a read-only copy."""
    if is_read_only(datasette):
        raise Forbidden(READ_ONLY)


def refused(datasette: Datasette, actor: Mapping[str, Any] | None, permission: str, resource: Any) -> bool:
    """What no other plugin can allow: hidden databases, writing without the role, reading a closed site.

    Datasette has a user of its own, "root", who sees debugging pages; another plugin's actor may have that name.
    """
    database = resource[0] if isinstance(resource, tuple | list) else resource
    if database in HIDDEN or database == "_internal" or permission in ("permissions-debug", "debug-menu"):
        return True
    ours = allowed(actor, permission)
    if ours and is_read_only(datasette):
        return True
    return not ours if ours is not None else is_closed(datasette) and not _is_reader(actor)


def _is_reader(actor: Mapping[str, Any] | None) -> bool:
    if actor is None or not isinstance(actor.get("person"), int):
        return False
    scopes = actor.get("scopes")
    return scopes is None or "read" in scopes


def turned_away(datasette: Datasette, request: Request) -> Response | Exception | None:
    """A closed site's answer to somebody who is not signed in; None if that is not why they are refused.

    A browser that asks for a page is redirected to the form; a program with an invalid token is told so.
    """
    if not is_closed(datasette) or viewer(request) is not None:
        return None
    if bearer_of(request) is not None:
        return SignInNeeded(NO_TOKEN)
    is_page = "." not in request.path.rpartition("/")[2] and request.method in ("GET", "HEAD")
    accepted = request.headers.get("accept", "*/*")
    if is_page and ("text/html" in accepted or "*/*" in accepted):
        there = datasette.urls.path("/sign-in") + "?" + urlencode({"next": request.full_path})
        return Response.redirect(there, headers={"Cache-Control": "no-store"})
    return Forbidden("Sign in to see this site.")


async def may(datasette: Datasette, request: Request, permission: str) -> bool:
    return bool(await datasette.permission_allowed(request.actor, permission, default=False))


async def rights(datasette: Datasette, request: Request) -> dict[str, bool]:
    """What a page offers the viewer, by the short names of our permissions."""
    if viewer(request) is None:
        return {permission.removeprefix("tracker-"): False for permission in PERMISSIONS}
    return {
        permission.removeprefix("tracker-"): await may(datasette, request, permission)
        for permission in PERMISSIONS
    }


def for_readers(view: View) -> View:
    """The view as a page that a closed site shows only to people who are signed in."""

    @wraps(view)
    async def answer(request: Request, datasette: Datasette) -> Response:
        if not await datasette.permission_allowed(request.actor, "view-instance", default=True):
            raise Forbidden("view-instance")
        return await view(request, datasette)

    return answer


def for_team(view: View) -> View:
    """The view as a page for people who may tag."""

    async def answer(request: Request, datasette: Datasette) -> Response:
        if not await may(datasette, request, "tracker-tag"):
            if request.actor is None:
                raise SignInNeeded("This page is for taggers. Sign in first.")
            raise Forbidden("This page is for taggers.")
        return await view(request, datasette)

    return answer


def for_writers(view: WriteView, permissions: Collection[str]) -> View:
    """The view as an address that takes a form from people with one of the permissions."""

    # Not ``wraps``: Datasette inspects the wrapped function's parameters and passes arguments by their names.
    async def answer(request: Request, datasette: Datasette) -> Response:
        if request.method != "POST":
            raise MethodNotAllowed(
                "This address accepts only a submitted form (POST). Open the page with the form."
            )
        if request.actor is None and bearer_of(request) is not None:
            raise SignInNeeded(f"{NO_TOKEN} Nothing was written.")
        check_same_site(request)
        if not any([await may(datasette, request, permission) for permission in permissions]):
            if request.actor is None:
                raise SignInNeeded("Sign in first: nothing was written.")
            raise Forbidden(
                f"This needs the right {' or '.join(permissions)}, which you do not have. Nothing was written."
            )
        form = await read_form(request)
        writer = Writer(request.actor["person"], _origin(request, form))
        try:
            return await view(request, datasette, writer, form)
        except Refused as error:
            raise Conflict(str(error)) from None
        except NotAllowed as error:
            raise Forbidden(str(error)) from None
        except NotThere as error:
            raise NotFound(str(error)) from None
        except UsageError as error:
            raise BadRequest(str(error)) from None

    return answer


def _origin(request: Request, form: Form) -> str:
    """Where something was written, for the log: the page that had the form, or the address and the token used."""
    if is_program(request):
        return f"{request.path} by token {request.actor.get('token')}"[:LONGEST_ORIGIN]
    return str(form.get("back").partition("#")[0] or request.path)[:LONGEST_ORIGIN]


def check_same_site(request: Request) -> None:
    """Raises Forbidden for a form that was sent from another site.

    Datasette compares the token of each form with its cookie, but only if there are cookies: behind a proxy that
    signs people in there may be none. So a request without one of our tokens must have that cookie, which means that
    the form's token was compared; and the browser must say that the form was on this site (Fetch Metadata, W3C).
    """
    if is_program(request):
        return
    site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
    # Browsers from before 2023 send only the origin; behind a proxy our own may have another port.
    is_ours = (
        site in ("same-origin", "none")
        if site
        else _host(origin) == _host(f"//{request.headers.get('host')}")
    )
    # Datasette does not compare tokens if there is a "Bearer" header, which some proxies add to every request.
    if (site or origin or bearer_of(request)) and not is_ours:
        raise Forbidden("The form was sent from another site. Nothing was written.")
    if CSRF_COOKIE not in request.cookies:
        raise Forbidden(
            "The form's token is missing or old. Open the page again, then send it. Nothing was written."
        )


def _host(address: str | None) -> str | None:
    return urlsplit(address or "").hostname


def is_program(request: Request) -> bool:
    """Whether this comes with one of our tokens, which no browser sends by itself."""
    return (request.actor or {}).get("scopes") is not None


async def read_form(request: Request) -> Form:
    """Raises BadRequest if the body is not a form in UTF-8, or holds control characters."""
    body = await request.post_body()
    try:
        pairs = tuple(
            parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=20_000)
        )
    except ValueError:
        raise BadRequest("This is not a form in UTF-8. Nothing was written.") from None
    for name, value in pairs:
        if any((c < " " and c not in "\n\r\t") or c == "\x7f" for c in name + value):
            raise BadRequest(f"{name!r} contains a control character. Remove it. Nothing was written.")
    return Form(tuple((name, value.replace("\r\n", "\n")) for name, value in pairs if name != "csrftoken"))


async def write(datasette: Datasette, writer: Writer, what: Callable[[Act], T]) -> T:
    """Do something in one transaction on annotations.db, as this person: all of it, or nothing if it raises."""

    def done(db: sqlite3.Connection) -> tuple[T | None, UsageError | None]:
        # Datasette prints everything raised here to the log, and people's mistakes do not belong there.
        try:
            with acting(db, writer.person, writer.origin) as act:
                return what(act), None
        except UsageError as error:
            return None, error

    check_writable(datasette)
    result: T
    result, error = await datasette.get_database(ANNOTATIONS).execute_write_fn(done)
    if error:
        raise error
    return result


def scopes_of(role: str) -> Iterator[str]:
    """The scopes that a token of somebody with this role may have."""
    return (scope for scope, least in SCOPES.items() if ROLES.index(role) >= ROLES.index(least))


def local_path(path: str | None) -> str:
    """Where to go next: one of our paths, or else the home page."""
    is_local = path and len(path) <= LONGEST_PATH and _LOCAL.fullmatch(path)
    return path if path and is_local and not path.startswith(("/sign-in", "/sign-out")) else "/"
