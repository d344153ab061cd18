"""Telling somebody elsewhere that a night went well, so that silence is noticed there."""

from __future__ import annotations

from collections.abc import Callable

import requests

SECONDS = 10


def ping(address: str, say: Callable[[str], None]) -> None:
    """GET the address once, without following it elsewhere. What goes wrong is only said, without the address: it may
    hold a secret.
    """
    try:
        with requests.get(address, timeout=SECONDS, allow_redirects=False, stream=True) as answer:
            if answer.status_code >= 300:
                say(f"TRACKER_PING_URL answered {answer.status_code}; the refresh itself went well")
    except requests.RequestException as error:
        say(f"TRACKER_PING_URL could not be reached ({type(error).__name__}); the refresh itself went well")
