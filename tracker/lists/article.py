"""What an article's page shows of its record: what is stored, and what its abstract says of each question."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.enrich import added
from tracker.evidence.articles import present
from tracker.evidence.rows import Row, read_rows
from tracker.evidence.show import show
from tracker.lists.entries import read_entries

# The designs that rest on the papers that they cite, as rules/design.yml names them.
REVIEWS = ("meta-analysis", "systematic review", "narrative review", "guideline")
# A reference list holds a few hundred papers; what is longer is looked through as far as this.
MOST_CITED = 5_000
MOST_NAMED = 20


class Place(NamedTuple):
    """Where words stand: offsets (code points, end exclusive) in the plain text of title or abstract."""

    part: str
    start: int
    end: int


class Sentence(NamedTuple):
    """A sentence about a question's outcome, in the record's own words.

    ``about`` is the number of people that it says it is about, and ``counted`` where that number stands. ``is_null``
    and ``looked_for`` are as in ``answers.Sentence``.
    """

    text: str
    place: Place
    about: int | None
    counted: Place | None
    is_null: bool
    looked_for: str | None


class Outcome(NamedTuple):
    """What a record says of a question's outcome.

    ``state`` is a state of ``reading.findings``. ``reached`` is the number of people who reached the longest follow-up,
    and ``reached_at`` where that number stands.
    """

    state: str
    sentences: Sequence[Sentence]
    reached: int | None
    reached_at: Place | None


@dataclass(frozen=True, slots=True)
class ArticleRecord:
    """All that is stored about a record (see ``show``), with each author's affiliations beside the name.

    ``entry`` is what a list shows of it; ``stored_here`` are the records named by its notices that are stored.
    ``outcomes`` are what it says of the outcome of each question that holds it. ``fallen`` are papers on its reference
    list that we know to be retracted, withdrawn or under concern: the newest ``MOST_NAMED``.
    ``links``, ``metrics`` and ``others`` (the other of a pair of preprint and article, where PubMed names none) are
    what other services add.
    """

    record: Row
    entry: Row
    is_preprint: bool
    is_review: bool
    stored_here: set[ArticleKey]
    starter: bool
    outcomes: Mapping[str, Outcome]
    fallen: Sequence[Row]
    links: Sequence[added.Link]
    metrics: added.Metrics | None
    others: Sequence[added.Preprint]


def read_article(db: sqlite3.Connection, pmid: ArticleKey) -> ArticleRecord | None:
    """The record of this key; None if it is not stored."""
    record = show(db, pmid)
    if record is None:
        return None
    for position, author in enumerate(record["authors"], 1):
        author["affiliations"] = [
            affiliation["affiliation"]
            for affiliation in record["affiliations"]
            if affiliation["author"] == position
        ]
    (entry,) = read_entries(db, [pmid])
    return ArticleRecord(
        record,
        entry,
        is_preprint="preprint" in entry["labels"].get("publication", []),
        is_review=any(design in REVIEWS for design in entry["labels"].get("design", [])),
        stored_here=present(
            db, [notice["other_pmid"] for notice in record["notices"] if notice["other_pmid"]]
        ),
        starter=(record["state"] or {}).get("source") == "starter",
        outcomes=_outcomes(db, pmid),
        fallen=_fallen(db, pmid),
        links=added.links_of(db, [pmid]).get(pmid, ()),
        metrics=added.metrics_of(db, [pmid]).get(pmid),
        others=()
        if entry["preprints"] or entry["preprint_of"]
        else added.preprints_of(db, [pmid]).get(pmid, ()),
    )


def _outcomes(db: sqlite3.Connection, pmid: ArticleKey) -> dict[str, Outcome]:
    rows = read_rows(db, _SENTENCES, {"pmid": pmid})
    by_question = {slug: list(each) for slug, each in groupby(rows, key=lambda row: str(row["question"]))}
    return {
        row["question"]: _outcome(row["outcome"], by_question.get(row["question"], []))
        for row in read_rows(db, _STATES, {"pmid": pmid})
    }


def _outcome(state: str, rows: Sequence[Row]) -> Outcome:
    # A sentence about both sides of an outcome is a finding of each.
    once = {(row["part"], row["start"]): row for row in rows}
    reached = rows[0]["reached"] if rows else None
    reached_at = None
    if reached is not None:
        reached_at = Place("abstract", rows[0]["reached_start"], rows[0]["reached_end"])
    return Outcome(state, [_sentence(row) for row in once.values()], reached, reached_at)


def _sentence(row: Row) -> Sentence:
    place = Place(row["part"], row["start"], row["end"])
    about = row["about"]
    counted = Place(row["part"], row["about_start"], row["about_end"]) if about is not None else None
    return Sentence(row["sentence"], place, about, counted, bool(row["is_null"]), row["looked_for"])


def _fallen(db: sqlite3.Connection, pmid: ArticleKey) -> list[Row]:
    return read_rows(db, _FALLEN, {"pmid": pmid, "most": MOST_CITED, "named": MOST_NAMED})


_STATES = """
select m.question, d.outcome
from question_articles m join directness d on d.question = m.question and d.pmid = m.pmid
where m.pmid = :pmid and m.matching
"""
_SENTENCES = """
select f.question, f.part, f.start, f."end", f.about, f.about_start, f.about_end, f.reached, f.reached_start,
  f.reached_end, f.is_null, s.sentence, s.looked_for
from question_articles m
join findings f on f.question = m.question and f.pmid = m.pmid
join finding_sentences s on s.question = f.question and s.pmid = f.pmid and s.position = f.position
where m.pmid = :pmid and m.matching order by f.question, f.position
"""
_FALLEN = """
select a.pmid, a.title_html, a.published, a.retracted, a.withdrawn, a.expression_of_concern, a.corrected, a.is_notice,
  a.title_says, a.by_title
from (select cited from cites where pmid = :pmid limit :most) c
join articles a on a.pmid = c.cited
where a.retracted or a.withdrawn or a.expression_of_concern
order by a.published desc, a.pmid desc limit :named
"""
