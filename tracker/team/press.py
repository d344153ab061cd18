"""Peer review of a search strategy by PRESS 2015 (McGowan 2016, doi:10.1016/j.jclinepi.2016.01.021).

A peer judges six elements of one version of a strategy, and the whole, each with a comment where there is one to make.
A version is its hash (``Question.strategy_hash``), so that whoever edits a strategy has one that nobody has reviewed.
The elements are those of PRESS; the words for them are ours.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from tracker.errors import NotThere, Refused, UsageError, either
from tracker.evidence.rows import read_rows
from tracker.team.acts import PRESS_PARTS, Act, current

KIND = "press review"
LONGEST_COMMENT = 2_000
LONGEST_NAME = 100
# Each with what pages and reports call it.
JUDGEMENTS = {
    "no revision": "no revision needed",
    "revision suggested": "revision suggested",
    "revision required": "revision required",
}


class Element(NamedTuple):
    """A part of the form: its name in files and columns, its title, and what the peer asks of the strategy."""

    name: str
    title: str
    asks: str


ELEMENTS = (
    Element(
        "translation",
        "Translation of the question",
        "Does the strategy look for what the question asks: the right concepts, neither too many nor too few?",
    ),
    Element(
        "operators",
        "Boolean and proximity operators",
        "Are AND, OR, NOT, parentheses and proximity used as meant, and does NOT lose nothing that matters?",
    ),
    Element(
        "headings",
        "Subject headings",
        "Are the headings the relevant ones, none missing, exploded where they should be?",
    ),
    Element(
        "text_words",
        "Text-word searching",
        "Are synonyms, spellings, abbreviations and endings covered, in the right fields, not too broadly?",
    ),
    Element(
        "spelling",
        "Spelling, syntax and line numbers",
        "Is everything spelt and written as the database reads it, and does each line stand where it is combined?",
    ),
    Element(
        "limits",
        "Limits and filters",
        "Do limits and filters fit the question and the database, and is a filter that is needed there?",
    ),
    Element("overall", "The strategy as a whole", "Should it be run as it is, or be revised first?"),
)
assert tuple(element.name for element in ELEMENTS) == PRESS_PARTS
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PEOPLE = re.compile(r"\s*(?:[,;&]|\band\b)\s*")


class Answer(NamedTuple):
    """What a peer says of one element."""

    element: Element
    judgement: str
    comment: str

    @property
    def words(self) -> str:
        return JUDGEMENTS[self.judgement]


@dataclass(frozen=True, slots=True)
class PressReview:
    """A peer's review of a version: ``reviewed`` is the day, ``person`` the account that entered it."""

    question: str
    strategy: str
    reviewer: str
    person: str
    reviewed: str
    answers: tuple[Answer, ...]
    written: str
    mine: bool = False

    @property
    def overall(self) -> Answer:
        return self.answers[-1]

    def as_json(self) -> dict[str, object]:
        return {
            "question": self.question,
            "strategy": self.strategy,
            "reviewer": self.reviewer,
            "reviewed": self.reviewed,
            "entered_by": self.person,
            "written": self.written,
            "answers": {
                answer.element.name: {"judgement": answer.judgement, "comment": answer.comment}
                for answer in self.answers
            },
        }


class Version(NamedTuple):
    """A version of a question's strategy, and who built it, who cannot review it as well."""

    question: str
    strategy: str
    built_by: str = ""


# -- writing ---------------------------------------------------------------------------------------


def review(act: Act, version: Version, reviewer: str, reviewed: str, answers: Mapping[str, str]) -> bool:
    """Keep a peer's answers on a version, in the acting person's name; whether that changed anything.

    ``answers`` has a judgement for each element by its name, and comments under ``NAME_comment``. Raises UsageError for
    an answer that is missing or wrong, and Refused for somebody who built the strategy.
    """
    says = {"reviewed": checked_day(reviewed, act.when), **_checked(answers)}
    name = checked_reviewer(reviewer)
    account = act.db.execute(
        "select name, display_name from people where id = :person", {"person": act.person}
    ).fetchone()
    _check_is_peer(version, name, *(account if account and name in account else ()))
    return act.put("review strategy", KIND, _key(act, version, name), says)


def take_back(act: Act, version: Version, reviewer: str) -> bool:
    """Take back a review that the acting person entered. Raises NotThere if there is none."""
    key = _key(act, version, reviewer.strip())
    if current(act.db, KIND, key) is None:
        raise NotThere(f"You have entered no review by {reviewer!r} of this version. Nothing was changed.")
    return act.put("take strategy review back", KIND, key, None)


def entered_by(act: Act, version: Version) -> str | None:
    """The reviewer whose review of the version the acting person entered last, if they entered any."""
    row = act.db.execute(
        """
        select reviewer from press_reviews
        where question = :question and strategy = :strategy and person = :person order by written desc limit 1
        """,
        _key(act, version, ""),
    ).fetchone()
    return str(row[0]) if row else None


def checked_reviewer(name: str) -> str:
    """The name without needless spaces. Raises UsageError for none, or for what is no name."""
    words = " ".join(name.split())
    if not words or len(words) > LONGEST_NAME:
        raise UsageError(f"reviewer: write the peer's name, of at most {LONGEST_NAME} characters.")
    return words


def checked_day(day: str, now: str) -> str:
    """Raises UsageError for what is no day, or one to come."""
    try:
        date.fromisoformat(day if _DAY.fullmatch(day) else "")
    except ValueError:
        raise UsageError(f"reviewed: {day!r} is not a day. Write it as 2026-11-24.") from None
    if day > now[:10]:
        raise UsageError(f"reviewed: {day} is still to come. Write the day of the review.")
    return day


def _checked(answers: Mapping[str, str]) -> dict[str, str | None]:
    checked: dict[str, str | None] = {}
    for element in ELEMENTS:
        judgement = answers.get(element.name) or ""
        if judgement not in JUDGEMENTS:
            found = f"{judgement!r} is no judgement" if judgement else "has no judgement"
            raise UsageError(f"{element.name}: {found}. Choose {either(JUDGEMENTS)}.")
        comment = (answers.get(f"{element.name}_comment") or "").strip()
        if len(comment) > LONGEST_COMMENT:
            raise UsageError(
                f"{element.name}: the comment has {len(comment):,} characters; the limit is {LONGEST_COMMENT:,}."
            )
        if judgement != "no revision" and not comment:
            raise UsageError(f"{element.name}: say in the comment what to revise.")
        checked |= {element.name: judgement, f"{element.name}_comment": comment or None}
    return checked


def _check_is_peer(version: Version, *names: str) -> None:
    """By the name in the question's file; that nobody else who built it reviews it, they declare themselves."""
    authors = {author.casefold() for author in _PEOPLE.split(version.built_by) if author}
    for name in names:
        if name.casefold() in authors:
            raise Refused(f"{name} built this strategy (review.built_by). A peer has to review it.")


def _key(act: Act, version: Version, reviewer: str) -> dict[str, object]:
    return {
        "question": version.question,
        "strategy": version.strategy,
        "reviewer": reviewer,
        "person": act.person,
    }


# -- reading ---------------------------------------------------------------------------------------


def reviews_of(
    db: sqlite3.Connection, question: str, strategy: str | None = None, viewer: int | None = None
) -> list[PressReview]:
    """The reviews of a question's strategy, the oldest first: of one version, or of all.

    ``db`` is a connection to evidence.db; without annotations.db attached, there are none.
    """
    if not any(row[1] == "annotations" for row in db.execute("pragma database_list")):
        return []
    given = {"question": question, "strategy": strategy, "viewer": viewer}
    return [_review(row) for row in read_rows(db, _REVIEWS, given)]


_REVIEWS = """
select r.*, p.name as person_name, r.person is :viewer as mine
from annotations.press_reviews r join annotations.people p on p.id = r.person
where r.question = :question and (:strategy is null or r.strategy = :strategy)
order by r.reviewed, r.written, r.reviewer, r.person
"""


def _review(row: Mapping[str, object]) -> PressReview:
    return PressReview(
        str(row["question"]),
        str(row["strategy"]),
        str(row["reviewer"]),
        str(row["person_name"]),
        str(row["reviewed"]),
        tuple(_answers(row)),
        str(row["written"]),
        bool(row["mine"]),
    )


def _answers(row: Mapping[str, object]) -> Iterator[Answer]:
    for element in ELEMENTS:
        yield Answer(element, str(row[element.name]), str(row[f"{element.name}_comment"] or ""))
