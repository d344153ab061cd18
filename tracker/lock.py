"""One writing job at a time in a database folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tracker.errors import LockHeld, UsageError


@contextmanager
def writing_job(db_dir: Path) -> Iterator[None]:
    """Hold ``db_dir/.refresh.lock``; the system lets go of it however the process ends.

    Raises LockHeld where another job holds it, UsageError where the folder cannot be written.
    """
    path = db_dir / ".refresh.lock"
    lock = FileLock(path, timeout=0)
    try:
        db_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LockHeld(
            f"{path}: another refresh, load or rebuild is running in this folder. Try again when it is done."
        ) from None
    except OSError as error:
        raise UsageError(
            f"{db_dir}: cannot be written ({error.strerror}). Check the folder and its owner, or give --db-dir."
        ) from None
    try:
        yield
    finally:
        lock.release()
