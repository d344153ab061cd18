"""How directly a record bears on a question, as the rules read it and as a person may place it."""

from __future__ import annotations

from typing import Literal

Directness = Literal["direct", "indirect", "off"]
DIRECTNESS: tuple[Directness, ...] = ("direct", "indirect", "off")
