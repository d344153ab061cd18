"""A chart shows each number that it was given, names itself, and takes no label for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from markupsafe import Markup

from tracker.site.parts.charts import sparkline, year_by_label, year_table

DESIGNS = {
    "randomised controlled trial": {2019: 2, 2020: 5, 2023: 12},
    "cohort study": {2021: 4},
    "case report": {},
}
UNDATED = {"case report": 3}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "' onclick='x",
    "</title></desc></svg><b>",
    "{0} {id} %s {{",
    "&lt;b&gt; &amp;",
    "\x00\x0b\x1b[31m\ufffe",
    "\ud800",
    "\u202egnp.exe",
)

# No script, style or link among them.
ELEMENTS = set("svg title desc g path rect text table caption thead tbody tfoot tr th td bdi".split())

labels = st.text(max_size=60)
spans = st.tuples(st.integers(1900, 2030), st.integers(0, 80)).map(lambda span: (span[0], sum(span)))
rows = st.dictionaries(st.integers(1895, 2120), st.integers(0, 300_000), max_size=30)


def parsed(markup: Markup) -> etree._Element:
    """The element, once it is sure that the site's policy has nothing to refuse in it."""
    assert isinstance(markup, Markup)
    element = etree.fromstring(markup)
    for each in element.iter():
        assert each.tag in ELEMENTS, each.tag
        assert not [name for name in each.attrib if name == "style" or name.startswith(("on", "href"))]
    return element


def titles(chart: etree._Element) -> Iterator[tuple[str, int, int]]:
    """What each bar tells the pointer: label, year and number."""
    for title in chart.findall(".//g[@class='bars']/path/title"):
        found = re.fullmatch(r"(.*), (\d+): ([\d,]+)", title.text or "", re.DOTALL)
        assert found, title.text
        yield found[1], int(found[2]), number(found[3])


def number(text: str | None) -> int:
    return 0 if text == "·" else int((text or "").replace(",", ""))


def heights(path: str) -> list[float]:
    return [float(height) for height in re.findall(r"-([\d.]+)", path)]


def named(chart: etree._Element) -> dict[str, str]:
    """The texts that the attributes of the chart refer to."""
    return {
        attribute: chart.xpath("string(//*[@id=$id])", id=chart.get(attribute))
        for attribute in ("aria-labelledby", "aria-describedby")
    }


def cells(table: etree._Element) -> list[list[str]]:
    return [["".join(cell.itertext()) for cell in line] for line in table.iter("tr")]


# -- the sparkline ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by_year", "first", "last", "name"),
    [
        ({2019: 2, 2020: 5, 2023: 12}, 2019, 2024, "2 in 2019, 0 in 2024; most 12 in 2023; 19 in all"),
        ({2019: 2, 2020: 2}, 2019, 2020, "2 in 2019, 2 in 2020; most 2 in 2020; 4 in all"),
        ({2024: 300_000}, 2024, 2024, "300,000 in 2024"),
        ({}, 2024, 2024, "none in 2024"),
        ({2018: 7}, 2019, 2024, "none from 2019 to 2024"),
    ],
)
def test_a_sparkline_is_named_by_its_chief_numbers(
    by_year: dict[int, int], first: int, last: int, name: str
) -> None:
    chart = parsed(sparkline(by_year, first, last))
    assert chart.get("role") == "img"
    assert chart.findtext("title") == f"Records by year: {name}"


def test_a_sparkline_has_a_bar_for_each_year_with_records_to_scale() -> None:
    chart = parsed(sparkline({2019: 2, 2021: 8, 2022: 4, 2023: 0, 1990: 99}, 2019, 2023))
    drawn = chart.find("path[@class='bars']").get("d")
    assert heights(drawn) == [6, 24, 12]
    assert re.findall(r"M(\d+)", drawn) == ["0", "8", "12"]


def test_no_years_draw_nothing() -> None:
    assert sparkline({2020: 1}, 2021, 2020) == Markup()
    assert year_by_label(DESIGNS, 2021, 2020, id="x") == year_table(DESIGNS, 2021, 2020, id="x") == Markup()


@given(rows, spans)
def test_any_sparkline_keeps_within_its_box(by_year: dict[int, int], span: tuple[int, int]) -> None:
    chart = parsed(sparkline(by_year, *span))
    within = [n for year, n in by_year.items() if span[0] <= year <= span[1] and n]
    drawn = heights(chart.find("path[@class='bars']").get("d"))
    assert len(drawn) == len(within)
    assert all(1 <= height <= 24 for height in drawn)


# -- the rows of bars ------------------------------------------------------------------------------


def test_each_bar_tells_its_label_year_and_number() -> None:
    chart = parsed(year_by_label(DESIGNS, 2019, 2023, id="designs"))
    assert list(titles(chart)) == [
        ("randomised controlled trial", 2019, 2),
        ("randomised controlled trial", 2020, 5),
        ("randomised controlled trial", 2023, 12),
        ("cohort study", 2021, 4),
    ]


def test_all_rows_share_one_scale() -> None:
    chart = parsed(year_by_label(DESIGNS, 2019, 2023, id="designs"))
    drawn = [heights("".join(row.xpath("g/path/@d"))) for row in chart.findall(".//g[@class='row']")]
    assert drawn == [[3, 7.5, 18], [6], []]
    assert chart.findtext(".//g[@class='scale']/text") == "Tallest bar: 12"


def test_a_row_ends_in_its_total() -> None:
    big = {"cohort study": {2021: 12_000, 2022: 345}}
    assert "12,345" in parsed(year_by_label(big, 2019, 2023, id="x")).xpath("//text/text()")


def test_the_undated_have_a_column_of_their_own_and_are_in_the_total() -> None:
    chart = parsed(year_by_label(DESIGNS, 2019, 2023, {**UNDATED, "protocol": 1}, id="designs"))
    texts = [row.xpath("text/text()") for row in chart.findall(".//g[@class='row']")]
    assert texts == [
        ["randomised controlled trial", "·", "19"],
        ["cohort study", "·", "4"],
        ["case report", "3", "3"],
        ["protocol", "1", "1"],
    ]
    assert chart.xpath("//g[@class='scale']/text[@class='number']/text()") == ["no year", "all"]
    assert "case report: none from 2019 to 2023; 3 without a year" in chart.xpath("//title/text()")


def test_a_chart_has_a_name_and_a_description() -> None:
    chart = parsed(year_by_label(DESIGNS, 2019, 2023, id="designs", name="Records by study design"))
    assert chart.get("role") == "img"
    assert named(chart) == {
        "aria-labelledby": "Records by study design",
        "aria-describedby": (
            "A row for each label, in it a bar for each year from 2019 to 2023; "
            "the tallest is 12 (randomised controlled trial, 2023). "
            "In all: randomised controlled trial 19; cohort study 4; case report 0"
        ),
    }


def test_two_charts_and_their_tables_share_no_id() -> None:
    made = [make(DESIGNS, 2019, 2023, id=id) for make in (year_by_label, year_table) for id in ("one", "two")]
    ids = [id for each in made for id in parsed(each).xpath("//@id")]
    assert len(ids) == len(set(ids)) == 6


@pytest.mark.parametrize("empty", [{}, {"cohort study": {}}, {"cohort study": {2020: 0}}])
def test_nothing_to_draw(empty: dict[str, dict[int, int]]) -> None:
    chart = year_by_label(empty, 2019, 2023, id="x")
    if not empty:
        assert chart == year_table(empty, 2019, 2023, id="x") == Markup()
        return
    assert not list(titles(parsed(chart)))
    assert "all are empty" in named(parsed(chart))["aria-describedby"]


@pytest.mark.parametrize(
    ("first", "last", "ticks"),
    [
        (2024, 2024, ["2024"]),
        (2023, 2025, ["2024"]),
        (2000, 2026, ["2000", "2005", "2010", "2015", "2020", "2025"]),
        (1967, 2026, ["1970", "1980", "1990", "2000", "2010", "2020"]),
        (1665, 2026, ["1700", "1750", "1800", "1850", "1900", "1950", "2000"]),
        (1, 2026, [str(year) for year in range(200, 2001, 200)]),
    ],
)
def test_the_axis_has_a_few_round_years(first: int, last: int, ticks: list[str]) -> None:
    chart = parsed(year_by_label(DESIGNS, first, last, id="x"))
    assert chart.xpath("//text[@text-anchor='middle']/text()") == ticks


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("randomised controlled trial", "randomised controlled trial"),
        ("cluster randomised crossover trial of two doses", "cluster randomised crossov…"),
        ("RANDOMISED CONTROLLED TRIAL", "RANDOMISED CONTROLLE…"),
        ("随机对照试验随机对照试验随机对照试验", "随机对照试验随机对照试验随…"),
        ("two\n lines", "two lines"),
        (" ", "no label"),
    ],
)
def test_a_long_label_is_cut_where_it_is_drawn_and_whole_for_the_pointer(label: str, shown: str) -> None:
    chart = parsed(year_by_label({label: {2020: 4}}, 2019, 2023, id="x"))
    whole = " ".join(label.split()) or "no label"
    assert chart.findtext(".//g[@class='row']/text") == shown
    assert list(titles(chart)) == [(whole, 2020, 4)]
    assert chart.findtext(".//g[@class='row']/title").startswith(f"{whole}: 0 in 2019")


@pytest.mark.parametrize("count", [1, 300_000])
@pytest.mark.parametrize("label", ["cohort study", '"a label of forty characters & more"', "随机对照试验"])
def test_sixty_years_of_twenty_five_labels_stay_small(label: str, count: int) -> None:
    counts = {
        f"{label} {i}": {year: max(1, count - 1999 * (year % 90)) for year in range(1967, 2027)}
        for i in range(25)
    }
    undated = dict.fromkeys(counts, 300_000)
    for make in (year_by_label, year_table):
        markup = make(counts, 1967, 2026, undated, id="x")
        parsed(markup)
        assert len(markup.encode()) < 100 * 1024
    bars = parsed(year_by_label(counts, 1967, 2026, id="x")).findall(".//g[@class='bars']/path/title")
    assert sum(number((bar.text or "").rpartition(": ")[2]) for bar in bars) == sum(
        sum(row.values()) for row in counts.values()
    )


@pytest.mark.parametrize("label", HOSTILE)
def test_a_label_is_text_whatever_is_in_it(label: str) -> None:
    for markup in (
        year_by_label({label: {2020: 4}}, 2019, 2023, {label: 1}, id="x", name=label),
        year_table({label: {2020: 4}}, 2019, 2023, {label: 1}, id="x", name=label),
    ):
        markup.encode()
        whole = "".join(parsed(markup).itertext())
        readable = re.sub("[\x00-\x1f\ufffe\ud800]", "\ufffd", label)
        assert whole.count(readable) >= 2


@given(
    st.dictionaries(labels, rows, max_size=8), spans, st.dictionaries(labels, st.integers(0, 999), max_size=3)
)
def test_the_bars_and_the_table_add_up_to_the_input(
    counts: dict[str, dict[int, int]], span: tuple[int, int], undated: dict[str, int]
) -> None:
    drawing = year_by_label(counts, *span, undated, id="x")
    listing = year_table(counts, *span, undated, id="x", total=True)
    if not (counts or undated):
        assert drawing == listing == Markup()
        return
    within = {
        label: {year: n for year, n in counts.get(label, {}).items() if span[0] <= year <= span[1]}
        for label in [*counts, *(label for label in undated if label not in counts)]
    }
    totals = [sum(row.values()) + undated.get(label, 0) for label, row in within.items()]
    chart = parsed(drawing)
    assert sum(n for *_, n in titles(chart)) == sum(totals) - sum(undated.values())
    ends = [row.xpath("text")[-1].text for row in chart.findall(".//g[@class='row']")]
    assert [number(end) for end in ends] == totals
    *_, foot = cells(parsed(listing))
    assert [number(cell) for cell in foot[1:]] == [*totals, sum(totals)]


# -- the table -------------------------------------------------------------------------------------


def test_the_table_has_the_newest_year_first_and_a_column_for_each_label() -> None:
    table = parsed(year_table(DESIGNS, 2019, 2021, UNDATED, id="designs", name="By design"))
    assert table.findtext("caption") == "By design"
    assert cells(table) == [
        ["Year", "randomised controlled trial", "cohort study", "case report"],
        ["2021", "·", "4", "·"],
        ["2020", "5", "·", "·"],
        ["2019", "2", "·", "·"],
        ["No year", "·", "·", "3"],
        ["All years", "7", "4", "3"],
    ]
    assert set(table.xpath("thead//th/@scope")) == {"col"}
    assert set(table.xpath("tbody//th/@scope")) == set(table.xpath("tfoot//th/@scope")) == {"row"}
    assert set(table.xpath("//td/@class")) == {"number"}


def test_labels_are_summed_across_only_where_that_is_asked_for() -> None:
    table = parsed(year_table(DESIGNS, 2020, 2021, id="designs", total=True))
    assert [line[-1] for line in cells(table)] == ["All", "4", "5", "9"]
