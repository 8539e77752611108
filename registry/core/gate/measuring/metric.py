"""The metrics that a rule may name, and what each reads from the evidence: a line of a table, or a family of names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import Literal

from registry.core.gate.measuring import reading
from registry.core.gate.measuring.reading import Read, ReadValues
from registry.core.gate.measuring.sample import Hits
from registry.core.gate.rows.columns import ERROR, INVALID, TIMEOUT, SliceRows
from registry.core.heldout.slice import Slice
from registry.core.heldout.verifiers import VERIFIERS

Kind = Literal["rate", "calls", "score", "quantile", "ratio", "live rate", "live count", "live quantile", "live ratio"]
MEDIAN, P95 = Fraction(1, 2), Fraction(95, 100)
_CARE, _CALLS = ("urgent_care", "word_cap", "no_diagnosis"), ("deprecation",)


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table.

    `verifiers` says which verifiers feed it on a slice: a slice that has none of them cannot be asked. `arguments` are
    those it takes after the slice, in order. `everywhere` metrics may leave the slice out and then read all slices.
    `timed` ones read the timings, not the answers. `guard` metrics are watched by no_regressions_on; `low` ones are
    better when lower. `quantile` is the one that a quantile metric reads; `samples` of each case is the least it takes.
    """

    kind: Kind
    read: Read | None = None
    verifiers: tuple[tuple[str, ...], ...] = ()
    arguments: tuple[str, ...] = ()
    everywhere: bool = False
    timed: bool = False
    guard: bool = False
    low: bool = False
    quantile: Fraction | None = None
    samples: int = 1
    can_be_negative: bool = False

    def fed_by(self, one: Slice) -> tuple[str, ...]:
        """The verifiers of `one` that feed this metric: the first group of which it has any."""
        have = {call.name for call in one.verifiers}
        groups = (tuple(name for name in group if name in have) for group in self.verifiers)
        return next((group for group in groups if group), ())

    def suits(self, one: Slice) -> bool:
        """Whether `one` can be asked for this metric at all."""
        return one.samples >= self.samples and (not self.verifiers or bool(self.fed_by(one)))


def good_rows(part: SliceRows, metric: Metric) -> bytes:
    """1 where a row is good in the sense of a rate or calls metric, by the verifiers' own verdicts.

    For a metric that is better when lower, good means that what it counts did not happen.
    """
    if metric.verifiers:
        return reading.all_pass(part, metric.fed_by(part.slice))
    if not metric.low or metric.read is None:
        return bytes(part.success)
    counted = metric.read(part, {})
    assert isinstance(counted, Hits)
    return reading.turned(counted.hits)


METRICS: dict[str, Metric] = {
    "success@1": Metric("rate", reading.success),
    "ruleViolationRate": Metric(
        "rate", partial(reading.fails, verifiers=(*_CARE, *_CALLS)), (_CARE, _CALLS), guard=True, low=True
    ),
    "math_correct_rate": Metric("rate", partial(reading.passes, verifier="numeric"), (("numeric",),), guard=True),
    "format_pass_rate": Metric("rate", partial(reading.passes, verifier="tag"), (("tag",),), ("tag",), guard=True),
    "tool_call_correctness.schema": Metric("calls", reading.schema, (("json_schema",),), guard=True),
    "api_version_match_rate": Metric("rate", reading.api_version, (("version_reference",),), ("version",), guard=True),
    "steps_to_solve_median": Metric(
        "quantile", partial(reading.quantile, read=reading.steps, q=MEDIAN), low=True, quantile=MEDIAN
    ),
    "latency_p95_ms": Metric(
        "quantile",
        partial(reading.quantile, read=reading.latency, q=P95),
        everywhere=True,
        timed=True,
        low=True,
        quantile=P95,
    ),
    "cost_per_1k_tokens_usd": Metric("ratio", reading.cost_by_tokens, everywhere=True, timed=True, low=True),
    "cost_per_request_usd": Metric("ratio", reading.cost_by_request, everywhere=True, timed=True, low=True),
    "reward_score_mean": Metric("ratio", reading.reward_mean, (("reward_model",),), can_be_negative=True),
    "completion_tokens_mean": Metric(
        "ratio", partial(reading.token_mean, column="completion_tokens"), everywhere=True, low=True
    ),
    "prompt_tokens_mean": Metric(
        "ratio", partial(reading.token_mean, column="prompt_tokens"), everywhere=True, low=True
    ),
    "error_rate": Metric("rate", partial(reading.ended, how=ERROR), low=True),
    "timeout_rate": Metric("rate", partial(reading.ended, how=TIMEOUT), low=True),
    "invalid_rate": Metric("rate", partial(reading.ended, how=INVALID), low=True),
}
"""The metrics with a name of their own; `find_metric` also knows the families below."""

_OF_VERIFIER = re.compile(rf"({'|'.join(VERIFIERS)})_(pass|fail)_rate|tool_call_correctness\.({'|'.join(VERIFIERS)})")
_QUANTILE = re.compile(r"(steps_to_solve|latency|completion_tokens|prompt_tokens)_(median|p[1-9][0-9]?)(_ms)?")
_SUCCESS = re.compile(r"success@([1-9][0-9]?)")
_READS: dict[str, ReadValues] = {
    "steps_to_solve": reading.steps,
    "latency": reading.latency,
    "completion_tokens": reading.completion_tokens,
    "prompt_tokens": reading.prompt_tokens,
}


@lru_cache(maxsize=1024)
def find_metric(name: str) -> Metric | None:
    """The metric of this name: from the table, or of a family.

    The families are `success@K`; `VERIFIER_pass_rate`, `VERIFIER_fail_rate` and `tool_call_correctness.VERIFIER` of
    each verifier; and `steps_to_solve_Q`, `completion_tokens_Q`, `prompt_tokens_Q` and `latency_Q_ms`, where Q is
    `median` or `p1` to `p99`.
    """
    if name in METRICS:
        return METRICS[name]
    if name == "tool_call_correctness.json_schema":
        return METRICS["tool_call_correctness.schema"]
    if found := _SUCCESS.fullmatch(name):
        k = int(found[1])
        return Metric("score", partial(reading.success_at, k=k), samples=k)
    if found := _OF_VERIFIER.fullmatch(name):
        verifier, is_failure = found[1] or found[3], found[2] == "fail"
        fails = partial(reading.fails, verifiers=[verifier])
        read = fails if is_failure else partial(reading.passes, verifier=verifier)
        return Metric("rate", read, ((verifier,),), low=is_failure)
    return _quantile_metric(name)


def _quantile_metric(name: str) -> Metric | None:
    found = _QUANTILE.fullmatch(name)
    if found is None or (found[1] == "latency") != (found[3] is not None):
        return None
    q = MEDIAN if found[2] == "median" else Fraction(int(found[2][1:]), 100)
    read = partial(reading.quantile, read=_READS[found[1]], q=q)
    is_timed, is_everywhere = found[1] == "latency", found[1] != "steps_to_solve"
    return Metric("quantile", read, everywhere=is_everywhere, timed=is_timed, low=True, quantile=q)


def known_metrics(slices: Sequence[Slice]) -> list[str]:
    """Names to suggest: the table's, and of each family those that these slices could be asked for."""
    verifiers = sorted({call.name for one in slices for call in one.verifiers})
    quantiles = [f"{base}_{q}{'_ms' * (base == 'latency')}" for base in _READS for q in ("median", "p50", "p95", "p99")]
    most = max((one.samples for one in slices), default=1)
    of_verifiers = [f"{name}_{word}_rate" for name in verifiers for word in ("pass", "fail")]
    return list(dict.fromkeys([*METRICS, *quantiles, *of_verifiers, *(f"success@{k}" for k in range(2, most + 1))]))


CANARY: dict[str, Metric] = {
    "abandon_rate": Metric("live rate", low=True),
    "safety_incidents": Metric("live count", low=True),
    "latency_p95_ms": Metric("live quantile", low=True, quantile=P95),
    "cost_per_1k_tokens_usd": Metric("live ratio", low=True),
}


def find_canary(name: str) -> Metric | None:
    """The metric of live traffic of this name: from the table, or `latency_Q_ms`."""
    if name in CANARY:
        return CANARY[name]
    found = find_metric(name) if name.startswith("latency_") else None
    return found and Metric("live quantile", low=True, quantile=found.quantile)


STATISTICS: dict[Kind, tuple[str, ...]] = {
    "rate": ("point", "lower_ci", "upper_ci", "count", "n"),
    "calls": ("point", "lower_ci", "upper_ci", "count", "n"),
    "score": ("point", "lower_ci", "upper_ci", "n"),
    "quantile": ("point", "lower_ci", "upper_ci", "n"),
    "ratio": ("point", "lower_ci", "upper_ci", "n"),
    "live rate": ("point", "lower_ci", "upper_ci", "count", "n"),
    "live count": ("count", "upper_ci", "n"),
    "live quantile": ("point", "lower_ci", "upper_ci", "n"),
    "live ratio": ("point", "lower_ci", "upper_ci", "n"),
}
"""Which statistics each kind of metric has; a difference and a weighted mean have their own, below."""

AGGREGATE_STATISTICS = DELTA_STATISTICS = ("point", "lower_ci", "upper_ci", "n")
PAIRED_STATISTICS = ("point", "lower_ci", "upper_ci", "p_value", "n")
"""What a difference of yes-or-no samples has, and no other: a test of no difference."""

PAIRED = frozenset({"rate", "calls"})
SHARES = frozenset({"rate", "calls", "score", "live rate"})
"""Kinds whose values lie between 0 and 1."""
