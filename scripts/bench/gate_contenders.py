"""The gate's bench: the same rules on the same rows, by the registry and by plain pandas with statsmodels.

Each contender runs in a process of its own and prints one line of JSON: seconds to load, seconds to judge, the most
memory it took, and its numbers, so that both can be compared.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gate_sheet import SLICES, gate_for, suite_of_rows

Numbers = dict[str, list[float]]
ANSWERS = (
    "numeric",
    "tag",
    "urgent_care",
    "word_cap",
    "no_diagnosis",
    "json_schema",
    "version_reference",
    "deprecation",
)


def registry(place: Path, rows: int, samples: int) -> tuple[float, float, Numbers]:
    """Read both models' evidence and judge every rule, as `registry gate` does."""
    from registry.core.gate.judging.decide import judge
    from registry.core.gate.judging.pairs import flips_of
    from registry.core.gate.judging.trial import Trial
    from registry.core.gate.rows.rows import read_rows

    suite = suite_of_rows(rows, samples)
    file = gate_for(suite)
    start = time.perf_counter()
    new, old = (
        read_rows(_pieces(place / name / "rows.jsonl"), _pieces(place / name / "timings.jsonl"), suite)
        for name in ("new", "old")
    )
    loaded = time.perf_counter()
    trial = Trial(file.gate, tuple(placed.rule for placed in file.rules), suite, new, old)
    verdicts = judge(trial)
    flips_of(trial)
    judged = time.perf_counter()
    numbers = {one.rule: [float(one.point or 0), float(one.lower or 0), float(one.upper or "inf")] for one in verdicts}
    return loaded - start, judged - loaded, numbers


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def pandas(place: Path, rows: int, samples: int) -> tuple[float, float, Numbers]:
    """Read both models' lines into data frames, group by slice, and ask statsmodels for the intervals."""
    start = time.perf_counter()
    frames = [(_rows(place / name / "rows.jsonl"), _timings(place / name / "timings.jsonl")) for name in ("new", "old")]
    loaded = time.perf_counter()
    numbers = _judged(*frames)
    return loaded - start, time.perf_counter() - loaded, numbers


def _rows(path: Path) -> Any:
    import pandas as pd

    table: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for line in file:
            row = json.loads(line)
            found = row["findings"]
            flat = {key: row[key] for key in ("slice", "case", "sample", "status", "steps")}
            for name in ANSWERS:
                flat[name] = found[name]["verdict"] == "pass" if name in found else True
            calls = found.get("json_schema", {})
            flat |= {"passed": calls.get("passed", 0), "total": calls.get("total", 0)}
            flat["seen"] = found.get("version_reference", {}).get("seen", "")
            table.append(flat)
    frame = pd.DataFrame(table)
    frame["success"] = frame[list(ANSWERS)].all(axis=1) & (frame["status"] == "ok")
    return frame


def _timings(path: Path) -> Any:
    import pandas as pd

    frame = pd.read_json(path, lines=True, dtype={"latency_ms": float, "cost_usd": float})
    return frame.astype({"latency_ms": float, "cost_usd": float})


def _judged(new: tuple[Any, Any], old: tuple[Any, Any]) -> Numbers:
    """The numbers of the rules in `gate_sheet.RULES`, in their order, one sample a case."""
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    (rows, timings), before = new, old[0]
    groups, earlier = dict(iter(rows.groupby("slice"))), dict(iter(before.groupby("slice")))

    def rate(hits: Any) -> list[float]:
        count, n = int(hits.sum()), len(hits)
        return [count / n, *map(float, proportion_confint(count, n, method="beta"))]

    def delta(name: str, column: Callable[[Any], Any]) -> list[float]:
        return _newcombe(column(groups[name]).to_numpy(), column(earlier[name]).to_numpy())

    def success(frame: Any) -> Any:
        return frame["success"]

    headache, search, division, math = (
        groups[n] for n in ("headache_redflags", "debug_search_api", "division_hard", "math_basic")
    )
    parts = [rate(group["success"]) for group in groups.values()]
    point = float(np.mean([one[0] for one in parts]))
    below, above = (float(np.sqrt(sum(((one[0] - one[at]) / len(parts)) ** 2 for one in parts))) for at in (1, 2))
    violated = ~headache[["urgent_care", "word_cap", "no_diagnosis"]].all(axis=1)
    found = [
        [point, point - below, point + above],
        delta("headache_redflags", success),
        rate(violated), rate(violated),
        rate(math["numeric"]), rate(division["numeric"]), rate(math["tag"]),
        rate(division["success"]), rate(headache["success"]),
        delta("division_hard", success), delta("division_hard", success), delta("math_basic", success),
        rate(np.repeat(search["passed"] > 0, 1)),
        rate(search["seen"] == "v3.2.1"),
        _quantile(search["steps"].where(search["success"], np.inf), 0.5),
        _quantile(division["steps"].where(division["success"], np.inf), 0.5),
        _quantile(timings["latency_ms"], 0.95),
        _quantile(timings[timings["slice"] == "math_basic"]["latency_ms"], 0.95),
        _ratio(timings), _ratio(timings[timings["slice"] == "division_hard"]),
    ]  # fmt: skip
    return {str(at): numbers for at, numbers in enumerate(found)}


def _newcombe(good: Any, before: Any) -> list[float]:
    from math import sqrt

    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.proportion import proportion_confint

    both, first = int((good & before).sum()), int((good & ~before).sum())
    second, neither = int((~good & before).sum()), int((~good & ~before).sum())
    mcnemar([[both, first], [second, neither]], exact=True)
    n, one, two = len(good), both + first, both + second
    (l1, u1), (l2, u2) = (proportion_confint(x, n, method="wilson") for x in (one, two))
    cross = both * neither - first * second
    link = (max(cross - n / 2, 0) if cross > 0 else cross) / sqrt(one * (n - one) * two * (n - two))
    p1, p2 = one / n, two / n
    below, above = (sqrt(a * a - 2 * link * a * b + b * b) for a, b in ((p1 - l1, u2 - p2), (u1 - p1, p2 - l2)))
    return [p1 - p2, p1 - p2 - below, p1 - p2 + above]


def _quantile(values: Any, q: float) -> list[float]:
    import numpy as np
    from scipy.stats import binom

    ordered, n = np.sort(values.to_numpy()), len(values)
    ranks = (int(np.ceil(q * n)) - 1, int(binom.ppf(0.025, n, q)) - 1, int(binom.ppf(0.975, n, q)))
    return [float(ordered[rank]) for rank in ranks]


def _ratio(timings: Any) -> list[float]:
    import numpy as np
    from scipy.stats import t

    cost, tokens = timings["cost_usd"].to_numpy(), timings["tokens"].to_numpy() / 1000
    ratio, n = cost.sum() / tokens.sum(), len(cost)
    half = t.isf(0.025, n - 1) * np.sqrt(((cost - ratio * tokens) ** 2).sum() * n / (n - 1)) / tokens.sum()
    return [float(ratio), float(ratio - half), float(ratio + half)]


CONTENDERS = {"registry": registry, "pandas": pandas}

if __name__ == "__main__":
    contender, directory, count, each = sys.argv[1:]
    assert SLICES
    load, judge_, numbers = CONTENDERS[contender](Path(directory), int(count), int(each))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"load": load, "judge": judge_, "peak": peak, "numbers": list(numbers.values())}))
