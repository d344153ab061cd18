"""Two searches of a question beside each other: what each line finds and adds, what enters and what leaves.

Stored records are judged here, without PubMed. What PubMed itself counts is asked for separately (``count``).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tracker.article import Pmid
from tracker.evidence import questions
from tracker.evidence.lines import not_found
from tracker.evidence.rows import read_rows
from tracker.jobs.console import Console
from tracker.jobs.judged import Judgement, Pmids, judge
from tracker.pubmed.entrez import PubMed, SearchAnswer
from tracker.query import QueryError
from tracker.query.combined import Combination, alternatives, lines_of
from tracker.strategy import SHOWN, Strategy
from tracker.team import decisions
from tracker.team.review import reviews

# What the list of remarks ends with until PubMed was asked.
UNSTORED = "records that are not stored here cannot be judged; --online asks PubMed for their number"
Change = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two searches; ``number`` is None for that of a file which is no version yet."""

    strategy: Strategy
    number: int | None

    @property
    def name(self) -> str:
        return f"version {self.number}" if self.number else "the file"

    def __str__(self) -> str:
        return f"{self.name} ({self.strategy.hash[:SHOWN]})"


class Tally(NamedTuple):
    """``finds``: what a line or term finds alone. ``adds``: what the whole search finds only by it."""

    finds: int
    adds: int


class TermChange(NamedTuple):
    """A term that only one of the two searches has, with what it finds among stored records."""

    term: str
    stored: Tally | None


@dataclass(frozen=True, slots=True)
class LineOfSide:
    """A line as one of the two searches has it; tallies are None where nobody could, or did, count."""

    query: str
    stored: Tally | None
    terms: tuple[TermChange, ...]
    pubmed: Tally | None = None


@dataclass(slots=True)
class LineChange:
    name: str
    before: LineOfSide | None
    after: LineOfSide | None

    @property
    def change(self) -> Change:
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "same" if self.before.query == self.after.query else "changed"


class Paper(NamedTuple):
    """``judged`` is what people decided of it for this question, if they did."""

    pmid: int
    title: str
    judged: str | None

    @property
    def is_relevant(self) -> bool:
        return self.judged == "include"


class SeedPaper(NamedTuple):
    """Whether either search finds it; None where only PubMed knows, as it is not stored."""

    pmid: int
    title: str
    before: bool | None
    after: bool | None


class Counts(NamedTuple):
    """What PubMed counts for either search, and in only one of them; ``not_found`` are words that it does not know."""

    before: int
    after: int
    entering: int
    leaving: int
    not_found: tuple[str, ...]


@dataclass(slots=True)
class Comparison:
    """``judged`` is how many stored records were judged; None where that takes PubMed. ``remarks`` say what was not."""

    question: str
    before: Side
    after: Side
    lines: list[LineChange]
    judged: int | None = None
    entering: list[Paper] = field(default_factory=list)
    leaving: list[Paper] = field(default_factory=list)
    seeds: list[SeedPaper] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pubmed: Counts | None = None

    def report(self) -> dict[str, Any]:
        """What ``tracker questions diff --json`` prints."""
        return {
            "question": self.question,
            "from": _side(self.before),
            "to": _side(self.after),
            "lines": [_line(line) for line in self.lines],
            "stored_records_judged": self.judged,
            "entering": [paper._asdict() for paper in self.entering],
            "leaving": [paper._asdict() for paper in self.leaving],
            "seeds": [seed._asdict() for seed in self.seeds],
            "remarks": self.remarks,
            "pubmed": self.pubmed and self.pubmed._asdict(),
        }


def _side(side: Side) -> dict[str, Any]:
    return {"version": side.number, "hash": side.strategy.hash, "combine": side.strategy.combine}


def _line(line: LineChange) -> dict[str, Any]:
    return {
        "name": line.name,
        "change": line.change,
        "before": line.before and _line_of_side(line.before),
        "after": line.after and _line_of_side(line.after),
    }


def _line_of_side(line: LineOfSide) -> dict[str, Any]:
    return {
        "query": line.query,
        "stored": line.stored and line.stored._asdict(),
        "terms": [{"term": term, "stored": stored and stored._asdict()} for term, stored in line.terms],
        "pubmed": line.pubmed and line.pubmed._asdict(),
    }


def compare(
    db: sqlite3.Connection,
    question: str,
    before: Side,
    after: Side,
    seeds: Mapping[Pmid, str],
    console: Console,
) -> Comparison:
    """Judge every stored record by both searches; ``db`` is evidence.db, with annotations.db if there is one."""
    lines_before, lines_after = lines_of(before.strategy), lines_of(after.strategy)
    by_term = set(lines_before.values()) ^ set(lines_after.values())
    judgement = judge(db, [*lines_before.values(), *lines_after.values()], by_term, console)
    old, new = _View(before.strategy, lines_after, judgement), _View(after.strategy, lines_before, judgement)
    names = dict.fromkeys((*lines_after, *lines_before))
    lines = [LineChange(name, old.line(name), new.line(name)) for name in names]
    comparison = Comparison(question, before, after, lines, remarks=list(judgement.remarks()))
    if not judgement.refused:
        comparison.judged = len(judgement.pmids)
        _compare_lists(db, comparison, _Lists(old.whole, new.whole, judgement.pmids), seeds)
        comparison.remarks.append(UNSTORED)
    else:
        comparison.seeds = [SeedPaper(pmid, title, None, None) for pmid, title in seeds.items()]
    return comparison


class _View:
    """One of the two searches over the stored records that were judged."""

    def __init__(self, strategy: Strategy, others: Mapping[str, str], judgement: Judgement) -> None:
        self._combination = Combination.of(strategy)
        self._others = others
        self._found = judgement.found
        self._is_judged = not judgement.refused

    @property
    def whole(self) -> Pmids:
        return self._whole_with({})

    def line(self, name: str) -> LineOfSide | None:
        query = self._combination.queries.get(name)
        if query is None:
            return None
        return LineOfSide(query, self._tally(name, query), tuple(self._own_terms(name, query)))

    def _own_terms(self, name: str, query: str) -> Iterator[TermChange]:
        """The terms that the other search's line of this name lacks."""
        other = self._others.get(name)
        if other == query:
            return
        try:
            terms, others = alternatives(query), alternatives(other) if other else {}
        except QueryError:
            return
        for node, text in terms.items():
            if node not in others:
                rest = [self._found.get(each, frozenset()) for each in terms.values() if each != text]
                yield TermChange(text, self._tally(name, text, frozenset().union(*rest)))

    def _tally(self, name: str, text: str, rest: Pmids = frozenset()) -> Tally | None:
        """``rest`` is what the line still finds without the text."""
        if not self._is_judged:
            return None
        return Tally(len(self._found[text]), len(self.whole - self._whole_with({name: rest})))

    def _whole_with(self, instead: Mapping[str, Pmids]) -> Pmids:
        by_line = {name: self._found[query] for name, query in self._combination.queries.items()}
        return self._combination.found({**by_line, **instead})


class _Lists(NamedTuple):
    """What either search finds among the records that were judged."""

    before: Pmids
    after: Pmids
    judged: Pmids


def _compare_lists(
    db: sqlite3.Connection, comparison: Comparison, lists: _Lists, seeds: Mapping[Pmid, str]
) -> None:
    """Note what enters and leaves, and which seeds are found.

    Where PubMed's own list of the first search is there, it counts, and only the difference is judged.
    """
    entering, leaving, there = lists.after - lists.before, lists.before - lists.after, lists.before
    listed = _listed(db, comparison)
    if listed is not None:
        entering, leaving, there = entering - listed, leaving & listed, listed
        if unclear := len(listed - lists.before - lists.after):
            comparison.remarks.append(
                f"{unclear:,} listed record{'' if unclear == 1 else 's'} that PubMed found, and neither search finds "
                "as it is judged here: taken to stay"
            )
    comparison.entering = _papers(db, comparison.question, entering)
    comparison.leaving = _papers(db, comparison.question, leaving)
    then = (there - leaving) | entering
    for pmid, title in seeds.items():
        is_judged = pmid in lists.judged
        before = pmid in there if is_judged or listed is not None else None
        comparison.seeds.append(SeedPaper(pmid, title, before, pmid in then if is_judged else None))


def _listed(db: sqlite3.Connection, comparison: Comparison) -> Pmids | None:
    """The question's list, if the first of the two searches is the one that it was found by."""
    row = db.execute(
        "select strategy from questions where slug = :slug", {"slug": comparison.question}
    ).fetchone()
    if row is None or row[0] != comparison.before.strategy.hash:
        return None
    return frozenset(questions.matching(db, comparison.question))


def _papers(db: sqlite3.Connection, slug: str, pmids: Iterable[int]) -> list[Paper]:
    rows = read_rows(
        db,
        "select pmid, title from articles where pmid in (select value from json_each(:pmids)) order by pmid desc",
        {"pmids": json.dumps(list(pmids))},
    )
    judged = _decided(db, slug)
    return [Paper(row["pmid"], row["title"], judged.get(row["pmid"])) for row in rows]


def _decided(db: sqlite3.Connection, slug: str) -> dict[int, str]:
    """What was decided of each record at the last stage that has an outcome, unless a blind review still hides it."""
    has_annotations = any(name == "annotations" for _, name, _ in db.execute("pragma database_list"))
    review = reviews(db).get(slug)
    if not has_annotations or review is None:
        return {}
    outcomes = decisions.standings(db, review).last
    return {pmid: outcome.decision for pmid, outcome in outcomes.items() if outcome.decision}


# -- what PubMed counts ----------------------------------------------------------------------------


def count(comparison: Comparison, pubmed: PubMed) -> None:
    """Ask PubMed for what it counts, whole and by line, and for the seeds. Raises ServiceError."""
    asked = _Asked(pubmed)
    before, after = comparison.before.strategy, comparison.after.strategy
    comparison.lines = [
        LineChange(
            line.name,
            _counted(asked, Combination.of(before), line.name, line.before),
            _counted(asked, Combination.of(after), line.name, line.after),
        )
        for line in comparison.lines
    ]
    comparison.pubmed = Counts(
        asked.count(before.text),
        asked.count(after.text),
        asked.count(f"({after.text}) NOT ({before.text})"),
        asked.count(f"({before.text}) NOT ({after.text})"),
        tuple(asked.not_found),
    )
    comparison.seeds = _seeds_at_pubmed(comparison, pubmed)
    comparison.remarks = [remark for remark in comparison.remarks if remark != UNSTORED]


class _Asked:
    """PubMed's answers so far, so that nothing is asked twice."""

    def __init__(self, pubmed: PubMed) -> None:
        self._pubmed = pubmed
        self._answers: dict[str, SearchAnswer] = {}
        self.not_found: dict[str, None] = {}

    def count(self, query: str) -> int:
        if query not in self._answers:
            answer = self._answers[query] = self._pubmed.count(query)
            self.not_found.update(dict.fromkeys(not_found((*answer.errors, *answer.warnings))))
        return self._answers[query].count


def _counted(asked: _Asked, whole: Combination, name: str, line: LineOfSide | None) -> LineOfSide | None:
    if line is None:
        return None
    rest = whole.without(name)
    everything = asked.count(whole.text)
    tally = Tally(asked.count(line.query), everything - (asked.count(rest) if rest else 0))
    return LineOfSide(line.query, line.stored, line.terms, tally)


def _seeds_at_pubmed(comparison: Comparison, pubmed: PubMed) -> list[SeedPaper]:
    if not comparison.seeds:
        return []
    them = " OR ".join(f"{seed.pmid}[uid]" for seed in comparison.seeds)
    before, after = (
        frozenset(pubmed.search(f"({side.strategy.text}) AND ({them})").pmids)
        for side in (comparison.before, comparison.after)
    )
    return [
        SeedPaper(seed.pmid, seed.title, seed.pmid in before, seed.pmid in after) for seed in comparison.seeds
    ]
