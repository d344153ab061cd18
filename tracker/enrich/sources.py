"""The sources by name: ``settings.SERVICES`` lists them, and each is the module of its name."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import cast

from tracker.enrich import publications
from tracker.enrich.source import Source
from tracker.errors import UsageError, choose_one
from tracker.settings import SERVICES


def sources(names: Collection[str]) -> list[Source]:
    """Those named, in the order of the settings; trials are followed by PubMed's publications of them.

    Raises UsageError for a name that is none.
    """
    if unknown := [name for name in names if name not in SERVICES]:
        raise UsageError(f"{unknown[0]!r} is none of the services. {choose_one(SERVICES)}")
    return [source for name in SERVICES if name in names for source in _named(name)]


def _named(name: str) -> list[Source]:
    source = cast(Source, import_module(f"tracker.enrich.{name}").SOURCE)
    return [source, publications.SOURCE] if name == "clinicaltrials" else [source]
