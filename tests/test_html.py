"""The Nu HTML checker, which is the W3C's own, finds no error in any page of ours, nor in the style sheet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers_site import CONCERN, HOSTILE, MARKUP, MATHML, OURS, Site, add_person, add_token, filled
from tracker.mail.outbox import outbox_of
from tracker.site.server.assets import FOLDER

JAR = os.environ.get("VNU_JAR", "")
pytestmark = pytest.mark.skipif(
    not (os.environ.get("CI") or (JAR and shutil.which("java"))),
    reason="VNU_JAR does not name the checker (npm's vnu-jar), or there is no java",
)
OTHERS = (
    "/questions/nowhere",
    "/sign-in",
    "/subscribe",
    *(f"/articles/{pmid}" for pmid in (CONCERN, MARKUP, MATHML, HOSTILE)),
)


def errors(*arguments: str) -> list[dict[str, Any]]:
    """What the checker objects to."""
    command = ["java", "-jar", JAR, "--format", "json", "--exit-zero-always", "--stdout", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return [message for message in json.loads(done.stdout)["messages"] if message["type"] != "info"]


def test_every_page_is_valid_html(tmp_path: Path) -> None:
    desk = filled(tmp_path)
    site = Site(desk)
    # Its form shows where mail can be sent; nothing is.
    site.datasette.outbox = outbox_of(
        replace(site.settings, smtp_url="smtp://127.0.0.1:9", mail_from="a@example.org")
    )
    site.datasette.origin = "https://tracker.example.org"
    pages = tmp_path / "pages"
    pages.mkdir()
    session = site.session(add_person(desk, "bea", "lead"))
    add_token(desk, "bea", "tag")
    for number, path in enumerate((*OURS, *OTHERS)):
        (pages / f"{number}.html").write_text(site.get(path).text, "utf-8")
    for number, path in enumerate(("/", "/account")):
        (pages / f"signed-in-{number}.html").write_text(site.get(path, cookies=session).text, "utf-8")
    (pages / "wrong.html").write_text("<!DOCTYPE html><title>x</title><p id=a><p id=a></b>", "utf-8")
    found = errors(*map(str, sorted(pages.iterdir())))
    wrong = [message for message in found if message["url"].endswith("wrong.html")]
    assert wrong, "the checker checks nothing"
    assert [message for message in found if message not in wrong] == []


def test_the_style_sheet_is_valid() -> None:
    assert errors("--css", str(FOLDER / "tracker.css")) == []
