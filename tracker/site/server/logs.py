"""The server's log: one line per event, and nothing that a reader sent except the path of a page that failed.

An exception's message often contains a reader's words: what they searched for, wrote or sent as SQL. So we log its
type, its SQLite or system error name, and where it was raised, and its message only with TRACKER_DEBUG=1.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from tracker.clock import now
from tracker.harmless import one_line
from tracker.jsonlines import JsonLines

# How many frames of a traceback (the innermost), and how many exceptions of a chain, are logged.
MOST_FRAMES, MOST_CAUSES = 20, 5


class Lines(logging.Formatter):
    """Formats every record this way, including those of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{now()} {record.levelname}: {_message(record)}"
        if record.exc_info and (error := record.exc_info[1]):
            text += "\n" + "".join(_told(error)).rstrip()
        return text


class JsonHandler(logging.Handler):
    """Writes the same as one object a line, where standard error takes such."""

    def emit(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.stderr, JsonLines):
            return
        error = record.exc_info[1] if record.exc_info else None
        more = {"traceback": "".join(_told(error)).rstrip()} if error else {}
        sys.stderr.log(record.levelname.lower(), _message(record), **more)


def config() -> dict[str, Any]:
    """For uvicorn and everything else logged in this process (logging.config.dictConfig)."""
    kind = JsonHandler if isinstance(sys.stderr, JsonLines) else logging.StreamHandler
    handler: dict[str, Any] = {"()": kind, "formatter": "lines"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": Lines}},
        "handlers": {"stderr": handler},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
    }


def _message(record: logging.LogRecord) -> str:
    # Further lines are by libraries; they say what was being done, with the data that it was done to.
    return one_line(record.getMessage().strip().partition("\n")[0])


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
