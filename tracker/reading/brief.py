"""What a question asks of a record: what counts as its outcome, and what makes a record bear on it directly."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Verdict = Literal["direct", "indirect", "off"]
# What pages call the records that bear on a question directly, where its file has no phrase of its own.
TREATED = "In people treated"
Evidence = Literal["any", "studied", "reported", "named", "title", "none"]


class Outcome(NamedTuple):
    """One side of a question's outcome: ``queries`` are the lines of the search that name it."""

    name: str
    title: str
    queries: tuple[str, ...]
    words: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()
    names: Literal["outcome", "treatment"] = "outcome"


Conditions = tuple[tuple[str, frozenset[str]], ...]


class DirectnessRule(NamedTuple):
    """One rule of directness; ``labels`` and ``without`` are groups with their values (any, where there are none)."""

    name: str
    value: Verdict
    reason: str
    labels: Conditions = ()
    without: Conditions = ()
    outcome: Evidence = "any"
    sides: frozenset[str] = frozenset()
    beside: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """How records are read for a question: its outcome, and its rules of directness.

    Hashed once, as what is compiled of it is looked up for every record.
    """

    version: int
    outcomes: tuple[Outcome, ...]
    rules: tuple[DirectnessRule, ...]
    otherwise: str
    treated: str = TREATED
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.version, self.outcomes, self.rules, self.otherwise)))

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        """All of it as JSON, for ``brief_of``; the same for the same brief."""
        content = {
            "version": self.version,
            "outcomes": [outcome._asdict() for outcome in self.outcomes],
            "rules": [rule._asdict() for rule in self.rules],
            "otherwise": self.otherwise,
            "treated": self.treated,
        }
        return json.dumps(content, default=sorted, ensure_ascii=False, sort_keys=True)


@lru_cache(maxsize=64)
def brief_of(text: str) -> Brief:
    """The brief that was written as this text; compiled once for each."""
    content = json.loads(text)
    return Brief(
        version=content["version"],
        outcomes=tuple(Outcome(**_tuples(entry)) for entry in content["outcomes"]),
        rules=tuple(_rule_of(entry) for entry in content["rules"]),
        otherwise=content["otherwise"],
        treated=content.get("treated", TREATED),
    )


def _rule_of(entry: dict[str, Any]) -> DirectnessRule:
    conditions = {
        name: tuple((group, frozenset(values)) for group, values in entry.pop(name))
        for name in ("labels", "without")
    }
    return DirectnessRule(**_tuples(entry) | conditions | {"sides": frozenset(entry["sides"])})


def _tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
