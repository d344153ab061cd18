"""The server's log: one line for each event, and nothing in it that a reader sent but the path of a page that failed.

What an exception says often has a reader's words in it: what they searched for, wrote or sent as SQL. So its kind, what
SQLite or the system calls it, and where it was raised are logged, and its own words only with TRACKER_DEBUG=1.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import traceback
from collections.abc import Iterator
from typing import Any

from tracker.clock import now
from tracker.harmless import one_line

# Frames of one traceback, the innermost, and exceptions of one chain.
MOST_FRAMES, MOST_CAUSES = 20, 5


class Lines(logging.Formatter):
    """Formats every record this way, whoever made it."""

    def format(self, record: logging.LogRecord) -> str:
        # Further lines are told by libraries, of what was being done, with whatever it was done to.
        message = record.getMessage().strip().partition("\n")[0]
        text = f"{now()} {record.levelname}: {one_line(message)}"
        if record.exc_info and (error := record.exc_info[1]):
            text += "\n" + "".join(_told(error)).rstrip()
        return text


def config() -> dict[str, Any]:
    """For uvicorn, and for all else that is logged in this process (logging.config.dictConfig)."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": Lines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
    }


def _told(error: BaseException) -> Iterator[str]:
    """An exception and those that led to it, the last one first."""
    each: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if each is None:
            return
        yield f"{_kind(each)}, raised in\n"
        yield from traceback.format_tb(each.__traceback__)[-MOST_FRAMES:]
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _kind(error: BaseException) -> str:
    told = [getattr(error, "sqlite_errorname", None) if isinstance(error, sqlite3.Error) else None]
    told.append(error.strerror if isinstance(error, OSError) else None)
    if os.environ.get("TRACKER_DEBUG"):
        told.append(one_line(str(error)))
    return ": ".join([type(error).__qualname__, *filter(None, told)])
