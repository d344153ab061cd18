"""Crossref: what publishers and Retraction Watch say happened to a paper after it came out.

https://api.crossref.org/swagger-ui/index.html. Which of it PubMed lacks is told by the view ``outside_notices``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import Field

from tracker.enrich.source import Answered, Answers, Rows, Source, understood, whole
from tracker.pubmed.transport import Line

# Crossref's types of updates, as kinds that PubMed knows too: https://www.crossref.org/documentation/crossmark/
KINDS = {
    "retraction": "retracted",
    "withdrawal": "withdrawn",
    "removal": "withdrawn",
    "expression_of_concern": "expression of concern",
    "correction": "corrected",
    "corrigendum": "corrected",
    "erratum": "corrected",
    "partial_retraction": "corrected",
}


class _Frame(Answered):
    message: dict[str, Any]


class _Found(Answered):
    items: list[dict[str, Any]]


class _When(Answered):
    parts: list[list[int | None]] = Field(default=[], alias="date-parts")

    @property
    def day(self) -> str | None:
        """The date as precise as it is known."""
        known = [part for part in (self.parts[0] if self.parts else ())[:3] if part]
        return "-".join(f"{part:02}" for part in known) or None


class _Update(Answered):
    type: str
    source: str = "publisher"
    doi: str | None = Field(default=None, alias="DOI")
    when: _When = Field(default=_When(), alias="updated")

    @property
    def plain_type(self) -> str:
        return re.sub(r"[\s-]+", "_", self.type.strip().lower())


class _Work(Answered):
    updates: list[_Update] = Field(default=[], alias="updated-by")


def ask(line: Line, keys: Sequence[str]) -> Answers:
    # A comma separates filters, and there is no way to write one within a DOI.
    together = [key for key in keys if "," not in key]
    works = _listed(line, together) if together else []
    works += [work for key in keys if key not in together for work in _single(line, key)]
    return {key: work for work in works if (key := str(work.get("DOI")).lower()) in keys}


def _listed(line: Line, dois: Sequence[str]) -> list[dict[str, Any]]:
    filters = ",".join(f"doi:{doi}" for doi in dois)
    answer = line.get("works", {"filter": filters, "rows": str(len(dois)), **_contact(line)})
    message = whole(_Frame, answer, SOURCE.title).message
    return whole(_Found, message, SOURCE.title).items


def _single(line: Line, doi: str) -> list[dict[str, Any]]:
    answer = line.get(f"works/{quote(doi, safe='')}", _contact(line))
    return [] if answer is None else [whole(_Frame, answer, SOURCE.title).message]


def _contact(line: Line) -> dict[str, str]:
    return {"mailto": line.email} if line.email else {}


def rows(key: str, answer: Any) -> Rows:
    work = understood(_Work, answer)
    return {
        "doi_notices": [
            {
                "doi": key,
                "kind": KINDS.get(update.plain_type, "other"),
                "type": update.plain_type,
                "stated_by": update.source,
                "date": update.when.day,
                "notice_doi": update.doi and update.doi.lower(),
            }
            for update in work.updates
        ]
    }


SOURCE = Source(
    name="crossref",
    title="Crossref",
    keys="""
        select lower(a.doi) as key, q.created as newest from question_articles q join articles a on a.pmid = q.pmid
        where q.matching and a.doi glob '10.[0-9]*/?*' and a.doi not glob '*[ |]*'
          and q.question in (select value from json_each(:questions))
    """,
    tables=("doi_notices",),
    ask=ask,
    rows=rows,
    batch=20,
    per_second=3,
    young_days=7,
    old_days=30,
)
