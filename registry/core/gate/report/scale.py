"""Where a number stands in a picture: three scales, each with the ticks that it can label."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log, log10

_APART, _WIDE_APART = 0.13, 0.17
"""How far apart two labelled ticks are at least, as a share of the width: a phone has room for seven, or for five of
the longer labels."""

_RATES = (0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9,
          0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1)  # fmt: skip
_DEAREST_RATES = (0, 1, 0.5, 0.9, 0.1, 0.99, 0.01, 0.999, 0.001, 0.95, 0.05, 0.98, 0.02, 0.8, 0.2)
_SHARES = (0, 0.01, 0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 100)
_BEND = 0.0005
"""How close to 0 and 1 the scale of rates goes on stretching; it makes both ends finite."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A line from `low` to `high`; `bend` stretches parts of it. Ticks are numbers and what to write at them."""

    bend: Callable[[float], float]
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Where a value stands: 0 is the left end, 1 the right one; what lies beyond an end stands at that end."""
        if not isfinite(value):
            return 1.0 if value == inf else 0.0
        left, right = self.bend(self.low), self.bend(self.high)
        return (self.bend(min(self.high, max(self.low, value))) - left) / (right - left)


def rates(values: Sequence[float]) -> Scale:
    """A scale for shares of samples, stretched near 0 and near 1, so that 0.98, 0.99 and 0.999 stand apart.

    It is the logarithm of the odds, with both odds 0.0005 larger: a straight line around the middle, a logarithm of the
    failures near 1 and of the hits near 0.
    """
    low, high = _enclosing(values, _RATES)
    return _labelled(lambda p: log((p + _BEND) / (1 - p + _BEND)), (low, high), (*_DEAREST_RATES, *_RATES))


def changes(values: Sequence[float]) -> Scale:
    """A plain scale for differences, with signs at its numbers."""
    return _straight(values, _signed, has_negative=True)


def plain(values: Sequence[float]) -> Scale:
    """A plain scale for numbers that have none of the others."""
    return _straight(values, lambda value: f"{value:g}".replace("-", "\u2212"), has_negative=min(values) < 0)


def _straight(values: Sequence[float], write: Callable[[float], str], *, has_negative: bool) -> Scale:
    """A scale without stretching that shows 0, and has room beyond the numbers where there can be any."""
    least, most = min((*values, 0.0)), max((*values, 0.0))
    step = _round_step(most - least if most - least > 1e-6 else 0.1)
    low, high = floor(least / step - 1e-9) if has_negative else 0, ceil(most / step + 1e-9)
    ticks = tuple((at * step, write(round(at * step, 12))) for at in range(low, high + 1))
    return Scale(float, low * step, high * step, ticks)


def shares(values: Sequence[float]) -> Scale:
    """A scale for a number as a share of the limit that was set for it, which always shows the limit."""
    finite = [value for value in values if isfinite(value)]
    low, high = _enclosing([*finite, 1.1], _SHARES)  # why 1.1: there is always room on the wrong side of the limit
    return _labelled(float, (low, high), (1, *_SHARES), apart=_WIDE_APART, write=lambda share: f"{share * 100:g} %")


def _enclosing(values: Sequence[float], steps: Sequence[float]) -> tuple[float, float]:
    """The steps next to the values on both sides: beyond them where there are any, so that no mark is at the edge."""
    low = max((step for step in steps if step < min(values)), default=steps[0])
    high = min((step for step in steps if step > max(values)), default=steps[-1])
    return low, high


def _labelled(
    bend: Callable[[float], float],
    ends: tuple[float, float],
    dearest: Sequence[float],
    *,
    apart: float = _APART,
    write: Callable[[float], str] = lambda value: f"{value:g}",
) -> Scale:
    """A scale with ticks at both ends, and between them at the dearest numbers for which there is room."""
    scale = Scale(bend, *ends, ticks=())
    taken: list[float] = []
    for value in (*ends, *dearest):
        if ends[0] <= value <= ends[1] and all(abs(scale.place(value) - scale.place(one)) >= apart for one in taken):
            taken.append(value)
    return Scale(bend, *ends, ticks=tuple((value, write(value)) for value in sorted(taken)))


def _round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, so that the span has at most six of them."""
    least = span / 6
    power = 10.0 ** floor(log10(least))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= least * (1 - 1e-9))


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "\u2212") if value else "0"
