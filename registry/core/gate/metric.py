"""The metrics that a rule may name, and what each reads from the evidence: one line of a table and one function each.

A read function gets one slice's rows and the rule's arguments, and returns a sample that has a place for everything
scheduled: what is missing counts against the candidate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import and_
from typing import Literal

import numpy as np

from registry.core.gate.amounts import Amounts, Column, by_case
from registry.core.gate.columns import ERRED, MISSING, OK, PASSED, Counts, SliceRows
from registry.core.heldout.suite import Slice

Kind = Literal["rate", "calls", "quantile", "ratio", "live rate", "live count", "live quantile", "live ratio"]
Arguments = Mapping[str, str]
_IS_OK = bytes(code == OK for code in range(256))
_IS_PASSED = bytes(code == PASSED for code in range(256))
_NOT = bytes((1, 0)) + bytes(254)
MEDIAN, P95 = Fraction(1, 2), Fraction(95, 100)


@dataclass(frozen=True, slots=True)
class Hits:
    """One yes (1) or no (0) for each scheduled sample; `samples` for each case, next to each other."""

    hits: bytes
    samples: int


@dataclass(frozen=True, slots=True)
class Calls:
    """Things counted inside each case: how many passed, of how many (at least one)."""

    passed: Counts
    total: Counts


@dataclass(frozen=True, slots=True)
class Values:
    """The finite ones of `n` numbers, in no order; the others are infinite. The metric is their quantile `q`."""

    finite: Amounts
    n: int
    q: Fraction


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two amounts for each case; the metric is the sum of the first by the sum of the second, in thousands."""

    above: Amounts
    below: Column


Sample = Hits | Calls | Values | Ratio
Read = Callable[[SliceRows, Arguments], Sample]


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table.

    `verifiers` says which verifiers feed it on a slice: a slice that has none of them cannot be asked. `arguments` are
    those it takes after the slice, in order. `everywhere` metrics may leave the slice out and then read all slices.
    `guard` metrics are watched by no_regressions_on; `low` ones are better when lower. `quantile` is
    the one that a quantile metric reads.
    """

    kind: Kind
    read: Read | None = None
    verifiers: tuple[tuple[str, ...], ...] = ()
    arguments: tuple[str, ...] = ()
    everywhere: bool = False
    guard: bool = False
    low: bool = False
    quantile: Fraction | None = None

    def fed_by(self, one: Slice) -> tuple[str, ...]:
        """The verifiers of `one` that feed this metric: the first group of which it has any."""
        have = {call.name for call in one.verifiers}
        groups = (tuple(name for name in group if name in have) for group in self.verifiers)
        return next((group for group in groups if group), ())

    def suits(self, one: Slice) -> bool:
        """Whether `one` can be asked for this metric at all."""
        return not self.verifiers or bool(self.fed_by(one))


def _success(part: SliceRows, arguments: Arguments) -> Sample:
    return Hits(bytes(part.success), part.slice.samples)


def _all_pass(part: SliceRows, names: Sequence[str]) -> bytes:
    """1 where the row was answered and each of these verifiers passed."""
    flags = [part.status.translate(_IS_OK), *(part.findings[name].verdict.translate(_IS_PASSED) for name in names)]
    # why: one integer for each column; a million rows are compared in a few milliseconds.
    return reduce(and_, map(int.from_bytes, flags)).to_bytes(part.scheduled)


def good_rows(part: SliceRows, metric: Metric) -> bytes:
    """1 where a row is good in the sense of a rate or calls metric, by the verifiers' own verdicts.

    For a metric that is better when lower, good means that what it counts did not happen.
    """
    return _all_pass(part, metric.fed_by(part.slice)) if metric.verifiers else bytes(part.success)


def _violation(part: SliceRows, arguments: Arguments) -> Sample:
    kept = _all_pass(part, METRICS["ruleViolationRate"].fed_by(part.slice))
    return Hits(kept.translate(_NOT), part.slice.samples)


def _math(part: SliceRows, arguments: Arguments) -> Sample:
    return Hits(_all_pass(part, ["numeric"]), part.slice.samples)


def _format(part: SliceRows, arguments: Arguments) -> Sample:
    return Hits(_all_pass(part, ["tag"]), part.slice.samples)


def _column(data: bytes | bytearray) -> Column:
    return np.frombuffer(data, np.uint8)


def _schema(part: SliceRows, arguments: Arguments) -> Sample:
    """Valid calls of all calls; a lost row, and a run without a call, is one failed call."""
    column, size = part.findings["json_schema"], part.slice.samples
    good = (_column(part.status) == OK) & (_column(column.verdict) != ERRED)
    return Calls(by_case(np.where(good, column.passed, 0), size), by_case(np.maximum(column.total, 1), size))


def _api_version(part: SliceRows, arguments: Arguments) -> Sample:
    """The versions that the verifier saw cited; `v3.2` beside `v3.2.1` names a line of versions and is no other one."""
    want, column = arguments["version"].removeprefix("v"), part.findings["version_reference"]
    is_wanted = {seen: _cites_only(seen, want) for seen in set(column.seen)}
    cited = _column(bytes(map(is_wanted.__getitem__, column.seen)))
    hits = (_column(part.status) == OK) & (_column(column.verdict) != ERRED) & (cited == 1)
    return Hits(hits.tobytes(), part.slice.samples)


def _cites_only(seen: str, want: str) -> bool:
    cited = {word.removeprefix("v") for word in seen.split(", ")}
    return {word for word in cited if word.count(".") >= want.count(".")} == {want}


def _steps(part: SliceRows, arguments: Arguments) -> Sample:
    """Steps of the solved; unsolved is infinity, for leaving it out would reward a model that solves less."""
    return Values(Amounts(part.steps[_column(part.success) == 1]), part.scheduled, MEDIAN)


def _latency(part: SliceRows, arguments: Arguments) -> Sample:
    """Milliseconds; a sample that was lost or timed out took forever."""
    return Values(part.latency_ms.taken(_column(part.timing) == OK), part.timed, P95)


def _cost(part: SliceRows, arguments: Arguments) -> Sample:
    """Dollars and tokens; a sample without a timing is charged as the dearest one and gave no tokens."""
    costs, size = part.cost_usd.units, part.slice.samples
    charged = np.where(_column(part.timing) == MISSING, costs.max(initial=0), costs)
    return Ratio(Amounts(by_case(charged, size), part.cost_usd.places), by_case(part.tokens, size))


METRICS: dict[str, Metric] = {
    "success@1": Metric("rate", _success),
    "ruleViolationRate": Metric(
        "rate", _violation, (("urgent_care", "word_cap", "no_diagnosis"), ("deprecation",)), guard=True, low=True
    ),
    "math_correct_rate": Metric("rate", _math, (("numeric",),), guard=True),
    "format_pass_rate": Metric("rate", _format, (("tag",),), ("tag",), guard=True),
    "tool_call_correctness.schema": Metric("calls", _schema, (("json_schema",),), guard=True),
    "api_version_match_rate": Metric("rate", _api_version, (("version_reference",),), ("version",), guard=True),
    "steps_to_solve_median": Metric("quantile", _steps, low=True, quantile=MEDIAN),
    "latency_p95_ms": Metric("quantile", _latency, everywhere=True, low=True, quantile=P95),
    "cost_per_1k_tokens_usd": Metric("ratio", _cost, everywhere=True, low=True),
}

CANARY: dict[str, Metric] = {
    "abandon_rate": Metric("live rate", low=True),
    "safety_incidents": Metric("live count", low=True),
    "latency_p95_ms": Metric("live quantile", low=True),
    "cost_per_1k_tokens_usd": Metric("live ratio", low=True),
}

STATISTICS: dict[Kind, tuple[str, ...]] = {
    "rate": ("point", "lower_ci", "upper_ci", "count", "n"),
    "calls": ("point", "lower_ci", "upper_ci", "count", "n"),
    "quantile": ("point", "lower_ci", "upper_ci", "n"),
    "ratio": ("point", "lower_ci", "upper_ci", "n"),
    "live rate": ("point", "lower_ci", "upper_ci", "count", "n"),
    "live count": ("count", "upper_ci", "n"),
    "live quantile": ("point", "lower_ci", "upper_ci", "n"),
    "live ratio": ("point", "lower_ci", "upper_ci", "n"),
}
"""Which statistics each kind of metric has; a difference and a weighted mean have their own, below."""

DELTA_STATISTICS = ("point", "lower_ci", "upper_ci", "p_value", "n")
AGGREGATE_STATISTICS = ("point", "lower_ci", "upper_ci", "n")
