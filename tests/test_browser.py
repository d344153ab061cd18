"""The site as a reader's browser sees it: Chromium, on a wide screen and a phone, by keyboard, without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser

from tests.conftest import FIXTURES, Desk
from tests.helpers_browser import DESK, PHONE, RULES, objections, visiting
from tests.helpers_site import HOSTILE, MARKUP, MATHML, PAGES, RETRACTED, examples, filled, grouped, served

# Each page where it is fullest, and a whole list.
OURS = (*(examples(route)[-1] for route in PAGES), "/questions/cystitis")
ARTICLES = tuple(f"/articles/{pmid}" for pmid in (MARKUP, MATHML, HOSTILE))
DATASETTES = (
    "/evidence",
    "/evidence/articles",
    "/evidence/articles?_facet=journal",
    f"/evidence/articles/{HOSTILE}",
    "/evidence?sql=select+pmid,+title+from+articles",
    "/evidence/reviews?question=cystitis",
    "/nowhere",
    "/annotations",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    with served(desk) as url:
        yield url


@pytest.mark.parametrize("path", [*OURS, *ARTICLES, *DATASETTES])
def test_a_page_raises_no_complaint_and_asks_no_other_host(
    chromium: Browser, address: str, path: str
) -> None:
    with visiting(chromium) as visit:
        visit.to(address + path)
        refused = [text for text in visit.complaints if "status of 40" not in text]
        assert refused == []
        assert visit.page.evaluate("violations") == []
        assert visit.hosts == {urlsplit(address).netloc}


def test_the_tests_would_see_a_violation(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        visit.to(address + "/")
        visit.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\" onclick=\"x\">')"
        )
        visit.page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))"
        )
        visit.page.wait_for_function("violations.length >= 2")
        assert visit.complaints


@pytest.mark.parametrize("path", [*OURS, *ARTICLES, "/nowhere"])
def test_nothing_is_wider_than_a_phone(chromium: Browser, address: str, path: str) -> None:
    with visiting(chromium, viewport=PHONE) as visit:
        page = visit.to(address + path).page
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_without_scripts_everything_is_there(
    chromium: Browser, address: str, desk: Desk, tmp_path: Path
) -> None:
    with visiting(chromium, java_script_enabled=False) as visit:
        page = visit.page
        page.goto(address)
        page.get_by_role("link", name="Bladder and urinary tract").click()
        page.get_by_text("Filters", exact=True).click()
        page.get_by_label("cross-sectional study").check()
        page.get_by_label("Search within").fill("bladder")
        page.get_by_role("button", name="Show").click()
        assert parse_qs(urlsplit(page.url).query)["design"] == ["cross-sectional study"]
        page.get_by_text("Export this list").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="RIS").click()
        download.value.save_as(tmp_path / "site.ris")
        filters = (
            "--filter",
            "design=cross-sectional study",
            "--search",
            "bladder",
            "-o",
            str(tmp_path / "cli.ris"),
        )
        assert desk.run("export", "cystitis", "--format", "ris", *filters).code == 0
        assert (tmp_path / "site.ris").read_bytes() == (tmp_path / "cli.ris").read_bytes()
        page.get_by_role("link", name="Frequency of bladder complaints").last.click()
        assert page.get_by_text("RETRACTED: Ann Inv Urol.").is_visible()
        page.get_by_text("Affiliations", exact=True).click()
        assert page.get_by_text("Department of Psychiatry, University of Nowhere").is_visible()
        page.get_by_label("Search everything").fill("cognition")
        page.get_by_role("button", name="Search").click()
        assert page.locator("ol.articles mark").first.is_visible()
        page.get_by_role("link", name="Methods").click()
        page.get_by_text("Strategy as sent").first.click()
        assert page.locator("pre.query").first.is_visible()


def test_the_keyboard_reaches_every_record(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        page = visit.to(f"{address}/questions/cystitis").page
        links = page.locator("main a.record:visible")

        def at() -> str | None:
            return page.evaluate("document.activeElement.href ?? document.activeElement.id")

        page.keyboard.press("j")
        assert at() == links.nth(0).evaluate("(each) => each.href")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        second = links.nth(1).evaluate("(each) => each.href")
        assert at() == second
        page.keyboard.press("/")
        assert at() == "q"
        page.keyboard.type("jko/")
        assert page.locator("#q").input_value() == "jko/"
        page.locator("h1").click()
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("o")
        page.wait_for_url("**/articles/**")
        assert page.url == second
        assert visit.complaints == []


def test_the_keys_can_be_turned_off(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        page = visit.to(f"{address}/questions/cystitis").page
        page.get_by_role("button", name="Keys off").click()
        visit.to(f"{address}/questions/cystitis")
        assert page.get_by_role("button", name="Keys off").get_attribute("aria-pressed") == "true"
        page.keyboard.press("j")
        assert page.evaluate("document.activeElement === document.body")


def test_a_filter_works_at_once_and_its_address_says_no_more_than_it_must(
    chromium: Browser, address: str
) -> None:
    with visiting(chromium) as visit:
        page = visit.to(f"{address}/questions/cystitis").page
        page.get_by_text("Filters", exact=True).click()
        with page.expect_navigation():
            page.get_by_label("case report").check()
        assert page.url == f"{address}/questions/cystitis?design=case+report#records"
        # The filters are still open, and the choice has the focus.
        page.wait_for_function("document.activeElement.value === 'case report'")
        with page.expect_navigation():
            page.get_by_label("from").fill("2015")
            page.get_by_label("from").press("Enter")
        assert page.url == f"{address}/questions/cystitis?design=case+report&from=2015#records"
        with page.expect_navigation():
            page.get_by_role("link", name="Study design: case report").click()
        assert page.url == f"{address}/questions/cystitis?from=2015"


def test_the_page_remembers_when_the_reader_looked(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        page = visit.to(f"{address}/questions/cystitis").page
        assert page.get_by_text("Since you last looked").count() == 0
        (cookie,) = visit.page.context.cookies()
        assert (cookie["name"], cookie["sameSite"]) == ("seen-cystitis", "Lax")
        assert (
            visit.to(f"{address}/questions/cystitis").page.get_by_text("Since you last looked").count() == 0
        )
        old = {"name": "seen-cystitis", "value": "2020-01-01T00:00:00Z", "url": address}
        visit.page.context.add_cookies([old])
        for _ in range(2):
            visit.to(f"{address}/questions/cystitis")
            assert page.get_by_role("heading", name="Since you last looked, 1 January 2020").is_visible()
        kept = {each["name"]: each["value"] for each in visit.page.context.cookies()}
        assert kept["looked-cystitis"] == "2020-01-01T00:00:00Z"
        assert kept["seen-cystitis"] > "2026"


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_the_first_screen_has_the_question_its_numbers_and_the_first_finding(
    chromium: Browser, address: str, width: int, height: int, script: bool
) -> None:
    viewport = {"width": width, "height": height}
    with visiting(chromium, viewport=viewport, java_script_enabled=script) as visit:
        page = visit.page
        page.goto(f"{address}/questions/cystitis")
        header = page.locator("header.site").bounding_box()
        assert header and header["height"] <= 56
        for part in (
            "h1",
            ".lead",
            ".complete",
            ".matched",
            ".cautions summary",
            ".leading .finding >> nth=0",
        ):
            box = page.locator(part).bounding_box()
            assert box and box["y"] + box["height"] <= height, part
        assert page.locator(".brand").is_visible()


def test_a_phone_has_the_ways_through_the_site_behind_two_buttons(chromium: Browser, address: str) -> None:
    with visiting(chromium, viewport=PHONE, java_script_enabled=False) as visit:
        page = visit.page
        page.goto(f"{address}/questions/cystitis")
        assert not page.get_by_role("link", name="Methods", exact=True).is_visible()
        page.get_by_text("Menu", exact=True).click()
        page.get_by_role("link", name="Methods", exact=True).click()
        assert page.url.endswith("/methods")
        page.locator("header.site").get_by_role("link", name="Search", exact=True).click()
        assert page.url.endswith("/search")


@pytest.mark.parametrize("path", ["/questions/cystitis", "/questions/tolerance"])
def test_an_answer_page_goes_on_two_sheets_of_paper(chromium: Browser, address: str, path: str) -> None:
    with visiting(chromium) as visit:
        page = visit.to(address + path).page
        sheets = len(re.findall(rb"/Type\s*/Page\b(?!s)", page.pdf(format="A4")))
        assert 1 <= sheets <= 2
        page.emulate_media(media="print")
        assert not page.locator("header.site").is_visible()
        assert page.get_by_text("Not medical advice").is_visible()


@pytest.mark.parametrize("path", OURS)
def test_the_first_tab_reaches_the_way_past_the_navigation(
    chromium: Browser, address: str, path: str
) -> None:
    with visiting(chromium) as visit:
        page = visit.to(address + path).page
        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.inner_text() == "Skip to content"
        box = skip.bounding_box()
        assert box and box["x"] >= 0
        page.keyboard.press("Enter")
        page.wait_for_url("**#main")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('main, footer') !== null")


def test_the_basis_of_a_label_can_be_reached_by_keyboard(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        page = visit.to(f"{address}/articles/{RETRACTED}").page
        summary = page.locator("#read-design summary")
        for _ in range(80):
            page.keyboard.press("Tab")
            if summary.evaluate("(each) => each === document.activeElement"):
                break
        page.keyboard.press("Enter")
        assert page.get_by_text("rule cross-sectional-title").first.is_visible()


def test_words_that_were_read_are_told_by_more_than_colour(chromium: Browser, address: str) -> None:
    with visiting(chromium, java_script_enabled=False) as visit:
        page = visit.page
        page.goto(f"{address}/articles/{RETRACTED}")
        mark = page.locator("mark.read").first
        assert mark.evaluate("(each) => getComputedStyle(each).borderBottomStyle") == "dashed"
        letter = page.locator("[data-sign]").first
        drawn = letter.evaluate("(each) => getComputedStyle(each, '::after').content")
        assert drawn == f'"{letter.get_attribute("data-sign")}"'
        page.locator("#read-design a").first.click()
        page.wait_for_url("**#words-*")
        (name,) = page.url.split("#")[1:]
        assert page.locator(f"mark#{name}").evaluate("(each) => each.matches(':target')")


def test_a_formula_is_drawn_as_one(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        fraction = visit.to(f"{address}/articles/{MATHML}").page.locator("math mfrac")
        above, below = (fraction.locator(f"xpath=*[{n}]").bounding_box() for n in (1, 2))
        assert above and below and above["y"] < below["y"]


def test_markup_in_a_record_makes_no_element(chromium: Browser, address: str) -> None:
    with visiting(chromium) as visit:
        page = visit.to(f"{address}/articles/{HOSTILE}").page
        assert (
            page.get_by_role("heading", level=1)
            .inner_text()
            .startswith('Ketamine cystitis <script>alert("title")')
        )
        assert page.locator("main script, main img, main svg, main iframe").count() == 0


@pytest.mark.parametrize("scheme", RULES)
@pytest.mark.parametrize("path", [*OURS, f"/articles/{MARKUP}", "/nowhere", "/sign-in"])
def test_axe_finds_nothing_to_object_to(chromium: Browser, address: str, path: str, scheme: Any) -> None:
    with visiting(chromium, color_scheme=scheme, bypass_csp=True) as visit:
        page = visit.to(address + path).page
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert objections(page, scheme) == []


def test_axe_finds_nothing_to_object_to_where_questions_are_in_groups(
    chromium: Browser, tmp_path: Path
) -> None:
    desk = grouped(tmp_path)
    assert desk.run("load", "--match", "all", str(FIXTURES / "pubmed" / "cognition.xml")).code == 0
    with served(desk) as address:
        for screen in (PHONE, DESK):
            for scheme in RULES:
                with visiting(chromium, viewport=screen, color_scheme=scheme, bypass_csp=True) as visit:
                    page = visit.to(address + "/").page
                    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
                    assert objections(page, scheme) == []
