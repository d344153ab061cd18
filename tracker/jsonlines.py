"""Standard error as one JSON object a line, for programs that collect logs: ``time`` (UTC), ``level``, ``message``."""

from __future__ import annotations

import json
from io import TextIOBase
from typing import TextIO

from tracker.clock import now
from tracker.harmless import harmless

ERROR = "Error: "


class JsonLines(TextIOBase):
    """Takes the place of standard error: whatever prints there, each of its lines becomes an object.

    Nothing that prints needs to know; what knows a level, or has more to say, calls ``log``.
    """

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._line = ""

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("This is a stream of text.")
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def log(self, level: str, message: str, **more: str) -> None:
        """One object, with further fields where there are any."""
        told = {"time": now(), "level": level, "message": harmless(message), **more}
        self._out.write(f"{json.dumps(told)}\n")
        self._out.flush()

    def finish(self) -> None:
        """What was printed without an end of its line is a line, too."""
        self._say(self._line)
        self._line = ""

    def writable(self) -> bool:
        return True

    def _say(self, line: str) -> None:
        level = "error" if line.startswith(ERROR) else "info"
        if message := line.removeprefix(ERROR).strip():
            self.log(level, message)
