"""What changed from one snapshot to another: what entered and left, what was withdrawn, what is read otherwise."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tracker.article import ArticleKey, shown
from tracker.errors import UnusableInput
from tracker.evidence.connect import connect_read_only
from tracker.snapshot import describe

STANDING = ("retracted", "withdrawn", "expression_of_concern", "corrected")


class Paper(NamedTuple):
    key: ArticleKey
    title: str


class Membership(NamedTuple):
    """What entered and left a question."""

    question: str
    entered: list[Paper]
    left: list[Paper]


class Read(NamedTuple):
    """A label, or with the group ``directness: SLUG`` a directness, that is another now; values in order."""

    paper: Paper
    group: str
    before: list[str]
    after: list[str]


class Difference(NamedTuple):
    """``standing`` are papers with what was said of them since; ``read`` are those in both that are read otherwise."""

    before: str
    after: str
    questions: list[Membership]
    standing: list[tuple[Paper, str]]
    read: list[Read]

    def as_json(self) -> dict[str, Any]:
        return {
            "before": self.before,
            "after": self.after,
            "questions": {
                each.question: {"entered": _json(each.entered), "left": _json(each.left)}
                for each in self.questions
            },
            "standing": [{**_json([paper])[0], "now": what} for paper, what in self.standing],
            "read_otherwise": [
                {**_json([each.paper])[0], "group": each.group, "before": each.before, "after": each.after}
                for each in self.read
            ],
        }


def compare(before: Path, after: Path) -> Difference:
    """Raises UnusableInput for a folder that is no snapshot, or is not as its checksums say."""
    for folder in (before, after):
        check(folder)
    with closing(_open(before)) as db:
        db.execute(
            "attach database ? as later", (f"{(after / 'evidence.db').absolute().as_uri()}?immutable=1",)
        )
        return Difference(
            before.name, after.name, list(_memberships(db)), list(_standing(db)), list(_read(db))
        )


def check(folder: Path) -> None:
    """Raises UnusableInput for a folder that is no snapshot, or is not whole any more."""
    if not (folder / describe.SUMS).is_file() or not (folder / "evidence.db").is_file():
        raise UnusableInput(
            f"{folder}: not a snapshot, as it lacks {describe.SUMS} or evidence.db. Name its folder."
        )
    if wrong := next(describe.wrong_sums(folder), None):
        raise UnusableInput(
            f"{folder}: {wrong} is missing or was changed since. Take a whole copy of the snapshot."
        )


def _open(folder: Path) -> sqlite3.Connection:
    return connect_read_only(folder / "evidence.db", "immutable=1")


def _memberships(db: sqlite3.Connection) -> Iterator[Membership]:
    slugs = db.execute(
        "select slug from (select slug from main.questions union select slug from later.questions) order by slug"
    )
    for (slug,) in slugs.fetchall():
        entered, left = (
            [Paper(ArticleKey(pmid), title) for pmid, title in db.execute(query, {"slug": slug})]
            for query in (_entered("later", "main"), _entered("main", "later"))
        )
        if entered or left:
            yield Membership(slug, entered, left)


def _entered(into: str, since: str) -> str:
    return f"""
    select m.pmid, a.title from {into}.question_articles m join {into}.articles a on a.pmid = m.pmid
    where m.question = :slug and m.matching and m.pmid not in (
      select pmid from {since}.question_articles where question = :slug and matching)
    order by m.pmid desc
    """


def _standing(db: sqlite3.Connection) -> Iterator[tuple[Paper, str]]:
    columns = ", ".join(f"n.{flag} > coalesce(o.{flag}, 0)" for flag in STANDING)
    rows = db.execute(
        f"select n.pmid, n.title, {columns} from later.articles n left join main.articles o on o.pmid = n.pmid "
        f"where {' or '.join(f'n.{flag} > coalesce(o.{flag}, 0)' for flag in STANDING)} order by n.pmid desc"
    )
    for pmid, title, *now in rows:
        yield (
            Paper(ArticleKey(pmid), title),
            ", ".join(flag.replace("_", " ") for flag, is_now in zip(STANDING, now, strict=True) if is_now),
        )


def _read(db: sqlite3.Connection) -> Iterator[Read]:
    changed: defaultdict[tuple[int, str], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, query in enumerate((_only("main", "later"), _only("later", "main"))):
        for pmid, group, value in db.execute(query):
            changed[pmid, group][side].append(value)
    titles = dict(
        db.execute("select pmid, title from later.articles where pmid in (select pmid from main.articles)")
    )
    for (pmid, group), (before, after) in sorted(changed.items(), reverse=True):
        if pmid in titles:
            yield Read(Paper(ArticleKey(pmid), titles[pmid]), group, before, after)


def _only(mine: str, other: str) -> str:
    return f"""
    select pmid, label_group, value from {mine}.labels
    except select pmid, label_group, value from {other}.labels
    union all
    select * from (
      select pmid, 'directness: ' || question, value from {mine}.directness
      except select pmid, 'directness: ' || question, value from {other}.directness)
    """


def _json(papers: list[Paper]) -> list[dict[str, Any]]:
    return [{"pmid": shown(paper.key), "title": paper.title} for paper in papers]
