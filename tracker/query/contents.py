"""What each search field holds for an article, not yet folded.

What each field holds follows PubMed Help, "PubMed data field descriptions" (https://pubmed.ncbi.nlm.nih.gov/help/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from tracker.article import Article, Author, Investigator, PartialDate


def _present(*texts: str | None) -> Iterator[str]:
    return (text for text in texts if text)


def _title(article: Article) -> Iterator[str]:
    book = article.book
    return _present(article.title.plain, *((book.title.plain, book.collection) if book else ()))


def _abstract(article: Article) -> Iterator[str]:
    for section in article.abstract:
        yield f"{section.label or ''} {section.text.plain}"


def _other_abstracts(article: Article) -> Iterator[str]:
    for abstract in article.other_abstracts:
        for section in abstract.sections:
            yield f"{section.label or ''} {section.text.plain}"


def _keywords(article: Article) -> Iterator[str]:
    return (keyword.term for keyword in article.keywords)


def _tiab(article: Article) -> Iterable[str]:
    return chain(_title(article), _abstract(article), _other_abstracts(article), _keywords(article))


def _substances(article: Article) -> Iterator[str]:
    yield from (substance.name for substance in article.substances)
    yield from (concept.name for concept in article.supplementary_concepts)


def _headings(article: Article, major: bool = False) -> Iterator[str]:
    """Headings, and headings with each subheading; a heading is major if any part of it is."""
    for heading in article.mesh_headings:
        starred = heading.major or any(qualifier.major for qualifier in heading.qualifiers)
        if starred or not major:
            yield heading.descriptor
        for qualifier in heading.qualifiers:
            if qualifier.major or not major:
                yield f"{heading.descriptor}/{qualifier.name}"


def _subheadings(article: Article) -> Iterator[str]:
    return (qualifier.name for heading in article.mesh_headings for qualifier in heading.qualifiers)


def _types(article: Article) -> Iterator[str]:
    return (kind.name for kind in article.publication_types)


def _registrations(article: Article) -> Iterator[str]:
    for registration in article.registrations:
        yield from _present(registration.bank, registration.number)
        if registration.number:
            yield f"{registration.bank}/{registration.number}"


def _collectives(article: Article) -> Iterator[str]:
    return _present(*(author.collective_name for author in article.authors))


def _subject_names(article: Article) -> Iterator[str]:
    return (other.value for other in article.other_fields if other.field == "PersonalNameSubject")


def _text_words(article: Article) -> Iterable[str]:
    return chain(
        _tiab(article),
        (heading.descriptor for heading in article.mesh_headings),
        _subheadings(article),
        _types(article),
        _substances(article),
        _subject_names(article),
        _collectives(article),
        _registrations(article),
        (notice.note for notice in article.notices if notice.note),
        (other.value for other in article.other_fields if other.field == "SpaceFlightMission"),
    )


def _everybody(article: Article) -> tuple[Author | Investigator, ...]:
    return (*article.authors, *article.investigators)


def _affiliations(article: Article) -> Iterator[str]:
    for person in _everybody(article):
        for affiliation in person.affiliations:
            yield affiliation.text


def _grants(article: Article) -> Iterator[str]:
    for grant in article.grants:
        yield from _present(grant.id, grant.acronym, grant.agency, grant.country)


def _people_ids(article: Article) -> Iterator[str]:
    for person in _everybody(article):
        for identifier in person.identifiers:
            yield f"{identifier.source} {identifier.value}"
        if person.orcid:
            yield f"orcid {person.orcid}"


def _flags(article: Article) -> Iterator[str]:
    """PubMed's search terms for what a record has: ``hasabstract``, ``hasretractionin``, ..."""
    yield from (f"has{notice.type}" for notice in article.notices)
    yield from ("hasabstract" for _ in article.abstract[:1])
    yield from ("haskeyword" for _ in article.keywords[:1])
    yield from ("hasdatabanklist" for _ in article.registrations[:1])
    if article.conflict_of_interest:
        yield "hascois"


def _journal_names(article: Article) -> Iterator[str]:
    journal = article.journal
    names = (journal.title, journal.iso_abbreviation, journal.medline_abbreviation)
    return _present(*names, journal.issn, journal.issn_linking)


def _all_fields(article: Article) -> Iterable[str]:
    """All fields except those that PubMed Help leaves out (place of publication, and the dates of processing)."""
    journal = article.journal
    return chain(
        _text_words(article),
        (name for person in _everybody(article) for name in spellings(person)),
        _affiliations(article),
        _grants(article),
        _people_ids(article),
        _journal_names(article),
        _flags(article),
        (each.value for each in article.ids),
        _present(article.vernacular_title, article.conflict_of_interest, journal.volume, journal.issue),
        _present(journal.nlm_id, article.pages, str(article.pmid), *_publication_dates(article)),
        (substance.registry_number for substance in article.substances if substance.registry_number),
        article.languages,
    )


WORDS: dict[str, Callable[[Article], Iterable[str]]] = {
    "all": _all_fields,
    "ti": _title,
    "ab": _abstract,
    "tiab": _tiab,
    "tw": _text_words,
    "ot": _keywords,
    "tt": lambda article: _present(article.vernacular_title),
    "ad": _affiliations,
    "cn": _collectives,
    "gr": _grants,
    "pubn": lambda article: _present(article.book.publisher) if article.book else (),
    "book": lambda article: _title(article) if article.book else (),
    "cois": lambda article: _present(article.conflict_of_interest),
    "auid": _people_ids,
}

VALUES: dict[str, Callable[[Article], Iterable[str]]] = {
    "mh": _headings,
    "majr": lambda article: _headings(article, major=True),
    "sh": _subheadings,
    "pt": _types,
    "nm": _substances,
    "rn": lambda article: (each.registry_number for each in article.substances if each.registry_number),
    "si": _registrations,
    "ta": _journal_names,
    "is": lambda article: _present(article.journal.issn, article.journal.issn_linking),
    "jid": lambda article: _present(article.journal.nlm_id),
    "vi": lambda article: _present(article.journal.volume),
    "ip": lambda article: _present(article.journal.issue),
    "pg": lambda article: _present((article.pages or "").partition("-")[0]),
    "la": lambda article: article.languages,
    "pl": lambda article: _present(article.journal.country),
    "lid": lambda article: (each.value for each in article.ids if each.type in ("doi", "pii")),
    "aid": lambda article: (each.value for each in article.ids),
    "isbn": lambda article: article.book.isbns if article.book else (),
}

NAMES: dict[str, Callable[[Article], Iterable[Author | Investigator | str]]] = {
    "au": lambda article: _authors(article),
    "1au": lambda article: _authors(article)[:1],
    "lastau": lambda article: _authors(article)[-1:],
    "fau": lambda article: _authors(article),
    "ir": lambda article: article.investigators,
    "fir": lambda article: article.investigators,
    "ed": lambda article: [person for person in article.authors if person.role == "editor"],
    "ps": _subject_names,
}


def _authors(article: Article) -> list[Author]:
    return [person for person in article.authors if person.role == "author" and not person.collective_name]


def spellings(person: Author | Investigator | str) -> Iterator[str]:
    """``smith ja jr``, ``smith john a`` and ``john a smith``."""
    if isinstance(person, str):
        yield person
        return
    last, initials, fore = person.last_name or "", person.initials or "", person.fore_name or ""
    yield f"{last} {initials} {person.suffix or ''}"
    if fore:
        yield f"{last} {fore}"
        yield f"{fore} {last}"


def _publication_dates(article: Article) -> Iterator[str]:
    return chain(_days(article.published), _days(article.electronic))


def _days(date: PartialDate | None) -> Iterator[str]:
    """A date without month or day counts as its first day (PubMed Help, Publication Date)."""
    if date:
        yield date.iso + "-01-01"[len(date.iso) - 4 :]


def _mesh_dates(article: Article) -> Iterator[str | None]:
    """The day when headings were added; until then PubMed uses the entry date."""
    dates = [event.date[:10] for event in article.history if event.event == "medline"]
    yield from dates
    if not dates:
        yield article.entered


DATES: dict[str, Callable[[Article], Iterable[str | None]]] = {
    "dp": _publication_dates,
    "ppdat": lambda article: _days(article.published),
    "epdat": lambda article: _days(article.electronic),
    "crdt": lambda article: (article.created,),
    "edat": lambda article: (article.entered,),
    "mhda": _mesh_dates,
    "lr": lambda article: (article.revised,),
    "dcom": lambda article: (article.completed,),
}
