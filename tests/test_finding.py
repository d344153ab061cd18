"""A search that does not read as "no harm": synonyms, the question that it names, what to search for instead."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from lxml import html

from tests.conftest import Desk
from tests.helpers_load import document, record
from tests.helpers_site import Site, articles_on
from tracker.directness import DIRECTNESS_WORDS

TREATED = "Patients with treatment resistant depression were given esketamine nasal spray."
PAPERS = {
    1: ("Long-term esketamine in depression", f"{TREATED} There was no case of interstitial cystitis."),
    2: ("Urinary symptoms after esketamine", f"{TREATED} Urinary symptoms were reported by three patients."),
    3: ("Urological harm in users", "Recreational users of ketamine had urological symptoms."),
    4: ("Bladder injury in rats", "Rats given ketamine had an inflamed bladder."),
    5: ("Memory after ketamine", "Memory of depressed patients given ketamine was unchanged."),
    6: ("Cognition after ketamine", "Cognition of depressed patients given ketamine was unchanged."),
    7: ("Addiction to ketamine", "Addiction was seen in two patients given ketamine."),
    8: ("Dependence on ketamine", "Dependence was seen in two patients given ketamine."),
    9: ("Talking therapy with ketamine", "Talking therapy was offered with ketamine."),
    10: ("Psychotherapy with ketamine", "Psychotherapy was offered with ketamine."),
    11: ("Ketamine in anaesthesia", "For children whose depressive mood is a disorder of major concern."),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("finding"), "http://127.0.0.1:9/")
    file = desk.home / "papers.xml"
    file.write_text(document(*(record(pmid, *texts) for pmid, texts in PAPERS.items())))
    assert desk.run("load", str(file), "--match", "all").code == 0
    assert desk.run("load", str(file)).code == 0
    return desk


@pytest.fixture(scope="module")
def site(library: Desk) -> Site:
    return Site(library)


def searched(site: Site, words: str, **filters: str) -> Any:
    page = site.page(str(httpx.URL("/search", params={"q": words, **filters})))
    return html.fromstring(page).xpath("//main")[0]


def text(element: Any) -> str:
    return " ".join(element.text_content().split())


def named_on(page: Any) -> list[str]:
    """The questions that stand before what was found."""
    links = page.xpath('//section[@class="asked"]/p/strong/a/@href')
    return [link.rsplit("/", 1)[1] for link in links]


def found(desk: Desk, words: str) -> set[int]:
    return {hit["pmid"] for hit in desk.run("search", *words.split(" "), "--json").json["hits"]}


# -- words that find one another -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "pmids"),
    [
        *((word, {1, 2, 3, 4}) for word in ("bladder", "urinary", "urological", "cystitis", "urinary tract")),
        *((f"esketamine {word}", {1, 2}) for word in ("bladder", "urology", "Cystitis")),
        *((word, {5, 6}) for word in ("memory", "cognition", "cognitive")),
        *((word, {7, 8}) for word in ("addiction", "dependence")),
        *((words, {9, 10}) for words in ("talking therapy", "psychotherapy", "psychological therapies")),
        ("ketamine cystitis", {3, 4}),
        ("ketamine bladder", {3, 4}),
    ],
)
def test_what_readers_use_for_one_another_finds_one_another(
    library: Desk, site: Site, words: str, pmids: set[int]
) -> None:
    assert found(library, words) == pmids
    page = searched(site, words)
    assert set(articles_on(html.tostring(page, encoding="unicode"))) == pmids


# -- the question that a search names --------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "slugs"),
    [
        ("esketamine bladder", ["cystitis"]),
        # By the further words of its outcome, whatever their ending; and by a synonym.
        ("esketamine urinalysis", ["cystitis"]),
        ("uropathy", ["cystitis"]),
        ("talk therapy", ["psychotherapy"]),
        ("ketamine AMNESIA", ["cognition"]),
        # By its title only.
        ("thinking", ["cognition"]),
        ("memory psychotherapy", ["cognition", "psychotherapy"]),
        # What a file excepts for one question names the other.
        ("cognitive behavioral therapy", ["psychotherapy"]),
        # What it excepts for the only one still names it.
        ("urinary retention", ["cystitis"]),
        ("substance abuse", ["tolerance"]),
        ("bladder[tiab] AND ketamine[tiab]", ["cystitis"]),
        ("ketamine", []),
        ("with and", []),
        ("bladderwort", []),
        ("12345678", []),
        ("!!!", []),
    ],
)
def test_a_search_shows_the_question_that_it_names(
    library: Desk, site: Site, words: str, slugs: list[str]
) -> None:
    assert named_on(searched(site, words)) == slugs
    told = library.run("search", *words.split(" "), "--json").json
    assert [question["slug"] for question in told["questions"]] == slugs
    lines = re.findall(r"^Question (\w+),", library.run("search", *words.split(" ")).out, re.MULTILINE)
    assert lines == slugs


def test_the_question_comes_first_with_its_numbers_by_directness(library: Desk, site: Site) -> None:
    rows = library.sql("select value, count(*) from directness where question = 'cystitis' group by 1")
    numbers: dict[str, int] = dict(rows)
    assert numbers["direct"] and sum(numbers.values()) == 4
    page = searched(site, "bladder")
    (question,) = page.xpath('//section[@class="asked"]/p')
    assert question.getparent().xpath('following-sibling::p[@role="status"]'), "before what was found"
    links = {text(link): link.get("href") for link in question.xpath(".//a")}
    assert links == {"Bladder and urinary tract": "/questions/cystitis"} | {
        f"{n} {DIRECTNESS_WORDS[value].lower()}": f"/questions/cystitis?directness={value}"
        for value, n in numbers.items()
    }
    for link in links.values():
        assert site.get(link).status_code == 200
    (told,) = library.run("search", "bladder", "--json").json["questions"]
    assert told == {
        "slug": "cystitis",
        "title": "Bladder and urinary tract",
        "matching": 4,
        "directness": numbers,
    }
    first = library.run("search", "bladder").out.splitlines()[0]
    assert first.startswith("Question cystitis, Bladder and urinary tract: 4 records; ")
    assert f"{numbers['direct']} in people treated" in first


# -- where nothing is found ------------------------------------------------------------------------


def instead_on(page: Any) -> dict[str, tuple[str, str]]:
    """By what a search leaves out: its words, and how many records the page says it finds."""
    items = page.xpath('//div[@class="notice"]//li')
    return {
        text(item.xpath("./a/bdi")[0]): (
            parse_qs(urlsplit(item.xpath("./a/@href")[0]).query)["q"][0],
            text(item).rpartition(": ")[2].split()[0],
        )
        for item in items
    }


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("esketamine nocturia", {"esketamine": "nocturia", "nocturia": "esketamine"}),
        ('rats "inflamed bladder" zzz', {
            "rats": '"inflamed bladder" zzz', '"inflamed bladder"': "rats zzz", "zzz": 'rats "inflamed bladder"',
        }),
        ("esket* zzz zzz", {"esket*": "zzz", "zzz": "esket*"}),
        ("ketamine[tiab] AND zzz[tiab]", {"ketamine": "zzz", "zzz": "ketamine"}),
        ("zzz", {}),
    ],
)  # fmt: skip
def test_a_search_that_finds_nothing_says_that_this_is_no_evidence_and_offers_one_word_less(
    library: Desk, site: Site, words: str, instead: dict[str, str]
) -> None:
    page = searched(site, words)
    nothing = f"No stored record holds {'all these words' if instead else 'this word'}, which is no evidence of no harm"
    assert nothing in text(page)
    offered = instead_on(page)
    assert {without: q for without, (q, _) in offered.items()} == instead
    done = library.run("search", "--", *words.split(" "))
    assert (done.code, nothing in done.err) == (0, True)
    told = library.run("search", "--json", "--", *words.split(" ")).json["instead"]
    assert {each["without"]: each["text"] for each in told} == instead
    for each in told:
        listed = articles_on(site.page(str(httpx.URL("/search", params={"q": each["text"]}))))
        assert each["count"] == len(listed) == int(offered[each["without"]][1])
        assert f"{each['count']} found without {each['without']}: {each['text']}" in done.err


def test_a_search_that_finds_something_offers_nothing_else(library: Desk, site: Site) -> None:
    assert "no evidence of no harm" not in text(searched(site, "esketamine bladder"))
    done = library.run("search", "esketamine", "bladder")
    assert "no evidence of no harm" not in done.err
    assert library.run("search", "esketamine", "bladder", "--json").json["instead"] == []


def test_where_nothing_is_found_the_question_is_offered(site: Site) -> None:
    (notice,) = searched(site, "esketamine nocturia").xpath('//div[@class="notice"]')
    assert "/questions/cystitis" in notice.xpath(".//a/@href")


@pytest.mark.parametrize(
    ("words", "pmids"),
    [
        ('"cystitis interstitial"', [1]),
        # These have a synonym together, so that they are looked for as a phrase.
        ("major depressive disorder", [11]),
        ("children major depressive disorder", [11]),
        ("major depressive disorder zzz", None),
        ('"cystitis zzz"', None),
    ],
)
def test_words_of_a_phrase_that_stand_apart_are_not_said_to_be_missing(
    library: Desk, site: Site, words: str, pmids: list[int] | None
) -> None:
    page = searched(site, words)
    links = page.xpath('//a[. = "With the words of each phrase apart"]/@href')
    assert [articles_on(site.page(link)) for link in links] == ([pmids] if pmids else [])
    nothing = (
        "No stored record holds all these words with their phrases whole, which is no evidence of no harm"
    )
    assert (nothing in text(page)) == bool(pmids)
    # The whole search is one argument, as the shell has its quotes.
    told = library.run("search", f"{words} AND", "--json").json["instead"]
    assert [each["count"] for each in told if not each["without"]] == ([len(pmids)] if pmids else [])


def test_with_filters_the_page_says_so_and_keeps_them(site: Site) -> None:
    page = searched(site, "esketamine bladder", to="1999")
    assert "With these filters, no stored record holds all these words" in text(page)
    links = page.xpath('//div[@class="notice"]//li/a/@href')
    assert links and all("to=1999" in link for link in links)


def test_a_long_search_is_offered_without_its_first_words_only(site: Site) -> None:
    page = searched(site, " ".join(f"word{n}" for n in range(40)))
    assert len(instead_on(page)) == 6


def test_identifiers_and_signs_are_no_words_to_leave_out(library: Desk, site: Site) -> None:
    for words in ("12345678 23456789", "!!! ???"):
        assert not instead_on(searched(site, words))
        assert library.run("search", "--json", "--", *words.split(" ")).json["instead"] == []


@pytest.mark.parametrize(
    "words",
    [
        '"',
        "* *",
        'a "b',
        "<b>x</b> zzz",
        "\x00 zzz",
        "zzz' -- zz*",
        "é" * 300,
        '"a b" ' * 50,
        "major depression " * 17,
    ],
)
def test_whatever_is_typed_can_be_searched_for_with_one_word_less(site: Site, words: str) -> None:
    page = searched(site, words)
    for link in page.xpath('//div[@class="notice"]//a/@href'):
        assert site.get(link).status_code == 200
