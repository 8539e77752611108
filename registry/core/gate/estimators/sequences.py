"""Confidence sequences: bounds that hold at every moment at once, however often one looks and whenever one stops."""
# ruff: noqa: PLR0917 - the arguments of a formula are given in the order of the formula

from collections.abc import Callable, Sequence
from math import isfinite, lgamma, log, log1p
from typing import TYPE_CHECKING, Any

from registry.core.gate.estimators.interval import Interval, NoSample, counts, edge, level_of, numbers, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[Any]


def beta_mixture_sequence(successes: int, n: int, confidence: float = 0.95, a: float = 0.5, b: float = 0.5) -> Interval:
    """Bound a rate at every sample: all rates that a bettor with a Beta(a, b) prior has not yet ruined.

    Args:
        successes: Samples that passed so far, 0 to `n`.
        n: Samples so far, at least 1.
        confidence: That the rate lies within the bounds at every n at once.
        a: Of the prior, above 0; 1/2 and 1/2 are good for every rate.
        b: As `a`, for failures.

    Raises:
        NoSample: The counts or the prior cannot be.

    Source: H. Robbins, Annals of Mathematical Statistics 41 (1970) 1397-1409, and Ville's inequality; M. Lindon and A.
    Malek, NeurIPS 2022 (arXiv 2011.03567), for two outcomes.
    """
    hits, size = counts(successes, n)
    if not (a > 0 and isfinite(a) and b > 0 and isfinite(b)):
        raise NoSample(f"Beta({a}, {b}) is no prior")
    risk = 2 * float(level_of(confidence))
    return _not_ruined(hits, size, lambda rate: beta_mixture((hits, size), rate, (a, b)) < -log(risk))


def bernoulli_sequence(
    successes: float, n: int, confidence: float = 0.95, t_opt: float = 100.0, alpha_opt: float = 0.05
) -> Interval:
    """Bound a mean of numbers in [0, 1] at every sample, most narrowly around a chosen number of samples.

    Args:
        successes: Their sum so far, 0 to `n`; for yes and no the number that passed.
        n: Samples so far, at least 1.
        confidence: That the mean lies within the bounds at every n at once.
        t_opt: The number of samples at which the bounds shall be narrowest; chosen before looking, above 0.
        alpha_opt: The risk for which they are narrowest there.

    Raises:
        NoSample: The counts or the tuning cannot be.

    Source: S. R. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, Annals of Statistics 49 (2021) 1055-1080,
    proposition 7, as `bernoulli_confidence_interval` of the package confseq computes it.
    """
    size = whole(n)
    if size == 0 or not 0 <= successes <= size:
        raise NoSample(f"{successes} of {n} is no sum of numbers in [0, 1]")
    if not (t_opt > 0 and isfinite(t_opt) and 0 < alpha_opt < 1):
        raise NoSample("a sequence is tuned to a positive number of samples and a risk between 0 and 1")
    risk, tuned = 2 * float(level_of(confidence)), 2 * log(1 / alpha_opt)

    def holds(rate: float) -> bool:
        if not 0 < rate < 1:
            return False  # why: both outcomes were seen, for else the bound is 0 or 1 and nothing is asked here
        spread = rate * (1 - rate)
        weight = max(spread * t_opt / (tuned + log1p(tuned)) - spread, 1e-3 * spread)
        return beta_mixture((successes, size), rate, (weight / (1 - rate), weight / rate)) < -log(risk)

    return _not_ruined(successes, size, holds)


def beta_mixture(seen: tuple[float, int], rate: float, prior: tuple[float, float]) -> float:
    """The log of what a bettor with a Beta prior has made of 1, betting that the rate is not `rate`.

    At the true rate it is a martingale, so it ever reaches log(1 / alpha) with probability at most alpha.
    """
    (hits, n), (a, b) = seen, prior
    misses = n - hits
    if (hits > 0 and rate <= 0) or (misses > 0 and rate >= 1):
        return float("inf")
    fair = (hits * log(rate) if hits else 0.0) + (misses * log1p(-rate) if misses else 0.0)
    return _log_beta(a + hits, b + misses) - _log_beta(a, b) - fair


def empirical_bernstein_sequence(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Bound a mean of numbers in [0, 1] at every sample, more narrowly the less they vary.

    Args:
        values: In the order in which they came, each in [0, 1]; at least one.
        confidence: That the mean lies within the bounds at every n at once.

    Returns:
        The mean of the values; the bounds are around a weighted mean that trusts early values more.

    Raises:
        NoSample: There are no values, or one is outside [0, 1].

    Source: I. Waudby-Smith and A. Ramdas, JRSS B 86 (2024) 1-27 (arXiv 2010.09686), theorem 2.
    """
    import numpy as np

    level = float(level_of(confidence))
    found = np.asarray(numbers(values))
    if found.min() < 0 or found.max() > 1:
        raise NoSample("an empirical Bernstein bound takes numbers from 0 to 1")
    lower, upper = bernstein_path(found, level)[-1], 1 - bernstein_path(1 - found, level)[-1]
    return Interval(float(found.mean()), max(0.0, float(lower)), min(1.0, float(upper)))


def bernstein_path(values: "Numbers", level: float) -> "Numbers":
    """The lower bound of the mean after each value; the chance that one of them is ever too high is at most `level`."""
    import numpy as np

    number = np.arange(1, len(values) + 1)
    total = np.cumsum(values)
    mean_before = np.concatenate(([0.0], (total / number)[:-1]))
    drawn_mean = (0.5 + total) / (number + 1)
    variance = (0.25 + np.cumsum((values - drawn_mean) ** 2)) / (number + 1)
    variance_before = np.concatenate(([0.25], variance[:-1]))
    bet = np.minimum(0.5, np.sqrt(2 * np.log(1 / level) / (variance_before * number * np.log1p(number))))
    cost = np.cumsum((values - mean_before) ** 2 * (-np.log1p(-bet) - bet))
    found: Numbers = (np.cumsum(bet * values) + np.log(level) - cost) / np.cumsum(bet)
    return found


def _not_ruined(hits: float, n: int, holds: Callable[[float], bool]) -> Interval:
    rate = hits / n
    lower = edge(holds, rate, 0.0) if hits > 0 else 0.0
    return Interval(rate, lower, edge(holds, rate, 1.0) if hits < n else 1.0)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
