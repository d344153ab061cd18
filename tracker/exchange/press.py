"""Peer reviews of a search strategy (PRESS 2015) as YAML: a form to fill in, read back, and what stands written out.

One file holds one review. It names the version that it is about, so that it never counts for another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import BaseModel, Field

from tracker.datafile import InvalidFiles, Part, Place, Reader
from tracker.errors import NotThere, UsageError, choose_one
from tracker.evidence import versions
from tracker.team import people, press
from tracker.team.acts import acting
from tracker.team.press import ELEMENTS, JUDGEMENTS, PressReview, Version

Judgement = Literal["no revision", "revision suggested", "revision required"]


class _Answer(Part):
    judgement: Judgement
    comment: str = Field(default="", max_length=press.LONGEST_COMMENT)


class _Form(Part):
    """A peer's review of one version of a strategy."""

    question: Annotated[str, Field(min_length=1)]
    strategy: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="Hash of the version")]
    reviewer: Annotated[str, Field(min_length=1, max_length=press.LONGEST_NAME)]
    independent: Literal[True] = Field(description="That the reviewer had no part in building the strategy")
    reviewed: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    translation: _Answer
    operators: _Answer
    headings: _Answer
    text_words: _Answer
    spelling: _Answer
    limits: _Answer
    overall: _Answer


class _Reader(Reader[_Form]):
    model = _Form
    parts: ClassVar[Mapping[Place, type[BaseModel]]] = {(element.name,): _Answer for element in ELEMENTS}
    noun = "PRESS form"
    beginning = "question: NAME"

    def explain(self, error: Any, place: Place) -> str:
        if place == ("independent",) and error["type"] != "missing":
            return (
                '"independent" must be true: the reviewer had no part in building the strategy. '
                "Whoever had cannot review it"
            )
        if place[-1:] == ("judgement",) and error["type"] == "literal_error":
            choices = ", ".join(JUDGEMENTS)
            return f'"{".".join(map(str, place))}" has no judgement; write one of: {choices}'
        if place == ("strategy",):
            return '"strategy" is not the hash of a version; take the form from "tracker report press" again'
        if place == ("reviewer",):
            return (
                f'"reviewer" is not a name of at most {press.LONGEST_NAME} characters; write who reviewed it'
            )
        if place == ("reviewed",):
            return '"reviewed" is not a day; write when it was reviewed, as 2026-11-24'
        return super().explain(error, place)


def bring_in(
    db: sqlite3.Connection, evidence: sqlite3.Connection, slug: str, path: Path, person: str, built_by: str
) -> tuple[PressReview, bool]:
    """Keep the review in a file, entered by ``person`` (an account); returns it, and whether anything changed.

    Raises InvalidFiles with all that is wrong with the file, UsageError for a form about something else, NotThere for
    a version that was never run, and Refused for a reviewer who built the strategy.
    """
    reader = _Reader(path)
    form = reader.read()
    if form is None:
        raise InvalidFiles(reader.problems)
    if form.question != slug:
        raise UsageError(f"{path}: question: the form is about {form.question!r}, not {slug!r}.")
    check_version(evidence, slug, form.strategy, str(path))
    answers = {
        name: text
        for element in ELEMENTS
        for name, text in (
            (element.name, getattr(form, element.name).judgement),
            (f"{element.name}_comment", getattr(form, element.name).comment),
        )
    }
    try:
        with acting(db, people.writer(db, person).id, f"tracker report press {path.name}") as act:
            version = Version(slug, form.strategy, built_by)
            changed = press.review(act, version, form.reviewer, form.reviewed, answers)
    except UsageError as error:
        raise type(error)(f"{path}: {error}") from None
    reviewed = press.PressReview(
        slug,
        form.strategy,
        press.checked_reviewer(form.reviewer),
        person,
        form.reviewed,
        tuple(
            press.Answer(element, answers[element.name], answers[f"{element.name}_comment"])
            for element in ELEMENTS
        ),
        act.when,
    )
    return reviewed, changed


def take_back(db: sqlite3.Connection, slug: str, strategy: str, reviewer: str, person: str) -> None:
    """Take back a review that ``person`` entered. Raises NotThere if there is none."""
    with acting(db, people.writer(db, person).id, "tracker report press") as act:
        press.take_back(act, Version(slug, strategy), reviewer)


def check_version(evidence: sqlite3.Connection, slug: str, strategy: str, where: str = "") -> None:
    """Raises NotThere for a version that the question never had, as far as it was run or matched here."""
    known = [version.hash for version in versions.versions(evidence, slug)]
    if strategy not in known:
        shown = choose_one(hash[:12] for hash in known)
        raise NotThere(f"{where and f'{where}: '}{slug} has no version {strategy[:12]!r}. {shown}")


def form(slug: str, strategy: str, lines: Mapping[str, str], filled: PressReview | None = None) -> str:
    """The form as YAML, for a version of a strategy whose ``lines`` stand above it: empty, or as somebody filled it."""
    lines_of_form = (*_head(slug, strategy, lines), *_body(filled))
    return "".join(f"{line.rstrip()}\n" for line in lines_of_form)


def _head(slug: str, strategy: str, lines: Mapping[str, str]) -> Iterator[str]:
    yield "# Peer review of a search strategy (PRESS 2015, doi:10.1016/j.jclinepi.2016.01.021)."
    yield f"# Each judgement is one of: {', '.join(JUDGEMENTS)}. Say in the comment what to revise."
    yield "# The version:"
    for name, query in lines.items():
        yield f"#   {name}: {' '.join(query.split())}"
    yield f"question: {slug}"
    yield f"strategy: {strategy}"


def _body(filled: PressReview | None) -> Iterator[str]:
    yield f"reviewer: {_scalar(filled.reviewer) if filled else ''}"
    yield "# true says that the reviewer had no part in building the strategy."
    yield f"independent: {'true' if filled else ''}"
    yield f"reviewed: {_scalar(filled.reviewed) if filled else ''}"
    answers = {answer.element.name: answer for answer in filled.answers} if filled else {}
    for element in ELEMENTS:
        answer = answers.get(element.name)
        yield f"# {element.title}: {element.asks}"
        yield f"{element.name}:"
        yield f"  judgement: {answer.judgement if answer else ''}"
        yield f"  comment: {_scalar(answer.comment) if answer else _scalar('')}"


def _scalar(text: str) -> str:
    """A text as YAML on one line, always in quotation marks."""
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6).strip()
