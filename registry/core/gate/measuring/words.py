"""Numbers and verdicts in plain sentences, one for each rule."""

from dataclasses import dataclass
from fractions import Fraction

from registry.core.gate import exact
from registry.core.gate.measuring.measure import Estimate


def near(value: Fraction | None) -> str:
    """A number for people, rounded to the nearest."""
    return _rounded(value, Fraction(1, 2))


def floor(value: Fraction) -> str:
    """A lower bound for people, rounded down."""
    return _rounded(value, Fraction(0))


def ceiling(value: Fraction | None) -> str:
    """An upper bound for people, rounded up."""
    return _rounded(value, Fraction(999_999_999, 1_000_000_000))


def _rounded(value: Fraction | None, push: Fraction) -> str:
    """Four decimals below 10, one above; `push` is added to the last place before it is cut."""
    if value is None:
        return "infinity"
    places = 10**4 if abs(value) < 10 else 10
    cut = (value * places + push).__floor__()
    return exact.spelled(Fraction(cut, places))


def many(count: int, what: str) -> str:
    """`1 sample`, `2 samples`, `1,000 samples`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of a rule about a bound: the word, the comparison, the confidence."""

    verdict: str
    asked: str
    confidence: str

    def sentence(self, seen: Estimate, *, is_lower: bool) -> str:
        """Say it."""
        on = f"{near(seen.point)} on {many(seen.n, 'sample')}"
        low, high = f"at least {floor(seen.lower)}", f"at most {ceiling(seen.upper)}"
        if self.verdict == "inconclusive":
            truth = f"as low as {floor(seen.lower)}" if is_lower else f"as high as {ceiling(seen.upper)}"
            return f"{on}, but the truth may be {truth}; {self.asked} is asked."
        proven = low if is_lower == (self.verdict == "pass") else high
        return f"{on}: {proven} with {percent(self.confidence)} confidence; {self.asked} is asked."


def more_sentence(half: int | None, most: int | None) -> str:
    """How many more samples would settle it."""
    if half is None or most is None:
        return " More samples like these would not help."
    return f" About {half:,} more like these would let it pass half of the time, {most:,} more four times out of five."


def small(p_value: Fraction) -> str:
    """A p-value for people, rounded up; tiny ones are not spelled out."""
    return ceiling(p_value) if p_value > Fraction(1, 10**4) else "0.0001 or less"


def percent(share: str) -> str:
    """`0.95` as `95 %`."""
    return f"{exact.spelled(Fraction(share) * 100)} %"
