"""The family of errors that the command line turns into one line and an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

# How serious a finding in a file or a query is; a note is information only.
Severity = Literal["error", "warning", "note"]


class TrackerError(Exception):
    """Something went wrong that a person can act on.

    The message is one or a few plain sentences: what was found, where, and what to do.
    ``exit_code`` is what the command line ends with (docs/commands.md lists them).
    """

    exit_code = 1


class CorruptDatabase(TrackerError):
    """A database file is damaged, or is not one of ours."""


class UsageError(TrackerError):
    """Bad input, configuration or arguments: nothing was started and nothing was written."""

    exit_code = 2


class Refused(UsageError):
    """A person may not write this at present; the message says why and what to do."""


class NotThere(UsageError):
    """What was named does not exist."""


class NewerSchema(UsageError):
    """The database was written by a later version of evidence-tracker."""


class UnusableInput(UsageError):
    """A file cannot be read as the kind of file it was given as."""


class RecordError(TrackerError):
    """One record cannot be read; the others are unaffected."""

    exit_code = 3


class WorkRemains(TrackerError):
    """The job ended honestly but not completely, or a check found something."""

    exit_code = 3


class ServiceError(WorkRemains):
    """PubMed (or another service) did not give a usable answer, after retries.

    ``final`` means that the same request will fail whenever it is sent.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class LockHeld(TrackerError):
    """Another job is writing to the same database folder."""

    exit_code = 4


def choose_one(names: Iterable[str]) -> str:
    """The remedy for an unknown name, as a sentence: ``Choose one of: a, b.``"""
    known = ", ".join(names)
    return f"Choose one of: {known}." if known else "There are none yet."


def either(names: Iterable[str]) -> str:
    """The choices in words: ``a, b or c``; ``nothing`` if there is nothing."""
    *first, last = [*names] or ["nothing"]
    return f"{', '.join(first)} or {last}" if first else last
