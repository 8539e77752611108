"""Reservations: slices that prove nothing any more, because they were used too often or learned by heart."""

from collections.abc import Iterator, Sequence

from registry.core.gate.judging.check import metric_of, weights_of
from registry.core.gate.judging.compare import undecided
from registry.core.gate.judging.trial import Trial
from registry.core.gate.judging.wear import worn
from registry.core.gate.language.rule import Comparison, NoRegressions, Rule
from registry.core.gate.measuring import words
from registry.core.gate.verdict import Leak, RuleVerdict


def slices_read(rule: Rule, trial: Trial) -> tuple[str, ...]:
    """The slices whose answers or timings a rule rests on; none for live traffic."""
    if isinstance(rule, NoRegressions):
        return tuple(word.text for word in rule.slices)
    if rule.scope == "canary":
        return ()
    if rule.scope == "aggregate":
        return tuple(weights_of(trial.gate, trial.suite))
    return (rule.slice.text,) if rule.slice else tuple(sorted(one.name for one in trial.suite.slices))


def reserved(rule: Rule, found: RuleVerdict, trial: Trial) -> RuleVerdict:
    """`found`, unless a slice that the rule reads proves nothing any more: then inconclusive, with the reason."""
    if trial.candidate is None:
        return found
    doubt = next(_doubts(rule, trial), "")
    return undecided(rule, doubt, found) if doubt else found


def _doubts(rule: Rule, trial: Trial) -> Iterator[str]:
    read = slices_read(rule, trial)
    # why: milliseconds and dollars are not learned by heart.
    is_timed = isinstance(rule, Comparison) and rule.scope != "canary" and metric_of(rule).timed
    leaks = [] if is_timed else [leak for leak in trial.leaks if leak.slice in read]
    if leaks:
        yield _leaked(leaks)
    yield from (doubt for used in trial.attempts if used.slice in read and (doubt := worn(used, trial.gate.stage)))


def _leaked(leaks: Sequence[Leak]) -> str:
    first, cases = leaks[0], len({(leak.slice, leak.case) for leak in leaks})
    told = words.many(cases, "case") + (" stands" if cases == 1 else " stand")
    return f"{told} in the training data, such as {first.slice} {first.case} in {first.dataset}: that proves nothing."
