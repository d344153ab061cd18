"""What Rayyan exports: its work stands in the notes of each record.

Rayyan (https://help.rayyan.ai) writes ``articles.csv`` with the columns key, title, year, …, notes, doi, keywords,
pubmed_id and pmc_id, or RIS with the same text in N1. Parts of the notes are divided by bars, each with its name, and
names of reviewers stand in a Ruby hash::

    RAYYAN-INCLUSION: {"Alice"=>"Included", "Bob"=>"Excluded"} | RAYYAN-LABELS: a,b |
    RAYYAN-EXCLUSION-REASONS: wrong population | USER-NOTES: {"Bob"=>["rats", "only rats"]}

Labels and reasons do not say whose they are, and nothing says when.
"""

from __future__ import annotations

import html
import json
import re
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tracker.errors import UnusableInput
from tracker.exchange.files import Record, read_records
from tracker.exchange.foreign import Foreign
from tracker.exchange.matching import sought
from tracker.store.decisions import Decision

_PART = re.compile(r"(RAYYAN-INCLUSION|RAYYAN-LABELS|RAYYAN-EXCLUSION-REASONS|USER-NOTES)\s*:")
_TEXT = r'"((?:[^"\\]|\\.)*)"'
_DECISION = re.compile(rf"{_TEXT}\s*=>\s*\"?(\w+)")
# Nothing in it may be read in two ways, or a hostile note would take for ever.
_NOTES = re.compile(rf"{_TEXT}\s*=>\s*\[((?:[\s,]*+{_TEXT})*+)[\s,]*+\]")
# Early exports had true and false.
_MEANS: dict[str, Decision] = {
    "included": "include",
    "excluded": "exclude",
    "maybe": "unsure",
    "true": "include",
    "false": "exclude",
}


def read(path: Path) -> list[Foreign]:
    """Every record with what was said of it. Raises UnusableInput where nothing in the file is Rayyan's."""
    records = read_records(path)
    found = [_record(record) for record in records]
    if not any(_PART.search(note) for record in records for note in record.notes):
        raise UnusableInput(
            f"{path}: {len(records)} records, and none has Rayyan's notes (RAYYAN-INCLUSION: …). "
            "Export from Rayyan with decisions, labels and reasons, as CSV or RIS."
        )
    return found


def _record(record: Record) -> Foreign:
    parts = _parts("\n".join(record.notes))
    return Foreign(
        record.place,
        record.first("title", "primary_title"),
        sought(
            record.first("pubmed_id", "pmid"),
            record.first("doi"),
            record.first("title", "primary_title"),
            record.first("year", "publication_year"),
            record.urls,
        ),
        decisions=[
            (_plain(name), _MEANS[word.casefold()])
            for name, word in _DECISION.findall(parts.get("RAYYAN-INCLUSION", ""))
            if word.casefold() in _MEANS
        ],
        reasons=_listed(parts.get("RAYYAN-EXCLUSION-REASONS", "")),
        labels=_listed(parts.get("RAYYAN-LABELS", "")),
        notes=[
            (_plain(name), _plain(note))
            for name, notes, _ in _NOTES.findall(parts.get("USER-NOTES", ""))
            for note in re.findall(_TEXT, notes)
        ],
    )


def _parts(notes: str) -> dict[str, str]:
    # Some exports have markup's way of writing the arrows.
    text = html.unescape(notes) if "=&gt;" in notes else notes
    marks = [*_PART.finditer(text)]
    ends = [mark.start() for mark in marks[1:]]
    parts: dict[str, str] = {}
    for mark, end in zip_longest(marks, ends):
        # Reviewers' notes stand last, and may hold the name of a part: the first of each is Rayyan's own.
        parts.setdefault(mark[1], text[mark.end() : end].strip().removesuffix("|").strip())
    return parts


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part for each in text.split(",") if (part := " ".join(each.split()))))


def _plain(text: str) -> str:
    """A text as Ruby quotes it, which is nearly as JSON does."""
    try:
        found: Any = json.loads(f'"{text}"', strict=False)
    except ValueError:
        found = re.sub(r"\\(.)", r"\1", text)
    return str(found)
