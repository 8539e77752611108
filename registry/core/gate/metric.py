"""The metrics that a rule may name, and what each reads from the evidence: one line of a table and one function each.

A read function gets one slice's rows and the rule's arguments, and returns a sample that has a place for everything
scheduled: what is missing counts against the candidate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import reduce
from operator import and_
from typing import Literal

from registry.core.gate.rows import ERRED, OK, PASSED, SliceRows
from registry.core.heldout.suite import Slice

Kind = Literal["rate", "calls", "quantile", "ratio", "live rate", "live count", "live quantile", "live ratio"]
Arguments = Mapping[str, str]
_IS_OK = bytes(code == OK for code in range(256))
_IS_PASSED = bytes(code == PASSED for code in range(256))
MEDIAN, P95 = Fraction(1, 2), Fraction(95, 100)


@dataclass(frozen=True, slots=True)
class Hits:
    """One yes (1) or no (0) for each scheduled sample; `samples` for each case, next to each other."""

    hits: bytes
    samples: int


@dataclass(frozen=True, slots=True)
class Calls:
    """Things counted inside each case: how many passed, of how many (at least one)."""

    passed: tuple[int, ...]
    total: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """A number for each scheduled sample, None for infinity; the metric is their quantile `q`."""

    values: tuple[Decimal | None, ...]
    q: Fraction


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two amounts for each case; the metric is the sum of the first by the sum of the second."""

    above: tuple[Decimal, ...]
    below: tuple[Decimal, ...]


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
    return Hits(bytes(1 - hit for hit in kept), part.slice.samples)


def _math(part: SliceRows, arguments: Arguments) -> Sample:
    return Hits(_all_pass(part, ["numeric"]), part.slice.samples)


def _format(part: SliceRows, arguments: Arguments) -> Sample:
    return Hits(_all_pass(part, ["tag"]), part.slice.samples)


def _schema(part: SliceRows, arguments: Arguments) -> Sample:
    """Valid calls of all calls; a lost row, and a run without a call, is one failed call."""
    column = part.findings["json_schema"]
    passed, total = [], []
    for at, status in enumerate(part.status):
        good = status == OK and column.verdict[at] != ERRED
        passed.append(column.passed[at] if good else 0)
        total.append(max(1, column.total[at]))
    size = part.slice.samples
    firsts = range(0, len(passed), size)
    return Calls(
        tuple(sum(passed[at : at + size]) for at in firsts), tuple(sum(total[at : at + size]) for at in firsts)
    )


def _api_version(part: SliceRows, arguments: Arguments) -> Sample:
    """The versions that the verifier saw cited; `v3.2` beside `v3.2.1` names a line of versions and is no other one."""
    want, column = arguments["version"].removeprefix("v"), part.findings["version_reference"]
    hits = bytes(
        status == OK and said != ERRED and _cites_only(seen, want)
        for status, said, seen in zip(part.status, column.verdict, column.seen, strict=True)
    )
    return Hits(hits, part.slice.samples)


def _cites_only(seen: str, want: str) -> bool:
    cited = {word.removeprefix("v") for word in seen.split(", ")}
    return {word for word in cited if word.count(".") >= want.count(".")} == {want}


def _steps(part: SliceRows, arguments: Arguments) -> Sample:
    """Steps of the solved; unsolved is infinity, for leaving it out would reward a model that solves less."""
    solved = zip(part.success, part.steps, strict=True)
    return Values(tuple(Decimal(steps) if success else None for success, steps in solved), MEDIAN)


def _latency(part: SliceRows, arguments: Arguments) -> Sample:
    """Milliseconds; a sample that was lost or timed out took forever."""
    taken = zip(part.timing, part.latency_ms, strict=True)
    return Values(tuple(ms if status == OK else None for status, ms in taken), P95)


def _cost(part: SliceRows, arguments: Arguments) -> Sample:
    """Dollars and thousands of tokens; a sample without a timing is charged as the dearest one and gave no tokens."""
    dearest = max((cost for cost in part.cost_usd if cost is not None), default=Decimal(0))
    costs = [dearest if cost is None else cost for cost in part.cost_usd]
    size, firsts = part.slice.samples, range(0, len(costs), part.slice.samples)
    with localcontext(prec=100):  # why: the usual 28 digits would round
        above = tuple(sum(costs[at : at + size], Decimal(0)) for at in firsts)
        return Ratio(above, tuple(Decimal(sum(part.tokens[at : at + size])) / 1000 for at in firsts))


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
