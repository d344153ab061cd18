"""The site's own address, for where it has to be written out: never just what a request claims.

A request can name any host (``Host``), and an answer that repeats it may be cached or indexed for others. So the
address is the configured one (TRACKER_SITE_URL); without it pages link to paths, and the host is only taken from the
request on this machine itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from datasette.app import Datasette

    from tracker.site.server.compat import Request

_THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")


def origin(datasette: Datasette, request: Request) -> str | None:
    """``https://example.org``, or None where it is not known."""
    configured: str | None = getattr(datasette, "origin", None)
    if configured:
        return configured
    return f"{request.scheme}://{request.host}" if _THIS_MACHINE.fullmatch(request.host) else None


def absolute(datasette: Datasette, request: Request, path: str) -> str:
    """The path with the site's address before it, or the path alone: both are links."""
    return (origin(datasette, request) or "") + path


def for_datasette(datasette: Datasette, request: Request, path: str) -> str:
    """Replaces Datasette's own. Its files keep the requested host, as programs follow ``next_url``."""
    if known := origin(datasette, request):
        return known + path
    is_file = "." in request.path.rpartition("/")[2]
    return str(urljoin(request.url, path)) if is_file else path
