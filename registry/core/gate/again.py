"""The A/A test: the same answers drawn twice, as if one model had been asked twice, and put through the real judge.

Two draws of one model do not differ but by chance. A gate that says too often that they do is broken, or its rules
promise more than they keep.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from registry.core.gate import exact
from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.reserve import slices_read
from registry.core.gate.judging.trial import Trial
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.language.rule import NoRegressions, Rule
from registry.core.gate.rows.amounts import Amounts
from registry.core.gate.rows.columns import Column, Rows, SliceRows
from registry.core.gate.verdict import Word

Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Flipped:
    """How often a rule told two draws of one model apart.

    `flips` of `draws`; `lower` and `upper` are exact 95 % bounds on the true rate. `promised` is the rate that the rule
    promises not to exceed; None where it promises nothing, as a point does.
    """

    rule: str
    flips: int
    draws: int
    lower: Fraction
    upper: Fraction
    promised: Fraction | None

    @property
    def is_broken(self) -> bool:
        """Whether it is proven that the rule flips more often than it promises."""
        return self.promised is not None and self.lower > self.promised


@dataclass(frozen=True, slots=True)
class _Watch:
    """What a rule must not say of a model and itself, and how rarely it promises to."""

    wrong: Word
    promised: Fraction | None


def tell_apart(trial: Trial, seed: str, draws: int) -> tuple[Flipped, ...]:
    """Judge the rules that compare, on two draws of the trial's baseline, so many times.

    Args:
        trial: Its baseline is drawn from; the candidate plays no part.
        seed: Chooses the draws, together with the number of each.
        draws: At least 1.

    Returns:
        One for each rule that compares, in the gate file's order.
    """
    watched = {rule: _watch(rule, trial.gate) for rule in trial.rules if _compares(rule)}
    rows = trial.baseline
    assert rows is not None
    names = sorted({name for rule in watched for name in slices_read(rule, trial)})
    flips = dict.fromkeys(watched, 0)
    for number in range(draws):
        arms = [_drawn(rows, names, f"{seed} {number} {arm}") for arm in ("one", "other")]
        again = replace(trial, candidate=arms[0], baseline=arms[1], attempts=(), leaks=(), rules=tuple(watched))
        for rule, found in zip(watched, judge(again), strict=True):
            flips[rule] += found.verdict == watched[rule].wrong
    return tuple(_flipped(rule, count, draws, promised=watched[rule].promised) for rule, count in flips.items())


def _compares(rule: Rule) -> bool:
    return isinstance(rule, NoRegressions) or (rule.scope == "delta" and rule.statistic.text != "n")


def _watch(rule: Rule, gate: Gate) -> _Watch:
    """A rule that asks for a change must not pass; one that allows none, or only a small one, must not fail."""
    if isinstance(rule, NoRegressions):
        return _Watch("fail", gate.level)
    if rule.statistic.text == "p_value":
        return _Watch("pass", rule.threshold / gate.looks)
    is_much, is_strict = rule.comparator.text[0] == ">", rule.comparator.text in {"<", ">"}
    distance = rule.threshold if is_much else -rule.threshold
    wants_change = distance > 0 or (distance == 0 and is_strict)
    promised = gate.level if rule.statistic.text.endswith("_ci") else None
    return _Watch("pass" if wants_change else "fail", promised)


def _flipped(rule: Rule, flips: int, draws: int, *, promised: Fraction | None) -> Flipped:
    lower, upper = exact.clopper_pearson(flips, draws, Fraction(1, 40))
    return Flipped(rule.text, flips, draws, lower, upper, promised)


def _drawn(rows: Rows, names: list[str], seed: str) -> Rows:
    """The same slices with answers drawn anew: of a case's own samples where it has several, else of all cases."""
    key = int.from_bytes(sha256(seed.encode()).digest()[:16], "big")
    stream = np.random.Philox(key=key)
    found: dict[str, SliceRows] = dict(rows.slices)
    found.update({name: _again(rows.slices[name], stream) for name in names})
    return Rows(found)


def _again(part: SliceRows, stream: np.random.Philox) -> SliceRows:
    answers = _places(part.scheduled, part.slice.samples, stream)
    timings = _places(part.timed, part.slice.samples, stream)
    return replace(
        part,
        status=_bytes(part.status, answers),
        success=_bytes(part.success, answers),
        steps=part.steps[answers],
        prompt_tokens=part.prompt_tokens[answers],
        completion_tokens=part.completion_tokens[answers],
        findings=_findings(part.findings, answers),
        timing=_bytes(part.timing, timings),
        latency_ms=Amounts(part.latency_ms.units[timings], part.latency_ms.places),
        cost_usd=Amounts(part.cost_usd.units[timings], part.cost_usd.places),
        tokens=part.tokens[timings],
    )


def _places(n: int, samples: int, stream: np.random.Philox) -> Index:
    """Which sample stands in for each."""
    # why: the remainder of 64 bits favours no place by more than one in 10^13.
    drawn = np.asarray(stream.random_raw(n))
    if samples == 1:
        return (drawn % np.uint64(max(n, 1))).astype(np.int64)
    firsts = np.arange(n, dtype=np.int64) // samples * samples
    return firsts + (drawn % np.uint64(samples)).astype(np.int64)


def _bytes(column: bytearray, places: Index) -> bytearray:
    return bytearray(np.frombuffer(column, np.uint8)[places].tobytes())


def _findings(columns: Mapping[str, Column], places: Index) -> dict[str, Column]:
    order = places.tolist()
    return {
        name: Column(
            _bytes(column.verdict, places),
            [column.seen[at] for at in order],
            column.passed[places],
            column.total[places],
        )
        for name, column in columns.items()
    }
