"""What somebody who looks after this installation must know: one sentence, and the facts behind it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from tracker.errors import TrackerError
from tracker.evidence import connect, runs, schema
from tracker.evidence.status import MAX_AGE, latest_runs, status
from tracker.jobs.backup import last_backup
from tracker.jobs.lock import is_writing
from tracker.jobs.refresh import what_helps
from tracker.questions import load_questions
from tracker.settings import Settings

# A refresh that began within these hours was last night's, wherever the clock stands now.
LAST_NIGHT = timedelta(hours=36)


def look(settings: Settings, max_age: int = MAX_AGE, searches: bool = False) -> dict[str, Any]:
    """What ``tracker status --json`` prints: ``sentence``, ``well``, and what they rest on.

    ``well`` is False if a question is stale or incomplete, or the last refresh was killed. A run that is logged as
    running although no job is at work was killed: it is told as failed, and why. Raises what opening the database
    raises.
    """
    with closing(connect.open_for_reading(settings.evidence_db, schema.migrations)) as db:
        report = status(db, max_age, searches)
        killed = _killed(db, settings)
        report["runs"] = [_as_it_ended(row) if row["run"] in killed else row for row in report["runs"]]
        refresh = runs.last(db, "refresh")
    backup = last_backup(settings)
    report["last_refresh"] = refresh and _told(refresh, refresh.run in killed, settings)
    report["last_backup"] = backup and backup.model_dump()
    report["disk_free_bytes"] = shutil.disk_usage(settings.db_dir).free
    _look_into_files(settings, report)
    was_killed = bool(refresh and refresh.run in killed)
    return {"sentence": sentence(report), "well": not report["stale"] and not was_killed, **report}


def sentence(report: Mapping[str, Any]) -> str:
    """How it stands, in one sentence, or what to do now in a second one."""
    refresh, stale, total = report["last_refresh"], report["stale"], len(report["questions"])
    if report["clock_was_ahead"]:
        return "A clock was wrong. Check this machine's, then run 'tracker refresh', which corrects stored times."
    if refresh is None:
        return "Nothing has been refreshed yet. Run 'tracker refresh'."
    if refresh["outcome"] == runs.RUNNING:
        return f"A refresh is at work since {_minute(refresh['started'])}. Look again when it has finished."
    if refresh["reason"] == runs.STOPPED:
        return (
            f"The refresh of {_minute(refresh['started'])} {runs.STOPPED}. Run 'tracker refresh' to continue."
        )
    if stale:
        what = f"{len(stale)} of {total} questions {'is' if len(stale) == 1 else 'are'} stale or incomplete"
        if helps := refresh["what_helps"]:
            return f"The refresh of {_minute(refresh['started'])} is {refresh['outcome']}: {what}. {helps}"
        return f"{what}. Run 'tracker refresh', and see whether its schedule still does."
    all_complete = f"{total} of {total} questions complete"
    if not _is_recent(refresh["started"]):
        return f"The refresh of {refresh['started'][:10]} went well: {all_complete}. {_backup(report)}"
    if _is_backed_up(report):
        return f"Last night went well: {all_complete}, backup made."
    return f"{all_complete}. {_backup(report)}"


def about_searches(row: Mapping[str, Any]) -> Iterator[str]:
    """What the owner of a question should look at in its search, line by line: seeds, and what PubMed makes of it.

    ``row`` is a question of ``look`` with ``searches``.
    """
    if row["seeds_missing"]:
        missing = ", ".join(str(seed["pmid"]) for seed in row["seeds_missing"])
        yield f"seed papers not found: {missing}"
    for seed in row["seeds_with_another_title"]:
        yield f"seed {seed['pmid']} is called {seed['record_title']!r} in PubMed"
    for line in row["lines"]:
        for words in line["drift"]:
            yield f"line {line['line']}: {words}"


def _killed(db: sqlite3.Connection, settings: Settings) -> set[int]:
    """The runs that are logged as running while nobody works: one that ended meanwhile is logged as ended by then."""

    def running() -> set[int]:
        return {row["run"] for row in latest_runs(db) if row["outcome"] == runs.RUNNING}

    return running() if running() and not is_writing(settings.db_dir) else set()


def _as_it_ended(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"outcome": runs.FAILED, "reason": runs.STOPPED}


def _told(refresh: runs.LastRun, is_killed: bool, settings: Settings) -> dict[str, Any]:
    told = {
        "run": refresh.run,
        "started": refresh.started,
        "outcome": refresh.outcome,
        "reason": refresh.reason,
        "what_helps": None,
    }
    if is_killed:
        return _as_it_ended(told)
    if refresh.outcome in (runs.INCOMPLETE, runs.FAILED) and "interrupted" in refresh.details:
        told["what_helps"] = what_helps(refresh.details, settings.queries)
    return told


def _backup(report: Mapping[str, Any]) -> str:
    """What there is to say of the backup, as a sentence."""
    last = report["last_backup"]
    if last is None:
        return "No backup has been made: run 'tracker backup'."
    if _is_backed_up(report):
        return f"Backup of {_minute(last['moment'])}."
    return f"The last backup is of {_minute(last['moment'])}: run 'tracker backup'."


def _is_backed_up(report: Mapping[str, Any]) -> bool:
    """Whether what the last refresh brought is in a backup, or the backup is only a day behind."""
    last = report["last_backup"]
    return last is not None and (
        last["moment"] >= report["last_refresh"]["started"] or _is_recent(last["moment"])
    )


def _is_recent(moment: str) -> bool:
    return moment >= f"{datetime.now(UTC) - LAST_NIGHT:%Y-%m-%dT%H:%M:%SZ}"


def _minute(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


def _look_into_files(settings: Settings, report: dict[str, Any]) -> None:
    """Say of each question whether its file has another search now; where files cannot be used, what a job last saw."""
    try:
        in_files = {question.slug: question.strategy_hash for question in load_questions(settings.queries)}
    except TrackerError:
        return
    for row in report["questions"]:
        if row["search"] and row["question"] in in_files:
            row["edited"] = row["search"]["hash"] != in_files[row["question"]]
