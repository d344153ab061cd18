"""The site below a path of a host that serves other things as well: ``https://example.org/evidence-tracker/``.

Inside, paths are as if the site were at the root, which is also what Datasette's own links are made from. A proxy may
send the whole path or remove its first part.
"""

from __future__ import annotations

import re
from typing import Any

_WHOLE_HOST = re.compile(rb";\s*path=/(?=;|$)", re.I)


def below(base: str, app: Any) -> Any:
    """The ASGI application served below ``base`` (``/evidence-tracker/``); unchanged if that is ``/``."""
    if base == "/":
        return app
    front = base.rstrip("/")

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def send_below(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    (name, _moved(name.lower(), value, base)) for name, value in message.get("headers", ())
                ]
                message = {**message, "headers": headers}
            await send(message)

        if scope["path"] == front:
            start = {"type": "http.response.start", "status": 308, "headers": [(b"location", base.encode())]}
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        inside = {**scope, "base_path": base, "path": _without(scope["path"], base)}
        if raw := scope.get("raw_path"):
            inside["raw_path"] = _without(raw.decode("latin-1"), base).encode("latin-1")
        await app(inside, receive, send_below)

    return answer


def base_path(scope: dict[str, Any]) -> str:
    """The path at which the site begins, from an ASGI scope inside it: ``/`` or the base."""
    path: str = scope.get("base_path", "/")
    return path


def _without(path: str, base: str) -> str:
    return "/" + path.removeprefix(base) if path.startswith(base) else path


def _moved(header: bytes, value: bytes, base: str) -> bytes:
    """Keep all redirects and cookies below the base, including Datasette's and other plugins'."""
    if header == b"location" and value.startswith(b"/") and not value.startswith((b"//", base.encode())):
        return base.encode() + value[1:]
    if header == b"set-cookie" and not value.startswith(b"__Host-"):
        return _WHOLE_HOST.sub(b"; Path=" + base.encode(), value)
    return value
