"""Adding to a question's file without touching the rest of it: its comments and its order stay as people wrote them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import yaml

from tracker.article import Pmid
from tracker.errors import UsageError
from tracker.questions import load_question

_KEY = re.compile(r"^(?P<key>[a-z_]+):", re.M)


def add_seed(path: Path, pmid: Pmid, title: str | None) -> bool:
    """Add a paper that every search must find: with its title, or without one as a live seed.

    Returns False if the file has it already. The file is replaced as a whole, and only by one that can be used: raises
    UsageError where the entry has to be written by hand, InvalidQuestions where the file cannot be used as it is.
    """
    question = load_question(path)
    if pmid in question.all_seeds:
        return False
    text = path.read_text(encoding="utf-8")
    changed = _with_entry(text, "seeds" if title else "live_seeds", f"  {pmid}: {_quoted(title or '')}\n")
    if changed is None:
        raise UsageError(f"{path}: its seeds are not one to a line. Add PMID {pmid} by hand.")
    _replace(path, changed)
    return True


def _quoted(text: str) -> str:
    """A text as YAML takes it, on one line."""
    return yaml.safe_dump(text, default_style='"', width=10_000, allow_unicode=True).strip()


def _with_entry(text: str, key: str, entry: str) -> str | None:
    """The text with a line at the end of a top-level mapping, or with the mapping; None where it is not by lines."""
    keys = list(_KEY.finditer(text))
    place = next((number for number, found in enumerate(keys) if found["key"] == key), None)
    if place is None:
        behind = next(
            (found.start() for found in keys if found["key"] in ("live_seeds", "reading", "review")), None
        )
        at = len(text) if behind is None else behind
        return f"{text[:at]}{'' if text[:at].endswith(chr(10)) else chr(10)}{key}:\n{entry}{text[at:]}"
    end = keys[place + 1].start() if place + 1 < len(keys) else len(text)
    lines = text[keys[place].end() : end].splitlines(keepends=True)
    if lines[0].split("#")[0].strip():
        return None
    # Comments and blank lines above the next key belong to that key.
    last = max((number for number, line in enumerate(lines) if line.startswith(" ")), default=0)
    if not lines[last].endswith("\n"):
        lines[last] += "\n"
    return text[: keys[place].end()] + "".join([*lines[: last + 1], entry, *lines[last + 1 :]]) + text[end:]


def _replace(path: Path, text: str) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        fresh = Path(folder) / path.name
        fresh.write_text(text, encoding="utf-8", newline="")
        fresh.chmod(path.stat().st_mode & 0o777)
        load_question(fresh)
        fresh.replace(path)
