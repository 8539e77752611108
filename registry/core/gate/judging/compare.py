"""The verdict table: one estimate against one threshold, with three outcomes."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from registry.core.gate import exact
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.language.rule import Comparison, Rule
from registry.core.gate.measuring import power, words
from registry.core.gate.measuring.measure import Estimate
from registry.core.gate.measuring.metric import SHARES, Metric
from registry.core.gate.measuring.strength import Strength, bar_of, exact_strength, rough_strength
from registry.core.gate.verdict import RuleVerdict, Seen, Word

_COMPARATORS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
HALF, MOST = Fraction(1, 2), Fraction(4, 5)


@dataclass(frozen=True, slots=True)
class Question:
    """One comparison as it is judged: the rule, the gate's settings, and what the metric is.

    `good` is how many values stand on the right side of a quantile's threshold.
    """

    rule: Comparison
    gate: Gate
    metric: Metric
    good: int | None = None

    @property
    def minimum_n(self) -> int:
        """On how many independent samples a point must be seen."""
        return minimum_of(self.rule, self.metric, self.gate)

    @property
    def margin(self) -> Fraction | None:
        """What is one margin worse, in the unit of the threshold; None where nothing says.

        A share of what is asked where that is no rate: 2 % dearer. For a quantile, a share of the samples.
        """
        margin = margin_of(self.rule.slice.text if self.rule.slice else "", self.rule.metric.text, self.gate)
        if self.metric.kind in SHARES or (self.metric.quantile is not None and self.rule.scope != "delta"):
            return margin
        return margin * abs(self.rule.threshold) or None

    @property
    def asked(self) -> str:
        """The comparison for people: `>= 0.98`."""
        return f"{self.rule.comparator.text} {self.rule.number.text}"

    def holds(self, value: Fraction | None) -> bool:
        """Whether a value, None for infinity, satisfies the comparison."""
        if value is None:
            return self.rule.comparator.text[0] == ">"
        return _COMPARATORS[self.rule.comparator.text](value, self.rule.threshold)


def undecided(rule: Rule, sentence: str, numbers: RuleVerdict | None = None) -> RuleVerdict:
    """An inconclusive verdict with its reason, and the numbers that were counted all the same."""
    if numbers is not None:
        # why: what was seen is worth showing, but a number of further samples would promise that they settle it.
        changes = {"verdict": "inconclusive", "sentence": sentence, "more_for_half": None, "more_for_most": None}
        return numbers.model_copy(update=changes)
    threshold = spelled(rule.threshold) if isinstance(rule, Comparison) else None
    return RuleVerdict(rule=rule.text, verdict="inconclusive", sentence=sentence, threshold=threshold)


def compare(question: Question, seen: Estimate) -> RuleVerdict:
    """Judge an estimate by the verdict table.

    | statistic | pass | fail | otherwise |
    |---|---|---|---|
    | `lower_ci >= t` | lower >= t | upper < t | inconclusive |
    | `upper_ci <= t` | upper <= t | lower > t | inconclusive |
    | `point`, any | true, enough samples | false, enough samples | inconclusive: too few |
    | `count`, `n`, any | true | false | |
    """
    if seen.doubt:
        return undecided(question.rule, f"{seen.doubt[0].upper()}{seen.doubt[1:]}.", _written(question, seen))
    match question.rule.statistic.text:
        case "lower_ci" | "upper_ci":
            return _bound(question, seen)
        case "count" | "n":
            return _plain(question, seen)
        case _:
            return _point(question, seen)


def _value(question: Question, seen: Estimate) -> Fraction | None:
    """What is compared with the threshold; None is infinity."""
    statistics: dict[str, Fraction | None] = {
        "lower_ci": seen.lower,
        "upper_ci": seen.upper,
        "count": Fraction(seen.count or 0),
        "n": Fraction(seen.n),
    }
    return statistics.get(question.rule.statistic.text, seen.point)


def _strength(question: Question, seen: Estimate) -> Strength | None:
    rule, margin = question.rule, question.margin
    if rule.statistic.text == "n" or question.metric.kind == "live count":
        return None
    is_alone = question.metric.quantile is not None and seen.units == seen.n
    if rule.scope in {"slice", "canary"} and (seen.is_plain_rate or is_alone):
        bar = bar_of(rule, question.metric, seen.n, question.gate)
        return exact_strength(bar, margin or Fraction(0)) if bar else None
    return rough_strength(rule, seen, question.gate, margin)


def strength_fields(found: Strength | None) -> dict[str, Any]:
    """A strength as a rule's verdict writes it down; nothing where there is none."""
    if found is None:
        return {}
    parts = {
        "chance_at_threshold": found.at_threshold,
        "chance_one_margin_worse": found.one_margin_worse,
        "margin": found.margin,
    }
    return {name: spelled(value) for name, value in parts.items() if value is not None}


def _bound(question: Question, seen: Estimate) -> RuleVerdict:
    is_lower = question.rule.statistic.text == "lower_ci"
    far = seen.upper if is_lower else seen.lower
    threshold = question.rule.threshold
    verdict: Word = "inconclusive"
    if question.holds(_value(question, seen)):
        verdict = "pass"
    elif far is not None and (far < threshold if is_lower else far > threshold):
        verdict = "fail"
    finding = words.Finding(verdict, question.asked, question.gate.confidence)
    written = _written(question, seen, finding.sentence(seen, is_lower=is_lower), verdict=verdict)
    return _with_more(question, seen, written) if verdict == "inconclusive" else written


def _with_more(question: Question, seen: Estimate, written: RuleVerdict) -> RuleVerdict:
    """Add how many more samples would settle an undecided bound."""
    if question.rule.scope == "canary":
        return written  # why: a canary is judged once; more samples like these are not to be had
    is_lower = question.rule.statistic.text == "lower_ci"
    threshold = question.rule.threshold if is_lower else 1 - question.rule.threshold
    rate = seen if is_lower else power.turned(seen)
    if question.good is not None and question.metric.quantile is not None:
        # why: a bound on a quantile is one on the rate of values on the right side of the threshold.
        threshold = 1 - question.metric.quantile if is_lower else question.metric.quantile
        share = Fraction(question.good, max(seen.n, 1))
        rate = Estimate(share, Fraction(0), None, seen.n, seen.units, is_plain_rate=True)
    half, most = (power.more_samples(rate, threshold, question.gate, chance=chance) for chance in (HALF, MOST))
    sentence = written.sentence + words.more_sentence(half, most)
    return written.model_copy(update={"sentence": sentence, "more_for_half": half, "more_for_most": most})


def _point(question: Question, seen: Estimate) -> RuleVerdict:
    at = f"{words.near(seen.point)} on {words.many(seen.n, 'sample')}; {question.asked} is asked."
    if seen.units < question.minimum_n:
        sentence = f"{at} It takes at least {question.minimum_n:,} to be judged."
        return _written(question, seen, sentence)
    span = f"between {words.floor(seen.lower)} and {words.ceiling(seen.upper)}"
    sure = f"with {words.percent(question.gate.confidence)} confidence"
    sentence = f"{at} Only the point is judged; the truth lies {span} {sure}."
    return _written(question, seen, sentence, verdict="pass" if question.holds(seen.point) else "fail")


def _plain(question: Question, seen: Estimate) -> RuleVerdict:
    value = _value(question, seen)
    sentence = f"{words.near(value)} of {words.many(seen.n, 'sample')}; {question.asked} is asked."
    return _written(question, seen, sentence, verdict="pass" if question.holds(value) else "fail")


def _written(question: Question, seen: Estimate, sentence: str = "", *, verdict: Word = "inconclusive") -> RuleVerdict:
    return RuleVerdict(
        rule=question.rule.text,
        verdict=verdict,
        sentence=sentence,
        value=spelled(_value(question, seen)),
        point=spelled(seen.point),
        lower=spelled(seen.lower),
        upper=spelled(seen.upper),
        n=seen.n,
        threshold=spelled(question.rule.threshold),
        **strength_fields(_strength(question, seen)),
    )


def seen_of(found: Estimate) -> Seen:
    """An estimate as a verdict writes it down beside another one."""
    return Seen(point=spelled(found.point), lower=spelled(found.lower), upper=spelled(found.upper), n=found.n)


def spelled(value: Fraction | None) -> str:
    """A number as it is written down: rounded to the nearest ninth decimal; None is infinity."""
    return "infinity" if value is None else exact.spelled(exact.nearest(value))


def margin_of(name: str, metric: str, gate: Gate) -> Fraction:
    """How much worse is still not a regression: by `metric(slice)`, by slice, or the gate's."""
    return Fraction(gate.margins.get(f"{metric}({name})", gate.margins.get(name, gate.margin)))


def minimum_of(rule: Comparison, metric: Metric, gate: Gate) -> int:
    """On how many independent samples a point must be seen.

    The gate file may say so, by `metric(slice)` or by metric. Else five are expected on each side of the rate that is
    asked about, or of the quantile; other numbers, and every difference, take 30.
    """
    name = rule.metric.text
    if rule.scope == "canary":
        return 0  # why: its window says how much traffic is enough
    for key in (f"{name}({rule.slice.text})" if rule.slice else name, name):
        if key in gate.minimum_n:
            return gate.minimum_n[key]
    share = rule.threshold if metric.kind in SHARES else metric.quantile
    if share is None or rule.scope == "delta":
        return 30
    rarer = min(share, 1 - share)
    return max(30, -(-5 * rarer.denominator // rarer.numerator)) if rarer > 0 else 100
