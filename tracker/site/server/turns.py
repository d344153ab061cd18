"""Long pages are rendered in turns: between two parts of a page, other requests are answered.

Datasette renders its pages on the event loop. A page of 50,000 cells, which any reader can request, takes a second,
during which nobody else would be answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from jinja2 import Template

TURN_SECONDS = 0.01


class Turns:
    """Says when a long piece of work should let the others take their turn."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_over(self) -> bool:
        over = time.perf_counter() >= self._until
        if over:
            self._until = time.perf_counter() + TURN_SECONDS
        return over


class TurnsTemplate(Template):
    """A template that lets others take their turn while it is rendered."""

    async def render_async(self, *args: Any, **kwargs: Any) -> str:
        turns = Turns()
        parts = []
        async for part in self.generate_async(*args, **kwargs):
            parts.append(part)
            if turns.is_over():
                await asyncio.sleep(0)
        return "".join(parts)


_cells = Turns()


def after_a_cell() -> Callable[[], Awaitable[None]] | None:
    """An awaitable for Datasette before the next cell of a table: it only lets the others take their turn."""
    return partial(asyncio.sleep, 0) if _cells.is_over() else None
