"""The reader pages: each reads through the ``_site`` connection and renders one template."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import Markup

from tracker.article import MAX_PMID, ArticleKey
from tracker.evidence.facets import FACTS, is_label
from tracker.evidence.identifiers import PUBMED
from tracker.evidence.wrongclock import is_ahead
from tracker.export.formats import FORMATS
from tracker.export.reference import references
from tracker.lists import citations, pages, selection
from tracker.lists.selection import Selection, Tallies
from tracker.site.parts import charts, filters, panels
from tracker.site.server import access, address, assets, compat
from tracker.site.server.compat import NotFound, Request, Response
from tracker.site.server.reader import read
from tracker.site.server.security import HIDDEN

if TYPE_CHECKING:
    from datasette.app import Datasette

# Labels that a clinician filters by first; whatever else there is follows.
FIRST_GROUPS = ("design", "evidence_level", "exposure", "drug", "population", "route")
# Cookies: when this look began, and the one before it.
LOOKS = ("seen", "looked")
SAME_LOOK = timedelta(hours=4)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?")


async def home(request: Request, datasette: Datasette) -> Response:
    found = await read(datasette, pages.home)
    for question in found["questions"]:
        years = question["by_year"]
        question["sparkline"] = charts.sparkline(years, min(years), max(years)) if years else ""
    return await page(datasette, request, "tracker_home.html", found)


async def question(request: Request, datasette: Datasette) -> Response:
    slug = request.url_vars["slug"]
    looked = _looked(request, slug)

    def query(db: sqlite3.Connection) -> tuple[Selection, dict[str, Any] | None]:
        choices = citations.label_choices(db, slug)
        chosen = filters.selection(request, slug, choices)
        found = pages.question(db, chosen, filters.after(request), looked, access.viewer(request))
        if found:
            found |= panels.said(db, request, found["articles"], slug)
            found["ignored"] = filters.ignored(request, choices)
        return chosen, found

    chosen, found = await read(datasette, query)
    if found is None:
        raise NotFound(f"There is no question {slug!r}.")
    path = datasette.urls.path(f"/questions/{slug}")
    context = found | {
        "looked": looked,
        "chosen": chosen,
        "path": path,
        "groups": [_choices(group, found["choices"], chosen) for group in _ordered(found["groups"])],
        "decisions": filters.DECISION_FILTERS | (filters.MY_FILTERS if access.viewer(request) else {}),
        **_list_context(chosen, path, found),
        "feed": path + ".atom" + filters.query(chosen._replace(sort="entered"), newest="50"),
        **_chart(found["designs"]),
    }
    return await page(datasette, request, "tracker_question.html", context)


async def search(request: Request, datasette: Datasette) -> Response:
    def query(db: sqlite3.Connection) -> tuple[Selection, dict[str, Any]]:
        choices = citations.label_choices(db)
        chosen = filters.selection(request, None, choices)
        found = pages.found(db, chosen, filters.after(request)) | {
            "ignored": filters.ignored(request, choices)
        }
        return chosen, found | panels.said(db, request, found.get("articles", ()), None)

    chosen, found = await read(datasette, query)
    path = datasette.urls.path("/search")
    context = found | {"chosen": chosen, "path": path}
    if chosen.text:
        context |= _list_context(chosen, path, found)
        context["at_pubmed"] = f"{PUBMED}?term={quote(chosen.text, safe='')}"
    return await page(datasette, request, "tracker_search.html", context)


async def article(request: Request, datasette: Datasette) -> Response:
    pmid = int(request.url_vars["pmid"])

    def query(db: sqlite3.Connection) -> dict[str, Any] | None:
        found = pages.article(db, ArticleKey(pmid))
        if found is None:
            return None
        (cited,) = citations.of_articles(db, [ArticleKey(pmid)])
        return {
            "article": found,
            "starter": found["starter"],
            "references": references(cited),
            **panels.said_of(db, request, ArticleKey(pmid)),
            **_beside(request, db, ArticleKey(pmid)),
        }

    found = await read(datasette, query) if pmid <= MAX_PMID else None
    if found is None:
        raise NotFound(f"PMID {pmid} is not stored here.")
    return await page(datasette, request, "tracker_article.html", found)


async def methods(request: Request, datasette: Datasette) -> Response:
    return await page(datasette, request, "tracker_methods.html", await read(datasette, pages.methods))


async def databases(request: Request, datasette: Datasette) -> Response:
    """Datasette's list of databases without those that nobody may see, and without paths of this machine."""
    listed = [
        {"name": name, "is_mutable": database.is_mutable, "is_memory": database.is_memory}
        for name, database in datasette.databases.items()
        if name not in HIDDEN and name != "_internal"
    ]
    return Response.json(listed)


async def page(datasette: Datasette, request: Request, template: str, context: Mapping[str, Any]) -> Response:
    """A template of ours with what all of them use.

    Datasette's own way renders asynchronously, which takes longer; and in the event loop, where everybody waits for a
    long page.
    """
    common = {
        "rights": await access.rights(datasette, request),
        "here": panels.here(request),
        "done": await panels.done(datasette, request),
        "canonical": address.absolute(datasette, request, datasette.urls.path(request.path)),
        "urls": compat.Urls(datasette),
        "static_file": partial(assets.address, datasette),
        "actor": request.actor,
        # A function: calling it sets a cookie, which an anonymous page must not.
        "csrftoken": request.scope.get("csrftoken"),
    }
    made = compat.templates(datasette).get_template(template)
    return Response.html(await asyncio.to_thread(made.render, {**common, **context}))


def _list_context(chosen: Selection, path: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """What every list needs beside its articles: filters that are on, addresses of its next page and exports."""
    place = chosen.question or "search"
    following = found["next"]
    return {
        "chips": filters.chips(chosen, path),
        "query": filters.query(chosen),
        "article_query": filters.query(chosen, **{"in": place}),
        "next_query": filters.query(chosen, after=f"{following[0]},{following[1]}") if following else None,
        "sorts": {
            sort: (title, path + filters.query(chosen._replace(sort=sort)))
            for sort, title in filters.SORTS.items()
        },
        "formats": [
            (format.title, f"{path}.{format.extension}{filters.query(chosen)}") for format in FORMATS.values()
        ],
    }


def _ordered(groups: Tallies) -> list[str]:
    """The groups to filter by: labels first, then PubMed's facts."""
    labels = sorted(filter(is_label, groups))
    first = [group for group in FIRST_GROUPS if group in labels]
    return [
        *first,
        *(group for group in labels if group not in first),
        *(group for group in FACTS if group in groups),
    ]


def _choices(
    group: str, choices: Mapping[str, Mapping[str, int | None]], chosen: Selection
) -> dict[str, Any]:
    """A group with the values that lead to something, or are on, each with its number; the most frequent first."""
    picked = chosen.labels.get(group, ())
    totals: dict[str, int | None] = {**dict.fromkeys(picked, 0), **choices.get(group, {})}
    # Levels have an order of their own.
    order = sorted(
        totals, key=lambda value: (0 if group == "evidence_level" else -(totals[value] or 0), value)
    )
    return {
        "name": group,
        "title": filters.group_title(group),
        "is_label": is_label(group),
        "values": [
            {
                "value": value,
                "title": filters.value_title(group, value),
                "n": totals[value],
                "on": value in picked,
            }
            for value in order
        ],
    }


def _chart(designs: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Designs by year, as a picture and as a table."""
    return _drawn(tuple((design, tuple(by_year.items())) for design, by_year in designs.items()))


@lru_cache(maxsize=64)
def _drawn(designs: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]) -> dict[str, Any]:
    """A thousand bars take some milliseconds; most readers see the same ones."""
    counts = {design: pages.by_year(dict(by_year)) for design, by_year in designs}
    years = {year for by_year in counts.values() for year in by_year}
    if not years:
        return {"chart": Markup(), "chart_table": Markup()}
    undated = {design: dict(by_year)[""] for design, by_year in designs if "" in dict(by_year)}
    total = {design: sum(n for _, n in by_year) for design, by_year in designs}
    ordered = {design: counts[design] for design in sorted(counts, key=lambda design: -total[design])}
    options: dict[str, Any] = {"id": "by-design", "name": "Records by study design and year"}
    return {
        "chart": charts.year_by_label(ordered, min(years), max(years), undated, **options),
        "chart_table": charts.year_table(ordered, min(years), max(years), undated, **options),
    }


def _beside(request: Request, db: sqlite3.Connection, pmid: ArticleKey) -> dict[str, Any]:
    """The list that the reader came from, with what stands before and after the article there."""
    place = request.args.get("in")
    if not place:
        return {}
    slug = None if place == "search" else place
    chosen = filters.selection(request, slug, citations.label_choices(db, slug))
    title = "the search" if slug is None else dict(db.execute("select slug, title from questions")).get(slug)
    if title is None:
        return {}
    before, behind = selection.neighbours(db, chosen, pmid)
    return {
        "list_title": title,
        "list_path": ("/search" if slug is None else f"/questions/{slug}") + filters.query(chosen),
        "article_query": filters.query(chosen, **{"in": place}),
        "before": before,
        "behind": behind,
    }


def _looked(request: Request, slug: str) -> str | None:
    """When the reader looked last: ``?since=``, or what the page's script noted in cookies.

    The script notes when this look began; within some hours it is still the same look.
    """
    asked = _moment(request.args.get("since"))
    looks = (_moment(request.cookies.get(f"{name}-{slug}")) for name in LOOKS)
    # The reader's clock may have been ahead once.
    seen, before = (None if is_ahead(look) else look for look in looks)
    same_look = (datetime.now(UTC) - SAME_LOOK).strftime("%Y-%m-%dT%H:%M:%SZ")
    return asked or (seen if seen and seen < same_look else before)


def _moment(text: str | None) -> str | None:
    """The text where it is a UTC moment, or a day."""
    with suppress(ValueError):
        if text and _MOMENT.fullmatch(text) and datetime.fromisoformat(text):
            return text
    return None
