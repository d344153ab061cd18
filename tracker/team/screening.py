"""The status of a question's review: the numbers of a PRISMA flow diagram, each person's progress, conflicts, and how
far reviewers agree.

Every function takes a connection to evidence.db that has annotations.db attached. Decisions that are still blind only
show in how many records a person has decided on; nothing here reveals which records, or how they were decided.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from tracker.decision import DECISIONS, STAGES, Stage
from tracker.evidence import facets
from tracker.evidence.rows import read_rows
from tracker.team import agreement, boxes, by_article, decisions
from tracker.team.acts import State
from tracker.team.agreement import Agreement
from tracker.team.boxes import BOXES, NO_REASON, Boxes
from tracker.team.decisions import Outcome
from tracker.team.review import REVIEWERS, Review, reviews

Rows = list[dict[str, Any]]


class Flow(NamedTuple):
    """Numbers of records at each step, as PRISMA 2020 counts them (DOI 10.1136/bmj.n71, figure 1).

    ``identified`` = ``decided_before`` + ``screened`` + ``undecided`` + ``conflicts``;
    ``screened`` = ``excluded`` + ``sought``;
    ``sought`` = ``assessed`` + ``not_retrieved`` + ``undecided_full_text`` + ``conflicts_full_text``; ``assessed`` =
    ``excluded_full_text`` + ``unsure_full_text`` + ``included``; ``reasons`` add up to ``excluded_full_text``.
    There are no duplicates to remove, as the only source gives each record one number; whether a report could be
    obtained is recorded only by the reason ``not retrieved``. ``settled`` is how many conflicts at either stage a lead
    has settled, ``gone`` how many records people decided on that the search no longer finds; they are in no other
    number.

    Of a living review, ``updated_from`` is the first day of the current update: what was decided to the end before it
    (``decided_before``, of which ``included_before``) is removed before screening, and in no number that follows.
    """

    identified: int
    undecided: int
    conflicts: int
    screened: int
    excluded: int
    sought: int
    undecided_full_text: int
    conflicts_full_text: int
    assessed: int
    excluded_full_text: int
    reasons: dict[str, int]
    unsure_full_text: int
    included: int
    settled: dict[Stage, int]
    gone: int
    not_retrieved: int = 0
    decided_before: int = 0
    included_before: int = 0
    updated_from: str | None = None


class Counted(NamedTuple):
    """The numbers of a flow, and the records that are included: by the current update, and by the version before."""

    flow: Flow
    included: frozenset[int]
    included_before: frozenset[int]


class Progress(NamedTuple):
    """How many of the question's records a person has decided on at each stage, and how many are left for them."""

    name: str
    decided: dict[Stage, int]
    to_do: dict[Stage, int]


class Before(NamedTuple):
    """What two people had before them when they decided on the same records.

    Of how many records the machine's labels were ``hidden`` from both, ``shown`` to both, hidden from one of them
    (``mixed``), or nobody knows of at least one (``unknown``); how many each decided on ``by_title`` alone.
    """

    hidden: int
    shown: int
    mixed: int
    unknown: int
    by_title: tuple[int, int]


class Pair(NamedTuple):
    """How far two people agree at a stage: on whether to exclude, and on all three decisions; and what they had
    before them."""

    stage: Stage
    first: str
    second: str
    excluded_or_not: Agreement
    all_three: Agreement
    before: Before


class ReviewState(NamedTuple):
    """The status of a question's review. Everything but ``flow`` is for the team only."""

    review: Review
    flow: Flow
    progress: list[Progress]
    conflicts: Rows
    pairs: list[Pair]


def standing(
    db: sqlite3.Connection, slug: str, viewer: int | None = None, updated_from: str | None = None
) -> ReviewState | None:
    """The status of a question's review, as ``viewer`` may see it; None if there is no such question.

    The flow is that of the update from a day on, if one is given.
    """
    review = reviews(db).get(slug)
    if review is None:
        return None
    table = _Table(db, review)
    return ReviewState(
        review,
        table.counted(updated_from).flow,
        table.progress(viewer),
        conflicts(db, table, viewer),
        pairs(db, review),
    )


def counted(db: sqlite3.Connection, review: Review, updated_from: str | None = None) -> Counted:
    """The flow of a question's review, or of its update from a day on, and what is included."""
    return _Table(db, review).counted(updated_from)


def pairs(db: sqlite3.Connection, review: Review) -> list[Pair]:
    """The agreement of each two people who decided blind on the same records, stage by stage.

    What counts is what each had decided when the second decision unsealed both: not what was settled, nor what was
    changed later, after the question's file had switched to single review.
    """
    names = _names(db)
    compared = []
    for stage in STAGES:
        by_pair: dict[tuple[int, int], list[tuple[State, State]]] = {}
        for said in _first_decisions(db, review, stage):
            (first, first_said), (second, second_said) = sorted(said.items())
            by_pair.setdefault((first, second), []).append((first_said, second_said))
        for (first, second), states in sorted(by_pair.items()):
            decided = [(one["decision"], other["decision"]) for one, other in states]
            apart = [(agreement.excluded_or_not(a), agreement.excluded_or_not(b)) for a, b in decided]
            compared.append(
                Pair(
                    stage,
                    names[first],
                    names[second],
                    agreement.of_pairs(apart, agreement.EXCLUDED_OR_NOT),
                    agreement.of_pairs(decided, DECISIONS),
                    _before(states),
                )
            )
    return compared


def _before(states: Sequence[tuple[State, State]]) -> Before:
    labels = [(one.get("labels"), other.get("labels")) for one, other in states]
    hidden, shown, unknown = (
        labels.count(("hidden", "hidden")),
        labels.count(("shown", "shown")),
        sum(None in both for both in labels),
    )
    first, second = (sum(both[n].get("basis") == "title" for both in states) for n in (0, 1))
    return Before(hidden, shown, len(labels) - hidden - shown - unknown, unknown, (first, second))


def _first_decisions(db: sqlite3.Connection, review: Review, stage: Stage) -> Iterator[dict[int, State]]:
    """For each record that two have decided blind: who had decided what, by the log, when the second decided."""
    rows = db.execute(
        """
        select e.pmid, e.person, e.after
        from annotations.unsealed u join annotations.events e on e.pmid = u.pmid
        where u.review = :review and e.kind = 'decision' and e.blind = u.review order by e.pmid, e.id
        """,
        {"review": str(review.seal(stage))},
    )
    for _, events in groupby(rows, key=lambda row: row[0]):
        said: dict[int, State] = {}
        for _, person, after in events:
            said.pop(person, None)
            if after:
                said[person] = json.loads(after)
            if len(said) == REVIEWERS:
                yield said
                break


def conflicts(db: sqlite3.Connection, table: _Table, viewer: int | None) -> Rows:
    """The open conflicts of both stages, each with its paper, who decided what, and their notes.

    Once two have decided, nothing at that stage is blind any more; notes are those that ``viewer`` may see.
    """
    open_ones = table.conflicts()
    pmids = [pmid for _, pmid in open_ones]
    given = {"question": table.review.question, "pmids": json.dumps(pmids), "viewer": viewer}
    papers = {row["pmid"]: row for row in read_rows(db, _PAPERS, given)}
    decided = _by_paper(read_rows(db, _DECIDED, given))
    notes = by_article.of_articles(db, pmids, table.review.question, viewer)
    return [
        {
            **papers[pmid],
            "stage": stage,
            "decisions": [row for row in decided[pmid] if row["stage"] == stage],
            "notes": [
                {name: note[name] for name in ("person", "text", "written")} for note in notes[pmid]["notes"]
            ],
        }
        for stage, pmid in open_ones
    ]


_PAPERS = """
select pmid, title, title_html from articles where pmid in (select value from json_each(:pmids))
"""
_DECIDED = """
select d.pmid, d.stage, p.display_name as name, d.decision, d.reason, d.decided, d.basis, d.labels,
  d.person is :viewer as mine
from annotations.decisions d join annotations.people p on p.id = d.person
where d.question = :question and d.pmid in (select value from json_each(:pmids)) order by d.decided, d.id
"""


def _by_paper(rows: Rows) -> dict[int, Rows]:
    by_paper: dict[int, Rows] = {}
    for row in rows:
        by_paper.setdefault(row["pmid"], []).append(row | {"mine": bool(row["mine"])})
    return by_paper


class _Table:
    """The status of each record that anybody has decided on."""

    def __init__(self, db: sqlite3.Connection, review: Review) -> None:
        self.db = db
        self.review = review
        standings = decisions.standings(db, review)
        decided_on = standings.first.keys() | standings.second.keys()
        self.matching = decided_on & {
            pmid
            for (pmid,) in db.execute(
                """
                select pmid from question_articles
                where question = :question and matching and pmid in (select value from json_each(:pmids))
                """,
                {"question": review.question, "pmids": json.dumps(list(decided_on))},
            )
        }
        self.gone = len(decided_on - self.matching)
        self.first, self.second = (
            {pmid: at_stage[pmid] for pmid in at_stage.keys() & self.matching}
            for at_stage in (standings.first, standings.second)
        )
        self.at_full_text = standings.at_full_text & self.matching
        row = db.execute(
            "select coalesce(sum(n), 0) from question_counts where question = :question and label_group = :group",
            {"question": review.question, "group": facets.EVERYTHING},
        ).fetchone()
        self.identified: int = row[0]

    def counted(self, updated_from: str | None = None) -> Counted:
        every = boxes.boxes(self.db, self.review, updated_from)
        stands = Boxes(self.first, self.second, self.at_full_text, every.before & self.matching)
        n = {name: len(stands.at(name)) for name in BOXES}
        decided = n["decided-before"] + n["screened"] + n["conflict-title-abstract"]
        flow = Flow(
            identified=self.identified,
            undecided=self.identified - decided,
            conflicts=n["conflict-title-abstract"],
            screened=n["screened"],
            excluded=n["excluded-title-abstract"],
            sought=n["sought"],
            undecided_full_text=n["undecided-full-text"],
            conflicts_full_text=n["conflict-full-text"],
            assessed=n["assessed"],
            excluded_full_text=n["excluded-full-text"],
            reasons=self._reasons(stands),
            unsure_full_text=n["unsure-full-text"],
            included=n["included"],
            settled={
                stage: sum(outcome.settled for outcome in outcomes.values())
                for stage, outcomes in zip(STAGES, (self.first, self.second), strict=True)
            },
            gone=self.gone,
            not_retrieved=n["not-retrieved"],
            decided_before=n["decided-before"],
            included_before=n["included-before"],
            updated_from=updated_from,
        )
        return Counted(flow, stands.at("included"), stands.at("included-before"))

    def _reasons(self, stands: Boxes) -> dict[str, int]:
        """Exclusions at the full text by reason, in the order of the question's file; then former reasons."""
        counted = Counter(map(stands.reason, stands.at("excluded-full-text")))
        known = [*self.review.reasons, *sorted(counted.keys() - {*self.review.reasons, NO_REASON}), NO_REASON]
        return {reason: counted[reason] for reason in known if counted[reason]}

    def progress(self, viewer: int | None) -> list[Progress]:
        """The progress of everybody who has decided anything here, and of the viewer."""
        done: dict[tuple[int, str], set[int]] = {}
        for person, stage, pmid in self.db.execute(
            "select person, stage, pmid from annotations.decisions where question = :question",
            {"question": self.review.question},
        ):
            if pmid in self.matching:
                done.setdefault((person, stage), set()).add(pmid)
        names = _names(self.db)
        people = {person for person, _ in done}
        if viewer is not None and viewer in names:
            people.add(viewer)
        closed = {
            pmid for pmid, outcome in self.first.items() if self._is_closed(outcome)
        } | self.at_full_text
        open_again = {pmid for pmid in self.at_full_text if not self._is_closed(self.second.get(pmid))}
        of_people = []
        for person in sorted(people, key=lambda person: names[person].casefold()):
            first, second = (done.get((person, stage), set()) for stage in STAGES)
            decided = (len(first), len(second))
            to_do = (self.identified - len(closed | first), len(open_again - second))
            of_people.append(
                Progress(
                    names[person],
                    dict(zip(STAGES, decided, strict=True)),
                    dict(zip(STAGES, to_do, strict=True)),
                )
            )
        return of_people

    def _is_closed(self, outcome: Outcome | None) -> bool:
        """Whether no further decisions are required for it."""
        return outcome is not None and (outcome.settled or outcome.deciders >= self.review.wanted)

    def conflicts(self) -> list[tuple[Stage, int]]:
        at_first = [(STAGES[0], pmid) for pmid, one in sorted(self.first.items()) if one.conflict]
        at_second = [
            (STAGES[1], pmid)
            for pmid, one in sorted(self.second.items())
            if one.conflict and pmid in self.at_full_text
        ]
        return at_first + at_second


def _names(db: sqlite3.Connection) -> Mapping[int, str]:
    return dict(db.execute("select id, display_name from annotations.people").fetchall())
