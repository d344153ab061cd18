"""The formats of an evidence table as a file: each with its function that writes it.

The same table always gives the same bytes. CSV, XLSX and JSON hold any number of rows, and are written row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Protocol

from tracker.export.formats import FORMATS as OF_LISTS
from tracker.export.formats import FileFormat
from tracker.export.json_ import dump, write_array
from tracker.export.listing import Listing
from tracker.export.table import write_rows, write_workbook
from tracker.report import columns
from tracker.report.columns import Line
from tracker.report.word import MEDIA_TYPE


class Write(Protocol):
    """Writes a table; raises what ``out.write`` raises, and UsageError for more rows than the format holds."""

    def __call__(self, listing: Listing, lines: Iterable[Line], out: BinaryIO, /) -> None: ...


Format = FileFormat[Write]


def write_csv(listing: Listing, lines: Iterable[Line], out: BinaryIO) -> None:
    write_rows(columns.names(), map(columns.cells, lines), out)


def write_xlsx(listing: Listing, lines: Iterable[Line], out: BinaryIO) -> None:
    """Two sheets: the table, and what goes for all of it."""
    write_workbook("evidence table", columns.names(), map(columns.cells, lines), listing, out)


def write_docx(listing: Listing, lines: Iterable[Line], out: BinaryIO) -> None:
    # python-docx takes 0.1 s to import, which only this format should wait for.
    from tracker.report import docx_

    docx_.write_docx(listing, lines, out)


def write_json(listing: Listing, lines: Iterable[Line], out: BinaryIO) -> None:
    """One object with the table and its ``reports``, one a line."""
    about = {
        "question": listing.slug,
        "title": listing.title,
        "updated": listing.updated,
        "remarks": listing.remarks,
    }
    out.write(dump(about)[:-1] + b', "reports": ')
    write_array(map(columns.as_json, lines), out)
    out.write(b"}\n")


def _as_for_lists(name: str, write: Write) -> Format:
    known = OF_LISTS[name]
    return Format(name, known.title, known.media_type, known.extension, write, known.binary_file)


_ALL: tuple[Format, ...] = (
    _as_for_lists("csv", write_csv),
    _as_for_lists("xlsx", write_xlsx),
    Format("docx", "Word", MEDIA_TYPE, "docx", write_docx, "a Word file"),
    _as_for_lists("json", write_json),
)
FORMATS = {format.name: format for format in _ALL}
