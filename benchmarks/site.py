"""The site's pages on a million articles: ours and plain Datasette's, side by side, on the same file.

    python benchmarks/site.py [--articles 1000000] [--only 'question|search'] [--json FILE]
    python benchmarks/site.py --immutable [--processes 2]

Builds the database once, in --dir (12 GB for a million), through our own schema: made-up
articles of about 2 KB, skewed as real ones are; four questions that hold 30 %, 3 %, 0.3 % and 0.03 % of them;
words that stand in a known part of them. Then starts `tracker serve`, and plain `datasette serve` with its
default settings and without our plugin, and prints milliseconds per page, to the last byte, for one client and
for eight (connections kept alive, no ETag sent back, so every page is made anew). With --immutable: several
processes of `tracker serve --immutable` behind nginx (deploy/nginx.conf), its cache off and on, eight clients.

What is left out: raw records; affiliations and references; sections of abstracts of articles in no question.
"""

from __future__ import annotations

import bisect
import gzip
import http.client
import itertools
import json
import multiprocessing
import os
import pwd
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, quote_plus, urlencode

import click

from tracker.questions import Question, load_questions
from tracker.store import annotations as people
from tracker.store import connect, derived, questions, schema
from tracker.store.articles import TABLES, Row, Rows, write

ROOT = Path(__file__).parents[1]
DEFAULT_DIR = Path(tempfile.gettempdir()) / "site-bench"
BAR = 50.0  # milliseconds at p95 with one client
HOST = "127.0.0.1"

# ---------------------------------------------------------------- what is in the database

SEED = 20_000
RECIPE = 1  # another number where what is built changes: an older database is built anew
BATCH = 2_500
SHARES = {"cognition": 0.3, "tolerance": 0.03, "cystitis": 0.003, "psychotherapy": 0.0003}
# Words that the made-up vocabulary does not have, and the part of the articles that they stand in.
ALMOST_ALL, TENTH, HUNDREDTH, RARE = "ketamine", "depression", "bladder", "deschloroketamine"
PLANTED = (
    ("Patients received ketamine.", 0.99),
    ("All of them had depression.", 0.1),
    ("The bladder was examined.", 0.01),
    ("Urine held deschloroketamine.", 0.0001),
    ("Their illness was treatment resistant.", 0.02),
    ("The treatment ended early.", 0.08),
    ("Some strains were resistant.", 0.08),
)
PHRASE = '"treatment resistant"'
TAG = "to read in full"
DESIGNS = {
    "narrative review": 18, "randomised controlled trial": 12, "animal study": 22, "case report": 11, "cohort study": 8,
    "in vitro study": 6, "cross-sectional study": 5, "comment": 4, "letter": 3, "systematic review": 3,
    "meta-analysis": 2, "open-label trial": 2, "case series": 2, "protocol": 1, "scoping review": 0.3,
}  # fmt: skip
REVIEWS = "1 (systematic review)"
LEVELS = {
    "systematic review": REVIEWS, "meta-analysis": REVIEWS,
    "randomised controlled trial": "2 (randomised trial)",
    "cohort study": "3 (controlled or followed up, not randomised)",
    "open-label trial": "4 (no comparison, or looking back)", "case series": "4 (no comparison, or looking back)",
    "case report": "4 (no comparison, or looking back)",
    "animal study": "5 (mechanism)", "in vitro study": "5 (mechanism)",
}  # fmt: skip
# Groups beside design and level: the values, their weights, and the part of the articles that has one.
GROUPS = {
    "drug": ({"racemic ketamine": 70, "esketamine": 27, "arketamine": 3}, 0.6),
    "exposure": ({"therapeutic": 85, "recreational": 15}, 0.5),
    "route": ({"intravenous": 60, "intranasal": 20, "intramuscular": 10, "oral": 8, "subcutaneous": 2}, 0.4),
}
LANGUAGES = {"eng": 92, "chi": 2, "ger": 1.5, "fre": 1.5, "spa": 1, "jpn": 1, "eng,spa": 0.5, "por": 0.5}
FIRST_DAY = date(1970, 1, 1)
FIRST_SEARCH = 200  # days ago


T = TypeVar("T")


class Pool(Generic[T]):
    """Things to draw from, the first far more often than the last, or as their weights say."""

    def __init__(self, things: Iterable[T], weights: Iterable[float] | None = None) -> None:
        self.things = list(things)
        rising = weights or (1 / (rank + 2.7) for rank in range(len(self.things)))
        self.cumulated = list(itertools.accumulate(rising))

    def draw(self, rng: random.Random) -> T:
        return self.things[bisect.bisect(self.cumulated, rng.random() * self.cumulated[-1])]

    def sample(self, rng: random.Random, size: int) -> list[T]:
        return rng.choices(self.things, cum_weights=self.cumulated, k=size)


def _parts(table: str, **values: Any) -> Row:
    """The columns of a row after PMID and position; whatever is not given is empty."""
    columns = [name for name in TABLES[table].columns if name not in ("pmid", "position")]
    return tuple(values.get(name, "") for name in columns)


class Author(NamedTuple):
    display: str
    row: Row


class Heading(NamedTuple):
    term: str
    row: Row


class Material:
    """What articles are put together from, made once."""

    def __init__(self, rng: random.Random) -> None:
        words = _vocabulary(rng, 40_000)
        vocabulary = Pool(words)
        self.sentences = [
            f"{' '.join(vocabulary.sample(rng, rng.randint(8, 32))).capitalize()}." for _ in range(60_000)
        ]
        self.titles = [" ".join(vocabulary.sample(rng, rng.randint(4, 9))) for _ in range(60_000)]
        rare = words[500:]
        self.authors = Pool(_author(rng, rare) for _ in range(30_000))
        self.headings = Pool(_heading(" ".join(rng.sample(rare, 2)).capitalize(), n) for n in range(3_000))
        self.humans, self.animals = _heading("Humans", 6801), _heading("Animals", 818)
        terms = (" ".join(rng.sample(rare, 2)) for _ in range(4_000))
        self.keywords = Pool((term, _parts("keywords", term=term, owner="NOTNLM", major=0)) for term in terms)
        self.journals = Pool(
            (f"The journal of {' '.join(rng.sample(rare, 2))}", f"J {rare[n][:5].capitalize()}", n)
            for n in range(1_500)
        )
        self.designs = Pool(DESIGNS, DESIGNS.values())
        self.languages = Pool(LANGUAGES, LANGUAGES.values())
        self.groups = {name: (Pool(values, values.values()), part) for name, (values, part) in GROUPS.items()}
        self.types = {
            "randomised controlled trial": _type("Randomized Controlled Trial", "D016449"),
            "case report": _type("Case Reports", "D002363"),
            "meta-analysis": _type("Meta-Analysis", "D017418"),
            "systematic review": _type("Systematic Review", "D000078182"),
            "narrative review": _type("Review", "D016454"),
            "letter": _type("Letter", "D016422"),
            "comment": _type("Comment", "D016420"),
        }
        self.article_type = _type("Journal Article", "D016428")


def _vocabulary(rng: random.Random, size: int) -> list[str]:
    """The commonest words of English, then words that only sound like some."""
    common = (
        "the of and in to with a was for were that by or from on as is at this be are than not which".split()
    )
    medical = (
        "patients treatment group study effects clinical trial dose pain anaesthesia receptor memory symptoms response "
        "placebo infusion weeks rats mice ketone ketosis ketorolac ketoacidosis cognitive scale score associated"
    ).split()
    syllables = [
        first + vowel + last for first in "bdfglmnprstv" for vowel in "aeiou" for last in ("", *"lnrsm")
    ]
    words = dict.fromkeys((*common, *medical))
    while len(words) < size:
        words["".join(rng.choices(syllables, k=rng.choice((2, 3, 3, 4))))] = None
    words.pop("treatment")  # planted
    return list(words)


def _author(rng: random.Random, words: list[str]) -> Author:
    last = rng.choice(words).capitalize()
    initials = "".join(rng.choices("ABCDEFGHJKLMNPRSTW", k=rng.choice((1, 2))))
    orcid = f"0000-0001-{rng.randrange(10_000):04}-{rng.randrange(10_000):04}" if rng.random() < 0.3 else ""
    row = _parts(
        "authors", last_name=last, fore_name=initials, initials=initials, orcid=orcid, equal_contribution=0,
        valid=1, role="author",
    )  # fmt: skip
    return Author(f"{last} {initials}", row)


def _heading(name: str, number: int) -> Heading:
    return Heading(
        name,
        _parts("mesh_headings", descriptor=name, descriptor_ui=f"D{number:06}", major=0, descriptor_major=0),
    )


def _type(name: str, ui: str) -> Row:
    return _parts("publication_types", name=name, ui=ui)


@cache
def _label(group: str, value: str) -> Row:
    return _parts(
        "labels", label_group=group, value=value, basis="title", quote=value, rule=f"{group}-bench",
        rule_version=1, confidence="high",
    )  # fmt: skip


class Made(NamedTuple):
    """One article: its rows, its standing, its places in questions, and its changes."""

    rows: Rows
    state: Row
    places: list[Row]
    changes: list[Row]


class Maker:
    """Articles in the order of their PMIDs; the same ones on any machine on the same day."""

    def __init__(self, articles: int, today: date, strategies: dict[str, str]) -> None:
        self.rng = random.Random(SEED)
        self.material = Material(self.rng)
        self.articles, self.today, self.strategies = articles, today, strategies
        self.days = [(FIRST_DAY + timedelta(day)).isoformat() for day in range((today - FIRST_DAY).days + 1)]
        #: Trials that more reports are to come of: number, how many, the questions that they are in.
        self.trials: list[tuple[str, int, list[str]]] = []
        self.columns = tuple(TABLES["articles"].columns)
        self.checked = f"{today.isoformat()}T03:00:00Z"

    def make(self, n: int) -> Made:
        rng, material = self.rng, self.material
        pmid = 2_000_000 + 38 * n + rng.randrange(38)
        day = self._day(n)
        slugs = [slug for slug, share in SHARES.items() if rng.random() < share]
        design = material.designs.draw(rng)
        labels = self._labels(design)
        rows: Rows = {}
        number, slugs = self._registration(n, slugs)
        if number:
            rows["registrations"] = [
                (pmid, 1, *_parts("registrations", bank="ClinicalTrials.gov", number=number))
            ]
        flags, notices, changes = self._notices(pmid, n, day)
        if notices:
            rows["notices"] = notices
        if design == "narrative review" and rng.random() < 0.05:
            labels.append(_label("publication", "preprint"))
        sections = self._sections()
        authors = [material.authors.draw(rng) for _ in range(rng.choice((1, 2, 3, 4, 4, 5, 6, 7, 9, 12)))]
        headings = list(
            {material.headings.draw(rng) for _ in range(rng.randint(2, 7))} if rng.random() < 0.85 else ()
        )
        headings.sort()
        animals = design in ("animal study", "in vitro study")
        if headings:
            headings += [material.animals] if animals else [material.humans]
        keywords = [material.keywords.draw(rng) for _ in range(rng.randint(0, 6))]
        published = self._published(day)
        pmcid = f"PMC{pmid // 4}" if rng.random() < 1 / 3 else ""
        doi = f"10.{1000 + n % 900}/bench.{pmid}" if rng.random() < 0.9 else ""
        article = self._article(pmid, sections, day, flags) | {
            "published": published,
            "published_precision": {4: "year", 7: "month", 10: "day"}.get(len(published), ""),
            "published_raw": published.replace("-", " "),
            "doi": doi,
            "pmcid": pmcid,
            "authors_text": ", ".join([author.display for author in authors]),
            "mesh_text": "; ".join([heading.term for heading in headings]),
            "keywords_text": "; ".join([term for term, _ in keywords]),
        }
        types = [material.article_type, *filter(None, [material.types.get(design)])]
        ids = [("pubmed", str(pmid)), *([("doi", doi)] if doi else ()), *([("pmc", pmcid)] if pmcid else ())]
        rows |= {
            "articles": [tuple([article.get(name, "") for name in self.columns])],
            "authors": [(pmid, at, *author.row) for at, author in enumerate(authors, 1)],
            "mesh_headings": [(pmid, at, *heading.row) for at, heading in enumerate(headings, 1)],
            "keywords": [(pmid, at, *row) for at, (_, row) in enumerate(keywords, 1)],
            "publication_types": [(pmid, at, *row) for at, row in enumerate(types, 1)],
            "identifiers": [(pmid, at, type, value, 1) for at, (type, value) in enumerate(ids, 1)],
            "labels": [(pmid, *label) for label in labels],
        }
        if slugs:
            rows["abstract_sections"] = [
                (pmid, at, label, label, text, text) for at, (label, text) in enumerate(sections, 1)
            ]
        return Made(rows, self._state(pmid), [self._place(slug, pmid, day) for slug in slugs], changes)

    def _day(self, n: int) -> int:
        """When it was created: PubMed has grown ever faster."""
        return int((len(self.days) - 1) * ((n + 1) / self.articles) ** 0.6)

    def _labels(self, design: str) -> list[Row]:
        rng = self.rng
        labels = [_label("design", design)] if rng.random() < 0.95 else []
        if labels and design in LEVELS:
            labels.append(_label("evidence_level", LEVELS[design]))
        for group, (values, part) in self.material.groups.items():
            if rng.random() < part:
                labels.append(_label(group, values.draw(rng)))
        return labels

    def _registration(self, n: int, slugs: list[str]) -> tuple[str, list[str]]:
        """A trial's number for one in twenty, and where that trial is listed: most have one report, some up to four."""
        rng = self.rng
        if rng.random() > 0.05:
            return "", slugs
        if len(self.trials) < 300 or rng.random() < 0.5:
            number = f"NCT{n + 1:08}"
            if (reports := rng.choice((1, 1, 1, 2, 3, 4))) > 1:
                self.trials.append((number, reports - 1, slugs))
            return number, slugs
        at = rng.randrange(len(self.trials))
        number, more, places = self.trials[at]
        if more > 1:
            self.trials[at] = (number, more - 1, places)
        else:
            self.trials[at] = self.trials[-1]
            self.trials.pop()
        return number, places

    def _notices(self, pmid: int, n: int, day: int) -> tuple[dict[str, int], list[Row], list[Row]]:
        """Flags, links, and changes: 0.2 % retracted, 0.1 % under concern, 1 % corrected."""
        rng, chance = self.rng, self.rng.random()
        kinds = (("retracted", "RetractionIn", 0.002), ("expression_of_concern", "ExpressionOfConcernIn", 0.001),
                 ("corrected", "ErratumIn", 0.01))  # fmt: skip
        for flag, type, part in kinds:
            if chance < part:
                when = self.days[min(len(self.days) - 1, day + int(rng.expovariate(1 / 600)))]
                citation = f"Bench J. {when[:4]};{n % 90}:{n % 700}"
                notice = _parts("notices", type=type, other_pmid=pmid - 1, citation=citation)
                return {flag: 1}, [(pmid, 1, *notice)], [(pmid, flag, "0", "1", f"{when}T03:20:00Z", 1)]
            chance -= part
        field, changes = rng.choice(("title", "mesh_headings", "keywords", "published")), []
        if chance < 0.04:
            when = self.days[-1 - rng.randrange(FIRST_SEARCH)]
            changes = [(pmid, field, f"what it was before {n}", f"what it is {n}", f"{when}T03:20:00Z", 1)]
        return {}, [], changes

    def _sections(self) -> list[tuple[str, str]]:
        rng = self.rng
        sentences = rng.choices(self.material.sentences, k=rng.randint(8, 18))
        for sentence, part in PLANTED:
            if rng.random() < part:
                sentences.insert(rng.randrange(len(sentences)), sentence)
        if rng.random() < 0.4:
            return [("", " ".join(sentences))]
        step = len(sentences) // 4
        labels = ("BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS")
        ends = (step, 2 * step, 3 * step, len(sentences))
        return [
            (label, " ".join(sentences[start:end]))
            for label, start, end in zip(labels, (0, *ends), ends, strict=False)
        ]

    def _published(self, day: int) -> str:
        rng = self.rng
        if rng.random() < 0.003:
            return ""
        date = self.days[max(0, min(len(self.days) - 1, day + rng.randint(-40, 100)))]
        return date[: rng.choice((4, 7, 7, 7, 7, 10, 10, 10, 10, 10))]

    def _article(
        self, pmid: int, sections: list[tuple[str, str]], day: int, flags: dict[str, int]
    ) -> dict[str, Any]:
        rng = self.rng
        journal, short, nlm = self.material.journals.draw(rng)
        about = ("with ketamine: ", "")[rng.random() < 0.5]
        title = f"{rng.choice(self.material.titles)} {about}{rng.choice(self.material.titles)}.".capitalize()
        created = self.days[day]
        return {
            "pmid": pmid,
            "title": title,
            "title_html": title,
            "abstract": "\n".join([f"{label}: {text}" if label else text for label, text in sections]),
            "abstract_html": "".join(
                [
                    f"<p><strong>{label}</strong> {text}</p>" if label else f"<p>{text}</p>"
                    for label, text in sections
                ]
            ),
            "journal": journal,
            "iso_abbreviation": short,
            "nlm_id": f"{nlm:07}",
            "issn": f"{nlm:04}-{nlm % 9999:04}",
            "volume": str(day // 365),
            "issue": str(day % 12 + 1),
            "pages": f"{pmid % 900}-{pmid % 900 + 8}",
            "created": created,
            "entered": created,
            "revised": created,
            "completed": created,
            "status": "MEDLINE",
            "languages": self.material.languages.draw(rng),
            "kind": "article",
            "version": 1,
            "publication_model": "Print-Electronic",
            "publication_status": "ppublish",
            "country": "United States",
            "authors_complete": 1,
            **dict.fromkeys(_FLAGS, 0),
            **flags,
        }

    def _state(self, pmid: int) -> Row:
        return pmid, f"{pmid:064x}", self.checked, self.checked, self.checked, "pubmed"

    def _place(self, slug: str, pmid: int, day: int) -> Row:
        """All that was there before the first search entered by it; the others on the night after they were created."""
        first = len(self.days) - 1 - FIRST_SEARCH
        late = self.rng.random() < 0.01
        entered = max(first, min(day + 1, len(self.days) - 1))
        if late:
            entered = first + self.rng.randrange(FIRST_SEARCH)
        reason = "newly indexed" if late else "first search" if entered == first else "newly published"
        left = f"{self.days[-1 - self.rng.randrange(60)]}T03:00:00Z" if self.rng.random() < 0.005 else None
        return (
            slug,
            pmid,
            "",
            f"{self.days[entered]}T03:00:00Z",
            reason,
            self.strategies[slug],
            left,
            int(not left),
        )


_FLAGS = (
    "retracted",
    "expression_of_concern",
    "corrected",
    "updated",
    "commented",
    "republished",
    "is_notice",
)


# ---------------------------------------------------------------- building it


def ensure(folder: Path, articles: int, *, fresh: bool) -> None:
    """Build the databases in the folder, unless it holds the ones that are wanted."""
    marker = folder / "bench.json"
    wanted = {"recipe": RECIPE, "articles": articles, "complete": True}
    found = json.loads(marker.read_text()) if marker.exists() else {}
    if (folder / "evidence.db").exists() and not found:
        raise click.UsageError(
            f"{folder} holds a database that this script did not make. Give another --dir."
        )
    if not fresh and wanted.items() <= found.items() and _is_up_to_date(folder):
        size = (folder / "evidence.db").stat().st_size
        print(f"{folder}: {articles:,} articles, {size / 1e9:.2f} GB, built in {found['seconds']} s")
        return
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(wanted | {"complete": False}))
    for file in (*folder.glob("evidence*.db*"), *folder.glob("annotations*.db*")):
        file.unlink()
    started, worked = time.perf_counter(), time.process_time()
    build(folder, articles)
    seconds, worked = round(time.perf_counter() - started), round(time.process_time() - worked)
    marker.write_text(json.dumps(wanted | {"seconds": seconds}))
    size = (folder / "evidence.db").stat().st_size
    print(
        f"{folder}: {articles:,} articles, {size / 1e9:.2f} GB, built in {seconds} s "
        f"({worked} s of the writer's processor time)",
        flush=True,
    )


def _is_up_to_date(folder: Path) -> bool:
    """Whether the schema is the one that we have now; columns and indexes that came since are made here.

    Migrations are run here, and not while a server starts; their copies are not kept.
    """
    with closing(connect.open_for_writing(folder / "evidence.db", schema.migrations, "NORMAL")) as db:
        for copy in folder.glob("*-before-*.db"):
            copy.unlink()
        with tempfile.TemporaryDirectory() as scratch:
            empty = Path(scratch) / "empty.db"
            with closing(connect.open_for_writing(empty, schema.migrations, "NORMAL")) as other:
                wanted = _schema(other)
        db.execute("pragma analysis_limit = 1000")
        with connect.transaction(db):
            _follow(db, wanted)
            if _schema(db) == wanted:
                questions.describe(db, _question_files())
        connect.tidy(db)
        is_same = _schema(db) == wanted
    people.open_annotations(folder / "annotations.db").close()
    return is_same


def _schema(db: sqlite3.Connection) -> dict[str, Any]:
    """By name: a table's columns, and the SQL of everything else."""
    rows = db.execute(
        "select type, name, sql from sqlite_master where sql is not null and name not like '%sqlite%'"
    )
    return {
        name: {column[1] for column in db.execute(f"pragma table_info({name})")} if type == "table" else sql
        for type, name, sql in rows
    }


def _follow(db: sqlite3.Connection, wanted: dict[str, Any]) -> None:
    """Add the columns that are missing, make the indexes that are missing or other, and drop the rest of them."""
    ours = _schema(db)
    for table in schema.TABLES:
        for column in wanted[table.name] - ours.get(table.name, set()):
            db.execute(f"alter table {table.name} add column {column} {table.columns[column][0]}")
    for name in ours.keys() | wanted.keys():
        old, new = ours.get(name), wanted.get(name)
        if old != new and "create index" in f"{old or new}"[:12].lower():
            db.execute(f"drop index if exists {name}")
            if new:
                print(f"  {new}", file=sys.stderr, flush=True)
                db.execute(new)
                db.execute(f"analyze {name}")


def _question_files() -> list[Question]:
    return [question for question in load_questions(ROOT / "queries") if question.slug in SHARES]


def build(folder: Path, articles: int) -> None:
    asked = _question_files()
    today = datetime.now(UTC).date()
    maker = Maker(articles, today, {question.slug: question.strategy_hash for question in asked})
    with closing(connect.open_for_writing(folder / "evidence.db", schema.migrations, "NORMAL")) as db:
        for pragma in (
            "journal_mode = off",
            "synchronous = off",
            "cache_size = -1500000",
            "temp_store = memory",
        ):
            db.execute(f"pragma {pragma}")
        with connect.transaction(db):
            _fill_history(db, asked, today)
            for start, batch in _made_elsewhere(maker, articles):
                _store(db, batch)
                _progress(start + BATCH, articles)
            print("  facets and the full-text index ...", file=sys.stderr, flush=True)
            derived.fill(db)
            _close_history(db, asked)
        db.execute("pragma analysis_limit = 1000")
        db.execute("analyze")
        db.execute("pragma journal_mode = wal")
        connect.tidy(db)
        _fill_annotations(folder / "annotations.db", db)


def _made_elsewhere(maker: Maker, articles: int) -> Iterator[tuple[int, list[Made]]]:
    """The articles, batch by batch, made on the other core meanwhile."""
    ready: multiprocessing.Queue[list[Made]] = multiprocessing.Queue(maxsize=4)

    def work() -> None:
        for start in range(0, articles, BATCH):
            ready.put([maker.make(n) for n in range(start, min(start + BATCH, articles))])

    process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
    process.start()
    try:
        for start in range(0, articles, BATCH):
            yield start, ready.get(timeout=300)
    finally:
        process.terminate()


def _progress(done: int, of: int) -> None:
    if done % (of // 10 or 1) < BATCH:
        print(f"  {min(done, of):,} articles", file=sys.stderr, flush=True)


def _store(db: sqlite3.Connection, batch: Sequence[Made]) -> None:
    write(db, [made.rows for made in batch])
    db.executemany(
        "insert into record_state (pmid, raw, first_seen, checked, next_check, source) values (?, ?, ?, ?, ?, ?)",
        [made.state for made in batch],
    )
    db.executemany(
        """
        insert into question_articles (question, pmid, published, entered, reason, strategy, left_at, matching)
        values (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [place for made in batch for place in made.places],
    )
    db.executemany(
        "insert into changes (pmid, field, before, after, noticed, run) values (?, ?, ?, ?, ?, ?)",
        [change for made in batch for change in made.changes],
    )


def _fill_history(db: sqlite3.Connection, asked: Sequence[Question], today: date) -> None:
    """Questions, their strategies, and a run and four searches for every night."""
    questions.describe(db, asked)
    for night in range(FIRST_SEARCH, -1, -1):
        when = f"{(today - timedelta(night)).isoformat()}T03:00:00Z"
        run = db.execute(
            "insert into runs (command, started, finished, outcome, version) values ('refresh', ?, ?, 'complete', '0')",
            (when, when),
        ).lastrowid
        for question in asked:
            if night == FIRST_SEARCH:
                questions.keep_strategy(db, question, when)
            db.execute(
                """
                insert into searches (run, question, purpose, strategy, query, translation, errors, warnings, count,
                  slices, entered, left_count, kept, reconciled, started, seconds)
                values (?, ?, 'strategy', ?, ?, ?, '[]', '[]', 0, '[]', 0, 0, 0, 1, ?, 1.5)
                """,
                (run, question.slug, question.strategy_hash, question.strategy, question.strategy, when),
            )


def _close_history(db: sqlite3.Connection, asked: Sequence[Question]) -> None:
    """Make each question complete, and have its searches count what it holds."""
    (when,) = db.execute("select max(started) from runs").fetchone()
    for question in asked:
        found = questions.matching(db, question.slug)
        questions.complete(db, question, when, found)
        db.execute(
            "update searches set count = ?, kept = ? where question = ?",
            (len(found), len(found), question.slug),
        )


def _fill_annotations(path: Path, evidence: sqlite3.Connection) -> None:
    """Three people, 450 taggings, 600 decisions: on newer and older articles of each question."""
    rng = random.Random(SEED)
    when = "2026-01-01T09:00:00Z"
    with closing(people.open_annotations(path)) as db, connect.transaction(db):
        for name in ("ada", "ben", "cleo"):
            values = (name, name.title(), when)
            db.execute(
                "insert into people (name, display_name, role, created) values (?, ?, 'tagger', ?)", values
            )
        db.execute("insert into tag_groups (name) values ('reading')")
        for tag in (TAG, "read", "ask the authors"):
            db.execute("insert into tags (tag_group, name) values (1, ?)", (tag,))
        for slug in SHARES:
            pmids = [
                pmid
                for (pmid,) in evidence.execute(
                    "select pmid from question_articles where question = ? and matching", (slug,)
                )
            ]
            some = rng.sample(pmids, min(150, len(pmids)))
            for at, pmid in enumerate(some):
                if at % 4:
                    db.execute(
                        "insert into taggings (pmid, question, tag, person, tagged) values (?, ?, ?, ?, ?)",
                        (pmid, slug, at % 3 + 1, at % 2 + 1, when),
                    )
                db.execute(
                    """
                    insert into decisions (pmid, question, stage, person, decision, decided)
                    values (?, ?, 'title-abstract', ?, ?, ?)
                    """,
                    (pmid, slug, at % 3 + 1, rng.choice(("include", "exclude", "exclude", "unsure")), when),
                )


# ---------------------------------------------------------------- what is asked for


class Page(NamedTuple):
    """A path of ours, and plain Datasette's nearest thing to it. ``streams`` has its first byte timed as well."""

    name: str
    path: str
    rival: str | None = None
    streams: bool = False


def pages(db: sqlite3.Connection, page: Callable[[str], str]) -> Iterator[Page]:
    """Every page that is timed; ``page`` gives the text of one of ours, for the links in it."""
    table, listed = "/evidence/articles", "/evidence/question_articles"
    newest = "_sort_desc=published"
    whole = f"{listed}?question=cognition"
    for name, path, rival in (
        ("home", "/", "/"),
        ("changes", "/changes", "/evidence/changes?_sort_desc=noticed"),
        ("methods", "/methods", "/evidence/searches"),
        ("robots.txt", "/robots.txt", None),
        ("sitemap.xml", "/sitemap.xml", None),
    ):
        yield Page(name, path, rival)
    for slug in SHARES:
        yield Page(f"question {slug}", f"/questions/{slug}", f"{listed}?question={slug}&{newest}")
    big = "/questions/cognition"
    (month,) = db.execute("select date(max(created), '-30 days') from articles").fetchone()
    facet = "/evidence/question_labels?question=cognition&label_group=design&value="
    for name, form, rival in (
        ("one label", {"design": "cohort study"}, f"{facet}cohort+study&{newest}"),
        ("one rare label", {"design": "scoping review"}, f"{facet}scoping+review&{newest}"),
        ("two of a group", {"design": ["meta-analysis", "systematic review"]}, None),
        ("two labels", {"design": "cohort study", "route": "oral"}, None),
        ("three, no match", {"design": "animal study", "evidence_level": REVIEWS, "route": "oral"}, None),
        ("years", {"from": 2015, "to": 2020}, f"{whole}&published__gte=2015&published__lt=2021&{newest}"),
        ("language", {"language": "ger"}, f"{table}?languages=ger&{newest}"),
        (
            "label, language, years",
            {"design": "cohort study", "language": "eng", "from": 2015, "to": 2020},
            None,
        ),
        ("created since", {"new": month}, None),
        ("tag", {"tag": TAG}, None),
        ("judged relevant", {"decision": "include"}, None),
        ("not looked at", {"decision": "none"}, None),
        ("sort by entered", {"sort": "entered"}, f"{whole}&_sort_desc=entered"),
    ):
        yield Page(f"cognition, {name}", f"{big}?{urlencode(form, doseq=True)}", rival)
    yield from _deeper(db, page)
    for question, prefix in (("cognition, ", big), ("", "/search")):
        for name, text in SEARCHES.items():
            match = f"{table}?_fts_table=articles_fts&_fts_pk=pmid&_search={quote_plus(text)}"
            match += "&_searchmode=raw" if text.endswith("*") else ""
            rival = match if not question else None
            yield Page(f"{question or 'all, '}search {name}", f"{prefix}?q={quote_plus(text)}", rival)
    narrowed = urlencode({"q": TENTH, "design": "cohort study", "from": 2015})
    yield Page("cognition, search 10 %, label, years", f"{big}?{narrowed}")
    yield from _articles(db)
    for name, slug in (("psychotherapy.ris", "psychotherapy"), ("cystitis.csv", "cystitis")):
        yield Page(name, f"/questions/{name}", f"{listed}.csv?question={slug}&_stream=on", streams=True)
    for slug in ("cognition", "psychotherapy"):
        rival = f"{listed}.json?question={slug}&_size=50&{newest}"
        yield Page(f"{slug}.atom, 50", f"/questions/{slug}.atom?newest=50", rival)
    yield Page("Datasette's table", "/evidence/articles", table)
    yield Page("Datasette's facet", f"{listed}?_facet=question", f"{listed}?_facet=question")


SEARCHES = {
    "rare word": RARE,
    "1 % word": HUNDREDTH,
    "10 % word": TENTH,
    "99 % word": ALMOST_ALL,
    "two words": f"{TENTH} {HUNDREDTH}",
    "two common words": f"{ALMOST_ALL} {TENTH}",
    "phrase": PHRASE,
    "prefix": "ket*",
    "no such word": "nosuchword",
}


def _deeper(db: sqlite3.Connection, page: Callable[[str], str]) -> Iterator[Page]:
    """The second page and the thirtieth, by the links to them; and one in the middle of the list."""
    listed = "/evidence/question_articles?question=cognition&_sort_desc=published"
    path = "/questions/cognition"
    for number in range(2, 31):
        found = re.search(r'href="([^"]*[?&;]after=[^"]*)"', page(path))
        if not found:
            return
        path = unescape(found[1])
        path = path if path.startswith("/") else f"/questions/cognition{path}"
        if number in (2, 30):
            yield Page(f"cognition, page {number}", path)
    row = db.execute(
        """
        select published, pmid from question_articles where question = 'cognition' and matching
        and published < '2005-06' order by published desc, pmid desc limit 1
        """
    ).fetchone()
    if row:
        key = quote(f"{row[0]},{row[1]}")
        yield Page("cognition, in the middle", f"/questions/cognition?after={key}", f"{listed}&_next={key}")


def _articles(db: sqlite3.Connection) -> Iterator[Page]:
    one = """
    select q.pmid from question_articles q join articles a using (pmid)
    where q.question = 'cognition' and q.matching and q.pmid > 20000000
    """
    in_search = f"""a.pmid in (select rowid from articles_fts where articles_fts match '{HUNDREDTH}')
      and a.pmid in (select pmid from labels where label_group = 'design' and value = 'cohort study')"""
    for name, condition, rest in (
        ("plain", "not a.corrected", ""),
        ("retracted", "a.retracted", ""),
        ("registered trial", "exists (select 1 from registrations r where r.pmid = q.pmid)", ""),
        ("in cognition", "a.pmcid is not null", "?in=cognition"),
        ("in a search", in_search, f"?in=cognition&q={HUNDREDTH}&design=cohort+study"),
    ):
        found = db.execute(f"{one} and {condition} order by q.pmid limit 1").fetchone()
        if found:
            yield Page(f"article, {name}", f"/articles/{found[0]}{rest}", f"/evidence/articles/{found[0]}")


# ---------------------------------------------------------------- asking and timing


class Answer(NamedTuple):
    """Milliseconds to the first byte and to the last; ``status`` is 0 where there was no answer in time."""

    status: int
    first: float
    total: float
    body: bytes = b""


class Client:
    """One connection, kept alive."""

    def __init__(self, port: int, timeout: float = 10.0) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=timeout)

    def get(self, path: str) -> Answer:
        started = time.perf_counter()
        try:
            self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = self._connection.getresponse()
            head = answer.read(1)
            first = time.perf_counter()
            body = head + answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            took = (time.perf_counter() - started) * 1000
            return Answer(0, took, took)
        ended = time.perf_counter()
        return Answer(answer.status, (first - started) * 1000, (ended - started) * 1000, body)

    def page(self, path: str) -> str:
        body = self.get(path).body
        return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode("utf-8", "replace")

    def close(self) -> None:
        self._connection.close()


class Timing(NamedTuple):
    """p50 and p95 in milliseconds of ``n`` answers, and the server's processor time for each.

    With another status than 200 there are none.
    """

    status: int
    n: int = 0
    p50: float = 0.0
    p95: float = 0.0
    first_p50: float = 0.0
    first_p95: float = 0.0
    cpu: float = 0.0
    bytes: int = 0

    @property
    def answered(self) -> bool:
        return self.status in (200, 304)


class Effort(NamedTuple):
    """How often a page is asked for, at most, and for how many seconds."""

    warm: int
    requests: int
    seconds: float


def measure(server: Server, path: str, clients: int, effort: Effort) -> Timing:
    """One page, asked for by so many clients at once, each as soon as it has its last answer."""
    found: list[Answer] = []
    asked = itertools.count()  # one count for all: the requests are shared
    connections = [Client(server.port) for _ in range(clients)]
    try:
        worked = server.worked()
        for _ in range(effort.warm):
            answer = connections[0].get(path)
            if answer.status not in (200, 304) or answer.total > effort.seconds * 1000:
                # What fails, or takes that long, is not asked for again and again.
                return _timing([answer], server.worked() - worked)
        worked = server.worked()
        threads = [
            threading.Thread(target=lambda c=c: found.extend(_asked(c, path, effort, asked)), daemon=True)
            for c in connections
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return _timing(found, (server.worked() - worked) / max(1, len(found)))
    finally:
        for connection in connections:
            connection.close()
        server.rest()


def _asked(client: Client, path: str, effort: Effort, asked: Iterator[int]) -> Iterator[Answer]:
    end = time.perf_counter() + effort.seconds
    while next(asked) < effort.requests and time.perf_counter() < end:
        yield client.get(path)


def _timing(answers: Sequence[Answer], cpu: float) -> Timing:
    wrong = [answer.status for answer in answers if answer.status not in (200, 304)]
    if wrong or not answers:
        return Timing(wrong[0] if wrong else 0, len(answers))
    totals, firsts = (sorted(times) for times in zip(*((a.total, a.first) for a in answers), strict=True))
    times = (_at(totals, 50), _at(totals, 95), _at(firsts, 50), _at(firsts, 95))
    return Timing(answers[0].status, len(answers), *times, cpu, len(answers[0].body))


def _at(ordered: Sequence[float], percent: int) -> float:
    """The nearest rank: at least so many percent are no larger."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


# ---------------------------------------------------------------- servers

PLAIN_DATASETTE = """
import pluggy
pluggy.PluginManager.load_setuptools_entrypoints = lambda *args, **options: 0  # ours is installed beside it
from datasette.cli import cli
cli()
"""


def free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as probe:
        return int(probe.getsockname()[1])


class Server(NamedTuple):
    """``pids`` are of all processes that have a part in its answers."""

    port: int
    pids: tuple[int, ...]

    def worked(self) -> float:
        """Milliseconds of processor time so far."""
        try:
            stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids]
        except FileNotFoundError as error:
            raise click.ClickException(f"a server ended while it was timed ({error.filename})") from None
        return sum(int(fields[11]) + int(fields[12]) for fields in stats) * 1000 / os.sysconf("SC_CLK_TCK")

    def rest(self, seconds: float = 20.0) -> None:
        """Wait until it has nothing left to do: what was not waited for any longer is still worked at."""
        end = time.monotonic() + seconds
        before = -1.0
        while time.monotonic() < end and (now := self.worked()) > before + 10:
            before = now
            time.sleep(0.1)


@contextmanager
def running(command: Sequence[str], port: int, **options: Any) -> Iterator[Server]:
    """A server, ended whatever happens; given as soon as its port can be reached."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT, **options)
        try:
            _wait_for(process, port, said)
            yield Server(port, (process.pid,))
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, said: Any) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end and process.poll() is None:
        with closing(socket.socket()) as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.05)
    said.seek(0)
    raise click.ClickException(
        f"{process.args!r} does not answer: {said.read().decode(errors='replace')[-2000:]}"
    )


def tracker(folder: Path, *options: str) -> AbstractContextManager[Server]:
    port = free_port()
    program = str(Path(sys.executable).with_name("tracker"))
    return running([program, "--db-dir", str(folder), "serve", f"--port={port}", *options], port)


@contextmanager
def datasette(folder: Path) -> Iterator[Server]:
    """Plain Datasette with its default settings; none of ours is in it."""
    port = free_port()
    database = str(folder / "evidence.db")
    with running(
        [sys.executable, "-c", PLAIN_DATASETTE, "serve", database, f"--port={port}"], port
    ) as server:
        client = Client(port)
        if (plugins := json.loads(client.page("/-/plugins.json"))) != []:
            raise click.ClickException(f"this is no plain Datasette: {plugins}")
        client.close()
        yield server


@contextmanager
def nginx(folder: Path, upstream: Sequence[Server], *, cached: bool) -> Iterator[Server]:
    """nginx with deploy/nginx.conf; only its ports are changed and, where it is to keep nothing, its cache is off."""
    port = free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    servers = "\n".join(f"        server {HOST}:{server.port};" for server in upstream)
    changes = [
        (r"(?:^ *server 127[^\n]*\n)+", f"{servers}\n"),
        (r"listen 127\.0\.0\.1:\d+;", f"listen {HOST}:{port};"),
    ]
    if not cached:
        changes.append((r"proxy_cache pages;", "proxy_cache off;"))
    for pattern, replacement in changes:
        text, found = re.subn(pattern, replacement, text, flags=re.M)
        if found != 1:
            raise click.ClickException(f"deploy/nginx.conf: {pattern} fits {found} times")
    prefix = folder / f"nginx-{port}"
    prefix.mkdir()
    (prefix / "nginx.conf").write_text(text, "utf-8")
    options: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for path in (folder, prefix):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise click.UsageError("nginx is not installed (Debian: apt-get install nginx-light)")
    command = [program, "-p", f"{prefix}/", "-c", str(prefix / "nginx.conf")]
    with running(command, port, **options) as server:
        (master,) = server.pids
        workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        yield Server(port, (*map(int, workers), *(pid for server in upstream for pid in server.pids)))


# ---------------------------------------------------------------- the tables


class Column(NamedTuple):
    """What is timed for each page: a server, and how many clients ask it."""

    name: str
    server: Server
    clients: int
    ours: bool = True


class Measured(NamedTuple):
    """A row of the table: ``timings`` by the names of its columns."""

    page: str
    path: str
    rival: str | None
    timings: dict[str, Timing]


def run(wanted: Sequence[Page], columns: Sequence[Column], effort: Effort) -> Iterator[Measured]:
    """Each page through each column, a row a page, as soon as it is measured."""
    for page in wanted:
        timings: dict[str, Timing] = {}
        for column in columns:
            path = page.path if column.ours else page.rival
            if path is None:
                continue
            requests = effort.requests if column.clients == 1 else max(effort.requests, column.clients * 10)
            alone = next(
                (timings[c.name] for c in columns if c.name in timings and c.server == column.server), None
            )
            # What one client had no answer to, eight are not sent for.
            timings[column.name] = (
                alone
                if alone and not alone.answered
                else measure(column.server, path, column.clients, effort._replace(requests=requests))
            )
        rows = {page.name: timings}
        if page.streams:
            rows[f"{page.name}, first byte"] = {
                name: timing._replace(p50=timing.first_p50, p95=timing.first_p95)
                for name, timing in timings.items()
            }
        for name, measured in rows.items():
            yield Measured(name, page.path, page.rival, measured)


def _cells(row: Measured, column: str) -> str:
    timing = row.timings.get(column)
    if timing is None:
        return f"{'-':>{WIDTH}}"
    if not timing.answered:
        return f"{f'n/a ({timing.status or None})':>{WIDTH}}"
    return f"{timing.p50:7.1f} {timing.p95:7.1f} {timing.cpu:7.1f}"


WIDTH = 23


def _print_rows(
    rows: Iterable[Measured], columns: Sequence[Column], pairs: Sequence[tuple[str, str]]
) -> list[Measured]:
    """The table; after its columns the ratio of p95 for each pair of them, theirs to ours."""
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"Load of the machine before: {load} (on a busy one only the processor time means something)")
    print(f"{'':36}" + "".join(f" | {column.name:{WIDTH}}" for column in columns) + " | ratio" * len(pairs))
    units = f" | {'p50':>7} {'p95':>7} {'CPU':>7}"
    print(f"{'milliseconds':36}" + units * len(columns) + " | p95  " * len(pairs), flush=True)
    done = []
    for row in rows:
        cells = "".join(f" | {_cells(row, column.name)}" for column in columns)
        print(
            f"{row.page:36.36}{cells}" + "".join(f" | {_ratio(row, *pair):>5}" for pair in pairs), flush=True
        )
        done.append(row)
    return done


def _ratio(row: Measured, ours: str, theirs: str) -> str:
    one, other = row.timings.get(ours), row.timings.get(theirs)
    if not one or not other or not one.answered or not other.answered:
        return "-"
    return f"{other.p95 / one.p95:.1f}"


def compare(folder: Path, only: str, effort: Effort, *, beside: bool) -> list[Measured]:
    """Our server and plain Datasette, each alone at work while it is timed."""
    with ExitStack() as stack:
        ours = stack.enter_context(tracker(folder))
        columns = [Column("ours, 1 client", ours, 1), Column("ours, 8", ours, 8)]
        pairs = []
        if beside:
            theirs = stack.enter_context(datasette(folder))
            columns.insert(1, Column("Datasette, 1", theirs, 1, ours=False))
            columns.append(Column("Datasette, 8", theirs, 8, ours=False))
            pairs = [("ours, 1 client", "Datasette, 1"), ("ours, 8", "Datasette, 8")]
        rows = _print_rows(run(_wanted(folder, ours.port, only), columns, effort), columns, pairs)
    alone = [(row.page, row.timings["ours, 1 client"]) for row in rows]
    missed = [f"{page} ({timing.p95:.0f})" for page, timing in alone if timing.answered and timing.p95 >= BAR]
    print(f"\np95 of {BAR:.0f} ms or more with one client: {', '.join(missed) or 'none'}")
    return rows


def behind_nginx(folder: Path, only: str, effort: Effort, processes: int) -> list[Measured]:
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(tracker(folder, "--immutable")) for _ in range(processes)]
        off = stack.enter_context(nginx(scratch, servers, cached=False))
        on = stack.enter_context(nginx(scratch, servers, cached=True))
        columns = [
            Column("1 process, direct", servers[0], 8),
            Column("nginx, cache off", off, 8),
            Column("nginx, cache on", on, 8),
        ]
        print(f"{processes} processes of tracker serve --immutable, eight clients")
        return _print_rows(run(_wanted(folder, servers[0].port, only), columns, effort), columns, [])


def _wanted(folder: Path, port: int, only: str) -> list[Page]:
    client = Client(port)
    with closing(sqlite3.connect(f"file:{folder / 'evidence.db'}?mode=ro", uri=True)) as db:
        found = [page for page in pages(db, client.page) if re.search(only, page.name)]
    client.close()
    return found


file_option = click.Path(path_type=Path, dir_okay=False)
folder_option = click.Path(path_type=Path, file_okay=False)


@click.command(help=(__doc__ or "").split("\n\n", 1)[0])
@click.option("--articles", type=click.IntRange(100, 30_000_000), default=1_000_000, show_default=True)
@click.option("--dir", "folder", type=folder_option, default=DEFAULT_DIR, help="Where the database is kept.")
@click.option("--fresh", is_flag=True, help="Build the database anew.")
@click.option("--build-only", is_flag=True, help="Build the database, and measure nothing.")
@click.option(
    "--only", default="", metavar="PATTERN", help="Only pages whose name this regular expression fits."
)
@click.option("--beside/--alone", default=True, help="Time plain Datasette as well, or not.")
@click.option("--immutable", is_flag=True, help="Time several processes behind nginx instead.")
@click.option("--processes", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--requests", type=click.IntRange(5, 10_000), default=60, help="Of each page, at most.")
@click.option("--seconds", type=float, default=3.0, help="For each page and column, at most.")
@click.option("--json", "json_file", type=file_option, help="Write the figures here as well.")
def main(
    articles: int, folder: Path, fresh: bool, build_only: bool, only: str, beside: bool, immutable: bool,
    processes: int, requests: int, seconds: float, json_file: Path | None,
) -> None:  # fmt: skip
    ensure(folder, articles, fresh=fresh)
    if build_only:
        return
    effort = Effort(5, requests, seconds)
    if immutable:
        report(behind_nginx(folder, only, effort, processes), articles, json_file)
    else:
        report(compare(folder, only, effort, beside=beside), articles, json_file)


def report(rows: list[Measured], articles: int, json_file: Path | None) -> None:
    if json_file:
        plain = [
            row._asdict() | {"timings": {name: timing._asdict() for name, timing in row.timings.items()}}
            for row in rows
        ]
        json_file.write_text(json.dumps({"articles": articles, "pages": plain}, indent=1) + "\n")


if __name__ == "__main__":
    main()
