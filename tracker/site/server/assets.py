"""Our static files, under addresses that change with what is in them, so that browsers may keep them for good."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasette.app import Datasette

FOLDER = Path(__file__).parents[1] / "static"
PLUGIN = "evidence-tracker"


def address(datasette: Datasette, name: str) -> str:
    """Where the file is served. Raises FileNotFoundError where there is none."""
    return f"{datasette.urls.static_plugins(PLUGIN, name)}?v={_version(name)}"


@cache
def _version(name: str) -> str:
    return sha256((FOLDER / name).read_bytes()).hexdigest()[:12]


def headers(scope: dict[str, Any]) -> dict[bytes, bytes]:
    """A year's keeping for what was asked for by its ``address``: another file is never behind that."""
    name = scope["path"].removeprefix(f"/-/static-plugins/{PLUGIN}/")
    if "/" in name or not (FOLDER / name).is_file():
        return {}
    fits = scope["query_string"] == f"v={_version(name)}".encode()
    return {b"cache-control": b"public, max-age=31536000, immutable" if fits else b"no-cache"}
