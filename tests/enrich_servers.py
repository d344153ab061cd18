"""A stand-in for iCite, ClinicalTrials.gov, Europe PMC and Crossref: real HTTP on loopback, answers from files of ours.

The shapes are those of captured answers, but for two that only documentation tells of: Crossref's list of works, and
ClinicalTrials.gov's references (docs/enrich.md)::

    with Services() as services:
        desk.environment |= services.environment
        services.faults["icite"] = ["429", "html"]     # the next two answers of this service
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

FIXTURES = Path(__file__).parent / "fixtures" / "enrich"
NAMES = ("icite", "clinicaltrials", "europepmc", "crossref")
VARIABLES = {
    "icite": "TRACKER_ICITE_URL",
    "clinicaltrials": "TRACKER_CTGOV_URL",
    "europepmc": "TRACKER_EUROPEPMC_URL",
    "crossref": "TRACKER_CROSSREF_URL",
}
JSON = "application/json; charset=utf-8"
HTML_PAGE = b"<!DOCTYPE html>\n<html><head><title>Maintenance</title></head><body>Soon back.</body></html>"


class Reply(NamedTuple):
    status: int
    body: bytes
    type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


def study(
    nct: str,
    status: str,
    ended: str | None = None,
    *,
    title: str = "Written by us",
    estimated: bool = False,
    results: str | None = None,
    references: tuple[tuple[int, str], ...] = (),
    finds: str = "",
) -> dict[str, Any]:
    """A study as ClinicalTrials.gov has it; ``finds`` are the words by which a search finds it."""
    kind = "ESTIMATED" if estimated else "ACTUAL"
    dates = {"primaryCompletionDateStruct": {"date": ended, "type": kind}} if ended else {}
    if results:
        dates["resultsFirstPostDateStruct"] = {"date": results, "type": "ACTUAL"}
    return {
        "protocolSection": {
            "identificationModule": {"nctId": nct, "briefTitle": title},
            "statusModule": {
                "overallStatus": status,
                "startDateStruct": {"date": "2018-02", "type": "ACTUAL"},
                "studyFirstSubmitDate": "2018-01-15",
                "lastUpdatePostDateStruct": {"date": "2024-04-02", "type": "ACTUAL"},
                **dates,
            },
            "sponsorCollaboratorsModule": {"leadSponsor": {"name": "A University"}},
            "conditionsModule": {"conditions": ["Depression", *([finds] if finds else [])]},
            "designModule": {
                "studyType": "INTERVENTIONAL",
                "phases": ["PHASE2"],
                "enrollmentInfo": {"count": 92, "type": "ESTIMATED"},
            },
            "armsInterventionsModule": {"interventions": [{"type": "DRUG", "name": "Ketamine"}]},
            "referencesModule": {
                "references": [
                    {"pmid": str(pmid), "type": type, "citation": "Written by us"}
                    for pmid, type in references
                ]
            },
        },
        "hasResults": bool(results),
    }


@dataclass
class Asked:
    """One request as it came."""

    service: str
    path: str
    params: dict[str, str]
    agent: str


@dataclass
class Services:
    """All four on one free port of loopback; a context manager. Tests may change what each knows, and how it fails."""

    papers: list[dict[str, Any]] = field(default_factory=lambda: _read("icite"))
    records: list[dict[str, Any]] = field(default_factory=lambda: _read("europepmc"))
    works: list[dict[str, Any]] = field(default_factory=lambda: _read("crossref"))
    studies: list[dict[str, Any]] = field(default_factory=list)
    page: int = 2
    faults: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    log: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._http = _Server(("127.0.0.1", 0), self)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def environment(self) -> dict[str, str]:
        base = f"http://127.0.0.1:{self._http.server_address[1]}"
        urls = {variable: f"{base}/{name}/" for name, variable in VARIABLES.items()}
        return {"TRACKER_ENRICH": ",".join(NAMES), **urls}

    def asked(self, service: str) -> list[Asked]:
        return [request for request in self.log if request.service == service]

    def answer(self, asked: Asked) -> Reply:
        self.log.append(asked)
        struck = self.faults.get(asked.service, [])
        reply = FAULTS[struck.pop(0)](self) if struck else None
        if reply:
            return reply
        serve = getattr(self, f"_{asked.service}", None)
        reply = serve(asked) if serve else Reply(404, b"Not Found", "text/plain")
        assert isinstance(reply, Reply)
        return reply._replace(headers=self.headers.get(asked.service, ()))

    def _icite(self, asked: Asked) -> Reply:
        pmids = asked.params["pmids"].split(",")
        assert len(pmids) <= 1000
        data = [paper for paper in self.papers if str(paper["pmid"]) in pmids]
        return _json({"meta": asked.params, "data": data})

    def _clinicaltrials(self, asked: Asked) -> Reply:
        found = [one for one in self.studies if _finds(one, asked.params)]
        start = int(asked.params.get("pageToken", "0"))
        size = min(self.page, int(asked.params["pageSize"]))
        rest = {"nextPageToken": str(start + size)} if start + size < len(found) else {}
        return _json({"studies": found[start : start + size], **rest})

    def _europepmc(self, asked: Asked) -> Reply:
        ids = re.findall(r"EXT_ID:(\w+)", asked.params["query"])
        found = [record for record in self.records if record["id"] in ids]
        start = int(asked.params["cursorMark"].removeprefix("*") or 0)
        part = found[start : start + self.page]
        # As the service does, it counts more than it returns, and the last page has the cursor that asked for it.
        mark = f"*{start + len(part)}" if part else asked.params["cursorMark"]
        return _json(
            {
                "version": "6.9",
                "hitCount": len(found) + 1,
                "nextCursorMark": mark,
                "resultList": {"result": part},
            }
        )

    def _crossref(self, asked: Asked) -> Reply:
        single = asked.path.removeprefix("works").strip("/")
        if single:
            found = self._works([single])
            if not found:
                return Reply(404, b"Resource not found.", "text/plain")
            return _json({"status": "ok", "message-type": "work", "message": found[0]})
        dois = [part.removeprefix("doi:") for part in asked.params["filter"].split(",")]
        assert len(dois) == int(asked.params["rows"])
        items = self._works(dois)
        message = {"total-results": len(items), "items": items, "items-per-page": len(dois)}
        return _json({"status": "ok", "message-type": "work-list", "message": message})

    def _works(self, dois: list[str]) -> list[dict[str, Any]]:
        return [work for work in self.works if work["DOI"].lower() in dois]


def _finds(study: dict[str, Any], params: dict[str, str]) -> bool:
    protocol = study["protocolSection"]
    if "filter.ids" in params:
        return protocol["identificationModule"]["nctId"] in params["filter.ids"].split(",")
    conditions = [word.strip('"') for word in params.get("query.cond", "").split(" OR ")]
    return any(condition in protocol["conditionsModule"]["conditions"] for condition in conditions)


def _read(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _json(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode())


def _slow(services: Services) -> None:
    services.over.wait(3)


FAULTS: dict[str, Callable[[Services], Reply | None]] = {
    "none": lambda _: None,
    "429": lambda _: Reply(429, b"{}", JSON, (("Retry-After", "0"),)),
    "500": lambda _: Reply(500, b"<html><body>Internal Server Error</body></html>", "text/html"),
    "400": lambda _: Reply(400, b'{"message": "bad request"}'),
    "404": lambda _: Reply(404, b"Not Found", "text/plain"),
    "html": lambda _: Reply(200, HTML_PAGE, "text/html"),
    "truncated": lambda _: Reply(200, b'{"data": [{"pmid": 90'),
    "other shape": lambda _: Reply(200, b'{"data": {"pmid": 1}, "studies": 5, "message": []}'),
    "a list": lambda _: Reply(200, b"[]"),
    "nothing": lambda _: Reply(200, b""),
    "deep": lambda _: Reply(200, b"[" * 100_000),
    "slow": _slow,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        _, service, path = address.path.split("/", 2)
        params = dict(parse_qsl(address.query, keep_blank_values=True))
        asked = Asked(service, unquote(path), params, self.headers.get("User-Agent", ""))
        reply = self.server.services.answer(asked)
        self.send_response(reply.status)
        for name, value in (("Content-Type", reply.type), *reply.headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], services: Services) -> None:
        super().__init__(address, _Handler)
        self.services = services

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no news here."""
