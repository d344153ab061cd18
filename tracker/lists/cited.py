"""Which trials of a question its reviews cite, by the reference lists that PubMed has.

To be cited is not to be included: a review may cite a trial to say why it left it out. And a review cannot cite what
came after its search.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tracker.article import ArticleKey
from tracker.evidence.facets import REGISTRIES
from tracker.evidence.rows import Row, read_rows
from tracker.lists.selection import Selection, page
from tracker.reading.searched import Searched, searched
from tracker.team.placements import GROUP

REVIEWS = ("meta-analysis", "systematic review")
TRIALS = ("randomised controlled trial", "controlled trial", "clinical trial", "open-label trial")
# The newest of each are looked at.
MOST_REVIEWS, MOST_TRIALS = 100, 200


@dataclass(frozen=True, slots=True)
class Review:
    """A review with a reference list: how many of the trials that it could have known it cites."""

    article: Row
    searched: Searched | None
    cites: int
    could_cite: int


@dataclass(frozen=True, slots=True)
class Cited:
    """``reviews`` are those with a reference list, of ``all_reviews``; ``uncited`` are trials that none of them cites,
    ``too_new`` those that came after the search of each; ``trials`` is how many there are."""

    reviews: Sequence[Review]
    all_reviews: int
    trials: int
    uncited: Sequence[Row]
    too_new: Sequence[Row]


def cited(db: sqlite3.Connection, slug: str, viewer: int | None) -> Cited | None:
    """Which of the trials in people treated the reviews of a question cite; None where there is no trial or review.

    A trial counts as cited where another report under the same registration is.
    """
    direct = Selection(slug, {GROUP: ("direct",)}, viewer=viewer)
    reviews = _of_designs(db, direct, REVIEWS, MOST_REVIEWS)
    trials = _of_designs(db, direct, TRIALS, MOST_TRIALS)
    if not reviews or not trials:
        return None
    citing = _citing(db, [trial["pmid"] for trial in trials], [review["pmid"] for review in reviews])
    listing = _with_list(db, [review["pmid"] for review in reviews])
    known = [
        _review(review, trials, citing, _abstract(db, review["pmid"]))
        for review in reviews
        if review["pmid"] in listing
    ]
    uncited = [trial for trial in trials if not any((trial["pmid"], pmid) in citing for pmid in listing)]
    too_new = [
        trial
        for trial in uncited
        if known and all(_is_newer(trial, each.article, each.searched) for each in known)
    ]
    new = {trial["pmid"] for trial in too_new}
    return Cited(
        reviews=known,
        all_reviews=len(reviews),
        trials=len(trials),
        uncited=[trial for trial in uncited if trial["pmid"] not in new],
        too_new=too_new,
    )


def _of_designs(db: sqlite3.Connection, direct: Selection, designs: Sequence[str], most: int) -> list[Row]:
    pmids = page(db, direct._replace(labels={**direct.labels, "design": designs}), size=most).pmids
    rows = {row["pmid"]: row for row in read_rows(db, _ARTICLES, {"pmids": json.dumps(pmids)})}
    return [rows[pmid] for pmid in pmids if pmid in rows]


def _citing(
    db: sqlite3.Connection, trials: Sequence[ArticleKey], reviews: Sequence[ArticleKey]
) -> set[tuple[int, int]]:
    given = {"trials": json.dumps(trials), "reviews": json.dumps(reviews)}
    return {(trial, review) for trial, review in db.execute(_CITING, given)}


def _with_list(db: sqlite3.Connection, reviews: Sequence[ArticleKey]) -> set[int]:
    rows = db.execute(
        "select value from json_each(:pmids) g where exists (select 1 from cites c where c.pmid = g.value)",
        {"pmids": json.dumps(reviews)},
    )
    return {pmid for (pmid,) in rows}


def _abstract(db: sqlite3.Connection, pmid: ArticleKey) -> str:
    rows = db.execute(
        "select text from abstract_sections where pmid = :pmid order by position", {"pmid": pmid}
    )
    return "\n".join(text for (text,) in rows)


def _review(review: Row, trials: Sequence[Row], citing: Collection[tuple[int, int]], abstract: str) -> Review:
    until = searched(abstract)
    older = [trial for trial in trials if not _is_newer(trial, review, until)]
    own = sum((trial["pmid"], review["pmid"]) in citing for trial in trials)
    missed = sum((trial["pmid"], review["pmid"]) not in citing for trial in older)
    return Review(review, until, own, own + missed)


def _is_newer(trial: Row, review: Row, until: Searched | None) -> bool:
    """Whether a trial was published after a review's search or, where that is not stated, after the review."""
    last = until.until if until else review["published"] or ""
    return bool(last) and (trial["published"] or "")[: len(last)] > last


_ARTICLES = """
select pmid, title_html, published, retracted, withdrawn, expression_of_concern, corrected, is_notice, title_says,
  by_title
from articles where pmid in (select value from json_each(:pmids))
"""
_CITING = f"""
with reports(trial, pmid) as (
  select value, value from json_each(:trials)
  union
  select t.value, other.pmid
  from json_each(:trials) t
  join registrations own on own.pmid = t.value and own.number <> ''
    and own.bank in ({", ".join(f"'{bank}'" for bank in REGISTRIES)})
  join registrations other on other.number = own.number
)
select distinct r.trial, c.pmid
from reports r join cites c on c.cited = r.pmid
where c.pmid in (select value from json_each(:reviews))
"""
