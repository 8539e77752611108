"""Evidence in columns: one place for each sample that the suite schedules, whether or not a row came for it.

A gate reads many rows and few fields; a record object for each row would cost most of the time and memory of a
judgement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from registry.core.gate.rows.amounts import Amounts
from registry.core.heldout.suite import Slice, Suite
from registry.errors import IntegrityError

MISSING, OK, ERROR, TIMEOUT, INVALID = range(5)
PASSED, FAILED, ERRED = 1, 2, 3
STATUS = {"ok": OK, "error": ERROR, "timeout": TIMEOUT, "invalid": INVALID}
VERDICT = {"pass": PASSED, "fail": FAILED, "error": ERRED}

Counts = NDArray[np.int64]


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
    passed: Counts
    total: Counts


@dataclass(frozen=True, slots=True)
class SliceRows:
    """One slice's samples in scheduled order: case by case, and within a case sample by sample.

    `status` is MISSING where no row came. `success` is 1 where every verifier passed. `timing` is the status of the
    timing, MISSING where none came, and then `latency_ms`, `cost_usd` and `tokens` are 0; these four are as long as
    the slice is timed.
    """

    slice: Slice
    cases: tuple[str, ...]
    status: bytearray
    success: bytearray
    steps: Counts
    prompt_tokens: Counts
    completion_tokens: Counts
    findings: dict[str, Column]
    timing: bytearray
    latency_ms: Amounts
    cost_usd: Amounts
    tokens: Counts

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


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns that are being filled: `places` has the index of each case by slice and name.

    `route` is the adapter that must have answered a slice (None: the bare base); without it any may have.
    """

    rows: Rows
    places: Mapping[str, Mapping[str, int]]
    route: Route | None
    texts: dict[str, str] = field(default_factory=dict)

    def same(self, text: str) -> str:
        """One object for equal texts, of which evidence has many."""
        return self.texts.setdefault(text, text)


def empty_sheet(suite: Suite, route: Route | None) -> Sheet:
    """Columns with a place for everything that `suite` schedules, and nothing in them."""
    found = {one.name: _empty(one, tuple(case.id for case in suite.cases[one.name])) for one in suite.slices}
    places = {name: {case: at for at, case in enumerate(part.cases)} for name, part in found.items()}
    return Sheet(Rows(found), places, route)


def _empty(one: Slice, cases: tuple[str, ...]) -> SliceRows:
    n = len(cases) * one.samples
    columns = {call.name: Column(bytearray(n), [""] * n, _zeros(n), _zeros(n)) for call in one.verifiers}
    t = len(cases[: one.timed]) * one.samples
    return SliceRows(
        one,
        cases,
        status=bytearray(n),
        success=bytearray(n),
        steps=_zeros(n),
        prompt_tokens=_zeros(n),
        completion_tokens=_zeros(n),
        findings=columns,
        timing=bytearray(t),
        latency_ms=Amounts(_zeros(t)),
        cost_usd=Amounts(_zeros(t)),
        tokens=_zeros(t),
    )


def _zeros(n: int) -> Counts:
    return np.zeros(n, np.int64)
