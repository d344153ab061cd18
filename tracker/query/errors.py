"""What can be wrong with a query, as errors that the command line can show."""

from __future__ import annotations

from tracker.errors import UsageError


class QueryError(UsageError):
    """The text is not a query that PubMed would read as it was meant."""


class UnsupportedQuery(UsageError):
    """The query is sound, but cannot be evaluated without PubMed."""
