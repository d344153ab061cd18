"""What people have said, as pages show it: nobody sees what a blind review still hides from them.

Every function takes a connection to evidence.db that has annotations.db attached, and ``viewer``, the id of the
viewer or None.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from tracker.article import ArticleKey
from tracker.decision import STAGES, Stage
from tracker.evidence.rows import Row, read_rows
from tracker.team import decisions
from tracker.team.blind import visible
from tracker.team.review import REVIEWERS, Review, reviews

_TAGS = f"""
select g.pmid, g.question, g.tag as id, t.name, t.description, coalesce(t.colour, u.colour) as colour,
  u.name as group_name, g.note, g.tagged, p.display_name as person, g.person is :viewer as mine
from annotations.taggings g join annotations.tags t on t.id = g.tag
  join annotations.tag_groups u on u.id = t.tag_group join annotations.people p on p.id = g.person
where g.pmid in (select value from json_each(:pmids)) and {{question}} and {visible("g")}
order by g.pmid, u.position, t.name, g.id
"""
_DECISIONS = f"""
select d.pmid, d.question, d.stage, d.decision, d.reason, d.decided, d.basis, d.labels, p.display_name as person,
  d.person is :viewer as mine
from annotations.decisions d join annotations.people p on p.id = d.person
where d.pmid in (select value from json_each(:pmids)) and {{question}} and {visible("d")}
order by d.pmid, d.question, d.stage desc, d.id
"""
_NOTES = f"""
select n.pmid, n.id, n.question, n.text, n.written, p.display_name as person, n.person is :viewer as mine
from annotations.notes n join annotations.people p on p.id = n.person
where n.pmid in (select value from json_each(:pmids)) and {{question}} and {visible("n")}
order by n.pmid, n.id
"""
_SETTLEMENTS = """
select s.pmid, s.question, s.stage, s.decision, s.reason, s.why, s.settled, p.display_name as person
from annotations.settlements s join annotations.people p on p.id = s.person
where s.pmid in (select value from json_each(:pmids)) and {question} order by s.pmid, s.question, s.stage desc
"""
_REVIEWS = """
select r.pmid, r.label_group, r.machine_value, r.value, r.reviewed, p.display_name as person,
  r.person is :viewer as mine
from annotations.label_reviews r join annotations.people p on p.id = r.person
where r.pmid in (select value from json_each(:pmids)) order by r.pmid, r.label_group, r.machine_value, r.id
"""


def of_articles(
    db: sqlite3.Connection, pmids: Sequence[int], question: str | None, viewer: int | None
) -> dict[int, dict[str, Any]]:
    """For each article of a list: ``tags`` (one entry per tag and question, with the ``people`` who gave it),
    ``decisions``, ``settlements``, ``notes``, and for the question, if one is given, ``stage`` (where it is to be
    decided), ``mine`` (the viewer's decision there) and ``outcome`` (the valid decision, with its stage). ``spoken``
    says whether anybody said anything that the viewer may see.
    """
    by_pmid: dict[int, dict[str, Any]] = {
        pmid: {
            "tags": [],
            "decisions": [],
            "settlements": [],
            "notes": [],
            "stage": None,
            "mine": None,
            "outcome": None,
            "locked": False,
        }
        for pmid in pmids
    }
    given = {"pmids": json.dumps(list(pmids)), "viewer": viewer, "question": question}
    within = "true" if question is None else "{}.question is :question"
    tagged = "true" if question is None else "(g.question is null or g.question = :question)"
    noted = "true" if question is None else "(n.question is null or n.question = :question)"
    for pmid, rows in groupby(
        read_rows(db, _TAGS.format(question=tagged), given), key=lambda row: row["pmid"]
    ):
        by_pmid[pmid]["tags"] = _tags(rows)
    for row in read_rows(db, _DECISIONS.format(question=within.format("d")), given):
        by_pmid[row["pmid"]]["decisions"].append(row)
    for row in read_rows(db, _SETTLEMENTS.format(question=within.format("s")), given):
        by_pmid[row["pmid"]]["settlements"].append(row)
    for row in read_rows(db, _NOTES.format(question=noted), given):
        by_pmid[row["pmid"]]["notes"].append(row)
    if question is not None and (review := reviews(db).get(question)):
        for pmid, standing in standings(db, review, pmids, viewer).items():
            by_pmid[pmid] |= standing
    for each in by_pmid.values():
        each["spoken"] = any(each[part] for part in ("tags", "decisions", "settlements", "notes"))
    return by_pmid


def standings(
    db: sqlite3.Connection, review: Review, pmids: Sequence[int], viewer: int | None
) -> dict[int, dict[str, Any]]:
    """The status of each article in a review: ``stage``, the viewer's own decision there (``mine``), the last
    ``outcome``, and ``locked`` if the viewer can no longer change anything at that stage."""
    by_stage = {stage: decisions.outcomes(db, review, stage, pmids) for stage in STAGES}
    mine = {
        (pmid, stage): {"decision": decision, "reason": reason}
        for pmid, stage, decision, reason in db.execute(
            """
            select pmid, stage, decision, reason from annotations.decisions
            where question = :question and person is :viewer and pmid in (select value from json_each(:pmids))
            """,
            {"question": review.question, "viewer": viewer, "pmids": json.dumps(list(pmids))},
        )
    }
    by_pmid = {}
    for pmid in pmids:
        first, second = (by_stage[stage].get(pmid) for stage in STAGES)
        passed = decisions.passed(review, first, second)
        stage: Stage = "full-text" if passed else "title-abstract"
        at_stage = second if passed else first
        last = second if passed and second and second.holds else first
        by_pmid[pmid] = {
            "stage": stage,
            "mine": mine.get((pmid, stage)),
            # If one person decides alone, they can take it back themselves.
            "mine_before": mine.get((pmid, STAGES[0])) if passed and not review.dual else None,
            "outcome": last if last and last.holds else None,
            "conflict": last if last and last.conflict else None,
            "locked": bool(review.dual and at_stage and at_stage.deciders >= REVIEWERS),
        }
    return by_pmid


def of_article(db: sqlite3.Connection, pmid: ArticleKey, viewer: int | None) -> dict[str, Any]:
    """As ``of_articles``, for one article and everything said for any question; ``reviews`` has its status in each
    question that holds it, and ``label_reviews`` people's reviews of the machine's labels."""
    said = of_articles(db, [pmid], None, viewer)[pmid]
    every = reviews(db)
    held = [
        slug
        for (slug,) in db.execute(
            "select question from question_articles where pmid = :pmid and matching order by question",
            {"pmid": pmid},
        )
    ]
    said["reviews"] = {
        slug: standings(db, every[slug], [pmid], viewer)[pmid]
        | {"reasons": every[slug].reasons, "dual": every[slug].dual}
        for slug in held
        if slug in every
    }
    said["label_reviews"] = read_rows(db, _REVIEWS, {"pmids": json.dumps([pmid]), "viewer": viewer})
    return said


def label_reviews(db: sqlite3.Connection, pmids: Iterable[int]) -> dict[int, list[Row]]:
    """People's reviews of the machine's labels, by article; articles without any are left out."""
    rows = read_rows(db, _REVIEWS, {"pmids": json.dumps(list(pmids)), "viewer": None})
    return {pmid: list(each) for pmid, each in groupby(rows, key=lambda row: row["pmid"])}


def final_decisions(db: sqlite3.Connection, review: Review) -> Iterator[tuple[int, decisions.Outcome]]:
    """The outcome for each article of the question at the last stage that has one."""
    last = decisions.standings(db, review).last
    rows = db.execute(
        """
        select q.pmid from json_each(:pmids) given cross join question_articles q
        on q.question = :question and q.pmid = given.value where q.matching order by q.pmid
        """,
        {"pmids": json.dumps(list(last)), "question": review.question},
    )
    return ((pmid, last[pmid]) for (pmid,) in rows)


def _tags(rows: Iterable[dict[str, Any]]) -> list[Row]:
    """One entry per tag and question, however many people gave the tag."""
    by_tag: dict[tuple[int, str | None], dict[str, Any]] = {}
    for row in rows:
        about = {
            name: row[name] for name in ("id", "question", "name", "description", "colour", "group_name")
        }
        tag = by_tag.setdefault(
            (row["id"], row["question"]), about | {"people": [], "notes": [], "mine": False}
        )
        tag["people"].append(row["person"])
        tag["mine"] = tag["mine"] or bool(row["mine"])
        if row["note"]:
            tag["notes"].append((row["person"], row["note"]))
    return list(by_tag.values())
