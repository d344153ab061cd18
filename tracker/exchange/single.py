"""One tag or placement at a time, and what is said about papers as anybody may see it: for the command line.

``evidence`` is a connection to evidence.db, or None if there is no such file: then papers and questions are unknown,
nothing new is sealed, and what is sealed stays sealed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from tracker.article import ArticleKey, named
from tracker.errors import NotThere, choose_one
from tracker.team import people, placements, statements, tagging, vocabulary
from tracker.team.acts import Act, acting
from tracker.team.review import Seal, reviews
from tracker.team.statements import Row


def tag(
    db: sqlite3.Connection,
    evidence: sqlite3.Connection | None,
    pmid: ArticleKey,
    name: str,
    person: str,
    question: str | None = None,
    note: str | None = None,
) -> bool:
    """Tag a paper in somebody's name; returns whether that changed anything. A blind review seals it as on the site.

    Raises NotThere for a paper, question or tag that does not exist, UsageError for what is not possible.
    """
    seal = None
    with acting(db, people.writer(db, person).id, "tracker tag add") as act:
        if evidence:
            _check(evidence, pmid, question)
            held = tagging.holding(evidence, reviews(evidence), [pmid])
            seal = tagging.seals(db, held)(pmid, question)
        # The initial tags were made by nobody.
        vocabulary.ensure(Act(db, None, act.origin))
        return tagging.tag(act, pmid, question, vocabulary.named(db, name), note, seal)


def untag(
    db: sqlite3.Connection, pmid: ArticleKey, name: str, person: str, question: str | None = None
) -> bool:
    """Take somebody's tag off a paper; returns whether there was one. Raises NotThere if there is no such tag."""
    with acting(db, people.writer(db, person).id, "tracker tag remove") as act:
        return tagging.untag(act, pmid, question, vocabulary.named(db, name))


def place(
    db: sqlite3.Connection,
    evidence: sqlite3.Connection | None,
    pmid: ArticleKey,
    value: str,
    person: str,
    question: str,
    reason: str,
) -> bool:
    """Place a record of a question in somebody's name; whether that changed anything. Raises as ``tag`` does, and
    NotThere where the question does not hold the record."""
    with acting(db, people.writer(db, person).id, "tracker tag place") as act:
        seal = _seal_of_place(act, evidence, pmid, question)
        return placements.place(act, pmid, question, value, reason, seal)


def unplace(db: sqlite3.Connection, pmid: ArticleKey, person: str, question: str) -> bool:
    """Take somebody's placement of a record back; whether there was one."""
    with acting(db, people.writer(db, person).id, "tracker tag unplace") as act:
        return placements.withdraw(act, pmid, question)


def _seal_of_place(
    act: Act, evidence: sqlite3.Connection | None, pmid: ArticleKey, question: str
) -> Seal | None:
    if evidence is None:
        return None
    _check(evidence, pmid, question)
    held = tagging.holding(evidence, reviews(evidence), [pmid])
    if question not in {review.question for review in held.get(pmid, ())}:
        raise NotThere(f"{named(pmid)} is not in a question {question!r}.")
    return tagging.seals(act.db, held)(pmid, question)


class Statements:
    """What is said about papers, except what a blind review hides from ``viewer`` (a name); ``hidden`` counts that."""

    def __init__(
        self, db: sqlite3.Connection, evidence: sqlite3.Connection | None, viewer: str | None
    ) -> None:
        self.hidden = 0
        self._db = db
        self._viewer = viewer
        known = reviews(evidence) if evidence else None
        self._single = None if known is None else {slug for slug, each in known.items() if not each.dual}

    def rows(
        self, pmid: ArticleKey | None = None, question: str | None = None, person: str | None = None
    ) -> Iterator[Row]:
        """The statements, of one paper, question or person if given."""
        for row in statements.rows(self._db, pmid=pmid, question=question, person=person):
            if statements.is_hidden(self._db, row, self._viewer, self._single):
                self.hidden += 1
            else:
                yield row


def _check(evidence: sqlite3.Connection, pmid: ArticleKey, question: str | None) -> None:
    if not evidence.execute("select 1 from articles where pmid = :pmid", {"pmid": pmid}).fetchone():
        raise NotThere(
            f"{named(pmid)} is not stored, so nothing was written. Find stored papers with 'tracker search'."
        )
    slugs = [slug for (slug,) in evidence.execute("select slug from questions order by position, slug")]
    if question is not None and question not in slugs:
        raise NotThere(f"Unknown question {question!r}. {choose_one(slugs)}")
