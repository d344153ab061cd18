"""What people decide on records: two stages, one reviewer or two who are blind to each other, conflicts, outcomes.

The rules are those of the Cochrane Handbook (chapter 4.6.4: two people independently, disagreements settled by
discussion or by another person) as Covidence applies them: unsure lets a record pass the first stage, and at the
second an exclusion needs a reason (PRISMA 2020, item 16b), on which the two must agree as well.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Set
from enum import Enum
from typing import NamedTuple, cast

from tracker.article import ArticleKey, named
from tracker.decision import BASES, DECISIONS, LABELS, STAGES, Basis, Decision, Labels, Seen, Stage
from tracker.errors import Refused, UsageError, choose_one, either
from tracker.evidence.cache import Cache
from tracker.team.acts import Act, current
from tracker.team.blind import is_unsealed, unseal
from tracker.team.review import REVIEWERS, Review, Seal


class Unsaid(Enum):
    """The caller does not say what the person saw; None would mean that they saw nothing."""

    UNSAID = "unsaid"


UNSAID = Unsaid.UNSAID
NOTHING_KNOWN = Seen()


class Outcome(NamedTuple):
    """The status of a record at one stage.

    ``decision`` is the valid one: settled, or agreed by as many people as the review requires; None while it is open.
    """

    stage: Stage
    decision: Decision | None
    reason: str | None
    deciders: int
    conflict: bool
    settled: bool

    @property
    def holds(self) -> bool:
        """Whether as many people as the review requires have decided."""
        return self.decision is not None or self.conflict


def decide(
    act: Act,
    review: Review,
    pmid: ArticleKey,
    stage: str,
    decision: str | None,
    reason: str | None = None,
    *,
    was: str | Unsaid | None = UNSAID,
    seen: Seen = NOTHING_KNOWN,
) -> bool:
    """Record, change or (None) withdraw the acting person's decision; returns whether that changed anything.

    ``was`` is the decision that the person saw when they decided, UNSAID if that is not known; ``seen`` what else was
    before them. By full text no ``basis`` is kept, as it says that itself.
    Raises UsageError for an invalid decision, and Refused if another has to be made first, if two have decided,
    or if the page was out of date.
    """
    key = {"pmid": pmid, "question": review.question, "stage": stage, "person": act.person}
    mine = current(act.db, "decision", key)
    given = None if decision is None else {"decision": decision, "reason": reason or None}
    known = _known(seen, stage)
    if mine and given and all(mine[name] == value for name, value in (given | known).items()):
        return False
    if was is not UNSAID and (mine or {}).get("decision") != was:
        raise Refused(
            f"{named(pmid)}: your decision is now {(mine or {}).get('decision') or 'none'}, not "
            f"{was or 'none'}. Reload the page, then decide."
        )
    check_form(review, stage, decision, reason)
    others = people_who_decided(act.db, review, pmid, stage) - {act.person}
    if review.dual:
        _check_dual(act, review, pmid, stage, others, withdrawing=decision is None, mine=bool(mine))
    if given:
        given |= known
        given["blind"] = (mine or {}).get("blind") or (str(review.seal(stage)) if review.dual else None)
    done = act.put("decide" if given else "withdraw", "decision", key, given)
    if review.dual and given and len(others) + 1 >= REVIEWERS:
        unseal(act, review, pmid, stage)
    return done


def _known(seen: Seen, stage: str) -> dict[str, str | None]:
    """What is known of what the person saw, under the names of its columns."""
    known = {name: value for name, value in seen._asdict().items() if value is not None}
    if stage != "title-abstract":
        known.pop("basis", None)
    return known


def checked_seen(basis: str | None, labels: str | None) -> Seen:
    """What somebody saw, in the words for it. Raises UsageError for any other word."""
    given: tuple[tuple[str, str | None, Collection[str]], ...]
    given = (("basis", basis, BASES), ("labels", labels, LABELS))
    for name, value, known in given:
        if value is not None and value not in known:
            raise UsageError(f"Unknown {name} {value!r}. Use {either(known)}.")
    return Seen(cast(Basis | None, basis), cast(Labels | None, labels))


def check_form(review: Review, stage: str, decision: str | None, reason: str | None) -> None:
    """Raises UsageError for an invalid or missing stage, decision or reason."""
    if stage not in STAGES:
        raise UsageError(f"Unknown stage {stage!r}. Use {either(STAGES)}.")
    if decision is None:
        return
    if decision not in DECISIONS:
        raise UsageError(f"Unknown decision {decision!r}. Use {either(DECISIONS)}.")
    if reason and decision != "exclude":
        raise UsageError("Only an exclusion has a reason. Remove the reason, or exclude.")
    if reason and reason not in review.reasons:
        raise UsageError(f"Unknown reason {reason!r}. {choose_one(review.reasons)}")
    if decision == "exclude" and stage == "full-text" and review.reasons and not reason:
        raise UsageError(f"An exclusion at full text needs a reason. {choose_one(review.reasons)}")


def _check_dual(
    act: Act,
    review: Review,
    pmid: ArticleKey,
    stage: str,
    others: Collection[int],
    *,
    withdrawing: bool,
    mine: bool,
) -> None:
    # One of two open decisions may have been withdrawn while the review was single: then somebody has to decide.
    if len(others) >= REVIEWERS or (mine and others and is_unsealed(act.db, review, pmid, stage)):
        verb = "changed" if mine else "made"
        raise Refused(
            f"{named(pmid)}: two people have decided, so no decision can be {verb}. A lead can settle it."
        )
    if withdrawing:
        return
    if stage == "full-text" and outcome(act.db, review, pmid, "title-abstract").decision not in (
        "include",
        "unsure",
    ):
        raise Refused(
            f"{named(pmid)}: it must pass title and abstract before anybody decides on the full text."
        )


def settle(
    act: Act,
    review: Review,
    pmid: ArticleKey,
    stage: str,
    decision: str,
    reason: str | None,
    why: str,
    *,
    was: str | Unsaid | None = UNSAID,
) -> bool:
    """A lead's final decision after two people decided, with the reason; also if they agreed, as neither can change it.

    ``was`` is how it was settled when the lead looked, UNSAID if that is not known. Raises Refused if two have not
    decided yet, or if the page was out of date.
    """
    check_form(review, stage, decision, reason)
    if decision == "unsure":
        raise UsageError("Settle a conflict by include or exclude.")
    if not why.strip():
        raise UsageError("Say why: the log keeps your reason.")
    if len(people_who_decided(act.db, review, pmid, stage)) < REVIEWERS:
        raise Refused(f"{named(pmid)}: two people must decide before a lead can settle.")
    key = {"pmid": pmid, "question": review.question, "stage": stage}
    says = {"decision": decision, "reason": reason or None, "why": why.strip(), "person": act.person}
    there = current(act.db, "settlement", key) or {}
    is_so = all(there.get(name) == value for name, value in says.items())
    if was is not UNSAID and there.get("decision") != was and not is_so:
        by_now = f"settled as {there['decision']}" if there else "not settled"
        raise Refused(f"{named(pmid)}: it is now {by_now}. Reload the page, then settle.")
    return act.put("settle", "settlement", key, says)


def may_be_undone(review: Review | None, db: sqlite3.Connection, event: sqlite3.Row) -> bool:
    """Whether an act on a decision can still be undone: not once two people have seen each other's decisions.

    A withdrawal is never undone: that would have to be refused if somebody else had decided since, and the refusal
    would reveal their decision.
    """
    if event["kind"] != "decision" or review is None or not review.dual:
        return True
    stage, pmid = json.loads(event["subject"])["stage"], event["pmid"]
    puts_back = event["before"] is not None and event["after"] is None
    return not puts_back and not is_unsealed(db, review, pmid, stage)


def passed(review: Review, first: Outcome | None, second: Outcome | None) -> bool:
    """Whether a record is at the full-text stage, from its status at both stages.

    A single reviewer may begin there. What was said there about a record that was later excluded by title and
    abstract does not count.
    """
    if first is None:
        return second is not None and not review.dual
    return first.decision in ("include", "unsure")


def stage_of(db: sqlite3.Connection, review: Review, pmid: ArticleKey) -> Stage:
    """The stage at which a record is to be decided: the second if it passed the first."""
    return (
        "full-text"
        if outcome(db, review, pmid, "title-abstract").decision in ("include", "unsure")
        else ("title-abstract")
    )


def outcome(db: sqlite3.Connection, review: Review, pmid: ArticleKey, stage: Stage) -> Outcome:
    """The status of a record at a stage."""
    by_pmid = outcomes(db, review, stage, [pmid])
    return by_pmid.get(pmid) or Outcome(stage, None, None, 0, False, False)


def outcomes(
    db: sqlite3.Connection, review: Review, stage: Stage, pmids: Iterable[int] | None = None
) -> dict[int, Outcome]:
    """The status at a stage of every record that anybody decided on; only of ``pmids`` if they are given."""
    given = {"question": review.question, "stage": stage}
    within = ""
    if pmids is not None:
        within = "and pmid in (select value from json_each(:pmids))"
        given["pmids"] = json.dumps(list(pmids))
    rows = db.execute(
        f"""
        select pmid, decision, reason from decisions where question = :question and stage = :stage {within}
        order by pmid, decided, id
        """,
        given,
    )
    votes: dict[int, list[tuple[Decision, str | None]]] = {}
    for pmid, decision, reason in rows:
        votes.setdefault(pmid, []).append((decision, reason))
    settled = {
        pmid: (decision, reason)
        for pmid, decision, reason in db.execute(
            f"select pmid, decision, reason from settlements where question = :question and stage = :stage {within}",
            given,
        )
    }
    return {pmid: _outcome(review, stage, each, settled.get(pmid)) for pmid, each in votes.items()}


def _outcome(
    review: Review,
    stage: Stage,
    votes: list[tuple[Decision, str | None]],
    settled: tuple[Decision, str | None] | None,
) -> Outcome:
    if settled:
        return Outcome(stage, *settled, len(votes), conflict=False, settled=True)
    if len(votes) < review.wanted:
        return Outcome(stage, None, None, len(votes), conflict=False, settled=False)
    decision, reason = agreed(stage, votes)
    return Outcome(stage, decision, reason, len(votes), conflict=decision is None, settled=False)


def agreed(stage: Stage, votes: list[tuple[Decision, str | None]]) -> tuple[Decision | None, str | None]:
    """The joint result of these decisions, with the reason; (None, None) if they conflict.

    By title and abstract, unsure lets a record pass as include does. At the full text, a record that two people are
    unsure about has to be settled; with a single reviewer it stays unsure.
    """
    decisions = {decision for decision, _ in votes}
    if stage == "title-abstract" and "exclude" not in decisions:
        return ("include" if "include" in decisions else "unsure"), None
    if len(decisions) > 1:
        return None, None
    (decision,) = decisions
    if decision == "unsure" and len(votes) > 1:
        return None, None
    reasons = {reason for _, reason in votes if reason}
    if stage == "full-text" and len(reasons) > 1:
        return None, None
    return decision, next(iter(reasons), None) if len(reasons) == 1 else None


class Standings(NamedTuple):
    """The status, at either stage, of every record of a question that anybody decided on."""

    first: Mapping[int, Outcome]
    second: Mapping[int, Outcome]
    at_full_text: frozenset[int]

    @property
    def last(self) -> Mapping[int, Outcome]:
        """The valid outcome of each record at the last stage that has one; records without any are left out."""
        holding = {pmid: outcome for pmid, outcome in self.first.items() if outcome.holds}
        holding |= {
            pmid: outcome
            for pmid, outcome in self.second.items()
            if outcome.holds and pmid in self.at_full_text
        }
        return holding


def standings(db: sqlite3.Connection, review: Review) -> Standings:
    """The status of a question's records, for a read-only connection; it is cached until somebody decides again.

    Where there is no annotations.db yet, nobody has decided on anything.
    """
    files = {name: path for _, name, path in db.execute("pragma database_list")}
    if not db.execute("select 1 from pragma_table_list where name = 'decisions'").fetchone():
        return Standings({}, {}, frozenset())
    (decided,) = db.execute(
        "select max(id) from events where kind in ('decision', 'settlement') and question = :question",
        {"question": review.question},
    ).fetchone()
    key = (files.get("annotations") or files["main"], decided, review)
    return _CACHE.get(key, lambda: _standings(db, review))


_CACHE: Cache[Standings] = Cache(16)


def _standings(db: sqlite3.Connection, review: Review) -> Standings:
    first, second = (outcomes(db, review, stage) for stage in STAGES)
    every = first.keys() | second.keys()
    at_full_text = frozenset(pmid for pmid in every if passed(review, first.get(pmid), second.get(pmid)))
    return Standings(first, second, at_full_text)


class Members(NamedTuple):
    """Records of a question selected by status: these ``pmids`` or, if not ``among``, all others."""

    among: bool
    pmids: Set[int]


UNDECIDED, TODO, TODO_FULL = "none", "todo", "todo-full"


def members(db: sqlite3.Connection, review: Review, which: str, viewer: int | None = None) -> Members:
    """The records with this outcome at the last stage that has one (include, exclude, unsure), those without any
    outcome yet (none), or those left for the viewer by title and abstract (todo) or by full text (todo-full).
    """
    standing = standings(db, review)
    if which in (TODO, TODO_FULL):
        stage, at_stage = (STAGES[0], standing.first) if which == TODO else (STAGES[1], standing.second)
        done = {
            pmid for pmid, outcome in at_stage.items() if outcome.settled or outcome.deciders >= review.wanted
        }
        mine = db.execute(
            "select pmid from decisions where question = :question and stage = :stage and person is :viewer",
            {"question": review.question, "stage": stage, "viewer": viewer},
        )
        done.update(pmid for (pmid,) in mine)
        if which == TODO:
            return Members(False, done | standing.at_full_text)
        return Members(True, standing.at_full_text - done)
    if which == UNDECIDED:
        return Members(False, set(standing.last))
    return Members(True, {pmid for pmid, outcome in standing.last.items() if outcome.decision == which})


def people_who_decided(db: sqlite3.Connection, review: Review, pmid: ArticleKey, stage: str) -> set[int]:
    rows = db.execute(
        "select person from decisions where question = :question and pmid = :pmid and stage = :stage",
        {"question": review.question, "pmid": pmid, "stage": stage},
    )
    return {person for (person,) in rows}


def seal_for(
    db: sqlite3.Connection, holding: Iterable[Review], pmid: ArticleKey, question: str | None
) -> Seal | None:
    """What hides a tag or note on a record from others: a dual review in which two have not decided yet.

    ``holding`` are the reviews of the questions that hold the record. What is said for one question is hidden by
    its review; what is said for no particular question, by the first review of all that are still blind.
    """
    for review in holding:
        if review.dual and question in (None, review.question):
            stage = stage_of(db, review, pmid)
            if not is_unsealed(db, review, pmid, stage):
                return review.seal(stage)
    return None
