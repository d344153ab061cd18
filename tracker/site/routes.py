"""Every address of the site: its view, who may read or write, whether answers may be cached, and its policy.

The plugin passes the views to Datasette, security looks up the policy, and the tests read the rights. To add a page,
add it here as well as its view and its template.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal

from tracker.site.server import access, etag
from tracker.site.server.access import View
from tracker.site.server.compat import Request, Response
from tracker.site.server.security import EVIDENCE, Policy
from tracker.site.views import (
    exports,
    indexes,
    news,
    pages,
    press,
    report,
    review,
    signin,
    subscribe,
    tagging,
    team,
    trials,
    watch,
)

if TYPE_CHECKING:
    from datasette.app import Datasette


class Readers(Enum):
    """Who may read: on a closed site, ``READERS`` are people who are signed in."""

    EVERYBODY = auto()
    READERS = auto()
    TEAM = auto()


# People with one of these permissions, or a token with such a scope; the owner of an account, in the browser only;
# or anybody, if the view checks for itself.
Writers = tuple[str, ...] | Literal["owner", "anybody"]


@dataclass(frozen=True, slots=True)
class Route:
    """An address, as a regular expression whose groups the views find in ``request.url_vars``.

    ``read`` answers if there is no ``write``, or else GET and HEAD; ``write`` takes a form. ``by_state`` lets
    answers be cached for as long as the databases do not change. A route without a view is one of Datasette's.
    """

    path: str
    read: View | None = None
    write: Callable[..., Awaitable[Response]] | None = None
    by_state: bool = False
    readers: Readers = Readers.READERS
    writers: Writers = ()
    policy: Policy = Policy.STRICT


_QUESTION = r"^/questions/(?P<slug>[a-z0-9-]+)"
_ARTICLE = r"^/articles/(?P<pmid>x?[1-9][0-9]{0,9})"
# The random part of a subscription's links.
_NAME = r"(?P<name>[A-Za-z0-9_-]{32})"

# The first route that matches an address answers.
ROUTES = (
    Route(r"^/$", pages.home, by_state=True),
    Route(_QUESTION + "$", pages.question, by_state=True),
    # A file has its own tag, which changes with its content.
    Route(_QUESTION + exports.ENDING, exports.question),
    Route(_QUESTION + "/table$", report.evidence_table, by_state=True),
    Route(_QUESTION + "/table" + report.ENDING, report.evidence_table_file),
    Route(rf"{_QUESTION}/(?P<file>{report.REPORT_FILE})$", report.report_file),
    Route(_ARTICLE + "$", pages.article, by_state=True),
    Route(_QUESTION + "/trials$", trials.of_question, by_state=True),
    Route(r"^/trials$", trials.all_trials, by_state=True),
    Route(r"^/changes$", news.changes, by_state=True),
    Route(r"^/changes\.atom$", news.feed, by_state=True),
    Route(r"^/methods$", pages.methods, by_state=True),
    Route(r"^/search$", pages.search, by_state=True),
    Route(r"^/search" + exports.ENDING, exports.search),
    Route(r"^/robots\.txt$", indexes.robots, by_state=True, readers=Readers.EVERYBODY),
    Route(r"^/sitemap\.xml$", indexes.sitemap),
    Route(r"^/sitemaps/pages\.xml$", indexes.pages),
    Route(r"^/sitemaps/articles-(?P<block>[0-9]{1,5})\.xml$", indexes.articles),
    # A program that watches the site need not sign in to learn whether it is well.
    Route(r"^/-/health$", watch.health, readers=Readers.EVERYBODY),
    Route(r"^/-/metrics$", watch.metrics),
    Route(r"^/-/databases(?P<format>\.json)?$", pages.databases),
    Route(
        r"^/sign-in$", signin.sign_in_form, write=signin.sign_in, readers=Readers.EVERYBODY, writers="anybody"
    ),
    Route(r"^/subscribe$", subscribe.form, write=subscribe.ask, writers="anybody"),
    # The links of mails: whoever has one may do what it is for, and no more.
    Route(
        rf"^/subscribe/{_NAME}$",
        subscribe.confirm_form,
        write=subscribe.confirm,
        readers=Readers.EVERYBODY,
        writers="anybody",
    ),
    Route(
        rf"^/unsubscribe/{_NAME}$",
        subscribe.leave_form,
        write=subscribe.leave,
        readers=Readers.EVERYBODY,
        writers="anybody",
    ),
    Route(r"^/sign-out$", write=signin.sign_out, writers="anybody"),
    # The view itself sends a stranger to the form.
    Route(r"^/account$", signin.account, readers=Readers.EVERYBODY),
    Route(r"^/account/password$", write=signin.change_password, writers="owner"),
    Route(r"^/account/tokens$", write=signin.make_token, writers="owner"),
    Route(r"^/account/tokens/revoke$", write=signin.revoke_token, writers="owner"),
    Route(r"^/account/sessions$", write=signin.end_sessions, writers="owner"),
    Route(_ARTICLE + "/tag$", write=tagging.tag, writers=("tracker-tag",)),
    Route(_ARTICLE + "/decide$", write=tagging.decide, writers=("tracker-decide",)),
    Route(_ARTICLE + "/note$", write=tagging.note, writers=("tracker-tag",)),
    Route(_ARTICLE + "/label$", write=tagging.label, writers=("tracker-tag",)),
    Route(_ARTICLE + "/place$", write=tagging.move, writers=("tracker-tag",)),
    # Both check for themselves which of these rights an action needs.
    Route(
        _QUESTION + "/bulk$",
        tagging.show_bulk,
        write=tagging.do_bulk,
        writers=("tracker-tag", "tracker-decide"),
    ),
    Route(r"^/undo$", write=tagging.undo, writers=("tracker-tag", "tracker-decide", "tracker-lead")),
    Route(_QUESTION + "/review$", review.review, by_state=True),
    Route(_QUESTION + r"/review\.json$", review.review_json, by_state=True),
    Route(_QUESTION + "/labels$", write=review.choose_labels, writers=("tracker-decide",)),
    Route(_QUESTION + "/settle$", write=review.settle, writers=("tracker-lead",)),
    Route(_QUESTION + "/press$", press.form, write=press.review, writers=("tracker-decide",)),
    Route(r"^/my-work$", team.my_work, by_state=True, readers=Readers.TEAM),
    Route(r"^/log$", team.log, by_state=True, readers=Readers.TEAM),
    Route(r"^/alerts$", team.withdrawn, by_state=True),
    Route(r"^/alerts\.atom$", team.feed, by_state=True),
    Route(r"^/alerts/seen$", write=team.see, writers=("tracker-tag",)),
    Route(r"^/tags$", team.tags, by_state=True),
    Route(r"^/tags/change$", write=team.change_vocabulary, writers=("tracker-lead",)),
    # Datasette's tables and queries, its pages about itself, and its static files.
    Route(rf"^/{EVIDENCE}(?:\.|$)", policy=Policy.DATASETTES),
    Route(rf"^/{EVIDENCE}/", policy=Policy.DATASETTES),
    Route(r"^/-/", policy=Policy.DATASETTES),
)
# First parts of paths that have pages of the site below them: the site itself cannot be served below one of these.
TAKEN = frozenset(match[1] for route in ROUTES if (match := re.match(r"\^(/[a-z-]+/)", route.path)))


def registered() -> Iterator[tuple[str, View]]:
    """The routes for Datasette: each of our addresses with its view, in the table's order."""
    return ((route.path, _view(route)) for route in ROUTES if route.read or route.write)


def policy_of(path: str) -> Policy:
    """The policy for answers at this path; the strict one if there is no route."""
    return next((route.policy for route in ROUTES if re.match(route.path, path)), Policy.STRICT)


def family_of(path: str) -> str:
    """The family of pages that answers at this path, by its file in ``views/``; ``datasette``, or ``none``."""
    route = next((route for route in ROUTES if re.match(route.path, path)), None)
    if route is None:
        return "none"
    view = route.read or route.write
    return view.__module__.rpartition(".")[2] if view else "datasette"


def takes_one_click(path: str) -> bool:
    """Whether a POST here comes from a mail program (RFC 8058), which has neither cookies nor a form's token."""
    return re.match(rf"^/unsubscribe/{_NAME}$", path) is not None


def _view(route: Route) -> View:
    read = _guarded_read(route, route.read) if route.read else None
    write = _guarded_write(route, route.write) if route.write else None
    if read and write:
        return _by_method(read, write)
    view = read or write
    assert view is not None
    return view


def _guarded_read(route: Route, view: View) -> View:
    """First checks who may read, then whether the reader already has the answer."""
    if route.readers is Readers.TEAM:
        view = access.for_team(view)
    if route.by_state:
        view = etag.by_state(view)
    return view if route.readers is Readers.EVERYBODY else access.for_readers(view)


def _guarded_write(route: Route, view: Callable[..., Awaitable[Response]]) -> View:
    if route.writers == "anybody":
        return view
    if route.writers == "owner":
        return signin.for_owner(view)
    return access.for_writers(view, route.writers)


def _by_method(read: View, write: View) -> View:
    async def answer(request: Request, datasette: Datasette) -> Response:
        view = read if request.method in ("GET", "HEAD") else write
        return await view(request, datasette)

    return answer
