"""The vocabulary: what one PubMed record says, as immutable values.

Names follow the NLM PubMed DTD (https://www.nlm.nih.gov/bsd/licensee/elements_descriptions.html)
turned into plain English. A field that a record lacks is ``None``, or an empty tuple.
The small parts are named tuples because a record holds hundreds of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from typing import Literal, NamedTuple, NewType, TypeGuard

# What identifies an article here: its PMID or, where PubMed lacks it, minus the number of our external record.
ArticleKey = NewType("ArticleKey", int)
Pmid = NewType("Pmid", ArticleKey)
MAX_PMID = 2**31 - 1
_GIVEN_PMID = re.compile(
    r"(?:(?:PubMed\s+ID|PMID)\s*[:#=]?\s*"
    r"|(?:https?://)?(?:pubmed\.ncbi\.nlm\.nih\.gov|(?:www\.)?ncbi\.nlm\.nih\.gov/pubmed)/)?"
    r"(?P<number>[0-9]{1,10}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.0+)?/?",
    re.IGNORECASE,
)
_EXTERNAL_KEY = re.compile(r"[xX]([1-9][0-9]{0,8})")

RecordKind = Literal["article", "book"]
Precision = Literal["year", "season", "month", "day"]


class Text(NamedTuple):
    """A run of text: without markup for search, and as sanitised HTML for reading."""

    plain: str
    html: str


class PartialDate(NamedTuple):
    """A date as far as it is known.

    ``iso`` is ``YYYY``, ``YYYY-MM`` or ``YYYY-MM-DD``; a season or a range is cut to the part
    that is certain (``2004 Spring`` -> ``2004``, ``2000 Oct 5-18`` -> ``2000-10-05``, its start).
    ``raw`` is what the record said.
    """

    iso: str
    precision: Precision
    raw: str

    @property
    def year(self) -> int:
        return int(self.iso[:4])


class Identifier(NamedTuple):
    """An identifier of a person or an institution (ORCID, ROR, GRID, ISNI, ...)."""

    source: str
    value: str


class Affiliation(NamedTuple):
    text: str
    identifiers: tuple[Identifier, ...] = ()


class Author(NamedTuple):
    """A person, or a group in ``collective_name``; ``role`` is ``author`` or ``editor``."""

    last_name: str | None = None
    fore_name: str | None = None
    initials: str | None = None
    suffix: str | None = None
    collective_name: str | None = None
    orcid: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    equal_contribution: bool = False
    valid: bool = True
    role: str = "author"
    affiliations: tuple[Affiliation, ...] = ()

    @property
    def display(self) -> str:
        """The name as MEDLINE prints it: ``Smith JA Jr``, or the group's name."""
        if self.collective_name:
            return self.collective_name
        given = self.initials or self.fore_name
        return " ".join(part for part in (self.last_name, given, self.suffix) if part)


class Investigator(NamedTuple):
    """A member of a study group who is not an author."""

    last_name: str | None = None
    fore_name: str | None = None
    initials: str | None = None
    suffix: str | None = None
    orcid: str | None = None
    identifiers: tuple[Identifier, ...] = ()
    valid: bool = True
    affiliations: tuple[Affiliation, ...] = ()


class AbstractSection(NamedTuple):
    """One paragraph of an abstract; ``category`` is NLM's NlmCategory (``METHODS``, ...)."""

    label: str | None
    category: str | None
    text: Text

    @property
    def plain(self) -> str:
        """The paragraph without markup, its label before it."""
        return " ".join(part for part in (f"{self.label}:" if self.label else "", self.text.plain) if part)

    @property
    def html(self) -> str:
        """The same as HTML."""
        label = f"<strong>{escape(self.label, quote=False)}:</strong>" if self.label else ""
        return f"<p>{' '.join(part for part in (label, self.text.html) if part)}</p>"


class OtherAbstract(NamedTuple):
    """An abstract in another language or from another source (``type``: Publisher, plain-language-summary...)."""

    type: str | None
    language: str | None
    sections: tuple[AbstractSection, ...]
    copyright: str | None = None


class Qualifier(NamedTuple):
    name: str
    ui: str | None
    major: bool


class MeshHeading(NamedTuple):
    descriptor: str
    ui: str | None
    major: bool
    type: str | None = None
    qualifiers: tuple[Qualifier, ...] = ()


class SupplementaryConcept(NamedTuple):
    name: str
    ui: str | None
    type: str | None


class Substance(NamedTuple):
    name: str
    ui: str | None
    registry_number: str | None


class Keyword(NamedTuple):
    term: str
    owner: str | None
    major: bool


class PublicationType(NamedTuple):
    name: str
    ui: str | None


class Grant(NamedTuple):
    id: str | None
    acronym: str | None
    agency: str | None
    country: str | None


class Registration(NamedTuple):
    """An accession number in a data bank, such as ``ClinicalTrials.gov`` / ``NCT00088699``."""

    bank: str
    number: str | None


class Notice(NamedTuple):
    """One entry of CommentsCorrections; ``type`` is its RefType (``RetractionIn``, ``ErratumIn``, ...)."""

    type: str
    pmid: Pmid | None
    citation: str | None
    note: str | None = None


class ArticleId(NamedTuple):
    """An identifier of a work: ``type`` is doi, pmc, pii, pubmed, mid, bookaccession, ..."""

    type: str
    value: str
    valid: bool = True


class Reference(NamedTuple):
    """One entry of the record's reference list."""

    citation: str
    section: str | None
    ids: tuple[ArticleId, ...]


class HistoryDate(NamedTuple):
    """``event`` is the PubStatus (received, accepted, pubmed, medline, entrez, ...)."""

    event: str
    date: str


class OtherField(NamedTuple):
    """A rarely used field, kept under its NLM name (GeneSymbol, GeneralNote, SpaceFlightMission, ...)."""

    field: str
    value: str
    detail: str | None = None


class Journal(NamedTuple):
    title: str | None = None
    iso_abbreviation: str | None = None
    medline_abbreviation: str | None = None
    nlm_id: str | None = None
    issn: str | None = None
    issn_type: str | None = None
    issn_linking: str | None = None
    country: str | None = None
    volume: str | None = None
    issue: str | None = None
    medium: str | None = None


class BookSection(NamedTuple):
    label: str | None
    title: str


class Book(NamedTuple):
    """What a book or chapter record adds; authors and editors are in ``Article.authors``."""

    title: Text
    publisher: str | None = None
    publisher_location: str | None = None
    collection: str | None = None
    edition: str | None = None
    volume: str | None = None
    volume_title: str | None = None
    isbns: tuple[str, ...] = ()
    medium: str | None = None
    report_number: str | None = None
    beginning: PartialDate | None = None
    ending: PartialDate | None = None
    contributed: PartialDate | None = None
    sections: tuple[BookSection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One record, of PubMed or of another database. Dates that NLM sets in full are ISO strings (``YYYY-MM-DD``).

    ``article_number`` is set only if there are no pages.
    ``created`` is the day when the record was created ([crdt]), ``entered`` [edat], ``completed`` and
    ``revised`` NLM's own; ``published`` is the date of the journal issue or book, with ``electronic``
    beside it.
    """

    pmid: ArticleKey
    title: Text
    kind: RecordKind = "article"
    version: int = 1
    vernacular_title: str | None = None
    abstract: tuple[AbstractSection, ...] = ()
    copyright: str | None = None
    other_abstracts: tuple[OtherAbstract, ...] = ()
    authors: tuple[Author, ...] = ()
    authors_complete: bool = True
    investigators: tuple[Investigator, ...] = ()
    journal: Journal = field(default_factory=Journal)
    book: Book | None = None
    pages: str | None = None
    article_number: str | None = None
    published: PartialDate | None = None
    published_raw: str | None = None
    electronic: PartialDate | None = None
    created: str | None = None
    entered: str | None = None
    revised: str | None = None
    completed: str | None = None
    history: tuple[HistoryDate, ...] = ()
    status: str | None = None
    owner: str | None = None
    indexing_method: str | None = None
    publication_model: str | None = None
    publication_status: str | None = None
    languages: tuple[str, ...] = ()
    publication_types: tuple[PublicationType, ...] = ()
    mesh_headings: tuple[MeshHeading, ...] = ()
    supplementary_concepts: tuple[SupplementaryConcept, ...] = ()
    substances: tuple[Substance, ...] = ()
    keywords: tuple[Keyword, ...] = ()
    grants: tuple[Grant, ...] = ()
    registrations: tuple[Registration, ...] = ()
    notices: tuple[Notice, ...] = ()
    references: tuple[Reference, ...] = ()
    ids: tuple[ArticleId, ...] = ()
    conflict_of_interest: str | None = None
    other_fields: tuple[OtherField, ...] = ()

    def id(self, type: str) -> str | None:
        """The record's own identifier of that type (``doi``, ``pmc``, ``pii``); the first valid one."""
        return next((i.value for i in self.ids if i.type == type and i.valid), None)

    @property
    def abstract_text(self) -> str:
        """The abstract without markup, one labelled section per line (``METHODS: ...``)."""
        return "\n".join([section.plain for section in self.abstract])

    @property
    def abstract_html(self) -> str:
        """The abstract as sanitised HTML, one paragraph per section."""
        return "".join([section.html for section in self.abstract])


def parse_pmid(text: str | int) -> Pmid:
    """``"31541003"`` as a Pmid.

    Raises ValueError if the text is not a whole number from 1 to 2,147,483,647.
    """
    digits = str(text).strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 10 and 0 < int(digits) <= MAX_PMID):
        raise ValueError(f"{text!r} is not a PMID (a whole number, 1 to 8 digits)")
    return Pmid(ArticleKey(int(digits)))


def given_pmid(text: str | int) -> Pmid:
    """A PMID as people and spreadsheets write it: ``PMID: 950005``, ``950016.0``, ``31,541,003``, its PubMed address.

    Raises ValueError like ``parse_pmid``, which is for PubMed's own files.
    """
    match = _GIVEN_PMID.fullmatch(str(text).strip())
    return parse_pmid(match["number"].replace(",", "") if match else text)


# -- keys, as people see them ----------------------------------------------------------------------


def is_pmid(key: ArticleKey) -> TypeGuard[Pmid]:
    """Whether the key is PubMed's own."""
    return key > 0


def external_key(id: int) -> ArticleKey:
    """The key of our external record of this number."""
    return ArticleKey(-id)


def spelt(key: int) -> str:
    """The key as addresses, forms and files have it: ``31541003``, or ``x12`` for an external record."""
    return str(key) if key > 0 else f"x{-key}"


def shown(key: int) -> int | str:
    """The key in JSON: a PMID as a number, an external record as ``x12``."""
    return key if key > 0 else spelt(key)


def named(key: int | str) -> str:
    """The key, as a number or spelt, as sentences have it: ``PMID 31541003``, or ``record x12``."""
    text = spelt(key) if isinstance(key, int) else key
    return f"record {text}" if text.startswith("x") else f"PMID {text}"


def pmid_of(key: ArticleKey) -> Pmid | None:
    """The article's PMID; None where PubMed lacks it."""
    return key if is_pmid(key) else None


def parse_key(text: str) -> ArticleKey:
    """A key as ``spelt`` writes it. Raises ValueError for anything else."""
    external = _EXTERNAL_KEY.fullmatch(text.strip())
    return external_key(int(external[1])) if external else parse_pmid(text)


def given_key(text: str | int) -> ArticleKey:
    """A key as people write it: as ``given_pmid`` takes it, or ``x12``. Raises ValueError for anything else."""
    external = _EXTERNAL_KEY.fullmatch(str(text).strip())
    return external_key(int(external[1])) if external else given_pmid(text)
