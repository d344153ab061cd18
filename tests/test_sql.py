"""The SQL in the code: what Python's sqlite3 will refuse one day is not there today."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import tracker

# Behind a word of SQL: in a pattern of ours a question mark with a number is something else.
NUMBERED = re.compile(r"\b(?:select|insert|update|delete|where|values|set)\b.*\?[0-9]", re.I | re.S)


def test_no_parameter_is_numbered() -> None:
    """From Python 3.14 on ``?1`` with a sequence is an error (docs.python.org, sqlite3, "placeholders")."""
    package = Path(tracker.__file__).parent
    found = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NUMBERED.search(node.value)
    ]
    assert not found
