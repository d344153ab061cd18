"""Which databases nobody sees, and what the browser is told to refuse: a strict policy on every answer.

Our own pages need no inline script or style at all. Datasette's own have some scripts in their templates:
those, and never what comes with data, get this answer's nonce, as the template is read.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Callable
from typing import Any

from jinja2 import BaseLoader, Environment

from tracker.site import assets

EVIDENCE, SITE, ANNOTATIONS = "evidence", "_site", "annotations"
# Read by our own pages only; readers' SQL never reaches a connection that can see annotations.
HIDDEN = frozenset((SITE, ANNOTATIONS))

_INLINE = re.compile(r"<(script)(?![^>]*\s(?:src|nonce)=)([^>]*)>")
# Templates that we wrote; whatever else is rendered is Datasette's.
OURS = ("/", "/methods", "/changes", "/search", "/sign-in", "/sign-out", "/account")
OURS_BELOW = ("/questions/", "/articles/", "/account/")

_POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_STRICT = _POLICY.format(script="'self'", style="'self'")
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"strict-origin-when-cross-origin",
    b"x-frame-options": b"DENY",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), interest-cohort=()",
    b"cross-origin-opener-policy": b"same-origin",
}


def readers_may(action: int, name: str | None, *_: str | None) -> int:
    """SQLite's authoriser where readers write the SQL: no other file, and not where this one lies."""
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and name == "database_list":
        return sqlite3.SQLITE_IGNORE
    return sqlite3.SQLITE_OK


class NonceLoader(BaseLoader):
    """Reads templates through another loader, giving their inline scripts a nonce."""

    def __init__(self, inner: BaseLoader) -> None:
        self._inner = inner

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, name, fresh = self._inner.get_source(environment, template)
        return _INLINE.sub(r'<\1 nonce="{{ csp_nonce }}"\2>', source), name, fresh

    def list_templates(self) -> list[str]:
        return self._inner.list_templates()


def secured(app: Any) -> Any:
    """The ASGI application, with security headers on whatever it answers."""

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        is_https = scope.get("scheme") == "https"
        headers = {
            **_HEADERS,
            **assets.headers(scope),
            b"content-security-policy": policy(scope["path"], nonce).encode(),
        }

        async def send_secured(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    (name, _over_https(value) if is_https and name.lower() == b"set-cookie" else value)
                    for name, value in message.get("headers", ())
                    if name.lower() not in headers
                ]
                message = {**message, "headers": [*kept, *headers.items()]}
            await send(message)

        await app({**scope, "csp_nonce": nonce}, receive, send_secured)

    return answer


def _over_https(cookie: bytes) -> bytes:
    """A cookie that was set over HTTPS, by whichever plugin, is sent over nothing else."""
    return cookie if b"; secure" in cookie.lower() else cookie + b"; Secure"


def policy(path: str, nonce: str) -> str:
    """The policy for the answer at this path. Datasette's own pages and their SQL editor write styles as well."""
    if path in OURS or path.startswith(OURS_BELOW):
        return _STRICT
    return _POLICY.format(script=f"'self' 'nonce-{nonce}'", style="'self' 'unsafe-inline'")
