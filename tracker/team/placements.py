"""Where people move records of a question: to the directness that they see, beside the one that was read by machine.

A person has one placement at most for a record and question; what counts for everybody is the one placed last. What is
said here never enters evidence.db: lists and numbers take it from here, and subtract and add it.

But for those that write, every function takes a connection to evidence.db and ``viewer``, the id of whoever looks or
None: what a blind review still hides from them counts nowhere.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.directness import DIRECTNESS
from tracker.errors import UsageError, either
from tracker.evidence.cache import Cache, states
from tracker.evidence.rows import Row, read_rows
from tracker.team.acts import Act, current
from tracker.team.blind import visible
from tracker.team.review import Seal

# The group of facets that these are said of (tracker/evidence/facets.py).
GROUP = "directness"
LONGEST_REASON = 300
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


# -- writing ---------------------------------------------------------------------------------------


def place(
    act: Act, pmid: ArticleKey, question: str, value: str, reason: str, seal: Seal | None = None
) -> bool:
    """Say in the acting person's name where a record belongs, and why; whether that changed anything.

    Said again after somebody else has said otherwise, it counts again. Raises UsageError for what is no directness, or
    without a reason of one line.
    """
    says = {"value": checked_value(value), "reason": checked_reason(reason)}
    key = _key(act, pmid, question)
    mine = current(act.db, "placement", key)
    others = _last_of_others(act, pmid, question, seal)
    is_last = mine is not None and (others is None or mine["placed"] > others)
    if mine and is_last and all(mine[name] == said for name, said in says.items()):
        return False
    return act.put("place", "placement", key, says | {"placed": _later(act.when, others)}, seal)


def withdraw(act: Act, pmid: ArticleKey, question: str, seal: Seal | None = None) -> bool:
    """Take the acting person's placement back; whether there was one."""
    return act.put("take placement back", "placement", _key(act, pmid, question), None, seal)


def checked_value(value: str) -> str:
    """Raises UsageError for what is no directness."""
    if value not in DIRECTNESS:
        raise UsageError(f"Unknown directness {value!r}. Use {either(DIRECTNESS)}.")
    return value


def checked_reason(reason: str) -> str:
    """The reason without spaces around it. Raises UsageError for none, and for more than a line."""
    words = reason.strip()
    if not words:
        raise UsageError("say why: who reads it later has only that. Nothing was written.")
    if len(words) > LONGEST_REASON or "\n" in words:
        raise UsageError(f"a reason is one line of at most {LONGEST_REASON} characters.")
    return words


def _key(act: Act, pmid: ArticleKey, question: str) -> dict[str, object]:
    return {"pmid": pmid, "question": question, "person": act.person}


def _last_of_others(act: Act, pmid: ArticleKey, question: str, seal: Seal | None) -> str | None:
    """When others placed the record last, as far as no review hides it: else the answer would tell that they did.

    Where nothing is sealed now nothing is hidden, also of when the review was one of two people.
    """
    (moment,) = act.db.execute(
        """
        select max(placed) from placements p
        where pmid = :pmid and question = :question and person is not :person
          and (:is_open or blind is null or exists (
            select 1 from unsealed u where u.review = p.blind and u.pmid = p.pmid))
        """,
        {**_key(act, pmid, question), "is_open": seal is None},
    ).fetchone()
    return str(moment) if moment else None


def _later(moment: str, than: str | None) -> str:
    """The moment or, within the same second, the next: of two at once an export could not tell which came last."""
    if than is None or moment > than:
        return moment
    return (datetime.strptime(than, _MOMENT) + timedelta(seconds=1)).strftime(_MOMENT)


# -- of lists --------------------------------------------------------------------------------------


class Moved(NamedTuple):
    """Records of a question that people moved: ``into`` a value, and ``out_of`` the one that was read by machine."""

    into: Mapping[str, Collection[int]]
    out_of: Mapping[str, Collection[int]]

    def of_any(self, values: Iterable[str]) -> tuple[set[int], set[int]]:
        """What joins the records that were read as any of the values, and what leaves them."""
        wanted = tuple(values)
        joining, leaving = (
            {pmid for value in wanted for pmid in by_value.get(value, ())}
            for by_value in (self.into, self.out_of)
        )
        # Moved from one of the values to another.
        return joining - leaving, leaving - joining


UNMOVED = Moved({}, {})


def moved(db: sqlite3.Connection, question: str, viewer: int | None) -> Moved:
    """What people moved of the records that match the question.

    Kept until either database changes: a few thousand take some milliseconds, and every page of the question asks.
    """
    if not _is_there(db):
        return UNMOVED
    if db.in_transaction:
        return _moved(db, question, viewer)
    return _CACHE.get((states(db), question, viewer), lambda: _moved(db, question, viewer))


_CACHE: Cache[Moved] = Cache(32)


def _moved(db: sqlite3.Connection, question: str, viewer: int | None) -> Moved:
    into: dict[str, set[int]] = {}
    out_of: dict[str, set[int]] = {}
    rows = db.execute(_STANDS, {"question": question, "viewer": viewer})
    for pmid, of_record in groupby(rows, key=lambda row: int(row[0])):
        _, _, placed, read, _ = max(of_record, key=itemgetter(1, 4))
        if placed != read:
            into.setdefault(placed, set()).add(pmid)
            if read is not None:
                out_of.setdefault(read, set()).add(pmid)
    return Moved(into, out_of)


_STANDS = f"""
select p.pmid, p.placed, p.value, d.value, p.person
from annotations.placements p
cross join question_articles m on m.question = p.question and m.pmid = p.pmid and m.matching
left join directness d on d.question = p.question and d.pmid = p.pmid
where p.question = :question and {visible("p")}
order by p.pmid, p.person
"""


def _is_there(db: sqlite3.Connection) -> bool:
    """Whether anybody placed anything, as far as annotations.db is attached."""
    attached = any(row[1] == "annotations" for row in db.execute("pragma database_list"))
    return attached and bool(db.execute("select exists (select 1 from annotations.placements)").fetchone()[0])


# -- of articles -----------------------------------------------------------------------------------

_PLACEMENTS = f"""
select p.pmid, p.question, p.value, p.reason, p.placed, e.display_name as person, p.person is :viewer as mine
from annotations.placements p join annotations.people e on e.id = p.person
where p.pmid in (select value from json_each(:pmids)) and (:question is null or p.question = :question)
  and {visible("p")}
order by p.pmid, p.question, p.placed, p.person
"""
_READ = """
select m.question, d.value, d.reason, d.rule
from question_articles m left join directness d on d.question = m.question and d.pmid = m.pmid
where m.pmid = :pmid and m.matching order by m.question
"""


def last_of(
    db: sqlite3.Connection, pmids: Iterable[int], question: str, viewer: int | None
) -> dict[int, Row]:
    """The placement of each article that counts for the question; of where nobody placed it, none."""
    given = {"pmids": json.dumps(list(pmids)), "question": question, "viewer": viewer}
    return {row["pmid"]: row for row in read_rows(db, _PLACEMENTS, given)}


class Bearing(NamedTuple):
    """How a record bears on a question: as it was ``read`` by machine, if at all, and as people ``placed`` it, the last
    one last."""

    read: Row | None
    placed: list[Row]

    @property
    def is_known(self) -> bool:
        """Whether anything was read or said."""
        return bool(self.read or self.placed)

    @property
    def last(self) -> Row | None:
        return self.placed[-1] if self.placed else None

    @property
    def mine(self) -> Row | None:
        """What the viewer said."""
        return next((row for row in self.placed if row["mine"]), None)


def of_article(db: sqlite3.Connection, pmid: ArticleKey, viewer: int | None) -> dict[str, Bearing]:
    """How the article bears on each question that holds it."""
    given = {"pmids": json.dumps([pmid]), "question": None, "viewer": viewer}
    rows = read_rows(db, _PLACEMENTS, given)
    placed = {question: list(each) for question, each in groupby(rows, key=lambda row: row["question"])}
    return {
        row["question"]: Bearing(row if row["value"] else None, placed.get(row["question"], []))
        for row in read_rows(db, _READ, {"pmid": pmid})
    }
