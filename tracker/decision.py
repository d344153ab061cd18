"""What people decide about a record and at which stage, and the words for it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Stage = Literal["title-abstract", "full-text"]
Decision = Literal["include", "exclude", "unsure"]
Basis = Literal["title", "abstract"]
Labels = Literal["shown", "hidden"]


class Seen(NamedTuple):
    """What somebody had before them when they decided; None where nobody knows.

    ``basis`` is what they could read by title and abstract, ``labels`` whether the machine's labels were there.
    """

    basis: Basis | None = None
    labels: Labels | None = None


def seen_words(basis: str | None, labels: str | None) -> str:
    """What is worth a word of it: "by title, labels hidden"."""
    holds = {"by title": basis == "title", "labels hidden": labels == "hidden"}
    return ", ".join(said for said in holds if holds[said])


class DecisionWords(NamedTuple):
    """A decision in words: as made, on the button that makes it (for one record, for a whole list), and in the filter
    that finds records with this decision."""

    made: str
    button: str
    button_for_all: str
    filter: str


DECISION_WORDS: dict[Decision, DecisionWords] = {
    "include": DecisionWords("included", "Include", "Include all", "judged relevant"),
    "exclude": DecisionWords("excluded", "Exclude", "Exclude all", "judged not relevant"),
    "unsure": DecisionWords("unsure", "Unsure", "Unsure about all", "judged unsure"),
}
# In the form that follows "by".
STAGE_WORDS: dict[Stage, str] = {"title-abstract": "title and abstract", "full-text": "full text"}
DECISIONS = tuple(DECISION_WORDS)
STAGES = tuple(STAGE_WORDS)
BASES: tuple[Basis, ...] = ("title", "abstract")
LABELS: tuple[Labels, ...] = ("shown", "hidden")
