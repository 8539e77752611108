"""What a gate judges: a model's rows beside the rows of what is served now, and what each of them has lost."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.core.gate.language.gatefile import Gate
from registry.core.gate.language.rule import Comparison, Rule
from registry.core.gate.measuring.metric import Metric
from registry.core.gate.rows.canary import Canary
from registry.core.gate.rows.columns import ERRED, Rows, SliceRows
from registry.core.gate.verdict import Attempts, Leak
from registry.core.heldout.suite import Suite

LOSS_LIMIT = 100
"""One lost sample in so many is borne (and counts against the candidate); more, and nothing is decided."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that the rules are judged on. Rows are None where there are none, and then the sentence says why.

    `canary` is the candidate's live traffic, None where there was none. `attempts` says how often each slice was used,
    `leaks` which of its cases stand in the candidate's training data.
    """

    gate: Gate
    rules: tuple[Rule, ...]
    suite: Suite
    candidate: Rows | None
    baseline: Rows | None
    canary: Canary | None = None
    no_candidate: str = "There is no evidence for this model."
    no_baseline: str = "There is nothing to compare with."
    attempts: tuple[Attempts, ...] = ()
    leaks: tuple[Leak, ...] = ()

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The rules that compare a number."""
        return tuple(rule for rule in self.rules if isinstance(rule, Comparison))


def doubt_about(parts: Sequence[SliceRows], metric: Metric, *, whose: str = "") -> str:
    """Why a metric cannot be judged on these rows: too much was lost, or a verifier failed too often; else nothing.

    Args:
        parts: The slices that are read.
        metric: Says whether answers or timings are read, and by which verifiers.
        whose: Put before the sentence, for example `baseline: `.
    """
    for part in parts:
        lost, of, what = part.lost, part.scheduled, "answers"
        if metric.timed:
            lost, of, what = part.lost_timings, part.timed, "timings"
        if lost * LOSS_LIMIT > of:
            return f"{whose}{lost:,} of {of:,} {what} of {part.slice.name} are missing, over 1 %."
        if metric.timed:
            continue
        for name in metric.fed_by(part.slice) or part.findings:
            erred = part.findings[name].verdict.count(ERRED)
            if erred * LOSS_LIMIT > part.scheduled:
                rows = f"{erred:,} of {part.scheduled:,} rows of {part.slice.name}"
                return f"{whose}the verifier {name} itself failed on {rows}, over 1 %."
    return ""
