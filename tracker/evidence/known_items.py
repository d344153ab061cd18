"""Known-item recall: which of the papers that a question's direct reviews cite its search finds.

A paper counts as about the question if the question's file says so: of a record that is stored here, by the whole
record; of any other, by the citation in the review's reference list, where it holds a title. Whether the search finds
the paper is told when it is asked for: it is in the question's list, or not. The thought is that of relative recall
(Sampson 2006, doi:10.3163/1536-5050.94.2.152): what reviews found by other ways stands in for all that there is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from tracker.article import Article, ArticleKey, Pmid, Text
from tracker.evidence import answers
from tracker.query.errors import QueryError
from tracker.query.matching import Index, compile_query
from tracker.query.syntax import parse
from tracker.reading import read_labels
from tracker.reading.brief import Brief
from tracker.reading.directness import directness
from tracker.reading.engine import Record
from tracker.reading.findings import findings

REVIEWS = ("meta-analysis", "systematic review", "narrative review")
# The newest reviews are asked, so that a question with thousands of them costs no more.
MOST_REVIEWS = 100
# A citation is a title with something around it; a shorter one is a journal with its pages.
FEWEST_WORDS = 9


class Cited(NamedTuple):
    """A paper that direct reviews cite: by how many, and one of their citations of it."""

    pmid: ArticleKey
    reviews: int
    words: str
    is_stored: bool


def fill(db: sqlite3.Connection, slug: str) -> None:
    """Judge anew what the direct reviews of a question cite; inside the caller's transaction."""
    db.execute("delete from known_items where question = :slug", {"slug": slug})
    brief = answers.brief_of_question(db, slug)
    given = {"slug": slug, "designs": json.dumps(REVIEWS), "most": MOST_REVIEWS}
    reviews, with_references = db.execute(_REVIEW_COUNTS, given).fetchone()
    cited = [
        Cited(ArticleKey(pmid), n, words, bool(is_stored))
        for pmid, n, words, is_stored in db.execute(_CITED, given)
    ]
    judged = [each for each in cited if each.is_stored or len(each.words.split()) >= FEWEST_WORDS]
    db.execute(
        "insert or replace into known_item_sets values (?, ?, ?, ?, ?, 0)",
        (slug, reviews, with_references, len(cited), len(judged)),
    )
    if brief is None:
        return
    db.executemany(
        "insert into known_items values (?, ?, ?, ?, ?)",
        ((slug, each.pmid, each.reviews, each.words, fits) for each, fits in _about(db, slug, brief, judged)),
    )


def fill_all(db: sqlite3.Connection) -> None:
    """Judge anew what the direct reviews of every question cite; inside the caller's transaction."""
    mark_due(db)
    fill_due(db)


def fill_due(db: sqlite3.Connection) -> None:
    """Judge it anew for the questions where it is due; inside the caller's transaction."""
    for (slug,) in db.execute(_DUE).fetchall():
        fill(db, slug)


def mark_due(db: sqlite3.Connection) -> None:
    """Note that all of it is due, in the transaction that changes records or searches: reviews cite anything."""
    db.execute("update known_item_sets set due = 1 where not due")


def _about(
    db: sqlite3.Connection, slug: str, brief: Brief, cited: list[Cited]
) -> Iterator[tuple[Cited, bool]]:
    """Those that are about the question, each with whether its words as stored here, or as cited, fit the search."""
    fits = _search_of(db, slug)
    by_pmid = {each.pmid: each for each in cited}
    stored = [each.pmid for each in cited if each.is_stored]
    for pmid, record in answers.records(db, stored):
        found = findings(record, brief)
        if found.named and directness(record, found, brief).value != "off":
            yield by_pmid[ArticleKey(pmid)], fits(Index(record.article))
    for each in cited:
        if not each.is_stored and _is_about(article := _article_cited(each), brief):
            yield each, fits(Index(article))


def _search_of(db: sqlite3.Connection, slug: str) -> Callable[[Index], bool]:
    """The question's search, to be judged here; one that nothing fits where it cannot be."""
    row = db.execute(_STRATEGY, {"slug": slug}).fetchone()
    with suppress(QueryError):
        if row:
            return compile_query(parse(row[0]))
    return lambda _: False


def _article_cited(cited: Cited) -> Article:
    return Article(pmid=Pmid(cited.pmid), title=Text(cited.words, cited.words))


def _is_about(article: Article, brief: Brief) -> bool:
    """By its title alone, of which most name no outcome and are not read any further."""
    record = Record(article)
    found = findings(record, brief)
    if not found.named:
        return False
    record.add(read_labels(article))
    return directness(record, found, brief).value != "off"


_DIRECT_REVIEWS = """
select distinct d.pmid, a.published from directness d
join question_articles m on m.question = d.question and m.pmid = d.pmid and m.matching
join labels l on l.pmid = d.pmid and l.label_group = 'design' and l.value in (select value from json_each(:designs))
join articles a on a.pmid = d.pmid
where d.question = :slug and d.value = 'direct' order by a.published desc limit :most
"""
_REVIEW_COUNTS = f"""
select count(*), coalesce(sum(exists (select 1 from cites c where c.pmid = r.pmid)), 0) from ({_DIRECT_REVIEWS}) r
"""
_CITED = f"""
select c.cited, count(distinct c.pmid),
  coalesce((select max(x.citation) from cited_references x where x.cited_pmid = c.cited and x.pmid = c.pmid), ''),
  exists (select 1 from articles a where a.pmid = c.cited)
from ({_DIRECT_REVIEWS}) r join cites c on c.pmid = r.pmid group by c.cited
"""
_DUE = """
select q.slug from questions q left join known_item_sets k on k.question = q.slug where coalesce(k.due, 1)
"""
_STRATEGY = """
select s.strategy from strategies s where s.hash = coalesce(
  (select strategy from questions where slug = :slug),
  (select strategy from strategy_versions where question = :slug order by number desc limit 1))
"""
