"""What all commands share: the group, exit codes, options, opening databases, printing tables."""

from __future__ import annotations

import codecs
import errno
import json
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from tracker import __version__, topic
from tracker.errors import TrackerError, UsageError, choose_one
from tracker.harmless import harmless, harmless_json
from tracker.jsonlines import ERROR, JsonLines
from tracker.settings import Settings, load_settings

if TYPE_CHECKING:
    from tracker.article import ArticleKey

JOBS_NICENESS = 10
EXIT_USAGE, EXIT_WORK_REMAINS = 2, 3


class Tracker(click.Group):
    """Turns errors into one line and an exit code, in this one place."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        signal.signal(signal.SIGTERM, _interrupt)
        _replace_what_cannot_be_shown()
        with _own_stderr():
            return self._run(*args, **kwargs)

    def _run(self, *args: Any, **kwargs: Any) -> Any:
        try:
            result = super().main(*args, **kwargs | {"standalone_mode": False})
            sys.stdout.flush()
            return result
        except click.exceptions.Exit as exit:
            sys.exit(exit.exit_code)
        except click.ClickException as error:
            error.show()
            sys.exit(EXIT_USAGE)
        except (click.Abort, KeyboardInterrupt):
            _fail("interrupted. Nothing was half-written. Run it again to continue.", EXIT_WORK_REMAINS)
        except TrackerError as error:
            _fail(str(error), error.exit_code)
        except sqlite3.DatabaseError as error:
            _fail(
                f"{error}. If a database is damaged, 'tracker restore latest' restores the last backup.",
                1,
            )
        except BrokenPipeError:
            _leave_output()
            sys.exit(0)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            _leave_output()
            _fail(
                "the output is incomplete: the disk is full. Stored data is safe. Make room, then run it again.",
                1,
            )
        except Exception as error:
            if os.environ.get("TRACKER_DEBUG"):
                traceback.print_exc()
            _fail(f"unexpected {type(error).__name__}: {error} (TRACKER_DEBUG=1 shows where)", 1)


def _replace_what_cannot_be_shown() -> None:
    """A terminal whose encoding lacks a character shows a question mark instead."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def _own_stderr() -> Iterator[None]:
    """Standard error as it was, once the command has ended, whatever ``--log-format`` made of it."""
    before = sys.stderr
    try:
        yield
    finally:
        if isinstance(sys.stderr, JsonLines):
            sys.stderr.finish()
        sys.stderr = before


def _log_as(context: click.Context, option: click.Parameter, format: str) -> None:
    if format == "json":
        sys.stderr = JsonLines(sys.stderr)


def _leave_output() -> None:
    """Drop unwritten output, so that Python does not try to write it again on exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(signum: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"{ERROR}{harmless(message)}", err=True)
    sys.exit(code)


def print_json(data: Any, indent: int | None = 2) -> None:
    """JSON to stdout; escaped where the encoding of stdout lacks characters, so that none is ever replaced."""
    has_all = codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf-")
    click.echo(harmless_json(json.dumps(data, ensure_ascii=not has_all, indent=indent, default=str)))


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
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    is_eager=True,
    expose_value=False,
    callback=_log_as,
    help="What is said on stderr: lines for people, or one JSON object a line, without progress bars.",
)
@click.pass_context
def main(context: click.Context, db_dir: Path | None, queries: Path | None) -> None:
    """Keep watch over PubMed for open clinical questions.

    Settings come from options, the environment, and a .env file in the working directory, in this order:
    TRACKER_EMAIL (NCBI asks for one), NCBI_API_KEY, TRACKER_DB_DIR, TRACKER_QUERIES, TRACKER_EUTILS_URL,
    TRACKER_TIMEOUT (seconds), TRACKER_ENRICH (which other services are asked), TRACKER_PING_URL; for the site
    TRACKER_SECRET, TRACKER_CLOSED, TRACKER_BASE_PATH and TRACKER_SITE_URL; for mail TRACKER_SMTP_URL and
    TRACKER_MAIL_FROM.

    Exit codes: 0 done; 1 unexpected, or a corrupt database; 2 bad usage, configuration or input file;
    3 work remains, or a check found something; 4 another job holds the lock.
    """
    context.obj = load_settings(db_dir, queries)
    topic.use(context.obj.topic)


def pmid_of(text: str) -> ArticleKey:
    from tracker.article import given_key

    try:
        return given_key(text)
    except ValueError as error:
        raise UsageError(f"{error}.") from None


def check_people(db: sqlite3.Connection, *names: str | None) -> None:
    from tracker.team.people import named

    for name in names:
        if name is not None:
            named(db, name)


def evidence_with_annotations(settings: Settings) -> sqlite3.Connection:
    """evidence.db, with annotations.db attached if there is one, both read-only."""
    from tracker.evidence import connect
    from tracker.team import acts

    db = open_evidence(settings)
    try:
        if settings.annotations_db.is_file():
            connect.attach(db, settings.annotations_db, acts.migrations, "annotations")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def evidence_if_any(settings: Settings) -> Iterator[sqlite3.Connection | None]:
    if not settings.evidence_db.is_file():
        yield None
        return
    with closing(open_evidence(settings)) as db:
        yield db


def open_people(settings: Settings) -> sqlite3.Connection:
    """annotations.db for writing, created if missing."""
    from tracker.team.acts import open_annotations

    return open_annotations(settings.annotations_db)


def read_people(settings: Settings) -> sqlite3.Connection:
    """annotations.db for reading, so that a read-only copy will do."""
    from tracker.evidence import connect
    from tracker.team import acts

    if not settings.annotations_db.is_file():
        raise UsageError(
            f"{settings.annotations_db}: there is no such file yet, because nobody has written anything."
        )
    return connect.open_for_reading(settings.annotations_db, acts.migrations)


def after_readers() -> None:
    """Give the site's readers priority: a job that takes both cores makes them wait (measured)."""
    if hasattr(os, "setpriority"):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, max(JOBS_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def questions_named(settings: Settings, slugs: Sequence[str]) -> Any:
    """The named questions, or all of them. Raises UsageError for an unknown name."""
    from tracker.questions import load_questions

    known = load_questions(settings.queries)
    if unknown := [slug for slug in slugs if slug not in {question.slug for question in known}]:
        names = choose_one(question.slug for question in known)
        raise UsageError(f"Unknown question {unknown[0]!r} in {settings.queries}. {names}")
    return tuple(question for question in known if not slugs or question.slug in slugs)


def open_evidence(settings: Settings) -> sqlite3.Connection:
    from tracker.evidence import connect, schema

    return connect.open_for_reading(settings.evidence_db, schema.migrations)


def cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_table(columns: Iterable[str], rows: Iterable[Sequence[str]], caption: str | None = None) -> None:
    """A table that fits the terminal; in other output nothing is folded or cut."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, caption=caption, caption_justify="left")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(harmless(each)) for each in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(table)
