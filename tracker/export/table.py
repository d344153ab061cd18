"""Tables: CSV and XLSX, one row per article, the same columns in both.

CSV is UTF-8 with a byte order mark, without which Excel takes it for the system's old character set, and every
cell is quoted. Pages and issues that Excel would turn into dates have an apostrophe before them in CSV. Text that a
spreadsheet could take for a formula has one in XLSX too, where every cell is text as well: a table that is saved as
CSV there must not come to life.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import xlsxwriter

from tracker.citation import Citation, day
from tracker.errors import UsageError
from tracker.export.clean import cell, kept_text
from tracker.export.listing import Listing

# https://support.microsoft.com/office/excel-specifications-and-limits-1672b34d-7043-467e-8e27-269d656771c3
CELL_LIMIT, ROW_LIMIT = 32_767, 1_048_576
CUT = " … [cut: longer than a cell can hold]"


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(texts)


# Each column with what it holds for an article; what was read and said of labels and directness goes before the last.
COLUMNS: dict[str, Callable[[Citation], int | str | None]] = {
    "pmid": lambda c: c.pubmed_id,
    "standing": lambda c: _joined(c.standing),
    "title": lambda c: c.title,
    "authors": lambda c: _joined(author.inverted for author in c.authors),
    "journal": lambda c: c.journal,
    "iso_abbreviation": lambda c: c.iso_abbreviation,
    "medline_abbreviation": lambda c: c.medline_abbreviation,
    "published": lambda c: c.published,
    "volume": lambda c: c.volume,
    "issue": lambda c: c.issue,
    "pages": lambda c: c.location,
    "doi": lambda c: c.doi_name or c.doi,
    "pmcid": lambda c: c.pmcid,
    "issn": lambda c: c.issn,
    "url": lambda c: c.url,
    "kind": lambda c: c.kind,
    "publication_types": lambda c: _joined(c.publication_types),
    "languages": lambda c: _joined(c.languages),
    "registrations": lambda c: _joined(f"{bank} {number or ''}".strip() for bank, number in c.registrations),
    "retracted": lambda c: int(c.retracted),
    "withdrawn": lambda c: int(c.withdrawn),
    "expression_of_concern": lambda c: int(c.expression_of_concern),
    "corrected": lambda c: int(c.corrected),
    "updated": lambda c: int(c.updated),
    "is_notice": lambda c: int(c.is_notice),
    "by_title": lambda c: int(c.by_title),
    "notices": lambda c: _joined(notice.sentence for notice in c.notices),
    "pubmed_status": lambda c: c.status_date,
    "question": lambda c: c.question,
    "entered": lambda c: day(c.entered),
    "reason": lambda c: c.reason,
    "keywords": lambda c: _joined(c.keywords),
    "mesh": lambda c: _joined(c.mesh),
    "book": lambda c: c.book and c.book.title,
    "publisher": lambda c: c.book and c.book.publisher,
    "isbns": lambda c: c.book and _joined(c.book.isbns),
    "tags": lambda c: _joined(tag.removeprefix("tag: ") for tag in c.tag_terms),
    "screening": lambda c: _joined(outcome.sentence for outcome in c.screening),
    "outcome": lambda c: c.directness and c.directness.outcome,
    "findings": lambda c: c.directness and " | ".join(c.directness.findings),
    "database": lambda c: c.database,
    "accession": lambda c: c.accession,
    "abstract": lambda c: c.abstract,
}
_BY = ("read by machine", "said by people")
_NUMBERED = frozenset(list(COLUMNS).index(name) for name in ("volume", "issue", "pages"))


def header(listing: Listing) -> list[str]:
    groups = [f"{group} ({by})" for group in (*listing.label_groups, "directness") for by in _BY]
    *names, last = COLUMNS
    return [*names, *groups, last]


def row(c: Citation, groups: Sequence[str]) -> list[int | str]:
    """The cells of one article; lists are joined by semicolons, flags are 0 or 1, what is unknown is empty."""
    *values, last = (value(c) for value in COLUMNS.values())
    values += [text for group in groups for text in _of_group(c, group)]
    values += [said.words if said else "" for said in (c.directness, c.placement)]
    return [value if isinstance(value, int) else cell(value or "") for value in (*values, last)]


def _of_group(c: Citation, group: str) -> tuple[str, str]:
    """The machine's labels of a group, and people's judgements of them."""
    machine = (label.value for label in c.labels if label.group == group)
    people = (judgement.words for judgement in c.judgements if judgement.group == group)
    return "; ".join(machine), "; ".join(people)


def write_csv(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    cells = (_for_csv(row(citation, listing.label_groups)) for citation in citations)
    write_rows(header(listing), cells, out)


def write_rows(names: Sequence[str], rows: Iterable[Sequence[int | float | str]], out: BinaryIO) -> None:
    """A table as CSV; ``rows`` hold safe texts, as ``cell`` makes them."""
    text = TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
    try:
        table = csv.writer(text, quoting=csv.QUOTE_ALL)
        table.writerow(map(cell, names))
        table.writerows(rows)
    finally:
        text.detach()


def _for_csv(cells: list[int | str]) -> list[int | str]:
    """CSV has no types, so Excel would turn pages and issues into dates."""
    return [
        kept_text(value) if number in _NUMBERED and isinstance(value, str) else value
        for number, value in enumerate(cells)
    ]


def write_xlsx(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    """Two sheets: the articles, and the remarks on the list. Raises UsageError beyond Excel's rows."""
    cells = (row(citation, listing.label_groups) for citation in citations)
    write_workbook("articles", header(listing), cells, listing, out)


def write_workbook(
    name: str,
    names: Sequence[str],
    rows: Iterable[Sequence[int | float | str]],
    listing: Listing,
    out: BinaryIO,
) -> None:
    """A sheet of this name with the rows, whose texts are safe, and one with the remarks on the list.

    Raises UsageError beyond Excel's rows.
    """
    # In a folder of its own, so that whatever fails leaves neither open files behind nor half a workbook in out.
    with TemporaryDirectory() as folder:
        path = Path(folder) / "list.xlsx"
        options = {"constant_memory": True, "tmpdir": folder}
        with closing(xlsxwriter.Workbook(str(path), options)) as book:
            # Without a fixed date, the file would differ each time it is written.
            book.set_properties({"created": datetime.fromisoformat(listing.updated).replace(tzinfo=None)})
            _fill_sheet(book.add_worksheet(name), book.add_format({"bold": True}), names, rows)
            about = book.add_worksheet("about")
            for number, text in enumerate((listing.title, f"Updated {listing.updated}", *listing.remarks)):
                about.write_string(number, 0, _short(cell(text)))
        with path.open("rb") as file:
            copyfileobj(file, out)


def _fill_sheet(
    sheet: Any, bold: Any, names: Sequence[str], rows: Iterable[Sequence[int | float | str]]
) -> None:
    for column, name in enumerate(names):
        sheet.write_string(0, column, _short(cell(name)), bold)
    sheet.freeze_panes(1, 1)
    for number, cells in enumerate(rows, 1):
        if number >= ROW_LIMIT:
            raise UsageError(
                f"an Excel sheet holds at most {ROW_LIMIT - 1:,} articles. Export as CSV instead."
            )
        for column, value in enumerate(cells):
            if isinstance(value, int | float):
                sheet.write_number(number, column, value)
            elif value:
                # Never write(), which would turn texts into formulas and links.
                sheet.write_string(number, column, _short(value))


def _short(text: str) -> str:
    """As much as a cell can hold. Excel counts in UTF-16, where characters beyond the first plane count as two."""
    if len(text) <= CELL_LIMIT // 2:
        return text
    units = text.encode("utf-16-le")
    if len(units) <= 2 * CELL_LIMIT:
        return text
    return units[: 2 * (CELL_LIMIT - len(CUT))].decode("utf-16-le", "ignore") + CUT
