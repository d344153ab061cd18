"""Files of records, CSV or RIS, as dictionaries: variants that other programs write are read, and errors explained."""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import rispy
from python_calamine import CalamineError, CalamineWorkbook, WorksheetNotFound

from tracker.errors import UnusableInput, UsageError

_SEPARATOR = re.compile(r'"?sep=([,;|\t])"?[ \t]*\r?\n', re.IGNORECASE)
MOST_BYTES = 256 * 2**20
_MARKS = {
    b"PK\x03\x04": "a ZIP or Excel file",
    b"\xd0\xcf\x11\xe0": "an Excel file from before 2007",
    b"%PDF": "a PDF",
    b"SQLite format 3\x00": "a database",
}


class Record(NamedTuple):
    """``place`` is where it is in the file ("line 12", "record 3"); ``fields`` have lower-case names; repeated ones are
    in the lists ``notes`` and ``urls``. ``is_row``: from a table, whose columns have their own names, not RIS's."""

    place: str
    fields: dict[str, str]
    notes: list[str]
    urls: list[str]
    is_row: bool

    def first(self, *names: str) -> str:
        """The first of these fields that is not empty, or ''."""
        return next((text for name in names if (text := self.fields.get(name, "").strip())), "")


def read_bytes(path: Path) -> bytes:
    """The file's bytes. Raises UsageError if it cannot be read, UnusableInput if it is too large."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from None
    if len(data) > MOST_BYTES:
        raise UnusableInput(f"{path}: larger than {MOST_BYTES // 2**20} MB. Split it.")
    return data


def read_text(path: Path) -> str:
    """The file as text: UTF-8, or UTF-16 as Excel saves "Unicode text". Raises as ``read_bytes``."""
    return _decoded(path, read_bytes(path))


def text_of(path: Path, data: bytes) -> str:
    """These bytes of the file as text, as ``read_text`` has it. Raises UnusableInput as it does."""
    return _decoded(path, data)


def rows_of(path: Path, data: bytes, text: str | None = None) -> list[Record] | None:
    """The rows of a workbook or, if ``text`` is given, of that text as CSV; None if the bytes are no workbook.

    Raises UnusableInput as ``read_records``.
    """
    if text is not None:
        return list(_csv(path, text))
    return list(_workbook(path, data)) if _is_workbook(path, data) else None


def _decoded(path: Path, data: bytes) -> str:
    for mark, what in _MARKS.items():
        if data.startswith(mark):
            raise UnusableInput(
                f"{path}: this is {what}. Give a CSV or RIS file instead (unpack a ZIP first)."
            )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise UnusableInput(f"{path}: invalid UTF-16. Save it as UTF-8, then try again.") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnusableInput(f"{path}: line {line}: not UTF-8. Save it as UTF-8, then try again.") from None


def read_records(path: Path) -> list[Record]:
    """Every record of a CSV file (commas, semicolons or tabs), an Excel workbook's first sheet, or a RIS file.

    Raises UsageError if it cannot be read, UnusableInput if it is none of these, naming the line.
    """
    data = read_bytes(path)
    if _is_workbook(path, data):
        return list(_workbook(path, data))
    text = _decoded(path, data)
    if re.search(r"^TY {2}-", text, re.M):
        return list(_ris(path, text))
    return list(_csv(path, text))


class Table(NamedTuple):
    """A CSV text with its delimiter, and the number of lines above its header."""

    text: str
    delimiter: str
    skipped: int


def table(text: str) -> Table:
    """How to read a CSV text: as its first line tells Excel (``sep=;``), or by its header's most frequent delimiter."""
    if named := _SEPARATOR.match(text):
        return Table(text[named.end() :], named[1], 1)
    header = text.lstrip("\r\n").partition("\n")[0]
    return Table(text, max(",;\t", key=header.count), 0)


def _csv(path: Path, text: str) -> Iterator[Record]:
    text, delimiter, skipped = table(text)
    header = text.partition("\n")[0]
    if not header.count(delimiter):
        raise UnusableInput(
            f"{path}: line {1 + skipped}: neither a CSV header nor RIS (found {header[:60]!r})."
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1 + skipped
    try:
        names = [name.strip().casefold() for name in next(reader)]
        begins = reader.line_num + 1 + skipped
        for cells in reader:
            place, begins = f"line {begins}", reader.line_num + 1 + skipped
            if len(cells) > len(names):
                raise UnusableInput(
                    f"{path}: {place}: {len(cells)} cells under {len(names)} columns. Is a quotation mark missing?"
                )
            if any(cells):
                yield _row(place, names, cells)
    except csv.Error as error:
        raise UnusableInput(f"{path}: line {begins}: not CSV ({error}).") from None


def _row(place: str, names: Sequence[str], cells: Sequence[str]) -> Record:
    fields = dict(zip(names, cells, strict=False))
    urls = [fields[name] for name in ("url", "urls") if fields.get(name)]
    return Record(place, fields, [fields.get("notes", "")], urls, is_row=True)


def _is_workbook(path: Path, data: bytes) -> bool:
    """Whether it is XLSX. Raises UnusableInput for a workbook that would unpack to more than may be read."""
    if not data.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise UnusableInput(f"{path}: this ZIP or Excel file is damaged. Save it again.") from None
    if sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise UnusableInput(f"{path}: larger than {MOST_BYTES // 2**20} MB when unpacked. Split it.")
    return any(entry.filename == "xl/workbook.xml" for entry in entries)


def _workbook(path: Path, data: bytes) -> Iterator[Record]:
    try:
        rows = (
            CalamineWorkbook.from_filelike(io.BytesIO(data))
            .get_sheet_by_index(0)
            .to_python(skip_empty_area=False)
        )
    except (CalamineError, WorksheetNotFound) as error:
        raise UnusableInput(
            f"{path}: this workbook cannot be read ({error}). Save it again, or as CSV."
        ) from None
    names = [_cell(cell).strip().casefold() for cell in rows[0]] if rows else []
    if not any(names):
        raise UnusableInput(f"{path}: row 1: no column names. Add them.")
    for number, row in enumerate(rows[1:], 2):
        cells = [_cell(cell) for cell in row]
        if any(cells):
            yield _row(f"row {number}", names, cells)


def _cell(value: object) -> str:
    """The cell as CSV would have it: every number in a workbook is a float, but PMIDs and labels are whole."""
    if isinstance(value, bool):
        return str(int(value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _ris(path: Path, text: str) -> Iterator[Record]:
    try:
        entries = rispy.RisParser().parse_lines(iter(re.split(r"\r\n|\r|\n", text)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnusableInput(f"{path}: not valid RIS ({error}). Export it again.") from None
    if len(entries) != (begun := len(re.findall(r"^TY {2}-", text, re.M))):
        # rispy leaves out a record that has no end.
        raise UnusableInput(
            f"{path}: {begun} records begin (TY), but only {len(entries)} end (ER). Is the file cut off?"
        )
    for number, entry in enumerate(entries, 1):
        fields = {name: value for name, value in entry.items() if isinstance(value, str)}
        notes, urls = (entry.get(name) or [] for name in ("notes", "urls"))
        yield Record(f"record {number}", fields, list(notes), list(urls), is_row=False)
