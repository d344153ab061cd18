"""Text made to be slow to read is read all the same: each reader of foreign text as a process, given up after a minute.

Half a megabyte is what a hostile record may hold in one field; whatever reads with the square of that takes an hour.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

N = 200_000
# What reads the text called x, by a name; each is tried with each of the texts.
READERS = {
    "a line of RIS": "from tracker.export.clean import one_line; one_line(x)",
    "a cell of CSV": "from tracker.export.clean import cell; cell(x)",
    "a cell that Excel may convert": "from tracker.export.clean import kept_text; kept_text(x)",
    "pages": "from tracker.export.pages import written_out; written_out(x)",
    "a title to match by": "from tracker.exchange.matching import plain_title; plain_title(x)",
    "a DOI to match by": "from tracker.exchange.matching import plain_doi; plain_doi(x)",
    "Rayyan's decisions": "from tracker.exchange.rayyan import _pairs; list(_pairs(x))",
    "Rayyan's parts": "from tracker.exchange.rayyan import _parts; _parts('USER-NOTES: ' + x)",
    "an identifier of MEDLINE": "from tracker.pubmed.nbib import _IDENTIFIER; _IDENTIFIER.fullmatch(x)",
    "an event of MEDLINE": "from tracker.pubmed.nbib import _EVENT; _EVENT.match(x)",
    "a notice of MEDLINE": "from tracker.pubmed.nbib import _PMID_OF_NOTICE; _PMID_OF_NOTICE.search(x)",
    "a name of MEDLINE": "from tracker.pubmed.nbib import _SHORT_NAME; _SHORT_NAME.fullmatch(x)",
    "a substance of MEDLINE": "from tracker.pubmed.nbib import _REGISTRY; _REGISTRY.fullmatch(x)",
    "a formula's part": "from tracker.pubmed.mathml import _grouped; _grouped(x)",
    "a date": "from tracker.pubmed.dates import parse_date; parse_date(x)",
    "a search": "from tracker.evidence.search import fts_query; fts_query(x)",
}
UNITS = (
    *(
        " ",
        "\t",
        "\n",
        ".",
        ":",
        "-",
        "0",
        "a",
        "é",
        "(",
        "[",
        "]",
        "<",
        "<a",
        "\\",
        '"',
        '"\\',
        '\\"',
        "=>",
        ", ",
    ),
    *(
        '"a"=>[',
        '"a" ',
        "[a",
        " [",
        "a:",
        "a1",
        "0-",
        "PMID: ",
        "PMID: 1 ",
        "retracted ",
        "doi: ",
        "a* ",
        "nov",
        "1 ",
    ),
)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_no_text_is_read_for_ever(reader: str) -> None:
    program = "\n".join(
        (
            "from tracker.errors import TrackerError",
            f"for unit in {UNITS!r}:",
            f"    for x in ((unit * {N})[:{N}], (unit * {N})[:{N}] + '!', 'a' + (unit * {N})[:{N}]):",
            "        try:",
            f"            {reader}",
            "        except (TrackerError, ValueError):",
            "            pass",
        )
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


def test_pages_of_very_many_digits_are_kept_as_they_are(tmp_path: Path) -> None:
    """Python refuses to make a number of more than 4,300 digits."""
    from tracker.export.pages import written_out

    pages = "1" * 5_000 + "-" + "2" * 5_000
    assert written_out(pages) == pages
