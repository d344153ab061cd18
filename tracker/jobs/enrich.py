"""Ask the other services: the last step of a refresh, or on command. Whatever fails, what is stored stays."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from tracker import __version__
from tracker.enrich.asking import Job, ask
from tracker.enrich.runs import Asked
from tracker.enrich.source import Scope
from tracker.enrich.sources import sources
from tracker.errors import UsageError
from tracker.evidence import connect, runs, schema, wrongclock
from tracker.jobs.console import Console
from tracker.jobs.lock import writing_job
from tracker.pubmed.transport import OnWait
from tracker.questions import Question
from tracker.settings import Settings


def enrich(
    settings: Settings,
    questions: Sequence[Question],
    console: Console,
    *,
    names: Collection[str] = (),
    limit: int | None = None,
) -> dict[str, Any]:
    """Ask the services of the settings, or those named, about these questions' articles and trials.

    Returns the report that ``tracker enrich --json`` prints. Each service is asked about at most ``limit`` keys.
    Raises UsageError for an unknown service or without an e-mail address, LockHeld if another job is running, and
    what opening the database raises. A failing service raises nothing: the report says so.
    """
    chosen = tuple(names) or settings.enrich
    # Named before anything is opened: a name that is wrong must change nothing.
    sources(chosen)
    if chosen and not settings.email:
        raise UsageError(
            "These services ask for an e-mail address with every request. Set TRACKER_EMAIL in the environment or in "
            ".env."
        )
    with writing_job(settings.db_dir):
        db = connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")
        try:
            for words in wrongclock.put_right(db):
                console.say(words)
            details = {
                "questions": [question.slug for question in questions],
                "sources": chosen,
                "limit": limit,
            }
            run = runs.start(db, "enrich", __version__, details)
            try:
                report = report_of(
                    ask_services(db, run, settings, questions, console, names=chosen, limit=limit)
                )
            except BaseException as error:
                with connect.transaction(db):
                    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__
                    runs.finish(db, run, runs.FAILED, reason, details)
                raise
            with connect.transaction(db):
                runs.finish(db, run, report["outcome"], report["reason"], report)
            connect.tidy(db, console.say)
            return report
        except sqlite3.DatabaseError as error:
            raise connect.plain_error(settings.evidence_db, error) from None
        finally:
            db.close()


def ask_services(
    db: sqlite3.Connection,
    run: int,
    settings: Settings,
    questions: Sequence[Question],
    console: Console,
    *,
    names: Collection[str],
    limit: int | None = None,
) -> list[Asked]:
    """Ask each of these services within a run, whichever of them fail; says what came of it."""
    searches = {question.slug: question.trials.terms for question in questions if question.trials}
    scope = Scope([question.slug for question in questions], searches)
    job = Job(db, run, scope, settings, limit)
    done = []
    for source in sources(names):
        asked = ask(job, source, partial(console.progress, source.title), _waiting(console, source.title))
        if asked.due or asked.outcome == "failed":
            console.say(_in_words(source.title, asked))
        done.append(asked)
    return done


def _waiting(console: Console, title: str) -> OnWait:
    return lambda seconds, reason: console.waiting(seconds, f"{title}: {reason}")


def report_of(done: Sequence[Asked]) -> dict[str, Any]:
    """What was asked, service by service, and what it comes to; keys that are left for another run are no failure."""
    failures = [f"{asked.source}: {asked.reason}" for asked in done if asked.outcome == "failed"]
    return {
        "outcome": runs.INCOMPLETE if failures else runs.COMPLETE,
        "reason": " ".join(failures) or None,
        "sources": [asdict(asked) for asked in done],
    }


def _in_words(title: str, asked: Asked) -> str:
    if asked.outcome == "failed":
        reason = str(asked.reason)
        return reason if reason.startswith(title) else f"{title}: {reason}"
    left = f"; {asked.due - asked.asked:,} are left for the next run" if asked.asked < asked.due else ""
    return f"{title}: asked about {asked.asked:,}, answered for {asked.answered:,}{left}"
