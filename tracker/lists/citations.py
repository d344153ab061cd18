"""Citations from evidence.db, read by key in batches: a list of any length in constant memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from tracker.article import ArticleKey, Notice
from tracker.citation import (
    Citation,
    CitedAuthor,
    CitedBook,
    CitedDirectness,
    CitedJudgement,
    CitedLabel,
    CitedNotice,
    CitedOutcome,
    CitedPlacement,
    CitedSource,
    CitedTag,
)
from tracker.evidence import external, facets
from tracker.evidence.questions import STARTER
from tracker.evidence.rows import each_row
from tracker.lists.selection import Selection
from tracker.lists.selection import pmids as pmids_of
from tracker.reading.notices import describe
from tracker.team import by_article, placements
from tracker.team.review import reviews

BATCH = 200


def of_selection(
    db: sqlite3.Connection, selection: Selection, newest: int | None = None
) -> Iterator[Citation]:
    """Every article of the list in its order, or only the first ``newest``.

    Batches are read one by one: a caller that needs one consistent state has to read inside a transaction.
    """
    left = newest
    for pmids in pmids_of(db, selection, BATCH):
        batch = pmids[:left]
        yield from of_articles(db, batch, selection.question)
        if left is not None:
            left -= len(batch)
            if not left:
                return


def of_articles(
    db: sqlite3.Connection, pmids: Sequence[ArticleKey], slug: str | None = None
) -> Iterator[Citation]:
    """Those of the articles that are stored, in this order; ``slug`` is the question whose list they are from.

    If annotations.db is attached, they include what people say and everybody may see: for the question or, without
    one, for every question.
    All are held in memory at once: pass a batch.
    """
    given = json.dumps(list(pmids))
    articles = {row["pmid"]: row for row in each_row(db, _ARTICLES, {"pmids": given, "slug": slug})}
    parts = {name: _by_article(db, query, given) for name, query in _PARTS.items()}
    by_people = _by_people(db, pmids, slug)
    for pmid in pmids:
        if article := articles.get(pmid):
            of_article = {name: rows.get(pmid, []) for name, rows in parts.items()}
            yield _citation(article, of_article, slug, by_people.get(pmid, {}))


def label_choices(
    db: sqlite3.Connection, slug: str | None = None, viewer: int | None = None
) -> dict[str, list[str]]:
    """What the question's list (or any question's) can be filtered by: labels and other facets, with their values.

    Also those of directness to which people moved a record of the question, as far as ``viewer`` may see it.
    """
    slugs = [slug] if slug else [question for (question,) in db.execute("select slug from questions")]
    # Question by question: only then does SQLite skip from one value to the next.
    pairs = {
        (group, value)
        for each in slugs
        for group, value in db.execute(
            """
            select distinct label_group, value from question_counts
            where question = :question and label_group <> :everything
            """,
            {"question": each, "everything": facets.EVERYTHING},
        )
    }
    if slug:
        pairs.update((placements.GROUP, value) for value in placements.moved(db, slug, viewer).into)
    return {
        group: [value for _, value in of_group]
        for group, of_group in groupby(sorted(pairs), key=lambda row: row[0])
    }


def newest(db: sqlite3.Connection, slug: str) -> str | None:
    """The moment at which an article last entered the question or left it."""
    row = db.execute(
        """
        select max(moment) from (
          select max(entered) as moment from question_articles where question = :slug
          union all
          select (select left_at from question_articles where left_at is not null and question = :slug
            order by left_at desc limit 1))
        """,
        {"slug": slug},
    ).fetchone()
    return row[0] if row else None


_ARTICLES = f"""
select a.pmid, a.title, a.kind, a.vernacular_title, a.journal, a.iso_abbreviation, a.volume, a.issue, a.pages,
  a.medline_abbreviation, a.article_number, a.published, a.doi, a.pmcid, a.issn, a.issn_linking, a.authors_complete,
  a.abstract, a.languages, a.retracted, a.withdrawn, a.expression_of_concern, a.corrected, a.updated, a.is_notice,
  a.title_says, a.by_title, b.title as book, b.publisher,
  b.publisher_location, b.edition, b.collection, b.isbns,
  s.checked, s.source, s.gone, coalesce(q.entered, s.first_seen) as entered, q.reason,
  s.source = 'starter' or q.reason is '{STARTER}' as starter,
  (select max(noticed) from changes c where c.pmid = a.pmid) as changed,
  d.value as directness, d.reason as directness_reason, d.outcome,
  (select json_group_array(f.sentence) from (
    select sentence from finding_sentences
    where question = :slug and pmid = a.pmid order by position) f) as findings,
  e.source as database, e.accession, e.searched, e.record as fields
from json_each(:pmids) given
join articles a on a.pmid = given.value
left join books b on b.pmid = a.pmid
left join record_state s on s.pmid = a.pmid
left join question_articles q on q.question = :slug and q.pmid = a.pmid
left join directness d on d.question = :slug and d.pmid = a.pmid
left join external_records e on e.id = -a.pmid
"""
_SAME = (
    "pmid title kind vernacular_title journal iso_abbreviation volume issue pages article_number published doi pmcid "
    "issn issn_linking abstract medline_abbreviation title_says "
    "gone entered reason changed"
).split()
_FLAGS = (
    "retracted withdrawn expression_of_concern corrected updated is_notice by_title starter authors_complete"
).split()
_PARTS = {
    name: f"select pmid, {columns} from {table} where pmid in (select value from json_each(:pmids)) {rest}"
    for name, table, columns, rest in (
        (
            "authors",
            "authors",
            "last_name, fore_name, initials, suffix, collective_name, role",
            # A name that NLM marked as wrong belongs to nobody.
            "and valid order by pmid, position",
        ),
        ("keywords", "keywords", "term", "order by pmid, position"),
        (
            "mesh",
            "mesh_headings",
            "descriptor, qualifier, major, descriptor_major",
            "order by pmid, position",
        ),
        ("types", "publication_types", "name", "order by pmid, position"),
        ("registrations", "registrations", "bank, number", "order by pmid, position"),
        # What a paper cites is not a notice about it.
        (
            "notices",
            "notices",
            "type, other_pmid, citation, note",
            "and type <> 'Cites' order by pmid, position",
        ),
        ("labels", "labels", "label_group, value, basis", "order by pmid, label_group, value"),
    )
}


def _citation(
    article: dict[str, Any],
    parts: dict[str, list[tuple[Any, ...]]],
    slug: str | None,
    by_people: Mapping[str, Any],
) -> Citation:
    same: dict[str, Any] = {name: article[name] for name in _SAME}
    flags: dict[str, Any] = {name: bool(article[name]) for name in _FLAGS}
    return Citation(
        **same,
        **flags,
        languages=tuple(article["languages"].split(",")) if article["languages"] else (),
        authors=tuple(CitedAuthor(*row) for row in parts["authors"]),
        keywords=tuple(term for (term,) in parts["keywords"]),
        mesh=tuple(_headings(parts["mesh"])),
        publication_types=tuple(name for (name,) in parts["types"]),
        registrations=tuple((bank, number) for bank, number in parts["registrations"]),
        notices=tuple(
            CitedNotice(type, pmid, citation, describe(Notice(type, pmid, citation, note)))
            for type, pmid, citation, note in parts["notices"]
        ),
        labels=tuple(CitedLabel(*row) for row in parts["labels"]),
        book=_book(article),
        as_of=article["checked"],
        source=article["source"] or "pubmed",
        question=slug,
        directness=_directness(article),
        external=_source(article),
        **by_people,
    )


_SAID_ANYTHING = """
select exists (select 1 from annotations.taggings) or exists (select 1 from annotations.decisions)
  or exists (select 1 from annotations.label_reviews) or exists (select 1 from annotations.placements)
"""


def _by_people(
    db: sqlite3.Connection, pmids: Sequence[ArticleKey], slug: str | None
) -> dict[int, dict[str, Any]]:
    """What people say about articles, as the fields of a citation."""
    attached = any(row[1] == "annotations" for row in db.execute("pragma database_list"))
    if not attached or not db.execute(_SAID_ANYTHING).fetchone()[0]:
        return {}
    said = by_article.of_articles(db, pmids, slug, None)
    judged = by_article.label_reviews(db, pmids)
    placed = placements.last_of(db, pmids, slug, None) if slug else {}
    decided = {entry["question"] for each in said.values() for entry in each["decisions"]}
    outcomes: dict[int, list[CitedOutcome]] = {}
    for review in reviews(db).values():
        if review.question not in decided or slug not in (None, review.question):
            continue
        for pmid, standing in by_article.standings(db, review, pmids, None).items():
            last = standing["outcome"]
            if last and last.decision:
                outcome = CitedOutcome(review.question, last.stage, last.decision, last.reason, last.settled)
                outcomes.setdefault(pmid, []).append(outcome)
    return {
        pmid: {
            "tags": tuple(
                CitedTag(tag["group_name"], tag["name"], tag["question"], tuple(tag["people"]))
                for tag in each["tags"]
            ),
            "screening": tuple(outcomes.get(pmid, ())),
            "judgements": tuple(
                CitedJudgement(
                    row["label_group"], row["machine_value"] or "", row["value"] or "", row["person"]
                )
                for row in judged.get(pmid, ())
            ),
            "placement": _placement(placed.get(pmid)),
        }
        for pmid, each in said.items()
    }


def _directness(article: Mapping[str, Any]) -> CitedDirectness | None:
    value = article["directness"]
    if not value:
        return None
    # A sentence about both sides of an outcome is a finding of each.
    sentences = tuple(dict.fromkeys(json.loads(article["findings"])))
    return CitedDirectness(value, article["directness_reason"], article["outcome"], sentences)


def _source(article: Mapping[str, Any]) -> CitedSource | None:
    if article["database"] is None:
        return None
    address = external.address(article["fields"])
    return CitedSource(article["database"], article["accession"], article["searched"], address)


def _placement(row: Mapping[str, Any] | None) -> CitedPlacement | None:
    return CitedPlacement(row["value"], row["reason"], row["person"]) if row else None


def _headings(rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """As MEDLINE prints them, a star before each main point: ``*Aspirin/adverse effects/*therapeutic use``."""
    for (descriptor, starred), group in groupby(rows, key=lambda row: (row[0], row[3])):
        qualifiers = [f"/{'*' if major else ''}{name}" for _, name, major, _ in group if name]
        yield f"{'*' if starred else ''}{descriptor}{''.join(qualifiers)}"


def _book(article: dict[str, Any]) -> CitedBook | None:
    if article["book"] is None:
        return None
    return CitedBook(
        title=article["book"],
        publisher=article["publisher"],
        place=article["publisher_location"],
        edition=article["edition"],
        collection=article["collection"],
        isbns=tuple(json.loads(article["isbns"] or "[]")),
    )


def _by_article(db: sqlite3.Connection, query: str, pmids: str) -> dict[int, list[tuple[Any, ...]]]:
    rows = db.execute(query, {"pmids": pmids})
    return {
        pmid: [tuple(row[1:]) for row in of_article]
        for pmid, of_article in groupby(rows, key=lambda row: int(row[0]))
    }
