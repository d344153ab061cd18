"""Files of realistic size to load: the real records beside the project, tiled with fresh PMIDs."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from benchmarks.processes import ROOT

REAL = ROOT.parent / "shared" / "data" / "pubmed_real.xml.gz"
_RECORD = re.compile(rb"<(PubmedArticle|PubmedBookArticle)[ >].*?</\1>", re.S)
_PMID = re.compile(rb"(<PMID[^>]*>)\d+(</PMID>)")
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<PubmedArticleSet>\n'


def tiled(path: Path, records: int) -> Path:
    """Write that many records to ``path``, gzip as NLM's own files are, and return it."""
    originals = [found[0] for found in _RECORD.finditer(gzip.decompress(REAL.read_bytes()))]
    with gzip.open(path, "wb", compresslevel=6) as file:
        file.write(HEAD)
        for number in range(records):
            body = originals[number % len(originals)]
            file.write(_PMID.sub(rb"\g<1>%d\g<2>" % (10_000_000 + number), body, count=1) + b"\n")
        file.write(b"</PubmedArticleSet>\n")
    return path
