"""Commands on records of other databases: import-records, duplicates."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracker.cli.base import (
    EXIT_WORK_REMAINS,
    json_option,
    main,
    open_evidence,
    pass_settings,
    pmid_of,
    print_json,
    questions_named,
)
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.article import ArticleKey
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


@main.group()
def duplicates() -> None:
    """Compare records of other databases with what is stored: what may be the same, is the same, or is not."""


def _key(context: click.Context, parameter: click.Parameter, text: str) -> ArticleKey:
    return pmid_of(text)


record_argument = click.argument("record", type=click.UNPROCESSED, callback=_key)
article_argument = click.argument("article", type=click.UNPROCESSED, callback=_key)


as_option = click.option("--as", "person", metavar="NAME", required=True, help="Who decides it.")


@duplicates.command("list")
@click.option("--question", metavar="SLUG", help="Only records of this question.")
@json_option
@pass_settings
def duplicates_list(settings: Settings, question: str | None, as_json: bool) -> None:
    """List the pairs that a person should compare, then those that were decided, each with the reason."""
    from tracker.article import named, shown, spelt
    from tracker.evidence import external

    with closing(open_evidence(settings)) as db:
        rows = external.pairs(db, question)
    if as_json:
        keys = ("shown_as", "other")
        print_json([row | {"id": f"x{row['id']}"} | {key: shown(row[key]) for key in keys} for row in rows])
        return
    for row in rows:
        record = f"x{row['id']} ({' '.join(filter(None, (row['source'], row['accession'])))})"
        who = "a person" if row["by_person"] else "rule"
        told = f"{row['verdict']}: {record} and {named(row['other'])}: {row['reason']} (by {who})"
        titles = [f"  {title}" for title in (row["title"], row["other_title"]) if title]
        click.echo(harmless("\n".join((told, *titles))))
    open_pairs = [row for row in rows if row["verdict"] == "possible" and row["shown_as"] == -row["id"]]
    click.echo(f"{len(open_pairs):,} to compare, {len(rows) - len(open_pairs):,} decided", err=True)
    if open_pairs:
        pair = f"x{open_pairs[0]['id']} {spelt(open_pairs[0]['other'])}"
        click.echo(
            f"The same: tracker duplicates merge {pair} --as NAME. Not the same: … differ {pair}", err=True
        )


@duplicates.command("merge")
@record_argument
@article_argument
@as_option
@pass_settings
def duplicates_merge(settings: Settings, record: ArticleKey, article: ArticleKey, person: str) -> None:
    """Say that RECORD (x12) is ARTICLE (a PMID, or x5), and show it as that.

    What people wrote about RECORD moves to ARTICLE. Where people decided differently on the two, that is a conflict;
    where one person did, the later decision counts. 'tracker duplicates split' undoes all of it.
    """
    from tracker.article import named
    from tracker.jobs.duplicates import merge

    moved = merge(settings, record, article, person)
    click.echo(
        f"{named(record)} is now {named(article)}; {moved:,} statements of people moved there", err=True
    )


@duplicates.command("split")
@record_argument
@as_option
@pass_settings
def duplicates_split(settings: Settings, record: ArticleKey, person: str) -> None:
    """Say that RECORD (x12) is no duplicate after all: it is an article of its own, with what people wrote about it."""
    from tracker.article import named
    from tracker.jobs.duplicates import split

    before = split(settings, record, person)
    click.echo(f"{named(record)} is an article of its own again, and no longer {named(before)}", err=True)


@duplicates.command("differ")
@record_argument
@article_argument
@as_option
@pass_settings
def duplicates_differ(settings: Settings, record: ArticleKey, article: ArticleKey, person: str) -> None:
    """Say that RECORD (x12) is not ARTICLE, so that nobody need compare them again."""
    from tracker.article import named
    from tracker.jobs.duplicates import differ

    differ(settings, record, article, person)
    click.echo(f"{named(record)} is not {named(article)}", err=True)
