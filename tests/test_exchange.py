"""What people wrote, out into files and in from them: nothing is lost, invented or overwritten on the way."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import FIXTURES, Desk
from tracker.article import given_pmid
from tracker.decision import Seen
from tracker.exchange import asreview, matching, ours, rayyan
from tracker.export.clean import cell, guarded, printable, unguarded
from tracker.team import decisions, people, tagging, vocabulary
from tracker.team.acts import Act, acting, open_annotations
from tracker.team.review import Review

SCREENING = FIXTURES / "screening"
REASONS = ("wrong population", "animal study")
SINGLE, DUAL = Review("cystitis", False, REASONS), Review("psychotherapy", True, REASONS)
HOSTILE = (
    "=cmd|'/C calc'!A1",
    "'=1+1",
    "''@x",
    'a, "b"\nc\n\nd;e\tf',
    "line\r\nbreak and \u2028 separators \x85",
    "🧪 נִסּוּי \u202eturned\u202c",
    '"',
    "-",
    "'",
    "NULL",
    "{not json}",
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("exchange"), "http://127.0.0.1:9/")
    files = sorted(str(path) for path in (FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *files).code == 0
    return desk


@pytest.fixture
def desk(loaded: Desk, tmp_path: Path) -> Desk:
    """The fixtures' records, and Ada, Ben (who leads) and Cy."""
    desk = Desk(tmp_path, loaded.url)
    desk.db.parent.mkdir()
    shutil.copy(loaded.db, desk.db)
    staff(desk.annotations)
    return desk


def staff(path: Path) -> None:
    with closing(open_annotations(path)) as db, acting(db, None, "test") as act:
        for name, role in (("ada", "tagger"), ("ben", "lead"), ("cy", "tagger")):
            people.add(act, name, role)
        vocabulary.ensure(act)


def act_as(db: sqlite3.Connection, name: str, when: str = "2026-02-03T04:05:06Z") -> Act:
    act = Act(db, people.named(db, name).id, "test")
    act.when = when
    return act


def fill(path: Path, texts: tuple[str, ...] = HOSTILE) -> None:
    """Something of every kind, sealed and not, settled and in conflict, with hostile text."""
    with closing(open_annotations(path)) as db:
        ada, ben = act_as(db, "ada"), act_as(db, "ben", "2026-02-04T04:05:06Z")
        for number, text in enumerate(texts):
            pmid = 100 + number
            tagging.tag(ada, pmid, None, vocabulary.named(db, "to discuss"), text)
            tagging.write_note(ben, pmid, "cystitis", text)
            tagging.review_label(ada, pmid, "design", "case report", text.split("\n")[0][:50].strip())
        tagging.review_label(ada, 1, "design", "", "cohort study")
        tagging.review_label(ada, 1, "design", "case report", "")
        seen = Seen("title", "hidden")
        decisions.decide(ada, SINGLE, 1, "title-abstract", "exclude", "animal study", seen=seen)
        decisions.decide(ben, SINGLE, 1, "title-abstract", "include", seen=Seen(None, "shown"))
        # One has decided: what she says is sealed. Two have: it is not, and a lead settles.
        decisions.decide(ada, DUAL, 2, "title-abstract", "include")
        tagging.tag(ada, 2, None, vocabulary.named(db, "harm"), None, DUAL.seal("title-abstract"))
        tagging.write_note(ada, 2, "psychotherapy", "sealed words", DUAL.seal("title-abstract"))
        for act, decision in ((ada, "include"), (ben, "exclude")):
            decisions.decide(act, DUAL, 3, "title-abstract", decision)
        decisions.settle(ben, DUAL, 3, "title-abstract", "include", None, "=talked it over")
        db.commit()


def exported(desk: Desk, name: str) -> bytes:
    done = desk.run("tag", "export", "-o", str(desk.home / name))
    assert done.code == 0, done.err
    return (desk.home / name).read_bytes()


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


# -- our own format --------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_an_export_of_an_import_is_the_same_file(
    desk: Desk, tmp_path: Path, format: str, known: bool
) -> None:
    fill(desk.annotations)
    first = exported(desk, f"all.{format}")
    other = Desk(tmp_path / "other", desk.url)
    other.home.mkdir()
    if known:
        staff(other.annotations)
    done = other.run("tag", "import", str(desk.home / f"all.{format}"), "--json")
    assert done.code == 0, done.err
    assert done.json["people_added"] == ([] if known else ["ada", "ben"])
    assert exported(other, f"again.{format}") == first
    # Sealed stays sealed, and what two had decided is open again.
    for query in (
        "select review, pmid, unsealed from unsealed",
        "select pmid, blind from taggings where blind is not null",
    ):
        assert rows(other.annotations, query) == rows(desk.annotations, query)


def test_whoever_is_added_cannot_sign_in(desk: Desk, tmp_path: Path) -> None:
    fill(desk.annotations)
    exported(desk, "all.csv")
    other = Desk(tmp_path / "other", desk.url)
    other.home.mkdir()
    done = other.run("tag", "import", str(desk.home / "all.csv"))
    assert "people added, disabled: ada, ben" in done.err
    assert "tags added: " in done.err
    found = rows(other.annotations, "select name, disabled is not null, password_hash from people order by 1")
    assert found == [("ada", 1, None), ("ben", 1, None)]


def test_importing_twice_changes_nothing(desk: Desk) -> None:
    fill(desk.annotations)
    exported(desk, "all.csv")
    before = rows(desk.annotations, "select count(*) from events")
    done = desk.run("tag", "import", "all.csv")
    assert done.code == 0
    assert done.err.startswith("nothing new written")
    assert rows(desk.annotations, "select count(*) from events") == before


def test_a_dry_run_says_it_and_does_nothing(desk: Desk, tmp_path: Path) -> None:
    fill(desk.annotations)
    exported(desk, "all.csv")
    other = Desk(tmp_path / "other", desk.url)
    other.home.mkdir()
    done = other.run("tag", "import", "--dry-run", "--json", str(desk.home / "all.csv"))
    assert done.json["written"]["decision"] == 5
    assert rows(other.annotations, "select count(*) from people") == [(0,)]


def test_what_contradicts_is_left_and_listed(desk: Desk) -> None:
    fill(desk.annotations)
    text = exported(desk, "all.csv").decode("utf-8-sig")
    changed = text.replace('"exclude","animal study"', '"include",""').replace(
        '"Outcome","harm"', '"Outcome","benefit"'
    )
    (desk.home / "changed.csv").write_text(changed, newline="")
    done = desk.run("tag", "import", "changed.csv")
    assert done.code == 3
    assert "PMID 1: decision of ada: there is exclude, not include; left as it is" in done.out
    assert "PMID 2: tagging of ada: there is harm, not benefit; left as it is" in done.out
    assert exported(desk, "after.csv").decode("utf-8-sig") == text


def test_a_third_decision_finds_no_place_in_a_dual_review(desk: Desk) -> None:
    fill(desk.annotations)
    line = b'"decision","3","psychotherapy","title-abstract","cy","","","","unsure","","","2026-02-05T00:00:00Z",'
    data = (
        exported(desk, "all.csv").splitlines(keepends=True)[0]
        + line
        + b'"psychotherapy/title-abstract","","","","",""\r\n'
    )
    (desk.home / "third.csv").write_bytes(data)
    done = desk.run("tag", "import", "third.csv")
    assert done.code == 3
    assert "two others have decided" in done.out


def test_events_say_where_it_came_from(desk: Desk) -> None:
    fill(desk.annotations)
    exported(desk, "all.csv")
    other = Desk(desk.home / "other", desk.url)
    other.home.mkdir()
    other.run("tag", "import", str(desk.home / "all.csv"))
    origins = rows(other.annotations, "select distinct origin from events")
    assert origins == [("tracker tag import all.csv",)]


# As files have it that older versions exported.
HEADER = ",".join(name for name in ours.COLUMNS if name not in ours.LATER)
GOOD = "note,1,,,ada,,,,,,words,2026-01-01T00:00:00Z,"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("opinion,1,,,ada,,,,,,x,2026-01-01T00:00:00Z,", "kind: 'opinion' is unknown. Use tagging"),
        ("note,x1,,,ada,,,,,,x,2026-01-01T00:00:00Z,", "pmid: 'x1' is not a PMID"),
        ("note,1,,,,,,,,,x,2026-01-01T00:00:00Z,", "person: is empty"),
        ("note,1,,,Ada B,,,,,,x,2026-01-01T00:00:00Z,", "'Ada B' is not a valid name"),
        ("note,1,,,ada,,,,,,,2026-01-01T00:00:00Z,", "text: is empty"),
        ("note,1,,,ada,,,,,,x,yesterday,", "when: 'yesterday' is not a date and time"),
        ("note,1,,,ada,,,,,,x,2026-02-30T00:00:00Z,", "is not a date and time"),
        ("note,1,,full-text,ada,,,,,,x,2026-01-01T00:00:00Z,", "stage: a note has no stage"),
        ("note,1,No Such,,ada,,,,,,x,2026-01-01T00:00:00Z,", "question: 'No Such' is not a question"),
        ("note,1,,,ada,,,,,,x,2026-01-01T00:00:00Z,cystitis", "sealed: 'cystitis' is not a seal"),
        (
            "decision,1,cystitis,abstract,ada,,,,include,,,2026-01-01T00:00:00Z,",
            "stage: 'abstract' is unknown",
        ),
        ("decision,1,cystitis,full-text,ada,,,,maybe,,,2026-01-01T00:00:00Z,", "value: 'maybe' is unknown"),
        ("tagging,1,,,ada,Outcome,7,,,,,2026-01-01T00:00:00Z,", "'7' is a number"),
        ("tagging,1,,,ada,Dose,harm,,,,,2026-01-01T00:00:00Z,", "the tag 'harm' exists already, in Outcome"),
        ("note,1,,,ada", "5 cells, but 13 columns"),
        ('note,1,,,ada,,,,,,"x,2026', "not CSV"),
    ],
)
def test_a_bad_line_refuses_the_whole_file(desk: Desk, line: str, words: str) -> None:
    (desk.home / "bad.csv").write_text("\n".join((HEADER, GOOD, line, "")))
    done = desk.run("tag", "import", "bad.csv")
    assert done.code == 2
    assert "bad.csv: line 3: " in done.err
    assert words in done.err
    assert rows(desk.annotations, "select count(*) from notes") == [(0,)]


@pytest.mark.parametrize(
    ("stage", "basis", "labels", "words"),
    [
        ("title-abstract", "cover", "", "basis: 'cover' is unknown. Use title or abstract"),
        ("title-abstract", "", "seen", "labels: 'seen' is unknown. Use shown or hidden"),
        ("full-text", "title", "", "basis: a decision by full-text has none"),
    ],
)
def test_what_a_decision_was_taken_from_has_words_of_its_own(
    desk: Desk, stage: str, basis: str, labels: str, words: str
) -> None:
    line = f"decision,1,cystitis,{stage},ada,,,,include,,,2026-01-01T00:00:00Z,,{basis},{labels},,,"
    (desk.home / "bad.csv").write_text("\n".join((",".join(ours.COLUMNS), line, "")))
    done = desk.run("tag", "import", "bad.csv")
    assert (done.code, words in done.err) == (2, True), done.err


def test_a_decision_of_an_older_file_is_the_same_one_as_ours(desk: Desk) -> None:
    fill(desk.annotations)
    text = exported(desk, "all.csv").decode("utf-8-sig")
    (here,) = [row for row in csv.DictReader(io.StringIO(text, newline="")) if row["basis"]]
    older = {name: cell for name, cell in here.items() if name not in ours.LATER}
    (desk.home / "older.csv").write_text("\n".join((HEADER, ",".join(older.values()), "")))
    done = desk.run("tag", "import", "older.csv", "--json")
    assert (done.code, done.json["unchanged"], done.json["conflicts"]) == (0, 1, [])
    assert rows(desk.annotations, "select basis, labels from decisions where basis is not null") == [
        ("title", "hidden")
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a,b\n1,2\n", "'a' is not a column"),
        (HEADER.removesuffix(",sealed").encode() + b"\n", "'sealed' is missing"),
        (HEADER.encode() + b"\n\xff\xfe\n", "line 2: not UTF-8"),
        (b"", "is missing"),
        (b'{"kind": "note"}\n', "'pmid' is missing"),
        (b"{nothing}\n", "line 1: not JSON"),
        (b"PK\x03\x04...", "a ZIP or Excel file"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_such_file_is_refused(desk: Desk, data: bytes | None, words: str) -> None:
    if data is not None:
        (desk.home / "bad").write_bytes(data)
    done = desk.run("tag", "import", "bad")
    assert done.code == 2
    assert words in done.err


def test_json_lines_name_fields_too(desk: Desk) -> None:
    row = dict.fromkeys(ours.COLUMNS) | {
        "kind": "note",
        "pmid": 1,
        "person": "ada",
        "when": "2026-01-01T00:00:00Z",
    }
    for text, words in (
        (5, "text: 5 is not text"),
        ("\ud800", "lone surrogate"),
        ("x" * 10_001, "10,001 characters"),
    ):
        (desk.home / "bad.jsonl").write_text(json.dumps(row | {"text": text}))
        done = desk.run("tag", "import", "bad.jsonl")
        assert (done.code, words in done.err) == (2, True), done.err


@given(st.text(st.characters(codec="utf-8")))
@example("=1+1")
@example("'=1+1")
@example("\x01=1+1")
@example("\x01'=1+1")
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert cell(guarded(text)) == printable(guarded(text))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    home = tmp_path_factory.mktemp("any")
    with closing(open_annotations(home / "a.db")) as db, acting(db, None, "test") as act:
        people.add(act, "ada", "tagger")
        who = people.named(db, "ada").id
        for number, text in enumerate(texts, 1):
            key = {"pmid": number, "question": None, "id": number, "person": who}
            act.put("note", "note", key, {"text": text})
    for format in ours.FORMATS:
        first, again = io.BytesIO(), io.BytesIO()
        with closing(open_annotations(home / "a.db")) as db:
            ours.export(db, first, format)
        (home / f"file.{format}").write_bytes(first.getvalue())
        with closing(open_annotations(home / f"{format}.db")) as db:
            ours.import_rows(db, home / f"file.{format}")
            ours.export(db, again, format)
            assert [text for (text,) in db.execute("select text from notes order by pmid")] == texts
        assert again.getvalue() == first.getvalue()


def test_twenty_thousand_rows_pass_in_seconds_at_flat_memory(desk: Desk) -> None:
    with closing(open_annotations(desk.annotations)) as db, acting(db, None, "test"):
        db.execute(
            """
            with recursive n (i) as (select 1 union all select i + 1 from n where i < 20000)
            insert into notes (pmid, person, text, written)
            select i, 1, printf('%0500d', i), '2026-01-01T00:00:00Z' from n
            """
        )
    with closing(open_annotations(desk.annotations)) as db, (desk.home / "all.csv").open("wb") as out:
        tracemalloc.start()
        assert ours.export(db, out) == 20_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000


# -- what others export ----------------------------------------------------------------------------


def test_rayyan_is_brought_in_with_what_was_not(desk: Desk) -> None:
    shutil.copy(SCREENING / "rayyan.csv", desk.home)
    arguments = ("tag", "import", "rayyan.csv", "--from", "rayyan", "--question", "cystitis")
    mapping = ("--reviewer", "Alice=ada", "--reviewer", "Bob M.=ben", "--json")
    done = desk.run(*arguments, *mapping)
    assert done.code == 3, done.err
    report = done.json
    assert report["matched"] == {"doi": 2, "pmid": 2, "title": 1}
    assert [entry["title"] for entry in report["unmatched"]] == ["A trial that PubMed does not hold"]
    assert report["undecided"] == 1
    assert report["unmapped_reviewers"] == {"Carol": 1}
    assert report["unknown_labels"] == {"RCT phase 3": 1}
    found = rows(
        desk.annotations,
        "select pmid, name, decision, reason from decisions d join people p on p.id = d.person order by 1, 2",
    )
    assert found == [
        (90000301, "ada", "include", None),
        (90000301, "ben", "include", None),
        (90000302, "ada", "exclude", "wrong population"),
        (90000302, "ben", "unsure", None),
        (90000303, "ada", "include", None),
        # Two excluded for two reasons, and nothing says whose is which.
        (90000304, "ada", "exclude", None),
        (90000304, "ben", "exclude", None),
    ]
    assert rows(desk.annotations, "select pmid, text from notes order by pmid, id") == [
        (90000302, 'street "K", see page 2'),
        (90000302, "second note"),
        (90000302, "Reasons for exclusion in rayyan: too old"),
        (90000304, "Reasons for exclusion in rayyan: animal study, wrong drug"),
    ]
    assert {
        tag for (tag,) in rows(desk.annotations, "select name from taggings g join tags t on t.id = g.tag")
    } == {
        "harm",
        "teaching",
    }
    again = desk.run(*arguments, *mapping)
    assert (again.json["written"], again.json["conflicts"]) == ({}, [])
    assert again.json["unchanged"] == 13


def test_a_decision_that_is_there_is_never_overwritten(desk: Desk) -> None:
    with closing(open_annotations(desk.annotations)) as db:
        decisions.decide(act_as(db, "ada"), SINGLE, 90000606, "title-abstract", "include")
    shutil.copy(SCREENING / "rayyan.ris", desk.home)
    done = desk.run(
        "tag", "import", "rayyan.ris", "--from", "rayyan", "--question", "cystitis", "--as", "ada"
    )
    assert done.code == 3
    assert (
        "record 2: PMID 90000606: ada said include already, not exclude (not original research)" in done.out
    )
    found = rows(desk.annotations, "select pmid, decision from decisions order by pmid")
    assert found == [(90000306, "unsure"), (90000606, "include")]


def test_labels_can_become_tags(desk: Desk) -> None:
    shutil.copy(SCREENING / "rayyan.csv", desk.home)
    arguments = (
        "--from",
        "rayyan",
        "--question",
        "cystitis",
        "--reviewer",
        "Alice=ada",
        "--add-tags",
        "From Rayyan",
    )
    done = desk.run("tag", "import", "rayyan.csv", *arguments, "--json")
    assert done.json["tags_added"] == ["From Rayyan: RCT phase 3"]
    assert "RCT phase 3" in desk.run("tag", "list", "90000301").out
    assert done.json["unmapped_reviewers"] == {"Bob M.": 5, "Carol": 1}


def test_a_dual_review_is_decided_as_on_the_site(desk: Desk) -> None:
    """Sealed until two have decided; at the full text only what passed before."""
    pmid = min(desk.matching("psychotherapy"))
    header = "key,title,notes,pubmed_id\n"
    for name, person in (("Alice", "ada"), ("Bob", "ben")):
        notes = f'"RAYYAN-INCLUSION: {{""{name}""=>""Included""}} | RAYYAN-LABELS: teaching"'
        (desk.home / "one.csv").write_text(f"{header}1,A title,{notes},{pmid}\n")
        common = (
            "tag",
            "import",
            "one.csv",
            "--from",
            "rayyan",
            "--question",
            "psychotherapy",
            "--as",
            person,
        )
        early = desk.run(*common, "--stage", "full-text", "--json")
        if person == "ada":
            assert "it must pass title and abstract" in early.json["refused"][0]["why"]
        assert desk.run(*common).code == 0
        listed = desk.run("tag", "list", "--json", "--question", "psychotherapy")
        visible = {(row["person"], row["kind"]) for row in listed.json}
        if person == "ada":
            assert visible == set()
            assert "hidden by a blind review" in listed.err
            assert "include" in desk.run("tag", "list", "--as", "ada").out
            assert "include" not in desk.run("tag", "list", "--as", "ben").out
        else:
            assert {("ada", "decision"), ("ben", "decision")} <= visible


@pytest.mark.parametrize("file", ["asreview-1.csv", "asreview-2.csv", "asreview.ris"])
def test_asreview_of_either_version_is_brought_in(desk: Desk, file: str) -> None:
    shutil.copy(SCREENING / file, desk.home)
    done = desk.run(
        "tag", "import", file, "--from", "asreview", "--question", "cystitis", "--as", "cy", "--json"
    )
    assert done.code in (0, 3), done.err
    report = done.json
    assert report["undecided"] == 1
    found = rows(desk.annotations, "select pmid, decision from decisions order by pmid")
    assert found == [(90000301, "include"), (90000302, "exclude")]
    notes = [text for (text,) in rows(desk.annotations, "select text from notes")]
    assert (
        notes
        == {
            "asreview-1.csv": ["looks right"],
            "asreview-2.csv": ["clear"],
            "asreview.ris": ["first line\nsecond line"],
        }[file]
    )
    tags = [
        name for (name,) in rows(desk.annotations, "select name from taggings g join tags t on t.id = g.tag")
    ]
    assert tags == ([] if file == "asreview-1.csv" else ["older adults"])
    assert report["unknown_labels"] == ({"setting hospital": 1} if file == "asreview-2.csv" else {})


@pytest.mark.parametrize(
    "note", ["RAYYAN-INCLUSION: {'x'=>'y'}", 'I wrote RAYYAN-INCLUSION: {""Alice""=>""Excluded""} | once']
)
def test_a_note_about_a_decision_is_none(tmp_path: Path, note: str) -> None:
    file = tmp_path / "rayyan.csv"
    file.write_text(
        'title,notes\nA title,"RAYYAN-INCLUSION: {""Alice""=>""Included""} | '
        f'USER-NOTES: {{""Bob""=>[""{note}""]}}"\n'
    )
    [record] = rayyan.read(file)
    assert record.decisions == [("Alice", "include")]


@pytest.mark.parametrize("piece", [" ", ",", ' ""', '""a""', "\\\\", '""a""=>['])
def test_a_hostile_note_takes_no_longer_than_its_length(tmp_path: Path, piece: str) -> None:
    """A guard against hanging: what was exponential would never end."""
    file = tmp_path / "rayyan.csv"
    file.write_text(f'title,notes\nA title,"USER-NOTES: {{""Bob""=>[{piece * 3000}"\n')
    program = (
        "import sys, pathlib; from tracker.exchange import rayyan; rayyan.read(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, str(file)], check=True, timeout=60)


ROWS = [["title", "pmid", "included"], ["Party", "90000303.0", "1"], ["Contracted", "PMID: 90000302", "0"]]
AS_FILES: dict[str, Callable[[], bytes]] = {
    "sep-semicolon.csv": lambda: ("sep=;\r\n" + parted(";")).encode("utf-8-sig"),
    "sep-quoted.csv": lambda: ('"sep=,"\n' + parted(",")).encode(),
    "sep-tab.csv": lambda: ("sep=\t\n" + parted("\t")).encode(),
    "bar.csv": lambda: ("SEP=|\n" + parted("|")).encode(),
    "excel-unicode.txt": lambda: parted("\t").encode("utf-16"),
    "big-endian.csv": lambda: ("\ufeff" + parted(",")).encode("utf-16-be"),
    "tabs.tsv": lambda: parted("\t").encode(),
    "workbook.xlsx": lambda: workbook(ROWS),
    "numbers.xlsx": lambda: workbook(
        [ROWS[0], ["Party survey", 90000303, 1], [None], ["Contracted", 90000302, 0.0]]
    ),
}


def parted(by: str) -> str:
    return "".join(by.join(row) + "\r\n" for row in ROWS)


def workbook(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("name", AS_FILES)
def test_tables_are_read_as_spreadsheets_save_them(desk: Desk, name: str) -> None:
    (desk.home / name).write_bytes(AS_FILES[name]())
    done = desk.run("tag", "import", name, "--from", "asreview", "--question", "cystitis", "--as", "cy")
    assert done.code == 0, done.err + done.out
    found = rows(desk.annotations, "select pmid, decision from decisions order by pmid")
    assert found == [(90000302, "exclude"), (90000303, "include")]


def test_what_excel_makes_of_our_own_export_comes_back(desk: Desk) -> None:
    fill(desk.annotations, ("a note",))
    own = exported(desk, "all.csv").decode("utf-8-sig")
    table = list(csv.reader(io.StringIO(own, newline="")))
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL).writerows(table)
    (desk.home / "excel.csv").write_text("sep=;\n" + out.getvalue(), encoding="utf-16")
    assert desk.run("tag", "import", "excel.csv").code == 0
    assert exported(desk, "after.csv").decode("utf-8-sig") == own


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "an Excel file from before 2007"),
        (b"PK\x03\x04 and nothing else", "damaged"),
        (b"\xff\xfea", "invalid UTF-16"),
        (workbook([]), "no column names"),
        (workbook([["title", "included"], ["a", 7]]), "row 2: included: '7' is not a label"),
    ],
)
def test_workbooks_that_cannot_be_read_are_named(desk: Desk, data: bytes, words: str) -> None:
    (desk.home / "bad.xlsx").write_bytes(data)
    done = desk.run("tag", "import", "bad.xlsx", "--from", "asreview", "--question", "cystitis", "--as", "cy")
    assert done.code != 0
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_workbook_that_unpacks_to_too_much_is_refused(desk: Desk) -> None:
    with zipfile.ZipFile(desk.home / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            with archive.open(f"xl/worksheets/sheet{number}.xml", "w") as part:
                for _ in range(60):
                    part.write(b" " * 2**20)
    done = desk.run(
        "tag", "import", "bomb.xlsx", "--from", "asreview", "--question", "cystitis", "--as", "cy"
    )
    assert done.code != 0
    assert "larger than 256 MB when unpacked" in done.err


@pytest.mark.parametrize(
    "written",
    ["950016.0", "PMID: 950016", "PMID950016", "pmid 950016", "950,016", " 950016 ", "PubMed ID: 950016",
     "https://pubmed.ncbi.nlm.nih.gov/950016/", "www.ncbi.nlm.nih.gov/pubmed/950016"],
)  # fmt: skip
def test_a_pmid_is_read_as_people_write_it(written: str) -> None:
    assert given_pmid(written) == 950016
    assert matching.sought(written, "", "", "").pmid == 950016


@pytest.mark.parametrize(
    "written", ["950016.5", "9.5e5", "PMC950016", "NCT950016", "95 0016", "", "0", "-1", "9,5001"]
)
def test_what_is_no_pmid_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a PMID"):
        given_pmid(written)


ASREVIEW_RIS = [
    ("LB - 1 beside irrelevant", "LB  - 1\nN1  - ASReview_irrelevant", ["exclude"]),
    ("LB - 0 beside relevant", "LB  - 0\nN1  - ASReview_relevant", ["include"]),
    ("LB is a citation key", "LB  - Smith2020\nN1  - ASReview_relevant", ["include"]),
    ("LB is 1, not seen", "LB  - 1\nN1  - ASReview_not_seen", []),
    ("LB is 1, and nothing else", "LB  - 1", []),
    (
        "a mark in other fields",
        "KW  - ASReview_relevant\nAB  - ASReview_relevant\nM1  - ASReview_relevant",
        [],
    ),
    ("a mark within a longer note", "N1  - <p>screened: ASReview_irrelevant; 2024</p>", ["exclude"]),
    ("the same mark twice", "N1  - ASReview_relevant\nN1  - ASReview_relevant", ["include"]),
    (
        "a reviewer writes about a mark",
        'N1  - ASReview_relevant\nN1  - asreview_note: "was ASReview_irrelevant"',
        ["include"],
    ),
    (
        "marks to be validated are none",
        "N1  - ASReview_irrelevant\nN1  - ASReview_validate_relevant",
        ["exclude"],
    ),
]


@pytest.mark.parametrize(
    ("fields", "decisions"), [case[1:] for case in ASREVIEW_RIS], ids=[case[0] for case in ASREVIEW_RIS]
)
def test_in_ris_only_the_marks_of_asreview_decide(desk: Desk, fields: str, decisions: list[str]) -> None:
    seen = "TY  - JOUR\nTI  - Party survey\nAN  - 90000303\nDB  - PubMed\nN1  - ASReview_not_seen\nER  - \n"
    (desk.home / "results.ris").write_text(
        f"TY  - JOUR\nTI  - Contracted bladder\nAN  - 90000302\nDB  - PubMed\n{fields}\nER  - \n\n{seen}"
    )
    done = desk.run(
        "tag", "import", "results.ris", "--from", "asreview", "--question", "cystitis", "--as", "cy"
    )
    assert done.code == 0, done.err
    assert rows(desk.annotations, "select decision from decisions") == [(each,) for each in decisions]


@pytest.mark.parametrize(
    ("columns", "cells", "decision"),
    [
        # What version 2 decided stands before a column of the file that was screened.
        ("asreview_label,included", "0,1", "exclude"),
        ("included,label", "1,Smith2020", "include"),
        ("label_included,notes", "0,about ASReview_relevant", "exclude"),
        ("asreview_label,label", ",1", None),
    ],
)
def test_in_a_table_one_column_decides(
    tmp_path: Path, columns: str, cells: str, decision: str | None
) -> None:
    file = tmp_path / "results.csv"
    file.write_text(f"title,{columns}\nA title,{cells}\n")
    [record] = asreview.read(file)
    assert [said for _, said in record.decisions] == ([decision] if decision else [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "rayyan", "--as", "ada"), "Name their question with --question"),
        (("--from", "rayyan", "--question", "cystitis"), "Its reviewers are: Alice, Bob M., Carol"),
        (("--from", "rayyan", "--question", "cystitis", "--reviewer", "Zoe=ada"), "Unknown reviewer 'Zoe'"),
        (("--from", "rayyan", "--question", "cystitis", "--reviewer", "Alice"), "write it as"),
        (
            ("--from", "rayyan", "--question", "cystitis", "--reviewer", "Alice=nobody"),
            "Unknown person 'nobody'",
        ),
        (("--from", "rayyan", "--question", "gout", "--as", "ada"), "Unknown question 'gout'"),
        (("--from", "asreview", "--question", "cystitis", "--as", "ada"), "has a label from ASReview"),
        (("--as", "ada"), "need --from"),
        ((), "'key' is not a column"),
    ],
)
def test_what_is_missing_is_asked_for(desk: Desk, arguments: tuple[str, ...], words: str) -> None:
    shutil.copy(SCREENING / "rayyan.csv", desk.home)
    done = desk.run("tag", "import", "rayyan.csv", *arguments)
    assert done.code == 2
    assert words in done.err


def test_one_title_of_two_papers_is_ambiguous(desk: Desk) -> None:
    title, year = desk.sql("select title, substr(published, 1, 4) from articles where pmid = 90000303")[0]
    desk.change(
        "update articles set title = ?, published = ? where pmid = 90000302",
        f"<i>{title.upper()}</i>",
        f"{year}-01",
    )
    notes = '"RAYYAN-INCLUSION: {""A""=>""Included""}"'
    (desk.home / "one.csv").write_text(f'key,title,year,notes\n1,"{title}",{year},{notes}\n')
    done = desk.run("tag", "import", "one.csv", "--from", "rayyan", "--question", "cystitis", "--as", "ada")
    assert done.code == 3
    assert "may be any of PMIDs 90000302, 90000303" in done.out


def test_papers_that_are_not_in_the_question_are_listed(desk: Desk) -> None:
    pmid = min(desk.matching("cognition") - desk.matching("cystitis"))
    (desk.home / "one.csv").write_text(f"title,pmid,asreview_label\nA title,{pmid},1\n")
    done = desk.run("tag", "import", "one.csv", "--from", "asreview", "--question", "cystitis", "--as", "ada")
    assert done.code == 3
    assert f"PMID {pmid} is not in cystitis" in done.out


@pytest.mark.parametrize(
    ("read", "data", "words"),
    [
        (rayyan.read, "TY  - JOUR\nTI  - x\nN1  - RAYYAN-INCLUSION: {}\n", "Is the file cut off?"),
        (rayyan.read, "nothing of the kind", "neither a CSV header nor RIS"),
        (asreview.read, "title,included\na,2\n", "line 2: included: '2' is not a label"),
        (asreview.read, 'title,included\n"a,1\n', "line 2: not CSV"),
        (asreview.read, "title,included\na,1,2\n", "3 cells under 2 columns"),
        (
            asreview.read,
            "TY  - JOUR\nN1  - ASReview_relevant\nN1  - ASReview_irrelevant\nER  - \n",
            "record 1: has both ASReview_irrelevant and ASReview_relevant",
        ),
    ],
)
def test_broken_files_are_named_by_place(
    tmp_path: Path, read: Callable[[Path], Any], data: str, words: str
) -> None:
    file = tmp_path / "file"
    file.write_text(data)
    with pytest.raises(Exception, match="file: ") as raised:
        read(file)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("https://doi.org/10.1000/ABC", "10.1000/abc"),
        ("http://dx.doi.org/10.1000/a%20b", "10.1000/a b"),
        ("doi: 10.1000/x", "10.1000/x"),
        ("10.1000/x", "10.1000/x"),
        ("javascript:1", ""),
        ("", ""),
    ],
)
def test_dois_are_compared_without_resolver_and_case(text: str, plain: str) -> None:
    assert matching.plain_doi(text) == plain


def test_titles_are_compared_by_letters_and_digits() -> None:
    same = ("RETRACTED: <i>Émile’s</i> trial – part 2.", "emile's TRIAL: part 2")
    assert matching.plain_title(same[0]) == matching.plain_title(same[1]) == "emilestrialpart2"
    assert matching.plain_title("part 3") != matching.plain_title("part 2")


def test_our_csv_is_safe_and_plain_to_a_spreadsheet(desk: Desk) -> None:
    fill(desk.annotations)
    text = exported(desk, "all.csv").decode("utf-8-sig")
    cells = [part for row in csv.reader(io.StringIO(text, newline="")) for part in row]
    assert "'=cmd|'/C calc'!A1" in cells
    assert not any(part.lstrip().startswith(("=", "+", "-", "@")) for part in cells)
