"""What people say of a paper, as pages show it beside the record, with the forms for those who may write."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from tracker.article import ArticleKey
from tracker.evidence.facets import is_label
from tracker.lists import citations
from tracker.reading.labels import groups
from tracker.reading.rules import all_rules
from tracker.site import words
from tracker.site.server import access, compat
from tracker.site.server.compat import Request
from tracker.site.server.reader import read
from tracker.team import alerts, by_article, log, vocabulary
from tracker.team.review import reviews

if TYPE_CHECKING:
    from datasette.app import Datasette

# Events shown on a paper's own page; the log has all.
LOGGED = 20
# What an address says of what was just done.
DONE = ("done", "unchanged", "refused")
PARTS = ("tags", "decisions", "settlements", "notes")


async def panels(
    datasette: Datasette,
    request: Request,
    question: str | None,
    pmids: Sequence[int],
    *,
    on_article: bool,
    back: str,
) -> dict[int, str]:
    """For each paper of a list (or alone, ``on_article``) what people say of it, as the page ``back`` has it."""
    place = "any" if on_article and question is None else question

    def query(db: sqlite3.Connection) -> dict[int, dict[str, Any]]:
        if on_article:
            return {pmid: said_of(db, request, ArticleKey(pmid)) for pmid in pmids}
        found = said(db, request, [{"pmid": pmid} for pmid in pmids], question)
        return {pmid: found | {"given": found["said"][pmid]} for pmid in pmids}

    common = {
        "rights": await access.rights(datasette, request),
        "csrftoken": request.scope.get("csrftoken"),
        "urls": compat.Urls(datasette),
        "here": back.partition("#")[0],
        "done": None,
    }
    parts = compat.templates(datasette).get_template("_tracker_tagging.html")

    def render(papers: Mapping[int, dict[str, Any]]) -> dict[int, str]:
        made = {}
        for pmid, found in papers.items():
            if on_article and place not in found["places"]:
                continue
            given = found["places"][place or "any"] if on_article else found["given"]
            reasons = given.get("reasons", found.get("reasons", ()))
            module: Any = parts.make_module({**common, **found, "reasons": reasons})
            made[pmid] = str(module.panel(pmid, given, question))
        return made

    return await asyncio.to_thread(render, await read(datasette, query))


def said(
    db: sqlite3.Connection, request: Request, articles: Iterable[Mapping[str, Any]], slug: str | None
) -> dict[str, Any]:
    """What people say of the papers of a list, and what a panel's forms offer."""
    viewer = access.viewer(request)
    review = reviews(db).get(slug or "")
    return {
        "said": by_article.of_articles(db, [article["pmid"] for article in articles], slug, viewer),
        "reasons": review.reasons if review else (),
        "vocabulary": vocabulary.groups(db, "annotations") if viewer else [],
        "abstracts": _abstracts(db, [article["pmid"] for article in articles]) if viewer else {},
        "titles": dict(db.execute("select slug, title from questions").fetchall()),
    }


def _abstracts(db: sqlite3.Connection, pmids: Sequence[int]) -> dict[int, str]:
    """As sanitised HTML, for those who screen by title and abstract."""
    rows = db.execute(
        "select pmid, abstract_html from articles where pmid in (select value from json_each(?))",
        (json.dumps(list(pmids)),),
    )
    return {pmid: html for pmid, html in rows if html}


def said_of(db: sqlite3.Connection, request: Request, pmid: ArticleKey) -> dict[str, Any]:
    """The same for one paper: by question that holds it, and ``any`` for what was said for none of those."""
    viewer = access.viewer(request)
    whole = by_article.of_article(db, pmid, viewer)
    places = {slug: standing | {part: [] for part in PARTS} for slug, standing in whole["reviews"].items()}
    places["any"] = {part: [] for part in PARTS}
    for part in PARTS:
        for row in whole[part]:
            places[row["question"] if row["question"] in places else "any"][part].append(row)
    # Where the reader came from, keys decide; so it comes first.
    came = request.args.get("in")
    if came in places:
        places = {came: places[came]} | places
    reviewed: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in whole["label_reviews"]:
        reviewed.setdefault((row["label_group"], row["machine_value"]), []).append(row)
    return {
        "places": places,
        "came": came,
        "said_somewhere": any(places[slug][part] for slug in places for part in PARTS),
        "read": [
            list(pair) for pair in db.execute("select label_group, value from labels where pmid = ?", (pmid,))
        ],
        "label_groups": label_groups(db) if viewer else [],
        "label_choices": choices,
        "label_reviews": reviewed,
        "alerts": alerts.of_article(db, pmid, viewer),
        "log": log.events(db, viewer, pmid=pmid, limit=LOGGED) if viewer else [],
        "vocabulary": vocabulary.groups(db, "annotations") if viewer else [],
        "titles": dict(db.execute("select slug, title from questions").fetchall()),
    }


def choices(group: str) -> tuple[str, ...]:
    """The values that a label of this group can have, where the machine's rules name them all."""
    rules = all_rules().get(group)
    named = rules and groups()[group].kind in ("one", "many")
    return tuple(sorted({rule.value for rule in rules.rules})) if rules and named else ()


def label_groups(db: sqlite3.Connection) -> list[str]:
    """The groups of labels that can be corrected: those of the registry, and whatever else was read."""
    others = filter(is_label, citations.label_choices(db))
    return list(dict.fromkeys((*groups(), *sorted(others))))


async def done(datasette: Datasette, request: Request) -> dict[str, Any] | None:
    """What the viewer has just done, as the address names it, to say so and to offer undoing it."""
    viewer, batch = access.viewer(request), request.args.get("done") or ""
    if viewer is None or not (batch.isdecimal() or request.args.get("unchanged")):
        return None
    if not batch:
        return {"message": "Nothing changed: it was so already.", "pmids": [], "undoable": False}
    found: dict[str, Any] | None = await read(datasette, lambda db: log.batch(db, viewer, int(batch[:18])))
    return found and found | {"batch": int(batch), "message": words.done(found, request.args.get("refused"))}


def here(request: Request) -> str:
    """Where a form leads back to: this page, without what it says was done.

    Each form of a page repeats it, so an address that is too long to be led back to is cut to its path.
    """
    pairs = [pair for pair in parse_qsl(request.query_string) if pair[0] not in DONE]
    address = str(request.path) + (f"?{urlencode(pairs)}" if pairs else "")
    return address if len(address) <= access.LONGEST_PATH else str(request.path)
