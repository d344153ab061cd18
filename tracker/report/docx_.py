"""An evidence table as a Word document, landscape, with its heading repeated on every page.

Rows are written as XML of our own making: python-docx looks for a cell's place in the whole table each time (measured:
250 rows in five minutes by ``table.cell``, 500 in 3 s by ``add_row``, and four times that for twice as many).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm

from tracker.article import named
from tracker.errors import UsageError
from tracker.export.clean import one_line
from tracker.export.listing import Listing
from tracker.lists.answers import MOST_SENTENCES
from tracker.report import word
from tracker.report.columns import Line, number, values_of
from tracker.report.rows import NOT_STATED, Report

MOST_ROWS = 2_000
_LANDSCAPE = word.Page(width=297, height=210, margin=12, letters=8)
# Widths in millimetres.
COLUMNS = (
    ("Report", 46), ("Design", 20), ("Population", 22), ("Drug", 20), ("Route and dose", 24), ("Comparator", 20),
    ("n", 16), ("Follow-up", 17), ("What the abstract says of the outcome", 62), ("Bearing on the question", 26),
)  # fmt: skip


def write_docx(listing: Listing, lines: Iterable[Line], out: BinaryIO) -> None:
    """Raises UsageError beyond MOST_ROWS rows, before anything is written."""
    rows = []
    for place, line in enumerate(lines):
        if place >= MOST_ROWS:
            raise UsageError(
                f"a Word table holds at most {MOST_ROWS:,} rows. Narrow the table, or take it as CSV or XLSX."
            )
        rows.append(_row(_cells(line)))
    document = _page(listing)
    table = document.add_table(rows=0, cols=len(COLUMNS), style="Table Grid")
    table.autofit = False
    for column, (_, width) in zip(table.columns, COLUMNS, strict=True):
        column.width = Mm(width)
    table._tbl.append(_row([[title] for title, _ in COLUMNS], heading=True))
    for row in rows:
        table._tbl.append(row)
    # In one piece: what is written to a pipe, which cannot be sought in, would have other bytes.
    out.write(word.saved(document))


def _page(listing: Listing) -> Any:
    """A landscape document with the title and the remarks on the whole table."""
    document = word.opened(listing.title, listing.updated, _LANDSCAPE)
    for remark in (f"Updated {listing.updated}.", *listing.remarks):
        document.add_paragraph(one_line(remark))
    return document


def _cells(line: Line) -> list[list[str]]:
    """The paragraphs of each cell of a row."""
    report = line.report
    return [
        list(_what(line)),
        [_with_people(report, "design")],
        [_with_people(report, "population")],
        [_with_people(report, "drug")],
        [_with_people(report, "route"), _with_people(report, "dose")],
        [_with_people(report, "comparator")],
        list(_people(line)),
        [_with_people(report, "follow_up")],
        list(_outcome(report)),
        list(_bearing(report)),
    ]


def _what(line: Line) -> Iterator[str]:
    """The report itself, after what has to be known of it first."""
    cited = line.report.cited
    yield from cited.standing
    authors = [author.short for author in cited.authors]
    yield f"{', '.join(authors[:3])}{' et al' if len(authors) > 3 else ''}. {cited.title}"
    yield ". ".join(part.removesuffix(".") for part in (cited.journal, cited.published, cited.name) if part)
    if line.study.is_trial:
        numbers = ", ".join(each.number for each in line.study.registrations)
        registered = f" ({numbers})" if numbers else ""
        yield f"Trial {line.head}{registered}: one of {len(line.study.reports)} reports"
    elif line.report.registrations and not line.report.pooled:
        yield ", ".join(each.number for each in line.report.registrations)
    if line.report.pooled:
        yield f"Pooled from {line.report.pooled} trials, which may also be listed"
    if line.report.sharing:
        yield f"Possibly the same people as {', '.join(map(named, line.report.sharing))}"
    yield from (notice.sentence for notice in cited.notices)


def _people(line: Line) -> Iterator[str]:
    own = number(line.report.participants)
    total = number(line.study.participants)
    if line.is_first and total is not None:
        yield f"{total:,}"
    elif own is not None and own == total:
        yield "as above"
    if own is not None and own != total:
        yield f"{own:,} in this report"
    elif own is None and not line.is_first:
        yield NOT_STATED
    if total is None and line.is_first:
        yield NOT_STATED
    for reading in line.report.readings.get("studies", ()):
        yield f"in {reading.value} studies"
    yield from line.report.corrections("participants")


def _outcome(report: Report) -> Iterator[str]:
    shown = report.sentences[:MOST_SENTENCES]
    for sentence in shown:
        yield f"“{sentence.text}”{f' (about {sentence.about:,} people)' if sentence.about else ''}"
    if any(sentence.is_null for sentence in shown):
        how = dict.fromkeys(each.looked_for for each in shown if each.looked_for)
        words = " ".join(f"“{sentence}”" for sentence in how) or "the abstract does not say."
        yield f"How this was looked for: {words}"
    if not shown:
        yield report.outcome[:1].upper() + report.outcome[1:] or NOT_STATED
    if report.reached is not None:
        yield f"{report.reached:,} reached the longest follow-up"


def _bearing(report: Report) -> Iterator[str]:
    read, placed = report.cited.directness, report.placement
    yield report.directness or NOT_STATED
    if placed:
        yield f"moved by {placed.person}: {placed.reason}"
    elif read:
        yield read.reason


def _with_people(report: Report, group: str) -> str:
    said = report.corrections(group)
    return "; ".join([values_of(report, group), *said])


def _row(cells: Sequence[Sequence[str]], heading: bool = False) -> Any:
    row = OxmlElement("w:tr")
    settings = OxmlElement("w:trPr")
    settings.append(OxmlElement("w:cantSplit"))
    if heading:
        settings.append(OxmlElement("w:tblHeader"))
    row.append(settings)
    for (_, width), paragraphs in zip(COLUMNS, cells, strict=True):
        row.append(_cell(paragraphs, width, heading))
    return row


def _cell(paragraphs: Sequence[str], width: int, bold: bool) -> Any:
    cell = OxmlElement("w:tc")
    settings, measure = OxmlElement("w:tcPr"), OxmlElement("w:tcW")
    measure.set(qn("w:w"), str(round(width * 1440 / 25.4)))
    measure.set(qn("w:type"), "dxa")
    settings.append(measure)
    cell.append(settings)
    # A cell without a paragraph is a broken document.
    for paragraph in paragraphs or ("",):
        cell.append(_paragraph(one_line(paragraph), bold))
    return cell


def _paragraph(words: str, bold: bool) -> Any:
    paragraph, run, text = (OxmlElement(name) for name in ("w:p", "w:r", "w:t"))
    if bold:
        settings = OxmlElement("w:rPr")
        settings.append(OxmlElement("w:b"))
        run.append(settings)
    text.text = words
    run.append(text)
    paragraph.append(run)
    return paragraph
