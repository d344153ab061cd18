"""Our own format, which loses nothing: one row for everything that somebody said about a paper, as CSV or JSON Lines.

The columns are those of ``team.statements.Row``. CSV is made for spreadsheets (UTF-8 with a byte order mark, every cell
quoted), so what could be a formula has an apostrophe before it, which the import takes away again. A cell is
empty if there is no question, or if the kind does not have the field.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from tracker.article import given_pmid, shown
from tracker.decision import BASES, DECISIONS, LABELS, STAGES
from tracker.directness import DIRECTNESS
from tracker.errors import UnusableInput, UsageError, either
from tracker.evidence import external
from tracker.exchange.files import read_text, table
from tracker.export.clean import guarded, unguarded
from tracker.questions import SLUG
from tracker.team import people, placements, vocabulary
from tracker.team.acts import Act, acting, current, next_event
from tracker.team.review import REVIEWERS, Seal
from tracker.team.statements import Row, rows
from tracker.team.tagging import LONGEST_NOTE

# What names a paper that PubMed lacks: our number for it would mean another paper in another database of ours.
ELSEWHERE = ("source", "accession", "doi")
COLUMNS = (*Row._fields, *ELSEWHERE)
SEEN = ("basis", "labels")
# Files that were exported before there were these are read as well.
LATER = (*SEEN, *ELSEWHERE)
Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class Shape(NamedTuple):
    """What a row of a kind must have besides kind, PMID, person and moment, and what it may have."""

    needs: tuple[str, ...]
    may: tuple[str, ...]


SHAPES = {
    "tagging": Shape(("group", "tag"), ("question", "text", "sealed")),
    "decision": Shape(("question", "stage", "value"), ("reason", "sealed", *SEEN)),
    "settlement": Shape(("question", "stage", "value", "text"), ("reason",)),
    "note": Shape(("text",), ("question", "sealed")),
    # An empty value is a value as well: the machine read nothing, or a person says that nothing of the group holds.
    "label review": Shape(("group",), ("machine_value", "value")),
    "placement": Shape(("question", "value", "reason"), ("sealed",)),
}


def export(
    db: sqlite3.Connection,
    out: BinaryIO,
    format: Format = "csv",
    question: str | None = None,
    evidence: sqlite3.Connection | None = None,
) -> int:
    """Write everything, or what was said for one question, to ``out``; returns the number of rows.

    ``db`` is a connection to annotations.db. ``evidence``, one to evidence.db if there is any, names papers that PubMed
    lacks. Sealed rows are written as well, with their seals.
    """
    count = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in rows(db, question=question):
            count += 1
            yield as_told(row, evidence)

    db.execute("begin")
    try:
        (_write_csv if format == "csv" else _write_jsonl)(counted(), out)
    finally:
        db.rollback()
    return count


def as_told(row: Row, evidence: sqlite3.Connection | None = None) -> dict[str, Any]:
    """The row by column; a paper that PubMed lacks has ``x12`` as its number, and what else names it."""
    names = external.names(evidence, row.pmid) if evidence and row.pmid < 0 else None
    told = row._asdict() | dict(zip(ELSEWHERE, names or (None, None, None), strict=True))
    return told | {"pmid": shown(row.pmid)}


def _write_csv(statements: Iterator[dict[str, Any]], out: BinaryIO) -> None:
    text = TextIOWrapper(out, encoding="utf-8-sig", newline="", write_through=True)
    try:
        table = csv.writer(text, quoting=csv.QUOTE_ALL)
        table.writerow(COLUMNS)
        for row in statements:
            table.writerow("" if cell is None else guarded(str(cell)) for cell in row.values())
    finally:
        text.detach()


def _write_jsonl(statements: Iterator[dict[str, Any]], out: BinaryIO) -> None:
    for row in statements:
        out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


# -- reading ---------------------------------------------------------------------------------------


def read(path: Path, evidence: sqlite3.Connection | None = None) -> Iterator[tuple[int, Row]]:
    """Each row with the number of the line on which it begins.

    ``evidence`` is a connection to evidence.db, if there is one: it knows papers that PubMed lacks.

    Raises UsageError if the file cannot be read, UnusableInput for an invalid row, naming line and field.
    """
    text = read_text(path)
    for line, given in _jsonl(path, text) if text.lstrip().startswith("{") else _csv(path, text):
        try:
            yield line, _row(given, evidence)
        except ValueError as error:
            raise UnusableInput(f"{path}: line {line}: {error}") from None


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except (ValueError, RecursionError):
            raise UnusableInput(f"{path}: line {number}: not JSON (found {line[:60]!r}).") from None
        if not isinstance(given, dict):
            raise UnusableInput(f"{path}: line {number}: not a JSON object (found {line[:60]!r}).")
        _check_names(path, number, given)
        yield number, given


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    text, delimiter, skipped = table(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    begins = 1 + skipped
    try:
        names = next(reader, [])
        _check_names(path, 1 + skipped, names)
        begins = reader.line_num + 1 + skipped
        for cells in reader:
            line, begins = begins, reader.line_num + 1 + skipped
            if not cells:
                continue
            if len(cells) != len(names):
                raise UnusableInput(
                    f"{path}: line {line}: {len(cells)} cells, but {len(names)} columns. Is a quotation mark missing?"
                )
            given: dict[str, Any] = {
                name: unguarded(cell) or None for name, cell in zip(names, cells, strict=True)
            }
            if given["kind"] == "label review":
                given |= {name: given[name] or "" for name in ("machine_value", "value")}
            yield line, given
    except csv.Error as error:
        raise UnusableInput(f"{path}: line {begins}: not CSV ({error}).") from None


def _check_names(path: Path, line: int, names: Any) -> None:
    needed = [name for name in COLUMNS if name not in LATER]
    wrong = [name for name in names if name not in COLUMNS] or [name for name in needed if name not in names]
    if wrong or len(set(names)) < len(names):
        what = (
            f"{str(wrong[0])[:60]!r} is {'not a column' if wrong[0] not in COLUMNS else 'missing'}"
            if wrong
            else ("a column appears twice")
        )
        raise UnusableInput(
            f"{path}: line {line}: {what}. The columns are: {', '.join(COLUMNS)}. "
            "For files from other tools, add --from."
        )


def _row(given: dict[str, Any], evidence: sqlite3.Connection | None) -> Row:
    """Raises ValueError that names the field, what was found and what to do."""
    given = dict.fromkeys(LATER) | given
    names = [given.pop(name) for name in ELSEWHERE]
    kind = given["kind"]
    if kind not in SHAPES:
        raise ValueError(f"kind: {_short(kind)} is unknown. Use {either(SHAPES)}.")
    _check_fields(given, kind)
    _check_values(given, kind)
    _check_seal(given["sealed"])
    _check_moment(given["when"])
    return Row(**given | {"pmid": _paper(str(given["pmid"]), names, evidence)})


def _paper(given: str, names: list[Any], evidence: sqlite3.Connection | None) -> int:
    """The key of the paper: its PMID or, if another database is named, that of its record there."""
    source, accession, doi = (str(name or "").strip() for name in names)
    if not source:
        try:
            return given_pmid(given)
        except ValueError as error:
            raise ValueError(f"pmid: {error}.") from None
    found = external.named_so(evidence, given, source, accession, doi) if evidence else None
    if found is None:
        told = " ".join(filter(None, (source, accession or doi)))
        raise ValueError(
            f"source: the record {_short(told)} is not stored here. Import it first, with 'tracker import-records'."
        )
    return found


def _check_fields(given: dict[str, Any], kind: str) -> None:
    """Each field is a text, is there if the row's kind needs it, and only if that kind may have it."""
    shape = SHAPES[kind]
    for name in Row._fields[2:]:
        value = given[name]
        if value is not None and not isinstance(value, str):
            raise ValueError(
                f"{name}: {_short(value)} is not text. Put it in quotation marks, or write null."
            )
        if not value and name in ("person", "when", *shape.needs):
            raise ValueError(f"{name}: is empty, but a {kind} needs one. Fill it in.")
        if value and name not in ("person", "when", *shape.needs, *shape.may):
            raise ValueError(f"{name}: a {kind} has no {name} (found {_short(value)}). Leave it empty.")
        if value:
            _check_text(name, value)


def _check_values(given: dict[str, Any], kind: str) -> None:
    _check_among("stage", given["stage"], STAGES)
    if kind in ("note", "tagging") and len(given["text"] or "") > LONGEST_NOTE:
        raise ValueError(
            f"text: has {len(given['text']):,} characters; the limit is {LONGEST_NOTE:,}. Shorten it."
        )
    if kind == "decision":
        _check_among("value", given["value"], DECISIONS)
        _check_among("basis", given["basis"], BASES)
        _check_among("labels", given["labels"], LABELS)
        if given["basis"] and given["stage"] != "title-abstract":
            raise ValueError(f"basis: a decision by {given['stage']} has none. Leave it empty.")
    if kind == "settlement":
        _check_among("value", given["value"], ("include", "exclude"))
    if kind == "placement":
        _check_among("value", given["value"], DIRECTNESS)
        _check_reason(given["reason"])
    if given["question"] and not SLUG.fullmatch(given["question"]):
        raise ValueError(
            f"question: {_short(given['question'])} is not a question. Use the name of a file in queries/."
        )


def _check_reason(reason: str) -> None:
    try:
        placements.checked_reason(reason)
    except UsageError as error:
        raise ValueError(f"reason: {error}") from None


def _check_seal(text: str | None) -> None:
    if text and not Seal.parse(text):
        raise ValueError(f"sealed: {_short(text)} is not a seal. Write QUESTION/STAGE, or leave it empty.")


def _check_moment(moment: str) -> None:
    try:
        datetime.fromisoformat(moment if _MOMENT.fullmatch(moment) else "")
    except ValueError:
        raise ValueError(
            f"when: {_short(moment)} is not a date and time. Write it as 2026-11-24T20:11:16Z."
        ) from None


def _check_text(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{name}: has half a character (a lone surrogate). Write the whole character."
        ) from None


def _check_among(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise ValueError(f"{name}: {_short(value)} is unknown. Use {either(choices)}.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


# -- writing ---------------------------------------------------------------------------------------


class Report(NamedTuple):
    """The result of an import: the rows ``written`` by kind, how many were there already, those that contradict what
    is there (which stays), and who and what had to be added for them."""

    file: str
    rows: int
    dry_run: bool
    written: dict[str, int]
    unchanged: int
    conflicts: list[dict[str, Any]]
    people_added: list[str]
    tags_added: list[str]


class _DryRun(Exception):
    """Not an error: it only undoes the transaction."""


def import_rows(
    db: sqlite3.Connection, path: Path, *, evidence: sqlite3.Connection | None = None, dry_run: bool = False
) -> Report:
    """Write what is new in a file, in one transaction; with ``dry_run`` only say what would be done.

    Moments and seals stay as in the file. Unknown people are added, disabled and without a password; unknown groups
    and tags are added as well. What contradicts a row that is there is reported and not written. ``evidence`` is as for
    ``read``.

    Raises UsageError if the file cannot be read, UnusableInput for an impossible row; then nothing is written.
    """
    try:
        with acting(db, None, f"tracker tag import {path.name}") as act:
            report = _Import(act, path, evidence).run(dry_run)
            if dry_run:
                raise _DryRun
    except _DryRun:
        pass
    return report


class _Import:
    def __init__(self, act: Act, path: Path, evidence: sqlite3.Connection | None) -> None:
        self.act = act
        self.path = path
        self.evidence = evidence
        self.written: Counter[str] = Counter()
        self.conflicts: list[dict[str, Any]] = []
        self.people_added: list[str] = []
        self.tags_added: list[str] = []
        self._people = {person.name: person.id for person in people.everybody(act.db)}
        self._tags = {(tag.group, tag.name): tag for tag in vocabulary.tags(act.db).values()}
        # What the file said before. It may hold rows together that nobody could write on the site any
        # more (a group of which one holds by now), as long as nothing that was there before stands against them.
        self._notes: Counter[tuple[Any, ...]] = Counter()
        self._tagged: set[tuple[Any, ...]] = set()
        self._decided: Counter[tuple[Any, ...]] = Counter()

    def run(self, dry_run: bool) -> Report:
        count = unchanged = 0
        for line, row in read(self.path, self.evidence):
            count += 1
            try:
                key, says, when = self._meant(row)
            except (UsageError, ValueError) as error:
                raise UnusableInput(f"{self.path}: line {line}: {error}") from None
            there = current(self.act.db, row.kind, key)
            against = _against(there, says) if there else self._forbidden(row, key)
            if against is not None:
                self.conflicts.append({"line": line, **as_told(row, self.evidence), "there": against})
                continue
            if there:
                unchanged += 1
            else:
                self.act.put("import", row.kind, key, says | when)
                self.written[row.kind] += 1
            self._remember(row, is_new=not there)
        self._unseal()
        return Report(
            str(self.path),
            count,
            dry_run,
            dict(sorted(self.written.items())),
            unchanged,
            self.conflicts,
            self.people_added,
            self.tags_added,
        )

    def _meant(self, row: Row) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
        """A row's key, what it says and when, in the form of ``team.acts.STATEMENTS``."""
        of: dict[str, Any] = {"pmid": row.pmid, "question": row.question, "person": self._person(row.person)}
        if row.kind == "tagging":
            tag = self._tag(row)
            return of | {"tag": tag.id}, {"note": row.text, "blind": row.sealed}, {"tagged": row.when}
        if row.kind == "decision":
            says = {
                "decision": row.value,
                "reason": row.reason,
                "blind": row.sealed,
                "basis": row.basis,
                "labels": row.labels,
            }
            return of | {"stage": row.stage}, says, {"decided": row.when}
        if row.kind == "settlement":
            key = {"pmid": row.pmid, "question": row.question, "stage": row.stage}
            says = {"decision": row.value, "reason": row.reason, "why": row.text, "person": of["person"]}
            return key, says, {"settled": row.when}
        if row.kind == "placement":
            says = {"value": row.value, "reason": row.reason, "blind": row.sealed}
            return of, says, {"placed": row.when}
        if row.kind == "note":
            return (
                of | {"id": self._note(row, of)},
                {"text": row.text, "blind": row.sealed},
                {"written": row.when},
            )
        key = {
            "pmid": row.pmid,
            "label_group": row.group,
            "machine_value": row.machine_value,
            "person": of["person"],
        }
        return key, {"value": row.value}, {"reviewed": row.when}

    def _person(self, name: str) -> int:
        if name not in self._people:
            self._people[name] = people.add(self.act, name, "tagger").id
            people.change(self.act, name, disabled=True)
            self.people_added.append(name)
        return self._people[name]

    def _tag(self, row: Row) -> vocabulary.Tag:
        group, name = row.group or "", row.tag or ""
        if (group, name) not in self._tags:
            known = {tag.group for tag in self._tags.values()} | {
                each.name for each in vocabulary.groups(self.act.db, retired=True)
            }
            if group not in known:
                vocabulary.add_group(self.act, group)
            vocabulary.add(self.act, group, name)
            self._tags = {(tag.group, tag.name): tag for tag in vocabulary.tags(self.act.db).values()}
            if (group, name) not in self._tags:
                raise ValueError(
                    f"tag: {_short((group, name))} would be stored differently. Remove extra spaces."
                )
            self.tags_added.append(f"{group}: {name}")
        return self._tags[group, name]

    def _note(self, row: Row, of: dict[str, Any]) -> int:
        """The id of the same note, or a free one for a new note: equal notes of the same moment are counted."""
        same = (row.pmid, row.question, of["person"], row.text, row.when)
        note = self.act.db.execute(
            """
            select id from notes
            where pmid = :pmid and question is :question and person = :person and text = :text and written = :when
            order by id limit 1 offset :earlier
            """,
            {**of, "text": row.text, "when": row.when, "earlier": self._notes[same]},
        ).fetchone()
        self._notes[same] += 1
        return int(note[0]) if note else next_event(self.act.db)

    def _forbidden(self, row: Row, key: dict[str, Any]) -> str | None:
        """What was there before that excludes a new row."""
        if row.kind == "tagging" and self._tag(row).choice == "single":
            if (row.pmid, row.question, row.person, row.group) in self._tagged:
                return None
            other = self.act.db.execute(
                """
                select t.name from taggings g join tags t on t.id = g.tag
                where g.pmid = :pmid and g.question is :question and g.person = :person and t.tag_group = (
                  select tag_group from tags where id = :tag)
                """,
                key,
            ).fetchone()
            return str(other[0]) if other else None
        if row.kind == "decision" and row.sealed:
            there = self.act.db.execute(
                "select count(*) from decisions where question = :question and pmid = :pmid and stage = :stage",
                key,
            ).fetchone()[0]
            earlier = self._decided[row.question, row.pmid, row.stage]
            return "two others have decided" if there - earlier >= REVIEWERS else None
        return None

    def _remember(self, row: Row, *, is_new: bool) -> None:
        if row.kind == "tagging":
            self._tagged.add((row.pmid, row.question, row.person, row.group))
        elif row.kind == "decision":
            self._decided[row.question, row.pmid, row.stage] += is_new

    def _unseal(self) -> None:
        """Once two people have decided in a blind review, nothing is hidden any more, as of the second decision."""
        for question, pmid, stage in self._decided:
            moments = self.act.db.execute(
                """
                select decided, blind from decisions
                where question = :question and pmid = :pmid and stage = :stage order by 1
                """,
                {"question": question, "pmid": pmid, "stage": stage},
            ).fetchall()
            if len(moments) >= REVIEWERS and any(blind for _, blind in moments):
                self.act.db.execute(
                    "insert into unsealed (review, pmid, unsealed) values (:seal, :pmid, :when) on conflict do nothing",
                    {"seal": str(Seal(question, stage)), "pmid": pmid, "when": moments[REVIEWERS - 1][0]},
                )


def _against(there: dict[str, Any], says: dict[str, Any]) -> str | None:
    """What is there, if it differs; seals, moments and what somebody saw are not compared."""
    if all(there[name] == value for name, value in says.items() if name not in ("blind", *SEEN)):
        return None
    return next(str(there[name] or "") for name in ("decision", "value", "note", "text") if name in there)
