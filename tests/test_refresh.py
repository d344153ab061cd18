"""A refresh brings everything in, says what changed, and never claims more than it did."""

from __future__ import annotations

import itertools
import json
import logging
import math
import re
import signal
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import (
    EMAIL,
    EXPECTED,
    FIXTURES,
    KEY,
    QUESTIONS,
    Desk,
    asked_for,
    assert_same,
    check_whole,
    dump,
    expected,
    finish,
    tiled,
    wait_for,
)
from tests.eutils_server import QUERIES, Found, Reply, Request, StandIn
from tracker.questions import load_questions

DAY_TWO = EXPECTED["day2"]


def everything(day: int = 1) -> set[int]:
    return set().union(*(expected(question, day) for question in QUESTIONS))


def lines() -> set[str]:
    """The lines of all searches, each of which is counted once when it is new."""
    return {line.query for question in load_questions(QUERIES) for line in question.search}


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1
    file.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture
def refreshed(desk: Desk) -> Desk:
    """After a first refresh."""
    assert desk.run("refresh").code == 0
    return desk


@pytest.fixture
def next_day(refreshed: Desk, pubmed: StandIn) -> Desk:
    """After a first refresh on the first day, when PubMed has gone on to the second."""
    refreshed.days_pass(1)
    pubmed.next_day()
    return refreshed


# -- everything is brought in ------------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_first_refresh_stores_every_record_that_a_question_must_find(
    refreshed: Desk, question: str
) -> None:
    assert refreshed.matching(question) == expected(question)
    assert refreshed.column("select distinct reason from question_articles where question = ?", question) == [
        "first search"
    ]


def test_a_first_refresh_stores_nothing_else(refreshed: Desk) -> None:
    assert refreshed.stored() == everything()
    check_whole(refreshed.db)


def test_before_a_first_fetch_it_says_how_many_records_and_about_how_long(desk: Desk) -> None:
    said = desk.run("refresh").err
    assert f"{len(everything())} records to fetch, in 1 request: about 3 seconds" in said


def test_with_nothing_new_and_nothing_due_it_makes_two_requests_a_question_and_changes_nothing(
    refreshed: Desk, pubmed: StandIn
) -> None:
    before, sent = dump(refreshed.db), len(pubmed.log)
    report = refreshed.run("refresh", "--json").json
    assert len(pubmed.log) - sent == report["requests"] <= 2 * len(QUESTIONS)
    assert report["fetched"] == report["changed"] == 0
    assert_same(refreshed.db, before)


def test_new_records_cost_one_request_for_each_two_hundred(desk: Desk, tmp_path: Path) -> None:
    copies = 8
    with StandIn([FIXTURES, tiled(tmp_path, copies)], rate=0) as crowded:
        desk.url = crowded.url
        new = desk.run("refresh", "--json").json["new"]
        assert new == copies * len(everything())
        assert len(crowded.log) <= 2 * len(QUESTIONS) + len(lines()) + new / 200 + 2


def test_one_question_alone_can_be_refreshed(desk: Desk) -> None:
    report = desk.run("refresh", "cystitis", "--json").json
    assert [row["question"] for row in report["questions"]] == ["cystitis"]
    assert desk.stored() == expected("cystitis")
    assert desk.run("refresh").code == 0
    assert desk.stored() == everything()


# -- what is written down ----------------------------------------------------------------------


def test_each_search_is_kept_as_it_was_sent_and_answered(refreshed: Desk, pubmed: StandIn) -> None:
    sent = {request.params["term"] for request in pubmed.log if request.endpoint == "esearch"}
    for question in QUESTIONS:
        query, translation, count, slices, entered, left, kept, reconciled, reason, hash = refreshed.sql(
            "select query, translation, count, slices, entered, left_count, kept, reconciled, reason, strategy "
            "from searches where question = ? and purpose = 'strategy'",
            question,
        )[0]
        number = len(expected(question))
        assert query in sent
        assert translation == pubmed.search(query).translation
        assert (count, entered, left, kept, reconciled, reason) == (number, number, 0, 0, 1, None)
        assert sum(part for _, _, part in json.loads(slices)) == number
        assert refreshed.column("select strategy from strategies where hash = ?", hash) == [query]


def test_a_run_and_its_fetches_are_kept(refreshed: Desk) -> None:
    assert refreshed.sql("select command, outcome, reason, finished is not null from runs") == [
        ("refresh", "complete", None, 1)
    ]
    number = len(everything())
    assert refreshed.sql("select asked, returned, missing, refused from fetches") == [
        (number, number, "[]", "{}")
    ]


def test_the_json_report_has_a_row_a_question(desk: Desk) -> None:
    report = desk.run("refresh", "--json").json
    assert report["outcome"] == "complete"
    assert report["reason"] is None
    assert report["fetched"] == report["new"] == len(everything())
    assert report["missing"] == report["refused"] == report["due"] == 0
    assert [row["question"] for row in report["questions"]] == list(QUESTIONS)
    for row in report["questions"]:
        number = len(expected(row["question"]))
        assert row["complete"] and row["reasons"] == []
        assert (row["counted"], row["entered"], row["fetched"], row["left"]) == (number, number, number, 0)


def test_the_closing_table_goes_to_stdout_and_messages_to_stderr(desk: Desk) -> None:
    done = desk.run("refresh")
    for question in QUESTIONS:
        assert re.search(rf"{question}\s.*\b{len(expected(question))}\b.*yes", done.out)
    assert "PubMed counts" in done.err and "PubMed counts" not in done.out


def test_what_people_wrote_is_not_touched(desk: Desk, pubmed: StandIn) -> None:
    written = desk.annotate()
    assert desk.run("refresh").code == 0
    pubmed.next_day()
    assert desk.run("refresh", "--full").code == 0
    assert desk.annotations.read_bytes() == written


# -- the next day ------------------------------------------------------------------------------


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_next_day_what_entered_and_what_left_is_noted(next_day: Desk, question: str) -> None:
    before, after = expected(question), expected(question, day=2)
    report = next_day.run("refresh", "--json")
    assert report.code == 0
    row = report.question(question)
    assert (row["entered"], row["left"], row["kept"]) == (
        len(after - before),
        len(before - after),
        len(after & before),
    )
    assert next_day.matching(question) == after
    check_whole(next_day.db)
    left = "select pmid from question_articles where question = ? and not matching and left_at is not null"
    assert set(next_day.column(left, question)) == before - after
    log = "select entered, left_count, kept from searches where question = ? order by id desc limit 2"
    assert (row["entered"], row["left"], row["kept"]) in next_day.sql(log, question)


def test_the_next_day_costs_two_requests_a_question_and_the_fetches(next_day: Desk, pubmed: StandIn) -> None:
    sent = len(pubmed.log)
    new = next_day.run("refresh", "--json").json["new"]
    assert len(pubmed.log) - sent <= 2 * len(QUESTIONS) + math.ceil(new / 200) + 2


def test_each_entry_keeps_its_reason(next_day: Desk) -> None:
    assert next_day.run("refresh").code == 0
    reasons = dict(next_day.sql("select pmid, reason from question_articles where reason <> 'first search'"))
    assert reasons.pop(90000513) == "newly indexed"
    assert set(reasons) == everything(2) - everything() - {90000513}
    assert set(reasons.values()) == {"newly published"}


def test_a_run_that_failed_halfway_does_not_make_what_it_missed_look_old(
    refreshed: Desk, pubmed: StandIn
) -> None:
    refreshed.days_pass(1)
    pubmed.next_day()
    pubmed.faults.add("503", first=5)
    assert refreshed.run("refresh").code == 3
    entered = "select question, reason from question_articles where pmid = 90000902"
    assert refreshed.sql(entered) == [("tolerance", "newly published")]
    assert refreshed.run("refresh").code == 0
    assert refreshed.sql(entered) == [("cognition", "newly published"), ("tolerance", "newly published")]


def test_a_retraction_is_fetched_at_once_though_nothing_is_due(next_day: Desk, pubmed: StandIn) -> None:
    report = next_day.run("refresh", "--json")
    due = report.json["due"]
    assert due == next_day.column("select count(*) from question_articles where left_at is not null")[0]
    assert report.question("cystitis")["notices"] == 1
    assert next_day.column("select retracted from articles where pmid = 90000303") == [1]
    assert next_day.sql("select type, other_pmid from notices where pmid = 90000303") == [
        ("RetractionIn", 90000906)
    ]
    assert ("retracted", "0", "1") in changes(next_day, 90000303)
    sent = len(pubmed.log)
    next_day.run("refresh")
    assert 90000303 not in asked_for(pubmed, sent)


def test_what_leaves_is_asked_for_at_once_to_learn_why(next_day: Desk) -> None:
    next_day.run("refresh")
    changed, deleted = 90000204, 90000106
    assert {"abstract", "title"} <= {field for field, _, _ in changes(next_day, changed)}
    assert next_day.column("select missing_since is not null from record_state where pmid = ?", deleted) == [
        1
    ]


def changes(desk: Desk, pmid: int) -> list[tuple[str, str | None, str | None]]:
    return desk.sql("select field, before, after from changes where pmid = ?", pmid)


@pytest.mark.parametrize(
    ("pmid", "fields"),
    {
        90000101: {"corrected", "notices", "revised"},
        90000102: {"expression_of_concern", "notices", "revised"},
        90000303: {"retracted", "notices", "publication_types", "revised"},
        90000305: {"abstract", "revised"},
        90000204: {"title", "abstract", "revised"},
        40583492: {
            "journal",
            "published",
            "published_raw",
            "revised",
            "status",
            "publication_status",
            "publication_types",
        },
    }.items(),
)
def test_once_checked_again_every_change_is_stored_and_logged_field_by_field(
    next_day: Desk, pmid: int, fields: set[str]
) -> None:
    assert next_day.run("refresh", "--full").code == 0
    assert {field for field, _, _ in changes(next_day, pmid)} == fields
    versions = "select count(*) from raw_records where pmid = ?"
    assert next_day.column(versions, pmid) == [2]
    check_whole(next_day.db)


def test_every_record_is_stored_as_pubmed_has_it_on_the_second_day(next_day: Desk, pubmed: StandIn) -> None:
    assert next_day.run("refresh", "--full").code == 0
    with_news = set(next_day.column("select distinct pmid from changes"))
    assert with_news == (set(DAY_TWO["changed"]) - {90000513}) & everything()
    assert next_day.stored() == everything() | everything(2)
    assert next_day.column("select expression_of_concern from articles where pmid = 90000102") == [1]
    assert next_day.column("select corrected from articles where pmid = 90000101") == [1]


def test_a_text_that_changed_is_found_by_its_new_words_only(next_day: Desk) -> None:
    assert next_day.run("refresh", "--full").code == 0
    hits = next_day.run("search", "withdrawal", "lever", "--json").json["hits"]
    assert 90000204 not in {hit["pmid"] for hit in hits}
    hits = next_day.run("search", "reward", "lever", "--json").json["hits"]
    assert 90000204 in {hit["pmid"] for hit in hits}


# -- records that vanish -----------------------------------------------------------------------


def standing(desk: Desk, pmid: int) -> tuple[bool, bool]:
    """Whether the record is missing, and whether it is gone."""
    found = desk.sql(
        "select missing_since is not null, gone is not null from record_state where pmid = ?", pmid
    )
    return bool(found[0][0]), bool(found[0][1])


def test_a_record_is_gone_only_when_two_runs_have_missed_it(next_day: Desk) -> None:
    deleted = DAY_TWO["deleted"][0]
    assert next_day.run("refresh", "--full").code == 0
    assert standing(next_day, deleted) == (True, False)
    assert changes(next_day, deleted) == []
    # What is missing is due, without being told.
    assert next_day.run("refresh").code == 0
    assert standing(next_day, deleted) == (True, True)
    assert changes(next_day, deleted) == [("record", "present", "gone")]
    assert deleted in next_day.stored()


def test_what_is_gone_is_no_longer_asked_for_at_every_run(next_day: Desk, pubmed: StandIn) -> None:
    next_day.days_pass(40)
    for _ in range(2):
        assert next_day.run("refresh").code == 0
    sent = len(pubmed.log)
    assert next_day.run("refresh").code == 0
    assert len(pubmed.log) - sent <= 2 * len(QUESTIONS)
    assert asked_for(pubmed, sent) == []


def test_a_record_that_comes_back_is_no_longer_gone(next_day: Desk) -> None:
    deleted = DAY_TWO["deleted"][0]
    for _ in range(2):
        assert next_day.run("refresh", "--full").code == 0
    with StandIn(FIXTURES, rate=0) as restored:
        next_day.url = restored.url
        assert next_day.run("refresh").code == 0
    assert standing(next_day, deleted) == (False, False)
    assert ("record", "gone", "present") in changes(next_day, deleted)
    assert deleted in next_day.matching("cognition")


def test_a_record_that_is_listed_but_not_delivered_is_waited_for_once(desk: Desk, pubmed: StandIn) -> None:
    strategies = [question["strategy"] for question in desk.run("questions", "--json").json]
    for strategy in strategies:
        pubmed.search(strategy)  # is remembered, and so goes on to list what is taken away
    withheld = pubmed.bodies.pop(90000301)
    first, second, third = (desk.run("refresh", "--json") for _ in range(3))
    assert first.code == 3
    assert first.question("cystitis")["reasons"] == ["1 record missing (listed but not delivered)"]
    assert first.question("tolerance")["complete"]
    assert (second.code, third.code) == (0, 0)
    assert "PMID 90000301" in third.question("cystitis")["remarks"][-1]
    pubmed.bodies[90000301] = withheld
    assert desk.run("refresh").code == 0
    assert desk.matching("cystitis") == expected("cystitis")


# -- re-checks ---------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def interval(pmid: int, days: int) -> timedelta:
    """The rule of the design: between half of the days and all of them."""
    return timedelta(days=days * (0.5 + pmid % 97 / 194))


def test_checks_of_what_came_together_are_spread(refreshed: Desk) -> None:
    rows = refreshed.sql("select pmid, checked, next_check from record_state")
    for pmid, checked, due in rows:
        assert abs(moment(due) - moment(checked) - interval(pmid, 30)) <= timedelta(seconds=1)
    assert len({due[:10] for _, _, due in rows}) >= 10


def due_after(days: int, pmids: Iterable[int], recheck_days: int = 30) -> set[int]:
    return {pmid for pmid in pmids if interval(pmid, recheck_days) <= timedelta(days=days)}


def test_only_what_is_due_is_fetched_again_and_then_it_is_not_due(refreshed: Desk, pubmed: StandIn) -> None:
    refreshed.days_pass(20)
    due = due_after(20, everything())
    assert due and due != everything()
    sent = len(pubmed.log)
    report = refreshed.run("refresh", "--json").json
    assert set(asked_for(pubmed, sent)) == due
    assert report["due"] == report["fetched"] == len(due)
    assert report["changed"] == 0
    sent = len(pubmed.log)
    refreshed.run("refresh")
    assert asked_for(pubmed, sent) == []


def test_what_was_checked_longest_ago_comes_first(refreshed: Desk, pubmed: StandIn) -> None:
    refreshed.days_pass(20)
    refreshed.run("refresh")
    refreshed.days_pass(20)
    sent = len(pubmed.log)
    refreshed.run("refresh")
    never_again = everything() - due_after(20, everything())
    order = asked_for(pubmed, sent)
    assert set(order[: len(never_again)]) == never_again


def test_within_the_interval_every_record_is_checked(refreshed: Desk, pubmed: StandIn) -> None:
    sent = len(pubmed.log)
    for _ in range(3):
        refreshed.days_pass(10)
        refreshed.run("refresh")
    assert set(asked_for(pubmed, sent)) == everything()


def test_recheck_days_replaces_what_the_question_files_say(refreshed: Desk, pubmed: StandIn) -> None:
    refreshed.days_pass(8)
    sent = len(pubmed.log)
    refreshed.run("refresh", "--recheck-days", "10")
    assert set(asked_for(pubmed, sent)) == due_after(8, everything(), recheck_days=10)


def test_full_fetches_every_stored_record_again(refreshed: Desk, pubmed: StandIn) -> None:
    before, sent = dump(refreshed.db), len(pubmed.log)
    refreshed.run("refresh", "--full")
    assert set(asked_for(pubmed, sent)) == everything()
    assert_same(refreshed.db, before)


# -- strategies --------------------------------------------------------------------------------


def widen(queries: Path) -> None:
    """Let cystitis also find ketamine for pain, which none of the questions does."""
    edit(queries / "cystitis.yml", "combine: ketamine AND bladder", "combine: (ketamine AND bladder) OR pain")
    edit(queries / "cystitis.yml", "search:\n", "search:\n  pain: 90000512[uid]\n")


def test_what_an_edited_strategy_lets_in_is_not_called_new(desk: Desk) -> None:
    queries = desk.own_queries()
    assert desk.run("refresh").code == 0
    old = desk.column("select strategy from questions where slug = 'cystitis'")
    widen(queries)
    assert desk.run("refresh", "--run-edited").code == 0
    entered = "select pmid, strategy from question_articles where reason = 'strategy changed'"
    new = desk.column("select strategy from questions where slug = 'cystitis'")
    assert desk.sql(entered) == [(90000512, new[0])]
    assert new != old
    kept = desk.column("select hash from strategies where question = 'cystitis'")
    assert set(kept) == {*old, *new}


def test_what_a_narrower_strategy_no_longer_finds_leaves_and_comes_back(desk: Desk) -> None:
    queries = desk.own_queries()
    widen(queries)
    assert desk.run("refresh").code == 0
    edit(queries / "cystitis.yml", ") OR pain", ") NOT pain")
    assert desk.run("refresh", "--run-edited").code == 0
    assert desk.matching("cystitis") == expected("cystitis")
    edit(queries / "cystitis.yml", ") NOT pain", ") OR pain")
    assert desk.run("refresh", "--run-edited").code == 0
    assert desk.matching("cystitis") == expected("cystitis") | {90000512}
    check_whole(desk.db)


def test_a_mistyped_field_fails_its_question_and_no_other(desk: Desk) -> None:
    queries = desk.own_queries()
    edit(queries / "cystitis.yml", "voiding[tiab]", "voiding[tibb]")
    done = desk.run("refresh", "--json")
    assert done.code == 3
    row = done.question("cystitis")
    assert not row["complete"]
    assert "tibb" in row["reasons"][0]
    assert desk.matching("cystitis") == set()
    errors = desk.column("select errors from searches where question = 'cystitis'")
    assert json.loads(errors[0]) == ["FieldNotFound: tibb"]
    for question in set(QUESTIONS) - {"cystitis"}:
        assert desk.matching(question) == expected(question)
    edit(queries / "cystitis.yml", "voiding[tibb]", "voiding[tiab]")
    assert desk.run("refresh").code == 0
    assert desk.matching("cystitis") == expected("cystitis")


# What stands for the block "bladder", whether the question is complete, and what its reason names.
UNKNOWN_PHRASES = [
    ("cystopathyx[tiab]", False, "cystopathyx[tiab]"),
    ('cystopathyx[tiab] OR "no such words"[tiab]', False, 'cystopathyx[tiab], "no such words"[tiab]'),
    ('"no such words"[tiab]', False, '"no such words"[tiab]'),
    ("cystitis[tiab] NOT cystopathyx[tiab]", False, "cystopathyx[tiab]"),
    ("cystitis[tiab] OR cystopathyx[tiab]", True, ""),
    ("cystitis[tiab] NOT (rats[tiab] OR cystopathyx[tiab])", True, ""),
]


@pytest.mark.parametrize(("block", "complete", "named"), UNKNOWN_PHRASES)
def test_a_question_is_complete_only_where_no_block_was_dropped(
    desk: Desk, block: str, complete: bool, named: str
) -> None:
    queries = desk.own_queries()
    file = queries / "cystitis.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        re.sub(r"(?ms)^  bladder:.*?(?=^  \w)", f"  bladder: '{block}'\n", text), encoding="utf-8"
    )
    done = desk.run("refresh", "cystitis", "--json")
    row = done.question("cystitis")
    assert (done.code, row["complete"]) == ((0, True) if complete else (3, False))
    assert any("cystopathyx" in remark or "no such words" in remark for remark in row["remarks"])
    if complete:
        assert (row["reasons"], row["remedy"]) == ([], None)
        return
    assert f"PubMed does not know {named}, so it searched for something other than" in row["reasons"][0]
    assert "search.bladder" in row["reasons"][0]
    assert row["remedy"] == "edit"
    told = desk.run("refresh", "cystitis").err
    assert f"Edit {file}, then run it again." in told
    assert "continue" not in told
    assert desk.matching("cystitis") == set()
    file.write_text(text, encoding="utf-8")
    assert desk.run("refresh", "cystitis").code == 0
    assert desk.matching("cystitis") == expected("cystitis")


def test_seeds_are_reported_found_missing_or_with_another_title(desk: Desk) -> None:
    queries = desk.own_queries()
    title = "Systematic review and meta-analysis of ketamine-associated uropathy"
    edit(queries / "cystitis.yml", title, "On the keeping of goats in mountain villages")
    row = desk.run("refresh", "--json").question("cystitis")
    assert 37897311 in row["seeds_missing"]
    assert 32212278 not in row["seeds_missing"] and 36464318 not in row["seeds_missing"]
    assert any("36464318 has a different title" in remark for remark in row["remarks"])
    cystitis = next(
        row for row in desk.run("status", "--json").json["questions"] if row["question"] == "cystitis"
    )
    assert 37897311 in {seed["pmid"] for seed in cystitis["seeds_missing"]}
    assert [seed["pmid"] for seed in cystitis["seeds_with_another_title"]] == [36464318]


# -- answers that add up, and answers that do not ----------------------------------------------


def test_a_set_past_the_limit_is_searched_in_slices_that_add_up(desk: Desk) -> None:
    with StandIn(FIXTURES, rate=0, limit=10) as small:
        desk.url = small.url
        assert desk.run("refresh").code == 0
    for question in QUESTIONS:
        assert desk.matching(question) == expected(question)
        slices, reconciled = desk.sql(
            "select slices, reconciled from searches where question = ? and purpose = 'strategy'", question
        )[0]
        parts = json.loads(slices)
        assert reconciled and len(parts) > 1
        assert sum(count for _, _, count in parts) == len(expected(question))
        assert all(later[0] == earlier[1] + 1 for earlier, later in itertools.pairwise(parts))


class Miscounting(StandIn):
    """Counts one record more than it lists."""

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        body = re.sub(rb"<Count>(\d+)", lambda count: b"<Count>%d" % (int(count[1]) + 1), reply.body)
        return reply._replace(body=body)


def test_a_count_that_does_not_add_up_leaves_the_question_incomplete(desk: Desk) -> None:
    with Miscounting(FIXTURES, rate=0) as service:
        desk.url = service.url
        done = desk.run("refresh", "cystitis", "--json")
    assert done.code == 3
    assert "PubMed counted 22 records" in done.question("cystitis")["reasons"][0]
    assert desk.column("select reconciled from searches") == [0]
    assert desk.column("select complete_to from questions") == [None]


class Forgetful(StandIn):
    """Finds three records at most, once it is told to forget."""

    forgets = False

    def search(self, term: str) -> Found:
        found = super().search(term)
        return found._replace(pmids=found.pmids[:3]) if self.forgets else found


@pytest.fixture
def forgetful(desk: Desk) -> Iterator[Forgetful]:
    with Forgetful(FIXTURES, rate=0) as service:
        desk.url = service.url
        assert desk.run("refresh", "cystitis").code == 0
        service.forgets = True
        yield service


def test_a_sudden_drop_is_not_believed_at_first(desk: Desk, forgetful: Forgetful) -> None:
    complete_to = desk.column("select complete_to from questions")
    done = desk.run("refresh", "cystitis", "--json")
    assert done.code == 3
    assert "counted 3 records where 21 matched before" in done.question("cystitis")["reasons"][0]
    assert desk.matching("cystitis") == expected("cystitis")
    assert desk.column("select complete_to from questions") == complete_to


def test_a_drop_is_believed_the_second_time(desk: Desk, forgetful: Forgetful) -> None:
    assert desk.run("refresh", "cystitis").code == 3
    done = desk.run("refresh", "cystitis", "--json")
    assert done.code == 0
    assert done.question("cystitis")["left"] == 18
    assert len(desk.matching("cystitis")) == 3


def test_a_drop_that_was_a_mistake_leaves_no_trace_in_the_question(desk: Desk, forgetful: Forgetful) -> None:
    before = dump(desk.db)
    assert desk.run("refresh", "cystitis").code == 3
    forgetful.forgets = False
    assert desk.run("refresh", "cystitis").code == 0
    assert_same(desk.db, before)


# -- refusals, each one clear line -------------------------------------------------------------


def test_an_unknown_question_is_refused(desk: Desk, pubmed: StandIn) -> None:
    done = desk.run("refresh", "cystitis", "cysitis")
    assert done.code == 2
    assert re.fullmatch(r"Error: .*'cysitis'.*Choose one of: .*cystitis.*\n", done.err)
    assert not desk.db.exists() and not pubmed.log


def test_without_an_e_mail_address_nothing_is_sent(desk: Desk, pubmed: StandIn) -> None:
    done = desk.run("refresh", TRACKER_EMAIL="")
    assert done.code == 2
    assert re.fullmatch(r"Error: NCBI asks for an e-mail address.*TRACKER_EMAIL.*\n", done.err)
    assert not desk.db.exists() and not pubmed.log


def test_a_key_that_ncbi_does_not_know_is_a_mistake_of_ours_not_an_outage(
    desk: Desk, pubmed: StandIn
) -> None:
    pubmed.invalid_keys = frozenset({KEY})
    done = desk.run("refresh")
    assert done.code == 2
    assert "Error: NCBI_API_KEY: NCBI does not accept this key" in done.err
    assert KEY not in done.err + done.out
    assert len(pubmed.log) == 1
    assert desk.column("select distinct complete_to from questions") == [None]


def test_a_damaged_database_is_named_and_left_alone(desk: Desk) -> None:
    desk.db.parent.mkdir()
    desk.db.write_bytes(b"not a database at all " * 500)
    before = desk.db.read_bytes()
    done = desk.run("refresh")
    assert done.code == 1
    assert re.search(r"^Error: .*evidence\.db: .*\n\Z", done.err, re.M)
    assert desk.db.read_bytes() == before


# -- stopped, or not alone ---------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_refresh_that_is_told_to_stop_says_so_and_the_next_one_goes_on(
    desk: Desk, pubmed: StandIn, signum: int
) -> None:
    pubmed.faults.add("hang", only="efetch")
    process = desk.start("refresh")
    wait_for(lambda: any(request.endpoint == "efetch" for request in pubmed.log))
    process.send_signal(signum)
    stopped = finish(process)
    assert stopped.code == 3
    assert "interrupted" in stopped.err.splitlines()[-1]
    assert desk.sql("select outcome, reason like 'interrupted%' from runs") == [("incomplete", 1)]
    assert desk.column("select distinct complete_to from questions") == [None]
    assert desk.column("select distinct incomplete_reason from questions") == ["interrupted"]
    assert desk.run("status").code == 3
    pubmed.faults.clear()
    assert desk.run("refresh").code == 0
    assert desk.stored() == everything()


def test_a_second_refresh_of_the_same_folder_is_turned_away(desk: Desk, pubmed: StandIn) -> None:
    pubmed.faults.add("hang", only="efetch")
    process = desk.start("refresh")
    wait_for(lambda: any(request.endpoint == "efetch" for request in pubmed.log))
    sent = len(pubmed.log)
    second = desk.run("refresh")
    process.terminate()
    finish(process)
    assert second.code == 4
    assert re.fullmatch(r"Error: .*another refresh, load or rebuild is running.*\n", second.err)
    assert len(pubmed.log) == sent
    pubmed.faults.clear()
    assert desk.run("refresh").code == 0


# -- status reads it back ----------------------------------------------------------------------


def test_status_says_how_complete_each_question_is(refreshed: Desk) -> None:
    done = refreshed.run("status", "--json")
    assert done.code == 0
    for row in done.json["questions"]:
        assert row["matching"] == len(expected(row["question"]))
        assert row["complete_to"] and not row["incomplete_since"]
    assert done.json["records"] == len(everything())
    assert done.json["due"] == done.json["gone"] == 0
    assert done.json["stale"] == []
    assert [run["outcome"] for run in done.json["runs"]] == ["complete"]


def test_status_calls_a_question_stale_when_it_was_long_not_refreshed(refreshed: Desk) -> None:
    refreshed.days_pass(9)
    assert refreshed.run("status").code == 3
    assert refreshed.run("status", "--max-age", "10").code == 0
    assert refreshed.run("refresh", "cystitis").code == 0
    done = refreshed.run("status", "--json")
    assert done.code == 3
    assert set(done.json["stale"]) == set(QUESTIONS) - {"cystitis"}


def test_status_says_since_when_and_why_a_question_is_incomplete(refreshed: Desk, pubmed: StandIn) -> None:
    complete_to = refreshed.column("select distinct complete_to from questions")
    pubmed.faults.add("503")
    assert refreshed.run("refresh").code == 3
    first = refreshed.run("status", "--json")
    assert refreshed.run("refresh").code == 3
    again = refreshed.run("status", "--json")
    assert first.code == again.code == 3
    for row, later in zip(first.json["questions"], again.json["questions"], strict=True):
        assert [row["complete_to"]] == complete_to
        assert "HTTP 503" in row["incomplete_reason"]
        assert row["incomplete_since"] == later["incomplete_since"]
    pubmed.faults.clear()
    assert refreshed.run("refresh").code == 0
    assert refreshed.run("status").code == 0


# -- manners, and the key ----------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, ""], ids=["with a key", "without a key"])
def test_ncbis_limit_is_kept_and_every_request_says_who_asks(tmp_path: Path, key: str) -> None:
    with StandIn(FIXTURES, rate=3) as strict:
        desk = Desk(tmp_path, strict.url, {"NCBI_API_KEY": key})
        for _ in range(2):
            assert desk.shell("refresh").code == 0
        assert strict.violations == []
        # All searches, one fetch, every line once; then two searches a question.
        assert len(strict.log) == 4 + 1 + len(lines()) + 8
        for request in strict.log:
            assert request.params["tool"] == "evidence-tracker"
            assert request.params["email"] == EMAIL
            assert request.params.get("api_key", "") == key
            assert re.match(rf"evidence-tracker/\S+ .*{EMAIL}", request.headers["User-Agent"])


def test_two_processes_share_the_limit(tmp_path: Path) -> None:
    with StandIn(FIXTURES, rate=3) as strict:
        desks = [Desk(tmp_path, strict.url, {"TRACKER_DB_DIR": name}) for name in ("one", "two")]
        processes = [desk.start("refresh", "--full") for desk in desks]
        assert [finish(process).code for process in processes] == [0, 0]
        assert strict.violations == []


def test_the_key_is_in_no_file_no_message_and_no_address(
    desk: Desk, pubmed: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [desk.shell("refresh", TRACKER_DEBUG="1")]
    # The service repeats a key that it refuses.
    pubmed.invalid_keys = frozenset({KEY})
    said.append(desk.shell("refresh", TRACKER_DEBUG="1"))
    pubmed.invalid_keys = frozenset()
    for fault in ("500", "short", "error-in-200", "reset", "broken-xml"):
        pubmed.faults.add(fault, every=2)
        said.append(desk.run("refresh", "--full", "--json", TRACKER_DEBUG="1"))
        pubmed.faults.clear()
    said.append(desk.run("status", "--json"))
    assert [result.code for result in said[:2]] == [0, 2]
    assert all(KEY not in result.out + result.err for result in said)
    assert "HTTP 500" in caplog.text and KEY not in caplog.text
    assert any(request.params.get("api_key") == KEY for request in pubmed.log)
    assert all(KEY not in request.line + str(request.headers) for request in pubmed.log)
    written = [file for file in desk.home.rglob("*") if file.is_file()]
    assert desk.db in written
    assert all(KEY.encode() not in file.read_bytes() for file in written)


class Indiscreet(StandIn):
    """Repeats the key in a complaint."""

    def answer(self, request: Request) -> Reply:
        super().answer(request)
        return Reply(
            200, b"<eSearchResult><ERROR>no room for api_key=%s</ERROR></eSearchResult>" % KEY.encode()
        )


def test_a_complaint_that_repeats_the_key_is_quoted_without_it(desk: Desk) -> None:
    with Indiscreet(FIXTURES, rate=0) as service:
        desk.url = service.url
        done = desk.run("refresh", "cystitis")
    assert done.code == 3
    assert "no room for api_key=[key]" in done.err
    assert KEY not in done.err + done.out
    assert KEY.encode() not in b"".join(file.read_bytes() for file in desk.db.parent.iterdir())


class Stern(StandIn):
    """Refuses every search: ``words`` are its complaint."""

    words = b""

    def answer(self, request: Request) -> Reply:
        super().answer(request)
        return Reply(200, b"<eSearchResult><ERROR>%s</ERROR></eSearchResult>" % self.words)


@pytest.mark.parametrize(
    ("words", "remedy", "advice"),
    [
        (b"Invalid db name specified: pubmed", "none", "Running it again does not help.\n"),
        (b"Search Backend failed", "run again", "Run it again to continue.\n"),
    ],
)
def test_another_run_is_advised_only_where_it_helps(
    desk: Desk, words: bytes, remedy: str, advice: str
) -> None:
    with Stern(FIXTURES, rate=0) as service:
        service.words = words
        desk.url = service.url
        done = desk.run("refresh", "cystitis", "--json")
    assert done.code == 3
    assert done.question("cystitis")["remedy"] == remedy
    assert words.decode() in done.err
    assert done.err.endswith(advice)
