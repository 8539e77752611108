"""Measure the registry against DVC, MLflow, openssl and cp, as ratios within each round; data is made and removed.

python scripts/bench/run.py --size 2GB --rounds 3 --write docs/BENCHMARKS.md
"""

import argparse
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench_contenders import Seconds, delivering, keeping, remembering, starting
from bench_project import make_base

UNITS = {"MB": 10**6, "GB": 10**9}
STARTS = 7
PAIRS = (
    ("registry pin", "dvc add"),
    ("registry pin", "mlflow log_artifacts"),
    ("registry pin", "openssl dgst"),
    ("registry pin", "cp + sync"),
    ("registry pin, warm", "dvc add, warm"),
    ("registry pull, cold", "dvc checkout, cold"),
    ("registry pull, cold", "cp"),
    ("registry pull, cold", "cp + sync, after"),
    ("registry pull, warm", "dvc checkout, warm"),
    ("registry pull, warm", "cp"),
)
HEAD = """\
# Benchmarks

Every number here was written by one command, which makes its own data and removes it:

    {command}

Each round runs all contenders, one after the other, on the same bytes; who begins changes from round to round. Before
each, as many bytes are written and removed, untimed, the disk is synced, and a quiet moment is waited for, up to twenty
seconds. A ratio is taken within its round, and the table has the median of the ratios and their range. The data is in
the page cache for all alike. `registry pin` and `registry pull` are timed as commands, start-up, hashing and fsyncs
included: when they return, the bytes survive a power cut. `dvc add` (first, with an empty state directory),
`dvc checkout` and `cp` leave theirs in memory, for the system to write later; `cp + sync` does not.
`mlflow log_artifacts` is timed inside of a process that has started already, with SQLite and a local artifact
directory. `openssl dgst` is `xargs -P2 openssl dgst -sha256`: hashing alone, the floor.

{machine}

"""


def main() -> None:
    """Measure, print, and perhaps write."""
    words = _words()
    size = _bytes_of(words.size)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # why: so that what was made is removed then too
    room = Path(tempfile.mkdtemp(prefix="registry-bench-", dir=words.place))
    try:
        text = _measure(room, size, words.rounds)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    command = f"python scripts/bench/run.py --size {words.size} --rounds {words.rounds}"
    page = HEAD.format(command=f"{command} --write docs/BENCHMARKS.md", machine=_machine(Path(words.place))) + text
    print(page)
    if words.write:
        Path(words.write).write_text(page, "utf-8")


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--size", default="2GB", help="how large the model is, such as 500MB; five times that is needed"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--place", default=tempfile.gettempdir(), help="where to work; its disk is what is measured")
    parser.add_argument("--write", help="the file to write the page to")
    return parser.parse_args()


def _bytes_of(text: str) -> int:
    found = re.fullmatch(r"([0-9]+)(MB|GB)", text)
    if not found:
        sys.exit(f"{text!r} is not a size such as 2GB")
    return int(found[1]) * UNITS[found[2]]


def _measure(room: Path, size: int, rounds: int) -> str:
    """All tables, as Markdown."""
    make_base(room / "base", size)
    make_base(room / "quarter", size // 4)
    found: list[Seconds] = []
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        found.append({**keeping(room / "base", room / "keep", number), **delivering(room / "base", room / "deliver")})
        print({name: round(seconds, 2) for name, seconds in found[-1].items()}, file=sys.stderr)
    start = starting(room, STARTS)
    memory = {name: remembering(room / name, room / f"memory-{name}") for name in ("quarter", "base")}
    return "\n".join((_ratios(found), _seconds(found, size), _starts(start), _memory(memory, size)))


def _ratios(found: Sequence[Seconds]) -> str:
    lines = [
        "## Ratios",
        "",
        "Below 1 the registry is faster.",
        "",
        "| what | against | median | range |",
        "|---|---|--:|--:|",
    ]
    for ours, theirs in PAIRS:
        ratios = [seconds[ours] / seconds[theirs] for seconds in found]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        lines.append(f"| `{ours}` | `{theirs}` | **{statistics.median(ratios):.2f}** | {spread} |")
    return "\n".join((*lines, ""))


def _seconds(found: Sequence[Seconds], size: int) -> str:
    lines = [
        f"## Seconds, for {size / 10**9:g} GB in 8 safetensors files",
        "",
        "| what | median | range |",
        "|---|--:|--:|",
    ]
    for name in found[0]:
        times = [seconds[name] for seconds in found]
        lines.append(f"| `{name}` | {statistics.median(times):.2f} | {min(times):.2f} to {max(times):.2f} |")
    return "\n".join((*lines, ""))


def _starts(found: dict[str, list[float]]) -> str:
    lines = [f"## Start-up, seconds, {STARTS} runs", "", "| command | median | range |", "|---|--:|--:|"]
    for name, times in found.items():
        lines.append(f"| `{name}` | {statistics.median(times):.2f} | {min(times):.2f} to {max(times):.2f} |")
    return "\n".join((*lines, ""))


def _memory(found: dict[str, dict[str, int]], size: int) -> str:
    small, large = f"{size / 4e9:g} GB", f"{size / 1e9:g} GB"
    lines = ["## Peak memory, MB", "", f"| command | {small} | {large} |", "|---|--:|--:|"]
    rows = ((name, found["quarter"][name], found["base"][name]) for name in found["base"])
    lines.extend(f"| `{name}` | {little / 1e6:.0f} | {much / 1e6:.0f} |" for name, little, much in rows)
    return "\n".join((*lines, ""))


def _machine(place: Path) -> str:
    """What it ran on, without a name or a path."""
    processor = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    kind = subprocess.run(
        ["findmnt", "-n", "-o", "FSTYPE", "-T", str(place)], capture_output=True, text=True, check=False
    )
    parts = [processor[1] if processor else platform.processor(), f"{_cores()} cores", f"Linux {platform.release()}"]
    parts += [f"file system {kind.stdout.strip()}", f"Python {platform.python_version()}"]
    parts += [f"{name} {_version(name)}" for name in ("dvc", "mlflow")]
    parts += [f"load average {os.getloadavg()[2]:.1f} over the last quarter of an hour, the bench's own included"]
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}: {', '.join(parts)}."


def _cores() -> int:
    return os.cpu_count() or 1


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
