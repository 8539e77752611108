"""From a sample to an estimate with exact or outward-rounded bounds, by the settings of a gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isfinite

from registry.core.gate import exact
from registry.core.gate.estimate import clustered_rate, ratio_of_sums
from registry.core.gate.gatefile import Gate
from registry.core.gate.metric import Calls, Hits, Ratio, Sample, Values

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
            count, n = sum(hits), len(hits)
            lower, upper = rate_bounds(count, n, gate)
            return Estimate(Fraction(count, max(n, 1)), lower, upper, n, n, count, is_plain_rate=True)
        case Hits(hits, samples):
            sums = [(sum(hits[at : at + samples]), samples) for at in range(0, len(hits), samples)]
            return _clustered(sums, gate)
        case Calls(passed, total):
            return _clustered(list(zip(passed, total, strict=True)), gate)
        case Values():
            return _quantile(sample, gate)
        case Ratio():
            return _ratio(sample, gate)


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
    point = Fraction(sum(good) - sum(before), max(n, 1))
    if n == 0:
        return Estimate(point, Fraction(-1), Fraction(1), 0, 0)
    if samples == 1:
        lower, upper = exact.newcombe_paired(two_by_two(good, before), gate.level)
        return Estimate(point, lower, upper, n, n)
    # why: (1 + new - old) / 2 lies between 0 and 1, so that the bounds for clustered rates hold for it.
    halves = [(1 + new - old) / 2 for new, old in zip(good, before, strict=True)]
    sums = [(sum(halves[at : at + samples]), samples) for at in range(0, n, samples)]
    half = _clustered(sums, gate)
    upper = 2 * (half.upper or Fraction(1)) - 1
    return Estimate(point, 2 * half.lower - 1, upper, n, half.units, doubt=half.doubt)


def two_by_two(good: bytes, before: bytes) -> tuple[int, int, int, int]:
    """Samples that are good in both arms, in the first only, in the second only, in neither."""
    both = (int.from_bytes(good) & int.from_bytes(before)).bit_count()
    one, two = sum(good), sum(before)
    return both, one - both, two - both, len(good) - one - two + both


def _clustered(sums: Sequence[tuple[float, int]], gate: Gate) -> Estimate:
    count, n, units = sum((Fraction(part) for part, _ in sums), Fraction(0)), sum(size for _, size in sums), len(sums)
    point = count / max(n, 1)
    if n == units:
        # why: one thing in each case is an independent sample, and has an exact bound.
        lower, upper = rate_bounds(int(count), n, gate)
        return Estimate(point, lower, upper, n, units, int(count), is_plain_rate=True)
    found = clustered_rate(sums, float(gate.level))
    doubt = f"{units} cases with several samples each are too few for a bound" if units < MIN_CLUSTERS else ""
    lower, upper = max(Fraction(0), _below(found.lower)), min(Fraction(1), _above(found.upper))
    return Estimate(point, lower, upper, n, units, int(count), doubt=doubt)


def _quantile(sample: Values, gate: Gate) -> Estimate:
    n = len(sample.values)
    low, middle, high = exact.ranks(n, sample.q, gate.level)
    # why: nothing here is negative, so 0 bounds what no value does.
    ordered = [Decimal(0), *sorted(value for value in sample.values if value is not None)]
    lower, point, upper = (Fraction(ordered[rank]) if rank < len(ordered) else None for rank in (low, middle, high))
    # why: where even the lower rank is infinite, the largest number seen still bounds it.
    lower = Fraction(ordered[-1]) if lower is None else lower
    return Estimate(point if n else None, exact.down(lower), None if upper is None else exact.up(upper), n, n)


def _ratio(sample: Ratio, gate: Gate) -> Estimate:
    above, below = total(sample.above), total(sample.below)
    n = len(sample.above)
    if below == 0:
        return Estimate(None, Fraction(0), None, n, n, doubt="no tokens were counted")
    found = ratio_of_sums(*_floats(sample), confidence=float(1 - 2 * gate.level))
    lower = max(Fraction(0), _below(found.lower)) if isfinite(found.lower) else Fraction(0)
    return Estimate(above / below, lower, _above(found.upper) if isfinite(found.upper) else None, n, n)


def total(values: Sequence[Decimal]) -> Fraction:
    """The sum of amounts, exactly: a hundred digits hold 10^60 of the widest."""
    with localcontext(prec=100):
        return Fraction(sum(values, Decimal(0)))


def _floats(sample: Ratio) -> tuple[list[float], list[float]]:
    return _float_list(sample.above), _float_list(sample.below)


def _float_list(values: Sequence[Decimal]) -> list[float]:
    return [float(value) for value in values]


def _below(value: float) -> Fraction:
    return exact.down(Fraction(value) - _NOISE)


def _above(value: float) -> Fraction:
    return exact.up(Fraction(value) + _NOISE)
