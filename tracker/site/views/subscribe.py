"""Subscribing to mails, confirming, and leaving.

What the form answers does not depend on the address: nobody learns whether somebody subscribed. The links of mails ask
when they are opened, as scanners open them, and act when their button sends a POST.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from tracker.errors import LockHeld, WorkRemains
from tracker.evidence.connect import transaction
from tracker.lists import news
from tracker.mail import messages, outbox
from tracker.mail.outbox import Outbox
from tracker.site.parts.page import Page, render
from tracker.site.server import access, address
from tracker.site.server.access import Form, check_same_site, read_form
from tracker.site.server.compat import BadRequest, Forbidden, NotFound, Request, Response
from tracker.site.server.reader import read
from tracker.site.server.security import ANNOTATIONS
from tracker.site.views.signin import NO_STORE, network
from tracker.team import deliveries, subscriptions, vocabulary
from tracker.team.deliveries import Kind
from tracker.team.subscriptions import Asker, Every, Following, Subscription, TooMany
from tracker.team.vocabulary import Group

if TYPE_CHECKING:
    from datasette.app import Datasette

T = TypeVar("T")
EVERY: Mapping[Every, str] = {"day": "at most once a day", "week": "at most once a week"}
CONFIRMATIONS: tuple[Kind, ...] = ("confirmation",)
# How long the site waits for another process that sends mail, and then for the server.
PATIENCE = 30.0
ASKED = "If this address is right, a mail is on its way to it. Open its link to confirm."
TOO_MANY = "Too many people asked in a short time, perhaps from your network. Try again tomorrow."
NOT_SET_UP = "This site is not set up to send mail."
GONE = "This link is no longer valid. Either somebody unsubscribed with it, or it was not confirmed in time."
_log = logging.getLogger(__name__)
# The event loop itself keeps only weak references.
_sending: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class SubscribePage(Page):
    """``is_set_up`` says whether mail can be sent, ``person`` whether the viewer can follow what they tagged;
    ``asked`` replaces the form, ``form`` is the input that was refused, for the reason ``error``."""

    template = "tracker_subscribe.html"
    questions: Mapping[str, str]
    groups: Sequence[Group]
    every: Mapping[Every, str]
    person: bool
    is_set_up: bool
    hours: int
    longest: int
    form: Form
    error: str
    asked: str


@dataclass(frozen=True, slots=True)
class LinkPage(Page):
    """What the link of a mail asks, or says once it is ``done``. ``follows`` is in words, if the viewer may know."""

    template = "tracker_subscription.html"
    action: str
    done: bool
    follows: Sequence[str]
    every: str
    leave: str


async def form(request: Request, datasette: Datasette) -> Response:
    chosen = Form(
        tuple((name, value) for name in ("question", "tag") for value in request.args.getlist(name))
    )
    return await _page(request, datasette, chosen)


async def ask(request: Request, datasette: Datasette) -> Response:
    """Store what somebody wants, and mail its address the link that confirms."""
    if not await datasette.permission_allowed(request.actor, "view-instance", default=True):
        raise Forbidden("view-instance")
    check_same_site(request)
    access.check_writable(datasette)
    form = await read_form(request)
    box, here = _outbox(datasette), address.origin(datasette, request)
    if box is None or here is None:
        return await _page(request, datasette, form, error=NOT_SET_UP, status=503)
    to = form.get("address").strip()
    if not messages.is_address(to):
        return await _page(request, datasette, form, error=_not_an_address(to), status=400)
    known: SubscribePage = await _contents(request, datasette, form)
    following, error = _following(request, datasette, form, known)
    if following is None:
        return await _page(request, datasette, form, error=error, status=400)
    every = cast(Every, form.get("every")) if form.get("every") in EVERY else "week"
    asker = Asker(_hashed(datasette, network(request)), _hashed(datasette, to.lower()))

    def store(db: sqlite3.Connection) -> bool:
        try:
            made = subscriptions.ask(db, asker, to, following, every)
        except TooMany:
            return False
        if made:
            link = f"{here}{datasette.urls.path(f'/subscribe/{made.name}')}"
            message = messages.confirmation(box.sender, to, link, subscriptions.HOURS_TO_CONFIRM)
            deliveries.store(db, outbox.intent(message, "confirmation", subscription=made.id))
        return True

    if not await _write(datasette, store):
        return await _page(request, datasette, form, error=TOO_MANY, status=429)
    _send_soon(box)
    return await _page(request, datasette, Form(()), asked=ASKED)


async def confirm_form(request: Request, datasette: Datasette) -> Response:
    return await _link_page(request, datasette, "confirm", await _named(request, datasette))


async def confirm(request: Request, datasette: Datasette) -> Response:
    """Consent: from now on news is mailed."""
    check_same_site(request)
    access.check_writable(datasette)
    name = request.url_vars["name"]
    await _named(request, datasette)
    confirmed = await _write(datasette, lambda db: subscriptions.confirm(db, name))
    if confirmed is None:
        raise BadRequest(
            f"This address has {subscriptions.MOST_OF_ADDRESS} subscriptions, as many as one may have. Leave one first."
        )
    return await _link_page(request, datasette, "confirm", confirmed, done=True)


async def leave_form(request: Request, datasette: Datasette) -> Response:
    return await _link_page(request, datasette, "leave", await _named(request, datasette))


async def leave(request: Request, datasette: Datasette) -> Response:
    """Erase the subscription, whoever sends this: a person by the page's button, or a mail program in one click.

    Once more is no error, as mail programs may repeat it.
    """
    access.check_writable(datasette)
    name = request.url_vars["name"]
    await _write(datasette, lambda db: subscriptions.erase(db, name))
    return await _link_page(request, datasette, "leave", None, done=True)


# -- pages -----------------------------------------------------------------------------------------


async def _page(
    request: Request,
    datasette: Datasette,
    form: Form,
    *,
    error: str = "",
    asked: str = "",
    status: int = 200,
) -> Response:
    page = await _contents(request, datasette, form, error, asked)
    return await _answer(request, datasette, page, status)


async def _contents(
    request: Request, datasette: Datasette, form: Form, error: str = "", asked: str = ""
) -> SubscribePage:
    is_set_up = _outbox(datasette) is not None and address.origin(datasette, request) is not None
    person = access.viewer(request) is not None and not access.is_program(request)

    def query(db: sqlite3.Connection) -> SubscribePage:
        return SubscribePage(
            questions=news.titles(db),
            groups=[group for group in vocabulary.groups(db, "annotations") if group.tags],
            every=EVERY,
            person=person,
            is_set_up=is_set_up,
            hours=subscriptions.HOURS_TO_CONFIRM,
            longest=messages.LONGEST_ADDRESS,
            form=form,
            error=error,
            asked=asked,
        )

    page: SubscribePage = await read(datasette, query)
    return page


async def _link_page(
    request: Request,
    datasette: Datasette,
    action: str,
    subscription: Subscription | None,
    *,
    done: bool = False,
) -> Response:
    # A closed site's questions are for those who are signed in.
    may_know = await datasette.permission_allowed(request.actor, "view-instance", default=True)
    follows: Sequence[str] = []
    if subscription and may_know:
        following = subscription.following
        follows = await read(datasette, lambda db: _in_words(db, following))
    leave = datasette.urls.path(f"/unsubscribe/{request.url_vars['name']}")
    every = EVERY[subscription.every] if subscription else ""
    return await _answer(request, datasette, LinkPage(action, done, follows, every, leave))


async def _answer(request: Request, datasette: Datasette, page: Page, status: int = 200) -> Response:
    response = await render(datasette, request, page)
    response.status = status
    response.headers |= NO_STORE
    return response


def _in_words(db: sqlite3.Connection, following: Following) -> list[str]:
    if following.what == "questions":
        titles = news.titles(db)
        return [titles[slug] for slug in following.questions if slug in titles]
    if following.what == "tag":
        return [
            f"papers with the tag “{tag.name}”"
            for id, tag in vocabulary.tags(db, "annotations").items()
            if id == following.tag
        ]
    return ["papers that you tagged, decided on or wrote about"]


# -- what was sent ---------------------------------------------------------------------------------


def _following(
    request: Request, datasette: Datasette, form: Form, known: SubscribePage
) -> tuple[Following | None, str]:
    """What the form asks for; or None, and why that cannot be."""
    viewer = access.viewer(request) if known.person else None
    follower = viewer if access.is_closed(datasette) else None
    if form.get("what") == "person":
        if viewer is None:
            return None, "Sign in first to follow what you tagged."
        return Following("person", person=viewer), ""
    if form.get("what") == "tag":
        tag = form.number("tag")
        if tag not in {each.id for group in known.groups for each in group.tags}:
            return None, "Choose a tag."
        return Following("tag", tag=tag, person=follower), ""
    slugs = tuple(slug for slug in known.questions if slug in form.all("question"))
    if not slugs:
        return None, "Choose at least one question."
    return Following("questions", slugs, person=follower), ""


def _not_an_address(text: str) -> str:
    return (
        f"{text[:80]!r} is not an e-mail address that mail can be sent to. Write it as somebody@example.org."
    )


async def _named(request: Request, datasette: Datasette) -> Subscription:
    """Raises NotFound if there is no such subscription (any more)."""
    name = request.url_vars["name"]
    found = await datasette.get_database(ANNOTATIONS).execute_fn(lambda db: subscriptions.named(db, name))
    if found is None:
        raise NotFound(GONE)
    return cast(Subscription, found)


def _outbox(datasette: Datasette) -> Outbox | None:
    return cast("Outbox | None", getattr(datasette, "outbox", None))


def _hashed(datasette: Datasette, text: str) -> str:
    key: str = getattr(datasette, "hash_key", "")
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


async def _write(datasette: Datasette, do: Callable[[sqlite3.Connection], T]) -> T:
    def done(db: sqlite3.Connection) -> T:
        with transaction(db):
            return do(db)

    result: T = await datasette.get_database(ANNOTATIONS).execute_write_fn(done)
    return result


def _send_soon(box: Outbox) -> None:
    """Send confirmations while the site goes on; what cannot be sent now waits for the next ``tracker digest``."""
    task = asyncio.get_running_loop().create_task(asyncio.to_thread(_send, box))
    _sending.add(task)
    task.add_done_callback(_sending.discard)


def _send(box: Outbox) -> None:
    server = box.server and box.server._replace(timeout=min(box.server.timeout, PATIENCE))
    try:
        outbox.send_soon(box._replace(server=server), CONFIRMATIONS, PATIENCE)
    except (LockHeld, WorkRemains) as error:
        _log.warning("A confirmation waits: %s", error)
