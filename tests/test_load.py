"""Records from disk, the derived tables made again, and what is stored read back, all through the command line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.conftest import (
    EXPECTED,
    FIXTURES,
    QUESTIONS,
    Desk,
    Result,
    assert_same,
    check_whole,
    dump,
    expected,
)
from tests.helpers_load import document, record
from tracker.jobs.load import BATCH
from tracker.jobs.lock import writing_job

DAY_ONE = [str(path) for path in sorted((FIXTURES / "pubmed").glob("*.xml"))]
DAY_TWO = [str(path) for path in sorted((FIXTURES / "day2").glob("*.xml"))]
NBIB = str(FIXTURES / "nbib" / "two_records.nbib")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A place to run the command line in, with nobody to answer it."""
    return Desk(tmp_path, "http://127.0.0.1:9/")


def load(desk: Desk, *arguments: str, **files: str | bytes) -> Result:
    """Load these texts, each from a file of that name (``__`` for a dot), and the files named."""
    for name, content in files.items():
        path = desk.home / name.replace("__", ".")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    names = [name.replace("__", ".") for name in files]
    return desk.run("load", *arguments, *names, "--json")


def counts(done: Result) -> dict[str, int]:
    """What the report counts, but for what it does not have."""
    assert done.code in (0, 3), done.err
    names = ("records", "new", "changed", "notices", "unchanged", "unmatched", "deleted", "refused")
    return {name: done.json[name] for name in names if done.json[name]}


def title(desk: Desk, pmid: int) -> str:
    (found,) = desk.column("select title from articles where pmid = ?", pmid)
    return found


# -- what can be loaded ----------------------------------------------------------------------------

TWO = document(record(1, "One"), record(2, "Two"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("records.xml", TWO.encode()),
        ("records.xml.gz", gzip.compress(TWO.encode())),
        ("named-like-nothing", gzip.compress(TWO.encode())),
        ("utf-16.xml", ('<?xml version="1.0" encoding="utf-16"?>' + TWO).encode("utf-16")),
        ("with-mark.xml", ("\ufeff" + TWO).encode()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pubmed_xml_is_loaded_by_what_it_holds(desk: Desk, name: str, content: bytes) -> None:
    (desk.home / name).write_bytes(content)
    assert counts(desk.run("load", name, "--json")) == {"records": 2, "new": 2}
    assert [title(desk, 1), title(desk, 2)] == ["One", "Two"]
    check_whole(desk.db)


def test_medline_text_is_loaded(desk: Desk) -> None:
    assert counts(desk.run("load", NBIB, "--json")) == {"records": 2, "new": 2}
    assert desk.column("select format from raw_records") == ["nbib", "nbib"]
    assert title(desk, 90000001).startswith("Ketamine < placebo? A made-up trial")


def test_several_files_are_loaded_in_order(desk: Desk) -> None:
    done = load(desk, a__xml=document(record(1, "Old")), b__xml=document(record(1, "New")))
    assert counts(done) == {"records": 2, "new": 1, "changed": 1}
    assert title(desk, 1) == "New"


def test_without_json_the_table_goes_to_stdout_and_the_log_to_stderr(desk: Desk) -> None:
    (desk.home / "a.xml").write_text(TWO)
    done = desk.run("load", "a.xml")
    assert (done.code, "a.xml: loaded; 2 records so far" in done.err) == (0, True)
    assert "records" in done.out
    assert "unchanged" in done.out


def test_more_records_than_a_batch_are_read_by_workers_and_kept_in_order(desk: Desk) -> None:
    many = [record(pmid, f"Title {pmid}") for pmid in range(1, 2 * BATCH + 51)]
    many.append(record(7, "The last word"))
    done = load(desk, many__xml=document(*many))
    assert counts(done) == {"records": len(many), "new": 2 * BATCH + 50, "changed": 1}
    assert title(desk, 7) == "The last word"
    assert title(desk, 2 * BATCH + 50) == f"Title {2 * BATCH + 50}"
    check_whole(desk.db)


def test_a_second_load_changes_nothing(desk: Desk) -> None:
    first = counts(desk.run("load", *DAY_ONE, NBIB, "--match", "all", "--json"))
    before = dump(desk.db)
    again = counts(desk.run("load", *DAY_ONE, NBIB, "--match", "all", "--json"))
    assert again == {
        "records": first["records"],
        "unchanged": first["records"],
        "unmatched": first["unmatched"],
    }
    assert_same(desk.db, before)


# -- which version is shown --------------------------------------------------------------------------

NEW, OLD = record(1, "New", revised="2024-05-05"), record(1, "Old", revised="2023-05-05")
PLAIN = "PMID- 1\nTI  - From MEDLINE text\nLR  - 20250101\n"


@pytest.mark.parametrize(
    ("first", "second", "shown"),
    [
        (document(OLD), document(NEW), "New"),
        (document(NEW), document(OLD), "New"),
        (document(NEW), PLAIN, "New"),
        (PLAIN, document(OLD), "Old"),
        (
            document(NEW),
            document(record(1, "Second version", revised="2020-01-01", version=2)),
            "Second version",
        ),
        (document(NEW), document(record(1, "Same day", revised="2024-05-05")), "Same day"),
    ],
    ids=["newer", "older", "poorer", "fuller", "of a higher version", "of the same day"],
)
def test_a_record_replaces_another_unless_it_is_older_or_poorer(
    desk: Desk, first: str, second: str, shown: str
) -> None:
    load(desk, first=first)
    assert load(desk, second=second).code == 0
    assert title(desk, 1) == shown
    assert desk.column("select count(*) from raw_records") == [2]
    check_whole(desk.db)


def test_what_changed_is_written_down(desk: Desk) -> None:
    load(desk, first=document(record(1, "Before")))
    retracted = record(1, "After", types=["Journal Article", "Retracted Publication"], revised="2025-01-01")
    assert counts(load(desk, second=document(retracted))) == {"records": 1, "changed": 1, "notices": 1}
    changes = dict(desk.sql("select field, after from changes"))
    assert changes["title"] == "After"
    assert changes["retracted"] == "1"


# -- update files ------------------------------------------------------------------------------------

DELETION = "<DeleteCitation><PMID Version='1'>90000106</PMID><PMID>12345</PMID></DeleteCitation>"


def test_a_deletion_marks_the_record_gone_and_keeps_it(desk: Desk) -> None:
    desk.run("load", *DAY_ONE, "--match", "all")
    assert 90000106 in desk.matching("cognition")
    assert counts(load(desk, update__xml=document(record(1), DELETION))) == {
        "records": 1,
        "new": 1,
        "deleted": 1,
    }
    assert 90000106 not in desk.matching("cognition")
    assert 90000106 in desk.stored()
    assert "GONE: PubMed no longer has this record" in desk.run("show", "90000106").out
    check_whole(desk.db)


def test_a_deletion_counts_once(desk: Desk) -> None:
    desk.run("load", *DAY_ONE)
    load(desk, update__xml=document(DELETION))
    before = dump(desk.db)
    assert counts(load(desk, update__xml=document(DELETION))) == {}
    assert_same(desk.db, before)


def test_a_record_that_comes_back_is_present_again(desk: Desk) -> None:
    load(desk, a__xml=document(record(90000106)))
    load(desk, b__xml=document(DELETION))
    load(desk, c__xml=document(record(90000106, revised="2025-01-01")))
    assert desk.column("select after from changes where field = 'record'") == ["deleted by NLM", "present"]
    assert desk.column("select gone from record_state") == [None]


# -- what matches a question -------------------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
def test_of_a_question_exactly_what_was_expected_by_hand_is_stored(desk: Desk, question: str) -> None:
    done = desk.run("load", *DAY_ONE, "--match", question, "--json")
    assert (done.code, done.json["matched"]) == (0, {question: len(expected(question))})
    assert desk.stored() == desk.matching(question) == expected(question)


def test_of_all_questions_each_gets_its_own(desk: Desk) -> None:
    done = desk.run("load", *DAY_ONE, "--match", "all", "--json")
    assert {question: desk.matching(question) for question in QUESTIONS} == {
        question: expected(question) for question in QUESTIONS
    }
    assert desk.stored().isdisjoint(EXPECTED["in_no_question"])
    assert done.json["unmatched"] == len(EXPECTED["in_no_question"])
    assert set(desk.column("select distinct reason from question_articles")) == {"loaded from a file"}


def test_without_a_question_everything_is_stored_and_nothing_matches(desk: Desk) -> None:
    done = desk.run("load", *DAY_ONE, "--json")
    assert desk.stored() >= set(EXPECTED["in_no_question"]) | expected("cystitis")
    assert (done.json["matched"], desk.column("select count(*) from question_articles")) == ({}, [0])


def test_labels_of_what_matches_are_counted(desk: Desk) -> None:
    desk.run("load", *DAY_ONE, "--match", "cystitis")
    counted = desk.column("select sum(n) from question_counts where label_group = 'design'")
    labelled = desk.column("select count(*) from labels where label_group = 'design'")
    assert counted == labelled != [0]


def test_an_unknown_question_is_refused_with_the_names_of_all(desk: Desk) -> None:
    done = desk.run("load", *DAY_ONE, "--match", "sleep")
    assert done.code == 2
    assert "Unknown question 'sleep'" in done.err
    assert all(question in done.err for question in QUESTIONS)
    assert not desk.db.exists()


# -- what cannot be used -----------------------------------------------------------------------------

ENTITY = '<!DOCTYPE PubmedArticleSet [<!ENTITY a "{}">]>' + document(record(3).replace("A title", "&a;"))
BAD_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "no such file"),
    "a folder": (lambda path: path.mkdir(), "this is a folder"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "blank": (lambda path: path.write_bytes(b" \n" * 9), "neither PubMed XML nor MEDLINE text"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 9), "neither PubMed XML nor MEDLINE text"),
    "a text": (lambda path: path.write_text("Dear PubMed,"), "neither PubMed XML nor MEDLINE text"),
    "HTML": (lambda path: path.write_text("<!DOCTYPE html><p>Sorry"), "this is not PubMed XML"),
    "an error for an answer": (lambda path: path.write_text("<ERROR>Busy</ERROR>"), "this is not PubMed XML"),
    "cut off": (lambda path: path.write_text(TWO[:-50]), "cut off"),
    "gzip cut off": (lambda path: path.write_bytes(gzip.compress(TWO.encode())[:-20]), "damaged or cut off"),
    "an entity bomb": (lambda path: path.write_text(ENTITY.format("&a;&a;")), "declares entities"),
    "a record of 40 MB": (
        lambda path: path.write_text(document(record(3, "x" * (40 * 2**20)))),
        "larger than 32 MB",
    ),
    "cut off after several batches": (
        lambda path: path.write_text(document(*map(record, range(10, 3 * BATCH)))[:-900]),
        "cut off",
    ),
}


@pytest.mark.parametrize(("make", "reason"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_used_is_one_clear_line_and_leaves_nothing(
    desk: Desk, make: Callable[[Path], Any], reason: str
) -> None:
    load(desk, good__xml=document(record(1, "Here before")))
    before = dump(desk.db)
    make(desk.home / "bad.xml")
    done = desk.run("load", "bad.xml")
    assert done.code == 2
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("Error: bad.xml: ")
    assert reason in line
    assert_same(desk.db, before)
    check_whole(desk.db)


def test_a_file_that_is_missing_stops_a_load_before_it_begins(desk: Desk) -> None:
    (desk.home / "a.xml").write_text(TWO)
    assert desk.run("load", "a.xml", "missing.xml").code == 2
    assert not desk.db.exists()


def test_files_before_a_broken_one_stay(desk: Desk) -> None:
    done = load(desk, a__xml=TWO, b__xml=document(record(3), record(4))[:-30])
    assert done.code == 2
    assert desk.stored() == {1, 2}
    assert desk.sql("select outcome, json_extract(details, '$.records') from runs") == [("failed", 2)]


BAD_RECORDS = {
    "not well-formed": (record(3).replace("</Article>", ""), 3, "not well-formed XML"),
    "a control character": (record(3, "a\x01b"), 3, "not well-formed XML"),
    "not UTF-8": (record(3, "@@").encode().replace(b"@@", b"\xff\xfe"), 3, "not well-formed XML"),
    "an entity that is declared nowhere": (
        record(3, "@@").replace("@@", "&eacute;"),
        3,
        "not well-formed XML",
    ),
    "without a PMID": (record(3).replace("PMID", "Number"), None, "it has no PMID"),
    "text of 11 MB": (record(3, "x" * (11 * 2**20)), 3, "not well-formed XML"),
}


@pytest.mark.parametrize(("bad", "pmid", "reason"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_bad_record_among_good_ones_is_set_aside(
    desk: Desk, bad: str | bytes, pmid: int | None, reason: str
) -> None:
    body = bad.encode() if isinstance(bad, str) else bad
    done = load(desk, some__xml=document(record(1), "@bad@", record(2)).encode().replace(b"@bad@", body))
    assert done.code == 3
    assert counts(done) == {"records": 2, "new": 2, "refused": 1}
    (refusal,) = done.json["refusals"]
    assert (refusal["file"], refusal["pmid"]) == ("some.xml", pmid)
    assert reason in refusal["reason"]
    assert desk.stored() == {1, 2}
    assert desk.column("select outcome from runs") == ["incomplete"]


def test_control_characters_in_medline_text_are_left_out(desk: Desk) -> None:
    assert load(desk, some__nbib="PMID- 1\nTI  - Clears \x00the screen\x1b[2J\n").code == 0
    assert title(desk, 1) == "Clears the screen[2J"


STRAY = "PMID- 1\nTI  - A title.\nAB  - An abstract.\n\nDownloaded from PubMed\x1b[2J\nPMID- 2\nTI  - Next\n"


def test_a_stray_line_of_medline_text_is_named_and_its_record_stored(desk: Desk) -> None:
    done = load(desk, some__nbib=STRAY)
    assert done.code == 0
    assert done.json["stray_lines"] == [{"file": "some.nbib", "pmid": 1, "line": "Downloaded from PubMed[2J"}]
    assert (
        "some.nbib: PMID 1: ignored a line that belongs to no field: 'Downloaded from PubMed[2J'" in done.err
    )
    assert (title(desk, 1), title(desk, 2)) == ("A title.", "Next")


ERIC = "OWN - ERIC\nTI  - Teaching about ketamine\nAU  - Berg, Ada\nOID - EJ000001\n"


def test_a_record_without_a_pmid_is_named_and_no_part_of_another(desk: Desk) -> None:
    done = load(desk, some__nbib=f"{ERIC}\nPMID- 1\nTI  - One\n\n{ERIC}\nPMID- 2\nTI  - Two\n")
    assert done.code == 3
    assert [title(desk, pmid) for pmid in sorted(desk.stored())] == ["One", "Two"]
    assert desk.column("select count(*) from authors") == [0]
    assert "some.nbib: PMID unknown: " in done.err
    assert "it has no PMID. It is 'Teaching about ketamine'" in done.err


def test_a_file_of_eric_s_is_refused_as_what_it_is(desk: Desk) -> None:
    done = load(desk, some__nbib=ERIC)
    assert done.code == 2
    assert "some.nbib: no record in it has a PMID (it begins 'OWN - ERIC')" in done.err


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("content", ["PMID- 1\nTI  - Naïve\n", document(record(1, "Naïve"))])
def test_a_file_is_loaded_in_whatever_encoding_it_was_saved(desk: Desk, content: str, encoding: str) -> None:
    if encoding == "cp1252" and content.startswith("<"):
        content = f'<?xml version="1.0" encoding="windows-1252"?>{content}'
    assert load(desk, some__file=content.encode(encoding)).code == 0
    assert title(desk, 1) == "Naïve"


def test_a_file_whose_root_is_one_record_is_loaded(desk: Desk) -> None:
    assert counts(load(desk, one__xml=record(1, "One"))) == {"records": 1, "new": 1}
    cut = load(desk, cut__xml=record(2, "Two")[:-20])
    assert cut.code == 2
    assert "cut off inside the record" in cut.err
    assert desk.stored() == {1}


LOCATED = """<ELocationID EIdType="pii" ValidYN="Y">{}</ELocationID>
<ELocationID EIdType="pii" ValidYN="Y">2nd1</ELocationID><ELocationID EIdType="doi" ValidYN="Y">10.1000/x</ELocationID>
"""


@pytest.mark.parametrize(
    ("pii", "number"),
    [
        ("e42692", "e42692"),
        ("1310", "1310"),
        ("E1870", "E1870"),
        ("RA118.006123", "RA118.006123"),
        ("ENEURO.0089-19.2019", "ENEURO.0089-19.2019"),
        ("22-0358", "22-0358"),
        *(
            (other, "2nd1")
            for other in (
                "S0140-6736(19)30000-1",
                "S0140673619300001",
                "0006-3223(99)00097-9",
                "B978-0-12-800000-1.00001-1 x",
                "10.1000/x",
                "bmjopen-2019-031234",
                "2023.04.28.23289210",
                "rs.3.rs-3182771",
                "a long manuscript number",
            )
        ),
    ],
)
def test_an_article_number_in_the_location_id_is_shown_where_pages_would_be(
    desk: Desk, pii: str, number: str
) -> None:
    ids = LOCATED.format(pii)
    xml = record(1, "One").replace("<Abstract>", f"{ids}<Abstract>", 1)
    paged = record(2, "Two").replace(
        "<Abstract>", f"<Pagination><MedlinePgn>1-9</MedlinePgn></Pagination>{ids}<Abstract>"
    )
    text = f"PMID- 3\nTI  - Three\nLID - {pii} [pii]\nLID - 2nd1 [pii]\nAID - other1 [pii]\n"
    assert load(desk, xml__xml=document(xml, paged), text__nbib=text).code == 0
    assert desk.column("select article_number from articles order by pmid") == [number, None, number]


def test_hostile_medline_text_is_set_aside_record_by_record(desk: Desk) -> None:
    done = desk.run("load", str(FIXTURES / "nbib" / "hostile.nbib"))
    assert done.code == 3
    assert desk.stored() == {90000020, 90000021, 90000023}
    assert "<script>" in title(desk, 90000020)
    assert "hostile.nbib: PMID 90000021: ignored a line that belongs to no field: 'follows here'" in done.err
    assert "hostile.nbib: PMID 90000022: not UTF-8 text" in done.err
    assert "Set aside: 2 records cannot be read." in done.err


@pytest.mark.parametrize("command", ["load", "rebuild", "search"])
def test_a_folder_that_cannot_be_made_is_one_clear_line(desk: Desk, command: str) -> None:
    (desk.home / "a.xml").write_text(TWO)
    (desk.home / "taken").write_text("a file")
    arguments = {"load": ["a.xml"], "search": ["words"]}.get(command, [])
    done = desk.run("--db-dir", "taken/db", command, *arguments)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "taken" in done.err


@pytest.mark.parametrize("command", ["load", "rebuild"])
def test_only_one_job_writes_at_a_time(desk: Desk, command: str) -> None:
    load(desk, a__xml=TWO)
    with writing_job(desk.db.parent):
        done = desk.run(command, *(["a.xml"] if command == "load" else []))
    assert done.code == 4
    assert "another refresh, load or rebuild is running" in done.err


# -- the derived tables made again -------------------------------------------------------------------

SEARCHES = ["ketamine", "LUTS", '"off-label ketamine"', "naive", "bladd*", "Castellanos"]


def answers(desk: Desk) -> list[Any]:
    return [desk.run("search", words, "--json").json for words in SEARCHES]


def test_rebuild_makes_every_derived_table_as_it_was(desk: Desk) -> None:
    desk.run("load", *DAY_ONE, "--match", "all")
    desk.run("load", *DAY_ONE, NBIB)
    desk.run("load", *DAY_TWO)
    before, answered = dump(desk.db), answers(desk)
    for statement in (
        "update articles set title = 'Wrong', published = '1900'",
        "delete from authors",
        "delete from labels",
        "insert into keywords values (5, 1, 'nobody''s', null, 0)",
        "delete from article_facets",
        "delete from facets_of",
        "insert into question_counts values ('cystitis', 'design', 'wrong', '1900', 99)",
    ):
        desk.change(statement)
    done = desk.run("rebuild", "--json")
    assert (done.code, done.json["records"]) == (0, len(desk.stored()))
    assert_same(desk.db, before)
    assert answers(desk) == answered
    check_whole(desk.db)


def test_rebuild_reads_many_records_with_workers(desk: Desk) -> None:
    load(desk, many__xml=document(*(record(pmid, f"Title {pmid}") for pmid in range(1, 2 * BATCH + 2))))
    before = dump(desk.db)
    assert desk.run("rebuild").code == 0
    assert_same(desk.db, before)


def test_rebuild_sets_aside_what_it_cannot_read(desk: Desk) -> None:
    load(desk, a__xml=TWO)
    desk.change("update raw_records set body = ? where pmid = 2", zstandard.compress(b"<PubmedArticle/>"))
    done = desk.run("rebuild")
    assert done.code == 3
    assert "1 record cannot be read" in done.err
    assert desk.stored() == {1}
    check_whole(desk.db)


# -- reading back ----------------------------------------------------------------------------------


@pytest.fixture
def stored(desk: Desk) -> Desk:
    desk.run("load", *DAY_ONE, "--match", "all")
    return desk


def test_show_says_what_is_stored(stored: Desk) -> None:
    done = stored.run("show", "90000601")
    assert done.code == 0
    assert done.out.startswith("PMID 90000601  RETRACTED: Oral pentosan for ketamine cystitis")
    assert "*** RETRACTED: Ann Inv Urol. 2019 Feb;29(2):120." in done.out
    assert "Castellanos R, Petrov I, Ferreira L" in done.out
    assert "DOI 10.5555/et.90000601" in done.out
    assert "MeSH: Cystitis/drug therapy; Humans; Ketamine/adverse effects" in done.out
    assert "design: randomised controlled trial (read by machine from the publication type: Rand" in done.out
    assert "Question: cystitis (loaded from a file)" in done.out


def test_no_text_of_a_record_drives_the_terminal(desk: Desk) -> None:
    (desk.home / "odd.xml").write_text(document(record(1, "Odd \x9b2J \u202etitle")), "utf-8")
    assert desk.run("load", "odd.xml").code == 0
    for command in (("show", "1"), ("search", "odd")):
        shown = desk.run(*command).out
        assert "Odd 2J title" in shown
        assert not {"\x9b", "\u202e"} & set(shown)


def test_show_as_json_has_every_table(stored: Desk) -> None:
    shown = stored.run("show", "90000601", "--json").json
    assert (shown["pmid"], shown["retracted"]) == (90000601, 1)
    assert [author["last_name"] for author in shown["authors"]] == ["Castellanos", "Petrov", "Ferreira"]
    assert [notice["type"] for notice in shown["notices"]] == ["RetractionIn"]
    assert shown["questions"][0]["question"] == "cystitis"
    assert shown["warnings"][0].startswith("RETRACTED")


@pytest.mark.parametrize(
    ("pmid", "message"),
    [
        ("12345", "PMID 12345 is not stored"),
        ("PMC7", "is not a PMID"),
        ("0", "is not a PMID"),
        ("9" * 11, "is not a PMID"),
    ],
)
def test_show_refuses_what_is_not_there(stored: Desk, pmid: str, message: str) -> None:
    done = stored.run("show", pmid)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_search_prints_what_it_found_and_warns(stored: Desk) -> None:
    done = stored.run("search", "pentosan", "ketamine")
    assert done.code == 0
    assert "90000601  [RETRACTED] RETRACTED: Oral pentosan" in done.out
    assert "randomised to «pentosan» or placebo" in done.out
    assert done.err == "2 found, 2 shown\n"


def test_search_as_json_counts_and_lists(stored: Desk) -> None:
    done = stored.run("search", "pentosan", "--json").json
    assert done["count"] == len(done["hits"])
    assert 90000601 in [hit["pmid"] for hit in done["hits"]]
    limited = stored.run("search", "ketamine", "--limit", "2", "--json").json
    assert (len(limited["hits"]), limited["count"] > 2) == (2, True)


def found(desk: Desk, *words: str) -> list[int]:
    return [hit["pmid"] for hit in desk.run("search", *words, "--json").json["hits"]]


def test_search_takes_a_phrase_as_one_argument(stored: Desk) -> None:
    assert 90000656 in found(stored, "sustained attention")
    assert found(stored, "attention sustained") == []
    assert 90000656 in found(stored, "attention", "sustained")


@pytest.mark.parametrize("words", ["ketamine-induced", "10.1016/j.x", "NEAR(", "*", "a AND", '"', "--"])
def test_nothing_that_is_searched_for_is_an_error(stored: Desk, words: str) -> None:
    assert stored.run("search", "--json", "--", words).code == 0


@pytest.mark.parametrize(
    "command", [("search", "ketamine"), ("show", "1"), ("status",), ("rebuild",)], ids=lambda c: c[0]
)
def test_before_there_is_a_database_the_message_says_how_to_make_one(
    desk: Desk, command: tuple[str, ...]
) -> None:
    done = desk.run(*command)
    assert done.code == 2
    assert "there is no database yet. Run 'tracker refresh' (or 'tracker load FILE') first." in done.err
    assert not desk.db.exists()


def test_json_is_whole_and_nothing_else_is_on_stdout(stored: Desk) -> None:
    for arguments in (("search", "ketamine"), ("show", "90000601"), ("rebuild",)):
        assert json.loads(stored.run(*arguments, "--json").out)
