"""What the reader pages show, as plain dictionaries. Every query is by key: none grows with the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tracker import topic
from tracker.article import ArticleKey
from tracker.evidence import facets, identifiers, search
from tracker.evidence.articles import present
from tracker.evidence.cache import cached
from tracker.evidence.questions import STARTER
from tracker.evidence.questions import has_starter as has_starter_of
from tracker.evidence.rows import read_rows
from tracker.evidence.show import show
from tracker.lists import news
from tracker.lists.entries import read_entries
from tracker.lists.selection import (
    NARROW,
    TAGGED_FOR,
    TOP,
    Count,
    Key,
    Reader,
    Selection,
    Tallies,
    count,
    newest_with,
    page,
    tallies,
    tallies_of,
)
from tracker.team import blind, by_article
from tracker.team.review import reviews

PAGE, RUNS, RECENT_DAYS = 25, 20, 30
LEADING, LEADING_APART = 5, 3
# The designs that answer a question most directly, as rules/design.yml names them.
REVIEWS = ("meta-analysis", "systematic review", "guideline")
TRIALS = ("randomised controlled trial",)
# Records of a question up to which every choice has its number.
COUNTED_AGAIN = 10_000
# Whatever the topic: values that are never one total, in the order in which they come.
NEVER_SUMMED = {"exposure": ("therapeutic", "recreational")}

_QUESTION = """
select slug, title, question, claim, pico, complete_to, incomplete_since, incomplete_reason, strategy, bottom_line,
  harms,
  (select s.strategy from strategies s where s.hash = questions.strategy) as strategy_text
from questions
"""


def home(db: sqlite3.Connection) -> dict[str, Any]:
    """Every question with its numbers and its newest review and trial, and what was lately withdrawn or corrected."""
    questions = read_rows(db, f"{_QUESTION} order by position, slug")
    for question in questions:
        slug = question["slug"]
        question |= _standing(db, slug)
        question["by_year"] = by_year(tallies_of(db, slug, facets.EVERYTHING).get("", {}))
        for name, designs in (("review", REVIEWS), ("trial", TRIALS)):
            found = newest_with(db, slug, "design", designs, 1)
            question[name] = next(iter(read_entries(db, found, slug)), None)
        if not question["review"] and not question["trial"]:
            question["newest"] = read_entries(db, page(db, Selection(slug), size=2).pmids, slug)
    return {"questions": questions, "standing": news.standing(db), "starter": has_starter(db)}


def question(
    db: sqlite3.Connection,
    selection: Selection,
    after: Key = TOP,
    looked: str | None = None,
    viewer: int | None = None,
) -> dict[str, Any] | None:
    """One question with a page of its list, and what is to be said of the whole; None where there is none.

    ``looked`` is the moment at which the reader looked last, ``viewer`` who they are where they are signed in.
    """
    slug = selection.question
    found = read_rows(db, f"{_QUESTION} where slug = :slug", {"slug": slug})
    if not found or slug is None:
        return None
    about = found[0] | _standing(db, slug) | looked_at(db, slug)
    about["pico"] = json.loads(about["pico"] or "{}")
    about["bottom_line"] = _bottom_line(db, about)
    first_page = after == TOP
    whole = cached(db, ("tallies", slug), lambda: tallies(db, Selection(slug)) or {})
    reader = Reader(db, selection)
    narrowed = whole if selection.is_whole else reader.tallies()
    counted = narrowed if narrowed is not None else whole
    return {
        "question": about,
        "preprints": cached(db, ("preprints", slug), lambda: preprints_of_listed(db, slug)),
        "tags": tags_in_use(db, slug, viewer),
        "first_page": first_page,
        "whole": selection.is_whole,
        "starter": about["starter"],
        "designs": counted.get("design", {}),
        "levels": [
            (level, sum(years.values())) for level, years in sorted(counted.get("evidence_level", {}).items())
        ],
        "narrowed": narrowed is not None,
        "groups": whole,
        "choices": _choices(db, selection, counted, whole),
        "apart": [(group, _apart(whole, group)) for group in never_summed() if group in whole],
        "leading": list(leading(db, slug, whole)) if first_page and selection.is_whole else [],
        "since": news.since(db, slug, looked) if looked else None,
        **_page(db, reader, after),
    }


def _page(db: sqlite3.Connection, reader: Reader, after: Key) -> dict[str, Any]:
    """``articles`` of a list, how many there are (``count``), what they are sorted by, and the ``next`` key."""
    found = reader.page(after, PAGE)
    return {
        "articles": read_entries(db, found.pmids, reader.selection.question, reader.selection.text),
        "next": found.next,
        "count": reader.count(),
        "sorted_by": reader.sort,
    }


def leading(db: sqlite3.Connection, slug: str, whole: Tallies) -> Iterator[dict[str, Any]]:
    """Newest reviews and guidelines, then trials; where exposures were read, each exposure by itself.

    Those of which it is not known come last, and are not left out.
    """
    exposures = [value for value, _ in _apart(whole, "exposure")] if "exposure" in whole else []
    # Blocks by exposure are three times as many.
    size = LEADING_APART if exposures else LEADING
    for exposure in (*exposures, None):
        for name, designs in (("reviews", REVIEWS), ("trials", TRIALS)):
            also = ("exposure", exposure) if exposure else None
            without = "exposure" if exposures and not exposure else None
            newest = newest_with(db, slug, "design", designs, size, also=also, without=without)
            articles = read_entries(db, newest, slug)
            if articles:
                known = exposure or ("exposure not recognised" if exposures else None)
                yield {
                    "name": name,
                    "exposure": exposure,
                    "apart": known,
                    "designs": designs,
                    "articles": articles,
                }


def looked_at(db: sqlite3.Connection, slug: str) -> dict[str, int]:
    """How many of the question's records as many people as it wants have decided on, and how many are judged relevant.

    What counts is the last stage at which they did; of what a blind review still hides, nothing does.
    """
    found = [one for _, one in by_article.final_decisions(db, reviews(db)[slug])]
    return {"looked_at": len(found), "relevant": sum(one.decision == "include" for one in found)}


def tags_in_use(db: sqlite3.Connection, slug: str, viewer: int | None = None) -> list[str]:
    """The tags that articles have for this question, or for any, as far as the viewer may know."""
    rows = db.execute(
        f"""
        select distinct t.name from annotations.tags t
        where t.retired is null and exists (
          select 1 from annotations.taggings g
          where g.tag = t.id and {TAGGED_FOR} and {blind.visible("g")})
        order by t.name
        """,
        {"question": slug, "viewer": viewer},
    )
    return [name for (name,) in rows]


def preprints_of_listed(db: sqlite3.Connection, slug: str, most: int = 1000) -> int:
    """How many of the question's preprints, the latest ``most`` of them, have their article in its list."""
    found: int = db.execute(
        """
        select count(*) from (
          select pmid from question_labels
          where question = :slug and label_group = 'publication' and value = 'preprint'
          order by published desc, pmid desc limit :most) l
        where exists (
          select 1 from notices n join question_articles q on q.question = :slug and q.pmid = n.other_pmid
          where n.pmid = l.pmid and n.type = 'UpdateIn' and q.matching)
        """,
        {"slug": slug, "most": most},
    ).fetchone()[0]
    return found


def by_year(counts: Mapping[str, int]) -> dict[int, int]:
    """Numbers by year as text as numbers by year; what has none is left out."""
    return {int(year): n for year, n in counts.items() if year}


def _choices(
    db: sqlite3.Connection, selection: Selection, narrowed: Tallies, whole: Tallies
) -> dict[str, dict[str, int | None]]:
    """What each group can be narrowed to, with how many records that leaves; None where it is not counted.

    Of a group that is chosen from, as if it were not, as another value would add to it: in a large question that
    takes longer than a reader should wait.
    """
    found: dict[str, dict[str, int | None]] = {
        group: {value: sum(years.values()) for value, years in values.items()}
        for group, values in narrowed.items()
    }
    is_large = sum(whole.get(facets.EVERYTHING, {}).get("", {}).values()) > COUNTED_AGAIN
    for group in selection.labels:
        labels = {name: values for name, values in selection.labels.items() if name != group}
        others = None if is_large else tallies(db, selection._replace(labels=labels))
        if others is not None:
            found[group] = {value: sum(years.values()) for value, years in others.get(group, {}).items()}
        elif is_large:
            found[group] = dict.fromkeys(whole.get(group, {})) | found.get(group, {})
    return found


def _bottom_line(db: sqlite3.Connection, question: dict[str, Any]) -> dict[str, Any] | None:
    """What people concluded, with the papers that it rests on and how much that leads a list came since."""
    if not question["bottom_line"]:
        return None
    line: dict[str, Any] = json.loads(question["bottom_line"])
    line["articles"] = read_entries(db, line["pmids"], fold=False)
    line["missing"] = sorted(set(line["pmids"]) - present(db, line["pmids"]))
    line["withdrawn"] = [
        article
        for article in line["articles"]
        if article["retracted"] or article["withdrawn"] or article["expression_of_concern"]
    ]
    for name, designs in (("newer_reviews", REVIEWS), ("newer_trials", TRIALS)):
        since = Selection(question["slug"], {"design": designs}, created_since=line["date"])
        line[name] = count(db, since)
    return line


def never_summed() -> dict[str, tuple[str, ...]]:
    """Label groups whose values are never one total, each with the values that come first: any topic's, and ours."""
    return NEVER_SUMMED | dict(topic.current().never_summed)


def _apart(whole: Tallies, group: str) -> list[tuple[str, int]]:
    """Each value of a group whose values are never added up, in its own order, with its number."""
    order = never_summed()[group]
    totals = {value: sum(years.values()) for value, years in whole[group].items()}
    known = [value for value in order if value in totals]
    others = sorted(totals.keys() - set(known), key=lambda value: (-totals[value], value))
    return [(value, totals[value]) for value in (*known, *others)]


def article(db: sqlite3.Connection, pmid: ArticleKey) -> dict[str, Any] | None:
    """All that is stored about a record (see ``show``), with each author's affiliations beside the name."""
    record = show(db, pmid)
    if record is None:
        return None
    for position, author in enumerate(record["authors"], 1):
        author["affiliations"] = [
            entry["affiliation"] for entry in record["affiliations"] if entry["author"] == position
        ]
    record["question_titles"] = dict(db.execute("select slug, title from questions").fetchall())
    record["starter"] = (record["state"] or {}).get("source") == "starter"
    (row,) = read_entries(db, [pmid])
    record |= {name: row[name] for name in ("trials", "preprint_of", "preprints")}
    record["is_preprint"] = "preprint" in row["labels"].get("publication", [])
    linked = [notice["other_pmid"] for notice in record["notices"] if notice["other_pmid"]]
    record["stored_here"] = present(db, linked)
    return record


def found(db: sqlite3.Connection, selection: Selection, after: Key = TOP) -> dict[str, Any]:
    """A page of what a search over everything finds, and how much of it stands in which question."""
    questions = read_rows(db, "select slug, title from questions order by position, slug")
    about = {"questions": questions, "starter": has_starter(db)}
    if not selection.text:
        return about
    reader = Reader(db, selection)
    counts = reader.counts_within(question["slug"] for question in questions)
    for question in questions:
        question["count"] = counts and counts[question["slug"]]
    given = reader.named or identifiers.identifiers(selection.text)
    borrowed = [] if given else search.borrowed(selection.text)
    elsewhere = [one for one in given if not one.pmids]
    asked = {"named": reader.named, "elsewhere": elsewhere, "borrowed": borrowed}
    return about | asked | _page(db, reader, after)


def methods(db: sqlite3.Connection) -> dict[str, Any]:
    """Each question's latest search as it was run, with its seed papers; and the latest runs."""
    questions = read_rows(db, f"{_QUESTION} order by position, slug")
    for question in questions:
        question |= _standing(db, question["slug"])
        question["searches"] = read_rows(
            db,
            """
            select query, translation, errors, warnings, count, entered, left_count, kept, reconciled, reason,
              started, seconds, run
            from searches where question = :slug and purpose = 'strategy' order by id desc limit 1
            """,
            {"slug": question["slug"]},
        )
        for run in question["searches"]:
            run["remarks"] = json.loads(run["errors"]) + json.loads(run["warnings"])
        question["seeds"] = read_rows(
            db,
            "select pmid, title, found, record_title from seeds where question = :slug order by pmid",
            {"slug": question["slug"]},
        )
    runs = read_rows(
        db,
        "select id, command, started, finished, outcome, reason from runs order by id desc limit :runs",
        {"runs": RUNS},
    )
    return {"questions": questions, "runs": runs, "starter": has_starter(db)}


def has_starter(db: sqlite3.Connection) -> bool:
    """Whether starter citations are still shown for some question."""
    found = db.execute("select exists (select 1 from record_state where source = 'starter')").fetchone()
    return bool(found[0])


def _standing(db: sqlite3.Connection, slug: str) -> dict[str, Any]:
    """How many records match, how many of them PubMed created lately, and whether they are starter citations."""
    recent = (datetime.now(UTC) - timedelta(days=RECENT_DAYS)).strftime("%Y-%m-%d")
    return cached(db, ("standing", slug, recent), lambda: _standing_since(db, slug, recent))


def _standing_since(db: sqlite3.Connection, slug: str, recent: str) -> dict[str, Any]:
    (new,) = db.execute(
        """
        select count(*) from (
          select 1 from question_articles
          where question = ? and created >= ? and matching and reason <> ? limit ?)
        """,
        (slug, recent, STARTER, NARROW + 1),
    ).fetchone()
    return {
        "matching": count(db, Selection(slug)).n,
        "starter": has_starter_of(db, slug),
        "new": Count(min(new, NARROW), new <= NARROW),
        "recent": recent,
    }
