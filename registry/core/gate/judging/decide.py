"""From evidence to an answer: each rule passes, fails or cannot be decided; no evidence is never a pass."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from registry.core.gate.judging.check import arguments_of, metric_of, weights_of
from registry.core.gate.judging.compare import Question, compare, seen_of, undecided
from registry.core.gate.judging.live import judge_canary
from registry.core.gate.judging.pairs import judge_delta, judge_protected
from registry.core.gate.judging.reserve import reserved, slices_read
from registry.core.gate.judging.trial import Trial, doubt_about
from registry.core.gate.language.rule import Comparison, NoRegressions, Rule
from registry.core.gate.measuring import words
from registry.core.gate.measuring.measure import Estimate, aggregate, estimate, joined
from registry.core.gate.measuring.metric import Metric
from registry.core.gate.measuring.reading import Arguments
from registry.core.gate.measuring.sample import Sample, Values
from registry.core.gate.rows.rows import ERRED, Rows, SliceRows
from registry.core.gate.verdict import RuleVerdict


def judge(trial: Trial) -> tuple[RuleVerdict, ...]:
    """Judge every rule, in the order of the gate file; the rules were checked by `check_gate`."""
    return tuple(reserved(rule, judge_rule(rule, trial), trial) for rule in trial.rules)


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
    parts = [rows.slices[name] for name in slices_read(rule, trial)]
    question, seen = _measured(rule, parts, trial)
    found = compare(question, seen)
    if trial.baseline is not None:
        before = [trial.baseline.slices[part.slice.name] for part in parts]
        found = found.model_copy(update={"baseline": seen_of(_measured(rule, before, trial)[1])})
    doubt = doubt_about(parts, question.metric)
    if not doubt or _is_broken_anyway(rule, parts, found):
        return found
    return undecided(rule, doubt + _both_ways(question, seen, parts), found)


def _measured(rule: Comparison, parts: Sequence[SliceRows], trial: Trial) -> tuple[Question, Estimate]:
    """The rule's metric on these slices, and what is asked of it."""
    metric = metric_of(rule)
    arguments = arguments_of(rule, metric)
    if rule.scope == "aggregate":
        each = [estimate(_sample([part], metric, arguments), trial.gate) for part in parts]
        weights = weights_of(trial.gate, trial.suite)
        return Question(rule, trial.gate, metric), aggregate(each, [weights[part.slice.name] for part in parts])
    sample = _sample(parts, metric, arguments)
    return Question(rule, trial.gate, metric, _good(rule, sample)), estimate(sample, trial.gate)


def _both_ways(question: Question, seen: Estimate, parts: Sequence[SliceRows]) -> str:
    """What a rate would be if all that was lost had been good, and if none had."""
    lost, n = sum(part.lost for part in parts), sum(part.scheduled for part in parts)
    if question.metric.kind != "rate" or question.rule.scope != "slice" or seen.point is None or not lost:
        return ""
    best = seen.point + Fraction(-lost if question.metric.low else lost, n)
    return f" Had all of them been good, it would be {words.near(best)}; had none, {words.near(seen.point)}."


def _sample(parts: Sequence[SliceRows], metric: Metric, arguments: Arguments) -> Sample:
    assert metric.read is not None
    return joined([metric.read(part, arguments) for part in parts])


def _good(rule: Comparison, sample: Sample) -> int | None:
    """How many values of a quantile's sample are on the right side of the threshold."""
    if not isinstance(sample, Values):
        return None
    finite, at = sample.finite.units, rule.threshold * 10**sample.finite.places
    if rule.comparator.text[0] == ">":
        return sample.n - int(np.count_nonzero(finite < at.__ceil__()))
    return int(np.count_nonzero(finite <= at.__floor__()))


def _is_broken_anyway(rule: Comparison, parts: Sequence[SliceRows], found: RuleVerdict) -> bool:
    """A count that is already too high by what was really seen stays too high, whatever was lost."""
    if rule.statistic.text != "count" or found.verdict != "fail" or rule.comparator.text[0] == ">":
        return False
    erred = sum(column.verdict.count(ERRED) for part in parts for column in part.findings.values())
    lost = erred + sum(part.lost for part in parts)
    return Fraction(found.value or "0") - lost > rule.threshold
