"""Records of other databases in evidence.db: what was imported, what shows it, and what is known of duplicates."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from tracker.article import ArticleKey
from tracker.evidence.questions import EXTERNAL, STARTER
from tracker.evidence.rows import Row, read_rows

PUBMED = "PubMed"
_ADDRESS = re.compile(r"https?://[^\s\"<>\\\\]{4,500}")
Verdict = Literal["duplicate", "possible", "different"]
# What a person says of a record that is not the article.
DIFFERENT: Verdict = "different"


class Identified(NamedTuple):
    """How many records a source gave for a question, and how many of them were duplicates of others."""

    source: str
    records: int
    duplicates: int


def identified(db: sqlite3.Connection, slug: str) -> list[Identified]:
    """For a question: the records that each source gave, PubMed first, and the duplicates among them.

    PubMed's are those that its last complete search found. A record that another database holds as well is counted
    under each, and as a duplicate under the other database; so the sum of records less that of duplicates is the
    number of articles in the question, starter citations and those loaded from files included under PubMed.
    """
    (found,) = db.execute(
        """
        select count(*) from question_articles
        where question = :slug and matching and reason not in (:starter, :external)
        """,
        {"slug": slug, "starter": STARTER, "external": EXTERNAL},
    ).fetchone()
    rows = db.execute(_IDENTIFIED, {"slug": slug, "external": EXTERNAL}).fetchall()
    return [Identified(PUBMED, found, 0), *(Identified(*row) for row in rows)]


# The first record of an article that only other databases found is no duplicate, even where the article is PubMed's.
_IDENTIFIED = """
with first as (
  select min(e.id) as id from external_records e
  join question_articles q on q.question = e.question and q.pmid = e.pmid
  where e.question = :slug and q.reason = :external and q.matching group by e.pmid
)
select source, count(*), sum(id not in (select id from first)) from external_records
where question = :slug group by source order by min(id)
"""


def next_id(db: sqlite3.Connection) -> int:
    """The number of the next record. None is ever deleted, so it is new."""
    id: int = db.execute("select coalesce(max(id), 0) + 1 from external_records").fetchone()[0]
    return id


def is_imported(db: sqlite3.Connection, slug: str, file_hash: str, source: str) -> bool:
    """Whether this very file was imported for the question already."""
    row = db.execute(
        """
        select exists (select 1 from external_records
          where question = :slug and file_hash = :file_hash and source = :source)
        """,
        {"slug": slug, "file_hash": file_hash, "source": source},
    ).fetchone()
    return bool(row[0])


def of_accession(db: sqlite3.Connection, source: str, accession: str) -> ArticleKey | None:
    """The article that shows the record of this number in that database; None if it is new or has no number."""
    if not accession:
        return None
    row = db.execute(
        "select pmid from external_records where source = :source and accession = :accession order by id limit 1",
        {"source": source, "accession": accession},
    ).fetchone()
    return ArticleKey(row[0]) if row else None


def add(db: sqlite3.Connection, record: Mapping[str, object]) -> None:
    """Store a record, with a value for each column of external_records."""
    names = ", ".join(record)
    values = ", ".join(f":{name}" for name in record)
    db.execute(f"insert into external_records ({names}) values ({values})", record)


def note_verdict(
    db: sqlite3.Connection,
    id: int,
    pmid: ArticleKey,
    verdict: Verdict,
    reason: str,
    when: str,
    *,
    by_person: bool = False,
) -> None:
    """Log whether the record is the article of this key, and why."""
    db.execute(
        """
        insert into duplicates (record, pmid, verdict, reason, decided, by_person)
        values (:record, :pmid, :verdict, :reason, :decided, :by_person)
        """,
        {
            "record": id,
            "pmid": pmid,
            "verdict": verdict,
            "reason": reason,
            "decided": when,
            "by_person": by_person,
        },
    )


def shown_as(db: sqlite3.Connection, key: ArticleKey) -> ArticleKey | None:
    """The article that shows an external record of this key: its own or, after a merge, another; None if unknown."""
    row = db.execute("select pmid from external_records where id = :id", {"id": -key}).fetchone()
    return ArticleKey(row[0]) if row else None


def is_alone(db: sqlite3.Connection, slug: str, pmid: ArticleKey) -> bool:
    """Whether a question holds an article although no database that is known to has found it any more."""
    row = db.execute(
        """
        select exists (select 1 from question_articles
            where question = :slug and pmid = :pmid and matching and reason = :external)
          and not exists (select 1 from external_records where question = :slug and pmid = :pmid)
        """,
        {"slug": slug, "pmid": pmid, "external": EXTERNAL},
    ).fetchone()
    return bool(row[0])


def pairs(db: sqlite3.Connection, slug: str | None = None) -> list[Row]:
    """Records with the article that each was found to be or may be, as was last decided of the pair; those that a
    person should still compare come first."""
    return read_rows(db, _PAIRS, {"slug": slug})


_PAIRS = """
select e.id, e.question, e.source, e.accession, e.pmid as shown_as, d.pmid as other, d.verdict, d.reason, d.decided,
  d.by_person, (select title from articles where pmid = -e.id) as title,
  (select title from articles where pmid = d.pmid) as other_title
from duplicates d join external_records e on e.id = d.record
where d.id = (select max(l.id) from duplicates l where l.record = d.record and l.pmid = d.pmid)
  and (:slug is null or e.question = :slug)
order by d.verdict <> 'possible' or e.pmid <> -e.id, e.id, d.id
"""


def records_of(db: sqlite3.Connection, pmid: ArticleKey) -> list[Row]:
    """Where other databases have this article: source, its number there, the day of the search, and why it is that."""
    return read_rows(
        db,
        """
        select e.id, e.question, e.source, e.accession, e.searched, e.imported, e.file,
          (select d.reason from duplicates d where d.record = e.id and d.pmid = e.pmid and d.verdict = 'duplicate'
            order by d.id desc limit 1) as reason
        from external_records e where e.pmid = :pmid order by e.id
        """,
        {"pmid": pmid},
    )


def enter(db: sqlite3.Connection, slug: str, pmids: Collection[ArticleKey], when: str) -> None:
    """Put articles into a question because another database found them, inside ``relabelling``."""
    db.execute(
        """
        insert into question_articles (question, pmid, published, entered, reason, strategy, matching)
        select :slug, pmid, coalesce(published, ''), :when, :external, null, 1 from articles
        where pmid in (select value from json_each(:pmids))
        on conflict (question, pmid) do update set published = excluded.published, entered = excluded.entered,
          reason = excluded.reason, strategy = null, left_at = null, matching = 1
        where not matching or reason = :starter
        """,
        {
            "slug": slug,
            "when": when,
            "external": EXTERNAL,
            "starter": STARTER,
            "pmids": json.dumps(list(pmids)),
        },
    )


def names(db: sqlite3.Connection, pmid: int) -> tuple[str, str | None, str | None] | None:
    """Source, number there and DOI of an external record by its key; None if it is unknown."""
    row = db.execute(
        """
        select e.source, e.accession, a.doi from external_records e left join articles a on a.pmid = e.pmid
        where e.id = :id
        """,
        {"id": -pmid},
    ).fetchone()
    return tuple(row) if row else None


def named_so(db: sqlite3.Connection, spelt: str, source: str, accession: str, doi: str) -> ArticleKey | None:
    """The article that shows the record of a source: by its number there, else its DOI, else our own number for it,
    which is believed only of a record that has neither."""
    row = db.execute(
        """
        select pmid from external_records where source = :source and accession = :accession and :accession <> ''
        union all select pmid from articles where lower(doi) = lower(:doi) and :doi <> ''
        union all select pmid from external_records
          where 'x' || id = :spelt and source = :source and accession is null and :accession = '' and :doi = ''
        limit 1
        """,
        {"spelt": spelt, "source": source, "accession": accession, "doi": doi},
    ).fetchone()
    return ArticleKey(row[0]) if row else None


def address(record: str) -> str | None:
    """The first address on the web among the fields of a record (JSON)."""
    values = (value for each in json.loads(record)["fields"].values() for value in each)
    return next((value for value in values if _ADDRESS.fullmatch(value)), None)
