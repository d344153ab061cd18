"""What readers ask for again and again, kept until the database changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 512
_KEPT: dict[tuple[Hashable, ...], Any] = {}


def kept(db: sqlite3.Connection, name: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """What ``make`` reads from the main database of a connection that only reads; nobody may change it.

    The state is taken before reading: then a commit in between makes it too old, and never too new.
    """
    path = next(file for _, schema, file in db.execute("pragma database_list") if schema == "main")
    key = (path, state(path), state(f"{path}-wal"), *name)
    if key not in _KEPT:
        while len(_KEPT) >= MOST:
            # Another thread may be doing the same.
            _KEPT.pop(next(iter(_KEPT)), None)
        _KEPT[key] = make()
    found: T = _KEPT[key]
    return found


def state(path: str) -> str:
    """Of a file, to tell whether it was written to. A log that is empty is as good as none: every reader makes one."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}" if found.st_size else ""
