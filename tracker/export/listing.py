"""What a list as a whole says, beside its citations."""

from __future__ import annotations

from typing import NamedTuple


class Listing(NamedTuple):
    """``slug`` is the list's permanent name; ``remarks`` are sentences that go with it ("complete to DATE").

    ``updated`` is the UTC moment of the newest thing in it. ``label_groups`` are those that tables have a column
    for. ``home`` is the address of the list's page, if there is one.
    """

    slug: str
    title: str
    updated: str
    remarks: tuple[str, ...] = ()
    label_groups: tuple[str, ...] = ()
    home: str | None = None
