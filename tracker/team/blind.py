"""What a dual review hides: nobody sees what one person said about a record until two have decided on it."""

from __future__ import annotations

import sqlite3

from tracker.article import ArticleKey
from tracker.decision import STAGES
from tracker.team.acts import Act
from tracker.team.review import Review


def unseal(act: Act, review: Review, pmid: ArticleKey, stage: str) -> None:
    """Two people have decided: what they said about the record at this stage is no longer hidden."""
    act.db.execute(
        """
        insert into unsealed (review, pmid, unsealed) values (:review, :pmid, :unsealed) on conflict do nothing
        """,
        {"review": str(review.seal(stage)), "pmid": pmid, "unsealed": act.when},
    )


def is_unsealed(db: sqlite3.Connection, review: Review, pmid: ArticleKey, stage: str) -> bool:
    row = db.execute(
        "select exists (select 1 from unsealed where review = :review and pmid = :pmid)",
        {"review": str(review.seal(stage)), "pmid": pmid},
    ).fetchone()
    return bool(row[0])


def visible(alias: str, owner: str | None = None) -> str:
    """A condition met only by rows of ``alias`` that are not hidden from ``:viewer``, the viewer's id (or null).

    It is for connections to evidence.db that attach annotations.db. A seal is open if two have decided, or if the
    question's file has switched dual review off again; if evidence.db was lost and the question is missing, the seal
    stays closed. What is said for no particular question is hidden while any dual review of the paper is at its first
    stage. ``owner`` is the SQL for the row's owner if that is not its ``person``.
    """
    seals = ", ".join(f"w.slug || '/{stage}'" for stage in STAGES)
    return f"""({owner or f"{alias}.person"} is :viewer or (
      ({alias}.blind is null
        or exists (select 1 from annotations.unsealed u where u.review = {alias}.blind and u.pmid = {alias}.pmid)
        or exists (select 1 from questions w where not w.dual
          and {alias}.blind in ({seals})))
      and ({alias}.blind is null or {alias}.question is not null or not exists (
        select 1 from questions w join question_articles m on m.question = w.slug and m.pmid = {alias}.pmid
        where w.dual and m.matching and not exists (
          select 1 from annotations.unsealed u
          where u.review = w.slug || '/title-abstract' and u.pmid = {alias}.pmid)))))"""
