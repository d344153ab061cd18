"""Citations in the formats that reference managers, spreadsheets and feed readers take.

Every format has one function, ``write(listing, citations, out)``, which takes the citations one at a time and
keeps none in memory (XLSX: in a temporary folder), so that a list may have any length. The same citations
always give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Generic, NamedTuple, Protocol, TypeVar

from tracker.citation import Citation
from tracker.export import atom, bibtex, csl, json_, nbib, ris, table
from tracker.export.listing import Listing


class Write(Protocol):
    """Writes a list; raises what ``out.write`` raises."""

    def __call__(self, listing: Listing, citations: Iterable[Citation], out: BinaryIO, /) -> None: ...


W = TypeVar("W")


class FileFormat(NamedTuple, Generic[W]):
    """A format with the function that writes it, of lists as of reports.

    ``name`` is what ``tracker export --format`` takes, ``extension`` what the site's addresses end with.

    ``binary_file`` names a kind of file that is not for a terminal; for text it is empty.
    """

    name: str
    title: str
    media_type: str
    extension: str
    write: W
    binary_file: str = ""


Format = FileFormat[Write]


_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ALL: tuple[Format, ...] = (
    Format("ris", "RIS", "application/x-research-info-systems", "ris", ris.write),
    Format("bibtex", "BibTeX", "application/x-bibtex; charset=utf-8", "bib", bibtex.write),
    Format("csl-json", "CSL-JSON", "application/vnd.citationstyles.csl+json", "csl.json", csl.write),
    Format("nbib", "PubMed (NBIB)", "application/nbib; charset=utf-8", "nbib", nbib.write),
    Format("csv", "CSV", "text/csv; charset=utf-8", "csv", table.write_csv),
    Format("xlsx", "Excel", _XLSX, "xlsx", table.write_xlsx, "an Excel file"),
    Format("json", "JSON", "application/json", "json", json_.write),
    Format("atom", "Atom feed", "application/atom+xml; charset=utf-8", "atom", atom.write),
)
FORMATS = {format.name: format for format in _ALL}

__all__ = ["FORMATS", "Citation", "FileFormat", "Format", "Listing", "Write"]
