"""Backups of both databases, and putting one back.

A backup is a folder, ``evidence-tracker-20261124T201116Z``, that plain tools can restore: each database compressed
with zstd, and a ``manifest.json`` that describes them. It gets its name only once it is complete. A folder with
another name, or with anything else in it, is not treated as a backup and is never deleted.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

import zstandard
from pydantic import BaseModel, ConfigDict, ValidationError

from tracker import __version__
from tracker.clock import now
from tracker.errors import CorruptDatabase, NewerSchema, TrackerError, UnusableInput, UsageError
from tracker.evidence import connect
from tracker.evidence.wrongclock import is_ahead
from tracker.jobs import copies
from tracker.jobs.copies import Name
from tracker.jobs.lock import backing_up, writing_job
from tracker.regular import open_regular, read_regular
from tracker.settings import Settings

KEEP = 14
LATEST = "latest"
MANIFEST = "manifest.json"
# Beside the databases: when and where the last backup was made.
NOTE = ".last-backup.json"
NAME = re.compile(r"evidence-tracker-\d{8}T\d{6}Z")
# What a killed backup, or an interrupted deletion of an old one, leaves behind.
PART = re.compile(rf"\.{NAME.pattern}\.part")
CHUNK = 2**20
# Maximum bytes of a manifest; ours have a few hundred.
LONGEST_MANIFEST = 2**20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class File(_Part):
    """A database in a backup. Size and hash are those of the file before compression."""

    bytes: int
    sha256: str
    migrations: list[str]
    counts: dict[str, int]


class Manifest(_Part):
    """manifest.json. Everything written by ``moment`` (UTC) is in the backup."""

    format: Literal[1]
    tracker: str
    moment: str
    files: dict[Name, File]


class Backup(NamedTuple):
    folder: Path
    manifest: Manifest

    @property
    def moment(self) -> str:
        return self.manifest.moment

    @property
    def files(self) -> Mapping[Name, File]:
        return self.manifest.files


def default_folder(settings: Settings) -> Path:
    return settings.db_dir / "backups"


# -- making one --------------------------------------------------------------------------------


def backup(settings: Settings, folder: Path | None = None, *, keep: int = KEEP) -> dict[str, Any]:
    """Make a backup in ``folder``, then delete all but the newest ``keep``. Others may write meanwhile.

    Returns the report that ``tracker backup --json`` prints. Its ``remarks`` need a person's attention: a database
    holds less than in the last backup, or an old backup cannot be deleted.

    Raises UsageError if there is nothing to back up, or if the folder is missing or cannot be written;
    CorruptDatabase for a damaged database and NewerSchema for one of a later version; LockHeld if another backup is
    being made; TrackerError for a full disk. In these cases nothing is left behind and no older backup is touched.
    """
    started = time.monotonic()
    paths = {name: path for name in copies.DATABASES if (path := settings.db_dir / name).is_file()}
    if not paths:
        raise UsageError(
            f"{settings.db_dir}: no database to back up. Run 'tracker refresh', or choose another folder with --db-dir."
        )
    folder = _folder(settings, folder)
    with _plain_errors(folder), backing_up(folder):
        _clear_leftovers(folder)
        backups = list_backups(folder)
        earlier = [old for old in backups if not is_ahead(old.moment)]
        made = _make(folder, paths)
        deleted, staying = _rotate(made, earlier, keep)
    _note(settings, made)
    return {
        "backup": str(made.folder),
        "moment": made.moment,
        "files": {
            name: {**file.model_dump(), "compressed": _packed(made.folder, name).stat().st_size}
            for name, file in made.files.items()
        },
        "deleted": deleted,
        "kept": len(backups) + 1 - len(deleted),
        "remarks": [*_losses(made, earlier), *staying, *_ahead(backups)],
        "seconds": time.monotonic() - started,
    }


def _folder(settings: Settings, given: Path | None) -> Path:
    if given is None:
        folder = default_folder(settings)
        with _plain_errors(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder
    if not given.is_dir():
        # We do not create the folder: if a disk is not mounted, it would silently end up on this one.
        raise UsageError(f"{given}: no such folder. Mount its disk, or create it once with mkdir.")
    return given


def _make(folder: Path, paths: Mapping[Name, Path]) -> Backup:
    moment = _free_moment(lambda stamp: (folder / f"evidence-tracker-{stamp}").exists())
    target = folder / f"evidence-tracker-{_stamp(moment)}"
    part = folder / f".{target.name}.part"
    with ExitStack() as stack:
        # Each is copied as of one moment, evidence first, so what people wrote is never older than the records that
        # they wrote about. A tag from between the two copies may belong to a record that is not in the backup; the
        # next refresh fetches it. In the other order a record could lose its tag, which nothing could restore.
        opened = {
            name: stack.enter_context(closing(copies.snapshot(path, name))) for name, path in paths.items()
        }
        _check_room(folder, [copies.size(db) for db in opened.values()])
        part.mkdir(mode=0o700)
        stack.callback(shutil.rmtree, part, ignore_errors=True)
        files = {name: _keep(db, name, paths[name], part) for name, db in opened.items()}
        manifest = Manifest.model_validate(
            {"format": 1, "tracker": __version__, "moment": moment, "files": files}
        )
        with _private(part / MANIFEST) as out:
            out.write(manifest.model_dump_json(indent=2).encode() + b"\n")
        _sync(part)
        part.rename(target)
        _sync(folder)
    return Backup(target, manifest)


def _keep(db: sqlite3.Connection, name: Name, path: Path, part: Path) -> File:
    """One database copied, checked, compressed, and read back."""
    copy, packed = part / name, _packed(part, name)
    try:
        copies.copy(db, copy)
    except sqlite3.DatabaseError as error:
        # If a disk is full, it is the one that is written to.
        where = part.parent if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL else path
        raise connect.plain_error(where, error) from None
    try:
        contents = copies.contents(copy, name)
    except CorruptDatabase as error:
        raise CorruptDatabase(
            f"{path}: {error}. No new backup was made; older ones are unchanged. Restore one with 'tracker restore'."
        ) from None
    bytes = copy.stat().st_size
    with copy.open("rb") as source, _private(packed) as out:
        sha256 = _compress(source, out, bytes)
    copy.unlink()
    with suppress(zstandard.ZstdError):
        if _unpack(packed, None, bytes) == sha256:
            return File(bytes=bytes, sha256=sha256, migrations=contents.migrations, counts=contents.counts)
    raise TrackerError(f"{packed}: what was read back differs from what was written. Check the disk.")


def _compress(source: Any, out: Any, bytes: int) -> str:
    hash = hashlib.sha256()
    # We do not use stream_writer: closing it raises an error that hides why a write failed.
    packing = zstandard.ZstdCompressor(write_checksum=True).compressobj(size=bytes)
    while chunk := source.read(CHUNK):
        hash.update(chunk)
        out.write(packing.compress(chunk))
    out.write(packing.flush())
    return hash.hexdigest()


def _check_room(folder: Path, sizes: Sequence[int]) -> None:
    """Room for the largest copy and for all of them compressed, to less than half their size (measured: a third)."""
    needed, free = max(sizes) + sum(sizes) // 2, shutil.disk_usage(folder).free
    if free < needed:
        raise TrackerError(
            f"{folder}: a backup needs up to {megabytes(needed)}, but only {megabytes(free)} are free. Make room, or "
            "choose a folder on another disk. Older backups are unchanged."
        )


def _losses(made: Backup, earlier: Sequence[Backup]) -> Iterator[str]:
    """What the last backup had and this one lacks: the log only ever grows, and a database does not disappear."""
    for name in copies.DATABASES:
        last = next((backup for backup in reversed(earlier) if name in backup.files), None)
        if last is None:
            continue
        if name not in made.files:
            yield f"{name} no longer exists; {last.folder} is the last backup that has it, and is kept"
        elif (now_has := made.files[name].counts.get("events", 0)) < (
            had := last.files[name].counts.get("events", 0)
        ):
            yield (
                f"{name} has {now_has:,} events, but {last.folder} has {had:,}, and the log only ever grows. "
                "Unless you restored an older backup, find out why, and keep a copy of that backup elsewhere"
            )


def _ahead(backups: Sequence[Backup]) -> Iterator[str]:
    """Backups dated in the future would stay the newest for months. Their true age is unknown, so they are kept."""
    for backup in backups:
        if is_ahead(backup.moment):
            yield f"{backup.folder}: its time is in the future, as a clock was wrong. It is kept until you delete it"


# -- the last one ---------------------------------------------------------------------------------


class LastBackup(_Part):
    """When the last backup was made (UTC), and its folder, which may be on a disk that is elsewhere now."""

    moment: str
    folder: str


def last_backup(settings: Settings) -> LastBackup | None:
    """The latest backup of these databases: noted when it was made, or in the default folder. None before the first."""
    known = [
        LastBackup(moment=each.moment, folder=str(each.folder.absolute()))
        for each in list_backups(default_folder(settings))
    ]
    with suppress(OSError, ValidationError):
        known.append(LastBackup.model_validate_json(read_regular(settings.db_dir / NOTE, LONGEST_MANIFEST)))
    return max(
        (each for each in known if not is_ahead(each.moment)), key=lambda each: each.moment, default=None
    )


def _note(settings: Settings, made: Backup) -> None:
    """Remember beside the databases where the backup went; in a folder that cannot be written it is found elsewhere."""
    note, part = settings.db_dir / NOTE, settings.db_dir / f"{NOTE}.part"
    with suppress(OSError):
        part.write_text(
            LastBackup(moment=made.moment, folder=str(made.folder.absolute())).model_dump_json() + "\n"
        )
        part.replace(note)


# -- the backups of a folder ----------------------------------------------------------------------


def list_backups(folder: Path) -> list[Backup]:
    """The backups in a folder, oldest first: folders named as backups that hold a manifest and nothing unknown."""
    if not folder.is_dir():
        return []
    backups = []
    for path in sorted(folder.iterdir()):
        if NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            with suppress(TrackerError):
                backup = Backup(path, _manifest(path))
                ours = {MANIFEST, *(f"{name}.zst" for name in backup.files)}
                if {entry.name for entry in path.iterdir()} <= ours:
                    backups.append(backup)
    return backups


def find(settings: Settings, wanted: str, only: Name | None = None) -> Backup:
    """The backup called ``wanted``: a path, a name in the default folder, or "latest" there.

    Raises UnusableInput if there is none, or none with the database ``only``.
    """
    folder = default_folder(settings)
    if wanted == LATEST:
        backups = [backup for backup in list_backups(folder) if not only or only in backup.files]
        if not backups:
            raise UnusableInput(
                f"{folder}: no backup found{f' with {only}' if only else ''}. Give the path of one."
            )
        return max(backups, key=lambda backup: (not is_ahead(backup.moment), backup.moment))
    path = Path(wanted)
    if not path.exists() and NAME.fullmatch(wanted):
        path = folder / wanted
    if path.is_dir() and not (path / MANIFEST).exists() and (inside := list_backups(path)):
        raise UnusableInput(
            f"{path}: a folder of {len(inside)} backups. Give one of them; the newest is {inside[-1].folder}."
        )
    chosen = Backup(path, _manifest(path))
    if only and only not in chosen.files:
        raise UnusableInput(f"{path}: this backup has no {only}. Choose another backup.")
    return chosen


def _manifest(folder: Path) -> Manifest:
    try:
        text = read_regular(folder / MANIFEST, LONGEST_MANIFEST)
    except OSError as error:
        raise UnusableInput(
            f"{folder}: not a backup made by tracker ({MANIFEST}: {error.strerror}). Choose another folder."
        ) from None
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnusableInput(
            f"{folder / MANIFEST}: damaged, or made by a later version ({where or 'JSON'}: {first['msg']}). "
            "Choose another backup."
        ) from None


def _rotate(made: Backup, earlier: Sequence[Backup], keep: int) -> tuple[list[str], list[str]]:
    """Delete all but the newest. Returns the names of the deleted backups, and remarks on those that could not be.

    The one just made is kept whatever the clock says, and so is the last one of each database.
    """
    staying = {backup.folder for backup in earlier[max(0, len(earlier) + 1 - keep) :]}
    for name in copies.DATABASES:
        having_it = [backup for backup in (*earlier, made) if name in backup.files]
        staying |= {backup.folder for backup in having_it[-1:]}
    deleted, remarks = [], []
    for backup in earlier:
        if backup.folder not in staying:
            try:
                # Renamed first, so that a kill leaves nothing that looks like a backup.
                part = backup.folder.rename(backup.folder.with_name(f".{backup.folder.name}.part"))
                shutil.rmtree(part)
                deleted.append(backup.folder.name)
            except OSError as error:
                remarks.append(f"{backup.folder}: this old backup cannot be deleted ({error.strerror})")
    return deleted, remarks


def _clear_leftovers(folder: Path) -> None:
    for path in folder.iterdir():
        if PART.fullmatch(path.name):
            shutil.rmtree(path)


# -- putting one back --------------------------------------------------------------------------


def restore(settings: Settings, backup: Backup, only: Name | None = None) -> dict[str, Any]:
    """Replace the current databases, or ``only`` one, with those of a backup; the current ones are set aside.

    Everything is unpacked and checked before anything is touched. Each file is replaced in one step; if the second
    cannot be replaced, the first is put back.

    Returns the report that ``tracker restore --json`` prints. Raises LockHeld if a refresh or load is running or
    the site has a database open; UnusableInput for a damaged backup, NewerSchema for one of a later version;
    UsageError if the folder cannot be written; TrackerError for a full disk.
    """
    started = time.monotonic()
    names = [name for name in copies.DATABASES if name in backup.files and only in (None, name)]
    with _plain_errors(settings.db_dir), writing_job(settings.db_dir), ExitStack() as stack:
        part = settings.db_dir / ".restore.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        stack.callback(shutil.rmtree, part, ignore_errors=True)
        for name in names:
            _take_from(backup, name, part / name)
        paths = {name: settings.db_dir / name for name in names}
        had = {name for name, path in paths.items() if path.exists()}
        for name in had:
            copies.take_out_of_use(paths[name])
        aside = _names_aside(paths)
        if "annotations.db" in names:
            old = aside["annotations.db"].name if "annotations.db" in had else None
            copies.note_restored(part / "annotations.db", backup.folder.name, backup.moment, old)
        with ExitStack() as undo:
            for name in names:
                _replace(paths[name], part / name, aside[name], undo)
            undo.pop_all()
        _sync(settings.db_dir)
    return {
        "backup": str(backup.folder),
        "moment": backup.moment,
        "files": {
            name: {
                "counts": backup.files[name].counts,
                "kept_as": str(aside[name]) if name in had else None,
            }
            for name in names
        },
        "seconds": time.monotonic() - started,
    }


def _take_from(backup: Backup, name: Name, target: Path) -> None:
    """Unpack one database and check its hash, its integrity and its schema."""
    packed, file = _packed(backup.folder, name), backup.files[name]
    free = shutil.disk_usage(target.parent).free
    if free < file.bytes:
        raise TrackerError(
            f"{target.parent.parent}: {name} needs {megabytes(file.bytes)}, but only {megabytes(free)} are free. "
            "Make room."
        )
    untouched = "Nothing was changed. Restore another backup"
    try:
        if _unpack(packed, target, file.bytes) != file.sha256:
            raise UnusableInput(f"{packed}: damaged: it differs from the manifest. {untouched}.")
        copies.contents(target, name)
    except zstandard.ZstdError as error:
        raise UnusableInput(f"{packed}: damaged ({error}). {untouched}.") from None
    except NewerSchema:
        raise NewerSchema(
            f"{packed}: made by a later version of evidence-tracker ({backup.manifest.tracker}). Nothing was changed. "
            "Update, then try again."
        ) from None
    except CorruptDatabase as error:
        raise UnusableInput(f"{packed}: {error}. {untouched}.") from None
    except FileNotFoundError:
        raise UnusableInput(f"{packed}: missing. {untouched}.") from None
    except OSError as error:
        if error.filename != str(packed):
            raise
        raise UnusableInput(f"{packed}: cannot be read ({error.strerror}). {untouched}.") from None


def _unpack(packed: Path, target: Path | None, most: int) -> str:
    """Decompress into a new file (or nowhere); returns the SHA-256. Stops beyond ``most`` bytes.

    Raises zstandard.ZstdError if it is damaged.
    """
    hash, size = hashlib.sha256(), 0
    with ExitStack() as stack:
        source = stack.enter_context(open_regular(packed))
        out = stack.enter_context(_private(target)) if target else None
        reader = stack.enter_context(zstandard.ZstdDecompressor().stream_reader(source))
        while size <= most and (chunk := reader.read(CHUNK)):
            size += len(chunk)
            hash.update(chunk)
            if out:
                out.write(chunk)
    return hash.hexdigest()


def _names_aside(paths: Mapping[Name, Path]) -> dict[Name, Path]:
    """Where each existing file is moved to."""

    def names(stamp: str) -> dict[Name, Path]:
        return {name: path.with_name(f"{path.stem}-replaced-{stamp}.db") for name, path in paths.items()}

    return names(_stamp(_free_moment(lambda stamp: any(aside.exists() for aside in names(stamp).values()))))


def _replace(path: Path, fresh: Path, aside: Path, undo: ExitStack) -> None:
    """Replace ``path`` with ``fresh``; the existing file has a name at every moment."""
    _own_as(path if path.exists() else path.parent, fresh, mode=path.exists())
    if path.exists():
        _also_called(path, aside)
        undo.callback(_put_back, aside, path)
    else:
        undo.callback(path.unlink, missing_ok=True)
    # A log that could not be folded in moves with its database: SQLite would apply it to the new one.
    for end in copies.BESIDE:
        beside, elsewhere = (file.with_name(file.name + end) for file in (path, aside))
        if beside.exists():
            beside.replace(elsewhere)
            undo.callback(elsewhere.replace, beside)
    fresh.replace(path)


def _also_called(path: Path, other: Path) -> None:
    try:
        other.hardlink_to(path)
    except (OSError, NotImplementedError):
        # A file system without links: for a moment there is no file.
        path.replace(other)


def _put_back(aside: Path, path: Path) -> None:
    aside.replace(path)
    # Two names of one file: renaming one to the other silently does nothing.
    aside.unlink(missing_ok=True)


def _own_as(model: Path, fresh: Path, *, mode: bool) -> None:
    """Keep owner and mode as they were, so that the site can read what root restored."""
    status = model.stat()
    if mode:
        fresh.chmod(status.st_mode & 0o777)
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(fresh, status.st_uid, status.st_gid)


# -- small things ------------------------------------------------------------------------------


def _packed(folder: Path, name: str) -> Path:
    return folder / f"{name}.zst"


def _stamp(moment: str) -> str:
    return re.sub("[-:]", "", moment)


def _free_moment(is_taken: Callable[[str], bool]) -> str:
    """The current time, or the next second for which no name is taken."""
    while is_taken(_stamp(moment := now())):
        time.sleep(0.05)
    return moment


@contextmanager
def _private(path: Path) -> Iterator[Any]:
    """A new file that only its owner may read; it is on the disk when this ends."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())


def _sync(folder: Path) -> None:
    """Write the folder's names to the disk, too; Windows and some network disks do not support this."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise TrackerError(f"{folder}: the disk is full. Nothing was changed. Make room.") from None
        raise UsageError(
            f"{folder}: cannot be used ({error.filename or folder}: {error.strerror}). Check it and its owner."
        ) from None


def megabytes(size: int) -> str:
    """A size for staff to read: ``12,067.1 MB``."""
    return f"{size / 1e6:,.1f} MB"
