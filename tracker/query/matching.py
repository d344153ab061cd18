"""Whether a query finds an article, judged without PubMed.

A query is compiled once into one test for each term; an article is folded once, field by field, when a
test first asks for it. Which field holds what follows PubMed Help, "PubMed data field descriptions"
(https://pubmed.ncbi.nlm.nih.gov/help/). What cannot be judged offline is refused, never taken as no match.
Not modelled: automatic term mapping of untagged terms, and the phrase index (every phrase is looked for).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain

from tracker.article import Article, Author, Investigator, PartialDate
from tracker.query.errors import UnsupportedQuery
from tracker.query.syntax import Node, Operation, Range, Term, parse
from tracker.query.vocabulary import MeshTree, default_tree, fold_value, fold_words
from tracker.superscript import forms

Test = Callable[["Index"], bool]

# The work of a proximity search doubles with each word.
MAX_NEAR = 8

# Parts the values of a field, so that no phrase runs from one into the next.
_BREAK = " \n "


class Index:
    """An article as PubMed would search it; each field is folded when it is first asked for."""

    __slots__ = ("_cache", "article")

    def __init__(self, article: Article) -> None:
        self.article = article
        self._cache: dict[str, str | frozenset[str]] = {}

    def words(self, field: str) -> str:
        """A field of running text, folded, with a space at either end."""
        folded = self._cache.get(field)
        if not isinstance(folded, str):
            texts = (form.text for text in WORDS[field](self.article) for form in forms(text))
            folded = f" {_BREAK.join(map(fold_words, texts))} "
            self._cache[field] = folded
        return folded

    def values(self, field: str) -> frozenset[str]:
        """A field's values, each folded as a whole; a MeSH heading also with each of its subheadings."""
        values = self._cache.get(field)
        if not isinstance(values, frozenset):
            values = frozenset(map(_fold_heading, VALUES[field](self.article)))
            self._cache[field] = values
        return values

    def names(self, field: str) -> frozenset[str]:
        """Every way in which the people of a field may be searched for."""
        names = self._cache.get(field)
        if not isinstance(names, frozenset):
            people = NAMES[field](self.article)
            names = frozenset(fold_words(name) for person in people for name in _spellings(person))
            self._cache[field] = names
        return names


def matches(query: Node, article: Article | Index, tree: MeshTree | None = None) -> bool:
    """Whether the query finds the article.

    Pass an Index where several queries look at one article. Raises UnsupportedQuery.
    """
    index = article if isinstance(article, Index) else Index(article)
    return _compiled(query, tree or default_tree())(index)


def compile_query(query: Node, tree: MeshTree | None = None) -> Test:
    """The query as a test of an Index. Raises UnsupportedQuery, naming the term and the reason."""
    tree = tree or default_tree()
    if isinstance(query, Operation):
        return _combine(query, [compile_query(operand, tree) for operand in query.operands])
    if not query.field.offline:
        raise UnsupportedQuery(f"{query}: [{query.field.name}] can be searched only at PubMed.")
    if isinstance(query, Range):
        return _uid_range(query) if query.field.kind == "uid" else _date_range(query)
    return _TESTS[query.field.kind](query, tree)


@lru_cache(maxsize=64)
def _compiled(query: Node, tree: MeshTree) -> Test:
    return compile_query(query, tree)


def _combine(query: Operation, tests: list[Test]) -> Test:
    if query.operator == "AND":
        return lambda index: all(test(index) for test in tests)
    if query.operator == "OR":
        return lambda index: any(test(index) for test in tests)
    wanted, *unwanted = tests
    return lambda index: wanted(index) and not any(test(index) for test in unwanted)


# One test for each kind of field


def _words_test(term: Term, tree: MeshTree) -> Test:
    key, wanted = term.field.key, fold_words(term.text)
    if term.distance is not None:
        words, distance = wanted.split(), term.distance
        if len(words) > MAX_NEAR:
            raise UnsupportedQuery(
                f"{term}: proximity of more than {MAX_NEAR} words can be judged only at PubMed."
            )
        return lambda index: any(_near(words, part, distance) for part in index.words(key).split(_BREAK))
    phrase = f" {wanted}" if term.truncated else f" {wanted} "
    return lambda index: phrase in index.words(key)


def _near(words: list[str], text: str, distance: int) -> bool:
    """Whether all words stand in the text, in any order, each at most ``distance`` words from the next."""
    complete = frozenset(range(len(words)))
    ends: list[tuple[int, set[frozenset[int]]]] = []
    for position, word in enumerate(text.split()):
        here = [number for number, wanted in enumerate(words) if wanted == word]
        if not here:
            continue
        ends = [end for end in ends if position - end[0] - 1 <= distance]
        before = {frozenset[int]()}.union(*(sets for _, sets in ends))
        reached = {chosen | {number} for chosen in before for number in here if number not in chosen}
        if complete in reached:
            return True
        ends.append((position, reached))
    return False


def _values_test(term: Term, tree: MeshTree) -> Test:
    key = term.field.key
    if term.truncated:
        prefix = fold_value(term.text)
        return lambda index: any(value.startswith(prefix) for value in index.values(key))
    wanted = _EXPANSIONS.get(key, _just_itself)(term, tree)
    return lambda index: not wanted.isdisjoint(index.values(key))


def _just_itself(term: Term, tree: MeshTree) -> frozenset[str]:
    return frozenset({_fold_heading(term.text)})


def _expand_heading(term: Term, tree: MeshTree) -> frozenset[str]:
    heading, slash, subheading = term.text.partition("/")
    headings = tree.explode(heading) if term.explode else frozenset({fold_value(heading)})
    if not slash:
        return headings
    subheadings = tree.explode_subheading(subheading) if term.explode else {tree.subheading(subheading)}
    return frozenset(f"{main}/{sub}" for main in headings for sub in subheadings)


def _expand_subheading(term: Term, tree: MeshTree) -> frozenset[str]:
    return tree.explode_subheading(term.text) if term.explode else frozenset({tree.subheading(term.text)})


def _expand_type(term: Term, tree: MeshTree) -> frozenset[str]:
    return tree.explode_type(term.text) if term.explode else _just_itself(term, tree)


def _expand_language(term: Term, tree: MeshTree) -> frozenset[str]:
    wanted = fold_value(term.text)
    return frozenset({wanted} | {code for code, name in tree.languages.items() if name == wanted})


_EXPANSIONS: dict[str, Callable[[Term, MeshTree], frozenset[str]]] = {
    "mh": _expand_heading,
    "majr": _expand_heading,
    "sh": _expand_subheading,
    "pt": _expand_type,
    "la": _expand_language,
}


def _names_test(term: Term, tree: MeshTree) -> Test:
    """PubMed completes initials (``smith j`` finds Smith JA), unless the name is in quotes."""
    key, wanted = term.field.key, fold_words(term.text)
    if term.truncated or (not term.exact and " " in wanted):
        return lambda index: any(name.startswith(wanted) for name in index.names(key))
    if term.exact:
        return lambda index: wanted in index.names(key)
    last_name = f"{wanted} "
    return lambda index: any(f"{name} ".startswith(last_name) for name in index.names(key))


def _date_test(term: Term, tree: MeshTree) -> Test:
    raise UnsupportedQuery(f"{term}: it depends on today's date. Write a range, as in 2024/01/01:2024/12/31.")


def _date_range(query: Range) -> Test:
    read, low, high = DATES[query.field.key], query.low.replace("/", "-"), query.high.replace("/", "-")
    return lambda index: any(low <= date <= high for date in read(index.article) if date)


def _uid_test(term: Term, tree: MeshTree) -> Test:
    wanted = int(term.text)
    return lambda index: index.article.pmid == wanted


def _uid_range(query: Range) -> Test:
    low, high = int(query.low), int(query.high)
    return lambda index: low <= index.article.pmid <= high


def _filter_test(term: Term, tree: MeshTree) -> Test:
    name = fold_words(term.text)
    if name == "all":
        return lambda index: True
    if name in tree.statuses:
        return lambda index: index.article.status in tree.statuses[name]
    if name in tree.filters:
        return compile_query(parse(tree.filters[name]), tree)
    known = ", ".join(sorted({*tree.statuses, *tree.filters}))
    raise UnsupportedQuery(f"{term}: this filter can be searched only at PubMed. Known offline: {known}.")


_TESTS: dict[str, Callable[[Term, MeshTree], Test]] = {
    "words": _words_test,
    "values": _values_test,
    "names": _names_test,
    "date": _date_test,
    "uid": _uid_test,
    "filter": _filter_test,
}


# What each field holds


def _fold_heading(text: str) -> str:
    """A value folded; the slash between a heading and its subheading stays."""
    return "/".join(map(fold_value, text.split("/"))) if "/" in text else fold_value(text)


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
    """Headings, and headings with each subheading; a heading is major where any part of it is."""
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
    """PubMed's search words for what a record has: ``hasabstract``, ``hasretractionin``, ..."""
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
    """All fields but those that PubMed Help excepts (place of publication, and the dates of processing)."""
    journal = article.journal
    return chain(
        _text_words(article),
        (name for person in _everybody(article) for name in _spellings(person)),
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


def _spellings(person: Author | Investigator | str) -> Iterator[str]:
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
    """A date without month or day is its first day (PubMed Help, Publication Date)."""
    if date:
        yield date.iso + "-01-01"[len(date.iso) - 4 :]


def _mesh_dates(article: Article) -> Iterator[str | None]:
    """The day that headings were added; until then PubMed takes the entry date."""
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
