"""The commands: each parses, calls one function, and says what happened. Data to stdout, messages to stderr."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

import click

from tracker import __version__
from tracker.errors import TrackerError, UsageError, WorkRemains
from tracker.settings import Settings, load_settings

if TYPE_CHECKING:
    from tracker.article import Pmid
    from tracker.exchange import foreign, ours
    from tracker.store.annotations import Act
    from tracker.store.copies import Name

JOBS_NICENESS = 10
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
    TRACKER_TIMEOUT (seconds); for the site TRACKER_SECRET and TRACKER_CLOSED.

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

    _after_readers()
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
@click.option(
    "--backups",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Back up into this folder, best on another disk, instead of 'backups' in the database folder.",
)
@pass_settings
def schedule(settings: Settings, scheduler: str, output: Path | None, backups: Path | None) -> None:
    """Print what makes this installation refresh, then back up, every night, unattended, by cron or systemd."""
    from tracker.schedule import recipe, remarks

    for name, text in recipe(settings, scheduler, backups).items():
        if output:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
            click.echo(f"{output / name}: written", err=True)
        else:
            click.echo(text)
    for remark in remarks(settings, backups):
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
    _after_readers()
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

    _after_readers()
    report = run_rebuild(settings, Console())
    if as_json:
        _print_json(report)
    else:
        click.echo(f"{report['records']:,} records derived again")
    if report["reason"]:
        click.echo(f"Set aside: {report['reason']}.", err=True)
        sys.exit(EXIT_WORK_REMAINS)


@main.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(1, 10_000),
    default=14,
    show_default=True,
    metavar="N",
    help="Delete all backups in the folder but the newest N, once the new one is whole.",
)
@json_option
@pass_settings
def backup(settings: Settings, folder: Path | None, keep: int, as_json: bool) -> None:
    """Back up both databases into FOLDER: consistent, checked, compressed. Refresh and site may go on meanwhile.

    FOLDER is 'backups' in the database folder unless given; one on another disk is better, as it outlives this one.
    A given folder has to be there, and is for this installation alone. Exit code 3: the backup is made, and there is
    something to look at.
    """
    from tracker.backup import backup as run_backup
    from tracker.backup import megabytes

    report = run_backup(settings, folder, keep=keep)
    if as_json:
        _print_json(report)
    else:
        click.echo(f"{report['backup']}: made in {report['seconds']:.1f} s, {report['kept']} kept")
        for name, file in report["files"].items():
            sizes = f"{megabytes(file['bytes'])}, compressed {megabytes(file['compressed'])}"
            click.echo(f"{name}: {sizes}; {_counted(file['counts'])}")
    for remark in report["remarks"]:
        click.echo(f"Look at this: {remark}.", err=True)
    if report["remarks"]:
        sys.exit(EXIT_WORK_REMAINS)


@main.command()
@click.argument("backup")
@click.option("--only", type=click.Choice(("annotations", "evidence")), help="Only this database.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_settings
def restore(settings: Settings, backup: str, only: str | None, yes: bool, as_json: bool) -> None:
    """Put BACKUP in the place of the databases that are there: a backup's path or name, or 'latest'.

    Stop the site first. Everything is checked before anything is touched, and what is there now is kept beside it
    under another name. 'latest' and names are looked for in 'backups' in the database folder.
    """
    from tracker.backup import find
    from tracker.backup import restore as run_restore

    database = cast("Name", f"{only}.db") if only else None
    found = find(settings, backup, database)
    if not yes:
        _confirm(f"Put {database or ' and '.join(found.files)} as of {found.moment} into {settings.db_dir}?")
    report = run_restore(settings, found, database)
    if as_json:
        _print_json(report)
    else:
        click.echo(f"{report['backup']}: restored as of {report['moment']}")
        for name, file in report["files"].items():
            kept = f"; what was there is now {file['kept_as']}" if file["kept_as"] else ""
            click.echo(f"{name}: {_counted(file['counts'])}{kept}")
    click.echo("If the site was running, restart it: it may still have the old files open.", err=True)
    if "annotations.db" in report["files"]:
        click.echo(
            f"Everybody is signed out. Roles, passwords and tokens are those of {report['moment']}: look for whoever "
            "was disabled, and whatever was revoked, since then.",
            err=True,
        )


def _confirm(question: str) -> None:
    """Go on only if somebody says yes. Raises UsageError where nobody can, WorkRemains where they say no."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("there is no terminal to ask on. Give --yes if this is meant.")
    if not click.confirm(question, err=True):
        raise WorkRemains("nothing was restored.")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {table.replace('_', ' ')}" for table, number in counts.items())


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

    Retractions, expressions of concern and corrections go with every article, in every format; so do tags, what came
    of screening, and what people make of the machine's labels, as far as the site shows them to everybody.
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
    with closing(_evidence_with_annotations(settings)) as db:
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


@main.group()
def people() -> None:
    """Say who may sign in, and as what: reader, tagger, lead or admin. The log keeps who was what, and when."""


name_argument = click.argument("name")
role_help = "reader, tagger, lead or admin: each may do what those before it may."


@people.command("add")
@name_argument
@click.option("--role", default="tagger", show_default=True, help=role_help)
@click.option("--display-name", metavar="TEXT", help="How others see them; without it, the name.")
@click.option(
    "--identity", metavar="ID", help="Who they are to another way of signing in, say github:octocat."
)
@click.option("--no-password", is_flag=True, help="They sign in another way only.")
@pass_settings
def people_add(
    settings: Settings,
    name: str,
    role: str,
    display_name: str | None,
    identity: str | None,
    no_password: bool,
) -> None:
    """Add NAME, and ask for a password: twice on a terminal, else one line of standard input."""
    from tracker.site.actors import tidy_identity
    from tracker.site.passwords import hashed
    from tracker.store import people as store

    # Wrong words are told before anybody thinks of a password.
    with _writing_people(settings, "add") as act:
        store.check_new(act.db, name, role, tidy_identity(identity))
    secret = None if no_password else hashed(_new_password(name, display_name or name))
    with _writing_people(settings, "add") as act:
        made = store.add(act, name, role, display_name, secret, tidy_identity(identity))
    click.echo(f"{made.name}: added as {made.role}", err=True)


@people.command("passwd")
@name_argument
@pass_settings
def people_passwd(settings: Settings, name: str) -> None:
    """Give NAME a new password, asked for as by 'add'. Whoever is signed in with the old one is signed out."""
    from tracker.site.passwords import hashed
    from tracker.store import people as store

    with _writing_people(settings, "passwd") as act:
        person = store.named(act.db, name)
    secret = hashed(_new_password(person.name, person.display_name))
    with _writing_people(settings, "passwd") as act:
        store.set_password(act, person, secret)
    click.echo(f"{name}: new password", err=True)


@people.command("role")
@name_argument
@click.argument("role")
@pass_settings
def people_role(settings: Settings, name: str, role: str) -> None:
    """Make NAME a reader, tagger, lead or admin, from their next request on."""
    _change_person(settings, "role", name, role=role)


@people.command("change")
@name_argument
@click.option(
    "--display-name", metavar="TEXT", help="How others see them from now on; '' for the name itself."
)
@click.option("--identity", metavar="ID", help="Who they are to another way of signing in; '' for nobody.")
@pass_settings
def people_change(settings: Settings, name: str, display_name: str | None, identity: str | None) -> None:
    """Change how NAME is shown, or who they are to another way of signing in. The name itself stays."""
    from tracker.site.actors import tidy_identity

    if display_name is None and identity is None:
        raise UsageError("say what to change: --display-name, --identity or both.")
    _change_person(settings, "change", name, display_name=display_name, identity=tidy_identity(identity))


@people.command("disable")
@name_argument
@pass_settings
def people_disable(settings: Settings, name: str) -> None:
    """Sign NAME out and in no more, tokens included. What they wrote stays theirs."""
    _change_person(settings, "disable", name, disabled=True)


@people.command("enable")
@name_argument
@pass_settings
def people_enable(settings: Settings, name: str) -> None:
    """Let NAME sign in again, who was disabled."""
    _change_person(settings, "enable", name, disabled=False)


@people.command("list")
@json_option
@pass_settings
def people_list(settings: Settings, as_json: bool) -> None:
    """List everybody, disabled ones included."""
    from tracker.store import people as store

    with closing(_annotations(settings)) as db:
        found = [
            {key: value for key, value in person._asdict().items() if key != "session"}
            | {"password": store.password_hash(db, person) is not None}
            for person in store.everybody(db)
        ]
    if as_json:
        _print_json(found)
        return
    columns = ("name", "display_name", "role", "identity", "password", "created", "disabled")
    _table(columns, [[_cell(row[column]) for column in columns] for row in found])


@people.group("token")
def people_token() -> None:
    """Make, list and revoke the tokens by which programs read and write in somebody's name."""


@people_token.command("add")
@name_argument
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What it is good for: read, tag, decide or lead. May be repeated.",
)
@click.option("--days", type=int, default=90, show_default=True, help="How long it lasts; 366 at most.")
@click.option("--name", "label", required=True, metavar="WHAT", help="What it is for.")
@pass_settings
def people_token_add(settings: Settings, name: str, scopes: Sequence[str], days: int, label: str) -> None:
    """Make a token of NAME's and print it to stdout: once, as only its hash is kept."""
    from tracker.store import people as store

    with _writing_people(settings, "token add") as act:
        person = store.named(act.db, name)
        token = store.make_token(act, person, label, scopes, days)
    click.echo(token)
    click.echo(f"{name}: token for {', '.join(scopes)}, {days} days. It is not shown again.", err=True)


@people_token.command("list")
@name_argument
@json_option
@pass_settings
def people_token_list(settings: Settings, name: str, as_json: bool) -> None:
    """List the tokens of NAME, the newest first, without what they are."""
    from tracker.store import people as store

    with closing(_annotations(settings)) as db:
        found = [token._asdict() for token in store.tokens(db, store.named(db, name))]
    if as_json:
        _print_json([{key: value for key, value in row.items() if key != "person"} for row in found])
        return
    columns = ("id", "name", "scopes", "created", "expires", "used", "revoked")
    rows = [row | {"scopes": ", ".join(row["scopes"])} for row in found]
    _table(columns, [[_cell(row[column]) for column in columns] for row in rows])


@people_token.command("revoke")
@name_argument
@click.argument("id", type=int)
@pass_settings
def people_token_revoke(settings: Settings, name: str, id: int) -> None:
    """Revoke NAME's token with this ID ('token list' shows it), from the next request on."""
    from tracker.store import people as store

    with _writing_people(settings, "token revoke") as act:
        store.revoke_token(act, store.named(act.db, name), id)
    click.echo(f"{name}: token {id} revoked", err=True)


def _change_person(settings: Settings, command: str, name: str, **changes: Any) -> None:
    from tracker.store import people as store

    with _writing_people(settings, command) as act:
        after = store.change(act, name, **changes)
    state = "disabled" if after.disabled else after.role
    elsewhere = f", {after.identity} elsewhere" if after.identity else ""
    click.echo(_harmless(f"{after.name}: {after.display_name}, {state}{elsewhere}"), err=True)


def _new_password(*names: str) -> str:
    """Raises UsageError for one that must not be. It never comes as an argument: other users can see those."""
    from tracker.site.passwords import check_new

    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    check_new(given, *names)
    return given


@contextmanager
def _writing_people(settings: Settings, command: str) -> Iterator[Act]:
    from tracker.store.annotations import acting

    with closing(_annotations(settings)) as db, acting(db, None, f"tracker people {command}") as act:
        yield act


@main.group()
def tag() -> None:
    """Tag papers, and carry what people wrote about them out into files and back in."""


as_option = click.option(
    "--as", "person", metavar="NAME", required=True, help="In whose name: somebody of 'tracker people'."
)
question_option = click.option("--question", metavar="SLUG", help="Said for this question alone.")
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, whole or not at all; without it, or as -, stdout.",
)
file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
pmid_argument = click.argument("pmid", type=click.UNPROCESSED, callback=lambda *given: _pmid(given[2]))


@tag.command("add")
@pmid_argument
@click.argument("name", metavar="TAG")
@as_option
@question_option
@click.option("--note", metavar="TEXT", help="A few words on why.")
@pass_settings
def tag_add(
    settings: Settings, pmid: Pmid, name: str, person: str, question: str | None, note: str | None
) -> None:
    """Put TAG on the paper PMID. Of a group of which one holds, it takes the other's place.

    As on the site, a review in which two people are blind to each other hides it until both have decided.
    """
    from tracker.exchange import single

    with closing(_annotations(settings)) as db, _evidence_if_any(settings) as evidence:
        changed = single.tag(db, evidence, pmid, name, person, question, note)
    click.echo(f"PMID {pmid}: {'tagged' if changed else 'had it already'}", err=True)


@tag.command("remove")
@pmid_argument
@click.argument("name", metavar="TAG")
@as_option
@question_option
@pass_settings
def tag_remove(settings: Settings, pmid: Pmid, name: str, person: str, question: str | None) -> None:
    """Take TAG off the paper PMID, where that person put it there. The log keeps both."""
    from tracker.exchange import single

    with closing(_annotations(settings)) as db:
        changed = single.untag(db, pmid, name, person, question)
    click.echo(f"PMID {pmid}: {'taken off' if changed else 'had no such tag of theirs'}", err=True)


@tag.command("list")
@click.argument("pmid", required=False, callback=lambda *given: given[2] and _pmid(given[2]))
@click.option("--question", metavar="SLUG", help="Only what was said for this question.")
@click.option("--person", metavar="NAME", help="Only what this person said.")
@click.option(
    "--as", "viewer", metavar="NAME", help="As this person sees it: with their own, where others' is hidden."
)
@json_option
@pass_settings
def tag_list(
    settings: Settings,
    pmid: Pmid | None,
    question: str | None,
    person: str | None,
    viewer: str | None,
    as_json: bool,
) -> None:
    """List tags, decisions, notes and label reviews: all of them, or those of one paper, question or person.

    What a blind review still hides is left out, and counted.
    """
    from tracker.exchange.single import Listed

    with closing(_annotations(settings, must_exist=True)) as db, _evidence_if_any(settings) as evidence:
        _check_people(db, person, viewer)
        listed = Listed(db, evidence, viewer)
        rows = listed.rows(pmid, question, person)
        if as_json:
            _print_json([row._asdict() for row in rows])
        else:
            for row in rows:
                what = (row.tag, row.group, row.machine_value, row.value, row.reason, row.text)
                said = " | ".join(" ".join(part.split()) for part in what if part)
                where = "/".join(part for part in (row.question, row.stage) if part)
                parts = (row.when, str(row.pmid), row.person, row.kind, where, said)
                click.echo(_harmless("  ".join(part for part in parts if part)))
    if listed.hidden:
        click.echo(f"{listed.hidden:,} more are hidden by a blind review.", err=True)


@tag.command("export")
@output_option
@click.option(
    "--format",
    "format",
    type=click.Choice(("csv", "jsonl")),
    help="Unless given, what FILE's name ends with, or else csv.",
)
@click.option("--question", metavar="SLUG", help="Only what was said for this question.")
@pass_settings
def tag_export(
    settings: Settings,
    output: Path | None,
    format: Literal["csv", "jsonl"] | None,
    question: str | None,
) -> None:
    """Export everything that people wrote about papers, a row each, so that 'tracker tag import' can read it.

    Also what a blind review still hides: give it to nobody who has yet to decide.
    """
    from tracker.exchange.ours import export as run_export
    from tracker.export import whole_file

    to_stdout = output is None or str(output) == "-"
    chosen = format or ("jsonl" if output and output.suffix == ".jsonl" else "csv")
    with closing(_annotations(settings, must_exist=True)) as db:
        if to_stdout:
            count = run_export(db, sys.stdout.buffer, chosen, question)
        else:
            assert output is not None
            with whole_file(output) as out:
                count = run_export(db, out, chosen, question)
    click.echo(f"{count:,} rows written{'' if to_stdout else f' to {output}'}", err=True)


@tag.command("import")
@file_argument
@click.option(
    "--from", "tool", type=click.Choice(("rayyan", "asreview")), help="It is this tool's export, not ours."
)
@click.option("--question", metavar="SLUG", help="With --from: the question that was screened.")
@click.option(
    "--stage",
    type=click.Choice(("title-abstract", "full-text")),
    default="title-abstract",
    show_default=True,
    help="With --from: the stage that was screened.",
)
@click.option(
    "--as", "person", metavar="NAME", help="With --from: who said whatever the file puts no name to."
)
@click.option(
    "--reviewer",
    "reviewers",
    metavar="THERE=NAME",
    multiple=True,
    help="With --from: a reviewer's name in the file, and who that is here. May be repeated.",
)
@click.option(
    "--add-tags", metavar="GROUP", help="With --from: labels that are no tags yet become tags of this group."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@json_option
@pass_settings
def tag_import(
    settings: Settings,
    file: Path,
    tool: str | None,
    question: str | None,
    stage: Literal["title-abstract", "full-text"],
    person: str | None,
    reviewers: Sequence[str],
    add_tags: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import FILE: what 'tracker tag export' wrote, or with --from what Rayyan or ASReview did (CSV or RIS).

    All of it in one go, or nothing where a line is wrong. What is there already is never overwritten. Exit code 3:
    something could not be brought over, and is listed.
    """
    if tool is None:
        if question or person or reviewers or add_tags or stage != "title-abstract":
            raise UsageError("our own files say who said what of which question. These options need --from.")
        from tracker.exchange.ours import import_rows

        with closing(_annotations(settings)) as db:
            report = import_rows(db, file, dry_run=dry_run)
        if as_json:
            _print_json(report._asdict())
        else:
            _print_imported(report)
        complete = not report.conflicts
    else:
        from tracker.exchange import asreview, foreign, rayyan

        records = (rayyan if tool == "rayyan" else asreview).read(file)
        mapping = dict(_pair(text) for text in reviewers)
        plan = foreign.Plan(file.name, tool, question, stage, mapping, person, add_tags, dry_run)
        with closing(_evidence(settings)) as evidence, closing(_annotations(settings)) as db:
            found = foreign.bring_in(db, evidence, records, plan)
        if as_json:
            _print_json(found.as_dict())
        else:
            _print_brought_in(found)
        complete = found.is_complete
    if not complete:
        sys.exit(EXIT_WORK_REMAINS)


def _pair(text: str) -> tuple[str, str]:
    there, sign, here = text.rpartition("=")
    if not (there.strip() and sign and here.strip()):
        raise UsageError(f"--reviewer {text!r}: write it as 'Alice=a.meier', the name in the file first.")
    return there.strip(), here.strip()


def _print_imported(report: ours.Report) -> None:
    for conflict in report.conflicts:
        said = conflict["value"] or conflict["tag"] or conflict["text"] or ""
        click.echo(
            _harmless(
                f"line {conflict['line']}: PMID {conflict['pmid']}: {conflict['kind']} of {conflict['person']}: "
                f"there is {conflict['there'] or 'nothing'}, not {said or 'nothing'}; left as it is"
            )
        )
    for what, names in (("people added, disabled", report.people_added), ("tags added", report.tags_added)):
        if names:
            click.echo(_harmless(f"{what}: {', '.join(names)}"), err=True)
    _print_written(report.written, report.unchanged, len(report.conflicts), report.dry_run)


def _print_brought_in(report: foreign.Report) -> None:
    for entry in report.conflicts:
        click.echo(
            _harmless(
                f"{entry['place']}: PMID {entry['pmid']}: {entry['person']} said {entry['there']} already, "
                f"not {entry['found']}; left as it is"
            )
        )
    for entry in report.refused:
        click.echo(_harmless(f"{entry['place']}: PMID {entry['pmid']}: {entry['person']}: {entry['why']}"))
    for entry in report.ambiguous:
        pmids = ", ".join(map(str, entry["pmids"]))
        click.echo(_harmless(f"{entry['place']}: may be any of PMIDs {pmids}: {entry['title']}"))
    for entry in report.outside:
        click.echo(
            _harmless(f"{entry['place']}: PMID {entry['pmid']} is not in {report.question}: {entry['title']}")
        )
    for entry in report.unmatched:
        click.echo(_harmless(f"{entry['place']}: not stored: {entry['title']}"))
    for what, counts in (
        ("reviewers nobody was named for (--reviewer)", report.unmapped_reviewers),
        ("labels that are no tags (--add-tags)", report.unknown_labels),
    ):
        if counts:
            found = ", ".join(f"{name} ({count})" for name, count in counts.items())
            click.echo(_harmless(f"{what}: {found}"), err=True)
    if report.tags_added:
        click.echo(_harmless(f"tags added: {', '.join(report.tags_added)}"), err=True)
    by = ", ".join(f"{count:,} by {how}" for how, count in report.matched.items()) or "none"
    click.echo(
        f"{report.records:,} records: matched {by}; {len(report.unmatched):,} not stored, "
        f"{len(report.ambiguous):,} ambiguous, {len(report.outside):,} not in the question, "
        f"{report.undecided:,} with nothing said of them",
        err=True,
    )
    _print_written(
        report.written, report.unchanged, len(report.conflicts) + len(report.refused), report.dry_run
    )


def _print_written(written: dict[str, int], unchanged: int, left: int, dry_run: bool) -> None:
    said = ", ".join(f"{count:,} {what.removesuffix('s')}s" for what, count in written.items())
    verb = "would be written" if dry_run else "written"
    click.echo(
        f"{said or 'nothing new'} {verb}; {unchanged:,} there already, {left:,} left out as they contradict it",
        err=True,
    )


@tag.command("log")
@click.option(
    "--pmid", callback=lambda *given: given[2] and _pmid(given[2]), metavar="PMID", help="Of this paper."
)
@click.option("--person", metavar="NAME", help="Of what this person did.")
@click.option("--day", type=click.DateTime(("%Y-%m-%d",)), help="Of this day (UTC).")
@click.option("--question", metavar="SLUG", help="Of this question.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines to stdout: an event a line.")
@pass_settings
def tag_log(
    settings: Settings,
    pmid: Pmid | None,
    person: str | None,
    day: datetime | None,
    question: str | None,
    as_json: bool,
) -> None:
    """Print the log of everything that people did, the oldest first: who, when, what, before and after.

    Also what a blind review still hides: show it to nobody who has yet to decide.
    """
    from tracker.store import written

    with closing(_annotations(settings, must_exist=True)) as db:
        _check_people(db, person)
        chosen = f"{day:%Y-%m-%d}" if day else None
        for event in written.log(db, pmid=pmid, person=person, day=chosen, question=question):
            if as_json:
                click.echo(json.dumps(event, ensure_ascii=False))
            else:
                click.echo(_harmless(_event_text(event)))


def _event_text(event: dict[str, Any]) -> str:
    subject = " ".join(
        f"{value}" for name, value in (event["subject"] or {}).items() if name not in ("person", "id")
    )
    states = [
        " ".join(f"{name}={value!r}" for name, value in (state or {}).items() if value not in (None, ""))
        for state in (event["before"], event["after"])
    ]
    parts = (
        event["happened"],
        event["person"] or "-",
        event["action"],
        f"PMID {event['pmid']}" if event["pmid"] else "",
        event["question"] or "",
        subject,
        " -> ".join(state or "nothing" for state in states) if any(states) else "",
        f"({event['origin']})",
    )
    return "  ".join(" ".join(part.split()) for part in parts if part)


@tag.group("vocabulary")
def tag_vocabulary() -> None:
    """The tags that there are, in groups, as a YAML file."""


@tag_vocabulary.command("export")
@output_option
@pass_settings
def tag_vocabulary_export(settings: Settings, output: Path | None) -> None:
    """Export the groups and tags as YAML."""
    from tracker.export import whole_file
    from tracker.store.vocabulary import exported

    with closing(_annotations(settings, must_exist=True)) as db:
        text = exported(db)
    if output is None or str(output) == "-":
        click.echo(text, nl=False)
    else:
        with whole_file(output) as out:
            out.write(text.encode())


@tag_vocabulary.command("import")
@file_argument
@json_option
@pass_settings
def tag_vocabulary_import(settings: Settings, file: Path, as_json: bool) -> None:
    """Import groups and tags from a YAML file: what is new is added, descriptions and colours are taken over.

    Nothing is deleted: what the file does not name stays.
    """
    from tracker.exchange.files import read_text
    from tracker.store.annotations import acting
    from tracker.store.vocabulary import imported

    text = read_text(file)
    with closing(_annotations(settings)) as db, acting(db, None, "tracker tag vocabulary import") as act:
        report = imported(act, text, str(file))
    if as_json:
        _print_json(report._asdict())
    else:
        click.echo(f"{report.added:,} groups and tags added, {report.changed:,} changed", err=True)


def _pmid(text: str) -> Pmid:
    from tracker.article import parse_pmid

    try:
        return parse_pmid(text)
    except ValueError as error:
        raise UsageError(f"{error}.") from None


def _check_people(db: sqlite3.Connection, *names: str | None) -> None:
    from tracker.store.people import named

    for name in names:
        if name is not None:
            named(db, name)


def _evidence_with_annotations(settings: Settings) -> sqlite3.Connection:
    """evidence.db with annotations.db attached where there is one, neither to be written."""
    from tracker.store import annotations, connect

    db = _evidence(settings)
    try:
        if settings.annotations_db.is_file():
            connect.attach(db, settings.annotations_db, annotations.migrations, "annotations")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _evidence_if_any(settings: Settings) -> Iterator[sqlite3.Connection | None]:
    if not settings.evidence_db.is_file():
        yield None
        return
    with closing(_evidence(settings)) as db:
        yield db


def _annotations(settings: Settings, *, must_exist: bool = False) -> sqlite3.Connection:
    from tracker.store.annotations import open_annotations

    if must_exist and not settings.annotations_db.is_file():
        raise UsageError(f"{settings.annotations_db}: there is none yet, as nobody has written anything.")
    return open_annotations(settings.annotations_db)


def _after_readers() -> None:
    """Let those who read and tag on the site come first: a job that takes both cores makes them wait (measured)."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, max(JOBS_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


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
