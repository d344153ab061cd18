"""An edited search changes nothing until somebody adopts it, and whoever does sees first what changes by it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lxml import html

from tests.conftest import FIXTURES, QUESTIONS, Desk, check_whole, expected
from tests.eutils_server import QUERIES, Found, Refusal, StandIn
from tests.helpers_load import document, record
from tests.helpers_site import Site
from tests.test_upgrades import landed
from tracker.questions import load_questions
from tracker.team import acts

# The only record of cystitis that nothing but the word "voiding" finds, and one that none of the questions finds.
VOIDING, PAIN = 90000665, 90000512
NOTE = "Voiding is a word of radiology."


@pytest.fixture
def refreshed(desk: Desk) -> Desk:
    """After a first refresh, with question files that may be edited."""
    desk.own_queries()
    assert desk.run("refresh").code == 0
    return desk


def edit(desk: Desk, before: str, after: str, slug: str = "cystitis") -> None:
    file = desk.queries / f"{slug}.yml"
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), encoding="utf-8")


def narrow(desk: Desk) -> None:
    edit(desk, " OR voiding[tiab]", "")
    edit(desk, "search:\n", f"note: {NOTE}\nsearch:\n")


def widen(desk: Desk) -> None:
    edit(desk, "combine: ketamine AND bladder", "combine: (ketamine AND bladder) OR pain")
    edit(desk, "search:\n", f"search:\n  pain: {PAIN}[uid]\n")


@pytest.fixture
def narrowed(refreshed: Desk) -> Desk:
    narrow(refreshed)
    return refreshed


def told(desk: Desk, *arguments: str, **environment: str) -> str:
    done = desk.run(*arguments, **environment)
    assert done.code == 0, done.err
    return done.out + done.err


def versions(desk: Desk, slug: str = "cystitis") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = desk.run("questions", "versions", slug, "--json").json
    return rows


def run_now(desk: Desk, slug: str = "cystitis") -> int:
    (row,) = (row for row in versions(desk, slug) if row["is_adopted"])
    number: int = row["number"]
    return number


def method(desk: Desk, slug: str = "cystitis") -> str:
    (section,) = html.fromstring(Site(desk).page("/methods")).xpath(f'//section[@id="{slug}"]')
    return " ".join(section.text_content().split())


# -- an edit waits -----------------------------------------------------------------------------


def test_an_edited_search_is_not_run_and_everybody_is_told(narrowed: Desk) -> None:
    done = narrowed.run("refresh", "--json")
    assert done.code == 0
    assert done.question("cystitis")["edited"] and done.question("cystitis")["version"] == 1
    assert not done.question("cognition")["edited"]
    assert "cystitis: its file was edited; the adopted search is run, version 1" in done.err
    assert narrowed.matching("cystitis") == expected("cystitis")
    assert "cystitis: its file was edited; version 1 is run until" in told(narrowed, "status")
    assert "Its file has been edited since; the edit is not run until somebody adopts it." in method(narrowed)
    assert "edited since" not in method(narrowed, "cognition")


def test_the_first_file_is_adopted_by_its_first_run_with_who_and_why(desk: Desk) -> None:
    desk.own_queries()
    edit(desk, "search:\n", "note: The draft of the protocol.\nsearch:\n")
    assert desk.run("refresh", LOGNAME="grace").code == 0
    (row,) = versions(desk)
    assert (row["number"], row["person"], row["note"], row["how"], row["is_adopted"]) == (
        *(1, "grace", "The draft of the protocol."),
        *("first file", True),
    )
    assert "cystitis: its file was edited" not in told(desk, "status")


def test_the_other_parts_of_an_edited_file_take_effect_at_once(narrowed: Desk) -> None:
    edit(narrowed, "title: Bladder and urinary tract", "title: The bladder")
    edit(narrowed, "live_seeds:\n", f"live_seeds:\n  {VOIDING}: one more\n")
    assert narrowed.run("refresh").code == 0
    assert narrowed.column("select title from questions where slug = 'cystitis'") == ["The bladder"]
    assert narrowed.column("select found from seeds where pmid = ?", VOIDING) == [1]
    assert narrowed.matching("cystitis") == expected("cystitis")


def test_an_edit_that_is_undone_waits_no_more(narrowed: Desk) -> None:
    narrowed.run("refresh")
    (narrowed.queries / "cystitis.yml").write_bytes((QUERIES / "cystitis.yml").read_bytes())
    assert not narrowed.run("refresh", "--json").question("cystitis")["edited"]
    assert "edited" not in method(narrowed)


def test_an_edit_that_pubmed_cannot_run_does_no_harm(refreshed: Desk) -> None:
    edit(refreshed, "voiding[tiab]", "voiding[tibb]")
    assert refreshed.run("refresh").code == 0
    failed = refreshed.run("refresh", "--run-edited")
    assert failed.code == 3 and "tibb" in failed.err
    assert [row["number"] for row in versions(refreshed)] == [1]
    assert refreshed.run("refresh").code == 0
    assert refreshed.matching("cystitis") == expected("cystitis")


def test_a_load_matches_the_adopted_search(narrowed: Desk) -> None:
    file = narrowed.home / "more.xml"
    file.write_text(
        document(record(5, "Ketamine and voiding", abstract="Voiding under ketamine.")), encoding="utf-8"
    )
    assert "its file was edited" in told(narrowed, "load", "--match", "cystitis", str(file))
    assert 5 in narrowed.matching("cystitis")


def test_an_adopted_search_that_pubmed_cannot_run_says_how_to_mend_it(refreshed: Desk) -> None:
    edit(refreshed, "voiding[tiab]", "voiding[tibb]")
    told(refreshed, "questions", "adopt", "cystitis")
    failed = refreshed.run("refresh")
    assert failed.code == 3
    assert (
        "cystitis.yml, have the edit run with 'tracker questions adopt cystitis', then run it again."
        in failed.err
    )
    assert refreshed.matching("cystitis") == expected("cystitis")


def test_two_files_of_one_name_are_refused(refreshed: Desk) -> None:
    (refreshed.queries / "cystitis.yaml").write_bytes((refreshed.queries / "cystitis.yml").read_bytes())
    done = refreshed.run("refresh")
    assert done.code == 2 and "cystitis.yml is the same question; remove one of the two files" in done.err


# -- adopt, roll back --------------------------------------------------------------------------


def test_what_was_adopted_is_run_and_kept_with_who_when_and_why(narrowed: Desk) -> None:
    said = told(narrowed, "questions", "adopt", "cystitis", "--by", "Ada")
    assert "- voiding[tiab]" in said and str(VOIDING) in said
    assert "version 2" in said and f"adopted by Ada: {NOTE}" in said
    assert "None has yet: what is shown below is the version before." in method(narrowed)
    row = narrowed.run("refresh", "--json").question("cystitis")
    assert (row["version"], row["edited"], row["left"]) == (2, False, 1)
    assert narrowed.matching("cystitis") == expected("cystitis") - {VOIDING}
    first, second = versions(narrowed)
    assert (first["is_adopted"], second["is_adopted"]) == (False, True)
    assert (second["person"], second["note"], second["how"]) == ("Ada", NOTE, "adopted")
    assert second["adopted"] >= first["adopted"]
    shown = method(narrowed)
    assert f"Refreshes run version 2 of the search ({second['hash'][:12]}), adopted" in shown
    assert f"by Ada (adopted): “{NOTE}”" in shown
    check_whole(narrowed.db)


@pytest.mark.parametrize(
    ("options", "who", "why"),
    [((), "grace", NOTE), (("--by", "Ada"), "Ada", NOTE), (("--note", "Asked for."), "grace", "Asked for.")],
)
def test_who_is_the_login_name_and_why_the_files_note_unless_said_otherwise(
    narrowed: Desk, options: tuple[str, ...], who: str, why: str
) -> None:
    told(narrowed, "questions", "adopt", "cystitis", "--yes", *options, LOGNAME="grace")
    assert [(row["person"], row["note"]) for row in versions(narrowed)[1:]] == [(who, why)]


def test_a_note_that_was_left_from_the_last_edit_is_asked_about(narrowed: Desk) -> None:
    assert "Is it still the reason?" not in told(narrowed, "questions", "adopt", "cystitis")
    widen(narrowed)
    assert "the file's note is that of version 2" in told(narrowed, "questions", "adopt", "cystitis")


def test_adopting_what_is_adopted_does_nothing(refreshed: Desk) -> None:
    assert "is adopted already; nothing to do" in told(refreshed, "questions", "adopt", "cystitis")
    assert len(versions(refreshed)) == 1


def test_a_search_can_be_adopted_before_its_first_run(desk: Desk) -> None:
    assert "its first search" in told(desk, "questions", "adopt", "cystitis", "--by", "Ada")
    assert desk.run("refresh").code == 0
    assert [(row["person"], row["how"]) for row in versions(desk)] == [("Ada", "adopted")]
    assert desk.matching("cystitis") == expected("cystitis")


def test_a_rollback_runs_the_version_before_and_the_file_waits(narrowed: Desk) -> None:
    told(narrowed, "questions", "adopt", "cystitis")
    narrowed.run("refresh")
    said = told(narrowed, "questions", "rollback", "cystitis", "--by", "Ada", "--note", "It lost a trial.")
    assert "1 enter" in said
    assert narrowed.run("refresh", "--json").question("cystitis")["edited"]
    assert narrowed.matching("cystitis") == expected("cystitis")
    log = [(row["number"], row["how"], row["is_adopted"]) for row in versions(narrowed)]
    assert log == [(1, "first file", False), (2, "adopted", False), (1, "rolled back", True)]
    told(narrowed, "questions", "rollback", "cystitis", "--to", versions(narrowed)[1]["hash"][:8])
    assert run_now(narrowed) == 2


def test_there_is_nothing_to_roll_back_to_at_first(refreshed: Desk) -> None:
    done = refreshed.run("questions", "rollback", "cystitis")
    assert done.code == 2 and "no version was adopted before this one" in done.err


def test_run_edited_adopts_what_it_runs(narrowed: Desk) -> None:
    assert narrowed.run("refresh", "--run-edited", LOGNAME="grace").code == 0
    assert narrowed.matching("cystitis") == expected("cystitis") - {VOIDING}
    last = versions(narrowed)[-1]
    assert (last["how"], last["person"], last["note"]) == ("run as edited", "grace", NOTE)
    # The night after, nothing comes back.
    row = narrowed.run("refresh", "--json").question("cystitis")
    assert (row["entered"], row["left"], row["version"]) == (0, 0, 2)


# -- files and databases that come and go ------------------------------------------------------


def test_the_versions_of_a_deleted_file_stay(narrowed: Desk) -> None:
    told(narrowed, "questions", "adopt", "cystitis")
    text = (narrowed.queries / "cystitis.yml").read_bytes()
    (narrowed.queries / "cystitis.yml").unlink()
    assert narrowed.run("refresh").code == 0
    assert [row["number"] for row in versions(narrowed)] == [1, 2]
    assert "- voiding[tiab]" in told(narrowed, "questions", "diff", "cystitis", "--from", "1", "--to", "2")
    assert "there is no such file" in narrowed.run("questions", "diff", "cystitis").err
    told(narrowed, "questions", "rollback", "cystitis")
    # A file of that name that comes back with another search is an edit.
    (narrowed.queries / "cystitis.yml").write_bytes(text)
    assert narrowed.run("refresh", "--json").question("cystitis")["edited"]


def test_two_questions_with_the_same_search_have_versions_of_their_own(desk: Desk) -> None:
    queries = desk.own_queries()
    (queries / "bladder.yml").write_bytes((queries / "cystitis.yml").read_bytes())
    assert desk.run("refresh").code == 0
    narrow(desk)
    told(desk, "questions", "adopt", "cystitis", "--by", "Ada")
    assert desk.run("refresh").code == 0
    assert (run_now(desk), run_now(desk, "bladder")) == (2, 1)
    reported = desk.run("report", "prisma-s", "bladder", "--format", "json").json
    assert reported["strategy"] == versions(desk, "bladder")[0]["hash"]
    assert desk.matching("bladder") == expected("cystitis")
    assert desk.matching("cystitis") == expected("cystitis") - {VOIDING}
    check_whole(desk.db)


@pytest.mark.parametrize("commit", ["f2bc794", "112a1a0"])
def test_in_a_database_from_before_the_search_that_was_run_last_is_adopted(
    commit: str, tmp_path: Path
) -> None:
    desk = landed(commit, tmp_path)
    ((strategy,),) = desk.sql("select strategy from strategies")
    (row,) = versions(desk)
    assert (row["number"], row["how"], row["person"], row["is_adopted"]) == (1, "run before", None, True)
    desk.own_queries()
    narrow(desk)
    more = str(FIXTURES / "pubmed" / "cystitis.xml")
    assert "its file was edited" in told(desk, "load", "--match", "cystitis", more)
    assert desk.sql("select strategy from strategies") == [(strategy,)]
    check_whole(desk.db)


def test_a_backup_holds_what_was_adopted(narrowed: Desk) -> None:
    assert narrowed.run("backup").code == 0
    told(narrowed, "questions", "adopt", "cystitis")
    assert run_now(narrowed) == 2
    assert narrowed.run("restore", "latest", "--yes").code == 0
    assert run_now(narrowed) == 1
    assert narrowed.run("refresh", "--json").question("cystitis")["edited"]


def test_a_rebuild_keeps_versions_and_adoptions(narrowed: Desk) -> None:
    told(narrowed, "questions", "adopt", "cystitis", "--by", "Ada")
    before = versions(narrowed)
    assert narrowed.run("rebuild").code == 0
    assert versions(narrowed) == before


# -- what an edit would change -----------------------------------------------------------------


def difference(desk: Desk, *options: str) -> dict[str, Any]:
    done = desk.run("questions", "diff", "cystitis", "--json", *options)
    assert done.code == 0, done.err
    found: dict[str, Any] = done.json
    return found


def line(found: dict[str, Any], name: str) -> dict[str, Any]:
    (row,) = (row for row in found["lines"] if row["name"] == name)
    return dict(row)


def test_the_difference_names_lines_terms_and_records_without_a_network(narrowed: Desk) -> None:
    narrowed.url = "http://127.0.0.1:9/"
    found = difference(narrowed)
    stored = len(narrowed.stored())
    assert found["stored_records_judged"] == stored
    assert [paper["pmid"] for paper in found["leaving"]] == [VOIDING]
    assert found["entering"] == []
    assert line(found, "ketamine")["change"] == "same"
    bladder = line(found, "bladder")
    assert bladder["change"] == "changed"
    (gone,) = bladder["before"]["terms"]
    assert (gone["term"], gone["stored"]["adds"]) == ("voiding[tiab]", 1)
    assert bladder["after"]["terms"] == []
    number = len(expected("cystitis"))
    assert bladder["before"]["stored"]["adds"] == number
    assert bladder["after"]["stored"]["adds"] == number - 1


def test_a_line_that_or_joins_adds_only_what_no_other_line_finds(refreshed: Desk) -> None:
    assert refreshed.run("load", *map(str, sorted((FIXTURES / "pubmed").glob("*.xml")))).code == 0
    widen(refreshed)
    edit(refreshed, f"  pain: {PAIN}[uid]\n", f"  pain: {PAIN}[uid] OR {VOIDING}[uid]\n")
    found = difference(refreshed)
    pain = line(found, "pain")
    assert (pain["change"], pain["before"]) == ("added", None)
    assert pain["after"]["stored"] == {"finds": 2, "adds": 1}
    assert [paper["pmid"] for paper in found["entering"]] == [PAIN]
    assert "combine: ketamine AND bladder -> (ketamine AND bladder) OR pain" in told(
        refreshed, "questions", "diff", "cystitis"
    )


def test_what_people_judged_relevant_is_named_among_what_leaves(narrowed: Desk) -> None:
    with closing(acts.open_annotations(narrowed.annotations)) as db:
        db.executescript(
            f"""
            insert into people (id, name, display_name, role, created)
              values (1, 'ada', 'Ada', 'tagger', '2025-06-01T00:00:00Z');
            insert into decisions (pmid, question, stage, person, decision, decided)
              values ({VOIDING}, 'cystitis', 'title-abstract', 1, 'include', '2025-06-02T00:00:00Z');
            """
        )
    assert [paper["judged"] for paper in difference(narrowed)["leaving"]] == ["include"]
    said = told(narrowed, "questions", "diff", "cystitis")
    assert "1 leave; people judged 1 of these relevant" in said
    assert f"{VOIDING}  [judged relevant]" in said


def test_seeds_that_an_edit_loses_are_named(refreshed: Desk) -> None:
    edit(refreshed, "live_seeds:\n", f"live_seeds:\n  {VOIDING}: on voiding\n")
    narrow(refreshed)
    found = difference(refreshed)
    states = {seed["pmid"]: (seed["before"], seed["after"]) for seed in found["seeds"]}
    assert states[VOIDING] == (True, False)
    assert states[32212278] == (True, True)
    # The search was complete, so that it did not find what is not stored; of the edit only PubMed knows.
    assert states[22416998] == (False, None)
    assert f"{VOIDING}  lost: " in told(refreshed, "questions", "diff", "cystitis")


def test_pubmed_counts_what_is_not_stored(refreshed: Desk, pubmed: StandIn) -> None:
    widen(refreshed)
    offline = difference(refreshed)
    assert offline["pubmed"] is None and offline["entering"] == []
    assert any("--online" in remark for remark in offline["remarks"])
    found = difference(refreshed, "--online")
    number = len(expected("cystitis"))
    assert found["pubmed"] == {
        "before": number,
        "after": number + 1,
        "entering": 1,
        "leaving": 0,
        "not_found": [],
    }
    assert line(found, "pain")["after"]["pubmed"] == {"finds": 1, "adds": 1}
    bladder = line(found, "bladder")["after"]
    assert bladder["pubmed"] == {
        "finds": len(pubmed.search(bladder["query"]).pmids),
        "adds": number,
    }
    assert all(seed["after"] is not None for seed in found["seeds"])
    assert pubmed.violations == []


def test_what_cannot_be_judged_here_is_said(refreshed: Desk) -> None:
    edit(refreshed, "OR luts[tiab]", 'OR luts[tiab] OR "no such heading"[mh]')
    assert any("no such heading" in remark for remark in difference(refreshed)["remarks"])
    edit(refreshed, '"no such heading"[mh]', "cancer[sb]")
    found = difference(refreshed)
    assert found["stored_records_judged"] is None
    assert any("cannot be judged here" in remark and "cancer" in remark for remark in found["remarks"])
    assert "not counted" in told(refreshed, "questions", "diff", "cystitis")
    told(refreshed, "questions", "adopt", "cystitis", "--yes")


def test_versions_are_named_by_number_or_by_the_beginning_of_their_hash(narrowed: Desk) -> None:
    told(narrowed, "questions", "adopt", "cystitis")
    hashes = [row["hash"] for row in versions(narrowed)]
    by_number = difference(narrowed, "--from", "2", "--to", "1")
    assert [paper["pmid"] for paper in by_number["entering"]] == [VOIDING]
    assert difference(narrowed, "--from", hashes[1][:12], "--to", hashes[0][:12]) == by_number
    unknown = narrowed.run("questions", "diff", "cystitis", "--from", "7")
    assert unknown.code == 2 and f"There are 1 ({hashes[0][:12]}), 2 ({hashes[1][:12]})" in unknown.err
    assert narrowed.run("questions", "versions", "goats").code == 2


# -- what PubMed makes of each line ------------------------------------------------------------


def lines() -> set[str]:
    """The lines of all searches, each of which is asked for once where questions share it."""
    return {each.query for question in load_questions(QUERIES) for each in question.search}


def requests(desk: Desk, pubmed: StandIn, *options: str) -> int:
    sent = len(pubmed.log)
    assert desk.run("refresh", *options).code == 0
    return len(pubmed.log) - sent


def test_lines_are_counted_when_new_and_every_thirty_days(refreshed: Desk, pubmed: StandIn) -> None:
    usual = 2 * len(QUESTIONS)
    counted = {each: len(pubmed.search(each).pmids) for each in lines()}
    assert dict(refreshed.sql("select query, count from searches where purpose = 'line'")) == counted
    assert requests(refreshed, pubmed) == usual
    assert requests(refreshed, pubmed, "--lines") == usual + len(lines())
    refreshed.days_pass(29)
    # Of records, none is due: they were checked with the first refresh.
    refreshed.change("update record_state set next_check = '9999-01-01T00:00:00Z'")
    assert requests(refreshed, pubmed, "--recheck-days", "365") == usual
    refreshed.days_pass(1)
    assert requests(refreshed, pubmed, "--recheck-days", "365") == usual + len(lines())
    assert requests(refreshed, pubmed, "--recheck-days", "365") == usual


def test_only_the_lines_of_a_new_version_are_counted(narrowed: Desk, pubmed: StandIn) -> None:
    usual = 2 * len(QUESTIONS)
    told(narrowed, "questions", "adopt", "cystitis")
    # One fetch: the record that left is looked at.
    assert requests(narrowed, pubmed) == usual + 1 + 2
    assert requests(narrowed, pubmed) == usual


Answer = Callable[[Found], Found]
DRIFT: dict[str, tuple[Answer, str]] = {
    "another translation": (
        lambda found: found._replace(translation=found.translation + ' OR "urination"[MeSH Terms]'),
        '(it now has "urination"[MeSH Terms])',
    ),
    "a lost phrase": (
        lambda found: found._replace(unknown_quoted=('"lower urinary tract symptoms"[mh]',)),
        'PubMed no longer finds "lower urinary tract symptoms"[mh], which it still found on',
    ),
    "a jump": (
        lambda found: found._replace(pmids=tuple(range(1, 2 + 3 * len(found.pmids)))),
        "its count rose from",
    ),
}


@pytest.mark.parametrize(("answer", "words"), DRIFT.values(), ids=DRIFT)
def test_drift_is_named_in_log_status_and_methods_and_in_no_exit_code(
    refreshed: Desk, pubmed: StandIn, monkeypatch: pytest.MonkeyPatch, answer: Answer, words: str
) -> None:
    bladder = load_questions(QUERIES)[2].search[1].query
    search = pubmed.search
    monkeypatch.setattr(
        pubmed, "search", lambda term: answer(search(term)) if term == bladder else search(term)
    )
    done = refreshed.run("refresh", "--lines", "--json")
    assert done.code == 0
    (drift,) = done.question("cystitis")["drift"]
    assert drift.startswith("line bladder: ") and words in drift
    assert f"cystitis: {drift}" in done.err
    assert done.question("cognition")["drift"] == []
    status = refreshed.run("status", "--searches")
    assert status.code == 0 and f"cystitis: {drift}" in status.out
    assert words not in refreshed.run("status").out
    assert words in method(refreshed)
    (run,) = refreshed.column("select details from runs order by id desc limit 1")
    assert json.dumps(drift, ensure_ascii=False) in run
    # Once it says the same again, nothing drifts.
    assert refreshed.run("refresh", "--lines", "--json").question("cystitis")["drift"] == []


def test_small_numbers_that_vary_are_no_drift(
    refreshed: Desk, pubmed: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = pubmed.search
    whole = {question.strategy for question in load_questions(QUERIES)}

    def one_more(term: str) -> Found:
        found = search(term)
        return found if term in whole or " AND " in term else found._replace(pmids=(*found.pmids, 1))

    monkeypatch.setattr(pubmed, "search", one_more)
    report = refreshed.run("refresh", "--lines", "--json").json
    assert [row["drift"] for row in report["questions"]] == [[]] * len(QUESTIONS)


def test_where_pubmed_fails_to_count_nothing_is_incomplete_and_it_is_asked_again(
    desk: Desk, pubmed: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = pubmed.search

    def failing(term: str) -> Found:
        if term in lines():
            raise Refusal("Search Backend failed: busy")
        return search(term)

    with monkeypatch.context() as patch:
        patch.setattr(pubmed, "search", failing)
        done = desk.run("refresh")
    assert done.code == 0
    assert "its lines could not be counted; the next refresh tries again" in done.err
    assert "its lines have not been counted yet" in desk.run("status", "--searches").out
    assert desk.matching("cystitis") == expected("cystitis")
    assert requests(desk, pubmed) == 2 * len(QUESTIONS) + len(lines())


def test_counts_by_line_stand_on_methods_and_in_status(refreshed: Desk, pubmed: StandIn) -> None:
    bladder = load_questions(QUERIES)[2].search[1]
    number = len(pubmed.search(bladder.query).pmids)
    rows = html.fromstring(Site(refreshed).page("/methods")).xpath('//section[@id="cystitis"]//table//tr')
    assert ["bladder", f"{number:,}", "–"] in [[cell.text_content() for cell in row] for row in rows]
    assert "PubMed's translation of the line bladder" in method(refreshed)
    assert re.search(rf"bladder\s+{number:,}\s", refreshed.run("status", "--searches").out)
    (row,) = (
        row
        for row in refreshed.run("status", "--searches", "--json").json["questions"]
        if row["question"] == "cystitis"
    )
    assert {each["line"]: each["found"] for each in row["lines"]}["bladder"] == number
    assert row["search"]["version"] == 1


def test_the_day_after_is_as_before(narrowed: Desk, pubmed: StandIn) -> None:
    """What an adopted search finds the next day comes and goes, edited file or not."""
    narrowed.days_pass(1)
    pubmed.next_day()
    assert narrowed.run("refresh").code == 0
    assert narrowed.matching("cystitis") == expected("cystitis", day=2)


def test_the_report_of_the_search_tells_a_version_that_waits_for_its_run_from_former_ones(
    narrowed: Desk,
) -> None:
    def strategies() -> str:
        items = json.loads(narrowed.run("report", "prisma-s", "cystitis", "--format", "json").out)["items"]
        return json.dumps(items[7])

    told(narrowed, "questions", "adopt", "cystitis", "--yes")
    first, second = (row["hash"][:12] for row in versions(narrowed))
    assert f"Version {second}, adopted since and not run yet" in strategies()
    told(narrowed, "refresh", "cystitis")
    assert f"Former version {first}" in strategies() and "not run yet" not in strategies()


def test_where_only_files_were_loaded_an_adopted_search_waits_for_the_next_load(desk: Desk) -> None:
    desk.own_queries()
    files = [str(path) for path in sorted((FIXTURES / "pubmed").glob("*.xml"))]
    told(desk, "load", "--match", "cystitis", *files)
    narrow(desk)
    told(desk, "questions", "adopt", "cystitis", "--yes")
    assert "voiding" in method(desk).split("Strategy in one piece")[1].split("Search PubMed")[0]
    told(desk, "load", "--match", "cystitis", *files)
    assert "voiding" not in method(desk).split("Strategy in one piece")[1].split("Search PubMed")[0]
