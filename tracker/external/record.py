"""A record of another database: the fields of its file, and the Article that they make.

The raw record is a JSON object of our number for it, its source, the form of the file (``ris``, ``csv``, …) and the
fields as they stand there, each a list of texts by its name. ``fields.yml`` says which of them hold what.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

from tracker.article import (
    AbstractSection,
    Article,
    ArticleId,
    Author,
    Journal,
    Keyword,
    PartialDate,
    PublicationType,
    Registration,
    Text,
    external_key,
    given_pmid,
)
from tracker.citation import bare_doi
from tracker.datafile import packaged
from tracker.errors import RecordError
from tracker.pubmed.dates import parse_date

Form = Literal["ris", "csv", "endnote", "bibtex", "nbib"]
Fields = Mapping[str, Sequence[str]]

_TAGS = re.compile(r"</?(?:[a-z][a-z0-9:]*)(?:\s[^<>]*)?/?>", re.I)
# What XML cannot hold, and so no export can either.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_DOI = re.compile(r"10\.[0-9]{4,9}(?:\.[0-9]+)*/[^\s\"<>]+")
_NUMBERED_BY = re.compile(r"\b(?:pubmed|medline|pmid)\W{0,3}([0-9]{1,9})\b", re.I)
_AT_PUBMED = re.compile(r"pubmed\.ncbi\.nlm\.nih\.gov/([0-9]{1,9})|ncbi\.nlm\.nih\.gov/pubmed/([0-9]{1,9})")
_YEAR = re.compile(r"\b(?:1[5-9]|20)[0-9]{2}\b")
_TRIAL = re.compile(r"\bNCT ?([0-9]{8})\b")
_INITIALS = re.compile(r"(?:[^\W\d_]\.?-?){1,5}(?:\s?(?:Jr|Sr|II|III|IV)\.?)?")
_GROUP = re.compile(
    r"\b(?:group|consortium|collaborat\w+|investigators|committee|network|initiative|society|association|institute|"
    r"organi[sz]ation|team|trialists)\b",
    re.I,
)
_SECTION = re.compile(r"(?:^|(?<=[.?!] ))([A-Z][A-Z /&-]{3,40}):\s")


class Known(NamedTuple):
    """What is known of a record before it is read: our number for it, and where it comes from."""

    id: int
    source: str
    accession: str


def make_record(known: Known, form: Form, fields: Fields) -> bytes:
    """The raw record of these fields. The same fields always make the same bytes."""
    record = {**known._asdict(), "form": form, "fields": {name: list(fields[name]) for name in fields}}
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")


def parse_record(body: bytes) -> Article:
    """The Article that a raw record makes. Raises RecordError if it is not one of ours, or has no title."""
    try:
        raw = json.loads(body)
        return read_fields(Known(raw["id"], raw["source"], raw["accession"]), raw["form"], raw["fields"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"not a usable record of another database: {error}") from None


def read_fields(known: Known, form: Form, fields: Fields) -> Article:
    """The Article that the fields make. Raises ValueError if they have no title."""
    facts = _Facts(form, fields)
    title = facts.first("title")
    if not title:
        raise ValueError("it has no title")
    doi, pmid = _doi(facts), _pmid(facts)
    published = _published(facts)
    keywords = dict.fromkeys(part for text in facts.all("keywords") for part in _parts(text))
    return Article(
        pmid=external_key(known.id),
        title=_text(title),
        abstract=tuple(_sections(facts.first("abstract"))),
        authors=tuple(map(_author, _names(facts))),
        authors_complete=not any(_is_et_al(name) for name in facts.all("authors")),
        journal=_journal(facts),
        pages=_pages(facts),
        article_number=None if facts.first("pages") else facts.first("article_number") or None,
        published=published,
        published_raw=published.raw if published else None,
        languages=tuple(_languages(facts)),
        publication_types=tuple(PublicationType(name, None) for name in _types(facts, known.source, doi)),
        keywords=tuple(Keyword(term, known.source, False) for term in keywords),
        registrations=tuple(_registrations(facts)),
        ids=tuple(
            ArticleId(type, value)
            for type, value in (("doi", doi), ("pubmed", pmid), ("accession", known.accession))
            if value
        ),
    )


def accession(form: Form, fields: Fields) -> str:
    """The record's number in its database; empty where it states none."""
    return _Facts(form, fields).first("accession")


def is_conference(article: Article) -> bool:
    """Whether it was only presented: a conference's abstract is another report than the article that follows it."""
    words = " ".join(type.name for type in article.publication_types).casefold()
    return any(word in words for word in _table()["conferences"])


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = packaged(__package__, "fields.yml")
    return table


class _Facts:
    """The fields of a record by what they hold."""

    def __init__(self, form: Form, fields: Fields) -> None:
        self.form = form
        self._names: dict[str, list[str]] = _table()[form]
        self._fields = fields

    def all(self, fact: str) -> list[str]:
        """The values of the first field that has any."""
        for name in self._names.get(fact, ()):
            if values := [text for value in self._fields.get(name, ()) if (text := plain(value))]:
                return values
        return []

    def every(self, fact: str) -> list[str]:
        """The values of all fields that may hold it."""
        names = self._names.get(fact, ())
        return [text for name in names for value in self._fields.get(name, ()) if (text := plain(value))]

    def first(self, fact: str) -> str:
        return next(iter(self.all(fact)), "")


def plain(text: str) -> str:
    """The text without markup, entities and control characters, its white space made even."""
    unescaped = html.unescape(html.unescape(text))
    return " ".join(_CONTROL.sub(" ", _TAGS.sub("", unescaped)).split())


def _text(words: str) -> Text:
    return Text(words, html.escape(words, quote=False))


def _sections(abstract: str) -> Iterator[AbstractSection]:
    """The abstract by its headings in capitals, where it begins with one; as one paragraph otherwise."""
    heads = [*_SECTION.finditer(abstract)]
    if len(heads) < 2 or heads[0].start():
        if abstract:
            yield AbstractSection(None, None, _text(abstract))
        return
    ends = [head.start() for head in heads[1:]] + [len(abstract)]
    for head, end in zip(heads, ends, strict=True):
        yield AbstractSection(head[1].strip(), None, _text(abstract[head.end() : end].strip()))


# -- identifiers -----------------------------------------------------------------------------------


def _doi(facts: _Facts) -> str:
    for text in (*facts.every("doi"), *facts.all("urls")):
        if found := _DOI.search(bare_doi(text)):
            return (
                found[0].rstrip(".,;)")
                if found[0].count("(") < found[0].count(")")
                else found[0].rstrip(".,;")
            )
    return ""


def _pmid(facts: _Facts) -> str:
    """PubMed's number for it, where the record names one: only some databases do, and each in its own way."""
    database = facts.first("database").casefold()
    named = facts.all("pmid")
    own = facts.all("accession") if "pubmed" in database or "medline" in database else []
    linked = [next(filter(None, at.groups())) for url in facts.all("urls") if (at := _AT_PUBMED.search(url))]
    for text in (*named, *own, *linked):
        numbered = _NUMBERED_BY.search(text)
        try:
            return str(given_pmid(numbered[1] if numbered else text))
        except ValueError:
            continue
    return ""


def _registrations(facts: _Facts) -> Iterator[Registration]:
    text = " ".join(
        (facts.first("title"), facts.first("abstract"), *facts.all("keywords"), *facts.all("urls"))
    )
    for number in dict.fromkeys(_TRIAL.findall(text)):
        yield Registration("ClinicalTrials.gov", f"NCT{number}")


# -- where and when --------------------------------------------------------------------------------


def _journal(facts: _Facts) -> Journal:
    title, short = facts.first("journal"), facts.first("abbreviation")
    issn = re.search(r"\b[0-9]{4}-?[0-9]{3}[0-9Xx]\b", facts.first("issn"))
    return Journal(
        title=title or short or None,
        iso_abbreviation=short if short and short != title else None,
        issn=issn[0] if issn else None,
        volume=facts.first("volume") or None,
        issue=facts.first("issue") or None,
    )


def _pages(facts: _Facts) -> str | None:
    first, last = facts.first("pages").replace("--", "-").replace("–", "-"), facts.first("last_page")
    if not first or not last or last == first or re.search(r"\d-\w", first):
        return first or None
    return f"{first}-{last}"


def _published(facts: _Facts) -> PartialDate | None:
    """The date, as precise as it is where it agrees with the year; the year alone where it does not."""
    found = next(filter(None, map(_YEAR.search, facts.every("year"))), None)
    if not found:
        return None
    year = found[0]
    for text in facts.every("date"):
        date = parse_date(text if _YEAR.search(text) else f"{year} {text}")
        if date and date.iso.startswith(year) and len(date.iso) > 4:
            return date
    return parse_date(year)


def _languages(facts: _Facts) -> Iterator[str]:
    codes: dict[str, str] = _table()["languages"]
    for word in (word for text in facts.all("language") for word in re.findall(r"[a-z]+", text.casefold())):
        if word in codes or word in codes.values():
            yield codes.get(word, word)


def _types(facts: _Facts, source: str, doi: str) -> Iterator[str]:
    """The kinds of publication that the record names; "Preprint" where its source or DOI shows that it is one."""
    named = dict.fromkeys(part for text in facts.all("types") for part in _parts(text))
    marks = " ".join((source, facts.first("journal"), facts.first("database"), doi)).casefold()
    if any(mark in marks for mark in _table()["preprints"]) and "preprint" not in map(str.casefold, named):
        yield "Preprint"
    kind = facts.first("kind").casefold()
    if kind in (
        "conf",
        "cpaper",
        "conference proceedings",
        "conference paper",
        "inproceedings",
        "conference",
    ):
        yield "Conference Abstract"
    yield from named


def _parts(text: str) -> list[str]:
    """What one cell holds: several terms with semicolons or bars between them."""
    return [part for each in re.split(r"[;|]", text) if (part := each.strip())]


# -- people ----------------------------------------------------------------------------------------


def _names(facts: _Facts) -> list[str]:
    values = facts.all("authors")
    if len(values) == 1:
        values = split_names(values[0], facts.form)
    return [name for name in values if not _is_et_al(name)]


def split_names(text: str, form: Form) -> list[str]:
    """The names in one cell: ``Smith J., Doe A.``, ``Smith, John; Doe, Ann`` or ``John Smith and Ann Doe``."""
    if form == "bibtex":
        return re.split(r"\s+and\s+", text)
    if ";" in text or "|" in text:
        return _parts(text)
    pieces = [piece.strip() for piece in text.split(",") if piece.strip()]
    if len(pieces) > 1 and len(pieces) % 2 == 0 and all(_INITIALS.fullmatch(each) for each in pieces[1::2]):
        return [f"{last}, {rest}" for last, rest in zip(pieces[::2], pieces[1::2], strict=True)]
    if len(pieces) > 1 and all(" " in piece for piece in pieces):
        return pieces
    return [text]


def _is_et_al(name: str) -> bool:
    return name.casefold().strip(" .") in ("et al", "others")


def _author(name: str) -> Author:
    """``Smith, John A``, ``Smith JA`` or ``John A. Smith``; a group where the name is one's."""
    last, comma, rest = (part.strip() for part in name.partition(","))
    if not comma:
        words = name.split()
        if _GROUP.search(name) or len(words) > 5:
            return Author(collective_name=name)
        if len(words) > 1 and _INITIALS.fullmatch(words[-1]) and words[-1].replace(".", "").isupper():
            last, rest = " ".join(words[:-1]), words[-1]
        else:
            last, rest = words[-1] if words else name, " ".join(words[:-1])
    if not rest:
        return Author(last_name=last)
    if _INITIALS.fullmatch(rest) and rest.replace(".", "").replace("-", "").isupper():
        return Author(last_name=last, initials=re.sub(r"[^\w]", "", rest))
    initials = "".join(word[0] for word in re.findall(r"[^\W\d_]+", rest)).upper()
    return Author(last_name=last, fore_name=rest, initials=initials or None)


def family_names(authors: Iterable[Author]) -> list[str]:
    return [author.last_name for author in authors if author.last_name]
