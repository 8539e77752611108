"""Rates and counts of independent or clustered events."""
# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from collections.abc import Mapping, Sequence
from math import fsum
from typing import Any

from registry.core.gate import exact
from registry.core.gate.estimators.interval import (
    Interval,
    NoSample,
    counts,
    level_of,
    numbers,
    reals,
    special,
    t_quantile,
    whole,
)

Scores = Mapping[Any, Sequence[float]] | Sequence[Sequence[float]]


def wilson(successes: int, n: int, confidence: float = 0.95, sides: int = 2) -> Interval:
    """Bound a rate seen in independent yes/no samples by inverting the score test.

    Args:
        successes: Samples that passed, 0 to `n`.
        n: Samples judged, at least 1.
        confidence: Of the interval (two sides), between 0 and 1, or of each bound alone (one side), at least 0.5.
        sides: 1 or 2. With 1, both bounds are returned and each holds alone.

    Raises:
        NoSample: The counts cannot be.

    Source: E. B. Wilson, JASA 22 (1927) 209-212. Near the edges a one-sided bound errs more often than it says (T. T.
    Cai, Journal of Statistical Planning and Inference 131 (2005) 63-88), so gates use Clopper-Pearson by default.
    """
    hits, size = counts(successes, n)
    lower, upper = exact.wilson_real(hits, size, level_of(confidence, sides))
    return Interval(hits / size, float(lower), float(upper))


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
    hits, size = counts(successes, n)
    lower, upper = _beta_bounds(hits, size, float(level_of(confidence, sides)))
    return Interval(hits / size, lower, upper)


def korn_graubard(scores_by_cluster: Scores, confidence: float = 0.95) -> Interval:
    """Bound a rate whose samples come in clusters: several samples of a prompt, several calls of a run.

    Args:
        scores_by_cluster: For each cluster its scores in [0, 1], usually 0 or 1; by name or in any order.
        confidence: Of the two-sided interval.

    Returns:
        The mean over all scores, bounded as if there were `n*` independent ones: the effective sample size, corrected
        for the degrees of freedom, never more than the scores, and the number of clusters when they do not vary.
        Clusters of one score each are independent samples, and get the Clopper-Pearson interval.

    Raises:
        NoSample: There are no scores, or one is outside [0, 1].

    Source: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201, as the NCHS presentation standards
    for proportions use it (Vital and Health Statistics 2(175), 2017).
    """
    level = float(level_of(confidence))
    parts = scores_by_cluster.values() if isinstance(scores_by_cluster, Mapping) else scores_by_cluster
    clusters = [scores for scores in map(reals, parts) if scores]
    if not clusters or any(not 0 <= score <= 1 for scores in clusters for score in scores):
        raise NoSample("clusters hold scores from 0 to 1, and there is at least one")
    return clustered_rate([(fsum(scores), len(scores)) for scores in clusters], level)


def clustered_rate(sums: Sequence[tuple[float, int]], level: float) -> Interval:
    """`korn_graubard` from each cluster's (sum of scores, number of scores); `level` is the risk of each bound."""
    n = sum(size for _, size in sums)
    rate = min(1.0, fsum(total for total, _ in sums) / n)
    variance = fsum((total - size * rate) ** 2 for total, size in sums) / n**2
    return rate_of_clusters((rate, variance), (n, len(sums)), level=level)


def rate_of_clusters(moments: tuple[float, float], sizes: tuple[int, int], *, level: float) -> Interval:
    """`clustered_rate` from (rate, sum of squared residuals / n^2) and (samples n, clusters)."""
    (rate, _), (n, clusters) = moments, sizes
    if clusters == 1 and n > 1:
        return Interval(rate, 0.0, 1.0)
    size = effective_size(moments, sizes, level)
    lower, upper = _beta_bounds(rate * size, size, level)
    return Interval(rate, min(lower, rate), max(upper, rate))


def effective_size(moments: tuple[float, float], sizes: tuple[int, int], level: float) -> float:
    """How many independent samples the clusters are worth, corrected for their degrees of freedom."""
    (rate, variance), (n, clusters) = moments, sizes
    # why: rounding leaves about 1e-32 where clusters do not vary at all; that is no evidence of a great sample.
    if clusters < 2 or variance < 1e-28 or n == clusters:
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
    seen, level, gamma = whole(count), float(level_of(confidence)), special()
    units = numbers([exposure], "exposure")[0]
    if units <= 0:
        raise NoSample(f"{exposure!r} is no exposure", why="it is above 0")
    lower = float(gamma.gammaincinv(seen, level)) if seen else 0.0
    upper = float(gamma.gammainccinv(seen + 1, level))
    return Interval(seen / units, lower / units, upper / units)


def _beta_bounds(successes: float, n: float, level: float) -> tuple[float, float]:
    """Clopper-Pearson for counts that need not be whole."""
    beta, rest = special(), max(0.0, n - successes)
    lower = 0.0 if successes <= 0 else float(beta.betaincinv(successes, rest + 1, level))
    upper = 1.0 if rest <= 0 else float(beta.betainccinv(successes + 1, rest, level))
    return lower, upper
