"""The schema of evidence.db: its tables, and what each column means.

``TABLES`` is also the source of the data dictionary and of Datasette's column descriptions; docs/data-dictionary.md is
checked against it, and so is what the migrations make (``evidence/migrations/``). ``tracker rebuild`` makes derived
tables again from the raw records, but never history tables.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tracker.evidence import derived
from tracker.evidence.fulltext import SEARCHED
from tracker.evidence.steps import Schema, steps_of


class Table(NamedTuple):
    """``columns`` maps each column to (SQL type and constraints, what it means)."""

    name: str
    kind: Literal["derived", "history", "view"]
    about: str
    columns: dict[str, tuple[str, str]]


_PMID = ("integer not null", "PMID of the article")
_POSITION = ("integer not null", "Place in the record, from 1")


def _part(name: str, about: str, /, **columns: tuple[str, str]) -> Table:
    """A table of an article's repeated parts, in the record's order."""
    return Table(name, "derived", about, {"pmid": _PMID, "position": _POSITION, **columns})


def _added(name: str, about: str, /, **columns: tuple[str, str]) -> Table:
    """A table of what another service answered (``tracker.enrich``): each row names the answer that it came from."""
    origin = {
        "source": ("text not null", "The service, as TRACKER_ENRICH names it"),
        "key": ("text not null", "What it was asked about: a row of enrichments"),
        "fetched": ("text not null", "When it first said so (UTC); when it was asked last is in enrichments"),
    }
    return Table(name, "history", about, {**columns, **origin})


DERIVED = (
    Table(
        "articles",
        "derived",
        "One row per record, of PubMed or of another database: article, book or chapter",
        {
            "pmid": ("integer primary key", "PubMed's identifier; below 0: a record of another database"),
            "title": ("text not null", "Title, without markup"),
            "abstract": ("text", "Abstract without markup, one line per labelled section"),
            "title_html": ("text not null", "Title as sanitised HTML"),
            "abstract_html": ("text", "Abstract as sanitised HTML, one paragraph per labelled section"),
            "journal": ("text", "Journal's full title; for a chapter the book's"),
            "iso_abbreviation": ("text", "Journal's ISO abbreviation"),
            "nlm_id": ("text", "NLM's unique identifier of the journal"),
            "issn": ("text", "ISSN as in the record"),
            "volume": ("text", "Volume"),
            "issue": ("text", "Issue"),
            "pages": ("text", "Pages as MEDLINE prints them"),
            "published": (
                "text",
                "Date of the issue or book, as precise as known: YYYY, YYYY-MM or YYYY-MM-DD",
            ),
            "published_precision": ("text", "year, season, month or day"),
            "published_raw": ("text", "Publication date as the record has it"),
            "created": ("text", "Day the record was created in PubMed ([crdt])"),
            "entered": ("text", "Day it entered PubMed ([edat])"),
            "revised": ("text", "Day NLM last revised it"),
            "completed": ("text", "Day NLM completed it"),
            "status": ("text", "MEDLINE status: MEDLINE, In-Process, Publisher, PubMed-not-MEDLINE, ..."),
            "indexing_method": ("text", "How MeSH was assigned: Automated, Curated; empty for by hand"),
            "languages": ("text", "Language codes of the text, comma between"),
            "vernacular_title": ("text", "Title in the original language"),
            "doi": ("text", "DOI"),
            "pmcid": ("text", "PubMed Central identifier, if there is free full text"),
            "pii": ("text", "Publisher's item identifier"),
            "copyright": ("text", "Copyright statement of the abstract"),
            "conflict_of_interest": ("text", "Authors' conflict of interest statement"),
            "kind": ("text not null", "article or book"),
            "version": ("integer not null", "Version of the PMID"),
            "publication_model": ("text", "Print, Electronic, Print-Electronic, ..."),
            "publication_status": ("text", "ppublish, epublish, aheadofprint, ..."),
            "electronic": ("text", "Date of electronic publication"),
            "country": ("text", "Country of the journal"),
            "issn_linking": ("text", "Linking ISSN"),
            "authors_complete": ("integer not null", "1 where the author list is complete"),
            "retracted": ("integer not null", "1 where the article has been retracted"),
            "expression_of_concern": ("integer not null", "1 where an expression of concern was published"),
            "corrected": ("integer not null", "1 where an erratum or a corrected republication exists"),
            "updated": ("integer not null", "1 where an update exists"),
            "commented": ("integer not null", "1 where a comment exists"),
            "republished": ("integer not null", "1 where it was published again"),
            "is_notice": (
                "integer not null",
                "1 where the record is itself a notice: retraction, erratum, ...",
            ),
            "authors_text": (
                "text",
                "Authors as MEDLINE prints them, for search; without names that NLM marked as wrong",
            ),
            "mesh_text": ("text", "MeSH, supplementary concepts and substances, for search"),
            "keywords_text": ("text", "Keywords, for search"),
            "article_number": ("text", "Article number, if there is one instead of pages"),
            "medline_abbreviation": ("text", "NLM's own abbreviation of the journal (MedlineTA)"),
            "withdrawn": (
                "integer not null default 0",
                "1 where the title says that it was withdrawn or removed (WITHDRAWN: ..., as Cochrane does)",
            ),
            "title_says": (
                "text",
                "What the title says of the record itself: retracted, withdrawn or notice",
            ),
            "by_title": ("integer not null default 0", "1 where only the title says so"),
            "rules_version": (
                "integer not null default 1",
                "Version of the rules by which evidence-tracker read the record",
            ),
        },
    ),
    _part(
        "abstract_sections",
        "Paragraphs of the abstract",
        label=("text", "Label as printed (METHODS)"),
        category=("text", "NLM's category: BACKGROUND, OBJECTIVE, METHODS, RESULTS, CONCLUSIONS, UNASSIGNED"),
        text=("text not null", "Without markup"),
        html=("text not null", "As sanitised HTML"),
    ),
    _part(
        "other_abstracts",
        "Paragraphs of abstracts in other languages or from other sources",
        type=("text", "Publisher, plain-language-summary, ..."),
        language=("text", "Language code"),
        label=("text", "Label as printed"),
        category=("text", "NLM's category"),
        text=("text not null", "Without markup"),
        html=("text not null", "As sanitised HTML"),
        copyright=("text", "Copyright statement"),
    ),
    _part(
        "authors",
        "Authors and editors, persons and groups",
        last_name=("text", "Family name"),
        fore_name=("text", "Given names"),
        initials=("text", "Initials"),
        suffix=("text", "Suffix (Jr, 3rd)"),
        collective_name=("text", "Name of a group"),
        orcid=("text", "ORCID iD, bare"),
        identifiers=("text", "All identifiers, JSON list of [source, value]"),
        equal_contribution=("integer not null", "1 where marked as having contributed equally"),
        valid=("integer not null", "0 where NLM marked the name as wrong"),
        role=("text not null", "author or editor"),
    ),
    _part(
        "affiliations",
        "Every affiliation of every author",
        author=("integer not null", "Position of the author"),
        affiliation=("text not null", "Affiliation as printed"),
        identifiers=("text", "Identifiers (ROR, GRID, ISNI), JSON list of [source, value]"),
    ),
    _part(
        "investigators",
        "Members of study groups who are not authors",
        last_name=("text", "Family name"),
        fore_name=("text", "Given names"),
        initials=("text", "Initials"),
        suffix=("text", "Suffix"),
        orcid=("text", "ORCID iD, bare"),
        affiliations=("text", "Affiliations, JSON list"),
        valid=("integer not null default 1", "0 where NLM marked the name as wrong"),
    ),
    _part(
        "mesh_headings",
        "MeSH headings, one row per descriptor and qualifier",
        descriptor=("text not null", "Descriptor"),
        descriptor_ui=("text", "Descriptor's UI (D012345)"),
        qualifier=("text", "Qualifier (subheading)"),
        qualifier_ui=("text", "Qualifier's UI (Q000123)"),
        major=("integer not null", "1 where this descriptor, or this qualifier of it, is a main point"),
        descriptor_major=("integer not null", "1 where the descriptor itself is starred"),
        type=("text", "Geographic, for places"),
    ),
    _part(
        "supplementary_concepts",
        "Supplementary MeSH concepts: diseases, protocols, organisms",
        name=("text not null", "Name"),
        ui=("text", "UI"),
        type=("text", "Disease, Protocol, Organism, ..."),
    ),
    _part(
        "publication_types",
        "Publication types",
        name=("text not null", "Publication type"),
        ui=("text", "UI"),
    ),
    _part(
        "keywords",
        "Keywords of authors (NOTNLM) and of other owners",
        term=("text not null", "Keyword"),
        owner=("text", "Who assigned it"),
        major=("integer not null", "1 where it is a main point"),
    ),
    _part(
        "substances",
        "Chemicals",
        name=("text not null", "Name of the substance"),
        ui=("text", "UI"),
        registry_number=("text", "CAS or UNII number; 0 if there is none"),
    ),
    _part(
        "grants",
        "Grants",
        id=("text", "Grant number"),
        acronym=("text", "Acronym of the institute"),
        agency=("text", "Agency"),
        country=("text", "Country"),
    ),
    _part(
        "registrations",
        "Trial registrations and other data-bank numbers",
        bank=("text not null", "Data bank (ClinicalTrials.gov, ISRCTN, ...)"),
        number=("text", "Number there"),
    ),
    _part(
        "notices",
        "The CommentsCorrections list: retractions, concerns, errata, updates, comments, and Cites",
        type=(
            "text not null",
            "NLM's RefType: RetractionIn, ErratumIn, ExpressionOfConcernIn, CommentIn, ...",
        ),
        other_pmid=("integer", "PMID of the other publication"),
        citation=("text", "Citation of the other publication"),
        note=("text", "NLM's note"),
    ),
    _part(
        "cited_references",
        "The article's reference list",
        citation=("text not null", "Citation as printed"),
        cited_pmid=("integer", "PMID of the cited work"),
        doi=("text", "DOI of the cited work"),
        ids=("text", "Other identifiers, JSON list of [type, value]"),
        section=("text", "Heading of the list, if there are several"),
    ),
    _part(
        "identifiers",
        "Every identifier of the article",
        type=("text not null", "doi, pmc, pii, pubmed, mid, bookaccession, ..."),
        value=("text not null", "Identifier"),
        valid=("integer not null", "0 where NLM marked it as wrong"),
    ),
    _part(
        "article_history",
        "Dates in the article's life",
        event=("text not null", "received, revised, accepted, aheadofprint, entrez, pubmed, medline, ..."),
        date=("text not null", "Date"),
    ),
    _part(
        "other_fields",
        "Rarely used fields under their NLM names",
        field=(
            "text not null",
            "NLM's element: GeneSymbol, GeneralNote, SpaceFlightMission, CitationSubset, ...",
        ),
        value=("text not null", "Value"),
        detail=("text", "Owner or source"),
    ),
    Table(
        "books",
        "derived",
        "What book and chapter records add",
        {
            "pmid": ("integer primary key", "PMID"),
            "title": ("text not null", "Title of the book"),
            "title_html": ("text not null", "As sanitised HTML"),
            "publisher": ("text", "Publisher"),
            "publisher_location": ("text", "Place"),
            "collection": ("text", "Collection"),
            "edition": ("text", "Edition"),
            "volume": ("text", "Volume"),
            "volume_title": ("text", "Title of the volume"),
            "isbns": ("text", "ISBNs, JSON list"),
            "medium": ("text", "Medium"),
            "report_number": ("text", "Report number"),
            "beginning": ("text", "First published"),
            "ending": ("text", "Last published"),
            "contributed": ("text", "Chapter contributed"),
            "sections": ("text", "Sections, JSON list of [label, title]"),
        },
    ),
    Table(
        "searched_texts",
        "derived",
        "Texts for the search index, instead of an article's own texts if these have superscripts or subscripts",
        {
            "pmid": ("integer primary key", "PMID"),
            **{
                name: ("text", f"{name}, and again as 106 and as 10 6 for 10⁶; empty where it has none")
                for name in SEARCHED
            },
        },
    ),
    Table(
        "labels",
        "derived",
        "What was read from a record by rule: study design, evidence level and the like, each with its basis",
        {
            "pmid": _PMID,
            "label_group": ("text not null", "Group: design, evidence_level, ..."),
            "value": ("text not null", "Value"),
            "basis": ("text not null", "Field that it was read from"),
            "quote": ("text", "The words it was read from"),
            "rule": ("text not null", "Name of the rule"),
            "rule_version": ("integer not null", "Version of the rules"),
            "confidence": ("text not null", "How sure the rule is: high or medium"),
            "part": ("text not null default 'field'", "Where the quote stands: title, abstract, or a field"),
            "start": ("integer", "Where it starts in the plain title or abstract, in code points from 0"),
            "end": ("integer", "Where it ends, exclusive"),
            "number": ("real", "What the value comes to where it is a quantity: people, studies, days"),
        },
    ),
    Table(
        "directness",
        "derived",
        "How a record bears on a question, by the rules of the question's file",
        {
            "question": ("text not null", "Question's slug"),
            "pmid": ("integer not null", "PMID"),
            "value": ("text not null", "direct, indirect or off"),
            "reason": ("text not null", "Why, in words"),
            "rule": ("text not null", "Name of the rule"),
            "version": ("integer not null", "Version of the question's rules"),
            "outcome": (
                "text not null",
                "What the abstract says of the question's outcome: result given; measured, result not in the abstract; "
                "said not to have been measured; not mentioned",
            ),
        },
    ),
    Table(
        "findings",
        "derived",
        "The abstract's own sentences about a question's outcome, by their place",
        {
            "question": ("text not null", "Question's slug"),
            "pmid": ("integer not null", "PMID"),
            "position": ("integer not null", "Which comes first, from 1"),
            "side": ("text not null", "Side of the question's outcome; empty where it has one"),
            "part": ("text not null", "title or abstract"),
            "start": (
                "integer not null",
                "Where the sentence starts in the plain text, in code points from 0",
            ),
            "end": ("integer not null", "Where it ends, exclusive"),
            "section": ("text not null", "Section of the abstract, as labelled or inferred"),
            "cue": ("text not null", "What made it a finding"),
            "about": ("integer", "The number of people that the finding is about, where it is stated"),
            "about_start": ("integer", "Where that number stands"),
            "about_end": ("integer", "Where it ends"),
            "is_null": ("integer not null", "1 where it reports no difference, no change or no case"),
            "looked_for_start": (
                "integer",
                "Where the abstract's sentence starts that says how that was looked for, where one does",
            ),
            "looked_for_end": ("integer", "Where it ends, exclusive"),
            "reached": (
                "integer",
                "The number of people who reached the longest follow-up, where it is stated",
            ),
            "reached_start": ("integer", "Where that number stands"),
            "reached_end": ("integer", "Where it ends"),
        },
    ),
    Table(
        "cites",
        "derived",
        "Which paper cites which, of those that have a PMID",
        {
            "pmid": ("integer not null", "PMID of the paper that cites"),
            "cited": ("integer not null", "PMID of the paper that it cites"),
        },
    ),
    Table(
        "preprint_titles",
        "derived",
        "Titles of preprints, by which their articles are recognised",
        {
            "pmid": ("integer primary key", "PMID of the preprint"),
            "title": (
                "text not null",
                "Its title: words in small letters without accents, one space between them",
            ),
        },
    ),
    Table(
        "preprint_pairs",
        "derived",
        "Preprints and articles with the same title",
        {
            "preprint": ("integer not null", "PMID of the preprint"),
            "pmid": ("integer not null", "PMID of the article"),
            "same_authors": ("integer not null", "1 where the first or the last author is the same, too"),
        },
    ),
    Table(
        "known_item_sets",
        "derived",
        "How many papers the direct reviews of a question cite",
        {
            "question": ("text primary key", "Question's slug"),
            "reviews": ("integer not null", "Its direct reviews, the newest 100"),
            "with_references": ("integer not null", "Those with a reference list in PubMed"),
            "cited": ("integer not null", "Papers with a PMID that these cite"),
            "judged": ("integer not null", "Those that are stored here, or cited with a title"),
            "due": ("integer not null default 1", "1 where records or a search changed since"),
        },
    ),
    Table(
        "known_items",
        "derived",
        "Papers that the direct reviews of a question cite and that are about it, by the rules of its file",
        {
            "question": ("text not null", "Question's slug"),
            "pmid": ("integer not null", "PMID of the paper that is cited"),
            "reviews": ("integer not null", "How many of the reviews cite it"),
            "words": ("text not null", "A citation of it, as a reference list has it"),
            "fits": (
                "integer not null",
                "1 where its words fit the search: those of its record, or of its citation",
            ),
        },
    ),
    Table(
        "facets",
        "derived",
        "What lists can be narrowed by, by number: one for a label, and one for each question and label",
        {
            "id": ("integer primary key", "Number; the full-text index has it as a word"),
            "question": ("text not null", "Question's slug; empty for a label whatever the question"),
            "label_group": ("text not null", "Label group"),
            "value": ("text not null", "Label value, or the band that a quantity is in"),
        },
    ),
    Table(
        "article_facets",
        "derived",
        "A question's articles by facet, in order of publication",
        {
            "facet": ("integer not null", "Facet's number"),
            "published": ("text not null", "Publication date; empty where unknown"),
            "pmid": ("integer not null", "PMID"),
        },
    ),
    Table(
        "facets_of",
        "derived",
        "An article's facets",
        {
            "pmid": ("integer not null", "PMID"),
            "facet": ("integer not null", "Facet's number"),
        },
    ),
    Table(
        "question_counts",
        "derived",
        "Numbers of articles by question, label and year: what charts read; kept by triggers on article_facets",
        {
            "question": ("text not null", "Question's slug"),
            "label_group": ("text not null", "Label group"),
            "value": ("text not null", "Label value"),
            "year": ("text not null", "Year of publication; empty where unknown"),
            "n": ("integer not null", "Articles"),
        },
    ),
)

HISTORY = (
    Table(
        "raw_records",
        "history",
        "Every distinct version of every record, as received",
        {
            "pmid": ("integer not null", "PMID"),
            "sha256": ("text not null", "SHA-256 of the record's bytes"),
            "format": ("text not null", "xml, nbib, starter or external"),
            "fetched": ("text not null", "When it was first received (UTC)"),
            "body": ("blob not null", "The record's bytes, zstandard"),
        },
    ),
    Table(
        "record_state",
        "history",
        "What we know about each record's standing in PubMed",
        {
            "pmid": ("integer primary key", "PMID"),
            "raw": (
                "text",
                "SHA-256 of the version that the derived tables show; empty before it was received",
            ),
            "first_seen": ("text not null", "When it was first asked for or loaded (UTC)"),
            "checked": ("text", "When PubMed last answered for it (UTC)"),
            "next_check": ("text", "When it is due to be asked for again (UTC)"),
            "missing_since": ("text", "When PubMed first failed to return it (UTC); empty once it does"),
            "gone": ("text", "When it was missing a second time, or NLM reported it as deleted (UTC)"),
            "source": ("text not null", "pubmed, file, starter or external"),
        },
    ),
    Table(
        "questions",
        "history",
        "The questions, as in their files, and how complete each is",
        {
            "slug": ("text primary key", "Name of the file in queries/"),
            "position": ("integer not null", "Order"),
            "title": ("text not null", "Title"),
            "question": ("text not null", "The question"),
            "claim": ("text", "What the source article claims, in our words"),
            "pico": ("text", "Population, intervention, comparison, outcome (JSON)"),
            "strategy": ("text references strategies", "Hash of the strategy last run to completion"),
            "complete_to": (
                "text",
                "Start of the last complete refresh (UTC): nothing up to then is missing",
            ),
            "incomplete_since": (
                "text",
                "Start of the first incomplete refresh since then (UTC)",
            ),
            "incomplete_reason": ("text", "Why the last refresh is incomplete"),
            "recheck_days": ("integer not null", "Each record is requested again about this often"),
            "bottom_line": ("text", "What people concluded: text, author, date, pmids (JSON)"),
            "harms": ("integer not null default 0", "1 where it asks for harms, which abstracts often omit"),
            "dual": (
                "integer not null default 0",
                "1 where two people decide on every record, blind to each other",
            ),
            "reasons": ("text not null default '[]'", "Reasons for excluding a record (JSON list)"),
            "reading": ("text", "By which rules records are read for it: outcome and directness (JSON)"),
            "hide_labels": (
                "integer not null default 0",
                "1 where labels are hidden from those who screen, until a person shows them",
            ),
            "edited": (
                "text",
                "Hash of the search in its file, where the last job found another there than the adopted one",
            ),
        },
    ),
    Table(
        "strategies",
        "history",
        "Every version of every search strategy ever run",
        {
            "hash": ("text primary key", "SHA-256 of the strategy"),
            "question": ("text not null", "Question's slug"),
            "strategy": ("text not null", "The strategy as sent to PubMed"),
            "first_run": ("text not null", "When it was first run (UTC)"),
            "lines": (
                "text",
                "Its lines by name, and how they are combined (JSON); empty where it was stored without them",
            ),
        },
    ),
    Table(
        "strategy_versions",
        "history",
        "The versions of each question's search, numbered in the order in which they came",
        {
            "question": ("text not null", "Question's slug"),
            "number": ("integer not null", "Number of the version, from 1"),
            "strategy": ("text not null references strategies", "Hash of the strategy"),
        },
    ),
    Table(
        "adoptions",
        "history",
        "Who adopted which version of a question's search; the one adopted last is run",
        {
            "id": ("integer primary key", "Adoption"),
            "question": ("text not null", "Question's slug"),
            "number": ("integer not null", "Number of the version"),
            "adopted": ("text not null", "When (UTC)"),
            "person": ("text", "Who, as they named themselves, or by the login name; empty where unknown"),
            "note": ("text", "Why"),
            "how": (
                "text not null",
                "first file, adopted, rolled back, run as edited, or run before (this was kept)",
            ),
        },
    ),
    Table(
        "seeds",
        "history",
        "Papers that a question's search must find, and whether it did",
        {
            "question": ("text not null", "Question's slug"),
            "pmid": ("integer not null", "PMID"),
            "title": ("text not null", "Title as the question file has it"),
            "found": ("integer", "1 where the last complete search found it; empty before one"),
            "record_title": ("text", "The record's title, if it differs from the file's"),
        },
    ),
    Table(
        "question_articles",
        "history",
        "Which article matches which question, since when and why, and which left",
        {
            "question": ("text not null", "Question's slug"),
            "pmid": ("integer not null", "PMID"),
            "published": ("text not null", "Publication date; empty where unknown"),
            "entered": ("text not null", "When the search first found it (UTC)"),
            "reason": (
                "text not null",
                "first search, newly published, newly indexed, strategy changed, loaded from a file, starter citation, "
                "found in another database",
            ),
            "strategy": ("text", "Hash of the strategy that found it"),
            "left_at": ("text", "When a complete search no longer found it (UTC)"),
            "matching": ("integer not null", "1 where the last complete search found it"),
            "created": (
                "text not null default ''",
                "Day the record was created in PubMed; empty where unknown",
            ),
        },
    ),
    Table(
        "runs",
        "history",
        "Every run that wrote: refresh, load, rebuild, starter (citations loaded), import, duplicates",
        {
            "id": ("integer primary key", "Run"),
            "command": ("text not null", "refresh, load, rebuild, starter, import or duplicates"),
            "started": ("text not null", "Start (UTC)"),
            "finished": ("text", "End (UTC); empty if it was killed"),
            "outcome": ("text not null", "running, complete, incomplete or failed"),
            "reason": ("text", "Why it is not complete"),
            "version": ("text not null", "evidence-tracker's version"),
            "details": ("text", "Counts and options (JSON)"),
        },
    ),
    Table(
        "searches",
        "history",
        "Every search: what was sent, what PubMed made of it, what it found",
        {
            "id": ("integer primary key", "Search"),
            "run": ("integer not null references runs", "Run"),
            "question": ("text not null", "Question's slug"),
            "purpose": (
                "text not null",
                "strategy, altered (withdrawn or revised since), or line (counted alone)",
            ),
            "strategy": ("text", "Hash of the strategy"),
            "query": ("text not null", "Query as sent"),
            "translation": ("text", "PubMed's translation of it"),
            "errors": ("text not null", "PubMed's errors (JSON list)"),
            "warnings": ("text not null", "PubMed's warnings (JSON list)"),
            "count": ("integer", "Records that PubMed counted"),
            "slices": ("text not null", "Slices of PMIDs, JSON list of [first, last, count]"),
            "entered": ("integer", "PMIDs that were not matching before"),
            "left_count": ("integer", "PMIDs that no longer match"),
            "kept": ("integer", "PMIDs that matched before and still do"),
            "reconciled": ("integer not null", "1 where the PMIDs received add up to the count"),
            "reason": ("text", "Why it was not used"),
            "started": ("text not null", "Start (UTC)"),
            "seconds": ("real", "Duration"),
            "line": ("text", "Which line of the strategy it was for; empty for the whole"),
        },
    ),
    Table(
        "fetches",
        "history",
        "Every batch of records asked for",
        {
            "id": ("integer primary key", "Fetch"),
            "run": ("integer not null references runs", "Run"),
            "asked": ("integer not null", "PMIDs asked for"),
            "returned": ("integer not null", "Records stored"),
            "missing": ("text not null", "PMIDs not returned (JSON list)"),
            "refused": ("text not null", "Records that could not be read, JSON object PMID: reason"),
            "bytes": ("integer not null", "Size of the answers"),
            "started": ("text not null", "Start (UTC)"),
            "seconds": ("real not null", "Duration"),
        },
    ),
    Table(
        "changes",
        "history",
        "What changed in a record since it was first stored, field by field",
        {
            "pmid": ("integer not null", "PMID"),
            "field": ("text not null", "Field (record: whether PubMed still has it)"),
            "before": ("text", "Before; for a list, the removed entries as JSON"),
            "after": ("text", "After; for a list, the added entries as JSON"),
            "noticed": ("text not null", "When we noticed (UTC)"),
            "run": ("integer references runs", "Run"),
        },
    ),
    Table(
        "external_records",
        "history",
        "Every record that a file of another database held for a question, duplicates too",
        {
            "id": (
                "integer primary key",
                "Our number for it; its article has the key -id, shown as x and the number",
            ),
            "question": ("text not null", "Question's slug"),
            "source": ("text not null", "The database: Embase, Scopus, ..."),
            "accession": ("text", "Its number there"),
            "searched": ("text not null", "Day of the search there"),
            "imported": ("text not null", "When it was imported (UTC)"),
            "file": ("text not null", "Name of the file"),
            "file_hash": ("text not null", "SHA-256 of the file"),
            "place": ("text not null", "Where it stands in the file"),
            "record": ("text not null", "Its fields as in the file (JSON)"),
            "pmid": (
                "integer not null",
                "Key of the article that shows it: -id, or the article that it is a duplicate of",
            ),
        },
    ),
    Table(
        "duplicates",
        "history",
        "Which article a record of another database was found to be, or may be; the last row of a pair counts",
        {
            "id": ("integer primary key", "Number"),
            "record": ("integer not null references external_records", "The record's number"),
            "pmid": ("integer not null", "Key of the article"),
            "verdict": ("text not null", "duplicate, possible or different"),
            "reason": ("text not null", "Why"),
            "decided": ("text not null", "When (UTC)"),
            "by_person": ("integer not null", "1 where a person decided it"),
        },
    ),
    Table(
        "enrichments",
        "history",
        "What each other service was asked about, when, and what it answered last",
        {
            "source": ("text not null", "The service, as TRACKER_ENRICH names it; pubmed: trials' numbers"),
            "key": (
                "text not null",
                "What it was asked about: a PMID, a DOI, a trial's number, a preprint, or a question's search",
            ),
            "asked": ("text not null", "When it was last asked and answered anything (UTC)"),
            "answered": ("text", "When it last knew of it (UTC); empty where it never did"),
            "raw": ("blob", "What it last said of it: JSON, compressed by zstd"),
        },
    ),
    Table(
        "enrich_runs",
        "history",
        "Every time a service was asked, and how it went",
        {
            "id": ("integer primary key", "Number"),
            "run": ("integer not null references runs", "Run"),
            "source": ("text not null", "The service"),
            "started": ("text not null", "Start (UTC)"),
            "finished": ("text not null", "End (UTC)"),
            "outcome": ("text not null", "complete: all that was due; incomplete: some is left; failed"),
            "reason": ("text", "Why it failed, in words"),
            "requests": ("integer not null", "Requests made"),
            "bytes": ("integer not null", "Size of the answers"),
            "due": ("integer not null", "Keys that were due"),
            "asked": ("integer not null", "Keys asked about"),
            "answered": ("integer not null", "Keys that it knew of"),
        },
    ),
    _added(
        "citation_metrics",
        "How often an article is cited, by NIH's iCite",
        pmid=_PMID,
        citations=("integer not null", "Articles in PubMed that cite it"),
        clinical_citations=("integer not null", "Clinical articles among them: trials, guidelines"),
        rcr=("real", "Relative Citation Ratio: 1 is the median of NIH-funded papers of its field and year"),
        percentile=("real", "Percentile of the RCR among NIH-funded papers"),
        citations_per_year=("real", "Citations a year"),
        provisional=("integer", "1 where the RCR is provisional, as for papers of the last two years"),
    ),
    _added(
        "trials",
        "Trials as ClinicalTrials.gov registers them: those of a question's search, and those that records name",
        nct=("text not null", "Number: NCT and 8 digits"),
        title=("text not null", "Brief title"),
        status=("text not null", "Overall status in the registry's words: RECRUITING, COMPLETED, ..."),
        study_type=("text", "INTERVENTIONAL, OBSERVATIONAL, ..."),
        phases=("text not null", "Phases, JSON list: PHASE2, ..."),
        conditions=("text not null", "Conditions, JSON list"),
        interventions=("text not null", "Names of the interventions, JSON list"),
        sponsor=("text", "Lead sponsor"),
        enrolment=("integer", "Number of participants"),
        enrolment_is_estimated=(
            "integer",
            "1 where that is planned, 0 where it is what came; empty: not said",
        ),
        registered=("text", "Day it was first submitted"),
        started=("text", "Start: YYYY-MM or YYYY-MM-DD"),
        primary_completed=("text", "Last data for the primary outcome: YYYY-MM or YYYY-MM-DD"),
        primary_completion_is_estimated=("integer", "1 where that is planned; empty: not said"),
        completed=("text", "Completion: YYYY-MM or YYYY-MM-DD"),
        completion_is_estimated=("integer", "1 where that is planned; empty: not said"),
        results_posted=("text", "Day results were first posted; 'yes' where only that is known"),
        updated=("text", "Day of the last update"),
    ),
    _added(
        "question_trials",
        "Trials that ClinicalTrials.gov's search for a question finds",
        question=("text not null", "Question's slug"),
        nct=("text not null", "Number of the trial"),
    ),
    _added(
        "trial_articles",
        "Publications that name a trial's number, or that the registry names for it",
        nct=("text not null", "Number of the trial"),
        pmid=("integer not null", "PMID or key of the article, which need not be stored here"),
        how=(
            "text not null",
            "data bank: the record registers it; text: title or abstract names it; result: the sponsor names it; "
            "derived: the registry found it; search: PubMed finds it by the number",
        ),
    ),
    _added(
        "preprint_links",
        "Preprints and articles that Europe PMC links",
        pmid=_PMID,
        relation=(
            "text not null",
            "preprint: the other is a preprint of this; article: this is its preprint",
        ),
        other=("text not null", "The other's identifier at Europe PMC: PPR and digits, or a PMID"),
        certainty=(
            "text not null",
            "sure: the preprint server or Crossref says so; probable: by title and first author",
        ),
        note=("text", "How Europe PMC came to the link, in its words"),
    ),
    _added(
        "preprint_records",
        "Preprints that are linked, as Europe PMC describes them",
        id=("text not null", "Europe PMC's identifier: PPR and digits"),
        doi=("text", "DOI, in lower case"),
        title=("text not null", "Title"),
        server=("text", "Preprint server"),
        published=("text", "Day it came out"),
    ),
    _added(
        "full_text_links",
        "Where full text is, by Europe PMC",
        pmid=_PMID,
        site=("text not null", "The site: Europe_PMC, PubMedCentral, Unpaywall, DOI, ..."),
        url=("text not null", "Address"),
        format=("text", "html, pdf, doi, ..."),
        availability=("text", "Open access, Free, Subscription required, ..."),
        open=("integer not null", "1 where anybody may read it"),
        licence=(
            "text",
            "Licence of the article, where it is open access and the licence is known: cc by, ...",
        ),
    ),
    _added(
        "doi_notices",
        "Retractions, concerns and corrections that Crossref knows of: publishers' and Retraction Watch's",
        doi=("text not null", "DOI of the article, in lower case"),
        kind=("text not null", "retracted, withdrawn, expression of concern, corrected or other"),
        type=("text not null", "Crossref's type: retraction, removal, erratum, ..."),
        stated_by=("text not null", "publisher or retraction-watch"),
        date=("text", "Its date: YYYY, YYYY-MM or YYYY-MM-DD"),
        notice_doi=("text", "DOI of the notice; where it has none of its own, the article's"),
    ),
)

TABLES = DERIVED + HISTORY
# Those whose rows other services gave: each has a source, a key and a time.
ENRICHED = tuple(table.name for table in HISTORY if {"source", "key", "fetched"} <= table.columns.keys())

VIEWS = (
    Table(
        "question_labels",
        "view",
        "Labels and other facets of the articles that a question matches now; a view over facets and article_facets",
        {
            "question": ("text not null", "Question's slug"),
            "label_group": ("text not null", "Label group"),
            "value": ("text not null", "Label value"),
            "published": ("text not null", "Publication date; empty where unknown"),
            "pmid": ("integer not null", "PMID"),
        },
    ),
    Table(
        "finding_sentences",
        "view",
        "The sentences of findings, as they stand in title or abstract",
        {
            "question": ("text not null", "Question's slug"),
            "pmid": ("integer not null", "PMID"),
            "position": ("integer not null", "Which comes first, from 1"),
            "sentence": ("text not null", "The sentence"),
            "looked_for": (
                "text",
                "For one that reports no difference, change or case: the sentence that says how it was looked for",
            ),
        },
    ),
    Table(
        "outside_notices",
        "view",
        "Notices of stored articles that PubMed lacks and Crossref has; never PubMed's own",
        {
            "pmid": ("integer not null", "PMID or key of the article"),
            "kind": ("text not null", "retracted, withdrawn, expression of concern, corrected or other"),
            "type": ("text not null", "Crossref's type: retraction, removal, erratum, ..."),
            "stated_by": ("text not null", "publisher or retraction-watch"),
            "date": ("text", "Its date: YYYY, YYYY-MM or YYYY-MM-DD"),
            "notice_doi": ("text", "DOI of the notice"),
            "fetched": ("text not null", "When Crossref first said so (UTC)"),
        },
    ),
    Table(
        "preprints",
        "view",
        "Preprints of stored articles, and articles of stored preprints, by Europe PMC",
        {
            "pmid": ("integer not null", "PMID of the stored article"),
            "relation": (
                "text not null",
                "preprint: the other is a preprint of this; article: this is its preprint",
            ),
            "other": ("text not null", "The other's identifier at Europe PMC"),
            "certainty": ("text not null", "sure or probable"),
            "note": ("text", "How Europe PMC came to the link"),
            "doi": ("text", "DOI of the other, where known"),
            "title": ("text", "Title of the other, where known"),
            "server": ("text", "Preprint server"),
            "published": ("text", "Day the other came out"),
            "fetched": ("text not null", "When Europe PMC first said so (UTC)"),
        },
    ),
)

# Changes of these fields say how a paper stands, as SQL.
STANDING = "'retracted', 'withdrawn', 'expression_of_concern', 'corrected'"

migrations = Schema("evidence", steps_of(__package__), alike="008_alike", derived=derived)
