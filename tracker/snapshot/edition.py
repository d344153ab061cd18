"""The records that questions hold as plain HTML, which opens from disk: no server, no network, no script but search."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from tracker import topic
from tracker.article import ArticleKey, named, spelt
from tracker.directness import directness_words
from tracker.evidence.rows import Row, read_rows
from tracker.lists.answers import outcome_words, with_answers
from tracker.lists.article import read_article
from tracker.lists.entries import read_entries
from tracker.lists.leading import Leading, leading
from tracker.lists.selection import Selection, pmids, tallies_as_read
from tracker.reading.labels import groups
from tracker.reading.notices import words as notice_words
from tracker.site import words
from tracker.site.parts.readings import answers_to, marked_in, readings
from tracker.snapshot.search import Index

# A page of more records than this takes long to open on a phone.
ON_A_PAGE = 200
BATCH = 200


class Question(NamedTuple):
    """A question as its pages show it; ``files`` are its files, by place and what each is."""

    slug: str
    title: str
    question: str
    complete_to: str | None
    incomplete_since: str | None
    incomplete_reason: str | None
    matching: int
    lead: Leading | None
    files: Sequence[tuple[str, str]]


class Edition(NamedTuple):
    """What all pages say: the day of the snapshot, and the address of the site that goes on, if it has one."""

    day: str
    site: str


def write(
    db: sqlite3.Connection, folder: Path, edition: Edition, files: Mapping[str, Sequence[tuple[str, str]]]
) -> None:
    """Write every page below ``folder``; ``files`` are each question's files, by place and what each is."""
    pages = _Pages(folder, edition)
    questions = [_question(db, row, files.get(row["slug"], ())) for row in read_rows(db, _QUESTIONS)]
    titles = {question.slug: question.title for question in questions}
    pages.write("index.html", "index.html", questions=questions)
    pages.write("search.html", "search.html")
    for question in questions:
        for page in _lists(db, question):
            pages.write(_place(question.slug, page["number"]), "question.html", question=question, **page)
    index = Index(folder / "search")
    for entry in _held(db):
        article = _article(db, entry["pmid"], titles)
        pages.write(f"articles/{spelt(entry['pmid'])}.html", "article.html", titles=titles, **article)
        index.add(entry, article["article"])
    index.write()
    _copy_assets(folder / "assets")


class _Pages:
    """Pages by template, each told how to get from where it is to the snapshot's folder."""

    def __init__(self, folder: Path, edition: Edition) -> None:
        self._folder, self._edition = folder, edition
        self._env = Environment(
            loader=PackageLoader("tracker.snapshot"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters |= {
            "day": words.day,
            "moment": words.moment,
            "doi_link": words.doi_link,
            "chip": words.chip,
            "lower_first": words.lower_first,
            "notice_words": notice_words,
            "outside_words": words.outside_words,
            "reason_words": words.reason_words,
            "registry_link": words.registry_link,
            "language_tag": words.language_tag,
            "outcome_words": outcome_words,
            "directness_words": directness_words,
            "spelt": spelt,
            "named": named,
        }
        self._env.globals |= {"site": topic.current().site, "label_groups": groups()}

    def write(self, place: str, template: str, **given: Any) -> None:
        path = self._folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        top = "../" * place.count("/")
        text = self._env.get_template(template).render(top=top, edition=self._edition, **given)
        path.write_text(text, encoding="utf-8")


def _question(db: sqlite3.Connection, row: Row, files: Sequence[tuple[str, str]]) -> Question:
    return Question(**row, lead=leading(db, row["slug"], tallies_as_read(db, row["slug"]), None), files=files)


def _lists(db: sqlite3.Connection, question: Question) -> Iterator[dict[str, Any]]:
    """The question's records, newest first, by page."""
    last = max(1, -(-question.matching // ON_A_PAGE))
    batches = pmids(db, Selection(question.slug), ON_A_PAGE)
    for number in range(1, last + 1):
        entries = read_entries(db, next(batches, []), question.slug, fold=False)
        with_answers(db, entries, question.slug, None)
        yield {
            "entries": entries,
            "number": number,
            "last": last,
            "earlier": _place(question.slug, number - 1) if number > 1 else None,
            "later": _place(question.slug, number + 1) if number < last else None,
        }


def _place(slug: str, number: int) -> str:
    return f"questions/{slug}.html" if number == 1 else f"questions/{slug}-{number}.html"


def _held(db: sqlite3.Connection) -> Iterator[Row]:
    """Entries of all articles that a question holds, newest first."""
    held = [ArticleKey(row["pmid"]) for row in read_rows(db, _HELD)]
    for start in range(0, len(held), BATCH):
        yield from read_entries(db, held[start : start + BATCH], fold=False)


def _article(db: sqlite3.Connection, pmid: ArticleKey, titles: Mapping[str, str]) -> dict[str, Any]:
    found = read_article(db, pmid)
    # It is in a list of the same database.
    assert found is not None
    read = readings(found.record["labels"], {})
    holding = [each["question"] for each in found.record["questions"] if each["matching"]]
    answers = answers_to(holding, found.outcomes, titles)
    entry = with_answers(db, [found.entry], holding[0], None)[0] if holding else found.entry
    bearings = {row["question"]: row for row in read_rows(db, _DIRECTNESS, {"pmid": pmid})}
    return {
        "article": found.record,
        "entry": entry,
        "designs": found.entry["labels"].get("design", []),
        "readings": read,
        "answers": answers,
        "bearings": bearings,
        "marked": marked_in(found.record, read, answers),
        "held": {row["pmid"] for row in read_rows(db, _NAMED, {"pmid": pmid})},
    }


def _copy_assets(folder: Path) -> None:
    folder.mkdir()
    for package, name in (
        ("tracker.site", "tracker.css"),
        ("tracker.site", "icon.svg"),
        ("tracker.snapshot", "snapshot.css"),
        ("tracker.snapshot", "search.js"),
    ):
        with resources.as_file(resources.files(package) / "static" / name) as asset:
            shutil.copyfile(asset, folder / name)


_QUESTIONS = """
select q.slug, q.title, q.question, q.complete_to, q.incomplete_since, q.incomplete_reason,
  (select count(*) from question_articles m where m.question = q.slug and m.matching) as matching
from questions q order by q.position, q.slug
"""
_HELD = """
select a.pmid from articles a
where exists (select 1 from question_articles m where m.pmid = a.pmid and m.matching)
order by coalesce(a.published, '') desc, a.pmid desc
"""
_DIRECTNESS = "select question, value, reason from directness where pmid = :pmid"
# Of the records that an article's notices and trials name, those that have a page.
_NAMED = """
select m.pmid from question_articles m
where m.matching and m.pmid in (
  select other_pmid from notices where pmid = :pmid
  union select r.pmid from registrations r join registrations o on o.number = r.number where o.pmid = :pmid
  union select preprint from preprint_pairs where pmid = :pmid
  union select pmid from preprint_pairs where preprint = :pmid)
"""
