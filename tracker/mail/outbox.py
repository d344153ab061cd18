"""The outbox: what waits in annotations.db is handed to the mail server, one process at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from tracker.errors import LockHeld, UsageError
from tracker.evidence.connect import transaction
from tracker.mail import channels, messages, sending
from tracker.mail.sending import Server
from tracker.settings import Settings
from tracker.team import deliveries, subscriptions
from tracker.team.acts import open_annotations
from tracker.team.deliveries import KINDS, Intent, Kind, Waiting

# A message that the server puts off in so many runs is given up.
MOST_ATTEMPTS = 5
# The domain of Message-IDs of what is no mail.
FOR_CHANNELS = "channel.invalid"
# Seconds to wait for another process that sends, such as the site with one confirmation.
PATIENCE = 5.0


class Outbox(NamedTuple):
    """``annotations`` is the file in which mails wait, ``sender`` TRACKER_MAIL_FROM.

    Without a ``server`` only what goes to other channels is sent.
    """

    annotations: Path
    server: Server | None
    sender: str


class Sent(NamedTuple):
    """How many messages the server took, put off, and refused for good; ``reasons`` are what it said, each once."""

    sent: int = 0
    put_off: int = 0
    refused: int = 0
    reasons: tuple[str, ...] = ()


def outbox_of(settings: Settings) -> Outbox:
    """Raises UsageError, naming the setting that is missing."""
    if not settings.smtp_url:
        raise UsageError(
            "TRACKER_SMTP_URL is not set, so no mail can be sent. Set it to your mail server, such as "
            "smtp://USER:PASSWORD@HOST:587."
        )
    if not settings.mail_from:
        raise UsageError(
            "TRACKER_MAIL_FROM is not set, so no mail can be sent. Set it to the address that mail comes from."
        )
    server = sending.server_of(settings.smtp_url, settings.timeout)
    return Outbox(settings.annotations_db, server, settings.mail_from)


def intent(message: EmailMessage, kind: Kind, *, subscription: int | None = None) -> Intent:
    """The message as it is stored; ``_replace`` adds what a digest tells."""
    return Intent(
        kind,
        str(message["Message-ID"]),
        message["To"].addresses[0].addr_spec,
        messages.in_bytes(message),
        subscription,
    )


def outbox_of_channels(settings: Settings) -> Outbox:
    """For what goes to other channels, which needs no mail server."""
    return Outbox(settings.annotations_db, None, settings.mail_from or f"nobody@{FOR_CHANNELS}")


@contextmanager
def held(outbox: Outbox, seconds: float = PATIENCE) -> Iterator[None]:
    """Let nobody else send meanwhile. Raises LockHeld if another process still sends after so many seconds."""
    lock = FileLock(outbox.annotations.with_name(".mail.lock"), timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeld(
            f"{lock.lock_file}: another process is sending mail. Try again when it has finished."
        ) from None
    try:
        yield
    finally:
        lock.release()


def send_waiting(outbox: Outbox, db: sqlite3.Connection, kinds: Collection[Kind] = KINDS) -> Sent:
    """Send what waits; the caller holds the outbox. Each message has a connection of its own, so that one that the
    server breaks off spoils no other.

    Raises NoServer if nothing can be sent at present.
    """
    done = Sent()
    for id in deliveries.waiting(db, kinds):
        mail = deliveries.still_waiting(db, id)
        if mail and (outbox.server or channels.is_channel(mail.address)):
            done = _counted(done, *_send(outbox, db, mail))
    return done


def send_soon(outbox: Outbox, kinds: Collection[Kind], seconds: float) -> Sent:
    """Send what waits of these kinds, in a process that does other things besides. Raises LockHeld, NoServer."""
    with closing(open_annotations(outbox.annotations)) as db, held(outbox, seconds):
        return send_waiting(outbox, db, kinds)


NOTES: tuple[Kind, ...] = ("note",)


def send_note(outbox: Outbox, to: str, subject: str, text: str) -> Sent:
    """Store a plain text to somebody who works here, then send what notes wait.

    Raises NoServer or LockHeld if it cannot be sent at present: it waits for the next 'tracker digest'. Raises
    UsageError for an invalid address or a subject of several lines.
    """
    if not messages.is_address(to):
        raise UsageError(f"{to!r} is not an e-mail address.")
    if not subject.isprintable():
        raise UsageError(f"the subject {subject!r} is not one line of text.")
    with closing(open_annotations(outbox.annotations)) as db:
        with transaction(db):
            deliveries.store(db, intent(messages.note(outbox.sender, to, subject, text), "note"))
        with held(outbox):
            return send_waiting(outbox, db, NOTES)


def _send(outbox: Outbox, db: sqlite3.Connection, mail: Waiting) -> tuple[str, str]:
    """What became of the message (a field of Sent), and why."""
    try:
        _hand_over(outbox, db, mail)
    except sending.NotSent as error:
        # A confirmation that nobody gets in time is forgotten anyway, and others' requests try it again as well.
        if mail.kind == "confirmation" or mail.attempts + 1 < MOST_ATTEMPTS:
            _in_transaction(db, deliveries.note_later, mail.id, str(error))
            return "put_off", str(error)
        return _give_up(db, mail, f"put off {MOST_ATTEMPTS} times: {error}", suspends=False)
    except sending.Rejected as error:
        return _give_up(db, mail, str(error), suspends=error.recipient)
    _in_transaction(db, deliveries.note_sent, mail.id)
    return "sent", ""


def _hand_over(outbox: Outbox, db: sqlite3.Connection, mail: Waiting) -> None:
    """Raises NotSent, Rejected, NoServer as ``sending`` does."""
    if outbox.server is None or channels.is_channel(mail.address):
        _in_transaction(db, deliveries.note_attempt, mail.id)
        channels.post(mail.address, *messages.subject_and_text(mail.message))
        return
    with sending.connected(outbox.server) as smtp:
        _in_transaction(db, deliveries.note_attempt, mail.id)
        sending.send(smtp, parseaddr(outbox.sender)[1], mail.address, mail.message)


def _give_up(db: sqlite3.Connection, mail: Waiting, reason: str, *, suspends: bool) -> tuple[str, str]:
    with transaction(db):
        deliveries.note_failed(db, mail.id, reason)
        if mail.subscription is not None and suspends:
            subscriptions.suspend(db, mail.subscription, reason)
        elif mail.subscription is not None and mail.kind == "digest":
            subscriptions.tell_again(db, mail.subscription, mail.after)
    return "refused", reason


def _in_transaction(db: sqlite3.Connection, do: Callable[..., None], *given: object) -> None:
    with transaction(db):
        do(db, *given)


def _counted(done: Sent, field: str, reason: str) -> Sent:
    reasons = done.reasons if not reason or reason in done.reasons else (*done.reasons, reason)
    return done._replace(**{field: getattr(done, field) + 1}, reasons=reasons)
