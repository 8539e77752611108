"""Comparisons with the baseline, sample by sample: deltas, protected slices, and what flipped."""

from collections.abc import Iterator
from fractions import Fraction

from registry.core.gate import exact, words
from registry.core.gate.check import direction_of, metric_of
from registry.core.gate.columns import ERROR, MISSING, TIMEOUT, SliceRows
from registry.core.gate.compare import Question, compare, minimum_of, spelled, undecided
from registry.core.gate.gatefile import Gate
from registry.core.gate.measure import Estimate, paired
from registry.core.gate.metric import METRICS, Metric, good_rows
from registry.core.gate.rule import Comparison, NoRegressions
from registry.core.gate.significance import Significance, significance_of
from registry.core.gate.trial import Trial, doubt_about
from registry.core.gate.verdict import Flip, Part, RuleVerdict, Word

_IS_LOST = bytes(code in {MISSING, ERROR, TIMEOUT} for code in range(256))


def both_sides(new: SliceRows, old: SliceRows, metric: Metric) -> tuple[bytes, bytes]:
    """Which samples are good in the candidate and in the baseline.

    What the candidate lost is not good; what the baseline lost is. So a loss never helps the candidate.
    """
    lost = int.from_bytes(old.status.translate(_IS_LOST))
    return good_rows(new, metric), (int.from_bytes(good_rows(old, metric)) | lost).to_bytes(old.scheduled)


def judge_delta(rule: Comparison, trial: Trial) -> RuleVerdict:
    """Judge `delta.metric{slice}`: candidate minus baseline on the same samples."""
    name = rule.slice.text if rule.slice else ""
    if trial.candidate is None or trial.baseline is None:
        return undecided(rule, trial.no_baseline if trial.baseline is None else trial.no_candidate)
    new, old, metric = trial.candidate.slices[name], trial.baseline.slices[name], metric_of(rule)
    good, before = both_sides(new, old, metric)
    seen = paired((good, before), new.slice.samples, trial.gate)
    question = Question(rule, trial.gate, minimum_of(rule, trial.gate, None))
    if rule.statistic.text == "p_value":
        direction = direction_of(rule, trial.comparisons)
        asked = abs(direction.threshold) if direction else Fraction(0)
        test = significance_of((good, before), new.slice.samples, asked=asked, level=rule.threshold, key=rule.text)
        found = _p_value(question, seen, test, asked=asked)
    else:
        found = compare(question, seen)
    doubt = doubt_about([new], metric) or doubt_about([old], metric, whose="Baseline: ")
    return undecided(rule, doubt, found) if doubt else found


def _signed(seen: Estimate, metric: Metric) -> Estimate:
    """A difference of good samples as a difference of the metric, which may count bad ones."""
    if not metric.low or seen.point is None or seen.upper is None:
        return seen
    return Estimate(-seen.point, -seen.upper, -seen.lower, seen.n, seen.units, doubt=seen.doubt)


def _p_value(question: Question, seen: Estimate, found: Significance, *, asked: Fraction) -> RuleVerdict:
    """Judge a test; not significant is a failure only where the test could have seen the difference asked for."""
    rule, level, p_value = question.rule, question.rule.threshold, found.p_value
    at = f"p = {words.small(p_value)}: {found.better:,} better, {found.worse:,} worse of {found.cases:,}; "
    at += f"{question.asked} is asked."
    verdict: Word = "pass" if question.holds(p_value) else "fail"
    if verdict == "fail" and not found.could_have_shown:
        verdict = "inconclusive"
        at += f" A true difference of {words.near(asked)} would have been missed too often to call this a failure."
    return RuleVerdict(
        rule=rule.text,
        verdict=verdict,
        sentence=at,
        value=exact.spelled(exact.up(p_value)),
        p_value=exact.spelled(exact.up(p_value)),
        point=spelled(seen.point),
        lower=spelled(seen.lower),
        upper=spelled(seen.upper),
        n=seen.n,
        threshold=spelled(level),
    )


def guards_of(name: str, trial: Trial) -> tuple[str, ...]:
    """The metrics that are watched on a protected slice, success@1 first."""
    one = next(part for part in trial.suite.slices if part.name == name)
    default = tuple(key for key, metric in METRICS.items() if metric.guard and metric.suits(one))
    return ("success@1", *trial.gate.guards.get(name, default))


def margin_of(name: str, metric: str, gate: Gate) -> Fraction:
    """How much worse is still not a regression: by `metric(slice)`, by slice, or the gate's."""
    return Fraction(gate.margins.get(f"{metric}({name})", gate.margins.get(name, gate.margin)))


def judge_protected(rule: NoRegressions, trial: Trial) -> RuleVerdict:
    """Judge `no_regressions_on`: each slice proven not worse than the margin, on success@1 and on its guard metrics.

    Not "no significant drop": that would pass the more easily the fewer cases there are.
    """
    if trial.candidate is None or trial.baseline is None:
        return undecided(rule, trial.no_baseline if trial.baseline is None else trial.no_candidate)
    doubts, parts = [], []
    for word in rule.slices:
        new, old = trial.candidate.slices[word.text], trial.baseline.slices[word.text]
        for key in guards_of(word.text, trial):
            parts.append(_part(word.text, key, trial, new, old))
            doubts.append(doubt_about([new], METRICS[key]) or doubt_about([old], METRICS[key], whose="Baseline: "))
    found = _protected_verdict(rule, tuple(parts))
    doubt = next((one for one in doubts if one), "")
    return undecided(rule, doubt, found) if doubt else found


def _part(name: str, key: str, trial: Trial, new: SliceRows, old: SliceRows) -> Part:  # noqa: PLR0917 - two arms of one slice
    seen = paired(both_sides(new, old, METRICS[key]), new.slice.samples, trial.gate)
    margin = margin_of(name, key, trial.gate)
    verdict: Word = "inconclusive"
    if not seen.doubt and seen.lower > -margin:
        verdict = "pass"
    elif not seen.doubt and seen.upper is not None and seen.upper < -margin:
        verdict = "fail"
    return Part(
        slice=name,
        metric=key,
        verdict=verdict,
        point=spelled(seen.point),
        lower=spelled(seen.lower),
        upper=spelled(seen.upper),
        margin=spelled(margin),
        n=seen.n,
    )


def _protected_verdict(rule: NoRegressions, parts: tuple[Part, ...]) -> RuleVerdict:
    order: dict[Word, int] = {"fail": 0, "inconclusive": 1, "pass": 2}
    worst = min(parts, key=lambda part: (order[part.verdict], Fraction(part.lower) + Fraction(part.margin)))
    where = f"{worst.metric} on {worst.slice} changed by {words.near(Fraction(worst.point))}"
    low, high = words.floor(Fraction(worst.lower)), words.ceiling(Fraction(worst.upper))
    margin = words.near(Fraction(worst.margin))
    sentence = {
        "pass": f"Nothing got worse by {margin} or more: at the least sure, {where}, {low} at worst.",
        "fail": f"A regression: {where}, at best {high}; -{margin} is the margin.",
        "inconclusive": f"Not proven: {where}, but the truth may be {low}; above -{margin} is asked.",
    }[worst.verdict]
    return RuleVerdict(
        rule=rule.text,
        verdict=worst.verdict,
        sentence=sentence,
        value=worst.lower,
        point=worst.point,
        lower=worst.lower,
        upper=worst.upper,
        n=worst.n,
        threshold=spelled(-Fraction(worst.margin)),
        parts=parts,
    )


def flips_of(trial: Trial) -> tuple[Flip, ...]:
    """Every sample that the baseline passed and the candidate does not, in the suite's order."""
    if trial.candidate is None or trial.baseline is None:
        return ()
    return tuple(flip for name in sorted(trial.candidate.slices) for flip in _flips_on(name, trial))


def _flips_on(name: str, trial: Trial) -> Iterator[Flip]:
    assert trial.candidate is not None and trial.baseline is not None  # noqa: PT018 - narrowed by flips_of
    new, old = trial.candidate.slices[name], trial.baseline.slices[name]
    for at, (now, before) in enumerate(zip(new.success, old.success, strict=True)):
        if before and not now:
            case, sample = divmod(at, new.slice.samples)
            yield Flip(slice=name, case=new.cases[case], sample=sample)
