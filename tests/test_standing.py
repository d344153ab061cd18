"""What only a title says of a paper, names that NLM marked as wrong and NLM's abbreviations, wherever they show."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Desk, check_whole
from tests.helpers_load import document, record
from tests.helpers_site import Site
from tracker.evidence import derived, facets
from tracker.export.formats import FORMATS

RETRACTED, WITHDRAWN, NOTHING, NOTICE = 1, 2, 3, 4
TITLES = {
    RETRACTED: "RETRACTED ARTICLE: Ketamine for cystitis in depression.",
    WITHDRAWN: "WITHDRAWN: Ketamine for cystitis in depression.",
    NOTHING: "Retracted ketamine infusions for cystitis in depression.",
    NOTICE: "Retraction: Ketamine for cystitis in depression.",
}
ABSTRACT = "Bladder pain under ketamine for depression."
TEXT_FORMATS = tuple(name for name, format in FORMATS.items() if not format.binary_file)


def journal(text: str) -> str:
    names = "<MedlineJournalInfo><MedlineTA>J Test Nlm</MedlineTA></MedlineJournalInfo>"
    return text.replace(
        "<Title>J</Title>", "<Title>Journal of tests</Title><ISOAbbreviation>J. Test. Iso</ISOAbbreviation>"
    ).replace("</Article><KeywordList", f"</Article>{names}<KeywordList")


AUTHORS = """<AuthorList><Author ValidYN="N"><LastName>Wronge</LastName><Initials>W</Initials></Author>
<Author ValidYN="Y"><LastName>Wright</LastName><Initials>W</Initials></Author></AuthorList>"""
MEMBERS = """<InvestigatorList><Investigator ValidYN="N"><LastName>Falsch</LastName></Investigator>
<Investigator><LastName>Recht</LastName></Investigator></InvestigatorList>"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path, "http://127.0.0.1:9/")
    texts = [record(pmid, title, ABSTRACT) for pmid, title in TITLES.items()]
    texts.append(
        journal(record(5, "Ketamine and cystitis in depression.", ABSTRACT, author="X"))
        .replace("<AuthorList><Author><LastName>X</LastName></Author></AuthorList>", AUTHORS)
        .replace("</MedlineCitation>", f"{MEMBERS}</MedlineCitation>")
    )
    (tmp_path / "all.xml").write_text(document(*texts))
    (tmp_path / "one.nbib").write_text(
        "PMID- 6\nTI  - Ketamine and the bladder\nAB  - Cystitis in depression.\nTA  - J Test Nlm\n"
        "JT  - Journal of tests\n"
    )
    done = made.run("load", "all.xml", "one.nbib", "--match", "cystitis")
    assert done.code == 0, done.err
    return made


def exported(desk: Desk, format: str) -> str:
    return desk.run("export", "cystitis", "--format", format).out


# -- by its title ----------------------------------------------------------------------------------


def test_show_search_and_status_say_so(desk: Desk) -> None:
    assert "*** RETRACTED, by its title (" in desk.run("show", "1").out
    assert "*** WITHDRAWN, by its title (" in desk.run("show", "2").out
    assert "***" not in desk.run("show", "3").out
    assert "*** NOTICE ABOUT ANOTHER PUBLICATION, by its title\n" in desk.run("show", "4").out
    found = desk.run("search", "ketamine").out
    assert "[RETRACTED (by its title)] RETRACTED ARTICLE" in found
    assert "[WITHDRAWN (by its title)] WITHDRAWN" in found
    assert "2 retracted, withdrawn or under concern" in desk.run("status").out
    check_whole(desk.db)


@pytest.mark.parametrize("format", TEXT_FORMATS)
def test_every_export_says_so_and_says_it_once(desk: Desk, format: str) -> None:
    text = exported(desk, format)
    for words in (
        "RETRACTED (by its title)",
        "WITHDRAWN (by its title)",
        "NOTICE ABOUT ANOTHER PUBLICATION (by its title)",
    ):
        assert words in text
    assert "RETRACTED: RETRACTED" not in text
    assert "RETRACTED: WITHDRAWN" not in text
    assert "RETRACTED: Retracted" not in text


def test_json_tells_what_the_title_says(desk: Desk) -> None:
    found = {entry["pmid"]: entry for entry in json.loads(exported(desk, "json"))["articles"]}
    says = {pmid: (found[pmid]["title_says"], found[pmid]["by_title"]) for pmid in TITLES}
    assert says == {1: ("retracted", True), 2: ("withdrawn", True), 3: (None, False), 4: ("notice", True)}


def test_lists_can_be_narrowed_to_what_is_withdrawn(desk: Desk) -> None:
    narrowed = desk.run("export", "cystitis", "--format", "nbib", "--filter", "notice=withdrawn").out
    assert narrowed.count("PMID- ") == 1
    assert "PMID- 2" in narrowed


def test_that_a_title_came_to_say_so_is_news(desk: Desk) -> None:
    later = record(5, "WITHDRAWN: Ketamine and cystitis in depression.", ABSTRACT, revised="2025-01-01")
    (desk.home / "later.xml").write_text(document(later))
    assert desk.run("load", "later.xml", "--json").json["notices"] == 1
    assert ("withdrawn", "1") in desk.sql("select field, after from changes")


def test_the_site_marks_them_in_lists_on_their_pages_and_among_the_news(desk: Desk) -> None:
    later = record(5, "RETRACTED: Ketamine and cystitis in depression.", ABSTRACT, revised="2025-01-01")
    (desk.home / "later.xml").write_text(document(later))
    desk.run("load", "later.xml", "--match", "cystitis")
    site = Site(desk)
    assert_marked(site, "/", "Retracted (by its title)", "Withdrawn (by its title)")
    assert_marked(
        site,
        "/questions/cystitis",
        "Retracted (by its title)",
        "Withdrawn (by its title)",
        "A notice about another paper (by its title)",
    )
    assert_marked(site, "/questions/cystitis?notice=withdrawn", "Withdrawn (by its title)")
    assert_marked(site, "/articles/1", "RETRACTED, by its title")
    assert_marked(site, "/articles/2", "WITHDRAWN, by its title")
    assert_marked(site, "/articles/4", "NOTICE ABOUT ANOTHER PUBLICATION, by its title")
    assert_marked(site, "/search?q=ketamine", "Withdrawn (by its title)")
    assert_marked(site, "/changes", "Retracted (by its title)")
    assert_marked(site, "/changes.atom", "RETRACTED (by its title)")
    assert "by its title" not in site.get("/articles/3").text


def assert_marked(site: Site, path: str, *marks: str) -> None:
    text = site.get(path).text
    for mark in marks:
        assert mark in text, f"{path}: {mark}"


# -- names that NLM marked as wrong ----------------------------------------------------------------


@pytest.mark.parametrize("format", TEXT_FORMATS)
def test_a_name_that_nlm_marked_as_wrong_is_cited_nowhere(desk: Desk, format: str) -> None:
    text = exported(desk, format)
    assert "Wright" in text
    assert "Wronge" not in text


def test_but_it_stays_on_the_record(desk: Desk) -> None:
    assert desk.column("select authors_text from articles where pmid = 5") == ["Wright W"]
    assert desk.sql("select last_name, valid from authors where pmid = 5") == [("Wronge", 0), ("Wright", 1)]
    assert desk.sql("select last_name, valid from investigators") == [("Falsch", 0), ("Recht", 1)]
    site = Site(desk)
    page = site.get("/articles/5").text
    assert "Wronge" in page
    assert "NLM marks this name as wrong" in page
    assert "Wronge" not in page[page.index('id="cite"') :].split("</section>")[0]
    assert "Wronge" not in site.get("/questions/cystitis").text


# -- abbreviations of journals ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "with_both", "with_nlms"),
    [
        ("nbib", "TA  - J Test Nlm", "TA  - J Test Nlm"),
        ("ris", "J2  - J. Test. Iso", "J2  - J Test Nlm"),
        ("bibtex", "shortjournal = {J. Test. Iso}", "shortjournal = {J Test Nlm}"),
        ("csl-json", '"container-title-short": "J. Test. Iso"', '"container-title-short": "J Test Nlm"'),
    ],
)
def test_each_format_has_the_abbreviation_that_it_asks_for(
    desk: Desk, format: str, with_both: str, with_nlms: str
) -> None:
    text = exported(desk, format)
    assert with_both in text
    assert with_nlms in text


def test_vancouver_has_nlms_abbreviation(desk: Desk) -> None:
    site = Site(desk)
    for pmid in (5, 6):
        cited = site.get(f"/articles/{pmid}").text.split('id="cite"')[1]
        assert "J Test Nlm" in cited.split("</details>")[0]


def test_tables_have_both(desk: Desk) -> None:
    assert "J. Test. Iso" in exported(desk, "csv")
    assert "J Test Nlm" in exported(desk, "csv")


# -- facets -----------------------------------------------------------------------------------------


def test_the_index_has_every_kind_of_notice_that_lists_have(desk: Desk) -> None:
    for flag, value in facets.NOTICES.items():
        with closing(sqlite3.connect(desk.db)) as db, db:
            db.execute(f"update articles set {flag} = 1 where pmid = 5")
            derived.fill(db)
            word = facets.word(facets.number(db, "", "notice", value))
            (words,) = db.execute("select facets from searched_articles where pmid = 5").fetchone()
            assert word in words.split()
            found = db.execute(
                "select rowid from articles_fts where articles_fts match ?", (word,)
            ).fetchall()
            assert (5,) in found
