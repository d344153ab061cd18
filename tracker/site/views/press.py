"""Peer review of a question's search strategy (PRESS 2015): every version's reviews, and the form for a peer."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracker.clock import now
from tracker.errors import NotThere, UsageError
from tracker.lists import methods, news
from tracker.lists.methods import SearchedVersion
from tracker.report.told import told, told_if_readable
from tracker.site.parts.page import Page, render
from tracker.site.server import access
from tracker.site.server.access import Form, Writer, write
from tracker.site.server.compat import NotFound, Request, Response
from tracker.site.server.errors import wants_json
from tracker.site.server.reader import read
from tracker.site.views.tagging import Done, with_done
from tracker.team import people, press
from tracker.team.acts import Act
from tracker.team.press import Element, PressReview

if TYPE_CHECKING:
    from datasette.app import Datasette


@dataclass(frozen=True, slots=True)
class PressPage(Page):
    """``version`` is the one that the form is for, ``mine`` the viewer's review of it, if there is one."""

    template = "tracker_press.html"
    slug: str
    title: str
    path: str
    versions: Sequence[SearchedVersion]
    version: SearchedVersion
    reviews: Sequence[PressReview]
    mine: PressReview | None
    elements: Sequence[Element]
    judgements: Mapping[str, str]
    today: str
    built_by: str


async def form(request: Request, datasette: Datasette) -> Response:
    """The reviews of a version (``strategy``, else the latest) and, for who may, the form."""
    slug, asked = request.url_vars["slug"], request.args.get("strategy") or ""
    path = datasette.urls.path(f"/questions/{slug}")
    viewer = access.viewer(request)
    built_by = told_if_readable(slug).built_by

    def query(db: sqlite3.Connection) -> PressPage | None:
        title = news.titles(db).get(slug)
        versions = methods.searched_versions(db, slug)
        version = next((each for each in versions if each.hash == asked), None)
        if not asked:
            version = methods.searched_version(db, slug)
        if title is None or version is None:
            return None
        reviews = press.reviews_of(db, slug, version.hash, viewer)
        mine = next((review for review in reversed(reviews) if review.mine), None)
        return PressPage(
            slug,
            title,
            path,
            versions[::-1],
            version,
            reviews,
            mine,
            press.ELEMENTS,
            press.JUDGEMENTS,
            now()[:10],
            built_by,
        )

    page: PressPage | None = await read(datasette, query)
    if page is None:
        raise NotFound(f"There is no such version of a strategy of {slug!r}.")
    return await render(datasette, request, page)


async def review(request: Request, datasette: Datasette, writer: Writer, form: Form) -> Response:
    """Keep the writer's review of a version (``strategy``); ``on`` 0 takes it back."""
    slug, strategy, on = request.url_vars["slug"], form.get("strategy"), form.get("on", "1") != "0"
    versions: list[SearchedVersion] = await read(datasette, lambda db: methods.searched_versions(db, slug))
    if strategy not in {version.hash for version in versions}:
        raise NotThere(f"{slug} has no version {strategy[:12]!r} of its strategy. Nothing was written.")
    if on and form.get("independent") != "1":
        raise UsageError(
            "confirm that you had no part in building the strategy: a peer reviews it. Nothing was written."
        )
    version = press.Version(slug, strategy, told(slug).built_by)

    def what(act: Act) -> Done:
        person = people.by_id(act.db, writer.person)
        assert person is not None
        # Who was renamed since keeps one review.
        reviewer = press.entered_by(act, version) or person.display_name
        if on:
            press.review(act, version, reviewer, form.get("reviewed") or act.when[:10], dict(form.pairs))
            return Done.by(act, "Peer review kept.")
        press.take_back(act, version, reviewer)
        return Done.by(act, "Took the peer review back.")

    done = await write(datasette, writer, what)
    if wants_json(request):
        return Response.json({"ok": True, **done._asdict()})
    back = form.get("back") or datasette.urls.path(f"/questions/{slug}/press")
    return Response.redirect(with_done(access.local_path(back), done), status=303)
