"""Show evidence: what each set of rows has of what its suite schedules."""

from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.gate.rows.canary import read_canary
from registry.core.gate.rows.rows import ERROR, MISSING, TIMEOUT, Rows, SliceRows
from registry.core.heldout.evidence import Evidence
from registry.core.heldout.suite import Suite
from registry.ports import Store
from registry.verbs.read_evidence import rows_of


@dataclass(frozen=True, slots=True)
class InSlice:
    """What came for one slice: of `scheduled` samples so many passed, and so many were lost in each way."""

    slice: str
    scheduled: int
    passed: int
    missing: int
    errored: int
    timed_out: int
    timed: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Evidence with its counts; no `slices` where it is about another suite. `requests` are those of its canary."""

    digest: Digest
    evidence: Evidence
    slices: tuple[InSlice, ...]
    requests: int | None


def count(digest: Digest, evidence: Evidence, suite: Suite, *, store: Store) -> Counted:
    """Count what a gate would read.

    Raises:
        BadRows, BadCanary: The files are not what an evaluation or an import would write.
    """
    rows = Rows({})
    if evidence.suite == suite.digest:
        rows = rows_of(evidence, suite, store=store)
    requests = read_canary(store.get(evidence.canary)).requests if evidence.canary else None
    return Counted(digest, evidence, tuple(_counted(one) for one in rows.slices.values()), requests)


def _counted(part: SliceRows) -> InSlice:
    missing, errored, timed_out = (part.status.count(code) for code in (MISSING, ERROR, TIMEOUT))
    timed = part.timed - part.lost_timings
    return InSlice(part.slice.name, part.scheduled, part.success.count(1), missing, errored, timed_out, timed)
