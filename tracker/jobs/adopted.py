"""Which search a job runs for a question: the adopted one, whatever its file says meanwhile."""

from __future__ import annotations

import getpass
import sqlite3
from dataclasses import dataclass

from tracker.evidence import versions
from tracker.evidence.versions import Adoption, How, Version
from tracker.questions import Question
from tracker.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Search:
    """The search to run, and the version that is adopted so far, if any is.

    ``how`` says how it is to be adopted once it has run; None where it is adopted already.
    """

    slug: str
    strategy: Strategy
    version: Version | None
    how: How | None
    is_edited: bool

    @property
    def number(self) -> int | None:
        """The number of the version to run; None for one that is adopted only once it has run."""
        return self.version.number if self.version and self.how is None else None

    @property
    def remark(self) -> str | None:
        """What whoever reads the log of a job has to know; nothing where the file has the adopted search."""
        if self.how is How.RUN_EDITED:
            return f"{self.slug}: the edited search of its file is run, and adopted by that"
        if not self.is_edited:
            return None
        return (
            f"{self.slug}: its file was edited; the adopted search is run, {self.version}. 'tracker questions diff "
            f"{self.slug}' shows what the edit changes, 'tracker questions adopt {self.slug}' has it run"
        )


def search(db: sqlite3.Connection, question: Question, run_edited: bool = False) -> Search:
    """What to run for a question. A file that is the first, or has the same search, is run as it is."""
    version = versions.adopted(db, question.slug)
    if version is None:
        return Search(question.slug, question.in_file, None, How.FIRST, False)
    if version.hash == question.strategy_hash:
        return Search(question.slug, question.in_file, version, None, False)
    if run_edited:
        return Search(question.slug, question.in_file, version, How.RUN_EDITED, False)
    return Search(question.slug, versions.strategy(db, version), version, None, True)


def keep(db: sqlite3.Connection, question: Question, search: Search, when: str) -> int:
    """Store the version that was run, and adopt it if it is the first or was to be run as edited; its number."""
    if search.how:
        adoption = Adoption(when, login_name(), question.note, search.how)
        number = versions.adopt(db, question.slug, search.strategy, adoption).number
    else:
        number = versions.keep(db, question.slug, search.strategy, when)
    versions.note_file(db, question.slug, question.in_file)
    return number


def login_name() -> str | None:
    """Who runs this, as the system knows them; None where it does not."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
