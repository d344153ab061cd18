"""Records whose directness is known, as if rules had read it: until there are rules in the questions of the tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

from tests.conftest import Desk
from tracker.evidence import derived

REASON = "people treated; outcome reported"


def read_as(desk: Desk, slug: str, values: Mapping[int, str]) -> None:
    """Let these records (PMIDs) be read as so direct for the question; all others of it as nothing."""
    with closing(sqlite3.connect(desk.db)) as db, db:
        db.execute("delete from directness where question = :slug", {"slug": slug})
        db.executemany(
            """
            insert into directness (question, pmid, value, reason, rule, version, outcome)
            values (:slug, :pmid, :value, :reason, 'a test', 1, 'result given')
            """,
            [
                {"slug": slug, "pmid": pmid, "value": value, "reason": REASON}
                for pmid, value in values.items()
            ],
        )
        derived.fill(db)
