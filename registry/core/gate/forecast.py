"""Forecast: what a suite can decide by a gate's rules before it was ever run, if this or that is the truth.

A rule on a rate or a quantile is a count, and its chances are exact. An aggregate and a comparison are given the normal
curve of their error. What depends on how much answers vary in length or price cannot be told before it is measured.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, prod, sqrt
from statistics import NormalDist

from registry.core.gate import exact
from registry.core.gate.judging.check import Plan, metric_of
from registry.core.gate.judging.compare import margin_of, minimum_of
from registry.core.gate.language.rule import Comparison, NoRegressions, Rule, parse_window
from registry.core.gate.measuring.metric import PAIRED, SHARES, Metric
from registry.core.gate.measuring.power import MOST, first, samples_to_pass
from registry.core.gate.measuring.strength import Bar, bar_of

_FINEST = 500_000
"""Above so many cases an exact search would take minutes, and nobody has them."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is taken for true.

    Args:
        rates: By what a rule measures, such as `math_correct_rate(math_basic)`, `math_correct_rate` or
            `delta.success@1{division_hard}`. Of a quantile, the share of samples on the right side of the threshold.
        flips: On what share of the cases candidate and baseline differ.
        chance: How often a rule should pass.
    """

    rates: Mapping[str, Fraction] = field(default_factory=dict)
    flips: Fraction = Fraction(1, 5)
    chance: Fraction = Fraction(9, 10)


@dataclass(frozen=True, slots=True)
class Forecast:
    """One rule: the cases that the suite has for it, and how many of them may go wrong.

    `truth` is the true value that was taken: stated, or else one comfortably better than asked. `probability` is that
    of a pass on the present cases, `needed` how many cases pass with the chance that is wanted; None where more would
    not help. `note` says what a reader should know.
    """

    rule: str
    cases: int | None = None
    may_fail: int | None = None
    truth: Fraction | None = None
    probability: Fraction | None = None
    needed: int | None = None
    note: str = ""


def forecast(rule: Rule, plan: Plan, truth: Truth) -> Forecast:
    """What the plan's suite can decide by `rule`."""
    if isinstance(rule, NoRegressions):
        return _protected(rule, plan, truth)
    if rule.statistic.text == "n":
        return Forecast(rule.text, note="it counts cases, and asks no answer")
    metric = metric_of(rule)
    if rule.scope == "aggregate":
        return _aggregate(rule, plan, truth)
    if rule.scope == "delta":
        return _delta(rule, plan, truth) if metric.kind in PAIRED else _unknown(rule)
    return _count(rule, metric, plan, truth=truth)


def targets(plan: Plan) -> Iterator[str]:
    """What a true rate can be stated for: everything that the plan's rules measure, with and without its slice."""
    for rule in plan.comparisons:
        metric = metric_of(rule)
        if metric.quantile is not None or metric.kind in (PAIRED if rule.scope == "delta" else SHARES):
            yield from _names(rule)
    yield "no_regressions_on"


def _names(rule: Comparison) -> list[str]:
    prefix = "" if rule.scope == "slice" else f"{rule.scope}."
    bare = f"{prefix}{rule.metric.text}"
    if rule.slice is None:
        return [bare]
    one = f"{bare}{{{rule.slice.text}}}" if rule.scope == "delta" else f"{bare}({rule.slice.text})"
    return [one, bare]


def _stated(rule: Comparison, truth: Truth, default: Fraction) -> Fraction:
    return next((truth.rates[name] for name in _names(rule) if name in truth.rates), default)


def _unknown(rule: Comparison) -> Forecast:
    return Forecast(rule.text, note="how much this varies is not known before it is measured")


def _count(rule: Comparison, metric: Metric, plan: Plan, *, truth: Truth) -> Forecast:
    n = _cases(rule, metric, plan)
    bar = bar_of(rule, metric, n, plan.gate)
    if bar is None:
        return _unknown(rule)
    # why: a share of good samples is turned back into the rule's own rate where that counts what went wrong.
    is_turned = metric.quantile is None and rule.comparator.text[0] != ">"
    better = (1 + bar.rate) / 2
    stated = _stated(rule, truth, 1 - better if is_turned else better)
    good = 1 - stated if is_turned else stated
    least, counts = minimum_of(rule, metric, plan.gate), rule.statistic.text == "point"
    is_enough = not counts or n >= least
    return Forecast(
        rule.text,
        n,
        n - bar.least if bar.least <= n else None,
        stated,
        bar.chance(good) if is_enough else Fraction(0),
        _needed(rule, metric, plan, good=good, rate=bar.rate, chance=truth.chance),
        note=_note(rule, metric, least) if not is_enough or metric.quantile is not None else "",
    )


def _needed(
    rule: Comparison, metric: Metric, plan: Plan, *, good: Fraction, rate: Fraction, chance: Fraction
) -> int | None:
    """How many cases let a rule pass with this chance, if a case is good at the rate `good` and `rate` is asked."""
    if rule.statistic.text == "count" or rule.scope == "canary":
        return None  # why: more cases make more of them go wrong, and a canary's window is what it is
    if good <= rate:
        return None  # why: at the threshold a point passes half of the time, beyond it ever less the more is seen
    if rule.statistic.text == "point":
        least = minimum_of(rule, metric, plan.gate)
        return _Search(lambda size: bar_of(rule, metric, size, plan.gate), good, least).needed(chance)
    # why: the bound of a quantile is always the exact one.
    exact_one = {} if metric.quantile is None else {"method": "clopper_pearson"}
    return samples_to_pass(good, rate, plan.gate.model_copy(update=exact_one), chance=chance)


def _note(rule: Comparison, metric: Metric, least: int) -> str:
    if metric.quantile is not None:
        return f"the truth is the share of samples that are {rule.comparator.text} {rule.number.text}"
    return f"a point takes at least {least:,}"


def _cases(rule: Comparison, metric: Metric, plan: Plan) -> int:
    """How many independent cases a rule on one number is judged on."""
    if rule.scope == "canary":
        return parse_window(plan.gate.window).requests + 1
    names = [rule.slice.text] if rule.slice else list(plan.slices)
    return sum(len(plan.suite.cases[name][: plan.slices[name].timed if metric.timed else None]) for name in names)


@dataclass(frozen=True, slots=True)
class _Search:
    """How many cases a point needs, `least` or more, if a case is good at the rate `good`.

    The chance of a pass has teeth: it leaps where one more case may go wrong, and falls until the next leap. So the
    leaps are looked through, and not every number of cases.
    """

    bar: Callable[[int], Bar | None]
    good: Fraction
    least: int

    def needed(self, chance: Fraction) -> int | None:
        """From how many cases on the rule always passes with this chance; None where so many will not be had."""
        start = max(0, self._failures(self.least))
        most = start + 1
        while not self._is_enough(most, chance):
            most *= 2
        failures = first(start, most, lambda count: self._is_enough(count, chance))
        found = self._leap(failures)
        return found if found < _FINEST else None

    def _is_enough(self, failures: int, chance: Fraction) -> bool:
        """Whether so many failures are allowed often enough just before one more is, when it is the hardest."""
        last = self._leap(failures + 1)
        return last >= _FINEST or self._at(last - 1).chance(self.good) >= chance

    def _leap(self, failures: int) -> int:
        """The first number of cases that allows so many failures."""
        return first(self.least, _FINEST, lambda size: self._failures(size) >= failures)

    def _failures(self, size: int) -> int:
        return size - self._at(size).least

    def _at(self, size: int) -> Bar:
        found = self.bar(size)
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class _Normal:
    """A rule as a normal curve: how far the truth lies on the right side, what one case's error is, what is asked.

    `asked` is by how many errors a bound or a test keeps away from the threshold, and `test_error` one case's error
    as that counts it: where the threshold is the truth.
    """

    distance: float
    error: float
    asked: float
    test_error: float | None = None

    def chance(self, cases: float) -> Fraction:
        """How often it passes on so many cases."""
        keep = self.asked * (self.error if self.test_error is None else self.test_error)
        if self.error <= 0:
            return Fraction(int(self.distance > 0))
        z = (self.distance * sqrt(cases) - keep) / self.error
        return Fraction(round(NormalDist().cdf(z) * 10**4), 10**4)

    def needed(self, chance: Fraction) -> int | None:
        """How many cases pass that often; None where no number does."""
        if self.distance <= 0:
            return None
        keep = self.asked * (self.error if self.test_error is None else self.test_error)
        found = ceil(((keep + NormalDist().inv_cdf(float(chance)) * self.error) / self.distance) ** 2)
        return max(1, found) if found <= MOST else None


def _aggregate(rule: Comparison, plan: Plan, truth: Truth) -> Forecast:
    t, is_much = rule.threshold, rule.comparator.text[0] == ">"
    stated = _stated(rule, truth, (1 + t) / 2 if is_much else t / 2)
    sizes = {name: len(plan.suite.cases[name]) for name in plan.weights}
    cases = sum(sizes.values())
    share = sum(float(weight) ** 2 * cases / sizes[name] for name, weight in plan.weights.items())
    error = sqrt(share * float(stated * (1 - stated)))
    asked = sqrt(share * float(t * (1 - t)))
    curve = _Normal(float(stated - t if is_much else t - stated), error, _kept(rule, plan), asked)
    note = "if every slice has this rate; more cases in the same proportions"
    return Forecast(rule.text, cases, None, stated, curve.chance(cases), curve.needed(truth.chance), note)


def _kept(rule: Comparison, plan: Plan) -> float:
    """By how many errors a bound keeps away from the threshold."""
    return float(exact.normal_quantile(plan.gate.level)) if rule.statistic.text.endswith("_ci") else 0.0


def _delta(rule: Comparison, plan: Plan, truth: Truth) -> Forecast:
    assert rule.slice is not None
    sign = -1 if metric_of(rule).low else 1
    margin = margin_of(rule.slice.text, rule.metric.text, plan.gate)
    start = Fraction(0) if rule.statistic.text == "p_value" else rule.threshold
    stated = _stated(rule, truth, _asked(rule, plan, start) + sign * 2 * margin)
    flips = max(truth.flips, abs(stated))
    error = sqrt(float(flips - stated**2))
    if rule.statistic.text == "p_value":
        level = rule.threshold / plan.gate.looks / 2
        curve = _Normal(abs(float(stated)), error, float(exact.normal_quantile(level)), sqrt(float(flips)))
    else:
        is_much = rule.comparator.text[0] == ">"
        distance = stated - rule.threshold if is_much else rule.threshold - stated
        curve = _Normal(float(distance), error, _kept(rule, plan))
    cases = len(plan.suite.cases[rule.slice.text])
    note = f"if {float(flips) * 100:g} % of the cases differ"
    return Forecast(rule.text, cases, None, stated, curve.chance(cases), curve.needed(truth.chance), note)


def _asked(rule: Comparison, plan: Plan, start: Fraction) -> Fraction:
    """The difference that the rules on this delta ask for: its own, or that of the rule which gives a test its way."""
    if rule.statistic.text != "p_value":
        return start
    same = (one for one in plan.comparisons if _names(one) == _names(rule) and one.statistic.text != "p_value")
    return next((one.threshold for one in same), start)


def _protected(rule: NoRegressions, plan: Plan, truth: Truth) -> Forecast:
    """On the slice that has the fewest cases, by success@1; its guard metrics mostly fail with it."""
    name = min((word.text for word in rule.slices), key=lambda one: len(plan.suite.cases[one]))
    stated = truth.rates.get("no_regressions_on", Fraction(0))
    margin, flips = margin_of(name, "success@1", plan.gate), max(truth.flips, abs(stated))
    kept = float(exact.normal_quantile(plan.gate.level))
    curve = _Normal(float(stated + margin), sqrt(float(flips - stated**2)), kept)
    cases = len(plan.suite.cases[name])
    note = f"on {name}, if {float(flips) * 100:g} % of the cases differ"
    return Forecast(rule.text, cases, None, stated, curve.chance(cases), curve.needed(truth.chance), note)


def joint(chances: Iterable[Fraction]) -> Fraction:
    """The chance that rules pass together, if they were independent of each other."""
    return prod(chances, start=Fraction(1))
