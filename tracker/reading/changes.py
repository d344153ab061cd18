"""What differs between two versions of a record, field by field, as a reader would want to see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, NamedTuple

from tracker.article import Article, Book, Journal, PartialDate, Text
from tracker.reading.notices import flags


class Change(NamedTuple):
    """``before`` and ``after`` are plain text; of a list, JSON of the entries that went and that came."""

    field: str
    before: str | None
    after: str | None


def changes_between(before: Article, after: Article) -> Iterator[Change]:
    """Every field in which the two differ; and each notice flag (``retracted``, ...) that turned."""
    for name in (field.name for field in fields(Article)):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield Change(name, *_shown(old, new))
    old_flags, new_flags = flags(before), flags(after)
    for name, was, is_now in zip(old_flags._fields, old_flags, new_flags, strict=True):
        if was != is_now:
            yield Change(name, str(int(was)), str(int(is_now)))


def _shown(old: Any, new: Any) -> tuple[str | None, str | None]:
    if isinstance(old, Text) and isinstance(new, Text):
        return (old.plain, new.plain) if old.plain != new.plain else (old.html, new.html)
    if _is_list(old) or _is_list(new):
        return _list_shown(old or (), new or ())
    if isinstance(old, Journal | Book) and type(old) is type(new):
        return _parts_shown(old._asdict(), new._asdict())
    return _value(old), _value(new)


def _parts_shown(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, str]:
    differing = [name for name in old if old[name] != new[name]]
    before, after = (
        json.dumps({name: _plain(parts[name]) for name in differing}, ensure_ascii=False)
        for parts in (old, new)
    )
    return before, after


def _is_list(value: Any) -> bool:
    return isinstance(value, tuple) and not hasattr(value, "_fields")


def _list_shown(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[str | None, str | None]:
    went = [entry for entry in old if entry not in new]
    came = [entry for entry in new if entry not in old]
    if not went and not came:
        went, came = list(old), list(new)
    return _entries(went), _entries(came)


def _entries(entries: list[Any]) -> str | None:
    return json.dumps([_plain(entry) for entry in entries], ensure_ascii=False) if entries else None


def _value(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, PartialDate):
        return value.iso
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Named tuples as objects, without what is empty; texts without markup, dates as far as known."""
    if isinstance(value, Text):
        return value.plain
    if isinstance(value, PartialDate):
        return value.iso
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        pairs = ((name, _plain(part)) for name, part in zip(names, value, strict=True))
        return {name: part for name, part in pairs if part not in (None, [], "", {})}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
