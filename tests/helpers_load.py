"""Records made for one test, and the short way to store them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from tracker.evidence import connect, runs, schema
from tracker.jobs import ingest

WHEN = "2026-01-01T00:00:00Z"


def record(
    pmid: int,
    title: str = "A title",
    abstract: str = "",
    *,
    revised: str = "2024-01-01",
    keywords: Iterable[str] = (),
    types: Iterable[str] = ("Journal Article",),
    year: int = 2020,
    author: str = "",
    version: int = 1,
) -> str:
    """A PubmedArticle with as much as a test needs; the texts are given without markup."""
    day = "".join(
        f"<{name}>{part}</{name}>"
        for name, part in zip(("Year", "Month", "Day"), revised.split("-"), strict=True)
    )
    words = "".join(f'<Keyword MajorTopicYN="N">{escape(word)}</Keyword>' for word in keywords)
    kinds = "".join(f"<PublicationType>{escape(type)}</PublicationType>" for type in types)
    authors = f"<AuthorList><Author><LastName>{author}</LastName></Author></AuthorList>" if author else ""
    return f"""<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="{version}">{pmid}</PMID>
<DateRevised>{day}</DateRevised><Article PubModel="Print"><Journal><JournalIssue><PubDate><Year>{year}</Year></PubDate>
</JournalIssue><Title>J</Title></Journal><ArticleTitle>{escape(title)}</ArticleTitle>
<Abstract><AbstractText>{escape(abstract)}</AbstractText></Abstract>{authors}
<PublicationTypeList>{kinds}</PublicationTypeList></Article><KeywordList Owner="NOTNLM">{words}</KeywordList>
</MedlineCitation></PubmedArticle>"""


def document(*parts: str) -> str:
    return f"<PubmedArticleSet>{''.join(parts)}</PubmedArticleSet>"


def open_evidence(folder: Path) -> sqlite3.Connection:
    return connect.open_for_writing(folder / "evidence.db", schema.migrations, "NORMAL")


def put(db: sqlite3.Connection, *texts: str, source: str = "pubmed") -> ingest.Stored:
    """Store these records as a refresh would."""
    run = runs.start(db, "load", "0", {})
    with connect.transaction(db):
        return ingest.store(
            db, [ingest.read(text.encode()) for text in texts], run=run, when=WHEN, source=source
        )
