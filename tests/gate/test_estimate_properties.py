"""What must hold of every estimator: coverage by enumeration, symmetry, agreement with others, error over time."""

import math
import random
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.rates import confint_poisson

from registry.core.gate import estimate, exact
from registry.core.gate.estimate import Interval, clopper_pearson, quantile_interval, stratified, wilson
from registry.core.gate.estimators.sequences import bernstein_path, beta_mixture

GRID = np.linspace(0, 1, 201)
Bound = Callable[[int, int], Interval]


def errors(bound: Bound, n: int) -> tuple[float, float]:
    """How often the lower and the upper bound err at worst, at any rate, by enumeration of all outcomes.

    Between two bounds of outcomes the error is a polynomial; it is largest just beside them, so these are tried too.
    """
    found = [bound(hits, n) for hits in range(n + 1)]
    lower, upper = (np.array([getattr(one, side) for one in found]) for side in ("lower", "upper"))
    beside = np.concatenate([lower, upper, lower - 1e-10, upper + 1e-10])
    rates = np.unique(np.clip(np.concatenate([GRID, beside]), 0, 1))[:, None]
    chance = stats.binom.pmf(np.arange(n + 1)[None, :], n, rates)
    return float((chance * (lower > rates)).sum(1).max()), float((chance * (upper < rates)).sum(1).max())


SIZES = [*range(1, 21), 30, 45, 60]


@pytest.mark.parametrize(("confidence", "sides", "level"), [(0.95, 2, 0.025), (0.95, 1, 0.05), (0.8, 2, 0.1)])
def test_clopper_pearson_errs_at_most_as_often_as_it_says(confidence: float, sides: int, level: float) -> None:
    """For every rate and every n up to 60, on either side."""
    for n in SIZES:
        worst = errors(lambda hits, n: clopper_pearson(hits, n, confidence, sides), n)

        assert max(worst) <= level + 1e-12


def test_wilson_errs_more_often_than_it_says() -> None:
    """Which is why gates do not use it by default: at the worst rate 0.21 of one sample's bounds, 0.16 of 60's."""
    assert pytest.approx(0.2065, abs=1e-4) == max(errors(wilson, 1))
    assert pytest.approx(0.1623, abs=1e-4) == max(errors(wilson, 60))


def test_a_sequence_is_wider_than_a_bound_for_one_look() -> None:
    """After a hundred samples neither side errs in more than 1 of 100 cases; it keeps the rest for later looks."""
    assert max(errors(estimate.beta_mixture_sequence, 100)) <= 0.01


def paired_coverage(bound: Callable[[int, int, int, int], Interval], n: int) -> list[float]:
    """How often a paired difference is covered, by enumeration of all tables, on a grid of true rates."""
    cells = [(a, b, c, n - a - b - c) for a in range(n + 1) for b in range(n + 1 - a) for c in range(n + 1 - a - b)]
    found = [bound(*table) for table in cells]
    lower, upper = (np.array([getattr(one, side) for one in found]) for side in ("lower", "upper"))
    covered = []
    for rate, differing, truth in product((0.5, 0.7, 0.9), (0.05, 0.1, 0.2, 0.4), (0.0, 0.02, 0.05, 0.1)):
        first, second = (differing + truth) / 2, (differing - truth) / 2
        shares = (rate - first, first, second, 1 - rate - second)
        if min(shares) >= 0:
            chance = stats.multinomial.pmf(np.array(cells), n, shares)
            covered.append(float(chance[(lower <= truth + 1e-12) & (truth <= upper + 1e-12)].sum()))
    return covered


@pytest.mark.parametrize(("bound", "worst"), [(estimate.newcombe_paired, 0.9398), (estimate.tango_paired, 0.9486)])
def test_what_the_paired_intervals_reach(bound: Callable[[int, int, int, int], Interval], worst: float) -> None:
    """On 12 cases: more than 95 % on average, a little less at the worst."""
    covered = paired_coverage(bound, 12)

    assert pytest.approx(worst, abs=1e-4) == min(covered)
    assert sum(covered) / len(covered) > 0.98


def test_what_5000_requests_can_show() -> None:
    """Abandonments of 5,000 that prove a rate of at most 0.05, or of more: for one look and for every look."""
    assert [True, False] == [clopper_pearson(hits, 5000).upper <= 0.05 for hits in (219, 220)]
    assert [True, False] == [estimate.beta_mixture_sequence(hits, 5000).upper <= 0.05 for hits in (192, 193)]
    assert [False, True] == [clopper_pearson(hits, 5000).lower > 0.05 for hits in (281, 282)]
    assert [False, True] == [estimate.beta_mixture_sequence(hits, 5000).lower > 0.05 for hits in (311, 312)]


def test_garwoods_bounds_err_at_most_as_often_as_they_say() -> None:
    """For expected counts up to 30, by enumeration."""
    found = [estimate.poisson_exact(count) for count in range(100)]
    lower, upper = (np.array([getattr(one, side) for one in found]) for side in ("lower", "upper"))
    means = np.concatenate([np.linspace(0.01, 30, 300), lower[1:40] - 1e-9, upper[:15] + 1e-9])[:, None]
    chance = stats.poisson.pmf(np.arange(100)[None, :], means)

    assert (chance * (lower > means)).sum(1).max() <= 0.025 + 1e-9
    assert (chance * (upper < means)).sum(1).max() <= 0.025 + 1e-9


def crossing(is_in: Callable[[int, int], bool], rate: float, looks: int) -> float:
    """The chance that a rate is ever outside of its sequence, looking after every sample; exact, outcome by outcome."""
    alive = {0: 1.0}
    for n in range(1, looks + 1):
        after: dict[int, float] = {}
        for hits, chance in alive.items():
            for hit, share in ((0, 1 - rate), (1, rate)):
                after[hits + hit] = after.get(hits + hit, 0.0) + chance * share
        alive = {hits: chance for hits, chance in after.items() if is_in(hits, n)}
    return 1 - sum(alive.values())


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5, 0.9])
def test_looking_after_every_sample_does_not_wear_out_a_beta_mixture(rate: float) -> None:
    """400 looks, both sides: at most 1 in 20."""
    bar = math.log(20)

    assert crossing(lambda hits, n: beta_mixture((hits, n), rate, (0.5, 0.5)) < bar, rate, 400) <= 0.05


def test_looking_after_every_sample_wears_out_a_bound_for_one_look() -> None:
    """60 looks with Clopper-Pearson's bounds of the same confidence: 1 in 8 instead of 1 in 20."""

    def is_in(hits: int, n: int) -> bool:
        found = clopper_pearson(hits, n)
        return found.lower <= 0.5 <= found.upper

    assert crossing(is_in, 0.5, 60) > 0.12


def test_looking_after_every_sample_does_not_wear_out_a_tuned_sequence() -> None:
    """The same for Howard's sequence, tuned to 50 samples, through its public bounds."""

    def is_in(hits: int, n: int) -> bool:
        found = estimate.bernoulli_sequence(hits, n, t_opt=50)
        return found.lower <= 0.3 <= found.upper

    assert crossing(is_in, 0.3, 60) <= 0.05


def test_looking_after_every_value_does_not_wear_out_an_empirical_bernstein_bound() -> None:
    """1,000 seeded streams of 500 values, twice: the lower bound is ever too high in at most 1 of 40."""
    die = np.random.default_rng(20261126)
    for draw, mean in ((lambda: die.beta(0.2, 1.8, 500), 0.1), (lambda: (die.random(500) < 0.05) * 1.0, 0.05)):
        wrong = sum(bool((bernstein_path(draw(), 0.025) > mean).any()) for _ in range(1000))

        assert wrong <= 25


@given(st.integers(1, 400), st.data())
@settings(deadline=None, max_examples=60)
def test_rates_agree_with_scipy(n: int, data: Any) -> None:
    """Exact and score bounds, two-sided and one-sided, at three confidences."""
    hits, confidence = data.draw(st.integers(0, n)), data.draw(st.sampled_from([0.8, 0.95, 0.999]))
    for method, ours in (("exact", clopper_pearson), ("wilson", wilson)):
        both = stats.binomtest(hits, n).proportion_ci(confidence, method=method)
        low = stats.binomtest(hits, n, alternative="greater").proportion_ci(confidence, method=method)
        high = stats.binomtest(hits, n, alternative="less").proportion_ci(confidence, method=method)
        two, one = ours(hits, n, confidence), ours(hits, n, confidence, 1)

        assert [both.low, both.high] == pytest.approx([two.lower, two.upper], abs=1e-9)
        assert [low.low, high.high] == pytest.approx([one.lower, one.upper], abs=1e-9)


@given(st.integers(0, 200), st.floats(0.01, 1e4), st.sampled_from([0.8, 0.95, 0.999]))
@settings(deadline=None, max_examples=40)
def test_counts_agree_with_statsmodels(count: int, exposure: float, confidence: float) -> None:
    """Garwood's bounds for a count in some exposure."""
    found = estimate.poisson_exact(count, exposure, confidence)
    lower, upper = confint_poisson(count, exposure, method="exact-c", alpha=1 - confidence)

    assert [np.nan_to_num(lower), upper] == pytest.approx([found.lower, found.upper], rel=1e-9)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
@settings(deadline=None, max_examples=60)
def test_differences_of_two_samples_agree_with_statsmodels(n1: int, n2: int, data: Any) -> None:
    """Newcombe's hybrid score interval; turned round when the arms change places."""
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    found, other = estimate.newcombe_independent(x1, n1, x2, n2), estimate.newcombe_independent(x2, n2, x1, n1)
    theirs = confint_proportions_2indep(x1, n1, x2, n2, method="newcomb", compare="diff")

    assert list(theirs) == pytest.approx([found.lower, found.upper], abs=1e-9)
    assert [-other.upper, -other.lower] == pytest.approx([found.lower, found.upper], abs=1e-15)
    assert (
        stratified([wilson(x1, n1), wilson(x2, n2)], [1, -1]).lower == pytest.approx(found.lower, abs=1e-9)
        or -1.0 == found.lower
    )


@given(st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_mcnemar_agrees_with_statsmodels(first: int, second: int) -> None:
    """The exact test; and where there are many pairs, 60 digits instead of all of them."""
    theirs = mcnemar([[0, first], [second, 0]], exact=True).pvalue if first + second else 1.0

    assert theirs == pytest.approx(estimate.mcnemar_exact(first, second), rel=1e-9)


def test_many_pairs_are_counted_as_few_are() -> None:
    """On both sides of where 60 digits take over, equal to 45 of them."""
    for first, second in ((2600, 2390), (2600, 2410), (2500, 2500), (5000, 1), (0, 5001)):
        whole = exact._half_tail(first + second, min(first, second))
        sure = exact._sure_half_tail(first + second, min(first, second))

        for one, other in zip(whole, sure, strict=True):
            assert abs(one - other) < one * Fraction(1, 10**45)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=80, unique=True), st.sampled_from([0.1, 0.5, 0.9, 0.95]))
@settings(deadline=None, max_examples=80)
def test_a_rule_on_a_quantile_is_a_rule_on_a_rate(values: list[int], q: float) -> None:
    """The upper bound is at most t exactly where the rate of values above t is proven to be at most 1 - q."""
    found = quantile_interval(values, q)
    for bar in sorted(values):
        above, below = sum(value > bar for value in values), sum(value < bar for value in values)
        _, most = exact.clopper_pearson(above, len(values), Fraction(1, 40))
        _, least = exact.clopper_pearson(below, len(values), Fraction(1, 40))

        assert (found.upper <= bar) == (most <= 1 - Fraction(str(q)))
        assert (found.lower >= bar) == (least <= Fraction(str(q)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60, unique=True), st.sampled_from([0.25, 0.5, 0.95]))
@settings(deadline=None, max_examples=40)
def test_quantiles_agree_with_scipy(values: list[float], q: float) -> None:
    """Both ranks of the order-statistic interval; SciPy says nan where we say that no value will do."""
    found = quantile_interval(values, q)
    theirs = stats.quantile_test(values, p=q).confidence_interval(0.95)

    assert found.point == np.quantile(values, q, method="inverted_cdf")
    assert (found.lower if math.isfinite(found.lower) else "none") == _or_none(theirs.low)
    assert (found.upper if math.isfinite(found.upper) else "none") == _or_none(theirs.high)


def _or_none(value: float) -> float | str:
    return value if math.isfinite(value) else "none"


@given(st.lists(st.integers(-5000, 5000).map(lambda thousandths: thousandths / 1000), min_size=2, max_size=9))
@settings(deadline=None, max_examples=30)
def test_sign_flips_agree_with_scipy(differences: list[float]) -> None:
    """All patterns of a few differences, as SciPy's permutation test counts them."""
    theirs = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)

    assert theirs.pvalue == pytest.approx(estimate.sign_flip_test(differences, 0), abs=1e-12)


tables = st.tuples(*[st.integers(0, 40)] * 4).filter(lambda table: sum(table) > 0)


@given(tables)
@settings(deadline=None, max_examples=25)
def test_tangos_bounds_are_where_the_score_test_turns(table: tuple[int, int, int, int]) -> None:
    """At each bound the score statistic is 1.96, with the restricted likelihood maximised by brute force."""
    both, first, second, neither = table
    n, found = sum(table), estimate.tango_paired(*table)
    turned = estimate.tango_paired(both, second, first, neither)

    assert [-turned.upper, -turned.lower] == pytest.approx([found.lower, found.upper], abs=1e-12)
    assert -1 <= found.lower <= found.point <= found.upper <= 1
    for bound in (found.lower, found.upper):
        if abs(bound) > 1 - 1e-9 or abs(bound) < 1e-9:
            continue
        variance = n * (2 * _likeliest(table, bound) + bound * (1 - bound))
        assert 1.959964**2 == pytest.approx((first - second - n * bound) ** 2 / variance, rel=2e-3)


def _likeliest(table: tuple[int, int, int, int], difference: float) -> float:
    """The rate of the second kind that makes a table likeliest, given the difference of the two kinds."""
    both, first, second, neither = table
    low, high = max(0.0, -difference), (1 - difference) / 2

    def unlikeliness(rate: float) -> float:
        parts = ((first, rate + difference), (second, rate), (both + neither, 1 - 2 * rate - difference))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in parts if count)

    return float(optimize.minimize_scalar(unlikeliness, (low, high), (low, high), method="bounded",
                                          options={"xatol": 1e-12}).x)  # fmt: skip


@given(tables)
@settings(deadline=None, max_examples=60)
def test_changing_the_arms_turns_the_difference_round(table: tuple[int, int, int, int]) -> None:
    """Newcombe's interval does not know which arm is called the first; and it always has a width."""
    both, first, second, neither = table
    one, other = estimate.newcombe_paired(*table), estimate.newcombe_paired(both, second, first, neither)

    assert [one.point, one.lower, one.upper] == pytest.approx([-other.point, -other.upper, -other.lower])
    assert -1 <= one.lower <= one.point <= one.upper <= 1
    assert one.upper - one.lower > 0


RATES: list[Bound] = [
    clopper_pearson,
    wilson,
    estimate.beta_mixture_sequence,
    estimate.bernoulli_sequence,
    lambda hits, n: clopper_pearson(hits, n, 0.95, 1),
]


@pytest.mark.parametrize("bound", RATES)
@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_a_rate_counted_by_its_failures_is_turned_round(bound: Bound, n: int) -> None:
    """Successes and failures change places; more successes never lower a bound; the point lies within."""
    found = [bound(hits, n) for hits in range(n + 1)]

    for one, other in zip(found, found[::-1], strict=True):
        assert [1 - other.upper, 1 - other.lower] == pytest.approx([one.lower, one.upper], abs=1e-12)
        assert 0 <= one.lower <= one.point <= one.upper <= 1
        assert one.lower < one.upper
    for one, other in pairwise(found):
        assert one.lower <= other.lower
        assert one.upper <= other.upper
    assert (0.0, 1.0) == (found[0].lower, found[-1].upper)


@pytest.mark.parametrize("bound", RATES[:4])
def test_more_samples_narrow_a_bound_and_more_confidence_widens_it(bound: Callable[..., Interval]) -> None:
    """At the same rate, for the same question."""
    for hits, n in ((0, 10), (3, 10), (9, 10)):
        few, many, surer = bound(hits, n), bound(10 * hits, 10 * n), bound(hits, n, 0.99)

        assert few.lower <= many.lower <= many.upper <= few.upper
        assert surer.lower <= few.lower <= few.upper <= surer.upper


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=5), min_size=2, max_size=20), st.randoms())
@settings(deadline=None, max_examples=60)
def test_the_order_of_clusters_means_nothing(clusters: list[list[int]], die: random.Random) -> None:
    """Nor that inside of them; and clusters are never worth more than independent samples."""
    found = estimate.korn_graubard(clusters)
    naive = clopper_pearson(sum(map(sum, clusters)), sum(map(len, clusters)))
    die.shuffle(clusters)
    for cluster in clusters:
        die.shuffle(cluster)
    again = estimate.korn_graubard(clusters)

    assert [found.lower, found.upper] == pytest.approx([again.lower, again.upper], abs=1e-12)
    assert found.lower <= naive.lower + 1e-12
    assert found.upper >= naive.upper - 1e-12


@given(st.lists(st.tuples(st.floats(-100, 100), st.integers(0, 4)), min_size=2, max_size=30), st.floats(-50, 50))
@settings(deadline=None, max_examples=60)
def test_a_mean_moves_with_its_values(pairs: list[tuple[float, int]], shift: float) -> None:
    """By a shift, by another unit, and not by another order; one ratio of sums is a mean."""
    values, clusters = [value for value, _ in pairs], [cluster for _, cluster in pairs]
    one = estimate.clustered_mean(values, clusters)
    moved = estimate.clustered_mean([shift - 2 * value for value in values[::-1]], clusters[::-1])
    ratio = estimate.ratio_of_sums(values, [1.0] * len(values), clusters)

    assert moved.standard_error == pytest.approx(2 * one.standard_error, rel=1e-6, abs=1e-9)
    assert [ratio.point, ratio.lower, ratio.upper] == pytest.approx([one.point, one.lower, one.upper], abs=1e-9)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6))
@settings(deadline=None, max_examples=40)
def test_a_stratified_mean_of_one_is_its_own_interval(hits: list[int]) -> None:
    """MOVER reduces to the single interval, and is never wider than the weighted sum of the arms."""
    parts, share = [clopper_pearson(hit, 50) for hit in hits], 1 / len(hits)
    alone, all_of_them = stratified(parts[:1], [1]), stratified(parts, [share] * len(parts))

    assert [parts[0].lower, parts[0].upper] == pytest.approx([alone.lower, alone.upper], abs=1e-15)
    assert all_of_them.lower >= share * sum(part.lower for part in parts) - 1e-12
    assert all_of_them.upper <= share * sum(part.upper for part in parts) + 1e-12


def test_an_empirical_bernstein_bound_is_turned_round_and_narrows() -> None:
    """Of 1 - x it is one minus itself; and the less the values vary, the narrower it is."""
    values = [i * 0.618 % 1 for i in range(1, 300)]
    one = estimate.empirical_bernstein_sequence(values)
    other = estimate.empirical_bernstein_sequence([1 - value for value in values])
    calm = estimate.empirical_bernstein_sequence([0.45 + value / 10 for value in values])

    assert [1 - other.upper, 1 - other.lower] == pytest.approx([one.lower, one.upper], abs=1e-12)
    assert calm.upper - calm.lower < one.upper - one.lower
