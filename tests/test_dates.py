"""Every shape of date that PubMed prints is cut to the part that is certain."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.pubmed.dates import parse_date, partial_date

MEDLINE_DATES = [
    ("2020", "2020", "year"),
    ("2020 Nov", "2020-11", "month"),
    ("2020 Nov 15", "2020-11-15", "day"),
    ("2020 November 5", "2020-11-05", "day"),
    ("2019 Nov-Dec", "2019-11", "month"),
    ("2019 Sep/Oct", "2019-09", "month"),
    ("2001 July-Sept", "2001-07", "month"),
    ("1983 Jan.-Feb.", "1983-01", "month"),
    ("1998 Dec-1999 Jan", "1998-12", "month"),
    ("Dec 1998-Jan 1999", "1998-12", "month"),
    ("2016 Dec 25-2017 Jan 1", "2016-12-25", "day"),
    ("2000 Oct 5-18", "2000-10-05", "day"),
    ("2000 Dec 23- 30", "2000-12-23", "day"),
    ("2000 Nov 30-Dec 5", "2000-11-30", "day"),
    ("2003 May 15-Jun 15", "2003-05-15", "day"),
    ("19 Oct 2000", "2000-10-19", "day"),
    ("5-18 Oct 2000", "2000-10-05", "day"),
    ("Oct 5-18, 2000", "2000-10-05", "day"),
    ("Nov-Dec 5 2000", "2000-11", "month"),
    ("May 1995", "1995-05", "month"),
    ("Spring 2004", "2004", "season"),
    ("2004 Spring", "2004", "season"),
    ("1998 Winter", "1998", "season"),
    ("1975 Autumn", "1975", "season"),
    ("1999 Fall-Winter", "1999", "season"),
    ("2011-2012 Winter", "2011", "season"),
    ("2000 1st Quart", "2000", "season"),
    ("4th Quarter 1998", "1998", "season"),
    ("1976-1977", "1976", "year"),
    ("1989-90", "1989", "year"),
    ("2001-02", "2001", "year"),
    ("2001/02", "2001", "year"),
    ("2000-10-05", "2000-10-05", "day"),
    ("2000/10/05 06:00", "2000-10-05", "day"),
    ("2019 11", "2019-11", "month"),
    ("2019 11 05", "2019-11-05", "day"),
    ("2001 Feb 30", "2001-02", "month"),
    ("2001-13-01", "2001", "year"),
    ("2012 Feb 29", "2012-02-29", "day"),
    ("2013 Feb 29", "2013-02", "month"),
    ("2006 Suppl 2", "2006", "year"),
    ("c1998", "1998", "year"),
]


@pytest.mark.parametrize(("raw", "iso", "precision"), MEDLINE_DATES)
def test_a_medline_date_is_cut_to_its_earliest_certain_part(raw: str, iso: str, precision: str) -> None:
    assert parse_date(raw) == (iso, precision, raw)


@pytest.mark.parametrize("raw", ["", "undated", "Winter", "Nov 12", "98", "0000", "12345678", "٢٠٢٠ Nov"])
def test_without_a_year_there_is_no_date(raw: str) -> None:
    assert parse_date(raw) is None


ELEMENTS = [
    (("2019",), "2019", "year", "2019"),
    (("2019", "Nov"), "2019-11", "month", "2019 Nov"),
    (("2019", "November", "3"), "2019-11-03", "day", "2019 November 3"),
    (("2019", "11", "03"), "2019-11-03", "day", "2019 11 03"),
    (("2019", "1"), "2019-01", "month", "2019 1"),
    (("2019", "13", "1"), "2019", "year", "2019 13 1"),
    (("2019", "0"), "2019", "year", "2019 0"),
    (("2019", "Feb", "30"), "2019-02", "month", "2019 Feb 30"),
    (("2019", "Feb", "²"), "2019-02", "month", "2019 Feb ²"),
    (("2019", "Nov-Dec"), "2019-11", "month", "2019 Nov-Dec"),
    (("2019", None, "5"), "2019", "year", "2019 5"),
    (("2019", None, None, "Spring"), "2019", "season", "2019 Spring"),
    (("2019", None, None, "Sep-Dec"), "2019-09", "month", "2019 Sep-Dec"),
    (("2019", None, None, "Winter-Spring"), "2019", "season", "2019 Winter-Spring"),
    (("2019", "Ma"), "2019", "year", "2019 Ma"),
    ((" 2019 ", " ", "\n"), "2019", "year", "2019"),
]


@pytest.mark.parametrize(("parts", "iso", "precision", "raw"), ELEMENTS)
def test_elements_make_the_date_that_the_calendar_allows(
    parts: tuple[str | None, ...], iso: str, precision: str, raw: str
) -> None:
    assert partial_date(*parts) == (iso, precision, raw)


def test_elements_without_a_year_make_no_date() -> None:
    assert partial_date(None, "Nov", "3") is None
    assert partial_date("19", "Nov") is None


@given(st.dates(min_value=date(1500, 1, 1), max_value=date(2199, 12, 31)))
def test_a_full_date_survives_in_every_shape(day: date) -> None:
    for raw in (
        day.isoformat(),
        day.strftime("%Y %b ") + str(day.day),
        f"{day.day} {day:%B %Y}",
        day.strftime("%Y/%m/%d"),
    ):
        seen = parse_date(raw)
        assert seen is not None
        assert (seen.iso, seen.precision) == (day.isoformat(), "day")


WORDS = st.sampled_from(
    ["2001", "1998", "Nov", "Dec-Jan", "Spring", "31", "0", "13", "-", "/", "1st Quart", "2000-01", "Feb"]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join), st.lists(WORDS).map("".join)))
def test_any_text_gives_nothing_or_a_date_that_the_calendar_has(raw: str) -> None:
    seen = parse_date(raw)
    if seen is not None:
        assert seen.raw == raw
        date.fromisoformat(seen.iso + "-01-01"[len(seen.iso) - 4 :])


@given(*[st.one_of(st.none(), st.text(), WORDS)] * 4)
def test_any_elements_give_nothing_or_a_date(
    y: str | None, m: str | None, d: str | None, s: str | None
) -> None:
    seen = partial_date(y, m, d, s)
    assert seen is None or 1500 <= seen.year <= 2199
