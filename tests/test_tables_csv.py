"""Datasette's own CSV goes into spreadsheets as well: no cell of it is a formula."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.conftest import Desk
from tests.helpers_load import document, record
from tests.helpers_site import Site

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1+1", "＝1+1", "  =1+1", "\r=1")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    home = tmp_path_factory.mktemp("csv")
    desk = Desk(home, "http://127.0.0.1:9/")
    records = (record(95_000_001 + n, formula, keywords=[formula]) for n, formula in enumerate(FORMULAS))
    (home / "records.xml").write_text(document(*records), encoding="utf-8")
    assert desk.run("load", "records.xml").code == 0
    return Site(desk)


def cells(site: Site, path: str) -> list[str]:
    answer = site.get(path)
    assert answer.status_code == 200, answer.text
    return [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]


def sql(query: str, **more: str) -> str:
    return "/evidence.csv?" + urlencode({"sql": query, **more})


QUERY = "select '=1+1' as \"=head()\", title as \"@a\", -5 as negative, x'3d31' as bytes from articles"
PATHS = (
    "/evidence/articles.csv",
    "/evidence/articles.csv?_stream=on",
    "/evidence/articles.csv?_col=title&_header=off",
    "/evidence/articles.csv?_dl=on&_size=max",
    "/evidence/keywords.csv?_labels=on",
    "/evidence/keywords.csv?_labels=on&_stream=on",
    "/evidence/articles/95000001.csv",
    sql(QUERY),
    sql(QUERY, _stream="on"),
)


@pytest.mark.parametrize("path", PATHS)
def test_no_cell_is_a_formula(site: Site, path: str) -> None:
    found = cells(site, path)
    assert found
    texts = [cell for cell in found if not cell.lstrip("-").isdigit()]
    assert not [cell for cell in texts if cell.lstrip().startswith(("=", "+", "-", "@", "＝"))]


def test_numbers_and_texts_stay_what_they_are(site: Site) -> None:
    head, *rows = csv.reader(io.StringIO(site.get(sql("select -5 as n, 'a=b' as t, null as gap")).text))
    assert (head, rows) == (["n", "t", "gap"], [["-5", "a=b", ""]])


def test_it_is_as_our_own_export_has_it(site: Site, tmp_path: Path) -> None:
    theirs = cells(site, "/evidence/articles.csv?_col=title")
    ours = cells(site, "/search.csv?q=SUM")
    assert "'@SUM(1)" in theirs and "'@SUM(1)" in ours
