"""The site shows what is stored, says how complete it is, and gives nobody what is not theirs."""

from __future__ import annotations

import re
import sqlite3
import stat
import time
from contextlib import closing
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from lxml import html

from tests.conftest import FIXTURES, Desk, tiled
from tests.helpers_load import open_evidence, record
from tests.helpers_site import (
    CONCERN,
    HASH,
    HOSTILE,
    MARKUP,
    MATHML,
    OURS,
    QUESTIONS,
    RETRACTED,
    Site,
    articles_on,
    example,
    filled,
    free_port,
    served,
)
from tracker.evidence import derived
from tracker.lists import pages as lists_pages
from tracker.settings import Settings
from tracker.site import words
from tracker.site.routes import ROUTES, Route
from tracker.site.server import errors
from tracker.site.server.security import Policy
from tracker.site.server.serve import open_site

METADATA = yaml.safe_load((Path(__file__).parents[1] / "metadata.yml").read_text(encoding="utf-8"))
SAVED = METADATA["databases"]["evidence"]["queries"]
DATASETTES = ("/evidence", "/evidence/articles", f"/evidence/articles/{RETRACTED}", "/evidence?sql=select+1")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Two days of refreshes; the tests only read it."""
    return filled(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def site(library: Desk) -> Site:
    return Site(library)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A database of its own, with what the questions match on the first day."""
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    files = sorted((FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *map(str, files)).code == 0
    return desk


def text(page: str) -> str:
    """What a reader sees of the page, white space evened."""
    return " ".join(html.fromstring(page).text_content().split())


def query(sql: str, suffix: str = ".json", **more: str) -> str:
    return str(httpx.URL(f"/evidence{suffix}", params={"sql": sql, **more}))


# -- the pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*OURS, *DATASETTES, "/evidence.json", "/evidence/runs.csv", "/.json"])
def test_a_page_answers(site: Site, path: str) -> None:
    assert site.page(path)


def test_every_stored_record_has_a_page_with_its_title(site: Site, library: Desk) -> None:
    for pmid, title in library.sql("select pmid, title from articles"):
        assert " ".join(title.split()) in text(site.page(f"/articles/{pmid}")), pmid


def test_home_leads_to_every_question_and_says_how_many_records_match_and_until_when(
    site: Site, library: Desk
) -> None:
    page = site.page("/")
    assert "this is not medical advice" in text(page)
    for slug in QUESTIONS:
        (card,) = html.fromstring(page).xpath(f'//article[.//a[@href="/questions/{slug}"]]')
        assert f"{len(library.matching(slug))} records match" in " ".join(card.text_content().split())
        assert "Complete to" in card.text_content()


def test_home_calls_out_what_was_withdrawn(site: Site) -> None:
    (banner,) = html.fromstring(site.page("/")).xpath('//section[@aria-labelledby="withdrawn"]')
    listed = [re.sub(r"\D", "", href) for href in banner.xpath(".//a/@href")]
    assert {str(RETRACTED), str(CONCERN)} <= set(listed)
    assert "noticed" in banner.text_content()


@pytest.mark.parametrize("slug", QUESTIONS)
def test_a_question_shows_its_claim_as_a_claim_and_all_its_records(
    site: Site, library: Desk, slug: str
) -> None:
    page = site.page(f"/questions/{slug}")
    assert "This is a claim, not evidence." in text(page)
    assert "numbers of papers do not measure strength of evidence" in text(page)
    assert set(articles_on(page)) == library.matching(slug)


def test_paging_by_key_shows_every_record_once_newest_first(desk: Desk) -> None:
    assert desk.run("load", "--match", "all", str(tiled(desk.home, 4))).code == 0
    desk.change("update articles set published = null where pmid % 1000000 in (36464, 301, 303)")
    with closing(sqlite3.connect(desk.db)) as db, db:
        derived.fill(db)
    site, path = Site(desk), "/questions/cystitis"
    seen: list[int] = []
    named: set[int] = set()
    while path:
        page = site.page(path)
        assert len(articles_on(page, "/li/p[1]")) <= 25
        seen += articles_on(page, "/li/p[1]")
        named |= set(articles_on(page))
        path = unescape("".join(re.findall(r'rel="next" href="([^"]+)"', page)))
    assert len(seen) == len(set(seen)) > 75
    expected: list[int] = desk.column(
        "select pmid from question_articles where question = 'cystitis' and matching "
        "order by published desc, pmid desc"
    )
    assert named == set(expected)
    assert seen == [pmid for pmid in expected if pmid in seen]


@pytest.mark.parametrize(
    "key", ["x", "2020", "2020-01-01,x", ",", "'; drop table articles", "2020,99999999999"]
)
def test_a_key_that_is_not_ours_begins_at_the_top(site: Site, key: str) -> None:
    top = articles_on(site.page("/questions/cystitis"))
    assert articles_on(site.page(str(httpx.URL("/questions/cystitis", params={"after": key})))) == top


def test_markup_is_shown_as_markup(site: Site) -> None:
    page = site.page(f"/articles/{MARKUP}")
    assert "Ca<sup>2+</sup>" in page
    assert "10<sup>-3</sup>" in page
    assert "<mfrac>" in site.page(f"/articles/{MATHML}")


def test_the_words_that_a_label_was_read_from_are_marked_in_the_abstract(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    abstract = "Cells &amp; more. We did a randomized controlled trial of 10<sup>6</sup> cells. They grew."
    body = record(1, "Ketamine", "WORDS").replace("WORDS", abstract)
    (desk.home / "one.xml").write_text(body.replace("<AbstractText>", '<AbstractText Label="METHODS">'))
    assert desk.run("load", "one.xml").code == 0
    page = re.sub(r'<sup class="sign">.*?</sup>', "", Site(desk).page("/articles/1"))
    assert (
        "Cells &amp; more. <mark>We did a randomized controlled trial of 10</mark><sup><mark>6</mark></sup>"
        "<mark> cells.</mark> They grew."
    ) in re.sub("<mark [^>]*>", "<mark>", page)


def test_a_retraction_comes_before_the_title_with_its_notice_and_the_day_it_was_noticed(site: Site) -> None:
    page = text(site.page(f"/articles/{RETRACTED}"))
    title = page.rindex("Frequency of bladder complaints")
    assert page.index("RETRACTED: Ann Inv Urol. 2025 Jun;35(6):420.") < title
    assert "Retracted: see Ann Inv Urol. 2025 Jun;35(6):420. doi: 10.5555/et.90000906. PMID 90000906" in page
    assert re.search(r"Noticed \d+ \w+ \d{4}.*retracted ?no yes", page)


def test_an_expression_of_concern_and_a_correction_are_told_apart(site: Site) -> None:
    assert "EXPRESSION OF CONCERN: J Imag Psychiatry. 2025" in text(site.page(f"/articles/{CONCERN}"))
    page = text(site.page("/articles/90000101"))
    assert "CORRECTED: J Imag Psychiatry. 2025" in page
    assert "RETRACTED" not in page
    listed = html.fromstring(site.page("/questions/cystitis")).xpath(
        f'//li[.//a[starts-with(@href, "/articles/{RETRACTED}")]]'
    )
    assert "Retracted" in listed[0].text_content()


def test_a_label_shows_the_words_that_it_was_read_from(site: Site) -> None:
    page = text(site.page(f"/articles/{RETRACTED}"))
    assert "Study design" in page and "cross-sectional study" in page
    assert "rule cross-sectional-title" in page


def test_group_authors_books_and_other_languages_are_shown(site: Site, library: Desk) -> None:
    for pmid, name in library.sql(
        "select pmid, collective_name from authors where collective_name is not null"
    ):
        assert name in text(site.page(f"/articles/{pmid}"))
    for (pmid,) in library.sql("select pmid from books"):
        assert site.page(f"/articles/{pmid}")
    for pmid, language, part in library.sql("select pmid, language, text from other_abstracts"):
        page = site.page(f"/articles/{pmid}")
        assert part in text(page)
        assert not language or f'lang="{words.language_tag(language)}"' in page


def test_methods_shows_each_strategy_as_sent_what_pubmed_made_of_it_and_the_runs(
    site: Site, library: Desk
) -> None:
    page = text(site.page("/methods"))
    searched = library.sql("select query, translation from searches where purpose = 'strategy'")
    assert searched
    for sent, translation in searched:
        assert " ".join(sent.split()) in page
        assert " ".join((translation or "").split()) in page
    assert "the numbers agree" in page
    assert page.count("refresh") >= 2


@pytest.mark.parametrize(
    ("value", "field", "shown"),
    [
        (None, "pages", ""),
        ("1", "retracted", "yes"),
        ("[Ketamine and bladders].", "title", "[Ketamine and bladders]."),
        ('{"volume": null, "issue": "9"}', "journal", "issue 9"),
        ('[{"name": "Review", "ui": "D016454"}, {"name": "Letter"}]', "publication_types", "Review; Letter"),
        ('[{"type": "RetractionIn", "pmid": 1}]', "notices", "Retracted: see PMID 1"),
        ('["eng", "ger"]', "languages", "eng; ger"),
        ("17", "version", "17"),
    ],
)
def test_what_changed_is_told_in_words(value: str | None, field: str, shown: str) -> None:
    assert words.changed(value, field) == shown


# -- how complete it is ----------------------------------------------------------------------------


def test_a_question_that_was_not_complete_says_so_since_when_and_why(desk: Desk) -> None:
    desk.change(
        "update questions set complete_to = '2025-06-01T20:00:00Z', incomplete_since = '2025-06-02T20:00:00Z', "
        "incomplete_reason = 'PubMed did not answer <b>in time</b>' where slug = 'cystitis'"
    )
    site = Site(desk)
    for path in ("/", "/questions/cystitis", "/methods"):
        page = text(site.page(path))
        assert "This list may be missing papers." in page
        assert "last complete search was 1 June 2025, 20:00 UTC" in page
        assert "because: PubMed did not answer <b>in time</b>." in page
    assert "missing papers" not in site.page("/questions/cognition")


def test_a_question_that_was_never_complete_does_not_look_complete(desk: Desk) -> None:
    assert "Not searched yet." in text(Site(desk).page("/questions/cystitis"))
    desk.change(
        "update questions set incomplete_since = '2025-06-02T20:00:00Z', incomplete_reason = 'it was interrupted'"
    )
    page = text(Site(desk).page("/questions/cystitis"))
    assert "No search has completed yet" in page
    assert "Complete to" not in page


def test_starter_citations_are_called_so_wherever_they_are_shown(desk: Desk) -> None:
    desk.change("update record_state set source = 'starter'")
    desk.change("update question_articles set reason = 'starter citation'")
    site = Site(desk)
    for path in ("/", "/questions/cystitis", "/methods", f"/articles/{RETRACTED}"):
        assert "not search results. A refresh replaces them." in text(site.page(path)), path
    assert "21 starter citations" in text(site.page("/"))
    assert "Our search matched" not in text(site.page("/questions/cystitis"))
    assert "STARTER CITATION" in text(site.page(f"/articles/{RETRACTED}"))


def test_where_there_is_no_starter_citation_none_is_spoken_of(site: Site) -> None:
    for path in OURS:
        assert "tarter citation" not in site.page(path)


def test_a_site_without_questions_says_what_to_do(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "")
    desk.db.parent.mkdir()
    open_evidence(desk.db.parent).close()
    site = Site(desk)
    assert "There are no questions yet." in text(site.page("/"))
    assert site.page("/methods")


def test_pages_answer_while_another_process_is_in_the_middle_of_writing(desk: Desk) -> None:
    writing = (
        "import sqlite3, time; db = sqlite3.connect('db/evidence.db', isolation_level=None); "
        "db.execute('begin immediate'); db.execute(\"update articles set title_html = 'HALF WRITTEN'\"); "
        "print('writing', flush=True); time.sleep(60)"
    )
    writer = desk.start_python("-c", writing)
    try:
        assert writer.stdout and writer.stdout.readline() == "writing\n"
        site = Site(desk)
        for path in (*OURS, *DATASETTES):
            assert "HALF WRITTEN" not in site.page(path)
        # Nobody has waited for the writer, who is still at it.
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()


def test_what_was_written_meanwhile_shows_at_once(desk: Desk) -> None:
    site = Site(desk)
    assert "Written later" not in site.page("/questions/cystitis")
    desk.change("update articles set title_html = 'Written later' where pmid = ?", RETRACTED)
    assert "Written later" in site.page("/questions/cystitis")


def test_a_copy_can_be_served_as_immutable(desk: Desk) -> None:
    site = Site(desk, immutable=True)
    for path in (*OURS, *DATASETTES):
        assert site.page(path)


# -- saved queries ---------------------------------------------------------------------------------


def saved(site: Site, name: str, **given: str) -> list[dict[str, Any]]:
    began = time.monotonic()
    answer = site.get(str(httpx.URL(f"/evidence/{name}.json", params={"_shape": "array", **given})))
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - began < 1
    return list(answer.json())


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_query_is_described_and_finds_something(site: Site, name: str) -> None:
    about = SAVED[name]
    assert about["title"]
    assert about["description"].strip()
    given = {"pmids": {"question": "cystitis"}, "phrase": {"phrase": "bladder"}}.get(name, {"question": ""})
    assert saved(site, name, **given)
    assert about["title"] in text(site.page(f"/evidence/{name}"))


@pytest.mark.parametrize("name", [name for name in SAVED if ":question" in SAVED[name]["sql"]])
def test_a_saved_query_keeps_to_the_question_it_is_given(site: Site, name: str) -> None:
    rows = saved(site, name, question="cystitis")
    assert {row.get("question", "cystitis") for row in rows} <= {"cystitis"}
    assert not [row for row in saved(site, name, question="nonsense' or 1=1 --") if row.get("papers") != 0]


def test_saved_queries_find_what_they_promise(site: Site, library: Desk) -> None:
    assert {RETRACTED, CONCERN} <= {row["pmid"] for row in saved(site, "withdrawn")}
    assert RETRACTED in {row["pmid"] for row in saved(site, "changed_lately")}
    assert {row["reason"] for row in saved(site, "entered_lately")} == {"newly published", "newly indexed"}
    assert 90000204 in {row["pmid"] for row in saved(site, "left")}
    pmids = saved(site, "pmids", question="cystitis")[0]["pmids"]
    assert {int(pmid) for pmid in pmids.split()} == library.matching("cystitis")


@pytest.mark.parametrize(
    "phrase", ["", '"', "ketamine-induced", "10.1016/j.x", 'bladder" or "a', "NEAR(", "*"]
)
def test_a_phrase_may_hold_anything(site: Site, phrase: str) -> None:
    assert saved(site, "phrase", phrase=phrase) is not None


def test_a_pmid_in_a_table_leads_to_our_page(site: Site) -> None:
    assert f'<a href="/articles/{RETRACTED}">{RETRACTED}</a>' in site.page("/evidence/withdrawn")


def test_datasettes_pages_carry_source_licence_and_nlms_disclaimer(site: Site) -> None:
    page = text(site.page("/evidence"))
    assert "courtesy of the U.S. National Library of Medicine" in page
    assert "NLM makes no representation or warranties" in unescape(page)
    assert "NCBI's disclaimer and copyright notice" in text(site.page("/evidence/articles"))


# -- what is nobody's ------------------------------------------------------------------------------

SPELLINGS = (
    "annotations", "Annotations", "%61nnotations", "~61nnotations", "annotations%20", "annotations%00",
    "evidence/../annotations", "evidence%2F..%2Fannotations", "~2F~2Fannotations", "./annotations",
    "_site", "_SITE", "%5Fsite", "~5Fsite", "_internal", "_memory",
)  # fmt: skip
WAYS = (
    "", ".json", ".db", ".csv?sql=select+*+from+people", "?sql=select+*+from+annotations.people",
    ".json?sql=select+*+from+annotations.people", "/people", "/people.json", "/people.csv", "/people/1",
    "/people/1.json", "/people/1.blob?_blob_column=password_hash", "/annotations.people", "/annotations~2Epeople",
    "/articles", "/articles.json?_size=max", "/reviews", "/withdrawn.json", "/taggings?_facet=pmid",
)  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_hidden_databases_are_refused_on_every_route_however_spelt(site: Site, name: str) -> None:
    for route in WAYS:
        answer = site.get(f"/{name}{route}", follow_redirects=True)
        assert answer.status_code in (400, 403, 404), route
        assert HASH not in answer.text, route


@pytest.mark.parametrize(
    "table",
    ["annotations.people", '"annotations"."people"', "_site.people", "people", "main.people", "temp.people"],
)
@pytest.mark.parametrize("suffix", ["", ".json", ".csv"])
def test_sql_cannot_see_annotations(site: Site, table: str, suffix: str) -> None:
    for path in (
        query(f"select * from {table}", suffix),
        query(f"explain select * from {table}", suffix),
        f"/evidence/{table}{suffix}",
        f"/evidence/withdrawn{suffix}?sql=select+*+from+{table}",
        f"/evidence/articles{suffix}?_where=pmid+in+(select+id+from+{table})",
    ):
        answer = site.get(path, follow_redirects=True)
        assert HASH not in answer.text
        # Datasette answers a CSV that cannot be had with an empty one; a saved query keeps to its own SQL.
        assert answer.status_code >= 400 or not answer.text.strip() or "/withdrawn" in path


@pytest.mark.parametrize(
    "sql",
    [
        "attach 'db/annotations.db' as x",
        "explain attach 'db/annotations.db' as x",
        "pragma database_list",
        "select 1; attach 'db/annotations.db' as x",
        "select load_extension('x')",
        "select readfile('db/annotations.db')",
    ],
)
def test_sql_reaches_no_other_file(site: Site, sql: str) -> None:
    assert site.get(query(sql)).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/-/databases", "/-/databases.json", "/-/metadata.json", "/-/plugins.json", "/-/settings.json",
        "/-/threads.json", "/-/versions.json", "/.json", "/evidence.json",
        query("select * from pragma_database_list"), query("select * from pragma_database_list()"),
    ],
)  # fmt: skip
def test_nothing_tells_where_the_files_lie_or_what_is_hidden(site: Site, library: Desk, path: str) -> None:
    page = site.page(path)
    assert str(library.home) not in page
    assert str(Path(__file__).parents[1]) not in page
    assert "_site" not in page
    assert "annotations" not in page


@pytest.mark.parametrize("path", ["/evidence.db", "/annotations.db", "/_site.db", "/%65vidence.db"])
def test_no_database_can_be_downloaded(site: Site, path: str) -> None:
    answer = site.get(path, follow_redirects=True)
    assert answer.status_code in (403, 404)
    assert b"SQLite format 3" not in answer.content


@pytest.mark.parametrize(
    "sql",
    [
        "delete from articles",
        "delete from articles returning pmid",
        "with x as (select 1) delete from articles",
        "explain delete from articles",
        "insert into runs (command) values ('x')",
        "replace into runs (id) values (1)",
        "create table x (y)",
        "drop table articles",
        "vacuum into 'x.db'",
        "pragma writable_schema = 1",
        "begin immediate",
        "select 1; delete from articles",
        "select 1 /* ; */ ; delete from articles",
        "insert into articles_fts (articles_fts) values ('delete-all')",
    ],
)
def test_sql_writes_nothing(site: Site, library: Desk, sql: str) -> None:
    before = library.sql(
        "select count(*), max(rowid) from articles union all select count(*), 0 from sqlite_master"
    )
    for suffix in ("", ".json", ".csv"):
        answer = site.get(query(sql, suffix))
        assert answer.status_code == 400 or suffix == ".csv" or sql.startswith("explain")
    assert (
        library.sql(
            "select count(*), max(rowid) from articles union all select count(*), 0 from sqlite_master"
        )
        == before
    )


@pytest.mark.parametrize(
    "sql",
    [
        "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
        "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n",
        "select count(*) from articles, authors, authors, mesh_headings, mesh_headings, labels",
    ],
)
def test_a_runaway_query_is_stopped(site: Site, sql: str) -> None:
    began = time.monotonic()
    answer = site.get(query(sql))
    assert answer.status_code == 400 or len(answer.json()["rows"]) == 1000
    assert time.monotonic() - began < 3


def test_a_value_can_only_grow_so_long(site: Site) -> None:
    for sql in ("select printf('%.900000000d', 1)", "select hex(zeroblob(900000000))"):
        began = time.monotonic()
        assert len(site.get(query(sql)).content) < 10_000
        assert time.monotonic() - began < 1


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "Not found"),
        ("/questions/nowhere", 404, "Unknown question 'nowhere'."),
        ("/articles/7", 404, "PMID 7 is not stored here."),
        ("/articles/4294967296", 404, "not stored here"),
        ("/articles/99999999999999999999", 404, "Not found"),
        ("/evidence/nowhere", 404, "Not found"),
        ("/evidence/articles/nobody", 404, "Not found"),
        ("/annotations", 403, "Not allowed"),
        ("/evidence.db", 403, "Not allowed"),
        ("/-/permissions", 403, "Not allowed"),
        ("/evidence?sql=delete+from+articles", 400, "Statement must be a SELECT"),
        ("/evidence?sql=select+*+from+nowhere", 400, "no such table: nowhere"),
        ("/evidence/articles?_sort=nothing", 500, "Cannot sort table by nothing"),
    ],
)
def test_a_reader_who_errs_gets_a_plain_page_and_the_log_nothing(
    site: Site,
    path: str,
    status: int,
    words: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = site.get(path)
    assert answer.status_code == status
    assert words in text(answer.text)
    assert "Traceback" not in answer.text
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name not in ("httpx", "asyncio")]


@pytest.mark.parametrize("path", ["/nowhere.json", "/annotations.json", "/annotations/people.json"])
def test_a_program_that_errs_gets_json(site: Site, path: str) -> None:
    answer = site.get(path).json()
    assert answer["ok"] is False
    assert answer["status"] in (403, 404)


def test_our_own_mistakes_are_logged_once_and_not_shown(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("the inner life")

    monkeypatch.setattr(lists_pages, "home", fail)
    answer = site.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert "inner life" not in answer.text
    assert [record.getMessage() for record in caplog.records if record.name == errors.log.name] == [
        "GET / failed"
    ]


def served_from(desk: Desk, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[int, str]:
    """Exit code and message of ``tracker serve``, which must not come to serve."""
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: pytest.fail("it serves"))
    done = desk.run("serve", "--port", str(free_port()), *options)
    assert done.out == ""
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    return done.code, done.err


def test_a_missing_database_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, message = served_from(Desk(tmp_path, "http://127.0.0.1:9/"), monkeypatch)
    assert code == 2
    assert "there is no database yet. Run 'tracker refresh'" in message


def test_a_damaged_database_is_one_clear_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.sql("pragma wal_checkpoint(truncate)")
    size = desk.db.stat().st_size
    for content in (
        b"no database at all" * 1000,
        desk.db.read_bytes()[:4096] + bytes(size - 4096),
        desk.db.read_bytes()[:5000],
    ):
        desk.db.write_bytes(content)
        code, message = served_from(desk, monkeypatch)
        assert code == 1
        assert "damaged" in message or "malformed" in message


def test_another_database_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    desk.db.parent.mkdir()
    desk.change("create table somebody_elses (x)")
    code, message = served_from(desk, monkeypatch)
    assert code == 1
    assert "not made by evidence-tracker" in message


@pytest.mark.parametrize("which", ["evidence", "annotations"])
def test_a_newer_database_is_one_clear_line(desk: Desk, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    desk.annotate()
    with closing(sqlite3.connect(desk.db.with_stem(which))) as db, db:
        db.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at) values (?, 'm999_later', '')",
            (which,),
        )
    code, message = served_from(desk, monkeypatch)
    assert code == 2
    assert "written by a later version" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"title: [", "not valid YAML"),
        (b"- a list", "not a YAML mapping"),
        (b"\xff\xfe\x00", "not valid YAML"),
    ],
)
def test_unreadable_metadata_is_one_clear_line(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str
) -> None:
    (desk.home / "metadata.yml").write_bytes(content)
    code, message = served_from(desk, monkeypatch)
    assert code == 2
    assert "metadata.yml" in message
    assert words in message


def test_a_port_that_is_taken_is_one_clear_line(desk: Desk) -> None:
    with served(desk) as address:
        port = address.rpartition(":")[2]
        done = desk.shell("serve", "--port", port)
        assert done.code == 2
        assert done.err.count("\n") == 1
        assert f"127.0.0.1:{port} cannot be used" in done.err
        assert httpx.get(address).status_code == 200


def test_the_server_answers_with_our_headers_and_does_not_say_what_it_is(desk: Desk) -> None:
    with served(desk) as address:
        answer = httpx.get(f"{address}/questions/cystitis")
        assert answer.status_code == 200
        assert "server" not in answer.headers
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


# -- what the browser is told ----------------------------------------------------------------------

EVERYWHERE = (
    *OURS, *DATASETTES, "/nowhere", "/annotations", "/evidence.db", "/.json", "/nowhere.json", "/evidence/runs.csv",
    "/-/databases.json", "/-/static/app.css", "/-/static/nothing.css", "/favicon.ico", "/questions/cystitis/",
    "/-/static-plugins/evidence-tracker/tracker.css", "/evidence?sql=delete", "/-/config", "/-/patterns",
)  # fmt: skip


@pytest.mark.parametrize("path", EVERYWHERE)
def test_every_answer_carries_the_security_headers_once(site: Site, path: str) -> None:
    headers = site.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    (policy,) = headers.get_list("content-security-policy")
    for rule in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert rule in policy
    (scripts,) = re.findall(r"script-src ([^;]+)", policy)
    assert "unsafe" not in scripts
    assert "http" not in policy


@pytest.mark.parametrize("path", [*OURS, "/questions/nowhere", "/articles/7"])
def test_our_pages_allow_no_inline_script_or_style_and_have_none(site: Site, path: str) -> None:
    answer = site.get(path)
    policy = answer.headers["content-security-policy"]
    assert "nonce" not in policy
    assert "unsafe" not in policy
    tree = html.fromstring(answer.text)
    # JSON-LD is data, which no browser runs.
    scripts = tree.xpath("//script[not(@src)]")
    assert {(script.get("type"), *script.attrib) for script in scripts} <= {("application/ld+json", "type")}
    assert not tree.xpath("//style | //*[@style] | //@*[starts-with(name(), 'on')]")


@pytest.mark.parametrize("route", [route for route in ROUTES if route.read or route.write], ids=example)
def test_whatever_answers_in_the_table_of_routes_has_the_strict_policy(site: Site, route: Route) -> None:
    """Nothing that is added there gets the one that Datasette's own pages need, also below their addresses."""
    assert route.policy is Policy.STRICT
    assert site.get(example(route)).headers["content-security-policy"].encode() == Policy.STRICT.header("")


@pytest.mark.parametrize("path", ["/nowhere", "/evidences", "/-", "/questions", "/annotations", "/.json"])
def test_what_is_in_no_table_has_the_strict_policy(site: Site, path: str) -> None:
    assert site.get(path).headers["content-security-policy"].encode() == Policy.STRICT.header("")


@pytest.mark.parametrize("path", DATASETTES)
def test_the_scripts_of_datasettes_pages_carry_a_nonce_that_is_never_used_again(
    site: Site, path: str
) -> None:
    nonces = set()
    for _ in range(2):
        answer = site.get(path)
        (nonce,) = re.findall(r"'nonce-([\w-]{20,})'", answer.headers["content-security-policy"])
        inline = html.fromstring(answer.text).xpath("//script[not(@src)]")
        assert {script.get("nonce") for script in inline} <= {nonce}
        nonces.add(nonce)
    assert len(nonces) == 2


def test_text_from_a_record_is_only_ever_text(site: Site, library: Desk) -> None:
    """Every page of ours, and Datasette's pages of the hostile record."""
    paths = [*OURS, *(f"/articles/{pmid}" for pmid in sorted(library.stored()))]
    theirs = [
        f"/evidence/articles/{HOSTILE}",
        f"/evidence/articles?pmid={HOSTILE}",
        f"/evidence/keywords?pmid={HOSTILE}",
        query(f"select * from articles where pmid = {HOSTILE}", ""),
    ]
    for path in paths + theirs:
        tree = html.fromstring(site.page(path))
        assert not tree.xpath("//iframe | //object | //embed | //base | //@*[starts-with(name(), 'on')]"), (
            path
        )
        assert not tree.xpath("//img") or path in theirs, path
        assert not [
            link for link in tree.xpath("//@href | //@src") if re.match(r"\s*(javascript|data):", link)
        ]
    page = text(site.page(f"/articles/{HOSTILE}"))
    for written in ('<script>alert("title")</script>', "{{ 7*7 }} {% raw %}", "<svg onload=alert(5)>"):
        assert written in page
    assert 'href="https://doi.org/10.5555/et.90000663/%22%3E%3Cscript%3E' in site.page(f"/articles/{HOSTILE}")


def test_no_page_of_ours_loads_anything_from_elsewhere(site: Site) -> None:
    for path in (*OURS, *DATASETTES):
        tree = html.fromstring(site.page(path))
        loaded = tree.xpath("//link[@rel='stylesheet']/@href | //script/@src | //img/@src | //source/@src")
        assert all(link.startswith("/-/static") for link in loaded), path


# -- the signing secret ----------------------------------------------------------------------------


def test_the_signing_secret_is_made_once_and_is_its_owners_alone(desk: Desk) -> None:
    settings = Settings(db_dir=desk.db.parent, queries=desk.queries)
    signed = open_site(settings).sign("somebody")
    kept = desk.db.with_name(".secret")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(kept.read_text()) == 64
    assert open_site(settings).unsign(signed) == "somebody"


def test_the_secret_of_the_environment_wins_and_none_is_written(desk: Desk) -> None:
    settings = Settings(db_dir=desk.db.parent, queries=desk.queries, secret="given")
    signed = open_site(settings).sign("somebody")
    assert not desk.db.with_name(".secret").exists()
    assert open_site(settings).sign("somebody") == signed
    assert open_site(replace(settings, secret="another")).sign("somebody") != signed
