"""Chromium for the tests: a browser, and visits to pages in it that note every complaint."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, NoReturn
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 800}
# Before any script of the page: what the policy stops is written down where the test can read it.
NOTE_VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`), true);
"""


def launched() -> Iterator[Browser]:
    """What the fixture ``chromium`` gives."""
    path = shutil.which("chromium")
    if not path:
        missing("chromium is not installed")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except Error as error:
            missing(f"chromium does not start: {error}")
        yield browser
        browser.close()


def missing(reason: str) -> NoReturn:
    """A machine without a browser, or what else a test needs, may skip it; continuous integration may not."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(slots=True)
class Visit:
    """A page in a browser of its own, with what it complained of and whom it asked."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def to(self, url: str) -> Visit:
        """Go there and wait for the picture; never comes back where scripts are off."""
        self.page.goto(url)
        self.page.evaluate("new Promise(requestAnimationFrame)")
        return self


@contextmanager
def visiting(browser: Browser, **options: Any) -> Iterator[Visit]:
    with browser.new_context(viewport=options.pop("viewport", DESK), **options) as context:
        visit = Visit(context.new_page())
        visit.page.add_init_script(NOTE_VIOLATIONS)
        visit.page.on("console", lambda message: visit.complaints.append(f"{message.type}: {message.text}"))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("dialog", lambda dialog: (visit.complaints.append(dialog.message), dialog.dismiss()))
        visit.page.on("request", lambda request: visit.hosts.add(urlsplit(request.url).netloc))
        yield visit


# What axe is asked; in the dark nothing differs but the colours.
RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "dark": ["color-contrast"],
}


def objections(page: Page, scheme: str) -> list[tuple[str, list[str]]]:
    """What axe objects to on a page: each rule, with the elements that break it.

    axe is no part of the page, so the browser has to let it in (``bypass_csp``).
    """
    page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("(rules) => axe.run({runOnly: rules})", RULES[scheme])
    assert found["passes"]
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]
