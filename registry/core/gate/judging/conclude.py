"""From everything that a gate looks at to the verdict: the one place that makes one, now or years later."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.gate.judging.compare import seen_of
from registry.core.gate.judging.decide import judge
from registry.core.gate.judging.pairs import flip_count, flips_of
from registry.core.gate.judging.trial import Trial
from registry.core.gate.language.gatefile import GateFile
from registry.core.gate.measuring.measure import Estimate, estimate
from registry.core.gate.measuring.metric import METRICS
from registry.core.gate.rows.canary import Canary
from registry.core.gate.rows.columns import Rows
from registry.core.gate.verdict import (
    MOST_FLIPS,
    MOST_LEAKS,
    Attempts,
    Inputs,
    Leak,
    Seen,
    SliceResult,
    Verdict,
    answer_of,
)
from registry.core.heldout.evidence import Evidence
from registry.core.heldout.suite import Suite


@dataclass(frozen=True, slots=True)
class Side:
    """One model as the gate sees it; rows are None where there is no evidence that can be used, and `why` says so."""

    manifest: Digest
    evidence: Digest | None
    label: Evidence | None
    rows: Rows | None
    why: str = ""

    @property
    def inputs(self) -> Inputs | None:
        """What its evidence says of where it comes from."""
        label = self.label
        if label is None:
            return None
        return Inputs(
            rows=label.rows, timings=label.timings, verifiers=dict(label.verifiers), price_book=label.price_book
        )


@dataclass(frozen=True, slots=True)
class Hearing:
    """Everything that a verdict is computed from.

    `canary` is the candidate's live traffic. `attempts` is what the ledger said of how often the slices were used,
    `leaks` the held-out cases that were found in `datasets`, the candidate's training data by name, of which the files
    `unsearched` could not be read.
    """

    gate_file: Digest
    file: GateFile
    suite: Suite
    candidate: Side
    baseline: Side | None
    canary: Canary | None = None
    attempts: tuple[Attempts, ...] = ()
    leaks: tuple[Leak, ...] = ()
    datasets: Mapping[str, Digest] | None = None
    unsearched: tuple[str, ...] = ()

    @property
    def trial(self) -> Trial:
        """What the rules are judged on."""
        never = f"{self.file.gate.stage} never served anything: nothing to compare with."
        return Trial(
            gate=self.file.gate,
            rules=tuple(placed.rule for placed in self.file.rules),
            suite=self.suite,
            candidate=self.candidate.rows,
            baseline=self.baseline.rows if self.baseline else None,
            canary=self.canary,
            no_candidate=self.candidate.why,
            no_baseline=self.baseline.why if self.baseline else never,
            attempts=self.attempts,
            leaks=self.leaks,
        )


def conclude(hearing: Hearing) -> Verdict:
    """Judge. The same hearing gives the same bytes."""
    trial, baseline = hearing.trial, hearing.baseline
    rules, flips, leaks = judge(trial), flip_count(trial), hearing.leaks
    return Verdict(
        stage=trial.gate.stage,
        answer=answer_of([rule.verdict for rule in rules]),
        rules=rules,
        flips=flips_of(trial, MOST_FLIPS),
        flips_in_all=flips if flips > MOST_FLIPS else None,
        slices=_slices(trial),
        attempts=hearing.attempts or None,
        contaminated=leaks[:MOST_LEAKS] or None,
        contaminated_in_all=len(leaks) if len(leaks) > MOST_LEAKS else None,
        datasets=dict(hearing.datasets) if hearing.datasets else None,
        unsearched=hearing.unsearched or None,
        gate_file=hearing.gate_file,
        gate=trial.gate.digest,
        suite=hearing.suite.digest,
        candidate=hearing.candidate.manifest,
        candidate_evidence=hearing.candidate.evidence,
        baseline=baseline.manifest if baseline else None,
        baseline_evidence=baseline.evidence if baseline else None,
        inputs=hearing.candidate.inputs,
        baseline_inputs=baseline.inputs if baseline else None,
        no_candidate=hearing.candidate.why or None,
        no_baseline=(baseline.why or None) if baseline else None,
        canary=hearing.candidate.label.canary if hearing.candidate.label else None,
    )


def _slices(trial: Trial) -> tuple[SliceResult, ...]:
    digests = trial.suite.slice_digests
    return tuple(
        SliceResult(
            slice=one.name,
            digest=digests[one.name],
            scheduled=len(trial.suite.cases[one.name]) * one.samples,
            lost=trial.candidate.slices[one.name].lost if trial.candidate else None,
            candidate=_success(trial.candidate, one.name, trial),
            baseline=_success(trial.baseline, one.name, trial),
        )
        for one in trial.suite.slices
    )


def _success(rows: Rows | None, name: str, trial: Trial) -> Seen | None:
    return None if rows is None else seen_of(_measured(rows, name, trial))


def _measured(rows: Rows, name: str, trial: Trial) -> Estimate:
    read = METRICS["success@1"].read
    assert read is not None
    return estimate(read(rows.slices[name], {}), trial.gate)
