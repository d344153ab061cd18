"""The commands: each parses, calls one function, and says what happened. Data to stdout, messages to stderr."""

from tracker.cli import jobs, people, reading, tag
from tracker.cli.base import main

__all__ = ["jobs", "main", "people", "reading", "tag"]
