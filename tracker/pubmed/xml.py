"""One PubmedArticle or PubmedBookArticle -> Article, with nothing lost that the vocabulary names.

Elements and attributes are those of NLM's PubMed DTD of 2025, and of the older shapes that still
occur (one affiliation for the whole article, ``FirstName``, ``CommentIn`` as an element, no UIs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lxml import etree

from tracker.article import (
    AbstractSection,
    Affiliation,
    Article,
    ArticleId,
    Author,
    Book,
    BookSection,
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
    Reference,
    Registration,
    Substance,
    SupplementaryConcept,
    Text,
    parse_pmid,
)
from tracker.errors import RecordError
from tracker.pubmed.articlenumber import article_number
from tracker.pubmed.dates import parse_date, partial_date
from tracker.pubmed.markup import clean, plain, text_of


def _parser(remove_blank_text: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        remove_blank_text=remove_blank_text,
    )


_PARSER = _parser(remove_blank_text=False)
# White space between elements means nothing but inside mixed text, which takes inline markup; of NLM's elements
# only that has lower-case names. Without it lxml is nearly twice as fast (measured).
_INDENTED_PARSER = _parser(remove_blank_text=True)
_INLINE_MARKUP = re.compile(rb"<[a-z]")
_ORCID = re.compile(r"(\d{4})-?(\d{4})-?(\d{4})-?(\d{3}[\dXx])\s*$")
_NOTHING = Text("", "")

Element = etree._Element
Fields = dict[str, Any]


def parse_record(body: bytes) -> Article:
    """The Article that one record's XML says.

    ``body`` is a whole ``<PubmedArticle>`` or ``<PubmedBookArticle>`` element in UTF-8.
    Raises RecordError if it is not well-formed XML, uses undefined entities, has text of over 10 MB,
    or lacks a PMID.
    """
    try:
        root = etree.fromstring(body, _PARSER if _INLINE_MARKUP.search(body) else _INDENTED_PARSER)
    except etree.XMLSyntaxError as error:
        raise RecordError(f"not well-formed XML: {error.msg or error}") from None
    try:
        return Article(**(_book_record(root) if root.tag == "PubmedBookArticle" else _article_record(root)))
    except RecursionError:
        raise RecordError("not a usable PubMed record: a formula in it is nested too deeply") from None
    except (ValueError, TypeError, UnboundLocalError) as error:
        raise RecordError(f"not a usable PubMed record: {error}") from None


def _article_record(root: Element) -> Fields:
    citation = root.find("MedlineCitation")
    if citation is None:
        raise ValueError("it has no MedlineCitation")
    fields = _Fields(
        status=citation.get("Status"),
        owner=citation.get("Owner"),
        indexing_method=citation.get("IndexingMethod"),
    )
    fields.read(citation, _CITATION)
    fields.read(root.find("PubmedData"), _DATA)
    return fields.finished("article")


def _book_record(root: Element) -> Fields:
    document = root.find("BookDocument")
    if document is None:
        raise ValueError("it has no BookDocument")
    fields = _Fields()
    book = document.find("Book")
    if book is not None:
        fields.read(book, _BOOK)
        fields["book"] = _book(book, document)
    fields.read(document, _DOCUMENT)
    fields.read(root.find("PubmedBookData"), _DATA)
    return fields.finished("book")


class _Fields(Fields):
    """The Article's fields as they are read; those that occur more than once are collected."""

    def read(self, parent: Element | None, readers: dict[str, Callable[[_Fields, Element], None]]) -> None:
        for child in parent if parent is not None else ():
            if reader := readers.get(child.tag):
                reader(self, child)

    def add(self, name: str, *values: Any) -> None:
        self[name] = (*self.get(name, ()), *values)

    def finished(self, kind: str) -> Fields:
        if "pmid" not in self:
            raise ValueError("it has no PMID")
        events = {entry.event: entry.date for entry in reversed(self.get("history", ()))}
        self.setdefault("created", events.get("entrez"))
        self["entered"] = events.get("pubmed")
        journal = self.pop("journal_parts", {})
        self["journal"] = Journal(**journal)
        book = self.get("book")
        if not self.get("title", _NOTHING).plain and book:
            self["title"] = book.title
        self.setdefault("title", _NOTHING)
        if self.get("published") is None:
            self["published"] = self.get("electronic")
        self["kind"] = kind
        location_ids = self.pop("location_ids", ())
        if not self.get("pages"):
            self["article_number"] = article_number(location_ids)
        first = self.pop("first_affiliation", None)
        if first and self.get("authors"):
            lead, *others = self["authors"]
            self["authors"] = (lead._replace(affiliations=(Affiliation(first), *lead.affiliations)), *others)
        return self


# -- small readers ------------------------------------------------------------------------------


def _text(element: Element, path: str) -> str | None:
    """The text of a child, without markup; None if it is absent or empty."""
    child = element.find(path)
    return (plain(child) or None) if child is not None else None


def _parts(element: Element) -> dict[str, str]:
    """The texts of the children, by tag; the last one if a tag repeats."""
    return {child.tag: text for child in element if (text := plain(child))}


def _yes(value: str | None) -> bool:
    return value == "Y"


def _word(element: Element) -> str:
    """The text of an element that can hold only text."""
    return (element.text or "").strip()


def _full_date(element: Element) -> str | None:
    year = month = day = None
    for child in element:
        tag = child.tag
        if tag == "Year":
            year = _word(child)
        elif tag == "Month":
            month = _word(child)
        elif tag == "Day":
            day = _word(child)
            break
    date = partial_date(year, month, day)
    return date.iso if date else None


def _pub_date(element: Element) -> PartialDate | None:
    parts = _parts(element)
    if year := parts.get("Year"):
        return partial_date(year, parts.get("Month"), parts.get("Day"), parts.get("Season"))
    medline = parts.get("MedlineDate")
    return parse_date(medline) if medline else None


def _raw_date(element: Element) -> str | None:
    parts = _parts(element)
    order = ("Year", "Season", "Month", "Day", "MedlineDate")
    return " ".join(parts[name] for name in order if parts.get(name)) or None


def _identifier(element: Element) -> Identifier:
    return Identifier(element.get("Source") or "", _word(element))


def _affiliation(element: Element) -> Affiliation:
    texts = [plain(child) for child in element if child.tag == "Affiliation"]
    return Affiliation(
        "; ".join(texts), tuple([_identifier(child) for child in element if child.tag == "Identifier"])
    )


def _orcid(identifiers: Iterable[Identifier]) -> str | None:
    for source, value in identifiers:
        if source.upper() == "ORCID" and (match := _ORCID.search(value)):
            return "-".join(match.groups()).upper()
    return None


def _person(element: Element) -> Fields:
    """The parts of a name that authors and investigators share."""
    person: Fields = {"valid": element.get("ValidYN") != "N"}
    affiliations: list[Affiliation] = []
    identifiers: list[Identifier] = []
    for child in element:
        tag = child.tag
        if name := _NAMES.get(tag):
            person[name] = (plain(child) if name == "collective_name" else _word(child)) or None
        elif tag == "AffiliationInfo":
            affiliations.append(_affiliation(child))
        elif tag == "Affiliation":
            affiliations.append(Affiliation(plain(child)))
        elif tag == "Identifier":
            identifiers.append(_identifier(child))
    if identifiers:
        person["identifiers"], person["orcid"] = tuple(identifiers), _orcid(identifiers)
    if affiliations:
        person["affiliations"] = tuple(affiliations)
    return person


_NAMES = {
    "LastName": "last_name",
    "ForeName": "fore_name",
    "FirstName": "fore_name",
    "Initials": "initials",
    "Suffix": "suffix",
    "CollectiveName": "collective_name",
}


def _author(element: Element, role: str) -> Author:
    return Author(**_person(element), role=role, equal_contribution=_yes(element.get("EqualContrib")))


def _sections(element: Element) -> tuple[AbstractSection, ...]:
    return tuple(
        AbstractSection(_label(section), section.get("NlmCategory") or None, text_of(section))
        for section in element.iterchildren("AbstractText")
    )


def _label(section: Element) -> str | None:
    """The heading as printed. UNLABELLED is NLM's word for a paragraph that has none."""
    label = clean(section.get("Label") or "")
    return None if label.upper() == "UNLABELLED" else label or None


def _article_ids(element: Element) -> tuple[ArticleId, ...]:
    return tuple(
        [ArticleId(child.get("IdType") or "pubmed", text) for child in element if (text := _word(child))]
    )


def _references(element: Element) -> Iterator[Reference]:
    """The references in order; a title heads those that follow it, up to the end of its list."""
    section: str | None = None
    entry: list[Any] = []
    for part in element.iter("ReferenceList", "Title", "Reference", "Citation", "ArticleId"):
        tag = part.tag
        if tag == "ArticleId":
            if entry and (value := _word(part)):
                entry[2].append(ArticleId(part.get("IdType") or "pubmed", value))
        elif tag == "Citation":
            if entry:
                entry[0] = plain(part)
        elif tag == "Reference":
            if entry:
                yield Reference(entry[0], entry[1], tuple(entry[2]))
            entry = ["", section, []]
        else:
            section = (plain(part) or None) if tag == "Title" else None
    if entry:
        yield Reference(entry[0], entry[1], tuple(entry[2]))


def _notice(element: Element, type: str) -> Notice:
    pmid = citation = note = None
    for child in element:
        tag = child.tag
        if tag == "PMID":
            pmid = parse_pmid(_word(child))
        elif tag == "RefSource":
            citation = plain(child) or None
        elif tag == "Note":
            note = plain(child) or None
    return Notice(type, pmid, citation, note)


# -- readers of one element: each puts what it finds into the fields -----------------------------


def _read_pmid(fields: _Fields, element: Element) -> None:
    fields["pmid"] = parse_pmid(plain(element))
    fields["version"] = int(element.get("Version") or 1)


def _read_article(fields: _Fields, element: Element) -> None:
    fields["publication_model"] = element.get("PubModel")
    fields.read(element, _ARTICLE)


def _read_journal(fields: _Fields, element: Element) -> None:
    parts = fields.setdefault("journal_parts", {})
    for child in element:
        if child.tag == "JournalIssue":
            parts["medium"] = child.get("CitedMedium")
            parts["volume"], parts["issue"] = _text(child, "Volume"), _text(child, "Issue")
            _read_pub_date(fields, child)
        elif child.tag == "ISSN":
            parts["issn"], parts["issn_type"] = plain(child) or None, child.get("IssnType")
        elif name := _JOURNAL.get(child.tag):
            parts[name] = plain(child) or None


_JOURNAL = {
    "Title": "title",
    "ISOAbbreviation": "iso_abbreviation",
    "Country": "country",
    "MedlineTA": "medline_abbreviation",
    "NlmUniqueID": "nlm_id",
    "ISSNLinking": "issn_linking",
}


def _read_pub_date(fields: _Fields, element: Element) -> None:
    date = element.find("PubDate")
    if date is not None:
        fields["published"], fields["published_raw"] = _pub_date(date), _raw_date(date)


def _read_pages(fields: _Fields, element: Element) -> None:
    start, end = _text(element, "StartPage"), _text(element, "EndPage")
    fields["pages"] = _text(element, "MedlinePgn") or "-".join(part for part in (start, end) if part) or None


def _read_location_id(fields: _Fields, element: Element) -> None:
    if value := plain(element):
        id = ArticleId(element.get("EIdType") or "", value, element.get("ValidYN") != "N")
        if id not in fields.get("ids", ()):
            fields.add("ids", id)
            if id.type == "pii" and id.valid:
                fields.setdefault("location_ids", []).append(id.value)


def _read_ids(fields: _Fields, element: Element) -> None:
    known = fields.get("ids", ())
    fields.add("ids", *(id for id in _article_ids(element) if id not in known))


def _read_abstract(fields: _Fields, element: Element) -> None:
    fields.add("abstract", *_sections(element))
    fields["copyright"] = _text(element, "CopyrightInformation")


def _read_other_abstract(fields: _Fields, element: Element) -> None:
    fields.add(
        "other_abstracts",
        OtherAbstract(
            element.get("Type"),
            element.get("Language"),
            _sections(element),
            _text(element, "CopyrightInformation"),
        ),
    )


def _read_authors(fields: _Fields, element: Element) -> None:
    role = "editor" if element.get("Type") == "editors" else "author"
    if role == "author":
        fields["authors_complete"] = element.get("CompleteYN") != "N"
    fields.add("authors", *(_author(author, role) for author in element.iterchildren("Author")))


def _read_investigators(fields: _Fields, element: Element) -> None:
    fields.add(
        "investigators", *(Investigator(**_person(person)) for person in element.iterchildren("Investigator"))
    )


def _read_publication_type(fields: _Fields, element: Element) -> None:
    fields.add("publication_types", PublicationType(_word(element), element.get("UI")))


def _read_publication_types(fields: _Fields, element: Element) -> None:
    for child in element.iterchildren("PublicationType"):
        _read_publication_type(fields, child)


def _read_electronic_date(fields: _Fields, element: Element) -> None:
    fields["electronic"] = _pub_date(element)


def _read_mesh(fields: _Fields, element: Element) -> None:
    fields.add("mesh_headings", *(_mesh_heading(heading) for heading in element.iterchildren("MeshHeading")))


def _mesh_heading(element: Element) -> MeshHeading:
    qualifiers = []
    for child in element:
        entry = (_word(child), child.get("UI"), child.get("MajorTopicYN") == "Y")
        if child.tag == "DescriptorName":
            descriptor, type = entry, child.get("Type")
        else:
            qualifiers.append(Qualifier(*entry))
    return MeshHeading(*descriptor, type, tuple(qualifiers))


def _read_supplementary(fields: _Fields, element: Element) -> None:
    fields.add(
        "supplementary_concepts",
        *(
            SupplementaryConcept(plain(concept), concept.get("UI"), concept.get("Type"))
            for concept in element.iterchildren("SupplMeshName")
        ),
    )


def _read_substances(fields: _Fields, element: Element) -> None:
    for chemical in element.iterchildren("Chemical"):
        name = chemical.find("NameOfSubstance")
        if name is not None:
            fields.add(
                "substances", Substance(plain(name), name.get("UI"), _text(chemical, "RegistryNumber"))
            )


def _read_keywords(fields: _Fields, element: Element) -> None:
    owner = element.get("Owner")
    fields.add(
        "keywords",
        *(
            Keyword(term, owner, _yes(keyword.get("MajorTopicYN")))
            for keyword in element.iterchildren("Keyword")
            if (term := plain(keyword))
        ),
    )


def _read_grants(fields: _Fields, element: Element) -> None:
    for grant in element.iterchildren("Grant"):
        names = ("GrantID", "Acronym", "Agency", "Country")
        fields.add("grants", Grant(*(_text(grant, name) for name in names)))


def _read_data_banks(fields: _Fields, element: Element) -> None:
    for bank in element.iterchildren("DataBank"):
        name = _text(bank, "DataBankName") or ""
        numbers = [plain(accession) for accession in bank.iterfind("AccessionNumberList/AccessionNumber")]
        fields.add("registrations", *(Registration(name, number or None) for number in numbers or [""]))


def _read_notices(fields: _Fields, element: Element) -> None:
    for notice in element.iter("CommentsCorrections"):
        if type := notice.get("RefType"):
            fields.add("notices", _notice(notice, type))
        # Before 2009 the type was the name of an element inside.
        fields.add(
            "notices", *(_notice(old, str(old.tag)) for old in notice if old.find("RefSource") is not None)
        )


def _read_reference_list(fields: _Fields, element: Element) -> None:
    fields.add("references", *_references(element))


def _read_history(fields: _Fields, element: Element) -> None:
    for entry in element:
        if date := _full_date(entry):
            fields.add("history", HistoryDate(entry.get("PubStatus") or "", date))


def _read_conflict(fields: _Fields, element: Element) -> None:
    fields["conflict_of_interest"] = plain(element) or None


def _read_symbols(fields: _Fields, element: Element) -> None:
    for symbol in element:
        _read_other(fields, symbol)


def _read_subjects(fields: _Fields, element: Element) -> None:
    for subject in element.iterchildren("PersonalNameSubject"):
        person = Author(**_person(subject))
        detail = None if person.valid else "marked as wrong by NLM"
        fields.add("other_fields", OtherField("PersonalNameSubject", person.display, detail))


def _read_other(fields: _Fields, element: Element) -> None:
    if value := plain(element):
        fields.add(
            "other_fields", OtherField(str(element.tag), value, element.get("Owner") or element.get("Source"))
        )


def _put(name: str, reader: Callable[[Element], Any]) -> Callable[[_Fields, Element], None]:
    def read(fields: _Fields, element: Element) -> None:
        fields[name] = reader(element)

    return read


def _append(name: str, reader: Callable[[Element], Any]) -> Callable[[_Fields, Element], None]:
    def read(fields: _Fields, element: Element) -> None:
        fields.add(name, reader(element))

    return read


def _first_affiliation(element: Element) -> str | None:
    return plain(element) or None


def _book(book: Element, document: Element) -> Book:
    title, labels = book.find("BookTitle"), [plain(label) for label in document.iterchildren("LocationLabel")]
    dates = {
        name: _pub_date(date)
        for name, date in (
            ("beginning", book.find("BeginningDate")),
            ("ending", book.find("EndingDate")),
            ("contributed", document.find("ContributionDate")),
        )
        if date is not None
    }
    location = tuple(BookSection(label, "") for label in labels)
    sections = tuple(
        BookSection(_text(section, "LocationLabel"), _text(section, "SectionTitle") or "")
        for section in document.iter("Section")
    )
    return Book(
        title=text_of(title) if title is not None else _NOTHING,
        publisher=_text(book, "Publisher/PublisherName"),
        publisher_location=_text(book, "Publisher/PublisherLocation"),
        collection=_text(book, "CollectionTitle"),
        edition=_text(book, "Edition"),
        volume=_text(book, "Volume"),
        volume_title=_text(book, "VolumeTitle"),
        isbns=tuple(plain(isbn) for isbn in book.iterchildren("Isbn")),
        medium=_text(book, "Medium"),
        report_number=_text(book, "ReportNumber"),
        sections=location + sections,
        **dates,
    )


_SHARED = {
    "AuthorList": _read_authors,
    "InvestigatorList": _read_investigators,
    "Abstract": _read_abstract,
    "ELocationID": _read_location_id,
    "Pagination": _read_pages,
    "Language": _append("languages", _word),
    "ArticleTitle": _put("title", text_of),
    "VernacularTitle": _put("vernacular_title", plain),
    "GrantList": _read_grants,
}
_ARTICLE = _SHARED | {
    "Journal": _read_journal,
    "Affiliation": _put("first_affiliation", _first_affiliation),
    "PublicationTypeList": _read_publication_types,
    "ArticleDate": _read_electronic_date,
    "DataBankList": _read_data_banks,
}
_CITATION: dict[str, Callable[[_Fields, Element], None]] = {
    "PMID": _read_pmid,
    "Article": _read_article,
    "DateCompleted": _put("completed", _full_date),
    "DateRevised": _put("revised", _full_date),
    "DateCreated": _put("created", _full_date),
    "MedlineJournalInfo": _read_journal,
    # Here before 2002.
    "DataBankList": _read_data_banks,
    "ChemicalList": _read_substances,
    "SupplMeshList": _read_supplementary,
    "CommentsCorrectionsList": _read_notices,
    "CommentsCorrections": _read_notices,
    "GeneSymbolList": _read_symbols,
    "MeshHeadingList": _read_mesh,
    "PersonalNameSubjectList": _read_subjects,
    "OtherAbstract": _read_other_abstract,
    "KeywordList": _read_keywords,
    "CoiStatement": _read_conflict,
    "InvestigatorList": _read_investigators,
    "CitationSubset": _read_other,
    "NumberOfReferences": _read_other,
    "OtherID": _read_other,
    "SpaceFlightMission": _read_other,
    "GeneralNote": _read_other,
}
_DATA: dict[str, Callable[[_Fields, Element], None]] = {
    "History": _read_history,
    "PublicationStatus": _put("publication_status", plain),
    "ArticleIdList": _read_ids,
    "ReferenceList": _read_reference_list,
}
_BOOK: dict[str, Callable[[_Fields, Element], None]] = {
    "AuthorList": _read_authors,
    "InvestigatorList": _read_investigators,
    "ELocationID": _read_location_id,
}
_DOCUMENT: dict[str, Callable[[_Fields, Element], None]] = _SHARED | {
    "PMID": _read_pmid,
    "ArticleIdList": _read_ids,
    "Book": _read_pub_date,
    "PublicationType": _read_publication_type,
    "KeywordList": _read_keywords,
    "DateRevised": _put("revised", _full_date),
    "ReferenceList": _read_reference_list,
}
