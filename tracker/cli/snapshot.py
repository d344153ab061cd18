"""Snapshots: everything public as of a day, and what changed from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracker.article import spelt
from tracker.cli.base import json_option, main, pass_settings, print_json
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.snapshot.compare import Difference, Paper

MOST_NAMED = 20


class _FolderOrCommand(click.Group):
    """``tracker snapshot DIR`` makes one; ``tracker snapshot diff A B`` compares two."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["make", *args]
        return super().resolve_command(ctx, args)


@main.group(cls=_FolderOrCommand)
def snapshot() -> None:
    """Keep everything public as of today, to read without the site."""


@snapshot.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@json_option
@pass_settings
def make(settings: Settings, folder: Path, as_json: bool) -> None:
    """Make the snapshot of today in FOLDER ('tracker snapshot FOLDER' does the same).

    It holds both databases without what is not public, lists, evidence tables, reports and searches of each question,
    and pages with a search that open from disk: index.html. Once made, it never changes. Nobody's name, note or hidden
    decision is in it.
    """
    from tracker.jobs import snapshot as jobs

    report = jobs.make(settings, folder, lambda words: click.echo(words, err=True))
    if as_json:
        print_json(report)
        return
    click.echo(
        f"{report['snapshot']}: {report['files']:,} files of {report['questions']} questions. Open its index.html."
    )


@snapshot.command()
@click.argument("before", type=click.Path(path_type=Path, file_okay=False))
@click.argument("after", type=click.Path(path_type=Path, file_okay=False))
@json_option
def diff(before: Path, after: Path, as_json: bool) -> None:
    """Say what changed from the snapshot BEFORE to the snapshot AFTER.

    What entered and left each question, what was retracted, withdrawn, put under concern or corrected since, and what
    is read otherwise. Both are checked against their checksums first.
    """
    from tracker.snapshot.compare import compare

    found = compare(before, after)
    if as_json:
        print_json(found.as_json())
        return
    for line in _lines(found):
        click.echo(line)


def _lines(found: Difference) -> Sequence[str]:
    lines = []
    for each in found.questions:
        lines.append(f"{each.question}: {len(each.entered):,} entered, {len(each.left):,} left")
        lines += [*_named("+", each.entered), *_named("-", each.left)]
    lines.append(f"{len(found.standing):,} retracted, withdrawn, put under concern or corrected since")
    lines += [f"  ! {_title(paper)}: {now}" for paper, now in found.standing]
    lines.append(f"{len(found.read):,} read otherwise")
    lines += _most(
        [
            f"  ~ {_title(each.paper)}: {each.group} {_values(each.before)} -> {_values(each.after)}"
            for each in found.read
        ]
    )
    return lines


def _named(sign: str, papers: Sequence[Paper]) -> list[str]:
    return _most([f"  {sign} {_title(paper)}" for paper in papers])


def _most(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_NAMED
    return lines if more <= 0 else [*lines[:MOST_NAMED], f"  and {more:,} more (--json has all)"]


def _title(paper: Paper) -> str:
    title = paper.title if len(paper.title) <= 80 else f"{paper.title[:79]}…"
    return f"{spelt(paper.key)} {title}"


def _values(values: Sequence[Any]) -> str:
    return ", ".join(values) or "nothing"
