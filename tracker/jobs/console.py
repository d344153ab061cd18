"""What a job says while it works: progress bars on a terminal, log lines elsewhere. Always to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console as Rich
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tracker.clock import now
from tracker.harmless import harmless
from tracker.jsonlines import JsonLines

Advance = Callable[[int], None]


class Console:
    """``say`` prints a line, ``progress`` counts something up, ``waiting`` explains a pause."""

    def __init__(self, quiet: bool = False) -> None:
        self._rich = Rich(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)
        self._quiet = quiet

    def say(self, text: str) -> None:
        if self._quiet:
            return
        text = harmless(text)
        if isinstance(sys.stderr, JsonLines):
            sys.stderr.log("info", text)
        elif self._rich.is_terminal:
            self._rich.print(text)
        else:
            print(f"{now()} {text}", file=sys.stderr, flush=True)  # noqa: T201 - a log line

    def waiting(self, seconds: float, reason: str) -> None:
        """PubMed asked us to slow down, or failed: we wait before the next try."""
        self.say(f"{reason}; trying again in {seconds:.1f} s")

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """Yields a function to call with how many more are done."""
        if self._quiet or not total:
            yield lambda count: None
        elif self._rich.is_terminal:
            with self._bar() as bar:
                task = bar.add_task(what, total=total)
                yield lambda count: bar.advance(task, count)
        else:
            yield self._log_lines(what, total)

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._rich,
            transient=True,
        )

    def _log_lines(self, what: str, total: int) -> Advance:
        done, last = 0, time.monotonic()

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            if done >= total or time.monotonic() - last > 10:
                last = time.monotonic()
                self.say(f"{what}: {done:,} of {total:,}")

        return advance
