"""Subscriptions: who asked for mail about what, confirmed it, and left. Leaving deletes the row and what waits.

An address is personal data and may tell of a health interest: it stands in no log, and a request is counted by keyed
hashes only. All functions take a connection to annotations.db; those that write, inside the caller's transaction.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, cast

from tracker.clock import now
from tracker.evidence.rows import Row, read_rows

What = Literal["questions", "tag", "person"]
Every = Literal["day", "week"]

HOURS_TO_CONFIRM = 48
# Requests within a day: for one address (each means a mail to somebody who may never have asked), from one sender, and
# in all.
MOST_BY_ADDRESS, MOST_BY_SENDER, MOST_IN_ALL = 3, 10, 500
MOST_OF_ADDRESS = 20
# A nightly run that begins a little earlier than yesterday's must not skip a day.
AT_MOST_ONCE_IN: dict[Every, timedelta] = {"day": timedelta(hours=20), "week": timedelta(days=6, hours=20)}


class Following(NamedTuple):
    """What somebody follows: questions by their slugs, a tag by its id, or what a person (their id) tagged.

    ``person`` is also who subscribed on a closed site.
    """

    what: What
    questions: tuple[str, ...] = ()
    tag: int | None = None
    person: int | None = None


class Subscription(NamedTuple):
    """``name`` is the random part of its links; ``told_to`` the moment up to which its news was told."""

    id: int
    name: str
    address: str
    following: Following
    every: Every
    asked: str
    confirmed: str | None
    told_to: str | None
    mailed: str | None
    suspended: str | None


class Asker(NamedTuple):
    """Keyed hashes of the network from which a request came, and of the address that it names."""

    sender: str
    address: str


class TooMany(Exception):
    """This sender, or everybody together, asked too often within a day."""


def ask(
    db: sqlite3.Connection, asker: Asker, address: str, following: Following, every: Every
) -> Subscription | None:
    """An unconfirmed subscription; None if this address was asked for too often, which nobody must be told.

    Raises TooMany whatever the address.
    """
    forget_old(db)
    by_address, by_sender, in_all = db.execute(
        """
        select count(*) filter (where address = :address), count(*) filter (where sender = :sender), count(*)
        from subscription_requests
        """,
        asker._asdict(),
    ).fetchone()
    if by_sender >= MOST_BY_SENDER or in_all >= MOST_IN_ALL:
        raise TooMany
    db.execute(
        "insert into subscription_requests (requested, sender, address) values (:requested, :sender, :address)",
        {"requested": now(), **asker._asdict()},
    )
    if by_address >= MOST_BY_ADDRESS:
        return None
    name = secrets.token_urlsafe(24)
    db.execute(
        """
        insert into subscriptions (name, address, what, questions, tag, person, every, asked)
        values (:name, :address, :what, :questions, :tag, :person, :every, :asked)
        """,
        {
            **following._asdict(),
            "questions": json.dumps(following.questions),
            "name": name,
            "address": address,
            "every": every,
            "asked": now(),
        },
    )
    return named(db, name)


def named(db: sqlite3.Connection, name: str) -> Subscription | None:
    """The subscription whose links have this name, if it is confirmed or may still be."""
    given = {"name": name, "since": _ago(timedelta(hours=HOURS_TO_CONFIRM))}
    rows = read_rows(
        db, f"{_SUBSCRIPTION} where name = :name and (confirmed is not null or asked > :since)", given
    )
    return _subscription(rows[0]) if rows else None


def confirm(db: sqlite3.Connection, name: str) -> Subscription | None:
    """Begin to send what the subscription follows, from now on. Another of this address that follows the same ends.

    None if there is none, or if the address has as many as it may have.
    """
    subscription = named(db, name)
    if subscription is None or subscription.confirmed:
        return subscription
    for other in _of_address(db, subscription.address):
        if other.following == subscription.following:
            erase(db, other.name)
    if len(_of_address(db, subscription.address)) >= MOST_OF_ADDRESS:
        return None
    db.execute(
        "update subscriptions set confirmed = :now, told_to = :now where name = :name",
        {"now": now(), "name": name},
    )
    return named(db, name)


def erase(db: sqlite3.Connection, name: str) -> bool:
    """Delete the subscription with its address, and the address in every mail of its own that waits."""
    row = db.execute("delete from subscriptions where name = :name returning id", {"name": name}).fetchone()
    if row:
        db.execute(
            """
            update deliveries set address = null, message = null, failed = :now, reason = 'unsubscribed'
            where subscription = :id and sent is null and failed is null
            """,
            {"now": now(), "id": row[0]},
        )
    return row is not None


def due(db: sqlite3.Connection) -> list[Subscription]:
    """Confirmed subscriptions that may get a mail now, none of whose mails waits.

    A time ahead of now, which a wrong clock left, does not put one off.
    """
    rows = read_rows(
        db,
        f"""
        {_SUBSCRIPTION}
        where confirmed is not null and suspended is null and not exists (
          select 1 from deliveries d where d.subscription = subscriptions.id and d.sent is null and d.failed is null)
        order by id
        """,
    )
    return [each for each in map(_subscription, rows) if _is_due(each)]


def told_up_to(db: sqlite3.Connection, subscription: Subscription) -> str:
    """The moment after which news is to be told. Where a wrong clock left one ahead of now, the last before it that is
    known: rather told twice than never. A mail that was made then told at least what mails made before it could tell.
    """
    if subscription.told_to and subscription.told_to <= now():
        return subscription.told_to
    (known,) = db.execute(
        """
        select max(moment) from (
          select confirmed as moment from subscriptions where id = :id
          union all select up_to from deliveries where subscription = :id and sent is not null
          union all select up_to from deliveries where id < (
            select max(id) from deliveries where subscription = :id and up_to = :told_to and failed is null))
        where moment <= :now
        """,
        {"id": subscription.id, "told_to": subscription.told_to, "now": now()},
    ).fetchone()
    return known or subscription.asked


def note_mail(db: sqlite3.Connection, id: int, told_to: str) -> None:
    """A mail that tells news up to this moment has been stored."""
    db.execute(
        "update subscriptions set told_to = :told_to, mailed = :now where id = :id",
        {"told_to": told_to, "now": now(), "id": id},
    )


def tell_again(db: sqlite3.Connection, id: int, after: str | None) -> None:
    """The mail with the news after this moment was refused: the next one tells it."""
    db.execute("update subscriptions set told_to = :after where id = :id", {"after": after, "id": id})


def suspend(db: sqlite3.Connection, id: int, reason: str) -> None:
    """Send nothing more to this address, which refuses mail; one that was never confirmed is deleted."""
    given = {"id": id, "now": now(), "reason": reason}
    db.execute("delete from subscriptions where id = :id and confirmed is null", given)
    db.execute("update subscriptions set suspended = :now, suspended_reason = :reason where id = :id", given)


def forget_old(db: sqlite3.Connection) -> None:
    """Delete what nobody confirmed in time, and requests that are older than a day or dated ahead of now."""
    since = {"since": _ago(timedelta(hours=HOURS_TO_CONFIRM)), "now": now()}
    old = db.execute(
        "select name from subscriptions where confirmed is null and (asked <= :since or asked > :now)", since
    ).fetchall()
    for (name,) in old:
        erase(db, name)
    db.execute(
        "delete from subscription_requests where requested <= :yesterday or requested > :now",
        {"yesterday": _ago(timedelta(days=1)), "now": now()},
    )


def _of_address(db: sqlite3.Connection, address: str) -> list[Subscription]:
    rows = read_rows(
        db, f"{_SUBSCRIPTION} where address = :address and confirmed is not null", {"address": address}
    )
    return [_subscription(row) for row in rows]


_SUBSCRIPTION = """
select id, name, address, what, questions, tag, person, every, asked, confirmed, told_to, mailed, suspended
from subscriptions
"""


def _subscription(row: Row) -> Subscription:
    questions: Sequence[str] = json.loads(row.pop("questions"))
    following = Following(cast(What, row.pop("what")), tuple(questions), row.pop("tag"), row.pop("person"))
    return Subscription(following=following, **row)


def _is_due(subscription: Subscription) -> bool:
    mailed = subscription.mailed
    return not mailed or mailed <= _ago(AT_MOST_ONCE_IN[subscription.every]) or mailed > now()


def _ago(span: timedelta) -> str:
    return f"{datetime.now(UTC) - span:%Y-%m-%dT%H:%M:%SZ}"
