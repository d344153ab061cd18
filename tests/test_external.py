"""Records of other databases: imported once, shown like any other, and never taken for PubMed's."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXPECTED, FIXTURES, Desk, asked_for, assert_same, check_whole, dump, expected
from tests.eutils_server import StandIn
from tests.helpers_load import open_evidence, put, record
from tests.helpers_site import PASSWORD, Site, add_person, send, served, signed_in
from tracker.article import ArticleKey, spelt
from tracker.team import decisions, people
from tracker.team.acts import acting, open_annotations
from tracker.team.review import Review

FILES = FIXTURES / "external"
SEARCHED = "2026-03-01"
# Our number for a record, wherever it could slip out as it is stored: the fixtures' numbers begin here.
FIRST = 900_000_001
NEGATIVE = re.compile(rf"-{FIRST // 1000}\d{{3}}\b|x-\d|(?<![\w.])--\d{{3}}")


def ris(*entries: dict[str, str | list[str]]) -> str:
    """A RIS file of these records: a tag with its value, or its values."""
    lines: list[str] = []
    for entry in entries:
        lines.append("TY  - JOUR")
        for tag, values in entry.items():
            lines += [f"{tag}  - {value}" for value in ([values] if isinstance(values, str) else values)]
        lines += ["ER  - ", ""]
    return "\r\n".join(lines)


def bring(
    desk: Desk, file: Path | str, source: str = "Embase", *more: str, question: str = "cystitis"
) -> Any:
    """The report of an import; a text is written into a file first."""
    if isinstance(file, str):
        path = desk.home / "records.ris"
        path.write_text(file, encoding="utf-8")
        file = path
    arguments = (question, str(file), "--source", source, "--searched", SEARCHED, "--json", *more)
    done = desk.run("import-records", *arguments)
    assert done.code in (0, 3), done.err
    return done.json


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """PubMed's records after a refresh, with nothing of other databases; our numbers begin high, to be found."""
    with StandIn(FIXTURES, rate=0) as pubmed:
        desk = Desk(tmp_path_factory.mktemp("external"), pubmed.url)
        assert desk.run("refresh").code == 0
    desk.change(
        """
        insert into external_records (id, question, source, searched, imported, file, file_hash, place, record, pmid)
        values (?, 'none', 'none', '2020-01-01', '2020-01-01T00:00:00Z', '', '', '', '{"fields": {}}', 1)
        """,
        FIRST - 1,
    )
    return desk


@pytest.fixture
def desk(loaded: Desk, tmp_path: Path, pubmed: StandIn) -> Desk:
    desk = Desk(tmp_path, pubmed.url)
    desk.db.parent.mkdir()
    shutil.copy(loaded.db, desk.db)
    return desk


@pytest.fixture(scope="module")
def filled(loaded: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """All five files imported into one question."""
    desk = Desk(tmp_path_factory.mktemp("filled"), loaded.url)
    desk.db.parent.mkdir()
    shutil.copy(loaded.db, desk.db)
    for name, source in (
        ("embase.ris", "Embase"),
        ("scopus.csv", "Scopus"),
        ("wos.bib", "Web of Science"),
        ("psycinfo.endnote", "PsycINFO"),
        ("eric.nbib", "ERIC"),
    ):
        bring(desk, FILES / name, source)
    return desk


def key(desk: Desk, title: str) -> int:
    (found,) = desk.column("select pmid from articles where title like ?", f"%{title}%")
    return int(found)


# -- reading files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        (
            "Bladder pain and ketamine",
            (
                "Urology Reports",
                "12",
                "3",
                "101-109",
                "2023-05-01",
                "10.1000/embase.1",
                "Müller AB, O'Neill K",
                "eng",
            ),
        ),
        ("A new thing", ("Journal of Things", "1", None, "e12", "2024", None, "Nobody N", None)),
        (
            "Ketamine and the Bladder: a Review",
            ("J. Urol. Rev.", "5", None, "1-9", "2021", "10.1000/wos.1", "Schmidt E, Doe J", None),
        ),
        ("Esketamine and cystitis", ("Psych Rev", "3", None, "5-7", "2020", None, "Weber I", None)),
        (
            "among students",
            ("Journal of School Things", "7", None, "11-19", "2019", None, "Young P", "eng"),
        ),
    ],
)
def test_each_form_of_file_becomes_an_article(
    filled: Desk, title: str, wanted: tuple[str | None, ...]
) -> None:
    (row,) = filled.sql(
        """
        select journal, volume, issue, coalesce(pages, article_number), published, doi, authors_text, languages
        from articles where pmid = ?
        """,
        key(filled, title),
    )
    assert row == wanted


def test_a_record_is_labelled_and_searched_like_any_other(filled: Desk) -> None:
    cohort = key(filled, "Bladder pain")
    labels = filled.column("select value from labels where pmid = ? and label_group = 'design'", cohort)
    assert labels == ["cohort study"]
    assert "register-based cohort" in filled.run("search", "register-based").out
    check_whole(filled.db)


def test_source_search_date_and_file_are_kept(filled: Desk) -> None:
    (row,) = filled.sql(
        "select source, accession, searched, file, length(file_hash) from external_records where pmid = ? limit 1",
        key(filled, "Bladder pain"),
    )
    assert row == ("Embase", "L2001234567", SEARCHED, "embase.ris", 64)


def test_the_same_paper_in_two_databases_is_one_article(filled: Desk) -> None:
    cohort = key(filled, "Bladder pain")
    assert filled.column("select source from external_records where pmid = ? order by id", cohort) == [
        "Embase",
        "Scopus",
    ]
    shown = filled.run("show", f"x{-cohort}").out
    assert "In Embase L2001234567, searched 2026-03-01" in shown
    assert "In Scopus 2-s2.0-1" in shown


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
            "<xml><records><record><titles><title>&a;&c;</title></titles></record></records></xml>",
            "entities",
        ),
        ("<html><body>Sign in</body></html>", "without EndNote's records"),
        ("<xml><records><record>", "not readable XML"),
        ("TY  - JOUR\nTI  - Cut off\n", "cut off"),
        ("@article{a, title = {No end}", "not valid BibTeX"),
        ("nothing to see", "neither a CSV header nor RIS"),
        ("TY  - JOUR\nAU  - Nobody, N.\nER  - \n", "no title"),
        ("PK\x03\x04", "damaged"),
    ],
)
def test_an_unusable_file_is_refused_whole(desk: Desk, content: str, says: str) -> None:
    before = dump(desk.db)
    file = desk.home / "file"
    file.write_text(content, encoding="utf-8")
    done = desk.run("import-records", "cystitis", str(file), "--source", "Embase", "--searched", SEARCHED)
    assert done.code == 2
    assert says in done.err
    assert_same(desk.db, before)


@pytest.mark.parametrize(
    ("source", "searched", "says"),
    [
        ("PubMed", SEARCHED, "not the name of another database"),
        ("", SEARCHED, "not the name of another database"),
        ("Embase", "March", "not a day"),
        ("Embase", "2999-01-01", "in the future"),
    ],
)
def test_source_and_day_are_checked_first(desk: Desk, source: str, searched: str, says: str) -> None:
    file = str(FILES / "embase.ris")
    done = desk.run("import-records", "cystitis", file, "--source", source, "--searched", searched)
    assert done.code == 2
    assert says in done.err


def test_a_record_without_a_title_is_set_aside_and_named(desk: Desk) -> None:
    report = bring(desk, ris({"TI": "A paper of its own"}, {"AU": "Nobody, N."}))
    assert report["new"] == 1
    assert report["refused"] == [
        {"place": "record 2", "reason": "not a usable record of another database: it has no title"}
    ]


def test_a_dry_run_and_a_second_import_change_nothing(desk: Desk) -> None:
    before = dump(desk.db)
    assert bring(desk, FILES / "embase.ris", "Embase", "--dry-run")["new"] == 2
    assert_same(desk.db, before)
    bring(desk, FILES / "embase.ris")
    after = dump(desk.db)
    assert bring(desk, FILES / "embase.ris")["already_imported"]
    assert_same(desk.db, after)


# -- what is stored already --------------------------------------------------------------------------

STORED = {
    "TI": "Urinary symptoms in people treated with the drug: a cohort",
    "AU": ["Arnold, Ben", "Castle, Dora"],
    "PY": "2020",
    "JO": "J",
    "SP": "11",
    "DO": "10.1000/stored",
}


def with_stored(desk: Desk) -> None:
    """The same paper as PubMed has it, in no question."""
    pages = "<Pagination><MedlinePgn>11-9</MedlinePgn></Pagination>"
    ids = '<PubmedData><ArticleIdList><ArticleId IdType="doi">10.1000/STORED</ArticleId></ArticleIdList></PubmedData>'
    text = record(777, str(STORED["TI"]), authors=("Arnold B", "Castle D"))
    text = text.replace("</Journal>", f"</Journal>{pages}").replace(
        "</PubmedArticle>", f"{ids}</PubmedArticle>"
    )
    with closing(open_evidence(desk.db.parent)) as db:
        put(db, text)
        db.commit()


def without(**changes: str | list[str]) -> dict[str, str | list[str]]:
    """The stored paper's record with other values; an empty one leaves the field out."""
    return {tag: value for tag, value in {**STORED, **changes}.items() if value}


@pytest.mark.parametrize(
    ("given", "verdict", "reason"),
    [
        (without(PM="777", TI="Another wording"), "duplicate", "same PMID"),
        (without(), "duplicate", "same DOI"),
        (without(DO="https://doi.org/10.1000/stored", AU="", PY=""), "duplicate", "same DOI"),
        (without(DO="", TI=str(STORED["TI"]).upper()), "duplicate", "same title, authors"),
        (
            without(DO="", TI="Urinary symptoms in people treated with the drug: A COHORT."),
            "duplicate",
            "first page",
        ),
        (without(DO="", PY="2021", SP="11-19"), "duplicate", "first page"),
        # Another report of the same study, or another paper.
        (without(DO="", SP="S44", JO="Abstracts of a Congress"), "possible", "other pages, another journal"),
        (without(DO="10.1000/other"), "possible", "another DOI"),
        (without(DO="", AU=["Zimmer, Q."]), None, ""),
        (
            without(DO="", TI="Urinary symptoms in people treated with a placebo: a trial of ten weeks"),
            None,
            "",
        ),
        (without(PM="778", DO=""), None, ""),
    ],
)
def test_a_record_is_matched_by_pmid_doi_or_title_authors_year_and_place(
    desk: Desk, given: dict[str, str | list[str]], verdict: str | None, reason: str
) -> None:
    with_stored(desk)
    report = bring(desk, ris(given))
    found = {kind: report[name] for kind, name in (("duplicate", "duplicates"), ("possible", "possible"))}
    assert [kind for kind, rows in found.items() if rows] == ([verdict] if verdict else [])
    if verdict:
        (row,) = found[verdict]
        assert row["of"] == "777"
        assert reason in row["reason"]
    assert report["new"] == (0 if verdict == "duplicate" else 1)
    # Either way the question holds what the database found.
    assert (777 in desk.matching("cystitis")) == (verdict == "duplicate")


def test_a_verdict_is_logged_with_its_reason(desk: Desk) -> None:
    with_stored(desk)
    bring(desk, ris(without()))
    assert desk.sql("select pmid, verdict, reason, by_person from duplicates") == [
        (777, "duplicate", "same DOI 10.1000/stored", 0)
    ]


# -- PubMed's jobs -----------------------------------------------------------------------------------


def test_a_refresh_never_asks_for_a_record_of_another_database_nor_lets_it_leave(
    desk: Desk, pubmed: StandIn
) -> None:
    with_stored(desk)
    bring(desk, ris(without(), {"TI": "A paper that PubMed lacks altogether"}))
    ours = {777, key(desk, "lacks altogether")}
    assert ours <= desk.matching("cystitis")
    desk.days_pass(400)
    report = desk.run("refresh", "--full", "--json")
    assert report.code == 0, report.err
    assert report.question("cystitis")["left"] == 0
    assert ours <= desk.matching("cystitis")
    assert all(pmid > 0 for pmid in asked_for(pubmed))
    assert desk.column("select checked from record_state where pmid < 0") == [None]


def test_what_pubmed_no_longer_finds_stays_if_another_database_found_it(desk: Desk, pubmed: StandIn) -> None:
    question, leaving = next(
        (slug, min(each["left"])) for slug, each in EXPECTED["questions"].items() if each["left"]
    )
    (title,) = desk.column("select title from articles where pmid = ?", leaving)
    bring(desk, ris({"TI": title, "PM": str(leaving)}), question=question)
    pubmed.next_day()
    report = desk.run("refresh", "--json")
    assert report.question(question)["left"] == len(EXPECTED["questions"][question]["left"]) - 1
    assert leaving in desk.matching(question)
    reason = "select reason from question_articles where question = ? and pmid = ?"
    assert desk.column(reason, question, leaving) == ["found in another database"]
    check_whole(desk.db)


def test_what_pubmed_finds_later_enters_as_its_search_found_it(tmp_path: Path, pubmed: StandIn) -> None:
    desk = Desk(tmp_path, pubmed.url)
    assert desk.run("load", str(FIXTURES / "pubmed" / "cystitis.xml")).code == 0
    entering = min(expected("cystitis") & desk.stored())
    (title,) = desk.column("select title from articles where pmid = ?", entering)
    bring(desk, ris({"TI": title, "PM": str(entering)}))
    reason = "select reason from question_articles where question = 'cystitis' and pmid = ?"
    assert desk.column(reason, entering) == ["found in another database"]
    assert desk.run("refresh").code == 0
    assert desk.column(reason, entering) == ["first search"]
    assert desk.run("refresh", "--json").question("cystitis")["entered"] == 0


def test_a_rebuild_makes_the_same_rows(filled: Desk) -> None:
    before = dump(filled.db)
    assert filled.run("rebuild").code == 0
    assert_same(filled.db, before)
    check_whole(filled.db)


def test_records_are_counted_by_source(filled: Desk) -> None:
    from tracker.evidence.external import identified

    with closing(sqlite3.connect(filled.db)) as db:
        counted = identified(db, "cystitis")
        (shown,) = db.execute(
            "select count(*) from question_articles where question = 'cystitis' and matching"
        ).fetchone()
    assert [each.source for each in counted] == [
        "PubMed",
        "Embase",
        "Scopus",
        "Web of Science",
        "PsycINFO",
        "ERIC",
    ]
    assert counted[2] == ("Scopus", 2, 1)
    assert sum(each.records - each.duplicates for each in counted) == shown


# -- no number of ours shows as it is stored -----------------------------------------------------------


def crawled(site: Site, start: str, most: int = 150) -> dict[str, str]:
    """The texts of the pages and files that can be reached from here by links, ours and not Datasette's tables."""
    seen: dict[str, str] = {}
    ahead = [start]
    while ahead and len(seen) < most:
        path = ahead.pop(0)
        if path in seen:
            continue
        answer = site.get(path)
        assert answer.status_code < 400, (path, answer.status_code)
        is_text = not answer.headers["content-type"].startswith(("application/vnd", "image"))
        seen[path] = answer.text if is_text else ""
        if "html" in answer.headers["content-type"]:
            links = re.findall(r'(?:href|action)="(/(?!evidence|-/|sign-|static)[^"#]*)', answer.text)
            ahead += [
                link.replace("&amp;", "&") for link in links if "x9" in link or "/questions/cystitis." in link
            ]
    return seen


def test_no_page_feed_file_or_answer_shows_a_negative_number(filled: Desk) -> None:
    site = Site(filled)
    paths = [
        "/questions/cystitis?reason=&sort=pmid",
        "/questions/cystitis?q=ketamine",
        "/questions/cystitis/table",
        "/questions/cystitis/review",
        "/search?q=ketamine+cystitis",
        "/changes",
        "/changes.atom",
        "/methods",
        "/evidence/articles?pmid__lt=0",
        *(
            f"/questions/cystitis.{ending}"
            for ending in ("ris", "bib", "json", "csv", "nbib", "atom", "csl.json")
        ),
        *(f"/questions/cystitis/table.{ending}" for ending in ("csv", "json")),
    ]
    keys = filled.column("select pmid from articles where pmid < 0")
    assert len(keys) == 6
    texts = {path: site.get(path) for path in [*paths, *(f"/articles/x{-pmid}" for pmid in keys)]}
    ours = {path: answer.text for path, answer in texts.items() if answer.status_code == 200}
    assert len(ours) >= len(texts) - 1, [path for path, answer in texts.items() if answer.status_code != 200]
    ours |= crawled(site, "/questions/cystitis")
    named = [path for path, text in ours.items() if f"x{FIRST // 1000}" in text]
    assert len(named) > 10
    found = {path: NEGATIVE.findall(text) for path, text in ours.items() if not path.startswith("/evidence/")}
    assert {path: hits for path, hits in found.items() if hits} == {}


def test_no_command_shows_a_negative_number(filled: Desk) -> None:
    one = min(filled.column("select pmid from articles where pmid < 0"))
    for arguments in (
        ("show", f"x{-one}"),
        ("show", f"x{-one}", "--json"),
        ("search", "ketamine", "cystitis"),
        ("search", "ketamine", "cystitis", "--json"),
        *(
            ("export", "cystitis", "--format", name)
            for name in ("ris", "bibtex", "json", "csv", "nbib", "atom")
        ),
        ("status", "--json"),
    ):
        done = filled.run(*arguments)
        assert done.code in (0, 3), (arguments, done.err)
        assert not NEGATIVE.search(done.out + done.err), arguments


def test_an_export_names_database_and_number_in_place_of_a_pmid(filled: Desk) -> None:
    done = filled.run("export", "cystitis", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out.removeprefix("\ufeff"))))
    (cohort,) = [row for row in rows if row["title"].startswith("Bladder pain")]
    assert (cohort["pmid"], cohort["database"], cohort["accession"]) == ("", "Embase", "L2001234567")
    (evil,) = [row for row in rows if "HYPERLINK" in row["title"]]
    assert evil["title"].startswith("'=")
    articles = json.loads(filled.run("export", "cystitis", "--format", "json").out)["articles"]
    (cohort,) = [each for each in articles if each["title"].startswith("Bladder pain")]
    assert cohort["pmid"] is None
    assert cohort["external"]["accession"] == "L2001234567"
    assert cohort["url"] == "https://doi.org/10.1000/embase.1"


def test_the_page_says_where_a_record_comes_from(filled: Desk) -> None:
    site = Site(filled)
    page = site.page(f"/articles/x{-key(filled, 'Bladder pain')}")
    assert "Not from PubMed" in page
    assert "L2001234567" in page
    assert "pubmed.ncbi.nlm.nih.gov/x" not in page
    assert "<script>alert" not in site.page(f"/articles/x{-key(filled, 'HYPERLINK')}")
    assert site.get("/articles/x12345").status_code == 404


def test_people_tag_decide_and_undo_on_it_as_on_any_other(filled: Desk, tmp_path: Path) -> None:
    desk = Desk(tmp_path, filled.url)
    desk.db.parent.mkdir()
    shutil.copy(filled.db, desk.db)
    add_person(desk, "ada", "tagger")
    address = f"x{-key(desk, 'Bladder pain')}"
    with served(desk) as url, signed_in(url, "ada", PASSWORD) as browser:
        said = send(browser, f"/articles/{address}/decide", question="cystitis", decision="include")
        assert said.status_code == 303, said.text
        page = browser.get(f"/articles/{address}").text
        assert not NEGATIVE.search(page)
        assert "Included" in page or "included" in page
    log = desk.run("tag", "log")
    assert f"record {address}" in log.out
    assert not NEGATIVE.search(log.out)


def test_what_people_wrote_goes_out_and_comes_in_under_the_databases_own_number(
    filled: Desk, tmp_path: Path
) -> None:
    there, here = Desk(tmp_path / "there", filled.url), Desk(tmp_path / "here", filled.url)
    for desk in (there, here):
        desk.db.parent.mkdir(parents=True)
    shutil.copy(filled.db, there.db)
    for desk in (there, here):
        add_person(desk, "ada", "tagger")
    named = f"x{-key(there, 'Bladder pain')}"
    unnamed = key(there, "HYPERLINK")
    assert there.run("tag", "add", named, "harm", "--as", "ada").code == 0
    assert there.run("tag", "add", f"x{-unnamed}", "to discuss", "--as", "ada").code == 0
    for ending in ("csv", "jsonl"):
        file = tmp_path / f"written.{ending}"
        assert there.run("tag", "export", "-o", str(file)).code == 0
        text = file.read_text(encoding="utf-8-sig")
        assert "L2001234567" in text
        assert "10.1000/embase.1" in text
        assert not NEGATIVE.search(text)
    # Elsewhere the same records have other numbers.
    done = here.run("tag", "import", str(file))
    assert done.code == 2
    assert "is not stored here. Import it first" in done.err
    bring(here, ris({"TI": "Something else that comes first"}))
    bring(here, FILES / "embase.ris")
    assert here.run("tag", "import", str(file)).code == 0
    tagged = (
        sqlite3.connect(here.annotations).execute("select pmid from taggings order by pmid desc").fetchall()
    )
    assert tagged == [(key(here, "Bladder pain"),), (key(here, "HYPERLINK"),)]
    assert not NEGATIVE.search(there.run("tag", "list", "--json").out + there.run("tag", "log", "--json").out)


# -- what a person decides about duplicates ------------------------------------------------------------

CONGRESS = without(DO="", SP="S44", JO="Abstracts of a Congress")


@pytest.fixture
def paired(desk: Desk) -> tuple[Desk, int]:
    """A record that may be PMID 777, which the question holds as well; and Ada and Ben."""
    with_stored(desk)
    bring(desk, ris(without()), "Scopus")
    bring(desk, ris(CONGRESS))
    for name in ("ada", "ben"):
        add_person(desk, name, "lead")
    (ours,) = desk.column("select pmid from articles where pmid < 0")
    return desk, ours


def written(desk: Desk) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        return db.execute(
            """
            select 'decision', d.pmid, p.name, d.decision from decisions d join people p on p.id = d.person
            union all select 'tag', g.pmid, p.name, t.name from taggings g join people p on p.id = g.person
              join tags t on t.id = g.tag order by 1, 2, 3, 4
            """
        ).fetchall()


def decide(desk: Desk, pmid: int, name: str, decision: str) -> None:
    with closing(open_annotations(desk.annotations)) as db:
        person = people.named(db, name)
        with acting(db, person.id, "test") as act:
            decisions.decide(act, Review("cystitis", False, ()), ArticleKey(pmid), "title-abstract", decision)


def test_a_merge_moves_what_people_wrote_and_its_address_leads_on(paired: tuple[Desk, int]) -> None:
    desk, ours = paired
    record = spelt(ours)
    decide(desk, ours, "ada", "include")
    decide(desk, 777, "ben", "exclude")
    assert desk.run("tag", "add", record, "harm", "--as", "ada").code == 0
    before, stored = written(desk), dump(desk.db)
    done = desk.run("duplicates", "merge", record, "777", "--as", "ben")
    assert done.code == 0, done.err
    assert written(desk) == [
        ("decision", 777, "ada", "include"),
        ("decision", 777, "ben", "exclude"),
        ("tag", 777, "ada", "harm"),
    ]
    assert ours not in desk.stored() | desk.matching("cystitis")
    check_whole(desk.db)
    site = Site(desk)
    moved = site.get(f"/articles/{record}?in=cystitis")
    assert (moved.status_code, moved.headers["location"]) == (301, "/articles/777?in=cystitis")
    assert "In other databases" in site.page("/articles/777")
    # Two people who decided differently are in conflict, as on any record.
    (conflict,) = _conflicts(desk)
    assert conflict == (777, True)
    assert desk.run("rebuild").code == 0
    assert ours not in desk.stored()

    done = desk.run("duplicates", "split", record, "--as", "ada")
    assert done.code == 0, done.err
    assert written(desk) == before
    check_whole(desk.db)
    after = dump(desk.db)
    for table in (
        "articles",
        "labels",
        "question_articles",
        "external_records",
        "article_facets",
        "record_state",
    ):
        assert after[table] == stored[table], table
    assert Site(desk).get(f"/articles/{record}").status_code == 200


def _conflicts(desk: Desk) -> list[tuple[int, bool]]:
    with closing(sqlite3.connect(desk.annotations)) as db:
        votes = decisions.outcomes(db, Review("cystitis", False, ()), "title-abstract", [777])
    return [(pmid, outcome.conflict) for pmid, outcome in votes.items()]


def test_of_ones_own_two_decisions_the_later_counts(paired: tuple[Desk, int]) -> None:
    desk, ours = paired
    decide(desk, 777, "ada", "exclude")
    decide(desk, ours, "ada", "include")
    with closing(sqlite3.connect(desk.annotations)) as db, db:
        db.execute("update decisions set decided = '2026-01-01T00:00:00Z' where pmid = 777")
    before = written(desk)
    assert desk.run("duplicates", "merge", spelt(ours), "777", "--as", "ada").code == 0
    assert written(desk) == [("decision", 777, "ada", "include")]
    assert desk.run("duplicates", "split", spelt(ours), "--as", "ada").code == 0
    assert written(desk) == before


def test_what_a_rule_took_for_a_duplicate_can_be_split_and_stays_so(desk: Desk) -> None:
    with_stored(desk)
    bring(desk, ris(without()))
    add_person(desk, "ada", "tagger")
    record = f"x{FIRST}"
    assert desk.matching("cystitis") >= {777}
    assert desk.run("duplicates", "split", record, "--as", "ada").code == 0
    assert -FIRST in desk.matching("cystitis")
    # Nothing but that record had brought it into the question.
    assert 777 not in desk.matching("cystitis")
    check_whole(desk.db)
    listed = desk.run("duplicates", "list", "--json").json
    assert [(row["id"], row["other"], row["verdict"]) for row in listed] == [(record, 777, "different")]


def test_pairs_are_listed_until_a_person_has_compared_them(paired: tuple[Desk, int]) -> None:
    desk, ours = paired
    assert "1 to compare" in desk.run("duplicates", "list").err
    assert desk.run("duplicates", "differ", spelt(ours), "777", "--as", "ada").code == 0
    done = desk.run("duplicates", "list")
    assert "0 to compare" in done.err
    assert not NEGATIVE.search(done.out + done.err)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("merge", "777", "x1", "--as", "ada"), "is PubMed's"),
        (("merge", "x5", "777", "--as", "ada"), "not shown as an article of its own"),
        (("merge", "OURS", "778", "--as", "ada"), "PMID 778 is not stored"),
        (("merge", "OURS", "777", "--as", "nobody"), "nobody"),
        (("split", "OURS", "--as", "ada"), "not a duplicate of anything"),
    ],
)
def test_what_makes_no_sense_is_refused_and_writes_nothing(
    paired: tuple[Desk, int], arguments: tuple[str, ...], says: str
) -> None:
    desk, ours = paired
    before = dump(desk.db)
    done = desk.run("duplicates", *(spelt(ours) if each == "OURS" else each for each in arguments))
    assert done.code == 2
    assert says in done.err
    assert_same(desk.db, before)


def test_a_comparison_of_searches_judges_what_pubmed_has_and_nothing_else(desk: Desk) -> None:
    bring(desk, ris({"TI": "Voiding and ketamine", "AU": "Nobody, N.", "DO": "10.1000/voiding"}))
    file = desk.own_queries() / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(" OR cystitis[tiab]", "").replace(" OR voiding[tiab]", ""), encoding="utf-8")
    compared = desk.run("questions", "diff", "cystitis", "--json")
    assert compared.code == 0, compared.err
    assert compared.json["leaving"] and all(paper["pmid"] > 0 for paper in compared.json["leaving"])
    # What another database found is in the list, and says nothing of either search.
    assert not any("neither search finds" in remark for remark in compared.json["remarks"])
    assert not NEGATIVE.search(desk.run("questions", "diff", "cystitis").out)


def test_the_evidence_table_names_records_that_share_people_as_other_pages_do(desk: Desk) -> None:
    said = (
        "Eighty patients with depression were randomised to ketamine or placebo. Bladder pain was seen in 3."
    )
    common: dict[str, str | list[str]] = {"AU": ["Abel, A.", "Berg, B."], "PY": "2020", "AB": said}
    titles = (
        "Ketamine for depression: a randomised controlled trial",
        "Bladder pain in a randomised controlled trial of ketamine against placebo",
    )
    bring(desk, ris(*({"TI": title, "DO": f"10.1000/{n}", **common} for n, title in enumerate(titles))))
    one, two = (spelt(ArticleKey(key(desk, title))) for title in titles)
    command = ("report", "evidence-table", "cystitis", "--all", "--format")
    rows = {row["title"]: row for row in csv.DictReader(io.StringIO(desk.run(*command, "csv").out))}
    assert [rows[title]["possibly_same_people_as"] for title in titles] == [two, one]
    reports = {each["title"]: each for each in desk.run(*command, "json").json["reports"]}
    assert [reports[title]["possibly_same_people_as"] for title in titles] == [[two], [one]]
