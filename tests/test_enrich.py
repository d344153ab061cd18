"""What other services add: asked politely, kept with its source, and never a reason for a refresh to fail."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.conftest import EMAIL, FIXTURES, KEY, Desk, Result, check_whole, finish, wait_for
from tests.enrich_servers import NAMES, Services, study
from tests.eutils_server import StandIn
from tracker.article import ArticleKey, Pmid
from tracker.enrich import added, clinicaltrials, crossref, europepmc, icite, sources
from tracker.enrich.runs import last_runs
from tracker.enrich.trials import State, trials_named_by, trials_of
from tracker.pubmed.pace import Pace

SHARED = Path(__file__).parents[2] / "shared" / "data"
TRIAL, CASE, SURVEY, RATS = 90000301, 90000302, 90000303, 90000304
NAMED = "NCT99000301"
LONG_AGO = "2019-12-20"
LOADED = FIXTURES / "pubmed" / "cystitis.xml"
FOUND = "bladder pain"
TODAY = datetime.now(UTC).date()


@pytest.fixture
def services() -> Iterator[Services]:
    with Services() as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, pubmed: StandIn, services: Services) -> Desk:
    """A few papers of one question, which has a search for trials, and every service there to be asked."""
    desk = Desk(tmp_path, pubmed.url, dict(services.environment))
    file = desk.own_queries() / "cystitis.yml"
    file.write_text(f"{file.read_text(encoding='utf-8')}trials:\n  conditions: [{FOUND}, cystitis]\n")
    assert desk.run("load", "--match", "cystitis", str(LOADED)).code == 0
    return desk


def enrich(desk: Desk, *arguments: str, code: int = 0, **environment: str) -> Result:
    done = desk.run("enrich", "--question", "cystitis", *arguments, **environment)
    assert done.code == code, done.err
    return done


def reading(desk: Desk) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(desk.db))


def key(pmid: int) -> ArticleKey:
    return Pmid(pmid)


# -- what each service adds ----------------------------------------------------------------------


def test_citations_are_kept_from_both_shapes_of_icites_answers(desk: Desk) -> None:
    enrich(desk, "--source", "icite")
    with reading(desk) as db:
        metrics = added.metrics_of(db, [key(TRIAL), key(CASE), key(SURVEY), key(RATS)])
    assert metrics.keys() == {TRIAL, CASE, SURVEY}
    assert metrics[key(TRIAL)][:6] == (17, 3, 2.18, 77.1, 3.4, False)
    assert metrics[key(CASE)][:6] == (2, 0, None, None, 2, True)


def test_links_to_full_text_say_where_and_under_which_licence(desk: Desk) -> None:
    enrich(desk, "--source", "europepmc")
    with reading(desk) as db:
        links = added.links_of(db, [key(TRIAL), key(CASE), key(RATS)])
    assert [(link.name, link.format, link.open, link.licence) for link in links[key(TRIAL)]] == [
        ("Europe PMC", "html", True, "CC BY-NC"),
        ("Europe PMC", "pdf", True, "CC BY-NC"),
        ("Publisher", "doi", False, None),
    ]
    # Of a paper that Europe PMC says nothing of, PubMed's DOI leads to the publisher.
    assert [(link.name, link.open, link.source) for link in links[key(RATS)]] == [
        ("Publisher", None, "pubmed")
    ]
    assert not [link for found in links.values() for link in found if "javascript" in link.url]


def test_a_preprint_by_title_and_author_is_only_probable(desk: Desk) -> None:
    # The second run asks about the preprints that the first one met.
    enrich(desk, "--source", "europepmc")
    enrich(desk, "--source", "europepmc")
    with reading(desk) as db:
        found = added.preprints_of(db, [key(TRIAL), key(CASE)])
    ((sure,), (probable,)) = found[key(TRIAL)], found[key(CASE)]
    assert (sure.relation, sure.sure, sure.server, sure.doi) == (
        "preprint",
        True,
        "medRxiv",
        "10.5555/preprint.1",
    )
    assert sure.url == "https://doi.org/10.5555/preprint.1"
    assert (probable.sure, probable.server) == (False, "Authorea Preprints")


def test_a_retraction_that_only_crossref_knows_is_a_notice_with_its_source(desk: Desk) -> None:
    before = desk.sql("select * from notices order by pmid, position")
    enrich(desk, "--source", "crossref")
    with reading(desk) as db:
        found = added.outside_notices_of(db, [key(TRIAL), key(CASE), key(SURVEY), key(RATS)])
        since = added.outside_notices_since(db, "cystitis", "2020-01-01T00:00:00Z")
        later = added.outside_notices_since(db, "cystitis", "2999-01-01T00:00:00Z")
    assert [(notice.kind, notice.stated_by, notice.date, notice.url) for notice in found[key(CASE)]] == [
        ("retracted", "retraction-watch", "2024-02-06", "https://doi.org/10.5555/notice.2"),
        ("corrected", "publisher", "2022-03", "https://doi.org/10.5555/notice.1"),
    ]
    assert [notice.kind for notice in found[key(SURVEY)]] == ["expression of concern"]
    assert [(notice.kind, notice.type, notice.date) for notice in found[key(RATS)]] == [
        ("other", "addendum", None)
    ]
    assert [notice.kind for notice in since] == ["retracted", "expression of concern", "corrected", "other"]
    assert later == []
    # PubMed's own are as they were, and so is what the article's row says.
    assert desk.sql("select * from notices order by pmid, position") == before
    assert desk.column("select retracted from articles where pmid = ?", CASE) == [0]


def test_what_pubmed_says_too_is_no_notice_from_elsewhere(desk: Desk) -> None:
    enrich(desk, "--source", "crossref")
    desk.change("update articles set retracted = 1 where pmid = ?", CASE)
    with reading(desk) as db:
        (notice,) = added.outside_notices_of(db, [key(CASE)])[key(CASE)]
    assert notice.kind == "corrected"


def test_a_doi_with_a_comma_is_asked_for_alone(desk: Desk, services: Services) -> None:
    desk.change("update articles set doi = '10.5555/a,b' where pmid = ?", RATS)
    services.works.append(
        {"DOI": "10.5555/A,B", "updated-by": [{"DOI": "10.5555/n", "type": "removal", "source": "publisher"}]}
    )
    enrich(desk, "--source", "crossref")
    assert [request.path for request in services.asked("crossref")].count("works/10.5555/a,b") == 1
    with reading(desk) as db:
        (notice,) = added.outside_notices_of(db, [key(RATS)])[key(RATS)]
    assert notice.kind == "withdrawn"


# -- trials ----------------------------------------------------------------------------------------


def soon() -> str:
    return f"{TODAY + timedelta(days=200)}"


def lately() -> str:
    return f"{TODAY - timedelta(days=100)}"


STUDIES = {
    "NCT99000001": (study("NCT99000001", "NOT_YET_RECRUITING", soon(), estimated=True), State.REGISTERED),
    "NCT99000002": (study("NCT99000002", "RECRUITING", soon(), estimated=True), State.RUNNING),
    "NCT99000003": (study("NCT99000003", "COMPLETED", lately()), State.ENDED),
    "NCT99000004": (study("NCT99000004", "COMPLETED", LONG_AGO), State.OVERDUE),
    "NCT99000005": (study("NCT99000005", "COMPLETED", LONG_AGO, results="2021-03-01"), State.RESULTS_POSTED),
    "NCT99000006": (
        study("NCT99000006", "TERMINATED", LONG_AGO, references=((90000777, "DERIVED"),)),
        State.PUBLISHED,
    ),
    "NCT99000007": (
        study("NCT99000007", "COMPLETED", LONG_AGO, references=((90000778, "BACKGROUND"),)),
        State.OVERDUE,
    ),
    "NCT99000008": (study("NCT99000008", "WITHDRAWN"), State.WITHDRAWN),
    "NCT99000009": (study("NCT99000009", "UNKNOWN", LONG_AGO, estimated=True), State.UNKNOWN),
    "NCT99000010": (study("NCT99000010", "TERMINATED"), State.ENDED),
    # What is known to the month may have ended on its last day.
    "NCT99000011": (study("NCT99000011", "COMPLETED", f"{TODAY.year}"), State.ENDED),
    NAMED: (study(NAMED, "COMPLETED", LONG_AGO), State.PUBLISHED),
}


def with_studies(services: Services) -> None:
    for nct, (one, _) in STUDIES.items():
        if nct != NAMED:
            one["protocolSection"]["conditionsModule"]["conditions"] = ["Depression", FOUND]
        services.studies.append(one)


def test_every_trial_that_is_found_or_named_has_its_state(desk: Desk, services: Services) -> None:
    with_studies(services)
    # The trial's report came out before the trial's end in our fixture's years, so that it would tell no results.
    desk.change("update articles set published = '2021-05' where pmid = ?", TRIAL)
    enrich(desk, "--source", "clinicaltrials")
    enrich(desk, "--source", "clinicaltrials")
    with reading(desk) as db:
        trials = {trial.nct: trial for trial in trials_of(db, "cystitis", TODAY)}
        named = trials_named_by(db, [key(TRIAL), key(CASE)], TODAY)
    assert {nct: trial.state for nct, trial in trials.items()} == {
        nct: state for nct, (_, state) in STUDIES.items()
    }
    overdue = trials["NCT99000004"]
    assert overdue.days == (TODAY - date(2019, 12, 20)).days
    assert next(iter(trials)) in ("NCT99000004", "NCT99000007")
    assert (overdue.enrolment, overdue.enrolment_is_estimated, overdue.phases) == (92, True, ("PHASE2",))
    (publication,) = trials[NAMED].publications
    assert (publication.pmid, publication.how, publication.tells_results) == (TRIAL, "data bank", True)
    assert trials["NCT99000002"].days is None and trials["NCT99000002"].end_is_estimated
    assert [trial.nct for trial in named[key(TRIAL)]] == [NAMED] and key(CASE) not in named


def test_a_trial_is_called_overdue_only_once_pubmed_was_asked_for_its_number(
    desk: Desk, services: Services, pubmed: StandIn
) -> None:
    services.studies.append(study("NCT99000004", "COMPLETED", LONG_AGO, finds=FOUND))
    services.studies.append(study("NCT99000674", "COMPLETED", LONG_AGO, finds=FOUND))
    pubmed.faults.add("500")
    enrich(desk, "--source", "clinicaltrials", code=3)
    with reading(desk) as db:
        assert {trial.state for trial in trials_of(db, "cystitis", TODAY)} == {State.ENDED}
    pubmed.faults.clear()
    enrich(desk, "--source", "clinicaltrials")
    with reading(desk) as db:
        states = {trial.nct: trial for trial in trials_of(db, "cystitis", TODAY)}
    assert states["NCT99000004"].state is State.OVERDUE
    # PubMed has a record with this number, though none of our questions found it.
    assert [each.how for each in states["NCT99000674"].publications] == ["search"]
    assert states["NCT99000674"].state is State.PUBLISHED


def test_a_protocol_and_a_paper_from_before_the_end_tell_no_results(desk: Desk, services: Services) -> None:
    services.studies.append(study(NAMED, "COMPLETED", "2023-06-30"))
    desk.change("update articles set published = '2021-05' where pmid = ?", TRIAL)
    enrich(desk, "--source", "clinicaltrials")
    with reading(desk) as db:
        (trial,) = trials_of(db, "cystitis", TODAY)
    # It is named, so that nobody may say that no publication names it.
    assert trial.state is State.ENDED and not trial.publications[0].tells_results


def test_a_number_in_an_abstract_names_a_trial(desk: Desk, services: Services) -> None:
    desk.change(
        "update articles set abstract = abstract || ' Registered as NCT99000044.' where pmid = ?", CASE
    )
    services.studies.append(study("NCT99000044", "RECRUITING"))
    enrich(desk, "--source", "clinicaltrials")
    assert desk.sql("select pmid, how from trial_articles where nct = 'NCT99000044'") == [(CASE, "text")]
    assert desk.column("select title from trials where nct = 'NCT99000044'") == ["Written by us"]


def test_other_terms_are_asked_at_once_and_what_the_old_ones_found_goes(
    desk: Desk, services: Services
) -> None:
    services.studies.append(study("NCT99000001", "RECRUITING", finds=FOUND))
    services.studies.append(study("NCT99000002", "RECRUITING", finds="other pain"))
    enrich(desk, "--source", "clinicaltrials")
    assert desk.column("select nct from question_trials") == ["NCT99000001"]
    file = desk.queries / "cystitis.yml"
    file.write_text(file.read_text().replace(FOUND, "other pain"))
    enrich(desk, "--source", "clinicaltrials")
    assert desk.column("select nct from question_trials") == ["NCT99000002"]


def test_a_question_that_asks_for_no_trial_is_told(desk: Desk) -> None:
    file = desk.queries / "cystitis.yml"
    file.write_text(file.read_text().replace(f"  conditions: [{FOUND}, cystitis]", "  conditions: []"))
    said = desk.run("questions", "check")
    assert said.code != 0 and "trials has neither conditions nor interventions" in said.out + said.err


# -- manners ---------------------------------------------------------------------------------------


def test_each_is_told_who_asks_and_none_gets_the_key(desk: Desk, services: Services) -> None:
    enrich(desk)
    assert {request.service for request in services.log} == set(NAMES)
    assert all(f"mailto:{EMAIL}" in request.agent for request in services.log)
    assert all(request.params["mailto"] == EMAIL for request in services.asked("crossref"))
    assert KEY not in repr(services.log)


def test_what_was_answered_lately_is_not_asked_again(desk: Desk, services: Services) -> None:
    enrich(desk)
    enrich(desk)
    services.log.clear()
    done = enrich(desk, "--json").json
    assert services.log == [] and {row["due"] for row in done["sources"]} == {0}
    assert enrich(desk).err == ""


def test_young_papers_are_asked_about_sooner(desk: Desk, services: Services) -> None:
    enrich(desk, "--source", "crossref")
    dates = {CASE: f"{TODAY - timedelta(days=30)}", SURVEY: "2019-01-01"}
    for pmid, created in dates.items():
        desk.change("update question_articles set created = ? where pmid = ?", created, pmid)
    desk.change("update question_articles set created = '2018-01-01' where pmid not in (?, ?)", *dates)
    desk.change("update enrichments set asked = strftime('%Y-%m-%dT%H:%M:%SZ', asked, '-8 days')")
    services.log.clear()
    enrich(desk, "--source", "crossref")
    (request,) = services.asked("crossref")
    assert request.params["filter"] == f"doi:10.5555/et.{CASE}"


def test_a_run_asks_about_no_more_than_its_limit_and_the_next_one_goes_on(
    desk: Desk, services: Services
) -> None:
    total = len(desk.matching("cystitis"))
    first = enrich(desk, "--source", "icite", "--limit", "3", "--json").json["sources"][0]
    assert (first["due"], first["asked"], first["outcome"]) == (total, 3, "incomplete")
    second = enrich(desk, "--source", "icite", "--json").json["sources"][0]
    assert (second["due"], second["asked"], second["outcome"]) == (total - 3, total - 3, "complete")
    asked = ",".join(request.params["pmids"] for request in services.asked("icite")).split(",")
    assert len(asked) == len(set(asked)) == total


def test_a_service_is_asked_no_faster_than_it_says(
    desk: Desk, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[float] = []
    monkeypatch.setattr(Pace, "at_most", lambda self, per_second: allowed.append(per_second))
    services.headers["crossref"] = (("X-Rate-Limit-Limit", "5"), ("X-Rate-Limit-Interval", "10s"))
    enrich(desk, "--source", "crossref")
    assert set(allowed) == {0.5}


def test_raw_answers_are_kept(desk: Desk) -> None:
    enrich(desk)
    raw = desk.column("select raw from enrichments where source = 'icite' and key = ?", str(TRIAL))[0]
    assert json.loads(zstandard.decompress(raw))["citation_count"] == 17
    unknown = desk.sql("select answered, raw from enrichments where source = 'icite' and key = ?", str(RATS))
    assert unknown == [(None, None)]


def test_a_row_keeps_the_day_on_which_it_first_came(desk: Desk, services: Services) -> None:
    enrich(desk, "--source", "crossref")
    for table in ("doi_notices", "enrichments"):
        column = "fetched" if table == "doi_notices" else "asked"
        desk.change(f"update {table} set {column} = '2020-01-01T00:00:00Z'")
    services.works[1]["updated-by"][0]["type"] = "erratum"
    enrich(desk, "--source", "crossref")
    rows = desk.sql(
        "select type, substr(fetched, 1, 4) = '2020' from doi_notices where doi = '10.5555/et.90000302' order by 1"
    )
    assert rows == [("erratum", 0), ("retraction", 1)]


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["429", "500", "html", "truncated", "nothing", "deep", "slow"])
@pytest.mark.parametrize("service", NAMES)
def test_a_fault_that_passes_is_waited_out(desk: Desk, services: Services, service: str, fault: str) -> None:
    services.faults[service] = [fault]
    done = enrich(desk, "--source", service, TRACKER_TIMEOUT="0.5")
    assert "trying again" in done.err and not services.faults[service]


@pytest.mark.parametrize("fault", ["500", "html", "truncated", "other shape", "a list", "400", "404", "deep"])
@pytest.mark.parametrize("service", NAMES)
def test_a_service_that_fails_is_one_plain_line_and_costs_nothing_that_was_stored(
    desk: Desk, services: Services, service: str, fault: str
) -> None:
    services.studies.append(study("NCT99000004", "COMPLETED", LONG_AGO, finds=FOUND))
    enrich(desk)
    before = stored(desk)
    desk.change("update enrichments set asked = '2020-01-01T00:00:00Z'")
    services.faults[service] = [fault] * 50
    done = enrich(desk, code=3)
    assert stored(desk) == before
    assert "Traceback" not in done.err
    assert done.err.splitlines()[-1].startswith(f"Incomplete: {service}: ")
    with reading(desk) as db:
        outcomes = {row["source"]: row["outcome"] for row in last_runs(db)}
    assert outcomes.pop(service) == "failed"
    assert set(outcomes.values()) == {"complete"}


def stored(desk: Desk) -> dict[str, list[Any]]:
    tables = (
        "citation_metrics",
        "trials",
        "question_trials",
        "preprint_links",
        "full_text_links",
        "doi_notices",
    )
    return {table: sorted(desk.sql(f"select * from {table}"), key=repr) for table in tables}


def test_one_key_that_a_service_refuses_keeps_no_other_from_being_asked(
    desk: Desk, services: Services
) -> None:
    # The batch is refused, and then the first of its keys.
    services.faults["icite"] = ["400", "400"]
    done = enrich(desk, "--source", "icite", code=3)
    assert "the request for it was refused" in done.err
    asked = desk.sql("select count(*) from enrichments where source = 'icite'")[0][0]
    left = len(services.asked("icite")) - 2
    assert asked == left > 3


def test_a_service_that_refuses_everything_is_left_alone(desk: Desk, services: Services) -> None:
    services.faults["icite"] = ["400"] * 100
    enrich(desk, "--source", "icite", code=3)
    assert len(services.asked("icite")) == 4


ODD = {
    "a text for a number": ("icite", "papers", {"citation_count": "many"}),
    "a number that no column holds": ("icite", "papers", {"citation_count": 10**30}),
    "half a character": ("europepmc", "records", {"license": "\ud800", "id": str(TRIAL)}),
    "links that are a text": ("europepmc", "records", {"fullTextUrlList": "none", "id": str(TRIAL)}),
    "updates that are an object": ("crossref", "works", {"updated-by": {"type": "retraction"}}),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_one_odd_answer_spoils_no_other(
    desk: Desk, services: Services, odd: tuple[str, str, dict[str, Any]]
) -> None:
    service, attribute, change = odd
    known = getattr(services, attribute)
    enrich(desk, "--source", service)
    before = desk.sql("select count(*) from enrichments where answered is not null")
    known[0] |= change
    desk.change("update enrichments set asked = '2020-01-01T00:00:00Z', answered = '2020-01-01T00:00:00Z'")
    rows = stored(desk)
    done = enrich(desk, "--source", service, code=3)
    assert "answered something else than documented for" in done.err
    assert stored(desk) == rows
    # The odd one is still due, and nothing else is.
    due = desk.column("select key from enrichments where source = ? and asked like '2020-%'", service)
    assert due in ([str(TRIAL)], [f"10.5555/et.{TRIAL}"])
    assert desk.sql("select count(*) from enrichments where answered is not null")[0] >= before[0]


def test_an_unknown_service_is_named_with_what_to_do(desk: Desk) -> None:
    for said in (
        desk.run("enrich", "--source", "openalex"),
        desk.run("enrich", TRACKER_ENRICH="openalex"),
    ):
        assert said.code == 2 and "'openalex' is none of the services" in said.err and "icite" in said.err


def test_none_switches_all_of_them_off(desk: Desk, services: Services) -> None:
    said = enrich(desk, TRACKER_ENRICH="none")
    assert "TRACKER_ENRICH is none" in said.err and services.log == []


def test_without_an_address_nobody_is_asked(desk: Desk, services: Services) -> None:
    said = enrich(desk, code=2, TRACKER_EMAIL="")
    assert "TRACKER_EMAIL" in said.err and services.log == []


def test_after_a_kill_the_next_run_goes_on(desk: Desk, services: Services) -> None:
    services.faults["crossref"] = ["slow"]
    killed = desk.start("enrich", "--question", "cystitis")
    wait_for(lambda: bool(services.asked("crossref")))
    killed.kill()
    finish(killed)
    assert desk.column("select count(*) from citation_metrics") == [3]
    services.log.clear()
    enrich(desk)
    assert not services.asked("icite") and services.asked("crossref")
    check_whole(desk.db)
    assert desk.column("select outcome from runs where command = 'enrich' order by id") == [
        "failed",
        "complete",
    ]


# -- the last step of a refresh ----------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path: Path, pubmed: StandIn, services: Services) -> Desk:
    return Desk(tmp_path, pubmed.url, dict(services.environment))


def test_a_refresh_asks_them_last(fresh: Desk, services: Services) -> None:
    done = fresh.run("refresh", "cystitis", "--json")
    assert done.code == 0
    assert {row["source"] for row in done.json["enriched"]} == {*NAMES, "pubmed"}
    assert {request.service for request in services.log} == set(NAMES)
    assert fresh.column("select distinct command from runs join enrich_runs on run = runs.id") == ["refresh"]


def test_a_refresh_never_fails_because_of_them(fresh: Desk, services: Services) -> None:
    for name in NAMES:
        services.faults[name] = ["500"] * 200
    done = fresh.run("refresh", "cystitis", "--json")
    assert done.code == 0 and done.json["outcome"] == "complete"
    assert {row["outcome"] for row in done.json["enriched"] if row["source"] in NAMES} == {"failed"}
    assert "Crossref" in done.err
    status = fresh.run("status", "--json").json
    (cystitis,) = [row for row in status["questions"] if row["question"] == "cystitis"]
    assert cystitis["complete_to"]


def test_a_refresh_that_is_told_to_asks_nobody(fresh: Desk, services: Services) -> None:
    done = fresh.run("refresh", "cystitis", "--json", TRACKER_ENRICH="none")
    assert done.code == 0 and done.json["enriched"] == [] and services.log == []


def test_a_rebuild_keeps_what_they_said(desk: Desk) -> None:
    enrich(desk)
    before = stored(desk)
    assert desk.run("rebuild").code == 0
    assert stored(desk) == before


# -- captured answers --------------------------------------------------------------------------------


def captured(pattern: str) -> list[Path]:
    found = sorted(SHARED.glob(pattern))
    if not found:
        pytest.skip("the captured answers are not here")
    return found


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_captured_answers_of_icite_are_read() -> None:
    # The third file there is a client's own cache, with fields of its own.
    answers = [read(path) for path in captured("captures/icite/*.json") if "cache" not in path.name]
    papers = [paper for answer in answers for paper in answer["data"]]
    assert len(papers) == 3
    for paper in papers:
        (row,) = icite.rows(str(paper["pmid"]), paper)["citation_metrics"]
        assert row["citations"] == paper["citation_count"] and row["provisional"] is False
        assert row["clinical_citations"] == len(paper["cited_by_clin"])


def test_captured_answers_of_clinicaltrials_are_read() -> None:
    answers = [read(path) for path in captured("captures/ctgov/*.json") + captured("api/biomcp/ctgov/*.json")]
    studies = [study for answer in answers for study in answer.get("studies", [answer])]
    assert len(studies) > 20
    for one in studies:
        protocol = one["protocolSection"]
        nct = protocol["identificationModule"]["nctId"]
        (row,) = clinicaltrials.rows(nct, one)["trials"]
        assert (row["nct"], row["status"]) == (nct, protocol["statusModule"]["overallStatus"])


def test_captured_answers_of_europe_pmc_are_read() -> None:
    paths = captured("captures/europepmc/*.json") + captured("api/biomcp/europepmc/*.json")
    records = [record for path in paths for record in read(path)["resultList"]["result"]]
    rows = [europepmc.rows(record["id"], record) for record in records]
    links = [link for row in rows for link in row.get("preprint_links", ())]
    assert [link["certainty"] for link in links].count("probable") == 1
    assert [link["certainty"] for link in links].count("sure") == 4
    assert {row["server"] for each in rows for row in each.get("preprint_records", ())} >= {
        "medRxiv",
        "F1000Res",
    }
    licences = {link["licence"] for row in rows for link in row.get("full_text_links", ())}
    assert {"cc by", "cc by-nc-nd", None} == licences


def test_captured_answers_of_crossref_are_read() -> None:
    works = [read(path)["message"] for path in captured("captures/crossref/*.json")]
    notices = [row for work in works for row in crossref.rows(work["DOI"], work)["doi_notices"]]
    assert [(row["kind"], row["stated_by"], row["date"]) for row in notices] == [
        ("other", "publisher", "2020-11-17"),
        ("corrected", "retraction-watch", "2004-03-06"),
        ("retracted", "retraction-watch", "2010-02-06"),
    ]


def test_each_service_of_the_settings_is_a_source() -> None:
    assert [source.name for source in sources.sources(NAMES)] == [
        "icite",
        "clinicaltrials",
        "pubmed",
        "europepmc",
        "crossref",
    ]
