"""Preprints and the articles that followed them, where PubMed does not link them: by their titles and authors.

A preprint and an article have the same title, word for word, as PubMed compares words. Where the first or the last
author is the same as well, they are a pair; where only the title is, they probably are.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.query.vocabulary import fold_words

# "Reply to the authors" is the title of many.
FEWEST_WORDS = 5
_MOST_ALIKE = 20
_GIVEN = "in (select value from json_each(:pmids))"


class _Paper(NamedTuple):
    """``title`` is folded; ``ends`` are the family names of its first and its last author, folded."""

    pmid: ArticleKey
    title: str
    is_preprint: bool
    ends: tuple[str, ...]


def fill(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Pair these articles anew, inside the caller's transaction; they must be in the full-text index."""
    given = {"pmids": json.dumps(list(pmids))}
    db.execute(f"delete from preprint_pairs where preprint {_GIVEN} or pmid {_GIVEN}", given)
    db.execute(f"delete from preprint_titles where pmid {_GIVEN}", given)
    papers = [paper for paper in _papers(db, pmids) if len(paper.title.split()) >= FEWEST_WORDS]
    db.executemany(
        "insert into preprint_titles values (?, ?)",
        ((paper.pmid, paper.title) for paper in papers if paper.is_preprint),
    )
    for paper in papers:
        for other in _papers(
            db, _articles_like(db, paper) if paper.is_preprint else _preprints_like(db, paper)
        ):
            if other.title == paper.title and other.is_preprint != paper.is_preprint:
                preprint, article = (paper, other) if paper.is_preprint else (other, paper)
                same = not set(paper.ends).isdisjoint(other.ends)
                db.execute(
                    "insert or replace into preprint_pairs values (?, ?, ?)",
                    (preprint.pmid, article.pmid, same),
                )


def fill_all(db: sqlite3.Connection) -> None:
    """Pair all articles anew, inside the caller's transaction: each preprint looks for its article."""
    db.execute("delete from preprint_pairs")
    db.execute("delete from preprint_titles")
    rows = db.execute("select pmid from labels where label_group = 'publication' and value = 'preprint'")
    fill(db, [ArticleKey(pmid) for (pmid,) in rows.fetchall()])


def _papers(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> Iterator[_Paper]:
    if not pmids:
        return
    rows = db.execute(_PAPERS, {"pmids": json.dumps(list(pmids))}).fetchall()
    for pmid, of_paper in groupby(rows, key=itemgetter(0)):
        (_, title, is_preprint, _), *_ = authors = list(of_paper)
        names = [fold_words(name) for *_, name in authors if name]
        yield _Paper(ArticleKey(pmid), fold_words(title), bool(is_preprint), (*names[:1], *names[-1:]))


def _preprints_like(db: sqlite3.Connection, paper: _Paper) -> list[ArticleKey]:
    rows = db.execute(
        "select pmid from preprint_titles where title = :title limit 20", {"title": paper.title}
    )
    return [ArticleKey(pmid) for (pmid,) in rows]


def _articles_like(db: sqlite3.Connection, paper: _Paper) -> list[ArticleKey]:
    """Those with the words of the title in this order: few enough to be read."""
    rows = db.execute(
        "select rowid from articles_fts where articles_fts match :words and rowid <> :pmid limit :most",
        {"words": f'title : "{paper.title}"', "pmid": paper.pmid, "most": _MOST_ALIKE},
    )
    return [ArticleKey(pmid) for (pmid,) in rows]


_PAPERS = """
select a.pmid, a.title,
  exists (select 1 from labels l where l.pmid = a.pmid and l.label_group = 'publication' and l.value = 'preprint'),
  u.last_name
from json_each(:pmids) given join articles a on a.pmid = given.value
left join authors u on u.pmid = a.pmid and u.valid and u.role = 'author'
order by a.pmid, u.position
"""
