"""Superscripts, subscripts and formulas in plain text, and words of it marked in the HTML that it was made from."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from tests.helpers_load import record
from tracker.article import Article, Text
from tracker.pubmed.markup import marked, plain_of
from tracker.pubmed.xml import parse_record
from tracker.superscript import forms

MATHML = "http://www.w3.org/1998/Math/MathML"


def title(markup: str) -> Text:
    return article(markup).title


def article(markup: str) -> Article:
    return parse_record(record(1, "TITLE").replace("TITLE", markup).encode())


def formula(inside: str) -> str:
    """In NLM's way: each element with its prefix."""
    prefixed = re.sub(r"<(/?)(\w)", r"<\1mml:\2", inside)
    return f'<mml:math xmlns:mml="{MATHML}">{prefixed}</mml:math>'


@pytest.mark.parametrize(
    ("markup", "plain"),
    [
        ("10<sup>6</sup> cells", "10⁶ cells"),
        ("kg/m<sup>2</sup>", "kg/m²"),
        ("2.4×10<sup>28</sup>", "2.4×10²⁸"),
        ("10<sup>-6</sup>, 10<sup>−6</sup>, 10<sup>–6</sup>", "10⁻⁶, 10⁻⁶, 10⁻⁶"),
        ("H<sub>2</sub>O and CO<sub>2</sub>", "H₂O and CO₂"),
        ("Ca<sup>2+</sup>, Na<sup>+</sup>, SO<sub>4</sub><sup>2-</sup>", "Ca²⁺, Na⁺, SO₄²⁻"),
        ("[<sup>18</sup>F]FDG", "[¹⁸F]FDG"),
        ("PM<sub>2.5</sub>", "PM_(2.5)"),
        ("GABA<sub>A</sub> and 5-HT<sub>2A</sub>", "GABA_(A) and 5-HT_(2A)"),
        ("x<sup>1/2</sup>", "x^(1/2)"),
        ("patients<sup>a</sup> and<sup>1,2</sup>", "patientsᵃ and^(1,2)"),
        ("20<sup>th</sup>", "20ᵗʰ"),
        ("Spravato<sup>®</sup> at 37 <sup>°</sup>C", "Spravato® at 37 °C"),
        ("Ca<sup><b>2</b><i>+</i></sup>", "Ca²⁺"),
        ("<b>m</b><i><sup>2</sup></i>", "m²"),
        ("x<sup>a<sup>2</sup></sup>", "x^(a²)"),
        ("10<sup>10<sup>3</sup></sup>", "10^(10³)"),
        ("x<sub>i<sup>2</sup></sub>", "x_(i²)"),
        ("m<sup>²</sup>", "m²"),
        ("a<sup/>b<sub></sub>c<sup> </sup>d", "abc d"),
        ("x<sup> 2 </sup>y", "x ² y"),
        ("Ca<sup>2 +</sup>", "Ca^(2 +)"),
        ("p<sup>&lt;</sup> &amp; <sub>&gt;0</sub>", "p^(<) & _(>0)"),
        ("𝑁<sup>𝑘</sup> 💊<sup>2</sup>", "𝑁^(𝑘) 💊²"),
        ("a <i> b </i> c", "a b c"),
    ],
)
def test_what_is_raised_or_lowered_stays_so_in_plain_text(markup: str, plain: str) -> None:
    assert title(markup).plain == plain


@pytest.mark.parametrize(
    ("inside", "plain"),
    [
        ("<mn>17</mn><mo>+</mo><mn>29</mn><mi>i</mi>", "17+29i"),
        ("\n  <mrow>\n <mn>17</mn>\n<mo>+</mo> <mn>29</mn>\n<mi>i</mi></mrow>\n", "17+29i"),
        ("<mfrac><mn>1</mn><mn>2</mn></mfrac>", "1/2"),
        ("<mn>3</mn><mfrac><mn>1</mn><mn>2</mn></mfrac><mi>x</mi>", "3 1/2 x"),
        (
            "<mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mrow><mn>2</mn><mi>b</mi></mrow></mfrac>",
            "(a+1)/(2b)",
        ),
        ("<msup><mn>10</mn><mn>6</mn></msup>", "10⁶"),
        ("<msup><mn>10</mn><mrow><mo>−</mo><mn>6</mn></mrow></msup>", "10⁻⁶"),
        ("<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>", "(a+b)²"),
        ("<msup><mrow><mo>(</mo><mi>a</mi><mo>)</mo></mrow><mn>2</mn></msup>", "(a)²"),
        ("<mo>(</mo><mi>a</mi><msup><mo>)</mo><mn>2</mn></msup>", "(a)²"),
        ("<msup><mi>x</mi><mfrac><mn>1</mn><mn>2</mn></mfrac></msup>", "x^(1/2)"),
        ("<msub><mi>H</mi><mn>2</mn></msub><mi>O</mi>", "H₂O"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "xᵢ²"),
        (
            "<mmultiscripts><mi>He</mi><mprescripts/><none/><mn>3</mn></mmultiscripts><mo>/</mo><mi>Xe</mi>",
            "³He/Xe",
        ),
        (
            "<mmultiscripts><mi>C</mi><mn>6</mn><none/><mprescripts/><mn>6</mn><mn>14</mn></mmultiscripts>",
            "₆¹⁴C₆",
        ),
        ("<mfenced><mi>a</mi><mi>b</mi></mfenced>", "(a,b)"),
        ('<mfenced open="[" close="]" separators=";"><mi>a</mi><mi>b</mi><mi>c</mi></mfenced>', "[a;b;c]"),
        ('<mfenced separators=""><mi>a</mi><mi>b</mi></mfenced>', "(ab)"),
        ("<msqrt><mi>n</mi></msqrt>", "√n"),
        ("<msqrt><mi>a</mi><mo>+</mo><mi>b</mi></msqrt>", "√(a+b)"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", "³√x"),
        ("<mover><mi>x</mi><mo>¯</mo></mover>", "x̄"),
        (
            "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>",
            "∑ᵢ₌₁ⁿ",
        ),
        ("<mi>n</mi><mspace/><mi>mg</mi>", "n mg"),
        ("<mi>log</mi><mi>x</mi>", "log x"),
        ("<mn>2</mn><mo>\u2062</mo><mi>x</mi>", "2x"),
        ("<mi>p</mi><mo>&lt;</mo><mn>0.05</mn>", "p<0.05"),
        ("<mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr></mtable>", "1, 2"),
        ("<semantics><mi>x</mi><annotation>x^2 + 1</annotation></semantics>", "x"),
        ("<msup><semantics><mi>a</mi><mi>b</mi></semantics><mn>2</mn></msup>", "ab²"),
        ("<msup><mi>x</mi></msup>", "x"),
        ("<mi>𝒳</mi>", "𝒳"),
        # Content MathML, which says what is meant.
        ('<apply><in/><cn type="complex-cartesian">17<sep/>29</cn><complexes/></apply>', "17+29i∈ℂ"),
        ('<cn type="rational">1<sep/>2</cn>', "1/2"),
        ('<cn type="e-notation">2.4<sep/>28</cn>', "2.4×10²⁸"),
        ("<infinity/>", "∞"),
        ("<apply><plus/><ci>a</ci><apply><times/><cn>2</cn><ci>b</ci></apply></apply>", "a+2×b"),
        ("<apply><times/><apply><plus/><ci>a</ci><ci>b</ci></apply><cn>2</cn></apply>", "(a+b)×2"),
        ("<apply><power/><apply><minus/><ci>x</ci></apply><cn>2</cn></apply>", "(−x)²"),
        ("<apply><divide/><cn>1</cn><cn>2</cn></apply>", "1/2"),
        ("<apply><sin/><ci>x</ci></apply>", "sin(x)"),
        ("<apply><ci>f</ci><ci>x</ci><ci>y</ci></apply>", "f(x,y)"),
        ("<apply><factorial/><ci>n</ci></apply>", "n!"),
        ("<vector><cn> 1 </cn><cn> 2 </cn></vector>", "(1,2)"),
        (
            "<matrix><matrixrow><cn>1</cn><cn>0</cn></matrixrow><matrixrow><cn>0</cn></matrixrow></matrix>",
            "(1, 0; 0)",
        ),
        ("<apply/>", ""),
    ],
)
def test_a_formula_is_read_in_its_order(inside: str, plain: str) -> None:
    assert title(f"The {formula(inside)} of it").plain == f"The {plain} of it".replace("  ", " ")


def test_mathml_without_its_namespace_is_read_as_well() -> None:
    assert title("<math><msup><mi>x</mi><mn>2</mn></msup></math>").plain == "x²"


def test_a_formula_as_deep_as_a_parser_allows_is_read() -> None:
    deep = formula("<msup><mi>x</mi>" * 240 + "<mn>2</mn>" + "</msup>" * 240)
    assert title(deep).plain.startswith("x^(x^(x")


# -- words of the plain text, marked in the HTML -----------------------------------------------------


@pytest.mark.parametrize(
    ("markup", "quote", "html"),
    [
        ("about 10<sup>6</sup> cells", "10⁶ cells", "about <mark>10</mark><sup><mark>6</mark></sup>"
         "<mark> cells</mark>"),
        ("P &lt; 0.05 &amp; more", "< 0", "P <mark>&lt; 0</mark>.05 &amp; more"),
        ("PM<sub>2.5</sub> rose", "(2", "PM<sub><mark>2</mark>.5</sub> rose"),
        ("<i>in</i> vitro", "n vi", "<i>i<mark>n</mark></i><mark> vi</mark>tro"),
        ("a <i> b</i>", "a b", "<mark>a</mark> <i><mark> b</mark></i>"),
        ("it is <math><msup><mi>x</mi><mn>2</mn></msup></math> here", "x",
         "it is <mark><math><msup><mi>x</mi><mn>2</mn></msup></math></mark> here"),
    ],
)  # fmt: skip
def test_words_quoted_from_plain_text_are_marked_in_the_html(markup: str, quote: str, html: str) -> None:
    found = title(markup)
    start = found.plain.index(quote)
    assert marked(found.html, [(start, start + len(quote))]) == html


NAMES = ["i", "b", "sub", "sup", "bold", "script", "span", "math"]
MATH = (
    "mi mn mo mtext mrow msup msub msubsup mfrac msqrt mroot mover munder munderover mfenced mmultiscripts none "
    "mprescripts mphantom mspace mtable mtr mtd semantics annotation menclose "
    "apply plus divide power in root factorial sin cn ci sep infinity matrix matrixrow vector"
).split()
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6) | st.sampled_from(
    [
        "2",
        "+",
        " ",
        "<",
        "&",
        "2+",
        "a b",
        "ketamine",
        "^(2)",
        "&lt;",
        "<mark>",
        "</mark>",
        "</math>",
        "¹",
        "💊",
    ]
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 3) -> Any:
    name = draw(st.sampled_from([*NAMES, *(f"{{{MATHML}}}{name}" for name in ("math", *MATH))]))
    element = etree.Element(name)
    element.text = draw(TEXT)
    if depth:
        for child in draw(st.lists(trees(depth=depth - 1), max_size=3)):
            element.append(child)
            child.tail = draw(TEXT)
    return element


def balanced(html: str) -> bool:
    open_tags: list[str] = []
    for end, tag in re.findall(r"<(/?)(\w+)[^>]*>", html):
        if not end:
            open_tags.append(tag)
        elif not open_tags or open_tags.pop() != tag:
            return False
    return not open_tags


@given(trees(), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=3))
def test_marks_cut_nothing_and_plain_text_is_that_of_the_html(
    tree: Any, spans: list[tuple[int, int]]
) -> None:
    found = title(etree.tostring(tree, encoding="unicode", with_tail=False))
    text, places = plain_of(found.html)
    assert text == found.plain
    assert len(places) == len(text)
    assert list(places) == sorted(places)
    with_marks = marked(found.html, spans)
    assert re.sub("</?mark>", "", with_marks) == found.html
    assert plain_of(with_marks).text == found.plain
    assert balanced(with_marks)
    for inside in re.findall("<mark>(.*?)</mark>", with_marks):
        assert not re.search("<(?!/?m)", inside) or inside.startswith("<math")
        assert re.fullmatch(r"(<math[ >].*</math>|&\w+;|[^<&])+", inside)
    for whole in re.findall("<math[ >].*?</math>", with_marks):
        assert "<mark>" not in whole
    signs = {sign for start, end in spans for sign in text[start:end] if sign.isalpha() and sign.isascii()}
    assert signs <= set(unescape("".join(re.findall("<mark>(.*?)</mark>", with_marks))))


@given(st.lists(st.tuples(TEXT, trees(depth=1)), max_size=3))
@example([("A", etree.fromstring("<i>x<b> </b></i>")), ("", etree.fromstring("<i> y</i>"))])
def test_the_abstract_s_plain_text_is_that_of_its_html(sections: list[tuple[str, Any]]) -> None:
    abstract = etree.Element("Abstract")
    for label, tree in sections:
        section = etree.SubElement(abstract, "AbstractText", Label=label)
        section.append(tree)
    body = record(1, "T", abstract="HERE")
    whole = etree.tostring(abstract, encoding="unicode")
    found = parse_record(re.sub("<Abstract>.*</Abstract>", lambda _: whole, body).encode())
    text, places = plain_of(found.abstract_html)
    assert text == found.abstract_text
    assert len(places) == len(text)


# -- and what a search may call them -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10⁶ cells", ["106 cells", "10 6 cells"]),
        ("PM_(2.5)", ["PM2.5", "PM 2.5"]),
        ("GABA_(A) receptors", ["GABAA receptors", "GABA A receptors"]),
        ("C(2)B(10)", ["C2B10", "C 2 B 10"]),
        ("10^6 and CO_2", ["106 and CO2", "10 6 and CO 2"]),
        ("patients (12) and f(x)", ["patients (12) and f(x)"]),
        ("nothing", ["nothing"]),
    ],
)
def test_a_text_is_searched_for_in_these_forms(text: str, expected: list[str]) -> None:
    assert [" ".join(form.text.split()) for form in forms(text)] == expected


@given(st.text() | st.lists(st.sampled_from([*"a2^()_ ⁶₂", "^(", "_(x)", "(2+)"])).map("".join))
def test_each_character_of_a_form_has_its_place(text: str) -> None:
    for form in forms(text):
        assert len(form.text) == len(form.places)
        assert list(form.places) == sorted(form.places)
        assert all(0 <= place <= len(text) for place in form.places)
