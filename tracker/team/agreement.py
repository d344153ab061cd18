"""How far two reviewers agree: pure functions over pairs of decisions, computed exactly.

Raw agreement; Cohen's kappa (1960, DOI 10.1177/001316446002000104) with the large-sample standard error of Fleiss,
Cohen and Everitt (1969, DOI 10.1037/h0028106); the prevalence and bias index and the prevalence- and bias-adjusted
kappa of Byrt, Bishop and Carlin (1993, DOI 10.1016/0895-4356(93)90018-V).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

# What matters at both stages is whether a record is excluded: unsure lets it pass, or leaves it to a lead to settle.
EXCLUDED_OR_NOT = ("not excluded", "excluded")
_Z = NormalDist().inv_cdf(0.975)


class Agreement(NamedTuple):
    """Two people's decisions on the same ``n`` records.

    ``table`` has a row for each of the ``categories`` that the first person chose, and a column for each that the
    second chose. ``observed`` is the share agreed on, ``expected`` the share expected by chance. ``low`` and ``high``
    are the ends of kappa's 95 % confidence interval as the formula gives them: the upper end may exceed 1, which kappa
    never does. The indices and ``pabak`` exist for two categories only: ``prevalence_index`` is positive if both chose
    the first category more often, ``bias_index`` if the first person chose it more often than the second.
    Values that are undefined or would mislead are None; ``why_not`` then says why.
    """

    categories: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    n: int
    observed: float | None = None
    expected: float | None = None
    kappa: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    pabak: float | None = None
    prevalence_index: float | None = None
    bias_index: float | None = None
    why_not: str | None = None


def excluded_or_not(decision: str) -> str:
    """A decision as one of ``EXCLUDED_OR_NOT``."""
    return EXCLUDED_OR_NOT[decision == "exclude"]


def of_pairs(pairs: Iterable[tuple[str, str]], categories: Sequence[str]) -> Agreement:
    """The agreement of two people, from the pair of their choices (first, second) for each record."""
    counted = Counter(pairs)
    return of_table([[counted[row, column] for column in categories] for row in categories], categories)


def of_table(table: Sequence[Sequence[int]], categories: Sequence[str]) -> Agreement:
    """The agreement in a square table of record counts."""
    counts = tuple(tuple(row) for row in table)
    n = sum(map(sum, counts))
    agreement = Agreement(tuple(categories), counts, n)
    if not n:
        return agreement._replace(why_not="The two have not decided on the same record yet.")
    each = range(len(categories))
    share = [[Fraction(number, n) for number in row] for row in counts]
    rows = [sum(share[i]) for i in each]
    columns = [sum(share[i][j] for i in each) for j in each]
    observed = sum(share[i][i] for i in each)
    expected = sum(rows[i] * columns[i] for i in each)
    agreement = agreement._replace(observed=float(observed), expected=float(expected))
    if len(categories) == 2:
        agreement = agreement._replace(
            pabak=float(2 * observed - 1),
            prevalence_index=float(share[0][0] - share[1][1]),
            bias_index=float(rows[0] - columns[0]),
        )
    if expected == 1:
        return agreement._replace(
            why_not="Both put every record into the same category, so kappa cannot be computed."
        )
    kappa = (observed - expected) / (1 - expected)
    # Equation 13 of Fleiss, Cohen and Everitt, without weights. In fractions, so that zero is exactly zero.
    agreed = sum(share[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in each)
    apart = sum(share[i][j] * (columns[i] + rows[j]) ** 2 for i in each for j in each if i != j)
    variance = (
        (agreed + (1 - kappa) ** 2 * apart - (kappa - expected * (1 - kappa)) ** 2) / (1 - expected) ** 2 / n
    )
    agreement = agreement._replace(kappa=float(kappa))
    if not variance:
        return agreement._replace(
            why_not="The interval is unknown: the formula is for large samples, and would give an interval of no width."
        )
    error = sqrt(variance)
    return agreement._replace(
        standard_error=error, low=float(kappa) - _Z * error, high=float(kappa) + _Z * error
    )
