"""A stream of PubMed XML is cut into records as NLM wrote them, or refused with one clear sentence."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tracker.errors import RecordError, UnusableInput
from tracker.pubmed import records
from tracker.pubmed.records import RawRecord, open_file, split
from tracker.pubmed.xml import parse_record

FIXTURES = Path(__file__).parent / "fixtures/pubmed"
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC "a" "https://b.example/c.dtd">\n'


def article(pmid: int, title: str = "T") -> str:
    return (
        f'<PubmedArticle><MedlineCitation><PMID Version="1">{pmid}</PMID>'
        f"<Article><ArticleTitle>{title}</ArticleTitle></Article></MedlineCitation></PubmedArticle>"
    )


def book(pmid: int) -> str:
    return f"<PubmedBookArticle><BookDocument><PMID>{pmid}</PMID></BookDocument></PubmedBookArticle>"


def document(*parts: str, head: str = HEAD) -> str:
    return f"{head}<PubmedArticleSet>{''.join(parts)}</PubmedArticleSet>\n"


def read(data: bytes | str) -> list[RawRecord]:
    return list(split(io.BytesIO(data.encode() if isinstance(data, str) else data), "given.xml"))


def pmids(data: bytes | str) -> list[int | None]:
    return [raw.pmid for raw in read(data)]


# -- what is read ----------------------------------------------------------------------------------

ONE = article(1, "Naïve “quotes”")
SHAPES = {
    "as NLM writes it": document(ONE),
    "without a head": document(ONE, head=""),
    "with a byte order mark": ("\ufeff" + document(ONE)).encode(),
    "UTF-16 with a byte order mark": document(ONE, head='<?xml version="1.0" encoding="utf-16"?>').encode(
        "utf-16"
    ),
    "UTF-16, big end first": (
        b"\xfe\xff" + document(ONE, head='<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16-be")
    ),
    "Windows-1252, as declared": document(ONE, head="<?xml version='1.0' encoding='windows-1252'?>").encode(
        "cp1252"
    ),
    "comments and instructions between records": document("<!-- a > b -->", ONE, "<?keep me?>\n\t"),
    "a set with attributes": f'<PubmedArticleSet version="2">{ONE}</PubmedArticleSet>',
    "white space in the end tags": f"<PubmedArticleSet>{ONE}</PubmedArticleSet\n>",
    "the one root of a file": ONE,
    "the one root of a file, with a head": HEAD.replace("ArticleSet", "Article") + ONE + "\n",
    "a set of books": f"<PubmedBookArticleSet>{ONE}</PubmedBookArticleSet>",
}


@pytest.mark.parametrize("data", SHAPES.values(), ids=SHAPES)
def test_a_record_is_cut_out_as_utf8(data: bytes | str) -> None:
    (raw,) = read(data)
    assert raw.body.decode() == ONE
    assert parse_record(raw.body).title.plain == "Naïve “quotes”"


def test_latin_1_is_read_as_declared() -> None:
    data = document(article(1, "Café"), head='<?xml version="1.0" encoding="ISO-8859-1"?>').encode("latin-1")
    assert parse_record(read(data)[0].body).title.plain == "Café"


def test_articles_books_and_deletions_come_in_order() -> None:
    deleted = "<DeleteCitation><PMID Version='1'>7</PMID>\n<PMID>8</PMID></DeleteCitation>"
    found = read(document(article(1), book(2), article(3), deleted))
    assert [(raw.pmid, raw.deleted) for raw in found] == [(1, ()), (2, ()), (3, ()), (None, (7, 8))]


def test_an_empty_set_holds_nothing() -> None:
    assert read(document()) == []


def test_namespaces_of_the_set_go_along_with_each_record() -> None:
    inside = article(1, "<mml:math><mml:mi>x</mml:mi></mml:math>")
    data = f'<PubmedArticleSet xmlns:mml="http://www.w3.org/1998/Math/MathML">{inside}</PubmedArticleSet>'
    assert parse_record(read(data)[0].body).title.html == "<math><mi>x</mi></math>"


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.xml")), ids=lambda path: path.stem)
def test_every_fixture_is_cut_as_lxml_cuts_it(path: Path) -> None:
    with open_file(path) as stream:
        cut = [etree.canonicalize(raw.body.decode()) for raw in split(stream)]
    whole = etree.parse(path).getroot()
    assert cut == [etree.canonicalize(etree.tostring(child, with_tail=False).decode()) for child in whole]


def test_gzip_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(gzip.compress(document(article(1), article(2)).encode()))
    with open_file(path) as stream:
        assert [raw.pmid for raw in split(stream)] == [1, 2]


def test_a_bad_record_spoils_no_other() -> None:
    bad = article(2).replace("</Article>", "")
    good = []
    for raw in read(document(article(1), bad, article(3))):
        try:
            good.append(parse_record(raw.body).pmid)
        except RecordError:
            assert raw.pmid == 2
    assert good == [1, 3]


# -- wherever the stream is cut into chunks ----------------------------------------------------------

PARTS = st.sampled_from(
    [
        article(1),
        article(22, "a &lt; b"),
        book(3),
        article(5, "é" * 9),
        "<DeleteCitation><PMID>4</PMID></DeleteCitation>",
        "<!-- <PubmedArticle> -->",
        "\n  ",
        "<?x?>",
    ]
)


@given(st.lists(PARTS, max_size=5), st.integers(1, 70), st.sampled_from(["utf-8", "utf-16"]))
def test_records_do_not_depend_on_how_the_bytes_arrive(parts: list[str], chunk: int, encoding: str) -> None:
    data = document(*parts, head=f'<?xml version="1.0" encoding="{encoding}"?>' + " " * 9).encode(encoding)
    whole = read(data)
    with pytest.MonkeyPatch.context() as patch:
        # The head is looked at in the first chunk, which is always longer than that.
        patch.setattr(records, "CHUNK", 80 + chunk)
        assert read(data) == whole
    assert len(whole) == len([part for part in parts if part.startswith(("<Pub", "<Del"))])


@given(st.lists(PARTS, min_size=1, max_size=3), st.data())
def test_a_stream_cut_off_anywhere_is_refused(parts: list[str], data: st.DataObject) -> None:
    whole = document(*parts).rstrip()
    with pytest.raises(UnusableInput):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: document(text).encode()))
def test_any_bytes_give_records_or_one_clear_refusal(data: bytes) -> None:
    try:
        read(data)
    except UnusableInput as error:
        assert str(error).startswith("given.xml: ")
        assert str(error).endswith(".")


# -- what is refused -------------------------------------------------------------------------------

BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol"}">' for n in range(10))


def test_records_that_stand_by_themselves_and_sets_may_follow_one_another() -> None:
    head = '<?xml version="1.0"?>\n'
    assert pmids(head + ONE + "\n" + head + article(2) + document(article(3)) + book(4)) == [1, 2, 3, 4]


REFUSED: dict[str, tuple[bytes | str, str]] = {
    "a record by itself, cut off": (ONE[:-5], "cut off inside the record"),
    "a second record by itself, cut off": (ONE + article(2)[:-30], "cut off inside the record"),
    "a second set, cut off": (document(ONE) + "<PubmedArticleSet>" + article(2), "never closed"),
    "a record by itself, and something else": (ONE + "<html/>", "damaged or cut off"),
    "nothing": (b"", "not PubMed XML"),
    "white space": (b"  \n ", "not PubMed XML"),
    "binary": (bytes(range(256)), "not PubMed XML"),
    "HTML": ("<!DOCTYPE html><html><body>Down for maintenance</body></html>", "not PubMed XML"),
    "another kind of XML": ("<?xml version='1.0'?><eSearchResult/>", "not PubMed XML"),
    "an error in the place of records": (
        document("<ERROR>Backend failed</ERROR>"),
        "damaged or cut off at byte",
    ),
    "text between records": (document(article(1), "oops", article(2)), "damaged or cut off at byte"),
    "cut off inside a record": (document(article(1))[:-60], "cut off inside the record at byte"),
    "cut off between records": (document(article(1)).replace("</PubmedArticleSet>", ""), "is never closed"),
    "an entity bomb": (
        document(article(1, "&e9;"), head=f"<!DOCTYPE PubmedArticleSet [{BOMB}]>"),
        "declares entities",
    ),
    "an external entity": (
        document(
            article(1, "&x;"), head='<!DOCTYPE PubmedArticleSet [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        ),
        "declares entities",
    ),
    "a subset after public identifiers": (
        document(
            head='<!DOCTYPE PubmedArticleSet PUBLIC "a" "b" [<!ENTITY % x SYSTEM "http://127.0.0.1:9/"> %x;]>'
        ),
        "declares entities",
    ),
    "an encoding that nobody knows": (
        document(head='<?xml version="1.0" encoding="klingon"?>'),
        "encoding 'klingon' is unknown",
    ),
    "bytes that are not of the encoding": (
        document(article(1), head='<?xml version="1.0" encoding="shift_jis"?>').encode() + b"\xff\xff",
        "not valid shift_jis",
    ),
    "half a character of UTF-16": (
        document(ONE, head="").rstrip().encode("utf-16")[:-1],
        "cut off|not valid utf-16",
    ),
}


@pytest.mark.parametrize(("data", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_pubmed_xml_is_refused(data: bytes | str, reason: str) -> None:
    with pytest.raises(UnusableInput, match=f"given.xml: .*({reason})"):
        read(data)


def test_records_before_a_cut_are_given_first() -> None:
    stream = split(io.BytesIO(document(article(1), article(2)).encode()[:-40]))
    assert next(stream).pmid == 1
    with pytest.raises(UnusableInput):
        list(stream)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "this is a folder"),
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (
            lambda path: path.write_bytes(gzip.compress(document(article(1)).encode())[:-9]),
            "damaged or cut off",
        ),
        (lambda path: path.write_bytes(b"\x1f\x8b" + b"nonsense" * 9), "damaged or cut off"),
    ],
    ids=["missing", "a folder", "empty", "gzip cut off", "no real gzip"],
)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], Any], reason: str
) -> None:
    path = tmp_path / "given.xml.gz"
    make(path)
    with pytest.raises(UnusableInput, match=rf"given\.xml\.gz: .*{reason}"), open_file(path) as stream:
        list(split(stream))


# -- memory ------------------------------------------------------------------------------------------


class Made(io.RawIOBase):
    """A stream that is made while it is read, so that the test itself holds none of it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int = -1) -> bytes:
        return next(self._pieces, b"")


def peak(stream: Made) -> tuple[int, int]:
    """How many records, and the most bytes that were held at a time."""
    tracemalloc.start()
    try:
        count = sum(1 for _ in split(stream, "given.xml"))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_stays_flat_however_many_records_there_are() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"<PubmedArticleSet>"
        for _ in range(400):
            yield article(1, "x" * 999).encode() * 200
        yield b"</PubmedArticleSet>"

    count, most = peak(Made(pieces()))
    assert count == 80_000
    assert most < 8 * 2**20


def test_a_record_of_100_mb_is_refused_long_before_it_is_held() -> None:
    given_out = 0

    def pieces() -> Iterator[bytes]:
        nonlocal given_out
        yield b"<PubmedArticleSet><PubmedArticle>"
        for _ in range(100):
            given_out += 1
            yield b"x" * 2**20
        yield b"</PubmedArticle></PubmedArticleSet>"

    tracemalloc.start()
    with pytest.raises(UnusableInput, match="larger than 32 MB"):
        list(split(Made(pieces())))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert given_out < 40
    assert most < 110 * 2**20


def test_100_mb_of_anything_else_are_not_even_looked_through() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"<PubmedArticleSet><!-- "
        for _ in range(100):
            yield b"x" * 2**20

    with pytest.raises(UnusableInput, match="damaged or cut off at byte 18"):
        list(split(Made(pieces()), "given.xml"))
