"""Commands that report on a question."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from tracker.cli.base import evidence_with_annotations, main, pass_settings
from tracker.errors import UsageError
from tracker.settings import Settings

_FORMATS = ("csv", "xlsx", "docx", "json")
_SORTS = (
    "published", "design", "population", "drug", "route", "comparator", "participants", "follow_up", "outcome",
)  # fmt: skip


@main.group()
def report() -> None:
    """Report on a question."""


@report.command("evidence-table")
@click.argument("question")
@click.option("--format", type=click.Choice(_FORMATS), required=True, help="Format of the file.")
@click.option(
    "--filter",
    "filters",
    metavar="GROUP=VALUE",
    multiple=True,
    help="Only reports with this label or fact, such as 'design=cohort study'. Values of one group are alternatives.",
)
@click.option(
    "--years", metavar="FROM-TO", help="Only reports published in these years: 2015-2020, 2015-, -2020."
)
@click.option("--search", "text", default="", help="Only reports with all these words.")
@click.option("--all", "every", is_flag=True, help="However they bear on the question, not only directly.")
@click.option(
    "--sort", type=click.Choice(_SORTS), default="published", show_default=True, help="Sort by this column."
)
@click.option("--reverse", is_flag=True, help="Sort the other way round.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, not stdout."
)
@pass_settings
def evidence_table(
    settings: Settings,
    question: str,
    format: str,
    filters: Sequence[str],
    years: str | None,
    text: str,
    every: bool,
    sort: str,
    reverse: bool,
    output: Path | None,
) -> None:
    """Write the evidence table of QUESTION: one row a report, the reports of one trial under one head.

    Without --all, and without a filter by directness, it has what bears directly on the question. Of each report it
    has design, population, drug, route, dose, comparator, number of people, follow-up, what the abstract says of the
    outcome, and its notices. A trial's number of people stands once.
    """
    from tracker.export.files import parse_labels, parse_years, whole_file
    from tracker.lists.selection import Selection
    from tracker.report import files
    from tracker.report.formats import FORMATS
    from tracker.report.order import usual
    from tracker.report.table import Wanted, direct_only

    selection = Selection(question, parse_labels(filters), *parse_years(years), text)
    sorting = usual(sort)
    if reverse:
        sorting = sorting._replace(ascending=not sorting.ascending)
    to_stdout = output is None or str(output) == "-"
    if to_stdout and (file := FORMATS[format].binary_file) and sys.stdout.isatty():
        raise UsageError(f"{file} cannot be shown on a terminal. Name a file with -o.")
    with closing(evidence_with_annotations(settings)) as db:
        wanted = Wanted(selection if every else direct_only(db, selection), sorting)
        if to_stdout:
            count = files.write(db, wanted, format, sys.stdout.buffer)
        else:
            assert output is not None
            with whole_file(output) as out:
                count = files.write(db, wanted, format, out)
    where = "" if to_stdout else f" to {output}"
    click.echo(f"{question}: {count:,} {'report' if count == 1 else 'reports'} written{where}", err=True)
