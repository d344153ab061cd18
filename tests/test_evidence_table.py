"""The evidence table: on its page, in its files and from the command line, over records made for it."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import docx
import httpx
import openpyxl
import pytest
from lxml import html
from playwright.sync_api import Browser

from tests.conftest import Desk
from tests.helpers_browser import PHONE, visiting
from tests.helpers_load import document, record
from tests.helpers_site import add_person, send, served, signed_in

TABLE = "/questions/cystitis/table"
FORMATS = ("csv", "xlsx", "docx", "json")
NCT, ISRCTN = "ClinicalTrials.gov", "ISRCTN"
(
    TRIAL, LATER, POOLED, FIRST, SECOND, RETRACTED, USERS, OFF, FORMULA, TWICE, REVIEW, PREPRINT, ARTICLE, SILENT,
    OTHER_TRIAL, REANALYSIS,
) = range(91000001, 91000017)  # fmt: skip
TEAM = ("Alder A", "Birch B", "Cedar C", "Dogwood D")
TREATED = "patients with major depression received intravenous ketamine 0.5 mg/kg or placebo"
NO_SYMPTOMS = "There was no difference in bladder symptoms between the groups (p = 0.4)."
DIRECT = {
    TRIAL, LATER, POOLED, FIRST, SECOND, RETRACTED, FORMULA, TWICE, REVIEW, PREPRINT, ARTICLE, SILENT, OTHER_TRIAL,
    REANALYSIS,
}  # fmt: skip

RECORDS = (
    record(
        TRIAL,
        "Ketamine for depression: a randomized controlled trial",
        f"In this randomized controlled trial, 60 {TREATED}. Patients were followed for 6 months. "
        "Bladder symptoms were reported by 3 of 55 patients (5%).",
        year=2020,
        registered=[(NCT, "NCT00000001")],
    ),
    record(
        LATER,
        "Bladder symptoms after ketamine for depression: secondary analysis of a randomized trial",
        f"In this secondary analysis of a randomized trial, 40 {TREATED}. {NO_SYMPTOMS}",
        year=2022,
        registered=[(NCT, "NCT00000001")],
    ),
    record(
        POOLED,
        "Ketamine for depression: pooled analysis of randomized trials",
        f"In this pooled analysis of randomized trials, 150 {TREATED}. {NO_SYMPTOMS}",
        year=2023,
        registered=[(NCT, "NCT00000001"), (NCT, "NCT00000002")],
    ),
    *(
        record(
            pmid,
            f"Ketamine for depression, {place}: a randomized controlled trial",
            f"In this randomized controlled trial, 33 {TREATED}. {NO_SYMPTOMS}",
            year=year,
            authors=TEAM,
        )
        for pmid, place, year in ((FIRST, "early", 2016), (SECOND, "late", 2018))
    ),
    record(
        RETRACTED,
        "Open-label ketamine for depression and the bladder",
        f"In this open-label trial, 12 {TREATED}. {NO_SYMPTOMS}",
        year=2017,
        notices=[("RetractionIn", 91000099)],
    ),
    record(
        USERS,
        "Bladder symptoms in recreational ketamine users: a cross-sectional survey",
        "In this cross-sectional survey, 90 recreational ketamine users answered. Cystitis was reported by 25%.",
        year=2015,
    ),
    record(OFF, "Ketamine in rats", "The urinary excretion of ketamine was modelled.", year=2014),
    record(
        FORMULA,
        '=HYPERLINK("http://evil.example","ketamine and the bladder in depression")',
        "Patients with major depression received treatment with oral esketamine. Bladder symptoms were recorded.",
        year=2013,
    ),
    record(
        TWICE,
        "Ketamine for depression, registered twice: a randomized controlled trial",
        f"In this randomized controlled trial, 70 {TREATED}. Patients were followed for 2 years. {NO_SYMPTOMS}",
        year=2012,
        registered=[(NCT, "NCT00000005"), (ISRCTN, "ISRCTN00000005")],
    ),
    record(
        REVIEW,
        "Bladder symptoms after ketamine for depression: a systematic review",
        "We searched MEDLINE for studies of ketamine treatment in patients with major depression. Nine studies with "
        "700 participants were included. Bladder symptoms were rare.",
        year=2024,
        types=["Journal Article", "Systematic Review"],
    ),
    record(
        PREPRINT,
        "Ketamine for depression, a preprint of a cohort study",
        f"In this cohort study, 25 {TREATED}. {NO_SYMPTOMS}",
        year=2010,
        types=["Preprint"],
        notices=[("UpdateIn", ARTICLE)],
    ),
    record(
        ARTICLE,
        "Ketamine for depression, a cohort study",
        f"In this cohort study, 25 {TREATED}. {NO_SYMPTOMS}",
        year=2011,
        notices=[("UpdateOf", PREPRINT)],
    ),
    record(
        SILENT,
        "Ketamine for depression and nothing more",
        "Patients with major depression received ketamine treatment. Bladder symptoms were a secondary outcome.",
        year=2009,
    ),
    record(
        OTHER_TRIAL,
        "Ketamine for depression, another: a randomized controlled trial",
        f"In this randomized controlled trial, 33 {TREATED}. {NO_SYMPTOMS}",
        year=2008,
        authors=TEAM,
        registered=[(NCT, "NCT00000008")],
    ),
    record(
        REANALYSIS,
        "Sleep after ketamine for depression: secondary analysis of a randomized trial",
        f"In this secondary analysis, 21 {TREATED}. {NO_SYMPTOMS}",
        year=2019,
        authors=("Elm E", "Alder A", "Birch B", "Fir F", "Dogwood D"),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("table"), "http://127.0.0.1:9/")
    (desk.home / "records.xml").write_text(document(*RECORDS), "utf-8")
    assert desk.run("load", "--match", "all", "records.xml").code == 0
    return desk


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    for name in ("ann", "bob"):
        add_person(desk, name, "tagger", display_name=f"{name.title()} Surname")
    with served(desk) as url:
        yield url


def page(address: str, query: str = "") -> html.HtmlElement:
    answer = httpx.get(f"{address}{TABLE}{query}")
    assert answer.status_code == 200, answer.text
    return html.fromstring(answer.text)


def rows(tree: html.HtmlElement) -> dict[int, html.HtmlElement]:
    """The rows of a page by PMID, in their order."""
    found = tree.xpath('//table[@class="evidence"]//tr[starts-with(@id, "r-")]')
    return {int(row.get("id")[2:]): row for row in found}


def text(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def cell(row: html.HtmlElement, title: str) -> html.HtmlElement:
    (found,) = row.xpath(f'td[@data-title="{title}"]')
    return found


def written(desk: Desk, format: str, *options: str) -> bytes:
    file = desk.home / f"table.{format}"
    done = desk.run("report", "evidence-table", "cystitis", "--format", format, "-o", str(file), *options)
    assert done.code == 0, done.err
    return file.read_bytes()


def as_rows(content: bytes) -> dict[int, dict[str, str]]:
    return {int(row["pmid"]): row for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))}


def reports(desk: Desk, *options: str) -> dict[int, dict[str, Any]]:
    return {row["pmid"]: row for row in json.loads(written(desk, "json", *options))["reports"]}


# -- which rows, in which order --------------------------------------------------------------------


def test_the_table_has_what_bears_directly_and_counts_the_rest(address: str) -> None:
    first = page(address)
    assert set(rows(first)) == DIRECT
    line = text(first.xpath('//p[@class="counts-line"]')[0])
    assert f"In people treated {len(DIRECT)} (shown); In other people or animals 1; Not about this 1" in line
    links = {text(link): link.get("href") for link in first.xpath('//p[@class="counts-line"]/a')}
    assert set(rows(html.fromstring(httpx.get(address + links["In other people or animals 1"]).text))) == {
        USERS
    }
    assert set(rows(html.fromstring(httpx.get(address + links["all of them"]).text))) == DIRECT | {USERS, OFF}


def test_the_command_has_what_the_page_has(desk: Desk) -> None:
    assert set(as_rows(written(desk, "csv"))) == DIRECT
    assert set(as_rows(written(desk, "csv", "--all"))) == DIRECT | {USERS, OFF}
    assert set(as_rows(written(desk, "csv", "--filter", "directness=indirect"))) == {USERS}
    assert set(as_rows(written(desk, "csv", "--search", "rare", "--years", "2024-"))) == {REVIEW}


def test_reports_of_one_trial_stand_under_one_head_and_their_number_of_people_once(
    address: str, desk: Desk
) -> None:
    tree = page(address)
    (head,) = [row for row in tree.xpath('//tr[@class="head"]') if "NCT00000001" in text(row)]
    assert "2 reports of NCT00000001" in text(head)
    assert [text(each) for each in head.xpath(".//summary")] == ["read by machine: 60"]
    under = [int(row.get("id")[2:]) for row in head.xpath("following-sibling::tr")]
    assert under == [LATER, TRIAL]
    table = rows(tree)
    assert text(cell(table[TRIAL], "n")) == "as above"
    assert "40" in text(cell(table[LATER], "n")) and "in this report" in text(cell(table[LATER], "n"))
    files = as_rows(written(desk, "csv"))
    assert files[LATER]["trial"] == files[TRIAL]["trial"]
    assert [files[pmid]["participants"] for pmid in (LATER, TRIAL)] == ["60", ""]
    assert [files[pmid]["participants_stated"] for pmid in (LATER, TRIAL)] == ["40", "60"]


def test_a_trial_has_only_the_reports_that_the_filters_leave(address: str) -> None:
    tree = page(address, "?from=2021")
    assert TRIAL not in rows(tree) and LATER in rows(tree)
    assert not [row for row in tree.xpath('//tr[@class="head"]') if "NCT00000001" in text(row)]


def test_a_trial_registered_in_two_registers_is_one_trial(address: str, desk: Desk) -> None:
    assert "Pooled" not in text(rows(page(address))[TWICE])
    assert reports(desk)[TWICE]["trials_pooled"] is None


def test_a_pooled_analysis_stands_by_itself_and_says_from_how_many_trials(address: str, desk: Desk) -> None:
    row = rows(page(address))[POOLED]
    assert "Pooled from 2 trials, which may also be listed: NCT00000001, NCT00000002" in text(row)
    assert "150" in text(cell(row, "n"))
    assert as_rows(written(desk, "csv"))[POOLED]["trials_pooled"] == "2"


def test_a_preprint_goes_with_its_article(address: str) -> None:
    tree = page(address)
    (head,) = [row for row in tree.xpath('//tr[@class="head"]') if "preprint" in text(row)]
    assert [int(row.get("id")[2:]) for row in head.xpath("following-sibling::tr")] == [ARTICLE, PREPRINT]
    assert "Preprint, not peer reviewed" in text(rows(tree)[PREPRINT])


def test_reports_of_the_same_authors_drug_design_and_number_are_marked(address: str, desk: Desk) -> None:
    table = rows(page(address))
    assert f"Possibly the same people as PMID {REANALYSIS}, PMID {SECOND}" in text(table[FIRST])
    assert f"PMID {FIRST}" in text(table[SECOND])
    # Two registrations are two trials, and ten years are too long.
    assert "Possibly the same" not in text(table[OTHER_TRIAL])
    assert "Possibly the same" not in text(table[TRIAL])
    assert as_rows(written(desk, "csv"))[SECOND]["possibly_same_people_as"] == f"{REANALYSIS}; {FIRST}"


def test_nothing_adds_up_people(address: str) -> None:
    total = text(page(address, "?directness=any").xpath("//main")[0])
    assert "not to be added up" in total
    assert not re.search(r"(?i)\btotal\b", total)


@pytest.mark.parametrize(
    ("by", "title", "first"),
    [("participants", "n", REVIEW), ("follow_up", "Follow-up", TWICE), ("design", "Design", ARTICLE)],
)
def test_a_heading_sorts_by_its_column_and_then_the_other_way_round(
    address: str, desk: Desk, by: str, title: str, first: int
) -> None:
    (link,) = page(address).xpath(f'//th[@scope="col"]/a[text()="{title}"]')
    sorted_page = html.fromstring(httpx.get(address + link.get("href")).text)
    (heading,) = sorted_page.xpath("//th[@aria-sort]")
    assert text(heading).startswith(title)
    there = list(rows(sorted_page))
    assert there[0] == first
    usual = "ascending" if by == "design" else "descending"
    assert heading.get("aria-sort") == usual
    back = html.fromstring(httpx.get(address + heading.xpath("a")[0].get("href")).text)
    assert back.xpath("//th[@aria-sort]")[0].get("aria-sort") != usual
    assert list(rows(back)) != there
    # What has no value comes last, whichever way round.
    assert {there[-1], list(rows(back))[-1]} <= DIRECT
    assert list(as_rows(written(desk, "csv", "--sort", by))) == there
    assert list(as_rows(written(desk, "csv", "--sort", by, "--reverse"))) == list(rows(back))


def test_by_date_the_table_can_be_turned_round(desk: Desk) -> None:
    down, up = (list(as_rows(written(desk, "json" and "csv", *options))) for options in ((), ("--reverse",)))
    single = [pmid for pmid in down if pmid in (REVIEW, POOLED, RETRACTED, SILENT)]
    assert single == [REVIEW, POOLED, RETRACTED, SILENT]
    assert [pmid for pmid in up if pmid in single] == single[::-1]


# -- what a row says -------------------------------------------------------------------------------


def test_each_value_stands_with_the_words_that_it_was_read_from(address: str, desk: Desk) -> None:
    row = rows(page(address))[RETRACTED]
    for title, value, quote in (
        ("Design", "open-label trial", "open-label"),
        ("Population", "depression", "depression"),
        ("Route", "IV", "intravenous"),
        ("n", "12", "12 patients"),
    ):
        (reading,) = cell(row, title).xpath("details")[:1]
        (summary,) = reading.xpath("summary[contains(@class, 'machine')]")
        assert text(summary) == f"read by machine: {value}"
        assert quote in text(reading.xpath("q")[0]).lower()
        assert reading.xpath(f'.//a[@href="/articles/{RETRACTED}#labels"]')
    label = reports(desk)[RETRACTED]["labels"]["route"][0]
    assert (label["value"], label["read_by"]) == ("IV", "machine")
    assert "intravenous" in label["quote"]


def test_what_a_record_does_not_state_is_said_not_to_be_stated(address: str, desk: Desk) -> None:
    row = rows(page(address))[FORMULA]
    assert [text(cell(row, title)) for title in ("Dose", "n", "Follow-up")] == ["Not stated"] * 3
    file = as_rows(written(desk, "csv"))[FORMULA]
    assert (file["dose"], file["follow_up"], file["participants"]) == ("Not stated", "Not stated", "")


def test_the_outcome_is_in_the_abstracts_words_with_the_number_that_it_is_about(
    address: str, desk: Desk
) -> None:
    table = rows(page(address, "?directness=any"))
    says = "What the abstract says of the outcome"
    outcome = text(cell(table[TRIAL], says))
    assert "Bladder symptoms were reported by 3 of 55 patients (5%)." in outcome
    assert "about 55 people" in outcome
    assert "Measured, result not in the abstract" in text(cell(table[SILENT], says))
    assert "Not mentioned" in text(cell(table[OFF], says))
    assert reports(desk)[TRIAL]["findings"][0]["about"] == 55
    assert as_rows(written(desk, "csv"))[SILENT]["outcome"] == "measured, result not in the abstract"


def test_number_and_follow_up_are_in_cells_of_their_own(address: str) -> None:
    row = rows(page(address))[TRIAL]
    assert text(cell(row, "Follow-up")).startswith("read by machine: 6 months")
    assert "months" not in text(cell(row, "n"))


def test_a_review_says_in_how_many_studies(address: str) -> None:
    people = text(cell(rows(page(address))[REVIEW], "n"))
    assert "700" in people and "in 9 studies" in people


def test_a_retraction_shows_in_the_row_and_in_every_file(address: str, desk: Desk) -> None:
    row = rows(page(address))[RETRACTED]
    assert "Retracted" in text(row.xpath("th//strong[contains(@class, 'bad')]")[0])
    assert as_rows(written(desk, "csv"))[RETRACTED]["standing"] == "RETRACTED"
    assert reports(desk)[RETRACTED]["standing"] == ["RETRACTED"]
    workbook = openpyxl.load_workbook(io.BytesIO(written(desk, "xlsx")))
    assert "RETRACTED" in [each.value for each in workbook["evidence table"]["C"]]
    word = docx.Document(io.BytesIO(written(desk, "docx")))
    (line,) = [row for row in word.tables[0].rows if f"PMID {RETRACTED}\n" in row.cells[0].text]
    assert line.cells[0].text.startswith("RETRACTED\n")


def test_the_level_of_evidence_is_not_in_it(address: str, desk: Desk) -> None:
    tree = page(address)
    assert "evidence_level" not in html.tostring(tree.xpath("//table")[0], encoding="unicode")
    for format in ("csv", "json"):
        assert b"evidence_level" not in written(desk, format)


# -- what people say -------------------------------------------------------------------------------


@pytest.fixture
def ann(address: str, desk: Desk) -> Iterator[httpx.Client]:
    with signed_in(address, "ann") as client:
        client.get("/account")
        yield client
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.execute("delete from placements")
        db.execute("delete from label_reviews")


def test_a_record_that_a_person_moved_is_where_they_moved_it(
    address: str, desk: Desk, ann: httpx.Client
) -> None:
    fields = {"question": "cystitis", "value": "direct", "reason": "They were treated"}
    assert send(ann, f"/articles/{USERS}/place", **fields).status_code == 303
    row = rows(page(address))[USERS]
    assert "In people treated moved by Ann Surname: They were treated" in text(row)
    file = as_rows(written(desk, "csv"))[USERS]
    assert file["directness"] == "In people treated"
    assert file["directness (read by machine)"].startswith("indirect: ")
    assert file["directness (said by people)"] == "direct: They were treated (Ann Surname)"


def test_a_corrected_label_stands_beside_the_machines(address: str, desk: Desk, ann: httpx.Client) -> None:
    fields = {"label_group": "route", "machine_value": "IV", "verdict": "correct", "value": "IM"}
    assert send(ann, f"/articles/{RETRACTED}/label", **fields).status_code == 303
    said = "IM instead of IV (Ann Surname)"
    assert said in text(cell(rows(page(address))[RETRACTED], "Route"))
    assert as_rows(written(desk, "csv"))[RETRACTED]["route (said by people)"] == said
    word = docx.Document(io.BytesIO(written(desk, "docx")))
    assert any(said in row.cells[4].text for row in word.tables[0].rows)


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_the_site_and_the_command_write_the_same_bytes(address: str, desk: Desk, format: str) -> None:
    answer = httpx.get(f"{address}{TABLE}.{format}?design=secondary+analysis&by=participants")
    assert answer.status_code == 200
    options = ("--filter", "design=secondary analysis", "--sort", "participants")
    assert answer.content == written(desk, format, *options) == written(desk, format, *options)
    if format != "json":
        name = f'attachment; filename="cystitis-evidence-table.{format}"'
        assert answer.headers["content-disposition"] == name


def test_every_link_of_the_page_to_a_file_leads_to_one(address: str) -> None:
    links = page(address, "?by=design").xpath('//details[@class="exports"]//a/@href')
    assert [link.partition("?")[0] for link in links] == [f"{TABLE}.{format}" for format in FORMATS]
    assert all(httpx.get(address + link).status_code == 200 for link in links)


def test_no_cell_is_a_formula(desk: Desk) -> None:
    assert as_rows(written(desk, "csv"))[FORMULA]["title"].startswith("'=HYPERLINK")
    sheet = openpyxl.load_workbook(io.BytesIO(written(desk, "xlsx")))["evidence table"]
    cells = [each for row in sheet.iter_rows() for each in row]
    assert any(str(each.value).startswith("'=HYPERLINK") for each in cells)
    assert {each.data_type for each in cells} <= {"s", "n"}


def test_a_word_file_is_landscape_and_says_of_when_it_is(desk: Desk) -> None:
    content = written(desk, "docx")
    word = docx.Document(io.BytesIO(content))
    (section,) = word.sections
    assert section.page_width > section.page_height
    paragraphs = [paragraph.text for paragraph in word.paragraphs]
    assert paragraphs[0] == "Evidence table: Bladder and urinary tract"
    assert any(paragraph.startswith("Updated ") for paragraph in paragraphs)
    assert any(f"In people treated ({len(DIRECT)})" in paragraph for paragraph in paragraphs)
    heading, *lines = word.tables[0].rows
    assert [cell.text for cell in heading.cells][:2] == ["Report", "Design"]
    assert heading._tr.xpath("w:trPr/w:tblHeader")
    assert len(lines) == len(DIRECT)
    assert all(info.date_time[0] == 1980 for info in ZipFile(io.BytesIO(content)).infolist())


def test_more_rows_than_a_word_table_holds_are_refused_in_one_sentence(
    desk: Desk, address: str, tmp_path: Path
) -> None:
    many = Desk(tmp_path, desk.url)
    (tmp_path / "many.xml").write_text(
        document(
            *(record(pmid, "Ketamine and the bladder", "Cystitis.") for pmid in range(92000001, 92002002))
        ),
        "utf-8",
    )
    assert many.run("load", "--match", "all", "many.xml").code == 0
    table = ("report", "evidence-table", "cystitis", "--all", "--format")
    done = many.run(*table, "docx", "-o", str(tmp_path / "many.docx"))
    assert (done.code, done.out) == (2, "")
    assert done.err.strip() == (
        "Error: a Word table holds at most 2,000 rows. Narrow the table, or take it as CSV or XLSX."
    )
    assert not (tmp_path / "many.docx").exists()
    assert many.run(*table, "csv", "-o", str(tmp_path / "many.csv")).code == 0
    assert len(as_rows((tmp_path / "many.csv").read_bytes())) == 2001
    with served(many) as url:
        assert httpx.get(f"{url}{TABLE}.docx?directness=any", timeout=60).status_code == 400
        # Beyond a thousand, only an index has the order; the pages go through all of it.
        answer = httpx.get(f"{url}{TABLE}?directness=any&by=participants", timeout=60)
        assert "can only be sorted by date" in answer.text
        seen: list[int] = []
        for _ in range(3):
            tree = html.fromstring(answer.text)
            seen += rows(tree)
            (following,) = tree.xpath('//a[@rel="next"]/@href')
            answer = httpx.get(url + following)
        assert seen == list(range(92002001, 92002001 - 60, -1))


def test_what_is_wrong_is_said(desk: Desk, address: str) -> None:
    for arguments, words in (
        (("nowhere", "--format", "csv"), "Unknown question 'nowhere'"),
        (("cystitis", "--format", "csv", "--filter", "design=nonsense"), "design=nonsense"),
        (("cystitis", "--format", "csv", "--filter", "design"), "is not a filter"),
    ):
        done = desk.run("report", "evidence-table", *arguments)
        assert (done.code, done.out) == (2, "")
        assert words in done.err
    for path, code in (
        ("/questions/nowhere/table", 404),
        ("/questions/nowhere/table.csv", 404),
        (f"{TABLE}.csv?design=nonsense", 400),
        (f"{TABLE}?by=nonsense", 400),
        (f"{TABLE}?order=nonsense", 400),
        (f"{TABLE}?after=nonsense", 200),
        (f"{TABLE}?design=nonsense", 200),
    ):
        assert httpx.get(address + path).status_code == code, path


def test_text_goes_to_stdout_and_a_binary_file_to_no_terminal(desk: Desk) -> None:
    done = desk.run("report", "evidence-table", "cystitis", "--format", "json")
    assert json.loads(done.out)["question"] == "cystitis"
    assert f"{len(DIRECT)} reports written" in done.err
    code = (
        "import os, pty, sys; status = pty.spawn([sys.executable, '-m', 'tracker', 'report', 'evidence-table', "
        "'cystitis', '--format', sys.argv[1]]); sys.exit(os.waitstatus_to_exitcode(status))"
    )
    for format, file in (("docx", "a Word file"), ("xlsx", "an Excel file")):
        process = desk.start_python("-c", code, format)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 2
        assert f"{file} cannot be shown on a terminal" in out


# -- in a browser ----------------------------------------------------------------------------------


def test_the_words_of_a_value_open_without_scripts(chromium: Browser, address: str) -> None:
    with visiting(chromium, java_script_enabled=False) as visit:
        visit.page.goto(address + TABLE)
        row = visit.page.locator(f"#r-{RETRACTED}")
        words = row.locator('td[data-title="Route"] q')
        assert not words.is_visible()
        row.locator('td[data-title="Route"] summary').click()
        assert words.is_visible()
        visit.page.get_by_role("link", name="Follow-up").click()
        assert visit.page.locator("th[aria-sort=descending]").inner_text().startswith("Follow-up")


def test_on_a_phone_each_row_is_a_block_that_names_its_parts(chromium: Browser, address: str) -> None:
    with visiting(chromium, viewport=PHONE) as visit:
        page = visit.to(address + TABLE).page
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shown = page.evaluate(
            "getComputedStyle(document.querySelector('td[data-title=Design]'), '::before').content"
        )
        assert "Design" in page.locator("td[data-title=Design]").first.get_attribute("data-title")
        assert "attr(data-title)" in shown or "Design" in shown


def test_it_prints_in_landscape_with_its_date(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        page = visit.to(address + TABLE).page
        sheets = page.pdf(prefer_css_page_size=True)
        boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", sheets)
        assert boxes and all(float(width) > float(height) for width, height in boxes)
        page.emulate_media(media="print")
        assert page.get_by_text("As of ").is_visible()
        assert page.locator("table.evidence details summary").first.is_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('table.evidence')).display") == "table"
