"""What is wrong with a gate file before any evidence is read: unknown names, sides, and rules that cannot pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from registry.core.document import did_you_mean
from registry.core.gate import exact
from registry.core.gate.judging.settings import note_settings
from registry.core.gate.language.gatefile import Gate, GateFile, Placed
from registry.core.gate.language.rule import Comparison, NoRegressions, Word
from registry.core.gate.measuring.measure import aggregate, estimate
from registry.core.gate.measuring.metric import (
    AGGREGATE_STATISTICS,
    CANARY,
    DELTA_STATISTICS,
    PAIRED,
    PAIRED_STATISTICS,
    SHARES,
    STATISTICS,
    Metric,
    find_canary,
    find_metric,
    known_metrics,
)
from registry.core.gate.measuring.power import least_to_pass
from registry.core.gate.measuring.sample import Hits
from registry.core.heldout.suite import Slice, Suite
from registry.core.tree import tree_of

Fault = tuple[int, str, str]
"""Offset in the rule's text, what is wrong, advice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A gate beside the suite that it will be judged on."""

    gate: Gate
    suite: Suite
    comparisons: tuple[Comparison, ...]

    @property
    def slices(self) -> dict[str, Slice]:
        """The suite's slices by name."""
        return {one.name: one for one in self.suite.slices}

    @property
    def weights(self) -> dict[str, Fraction]:
        """The weight of each slice in an aggregate: as declared, or equal."""
        return weights_of(self.gate, self.suite)

    def planned(self, name: str) -> int:
        """Samples that the suite schedules for a slice."""
        return len(self.suite.cases[name]) * self.slices[name].samples


def weights_of(gate: Gate, suite: Suite) -> dict[str, Fraction]:
    """The weight of each slice in an aggregate: as declared, or equal."""
    if gate.weights:
        return {name: Fraction(weight) for name, weight in sorted(gate.weights.items())}
    return {one.name: Fraction(1, len(suite.slices)) for one in suite.slices}


def check_gate(file: GateFile, suite: Suite) -> None:
    """Refuse a gate file that cannot mean what it says on this suite, with all its faults at once.

    Args:
        file: As `read_gate` returned it, with the faults noted there.
        suite: The slices, their verifiers and the number of cases.

    Raises:
        Faults: Each with line, column, caret and the nearest known name.
    """
    plan = plan_of(file, suite)
    if _note_names(file, plan):
        for placed in file.rules:
            if isinstance(placed.rule, Comparison) and not any(_faults_of(placed, plan)):
                for at, what, mend in _feasibility_faults(placed.rule, plan):
                    file.fault(placed, at, what, mend=mend)
    file.marked.refuse()


def check_names(file: GateFile, suite: Suite) -> None:
    """`check_gate`, but for whether the suite has cases enough for a rule to pass: what a plan is made to find out.

    Raises:
        Faults: As `check_gate`.
    """
    _note_names(file, plan_of(file, suite))
    file.marked.refuse()


def check_live(file: GateFile) -> None:
    """`check_names` of the rules on live traffic alone, which speak of no slice and so need no suite.

    Raises:
        Faults: As `check_gate`, and what is wrong with the file whatever the suite.
    """
    plan = plan_of(file, Suite(slices=(), cases={}, files={}, tree=tree_of([])))
    for placed in file.rules:
        if isinstance(placed.rule, Comparison) and placed.rule.scope == "canary":
            for at, what, mend in _faults_of(placed, plan):
                file.fault(placed, at, what, mend=mend)
    file.marked.refuse()


def plan_of(file: GateFile, suite: Suite) -> Plan:
    """A gate file beside a suite."""
    return Plan(file.gate, suite, tuple(one.rule for one in file.rules if isinstance(one.rule, Comparison)))


def _note_names(file: GateFile, plan: Plan) -> bool:
    """Note everything that is wrong whatever the number of cases; return whether the weights can be used."""
    weights_are_known = note_settings(file, plan.slices)
    _check_asks(file)
    for placed in file.rules:
        for at, what, mend in _faults_of(placed, plan):
            file.fault(placed, at, what, mend=mend)
    return weights_are_known


def _check_asks(file: GateFile) -> None:
    """Refuse a list whose every rule counts samples: that looks at the suite, and at no answer of the model."""
    rules = [placed.rule for placed in file.rules]
    if rules and all(isinstance(rule, Comparison) and rule.statistic.text == "n" for rule in rules):
        what = "no rule asks how good the model is: n is only how many samples there are"
        file.fault(file.rules[0], 0, what, mend="add a rule on a point or a bound")


def _faults_of(placed: Placed, plan: Plan) -> Iterator[Fault]:
    match placed.rule:
        case NoRegressions(slices=slices):
            yield from _protected_faults(slices, plan)
        case Comparison() as rule:
            yield from _comparison_faults(rule, plan)


def _comparison_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    """The faults of the first step that finds any, and beside them what does not hang on it.

    Each step needs the names of the one before: a misspelt metric should be told once, not five times.
    """
    steps = (_metric_faults, _slice_faults, _argument_faults, _statistic_faults, _number_faults)
    found = next((faults for step in steps if (faults := list(step(rule, plan)))), [])
    yield from found
    told = {at for at, *_ in found}
    beside = (*_stranger(rule, plan), *_wrong_side(rule)) if found else ()
    yield from (fault for fault in beside if fault[0] not in told)


def _stranger(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    if rule.slice is not None and rule.slice.text not in plan.slices:
        what = f"there is no slice {rule.slice.text!r}"
        yield rule.slice.at, what, did_you_mean(rule.slice.text, list(plan.slices))


def _wrong_side(rule: Comparison) -> Iterator[Fault]:
    statistic, comparator = rule.statistic, rule.comparator
    if (statistic.text, comparator.text[0]) in {("lower_ci", "<"), ("upper_ci", ">"), ("p_value", ">")}:
        other = {"lower_ci": "upper_ci", "upper_ci": "lower_ci", "p_value": "lower_ci"}[statistic.text]
        what = f"{statistic.text} {comparator.text} is the wrong side: it would pass on little evidence"
        yield statistic.at, what, f"compare {other}, or turn the comparison round"


def metric_of(rule: Comparison) -> Metric:
    """The table's line for a rule whose names were checked."""
    found = (find_canary if rule.scope == "canary" else find_metric)(rule.metric.text)
    assert found is not None
    return found


def _metric_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    is_canary, name = rule.scope == "canary", rule.metric.text
    metric = (find_canary if is_canary else find_metric)(name)
    if metric is None:
        known = list(CANARY) if is_canary else known_metrics(plan.suite.slices)
        yield rule.metric.at, f"there is no {'canary ' * is_canary}metric {name!r}", did_you_mean(name, known)
    elif rule.scope == "aggregate" and metric.kind not in SHARES:
        yield rule.metric.at, f"{name} is no rate", "aggregate is a weighted mean of rates only"
    elif rule.scope == "aggregate" and metric.arguments:
        yield rule.metric.at, f"{name} takes an argument", "ask each slice for it, in a rule of its own"


def _slice_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    metric, name = metric_of(rule), rule.metric.text
    if rule.scope == "canary":
        return
    if rule.scope == "aggregate":
        lacking = [part for part in plan.weights if part in plan.slices and not metric.suits(plan.slices[part])]
        if lacking:
            what = f"{' and '.join(lacking)} {'have' if len(lacking) > 1 else 'has'} {_owed(metric)} for {name}"
            yield rule.metric.at, what, "declare weights without it"
    elif rule.slice is None:
        if not metric.everywhere:
            what = "a delta needs its slice in braces" if rule.scope == "delta" else f"{name} needs a slice"
            other = f", or aggregate.{name}" if metric.kind in SHARES else ""
            yield (
                rule.metric.at,
                what,
                (f"write delta.{name}{{SLICE}}" if rule.scope == "delta" else f"write {name}(SLICE){other}"),
            )
    elif rule.slice.text not in plan.slices:
        yield from _stranger(rule, plan)
    elif not metric.suits(plan.slices[rule.slice.text]):
        wanted = " or ".join(verifier for group in metric.verifiers for verifier in group)
        wanted = wanted or f"{metric.samples} samples of each case (`samples: {metric.samples}` in slice.yaml)"
        yield rule.slice.at, f"the slice {rule.slice.text!r} has {_owed(metric)} for {name}", f"it takes {wanted}"


def _owed(metric: Metric) -> str:
    """What a slice lacks that cannot be asked for a metric."""
    return "no verifier" if metric.verifiers else "too few samples"


def arguments_of(rule: Comparison, metric: Metric) -> dict[str, str]:
    """A rule's arguments by name; positional ones take the metric's names in order."""
    positional = iter(metric.arguments)
    return {
        (one.name.text if one.name else next(positional, "")): one.value.text for one in rule.arguments
    }  # fmt: skip


def _argument_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    metric = metric_of(rule)
    given, known = arguments_of(rule, metric), metric.arguments
    strangers = [one.name for one in rule.arguments if one.name is not None and one.name.text not in known]
    for name in strangers:
        advice = did_you_mean(name.text, known) or "it takes none"
        yield name.at, f"{rule.metric.text} has no argument {name.text!r}", advice
    if strangers:
        return
    if len(given) != len(rule.arguments) or "" in given:
        yield rule.arguments[-1].value.at, "an argument too many", f"it takes {', '.join(known) or 'none'}"
    elif rule.scope == "slice" and (missing := [name for name in known if name not in given]):
        at = (rule.slice or rule.metric).at
        yield at, f"{rule.metric.text} needs {missing[0]}", f"write {rule.metric.text}(SLICE, {missing[0]}='…')"
    elif "tag" in given:
        yield from _tag_faults(rule, plan, given["tag"])


def _tag_faults(rule: Comparison, plan: Plan, tag: str) -> Iterator[Fault]:
    """The argument must be the tag that the slice's verifier looked for: it chooses nothing, it says what was meant."""
    calls = plan.slices[rule.slice.text].verifiers if rule.slice else ()
    known = [f"<{call.arguments.get('tag')}>" for call in calls if call.name == "tag"]
    if tag not in known:
        yield rule.arguments[0].value.at, f"no verifier of the slice looks for {tag!r}", did_you_mean(tag, known)


def _statistic_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    statistic, comparator = rule.statistic, rule.comparator
    kind = metric_of(rule).kind
    delta = PAIRED_STATISTICS if kind in PAIRED else DELTA_STATISTICS
    known = {"delta": delta, "aggregate": AGGREGATE_STATISTICS}.get(rule.scope, STATISTICS[kind])
    if statistic.text not in known:
        yield statistic.at, f"{statistic.text} is not a statistic of this metric", f"known are {', '.join(known)}"
    elif comparator.text == "==" and statistic.text not in {"count", "n"}:
        yield comparator.at, "== is for counts", "a measured number is compared with <= or >="
    elif faults := list(_wrong_side(rule)):
        yield from faults
    elif statistic.text == "p_value":
        yield from _p_value_faults(rule, plan)
    elif statistic.text.endswith("_ci") and metric_of(rule).kind == "quantile" and _has_repeats(rule, plan):
        yield statistic.at, "a quantile of repeated samples has no bound", "use point, or one sample for each case"


def _has_repeats(rule: Comparison, plan: Plan) -> bool:
    names = [rule.slice.text] if rule.slice else list(plan.slices)
    return any(plan.slices[name].samples > 1 for name in names)


def _p_value_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    if direction_of(rule, plan.comparisons) is None:
        target = rule.text[: rule.statistic.at - 1]
        what = "a p-value alone has no direction: a significant drop would pass too"
        sign, side = ("<=", "below") if metric_of(rule).low else (">=", "above")
        yield rule.statistic.at, what, f"add a rule such as {target}.point {sign} …, with 0 or a number {side} it"


def direction_of(rule: Comparison, others: tuple[Comparison, ...]) -> Comparison | None:
    """The rule on the same delta that says which way, and how far, it should go.

    One that lets the delta go the wrong way, such as `point >= -1`, says no direction.
    """
    wanted, good = ("<", -1) if metric_of(rule).low else (">", 1)
    statistics = {"point", "upper_ci" if metric_of(rule).low else "lower_ci"}
    same = (
        other
        for other in others
        if (other.scope, other.metric.text) == (rule.scope, rule.metric.text)
        and other.slice is not None
        and rule.slice is not None
        and other.slice.text == rule.slice.text
    )
    towards = (one for one in same if one.comparator.text[0] == wanted and one.threshold * good >= 0)
    return next((one for one in towards if one.statistic.text in statistics), None)


_SHARES = "rates are fractions of 1, not percent"


def _number_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    number, threshold = rule.number, rule.threshold
    low, high = _range_of(rule, plan)
    if len(number.text.partition(".")[2]) > exact.PLACES:
        yield number.at, f"{number.text} has more than {exact.PLACES} decimals", "bounds are computed to nine"
    elif rule.statistic.text in {"count", "n"} and threshold.denominator != 1:
        yield number.at, "a count is a whole number", ""
    elif (low is not None and threshold < low) or (high is not None and threshold > high):
        span = f"from {low} to {high}" if high is not None else f"at least {low}"
        yield number.at, f"{number.text} is out of range: this is {span}", _SHARES if high == 1 else ""
    elif {">=": threshold == low, "<=": threshold == high}.get(rule.comparator.text, False):
        # why: whatever a model does, it passes; a gate of such rules is an open door.
        what = f"every model passes this: no value is {'below' if threshold == low else 'above'} {number.text}"
        yield number.at, what, "ask for a number that a bad model does not reach, or take the rule out"


def _range_of(rule: Comparison, plan: Plan) -> tuple[int | None, int | None]:
    """What the number can be at all; None where there is no bound."""
    metric = metric_of(rule)
    if rule.statistic.text == "count" and rule.slice is not None and metric.kind == "rate":
        return 0, plan.planned(rule.slice.text)
    if rule.statistic.text in {"count", "n"}:
        return 0, None
    if rule.statistic.text == "p_value":
        return 0, 1
    is_share = metric.kind in SHARES
    if rule.scope == "delta":
        return (-1, 1) if is_share else (None, None)
    return (0, 1) if is_share else (None if metric.can_be_negative else 0, None)


def _feasibility_faults(rule: Comparison, plan: Plan) -> Iterator[Fault]:
    """A rule that no answer could pass on the planned samples is a mistake in the file, not a verdict on a model."""
    if rule.scope not in {"slice", "aggregate"} or metric_of(rule).kind not in SHARES:
        return
    bounds = {"lower_ci": (">", 1), "upper_ci": ("<", 0)}
    if rule.statistic.text not in bounds:
        return
    hit = bounds[rule.statistic.text][1]
    names = list(plan.weights) if rule.scope == "aggregate" else [rule.slice.text] if rule.slice else []
    best = [estimate(Hits(bytes([hit]) * len(plan.suite.cases[name]), 1), plan.gate) for name in names]
    seen = aggregate(best, [plan.weights[name] for name in names]) if rule.scope == "aggregate" else best[0]
    bound = seen.lower if hit else seen.upper
    is_reached = bound is not None and (bound >= rule.threshold if hit else bound <= rule.threshold)
    if not is_reached:
        yield rule.number.at, _hopeless(rule, seen.units, bound), _needed(rule, plan)


def _hopeless(rule: Comparison, cases: int, bound: Fraction | None) -> str:
    shown = exact.spelled(bound) if bound is not None else "infinity"
    return f"{cases} cases cannot pass this even without one fault: {rule.statistic.text} would be {shown}"


def _needed(rule: Comparison, plan: Plan) -> str:
    threshold = rule.threshold if rule.statistic.text == "lower_ci" else 1 - rule.threshold
    if rule.scope == "aggregate" or not 0 < threshold < 1:
        return "plan more cases, or ask for less"
    return f"it takes at least {least_to_pass(threshold, plan.gate)} cases"


def _protected_faults(slices: tuple[Word, ...], plan: Plan) -> Iterator[Fault]:
    seen: set[str] = set()
    for word in slices:
        if word.text not in plan.slices:
            yield word.at, f"there is no slice {word.text!r}", did_you_mean(word.text, list(plan.slices))
        elif word.text in seen:
            yield word.at, f"the slice {word.text!r} stands here twice", ""
        seen.add(word.text)
