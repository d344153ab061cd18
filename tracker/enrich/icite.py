"""iCite, of NIH: how often a paper is cited, and how that compares with its field (https://icite.od.nih.gov/api).

It answered in two shapes: authors as text and "Yes" or "No" (2024), authors as objects and true or false (2025). What
is read here is the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from tracker.enrich.source import Answered, Answers, Number, Rows, Source, understood, whole
from tracker.pubmed.transport import Line

_FIELDS = (
    "pmid,citation_count,relative_citation_ratio,nih_percentile,citations_per_year,cited_by_clin,provisional"
)


class _Frame(Answered):
    data: list[dict[str, Any]]


class _Paper(Answered):
    pmid: int
    citation_count: Number
    relative_citation_ratio: float | None = None
    nih_percentile: float | None = None
    citations_per_year: float | None = None
    cited_by_clin: list[int] | None = Field(default=None)
    provisional: bool | None = None


def ask(line: Line, keys: Sequence[str]) -> Answers:
    answer = line.get("pubs", {"pmids": ",".join(keys), "fl": _FIELDS})
    papers = whole(_Frame, answer, SOURCE.title).data
    return {key: paper for paper in papers if (key := str(paper.get("pmid"))) in keys}


def rows(key: str, answer: Any) -> Rows:
    paper = understood(_Paper, answer)
    return {
        "citation_metrics": [
            {
                "pmid": paper.pmid,
                "citations": paper.citation_count,
                "clinical_citations": len(paper.cited_by_clin or ()),
                "rcr": paper.relative_citation_ratio,
                "percentile": paper.nih_percentile,
                "citations_per_year": paper.citations_per_year,
                "provisional": paper.provisional,
            }
        ]
    }


SOURCE = Source(
    name="icite",
    title="iCite",
    keys="""
        select cast(q.pmid as text) as key, q.created as newest from question_articles q
        where q.matching and q.pmid > 0 and q.question in (select value from json_each(:questions))
    """,
    tables=("citation_metrics",),
    ask=ask,
    rows=rows,
    batch=200,
    per_second=1,
    young_days=30,
    old_days=90,
)
