"""From a sample to an estimate with exact or outward-rounded bounds, by the settings of a gate."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import sqrt

import numpy as np

from registry.core.gate import exact
from registry.core.gate.estimators.interval import t_quantile
from registry.core.gate.estimators.rates import clustered_rate, poisson_exact, rate_of_clusters
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.measuring.sample import Calls, Hits, Ratio, Sample, Scores, Values
from registry.core.gate.rows import amounts
from registry.core.gate.rows.amounts import Column, amounts_from, by_case, dot, total

MIN_CLUSTERS = 10
_NOISE = Fraction(1, 10**11)
"""More than the last bits of a numerical library can move a bound of size 1."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What was seen. None is infinity; bounds are on the grid of `exact` and rounded outward.

    `n` is everything scheduled; `units` are the independent things in it (cases, where samples share one); `count` is
    the number of hits of a rate. `doubt` says why the bounds cannot be believed.
    """

    point: Fraction | None
    lower: Fraction
    upper: Fraction | None
    n: int
    units: int
    count: int | None = None
    is_plain_rate: bool = False
    doubt: str = ""


def estimate(sample: Sample, gate: Gate) -> Estimate:
    """Bound one sample in the way that belongs to its kind."""
    match sample:
        case Hits(hits, 1):
            count, n = hits.count(1), len(hits)
            lower, upper = rate_bounds(count, n, gate)
            return Estimate(Fraction(count, max(n, 1)), lower, upper, n, n, count, is_plain_rate=True)
        case Hits(hits, samples):
            sums = by_case(_wide(hits), samples)
            return clustered(sums, np.full_like(sums, samples), gate)
        case Calls(passed, calls):
            return clustered(passed, calls, gate)
        case Scores():
            return mean_score(_share(sample), len(sample.parts), gate)
        case Values():
            return quantile(sample, gate.level)
        case Ratio():
            return _ratio(sample, gate)


def joined(samples: Sequence[Sample]) -> Sample:
    """The samples of several slices as one; only quantiles and ratios are ever asked of more than one."""
    first = samples[0]
    if len(samples) == 1:
        return first
    match first:
        case Values():
            parts = [part for part in samples if isinstance(part, Values)]
            return Values(amounts.joined([part.finite for part in parts]), sum(part.n for part in parts), first.q)
        case Ratio():
            ratios = [part for part in samples if isinstance(part, Ratio)]
            below = np.concatenate([part.below for part in ratios])
            return Ratio(amounts.joined([part.above for part in ratios]), below, first.scale)
        case _:
            return first


def rate_bounds(count: int, n: int, gate: Gate) -> tuple[Fraction, Fraction]:
    """Bounds on a rate of independent samples, by the gate's method."""
    method = exact.wilson if gate.method == "wilson" else exact.clopper_pearson
    return method(count, n, gate.level)


def aggregate(parts: Sequence[Estimate], weights: Sequence[Fraction]) -> Estimate:
    """The weighted mean of rates of different slices."""
    bounded = [(part.point or Fraction(0), part.lower, part.upper or Fraction(1)) for part in parts]
    point = sum((weight * one[0] for weight, one in zip(weights, bounded, strict=True)), Fraction(0))
    lower, upper = exact.mover(bounded, weights)
    doubt = next((part.doubt for part in parts if part.doubt), "")
    return Estimate(point, lower, upper, sum(p.n for p in parts), sum(p.units for p in parts), doubt=doubt)


def paired(arms: tuple[bytes, bytes], samples: int, gate: Gate) -> Estimate:
    """The candidate's rate minus the baseline's on the same samples; 1 is good in both."""
    good, before = arms
    n = len(good)
    point = Fraction(good.count(1) - before.count(1), max(n, 1))
    if n == 0:
        return Estimate(point, Fraction(-1), Fraction(1), 0, 0)
    if samples == 1:
        lower, upper = exact.newcombe_paired(two_by_two(good, before), gate.level)
        return Estimate(point, lower, upper, n, n)
    # why: (1 + new - old) / 2 lies between 0 and 1, so that the bounds for clustered rates hold for it.
    doubled = by_case(1 + _wide(good) - _wide(before), samples)
    half = clustered(doubled, np.full_like(doubled, samples), gate, unit=Fraction(1, 2))
    upper = 2 * (half.upper or Fraction(1)) - 1
    return Estimate(point, 2 * half.lower - 1, upper, n, half.units, doubt=half.doubt)


def _wide(flags: bytes) -> Column:
    return np.frombuffer(flags, np.uint8).astype(np.int64)


def differences(arms: tuple[bytes, bytes], samples: int) -> list[int]:
    """For each case how many more of its samples are good in the first arm than in the second."""
    found: list[int] = by_case(_wide(arms[0]) - _wide(arms[1]), samples).tolist()
    return found


def two_by_two(good: bytes, before: bytes) -> tuple[int, int, int, int]:
    """Samples that are good in both arms, in the first only, in the second only, in neither."""
    both = (int.from_bytes(good) & int.from_bytes(before)).bit_count()
    one, two = good.count(1), before.count(1)
    return both, one - both, two - both, len(good) - one - two + both


def clustered(sums: Column, sizes: Column, gate: Gate, *, unit: Fraction = Fraction(1)) -> Estimate:
    """Bound a rate from each cluster's sum, counted in `unit`, and its number of samples."""
    count, n, units = unit * total(sums), total(sizes), len(sums)
    point = count / max(n, 1)
    if n == units:
        # why: one thing in each case is an independent sample, and has an exact bound.
        lower, upper = rate_bounds(int(count), n, gate)
        return Estimate(point, lower, upper, n, units, int(count), is_plain_rate=True)
    squares = unit**2 * dot(sums, sums) - 2 * point * unit * dot(sums, sizes) + point**2 * dot(sizes, sizes)
    found = rate_of_clusters((float(point), float(squares / n**2)), (n, units), level=float(gate.level))
    lower, upper = max(Fraction(0), _below(found.lower)), min(Fraction(1), _above(found.upper))
    return Estimate(point, lower, upper, n, units, int(count), doubt=too_few(units, n))


def too_few(units: int, n: int) -> str:
    """Why clusters of several samples are too few to tell how much they differ; nothing where they are enough."""
    if n == units or units >= MIN_CLUSTERS:
        return ""
    return f"{units} groups of several samples each are too few for a bound"


def expected_count(count: int, gate: Gate) -> Estimate:
    """Bound how often a rare event comes in as much traffic as this."""
    found = poisson_exact(count, confidence=float(1 - 2 * gate.level))
    lower, upper = max(Fraction(0), _below(found.lower)), _above(found.upper)
    return Estimate(Fraction(count), lower, upper, count, count, count)


def _share(sample: Scores) -> Fraction:
    return Fraction(total(sample.parts), sample.of * max(len(sample.parts), 1))


def mean_score(mean: Fraction, n: int, gate: Gate) -> Estimate:
    """Bound a mean of numbers from 0 to 1 as a rate, whose samples vary at least as much as any others do."""
    if (mean * n).denominator == 1:
        return Estimate(mean, *rate_bounds(int(mean * n), n, gate), n, n, is_plain_rate=True)
    found = rate_of_clusters((float(mean), 0.0), (n, n), level=float(gate.level))
    lower, upper = max(Fraction(0), _below(found.lower)), min(Fraction(1), _above(found.upper))
    return Estimate(mean, lower, upper, n, n)


def quantile(sample: Values, level: Fraction) -> Estimate:
    """Bound a quantile by order statistics; `level` is the risk of each bound."""
    n, finite = sample.n, sample.finite
    low, middle, high = exact.ranks(n, sample.q, level)
    # why: nothing here is negative, so 0 bounds what no value does.
    ordered = np.concatenate(([0], np.sort(finite.units)))
    lower, point, upper = (finite.value(ordered[r]) if r < len(ordered) else None for r in (low, middle, high))
    # why: where even the lower rank is infinite, the largest number seen still bounds it.
    lower = finite.value(ordered[-1]) if lower is None else lower
    return Estimate(point if n else None, exact.down(lower), None if upper is None else exact.up(upper), n, n)


def values_of(values: Sequence[Decimal | None], q: Fraction) -> Values:
    """Numbers, None for infinity, as a sample."""
    return Values(amounts_from([value for value in values if value is not None]), len(values), q)


def clustered_quantile(
    values: Sequence[Decimal | None], clusters: Sequence[Hashable], q: Fraction, *, gate: Gate
) -> Estimate:
    """Bound a quantile of values (None is infinity) in clusters, by bounding the rate of values beyond it.

    Returns:
        The largest value of which it is proven that no more than `q` lies below, and the smallest of which no more than
        `1 - q` lies above; what order statistics give where each cluster has one value.

    Source: R. S. Woodruff, JASA 47 (1952) 635-646, with Korn and Graubard's bounds.
    """
    n, sizes = len(values), Counter(clusters)
    seen = sorted({value for value in values if value is not None})

    def is_rare(share: Fraction, hits: Iterable[bool]) -> bool:
        sums = Counter(cluster for cluster, hit in zip(clusters, hits, strict=True) if hit)
        found = clustered_rate([(sums[one], size) for one, size in sizes.items()], float(gate.level))
        return _above(found.upper) <= share

    def is_below(rank: int) -> bool:
        return is_rare(q, (value is not None and value < seen[rank - 1] for value in values))

    def is_above(rank: int) -> bool:
        return is_rare(1 - q, (value is None or value > seen[-rank] for value in values))

    low, high = exact.last(len(seen), is_below), exact.last(len(seen), is_above)
    lower = exact.down(Fraction(seen[low - 1])) if low else Fraction(0)
    upper = exact.up(Fraction(seen[-high])) if high else None
    point = quantile(values_of(values, q), gate.level).point
    return Estimate(point, lower, upper, n, len(sizes), doubt=too_few(len(sizes), n))


def _ratio(sample: Ratio, gate: Gate) -> Estimate:
    """The ratio with a t interval on the cases' residuals.

    Source: W. G. Cochran, Sampling Techniques (1977), section 2.11; as `estimate.ratio_of_sums`, but the sum of
    squares is exact.
    """
    costs, tokens, n = sample.above.units, sample.below, len(sample.below)
    weight, raised = total(tokens), sample.raised or Fraction(0)
    if weight == 0:
        return Estimate(None, Fraction(0), None, n, n, doubt="there is nothing to divide by")
    ratio = Fraction(total(costs), weight)
    unit = sample.scale * sample.above.value(1)
    point = ratio * unit - raised
    if n < 2:
        doubt = "" if sample.raised is None else "one case gives no bound"
        return Estimate(point, Fraction(0), None, n, n, doubt=doubt)
    squares = dot(costs, costs) - 2 * ratio * dot(costs, tokens) + ratio**2 * dot(tokens, tokens)
    spread = sqrt(squares * n / (n - 1) * (unit / weight) ** 2)
    half = t_quantile(float(gate.level), n - 1) * spread
    lower, upper = _below(float(point) - half), _above(float(point) + half)
    return Estimate(point, lower if sample.raised is not None else max(Fraction(0), lower), upper, n, n)


def _below(value: float) -> Fraction:
    return exact.down(Fraction(value) - _NOISE)


def _above(value: float) -> Fraction:
    return exact.up(Fraction(value) + _NOISE)
