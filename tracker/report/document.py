"""A report as a document: headings, paragraphs, searches and tables, written as Markdown, HTML or Word.

The HTML stands alone: it needs nothing else, and reads on a phone, on paper and in a dark room.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from tracker.export.clean import one_line, printable
from tracker.report import word


class Words(NamedTuple):
    """A paragraph; ``missing`` marks what somebody still has to write, ``href`` is where it leads."""

    text: str
    missing: bool = False
    href: str | None = None


class Code(NamedTuple):
    """A search as it was written, under its title."""

    title: str
    text: str


class Cell(NamedTuple):
    """A cell of a table: ``level`` 1 is a part of the row above, and ``href`` where it leads."""

    text: str
    level: int = 0
    href: str | None = None
    is_number: bool = False


class Table(NamedTuple):
    """A table; its first row heads it."""

    rows: tuple[tuple[Cell, ...], ...]


class Drawing(NamedTuple):
    """SVG, which only HTML shows; a table always says the same."""

    svg: Markup


Block = Words | Code | Table | Drawing


class Section(NamedTuple):
    title: str
    blocks: Sequence[Block]


class Document(NamedTuple):
    """``updated`` is the moment as of which it holds."""

    title: str
    updated: str
    lead: Sequence[str]
    sections: Sequence[Section]


def moment_words(moment: str) -> str:
    """``2026-11-24T20:11:16Z`` as ``2026-11-24, 20:11 UTC``."""
    return f"{moment[:10]}, {moment[11:16]} UTC"


# -- Markdown --------------------------------------------------------------------------------------

# What Markdown would take for markup of its own, anywhere or where a paragraph begins.
_MARKS = re.compile(r"([\\`*_\[\]<>|])")
_BEGINNING = re.compile(r"^(\d*)([#+.)-])")


def to_markdown(document: Document) -> bytes:
    parts = [f"# {_marked(document.title)}", *map(_paragraph, document.lead)]
    for section in document.sections:
        parts.append(f"## {_marked(section.title)}")
        parts += [part for block in section.blocks if (part := _markdown(block))]
    return ("\n\n".join(parts) + "\n").encode()


def _markdown(block: Block) -> str:
    if isinstance(block, Words):
        text = _paragraph(block.text)
        if block.href:
            text = f"[{text}](<{block.href}>)"
        return f"**{text}**" if block.missing else text
    if isinstance(block, Code):
        # A fence longer than any within.
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", block.text)), 3)
        return f"{_marked(block.title)}:\n\n{fence}text\n{printable(block.text)}\n{fence}"
    if isinstance(block, Table):
        head, *rows = block.rows
        lines = [
            _markdown_row(head),
            "|" + "|".join("--:" if cell.is_number else "---" for cell in head) + "|",
        ]
        return "\n".join([*lines, *map(_markdown_row, rows)])
    return ""


def _markdown_row(row: Iterable[Cell]) -> str:
    return "| " + " | ".join("– " * cell.level + _marked(cell.text) for cell in row) + " |"


def _marked(text: str) -> str:
    return _MARKS.sub(r"\\\1", one_line(text))


def _paragraph(text: str) -> str:
    """Text that begins no list, quotation or heading."""
    return _BEGINNING.sub(r"\1\\\2", _marked(text))


# -- HTML ------------------------------------------------------------------------------------------

_STYLE = Markup("""
:root { color-scheme: light dark; --ink: #1d2327; --paper: #fff; --line: #c9c6bd; --link: #0b5a8a; --quiet: #55606a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e6e1; --paper: #14181b; --line: #3a4248; --link: #8cc8f0;
  --quiet: #a8b0b6; } }
body { color: var(--ink); background: var(--paper); font: 1rem/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif;
  max-width: 56rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 1.6rem 0 .3rem; }
a { color: var(--link); } .quiet { color: var(--quiet); } .missing { border-left: 4px solid; padding-left: .6rem; }
pre { white-space: pre-wrap; border: 1px solid var(--line); border-radius: .3rem; padding: .5rem .7rem; }
pre { font-size: .85rem; }
table { border-collapse: collapse; width: 100%; } th, td { border: 1px solid var(--line); padding: .25rem .5rem;
  text-align: left; vertical-align: top; } th { font-weight: 400; } thead th { font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.part { padding-left: 1.6rem; }
.part.deep { padding-left: 3rem; }
.scroll { overflow-x: auto; } svg a { fill: var(--link); }
@page { margin: 14mm; }
@media print { :root { --ink: #000; --paper: #fff; --link: #000; } body { padding: 0; font-size: 9.5pt; }
  .scroll { overflow: visible; } svg { max-width: 100%; height: auto; max-height: 250mm; } }
""")


def to_html(document: Document) -> bytes:
    """One page that stands alone."""
    body = Markup("\n").join(_html_of(section) for section in document.sections)
    lead = Markup("\n").join(
        Markup('<p class="quiet">{}</p>').format(printable(text)) for text in document.lead
    )
    return (
        Markup(
            '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            "<title>{title}</title>\n<style>{style}</style>\n<body>\n<main>\n<h1>{title}</h1>\n"
            "{lead}\n{body}\n</main>\n</body>\n</html>\n"
        )
        .format(title=one_line(document.title), style=_STYLE, lead=lead, body=body)
        .encode()
    )


def _html_of(section: Section) -> Markup:
    blocks = Markup("\n").join(map(_html, section.blocks))
    return Markup("<section>\n<h2>{}</h2>\n{}\n</section>").format(one_line(section.title), blocks)


def _html(block: Block) -> Markup:
    if isinstance(block, Words):
        words = _linked(block.text, block.href)
        if block.missing:
            words = Markup("<strong>{}</strong>").format(words)
        return Markup("<p{}>{}</p>").format(Markup(' class="missing"') if block.missing else "", words)
    if isinstance(block, Code):
        return Markup("<p>{}:</p>\n<pre>{}</pre>").format(one_line(block.title), printable(block.text))
    if isinstance(block, Table):
        head, *rows = block.rows
        return Markup(
            '<div class="scroll"><table><thead><tr>{}</tr></thead><tbody>\n{}\n</tbody></table></div>'
        ).format(
            Markup("").join(_html_cell(cell, "th", "col") for cell in head),
            Markup("\n").join(map(_html_row, rows)),
        )
    return Markup('<div class="scroll">{}</div>').format(block.svg)


def _html_row(row: Sequence[Cell]) -> Markup:
    first, *rest = row
    cells = (_html_cell(first, "th", "row"), *(_html_cell(cell, "td") for cell in rest))
    return Markup("<tr>{}</tr>").format(Markup("").join(cells))


def _html_cell(cell: Cell, tag: str, scope: str = "") -> Markup:
    holding = (("number", cell.is_number), ("part", cell.level), ("deep", cell.level > 1))
    classes = [name for name, holds in holding if holds]
    named = Markup(' class="{}"').format(" ".join(classes)) if classes else Markup("")
    scoped = Markup(' scope="{}"').format(scope) if scope else Markup("")
    return Markup("<{tag}{scoped}{named}>{words}</{tag}>").format(
        tag=tag, scoped=scoped, named=named, words=_linked(cell.text, cell.href)
    )


def _linked(text: str, href: str | None) -> Markup:
    words = Markup("{}").format(printable(text))
    return Markup('<a href="{}">{}</a>').format(href, words) if href else words


# -- Word ------------------------------------------------------------------------------------------


_A4 = word.Page(width=210, height=297, margin=20, letters=10)


def to_docx(document: Document) -> bytes:
    """A Word file on A4; the same document always gives the same bytes."""
    file = word.opened(document.title, document.updated, _A4)
    for text in document.lead:
        file.add_paragraph(one_line(text))
    for part in document.sections:
        file.add_heading(one_line(part.title), 2)
        for block in part.blocks:
            _add(file, block)
    return word.saved(file)


def _add(file: Any, block: Block) -> None:
    from docx.shared import Mm, Pt

    if isinstance(block, Words):
        file.add_paragraph().add_run(one_line(block.text)).bold = block.missing
    elif isinstance(block, Code):
        file.add_paragraph(f"{one_line(block.title)}:").paragraph_format.keep_with_next = True
        paragraph = file.add_paragraph()
        paragraph.paragraph_format.left_indent = Mm(5)
        run = paragraph.add_run(printable(block.text))
        run.font.name, run.font.size = "Courier New", Pt(8.5)
    elif isinstance(block, Table):
        _add_table(file, block)


def _add_table(file: Any, block: Table) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.shared import Mm

    columns = len(block.rows[0])
    table = file.add_table(rows=0, cols=columns, style="Table Grid")
    table.autofit = False
    widths = [170 - 25 * (columns - 1), *[25] * (columns - 1)]
    for column, width in zip(table.columns, widths, strict=True):
        column.width = Mm(width)
    for number, row in enumerate(block.rows):
        for cell, written, width in zip(row, table.add_row().cells, widths, strict=True):
            written.width = Mm(width)
            paragraph = written.paragraphs[0]
            paragraph.paragraph_format.left_indent = Mm(5 * cell.level)
            if cell.is_number:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
            paragraph.add_run(one_line(cell.text)).bold = number == 0
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    # Word puts what follows right below the table.
    file.add_paragraph()


def lines_of(blocks: Iterable[Block]) -> Iterator[str]:
    """The blocks as plain lines, for JSON."""
    for block in blocks:
        if isinstance(block, Words):
            yield block.text
        elif isinstance(block, Code):
            yield f"{block.title}: {block.text}"
        elif isinstance(block, Table):
            yield from ("; ".join(cell.text for cell in row) for row in block.rows[1:])
