"""Commands that report on a question."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from tracker.cli.base import (
    evidence_with_annotations,
    json_option,
    main,
    open_evidence,
    open_people,
    pass_settings,
    print_json,
)
from tracker.errors import NotThere, UsageError
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


output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, not stdout."
)


@report.command("flow")
@click.argument("question")
@click.option(
    "--format", type=click.Choice(("svg", "html", "docx", "json")), required=True, help="Format of the file."
)
@output_option
@pass_settings
def flow(settings: Settings, question: str, format: str, output: Path | None) -> None:
    """Write the PRISMA 2020 flow diagram of QUESTION's review, with its numbers as a table.

    With review.updated_from in the question's file it is that of an updated review. Numbers lead to their records on
    the site whose address TRACKER_SITE_URL gives.
    """
    _write_report(settings, "flow", format, question, output)


@report.command("prisma-s")
@click.argument("question")
@click.option(
    "--format", type=click.Choice(("md", "html", "docx", "json")), required=True, help="Format of the file."
)
@output_option
@pass_settings
def prisma_s(settings: Settings, question: str, format: str, output: Path | None) -> None:
    """Write the report of QUESTION's search, by the 16 items of PRISMA-S.

    What was run comes from the log, what only people know from the question's file (prisma_s); what is missing there
    is marked, with the place where to write it.
    """
    _write_report(settings, "prisma-s", format, question, output)


def _write_report(settings: Settings, name: str, format: str, question: str, output: Path | None) -> None:
    from tracker.export.files import whole_file
    from tracker.report.reports import REPORTS, write

    to_stdout = output is None or str(output) == "-"
    if to_stdout and (file := REPORTS[name].formats[format].binary_file) and sys.stdout.isatty():
        raise UsageError(f"{file} cannot be shown on a terminal. Name a file with -o.")
    home = f"{settings.site_url}{settings.base_path}questions/{question}" if settings.site_url else ""
    with closing(evidence_with_annotations(settings)) as db:
        content = write(db, name, format, question, home)
    if to_stdout:
        sys.stdout.buffer.write(content)
    else:
        assert output is not None
        with whole_file(output) as out:
            out.write(content)
    click.echo(f"{question}: {name} written{'' if to_stdout else f' to {output}'}", err=True)


@report.command("press")
@click.argument("question")
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="Keep the review in this form (YAML)."
)
@click.option(
    "--by", "reviewer", metavar="REVIEWER", help="The review by this peer, instead of an empty form."
)
@click.option("--take-back", is_flag=True, help="Take back the review --by this peer.")
@click.option(
    "--as", "person", metavar="NAME", help="The person in whose name to write ('tracker people list')."
)
@click.option(
    "--strategy", "version", metavar="HASH", help="Another version than the latest: how its hash begins."
)
@json_option
@pass_settings
def press(
    settings: Settings,
    question: str,
    file: Path | None,
    reviewer: str | None,
    take_back: bool,
    person: str | None,
    version: str | None,
    as_json: bool,
) -> None:
    """Peer review of QUESTION's search strategy (PRESS 2015): print the form, or keep it filled in.

    Without options it prints an empty form for the latest version, as YAML. Who built the strategy cannot review it.
    A review counts for its version only: an edited strategy has none. --json prints all reviews of all versions.
    """
    from tracker.exchange import press as forms
    from tracker.report import told

    if (file or take_back) and not person:
        raise UsageError("say in whose name to write, with --as NAME. Nothing was written.")
    if take_back and not reviewer:
        raise UsageError("say whose review to take back, with --by REVIEWER. Nothing was written.")
    if file and (reviewer or take_back or version or as_json):
        raise UsageError("--file goes with --as only: the form names its reviewer and version.")
    if file and person:
        built_by = told.told(question).built_by
        with closing(open_evidence(settings)) as evidence, closing(open_people(settings)) as db:
            review, changed = forms.bring_in(db, evidence, question, file, person, built_by)
        kept = "kept" if changed else "was there already"
        click.echo(f"{question}: review by {review.reviewer} of {review.reviewed} {kept}", err=True)
        return
    _press_there(settings, question, reviewer, person if take_back else None, version, as_json)


def _press_there(
    settings: Settings,
    question: str,
    reviewer: str | None,
    taking_back: str | None,
    version: str | None,
    as_json: bool,
) -> None:
    """Print what there is of reviews, or the form; or take a review back in the name of ``taking_back``."""
    from tracker.exchange import press as forms
    from tracker.lists import methods
    from tracker.team.press import reviews_of

    with closing(evidence_with_annotations(settings)) as db:
        versions = [
            each for each in methods.searched_versions(db, question) if each.hash.startswith(version or "")
        ]
        chosen = next(reversed(versions), None) if version else methods.searched_version(db, question)
        if chosen is None:
            what = f"version {version!r}" if version else "strategy that was run or matched"
            raise NotThere(f"{question} has no {what}. Run 'tracker refresh {question}' first.")
        reviews = reviews_of(db, question, None if as_json else chosen.hash)
    if as_json:
        print_json([review.as_json() for review in reviews])
        return
    theirs = [review for review in reviews if reviewer in (None, review.reviewer)]
    if reviewer and not theirs:
        raise NotThere(f"{question} has no review by {reviewer!r} of version {chosen.hash[:12]}.")
    if taking_back and reviewer:
        with closing(open_people(settings)) as people:
            forms.take_back(people, question, chosen.hash, reviewer, taking_back)
        click.echo(f"{question}: review by {reviewer} taken back", err=True)
        return
    lines = chosen.lines or {"in one piece": chosen.strategy}
    click.echo(forms.form(question, chosen.hash, lines, theirs[-1] if reviewer else None), nl=False)
