"""Searching is complete or says why not; fetching loses no record and names each that cannot be had."""

import dataclasses
import re
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tracker.article import MAX_PMID
from tracker.errors import ServiceError
from tracker.pubmed import pace
from tracker.pubmed.entrez import PubMed, Slice, read_pmids, read_search
from tracker.pubmed.transport import Backoff
from tracker.settings import Settings

REAL = Path(__file__).parents[2] / "shared" / "data" / "api" / "biopython"
HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'
DOCTYPE = '<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2026//EN" "p.dtd">\n'
PAST_LIMIT = "Search Backend failed: Exception:\n'retstart' cannot be larger than 9998."
STRATEGY = "ketamine[tiab] OR esketamine[tiab]"


# -- a small PubMed ----------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        ask = {name: values[0] for name, values in form.items()}
        utility = self.path.rpartition("/")[2].removesuffix(".fcgi")
        pubmed = self.server.pubmed
        pubmed.asked.append((utility, ask))
        status, body = getattr(pubmed, utility)(ask)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class SmallPubMed:
    """Holds ``pmids``, newest first; every test bends one of its methods."""

    def __init__(self, pmids=()):
        self.pmids = list(pmids)
        self.records = {}
        self.asked = []
        self.cap = 9999
        self.extra = ""

    def esearch(self, ask):
        low, high = re.search(r"AND (\d+):(\d+)\[UID\]", ask["term"] + f" AND 1:{MAX_PMID}[UID]").groups()
        found = [pmid for pmid in self.pmids if int(low) <= pmid <= int(high)]
        return 200, self.found(len(found), found[: min(int(ask["retmax"]), self.cap)])

    def found(self, count, pmids):
        ids = "".join(f"<Id>{pmid}</Id>\n" for pmid in pmids)
        return (
            f"{HEAD}<eSearchResult><Count>{count}</Count><RetMax>{len(pmids)}</RetMax><RetStart>0</RetStart>"
            f"<IdList>{ids}</IdList><TranslationStack><TermSet><Count>7</Count></TermSet></TranslationStack>"
            f"<QueryTranslation>ketamine, translated</QueryTranslation>{self.extra}</eSearchResult>\n"
        ).encode()

    def efetch(self, ask):
        pmids = [int(pmid) for pmid in ask["id"].split(",")]
        return 200, document(self.record(pmid) for pmid in pmids if pmid in self.pmids)

    def record(self, pmid):
        return self.records.get(pmid) or article(pmid)

    def einfo(self, ask):
        return 200, (
            f"{HEAD}<eInfoResult><DbInfo><DbName>pubmed</DbName><DbBuild>Build-2026.10.02.08.30</DbBuild>"
            "<Count>38000000</Count><LastUpdate>2026/10/02 08:30</LastUpdate></DbInfo></eInfoResult>"
        ).encode()


def article(pmid, title="A trial"):
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="1">{pmid}</PMID><Article><ArticleTitle>{title}'
        "</ArticleTitle></Article><CommentsCorrectionsList><CommentsCorrections RefType='RetractionIn'>"
        "<PMID>99</PMID></CommentsCorrections></CommentsCorrectionsList></MedlineCitation></PubmedArticle>\n"
    ).encode()


def document(records):
    return f"{HEAD}{DOCTYPE}<PubmedArticleSet>".encode() + b"".join(records) + b"</PubmedArticleSet>\n"


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(pace, "MARGIN", 0.0)


@pytest.fixture
def serve():
    servers = []

    def start(pubmed):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.pubmed = True, pubmed
        threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/entrez/eutils/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def client(serve):
    clients = []

    def connect(pubmed, limit=50):
        settings = Settings(email="me@example.org", eutils_url=serve(pubmed), timeout=2)
        client = PubMed(settings, limit=limit, backoff=Backoff(tries=2, first=0.001, most=0.001))
        clients.append(client)
        return client.__enter__()

    yield connect
    for client in clients:
        client.__exit__(None, None, None)


# -- searching ---------------------------------------------------------------------------------


def test_a_search_that_fits_is_one_request_and_says_what_pubmed_made_of_it(client):
    pubmed = SmallPubMed(range(50, 0, -1))
    pubmed.extra = (
        "<ErrorList><PhraseNotFound>abcXYZ</PhraseNotFound><FieldNotFound>tiba</FieldNotFound></ErrorList>"
        '<WarningList><QuotedPhraseNotFound>"x y"[tiab]</QuotedPhraseNotFound>'
        "<OutputMessage>No items found.</OutputMessage></WarningList>"
    )
    found = client(pubmed).search(STRATEGY)
    assert [ask["term"] for _, ask in pubmed.asked] == [STRATEGY]
    assert pubmed.asked[0][1].items() >= {"db": "pubmed", "retmode": "xml", "retmax": "50"}.items()
    assert dataclasses.replace(found, seconds=0) == dataclasses.replace(
        found,
        query=STRATEGY,
        translation="ketamine, translated",
        count=50,
        pmids=tuple(range(1, 51)),
        errors=("PhraseNotFound: abcXYZ", "FieldNotFound: tiba"),
        warnings=('QuotedPhraseNotFound: "x y"[tiab]', "OutputMessage: No items found."),
        slices=(Slice(1, MAX_PMID, 50),),
        reconciled=True,
        reason=None,
        requests=1,
        seconds=0,
    )


def test_a_search_that_finds_nothing_is_complete(client):
    found = client(SmallPubMed()).search(STRATEGY)
    assert (found.count, found.pmids, found.reconciled, found.requests) == (0, (), True, 1)


ORDERS = {
    "newest first": sorted,
    "oldest first": lambda pmids: sorted(pmids, reverse=True),
    "by nothing": lambda pmids: sorted(pmids, key=lambda pmid: pmid * 7919 % 10007),
}
SETS = {
    "evenly spread": range(1, 30_000_000, 100_000),
    "close together": range(41_000_000, 41_000_300),
    "mostly new": [*range(5, 10_000, 500), *range(39_000_000, 39_028_000, 100)],
    "at both ends": [*range(1, 151), *range(MAX_PMID - 149, MAX_PMID + 1)],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("pmids", SETS)
def test_past_the_limit_slices_hold_every_record_in_few_requests(client, pmids, order):
    pubmed = SmallPubMed(reversed(ORDERS[order](SETS[pmids])))
    found = client(pubmed).search(STRATEGY)
    assert found.pmids == tuple(sorted(SETS[pmids]))
    assert found.reconciled
    assert found.count == sum(part.count for part in found.slices) == len(SETS[pmids])
    assert all(part.count <= 50 for part in found.slices)
    assert found.requests <= (16 if order == "newest first" else 40)


def test_slices_cover_every_pmid_and_keep_the_strategy_in_parentheses(client):
    pubmed = SmallPubMed(range(300, 0, -1))
    found = client(pubmed).search(STRATEGY)
    assert found.slices[0].first == 1
    assert found.slices[-1].last == MAX_PMID
    for one, next_one in zip(found.slices, found.slices[1:], strict=False):
        assert next_one.first == one.last + 1
    assert all(ask["term"].startswith(f"({STRATEGY}) AND ") for _, ask in pubmed.asked[1:])


def test_a_server_with_a_lower_limit_of_its_own_is_sliced_below_it(client):
    pubmed = SmallPubMed(range(120, 0, -1))
    pubmed.cap = 20
    for limit in (50, 9999):
        found = client(pubmed, limit).search(STRATEGY)
        assert found.reconciled
        assert len(found.pmids) == 120


@pytest.mark.parametrize("status", [200, 400])
def test_a_server_that_answers_past_the_limit_with_an_error_is_sliced_too(client, status):
    class Strict(SmallPubMed):
        def esearch(self, ask):
            _, body = super().esearch(ask)
            if int(re.search(rb"<Count>(\d+)", body)[1]) > 50 and int(ask["retmax"]) > 1:
                error = f"{HEAD}<eSearchResult><ERROR>{PAST_LIMIT}</ERROR></eSearchResult>"
                return status, (error if status == 200 else PAST_LIMIT).encode()
            return 200, body

    found = client(Strict(range(300, 0, -1))).search(STRATEGY)
    assert found.reconciled
    assert len(found.pmids) == 300


def test_a_record_added_during_the_search_is_found_by_asking_again(client):
    class Growing(SmallPubMed):
        def esearch(self, ask):
            if len(self.asked) == 2:
                self.pmids.insert(0, 301)
            return super().esearch(ask)

    found = client(Growing(range(300, 0, -1))).search(STRATEGY)
    assert found.reconciled
    assert found.count == len(found.pmids) == 301


def test_a_short_list_is_asked_again(client):
    class Forgetful(SmallPubMed):
        def esearch(self, ask):
            return 200, self.found(3, [3, 2] if len(self.asked) == 1 else [3, 2, 1])

    found = client(Forgetful()).search(STRATEGY)
    assert (found.pmids, found.reconciled, found.requests) == ((1, 2, 3), True, 2)


DISAGREEMENTS = {
    "more counted than listed": ([], "PubMed counted 5 records, but listed 0"),
    "one listed twice": ([4, 4, 3, 2, 1], "PubMed counted 5 records"),
    "more listed than counted": ([6, 5, 4, 3, 2, 1], "PubMed counted 5 records"),
}


@pytest.mark.parametrize("case", DISAGREEMENTS)
def test_numbers_that_do_not_agree_make_a_search_unreconciled_with_the_reason(client, case):
    listed, reason = DISAGREEMENTS[case]

    class Stubborn(SmallPubMed):
        def esearch(self, ask):
            return 200, self.found(5, listed)

    found = client(Stubborn()).search(STRATEGY)
    assert not found.reconciled
    assert found.reason.startswith(reason)
    assert found.pmids == tuple(sorted(set(listed)))
    assert found.requests <= 60


def test_a_slice_that_hides_a_record_makes_a_search_unreconciled(client):
    class Hiding(SmallPubMed):
        def esearch(self, ask):
            if "[UID]" in ask["term"]:
                self.pmids = [pmid for pmid in self.pmids if pmid != 7]
            elif 7 not in self.pmids:
                self.pmids.append(7)
            return super().esearch(ask)

    found = client(Hiding(range(120, 0, -1))).search(STRATEGY)
    assert not found.reconciled
    assert found.reason == "PubMed counted 120 records for the whole search, but 119 in its slices"


def test_a_server_that_ignores_slices_is_given_up(client):
    class Deaf(SmallPubMed):
        def esearch(self, ask):
            return 200, self.found(300, range(300, 250, -1))

    found = client(Deaf()).search(STRATEGY)
    assert not found.reconciled
    assert found.requests < 250


def test_an_ill_formed_search_answer_is_asked_for_once_more(client):
    class Spoiled(SmallPubMed):
        def esearch(self, ask):
            status, body = super().esearch(ask)
            return status, body.replace(b"translated", b"trans\x0blated") if len(self.asked) == 1 else body

    assert client(Spoiled([2, 1])).search(STRATEGY).pmids == (1, 2)


NO_RESULTS = {
    "no count": b"<eSearchResult><IdList/></eSearchResult>",
    "a count in words": b"<eSearchResult><Count>many</Count></eSearchResult>",
    "an id in words": b"<eSearchResult><Count>1</Count><IdList><Id>x</Id></IdList></eSearchResult>",
    "not well-formed": b"<eSearchResult><Count>1</Count><IdList></eSearchResult>",
}


@pytest.mark.parametrize("case", NO_RESULTS)
def test_what_is_no_search_result_is_a_service_error(client, case):
    class Odd(SmallPubMed):
        def esearch(self, ask):
            return 200, NO_RESULTS[case]

    pubmed = Odd()
    with pytest.raises(ServiceError, match="PubMed's answer cannot be read"):
        client(pubmed).search(STRATEGY)
    assert len(pubmed.asked) == 2


@pytest.mark.skipif(not REAL.exists(), reason="the captured answers are not beside the checkout")
def test_real_search_answers_are_read():
    one = read_search((REAL / "esearch1.xml").read_bytes())
    assert (one.count, len(one.pmids), one.translation) == (63, 20, '"biopython"[All Fields]')
    stacked = read_search((REAL / "esearch5.xml").read_bytes())
    assert (stacked.count, stacked.lists_all) == (5, True)
    nothing = read_search((REAL / "esearch8.xml").read_bytes())
    assert nothing.errors == ("PhraseNotFound: abcXYZ",)
    assert nothing.warnings == ("OutputMessage: No items found.",)


# -- fetching ----------------------------------------------------------------------------------


def test_a_batch_is_one_request_and_one_whole_body(client):
    pubmed = SmallPubMed(range(1, 201))
    batch = client(pubmed).fetch_batch([*range(1, 201), 5])
    assert batch.asked == batch.returned == tuple(range(1, 201))
    assert (batch.refused, batch.missing, batch.unasked) == ({}, (), ())
    assert len(batch.bodies) == batch.requests == 1
    assert batch.bytes == len(batch.bodies[0])
    assert pubmed.asked[0][1]["id"] == ",".join(map(str, range(1, 201)))


def test_many_records_come_two_hundred_a_batch(client):
    pubmed = SmallPubMed(range(1, 451))
    batches = list(client(pubmed).fetch(range(1, 451)))
    assert [len(batch.returned) for batch in batches] == [200, 200, 50]
    with pytest.raises(ValueError, match="at most 200"):
        client(pubmed).fetch_batch(range(1, 202))


def test_what_does_not_come_is_asked_for_once_more_alone(client):
    class Forgetful(SmallPubMed):
        def efetch(self, ask):
            if len(self.asked) == 1:
                ask = {"id": ask["id"].replace(",3,", ",")}
            return super().efetch(ask)

    pubmed = Forgetful([1, 2, 3, 5])
    batch = client(pubmed).fetch_batch([1, 2, 3, 4, 5])
    assert [ask["id"] for _, ask in pubmed.asked] == ["1,2,3,4,5", "3,4"]
    assert batch.returned == (1, 2, 3, 5)
    assert batch.missing == (4,)
    assert len(batch.bodies) == 2


@pytest.mark.parametrize("answer", ["empty set", "error"])
def test_records_that_are_all_gone_are_missing_and_no_failure(client, answer):
    class Gone(SmallPubMed):
        def efetch(self, ask):
            error = f"{HEAD}<eFetchResult><ERROR>ID list is empty! Possibly it has no correct IDs.</ERROR>"
            if answer == "error":
                return 400, f"{error}</eFetchResult>".encode()
            return 200, f"{HEAD}<PubmedArticleSet/>".encode()

    batch = client(Gone()).fetch_batch([1, 2])
    assert (batch.missing, batch.bodies, batch.requests) == ((1, 2), (), 2)


def test_a_book_is_known_by_its_own_pmid_and_no_reference_is_taken_for_a_record():
    book = b"<PubmedBookArticle><BookDocument><PMID>20301295</PMID></BookDocument></PubmedBookArticle>"
    assert read_pmids(document([article(1), book])) == {1, 20301295}


def test_a_record_that_was_not_asked_for_is_left_out_and_reported(client):
    class Generous(SmallPubMed):
        def efetch(self, ask):
            return 200, document([article(1), article(77, "Fran\u00e7ois &lt; 10<sup>3</sup>"), article(2)])

    batch = client(Generous()).fetch_batch([1, 2])
    assert (batch.returned, batch.unasked, batch.requests) == ((1, 2), (77,), 1)
    assert read_pmids(batch.bodies[0]) == {1, 2}
    assert b"1st January 2026" in batch.bodies[0]


SPOILED = {
    "a control character": article(7, "bad \x0b title"),
    "a control character by number": article(7, "bad &#11; title"),
    "a tag left open": article(7, "<i>bad"),
    "bad UTF-8": article(7, "bad").replace(b"bad", b"\xff\xfe"),
    "a bare ampersand": article(7, "A & B"),
    "no PMID": b"<PubmedArticle><MedlineCitation/></PubmedArticle>",
}


@pytest.mark.parametrize("case", SPOILED)
@pytest.mark.parametrize("pmids", [[7], range(1, 201)])
def test_one_bad_record_is_found_by_halving_and_set_aside(client, case, pmids):
    pubmed = SmallPubMed(pmids)
    pubmed.records[7] = SPOILED[case]
    batch = client(pubmed).fetch_batch(pmids)
    assert batch.refused.keys() == {7}
    assert "not well-formed" in batch.refused[7] or "without its PMID" in batch.refused[7]
    assert set(batch.returned) == set(pmids) - {7}
    assert (batch.missing, batch.unasked) == ((), ())
    assert sorted(pmid for body in batch.bodies for pmid in read_pmids(body)) == list(batch.returned)
    assert batch.requests <= 20


def test_an_answer_spoiled_on_the_way_is_asked_for_once_more(client):
    class Spoiled(SmallPubMed):
        def efetch(self, ask):
            status, body = super().efetch(ask)
            return status, body.replace(b"A trial", b"A\x00trial", 1) if len(self.asked) == 1 else body

    batch = client(Spoiled([1, 2])).fetch_batch([1, 2])
    assert (batch.returned, batch.refused, batch.requests) == ((1, 2), {}, 2)


def test_a_record_that_makes_the_service_itself_fail_is_set_aside_too(client):
    class Choking(SmallPubMed):
        def efetch(self, ask):
            return (500, b"") if "7" in ask["id"].split(",") else super().efetch(ask)

    batch = client(Choking(range(1, 201))).fetch_batch(range(1, 201))
    assert batch.refused == {7: "HTTP 500 (internal server error)"}
    assert len(batch.returned) == 199


@pytest.mark.parametrize("pmids", [[1], [1, 2, 3], range(1, 201)])
@pytest.mark.parametrize("status", [500, 503])
def test_a_service_that_fails_altogether_is_an_error_and_no_bad_record(client, pmids, status):
    class Down(SmallPubMed):
        def efetch(self, ask):
            return status, b""

    pubmed = Down()
    with pytest.raises(ServiceError, match=f"HTTP {status}.*, after 2 tries"):
        client(pubmed).fetch_batch(pmids)
    assert len(pubmed.asked) <= 22


def test_a_service_that_stops_answering_half_way_ends_the_batch(client):
    class Tiring(SmallPubMed):
        def efetch(self, ask):
            first_half = ask["id"] == ",".join(map(str, range(1, 101)))
            return super().efetch(ask) if first_half else (500, b"")

    pubmed = Tiring(range(1, 201))
    with pytest.raises(ServiceError, match="HTTP 500"):
        client(pubmed).fetch_batch(range(1, 201))
    assert len(pubmed.asked) <= 2 * 16


def test_more_than_twenty_bad_records_end_a_batch(client):
    pubmed = SmallPubMed(range(1, 201))
    pubmed.records = {pmid: article(pmid, "<i>") for pmid in range(1, 201, 10)}
    assert len(client(pubmed).fetch_batch(range(1, 201)).refused) == 20
    pubmed.records[200] = article(200, "<i>")
    with pytest.raises(ServiceError, match="more than 20 unreadable records of 200"):
        client(pubmed).fetch_batch(range(1, 201))


HOSTILE = {
    "an entity bomb": '<!DOCTYPE PubmedArticleSet [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>',
    "an external entity": '<!DOCTYPE PubmedArticleSet [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_xml_is_refused_before_it_is_parsed(client, case):
    class Hostile(SmallPubMed):
        def efetch(self, ask):
            return 200, (HOSTILE[case] + "<PubmedArticleSet>&a;</PubmedArticleSet>").encode()

    with pytest.raises(ServiceError, match="declares XML entities"):
        client(Hostile()).fetch_batch([1])


def test_the_readers_themselves_expand_no_entity_and_open_no_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("31541003")
    declared = f'<!DOCTYPE PubmedArticleSet [<!ENTITY a SYSTEM "{secret.as_uri()}">]>'
    body = declared.encode() + b"<PubmedArticleSet>" + article("&a;") + b"</PubmedArticleSet>"
    with pytest.raises(ServiceError):
        read_pmids(body)


def test_the_state_of_pubmed_is_one_small_question(client):
    pubmed = SmallPubMed()
    state = client(pubmed).state()
    assert (state.build, state.updated, state.count) == (
        "Build-2026.10.02.08.30",
        "2026/10/02 08:30",
        38000000,
    )
    assert [utility for utility, _ in pubmed.asked] == ["einfo"]
