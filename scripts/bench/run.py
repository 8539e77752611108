"""Measure the registry against DVC, MLflow, openssl and cp, as ratios within each round; data is made and removed.

python scripts/bench/run.py                                          a quarter of an hour, 2 GB
python scripts/bench/run.py --size 10GB --minutes 60                  the sizes of the targets
python scripts/bench/run.py --size 200MB --files 1000 --rounds 1      a look whether it runs
"""

import argparse
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench_contenders import Costs, delivering, keeping, many_small, remembering, sharing, starting
from bench_disk import sharing_disk
from bench_page import memory, ratios, seconds, starts, targets
from bench_project import make_base, make_small

UNITS = {"MB": 10**6, "GB": 10**9}
STARTS = 7
HEAD = """\
# Benchmarks

Every number here was written by one command, which makes its own data and removes it:

    {command}

The model has half of its bytes in one safetensors file and the rest in fifty. Each round runs all contenders, one after
the other, on the same bytes; who begins changes from round to round. Before each, as many bytes are written and
removed, what will be read is read, untimed, the disk is synced, and a quiet moment is waited for, up to twenty seconds.
A ratio is taken within its round, and the tables have the median and the range. No round is begun that may not end
within {minutes:g} minutes; {rounds}. The data is in the page cache for all alike, as far as the memory goes.

`registry pin`, `pull` and `verify` are timed as commands, start-up, hashing and fsyncs included: when they return, the
bytes survive a power cut. `dvc add` (first, with an empty state directory), `dvc checkout` and `cp` leave theirs in
memory, for the system to write later; `cp + sync` does not. `mlflow log_artifacts` is timed inside of a process that
has started already, with SQLite and a local artifact directory. `openssl dgst` is `xargs -P2 openssl dgst -sha256`:
hashing alone, the floor. *Shared blocks* is a disk in a file, mounted for this, that can clone files: {disk}. *Small
files* are {files} JSON files of 0.2 to 3 kB, a thousand in a directory. The commands whose names end in *{files} files*
are run once, one after the other, for their memory: the model has these files beside its weights.

{machine}

"""


def main() -> None:
    """Measure, print, and perhaps write."""
    words = _words()
    size = _bytes_of(words.size)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # why: so that what was made is removed then too
    room = Path(tempfile.mkdtemp(prefix="registry-bench-", dir=words.place))
    try:
        with sharing_disk(room, size) as (disk, kind), closing(_Rounds(room, words, disk=disk)) as rounds:
            found = rounds.run()
            many = remembering(room / "remember", words.files)
            starting_s = starting(room, STARTS)
            text = "\n".join(
                (targets(found, many), ratios(found), seconds(found), starts(starting_s), memory(found, many))
            )
    finally:
        shutil.rmtree(room, ignore_errors=True)
    page = HEAD.format(
        command=f"python scripts/bench/run.py --size {words.size} --rounds {words.rounds} --write docs/BENCHMARKS.md",
        machine=_machine(Path(words.place), words.size),
        minutes=words.minutes,
        rounds=f"{len(found)} of {words.rounds} were run",
        disk=kind,
        files=f"{words.files:,}",
    )
    print(page + text)
    if words.write:
        Path(words.write).write_text(page + text, "utf-8")


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="2GB", help="how large the model is; five times that is needed on the disk")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured, at most")
    parser.add_argument("--files", type=int, default=100_000, help="how many small files the second tree has")
    parser.add_argument("--minutes", type=float, default=15, help="begin no round that may take longer in all")
    parser.add_argument("--place", default=tempfile.gettempdir(), help="where to work; its disk is what is measured")
    parser.add_argument("--write", help="the file to write the page to")
    return parser.parse_args()


def _bytes_of(text: str) -> int:
    found = re.fullmatch(r"([0-9]+)(MB|GB)", text)
    if not found:
        sys.exit(f"{text!r} is not a size such as 2GB")
    return int(found[1]) * UNITS[found[2]]


class _Rounds:
    """All that is measured, over and over, until the rounds or the minutes are used up."""

    def __init__(self, room: Path, words: argparse.Namespace, *, disk: Path | None) -> None:
        self.room, self.words, self.disk = room, words, disk
        self.began = time.monotonic()
        make_base(room / "base", _bytes_of(words.size))
        make_small(room / "small", words.files)

    def run(self) -> Sequence[Costs]:
        """What each round took."""
        found: list[Costs] = []
        longest = 0.0
        while len(found) < self.words.rounds and (not found or self._used() + longest <= self.words.minutes * 60):
            print(f"round {len(found) + 1} of {self.words.rounds}, after {self._used():.0f} s", file=sys.stderr)
            before = self._used()
            found.append(self._one(len(found)))
            longest = max(longest, self._used() - before)
            print({name: round(cost.seconds, 2) for name, cost in found[-1].items()}, file=sys.stderr)
        return found

    def close(self) -> None:
        """Remove the data, so that the disk can be let go."""
        shutil.rmtree(self.room / "base")

    def _one(self, number: int) -> Costs:
        base = self.room / "base"
        return {
            **keeping(base, self.room / "keep", number),
            **(sharing(base, self.disk, number) if self.disk else {}),
            **delivering(base, self.room / "deliver"),
            **many_small(self.room / "small", self.room / "many", number),
        }

    def _used(self) -> float:
        return time.monotonic() - self.began


def _machine(place: Path, size: str) -> str:
    """What it ran on, without a name or a path."""
    processor = re.search(r"model name\s*:\s*(.+)", _read("/proc/cpuinfo"))
    kind = subprocess.run(
        ["findmnt", "-n", "-o", "FSTYPE", "-T", str(place)], capture_output=True, text=True, check=False
    )
    parts = [processor[1] if processor else platform.processor(), f"{os.cpu_count()} cores"]
    parts += [
        f"Linux {platform.release()}",
        f"file system {kind.stdout.strip()}",
        f"Python {platform.python_version()}",
    ]
    parts += [f"{name} {_version(name)}" for name in ("dvc", "mlflow")]
    parts += [f"load average {os.getloadavg()[2]:.1f} over the last quarter of an hour, the bench's own included"]
    return f"Measured on {datetime.now(UTC):%Y-%m-%d} with {size}: {', '.join(parts)}."


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
