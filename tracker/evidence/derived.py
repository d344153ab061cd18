"""What is derived from evidence.db's tables and changes with the code: the full-text index, facets and their counts.

No migration makes any of it. It is kept up to date record by record (``questions.relabelling``), and rebuilt as a whole
by ``tracker rebuild`` and when a database whose derived data another version made is opened for writing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from tracker.article import ArticleKey
from tracker.evidence import answers, facets, fulltext, known_items, preprints
from tracker.evidence.steps import fingerprint

_COUNTS = (
    """
create trigger question_counts_up after insert on article_facets begin
  insert into question_counts (question, label_group, value, year, n)
  select question, label_group, value, substr(new.published, 1, 4), 1 from facets where id = new.facet
  on conflict do update set n = n + 1;
end""",
    """
create trigger question_counts_down after delete on article_facets begin
  update question_counts set n = n - 1
  where (question, label_group, value) = (select question, label_group, value from facets where id = old.facet)
    and year = substr(old.published, 1, 4);
  delete from question_counts
  where (question, label_group, value) = (select question, label_group, value from facets where id = old.facet)
    and year = substr(old.published, 1, 4) and n = 0;
end""",
)
_SENTENCES = """
create view finding_sentences as
select f.question, f.pmid, f.position,
  substr(iif(f.part = 'title', a.title, a.abstract), f.start + 1, f."end" - f.start) as sentence,
  substr(a.abstract, f.looked_for_start + 1, f.looked_for_end - f.looked_for_start) as looked_for
from findings f join articles a on a.pmid = f.pmid
"""
# What PubMed says itself is no news from elsewhere: a withdrawal and a retraction are the same there.
_OUTSIDE_NOTICES = """
create view outside_notices as
select a.pmid, n.kind, n.type, n.stated_by, n.date, n.notice_doi, n.fetched
from doi_notices n join articles a on lower(a.doi) = n.doi
where not case n.kind
  when 'retracted' then a.retracted or a.withdrawn
  when 'withdrawn' then a.retracted or a.withdrawn
  when 'expression of concern' then a.expression_of_concern
  when 'corrected' then a.corrected
  else 0 end
"""
_PREPRINTS = """
create view preprints as
select l.pmid, l.relation, l.other, l.certainty, l.note,
  coalesce(p.doi, o.doi) as doi, coalesce(p.title, o.title) as title, p.server,
  coalesce(p.published, o.published) as published, l.fetched
from preprint_links l
left join preprint_records p on p.id = l.other
left join articles o on o.pmid = iif(l.other glob '[0-9]*', cast(l.other as integer), null)
"""
_DATES = """
update question_articles as q set (published, created) = (
  select coalesce(max(a.published), ''), coalesce(max(a.created), '') from articles a where a.pmid = q.pmid
)"""
_VIEWS = ("searched_articles", "question_labels", "finding_sentences", "outside_notices", "preprints")


def owns(name: str) -> bool:
    """Whether a table, view or trigger of this name is derived, in any version."""
    return name in _VIEWS or name.startswith(("articles_fts", "question_counts_"))


def is_made(db: sqlite3.Connection) -> bool:
    """Whether the derived data there is as this version makes it."""
    found = db.execute("select 1 from sqlite_master where name = '_derived'").fetchone()
    return bool(found) and db.execute("select fingerprint from _derived").fetchall() == [(_fingerprint(),)]


def make(db: sqlite3.Connection) -> None:
    """Rebuild all of it, inside the caller's transaction."""
    standing = db.execute("select type, name from sqlite_master where type <> 'index'").fetchall()
    for type in ("trigger", "view", "table"):
        for name in (name for kind, name in standing if kind == type and owns(name)):
            # The tables that belong to a full-text index go with it.
            if type != "table" or name == "articles_fts":
                db.execute(f"drop {type} {name}")
    for statement in _definitions():
        db.execute(statement)
    fill(db)
    db.execute("delete from _derived")
    db.execute("insert into _derived values (?)", (_fingerprint(),))


def fill(db: sqlite3.Connection) -> None:
    """Rebuild facets, their counts and the full-text index from what is stored."""
    db.execute(_DATES)
    answers.fill_all(db)
    known_items.fill_all(db)
    facets.fill_all(db)
    fulltext.rebuild(db)
    preprints.fill_all(db)


def fill_dates(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> None:
    """Copy the dates of these articles to the questions that they match."""
    given = {"pmids": json.dumps(list(pmids))}
    db.execute(f"{_DATES} where q.pmid in (select value from json_each(:pmids))", given)


def _definitions() -> tuple[str, ...]:
    columns = ", ".join((*fulltext.SEARCHED, "facets"))
    return (
        facets.searched_articles(fulltext.SEARCHED),
        facets.QUESTION_LABELS,
        _SENTENCES,
        _OUTSIDE_NOTICES,
        _PREPRINTS,
        f"create virtual table articles_fts using fts5 ({columns}, content='searched_articles', "
        f"content_rowid='pmid', tokenize='{fulltext.TOKENIZER}')",
        "insert into articles_fts (articles_fts, rank) values ('hashsize', 16777216)",
        *_COUNTS,
    )


def _fingerprint() -> str:
    return fingerprint((*_definitions(), facets.of_articles(), facets.of_questions(), _DATES))
