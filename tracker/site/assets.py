"""Our static files, under addresses that change with what is in them, so that browsers may keep them for good."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasette.app import Datasette

FOLDER = Path(__file__).with_name("static")
PLUGIN = "evidence-tracker"


def address(datasette: Datasette, name: str) -> str:
    """Where the file is served. Raises FileNotFoundError where there is none."""
    return f"{datasette.urls.static_plugins(PLUGIN, name)}?v={_version(name)}"


@cache
def _version(name: str) -> str:
    return sha256((FOLDER / name).read_bytes()).hexdigest()[:12]


def headers(scope: dict[str, Any]) -> dict[bytes, bytes]:
    """A year's keeping for a file that was asked for by ``address``: another one is never behind it."""
    ours = scope["path"].startswith(f"/-/static-plugins/{PLUGIN}/")
    return (
        {b"cache-control": b"public, max-age=31536000, immutable"} if ours and scope["query_string"] else {}
    )
