"""What may be wrong with an installation: each check explains what it found, and mends what is safe to mend.

``CHECKS`` is the list. A check changes nothing: what would mend it is a function that it hands back.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tracker.errors import TrackerError
from tracker.evidence import articles, connect, wrongclock
from tracker.evidence.steps import Schema
from tracker.jobs import copies
from tracker.jobs.backup import PART, default_folder, last_backup, megabytes
from tracker.jobs.lock import backing_up, writing_job
from tracker.jobs.up import what_is_lacking
from tracker.jobs.watch import look
from tracker.settings import Settings

# SQLite's locks and its log are not safe there (https://www.sqlite.org/wal.html, https://www.sqlite.org/faq.html#q5).
NETWORK_DISKS = frozenset(
    "9p afs ceph cifs davfs fuse.davfs2 fuse.glusterfs fuse.rclone fuse.sshfs lustre nfs nfs4 smb3 smbfs".split()
)
SECRETS = ("NCBI_API_KEY", "TRACKER_SECRET", "TRACKER_PING_URL", "TRACKER_SMTP_URL")
MOUNTS = Path("/proc/mounts")
# Seconds for reading all pages of a database; a backup reads them however long that takes.
PATIENCE = 60.0
BACKUP_DAYS = 3
# Bytes that a night takes at most besides a copy of the databases: a first refresh's log, compressed backups.
ROOM = 500_000_000


class Finding(NamedTuple):
    """What a check found: whether all is ``well``, in words, what to do, and what would mend it, if that is safe.

    ``mend`` returns what it did, and raises what the job that it belongs to raises.
    """

    well: bool
    found: str
    remedy: str = ""
    mend: Callable[[], str] | None = None


class Examined(NamedTuple):
    """A check by its name, what it found in the end, and what was mended before."""

    check: str
    finding: Finding
    mended: str | None = None

    def as_row(self) -> dict[str, Any]:
        finding = self.finding
        return {
            "check": self.check,
            "well": finding.well,
            "found": finding.found,
            "remedy": finding.remedy,
            "mendable": finding.mend is not None,
            "mended": self.mended,
        }


def examine(settings: Settings, *, offline: bool = False, fix: bool = False) -> Iterator[Examined]:
    """Every check in turn, ``offline`` without those that need a network; with ``fix`` what is safe is mended.

    It raises nothing: a check that cannot be made is one that found something.
    """
    for name, check in CHECKS.items():
        if offline and check in NEED_NETWORK:
            continue
        finding = _made(check, settings)
        if fix and finding.mend:
            try:
                mended = finding.mend()
            except (TrackerError, OSError, sqlite3.Error) as error:
                yield Examined(name, finding._replace(remedy=f"It could not be mended: {error}"))
            else:
                yield Examined(name, _made(check, settings), mended)
        else:
            yield Examined(name, finding)


def _made(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except (TrackerError, OSError, sqlite3.Error) as error:
        return Finding(False, str(error))


# -- the checks ------------------------------------------------------------------------------------


def _contact(settings: Settings) -> Finding:
    if not settings.email:
        return Finding(False, "TRACKER_EMAIL is not set, and no refresh runs without it.", "Add it to .env.")
    speed = f"{settings.requests_per_second} requests a second"
    return Finding(
        True, f"{settings.email} is told to NCBI; {speed}{'' if settings.api_key else ', without a key'}."
    )


def _pubmed(settings: Settings) -> Finding:
    lack = what_is_lacking(settings)
    return Finding(False, lack) if lack else Finding(True, "PubMed answers.")


def _disk(settings: Settings) -> Finding:
    kind = _file_system(settings.db_dir)
    if kind in NETWORK_DISKS:
        return Finding(
            False,
            f"{settings.db_dir} is on a network disk ({kind}), where SQLite's locks are not safe.",
            "Move the folder to a local disk (TRACKER_DB_DIR), and back up to the network disk instead.",
        )
    return Finding(True, f"{settings.db_dir} is on a local disk{f' ({kind})' if kind else ''}.")


def _file_system(folder: Path) -> str | None:
    """The kind of the file system that a folder is on, as Linux names it; None elsewhere."""
    if not MOUNTS.exists():
        return None
    lines = [line.split() for line in MOUNTS.read_text("utf-8", "replace").splitlines()]
    # Spaces in names are written as octal numbers.
    mounts = {words[1].encode().decode("unicode_escape"): words[2] for words in lines}
    place = folder.resolve()
    return next((mounts[str(each)] for each in (place, *place.parents) if str(each) in mounts), None)


def _space(settings: Settings) -> Finding:
    sizes = [path.stat().st_size for path in _databases(settings).values()]
    needed, place = ROOM + max(sizes, default=0) + sum(sizes) // 2, _existing(settings.db_dir)
    free = shutil.disk_usage(place).free
    if free < needed:
        return Finding(
            False,
            f"{place}: {megabytes(free)} are free, and a night may need {megabytes(needed)}.",
            "Make room, or back up to another disk.",
        )
    return Finding(True, f"{megabytes(free)} are free; a night may need {megabytes(needed)}.")


def _permissions(settings: Settings) -> Finding:
    """Secrets that others can read, databases that anybody can write, and a folder that we cannot write."""
    place = _existing(settings.db_dir)
    if not os.access(place, os.W_OK):
        return Finding(
            False, f"{place} cannot be written by this user.", "Run as its owner, or change the owner."
        )
    too_open = dict(_too_open(settings))
    if too_open:
        names = ", ".join(map(str, too_open))
        return Finding(False, f"Others can read or write {names}.", "", partial(_close, too_open))
    return Finding(True, "The databases can be written, and secrets are private.")


def _too_open(settings: Settings) -> Iterator[tuple[Path, int]]:
    """Files with the bits of their mode that should not be set."""
    secret = [settings.db_dir / ".secret", *filter(_holds_secret, [Path(".env")])]
    bits = dict.fromkeys(secret, stat.S_IRWXG | stat.S_IRWXO)
    bits |= dict.fromkeys((settings.db_dir, *_databases(settings).values()), stat.S_IWOTH)
    # It holds password hashes; a group of people may share it.
    bits[settings.annotations_db] = stat.S_IRWXO
    for path, unwanted in bits.items():
        if os.name == "posix" and path.exists() and path.stat().st_mode & unwanted:
            yield path, unwanted


def _holds_secret(dotenv: Path) -> bool:
    """Whether there is more in it than addresses and folders."""
    return dotenv.is_file() and any(name in dotenv.read_text("utf-8", "replace") for name in SECRETS)


def _close(too_open: dict[Path, int]) -> str:
    for path, unwanted in too_open.items():
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~unwanted)
    return f"{', '.join(map(str, too_open))}: permissions removed"


def _schema(settings: Settings) -> Finding:
    """Whether the databases are ours, and of this version."""
    if not _databases(settings):
        return Finding(False, "There is no database yet.", "Run 'tracker refresh'.")
    behind = []
    for name, path in _databases(settings).items():
        with _reading(path) as db:
            schema: Schema = copies.DATABASES[name].schema
            missing = len(schema.steps) - len(connect.applied_steps(db, path, schema))
            connect.check_ours(db, schema)
        if missing:
            behind.append(f"{name} is {missing} step{'' if missing == 1 else 's'} behind this version")
    if behind:
        return Finding(
            False, f"{', '.join(behind)}.", "Run 'tracker status': it backs up, then brings it up to date."
        )
    return Finding(True, "The databases have the schema of this version.")


def _integrity(settings: Settings) -> Finding:
    """Every page, index and reference, as far as that takes a minute."""
    unread = []
    for name, path in _databases(settings).items():
        with _reading(path) as db:
            until = time.monotonic() + PATIENCE
            db.set_progress_handler(partial(_is_over, until), 100_000)
            try:
                (told,) = db.execute("pragma quick_check(1)").fetchone()
                broken = db.execute("pragma foreign_key_check").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                    raise
                unread.append(name)
                continue
        if told != "ok" or broken:
            return Finding(
                False,
                f"{path} is damaged: {told if told != 'ok' else f'a row of {broken[0]} refers to a missing row'}.",
                "Stop the site, then 'tracker restore latest'.",
            )
    if unread:
        return Finding(
            True,
            f"{' and '.join(unread)}: too large to read in a minute. 'tracker backup' checks every page.",
        )
    return Finding(True, "The databases are whole.") if _databases(settings) else NO_DATABASE


def _is_over(until: float) -> bool:
    return time.monotonic() > until


def _orphans(settings: Settings) -> Finding:
    """What people wrote about records that are not stored: it would be on no page."""
    if len(_databases(settings)) < len(copies.DATABASES):
        return Finding(True, "Nobody has written anything yet.")
    with _reading(settings.annotations_db) as db:
        uri = connect.reading_uri(settings.evidence_db)
        db.execute("attach database :file as evidence", {"file": uri})
        tables = db.execute(
            """
            select m.name from main.sqlite_master m join pragma_table_info(m.name) c
            where m.type = 'table' and c.name = 'pmid' and m.name <> 'events' order by 1
            """
        ).fetchall()
        union = " union ".join(f"select pmid from main.{table}" for (table,) in tables)
        query = f"""
            select pmid from ({union}) where pmid > 0 and pmid not in (select pmid from evidence.record_state)
            limit 6
            """
        pmids = [str(pmid) for (pmid,) in db.execute(query)]
    if pmids:
        some = f"{', '.join(pmids[:5])}{' and others' if len(pmids) > 5 else ''}"
        return Finding(
            False,
            f"Tags, decisions or notes are about records that are not stored: {some}.",
            "Run 'tracker refresh'; if they stay, restore the evidence.db of the same backup, or load these records.",
        )
    return Finding(True, "Everything that people wrote is about a stored record.")


def _clock(settings: Settings) -> Finding:
    if not settings.evidence_db.is_file():
        return NO_DATABASE
    with _reading(settings.evidence_db) as db:
        ahead, later = wrongclock.latest_ahead(db), wrongclock.pubmed_is_later(db)
    if later:
        return Finding(
            False, f"PubMed has records of {later}, which is in the future by this clock.", "Set the clock."
        )
    if ahead:
        return Finding(
            False, f"Times up to {ahead} are stored: a clock was wrong.", "", partial(_set_back, settings)
        )
    return Finding(True, "No stored time is in the future.")


def _set_back(settings: Settings) -> str:
    from tracker.evidence import schema

    with (
        writing_job(settings.db_dir),
        closing(connect.open_for_writing(settings.evidence_db, schema.migrations, "NORMAL")) as db,
    ):
        return "; ".join(wrongclock.put_right(db))


def _derived(settings: Settings) -> Finding:
    if not settings.evidence_db.is_file():
        return NO_DATABASE
    with _reading(settings.evidence_db) as db:
        older = articles.read_by_older_rules(db)
    if older:
        return Finding(False, f"{older:,} records were read by an older version.", "Run 'tracker rebuild'.")
    return Finding(True, "All records are read as this version reads them.")


def _questions(settings: Settings) -> Finding:
    if not settings.evidence_db.is_file():
        return NO_DATABASE
    report = look(settings)
    return Finding(report["well"], report["sentence"])


def _backups(settings: Settings) -> Finding:
    if not _databases(settings):
        return Finding(True, "There is nothing to back up yet.")
    last = last_backup(settings)
    if last is None:
        return Finding(False, "No backup has been made.", "Run 'tracker backup', and 'tracker schedule'.")
    oldest = f"{datetime.now(UTC) - timedelta(days=BACKUP_DAYS):%Y-%m-%dT%H:%M:%SZ}"
    if last.moment < oldest:
        return Finding(
            False,
            f"The last backup is of {last.moment}, more than {BACKUP_DAYS} days ago.",
            "Run 'tracker backup', and see whether its schedule still does.",
        )
    if not Path(last.folder).is_dir():
        return Finding(
            False, f"The last backup, {last.folder}, is not there.", "Mount its disk, or make another one."
        )
    return Finding(True, f"The last backup is of {last.moment}.")


def _leftovers(settings: Settings) -> Finding:
    """What killed jobs left behind; nobody else ever looks at it."""
    parts = [*_of_restore(settings), *_of_backups(settings)]
    if parts:
        names = ", ".join(map(str, parts))
        return Finding(False, f"A killed job left {names} behind.", "", partial(_remove_leftovers, settings))
    return Finding(True, "No killed job has left anything behind.")


def _of_restore(settings: Settings) -> Iterator[Path]:
    yield from (path for path in (settings.db_dir / ".restore.part",) if path.exists())


def _of_backups(settings: Settings) -> list[Path]:
    folder = default_folder(settings)
    return [path for path in folder.iterdir() if PART.fullmatch(path.name)] if folder.is_dir() else []


def _remove_leftovers(settings: Settings) -> str:
    """Each under the lock of the job that may be making it; what is at work is left alone."""
    gone: list[Path] = []
    with writing_job(settings.db_dir):
        gone += _removed(_of_restore(settings))
    if _of_backups(settings):
        with backing_up(default_folder(settings)):
            gone += _removed(iter(_of_backups(settings)))
    return f"{', '.join(map(str, gone))}: removed"


def _removed(parts: Iterator[Path]) -> Iterator[Path]:
    for path in parts:
        shutil.rmtree(path)
        yield path


# By the name that is shown, in the order in which a person would look.
CHECKS: dict[str, Callable[[Settings], Finding]] = {
    "contact": _contact,
    "permissions": _permissions,
    "disk": _disk,
    "space": _space,
    "schema": _schema,
    "integrity": _integrity,
    "clock": _clock,
    "annotations": _orphans,
    "reading": _derived,
    "leftovers": _leftovers,
    "questions": _questions,
    "backup": _backups,
    "PubMed": _pubmed,
}
NEED_NETWORK = frozenset((_pubmed,))
NO_DATABASE = Finding(True, "There is no database to look at yet.")


# -- small things ----------------------------------------------------------------------------------


def _databases(settings: Settings) -> dict[copies.Name, Path]:
    """The databases that there are."""
    return {name: path for name in copies.DATABASES if (path := settings.db_dir / name).is_file()}


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    place = folder.absolute()
    return next(each for each in (place, *place.parents) if each.is_dir())


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(connect.connect_read_only(path)) as db:
            yield db
    except sqlite3.DatabaseError as error:
        raise connect.plain_error(path, error) from None
