"""Repeats the fault tests by a seed: `python -m tests.crash --seed N --tier fast|full [ROOM]...`."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.crash.campaign import ROOMS, run_all


def main() -> None:
    """Run the rooms, and exit with 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tier", choices=("fast", "full"), default="fast")
    parser.add_argument("--most", type=int, help="at most so many cases of each room, whatever the tier says")
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help=", ".join(ROOMS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = run_all(asked.rooms or list(ROOMS), asked.seed, asked.tier, Path(place), print, most=asked.most)
    sys.exit(any(count.failures for count in found.values()))


if __name__ == "__main__":
    main()
