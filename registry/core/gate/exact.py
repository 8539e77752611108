"""Bounds that no rounding can move: exact binomial tails, compared with certainty.

Every bound here lies on a grid of nine decimals and is rounded outward, away from the point. A threshold of up to nine
decimals is a point of the same grid, so `bound >= threshold` on the rounded bound is true exactly when it is true of
the real one. Nothing here uses a binary float, a numerical library, or the machine's mathematics.
"""
# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from math import comb, isqrt
from statistics import NormalDist

from registry.core.gate.choose import choose, near_least_rate

PLACES = 9
GRID = 10**PLACES
_CONTEXT = Context(prec=60, Emin=-(10**12), Emax=10**12)
_SURE = Decimal("1e-40")
"""How far from a tie, relatively, 60 digits are believed: a tail of 10^6 terms errs by less than 1e-52."""


def down(value: Fraction) -> Fraction:
    """The largest point of the grid that is not above `value`."""
    return Fraction(value.numerator * GRID // value.denominator, GRID)


def up(value: Fraction) -> Fraction:
    """The smallest point of the grid that is not below `value`."""
    return -down(-value)


def nearest(value: Fraction) -> Fraction:
    """The grid point nearest to `value`; a tie goes to the even one."""
    return Fraction(round(value * GRID), GRID)


def spelled(value: Fraction) -> str:
    """A point of the grid as a decimal string, without needless zeros."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value.numerator) * GRID // value.denominator, GRID)
    digits = f"{rest:0{PLACES}d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def tail_against(successes: int, n: int, rate: Fraction, level: Fraction) -> int:
    """Compare P(X >= successes), X binomial(n, rate), with `level`.

    Returns:
        -1, 0 or 1: the probability is below, exactly at, or above `level` (0 < level < 1).
    """
    if successes <= 0 or rate >= 1:
        return 1
    if successes > n or rate <= 0:
        return -1
    if 2 * level < 1 and successes <= n * rate.numerator // rate.denominator:
        return 1  # why: a binomial's median is its mean, rounded down or up
    with localcontext(_CONTEXT):
        found = _sure_tail_against(successes, n, rate, level)
    return _exact_tail_against(successes, n, rate, level) if found is None else found


def _sure_tail_against(successes: int, n: int, rate: Fraction, level: Fraction) -> int | None:
    """The comparison in 60 digits; None where that is too close to call."""
    bar = _decimal(level)
    for total, rest in _sums(successes, n, rate):
        if total > bar + bar * _SURE:
            return 1
        if total + rest < bar - bar * _SURE:
            return -1
    return None


def tail(successes: int, n: int, rate: Fraction) -> Fraction:
    """P(X >= successes), X binomial(n, rate), to about forty digits."""
    if successes <= 0 or rate >= 1:
        return Fraction(int(successes <= n))
    if successes > n or rate <= 0:
        return Fraction(0)
    if successes <= n * rate:
        # why: a tail that holds the mean has as many terms as there are samples; its complement has few.
        return 1 - tail(n - successes + 1, n, 1 - rate)
    total = Decimal(0)
    with localcontext(_CONTEXT):
        for total, _ in _sums(successes, n, rate):  # noqa: B007 - the last sum is the tail
            pass
    return Fraction(total)


def _sums(successes: int, n: int, rate: Fraction) -> Iterator[tuple[Decimal, Decimal]]:
    """The tail's growing sum, with a bound on what is still missing."""
    odds = _decimal(rate / (1 - rate))
    total = term = choose(n, successes) * _decimal(rate) ** successes * _decimal(1 - rate) ** (n - successes)
    for k in range(successes, n):
        ratio = odds * (n - k) / (k + 1)
        # why: the ratios fall, so what is left is at most this geometric series; a term below 1e-60 of it adds nothing.
        rest = term * ratio / (1 - ratio) if ratio < 1 else Decimal(n)
        yield total, rest
        if rest < total * _SURE * _SURE:
            return
        term *= ratio
        total += term
    yield total, Decimal(0)


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _exact_tail_against(successes: int, n: int, rate: Fraction, level: Fraction) -> int:
    """The same in whole numbers; slow, and only reached within 1e-40 of a tie."""
    hit, miss = rate.numerator, rate.denominator - rate.numerator
    term: int = comb(n, successes) * int(hit**successes) * int(miss ** (n - successes))
    total = term
    for k in range(successes, n):
        term = term * (n - k) * hit // ((k + 1) * miss)
        total += term
    found = total * level.denominator - level.numerator * int(rate.denominator**n)
    return (found > 0) - (found < 0)


def tail_level(confidence: Fraction, sides: int) -> Fraction:
    """The probability that each bound may be wrong: half of the rest when there are two sides."""
    return (1 - confidence) / sides


def clopper_pearson(successes: int, n: int, level: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds on a rate by inverting the exact binomial test, each wrong with probability at most `level`.

    Args:
        successes: 0 to `n`.
        n: Independent samples; with none the bounds are 0 and 1.
        level: 1/40 for each side of a 95 % interval.

    Returns:
        Lower and upper bound on the grid, rounded outward.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.
    """
    return _least_rate(successes, n, level), 1 - _least_rate(n - successes, n, level)


@lru_cache(maxsize=4096)
def _least_rate(successes: int, n: int, level: Fraction) -> Fraction:
    """The largest grid point at which `successes` or more still has probability at most `level`."""
    if successes <= 0:
        return Fraction(0)
    low, high, step = 0, GRID, 1
    at = min(max(1, int(near_least_rate(successes, n, float(level)) * GRID)), GRID - 1)
    while high - low > 1:
        # why: from a good guess the bound is found in a few tails; a bad one costs more of them, and nothing else.
        if tail_against(successes, n, Fraction(at, GRID), level) <= 0:
            low, at = at, at + step
        else:
            high, at = at, at - step
        at, step = (at if low < at < high else (low + high) // 2), 2 * step
    return Fraction(low, GRID)


def normal_quantile(level: Fraction) -> Fraction:
    """The normal quantile whose upper tail is `level`, to twelve decimals, rounded up (so that bounds move outward)."""
    found = Fraction(NormalDist().inv_cdf(1 - float(level)))
    # why: the last bits of inv_cdf differ between machines; four spare digits hide that.
    return Fraction(-((-found.numerator * 10**12) // found.denominator), 10**12)


def root_up(value: Fraction) -> Fraction:
    """The square root of `value` >= 0, rounded up to 30 decimals."""
    scaled = -(-value.numerator * 10**60 // value.denominator)
    root = isqrt(scaled)
    return Fraction(root + (root * root < scaled), 10**30)


def wilson_real(successes: int, n: int, level: Fraction) -> tuple[Fraction, Fraction]:
    """Score bounds on a rate, to 30 decimals and rounded outward.

    Source: E. B. Wilson, JASA 22 (1927) 209-212.
    """
    if n == 0:
        return Fraction(0), Fraction(1)
    z = normal_quantile(level)
    rate, extra = Fraction(successes, n), z * z / n
    centre = (rate + extra / 2) / (1 + extra)
    half = z * root_up(rate * (1 - rate) / n + extra / (4 * n)) / (1 + extra)
    # why: at the edges the bound is the edge, which the rounded-up root would overshoot.
    lower = centre - half if successes > 0 else Fraction(0)
    return max(Fraction(0), lower), min(Fraction(1), centre + half if successes < n else Fraction(1))


def wilson(successes: int, n: int, level: Fraction) -> tuple[Fraction, Fraction]:
    """`wilson_real` on the grid, rounded outward."""
    lower, upper = wilson_real(successes, n, level)
    return down(lower), up(upper)


def mover(
    parts: Sequence[tuple[Fraction, Fraction, Fraction]], weights: Sequence[Fraction]
) -> tuple[Fraction, Fraction]:
    """Bounds on a weighted sum of independent estimates from their own (point, lower, upper), rounded outward.

    Source: G. Y. Zou and A. Donner, Statistics in Medicine 27 (2008) 1693-1702.
    """
    point = sum((w * p for w, (p, _, _) in zip(weights, parts, strict=True)), Fraction(0))
    below = sum(((w * (p - low)) ** 2 for w, (p, low, _) in zip(weights, parts, strict=True)), Fraction(0))
    above = sum(((w * (high - p)) ** 2 for w, (p, _, high) in zip(weights, parts, strict=True)), Fraction(0))
    return down(point - root_up(below)), up(point + root_up(above))


def newcombe_real(table: tuple[int, int, int, int], level: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds on the first rate minus the second, on the same cases, rounded outward at about 30 decimals.

    Args:
        table: Cases that passed in both, the first only, the second only, neither; at least one case.
        level: 1/40 for each side of a 95 % interval.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10.
    """
    both, first, second, neither = table
    n = sum(table)
    one, two = both + first, both + second
    p1, p2 = Fraction(one, n), Fraction(two, n)
    (l1, u1), (l2, u2) = wilson_real(one, n, level), wilson_real(two, n, level)
    link = _correlation(both, first, second, neither)
    below = _square_and_add(p1 - l1, u2 - p2, link)
    above = _square_and_add(u1 - p1, p2 - l2, link)
    return max(Fraction(-1), p1 - p2 - below), min(Fraction(1), p1 - p2 + above)


def newcombe_independent_real(
    one: tuple[int, int], other: tuple[int, int], level: Fraction
) -> tuple[Fraction, Fraction]:
    """Bounds on the first rate minus the second, each (successes, n) of its own sample, rounded outward.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.
    """
    p1, p2 = Fraction(*one), Fraction(*other)
    (l1, u1), (l2, u2) = wilson_real(*one, level), wilson_real(*other, level)
    below, above = _square_and_add(p1 - l1, u2 - p2, Fraction(0)), _square_and_add(u1 - p1, p2 - l2, Fraction(0))
    return max(Fraction(-1), p1 - p2 - below), min(Fraction(1), p1 - p2 + above)


def newcombe_paired(table: tuple[int, int, int, int], level: Fraction) -> tuple[Fraction, Fraction]:
    """`newcombe_real` on the grid, rounded outward."""
    lower, upper = newcombe_real(table, level)
    return down(lower), up(upper)


def _square_and_add(a: Fraction, b: Fraction, link: Fraction) -> Fraction:
    # why: a correlation rounded up to 30 decimals may leave the sum a hair below zero.
    return root_up(max(Fraction(0), a * a - 2 * link * a * b + b * b))


def _correlation(both: int, first: int, second: int, neither: int) -> Fraction:
    """Phi of the two arms with Newcombe's correction towards zero; rounded down, which widens the bounds."""
    n = both + first + second + neither
    cross = Fraction(both * neither - first * second)
    if cross > 0:
        cross = max(cross - Fraction(n, 2), Fraction(0))
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    if margins == 0:
        return Fraction(0)
    return cross / (root_up(Fraction(margins)) - (Fraction(1, 10**30) if cross < 0 else 0))


_WHOLE_UP_TO = 5000
"""Up to so many discordant pairs a p-value is the exact rational; beyond, it is right to 50 digits."""


def sign_test(first_only: int, second_only: int, *, is_midp: bool = False) -> Fraction:
    """The exact two-sided p-value of McNemar's test, as a rational; mid-p counts what was seen only by half.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; exact form: the binomial test of the discordant pairs.
    """
    n, few = first_only + second_only, min(first_only, second_only)
    tail, seen = _half_tail(n, few) if n <= _WHOLE_UP_TO else _sure_half_tail(n, few)
    if is_midp and n > 0:
        # why: where both arms differ equally often the tails overlap in what was seen, and half of it counts once.
        return 1 - seen / 2 if 2 * few == n else 2 * tail - seen
    return min(Fraction(1), 2 * tail)


def _half_tail(n: int, few: int) -> tuple[Fraction, Fraction]:
    """P(X <= few) and P(X = few) for X binomial(n, 1/2)."""
    term = total = 1
    for k in range(few):
        term = term * (n - k) // (k + 1)
        total += term
    return Fraction(total, 2**n), Fraction(term, 2**n)


def _sure_half_tail(n: int, few: int) -> tuple[Fraction, Fraction]:
    """The same in 60 digits: a million pairs in a second, where whole numbers of a million digits take minutes."""
    with localcontext(_CONTEXT):
        totals = [total for total, _ in _sums(n - few, n, Fraction(1, 2))]
    return Fraction(totals[-1]), Fraction(totals[0])


def ranks(n: int, quantile: Fraction, level: Fraction) -> tuple[int, int, int]:
    """Which of `n` sorted values are a quantile's lower bound, point and upper bound.

    Returns:
        Ranks counted from 1; 0 and n + 1 mean that no value bounds it on that side. The point is the inverted
        distribution function: rank ceil(quantile * n).

    Source: W. J. Conover, Practical Nonparametric Statistics (1999), section 3.2.
    """
    point = max(1, -(-quantile.numerator * n // quantile.denominator))
    # P(X <= rank - 1) <= level for the lower rank, P(X >= rank) <= level for the upper one; X ~ binomial(n, quantile).
    lower = last(n, lambda rank: tail_against(n - rank + 1, n, 1 - quantile, level) <= 0)
    upper = n + 1 - last(n, lambda rank: tail_against(n + 1 - rank, n, quantile, level) <= 0)
    return lower, point, upper


def last(n: int, holds: Callable[[int], bool]) -> int:
    """The last of 1..n for which `holds`, which turns false once and stays so; 0 if there is none."""
    low, high = 0, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
