"""The time in the form that every table and log line uses."""

from __future__ import annotations

from datetime import UTC, date, datetime


def now() -> str:
    """This moment in UTC, ``2026-11-24T20:11:16Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def today() -> date:
    """This day in UTC."""
    return datetime.now(UTC).date()
