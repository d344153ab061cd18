"""A tracker for other questions, made by one command: it works, and nothing of our own topic shows in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
import pytest
import yaml
from lxml import html

from tests.conftest import Desk, finish
from tests.helpers_load import document, record
from tests.helpers_site import PASSWORD, add_person, served, signed_in

QUESTION, SEARCH = (
    "Does eating less salt lower blood pressure?",
    'salt[tiab] AND ("blood pressure"[tiab] OR hypertension[mh])',
)
OURS = re.compile(r"ketam|depress|cystitis|psychother|suicid|esketamine|spravato", re.I)
# Pages of each kind are alike; so many of one are enough.
MOST_PAGES, MOST_OF_A_KIND = 120, 4
RECORDS = (
    record(
        5,
        "Salt and blood pressure in adults: a randomised controlled trial",
        "Methods: We randomised 120 adults to 4 g of salt a day or to their usual diet for 12 weeks. "
        "Results: Systolic blood pressure fell by 5 mmHg.",
        types=("Journal Article", "Randomized Controlled Trial"),
    ),
    record(
        6, "Salt substitutes and blood pressure: a systematic review", "We included 12 trials.", year=2022
    ),
    record(7, "Salt taste in rats", "Rats were fed salt; their blood pressure rose.", year=2019),
)


def make(folder: Path, *options: str, topic: str = "Salt and blood pressure") -> Desk:
    desk = Desk(folder.parent, "http://127.0.0.1:9/")
    done = desk.run("new", str(folder), "--topic", topic, *options)
    assert done.code == 0, done.err
    return Desk(folder, "http://127.0.0.1:9/")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("other") / "salt"
    desk = make(folder, "--question", f"salt={QUESTION}", "--search", f"salt={SEARCH}")
    (folder / "records.xml").write_text(document(*RECORDS), encoding="utf-8")
    done = desk.shell("load", "--match", "all", "records.xml")
    assert done.code == 0, done.err
    return desk


def test_its_files_have_nothing_to_fix(desk: Desk) -> None:
    done = desk.shell("questions", "check")
    assert done.code == 0 and "0 to fix" in done.err, done.err
    (question,) = desk.shell("questions", "--json").json
    assert (question["question"], question["strategy"]) == (QUESTION, f"({SEARCH})") or SEARCH in question[
        "strategy"
    ]
    for file in desk.home.rglob("*.yml"):
        yaml.safe_load(file.read_text(encoding="utf-8"))


def test_what_it_holds_is_data_and_none_of_it_ours(desk: Desk) -> None:
    files = [path for path in desk.home.rglob("*") if path.is_file() and "db" not in path.parts]
    assert {path.suffix for path in files} <= {".yml", ".json", ".md", ".xml", ""}
    # An example in a schema may name anything that a page may name.
    ours = [
        path.name
        for path in files
        if path.suffix != ".json" and OURS.search(path.read_text(encoding="utf-8"))
    ]
    assert ours == []


def test_no_page_shows_our_topic_or_fails(desk: Desk) -> None:
    """Every page that is linked from the home page and from a signed-in lead's, a few of each kind."""
    add_person(desk, "lead", "lead")
    with served(desk) as address:
        seen = crawl(httpx.Client(base_url=address, follow_redirects=True), address)
        seen |= crawl(signed_in(address, "lead", PASSWORD), address)
    assert {"/", "/questions/salt", "/articles/5", "/methods", "/changes", "/questions/salt/table"} <= set(
        seen
    )
    assert [path for path, status in seen.items() if status >= 400] == []


def crawl(client: httpx.Client, address: str) -> dict[str, int]:
    seen: dict[str, int] = {}
    of_kind: dict[str, int] = {}
    waiting = ["/"]
    with client:
        while waiting and len(seen) < MOST_PAGES:
            path = waiting.pop(0)
            kind = re.sub(r"\d+|=[^&]*", "*", path)
            if path in seen or of_kind.get(kind, 0) >= MOST_OF_A_KIND:
                continue
            of_kind[kind] = of_kind.get(kind, 0) + 1
            answer = client.get(path)
            seen[path] = answer.status_code
            if "html" in answer.headers.get("content-type", ""):
                # Datasette's own foot and the names of columns are no page of a topic.
                assert not OURS.search(answer.text), (path, OURS.search(answer.text))
                waiting += _links(answer.text, urljoin(address, path), address)
    return seen


def _links(page: str, here: str, address: str) -> list[str]:
    found = []
    for link in html.fromstring(page).xpath("//a/@href"):
        url = urldefrag(urljoin(here, link)).url
        parts = urlsplit(url)
        if url.startswith(address.rstrip("/") + "/") and not parts.path.startswith("/evidence"):
            found.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found


def test_labels_that_need_a_topics_words_are_absent_and_others_are_right(desk: Desk) -> None:
    read = set(desk.sql("select pmid, label_group, value from labels"))
    assert (5, "design", "randomised controlled trial") in read
    assert (6, "design", "systematic review") in read
    assert not [row for row in read if row[1] in ("drug", "route", "exposure", "regimen")]


def test_it_can_be_kept_as_a_snapshot(desk: Desk) -> None:
    done = desk.shell("snapshot", "kept", "--json")
    assert done.code == 0, done.err
    page = (desk.home / done.json["snapshot"] / "index.html").read_text(encoding="utf-8")
    assert "Salt and blood pressure" in page and not OURS.search(page)


def test_words_of_any_kind_are_quoted(tmp_path: Path) -> None:
    strange = 'A "quoted": topic\n# not a comment {{ x }} | pipe'
    desk = make(
        tmp_path / "strange",
        "--question",
        'q=Is "this": {{ y }} a | question?',
        "--search",
        'q="a b"[tiab]',
        topic=strange,
    )
    assert desk.shell("questions", "check").code == 0
    site = yaml.safe_load((desk.home / "queries/topic/site.yml").read_text(encoding="utf-8"))
    assert site["heading"] == " ".join(strange.split())
    assert 'Is "this": {{ y }} a \\| question?' in (desk.home / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--topic", "T"], "There is no question"),
        (["--topic", " ", "--question", "q=Q?", "--search", "q=s"], "--topic: it is empty"),
        (["--question", "q=Q?", "--search", "q=s"], "--topic is missing"),
        (["--topic", "T", "--question", "Q?", "--search", "q=s"], "there is no name"),
        (["--topic", "T", "--question", "q=Q?"], "--search q=… is missing"),
        (
            ["--topic", "T", "--question", "q=Q?", "--search", "q=s", "--search", "x=s"],
            "--search x: there is no question",
        ),
        (
            ["--topic", "T", "--question", "../q=Q?", "--search", "../q=s"],
            "small letters, digits and hyphens",
        ),
        (["--topic", "T", "--question", "q=Q?", "--question", "q=R?", "--search", "q=s"], "two of this name"),
        (["--topic", "T", "--question", "q= ", "--search", "q=s"], "the question is empty"),
        (["--topic", "T", "--question", "q=Q?", "--search", "q=(a OR b"], "--search q"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_written(
    tmp_path: Path, options: list[str], says: str
) -> None:
    done = Desk(tmp_path, "http://127.0.0.1:9/").run("new", str(tmp_path / "made"), *options)
    assert done.code == 2 and says in done.err, done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("mine")
    done = Desk(tmp_path, "http://127.0.0.1:9/").run(
        "new", str(tmp_path / "made"), "--topic", "T", "--question", "q=Q?", "--search", "q=s[tiab]"
    )
    assert done.code == 2 and "something in it already" in done.err
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["mine.txt"]


def test_at_a_terminal_it_asks(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    ours, theirs = os.openpty()
    # What it says has to go to a terminal, too, or nobody would see the questions.
    process = subprocess.Popen(
        [sys.executable, "-m", "tracker", "new", "made"],
        cwd=tmp_path,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=desk._environment({}),
    )
    os.close(theirs)
    os.write(ours, b"Salt\nless-salt\nDoes it help?\nsalt[tiab]\n\n")
    done = finish(process)
    os.close(ours)
    assert done.code == 0
    assert (tmp_path / "made" / "queries" / "less-salt.yml").is_file()
