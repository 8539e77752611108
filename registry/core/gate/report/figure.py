"""Which rows a verdict has in the forest plot: its slices, and each rule on the scale that belongs to it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from registry.core.gate.report.forest import End, Panel, Row
from registry.core.gate.report.lines import near, small, span
from registry.core.gate.report.scale import Scale, changes, plain, rates, shares
from registry.core.gate.verdict import Part, RuleVerdict, Seen, SliceResult, Verdict

_RULE = re.compile(r"(.+)\.(point|lower_ci|upper_ci|p_value|count|n)\s*(>=|<=|==|>|<)\s*(\S+)", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]+)?")
_MEASURED = re.compile(r"[a-z0-9_]+_(median|mean|p[0-9]+|ms|usd)")
_ENDS: dict[str, End] = {"lower_ci": "lower", "upper_ci": "upper", "point": "point"}


@dataclass(frozen=True, slots=True)
class Home:
    """The panel that a rule is drawn in. `divides` says that its numbers are told as shares of the threshold."""

    heading: str
    note: str
    scale: Callable[[Sequence[float]], Scale]
    divides: bool = False


_DIFFERENCE = "The candidate minus what the stage serves"
_RATES = Home("Rates", "Stretched near 0 and 1, so that 0.98, 0.99 and 0.999 stand apart.", rates)
_CHANGES = Home("Changes", f"{_DIFFERENCE}, on the same cases; no_regressions_on counts what is good.", changes)
_SHARES = Home("Measurements", "As a share of the limit.", shares, divides=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule's text taken apart: `measure.statistic comparator number`."""

    measure: str
    statistic: str
    comparator: str
    number: str

    @property
    def name(self) -> str:
        """The metric, without scope, slice and arguments."""
        return re.split(r"[({]", self.measure.removeprefix("delta.").removeprefix("canary."))[0]

    @property
    def is_count(self) -> bool:
        """Whether its point is a count and no share of anything."""
        return self.name == "safety_incidents"

    @property
    def home(self) -> Home:
        """Where its numbers are drawn: with those of their kind, or alone where they share no scale."""
        is_delta = self.measure.startswith("delta.")
        if self.is_count:
            return Home(self.name, "As they were counted, and how many to expect in as much traffic.", plain)
        if not _MEASURED.fullmatch(self.name):
            return _CHANGES if is_delta else _RATES
        if is_delta:
            return Home(f"Change of {self.name}", f"{_DIFFERENCE}.", changes)
        return _SHARES if self.limit > 0 else Home(self.name, "As it was measured.", plain)

    @property
    def limit(self) -> float:
        """The number; 0 where it is none, which only a forged rule can have."""
        return float(self.number) if _NUMBER.fullmatch(self.number) else 0.0

    @property
    def good(self) -> Literal["above", "below", ""]:
        """On which side of the number a value passes."""
        sides: dict[str, Literal["above", "below"]] = {">": "above", "<": "below"}
        return sides.get(self.comparator[0], "")


def panels(verdict: Verdict) -> tuple[Panel, ...]:
    """The slices, then the rules by scale; a rule that asks for a number of samples is not drawn."""
    homes: dict[Home, list[Row]] = {home: [] for home in (_RATES, _CHANGES, _SHARES)}
    for home, row in (drawn for rule in verdict.rules for drawn in _rows(rule)):
        homes.setdefault(home, []).append(row)
    found = (Panel(home.heading, home.note, tuple(rows), home.scale) for home, rows in homes.items() if rows)
    return (*([_slices(verdict.slices)] if verdict.slices else []), *found)


def _slices(slices: tuple[SliceResult, ...]) -> Panel:
    """success@1 by slice, the greatest harm first, what was not seen last."""
    rows = tuple(_slice(one) for one in sorted(slices, key=_gain))
    return Panel("Slices", "success@1, whatever the rules ask; the greatest loss stands first.", rows, rates)


def _gain(one: SliceResult) -> tuple[bool, float]:
    if one.candidate is None:
        return True, 0.0
    return False, float(one.candidate.point) - float(one.baseline.point if one.baseline else 0)


def _slice(one: SliceResult) -> Row:
    seen = one.candidate
    return Row(
        one.slice,
        _told(seen) if seen else "no answers",
        point=_number(seen.point) if seen else None,
        lower=_number(seen.lower) if seen else None,
        upper=_number(seen.upper) if seen else None,
        asked=f"{one.scheduled:,} answers",
        baseline=_number(one.baseline.point) if one.baseline else None,
        before=near(one.baseline.point) if one.baseline else "",
    )


def _rows(rule: RuleVerdict) -> Iterator[tuple[Home, Row]]:
    yield from ((_CHANGES, _part(part)) for part in rule.parts or ())
    found = _RULE.fullmatch(rule.rule)
    if found is not None and found[2] != "n":
        asked = Asked(*found.groups())
        yield asked.home, _rule(rule, asked)


def _rule(rule: RuleVerdict, asked: Asked) -> Row:
    """A rule's row. A p-value and a count are no numbers of the scale: their estimate is drawn without a threshold."""
    is_drawn = asked.is_count or asked.statistic in _ENDS
    divisor = asked.limit if asked.home.divides else 1.0
    point, lower, upper = (_scaled(number, divisor) for number in (rule.point, rule.lower, rule.upper))
    baseline = None if asked.measure.startswith("delta.") else rule.baseline
    return Row(
        asked.measure,
        _rule_told(rule, asked),
        point=point,
        lower=lower,
        upper=upper,
        sign=rule.verdict,
        threshold=asked.limit / divisor if is_drawn else None,
        good=asked.good if is_drawn else "",
        judged=_ENDS.get(asked.statistic, ""),
        asked=f"{asked.statistic} {asked.comparator} {asked.number}",
        baseline=_scaled(baseline.point, divisor) if baseline else None,
        before=near(baseline.point) if baseline else "",
    )


def _part(part: Part) -> Row:
    point, lower, upper = (_number(number) for number in (part.point, part.lower, part.upper))
    return Row(
        f"{part.metric} on {part.slice}",
        _changed(part.point, part.lower, part.upper),
        point=point,
        lower=lower,
        upper=upper,
        sign=part.verdict,
        threshold=-float(part.margin),
        good="above",
        judged="lower",
        asked=f"no regression: above -{near(part.margin)}",
    )


def _rule_told(rule: RuleVerdict, asked: Asked) -> str:
    if rule.point is None or rule.lower is None or rule.upper is None:
        return "nothing seen" if rule.value is None else near(rule.value)
    if asked.measure.startswith("delta."):
        told = _changed(rule.point, rule.lower, rule.upper)
        return f"p {small(rule.p_value)}; {told}" if rule.p_value else told
    told = f"{near(rule.point)} ({span(rule.lower, rule.upper)})"
    if asked.is_count:
        return told
    return f"{near(rule.value)} of {rule.n:,}; {told}" if asked.statistic == "count" and rule.n is not None else told


def _told(seen: Seen) -> str:
    return f"{near(seen.point)} ({span(seen.lower, seen.upper)})"


def _changed(point: str, lower: str, upper: str) -> str:
    """A difference: with a sign, and a decimal less."""
    ends = span(lower, upper, decimals=3).split(" to ")
    return f"{_signed(near(point, decimals=3))} ({' to '.join(map(_signed, ends))})"


def _signed(number: str) -> str:
    return number if number.startswith("-") or number == "0" else f"+{number}"


def _number(number: str | None) -> float | None:
    return None if number is None else float(number)


def _scaled(number: str | None, divisor: float) -> float | None:
    return None if number is None else float(number) / divisor
