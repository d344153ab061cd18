"""One version of a question's search: its named lines, how they are combined, and the query that is sent."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

OPERATORS = ("AND", "OR", "NOT")
# As many characters of a hash as name a version on pages and in files.
SHOWN = 12


class SearchLine(NamedTuple):
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Strategy:
    """``text`` is the PubMed query exactly as it is sent.

    Versions that were stored without their lines have none, and no ``combine``.
    """

    text: str
    lines: tuple[SearchLine, ...] = ()
    combine: str | None = None

    @classmethod
    def of(cls, lines: Iterable[SearchLine], combine: str) -> Self:
        """``combine`` with each name replaced by its line in parentheses."""
        lines = tuple(lines)
        queries = dict(lines)
        text = re.sub(r"[^\s()]+", lambda word: _in_parentheses(queries, word.group()), combine)
        return cls(text, lines, combine)

    @classmethod
    def stored(cls, text: str, lines: str | None) -> Self:
        """A strategy from its columns: the query, and the lines as JSON, if they are known."""
        queries: dict[str, str] = json.loads(lines or "{}")
        combine = queries.pop("combine", None)
        return cls(text, tuple(SearchLine(*line) for line in queries.items()), combine)

    @property
    def hash(self) -> str:
        """SHA-256 of the query in hexadecimal: the same hash means the same search."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def lines_as_json(self) -> str | None:
        """The lines and ``combine`` as they are stored."""
        if self.combine is None:
            return None
        return json.dumps({**dict(self.lines), "combine": self.combine}, ensure_ascii=False)


def _in_parentheses(lines: dict[str, str], name: str) -> str:
    return name if name in OPERATORS else f"({lines[name]})"
