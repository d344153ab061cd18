"""MEDLINE text becomes the same vocabulary as XML, as far as the format goes."""

import io
from pathlib import Path

import pytest
from Bio import Medline
from hypothesis import given
from hypothesis import strategies as st

from tracker.article import (
    Affiliation,
    ArticleId,
    Grant,
    HistoryDate,
    Keyword,
    MeshHeading,
    Notice,
    OtherField,
    Qualifier,
    Registration,
    Substance,
)
from tracker.errors import RecordError, UnusableInput
from tracker.pubmed import nbib

FIXTURES = Path(__file__).parent / "fixtures/nbib"


def bodies(name: str) -> list[bytes]:
    with (FIXTURES / name).open("rb") as stream:
        return list(nbib.split(stream))


WHOLE, BARE = (nbib.parse_record(body) for body in bodies("two_records.nbib"))


def test_an_empty_line_inside_an_abstract_ends_no_record() -> None:
    assert (WHOLE.pmid, BARE.pmid) == (90000001, 90000002)
    assert WHOLE.abstract_text.endswith("were randomised. RESULTS: p < 0.05.")


def test_text_is_escaped_for_html() -> None:
    assert WHOLE.title.plain.startswith("Ketamine < placebo?")
    assert WHOLE.title.html.startswith("Ketamine &lt; placebo?")
    assert "\n" not in WHOLE.title.plain


def test_affiliations_and_orcid_stay_with_their_author() -> None:
    smith, berg, group, plato = WHOLE.authors
    assert [author.display for author in WHOLE.authors] == [
        "Smith JA Jr",
        "van der Berg A",
        "The Imaginary Group",
        "Plato",
    ]
    assert (smith.fore_name, smith.orcid) == ("John A", "0000-0002-1825-0097")
    assert [place.text for place in smith.affiliations] == [
        "Department of Nothing, Nowhere, with an affiliation that runs over the end of its line.",
        "Second Institute, Elsewhere.",
    ]
    assert berg.affiliations == (Affiliation("Institute of One."),)
    assert (berg.orcid, plato.affiliations) == (None, ())
    assert group.affiliations == (Affiliation("Group Headquarters."),)
    (helper,) = WHOLE.investigators
    assert (helper.last_name, helper.affiliations) == ("Helper", (Affiliation("Help Desk."),))


def test_old_records_have_short_names_alone() -> None:
    article = nbib.parse_record(
        b"PMID- 1\nAU  - Smith JA Jr\nAU  - de Boer K\nAD  - Nowhere.\nAU  - Anonymous\n"
    )
    names = [(a.last_name, a.initials, a.suffix) for a in article.authors]
    assert names == [("Smith", "JA", "Jr"), ("de Boer", "K", None), ("Anonymous", None, None)]
    assert article.authors[1].affiliations == (Affiliation("Nowhere."),)


def test_dates() -> None:
    assert WHOLE.published is not None
    assert WHOLE.electronic is not None
    assert (WHOLE.published.iso, WHOLE.published_raw, WHOLE.electronic.iso) == (
        "2019-11",
        "2019 Nov-Dec",
        "2019-09-27",
    )
    assert (WHOLE.created, WHOLE.entered) == ("2019-09-28", "2019-09-29")
    assert (WHOLE.revised, WHOLE.completed) == ("2021-02-15", "2020-01-31")
    assert HistoryDate("received", "2019-01-01") in WHOLE.history


def test_an_undated_record_falls_back_on_its_electronic_date() -> None:
    assert BARE.published is not None
    assert (BARE.published.iso, BARE.published_raw) == ("2020-01-02", "undated")


def test_stars_and_slashes_of_mesh() -> None:
    assert WHOLE.mesh_headings[1] == MeshHeading(
        "Ketamine",
        None,
        True,
        None,
        (Qualifier("administration & dosage", None, False), Qualifier("adverse effects", None, True)),
    )


def test_lists() -> None:
    assert [kind.name for kind in WHOLE.publication_types] == [
        "Journal Article",
        "Randomized Controlled Trial",
    ]
    assert WHOLE.languages == ("eng", "fre")
    assert WHOLE.substances[1] == Substance("Ketamine", None, "690G0D6V8H")
    assert WHOLE.registrations == (Registration("ClinicalTrials.gov", "NCT00000001"),)
    assert WHOLE.keywords[0] == Keyword("ketamine", "NOTNLM", True)
    assert WHOLE.keywords[1].term.endswith("folded at the end of a line")
    assert WHOLE.grants == (
        Grant("R01 MH000001", "MH", "NIMH NIH HHS", "United States"),
        Grant("000001/Z/12/Z", "WT_", "Wellcome Trust", "United Kingdom"),
        Grant(None, None, "Nobody's Fund", "Canada"),
    )
    (other,) = WHOLE.other_abstracts
    assert (other.type, other.language, other.copyright) == ("Publisher", "fre", "(c) Personne")


def test_notices_have_the_names_of_the_xml() -> None:
    assert [(notice.type, notice.pmid) for notice in WHOLE.notices] == [
        ("CommentIn", 90000002),
        ("ErratumIn", None),
        ("RetractionIn", 90000003),
        ("ExpressionOfConcernIn", 90000004),
    ]
    assert WHOLE.notices[2] == Notice("RetractionIn", WHOLE.notices[2].pmid, "J Made Up. 2021 Feb;14(2):9.")


def test_identifiers_come_once_each() -> None:
    assert WHOLE.id("doi") == "10.9999/made.up.1"
    assert WHOLE.id("pmc") == "PMC9000001"
    assert WHOLE.ids.count(ArticleId("doi", "10.9999/made.up.1")) == 1


def test_the_journal_has_its_issns_apart() -> None:
    journal = WHOLE.journal
    assert (journal.issn, journal.issn_type, journal.issn_linking) == ("1111-222X", "Electronic", "1111-2211")


def test_unknown_tags_are_kept() -> None:
    assert OtherField("XYZ", "a tag that nobody knows yet") in WHOLE.other_fields
    assert OtherField("GeneralNote", "NASA: nothing to do with space.") in WHOLE.other_fields


def test_a_chapter_is_a_book_with_editors() -> None:
    (body,) = bodies("book.nbib")
    chapter = nbib.parse_record(body)
    assert chapter.book is not None
    assert (chapter.kind, chapter.title.plain, chapter.book.title.plain) == (
        "book",
        "Ketamine",
        "Drugs and Nothing Database",
    )
    assert (chapter.book.isbns, chapter.id("bookaccession")) == (("9780000000001",), "NBK000001")
    assert [(author.role, author.last_name) for author in chapter.authors] == [("editor", "Editor")]


def test_hostile_records_spoil_no_others() -> None:
    markup, tagless, bytes_, numberless, windows = bodies("hostile.nbib")
    article = nbib.parse_record(markup)
    assert article.title.html == "&lt;script&gt;alert(1)&lt;/script&gt; \u2028 &amp;amp; co"
    assert article.abstract_text == "one\u0085two"
    assert nbib.parse_record(windows).title.plain == "the one with Windows line ends"
    for body, reason in ((tagless, "line 3"), (bytes_, "UTF-8"), (numberless, "PMID")):
        with pytest.raises(RecordError, match=reason):
            nbib.parse_record(body)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"<?xml version='1.0'?>\n<PubmedArticleSet/>", b"TY  - JOUR\nER  - \n"]
)
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(UnusableInput):
        list(nbib.split(io.BytesIO(content)))


@pytest.mark.parametrize("endless", [b"x" * 3000, b"AB  - x\n" * 400])
def test_a_record_without_end_is_refused(endless: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nbib, "MAX_RECORD", 2000)
    with pytest.raises(UnusableInput, match="larger"):
        list(nbib.split(io.BytesIO(b"PMID- 1\n" + endless)))


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert [nbib.parse_record(b).pmid for b in nbib.split(io.BytesIO(b"\xef\xbb\xbf\nPMID- 7\n"))] == [7]


def test_single_fields_are_what_biopython_reads() -> None:
    theirs = Medline.read(
        bodies("two_records.nbib")[0].replace(b"\n      \n", b"\n").decode().splitlines(True)
    )
    assert WHOLE.title.plain == theirs["TI"]
    assert WHOLE.abstract_text == theirs["AB"]
    assert WHOLE.journal.title == theirs["JT"]
    assert [kind.name for kind in WHOLE.publication_types] == theirs["PT"]
    assert [author.display for author in WHOLE.authors if not author.collective_name] == theirs["AU"]


@given(st.binary(max_size=300))
def test_any_bytes_give_an_article_or_a_clear_error(content: bytes) -> None:
    try:
        for body in nbib.split(io.BytesIO(b"PMID- 1\n" + content)):
            nbib.parse_record(body)
    except (RecordError, UnusableInput):
        pass


TAGS = st.sampled_from(
    "FAU AU AD AUID CN FED ED FIR IR IRAD MH RN GR SI OT OTO OAB OABL CIN EIN LID AID PHST DP DEP CRDT BTI IS".split()
)


@given(st.lists(st.tuples(TAGS, st.text(max_size=20))))
def test_any_fields_in_any_order_give_an_article(fields: list[tuple[str, str]]) -> None:
    lines = [f"{tag:<4}- {' '.join(value.split())}" for tag, value in fields]
    assert nbib.parse_record("\n".join(["PMID- 5", *lines]).encode("utf-8", "replace")).pmid == 5
