"""Identifiers that a reader pastes into a search, and the stored papers that they name.

A text is read as identifiers only if it holds nothing else; among words an identifier is a word.
"""

from __future__ import annotations

import re
import sqlite3
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from tracker.article import MAX_PMID, ArticleKey

IdentifierKind = Literal["PMID", "PMCID", "DOI", "trial"]

PUBMED = "https://pubmed.ncbi.nlm.nih.gov/"
MOST = 200
# Bare digits: fewer could be a year, a dose or a number of patients.
_ONE = re.compile(
    r"""(?<![^\s,;|(<])(?:
      (?:https?://)?(?:www\.)?(?:pubmed\.ncbi\.nlm\.nih\.gov|ncbi\.nlm\.nih\.gov/pubmed|europepmc\.org/\w+/med)
        /(?P<address>[0-9]{1,10})\S*
    | (?:pubmed\s+id|pmid)\s*[:#]?\s*(?P<pmid>[0-9]{1,10})(?:\.0)?
    | (?P<tagged>[0-9]{1,10})\[(?:pmid|uid)\]
    | (?P<bare>[0-9]{5,8})(?:\.0)?
    | (?:pmcid\s*[:#]?\s*|https?://\S*?/)?(?P<pmcid>PMC[0-9]{1,9})(?:\.[0-9]+)?(?:/\S*)?(?:\[\w+\])?
    | (?:https?://\S*?/)?(?P<trial>NCT\ ?[0-9]{8}|ISRCTN\ ?[0-9]{8}|ACTRN\ ?[0-9]{14})(?:[/?]\S*)?(?:\[\w+\])?
    | (?:doi\s*[:=]?\s*)?(?:https?://\S*?/|(?:dx\.)?doi\.org/)?(?P<doi>10\.[0-9]{4,9}(?:\.[0-9]+)*(?:/|%2f)\S+)
    )(?=[\s,;|)>.]|$)""",
    re.VERBOSE | re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\s,;|()<>.]*")
_TAIL = re.compile(r"(?:\[(?:doi|aid|lid)\]|[.,;:'\"])+$", re.IGNORECASE)
_VERSION = re.compile(r"v[0-9]+(?:\.full(?:\.pdf|-text)?)?$", re.IGNORECASE)
_PAIRS = {")": "(", "]": "[", ">": "<"}


class Named(NamedTuple):
    """An identifier in its plain form, and the stored papers that it names."""

    kind: IdentifierKind
    value: str
    pmids: tuple[ArticleKey, ...] = ()

    @property
    def at_pubmed(self) -> str:
        if self.kind == "PMID":
            return f"{PUBMED}{self.value}/"
        return f"{PUBMED}?term={quote(self.value, safe='')}"


def identifiers(text: str) -> list[Named]:
    """The identifiers of a text, each once; empty if it holds anything else, or more than can be meant."""
    distinct: dict[tuple[IdentifierKind, str], Named] = {}
    at = 0
    for match in _ONE.finditer(text):
        if not _BETWEEN.fullmatch(text, at, match.start()):
            return []
        at = match.end()
        identifier = _named(match)
        distinct.setdefault((identifier.kind, identifier.value), identifier)
    return list(distinct.values()) if _BETWEEN.fullmatch(text, at) and len(distinct) <= MOST else []


def named(db: sqlite3.Connection, text: str) -> list[Named]:
    """The identifiers of a text with their papers; empty if none has a paper, as they may occur in some text."""
    with_papers = [identifier._replace(pmids=_papers(db, identifier)) for identifier in identifiers(text)]
    return with_papers if any(identifier.pmids for identifier in with_papers) else []


def _named(match: re.Match[str]) -> Named:
    kind, given = match.lastgroup or "", match.group(match.lastgroup or 0)
    if kind == "doi":
        return Named("DOI", _plain_doi(given))
    if kind == "pmcid":
        return Named("PMCID", given.upper())
    if kind == "trial":
        return Named("trial", given.upper().replace(" ", ""))
    return Named("PMID", str(int(given)))


def _plain_doi(text: str) -> str:
    """The DOI without what belongs to the sentence or address around it; its own brackets stay."""
    doi = unquote(text) if re.search(r"%[0-9a-f]{2}", text, re.IGNORECASE) else text
    doi = doi.split("?")[0].split("#")[0]
    while True:
        shorter = _TAIL.sub("", doi)
        if shorter[-1:] in _PAIRS and shorter.count(shorter[-1]) > shorter.count(_PAIRS[shorter[-1]]):
            shorter = shorter[:-1]
        if shorter == doi:
            return doi
        doi = shorter


def _papers(db: sqlite3.Connection, identifier: Named) -> tuple[ArticleKey, ...]:
    match identifier.kind:
        case "PMID":
            rows = db.execute(
                "select pmid from articles where pmid = :pmid",
                {"pmid": min(int(identifier.value), MAX_PMID + 1)},
            )
        case "PMCID":
            rows = db.execute("select pmid from articles where pmcid = :pmcid", {"pmcid": identifier.value})
        case "DOI":
            # SQLite's lower() knows only ASCII, so both forms are looked up.
            spelt = {"doi": identifier.value, "bare": _VERSION.sub("", identifier.value)}
            rows = db.execute(
                "select pmid from articles where lower(doi) in (lower(:doi), lower(:bare))", spelt
            )
        case "trial":
            rows = db.execute(
                """
                select pmid from registrations where number = :number
                union select rowid from articles_fts where articles_fts match :word
                """,
                {"number": identifier.value, "word": f'"{identifier.value}"'},
            )
    return tuple(sorted({ArticleKey(pmid) for (pmid,) in rows}, reverse=True))
