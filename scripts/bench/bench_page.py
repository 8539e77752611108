"""What was measured, as tables in Markdown."""

import statistics
from collections.abc import Sequence

from bench_contenders import Costs

PIN, PULL = "registry pin", "registry pull"
TARGETS: tuple[tuple[str, str | None, float], ...] = (
    (f"{PIN}, shared blocks", "openssl dgst, there", 1.15),
    (PIN, "cp + sync", 1.3),
    (PIN, "dvc add", 1 / 3),
    (PIN, "mlflow log_artifacts", 1 / 2),
    (f"{PIN}, small files", "dvc add, small files", 1 / 2),
    (f"{PIN}, warm", None, 0.5),
    (f"{PULL}, warm", None, 0.5),
)
"""What, against what, and at most how many times as long; or seconds, where it stands alone."""

FLOORS = {
    PIN: "openssl dgst",
    f"{PIN}, small files": "cp + sync, small files",
}
"""What no contender that hashes and makes durable can be faster than, on this machine: hashing alone, writing alone."""

PAIRS = (
    (PIN, "openssl dgst"),
    (f"{PIN}, small files", "cp + sync, small files"),
    (f"{PIN}, warm", "dvc add, warm"),
    (f"{PULL}, cold", "dvc checkout, cold"),
    (f"{PULL}, cold", "cp"),
    (f"{PULL}, cold", "cp + sync, after"),
    (f"{PULL}, warm", "dvc checkout, warm"),
    ("registry verify", "openssl dgst"),
)
MOST_MEMORY = 150e6


def targets(found: Sequence[Costs], many: Costs) -> str:
    """What was promised, and what came of it; `many` are the commands over many files."""
    lines = [
        "## Targets",
        "",
        "*Floor* is what hashing alone, or for small files copying and syncing once, takes of the",
    ]
    lines += ["same: where it is above the target, no program that hashes and syncs everything can meet it here.", ""]
    lines += ["| what | against | at most | median | range | floor | |", "|---|---|--:|--:|--:|--:|---|"]
    for ours, theirs, most in TARGETS:
        if ours not in found[0]:
            lines.append(f"| `{ours}` | `{theirs}` | {most:.2f} | not measured | | | |")
            continue
        values = [round_[ours].seconds / (round_[theirs].seconds if theirs else 1) for round_ in found]
        middle, unit = statistics.median(values), "" if theirs else " s"
        spread = f"{min(values):.2f} to {max(values):.2f}"
        floor = _floor(found, ours, theirs)
        said = "met" if middle <= most else "**missed**" if floor is None or floor <= most else "**out of reach**"
        low = "" if floor is None else f"{floor:.2f}"
        against = f"`{theirs}`" if theirs else "the clock"
        lines.append(f"| `{ours}` | {against} | {most:.2f}{unit} | {middle:.2f}{unit} | {spread} | {low} | {said} |")
    peak = max(_peaks(found, many).values())
    said = "met" if peak < MOST_MEMORY else "**missed**"
    lines.append(f"| peak memory of every command | | {MOST_MEMORY / 1e6:.0f} MB | {peak / 1e6:.0f} MB | | | {said} |")
    return "\n".join((*lines, ""))


def _floor(found: Sequence[Costs], ours: str, theirs: str | None) -> float | None:
    """The least that `ours` can take of `theirs`, as a median; None where nothing is known."""
    floor = FLOORS.get(ours)
    if theirs is None or floor is None:
        return None
    return statistics.median(round_[floor].seconds / round_[theirs].seconds for round_ in found)


def ratios(found: Sequence[Costs]) -> str:
    """What else is worth comparing: wall time, and work of all cores."""
    lines = ["## Other ratios", "", "Below 1 the registry takes less.", ""]
    lines += ["| what | against | time | range | work |", "|---|---|--:|--:|--:|"]
    for ours, theirs in PAIRS:
        times = [round_[ours].seconds / round_[theirs].seconds for round_ in found]
        works = [round_[ours].work / max(round_[theirs].work, 0.01) for round_ in found]
        spread, work = f"{min(times):.2f} to {max(times):.2f}", statistics.median(works)
        lines.append(f"| `{ours}` | `{theirs}` | **{statistics.median(times):.2f}** | {spread} | {work:.2f} |")
    return "\n".join((*lines, ""))


def seconds(found: Sequence[Costs]) -> str:
    """Everything that was timed; `work` is what all cores together did, in user and system mode."""
    lines = ["## Seconds", "", "| what | median | range | work |", "|---|--:|--:|--:|"]
    for name in found[0]:
        times = [round_[name].seconds for round_ in found]
        work = statistics.median(round_[name].work for round_ in found)
        lines.append(
            f"| `{name}` | {statistics.median(times):.2f} | {min(times):.2f} to {max(times):.2f} | {work:.2f} |"
        )
    return "\n".join((*lines, ""))


def starts(found: dict[str, list[float]]) -> str:
    """Start-up."""
    times = next(iter(found.values()))
    lines = [f"## Start-up, seconds, {len(times)} runs", "", "| command | median | range |", "|---|--:|--:|"]
    for name, times in found.items():
        lines.append(f"| `{name}` | {statistics.median(times):.2f} | {min(times):.2f} to {max(times):.2f} |")
    return "\n".join((*lines, ""))


def memory(found: Sequence[Costs], many: Costs) -> str:
    """The most that each command had at once, and how long it took where that is told nowhere else."""
    lines = ["## Peak memory, MB", "", "| command | most | seconds |", "|---|--:|--:|"]
    for name, peak in _peaks(found, many).items():
        lines.append(f"| `{name}` | {peak / 1e6:.0f} | {f'{many[name].seconds:.1f}' if name in many else ''} |")
    return "\n".join((*lines, ""))


def _peaks(found: Sequence[Costs], many: Costs) -> dict[str, int]:
    names = [name for name in found[0] if name.startswith("registry")]
    return {name: max(one[name].peak for one in found) for name in names} | {name: many[name].peak for name in many}
