"""A snapshot: everything public as of today, in a folder that never changes and needs neither server nor network."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tracker import __version__, topic
from tracker.clock import now
from tracker.errors import TrackerError, UsageError
from tracker.evidence import connect, schema
from tracker.jobs import copies
from tracker.settings import Settings, find_default
from tracker.snapshot import describe, edition, files, public
from tracker.snapshot.describe import About, Described
from tracker.team import acts

EVIDENCE: copies.Name = "evidence.db"
ANNOTATIONS: copies.Name = "annotations.db"
_SQLITE = "application/vnd.sqlite3"
_DATABASES = (
    Described(EVIDENCE, "What was read from PubMed, with the raw records", _SQLITE),
    Described(ANNOTATIONS, "What people said and everybody may see, without names", _SQLITE),
)


def make(settings: Settings, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Make the snapshot of today below ``folder``. Others may write to the databases meanwhile.

    Returns the report that ``tracker snapshot --json`` prints. Raises UsageError if there is one of today, no database,
    or a folder that cannot be written, TrackerError for a full disk, and what opening the databases raises. In these
    cases nothing is left behind.
    """
    if not settings.evidence_db.is_file():
        raise UsageError(f"{settings.evidence_db}: there is no database yet. Run 'tracker refresh' first.")
    moment = now()
    target = folder / f"evidence-snapshot-{moment[:10]}"
    if target.exists():
        raise UsageError(
            f"{target} is there already, and a snapshot never changes. Make the next one tomorrow."
        )
    with _in_part(folder, target) as part:
        _copy_databases(settings, part, moment)
        say("both databases copied")
        with closing(_open(part)) as db:
            written, by_question = _write_files(db, part)
            say(f"{len(written):,} files written")
            pages = edition.Edition(moment[:10], settings.site_url or "")
            edition.write(db, part, pages, by_question)
            say("pages written")
            about = _about(db, settings, moment)
        described = [*_DATABASES, *written]
        describe.describe(part, about, described)
        count = _make_immutable(part)
    return {"snapshot": str(target), "moment": moment, "files": count, "questions": len(about.questions)}


@contextmanager
def _in_part(folder: Path, target: Path) -> Iterator[Path]:
    """A folder that gets its name once all of it is there."""
    part = folder / f".{target.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if part.exists():
            shutil.rmtree(part)
        part.mkdir()
        try:
            yield part
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    except sqlite3.DatabaseError as error:
        raise connect.plain_error(folder, error) from None
    except OSError as error:
        raise TrackerError(
            f"{folder}: the snapshot cannot be written ({error.strerror}). Nothing is left of it."
        ) from None


def _copy_databases(settings: Settings, part: Path, moment: str) -> None:
    # What an earlier version wrote is brought up to date where it is: a copy would leave its former self beside it.
    connect.open_for_reading(settings.evidence_db, schema.migrations).close()
    with closing(copies.snapshot(settings.evidence_db, EVIDENCE)) as db:
        copies.copy(db, part / EVIDENCE)
    said = settings.annotations_db if settings.annotations_db.is_file() else None
    if said:
        connect.open_for_reading(said, acts.migrations).close()
    # What a dual review hides depends on its questions, so evidence.db is there first.
    public.make_annotations(part / ANNOTATIONS, part / EVIDENCE, said, moment)
    public.strip_evidence(part / EVIDENCE)


def _open(part: Path) -> sqlite3.Connection:
    db = connect.open_for_reading(part / EVIDENCE, schema.migrations)
    connect.attach(db, part / ANNOTATIONS, acts.migrations, "annotations")
    return db


def _write_files(
    db: sqlite3.Connection, part: Path
) -> tuple[list[Described], dict[str, list[tuple[str, str]]]]:
    """All files of all questions, and those of each by place and what it is."""
    written, by_question = [], {}
    for slug, title in files.questions(db):
        of_question = list(files.files_of(db, slug, title))
        for file in of_question:
            files.write(part, file)
            written.append(Described(file.place, file.about, file.media_type))
        by_question[slug] = [(file.place, file.about.removeprefix(f"{title}: ")) for file in of_question]
    return written, by_question


def _about(db: sqlite3.Connection, settings: Settings, moment: str) -> About:
    metadata = yaml.safe_load(find_default("metadata.yml").read_text(encoding="utf-8"))
    return About(
        title=topic.current().site.name,
        description=" ".join(topic.current().site.description.split()),
        moment=moment,
        version=__version__,
        site=settings.site_url or "",
        licence=metadata["license"],
        licence_url=metadata["license_url"],
        source=metadata["source"],
        source_url=metadata["source_url"],
        questions=db.execute(_COMPLETE).fetchall(),
    )


def _make_immutable(part: Path) -> int:
    """Nobody writes to a file of it by mistake; returns how many there are."""
    every = [path for path in part.rglob("*") if path.is_file()]
    for path in every:
        path.chmod(0o444)
    return len(every)


_COMPLETE = """
select slug, title, coalesce(substr(complete_to, 1, 10), 'never searched to the end') from questions
order by position, slug
"""
