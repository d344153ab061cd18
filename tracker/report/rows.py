"""A row of an evidence table: one report, with what was read from its record and the words that it was read from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.citation import Citation, CitedPlacement
from tracker.directness import directness_words
from tracker.evidence.rows import Row, read_rows
from tracker.lists import answers, citations
from tracker.lists.answers import Said, Sentence, outcome_words
from tracker.lists.entries import read_entries
from tracker.report.trials import Registration, pooled
from tracker.team import placements

NOT_STATED = "Not stated"
# Label groups with a column, in this order.
GROUPS = (
    "design",
    "population",
    "drug",
    "route",
    "dose",
    "comparator",
    "participants",
    "studies",
    "follow_up",
)


class Reading(NamedTuple):
    """A value read by machine, with the words that it was read from; ``number`` is what a quantity comes to."""

    value: str
    quote: str | None
    basis: str
    rule: str
    version: int
    confidence: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """``entry`` is what lists show of the record, ``said`` what its abstract says of the outcome. ``sharing`` are
    reports that are possibly about the same people. ``placement`` is where a person moved it, as far as the reader may
    see that."""

    cited: Citation
    entry: Row
    readings: Mapping[str, Sequence[Reading]]
    said: Said
    registrations: Sequence[Registration]
    sharing: Sequence[ArticleKey]
    placement: CitedPlacement | None

    @property
    def pmid(self) -> ArticleKey:
        return self.cited.pmid

    @property
    def sentences(self) -> Sequence[Sentence]:
        return self.said.sentences

    @property
    def reached(self) -> int | None:
        return self.said.reached

    @property
    def pooled(self) -> int:
        """How many trials it pools; 0 where it is about one at most."""
        return pooled(self.registrations)

    @property
    def participants(self) -> Reading | None:
        return next(
            (reading for reading in self.readings.get("participants", ()) if reading.number is not None), None
        )

    @property
    def outcome(self) -> str:
        """What the abstract says of the outcome, in a few words; empty where nothing was read."""
        read = self.cited.directness
        designs = [reading.value for reading in self.readings.get("design", ())]
        return outcome_words(read.outcome, designs, bool(self.cited.abstract)) if read else ""

    @property
    def directness(self) -> str:
        """How it bears on the question, in words: as a person said last, or as it was read; empty where neither."""
        last = self.placement or self.cited.directness
        return directness_words(last.value) if last else ""

    def corrections(self, group: str) -> list[str]:
        """What people say of the machine's values of a group."""
        return [judgement.words for judgement in self.cited.judgements if judgement.group == group]


def read_reports(
    db: sqlite3.Connection,
    slug: str,
    pmids: Sequence[ArticleKey],
    viewer: int | None,
    registered: Mapping[ArticleKey, Sequence[Registration]],
    sharing: Mapping[ArticleKey, Sequence[ArticleKey]],
) -> list[Report]:
    """The reports of these records, in this order; all are held in memory."""
    readings = _readings(db, pmids)
    found = answers.said(db, slug, pmids)
    entries = {entry["pmid"]: entry for entry in read_entries(db, pmids, slug, fold=False)}
    placed = placements.last_of(db, pmids, slug, viewer) if _has_people(db) else {}
    return [
        Report(
            cited=cited,
            entry=entries[cited.pmid],
            readings=readings.get(cited.pmid, {}),
            said=found.get(cited.pmid, Said()),
            registrations=registered.get(cited.pmid, ()),
            sharing=sharing.get(cited.pmid, ()),
            placement=_placement(placed.get(cited.pmid)),
        )
        for cited in citations.of_articles(db, pmids, slug)
    ]


def _has_people(db: sqlite3.Connection) -> bool:
    return any(row[1] == "annotations" for row in db.execute("pragma database_list"))


def _placement(row: Row | None) -> CitedPlacement | None:
    return CitedPlacement(row["value"], row["reason"], row["person"]) if row else None


def _readings(
    db: sqlite3.Connection, pmids: Collection[ArticleKey]
) -> dict[ArticleKey, dict[str, tuple[Reading, ...]]]:
    rows = read_rows(db, _LABELS, {"pmids": json.dumps(list(pmids)), "groups": json.dumps(GROUPS)})
    return {
        pmid: {
            group: tuple(Reading(*(row[name] for name in Reading._fields)) for row in of_group)
            for group, of_group in groupby(of_article, key=lambda row: str(row["label_group"]))
        }
        for pmid, of_article in groupby(rows, key=lambda row: ArticleKey(row["pmid"]))
    }


_LABELS = """
select pmid, label_group, value, quote, basis, rule, rule_version as version, confidence, number from labels
where pmid in (select value from json_each(:pmids)) and label_group in (select value from json_each(:groups))
order by pmid, label_group, value
"""
