"""PubMed as a refresh sees it: search a strategy in full, fetch records in batches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from Bio import Entrez
from lxml import etree

from tracker.article import MAX_PMID, Pmid, parse_pmid
from tracker.errors import ServiceError
from tracker.pubmed.transport import Backoff, OnWait, Transport, UnusableAnswer
from tracker.settings import Settings

# ESearch on PubMed gives the first 9,999 records only; EFetch wants a POST above about 200 ids (NBK25499).
LIMIT = 9_999
BATCH = 200
MOST_REFUSED = 20
MOST_FAILURES = 3
RECORDS = ("PubmedArticle", "PubmedBookArticle")

T = TypeVar("T")


class IllFormed(UnusableAnswer):
    """A complete answer that is not well-formed XML, or does not hold what it should."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"PubMed's answer cannot be read: {reason}.", reason)


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """The part of a search with PMIDs ``first`` to ``last``, and how many records it counted."""

    first: int
    last: int
    count: int


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """One ESearch answer: how many records match, which it listed (in its order), its notes."""

    count: int
    pmids: tuple[Pmid, ...]
    translation: str = ""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def lists_all(self) -> bool:
        return len(set(self.pmids)) == self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """A strategy searched in full.

    ``translation``, ``errors`` and ``warnings`` are what NCBI made of the query (``"PhraseNotFound:
    abcXYZ"``). ``reconciled`` says that as many distinct PMIDs came as NCBI counts, in the slices and
    in the whole; otherwise ``reason`` says what did not agree. ``requests`` counts every try.
    """

    query: str
    translation: str
    count: int
    pmids: tuple[Pmid, ...]
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    slices: tuple[Slice, ...]
    reconciled: bool
    reason: str | None
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBatch:
    """The result of asking for some records; every PMID asked for is in exactly one of three places.

    ``returned`` came, in ``bodies``: whole, well-formed PubmedArticleSet documents that hold nothing
    else. ``refused`` could not be read even alone (PMID -> reason). ``missing`` were asked for twice
    and not returned. ``unasked`` came unasked and were left out of ``bodies``.
    """

    asked: tuple[Pmid, ...]
    returned: tuple[Pmid, ...]
    bodies: tuple[bytes, ...]
    refused: Mapping[Pmid, str]
    missing: tuple[Pmid, ...]
    unasked: tuple[Pmid, ...]
    requests: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What EInfo says of PubMed: ``build`` (``Build-2026.10.02.08.30``), ``updated``, records in all."""

    build: str
    updated: str
    count: int


class PubMed:
    """PubMed by E-utilities; a context manager.

    ``limit`` is how many records one search may list. For ``on_wait`` and ``backoff``, and for the
    errors that every method raises (ServiceError, UsageError), see Transport.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        limit: int = LIMIT,
        on_wait: OnWait | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._transport = Transport(settings, on_wait=on_wait, backoff=backoff)
        self._limit = limit

    def __enter__(self) -> Self:
        self._transport.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.__exit__(kind, error, trace)

    def state(self) -> DatabaseState:
        """The build and size of PubMed: one small request, to see whether the service answers."""
        return _twice_if_ill_formed(
            lambda: self._transport.ask(Entrez.einfo, db="pubmed", retmode="xml"), read_state
        )

    @property
    def requests(self) -> int:
        """How many requests have been sent so far, retries included."""
        return self._transport.requests

    @property
    def received(self) -> int:
        """How many bytes of answers have come so far."""
        return self._transport.received

    # -- searching ----------------------------------------------------------------------------

    def search(self, strategy: str) -> SearchResult:
        """Every PMID that the strategy (PubMed query syntax) matches: one request if it fits.

        Past the limit the search is cut into slices by PMID. If the numbers do not agree, everything is
        asked once more, as records may have been added meanwhile.
        """
        started, before = time.monotonic(), self._transport.requests
        sweep = self._sweep(strategy)
        if sweep.disagreement:
            sweep = self._sweep(strategy, even_below_limit=True)
        return SearchResult(
            query=strategy,
            translation=sweep.whole.translation,
            count=sweep.whole.count,
            pmids=tuple(sorted(sweep.pmids)),
            errors=sweep.whole.errors,
            warnings=sweep.whole.warnings,
            slices=sweep.slices,
            reconciled=sweep.disagreement is None,
            reason=sweep.disagreement,
            requests=self._transport.requests - before,
            seconds=time.monotonic() - started,
        )

    def count(self, query: str) -> SearchAnswer:
        """How many records the query finds, and what PubMed made of it, without any PMID: one request."""
        return self._ask_search_for(query, 0)

    def _sweep(self, strategy: str, even_below_limit: bool = False) -> _Sweep:
        """The whole search, and its slices if it does not fit in one answer.

        ``even_below_limit`` also slices what should have fitted, as the server may have a lower limit.
        """
        whole = self._ask_search(strategy)
        too_many = whole.count > self._limit
        too_few_listed = bool(whole.pmids) and not whole.lists_all
        if too_many or (even_below_limit and too_few_listed):
            return self._sweep_in_slices(strategy, whole)
        return _Sweep(whole, (Slice(1, MAX_PMID, whole.count),), frozenset(whole.pmids))

    def _sweep_in_slices(self, strategy: str, whole: SearchAnswer) -> _Sweep:
        """Halve what does not fit, until everything fits or far more was asked than that can take."""
        slices: list[Slice] = []
        pmids = set(whole.pmids)
        in_answer = len(whole.pmids) if len(whole.pmids) >= 10 else self._limit
        asks_left = 40 + 8 * math.ceil(whole.count / in_answer)
        todo = [(1, MAX_PMID, whole)]
        while todo:
            first, last, answer = todo.pop()
            if answer.lists_all or first == last or asks_left <= 0:
                slices.append(Slice(first, last, answer.count))
                continue
            cut = _cut(first, last, answer.pmids)
            for low, high in ((first, cut - 1), (cut, last)):
                part = self._ask_search(f"({strategy}) AND {low}:{high}[UID]")
                pmids.update(part.pmids)
                todo.append((low, high, part))
                asks_left -= 1
        return _Sweep(whole, tuple(sorted(slices)), frozenset(pmids))

    def _ask_search(self, query: str) -> SearchAnswer:
        try:
            return self._ask_search_for(query, self._limit)
        except UnusableAnswer as error:
            if not _is_past_limit(error):
                raise
        # Some servers answer a set past the limit with an error; its count, and an id to cut by, can still be had.
        return self._ask_search_for(query, 1)

    def _ask_search_for(self, query: str, most: int) -> SearchAnswer:
        return _twice_if_ill_formed(
            lambda: self._transport.ask(Entrez.esearch, db="pubmed", term=query, retmax=most, retmode="xml"),
            read_search,
        )

    # -- fetching -----------------------------------------------------------------------------

    def fetch(self, pmids: Sequence[Pmid]) -> Iterator[FetchedBatch]:
        """The records of these PMIDs, up to 200 per batch."""
        for start in range(0, len(pmids), BATCH):
            yield self.fetch_batch(pmids[start : start + BATCH])

    def fetch_batch(self, pmids: Sequence[Pmid]) -> FetchedBatch:
        """The records of up to 200 PMIDs; one that spoils the batch is found by halving and set aside.

        Raises ServiceError if PubMed fails altogether, cannot serve more than 3 of the records, or
        sends more than 20 that are unreadable; ValueError for more than 200 PMIDs.
        """
        asked = tuple(dict.fromkeys(pmids))
        if len(asked) > BATCH:
            raise ValueError(f"{len(asked)} PMIDs in one batch; at most {BATCH}")
        started, requests, received = time.monotonic(), self._transport.requests, self._transport.received
        catch = _Catch(frozenset(asked))
        self._gather(asked, catch)
        self._gather(catch.absent(asked), catch)
        catch.raise_if_nothing_came()
        return FetchedBatch(
            asked=asked,
            returned=tuple(pmid for pmid in asked if pmid in catch.returned),
            bodies=tuple(catch.bodies),
            refused=catch.refused,
            missing=catch.absent(asked),
            unasked=tuple(sorted(catch.unasked)),
            requests=self._transport.requests - requests,
            bytes=self._transport.received - received,
            seconds=time.monotonic() - started,
        )

    def _gather(self, pmids: tuple[Pmid, ...], catch: _Catch, again: bool = True) -> None:
        """Ask for these records; halve what cannot be read until the one that spoils it is alone."""
        if not pmids:
            return
        try:
            catch.add(*self._ask_records(pmids, again or len(pmids) == 1))
        except UnusableAnswer as error:
            if _says_no_such_records(error):
                return
            if len(pmids) == 1:
                catch.refuse(pmids[0], error)
                return
            middle = len(pmids) // 2
            self._gather(pmids[:middle], catch, again=False)
            self._gather(pmids[middle:], catch, again=False)

    def _ask_records(self, pmids: tuple[Pmid, ...], again: bool) -> tuple[bytes, frozenset[Pmid]]:
        def ask() -> bytes:
            return self._transport.ask(Entrez.efetch, db="pubmed", id=list(pmids), retmode="xml")

        return _twice_if_ill_formed(ask, _with_pmids) if again else _with_pmids(ask())


class _Sweep(NamedTuple):
    """One search of everything: the answer for the whole, and what all the slices held."""

    whole: SearchAnswer
    slices: tuple[Slice, ...]
    pmids: frozenset[Pmid]

    @property
    def disagreement(self) -> str | None:
        """How the numbers contradict each other, or None."""
        count, counted = self.whole.count, sum(part.count for part in self.slices)
        if counted != count:
            return f"PubMed counted {count:,} records for the whole search, but {counted:,} in its slices"
        if len(self.pmids) != count:
            return f"PubMed counted {count:,} records, but listed {len(self.pmids):,}"
        return None


@dataclass(slots=True)
class _Catch:
    """What a batch has brought in so far."""

    asked: frozenset[Pmid]
    bodies: list[bytes] = field(default_factory=list)
    returned: set[Pmid] = field(default_factory=set)
    unasked: set[Pmid] = field(default_factory=set)
    refused: dict[Pmid, str] = field(default_factory=dict)
    failures: list[UnusableAnswer] = field(default_factory=list)

    def add(self, body: bytes, pmids: frozenset[Pmid]) -> None:
        self.unasked |= pmids - self.asked
        if wanted := pmids & self.asked:
            self.bodies.append(body if wanted == pmids else only(body, wanted))
            self.returned |= wanted

    def absent(self, asked: tuple[Pmid, ...]) -> tuple[Pmid, ...]:
        return tuple(pmid for pmid in asked if pmid not in self.returned and pmid not in self.refused)

    def refuse(self, pmid: Pmid, error: UnusableAnswer) -> None:
        self.refused[pmid] = error.reason
        if not isinstance(error, IllFormed):
            self.failures.append(error)
        # This many, or two and no good record: the service is at fault, not the records.
        if len(self.failures) > MOST_FAILURES:
            raise error
        if len(self.failures) > 1:
            self.raise_if_nothing_came()
        if len(self.refused) > MOST_REFUSED:
            raise ServiceError(
                f"PubMed sent more than {MOST_REFUSED} unreadable records of {len(self.asked)} "
                f"(the last, PMID {pmid}: {error.reason}). Nothing stored is lost; try again later."
            )

    def raise_if_nothing_came(self) -> None:
        if self.failures and not self.bodies:
            raise self.failures[0]


def _twice_if_ill_formed(ask: Callable[[], bytes], read: Callable[[bytes], T]) -> T:
    """An answer may have been spoiled on its way; one that is ill-formed twice stays so."""
    try:
        return read(ask())
    except IllFormed:
        return read(ask())


def _cut(first: int, last: int, pmids: Sequence[Pmid]) -> int:
    """Where to cut a range that holds more than one answer lists: the start of its upper part.

    PubMed lists the newest first, so most of what lies at the listed end was seen: with the cut a
    tenth short of its far end, one of the two parts nearly always fits.
    """
    if len(pmids) < 10:
        cut = (first + min(last, max(pmids, default=last))) // 2 + 1
    else:
        tenth = len(pmids) // 10
        cut = sorted(pmids)[tenth if pmids[0] > pmids[-1] else -tenth]
    return min(max(cut, first + 1), last)


def _is_past_limit(error: UnusableAnswer) -> bool:
    return "cannot be larger than" in error.reason or "can only retrieve the first" in error.reason


def _says_no_such_records(error: UnusableAnswer) -> bool:
    return "id list is empty" in error.reason.lower()


# -- reading answers ---------------------------------------------------------------------------


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _parse(body: bytes) -> etree._Element:
    try:
        return etree.fromstring(body.strip(), _parser())
    except etree.XMLSyntaxError as error:
        raise IllFormed(f"its XML is not well-formed ({error.msg})") from None


def read_search(body: bytes) -> SearchAnswer:
    """An ESearch answer (XML). Raises IllFormed if it is not one."""
    root = _parse(body)
    try:
        return SearchAnswer(
            count=int(root.findtext("Count", "")),
            pmids=tuple(parse_pmid(pmid.text or "") for pmid in root.iterfind("IdList/Id")),
            translation=root.findtext("QueryTranslation", ""),
            errors=_notes(root.find("ErrorList")),
            warnings=_notes(root.find("WarningList")),
        )
    except ValueError as error:
        raise IllFormed(f"no search result ({error})") from None


def _notes(group: etree._Element | None) -> tuple[str, ...]:
    return () if group is None else tuple(f"{note.tag}: {note.text or ''}" for note in group)


def read_state(body: bytes) -> DatabaseState:
    """An EInfo answer for one database (XML). Raises IllFormed if it is not one."""
    about = _parse(body).find("DbInfo")
    if about is None:
        raise IllFormed("no description of the database")
    count = about.findtext("Count", "")
    return DatabaseState(
        build=about.findtext("DbBuild", ""),
        updated=about.findtext("LastUpdate", ""),
        count=int(count) if count.isdecimal() else 0,
    )


def _with_pmids(body: bytes) -> tuple[bytes, frozenset[Pmid]]:
    return body, read_pmids(body)


def read_pmids(body: bytes) -> frozenset[Pmid]:
    """The PMIDs of the records in an EFetch answer, which is read to its end.

    Raises IllFormed if it is not well-formed, or a record has no PMID.
    """
    pmids: set[Pmid] = set()
    try:
        for _, record in etree.iterparse(
            BytesIO(body.strip()),
            tag=RECORDS,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
        ):
            pmids.add(_pmid_of(record))
            record.clear()
    except etree.XMLSyntaxError as error:
        raise IllFormed(f"its XML is not well-formed ({error.msg})") from None
    except ValueError as error:
        raise IllFormed(f"a record without its PMID ({error})") from None
    return frozenset(pmids)


def _pmid_of(record: etree._Element) -> Pmid:
    """The record's own PMID, not one of those among its comments and references."""
    own = record.findtext("MedlineCitation/PMID") or record.findtext("BookDocument/PMID")
    return parse_pmid(own or "")


def only(body: bytes, wanted: frozenset[Pmid]) -> bytes:
    """The EFetch answer with these records and no others."""
    root = _parse(body)
    for record in root.iterchildren(*RECORDS):
        if _pmid_of(record) not in wanted:
            root.remove(record)
    return etree.tostring(root.getroottree(), xml_declaration=True, encoding="UTF-8")
