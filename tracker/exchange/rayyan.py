"""What Rayyan exports: its reviewers' work is in the notes of each record.

Rayyan (https://help.rayyan.ai) writes ``articles.csv`` with the columns key, title, year, …, notes, doi, keywords,
pubmed_id and pmc_id, or RIS with the same text in N1. Parts of the notes are separated by bars, each with its name, and
names of reviewers are in a Ruby hash::

    RAYYAN-INCLUSION: {"Alice"=>"Included", "Bob"=>"Excluded"} | RAYYAN-LABELS: a,b |
    RAYYAN-EXCLUSION-REASONS: wrong population | USER-NOTES: {"Bob"=>["rats", "only rats"]}

Labels and reasons do not say whose they are, and nothing is dated.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tracker.decision import Decision
from tracker.errors import UnusableInput
from tracker.exchange.files import Record, read_records
from tracker.exchange.foreign import Foreign
from tracker.exchange.matching import sought

_PART = re.compile(r"(RAYYAN-INCLUSION|RAYYAN-LABELS|RAYYAN-EXCLUSION-REASONS|USER-NOTES)\s*:")
# Of Ruby's hashes. An unclosed text runs to the end: searched again from each of its quotation marks, a long one
# would take for ever.
_TOKEN = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*+)(?:"|\\?\Z)|(?P<sign>=>|[\[\]])|(?P<word>\w+)', re.S)
# Early exports had true and false.
_MEANS: dict[str, Decision] = {
    "included": "include",
    "excluded": "exclude",
    "maybe": "unsure",
    "true": "include",
    "false": "exclude",
}


def read(path: Path) -> list[Foreign]:
    """Every record with what was said of it. Raises UnusableInput if nothing in the file is Rayyan's."""
    records = read_records(path)
    foreign = [_record(record) for record in records]
    if not any(_PART.search(note) for record in records for note in record.notes):
        raise UnusableInput(
            f"{path}: none of the {len(records)} records has Rayyan's notes (RAYYAN-INCLUSION: …). "
            "Export from Rayyan as CSV or RIS, with decisions, labels and reasons."
        )
    return foreign


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
            (_plain(name), decision)
            for name, (word, *_) in _pairs(parts.get("RAYYAN-INCLUSION", ""))
            if (decision := _MEANS.get(re.split(r"\W", word, maxsplit=1)[0].casefold()))
        ],
        reasons=_names_in(parts.get("RAYYAN-EXCLUSION-REASONS", "")),
        labels=_names_in(parts.get("RAYYAN-LABELS", "")),
        notes=[
            (_plain(name), _plain(note))
            for name, notes in _pairs(parts.get("USER-NOTES", ""))
            for note in notes
        ],
    )


def _pairs(text: str) -> Iterator[tuple[str, list[str]]]:
    """``"Alice"=>"Included", "Bob"=>["rats", "mice"]``: each name with its values, one or more."""
    name, last = None, None
    names: list[str] | None = None
    for token in _TOKEN.finditer(text):
        if token["sign"] == "=>":
            name, last, names = last, None, None
        elif token["sign"] == "[":
            names = []
        elif token["sign"] == "]":
            if name is not None and names:
                yield name, names
            name, names = None, None
        elif names is not None:
            names.append(token["text"] or token["word"] or "")
        elif name is not None:
            yield name, [token["text"] or token["word"] or ""]
            name = None
        else:
            last = token["text"]


def _parts(notes: str) -> dict[str, str]:
    # Some exports write the arrows as HTML entities.
    text = html.unescape(notes) if "=&gt;" in notes else notes
    marks = [*_PART.finditer(text)]
    ends = [mark.start() for mark in marks[1:]]
    parts: dict[str, str] = {}
    for mark, end in zip_longest(marks, ends):
        # Reviewers' notes come last, and may hold the name of a part: the first of each is Rayyan's own.
        parts.setdefault(mark[1], text[mark.end() : end].strip().removesuffix("|").strip())
    return parts


def _names_in(text: str) -> list[str]:
    return list(dict.fromkeys(part for each in text.split(",") if (part := " ".join(each.split()))))


def _plain(text: str) -> str:
    """A text as Ruby quotes it, which is nearly as JSON does."""
    try:
        unescaped: Any = json.loads(f'"{text}"', strict=False)
    except ValueError:
        unescaped = re.sub(r"\\(.)", r"\1", text)
    return str(unescaped)
