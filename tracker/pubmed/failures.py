"""Why a try gave nothing usable, in words for staff: a failed connection, an error status, a body that is no answer."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

import requests
import urllib3

from tracker.errors import UsageError

LONGEST_RETRY_AFTER = 60.0

LATER = "Nothing stored is lost; try again later."
NOT_AGAIN = "Asking again would not help; check what was asked for."
CHECK_PROXY = "Check HTTPS_PROXY (or HTTP_PROXY), and NO_PROXY."
CHECK_CERTIFICATE = (
    "Where a hospital's proxy opens secure connections, set REQUESTS_CA_BUNDLE to the file (PEM) "
    "that holds its certificate."
)
WRONG_KEY = (
    "NCBI_API_KEY: NCBI does not accept this key. Copy it again from your NCBI account settings, or unset it."
)

# Complaints about the request itself, seen in real answers; any other complaint may be temporary.
FINAL_WORDS = re.compile(
    r"empty term|empty id list|id list is empty|cannot be larger than|can only retrieve the first"
    r"|invalid uid|too many uids|invalid db|syntax",
    re.IGNORECASE,
)
WRONG_KEY_WORDS = re.compile(r"api[ _-]?key\W.{0,20}\b(invalid|unknown|wrong|expired|not)\b", re.IGNORECASE)
HTML_PAGE = re.compile(rb"\s*(<\?xml[^>]*>\s*)?<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)


class Failure(NamedTuple):
    """Why one try gave nothing usable.

    ``again`` says whether another try may help, ``answered`` whether the service itself spoke;
    ``retry_after`` is the pause that it asked for, in seconds. ``final``: the request itself is at fault.
    """

    reason: str
    again: bool = True
    answered: bool = False
    retry_after: float | None = None
    remedy: str = LATER
    final: bool = False


def request_at_fault(reason: str) -> Failure:
    """The same request would fail whenever it is sent."""
    return Failure(reason, again=False, answered=True, remedy=NOT_AGAIN, final=True)


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


def explain(error: Exception, timeout: float) -> Failure | UsageError:
    """A failed connection in words for staff, never in the exception's words, which may hold a password."""
    text = str(error)
    match error:
        case requests.exceptions.ProxyError() if "407" in text:
            return _proxy_wants_password()
        case requests.exceptions.ProxyError():
            return Failure("the proxy could not be used", remedy=CHECK_PROXY)
        case requests.exceptions.SSLError() if "certificate" in text.lower():
            return Failure("its certificate could not be verified", again=False, remedy=CHECK_CERTIFICATE)
        case requests.exceptions.SSLError():
            return Failure("the secure connection failed", remedy=CHECK_CERTIFICATE)
        case requests.exceptions.ConnectTimeout():
            return Failure(f"no connection within {min(10.0, timeout):g} s")
        case requests.exceptions.Timeout():
            return Failure(f"no answer within {timeout:g} s")
        case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
            return Failure("an answer that broke off", answered=True)
        case requests.exceptions.ConnectionError() if "timed out" in text.lower():
            return Failure(f"an answer that paused for {timeout:g} s")
        case requests.exceptions.ConnectionError() if "resolve" in text.lower():
            return Failure("its address was not found", remedy=f"Is the network up? {LATER}")
        case requests.exceptions.ConnectionError():
            return Failure("the connection was refused or lost")
        case requests.RequestException() | urllib3.exceptions.HTTPError() | ValueError():
            return UsageError(f"The proxy or the address of the service cannot be used. {CHECK_PROXY}")
        case _ if "CA cert" in text:
            return UsageError("REQUESTS_CA_BUNDLE: no such file. Set it to a certificate file (PEM).")
        case _:
            return Failure("the connection was refused or lost")


def _proxy_wants_password() -> Failure:
    return Failure(
        "the proxy asks for a name and password",
        again=False,
        remedy="Put them into HTTPS_PROXY (and HTTP_PROXY): http://NAME:PASSWORD@PROXY:PORT.",
    )


def judge_status(answer: Answer) -> Failure | None:
    """What an HTTP status says went wrong; None for a success."""
    status = answer.status
    if status < 300:
        return None
    if status < 400:
        return Failure(f"HTTP {status}, a redirect to another address", again=False, remedy=CHECK_PROXY)
    if status == 407:
        return _proxy_wants_password()
    if status == 429 or status >= 500:
        after = retry_after(answer.headers.get("Retry-After"))
        return Failure(_status_text(status), answered=status == 500, retry_after=after)
    words = None if HTML_PAGE.match(answer.body) else service_words(answer.body)
    reason = f'{_status_text(status)}, "{words}"' if words else _status_text(status)
    return request_at_fault(reason)


def _status_text(status: int) -> str:
    try:
        return f"HTTP {status} ({HTTPStatus(status).phrase.lower()})"
    except ValueError:
        return f"HTTP {status}"


def retry_after(value: str | None) -> float | None:
    """Seconds asked for by a ``Retry-After`` header (RFC 9110, 10.2.3: seconds or a date), at most 60."""
    if not value:
        return None
    try:
        seconds = (
            float(value)
            if re.fullmatch(r"[0-9]{1,9}", value.strip())
            else (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def judge_body(body: bytes, root: bytes) -> Failure | None:
    """What is wrong with the body of an HTTP 200, which with E-utilities is not yet success.

    None if it is an XML document that closes with the expected root. Whether it is well-formed
    is for its reader to judge.
    """
    text = body.strip()
    if not text:
        return Failure("an empty answer", answered=True)
    if HTML_PAGE.match(text):
        return Failure("an HTML page instead of data")
    if (words := service_words(text)) is not None:
        if FINAL_WORDS.search(words) or WRONG_KEY_WORDS.search(words):
            return request_at_fault(f'"{words}"')
        return Failure(f'"{words}"', answered=True)
    if b"<!ENTITY" in text:
        return Failure("an answer that declares XML entities, which PubMed never does", answered=True)
    if b"<" + root not in text:
        return Failure("something other than the XML asked for", answered=True)
    if not re.search(rb"<(/%s\s*|%s\s*/)>$" % (root, root), text[-200:]):
        return Failure("an answer that was cut short", answered=True)
    return None


def service_words(body: bytes) -> str | None:
    """The service's complaint in a body (``<ERROR>``, JSON, plain text), or None if it has none."""
    text = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        _, tag, rest = text.partition(b"<ERROR>")
        words = html.unescape(_decoded(rest.partition(b"</ERROR>")[0]))
        return _tidy(words) if tag else None
    return _tidy(_json_words(_decoded(text)) if text.startswith((b"{", b"[")) else _decoded(text))


def _decoded(text: bytes) -> str:
    return text[:100_000].decode("utf-8", "replace")


def _json_words(text: str) -> str:
    try:
        # Not strict: NCBI puts raw line breaks into its JSON strings.
        answer = json.loads(text, strict=False)
    except ValueError:
        return "broken JSON"
    nested = [answer, *answer.values()] if isinstance(answer, dict) else []
    errors = (part.get("error") or part.get("ERROR") for part in nested if isinstance(part, dict))
    return str(next(filter(None, errors), "JSON instead of XML"))


def _tidy(words: str) -> str:
    """On one line, without control characters, short enough for a message."""
    line = " ".join("".join(c if c.isprintable() else " " for c in words[:1000]).split())
    return line if len(line) <= 200 else line[:199] + "…"
