"""A review team's week: a strategy edited, compared, adopted and run; Embase imported; records screened twice; reports.

The numbers agree in all of them, and with the log.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from docx import Document
from lxml import etree, html

from tests.conftest import FIXTURES, Desk
from tests.eutils_server import StandIn
from tests.helpers_site import add_person, send, served, signed_in
from tests.test_external import SEARCHED, bring, ris
from tracker.article import ArticleKey, spelt

FIRST, SECOND = "title-abstract", "full-text"
# A record that none of the questions finds.
PAIN = 90000512
EMBASE, TWICE = 50, 5
SCREENED, KEPT, CONFLICTS, INCLUDED = 60, 20, 5, 12


class Week(Desk):
    """The desk of the team; everything below happens on it once."""

    diff: Any
    adopted: Any
    imported: Any
    records: list[int]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Week(tmp_path_factory.mktemp("week"), pubmed.url)
        file = desk.own_queries() / "cystitis.yml"
        text = file.read_text(encoding="utf-8")
        assert text.count("dual: false") == 1
        text = text.replace("dual: false", "dual: true")
        file.write_text(text, encoding="utf-8")
        assert desk.run("refresh", "cystitis").code == 0
        _widen(desk, file)
        _import_embase(desk)
        _screen(desk)
        return desk


def _widen(desk: Week, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    text = text.replace("search:\n", f"note: Pain was missed.\nsearch:\n  pain: {PAIN}[uid]\n")
    text = text.replace("combine: ketamine AND bladder", "combine: (ketamine AND bladder) OR pain")
    file.write_text(text, encoding="utf-8")
    desk.diff = desk.run("questions", "diff", "cystitis", "--online", "--json").json
    assert desk.run("questions", "adopt", "cystitis", "--by", "Grace", "--yes").code == 0
    assert desk.run("refresh", "cystitis").code == 0
    desk.adopted = desk.run("questions", "versions", "cystitis", "--json").json[-1]


def _import_embase(desk: Week) -> None:
    """Records of which some are PubMed's, by their DOI."""
    known = desk.sql(
        """
        select a.title, a.doi from articles a join question_articles q on q.pmid = a.pmid
        where q.question = 'cystitis' and q.matching and a.doi is not null order by a.pmid limit ?
        """,
        TWICE,
    )
    assert len(known) == TWICE
    entries: list[dict[str, str | list[str]]] = [{"TI": title, "DO": doi} for title, doi in known]
    entries += [
        {
            "TI": f"Ketamine cystitis in clinic number {n}",
            "AU": f"Author{n}, A.",
            "PY": str(1980 + n),
            "JO": "Journal of Clinics",
            "SP": str(n),
            "DO": f"10.1000/embase.{n}",
        }
        for n in range(EMBASE - TWICE)
    ]
    desk.imported = bring(desk, ris(*entries))


def _screen(desk: Week) -> None:
    """By title and abstract 60 records, of which two people keep 20 and disagree on 5; by full text those 20."""
    desk.records = sorted(desk.matching("cystitis"), reverse=True)[:SCREENED]
    for name in ("ada", "bob"):
        add_person(desk, name)
    with served(desk) as address:
        for name in ("ada", "bob"):
            with signed_in(address, name) as client:
                for place, pmid in enumerate(desk.records):
                    keeps = place < KEPT or (place < KEPT + CONFLICTS and name == "ada")
                    _decide(client, pmid, FIRST, "include" if keeps else "exclude")
        for name in ("ada", "bob"):
            with signed_in(address, name) as client:
                for place, pmid in enumerate(desk.records[:KEPT]):
                    keeps = place < INCLUDED
                    _decide(
                        client, pmid, SECOND, "include" if keeps else "exclude", "" if keeps else "wrong drug"
                    )


def _decide(client: httpx.Client, pmid: int, stage: str, decision: str, reason: str = "") -> None:
    path = f"/articles/{spelt(ArticleKey(pmid))}/decide"
    answer = send(client, path, question="cystitis", stage=stage, decision=decision, reason=reason)
    assert answer.status_code == 303, answer.text


def report(week: Week, name: str, format: str) -> bytes:
    file = week.home / f"{name}.{format}"
    done = week.run("report", name, "cystitis", "--format", format, "-o", str(file))
    assert done.code == 0, done.err
    return file.read_bytes()


@pytest.fixture(scope="module")
def flow(week: Week) -> dict[str, list[tuple[str, int]]]:
    """Each box of the flow with its lines."""
    boxes = json.loads(report(week, "flow", "json"))["boxes"]
    return {box["name"]: [(line["words"], line["n"]) for line in box["lines"]] for box in boxes}


def test_the_comparison_told_what_the_adopted_search_then_found(week: Week) -> None:
    assert PAIN in week.matching("cystitis")
    assert "pain" in json.dumps(week.diff)
    assert (week.adopted["person"], week.adopted["note"], week.adopted["is_adopted"]) == (
        "Grace",
        "Pain was missed.",
        True,
    )


def test_the_flow_counts_every_record_once(week: Week, flow: dict[str, list[tuple[str, int]]]) -> None:
    pubmed = len(week.matching("cystitis")) - (EMBASE - TWICE)
    assert flow["identified"] == [
        ("Records identified", pubmed + EMBASE),
        ("PubMed", pubmed),
        ("Embase", EMBASE),
    ]
    assert flow["removed"][0] == ("Records removed before screening", TWICE)
    assert flow["screened"][0][1] == SCREENED - CONFLICTS
    assert flow["excluded"][0][1] == SCREENED - KEPT - CONFLICTS
    assert flow["sought"][0][1] == flow["assessed"][0][1] == KEPT
    assert dict(flow["excluded by full text"])["wrong drug"] == KEPT - INCLUDED
    assert dict(flow["included"])["Reports of these studies"] == INCLUDED
    # Nothing is lost on the way.
    rest = dict(flow["screened"])
    assert sum(rest.values()) == len(week.matching("cystitis"))


def test_the_flow_is_that_of_the_log(week: Week, flow: dict[str, list[tuple[str, int]]]) -> None:
    said: dict[tuple[str, str], dict[str, str]] = {}
    for event in map(json.loads, week.run("tag", "log", "--json").out.splitlines()):
        if event["kind"] == "decision":
            place = (event["subject"]["stage"], str(event["pmid"]))
            said.setdefault(place, {})[event["person"]] = event["after"]["decision"]
    outcomes = Counter((stage, *sorted(set(by_person.values()))) for (stage, _), by_person in said.items())
    assert outcomes[FIRST, "exclude", "include"] == CONFLICTS
    assert outcomes[FIRST, "exclude"] == flow["excluded"][0][1]
    assert outcomes[FIRST, "include"] == flow["sought"][0][1]
    assert outcomes[SECOND, "include"] == dict(flow["included"])["Reports of these studies"]


def test_the_report_of_the_search_says_the_same(week: Week, flow: dict[str, list[tuple[str, int]]]) -> None:
    told = json.loads(report(week, "prisma-s", "json"))
    items = {item["number"]: json.dumps(item, ensure_ascii=False) for item in told["items"]}
    assert len(items) == 16
    assert told["strategy"] == week.adopted["hash"]
    assert f"{PAIN}[uid]" in items[8] and "Missing: the strategies of the other databases" in items[8]
    assert f"Embase was searched on {SEARCHED}" in items[13]
    for name, n in flow["identified"][1:]:
        assert f"{name}: {n} records" in items[15]
    assert f"{TWICE} duplicates were removed" in items[16]


def test_every_form_of_the_reports_has_the_numbers(
    week: Week, flow: dict[str, list[tuple[str, int]]]
) -> None:
    drawn = " ".join(etree.fromstring(report(week, "flow", "svg")).itertext())
    page = html.fromstring(report(week, "flow", "html")).text_content()
    report(week, "flow", "docx")
    table = Document(str(week.home / "flow.docx")).tables[0]
    written = " ".join(cell.text for row in table.rows for cell in row.cells)
    with served(week) as address:
        site = html.fromstring(httpx.get(f"{address}/questions/cystitis/review").text).text_content()
    for lines in flow.values():
        words, n = lines[0]
        for text in (drawn, page, written, site):
            assert str(n) in text and words.split()[0] in text
    for name in ("md", "html", "docx"):
        assert report(week, "prisma-s", name)
