"""MEDLINE text (``.nbib``, PubMed's "PubMed format") -> the text of one record at a time -> Article.

Tags are those of https://www.nlm.nih.gov/bsd/mms/medlineelements.html and of PubMed's help
(https://pubmed.ncbi.nlm.nih.gov/help/#pubmed-format).

Bio.Medline sorts the lines by tag. What it cannot do is done here before and beside it: it splits folded
lines of all but a few tags into several values, ends a record at an empty line, joins repeated ISSNs, location
ids and subsets, and, keeping no order between tags, cannot tell whose affiliation or ORCID is whose.

The format itself says less than PubMed's XML: no UIs, no markup, no labels of abstract sections, no
reference list, no version.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain, islice, pairwise
from typing import Any, BinaryIO, NamedTuple

from Bio import Medline

from tracker.article import (
    AbstractSection,
    Affiliation,
    Article,
    ArticleId,
    Author,
    Book,
    Grant,
    HistoryDate,
    Identifier,
    Investigator,
    Journal,
    Keyword,
    MeshHeading,
    Notice,
    OtherAbstract,
    OtherField,
    PartialDate,
    PublicationType,
    Qualifier,
    Registration,
    Substance,
    SupplementaryConcept,
    Text,
    parse_pmid,
)
from tracker.errors import RecordError, UnusableInput
from tracker.pubmed.articlenumber import article_number
from tracker.pubmed.dates import parse_date, partial_date
from tracker.pubmed.records import utf8

MAX_RECORD = 16 * 2**20

# RefType in the XML: https://dtd.nlm.nih.gov/ncbi/pubmed/doc/out/190101/att-RefType.html
_NOTICES = {
    "CIN": "CommentIn",
    "CON": "CommentOn",
    "CRI": "CorrectedandRepublishedIn",
    "CRF": "CorrectedandRepublishedFrom",
    "ECI": "ExpressionOfConcernIn",
    "ECF": "ExpressionOfConcernFor",
    "EIN": "ErratumIn",
    "EFR": "ErratumFor",
    "ORI": "OriginalReportIn",
    "PRIN": "PartialRetractionIn",
    "PROF": "PartialRetractionOf",
    "RIN": "RetractionIn",
    "ROF": "RetractionOf",
    "RPI": "RepublishedIn",
    "RPF": "RepublishedFrom",
    "RRI": "RetractedandRepublishedIn",
    "RRF": "RetractedandRepublishedFrom",
    "SPIN": "SummaryForPatientsIn",
    "UIN": "UpdateIn",
    "UOF": "UpdateOf",
}
# Names of the same fields in the XML; any other tag is kept under its own name.
_OTHER_NAMES = {
    "GN": "GeneralNote",
    "GS": "GeneSymbol",
    "OID": "OtherID",
    "PS": "PersonalNameSubject",
    "RF": "NumberOfReferences",
    "SB": "CitationSubset",
    "SFM": "SpaceFlightMission",
    "SO": "Source",
}
_READ = frozenset(
    "AB AD AID AU AUID BTI CDAT CI CN COIS CRDT CTDT CTI DA DCOM DEP DP ED EDAT EN FAU FED FIR GR IP IR IRAD IS ISBN "
    "JID JT LA LID LR MH MHDA MID NM OAB OABL OCI OT OTO OWN PB PG PHST PL PMC PMCR PMID PST PT PUBM RN SI STAT "
    "TA TI TT VI VTI".split()
) | frozenset(_NOTICES)
_KNOWN = _READ | frozenset(_OTHER_NAMES)
# The types that the XML's OtherAbstract knows, which this format puts before the text.
_OTHER_ABSTRACT = re.compile(r"(AAMC|AIDS|KIE|PIP|NASA|Publisher|plain-language-summary):\s*(.*)", re.S)
# NLM's word for a paragraph that has no heading.
_UNLABELLED = re.compile(r"(?:^|(?<=[.?!)] ))UNLABELLED: ")
# What XML cannot hold, and so no export can either.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9]{0,3})[ \t]{0,3}(-)(.*)", re.S)
_LINE_END = re.compile(rb"\r*\n|\r")
_FOLD = " " * 6
_LOOKED_AT = 100
_UTF8_CHARACTER = re.compile(rb"[\xc3-\xf4][\x80-\xbf]{1,3}(?![\x80-\xbf])")
_PMID_OF_NOTICE = re.compile(r"PMID:\s*([0-9]{1,10})\.?\s*$")
_IDENTIFIER = re.compile(r"(.*\S)\s*\[([a-z]+)\]$")
_EVENT = re.compile(r"([^\[]*[^\[\s])\s*\[(.+)\]$")
# The same number may be print and linking. Without a kind, it is as we write it.
_ISSN = re.compile(r"([0-9]{4}-[0-9]{3}[0-9Xx])(?:\s*\((\w+)\))?")
_REGISTRY = re.compile(r"(\S+)\s+\((.+)\)$", re.S)
_ORCID = re.compile(r"(\d{4})-?(\d{4})-?(\d{4})-?(\d{3}[\dXx])\s*$")
_SHORT_NAME = re.compile(
    r"(?P<last>.+?)(?: (?P<initials>[^\W\d_a-z]{1,4}))?(?: (?P<suffix>Jr|Sr|[2-9]\w{1,2}|I{2,3}|IV))?"
)


# Fields of an Article, by name.
_Facts = dict[str, Any]


class _Line(NamedTuple):
    """One field, unfolded."""

    tag: str
    value: str


def split(stream: BinaryIO, name: str = "the file", *, pubmeds: bool = True) -> Iterator[bytes]:
    """The text of every record as UTF-8 with plain line ends, in order and in constant memory.

    A record begins with its ``PMID-`` line, or, if it has none (like ERIC's), with the first field after an empty
    line: such records are yielded too, so that they are named and never taken for part of the one before.
    Lines before the first field go with the first record. ``name`` is what messages call the stream. The format has
    no end mark: a file cut off between two lines cannot be told from a whole one.

    Raises UnusableInput if one is larger than 16 MB or, unless the file may come from another database than PubMed
    (not ``pubmeds``), if no record has a PMID.
    """
    lines = _lines(stream, name)
    first = list(islice(lines, _LOOKED_AT))
    parted = not _double_spaced(first)
    record: list[str] = []
    size, apart, numbered, fields = 0, False, False, False
    for line in chain(first, lines):
        field = _field(line)
        if field and (field.tag == "PMID" or (parted and apart)):
            if fields:
                yield _encoded(record)
                record, size = [], 0
            numbered = numbered or field.tag == "PMID"
        fields = fields or field is not None
        if field or line.startswith(_FOLD):
            apart = False
        elif not line.strip():
            apart = True
        record.append(f"{line}\n")
        size += len(line)
        _check(size, name)
    if pubmeds and not numbered:
        begins = next(filter(str.strip, first), "")[:60]
        raise UnusableInput(
            f"{name}: no record in it has a PMID (it begins {begins!r}). "
            'Save the records from PubMed in its "PubMed" format.'
        )
    yield _encoded(record)


def begins_a_record(line: str) -> bool:
    """Whether a file of this format could begin like this; RIS, which looks the same, begins with TY."""
    field = _field(line)
    return field is not None and field.tag in _KNOWN


def _double_spaced(lines: list[str]) -> bool:
    """Whether there are empty lines between the fields of a record, as some programs save them."""
    after = [before for before, line in pairwise(lines) if (field := _field(line)) and field.tag != "PMID"]
    return len(after) > 2 and sum(not line.strip() for line in after) > len(after) / 2


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """The lines, whatever their line ends, without byte order marks, which occur inside files that were joined."""
    rest = b""
    for chunk in utf8(stream, name):
        whole = rest + chunk
        # The next byte tells what a carriage return means.
        text = whole.rstrip(b"\r")
        *lines, rest = _LINE_END.split(text)
        rest += whole[len(text) :]
        _check(len(rest), name)
        yield from map(_decoded, lines)
    if rest:
        yield from map(_decoded, _LINE_END.split(rest))


def _decoded(line: bytes) -> str:
    return line.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _encoded(lines: Iterable[str]) -> bytes:
    """The bytes that the lines were read from."""
    return "".join(lines).encode("utf-8", "surrogateescape")


def _check(size: int, name: str) -> None:
    if size > MAX_RECORD:
        raise UnusableInput(f"{name}: a record is larger than {MAX_RECORD >> 20} MB. Refused.")


def parse_record(body: bytes) -> Article:
    """The Article that one record's text says.

    ``body`` is the text of one record, as ``split`` gives it, in UTF-8 or in Windows' character set. Fields that the
    format does not have stay empty; unknown tags are kept in ``other_fields`` under their own name. Control
    characters are left out, and so is what ``stray_lines`` returns.

    Raises RecordError if it is text in neither, or if there is not exactly one PMID.
    """
    try:
        return _article(_unfold(_text_of(body))[0])
    except ValueError as error:
        raise RecordError(f"not a usable MEDLINE record: {error}") from None


def fields(body: bytes) -> list[tuple[str, str]]:
    """Tag and value of each of the record's fields, in order. Raises RecordError as above."""
    return [(line.tag, line.value) for line in _unfold(_text_of(body))[0] if line.value]


def stray_lines(body: bytes) -> tuple[str, ...]:
    """The record's lines that are neither a field nor the continuation of one. Raises RecordError as above."""
    return tuple(_unfold(_text_of(body))[1])


def _text_of(body: bytes) -> str:
    """The text without control characters. Raises RecordError if it is neither UTF-8 nor in Windows' character set."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        # With some UTF-8 in it, it is damaged UTF-8.
        if _UTF8_CHARACTER.search(body):
            raise RecordError(f"not UTF-8 text: {error}") from None
        try:
            text = body.decode("cp1252")
        except UnicodeDecodeError:
            raise RecordError(f"not UTF-8 text: {error}") from None
    return _CONTROL.sub("", text)


def _unfold(text: str) -> tuple[list[_Line], list[str]]:
    """The fields, each on one line, and the lines that belong to none."""
    lines: list[_Line] = []
    stray: list[str] = []
    # Not splitlines, which also breaks at characters that occur inside abstracts (U+2028, U+0085).
    for line in map(str.rstrip, text.split("\n")):
        if field := _field(line):
            lines.append(field)
        elif line.startswith((" ", "\t")) and lines:
            tag, value = lines[-1]
            lines[-1] = _Line(tag, f"{value} {line.strip()}" if value else line.strip())
        elif line:
            stray.append(line)
    return lines, stray


def _field(line: str) -> _Line | None:
    """The field that the line begins: the fifth character is a hyphen, or the tag is known and followed by a space."""
    match = _LINE.match(line)
    if not match:
        return None
    tag, _, value = match.groups()
    as_written = tag.isupper() and match.start(2) == 4
    known = tag.upper() in _KNOWN and value[:1] in ("", " ", "\t")
    return _Line(tag.upper(), value.strip()) if as_written or known else None


class _Fields:
    """The lines by tag, as Bio.Medline sorts them, and all values of the tags whose values it joins."""

    def __init__(self, lines: list[_Line]) -> None:
        self.lines = lines
        text = (f"{tag:<4}- {value}" for tag, value in lines)
        self._record: dict[str, Any] = Medline.read(text)  # type: ignore[no-untyped-call]

    def value(self, tag: str) -> str | None:
        value = self._record.get(tag)
        return (value if isinstance(value, str) else " ".join(value)) or None if value else None

    def values(self, tag: str) -> list[str]:
        value = self._record.get(tag, [])
        return [part for part in (self.repeated(tag) if isinstance(value, str) else value) if part]

    def repeated(self, *tags: str) -> list[str]:
        return [line.value for line in self.lines if line.tag in tags and line.value]


def _article(lines: list[_Line]) -> Article:
    fields = _Fields(lines)
    pmid = _only_pmid(fields, lines)
    book = _book(fields)
    return Article(
        pmid=parse_pmid(pmid),
        kind="book" if book else "article",
        **_wording(fields, book),
        **_people_of(lines),
        **_source(fields, book),
        **_dates(fields),
        **_standing(fields),
        **_indexing(fields),
        notices=tuple(_notice(line) for line in lines if line.tag in _NOTICES and line.value),
        ids=tuple(dict.fromkeys(_ids(fields, pmid))),
        other_fields=tuple(_other_fields(lines)),
    )


def _wording(fields: _Fields, book: Book | None) -> _Facts:
    abstract = _UNLABELLED.sub("", fields.value("AB") or "")
    return {
        "title": book.title if book and not fields.value("TI") else _text(fields.value("TI")),
        "vernacular_title": fields.value("TT"),
        "abstract": (AbstractSection(None, None, _text(abstract)),) if abstract else (),
        "copyright": fields.value("CI"),
        "other_abstracts": tuple(_other_abstracts(fields.lines)),
        "conflict_of_interest": fields.value("COIS"),
    }


def _people_of(lines: list[_Line]) -> _Facts:
    return {
        "authors": tuple(_authors(lines)),
        "authors_complete": not any(line.tag in ("FAU", "AU") and _is_et_al(line.value) for line in lines),
        "investigators": tuple(_investigators(lines)),
    }


def _source(fields: _Fields, book: Book | None) -> _Facts:
    pages = fields.value("PG")
    return {
        "journal": Journal() if book else _journal(fields),
        "book": book,
        "pages": pages,
        "article_number": None if pages else article_number(_location_ids(fields)),
    }


def _dates(fields: _Fields) -> _Facts:
    electronic = _full_date(fields.value("DEP"))
    return {
        "published": parse_date(fields.value("DP") or "") or electronic,
        "published_raw": fields.value("DP"),
        "electronic": electronic,
        "created": _iso(fields.value("CRDT") or fields.value("DA")),
        "entered": _iso(fields.value("EDAT")),
        "revised": _iso(fields.value("LR")),
        "completed": _iso(fields.value("DCOM")),
        "history": _history(fields),
    }


def _standing(fields: _Fields) -> _Facts:
    """The record's stage of processing, and how the paper was published."""
    return {
        "status": fields.value("STAT"),
        "owner": fields.value("OWN"),
        "publication_model": fields.value("PUBM"),
        "publication_status": fields.value("PST"),
    }


def _indexing(fields: _Fields) -> _Facts:
    return {
        "languages": tuple(fields.values("LA")),
        "publication_types": tuple(PublicationType(name, None) for name in fields.values("PT")),
        "mesh_headings": tuple(map(_mesh_heading, fields.values("MH"))),
        "supplementary_concepts": tuple(
            SupplementaryConcept(name, None, None) for name in fields.values("NM")
        ),
        "substances": tuple(map(_substance, fields.values("RN"))),
        "keywords": tuple(_keywords(fields.lines)),
        "grants": tuple(map(_grant, fields.values("GR"))),
        "registrations": tuple(map(_registration, fields.values("SI"))),
    }


def _only_pmid(fields: _Fields, lines: list[_Line]) -> str:
    pmids = fields.repeated("PMID")
    if len(pmids) != 1:
        title = fields.value("TI") or next((value for _, value in lines), "")
        raise ValueError(f"it has {len(pmids) or 'no'} PMID{'s' * bool(pmids)}. It is {title[:80]!r}")
    return pmids[0]


def _text(words: str | None) -> Text:
    return Text(words or "", escape(words or "", quote=False))


def _full_date(value: str | None) -> PartialDate | None:
    """``20190927`` or ``2019/09/27 06:00``."""
    digits = re.match(r"([0-9]{4})/?([0-9]{2})?/?([0-9]{2})?(?![0-9])", value or "")
    return partial_date(*digits.groups()) if digits else None


def _any_date(value: str | None) -> PartialDate | None:
    return _full_date(value) or parse_date(value or "")


def _iso(value: str | None) -> str | None:
    date = _full_date(value)
    return date.iso if date else None


def _history(fields: _Fields) -> tuple[HistoryDate, ...]:
    """The PubStatus dates, under the names that the XML uses for CRDT, EDAT and MHDA."""
    dates = [(event[2], event[1]) for event in map(_EVENT.match, fields.values("PHST")) if event]
    named = (("entrez", "CRDT"), ("pubmed", "EDAT"), ("medline", "MHDA"), ("pmc-release", "PMCR"))
    dates += [(name, fields.value(tag) or "") for name, tag in named]
    dated = ((name, _iso(raw)) for name, raw in dates)
    # Only once each, as PHST may hold the day of release too.
    return tuple(dict.fromkeys(HistoryDate(name, date) for name, date in dated if date))


def _journal(fields: _Fields) -> Journal:
    issns = [match.groups() for match in map(_ISSN.match, fields.repeated("IS")) if match]
    linking = next((issn for issn, kind in issns if kind == "Linking"), None)
    issn, issn_type = next((each for each in issns if each[1] != "Linking"), (None, None))
    return Journal(
        title=fields.value("JT"),
        iso_abbreviation=None,
        medline_abbreviation=fields.value("TA"),
        nlm_id=fields.value("JID"),
        issn=issn,
        issn_type=issn_type,
        issn_linking=linking,
        country=fields.value("PL"),
        volume=fields.value("VI"),
        issue=fields.value("IP"),
    )


def _book(fields: _Fields) -> Book | None:
    value = fields.value
    if not value("BTI"):
        return None
    return Book(
        title=_text(value("BTI")),
        publisher=value("PB"),
        publisher_location=value("PL"),
        collection=value("CTI"),
        edition=value("EN"),
        volume=value("VI"),
        volume_title=value("VTI"),
        isbns=tuple(isbn.split(" (")[0] for isbn in fields.values("ISBN")),
        contributed=next(filter(None, map(_any_date, (value("CTDT"), value("CDAT")))), None),
    )


# -- people: a name begins a person, and what follows belongs to that person ------------------------------


def _authors(lines: list[_Line]) -> Iterator[Author]:
    for role, tags in (("author", ("FAU", "AU", "CN")), ("editor", ("FED", "ED", ""))):
        for group in _people(lines, *tags, affiliation="AD"):
            yield Author(**group, role=role)


def _investigators(lines: list[_Line]) -> Iterator[Investigator]:
    return (Investigator(**person) for person in _people(lines, "FIR", "IR", "", affiliation="IRAD"))


_NAME_TAGS = frozenset(("FAU", "AU", "CN", "FED", "ED", "FIR", "IR"))


def _people(
    lines: list[_Line], full: str, short: str, group: str, affiliation: str
) -> Iterator[dict[str, Any]]:
    person: list[_Line] = []
    for line in (*(line for line in lines if not _is_et_al(line.value)), _Line("CN", "")):
        if line.tag in _NAME_TAGS and not _goes_on(person, line, full, short):
            if person:
                yield _person(person, full, short, group, affiliation)
            person = [line] if line.tag in (full, short, group) and line.value else []
        elif person and line.tag in ("AUID", affiliation, short):
            person.append(line)


def _is_et_al(name: str) -> bool:
    """Whether it is what ends an incomplete list of names."""
    return name.casefold().rstrip(".") == "et al"


def _goes_on(person: list[_Line], line: _Line, full: str, short: str) -> bool:
    """Whether a short name directly follows the full one and belongs to the same person."""
    return len(person) == 1 and person[0].tag == full and line.tag == short


def _person(lines: list[_Line], full: str, short: str, group: str, affiliation: str) -> dict[str, Any]:
    tag, name = lines[0]
    names = {line.tag: line.value for line in lines}
    person: dict[str, Any] = (
        {"collective_name": name} if tag == group else _name(names.get(full), names.get(short))
    )
    identifiers = tuple(_identifier(line.value) for line in lines if line.tag == "AUID" and line.value)
    person["identifiers"] = identifiers
    person["orcid"] = next(filter(None, map(_orcid, identifiers)), None)
    person["affiliations"] = tuple(
        Affiliation(line.value) for line in lines if line.tag == affiliation and line.value
    )
    return person


def _name(full: str | None, short: str | None) -> dict[str, str | None]:
    """``Smith, John A Jr`` and ``Smith JA Jr`` as last name, first names, initials and suffix."""
    last, _, fore = (full or "").partition(", ")
    if short and last and short.startswith(f"{last} "):
        initials, _, suffix = short[len(last) + 1 :].partition(" ")
    else:
        match = _SHORT_NAME.fullmatch(short or "")
        parts = match.groupdict() if match else {}
        last, initials, suffix = (
            last or parts.get("last") or "",
            parts.get("initials") or "",
            parts.get("suffix") or "",
        )
    if suffix:
        fore = fore.removesuffix(suffix).rstrip(" ,")
    return {
        "last_name": last or None,
        "fore_name": fore or None,
        "initials": initials or None,
        "suffix": suffix or None,
    }


def _identifier(value: str) -> Identifier:
    source, colon, id = value.partition(":")
    return Identifier(source.strip(), id.strip()) if colon else Identifier("", value)


def _orcid(identifier: Identifier) -> str | None:
    match = _ORCID.search(identifier.value) if identifier.source.upper() == "ORCID" else None
    return "-".join(match.groups()).upper() if match else None


# -- the other fields whose order matters ----------------------------------------------------------


def _other_abstracts(lines: list[_Line]) -> Iterator[OtherAbstract]:
    """OAB opens one; OABL (language) and OCI (copyright) after it belong to it."""
    starts = [i for i, line in enumerate(lines) if line.tag == "OAB"]
    for start, end in pairwise((*starts, len(lines))):
        details = {line.tag: line.value for line in reversed(lines[start:end])}
        typed = _OTHER_ABSTRACT.fullmatch(lines[start].value)
        type, words = typed.groups() if typed else (None, lines[start].value)
        sections = (AbstractSection(None, None, _text(words)),)
        yield OtherAbstract(type, details.get("OABL"), sections, details.get("OCI"))


def _keywords(lines: list[_Line]) -> Iterator[Keyword]:
    """OTO says whose the terms after it are; a star marks a major one."""
    owner = None
    for tag, value in lines:
        if tag == "OTO":
            owner = value or None
        elif tag == "OT" and value.strip("*"):
            yield Keyword(value.removeprefix("*"), owner, value.startswith("*"))


def _mesh_heading(value: str) -> MeshHeading:
    """``*Aspirin/administration & dosage/*adverse effects``; the star marks major topics."""
    descriptor, *qualifiers = value.split("/")
    return MeshHeading(
        descriptor.removeprefix("*"),
        None,
        descriptor.startswith("*"),
        None,
        tuple(Qualifier(name.removeprefix("*"), None, name.startswith("*")) for name in qualifiers),
    )


def _substance(value: str) -> Substance:
    """``R16CO5Y76E (Aspirin)``."""
    match = _REGISTRY.fullmatch(value)
    return Substance(match[2], None, match[1]) if match else Substance(value, None, None)


def _grant(value: str) -> Grant:
    """``R01 MH081870/MH/NIMH NIH HHS/United States``, read from the right: the id may hold slashes too."""
    *rest, agency, country = ["", *value.split("/")] if value.count("/") else ["", value, ""]
    acronym = rest.pop() if len(rest) > 2 and re.fullmatch(r"[A-Z0-9_]{1,3}", rest[-1]) else None
    return Grant("/".join(rest[1:]) or None, acronym, agency or None, country or None)


def _registration(value: str) -> Registration:
    bank, _, number = value.partition("/")
    return Registration(bank, number or None)


def _notice(line: _Line) -> Notice:
    match = _PMID_OF_NOTICE.search(line.value)
    citation = line.value[: match.start()].rstrip() if match else line.value
    return Notice(_NOTICES[line.tag], parse_pmid(match[1]) if match else None, citation or None)


def _ids(fields: _Fields, pmid: str) -> Iterable[ArticleId]:
    for value in fields.repeated("LID"):
        yield _article_id(value)
    yield ArticleId("pubmed", pmid)
    for value in fields.repeated("AID"):
        yield _article_id(value)
    for tag, type in (("PMC", "pmc"), ("MID", "mid")):
        for value in fields.repeated(tag):
            yield ArticleId(type, value)


def _location_ids(fields: _Fields) -> Iterator[str]:
    """Those of type pii."""
    return (id.value for id in map(_article_id, fields.repeated("LID")) if id.type == "pii")


def _article_id(value: str) -> ArticleId:
    """``10.1000/xyz [doi]``."""
    match = _IDENTIFIER.fullmatch(value)
    return ArticleId(match[2], match[1]) if match else ArticleId("pii", value)


def _other_fields(lines: list[_Line]) -> Iterator[OtherField]:
    for tag, value in lines:
        if value and tag not in _READ:
            yield OtherField(_OTHER_NAMES.get(tag, tag), value)
