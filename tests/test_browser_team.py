"""Tagging and screening as a tagger's browser does it: by keyboard, with and without scripts, on a phone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import Desk
from tests.helpers_browser import PHONE, Visit, visiting
from tests.helpers_site import PASSWORD, RETRACTED, add_person, filled, served

LIST = "/questions/cystitis"
TEAM_PAGES = (
    *(LIST, f"{LIST}/bulk", f"{LIST}/review", f"{LIST}/press", f"/articles/{RETRACTED}", "/search?q=bladder"),
    *("/my-work", "/log", "/tags", "/alerts", "/account"),
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = filled(tmp_path_factory.mktemp("team"))
    desk.annotations.unlink()
    for name, role in (("ann", "tagger"), ("lea", "lead"), ("adam", "admin"), ("rex", "reader")):
        add_person(desk, name, role, display_name=name.title())
    return desk


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    with served(desk) as url:
        yield url


@contextmanager
def working(browser: Browser, address: str, name: str = "ann", **options: Any) -> Iterator[Visit]:
    """A visit by somebody who has signed in by the form."""
    with visiting(browser, **options) as visit:
        visit.page.goto(f"{address}/sign-in")
        visit.page.get_by_label("Name", exact=True).fill(name)
        visit.page.get_by_label("Password", exact=True).fill(PASSWORD)
        visit.page.locator("main").get_by_role("button", name="Sign in").click()
        visit.page.wait_for_url(lambda url: "/sign-in" not in url)
        yield visit


def rows(desk: Desk, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return db.execute(query, values).fetchall()


def records(page: Page) -> list[str]:
    """The PMIDs of the list, in its order."""
    found: list[str] = page.eval_on_selector_all(
        "ol.articles > li", "all => all.map(each => each.id.replace('r-', ''))"
    )
    return found


def told(page: Page, text: str) -> None:
    page.locator("#said-just-now", has_text=text).wait_for(timeout=5000)


def test_a_list_is_screened_by_keyboard_alone(chromium: Browser, desk: Desk, address: str) -> None:
    with working(chromium, address) as visit:
        page = visit.to(address + LIST).page
        first, second, third = records(page)[:3]
        page.locator(f"#r-{first} a.record").first.focus()
        page.keyboard.press("i")
        told(page, "Included")
        # The next record has the focus, so that the next key means it.
        page.keyboard.press("e")
        told(page, "Excluded")
        page.keyboard.press("u")
        told(page, "Unsure")
        decided = dict(rows(desk, "select pmid, decision from decisions where question = 'cystitis'"))
        assert decided == {int(first): "include", int(second): "exclude", int(third): "unsure"}
        assert "included" in page.locator(f"#r-{first} .saying").inner_text()
        page.keyboard.press("z")
        told(page, "Undone: decide")
        assert int(third) not in dict(rows(desk, "select pmid, decision from decisions"))
        assert page.locator(f"#r-{third} .saying").inner_text() == ""
        page.keyboard.press("t")
        page.keyboard.type("to discuss")
        page.keyboard.press("Enter")
        told(page, "Tagged to discuss")
        assert "to discuss" in page.locator(f"#r-{third} .saying").inner_text()
        page.keyboard.press("Shift+Tab")
        page.locator(f"#r-{third} a.record").first.focus()
        page.keyboard.press("n")
        page.keyboard.type("Read *this* first")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        told(page, "Note written")
        assert page.locator(f"#r-{third} .markdown em").inner_text() == "this"
        page.locator(f"#r-{third} a.record").first.focus()
        page.keyboard.press("?")
        assert page.get_by_role("dialog", name="Keys").is_visible()
        page.keyboard.press("Escape")
        assert visit.complaints == []
        assert page.evaluate("violations") == []
        assert visit.hosts == {urlsplit(address).netloc}


def test_keys_that_are_switched_off_write_nothing(chromium: Browser, desk: Desk, address: str) -> None:
    with working(chromium, address) as visit:
        page = visit.to(address + LIST).page
        before = rows(desk, "select count(*) from events")
        page.get_by_role("button", name="Keys off").click()
        page.locator("ol.articles a.record").nth(5).focus()
        for key in "ieuz":
            page.keyboard.press(key)
        page.wait_for_timeout(300)
        assert rows(desk, "select count(*) from events") == before


def test_a_key_means_the_record_that_has_the_focus_and_nothing_where_none_has(
    chromium: Browser, desk: Desk, address: str
) -> None:
    with working(chromium, address, "lea") as visit:
        page = visit.to(address + "/questions/tolerance").page
        first, second = records(page)[:2]
        page.keyboard.press("i")
        told(page, "Choose a record first")
        assert rows(desk, "select count(*) from decisions where question = 'tolerance'") == [(0,)]
        # By j through the records that have forms, whatever stands above them.
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("u")
        told(page, "Unsure")
        assert rows(desk, "select pmid from decisions where question = 'tolerance'") == [(int(second),)]
        page.keyboard.press("k")
        page.keyboard.press("k")
        page.keyboard.press("a")
        assert page.locator(f"#r-{first} .abstract").get_attribute("open") is not None
        page.keyboard.press("t")
        page.keyboard.type("teaching")
        page.keyboard.press("Enter")
        told(page, "Tagged teaching")
        # From the field of a record its neighbour is next.
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("i")
        told(page, "at the full text")
        assert rows(desk, "select stage from decisions where question = 'tolerance'") == [("title-abstract",)]
        page.keyboard.press("n")
        page.keyboard.type("Saved by keys")
        page.keyboard.press("Control+Enter")
        told(page, "Note written")
        assert rows(desk, "select pmid from notes where text = 'Saved by keys'") == [(int(second),)]


def test_on_a_papers_page_keys_mean_the_question_that_one_came_from(
    chromium: Browser, desk: Desk, address: str
) -> None:
    query = """
    select pmid from question_articles where question = 'tolerance' and matching and pmid in (
      select pmid from question_articles where question = 'cognition' and matching) limit 1
    """
    with closing(sqlite3.connect(desk.db)) as db:
        (pmid,) = db.execute(query).fetchone()
    with working(chromium, address, "adam") as visit:
        page = visit.to(f"{address}/articles/{pmid}").page
        page.keyboard.press("e")
        told(page, "Which question?")
        visit.to(f"{address}/articles/{pmid}?in=tolerance")
        page.keyboard.press("e")
        told(page, "Excluded")
    decided = "select question, decision from decisions d join people p on p.id = d.person where pmid = ? and name = ?"
    assert rows(desk, decided, pmid, "adam") == [("tolerance", "exclude")]


def test_without_scripts_the_same_forms_do(chromium: Browser, desk: Desk, address: str) -> None:
    with working(chromium, address, java_script_enabled=False) as visit:
        page = visit.page
        page.goto(address + LIST)
        pmid = records_without_scripts(page)[6]
        row = page.locator(f"#r-{pmid}")
        row.get_by_role("button", name="Include").click()
        assert page.url.endswith(f"#r-{pmid}")
        assert "Decided: included." in row.inner_text()
        row.get_by_label("Tag").fill("teaching")
        row.get_by_role("button", name="Tag", exact=True).click()
        assert "teaching" in row.locator(".saying").inner_text()
        row.get_by_role("button", name="Remove teaching").click()
        assert "teaching" not in row.locator(".saying").inner_text()
        row.get_by_role("button", name="Undo").click()
        assert "teaching" in row.locator(".saying").inner_text()
        assert rows(desk, "select decision from decisions where pmid = ?", pmid) == [("include",)]
        page.goto(f"{address}{LIST}/bulk?from=2019&to=2019")
        page.get_by_label("Tag").select_option(label="background")
        page.get_by_role("button", name="Put this tag on all").click()
        assert "Tagged: background" in page.locator(".notice.done").inner_text()
        page.locator(".notice.done").get_by_role("button", name="Undo").click()
        assert rows(
            desk, "select count(*) from taggings g join tags t on t.id = g.tag where t.name = 'background'"
        ) == [(0,)]


def records_without_scripts(page: Page) -> list[str]:
    found = [each.get_attribute("id") or "" for each in page.locator("ol.articles > li").all()]
    return [each.removeprefix("r-") for each in found]


def test_an_article_is_tagged_decided_on_and_corrected_on_its_own_page(
    chromium: Browser, desk: Desk, address: str
) -> None:
    with working(chromium, address) as visit:
        page = visit.to(address + f"{LIST}?design=case+report").page
        pmid = records(page)[0]
        visit.to(f"{address}/articles/{pmid}?in=cystitis")
        place = page.locator(".place").first
        place.get_by_role("button", name="Include").click()
        told(page, "Included")
        assert "included" in place.locator(".saying").inner_text()
        design = page.locator("#read-design", has_text="case report")
        design.get_by_placeholder("It should be").fill("case series")
        design.get_by_role("button", name="Correct", exact=True).click()
        assert "case series Ann" in page.locator("table.labels").inner_text().replace("\n", " ")
        assert visit.complaints == []


def test_a_slip_is_told_and_nothing_is_lost(chromium: Browser, desk: Desk, address: str) -> None:
    with working(chromium, address) as visit:
        page = visit.to(address + LIST).page
        pmid = records(page)[7]
        field = page.locator(f"#r-{pmid} .tagging input[name=tag]")
        field.fill("no such tag")
        field.press("Enter")
        told(page, "Unknown tag 'no such tag'")
        assert field.input_value() == "no such tag"


def test_a_reader_who_is_signed_in_sees_no_forms(chromium: Browser, address: str) -> None:
    with working(chromium, address, "rex") as visit:
        page = visit.to(address + LIST).page
        assert page.locator(".acts").count() == 0
        assert page.get_by_role("button", name="Sign out").is_visible()


@pytest.mark.parametrize("name", ["ann", "lea", "adam"])
def test_team_pages_raise_no_complaint_and_fit_a_phone(chromium: Browser, address: str, name: str) -> None:
    with working(chromium, address, name, viewport=PHONE) as visit:
        for path in TEAM_PAGES:
            page = visit.to(address + path).page
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert (path, wide) == (path, 0)
            assert (path, page.evaluate("violations")) == (path, [])
        assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_team_pages(chromium: Browser, address: str, scheme: Any) -> None:
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    with working(chromium, address, "lea", color_scheme=scheme, bypass_csp=True) as visit:
        for path in TEAM_PAGES:
            page = visit.to(address + path).page
            for details in page.locator("details").all()[:40]:
                details.evaluate("each => { each.open = true }")
            page.evaluate(axe)
            found = page.evaluate("axe.run()")
            broken = [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]]
            assert (path, broken) == (path, [])
