"""What other services say, on pages: trials, links to full text, notices that PubMed lacks, citations, preprints."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lxml import html
from playwright.sync_api import Browser

from tests.conftest import Desk
from tests.enrich_servers import Services
from tests.eutils_server import StandIn
from tests.helpers_browser import DESK, PHONE, objections, visiting
from tests.helpers_site import PASSWORD, Site, add_person, send, served, signed_in
from tests.test_enrich import CASE, LOADED, NAMED, RATS, STUDIES, SURVEY, TRIAL, with_studies
from tracker.enrich.trials import State


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Papers that somebody tagged before any service was asked; then all were."""
    with StandIn(LOADED, rate=0) as pubmed, Services() as services:
        with_studies(services)
        desk = Desk(tmp_path_factory.mktemp("enriched"), pubmed.url, dict(services.environment))
        file = desk.own_queries() / "cystitis.yml"
        file.write_text(f"{file.read_text(encoding='utf-8')}trials:\n  conditions: [bladder pain]\n")
        assert desk.run("load", "--match", "cystitis", str(LOADED)).code == 0
        add_person(desk, "ann")
        assert desk.run("tag", "add", str(CASE), "directly relevant", "--as", "ann").code == 0
        with closing(sqlite3.connect(desk.annotations)) as db, db:
            db.execute("update taggings set tagged = '2020-01-01T00:00:00Z'")
        for _ in range(2):
            assert desk.run("enrich", "--question", "cystitis").code == 0
        yield desk


@pytest.fixture(scope="module")
def site(desk: Desk) -> Site:
    return Site(desk)


def words(page: str, path: str = "//main") -> str:
    (found,) = html.fromstring(page).xpath(path)
    return " ".join(found.text_content().split())


def test_an_article_links_to_its_full_text_with_the_licence(site: Site) -> None:
    page = site.page(f"/articles/{TRIAL}")
    links = html.fromstring(page).xpath("//p[@class='links']/a")
    named = {link.text_content(): link.get("href") for link in links}
    assert named["Free full text (Europe PMC)"] == "https://europepmc.org/articles/PMC9900301"
    assert named["Free full text (Europe PMC, PDF)"].endswith("?pdf=render")
    assert "CC BY-NC" in words(page, "//p[@class='links']")
    assert "Full text (Publisher)" in named
    assert not any(link.startswith("javascript:") for link in html.fromstring(page).xpath("//a/@href"))


def test_a_list_leads_to_the_text_that_is_free(site: Site) -> None:
    rows = html.fromstring(site.page("/questions/cystitis")).xpath("//a[@class='free']/@href")
    assert "https://europepmc.org/articles/PMC9900301" in rows or any("PMC9900301" in row for row in rows)


def test_a_retraction_that_pubmed_lacks_is_shown_with_who_says_so(site: Site) -> None:
    page = words(site.page(f"/articles/{CASE}"))
    assert "Retracted, says Retraction Watch, 6 February 2024 (the notice). PubMed does not say so." in page
    assert "RETRACTED" not in page, "that would be PubMed's own"
    for path in ("/questions/cystitis", "/search?q=ketamine", "/questions/cystitis/table?directness=any"):
        assert "Retracted, says Retraction Watch" in words(site.page(path)), path
    assert "Expression of concern, says its publisher" in words(site.page(f"/articles/{SURVEY}"))
    # An addendum is no correction: it stands on the paper's own page only.
    assert "A notice, says its publisher" in words(site.page(f"/articles/{RATS}"))
    assert "A notice, says" not in words(site.page("/questions/cystitis"))


def test_who_tagged_such_a_paper_is_told(desk: Desk, site: Site) -> None:
    assert "Retracted, says Retraction Watch, since somebody here tagged it" in words(site.page("/alerts"))
    assert str(CASE) in site.page("/alerts.atom")
    with served(desk) as address, signed_in(address, "ann", PASSWORD) as browser:
        page = html.fromstring(browser.get("/my-work").text)
        (form,) = [
            form
            for form in page.xpath("//form[contains(@action, '/alerts/seen')]")
            if form.xpath("./input[@name='field']/@value") == ["retracted by retraction-watch"]
        ]
        fields = {
            box.get("name"): box.get("value")
            for box in form.xpath("./input")
            if box.get("name") != "csrftoken"
        }
        assert send(browser, "/alerts/seen", **fields).status_code in (200, 303)
        left = html.fromstring(browser.get("/my-work").text).xpath("//input[@name='field']/@value")
        assert "retracted by retraction-watch" not in left


def test_citations_are_told_with_their_source_and_what_they_are_not(site: Site) -> None:
    page = words(site.page(f"/articles/{TRIAL}"))
    assert re.search(r"Cited 17 times, 3 of them by clinical articles; relative citation ratio 2\.2", page)
    assert "By iCite" in page and "Citations do not measure quality." in page
    assert "Cited" not in words(site.page(f"/articles/{RATS}")).replace("Cited by", "")


def test_a_preprint_that_pubmed_does_not_name_is_and_a_probable_one_is_called_so(site: Site) -> None:
    assert "Preprint of this paper, not peer reviewed: Written by us, first as a preprint (medRxiv" in words(
        site.page(f"/articles/{TRIAL}")
    )
    assert "Probably, by title and first author, a preprint of this paper" in words(
        site.page(f"/articles/{CASE}")
    )


def test_trials_are_listed_by_where_they_stand(site: Site) -> None:
    for path in ("/trials", "/questions/cystitis/trials"):
        page = html.fromstring(site.page(path))
        assert set(page.xpath("//table//tr/@id")) == set(STUDIES), path
        late = " ".join(page.xpath("//tr[@id='NCT99000004']")[0].text_content().split())
        assert "ended more than a year ago, no publication naming this number found in PubMed" in late
        assert re.search(r"\([0-9],[0-9]{3} days since\)", late)
    only = html.fromstring(site.page("/questions/cystitis/trials?state=running")).xpath("//table//tr/@id")
    assert only == [nct for nct, (_, state) in STUDIES.items() if state == State.RUNNING]
    assert "Asked" not in words(site.page("/trials?state=nonsense"))
    assert site.get("/questions/nowhere/trials").status_code == 404


def test_a_question_and_an_article_lead_to_their_trials(site: Site) -> None:
    page = html.fromstring(site.page("/questions/cystitis"))
    (section,) = page.xpath("//section[@aria-labelledby='trials']")
    late = section.xpath(".//a[contains(., 'ended more than a year ago')]")[0]
    assert late.get("href").endswith("/questions/cystitis/trials?state=overdue")
    assert len(html.fromstring(site.page(late.get("href"))).xpath("//tbody/tr")) == int(
        late.xpath("./strong")[0].text
    )
    assert f"{NAMED}: ended" in words(
        site.page(f"/articles/{TRIAL}"), "//section[@aria-labelledby='registered']"
    )


def test_before_anybody_was_asked_nothing_is_claimed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    assert desk.run("load", "--match", "cystitis", str(LOADED)).code == 0
    site = Site(desk)
    assert "ClinicalTrials.gov has not been asked yet." in words(site.page("/trials"))
    assert "Registered trials" not in words(site.page("/questions/cystitis"))


def test_a_digest_tells_of_a_retraction_that_pubmed_lacks(desk: Desk) -> None:
    done = desk.run(
        "digest", "--to", "ann@example.org", "--question", "cystitis", "--since", "2020-01-01", "--dry-run",
        TRACKER_SITE_URL="https://example.org",
    )  # fmt: skip
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    first = told.index("RETRACTED, WITHDRAWN OR UNDER CONCERN")
    why = told.index("Why it is here: Retracted, says Retraction Watch; PubMed does not say so.")
    assert first < why < told.index("Corrected, says its publisher; PubMed does not say so.")


def test_a_snapshot_says_it_as_well(desk: Desk) -> None:
    done = desk.run("snapshot", "kept", "--json")
    assert done.code == 0, done.err
    folder = desk.home / done.json["snapshot"]
    for place in (f"articles/{CASE}.html", "questions/cystitis.html"):
        assert "Retracted, says Retraction Watch" in (folder / place).read_text("utf-8"), place
    assert "PubMed does not say so." in (folder / f"articles/{CASE}.html").read_text("utf-8")
    searched = [
        path
        for path in (folder / "search").rglob("*.js")
        if "says Retraction Watch" in path.read_text("utf-8")
    ]
    assert searched, "a hit of the search would look sound"


def test_a_paper_that_is_named_under_another_bears_its_notice(desk: Desk, tmp_path: Path) -> None:
    shutil.copytree(desk.db.parent, tmp_path / "db")
    copy = Desk(tmp_path, "http://127.0.0.1:9/")
    # Two reports of one trial, of which one is retracted elsewhere than in PubMed.
    columns = ", ".join(
        name for _, name, *_ in copy.sql("pragma table_info(registrations)") if name != "pmid"
    )
    copy.change(
        f"insert into registrations (pmid, {columns}) select ?, {columns} from registrations where pmid = ?",
        CASE,
        TRIAL,
    )
    page = html.fromstring(Site(copy).page(f"/articles/{TRIAL}"))
    (named,) = page.xpath("//section[@aria-labelledby='registered']//ul[@class='under']")
    assert "Retracted, says Retraction Watch" in named.text_content()


# The browser comes last: nothing in this process can run a loop of its own beside it.
@pytest.mark.parametrize(
    "path", ["/trials", "/questions/cystitis/trials", f"/articles/{TRIAL}", f"/articles/{CASE}"]
)
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_the_pages_have_no_fault_for_those_who_cannot_see(
    desk: Desk, chromium: Browser, path: str, screen: dict[str, int]
) -> None:
    with served(desk) as address, visiting(chromium, bypass_csp=True, viewport=screen) as visit:
        visit.to(address + path)
        assert objections(visit.page, "light") == []
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
