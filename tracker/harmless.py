"""Text from elsewhere, made safe for terminals and logs, where some characters act instead of being shown."""

from __future__ import annotations

import re

# Control characters except tabs and line breaks, and those that change the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """Text from records without what could control a terminal: control characters but line breaks, bidi overrides."""
    return _CONTROLS.sub("", text)


def harmless_json(text: str) -> str:
    """JSON with the same meaning without those characters, which occur only in its strings."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str) -> str:
    """Text on one line of a log; unprintable characters are escaped as Python does."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
