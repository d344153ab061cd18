"""Decisions, labels and notes from another screening tool, written as if its reviewers had entered them here.

What is there already is never overwritten; whatever could not be imported is in the report.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tracker.article import ArticleKey, shown
from tracker.decision import Decision, Stage
from tracker.errors import NotThere, UsageError, choose_one
from tracker.exchange.matching import Match, Sought, match
from tracker.team import decisions, people, tagging, vocabulary
from tracker.team.acts import Act, acting, current
from tracker.team.review import Review, reviews


@dataclass(slots=True)
class Foreign:
    """A record from another tool. Decisions and notes carry their reviewer's name there, None if the file has no
    names; labels and reasons have no reviewer."""

    place: str
    title: str
    sought: Sought
    decisions: list[tuple[str | None, Decision]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    notes: list[tuple[str | None, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is to be read: ``reviewers`` maps names there to names here, ``default`` is the person for everything
    without a name; ``add_tags`` is a group for labels that are not tags yet."""

    file: str
    tool: str
    question: str | None = None
    stage: Stage = "title-abstract"
    reviewers: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    add_tags: str | None = None
    dry_run: bool = False


@dataclass(slots=True)
class Report:
    """The result. Each list has the place in the file, and what was found there."""

    file: str
    tool: str
    question: str | None
    stage: str
    dry_run: bool
    records: int = 0
    undecided: int = 0
    matched: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    unmatched: list[dict[str, Any]] = field(default_factory=list)
    ambiguous: list[dict[str, Any]] = field(default_factory=list)
    outside: list[dict[str, Any]] = field(default_factory=list)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    unmapped_reviewers: dict[str, int] = field(default_factory=dict)
    unknown_labels: dict[str, int] = field(default_factory=dict)
    tags_added: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether everything in the file is here now."""
        return not (
            self.unmatched
            or self.ambiguous
            or self.outside
            or self.conflicts
            or self.refused
            or self.unmapped_reviewers
            or self.unknown_labels
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class _DryRun(Exception):
    """Not an error: it only undoes the transaction."""


def bring_in(
    db: sqlite3.Connection, evidence: sqlite3.Connection, records: Sequence[Foreign], plan: Plan
) -> Report:
    """Write what was read, in one transaction; ``db`` is a connection to annotations.db for writing.

    Raises UsageError if the question or a person is unknown or may not write, or if nobody is named for what is in
    the file; then nothing is written.
    """
    matches = match(evidence, [record.sought for record in records])
    try:
        with acting(db, None, f"tracker tag import {plan.file}") as act:
            report = _Import(act, evidence, records, matches, plan).run()
            if plan.dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return report


class _Import:
    def __init__(
        self,
        act: Act,
        evidence: sqlite3.Connection,
        records: Sequence[Foreign],
        matches: Sequence[Match],
        plan: Plan,
    ) -> None:
        self.db = act.db
        self.plan = plan
        self.records = records
        self.matches = matches
        self.report = Report(plan.file, plan.tool, plan.question, plan.stage, plan.dry_run, len(records))
        self.written: Counter[str] = Counter()
        self.unmapped: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        known = reviews(evidence)
        self.review = self._chosen(known)
        pmids = {pmid for each in matches if len(each.pmids) == 1 for pmid in each.pmids}
        self.seal = tagging.seals(act.db, tagging.holding(evidence, known, pmids))
        self.within = self._within(evidence)
        self.acts = self._acts(act)
        self.maker = act

    def run(self) -> Report:
        if not vocabulary.groups(self.db):
            vocabulary.ensure(self.maker)
        matched: Counter[str] = Counter()
        for record, stored in zip(self.records, self.matches, strict=True):
            about = {"place": record.place, "title": record.title}
            if not (record.decisions or record.labels or record.notes):
                self.report.undecided += 1
                continue
            if not stored.pmids:
                self.report.unmatched.append(about)
            elif len(stored.pmids) > 1:
                self.report.ambiguous.append(about | {"pmids": list(map(shown, stored.pmids))})
            elif self.within is not None and stored.pmids[0] not in self.within:
                self.report.outside.append(about | {"pmid": shown(stored.pmids[0])})
            else:
                matched[stored.by or ""] += 1
                self._bring(record, stored.pmids[0])
        self.report.matched = dict(sorted(matched.items()))
        self.report.written = dict(sorted(self.written.items()))
        self.report.unmapped_reviewers = dict(self.unmapped.most_common())
        self.report.unknown_labels = dict(self.unknown.most_common())
        return self.report

    # -- who, and about what

    def _chosen(self, reviews: Mapping[str, Review]) -> Review | None:
        if self.plan.question is None:
            if any(record.decisions for record in self.records):
                raise UsageError("the file has decisions. Name their question with --question.")
            return None
        if self.plan.question not in reviews:
            raise UsageError(f"Unknown question {self.plan.question!r}. {choose_one(reviews)}")
        return reviews[self.plan.question]

    def _within(self, evidence: sqlite3.Connection) -> set[int] | None:
        """The papers of the question: a decision on any other paper would show nowhere."""
        if self.review is None:
            return None
        rows = evidence.execute(
            "select pmid from question_articles where question = :question and matching",
            {"question": self.review.question},
        )
        return {pmid for (pmid,) in rows}

    def _acts(self, act: Act) -> dict[str | None, Act]:
        """An act for each reviewer, by their name in the file (None for no name), so that each can undo their own."""
        given: dict[str | None, str] = dict(self.plan.reviewers.items())
        names = {name for record in self.records for name, _ in (*record.decisions, *record.notes) if name}
        if self.plan.default:
            given[None] = self.plan.default
            if len(names) == 1:
                # The only person here must be the reviewer.
                given.setdefault(next(iter(names)), self.plan.default)
        elif given:
            given[None] = next(iter(given.values()))
        if not given:
            who = f" Its reviewers are: {', '.join(sorted(names))}." if names else ""
            first = min(names, default="Alice")
            raise UsageError(f"say who reviewed it, with --as NAME or --reviewer {f'{first}=NAME'!r}.{who}")
        if names and (unknown := [name for name in self.plan.reviewers if name not in names]):
            raise UsageError(f"Unknown reviewer {unknown[0]!r}. {choose_one(sorted(names))}")
        acts = {name: Act(act.db, people.writer(act.db, name).id, act.origin) for name in given.values()}
        return {name: acts[here] for name, here in given.items()}

    def _act(self, name: str | None) -> Act | None:
        if name in self.acts:
            return self.acts[name]
        if name is not None and not self.plan.reviewers and self.plan.tool == "asreview":
            # A project of one person, whatever they call themselves there.
            return self.acts[None]
        self.unmapped[name or ""] += 1
        return None

    # -- one record

    def _bring(self, record: Foreign, pmid: ArticleKey) -> None:
        deciders = [(name, decision) for name, decision in record.decisions if self._act(name)]
        reason, left = self._reason(record)
        for name, decision in deciders:
            self._decide(record, pmid, self.acts[name], decision, reason if decision == "exclude" else None)
        for label in record.labels:
            self._label(record, pmid, label)
        excluders = [self.acts[name] for name, decision in deciders if decision == "exclude"]
        notes = [(act, text) for name, text in record.notes if (act := self._act(name))]
        if left and (excluders or all(decision != "exclude" for _, decision in record.decisions)):
            act = excluders[0] if excluders else self.acts[None]
            notes.append((act, f"Reasons for exclusion in {self.plan.tool}: {', '.join(left)}"))
        for act, text in notes:
            self._note(record, pmid, act, text)

    def _reason(self, record: Foreign) -> tuple[str | None, list[str]]:
        """The reason in this question's words, and those left over for a note.

        If several people exclude for several reasons, the file does not say whose is which.
        """
        excluders = sum(decision == "exclude" for _, decision in record.decisions)
        known = {reason.casefold(): reason for reason in self.review.reasons} if self.review else {}
        ours = [known[text.casefold()] for text in record.reasons if text.casefold() in known]
        if not ours or not excluders or (excluders > 1 and len(record.reasons) > 1):
            return None, record.reasons
        return ours[0], [text for text in record.reasons if text.casefold() != ours[0].casefold()]

    def _decide(
        self, record: Foreign, pmid: ArticleKey, act: Act, decision: Decision, reason: str | None
    ) -> None:
        assert self.review
        key = {"pmid": pmid, "question": self.review.question, "stage": self.plan.stage, "person": act.person}
        there = current(self.db, "decision", key)
        if there and (there["decision"], there["reason"]) != (decision, reason):
            self._against(
                record,
                pmid,
                act,
                _decision_words(there["decision"], there["reason"]),
                _decision_words(decision, reason),
            )
            return
        review = self.review
        self._do(
            record,
            pmid,
            act,
            "decisions",
            lambda: decisions.decide(act, review, pmid, self.plan.stage, decision, reason),
        )

    def _label(self, record: Foreign, pmid: ArticleKey, label: str) -> None:
        act = self.acts[None]
        tag = self._tag(label)
        if tag is None:
            self.unknown[label] += 1
            return
        question = self.review and self.review.question
        if tag.choice == "single":
            other = self.db.execute(
                """
                select t.name from taggings g join tags t on t.id = g.tag join tag_groups u on u.id = t.tag_group
                where g.pmid = :pmid and g.question is :question and g.person = :person
                  and u.name = :group and t.id <> :tag
                """,
                {"pmid": pmid, "question": question, "person": act.person, "group": tag.group, "tag": tag.id},
            ).fetchone()
            if other:
                self._against(record, pmid, act, other[0], tag.name)
                return
        self._do(
            record,
            pmid,
            act,
            "tags",
            lambda: tagging.tag(act, pmid, question, tag, seal=self.seal(pmid, question)),
        )

    def _tag(self, label: str) -> vocabulary.Tag | None:
        """The tag of this name, or the one that replaced it; added if that is wanted."""
        every = vocabulary.tags(self.db)
        for group, name in _names(label, self.plan.tool):
            try:
                tag = vocabulary.named(self.db, name)
            except NotThere:
                continue
            if group and group != tag.group.casefold():
                continue
            while tag.retired and tag.merged_into:
                tag = every[tag.merged_into]
            return None if tag.retired else tag
        if not self.plan.add_tags:
            return None
        wanted = self.plan.add_tags
        if not any(group.name.casefold() == wanted.casefold() for group in vocabulary.groups(self.db)):
            vocabulary.add_group(self.maker, wanted)
        try:
            vocabulary.add(self.maker, wanted, label)
        except UsageError:
            return None
        self.report.tags_added.append(f"{wanted}: {label}")
        return vocabulary.named(self.db, label)

    def _note(self, record: Foreign, pmid: ArticleKey, act: Act, text: str) -> None:
        question = self.review and self.review.question

        def write() -> bool:
            before = act.changed
            tagging.write_note(act, pmid, question, text, self.seal(pmid, question))
            return act.changed > before

        self._do(record, pmid, act, "notes", write)

    def _do(self, record: Foreign, pmid: ArticleKey, act: Act, what: str, how: Callable[[], bool]) -> None:
        try:
            if how():
                self.written[what] += 1
            else:
                self.report.unchanged += 1
        except UsageError as error:
            self.report.refused.append(
                {"place": record.place, "pmid": shown(pmid), "person": self._name(act), "why": str(error)}
            )

    def _against(self, record: Foreign, pmid: ArticleKey, act: Act, there: str, found: str) -> None:
        self.report.conflicts.append(
            {
                "place": record.place,
                "pmid": shown(pmid),
                "person": self._name(act),
                "there": there,
                "found": found,
            }
        )

    def _name(self, act: Act) -> str:
        person = people.by_id(self.db, act.person) if act.person else None
        return person.name if person else ""


def _decision_words(decision: str, reason: str | None) -> str:
    return f"{decision} ({reason})" if reason else decision


def _names(label: str, tool: str) -> list[tuple[str, str]]:
    """What a label may be called here, and the group that it must then belong to ('' for any).

    ASReview writes a tag's group before it, with no separator that could not occur in either.
    """
    words = label.casefold().split()
    if tool != "asreview":
        return [("", label)]
    cuts = [(" ".join(words[:cut]), " ".join(words[cut:])) for cut in range(1, len(words))]
    return [("", label), *cuts, *(("", tag) for _, tag in cuts[:1])]
