"""What ASReview LAB exports: a column for each field, or in RIS a note (N1) for each.

Version 2 (asreview/webapp/_api/projects.py and asreview/data/ris.py there): ``asreview_label`` 1, 0 or empty,
``asreview_time`` in UTC, ``asreview_note``, ``asreview_user_name`` and a column ``asreview_tag_GROUP_TAG`` of 1 and 0
for each tag; in RIS ``ASReview_relevant``, ``ASReview_irrelevant`` or ``ASReview_not_seen``, and the others as
``asreview_note: "…"`` in JSON. Version 1: ``included`` and the like, ``exported_notes_1`` and on, and the same
marks in RIS. In RIS only the marks are decisions: ``LB`` is a label of reference managers, and may say anything.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tracker.decision import Decision
from tracker.errors import UnusableInput
from tracker.exchange.files import Record, read_records
from tracker.exchange.foreign import Foreign
from tracker.exchange.matching import sought

# Version 2 leaves the columns of the file that was screened as they are, so its own comes first.
LABELS = (
    "asreview_label",
    "included",
    "final_included",
    "label",
    "label_included",
    "included_label",
    "included_final",
    "included_flag",
    "include",
)
_MARKS: dict[str, Decision | None] = {
    "ASReview_relevant": "include",
    "ASReview_irrelevant": "exclude",
    "ASReview_not_seen": None,
}
_MEANS: dict[str, Decision | None] = {
    "1": "include",
    "1.0": "include",
    "0": "exclude",
    "0.0": "exclude",
    "": None,
    "-1": None,
    "-1.0": None,
    "nan": None,
}
_MARK = re.compile(r"\bASReview_(?:relevant|irrelevant|not_seen)\b")
_NOTE = re.compile(r"(asreview_\w+): (.*)", re.S)
_TAG = "asreview_tag_"


def read(path: Path) -> list[Foreign]:
    """Every record with what was said of it. Raises UnusableInput if nothing in the file is ASReview's, or for an
    invalid label."""
    records = read_records(path)
    if not any(_is_ours(record) for record in records):
        raise UnusableInput(
            f"{path}: none of the {len(records)} records has a label from ASReview (a column asreview_label or "
            "included; in RIS, a note ASReview_relevant). Export the results from ASReview as CSV or RIS."
        )
    return [_record(path, record) for record in records]


def _is_ours(record: Record) -> bool:
    return _label(record) is not None or bool(_marks(record))


def _label(record: Record) -> str | None:
    """The column that holds the decision; None in RIS, where fields of the same names belong to other programs."""
    return next((name for name in LABELS if name in record.fields), None) if record.is_row else None


def _marks(record: Record) -> set[str]:
    """ASReview's marks in the notes, except those that a reviewer merely mentioned."""
    return {
        mark for note in record.notes if not _NOTE.fullmatch(note.strip()) for mark in _MARK.findall(note)
    }


def _record(path: Path, record: Record) -> Foreign:
    columns: dict[str, Any] = dict(record.fields)
    for note in record.notes:
        if match := _NOTE.fullmatch(note.strip()):
            columns[match[1].casefold()] = _value(match[2])
    user = str(columns.get("asreview_user_name") or "").strip() or None
    decision = _decision(path, record)
    notes = [
        text
        for name, value in columns.items()
        if (name == "asreview_note" or name.startswith("exported_notes"))
        and (text := str(value or "").strip())
        and text != "nan"
    ]
    title = record.first("title", "primary_title")
    # An accession number is a PMID only where the database is PubMed's.
    source = record.first("name_of_database", "database", "database_name").casefold()
    accession = record.first("accession_number") if "pubmed" in source or "medline" in source else ""
    return Foreign(
        record.place,
        title,
        sought(
            record.first("pmid", "pubmed_id") or accession,
            record.first("doi"),
            title,
            record.first("year", "publication_year", "published"),
            record.urls,
        ),
        decisions=[(user, decision)] if decision else [],
        labels=[
            name.removeprefix(_TAG).replace("_", " ")
            for name, value in columns.items()
            if name.startswith(_TAG) and str(value).strip() in ("1", "1.0")
        ],
        notes=[(user, text) for text in notes],
    )


def _decision(path: Path, record: Record) -> Decision | None:
    if name := _label(record):
        value = record.fields[name].strip().casefold()
        if value not in _MEANS:
            raise UnusableInput(
                f"{path}: {record.place}: {name}: {record.fields[name][:40]!r} is not a label. Use 1, 0 or nothing."
            )
        return _MEANS[value]
    marks = _marks(record)
    if len(marks) > 1:
        raise UnusableInput(
            f"{path}: {record.place}: has both {' and '.join(sorted(marks))}. Keep the right one."
        )
    return _MARKS[marks.pop()] if marks else None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
