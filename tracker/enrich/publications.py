"""PubMed once more: whether any publication names a trial that ended more than a year ago without a known one.

As the FDAAA TrialsTracker asks (https://fdaaa.trialstracker.net/faq/): a trial is called unpublished only where PubMed,
asked for its number, finds nothing. Records of our questions alone could not say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracker.enrich import source
from tracker.enrich.source import Answered, Answers, Rows, Source, understood
from tracker.errors import ServiceError
from tracker.pubmed.entrez import PubMed
from tracker.pubmed.transport import OnWait
from tracker.settings import Settings


class _Found(Answered):
    pmids: list[int]


def connect(_: Source, settings: Settings, on_wait: OnWait | None) -> PubMed:
    return PubMed(settings, on_wait=on_wait, backoff=source.PATIENCE)


def ask(pubmed: PubMed, keys: Sequence[str]) -> Answers:
    return {key: {"pmids": _naming(pubmed, key)} for key in keys}


def _naming(pubmed: PubMed, nct: str) -> list[int]:
    found = pubmed.search(f"{nct}[si] OR {nct}[tiab]")
    if found.reason:
        raise ServiceError(
            f"PubMed's answer for {nct} is incomplete: {found.reason}. It is asked again next time."
        )
    return [int(pmid) for pmid in found.pmids]


def rows(key: str, answer: Any) -> Rows:
    pmids = understood(_Found, answer).pmids
    return {"trial_articles": [{"nct": key, "pmid": pmid, "how": "search"} for pmid in pmids]}


SOURCE = Source(
    name="pubmed",
    title="PubMed",
    keys="""
        select t.nct as key, coalesce(t.primary_completed, t.completed) as newest from trials t
        where t.status in ('COMPLETED', 'TERMINATED') and t.results_posted is null
          and coalesce(t.primary_completed, t.completed) < date(:today, '-1 year')
          and not exists (select 1 from trial_articles a where a.nct = t.nct and a.source <> 'pubmed')
    """,
    tables=("trial_articles",),
    ask=ask,
    rows=rows,
    batch=1,
    # NCBI's own limit holds.
    per_second=3,
    young_days=30,
    old_days=30,
    most=200,
    connect=connect,
)
