"""One command from nothing to a site: a refresh if PubMed can be reached, then the pages, whatever its outcome."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracker.errors import LockHeld, ServiceError, UsageError
from tracker.evidence import runs
from tracker.jobs.console import Console
from tracker.jobs.refresh import refresh
from tracker.jobs.starter import load_starter
from tracker.pubmed.entrez import PubMed
from tracker.pubmed.transport import Backoff
from tracker.questions import Question
from tracker.settings import EMAIL, Settings
from tracker.site.server.serve import check_port, serve

# Checking whether PubMed answers must not keep anybody waiting; a refresh is more patient.
QUICK = Backoff(tries=2, first=0.5, most=1.0)
QUICK_SECONDS = 10.0
DOTENV = Path(".env")
WHY_EMAIL = (
    "NCBI asks every program that uses PubMed for its user's e-mail address. Yours is kept in .env in this\n"
    "folder and sent to NCBI with each request, and to nobody else."
)


def up(settings: Settings, questions: Sequence[Question], console: Console, *, host: str, port: int) -> None:
    """Refresh these questions if possible, then serve the site until it is stopped.

    Without an e-mail address or without PubMed it says so and serves what is stored; if the database is empty,
    it loads the starter citations first.

    Raises UsageError for a port that is taken (before anything else is done), KeyboardInterrupt if the
    refresh is interrupted, and what opening the database raises.
    """
    check_port(host, port)
    if not settings.email and is_attended():
        settings = ask_for_email(settings, console)
    try:
        if not brought_up_to_date(settings, questions, console):
            load_starter(settings, questions, console)
    except LockHeld:
        console.say(
            "another refresh, load or rebuild is running in this folder; serving what is stored so far"
        )
    serve(settings, host=host, port=port)


def brought_up_to_date(settings: Settings, questions: Sequence[Question], console: Console) -> bool:
    """Refresh if possible. If that fails or stays incomplete, say why and return False."""
    if lack := what_is_lacking(settings):
        console.say(f"No refresh: {lack}")
        return False
    # Nobody who waits for the first page waits for the other services, too.
    report = refresh(replace(settings, enrich=()), questions, console)
    if report["interrupted"]:
        raise KeyboardInterrupt
    _say_what_came(report, console)
    return bool(report["outcome"] == runs.COMPLETE)


def what_is_lacking(settings: Settings) -> str | None:
    """What a refresh needs and lacks; None if PubMed answers."""
    if not settings.email:
        return "no e-mail address is set, and NCBI asks for one. Add TRACKER_EMAIL=you@example.org to .env."
    impatient = replace(settings, timeout=min(settings.timeout, QUICK_SECONDS))
    try:
        with PubMed(impatient, backoff=QUICK) as pubmed:
            pubmed.state()
    except (ServiceError, UsageError) as error:
        return str(error)
    return None


def _say_what_came(report: dict[str, Any], console: Console) -> None:
    for row in report["questions"]:
        counted = "–" if row["counted"] is None else f"{row['counted']:,}"
        outcome = "complete" if row["complete"] else f"incomplete: {'; '.join(row['reasons'])}"
        console.say(f"{row['question']}: {counted} counted, {row['entered']:,} entered; {outcome}")
    if report["outcome"] != runs.COMPLETE:
        console.say(
            "The refresh is incomplete, as said above; serving what is stored. 'tracker refresh' tries again."
        )


# -- the e-mail address ----------------------------------------------------------------------------


def is_attended() -> bool:
    """Whether somebody is at the terminal to answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask_for_email(settings: Settings, console: Console) -> Settings:
    """Ask on the terminal; keep the answer in .env. An empty answer leaves the settings as they are."""
    console.say(WHY_EMAIL)
    while answer := _answer():
        if EMAIL.fullmatch(answer):
            try:
                keep_email(answer)
            except OSError as error:
                console.say(
                    f"{DOTENV}: cannot be written ({error.strerror}); the address is used this time only"
                )
            return replace(settings, email=answer)
        console.say(f"{answer!r} is not an e-mail address.")
    return settings


def _answer() -> str:
    sys.stderr.write("E-mail address (press Enter to continue without one): ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def keep_email(email: str) -> None:
    """Add the address to .env; a new file is readable by its owner only, as a key may be added later."""
    before = DOTENV.read_bytes() if DOTENV.exists() else b""
    line_break = "\n" if before and not before.endswith(b"\n") else ""
    descriptor = os.open(DOTENV, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(f"{line_break}TRACKER_EMAIL={email}\n")
