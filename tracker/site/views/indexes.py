"""What search engines read first: robots.txt and a sitemap of all our pages."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from tracker.site.server import address, etag
from tracker.site.server.access import is_closed
from tracker.site.server.compat import NotFound, Request, Response
from tracker.site.server.security import EVIDENCE, SITE

if TYPE_CHECKING:
    from datasette.app import Datasette

# Articles with neighbouring PMIDs share a sitemap, which may hold 50,000 addresses (https://www.sitemaps.org/).
BLOCK = 50_000
XML = "application/xml; charset=utf-8"
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

# From each block straight to the next one that holds an article: as many steps as there are blocks.
_BLOCKS = """
with recursive blocks (block) as (
  select min(pmid) / :size from articles where pmid > 0
  union all
  select (select min(pmid) from articles where pmid >= (block + 1) * :size) / :size from blocks
  where block is not null
)
select block from blocks where block is not null
"""


class Place(NamedTuple):
    """A path, and the day on which its content last changed, if known."""

    path: str
    changed: str | None = None


async def robots(request: Request, datasette: Datasette) -> Response:
    """Search engines may index our pages, but not tables by query, exports and Datasette's pages about itself.

    Paths with query strings are endless variants of the same list: other orders, or parts of it.
    """
    path = datasette.urls.path
    if is_closed(datasette):
        # A closed site serves this to everybody: robots that cannot read it take all as allowed (RFC 9309, 2.3.1.3).
        return Response.text("User-agent: *\nDisallow: /\n")
    lines = [
        "User-agent: *",
        # The longest rule wins (RFC 9309): pages need their style sheets.
        f"Allow: {path('/-/static/')}",
        f"Allow: {path('/-/static-plugins/')}",
        f"Disallow: {path('/-/')}",
        f"Disallow: {path('/sign-in')}",
        f"Disallow: {path('/')}*?",
        f"Allow: {path('/questions/')}*.atom$",
        f"Disallow: {path('/questions/')}*.",
        f"Disallow: {path('/search.')}",
        f"Disallow: {path(f'/{EVIDENCE}.')}",
        f"Disallow: {path(f'/{EVIDENCE}/')}*.",
        "",
    ]
    if here := address.origin(datasette, request):
        lines += [f"Sitemap: {here}{path('/sitemap.xml')}", ""]
    return Response.text("\n".join(lines), headers={"Cache-Control": "public, max-age=3600"})


async def sitemap(request: Request, datasette: Datasette) -> Response:
    """The sitemap of sitemaps."""

    def query(db: sqlite3.Connection) -> list[Place]:
        blocks = db.execute(_BLOCKS, {"size": BLOCK})
        return [
            Place("/sitemaps/pages.xml"),
            *(Place(f"/sitemaps/articles-{block}.xml") for (block,) in blocks),
        ]

    return await _answer(datasette, request, "sitemapindex", "sitemap", query)


async def pages(request: Request, datasette: Datasette) -> Response:
    """The pages that exist whatever is stored. Search is left out: without a query it shows nothing."""

    def query(db: sqlite3.Connection) -> list[Place]:
        slugs = db.execute("select slug from questions order by position, slug")
        return [
            Place("/"),
            *(Place(f"/questions/{slug}") for (slug,) in slugs),
            Place("/changes"),
            Place("/trials"),
            Place("/methods"),
        ]

    return await _answer(datasette, request, "urlset", "url", query)


async def articles(request: Request, datasette: Datasette) -> Response:
    """The articles of one block. Raises NotFound if it holds none."""
    first = int(request.url_vars["block"]) * BLOCK

    def query(db: sqlite3.Connection) -> list[Place]:
        rows = db.execute(
            "select pmid, revised from articles where pmid >= :first and pmid < :behind order by pmid",
            {"first": first, "behind": first + BLOCK},
        )
        return [Place(f"/articles/{pmid}", revised) for pmid, revised in rows]

    return await _answer(datasette, request, "urlset", "url", query)


async def _answer(
    datasette: Datasette,
    request: Request,
    root: str,
    entry: str,
    query: Callable[[sqlite3.Connection], list[Place]],
) -> Response:
    here = address.origin(datasette, request)
    if here is None:
        raise NotFound(
            "A sitemap needs full addresses, but this site's own address is not set (TRACKER_SITE_URL)."
        )
    tag = etag.state_tag(datasette, request)
    headers = {"ETag": tag, "Cache-Control": etag.CACHE_CONTROL}
    if etag.not_modified(request, tag):
        return Response("", 304, headers, XML)
    site = here + datasette.urls.path("/").removesuffix("/")

    def write(db: sqlite3.Connection) -> str | None:
        places = query(db)
        return "".join(_xml(root, entry, site, places)) if places else None

    text = await datasette.get_database(SITE).execute_fn(write)
    if text is None:
        raise NotFound("No article with such a PMID is stored here.")
    return Response(text, 200, headers, XML)


def _xml(root: str, entry: str, site: str, places: Iterable[Place]) -> Iterator[str]:
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">\n'
    for path, changed in places:
        day = f"<lastmod>{changed}</lastmod>" if changed and _is_day(changed) else ""
        yield f"<{entry}><loc>{escape(site + path)}</loc>{day}</{entry}>\n"
    yield f"</{root}>\n"


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False
