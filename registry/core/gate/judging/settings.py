"""What is wrong with a gate file's settings: names that the suite lacks, and numbers that let everything through."""

from collections.abc import Mapping
from fractions import Fraction

from registry.core.document import did_you_mean
from registry.core.gate.language.gatefile import GateFile
from registry.core.gate.measuring.metric import PAIRED, find_metric, known_metrics
from registry.core.heldout.slice import Slice

Slices = Mapping[str, Slice]


def note_settings(file: GateFile, slices: Slices) -> bool:
    """Note what is wrong with a gate file's settings on a suite of these slices, by name.

    Returns:
        Whether the weights can be used.
    """
    _check_names(file, slices)
    gate, known = file.gate, list(slices)
    for setting, margins in (("margin", {"": gate.margin}), ("margins", gate.margins)):
        for name in (name for name, margin in margins.items() if Fraction(margin) == 1):
            file.fault_in(setting, "a margin of 1 lets everything through", key=name, mend="a usual one is 0.02")
    strangers = [name for name in gate.weights if name not in slices]
    for name in strangers:
        file.fault_in("weights", f"there is no slice {name!r}", key=name, mend=did_you_mean(name, known))
    for name, weight in gate.weights.items():
        if Fraction(weight) <= 0:
            file.fault_in("weights", "a weight is above 0", key=name, mend="leave a slice out that should not count")
    if gate.weights and (total := sum(map(Fraction, gate.weights.values()))) != 1:
        file.fault_in("weights", f"the weights add up to {float(total):.9g}, not to 1")
    return not strangers and not any(Fraction(weight) <= 0 for weight in gate.weights.values())


def _check_names(file: GateFile, slices: Slices) -> None:
    gate, known = file.gate, list(slices)
    _check_guards(file, slices)
    metrics = known_metrics(list(slices.values()))
    for setting, names, plain in (("margins", gate.margins, known), ("minimum_n", gate.minimum_n, metrics)):
        for name in names:
            if not _is_target(name, slices) and not (find_metric(name) if setting == "minimum_n" else name in known):
                pairs = [f"{metric}({one})" for metric in metrics for one in known]
                targets = [*plain, *(pair for pair in pairs if _is_target(pair, slices))]
                what = f"there is no {'metric' if setting == 'minimum_n' else 'slice'} or metric(slice) {name!r}"
                file.fault_in(setting, what, key=name, mend=did_you_mean(name, targets))
    if isinstance(gate.attempts, dict):
        for name in gate.attempts:
            if name not in slices:
                file.fault_in("attempts", f"there is no slice {name!r}", key=name, mend=did_you_mean(name, known))


def _is_target(name: str, slices: Slices) -> bool:
    """Whether `name` is a `metric(slice)` that can be asked."""
    metric, bracket, one = name.removesuffix(")").partition("(")
    found = find_metric(metric) if bracket and name.endswith(")") else None
    return found is not None and one in slices and found.suits(slices[one])


def _check_guards(file: GateFile, slices: Slices) -> None:
    gate, known = file.gate, list(slices)
    for name, metrics in gate.guards.items():
        if name not in slices:
            file.fault_in("guards", f"there is no slice {name!r}", key=name, mend=did_you_mean(name, known))
            continue
        able = [key for key in known_metrics([slices[name]]) if _can_guard(key, slices[name])]
        for metric in metrics:
            if not _can_guard(metric, slices[name]):
                file.fault_in("guards", f"{metric!r} cannot guard {name}", key=name, mend=did_you_mean(metric, able))


def _can_guard(name: str, one: Slice) -> bool:
    """Whether no_regressions_on can watch a metric on a slice: a rate that some of its verifiers feed."""
    metric = find_metric(name)
    return metric is not None and metric.kind in PAIRED and bool(metric.verifiers) and metric.suits(one)
