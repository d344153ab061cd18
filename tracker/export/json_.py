"""JSON: everything that a citation holds, under our own names; one object with the list and its ``articles``.

Each article is one line, so that files can be read and compared line by line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, BinaryIO

from tracker.citation import Citation
from tracker.export.listing import Listing


def write(listing: Listing, citations: Iterable[Citation], out: BinaryIO) -> None:
    about = {
        "list": listing.slug,
        "title": listing.title,
        "updated": listing.updated,
        "remarks": listing.remarks,
        "home": listing.home,
    }
    out.write(dump(about)[:-1] + b', "articles": ')
    write_array(map(_article, citations), out)
    out.write(b"}\n")


def write_array(entries: Iterable[Any], out: BinaryIO) -> None:
    """A JSON array with one entry per line, each written as it comes."""
    between = b"[\n"
    for entry in entries:
        out.write(between + dump(entry))
        between = b",\n"
    out.write(b"\n]" if between == b",\n" else b"[]")


def dump(value: Any) -> bytes:
    # A lone surrogate, which UTF-8 cannot encode, is shown as a question mark.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _article(c: Citation) -> dict[str, Any]:
    return {
        **asdict(c),
        "pmid": c.pubmed_id,
        "key": c.key,
        "external": c.external and c.external._asdict(),
        "doi": c.doi_name or c.doi,
        "authors": [author._asdict() for author in c.authors],
        "book": c.book and c.book._asdict(),
        "notices": [notice._asdict() for notice in c.notices],
        "labels": [{**label._asdict(), "read_by": "machine"} for label in c.labels],
        "tags": [tag._asdict() for tag in c.tags],
        "screening": [outcome._asdict() for outcome in c.screening],
        "judgements": [judgement._asdict() for judgement in c.judgements],
        "directness": c.directness and {**c.directness._asdict(), "read_by": "machine"},
        "placement": c.placement and c.placement._asdict(),
        "registrations": [{"bank": bank, "number": number} for bank, number in c.registrations],
        "standing": c.standing,
        "status": c.status_date,
        "url": c.url,
        "doi_url": c.doi_url,
    }
