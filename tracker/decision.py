"""What people decide of a record and at which stage, and how that is put for a reader."""

from __future__ import annotations

from typing import Literal, NamedTuple

Stage = Literal["title-abstract", "full-text"]
Decision = Literal["include", "exclude", "unsure"]


class DecisionWords(NamedTuple):
    """A decision in words: as it was made, on the button that makes it (for one record, for a whole list), and in the
    filter that finds what was decided so."""

    made: str
    button: str
    button_for_all: str
    filter: str


DECISION_WORDS: dict[Decision, DecisionWords] = {
    "include": DecisionWords("included", "Include", "Include all", "judged relevant"),
    "exclude": DecisionWords("excluded", "Exclude", "Exclude all", "judged not relevant"),
    "unsure": DecisionWords("unsure", "Unsure", "Unsure about all", "judged unsure"),
}
# As they follow "by".
STAGE_WORDS: dict[Stage, str] = {"title-abstract": "title and abstract", "full-text": "full text"}
DECISIONS = tuple(DECISION_WORDS)
STAGES = tuple(STAGE_WORDS)
