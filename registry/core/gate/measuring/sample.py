"""What a metric reads from one slice: a sample, of a kind that says how it is bounded.

A sample has a place for everything scheduled: what is missing counts against the candidate.
"""

from dataclasses import dataclass
from fractions import Fraction

from registry.core.gate.rows.amounts import Amounts, Column
from registry.core.gate.rows.columns import Counts


@dataclass(frozen=True, slots=True)
class Hits:
    """One yes (1) or no (0) for each scheduled sample; `samples` for each case, next to each other."""

    hits: bytes
    samples: int


@dataclass(frozen=True, slots=True)
class Calls:
    """Things counted inside each case: how many passed, of how many (at least one)."""

    passed: Counts
    total: Counts


@dataclass(frozen=True, slots=True)
class Scores:
    """A number from 0 to 1 for each case, in parts of `of`; the metric is their mean."""

    parts: Column
    of: int


@dataclass(frozen=True, slots=True)
class Values:
    """The finite ones of `n` numbers, in no order; the others are infinite. The metric is their quantile `q`."""

    finite: Amounts
    n: int
    q: Fraction


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two amounts for each case; the metric is `scale` times the sum of the first by the sum of the second.

    Where numbers may be negative they were raised by `raised`, which is taken off again in the end.
    """

    above: Amounts
    below: Column
    scale: int = 1
    raised: Fraction | None = None


Sample = Hits | Calls | Scores | Values | Ratio
