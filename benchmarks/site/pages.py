"""The pages that are timed, and plain Datasette's nearest thing to each."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from html import unescape
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlencode

from benchmarks.site.corpus import ALMOST_ALL, HUNDREDTH, PHRASE, RARE, REVIEWS, SHARES, TAG, TENTH
from tracker.reading.findings import RESULT

# Datasette's tables, and how the newest are asked of it.
TABLE, LISTED = "/evidence/articles", "/evidence/question_articles"
NEWEST = "_sort_desc=published"

LARGE, LONG = ["101 to 500", "more than 500"], ["3 to 12 months", "more than a year"]
QUANTITIES = {"participants": "101 to 500", "follow_up": "more than a year"}
SEVEN = {
    "directness": "direct", "outcome": RESULT, "species": "humans", "drug": "ketamine", "route": "IV",
    "exposure": "therapeutic", "population": "depression",
}  # fmt: skip

# The largest question, in ours and in Datasette.
BIG, WHOLE = "/questions/cognition", f"{LISTED}?question=cognition"
FACETS = "/evidence/question_labels?question=cognition"

SEARCHES = {
    "rare word": RARE,
    "1 % word": HUNDREDTH,
    "10 % word": TENTH,
    "99 % word": ALMOST_ALL,
    "two words": f"{TENTH} {HUNDREDTH}",
    "two common words": f"{ALMOST_ALL} {TENTH}",
    "phrase": PHRASE,
    "prefix": "ket*",
    "no such word": "nosuchword",
}


class Page(NamedTuple):
    """A path of ours, and plain Datasette's nearest thing to it. ``streams`` has its first byte timed as well."""

    name: str
    path: str
    rival: str | None = None
    streams: bool = False


def pages(db: sqlite3.Connection, page: Callable[[str], str]) -> Iterator[Page]:
    """Every page that is timed; ``page`` gives the text of one of ours, for the links in it."""
    yield Page("home", "/", "/")
    yield Page("changes", "/changes", "/evidence/changes?_sort_desc=noticed")
    yield Page("methods", "/methods", "/evidence/searches")
    yield Page("robots.txt", "/robots.txt")
    yield Page("sitemap.xml", "/sitemap.xml")
    for slug in SHARES:
        yield Page(f"question {slug}", f"/questions/{slug}", f"{LISTED}?question={slug}&{NEWEST}")
        yield Page(f"table {slug}", f"/questions/{slug}/table")
        yield Page(f"review {slug}", f"/questions/{slug}/review")
    yield Page("table cognition, by design", "/questions/cognition/table?by=design")
    yield Page("trials", "/trials")
    yield from _filters(db)
    yield from _deeper(db, page)
    yield from _searches()
    yield from _articles(db)
    yield from _exports()
    yield Page("Datasette's table", TABLE, TABLE)
    yield Page("Datasette's facet", f"{LISTED}?_facet=question", f"{LISTED}?_facet=question")


def _filters(db: sqlite3.Connection) -> Iterator[Page]:
    (month,) = db.execute("select date(max(created), '-30 days') from articles").fetchone()
    for name, form, rival in (
        ("one label", {"design": "cohort study"}, _facet("design", "cohort study")),
        ("one rare label", {"design": "scoping review"}, _facet("design", "scoping review")),
        ("two of a group", {"design": ["meta-analysis", "systematic review"]}, None),
        ("two labels", {"design": "cohort study", "route": "oral"}, None),
        ("three, no match", {"design": "animal study", "evidence_level": REVIEWS, "route": "oral"}, None),
        ("years", {"from": 2015, "to": 2020}, f"{WHOLE}&published__gte=2015&published__lt=2021&{NEWEST}"),
        ("language", {"language": "ger"}, f"{TABLE}?languages=ger&{NEWEST}"),
        (
            "label, language, years",
            {"design": "cohort study", "language": "eng", "from": 2015, "to": 2020},
            None,
        ),
        ("direct", {"directness": "direct"}, _facet("directness", "direct")),
        ("direct or indirect", {"directness": ["direct", "indirect"]}, None),
        ("outcome", {"outcome": RESULT}, _facet("outcome", RESULT)),
        ("participants", {"participants": "101 to 500"}, _facet("participants", "101 to 500")),
        ("follow-up", {"follow_up": "more than a year"}, _facet("follow_up", "more than a year")),
        ("two bands of each quantity", {"participants": LARGE, "follow_up": LONG}, None),
        ("population, comparator", {"population": "depression", "comparator": "active placebo"}, None),
        ("direct, label", {"directness": "direct", "design": "randomised controlled trial"}, None),
        ("direct, outcome", {"directness": "direct", "outcome": RESULT}, None),
        ("direct, outcome, bands", {"directness": "direct", "outcome": RESULT} | QUANTITIES, None),
        ("direct, years", {"directness": "direct", "from": 2015, "to": 2020}, None),
        ("direct, sort by entered", {"directness": "direct", "sort": "entered"}, None),
        ("seven groups", SEVEN, None),
        ("created since", {"new": month}, None),
        ("created since, direct", {"new": month, "directness": "direct"}, None),
        ("tag", {"tag": TAG}, None),
        ("judged relevant", {"decision": "include"}, None),
        ("not looked at", {"decision": "none"}, None),
        ("sort by entered", {"sort": "entered"}, f"{WHOLE}&_sort_desc=entered"),
    ):
        yield Page(f"cognition, {name}", f"{BIG}?{urlencode(form, doseq=True)}", rival)
    for slug in SHARES:
        if slug != "cognition":
            yield Page(f"{slug}, direct", f"/questions/{slug}?directness=direct")
    # Of 3,000 records: small enough that the numbers beside each group in use are counted without it.
    for name, form in (
        ("one label", {"species": "humans"}),
        ("direct, outcome", {"directness": "direct", "outcome": RESULT}),
        ("three groups", {"directness": "direct", "species": "humans", "drug": "ketamine"}),
        ("seven groups", SEVEN),
    ):
        yield Page(f"cystitis, {name}", f"/questions/cystitis?{urlencode(form, doseq=True)}")


def _facet(group: str, value: str) -> str:
    return f"{FACETS}&{urlencode({'label_group': group, 'value': value})}&{NEWEST}"


def _deeper(db: sqlite3.Connection, page: Callable[[str], str]) -> Iterator[Page]:
    """The second page and the thirtieth, by the links to them; and one in the middle of the list."""
    path = BIG
    for number in range(2, 31):
        found = re.search(r'href="([^"]*[?&;]after=[^"]*)"', page(path))
        if not found:
            return
        path = unescape(found[1])
        path = path if path.startswith("/") else f"{BIG}{path}"
        if number in (2, 30):
            yield Page(f"cognition, page {number}", path)
    row = db.execute(
        """
        select published, pmid from question_articles where question = 'cognition' and matching
        and published < '2005-06' order by published desc, pmid desc limit 1
        """
    ).fetchone()
    if row:
        key = quote(f"{row[0]},{row[1]}")
        yield Page("cognition, in the middle", f"{BIG}?after={key}", f"{WHOLE}&{NEWEST}&_next={key}")


def _searches() -> Iterator[Page]:
    for name, text in SEARCHES.items():
        yield Page(f"cognition, search {name}", f"{BIG}?q={quote_plus(text)}")
    for name, text in SEARCHES.items():
        yield Page(f"all, search {name}", f"/search?q={quote_plus(text)}", _match(text))
    for name, form in (
        ("10 %, label, years", {"q": TENTH, "design": "cohort study", "from": 2015}),
        ("10 %, direct", {"q": TENTH, "directness": "direct"}),
        ("10 %, direct, band", {"q": TENTH, "directness": "direct", "participants": "101 to 500"}),
        ("1 %, direct, years", {"q": HUNDREDTH, "directness": "direct", "from": 2015}),
        ("99 %, direct", {"q": ALMOST_ALL, "directness": "direct"}),
        ("99 %, outcome, bands", {"q": ALMOST_ALL, "outcome": RESULT} | QUANTITIES),
        ("phrase, direct", {"q": PHRASE, "directness": "direct"}),
    ):
        yield Page(f"cognition, search {name}", f"{BIG}?{urlencode(form, doseq=True)}")


def _match(text: str) -> str:
    mode = "&_searchmode=raw" if text.endswith("*") else ""
    return f"{TABLE}?_fts_table=articles_fts&_fts_pk=pmid&_search={quote_plus(text)}{mode}"


def _articles(db: sqlite3.Connection) -> Iterator[Page]:
    one = """
    select q.pmid from question_articles q join articles a using (pmid)
    where q.question = 'cognition' and q.matching and q.pmid > 20000000
    """
    in_search = f"""a.pmid in (select rowid from articles_fts where articles_fts match '{HUNDREDTH}')
      and a.pmid in (select pmid from labels where label_group = 'design' and value = 'cohort study')"""
    directly = """exists (
      select 1 from directness d where d.question = 'cognition' and d.pmid = q.pmid and d.value = 'direct')"""
    for name, condition, rest in (
        ("plain", "not a.corrected", ""),
        ("retracted", "a.retracted", ""),
        ("registered trial", "exists (select 1 from registrations r where r.pmid = q.pmid)", ""),
        ("references", "exists (select 1 from cited_references r where r.pmid = q.pmid)", ""),
        ("finding", "exists (select 1 from findings f where f.pmid = q.pmid)", ""),
        ("in cognition", "a.pmcid is not null", "?in=cognition"),
        ("in a search", in_search, f"?in=cognition&q={HUNDREDTH}&design=cohort+study"),
        ("in those direct", directly, "?in=cognition&directness=direct"),
    ):
        found = db.execute(f"{one} and {condition} order by q.pmid limit 1").fetchone()
        if found:
            yield Page(f"article, {name}", f"/articles/{found[0]}{rest}", f"{TABLE}/{found[0]}")


def _exports() -> Iterator[Page]:
    for name, slug in (("psychotherapy.ris", "psychotherapy"), ("cystitis.csv", "cystitis")):
        yield Page(name, f"/questions/{name}", f"{LISTED}.csv?question={slug}&_stream=on", streams=True)
    yield Page("cystitis.csv, direct", "/questions/cystitis.csv?directness=direct", streams=True)
    yield Page("cognition.atom, 50, direct", "/questions/cognition.atom?newest=50&directness=direct")
    for slug in ("cognition", "psychotherapy"):
        rival = f"{LISTED}.json?question={slug}&_size=50&{NEWEST}"
        yield Page(f"{slug}.atom, 50", f"/questions/{slug}.atom?newest=50", rival)
