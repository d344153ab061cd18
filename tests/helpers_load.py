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
    authors: Iterable[str] = (),
    registered: Iterable[tuple[str, str]] = (),
    notices: Iterable[tuple[str, int]] = (),
    version: int = 1,
) -> str:
    """A PubmedArticle with as much as a test needs; the texts are given without markup.

    ``authors`` are as MEDLINE prints them (``Smith JA``), ``registered`` banks and numbers, ``notices`` types and
    PMIDs.
    """
    day = "".join(
        f"<{name}>{part}</{name}>"
        for name, part in zip(("Year", "Month", "Day"), revised.split("-"), strict=True)
    )
    words = "".join(f'<Keyword MajorTopicYN="N">{escape(word)}</Keyword>' for word in keywords)
    kinds = "".join(f"<PublicationType>{escape(type)}</PublicationType>" for type in types)
    names = [author, *authors] if author else list(authors)
    parts = (
        _element("AuthorList", *map(_author, names)),
        _element("DataBankList", *(_bank(bank, number) for bank, number in registered)),
        _element("PublicationTypeList", kinds),
    )
    listed = f'<KeywordList Owner="NOTNLM">{words}</KeywordList>'
    links = _element("CommentsCorrectionsList", *(_notice(type, other) for type, other in notices))
    return f"""<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="{version}">{pmid}</PMID>
<DateRevised>{day}</DateRevised><Article PubModel="Print"><Journal><JournalIssue><PubDate><Year>{year}</Year></PubDate>
</JournalIssue><Title>J</Title></Journal><ArticleTitle>{escape(title)}</ArticleTitle>
<Abstract><AbstractText>{escape(abstract)}</AbstractText></Abstract>{"".join(parts)}</Article>{links}{listed}
</MedlineCitation></PubmedArticle>"""


def _element(name: str, *content: str) -> str:
    """An element with this content; none where there is nothing to put into it."""
    return f"<{name}>{''.join(content)}</{name}>" if any(content) else ""


def _author(name: str) -> str:
    last, _, initials = name.partition(" ")
    return _element("Author", _element("LastName", last), _element("Initials", initials))


def _bank(bank: str, number: str) -> str:
    numbers = _element("AccessionNumberList", _element("AccessionNumber", number))
    return _element("DataBank", _element("DataBankName", bank), numbers)


def _notice(type: str, other: int) -> str:
    return f'<CommentsCorrections RefType="{type}"><RefSource>J</RefSource><PMID>{other}</PMID></CommentsCorrections>'


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
