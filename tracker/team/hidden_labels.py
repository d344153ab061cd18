"""Whether the machine's labels are hidden from a person while they screen a question.

The question's file says so for everybody, and each person can choose otherwise for themselves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from tracker.article import ArticleKey
from tracker.decision import LABELS, Labels
from tracker.errors import UsageError, either
from tracker.team.acts import Act
from tracker.team.review import Review


def labels(db: sqlite3.Connection, review: Review, person: int | None) -> Labels:
    """Whether the person has them shown or hidden; the connection must see both databases."""
    row = db.execute(
        "select labels from annotations.label_displays where person = :person and question = :question",
        {"person": person, "question": review.question},
    ).fetchone()
    chosen: Labels = row[0] if row else ("hidden" if review.hide_labels else "shown")
    return chosen


def hidden_for(
    db: sqlite3.Connection, holding: Iterable[Review], pmid: ArticleKey, person: int | None
) -> list[str]:
    """The questions for which a record's labels are hidden from the person: those that they have yet to decide for.

    ``holding`` are the reviews of the questions that hold the record.
    """
    decided = {
        question
        for (question,) in db.execute(
            "select question from annotations.decisions where pmid = :pmid and person = :person",
            {"pmid": pmid, "person": person},
        )
    }
    return [
        review.question
        for review in holding
        if review.question not in decided and labels(db, review, person) == "hidden"
    ]


def choose(act: Act, question: str, labels: str) -> bool:
    """Show or hide them for the acting person from now on; returns whether that changed their choice.

    The log has it, so that it tells when somebody looked at labels. Raises UsageError for any other word.
    """
    if labels not in LABELS:
        raise UsageError(f"Unknown choice of labels {labels!r}. Use {either(LABELS)}.")
    key = {"person": act.person, "question": question}
    before = act.db.execute(
        "select labels from label_displays where person = :person and question = :question", key
    ).fetchone()
    if before and before[0] == labels:
        return False
    act.db.execute(
        """
        insert into label_displays (person, question, labels, chosen) values (:person, :question, :labels, :chosen)
        on conflict do update set labels = excluded.labels, chosen = excluded.chosen
        """,
        key | {"labels": labels, "chosen": act.when},
    )
    action = "hide labels" if labels == "hidden" else "show labels"
    act.log(action, "labels", key, before and {"labels": before[0]}, {"labels": labels})
    return True
