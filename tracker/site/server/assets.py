"""Our static files, at addresses that change with their content, so that browsers may keep them for good."""

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
    """The file's address. Raises FileNotFoundError if there is none."""
    return f"{datasette.urls.static_plugins(PLUGIN, name)}?v={_version(name)}"


@cache
def _version(name: str) -> str:
    return sha256((FOLDER / name).read_bytes()).hexdigest()[:12]


def headers(scope: dict[str, Any]) -> dict[bytes, bytes]:
    """Files requested by their ``address`` may be cached for a year, as it never leads to another file."""
    name = scope["path"].removeprefix(f"/-/static-plugins/{PLUGIN}/")
    if "/" in name or not (FOLDER / name).is_file():
        return {}
    fits = scope["query_string"] == f"v={_version(name)}".encode()
    return {b"cache-control": b"public, max-age=31536000, immutable" if fits else b"no-cache"}
