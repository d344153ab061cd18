"""Files that other databases export: RIS, EndNote XML, BibTeX, MEDLINE text and CSV, as fields by name.

A file is untrusted: it is read up to a size, no entity of an XML file is expanded, and nothing in it is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import rispy
from lxml import etree

from tracker.errors import RecordError, UnusableInput
from tracker.exchange.files import rows_of, text_of
from tracker.external.record import Fields, Form
from tracker.pubmed import nbib

# A record of more than this is not one: its JSON is kept for ever.
MOST_OF_RECORD = 2 * 2**20
MOST_RECORDS = 200_000
MOST_BIBTEX = 32 * 2**20
_RIS_BEGINS = re.compile(r"^TY {2}- ?", re.M)
_BIBTEX_BEGINS = re.compile(r"^\s*@[a-z]+\s*[{(]", re.I | re.M)
_TAGS = [
    f"{first}{second}"
    for first in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for second in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
]


class Found(NamedTuple):
    """A record of a file: where it stands there ("record 3", "line 12"), and its fields."""

    place: str
    form: Form
    fields: Fields


def read_records(path: Path, data: bytes) -> list[Found]:
    """Every record of a file with these bytes, by what is in them and not by its name.

    Raises UnusableInput if it is in none of these forms, damaged, hostile or large.
    """
    found = list(_records(path, data))
    if not found:
        raise UnusableInput(f"{path}: it holds no record. Export it again.")
    if len(found) > MOST_RECORDS:
        raise UnusableInput(f"{path}: more than {MOST_RECORDS:,} records. Split it.")
    for each in found:
        if sum(len(value) for values in each.fields.values() for value in values) > MOST_OF_RECORD:
            raise UnusableInput(
                f"{path}: {each.place}: larger than {MOST_OF_RECORD >> 20} MB. Is the file damaged?"
            )
    return found


def _records(path: Path, data: bytes) -> Iterator[Found]:
    if (table := rows_of(path, data)) is not None:
        yield from (Found(row.place, "csv", _listed(row.fields)) for row in table)
        return
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        yield from _endnote(path, data)
        return
    text = text_of(path, data)
    if _RIS_BEGINS.search(text):
        yield from _ris(path, text)
    elif _BIBTEX_BEGINS.search(text):
        yield from _bibtex(path, text)
    elif nbib.begins_a_record(text.lstrip().partition("\n")[0]):
        yield from _nbib(path, text)
    else:
        rows = rows_of(path, data, text)
        yield from (Found(row.place, "csv", _listed(row.fields)) for row in rows or ())


def _listed(fields: dict[str, str]) -> Fields:
    return {name: [value] for name, value in fields.items() if name and value.strip()}


# -- RIS -------------------------------------------------------------------------------------------


class _Tags(rispy.RisParser):  # type: ignore[misc]
    """RIS by its own tags, each with all its values: what a tag means differs by database."""

    START_TAG = "TY"
    DEFAULT_MAPPING = {tag: tag for tag in _TAGS}  # noqa: RUF012 - rispy's own way
    DEFAULT_LIST_TAGS = [tag for tag in _TAGS if tag not in ("TY", "ER")]  # noqa: RUF012
    DEFAULT_DELIMITER_MAPPING: dict[str, str] = {}  # noqa: RUF012

    def _add_tag(
        self, record: dict[str, Any], tag: str, content: str, extend_multiline: bool = False
    ) -> None:
        if not extend_multiline:
            super()._add_tag(record, tag, content)
        elif content and record.get(tag):
            # A folded line goes on with the value before it.
            record[tag][-1] = f"{record[tag][-1]} {content}"


def _ris(path: Path, text: str) -> Iterator[Found]:
    try:
        entries = _Tags().parse_lines(iter(re.split(r"\r\n|\r|\n", text)))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnusableInput(f"{path}: not valid RIS ({error}). Export it again.") from None
    if len(entries) != (begun := len(_RIS_BEGINS.findall(text))):
        raise UnusableInput(
            f"{path}: {begun} records begin (TY), but only {len(entries)} end (ER). Is the file cut off?"
        )
    for number, entry in enumerate(entries, 1):
        yield Found(f"record {number}", "ris", _values(entry))


def _values(entry: dict[str, Any]) -> Fields:
    return {
        name: [str(each) for each in (value if isinstance(value, list) else [value]) if str(each).strip()]
        for name, value in entry.items()
        if not isinstance(value, dict)
    }


# -- EndNote XML -----------------------------------------------------------------------------------


def _endnote(path: Path, data: bytes) -> Iterator[Found]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise UnusableInput(f"{path}: not readable XML ({error}). Export it again.") from None
    declared: Any = root.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise UnusableInput(f"{path}: it declares entities, which EndNote never does. Refused.")
    records = root.findall(".//record")
    if not records:
        raise UnusableInput(
            f"{path}: XML without EndNote's records (<record>). PubMed's own XML is for 'tracker load'."
        )
    for number, record in enumerate(records, 1):
        fields: dict[str, list[str]] = {}
        for name, value in _leaves(record):
            fields.setdefault(name, []).append(value)
        yield Found(f"record {number}", "endnote", fields)


def _leaves(record: Any) -> Iterator[tuple[str, str]]:
    """Each element's path and text; EndNote wraps texts in ``style``, and names the type in an attribute."""
    for element in record.iter():
        if not isinstance(element.tag, str) or element.tag in ("style", "record"):
            continue
        if element.tag == "ref-type" and element.get("name"):
            yield "ref-type", element.get("name")
        elif all(child.tag == "style" for child in element) and (text := "".join(element.itertext()).strip()):
            yield _path(element, record), text


def _path(element: Any, record: Any) -> str:
    names = [element.tag]
    while (element := element.getparent()) is not record:
        names.append(element.tag)
    return "/".join(reversed(names))


# -- BibTeX ----------------------------------------------------------------------------------------


def _bibtex(path: Path, text: str) -> Iterator[Found]:
    from bibtexparser import middlewares
    from bibtexparser.entrypoint import parse_string

    if len(text) > MOST_BIBTEX:
        raise UnusableInput(f"{path}: larger than {MOST_BIBTEX >> 20} MB. Split it.")
    library = parse_string(
        text,
        parse_stack=[
            middlewares.ResolveStringReferencesMiddleware(),
            middlewares.RemoveEnclosingMiddleware(),
            middlewares.LatexDecodingMiddleware(),
        ],
    )
    if library.failed_blocks:
        first = library.failed_blocks[0]
        line = (first.start_line or 0) + 1
        raise UnusableInput(
            f"{path}: line {line}: not valid BibTeX ({first.error}). Correct it, or export it again."
        )
    for entry in library.entries:
        fields = {
            field.key.casefold(): [str(field.value)] for field in entry.fields if str(field.value).strip()
        }
        yield Found(
            f"line {(entry.start_line or 0) + 1}", "bibtex", {"entrytype": [entry.entry_type], **fields}
        )


# -- MEDLINE text ----------------------------------------------------------------------------------


def _nbib(path: Path, text: str) -> Iterator[Found]:
    for number, body in enumerate(nbib.split(BytesIO(text.encode()), str(path), pubmeds=False), 1):
        try:
            lines = nbib.fields(body)
        except RecordError as error:
            raise UnusableInput(f"{path}: record {number}: {error}.") from None
        fields: dict[str, list[str]] = {}
        for tag, value in lines:
            fields.setdefault(tag, []).append(value)
        if fields:
            yield Found(f"record {number}", "nbib", fields)
