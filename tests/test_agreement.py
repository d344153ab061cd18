"""Agreement of two reviewers: published examples, another library's results, and what is not known said so."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.team.agreement import EXCLUDED_OR_NOT, Agreement, excluded_or_not, of_pairs, of_table

Table = list[list[int]]
THREE = ("include", "unsure", "exclude")
# Kappa, its standard error, and the ends of its 95 % interval; nan where the source does not say.
PUBLISHED: dict[str, tuple[Table, tuple[float, ...], float]] = {
    # Fleiss, Statistical Methods for Rates and Proportions, 2nd ed. 1981, table 13.1 (100 diagnoses): 0.68.
    "Fleiss's book": ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], (0.68, nan, nan, nan), 0.005),
    # SAS PROC FREQ's printout that statsmodels is tested with (stats/tests/test_inter_rater.py).
    "SAS, three categories": (
        [[0, 4, 1], [0, 8, 0], [0, 1, 5]],
        (0.4842, 0.1380, 0.2137, 0.7547),
        0.00005,
    ),
    # SAS, as J. Uebersax prints it (saskappa.htm).
    "SAS, an empty row": (
        [[0, 0, 0], [5, 16, 3], [8, 12, 28]],
        (0.3333, 0.0814, 0.1738, 0.4929),
        0.00006,
    ),
    # Bonett's statpsych for R, ci.kappa, after Fleiss and Paik 2003.
    "statpsych": ([[31, 12], [4, 58]], (0.6756757, 0.07344761, 0.5317210, 0.8196303), 5e-8),
    # Feinstein and Cicchetti 1990 (DOI 10.1016/0895-4356(90)90158-L): both agree on 85 of 100.
    "the paradox, balanced": ([[40, 9], [6, 45]], (0.70, nan, nan, nan), 0.005),
    "the paradox, one category rare": ([[80, 10], [5, 5]], (0.32, nan, nan, nan), 0.005),
    # Sim and Wright 2005 (DOI 10.1093/ptj/85.3.257), table 1.
    "Sim and Wright": ([[22, 2], [4, 11]], (0.67, nan, nan, nan), 0.005),
}


def of(table: Table) -> Agreement:
    return of_table(table, EXCLUDED_OR_NOT if len(table) == 2 else THREE)


@pytest.mark.parametrize("name", PUBLISHED)
def test_kappa_and_its_interval_are_those_of_published_examples(name: str) -> None:
    table, wanted, within = PUBLISHED[name]
    found = of(table)
    for mine, theirs in zip((found.kappa, found.standard_error, found.low, found.high), wanted, strict=True):
        assert theirs != theirs or mine == pytest.approx(theirs, abs=within)


counts = st.integers(0, 300)


def square(size: int) -> st.SearchStrategy[Table]:
    return st.lists(st.lists(counts, min_size=size, max_size=size), min_size=size, max_size=size)


@given(square(2) | square(3))
def test_whatever_the_table_another_library_says_the_same(table: Table) -> None:
    import numpy
    from statsmodels.stats.inter_rater import cohens_kappa

    found = of(table)
    if found.kappa is None:
        assert found.why_not
        return
    with numpy.errstate(all="ignore"):
        theirs = cohens_kappa(numpy.array(table))
    assert found.kappa == pytest.approx(theirs.kappa, abs=1e-9)
    if found.standard_error is None:
        assert theirs.std_kappa != theirs.std_kappa or theirs.std_kappa < 1e-6
        return
    assert (found.standard_error, found.low, found.high) == pytest.approx(
        (theirs.std_kappa, theirs.kappa_low, theirs.kappa_upp), abs=1e-9
    )


@given(square(2))
def test_the_adjusted_kappa_and_the_two_indices_stand_as_byrt_bishop_and_carlin_have_them(
    table: Table,
) -> None:
    found = of(table)
    if found.kappa is None or found.pabak is None:
        return
    # Their identity: what prevalence and bias make of the adjusted kappa is kappa.
    prevalence, bias = (found.prevalence_index or 0) ** 2, (found.bias_index or 0) ** 2
    assert found.kappa == pytest.approx((found.pabak - prevalence + bias) / (1 - prevalence + bias), abs=1e-9)
    (a, b), (c, d) = table
    assert found.prevalence_index == pytest.approx((a - d) / found.n)
    assert found.bias_index == pytest.approx((b - c) / found.n)


@given(square(3))
def test_what_is_said_lies_where_it_can_lie(table: Table) -> None:
    found = of(table)
    assert found.n == sum(map(sum, table))
    assert (found.kappa is None) == (found.observed is None or found.expected == 1)
    assert (found.low is None) == (found.high is None) == (found.standard_error is None)
    assert (found.why_not is None) == (found.low is not None)
    if found.kappa is not None:
        assert -1 <= found.kappa <= found.observed <= 1  # type: ignore[operator]
        assert (found.kappa == 1) == (found.observed == 1)
        assert (found.low or -inf) <= found.kappa <= (found.high or inf)


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    empty = of([[0, 0], [0, 0]])
    assert (empty.observed, empty.kappa, empty.pabak, empty.low) == (None, None, None, None)
    assert empty.why_not == "Both have decided on no record yet."

    one = of([[0, 0], [0, 7]])
    assert (one.observed, one.kappa, one.pabak, one.low) == (1, None, 1, None)
    assert one.why_not is not None and "same category" in one.why_not

    # The formula gives an interval without a width, which would look like certainty.
    for table, kappa in (([[5, 0], [0, 5]], 1), ([[10, 5], [0, 0]], 0)):
        found = of(table)
        assert (found.kappa, found.standard_error, found.low, found.high) == (kappa, None, None, None)
        assert found.why_not is not None and "no width" in found.why_not


def test_unsure_counts_as_not_excluded() -> None:
    pairs = [("include", "unsure"), ("unsure", "exclude"), ("exclude", "exclude"), ("include", "include")]
    found = of_pairs([(excluded_or_not(a), excluded_or_not(b)) for a, b in pairs], EXCLUDED_OR_NOT)
    assert found.table == ((2, 1), (0, 1))
    assert of_pairs(pairs, THREE).table == ((1, 1, 0), (0, 0, 1), (0, 0, 1))
