"""The commands: each parses, calls one function, and says what happened. Data to stdout, messages to stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

import click

from tracker import __version__
from tracker.errors import TrackerError, UsageError
from tracker.settings import Settings, load_settings

EXIT_USAGE, EXIT_WORK_REMAINS = 2, 3
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Tracker(click.Group):
    """Turns errors into one line and an exit code, in this one place."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            return super().main(*args, **kwargs | {"standalone_mode": False})
        except click.exceptions.Exit as exit:
            sys.exit(exit.exit_code)
        except click.ClickException as error:
            error.show()
            sys.exit(EXIT_USAGE)
        except (click.Abort, KeyboardInterrupt):
            _fail("interrupted. Nothing was half-written; run it again to go on.", EXIT_WORK_REMAINS)
        except TrackerError as error:
            _fail(str(error), error.exit_code)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except Exception as error:
            if os.environ.get("TRACKER_DEBUG"):
                traceback.print_exc()
            _fail(f"unexpected {type(error).__name__}: {error} (TRACKER_DEBUG=1 shows where)", 1)


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


def _harmless(text: str) -> str:
    """Text from records without what would drive a terminal: control characters but line breaks, bidi overrides."""
    return _CONTROLS.sub("", text)


def _print_json(data: Any) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
pass_settings = click.make_pass_decorator(Settings)


@click.group(cls=Tracker, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tracker")
@click.option(
    "--db-dir",
    type=click.Path(path_type=Path, file_okay=True),
    help="Folder of evidence.db and annotations.db (TRACKER_DB_DIR; default: db).",
)
@click.option(
    "--queries",
    type=click.Path(path_type=Path, file_okay=True),
    help="Folder of question files (TRACKER_QUERIES; default: queries).",
)
@click.pass_context
def main(context: click.Context, db_dir: Path | None, queries: Path | None) -> None:
    """Keep watch over PubMed for open clinical questions.

    Settings come from options, the environment, and a .env file in the working directory, in this order:
    TRACKER_EMAIL (NCBI asks for one), NCBI_API_KEY, TRACKER_DB_DIR, TRACKER_QUERIES, TRACKER_EUTILS_URL,
    TRACKER_TIMEOUT (seconds).

    Exit codes: 0 done; 1 unexpected, or a corrupt database; 2 bad usage, configuration or input file;
    3 work remains, or a check found something; 4 another job holds the lock.
    """
    context.obj = load_settings(db_dir, queries)


@main.command()
@click.argument("questions", nargs=-1)
@click.option("--full", is_flag=True, help="Fetch every stored record again, due or not.")
@click.option(
    "--recheck-days",
    type=click.IntRange(1, 3650),
    help="Re-check each record within this many days, instead of what the question files say.",
)
@json_option
@pass_settings
def refresh(
    settings: Settings, questions: Sequence[str], full: bool, recheck_days: int | None, as_json: bool
) -> None:
    """Bring the database up to date with PubMed: all QUESTIONS, or those named.

    Every strategy is searched in full; what entered is fetched, what left is noted, and stored records are
    re-checked in rotation for corrections and retractions. Safe to stop and to run again at any time.
    """
    from tracker.console import Console
    from tracker.refresh import refresh as run_refresh

    report = run_refresh(
        settings, _questions(settings, questions), Console(), full=full, recheck_days=recheck_days
    )
    if as_json:
        _print_json(report)
    else:
        _print_refresh(report)
    if report["outcome"] != "complete":
        click.echo(f"Incomplete: {report['reason']}. Run it again to go on.", err=True)
        sys.exit(EXIT_WORK_REMAINS)


def _print_refresh(report: dict[str, Any]) -> None:
    columns = ("question", "counted", "entered", "left", "fetched", "changed", "notices", "complete")
    rows = [[_cell(row[column]) for column in columns] for row in report["questions"]]
    _table(columns, rows, f"{report['requests']} requests in {report['seconds']:.1f} s")
    for row in report["questions"]:
        for remark in row["remarks"]:
            click.echo(f"{row['question']}: {remark}", err=True)
        if missing := row["seeds_missing"]:
            click.echo(
                f"{row['question']}: {len(missing)} of {row['seeds']} seed papers not found: "
                f"{', '.join(map(str, missing))}",
                err=True,
            )


PORT = click.IntRange(1, 65535)
host_option = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to serve at; 0.0.0.0 is every network."
)
port_option = click.option("--port", type=PORT, default=8001, show_default=True, help="Port to serve at.")


@main.command()
@host_option
@port_option
@pass_settings
def up(settings: Settings, host: str, port: int) -> None:
    """Refresh, then serve the site: what 'make run' does.

    Without a network or an e-mail address it says so and serves what there is; a database without any record
    gets the starter citations first. On a terminal it asks for the address once and keeps it in .env.
    """
    from tracker.console import Console
    from tracker.up import up as run_up

    run_up(settings, _questions(settings, ()), Console(), host=host, port=port)


@main.command()
@host_option
@port_option
@click.option("--open", "open_browser", is_flag=True, help="Open the site in a browser.")
@click.option("--immutable", is_flag=True, help="Promise that nothing writes meanwhile: quicker, for a copy.")
@pass_settings
def serve(settings: Settings, host: str, port: int, open_browser: bool, immutable: bool) -> None:
    """Serve the site until Ctrl-C. Refreshes may run meanwhile."""
    from tracker.site.serve import serve as run_site

    run_site(settings, host=host, port=port, open_browser=open_browser, immutable=immutable)


@main.command()
@click.argument("scheduler", type=click.Choice(("cron", "systemd")))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files into this folder instead of printing them.",
)
@pass_settings
def schedule(settings: Settings, scheduler: str, output: Path | None) -> None:
    """Print what makes this installation refresh every night, unattended, by cron or systemd."""
    from tracker.schedule import recipe, remarks

    for name, text in recipe(settings, scheduler).items():
        if output:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
            click.echo(f"{output / name}: written", err=True)
        else:
            click.echo(text)
    for remark in remarks(settings):
        click.echo(f"Note: {remark}", err=True)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--match", metavar="QUESTION|all", help="Store only what this question's strategy matches.")
@json_option
@pass_settings
def load(settings: Settings, files: Sequence[Path], match: str | None, as_json: bool) -> None:
    """Store the records of FILES: PubMed XML (plain or gzip, NLM's baseline and update files), or MEDLINE text.

    Each file is stored whole or, where it cannot be read to its end, not at all.
    """
    from tracker.console import Console
    from tracker.load import load as run_load

    chosen = _questions(settings, () if match == "all" else (match,)) if match else ()
    report = run_load(settings, files, Console(), match=chosen)
    if as_json:
        _print_json(report)
    else:
        counts = ("records", "new", "changed", "notices", "unchanged", "unmatched", "deleted", "refused")
        _table(counts, [[_cell(report[name]) for name in counts]])
        for slug, number in report["matched"].items():
            click.echo(f"{slug}: {number:,} match")
    for refusal in report["refusals"]:
        click.echo(f"{refusal['file']}: PMID {refusal['pmid'] or 'unknown'}: {refusal['reason']}", err=True)
    if report["reason"]:
        click.echo(f"Set aside: {report['reason']}.", err=True)
        sys.exit(EXIT_WORK_REMAINS)


@main.command()
@json_option
@pass_settings
def rebuild(settings: Settings, as_json: bool) -> None:
    """Derive every derived table again from the stored raw records. Needs no network."""
    from tracker.console import Console
    from tracker.load import rebuild as run_rebuild

    report = run_rebuild(settings, Console())
    if as_json:
        _print_json(report)
    else:
        click.echo(f"{report['records']:,} records derived again")
    if report["reason"]:
        click.echo(f"Set aside: {report['reason']}.", err=True)
        sys.exit(EXIT_WORK_REMAINS)


@main.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="Most to show.")
@json_option
@pass_settings
def search(settings: Settings, text: Sequence[str], limit: int, as_json: bool) -> None:
    """Search the stored articles for TEXT: every word, "phrases", a word's beginning*. Newest first."""
    from tracker.store import search as store

    words = " ".join(f'"{part}"' if " " in part else part for part in text)
    with closing(_evidence(settings)) as db:
        hits, found = store.search(db, words, limit), store.count(db, words)
    if as_json:
        _print_json(
            {"count": min(found, 1000), "more": found > 1000, "hits": [hit._asdict() for hit in hits]}
        )
        return
    for hit in hits:
        _print_hit(hit._asdict())
    click.echo(f"{'1,000+' if found > 1000 else f'{found:,}'} found, {len(hits)} shown", err=True)


def _print_hit(hit: dict[str, Any]) -> None:
    marks = [("RETRACTED", hit["retracted"]), ("EXPRESSION OF CONCERN", hit["expression_of_concern"])]
    warning = "".join(f"[{mark}] " for mark, is_set in marks if is_set)
    source = ". ".join(part for part in (hit["authors"], hit["journal"], hit["published"]) if part)
    snippet = " ".join(hit["snippet"].split())
    click.echo(_harmless(f"{hit['pmid']}  {warning}{hit['title']}\n  {source}\n  {snippet}\n"))


@main.command()
@click.argument("pmid")
@json_option
@pass_settings
def show(settings: Settings, pmid: str, as_json: bool) -> None:
    """Show everything that is stored about the record PMID."""
    from tracker.article import parse_pmid
    from tracker.store.show import show as store_show

    try:
        number = parse_pmid(pmid)
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    with closing(_evidence(settings)) as db:
        record = store_show(db, number)
    if record is None:
        raise UsageError(f"PMID {number} is not stored. 'tracker search' finds what is.")
    if as_json:
        _print_json(record)
    else:
        click.echo(_harmless(_record_text(record)))


def _record_text(record: dict[str, Any]) -> str:
    lines = [f"PMID {record['pmid']}  {record['title'] or '[no title]'}"]
    lines += [f"*** {text}" for text in record["warnings"]]
    source = (record["journal"], record["published"] or record["published_raw"])
    lines += [record["authors_text"] or "", ". ".join(part for part in source if part)]
    lines += [f"{name} {record[key]}" for name, key in (("DOI", "doi"), ("PMC", "pmcid")) if record[key]]
    lines += ["", record["abstract"] or "[no abstract]", ""]
    for name, key in (("MeSH", "mesh_text"), ("Keywords", "keywords_text")):
        if record[key]:
            lines.append(f"{name}: {record[key]}")
    lines += [f"Registered: {entry['bank']} {entry['number'] or ''}" for entry in record["registrations"]]
    lines += [
        f"{label['label_group']}: {label['value']} (read by machine from the {label['basis']}: {label['quote']})"
        for label in record["labels"]
    ]
    lines += [f"Question: {entry['question']} ({entry['reason']})" for entry in record["questions"]]
    lines += [
        f"Changed {change['noticed']}: {change['field']}: {change['before']} -> {change['after']}"
        for change in record["changes"]
    ]
    return "\n".join(line for line in lines if line is not None)


@main.command()
@click.argument("question")
@click.option(
    "--format",
    "format",
    required=True,
    type=click.Choice(("ris", "bibtex", "csl-json", "nbib", "csv", "xlsx", "json", "atom")),
    help="What to write.",
)
@click.option(
    "--filter",
    "filters",
    metavar="GROUP=VALUE",
    multiple=True,
    help="Only articles with this label, say design=cohort. May be repeated: any value of a group, every group.",
)
@click.option(
    "--years", metavar="FROM-TO", help="Only articles published in these years: 2015-2020, 2015-, -2020."
)
@click.option("--search", "text", default="", metavar="TEXT", help="Only articles that hold these words.")
@click.option(
    "--since",
    type=click.DateTime(("%Y-%m-%d",)),
    help="Only articles that PubMed created on this day or later.",
)
@click.option(
    "--sort",
    type=click.Choice(("published", "entered")),
    default="published",
    show_default=True,
    help="Newest publication, or newest entry into the question, first.",
)
@click.option("--newest", type=click.IntRange(min=1), metavar="N", help="Only the first N.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, whole or not at all; without it, or as -, stdout.",
)
@pass_settings
def export(
    settings: Settings,
    question: str,
    format: str,
    filters: Sequence[str],
    years: str | None,
    text: str,
    since: datetime | None,
    sort: Literal["published", "entered"],
    newest: int | None,
    output: Path | None,
) -> None:
    """Export all articles of QUESTION for a reference manager, spreadsheet, program or feed reader.

    Retractions, expressions of concern and corrections go with every article, in every format.
    """
    from tracker.export import export as run_export
    from tracker.export import parse_labels, parse_years, whole_file
    from tracker.store.lists import Selection

    first, last = parse_years(years)
    created = f"{since:%Y-%m-%d}" if since else None
    wanted = Selection(question, parse_labels(filters), first, last, text, created, sort=sort)
    to_stdout = output is None or str(output) == "-"
    if to_stdout and format == "xlsx" and sys.stdout.isatty():
        raise UsageError("an Excel file is nothing for a terminal. Give a file with -o.")
    with closing(_evidence(settings)) as db:
        if to_stdout:
            count = run_export(db, wanted, format, sys.stdout.buffer, newest)
        else:
            assert output is not None
            with whole_file(output) as out:
                count = run_export(db, wanted, format, out, newest)
    where = "" if to_stdout else f" to {output}"
    click.echo(f"{question}: {count:,} articles written{where}", err=True)


@main.group(invoke_without_command=True)
@json_option
@click.pass_context
def questions(context: click.Context, as_json: bool) -> None:
    """List the questions, or check their files."""
    if context.invoked_subcommand:
        return
    settings = context.find_object(Settings)
    assert settings is not None
    found = _questions(settings, ())
    if as_json:
        _print_json(
            [
                {
                    "slug": q.slug,
                    "title": q.title,
                    "question": q.question,
                    "strategy": q.strategy,
                    "strategy_hash": q.strategy_hash,
                    "seeds": {int(pmid): title for pmid, title in q.seeds.items()},
                    "recheck_days": q.recheck_days,
                }
                for q in found
            ]
        )
    else:
        _table(("question", "title", "asks"), [[q.slug, q.title, q.question] for q in found])


@questions.command()
@click.argument("slugs", metavar="[QUESTION]...", nargs=-1)
@json_option
@pass_settings
def check(settings: Settings, slugs: Sequence[str], as_json: bool) -> None:
    """Check question files: is the YAML right, and would PubMed search for what is meant?"""
    from tracker.questions import check as check_question

    chosen = _questions(settings, slugs)
    problems = [problem for question in chosen for problem in check_question(question)]
    if as_json:
        _print_json([problem._asdict() for problem in problems])
    else:
        for problem in problems:
            click.echo(str(problem))
    serious = [problem for problem in problems if problem.severity != "note"]
    names = ", ".join(question.slug for question in chosen)
    click.echo(f"{names}: {len(serious)} to mend, {len(problems) - len(serious)} to note", err=True)
    if serious:
        sys.exit(EXIT_WORK_REMAINS)


@main.command()
@click.option(
    "--max-age",
    type=click.IntRange(1, 3650),
    default=8,
    show_default=True,
    help="Days after which a question that was not refreshed counts as stale.",
)
@json_option
@pass_settings
def status(settings: Settings, max_age: int, as_json: bool) -> None:
    """Say how complete each question is and how the last runs ended. Exit code 3 where something is stale."""
    from tracker.store.status import status as store_status

    with closing(_evidence(settings)) as db:
        found = store_status(db, max_age)
    if as_json:
        _print_json(found)
    else:
        _print_status(found)
    if found["stale"]:
        click.echo(f"Stale or incomplete: {', '.join(found['stale'])}.", err=True)
        sys.exit(EXIT_WORK_REMAINS)


def _print_status(found: dict[str, Any]) -> None:
    columns = (
        "question",
        "matching",
        "new_in_30_days",
        "complete_to",
        "incomplete_since",
        "incomplete_reason",
    )
    _table(columns, [[_cell(row[column]) for column in columns] for row in found["questions"]])
    for row in found["questions"]:
        if row["starter_citations"]:
            click.echo(f"{row['question']}: {row['starter_citations']} starter citations, not search results")
        if row["seeds_missing"]:
            missing = ", ".join(str(seed["pmid"]) for seed in row["seeds_missing"])
            click.echo(f"{row['question']}: seed papers not found: {missing}")
        for seed in row["seeds_with_another_title"]:
            click.echo(f"{row['question']}: seed {seed['pmid']} is called {seed['record_title']!r} in PubMed")
    columns = ("run", "command", "started", "finished", "outcome", "reason")
    _table(columns, [[_cell(row[column]) for column in columns] for row in found["runs"]])
    click.echo(
        f"{found['records']:,} records stored, {found['withdrawn']:,} retracted or under concern, "
        f"{found['due']:,} due for a check, {found['gone']:,} gone from PubMed"
    )


def _questions(settings: Settings, slugs: Sequence[str]) -> Any:
    """The questions named, or all of them. Raises UsageError for a name that is none."""
    from tracker.questions import load_questions

    found = load_questions(settings.queries)
    if unknown := [slug for slug in slugs if slug not in {question.slug for question in found}]:
        names = ", ".join(question.slug for question in found)
        raise UsageError(f"there is no question {unknown[0]!r} in {settings.queries}. There are: {names}.")
    return tuple(question for question in found if not slugs or question.slug in slugs)


def _evidence(settings: Settings) -> sqlite3.Connection:
    from tracker.store import connect, schema

    return connect.open_for_reading(settings.evidence_db, schema.migrations)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(columns: Iterable[str], rows: Iterable[Sequence[str]], caption: str | None = None) -> None:
    """A table that fits the terminal; elsewhere nothing is folded or cut."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, caption=caption, caption_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(table)
