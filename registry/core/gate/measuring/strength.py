"""How strong a rule is: how often a model exactly at its threshold, or one margin worse, would pass on as many samples.

Rules on a rate or a quantile of independent samples are counted exactly: each passes when at least so many samples are
good. Every other rule is given the normal curve that its own interval implies.
"""

# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from registry.core.gate import exact
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.language.rule import Comparison
from registry.core.gate.measuring import power
from registry.core.gate.measuring.measure import Estimate
from registry.core.gate.measuring.metric import SHARES, Metric

_PLACES = 4


@dataclass(frozen=True, slots=True)
class Strength:
    """Chances from 0 to 1 that a model passes: one exactly at the threshold, and one worse by `margin`."""

    at_threshold: Fraction
    one_margin_worse: Fraction | None
    margin: Fraction | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A rule as a count: it passes when at least `least` of `n` independent samples are good.

    A model exactly at the threshold is good at the rate `rate`.
    """

    n: int
    least: int
    rate: Fraction

    def chance(self, rate: Fraction) -> Fraction:
        """How often a model that is good at `rate` passes."""
        return exact.tail(self.least, self.n, min(Fraction(1), max(Fraction(0), rate)))


def bar_of(rule: Comparison, metric: Metric, n: int, gate: Gate) -> Bar | None:
    """What a rule on a rate or quantile of `n` independent samples asks for, or None where it is no such count.

    Good is a hit for a rule that asks for much (`>=`), and a miss for one that asks for little; for a quantile it is a
    value on the right side of the threshold.
    """
    if n < 1 or rule.statistic.text not in {"point", "lower_ci", "upper_ci", "count"}:
        return None
    if metric.quantile is not None:
        return _quantile_bar(rule, metric.quantile, n, gate)
    if metric.kind not in SHARES or (rule.comparator.text == "==" and rule.threshold != 0):
        return None
    is_much = rule.comparator.text[0] == ">"
    share = rule.threshold / n if rule.statistic.text == "count" else rule.threshold
    rate = share if is_much else 1 - share
    if rule.statistic.text.endswith("_ci"):
        return Bar(n, power.least_hits(n, rate, gate), rate)
    return Bar(n, _least(rate * n, is_strict=rule.comparator.text in {"<", ">"}), rate)


def _least(wanted: Fraction, *, is_strict: bool) -> int:
    """The least whole number that is not below `wanted`, or above it."""
    return wanted.__floor__() + 1 if is_strict else wanted.__ceil__()


def _quantile_bar(rule: Comparison, q: Fraction, n: int, gate: Gate) -> Bar:
    """`x_(rank) <= t` says that at least `rank` values are; `x_(rank) >= t` that at most `rank - 1` are below."""
    lower, point, upper = exact.ranks(n, q, gate.level)
    rank = {"lower_ci": lower, "upper_ci": upper}.get(rule.statistic.text, point)
    return Bar(n, n - rank + 1, 1 - q) if rule.comparator.text[0] == ">" else Bar(n, rank, q)


def exact_strength(bar: Bar, margin: Fraction) -> Strength:
    """The strength of a rule that is a count."""
    return Strength(exact.nearest(bar.chance(bar.rate)), exact.nearest(bar.chance(bar.rate - margin)), margin)


def rough_strength(rule: Comparison, seen: Estimate, gate: Gate, margin: Fraction | None) -> Strength | None:
    """The strength of any other rule, from the width of its interval; None where it has no width."""
    is_much = rule.comparator.text[0] == ">"
    if seen.point is None or seen.upper is None or seen.doubt:
        return None
    half = seen.point - seen.lower if is_much else seen.upper - seen.point
    return normal_strength(half, gate, margin, is_bound=rule.statistic.text.endswith("_ci"))


def normal_strength(half: Fraction, gate: Gate, margin: Fraction | None, *, is_bound: bool) -> Strength | None:
    """The same from the distance between point and bound, in the unit of `margin`."""
    if half <= 0:
        return None
    z = float(exact.normal_quantile(gate.level))
    error = float(half) / z
    asked = z if is_bound else 0.0
    worse = None if margin is None else _below(asked + float(margin) / error)
    return Strength(_below(asked), worse, margin)


def _below(z: float) -> Fraction:
    """The normal tail beyond `z`; four decimals, which no machine's mathematics disagrees about."""
    return Fraction(round(NormalDist().cdf(-z) * 10**_PLACES), 10**_PLACES)


def sign_strength(differing: int, pairs: int, level: Fraction, margin: Fraction) -> Strength:
    """How often McNemar's test finds a difference, of either sign: where there is none, and one margin below."""
    few = power.last_significant(differing, level)
    if few < 0 or pairs == 0:
        return Strength(Fraction(0), Fraction(0), margin)
    lost = min(Fraction(1), margin * pairs / differing)
    at, worse = (_both_tails(differing, few, share=(1 + shift) / 2) for shift in (Fraction(0), lost))
    return Strength(at, worse, margin)


def _both_tails(n: int, few: int, *, share: Fraction) -> Fraction:
    """The chance that one of two kinds occurs at most `few` times in `n`; `share` is the chance of the first."""
    tails = exact.tail(n - few, n, share) + exact.tail(n - few, n, 1 - share)
    return exact.nearest(min(Fraction(1), tails))
