"""What people say about a paper besides decisions: tags, notes, and reviews of the machine's labels."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tracker.article import ArticleKey
from tracker.errors import NotThere, Refused, UsageError, either
from tracker.team import decisions
from tracker.team.acts import STATEMENTS, Act, current, next_event
from tracker.team.review import Review, Seal
from tracker.team.vocabulary import Tag

LONGEST_NOTE = 10_000
MOST_AT_ONCE = 10_000
# The machine found no label of a group, or a person says that none applies.
NOTHING = ""


class Bulk(NamedTuple):
    """The result of an action on many papers: how many changed, were so already, or could not be changed."""

    changed: int
    unchanged: int
    refused: int


def tag(
    act: Act,
    pmid: ArticleKey,
    question: str | None,
    which: Tag,
    note: str | None = None,
    seal: Seal | None = None,
) -> bool:
    """Add a tag of the acting person to a paper; in a single-choice group, it replaces the previous one.

    Raises Refused for a retired tag.
    """
    if which.retired:
        raise Refused(f"the tag {which.name!r} is retired. Choose another.")
    if which.choice == "single":
        others = act.db.execute(
            """
            select g.tag from taggings g join tags t on t.id = g.tag
            where g.pmid = :pmid and g.question is :question and g.person = :person and t.id <> :tag
              and t.tag_group = (select tag_group from tags where id = :tag)
            """,
            _tagging(act, pmid, question, which.id),
        ).fetchall()
        for (other,) in others:
            act.put("untag", "tagging", _tagging(act, pmid, question, other), None, seal)
    key = _tagging(act, pmid, question, which.id)
    before = current(act.db, "tagging", key) or {}
    note_text = before.get("note") if note is None else (_text(note, "note") or None)
    return act.put("tag", "tagging", key, {"note": note_text}, seal)


def untag(act: Act, pmid: ArticleKey, question: str | None, which: Tag, seal: Seal | None = None) -> bool:
    """Remove the acting person's tag from a paper."""
    return act.put("untag", "tagging", _tagging(act, pmid, question, which.id), None, seal)


def write_note(act: Act, pmid: ArticleKey, question: str | None, text: str, seal: Seal | None = None) -> int:
    """A new note in Markdown; its id. The same note sent twice is stored once. Raises UsageError for an empty note."""
    words = _text(text, "note")
    if not words:
        raise UsageError("the note is empty. Nothing was written.")
    same = act.db.execute(
        """
        select id from notes
        where pmid = :pmid and question is :question and person = :person and text = :text
        """,
        {"pmid": pmid, "question": question, "person": act.person, "text": words},
    ).fetchone()
    if same:
        return int(same[0])
    id = next_event(act.db)
    key = {"pmid": pmid, "question": question, "id": id, "person": act.person}
    act.put("note", "note", key, {"text": words}, seal)
    return id


def change_note(
    act: Act, id: int, text: str, was: str | None = None, *, seal: Callable[[str | None], Seal | None]
) -> bool:
    """Change a note of the acting person; an empty text deletes it.

    ``was`` is the text that the person saw, ``seal`` what now hides a note for a question: a note that was open at one
    stage of a review is not at the next. Raises NotThere if they have no such note, Refused if its text has changed
    since.
    """
    row = act.db.execute(
        "select pmid, question, text from notes where id = :id and person = :person",
        {"id": id, "person": act.person},
    ).fetchone()
    if row is None:
        raise NotThere(f"you have no note {id}: it was deleted, or is somebody else's.")
    pmid, question, there = row
    if was is not None and _text(was, "note") != there:
        raise Refused("the note has changed since. Reload the page, then change it.")
    key = {"pmid": pmid, "question": question, "id": id, "person": act.person}
    words = _text(text, "note")
    if not words:
        return act.put("take note away", "note", key, None, seal(question))
    return act.put("change note", "note", key, {"text": words}, seal(question))


def review_label(
    act: Act, pmid: ArticleKey, group: str, machine_value: str, value: str | None, choices: Sequence[str] = ()
) -> bool:
    """The acting person's review of a label: the same ``value`` accepts it, another corrects it, NOTHING rejects it,
    None withdraws the review. ``machine_value`` NOTHING adds a label that the machine missed.

    Raises UsageError for a value that is not one of ``choices``, if there are any.
    """
    if value is not None:
        value = _text(value, "label")
        if len(value) > 100 or "\n" in value:
            raise UsageError("a label must be one line of at most 100 characters.")
        if choices and value not in (*choices, machine_value, NOTHING):
            raise UsageError(f"Unknown {group.replace('_', ' ')} {value!r}. Use {either(choices)}.")
        if value == machine_value == NOTHING:
            raise UsageError("say which label the machine missed.")
    key = {"pmid": pmid, "label_group": group, "machine_value": machine_value, "person": act.person}
    action = (
        "take label back" if value is None else "accept label" if value == machine_value else "correct label"
    )
    return act.put(action, "label review", key, None if value is None else {"value": value})


def in_bulk(act: Act, pmids: Iterable[int], what: Callable[[ArticleKey], bool]) -> Bulk:
    """Do something to each paper; those for which it is refused are left unchanged and counted."""
    changed = unchanged = refused = 0
    for pmid in pmids:
        try:
            if what(ArticleKey(pmid)):
                changed += 1
            else:
                unchanged += 1
        except Refused:
            refused += 1
    return Bulk(changed, unchanged, refused)


def undo_of(db: sqlite3.Connection, person: int, batch: int) -> str | None:
    """The action of a batch of this person; None if the batch is not theirs."""
    row = db.execute(
        "select action from events where batch = :batch and person = :person order by id limit 1",
        {"batch": batch, "person": person},
    ).fetchone()
    return str(row[0]) if row else None


def latest_batch(db: sqlite3.Connection, person: int) -> int | None:
    """The person's last act on papers that can be undone. Acts that undo or were undone do not count, nor do decisions
    that two people have made since, withdrawn blind decisions, and acts that also changed the vocabulary."""
    kinds = ", ".join(f"'{kind}'" for kind in STATEMENTS)
    row = db.execute(
        f"""
        select e.batch from events e
        where e.person = :person and e.kind in ({kinds}) and e.undoes is null
          and not exists (select 1 from events u where u.undoes = e.batch)
          and not exists (select 1 from events o where o.batch = e.batch and o.kind not in ({kinds}))
          and not (e.kind = 'decision' and exists (
            select 1 from unsealed s where s.review = e.blind and s.pmid = e.pmid))
          and not (e.kind = 'decision' and e.blind is not null and e.after is null)
        order by e.id desc limit 1
        """,
        {"person": person},
    ).fetchone()
    return int(row[0]) if row else None


def may_be_put_back(db: sqlite3.Connection, event: sqlite3.Row) -> bool:
    """Whether undoing would leave a valid tag: not retired, and the only one in a single-choice group."""
    if event["kind"] != "tagging" or event["before"] is None:
        return True
    subject = json.loads(event["subject"])
    row = db.execute(
        """
        select t.retired is null and not (u.choice = 'single' and exists (
          select 1 from taggings g join tags o on o.id = g.tag
          where g.pmid = :pmid and g.question is :question and g.person = :person and o.tag_group = t.tag_group
            and o.id <> t.id))
        from tags t join tag_groups u on u.id = t.tag_group where t.id = :tag
        """,
        {
            "pmid": event["pmid"],
            "question": event["question"],
            "person": subject["person"],
            "tag": subject["tag"],
        },
    ).fetchone()
    return bool(row and row[0])


def seals(
    db: sqlite3.Connection, holding: Mapping[int, Sequence[Review]]
) -> Callable[[int, str | None], Seal | None]:
    """What hides a tag or note on a paper for a question; ``holding`` are the reviews of the questions that hold each
    paper."""
    return lambda pmid, question: decisions.seal_for(db, holding.get(pmid, ()), ArticleKey(pmid), question)


def holding(
    evidence: sqlite3.Connection, reviews: dict[str, Review], pmids: Iterable[int]
) -> dict[int, list[Review]]:
    """The reviews of the questions that hold each paper, from evidence.db; papers in no question are left out."""
    held: dict[int, list[Review]] = {}
    rows = evidence.execute(
        """
        select pmid, question from question_articles
        where matching and pmid in (select value from json_each(:pmids)) order by pmid, question
        """,
        {"pmids": json.dumps(list(pmids))},
    )
    for pmid, question in rows:
        if question in reviews:
            held.setdefault(pmid, []).append(reviews[question])
    return held


def _tagging(act: Act, pmid: ArticleKey, question: str | None, tag: int) -> dict[str, object]:
    return {"pmid": pmid, "question": question, "tag": tag, "person": act.person}


def _text(text: str, what: str) -> str:
    cleaned = text.replace("\r\n", "\n").strip()
    if len(cleaned) > LONGEST_NOTE:
        raise UsageError(
            f"the {what} has {len(cleaned):,} characters; the limit is {LONGEST_NOTE:,}. Shorten it."
        )
    return cleaned
