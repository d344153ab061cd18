"""What other services added to articles, for pages, digests and alerts: links, notices, metrics, preprints."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import quote

from tracker.article import ArticleKey
from tracker.citation import bare_doi
from tracker.evidence.rows import Row, read_rows

T = TypeVar("T")

_GIVEN = "in (select value from json_each(:pmids))"
# What Europe PMC calls sites, in readers' words; a DOI leads to the publisher.
_SITES = {"Europe_PMC": "Europe PMC", "PubMedCentral": "PMC", "DOI": "Publisher"}
_BEST_FIRST = ("PMC", "Europe PMC", "Publisher")
_GRAVEST_FIRST = ("retracted", "withdrawn", "expression of concern", "corrected", "other")


class Link(NamedTuple):
    """Where full text is. ``open`` is None where nobody says; ``source`` is who named the link: pubmed or europepmc."""

    name: str
    url: str
    format: str | None
    open: bool | None
    licence: str | None
    source: str


class OutsideNotice(NamedTuple):
    """A notice that PubMed lacks. ``stated_by`` is publisher or retraction-watch; ``fetched`` is when it first came."""

    pmid: ArticleKey
    kind: str
    type: str
    stated_by: str
    date: str | None
    url: str | None
    fetched: str


class Metrics(NamedTuple):
    """How often an article is cited, by iCite; ``provisional`` says that its RCR is."""

    citations: int
    clinical_citations: int
    rcr: float | None
    percentile: float | None
    citations_per_year: float | None
    provisional: bool | None
    fetched: str


class Preprint(NamedTuple):
    """The other of a pair: ``relation`` says what it is. Where it is not ``sure``, title and first author say so."""

    relation: Literal["preprint", "article"]
    other: str
    sure: bool
    doi: str | None
    title: str | None
    server: str | None
    published: str | None
    url: str


def links_of(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> dict[ArticleKey, tuple[Link, ...]]:
    """Full-text links of these articles, the best first: open before closed, PMC before the publisher's."""
    own = read_rows(
        db,
        f"select pmid, pmcid, doi from articles where pmid {_GIVEN} and coalesce(pmcid, doi) <> ''",
        _given(pmids),
    )
    theirs = _by_article(
        db,
        f"""
        select pmid, site, url, format, open, licence from full_text_links
        where pmid {_GIVEN} order by pmid, open desc, format = 'pdf', rowid
        """,
        pmids,
        _their_link,
    )
    found = {row["pmid"]: _own_links(row) for row in own}
    return {
        ArticleKey(pmid): _joined([*found.get(pmid, ()), *theirs.get(pmid, ())])
        for pmid in (*found, *(theirs.keys() - found.keys()))
    }


def _own_links(row: Row) -> list[Link]:
    links = []
    if row["pmcid"]:
        url = f"https://pmc.ncbi.nlm.nih.gov/articles/{quote(row['pmcid'])}/"
        links.append(Link("PMC", url, "html", True, None, "pubmed"))
    if row["doi"]:
        links.append(Link("Publisher", _doi_url(row["doi"]), "doi", None, None, "pubmed"))
    return links


def _their_link(row: Row) -> Link:
    site = _SITES.get(row["site"], row["site"].replace("_", " "))
    return Link(site, row["url"], row["format"], bool(row["open"]), _spelt(row["licence"]), "europepmc")


def _spelt(licence: str | None) -> str | None:
    """Licences of Creative Commons as they are written: CC BY-NC-ND."""
    return licence.upper() if licence and licence.lower().startswith("cc") else licence


def _joined(links: Iterable[Link]) -> tuple[Link, ...]:
    """One link for each site and kind of file; what is said of a link twice is put together."""
    joined: dict[tuple[str, bool], Link] = {}
    for link in links:
        place = (link.name, link.format == "pdf")
        first = joined.get(place, link)
        joined[place] = first._replace(
            open=first.open or link.open if first.open is not None else link.open,
            licence=first.licence or link.licence,
        )
    licence = next((link.licence for link in joined.values() if link.licence), None)
    return tuple(sorted((_licensed(link, licence) for link in joined.values()), key=_rank))


def _licensed(link: Link, licence: str | None) -> Link:
    """PMC has the same text as Europe PMC, under the same licence."""
    return link._replace(licence=link.licence or licence) if link.name == "PMC" else link


def _rank(link: Link) -> tuple[bool, int, bool]:
    place = _BEST_FIRST.index(link.name) if link.name in _BEST_FIRST else len(_BEST_FIRST)
    return (not link.open, place, link.format == "pdf")


def outside_notices_of(
    db: sqlite3.Connection, pmids: Collection[ArticleKey]
) -> dict[ArticleKey, tuple[OutsideNotice, ...]]:
    """Notices of these articles that PubMed lacks now, the gravest first."""
    found = _by_article(
        db, f"select * from outside_notices where pmid {_GIVEN} order by pmid, date", pmids, _notice
    )
    return {pmid: tuple(sorted(notices, key=_gravity)) for pmid, notices in found.items()}


def outside_notices_since(db: sqlite3.Connection, question: str, since: str) -> list[OutsideNotice]:
    """Notices that PubMed lacks, of articles that match the question, that first came after a moment (UTC)."""
    rows = read_rows(
        db,
        """
        select * from outside_notices
        where fetched > :since and pmid in (
          select pmid from question_articles where question = :question and matching)
        order by date desc, pmid
        """,
        {"question": question, "since": since},
    )
    return sorted(map(_notice, rows), key=_gravity)


def _notice(row: Row) -> OutsideNotice:
    url = _doi_url(row["notice_doi"]) if row["notice_doi"] else None
    pmid = ArticleKey(row["pmid"])
    return OutsideNotice(pmid, row["kind"], row["type"], row["stated_by"], row["date"], url, row["fetched"])


def _gravity(notice: OutsideNotice) -> int:
    return _GRAVEST_FIRST.index(notice.kind)


def metrics_of(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> dict[ArticleKey, Metrics]:
    """How often these articles are cited."""
    found = _by_article(
        db, f"select * from citation_metrics where pmid {_GIVEN} order by pmid, fetched", pmids, _metrics
    )
    return {pmid: latest for pmid, (*_, latest) in found.items()}


def _metrics(row: Row) -> Metrics:
    provisional = None if row["provisional"] is None else bool(row["provisional"])
    return Metrics(**{name: row[name] for name in Metrics._fields} | {"provisional": provisional})


def preprints_of(
    db: sqlite3.Connection, pmids: Collection[ArticleKey]
) -> dict[ArticleKey, tuple[Preprint, ...]]:
    """Preprints of these articles, and articles of these preprints, by Europe PMC; those that are sure come first."""
    return _by_article(
        db,
        f"select * from preprints where pmid {_GIVEN} order by pmid, certainty <> 'sure', other",
        pmids,
        _preprint,
    )


def _preprint(row: Row) -> Preprint:
    source = "PPR" if row["other"].startswith("PPR") else "MED"
    url = (
        _doi_url(row["doi"])
        if row["doi"]
        else f"https://europepmc.org/article/{source}/{quote(row['other'])}"
    )
    return Preprint(
        row["relation"],
        row["other"],
        row["certainty"] == "sure",
        row["doi"],
        row["title"],
        row["server"],
        row["published"],
        url,
    )


def _doi_url(doi: str) -> str:
    return "https://doi.org/" + quote(bare_doi(doi), safe="/:;().-_")


def _given(pmids: Collection[ArticleKey]) -> dict[str, str]:
    return {"pmids": json.dumps(list(pmids))}


def _by_article(
    db: sqlite3.Connection, query: str, pmids: Collection[ArticleKey], made: Callable[[Row], T]
) -> dict[ArticleKey, tuple[T, ...]]:
    rows: Sequence[Row] = read_rows(db, query, _given(pmids))
    return {
        ArticleKey(pmid): tuple(map(made, group))
        for pmid, group in groupby(rows, key=lambda row: row["pmid"])
    }
