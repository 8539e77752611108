"""Planning: how many samples a rule needs, and what the present ones could have shown."""
# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, sqrt
from statistics import NormalDist

from registry.core.gate import exact
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.measuring.measure import Estimate, rate_bounds

MOST = 10_000_000
_EXACT_UP_TO = 20_000


def samples_to_pass(rate: Fraction, threshold: Fraction, gate: Gate, *, chance: Fraction) -> int | None:
    """How many independent samples let `lower_ci >= threshold` pass with this chance, if `rate` is the truth.

    Args:
        rate: The true rate, 0 to 1.
        threshold: What the lower bound must reach.
        gate: Confidence and method.
        chance: Between 0 and 1, for example 4/5.

    Returns:
        A number of samples; exact up to 20,000 (but for the saw teeth of a discrete test), a normal approximation
        above; None where the rate is not above the threshold or ten million would not do.
    """
    if rate <= threshold or not 0 < threshold < 1:
        return None
    guess = _normal_guess(rate, threshold, gate, chance)
    if guess > _EXACT_UP_TO:
        return guess if guess <= MOST else None
    return first(max(1, guess // 2), 3 * guess + 200, lambda n: _can_pass(n, rate, threshold, gate, chance))


def least_to_pass(threshold: Fraction, gate: Gate) -> int:
    """How many samples `lower_ci >= threshold` needs when every one of them passes; at most ten million."""
    return first(1, MOST, lambda n: rate_bounds(n, n, gate)[0] >= threshold)


def more_samples(seen: Estimate, threshold: Fraction, gate: Gate, *, chance: Fraction) -> int | None:
    """How many more samples like these let the rule pass with this chance, if the estimate is the truth.

    Returns:
        At least 1; None where more samples of the same kind would not help. Exact as `samples_to_pass` for independent
        samples; for clusters and aggregates by the square-root law.
    """
    if seen.point is None or seen.point <= threshold:
        return None
    if seen.is_plain_rate:
        needed = samples_to_pass(seen.point, threshold, gate, chance=chance)
        return None if needed is None else max(1, needed - seen.n)
    half = seen.point - seen.lower
    z, extra = float(exact.normal_quantile(gate.level)), max(0.0, NormalDist().inv_cdf(float(chance)))
    needed = ceil(seen.n * float(half / (seen.point - threshold)) ** 2 * ((z + extra) / z) ** 2)
    return max(1, needed - seen.n) if needed <= MOST else None


def turned(seen: Estimate) -> Estimate:
    """The same rate counted by what did not happen, so that an upper bound becomes a lower one."""
    one = Fraction(1)
    point = None if seen.point is None else one - seen.point
    upper = one if seen.upper is None else seen.upper
    return Estimate(point, one - upper, one - seen.lower, seen.n, seen.units, is_plain_rate=seen.is_plain_rate)


def could_have_shown(table: tuple[int, int], delta: Fraction, level: Fraction) -> bool:
    """Whether McNemar's exact test had an 80 % chance of p < `level`, given how many pairs differ.

    Args:
        table: Cases on which the arms differ, and all cases judged in both arms.
        delta: The true difference of rates that should have been seen, as a fraction.
        level: The p-value asked for.
    """
    differing, pairs = table
    if differing == 0 or pairs == 0:
        return False
    few = last_significant(differing, level)
    share = min(Fraction(1), (1 + abs(delta) * pairs / differing) / 2)
    # why: `few` of the other kind at most; the far tail adds next to nothing and is left out.
    return few >= 0 and exact.tail_against(differing - few, differing, share, Fraction(4, 5)) >= 0


def flips_could_have_shown(differences: Sequence[int], delta: Fraction, level: Fraction) -> bool:
    """Whether a sign-flip test had an 80 % chance of p < `level`, given how much the cases differ; by the normal law.

    Args:
        differences: One for each case.
        delta: The true mean difference that should have been seen, in the same unit.
        level: The p-value asked for.
    """
    cases, differing = len(differences), sum(one != 0 for one in differences)
    if Fraction(2, 2**differing) >= level:
        return False  # why: even if all of them went one way, the test could not have said so
    mean = Fraction(sum(differences), cases)
    variance = sum((one - mean) ** 2 for one in differences) / (cases * (cases - 1))
    return bool((exact.normal_quantile(level / 2) + exact.normal_quantile(Fraction(1, 5))) ** 2 * variance <= delta**2)


def last_significant(differing: int, level: Fraction) -> int:
    """The largest count of the rarer kind that still gives p < `level`; -1 if not even 0 does."""
    return first(0, differing // 2 + 1, lambda few: few > differing // 2
                  or exact.sign_test(few, differing - few) >= level) - 1  # fmt: skip


def _normal_guess(rate: Fraction, threshold: Fraction, gate: Gate, chance: Fraction) -> int:
    z, extra = float(exact.normal_quantile(gate.level)), NormalDist().inv_cdf(float(chance))
    p, t = float(rate), float(threshold)
    return ceil(((z * sqrt(t * (1 - t)) + extra * sqrt(p * (1 - p))) / (p - t)) ** 2)


def least_hits(n: int, threshold: Fraction, gate: Gate) -> int:
    """How many of `n` must be hits for the lower bound to reach `threshold`; n + 1 where not even all would do."""
    return first(0, n + 1, lambda x: x > n or _reaches(x, n, threshold, gate))


def _can_pass(n: int, rate: Fraction, threshold: Fraction, gate: Gate, chance: Fraction) -> bool:
    least = least_hits(n, threshold, gate)
    return least <= n and exact.tail_against(least, n, rate, chance) >= 0


def _reaches(successes: int, n: int, threshold: Fraction, gate: Gate) -> bool:
    if gate.method == "wilson":
        return exact.wilson(successes, n, gate.level)[0] >= threshold
    return exact.tail_against(successes, n, threshold, gate.level) <= 0


def first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The first of low..high for which `holds`, which stays true from then on; `high` if none does."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
