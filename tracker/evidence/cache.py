"""Answers that readers ask for repeatedly, kept until the database changes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

T = TypeVar("T")
# Seconds after a write for which nothing is kept.
SETTLED = 2.0


class Cache(Generic[T]):
    """The latest answers by key, at most ``most`` of them, for any number of threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: dict[Hashable, T] = {}
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if key in self._answers:
                return self._answers[key]
        made = make()
        with self._lock:
            while len(self._answers) >= self._most:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = made
        return made


_ANSWERS: Cache[Any] = Cache(512)


def cached(db: sqlite3.Connection, name: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """What ``make`` reads from the main database of a read-only connection; callers must not change it.

    The state is taken before reading, so that a commit in between makes it too old, never too new.
    """
    path = next(file for _, schema, file in db.execute("pragma database_list") if schema == "main")
    if _is_being_written(path):
        return make()
    key = (path, state(path), state(f"{path}-wal"), *name)
    answer: T = _ANSWERS.get(key, make)
    return answer


def cached_of_all(db: sqlite3.Connection, name: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """What ``make`` reads from all databases of a read-only connection; callers must not change it.

    Inside a transaction, which may see what was there before the latest commit, nothing is kept.
    """
    paths = [path for _, _, path in db.execute("pragma database_list") if path]
    if db.in_transaction or any(map(_is_being_written, paths)):
        return make()
    answer: T = _ANSWERS.get((states(db), *name), make)
    return answer


def _is_being_written(path: str) -> bool:
    """Whether the file or its log changed a moment ago.

    A commit shows in the log before readers see it: what is read then would be kept as if it were the new state's.
    """
    return any(
        abs(time.time() - status.st_mtime) < SETTLED
        for file in (Path(path), Path(f"{path}-wal"))
        if file.exists() and (status := file.stat()).st_size
    )


def states(db: sqlite3.Connection) -> Hashable:
    """Of all databases of a connection, to keep under it what is read of them; to be taken before reading.

    Not inside a transaction, which may see what was there before the latest commit.
    """
    files = sorted(path for _, _, path in db.execute("pragma database_list") if path)
    return tuple((path, state(path), state(f"{path}-wal")) for path in files)


def state(path: str) -> str:
    """A file's state, to tell whether it was written to. An empty log counts as none, as every reader makes one."""
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return ""
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}" if status.st_size else ""
