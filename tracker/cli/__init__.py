"""The commands: each parses, calls one function, and says what happened. Data to stdout, messages to stderr."""

from tracker.cli import (
    browse,
    external,
    jobs,
    mail,
    new,
    people,
    questions,
    report,
    snapshot,
    strategy,
    tag,
    watch,
)
from tracker.cli.base import main

__all__ = [
    "browse",
    "external",
    "jobs",
    "mail",
    "main",
    "new",
    "people",
    "questions",
    "report",
    "snapshot",
    "strategy",
    "tag",
    "watch",
]
