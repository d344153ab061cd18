"""Text from elsewhere on a terminal or in a log, where some characters act instead of being shown."""

from __future__ import annotations

import re

# Control characters but tabs and line breaks, and what turns the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text from records without what would drive a terminal: control characters but line breaks, bidi overrides."""
    return _CONTROLS.sub("", text)


def harmless_json(text: str) -> str:
    """JSON that says the same without those characters; all of them stand in its strings."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """Text on one line of a log; what is not printed is written as Python writes it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
