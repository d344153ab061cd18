"""Commands on records of other databases: import-records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracker.cli.base import (
    EXIT_WORK_REMAINS,
    json_option,
    main,
    pass_settings,
    print_json,
    questions_named,
)
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.jobs.external import Report


@main.command("import-records")
@click.argument("question")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--source", metavar="NAME", required=True, help="The database that was searched: Embase, Scopus, …"
)
@click.option("--searched", metavar="DATE", required=True, help="The day of the search there: 2026-11-30.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@pass_settings
def import_records(
    settings: Settings, question: str, file: Path, source: str, searched: str, dry_run: bool, as_json: bool
) -> None:
    """Put the records of FILE, exported from another database than PubMed, into QUESTION.

    FILE is RIS, EndNote XML, BibTeX, MEDLINE text (.nbib), CSV or XLSX. A record that is stored already is a duplicate,
    and its article enters the question; any other becomes an article of its own, with a number such as x12 in place of
    a PMID. The file is imported whole or not at all.
    """
    from tracker.jobs.console import Console
    from tracker.jobs.external import import_records as run_import

    (chosen,) = questions_named(settings, (question,))
    report = run_import(settings, chosen, file, source, searched, Console(), dry_run=dry_run)
    if as_json:
        print_json(report.as_dict())
    else:
        _print_import(report)
    if report.reason:
        click.echo(f"Set aside: {report.reason}.", err=True)
        sys.exit(EXIT_WORK_REMAINS)


def _print_import(report: Report) -> None:
    if report.already_imported:
        click.echo(f"{report.file} was imported for {report.question} already. Nothing changed.")
        return
    for how, rows in (("is", report.duplicates), ("may be", report.possible)):
        for row in rows:
            click.echo(harmless(f"{row['place']}: {how} {row['of']}: {row['reason']}"))
    for row in report.refused:
        click.echo(harmless(f"{row['place']}: set aside: {row['reason']}"), err=True)
    verb = "would be" if report.dry_run else "were"
    click.echo(
        f"{report.records:,} records from {report.source}: {report.new:,} new, {len(report.duplicates):,} duplicates, "
        f"{len(report.possible):,} that a person should compare; {report.entered:,} articles {verb} added to "
        f"{report.question}"
    )
