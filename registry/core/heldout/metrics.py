"""The summary of an evaluation for people and for `dvc metrics`: ordinary floats, never read by a gate."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from registry.core.heldout.evidence import Row, Timing

Number = float | None
"""None where there is no finite number to tell."""


def summary(rows: Sequence[Row], timings: Sequence[Timing], cross: Sequence[Row] = ()) -> bytes:
    """`metrics.json`: rates from 0 to 1, steps, tokens, milliseconds and dollars, indented for a readable diff.

    Args:
        rows: The answers of the adapters that the routes name.
        timings: The timing pass.
        cross: The answers of every adapter and of the base on every slice.
    """
    slices = {name: _of_slice(found) for name, found in _grouped(rows)}
    damage: dict[str, dict[str, float]] = {}
    for name, found in _grouped(cross):
        for adapter in sorted({row.adapter or "base" for row in found}):
            share = fmean(row.success for row in found if (row.adapter or "base") == adapter)
            damage.setdefault(adapter, {})[name] = _rounded(share)
    told = {
        "success": _rounded(fmean(one["success"] for one in slices.values())) if slices else None,
        "slices": slices,
        "cross": damage,
        "timing": _of_timings(timings),
    }
    return json.dumps(told, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"


def _of_slice(rows: Sequence[Row]) -> dict[str, Any]:
    names = sorted({name for row in rows for name in row.findings})
    passed = {name: [_passes(row, name) for row in rows] for name in names}
    return {
        "rows": len(rows),
        "success": _rounded(fmean(row.success for row in rows)),
        "verifiers": {name: _rounded(fmean(hits)) for name, hits in passed.items()},
        "status": dict(sorted(Counter(row.status for row in rows).items())),
        "steps_median": quantile([row.steps if row.success else None for row in rows], 50),
        "completion_tokens_mean": _rounded(fmean(row.completion_tokens for row in rows)),
    }


def _passes(row: Row, name: str) -> bool:
    return row.status == "ok" and name in row.findings and row.findings[name].verdict == "pass"


def _of_timings(timings: Sequence[Timing]) -> dict[str, Number]:
    taken = [float(timing.latency_ms) if timing.status == "ok" else None for timing in timings]
    tokens = sum(timing.tokens for timing in timings)
    cost = sum(float(timing.cost_usd) for timing in timings)
    return {
        "samples": len(timings),
        "latency_p50_ms": quantile(taken, 50),
        "latency_p95_ms": quantile(taken, 95),
        "cost_per_1k_tokens_usd": float(f"{1000 * cost / tokens:.6g}") if tokens else None,
    }


def quantile(values: Sequence[Number], percent: int) -> Number:
    """The inverted-CDF quantile: the smallest value that `percent` % of all do not exceed; None counts as infinity."""
    ordered = sorted(value for value in values if value is not None)
    rank = -(-percent * len(values) // 100)
    return ordered[rank - 1] if 0 < rank <= len(ordered) else None


def _grouped(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.slice, []).append(row)
    return sorted(found.items())


def _rounded(share: float) -> float:
    return round(share, 6)
