"""Which stored paper a foreign record is: by PMID, else by DOI, else by its title and year, exactly."""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple
from urllib.parse import unquote

from tracker.article import ArticleKey, given_pmid
from tracker.citation import bare_doi

By = Literal["pmid", "doi", "title"]
_RETRACTED = re.compile(r"(?:retracted|withdrawn)(?: article)?\s*[:\])]", re.I)
_PUBMED = re.compile(r"pubmed\.ncbi\.nlm\.nih\.gov/(\d+)|ncbi\.nlm\.nih\.gov/pubmed/(\d+)")
_YEAR = re.compile(r"\b(?:1[6-9]|20)\d\d\b")


class Sought(NamedTuple):
    """The record's own identifiers, title and year."""

    pmid: int | None
    doi: str | None
    title: str
    year: str | None


class Match(NamedTuple):
    """The stored papers that it may be, just one if it is clear, and what they were found by."""

    pmids: tuple[ArticleKey, ...]
    by: By | None


def sought(pmid: str, doi: str, title: str, year: str, urls: Iterable[str] = ()) -> Sought:
    """A record's own data in comparable form; what is not a PMID, DOI or year is left out."""
    for text in (
        pmid,
        *(next(filter(None, address.groups())) for url in urls if (address := _PUBMED.search(url))),
    ):
        try:
            number: ArticleKey | None = given_pmid(text)
            break
        except ValueError:
            number = None
    years = _YEAR.search(year)
    return Sought(number, plain_doi(doi) or None, plain_title(title), years[0] if years else None)


def plain_doi(text: str) -> str:
    """In lower case (DOIs ignore case) and without a resolver's address before it; '' if it is not a DOI."""
    doi = unquote(bare_doi(text)).casefold()
    return doi if doi.startswith("10.") else ""


def plain_title(text: str) -> str:
    """Only letters and digits: without case, accents, punctuation, markup, or a notice of retraction before it."""
    text = _RETRACTED.sub("", re.sub(r"</?[a-z]+>", "", text, flags=re.I), count=1)
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def match(db: sqlite3.Connection, records: Sequence[Sought]) -> list[Match]:
    """Which stored paper each record is; ``db`` is a connection to evidence.db.

    The table of articles is read once for all DOIs and once for all titles, so give all records at once.
    """
    by_pmid = _pmids(db, {record.pmid for record in records if record.pmid})
    left = [record for record in records if record.pmid not in by_pmid]
    by_doi = _dois(db, {record.doi for record in left if record.doi})
    left = [record for record in left if record.doi not in by_doi and record.title and record.year]
    by_title = _titles(db, {(record.title, record.year) for record in left if record.year})
    matches = []
    for record in records:
        if record.pmid in by_pmid:
            matches.append(Match((ArticleKey(record.pmid or 0),), "pmid"))
        elif record.doi in by_doi:
            matches.append(Match(tuple(by_doi[record.doi or ""]), "doi"))
        elif pmids := by_title.get((record.title, record.year or "")):
            matches.append(Match(tuple(pmids), "title"))
        else:
            matches.append(Match((), None))
    return matches


def _pmids(db: sqlite3.Connection, pmids: set[int]) -> set[int]:
    rows = db.execute(
        "select pmid from articles where pmid in (select value from json_each(:pmids))",
        {"pmids": json.dumps(list(pmids))},
    )
    return {pmid for (pmid,) in rows}


def _dois(db: sqlite3.Connection, dois: set[str]) -> dict[str, list[ArticleKey]]:
    by_doi: dict[str, list[ArticleKey]] = {}
    if dois:
        for pmid, doi in db.execute("select pmid, doi from articles where doi is not null order by pmid"):
            if (plain := plain_doi(doi)) in dois:
                by_doi.setdefault(plain, []).append(pmid)
    return by_doi


def _titles(db: sqlite3.Connection, titles: set[tuple[str, str]]) -> dict[tuple[str, str], list[ArticleKey]]:
    by_title: dict[tuple[str, str], list[ArticleKey]] = {}
    rows = db.execute(
        """
        select pmid, title, substr(published, 1, 4) from articles
        where substr(published, 1, 4) in (select value from json_each(:years)) order by pmid
        """,
        {"years": json.dumps(sorted({year for _, year in titles}))},
    )
    for pmid, title, year in rows:
        if (key := (plain_title(title or ""), year)) in titles:
            by_title.setdefault(key, []).append(pmid)
    return by_title
