"""The PRISMA 2020 flow: the same numbers in the drawing, tables, files and on the page, as the log has them."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from lxml import etree, html

from tests.conftest import FIXTURES, Desk
from tests.helpers_site import Site, articles_on

FIRST, SECOND = "title-abstract", "full-text"
SVG = "{http://www.w3.org/2000/svg}"
REVIEW = "/questions/cystitis/review"
# What one person decided on each record in turn: by title and abstract, by full text, and on which day.
DECIDED = (
    ("exclude", "", "", "2026-01-10"),
    ("include", "include", "", "2026-01-10"),
    ("include", "exclude", "wrong drug", "2026-01-10"),
    ("unsure", "", "", "2026-01-10"),
    ("exclude", "", "", "2026-03-10"),
    ("include", "exclude", "wrong drug", "2026-03-10"),
    ("include", "exclude", "not retrieved", "2026-03-10"),
    ("include", "unsure", "", "2026-03-10"),
    ("include", "include", "", "2026-03-10"),
)


def decided(home: Path, updated_from: str = "") -> Desk:
    """Records on which one person decided, by a file; the last of them has no decision."""
    desk = Desk(home, "http://127.0.0.1:9/")
    file = desk.own_queries() / "cystitis.yml"
    since = f"\n  updated_from: {updated_from}" if updated_from else ""
    text = file.read_text(encoding="utf-8")
    assert text.count("dual: false\n  reasons:") == 1
    text = text.replace("dual: false\n  reasons:", f"dual: false{since}\n  reasons:\n    - not retrieved")
    file.write_text(text, encoding="utf-8")
    assert desk.run("load", "--match", "all", str(FIXTURES / "pubmed" / "cystitis.xml")).code == 0
    rows = [row for pmid, said in zip(papers(desk), DECIDED, strict=False) for row in rows_of(pmid, *said)]
    (home / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert desk.run("tag", "import", str(home / "said.jsonl")).code == 0
    return desk


def papers(desk: Desk) -> list[int]:
    found = sorted(desk.matching("cystitis"))
    assert len(found) > len(DECIDED)
    return found


def rows_of(pmid: int, first: str, second: str, reason: str, day: str) -> list[dict[str, Any]]:
    names = "kind pmid question stage person group tag machine_value value reason text when sealed".split()
    common = dict.fromkeys(names) | {
        "kind": "decision",
        "pmid": pmid,
        "question": "cystitis",
        "person": "ada",
    }
    rows = [common | {"stage": FIRST, "value": first, "when": f"{day}T08:00:00Z"}]
    if second:
        rows.append(
            common | {"stage": SECOND, "value": second, "reason": reason or None, "when": f"{day}T09:00:00Z"}
        )
    return rows


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return decided(tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The same, as the update of a living review that began on the first of February."""
    return decided(tmp_path_factory.mktemp("updated"), "2026-02-01")


def report(desk: Desk, format: str) -> bytes:
    file = desk.home / f"flow.{format}"
    done = desk.run(
        "report",
        "flow",
        "cystitis",
        "--format",
        format,
        "-o",
        str(file),
        TRACKER_SITE_URL="https://example.org",
    )
    assert done.code == 0, done.err
    return file.read_bytes()


def lines(desk: Desk) -> list[dict[str, Any]]:
    return [line for box in json.loads(report(desk, "json"))["boxes"] for line in box["lines"]]


def last_decisions(desk: Desk) -> dict[tuple[int, str], tuple[str, str]]:
    """By the log alone: what was decided last on each record at each stage, and why."""
    said = {}
    for event in map(json.loads, desk.run("tag", "log", "--json").out.splitlines()):
        if event["kind"] == "decision":
            after = event["after"]
            said[event["pmid"], event["subject"]["stage"]] = (after["decision"], after["reason"])
    return said


def test_the_numbers_are_those_of_the_log(desk: Desk) -> None:
    flow = json.loads(report(desk, "json"))["flow"]
    said = last_decisions(desk)
    first = Counter(decision for (_, stage), (decision, _) in said.items() if stage == FIRST)
    second = Counter(what for (_, stage), what in said.items() if stage == SECOND)
    by_decision = Counter(decision for decision, _ in second.elements())
    not_retrieved = second["exclude", "not retrieved"]
    everything = len(papers(desk))
    assert flow["identified"] == everything
    assert flow["screened"] == sum(first.values())
    assert flow["undecided"] == everything - sum(first.values())
    assert flow["excluded"] == first["exclude"]
    assert flow["sought"] == first["include"] + first["unsure"]
    assert flow["not_retrieved"] == not_retrieved == 1
    assert flow["undecided_full_text"] == flow["sought"] - sum(by_decision.values())
    assert flow["assessed"] == sum(by_decision.values()) - not_retrieved
    assert flow["excluded_full_text"] == by_decision["exclude"] - not_retrieved
    assert flow["reasons"] == {"wrong drug": second["exclude", "wrong drug"]}
    assert flow["included"] == by_decision["include"] == 2


def test_an_update_counts_what_stood_before_it_apart_and_all_adds_up(desk: Desk, updated: Desk) -> None:
    whole, flow = (json.loads(report(each, "json"))["flow"] for each in (desk, updated))
    assert flow["updated_from"] == "2026-02-01"
    # The one that was let pass, but not decided by full text, goes on into the update.
    assert (flow["decided_before"], flow["included_before"]) == (3, 1)
    assert (
        flow["identified"]
        == whole["identified"]
        == flow["decided_before"] + flow["screened"] + flow["undecided"]
    )
    assert flow["screened"] == flow["excluded"] + flow["sought"] == whole["screened"] - 3
    assert flow["included"] + flow["included_before"] == whole["included"]
    titles = [line["words"] for line in lines(updated)]
    assert "Studies included in the version before 2026-02-01" in titles
    assert "Studies included in all" in titles
    assert not [line for line in lines(desk) if "version before" in line["words"]]


@pytest.mark.parametrize("which", ["desk", "updated"])
def test_every_number_leads_to_as_many_records(which: str, request: pytest.FixtureRequest) -> None:
    desk: Desk = request.getfixturevalue(which)
    site = Site(desk)
    unlisted = {line["words"] for line in lines(desk) if line["list"] is None}
    assert unlisted == {"Records removed before screening", "Duplicates"}
    for line in lines(desk):
        if line["list"] and "tudies included" not in line["words"]:
            page = site.page(line["list"].removeprefix("https://example.org"))
            assert len(articles_on(page)) == line["n"], line


@pytest.mark.parametrize("which", ["desk", "updated"])
def test_drawing_table_word_page_and_json_have_the_same_numbers(
    which: str, request: pytest.FixtureRequest
) -> None:
    desk: Desk = request.getfixturevalue(which)
    wanted = [(line["words"], f"{line['n']:,}") for line in lines(desk)]
    drawing = etree.fromstring(report(desk, "svg"))
    drawn = " ".join("".join(text.itertext()) for text in drawing.iter(f"{SVG}text"))
    for words, n in wanted:
        assert f"{words} (n = {n})" in drawn
    assert len(re.findall(r"\(n = ", drawn)) == len(wanted)
    (table,) = Document(io.BytesIO(report(desk, "docx"))).tables
    assert [(row.cells[0].text, row.cells[1].text) for row in table.rows][1:] == wanted
    for page in (report(desk, "html").decode(), Site(desk).page(REVIEW)):
        rows = html.fromstring(page).xpath("//section//table[.//th[contains(., 'identified')]]//tr[td]")
        assert [(row[0].text_content(), row[1].text_content()) for row in rows] == wanted


def test_the_drawing_is_text_with_a_name_and_links_on_white(desk: Desk) -> None:
    drawing = etree.fromstring(report(desk, "svg"))
    title, told = drawing.find(f"{SVG}title"), drawing.find(f"{SVG}desc")
    assert title is not None and title.text == "Flow of records: Bladder and urinary tract"
    assert told is not None and "Studies included: 2" in (told.text or "")
    links = {link.get("href") for link in drawing.iter(f"{SVG}a")}
    assert "https://example.org/questions/cystitis?decision=included" in links
    assert "https://example.org/questions/cystitis?decision=excluded-full-text%3Breason%3Dwrong+drug" in links
    assert not drawing.xpath("//@style | //*[local-name() = 'style']")
    # A4 with its margins is 182 mm wide: letters of 14 units are then at least 2.5 mm high.
    assert float(drawing.get("width", "0")) <= 14 * 182 / 2.5


def test_the_site_gives_the_same_files_and_only_those(desk: Desk) -> None:
    site = Site(desk)
    for format in ("svg", "html", "docx", "json"):
        answer = site.get(f"/questions/cystitis/flow.{format}")
        assert answer.status_code == 200
        assert f'href="/questions/cystitis/flow.{format}"' in site.page(REVIEW)
    assert site.get("/questions/cystitis/flow.pdf").status_code == 404
    assert site.get("/questions/nowhere/flow.svg").status_code == 404
    assert site.get("/questions/cystitis?decision=somewhere").status_code == 400
    assert site.get("/questions/cystitis?decision=screened;since=2026-02-31").status_code == 400


def test_before_anybody_decided_there_is_a_flow_and_a_wrong_day_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    file = desk.own_queries() / "cystitis.yml"
    assert desk.run("load", "--match", "all", str(FIXTURES / "pubmed" / "cystitis.xml")).code == 0
    flow = desk.run("report", "flow", "cystitis", "--format", "json").json["flow"]
    assert (flow["identified"], flow["undecided"]) == (len(papers(desk)), len(papers(desk)))
    assert "<a " not in desk.run("report", "flow", "cystitis", "--format", "svg").out
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("  dual: false", "  dual: false\n  updated_from: 2026-02-31"), encoding="utf-8"
    )
    done = desk.run("report", "flow", "cystitis", "--format", "json")
    assert (done.code, done.out) == (2, "")
    assert 'review.updated_from: "2026-02-31" is not a day' in done.err
    assert desk.run("report", "flow", "nowhere", "--format", "json").code == 2
