"""What is left for one person to decide, question by question."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from tracker.lists import selection
from tracker.lists.selection import Count, Selection
from tracker.team import by_article, decisions
from tracker.team.review import reviews


class Left(NamedTuple):
    """``todo`` and ``todo_full`` are how many records the person has to decide by title and abstract and by full text;
    ``decided`` is how many they have decided on at either stage, ``conflicts`` how many wait for a lead."""

    question: str
    title: str
    dual: bool
    todo: Count
    todo_full: Count
    decided: int
    conflicts: int


def left(db: sqlite3.Connection, person: int) -> list[Left]:
    """The work in every question, in order; the connection must see both databases."""
    titles = dict(db.execute("select slug, title from questions").fetchall())
    by_question = []
    for slug, review in reviews(db).items():
        todo, todo_full = (
            selection.count(db, Selection(slug, decision=name, viewer=person))
            for name in (decisions.TODO, decisions.TODO_FULL)
        )
        (decided,) = db.execute(
            """
            select count(distinct pmid) from annotations.decisions
            where person = :person and question = :question
            """,
            {"person": person, "question": slug},
        ).fetchone()
        conflicts = sum(outcome.conflict for _, outcome in by_article.final_decisions(db, review))
        by_question.append(Left(slug, titles[slug], review.dual, todo, todo_full, decided, conflicts))
    return by_question
