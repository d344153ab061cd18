"""Tags, in groups: what each means, and how leads add, rename, merge and retire them. Nothing is ever deleted."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import yaml
from pydantic import ValidationError

from tracker import topic
from tracker.errors import NotThere, Refused, UnusableInput, UsageError, choose_one
from tracker.evidence.rows import read_rows
from tracker.team.acts import Act, current
from tracker.team.blind import visible
from tracker.topic.shapes import COLOUR, LONGEST_NAME, Vocabulary

MOST_BYTES = 1024 * 1024


class Tag(NamedTuple):
    """``colour`` is the tag's own, or else its group's; ``merged_into`` is the tag that took over its papers."""

    id: int
    group: str
    name: str
    description: str
    colour: str | None
    choice: Literal["single", "multiple"]
    retired: str | None
    merged_into: int | None


class Group(NamedTuple):
    id: int
    name: str
    description: str
    colour: str | None
    choice: Literal["single", "multiple"]
    tags: list[Tag]


class Imported(NamedTuple):
    """How many groups and tags a file added, and how many it changed."""

    added: int
    changed: int


def groups(db: sqlite3.Connection, schema: str = "main", *, retired: bool = False) -> list[Group]:
    """All groups in order with their tags; ``schema`` is the name of annotations.db on this connection."""
    in_order = [
        Group(id, name, description, colour, choice, [])
        for id, name, description, colour, choice in db.execute(
            f"select id, name, description, colour, choice from {schema}.tag_groups order by position, id"
        )
    ]
    by_id = {group.id: group for group in in_order}
    rows = db.execute(
        f"""
        select tag_group, id, name, description, colour, retired, merged_into from {schema}.tags order by id
        """
    )
    for of, id, name, description, colour, gone, merged in rows:
        group = by_id[of]
        if retired or not gone:
            group.tags.append(
                Tag(id, group.name, name, description, colour or group.colour, group.choice, gone, merged)
            )
    return in_order


def tags(db: sqlite3.Connection, schema: str = "main") -> dict[int, Tag]:
    """Every tag by its id, including retired ones."""
    return {tag.id: tag for group in groups(db, schema, retired=True) for tag in group.tags}


def uses(db: sqlite3.Connection, viewer: int | None) -> dict[int, int]:
    """How many papers have each tag, as far as the viewer may know; the connection must see both databases."""
    rows = db.execute(
        f"select g.tag, count(distinct g.pmid) from annotations.taggings g where {visible('g')} group by g.tag",
        {"viewer": viewer},
    )
    return dict(rows.fetchall())


def named(db: sqlite3.Connection, name: str) -> Tag:
    """The tag of this name, or with this id as text. Raises NotThere."""
    every = tags(db)
    called_so = [tag for tag in every.values() if len(name) <= 2 * LONGEST_NAME and _same(tag.name, name)]
    if not called_so and name.isdecimal() and len(name) < 16 and int(name) in every:
        called_so = [every[int(name)]]
    if not called_so:
        raise NotThere(f"Unknown tag {name[:80]!r}. A lead can add it.")
    return min(called_so, key=lambda tag: tag.retired is not None)


def add_group(
    act: Act, name: str, description: str = "", colour: str | None = None, choice: str = "multiple"
) -> int:
    """The new group's id. Raises UsageError for a name that is taken, or for an invalid value."""
    name = _name(name, "group")
    if any(_same(group.name, name) for group in groups(act.db)):
        raise UsageError(f"the group {name!r} exists already. Choose another name.")
    says = {
        "name": name,
        "description": _line(description),
        "colour": _colour(colour),
        "choice": _choice(choice),
    }
    made = act.db.execute(
        """
        insert into tag_groups (name, description, colour, choice, position)
        values (:name, :description, :colour, :choice, (select coalesce(max(position), 0) + 1 from tag_groups))
        """,
        says,
    )
    assert made.lastrowid
    act.log("add tag group", "tag group", {"id": made.lastrowid}, None, says)
    return made.lastrowid


def change_group(
    act: Act,
    group: Group,
    *,
    name: str | None = None,
    description: str | None = None,
    colour: str | None = None,
    choice: str | None = None,
) -> bool:
    """Change what is given; returns whether that changed anything. Raises UsageError for a name that is taken."""
    before = {
        "name": group.name,
        "description": group.description,
        "colour": group.colour,
        "choice": group.choice,
    }
    after = dict(before)
    if name is not None and name != group.name:
        after["name"] = _name(name, "group")
        if any(_same(each.name, name) for each in groups(act.db) if each.id != group.id):
            raise UsageError(f"the group {name!r} exists already. Choose another name.")
    if description is not None:
        after["description"] = _line(description)
    if colour is not None:
        after["colour"] = _colour(colour)
    if choice is not None:
        after["choice"] = _choice(choice)
    if before == after:
        return False
    act.db.execute(
        """
        update tag_groups set name = :name, description = :description, colour = :colour, choice = :choice
        where id = :id
        """,
        {**after, "id": group.id},
    )
    act.log("change tag group", "tag group", {"id": group.id}, before, after)
    return True


def add(act: Act, group: str, name: str, description: str = "", colour: str | None = None) -> int:
    """The new tag's id. Raises NotThere for an unknown group, UsageError for a name that is taken."""
    name = _name(name, "tag")
    of = [each for each in groups(act.db) if _same(each.name, group)]
    if not of:
        known = choose_one(each.name for each in groups(act.db))
        raise NotThere(f"Unknown group {group!r}. {known}")
    _check_free(act.db, name)
    says = {
        "tag_group": of[0].id,
        "name": name,
        "description": _line(description),
        "colour": _colour(colour),
    }
    made = act.db.execute(
        """
        insert into tags (tag_group, name, description, colour) values (:tag_group, :name, :description, :colour)
        """,
        says,
    )
    assert made.lastrowid
    act.log("add tag", "tag", {"id": made.lastrowid}, None, says)
    return made.lastrowid


def change(
    act: Act,
    tag: Tag,
    *,
    name: str | None = None,
    description: str | None = None,
    colour: str | None = None,
    retired: bool | None = None,
) -> None:
    """Change what is given; papers keep the tag, under its new name. Raises UsageError for a name that is taken."""
    before = _as_it_is(act.db, tag.id)
    after = dict(before)
    if name is not None and name != tag.name:
        after["name"] = _name(name, "tag")
        if not _same(name, tag.name):
            _check_free(act.db, after["name"])
    if description is not None:
        after["description"] = _line(description)
    if colour is not None:
        after["colour"] = _colour(colour)
    if retired is not None and retired != bool(tag.retired):
        after["retired"] = act.when if retired else None
        if not retired:
            after["merged_into"] = None
    if after != before:
        _put(act, "retire tag" if retired else "change tag", tag.id, before, after)


def merge(act: Act, tag: Tag, into: Tag) -> None:
    """Move the papers of a tag to another, and retire it. How many papers moved is not told, as some may be hidden.

    People who already gave the other tag keep it, with this one's note if it has none. In a single-choice group, a
    person's choice of a third tag stays. Raises Refused for merging a tag with itself or with a retired tag.
    """
    if tag.id == into.id:
        raise Refused("A tag cannot be merged into itself. Choose another.")
    if into.retired:
        raise Refused(f"{into.name!r} is retired. Bring it back first, or choose another.")
    rows = act.db.execute(
        "select pmid, question, person, note, tagged, blind from taggings where tag = :tag", {"tag": tag.id}
    ).fetchall()
    for pmid, question, person, note, tagged, blind in rows:
        key = {"pmid": pmid, "question": question, "person": person}
        act.put("merge tag", "tagging", {**key, "tag": tag.id}, None)
        there = current(act.db, "tagging", {**key, "tag": into.id})
        says = there or {"note": None, "tagged": tagged, "blind": blind}
        if there or not (into.choice == "single" and _chosen(act.db, into, pmid, question, person)):
            act.put("merge tag", "tagging", {**key, "tag": into.id}, says | {"note": says["note"] or note})
    before = _as_it_is(act.db, tag.id)
    after = before | {"retired": before["retired"] or act.when, "merged_into": into.id}
    if after != before:
        _put(act, "merge tag", tag.id, before, after)


def _chosen(db: sqlite3.Connection, tag: Tag, pmid: int, question: str | None, person: int) -> bool:
    """Whether the person has a tag of the same group on the paper."""
    row = db.execute(
        """
        select exists (
          select 1 from taggings g join tags t on t.id = g.tag
          where g.pmid = :pmid and g.question is :question and g.person = :person
            and t.tag_group = (select tag_group from tags where id = :tag))
        """,
        {"pmid": pmid, "question": question, "person": person, "tag": tag.id},
    ).fetchone()
    return bool(row[0])


def exported(db: sqlite3.Connection) -> str:
    """The whole vocabulary as YAML, which ``imported`` reads."""
    every = tags(db)
    entries = []
    for group in groups(db, retired=True):
        tags_of = []
        for tag in group.tags:
            entry: dict[str, Any] = {"name": tag.name}
            if tag.description:
                entry["description"] = tag.description
            if tag.colour and tag.colour != group.colour:
                entry["colour"] = tag.colour
            if tag.retired:
                entry["retired"] = True
            if tag.merged_into:
                entry["merged_into"] = every[tag.merged_into].name
            tags_of.append(entry)
        about: dict[str, Any] = {"name": group.name, "description": group.description, "colour": group.colour}
        entries.append({name: value for name, value in about.items() if value})
        entries[-1] |= {"choice": group.choice, "tags": tags_of}
    return yaml.safe_dump({"groups": entries}, sort_keys=False, allow_unicode=True, width=110)


def imported(act: Act, text: str, source: str) -> Imported:
    """Add what is new in a vocabulary file, and take over its descriptions and colours.

    What it does not name is left alone. Raises UnusableInput, naming the field, if it is not a vocabulary.
    """
    return _bring_in(act, read(text, source), source)


def _bring_in(act: Act, given: Vocabulary, source: str) -> Imported:
    added = changed = 0
    for entry in given.groups:
        group = next((each for each in groups(act.db) if _same(each.name, entry.name)), None)
        if group is None:
            add_group(act, entry.name, entry.description, entry.colour, entry.choice)
            added += 1
        else:
            changed += change_group(
                act,
                group,
                description=entry.description or None,
                colour=entry.colour,
                choice=entry.choice,
            )
        for each in entry.tags:
            known = next((tag for tag in tags(act.db).values() if _same(tag.name, each.name)), None)
            if known is None:
                add(act, entry.name, each.name, each.description, each.colour)
                added += 1
                known = named(act.db, each.name)
            before = act.changed
            change(
                act,
                known,
                description=each.description or None,
                colour=each.colour,
                retired=True if each.retired else None,
            )
            changed += act.changed - before
    before = act.changed
    for entry in given.groups:
        for each in entry.tags:
            if each.merged_into:
                _merge_as_given(act, each.name, each.merged_into, source)
    return Imported(added, changed + act.changed - before)


def _merge_as_given(act: Act, name: str, target: str, source: str) -> None:
    every = tags(act.db).values()
    tag = next(tag for tag in every if _same(tag.name, name))
    into = next((tag for tag in every if _same(tag.name, target)), None)
    if into is None or into.id == tag.id:
        raise UnusableInput(f"{source}: tag {name!r}: merged_into: unknown tag {target!r}. Correct the name.")
    if tag.merged_into == into.id:
        return
    if into.retired:
        # The target was itself merged or retired, so nothing must move to it any more.
        about = _as_it_is(act.db, tag.id)
        _put(act, "merge tag", tag.id, about, about | {"merged_into": into.id})
    else:
        merge(act, tag, into)


def ensure(act: Act) -> None:
    """If there is no vocabulary yet, add the topic's initial one."""
    if not groups(act.db):
        _bring_in(act, topic.current().tags, str(topic.folder()))


def read(text: str, source: str) -> Vocabulary:
    """Raises UnusableInput if the text is not a vocabulary file."""
    if len(text.encode()) > MOST_BYTES:
        raise UnusableInput(f"{source}: larger than {MOST_BYTES:,} bytes, too large for a vocabulary.")
    try:
        given = Vocabulary.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, RecursionError) as error:
        raise UnusableInput(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise UnusableInput(
            f"{source}: {place}: {first['msg']} (found {str(first['input'])[:60]!r}). "
            "Compare it with what 'tracker tag vocabulary export' prints."
        ) from None
    for group, position in given.repeated:
        again = given.groups[group].tags[position].name
        raise UnusableInput(f"{source}: tag {again!r} appears twice. Rename one.")
    return given


def _put(act: Act, action: str, id: int, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    act.db.execute(
        f"update tags set {', '.join(f'{name} = :{name}' for name in after)} where id = :id",
        {**after, "id": id},
    )
    act.log(action, "tag", {"id": id}, dict(before), dict(after))


def _as_it_is(db: sqlite3.Connection, id: int) -> dict[str, Any]:
    query = "select name, description, colour, retired, merged_into from tags where id = :id"
    (row,) = read_rows(db, query, {"id": id})
    return row


def _check_free(db: sqlite3.Connection, name: str) -> None:
    taken = [tag for tag in tags(db).values() if _same(tag.name, name)]
    if taken:
        state = ", and is retired. Bring it back" if taken[0].retired else ""
        raise UsageError(f"the tag {taken[0].name!r} exists already, in {taken[0].group}{state}.")


def _name(text: str, what: str) -> str:
    name = _line(text)
    if not name or len(name) > LONGEST_NAME:
        raise UsageError(
            f"the {what}'s name has {len(name)} characters; it needs from 1 to {LONGEST_NAME}: {name[:80]!r}."
        )
    if name.isdecimal():
        raise UsageError(f"{name!r} is a number. Use words for the {what}'s name.")
    return name


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _colour(colour: str | None) -> str | None:
    if colour and not re.fullmatch(COLOUR, colour):
        raise UsageError(f"colour {colour!r}: write it as #1b6e53 (six small hexadecimal digits).")
    return colour or None


def _choice(choice: str) -> str:
    if choice not in ("single", "multiple"):
        raise UsageError(f"Unknown choice {choice!r}. Use single or multiple.")
    return choice


@cache
def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _same(name: str, other: str) -> bool:
    return _folded(name) == _folded(other)
