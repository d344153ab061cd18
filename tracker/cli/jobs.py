"""Commands that fetch, store, serve and back up, from refresh and enrich to backup and restore."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from tracker.cli.base import (
    EXIT_WORK_REMAINS,
    after_readers,
    cell,
    json_option,
    main,
    pass_settings,
    print_json,
    print_table,
    questions_named,
)
from tracker.errors import UsageError, WorkRemains
from tracker.harmless import harmless
from tracker.settings import Settings

if TYPE_CHECKING:
    from tracker.jobs.copies import Name


@main.command()
@click.argument("questions", nargs=-1)
@click.option("--full", is_flag=True, help="Fetch every stored record again, due or not.")
@click.option(
    "--recheck-days",
    type=click.IntRange(1, 3650),
    help="Re-check each record within this many days, instead of what the question files say.",
)
@click.option(
    "--run-edited", is_flag=True, help="Run the searches as the files have them now, and adopt them by that."
)
@click.option("--lines", is_flag=True, help="Ask what PubMed makes of every line of each search, due or not.")
@json_option
@pass_settings
def refresh(
    settings: Settings,
    questions: Sequence[str],
    full: bool,
    recheck_days: int | None,
    run_edited: bool,
    lines: bool,
    as_json: bool,
) -> None:
    """Bring the database up to date with PubMed, for the named QUESTIONS or for all.

    Each question's adopted strategy is searched in full, whatever its file says since. New records are fetched, records
    that are no longer found are noted, and stored records are re-checked in rotation for corrections and retractions.
    You can stop it and run it again at any time.
    """
    from tracker.jobs.console import Console
    from tracker.jobs.ping import ping
    from tracker.jobs.refresh import refresh as run_refresh
    from tracker.jobs.refresh import what_helps

    after_readers()
    console = Console()
    report = run_refresh(
        settings,
        questions_named(settings, questions),
        console,
        full=full,
        recheck_days=recheck_days,
        run_edited=run_edited,
        all_lines=lines,
    )
    if as_json:
        print_json(report)
    else:
        # Of a nightly run they are for the question's owner to look up (status --searches).
        _print_refresh(report, with_seeds=bool(questions))
    if report["outcome"] != "complete":
        reason = report["reason"].removesuffix(".")
        click.echo(f"Incomplete: {reason}. {what_helps(report, settings.queries)}", err=True)
        sys.exit(EXIT_WORK_REMAINS)
    if settings.ping_url and not questions:
        ping(settings.ping_url, console.say)


def _print_refresh(report: dict[str, Any], with_seeds: bool) -> None:
    columns = ("question", "counted", "entered", "left", "fetched", "changed", "notices", "complete")
    rows = [[cell(row[column]) for column in columns] for row in report["questions"]]
    print_table(columns, rows, f"{report['requests']} requests in {report['seconds']:.1f} s")
    for row in report["questions"]:
        for remark in row["remarks"]:
            click.echo(f"{row['question']}: {remark}", err=True)
        if with_seeds and (missing := row["seeds_missing"]):
            click.echo(
                f"{row['question']}: {len(missing)} of {row['seeds']} seed papers not found: "
                f"{', '.join(map(str, missing))}",
                err=True,
            )


@main.command()
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="NAME",
    help="Ask only this service: icite, clinicaltrials, europepmc or crossref. May be given several times.",
)
@click.option(
    "--question", "questions", multiple=True, metavar="SLUG", help="Only what belongs to this question."
)
@click.option("--limit", type=click.IntRange(1, 100_000), help="Ask each service about at most this many.")
@json_option
@pass_settings
def enrich(
    settings: Settings, sources: Sequence[str], questions: Sequence[str], limit: int | None, as_json: bool
) -> None:
    """Ask other services what PubMed does not say: citations, trials, free full text, preprints, retractions.

    What each of them answered lately is not asked again. A refresh does this as its last step. TRACKER_ENRICH names the
    services; none switches all of them off. Exit code 3: a service failed; what was stored stays.
    """
    from tracker.jobs.console import Console
    from tracker.jobs.enrich import enrich as run_enrich

    after_readers()
    report = run_enrich(settings, questions_named(settings, questions), Console(), names=sources, limit=limit)
    if as_json:
        print_json(report)
    elif report["sources"]:
        columns = ("source", "due", "asked", "answered", "requests", "outcome")
        print_table(columns, [[cell(row[column]) for column in columns] for row in report["sources"]])
    else:
        click.echo("No service is to be asked: TRACKER_ENRICH is none.", err=True)
    if report["reason"]:
        click.echo(f"Incomplete: {report['reason']}", err=True)
        sys.exit(EXIT_WORK_REMAINS)


PORT = click.IntRange(1, 65535)
host_option = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve at; 0.0.0.0 serves every network.",
)
port_option = click.option("--port", type=PORT, default=8001, show_default=True, help="Port to serve at.")


@main.command()
@host_option
@port_option
@pass_settings
def up(settings: Settings, host: str, port: int) -> None:
    """Refresh, then serve the site: what 'make run' does.

    Without a network or an e-mail address it says so and serves what is stored. An empty database gets the starter
    citations first. On a terminal it asks for the e-mail address once and keeps it in .env.
    """
    from tracker.jobs.console import Console
    from tracker.jobs.up import up as run_up

    run_up(settings, questions_named(settings, ()), Console(), host=host, port=port)


@main.command()
@host_option
@port_option
@click.option("--open", "open_browser", is_flag=True, help="Open the site in a browser.")
@click.option(
    "--immutable",
    is_flag=True,
    help="Promise that nothing writes to the databases meanwhile: faster, for a copy.",
)
@click.option(
    "--base-path",
    metavar="PATH",
    help="Where the site begins on its host, such as /evidence-tracker/ (TRACKER_BASE_PATH; default: /).",
)
@pass_settings
def serve(
    settings: Settings, host: str, port: int, open_browser: bool, immutable: bool, base_path: str | None
) -> None:
    """Serve the site until Ctrl-C. A refresh may run at the same time."""
    from tracker.settings import base_path as checked
    from tracker.site.server.serve import serve as run_site

    if base_path is not None:
        settings = replace(settings, base_path=checked("--base-path", base_path))
    run_site(settings, host=host, port=port, open_browser=open_browser, immutable=immutable)


@main.command()
@click.argument("scheduler", type=click.Choice(("cron", "systemd", "github-actions")))
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
    help="Back up into this folder, ideally on another disk, instead of 'backups' in the database folder.",
)
@pass_settings
def schedule(settings: Settings, scheduler: str, output: Path | None, backups: Path | None) -> None:
    """Print the files for cron, systemd or GitHub Actions that refresh every night, back up, and say what is wrong."""
    from tracker.jobs.schedule import recipe, remarks

    for name, text in recipe(settings, scheduler, backups).items():
        if output:
            output.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, encoding="utf-8")
            click.echo(f"{output / name}: written", err=True)
        else:
            click.echo(text)
    for remark in remarks(settings, scheduler, backups):
        click.echo(f"Note: {remark}", err=True)


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--match", metavar="QUESTION|all", help="Store only what this question's strategy matches.")
@json_option
@pass_settings
def load(settings: Settings, files: Sequence[Path], match: str | None, as_json: bool) -> None:
    """Store the records of FILES: PubMed XML (plain or gzip, NLM's baseline and update files), or MEDLINE text.

    Each file is stored whole or, if it cannot be read to its end, not at all.
    """
    from tracker.jobs.console import Console
    from tracker.jobs.load import load as run_load

    chosen = questions_named(settings, () if match == "all" else (match,)) if match else ()
    after_readers()
    report = run_load(settings, files, Console(), match=chosen)
    if as_json:
        print_json(report)
    else:
        counts = ("records", "new", "changed", "notices", "unchanged", "unmatched", "deleted", "refused")
        print_table(counts, [[cell(report[name]) for name in counts]])
        for slug, number in report["matched"].items():
            click.echo(f"{slug}: {number:,} match")
    for refusal in report["refusals"]:
        problem = f"{refusal['file']}: PMID {refusal['pmid'] or 'unknown'}: {refusal['reason']}"
        click.echo(harmless(problem), err=True)
    for stray in report["stray_lines"]:
        words = repr(stray["line"][:60])
        click.echo(
            f"{stray['file']}: PMID {stray['pmid']}: ignored a line that belongs to no field: {words}",
            err=True,
        )
    if report["reason"]:
        click.echo(f"Set aside: {report['reason']}.", err=True)
        sys.exit(EXIT_WORK_REMAINS)


@main.command()
@json_option
@pass_settings
def rebuild(settings: Settings, as_json: bool) -> None:
    """Make all derived tables again from the stored raw records. Needs no network."""
    from tracker.jobs.console import Console
    from tracker.jobs.rebuild import rebuild as run_rebuild

    after_readers()
    report = run_rebuild(settings, Console())
    if as_json:
        print_json(report)
    else:
        newer = f"; {report['changed']:,} now show a newer version" if report["changed"] else ""
        click.echo(f"{report['records']:,} records derived again{newer}")
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
    help="Keep the newest N backups; delete older ones once the new one is complete.",
)
@json_option
@pass_settings
def backup(settings: Settings, folder: Path | None, keep: int, as_json: bool) -> None:
    """Back up both databases into FOLDER: consistent, checked, compressed. The site and a refresh may keep running.

    FOLDER defaults to 'backups' in the database folder. A folder on another disk is safer, because it survives the
    loss of this one. It must exist and belong to this installation alone. Exit code 3: the backup is made, but
    something needs attention.
    """
    from tracker.jobs.backup import backup as run_backup
    from tracker.jobs.backup import megabytes

    report = run_backup(settings, folder, keep=keep)
    if as_json:
        print_json(report)
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
    """Replace the databases with those of BACKUP: a backup's path or name, or 'latest'.

    Stop the site first. Everything is checked before anything is changed, and the present databases are kept under
    another name. 'latest' and names refer to 'backups' in the database folder.
    """
    from tracker.jobs.backup import find
    from tracker.jobs.backup import restore as run_restore

    database = cast("Name", f"{only}.db") if only else None
    chosen = find(settings, backup, database)
    if not yes:
        _confirm(
            f"Put {database or ' and '.join(chosen.files)} as of {chosen.moment} into {settings.db_dir}?"
        )
    report = run_restore(settings, chosen, database)
    if as_json:
        print_json(report)
    else:
        click.echo(f"{report['backup']}: restored as of {report['moment']}")
        for name, file in report["files"].items():
            moved = f"; what was there is now {file['kept_as']}" if file["kept_as"] else ""
            click.echo(f"{name}: {_counted(file['counts'])}{moved}")
    click.echo("If the site was running, restart it: it may still have the old files open.", err=True)
    if "annotations.db" in report["files"]:
        click.echo(
            f"Everybody is signed out. Roles, passwords and tokens are those of {report['moment']}. Disable again "
            "anybody who was disabled since then, and revoke again any token that was revoked.",
            err=True,
        )


def _confirm(question: str) -> None:
    """Continue only if somebody says yes. Raises UsageError if nobody can be asked, WorkRemains if they say no."""
    if not (sys.stdin and sys.stdin.isatty()):
        raise UsageError("there is no terminal to ask on. Add --yes to confirm.")
    if not click.confirm(question, err=True):
        raise WorkRemains("nothing was restored.")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {table.replace('_', ' ')}" for table, number in counts.items())
