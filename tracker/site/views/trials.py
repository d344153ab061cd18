"""Registered trials: what runs, what ended, what was published, and what ended long ago without a word."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tracker import clock
from tracker.enrich.runs import last_runs
from tracker.enrich.trials import State, Trial, trials_of
from tracker.lists import news
from tracker.site.parts.page import Page, render
from tracker.site.server.compat import NotFound, Request, Response
from tracker.site.server.reader import read

if TYPE_CHECKING:
    from datasette.app import Datasette

# The name under which enrichment keeps the registry's answers.
REGISTRY = "clinicaltrials"
# Trials of a question that one page names.
MOST = 500


class Section(NamedTuple):
    """A question's trials: how many are in each state, and those that the page shows."""

    slug: str
    title: str
    counts: Mapping[State, int]
    trials: Sequence[Trial]
    more: int


@dataclass(frozen=True, slots=True)
class TrialsPage(Page):
    """``one`` is the question that the page is about; without it, all are on it. ``asked`` is when the registry was."""

    template = "tracker_trials.html"
    sections: Sequence[Section]
    one: Section | None
    state: State | None
    path: str
    asked: str | None
    states: Sequence[State]


async def all_trials(request: Request, datasette: Datasette) -> Response:
    """The trials of every question."""
    return await render(
        datasette, request, await read(datasette, lambda db: _page(db, request, datasette, None))
    )


async def of_question(request: Request, datasette: Datasette) -> Response:
    """The trials of one question. Raises NotFound for a question that there is not."""
    slug = request.url_vars["slug"]
    page: TrialsPage = await read(datasette, lambda db: _page(db, request, datasette, slug))
    if page.one is None:
        raise NotFound(f"Unknown question {slug!r}.")
    return await render(datasette, request, page)


def _page(db: sqlite3.Connection, request: Request, datasette: Datasette, slug: str | None) -> TrialsPage:
    state = _state(request)
    titles = {name: title for name, title in news.titles(db).items() if slug in (None, name)}
    sections = list(_sections(db, titles, state))
    return TrialsPage(
        sections=sections,
        one=next((section for section in sections if section.slug == slug), None),
        state=state,
        path=datasette.urls.path(f"/questions/{slug}/trials" if slug else "/trials"),
        asked=next((row["finished"] for row in last_runs(db) if row["source"] == REGISTRY), None),
        states=list(State),
    )


def _sections(db: sqlite3.Connection, titles: Mapping[str, str], state: State | None) -> Iterator[Section]:
    today = clock.today()
    for slug, title in titles.items():
        trials = trials_of(db, slug, today)
        counts = {each: n for each in State if (n := sum(trial.state == each for trial in trials))}
        shown = [trial for trial in trials if state in (None, trial.state)]
        yield Section(slug, title, counts, shown[:MOST], max(len(shown) - MOST, 0))


def _state(request: Request) -> State | None:
    """The state that the address asks for; None for all of them."""
    with suppress(ValueError):
        return State(request.args.get("state") or "")
    return None
