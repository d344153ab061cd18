"""ClinicalTrials.gov: every trial that a record names, and those that a question's own search finds there.

https://clinicaltrials.gov/data-api/api. A key is a trial's number or, for a search, the question's slug with the terms
of its file, so that other terms are another key.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pydantic import Field

from tracker.clock import now
from tracker.enrich.source import Answered, Answers, Day, Number, Rows, Scope, Source, understood, whole
from tracker.pubmed.transport import Line

NUMBER = re.compile(r"\bNCT ?([0-9]{8})\b")
RECORDS = "records"
# A search that finds more is too broad to be read by anybody.
MOST_STUDIES = 1_000
PAGE = 200
# Without its results section a study has a few kilobytes, with it up to megabytes.
_FIELDS = (
    "NCTId,BriefTitle,OverallStatus,StartDate,PrimaryCompletionDate,PrimaryCompletionDateType,CompletionDate,"
    "CompletionDateType,StudyFirstSubmitDate,ResultsFirstPostDate,LastUpdatePostDate,HasResults,StudyType,Phase,"
    "EnrollmentCount,EnrollmentType,Condition,InterventionName,LeadSponsorName,ReferencePMID,ReferenceType"
)


class _Page(Answered):
    studies: list[dict[str, Any]]
    next_page: str | None = Field(default=None, alias="nextPageToken")


class _Date(Answered):
    date: Day = None
    type: str | None = None

    @property
    def is_estimated(self) -> bool | None:
        return _is_estimated(self.type)


class _Identification(Answered):
    nct: str = Field(alias="nctId", pattern=r"^NCT[0-9]{8}$")
    title: str = Field(default="", alias="briefTitle")


class _Status(Answered):
    overall: str = Field(alias="overallStatus")
    started: _Date = Field(default=_Date(), alias="startDateStruct")
    primary: _Date = Field(default=_Date(), alias="primaryCompletionDateStruct")
    completed: _Date = Field(default=_Date(), alias="completionDateStruct")
    registered: Day = Field(default=None, alias="studyFirstSubmitDate")
    results: _Date = Field(default=_Date(), alias="resultsFirstPostDateStruct")
    updated: _Date = Field(default=_Date(), alias="lastUpdatePostDateStruct")


class _Enrolment(Answered):
    count: Number | None = None
    type: str | None = None


class _Design(Answered):
    study_type: str | None = Field(default=None, alias="studyType")
    phases: list[str] = Field(default=[])
    enrolment: _Enrolment = Field(default=_Enrolment(), alias="enrollmentInfo")


class _Conditions(Answered):
    all: list[str] = Field(default=[], alias="conditions")


class _Intervention(Answered):
    name: str


class _Interventions(Answered):
    all: list[_Intervention] = Field(default=[], alias="interventions")


class _Sponsor(Answered):
    name: str | None = None


class _Sponsors(Answered):
    lead: _Sponsor = Field(default=_Sponsor(), alias="leadSponsor")


class _Reference(Answered):
    pmid: int | None = Field(default=None, gt=0, lt=2**31)
    type: str | None = None


class _References(Answered):
    all: list[_Reference] = Field(default=[], alias="references")


class _Protocol(Answered):
    identification: _Identification = Field(alias="identificationModule")
    status: _Status = Field(alias="statusModule")
    design: _Design = Field(default=_Design(), alias="designModule")
    conditions: _Conditions = Field(default=_Conditions(), alias="conditionsModule")
    interventions: _Interventions = Field(default=_Interventions(), alias="armsInterventionsModule")
    sponsors: _Sponsors = Field(default=_Sponsors(), alias="sponsorCollaboratorsModule")
    references: _References = Field(default=_References(), alias="referencesModule")


class _Study(Answered):
    protocol: _Protocol = Field(alias="protocolSection")
    has_results: bool = Field(default=False, alias="hasResults")


class _Search(Answered):
    numbers: list[str]


def _is_estimated(type: str | None) -> bool | None:
    return None if type is None else type == "ESTIMATED"


def search_key(slug: str, terms: Mapping[str, str]) -> str:
    return f"{slug}?{urlencode(sorted(terms.items()))}"


def prepare(db: sqlite3.Connection, scope: Scope) -> None:
    """Note which records name which trials, and forget what a search found that is asked no more."""
    _note_named(db)
    current = json.dumps([search_key(*search) for search in scope.searches.items()])
    db.execute(
        """
        delete from question_trials where question in (select value from json_each(:questions))
          and key not in (select value from json_each(:current))
        """,
        {"questions": json.dumps(list(scope.questions)), "current": current},
    )


def _note_named(db: sqlite3.Connection) -> None:
    """Only what differs is touched, as with answers."""
    named = set(_named(db))
    noted = set(db.execute("select nct, pmid, how from trial_articles where source = ?", (RECORDS,)))
    db.executemany(
        "delete from trial_articles where source = ? and nct = ? and pmid = ? and how = ?",
        [(RECORDS, *gone) for gone in noted - named],
    )
    db.executemany(
        "insert into trial_articles (nct, pmid, how, source, key, fetched) values (?, ?, ?, ?, ?, ?)",
        [(nct, pmid, how, RECORDS, str(pmid), now()) for nct, pmid, how in sorted(named - noted)],
    )


def _named(db: sqlite3.Connection) -> Iterator[tuple[str, int, str]]:
    """Each trial and each record of a question that names it: in a data bank, or in title or abstract."""
    seen: set[tuple[str, int]] = set()
    for how, query in (("data bank", _REGISTERED), ("text", _IN_TEXT)):
        for pmid, text in db.execute(query).fetchall():
            for digits in NUMBER.findall(text):
                if (pair := (f"NCT{digits}", pmid)) not in seen:
                    seen.add(pair)
                    yield *pair, how


def ask(line: Line, keys: Sequence[str]) -> Answers:
    numbers = [key for key in keys if NUMBER.fullmatch(key)]
    found = _by_number(line, {"filter.ids": ",".join(numbers)}) if numbers else {}
    for search in (key for key in keys if key not in numbers):
        studies = _by_number(line, dict(parse_qsl(search.partition("?")[2])))
        found |= studies | {search: {"numbers": list(studies)}}
    return found


def _by_number(line: Line, terms: Mapping[str, str]) -> dict[str, Any]:
    studies: dict[str, Any] = {}
    params = {**terms, "fields": _FIELDS, "pageSize": str(PAGE)}
    while len(studies) < MOST_STUDIES:
        page = whole(_Page, line.get("studies", params), SOURCE.title)
        studies |= {nct: study for study in page.studies if (nct := _number_of(study))}
        if not page.next_page or not page.studies:
            break
        params["pageToken"] = page.next_page
    return studies


def _number_of(study: Mapping[str, Any]) -> str | None:
    try:
        nct = str(study["protocolSection"]["identificationModule"]["nctId"])
    except (KeyError, TypeError):
        return None
    return nct if NUMBER.fullmatch(nct) else None


def rows(key: str, answer: Any) -> Rows:
    if not NUMBER.fullmatch(key):
        slug, numbers = key.partition("?")[0], understood(_Search, answer).numbers
        return {"question_trials": [{"question": slug, "nct": nct} for nct in numbers]}
    study = understood(_Study, answer)
    return {
        "trials": [_trial(study)],
        "trial_articles": [
            {"nct": key, "pmid": reference.pmid, "how": reference.type.lower()}
            for reference in study.protocol.references.all
            if reference.pmid and reference.type in ("RESULT", "DERIVED")
        ],
    }


def _trial(study: _Study) -> dict[str, Any]:
    protocol, status, enrolment = study.protocol, study.protocol.status, study.protocol.design.enrolment
    return {
        "nct": protocol.identification.nct,
        "title": protocol.identification.title,
        "status": status.overall,
        "study_type": protocol.design.study_type,
        "phases": json.dumps(protocol.design.phases),
        "conditions": json.dumps(protocol.conditions.all, ensure_ascii=False),
        "interventions": json.dumps([each.name for each in protocol.interventions.all], ensure_ascii=False),
        "sponsor": protocol.sponsors.lead.name,
        "enrolment": enrolment.count,
        "enrolment_is_estimated": _is_estimated(enrolment.type),
        "registered": status.registered,
        "started": status.started.date,
        "primary_completed": status.primary.date,
        "primary_completion_is_estimated": status.primary.is_estimated,
        "completed": status.completed.date,
        "completion_is_estimated": status.completed.is_estimated,
        "results_posted": status.results.date or ("yes" if study.has_results else None),
        "updated": status.updated.date,
    }


_REGISTERED = """
select r.pmid, r.number from registrations r
where r.bank = 'ClinicalTrials.gov' and r.number <> ''
  and exists (select 1 from question_articles q where q.pmid = r.pmid and q.matching)
"""
_IN_TEXT = """
select a.pmid, a.title || ' ' || coalesce(a.abstract, '') from articles a
where (instr(a.abstract, 'NCT') or instr(a.title, 'NCT'))
  and a.pmid in (select pmid from question_articles where matching)
"""

SOURCE = Source(
    name="clinicaltrials",
    title="ClinicalTrials.gov",
    # Searches first, as they answer for the trials that they find. A trial that was updated lately may be again.
    keys="""
        select value as key, '9999' as newest from json_each(:searches)
        union all
        select n.nct, coalesce((select t.updated from trials t where t.nct = n.nct), :today) from (
          select b.nct from trial_articles b join question_articles q on q.pmid = b.pmid
          where q.matching and b.source = 'records' and q.question in (select value from json_each(:questions))
          union select s.nct from question_trials s where s.question in (select value from json_each(:questions))
        ) n
    """,
    tables=("trials", "question_trials", "trial_articles"),
    ask=ask,
    rows=rows,
    batch=PAGE,
    # Users report about 50 requests a minute; nothing is published.
    per_second=0.8,
    young_days=7,
    old_days=30,
    prepare=prepare,
)
