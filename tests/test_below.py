"""The site below a path of a host that serves other things as well, behind the real nginx."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from lxml import html
from playwright.sync_api import Browser

from tests.conftest import Desk, wait_for
from tests.helpers_browser import missing, visiting
from tests.helpers_site import PASSWORD, add_person, filled, free_port, send, served, signed_in

BASE = "/evidence-tracker/"
# nginx hands the path on as it came, or without its front, by a slash after the address.
WAYS = {"whole": "", "without its front": "/"}
CONFIGURATION = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 418 "the other site"; }}
        location {base} {{
            proxy_pass {site}{end};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""
MOST_PAGES = 120
# Places to begin at that no page leads to, or only a reader's own form.
BEGIN = (
    "",
    "search?q=ketamine",
    "questions/cystitis?design=cohort+study&q=bladder",
    "evidence/articles?_facet=status&_facet_date=created&_where=pmid+%3E+1&_sort=pmid",
    "evidence?sql=select+pmid%2C+body+from+raw_records+limit+3",
    "evidence/articles?_size=5",
    "robots.txt",
)


@contextmanager
def nginx(home: Path, site: str, end: str) -> Iterator[str]:
    """nginx with the site below a path; yields the host's address."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if not program:
        missing("nginx is not installed")
    port = free_port()
    settings = home / "nginx.conf"
    settings.write_text(CONFIGURATION.format(home=home, port=port, site=site, end=end, base=BASE))
    process = subprocess.Popen([program, "-p", str(home), "-c", str(settings)], stderr=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/").status_code == 418
        except httpx.TransportError:
            return False

    try:
        wait_for(lambda: process.poll() is not None or answers())
        assert process.poll() is None, (home / "error.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = filled(tmp_path_factory.mktemp("below"))
    add_person(desk, "grace", "admin")
    return desk


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def host(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[str]:
    home = tmp_path_factory.mktemp("nginx")
    with (
        served(desk, TRACKER_BASE_PATH=BASE) as site,
        nginx(home, site, request.param) as address,
    ):
        yield address


def links(page: str) -> set[str]:
    tree = html.fromstring(page)
    return set(tree.xpath("//@href | //@src | //form/@action | //@formaction"))


def shape(address: str) -> str:
    """What makes two addresses of one kind: of each, a few are looked at."""
    path, _, query = address.partition("?")
    names = ",".join(sorted(set(re.findall(r"(?:^|&)([^=&]+)", query))))
    return re.sub(r"\d+", "1", path) + "?" + names


def crawl(client: httpx.Client, host: str) -> set[str]:
    """Follow every link from page to page; the addresses seen. Fails at one that leaves the path, or leads nowhere."""
    waiting, seen, kinds = deque(BASE + place for place in BEGIN), set[str](), set[str]()
    while waiting and len(seen) < MOST_PAGES:
        address = waiting.popleft()
        if address in seen or shape(address) in kinds:
            continue
        seen.add(address)
        kinds.add(shape(address))
        answer = client.get(host + address)
        # Where a form is sent to, a look is not allowed.
        assert answer.status_code in (200, 303, 405), (address, answer.status_code, answer.text[:300])
        if "location" in answer.headers:
            assert answer.headers["location"].startswith(BASE), address
        if not answer.headers.get("content-type", "").startswith("text/html"):
            told = re.findall(r"https?://127\.0\.0\.1:\d+(/[^\s\"<]*)", answer.text)
            assert all(path.startswith(BASE) for path in told), (address, told[:3])
            continue
        for link in links(answer.text):
            absolute = urlsplit(urljoin(host + address, link))
            if absolute.scheme in ("http", "https") and f"{absolute.scheme}://{absolute.netloc}" == host:
                assert absolute.path.startswith(BASE), (address, link)
                if "/sign-out" not in absolute.path and "/undo" not in absolute.path:
                    waiting.append(absolute._replace(scheme="", netloc="", fragment="").geturl())
    return seen


def test_every_link_of_every_page_stays_below_the_path(host: str) -> None:
    with httpx.Client() as client:
        seen = crawl(client, host)
    assert {f"{BASE}methods", f"{BASE}changes", f"{BASE}questions/cystitis.ris"} <= {
        s.partition("?")[0] for s in seen
    }


def test_nothing_is_left_of_the_host_to_others(host: str) -> None:
    assert httpx.get(host + "/questions/cystitis").status_code == 418
    bare = httpx.get(host + BASE.rstrip("/"))
    assert bare.status_code in (301, 308)
    assert urlsplit(bare.headers["location"]).path == BASE


def test_somebody_signs_in_works_and_signs_out_below_the_path(host: str) -> None:
    with signed_in(host + BASE, "grace") as client:
        assert {cookie.path for cookie in client.cookies.jar if cookie.name == "tracker"} == {BASE}
        seen = crawl(client, host)
        assert {f"{BASE}my-work", f"{BASE}account"} <= {address.partition("?")[0] for address in seen}
        client.get("/questions/cystitis")
        done = send(client, "/articles/90000303/note", text="Read this", back=f"{BASE}articles/90000303")
        assert (done.status_code, done.headers["location"].partition("?")[0]) == (
            303,
            f"{BASE}articles/90000303",
        )
        assert "Read this" in client.get("/articles/90000303").text
        out = send(client, "/sign-out")
        assert (out.status_code, out.headers["location"]) == (303, BASE)


@pytest.mark.parametrize("where", ["/account", f"{BASE}account", "//evil.example/", "https://evil.example/"])
def test_signing_in_leads_on_below_the_path_and_nowhere_else(host: str, where: str) -> None:
    with httpx.Client(base_url=host + BASE) as client:
        client.get("/sign-in")
        answer = send(client, "/sign-in", name="grace", password=PASSWORD, next=where)
    assert answer.status_code == 303
    assert answer.headers["location"] == (BASE if "evil" in where else f"{BASE}account")


def test_the_pages_script_works_below_the_path(chromium: Browser, host: str) -> None:
    with visiting(chromium) as visit:
        page = visit.page
        page.goto(f"{host}{BASE}questions/tolerance")
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("Name", exact=True).fill("grace")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.locator("main").get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{host}{BASE}questions/tolerance")
        page.locator("ol.articles a.record").first.focus()
        page.keyboard.press("i")
        page.locator("#said-just-now", has_text="Included").wait_for(timeout=5000)
        page.keyboard.press("z")
        page.locator("#said-just-now", has_text="Undone").wait_for(timeout=5000)
        assert "seen-tolerance" in page.evaluate("document.cookie")
        page.goto(f"{host}/")
        assert page.evaluate("document.cookie") == ""
        assert visit.hosts == {urlsplit(host).netloc}
        assert [said for said in visit.complaints if "418" not in said] == []


@pytest.mark.parametrize(
    "path", ["a b", "/x//y/", "/../", "/a?b", "http://x.org/", "/evidence/", "/questions", "-"]
)
def test_what_is_no_path_is_refused(desk: Desk, path: str) -> None:
    done = desk.run("serve", "--base-path", path)
    assert done.code == 2
    assert done.err.startswith("Error: --base-path: ")
    assert len(done.err.splitlines()) == 1
