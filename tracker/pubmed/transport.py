"""The line to a service: paced, timed, patient, suspicious of every answer, silent about the key.

``Line`` asks any service that answers in JSON; ``Transport`` is the line to E-utilities. Biopython builds each of its
calls and this module carries it, because Biopython 1.88 has no time-out, no pause between tries, no setting for another
address, and puts the API key into URLs.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from email.message import Message
from importlib.metadata import version
from io import BytesIO
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlsplit
from urllib.request import Request

import requests
import tenacity
import urllib3
from Bio import Entrez

from tracker.errors import ServiceError, TrackerError, UsageError
from tracker.pubmed.failures import (
    HTML_PAGE,
    WRONG_KEY,
    WRONG_KEY_WORDS,
    Answer,
    Failure,
    explain,
    judge_body,
    judge_status,
    request_at_fault,
)
from tracker.pubmed.pace import Pace
from tracker.settings import NCBI_EUTILS, TOOL, Settings

log = logging.getLogger("tracker.pubmed")

T = TypeVar("T")
OnWait = Callable[[float, str], None]

# The root element of a whole answer, and what staff call the request.
ROOTS = {"esearch": b"eSearchResult", "efetch": b"PubmedArticleSet", "einfo": b"eInfoResult"}
DEEDS = {"esearch": "a search", "efetch": "a fetch of records", "einfo": "a question about its state"}

MAX_BODY = 200_000_000
CHUNK = 65_536
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# Biopython has no public way to do what ``biopython_carried_by`` does, so its types know nothing of it.
_biopython: Any = Entrez
_one_at_a_time = threading.Lock()


class UnusableAnswer(ServiceError):
    """The service answered, but not with what was asked for; a smaller request might fare better.

    ``reason`` is the short form: what came, in the service's own words where it had any.
    """

    def __init__(self, message: str, reason: str, *, final: bool = False) -> None:
        super().__init__(message, final=final)
        self.reason = reason


class Backoff(NamedTuple):
    """How patiently a failed request is repeated; ``first`` and ``most`` are pauses in seconds."""

    tries: int = 5
    first: float = 0.5
    most: float = 10.0


class _Failed(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Line:
    """The line to one service; a context manager, which closes its connections.

    ``name`` is what staff call the service, ``url`` its base, ``per_second`` its limit of requests, shared by all
    processes of this user. ``email`` is what it may be told; a User-Agent with it goes with each request. ``requests``
    and ``received`` count the requests made and the bytes of body received. ``on_wait(seconds, reason)`` is called
    before each pause that comes before another try.

    Raises UsageError if the temporary directory cannot be used.
    """

    def __init__(
        self,
        name: str,
        url: str,
        per_second: float,
        settings: Settings,
        *,
        on_wait: OnWait | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.requests = 0
        self.received = 0
        self.email = settings.email
        self._name = name
        self._url = url
        self._settings = settings
        self._backoff = backoff or Backoff()
        self._on_wait = on_wait
        self._pace = Pace(urlsplit(url).netloc, per_second)
        self._session = self._new_session()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def get(self, path: str, params: Mapping[str, str]) -> Any | None:
        """The JSON of a good answer to a GET below the base; None where the service knows no such thing (404).

        Raises ServiceError once it gives up, UsageError if a proxy cannot be used.
        """
        return self._patiently(path or "a search", lambda: self._get_once(path, params))

    def _get_once(self, path: str, params: Mapping[str, str]) -> Any | None:
        answer = self._carried(
            self._url + path, lambda url: self._session.get(url, params=params, **self._how(url))
        )
        self._keep_to(answer.headers)
        if answer.status == 404:
            return None
        if failure := judge_status(answer):
            raise _Failed(failure)
        return _json(answer.body)

    def _keep_to(self, headers: Mapping[str, str]) -> None:
        """Crossref's answers say how many requests it allows in how many seconds (X-Rate-Limit-Limit, -Interval)."""
        limit = re.match(r"[0-9]{1,6}\Z", headers.get("X-Rate-Limit-Limit", ""))
        interval = re.match(r"([0-9]{1,4})s?\Z", headers.get("X-Rate-Limit-Interval", ""))
        if limit and interval and int(limit[0]) and int(interval[1]):
            self._pace.at_most(int(limit[0]) / int(interval[1]))

    def _patiently(self, deed: str, work: Callable[[], T]) -> T:
        """What ``work()`` returns; it is tried again, after a pause, if that may help."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_worth_another_try),
            stop=tenacity.stop_after_attempt(self._backoff.tries)
            | tenacity.stop_after_delay(2.5 * self._settings.timeout),
            wait=self._pause,
            before_sleep=self._announce,
            reraise=True,
        )
        try:
            return retrying(work)
        except _Failed as failed:
            failure = failed.failure
        # Raised outside the handler, as a chained exception would carry the request, and so the key.
        raise self._given_up(deed, failure, retrying.statistics["attempt_number"])

    def _carried(self, url: str, send: Callable[[str], requests.Response]) -> Answer:
        """One answer, in its turn, read whole within twice the time-out."""
        self._pace.wait()
        self.requests += 1
        # A server that drips bytes never triggers the time-out of requests.
        longest = 2 * self._settings.timeout
        try:
            answer = within(longest, lambda: _whole(send(url)))
        except TimeoutError:
            self._session = self._new_session()
            problem: Failure | TrackerError = Failure(f"an answer that was not complete after {longest:g} s")
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            problem = explain(error, self._settings.timeout)
        else:
            self.received += len(answer.body)
            return answer
        raise _Failed(problem) if isinstance(problem, Failure) else problem

    def _how(self, url: str) -> dict[str, Any]:
        timeout = self._settings.timeout
        return {
            "stream": True,
            # A redirected POST would lose its form, or take the key to another host.
            "allow_redirects": False,
            "timeout": (min(10.0, timeout), timeout),
            "proxies": _no_proxy_for_loopback(url),
        }

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        contact = f" (+mailto:{quote(self._settings.email, safe='@+')})" if self._settings.email else ""
        session.headers["User-Agent"] = f"{TOOL}/{version(TOOL)}{contact}"
        return session

    def _pause(self, state: tenacity.RetryCallState) -> float:
        first, most = self._backoff.first, self._backoff.most
        growing = tenacity.wait_exponential(multiplier=first, max=most) + tenacity.wait_random(0, first)
        return max(growing(state), _failure_of(state).retry_after or 0.0)

    def _announce(self, state: tenacity.RetryCallState) -> None:
        seconds = state.upcoming_sleep
        reason = _failure_of(state).reason
        log.info("%s: %s; asking again in %.1f s", self._name, reason, seconds)
        if self._on_wait:
            self._on_wait(seconds, reason)

    def _given_up(self, deed: str, failure: Failure, tries: int) -> TrackerError:
        after = f", after {tries} tries" if tries > 1 else ""
        return ServiceError(
            f"{self._name} ({urlsplit(self._url).netloc}) did not answer: {failure.reason}{after}. {failure.remedy}",
            final=failure.final,
        )


class Transport(Line):
    """Carries Biopython's calls to E-utilities.

    Each request waits for its turn under ``settings.requests_per_second`` (NBK25497); each carries ``tool`` and
    ``email`` as well, and no URL ever holds the key.

    Raises UsageError if ``settings.email`` is missing, or the temporary directory cannot be used.
    """

    def __init__(
        self, settings: Settings, *, on_wait: OnWait | None = None, backoff: Backoff | None = None
    ) -> None:
        if not settings.email:
            raise UsageError(
                "TRACKER_EMAIL is not set. NCBI asks for an e-mail address that it may write to; "
                "set it in the environment or in .env."
            )
        per_second = settings.requests_per_second
        super().__init__(
            "PubMed", settings.eutils_url, per_second, settings, on_wait=on_wait, backoff=backoff
        )

    def ask(self, call: Callable[..., Any], **params: object) -> bytes:
        """The whole body of a good answer to one of Biopython's calls (``Entrez.esearch``, ...).

        Asks again, after a pause, if that may help. Raises ServiceError once it gives up
        (UnusableAnswer if the service did answer), UsageError for a key that NCBI refuses.
        """
        return self._patiently(call.__name__, lambda: self._once(call, params))

    def _once(self, call: Callable[..., Any], params: Mapping[str, object]) -> bytes:
        identity = {"tool": TOOL, "email": self.email, "api_key": self._settings.api_key}
        with biopython_carried_by(self._carry):
            body: bytes = call(**params, **identity).read()
        if failure := judge_body(self._without_key(body), ROOTS[call.__name__]):
            raise _Failed(failure)
        return body

    def _carry(self, request: Request) -> BytesIO:
        """What Biopython's ``urlopen`` does, through our session: any call becomes a POST to our base."""
        address = urlsplit(request.full_url)
        url = self._url + address.path.rpartition("/")[2]
        assert request.data is None or isinstance(request.data, bytes)
        form = request.data or address.query.encode()
        answer = self._carried(
            url, lambda url: self._session.post(url, data=form, headers=_FORM, **self._how(url))
        )
        if failure := judge_status(answer._replace(body=self._without_key(answer.body))):
            raise _Failed(failure)
        return _Handle(answer.body, url)

    def _given_up(self, deed: str, failure: Failure, tries: int) -> TrackerError:
        if WRONG_KEY_WORDS.search(failure.reason):
            return UsageError(WRONG_KEY)
        who = "PubMed" if self._url == NCBI_EUTILS else f"PubMed ({urlsplit(self._url).netloc})"
        after = f", after {tries} tries" if tries > 1 else ""
        message = f"{who} did not answer {DEEDS[deed]} ({deed}): {failure.reason}{after}. {failure.remedy}"
        if failure.answered:
            return UnusableAnswer(message, failure.reason, final=failure.final)
        return ServiceError(message, final=failure.final)

    def _without_key(self, body: bytes) -> bytes:
        """The text from which a complaint may be quoted, in case the service repeats the key in it."""
        key = self._settings.api_key
        return body.replace(key.encode(), b"[key]") if key else body


@contextmanager
def biopython_carried_by(carry: Callable[[Request], BytesIO]) -> Iterator[None]:
    """Inside, a call of Bio.Entrez goes through ``carry``, once and at once; afterwards everything is as before.

    One thread at a time, since what it changes belongs to the whole process.
    """
    with _one_at_a_time:
        before = _biopython.urlopen, _biopython.max_tries
        _biopython.urlopen, _biopython.max_tries = carry, 1
        # Biopython would otherwise wait its own 0.37 s on top of our pace.
        _biopython._open.previous = 0
        try:
            yield
        finally:
            _biopython.urlopen, _biopython.max_tries = before


class _Handle(BytesIO):
    """A body as Biopython wants it; always called XML, as Biopython would decode plain text."""

    def __init__(self, body: bytes, url: str) -> None:
        super().__init__(body)
        self.url = url
        self.headers = Message()
        self.headers["Content-Type"] = "text/xml"


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work()`` returns or raises, or TimeoutError after ``seconds``; the work is then left behind.

    A thread, because nothing else bounds a name server that hangs or headers that drip as well.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="tracker-pubmed").start()
    return future.result(timeout=seconds)


def _whole(response: requests.Response) -> Answer:
    with response:
        return Answer(response.status_code, response.headers, _read_bounded(response))


def _json(body: bytes) -> Any:
    """What a body says; _Failed where it is no JSON, or nests too deeply to be an answer."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        words = "an HTML page" if HTML_PAGE.match(body) else "something other than JSON"
        raise _Failed(Failure(f"{words} instead of data", answered=True)) from None


def _read_bounded(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            reason = f"an answer of more than {MAX_BODY:,} bytes"
            raise _Failed(request_at_fault(reason))
    return bytes(body)


def _no_proxy_for_loopback(url: str) -> dict[str, str]:
    """A proxy cannot reach our own machine, whatever the environment says."""
    host = urlsplit(url).hostname or ""
    return {"no_proxy": host} if _is_loopback(host) else {}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _worth_another_try(error: BaseException) -> bool:
    return isinstance(error, _Failed) and error.failure.again


def _failure_of(state: tenacity.RetryCallState) -> Failure:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, _Failed)
    return error.failure
