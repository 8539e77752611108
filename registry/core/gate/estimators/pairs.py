"""Two arms: differences of rates, on the same cases or on independent ones, and tests that there is none."""
# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from collections.abc import Sequence
from math import sqrt

from registry.core.gate import exact
from registry.core.gate.estimators.flips import sign_flip
from registry.core.gate.estimators.interval import Interval, counts, edge, level_of, numbers, paired_counts, whole


def mcnemar_exact(first_only: int, second_only: int, midp: bool = False) -> float:  # noqa: FBT001, FBT002 - a published form of one test
    """Test whether two arms pass equally often on the same cases.

    Args:
        first_only: Cases that only the first arm passed.
        second_only: Cases that only the second arm passed.
        midp: Count only half of the probability of what was seen: better on average, but no longer a guarantee.

    Returns:
        The two-sided p-value; 1 where no case differs.

    Raises:
        NoSample: A count is negative or not whole.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; M. W. Fagerland, S. Lydersen and P. Laake, BMC Medical
    Research Methodology 13 (2013) 91 for the mid-p value.
    """
    return float(exact.sign_test(whole(first_only), whole(second_only), is_midp=midp))


def sign_flip_test(differences: Sequence[float], seed: int | str | bytes, draws: int = 10000) -> float:
    """Test whether paired differences are as likely to be positive as negative, by flipping their signs.

    Args:
        differences: One for each case, first arm minus second; any finite numbers, in any order.
        seed: Chooses the flips that are drawn; the same seed and differences give the same value on every machine.
        draws: How many are drawn, at least 1.

    Returns:
        The two-sided p-value of the sum. Where the n differences that are not 0 have at most `draws` sign patterns, all
        2^n are counted, and on pairs of yes and no this is McNemar's exact test. Otherwise (b + 1) / (draws + 1), where
        b drawn patterns lie as far from 0 as what was seen; what was seen counts as a draw, so it is never 0.

    Raises:
        NoSample: There are no differences, or one is not finite, or nothing is drawn.

    Source: R. A. Fisher, The Design of Experiments (1935), section 21; B. Phipson and G. K. Smyth, Statistical
    Applications in Genetics and Molecular Biology 9 (2010) 39 for the added 1.
    """
    found = list(differences)
    numbers(found, "difference")
    return float(sign_flip(found, seed, draws))


def newcombe_paired(both: int, first_only: int, second_only: int, neither: int, confidence: float = 0.95) -> Interval:
    """Bound the first rate minus the second, seen on the same cases, by squaring and adding Wilson bounds.

    Args:
        both: Cases that both arms passed.
        first_only: Cases that only the first passed.
        second_only: Cases that only the second passed.
        neither: Cases that neither passed.
        confidence: Of the two-sided interval.

    Raises:
        NoSample: A count is negative or not whole, or there are no cases.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10.
    """
    table = paired_counts(both, first_only, second_only, neither)
    lower, upper = exact.newcombe_real(table, level_of(confidence))
    return Interval((table[1] - table[2]) / sum(table), float(lower), float(upper))


def tango_paired(both: int, first_only: int, second_only: int, neither: int, confidence: float = 0.95) -> Interval:
    """Bound the first rate minus the second, seen on the same cases, by inverting the score test.

    Args:
        both: Cases that both arms passed.
        first_only: Cases that only the first passed.
        second_only: Cases that only the second passed.
        neither: Cases that neither passed.
        confidence: Of the two-sided interval.

    Raises:
        NoSample: A count is negative or not whole, or there are no cases.

    Source: T. Tango, Statistics in Medicine 17 (1998) 891-908.
    """
    table = paired_counts(both, first_only, second_only, neither)
    first, second, n = table[1], table[2], sum(table)
    z, point = float(exact.normal_quantile(level_of(confidence))), (first - second) / n

    def is_near(difference: float) -> bool:
        return (first - second - n * difference) ** 2 <= z**2 * _score_variance((first, second, n), difference)

    return Interval(point, edge(is_near, point, -1.0), edge(is_near, point, 1.0))


def _score_variance(table: tuple[int, int, int], difference: float) -> float:
    """The variance of first - second under a true difference, at the likeliest rate of the second kind."""
    first, second, n = table
    spread = difference * (1 - difference)
    linear, constant = (2 * n - first + second) * difference - first - second, -second * spread
    root = sqrt(max(0.0, linear**2 - 8 * n * constant))
    # why: the usual form of the root loses all digits where `linear` is large and positive.
    rate = -2 * constant / (linear + root) if linear > 0 else (root - linear) / (4 * n)
    return max(0.0, n * (2 * rate + spread))


def newcombe_independent(x1: int, n1: int, x2: int, n2: int, confidence: float = 0.95) -> Interval:
    """Bound the first rate minus the second, seen on independent samples, by squaring and adding Wilson bounds.

    Args:
        x1: Successes of the first arm, 0 to `n1`.
        n1: Its samples, at least 1.
        x2: Successes of the second arm, 0 to `n2`.
        n2: Its samples, at least 1.
        confidence: Of the two-sided interval.

    Raises:
        NoSample: The counts cannot be.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.
    """
    one, other = counts(x1, n1), counts(x2, n2)
    lower, upper = exact.newcombe_independent_real(one, other, level_of(confidence))
    return Interval(one[0] / one[1] - other[0] / other[1], float(lower), float(upper))
