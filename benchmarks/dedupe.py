"""How well duplicates are recognised: ``python -m benchmarks.dedupe``.

The labelled set is made from real PubMed records by a rule, so that anybody makes the same one. Of the records whose
PMID is no multiple of four (the others are reserved), every second one is stored, and then the other half. Those that
name an author and a year are then imported as another database might have them, without their PMID:

- those that are stored are true duplicates, each with some of these changes, as the digits of a hash of its PMID say:
  no DOI (three in five), the title in capitals, small letters or with capitals at each word, its Greek letters spelt
  out, without its full stop, one letter lost (one in ten); the journal abbreviated, without full stops or in full;
  pages in full, only the first, or none; initials in place of first names, or only three authors; the year of the
  next January (one in ten);
- those that are not stored are no duplicates of anything;
- a conference's abstract of every fifth stored record (its title and authors, the year before, pages of a supplement
  in another or the same journal, no DOI) is another report, and no duplicate.

Precision is the share of true ones among what is taken for a duplicate of the right article; recall the share of true
duplicates that are. What a person is asked to compare counts as neither.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes import ROOT
from tracker.article import Article
from tracker.clock import now
from tracker.evidence import connect, runs, schema
from tracker.external import duplicates, record
from tracker.jobs import ingest
from tracker.pubmed.records import open_file, split

DATA = ROOT.parent / "shared" / "data"
FILES = ("pubmed_real.xml.gz", "ketamine.xml.gz")
_CASES = (str, str.upper, str.lower, str.title, str.capitalize)


class Case(NamedTuple):
    """A record as another database has it, and the PMID of the stored article that it is, if it is one."""

    kind: str
    fields: dict[str, list[str]]
    same_as: int | None
    of: int


def main() -> None:
    if not DATA.exists():
        sys.exit("the real records are not beside this checkout")
    bodies = dict(_records())
    counted: Counter[tuple[str, str]] = Counter()
    for half in (0, 1):
        kept = {
            pmid: body for number, (pmid, body) in enumerate(sorted(bodies.items())) if number % 2 == half
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "evidence.db"
            with closing(connect.open_for_writing(path, schema.migrations, "NORMAL")) as db:
                run = runs.start(db, "load", "benchmark", {})
                with connect.transaction(db):
                    readings = [ingest.read(body) for body in kept.values()]
                    ingest.store(db, readings, run=run, when=now(), source="file")
                counted.update(_judged(db, _cases(bodies, kept)))
    _report(counted)


def _records() -> Iterator[tuple[int, bytes]]:
    for name in FILES:
        with open_file(DATA / name) as stream:
            for raw in split(stream):
                if raw.body and raw.pmid and raw.pmid % 4:
                    yield raw.pmid, raw.body


def _cases(bodies: dict[int, bytes], kept: dict[int, bytes]) -> Iterator[Case]:
    for pmid, body in sorted(bodies.items()):
        article = ingest.parse(body, "xml")
        if not article.title.plain or article.book or not article.authors or not article.published:
            continue
        digits = hashlib.sha256(str(pmid).encode()).digest()
        yield Case(
            "duplicate" if pmid in kept else "new",
            _exported(article, digits),
            pmid if pmid in kept else None,
            pmid,
        )
        if pmid in kept and pmid % 5 == 0:
            yield Case("conference", _conference(article, digits), None, pmid)


def _exported(article: Article, digits: bytes) -> dict[str, list[str]]:
    title = _CASES[digits[0] % 5](article.title.plain)
    if digits[1] % 2:
        title = "".join(_spelt(letter) for letter in title).rstrip(".")
    if digits[10] % 10 == 0:
        # A letter lost on the way.
        title = title[: len(title) // 2] + title[len(title) // 2 + 1 :]
    journal = article.journal
    names = [name for name in (journal.iso_abbreviation, journal.medline_abbreviation, journal.title) if name]
    late = digits[2] % 10 == 0
    return {
        "TY": ["JOUR"],
        "TI": [title],
        "AU": _names(article, digits[3]),
        "JO": [names[digits[4] % len(names)].replace(".", "" if digits[5] % 2 else ".")] if names else [],
        "PY": [str(article.published.year + late)] if article.published else [],
        "VL": [journal.volume or ""],
        "SP": [_pages(article, digits[6])],
        "DO": [article.id("doi") or ""] if digits[7] % 5 < 2 else [],
    }


def _conference(article: Article, digits: bytes) -> dict[str, list[str]]:
    congress = ["Proceedings of the Annual Congress"] if digits[8] % 2 else [article.journal.title or ""]
    return {
        "TY": ["JOUR"],
        "TI": [_CASES[digits[0] % 5](article.title.plain)],
        "AU": _names(article, digits[3]),
        "JO": congress,
        "PY": [str(article.published.year - 1)] if article.published else [],
        "SP": [f"S{digits[9] + 1}"],
    }


def _names(article: Article, digit: int) -> list[str]:
    authors = [author for author in article.authors if author.last_name and author.valid]
    few = authors[:3] if digit % 4 == 0 else authors
    if digit % 2:
        return [f"{each.last_name}, {each.initials or ''}" for each in few]
    return [f"{each.last_name}, {each.fore_name or each.initials or ''}" for each in few]


def _pages(article: Article, digit: int) -> str:
    pages = article.pages or article.article_number or ""
    first, _, last = pages.partition("-")
    if digit % 5 == 0:
        return ""
    if digit % 5 == 1 or not last.isdecimal() or not first.isdecimal():
        return first
    return f"{first}-{first[: len(first) - len(last)]}{last}"


def _spelt(letter: str) -> str:
    name = unicodedata.name(letter, "")
    return name.rsplit(" ", 1)[-1].lower() if name.startswith("GREEK") else letter


def _judged(db: sqlite3.Connection, cases: Iterable[Case]) -> Iterator[tuple[str, str]]:
    """The kind of each case, and what was said of it."""
    for case in cases:
        known = record.Known(1, "benchmark", "")
        found = duplicates.find(db, duplicates.described(record.read_fields(known, "ris", case.fields)))
        said = str(found.verdict) if found else "none"
        if found and found.verdict == "duplicate" and found.pmid != case.same_as:
            said = "wrong"
            print(f"{case.kind} of {case.of} was taken for {found.pmid}: {found.reason}")
        yield case.kind, said


def _report(counted: Counter[tuple[str, str]]) -> None:
    right = counted["duplicate", "duplicate"]
    every = sum(n for (kind, _), n in counted.items() if kind == "duplicate")
    taken = right + sum(n for (_, said), n in counted.items() if said == "wrong")
    for (kind, said), n in sorted(counted.items()):
        print(f"{kind:<12} {said:<10} {n:>6,}")
    print(f"precision {right / taken:.4f} ({right:,} of {taken:,})")
    print(f"recall    {right / every:.4f} ({right:,} of {every:,})")


if __name__ == "__main__":
    main()
