"""No address takes the site from others: what is too much to ask is refused in words, the rest is bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import httpx
import pytest
from lxml import html

from tests.conftest import Desk
from tests.helpers_load import document, record
from tests.helpers_site import Site, add_person, articles_on, filled
from tracker.site.parts.filters import MOST_VALUES
from tracker.site.server import compat
from tracker.site.server.security import LONGEST_ADDRESS
from tracker.site.views.exports import EXTENSIONS


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return filled(tmp_path_factory.mktemp("limits"))


@pytest.fixture(scope="module")
def site(desk: Desk) -> Site:
    return Site(desk)


def many(name: str, n: int, value: str = "v{}") -> str:
    """The same parameter ``n`` times."""
    return "&".join(f"{name}={value.format(each)}" for each in range(n))


TOO_LONG = (
    f"/questions/cystitis?{many('design', 2_000)}",
    f"/questions/cystitis?design={'x' * LONGEST_ADDRESS}",
    f"/questions/cystitis?after={'9' * LONGEST_ADDRESS}",
    f"/questions/cystitis?since={'9' * LONGEST_ADDRESS}",
    f"/questions/cystitis.ris?{many('design', 2_000)}",
    f"/questions/cystitis.atom?{many('language', 2_000)}",
    f"/questions/cystitis.json?{many('whatever', 2_000)}",
    f"/questions/cystitis/review?{many('x', 2_000)}",
    f"/questions/cystitis/bulk?{many('design', 2_000)}",
    f"/questions/{'x' * LONGEST_ADDRESS}",
    f"/articles/90000303?in=cystitis&{many('design', 2_000)}",
    f"/search?q=ketamine&{many('design', 2_000)}",
    f"/changes?{many('kind', 2_000)}",
    f"/sign-in?next=/{'x' * LONGEST_ADDRESS}",
    f"/evidence?sql=select+{'1' * LONGEST_ADDRESS}",
    f"/evidence/articles?{many('_facet', 2_000)}",
    f"/evidence/articles.json?{many('title__contains', 2_000)}",
    f"/-/{'x' * LONGEST_ADDRESS}",
)


@pytest.mark.parametrize("path", TOO_LONG, ids=lambda path: path[:40])
def test_an_address_that_is_too_long_is_refused_in_words(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 414
    assert answer.headers["content-type"].startswith("text/plain")
    assert f"{LONGEST_ADDRESS:,} bytes" in answer.text and len(answer.text) < 200
    assert "content-security-policy" in answer.headers


def test_a_form_that_is_sent_to_an_address_that_is_too_long_is_refused_as_well(site: Site) -> None:
    answer = asyncio.run(site.datasette.client.post(f"/sign-in?{many('next', 2_000)}", data={"name": "ada"}))
    assert answer.status_code == 414


# -- filters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/questions/cystitis", "/search?q=ketamine"])
def test_filter_values_that_nothing_has_are_ignored_with_a_word(site: Site, page: str) -> None:
    plain = site.page(page)
    more = "&" if "?" in page else "?"
    one = site.page(f"{page}{more}design=no+such+design")
    assert "One filter value is unknown here and was ignored." in one
    several = site.page(f"{page}{more}{many('design', 300)}&{many('language', 100)}")
    assert "400 filter values are unknown here and were ignored." in several
    assert len(several) < len(plain) + 1_000
    assert articles_on(several) == articles_on(one) == articles_on(plain) != []
    # Nothing of it is in the links of the page either.
    assert "no+such+design" not in "".join(html.fromstring(one).xpath("//main//a/@href"))


def test_known_values_count_beside_unknown_ones_and_repeats_once(site: Site) -> None:
    alone = site.page("/questions/cystitis?language=eng")
    beside = site.page(f"/questions/cystitis?{many('language', 200, 'eng')}&language=xxx")
    assert articles_on(alone) == articles_on(beside) != []
    assert len(html.fromstring(beside).xpath('//ul[@class="chips"]/li')) == 1


def test_at_most_so_many_values_of_a_group_count_and_the_page_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = '//input[@type="checkbox" and @name="design"]/@value'
    one, two = map(quote_plus, html.fromstring(site.page("/questions/cystitis")).xpath(boxes)[:2])
    monkeypatch.setattr("tracker.site.parts.filters.MOST_VALUES", 1)
    page = site.page(f"/questions/cystitis?design={one}&design={two}")
    assert "Study design: only the first 1 of 2 values count." in page
    assert articles_on(page) == articles_on(site.page(f"/questions/cystitis?design={one}")) != []
    assert site.get(f"/questions/cystitis.ris?design={one}&design={two}").status_code == 400


@pytest.mark.parametrize("ending", [*(f".{extension}" for extension in EXTENSIONS), ".atom?newest=50"])
def test_a_file_is_refused_where_it_could_not_say_what_was_ignored(site: Site, ending: str) -> None:
    more = "&" if "?" in ending else "?"
    unknown = site.get(f"/questions/cystitis{ending}{more}design=no+such+design")
    assert unknown.status_code == 400 and "no such design" in unknown.text
    crowded = site.get(f"/questions/cystitis{ending}{more}{many('design', MOST_VALUES + 1)}")
    assert crowded.status_code == 400 and f"at most {MOST_VALUES} values" in crowded.text


def test_a_whole_list_is_never_changed_by_fewer_filters_than_were_asked_for(desk: Desk) -> None:
    site = Site(desk)
    cookies = site.session(add_person(desk, "bulk", "lead"))
    page = site.get("/questions/cystitis/bulk?design=no+such+design", cookies=cookies)
    assert page.status_code == 200 and "There is nothing to change." in page.text
    assert site.get(f"/questions/cystitis/bulk?{many('design', 50)}", cookies=cookies).status_code == 400


def test_the_address_of_a_page_is_not_repeated_in_each_of_its_forms(desk: Desk) -> None:
    site = Site(desk)
    cookies = site.session(add_person(desk, "forms", "lead"))
    plain, long = (
        site.get(f"/questions/cystitis?x={'y' * length}", cookies=cookies).text for length in (1, 7_000)
    )
    assert len(long) < len(plain) + 50_000


# -- Datasette's tables ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (many("_facet", 200, "title"), "at most 10 facets at once; this address has 200"),
        (many("_facet", 6, "title") + "&" + many("_facet_array", 6, "title"), "at most 10 facets"),
        (many("_facet_date", 11, "published"), "at most 10 facets"),
        (many("_where", 11, "1"), "at most 10 conditions in SQL"),
        (many("_nocol", 101, "title"), "at most 100 parameters"),
        (many("title__contains", 101), "at most 100 parameters"),
    ],
)
@pytest.mark.parametrize("table", ["/evidence/articles", "/evidence/articles.json", "/evidence/articles.csv"])
def test_tables_are_asked_for_so_much_at_once_and_no_more(
    site: Site, table: str, query: str, words: str
) -> None:
    answer = site.get(f"{table}?{query}")
    assert answer.status_code == 400 and words in answer.text


def test_a_table_with_ten_facets_is_shown(site: Site) -> None:
    columns = "journal language kind status country published volume issue retracted corrected".split()
    columns[1] = "languages"
    answer = site.get("/evidence/articles?" + "&".join(f"_facet={column}" for column in columns))
    assert answer.status_code == 200


# -- words -----------------------------------------------------------------------------------------

# (what is searched, what it is told, or None where it is searched)
SEARCHES = [
    ("a* " * 100, None),
    ("A* a* " * 50, None),
    ('"bladder pain" ' * 15, None),
    ("ketamine " * 30, None),
    ("NOT " * 70, None),
    ('" ' * 140, None),
    (" ".join(f"{letter}*" for letter in "abcdefghijklmnopqrstuvwxyz"), "words that end in *"),
    ("a* b*", "at least 3 letters"),
    (" ".join(f"w{n}" for n in range(60)), "may have 50 different words"),
    ("'" + " ".join(f"w{n}" for n in range(60)), "may have 50 different words"),
    ('"' + " ".join(f"w{n}" for n in range(60)) + '"', "may have 50 different words"),
    ("ket* blad* cyst*", None),
]


@pytest.mark.parametrize(("text", "words"), SEARCHES, ids=lambda each: str(each)[:20])
def test_repeats_are_merged_and_a_search_has_so_many_words(
    site: Site, desk: Desk, text: str, words: str | None
) -> None:
    text = text.strip()
    typed = quote_plus(text)
    answers = [site.get(f"{path}?q={typed}") for path in ("/search", "/questions/cystitis", "/search.json")]
    done = desk.run("search", "--", *text.split(" "))
    if words is None:
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        assert done.code == 0
    else:
        assert all(answer.status_code == 400 and words in html_text(answer) for answer in answers)
        assert done.code == 2 and words in done.err


def html_text(answer: httpx.Response) -> str:
    is_page = answer.headers["content-type"].startswith("text/html")
    return str(html.fromstring(answer.text).text_content()) if is_page else answer.text


@pytest.mark.parametrize("text", ["bladder bladder", "blad* blad* BLAD*", '"bladder pain" "bladder pain"'])
def test_a_repeated_word_finds_what_it_finds_once(site: Site, text: str) -> None:
    once = text.split(" ")[0] if '"' not in text else '"bladder pain"'
    found, single = (articles_on(site.page(f"/search?q={quote_plus(each)}")) for each in (text, once))
    assert found == single


def test_a_record_of_a_megabyte_is_found_with_the_words_around_a_match(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    abstract = "Patients received ketamine and the bladder was examined. " * 18_000
    file = tmp_path / "long.xml"
    file.write_text(document(record(95_000_001, "Ketamine and the bladder", abstract=abstract)))
    assert desk.run("load", "--match", "all", str(file)).code == 0
    page = Site(desk).page("/search?q=ketamine+a*")
    assert articles_on(page) == [95_000_001] and "<mark>ketamine</mark>" in page.casefold()


# -- the event loop --------------------------------------------------------------------------------


@pytest.fixture
def waiting_page(desk: Desk) -> Iterator[tuple[Site, threading.Event]]:
    """A site whose pages are not ready before the event is set."""
    site, ready = Site(desk), threading.Event()
    site.get("/robots.txt")  # now the filters are there
    environment = compat.templates(site.datasette)
    plain = environment.filters["moment"]

    def slow(iso: str | None) -> str:
        assert ready.wait(60)
        return str(plain(iso))

    environment.filters["moment"] = slow
    yield site, ready
    ready.set()


def test_others_are_answered_while_a_long_page_is_rendered(
    waiting_page: tuple[Site, threading.Event],
) -> None:
    site, ready = waiting_page

    async def both() -> tuple[httpx.Response, httpx.Response]:
        long = asyncio.ensure_future(site.datasette.client.get("/methods"))
        robots = await site.datasette.client.get("/robots.txt")
        assert not long.done()
        ready.set()
        return robots, await long

    robots, long = asyncio.run(both())
    assert (robots.status_code, long.status_code) == (200, 200)
