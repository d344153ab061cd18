"""A question's evidence table, as a page and as files."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from tracker.article import ArticleKey, parse_key, spelt
from tracker.errors import either
from tracker.evidence.questions import has_starter
from tracker.evidence.rows import Row
from tracker.lists import citations, news, pages
from tracker.lists.selection import Reader, Selection
from tracker.reading.labels import groups
from tracker.reading.rules import all_rules
from tracker.report import files, reports, table
from tracker.report.formats import FORMATS, Format
from tracker.report.order import OUTCOME, PUBLISHED, SORTS, Sorting, usual
from tracker.report.reports import REPORTS
from tracker.report.reports import Format as ReportFormat
from tracker.report.table import Bearing, Strategy, Table, Wanted
from tracker.site.parts import filters
from tracker.site.parts.choices import ChoiceGroup, choice_groups
from tracker.site.parts.page import Page, render
from tracker.site.server import access, address
from tracker.site.server.compat import BadRequest, NotFound, Request, Response
from tracker.site.server.reader import read
from tracker.site.views import exports
from tracker.team import by_article
from tracker.team.placements import GROUP

if TYPE_CHECKING:
    from datasette.app import Datasette

EXTENSIONS = {format.extension: format for format in FORMATS.values()}
ENDING = rf"\.(?P<extension>{'|'.join(map(re.escape, EXTENSIONS))})$"
# In the address instead of a directness: records however they bear on the question.
ANY = "any"


# Columns behind the first, as the page heads them: words that are short, for a wide table.
TITLES = {
    "design": "Design",
    "population": "Population",
    "drug": "Drug",
    "route": "Route",
    "dose": "Dose",
    "comparator": "Comparator",
    "participants": "n",
    "follow_up": "Follow-up",
    OUTCOME: "What the abstract says of the outcome",
    GROUP: "How it bears on the question",
}


class Column(NamedTuple):
    """A column's heading; ``address`` is the table sorted by it, ``sorted`` its ``aria-sort``, if it is."""

    name: str
    title: str
    address: str | None
    sorted: str | None


@dataclass(frozen=True, slots=True)
class TablePage(Page):
    template = "tracker_table.html"
    question: Row
    strategy: Strategy | None
    updated: str
    shown: Table
    said: Mapping[int, Mapping[str, Any]]
    titles: Mapping[str, str]
    columns: Sequence[Column]
    bearings: Sequence[tuple[Bearing, str]]
    every: str
    chosen: Selection
    hidden: Sequence[tuple[str, str]]
    path: str
    first_page: bool
    chips: Sequence[filters.Chip]
    groups: Sequence[ChoiceGroup]
    ignored: Sequence[str]
    formats: Sequence[tuple[str, str]]
    first: str
    next: str | None
    starter: bool


async def evidence_table(request: Request, datasette: Datasette) -> Response:
    slug = request.url_vars["slug"]
    path = datasette.urls.path(f"/questions/{slug}")
    page: TablePage | None = await read(datasette, lambda db: _page(db, request, slug, path))
    if page is None:
        raise NotFound(f"Unknown question {slug!r}.")
    return await render(datasette, request, page)


def _page(db: sqlite3.Connection, request: Request, slug: str, path: str) -> TablePage | None:
    question = table.question(db, slug)
    if question is None:
        return None
    choices = citations.label_choices(db, slug, access.viewer(request))
    wanted, after = _wanted(db, request, slug, choices), _after(request)
    chosen, viewer = wanted.selection, access.viewer(request)
    shown = table.table(db, wanted, after)
    is_told = table.is_told(db, slug, viewer)
    at = _Addresses(f"{path}/table", shown.sorting, is_told)
    pmids = [report.pmid for study in shown.studies for report in study.reports]
    whole = table.whole(db, slug, viewer)
    narrowed = Reader(db, chosen).tallies() or whole
    narrower = {group: values for group, values in chosen.labels.items() if group != GROUP}
    return TablePage(
        question=question,
        strategy=table.strategy(db, slug),
        updated=files.updated(db, slug),
        shown=shown,
        said=by_article.of_articles(db, pmids, slug, viewer),
        titles=news.titles(db),
        columns=_columns(at, chosen, shown.can_be_sorted),
        bearings=[
            (each, at.page(_bearing(chosen, each.value)))
            for each in (table.bearings(db, chosen) if is_told else [])
        ],
        every=at.page(_bearing(chosen)),
        chosen=chosen,
        hidden=at.order,
        path=path,
        first_page=after is None,
        chips=filters.chips(
            chosen._replace(labels=narrower), at.path, lambda rest: at.query(_bearing_as(chosen, rest))
        ),
        groups=choice_groups(whole, pages.choices(db, chosen, narrowed, whole), chosen),
        ignored=filters.ignored(request, {**choices, GROUP: [*choices.get(GROUP, ()), ANY]}),
        formats=[
            (format.title, f"{at.path}.{format.extension}{at.query(chosen)}") for format in FORMATS.values()
        ],
        first=at.page(chosen),
        next=at.page(chosen, after=spelt(shown.next)) if shown.next else None,
        starter=has_starter(db, slug),
    )


# -- files -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _TableFile:
    request: Request
    slug: str
    format: Format
    is_short: bool = False

    @property
    def name(self) -> str:
        return f"{self.slug}-evidence-table"

    def check(self, db: sqlite3.Connection) -> None:
        files.checked(db, self._wanted(db).selection)

    def write(self, db: sqlite3.Connection, out: BinaryIO) -> None:
        files.write(db, self._wanted(db), self.format.name, out)

    def _wanted(self, db: sqlite3.Connection) -> Wanted:
        exports.check_question(db, self.slug)
        choices = citations.label_choices(db, self.slug, access.viewer(self.request))
        return _wanted(db, self.request, self.slug, choices, strict=True)


async def evidence_table_file(request: Request, datasette: Datasette) -> Response:
    """``/questions/SLUG/table.EXT``: the whole table under the same filters, as ``tracker report`` writes it.

    Raises NotFound and BadRequest as ``exports.question`` does.
    """
    slug, format = request.url_vars["slug"], EXTENSIONS[request.url_vars["extension"]]
    return await exports.stream(datasette, request, _TableFile(request, slug, format))


# -- reports that the log writes -------------------------------------------------------------------

# The end of the address of a report as a file.
REPORT_FILE = "|".join(
    rf"{name}\.(?:{'|'.join(format.extension for format in report.formats.values())})"
    for name, report in REPORTS.items()
)


@dataclass(frozen=True, slots=True)
class _ReportFile:
    """A report of a question; ``home`` is the address of the question's page."""

    report: str
    slug: str
    home: str
    format: ReportFormat
    is_short: bool = True

    @property
    def name(self) -> str:
        return f"{self.slug}-{self.report}"

    def check(self, db: sqlite3.Connection) -> None:
        exports.check_question(db, self.slug)

    def write(self, db: sqlite3.Connection, out: BinaryIO) -> None:
        exports.check_question(db, self.slug)
        out.write(reports.write(db, self.report, self.format.name, self.slug, self.home))


async def report_file(request: Request, datasette: Datasette) -> Response:
    """``/questions/SLUG/REPORT.EXT``, as ``tracker report`` writes it. Raises NotFound for an unknown question."""
    slug = request.url_vars["slug"]
    name, _, extension = request.url_vars["file"].rpartition(".")
    format = next(each for each in REPORTS[name].formats.values() if each.extension == extension)
    home = address.absolute(datasette, request, datasette.urls.path(f"/questions/{slug}"))
    return await exports.stream(datasette, request, _ReportFile(name, slug, home, format))


# -- addresses -------------------------------------------------------------------------------------


def _wanted(
    db: sqlite3.Connection,
    request: Request,
    slug: str,
    choices: Mapping[str, Sequence[str]],
    *,
    strict: bool = False,
) -> Wanted:
    """What the address asks for: what bears directly on the question, unless it says otherwise."""
    asks_any = ANY in request.args.getlist(GROUP)
    chosen = filters.selection(request, slug, choices, strict=strict)._replace(sort="published")
    labels = {group: values for group, values in chosen.labels.items() if group != GROUP or not asks_any}
    chosen = chosen._replace(labels=labels)
    return Wanted(chosen if asks_any else table.direct_only(db, chosen), _sorting(request))


def _sorting(request: Request) -> Sorting:
    by, order = request.args.get("by") or PUBLISHED, request.args.get("order")
    if by not in SORTS:
        raise BadRequest(f"The table is not sorted by {by!r}. Use {either(SORTS)}.")
    if order not in (None, "", "ascending", "descending"):
        raise BadRequest(f"Unknown order {order!r}. Use ascending or descending.")
    return Sorting(by, order == "ascending") if order else usual(by)


def _after(request: Request) -> ArticleKey | None:
    """The record behind which the page begins; anything that is no key means the top."""
    text = request.args.get("after") or ""
    with suppress(ValueError):
        return parse_key(text)
    return None


class _Addresses(NamedTuple):
    """The addresses of a table in one order; ``is_told`` is whether records say how they bear on the question."""

    path: str
    sorting: Sorting
    is_told: bool

    @property
    def order(self) -> list[tuple[str, str]]:
        """The parameters that say in which order the table is, unless it is the usual one."""
        by, ascending = self.sorting
        order = "ascending" if ascending else "descending"
        return [] if self.sorting == Sorting() else [("by", by), ("order", order)]

    def query(self, chosen: Selection, **more: str) -> str:
        asks_any = {GROUP: ANY} if self.is_told and GROUP not in chosen.labels else {}
        return filters.query(chosen, **asks_any, **dict(self.order), **more)

    def page(self, chosen: Selection, **more: str) -> str:
        return self.path + self.query(chosen, **more)


def _bearing(chosen: Selection, *values: str) -> Selection:
    """The same records as far as they bear on the question like this; however they do, without a value."""
    others = {group: each for group, each in chosen.labels.items() if group != GROUP}
    return chosen._replace(labels={**others, GROUP: values} if values else others)


def _bearing_as(chosen: Selection, rest: Selection) -> Selection:
    """Another selection that keeps how records bear on the question."""
    return _bearing(rest, *chosen.labels.get(GROUP, ()))


def _columns(at: _Addresses, chosen: Selection, can_be_sorted: bool) -> list[Column]:
    return [
        Column(PUBLISHED, "Report, by date", *_sorted_by(PUBLISHED, at, chosen)),
        *(
            Column(group, title, *(_sorted_by(group, at, chosen) if can_be_sorted else (None, None)))
            for group, title in TITLES.items()
            if group not in groups() or group in all_rules()
        ),
    ]


def _sorted_by(name: str, at: _Addresses, chosen: Selection) -> tuple[str | None, str | None]:
    """Where a heading leads, and how the table is sorted by it now: then it leads to the other direction."""
    if name not in SORTS:
        return None, None
    now = at.sorting
    if name != now.by:
        return at._replace(sorting=usual(name)).page(chosen), None
    turned = at._replace(sorting=Sorting(name, not now.ascending))
    return turned.page(chosen), "ascending" if now.ascending else "descending"
