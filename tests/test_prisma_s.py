"""The report of a search by PRISMA-S: what the log says, what people wrote, and what is still missing, all 16 items."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from docx import Document
from lxml import html
from markdown_it import MarkdownIt

from tests.conftest import FIXTURES, QUERIES, Desk
from tests.eutils_server import StandIn
from tests.helpers_site import Site, add_person
from tracker.questions import load_question

NOWHERE = "http://127.0.0.1:9/"
# Keys of the file, by their item; of the others the log knows everything.
KEYS = {
    1: "databases", 2: "platform", 3: "registries", 4: "browsing", 5: "citation_searching", 6: "contacts",
    7: "other_methods", 9: "limits", 10: "filters", 11: "prior_work", 12: "updates", 16: "deduplication",
}  # fmt: skip
# What nobody but a person can say.
ONLY_PEOPLE = (3, 4, 5, 6, 7, 10, 11, 14)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Two searches that PubMed did not answer, and one that it did, on one day; the next day another."""
    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Desk(tmp_path_factory.mktemp("searched"), pubmed.url)
        for _ in range(2):
            assert desk.run("refresh", TRACKER_EUTILS_URL=NOWHERE).code == 3
        assert desk.run("refresh").code == 0
        # Both days are made up, so that midnight changes nothing.
        desk.change("update searches set started = '2026-01-05T08:00:00Z'")
        pubmed.next_day()
        assert desk.run("refresh", "cystitis").code == 0
        newest = "(select max(id) from searches where purpose = 'strategy' and question = 'cystitis')"
        desk.change(f"update searches set started = '2026-01-06T08:00:00Z' where id = {newest}")
        yield desk


@pytest.fixture
def desk(searched: Desk, tmp_path: Path) -> Desk:
    """A copy whose question files a test may edit."""
    desk = Desk(tmp_path, NOWHERE)
    shutil.copytree(searched.db.parent, desk.db.parent)
    desk.own_queries()
    return desk


def report(desk: Desk, format: str = "json") -> bytes:
    file = desk.home / f"report.{format}"
    done = desk.run("report", "prisma-s", "cystitis", "--format", format, "-o", str(file))
    assert done.code == 0, done.err
    return file.read_bytes()


def items(desk: Desk) -> dict[int, dict[str, Any]]:
    return {item["number"]: item for item in json.loads(report(desk))["items"]}


def write(desk: Desk, **texts: str) -> None:
    file = desk.queries / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text + yaml.safe_dump({"prisma_s": texts}, allow_unicode=True), encoding="utf-8")


def test_the_log_answers_what_was_run_and_marks_what_only_people_know(desk: Desk) -> None:
    found = items(desk)
    assert list(found) == list(range(1, 17))
    assert tuple(number for number, item in found.items() if item["source"] == "missing") == ONLY_PEOPLE
    for number in set(ONLY_PEOPLE) - {14}:
        assert f"Write it in queries/cystitis.yml under prisma_s.{KEYS[number]}." in found[number]["text"]
    question = load_question(QUERIES / "cystitis.yml")
    for _, query in question.search:
        assert query in found[8]["text"]
    ((query, translation, count),) = desk.sql(
        "select query, translation, count from searches where question = 'cystitis' and reason is null "
        "and purpose = 'strategy' order by id desc limit 1"
    )
    assert query in found[8]["text"]
    assert translation and translation in found[8]["text"]
    assert f"On 2026-01-06, PubMed counted {count:,}" in found[15]["text"]
    assert "no limit by language" in found[9]["text"]


def test_every_search_is_dated_and_tries_of_a_day_are_one(desk: Desk) -> None:
    searches = json.loads(report(desk))["searches"]
    assert [(each["started"][:10], each["attempts"], each["failed"]) for each in searches] == [
        ("2026-01-05", 3, None),
        ("2026-01-06", 1, None),
    ]
    (logged,) = desk.sql("select count(*) from searches where question = 'cystitis' and purpose = 'strategy'")
    assert sum(each["attempts"] for each in searches) == logged[0]
    text = items(desk)[13]["text"]
    assert "Last searched in full on 2026-01-06." in text
    assert "3 attempts on this day" in text
    # A search that nothing came of stays, with the reason.
    desk.change("update searches set reason = 'PubMed was away' where started like '2026-01-06%'")
    text = items(desk)[13]["text"]
    assert "Last searched in full on 2026-01-05." in text
    assert "not used: PubMed was away" in text


def test_what_people_write_and_a_peers_review_complete_the_report(desk: Desk) -> None:
    write(desk, **{key: f"Our words on {key}." for key in KEYS.values()})
    found = items(desk)
    for number, key in KEYS.items():
        assert f"Our words on {key}." in found[number]["text"]
        assert found[number]["source"] == ("person" if number in ONLY_PEOPLE else "log")
    assert [number for number, item in found.items() if item["source"] == "missing"] == [14]
    add_person(desk, "ada")
    form: dict[str, Any] = yaml.safe_load(desk.run("report", "press", "cystitis").out)
    for name, value in form.items():
        if isinstance(value, dict):
            form[name] = {"judgement": "no revision", "comment": "Fine."}
    form |= {"reviewer": "Jo Peer", "independent": True, "reviewed": "2026-01-07"}
    (desk.home / "press.yml").write_text(yaml.safe_dump(form))
    assert (
        desk.run("report", "press", "cystitis", "--file", str(desk.home / "press.yml"), "--as", "ada").code
        == 0
    )
    assert "Peer reviewed (PRESS 2015) by Jo Peer on 2026-01-07" in items(desk)[14]["text"]
    assert b"16 of 16 items are answered" in report(desk, "md")


def test_a_limit_is_named_and_asks_for_its_reason(desk: Desk) -> None:
    file = desk.queries / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    limited = text.replace(
        "combine: ketamine AND bladder", "english: english[la]\n  combine: ketamine AND bladder AND english"
    )
    assert limited != text
    file.write_text(limited, encoding="utf-8")
    assert desk.run("questions", "adopt", "cystitis", "--yes").code == 0
    assert desk.run("load", "--match", "cystitis", str(FIXTURES / "pubmed" / "cystitis.xml")).code == 0
    desk.change(
        "update questions set strategy = (select hash from strategies where strategy like '%english[la]%')"
    )
    found = items(desk)[9]
    assert found["source"] == "missing"
    assert 'limited by: "english"[Language]' in found["text"]
    assert "prisma_s.limits" in found["text"]
    write(desk, limits="We read no other language.")
    assert items(desk)[9]["source"] == "log"


def test_all_formats_say_the_same_and_the_site_gives_them(desk: Desk) -> None:
    write(
        desk, registries="<script>alert(1)</script> | `ICTRP` *and* [others](javascript:x)\n\n# not a heading"
    )
    found = items(desk)
    site = Site(desk)
    told = "<script>alert(1)</script> | `ICTRP` *and* [others](javascript:x) # not a heading"
    page = html.fromstring(report(desk, "html").decode())
    shown = html.fromstring(MarkdownIt("commonmark").render(report(desk, "md").decode()))
    for tree in (page, shown):
        headings = [heading.text_content() for heading in tree.xpath("//h2")]
        assert headings == [f"{number}. {item['name']}" for number, item in found.items()]
        assert told in " ".join(tree.text_content().split())
        assert not tree.xpath("//script | //a[starts-with(@href, 'javascript')]")
    word = Document(io.BytesIO(report(desk, "docx")))
    assert [
        each.text for each in word.paragraphs if each.style and each.style.name == "Heading 2"
    ] == headings
    assert told in [paragraph.text for paragraph in word.paragraphs]
    for format in ("md", "html", "docx", "json"):
        assert site.get(f"/questions/cystitis/prisma-s.{format}").content == report(desk, format)
    methods = html.fromstring(site.page("/methods"))
    (section,) = methods.xpath('//section[@id="cystitis"]')
    text = re.sub(r"\s+", " ", section.text_content())
    assert "Report of the search (PRISMA-S): 9 of 16 items, 7 missing" in text
    assert told in text
    assert {f"/questions/cystitis/prisma-s.{format}" for format in ("md", "html", "docx", "json")} <= set(
        section.xpath(".//a/@href")
    )


def test_a_file_with_an_unknown_item_is_refused_and_the_site_goes_on(desk: Desk) -> None:
    write(desk, registry="ICTRP")
    done = desk.run("report", "prisma-s", "cystitis", "--format", "md")
    assert (done.code, done.out) == (2, "")
    assert '"prisma_s.registry" is not a field' in done.err
    assert "registries" in done.err
    assert "prisma_s.registries" in Site(desk).page("/methods")
    assert Site(desk).get("/questions/cystitis/prisma-s.md").status_code == 400


def test_before_any_search_the_report_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path, NOWHERE)
    assert desk.run("load", "--match", "all", str(FIXTURES / "pubmed" / "cystitis.xml")).code == 0
    found = items(desk)
    assert "No search of PubMed has been run" in found[1]["text"]
    assert found[13]["source"] == "missing"
    assert "tracker refresh cystitis" in found[13]["text"]
    assert desk.run("report", "prisma-s", "nowhere", "--format", "md").code == 2
