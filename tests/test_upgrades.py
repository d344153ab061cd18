"""Databases that older versions left: whatever schema they have, they come to answer as a fresh one does."""

from __future__ import annotations

import json
import lzma
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from tests.conftest import FIXTURES, QUERIES, Desk, Result
from tests.fixtures.landed import make
from tracker.evidence import derived, schema
from tracker.evidence.steps import Schema
from tracker.team import acts
from tracker.team.acts import open_annotations

ROOT = Path(__file__).parents[1]
SCHEMAS = {"evidence": schema.migrations, "annotations": acts.migrations}
WORDS = ("ketamine", "bladder", "cystitis rat", '"urinary tract"', "10^6", "nothing-has-this")
MORE = str(FIXTURES / "pubmed" / "cognition.xml")


def landed(commit: str, home: Path) -> Desk:
    """A desk with the databases that this commit's code made."""
    (home / "db").mkdir(parents=True)
    for name in SCHEMAS:
        packed = (FIXTURES / "landed" / f"{commit}-{name}.db.xz").read_bytes()
        (home / "db" / f"{name}.db").write_bytes(lzma.decompress(packed))
    return Desk(home, "http://127.0.0.1:9/")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The same records, and the same things that people said, in databases of this version."""
    desk = Desk(tmp_path_factory.mktemp("fresh"), "http://127.0.0.1:9/")
    assert desk.run("load", "--match", "cystitis", *make.FILES).code == 0
    open_annotations(desk.annotations).close()
    with closing(sqlite3.connect(desk.annotations)) as db:
        db.executescript(make.SAID)
    return desk


def untimed(result: Result) -> str:
    assert result.code == 0, result.err
    return re.sub(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", "WHEN", result.out)


def answers(desk: Desk) -> dict[str, str]:
    """What the command line says of everything that is stored: lists by every filter, counts, searches, exports."""
    values = desk.sql("select distinct label_group, value from question_labels where label_group <> 'all'")
    filters = sorted(f"{group}={value}" for group, value in values)
    asked = [
        *(["export", "cystitis", "--format", "csv", "--filter", filter] for filter in filters),
        *(
            ["export", "cystitis", "--format", format]
            for format in ("ris", "bibtex", "csl-json", "nbib", "csv")
        ),
        *(["search", words, "--json"] for words in WORDS),
        *(["show", str(pmid)] for pmid in sorted(desk.stored())),
        ["tag", "list"],
    ]
    found = {" ".join(command): untimed(desk.run(*command)) for command in asked}
    counts = desk.sql("select * from question_counts order by question, label_group, value, year")
    return {**found, "filters": str(filters), "counts": str(counts)}


def objects(desk: Desk) -> dict[str, Any]:
    found = {}
    for name, of in SCHEMAS.items():
        with closing(sqlite3.connect(desk.db.with_name(f"{name}.db"))) as db:
            assert [step.name for step in of.applied(Database(db, execute_plugins=False))] == of.steps
            found[name] = of.objects(db)
    return found


def check_index(desk: Desk) -> None:
    with closing(sqlite3.connect(desk.db)) as db:
        db.execute("insert into articles_fts (articles_fts, rank) values ('integrity-check', 1)")


# -- every schema that ever landed -----------------------------------------------------------------


def test_there_is_a_database_of_every_schema_that_landed() -> None:
    packed = {path.name.partition("-")[0] for path in (FIXTURES / "landed").glob("*.xz")}
    assert packed == set(make.COMMITS)


@pytest.mark.parametrize("commit", make.COMMITS)
def test_upgraded_and_read_again_it_answers_as_a_fresh_one(commit: str, fresh: Desk, tmp_path: Path) -> None:
    desk = landed(commit, tmp_path)
    assert desk.run("rebuild").code == 0
    assert desk.run("tag", "list").code == 0
    with closing(open_annotations(desk.annotations)):
        pass
    assert objects(desk) == objects(fresh)
    assert answers(desk) == answers(fresh)
    check_index(desk)
    assert "tracker rebuild" not in desk.run("status").err


@pytest.mark.parametrize("commit", make.COMMITS)
def test_upgraded_it_can_be_written_to_and_backed_up(commit: str, tmp_path: Path) -> None:
    desk = landed(commit, tmp_path)
    assert desk.run("load", "--match", "cystitis", MORE).code == 0
    assert desk.column("select harms from questions") == [1]
    added = desk.run("tag", "add", "90000302", "bladder", "--question", "cystitis", "--as", "ada")
    assert added.code == 0, added.err
    (desk.home / "copies").mkdir()
    done = desk.run("backup", "copies")
    assert done.code == 0, done.err
    check_index(desk)


def test_the_newest_pair_has_every_step(tmp_path: Path) -> None:
    desk = landed(make.COMMITS[-1], tmp_path)
    for name, of in SCHEMAS.items():
        with closing(sqlite3.connect(desk.db.with_name(f"{name}.db"))) as db:
            applied = [step.name for step in of.applied(Database(db, execute_plugins=False))]
        assert applied == of.steps, (
            f"make another pair: python {Path(make.__file__).relative_to(ROOT)} COMMIT"
        )


# The first pair whose records today's rules read.
BY_TODAYS_RULES = make.COMMITS.index("0404438")


@pytest.mark.parametrize("commit", make.COMMITS[:BY_TODAYS_RULES])
def test_what_older_rules_read_is_named_and_stays_as_it_was_read(commit: str, tmp_path: Path) -> None:
    desk = landed(commit, tmp_path)
    read = "select title, abstract, withdrawn, title_says, article_number from articles order by pmid"
    told = desk.run("status").err
    assert "11 records were read by an older version" in told
    assert "Run 'tracker rebuild'" in told
    before = desk.sql(read)
    assert "11 records were read by an older version" in desk.run("load", MORE).err
    assert [row for row in desk.sql(read) if row in before] == before
    assert desk.run("status", "--json").json["read_by_older_rules"] == 11
    assert desk.run("export", "cystitis", "--format", "json", "--filter", "language=eng").code == 0


def test_a_column_that_nobody_knows_goes_and_a_table_that_is_not_ours_stays(tmp_path: Path) -> None:
    desk = landed("dbc7b95", tmp_path)
    desk.change("alter table questions add column colour text")
    desk.change("create index questions_colour on questions (colour)")
    desk.change("""create index "anybody's ""own"" index" on questions (title)""")
    desk.change("create table mine (id integer primary key)")
    desk.change("insert into mine values (7)")
    assert desk.run("status").code in (0, 3)
    columns = desk.column("select name from pragma_table_info('questions')")
    assert "colour" not in columns
    assert columns[-6:] == ["harms", "dual", "reasons", "reading", "hide_labels", "edited"]
    assert desk.column("select slug from questions") == ["cystitis"]
    assert desk.column("select id from mine") == [7]


# -- what is derived -------------------------------------------------------------------------------


def test_a_reader_makes_again_what_another_version_derived(fresh: Desk, tmp_path: Path) -> None:
    shutil.copytree(fresh.home / "db", tmp_path / "db")
    desk = Desk(tmp_path, fresh.url)
    desk.change("update _derived set fingerprint = 'of another version'")
    desk.change("drop trigger question_counts_up")
    desk.change(
        "delete from article_facets where facet in (select id from facets where label_group = 'language')"
    )
    assert desk.run("search", "ketamine").code == 0
    assert answers(desk) == answers(fresh)
    assert not list((tmp_path / "db").glob("*-before-*"))


def test_a_foreign_trigger_among_what_is_derived_is_noticed(fresh: Desk, tmp_path: Path) -> None:
    shutil.copytree(fresh.home / "db", tmp_path / "db")
    desk = Desk(tmp_path, fresh.url)
    desk.change("drop trigger question_counts_up")
    desk.change(
        "create trigger question_counts_up after insert on article_facets begin delete from runs; end"
    )
    (desk.home / "copies").mkdir()
    done = desk.run("backup", "copies")
    assert done.code != 0
    assert "question_counts_up" in done.err


def test_steps_are_files_that_read_nothing_of_today() -> None:
    """What a step makes must not change with the code: each is SQL, and what is derived is in none."""
    for of in SCHEMAS.values():
        assert isinstance(of, Schema)
        made = of.made(len(of.steps), False)
        assert not [name for name, object in made.items() if object.type == "view" or derived.owns(name)]


def test_columns_mean_what_the_steps_make() -> None:
    made = SCHEMAS["evidence"].made(len(SCHEMAS["evidence"].steps), False)
    with closing(sqlite3.connect(":memory:")) as db:
        for object in sorted(made.values(), key=lambda object: object.type, reverse=True):
            if object.sql and object.type == "table":
                db.execute(object.sql)
        for table in schema.TABLES:
            rows = db.execute(
                """select name, type, "notnull", dflt_value from pragma_table_info(?)""", (table.name,)
            )
            told = {name: (type.lower(), bool(forced), default) for name, type, forced, default in rows}
            meant = {
                name: (
                    type.split()[0],
                    "not null" in type,
                    type.partition(" default ")[2] or None,
                )
                for name, (type, _) in table.columns.items()
            }
            assert told == meant, table.name


# -- a contributor adds a facet and a column -------------------------------------------------------

FACET = """    Facet("'country'", "x.country", "x.country <> ''"),
"""
STEP = "alter table articles add column nation text;\nupdate articles set nation = 'somewhere';\n"


def test_a_facet_and_a_column_added_later_are_found_in_databases_made_before(
    fresh: Desk, tmp_path: Path
) -> None:
    """The files that a contributor would change, in a copy of the code; its own process reads it."""
    code = tmp_path / "code"
    shutil.copytree(ROOT / "tracker", code / "tracker")
    shutil.copytree(fresh.home / "db", tmp_path / "db")
    shutil.copytree(QUERIES, tmp_path / "queries")
    changed = code / "tracker" / Path(schema.__file__).parent.relative_to(ROOT / "tracker")
    add(changed / "facets.py", """    Facet("'full_text'",""", FACET)
    add(changed / "facets.py", '    "full_text": "Full', '    "country": "Country",\n')
    add(
        changed / "schema.py",
        '            "rules_version": (',
        '            "nation": ("text", "Country, as a test has it"),\n',
    )
    add(changed / "articles.py", '        "rules_version": RULES', '        "nation": "somewhere",\n')
    (changed / "migrations" / "999_nation.sql").write_text(STEP, encoding="utf-8")

    run = partial(run_in, tmp_path, code)

    def found(filter: str) -> set[str]:
        listed = json.loads(run("export", "cystitis", "--format", "json", "--filter", filter))
        return {article["pmid"] for article in listed["articles"]}

    before = {filter: found(filter) for filter in ("language=eng", "species=humans", "country=United States")}
    assert json.loads(run("show", "90000301", "--json"))["nation"] == "somewhere"
    run("rebuild")
    (tmp_path / "db").rename(tmp_path / "upgraded")
    run("load", "--match", "cystitis", *make.FILES)
    assert before == {filter: found(filter) for filter in before}
    assert all(before.values())


def run_in(home: Path, code: Path, *arguments: str) -> str:
    """What a command of a copy of the code prints, run in a folder."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-m", "tracker", *arguments],
        cwd=home,
        env={"PYTHONPATH": str(code), "PATH": "/usr/bin:/bin", "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 3), done.stderr
    return done.stdout


def add(path: Path, before: str, text: str) -> None:
    """Put a line in front of another."""
    source = path.read_text(encoding="utf-8")
    assert source.count(before) == 1, (path, before)
    path.write_text(source.replace(before, text + before), encoding="utf-8")
