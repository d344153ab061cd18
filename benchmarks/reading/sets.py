"""The labelled sets of ``../shared/data/reading``, as articles with what people read in them.

Of each set a quarter is there to develop with (``pmid % 4 == 0``; where a record has no PMID, the SHA-1 of its title's
letters and digits, or of its abstract's where it has no title, mod 4); the rest reports.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from benchmarks.processes import ROOT
from tracker.article import AbstractSection, Article, ArticleKey, Pmid, Text
from tracker.pubmed import xml

DATA = ROOT.parent / "shared" / "data"
OUR_LABELS = Path(__file__).parent / "gold"
# Sets that people labelled for this project, with our own values.
OURS = ("ketamine_gold", "setting", "sponsor")


class Read(NamedTuple):
    """A record, and what people read in it by the names of their set."""

    id: str
    article: Article
    gold: dict[str, Any]
    develop: bool


@cache
def load(name: str) -> list[Read]:
    """A set by its name; empty where it is not there."""
    if name in OURS:
        return list(_ours(name))
    path = DATA / "reading" / f"{name}.even.jsonl.gz"
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [_read(json.loads(line)) for line in lines]


def _read(row: dict[str, Any]) -> Read:
    title, abstract = row["title"] or "", row["abstract"] or ""
    sections = (AbstractSection(None, None, Text(abstract, abstract)),) if abstract else ()
    key = Pmid(ArticleKey(row["pmid"] or 1))
    return Read(
        row["id"],
        Article(pmid=key, title=Text(title, title), abstract=sections),
        row["labels"] | {"their_split": row.get("their_split")},
        _develop(row),
    )


def _develop(row: dict[str, Any]) -> bool:
    if row["pmid"]:
        return bool(row["pmid"] % 4 == 0)
    letters = "".join(letter for letter in (row["title"] or row["abstract"]).lower() if letter.isalnum())
    return int(hashlib.sha1(letters.encode()).hexdigest(), 16) % 4 == 0


def _ours(name: str) -> Iterator[Read]:
    """What was read for this project, with the records' own text."""
    path = DATA / "reading" / f"{name}.jsonl" if name == "ketamine_gold" else OUR_LABELS / f"{name}.jsonl"
    if not path.exists():
        return
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        article = records("pubmed_real" if name == "sponsor" else "ketamine").get(row["pmid"])
        if article:
            yield Read(str(row["pmid"]), article, row, row["pmid"] % 4 == 0)


@cache
def records(name: str) -> dict[int, Article]:
    """The articles of a file of PubMed records by their PMIDs; empty where it is not there."""
    path = DATA / f"{name}.xml.gz"
    if not path.exists():
        return {}
    root = etree.fromstring(gzip.decompress(path.read_bytes()))
    articles = [xml.parse_record(etree.tostring(node)) for node in root]
    return {article.pmid: article for article in articles}
