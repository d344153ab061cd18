"""Signing in and out, and the user's own account: password, tokens, sessions.

An attempt is counted before its password is checked, and takes the same work whether or not the name exists, so that
many attempts at once gain nothing and their timing reveals nothing.
"""

from __future__ import annotations

import ipaddress
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from tracker.errors import UsageError
from tracker.evidence.connect import transaction
from tracker.site.parts.page import Page, render
from tracker.site.server import access, actors, compat, passwords
from tracker.site.server.access import (
    Form,
    MethodNotAllowed,
    SignInNeeded,
    View,
    Writer,
    check_same_site,
    read_form,
    write,
)
from tracker.site.server.compat import Forbidden, Request, Response
from tracker.site.server.security import ANNOTATIONS
from tracker.team import people
from tracker.team.acts import Act
from tracker.team.people import Person, Token

if TYPE_CHECKING:
    from datasette.app import Datasette

NO_STORE = {"Cache-Control": "no-store"}
DAYS = (7, 30, 90, 180, 365)
# What "/account" says after an action, by the parameter in its address.
DONE = {
    "password": "Your password is changed. Everybody signed in with the old one is signed out.",
    "revoked": "The token is revoked.",
}
WRONG = "Name and password do not match. Check both and try again."
LIMITED = "Too many failed attempts. Wait {minutes} minutes, then try again."
BUSY_SECONDS = 5

OwnView = Callable[[Request, "Datasette", Person, Form], Awaitable[Response]]


# -- in and out ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SignInPage(Page):
    template = "tracker_sign_in.html"
    next: str
    error: str
    name: str
    github: bool


async def sign_in_form(request: Request, datasette: Datasette) -> Response:
    """The sign-in form; somebody who is signed in already is redirected."""
    onward = access.local_path(request.args.get("next"))
    if access.viewer(request) is not None and not access.is_program(request):
        return _redirect(datasette, onward)
    return await _form(request, datasette, onward)


async def sign_in(request: Request, datasette: Datasette) -> Response:
    """Begin a session if name and password match; otherwise show the form again, saying what is wrong."""
    if request.method != "POST":
        raise MethodNotAllowed(
            "This address accepts only a submitted form (POST). Open the page with the form."
        )
    check_same_site(request)
    form = await read_form(request)
    onward, name = access.local_path(form.get("next")), form.get("name").strip().lower()
    try:
        person = await _attempt(request, datasette, name, form.get("password"))
    except passwords.Busy as error:
        wait = {"Retry-After": str(BUSY_SECONDS)}
        return await _form(request, datasette, onward, str(error), 503, wait, name)
    except _Limited:
        seconds = int(people.WINDOW.total_seconds())
        wait, said = {"Retry-After": str(seconds)}, LIMITED.format(minutes=seconds // 60)
        return await _form(request, datasette, onward, said, 429, wait, name)
    if person is None:
        return await _form(request, datasette, onward, WRONG, 403, {}, name)
    response = _redirect(datasette, onward)
    actors.begin_session(datasette, request, response, person)
    return response


async def _form(
    request: Request,
    datasette: Datasette,
    onward: str,
    error: str = "",
    status: int = 200,
    headers: Mapping[str, str] = NO_STORE,
    name: str = "",
) -> Response:
    page = SignInPage(onward, error, name[:64], compat.is_loaded("datasette_auth_github"))
    return await _answer(request, datasette, page, status, headers)


async def sign_out(request: Request, datasette: Datasette) -> Response:
    """Sign this browser out: its session ends, also for anybody else who has the cookie.

    Another plugin's cookie is deleted, which is all that can be done here; a sign-in that a proxy adds to every
    request remains.
    """
    if request.method != "POST":
        raise MethodNotAllowed("Use the 'Sign out' button on any page.")
    check_same_site(request)
    response = _redirect(datasette, "/")
    await actors.end_session(datasette, request, response)
    if "ds_actor" in request.cookies:
        response.set_cookie("ds_actor", "", max_age=0)
    return response


class _Limited(Exception):
    pass


async def _attempt(request: Request, datasette: Datasette, name: str, password: str) -> Person | None:
    """The person with this name and password, if they may sign in. Raises Busy, _Limited, Forbidden on a copy."""
    access.check_writable(datasette)
    annotations = datasette.get_database(ANNOTATIONS)
    # Not the name itself: people sometimes type their password there.
    tried = sha256(name.encode()).hexdigest()[:32]
    address = network(request)

    def begin(db: sqlite3.Connection) -> tuple[Person | None, str | None] | None:
        with transaction(db):
            if people.is_limited(db, tried, address):
                return None
            people.failed(db, tried, address)
            person = people.by_name(db, name)
            return person, people.password_hash(db, person) if person else None

    def forget(db: sqlite3.Connection) -> None:
        with transaction(db):
            people.succeeded(db, tried, address)

    with passwords.turn():
        begun: tuple[Person | None, str | None] | None = await annotations.execute_write_fn(begin)
        if begun is None:
            raise _Limited
        person, stored = begun
        right = await passwords.in_thread(passwords.is_right, password, stored)
    if not right or person is None or person.disabled:
        return None
    await annotations.execute_write_fn(forget)
    return person


def network(request: Request) -> str:
    """The client's address for counting attempts: for IPv6, the prefix that one customer may be given."""
    client = (request.scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return str(client)[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address.packed[:6] + bytes(10), 48)))
    return str(address)


# -- the user's own account ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountPage(Page):
    """``person`` is None for somebody whom another service signed in and who has no account here; ``identities`` are
    possible identities for them. ``form`` is the input that was refused, ``token`` one that was just created."""

    template = "tracker_account.html"
    person: Person | None
    identities: Sequence[str]
    has_password: bool
    tokens: Sequence[Token]
    said: str
    error: str
    token: str
    form: Form
    scopes: Sequence[str]
    days: Sequence[int]
    shortest: int
    own_session: bool


async def account(request: Request, datasette: Datasette) -> Response:
    if request.actor is None:
        return Response.redirect(datasette.urls.path("/sign-in?next=/account"), headers=dict(NO_STORE))
    if access.is_program(request):
        raise Forbidden("Manage your account in the browser, not with a token.")
    return await _account(request, datasette, said=DONE.get(request.args.get("done") or "", ""))


async def _account(
    request: Request,
    datasette: Datasette,
    *,
    status: int = 200,
    said: str = "",
    error: str = "",
    token: str = "",
    form: Form | None = None,
) -> Response:
    id, own_session = access.viewer(request), actors.has_session(request)
    scopes = list(access.scopes_of(access.role(request.actor)))

    def query(db: sqlite3.Connection) -> AccountPage:
        person = people.by_id(db, id) if id is not None else None
        return AccountPage(
            person=person,
            identities=[] if person else actors.identities(request.actor),
            has_password=person is not None and people.password_hash(db, person) is not None,
            tokens=people.tokens(db, person) if person else [],
            said=said,
            error=error,
            token=token,
            form=form or Form(()),
            scopes=scopes,
            days=DAYS,
            shortest=passwords.SHORTEST,
            own_session=own_session,
        )

    page = await datasette.get_database(ANNOTATIONS).execute_fn(query)
    return await _answer(request, datasette, page, status)


def for_owner(view: OwnView) -> View:
    """The view as an address that takes a form from the account page only, sent by its owner, without a token."""

    # No wraps(): Datasette reads a view's parameters from its signature.
    async def answer(request: Request, datasette: Datasette) -> Response:
        if request.method != "POST":
            raise MethodNotAllowed(
                "This address accepts only a submitted form (POST). Open your account's page."
            )
        if access.is_program(request):
            raise Forbidden("Manage your account in the browser, not with a token. Nothing was written.")
        check_same_site(request)
        id = access.viewer(request)
        person = id and await datasette.get_database(ANNOTATIONS).execute_fn(lambda db: people.by_id(db, id))
        if not person:
            raise SignInNeeded("Sign in first: nothing was written.")
        form = await read_form(request)
        try:
            return await view(request, datasette, person, form)
        except UsageError as error:
            return await _account(request, datasette, status=400, error=_sentence(error), form=form)

    return answer


async def change_password(request: Request, datasette: Datasette, person: Person, form: Form) -> Response:
    """Change the password. The old one is required, since a browser may have been left unattended."""
    new = form.get("new")
    if new != form.get("again"):
        raise UsageError("the two new passwords differ.")
    passwords.check_new(new, person.name, person.display_name)
    try:
        if await _attempt(request, datasette, person.name, form.get("old")) is None:
            raise UsageError("the old password is wrong.")
        with passwords.turn():
            made = await passwords.in_thread(passwords.hashed, new)
    except passwords.Busy as error:
        raise UsageError(str(error)) from None
    except _Limited:
        minutes = int(people.WINDOW.total_seconds()) // 60
        raise UsageError(LIMITED.format(minutes=minutes)) from None

    def change(act: Act) -> Person:
        people.set_password(act, person, made)
        return people.named(act.db, person.name)

    changed = await write(datasette, _writer(request, person), change)
    response = _redirect(datasette, "/account?done=password")
    # All sessions have ended; this browser gets a new one.
    actors.begin_session(datasette, request, response, changed)
    return response


async def make_token(request: Request, datasette: Datasette, person: Person, form: Form) -> Response:
    """Create a token. The answer shows it; it is never shown again."""
    days = form.number("days")
    if days is None:
        raise UsageError("give the number of days that the token lasts.")
    made = await write(
        datasette,
        _writer(request, person),
        lambda act: people.make_token(act, person, form.get("name"), form.all("scope"), days),
    )
    return await _account(request, datasette, token=made)


async def revoke_token(request: Request, datasette: Datasette, person: Person, form: Form) -> Response:
    id = form.number("token") or 0
    await write(datasette, _writer(request, person), lambda act: people.revoke_token(act, person, id))
    return _redirect(datasette, "/account?done=revoked")


async def end_sessions(request: Request, datasette: Datasette, person: Person, form: Form) -> Response:
    await write(datasette, _writer(request, person), lambda act: people.end_sessions(act, person))
    response = _redirect(datasette, "/sign-in")
    await actors.end_session(datasette, request, response)
    return response


def _writer(request: Request, person: Person) -> Writer:
    return Writer(person.id, request.path)


def _redirect(datasette: Datasette, path: str) -> Response:
    return Response.redirect(path, 303, dict(NO_STORE))


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


async def _answer(
    request: Request,
    datasette: Datasette,
    page: Page,
    status: int = 200,
    headers: Mapping[str, str] = NO_STORE,
) -> Response:
    response = await render(datasette, request, page)
    response.status = status
    response.headers |= {**NO_STORE, **headers}
    return response
