"""The pace at which this user asks a service, however many processes ask."""

from __future__ import annotations

import os
import re
import stat
import tempfile
import time
from pathlib import Path

import filelock

from tracker.errors import ServiceError, UsageError
from tracker.settings import TOOL

MARGIN = 1.1
LONGEST_QUEUE = 10.0


class Pace:
    """Turns for requests to one host, shared by all processes of one user through a small file.

    ``per_second`` is the limit; turns are a tenth further apart than it requires, so that requests that
    are delayed unevenly on their way still do not crowd into one second.
    """

    def __init__(self, host: str, per_second: float) -> None:
        folder = private_folder()
        name = re.sub(r"[^A-Za-z0-9.-]", "_", host)
        self.file = folder / f"{name}.pace"
        self._lock = filelock.FileLock(folder / f"{name}.lock", timeout=30)
        self._interval = MARGIN / per_second

    def at_most(self, per_second: float) -> None:
        """From now on no faster than this: a service may allow less than its documentation says."""
        self._interval = max(self._interval, MARGIN / per_second)

    def wait(self) -> None:
        """Return when it is our turn. Raises ServiceError if the pace file cannot be used.

        The lock is held while we wait, and the mark is made when the wait is over: on a busy machine a late
        turn must not let the next one follow too soon.
        """
        try:
            with self._lock:
                wait = self._last_turn() + self._interval - time.monotonic()
                # Nobody waits this long: the mark is from before a restart, when the clock was further on.
                if 0 < wait <= LONGEST_QUEUE:
                    time.sleep(wait)
                self.file.write_text(repr(time.monotonic()))
        except (OSError, filelock.Timeout) as error:
            raise ServiceError(
                f"{self.file}: the file that keeps us under the service's limit cannot be used "
                f"({type(error).__name__}). Is the disk full, or another refresh suspended?"
            ) from None

    def _last_turn(self) -> float:
        try:
            return float(self.file.read_text())
        except (FileNotFoundError, ValueError):
            return float("-inf")


def private_folder() -> Path:
    """A folder for this user alone in the temporary directory, made if need be.

    Raises UsageError if it cannot be made, or if what is there is not only ours: anybody may
    write to the temporary directory, and a planted link would lead our writes elsewhere.
    """
    owner = os.getuid() if hasattr(os, "getuid") else None
    try:
        folder = Path(tempfile.gettempdir()) / (TOOL if owner is None else f"{TOOL}-{owner}")
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise UsageError(
            f"The temporary directory cannot be used ({error}). Set TMPDIR to a folder that you may write to."
        ) from None
    ours = stat.S_ISDIR(status.st_mode) and (
        owner is None or (status.st_uid == owner and not status.st_mode & 0o077)
    )
    if not ours:
        raise UsageError(
            f"{folder}: this folder does not belong to you alone. Remove it, or set TMPDIR to a folder of your own."
        )
    return folder
