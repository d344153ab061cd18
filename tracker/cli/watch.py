"""Commands for whoever looks after an installation: status, doctor."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.base import (
    EXIT_WORK_REMAINS,
    cell,
    json_option,
    main,
    pass_settings,
    print_json,
    print_table,
)
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.jobs.doctor import Examined

# What is mailed or read on a small terminal, in characters.
COLUMNS = 80


@main.command()
@click.option(
    "--max-age",
    type=click.IntRange(1, 3650),
    default=8,
    show_default=True,
    help="Days without a refresh after which a question counts as stale.",
)
@click.option(
    "--searches",
    is_flag=True,
    help="Also show seed papers not found, what PubMed counts for each line of the searches, and what has drifted.",
)
@json_option
@pass_settings
def status(settings: Settings, max_age: int, searches: bool, as_json: bool) -> None:
    """Say in one sentence how it stands or what to do now, then how complete each question is and how runs ended.

    Exit code 3 if a question is stale or incomplete, or the last refresh was killed.
    """
    from tracker.evidence.articles import say_older_rules
    from tracker.jobs.watch import look

    report = look(settings, max_age, searches)
    if as_json:
        print_json(report)
    else:
        _print_status(report)
    if older := report["read_by_older_rules"]:
        _say(say_older_rules(older), err=True)
    if not report["well"]:
        _say(report["sentence"], err=True)
    if report["stale"]:
        _say(f"Stale or incomplete: {', '.join(report['stale'])}.", err=True)
        for row in report["questions"]:
            if row["incomplete_reason"] and row["question"] in report["stale"]:
                _say(f"{row['question']}: {row['incomplete_reason']}", err=True)
    if not report["well"]:
        sys.exit(EXIT_WORK_REMAINS)


@main.command()
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, and say what was done.")
@click.option("--offline", is_flag=True, help="Do not ask whether PubMed answers.")
@json_option
@pass_settings
def doctor(settings: Settings, fix: bool, offline: bool, as_json: bool) -> None:
    """Look for what is wrong with this installation, and say what to do. Changes nothing without --fix.

    What is wrong is said on stderr. Exit code 0 where all is well, 3 where a check found something.
    """
    from tracker.jobs.doctor import examine

    examined = []
    for each in examine(settings, offline=offline, fix=fix):
        examined.append(each)
        if not as_json:
            _print_examined(each)
    if as_json:
        print_json([each.as_row() for each in examined])
    if not all(each.finding.well for each in examined):
        sys.exit(EXIT_WORK_REMAINS)


def _print_examined(each: Examined) -> None:
    if each.mended:
        _say(f"mended   {each.check}: {each.mended}")
    finding = each.finding
    words = " ".join(part for part in (finding.found, finding.remedy) if part)
    if finding.mend and not each.mended:
        words += " 'tracker doctor --fix' mends that."
    _say(f"{'well    ' if finding.well else 'LOOK    '} {each.check}: {words}", err=not finding.well)


def _say(words: str, *, err: bool = False) -> None:
    """Lines that fit a mail or a small terminal."""
    lines = textwrap.wrap(
        harmless(words), COLUMNS, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    click.echo("\n".join(lines), err=err)


def _print_status(report: dict[str, Any]) -> None:
    _say(report["sentence"])
    print_table(
        ("question", "matching", "new", "complete_to", "incomplete_since"),
        [
            [
                row["question"],
                cell(row["matching"]),
                cell(row["new_in_30_days"]),
                _minute(row["complete_to"]),
                _minute(row["incomplete_since"]),
            ]
            for row in report["questions"]
        ],
        "new: in PubMed for at most 30 days; times in UTC",
    )
    for row in report["questions"]:
        if row["starter_citations"]:
            click.echo(f"{row['question']}: {row['starter_citations']} starter citations, not search results")
        if row["edited"]:
            _say(
                f"{row['question']}: its file was edited; version {row['search']['version']} is run until "
                f"'tracker questions adopt {row['question']}'"
            )
        if "lines" in row:
            _print_search(row)
    if report["clock_was_ahead"]:
        _say(
            f"Stored times up to {report['clock_was_ahead']} are in the future: a clock was wrong, then or "
            "now. The next refresh corrects them"
        )
    print_table(
        ("run", "command", "started", "finished", "outcome"),
        [
            [
                cell(row["run"]),
                row["command"],
                _minute(row["started"]),
                _minute(row["finished"]),
                row["outcome"],
            ]
            for row in report["runs"]
        ],
    )
    for row in report["runs"]:
        if row["reason"]:
            click.echo(
                harmless(textwrap.shorten(f"Run {row['run']}: {row['reason']}", COLUMNS, placeholder=" …"))
            )
    _say(
        f"{report['records']:,} records stored, {report['withdrawn']:,} retracted, withdrawn or under concern, "
        f"{report['due']:,} due for a check, {report['gone']:,} gone from PubMed"
    )


def _minute(moment: str | None) -> str:
    return f"{moment[:10]} {moment[11:16]}" if moment else "–"


def _print_search(row: dict[str, Any]) -> None:
    """The adopted search of a question, line by line, and what its owner should look at."""
    from tracker.jobs.watch import about_searches

    search = row["search"]
    if search is None:
        click.echo(f"{row['question']}: no search has run yet")
        return
    by = f" by {search['by']}" if search["by"] else ""
    why = f": {search['note']}" if search["note"] else ""
    click.echo(
        harmless(f"{row['question']}: version {search['version']}, adopted {search['adopted']}{by}{why}")
    )
    if row["lines"]:
        columns = ("line", "records", "not_found", "checked")
        cells = [
            [each["line"], cell(each["found"]), ", ".join(each["not_found"]), each["checked"]]
            for each in row["lines"]
        ]
        print_table(columns, cells)
    else:
        click.echo(f"{row['question']}: its lines have not been counted yet")
    for words in about_searches(row):
        click.echo(harmless(f"{row['question']}: {words}"))
