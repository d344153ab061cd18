"""Whether a record is one that is stored already: by PMID, by DOI, else by title, year, authors and where it stands.

A conference's abstract, a preprint and the article that follows it are three reports of one study, and no duplicates.
What is only likely is not decided here: it is named for a person to decide.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from rapidfuzz import fuzz

from tracker.article import Article, ArticleKey
from tracker.exchange.matching import plain_doi
from tracker.external.record import family_names, is_conference

Verdict = Literal["duplicate", "possible"]

# Out of 100, as rapidfuzz counts. Set on benchmarks/dedupe.py.
NEARLY, SAME, LIKE, LOOKED_AT = 97, 92, 88, 80
MOST_CANDIDATES = 1000
_WORD = re.compile(r"[^\W_]+")
_MARKUP = re.compile(r"</?[a-z]+>", re.I)
_BEFORE = re.compile(r"^\W*(?:retracted|withdrawn)(?: article)?\s*[:\])]", re.I)
_SMALL = frozenset("a an and de der des die et for in of on the und".split())
_GREEK = {
    letter: unicodedata.name(letter).rsplit(" ", 1)[-1].lower()
    for letter in map(chr, range(0x3B1, 0x3CA))
    if "FINAL" not in unicodedata.name(letter)
}
_PAGE = re.compile(r"([a-z]*)0*([0-9]+)", re.I)


class Described(NamedTuple):
    """What a record is recognised by, in comparable form; what it does not state is empty.

    ``title`` is in small letters without accents or punctuation, ``start`` the page on which it begins or its article
    number, ``journals`` the names of its journal as words, ``kind`` tells a preprint or a conference's abstract.
    """

    pmid: int | None
    doi: str
    title: str
    year: int | None
    authors: tuple[str, ...]
    start: str
    volume: str
    journals: tuple[tuple[str, ...], ...]
    kind: str


class Judged(NamedTuple):
    """The stored article that a record is, or may be, and why."""

    pmid: ArticleKey
    verdict: Verdict
    reason: str


def described(article: Article) -> Described:
    """The record that an Article was read from."""
    pmid = article.id("pubmed")
    types = {type.name.casefold() for type in article.publication_types}
    names = (article.journal.title, article.journal.iso_abbreviation, article.journal.medline_abbreviation)
    return Described(
        int(pmid) if pmid else None,
        plain_doi(article.id("doi") or ""),
        plain_title(article.title.plain),
        article.published.year if article.published else None,
        tuple(folded(name) for name in family_names(article.authors)),
        start_of(article.pages or article.article_number or ""),
        folded(article.journal.volume or ""),
        _journals(names),
        "preprint" if "preprint" in types else "conference" if is_conference(article) else "",
    )


def compare(record: Described, other: Described) -> tuple[Verdict, str] | None:
    """Whether the two are one, and why; None if they are not, or if nothing speaks for it."""
    if record.pmid and other.pmid:
        return ("duplicate", f"same PMID {record.pmid}") if record.pmid == other.pmid else None
    alike = likeness(record.title, other.title)
    if record.doi and record.doi == other.doi:
        if alike >= LOOKED_AT or _holds(record.title, other.title):
            return "duplicate", f"same DOI {record.doi}"
        return "possible", f"same DOI {record.doi}, but another title"
    if alike < LIKE or _disagree(record.authors, other.authors):
        return None
    return _by_words(record, other, alike)


def _by_words(record: Described, other: Described, alike: float) -> tuple[Verdict, str] | None:
    """By title, authors, year and place, where neither PMID nor DOI says it."""
    apart = abs(record.year - other.year) if record.year and other.year else 0
    if apart > 3:
        return None
    against = [
        words
        for words, holds in (
            ("another DOI", record.doi and other.doi),
            ("of another kind", record.kind != other.kind),
            (f"{apart} years apart", apart > 1),
            ("other pages", _differ(record.start, other.start)),
            ("another volume", _differ(record.volume, other.volume)),
            ("another journal", _other_journal(record.journals, other.journals)),
        )
        if holds
    ]
    named = bool(record.authors and other.authors)
    at_same_page = bool(record.start) and record.start == other.start
    in_same_journal = bool(record.journals and other.journals) and "another journal" not in against
    long = len(record.title.split()) >= 5
    for_it = [
        *(["authors"] if named else []),
        *(["year"] if record.year and record.year == other.year else []),
        *(["journal"] if in_same_journal else []),
        *(["first page"] if at_same_page else []),
    ]
    reason = f"same title, {', '.join(for_it)}" if for_it else "same title"
    if against:
        serious = [words for words in against if not (at_same_page and words == "another journal")]
        if not serious and alike >= SAME and named:
            return "duplicate", reason
        return "possible", f"{reason}; but {', '.join(against)}"
    if alike >= SAME and at_same_page and (named or in_same_journal):
        return "duplicate", reason
    if alike >= NEARLY and named and long and (in_same_journal or not (record.journals and other.journals)):
        return "duplicate", reason
    return "possible", reason


# -- among what is stored --------------------------------------------------------------------------


def find(db: sqlite3.Connection, record: Described) -> Judged | None:
    """The stored article that the record is or, if none is certain, the likeliest that it may be."""
    possible: Judged | None = None
    for pmid, other, _ in sorted(_candidates(db, record), key=lambda each: -each[2]):
        if verdict := compare(record, other):
            judged = Judged(pmid, *verdict)
            if judged.verdict == "duplicate":
                return judged
            possible = possible or judged
    return possible


def _candidates(db: sqlite3.Connection, record: Described) -> Iterator[tuple[ArticleKey, Described, float]]:
    """Stored articles that it may be, with how alike their titles are."""
    pmids = {pmid for (pmid,) in db.execute(_BY_ID, {"pmid": record.pmid, "doi": record.doi})}
    alike: dict[int, float] = dict.fromkeys(pmids, 100.0)
    if query := _words_query(record):
        for pmid, title in db.execute(_BY_WORDS, {"words": query, "most": MOST_CANDIDATES}):
            score = likeness(record.title, plain_title(title))
            if score >= LOOKED_AT:
                alike.setdefault(pmid, score)
    for pmid, other in stored(db, alike):
        yield pmid, other, alike[pmid]


def _words_query(record: Described) -> str:
    """For the full-text index: any three of the longest words of the title, or one of them with the first author."""
    words = sorted(
        {word for word in record.title.split() if len(word) > 2}, key=lambda word: (-len(word), word)
    )
    together = [words[start : start + 3] for start in (0, 3) if words[start : start + 3]]
    parts = [f"(title : ({' AND '.join(map(_quoted, group))}))" for group in together]
    if words and record.authors:
        parts.append(f"(title : {_quoted(words[0])} AND authors_text : {_quoted(record.authors[0])})")
    return " OR ".join(parts)


def _quoted(word: str) -> str:
    return f'"{word}"'


def stored(db: sqlite3.Connection, pmids: Iterable[int]) -> Iterator[tuple[ArticleKey, Described]]:
    """What these stored articles are recognised by."""
    for row in db.execute(_STORED, {"pmids": json.dumps(list(pmids))}):
        pmid, named, doi, title, published, authors, pages, volume, journal, iso, medline, types = row
        kinds = types.casefold()
        number = pmid if pmid > 0 else int(named) if named else None
        yield (
            ArticleKey(pmid),
            Described(
                number,
                plain_doi(doi or ""),
                plain_title(title),
                int(published[:4]) if published else None,
                tuple(folded(name) for name in json.loads(authors) if name),
                start_of(pages or ""),
                folded(volume or ""),
                _journals((journal, iso, medline)),
                "preprint" if "preprint" in kinds else "conference" if "conference abstract" in kinds else "",
            ),
        )


_BY_ID = """
select pmid from articles where pmid = :pmid
union select pmid from articles where :doi <> '' and lower(doi) = :doi
union select pmid from identifiers where type = 'pubmed' and value = cast(:pmid as text) and pmid < 0
"""
_BY_WORDS = """
select f.rowid, a.title from articles_fts f join articles a on a.pmid = f.rowid
where articles_fts match :words limit :most
"""
_STORED = """
select a.pmid, (select i.value from identifiers i where i.pmid = a.pmid and i.type = 'pubmed'), a.doi, a.title,
  a.published,
  (select json_group_array(n.last_name) from (
    select last_name from authors where pmid = a.pmid and valid and role = 'author' order by position) n),
  coalesce(a.pages, a.article_number), a.volume, a.journal, a.iso_abbreviation, a.medline_abbreviation,
  (select coalesce(group_concat(t.name, '; '), '') from publication_types t where t.pmid = a.pmid)
from json_each(:pmids) given join articles a on a.pmid = given.value
"""


# -- comparable forms ------------------------------------------------------------------------------


def folded(text: str) -> str:
    """Small letters and digits, without accents; Greek letters by their names."""
    spelled = "".join(_GREEK.get(letter, letter) for letter in text.casefold())
    letters = unicodedata.normalize("NFKD", spelled)
    return " ".join(_WORD.findall("".join(each for each in letters if not unicodedata.combining(each))))


def plain_title(text: str) -> str:
    """The title as words, without markup and without a notice of retraction before it."""
    return folded(_BEFORE.sub("", _MARKUP.sub("", text), count=1))


def start_of(pages: str) -> str:
    """The page on which it begins: ``123`` of ``123-8``, ``s45`` of ``S45-S46``, an article number as it is."""
    found = _PAGE.search(pages)
    return f"{found[1]}{found[2]}".casefold() if found else ""


def likeness(title: str, other: str) -> float:
    """How alike two titles are, out of 100, whatever breaks their words."""
    if not title or not other:
        return 0
    joined = fuzz.ratio(title.replace(" ", ""), other.replace(" ", ""))
    return max(joined, fuzz.token_sort_ratio(title, other))


def _holds(title: str, other: str) -> bool:
    """Whether one is the other without its subtitle."""
    return min(len(title), len(other)) > 10 and fuzz.partial_ratio(title, other) >= SAME


def _disagree(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether both name authors, but not the same: spelt a little differently, a name is still the same."""
    if not names or not others:
        return False
    few, many = sorted((names, others), key=len)
    shared = sum(any(fuzz.ratio(name, other) >= LIKE for other in many) for name in few)
    return shared < max(1, len(few) / 2)


def _differ(text: str, other: str) -> bool:
    return bool(text and other and text != other)


def _journals(names: Iterable[str | None]) -> tuple[tuple[str, ...], ...]:
    words = (tuple(word for word in folded(name or "").split() if word not in _SMALL) for name in names)
    return tuple(dict.fromkeys(each for each in words if each))


def _other_journal(names: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]) -> bool:
    """Whether both name a journal, and no name of one is a name of the other, in full or abbreviated."""
    if not names or not others:
        return False
    return not any(
        _abbreviates(name, other)
        or _abbreviates(other, name)
        or fuzz.ratio(" ".join(name), " ".join(other)) >= SAME
        for name in names
        for other in others
    )


def _abbreviates(short: Sequence[str], full: Sequence[str]) -> bool:
    """Whether each word of ``short`` begins one of ``full``, in order, and the first words go together."""
    rest = iter(full)
    return short[0][0] == full[0][0] and all(any(word.startswith(part) for word in rest) for part in short)
