"""The reports that the log writes, each in its formats: the flow of records, and that of the search (PRISMA-S).

The same report always gives the same bytes, from ``tracker report`` and from the site.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tracker.export.files import listing, one_moment
from tracker.export.formats import FileFormat
from tracker.export.json_ import dump
from tracker.lists.selection import Selection
from tracker.report import flow, flow_svg, prisma_s
from tracker.report.document import (
    Cell,
    Document,
    Drawing,
    Section,
    Table,
    Words,
    moment_words,
    to_docx,
    to_html,
    to_markdown,
)
from tracker.report.flow import Diagram, link
from tracker.report.prisma_s import PrismaS
from tracker.report.told import Told, told
from tracker.report.word import MEDIA_TYPE

# ``slug`` and ``home``, the address of the question's page, "" where no address of the site is known.
Write = Callable[[sqlite3.Connection, str, str], bytes]
Format = FileFormat[Write]


class Report(NamedTuple):
    """``name`` is what it is called in addresses, files and commands."""

    name: str
    title: str
    formats: Mapping[str, Format]


def write(db: sqlite3.Connection, report: str, format: str, slug: str, home: str = "") -> bytes:
    """A report as a file, all of it as of one moment.

    Raises UsageError if there is no such question, InvalidQuestions if its file cannot be read.
    """
    with one_moment(db):
        return REPORTS[report].formats[format].write(db, slug, home)


# -- the flow --------------------------------------------------------------------------------------


def read_flow(db: sqlite3.Connection, slug: str) -> Diagram:
    """The flow of a question as it is now, by its file of now."""
    return flow.diagram(db, slug, listing(db, Selection(slug)).updated, told(slug).updated_from)


def flow_document(diagram: Diagram, home: str) -> Document:
    form = "updated reviews" if diagram.is_update else "new reviews"
    lead = f"PRISMA 2020 flow diagram (doi:10.1136/bmj.n71), form for {form}. As of {moment_words(diagram.updated)}."
    return Document(
        f"Flow of records: {diagram.title}",
        diagram.updated,
        [lead],
        [
            Section("Diagram", [Drawing(flow_svg.drawing(diagram, home))]),
            Section("The numbers", [flow_table(diagram, home), *map(Words, diagram.remarks)]),
        ],
    )


def flow_table(diagram: Diagram, home: str) -> Table:
    return Table(((Cell("Step"), Cell("n", is_number=True)), *_rows(diagram, home)))


def _rows(diagram: Diagram, home: str) -> Iterator[tuple[Cell, ...]]:
    for box in diagram.boxes:
        for line in box.lines:
            level = line.level + (box.column == "side")
            yield Cell(line.words, level), Cell(f"{line.n:,}", 0, link(home, line), is_number=True)


def _flow_svg(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    return flow_svg.write_svg(read_flow(db, slug), home)


def _flow_html(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    return to_html(flow_document(read_flow(db, slug), home))


def _flow_docx(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    document = flow_document(read_flow(db, slug), home)
    # Word shows no SVG of ours: the table says the same.
    return to_docx(document._replace(sections=document.sections[1:]))


def _flow_json(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    return dump(read_flow(db, slug).as_json(home)) + b"\n"


# -- the search ------------------------------------------------------------------------------------


def read_prisma_s(db: sqlite3.Connection, slug: str, from_file: Told) -> PrismaS:
    """The report of a question's search, as of now. Raises UsageError if there is no such question."""
    about = listing(db, Selection(slug))
    found = prisma_s.report(db, slug, about.updated, from_file)
    # A question that has a listing is there.
    assert found is not None
    return found


def _prisma_s_md(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    return to_markdown(read_prisma_s(db, slug, told(slug)).document())


def _prisma_s_html(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    return to_html(read_prisma_s(db, slug, told(slug)).document())


def _prisma_s_docx(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    return to_docx(read_prisma_s(db, slug, told(slug)).document())


def _prisma_s_json(db: sqlite3.Connection, slug: str, home: str) -> bytes:
    return dump(read_prisma_s(db, slug, told(slug)).as_json()) + b"\n"


def _formats(*formats: Format) -> dict[str, Format]:
    return {format.name: format for format in formats}


REPORTS: Mapping[str, Report] = {
    report.name: report
    for report in (
        Report(
            "flow",
            "PRISMA 2020 flow diagram",
            _formats(
                Format("svg", "SVG", "image/svg+xml", "svg", _flow_svg),
                Format("html", "HTML", "text/html; charset=utf-8", "html", _flow_html),
                Format("docx", "Word", MEDIA_TYPE, "docx", _flow_docx, "a Word file"),
                Format("json", "JSON", "application/json", "json", _flow_json),
            ),
        ),
        Report(
            "prisma-s",
            "Report of the search (PRISMA-S)",
            _formats(
                Format("md", "Markdown", "text/markdown; charset=utf-8", "md", _prisma_s_md),
                Format("html", "HTML", "text/html; charset=utf-8", "html", _prisma_s_html),
                Format("docx", "Word", MEDIA_TYPE, "docx", _prisma_s_docx, "a Word file"),
                Format("json", "JSON", "application/json", "json", _prisma_s_json),
            ),
        ),
    )
}
