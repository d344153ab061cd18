"""The home page where the topic has groups of questions; test_pages.py and test_site.py have it without."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import html

from tests.conftest import FIXTURES, Desk
from tests.helpers_site import Site, grouped


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = grouped(tmp_path_factory.mktemp("home"))
    files = sorted((FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *map(str, files)).code == 0
    return desk


@pytest.fixture(scope="module")
def home(desk: Desk) -> html.HtmlElement:
    return html.fromstring(Site(desk).page("/"))


def test_questions_stand_below_their_groups_in_the_topics_order_and_the_others_last(
    home: html.HtmlElement,
) -> None:
    said = home.xpath(
        '//h2[@class="group"]/text() | //*[contains(@class, "title")]/a[contains(@class, "record")]/@href'
    )
    questions = [each for each in said if not each.startswith("/articles/")]
    assert questions == [
        "Two sides",
        "/questions/tolerance",
        "/questions/cystitis",
        "First of all",
        "/questions/psychotherapy",
        "/questions/cognition",
    ]


def test_a_row_has_the_numbers_that_the_question_has_and_no_papers(
    desk: Desk, home: html.HtmlElement
) -> None:
    for slug in ("tolerance", "cystitis"):
        (row,) = home.xpath(f'//li[.//h3/a[@href="/questions/{slug}"]]')
        direct = f"from directness where question = '{slug}' and value = 'direct'"
        (n,) = desk.column(f"select count(*) {direct}")
        (with_result,) = desk.column(
            "select count(distinct pmid) from question_labels "
            f"where question = '{slug}' and label_group = 'outcome' and value = 'result given' "
            f"and pmid in (select pmid {direct})"
        )
        said = " ".join(row.text_content().split())
        assert n and with_result
        assert (
            f"{len(desk.matching(slug))} records match, {n} bear on it directly, {with_result} of these with a result"
            in said
        )
        assert "Not searched yet" in said
        assert not row.xpath('.//a[starts-with(@href, "/articles/")]')


def test_a_rows_numbers_lead_to_the_records_that_they_count(desk: Desk, home: html.HtmlElement) -> None:
    site = Site(desk)
    (row,) = home.xpath('//li[.//h3/a[@href="/questions/cystitis"]]')
    for link in row.xpath('.//p[@class="figures"]/a'):
        number = link.xpath("string(strong)")
        assert f"{number} records" in " ".join(
            html.fromstring(site.page(link.get("href"))).text_content().split()
        )


def test_a_card_of_a_group_is_as_any_card_with_its_headings_one_level_lower(home: html.HtmlElement) -> None:
    (card,) = home.xpath('//article[.//h3/a[@href="/questions/psychotherapy"]]')
    assert card.xpath(".//h4") and not card.xpath(".//h2")
    (alone,) = home.xpath('//article[.//h2/a[@href="/questions/cognition"]]')
    assert alone.xpath(".//h3") and not alone.xpath(".//h4")


def test_a_page_has_no_more_links_in_its_navigation_for_more_questions(home: html.HtmlElement) -> None:
    assert len(home.xpath('//nav[@aria-label="Site"]//a')) == 4


def test_a_group_that_the_topic_lacks_is_found_with_its_remedy(tmp_path: Path) -> None:
    desk = grouped(tmp_path, groups={"cystitis": "side"})
    done = desk.run("questions", "check")
    assert done.code == 3
    assert (
        'cystitis.yml line 1: group: "side" is not a group of topic/site.yml. Did you mean "sides"?'
        in done.out
    )


def test_a_group_is_found_where_the_topic_has_none(tmp_path: Path) -> None:
    desk = grouped(tmp_path, site="title: Salt\n")
    done = desk.run("questions", "check", "cystitis")
    assert done.code == 3
    assert 'cystitis.yml line 1: group: "sides" is no group, as topic/site.yml has none' in done.out


def test_a_file_that_cannot_be_used_takes_only_its_question_out_of_the_group(tmp_path: Path) -> None:
    desk = grouped(tmp_path)
    assert desk.run("load", "--match", "all", str(FIXTURES / "pubmed" / "cognition.xml")).code == 0
    (desk.queries / "cystitis.yml").write_text("group: [sides\n", encoding="utf-8")
    home = html.fromstring(Site(desk).page("/"))
    assert home.xpath('//ul[@class="questions"]/li//h3/a/@href') == ["/questions/tolerance"]
    assert home.xpath('//article[.//h2/a[@href="/questions/cystitis"]]')
