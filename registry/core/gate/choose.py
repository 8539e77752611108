"""Binomial coefficients of any size to 60 digits, and where to look first for a bound; `exact` decides.

Nothing that a float says here reaches a verdict: it only says where the exact search begins.
"""

from decimal import Decimal, localcontext
from functools import lru_cache
from math import lgamma, log, log1p, sqrt
from statistics import NormalDist

_SMALL = 1000
"""Up to so many factors are multiplied; from there on Stirling's series errs by less than 1e-85."""
_HALF_LOG_TAU = Decimal(
    "0.91893853320467274178032973640561763986139747363778341281715154048276569592726039769474329863595"
)
_STIRLING = (
    (1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156), (-3617, 122400),
    (43867, 244188), (-174611, 125400), (77683, 5796), (-236364091, 1506960), (657931, 300),
    (-3392780147, 93960), (1723168255201, 2492028),
)  # fmt: skip
"""Bernoulli numbers B(2m) / (2m (2m - 1)); the error of the series is less than the first term that is left out."""


@lru_cache(maxsize=4096)
def choose(n: int, k: int) -> Decimal:
    """C(n, k) in the precision of the present decimal context, at most 60 digits.

    Source: E. T. Whittaker and G. N. Watson, A Course of Modern Analysis (1927), section 12.33.
    """
    few = min(k, n - k)
    if few > _SMALL:
        with localcontext(prec=90):
            return +(_log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)).exp()
    value = Decimal(1)
    for step in range(1, few + 1):
        value = value * (n - step + 1) / step
    return value


def _log_factorial(n: int) -> Decimal:
    z = Decimal(n)
    series = sum((Decimal(a) / (b * z ** (2 * at + 1)) for at, (a, b) in enumerate(_STIRLING)), Decimal(0))
    return z * z.ln() - z + (z.ln() / 2) + _HALF_LOG_TAU + series


def near_least_rate(successes: int, n: int, level: float) -> float:
    """About the rate at which `successes` or more of `n` have probability `level`, by Newton's method on its logarithm.

    Args:
        successes: 1 to `n`.
        n: Independent samples.
        level: Between 0 and 0.5.
    """
    seen, z = successes / n, NormalDist().inv_cdf(1 - level)
    rate = (seen + z * z / (2 * n) - z * sqrt(seen * (1 - seen) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    for _ in range(20):
        rate = min(max(rate, 1e-12), 1 - 1e-12)
        log_tail, slope = _tail(successes, n, rate)
        step = (log_tail - log(level)) / slope
        rate -= step
        if abs(step) < 1e-11:
            break
    return rate


def _tail(successes: int, n: int, rate: float) -> tuple[float, float]:
    """The logarithm of P(X >= successes) and its derivative by the rate."""
    start = lgamma(n + 1) - lgamma(successes + 1) - lgamma(n - successes + 1)
    start += successes * log(rate) + (n - successes) * log1p(-rate)
    odds, term, total = rate / (1 - rate), 1.0, 1.0
    for k in range(successes, n):
        term *= odds * (n - k) / (k + 1)
        total += term
        if term < 1e-15 * total:
            break
    return start + log(total), successes / rate / total
