"""Questions in evidence.db: their strategies, what matches, their seeds, and how complete each is."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tracker.article import ArticleKey, Pmid
from tracker.evidence import answers, derived, facets, fulltext, known_items, preprints

if TYPE_CHECKING:
    from tracker.questions import Question

# The reason why a question holds a starter citation: it is a sample, which no search has found.
STARTER = "starter citation"
# The reason why a question holds what only a search of another database has found.
EXTERNAL = "found in another database"


class Completeness(NamedTuple):
    """How complete a question is; dates are UTC moments."""

    complete_to: str | None
    strategy: str | None
    incomplete_since: str | None
    incomplete_reason: str | None


# Records that are read anew at once, when a question's rules change.
_AT_ONCE = 500


def describe(db: sqlite3.Connection, questions: Iterable[Question]) -> None:
    """Store what the question files say, and which seeds they name.

    If a file now says otherwise how records are read for it, all of its records are read again.
    """
    for question in questions:
        before = _reading(db, question.slug)
        _store(db, question)
        if _reading(db, question.slug) != before:
            _answer_anew(db, question.slug)


def describe_again(db: sqlite3.Connection, questions: Iterable[Question]) -> None:
    """Store what the files now say of questions that are there; the caller reads all records again afterwards."""
    known = {slug for (slug,) in db.execute("select slug from questions")}
    for question in questions:
        if question.slug in known:
            _store(db, question)


def _store(db: sqlite3.Connection, question: Question) -> None:
    db.execute(
        """
        insert into questions (slug, position, title, question, claim, pico, recheck_days, bottom_line,
          harms, dual, reasons, reading, hide_labels)
        values (:slug, :position, :title, :question, :claim, :pico, :recheck_days, :bottom_line,
          :harms, :dual, :reasons, :reading, :hide_labels)
        on conflict (slug) do update set position = excluded.position, title = excluded.title,
          question = excluded.question, claim = excluded.claim, pico = excluded.pico,
          recheck_days = excluded.recheck_days, bottom_line = excluded.bottom_line,
          harms = excluded.harms, dual = excluded.dual, reasons = excluded.reasons, reading = excluded.reading,
          hide_labels = excluded.hide_labels
        """,
        {
            "slug": question.slug,
            "position": question.order,
            "title": question.title,
            "question": question.question,
            "claim": question.claim,
            "pico": json.dumps(dict(question.pico or {}), ensure_ascii=False),
            "recheck_days": question.recheck_days,
            "bottom_line": question.bottom_line and question.bottom_line.model_dump_json(),
            "harms": question.harms,
            "dual": question.review.dual,
            "reasons": json.dumps(question.review.reasons, ensure_ascii=False),
            "reading": question.brief and str(question.brief),
            "hide_labels": question.review.hide_labels,
        },
    )
    db.execute(
        "delete from seeds where question = :slug and pmid not in (select value from json_each(:seeds))",
        {"slug": question.slug, "seeds": json.dumps(list(question.all_seeds))},
    )
    db.executemany(
        """
        insert into seeds (question, pmid, title) values (?, ?, ?)
        on conflict (question, pmid) do update set title = excluded.title
        """,
        [(question.slug, pmid, title) for pmid, title in question.all_seeds.items()],
    )


def _reading(db: sqlite3.Connection, slug: str) -> str | None:
    row = db.execute("select reading from questions where slug = :slug", {"slug": slug}).fetchone()
    return row[0] if row else None


def _answer_anew(db: sqlite3.Connection, slug: str) -> None:
    rows = db.execute(
        "select pmid from question_articles where question = :slug order by pmid", {"slug": slug}
    )
    pmids = [ArticleKey(pmid) for (pmid,) in rows]
    for start in range(0, len(pmids), _AT_ONCE):
        with relabelling(db, pmids[start : start + _AT_ONCE]):
            pass


def completeness(db: sqlite3.Connection, slug: str) -> Completeness:
    row = db.execute(
        "select complete_to, strategy, incomplete_since, incomplete_reason from questions where slug = :slug",
        {"slug": slug},
    ).fetchone()
    return Completeness(*row) if row else Completeness(None, None, None, None)


def matching(db: sqlite3.Connection, slug: str) -> set[Pmid]:
    """PMIDs that the last complete search of PubMed found: no starter citations, and nothing from other databases."""
    rows = db.execute(
        """
        select pmid from question_articles
        where question = :slug and matching and reason not in (:starter, :external) and pmid > 0
        """,
        {"slug": slug, "starter": STARTER, "external": EXTERNAL},
    )
    return {Pmid(ArticleKey(pmid)) for (pmid,) in rows}


def has_starter(db: sqlite3.Connection, slug: str) -> bool:
    """Whether the question holds starter citations."""
    # Few records are starter citations; left to itself, SQLite goes through the question's articles instead.
    row = db.execute(
        """
        select exists (
          select 1 from record_state s cross join question_articles q on q.question = :slug and q.pmid = s.pmid
          where s.source = 'starter' and q.matching and q.reason = :starter)
        """,
        {"slug": slug, "starter": STARTER},
    ).fetchone()
    return bool(row[0])


def newest_revision(db: sqlite3.Connection, slug: str) -> str | None:
    """The latest day on which NLM revised a record that matches the question, in the versions that we hold."""
    row = db.execute(
        """
        select max(revised) from question_articles join articles using (pmid)
        where question = :slug and matching and reason <> :starter and length(revised) = 10
        """,
        {"slug": slug, "starter": STARTER},
    ).fetchone()
    return row[0] if row else None


def newest_created(db: sqlite3.Connection, when: str) -> str | None:
    """The latest creation date in PubMed among the records that were in a question by ``when``."""
    row = db.execute(
        "select max(created) from question_articles where entered <= :when",
        {"when": when},
    ).fetchone()
    return row[0] or None


def enter(
    db: sqlite3.Connection, slug: str, strategy: str | None, reasons: Mapping[ArticleKey, str], when: str
) -> None:
    """Add stored articles to a question, each with its reason.

    What is there as a starter citation, or because another database found it, gets the new reason if a search of
    PubMed has found it.
    """
    given = {"slug": slug, "when": when, "strategy": strategy, "starter": STARTER, "external": EXTERNAL}
    db.executemany(
        """
        insert into question_articles (question, pmid, published, entered, reason, strategy, matching)
        select :slug, pmid, coalesce(published, ''), :when, :reason, :strategy, 1 from articles where pmid = :pmid
        on conflict (question, pmid) do update set published = excluded.published, entered = excluded.entered,
          reason = excluded.reason, strategy = excluded.strategy, left_at = null, matching = 1
        where not matching or reason = :starter or (reason = :external and excluded.reason <> :external)
        """,
        [given | {"pmid": pmid, "reason": reason} for pmid, reason in reasons.items()],
    )


def leave(db: sqlite3.Connection, slug: str, pmids: Collection[ArticleKey], when: str) -> None:
    """Note that a complete search no longer finds these."""
    db.execute(
        """
        update question_articles set matching = 0, left_at = :when
        where question = :slug and matching and pmid in (select value from json_each(:pmids))
        """,
        {"slug": slug, "when": when, "pmids": json.dumps(list(pmids))},
    )


def holding(db: sqlite3.Connection, slug: str, pmids: Collection[ArticleKey]) -> set[ArticleKey]:
    """Which of the articles the question holds now, starter citations apart."""
    rows = db.execute(
        """
        select pmid from question_articles
        where question = :slug and matching and reason <> :starter
          and pmid in (select value from json_each(:pmids))
        """,
        {"slug": slug, "starter": STARTER, "pmids": json.dumps(list(pmids))},
    )
    return {ArticleKey(pmid) for (pmid,) in rows}


def keep_for_others(db: sqlite3.Connection, slug: str, pmids: Collection[ArticleKey]) -> set[ArticleKey]:
    """Of what PubMed no longer finds: what another database has found, which stays in the question for that reason."""
    given = {"slug": slug, "pmids": json.dumps(list(pmids)), "external": EXTERNAL}
    rows = db.execute(
        """
        select distinct pmid from external_records
        where question = :slug and pmid in (select value from json_each(:pmids))
        """,
        given,
    )
    staying = {ArticleKey(pmid) for (pmid,) in rows}
    db.execute(
        """
        update question_articles set reason = :external, strategy = null
        where question = :slug and matching and pmid in (select value from json_each(:staying))
        """,
        given | {"staying": json.dumps(list(staying))},
    )
    return staying


def leave_all(db: sqlite3.Connection, pmids: Collection[ArticleKey], when: str) -> None:
    """Note that these records are gone, and so match nothing."""
    db.execute(
        """
        update question_articles set matching = 0, left_at = :when
        where matching and pmid in (select value from json_each(:pmids))
        """,
        {"when": when, "pmids": json.dumps(list(pmids))},
    )


def questions_of(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> dict[ArticleKey, set[str]]:
    """The questions that each article has ever been in, except as a starter citation."""
    by_article: dict[ArticleKey, set[str]] = {}
    rows = db.execute(
        """
        select pmid, question from question_articles
        where reason <> :starter and pmid in (select value from json_each(:pmids))
        """,
        {"starter": STARTER, "pmids": json.dumps(list(pmids))},
    )
    for pmid, question in rows:
        by_article.setdefault(ArticleKey(pmid), set()).add(question)
    return by_article


@contextmanager
def relabelling(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> Iterator[None]:
    """Keep counts and index right while these articles, their labels and their matches change inside.

    What is counted and indexed is taken out by key before and put back after, so that no table is ever scanned.
    """
    fulltext.unindex(db, pmids)
    facets.clear(db, pmids)
    if pmids:
        known_items.mark_due(db)
    yield
    derived.fill_dates(db, pmids)
    answers.fill(db, pmids)
    facets.fill(db, pmids)
    fulltext.index(db, pmids)
    preprints.fill(db, pmids)


def complete(
    db: sqlite3.Connection, question: Question, strategy: str, started: str, found: Collection[ArticleKey]
) -> None:
    """Advance the question's watermark: everything up to ``started`` that this strategy (its hash) finds is here."""
    if completeness(db, question.slug).strategy != strategy:
        known_items.mark_due(db)
    db.execute(
        """
        update questions
        set complete_to = :started, strategy = :hash, incomplete_since = null, incomplete_reason = null
        where slug = :slug
        """,
        {"slug": question.slug, "started": started, "hash": strategy},
    )
    for pmid, title in question.all_seeds.items():
        row = db.execute("select title from articles where pmid = :pmid", {"pmid": pmid}).fetchone()
        other = row[0] if row and not same_title(title, row[0]) else None
        db.execute(
            "update seeds set found = :found, record_title = :title where question = :slug and pmid = :pmid",
            {"slug": question.slug, "pmid": pmid, "found": pmid in found, "title": other},
        )


def matched(db: sqlite3.Connection, slug: str, strategy: str) -> None:
    """Note that what was loaded was matched with this strategy (its hash), where no search of PubMed is complete."""
    is_other = db.execute(
        "update questions set strategy = :hash where slug = :slug and complete_to is null and strategy is not :hash",
        {"slug": slug, "hash": strategy},
    ).rowcount
    if is_other:
        known_items.mark_due(db)


def same_title(given: str, recorded: str) -> bool:
    """Whether a title as a person typed it is plausibly the record's, because most of its words are in it."""
    ours, theirs = (set(re.findall(r"\w+", title.casefold())) for title in (given, recorded))
    return not ours or len(ours & theirs) >= len(ours) / 2


def seeds(db: sqlite3.Connection, slug: str) -> list[tuple[Pmid, str, int | None, str | None]]:
    """(pmid, title in the file, found, the record's title if it differs) for each seed."""
    rows = db.execute(
        "select pmid, title, found, record_title from seeds where question = :slug order by pmid",
        {"slug": slug},
    )
    return [(Pmid(ArticleKey(pmid)), *rest) for pmid, *rest in rows]


def incomplete(db: sqlite3.Connection, slug: str, started: str, reason: str) -> None:
    """Leave the watermark where it is, and note since when and why."""
    db.execute(
        """
        update questions set incomplete_since = coalesce(incomplete_since, :started), incomplete_reason = :reason
        where slug = :slug
        """,
        {"slug": slug, "started": started, "reason": reason},
    )
