"""The stand-in for E-utilities answers as NCBI does, also when it fails, and its records are as expected."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from Bio import Entrez
from lxml import etree

from tests.eutils_server import FAULTS, QUERIES, StandIn, load_days
from tracker.pubmed.records import open_file, split
from tracker.pubmed.xml import parse_record
from tracker.questions import load_question

FIXTURES = Path(__file__).parent / "fixtures"
SHARED = Path(__file__).parents[2] / "shared"
EXPECTED = yaml.safe_load((FIXTURES / "expected.yml").read_text(encoding="utf-8"))
WHO = {"tool": "test", "email": "somebody@example.org", "db": "pubmed"}
BLADDER = "ketamine[tiab] AND bladder[tiab]"

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not beside the checkout")


@pytest.fixture
def pubmed() -> Iterator[StandIn]:
    with StandIn(FIXTURES, rate=0) as service:
        yield service


def ask(service: StandIn, endpoint: str, method: str = "GET", **params: Any) -> requests.Response:
    params = {name: value for name, value in {**WHO, **params}.items() if value is not None}
    query, body = (params, None) if method == "GET" else (None, params)
    return requests.request(method, f"{service.url}{endpoint}.fcgi", params=query, data=body, timeout=5)


def read(answer: requests.Response) -> Any:
    return Entrez.read(io.BytesIO(answer.content))  # type: ignore[no-untyped-call]


def fetched(answer: requests.Response) -> list[int]:
    return [int(pmid) for pmid in re.findall(rb"<PMID Version=\"\d+\">(\d+)</PMID>", answer.content)]


# -- as NCBI answers ---------------------------------------------------------------------------


def test_biopython_reads_every_kind_of_answer(pubmed: StandIn) -> None:
    found = read(ask(pubmed, "esearch", term=BLADDER, retmax=3))
    assert int(found["Count"]) > 3
    assert int(found["RetMax"]) == len(found["IdList"]) == 3
    assert found["QueryTranslation"] == '("ketamine"[Title/Abstract] AND "bladder"[Title/Abstract])'
    records = read(ask(pubmed, "efetch", id=",".join(found["IdList"]), retmode="xml"))
    assert [str(r["MedlineCitation"]["PMID"]) for r in records["PubmedArticle"]] == found["IdList"]
    assert read(ask(pubmed, "epost", "POST", id="32212278"))["QueryKey"] == "1"
    assert int(read(ask(pubmed, "einfo"))["DbInfo"][0]["Count"]) == len(pubmed.bodies)
    assert read(ask(pubmed, "einfo", db=None))["DbList"] == ["pubmed"]


def test_a_search_lists_the_newest_pmids_first_and_by_pages(pubmed: StandIn) -> None:
    pmids = read(ask(pubmed, "esearch", "POST", term=BLADDER, retmax=1000))["IdList"]
    assert pmids == sorted(pmids, key=int, reverse=True)
    assert read(ask(pubmed, "esearch", term=BLADDER, retstart=2, retmax=2))["IdList"] == pmids[2:4]


def test_json_where_it_is_asked_for(pubmed: StandIn) -> None:
    answer = ask(pubmed, "esearch", term="32212278[uid]", retmode="json").json()
    assert answer["esearchresult"] == {
        "count": "1",
        "retmax": "1",
        "retstart": "0",
        "idlist": ["32212278"],
        "translationset": [],
        "querytranslation": "32212278[UID]",
    }


def test_a_search_lists_no_more_than_the_limit() -> None:
    with StandIn(FIXTURES, rate=0, limit=5) as pubmed:
        found = read(ask(pubmed, "esearch", term="ketamine[tiab]", retmax=1000))
        assert int(found["Count"]) > 5 == len(found["IdList"])
        assert len(read(ask(pubmed, "esearch", term="ketamine[tiab]", retstart=3, retmax=9))["IdList"]) == 2


@pytest.mark.parametrize("status", [200, 400])
def test_past_the_limit_is_an_error_by_either_status(status: int) -> None:
    with StandIn(FIXTURES, rate=0, limit=5, past_limit_status=status) as pubmed:
        answer = ask(pubmed, "esearch", term="ketamine[tiab]", retstart=5)
        assert (answer.status_code, b"'retstart' cannot be larger than 4" in answer.content) == (status, True)
        answer = ask(pubmed, "esearch", term="ketamine[tiab]", retstart=5, retmode="json")
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.text)
        assert "ERROR" in json.loads(answer.text, strict=False)["esearchresult"]


def test_an_unknown_field_widens_the_search_and_is_named(pubmed: StandIn) -> None:
    found = read(ask(pubmed, "esearch", term="cystitis[tiba]"))
    assert found["ErrorList"]["FieldNotFound"] == ["tiba"]
    assert int(found["Count"]) > int(read(ask(pubmed, "esearch", term="cystitis[tiab]"))["Count"])


def test_what_the_index_does_not_hold_is_named(pubmed: StandIn) -> None:
    found = read(ask(pubmed, "esearch", term='"no such words"[tiab] OR qwertyuiop[tiab]'))
    assert found["WarningList"]["QuotedPhraseNotFound"] == ['"no such words"[tiab]']
    assert found["WarningList"]["OutputMessage"] == ["No items found."]
    assert found["ErrorList"]["PhraseNotFound"] == ["qwertyuiop[tiab]"]


def test_records_come_byte_for_byte_and_absent_ones_not_at_all(pubmed: StandIn) -> None:
    answer = ask(pubmed, "efetch", id="32212278,99999999,90000671")
    assert fetched(answer) == [32212278, 90000671]
    assert all(pubmed.bodies[pmid] in answer.content for pmid in (32212278, 90000671))
    assert fetched(ask(pubmed, "efetch", id="99999999")) == []
    assert b"<ERROR>ID list is empty" in ask(pubmed, "efetch", id="").content


def test_the_history_server_keeps_a_search(pubmed: StandIn) -> None:
    found = read(ask(pubmed, "esearch", term=BLADDER, usehistory="y", retmax=0))
    kept = {"WebEnv": found["WebEnv"], "query_key": found["QueryKey"]}
    assert len(fetched(ask(pubmed, "efetch", retstart=1, retmax=2, **kept))) >= 2
    assert b"Unable to obtain query #1" in ask(pubmed, "efetch", WebEnv="lost", query_key="1").content


def test_a_client_can_keep_its_connection(pubmed: StandIn) -> None:
    with requests.Session() as session:
        answers = [
            session.get(f"{pubmed.url}efetch.fcgi", params={**WHO, "id": "32212278"}, timeout=5) for _ in "12"
        ]
    assert {answer.headers["Content-Encoding"] for answer in answers} == {"gzip"}
    assert not any("close" in answer.headers.get("Connection", "") for answer in answers)


@pytest.mark.parametrize(
    ("endpoint", "params", "words"),
    [
        ("esearch", {"term": ""}, "Empty term"),
        ("esearch", {"term": "ketamine[tiab", "retmode": "xml"}, "Search Backend failed"),
        ("esearch", {"db": "protein", "term": "x"}, "Invalid db name specified: protein"),
        ("esearch", {"term": "x", "reldate": "30"}, "knows nothing of reldate"),
        ("efetch", {"id": "1", "retmode": "text"}, "no retmode=text"),
        ("epost", {"id": ""}, "Empty ID list"),
    ],
)
def test_a_request_that_makes_no_sense_is_an_error_at_http_200(
    pubmed: StandIn, endpoint: str, params: dict[str, str], words: str
) -> None:
    answer = ask(pubmed, endpoint, **params)
    assert answer.status_code == 200
    assert words in etree.fromstring(answer.content).findtext("ERROR", "")


# -- what NCBI asks of its users ---------------------------------------------------------------


def test_more_than_three_requests_a_second_are_refused_and_noted() -> None:
    with StandIn(FIXTURES, retry_after=2) as pubmed:
        answers = [ask(pubmed, "einfo") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[3].json()["error"] == "API rate limit exceeded"
        assert answers[3].headers["Retry-After"] == "2"
        assert pubmed.violations == ["4 requests within a second, 3 are allowed"]
        time.sleep(1)
        assert ask(pubmed, "einfo").status_code == 200


def test_with_a_key_ten_are_allowed() -> None:
    with StandIn(FIXTURES) as pubmed:
        assert [ask(pubmed, "einfo", api_key="right").status_code for _ in range(11)] == [200] * 10 + [429]


def test_a_wrong_key_is_refused(pubmed: StandIn) -> None:
    answer = ask(pubmed, "einfo", api_key="wrong")
    assert (answer.status_code, answer.json()["error"]) == (400, "API key invalid")


def test_anonymous_requests_and_long_urls_are_noted(pubmed: StandIn) -> None:
    ask(pubmed, "einfo", tool=None, email=None)
    ask(pubmed, "efetch", id=",".join(map(str, range(1, 300))))
    ask(pubmed, "efetch", "POST", id=",".join(map(str, range(1, 300))))
    path = "/entrez/eutils/einfo.fcgi"
    assert pubmed.violations == [f"no tool in {path}", f"no email in {path}", "299 ids in a GET"]


def test_the_log_tells_what_was_asked(pubmed: StandIn) -> None:
    before = time.monotonic()
    ask(pubmed, "esearch", "POST", term=BLADDER)
    [request] = pubmed.log
    assert before <= request.time <= time.monotonic()
    assert (request.method, request.endpoint, request.status) == ("POST", "esearch", 200)
    assert request.line == "POST /entrez/eutils/esearch.fcgi HTTP/1.1"
    assert request.params["term"] == BLADDER
    assert "python-requests" in request.headers["User-Agent"]


# -- faults ------------------------------------------------------------------------------------

NO_ANSWER = {"reset", "hang", "short", "drip"}
STATUS = {"429": 429, "429-retry-after": 429, "500": 500, "502": 502, "503": 503}


@pytest.mark.parametrize("name", sorted(set(FAULTS) - NO_ANSWER - {"half-missing", "bad-record"}))
def test_a_fault_spoils_the_answer_and_the_next_one_is_whole(pubmed: StandIn, name: str) -> None:
    pubmed.faults.add(name, first=1)
    spoilt, whole = (ask(pubmed, "efetch", id="32212278") for _ in "12")
    assert spoilt.status_code == STATUS.get(name, 200)
    assert not _is_whole_set(spoilt.content)
    assert whole.status_code == 200
    assert _is_whole_set(whole.content)


def _is_whole_set(body: bytes) -> bool:
    try:
        return bool(etree.fromstring(body).tag == "PubmedArticleSet")
    except etree.XMLSyntaxError:
        return False


@pytest.mark.parametrize("name", sorted(NO_ANSWER))
def test_a_fault_on_the_wire_leaves_no_answer(pubmed: StandIn, name: str) -> None:
    pubmed.faults.add(name)
    with pytest.raises(requests.RequestException):
        _get_within(0.3, pubmed)


def _get_within(seconds: float, service: StandIn) -> None:
    started = time.monotonic()
    url = f"{service.url}efetch.fcgi"
    plain = {"Accept-Encoding": "identity"}
    with requests.get(url, {**WHO, "id": "32212278"}, headers=plain, timeout=seconds, stream=True) as answer:
        for _ in answer.iter_content(1):
            if time.monotonic() - started > seconds:
                raise requests.Timeout


def test_half_of_the_records_go_missing(pubmed: StandIn) -> None:
    pubmed.faults.add("half-missing")
    assert fetched(ask(pubmed, "efetch", id="32212278,36464318,40583492")) == [32212278, 40583492]


def test_a_bad_record_spoils_each_batch_that_holds_it(pubmed: StandIn) -> None:
    pubmed.faults.add("bad-record:36464318")
    assert not _is_whole_set(ask(pubmed, "efetch", id="32212278,36464318").content)
    assert not _is_whole_set(ask(pubmed, "efetch", id="36464318").content)
    assert _is_whole_set(ask(pubmed, "efetch", id="32212278").content)


@pytest.mark.parametrize(
    ("pattern", "statuses"),
    [
        ({"first": 2}, [503, 503, 200, 200, 200]),
        ({"every": 2}, [200, 503, 200, 503, 200]),
        ({"after": 1, "first": 1}, [200, 503, 200, 200, 200]),
        ({"only": "einfo"}, [503] * 5),
        ({"only": "efetch.fcgi"}, [200] * 5),
        ({}, [503] * 5),
    ],
)
def test_a_fault_strikes_by_its_pattern(
    pubmed: StandIn, pattern: dict[str, Any], statuses: list[int]
) -> None:
    pubmed.faults.add("503", **pattern)
    assert [ask(pubmed, "einfo").status_code for _ in statuses] == statuses


def test_a_fault_that_does_not_exist_is_refused(pubmed: StandIn) -> None:
    with pytest.raises(ValueError, match="no fault"):
        pubmed.faults.add("504")


def test_the_switches_work_from_another_process(pubmed: StandIn) -> None:
    control = pubmed.url.replace("/entrez/eutils/", "/control/")
    [fault] = requests.post(f"{control}faults", data={"fault": "503", "first": 1}, timeout=5).json()
    assert (fault["name"], fault["first"]) == ("503", 1)
    assert ask(pubmed, "einfo").status_code == 503
    assert requests.post(f"{control}faults", data={"fault": "none"}, timeout=5).json() == []
    assert requests.post(f"{control}faults", data={"fault": "504"}, timeout=5).status_code == 400
    assert requests.post(f"{control}next-day", timeout=5).json()["deleted"] == EXPECTED["day2"]["deleted"]
    [request] = requests.get(f"{control}log", timeout=5).json()
    assert (request["status"], request["faults"]) == (503, ["503"])


def test_started_by_hand_it_says_where_it_is() -> None:
    command = [sys.executable, "-m", "tests.eutils_server", "--data", str(FIXTURES), "--port", "0"]
    with subprocess.Popen(command, cwd=FIXTURES.parents[1], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            said = re.search(r"TRACKER_EUTILS_URL=(\S+)", process.stderr.readline())
            assert said
            assert requests.get(f"{said[1]}einfo.fcgi", params=WHO, timeout=5).ok
        finally:
            process.terminate()


# -- the records, and the next day -------------------------------------------------------------


def test_the_fixtures_are_valid_by_nlms_dtd() -> None:
    dtd = etree.DTD(str(Path(Entrez.__file__).parent / "DTDs" / "pubmed_250101.dtd"))
    wrong = {
        path.name: str(dtd.error_log)
        for path in FIXTURES.rglob("*.xml")
        if not dtd.validate(etree.parse(str(path)))
    }
    assert wrong == {}


def test_every_fixture_can_be_read_and_has_its_place_in_expected() -> None:
    days = load_days([FIXTURES])
    placed = {pmid for question in EXPECTED["questions"].values() for pmid in question["day1"]}
    unplaced = set(EXPECTED["in_no_question"])
    assert not placed & unplaced
    assert placed | unplaced == {parse_record(body).pmid for body in days.first.values()}


def test_the_next_day_brings_what_was_written_down() -> None:
    with StandIn(FIXTURES, rate=0) as pubmed:
        overnight = pubmed.next_day().as_lists()
        changed = EXPECTED["day2"] | {"changed": list(EXPECTED["day2"]["changed"])}
        left = {pmid for question in EXPECTED["questions"].values() for pmid in question["left"]}
        assert {name: sorted(pmids) for name, pmids in changed.items()} == {
            name: pmids for name, pmids in overnight.items() if name != "left"
        }
        assert left == {*overnight["left"], *overnight["deleted"]}
        assert fetched(ask(pubmed, "efetch", id="90000901,90000106")) == [90000901]
        assert b"RetractionIn" in ask(pubmed, "efetch", id="90000303").content


@pytest.mark.parametrize("slug", EXPECTED["questions"])
def test_each_question_finds_what_was_written_down_by_hand(pubmed: StandIn, slug: str) -> None:
    expected = EXPECTED["questions"][slug]
    strategy = load_question(QUERIES / f"{slug}.yml").strategy
    assert set(pubmed.search(strategy).pmids) == set(expected["day1"])
    pubmed.next_day()
    assert set(pubmed.search(strategy).pmids) == {*expected["day1"], *expected["entered"]} - set(
        expected["left"]
    )


@pytest.mark.parametrize("slug", EXPECTED["questions"])
def test_each_question_has_seeds_here_under_their_real_titles(pubmed: StandIn, slug: str) -> None:
    seeds = load_question(QUERIES / f"{slug}.yml").seeds
    held = {pmid: parse_record(pubmed.bodies[pmid]).title.plain for pmid in seeds if pmid in pubmed.bodies}
    assert len(held) >= 2
    assert {pmid: title.rstrip(".") for pmid, title in held.items()} == {
        pmid: title.rstrip(".") for pmid, title in seeds.items() if pmid in held
    }


@pytest.mark.parametrize("slug", EXPECTED["questions"])
def test_the_index_knows_all_words_of_our_strategies(pubmed: StandIn, slug: str) -> None:
    found = pubmed.search(load_question(QUERIES / f"{slug}.yml").strategy)
    assert found.unknown_fields == found.unknown_phrases == found.unknown_quoted == ()


def test_a_next_day_is_made_up_where_there_is_none(tmp_path: Path) -> None:
    for path in (FIXTURES / "pubmed").glob("*.xml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with StandIn(tmp_path, rate=0) as pubmed:
        before = dict(pubmed.bodies)
        overnight = pubmed.next_day()
        assert load_days([tmp_path]).overnight == overnight
        after = pubmed.bodies
    assert overnight.added == after.keys() - before.keys()
    assert overnight.deleted == before.keys() - after.keys()
    sizes = {name: len(pmids) for name, pmids in overnight.as_lists().items()}
    assert sizes == {
        "added": 5,
        "changed": 12,
        "retracted": 5,
        "corrected": 1,
        "concern": 0,
        "left": 1,
        "deleted": 1,
    }
    for pmid in overnight.retracted:
        article = parse_record(after[pmid])
        assert "RetractionIn" in {notice.type for notice in article.notices}
        assert "Retracted Publication" in {kind.name for kind in article.publication_types}
    assert all(parse_record(after[pmid]).revised == "2026-01-02" for pmid in overnight.changed)


def test_files_for_the_second_day_may_lie_beside_the_first(tmp_path: Path) -> None:
    (tmp_path / "old.xml").write_bytes((FIXTURES / "pubmed" / "erratum.xml").read_bytes())
    (tmp_path / "new.xml.day2").write_bytes((FIXTURES / "pubmed" / "season.xml").read_bytes())
    assert load_days([tmp_path]).overnight.as_lists()["added"] == [90000641]


def test_a_malformed_file_is_skipped_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (FIXTURES / "pubmed" / "erratum.xml").read_bytes()
    (tmp_path / "whole.xml").write_bytes(whole)
    (tmp_path / "cut.xml").write_bytes(whole[: len(whole) // 3])
    assert len(load_days([tmp_path]).second) >= 1
    assert "skipped" in capsys.readouterr().err


@needs_shared
def test_the_real_records_are_served(capsys: pytest.CaptureFixture[str]) -> None:
    with StandIn([SHARED / "data" / "edge", SHARED / "data" / "ketamine.xml.gz"], rate=0) as pubmed:
        found = read(ask(pubmed, "esearch", term="ketamine[tiab] OR esketamine[tiab]", retmax=9999))
        assert len(found["IdList"]) > 400
        answer = ask(pubmed, "efetch", "POST", id=",".join(found["IdList"][:200]))
        with open_file(SHARED / "data" / "ketamine.xml.gz") as stream:
            assert next(split(stream)).body in pubmed.days.second.values()
        assert len(fetched(answer)) == 200
        overnight = pubmed.next_day()
        again = read(ask(pubmed, "esearch", term="ketamine[tiab] OR esketamine[tiab]", retmax=9999))
    entered = {int(pmid) for pmid in again["IdList"]} - {int(pmid) for pmid in found["IdList"]}
    left = {int(pmid) for pmid in found["IdList"]} - {int(pmid) for pmid in again["IdList"]}
    assert entered == overnight.added
    assert left == overnight.left | overnight.deleted
