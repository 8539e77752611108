"""Judging a canary: once, on what was seen up to the first moment at which its window is full."""

from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from registry.core.gate.judging.check import metric_of
from registry.core.gate.judging.compare import Question, compare, undecided
from registry.core.gate.judging.trial import LOSS_LIMIT, Trial
from registry.core.gate.language.gatefile import Gate
from registry.core.gate.language.rule import Comparison, Window, parse_window
from registry.core.gate.measuring import words
from registry.core.gate.measuring.measure import (
    Estimate,
    clustered,
    clustered_quantile,
    estimate,
    expected_count,
    too_few,
    values_of,
)
from registry.core.gate.measuring.metric import P95, Metric
from registry.core.gate.measuring.sample import Ratio
from registry.core.gate.rows.amounts import amounts_from, column_of
from registry.core.gate.rows.canary import Canary
from registry.core.gate.rows.columns import Counts
from registry.core.gate.verdict import RuleVerdict

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class _Watched:
    """A canary as far as it counts for the rules: up to the decision, or all of it while there is none."""

    part: Canary
    whole: Canary
    window: Window
    is_full: bool

    @property
    def missing(self) -> str:
        """What the window still lacks, for people."""
        measured, hours = self.whole.measured, Fraction(self.whole.watched_ms, _HOUR_MS)
        requests, time = max(0, self.window.requests + 1 - measured), Fraction(self.window.seconds, 3600) - hours
        lacks = [f"{words.many(requests, 'more request')}"] if requests else []
        lacks += [f"{words.ceiling(time)} more hours"] if time > 0 else []
        seen = f"The canary has {words.many(measured, 'request')} in {words.floor(hours)} hours"
        return f"{seen}; it takes {asked(self.window)}: {' and '.join(lacks)}."


def judge_canary(rule: Comparison, trial: Trial) -> RuleVerdict:
    """Judge a rule on live traffic.

    Before the window is full every rule is undecided, but an incident too many is a failure at once, and whenever it
    comes: the number of incidents only grows, so a later one is not left out either.
    """
    window = parse_window(trial.gate.window)
    if trial.canary is None:
        return undecided(rule, f"There is no canary data; it takes {asked(window)}.")
    at_ms = trial.canary.decided_ms(window)
    part = trial.canary if at_ms is None else trial.canary.until(at_ms)
    watched = _Watched(part, trial.canary, window, at_ms is not None)
    seen = _estimate(watched, metric_of(rule), trial.gate)
    found = compare(Question(rule, trial.gate, metric_of(rule)), seen)
    if _is_broken_anyway(rule, watched):
        return found
    doubt = "" if watched.is_full else watched.missing
    doubt = doubt or _uncovered(watched.part, metric_of(rule))
    if doubt:
        return undecided(rule, doubt, found)
    return found.model_copy(update={"sentence": found.sentence + _expected(rule, seen, trial.gate)})


def _expected(rule: Comparison, seen: Estimate, gate: Gate) -> str:
    """What a count of incidents does not show: none in 5,000 requests is no promise for the next 5,000."""
    if rule.statistic.text != "count" or metric_of(rule).kind != "live count":
        return ""
    most = f"up to {words.ceiling(seen.upper)} are to be expected in as many more requests"
    return f" With {words.percent(gate.confidence)} confidence, {most}."


def asked(window: Window) -> str:
    """What a canary must have before it is judged, for people."""
    return f"more than {window.requests:,} requests and {window.seconds / 3600:g} hours"


def _is_broken_anyway(rule: Comparison, watched: _Watched) -> bool:
    """Whether the incidents seen are too many already: no later request takes one back."""
    if metric_of(rule).kind != "live count" or rule.statistic.text != "count" or rule.comparator.text[0] == ">":
        return False
    seen = sum(watched.whole.incident)
    return seen >= rule.threshold if rule.comparator.text == "<" else seen > rule.threshold


def _uncovered(part: Canary, metric: Metric) -> str:
    """Why what was seen cannot be believed: too much telemetry is missing, or the detector did not run; else nothing.

    A dead detector would be a perfect score.
    """
    lost, unscreened = sum(part.lost), part.requests - sum(part.screened)
    if metric.kind == "live count" and unscreened * LOSS_LIMIT > part.requests:
        return f"The incident detector did not run on {unscreened:,} of {part.requests:,} requests, over 1 %."
    if lost * LOSS_LIMIT > part.requests:
        return f"The telemetry of {lost:,} of {part.requests:,} requests is missing, over 1 %."
    return ""


def _estimate(watched: _Watched, metric: Metric, gate: Gate) -> Estimate:
    """The metric with its bounds, by session; what was lost counts against the candidate."""
    part = watched.part
    match metric.kind:
        case "live rate":
            hits = bytes(left | lost for left, lost in zip(part.abandoned, part.lost, strict=True))
            seen = clustered(*_by_session(part, hits), gate)
        case "live quantile":
            alone = len(set(part.session)) == part.requests
            if alone:
                seen = estimate(values_of(part.latency_ms, metric.quantile or P95), gate)
            else:
                seen = clustered_quantile(part.latency_ms, part.session, metric.quantile or P95, gate=gate)
        case "live ratio":
            seen = estimate(_cost(part), gate)
        case _:
            return replace(expected_count(sum(watched.whole.incident), gate), n=part.requests)
    return replace(seen, n=part.requests, doubt=seen.doubt or too_few(seen.units, part.requests))


def _by_session(part: Canary, hits: bytes) -> tuple[Counts, Counts]:
    """The hits and the requests of each session."""
    sums: dict[str, list[int]] = {}
    for session, hit in zip(part.session, hits, strict=True):
        found = sums.setdefault(session, [0, 0])
        found[0] += hit
        found[1] += 1
    hit_sums, sizes = np.array(list(sums.values()), np.int64).reshape(-1, 2).T
    return hit_sums, sizes


def _cost(part: Canary) -> Ratio:
    """Dollars and tokens by session; a lost request is charged as the dearest one and gave no tokens."""
    dearest = max((cost for cost in part.cost_usd if cost is not None), default=Decimal(0))
    above: dict[str, Decimal] = {}
    below: dict[str, int] = {}
    with localcontext(prec=100):  # why: the usual 28 digits would round
        for session, cost, tokens in zip(part.session, part.cost_usd, part.tokens, strict=True):
            above[session] = above.get(session, Decimal(0)) + (dearest if cost is None else cost)
            below[session] = below.get(session, 0) + tokens
    return Ratio(amounts_from(list(above.values())), column_of(list(below.values())), scale=1000)
