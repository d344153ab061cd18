"""Other channels than mail, by apprise (an optional extra): addresses such as ``ntfy://HOST/TOPIC`` take a text."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from tracker.errors import UsageError
from tracker.mail.sending import NotSent


def is_channel(to: str) -> bool:
    """Whether this is an address for apprise, and none of mail."""
    return "://" in to


def check_channel(url: str) -> None:
    """Raises UsageError, without repeating the address, as it may hold a password."""
    if find_spec("apprise") is None:
        raise UsageError(
            "--to: this address needs apprise. Install it: pip install 'evidence-tracker[apprise]'."
        )
    import apprise

    if apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
        raise UsageError(
            "--to: apprise does not know this kind of address. Its documentation lists them: "
            "https://github.com/caronc/apprise/wiki"
        )


def post(url: str, subject: str, text: str) -> None:
    """Hand over one text. Raises NotSent if the channel did not take it, or cannot be used here."""
    try:
        check_channel(url)
    except UsageError as error:
        raise NotSent(str(error)) from None
    import apprise

    # What it logs may hold the address.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    channel = apprise.Apprise()
    channel.add(url)
    if not channel.notify(body=text, title=subject, body_format=apprise.NotifyFormat.TEXT):
        raise NotSent("the channel did not take it")
