"""Signing in as a browser does it: on a phone, by keyboard, without scripts; and what axe-core says of it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.conftest import Desk
from tests.helpers_browser import PHONE, visiting
from tests.helpers_site import PASSWORD, RETRACTED, add_person, add_token, filled, served, signed_in


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("signin-browser"))


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    with served(desk) as url:
        yield url


@pytest.mark.parametrize("script", [True, False])
def test_somebody_signs_in_looks_after_the_account_and_signs_out_on_a_phone(
    desk: Desk, address: str, chromium: Browser, script: bool
) -> None:
    """With and without JavaScript, by keyboard; what is wide would make the page scroll sideways."""
    name = f"phone{script}".lower()
    add_person(desk, name, "lead", display_name="Somebody with a Rather Long Name")
    with visiting(chromium, viewport=PHONE, java_script_enabled=script) as visit:
        page = visit.page
        page.goto(f"{address}/articles/{RETRACTED}")
        page.get_by_text("Menu", exact=True).click()
        page.get_by_role("link", name="Sign in").click()
        page.locator("input[name=name]:focus").wait_for()
        page.keyboard.type(name)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        # Back to where the link was.
        page.wait_for_url(f"{address}/articles/{RETRACTED}")
        page.get_by_text("Menu", exact=True).click()
        page.get_by_role("link", name="Account").click()
        page.get_by_label("What the new token is for").fill("x" * 100)
        page.get_by_label("tag and write notes").check()
        page.get_by_role("button", name="Make a token").click()
        assert page.locator("code.token").inner_text().startswith("ett_")
        (width,) = {size["width"] for size in (page.locator("html").bounding_box(), PHONE) if size}
        assert width == PHONE["width"]
        page.get_by_text("Menu", exact=True).click()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.wait_for_url(f"{address}/")
        page.get_by_text("Menu", exact=True).click()
        assert page.get_by_role("link", name="Sign in").is_visible()
        assert [text for text in visit.complaints if "status of 40" not in text] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to_on_the_account_page(
    desk: Desk, address: str, chromium: Browser, scheme: Any
) -> None:
    name = f"axe-{scheme}"
    add_person(desk, name, "lead")
    add_token(desk, name, "tag")
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    with (
        signed_in(address, name) as client,
        visiting(chromium, color_scheme=scheme, bypass_csp=True) as visit,
    ):
        url = {"url": address}
        visit.page.context.add_cookies([{**url, "name": k, "value": v} for k, v in client.cookies.items()])
        for path in ("/account", "/"):
            visit.to(address + path)
            assert visit.page.get_by_role("button", name="Sign out", exact=True).is_visible()
            visit.page.evaluate(axe)
            found = visit.page.evaluate("axe.run()")
            assert [
                (each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]
            ] == []
