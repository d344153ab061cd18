"""What a list shows of each article: citation, status, labels read from it, and the records that belong with it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from tracker.article import ArticleKey
from tracker.enrich import added
from tracker.evidence import facets, search
from tracker.evidence.rows import read_rows
from tracker.reading.labels import groups

# Enough to see that there are more; a registry number shared by hundreds is not a trial.
MOST_REPORTS = 6
# PubMed links a preprint and its article with these types, from either side.
_PAIRING = "'UpdateIn', 'UpdateOf'"

_ARTICLES = """
select a.pmid, a.title, a.title_html, a.authors_text,
  coalesce(a.iso_abbreviation, a.medline_abbreviation, a.journal) as journal,
  a.published, a.created, a.doi, a.pmcid, a.retracted, a.withdrawn, a.expression_of_concern, a.corrected, a.is_notice,
  a.title_says, a.by_title,
  q.entered, q.reason, (select s.checked from record_state s where s.pmid = a.pmid) as checked,
  (select s.source from record_state s where s.pmid = a.pmid) as source,
  (select e.source from external_records e where e.id = -a.pmid) as database
from json_each(:pmids) given
join articles a on a.pmid = given.value
left join question_articles q on q.question = :question and q.pmid = a.pmid
"""
_LABELS = """
select pmid, label_group, value from labels
where pmid in (select value from json_each(:pmids)) order by pmid, label_group, value
"""
_REGISTRATIONS = f"""
select distinct pmid, bank, number from registrations
where pmid in (select value from json_each(:pmids)) and number <> ''
  and bank in ({", ".join(f"'{bank}'" for bank in facets.REGISTRIES)})
order by pmid, number
"""
# Only records of the same question, if there is one: those that a reader of the list would also find.
_IN_LIST = """(:question is null or exists (
  select 1 from question_articles m where m.question = :question and m.pmid = a.pmid and m.matching))"""
# A record that is named under another one shows its own marks as well.
_NAMED = (
    "a.pmid, a.title_html, a.published, a.retracted, a.withdrawn, a.expression_of_concern, a.corrected, a.is_notice, "
    "a.title_says, a.by_title"
)
_REPORTS = f"""
select r.number, {_NAMED}
from json_each(:numbers) given
join registrations r on r.number = given.value
join articles a on a.pmid = r.pmid
where {_IN_LIST} limit 1000
"""
_PAIRS = f"""
select n.pmid as of, {_NAMED}, 0 as probable,
  exists (select 1 from labels l where l.pmid = n.pmid and l.label_group = 'publication' and l.value = 'preprint')
    as preprint,
  exists (select 1 from labels l where l.pmid = a.pmid and l.label_group = 'publication' and l.value = 'preprint')
    as other_is_preprint
from notices n join articles a on a.pmid = n.other_pmid
where n.pmid in (select value from json_each(:pmids)) and a.pmid <> n.pmid and n.type in ({_PAIRING}) and {_IN_LIST}
union all
select p.preprint, {_NAMED}, not p.same_authors, 1, 0
from preprint_pairs p join articles a on a.pmid = p.pmid
where p.preprint in (select value from json_each(:pmids)) and {_IN_LIST}
union all
select p.pmid, {_NAMED}, not p.same_authors, 0, 1
from preprint_pairs p join articles a on a.pmid = p.preprint
where p.pmid in (select value from json_each(:pmids)) and {_IN_LIST}
"""


def read_entries(
    db: sqlite3.Connection,
    pmids: Sequence[ArticleKey],
    question: str | None = None,
    text: str = "",
    *,
    fold: bool = True,
) -> list[dict[str, Any]]:
    """The articles in this order, each with ``labels`` (values by group), ``trials`` and its ``snippet``.

    ``trials`` are its registrations, each with the other ``reports`` of the trial in the same question;
    ``preprint_of`` and ``preprints`` link a preprint and its article, ``probable`` where only their titles say so;
    ``outside`` are notices that PubMed lacks; ``full_text`` is the best link to text that is free, or None. With
    ``fold``, an article that is shown under another one of the list is left out.
    """
    given = {"pmids": json.dumps(list(pmids)), "question": question}
    rows = {row["pmid"]: row for row in read_rows(db, _ARTICLES, given)}
    articles = [rows[pmid] for pmid in pmids if pmid in rows]
    labels = _by_pmid(read_rows(db, _LABELS, given))
    snippets = search.snippets(db, text, pmids, MARKS) if text else {}
    for article in articles:
        article["labels"] = _in_order(labels.get(article["pmid"], []))
        article["snippet"] = snippets.get(article["pmid"])
    _add_trials(db, articles, given)
    _add_preprints(db, articles, given)
    _add_what_others_say(db, articles)
    return list(_unfolded(articles)) if fold else articles


def _in_order(rows: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """The values of each group, in the order of the registry; of other groups after them."""
    read = {
        group: [row["value"] for row in of_group]
        for group, of_group in groupby(rows, key=lambda row: row["label_group"])
    }
    return {group: read[group] for group in (*groups(), *read) if group in read}


# Placed around what a search matched; no text contains them, as no record may hold control characters.
MARKS = ("\x02", "\x03")


def _add_what_others_say(db: sqlite3.Connection, articles: Sequence[dict[str, Any]]) -> None:
    # A paper that is named under another one bears its notices as well.
    named = [other for article in articles for other in _named_under(article)]
    outside = added.outside_notices_of(db, {paper["pmid"] for paper in (*articles, *named)})
    for paper in (*articles, *named):
        paper["outside"] = outside.get(paper["pmid"], ())
    links = added.links_of(db, [article["pmid"] for article in articles])
    for article in articles:
        article["full_text"] = next((link for link in links.get(article["pmid"], ()) if link.open), None)


def _named_under(article: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for trial in article["trials"]:
        yield from trial["reports"]
    yield from (*article["preprints"], *article["preprint_of"])


def _add_trials(db: sqlite3.Connection, articles: Iterable[dict[str, Any]], given: dict[str, Any]) -> None:
    registered = _by_pmid(read_rows(db, _REGISTRATIONS, given))
    numbers = sorted({row["number"] for rows in registered.values() for row in rows})
    reports: dict[str, list[dict[str, Any]]] = {}
    if numbers:
        for row in read_rows(db, _REPORTS, given | {"numbers": json.dumps(numbers)}):
            reports.setdefault(row["number"], []).append(row)
    for of_trial in reports.values():
        of_trial.sort(key=lambda row: (row["published"] or "", row["pmid"]), reverse=True)
    for article in articles:
        article["trials"] = [
            {
                "bank": row["bank"],
                "number": row["number"],
                "reports": [
                    report for report in reports.get(row["number"], []) if report["pmid"] != article["pmid"]
                ],
            }
            for row in registered.get(article["pmid"], [])
        ]


def _add_preprints(db: sqlite3.Connection, articles: Sequence[dict[str, Any]], given: dict[str, Any]) -> None:
    pairs: dict[int, list[dict[str, Any]]] = {}
    for row in read_rows(db, _PAIRS, given):
        known = pairs.setdefault(row["of"], [])
        # What PubMed links comes first.
        if all(other["pmid"] != row["pmid"] for other in known):
            known.append(row)
    for article in articles:
        of_article = pairs.get(article["pmid"], [])
        article["preprint_of"] = [
            row for row in of_article if row["preprint"] and not row["other_is_preprint"]
        ]
        article["preprints"] = [row for row in of_article if row["other_is_preprint"] and not row["preprint"]]
    # PubMed may record the pair on one side only.
    by_pmid = {article["pmid"]: article for article in articles}
    for article in articles:
        for row in article["preprint_of"]:
            other = by_pmid.get(row["pmid"])
            if other and all(known["pmid"] != article["pmid"] for known in other["preprints"]):
                other["preprints"].append(article)
        for row in article["preprints"]:
            other = by_pmid.get(row["pmid"])
            if other and all(known["pmid"] != article["pmid"] for known in other["preprint_of"]):
                other["preprint_of"].append(article)


def _unfolded(articles: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """Articles with an entry of their own: a preprint goes under its article, a later trial report under the first.

    Each article left out is named under one that is not: so an article that has its preprint under it stays.
    """
    shown = {article["pmid"] for article in articles}
    hosts = {
        article["pmid"]: {row["pmid"] for row in article["preprint_of"] if not row.get("probable")} & shown
        for article in articles
    }
    under = {pmid for pmid, above in hosts.items() if above}
    staying = set().union(*hosts.values())
    for article in articles:
        if article["pmid"] not in under:
            staying.add(article["pmid"])
            under |= {report["pmid"] for trial in article["trials"] for report in trial["reports"]} - staying
    for article in articles:
        if article["pmid"] in under:
            continue
        named = {row["pmid"] for row in article["preprints"]}
        for trial in article["trials"]:
            others = [report for report in trial["reports"] if report["pmid"] not in named]
            # An article left out on this page must be named on it.
            trial["reports"] = [
                report
                for place, report in enumerate(others)
                if place < MOST_REPORTS or report["pmid"] in shown
            ]
            trial["more"] = len(others) - len(trial["reports"])
        yield article


def _by_pmid(rows: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    return {pmid: list(of_article) for pmid, of_article in groupby(rows, key=lambda row: int(row["pmid"]))}
