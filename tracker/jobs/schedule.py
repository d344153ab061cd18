"""Recipes that make this installation look after itself every night; the templates are in schedules/."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from tracker.settings import Settings, load_settings

# Between 9 pm and 5 am US Eastern time all year, even if this machine's clock changes by an hour.
HOUR_UTC = 5
WATCH_AFTER = 6


class Job(NamedTuple):
    """A command of every night: its timer starts it ``at`` this time (UTC) or up to ``spread`` later, and ``why``."""

    command: str
    about: str
    at: str
    why: str
    spread: str = "0"
    network: bool = True

    @property
    def unit(self) -> str:
        return f"{UNIT}-{self.command}" if self is not REFRESH else UNIT


UNIT = "evidence-tracker"
REFRESH = Job(
    "refresh",
    "Refresh evidence-tracker from PubMed",
    "04:00",
    "With the delay, 4 to 8 am UTC: 9 pm to 5 am US Eastern time all year, where NCBI asks large jobs to keep to.",
    spread="4h",
)
DIGEST = Job(
    "digest",
    "Mail what is new in evidence-tracker",
    "08:05",
    "When the last refresh of the night has begun; the service waits until it is done.",
)
BACKUP = Job(
    "backup",
    "Back up evidence-tracker",
    "08:10",
    "When the last refresh of the night has begun; the service waits until it is done.",
    network=False,
)
WATCH = Job(
    "doctor",
    "Look whether all is well with evidence-tracker",
    "08:40",
    "When the night should be over; the service waits for what is still at work.",
)
# Where programs that send mail are, besides the PATH.
MAILERS = ("/usr/sbin", "/usr/lib")
# Variables that may be set in a shell, where a scheduler's job would not see them.
VARIABLES = {
    "email": "TRACKER_EMAIL",
    "api_key": "NCBI_API_KEY",
    "eutils_url": "TRACKER_EUTILS_URL",
    "timeout": "TRACKER_TIMEOUT",
    "enrich": "TRACKER_ENRICH",
    "ping_url": "TRACKER_PING_URL",
    "smtp_url": "TRACKER_SMTP_URL",
    "mail_from": "TRACKER_MAIL_FROM",
    "site_url": "TRACKER_SITE_URL",
}


def night(settings: Settings) -> tuple[Job, ...]:
    """The jobs of a night in their order: each waits for those before it, and runs however they ended.

    Enriching is a part of the refresh. What is new is mailed where mail is set up.
    """
    mails = settings.smtp_url and settings.mail_from and settings.site_url
    return (REFRESH, *([DIGEST] if mails else []), BACKUP)


def recipe(settings: Settings, scheduler: str, backups: Path | None = None) -> dict[str, str]:
    """The text of each file, by its name, for ``cron``, ``systemd`` or ``github-actions``.

    ``backups`` is the folder to back up into; on GitHub's machines, which have no folder of ours, it is an artifact.
    """
    if scheduler == "cron":
        return {"crontab": _filled("crontab", _for_cron(settings, backups))}
    if scheduler == "systemd":
        return dict(_units(settings, backups))
    values = {"minute": _minute(settings), "hour": HOUR_UTC, "watch": WATCH.command}
    return {"evidence-tracker.yml": _filled("evidence-tracker.yml", values)}


def remarks(settings: Settings, scheduler: str, backups: Path | None = None) -> Iterator[str]:
    """What the recipe needs and this machine lacks, in sentences."""
    if scheduler == "github-actions":
        yield "Put it into .github/workflows, and TRACKER_EMAIL into the secrets of the repository."
        return
    bare = load_settings(environ={})
    if not settings.email:
        yield "TRACKER_EMAIL is not set, and no refresh runs without it. Add it to .env in this folder."
    for name, variable in VARIABLES.items():
        if getattr(settings, name) != getattr(bare, name):
            yield f"{variable} is set in this shell only. Add it to .env in this folder, or no job will see it."
    if not settings.db_dir.is_dir():
        yield f"{settings.db_dir}: no such folder yet. Run 'tracker refresh' once by hand."
    if backups and not backups.is_dir():
        yield f"{backups}: no such folder yet, and a backup does not create it. Mount its disk, or create it once."
    if scheduler == "cron" and not _has_mailer():
        yield (
            "Nothing here sends mail (there is no sendmail), so cron can tell nobody what went wrong. Install a mailer "
            "such as msmtp-mta, or set TRACKER_PING_URL."
        )


def _has_mailer() -> bool:
    places = (os.environ.get("PATH", os.defpath), *MAILERS)
    return shutil.which("sendmail", path=os.pathsep.join(places)) is not None


def _filled(template: str, values: dict[str, object]) -> str:
    return _template(template).format(**values)


def _template(name: str) -> str:
    return (files(__package__) / "schedules" / name).read_text("utf-8")


def _command(settings: Settings) -> tuple[str, ...]:
    """The ``tracker`` command by absolute paths, independent of the PATH and the current folder."""
    db_dir, queries = str(settings.db_dir.absolute()), str(settings.queries.absolute())
    return (sys.executable, "-m", "tracker", "--db-dir", db_dir, "--queries", queries)


def _minute(settings: Settings) -> int:
    """A minute of this installation's own: not everybody should ask PubMed at the full hour."""
    return crc32(str(settings.db_dir.absolute()).encode()) % 60


# -- cron ------------------------------------------------------------------------------------------


def _for_cron(settings: Settings, backups: Path | None) -> dict[str, object]:
    at = datetime.now(UTC).replace(hour=HOUR_UTC, minute=_minute(settings)).astimezone()
    return {
        "minute": at.minute,
        "hour": at.hour,
        "watch_hour": (at.hour + WATCH_AFTER) % 24,
        "folder": _in_crontab([str(Path.cwd())]),
        "tracker": _in_crontab(_command(settings)),
        "night": "; ".join(_in_night(job, settings, backups) for job in night(settings)),
        "watch": WATCH.command,
    }


def _in_night(job: Job, settings: Settings, backups: Path | None) -> str:
    """One command of the night, into the log; of a refresh that fails the watch will tell."""
    idle = "ionice -c 3 " if shutil.which("ionice") else ""
    words = _in_crontab((*_command(settings), job.command, *_arguments(job, backups)))
    log = _in_crontab([str(settings.db_dir.absolute() / "refresh.log")])
    return f"nice -n 19 {idle}{words} >> {log}{' 2>&1' if job is REFRESH else ''}"


def _arguments(job: Job, backups: Path | None) -> list[str]:
    return [str(backups.absolute())] if job is BACKUP and backups else []


def _in_crontab(words: Iterable[str]) -> str:
    """Words quoted for the shell; cron itself takes a bare % as the end of the command."""
    return shlex.join(words).replace("%", r"\%")


# -- systemd ---------------------------------------------------------------------------------------


def _units(settings: Settings, backups: Path | None) -> Iterator[tuple[str, str]]:
    shared = _for_systemd(settings, backups)
    jobs = (*night(settings), WATCH)
    for number, job in enumerate(jobs):
        own = {
            "unit": job.unit,
            "about": job.about,
            "command": " ".join(_in_command(word) for word in (job.command, *_arguments(job, backups))),
            "order": "\n".join(_order(job, jobs[:number])),
            "confinement": _filled("with-network" if job.network else "without-network", shared).rstrip(),
            "at": job.at,
            "spread": job.spread,
            "why": job.why,
        }
        for kind in ("service", "timer"):
            yield f"{job.unit}.{kind}", _filled(kind, shared | own)


def _order(job: Job, before: Iterable[Job]) -> Iterator[str]:
    if job.network:
        yield "Wants=network-online.target"
        yield "After=network-online.target"
    if units := " ".join(f"{each.unit}.service" for each in before):
        yield "# After what is still at work, however that ends."
        yield f"After={units}"


def _for_systemd(settings: Settings, backups: Path | None) -> dict[str, object]:
    db_dir = _in_unit(str(settings.db_dir.absolute()))
    return {
        "user": getpass.getuser(),
        "folder": str(Path.cwd()).replace("%", "%%"),
        "tracker": " ".join(_in_command(word) for word in _command(settings)),
        # If it is not mounted, the backup itself has to say so, in plain words.
        "writable": " ".join((db_dir, _in_unit(f"-{backups.absolute()}"))) if backups else db_dir,
        "temporary": _in_unit(tempfile.gettempdir()),
    }


def _in_command(word: str) -> str:
    return _in_unit(word).replace("$", "$$")


def _in_unit(word: str) -> str:
    """One word of a line in a unit file, where % begins a specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(escaped) & set(" \t\"';\\") else escaped
