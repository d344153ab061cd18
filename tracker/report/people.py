"""Reports that may be about the same people although no registration says so.

Two records of a question are possibly about the same people where all of this holds:

- both report a study of people of their own (``OWN_PEOPLE``): neither a review, nor a protocol, nor a single case;
- they are not known as two trials, as two records are that are both registered and share no registration;
- the same drug was read from both, and they were published within five years of each other;
- the same author stands first and the same one last, or three of the first and last three authors are the same;
- design and number of people are the same or one is a secondary analysis, which rarely has the number of the whole.

docs/evidence-table.md says what this was measured on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.evidence import facets

SECONDARY = "secondary analysis"
# As reading/rules/design.yml names them.
OWN_PEOPLE = (
    "randomised controlled trial", "controlled trial", "open-label trial", "clinical trial", "cohort study",
    "case-control study", "cross-sectional study", "observational study", "case series", "qualitative study",
    SECONDARY,
)  # fmt: skip
YEARS_APART, AUTHORS_SHARED, ENDS, FEWEST_PEOPLE = 5, 3, 3, 3
_MOST_CANDIDATES = 50

# An author's family name and initials.
Name = tuple[str, str | None]


class Study(NamedTuple):
    """What tells whether two records are about the same people; ``authors`` are the first and the last three."""

    pmid: ArticleKey
    published: str
    design: str | None
    drugs: frozenset[str]
    participants: float | None
    authors: tuple[Name, ...]
    registered: frozenset[str]

    @property
    def has_people(self) -> bool:
        """Whether it is about people of its own who can be told by their number, or some of another study's."""
        counted = self.participants is not None and self.participants >= FEWEST_PEOPLE
        return self.design in OWN_PEOPLE and bool(self.drugs) and (counted or self.design == SECONDARY)


def possibly_same(
    db: sqlite3.Connection,
    slug: str,
    pmids: Collection[ArticleKey],
    known: Mapping[ArticleKey, Collection[ArticleKey]],
) -> dict[ArticleKey, tuple[ArticleKey, ...]]:
    """For each of these records, the question's others that are possibly about the same people, the latest first.

    ``known`` are the other reports of each one's trial, which are left out. Records with none are left out.
    """
    own = _authors(db, pmids)
    studies = {study.pmid: study for study in _studies(db, own) if study.has_people}
    named = {pmid: _candidates(db, slug, study) for pmid, study in studies.items()}
    # Few of those with one of the names have enough of them, and only these are looked at further.
    authors = own | _authors(db, {pmid for found in named.values() for pmid in found} - own.keys())
    alike = {
        pmid: [
            other
            for other in named[pmid]
            if other in authors and _same_authors(study.authors, authors[other])
        ]
        for pmid, study in studies.items()
    }
    others = {other: authors[other] for found in alike.values() for other in found if other not in studies}
    every = studies | {study.pmid: study for study in _studies(db, others) if study.has_people}
    same = {
        pmid: tuple(
            other
            for other in alike[pmid]
            if other in every and other not in known.get(pmid, ()) and may_share(study, every[other])
        )
        for pmid, study in studies.items()
    }
    return {pmid: found for pmid, found in same.items() if found}


def may_share(one: Study, other: Study) -> bool:
    """Whether two records are possibly about the same people: the rule above."""
    return (
        one.pmid != other.pmid
        and not (one.registered and other.registered)
        and not one.drugs.isdisjoint(other.drugs)
        and _near(one.published, other.published)
        and _same_authors(one.authors, other.authors)
        and _alike(one, other)
    )


def _near(one: str, other: str) -> bool:
    return bool(one and other) and abs(int(one[:4]) - int(other[:4])) <= YEARS_APART


def _same_authors(one: tuple[Name, ...], other: tuple[Name, ...]) -> bool:
    same_ends = one[0] == other[0] and one[-1] == other[-1]
    return same_ends or len(set(one) & set(other)) >= AUTHORS_SHARED


def _alike(one: Study, other: Study) -> bool:
    if SECONDARY in (one.design, other.design):
        return True
    return one.design == other.design and one.participants == other.participants


def _candidates(db: sqlite3.Connection, slug: str, study: Study) -> list[ArticleKey]:
    """Records of the question with one of the authors and a design that fits: one intersection in the index."""
    designs = OWN_PEOPLE if study.design == SECONDARY else (study.design or "", SECONDARY)
    numbers = facets.numbers(db, slug, {"design": designs})["design"]
    words = " OR ".join(facets.word(number) for number in numbers if number)
    names = " OR ".join(f'"{name}"' for name in _asked_for(study.authors))
    rows = db.execute(
        "select rowid from articles_fts where articles_fts match :words order by rowid desc limit :most",
        {"words": f"facets : ({words}) AND authors_text : ({names})", "most": _MOST_CANDIDATES},
    )
    return [ArticleKey(pmid) for (pmid,) in rows if pmid != study.pmid]


def _asked_for(authors: tuple[Name, ...]) -> list[str]:
    """Family names of which every record with enough of the authors has one.

    Of six authors a record with three has one of any four; long names are rarer. Initials, which many share, would be
    looked for among those of everybody.
    """
    names = [family.replace('"', " ") for family, _ in authors]
    ends = sorted((names[0], names[-1]), key=len, reverse=True)
    others = sorted((*ends[1:], *names[1:-1]), key=len, reverse=True)
    asked = [ends[0], *others][: max(len(authors) - AUTHORS_SHARED + 1, 1)]
    return list(dict.fromkeys(asked))


def _studies(db: sqlite3.Connection, authors: Mapping[ArticleKey, tuple[Name, ...]]) -> Iterator[Study]:
    for pmid, published, design, drugs, participants, registered in db.execute(
        _STUDIES, {"pmids": json.dumps(list(authors))}
    ):
        yield Study(
            pmid,
            published or "",
            design,
            frozenset(json.loads(drugs)),
            participants,
            authors[pmid],
            frozenset(json.loads(registered)),
        )


def _authors(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> dict[ArticleKey, tuple[Name, ...]]:
    """The first and the last authors of those of these records that have two or more."""
    named: dict[ArticleKey, list[Name]] = {}
    for pmid, *name in db.execute(_AUTHORS, {"pmids": json.dumps(list(pmids))}):
        named.setdefault(pmid, []).append((name[0], name[1]))
    return {pmid: _ends(names) for pmid, names in named.items() if len(names) > 1}


def _ends(names: list[Name]) -> tuple[Name, ...]:
    """The first and the last three of a paper's authors: who did most of the work, and who leads it."""
    return tuple(names if len(names) <= 2 * ENDS else names[:ENDS] + names[-ENDS:])


_STUDIES = f"""
select a.pmid, a.published,
  (select value from labels l where l.pmid = a.pmid and l.label_group = 'design'),
  (select json_group_array(value) from labels l where l.pmid = a.pmid and l.label_group = 'drug'),
  (select max(number) from labels l where l.pmid = a.pmid and l.label_group = 'participants'),
  (select json_group_array(number) from registrations r where r.pmid = a.pmid and r.number <> ''
    and r.bank in ({", ".join(f"'{bank}'" for bank in facets.REGISTRIES)}))
from json_each(:pmids) given join articles a on a.pmid = given.value
"""
_AUTHORS = """
select pmid, last_name, initials from authors
where pmid in (select value from json_each(:pmids)) and valid and last_name is not null and role = 'author'
order by pmid, position
"""
