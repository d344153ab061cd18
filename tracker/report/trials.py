"""Which records report one trial, and how many trials a pooled analysis joins, by their registrations.

A trial may be registered twice, in two registers. Two numbers of one register are two trials: such a record pools them,
and belongs under neither.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Set
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.evidence.facets import REGISTRIES

# A number that more records share is no trial.
_MOST = 200


class Registration(NamedTuple):
    """A trial's number in a register (``bank``, as PubMed calls it)."""

    bank: str
    number: str


Registrations = Mapping[ArticleKey, tuple[Registration, ...]]


def registrations(db: sqlite3.Connection, pmids: Collection[ArticleKey]) -> Registrations:
    """Each record's registrations; records without any are left out."""
    found: dict[ArticleKey, tuple[Registration, ...]] = {}
    for pmid, bank, number in db.execute(_REGISTRATIONS, {"pmids": json.dumps(list(pmids))}):
        found[pmid] = (*found.get(pmid, ()), Registration(bank, number))
    return found


def pooled(registered: Iterable[Registration]) -> int:
    """How many trials a record with these registrations pools; 0 where they are of one trial at most."""
    banks = [bank for bank, _ in registered]
    most = max(map(banks.count, banks), default=0)
    return most if most > 1 else 0


def together(
    db: sqlite3.Connection, slug: str, pmids: Set[ArticleKey]
) -> dict[ArticleKey, frozenset[ArticleKey]]:
    """For each of these records of a question, all of the question's that report the same trial, itself included.

    A preprint goes with its article. A pooled analysis has only itself.
    """
    linked: dict[ArticleKey, set[ArticleKey]] = {}
    known: set[ArticleKey] = set()
    # To the end: whichever of a trial's reports is asked about, its trial has the same reports.
    while ahead := (linked.keys() | pmids) - known:
        for one, other in _links(db, slug, ahead):
            linked.setdefault(one, set()).add(other)
            linked.setdefault(other, set()).add(one)
        known |= ahead
    return {pmid: _reached(pmid, linked) for pmid in pmids}


def _links(
    db: sqlite3.Connection, slug: str, pmids: Collection[ArticleKey]
) -> list[tuple[ArticleKey, ArticleKey]]:
    given = {"pmids": json.dumps(list(pmids)), "question": slug, "most": _MOST}
    shared = db.execute(_SHARED, given).fetchall()
    registered = registrations(db, {pmid for pair in shared for pmid in pair})
    apart = {pmid for pmid, numbers in registered.items() if pooled(numbers)}
    return [pair for pair in shared if apart.isdisjoint(pair)] + db.execute(_PREPRINTS, given).fetchall()


def _reached(pmid: ArticleKey, linked: Mapping[ArticleKey, Collection[ArticleKey]]) -> frozenset[ArticleKey]:
    reached, ahead = {pmid}, [pmid]
    while ahead:
        new = [other for other in linked.get(ahead.pop(), ()) if other not in reached]
        reached.update(new)
        ahead += new
    return frozenset(reached)


_BANKS = ", ".join(f"'{bank}'" for bank in REGISTRIES)
_REGISTRATIONS = f"""
select distinct pmid, bank, number from registrations
where pmid in (select value from json_each(:pmids)) and number <> '' and bank in ({_BANKS})
order by pmid, bank, number
"""
_SHARED = f"""
select distinct o.pmid, r.pmid
from json_each(:pmids) given
join registrations o on o.pmid = given.value and o.number <> '' and o.bank in ({_BANKS})
join registrations r on r.number = o.number and r.pmid <> o.pmid
join question_articles q on q.question = :question and q.pmid = r.pmid and q.matching
where (select count(*) from (select 1 from registrations x where x.number = o.number limit :most + 1)) <= :most
"""
# As either record says of the other: what only one says could be found from that one alone.
_PREPRINTS = """
select distinct n.pmid, n.other_pmid
from json_each(:pmids) given
join notices n on n.pmid = given.value and n.type in ('UpdateIn', 'UpdateOf')
join notices m on m.pmid = n.other_pmid and m.other_pmid = n.pmid and m.type in ('UpdateIn', 'UpdateOf')
join question_articles q on q.question = :question and q.pmid = n.other_pmid and q.matching
where exists (
  select 1 from labels l
  where l.pmid in (n.pmid, n.other_pmid) and l.label_group = 'publication' and l.value = 'preprint')
union
select p.preprint, p.pmid from json_each(:pmids) given
join preprint_pairs p on p.preprint = given.value and p.same_authors
join question_articles q on q.question = :question and q.pmid = p.pmid and q.matching
union
select p.pmid, p.preprint from json_each(:pmids) given
join preprint_pairs p on p.pmid = given.value and p.same_authors
join question_articles q on q.question = :question and q.pmid = p.preprint and q.matching
"""
