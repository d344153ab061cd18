"""How a strategy puts its lines together: by AND, OR, NOT and parentheses over their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from tracker.query.syntax import Node, Operation, Range, Term, parse
from tracker.strategy import OPERATORS, Strategy

T = TypeVar("T")
# The only line of a strategy that was stored without its lines.
WHOLE = "strategy"


def lines_of(strategy: Strategy) -> dict[str, str]:
    """The lines by their names."""
    return dict(strategy.lines) if strategy.combine else {WHOLE: strategy.text}


@dataclass(frozen=True, slots=True)
class Combination:
    """A tree over the lines of a strategy; each stands in it as its number, from 1, in the order of ``queries``."""

    text: str
    queries: Mapping[str, str]
    node: Node

    @classmethod
    def of(cls, strategy: Strategy) -> Combination:
        """Raises QueryError for what is no combination."""
        queries = lines_of(strategy)
        numbers = {name: number for number, name in enumerate(queries, 1)}
        words = re.sub(
            r"[^\s()]+",
            lambda word: word[0] if word[0] in OPERATORS else f"{numbers[word[0]]}[uid]",
            strategy.combine or WHOLE,
        )
        return cls(strategy.text, queries, parse(words))

    def found(self, by_line: Mapping[str, frozenset[T]]) -> frozenset[T]:
        """What the whole finds, if each line finds this."""
        return _found(self.node, [by_line[name] for name in self.queries])

    def without(self, line: str) -> str | None:
        """The query that is left if this line finds nothing; None if then nothing is found at all."""
        number = list(self.queries).index(line) + 1
        rest = _without(self.node, number)
        return _written(rest, list(self.queries.values())) if rest else None


def alternatives(query: str) -> dict[Node, str]:
    """The terms of a line that OR joins, each as a tree and as it is written; the line itself where OR joins none.

    Raises QueryError.
    """
    node = parse(query)
    if isinstance(node, Operation) and node.operator == "OR":
        return {term: query[term.start : term.end] for term in node.operands}
    return {node: query}


def _number(node: Term | Range) -> int:
    assert isinstance(node, Term)
    return int(node.text)


def _found(node: Node, by_number: list[frozenset[T]]) -> frozenset[T]:
    if not isinstance(node, Operation):
        return by_number[_number(node) - 1]
    first, *others = (_found(operand, by_number) for operand in node.operands)
    for other in others:
        first = (
            first & other
            if node.operator == "AND"
            else first | other
            if node.operator == "OR"
            else first - other
        )
    return first


def _without(node: Node, number: int) -> Node | None:
    if not isinstance(node, Operation):
        return None if _number(node) == number else node
    operands = [_without(operand, number) for operand in node.operands]
    if node.operator == "AND" and None in operands:
        return None
    if node.operator == "NOT" and operands[0] is None:
        return None
    left = tuple(operand for operand in operands if operand)
    return Operation(node.operator, left) if len(left) > 1 else next(iter(left), None)


def _written(node: Node, queries: list[str]) -> str:
    if not isinstance(node, Operation):
        return f"({queries[_number(node) - 1]})"
    return "(" + f" {node.operator} ".join(_written(operand, queries) for operand in node.operands) + ")"
