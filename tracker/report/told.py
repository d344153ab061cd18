"""What a question's file says that no log knows, for its reports: who built the search, how else was searched, and
since when the current update has been going on.

It is read from the file each time, so that a report never waits for a refresh. The files are those beside the topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tracker import topic
from tracker.errors import UsageError
from tracker.evidence.cache import Cache, state


class Told(NamedTuple):
    """``file`` is what messages call the file, ``texts`` are those of ``prisma_s`` by key.

    ``updated_from`` is the first day of the current update; None where this is the first version.
    """

    file: str
    built_by: str = ""
    texts: Mapping[str, str] = {}
    updated_from: str | None = None


def told(slug: str) -> Told:
    """What the file of a question says; where there is no file any more, nothing.

    Raises InvalidQuestions for a file that cannot be read.
    """
    queries = topic.folder().parent
    files = (queries / f"{slug}.{ending}" for ending in ("yml", "yaml"))
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        return Told(f"queries/{slug}.yml")
    return _CACHE.get((str(path), state(str(path))), lambda: _told(path))


def told_if_readable(slug: str) -> Told:
    """As ``told``, for a page that is to be shown whatever stands in the file."""
    try:
        return told(slug)
    except UsageError:
        return Told(f"queries/{slug}.yml")


_CACHE: Cache[Told] = Cache(64)


def _told(path: Path) -> Told:
    # Who asks for a page without reports should not wait for what checks the files.
    from tracker.questions import load_question

    question = load_question(path)
    return Told(
        f"queries/{path.name}",
        question.review.built_by,
        question.prisma_s.model_dump(exclude_none=True),
        question.review.updated_from,
    )
