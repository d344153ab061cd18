"""Caching by browsers and proxies: a tag that changes with everything that an answer depends on.

The tag comes from the state of the database files, not from the answer, so that "not modified" is answered before any
work is done.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Awaitable, Callable
from functools import cache, wraps
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tracker import __version__, topic
from tracker.clock import now
from tracker.evidence.cache import state
from tracker.questions import groups_of
from tracker.site.server.compat import Request, Response
from tracker.site.server.security import ANNOTATIONS, EVIDENCE

if TYPE_CHECKING:
    from datasette.app import Datasette

View = Callable[..., Awaitable[Response]]
# For a minute nobody needs to ask again: a refresh or a tag may show that much later.
CACHE_CONTROL = "public, max-age=60"
# An answer that depends on a cookie is for one reader only, and is revalidated each time.
PRIVATE = "private, no-cache"
# An opaque tag may hold commas; text between the tags of a list does not matter.
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def by_state(view: View) -> View:
    """The view with caching headers: for a repeated request while nothing has changed, it is not called.

    Only successful answers (200) are cached.
    """

    @wraps(view)
    async def answer(request: Request, datasette: Datasette) -> Response:
        tag = state_tag(datasette, request)
        headers = {
            "ETag": tag,
            "Cache-Control": PRIVATE if request.cookies or request.actor else CACHE_CONTROL,
            "Vary": "Accept-Encoding, Cookie, Authorization",
        }
        if not_modified(request, tag):
            return Response("", 304, headers)
        response: Response = await view(request, datasette)
        if response.status == 200:
            response.headers |= headers
            await asyncio.to_thread(_compress, request, response)
        return response

    return answer


def _compress(request: Request, response: Response) -> None:
    """Compress the page: text shrinks to a fifth, which helps phones on slow networks."""
    if _GZIP.search(request.headers.get("accept-encoding", "")):
        body = response.body if isinstance(response.body, bytes) else response.body.encode()
        response.body = gzip.compress(body, compresslevel=5, mtime=0)
        response.headers["Content-Encoding"] = "gzip"


def state_tag(datasette: Datasette, request: Request) -> str:
    """A weak ETag (RFC 9110, 8.8.3) for the answer to this request.

    It changes with either database, with the hour (pages count back from now), with our version, and with everything
    in the request that distinguishes readers. Take it before reading: then a write in between makes it too old,
    never too new.
    """
    parts = [
        __version__,
        _looks(),
        now()[:13],
        request.url,
        # Who is signed in, how and for how long; their messages and the token of their forms.
        repr(request.actor),
        *(request.headers.get(name, "") for name in ("cookie", "authorization")),
    ]
    for name in (EVIDENCE, ANNOTATIONS):
        if (database := datasette.databases.get(name)) and database.path:
            parts += (state(database.path), state(f"{database.path}-wal"))
    return f'W/"{sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"'


def not_modified(request: Request, tag: str) -> bool:
    """Whether the reader has this answer already: If-None-Match by weak comparison (RFC 9110, 13.1.2).

    ``*`` asks whether any answer exists, which is not known in advance: it is answered in full.
    """
    if request.method not in ("GET", "HEAD"):
        return False
    # Not request.headers, which keeps one of several.
    fields = request.scope.get("headers") or ()
    given = ", ".join(value.decode("latin-1") for name, value in fields if name == b"if-none-match")
    return tag.removeprefix("W/") in _TAG.findall(given)


@cache
def _looks() -> str:
    """A hash of what pages are made with beside the data (templates, the topic, the groups of questions): it may change
    without a new version.
    """
    files = sorted(Path(__file__).parents[1].glob("templates/*"))
    groups = sorted(groups_of(topic.folder().parent).items())
    parts = [*(file.read_bytes() for file in files), repr((topic.current(), groups)).encode()]
    return sha256(b"".join(parts)).hexdigest()
