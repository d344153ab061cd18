"""Where each registered trial stands: under way, ended, published, or ended long ago without a word.

*Overdue* follows the FDAAA TrialsTracker (https://fdaaa.trialstracker.net/faq/): ended more than a year ago, no results
posted, and PubMed, asked for the number, has no publication that names it.
"""

from __future__ import annotations

import json
import sqlite3
from calendar import monthrange
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import groupby

from tracker.article import ArticleKey
from tracker.evidence.rows import Row, read_rows

DAYS_ALLOWED = 365


class State(StrEnum):
    """In the order in which lists show them."""

    OVERDUE = "overdue"
    ENDED = "ended"
    RUNNING = "running"
    REGISTERED = "registered"
    RESULTS_POSTED = "results posted"
    PUBLISHED = "published"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


# The registry's words: https://clinicaltrials.gov/data-api/about-api/study-data-structure#enum-Status
_UNDER_WAY = {
    "NOT_YET_RECRUITING": State.REGISTERED,
    "RECRUITING": State.RUNNING,
    "ENROLLING_BY_INVITATION": State.RUNNING,
    "ACTIVE_NOT_RECRUITING": State.RUNNING,
    "SUSPENDED": State.RUNNING,
    "WITHDRAWN": State.WITHDRAWN,
}
_ENDED = ("COMPLETED", "TERMINATED")


@dataclass(frozen=True, slots=True)
class Publication:
    """A paper that names the trial, or that the registry names for it.

    ``title`` is None where it is not stored here. ``tells_results`` is False for a protocol, and for what came out
    before the trial ended.
    """

    pmid: ArticleKey
    how: str
    title: str | None
    published: str | None
    tells_results: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A registered trial. ``days`` are those since it ended, None while it runs or where the day is not known."""

    nct: str
    title: str
    status: str
    state: State
    days: int | None
    study_type: str | None
    phases: tuple[str, ...]
    conditions: tuple[str, ...]
    interventions: tuple[str, ...]
    sponsor: str | None
    enrolment: int | None
    enrolment_is_estimated: bool | None
    registered: str | None
    started: str | None
    ended: str | None
    end_is_estimated: bool | None
    results_posted: str | None
    updated: str | None
    publications: tuple[Publication, ...]
    fetched: str

    @property
    def url(self) -> str:
        return f"https://clinicaltrials.gov/study/{self.nct}"


def trials_of(db: sqlite3.Connection, question: str, today: date) -> list[Trial]:
    """Trials that the question's registry search finds, and those that its matching records name, as of a day.

    In the order of ``State``; within one, those that ended longest ago first.
    """
    rows = read_rows(db, f"{_TRIALS} where t.nct in ({_OF_QUESTION})", {"question": question})
    return sorted(_trials(db, rows, today), key=_place)


def counted(db: sqlite3.Connection, question: str, today: date) -> dict[State, int]:
    """How many of the question's trials are in each state, in the order of ``State``; without those that none is in."""
    states = Counter(trial.state for trial in trials_of(db, question, today))
    return {state: states[state] for state in State if states[state]}


def trials_named_by(
    db: sqlite3.Connection, pmids: Collection[ArticleKey], today: date
) -> dict[ArticleKey, tuple[Trial, ...]]:
    """Trials that these articles name, or that the registry names them for."""
    given = {"pmids": json.dumps(list(pmids))}
    pairs = read_rows(db, _NAMED_BY, given)
    rows = read_rows(
        db,
        f"{_TRIALS} where t.nct in (select value from json_each(:numbers))",
        {"numbers": json.dumps([pair["nct"] for pair in pairs])},
    )
    trials = {trial.nct: trial for trial in _trials(db, rows, today)}
    return {
        ArticleKey(pmid): tuple(trials[pair["nct"]] for pair in named if pair["nct"] in trials)
        for pmid, named in groupby(pairs, key=lambda pair: pair["pmid"])
    }


def _place(trial: Trial) -> tuple[int, int, str]:
    return (list(State).index(trial.state), -(trial.days or 0), trial.nct)


def _trials(db: sqlite3.Connection, rows: Sequence[Row], today: date) -> list[Trial]:
    numbers = json.dumps([row["nct"] for row in rows])
    found = read_rows(db, _PUBLICATIONS, {"numbers": numbers})
    by_trial = {nct: list(group) for nct, group in groupby(found, key=lambda row: row["nct"])}
    return [_trial(row, by_trial.get(row["nct"], ()), today) for row in rows]


def _trial(row: Row, publications: Iterable[Row], today: date) -> Trial:
    ended = row["primary_completed"] or row["completed"]
    estimated = (
        row["primary_completion_is_estimated"] if row["primary_completed"] else row["completion_is_estimated"]
    )
    read = tuple(_publication(each, ended) for each in publications)
    days = _days_since(ended, today) if row["status"] in _ENDED else None
    return Trial(
        nct=row["nct"],
        title=row["title"],
        status=row["status"],
        state=_state(row, read, days),
        days=days,
        study_type=row["study_type"],
        phases=tuple(json.loads(row["phases"])),
        conditions=tuple(json.loads(row["conditions"])),
        interventions=tuple(json.loads(row["interventions"])),
        sponsor=row["sponsor"],
        enrolment=row["enrolment"],
        enrolment_is_estimated=_known(row["enrolment_is_estimated"]),
        registered=row["registered"],
        started=row["started"],
        ended=ended,
        end_is_estimated=_known(estimated),
        results_posted=row["results_posted"],
        updated=row["updated"],
        publications=read,
        fetched=row["fetched"],
    )


def _known(value: int | None) -> bool | None:
    return None if value is None else bool(value)


def _publication(row: Row, ended: str | None) -> Publication:
    # Dates may be partial; one that is compared with a longer one is compared as far as both go.
    published = row["published"]
    before = bool(published and ended and published < ended[: len(published)])
    return Publication(
        ArticleKey(row["pmid"]),
        row["how"],
        row["title"],
        published,
        tells_results=not (before or row["is_protocol"]),
    )


def _state(row: Row, publications: Sequence[Publication], days: int | None) -> State:
    if row["status"] not in _ENDED:
        return _UNDER_WAY.get(row["status"], State.UNKNOWN)
    if any(publication.tells_results for publication in publications):
        return State.PUBLISHED
    if row["results_posted"]:
        return State.RESULTS_POSTED
    is_late = days is not None and days > DAYS_ALLOWED
    return State.OVERDUE if is_late and row["looked_for"] and not publications else State.ENDED


def _days_since(ended: str | None, today: date) -> int | None:
    """Days since the last day that a partial date may mean: nobody is called late who may not be."""
    year, month, day = (*map(int, (ended or "0").split("-")), 0, 0)[:3]
    with suppress(ValueError):
        month = month or 12
        last = date(year, month, day or monthrange(year, month)[1])
        return max((today - last).days, 0)
    return None


_TRIALS = """
select t.*, exists (select 1 from enrichments e where e.source = 'pubmed' and e.key = t.nct) as looked_for
from trials t
"""
_OF_QUESTION = """
select nct from question_trials where question = :question
union select b.nct from trial_articles b join question_articles q on q.pmid = b.pmid
where b.source = 'records' and q.question = :question and q.matching
"""
_NAMED_BY = """
select distinct pmid, nct from trial_articles where pmid in (select value from json_each(:pmids)) order by pmid, nct
"""
# Of several reasons for one paper, the record's own words come first.
_PUBLICATIONS = """
with ways (how, place) as (values ('data bank', 1), ('text', 2), ('result', 3), ('derived', 4), ('search', 5))
select b.nct, b.pmid, b.how, min(w.place), a.title, a.published,
  exists (select 1 from labels l where l.pmid = b.pmid and l.label_group = 'design' and l.value = 'protocol')
    as is_protocol
from trial_articles b join ways w on w.how = b.how left join articles a on a.pmid = b.pmid
where b.nct in (select value from json_each(:numbers))
group by b.nct, b.pmid order by b.nct, coalesce(a.published, '9999'), b.pmid
"""
