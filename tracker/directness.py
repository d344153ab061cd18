"""How directly a record bears on a question, as the rules read it and as a person may place it."""

from __future__ import annotations

from typing import Literal, cast

Directness = Literal["direct", "indirect", "off"]
DIRECTNESS: tuple[Directness, ...] = ("direct", "indirect", "off")

# For a reader: "direct" sounds like strong, "off" like withdrawn.
DIRECTNESS_WORDS: dict[Directness, str] = {
    "direct": "In people treated",
    "indirect": "In other people or animals",
    "off": "Not about this",
}


def directness_words(value: str) -> str:
    return DIRECTNESS_WORDS.get(cast(Directness, value), value)
