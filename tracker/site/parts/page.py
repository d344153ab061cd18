"""Rendering our pages: each page has a class whose fields its template reads by name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from tracker.site.parts import panels
from tracker.site.server import access, address, assets, compat
from tracker.site.server.compat import Request, Response

if TYPE_CHECKING:
    from datasette.app import Datasette


@dataclass(frozen=True, slots=True)
class Page:
    """What one page shows: its fields are the names that ``template`` reads."""

    template: ClassVar[str]

    def context(self) -> Mapping[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


async def render(datasette: Datasette, request: Request, page: Page) -> Response:
    """The page, with what all templates use.

    Datasette's own way renders asynchronously, which takes longer, and in the event loop, where a long page makes
    everybody wait.
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
        "is_mailing": getattr(datasette, "outbox", None) is not None,
        "csrftoken": request.scope.get("csrftoken"),
    }
    template = compat.templates(datasette).get_template(page.template)
    return Response.html(await asyncio.to_thread(template.render, {**common, **page.context()}))
