"""What a source is: a service besides PubMed, what it is asked about, how, and what its answers become."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tracker.errors import ServiceError
from tracker.pubmed.transport import Backoff, Line, OnWait
from tracker.settings import Settings

# What a service says of one key, as JSON; of keys that it does not know there is nothing.
Answers = Mapping[str, Any]
# Rows by table, without their source, key and time.
Rows = Mapping[str, Sequence[Mapping[str, Any]]]

PATIENCE = Backoff()
M = TypeVar("M", bound="Answered")


class Scope(NamedTuple):
    """What a run asks about: the slugs of questions, and the registry searches of their files by slug."""

    questions: Sequence[str]
    searches: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Source:
    """A service that is asked about keys.

    ``keys`` is SQL for every key with the day from which it counts as young (columns ``key`` and ``newest``); it may
    use ``:questions`` and ``:searches``, JSON lists, and ``:today``. A young key is asked about again after
    ``young_days``, another after ``old_days``, at most ``most`` in a run. ``ask`` takes a line and up to ``batch``
    keys, and raises ServiceError. ``rows`` says what an answer to one key becomes, in ``tables``, and raises
    ValueError for one that is not understood. ``prepare`` is called first, within a transaction. ``connect`` gives
    the line.
    """

    name: str
    title: str
    keys: str
    tables: tuple[str, ...]
    ask: Callable[[Any, Sequence[str]], Answers]
    rows: Callable[[str, Any], Rows]
    batch: int
    per_second: float
    young_days: int
    old_days: int
    most: int = 5_000
    prepare: Callable[[Any, Scope], None] = lambda db, scope: None
    connect: Callable[[Source, Settings, OnWait | None], Any] = lambda source, settings, on_wait: Line(
        source.title,
        settings.service_urls[source.name],
        source.per_second,
        settings,
        on_wait=on_wait,
        backoff=PATIENCE,
    )


class Answered(BaseModel):
    """A part of an answer: what we read of it is checked, and everything else in it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


def _day(value: object) -> object:
    found = re.match(r"\d{4}(-\d\d(-\d\d)?)?(?!\d)", value) if isinstance(value, str) else None
    return found[0] if found else None


def _web_address(value: str) -> str | None:
    return value if urlsplit(value).scheme in ("http", "https") and not re.search(r"\s", value) else None


# A date as precise as the service has it: YYYY, YYYY-MM or YYYY-MM-DD.
Day = Annotated[str | None, BeforeValidator(_day)]
Number = Annotated[int, Field(ge=0, le=2**53)]


def web_address(value: str) -> str | None:
    """The address where it is one that a page may link to; None otherwise."""
    try:
        return _web_address(value)
    except ValueError:
        return None


def understood(model: type[M], value: object) -> M:
    """The value as the model reads it. Raises ValueError: where it differs, in a few words."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the answer"
        raise ValueError(f"{place}: {first['msg'].lower()}") from None


def whole(model: type[M], answer: object, title: str) -> M:
    """The frame of an answer. Raises ServiceError where it is not what the service documents."""
    if answer is None:
        raise ServiceError(
            f"{title} has nothing at this address (HTTP 404). Check its address in the settings."
        )
    try:
        return understood(model, answer)
    except ValueError as error:
        raise ServiceError(
            f"{title} answered something else than documented: {error}. Nothing stored is lost."
        ) from None
