"""What records say of a question: how they bear on it, and what their abstracts say of its outcome, in their words."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.evidence.rows import Row, read_rows
from tracker.reading.brief import TREATED
from tracker.reading.findings import MEASURED, NOT_MEASURED, NOT_MENTIONED, RESULT
from tracker.team import placements

# What stands where an abstract has no sentence about the outcome.
_OUTCOME_WORDS: Mapping[str, str] = {
    RESULT: "result given",
    MEASURED: "measured, result not in the abstract",
    NOT_MEASURED: "not measured, it says",
    NOT_MENTIONED: "not mentioned",
}
PROTOCOL = "protocol"
# Sentences that a list shows; the article's page marks them all.
MOST_SENTENCES = 2


class Sentence(NamedTuple):
    """What the abstract says, in its own words, and the number of people that it says it is about.

    ``is_null`` tells that it reports no difference, no change or no case; ``looked_for`` is then the abstract's
    sentence about how that was looked for, if it has one.
    """

    text: str
    about: int | None
    is_null: bool
    looked_for: str | None


class Said(NamedTuple):
    """All that an abstract says of a question's outcome, and the number of people who reached the longest follow-up."""

    sentences: Sequence[Sentence] = ()
    reached: int | None = None


_NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Answer:
    """``value`` is a directness, as it was read or as ``person`` placed it, and ``reason`` why.

    ``sentences`` are the first findings, ``more`` how many there are besides; without any, ``outcome`` says in words
    how it stands with the outcome. ``reached`` is the number of people who reached the longest follow-up.
    """

    value: str
    person: str | None
    reason: str
    outcome: str
    sentences: Sequence[Sentence]
    more: int
    reached: int | None


NO_ABSTRACT = "no abstract to read it from"


def outcome_words(state: str, designs: Collection[str], has_abstract: bool = True) -> str:
    """What pages say of a state of ``reading.findings``, of a record of these designs: a protocol has measured nothing
    yet, and a title alone tells neither what was found nor what was left out. Other words are left as they are."""
    if not has_abstract and state in _OUTCOME_WORDS:
        return NO_ABSTRACT
    if state == MEASURED and PROTOCOL in designs:
        return "to be measured"
    return _OUTCOME_WORDS.get(state, state)


def with_answers(
    db: sqlite3.Connection, entries: Sequence[Row], slug: str, viewer: int | None
) -> Sequence[Row]:
    """The entries of a question's list, each with its ``answer``, or None for a record neither read nor placed."""
    known = answers(db, slug, [entry["pmid"] for entry in entries], viewer)
    for entry in entries:
        entry["answer"] = known.get(entry["pmid"])
    return entries


def answers(
    db: sqlite3.Connection, slug: str, pmids: Sequence[ArticleKey], viewer: int | None
) -> dict[int, Answer]:
    """By PMID what the records say of a question; none for those that were neither read nor placed."""
    given = {"pmids": json.dumps(list(pmids)), "question": slug}
    placed = placements.last_of(db, pmids, slug, viewer)
    read = {row["pmid"]: row for row in read_rows(db, _DIRECTNESS, given)}
    found = said(db, slug, pmids)
    return {
        pmid: _answer(read.get(pmid), placed.get(pmid), found.get(pmid, _NOTHING))
        for pmid in pmids
        if pmid in read or pmid in placed
    }


def said(db: sqlite3.Connection, slug: str, pmids: Sequence[ArticleKey]) -> dict[ArticleKey, Said]:
    """By PMID what abstracts say of a question's outcome; none for those that say nothing of it."""
    rows = read_rows(db, _SENTENCES, {"pmids": json.dumps(list(pmids)), "question": slug})
    return {
        pmid: Said(tuple(_each_once(found)), found[0]["reached"])
        for pmid, of_article in groupby(rows, key=lambda row: ArticleKey(row["pmid"]))
        if (found := list(of_article))
    }


def _answer(read: Row | None, placed: Row | None, found: Said) -> Answer:
    last = placed or read or {}
    return Answer(
        value=last["value"],
        person=placed["person"] if placed else None,
        reason=last["reason"],
        outcome=outcome_words(read["outcome"], json.loads(read["designs"]), bool(read["has_abstract"]))
        if read
        else "",
        sentences=found.sentences[:MOST_SENTENCES],
        more=max(0, len(found.sentences) - MOST_SENTENCES),
        reached=found.reached,
    )


def _each_once(rows: Sequence[Row]) -> Iterator[Sentence]:
    """A sentence about both sides of an outcome is a finding of each."""
    seen: set[str] = set()
    for row in rows:
        if row["sentence"] not in seen:
            seen.add(row["sentence"])
            yield Sentence(row["sentence"], row["about"], bool(row["is_null"]), row["looked_for"])


def treated(db: sqlite3.Connection, slug: str) -> str:
    """What pages call the records that bear directly on a question: the phrase of its file."""
    row = db.execute("select reading from questions where slug = :slug", {"slug": slug}).fetchone()
    return json.loads(row[0]).get("treated", TREATED) if row and row[0] else TREATED


_DIRECTNESS = """
select d.pmid, d.value, d.reason, d.outcome,
  (select json_group_array(l.value) from labels l where l.pmid = d.pmid and l.label_group = 'design') as designs,
  exists (select 1 from articles a where a.pmid = d.pmid and a.abstract is not null) as has_abstract
from directness d
where d.question = :question and d.pmid in (select value from json_each(:pmids))
"""
_SENTENCES = """
select f.pmid, s.sentence, f.about, f.is_null, s.looked_for, f.reached
from findings f join finding_sentences s on s.question = f.question and s.pmid = f.pmid and s.position = f.position
where f.question = :question and f.pmid in (select value from json_each(:pmids))
order by f.pmid, f.position
"""
