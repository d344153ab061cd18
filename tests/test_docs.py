"""The documentation is true: generated pages are up to date, links lead somewhere, commands exist and run."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
import yaml
from sqlite_utils import Database

from docs import generate
from tests.conftest import QUERIES, program
from tracker.cli import main
from tracker.evidence import derived, schema
from tracker.questions import load_questions

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "db" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
REDIRECTION = re.compile(r"\d?[<>]+(&\d|\s*\S+)")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")


class Command(NamedTuple):
    """One command of a block of shell, without variables before it and redirections after."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


def blocks(page: Path) -> list[str]:
    """What a reader would paste into a shell, backslashes at line ends resolved."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [text.replace("\\\n", " ") for language, text in found if language in ("sh", "console")]


def commands() -> Iterator[Command]:
    for page in PAGES:
        for block in blocks(page):
            for line in block.splitlines():
                yield from (Command(page.name, words) for words in simple_commands(line.removeprefix("$ ")))


def simple_commands(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line that operators join: ``a=1 x -y | z > file`` is x -y, and z."""
    lexer = shlex.shlex(REDIRECTION.sub(" ", line), posix=True, punctuation_chars="|&;()")
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if set(token) <= set("|&;()"):
            if words:
                yield tuple(words)
            words = []
        elif words or not re.match(r"\w+=", token):
            words.append(token)


def commands_of(program: str) -> list[Command]:
    return [command for command in commands() if Path(command.words[0]).name == program]


def anchors(page: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- generated pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", generate.pages())
def test_a_generated_page_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generate.pages()[path], "run make docs"


def test_every_command_and_option_has_help_and_is_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, command in all_commands(main, "tracker"):
        assert command.help, f"{name} has no help"
        assert f"\n## {name}\n" in page
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.opts[0]} has no help"


def all_commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for child in getattr(command, "commands", {}).values():
        yield from all_commands(child, f"{name} {child.name}")


def test_every_table_and_column_is_described() -> None:
    for table in (*schema.TABLES, *schema.VIEWS):
        assert table.about.strip(), table.name
        for column, (_, about) in table.columns.items():
            assert about.strip(), f"{table.name}.{column}"


def test_the_dictionary_tells_of_what_a_new_database_holds() -> None:
    db = sqlite3.connect(":memory:")
    schema.migrations.apply(Database(db, execute_plugins=False))
    derived.make(db)
    names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
    made = {
        name: [column for _, column, *_ in db.execute(f"pragma table_info({name})")]
        for name in names
        if not name.startswith(("articles_fts", "sqlite_", "_"))
    }
    views = {
        view.name: [column for _, column, *_ in db.execute(f"pragma table_info({view.name})")]
        for view in schema.VIEWS
    }
    db.close()
    assert views == {view.name: list(view.columns) for view in schema.VIEWS}
    assert made == {table.name: list(table.columns) for table in schema.TABLES}
    assert generate.ABOUT_ANNOTATIONS.keys() == generate.annotation_tables().keys()


def test_metadata_names_source_and_licence_and_repeats_nothing_of_the_schema() -> None:
    metadata = yaml.safe_load((ROOT / "metadata.yml").read_text(encoding="utf-8"))
    assert all(metadata[key] for key in ("title", "description", "license", "source", "source_url"))
    assert set(metadata["databases"]["evidence"]) == {"title", "description", "queries"}


# -- links and commands ------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index


def test_the_pages_name_no_place_of_the_machine_they_were_written_on() -> None:
    for page in PAGES:
        assert f"{ROOT.parent}/" not in page.read_text(encoding="utf-8"), page.name


@pytest.mark.parametrize("command", commands_of("tracker"), ids=str)
def test_a_command_in_the_documentation_exists_as_written(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Click reads it, options, values and all; only what the command would do is left out."""
    given: dict[str, Any] = {}

    def note(**params: Any) -> None:
        given.update(params)

    for _, each in all_commands(main, "tracker"):
        monkeypatch.setattr(each, "callback", note)
    # Not through our own main, which would end the process.
    click.Group.main(main, list(command.words[1:]), "tracker", standalone_mode=False)
    named = {*given.get("questions", ()), *given.get("slugs", ()), given.get("match")} - {None, "all"}
    if "topic" in given:
        return  # A new tracker has questions of its own.
    assert named <= {question.slug for question in load_questions(QUERIES)}


def test_commands_in_the_documentation_are_found() -> None:
    """Or the test above would test nothing."""
    line = "A=1 B=2 tracker x 'y z' >> f 2>&1 | less -R; make run # why"
    assert list(simple_commands(line)) == [("tracker", "x", "y z"), ("less", "-R"), ("make", "run")]
    assert len(commands_of("tracker")) > 15


def test_what_make_is_asked_for_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    asked = {command.words[1] for command in commands_of("make")}
    assert asked <= targets
    readme = {command.words[1] for command in commands_of("make") if command.page == "README.md"}
    assert readme >= {"test", "run"}


def test_the_stand_in_takes_the_options_that_are_documented() -> None:
    known = subprocess.run(
        [sys.executable, "-m", "tests.eutils_server", "--help"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    asked = {word for command in commands_of("python") for word in command.words if word.startswith("--")}
    assert asked
    for option in asked:
        assert option in known


# -- and they do what they say -----------------------------------------------------------------


@pytest.fixture
def stand_in() -> Iterator[int]:
    """The stand-in as the README starts it, on a port that is free; yields the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (command,) = [c for c in commands_of("python") if c.page == "README.md"]
    words = [str(port) if word == "8765" else word for word in command.words]
    server = subprocess.Popen([str(BIN / words[0]), *words[1:]], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr
        assert str(port) in server.stderr.readline()
        yield port
    finally:
        server.terminate()
        server.communicate()


def shell(script: str, port: int, db_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run a block of the documentation with our own virtual environment, port and database folder."""
    program("curl")
    script = (
        script.replace(". .venv/bin/activate\n", "").replace("8765", str(port)).replace("db/try", str(db_dir))
    )
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "NCBI_"))},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "TRACKER_DB_DIR": str(db_dir),
        "TRACKER_EMAIL": "docs@example.org",
        "TRACKER_QUERIES": str(QUERIES),
        "TRACKER_EUTILS_URL": f"http://127.0.0.1:{port}/entrez/eutils/",
        "TRACKER_ENRICH": "none",
        # The table in full, however narrow the terminal.
        "COLUMNS": "160",
        "TMPDIR": str(db_dir.parent),
    }
    return subprocess.run(
        ["bash", "-euc", script], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120
    )


def block_with(page: str, words: str) -> str:
    (found,) = [block for block in blocks(ROOT / page) if words in block]
    return found


def test_the_try_out_of_the_readme_works_as_written(stand_in: int, tmp_path: Path) -> None:
    done = shell(block_with("README.md", "next-day"), stand_in, tmp_path / "try")
    assert done.returncode == 0, done.stderr
    assert "65 records to fetch" in done.stderr
    assert "nothing to fetch" in done.stderr
    assert "*** RETRACTED" in done.stdout
    with sqlite3.connect(tmp_path / "try" / "evidence.db") as db:
        assert db.execute("select outcome from runs").fetchall() == [("complete",)] * 3
        assert db.execute("select count(*) from changes where field = 'retracted'").fetchone()[0] >= 1
    db.close()


def test_the_rehearsal_of_faults_works_as_written(stand_in: int, tmp_path: Path) -> None:
    done = shell(block_with("docs/refresh.md", "fault="), stand_in, tmp_path / "try")
    assert done.returncode == 0, done.stderr
    assert "503" in done.stderr
    assert "trying again" in done.stderr
