"""A stand-in for NCBI E-utilities: real HTTP on loopback, PubMed records from files.

By hand, from the checkout::

    python -m tests.eutils_server --data tests/fixtures --port 8765
    TRACKER_EUTILS_URL=http://127.0.0.1:8765/entrez/eutils/ tracker refresh
    curl -d fault=503 -d first=2 -d only=efetch http://127.0.0.1:8765/control/faults
    curl -d '' http://127.0.0.1:8765/control/next-day
    curl http://127.0.0.1:8765/control/log

In a test::

    with StandIn(FIXTURES, rate=0) as pubmed:
        pubmed.faults.add("503", first=2)
        ...
        assert not pubmed.violations

Answers look like NCBI's own (captures of them: ``api/`` of the shared data). Terms are evaluated by
``tracker.query``; what each question must find is therefore written down by hand in
``fixtures/expected.yml``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from email.message import Message
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import yaml
from lxml import etree

from tracker import topic
from tracker.article import Article
from tracker.errors import TrackerError
from tracker.pubmed.records import RawRecord, open_file, split
from tracker.pubmed.xml import parse_record
from tracker.query import Index, Node, Operation, Range, Term, compile_query, default_tree, parse, terms
from tracker.query.syntax import Parser
from tracker.query.vocabulary import fold_value, fold_words

# The questions of the tests: what the repository's queries/ asks may change on any day.
QUERIES = Path(__file__).parent / "fixtures" / "queries"
BASE = "/entrez/eutils/"
WEB_ENV = "MCID_1"
LIMIT = 9999
KEYED_RATE = 10
LONGEST_GET = 200  # ids; NBK25499 asks for POST above it
XML = "text/xml; charset=UTF-8"
JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=UTF-8"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" ?>\n'
PUBMED_SET = (
    b'<?xml version="1.0" ?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN" '
    b'"https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n<PubmedArticleSet>\n'
)
PAST_LIMIT = (
    "Search Backend failed: Exception:\n'retstart' cannot be larger than {last}. For PubMed, ESearch can only "
    "retrieve the first {limit:,} records matching the query. To obtain more than {limit:,} PubMed records, "
    "consider using EDirect that contains additional logic to batch PubMed search results automatically so that "
    "an arbitrary number can be retrieved. For details see https://www.ncbi.nlm.nih.gov/books/NBK25499/"
)
MAINTENANCE = b"""<!DOCTYPE html>
<html><head><title>NCBI - Scheduled maintenance</title></head>
<body><h1>This site is down for maintenance</h1><p>Please come back in a few minutes.</p></body></html>
"""

Params = Mapping[str, str]
Bodies = dict[int, bytes]


class Reply(NamedTuple):
    status: int
    body: bytes
    type: str = XML
    headers: tuple[tuple[str, str], ...] = ()


def xml_reply(root: str, doctype: str, content: str, status: int = 200) -> Reply:
    """An answer with the DOCTYPE that NCBI gives it; ``doctype`` is like ``esearch 20060628``."""
    name, date = doctype.split()
    where = f"https://eutils.ncbi.nlm.nih.gov/eutils/dtd/{date}/{name}.dtd"
    head = f'{DECLARATION}<!DOCTYPE {root} PUBLIC "-//NLM//DTD {doctype}//EN" "{where}">\n'
    return Reply(status, f"{head}<{root}>{content}</{root}>\n".encode())


def json_reply(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode(), JSON, headers)


# -- the records, and what the next day does to them -------------------------------------------


class NextDay(NamedTuple):
    """PMIDs by what happened to them overnight.

    ``retracted``, ``corrected``, ``concern`` and ``left`` are parts of ``changed``.
    """

    added: frozenset[int]
    changed: frozenset[int]
    retracted: frozenset[int]
    corrected: frozenset[int]
    concern: frozenset[int]
    left: frozenset[int]
    deleted: frozenset[int]

    @classmethod
    def between(cls, before: Bodies, after: Bodies, left: Iterable[int] = ()) -> Self:
        changed = frozenset(pmid for pmid in before.keys() & after.keys() if before[pmid] != after[pmid])

        def gained(notice: bytes) -> frozenset[int]:
            return frozenset(p for p in changed if notice in after[p] and notice not in before[p])

        return cls(
            added=frozenset(after.keys() - before.keys()),
            changed=changed,
            retracted=gained(b'"RetractionIn"'),
            corrected=gained(b'"ErratumIn"'),
            concern=gained(b'"ExpressionOfConcernIn"'),
            left=frozenset(left),
            deleted=frozenset(before.keys() - after.keys()),
        )

    def as_lists(self) -> dict[str, list[int]]:
        return {name: sorted(pmids) for name, pmids in self._asdict().items()}


@dataclass(frozen=True, slots=True)
class Days:
    """Every record by PMID, as it is on either day."""

    first: Bodies
    second: Bodies
    overnight: NextDay


def load_days(paths: Iterable[Path]) -> Days:
    """The records below these files and folders.

    What lies in a folder ``day2``, or ends in ``.day2``, is the second day's: records that replace or
    join the first day's, and ``changes.yml`` with the PMIDs ``deleted`` and ``left``. Without any, a
    second day is made up.
    """
    first: Bodies = {}
    news: Bodies = {}
    deleted: set[int] = set()
    left: set[int] = set()
    for path, is_second in _data_files(paths):
        if path.name == "changes.yml":
            changes = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            deleted.update(changes.get("deleted", ()))
            left.update(changes.get("left", ()))
            continue
        for record in _records(path):
            if record.deleted:
                deleted.update(record.deleted)
            elif record.pmid is not None:
                (news if is_second else first)[record.pmid] = record.body
    if not first:
        raise ValueError("there are no PubMed records in what was given as data")
    if not news and not deleted:
        return invent_second_day(first)
    second = {pmid: body for pmid, body in {**first, **news}.items() if pmid not in deleted}
    return Days(first, second, NextDay.between(first, second, left))


def _data_files(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            parts = file.relative_to(path).parts or (file.name,)
            is_second = any(part == "day2" or ".day2" in Path(part).suffixes for part in parts)
            if re.search(r"\.xml(\.day2)?(\.gz)?$", file.name) or (is_second and file.name == "changes.yml"):
                yield file, is_second


def _records(path: Path) -> Iterator[RawRecord]:
    try:
        with open_file(path) as stream:
            yield from split(stream, str(path))
    except TrackerError as error:
        print(f"skipped: {error}", file=sys.stderr)


def invent_second_day(held: Bodies, count: int = 5) -> Days:
    """Two days out of records that know only one: the same for the same records.

    ``count`` records are new on day 2, as many get another title, as many are retracted; one gets an
    erratum, one loses its subject, one is deleted. They fall on records that the questions are likely to list.
    """
    likely = sorted(held, key=lambda pmid: (_relevance(held[pmid]), pmid), reverse=True)
    articles = iter([pmid for pmid in likely if held[pmid].startswith(b"<PubmedArticle")])

    def deal(number: int) -> list[int]:
        return list(islice(articles, number))

    # The single ones first, as the first dealt are the likeliest to be in a question.
    deleted, lost, corrected = deal(1), deal(1), deal(1)
    new, retitled, retracted = deal(count), deal(count), deal(count)
    edits = dict.fromkeys(lost, _lose_subject) | dict.fromkeys(corrected, _correct)
    edits |= dict.fromkeys(retitled, _retitle) | dict.fromkeys(retracted, _retract)
    first = {pmid: body for pmid, body in held.items() if pmid not in new}
    second = {
        pmid: _edited(body, edits[pmid]) if pmid in edits else body
        for pmid, body in held.items()
        if pmid not in deleted
    }
    return Days(first, second, NextDay.between(first, second, lost))


def _relevance(body: bytes) -> int:
    text = body.lower()
    topics = (b"cogniti", b"bladder", b"urinary", b"psychotherap", b"addict", b"tolerance")
    return sum(topic in text for topic in topics) if b"ketamine" in text else -1


def _edited(body: bytes, edit: Callable[[etree._Element], None]) -> bytes:
    record = etree.fromstring(body)
    citation = _at(record, "MedlineCitation")
    edit(citation)
    revised = etree.fromstring("<DateRevised><Year>2026</Year><Month>01</Month><Day>02</Day></DateRevised>")
    _put(citation, revised, after=("PMID", "DateCreated", "DateCompleted"))
    return etree.tostring(record, encoding="utf-8")


def _at(element: etree._Element, path: str) -> etree._Element:
    found = element.find(path)
    assert found is not None, f"a record without {path}"
    return found


def _put(parent: etree._Element, child: etree._Element, after: Sequence[str]) -> None:
    """The child in the place that the DTD gives it, instead of one that is there."""
    for old in parent.findall(str(child.tag)):
        parent.remove(old)
    parent.insert(max((i for i, other in enumerate(parent, 1) if other.tag in after), default=0), child)


def _retitle(citation: etree._Element) -> None:
    words = " [Title changed on day 2.]"
    title = _at(citation, "Article/ArticleTitle")
    if len(title):
        title[-1].tail = (title[-1].tail or "") + words
    else:
        title.text = (title.text or "") + words


def _retract(citation: etree._Element) -> None:
    _notice(citation, "RetractionIn")
    types = _at(citation, "Article/PublicationTypeList")
    etree.SubElement(types, "PublicationType", UI="D016441").text = "Retracted Publication"


def _correct(citation: etree._Element) -> None:
    _notice(citation, "ErratumIn")


def _notice(citation: etree._Element, kind: str) -> None:
    notices = citation.find("CommentsCorrectionsList")
    if notices is None:
        notices = etree.Element("CommentsCorrectionsList")
        before = ("Article", "MedlineJournalInfo", "ChemicalList", "SupplMeshList", "CitationSubset")
        _put(citation, notices, before)
    notice = etree.SubElement(notices, "CommentsCorrections", RefType=kind)
    etree.SubElement(notice, "RefSource").text = "Day Two J. 2026 Jan 2;1(1):1"


def _lose_subject(citation: etree._Element) -> None:
    article = _at(citation, "Article")
    title = _at(article, "ArticleTitle")
    title.clear()
    title.text = "This title says something else on day 2."
    for parent, tags in (
        (article, ("Abstract", "VernacularTitle")),
        (citation, ("ChemicalList", "MeshHeadingList", "OtherAbstract", "KeywordList")),
    ):
        for tag in tags:
            for element in parent.findall(tag):
                parent.remove(element)


# -- searching ---------------------------------------------------------------------------------


class Found(NamedTuple):
    """``unknown_fields`` and ``unknown_phrases`` go into the ErrorList, ``unknown_quoted`` into the WarningList."""

    pmids: tuple[int, ...]
    translation: str
    unknown_fields: tuple[str, ...] = ()
    unknown_phrases: tuple[str, ...] = ()
    unknown_quoted: tuple[str, ...] = ()


class Searcher:
    """Evaluates terms over one day's records. Each leaf of a query is evaluated once."""

    def __init__(self, bodies: Bodies) -> None:
        self._records = tuple((pmid, Index(article)) for pmid, article in _articles(bodies))
        self._leaves: dict[Term | Range, frozenset[int]] = {}
        self._found: dict[str, Found] = {}

    def search(self, term: str) -> Found:
        if term not in self._found:
            self._found[term] = self._search(term)
        return self._found[term]

    def _search(self, term: str) -> Found:
        text, unknown_fields = _without_unknown_fields(term)
        try:
            node = parse(text)
            absent = [leaf for leaf in terms(node) if isinstance(leaf, Term) and not self._knows(leaf)]
            searched = _without(node, absent)
            pmids = self._matching(searched) if searched else frozenset()
        except TrackerError as error:
            raise Refusal(f"Search Backend failed: {error}") from None
        sources = [text[leaf.start : leaf.end] for leaf in absent]
        return Found(
            pmids=tuple(sorted(pmids, reverse=True)),
            translation=str(searched or node),
            unknown_fields=unknown_fields,
            unknown_phrases=tuple(source for source in sources if not source.startswith('"')),
            unknown_quoted=tuple(source for source in sources if source.startswith('"')),
        )

    def _matching(self, node: Node) -> frozenset[int]:
        if not isinstance(node, Operation):
            if node not in self._leaves:
                test = compile_query(node)
                self._leaves[node] = frozenset(pmid for pmid, record in self._records if test(record))
            return self._leaves[node]
        first, *others = map(self._matching, node.operands)
        if node.operator == "AND":
            return first.intersection(*others)
        return first.union(*others) if node.operator == "OR" else first.difference(*others)

    def _knows(self, leaf: Term) -> bool:
        """Whether PubMed's index, so much larger than ours, would have it: the words of our strategies, it does."""
        if leaf.field.kind in ("date", "uid", "filter") or self._matching(leaf):
            return True
        tree, value = default_tree(), fold_value(leaf.text)
        return (
            value in tree.descriptors
            or value in tree.publication_types
            or fold_words(leaf.text) in _words_of_our_strategies()
        )


def _without(node: Node, absent: Sequence[Term]) -> Node | None:
    """As PubMed does: what its index does not hold is dropped, and with it the operator beside it."""
    if not isinstance(node, Operation):
        return None if node in absent else node
    kept = tuple(found for operand in node.operands if (found := _without(operand, absent)))
    return Operation(node.operator, kept) if len(kept) > 1 else next(iter(kept), None)


def _articles(bodies: Bodies) -> Iterator[tuple[int, Article]]:
    for pmid, body in bodies.items():
        try:
            yield pmid, parse_record(body)
        except TrackerError as error:
            print(f"never found by a search: PMID {pmid}: {error}", file=sys.stderr)


def _without_unknown_fields(term: str) -> tuple[str, tuple[str, ...]]:
    """As PubMed does: a field that it does not know is dropped, so that its words are looked for everywhere."""
    parser = Parser(term)
    parser.run()
    unknown = [finding for finding in parser.findings if finding.code == "Q003"]
    fields = tuple(term[finding.start + 1 : finding.end - 1] for finding in unknown)
    for finding in sorted(unknown, key=lambda finding: finding.start, reverse=True):
        term = term[: finding.start] + "[all]" + term[finding.end :]
    return term, fields


@cache
def _words_of_our_strategies() -> str:
    files = sorted(QUERIES.glob("*.yml"))
    return fold_words(" ".join(file.read_text(encoding="utf-8") for file in files))


# -- faults ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Fault:
    """A failure, and which of the requests it strikes.

    Of the requests to ``only`` (all endpoints where None) the first ``after`` are spared, then every
    ``every``-th is struck, within the ``first`` that follow (all where None).
    """

    name: str
    first: int | None = None
    every: int = 1
    only: str | None = None
    after: int = 0
    seen: int = 0

    def strikes(self, endpoint: str) -> bool:
        if self.only and self.only.removesuffix(".fcgi") != endpoint:
            return False
        self.seen += 1
        turn = self.seen - self.after
        return turn > 0 and turn % self.every == 0 and (self.first is None or turn <= self.first)


class Faults:
    """The fault switch. ``add("503", first=2, only="efetch")``, ``add("bad-record:32212278")``, ``clear()``."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, name: str, **pattern: Any) -> None:
        if name.partition(":")[0] not in FAULTS:
            raise ValueError(f"{name!r} is no fault; there are {', '.join(sorted(FAULTS))}")
        with self._lock:
            self._active.append(Fault(name, **pattern))

    def clear(self) -> None:
        with self._lock:
            self._active.clear()

    def striking(self, endpoint: str) -> list[str]:
        with self._lock:
            return [fault.name for fault in self._active if fault.strikes(endpoint)]

    def active(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._active]


def _unclosed(body: bytes) -> bytes:
    before, end, after = body.rpartition(b"</")
    return before + b"<unclosed>" + end + after


def _with_control_character(body: bytes) -> bytes:
    return re.sub(
        rb"(<(ArticleTitle|BookTitle|QueryTranslation|Count|DbName)\b[^>/]*>)", b"\\1\x0b", body, count=1
    )


RATE_LIMIT = json_reply(
    {"error": "API rate limit exceeded", "api-key": "127.0.0.1", "count": "4", "limit": "3"}, 429
)

REPLIES: dict[str, Reply] = {
    "429": RATE_LIMIT,
    "429-retry-after": RATE_LIMIT._replace(headers=(("Retry-After", "1"),)),
    "500": Reply(500, b"<html><body><h1>Internal Server Error</h1></body></html>", HTML),
    "502": Reply(502, b"<html><body><h1>Bad Gateway</h1></body></html>", HTML),
    "503": Reply(503, b"<html><body><h1>Service Unavailable</h1></body></html>", HTML),
    "html": Reply(200, MAINTENANCE, HTML),
    "error-in-200": xml_reply(
        "eSearchResult",
        "esearch 20060628",
        "<ERROR>Search Backend failed: read request has timed out. peer: 0</ERROR>",
    ),
    "gateway-in-200": json_reply({"error": "error forwarding request"}),
    "empty": Reply(200, b""),
}
SPOILERS: dict[str, Callable[[bytes], bytes]] = {
    "broken-xml": _unclosed,
    "control-character": _with_control_character,
    "short-right-length": lambda body: body[: len(body) // 2],
}
ON_THE_WIRE = ("reset", "hang", "short", "drip")
ON_RECORDS = ("half-missing", "bad-record")
FAULTS = (*REPLIES, *SPOILERS, *ON_THE_WIRE, *ON_RECORDS)


# -- the service -------------------------------------------------------------------------------


@dataclass(slots=True)
class Request:
    """One request as it arrived; ``status`` and ``faults`` say what became of it."""

    time: float
    method: str
    path: str
    line: str
    params: dict[str, str]
    headers: dict[str, str]
    violations: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    status: int | None = None

    @property
    def endpoint(self) -> str:
        return self.path.rpartition("/")[2].removesuffix(".fcgi")


class Refusal(Exception):
    """The service's own words for what is wrong with a request."""


class StandIn:
    """The service on a free port of loopback; a context manager.

    ``data`` is a file or folder of PubMed XML, or several. ``limit`` is how many records one search
    may list, ``rate`` how many requests a second without a key (0: any), ``past_limit_status`` how a
    ``retstart`` past the limit is refused (200 or 400, both were seen), ``retry_after`` what a refusal
    by the rate limit says.
    """

    def __init__(
        self,
        data: Path | str | Sequence[Path | str],
        *,
        port: int = 0,
        limit: int = LIMIT,
        rate: int = 3,
        day: int = 1,
        past_limit_status: int = 200,
        retry_after: int | None = None,
        invalid_keys: Iterable[str] = ("wrong",),
    ) -> None:
        paths = [data] if isinstance(data, Path | str) else data
        self.days = load_days(Path(path) for path in paths)
        self.limit = limit
        self.rate = rate
        self.past_limit_status = past_limit_status
        self.retry_after = retry_after
        self.invalid_keys = frozenset(invalid_keys)
        self.faults = Faults()
        self.log: list[Request] = []
        self.closing = threading.Event()
        self._arrivals: deque[float] = deque()
        self._history: list[tuple[int, ...]] = []
        self._lock = threading.RLock()
        self._set_day(day)
        self._http = _Server(("127.0.0.1", port), self)

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{BASE}"

    @property
    def violations(self) -> list[str]:
        """What NCBI asks of its users and did not get: who, and not more often than agreed."""
        return [violation for request in self.log for violation in request.violations]

    def next_day(self) -> NextDay:
        """Let the night pass: from now on the second day's records are served."""
        self._set_day(2)
        return self.days.overnight

    def take_over(self, *pmids: int) -> None:
        """Let only these records be from now on as they are on the second day: new, changed or gone."""
        with self._lock:
            kept = {pmid: body for pmid, body in self.bodies.items() if pmid not in pmids}
            self.bodies = kept | {pmid: self.days.second[pmid] for pmid in pmids if pmid in self.days.second}
            self._searcher = None

    def _set_day(self, day: int) -> None:
        with self._lock:
            self.day = day
            self.bodies = self.days.second if day > 1 else self.days.first
            self._searcher: Searcher | None = None

    # -- one request

    def answer(self, request: Request) -> Reply:
        """What the service says, faults of content included."""
        with self._lock:
            self.log.append(request)
            refused = self._refusal(request)
            if refused:
                return refused
            request.faults = self.faults.striking(request.endpoint)
            for name in request.faults:
                if name in REPLIES:
                    return REPLIES[name]
            reply = self._serve(request)
        for name in request.faults:
            if name in SPOILERS:
                reply = reply._replace(body=SPOILERS[name](reply.body))
        return reply

    def _refusal(self, request: Request) -> Reply | None:
        for name in ("tool", "email"):
            if not request.params.get(name):
                request.violations.append(f"no {name} in {request.path}")
        key = request.params.get("api_key")
        if key in self.invalid_keys:
            return json_reply(
                {"error": "API key invalid", "api-key": key, "type": "api-key", "status": "unknown"}, 400
            )
        return self._over_limit(request, KEYED_RATE if key else self.rate) if self.rate else None

    def _over_limit(self, request: Request, allowed: int) -> Reply | None:
        self._arrivals.append(request.time)
        while self._arrivals[0] <= request.time - 1:
            self._arrivals.popleft()
        count = len(self._arrivals)
        if count <= allowed:
            return None
        request.violations.append(f"{count} requests within a second, {allowed} are allowed")
        error = {"error": "API rate limit exceeded", "api-key": "127.0.0.1", "count": str(count)}
        headers = (("Retry-After", str(self.retry_after)),) if self.retry_after is not None else ()
        return json_reply({**error, "limit": str(allowed)}, 429, headers)

    def _serve(self, request: Request) -> Reply:
        serve = {
            "esearch": self._esearch,
            "efetch": self._efetch,
            "epost": self._epost,
            "einfo": self._einfo,
        }.get(request.endpoint)
        if serve is None or not request.path.startswith(BASE):
            return Reply(404, b"<html><body>Not Found</body></html>", HTML)
        return serve(request)

    # -- esearch

    def _esearch(self, request: Request) -> Reply:
        params = request.params
        as_json = params.get("retmode", "xml") == "json"
        try:
            _need_pubmed(params)
            _need_supported(params, "mindate", "maxdate", "reldate", "datetype", "field", "rettype")
            start = _number(params, "retstart", 0)
            if start >= self.limit:
                raise Refusal(PAST_LIMIT.format(last=self.limit - 1, limit=self.limit))
            if not params.get("term", "").strip():
                raise Refusal("Empty term and query_key - nothing todo")
            found = self.search(params["term"])
        except Refusal as refusal:
            return self._esearch_refusal(str(refusal), as_json)
        wanted = min(_number(params, "retmax", 20), self.limit - start)
        page = found.pmids[start : start + wanted]
        history = self._remember(found.pmids) if params.get("usehistory") == "y" else None
        write = _esearch_json if as_json else _esearch_xml
        return write(found, start, page, history)

    def _esearch_refusal(self, words: str, as_json: bool) -> Reply:
        status = self.past_limit_status if "retstart" in words else 200
        if as_json:
            # NCBI leaves the line break in the string, which is not JSON.
            body = '{"header":{"type":"esearch","version":"0.3"},"esearchresult":{"ERROR":"' + words + '"}}\n'
            return Reply(status, body.encode(), JSON)
        return xml_reply("eSearchResult", "esearch 20060628", f"<ERROR>{escape(words)}</ERROR>", status)

    def search(self, term: str) -> Found:
        """What the term finds today; kept, as the same strategies are asked for again and again."""
        with self._lock:
            if self._searcher is None:
                self._searcher = Searcher(self.bodies)
            return self._searcher.search(term)

    # -- efetch, epost, einfo

    def _efetch(self, request: Request) -> Reply:
        params = request.params
        try:
            _need_pubmed(params)
            _need_supported(params, "rettype")
            if params.get("retmode", "xml") != "xml":
                raise Refusal(f"The stand-in has no retmode={params['retmode']}")
            ids = self._asked_ids(params)
            if not ids:
                raise Refusal("ID list is empty! Possibly it has no correct IDs.")
        except Refusal as refusal:
            return xml_reply("eFetchResult", "efetch 20131226", f"<ERROR>{escape(str(refusal))}</ERROR>")
        if "id" in params and request.method == "GET" and len(ids) > LONGEST_GET:
            request.violations.append(f"{len(ids)} ids in a GET")
        if "half-missing" in request.faults:
            ids = ids[::2]
        bodies = [self._body(pmid, request.faults) for pmid in dict.fromkeys(ids) if pmid in self.bodies]
        return Reply(200, PUBMED_SET + b"".join(body + b"\n" for body in bodies) + b"</PubmedArticleSet>\n")

    def _body(self, pmid: int, faults: list[str]) -> bytes:
        body = self.bodies[pmid]
        return _unclosed(body) if f"bad-record:{pmid}" in faults else body

    def _asked_ids(self, params: Params) -> list[int]:
        if "id" in params:
            return _ids(params)
        key, start = _number(params, "query_key", 0), _number(params, "retstart", 0)
        if params.get("WebEnv") != WEB_ENV or not 0 < key <= len(self._history):
            raise Refusal(f"Unable to obtain query #{key}")
        return list(self._history[key - 1][start : start + _number(params, "retmax", 20)])

    def _epost(self, request: Request) -> Reply:
        try:
            _need_pubmed(request.params)
            ids = _ids(request.params)
            if not ids:
                raise Refusal("Empty ID list; Nothing to store")
        except Refusal as refusal:
            return xml_reply("ePostResult", "epost 20090526", f"<ERROR>{escape(str(refusal))}</ERROR>")
        return xml_reply("ePostResult", "epost 20090526", _history_xml(self._remember(ids)))

    def _remember(self, ids: Sequence[int]) -> int:
        self._history.append(tuple(ids))
        return len(self._history)

    def _einfo(self, request: Request) -> Reply:
        if "db" not in request.params:
            return xml_reply("eInfoResult", "einfo 20190110", "<DbList><DbName>pubmed</DbName></DbList>")
        try:
            _need_pubmed(request.params)
        except Refusal as refusal:
            return xml_reply("eInfoResult", "einfo 20190110", f"<ERROR>{escape(str(refusal))}</ERROR>")
        about = (
            "<DbInfo><DbName>pubmed</DbName><MenuName>PubMed</MenuName>"
            "<Description>PubMed bibliographic record</Description>"
            f"<DbBuild>Build-2026.01.{self.day:02d}.06.30</DbBuild><Count>{len(self.bodies)}</Count>"
            f"<LastUpdate>2026/01/{self.day:02d} 06:30</LastUpdate></DbInfo>"
        )
        return xml_reply("eInfoResult", "einfo 20190110", about)

    # -- control, for the switch in another process

    def control(self, action: str, params: dict[str, str], method: str) -> Reply:
        try:
            if action == "faults" and method == "POST":
                self._switch(params)
            elif action == "next-day" and method == "POST":
                return json_reply(self.next_day().as_lists())
            elif action == "log":
                return json_reply([asdict(request) for request in self.log])
            elif action != "faults":
                return json_reply({"error": f"no {method} {action}; there are faults, next-day, log"}, 404)
        except (ValueError, TypeError) as error:
            return json_reply({"error": str(error)}, 400)
        return json_reply(self.faults.active())

    def _switch(self, params: dict[str, str]) -> None:
        name = params.pop("fault", "none")
        if name == "none":
            self.faults.clear()
        else:
            self.faults.add(name, **{k: int(v) if v.isdecimal() else v for k, v in params.items()})


def _need_pubmed(params: Params) -> None:
    if (db := params.get("db", "")) != "pubmed":
        raise Refusal(f"Invalid db name specified: {db}")


def _need_supported(params: Params, *missing: str) -> None:
    for name in missing:
        if params.get(name):
            raise Refusal(f"The stand-in knows nothing of {name}={params[name]}")


def _number(params: Params, name: str, default: int) -> int:
    value = params.get(name, "")
    return int(value) if value.isdecimal() else default


def _ids(params: Params) -> list[int]:
    return [int(pmid) for pmid in re.findall(r"(?<![^\s,])\d{1,10}(?![^\s,])", params.get("id", ""))]


def _history_xml(key: int | None) -> str:
    return f"<QueryKey>{key}</QueryKey><WebEnv>{WEB_ENV}</WebEnv>" if key else ""


def _esearch_xml(found: Found, start: int, page: Sequence[int], history: int | None) -> Reply:
    ids = "".join(f"<Id>{pmid}</Id>\n" for pmid in page)
    return xml_reply(
        "eSearchResult",
        "esearch 20060628",
        f"<Count>{len(found.pmids)}</Count><RetMax>{len(page)}</RetMax><RetStart>{start}</RetStart>"
        + _history_xml(history)
        + (f"<IdList>\n{ids}</IdList>" if ids else "<IdList/>")
        + f"<TranslationSet/><QueryTranslation>{escape(found.translation)}</QueryTranslation>"
        + _notes("ErrorList", PhraseNotFound=found.unknown_phrases, FieldNotFound=found.unknown_fields)
        + _notes(
            "WarningList", QuotedPhraseNotFound=found.unknown_quoted, OutputMessage=_output_messages(found)
        ),
    )


def _notes(group: str, **notes: Sequence[str]) -> str:
    inner = "".join(
        f"<{tag}>{escape(words)}</{tag}>" for tag, all_words in notes.items() for words in all_words
    )
    return f"<{group}>{inner}</{group}>" if inner else ""


def _output_messages(found: Found) -> tuple[str, ...]:
    return () if found.pmids else ("No items found.",)


def _esearch_json(found: Found, start: int, page: Sequence[int], history: int | None) -> Reply:
    result: dict[str, Any] = {
        "count": str(len(found.pmids)),
        "retmax": str(len(page)),
        "retstart": str(start),
    }
    if history:
        result |= {"querykey": str(history), "webenv": WEB_ENV}
    result |= {
        "idlist": [str(pmid) for pmid in page],
        "translationset": [],
        "querytranslation": found.translation,
    }
    if found.unknown_phrases or found.unknown_fields:
        result["errorlist"] = {
            "phrasesnotfound": found.unknown_phrases,
            "fieldsnotfound": found.unknown_fields,
        }
    if found.unknown_quoted or not found.pmids:
        result["warninglist"] = {
            "phrasesignored": [],
            "quotedphrasesnotfound": found.unknown_quoted,
            "outputmessages": _output_messages(found),
        }
    return json_reply({"header": {"type": "esearch", "version": "0.3"}, "esearchresult": result})


# -- HTTP --------------------------------------------------------------------------------------


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], service: StandIn) -> None:
        self.service = service
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Connections that a client keeps alive are closed too, or its pool outlives the server."""
        super().server_close()
        for connection in tuple(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none of our business."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "eutils-stand-in"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        self._handle(time.monotonic())

    def do_POST(self) -> None:
        self._handle(time.monotonic())

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: ``StandIn.log`` is the log."""

    def _handle(self, arrived: float) -> None:
        service = self.server.service
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        params = _params(address.query, self.rfile.read(length).decode("utf-8", "replace"))
        if address.path.startswith("/control/"):
            self._send(service.control(address.path.removeprefix("/control/"), params, self.command))
            return
        request = Request(
            time=arrived,
            method=self.command,
            path=address.path,
            line=self.requestline,
            params=params,
            headers=_plain(self.headers),
        )
        reply = service.answer(request)
        request.status = reply.status
        wire = next((name for name in request.faults if name in ON_THE_WIRE), None)
        self._send(reply, wire)

    def _send(self, reply: Reply, fault: str | None = None) -> None:
        if fault == "hang":
            self.server.service.closing.wait()
        if fault in ("hang", "reset"):
            self._hang_up()
            return
        body, headers = self._packed(reply)
        self.send_response(reply.status)
        for name, value in (("Content-Type", reply.type), *headers, *reply.headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "drip":
            self._drip(body)
        else:
            self.wfile.write(body[: len(body) // 2] if fault == "short" else body)
        self.close_connection = self.close_connection or fault is not None

    def _packed(self, reply: Reply) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        if "gzip" not in self.headers.get("Accept-Encoding", "") or len(reply.body) < 1000:
            return reply.body, ()
        return gzip.compress(reply.body, 1), (("Content-Encoding", "gzip"),)

    def _drip(self, body: bytes) -> None:
        for at in range(len(body)):
            self.wfile.write(body[at : at + 1])
            self.wfile.flush()
            if self.server.service.closing.wait(0.2):
                break

    def _hang_up(self) -> None:
        """A reset rather than an orderly close: what a client sees when a machine on the way dies."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _params(query: str, body: str) -> dict[str, str]:
    """Both parts together; a parameter given several times is one list, as NCBI reads ``id``."""
    params: dict[str, str] = {}
    for name, value in parse_qsl(f"{query}&{body}", keep_blank_values=True):
        params[name] = f"{params[name]},{value}" if name in params else value
    return params


def _plain(headers: Message) -> dict[str, str]:
    return dict(headers.items())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.eutils_server", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", nargs="+", required=True, help="files or folders of PubMed XML, plain or .gz"
    )
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--limit", type=int, default=LIMIT, help="records that one search may list")
    parser.add_argument("--rate", type=int, default=3, help="requests a second without a key; 0: any")
    parser.add_argument("--day", type=int, choices=(1, 2), default=1)
    given = parser.parse_args(arguments)
    topic.use(QUERIES / "topic")
    with StandIn(given.data, port=given.port, limit=given.limit, rate=given.rate, day=given.day) as service:
        print(f"TRACKER_EUTILS_URL={service.url} holds {len(service.bodies)} records", file=sys.stderr)
        try:
            service.closing.wait()
        except KeyboardInterrupt:
            print(f"{len(service.log)} requests answered", file=sys.stderr)


if __name__ == "__main__":
    main()
