"""Numbers of two models on the same cases, the first minus the second; `measure.paired` compares yes-or-no samples."""

from fractions import Fraction
from math import sqrt

import numpy as np

from registry.core.gate import exact
from registry.core.gate.estimators.interval import t_quantile
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.measuring.measure import Estimate, estimate, mean_score, quantile
from registry.core.gate.measuring.sample import Ratio, Sample, Scores, Values
from registry.core.gate.rows.amounts import total

_NOISE = Fraction(1, 10**9)
"""More than floats lose in a sum of squares whose root is of size 1."""


def difference(new: Sample, old: Sample, gate: Gate) -> Estimate:
    """Bound a difference.

    Scores are subtracted case by case. A ratio's difference is linearised case by case. Two quantiles are bounded each
    on its own, at half the risk, which holds however they depend on each other.
    """
    match new, old:
        case Scores(), Scores():
            one, other = estimate(new, gate), estimate(old, gate)
            # why: (1 + new - old) / 2 lies between 0 and 1.
            shift = (one.point or Fraction(0)) - (other.point or Fraction(0))
            half = mean_score((1 + shift) / 2, one.n, gate)
            upper = 2 * (half.upper or Fraction(0)) - 1
            return Estimate(2 * (half.point or Fraction(0)) - 1, 2 * half.lower - 1, upper, half.n, half.units)
        case Ratio(), Ratio():
            return _of_ratios(new, old, gate)
        case Values(), Values():
            return _apart(quantile(new, gate.level / 2), quantile(old, gate.level / 2))
        case _:
            raise TypeError("these samples have no difference")


def _apart(one: Estimate, other: Estimate) -> Estimate:
    """The difference of two bounded numbers, in the worst case of both."""
    if one.point is None or one.upper is None or other.point is None or other.upper is None:
        doubt = "a number or its bound is infinite, and has no difference"
        return Estimate(None, Fraction(0), None, one.n, one.units, doubt=doubt)
    lower, upper = one.lower - other.upper, one.upper - other.lower
    return Estimate(one.point - other.point, lower, upper, one.n, one.units)


def _of_ratios(new: Ratio, old: Ratio, gate: Gate) -> Estimate:
    """Source: W. G. Cochran, Sampling Techniques (1977), section 2.11, for the residuals of both ratios together."""
    n, one, other = len(new.below), estimate(new, gate), estimate(old, gate)
    if n < 2 or one.point is None or other.point is None:
        return Estimate(None, Fraction(0), None, n, n, doubt="there is too little to divide by")
    rest = _residuals(new) - _residuals(old)
    spread = sqrt(float(np.dot(rest, rest)) * n / (n - 1))
    half = Fraction(t_quantile(float(gate.level), n - 1) * spread) * (1 + _NOISE) + _NOISE / 100
    point = one.point - other.point
    return Estimate(point, exact.down(point - half), exact.up(point + half), n, n)


def _residuals(ratio: Ratio) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """What each case adds to the error of a ratio."""
    above, below, weight = ratio.above.units.astype(float), ratio.below.astype(float), total(ratio.below)
    unit = float(ratio.scale * ratio.above.value(1)) / weight
    rest: np.ndarray[tuple[int], np.dtype[np.float64]] = (above - total(ratio.above.units) / weight * below) * unit
    return rest
