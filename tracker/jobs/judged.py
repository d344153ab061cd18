"""Which stored records each line of a search finds, and each term of a line, judged without PubMed."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from tracker.errors import RecordError
from tracker.evidence import records
from tracker.jobs import ingest
from tracker.jobs.console import Console
from tracker.query import Index, Node, QueryError, UnsupportedQuery, compile_query, parse, unknown_headings
from tracker.query.combined import alternatives
from tracker.query.matching import Test

Pmids = frozenset[int]


@dataclass(slots=True)
class Judgement:
    """``found`` by the text of a line or term; ``pmids`` are all records that were judged.

    ``refused`` says of each line that cannot be judged here why not; ``unknown`` are MeSH headings that were matched
    without their narrower headings.
    """

    found: dict[str, Pmids] = field(default_factory=dict)
    pmids: Pmids = frozenset()
    refused: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def remarks(self) -> Iterator[str]:
        for query, why in self.refused.items():
            shown = query if len(query) <= 60 else f"{query[:60]} …"
            yield f"the line {shown} cannot be judged here, and so neither can the whole: {why}"
        if self.unknown:
            headings = ", ".join(self.unknown)
            yield f"MeSH headings matched without their narrower headings, which are not known here: {headings}"


def judge(
    db: sqlite3.Connection, lines: Collection[str], by_term: Collection[str], console: Console
) -> Judgement:
    """Judge every stored record by these lines, and by each term of those that are in ``by_term``."""
    judgement = Judgement()
    tests: dict[str, Test] = {}
    for line in dict.fromkeys(lines):
        try:
            node = parse(line)
            tests |= {text: compile_query(term) for text, term in _texts(line, node, line in by_term).items()}
        except (QueryError, UnsupportedQuery) as error:
            judgement.refused[line] = str(error)
            continue
        judgement.unknown += [name for name in unknown_headings(node) if name not in judgement.unknown]
    _look(db, tests, judgement, console)
    return judgement


def _texts(line: str, node: Node, by_term: bool) -> dict[str, Node]:
    terms = {text: term for term, text in alternatives(line).items()} if by_term else {}
    return {**terms, line: node}


def _look(db: sqlite3.Connection, tests: dict[str, Test], judgement: Judgement, console: Console) -> None:
    found: dict[str, set[int]] = {text: set() for text in tests}
    judged: set[int] = set()
    with console.progress("records judged", records.count_shown(db)) as advance:
        for version in records.shown_versions(db):
            advance(1)
            try:
                index = Index(ingest.parse(version.body, version.format))
            except RecordError:
                continue
            judged.add(version.pmid)
            for text, test in tests.items():
                if test(index):
                    found[text].add(version.pmid)
    judgement.found = {text: frozenset(pmids) for text, pmids in found.items()}
    judgement.pmids = frozenset(judged)
