"""Which rows a verdict has in the forest plot: its slices, and each rule on the scale that belongs to it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from registry.core.gate.report.forest import End, Panel, Row
from registry.core.gate.report.lines import near, small, span
from registry.core.gate.report.scale import Scale, changes, rates, shares
from registry.core.gate.verdict import Part, RuleVerdict, Seen, SliceResult, Verdict

_RULE = re.compile(r"(.+)\.(point|lower_ci|upper_ci|p_value|count|n)\s*(>=|<=|==|>|<)\s*(\S+)", re.DOTALL)
_MEASURED = re.compile(r"[a-z0-9_]+(_median|_ms|_usd)")
_ENDS: dict[str, End] = {"lower_ci": "lower", "upper_ci": "upper", "point": "point"}

Kind = Literal["rate", "change", "share"]
_PANELS: dict[Kind, tuple[str, str, Callable[[Sequence[float]], Scale]]] = {
    "rate": ("Rates", "Stretched near 0 and 1, so that 0.98, 0.99 and 0.999 stand apart.", rates),
    "change": (
        "Changes",
        "The candidate minus what the stage serves, on the same cases; no_regressions_on counts what is good.",
        changes,
    ),
    "share": ("Measurements", "As a share of the limit.", shares),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule's text taken apart: `measure.statistic comparator number`."""

    measure: str
    statistic: str
    comparator: str
    number: str

    @property
    def kind(self) -> Kind:
        """The scale that its numbers are drawn on."""
        if self.measure.startswith("delta."):
            return "change"
        name = self.measure.removeprefix("canary.").partition("(")[0]
        return "share" if _MEASURED.fullmatch(name) else "rate"

    @property
    def good(self) -> Literal["above", "below", ""]:
        """On which side of the number a value passes."""
        sides: dict[str, Literal["above", "below"]] = {">": "above", "<": "below"}
        return sides.get(self.comparator[0], "")


def panels(verdict: Verdict) -> tuple[Panel, ...]:
    """The slices, then the rules by scale; a rule that asks for a number of samples is not drawn."""
    rules = [drawn for rule in verdict.rules for drawn in _rows(rule)]
    found = [_slices(verdict.slices)] if verdict.slices else []
    for kind, (heading, note, scale) in _PANELS.items():
        if rows := tuple(row for of, row in rules if of == kind):
            found.append(Panel(heading, note, rows, scale))
    return tuple(found)


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


def _rows(rule: RuleVerdict) -> Iterator[tuple[Kind, Row]]:
    if rule.parts:
        yield from (("change", _part(part)) for part in rule.parts)
    found = _RULE.fullmatch(rule.rule)
    if found is None or found[2] == "n":
        return
    asked = Asked(*found.groups())
    limit = float(asked.number) if _is_number(asked.number) else 0.0
    if asked.kind == "share" and limit <= 0:
        return  # why: nothing is a share of a limit of 0
    yield asked.kind, _rule(rule, asked, divisor=limit if asked.kind == "share" else 1.0)


def _rule(rule: RuleVerdict, asked: Asked, *, divisor: float) -> Row:
    """A rule's row. A p-value and a count are no numbers of the scale: their estimate is drawn without a threshold."""
    is_drawn = asked.statistic in _ENDS
    seen = (_scaled(number, divisor) for number in (rule.point, rule.lower, rule.upper))
    point, lower, upper = seen
    baseline = rule.baseline if asked.kind != "change" else None
    return Row(
        asked.measure,
        _rule_told(rule, asked),
        point=point,
        lower=lower,
        upper=upper,
        sign=rule.verdict,
        threshold=float(asked.number) / divisor if is_drawn else None,
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
    if asked.kind == "change":
        told = _changed(rule.point, rule.lower, rule.upper)
        return f"p {small(rule.p_value)}; {told}" if rule.p_value else told
    told = f"{near(rule.point)} ({span(rule.lower, rule.upper)})"
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


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]+)?", text) is not None
