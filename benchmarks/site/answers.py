"""What a question makes of made-up articles: how directly they bear on it, and the sentences about its outcome."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

from benchmarks.site.material import Pool
from tracker.evidence.articles import Row
from tracker.reading.brief import Brief
from tracker.reading.findings import MEASURED, NOT_MENTIONED, RESULT

# How often records that real questions hold bear on them so, and what their abstracts say of the outcome.
DIRECTNESS = {
    ("direct", RESULT): 44, ("direct", MEASURED): 14,
    ("indirect", RESULT): 25, ("indirect", MEASURED): 1, ("indirect", NOT_MENTIONED): 2,
    ("off", NOT_MENTIONED): 65, ("off", RESULT): 21, ("off", MEASURED): 7,
}  # fmt: skip
_SENTENCE = re.compile(r"[^\s.][^.\n]*\.")


class Answer(NamedTuple):
    """A row of directness, and those of findings as far as they have values."""

    directness: Row
    findings: list[Row]


class Answers:
    """One question's, in the words of its own rules."""

    def __init__(self, slug: str, brief: Brief) -> None:
        self._slug, self._version = slug, brief.version
        self._answers = Pool(DIRECTNESS, DIRECTNESS.values())
        self._reasons = {
            value: [(rule.reason, rule.name) for rule in brief.rules if rule.value == value]
            for value in ("direct", "indirect", "off")
        }
        self._reasons["off"].append((brief.otherwise, "otherwise"))
        self._sides = [outcome.name for outcome in brief.outcomes]

    def draw(self, rng: random.Random, pmid: int, abstract: str) -> Answer:
        value, outcome = self._answers.draw(rng)
        reason, rule = rng.choice(self._reasons[value])
        found = self._findings(rng, pmid, abstract) if outcome == RESULT else []
        return Answer((self._slug, pmid, value, reason, rule, self._version, outcome), found)

    def _findings(self, rng: random.Random, pmid: int, abstract: str) -> list[Row]:
        """One to three sentences, out of the second half of the abstract."""
        sentences = [found.span() for found in _SENTENCE.finditer(abstract, len(abstract) // 2)]
        return [
            (self._slug, pmid, position, rng.choice(self._sides), "abstract", *place, "results", "significan")
            for position, place in enumerate(rng.sample(sentences, min(rng.randint(1, 3), len(sentences))), 1)
        ]
