"""Means, ratios, quantiles and weighted sums: what is not counted but measured."""
# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import fsum, hypot, inf, isnan, sqrt

from registry.core.gate import exact
from registry.core.gate.estimators.interval import Interval, NoSample, level_of, numbers, reals, t_quantile
from registry.core.gate.estimators.rates import clopper_pearson

Part = Interval | tuple[float, float, float] | tuple[int, int]


@dataclass(frozen=True, slots=True)
class MeanInterval(Interval):
    """A mean with its bounds and its standard error, which is infinite where one cluster is all there is."""

    standard_error: float


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable], confidence: float = 0.95) -> MeanInterval:
    """Bound a mean of samples that come in clusters.

    Args:
        values: Finite numbers, at least one.
        clusters: The cluster of each; samples that are each their own cluster give the usual t interval.
        confidence: Of the two-sided interval.

    Returns:
        The mean over all values, with a t interval of C - 1 degrees of freedom for C clusters. The squared standard
        error is `C/(C-1) * sum over clusters of (sum of deviations)^2 / n^2`. With that factor 0 to 19 in four
        clusters has the published 0.645 (without it 0.559), and clusters of one have the sample's own `s / sqrt(n)`.
        It has no width where all clusters agree, and infinite bounds for one cluster.

    Raises:
        NoSample: There are no values, one is not finite, or lengths differ.

    Source: E. Miller, arXiv 2411.00640 (2024), appendix A, with the finite-cluster factor of the metric `stderr` of
    Inspect AI (a special case of Liang and Zeger, Biometrika 73 (1986) 13-22).
    """
    level, found = float(level_of(confidence)), numbers(values)
    mean, n = fsum(found) / len(found), len(found)
    error = _cluster_error(_by_cluster([value - mean for value in found], clusters)) / n
    half = t_quantile(level, len(set(clusters)) - 1) * error if error < inf else inf
    return MeanInterval(mean, mean - half, mean + half, error)


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
        NoSample: Nothing to divide by, an amount that is not finite, or lengths differ.

    Source: W. G. Cochran, Sampling Techniques (1977), section 2.11 (linearisation).
    """
    level, above, below = float(level_of(confidence)), numbers(numerators), numbers(denominators)
    weight, names = fsum(below), range(len(above)) if clusters is None else clusters
    if len(above) != len(below) or not weight > 0:
        raise NoSample("a ratio needs as many denominators as numerators, with a positive sum")
    ratio = fsum(above) / weight
    error = _cluster_error(_by_cluster([x - ratio * y for x, y in zip(above, below, strict=True)], names)) / weight
    half = t_quantile(level, len(set(names)) - 1) * error if error < inf else inf
    return Interval(ratio, ratio - half, ratio + half)


def quantile_interval(values: Sequence[float], q: float, confidence: float = 0.95) -> Interval:
    """Bound a quantile by order statistics, whatever the distribution.

    Args:
        values: Independent numbers, at least one; infinity is allowed.
        q: Between 0 and 1, both excluded; 0.5 is the median.
        confidence: Of the two-sided interval.

    Returns:
        The inverted-CDF quantile (value number ceil(q n)) and two of the values; -inf or inf where no value will do.

    Raises:
        NoSample: There are no values, one is not a number, or `q` is no share.

    Source: W. J. Conover, Practical Nonparametric Statistics (1999), section 3.2.
    """
    level, ordered = level_of(confidence), sorted(reals(values))
    if not ordered or any(map(isnan, ordered)):
        raise NoSample("a quantile needs at least one value, and each is a number")
    if not 0 < q < 1:
        raise NoSample(f"{q!r} is no quantile", why="it takes 0 < q < 1; 0.95 is the 95th percentile")
    lower, point, upper = exact.ranks(len(ordered), Fraction(str(q)).limit_denominator(10**9), level)
    bounded = [-inf, *ordered, inf]
    return Interval(bounded[point], bounded[lower], bounded[upper])


def stratified(parts: Sequence[Part], weights: Sequence[float], confidence: float = 0.95) -> Interval:
    """Bound a weighted sum of independent estimates from their own bounds (MOVER).

    Args:
        parts: For each stratum an interval (or its point, lower and upper bound), or (successes, n), which gets a
            Clopper-Pearson interval.
        weights: As many; for a mean they sum to 1, for a difference they are 1 and -1.
        confidence: Of the intervals that are made here; an interval that is given keeps its own.

    Raises:
        NoSample: There are no parts, as many weights as parts there are not, or a weight is not finite.

    Source: G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702.
    """
    level_of(confidence)
    shares = numbers(weights, "weight")
    if len(parts) != len(shares):
        raise NoSample("a stratified mean needs as many weights as parts, and at least one")
    # why: a weight of 0 takes a part out, and 0 times an infinite bound is no number.
    pairs = [(w, _bounded(part, confidence)) for w, part in zip(shares, parts, strict=True) if w != 0]
    point = fsum(weight * part.point for weight, part in pairs)
    # why: a negative weight turns its interval round.
    below = hypot(*(w * (part.point - (part.lower if w > 0 else part.upper)) for w, part in pairs))
    above = hypot(*(w * (part.point - (part.upper if w > 0 else part.lower)) for w, part in pairs))
    return Interval(point, point - below, point + above)


def _bounded(part: Part, confidence: float) -> Interval:
    if isinstance(part, Interval):
        return part
    return clopper_pearson(*part, confidence) if len(part) == 2 else Interval(*part)


def _by_cluster(deviations: Sequence[float], clusters: Iterable[Hashable]) -> list[float]:
    """The sum of the deviations in each cluster."""
    sums: dict[Hashable, list[float]] = {}
    try:
        for name, deviation in zip(clusters, deviations, strict=True):
            sums.setdefault(name, []).append(deviation)
    except ValueError:
        raise NoSample("each sample has its cluster: as many clusters are named as there are values") from None
    return [fsum(found) for found in sums.values()]


def _cluster_error(sums: Sequence[float]) -> float:
    """The standard error of a sum, from the deviations of its clusters; infinite for one cluster."""
    groups = len(sums)
    return sqrt(fsum(found**2 for found in sums) * groups / (groups - 1)) if groups > 1 else inf
