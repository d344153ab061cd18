"""Word files of reports: an empty one with a page of its own, and the same bytes for the same content.

Both need python-docx, which takes 0.1 s to import: only what writes a Word file should wait for it.
"""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from tracker.export.clean import one_line

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class Page(NamedTuple):
    """Width, height and margin in millimetres, and the size of letters in points."""

    width: int
    height: int
    margin: int
    letters: int


def opened(title: str, updated: str, page: Page) -> Any:
    """An empty document with this title, dated as its content was ``updated``: another date would change its bytes."""
    from docx import Document
    from docx.enum.section import WD_ORIENT
    from docx.shared import Mm, Pt

    file = Document()
    (section,) = file.sections
    if page.width > page.height:
        section.orientation = WD_ORIENT.LANDSCAPE
    section.page_width, section.page_height = Mm(page.width), Mm(page.height)
    margin = Mm(page.margin)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = margin
    file.styles["Normal"].font.size = Pt(page.letters)
    file.core_properties.title = one_line(title)[:255]
    file.core_properties.author = file.core_properties.comments = ""
    moment = datetime.fromisoformat(updated).replace(tzinfo=None)
    file.core_properties.created = file.core_properties.modified = moment
    file.add_heading(one_line(title), 1)
    return file


def saved(file: Any) -> bytes:
    """As python-docx saves it, but with one date in the archive, so that the same content gives the same bytes."""
    saved, dated = BytesIO(), BytesIO()
    file.save(saved)
    with ZipFile(saved) as parts, ZipFile(dated, "w") as archive:
        for name in parts.namelist():
            archive.writestr(ZipInfo(name), parts.read(name), ZIP_DEFLATED)
    return dated.getvalue()
