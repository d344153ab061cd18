"""The site names its own host as it is configured, and never as a request says it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree, html

from tests.conftest import Desk
from tests.helpers_site import RETRACTED, Site, add_person, filled
from tracker.errors import UsageError
from tracker.settings import Settings, load_settings
from tracker.site.server.serve import open_site

EVIL = "evil.example"
HEADERS = (
    {"Host": EVIL},
    {"Host": f"{EVIL}:8443", "X-Forwarded-Proto": "https"},
    {"X-Forwarded-Host": EVIL, "Forwarded": f"host={EVIL}", "X-Host": EVIL},
    {"Host": f"a&b<c>\"'.{EVIL}"},
    {"Host": f"localhost.{EVIL}"},
    {"Host": f"127.0.0.1@{EVIL}"},
    {"Host": f"localhost:1{EVIL}"},
)
PAGES = (
    "/",
    "/questions/cystitis",
    "/questions/cystitis?q=ketamine",
    "/questions/cystitis/review",
    "/changes",
    "/methods",
    "/search?q=bladder",
    "/sign-in",
    "/robots.txt",
    "/nowhere",
    "/changes.atom",
    "/account",
    "/questions/cystitis.atom?newest=50",
    "/alerts.atom",
    "/alerts",
    "/sitemap.xml",
    "/sitemaps/pages.xml",
    "/evidence",
    "/evidence/articles?_facet=journal&_size=5",
    "/evidence/articles/90000303",
    "/evidence?sql=select+1",
    "/evidence/question_articles?question=cystitis&_facet=reason&_facet_date=entered",
    f"/articles/{RETRACTED}",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("address"))


@pytest.fixture(scope="module")
def site(desk: Desk) -> Site:
    return Site(desk)


def configured(desk: Desk, **more: str) -> Site:
    site = Site(desk)
    site.datasette = open_site(
        Settings(
            db_dir=desk.db.parent,
            queries=desk.queries,
            secret="of the tests",
            site_url="https://tracker.example.org",
            **more,
        )
    )
    return site


@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_no_page_feed_or_sitemap_repeats_the_host_of_a_request(
    desk: Desk, site: Site, headers: dict[str, str]
) -> None:
    cookies = site.session(add_person(desk, f"h{abs(hash(str(headers)))}", "admin"))
    for path in PAGES:
        for who in ({}, cookies):
            answer = site.get(path, headers=headers, cookies=who)
            assert EVIL not in answer.text, path
            assert EVIL not in str(answer.headers), path


@pytest.mark.parametrize("headers", [{}, *HEADERS], ids=str)
def test_the_configured_host_is_named_whatever_a_request_says(desk: Desk, headers: dict[str, str]) -> None:
    site = configured(desk)
    for path in PAGES:
        assert EVIL not in site.get(path, headers=headers).text, path
    page = html.fromstring(site.get("/changes?kind=new", headers=headers).text)
    assert page.xpath('//link[@rel="canonical"]/@href') == ["https://tracker.example.org/changes"]
    assert page.xpath('//meta[@property="og:url"]/@content') == ["https://tracker.example.org/changes"]
    robots = site.get("/robots.txt", headers=headers).text
    assert "\nSitemap: https://tracker.example.org/sitemap.xml\n" in robots
    for path in ("/sitemap.xml", "/sitemaps/pages.xml"):
        places = etree.fromstring(site.get(path, headers=headers).content).xpath(
            "//*[local-name() = 'loc']/text()"
        )
        assert places and all(place.startswith("https://tracker.example.org/") for place in places)
    feed = etree.fromstring(site.get("/changes.atom", headers=headers).content)
    assert "https://tracker.example.org/changes" in feed.xpath("//@href")
    rows = site.get("/evidence/articles.json?_size=1&_facet=journal", headers=headers).json()
    assert rows["next_url"].startswith("https://tracker.example.org/evidence/articles.json?")


def test_below_a_path_the_configured_host_comes_before_it(desk: Desk) -> None:
    site = configured(desk, base_path="/evidence-tracker/")
    page = html.fromstring(site.get("/changes").text)
    assert page.xpath('//link[@rel="canonical"]/@href') == [
        "https://tracker.example.org/evidence-tracker/changes"
    ]
    robots = site.get("/robots.txt").text
    assert "\nSitemap: https://tracker.example.org/evidence-tracker/sitemap.xml\n" in robots


def test_without_an_address_links_are_paths_and_programs_go_on_where_they_asked(site: Site) -> None:
    there = {"Host": "tracker.example.org"}
    page = html.fromstring(site.get("/changes?kind=new", headers=there).text)
    assert page.xpath('//link[@rel="canonical"]/@href') == ["/changes"]
    assert not page.xpath('//meta[@property="og:url"]')
    assert "Sitemap" not in site.get("/robots.txt", headers=there).text
    sitemap = site.get("/sitemap.xml", headers=there)
    assert sitemap.status_code == 404 and "TRACKER_SITE_URL" in sitemap.text
    rows = site.get("/evidence/articles.json?_size=1", headers=there).json()
    assert rows["next_url"].startswith("http://tracker.example.org/evidence/articles.json?")
    links = html.fromstring(site.get("/evidence/articles?_facet=journal", headers=there).text).xpath(
        "//@href"
    )
    assert any("journal=" in link for link in links)
    assert not [link for link in links if re.match("https?://tracker", link)]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8001", "[::1]:8001"])
def test_on_this_machine_whole_addresses_are_known(site: Site, host: str) -> None:
    assert f"\nSitemap: http://{host}/sitemap.xml\n" in site.get("/robots.txt", headers={"Host": host}).text


@pytest.mark.parametrize(
    ("value", "origin"),
    [
        ("https://example.org", "https://example.org"),
        ("http://example.org:8443/", "http://example.org:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
        ("", None),
        ("example.org", UsageError),
        ("https://example.org/evidence-tracker/", UsageError),
        ("https://a@example.org", UsageError),
        ("javascript://example.org", UsageError),
        ("https://example.org/?q", UsageError),
        ('https://exam"ple.org', UsageError),
    ],
)
def test_the_setting_is_the_address_of_a_host(tmp_path: Path, value: str, origin: str | type | None) -> None:
    environ = {"TRACKER_SITE_URL": value}
    if origin is UsageError:
        with pytest.raises(UsageError, match="TRACKER_SITE_URL"):
            load_settings(environ=environ, cwd=tmp_path)
    else:
        assert load_settings(environ=environ, cwd=tmp_path).site_url == origin
