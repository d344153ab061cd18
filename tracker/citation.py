"""A citation: what a reference manager takes from a stored article, with what must not be lost on the way.

``store`` reads them, ``cite`` writes them, and neither knows of the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote

from tracker.article import ArticleKey, Pmid, RecordKind, named, pmid_of, spelt
from tracker.decision import DECISION_WORDS, STAGE_WORDS, Decision, Stage

PUBMED = "https://pubmed.ncbi.nlm.nih.gov"
# A DOI's form: https://www.doi.org/doi-handbook/HTML/doi-name-syntax.html. Whatever else stands in the field
# (javascript:, a whole address) is text and never becomes a link.
_DOI = re.compile(r"10\.\d{4,9}(?:\.\d+)*/\S+")
# What people put before it: https://www.doi.org/doi-handbook/HTML/presentation.html
_BEFORE_DOI = re.compile(r"(?:https?://)?(?:www\.)?(?:dx\.)?doi\.org/|doi:?\s*(?=10\.|https?:)", re.I)
# However a title says it, at its start or end, it must not be said twice.
_SAYS_RETRACTED = re.compile(
    r"^\W*(?:retracted|withdrawn)(?: and \w+| article| paper| chapter| review)?\s*[:\]).|*–—-]"
    r"|^\W*(?-i:RETRACTED) (?:article|paper|chapter)\b"
    r"|[\[(]\s*(?:retracted|withdrawn)\b[^\])]{0,200}[\])]\W*$|[–—-]\s*(?-i:RETRACTED|WITHDRAWN)\W*$",
    re.I,
)


class CitedAuthor(NamedTuple):
    """A person, or a group in ``group``; ``role`` is ``author`` or ``editor``."""

    family: str | None = None
    given: str | None = None
    initials: str | None = None
    suffix: str | None = None
    group: str | None = None
    role: str = "author"

    @property
    def short(self) -> str:
        """The name as MEDLINE prints it: ``Smith JA Jr``, or the group's name."""
        return self.group or " ".join(
            part for part in (self.family, self.initials or self.given, self.suffix) if part
        )

    @property
    def inverted(self) -> str:
        """The name in full, family name first: ``Smith, John A, Jr``, or the group's name."""
        return self.group or ", ".join(part for part in (self.family, self.given_name, self.suffix) if part)

    @property
    def given_name(self) -> str | None:
        return self.given or self.initials


class CitedBook(NamedTuple):
    """What a book or a chapter adds to a citation."""

    title: str
    publisher: str | None = None
    place: str | None = None
    edition: str | None = None
    collection: str | None = None
    isbns: tuple[str, ...] = ()


class CitedNotice(NamedTuple):
    """A link to another publication; ``type`` is NLM's RefType, ``sentence`` says it in plain words."""

    type: str
    pmid: ArticleKey | None
    citation: str | None
    sentence: str


class CitedSource(NamedTuple):
    """Where a record that PubMed lacks comes from: the database, its number there, the day of the search, its page."""

    database: str
    accession: str | None
    searched: str
    url: str | None


class CitedLabel(NamedTuple):
    """What was read by machine: group (``design``), value, and the field that it was read from."""

    group: str
    value: str
    basis: str


class CitedTag(NamedTuple):
    """A tag that people put on the article; ``question`` is the one it was put on for, None for any."""

    group: str
    name: str
    question: str | None
    people: tuple[str, ...]


class CitedOutcome(NamedTuple):
    """The result of screening for a question, once as many have decided as its review wants, or a lead settled it."""

    question: str
    stage: Stage
    decision: Decision
    reason: str | None
    settled: bool

    @property
    def sentence(self) -> str:
        made, by = DECISION_WORDS[self.decision].made, STAGE_WORDS[self.stage]
        reason = f" ({self.reason})" if self.reason else ""
        return f"Screened for {self.question}: {made} by {by}{reason}{', settled by a lead' if self.settled else ''}"


class CitedJudgement(NamedTuple):
    """What a person says about a label: the same value accepts the machine's, '' rejects it, one for '' is added."""

    group: str
    machine_value: str
    value: str
    person: str

    @property
    def words(self) -> str:
        """Both values in a few words, without the group."""
        if self.value == self.machine_value:
            return f"{self.value} confirmed by {self.person}"
        if not self.value:
            return f"not {self.machine_value} ({self.person})"
        instead = f" instead of {self.machine_value}" if self.machine_value else " added"
        return f"{self.value}{instead} ({self.person})"


class CitedDirectness(NamedTuple):
    """How directly the article bears on the question, as read by machine: ``direct``, ``indirect`` or ``off``.

    ``outcome`` is what its abstract says of the question's outcome ("result given"), ``findings`` the sentences in
    which it does, the first of them first.
    """

    value: str
    reason: str
    outcome: str = ""
    findings: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        return f"{self.value}: {self.reason}"


class CitedPlacement(NamedTuple):
    """Where a person placed the article instead, and why; what counts is what was said last."""

    value: str
    reason: str
    person: str

    @property
    def words(self) -> str:
        return f"{self.value}: {self.reason} ({self.person})"


def status_date(source: str, moment: str | None) -> str:
    """The date, in words, as of which a record's statements hold: a file may be older than the day it was loaded.

    ``source`` is pubmed, file or, for a record that PubMed lacks, external; ``moment`` is when PubMed answered or the
    file was loaded, in the form to show.
    """
    if source == "external":
        return "Whether it was retracted or corrected is not checked, as it is not from PubMed"
    if not moment:
        return "PubMed's status: never checked"
    return f"PubMed's status as {'in a file loaded' if source == 'file' else 'of'} {moment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """One article as it goes into an export; texts are plain, as in the database, and may be hostile.

    ``title_says`` is retracted, withdrawn or notice, ``by_title`` is set if only the title says so.
    ``published`` is a partial ISO date; ``article_number`` is set if ``pages`` are missing; ``mesh`` are headings as
    MEDLINE prints them (``Headache/*etiology``).
    ``as_of`` is when PubMed last answered for the record, or with ``source`` "file" when the file was loaded;
    ``changed`` is when a change in it was last noticed. ``question`` and the two after it say why it is in a list.
    ``tags``, ``screening``, ``judgements`` and ``placement`` are what people say, as far as everybody may see it;
    ``directness`` and ``placement`` are for the ``question``, and None if nothing was read or said.
    ``external`` is where the record comes from if PubMed lacks it.
    """

    pmid: ArticleKey
    title: str
    kind: RecordKind = "article"
    vernacular_title: str | None = None
    authors: tuple[CitedAuthor, ...] = ()
    journal: str | None = None
    iso_abbreviation: str | None = None
    medline_abbreviation: str | None = None
    volume: str | None = None
    issue: str | None = None
    pages: str | None = None
    published: str | None = None
    doi: str | None = None
    pmcid: str | None = None
    issn: str | None = None
    issn_linking: str | None = None
    article_number: str | None = None
    authors_complete: bool = True
    abstract: str | None = None
    keywords: tuple[str, ...] = ()
    mesh: tuple[str, ...] = ()
    publication_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    registrations: tuple[tuple[str, str | None], ...] = ()
    book: CitedBook | None = None
    retracted: bool = False
    withdrawn: bool = False
    expression_of_concern: bool = False
    corrected: bool = False
    updated: bool = False
    is_notice: bool = False
    title_says: str | None = None
    by_title: bool = False
    notices: tuple[CitedNotice, ...] = ()
    as_of: str | None = None
    source: str = "pubmed"
    gone: str | None = None
    labels: tuple[CitedLabel, ...] = ()
    question: str | None = None
    entered: str | None = None
    reason: str | None = None
    starter: bool = False
    changed: str | None = None
    tags: tuple[CitedTag, ...] = ()
    screening: tuple[CitedOutcome, ...] = ()
    judgements: tuple[CitedJudgement, ...] = ()
    directness: CitedDirectness | None = None
    placement: CitedPlacement | None = None
    external: CitedSource | None = None

    @property
    def pubmed_id(self) -> Pmid | None:
        """The PMID, if PubMed has the record."""
        return pmid_of(self.pmid)

    @property
    def key(self) -> str:
        """What identifies the article here: its PMID, or ``x12``."""
        return spelt(self.pmid)

    @property
    def name(self) -> str:
        """The same in words: "PMID 31541003", or "record x12 (Embase L2001)"."""
        if self.external is None:
            return named(self.pmid)
        return f"{named(self.pmid)} ({' '.join(filter(None, self.external[:2]))})"

    @property
    def database(self) -> str:
        """The database that the record comes from."""
        return self.external.database if self.external else "PubMed"

    @property
    def accession(self) -> str | None:
        """Its number there."""
        return self.external.accession if self.external else str(self.pmid)

    @property
    def url(self) -> str | None:
        """The record's page in PubMed; if PubMed lacks it, its DOI's address or the page that its database names."""
        if self.external is None:
            return f"{PUBMED}/{self.pmid}/"
        return self.doi_url or self.external.url

    @property
    def doi_name(self) -> str | None:
        """The bare DOI, if it has a DOI's form."""
        doi = bare_doi(self.doi or "")
        return doi if _DOI.fullmatch(doi) else None

    @property
    def doi_url(self) -> str | None:
        return f"https://doi.org/{quote(self.doi_name, safe='/:;()')}" if self.doi_name else None

    @property
    def abbreviation(self) -> str | None:
        """The journal's abbreviation by ISO 4, or NLM's where the record has no other."""
        return self.iso_abbreviation or self.medline_abbreviation

    @property
    def is_chapter(self) -> bool:
        return self.book is not None and self.book.title != self.title

    @property
    def headline(self) -> str:
        """The title, which is never empty and says so if the paper is retracted.

        A reference list shows titles and no notes. PubMed writes "RETRACTED: " before most of them, not all.
        """
        title = self.title or self.vernacular_title or "[no title]"
        return title if not self.retracted or _SAYS_RETRACTED.search(title) else f"RETRACTED: {title}"

    @property
    def is_preprint(self) -> bool:
        return any(name.casefold() == "preprint" for name in self.publication_types)

    @property
    def location(self) -> str | None:
        """Where in the volume it is: its pages as MEDLINE prints them, or its article number."""
        return self.pages or self.article_number

    @property
    def date_parts(self) -> tuple[int, ...]:
        """Year, month and day of publication as far as known; empty where there is no date."""
        return tuple(map(int, self.published.split("-"))) if self.published else ()

    @property
    def mesh_terms(self) -> tuple[str, ...]:
        """The headings without the stars of major topics."""
        return tuple(term.replace("*", "") for term in self.mesh)

    @property
    def standing(self) -> tuple[str, ...]:
        """What comes in capitals before everything else: RETRACTED and the like. Most papers have none."""
        words = (
            (self.starter, "STARTER CITATION, not a search result: whether it was retracted is not known"),
            (self.retracted, f"RETRACTED{self._said_by('retracted')}"),
            (self.withdrawn, f"WITHDRAWN{self._said_by('withdrawn')}"),
            (self.expression_of_concern, "EXPRESSION OF CONCERN"),
            (self.corrected, "CORRECTED"),
            (self.updated, "UPDATED"),
            (self.is_notice, f"NOTICE ABOUT ANOTHER PUBLICATION{self._said_by('notice')}"),
            (self.gone, f"GONE: no longer in PubMed since {day(self.gone)}"),
        )
        return tuple(text for holds, text in words if holds)

    def _said_by(self, kind: str) -> str:
        return " (by its title)" if self.by_title and self.title_says == kind else ""

    @property
    def status_date(self) -> str:
        """The date as of which the standing and the notices hold."""
        return status_date(self.source, self.as_of and day(self.as_of))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Standing, notices and their date, as sentences: what every format carries."""
        return (*self.standing, *(notice.sentence for notice in self.notices), self.status_date)

    @property
    def readings(self) -> tuple[str, ...]:
        """The labels as sentences that say who read them."""
        labels = (f"{label.group}: {label.value} (read by machine)" for label in self.labels)
        directness = (self.directness,) if self.directness else ()
        return (*labels, *(f"directness: {each.words} (read by machine)" for each in directness))

    @property
    def tag_terms(self) -> tuple[str, ...]:
        """The tags, each once, marked as ours, as they are listed among the record's own keywords."""
        return tuple(dict.fromkeys(f"tag: {tag.name}" for tag in self.tags))

    @property
    def said_by_people(self) -> tuple[str, ...]:
        """The results of screening, judgements of the labels, and where people moved the article, as sentences."""
        judged = (f"{judgement.group}: {judgement.words}" for judgement in self.judgements)
        placed = (f"directness: {self.placement.words}",) if self.placement else ()
        return (*(outcome.sentence for outcome in self.screening), *judged, *placed)


def bare_doi(text: str) -> str:
    """The DOI without a resolver's address or "doi:" before it, and without a full stop at the end."""
    text = text.strip()
    while before := _BEFORE_DOI.match(text):
        text = text[before.end() :]
        if before[0].endswith("/"):
            text = unquote(text)
    return (text if "/" in text else unquote(text)).rstrip(".").strip()


def day(moment: str | None) -> str:
    """The day of a UTC moment: ``2026-01-31T04:05:06Z`` -> ``2026-01-31``."""
    return (moment or "")[:10]
