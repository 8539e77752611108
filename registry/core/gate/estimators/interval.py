"""What every estimator returns, and what it refuses to be asked."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from operator import index
from typing import Any

from registry.errors import UsageError


class NoSample(UsageError):
    """An estimate was asked of nothing, or of numbers that cannot be."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its bounds, in the unit of what was estimated; rates are fractions of 1, not percent."""

    point: float
    lower: float
    upper: float


def whole(value: float, what: str = "count") -> int:
    """A count as a Python integer; 5.0 and numpy's integers are welcome, 2.5, NaN and -1 are not."""
    try:
        found = int(value) if isinstance(value, float) and value.is_integer() else index(value)  # type: ignore[arg-type] # index refuses what is no integer
    except TypeError:
        raise NoSample(f"{value!r} is no {what}", why="a count is a whole number") from None
    if found < 0:
        raise NoSample(f"{value!r} is no {what}", why="a count is not negative")
    return found


def counts(successes: int, n: int) -> tuple[int, int]:
    """Successes among `n` samples, checked."""
    hits, size = whole(successes), whole(n)
    if hits > size or size == 0:
        raise NoSample(f"{successes} of {n} is no count of successes", why="it takes 0 <= successes <= n and n >= 1")
    return hits, size


def paired_counts(*table: int) -> tuple[int, int, int, int]:
    """The cases that both arms passed, the first only, the second only, and neither; at least one case."""
    both, first, second, neither = (whole(count) for count in table)
    if both + first + second + neither == 0:
        raise NoSample("a difference takes at least one case")
    return both, first, second, neither


def reals(values: Iterable[float]) -> list[float]:
    """Numbers as Python floats; a missing one (None) is nothing that an estimate could pass over."""
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise NoSample("an estimate takes numbers", why=str(error)) from None


def numbers(values: Iterable[float], what: str = "value") -> list[float]:
    """Finite numbers, at least one."""
    found = reals(values)
    if not found or not all(map(isfinite, found)):
        raise NoSample(f"an estimate takes at least one {what}, and each is a finite number")
    return found


def level_of(confidence: float, sides: int = 2) -> Fraction:
    """The risk of each bound, from the decimal that was meant: 0.95 is 19/20, not the nearest binary fraction."""
    try:
        meant = Fraction(str(confidence))
    except ValueError:
        raise NoSample(f"{confidence!r} is no confidence") from None
    # why: a one-sided bound that is more often wrong than right would lie on the other side of the estimate.
    if not (2 - sides) * Fraction(1, 2) <= meant < 1 or meant == 0 or sides not in {1, 2}:
        raise NoSample(f"confidence {confidence} with {sides} sides makes no interval")
    return (1 - meant) / sides


_HALVINGS = 110
"""Enough for every bit of a bound above 1e-15; a smaller one is known to 1e-33."""


def edge(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where `holds`, which is true at `inside`, turns false on the way to `outside`, rounded to the far side.

    Where it never turns false, `outside` itself.
    """
    if holds(outside):
        return outside
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return outside


def special() -> Any:
    """SciPy's special functions, loaded when the first estimate needs one; `scipy.stats` would take a second more."""
    try:
        from scipy import special as found
    except ModuleNotFoundError as error:
        mend = "pip install 'lockstep-registry[gate]'"
        raise UsageError("this estimate needs SciPy", why=str(error), mend=mend) from None
    return found


def t_quantile(level: float, freedom: int) -> float:
    """Student's quantile whose upper tail is `level`."""
    return -float(special().stdtrit(freedom, level))
