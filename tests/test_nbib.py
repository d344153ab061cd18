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
    assert nbib.parse_record(tagless).title.plain == "a line without its tag"
    assert nbib.stray_lines(tagless) == ("follows here",)
    for body, reason in ((bytes_, "UTF-8"), (numberless, "PMID")):
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


# -- as files come -----------------------------------------------------------------------------------

PLAIN = """PMID- 1
OWN - NLM
IS  - 1111-2222 (Print)
TI  - Kétamine for the
      bladder
AU  - Smith J
PT  - Journal Article

PMID- 2
TI  - Other
"""


def loaded(content: bytes) -> list[tuple[int, str]]:
    articles = map(nbib.parse_record, nbib.split(io.BytesIO(content)))
    return [(article.pmid, article.title.plain) for article in articles]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        *(PLAIN.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252")),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        *(PLAIN.replace("\n", end).encode() for end in ("\r\n", "\r", "\r\r\n")),
        *(PLAIN.replace("\n", f"{blanks}\n").encode() for blanks in ("  ", "\t")),
        PLAIN.replace("      bladder", "\tbladder").encode(),
        PLAIN.replace("\n", "\n\n").encode(),
        PLAIN.lower().replace("kétamine", "Kétamine").replace("other", "Other").encode(),
        PLAIN.replace("PMID- ", "PMID-").encode(),
        PLAIN.replace("PMID- ", "PMID  - ").encode(),
        PLAIN.replace("PMID- ", "PMID-\t").encode(),
        PLAIN.replace("TI  - ", "TI - ").encode(),
        PLAIN.replace("TI  - ", "TI-   ").encode(),
        PLAIN.replace("\n\n", "\n").encode(),
        b"\n\n" + PLAIN.encode(),
        PLAIN.partition("\n\n")[0].encode("utf-8-sig") + b"\r\n" + PLAIN.partition("\n\n")[2].encode("utf-8-sig"),
    ],
)  # fmt: skip
def test_a_file_is_read_however_it_was_saved(content: bytes) -> None:
    assert loaded(content) == [(1, "Kétamine for the bladder"), (2, "Other")]


ERIC = "OWN - ERIC\nTI  - Teaching\nAU  - Berg, Ada\nOID - EJ000001\n"


@pytest.mark.parametrize(
    "content",
    [
        f"PMID- 1\nOWN - NLM\nTI  - One\n\n{ERIC}\nPMID- 2\nTI  - Two\n",
        f"{ERIC}\nPMID- 1\nTI  - One\n\nPMID- 2\nTI  - Two\n",
        f"PMID- 1\nTI  - One\n\nPMID- 2\nTI  - Two\n\n{ERIC.replace('OWN - ERIC', 'AU  - First, Author')}",
        f"PMID- 1\nTI  - One\n\nRecord 2 of 3\n{ERIC}\nPMID- 2\nTI  - Two\n",
    ],
)
def test_a_record_without_a_pmid_is_refused_by_its_title_and_no_part_of_another(content: str) -> None:
    read, refused = [], []
    for body in nbib.split(io.BytesIO(content.encode())):
        try:
            article = nbib.parse_record(body)
        except RecordError as error:
            refused.append(str(error))
        else:
            read.append((article.pmid, article.title.plain, article.authors))
    assert read == [(1, "One", ()), (2, "Two", ())]
    assert refused == ["not a usable MEDLINE record: it has no PMID. It is 'Teaching'"]


def test_an_abstract_with_an_empty_line_in_it_stays_whole() -> None:
    assert loaded(b"PMID- 1\nAB  - One.\n      \n\n      Two.\nTI  - T\n\nPMID- 2\nTI  - U\n") == [
        (1, "T"),
        (2, "U"),
    ]


@pytest.mark.parametrize(
    ("lines", "issn", "linking"),
    [
        ("IS  - 0028-0836 (Print)\nIS  - 0028-0836 (Linking)", "0028-0836", "0028-0836"),
        ("IS  - 0028-0836 (Linking)\nIS  - 1476-4687 (Electronic)", "1476-4687", "0028-0836"),
        ("IS  - 1476-468x(Electronic)", "1476-468x", None),
        ("IS  - 0028-0836", "0028-0836", None),
        ("IS  - 0028-0836\nIS  - 1476-4687 (Linking)", "0028-0836", "1476-4687"),
        ("IS  - 0028-0836 (Linking)", None, "0028-0836"),
        ("IS  - unknown", None, None),
    ],
)
def test_issns_are_read_with_their_kinds(lines: str, issn: str | None, linking: str | None) -> None:
    journal = nbib.parse_record(f"PMID- 1\n{lines}\n".encode()).journal
    assert (journal.issn, journal.issn_linking) == (issn, linking)


@pytest.mark.parametrize("name", ["et al.", "et al", "Et Al."])
def test_et_al_is_no_author(name: str) -> None:
    article = nbib.parse_record(
        f"PMID- 1\nFAU - Berg, Ada\nAU  - Berg A\nFAU - {name}\nAU  - {name}\n".encode()
    )
    assert [author.last_name for author in article.authors] == ["Berg"]
    assert not article.authors_complete
    assert nbib.parse_record(b"PMID- 1\nAU  - Berg A\n").authors_complete


@pytest.mark.parametrize("tag", ["CTDT", "CDAT"])
def test_a_chapter_has_the_date_of_its_contribution(tag: str) -> None:
    book = nbib.parse_record(f"PMID- 1\nBTI - B\n{tag}- 2020/10/19 00:00\n".encode()).book
    assert book and book.contributed and book.contributed.iso == "2020-10-19"


def test_unlabelled_is_no_heading() -> None:
    article = nbib.parse_record(b"PMID- 1\nAB  - UNLABELLED: One. METHODS: Two. UNLABELLED: Three.\n")
    assert article.abstract_text == "One. METHODS: Two. Three."
