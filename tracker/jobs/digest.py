"""Digests: what is new, mailed to those who subscribed or to an address that staff give; nothing new, no mail.

Each mail is stored with its Message-ID before it is sent (``tracker.team.deliveries``). What a crash or a server that
was away has left is sent first, as it was stored.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tracker.clock import now
from tracker.errors import UsageError, choose_one
from tracker.evidence import connect, schema
from tracker.evidence.connect import transaction
from tracker.evidence.runs import RUNNING
from tracker.jobs import owners, telling
from tracker.jobs.telling import Teller, Window
from tracker.mail import channels, messages, outbox
from tracker.mail.messages import Digest
from tracker.mail.outbox import Outbox, Sent
from tracker.settings import Settings
from tracker.site.server.serve import signing_secret
from tracker.team import acts, deliveries, people, subscriptions
from tracker.team.acts import open_annotations
from tracker.team.subscriptions import Following, Subscription

# What an address that staff give is told the first time.
FIRST_DAYS = 7
# How often the owner of a search hears of what to look at.
OWNERS_DAYS = 7
UNSENT = "nobody@localhost"


class Report(NamedTuple):
    """``made`` is how many digests were new; ``subscribers`` how many were due, None for a given address."""

    made: int
    subscribers: int | None
    sent: Sent


def to_address(
    settings: Settings, address: str, slugs: Sequence[str] = (), since: str | None = None
) -> Report:
    """Send what is new in the questions (all, if none are named) since a day (``YYYY-MM-DD``), or since the last such
    mail to this address: of mail, or of another channel (``tracker.mail.channels``).

    Where such a mail still waits, only that one is sent. Raises UsageError for an invalid address, an unknown question
    or a missing setting; NoServer if the server cannot be used now; LockHeld if others send.
    """
    about, link = _about(settings, check_address(address), slugs), site_link(settings)
    is_channel = channels.is_channel(address)
    box = outbox.outbox_of_channels(settings) if is_channel else outbox.outbox_of(settings)
    with closing(open_annotations(settings.annotations_db)) as db, outbox.held(box):
        made = 0
        if not deliveries.waits_for(db, about):
            after = since or deliveries.told_up_to(db, about) or _first_day()
            with _reading(settings) as reading:
                window = Window(after, _up_to(reading))
                told = _told(Teller(reading, window, link, for_staff=True), _all_or(reading, slugs))
            made = _store(db, box, address, told, window, about=about)
        return Report(made, None, outbox.send_waiting(box, db))


def to_subscribers(settings: Settings) -> Report:
    """Mail what is new to everybody who subscribed and is due, and to the owners of searches what to look at.

    Raises as ``to_address``.
    """
    box, link = outbox.outbox_of(settings), site_link(settings)
    with closing(open_annotations(settings.annotations_db)) as db, outbox.held(box):
        with transaction(db):
            subscriptions.forget_old(db)
        due = subscriptions.due(db)
        made = 0
        for subscription, window, told in _news(settings, db, due, link):
            made += _store(db, box, subscription.address, told, window, subscription, link=link)
        made += _store_for_owners(settings, db, box)
        return Report(made, len(due), outbox.send_waiting(box, db))


def texts_for_address(
    settings: Settings, address: str, slugs: Sequence[str] = (), since: str | None = None
) -> Iterator[str]:
    """The mail that ``to_address`` would send, as text; none if nothing is new. Nothing is stored or sent."""
    about = _about(settings, check_address(address), slugs)
    link = site_link(settings)
    with _reading(settings) as reading:
        known = reading.execute(
            "select max(up_to) from annotations.deliveries where about = :about and failed is null and up_to <= :now",
            {"about": about, "now": now()},
        ).fetchone()[0]
        window = Window(since or known or _first_day(), _up_to(reading))
        told = _told(Teller(reading, window, link, for_staff=True), _all_or(reading, slugs))
    if told:
        yield _text(settings, address, told, None)


def _store_for_owners(settings: Settings, db: sqlite3.Connection, box: Outbox) -> int:
    """Store a note to each owner who got none in the last week and has something to look at; returns how many."""
    week_ago = _written(datetime.now(UTC) - timedelta(days=OWNERS_DAYS))
    made = 0
    for address, text in owners.texts(settings):
        about = _about(settings, address, ("searches",))
        if not deliveries.stored_since(db, about, week_ago):
            note = outbox.intent(messages.note(box.sender, address, owners.SUBJECT, text), "note")
            with transaction(db):
                deliveries.store(db, note._replace(about=about))
            made += 1
    return made


def texts_for_subscribers(settings: Settings) -> Iterator[str]:
    """The mails that ``to_subscribers`` would send, as text, without addresses. Nothing is stored or sent."""
    link = site_link(settings)
    with closing(open_annotations(settings.annotations_db)) as db:
        for subscription, _, told in _news(settings, db, subscriptions.due(db), link):
            if told:
                yield _text(settings, f"subscription {subscription.id}", told, link("/unsubscribe/…"))
    for address, text in owners.texts(settings):
        yield f"To: {address} (once a week)\nSubject: {owners.SUBJECT}\n\n{text}"


def site_link(settings: Settings) -> Callable[[str], str]:
    """Makes the full address of a path of the site. Raises UsageError where its host is not known."""
    if not settings.site_url:
        raise UsageError(
            "TRACKER_SITE_URL is not set, and mails link to the site. Set it to the site's host, such as "
            "https://example.org."
        )
    beginning = settings.site_url + settings.base_path.rstrip("/")
    return lambda path: beginning + path


def check_address(address: str) -> str:
    """Raises UsageError if it is not an e-mail address."""
    if channels.is_channel(address):
        channels.check_channel(address)
    elif not messages.is_address(address):
        raise UsageError(
            f"--to: {address!r} is not an e-mail address. Give one such as somebody@example.org."
        )
    return address


def _news(
    settings: Settings, db: sqlite3.Connection, due: Sequence[Subscription], link: Callable[[str], str]
) -> Iterator[tuple[Subscription, Window, Digest | None]]:
    if not due:
        return
    with _reading(settings) as reading:
        up_to = _up_to(reading)
        for subscription in due:
            person = subscription.following.person
            follower = people.by_id(db, person) if person is not None else None
            if (person is not None or settings.closed) and not (follower and follower.may("reader")):
                # A closed site's news is for those who may sign in.
                continue
            window = Window(subscriptions.told_up_to(db, subscription), up_to)
            for_staff = follower is not None and follower.may("tagger")
            yield (
                subscription,
                window,
                _told(Teller(reading, window, link, for_staff), subscription.following),
            )


def _told(teller: Teller, following: Following) -> Digest | None:
    return telling.digest_of(teller, following) if teller.window.after < teller.window.up_to else None


def _store(
    db: sqlite3.Connection,
    box: Outbox,
    address: str,
    told: Digest | None,
    window: Window,
    subscription: Subscription | None = None,
    *,
    about: str | None = None,
    link: Callable[[str], str] | None = None,
) -> int:
    """Store the mail, and that it tells this; returns how many were stored, none if nothing is new or if the subscriber
    has left meanwhile."""
    if told is None:
        return 0
    leaving = link(f"/unsubscribe/{subscription.name}") if subscription and link else None
    to = UNSENT if channels.is_channel(address) else address
    intent = outbox.intent(messages.digest(box.sender, to, told, leaving), "digest")
    with transaction(db):
        if subscription and not subscriptions.named(db, subscription.name):
            return 0
        deliveries.store(
            db,
            intent._replace(
                address=address,
                subscription=subscription and subscription.id,
                about=about,
                after=window.after,
                up_to=window.up_to,
            ),
        )
        if subscription:
            subscriptions.note_mail(db, subscription.id, window.up_to)
    return 1


@contextmanager
def _reading(settings: Settings) -> Iterator[sqlite3.Connection]:
    """Both databases as of one moment."""
    open_annotations(settings.annotations_db).close()
    with closing(connect.open_for_reading(settings.evidence_db, schema.migrations)) as db:
        connect.attach(db, settings.annotations_db, acts.migrations, "annotations")
        db.execute("begin")
        yield db


def _up_to(db: sqlite3.Connection) -> str:
    """The moment up to which all is stored: what a running job stores later may bear the time at which it began."""
    (running,) = db.execute(
        "select min(started) from runs where outcome = :running and started <= :now",
        {"running": RUNNING, "now": now()},
    ).fetchone()
    if not running:
        return now()
    return _written(datetime.fromisoformat(running) - timedelta(seconds=1))


def _all_or(db: sqlite3.Connection, slugs: Sequence[str]) -> Following:
    known = telling.titles(db)
    if unknown := [slug for slug in slugs if slug not in known]:
        raise UsageError(f"Unknown question {unknown[0]!r}. {choose_one(known)}")
    return Following("questions", tuple(slugs or known))


def _about(settings: Settings, address: str, slugs: Sequence[str]) -> str:
    """What a mail to an address that staff gave is about: a keyed hash, as the address is not kept."""
    told = json.dumps([address.lower(), sorted(set(slugs))])
    return hmac.new(signing_secret(settings).encode(), told.encode(), hashlib.sha256).hexdigest()


def _text(settings: Settings, to: str, told: Digest, leaving: str | None) -> str:
    message = messages.digest(settings.mail_from or UNSENT, UNSENT, told, leaving)
    return f"To: {to}\nSubject: {message['Subject']}\n\n{messages.text_of(message)}"


def _first_day() -> str:
    return _written(datetime.now(UTC) - timedelta(days=FIRST_DAYS))


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
