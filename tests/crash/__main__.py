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

HEADS = "| Fault | What | Drawn by | Cases | Run | Struck | Failed | Minutes |\n|---|---|---|---|---|---|---|---|"

SUITES: dict[str, tuple[str, tuple[str, ...]]] = {
    "power cut at a write": ("every state after a cut, of each durable write", ("tests/crash/test_power_loss.py",)),
    "collector and writers": (
        "somebody comes in between at every step or request; kill -9 at every one",
        (
            "tests/store/test_interleaving.py",
            "tests/store/test_killed.py",
            "tests/store/test_gc_properties.py",
            "tests/remote/test_interleaving.py",
        ),
    ),
    "racing writers": (
        "8 processes x 25 promotions on a directory, and on a bucket",
        ("tests/ledger/test_races.py", "tests/ledger/test_processes.py", "tests/remote/test_race.py"),
    ),
    "lying remote": (
        "wrong bytes, length or list, 200 for 206, endless, dripping, cut, packed, replaced, redirected, failing",
        ("tests/remote/test_lies.py", "tests/remote/test_lists.py", "tests/remote/test_answers.py"),
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
    asked = _asked()
    names = asked.rooms or [*ROOMS, *(SUITES if asked.part == (0, 1) else ())]
    with tempfile.TemporaryDirectory() as place:
        found = run_all(
            [name for name in names if name in ROOMS],
            Path(place),
            _say,
            seed=asked.seed,
            size_of=lambda room: asked.most if asked.most is not None else getattr(room, asked.tier),
            part=asked.part,
        )
        for name in (name for name in names if name in SUITES):
            found[name] = _run_suite(name, Path(place))
            _say(f"{name}: {found[name].done} tests, {len(found[name].failures)} failed")
    rows = {name: _row(name, count, _drawn_by(name, asked)) for name, count in found.items()}
    _say("\n".join([HEADS, *rows.values()]))
    if asked.write:
        _publish(rows)
    sys.exit(any(count.failures for count in found.values()))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draws the cases; the same one strikes the same points")
    parser.add_argument("--tier", choices=("fast", "full"), default="fast", help="how many cases of each room")
    parser.add_argument("--most", type=int, help="so many cases of each room, whatever the tier says; or all there are")
    parser.add_argument("--part", type=_part, default=(0, 1), metavar="N/T", help="only the N-th of T parts of them")
    parser.add_argument("--write", action="store_true", help="put the counts into docs/RELIABILITY.md")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join([*ROOMS, *SUITES]))
    asked = parser.parse_args()
    if unknown := [name for name in asked.rooms if name not in ROOMS and name not in SUITES]:
        parser.error(f"there is no room {unknown[0]!r}; there are {', '.join([*ROOMS, *SUITES])}")
    return asked


def _part(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not 1 <= int(number) <= int(count):
        raise ValueError(text)
    return int(number) - 1, int(count)


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


def _drawn_by(name: str, asked: argparse.Namespace) -> str:
    if name in SUITES:
        return "all"
    part = f", part {asked.part[0] + 1} of {asked.part[1]}" if asked.part != (0, 1) else ""
    return f"seed {asked.seed}, {asked.tier if asked.most is None else f'most {asked.most:,}'}{part}"


def _row(name: str, count: Count, drawn_by: str) -> str:
    what = ROOMS[name].what if name in ROOMS else SUITES[name][0]
    counts = f"{count.there:,} | {count.done:,} | {count.struck:,} | {len(count.failures)}"
    return f"| {name} | {what} | {drawn_by} | {counts} | {count.took_s / 60:.1f} |"


def _publish(rows: dict[str, str]) -> None:
    """Put these rows into the page; those of rooms that did not run now stay as they are."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    old, _, after = rest.partition(END)
    known = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("| ")}
    table = [rows.get(name) or known.get(name) for name in [*ROOMS, *SUITES]]
    text = "\n".join([HEADS, *(row for row in table if row)])
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    main()
