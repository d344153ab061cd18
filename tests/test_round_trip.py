"""What we write in PubMed's own text format, we read again: every real record out, and in once more."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.helpers_load import open_evidence
from tracker.article import Article
from tracker.citation import Citation
from tracker.evidence import articles, connect
from tracker.export.clean import one_line
from tracker.export.formats import FORMATS, Listing
from tracker.jobs import ingest
from tracker.lists import citations
from tracker.pubmed import nbib
from tracker.pubmed.records import open_file, split

SHARED = Path(__file__).parents[2] / "shared" / "data"
FILES = [SHARED / "pubmed_real.xml.gz", SHARED / "ketamine.xml.gz"]
LISTING = Listing("all", "All", "2026-01-01T00:00:00Z")

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data (real PubMed records) is not beside the checkout"
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Citation, Article]]:
    """Each record as it is cited, and as it is read from what was written of it."""
    with closing(open_evidence(tmp_path_factory.mktemp("real"))) as db:
        readings = {}
        for path in FILES:
            with open_file(path) as stream:
                readings |= {reading.pmid: reading for reading in map(_read, split(stream)) if reading}
        with connect.transaction(db):
            articles.write(db, [reading.rows for reading in readings.values()])
        cited = list(citations.of_articles(db, sorted(readings)))
    out = io.BytesIO()
    FORMATS["nbib"].write(LISTING, cited, out)
    read = map(nbib.parse_record, nbib.split(io.BytesIO(out.getvalue())))
    return list(zip(cited, read, strict=True))


def _read(raw: Any) -> ingest.Reading | None:
    return ingest.read(raw.body) if raw.body else None


KEPT: dict[str, tuple[Callable[[Citation], Any], Callable[[Article], Any]]] = {
    "PMID": (lambda c: c.pmid, lambda a: a.pmid),
    "ISSN": (lambda c: (c.issn, c.issn_linking), lambda a: (a.journal.issn, a.journal.issn_linking)),
    "pages": (lambda c: c.pages, lambda a: a.pages),
    "article number": (lambda c: c.article_number, lambda a: a.article_number),
    "DOI": (lambda c: c.doi_name, lambda a: a.id("doi")),
    "whether all authors are named": (lambda c: c.authors_complete, lambda a: a.authors_complete),
    "authors": (
        lambda c: sorted(one_line(author.short) for author in c.authors),
        lambda a: sorted(author.display for author in a.authors),
    ),
    "title": (lambda c: one_line(c.headline), lambda a: a.title.plain),
    "abstract": (lambda c: one_line(c.abstract or ""), lambda a: a.abstract_text),
}


@pytest.mark.parametrize("field", KEPT)
def test_nothing_of_it_is_lost(field: str, pairs: list[tuple[Citation, Article]]) -> None:
    ours, again = KEPT[field]
    # Of books the format has an ISBN, and their pages stand elsewhere.
    lost = [(c.pmid, ours(c), again(a)) for c, a in pairs if not c.book and ours(c) != again(a)]
    assert not lost, (len(lost), lost[:3])


def test_the_records_that_nlm_gave_an_issn_have_it(pairs: list[tuple[Citation, Article]]) -> None:
    assert sum(article.journal.issn is not None for _, article in pairs) > 690


def test_every_paper_without_pages_has_the_number_that_it_is_cited_by(
    pairs: list[tuple[Citation, Article]],
) -> None:
    numbered = {c.article_number for c, _ in pairs if c.article_number}
    assert len(numbered) >= 19
    assert numbered > {"E1870", "e170500", "euae122", "e01408-19", "ENEURO.0089-19.2019", "021003"}
    assert not any(number.startswith("S0") or "(" in number for number in numbered)
