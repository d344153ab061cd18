"""Files of records, CSV or RIS, as dictionaries: how others write them is theirs, and what is wrong is said plainly."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import rispy

from tracker.errors import UnusableInput, UsageError

MOST_BYTES = 256 * 2**20
_MARKS = {b"PK\x03\x04": "a ZIP or Excel file", b"%PDF": "a PDF", b"SQLite format 3\x00": "a database"}


class Record(NamedTuple):
    """``place`` is where it stands ("line 12", "record 3"); ``fields`` have small names; repeated ones are in
    ``notes`` and ``urls``, lists. ``is_row``: of a table, whose columns have names of their own, not of RIS."""

    place: str
    fields: dict[str, str]
    notes: list[str]
    urls: list[str]
    is_row: bool

    def first(self, *names: str) -> str:
        """The first of these fields that has anything in it, or ''."""
        return next((text for name in names if (text := self.fields.get(name, "").strip())), "")


def read_bytes(path: Path) -> bytes:
    """Raises UsageError where it cannot be read, UnusableInput where it is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from None
    if len(data) > MOST_BYTES:
        raise UnusableInput(f"{path}: more than {MOST_BYTES // 2**20} MB. Divide it.")
    return data


def read_text(path: Path) -> str:
    """The file as text, which has to be UTF-8. Raises as ``read_bytes``."""
    data = read_bytes(path)
    for mark, what in _MARKS.items():
        if data.startswith(mark):
            raise UnusableInput(f"{path}: this is {what}. Give the CSV or RIS file (from a ZIP, unpacked).")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnusableInput(f"{path}: line {line}: not UTF-8. Save it as UTF-8, then try again.") from None


def read_records(path: Path) -> list[Record]:
    """Every record of a CSV file (commas, semicolons or tabs) or a RIS file.

    Raises UsageError where it cannot be read, UnusableInput where it is neither, naming the line.
    """
    text = read_text(path)
    if re.search(r"^TY {2}-", text, re.M):
        return list(_ris(path, text))
    return list(_csv(path, text))


def _csv(path: Path, text: str) -> Iterator[Record]:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    if not header.count(delimiter):
        raise UnusableInput(f"{path}: line 1: neither a CSV header nor RIS (found {header[:60]!r}).")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1
    try:
        names = [name.strip().casefold() for name in next(reader)]
        begins = reader.line_num + 1
        for cells in reader:
            place, begins = f"line {begins}", reader.line_num + 1
            if len(cells) > len(names):
                raise UnusableInput(
                    f"{path}: {place}: {len(cells)} cells under {len(names)} columns. Is a quotation mark missing?"
                )
            if any(cells):
                fields = dict(zip(names, cells, strict=False))
                urls = [fields[name] for name in ("url", "urls") if fields.get(name)]
                yield Record(place, fields, [fields.get("notes", "")], urls, is_row=True)
    except csv.Error as error:
        raise UnusableInput(f"{path}: line {begins}: not CSV ({error}).") from None


def _ris(path: Path, text: str) -> Iterator[Record]:
    try:
        found = rispy.RisParser().parse_lines(iter(re.split(r"\r\n|\r|\n", text)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnusableInput(f"{path}: not RIS as its readers know it ({error}).") from None
    if len(found) != (begun := len(re.findall(r"^TY {2}-", text, re.M))):
        # rispy leaves a record without its end out.
        raise UnusableInput(
            f"{path}: {begun} records begin (TY), but only {len(found)} end (ER). Is it cut off?"
        )
    for number, entry in enumerate(found, 1):
        fields = {name: value for name, value in entry.items() if isinstance(value, str)}
        notes, urls = (entry.get(name) or [] for name in ("notes", "urls"))
        yield Record(f"record {number}", fields, list(notes), list(urls), is_row=False)
