"""One writing job at a time in a database folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from tracker.errors import LockHeld, UsageError

WRITING = ".refresh.lock"
# Somebody who asks whether a lock is held holds it for a moment, in seconds.
A_MOMENT = 0.5


@contextmanager
def writing_job(db_dir: Path) -> Iterator[None]:
    """Hold ``db_dir/.refresh.lock``; the system releases it however the process ends.

    Raises LockHeld if another job holds it, UsageError if the folder cannot be written.
    """
    try:
        db_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(db_dir, error) from None
    with _held(db_dir / WRITING, "another refresh, load or rebuild is running in this folder"):
        yield


def is_writing(db_dir: Path) -> bool:
    """Whether a job holds the lock of ``db_dir`` now. One that cannot be tried (another user's) counts as held."""
    path = db_dir / WRITING
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):
        return True


@contextmanager
def backing_up(folder: Path) -> Iterator[None]:
    """One backup at a time in a folder of backups, which must exist. Raises as ``writing_job`` does."""
    with _held(folder / ".backup.lock", "another backup is being made in this folder"):
        yield


@contextmanager
def _held(path: Path, otherwise: str) -> Iterator[None]:
    lock = FileLock(path, timeout=A_MOMENT)
    try:
        lock.acquire()
    except Timeout:
        raise LockHeld(f"{path}: {otherwise}. Try again when it has finished.") from None
    except OSError as error:
        raise _unwritable(path.parent, error) from None
    try:
        yield
    finally:
        lock.release()


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{folder}: cannot be written ({error.strerror}). Check the folder and its owner, or choose another."
    )
