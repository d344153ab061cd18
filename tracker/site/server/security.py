"""Which databases are hidden from everybody, and what browsers must refuse: a strict policy on every answer.

Our own pages need no inline script or style at all. Datasette's own have some scripts in their templates:
these get the answer's nonce when the template is read, and scripts in data never do.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from jinja2 import BaseLoader, Environment

from tracker.site.server import assets
from tracker.site.server.compat import Base400

EVIDENCE, SITE, ANNOTATIONS = "evidence", "_site", "annotations"
# Used by our own pages only; readers' SQL never reaches a connection that can see annotations.
HIDDEN = frozenset((SITE, ANNOTATIONS))

# A script of JSON is data: browsers never run it, and no policy asks for its nonce.
_INLINE = re.compile(r"<(script)(?![^>]*\s(?:(?:src|nonce)=|type=\"application/(?:ld\+)?json\"))([^>]*)>")
# Bytes of a form; a longer body is not read to its end, whether or not the sender is signed in.
LONGEST_BODY = 256 * 1024
# Length of path and query. Pages repeat parts of their address in links, so a long one makes a much longer page.
LONGEST_ADDRESS = 8 * 1024
# How many parameters with these prefixes one address of Datasette's tables and queries may have.
MOST_ASKED = {"_facet": (10, "facets"), "_where": (10, "conditions in SQL"), "": (100, "parameters")}

_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"strict-origin-when-cross-origin",
    b"x-frame-options": b"DENY",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), interest-cohort=()",
    b"cross-origin-opener-policy": b"same-origin",
}


class Policy(Enum):
    """What the browser must refuse. Datasette's pages and their SQL editor also set styles."""

    STRICT = _POLICY.format(script="'self'", style="'self'")
    DATASETTES = _POLICY.format(script="'self' 'nonce-{nonce}'", style="'self' 'unsafe-inline'")

    def header(self, nonce: str) -> bytes:
        """The header's value for one answer."""
        return self.value.format(nonce=nonce).encode()


class NonceLoader(BaseLoader):
    """Reads templates through another loader and gives their inline scripts a nonce."""

    def __init__(self, inner: BaseLoader) -> None:
        self._inner = inner

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, name, fresh = self._inner.get_source(environment, template)
        return _INLINE.sub(r'<\1 nonce="{{ csp_nonce }}"\2>', source), name, fresh

    def list_templates(self) -> list[str]:
        return self._inner.list_templates()


class _TooLong(Base400):  # type: ignore[misc]
    """The body is longer than any of our forms."""

    status = 413


class _Refusal(NamedTuple):
    status: int
    words: str


def _refusals(scope: dict[str, Any]) -> Iterator[_Refusal]:
    """Why an address is refused, as it is malformed or asks for too much; checked before anything else parses it."""
    asked: bytes = scope.get("query_string") or b""
    length = len(scope.get("raw_path") or scope["path"].encode()) + len(asked)
    if length > LONGEST_ADDRESS:
        yield _Refusal(
            414,
            f"This address has {length:,} bytes; the limit is {LONGEST_ADDRESS:,} bytes. Ask for less at once.",
        )
    elif not (scope.get("raw_path") or b"").isascii():
        yield _Refusal(400, "This address is malformed. Percent-encode its special characters (RFC 3986).")
    elif scope["path"].startswith((f"/{EVIDENCE}/", f"/{EVIDENCE}.")) or scope["path"] == f"/{EVIDENCE}":
        names = [name for name, _ in parse_qsl(asked.decode("latin-1"), keep_blank_values=True)]
        for beginning, (most, called) in MOST_ASKED.items():
            if (n := sum(name.startswith(beginning) for name in names)) > most:
                yield _Refusal(
                    400,
                    f"A table takes at most {most} {called} at once; this address has {n}. Ask for fewer.",
                )


def secured(app: Any, policy_of: Callable[[str], Policy]) -> Any:
    """The ASGI application with security headers on every answer, and the policy for the requested path.

    Requests that ask for too much never reach it.
    """

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        exchange = _Exchange(scope, receive, send, policy_of(scope["path"]).header(nonce))
        if refusal := next(_refusals(scope), None):
            await exchange.refuse(refusal)
            return
        try:
            await app({**scope, "csp_nonce": nonce}, exchange.receive, exchange.send)
        except _TooLong as error:
            # Datasette answers it when its own code reads the body, but not while the form's token is read.
            await exchange.refuse(_Refusal(error.status, str(error)))

    return answer


class _Exchange:
    """One request and its answer: limits the body's length, and adds our headers to the answer."""

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any, policy: bytes) -> None:
        self._receive, self._send = receive, send
        self._is_https = scope.get("scheme") == "https"
        self._headers = {**_HEADERS, **assets.headers(scope), b"content-security-policy": policy}
        self._heard = 0

    async def receive(self) -> Any:
        message = await self._receive()
        self._heard += len(message.get("body", b""))
        if self._heard > LONGEST_BODY:
            raise _TooLong(f"The form is larger than {LONGEST_BODY:,} bytes. Nothing was written.")
        return message

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            theirs = [
                (name, _over_https(value) if self._is_https and name.lower() == b"set-cookie" else value)
                for name, value in message.get("headers", ())
                if name.lower() not in self._headers
            ]
            message = {**message, "headers": [*theirs, *self._headers.items()]}
        await self._send(message)

    async def refuse(self, refusal: _Refusal) -> None:
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": f"{refusal.words}\n".encode()})


def _over_https(cookie: bytes) -> bytes:
    """A cookie set over HTTPS, by any plugin, is sent only over HTTPS."""
    return cookie if b"; secure" in cookie.lower() else cookie + b"; Secure"
