"""The report of a question's search, by the 16 items of PRISMA-S (Rethlefsen 2021,
doi:10.1186/s13643-020-01542-z).

The log answers what was run: which strategy, when, what PubMed made of it, and how many records it counted. What only
people know comes from the question's file (``prisma_s``), and is marked while it is missing. The items' names are ours.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any, Literal, NamedTuple

from tracker.evidence import external, versions
from tracker.evidence.external import Identified
from tracker.evidence.questions import has_starter
from tracker.evidence.rows import Row, read_rows
from tracker.lists import methods
from tracker.lists.methods import Method, SearchedVersion
from tracker.query import QueryError, parse, terms
from tracker.report.document import Block, Cell, Code, Document, Section, Table, Words, lines_of, moment_words
from tracker.report.told import Told
from tracker.team.press import PressReview, reviews_of

# Where an item's text is from; ``missing`` if it waits for somebody to write it.
From = Literal["log", "person", "missing"]


class Asked(NamedTuple):
    """An item: its name, what it is called in the question's file, and what a person would say there."""

    number: int
    key: str
    name: str
    asks: str


ITEMS = (
    Asked(1, "databases", "Databases", "which other databases were searched, and on which platform"),
    Asked(
        2, "platform", "Databases searched together", "which databases were searched together on one platform"
    ),
    Asked(3, "registries", "Study registries", "which study registries were searched, or that none was"),
    Asked(
        4,
        "browsing",
        "Websites and browsing",
        "which websites or journals were looked through, or that none was",
    ),
    Asked(
        5,
        "citation_searching",
        "Citation searching",
        "whether references or citing papers were followed, and how",
    ),
    Asked(
        6,
        "contacts",
        "People asked",
        "which authors, experts or manufacturers were asked, or that nobody was",
    ),
    Asked(
        7,
        "other_methods",
        "Other ways of searching",
        "what other ways of searching were used, or that there was none",
    ),
    Asked(
        8,
        "strategies",
        "Strategies as run",
        "the strategies of the other databases, line by line as they were run",
    ),
    Asked(9, "limits", "Limits", "why the search has these limits"),
    Asked(10, "filters", "Search filters", "which published filters were used or changed, or that none was"),
    Asked(
        11,
        "prior_work",
        "Earlier searches taken over",
        "whose earlier searches were taken over, or that none was",
    ),
    Asked(12, "updates", "Updates", "how else the search is kept up to date"),
    Asked(13, "dates", "Dates of the searches", ""),
    Asked(14, "peer_review", "Peer review", "a peer's review of this version of the strategy (PRESS 2015)"),
    Asked(15, "total_records", "Records found", ""),
    Asked(16, "deduplication", "Duplicates", "how duplicates between databases were removed"),
)


class Item(NamedTuple):
    asked: Asked
    source: From
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        return "\n".join(lines_of(self.blocks))

    @property
    def words(self) -> list[Words]:
        """Its paragraphs, without searches and tables."""
        return [block for block in self.blocks if isinstance(block, Words)]


class Search(NamedTuple):
    """A search as it was run: the last of ``attempts`` on one day, of which the others failed."""

    started: str
    strategy: str
    counted: int | None
    entered: int | None
    left: int | None
    failed: str | None
    attempts: int


class PrismaS(NamedTuple):
    """``version`` is the strategy that the report is about; None where nothing was searched or matched yet."""

    slug: str
    title: str
    updated: str
    version: SearchedVersion | None
    items: tuple[Item, ...]
    searches: Sequence[Search]

    @property
    def missing(self) -> list[Item]:
        return [item for item in self.items if item.source == "missing"]

    def as_json(self) -> dict[str, Any]:
        return {
            "question": self.slug,
            "title": self.title,
            "updated": self.updated,
            "strategy": self.version and self.version.hash,
            "items": [
                {
                    "number": item.asked.number,
                    "key": item.asked.key,
                    "name": item.asked.name,
                    "source": item.source,
                    "text": item.text,
                }
                for item in self.items
            ],
            "searches": [search._asdict() for search in self.searches],
        }

    def document(self) -> Document:
        count = len(self.items) - len(self.missing)
        lead = [
            "By the items of PRISMA-S (doi:10.1186/s13643-020-01542-z). "
            f"{count} of {len(self.items)} items are answered. As of {moment_words(self.updated)}.",
        ]
        sections = [
            Section(
                f"{item.asked.number}. {item.asked.name}", [*item.blocks, *map(Words, _FROM[item.source])]
            )
            for item in self.items
        ]
        return Document(f"Report of the search: {self.title}", self.updated, lead, sections)


# What is missing says so itself.
_FROM: Mapping[From, Sequence[str]] = {
    "log": ["(from the log)"],
    "person": ["(written by a person)"],
    "missing": [],
}


def report(db: sqlite3.Connection, slug: str, updated: str, told: Told) -> PrismaS | None:
    """The report of a question's search, now; None if there is no such question.

    ``told`` is what its file says. ``db`` has annotations.db attached if anybody has reviewed anything.
    """
    method = methods.method(db, slug)
    if method is None:
        return None
    version = methods.searched_version(db, slug)
    searches = list(_searches(db, slug))
    reviews = reviews_of(db, slug, version.hash) if version else []
    facts = _Facts(db, slug, method, version, searches, reviews, external.identified(db, slug), told)
    return PrismaS(
        slug,
        method.question["title"],
        max([updated, *(review.written for review in reviews)]),
        version,
        tuple(_item(facts, asked) for asked in ITEMS),
        searches,
    )


class _Facts(NamedTuple):
    """What the items are answered from."""

    db: sqlite3.Connection
    slug: str
    method: Method
    version: SearchedVersion | None
    searches: Sequence[Search]
    reviews: Sequence[PressReview]
    sources: Sequence[Identified]
    told: Told

    @property
    def others(self) -> list[Identified]:
        """The databases besides PubMed."""
        return [source for source in self.sources if source.source != external.PUBMED]

    @property
    def complete(self) -> list[Search]:
        """The searches that were used."""
        return [search for search in self.searches if search.failed is None]


def _item(facts: _Facts, asked: Asked) -> Item:
    log = tuple(_LOG[asked.key](facts)) if asked.key in _LOG else ()
    said = facts.told.texts.get(asked.key)
    if said:
        return Item(asked, "log" if log and asked.key not in _NEEDS_PERSON else "person", (*log, Words(said)))
    if log and not _is_missing(facts, asked):
        return Item(asked, "person" if asked.key == "peer_review" else "log", log)
    return Item(asked, "missing", (*log, Words(_remedy(facts, asked), missing=True)))


# Items on which the log has something, but not what is asked.
_NEEDS_PERSON = ("filters", "other_methods")


def _is_missing(facts: _Facts, asked: Asked) -> bool:
    if asked.key == "strategies":
        return bool(facts.others)
    if asked.key == "limits":
        return bool(_limits(facts))
    return asked.key in _NEEDS_PERSON


def _remedy(facts: _Facts, asked: Asked) -> str:
    if asked.key == "peer_review":
        return (
            f"Missing: {asked.asks}. A peer fills in the form at /questions/{facts.slug}/press, or that of "
            f"'tracker report press {facts.slug}'."
        )
    if not asked.asks or (asked.key == "strategies" and not facts.others):
        return f"Missing: nothing was searched yet. Run 'tracker refresh {facts.slug}'."
    return f"Missing: {asked.asks}. Write it in {facts.told.file} under prisma_s.{asked.key}."


# -- what the log says -----------------------------------------------------------------------------


def _databases(facts: _Facts) -> Iterator[Block]:
    if facts.searches:
        yield Words("PubMed (National Library of Medicine), by NCBI's E-utilities.")
    else:
        yield Words(
            "No search of PubMed has been run. PubMed records were loaded from files and matched here."
        )
    if facts.others:
        names = ", ".join(source.source for source in facts.others)
        yield Words(f"Records that were found there were imported from {names}.")


def _platform(facts: _Facts) -> Iterator[Block]:
    yield Words("PubMed is searched by itself, not together with other databases on one platform.")


def _strategies(facts: _Facts) -> Iterator[Block]:
    version = facts.version
    if version is None:
        return
    yield Words(f"Version {version.hash[:12]}, first run on {version.first_run[:10]}, word for word:")
    for name, query in version.lines.items():
        yield Code("Combined as" if name == "combine" else f"Line “{name}”", query)
    if not version.lines:
        yield Code("In one piece", version.strategy)
    for search in facts.method.searches:
        if search["strategy"] != version.hash:
            continue
        yield Code("As sent to PubMed", search["query"])
        if search["translation"]:
            yield Code("As PubMed translated it", search["translation"])
        remarks = json.loads(search["errors"]) + json.loads(search["warnings"])
        yield Words(f"PubMed's remarks: {'; '.join(remarks) or 'none'}.")
    yield from _former(facts, version)


def _former(facts: _Facts, version: SearchedVersion) -> Iterator[Block]:
    """The other versions; one that was adopted after this one has not been run yet."""
    adopted = versions.adopted(facts.db, facts.slug)
    for each in methods.searched_versions(facts.db, facts.slug):
        if each.hash == version.hash:
            continue
        if adopted and adopted.hash == each.hash:
            title = f"Version {each.hash[:12]}, adopted since and not run yet"
        else:
            title = f"Former version {each.hash[:12]}, first run on {each.first_run[:10]}"
        yield Code(title, each.strategy)


def _of_limits(facts: _Facts) -> Iterator[Block]:
    if facts.version is None:
        return
    found = _limits(facts)
    if found:
        yield Words(f"The strategy is limited by: {', '.join(found)}.")
    elif _read(facts.version) is None:
        yield Words("The strategy as run stands under item 8.")
    else:
        yield Words("The strategy has no limit by language, date, publication type, or people and animals.")


def _of_filters(facts: _Facts) -> Iterator[Block]:
    if facts.version and (found := _of_kind(facts.version, "filter")):
        yield Words(f"Of PubMed's own filters the strategy names: {', '.join(found)}.")


def _updates(facts: _Facts) -> Iterator[Block]:
    if not facts.complete:
        return
    first, last = facts.complete[0].started[:10], facts.complete[-1].started[:10]
    yield Words(
        f"Every refresh runs the whole strategy again and compares what it finds with what was found before. "
        f"{_times(len(facts.complete), 'search', 'searches')} from {first} to {last}; what entered and what left each "
        "time is under item 13."
    )


def _dates(facts: _Facts) -> Iterator[Block]:
    yield from _other_dates(facts)
    if not facts.searches:
        return
    if facts.complete:
        yield Words(f"Last searched in full on {facts.complete[-1].started[:10]}.")
    heading = tuple(
        Cell(title, is_number=title != "Search") for title in ("Search", "Counted", "Entered", "Left")
    )
    yield Table((heading, *map(_date_row, facts.searches)))


def _other_dates(facts: _Facts) -> Iterator[Block]:
    for source, searched, imported, n in facts.db.execute(_IMPORTS, {"slug": facts.slug}):
        yield Words(
            f"{source} was searched on {searched}; {_times(n, 'record')} imported on {imported[:10]}."
        )


def _date_row(search: Search) -> tuple[Cell, ...]:
    words = f"{search.started[:16].replace('T', ' ')} UTC, version {search.strategy[:12]}"
    if search.failed:
        words += f"; not used: {search.failed}"
    if search.attempts > 1:
        words += f"; {search.attempts} attempts on this day"
    numbers = (search.counted, search.entered, search.left)
    return (Cell(words), *(Cell("–" if n is None else f"{n:,}", is_number=True) for n in numbers))


def _peer_review(facts: _Facts) -> Iterator[Block]:
    for review in facts.reviews:
        yield Words(
            f"Peer reviewed (PRESS 2015) by {review.reviewer} on {review.reviewed}: {review.overall.words}."
        )
        for answer in review.answers:
            yield Words(
                f"{answer.element.title}: {answer.words}{f' ({answer.comment})' if answer.comment else ''}."
            )


def _total(facts: _Facts) -> Iterator[Block]:
    if not facts.version:
        return
    for source in facts.sources:
        yield Words(f"{source.source}: {_times(source.records, 'record')}.")
    if facts.complete and (count := facts.complete[-1].counted) is not None:
        yield Words(f"On {facts.complete[-1].started[:10]}, PubMed counted {_times(count, 'record')}.")
    for reason, n in facts.db.execute(_BY_REASON, {"slug": facts.slug}):
        if reason == "loaded from a file":
            yield Words(f"{_times(n, 'record')} of these came from files, and not from a search.")
    if has_starter(facts.db, facts.slug):
        yield Words("Among them are starter citations: a sample, which no search has found.")


_BY_REASON = """
select reason, count(*) from question_articles where question = :slug and matching group by reason order by reason
"""


def _duplicates(facts: _Facts) -> Iterator[Block]:
    if facts.others:
        removed = sum(source.duplicates for source in facts.others)
        yield Words(
            f"Records of other databases were compared with those stored by PMID, by DOI, then by title, year, authors "
            f"and pages; where words alone leave a doubt, a person decides. {_times(removed, 'duplicate')} "
            f"{'was' if removed == 1 else 'were'} removed."
        )
    else:
        yield Words(
            "PubMed gives each record one number, by which it is kept once. No duplicates had to be removed."
        )
    yield Words(
        "Reports of one study, by their registration, and preprints beside their articles are kept as records of their "
        "own, and counted as one study where studies are counted."
    )


_LOG = {
    "databases": _databases,
    "platform": _platform,
    "strategies": _strategies,
    "limits": _of_limits,
    "filters": _of_filters,
    "updates": _updates,
    "dates": _dates,
    "peer_review": _peer_review,
    "total_records": _total,
    "deduplication": _duplicates,
}


def _times(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


_IMPORTS = """
select source, searched, imported, count(*) from external_records where question = :slug
group by source, searched, file_hash order by searched, min(id)
"""

# -- searches --------------------------------------------------------------------------------------

_SEARCHES = """
select strategy, iif(strategy is null, query, null) as query, count, entered, left_count, reason, started
from searches where question = :slug and purpose = 'strategy' order by id
"""


def _searches(db: sqlite3.Connection, slug: str) -> Iterator[Search]:
    """Every search of the strategy, the first one first. Those that failed are one with the next of their day."""
    rows = read_rows(db, _SEARCHES, {"slug": slug})
    for _, of_day in groupby(rows, key=lambda row: (row["started"][:10], _version(row))):
        attempts = 0
        *before, last = of_day
        for row in (*before, last):
            attempts += 1
            if row["reason"] is None or row is last:
                yield _search(row, attempts)
                attempts = 0


def _version(row: Row) -> str:
    """The hash of the strategy, which a search that failed was logged without."""
    return row["strategy"] or sha256(row["query"].encode()).hexdigest()


def _search(row: Row, attempts: int) -> Search:
    return Search(
        row["started"],
        _version(row),
        row["count"],
        row["entered"],
        row["left_count"],
        row["reason"],
        attempts,
    )


# -- what a strategy says --------------------------------------------------------------------------

_LIMITING = ("Language", "Publication Type")
_SPECIES = ("humans", "animals")


def _limits(facts: _Facts) -> list[str]:
    """The terms of the strategy that limit it, rather than say what it is about."""
    read = _read(facts.version) if facts.version else None
    found = [
        str(term)
        for term in read or ()
        if term.field.kind == "date"
        or term.field.name in _LIMITING
        or getattr(term, "text", "").casefold() in _SPECIES
    ]
    return list(dict.fromkeys(found))


def _of_kind(version: SearchedVersion, kind: str) -> list[str]:
    return list(dict.fromkeys(str(term) for term in _read(version) or () if term.field.kind == kind))


def _read(version: SearchedVersion) -> list[Any] | None:
    """The terms of a strategy; None for one that PubMed understands and we do not."""
    try:
        return list(terms(parse(version.strategy)))
    except QueryError:
        return None
