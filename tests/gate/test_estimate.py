"""The estimators against published worked examples, and against properties that any estimator must have."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.gate.estimate import (
    Interval,
    NoSample,
    clopper_pearson,
    korn_graubard,
    mcnemar_exact,
    newcombe_paired,
    quantile_interval,
    ratio_of_sums,
    stratified,
    wilson,
)

# Known answers, each with where it was published.
WILSON = [
    (4, 200, 2, 0.0078044, 0.0502871),  # R binom, via the tests of statsmodels
    (81, 263, 2, 0.2553, 0.3662),  # Newcombe 1998 (Stat. Med. 17:857), table I, method 3
    (15, 148, 2, 0.0624, 0.1605),  # the same
    (0, 20, 2, 0.0, 0.1611),  # the same
    (1, 29, 2, 0.0061, 0.1718),  # the same
    (10, 10, 1, 0.787058, 1.0),  # R prop.test, via the tests of SciPy
]
CLOPPER_PEARSON = [
    (20, 100, 0.1266556, 0.2918427),  # R binom.test, via the tests of SciPy
    (81, 263, 0.2527, 0.3676),  # Newcombe 1998 (Stat. Med. 17:857), table I, method 5
    (15, 148, 0.0578, 0.1617),  # the same
    (0, 20, 0.0, 0.1684),  # the same
    (1, 29, 0.0009, 0.1776),  # the same
]
MCNEMAR = [
    (6, 16, False, 0.052479),  # Cavo et al. 2012, via the tests of the R package contingencytables
    (6, 16, True, 0.034690),  # the same
    (12, 2, False, 0.0129),  # Armitage and Berry, via StatsDirect
    (15, 19, False, 0.6075914),  # R, via the tests of statsmodels
    (1, 7, False, 0.0703),  # Fagerland, Lydersen and Laake 2013 (BMC Med. Res. Methodol. 13:91), Bentur et al.
    (1, 7, True, 0.0391),  # the same
]


def nearly(value: float | list[float], digits: int = 4) -> Any:
    """As many decimals as were published."""
    return pytest.approx(value, abs=0.6 * 10**-digits)


@pytest.mark.parametrize(("successes", "n", "sides", "lower", "upper"), WILSON)
def test_wilson_gives_the_published_bounds(successes: int, n: int, sides: int, lower: float, upper: float) -> None:
    """Score bounds of worked examples."""
    found = wilson(successes, n, 0.95, sides)

    assert [found.lower, found.upper] == nearly([lower, upper])


@pytest.mark.parametrize(("successes", "n", "lower", "upper"), CLOPPER_PEARSON)
def test_clopper_pearson_gives_the_published_bounds(successes: int, n: int, lower: float, upper: float) -> None:
    """Exact bounds of worked examples."""
    found = clopper_pearson(successes, n)

    assert [found.lower, found.upper] == nearly([lower, upper])


@pytest.mark.parametrize(("first", "second", "midp", "expected"), MCNEMAR)
def test_mcnemar_gives_the_published_p_values(first: int, second: int, *, midp: bool, expected: float) -> None:
    """Exact and mid-p values of worked examples."""
    assert mcnemar_exact(first, second, midp) == nearly(expected)
    assert mcnemar_exact(second, first, midp) == mcnemar_exact(first, second, midp)


def test_newcombe_gives_the_published_difference() -> None:
    """Cavo et al., via the tests of the R package contingencytables."""
    found = newcombe_paired(59, 6, 16, 80)

    assert [found.point, found.lower, found.upper] == nearly([-0.0621, -0.1186, -0.0046])


def test_order_statistics_bound_a_quantile_as_r_does() -> None:
    """The 0.3 quantile of exp(0 to 1 by 0.01): ranks 21 and 40, R confintr via the tests of SciPy."""
    found = quantile_interval([math.exp(i / 100) for i in range(101)], 0.3)

    assert [found.lower, found.upper] == pytest.approx([1.22140276, 1.47698079])


def test_the_quantile_is_a_value_that_was_seen() -> None:
    """The inverted distribution function: for 20 values, p95 is the nineteenth, and never a mean of two."""
    assert quantile_interval(list(range(1, 21)), 0.95).point == 19
    assert quantile_interval([1, 2, 3, math.inf], 0.5).point == 2
    assert quantile_interval([1.0], 0.5) == Interval(1.0, -math.inf, math.inf)


def test_repeated_samples_of_a_prompt_are_not_new_prompts() -> None:
    """150 prompts with four samples each at 0.993: as if independent it would pass 0.98; it does not."""
    alike = [[1, 1, 1, 1]] * 149 + [[0, 0, 0, 0]]
    naive = clopper_pearson(596, 600)

    assert naive.lower > 0.98
    assert korn_graubard(alike).lower < 0.975


def test_clusters_of_one_are_independent_samples() -> None:
    """Korn-Graubard is Clopper-Pearson then; and with no spread it counts the clusters, not the scores."""
    singles = [[1]] * 95 + [[0]] * 5

    assert korn_graubard(singles) == clopper_pearson(95, 100)
    assert korn_graubard([[1, 1, 1]] * 50) == clopper_pearson(50, 50)
    assert korn_graubard({f"case {n}": score for n, score in enumerate(singles)}) == korn_graubard(singles)


def test_one_cluster_bounds_nothing() -> None:
    """Whatever many calls of one run did, another run may do otherwise."""
    assert (korn_graubard([[1] * 100]).lower, korn_graubard([[1] * 100]).upper) == (0.0, 1.0)


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios() -> None:
    """One dear long answer weighs as much as it cost. Bounds by hand: residuals -1, 1, 0 of ratio 1."""
    found = ratio_of_sums([1, 5, 4], [2, 4, 4])
    half = 4.302653 * math.sqrt(2 * 3 / 2) / 10

    assert found.point == 1.0
    assert [found.lower, found.upper] == nearly([1 - half, 1 + half])


def test_clusters_widen_a_ratio() -> None:
    """Two samples of a case that err together are one."""
    above, below = [1.0, 1.0, 2.0, 2.0, 3.0, 3.0], [2.0] * 6

    alone, together = ratio_of_sums(above, below), ratio_of_sums(above, below, [0, 0, 1, 1, 2, 2])

    assert together.upper - together.lower > alone.upper - alone.lower
    assert ratio_of_sums(above, below, ["all"] * 6).upper == math.inf


def test_a_stratified_mean_is_wider_than_its_parts_pooled_by_nothing() -> None:
    """MOVER by hand for two equal slices: the root of the summed squares of the weighted arms."""
    one, two = clopper_pearson(80, 100), clopper_pearson(90, 100)
    found = stratified([(80, 100), two], [0.5, 0.5])
    below = math.hypot(0.5 * (one.point - one.lower), 0.5 * (two.point - two.lower))

    assert found.point == pytest.approx(0.85)
    assert found.lower == pytest.approx(0.85 - below)


def test_a_difference_of_two_rates_is_a_stratified_mean_with_a_negative_weight() -> None:
    """Newcombe's hybrid interval for 56/70 against 48/80: 0.0524 to 0.3339 (Stat. Med. 17 (1998) 873, method 10)."""
    found = stratified([wilson(56, 70), wilson(48, 80)], [1, -1])

    assert [found.point, found.lower, found.upper] == nearly([0.2, 0.0524, 0.3339])


@pytest.mark.parametrize("estimate", [wilson, clopper_pearson])
@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(estimate: object, successes: int, n: int) -> None:
    """An empty slice proves nothing, and gives no interval."""
    with pytest.raises(NoSample):
        estimate(successes, n)  # type: ignore[operator] # both take two counts


def test_nothing_gives_no_estimate() -> None:
    """No values, no clusters, no denominators, no cases, no parts: a fault, not a number."""
    for call in (
        lambda: quantile_interval([], 0.5),
        lambda: korn_graubard([]),
        lambda: korn_graubard([[2.0]]),
        lambda: ratio_of_sums([1], [0]),
        lambda: ratio_of_sums([1], []),
        lambda: newcombe_paired(0, 0, 0, 0),
        lambda: newcombe_paired(1, -1, 0, 5),
        lambda: mcnemar_exact(-1, 2),
        lambda: stratified([], []),
        lambda: stratified([(1, 2)], [0.5, 0.5]),
        lambda: wilson(1, 2, 1.0),
        lambda: wilson(1, 2, 0.95, 3),
    ):
        with pytest.raises(NoSample):
            call()


tables = st.tuples(*[st.integers(0, 40)] * 4).filter(lambda table: sum(table) > 0)


@given(tables)
@settings(deadline=None)
def test_changing_the_arms_turns_the_difference_round(table: tuple[int, int, int, int]) -> None:
    """Newcombe's interval does not know which arm is called the first."""
    both, first, second, neither = table
    one, other = newcombe_paired(*table), newcombe_paired(both, second, first, neither)

    assert [one.point, one.lower, one.upper] == pytest.approx([-other.point, -other.upper, -other.lower])
    assert -1 <= one.lower <= one.point <= one.upper <= 1


@given(tables)
@settings(deadline=None)
def test_an_interval_never_has_no_width(table: tuple[int, int, int, int]) -> None:
    """Degenerate intervals pass gates; there are none, not even where both arms never differ."""
    found = newcombe_paired(*table)

    assert found.upper - found.lower > 0


@given(st.integers(0, 25), st.integers(0, 25))
def test_the_p_value_is_a_probability_and_exact(first: int, second: int) -> None:
    """Two-sided, 1 where nothing differs, and what whole numbers say."""
    n = first + second
    tail = sum(math.comb(n, k) for k in range(min(first, second) + 1))

    assert mcnemar_exact(first, second) == float(min(Fraction(1), Fraction(2 * tail, 2**n)))
    assert 0 < mcnemar_exact(first, second, midp=True) <= mcnemar_exact(first, second)
