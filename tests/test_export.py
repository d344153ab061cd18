"""``tracker export``: complete, whole or not at all, and plain about what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest
import rispy

from tests.conftest import FIXTURES, QUERIES, Desk, expected
from tracker.article import Pmid
from tracker.cli import main
from tracker.export.files import parse_labels, parse_years, whole_file
from tracker.export.formats import FORMATS
from tracker.jobs.console import Console
from tracker.jobs.starter import load_starter
from tracker.questions import load_questions
from tracker.settings import load_settings
from tracker.team import people, tagging, vocabulary
from tracker.team.acts import Act, acting, open_annotations
from tracker.team.decisions import decide
from tracker.team.review import Review


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("export"), "http://127.0.0.1:9/")
    files = sorted(str(path) for path in (FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *files).code == 0
    return desk


def test_every_format_can_be_asked_for() -> None:
    export = main.commands["export"]
    (option,) = [param for param in export.params if param.name == "format"]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(FORMATS)


def test_every_format_is_documented_with_its_ending() -> None:
    table = (
        (Path(__file__).parents[1] / "docs" / "export.md")
        .read_text(encoding="utf-8")
        .partition("| `--format` |")[2]
    )
    rows = [row.split("|")[1:3] for row in table.partition("\n\n")[0].splitlines()[2:]]
    names, endings = (re.findall("`([^`]+)`", " ".join(column)) for column in zip(*rows, strict=True))
    assert dict(zip(names, endings, strict=True)) == {
        format.name: f".{format.extension}" for format in FORMATS.values()
    }


@pytest.mark.parametrize("format", FORMATS)
def test_file_and_stdout_hold_the_same_bytes(desk: Desk, tmp_path: Path, format: str) -> None:
    file = tmp_path / "list"
    done = desk.run("export", "cystitis", "--format", format, "-o", str(file))
    assert (done.code, done.out) == (0, "")
    assert f"{len(expected('cystitis'))} articles written" in done.err
    process = desk.start_python(
        "-c",
        "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-m', 'tracker', *sys.argv[2:]], "
        "stdout=open(sys.argv[1], 'wb')).returncode)",
        str(tmp_path / "piped"),
        *("export", "cystitis", "--format", format),
    )
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "piped").read_bytes() == file.read_bytes()


def test_the_list_is_complete(desk: Desk) -> None:
    for question in ("cognition", "tolerance", "cystitis", "psychotherapy"):
        done = desk.run("export", question, "--format", "json", "-o", "-")
        assert {article["pmid"] for article in json.loads(done.out)["articles"]} == expected(question)


def test_filters_and_years(desk: Desk) -> None:
    def pmids(*options: str) -> set[int]:
        done = desk.run("export", "cystitis", "--format", "ris", *options)
        assert done.code == 0, done.err
        return {int(entry["id"]) for entry in rispy.loads(done.out)}

    trials = pmids("--filter", "design=randomised controlled trial")
    assert 90000601 in trials
    both = pmids("--filter", "design=randomised controlled trial", "--filter", "design=cohort study")
    assert trials < both < expected("cystitis")
    assert 90000601 in pmids("--years", "2014")
    assert pmids("--years", "-2013").isdisjoint(pmids("--years", "2014-"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing", "--format", "ris"), "Choose one of: cognition, tolerance, cystitis, psychotherapy"),
        (("cystitis", "--format", "ris", "--filter", "design=unheard of"), "cohort study"),
        (("cystitis", "--format", "ris", "--filter", "colour=red"), "Choose one of: comparator, design"),
        (("cystitis", "--format", "ris", "--filter", "design"), "GROUP=VALUE"),
        (("cystitis", "--format", "ris", "--years", "last"), "2015-2020"),
        (("cystitis", "--format", "word"), "csl-json"),
        (("cystitis",), "--format"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_with_the_choices(
    desk: Desk, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = desk.run("export", *arguments, "-o", str(tmp_path / "list"))
    assert done.code == 2
    assert words in done.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_database_there_is_nothing_to_export(tmp_path: Path) -> None:
    done = Desk(tmp_path, "").run("export", "cystitis", "--format", "ris")
    assert done.code == 2
    assert "tracker refresh" in done.err


def test_a_file_that_fails_half_way_leaves_the_old_one(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.ris"
    file.write_text("the old one")

    def broken(listing: Any, citations: Any, out: Any) -> None:
        out.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMATS, "ris", FORMATS["ris"]._replace(write=broken))
    done = desk.run("export", "cystitis", "--format", "ris", "-o", str(file))
    assert done.code == 2
    assert "No space left" in done.err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("list.ris", "the old one")]


def test_a_folder_that_is_not_there_is_named(desk: Desk, tmp_path: Path) -> None:
    done = desk.run("export", "cystitis", "--format", "ris", "-o", str(tmp_path / "no" / "list.ris"))
    assert done.code == 2
    assert "cannot be written" in done.err


def test_a_new_file_is_as_open_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    with whole_file(tmp_path / "export") as out:
        out.write(b"x")
    assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "any").stat().st_mode
    )


def test_excel_is_not_written_to_a_terminal(desk: Desk) -> None:
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    try:
        process = desk.start_python(
            "-c",
            f"import os, sys; os.dup2(os.open({os.ttyname(theirs)!r}, os.O_WRONLY | os.O_NOCTTY), 1); "
            "os.execv(sys.executable, [sys.executable, '-m', 'tracker', *sys.argv[1:]])",
            *("export", "cystitis", "--format", "xlsx"),
        )
        _, err = process.communicate(timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == 2
    assert "terminal" in err


def test_starter_citations_are_marked_and_leave_room_for_doubt(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "")
    load_starter(load_settings(tmp_path / "db", QUERIES), load_questions(QUERIES), Console())
    done = desk.run("export", "cystitis", "--format", "ris")
    entries = rispy.loads(done.out)
    assert entries
    for entry in entries:
        assert entry["custom1"].startswith("STARTER CITATION")
        assert "never checked" in entry["custom1"]
    about = json.loads(desk.run("export", "cystitis", "--format", "json").out)
    assert any("starter citations" in remark for remark in about["remarks"])


def test_what_people_say_goes_along_as_far_as_everybody_may_see_it(desk: Desk, tmp_path: Path) -> None:
    own = Desk(tmp_path, desk.url)
    own.db.parent.mkdir()
    shutil.copy(desk.db, own.db)
    blind = min(own.matching("psychotherapy"))
    before = own.run("export", "psychotherapy", "--format", "csv").out
    with closing(open_annotations(own.annotations)) as db, acting(db, None, "test") as act:
        vocabulary.ensure(act)
        ada, ben = (
            Act(db, people.add(act, name, "tagger", name.title()).id, "test") for name in ("ada", "ben")
        )
        # With nothing said, nothing changes.
    assert own.run("export", "psychotherapy", "--format", "csv").out == before
    dual, single = Review("psychotherapy", True, ()), Review("cystitis", False, ("animal study",))
    with closing(open_annotations(own.annotations)) as db:
        for act in (ada, ben):
            act.db = db
        harm = vocabulary.named(db, "harm")
        decide(ada, dual, Pmid(blind), "title-abstract", "include")
        tagging.tag(ada, Pmid(blind), None, harm, None, dual.seal("title-abstract"))
        tagging.tag(ada, Pmid(90000301), "cystitis", harm)
        tagging.tag(ada, Pmid(90000301), "cognition", vocabulary.named(db, "teaching"))
        tagging.review_label(ben, Pmid(90000301), "design", "randomised controlled trial", "cohort study")
        decide(ada, single, Pmid(90000304), "title-abstract", "exclude", "animal study")

    def articles(question: str) -> dict[int, Any]:
        found = json.loads(own.run("export", question, "--format", "json").out)["articles"]
        return {article["pmid"]: article for article in found}

    cystitis = articles("cystitis")
    assert [tag["name"] for tag in cystitis[90000301]["tags"]] == ["harm"]
    assert cystitis[90000301]["judgements"] == [
        {
            "group": "design",
            "machine_value": "randomised controlled trial",
            "value": "cohort study",
            "person": "Ben",
        }
    ]
    (outcome,) = cystitis[90000304]["screening"]
    assert (outcome["decision"], outcome["reason"]) == ("exclude", "animal study")
    # Not what one of two has decided, nor a tag that would tell.
    sealed = articles("psychotherapy")[blind]
    assert (sealed["tags"], sealed["screening"]) == ([], [])
    with closing(open_annotations(own.annotations)) as db:
        ben.db = db
        decide(ben, dual, Pmid(blind), "title-abstract", "include")
    opened = articles("psychotherapy")[blind]
    assert [tag["name"] for tag in opened["tags"]] == ["harm"]
    assert [outcome["decision"] for outcome in opened["screening"]] == ["include"]


def test_years_and_filters_are_read() -> None:
    assert parse_labels(["a=1", "a=2", "b=x=y"]) == {"a": ["1", "2"], "b": ["x=y"]}
    for text, years in (("2015-2020", (2015, 2020)), ("2015-", (2015, None)), ("-2020", (None, 2020))):
        assert parse_years(text) == years
    assert parse_years("2015") == (2015, 2015)
