"""Lists of references, and who cites whom: in bulk, as there are a dozen for every article.

As among 597 real records of any topic, one in four has a list, of 51 on average; four of five that are listed have a
PMID. A few articles are cited thousands of times, and most never.
"""

from __future__ import annotations

import sqlite3

# Articles by their place in the order of PMIDs.
_PLACES = (
    "create temp table places (n integer primary key, pmid integer not null)",
    "insert into places (pmid) select pmid from record_state order by pmid",
)
_LISTS = """
with recursive numbers (k) as (select 1 union all select k + 1 from numbers where k < 101),
listed (pmid, n, k, chance) as (
  select pmid, n, k, (n * 48271 + k * 69621) % 10007 / 10007.0
  from places join numbers on k <= 1 + n * 7919 % 101
  where n > 1 and n % 50 < 13)
insert into cited_references (pmid, position, citation, cited_pmid, doi)
select l.pmid, l.k, printf(
    'Made AB, Up CD, Reference EF, et al. What was measured in article %d, as a title of the usual length tells. '
    || 'J Bench. %d;%d(%d):%d-%d.', p.n, 1970 + p.n % 50, p.n % 90, p.n % 12, p.n % 900, p.n % 900 + 8),
  iif((l.n + l.k) % 100 < 78, p.pmid, null), iif((l.n + l.k) % 3 = 0, null, printf('10.1000/bench.%d', p.pmid))
from listed l cross join places p on p.n = 1 + cast((l.n - 1) * l.chance * l.chance as integer)
"""
_CITES = """
insert or ignore into cites (pmid, cited)
select pmid, cited_pmid from cited_references where cited_pmid is not null
"""


def fill(db: sqlite3.Connection) -> None:
    """Give the articles that are stored lists of older ones."""
    for statement in (*_PLACES, _LISTS):
        db.execute(statement)
    # An index that is made afterwards is made by sorting, which takes seconds instead of minutes.
    ((index,),) = db.execute("select sql from sqlite_master where name = 'cites_cited'").fetchall()
    db.execute("drop index cites_cited")
    db.execute(_CITES)
    db.execute(index)
    db.execute("drop table places")
