"""The estimators: pure functions from counts and numbers to a point with its bounds.

These are the public, floating-point face. Where a verdict depends on a bound, `exact` computes it without rounding; a
test keeps the two together. SciPy is loaded only by the functions that need a beta or t quantile.
"""
# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum, inf, isfinite, sqrt
from operator import index
from typing import Any

from registry.core.gate import exact
from registry.errors import UsageError


class NoSample(UsageError):
    """An estimate was asked of nothing, or of counts that cannot be."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its bounds, in the unit of what was estimated; rates are fractions of 1, not percent."""

    point: float
    lower: float
    upper: float


def wilson(successes: int, n: int, confidence: float = 0.95, sides: int = 2) -> Interval:
    """Bound a rate seen in independent yes/no samples by inverting the score test.

    Args:
        successes: Samples that passed, 0 to `n`.
        n: Samples judged, at least 1.
        confidence: Of the interval (two sides) or of each bound alone (one side); between 0.5 and 1.
        sides: 1 or 2. With 1, both bounds are returned and each holds alone.

    Raises:
        NoSample: The counts cannot be.

    Source: E. B. Wilson, JASA 22 (1927) 209-212. Near the edges a one-sided bound errs more often than it says (T. T.
    Cai, Journal of Statistical Planning and Inference 131 (2005) 63-88), so gates use Clopper-Pearson by default.
    """
    _check_counts(successes, n)
    lower, upper = exact.wilson_real(successes, n, _level(confidence, sides))
    return Interval(successes / n, float(lower), float(upper))


def clopper_pearson(successes: int, n: int, confidence: float = 0.95, sides: int = 2) -> Interval:
    """Bound a rate by inverting the exact binomial test: each bound errs at most as often as it says.

    Args:
        successes: Samples that passed, 0 to `n`.
        n: Independent samples, at least 1.
        confidence: As in `wilson`.
        sides: As in `wilson`.

    Raises:
        NoSample: The counts cannot be.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413, by beta quantiles.
    """
    _check_counts(successes, n)
    lower, upper = _beta_bounds(float(successes), float(n), float(_level(confidence, sides)))
    return Interval(successes / n, lower, upper)


Scores = Mapping[Any, Sequence[float]] | Sequence[Sequence[float]]


def korn_graubard(scores_by_cluster: Scores, confidence: float = 0.95) -> Interval:
    """Bound a rate whose samples come in clusters: several samples of a prompt, several calls of a run.

    Args:
        scores_by_cluster: For each cluster its scores in [0, 1], usually 0 or 1; by name or in any order.
        confidence: Of the two-sided interval.

    Returns:
        The mean over all scores, bounded as if there were `n*` independent ones: the effective sample size, corrected
        for the degrees of freedom, never more than the scores, and the number of clusters when they do not vary.

    Raises:
        NoSample: There are no scores, or one is outside [0, 1].

    Source: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201, as the NCHS presentation standards
    for proportions use it (Vital and Health Statistics 2(175), 2017).
    """
    clusters = [list(scores) for scores in _clusters(scores_by_cluster) if len(scores)]
    if not clusters or any(not 0 <= score <= 1 for scores in clusters for score in scores):
        raise NoSample("clusters hold scores from 0 to 1, and there is at least one")
    sums = [(fsum(scores), len(scores)) for scores in clusters]
    return clustered_rate(sums, float(_level(confidence, 2)))


def clustered_rate(sums: Sequence[tuple[float, int]], level: float) -> Interval:
    """`korn_graubard` from each cluster's (sum of scores, number of scores); `level` is the risk of each bound."""
    n = sum(size for _, size in sums)
    rate = min(1.0, fsum(total for total, _ in sums) / n)
    variance = fsum((total - size * rate) ** 2 for total, size in sums) / n**2
    return rate_of_clusters((rate, variance), (n, len(sums)), level=level)


def rate_of_clusters(moments: tuple[float, float], counts: tuple[int, int], *, level: float) -> Interval:
    """`clustered_rate` from (rate, sum of squared residuals / n^2) and (samples n, clusters)."""
    (rate, _), (n, clusters) = moments, counts
    if clusters == 1 and n > 1:
        return Interval(rate, 0.0, 1.0)
    size = effective_size(moments, counts, level)
    lower, upper = _beta_bounds(rate * size, size, level)
    return Interval(rate, min(lower, rate), max(upper, rate))


def effective_size(moments: tuple[float, float], counts: tuple[int, int], level: float) -> float:
    """How many independent samples the clusters are worth, corrected for their degrees of freedom."""
    (rate, variance), (n, clusters) = moments, counts
    # why: rounding leaves about 1e-17 where clusters do not vary at all; that is no evidence of a great sample.
    if clusters < 2 or variance < 1e-15 or n == clusters:
        return float(clusters)
    variance *= clusters / (clusters - 1)
    correction = (t_quantile(level, n - 1) / t_quantile(level, clusters - 1)) ** 2
    return min(float(n), rate * (1 - rate) / variance * correction)


def poisson_exact(count: int, exposure: float = 1.0, confidence: float = 0.95) -> Interval:
    """Bound how often an event comes in a unit of exposure, from how often it came.

    Args:
        count: Events seen, 0 or more.
        exposure: In how many units (hours, thousands of requests) they were seen, above 0.
        confidence: Of the two-sided interval.

    Raises:
        NoSample: The count is negative or not whole, or there was no exposure.

    Source: F. Garwood, Biometrika 28 (1936) 437-442, by chi-squared quantiles.
    """
    seen, level, chi2 = _whole(count, "count"), float(_level(confidence, 2)), _stats().chi2
    units = _finite([exposure])[0]
    if units <= 0:
        raise NoSample(f"{exposure} is no exposure", why="it is above 0")
    lower = float(chi2.ppf(level, 2 * seen)) / 2 if seen else 0.0
    return Interval(seen / units, lower / units, float(chi2.isf(level, 2 * seen + 2)) / 2 / units)


def quantile_interval(values: Sequence[float], q: float, confidence: float = 0.95) -> Interval:
    """Bound a quantile by order statistics, whatever the distribution.

    Args:
        values: Independent numbers, at least one; infinity is allowed.
        q: Between 0 and 1, both excluded; 0.5 is the median.
        confidence: Of the two-sided interval.

    Returns:
        The inverted-CDF quantile (value number ceil(q n)) and two of the values; -inf or inf where no value will do.

    Raises:
        NoSample: There are no values.

    Source: W. J. Conover, Practical Nonparametric Statistics (1999), section 3.2.
    """
    if not values:
        raise NoSample("a quantile needs at least one value")
    ordered = [-inf, *sorted(values), inf]
    lower, point, upper = exact.ranks(len(values), Fraction(str(q)), _level(confidence, 2))
    return Interval(ordered[point], ordered[lower], ordered[upper])


def ratio_of_sums(
    numerators: Sequence[float],
    denominators: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> Interval:
    """Bound sum(numerators) / sum(denominators), such as dollars by tokens; never a mean of ratios.

    Args:
        numerators: One amount for each sample.
        denominators: As many, with a positive sum.
        clusters: The cluster of each sample; left out, each is its own.
        confidence: Of the two-sided interval.

    Returns:
        The ratio, with a t interval on cluster sums of numerator - ratio * denominator; infinite for one cluster.

    Raises:
        NoSample: Nothing to divide by, or lengths differ.

    Source: W. G. Cochran, Sampling Techniques (1977), section 2.11 (linearisation).
    """
    if len(numerators) != len(denominators) or not fsum(denominators) > 0:
        raise NoSample("a ratio needs as many denominators as numerators, with a positive sum")
    weight = fsum(denominators)
    ratio = fsum(numerators) / weight
    names = clusters if clusters is not None else range(len(numerators))
    sums: dict[Hashable, list[float]] = {}
    for name, above, below in zip(names, numerators, denominators, strict=True):
        sums.setdefault(name, []).append(above - ratio * below)
    groups = len(sums)
    if groups < 2:
        return Interval(ratio, -inf, inf)
    spread = sqrt(fsum(fsum(rest) ** 2 for rest in sums.values()) * groups / (groups - 1)) / weight
    half = t_quantile(float(_level(confidence, 2)), groups - 1) * spread
    return Interval(ratio, ratio - half, ratio + half)


def stratified(
    parts: Sequence[Interval | tuple[int, int]], weights: Sequence[float], confidence: float = 0.95
) -> Interval:
    """Bound a weighted sum of independent estimates from their own bounds (MOVER).

    Args:
        parts: For each stratum an interval, or (successes, n), which gets a Clopper-Pearson interval.
        weights: As many; for a mean they sum to 1.
        confidence: Of the intervals that are made here; an interval that is given keeps its own.

    Raises:
        NoSample: There are no parts, or as many weights as parts there are not.

    Source: G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702.
    """
    if not parts or len(parts) != len(weights):
        raise NoSample("a stratified mean needs as many weights as parts, and at least one")
    bounded = [part if isinstance(part, Interval) else clopper_pearson(*part, confidence) for part in parts]
    pairs = list(zip(weights, bounded, strict=True))
    point = fsum(weight * part.point for weight, part in pairs)
    # why: a negative weight turns its interval round.
    below = fsum((w * (part.point - (part.lower if w >= 0 else part.upper))) ** 2 for w, part in pairs)
    above = fsum((w * (part.point - (part.upper if w >= 0 else part.lower))) ** 2 for w, part in pairs)
    return Interval(point, point - sqrt(below), point + sqrt(above))


def mcnemar_exact(first_only: int, second_only: int, midp: bool = False) -> float:  # noqa: FBT001, FBT002 - a published form of one test
    """Test whether two arms pass equally often on the same cases.

    Args:
        first_only: Cases that only the first arm passed.
        second_only: Cases that only the second arm passed.
        midp: Count only half of the probability of what was seen: better on average, but no longer a guarantee.

    Returns:
        The two-sided p-value; 1 where no case differs.

    Raises:
        NoSample: A count is negative.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical
    Research Methodology 13 (2013) 91 for the mid-p value.
    """
    if first_only < 0 or second_only < 0:
        raise NoSample("counts are not negative")
    return float(exact.sign_test(first_only, second_only, is_midp=midp))


def newcombe_paired(both: int, first_only: int, second_only: int, neither: int, confidence: float = 0.95) -> Interval:
    """Bound the first rate minus the second, seen on the same cases.

    Args:
        both: Cases that both arms passed.
        first_only: Cases that only the first passed.
        second_only: Cases that only the second passed.
        neither: Cases that neither passed.
        confidence: Of the two-sided interval.

    Raises:
        NoSample: A count is negative or there are no cases.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10 (square-and-add of Wilson bounds).
    """
    table = (both, first_only, second_only, neither)
    if min(table) < 0 or sum(table) == 0:
        raise NoSample("counts are not negative, and there is at least one case")
    lower, upper = exact.newcombe_real(table, _level(confidence, 2))
    return Interval((first_only - second_only) / sum(table), float(lower), float(upper))


def _check_counts(successes: int, n: int) -> None:
    if not 0 <= successes <= n or n < 1:
        raise NoSample(f"{successes} of {n} is no count of successes", why="it takes 0 <= successes <= n and n >= 1")


def _whole(value: int, what: str) -> int:
    """A count as a Python integer; numpy's integers are welcome, 2.5 and NaN are not."""
    try:
        whole = index(value)
    except TypeError:
        raise NoSample(f"{value!r} is no {what}", why="a count is a whole number") from None
    if whole < 0:
        raise NoSample(f"{value!r} is no {what}", why="a count is not negative")
    return whole


def _finite(values: Iterable[float]) -> list[float]:
    found = [float(value) for value in values]
    if not all(map(isfinite, found)):
        raise NoSample("there is a value that is no number")
    return found


def _level(confidence: float, sides: int) -> Fraction:
    """The risk of each bound, from the decimal that was meant: 0.95 is 19/20, not the nearest binary fraction."""
    meant = Fraction(str(confidence))
    if not 0 < meant < 1 or sides not in {1, 2}:
        raise NoSample(f"confidence {confidence} with {sides} sides makes no interval")
    return (1 - meant) / sides


def _clusters(scores: Scores) -> Sequence[Sequence[float]]:
    return list(scores.values()) if isinstance(scores, Mapping) else scores


def _beta_bounds(successes: float, n: float, level: float) -> tuple[float, float]:
    """Clopper-Pearson for counts that need not be whole."""
    beta = _stats().beta
    rest = max(0.0, n - successes)
    lower = 0.0 if successes <= 0 else float(beta.ppf(level, successes, rest + 1))
    upper = 1.0 if rest <= 0 else float(beta.ppf(1 - level, successes + 1, rest))
    return lower, upper


def t_quantile(level: float, freedom: int) -> float:
    """Student's quantile whose upper tail is `level`."""
    return float(_stats().t.isf(level, freedom))


def _stats() -> Any:
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        mend = "pip install 'lockstep-registry[gate]'"
        raise UsageError("this estimate needs SciPy", why=str(error), mend=mend) from None
    return stats
