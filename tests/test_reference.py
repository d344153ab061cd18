"""One citation in words, as a reader copies it from an article's page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median

import bibtexparser
import pytest

from tests.conftest import FIXTURES, Desk
from tests.test_cite import HOSTILE_TEXTS, hostile
from tracker.article import Pmid
from tracker.citation import Citation, CitedAuthor, CitedBook
from tracker.evidence import connect, schema
from tracker.export import reference
from tracker.export.reference import Reference, references
from tracker.lists import citations as store

ARTICLE = Citation(
    pmid=Pmid(90000001),
    title="Ketamine for depression: a trial.",
    authors=(
        CitedAuthor("Smith", "John A", "JA", "Jr"),
        CitedAuthor("de la Cruz-Núñez", "Ana", "A"),
        CitedAuthor("Sartre", "Jean-Paul", "JP"),
    ),
    journal="Journal of imagined psychiatry : official journal of nobody",
    iso_abbreviation="J Imag Psychiatry",
    volume="12",
    issue="3",
    pages="612-20",
    published="2020-03-01",
    doi="10.5555/et.1",
    pmcid="PMC1",
    languages=("eng",),
    as_of="2026-01-02T00:00:00Z",
)
CHAPTER = Citation(
    pmid=Pmid(90000002),
    kind="book",
    title="Ketamine toxicity",
    authors=(CitedAuthor("Brandt", "Jonas", "J"), CitedAuthor("Novák", "Petra", "P", role="editor")),
    book=CitedBook("ExamplePearls", "ExamplePearls Publishing", "Sampletown (UT)", "2nd"),
    published="2023-01",
    pages="1-9",
)
BOOK = replace(CHAPTER, title="ExamplePearls", pages=None)
GROUP = CitedAuthor(group="Pain and Mood Group")
BARE = Citation(pmid=Pmid(90000003), title="Ketamine for depression.")
EDITORS = tuple(CitedAuthor(name, None, "P", role="editor") for name in ("Novák", "Olsen"))


def people(count: int) -> tuple[CitedAuthor, ...]:
    return tuple(CitedAuthor(f"Name{n}", "Ana Berta", "AB") for n in range(1, count + 1))


def named(count: int) -> str:
    return ", ".join(f"Name{n}, A. B." for n in range(1, count + 1))


# What a case is of, the citation, and the whole of Vancouver and of APA.
CASES = {
    "an article": (
        ARTICLE,
        "Smith JA Jr, de la Cruz-Núñez A, Sartre JP. Ketamine for depression: a trial. J Imag Psychiatry. "
        "2020 Mar 1;12(3):612-20. doi:10.5555/et.1 PubMed PMID: 90000001; PubMed Central PMCID: PMC1.",
        "Smith, J. A., Jr., de la Cruz-Núñez, A., & Sartre, J.-P. (2020). Ketamine for depression: a trial. "
        "Journal of Imagined Psychiatry, 12(3), 612–620. https://doi.org/10.5555/et.1",
    ),
    "a retracted article": (
        replace(ARTICLE, authors=people(1), retracted=True, corrected=True),
        "Name1 AB. RETRACTED: Ketamine for depression: a trial. J Imag Psychiatry. 2020 Mar 1;12(3):612-20. "
        "doi:10.5555/et.1 PubMed PMID: 90000001; PubMed Central PMCID: PMC1. [CORRECTED]",
        "Name1, A. B. (2020). RETRACTED: Ketamine for depression: a trial. Journal of Imagined Psychiatry, "
        "12(3), 612–620. https://doi.org/10.5555/et.1 [CORRECTED]",
    ),
    "a retracted article whose title says it otherwise": (
        replace(BARE, title="WITHDRAWN: A trial.", retracted=True),
        "WITHDRAWN: A trial. PubMed PMID: 90000003. [RETRACTED]",
        "WITHDRAWN: A trial. (n.d.). [RETRACTED]",
    ),
    "a concern, and a title with a word of it": (
        replace(BARE, title="RETRACTED: not this one.", expression_of_concern=True, gone="2026-01-02"),
        "RETRACTED: not this one. PubMed PMID: 90000003. "
        "[EXPRESSION OF CONCERN; GONE: no longer in PubMed since 2026-01-02]",
        "RETRACTED: not this one. (n.d.). "
        "[EXPRESSION OF CONCERN; GONE: no longer in PubMed since 2026-01-02]",
    ),
    "a starter citation": (
        replace(BARE, title="[A trial.]", published="2025", doi="10.5555/et.3", starter=True),
        "[A trial]. 2025. doi:10.5555/et.3 PubMed PMID: 90000003. "
        "[STARTER CITATION, not a search result: whether it was retracted is not known]",
        "[A trial]. (2025). https://doi.org/10.5555/et.3 "
        "[STARTER CITATION, not a search result: whether it was retracted is not known]",
    ),
    "a group": (
        replace(BARE, authors=(GROUP,), published="2020-03"),
        "Pain and Mood Group. Ketamine for depression. 2020 Mar. PubMed PMID: 90000003.",
        "Pain and Mood Group. (2020). Ketamine for depression.",
    ),
    "groups among people": (
        replace(BARE, authors=(*people(2), GROUP, CitedAuthor("Plato"), CitedAuthor(group="Acme Inc."))),
        "Name1 AB, Name2 AB; Pain and Mood Group; Plato; Acme Inc. Ketamine for depression. "
        "PubMed PMID: 90000003.",
        "Name1, A. B., Name2, A. B., Pain and Mood Group, Plato, & Acme Inc. (n.d.). "
        "Ketamine for depression.",
    ),
    "a chapter": (
        CHAPTER,
        "Brandt J. Ketamine toxicity. In: Novák P, editor. ExamplePearls. 2nd ed. Sampletown (UT): "
        "ExamplePearls Publishing; 2023. p. 1-9. PubMed PMID: 90000002.",
        "Brandt, J. (2023). Ketamine toxicity. In P. Novák (Ed.), ExamplePearls (2nd ed., pp. 1–9). "
        "ExamplePearls Publishing.",
    ),
    "a chapter without authors": (
        replace(CHAPTER, authors=EDITORS),
        "Ketamine toxicity. In: Novák P, Olsen P, editors. ExamplePearls. 2nd ed. Sampletown (UT): "
        "ExamplePearls Publishing; 2023. p. 1-9. PubMed PMID: 90000002.",
        "Ketamine toxicity. (2023). In P. Novák & P. Olsen (Eds.), ExamplePearls (2nd ed., pp. 1–9). "
        "ExamplePearls Publishing.",
    ),
    "a book": (
        BOOK,
        "Brandt J. ExamplePearls. 2nd ed. Novák P, editor. Sampletown (UT): ExamplePearls Publishing; 2023. "
        "PubMed PMID: 90000002.",
        "Brandt, J. (2023). ExamplePearls (P. Novák, Ed.; 2nd ed.). ExamplePearls Publishing.",
    ),
    "a book with editors only": (
        replace(BOOK, authors=EDITORS),
        "Novák P, Olsen P, editors. ExamplePearls. 2nd ed. Sampletown (UT): ExamplePearls Publishing; 2023. "
        "PubMed PMID: 90000002.",
        "Novák, P., & Olsen, P. (Eds.). (2023). ExamplePearls (2nd ed.). ExamplePearls Publishing.",
    ),
    "neither a date nor authors": (
        replace(ARTICLE, authors=(), published=None, doi=None, pmcid=None),
        "Ketamine for depression: a trial. J Imag Psychiatry. 12(3):612-20. PubMed PMID: 90000001.",
        "Ketamine for depression: a trial. (n.d.). Journal of Imagined Psychiatry, 12(3), 612–620.",
    ),
    "nothing but a PMID": (
        replace(BARE, title=""),
        "[no title]. PubMed PMID: 90000003.",
        "[no title]. (n.d.).",
    ),
    "a title of a space": (
        replace(BARE, title=" \n"),
        "[no title]. PubMed PMID: 90000003.",
        "[no title]. (n.d.).",
    ),
    "a question, and a title that trails off": (
        replace(
            BARE, title="Does it work?", authors=people(1), journal="And now...", iso_abbreviation="Now..."
        ),
        "Name1 AB. Does it work? Now. PubMed PMID: 90000003.",
        "Name1, A. B. (n.d.). Does it work? And Now...",
    ),
    "a journal that is not English": (
        replace(BARE, journal="Der Nervenarzt der anderen", languages=("ger",), pages="e12", volume="5"),
        "Ketamine for depression. Der Nervenarzt der anderen. 5:e12. PubMed PMID: 90000003.",
        "Ketamine for depression. (n.d.). Der Nervenarzt der anderen, 5, e12.",
    ),
    "six authors": (
        replace(BARE, authors=people(6)),
        "Name1 AB, Name2 AB, Name3 AB, Name4 AB, Name5 AB, Name6 AB. Ketamine for depression. "
        "PubMed PMID: 90000003.",
        f"{named(5)}, & Name6, A. B. (n.d.). Ketamine for depression.",
    ),
    "seven authors": (
        replace(BARE, authors=people(7)),
        "Name1 AB, Name2 AB, Name3 AB, Name4 AB, Name5 AB, Name6 AB, et al. Ketamine for depression. "
        "PubMed PMID: 90000003.",
        f"{named(6)}, & Name7, A. B. (n.d.). Ketamine for depression.",
    ),
    "three hundred authors": (
        replace(BARE, authors=people(300)),
        "Name1 AB, Name2 AB, Name3 AB, Name4 AB, Name5 AB, Name6 AB, et al. Ketamine for depression. "
        "PubMed PMID: 90000003.",
        f"{named(19)}, … Name300, A. B. (n.d.). Ketamine for depression.",
    ),
    "names that are not as usual": (
        replace(
            BARE,
            authors=(
                CitedAuthor("Iyer", None, "ABC", "3rd"),
                CitedAuthor("Haddad", "سعيد"),
                CitedAuthor("Rossi", "Carla Maria"),
                CitedAuthor("Cruz", "Maria da", "MD"),
                CitedAuthor(" ", "", None),
            ),
        ),
        "Iyer ABC 3rd, Haddad سعيد, Rossi CM, Cruz MD. Ketamine for depression. PubMed PMID: 90000003.",
        "Iyer, A. B. C., III, Haddad, سعيد, Rossi, C. M., & Cruz, M. D. (n.d.). Ketamine for depression.",
    ),
    "markup, entities, TeX and lines in a title": (
        replace(BARE, title='<script>"x"</script> <i>a</i> &amp; &lt;\\b {c\n<span class="nocase">D</span>.'),
        '<script>"x"</script> <i>a</i> &amp; &lt;\\b {c <span class="nocase">D</span>. '
        "PubMed PMID: 90000003.",
        '<script>"x"</script> <i>a</i> &amp; &lt;\\b {c <span class="nocase">D</span>. (n.d.).',
    ),
    "text that runs the other way": (
        replace(
            BARE,
            title="a \u202eb\u202c \u2066c\u2069 נִסּוּי.",
            authors=(CitedAuthor("\u202bIyer", "A", "A"),),
        ),
        "Iyer A. a b c נִסּוּי. PubMed PMID: 90000003.",
        "Iyer, A. (n.d.). a b c נִסּוּי.",
    ),
}


def written(citation: Citation) -> dict[str, str]:
    return {found.style: found.text for found in references(citation)}


@pytest.mark.parametrize("case", CASES)
def test_a_reference_is_as_nlm_and_apa_write_it(case: str) -> None:
    citation, vancouver, apa = CASES[case]
    found = written(citation)
    assert found["vancouver"] == vancouver
    assert found["apa"] == apa


def test_the_styles_and_their_names() -> None:
    assert [found[:2] for found in references(ARTICLE)] == [
        ("vancouver", "Vancouver"),
        ("apa", "APA"),
        ("bibtex", "BibTeX"),
    ]
    assert all(isinstance(found, Reference) for found in references(ARTICLE))


def test_bibtex_is_the_entry_of_the_export() -> None:
    (entry,) = bibtexparser.parse_string(written(ARTICLE)["bibtex"]).entries
    assert (entry.key, entry.entry_type) == ("pmid90000001", "article")
    assert entry["title"] == "{Ketamine for depression: a trial}"
    assert written(ARTICLE)["bibtex"].endswith("\n}")


@pytest.mark.parametrize(
    "flag", ["retracted", "expression_of_concern", "corrected", "updated", "is_notice", "starter"]
)
@pytest.mark.parametrize("citation", [ARTICLE, CHAPTER, BARE, replace(BARE, title="")])
def test_what_stands_against_a_paper_is_in_every_style(citation: Citation, flag: str) -> None:
    citation = replace(citation, **{flag: True})
    for found in references(citation):
        assert citation.standing[0] in found.text, found.style


# -- hostile text ------------------------------------------------------------------------------


@pytest.fixture
def _citeproc_must_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_hand(citation: Citation) -> str:
        raise AssertionError(f"citeproc failed on {citation.pmid}")

    monkeypatch.setattr(reference, "_by_hand", by_hand)


@pytest.mark.usefixtures("_citeproc_must_do")
@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: repr(text[:20]))
def test_hostile_text_stays_text_on_one_line(text: str) -> None:
    found = written(hostile(text))
    for style in ("vancouver", "apa"):
        assert len(found[style].splitlines()) == 1
        assert found[style] == " ".join(found[style].split())
        assert "RETRACTED" in found[style]
    assert len(bibtexparser.parse_string(found["bibtex"]).entries) == 1
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff\x00-\x09\x0b-\x1f]", "".join(found.values())
    )


@pytest.mark.usefixtures("_citeproc_must_do")
@pytest.mark.parametrize("word", ["x", "x. ", "?.", "{<&", "\u202e(", "- "])
def test_a_title_of_a_megabyte_is_written_in_full(word: str) -> None:
    title = word * (1_000_000 // len(word))
    for found in references(replace(ARTICLE, title=title, retracted=True)):
        assert len(found.text) > 400_000
        assert "RETRACTED: " in found.text


@pytest.fixture
def _citeproc_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(style: str) -> None:
        raise RuntimeError(style)

    monkeypatch.setattr(reference, "_style", fail)


@pytest.mark.usefixtures("_citeproc_fails")
@pytest.mark.parametrize("case", CASES)
def test_what_citeproc_cannot_write_is_written_all_the_same(case: str) -> None:
    citation = CASES[case][0]
    found = written(citation)
    for style in ("vancouver", "apa"):
        assert f"PubMed PMID: {citation.pmid}." in found[style]
        assert all(words in found[style] for words in citation.standing)
        assert len(found[style].splitlines()) == 1


@pytest.mark.usefixtures("_citeproc_fails")
def test_what_is_written_by_hand() -> None:
    assert written(replace(ARTICLE, authors=people(7), retracted=True))["apa"] == (
        "Name1 AB, Name2 AB, Name3 AB, Name4 AB, Name5 AB, Name6 AB, et al. RETRACTED: Ketamine for "
        "depression: a trial. J Imag Psychiatry. 2020-03-01. 12:612-20. "
        "doi:10.5555/et.1. PubMed PMID: 90000001."
    )


@pytest.mark.usefixtures("_citeproc_must_do")
def test_every_stored_article_has_its_references(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "http://127.0.0.1:9/")
    files = sorted(str(path) for path in (FIXTURES / "pubmed").glob("*.xml"))
    assert desk.run("load", "--match", "all", *files).code == 0
    with closing(connect.open_for_reading(desk.db, schema.migrations)) as db:
        everything = list(store.of_articles(db, [Pmid(pmid) for pmid in sorted(desk.stored())]))
    assert len(everything) > 60
    for citation in everything:
        for found in references(citation):
            assert all(words in found.text for words in citation.standing), (citation.pmid, found.style)
        found = written(citation)
        assert f"PMID: {citation.pmid}" in found["vancouver"]
        if "<" not in citation.title:
            assert not re.search(r"[^.]\.\.(?!\.)|\?\.|  |,,|\(\)|[;:,]\.", found["vancouver"] + found["apa"])


# -- time and threads --------------------------------------------------------------------------


def test_threads_do_not_disturb_one_another() -> None:
    jobs = [case[0] for case in CASES.values()] * 4
    expected = [references(citation) for citation in jobs]
    reference._style.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(references, jobs)) == expected


def test_a_style_does_not_grow() -> None:
    def size() -> int:
        return sum(
            len(list(reference._style(style).root.iter())) for style in (reference.VANCOUVER, reference.APA)
        )

    references(ARTICLE)
    before = size()
    for citation, *_ in CASES.values():
        references(citation)
    assert size() == before


def test_the_order_of_references_does_not_matter() -> None:
    citations = [case[0] for case in CASES.values()]
    forwards = [references(citation) for citation in citations]
    assert [references(citation) for citation in reversed(citations)] == forwards[::-1]


def test_references_are_ready_before_anybody_waits() -> None:
    """5 ms on a quiet core; the bound leaves room for a machine that does other things as well."""
    references(ARTICLE)
    assert median(_duration(lambda: references(ARTICLE)) for _ in range(50)) < 0.03


def _duration(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start
