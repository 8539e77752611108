"""From evidence to an answer: each rule passes, fails or cannot be decided; no evidence is never a pass."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from registry.core.gate import amounts
from registry.core.gate.check import arguments_of, metric_of, weights_of
from registry.core.gate.compare import Question, compare, minimum_of, undecided
from registry.core.gate.live import judge_canary
from registry.core.gate.measure import Estimate, aggregate, estimate
from registry.core.gate.metric import Arguments, Metric, Ratio, Sample, Values
from registry.core.gate.pairs import judge_delta, judge_protected
from registry.core.gate.rows import ERRED, Rows, SliceRows
from registry.core.gate.rule import Comparison, NoRegressions, Rule
from registry.core.gate.trial import Trial, doubt_about
from registry.core.gate.verdict import RuleVerdict


def judge(trial: Trial) -> tuple[RuleVerdict, ...]:
    """Judge every rule, in the order of the gate file; the rules were checked by `check_gate`."""
    return tuple(judge_rule(rule, trial) for rule in trial.rules)


def judge_rule(rule: Rule, trial: Trial) -> RuleVerdict:
    """Judge one rule."""
    if isinstance(rule, NoRegressions):
        return judge_protected(rule, trial)
    match rule.scope:
        case "canary":
            return judge_canary(rule, trial)
        case "delta":
            return judge_delta(rule, trial)
        case _:
            return (
                undecided(rule, trial.no_candidate) if trial.candidate is None else _judge(rule, trial, trial.candidate)
            )


def _judge(rule: Comparison, trial: Trial, rows: Rows) -> RuleVerdict:
    metric, weights = metric_of(rule), weights_of(trial.gate, trial.suite)
    names = [rule.slice.text] if rule.slice else list(weights) if rule.scope == "aggregate" else sorted(rows.slices)
    parts = [rows.slices[name] for name in names]
    arguments = arguments_of(rule, metric)
    if rule.scope == "aggregate":
        seen = aggregate([_estimate([part], metric, arguments, trial) for part in parts], list(weights.values()))
    else:
        seen = _estimate(parts, metric, arguments, trial)
    found = compare(Question(rule, trial.gate, minimum_of(rule, trial.gate, _share(rule, metric))), seen)
    doubt = doubt_about(parts, metric)
    return undecided(rule, doubt, found) if doubt and not _is_broken_anyway(rule, parts, found) else found


def _estimate(parts: Sequence[SliceRows], metric: Metric, arguments: Arguments, trial: Trial) -> Estimate:  # noqa: PLR0917 - one measurement
    assert metric.read is not None
    return estimate(joined([metric.read(part, arguments) for part in parts]), trial.gate)


def joined(samples: Sequence[Sample]) -> Sample:
    """The samples of several slices as one; only quantiles and ratios are ever asked of more than one."""
    first = samples[0]
    match first:
        case Values():
            parts = [part for part in samples if isinstance(part, Values)]
            return Values(amounts.joined([part.finite for part in parts]), sum(part.n for part in parts), first.q)
        case Ratio():
            ratios = [part for part in samples if isinstance(part, Ratio)]
            below = np.concatenate([part.below for part in ratios])
            return Ratio(amounts.joined([part.above for part in ratios]), below)
        case _:
            return first


def _share(rule: Comparison, metric: Metric) -> Fraction | None:
    """The rate or quantile that a point speaks of."""
    return rule.threshold if metric.kind in {"rate", "calls"} else metric.quantile


def _is_broken_anyway(rule: Comparison, parts: Sequence[SliceRows], found: RuleVerdict) -> bool:
    """A count that is already too high by what was really seen stays too high, whatever was lost."""
    if rule.statistic.text != "count" or found.verdict != "fail" or rule.comparator.text[0] == ">":
        return False
    erred = sum(column.verdict.count(ERRED) for part in parts for column in part.findings.values())
    lost = erred + sum(part.lost for part in parts)
    return Fraction(found.value or "0") - lost > rule.threshold
