"""How the databases are filled: articles, questions and what became of them, and what people wrote."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.processes import ROOT
from benchmarks.site import copies as multiplied
from benchmarks.site import references
from benchmarks.site.corpus import FIRST_SEARCH, SEED, SHARES, TAG, Asked, Made, Maker
from tracker.directness import DIRECTNESS
from tracker.evidence import connect, facets, fulltext, known_items, questions, schema, versions
from tracker.evidence.articles import write
from tracker.questions import Question, load_questions
from tracker.team.acts import open_annotations

BATCH = 2_500
# Articles that differ from each other, at least; and how often each is there, at most.
DIFFERENT, MOST_COPIES = 50_000, 20
# Nothing is lost with a database that is made in vain, and each of these saves time.
PRAGMAS = ("journal_mode = off", "synchronous = off", "cache_size = -1500000", "temp_store = memory")
TAGGED = "2026-01-01T09:00:00Z"
# Records of a question that people placed, at most; of a smaller one, every tenth.
MOST_PLACED = 3_000


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def asked_questions() -> list[Question]:
    return [question for question in load_questions(ROOT / "queries") if question.slug in SHARES]


def build(folder: Path, articles: int) -> None:
    """Articles that differ from each other first; then, in a database of its own, all of them."""
    different = max(-(-articles // MOST_COPIES), min(articles, DIFFERENT))
    copies = articles // different
    few = folder / "evidence-few.db"
    with _database(few) as db, connect.transaction(db):
        _fill(db, different, copies)
    with _database(folder / "evidence.db") as db:
        say(f"  {copies} of each ...")
        with connect.transaction(db):
            multiplied.fill(db, few, copies)
            say("  the full-text index ...")
            fulltext.rebuild(db)
            _close_history(db, asked_questions())
            say("  what reviews cite ...")
            known_items.fill_due(db)
        db.execute("pragma analysis_limit = 1000")
        db.execute("analyze main")
        db.execute("detach few")
        db.execute("pragma journal_mode = wal")
        connect.tidy(db, say)
        _fill_annotations(folder / "annotations.db", db)
    few.unlink()


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect.open_for_writing(path, schema.migrations, "NORMAL")) as db:
        for pragma in PRAGMAS:
            db.execute(f"pragma {pragma}")
        yield db


def _fill(db: sqlite3.Connection, articles: int, copies: int) -> None:
    asked = asked_questions()
    today = datetime.now(UTC).date()
    maker = Maker(articles, copies, today, _as_asked(asked))
    _fill_history(db, asked, today)
    for start, batch in _made_elsewhere(maker, articles):
        _store(db, batch)
        _progress(start + BATCH, articles)
    say("  lists of references, facets ...")
    references.fill(db)
    # Not by derived.fill, which would have every record read by the questions' rules.
    facets.fill_all(db)


def _as_asked(asked: Sequence[Question]) -> dict[str, Asked]:
    return {
        question.slug: Asked(question.strategy_hash, question.brief) for question in asked if question.brief
    }


def describe(db: sqlite3.Connection, asked: Sequence[Question]) -> None:
    """Store what the question files say now, and keep the answers, which are made up and not read by their rules."""
    db.executemany(
        "update questions set reading = ? where slug = ?",
        [(question.brief and str(question.brief), question.slug) for question in asked],
    )
    questions.describe(db, asked)


def _made_elsewhere(maker: Maker, articles: int) -> Iterator[tuple[int, list[Made]]]:
    """The articles, batch by batch, made on the other core meanwhile."""
    ready: multiprocessing.Queue[list[Made]] = multiprocessing.Queue(maxsize=4)

    def work() -> None:
        for start in range(0, articles, BATCH):
            ready.put([maker.make(n) for n in range(start, min(start + BATCH, articles))])

    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    try:
        for start in range(0, articles, BATCH):
            yield start, ready.get(timeout=300)
    finally:
        process.terminate()


def _progress(done: int, of: int) -> None:
    if done % (of // 10 or 1) < BATCH:
        say(f"  {min(done, of):,} articles")


def _store(db: sqlite3.Connection, batch: Sequence[Made]) -> None:
    write(db, [made.rows for made in batch])
    db.executemany(
        "insert into record_state (pmid, raw, first_seen, checked, next_check, source) values (?, ?, ?, ?, ?, ?)",
        [made.state for made in batch],
    )
    db.executemany(
        """
        insert into question_articles
          (question, pmid, published, created, entered, reason, strategy, left_at, matching)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [place for made in batch for place in made.places],
    )
    db.executemany(
        "insert into directness values (?, ?, ?, ?, ?, ?, ?)",
        [answer for made in batch for answer in made.directness],
    )
    db.executemany(
        """
        insert into findings (question, pmid, position, side, part, start, "end", section, cue, is_null)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
        """,
        [finding for made in batch for finding in made.findings],
    )
    db.executemany(
        "insert into changes (pmid, field, before, after, noticed, run) values (?, ?, ?, ?, ?, ?)",
        [change for made in batch for change in made.changes],
    )


def _fill_history(db: sqlite3.Connection, asked: Sequence[Question], today: date) -> None:
    """Questions, their strategies, and a run and four searches for every night."""
    questions.describe(db, asked)
    for night in range(FIRST_SEARCH, -1, -1):
        when = f"{(today - timedelta(night)).isoformat()}T03:00:00Z"
        if night == FIRST_SEARCH:
            for question in asked:
                first = versions.Adoption(when, None, None, versions.How.FIRST)
                versions.adopt(db, question.slug, question.in_file, first)
        _add_run(db, asked, when)


def _add_run(db: sqlite3.Connection, asked: Sequence[Question], when: str) -> None:
    run = db.execute(
        "insert into runs (command, started, finished, outcome, version) values ('refresh', ?, ?, 'complete', '0')",
        (when, when),
    ).lastrowid
    db.executemany(
        """
        insert into searches (run, question, purpose, strategy, query, translation, errors, warnings, count,
          slices, entered, left_count, kept, reconciled, started, seconds)
        values (?, ?, 'strategy', ?, ?, ?, '[]', '[]', 0, '[]', 0, 0, 0, 1, ?, 1.5)
        """,
        [
            (run, question.slug, question.strategy_hash, question.strategy, question.strategy, when)
            for question in asked
        ],
    )


def _close_history(db: sqlite3.Connection, asked: Sequence[Question]) -> None:
    """Make each question complete, and have its searches count what it holds."""
    (when,) = db.execute("select max(started) from runs").fetchone()
    for question in asked:
        found = questions.matching(db, question.slug)
        questions.complete(db, question, question.strategy_hash, when, found)
        db.execute(
            "update searches set count = ?, kept = ? where question = ?",
            (len(found), len(found), question.slug),
        )


def _fill_annotations(path: Path, evidence: sqlite3.Connection) -> None:
    """Three people, 450 taggings, 600 decisions, some thousand placements: on newer and older articles of each
    question."""
    rng = random.Random(SEED)
    with closing(open_annotations(path)) as db, connect.transaction(db):
        _add_people(db)
        for slug in SHARES:
            found = evidence.execute(
                "select pmid from question_articles where question = ? and matching", (slug,)
            )
            pmids = [pmid for (pmid,) in found]
            _judge(db, slug, rng.sample(pmids, min(150, len(pmids))), rng)
            _place(db, slug, rng.sample(pmids, min(MOST_PLACED, len(pmids) // 10)), rng)


def _add_people(db: sqlite3.Connection) -> None:
    db.executemany(
        "insert into people (name, display_name, role, created) values (?, ?, 'tagger', ?)",
        [(name, name.title(), TAGGED) for name in ("ada", "ben", "cleo")],
    )
    db.execute("insert into tag_groups (name) values ('reading')")
    db.executemany(
        "insert into tags (tag_group, name) values (1, ?)", [(TAG,), ("read",), ("ask the authors",)]
    )


def _judge(db: sqlite3.Connection, slug: str, pmids: Sequence[int], rng: random.Random) -> None:
    """A decision on each, and a tag on three of four."""
    db.executemany(
        "insert into taggings (pmid, question, tag, person, tagged) values (?, ?, ?, ?, ?)",
        [(pmid, slug, at % 3 + 1, at % 2 + 1, TAGGED) for at, pmid in enumerate(pmids) if at % 4],
    )
    db.executemany(
        """
        insert into decisions (pmid, question, stage, person, decision, decided)
        values (?, ?, 'title-abstract', ?, ?, ?)
        """,
        [
            (pmid, slug, at % 3 + 1, rng.choice(("include", "exclude", "exclude", "unsure")), TAGGED)
            for at, pmid in enumerate(pmids)
        ],
    )


def _place(db: sqlite3.Connection, slug: str, pmids: Sequence[int], rng: random.Random) -> None:
    """A placement of each, mostly elsewhere than the rules did; of every fifth, a second by somebody else."""
    db.executemany(
        "insert into placements (pmid, question, person, value, reason, placed) values (?, ?, ?, ?, ?, ?)",
        [
            (pmid, slug, (at + more) % 3 + 1, rng.choice(DIRECTNESS), "what its full text says", TAGGED)
            for at, pmid in enumerate(pmids)
            for more in range(1 if at % 5 else 2)
        ],
    )
