"""What a list can be filtered by, as its form offers it: every group with its values and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracker.evidence.facets import ANSWERS, FACTS, is_label
from tracker.lists.selection import Selection, Tallies
from tracker.reading.labels import groups
from tracker.site.parts import filters
from tracker.site.parts.readings import LEFT_OUT


class Choice(NamedTuple):
    """A value to filter by; ``n`` is how many records that leaves, None if not counted."""

    value: str
    title: str
    n: int | None
    on: bool


class ChoiceGroup(NamedTuple):
    name: str
    title: str
    is_label: bool
    choices: Sequence[Choice]


def choice_groups(
    counted: Tallies, choices: Mapping[str, Mapping[str, int | None]], chosen: Selection
) -> list[ChoiceGroup]:
    """A group for each that ``counted`` has, with what the list can be narrowed to."""
    return [_group(group, choices, chosen) for group in _ordered(counted)]


def _ordered(counted: Tallies) -> list[str]:
    """The groups to filter by: how records bear on the question, labels as the registry has them, PubMed's facts."""
    known = [group for group in (*ANSWERS, *groups(), *FACTS) if group in counted and group not in LEFT_OUT]
    shown = (*known, *LEFT_OUT)
    return [*known, *sorted(group for group in counted if is_label(group) and group not in shown)]


def _group(group: str, choices: Mapping[str, Mapping[str, int | None]], chosen: Selection) -> ChoiceGroup:
    """A group with the values that match records or are active, each with its number, the most frequent first."""
    picked = chosen.labels.get(group, ())
    totals: dict[str, int | None] = {**dict.fromkeys(picked, 0), **choices.get(group, {})}
    order = sorted(totals, key=lambda value: (_place(group, value), -(totals[value] or 0), value))
    return ChoiceGroup(
        group,
        filters.group_title(group),
        is_label(group),
        [Choice(value, filters.value_title(group, value), totals[value], value in picked) for value in order],
    )


def _place(group: str, value: str) -> int | str:
    """Where a value stands before all numbers: bands have an order of their own, and levels begin with their number."""
    if group == "evidence_level":
        return value
    return groups()[group].order.get(value, 0) if group in groups() and groups()[group].bands else 0
