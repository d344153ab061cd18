"""Answers to errors: one plain page (or JSON), and one line in the log.

Datasette's own handler prints every local variable of every call to the log, also for a mistyped address.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup, escape

from tracker.site.server.compat import Base400, DatasetteError, QueryInterrupted, Request, Response

if TYPE_CHECKING:
    from datasette.app import Datasette

log = logging.getLogger("tracker.site")


class Failure(NamedTuple):
    status: int
    title: str
    message: str | Markup


async def error_response(datasette: Datasette, request: Request, exception: Exception) -> Response:
    """The answer when a view raised ``exception``."""
    failure = _failure(request, exception)
    # RFC 9110, 11.6.1: a client asked to authenticate must be told how.
    headers = {"WWW-Authenticate": "Bearer"} if failure.status == 401 else getattr(exception, "headers", {})
    if request.path.endswith(".json") or wants_json(request):
        answer = {
            "ok": False,
            "error": str(failure.message),
            "status": failure.status,
            "title": failure.title,
        }
        return Response.json(answer, status=failure.status, headers=headers)
    page = await datasette.render_template("tracker_error.html", failure._asdict(), request=request)
    return Response.html(page, status=failure.status, headers=headers)


def wants_json(request: Request) -> bool:
    """Whether a program asks; a browser that shows a page prefers HTML."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _failure(request: Request, exception: Exception) -> Failure:
    if isinstance(exception, DatasetteError):
        message = exception.message
        shown = Markup(message) if exception.message_is_html else escape(message)  # noqa: S704 - Datasette's own
        return Failure(exception.status, exception.title or _title(exception.status), shown)
    if isinstance(exception, QueryInterrupted):
        return Failure(400, "SQL interrupted", "The query took longer than this site allows.")
    if isinstance(exception, Base400):
        reason = str(exception.args[0]) if exception.args else ""
        return Failure(exception.status, _title(exception.status), "" if reason == "404" else reason)
    log.error("%s %s failed", request.method, request.path, exc_info=exception)
    return Failure(500, "Something went wrong", "This is not your fault. The error is in the site's log.")


def _title(status: int) -> str:
    return {401: "Sign in first", 403: "Not allowed", 404: "Not found", 503: "Busy"}.get(
        status, "That did not work"
    )
