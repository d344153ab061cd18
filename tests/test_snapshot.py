"""Snapshots: complete in themselves, readable without a server, and without anything that is not public."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from frictionless import Package
from lxml import html
from playwright.sync_api import Browser
from rocrate.rocrate import ROCrate

from tests.conftest import QUERIES, Desk
from tests.helpers_browser import objections, visiting
from tests.helpers_load import document, record
from tests.helpers_site import filled
from tracker.team import acts

OPEN, BLIND = "tolerance", "cystitis"
EXAMPLE = Path(__file__).parents[1] / "docs" / "example-snapshot.zip"
# What nobody may read in a snapshot, planted in every column of annotations.db that holds people's words or names.
SECRET = re.compile(rb"(?i)secret")
# Columns of annotations.db that are public, or hold words of the program and no others.
OF_THE_PROGRAM = {
    "people": {"role", "created", "disabled", "identity"},
    "tokens": {"scopes", "created", "expires", "revoked", "used"},
    "tag_groups": {"name", "description", "colour", "choice"},
    "tags": {"name", "description", "colour", "retired"},
    "taggings": {"question", "tagged", "blind"},
    "decisions": {"question", "stage", "decision", "decided", "blind", "basis", "labels"},
    "label_reviews": {"label_group", "machine_value", "value", "reviewed"},
    "notes": {"question", "written", "blind"},
    "alerts_seen": {"field", "noticed", "seen"},
    "events": {"happened", "action", "question", "kind", "subject", "blind"},
    "settlements": {"question", "stage", "decision", "settled"},
    "unsealed": {"review", "unsealed"},
    "sign_in_failures": {"failed"},
    "ended_sessions": {"ended"},
    "placements": {"question", "value", "placed", "blind"},
    "label_displays": {"question", "labels", "chosen"},
    "subscriptions": {"what", "every", "asked", "confirmed", "told_to", "mailed", "suspended"},
    "deliveries": {"kind", "after", "up_to", "intended", "sent", "failed"},
    "subscription_requests": {"requested"},
}
SAID = """
insert into people (id, name, display_name, role, password_hash, created) values
  (1, 'secret-ann', 'Secret Ann', 'tagger', 'secret-hash', '2025-06-01T00:00:00Z'),
  (2, 'secret-bob', 'Secret Bob', 'lead', 'secret-hash', '2025-06-01T00:00:00Z');
insert into tokens (person, name, hash, scopes, created, expires)
  values (1, 'secret token', 'secret-hash', 'read', '2025-06-01T00:00:00Z', '2027-06-01T00:00:00Z');
insert into tag_groups (id, name) values (901, 'outcome');
insert into tags (id, tag_group, name) values (901, 901, 'bladder');
insert into taggings (pmid, question, tag, person, tagged, note)
  values (:open, :open_slug, 901, 1, '2025-06-01T00:00:00Z', 'secret note');
insert into taggings (pmid, question, tag, person, tagged, note, blind)
  values (:sealed, :blind_slug, 901, 1, '2025-06-01T00:00:00Z', 'secret note', :blind_slug || '/title-abstract');
insert into decisions (pmid, question, stage, person, decision, reason, decided) values
  (:open, :open_slug, 'title-abstract', 1, 'exclude', 'secret reason', '2025-06-02T00:00:00Z');
insert into decisions (pmid, question, stage, person, decision, decided, blind) values
  (:sealed, :blind_slug, 'title-abstract', 1, 'include', '2025-06-02T00:00:00Z', :blind_slug || '/title-abstract'),
  (:unsealed, :blind_slug, 'title-abstract', 1, 'include', '2025-06-02T00:00:00Z', :blind_slug || '/title-abstract'),
  (:unsealed, :blind_slug, 'title-abstract', 2, 'include', '2025-06-02T00:00:00Z', :blind_slug || '/title-abstract');
insert into unsealed (review, pmid, unsealed)
  values (:blind_slug || '/title-abstract', :unsealed, '2025-06-02T00:00:00Z');
insert into settlements (question, pmid, stage, decision, reason, why, person, settled) values
  (:open_slug, :open, 'title-abstract', 'exclude', 'secret reason', 'secret why', 2, '2025-06-03T00:00:00Z');
insert into label_reviews (pmid, label_group, machine_value, value, person, reviewed)
  values (:open, 'design', 'other', 'case report', 1, '2025-06-04T00:00:00Z');
insert into notes (pmid, question, person, text, written)
  values (:open, :open_slug, 1, 'secret note', '2025-06-03T00:00:00Z');
insert into events (happened, person, origin, action, pmid, before, after)
  values ('2025-06-01T00:00:00Z', 1, 'secret origin', 'tag', :open, '{"note": "secret"}', '{"note": "secret"}');
insert into sign_in_failures (name, address, failed) values ('secret', 'secret', '2025-06-01T00:00:00Z');
insert into ended_sessions (session, ended) values ('secret', '2025-06-01T00:00:00Z');
insert into placements (pmid, question, person, value, reason, placed)
  values (:open, :open_slug, 1, 'direct', 'secret reason', '2025-06-05T00:00:00Z');
insert into label_displays (person, question, labels, chosen)
  values (1, :open_slug, 'hidden', '2025-06-05T00:00:00Z');
insert into subscriptions (name, address, what, questions, every, asked, suspended_reason)
  values ('secret', 'secret@example.org', 'questions', '["secret"]', 'day', '2025-06-05T00:00:00Z', 'secret');
insert into deliveries (message_id, kind, about, address, message, intended, reason)
  values ('secret', 'digest', 'secret', 'secret@example.org', 'secret', '2025-06-05T00:00:00Z', 'secret');
insert into subscription_requests (requested, sender, address) values ('2025-06-05T00:00:00Z', 'secret', 'secret');
insert into alerts_seen (person, pmid, field, noticed, seen)
  values (1, :open, 'retracted', '2025-06-05T00:00:00Z', '2025-06-05T00:00:00Z');
"""
PRESS_PARTS = ", ".join(acts.PRESS_PARTS)
PRESS_COMMENTS = ", ".join(f"{part}_comment" for part in acts.PRESS_PARTS)
PRESS = f"""
insert into press_reviews (question, strategy, reviewer, person, reviewed, written, {PRESS_PARTS}, {PRESS_COMMENTS})
values (:open_slug, 'abc', 'Secret Peer', 2, '2025-06-05', '2025-06-05T00:00:00Z',
  {", ".join(["'no revision'"] * 7)}, {", ".join(["'secret'"] * 7)});
"""


def say_everything(desk: Desk) -> dict[str, int]:
    """Let people say something in every way there is; returns the papers by what is said of them."""
    sealed, unsealed = desk.column(f"select pmid from question_articles where question = '{BLIND}' limit 2")
    (paper,) = desk.column(
        f"select pmid from question_articles where question = '{OPEN}' and pmid not in (?, ?) limit 1",
        sealed,
        unsealed,
    )
    given = {"open": paper, "sealed": sealed, "unsealed": unsealed, "open_slug": OPEN, "blind_slug": BLIND}
    desk.annotations.unlink(missing_ok=True)
    acts.open_annotations(desk.annotations).close()
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        for statement in f"{SAID}{PRESS}".split(";\n"):
            db.execute(statement, given)
    desk.change(
        "insert into adoptions (question, number, adopted, person, note, how) select question, number, "
        "'2025-06-01T00:00:00Z', 'secret-person', 'secret note', 'adopted' from strategy_versions limit 1"
    )
    return {name: given[name] for name in ("open", "sealed", "unsealed")}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    home = tmp_path_factory.mktemp("snapshot")
    file = shutil.copytree(QUERIES, home / "queries") / f"{BLIND}.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("  dual: false\n", "  dual: true\n"), encoding="utf-8")
    return filled(home)


@pytest.fixture(scope="module")
def said(desk: Desk) -> dict[str, int]:
    return say_everything(desk)


@pytest.fixture(scope="module")
def snapshot(desk: Desk, said: dict[str, int]) -> Path:
    done = desk.run("snapshot", "kept", "--json")
    assert done.code == 0, done.err
    return desk.home / done.json["snapshot"]


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and what is in those that are archives."""
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            yield path.name, path.name.encode() + data
            if path.suffix in (".xlsx", ".docx"):
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    yield from ((f"{path.name}/{name}", archive.read(name)) for name in archive.namelist())


def test_nothing_that_is_not_public_is_in_any_byte(desk: Desk, snapshot: Path) -> None:
    assert SECRET.search(desk.annotations.read_bytes()) and SECRET.search(desk.db.read_bytes())
    assert [name for name, data in contents(snapshot) if SECRET.search(data)] == []


def test_every_column_with_peoples_words_was_tried(desk: Desk, said: dict[str, int]) -> None:
    """A column that is added to annotations.db has to be planted here, or named as the program's own."""
    with closing(sqlite3.connect(desk.annotations)) as db:
        tables = [
            name
            for (name,) in db.execute("select name from sqlite_master where type = 'table'")
            if not name.startswith(("sqlite_", "_sqlite"))
        ]
        untried = [
            f"{table}.{column}"
            for table in tables
            for _, column, type, *_ in db.execute(f"pragma table_info({table})").fetchall()
            if type == "text"
            and column
            not in OF_THE_PROGRAM.get(
                table, {"question", "strategy", "reviewed", "written", *acts.PRESS_PARTS}
            )
            and not db.execute(f"select 1 from {table} where {column} like '%secret%'").fetchone()
        ]
    assert untried == []


def test_what_everybody_may_see_is_there(snapshot: Path, said: dict[str, int]) -> None:
    with closing(sqlite3.connect(snapshot / "annotations.db")) as db:
        assert db.execute("select pmid, question from taggings").fetchall() == [(said["open"], OPEN)]
        # The reason is none of the question's file, so it is somebody's own words.
        assert db.execute("select pmid, decision, reason from decisions order by id").fetchall() == [
            (said["open"], "exclude", None),
            (said["unsealed"], "include", None),
            (said["unsealed"], "include", None),
        ]
        assert db.execute("select name from people order by id").fetchall() == [
            ("reviewer 1",),
            ("reviewer 2",),
        ]
        assert db.execute("select count(*) from events").fetchone() == (0,)
    page = html.parse(snapshot / "questions" / f"{OPEN}.html").getroot()
    assert "said a person" in page.text_content()


def test_checksums_hold_and_nothing_can_be_written_by_mistake(snapshot: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"],
        cwd=snapshot,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    named = {line.split("  ", 1)[1] for line in (snapshot / "SHA256SUMS").read_text().splitlines()}
    files = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert named == files - {"SHA256SUMS"}
    assert {path.stat().st_mode & 0o777 for path in snapshot.rglob("*") if path.is_file()} == {0o444}


def test_machines_can_read_what_it_is(snapshot: Path) -> None:
    package = Package(str(snapshot / "datapackage.json"))
    report = package.validate()
    assert report.valid, report.flatten(["name", "type", "message"])
    assert {f"lists/{OPEN}.csv", f"tables/{OPEN}.csv"} <= {each.path for each in package.resources}
    crate = ROCrate(snapshot)
    assert {f"reports/{OPEN}-prisma-s.json", "evidence.db"} <= {entity.id for entity in crate.data_entities}
    citation = yaml.safe_load((snapshot / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and str(citation["date-released"]) in snapshot.name
    (search,) = [
        each
        for each in json.loads((snapshot / f"searches/{OPEN}.json").read_text())["versions"]
        if each["is_adopted"]
    ]
    assert "ketamine" in search["strategy"]


def test_lists_hold_what_the_questions_hold(desk: Desk, snapshot: Path) -> None:
    with (snapshot / f"lists/{OPEN}.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {int(row["pmid"]) for row in csv.DictReader(file)} == desk.matching(OPEN)


def test_every_link_leads_to_something(snapshot: Path) -> None:
    """Within the folder to a file and a place in it, and beyond it only over HTTPS."""
    pages = {
        path: html.parse(path).getroot() for path in snapshot.rglob("*.html") if path.parent.name != "reports"
    }
    assert len(pages) > 20
    ids = {path.resolve(): set(page.xpath("//@id")) for path, page in pages.items()}
    for path, page in pages.items():
        for link in page.xpath("//@href | //@src | //form/@action"):
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme == "https", link
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            assert target.is_file() and target.is_relative_to(snapshot), f"{path.name}: {link}"
            if parts.fragment and target in ids:
                assert parts.fragment in ids[target], f"{path.name}: {link}"


def test_all_papers_have_a_page_with_abstract_and_quotes(desk: Desk, snapshot: Path) -> None:
    held = set(desk.column("select distinct pmid from question_articles where matching"))
    assert {int(path.stem) for path in (snapshot / "articles").iterdir()} == held
    (pmid, quote), *_ = desk.sql(
        "select pmid, quote from labels where quote <> '' and part = 'abstract' and pmid in "
        "(select pmid from question_articles where matching) order by pmid limit 1"
    )
    page = html.parse(snapshot / "articles" / f"{pmid}.html").getroot()
    assert quote in [each.text_content() for each in page.cssselect("table.labels q")]


@pytest.mark.parametrize("size", [{"width": 390, "height": 844}, {"width": 1280, "height": 900}])
def test_it_opens_from_disk_and_can_be_searched(
    chromium: Browser, desk: Desk, snapshot: Path, size: dict[str, int]
) -> None:
    pmid, title = desk.sql(
        "select pmid, title from articles join question_articles using (pmid) where matching limit 1"
    )[0]
    with visiting(chromium, viewport=size, bypass_csp=True) as visit:
        visit.to((snapshot / "index.html").as_uri())
        assert objections(visit.page, "light") == []
        visit.page.fill("#q", " ".join(title.split()[:3]).upper()[:-1])
        visit.page.click("button")
        visit.page.wait_for_selector("#hits li")
        assert title in visit.page.locator("#hits .title").all_inner_texts()
        assert objections(visit.page, "light") == []
        visit.page.click(f"#hits a[href='articles/{pmid}.html']")
        assert visit.page.inner_text("h1") == title
        assert objections(visit.page, "light") == []
        assert visit.page.evaluate("document.documentElement.scrollWidth") == size["width"]
        visit.to((snapshot / "questions" / f"{OPEN}.html").as_uri())
        assert objections(visit.page, "light") == []


def test_a_search_finds_by_all_words_and_by_their_beginnings(
    chromium: Browser, desk: Desk, snapshot: Path
) -> None:
    asked = ("ketam BLADDER", "zzzz", "")
    with visiting(chromium) as visit:
        told = []
        for text in asked:
            visit.to(f"{(snapshot / 'search.html').as_uri()}?q={text}")
            visit.page.wait_for_function(
                "document.getElementById('told').textContent || !location.search.slice(3)"
            )
            told.append(visit.page.inner_text("#told"))
        # The page's own policy stopped neither scripts nor styles, and nobody else was asked.
        assert (visit.complaints, visit.hosts) == ([], {""})
        assert visit.page.evaluate("getComputedStyle(document.body).margin") == "0px"
    held = desk.sql(
        "select title || ' ' || coalesce(abstract, '') || ' ' || coalesce(keywords_text, '') || ' ' || "
        "coalesce(mesh_text, '') from articles where pmid in (select pmid from question_articles where matching)"
    )
    n = sum(all(f" {word}" in f" {text.lower()}" for word in ("ketam", "bladder")) for (text,) in held)
    assert told == [f"{n} records.", "0 records.", ""] and n > 1


# -- when it cannot be made ------------------------------------------------------------------------


def test_a_snapshot_never_changes(desk: Desk, snapshot: Path) -> None:
    before = (snapshot / "SHA256SUMS").read_bytes()
    done = desk.run("snapshot", "kept")
    assert done.code == 2 and "is there already" in done.err
    assert (snapshot / "SHA256SUMS").read_bytes() == before


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    done = Desk(tmp_path, "http://127.0.0.1:9/").run("snapshot", "kept")
    assert done.code == 2 and "no database yet" in done.err
    assert not (tmp_path / "kept").exists()


def test_where_it_cannot_be_written_nothing_is_left(desk: Desk, snapshot: Path) -> None:
    (desk.home / "file").write_text("")
    done = desk.run("snapshot", "file/kept")
    assert done.code in (1, 2) and "Traceback" not in done.err and "file" in done.err


# -- what changed ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Desk, Path, Path]:
    desk = Desk(tmp_path_factory.mktemp("pair"), "http://127.0.0.1:9/")
    shutil.copytree(QUERIES, desk.home / "queries")

    def load(*papers: str) -> None:
        (desk.home / "papers.xml").write_text(document(*papers), encoding="utf-8")
        assert desk.run("load", "--match", OPEN, str(desk.home / "papers.xml")).code == 0

    load(record(5, "Tolerance to ketamine in depression"), record(6, "Ketamine dependence in depression"))
    first = desk.home / desk.run("snapshot", "a", "--json").json["snapshot"]
    load(
        record(6, "RETRACTED: Ketamine dependence in depression", types=("Retracted Publication",)),
        record(7, "Ketamine tolerance in depression: a systematic review"),
    )
    second = desk.home / desk.run("snapshot", "b", "--json").json["snapshot"]
    return desk, first, second


def test_what_entered_was_withdrawn_and_is_read_otherwise_is_told(pair: tuple[Desk, Path, Path]) -> None:
    desk, first, second = pair
    found: Any = desk.run("snapshot", "diff", str(first), str(second), "--json").json
    assert [each["pmid"] for each in found["questions"][OPEN]["entered"]] == [7]
    assert [(each["pmid"], each["now"]) for each in found["standing"]] == [(6, "retracted")]
    words = desk.run("snapshot", "diff", str(first), str(second)).out
    assert f"{OPEN}: 1 entered, 0 left" in words and "! 6 RETRACTED" in words
    back: Any = desk.run("snapshot", "diff", str(second), str(first), "--json").json
    assert [each["pmid"] for each in back["questions"][OPEN]["left"]] == [7]
    assert {each["pmid"] for each in found["read_otherwise"]} <= {5, 6}


def test_a_snapshot_that_was_changed_is_not_compared(pair: tuple[Desk, Path, Path], tmp_path: Path) -> None:
    desk, first, second = pair
    changed = shutil.copytree(first, tmp_path / "changed")
    (changed / "index.html").chmod(0o644)
    (changed / "index.html").write_text("", encoding="utf-8")
    done = desk.run("snapshot", "diff", str(changed), str(second))
    assert done.code == 2 and "index.html is missing or was changed" in done.err
    done = desk.run("snapshot", "diff", str(tmp_path), str(second))
    assert done.code == 2 and "not a snapshot" in done.err
    assert (
        hashlib.sha256((second / "index.html").read_bytes()).hexdigest()
        in (second / "SHA256SUMS").read_text()
    )


def test_the_example_of_the_readme_is_a_whole_snapshot(tmp_path: Path) -> None:
    with zipfile.ZipFile(EXAMPLE) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    assert (folder / "index.html").is_file()
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
