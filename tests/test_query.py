"""PubMed's query syntax: what is read, what is reported, and which articles a query finds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Pmid,
    PublicationType,
    Qualifier,
    Registration,
    Substance,
    SupplementaryConcept,
    Text,
)
from tracker.query import (
    Index,
    QueryError,
    UnsupportedQuery,
    codes,
    default_tree,
    lint,
    load_tree,
    losses,
    matches,
    parse,
    unknown_headings,
)
from tracker.query.contents import DATES, NAMES, VALUES, WORDS
from tracker.query.vocabulary import fields


def text(plain: str) -> Text:
    return Text(plain, plain)


def article(**parts: Any) -> Article:
    return Article(**{"pmid": Pmid(1), "title": text("Untitled"), **parts})


FULL = Article(
    pmid=Pmid(31541003),
    title=text("S-Ketamine (Ketanest®) for treatment-resistant depression: a naïve trial"),
    vernacular_title="Ketamin bei Depression",
    abstract=(
        AbstractSection("METHODS", "METHODS", text("We gave 0.5 mg/kg over forty minutes to 20 patients.")),
        AbstractSection("RESULTS", "RESULTS", text("Urinary symptoms rose; ketamine users had cystitis.")),
    ),
    other_abstracts=(
        OtherAbstract("Publisher", "spa", (AbstractSection(None, None, text("La vejiga duele")),)),
    ),
    authors=(
        Author(
            "Smith", "John A", "JA", "Jr", affiliations=(Affiliation("Ward 9, Charité, Berlin, Germany."),)
        ),
        Author(collective_name="KADS Study Group"),
        Author("O'Brien", "Kate", "K", orcid="0000-0001-5027-4446"),
        Author("Editor", "Eve", "E", role="editor"),
    ),
    investigators=(
        Investigator("Soller", "Bo", "B", affiliations=(Affiliation("Yale, New Haven"),)),
        Investigator("Ray", identifiers=(Identifier("ORCID", "0000-0002-0000-0000"),)),
    ),
    journal=Journal(
        title="The Journal of biological chemistry",
        iso_abbreviation="J Biol Chem",
        medline_abbreviation="J Biol Chem",
        nlm_id="2985121R",
        issn="1083-351X",
        issn_linking="0021-9258",
        country="United States",
        volume="12",
        issue="3",
    ),
    pages="101-9",
    published=PartialDate("2019-11", "month", "2019 Nov-Dec"),
    electronic=PartialDate("2019-09-20", "day", "2019-09-20"),
    created="2019-09-22",
    entered="2019-09-23",
    revised="2020-02-01",
    completed="2020-01-15",
    history=(HistoryDate("medline", "2020-01-15 06:00"),),
    status="MEDLINE",
    languages=("ger",),
    publication_types=(
        PublicationType("Randomized Controlled Trial", None),
        PublicationType("Journal Article", None),
    ),
    mesh_headings=(
        MeshHeading(
            "Ketamine",
            None,
            False,
            None,
            (Qualifier("adverse effects", None, True), Qualifier("toxicity", None, False)),
        ),
        MeshHeading(
            "Cystitis, Interstitial", None, False, None, (Qualifier("chemically induced", None, False),)
        ),
        MeshHeading("Humans", None, False),
        MeshHeading("Depressive Disorder, Major", None, True),
        MeshHeading("Zebra Crossings", None, False),
    ),
    supplementary_concepts=(SupplementaryConcept("Esketamine", None, None),),
    substances=(Substance("Ketamine", None, "690G0D6V8H"),),
    keywords=(Keyword("bladder pain", None, False), Keyword("LUTS", None, False)),
    grants=(Grant("R01 CA101211", "CA", "NCI NIH HHS", "United States"),),
    registrations=(Registration("ClinicalTrials.gov", "NCT00088699"),),
    notices=(Notice("RetractionIn", Pmid(2), "Some J. 2021"),),
    ids=(ArticleId("doi", "10.1000/xyz.1"), ArticleId("pii", "S0021-9258(19)30001-X")),
    conflict_of_interest="None declared.",
    other_fields=(OtherField("PersonalNameSubject", "Freud S"),),
)

# (name, query, whether it finds FULL)
MATCHES = [
    ("a word of the title", "ketamine[ti]", True),
    ("case does not matter", "KETAMINE[TI]", True),
    ("a long field name", "ketamine[Title/Abstract]", True),
    ("space before the tag", "ketamine [ tiab ]", True),
    ("a word is whole", "ketam[tiab]", False),
    ("truncation", "ketam*[tiab]", True),
    ("truncation begins at a word", "etamine*[tiab]", False),
    ("truncation finds the word itself", "ketamine*[tiab]", True),
    ("a hyphen is a space", '"s ketamine"[tiab]', True),
    ("and a space a hyphen", '"treatment-resistant-depression"[tiab]', True),
    ("words in order", '"depression resistant"[tiab]', False),
    ("words next to each other", '"treatment depression"[tiab]', False),
    ("unquoted words before a tag are a phrase", "treatment resistant[tiab]", True),
    ("... in order", "resistant treatment[tiab]", False),
    ("truncated phrase", '"treatment resist*"[tiab]', True),
    ("diacritics in the text", "naive[ti]", True),
    ("diacritics in the query", "kétamine[ti]", True),
    ("a sign is no letter", "ketanest[ti]", True),
    ("all sections of the abstract", "urinary[tiab] AND minutes[tiab]", True),
    ("section labels", "methods[tiab]", True),
    ("no phrase from one section into the next", '"20 patients results"[tiab]', False),
    ("no phrase from title to abstract", '"trial methods"[tiab]', False),
    ("tiab holds keywords", '"bladder pain"[tiab]', True),
    ("tiab holds other abstracts", "vejiga[tiab]", True),
    ("tiab does not hold headings", "interstitial[tiab]", False),
    ("tiab does not hold the vernacular title", "bei[tiab]", False),
    ("tt does", "bei[tt]", True),
    ("ab holds no title", "ketanest[ab]", False),
    ("ti holds no abstract", "cystitis[ti]", False),
    ("ot", "luts[ot]", True),
    ("tw holds headings", "interstitial[tw]", True),
    ("tw holds subheadings", '"chemically induced"[tw]', True),
    ("tw holds types", '"randomized controlled trial"[tw]', True),
    ("tw holds substances", "esketamine[tw]", True),
    ("tw holds no authors", "smith[tw]", False),
    ("tw holds corporate authors", "kads[tw]", True),
    ("untagged is all fields", "smith", True),
    ("untagged words are parted by AND", "smith cystitis", True),
    ("untagged phrase", '"smith cystitis"', False),
    ("all", "charite[all]", True),
    ("all holds no processing date", '"2019 09 22"[all]', False),
    ("a flag of PubMed's", "hasretractionin", True),
    ("a flag that is not set", "haserratumin", False),
    ("proximity 0, any order", '"resistant treatment"[tiab:~0]', True),
    ("proximity too far", '"ketamine cystitis"[tiab:~1]', False),
    ("proximity far enough", '"ketamine cystitis"[tiab:~2]', True),
    ("proximity any order", '"cystitis ketamine"[Title/Abstract:~2]', True),
    ("proximity of three", '"cystitis users ketamine"[tiab:~1]', True),
    ("proximity within one section", '"patients urinary"[tiab:~9]', False),
    ("proximity in one affiliation", '"berlin charite"[ad:~0]', True),
    ("proximity not over two affiliations", '"berlin yale"[ad:~1000]', False),
    ("proximity needs the word twice", '"ketamine ketamine"[ti:~9]', False),
    ("affiliation", "yale[ad]", True),
    ("heading", "ketamine[mh]", True),
    ("heading in its long form", '"Ketamine"[MeSH Terms]', True),
    ("heading is whole", "cystitis interstitial chronic[mh]", False),
    ("heading explodes", '"urinary bladder diseases"[mh]', True),
    ("... two levels", '"mood disorders"[mh]', True),
    ("... not upwards", '"depressive disorder, treatment-resistant"[mh]', False),
    ("noexp does not", '"urinary bladder diseases"[mh:noexp]', False),
    ("noexp of the heading itself", '"cystitis, interstitial"[mh:noexp]', True),
    ("an unknown heading is matched by itself", '"zebra crossings"[mh]', True),
    ("truncated heading", '"depressive disor*"[mh]', True),
    ("animals explode to humans", "animals[mh]", True),
    ("heading with subheading", '"ketamine/adverse effects"[mh]', True),
    ("heading with abbreviation", "ketamine/ae[mh]", True),
    ("subheading explodes", "ketamine/pharmacology[mh]", True),
    ("subheading with noexp", "ketamine/pharmacology[mh:noexp]", False),
    ("heading and subheading belong together", "ketamine/chemically induced[mh]", False),
    ("heading explodes with subheading", "cystitis/etiology[mh]", True),
    ("major heading", '"depressive disorder, major"[majr]', True),
    ("major through its subheading", "ketamine[majr]", True),
    ("not major", "cystitis[majr]", False),
    ("major pair", "ketamine/adverse effects[majr]", True),
    ("not a major pair", '"ketamine/toxicity"[majr]', False),
    ("subheading anywhere", '"adverse effects"[sh]', True),
    ("subheading abbreviated", "ci[sh]", True),
    ("subheading not there", "genetics[sh]", False),
    ("subheading explodes alone", "etiology[sh]", True),
    ("type", '"randomized controlled trial"[pt]', True),
    ("type explodes", '"clinical trial"[pt]', True),
    ("type with noexp", '"clinical trial"[pt:noexp]', False),
    ("other type", "review[pt]", False),
    ("substance", "ketamine[nm]", True),
    ("supplementary concept", "esketamine[nm]", True),
    ("substance is whole", "esket[nm]", False),
    ("registry number", "690G0D6V8H[rn]", True),
    ("data bank", "clinicaltrials.gov[si]", True),
    ("registration", "NCT00088699[si]", True),
    ("both", "ClinicalTrials.gov/NCT00088699[si]", True),
    ("language by code", "ger[la]", True),
    ("language by name", "german[la]", True),
    ("other language", "english[la]", False),
    ("journal by abbreviation", '"J Biol Chem"[ta]', True),
    ("journal by name", '"the journal of biological chemistry"[jour]', True),
    ("journal by ISSN", "0021-9258[ta]", True),
    ("journal is whole", "chem[ta]", False),
    ("ISSN", "1083-351X[is]", True),
    ("NLM id", "2985121R[jid]", True),
    ("volume", "12[vi]", True),
    ("issue", "3[ip]", True),
    ("first page", "101[pg]", True),
    ("last page", "9[pg]", False),
    ("place", '"united states"[pl]', True),
    ("doi", '"10.1000/xyz.1"[aid]', True),
    ("doi as location", '"10.1000/xyz.1"[lid]', True),
    ("author", "smith ja[au]", True),
    ("author's initials are completed", "smith j[au]", True),
    ("... not in quotes", '"smith j"[au]', False),
    ("... in quotes with suffix", '"smith ja jr"[au]', True),
    ("last name", "smith[au]", True),
    ("last name is whole", "smit[au]", False),
    ("truncated name", "smit*[au]", True),
    ("apostrophe", "o'brien k[au]", True),
    ("full name", "smith john a[fau]", True),
    ("full name, natural order", "john a smith[fau]", True),
    ("first author", "smith ja[1au]", True),
    ("not first", "o'brien k[1au]", False),
    ("last author", "o'brien k[lastau]", True),
    ("editor", "editor e[ed]", True),
    ("an editor is no author", "editor e[au]", False),
    ("investigator", "soller b[ir]", True),
    ("corporate author", '"kads study"[cn]', True),
    ("author identifier", '"orcid 0000-0001-5027-4446"[auid]', True),
    ("subject", "freud s[ps]", True),
    ("grant", "CA101211[gr]", True),
    ("agency", "nih[gr]", True),
    ("conflict of interest", "declared[cois]", True),
    ("year", "2019[dp]", True),
    ("month", "2019/11[dp]", True),
    ("a month without day is its first", "2019/11/01[dp]", True),
    ("electronic date", "2019/09/20[dp]", True),
    ("electronic only", "2019/09[epdat]", True),
    ("print only", "2019/09[ppdat]", False),
    ("years", "2010:2015[dp]", False),
    ("open range", "2015:3000[dp]", True),
    ("created", "2019/09/22[crdt]", True),
    ("created in a range", "2019/09/01:2019/09/30[crdt]", True),
    ("range as PubMed writes it", '("2019/09/01"[Date - Create] : "2019/09/30"[Date - Create])', True),
    ("entered", "2019/09/22[edat]", False),
    ("revised", "2020/02[lr]", True),
    ("indexed", "2020/01/15[mhda]", True),
    ("completed", "2019[dcom]", False),
    ("pmid", "31541003[pmid]", True),
    ("pmid range", "1:20000000[uid]", False),
    ("pmid range around it", "31000000:32000000[UID]", True),
    ("status", "medline[sb]", True),
    ("other status", "publisher[sb]", False),
    ("all records", "all[sb]", True),
    ("systematic", "systematic[sb]", False),
    ("left to right: OR then AND", "ketamine[ti] OR ketamine[ti] AND absent[ti]", False),
    ("left to right: AND then OR", "absent[ti] AND ketamine[ti] OR ketamine[ti]", True),
    ("parentheses", "ketamine[ti] OR (ketamine[ti] AND absent[ti])", True),
    ("NOT", "ketamine[ti] NOT animals[mh:noexp]", True),
    ("NOT twice", "ketamine[ti] NOT absent[ti] NOT humans[mh]", False),
    ("double NOT for animals", "ketamine[ti] NOT (animals[mh] NOT humans[mh])", True),
    ("symbols for operators", "absent[ti] | ketamine[ti] & humans[mh]", True),
    ("tagged terms side by side", "ketamine[ti] cystitis[mh] humans[mh]", True),
    ("short asterisk is dropped", "ket*[tiab]", False),
    ("asterisk drops the proximity", '"ketamine cystitis*"[tiab:~9]', False),
]


@pytest.mark.parametrize(
    ("query", "found"), [case[1:] for case in MATCHES], ids=[case[0] for case in MATCHES]
)
def test_a_query_finds_what_pubmed_would(query: str, found: bool) -> None:
    assert matches(parse(query), FULL) is found


@pytest.mark.parametrize(
    ("query", "found"), [case[1:] for case in MATCHES], ids=[case[0] for case in MATCHES]
)
def test_the_normal_form_means_the_same(query: str, found: bool) -> None:
    assert matches(parse(str(parse(query))), FULL) is found


@pytest.mark.parametrize(
    "query",
    [
        *('"10⁶ cells"[tiab]', "106[tiab]", '"10(6) cells"[tiab]', '"10 6 cells"[tiab]', "10^6[tiab]"),
        *(
            "H2O[ti]",
            "H₂O[ti]",
            '"H(2)O"[ti]',
            "ca2*[tiab]",
            "GABA[tiab]",
            "GABAA[tiab]",
            '"GABA A receptor"[tiab]',
        ),
        *("PM2.5[ot]", '"co2 laser"[ti]', '"PM_(2.5)"[ot]'),
    ],
)
def test_what_is_raised_or_lowered_is_found_in_every_form(query: str) -> None:
    article = Article(
        pmid=Pmid(1),
        title=Text("H₂O and CO₂ laser", ""),
        abstract=(AbstractSection(None, None, Text("10⁶ cells, Ca²⁺ and a GABA_(A) receptor.", "")),),
        keywords=(Keyword("PM_(2.5)", None, False),),
    )
    assert matches(parse(query), article)


def test_an_article_without_anything_is_found_by_nothing_and_breaks_nothing() -> None:
    index = Index(article())
    for table in (WORDS, VALUES, NAMES):
        for key in table:
            assert not matches(parse(f"absent[{key}]"), index), key
    for key in DATES:
        assert not matches(parse(f"1000:3000[{key}]"), index), key


def test_every_field_can_be_judged_or_is_refused() -> None:
    for key, field in fields().items():
        tables = {
            "words": WORDS,
            "values": VALUES,
            "names": NAMES,
            "date": DATES,
            "uid": {"uid"},
            "filter": {"filter"},
        }
        assert (key in tables[field.kind]) is field.offline, key


def test_a_book_is_found_by_its_own_title_and_publisher() -> None:
    book = article(
        kind="book",
        book=Book(title=text("GeneReviews"), publisher="University of Washington", isbns=("978",)),
    )
    for query in ("genereviews[ti]", "genereviews[book]", "washington[pubn]", "978[isbn]"):
        assert matches(parse(query), book), query


def test_a_systematic_review_is_found_by_its_filter() -> None:
    review = article(publication_types=(PublicationType("Systematic Review", None),))
    titled = article(title=text("Ketamine: a systematic review"), status="Publisher")
    protocol = article(title=text("Ketamine: a systematic review protocol"), status="Publisher")
    assert [matches(parse("systematic[sb]"), each) for each in (review, titled, protocol)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("analgesics[pa]", "only in PubMed"),
        ("free full text[sb]", "only in PubMed"),
        ('"last 30 days"[dp]', "today"),
        ('"a b c d e f g h i"[ti:~99]', "more than 8 words"),
        ("a[ti] AND (b[ti] OR loall[filter])", "loall"),
    ],
)
def test_what_only_pubmed_can_judge_is_refused_not_taken_as_no_match(query: str, says: str) -> None:
    with pytest.raises(UnsupportedQuery, match=says):
        matches(parse(query), FULL)
    assert [finding.code for finding in lint(query) if finding.code != "Q016"] == ["Q019"]


def test_a_tree_of_ones_own_explodes_as_it_says() -> None:
    tree = load_tree({"descriptors": {"Roads": {"Zebra Crossings": None}}})
    assert matches(parse("roads[mh]"), FULL, tree)
    assert not matches(parse("roads[mh]"), FULL)
    assert default_tree().knows("CYSTITIS") and not default_tree().knows("roads")


def test_unknown_headings_are_named_once() -> None:
    node = parse("roads[mh] OR roads/ae[majr] OR cystitis[mh] OR dogs*[mh] OR roads[tiab]")
    assert unknown_headings(node) == ["roads"]


NORMAL_FORMS = [
    ("MLH1[tiab] AND G67E[tiab]", '("MLH1"[Title/Abstract] AND "G67E"[Title/Abstract])'),
    ("cogniti*[tiab]", "cogniti*[Title/Abstract]"),
    ('"executive function*"[tiab]', '"executive function*"[Title/Abstract]'),
    ("depressive disorder[mh:noexp]", '"depressive disorder"[MeSH Terms:noexp]'),
    ("2020[dp]", "2020/01/01:2020/12/31[Date - Publication]"),
    ("2020/2:2021[crdt]", "2020/02/01:2021/12/31[Date - Create]"),
    ("1:20000000[uid]", "1:20000000[UID]"),
    ("a b", '("a"[All Fields] AND "b"[All Fields])'),
    ("smith j[au]", "smith j[Author]"),
    ('"smith j"[au]', '"smith j"[Author]'),
    ('"a b"[ti:~3]', '"a b"[Title:~3]'),
    ("a[ti] OR b[ti] OR c[ti]", '("a"[Title] OR "b"[Title] OR "c"[Title])'),
    ("a[ti] AND b[ti] OR c[ti]", '(("a"[Title] AND "b"[Title]) OR "c"[Title])'),
    ("((a[ti]))", '"a"[Title]'),
]


@pytest.mark.parametrize(("query", "normal"), NORMAL_FORMS)
def test_the_normal_form_is_written_as_ncbi_writes_a_translation(query: str, normal: str) -> None:
    assert str(parse(query)) == normal


# (name, query, [(code, the part of the query that it points at)])
FINDINGS: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("clean", '(ketamine[mh] OR "s-ketamine"[tiab]) AND depress*[tiab] NOT rats[mh]', []),
    ("never closed", "(ketamine[ti]", [("Q001", "(")]),
    ("never opened", "ketamine[ti])", [("Q001", ")")]),
    ("lost quotation mark", '"ketamine[ti]', [("Q002", '"')]),
    ("lost before another phrase", '"ketamine[ti] OR "esketamine"[ti]', [("Q002", '"')]),
    ("two lost ones", '"ketamine[ti] OR "esketamine[ti]', [("Q002", '"'), ("Q002", '"')]),
    ("lost at the beginning", 'ketamine"[ti] OR "esketamine"[ti]', [("Q002", '"')]),
    ("lost to the end", '(ketamine[ti] OR "bladder pain) AND cystitis[ti]', [("Q002", '"')]),
    ("a bracket within a phrase", '"[3H] ketamine binding"[ti]', []),
    ("unknown tag", "ketamine[tiba]", [("Q003", "[tiba]")]),
    ("unknown tag leaves the rest alone", "a[xx] AND b[ti]", [("Q003", "[xx]")]),
    ("tag for a group", "(a[ti] OR b[ti])[tiab]", [("Q004", "[tiab]")]),
    ("lost bracket", "ketamine[ti", [("Q016", "ketamine[ti"), ("Q004", "[")]),
    ("empty parentheses", "a[ti] OR ( )", [("Q005", "( )")]),
    ("nothing but signs", '"--"[ti]', [("Q005", '"--"[ti]')]),
    ("empty", "", [("Q005", "")]),
    ("doubled operator", "a[ti] AND OR b[ti]", [("Q006", "OR")]),
    ("AND NOT", "a[ti] AND NOT b[ti]", [("Q006", "NOT")]),
    ("operator first", "AND a[ti]", [("Q006", "AND")]),
    ("operator last", "a[ti] OR", [("Q006", "OR")]),
    ("operator last in a group", "(a[ti] OR) AND b[ti]", [("Q006", "OR")]),
    ("mixed", "a[ti] OR b[ti] AND c[ti]", [("Q007", "AND")]),
    ("mixed in a group", "x[ti] AND (a[ti] AND b[ti] OR c[ti])", [("Q007", "OR")]),
    ("an unwritten AND is missing, not mixed", "a[ti] OR b[ti] c[ti]", [("Q022", "c")]),
    ("two terms side by side", '"ketamine"[tiab] "cystitis"[tiab]', [("Q022", '"cystitis"')]),
    ("two groups side by side", "(a[ti])(b[ti])", [("Q022", "(")]),
    ("a date side by side", "a[ti] 2020:2021[dp]", [("Q022", "2020:2021[dp]")]),
    ("an operator without spaces", "a[tiab]OR b[tiab]", [("Q022", "OR")]),
    ("an operator at a quotation mark", 'ab[tiab] OR"bladder"[ti]', [("Q022", "OR")]),
    ("an operator within a word", "a[tiab]ORbladder[tiab]", [("Q022", "OR")]),
    ("mixed beside a missing one", "a[ti] OR b[ti] c[ti] AND d[ti]", [("Q022", "c"), ("Q007", "AND")]),
    ("mixed with NOT", "a[ti] OR b[ti] NOT c[ti]", [("Q007", "NOT")]),
    ("AND and NOT do not mix", "a[ti] AND b[ti] NOT c[ti]", []),
    ("small or", "a[ti] or b[ti]", [("Q008", "or")]),
    (
        "small or before a heading",
        "cystitis[mh] or ketamine[mh]",
        [("Q008", "or"), ("Q017", "or ketamine[mh]")],
    ),
    (
        "small and between two headings",
        "ketamine and cystitis[mh]",
        [("Q017", "ketamine and cystitis[mh]"), ("Q008", "and")],
    ),
    ("small and in words", "wear and tear[ti]", [("Q008", "and")]),
    (
        "small and in a heading",
        "wit and humor as topic[MeSH Terms]",
        [("Q017", "wit and humor as topic[MeSH Terms]")],
    ),
    ("the same with a comma", "aged, 80 and over[mh]", [("Q017", "aged, 80 and over[mh]")]),
    ("small and in a quoted phrase is a word", '"wear and tear"[ti]', [("Q029", '"wear and tear"')]),
    ("a stopword in a phrase", '"quality of life"[tiab]', [("Q029", '"quality of life"')]),
    ("curly quotes", "\u201cketamine use\u201d[ti]", [("Q009", "\u201c"), ("Q009", "\u201d")]),
    ("curly single quotes", "\u2018ketamine\u2019[ti]", [("Q009", "\u2018"), ("Q009", "\u2019")]),
    ("curly apostrophe", "hunner\u2019s[ti]", [("Q009", "\u2019")]),
    ("minus", "treatment\u2212resistant[ti]", [("Q010", "\u2212")]),
    ("zero-width space", "ketamine\u200b[ti]", [("Q025", "\u200b")]),
    ("soft hyphen", '"keta\u00admine"[ti]', [("Q025", "\u00ad")]),
    ("byte order mark in between", "a[ti] OR \ufeffb[ti]", [("Q025", "\ufeff")]),
    ("turned text", "keta\u202emine[ti]", [("Q025", "\u202e")]),
    ("no-break space", "bladder\u00a0pain[ti]", [("Q026", "\u00a0")]),
    ("thin space between terms", "a[ti]\u2009OR b[ti]", [("Q026", "\u2009")]),
    ("Cyrillic letter", "k\u0435tamine[ti]", [("Q027", "\u0435")]),
    ("Greek letter like a Latin one", "\u039aetamine[ti]", [("Q027", "\u039a")]),
    ("Greek letters in names", "TNF\u03b1[ti] OR NF\u03baB[ti] OR \u03b2-endorphin[ti] OR \u03bcg[ti]", []),
    ("another alphabet", "\u043a\u0435\u0442\u0430\u043c\u0438\u043d[tt]", []),
    ("letters with marks", "na\u00efve[ti] OR Nu\u00f1ez[au] OR e\u0301tude[ti]", []),
    ("ligature", "\ufb01brosis[ti]", [("Q028", "\ufb01")]),
    ("wide letter", "\uff4betamine[ti]", [("Q028", "\uff4b")]),
    ("Ovid's nearness", "ketamine[ti] adj3 bladder[ti]", [("Q021", "adj3")]),
    ("Cochrane's nearness", "ketamine[tiab] NEAR/3 bladder[tiab]", [("Q021", "NEAR/3")]),
    ("in a phrase", '"ketamine NEAR/3 bladder"[tiab]', [("Q021", "NEAR/3")]),
    ("Web of Science's, without tags before it", "ketamine W/2 bladder[tiab]", [("Q021", "W/2")]),
    ("PRE", "ketamine[ti] PRE/2 bladder[ti]", [("Q021", "PRE/2")]),
    ("bare NEAR", "ketamine[ti] NEAR bladder[ti]", [("Q021", "NEAR")]),
    ("XOR", "ketamine[ti] XOR bladder[ti]", [("Q021", "XOR")]),
    ("near as a word", '"near infrared spectroscopy"[ti] OR near infrared[ti]', []),
    ("a question mark within", "behavio?r[tiab]", [("Q023", "?")]),
    ("a dollar sign", "depress$[tiab]", [("Q023", "$")]),
    ("a hash within", "wom#n[tiab]", [("Q023", "#")]),
    ("a wildcard in a phrase", '"wom?n health"[tiab]', [("Q023", "?")]),
    ("lines by number", "#1 AND #2", [("Q024", "#1"), ("Q024", "#2")]),
    ("a range that ends before it begins", "2024:2020[dp]", [("Q015", "2024:2020[dp]")]),
    ("the same of PMIDs", "20:3[uid]", [("Q015", "20:3[uid]")]),
    ("one day", "2024/02/03:2024/02/03[dp]", []),
    ("the last year", '"last year"[dp]', [("Q019", '"last year"[dp]')]),
    ("the last five years", '"last 5 years"[dp]', [("Q019", '"last 5 years"[dp]')]),
    ("the last days by entry", '"last 30 days"[edat]', [("Q019", '"last 30 days"[edat]')]),
    ("dash", "treatment\u2013resistant[ti]", [("Q010", "\u2013")]),
    ("early asterisk", "ket*[ti]", [("Q011", "*")]),
    ("early asterisk in the last word", '"ketamine tox*"[ti]', [("Q011", "*")]),
    ("leading asterisk", "*ketamine[ti]", [("Q012", "*")]),
    ("inner asterisk", "colo*r[ti]", [("Q012", "*")]),
    ("asterisk in the first word", '"depress* disorder"[ti]', [("Q012", "*")]),
    ("asterisk in proximity", '"depress* ketamine"[ti:~2]', [("Q013", "*")]),
    ("proximity in the wrong field", '"a b"[mh:~2]', [("Q014", '"a b"[mh:~2]')]),
    ("proximity without quotes", "a b[ti:~2]", [("Q014", "a b[ti:~2]")]),
    ("proximity of one word", '"a"[ti:~2]', [("Q014", '"a"[ti:~2]')]),
    ("noexp in the wrong field", "a[ti:noexp]", [("Q015", "a[ti:noexp]")]),
    ("unknown modifier", "ketamine[mh:exp]", [("Q015", "ketamine[mh:exp]")]),
    ("not a date", "2020-01-01[dp]", [("Q015", "2020-01-01[dp]")]),
    ("month 13", "2020/13[dp]", [("Q015", "2020/13[dp]")]),
    ("not a PMID", "NCT1[uid]", [("Q015", "NCT1[uid]")]),
    ("range in the wrong field", "1:5[vi]", [("Q015", "1:5[vi]")]),
    ("range over two fields", "2019[dp]:2020[crdt]", [("Q015", "2019[dp]:2020[crdt]")]),
    ("no tag", "ketamine AND a[ti]", [("Q016", "ketamine")]),
    ("unknown heading", "roads[mh]", [("Q017", "roads[mh]")]),
    ("undocumented field", "a[ab]", [("Q018", "[ab]")]),
    ("nested too deeply", "(a[ti] OR " * 80 + "b[ti]" + ")" * 80, [("Q020", "")]),
]


@pytest.mark.parametrize(
    ("query", "expected"), [case[1:] for case in FINDINGS], ids=[case[0] for case in FINDINGS]
)
def test_a_check_names_the_exact_place(query: str, expected: list[tuple[str, str]]) -> None:
    found = lint(query)
    assert [finding.code for finding in found] == [code for code, _ in expected]
    for finding, (code, part) in zip(found, expected, strict=True):
        if code != "Q020":
            assert query[finding.start : finding.end] == part
        assert finding.message and finding.effect


def test_every_code_has_a_case() -> None:
    tested = {code for _, _, expected in FINDINGS for code, _ in expected} | {"Q019"}
    assert tested == set(codes())


@pytest.mark.parametrize(
    ("query", "expected"), [case[1:] for case in FINDINGS], ids=[case[0] for case in FINDINGS]
)
def test_only_what_cannot_be_read_is_refused(query: str, expected: list[tuple[str, str]]) -> None:
    if any(codes()[code].fatal for code, _ in expected):
        with pytest.raises(QueryError, match=r"character \d+ of the query, Q0"):
            parse(query)
    else:
        parse(query)


def test_an_unknown_tag_comes_with_the_nearest_known_one() -> None:
    assert "[tiab]" in lint("ketamine[tiba]")[0].message
    assert "[mesh terms]" in lint("ketamine[mesh trems]")[0].message


def test_an_unknown_heading_does_not_fail_a_check() -> None:
    assert [finding.fails for finding in lint("roads[mh]")] == [False]


# (name, query, what PubMed dropped, what it broke up, the parts that were not searched for)
LOSSES: list[tuple[str, str, list[str], list[str], list[str | None]]] = [
    ("an OR sibling remains", "a[ti] AND (zzz[ti] OR b[ti])", ["zzz[ti]"], [], []),
    ("a whole block", "a[ti] AND zzz[ti]", ["zzz[ti]"], [], ["zzz[ti]"]),
    ("reported without tag", "a[ti] AND zzz[ti]", ["zzz"], [], ["zzz[ti]"]),
    ("reported in quotes", "a[ti] AND zzz[ti]", ['"ZZZ"'], [], ["zzz[ti]"]),
    ("reported by the long name", "a[ti] AND zzz[ti]", ["zzz[Title]"], [], ["zzz[ti]"]),
    (
        "every one of a block",
        "a[ti] AND (zzz[ti] OR yyy[mh])",
        ["yyy[mh]", "zzz"],
        [],
        ["zzz[ti] OR yyy[mh]"],
    ),
    ("one of an inner AND", "a[ti] OR (b[ti] AND zzz[ti])", ["zzz[ti]"], [], ["zzz[ti]"]),
    ("all of an inner AND beside an OR", "a[ti] OR (yyy[ti] AND zzz[ti])", ["zzz[ti]", "yyy[ti]"], [], []),
    ("behind a NOT", "a[ti] NOT zzz[ti]", ["zzz[ti]"], [], ["zzz[ti]"]),
    ("behind a NOT, beside others", "a[ti] NOT (b[ti] OR zzz[ti])", ["zzz[ti]"], [], []),
    ("before a NOT", "zzz[ti] NOT a[ti]", ["zzz[ti]"], [], ["zzz[ti]"]),
    ("broken up beside others", 'a[ti] AND ("y z"[ti] OR b[ti])', [], ['"y z"[ti]'], []),
    ("broken up as a block", 'a[ti] AND "y z"[ti]', [], ['"y z"[ti]'], ['"y z"[ti]']),
    ("broken up behind a NOT", 'a[ti] NOT ("y z"[ti] OR b[ti])', [], ['"y z"[ti]'], ['"y z"[ti]']),
    ("nothing is left", "zzz[ti]", ["zzz[ti]"], [], ["zzz[ti]"]),
    ("a phrase that is not in the query", "a[ti] OR b[ti]", ["qqq"], [], [None]),
    ("a word of a phrase", "a[ti] AND zzz of x[ti]", ["of"], [], ["zzz of x[ti]"]),
    ("the same word in another field", "zzz[ti] OR (a[ti] AND zzz[mh])", ["zzz[ti]"], [], []),
    ("with its asterisk", "zzzz[ti] AND (zzzz*[ti] OR a[ti])", ["zzzz*[ti]"], [], []),
    ("no tag, in two fields", "zzz[ti] OR (a[ti] AND zzz[mh])", ["zzz"], [], ["zzz[mh]"]),
    ("words without tags", "a zzz", ["zzz"], [], ["zzz"]),
    ("no letter at all", "a[ti] OR b[ti]", ["--"], [], [None]),
]


@pytest.mark.parametrize(
    ("query", "dropped", "broken", "parts"), [case[1:] for case in LOSSES], ids=[case[0] for case in LOSSES]
)
def test_a_dropped_phrase_is_harmless_only_beside_another(
    query: str, dropped: list[str], broken: list[str], parts: list[str | None]
) -> None:
    found = losses(parse(query), dropped, broken)
    assert [loss.part and query[loss.part.start : loss.part.end] for loss in found] == parts
    assert all(loss.phrases for loss in found)


PIECES = st.sampled_from(
    'ketamine depress* "s-ketamine" "a_b" [tiab] [mh] [mh:noexp] [tiab:~3] [au] [dp] [pt] [uid] 2020:2021 2020/02'
    ' 12 ( ) AND OR NOT and * " [ ] : cystitis/ae \u201cx\u201d \u2013 é & | [sb] medline smith j ab*'.split()
)
QUERIES = st.lists(PIECES, max_size=14).map(" ".join)


@given(st.one_of(st.text(max_size=200), QUERIES))
def test_lint_never_raises_and_points_into_the_text(query: str) -> None:
    for finding in lint(query):
        assert 0 <= finding.start <= finding.end <= len(query)


@given(st.one_of(QUERIES, st.text(alphabet='ab*"()[]: AND-ti', max_size=30)))
def test_parsing_the_normal_form_gives_the_same_tree(query: str) -> None:
    try:
        node = parse(query)
    except QueryError:
        return
    assert parse(str(node)) == node
    assert str(parse(str(node))) == str(node)


LONG = [
    "(",
    "a[ti] OR (",
    "a ",
    "a[ti] OR ",
    "a[ti] AND b[ti] OR ",
    "a[xx] ",
    '"a[ti] ',
    '"',
    "a? ",
    "(a[ti]) ",
    "1[",
    "\u200b",
]


@pytest.mark.parametrize("piece", LONG)
def test_a_long_query_costs_as_much_as_its_length(piece: str) -> None:
    """A guard against hanging: what was quadratic took minutes for as many pieces."""
    program = "import sys; from tracker.query import lint; lint(sys.argv[1] * 50_000)"
    subprocess.run([sys.executable, "-c", program, piece], check=True, timeout=60)


def test_spaces_behind_a_number_cost_as_much_as_their_length() -> None:
    program = "from tracker.query import lint; lint('1' + ' ' * 200_000)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
