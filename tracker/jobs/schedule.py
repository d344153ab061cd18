"""Recipes that make this installation refresh and back up every night; the templates are in schedules/."""

from __future__ import annotations

import getpass
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from zlib import crc32

from tracker.settings import Settings, load_settings

# Between 9 pm and 5 am US Eastern time all year, even if this machine's clock changes by an hour.
HOUR_UTC = 5
WATCH_AFTER = 6
TEMPLATES = {
    "cron": ("crontab",),
    "systemd": (
        "evidence-tracker.service",
        "evidence-tracker.timer",
        "evidence-tracker-backup.service",
        "evidence-tracker-backup.timer",
    ),
}
# Variables that may be set in a shell, where a scheduler's job would not see them.
VARIABLES = {
    "email": "TRACKER_EMAIL",
    "api_key": "NCBI_API_KEY",
    "eutils_url": "TRACKER_EUTILS_URL",
    "timeout": "TRACKER_TIMEOUT",
    "enrich": "TRACKER_ENRICH",
}


def recipe(settings: Settings, scheduler: str, backups: Path | None = None) -> dict[str, str]:
    """The text of each file, by its name, for ``cron`` or ``systemd``; ``backups`` is the folder to back up into."""
    values = _for_cron(settings, backups) if scheduler == "cron" else _for_systemd(settings, backups)
    return {name: _template(name).format(**values) for name in TEMPLATES[scheduler]}


def remarks(settings: Settings, backups: Path | None = None) -> Iterator[str]:
    """What the recipe needs and this machine lacks, in sentences."""
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


def _template(name: str) -> str:
    return (files(__package__) / "schedules" / name).read_text("utf-8")


def _command(settings: Settings) -> tuple[str, ...]:
    """The ``tracker`` command by absolute paths, independent of the PATH and the current folder."""
    db_dir, queries = str(settings.db_dir.absolute()), str(settings.queries.absolute())
    return (sys.executable, "-m", "tracker", "--db-dir", db_dir, "--queries", queries)


# -- cron ------------------------------------------------------------------------------------------


def _for_cron(settings: Settings, backups: Path | None) -> dict[str, object]:
    db_dir = settings.db_dir.absolute()
    at = datetime.now(UTC).replace(hour=HOUR_UTC, minute=crc32(str(db_dir).encode()) % 60).astimezone()
    idle = "ionice -c 3 " if shutil.which("ionice") else ""
    return {
        "minute": at.minute,
        "hour": at.hour,
        "watch_hour": (at.hour + WATCH_AFTER) % 24,
        "folder": _in_crontab([str(Path.cwd())]),
        "nice": f"nice -n 19 {idle}",
        "tracker": _in_crontab(_command(settings)),
        "backups": f" {_in_crontab([str(backups.absolute())])}" if backups else "",
        "log": _in_crontab([str(db_dir / "refresh.log")]),
    }


def _in_crontab(words: Iterable[str]) -> str:
    """Words quoted for the shell; cron itself takes a bare % as the end of the command."""
    return shlex.join(words).replace("%", r"\%")


# -- systemd ---------------------------------------------------------------------------------------


def _for_systemd(settings: Settings, backups: Path | None) -> dict[str, str]:
    db_dir = _in_unit(str(settings.db_dir.absolute()))
    folder = str(backups.absolute()) if backups else ""
    return {
        "user": getpass.getuser(),
        "folder": str(Path.cwd()).replace("%", "%%"),
        "tracker": " ".join(_in_command(word) for word in _command(settings)),
        "backups": f" {_in_command(folder)}" if backups else "",
        "db_dir": db_dir,
        # If it is not mounted, the backup itself has to say so, in plain words.
        "writable": " ".join((db_dir, _in_unit(f"-{folder}"))) if backups else db_dir,
        "temporary": _in_unit(tempfile.gettempdir()),
    }


def _in_command(word: str) -> str:
    return _in_unit(word).replace("$", "$$")


def _in_unit(word: str) -> str:
    """One word of a line in a unit file, where % begins a specifier."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if set(escaped) & set(" \t\"';\\") else escaped
