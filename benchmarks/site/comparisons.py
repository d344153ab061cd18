"""What is compared with what: ours with plain Datasette, and one process with several behind nginx."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.site.client import Client
from benchmarks.site.pages import Page, pages
from benchmarks.site.report import Measured, print_missed, print_rows
from benchmarks.site.servers import Server, datasette, nginx, tracker
from benchmarks.site.timing import Effort, Timing, measure

OURS, OURS_8, THEIRS, THEIRS_8 = "ours, 1 client", "ours, 8", "Datasette, 1", "Datasette, 8"


class Column(NamedTuple):
    """What is timed for each page: a server, and how many clients ask it."""

    name: str
    server: Server
    clients: int
    ours: bool = True


def alone_or_beside(folder: Path, only: str, effort: Effort, *, beside: bool) -> list[Measured]:
    """Our server and, unless it is left out, plain Datasette, each alone at work while it is timed."""
    with ExitStack() as stack:
        ours = stack.enter_context(tracker(folder))
        columns = [Column(OURS, ours, 1), Column(OURS_8, ours, 8)]
        pairs = []
        if beside:
            theirs = stack.enter_context(datasette(folder))
            columns.insert(1, Column(THEIRS, theirs, 1, ours=False))
            columns.append(Column(THEIRS_8, theirs, 8, ours=False))
            pairs = [(OURS, THEIRS), (OURS_8, THEIRS_8)]
        wanted = _wanted(folder, ours, only)
        rows = print_rows(_measured(wanted, columns, effort), [column.name for column in columns], pairs)
    print_missed(rows, OURS)
    return rows


def behind_nginx(folder: Path, only: str, effort: Effort, processes: int) -> list[Measured]:
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(tracker(folder, "--immutable")) for _ in range(processes)]
        columns = [
            Column("1 process, direct", servers[0], 8),
            Column("nginx, cache off", stack.enter_context(nginx(scratch, servers, cached=False)), 8),
            Column("nginx, cache on", stack.enter_context(nginx(scratch, servers, cached=True)), 8),
        ]
        print(f"{processes} processes of tracker serve --immutable, eight clients")
        wanted = _wanted(folder, servers[0], only)
        return print_rows(_measured(wanted, columns, effort), [column.name for column in columns])


def _wanted(folder: Path, ours: Server, only: str) -> list[Page]:
    with (
        closing(Client(ours.port)) as client,
        closing(sqlite3.connect(f"file:{folder / 'evidence.db'}?mode=ro", uri=True)) as db,
    ):
        return [page for page in pages(db, client.page) if re.search(only, page.name)]


def _measured(wanted: Iterable[Page], columns: Sequence[Column], effort: Effort) -> Iterator[Measured]:
    """A row a page, as soon as it is measured; one more for the first byte of what is streamed."""
    for page in wanted:
        timings = _timed(page, columns, effort)
        yield Measured(page.name, page.path, page.rival, timings)
        if page.streams:
            firsts = {name: timing.to_first_byte() for name, timing in timings.items()}
            yield Measured(f"{page.name}, first byte", page.path, page.rival, firsts)


def _timed(page: Page, columns: Sequence[Column], effort: Effort) -> dict[str, Timing]:
    timings: dict[str, Timing] = {}
    failed: dict[Server, Timing] = {}
    for column in columns:
        path = page.path if column.ours else page.rival
        if path is None:
            continue
        # What one client had no answer to, eight are not sent for.
        timing = failed.get(column.server) or measure(
            column.server, path, column.clients, effort.shared_by(column.clients)
        )
        if not timing.answered:
            failed[column.server] = timing
        timings[column.name] = timing
    return timings
