"""Repeats the fault tests by a seed: `python -m tests.crash --seed N --tier fast|full [ROOM]...`.

With `--write` the counts are put into docs/RELIABILITY.md, where they are published.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.crash.campaign import ROOMS, Count, run_all

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- counts: written by `python -m tests.crash --write` -->", "<!-- end of counts -->"

SUITES: dict[str, tuple[str, tuple[str, ...]]] = {
    "power cut at a write": ("every state after a cut, of each durable write", ("tests/crash/test_power_loss.py",)),
    "collector and writers": (
        "somebody comes in between at every step; kill -9 at every step",
        ("tests/store/test_interleaving.py", "tests/store/test_killed.py", "tests/store/test_gc_properties.py"),
    ),
    "racing writers": (
        "8 processes x 25 promotions on a directory, and on a bucket",
        ("tests/ledger/test_races.py", "tests/ledger/test_processes.py", "tests/remote/test_race.py"),
    ),
    "lying remote": (
        "wrong bytes, wrong length, 200 for 206, endless, dripping, cut, failing",
        ("tests/remote/test_lies.py",),
    ),
    "ambiguous answer": ("a write whose answer was lost, done or not done", ("tests/remote/test_ambiguity.py",)),
    "host and its ledger": ("replayed, forked, frozen, ahead, clock set back", ("tests/bundle/test_trust.py",)),
    "jumping clock": ("clocks that are decades off, with libfaketime", ("tests/crash/test_clock.py",)),
    "another life": ("random lives of a ledger against a model of it", ("tests/ledger/test_model.py",)),
    "bugs found": ("each bug of the table below", ("tests/crash/test_found.py", "tests/cli/test_hostile.py")),
}
"""Fault tests that pytest runs: what they are, and where."""


def main() -> None:
    """Run the rooms, and exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tier", choices=("fast", "full"), default="fast")
    parser.add_argument("--most", type=int, help="at most so many cases of each room, whatever the tier says")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/RELIABILITY.md")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join([*ROOMS, *SUITES]))
    asked = parser.parse_args()
    names = asked.rooms or [*ROOMS, *SUITES]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        rooms = [name for name in names if name in ROOMS]
        found = run_all(rooms, asked.seed, asked.tier, Path(place), _say, most=asked.most)
        for name in (name for name in names if name in SUITES):
            found[name] = _run_suite(name, Path(place))
            _say(f"{name}: {found[name].done} tests, {len(found[name].failures)} failed")
    minutes = (time.monotonic() - began) / 60
    most = f" --most {asked.most}" if asked.most is not None else ""
    text = _table(found, f"`python -m tests.crash --seed {asked.seed} --tier {asked.tier}{most}`", minutes)
    _say(text)
    if asked.write:
        _publish(text)
    sys.exit(any(count.failures for count in found.values()))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _run_suite(name: str, place: Path) -> Count:
    """Run its files, and count what pytest counts."""
    report, began = place / "report.xml", time.monotonic()
    words = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *SUITES[name][1]]
    subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    cases = list(ET.parse(report).iter("testcase"))
    failures = [str(case.get("name")) for case in cases if {"failure", "error"} & {part.tag for part in case}]
    done = sum(1 for case in cases if not any(part.tag == "skipped" for part in case))
    return Count(len(cases), done, done, time.monotonic() - began, failures)


def _table(found: dict[str, Count], command: str, minutes: float) -> str:
    heads = "| Fault | What | Cases | Run | Struck | Failed |\n|---|---|---|---|---|---|"
    whats = {name: room.what for name, room in ROOMS.items()} | {name: what for name, (what, _) in SUITES.items()}
    rows = [
        f"| {name} | {whats[name]} | {count.there:,} | {count.done:,} | {count.struck:,} | {len(count.failures)} |"
        for name, count in found.items()
    ]
    return "\n".join([f"{command}, {minutes:.0f} minutes on 2 cores:", "", heads, *rows])


def _publish(text: str) -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
