"""One record's XML becomes an Article: each odd feature is told by a record of ours that has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tracker.article import (
    Affiliation,
    Article,
    ArticleId,
    BookSection,
    Grant,
    Identifier,
    Keyword,
    Notice,
    OtherField,
    PartialDate,
    PublicationType,
    Qualifier,
    Registration,
    Substance,
    SupplementaryConcept,
)
from tracker.errors import RecordError
from tracker.pubmed.markup import plain_of
from tracker.pubmed.records import open_file, split
from tracker.pubmed.xml import parse_record

FIXTURES = Path(__file__).parent / "fixtures/pubmed"


@cache
def articles() -> dict[int, Article]:
    found = {}
    for path in FIXTURES.glob("*.xml"):
        with open_file(path) as stream:
            parsed = [parse_record(raw.body) for raw in split(stream)]
        found |= {article.pmid: article for article in parsed}
    return found


# Claim: (PMID in fixtures/pubmed, what to look at, what it is).
CLAIMS: dict[str, tuple[int, Callable[[Article], Any], Any]] = {
    "inline markup is kept as HTML": (
        90000657,
        lambda a: a.title.html,
        "Effect of (<i>R,S</i>)-ketamine on <i>BDNF</i> and Ca<sup>2+</sup> in <b>bold</b>, "
        "<u>under<i>lined <sup>nested <sub>four</sub></sup></i></u> titles.",
    ),
    "inline markup splits no word of the plain text": (
        90000657,
        lambda a: a.abstract_text,
        "Kᵢ was 10⁻³ M (P < 0.05), CO₂ was 5 % & 37 °C. (S)-ketamine was twice as strong.",
    ),
    "MathML is kept, under plain names": (
        90000658,
        lambda a: a.abstract[0].text.html,
        "Clearance was <math><mrow><mi>C</mi><msub><mi>L</mi><mn>0</mn></msub><mo>=</mo><mfrac><mi>D</mi>"
        "<mrow><mi>A</mi><mi>U</mi><mi>C</mi></mrow></mfrac></mrow></math> in all models.",
    ),
    "an entity escaped twice is text, as NLM sent it": (
        90000659,
        lambda a: a.title,
        (
            "Ketamine &amp; esketamine: &lt;5 days apart.",
            "Ketamine &amp;amp; esketamine: &amp;lt;5 days apart.",
        ),
    ),
    "characters beyond the BMP survive": (
        90000660,
        lambda a: a.title.plain,
        "Emoji 💊🧠 in posts about ketamine use: 𝑁 = 9,000.",
    ),
    "script written in a title is text": (
        90000663,
        lambda a: a.title.html,
        'Ketamine cystitis &lt;script&gt;alert("title")&lt;/script&gt; '
        "&lt;img src=x onerror=alert(1)&gt; and 'quotes'.",
    ),
    "a labelled section keeps its label and NLM's category": (
        90000656,
        lambda a: [(s.label, s.category) for s in a.abstract],
        [
            ("BACKGROUND", "BACKGROUND"),
            ("OBJECTIVE", "OBJECTIVE"),
            ("DESIGN", "METHODS"),
            ("RESULTS", "RESULTS"),
            ("INTERPRETATION", "CONCLUSIONS"),
            ("FUNDING", "UNASSIGNED"),
        ],
    ),
    "the plain abstract has a labelled section a line": (
        90000656,
        lambda a: a.abstract_text.splitlines()[3],
        "RESULTS: No change was seen (d = 0.08).",
    ),
    "an empty title stays empty": (90000664, lambda a: a.title, ("", "")),
    "without an abstract there is none": (90000665, lambda a: (a.abstract, a.abstract_text), ((), "")),
    "an abstract in another language stands beside the English one": (
        90000654,
        lambda a: [
            (o.type, o.language, [(s.label, s.text.plain) for s in o.sections], o.copyright)
            for o in a.other_abstracts
        ],
        [
            (
                "Publisher",
                "spa",
                [
                    ("OBJETIVO", "Describir los tiempos de viaje hasta la consulta."),
                    ("MÉTODO", "Encuesta a 60 pacientes."),
                ],
                "© 2023 Los autores ficticios.",
            )
        ],
    ),
    "a plain-language summary is told by its type": (
        90000655,
        lambda a: [o.type for o in a.other_abstracts],
        ["plain-language-summary"],
    ),
    "the title in the original language is kept": (
        90000651,
        lambda a: (a.vernacular_title, a.languages),
        ("Kétamine et vessie : à propos de trois centres.", ("fre",)),
    ),
    "every language counts": (90000653, lambda a: a.languages, ("eng", "por")),
    "a group is an author": (
        90000621,
        lambda a: a.authors[-1].collective_name,
        "Utopian Esketamine Registry (UER) Study Group & Steering Committee",
    ),
    "a name has a suffix, and a particle belongs to it": (
        90000623,
        lambda a: [author.display for author in a.authors],
        ["Whitfield OJ Jr", "Castellanos R", "de la Cruz-Núñez JM 3rd", "Castelanos R", "Sukarno"],
    ),
    "an ORCID is bare, however it is written": (
        90000623,
        lambda a: [author.orcid for author in a.authors[:3]],
        ["0000-0002-1825-0097", "0000-0001-5109-3700", None],
    ),
    "equal contribution is marked": (
        90000623,
        lambda a: [author.equal_contribution for author in a.authors],
        [True, True, False, False, False],
    ),
    "a name that NLM found wrong is marked": (
        90000623,
        lambda a: [author.valid for author in a.authors],
        [True, True, True, False, True],
    ),
    "every affiliation of an author is kept, with its identifiers": (
        90000624,
        lambda a: a.authors[0].affiliations,
        (
            Affiliation(
                "Department of Psychiatry, University of Nowhere, Nowhere, Utopia.",
                (Identifier("ROR", "https://ror.org/000000000"),),
            ),
            Affiliation(
                "Institute of Imagined Medicine, Placeholder City, Utopia.",
                (Identifier("GRID", "grid.0000.0"),),
            ),
            Affiliation(
                "School of Examples, Placeholder City, Utopia. lead@example.org",
                (Identifier("ISNI", "0000 0000 0000 0000"),),
            ),
        ),
    ),
    "an incomplete list of authors says so": (90000627, lambda a: a.authors_complete, False),
    "without authors there are none": (90000626, lambda a: (a.authors, a.authors_complete), ((), True)),
    "investigators are no authors": (
        90000625,
        lambda a: (
            [w.last_name for w in a.authors],
            [(i.last_name, i.suffix, i.orcid) for i in a.investigators],
        ),
        (
            ["Zhao", "Aydın"],
            [
                ("Okonkwo", None, None),
                ("Lindqvist", None, None),
                ("Moreau", None, None),
                ("Mbeki", "2nd", "0000-0002-1694-233X"),
            ],
        ),
    ),
    "a range of months is its first": (
        90000631,
        lambda a: a.published,
        PartialDate("2019-11", "month", "2019 Nov-Dec"),
    ),
    "a season in free text is of its year": (
        90000633,
        lambda a: a.published,
        PartialDate("2004", "season", "Spring 2004"),
    ),
    "a range of days is its first": (
        90000634,
        lambda a: a.published,
        PartialDate("2000-10-05", "day", "2000 Oct 5-18"),
    ),
    "a season is of its year": (
        90000641,
        lambda a: (a.published, a.published_raw),
        (PartialDate("2006", "season", "2006 Winter"), "2006 Winter"),
    ),
    "a month may be a number": (90000642, lambda a: a.published and a.published.iso, "2016-09-04"),
    "print and electronic dates are two": (
        90000645,
        lambda a: (a.published and a.published.iso, a.electronic and a.electronic.iso),
        ("2024-01-02", "2022-12-30"),
    ),
    "the history keeps each step": (
        90000645,
        lambda a: [(h.event, h.date) for h in a.history][:3],
        [("received", "2022-03-01"), ("revised", "2022-09-30"), ("accepted", "2022-11-11")],
    ),
    "a record entered late was created late": (
        90000644,
        lambda a: (a.created, a.entered),
        ("2024-11-05", "1996-05-01"),
    ),
    "qualifiers have UIs and stars of their own": (
        90000677,
        lambda a: (a.mesh_headings[0].ui, a.mesh_headings[0].major, a.mesh_headings[0].qualifiers),
        (
            "D007649",
            True,
            (
                Qualifier("administration & dosage", "Q000008", True),
                Qualifier("adverse effects", "Q000009", False),
                Qualifier("therapeutic use", "Q000627", True),
            ),
        ),
    ),
    "indexing by machine is told": (90000678, lambda a: a.indexing_method, "Automated"),
    "substances have registry numbers": (
        90000676,
        lambda a: a.substances,
        (
            Substance("Esketamine", "C000629870", "50LFG02TXD"),
            Substance("Antidepressive Agents", "D000928", "0"),
        ),
    ),
    "supplementary concepts have types": (
        90000676,
        lambda a: a.supplementary_concepts,
        (
            SupplementaryConcept("Example protocol", "C999001", "Protocol"),
            SupplementaryConcept("Example disease", "C999002", "Disease"),
        ),
    ),
    "every number of every data bank is a registration": (
        90000674,
        lambda a: a.registrations,
        (
            Registration("ClinicalTrials.gov", "NCT99000674"),
            Registration("ClinicalTrials.gov", "NCT99000675"),
            Registration("figshare", "10.5555/figshare.674"),
            Registration("Dryad", None),
        ),
    ),
    "a retraction points to its notice": (
        90000601,
        lambda a: a.notices,
        (Notice("RetractionIn", 90000602, "Ann Inv Urol. 2019 Feb;29(2):120. doi: 10.5555/et.90000602."),),
    ),
    "a note on a notice is kept": (
        90000603,
        lambda a: a.notices[0].note,
        "Partial retraction: figure 2 only",
    ),
    "a retracted paper says so in its types, with the UI": (
        90000601,
        lambda a: a.publication_types[-1],
        PublicationType("Retracted Publication", "D016441"),
    ),
    "an expression of concern is a notice of its own": (
        90000608,
        lambda a: [(n.type, n.pmid) for n in a.notices],
        [("ExpressionOfConcernIn", 90000609)],
    ),
    "a preprint points to its article": (
        37609159,
        lambda a: [(n.type, n.pmid) for n in a.notices],
        [("UpdateIn", 38123725)],
    ),
    "a reference has its identifiers": (
        90000675,
        lambda a: a.references[0].ids,
        (ArticleId("pubmed", "90000201"), ArticleId("doi", "10.5555/et.90000201")),
    ),
    "a reference without identifiers is kept too": (
        90000675,
        lambda a: a.references[1].citation,
        "A book that nobody indexed, with <i>marks</i> & an italic word.",
    ),
    "conflicts of interest and copyright are kept": (
        90000666,
        lambda a: (a.copyright, a.conflict_of_interest),
        (
            "© 2022 The Invented Authors. Published by Example Press.",
            "A. O. has received fees from Example Pharma. The other authors declare no competing interests.",
        ),
    ),
    "rare fields are kept under NLM's names": (
        90000686,
        lambda a: set(a.other_fields),
        {
            OtherField("CitationSubset", "IM"),
            OtherField("GeneSymbol", "bdnf"),
            OtherField("GeneSymbol", "trkB"),
            OtherField("OtherID", "99000686", "NASA"),
            OtherField("SpaceFlightMission", "Flight Experiment"),
            OtherField("GeneralNote", "Grant numbers: EX-1.", "NASA"),
        },
    ),
    "a keyword knows its owner and its star": (
        90000686,
        lambda a: a.keywords,
        (Keyword("NASA Discipline Example", "NASA", True), Keyword("manned", "NASA", False)),
    ),
    "a record may have no valid identifier but its PMID": (
        90000687,
        lambda a: (a.ids, a.id("pii")),
        ((ArticleId("pii", "unknown", valid=False), ArticleId("pubmed", "90000687")), None),
    ),
    "a DOI that NLM found wrong is not the article's": (
        90000663,
        lambda a: (a.id("doi"), ArticleId("doi", "javascript:alert(4)", False) in a.ids),
        ('10.5555/et.90000663/"><script>alert(3)</script>', True),
    ),
    "a PMID has a version": (90000673, lambda a: a.version, 3),
    "a status is told": (90000681, lambda a: a.status, "In-Process"),
    "a book takes its title from the book": (
        90000671,
        lambda a: (a.kind, a.title.html, a.book and a.book.title == a.title),
        ("book", "Esketamine for Depression: A Technology <i>Assessment</i>", True),
    ),
    "a book has a publisher, a collection and numbers": (
        90000671,
        lambda a: (
            a.book
            and (
                a.book.publisher,
                a.book.collection,
                a.book.edition,
                a.book.volume,
                a.book.isbns,
                a.book.report_number,
            )
        ),
        (
            "Agency for Examples (Utopia)",
            "Example Technology Assessments",
            "2nd edition",
            "7",
            ("9780000000002", "0000000000"),
            "99-EHC001-EF",
        ),
    ),
    "editors are told from authors": (
        90000671,
        lambda a: [(author.display, author.role) for author in a.authors],
        [("Novák P", "editor"), ("Lindqvist EM", "author")],
    ),
    "a chapter has its own title, and the book's beside it": (
        90000672,
        lambda a: (a.title.plain, a.book and a.book.title.plain, a.id("bookaccession")),
        ("Ketamine Toxicity", "ExamplePearls", "NBK9900672"),
    ),
    "a chapter has sections, and a time of its own": (
        90000672,
        lambda a: a.book and (a.book.sections, a.book.contributed and a.book.contributed.iso),
        (
            (
                BookSection("12", ""),
                BookSection(None, "Continuing Education Activity"),
                BookSection("2", "Treatment / Management"),
            ),
            "2023-11-12",
        ),
    ),
}


@pytest.mark.parametrize(("pmid", "look_at", "expected"), CLAIMS.values(), ids=CLAIMS)
def test_claim(pmid: int, look_at: Callable[[Article], Any], expected: Any) -> None:
    assert look_at(articles()[pmid]) == expected


def test_grants_have_numbers_agencies_and_countries() -> None:
    grants = articles()[90000674].grants
    assert grants
    assert all(isinstance(grant, Grant) and grant.agency for grant in grants)


# -- shapes that PubMed no longer writes -----------------------------------------------------------


def record(citation: str = "", article: str = "") -> bytes:
    return (
        "<PubmedArticle><MedlineCitation><PMID>1</PMID>"
        f"<Article><ArticleTitle>T</ArticleTitle>{article}</Article>{citation}"
        "</MedlineCitation></PubmedArticle>"
    ).encode()


def test_the_one_affiliation_of_an_old_record_is_the_first_authors() -> None:
    authors = (
        "<Affiliation>Old Clinic</Affiliation><AuthorList>"
        "<Author><LastName>A</LastName></Author><Author><LastName>B</LastName></Author></AuthorList>"
    )
    lead, second = parse_record(record(article=authors)).authors
    assert (lead.affiliations, second.affiliations) == ((Affiliation("Old Clinic"),), ())


def test_an_old_notice_has_its_type_as_the_name_of_its_element() -> None:
    entry = "<CommentIn><RefSource>J. 2000</RefSource><PMID>7</PMID></CommentIn>"
    old = f"<CommentsCorrections>{entry}</CommentsCorrections>"
    assert parse_record(record(old)).notices == (Notice("CommentIn", 7, "J. 2000"),)


def test_data_banks_of_an_old_record_stand_beside_the_article() -> None:
    old = (
        "<DataBankList><DataBank><DataBankName>GENBANK</DataBankName><AccessionNumberList>"
        "<AccessionNumber>X1</AccessionNumber></AccessionNumberList></DataBank></DataBankList>"
    )
    assert parse_record(record(old)).registrations == (Registration("GENBANK", "X1"),)


# -- records that cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"<PubmedArticle><MedlineCitation>",
        b"<PubmedArticle/>",
        b"<PubmedBookArticle/>",
        b"<PubmedArticle><MedlineCitation/></PubmedArticle>",
        b"<PubmedArticle><MedlineCitation><PMID>none</PMID></MedlineCitation></PubmedArticle>",
        b"<PubmedArticle><MedlineCitation><PMID>99999999999</PMID></MedlineCitation></PubmedArticle>",
        b'<PubmedArticle><MedlineCitation><PMID Version="two">1</PMID></MedlineCitation></PubmedArticle>',
        record(article="<Abstract><AbstractText>&undeclared;</AbstractText></Abstract>"),
        record(article="<VernacularTitle>\x01</VernacularTitle>"),
        record("<MeshHeadingList><MeshHeading/></MeshHeadingList>"),
        record(article=f"<VernacularTitle>{'x' * 11_000_000}</VernacularTitle>"),
        record(article="<i>" * 1000 + "</i>" * 1000),
        record().replace(b"<ArticleTitle>T", b"<ArticleTitle>\xff"),
        b"",
        b"not XML",
    ],
    ids=[
        "not closed",
        "no citation",
        "no document",
        "no PMID",
        "PMID in words",
        "PMID too large",
        "version in words",
        "undeclared entity",
        "control character",
        "heading without a descriptor",
        "text of 11 MB",
        "a thousand elements deep",
        "not UTF-8",
        "nothing",
        "no XML",
    ],
)
def test_what_is_no_usable_record_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(RecordError, match=r"not (well-formed XML|a usable PubMed record): \S+"):
        parse_record(body)


@pytest.mark.parametrize(
    "subset",
    [
        "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(9)),
        '<!ENTITY e8 SYSTEM "file:///etc/hostname">',
        '<!ENTITY e8 SYSTEM "http://127.0.0.1:9/secret">',
    ],
    ids=["an entity bomb", "a file", "an address"],
)
def test_no_entity_is_ever_expanded(subset: str) -> None:
    bomb = f"<!DOCTYPE PubmedArticle [{subset}]>".encode() + record().replace(b">T<", b">T &e8;<")
    with suppress(RecordError):
        assert parse_record(bomb).title.plain == "T &e8;"


# -- markup can never be more than markup -----------------------------------------------------------

ALLOWED = set(
    "b i u sub sup em strong math merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot "
    "mrow ms mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none mfenced".split()
)
_NAMES = [
    "i",
    "sub",
    "bold",
    "script",
    "a",
    "img",
    "style",
    "svg",
    "math",
    "mi",
    "mtext",
    "annotation-xml",
    "input",
]
_ATTRIBUTES = ["onclick", "href", "style", "display", "open", "mathvariant"]
_MATHML = "{http://www.w3.org/1998/Math/MathML}"
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8) | st.sampled_from(
    ["<script>alert(1)</script>", "</p><img src=x onerror=alert(1)>", '"><b', "&lt;", "<!--", "]]>", "&#60;"]
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Any:
    """An element with any of these names, attributes and texts, and more such elements inside."""
    name = draw(st.sampled_from([*_NAMES, *(_MATHML + name for name in _NAMES)]))
    element = etree.Element(name, draw(st.dictionaries(st.sampled_from(_ATTRIBUTES), _TEXT, max_size=2)))
    element.text = draw(_TEXT)
    if depth:
        for child in draw(st.lists(trees(depth=depth - 1), max_size=2)):
            element.append(child)
            child.tail = draw(_TEXT)
    return element


class Tags(HTMLParser):
    """What a browser would see: tags, attributes, and comments or declarations."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.strange: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.strange.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@given(trees())
def test_whatever_stands_in_a_title_only_allowed_tags_come_out_and_all_of_the_text(tree: Any) -> None:
    body = etree.tostring(tree, encoding="unicode")
    title = parse_record(record().replace(b">T<", f">{body}<".encode())).title
    seen = Tags(title.html)
    assert seen.tags <= ALLOWED
    assert seen.attributes <= {"display", "mathvariant", "open", "close", "separators", "stretchy", "accent"}
    assert not seen.strange
    assert plain_of(title.html).text == title.plain
    if not seen.tags & {"sub", "sup", "math"}:
        assert " ".join(re.split("[ \t\r\n]+", seen.text)).strip(" ") == title.plain
    assert not re.search(r"<(?!/?[a-z]+( [a-z]+=\"[^\"<>]*\")*>)", title.html)
