"""Records in evidence.db: an Article as rows, and the rows written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tracker.article import Article, ArticleKey, Author, Book, Identifier, Investigator, Journal
from tracker.citation import bare_doi
from tracker.evidence import facets, fulltext, preprints
from tracker.evidence.fulltext import SEARCHED
from tracker.evidence.schema import DERIVED
from tracker.superscript import forms, has_forms

# Raise this with every change to what the parser or a rule reads from the same bytes.
RULES_VERSION = 3

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]

# Of the derived tables, those that hold rows of one article alone; the others follow from question_articles, too.
_ELSEWHERE = (
    *("question_counts", "facets", "article_facets", "facets_of"),
    *("directness", "findings", "known_item_sets", "known_items"),
    *("preprint_titles", "preprint_pairs"),
)
TABLES = {table.name: table for table in DERIVED if table.name not in _ELSEWHERE}
_CHILDREN = tuple(name for name in TABLES if name != "articles")


def rows(article: Article, standing: Mapping[str, bool | str | None], labels: Iterable[Row]) -> Rows:
    """The article's rows in each derived table for which it has content.

    ``standing`` are the notice flags and what the title says, by column name; ``labels`` are as ``reading.Label``.
    """
    row = _article_row(article, standing)
    found = {table: _numbered(article.pmid, parts) for table, parts in _parts(article) if parts}
    found["articles"] = [_in_order("articles", row)]
    found["labels"] = [(article.pmid, *("" if part is None else part for part in label)) for label in labels]
    if cited := _cited(article):
        found["cites"] = [(article.pmid, pmid) for pmid in cited]
    if article.book:
        found["books"] = [_in_order("books", _book_row(article.pmid, article.book))]
    if texts := _searched_texts(row):
        found["searched_texts"] = [(article.pmid, *texts)]
    return found


def _cited(article: Article) -> dict[int, None]:
    """The PMIDs that its reference list and its links of the type Cites name, each once, in order."""
    listed = (
        int(id.value)
        for reference in article.references
        for id in reference.ids
        if id.type == "pubmed" and id.value.isdecimal()
    )
    linked = (notice.pmid for notice in article.notices if notice.type == "Cites" and notice.pmid)
    return dict.fromkeys((*listed, *linked))


def _numbered(pmid: ArticleKey, parts: Iterable[Sequence[Any]]) -> list[Row]:
    return [(pmid, position, *part) for position, part in enumerate(parts, 1)]


def _parts(article: Article) -> Iterator[tuple[str, Sequence[Sequence[Any]]]]:
    """Each table of repeated parts with the article's rows for it, in the record's order."""
    yield "abstract_sections", [(s.label, s.category, s.text.plain, s.text.html) for s in article.abstract]
    yield "other_abstracts", list(_other_abstract_rows(article))
    yield "authors", [_author_row(author) for author in article.authors]
    yield "affiliations", list(_affiliation_rows(article))
    yield "investigators", [_investigator_row(investigator) for investigator in article.investigators]
    yield "mesh_headings", list(_mesh_rows(article))
    yield "supplementary_concepts", article.supplementary_concepts
    yield "publication_types", article.publication_types
    yield "keywords", article.keywords
    yield "substances", article.substances
    yield "grants", article.grants
    yield "registrations", article.registrations
    yield "notices", article.notices
    yield "cited_references", list(_reference_rows(article))
    yield "identifiers", article.ids
    yield "article_history", article.history
    yield "other_fields", article.other_fields


def _article_row(article: Article, standing: Mapping[str, bool | str | None]) -> dict[str, Any]:
    published, book = article.published, article.book
    return {
        "pmid": article.pmid,
        "title": article.title.plain,
        "abstract": article.abstract_text or None,
        "title_html": article.title.html,
        "abstract_html": article.abstract_html or None,
        **_journal_columns(article.journal, book),
        "pages": article.pages,
        "article_number": article.article_number,
        "published": published.iso if published else None,
        "published_precision": published.precision if published else None,
        "published_raw": article.published_raw,
        "electronic": article.electronic.iso if article.electronic else None,
        "created": article.created,
        "entered": article.entered,
        "revised": article.revised,
        "completed": article.completed,
        "status": article.status,
        "indexing_method": article.indexing_method,
        "publication_model": article.publication_model,
        "publication_status": article.publication_status,
        "languages": ",".join(article.languages) or None,
        "vernacular_title": article.vernacular_title,
        "doi": bare_doi(article.id("doi") or "") or None,
        "pmcid": article.id("pmc"),
        "pii": article.id("pii"),
        "copyright": article.copyright,
        "conflict_of_interest": article.conflict_of_interest,
        "kind": article.kind,
        "version": article.version,
        "authors_complete": article.authors_complete,
        "authors_text": ", ".join(_names_of(article)) or None,
        "mesh_text": _mesh_text(article) or None,
        "keywords_text": "; ".join([keyword.term for keyword in article.keywords]) or None,
        "rules_version": RULES_VERSION,
        **standing,
    }


def _journal_columns(journal: Journal, book: Book | None) -> dict[str, str | None]:
    return {
        "journal": journal.title or (book.title.plain if book else None),
        "iso_abbreviation": journal.iso_abbreviation,
        "medline_abbreviation": journal.medline_abbreviation,
        "nlm_id": journal.nlm_id,
        "issn": journal.issn,
        "issn_linking": journal.issn_linking,
        "country": journal.country,
        "volume": journal.volume or (book.volume if book else None),
        "issue": journal.issue,
    }


def _searched_texts(article: Mapping[str, Any]) -> Row | None:
    """The searched columns followed by their other forms, empty if there are none; None if no column has any."""
    texts = [text if (text := article[name]) and has_forms(text) else "" for name in SEARCHED]
    if not any(texts):
        return None
    return tuple("\n".join((text, *(form.text for form in forms(text)))) if text else "" for text in texts)


def _names_of(article: Article) -> list[str]:
    names = [author.display for author in article.authors if author.valid]
    return names if article.authors_complete else [*names, "et al"]


def _mesh_text(article: Article) -> str:
    terms = [
        f"{heading.descriptor}/{'/'.join([q.name for q in heading.qualifiers])}"
        if heading.qualifiers
        else heading.descriptor
        for heading in article.mesh_headings
    ]
    terms += [concept.name for concept in article.supplementary_concepts]
    terms += [substance.name for substance in article.substances]
    return "; ".join(terms)


def _author_row(author: Author) -> Row:
    last_name, fore_name, initials, suffix, group, orcid, identifiers, equal, valid, role, _ = author
    return (
        last_name or "",
        fore_name or "",
        initials or "",
        suffix or "",
        group or "",
        orcid or "",
        json.dumps(identifiers) if identifiers else "",
        int(equal),
        int(valid),
        role,
    )


def _other_abstract_rows(article: Article) -> Iterator[Row]:
    for other in article.other_abstracts:
        for s in other.sections:
            yield (
                *(other.type, other.language, s.label, s.category),
                *(s.text.plain, s.text.html, other.copyright),
            )


def _affiliation_rows(article: Article) -> Iterator[Row]:
    for position, author in enumerate(article.authors, 1):
        for affiliation in author.affiliations:
            yield position, affiliation.text, _pairs(affiliation.identifiers)


def _investigator_row(one: Investigator) -> Row:
    name = (one.last_name, one.fore_name, one.initials, one.suffix)
    return (*name, one.orcid, _names(one.affiliations), int(one.valid))


def _mesh_rows(article: Article) -> Iterable[Row]:
    for name, ui, major, type, qualifiers in article.mesh_headings:
        if qualifiers:
            for qualifier, qualifier_ui, qualifier_major in qualifiers:
                yield (
                    name,
                    ui or "",
                    qualifier,
                    qualifier_ui or "",
                    int(qualifier_major),
                    int(major),
                    type or "",
                )
        else:
            yield name, ui or "", "", "", int(major), int(major), type or ""


def _reference_rows(article: Article) -> Iterable[Row]:
    for citation, section, ids in article.references:
        pmid: int | str = ""
        doi = ""
        others = []
        for type, value, _ in ids:
            if type == "pubmed" and not pmid and value.isdecimal():
                pmid = int(value)
            elif type == "doi" and not doi:
                doi = value
            else:
                others.append((type, value))
        yield citation, pmid, doi, json.dumps(others) if others else "", section or ""


def _book_row(pmid: ArticleKey, book: Book) -> dict[str, Any]:
    return {
        "pmid": pmid,
        "title": book.title.plain,
        "title_html": book.title.html,
        "publisher": book.publisher,
        "publisher_location": book.publisher_location,
        "collection": book.collection,
        "edition": book.edition,
        "volume": book.volume,
        "volume_title": book.volume_title,
        "isbns": json.dumps(book.isbns) if book.isbns else None,
        "medium": book.medium,
        "report_number": book.report_number,
        "beginning": book.beginning.iso if book.beginning else None,
        "ending": book.ending.iso if book.ending else None,
        "contributed": book.contributed.iso if book.contributed else None,
        "sections": json.dumps(book.sections) if book.sections else None,
    }


def _in_order(table: str, row: Mapping[str, Any]) -> Row:
    """The row in the order of the table's columns. Raises KeyError for a column that it lacks."""
    return tuple(row[column] for column in TABLES[table].columns)


def _pairs(identifiers: tuple[Identifier, ...]) -> str | None:
    return json.dumps(identifiers) if identifiers else None


def _names(affiliations: Sequence[Any]) -> str | None:
    return json.dumps([affiliation.text for affiliation in affiliations]) if affiliations else None


def _insert(name: str) -> str:
    """Rows may have an empty string for NULL, as binding None takes sqlite3 five times as long (measured)."""
    columns = TABLES[name].columns
    marks = ", ".join("?" if "not null" in type else "nullif(?, '')" for type, _ in columns.values())
    names = ", ".join(f'"{column}"' for column in columns)
    return f"insert into {name} ({names}) values ({marks})"


_INSERTS = {name: _insert(name) for name in TABLES}
_COLUMNS = tuple(TABLES["articles"].columns)
_UPDATE_ARTICLE = (
    f"update articles set ({', '.join(_COLUMNS)}) = ({', '.join('?' for _ in _COLUMNS)}) where pmid = ?"
)


def write(db: sqlite3.Connection, batch: Sequence[Rows]) -> None:
    """Write the rows of many articles, replacing those that are there already.

    The full-text index and the counts are the caller's: see ``relabelling``.
    """
    known = present(db, [rows["articles"][0][0] for rows in batch])
    forget_parts(db, known)
    added: list[Row] = []
    changed: list[Row] = []
    for rows in batch:
        article = rows["articles"][0]
        (changed if article[0] in known else added).append(article)
    db.executemany(_INSERTS["articles"], added)
    db.executemany(_UPDATE_ARTICLE, [(*row, row[0]) for row in changed])
    for name in _CHILDREN:
        if found := [row for rows in batch if name in rows for row in rows[name]]:
            db.executemany(_INSERTS[name], found)


def present(db: sqlite3.Connection, pmids: Iterable[ArticleKey]) -> set[ArticleKey]:
    """Which of the articles have a row."""
    rows = db.execute(
        "select pmid from articles where pmid in (select value from json_each(?))", (json.dumps(list(pmids)),)
    )
    return {ArticleKey(pmid) for (pmid,) in rows}


def forget_parts(db: sqlite3.Connection, pmids: set[ArticleKey]) -> None:
    """Remove all of these articles' rows except those in ``articles``, which are updated in place."""
    if pmids:
        for name in _CHILDREN:
            db.executemany(f"delete from {name} where pmid = ?", [(pmid,) for pmid in pmids])


def forget(db: sqlite3.Connection, pmids: set[ArticleKey]) -> None:
    """Remove these articles from every derived table except those of questions, and from the full-text index."""
    fulltext.unindex(db, pmids)
    facets.clear(db, pmids)
    forget_parts(db, pmids)
    db.executemany("delete from articles where pmid = ?", [(pmid,) for pmid in pmids])
    preprints.fill(db, pmids)


def forget_all(db: sqlite3.Connection) -> None:
    """Empty every derived table of articles, and the full-text index."""
    fulltext.empty(db)
    for name in TABLES:
        db.execute(f"delete from {name}")


def read_by_older_rules(db: sqlite3.Connection) -> int:
    """How many records were read by an older version of the rules than this one."""
    query = "select count(*) from articles where rules_version < ?"
    found: int = db.execute(query, (RULES_VERSION,)).fetchone()[0]
    return found


def say_older_rules(records: int) -> str:
    """A sentence for people, if there are such records."""
    are = "1 record was" if records == 1 else f"{records:,} records were"
    return f"{are} read by an older version of evidence-tracker, which reads less. Run 'tracker rebuild'."
