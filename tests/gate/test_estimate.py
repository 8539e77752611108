"""The estimators by hand: what they mean, what they refuse, and that size does not break them."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.gate.estimate import (
    Interval,
    NoSample,
    bernoulli_sequence,
    beta_mixture_sequence,
    clopper_pearson,
    clustered_mean,
    empirical_bernstein_sequence,
    korn_graubard,
    mcnemar_exact,
    newcombe_independent,
    newcombe_paired,
    poisson_exact,
    quantile_interval,
    ratio_of_sums,
    sign_flip_test,
    stratified,
    tango_paired,
    wilson,
)


def nearly(value: float | list[float], digits: int = 4) -> Any:
    """As many decimals as were published."""
    return pytest.approx(value, abs=0.6 * 10**-digits)


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


NAN = math.nan
REFUSED: dict[str, Callable[[], object]] = {
    "no samples": lambda: wilson(0, 0),
    "fewer than none": lambda: clopper_pearson(-1, 5),
    "more than all": lambda: clopper_pearson(6, 5),
    "half a success": lambda: wilson(2.5, 5),  # type: ignore[arg-type] # what a stranger may try
    "NaN successes": lambda: clopper_pearson(NAN, 5),  # type: ignore[arg-type] # the same
    "a word": lambda: wilson("3", 5),  # type: ignore[arg-type] # the same
    "no clusters": lambda: korn_graubard([]),
    "clusters of nothing": lambda: korn_graubard({"a": []}),
    "a score above 1": lambda: korn_graubard([[2.0]]),
    "a score that is no number": lambda: korn_graubard([[0.5, NAN]]),
    "events that cannot be": lambda: poisson_exact(-1),
    "half an event": lambda: poisson_exact(1.5),  # type: ignore[arg-type] # the same
    "no exposure": lambda: poisson_exact(1, 0.0),
    "endless exposure": lambda: poisson_exact(1, math.inf),
    "no values": lambda: quantile_interval([], 0.5),
    "a value that is no number": lambda: quantile_interval([1, NAN], 0.5),
    "a missing value": lambda: quantile_interval([1, None], 0.5),  # type: ignore[list-item] # the same
    "a missing score": lambda: korn_graubard([[1], [None]]),  # type: ignore[list-item] # the same
    "a cluster that is none": lambda: korn_graubard([1, 0]),  # type: ignore[list-item] # the same
    "a missing cost": lambda: ratio_of_sums([1, None], [1, 1]),  # type: ignore[list-item] # the same
    "a word for a number": lambda: clustered_mean([1.0, "2 ms"], [1, 2]),  # type: ignore[list-item] # the same
    "a quantile of 0": lambda: quantile_interval([1, 2], 0.0),
    "a quantile in percent": lambda: quantile_interval([1, 2], 95),
    "nothing to divide by": lambda: ratio_of_sums([1], [0]),
    "no denominators": lambda: ratio_of_sums([1], []),
    "other lengths": lambda: ratio_of_sums([1, 2], [1]),
    "clusters for fewer": lambda: ratio_of_sums([1, 2], [1, 1], ["a"]),
    "no ratio at all": lambda: ratio_of_sums([], []),
    "an infinite cost": lambda: ratio_of_sums([math.inf], [1]),
    "no mean": lambda: clustered_mean([], []),
    "clusters for more": lambda: clustered_mean([1.0], ["a", "b"]),
    "a mean with NaN": lambda: clustered_mean([1.0, NAN], [1, 2]),
    "no parts": lambda: stratified([], []),
    "weights for more": lambda: stratified([(1, 2)], [0.5, 0.5]),
    "a weight that is no number": lambda: stratified([(1, 2)], [NAN]),
    "fewer than no pairs": lambda: mcnemar_exact(-1, 2),
    "half a pair": lambda: mcnemar_exact(1.5, 2),  # type: ignore[arg-type] # the same
    "no cases": lambda: newcombe_paired(0, 0, 0, 0),
    "a negative cell": lambda: newcombe_paired(1, -1, 0, 5),
    "no cases for Tango": lambda: tango_paired(0, 0, 0, 0),
    "a negative cell for Tango": lambda: tango_paired(5, 0, -1, 0),
    "an arm without samples": lambda: newcombe_independent(1, 2, 0, 0),
    "an arm with too many": lambda: newcombe_independent(3, 2, 1, 2),
    "no differences": lambda: sign_flip_test([], 1),
    "a difference that is no number": lambda: sign_flip_test([1, NAN], 1),
    "an infinite difference": lambda: sign_flip_test([math.inf], 1),
    "no draws": lambda: sign_flip_test([1.0], 1, 0),
    "a sequence of nothing": lambda: beta_mixture_sequence(0, 0),
    "no prior": lambda: beta_mixture_sequence(1, 2, 0.95, 0.0),
    "a sum above n": lambda: bernoulli_sequence(3, 2),
    "a sum that is no number": lambda: bernoulli_sequence(NAN, 2),
    "tuned to nothing": lambda: bernoulli_sequence(1, 2, t_opt=0),
    "tuned to no risk": lambda: bernoulli_sequence(1, 2, alpha_opt=1.0),
    "no bounded values": lambda: empirical_bernstein_sequence([]),
    "a value above 1": lambda: empirical_bernstein_sequence([0.5, 1.5]),
    "a bounded value that is none": lambda: empirical_bernstein_sequence([NAN]),
    "three sides": lambda: wilson(1, 2, 0.95, 3),
    "one side that is mostly wrong": lambda: wilson(1, 2, 0.4, 1),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_nothing_gives_no_estimate(call: Callable[[], object]) -> None:
    """Empty samples, counts that cannot be, and what is not a number: a fault, and never an interval."""
    with pytest.raises(NoSample):
        call()


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, 95, NAN, math.inf, "high", None])
def test_a_confidence_lies_between_0_and_1(confidence: Any) -> None:
    """Percent, none and all are refused by every estimator that takes one."""
    calls: list[Callable[..., object]] = [
        partial(wilson, 1, 2),
        partial(clopper_pearson, 1, 2),
        partial(korn_graubard, [[1], [0]]),
        partial(poisson_exact, 1, 1.0),
        partial(quantile_interval, [1, 2], 0.5),
        partial(ratio_of_sums, [1, 2], [1, 1], None),
        partial(clustered_mean, [1, 2], [1, 2]),
        partial(stratified, [(1, 2)], [1]),
        partial(newcombe_paired, 1, 1, 1, 1),
        partial(tango_paired, 1, 1, 1, 1),
        partial(newcombe_independent, 1, 2, 1, 2),
        partial(beta_mixture_sequence, 1, 2),
        partial(bernoulli_sequence, 1, 2),
        partial(empirical_bernstein_sequence, [0.5]),
    ]
    for call in calls:
        with pytest.raises(NoSample):
            call(confidence)


def test_numbers_of_numpy_are_numbers() -> None:
    """Counts and columns as they come from a data frame."""
    ones = np.array([1.0, 0.0, 1.0, 1.0])

    assert clopper_pearson(3, 4) == clopper_pearson(np.int64(3), np.float64(4.0))  # type: ignore[arg-type] # a whole float
    assert korn_graubard([[1, 0], [1, 1]]) == korn_graubard(ones.reshape(2, 2))  # type: ignore[arg-type] # an array
    assert quantile_interval([1, 0, 1, 1], 0.5) == quantile_interval(ones, np.float64(0.5))  # type: ignore[arg-type] # an array
    assert clustered_mean([1, 0, 1, 1], [1, 1, 2, 2]) == clustered_mean(ones, np.array([1, 1, 2, 2]))  # type: ignore[arg-type] # arrays
    assert sign_flip_test([1, 0, 1, 1], 5) == sign_flip_test(ones, 5)  # type: ignore[arg-type] # an array


def test_one_cluster_tells_nothing_of_a_mean() -> None:
    """And clusters of one give the interval of every textbook: 5.1 to 8.9 for the body of Student's table."""
    alone, each = clustered_mean([1.0, 2.0], ["a", "a"]), clustered_mean([5, 6, 7, 8, 9], range(5))

    assert (1.5, -math.inf, math.inf, math.inf) == (alone.point, alone.lower, alone.upper, alone.standard_error)
    assert [7, 7 - 2.776445 * math.sqrt(0.5), math.sqrt(0.5)] == nearly(
        [each.point, each.lower, each.standard_error], 6
    )


def test_a_part_may_be_given_as_counts_or_bounds() -> None:
    """A weight of 0 takes a part out, even one that is not bounded."""
    one = clopper_pearson(80, 100)

    assert (
        stratified([one], [1]) == stratified([(80, 100)], [1]) == stratified([(one.point, one.lower, one.upper)], [1])
    )
    assert stratified([one, Interval(5.0, -math.inf, math.inf)], [1, 0]) == stratified([one], [1])


def test_a_million_samples_are_no_trouble() -> None:
    """Where n is large everything is near the normal law; and a tail that has no float is 0, not a fault."""
    million, half = 10**6, 500_000
    near = 1.959964 * math.sqrt(0.7 * 0.3 / million)
    for found in (clopper_pearson(700_000, million), wilson(700_000, million)):
        assert [0.7 - near, 0.7 + near] == pytest.approx([found.lower, found.upper], abs=2e-6)
    assert 3.6888795e-06 == pytest.approx(clopper_pearson(0, million).upper, rel=1e-5)
    assert 0.31779469 == pytest.approx(mcnemar_exact(half + 500, half - 500), abs=1e-8)
    assert 0.0 == mcnemar_exact(million, 0)
    for paired in (tango_paired, newcombe_paired):
        found = paired(half, 600, 400, half - 1000)
        assert [0.0002 - 6.2e-5, 0.0002 + 6.2e-5] == pytest.approx([found.lower, found.upper], abs=1e-6)
    assert beta_mixture_sequence(1, million).upper < 1.4e-5
    assert bernoulli_sequence(half, million, t_opt=million).lower == pytest.approx(0.5 - 1.5e-3, abs=1e-4)


@given(st.integers(0, 25), st.integers(0, 25))
def test_the_p_value_is_a_probability_and_exact(first: int, second: int) -> None:
    """Two-sided, 1 where nothing differs, and what whole numbers say."""
    n = first + second
    tail = sum(math.comb(n, k) for k in range(min(first, second) + 1))

    assert mcnemar_exact(first, second) == float(min(Fraction(1), Fraction(2 * tail, 2**n)))
    assert 0 < mcnemar_exact(first, second, midp=True) <= mcnemar_exact(first, second)
