"""The verdict table: one estimate against one threshold, with three outcomes."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from registry.core.gate import exact, power, words
from registry.core.gate.gatefile import Gate
from registry.core.gate.measure import Estimate
from registry.core.gate.rule import Comparison, Rule
from registry.core.gate.verdict import RuleVerdict, Word

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
    """One comparison as it is judged: the rule, the gate's settings, and how many a point must be seen on."""

    rule: Comparison
    gate: Gate
    minimum_n: int

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
    """Add how many more samples would settle an undecided bound, where it is one of a rate."""
    if seen.point is None or not 0 <= seen.point <= 1 or question.rule.scope in {"delta", "canary"}:
        # why: a canary is judged once, and a difference needs pairs; more samples like these are not to be had.
        return written
    is_lower = question.rule.statistic.text == "lower_ci"
    threshold = question.rule.threshold if is_lower else 1 - question.rule.threshold
    rate = seen if is_lower else power.turned(seen)
    half, most = (power.more_samples(rate, threshold, question.gate, chance=chance) for chance in (HALF, MOST))
    sentence = written.sentence + words.more_sentence(half, most)
    return written.model_copy(update={"sentence": sentence, "more_for_half": half, "more_for_most": most})


def _point(question: Question, seen: Estimate) -> RuleVerdict:
    at = f"{words.near(seen.point)} on {words.many(seen.n, 'sample')}; {question.asked} is asked."
    if seen.units < question.minimum_n:
        sentence = f"{at} A point takes at least {question.minimum_n:,} to be judged."
        return _written(question, seen, sentence)
    span = f"between {words.floor(seen.lower)} and {words.ceiling(seen.upper)}"
    sentence = f"{at} A point rule; the truth lies {span} with {words.percent(question.gate.confidence)} confidence."
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
    )


def spelled(value: Fraction | None) -> str:
    """A number as it is written down: rounded to the nearest ninth decimal; None is infinity."""
    return "infinity" if value is None else exact.spelled(exact.nearest(value))


def minimum_of(rule: Comparison, gate: Gate, share: Fraction | None) -> int:
    """On how many independent samples a point must be seen.

    Args:
        rule: Its metric may be given a minimum in the gate file.
        gate: The gate file's settings.
        share: The rate that is asked about (or the quantile), of which five on each side are expected; None for other
            numbers, which take 30.
    """
    if rule.metric.text in gate.minimum_n:
        return gate.minimum_n[rule.metric.text]
    if share is None:
        return 30
    rarer = min(share, 1 - share)
    return max(30, -(-5 * rarer.denominator // rarer.numerator)) if rarer > 0 else 100
