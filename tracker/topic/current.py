"""The topic of this process: named once where it starts, read when something of it is first needed.

It is one for a process, as what depends on it lies deep: whether two words are a heading is asked while a query is
parsed, synonyms are looked up while a search is put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.settings import find_default

if TYPE_CHECKING:
    from tracker.topic.files import Topic
    from tracker.topic.shapes import RuleFile

_folder: Path | None = None


def use(folder: Path) -> None:
    """Take the topic in this folder from now on; its files are read once, when they are first needed."""
    global _folder
    if folder.absolute() != _folder:
        _folder = folder.absolute()
        current.cache_clear()
        rules.cache_clear()


@cache
def current() -> Topic:
    """The topic in use; where none was named, the one beside the questions that ``find_default`` finds.

    Raises InvalidTopic with all that is wrong with its files.
    """
    # Read here, as nobody who only asks for help should wait for what checks the files.
    from tracker.topic.files import load_topic

    return load_topic(folder())


@cache
def rules() -> Mapping[str, RuleFile]:
    """The topic's own rules by group of labels; read apart, as only what reads records needs them.

    Raises InvalidTopic with all that is wrong with their files.
    """
    from tracker.topic.files import load_rules

    return load_rules(folder())


def folder() -> Path:
    """Where the files of ``current`` are."""
    return _folder or find_default("queries") / "topic"
