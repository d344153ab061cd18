"""What was measured, as a table and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.site.timing import Timing

BAR = 50.0  # milliseconds at p95 with one client
WIDTH = 23  # of a column


class Measured(NamedTuple):
    """A row of the table: ``timings`` by the names of its columns."""

    page: str
    path: str
    rival: str | None
    timings: dict[str, Timing]


def print_rows(
    rows: Iterable[Measured], columns: Sequence[str], pairs: Sequence[tuple[str, str]] = ()
) -> list[Measured]:
    """Each row as soon as it is measured; after its columns the ratio of p95 for each pair of them, theirs to ours."""
    _print_head(columns, len(pairs))
    done = []
    for row in rows:
        cells = "".join(f" | {_cell(row, column)}" for column in columns)
        ratios = "".join(f" | {_ratio(row, *pair):>5}" for pair in pairs)
        print(f"{row.page:36.36}{cells}{ratios}", flush=True)
        done.append(row)
    return done


def _print_head(columns: Sequence[str], ratios: int) -> None:
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"Load of the machine before: {load} (on a busy one only the processor time means something)")
    print(f"{'':36}" + "".join(f" | {column:{WIDTH}}" for column in columns) + " | ratio" * ratios)
    units = f" | {'p50':>7} {'p95':>7} {'CPU':>7}"
    print(f"{'milliseconds':36}" + units * len(columns) + " | p95  " * ratios, flush=True)


def _cell(row: Measured, column: str) -> str:
    timing = row.timings.get(column)
    if timing is None:
        return f"{'-':>{WIDTH}}"
    if not timing.answered:
        return f"{f'n/a ({timing.status or None})':>{WIDTH}}"
    return f"{timing.p50:7.1f} {timing.p95:7.1f} {timing.cpu:7.1f}"


def _ratio(row: Measured, ours: str, theirs: str) -> str:
    one, other = row.timings.get(ours), row.timings.get(theirs)
    if not one or not other or not one.answered or not other.answered:
        return "-"
    return f"{other.p95 / one.p95:.1f}"


def print_missed(rows: Iterable[Measured], column: str) -> None:
    """The pages of that column, of one client, that are not below the bar."""
    timed = [(row.page, row.timings[column]) for row in rows]
    missed = [f"{page} ({timing.p95:.0f})" for page, timing in timed if timing.answered and timing.p95 >= BAR]
    print(f"\np95 of {BAR:.0f} ms or more with one client: {', '.join(missed) or 'none'}")


def write_json(file: Path, articles: int, rows: Iterable[Measured]) -> None:
    plain = [
        row._asdict() | {"timings": {name: timing._asdict() for name, timing in row.timings.items()}}
        for row in rows
    ]
    file.write_text(json.dumps({"articles": articles, "pages": plain}, indent=1) + "\n")
