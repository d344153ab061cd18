"""The commands: each parses, calls one function, and says what happened. Data to stdout, messages to stderr."""

from tracker.cli import browse, external, jobs, mail, people, questions, report, strategy, tag
from tracker.cli.base import main

__all__ = ["browse", "external", "jobs", "mail", "main", "people", "questions", "report", "strategy", "tag"]
