"""Passwords: rules, hashes, and a short queue, so that a flood of attempts cannot use up the processor.

The hashing (PBKDF2 with SHA-256) is ``datasette_auth_passwords.utils``; nothing else of that plugin is used.
"""

from __future__ import annotations

import asyncio
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from datasette_auth_passwords.utils import hash_password, verify_password

from tracker import topic
from tracker.errors import TrackerError, UsageError

T = TypeVar("T")
SHORTEST, LONGEST = 12, 1000
# From OWASP's Password Storage Cheat Sheet (2023), for PBKDF2 with SHA-256.
ITERATIONS = 600_000
# Used for comparison if nobody has the name, so that it takes as long; no password has this hash.
NOBODY = f"pbkdf2_sha256${ITERATIONS}${'0' * 32}${'A' * 43}="
# Long enough, but among the first passwords that anybody tries (letters and digits only).
COMMON = frozenset(
    """
    123456789012 1234567890123 12345678901234 123456123456 123123123123 111222333444 qwertyuiop12 qwertyuiop123
    qwerty123456 qwertyqwerty 1q2w3e4r5t6y 1qaz2wsx3edc abcdefghijkl abcdefgh1234 password1234 password12345
    password123456 passwordpassword letmeinletmein iloveyouiloveyou administrator administrator1 adminadminadmin
    welcome12345 changemechangeme changeme1234 correcthorsebatterystaple evidencetracker trackertracker
    """.split()
)
AT_ONCE, QUEUED = 2, 8

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
_places = threading.BoundedSemaphore(AT_ONCE + QUEUED)


class Busy(TrackerError):
    """Too many passwords are waiting to be checked in reasonable time."""


def check_new(password: str, *names: str) -> None:
    """Raises UsageError for an unacceptable password; ``names`` are the person's own names."""
    plain = _letters(password)
    if len(password) < SHORTEST:
        raise UsageError(
            f"a password needs at least {SHORTEST} characters. Three or four words make a good one."
        )
    if len(password) > LONGEST:
        raise UsageError(f"a password may have at most {LONGEST:,} characters.")
    if any(not character.isprintable() for character in password):
        raise UsageError("a password may not contain line breaks or other control characters.")
    if any(own in plain and not plain.replace(own, "").strip("0123456789") for own in _letters_of(names)):
        raise UsageError("a password must be more than the person's name.")
    of_the_site = (word for word in _letters_of(topic.current().site.title.split()) if len(word) > 2)
    if len(set(password)) < 5 or plain in COMMON or any(not plain.replace(word, "") for word in of_the_site):
        raise UsageError("this password is too easy to guess. Choose another.")


def hashed(password: str) -> str:
    """The hash that is stored. It takes a few tenths of a second."""
    made: str = hash_password(_normal(password), iterations=ITERATIONS)
    return made


def is_right(password: str, stored: str | None) -> bool:
    """Whether this is the password that was hashed; without a hash, False after the same time."""
    return len(password) <= LONGEST and bool(verify_password(_normal(password), stored or NOBODY))


@contextmanager
def turn() -> Iterator[None]:
    """A place in the queue; use ``in_thread`` inside it to check passwords. Raises Busy if the queue is full."""
    if not _places.acquire(blocking=False):
        raise Busy("Many people are signing in at the moment. Try again in a few seconds.")
    try:
        yield
    finally:
        _places.release()


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Do the work in a thread, so that no page waits: there are few, as each takes a whole core."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work, *arguments)


def _normal(password: str) -> str:
    """Normalise a password typed on any keyboard: an accent may be a separate character or part of one (RFC 8265)."""
    return unicodedata.normalize("NFC", password)


def _letters_of(names: Iterable[str]) -> list[str]:
    return [letters for letters in map(_letters, names) if letters]


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
