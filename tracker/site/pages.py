"""The reader pages: each reads through the ``_site`` connection and renders one template."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracker.article import MAX_PMID, Pmid
from tracker.site.compat import NotFound, Request, Response
from tracker.site.security import HIDDEN, SITE
from tracker.store import browse

if TYPE_CHECKING:
    from datasette.app import Datasette

_KEY = re.compile(r"(\d{4}(?:-\d\d){0,2}|),(\d{1,10})")


async def home(request: Request, datasette: Datasette) -> Response:
    return await _page(datasette, request, "tracker_home.html", await _read(datasette, browse.home))


async def question(request: Request, datasette: Datasette) -> Response:
    slug = request.url_vars["slug"]
    found = await _read(datasette, lambda db: browse.question(db, slug, _after(request)))
    if found is None:
        raise NotFound(f"There is no question {slug!r}.")
    return await _page(datasette, request, "tracker_question.html", found)


async def article(request: Request, datasette: Datasette) -> Response:
    pmid = int(request.url_vars["pmid"])
    found = await _read(datasette, lambda db: browse.article(db, Pmid(pmid))) if pmid <= MAX_PMID else None
    if found is None:
        raise NotFound(f"PMID {pmid} is not stored here.")
    return await _page(
        datasette, request, "tracker_article.html", {"article": found, "starter": found["starter"]}
    )


async def methods(request: Request, datasette: Datasette) -> Response:
    return await _page(datasette, request, "tracker_methods.html", await _read(datasette, browse.methods))


async def databases(datasette: Datasette) -> Response:
    """Datasette's list of databases without those that nobody may see, and without paths of this machine."""
    listed = [
        {"name": name, "is_mutable": database.is_mutable, "is_memory": database.is_memory}
        for name, database in datasette.databases.items()
        if name not in HIDDEN and name != "_internal"
    ]
    return Response.json(listed)


def _after(request: Request) -> tuple[str, int] | None:
    """Where in the list the page starts, from the URL's ``after``; anything but a key of ours means the top."""
    found = _KEY.fullmatch(request.args.get("after") or "")
    return (found[1], int(found[2])) if found else None


async def _read(datasette: Datasette, query: Callable[[sqlite3.Connection], Any]) -> Any:
    return await datasette.get_database(SITE).execute_fn(query)


async def _page(datasette: Datasette, request: Request, template: str, context: dict[str, Any]) -> Response:
    return Response.html(await datasette.render_template(template, context, request=request))
