"""The wheel: what is in it, and that it works where there is no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, and only the libraries from ours."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    install = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install"]
    subprocess.run(
        [*install, "--quiet", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True
    )
    # A path in a .pth file brings in libraries, but not what their own .pth files name: the checkout.
    (site,) = home.rglob("site-packages")
    (site / "libraries.pth").write_text(str(Path(pytest.__file__).parents[1]))
    return programs


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRACKER_", "NCBI_", "PYTHON"))
    }
    return subprocess.run(list(map(str, command)), cwd=folder, env=environ, capture_output=True, text=True)


def test_the_wheel_holds_the_code_its_data_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tracker").rglob("*")
        if path.suffix in (".py", ".yml") and "__pycache__" not in path.parts
    }
    ours |= {
        f"tracker/jobs/schedules/{path.name}" for path in (ROOT / "tracker" / "jobs" / "schedules").iterdir()
    }
    questions = {
        f"tracker/defaults/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "queries").rglob("*")
        if path.is_file()
    }
    defaults = {f"tracker/defaults/{name}" for name in ("metadata.yml", "db/starter/citations.csv")}
    assert ours | questions | defaults <= names
    rest = {name.partition("/")[0] for name in names}
    assert len(rest) == 2
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_runs_from_an_empty_folder_with_the_questions_that_it_brings(
    installed: Path, tmp_path: Path
) -> None:
    where = run(tmp_path, installed / "python", "-c", "import tracker; print(tracker.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed.parent), where.stderr
    done = run(tmp_path, installed / "tracker", "questions", "--json")
    assert done.returncode == 0, done.stderr
    expected = {path.stem for path in (ROOT / "queries").glob("*.yml")}
    assert {question["slug"] for question in json.loads(done.stdout)} == expected
    check = run(tmp_path, installed / "python", "-m", "tracker", "questions", "check")
    assert check.returncode == 0, check.stdout
    assert list(tmp_path.iterdir()) == [], "reading leaves nothing behind"


def test_it_prints_a_schedule_and_has_its_starter_citations(installed: Path, tmp_path: Path) -> None:
    done = run(tmp_path, installed / "tracker", "schedule", "systemd")
    assert done.returncode == 0, done.stderr
    assert f"ExecStart={installed / 'python'} -m tracker" in done.stdout
    code = "from tracker.settings import find_default; print(find_default('db/starter').resolve())"
    there = Path(run(tmp_path, installed / "python", "-c", code).stdout.strip())
    assert there.is_relative_to(installed.parent) and (there / "citations.csv").is_file()


def test_it_loads_with_workers_when_run_as_a_module(installed: Path, tmp_path: Path) -> None:
    """Each worker imports the program again, which must not run it again."""
    record = (
        "<PubmedArticle><MedlineCitation><PMID>{}</PMID><Article><Journal/><ArticleTitle>Ketamine</ArticleTitle>"
        "</Article></MedlineCitation></PubmedArticle>"
    )
    records = "".join(record.format(pmid) for pmid in range(1, 502))
    (tmp_path / "records.xml").write_text(f"<PubmedArticleSet>{records}</PubmedArticleSet>")
    done = run(tmp_path, installed / "python", "-m", "tracker", "load", "--json", "records.xml")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["new"] == 501


def test_both_ways_of_starting_it_give_its_version(installed: Path, tmp_path: Path) -> None:
    as_program = run(tmp_path, installed / "tracker", "--version")
    as_module = run(tmp_path, installed / "python", "-m", "tracker", "--version")
    assert as_program.returncode == as_module.returncode == 0
    assert as_program.stdout == as_module.stdout
    assert as_program.stdout.startswith("tracker, version ")


def test_it_makes_a_tracker_for_other_questions_anywhere(installed: Path, tmp_path: Path) -> None:
    done = run(
        tmp_path, installed / "tracker", "new", "salt", "--topic", "Salt", "--question", "less=Does less help?",
        "--search", "less=salt[tiab]",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    checked = run(tmp_path / "salt", installed / "tracker", "questions", "check")
    assert checked.returncode == 0 and "0 to fix" in checked.stderr
    shown = run(tmp_path / "salt", installed / "tracker", "questions", "--json")
    assert [row["slug"] for row in json.loads(shown.stdout)] == ["less"]
