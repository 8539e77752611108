"""Evidence in columns: one place for each sample that the suite schedules, whether or not a row came for it.

A gate reads many rows and few fields, so lines are checked by hand and kept in columns; a record object for each row
would cost most of the time of a judgement.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from registry.core.heldout.suite import Slice, Suite
from registry.errors import IntegrityError

MISSING, OK, ERROR, TIMEOUT, INVALID = range(5)
PASSED, FAILED, ERRED = 1, 2, 3
_STATUS = {"ok": OK, "error": ERROR, "timeout": TIMEOUT, "invalid": INVALID}
_VERDICT = {"pass": PASSED, "fail": FAILED, "error": ERRED}
_ROW = frozenset({
    "slice", "case", "sample", "status", "transcript", "steps", "prompt_tokens", "completion_tokens", "findings"
})  # fmt: skip
_TIMING = frozenset({"slice", "case", "sample", "status", "latency_ms", "cost_usd", "tokens"})
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
_MAX_COUNT = 2**53 - 1


class BadRows(IntegrityError):
    """Evidence rows are malformed, doubled, or about something that the suite does not ask."""


@dataclass(frozen=True, slots=True)
class Column:
    """What one verifier said of each sample of a slice, in scheduled order.

    `verdict` is 0 where it said nothing. `passed` of `total` counts things inside a row; both are 0 where
    it counts nothing.
    """

    verdict: bytearray
    seen: list[str]
    passed: list[int]
    total: list[int]


@dataclass(frozen=True, slots=True)
class SliceRows:
    """One slice's samples in scheduled order: case by case, and within a case sample by sample.

    `status` is MISSING where no row came. `success` is 1 where every verifier passed. `latency_ms` and `cost_usd` are
    None where no timing came; `timing` is its status. These and `tokens` are as long as the slice is timed.
    """

    slice: Slice
    cases: tuple[str, ...]
    status: bytearray
    success: bytearray
    steps: list[int]
    findings: dict[str, Column]
    timing: bytearray
    latency_ms: list[Decimal | None]
    cost_usd: list[Decimal | None]
    tokens: list[int]

    @property
    def scheduled(self) -> int:
        """How many samples the suite asks for."""
        return len(self.status)

    @property
    def timed(self) -> int:
        """How many samples, from the first, the suite asks to be timed."""
        return len(self.timing)

    @property
    def lost(self) -> int:
        """Samples without an answer: missing, errored or timed out. An invalid answer is an answer, and a failure."""
        return sum(self.status.count(code) for code in (MISSING, ERROR, TIMEOUT))

    @property
    def lost_timings(self) -> int:
        """Samples without a measured time and cost."""
        return self.timed - self.timing.count(OK) - self.timing.count(INVALID)


@dataclass(frozen=True, slots=True)
class Rows:
    """All slices of one evaluation."""

    slices: Mapping[str, SliceRows]


Route = Callable[[str], str | None]


def read_rows(rows: bytes, timings: bytes, suite: Suite, *, route: Route | None = None) -> Rows:
    """Sort an evaluation's JSON lines into columns; the order of the lines does not matter.

    Args:
        rows: Canonical `Row` lines.
        timings: Canonical `Timing` lines.
        suite: Says which samples are scheduled; those without a line count as missing.
        route: The adapter that must have answered a slice (None: the bare base); leave out to accept any.

    Raises:
        BadRows: A line is not canonical or not of its form, a sample comes twice, is not in the suite, was answered
            by another adapter, or lacks a verifier's finding.
    """
    found = Rows({one.name: _empty(one, tuple(case.id for case in suite.cases[one.name])) for one in suite.slices})
    places = {name: {case: at for at, case in enumerate(part.cases)} for name, part in found.slices.items()}
    for part, at, line in _samples(_Lines("rows", rows, _ROW), found, places):
        _take_row(part, at, line)
        if route is not None and line.get("adapter") != route(part.slice.name):
            sent, name = route(part.slice.name) or "the base", part.slice.name
            why = f"{line.get('adapter', 'the base')} answered, but {name} goes to {sent}"
            raise BadRows(f"{_named(line)} was not answered by the adapter of its slice", why=why)
    for part, at, line in _samples(_Lines("timings", timings, _TIMING), found, places):
        _take_timing(part, at, line)
    return found


def _empty(one: Slice, cases: tuple[str, ...]) -> SliceRows:
    n = len(cases) * one.samples
    columns = {call.name: Column(bytearray(n), [""] * n, [0] * n, [0] * n) for call in one.verifiers}
    t = len(cases[: one.timed]) * one.samples
    return SliceRows(
        one, cases, bytearray(n), bytearray(n), [0] * n, columns, bytearray(t), [None] * t, [None] * t, [0] * t
    )


@dataclass(frozen=True, slots=True)
class _Lines:
    """A file of canonical JSON objects, one a line, all with the same keys."""

    what: str
    data: bytes
    keys: frozenset[str]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        decode = json.JSONDecoder(parse_float=_no_number, parse_constant=_no_number).decode
        encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
        number = 0
        try:
            for number, raw in enumerate(self.data.removesuffix(b"\n").split(b"\n") if self.data else (), 1):
                text = raw.decode()
                line = decode(text)
                # why: being the one spelling of its value also excludes a key twice and a lone surrogate.
                if not isinstance(line, dict) or encode(line) != text:
                    raise BadRows(f"line {number} of the {self.what} is not a canonical JSON object")
                if line.keys() - {"adapter"} != self.keys or (line.keys() ^ self.keys and self.what != "rows"):
                    raise BadRows(f"line {number} of the {self.what} has not the fields of its form")
                yield line
        except (ValueError, RecursionError) as error:
            raise BadRows(f"line {number} of the {self.what} is not JSON", why=str(error)) from None


def _no_number(spelling: str) -> Any:
    raise ValueError(f"the number {spelling} is not an integer")


def _samples(
    lines: _Lines, found: Rows, places: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[SliceRows, int, dict[str, Any]]]:
    """Each line with the sample that it is about."""
    for line in lines:
        name, case, sample = line["slice"], line["case"], line["sample"]
        part = found.slices.get(name) if isinstance(name, str) else None
        if part is None:
            raise BadRows(f"the {lines.what} speak of {name!r}, which is no slice of the suite")
        first = places[name].get(case) if isinstance(case, str) else None
        if first is None or type(sample) is not int or not 0 <= sample < part.slice.samples:
            raise BadRows(f"{_named(line)} is not a sample of the suite")
        if not _code(_STATUS, line["status"]):
            raise BadRows(f"{_named(line)} has the unknown status {line['status']!r}")
        yield part, first * part.slice.samples + sample, line


def _named(line: Mapping[str, Any]) -> str:
    return f"{line['slice']}/{line['case']}/{line['sample']}"


def _code(table: Mapping[str, int], value: Any) -> int:
    """The code of a word, or 0."""
    return table.get(value, 0) if isinstance(value, str) else 0


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_COUNT


def _take_row(part: SliceRows, at: int, line: dict[str, Any]) -> None:
    if part.status[at] != MISSING:
        raise BadRows(f"{_named(line)} has two rows")
    findings = line["findings"]
    counts = (line["steps"], line["prompt_tokens"], line["completion_tokens"])
    if not isinstance(findings, dict) or not all(map(_is_count, counts)) or not _is_transcript(line["transcript"]):
        raise BadRows(f"the row of {_named(line)} is not of its form")
    if not isinstance(line.get("adapter", ""), str):
        raise BadRows(f"the row of {_named(line)} names no adapter")
    status = _STATUS[line["status"]]
    if findings.keys() - part.findings.keys() or (status == OK and len(findings) != len(part.findings)):
        differing = ", ".join(sorted(findings.keys() ^ part.findings.keys()))
        raise BadRows(f"{_named(line)} was not judged by the verifiers of its slice", why=differing)
    passed = [_take_finding(part.findings[name], at, finding) for name, finding in findings.items()]
    part.status[at], part.steps[at] = status, line["steps"]
    part.success[at] = status == OK and all(passed)


def _is_transcript(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(said, dict)
        and said.keys() == {"role", "content"}
        and said["role"] in ("assistant", "tool")
        and isinstance(said["content"], str)
        for said in value
    )


def _take_finding(column: Column, at: int, finding: Any) -> bool:
    """Keep what one verifier said of one row; return whether it passed."""
    code = _code(_VERDICT, finding.get("verdict")) if isinstance(finding, dict) else 0
    if not code or finding.keys() - {"verdict", "seen", "passed", "total"} or type(finding.get("seen", "")) is not str:
        raise BadRows("a finding is not of its form", why=repr(finding)[:200])
    passed, total = finding.get("passed", 0), finding.get("total", 0)
    if not _is_count(passed) or not _is_count(total) or passed > total:
        raise BadRows("a finding counts more passes than things", why=repr(finding)[:200])
    column.verdict[at], column.seen[at] = code, finding.get("seen", "")
    column.passed[at], column.total[at] = passed, total
    return code == PASSED


def _take_timing(part: SliceRows, at: int, line: dict[str, Any]) -> None:
    if at >= part.timed:
        raise BadRows(f"{_named(line)} has a timing that the suite does not ask for")
    if part.timing[at] != MISSING:
        raise BadRows(f"{_named(line)} has two timings")
    latency, cost, tokens = line["latency_ms"], line["cost_usd"], line["tokens"]
    if not _is_amount(latency) or not _is_amount(cost) or not _is_count(tokens):
        raise BadRows(f"the timing of {_named(line)} is not of its form", why=f"{latency!r}, {cost!r}, {tokens!r}")
    part.timing[at] = _STATUS[line["status"]]
    part.latency_ms[at], part.cost_usd[at], part.tokens[at] = Decimal(latency), Decimal(cost), tokens


def _is_amount(value: Any) -> bool:
    return type(value) is str and _AMOUNT.fullmatch(value) is not None
