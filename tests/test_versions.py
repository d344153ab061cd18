"""Of all versions of a record the newest is shown and every one is kept, wherever they stand and however they came."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Desk, check_whole
from tests.helpers_load import document, open_evidence, put, record
from tracker.article import Pmid
from tracker.evidence import connect, records, runs
from tracker.jobs import ingest
from tracker.jobs.workers import BATCH

RETRACTED = ("Journal Article", "Retracted Publication")
FILLERS = [record(pmid, f"Filler {pmid}") for pmid in range(1000, 1000 + BATCH)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A place to run the command line in, with nobody to answer it."""
    return Desk(tmp_path, "http://127.0.0.1:9/")


def nbib(title: str, revised: str = "", *lines: str) -> str:
    dated = [f"LR  - {revised.replace('-', '')}"] if revised else []
    return "\n".join(["PMID- 1", f"TI  - {title}", *dated, *lines, "", ""])


def load(desk: Desk, *files: str, arguments: Sequence[str] = ()) -> dict[str, int]:
    names = [f"file{number}" for number in range(len(files))]
    for name, text in zip(names, files, strict=True):
        (desk.home / name).write_text(text)
    done = desk.run("load", *names, *arguments, "--json")
    assert done.code == 0, done.err
    return {name: number for name, number in done.json.items() if isinstance(number, int)}


# Older, newer: the second of each pair is the one to show.
XML_PAIRS = {
    "revised later": (record(1, "Old", revised="2021-02-03"), record(1, "New", revised="2025-02-03")),
    "a higher version of the PMID": (
        record(1, "Old", revised="2025-02-03"),
        record(1, "New", revised="2021-02-03", version=2),
    ),
    "version ten, which is not less than nine": (
        record(1, "Old", version=9),
        record(1, "New", version=10),
    ),
    "a day of revision, where the other has none": (
        record(1, "Old")
        .replace("<DateRevised>", "<DateUnknown>")
        .replace("</DateRevised>", "</DateUnknown>"),
        record(1, "New", revised="2021-02-03"),
    ),
    "the same day, retracted": (
        record(1, "Old", revised="2021-02-03"),
        record(1, "New", revised="2021-02-03", types=RETRACTED),
    ),
    "retracted once, and no longer": (
        record(1, "Old", revised="2021-02-03", types=RETRACTED),
        record(1, "New", revised="2025-02-03"),
    ),
    "a day that has not come yet says nothing": (
        record(1, "Old", revised="2199-01-01"),
        record(1, "New", revised="2021-02-03"),
    ),
}
NBIB_PAIRS = {
    "text, revised later": (nbib("Old", "2021-02-03"), nbib("New", "2025-02-03")),
    "text, with a date, where the other has none": (nbib("Old"), nbib("New", "2025-02-03")),
    "text of the same day, retracted": (
        nbib("Old", "2021-02-03"),
        nbib("New", "2021-02-03", "PT  - Retracted Publication"),
    ),
}
MIXED_PAIRS = {
    "XML says more than text, though it is older": (
        nbib("Old", "2025-02-03"),
        document(record(1, "New", revised="2021-02-03")),
    ),
    "but not where a newer text tells of a retraction": (
        document(record(1, "Old", revised="2021-02-03")),
        nbib("New", "2025-02-03", "RIN - J Test. 2025;1:1. PMID: 2"),
    ),
    "of the same day as well": (
        document(record(1, "Old", revised="2021-02-03")),
        nbib("New", "2021-02-03", "RIN - J Test. 2025;1:1. PMID: 2"),
    ),
    "nor where that was taken back since": (
        nbib("Old", "2021-02-03", "RIN - J Test. 2025;1:1. PMID: 2"),
        document(record(1, "New", revised="2025-02-03")),
    ),
    "text has no version of its own": (
        document(record(1, "Old", revised="2021-02-03", version=3)),
        nbib("New", "2025-02-03", "RIN - J Test. 2025;1:1. PMID: 2"),
    ),
}


XML_FILES = {name: (document(old), document(new)) for name, (old, new) in XML_PAIRS.items()}


def cases(*tables: dict[str, tuple[str, str]]) -> list[object]:
    """Each pair in both orders."""
    return [
        pytest.param(order, id=f"{name}-{'older' if order == pair else 'newer'} first")
        for table in tables
        for name, pair in table.items()
        for order in (pair, pair[::-1])
    ]


def check(desk: Desk) -> None:
    assert desk.column("select title from articles where pmid = 1") == ["New"]
    assert desk.column("select count(*) from raw_records where pmid = 1") == [2]
    check_whole(desk.db)
    before = desk.sql("select * from articles where pmid = 1")
    assert desk.run("rebuild").code == 0
    assert desk.sql("select * from articles where pmid = 1") == before


@pytest.mark.parametrize("pair", cases(XML_PAIRS))
@pytest.mark.parametrize("between", [[], FILLERS], ids=["in one batch", "in two batches"])
def test_the_newest_of_one_xml_file_is_shown(desk: Desk, pair: tuple[str, str], between: list[str]) -> None:
    counts = load(desk, document(pair[0], *between, pair[1]))
    assert counts["records"] == len(between) + 2
    assert counts["new"] == len(between) + 1
    assert counts["changed"] + counts["unchanged"] == 1
    check(desk)


@pytest.mark.parametrize("pair", cases(NBIB_PAIRS))
def test_the_newest_of_one_text_is_shown(desk: Desk, pair: tuple[str, str]) -> None:
    load(desk, "".join(pair))
    check(desk)


@pytest.mark.parametrize("pair", cases(XML_FILES, NBIB_PAIRS, MIXED_PAIRS))
@pytest.mark.parametrize("how", ["one command", "two commands"])
def test_the_newest_of_two_files_is_shown(desk: Desk, pair: tuple[str, str], how: str) -> None:
    for files in [pair] if how == "one command" else [pair[:1], pair[1:]]:
        load(desk, *files)
    check(desk)


def test_the_version_that_was_retracted_in_a_file_is_marked_everywhere(desk: Desk) -> None:
    retracted = record(1, "Ketamine", revised="2025-02-03", types=RETRACTED)
    load(desk, document(retracted, record(1, "Ketamine", revised="2021-02-03")))
    assert "*** RETRACTED" in desk.run("show", "1").out
    assert "[RETRACTED]" in desk.run("search", "ketamine").out


# -- counts and changes ----------------------------------------------------------------------------


def test_a_newer_version_behind_an_older_one_is_a_change_and_an_older_one_behind_it_is_none(
    desk: Desk,
) -> None:
    old, new = (
        record(1, title, revised=day) for title, day in (("Old", "2021-02-03"), ("New", "2025-02-03"))
    )
    assert load(desk, document(old, new))["changed"] == 1
    assert desk.sql("select before, after from changes where field = 'title'") == [("Old", "New")]
    other = Desk(desk.home / "other", desk.url)
    other.home.mkdir()
    assert load(other, document(new, old))["unchanged"] == 1
    assert other.sql("select * from changes") == []


# -- any order -------------------------------------------------------------------------------------

VERSIONS = [
    record(1, "a", revised="2021-01-01"),
    record(1, "b", revised="2021-01-01", types=RETRACTED),
    record(1, "c", revised="2023-01-01"),
    record(1, "d", revised="2020-01-01", version=2),
    nbib("e", "2024-01-01", "RIN - J Test. 2024;1:1. PMID: 2"),
    nbib("f", "2022-01-01"),
]


def stored(db: sqlite3.Connection, texts: Sequence[str], source: str) -> None:
    run = runs.start(db, "load", "0", {})
    readings = [ingest.read(text.encode(), "nbib" if text.startswith("PMID") else "xml") for text in texts]
    with connect.transaction(db):
        ingest.store(db, readings, run=run, when="2026-01-01T00:00:00Z", source=source)


def shown(db: sqlite3.Connection) -> str:
    title: str = db.execute("select title from articles where pmid = 1").fetchone()[0]
    return title


@given(st.lists(st.sampled_from(VERSIONS), min_size=2, max_size=6, unique=True), st.data())
@settings(max_examples=60)
def test_no_order_source_or_batch_changes_what_is_shown(
    tmp_path_factory: pytest.TempPathFactory, versions: list[str], data: st.DataObject
) -> None:
    found = set()
    for attempt in range(3):
        left = data.draw(st.permutations(versions))
        with closing(open_evidence(tmp_path_factory.mktemp(f"order{attempt}"))) as db:
            while left:
                cut = data.draw(st.integers(1, len(left)))
                stored(db, left[:cut], data.draw(st.sampled_from(["file", "pubmed"])))
                left = left[cut:]
            found.add(shown(db))
            assert db.execute("select count(*) from raw_records").fetchone()[0] == len(versions)
    assert len(found) == 1


# -- PubMed's answers ------------------------------------------------------------------------------


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_evidence(tmp_path)) as db:
        yield db


OLD, NEW = XML_PAIRS["revised later"]


@pytest.mark.parametrize("pair", [(OLD, NEW), (NEW, OLD)], ids=["older first", "newer first"])
@pytest.mark.parametrize("source", ["pubmed", "file"])
def test_an_answer_that_has_a_record_twice_shows_the_newest(
    db: sqlite3.Connection, pair: tuple[str, str], source: str
) -> None:
    put(db, *pair, source=source)
    assert shown(db) == "New"


def test_an_answer_that_is_older_than_a_file_changes_nothing_but_when_to_ask_again(
    db: sqlite3.Connection,
) -> None:
    put(db, NEW, source="file")
    db.execute(
        "update record_state set checked = '2025-01-01T00:00:00Z', next_check = '2025-02-01T00:00:00Z'"
    )
    put(db, OLD, source="pubmed")
    assert shown(db) == "New"
    source, checked, due = db.execute("select source, checked, next_check from record_state").fetchone()
    assert (source, checked) == ("file", "2025-01-01T00:00:00Z")
    assert due > "2026-01-01T00:00:00Z"
    assert db.execute("select count(*) from changes").fetchone() == (0,)


def test_an_older_answer_says_that_a_record_is_there_again(db: sqlite3.Connection) -> None:
    put(db, NEW)
    with connect.transaction(db):
        records.deleted(db, [(Pmid(1), 1)], "2026-01-01T00:00:00Z")
    put(db, OLD)
    assert db.execute("select gone, missing_since from record_state").fetchone() == (None, None)
    assert shown(db) == "New"


def test_a_file_that_says_the_same_as_pubmed_leaves_it_pubmeds_word(db: sqlite3.Connection) -> None:
    put(db, NEW)
    before = db.execute("select * from record_state").fetchall()
    put(db, NEW, source="file")
    assert db.execute("select * from record_state").fetchall() == before


# -- what matches no question any more -------------------------------------------------------------

MATCHING = record(1, "Ketamine and cystitis in depression", "Bladder pain under ketamine for depression.")
SILENT = record(1, "Removed", revised="2025-01-01", types=RETRACTED)


@pytest.mark.parametrize(
    "files",
    [
        [document(MATCHING), document(SILENT)],
        [document(MATCHING, SILENT)],
        [document(SILENT, MATCHING)],
        [document(SILENT, *FILLERS, MATCHING)],
        [document(MATCHING, *FILLERS, SILENT)],
    ],
    ids=["another file", "behind it", "before it", "a batch before it", "a batch behind it"],
)
def test_a_retraction_that_matches_no_question_is_not_passed_over(desk: Desk, files: list[str]) -> None:
    for text in files:
        load(desk, text, arguments=["--match", "cystitis"])
    assert desk.sql("select title, retracted from articles") == [("Removed", 1)]
    assert desk.column("select count(*) from raw_records") == [2]


# -- deletions -------------------------------------------------------------------------------------


def deletion(version: int = 1) -> str:
    return f'<DeleteCitation><PMID Version="{version}">1</PMID></DeleteCitation>'


@pytest.mark.parametrize(
    ("parts", "gone"),
    [
        ((OLD, deletion()), True),
        ((deletion(), OLD), False),
        ((OLD, deletion(), NEW), False),
        ((OLD, *FILLERS, deletion(), *FILLERS, NEW, deletion()), True),
        ((record(1, version=2), deletion(1)), False),
        ((record(1, version=2), deletion(2)), True),
    ],
    ids=[
        "deleted",
        "added after it",
        "added again",
        "deleted again",
        "an older version",
        "the latest version",
    ],
)
def test_a_deletion_counts_where_it_stands(desk: Desk, parts: tuple[str, ...], gone: bool) -> None:
    load(desk, document(*parts))
    assert [bool(when) for when in desk.column("select gone from record_state where pmid = 1")] == [gone]


# -- databases that older versions left ------------------------------------------------------------


def wrong(desk: Desk) -> None:
    """As an older version left it: the older version is shown, and what is derived is of before."""
    load(desk, document(OLD.replace("Old", "Ketamine, as entered")))
    load(
        desk,
        document(NEW.replace("New", "Ketamine, revised").replace("Journal Article", "Retracted Publication")),
    )
    (old,) = desk.column("select sha256 from raw_records order by rowid limit 1")
    desk.change("update record_state set raw = ?", old)
    desk.change("delete from changes")
    desk.change("update articles set title = 'Ketamine, as entered', retracted = 0")
    desk.change("update articles set rules_version = 1")


def test_rebuild_shows_the_newest_of_what_is_kept_and_says_so(desk: Desk) -> None:
    wrong(desk)
    done = desk.run("rebuild")
    assert "1 records derived again; 1 now show a newer version" in done.out
    assert desk.sql("select title, retracted from articles") == [("Ketamine, revised", 1)]
    assert ("retracted", "0", "1") in desk.sql("select field, before, after from changes")
    check_whole(desk.db)


@pytest.mark.parametrize("command", [["load", "more"], ["refresh"]], ids=["load", "refresh"])
def test_what_was_read_otherwise_is_named_and_read_again_by_rebuild_alone(
    desk: Desk, command: list[str]
) -> None:
    wrong(desk)
    (desk.home / "more").write_text(document(record(2)))
    done = desk.run(*command)
    assert "1 record was read by an older version of evidence-tracker" in done.err
    assert "Run 'tracker rebuild'" in done.err
    assert desk.column("select title from articles where pmid = 1") == ["Ketamine, as entered"]
    assert desk.run("rebuild").code == 0
    assert desk.column("select title from articles where pmid = 1") == ["Ketamine, revised"]
    assert "tracker rebuild" not in desk.run(*command).err


def test_whoever_only_reads_is_told_and_writes_nothing(desk: Desk) -> None:
    wrong(desk)
    before = desk.db.read_bytes()
    assert "tracker rebuild" in desk.run("status").err
    assert desk.run("status", "--json").json["read_by_older_rules"] == 1
    assert desk.run("search", "ketamine").code == 0
    assert desk.run("show", "1").code == 0
    assert desk.db.read_bytes() == before


def test_what_is_loaded_is_read_by_today_s_rules(desk: Desk) -> None:
    load(desk, document(record(1)))
    assert desk.run("status", "--json").json["read_by_older_rules"] == 0
    assert "tracker rebuild" not in desk.run("status").err
