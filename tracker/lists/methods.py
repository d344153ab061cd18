"""What the page of methods shows: each question's strategy and search, its seed papers, and the latest runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Literal, NamedTuple

from tracker.article import ArticleKey
from tracker.evidence import lines as of_lines
from tracker.evidence import versions
from tracker.evidence.lines import Check
from tracker.evidence.questions import same_title
from tracker.evidence.rows import Row, read_rows
from tracker.evidence.versions import Version
from tracker.lists.pages import has_starter
from tracker.lists.recall import Recall, recall

RUNS = 20

# A question that no search has completed for has the strategy that matched what was loaded last.
_QUESTIONS = """
select q.slug, q.title, q.question, q.complete_to, q.incomplete_since, q.incomplete_reason,
  s.strategy as strategy_text, s.hash, s.lines, q.edited
from questions q
left join strategies s on s.hash = coalesce(q.strategy, (
  select strategy from strategy_versions where question = q.slug order by number desc limit 1))
order by q.position, q.slug
"""
_SEEDS = """
select s.pmid, coalesce(nullif(s.title, ''), a.title, '') as title, s.found, s.record_title,
  a.title as stored_title,
  exists (select 1 from question_articles l where l.question = s.question and l.pmid = s.pmid and l.matching) as listed
from seeds s left join articles a on a.pmid = s.pmid
where s.question = :slug order by s.pmid
"""

SeedState = Literal["found", "not found", "listed", "stored", "not stored"]


class Seed(NamedTuple):
    """A paper that the search must find.

    ``found`` and ``not found`` are of the last complete search; before there was one, ``listed`` means that it is
    stored and in the question's list, ``stored`` that it is stored and not in the list. ``record_title`` is the title
    of the record, if that is another.
    """

    pmid: ArticleKey
    title: str
    state: SeedState
    is_stored: bool
    record_title: str | None

    @property
    def is_there(self) -> bool:
        return self.state in ("found", "listed")


class Line(NamedTuple):
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Method:
    """A question's strategy, its latest search as it was run, if any, and its seed papers.

    ``lines`` are those of the strategy by their names, and ``combine`` says how they are put together; there are none
    for a strategy that was stored without them, or that a search has just tried in vain. ``checks`` are PubMed's counts
    of the lines. ``adopted`` is the version that every refresh runs, ``log`` who adopted which.
    """

    question: Row
    lines: Sequence[Line]
    checks: Sequence[Check]
    combine: str | None
    searches: Sequence[Row]
    seeds: Sequence[Seed]
    recall: Recall | None
    adopted: Version | None
    log: Sequence[Version]

    @property
    def awaits_its_run(self) -> bool:
        """Whether the adopted search was not run yet."""
        return self.adopted is not None and self.adopted.hash != self.question["hash"]

    @property
    def seeds_there(self) -> int:
        return sum(seed.is_there for seed in self.seeds)

    @property
    def is_searched(self) -> bool:
        """Whether a complete search has looked for all of the seeds."""
        return all(seed.state in ("found", "not found") for seed in self.seeds)


@dataclass(frozen=True, slots=True)
class Methods:
    """``runs`` are the latest runs over all questions."""

    methods: Sequence[Method]
    runs: Sequence[Row]
    starter: bool


class SearchedVersion(NamedTuple):
    """A version of a question's strategy: ``lines`` are those of its file by name, ``combine`` the last of them; there
    are none for a version that was stored without them."""

    hash: str
    strategy: str
    first_run: str
    lines: Mapping[str, str]


def searched_versions(db: sqlite3.Connection, slug: str) -> list[SearchedVersion]:
    """Every version of the question's strategy that was run, matched or adopted here, the first one first."""
    rows = db.execute(
        """
        select s.hash, s.strategy, s.first_run, s.lines
        from strategy_versions v join strategies s on s.hash = v.strategy
        where v.question = :slug order by v.number
        """,
        {"slug": slug},
    )
    return [
        SearchedVersion(hash, text, first, json.loads(lines or "{}")) for hash, text, first, lines in rows
    ]


def searched_version(db: sqlite3.Connection, slug: str) -> SearchedVersion | None:
    """The version that the question's records were found by; None where nothing was ever searched or matched."""
    every = searched_versions(db, slug)
    row = db.execute("select strategy from questions where slug = :slug", {"slug": slug}).fetchone()
    completed = [each for each in every if row and each.hash == row[0]]
    return next(reversed(completed or every), None)


def method(db: sqlite3.Connection, slug: str) -> Method | None:
    """The strategy, search and seed papers of one question; None if there is no such question."""
    found = [question for question in read_rows(db, _QUESTIONS) if question["slug"] == slug]
    return _method(db, found[0]) if found else None


def methods(db: sqlite3.Connection) -> Methods:
    """Each question's strategy and latest search, with its seed papers; and the latest runs."""
    runs = read_rows(
        db,
        "select id, command, started, finished, outcome, reason from runs order by id desc limit :runs",
        {"runs": RUNS},
    )
    return Methods([_method(db, question) for question in read_rows(db, _QUESTIONS)], runs, has_starter(db))


def _method(db: sqlite3.Connection, question: Row) -> Method:
    searches = read_rows(
        db,
        """
        select strategy, query, translation, errors, warnings, count, entered, left_count, kept, reconciled, reason,
          started, seconds, run
        from searches where question = :slug and purpose = 'strategy' order by id desc limit 1
        """,
        {"slug": question["slug"]},
    )
    for run in searches:
        run["remarks"] = json.loads(run["errors"]) + json.loads(run["warnings"])
    is_of_search = all(search["strategy"] == question["hash"] for search in searches)
    lines = json.loads(question["lines"] or "{}") if is_of_search else {}
    combine = lines.pop("combine", None)
    checks = of_lines.checks(db, question["slug"], question["hash"]) if lines else {}
    return Method(
        question,
        list(starmap(Line, lines.items())),
        [checks[name] for name in lines if name in checks],
        combine,
        searches,
        _seeds(db, question["slug"]),
        recall(db, question["slug"]),
        versions.adopted(db, question["slug"]),
        versions.log(db, question["slug"]),
    )


def _seeds(db: sqlite3.Connection, slug: str) -> list[Seed]:
    return [_seed(row) for row in read_rows(db, _SEEDS, {"slug": slug})]


def _seed(row: Row) -> Seed:
    stored_title = row["stored_title"]
    record_title = row["record_title"]
    if row["found"] is None and stored_title and not same_title(row["title"], stored_title):
        record_title = stored_title
    return Seed(row["pmid"], row["title"], _state(row), stored_title is not None, record_title)


def _state(row: Row) -> SeedState:
    if row["found"] is not None:
        return "found" if row["found"] else "not found"
    if row["listed"]:
        return "listed"
    return "not stored" if row["stored_title"] is None else "stored"
