"""Measure the gate against pandas with statsmodels, on made-up evidence of two models, as ratios within each round.

python scripts/bench/gate.py --rows 1000000 --rounds 3
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gate_contenders import CONTENDERS
from gate_sheet import RULES, suite_of_rows, write_evidence

HERE = Path(__file__).parent
HEAD = """\
## The gate: {rows:,} rows, {rules} rules

Written by one command, which makes its own data and removes it:

    {command}

Two models with {rows:,} rows and as many timings each are judged: one is the candidate, one the baseline. Both
contenders read the same files and give the same points and bounds, which the bench checks; each runs in a process of
its own, in turn. "judge" starts when both models are loaded, and includes the import of SciPy where it is needed.
pandas does not check that a line is canonical, that no sample comes twice, or that none is missing.

"""


def main() -> None:
    """Measure and print a section of Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each model")
    parser.add_argument("--rounds", type=int, default=3)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="registry-bench-") as room:
        suite = suite_of_rows(words.rows, 1)
        for seed, name in enumerate(("new", "old")):
            (Path(room) / name).mkdir()
            write_evidence(suite, Path(room) / name, seed=seed, skill=0.98 - 0.01 * seed)
        rounds = [_round(room, words.rows, number) for number in range(words.rounds)]
    command = f"python scripts/bench/gate.py --rows {words.rows} --rounds {words.rounds}"
    print(HEAD.format(rows=words.rows, rules=len(RULES), command=command) + _table(rounds))


def _round(room: str, rows: int, number: int) -> dict[str, dict[str, Any]]:
    """Both contenders, one after the other; who begins changes."""
    names = sorted(CONTENDERS, reverse=number % 2 == 0)
    found = {name: _run(name, room, rows) for name in names}
    _check_same(found["registry"]["numbers"], found["pandas"]["numbers"])
    return found


def _run(name: str, room: str, rows: int) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "gate_contenders.py"), name, room, str(rows), "1"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _check_same(ours: list[list[float]], theirs: list[list[float]]) -> None:
    """The race is off if the two do not answer the same question."""
    for rule, one, other in zip(RULES, ours, theirs, strict=True):
        # why: no_regressions_on is told by its least sure part; pandas works out the first.
        if not rule.startswith("no_regressions_on") and any(abs(a - b) > 1e-6 for a, b in zip(one, other, strict=True)):
            raise SystemExit(f"{rule}: the registry says {one}, pandas {other}")


def _table(rounds: list[dict[str, dict[str, Any]]]) -> str:
    lines = ["| | registry | pandas + statsmodels | ratio |", "|---|--:|--:|--:|"]
    for what, unit, size in (("load", "s", 1.0), ("judge", "s", 1.0), ("peak", "MB", 1e6)):
        ours, theirs = ([one[name][what] / size for one in rounds] for name in ("registry", "pandas"))
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        shown = " | ".join(f"{statistics.median(values):.2f} {unit}" for values in (ours, theirs))
        lines.append(f"| {what} | {shown} | **{ratio:.2f}** |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
