"""What the tests share: a place of their own to run ``tracker`` in, and what makes two databases the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner
from filelock import FileLock
from hypothesis import settings

import tests.datasettes_leaks  # noqa: F401 - by being imported
from tests.eutils_server import QUERIES, StandIn
from tracker import topic
from tracker.cli import main
from tracker.enrich import source
from tracker.jobs import refresh
from tracker.pubmed import pace
from tracker.pubmed.entrez import PubMed
from tracker.pubmed.transport import Backoff
from tracker.reading.labels import groups
from tracker.team import acts

# How long a case takes says how busy the machine is, and fails nothing.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = yaml.safe_load((FIXTURES / "expected.yml").read_text(encoding="utf-8"))
QUESTIONS = tuple(EXPECTED["questions"])
EMAIL = "somebody@example.org"
# Letters that stand nowhere else, so that it can be looked for in every byte that was written.
KEY = "testkey0123456789abcdefNOWHERE"


def expected(question: str, day: int = 1) -> set[int]:
    """The PMIDs that the question must find, as written down by hand."""
    found = EXPECTED["questions"][question]
    if day == 1:
        return set(found["day1"])
    return (set(found["day1"]) | set(found["entered"])) - set(found["left"])


# -- running tracker ---------------------------------------------------------------------------


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def question(self, slug: str) -> dict[str, Any]:
        """What the report of ``refresh --json`` says of one question."""
        return next(row for row in self.json["questions"] if row["question"] == slug)


@dataclass(slots=True)
class Desk:
    """A working directory with an environment of its own, and the databases that come to lie in it."""

    home: Path
    url: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def db(self) -> Path:
        return self.home / "db" / "evidence.db"

    @property
    def queries(self) -> Path:
        """The questions of this folder, where it has some of its own, or else those of all tests."""
        own = self.home / "queries"
        return own if own.exists() else QUERIES

    @property
    def annotations(self) -> Path:
        return self.home / "db" / "annotations.db"

    def run(self, *arguments: str, stdin: str | None = None, **environment: str) -> Result:
        """The command in this process, for speed: no pace, and short pauses before another try."""
        quick = partial(PubMed, backoff=Backoff(first=0.005, most=0.01))
        on_terminate = signal.getsignal(signal.SIGTERM)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.home)
            patch.setattr(tempfile, "tempdir", str(self.home))
            patch.setattr(pace, "MARGIN", 0.01)
            patch.setattr(refresh, "PubMed", quick)
            patch.setattr(source, "PATIENCE", Backoff(first=0.005, most=0.01))
            done = CliRunner().invoke(main, arguments, stdin, env=self._environment(environment))
        signal.signal(signal.SIGTERM, on_terminate)
        return Result(done.exit_code, done.stdout, done.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The command as a process, as staff would run it."""
        return self.start_python("-m", "tracker", *arguments, **environment)

    def start_at_terminal(self, *arguments: str) -> tuple[subprocess.Popen[str], int]:
        """The command as a process at a terminal, and the end of it into which somebody types."""
        ours, theirs = os.openpty()
        process = self.start_python("-m", "tracker", *arguments, stdin=theirs)
        os.close(theirs)
        return process, ours

    def start_python(
        self, *arguments: str, stdin: int | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.home,
            env=self._environment(environment),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def shell(self, *arguments: str, **environment: str) -> Result:
        """The command as a process, run to its end."""
        return finish(self.start(*arguments, **environment))

    def _environment(self, extra: dict[str, str]) -> dict[str, str]:
        mine = {
            "TRACKER_EMAIL": EMAIL,
            "NCBI_API_KEY": KEY,
            "TRACKER_EUTILS_URL": self.url,
            "TRACKER_QUERIES": str(self.queries),
            "TRACKER_TIMEOUT": "10",
            # Only the tests of enrichment have servers that stand in for the other services.
            "TRACKER_ENRICH": "none",
            # The pace file lies there: tests that run at once must not queue behind one another.
            "TMPDIR": str(self.home),
            "HOME": str(self.home),
        }
        strange = {name: "" for name in os.environ if name.startswith(("TRACKER_", "NCBI_"))}
        return {**os.environ, **strange, **mine, **self.environment, **extra}

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.db)) as db:
            return db.execute(query, values).fetchall()

    def column(self, query: str, *values: Any) -> list[Any]:
        return [row[0] for row in self.sql(query, *values)]

    def change(self, statement: str, *values: Any) -> None:
        """What a test cannot wait for: to make the stored times older, above all."""
        with closing(sqlite3.connect(self.db)) as db, db:
            db.execute(statement, values)

    def days_pass(self, days: int) -> None:
        """Make everything that is stored this much older."""
        for table, columns in TIMES.items():
            for column in columns:
                moved = f"strftime('%Y-%m-%dT%H:%M:%SZ', {column}, '-{days} days')"
                self.change(f"update {table} set {column} = {moved} where {column} is not null")

    def matching(self, question: str) -> set[int]:
        """PMIDs of the articles that are stored and match the question now."""
        query = (
            "select pmid from question_articles join articles using (pmid) where question = ? and matching"
        )
        return set(self.column(query, question))

    def stored(self) -> set[int]:
        return set(self.column("select pmid from articles"))

    def annotate(self) -> bytes:
        """Let somebody tag a paper; returns the bytes of the file, which no refresh may touch."""
        with closing(acts.open_annotations(self.annotations)) as db:
            db.executescript(
                """
                insert into people (id, name, display_name, role, created)
                  values (1, 'ada', 'Ada', 'tagger', '2025-06-01T00:00:00Z');
                insert into tag_groups (id, name) values (901, 'outcome');
                insert into tags (id, tag_group, name) values (901, 901, 'bladder');
                insert into taggings (pmid, tag, person, tagged) values (90000301, 901, 1, '2025-06-01T00:00:00Z');
                """
            )
            db.execute("pragma wal_checkpoint(truncate)").fetchall()
        return self.annotations.read_bytes()

    def own_queries(self) -> Path:
        """A copy of the question files that a test may edit, found from now on."""
        shutil.copytree(QUERIES, self.home / "queries")
        return self.home / "queries"


@pytest.fixture(autouse=True)
def tests_topic() -> None:
    """Whatever a command before this test was told, what is called within this process has the tests' topic."""
    topic.use(QUERIES / "topic")


def finish(process: subprocess.Popen[str]) -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


def program(name: str) -> str:
    """The path of a program that is not ours; a test that needs one is skipped without it, but not in CI."""
    found = shutil.which(name)
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    return found


def once_a_run(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that one process of a test run makes, and that all of them use; nobody may change what is in it."""
    base = factory.getbasetemp()
    # The folder of one of several processes lies in the folder of the run.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"once-{name}"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


def wait_for(condition: Callable[[], bool], seconds: float = 90) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it never came to pass"
        time.sleep(0.002)


@pytest.fixture
def pubmed() -> Iterator[StandIn]:
    """PubMed on its first day, which lets everybody ask as fast as they like."""
    with StandIn(FIXTURES, rate=0) as service:
        yield service


@pytest.fixture
def desk(tmp_path: Path, pubmed: StandIn) -> Desk:
    return Desk(tmp_path, pubmed.url)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser. Only the tests that use one import what drives it, and others could run no loop beside it."""
    from tests.helpers_browser import launched

    yield from launched()


def asked_for(service: StandIn, since: int = 0) -> list[int]:
    """The PMIDs of all fetches in the server's log, from this request on."""
    fetches = [request.params["id"] for request in service.log[since:] if request.endpoint == "efetch"]
    return [int(pmid) for ids in fetches for pmid in ids.split(",")]


def tiled(folder: Path, copies: int) -> Path:
    """The first day's records again and again under fresh PMIDs; the originals are the first copy."""
    records = b"".join(
        b"".join(re.findall(rb"<Pubmed(?:Book)?Article>.*</Pubmed(?:Book)?Article>", file.read_bytes(), re.S))
        for file in sorted((FIXTURES / "pubmed").glob("*.xml"))
    )
    own = re.compile(rb"(<(?:MedlineCitation|BookDocument)\b[^>]*>\s*<PMID[^>]*>)(\d+)")
    tiles = (
        own.sub(lambda found, n=n: b"%s%d" % (found[1], int(found[2]) + n * 1_000_000), records)
        for n in range(1, copies)
    )
    file = folder / "tiled.xml"
    file.write_bytes(b"<PubmedArticleSet>" + b"".join(tiles) + b"</PubmedArticleSet>")
    return file


# -- the same database -------------------------------------------------------------------------

# What differs between two databases that came about by different roads: the log of the road, and times.
LOGS = {"runs", "searches", "fetches", "enrich_runs"}
TIMES = {
    "raw_records": ("fetched",),
    "record_state": ("first_seen", "checked", "next_check", "missing_since", "gone"),
    "questions": ("complete_to", "incomplete_since"),
    "strategies": ("first_run",),
    "adoptions": ("adopted",),
    "searches": ("started",),
    "question_articles": ("entered", "left_at"),
    "changes": ("noticed",),
}
RUN_IDS = {"changes": ("run",)}
OTHERS = ("sqlite_", "_sqlite_", "articles_fts")
# Facets have numbers in the order in which they were met, and stay where no article has them any more; adoptions have
# theirs in the order in which questions were first searched.
NUMBERED = {
    "facets": "select distinct question, label_group, value from facets f join facets_of o on o.facet = f.id",
    "article_facets": (
        "select question, label_group, value, published, pmid from article_facets join facets on id = facet"
    ),
    "adoptions": "select question, number, adopted, person, note, how from adoptions",
    "facets_of": "select pmid, question, label_group, value from facets_of join facets on id = facet",
}


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the logs; of times and run ids only whether there is one.

    The full-text index is not here: ``check_whole`` compares it with the articles.
    """
    with closing(sqlite3.connect(path)) as db:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        return {
            name: _rows(db, name)
            for name in sorted(names)
            if name not in LOGS and not name.startswith(OTHERS)
        }


def _rows(db: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    cursor = db.execute(NUMBERED.get(table, f"select * from {table}"))
    blank = (*TIMES.get(table, ()), *RUN_IDS.get(table, ()))
    hidden = [column[0] in blank for column in cursor.description]
    rows = (
        tuple("set" if hide and value is not None else value for hide, value in zip(hidden, row, strict=True))
        for row in cursor
    )
    return sorted(rows, key=repr)


def assert_same(path: Path, other: dict[str, list[tuple[Any, ...]]]) -> None:
    """Table by table, so that a failure names the rows and no more."""
    mine = dump(path)
    assert mine.keys() == other.keys()
    for table, rows in mine.items():
        ours, theirs = Counter(rows), Counter(other[table])
        assert (ours - theirs, theirs - ours) == (Counter(), Counter()), f"{table} differs"


_MATCHING = "from question_articles q join articles a using (pmid) where matching"
# Labels that are quantities are filtered by bands.
_BANDS = {
    group.name: [(band.name, band.least, band.below or 1e12) for band in group.bands]
    for group in groups().values()
    if group.bands
}
_UNFILTERED = [group.name for group in groups().values() if not group.filter]
FOLLOWING = {
    "question_labels": f"""
        select question, label_group, value, coalesce(a.published, ''), pmid
        from question_articles join labels using (pmid) join articles a using (pmid) where matching
          and label_group not in (select value from json_each('{json.dumps([*_BANDS, *_UNFILTERED])}'))
        union select question, label_group, b.value ->> 0, coalesce(a.published, ''), pmid
        from question_articles join labels using (pmid) join articles a using (pmid),
          json_each('{json.dumps(_BANDS)}') g, json_each(g.value) b
        where matching and label_group = g.key and number >= b.value ->> 1 and number < b.value ->> 2
        union select question, 'directness', d.value, coalesce(a.published, ''), pmid
        from question_articles join directness d using (question, pmid) join articles a using (pmid) where matching
        union select question, 'outcome', d.outcome, coalesce(a.published, ''), pmid
        from question_articles join directness d using (question, pmid) join articles a using (pmid)
        where matching and d.outcome <> ''
        union select question, 'all', '', coalesce(a.published, ''), pmid {_MATCHING}
        union select question, 'full_text', 'free in PubMed Central', coalesce(a.published, ''), pmid {_MATCHING}
          and pmcid is not null
        union select question, 'notice', f.column2, coalesce(a.published, ''), pmid
          from question_articles q join articles a using (pmid) join (
            values ('retracted', 'retracted'), ('withdrawn', 'withdrawn'),
              ('expression_of_concern', 'expression of concern'),
              ('corrected', 'corrected'), ('updated', 'updated'), ('is_notice', 'a notice itself')) f
          where matching and case f.column1 when 'retracted' then retracted when 'withdrawn' then withdrawn
            when 'expression_of_concern' then expression_of_concern when 'corrected' then corrected
            when 'updated' then updated else is_notice end
        union select question, 'registration', 'trial registered', coalesce(a.published, ''), pmid {_MATCHING}
          and exists (select 1 from registrations r where r.pmid = a.pmid and r.bank in
            ('ClinicalTrials.gov', 'ISRCTN', 'EudraCT', 'ANZCTR', 'ChiCTR', 'DRKS', 'NTR', 'JPRN', 'UMIN-CTR'))
        union select question, 'language', l.value, coalesce(a.published, ''), pmid
          from question_articles q join articles a using (pmid),
            json_each('["' || replace(languages, ',', '","') || '"]') l where matching and languages <> ''
    """,
    "question_counts": """
        select question, label_group, value, substr(published, 1, 4), count(*)
        from question_labels group by 1, 2, 3, 4
    """,
}


def check_whole(path: Path) -> None:
    """The file is whole, its references hold, and what follows from other tables does follow from them."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert db.execute("pragma foreign_key_check").fetchall() == []
        if not db.execute("select 1 from sqlite_master where name = 'articles'").fetchone():
            return
        # Rank 1 compares the index with the content of the table, too.
        db.execute("insert into articles_fts (articles_fts, rank) values ('integrity-check', 1)")
        for table, query in FOLLOWING.items():
            assert set(db.execute(f"select * from {table}")) == set(db.execute(query)), table


@pytest.fixture
def shipped_topic(tests_topic: None) -> None:
    """The topic of this repository in place of the tests' own, for what is asked of its rules."""
    topic.use(Path(__file__).parents[1] / "queries" / "topic")
