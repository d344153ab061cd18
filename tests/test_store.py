"""The databases: made by migrations, safe to open from many sides, searchable, and never half right."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from tests.conftest import FOLLOWING, Desk
from tests.helpers_load import WHEN, open_evidence, put, record
from tracker.article import Pmid
from tracker.errors import CorruptDatabase, NewerSchema, TrackerError, UsageError
from tracker.evidence import articles, connect, derived, questions, schema
from tracker.evidence.search import count, fts_query, search
from tracker.evidence.steps import Schema, steps_of
from tracker.team import acts


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_evidence(tmp_path)) as db:
        yield db


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A place to run the command line in, with nobody to answer it."""
    return Desk(tmp_path, "http://127.0.0.1:9/")


def definitions(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("select name, sql from sqlite_master where sql is not null"))


def pragma(db: sqlite3.Connection, name: str) -> int | str:
    return db.execute(f"pragma {name}").fetchone()[0]


# -- opening ---------------------------------------------------------------------------------------


def test_a_new_database_has_every_table_of_the_data_dictionary(tmp_path: Path) -> None:
    open_evidence(tmp_path / "made").close()
    found = definitions(tmp_path / "made" / "evidence.db")
    tables = {name for name, sql in found.items() if sql.lower().startswith("create table")}
    ours = {name for name in tables if not name.startswith(("articles_fts", "_", "sqlite_"))}
    assert ours == {table.name for table in schema.TABLES}
    assert "articles_fts" in found


def test_opening_it_again_changes_nothing_and_copies_nothing(tmp_path: Path) -> None:
    path = tmp_path / "evidence.db"
    open_evidence(tmp_path).close()
    before = definitions(path)
    open_evidence(tmp_path).close()
    assert definitions(path) == before
    assert list(tmp_path.glob("*.db")) == [path]


@pytest.mark.parametrize(("synchronous", "level"), [("NORMAL", 1), ("FULL", 2)])
def test_a_connection_has_a_log_and_keeps_references(tmp_path: Path, synchronous: str, level: int) -> None:
    path = tmp_path / "evidence.db"
    with closing(connect.open_for_writing(path, schema.migrations, synchronous)) as db:
        assert pragma(db, "journal_mode") == "wal"
        assert pragma(db, "foreign_keys") == 1
        assert pragma(db, "synchronous") == level
        assert pragma(db, "busy_timeout") == 30_000


def test_annotations_are_on_disk_before_a_commit_returns(tmp_path: Path) -> None:
    with closing(acts.open_annotations(tmp_path / "annotations.db")) as db:
        assert pragma(db, "synchronous") == 2


MAKE = "from tests.helpers_load import open_evidence as open"
MIGRATE = "from tests.test_store import open_migrated as open"


@pytest.mark.parametrize("how", [MAKE, MIGRATE], ids=["a new file", "a file to migrate"])
def test_four_processes_that_open_at_once_all_succeed(tmp_path: Path, how: str) -> None:
    if how == MIGRATE:
        with closing(opened(tmp_path / "evidence.db", steps(1))) as db:
            db.execute("insert into papers values ('Ketamine')")
    code = f"import sys, pathlib; {how}; sys.stdin.readline(); open(pathlib.Path(sys.argv[1])).close()"
    opening = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        for _ in range(4)
    ]
    for process in opening:
        assert process.stdin
        process.stdin.write("now\n")
        process.stdin.flush()
    problems = [process.communicate(timeout=60)[1] for process in opening]
    assert [process.returncode for process in opening] == [0, 0, 0, 0], problems
    with closing(sqlite3.connect(tmp_path / "evidence.db")) as db:
        assert pragma(db, "integrity_check") == "ok"


@pytest.mark.parametrize("only_ours", [False, True])
def test_a_file_that_another_makes_while_it_is_looked_at_is_ours(tmp_path: Path, only_ours: bool) -> None:
    path = tmp_path / "annotations.db"
    other = Thread(target=lambda: acts.open_annotations(path).close())

    class Watched(Schema):
        def applied(self, db: Database) -> list[Schema._AppliedMigration]:
            found = super().applied(db)
            if other.ident is None:
                other.start()
                other.join(1)
            return found

    ours = Watched("annotations", steps_of("tracker.team"), alike="004_alike")
    connect.open_for_writing(path, ours, "FULL", only_ours=only_ours).close()
    other.join()


def test_a_transaction_that_fails_leaves_nothing(db: sqlite3.Connection) -> None:
    with pytest.raises(ZeroDivisionError), connect.transaction(db):
        db.execute("insert into strategies values ('h', 'q', 's', ?, null)", (WHEN,))
        raise ZeroDivisionError
    assert db.execute("select count(*) from strategies").fetchone() == (0,)


# -- reading ---------------------------------------------------------------------------------------


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_evidence(tmp_path).close()
    path = tmp_path / "evidence.db"
    before = path.read_bytes()
    with closing(connect.open_for_reading(path, schema.migrations)) as db:
        for statement in ("delete from articles", "create table mine (x)", "pragma user_version = 7"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute(statement)
    assert path.read_bytes() == before


def test_a_reader_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no database yet"):
        connect.open_for_reading(tmp_path / "evidence.db", schema.migrations)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_one_state_while_another_writes(tmp_path: Path) -> None:
    with (
        closing(open_evidence(tmp_path)) as writer,
        closing(connect.open_for_reading(tmp_path / "evidence.db", schema.migrations)) as reader,
        connect.transaction(writer),
    ):
        writer.execute("insert into strategies values ('h', 'q', 's', ?, null)", (WHEN,))
        assert reader.execute("select count(*) from strategies").fetchone() == (0,)


# -- migrations ------------------------------------------------------------------------------------


STEPS = {
    "001": "create table papers (title text);",
    "002": "alter table papers add column year integer;",
}


def steps(count: int, *, failing: bool = False) -> Schema:
    """The first so many steps of a schema; the last may fail after it has begun."""
    texts = dict(list(STEPS.items())[:count])
    if failing:
        texts["002"] += "\ninsert into nowhere values (1);"
    return Schema("test", texts)


def opened(path: Path, migrations: Schema) -> sqlite3.Connection:
    return connect.open_for_writing(path, migrations, "NORMAL")


def open_migrated(folder: Path) -> sqlite3.Connection:
    return opened(folder / "evidence.db", steps(2))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database of the first step, with a row in it."""
    path = tmp_path / "papers.db"
    with closing(opened(path, steps(1))) as db:
        db.execute("insert into papers values ('Ketamine')")
    return path


def copies(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.stem}-before-*.db"))


def test_a_copy_is_made_before_a_database_is_migrated(old: Path) -> None:
    with closing(opened(old, steps(2))) as db:
        assert db.execute("select title, year from papers").fetchall() == [("Ketamine", None)]
    (copy,) = copies(old)
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("select * from papers").fetchall() == [("Ketamine",)]


def test_a_reader_finds_an_old_database_migrated(old: Path) -> None:
    with closing(connect.open_for_reading(old, steps(2))) as db:
        assert db.execute("select year from papers").fetchall() == [(None,)]
    assert len(copies(old)) == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(old: Path) -> None:
    before = definitions(old)
    with pytest.raises(TrackerError, match="no such table"):
        opened(old, steps(2, failing=True))
    assert definitions(old) == before
    assert copies(old) == []
    opened(old, steps(2)).close()


def test_a_newer_schema_is_refused_and_left_alone(old: Path) -> None:
    opened(old, steps(2)).close()
    before = old.read_bytes()
    for read in (opened, connect.open_for_reading):
        with pytest.raises(NewerSchema, match="later version of evidence-tracker"):
            read(old, steps(1))
    assert old.read_bytes() == before


# -- files that are not ours -------------------------------------------------------------------------


def newer(path: Path) -> None:
    open_evidence(path.parent).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "insert into _sqlite_migrations select max(id) + 1, 'evidence', 'm999', '' from _sqlite_migrations"
        )


def others(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table holidays (day text)")


def damaged(path: Path) -> None:
    with closing(open_evidence(path.parent)) as db:
        put(db, record(1, "Ketamine"))
        connect.tidy(db, print)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))


@pytest.mark.parametrize(
    "command", [("search", "ketamine"), ("load", "one.xml"), ("status",)], ids=lambda c: c[0]
)
@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (newer, 2, "later version"),
        (others, 1, "not made by evidence-tracker"),
        (lambda path: path.write_text("Dear diary,\n" * 99), 1, "damaged or is not a SQLite database"),
        (lambda path: path.mkdir(), 2, "no database yet|cannot be written"),
    ],
    ids=["a newer schema", "somebody else's", "a text", "a folder"],
)
def test_a_file_that_is_not_ours_is_refused_in_one_line(
    desk: Desk, make: Callable[[Path], Any], code: int, message: str, command: tuple[str, ...]
) -> None:
    desk.db.parent.mkdir()
    (desk.home / "one.xml").write_text(f"<PubmedArticleSet>{record(1)}</PubmedArticleSet>")
    make(desk.db)
    before = desk.db.read_bytes() if desk.db.is_file() else None
    done = desk.run(*command)
    assert done.code == code, done.err
    assert len(done.err.splitlines()) == 1
    assert any(part in done.err for part in message.split("|")), done.err
    assert (desk.db.read_bytes() if desk.db.is_file() else None) == before


@pytest.mark.parametrize(
    "command", [("search", "ketamine"), ("load", "one.xml"), ("status",)], ids=lambda c: c[0]
)
def test_a_damaged_database_ends_in_one_line(desk: Desk, command: tuple[str, ...]) -> None:
    desk.db.parent.mkdir()
    (desk.home / "one.xml").write_text(f"<PubmedArticleSet>{record(1)}</PubmedArticleSet>")
    damaged(desk.db)
    done = desk.run(*command)
    assert done.code == 1, done
    assert len(done.err.splitlines()) == 1


def test_a_file_that_is_no_database_is_told_from_one_that_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "evidence.db"
    path.write_text("no database")
    with pytest.raises(CorruptDatabase, match="not a SQLite database"):
        open_evidence(tmp_path)


# -- the log of events -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "update events set action = 'forged'",
        "delete from events",
        "replace into events (id, happened, origin, action) values (1, '', '', 'forged')",
        "insert or replace into events (id, happened, origin, action) values (1, '', '', 'forged')",
        "insert into events (id, happened, origin, action) values (1, '', '', 'forged') "
        "on conflict (id) do update set action = 'forged'",
        "update or replace events set id = 2",
    ],
)
def test_events_are_only_ever_added_to(tmp_path: Path, statement: str) -> None:
    with closing(acts.open_annotations(tmp_path / "annotations.db")) as db:
        for action in ("tagged", "untagged"):
            db.execute("insert into events (happened, origin, action) values (?, 'cli', ?)", (WHEN, action))
        with pytest.raises(sqlite3.IntegrityError, match="only ever added to"):
            db.execute(statement)
        assert db.execute("select id, action from events").fetchall() == [(1, "tagged"), (2, "untagged")]


# -- search ----------------------------------------------------------------------------------------

PAPERS = {
    1: record(1, "Ketamine-induced cystitis in a naïve user", "Bladders were examined."),
    2: record(2, "Spravato at home", "Patients with TRD were treated twice weekly."),
    3: record(3, "Lower urinary tract symptoms", keywords=["café culture"], author="Müller"),
    4: record(4, "Dosing of ketamine", "See 10.1016/j.x for details; p < 0.05, <script>alert(1)</script>"),
    5: record(5, "Treatment of depression, resistant to all"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    with closing(open_evidence(tmp_path_factory.mktemp("library"))) as db:
        put(db, *PAPERS.values())
        yield db


FOUND = {
    "a word": ("examined", {1}),
    "a word with synonyms": ("cystitis", {1, 3}),
    "a word in quotes, without its synonyms": ('"cystitis"', {1}),
    "every word must be there": ("ketamine cystitis", {1}),
    "words in any order": ("cystitis induced ketamine", {1}),
    "a word by its stem": ("examining", {1}),
    "another form of the stem": ("treating", {2}),
    "case does not matter": ("CYSTITIS", {1, 3}),
    "without the accent": ("naive", {1}),
    "with an accent that is not there": ("dosîng", {4}),
    "accents in keywords": ("cafe", {3}),
    "an author": ("Muller", {3}),
    "a synonym": ("esketamine", {2}),
    "an abbreviation for a phrase": ("LUTS", {3}),
    "a phrase for its abbreviation": ("treatment resistant depression", {2}),
    "quotes keep words together": ('"urinary tract symptoms"', {3}),
    "quotes keep the order": ('"symptoms tract"', set()),
    "a beginning": ("keta*", {1, 4}),
    "a beginning within a phrase of words": ("cysti* ketamine", {1}),
    "a hyphen parts words": ("ketamine-induced", {1}),
    "a DOI": ("10.1016/j.x", {4}),
    "text that looks like markup": ("<script>alert(1)", {4}),
    "nothing": ("", set()),
    "no word": ("-- * ) \" '", set()),
    "an operator is a word": ("ketamine AND nothing", set()),
}


@pytest.mark.parametrize(("text", "pmids"), FOUND.values(), ids=FOUND)
def test_search_finds(library: sqlite3.Connection, text: str, pmids: set[int]) -> None:
    assert {hit.pmid for hit in search(library, text)} == pmids
    assert count(library, text) == len(pmids)


def raised(pmid: int, title: str, abstract: str = "", keyword: str = "") -> str:
    """A record whose texts have markup."""
    body = record(pmid, "TITLE", "ABSTRACT", keywords=["KEYWORD"])
    return body.replace("TITLE", title).replace("ABSTRACT", abstract).replace("KEYWORD", keyword)


RAISED = {
    1: raised(
        1, "Dose", "Given as 10<sup>6</sup> cells per m<sup>2</sup> to patients<sup>a</sup> with asthma."
    ),
    2: raised(2, "CO<sub>2</sub> laser and H<sub>2</sub>O", "Ca<sup>2+</sup> rose.", "PM<sub>2.5</sub>"),
    3: raised(3, "GABA<sub>A</sub> receptors", "5-HT<sub>2A</sub> as well."),
    4: raised(4, "Of 10(6) cells in MEDLINE's old way", "Ca(2+) and CO(2) fell."),
    5: raised(5, "Others, 10^6 as typed", "Nothing but 106 patients."),
}
RAISED_FOUND = [
    *((asked, {1, 4, 5}) for asked in ("10⁶", "10^6", "10^(6)", "106", "10(6)")),
    ("10 6", {1, 4, 5}),
    *((asked, {1}) for asked in ("m2", "m²", "m^2", "patients asthma", "patientsᵃ", '"10⁶ cells per m2"')),
    *((asked, {2, 4}) for asked in ("CO2", "CO₂", "co_2", "Ca2+", "Ca²⁺", "Ca^2+", "Ca2*")),
    *((asked, {2}) for asked in ("H2O", "H₂O", '"CO2 laser"', "PM2.5", "PM_(2.5)", '"PM 2.5"')),
    *((asked, {3}) for asked in ("GABA", "GABAA", "GABA(A)", '"GABA A receptors"', "5-HT2A", '"5-HT2A as well"')),
]  # fmt: skip


@pytest.fixture(scope="module")
def raised_library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    with closing(open_evidence(tmp_path_factory.mktemp("raised"))) as db:
        put(db, *RAISED.values())
        yield db


@pytest.mark.parametrize(("text", "pmids"), RAISED_FOUND)
def test_what_is_raised_or_lowered_is_found_in_every_form(
    raised_library: sqlite3.Connection, text: str, pmids: set[int]
) -> None:
    hits = search(raised_library, text)
    assert {hit.pmid for hit in hits} == pmids
    assert all("«" in hit.snippet for hit in hits)


@pytest.mark.parametrize(
    ("text", "snippet"),
    [
        ("106 cells", "Given as «10⁶» «cells» per m² to patientsᵃ with asthma."),
        ("patients", "Given as 10⁶ cells per m² to «patients»ᵃ with asthma."),
        ("m2", "Given as 10⁶ cells per «m²» to patientsᵃ with asthma."),
    ],
)
def test_a_snippet_shows_the_text_as_it_stands(
    raised_library: sqlite3.Connection, text: str, snippet: str
) -> None:
    assert snippet in [hit.snippet for hit in search(raised_library, text)]


def test_the_index_follows_what_is_raised(db: sqlite3.Connection) -> None:
    put(db, RAISED[1], RAISED[2])
    check_index(db)
    put(db, record(1, "Plain now", revised="2025-01-01"), raised(2, "CO<sub>3</sub>").replace("2024", "2026"))
    check_index(db)
    assert [hit.pmid for hit in search(db, "106")] == []
    assert [hit.pmid for hit in search(db, "CO3")] == [2]
    with connect.transaction(db):
        articles.forget_all(db)
    assert db.execute("select * from searched_texts").fetchall() == []


def test_search_gives_the_newest_first_and_marks_what_matched(library: sqlite3.Connection) -> None:
    hits = search(library, "ketamine")
    assert [hit.pmid for hit in hits] == [4, 1]
    assert "«ketamine»" in hits[0].snippet
    assert [hit.pmid for hit in search(library, "ketamine", limit=1)] == [4]


def test_counting_goes_no_further_than_asked(library: sqlite3.Connection) -> None:
    assert count(library, "ketamine", most=1) == 2


HOSTILE = [
    "ketamine-induced",
    "10.1016/j.x",
    "NEAR(",
    "*",
    "AND",
    "a AND",
    'a"',
    '"',
    "title:ketamine",
    "^a",
    "{a}",
]


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from([*HOSTILE, "OR", "NOT", "(", ")", "'", "\x00", "😀", "a*b", "**", "_"])).map(
        " ".join
    )
)
@settings(max_examples=300)
@example('"')
@example("NEAR(ketamine, 5)")
@example("ketamine*induced*")
@example("\ud800")
def test_nothing_that_a_reader_types_is_an_error(library: sqlite3.Connection, text: str) -> None:
    hits = search(library, text)
    assert count(library, text) == len(hits)
    assert bool(fts_query(text)) or not hits


# -- the index and the counts stay in step -------------------------------------------------------------


def check_index(db: sqlite3.Connection) -> None:
    """Rank 1 compares the index with the articles, too."""
    db.execute("insert into articles_fts (articles_fts, rank) values ('integrity-check', 1)")


def test_the_index_follows_a_change_of_the_text(db: sqlite3.Connection) -> None:
    put(db, record(1, "Old words"), record(2, "Others"))
    put(db, record(1, "New words", revised="2025-01-01"))
    check_index(db)
    assert [hit.pmid for hit in search(db, "new words")] == [1]
    assert search(db, "old") == []


def test_the_index_follows_a_deletion(db: sqlite3.Connection) -> None:
    put(db, record(1, "Old words"), record(2, "Others"))
    with connect.transaction(db):
        articles.forget(db, {Pmid(1)})
    check_index(db)
    assert search(db, "old words") == []


def test_the_index_is_empty_when_all_is_forgotten(db: sqlite3.Connection) -> None:
    put(db, record(1, "Old words"))
    with connect.transaction(db):
        articles.forget_all(db)
    check_index(db)
    assert search(db, "words") == []
    put(db, record(2, "Old words"))
    check_index(db)


TITLES = st.sampled_from(
    ["Ketamine: a systematic review", "A randomized trial", "Bladder notes", "Naïve", ""]
)
TYPES = st.sampled_from(
    [(), ("Review",), ("Randomized Controlled Trial",), ("Retracted Publication", "Meta-Analysis")]
)
PMIDS = st.integers(1, 4)
SLUGS = st.sampled_from(["tolerance", "cystitis"])
OPERATIONS = st.one_of(
    st.tuples(st.just("put"), PMIDS, TITLES, TYPES, st.integers(2018, 2021)),
    st.tuples(st.just("enter"), SLUGS, st.sets(PMIDS)),
    st.tuples(st.just("leave"), SLUGS, st.sets(PMIDS)),
    st.tuples(st.just("leave all"), st.sets(PMIDS)),
    st.tuples(st.just("relabel all")),
)


def perform(db: sqlite3.Connection, step: int, operation: tuple[object, ...]) -> None:
    match operation:
        case ("put", int(pmid), str(title), tuple(types), int(year)):
            put(db, record(pmid, title, f"step {step}", types=types, year=year))
        case ("enter", str(slug), set(pmids)):
            here = dict.fromkeys(map(Pmid, pmids), "first search")
            with connect.transaction(db), questions.relabelling(db, here.keys()):
                questions.enter(db, slug, "hash", here, WHEN)
        case ("leave", str(slug), set(pmids)):
            with connect.transaction(db), questions.relabelling(db, pmids):
                questions.leave(db, slug, pmids, WHEN)
        case ("leave all", set(pmids)):
            with connect.transaction(db), questions.relabelling(db, pmids):
                questions.leave_all(db, pmids, WHEN)
        case _:
            with connect.transaction(db):
                derived.fill(db)


RECOUNT = f"""
with matching (question, label_group, value, published, pmid) as ({FOLLOWING["question_labels"]})
select question, label_group, value, substr(published, 1, 4), count(*) from matching
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


@given(st.lists(OPERATIONS, max_size=12))
@settings(max_examples=40)
def test_counts_and_index_are_right_after_anything_that_can_happen(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[object, ...]]
) -> None:
    with closing(open_evidence(tmp_path_factory.mktemp("counts"))) as db:
        for step, operation in enumerate(operations):
            perform(db, step, operation)
        counts = "select question, label_group, value, year, n from question_counts order by 1, 2, 3, 4"
        assert db.execute(counts).fetchall() == db.execute(RECOUNT).fetchall()
        check_index(db)


def test_a_batch_may_hold_a_record_twice_and_the_last_counts(db: sqlite3.Connection) -> None:
    put(db, record(1, "First"), record(1, "Second"))
    assert db.execute("select title from articles").fetchall() == [("Second",)]
    check_index(db)


def test_every_version_of_a_record_is_kept(db: sqlite3.Connection) -> None:
    put(db, record(1, "First"))
    put(db, record(1, "Second"))
    put(db, record(1, "First"))
    assert db.execute("select count(*) from raw_records").fetchone() == (2,)
    changes = db.execute("select before, after from changes where field = 'title' order by rowid").fetchall()
    assert changes == [("First", "Second"), ("Second", "First")]


def test_identifiers_of_affiliations_are_kept_as_json(db: sqlite3.Connection) -> None:
    place = "<AffiliationInfo><Affiliation>X</Affiliation><Identifier Source='ROR'>r</Identifier></AffiliationInfo>"
    put(db, record(1, author="Lee").replace("</LastName>", f"</LastName>{place}"))
    (found,) = db.execute("select identifiers from affiliations").fetchone()
    assert json.loads(found) == [["ROR", "r"]]
