"""How dates and identifiers are put for a reader."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

_MONTHS = "January February March April May June July August September October November December".split()


def day(iso: str | None) -> str:
    """``2019-09-20`` as ``20 September 2019``, ``2019-09`` as ``September 2019``, ``2019`` as it is."""
    if not iso:
        return ""
    parts = iso[:10].split("-")
    if len(parts) > 1:
        parts[1] = _MONTHS[int(parts[1]) - 1]
    if len(parts) > 2:
        parts[2] = str(int(parts[2]))
    return " ".join(reversed(parts))


def moment(iso: str | None) -> str:
    """``2026-11-24T20:11:16Z`` as ``24 November 2026, 20:11 UTC``."""
    if not iso:
        return ""
    return f"{day(iso)}, {datetime.fromisoformat(iso):%H:%M} UTC"


def doi_link(doi: str) -> str:
    """Where a DOI leads; whatever is in it, the scheme and host are ours."""
    return "https://doi.org/" + quote(doi, safe="/:;().-_")
