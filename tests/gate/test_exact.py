"""The bounds that verdicts rest on: exact, on a grid, and never on the wrong side of the truth."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.gate import estimate, exact

LEVEL = Fraction(1, 40)
STEP = Fraction(1, exact.GRID)


def tail(successes: int, n: int, rate: Fraction) -> Fraction:
    """P(X >= successes), in whole numbers."""
    return sum((comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(successes, n + 1)), Fraction(0))


counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
rates = st.integers(0, 1000).map(lambda parts: Fraction(parts, 1000))


@given(counts, rates, st.sampled_from([Fraction(1, 40), Fraction(1, 20), Fraction(4, 5), Fraction(1, 2)]))
@settings(deadline=None)
def test_a_tail_is_compared_as_whole_numbers_would(pair: tuple[int, int], rate: Fraction, level: Fraction) -> None:
    """Sixty digits and the exact sum agree everywhere, ties included."""
    found = tail(*pair, rate)
    expected = (found > level) - (found < level)

    assert expected == exact.tail_against(*pair, rate, level)


def test_a_tie_is_seen_as_a_tie() -> None:
    """P(X >= 1) with one sample at 1/40 is exactly 1/40, and 0.025 is its own bound."""
    assert exact.tail_against(1, 1, Fraction(1, 40), LEVEL) == 0
    assert exact.clopper_pearson(1, 1, LEVEL)[0] == Fraction(1, 40)


@given(counts)
@settings(deadline=None, max_examples=60)
def test_the_lower_bound_is_the_last_grid_point_that_the_test_rejects(pair: tuple[int, int]) -> None:
    """One step of the grid further, the exact test no longer rejects."""
    successes, n = pair
    lower, upper = exact.clopper_pearson(successes, n, LEVEL)

    assert successes == 0 or tail(successes, n, lower) <= LEVEL < tail(successes, n, lower + STEP)
    assert successes == n or tail(n - successes, n, 1 - upper) <= LEVEL < tail(n - successes, n, 1 - upper + STEP)


@pytest.mark.parametrize("n", [1, 2, 5, 13, 30, 60])
def test_no_true_rate_is_missed_more_often_than_promised(n: int) -> None:
    """Coverage of Clopper-Pearson by enumeration: each side errs at most one time in forty."""
    bounds = [exact.clopper_pearson(x, n, LEVEL) for x in range(n + 1)]
    for parts in range(1, 100):
        rate = Fraction(parts, 100)
        weight = [comb(n, x) * rate**x * (1 - rate) ** (n - x) for x in range(n + 1)]
        too_high = sum((w for w, (lower, _) in zip(weight, bounds, strict=True) if lower > rate), Fraction(0))
        too_low = sum((w for w, (_, upper) in zip(weight, bounds, strict=True) if upper < rate), Fraction(0))

        assert too_high <= LEVEL
        assert too_low <= LEVEL


@given(counts)
@settings(deadline=None)
def test_the_public_bounds_and_the_exact_ones_are_the_same(pair: tuple[int, int]) -> None:
    """SciPy's beta quantiles lie within one grid step of the inverted test, on the inner side."""
    lower, upper = exact.clopper_pearson(*pair, LEVEL)
    public = estimate.clopper_pearson(*pair)

    assert float(lower) - 1e-12 <= public.lower <= float(lower + STEP) + 1e-12
    assert float(upper - STEP) - 1e-12 <= public.upper <= float(upper) + 1e-12


@pytest.mark.parametrize(
    ("threshold", "n", "failures"),
    [
        *[("0.98", 183, 0), ("0.98", 277, 1), ("0.98", 359, 2), ("0.98", 581, 5), ("0.98", 916, 10)],
        *[("0.99", 368, 0), ("0.99", 555, 1), ("0.99", 720, 2), ("0.99", 1164, 5), ("0.99", 1835, 10)],
    ],
)
def test_so_many_failures_are_allowed_and_not_one_more(threshold: str, n: int, failures: int) -> None:
    """The table of allowed failures: it passes at this size, and not with one sample fewer."""
    bar = Fraction(threshold)

    assert exact.clopper_pearson(n - failures, n, LEVEL)[0] >= bar
    assert exact.clopper_pearson(n - 1 - failures, n - 1, LEVEL)[0] < bar


@given(st.fractions(-3, 3))
def test_rounding_goes_outward(value: Fraction) -> None:
    """Down is never above, up never below, nearest never further than half a step."""
    assert exact.down(value) <= value <= exact.up(value)
    assert exact.up(value) - exact.down(value) in {0, STEP}
    assert abs(exact.nearest(value) - value) <= STEP / 2


@given(st.integers(-3 * 10**9, 3 * 10**9))
def test_a_grid_point_is_spelled_so_that_it_reads_back(steps: int) -> None:
    """The decimal string is the number, without an exponent."""
    value = Fraction(steps, exact.GRID)

    assert Fraction(exact.spelled(value)) == value
    assert "e" not in exact.spelled(value).lower()


@given(st.fractions(0, 10**6))
def test_a_root_is_rounded_up_by_less_than_thirty_decimals(value: Fraction) -> None:
    """Its square is not below, and a hair less is."""
    root = exact.root_up(value)

    assert root**2 >= value
    assert max(Fraction(0), root - Fraction(2, 10**30)) ** 2 <= value


@given(st.lists(st.integers(0, 12), min_size=1, max_size=80), st.sampled_from(["0.5", "0.95"]), st.integers(0, 12))
@settings(deadline=None)
def test_a_bound_on_a_quantile_is_a_bound_on_a_rate(values: list[int], q: str, bar: int) -> None:
    """`p95 upper_ci <= t` says the same as the Clopper-Pearson bound on how many exceed t."""
    n, quantile = len(values), Fraction(q)
    _, _, upper = exact.ranks(n, quantile, LEVEL)
    ordered = sorted(values)
    is_below = upper <= n and ordered[upper - 1] <= bar
    not_exceeding = sum(value <= bar for value in values)

    assert is_below == (exact.tail_against(not_exceeding, n, quantile, LEVEL) <= 0 and not_exceeding > 0)
