"""Comparisons with the baseline, sample by sample: deltas, protected slices, and what flipped."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice

from registry.core.gate import exact
from registry.core.gate.judging.check import arguments_of, direction_of, metric_of
from registry.core.gate.judging.compare import (
    HALF,
    MOST,
    Question,
    compare,
    margin_of,
    spelled,
    strength_fields,
    undecided,
)
from registry.core.gate.judging.trial import Trial, doubt_about
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.language.rule import Comparison, NoRegressions
from registry.core.gate.measuring import power, words
from registry.core.gate.measuring.differ import difference
from registry.core.gate.measuring.measure import Estimate, joined, paired
from registry.core.gate.measuring.metric import METRICS, PAIRED, Metric, find_metric, good_rows
from registry.core.gate.measuring.significance import Significance, significance_of
from registry.core.gate.measuring.strength import Strength, normal_strength, sign_strength
from registry.core.gate.rows.columns import ERROR, MISSING, TIMEOUT, SliceRows
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
    if trial.candidate is None or trial.baseline is None:
        return undecided(rule, trial.no_baseline if trial.baseline is None else trial.no_candidate)
    names = [rule.slice.text] if rule.slice else sorted(trial.candidate.slices)
    arms = [[side.slices[name] for name in names] for side in (trial.candidate, trial.baseline)]
    metric = metric_of(rule)
    found = _paired(rule, trial, arms) if metric.kind in PAIRED else _apart(rule, trial, arms)
    doubt = doubt_about(arms[0], metric) or doubt_about(arms[1], metric, whose="Baseline: ")
    return undecided(rule, doubt, found) if doubt else found


Arms = Sequence[Sequence[SliceRows]]
"""The slices of the candidate, and the same of the baseline."""


def _paired(rule: Comparison, trial: Trial, arms: Arms) -> RuleVerdict:
    """A difference of yes-or-no samples of one slice."""
    ((new,), (old,)), metric = arms, metric_of(rule)
    good, before = both_sides(new, old, metric)
    seen = _signed(paired((good, before), new.slice.samples, trial.gate), metric)
    question = Question(rule, trial.gate, metric)
    if rule.statistic.text == "p_value":
        direction = direction_of(rule, trial.comparisons)
        asked = abs(direction.threshold) if direction else Fraction(0)
        test = significance_of(
            (good, before),
            new.slice.samples,
            asked=asked,
            level=rule.threshold / trial.gate.looks,
            key=rule.text,
            is_midp=trial.gate.p == "midp",
        )
        return _p_value(question, seen, test, asked=asked)
    return compare(question, seen)


def _apart(rule: Comparison, trial: Trial, arms: Arms) -> RuleVerdict:
    """A difference of numbers; what the baseline lost has none, and a guess could help the candidate."""
    metric = metric_of(rule)
    assert metric.read is not None
    new, old = (joined([metric.read(part, arguments_of(rule, metric)) for part in parts]) for parts in arms)
    found = compare(Question(rule, trial.gate, metric), difference(new, old, trial.gate))
    lost = sum(part.lost_timings if metric.timed else part.lost for part in arms[1])
    what = words.many(lost, "timing" if metric.timed else "answer")
    return undecided(rule, f"The baseline lost {what}: there is no fair difference.", found) if lost else found


def _signed(seen: Estimate, metric: Metric) -> Estimate:
    """A difference of good samples as a difference of the metric, which may count bad ones."""
    if not metric.low or seen.point is None or seen.upper is None:
        return seen
    return Estimate(-seen.point, -seen.upper, -seen.lower, seen.n, seen.units, doubt=seen.doubt)


def _p_value(question: Question, seen: Estimate, found: Significance, *, asked: Fraction) -> RuleVerdict:
    """Judge a test; not significant is a failure only where the test could have seen the difference asked for."""
    rule, looks, p_value = question.rule, question.gate.looks, found.p_value
    at = f"p = {words.small(p_value)}: {found.better:,} better, {found.worse:,} worse of {found.cases:,}; "
    at += f"{question.asked} is asked"
    at += f", shared among {looks} looks." if looks > 1 else "."
    verdict: Word = "pass" if question.holds(p_value * looks) else "fail"
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
        threshold=spelled(rule.threshold),
        **strength_fields(_test_strength(question, seen, found)),
    )


def _test_strength(question: Question, seen: Estimate, found: Significance) -> Strength:
    """Of McNemar's test exactly; flipped signs are a test of the same level, and how much they see depends on more."""
    rule, gate = question.rule, question.gate
    level = rule.threshold / gate.looks
    if seen.n != found.cases:
        return Strength(level, None, None)
    margin = margin_of(rule.slice.text if rule.slice else "", rule.metric.text, gate)
    return sign_strength(found.better + found.worse, seen.n, level, margin)


def guards_of(name: str, trial: Trial) -> tuple[str, ...]:
    """The metrics that are watched on a protected slice, success@1 first."""
    one = next(part for part in trial.suite.slices if part.name == name)
    default = tuple(key for key, metric in METRICS.items() if metric.guard and metric.suits(one))
    return ("success@1", *trial.gate.guards.get(name, default))


def guard_named(key: str) -> Metric:
    """The metric of a guard whose name was checked."""
    found = find_metric(key)
    assert found is not None
    return found


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
            metric = guard_named(key)
            doubts.append(doubt_about([new], metric) or doubt_about([old], metric, whose="Baseline: "))
    found = _protected_verdict(rule, tuple(parts), trial.gate)
    doubt = next((one for one in doubts if one), "")
    return undecided(rule, doubt, found) if doubt else found


def _part(name: str, key: str, trial: Trial, new: SliceRows, old: SliceRows) -> Part:  # noqa: PLR0917 - two arms of one slice
    seen = paired(both_sides(new, old, guard_named(key)), new.slice.samples, trial.gate)
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


def _protected_verdict(rule: NoRegressions, parts: tuple[Part, ...], gate: Gate) -> RuleVerdict:
    order: dict[Word, int] = {"fail": 0, "inconclusive": 1, "pass": 2}
    worst = min(parts, key=lambda part: (order[part.verdict], Fraction(part.lower) + Fraction(part.margin)))
    where = f"{worst.metric} on {worst.slice} changed by {words.near(Fraction(worst.point))}"
    low, high = words.floor(Fraction(worst.lower)), words.ceiling(Fraction(worst.upper))
    margin = words.near(Fraction(worst.margin))
    sentence = {
        "pass": f"Nothing got worse by {margin} or more. The least sure: {where}, at worst by {low}.",
        "fail": f"A regression: {where}, at best by {high}; a drop of {margin} is too much.",
        "inconclusive": f"Not proven: {where}, but perhaps by {low}; a drop of {margin} is to be ruled out.",
    }[worst.verdict]
    written = RuleVerdict(
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
        **strength_fields(_protected_strength(worst, gate)),
    )
    return _with_more(written, worst, gate) if worst.verdict == "inconclusive" else written


def _protected_strength(worst: Part, gate: Gate) -> Strength | None:
    """Of the comparison that is the least sure; to pass all of them is never easier."""
    half = Fraction(worst.point) - Fraction(worst.lower)
    return normal_strength(half, gate, Fraction(worst.margin), is_bound=True)


def _with_more(written: RuleVerdict, worst: Part, gate: Gate) -> RuleVerdict:
    """Add how many more samples would settle the comparison that is the least sure."""
    seen = Estimate(Fraction(worst.point), Fraction(worst.lower), Fraction(worst.upper), worst.n, worst.n)
    half, most = (power.more_samples(seen, -Fraction(worst.margin), gate, chance=chance) for chance in (HALF, MOST))
    sentence = written.sentence + words.more_sentence(half, most)
    return written.model_copy(update={"sentence": sentence, "more_for_half": half, "more_for_most": most})


def flips_of(trial: Trial, most: int | None = None) -> tuple[Flip, ...]:
    """Samples that the baseline passed and the candidate does not, in the suite's order: all, or the first so many."""
    found = (flip for name, lost in _lost_on(trial) for flip in _flips_on(name, lost, trial))
    return tuple(islice(found, most))


def flip_count(trial: Trial) -> int:
    """How many there are in all."""
    return sum(lost.count(1) for _, lost in _lost_on(trial))


def _lost_on(trial: Trial) -> Iterator[tuple[str, bytes]]:
    """Each slice with a 1 where the baseline passed and the candidate does not."""
    if trial.candidate is None or trial.baseline is None:
        return
    for name in sorted(trial.candidate.slices):
        now, before = (side.slices[name].success for side in (trial.candidate, trial.baseline))
        yield name, (int.from_bytes(before) & ~int.from_bytes(now)).to_bytes(len(now))


def _flips_on(name: str, lost: bytes, trial: Trial) -> Iterator[Flip]:
    cases = trial.suite.cases[name]
    samples = len(lost) // max(len(cases), 1)
    at = lost.find(1)
    while at >= 0:
        case, sample = divmod(at, samples)
        yield Flip(slice=name, case=cases[case].id, sample=sample)
        at = lost.find(1, at + 1)
