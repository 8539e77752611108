"""Measure one look at a running canary: `python scripts/bench/canary.py [--requests 1000000]`.

Writes a made-up canary that keeps its rules, which is the longest to watch, and reads and watches it as `registry gate
watch` does, in a process of its own. Prints processor time and the most memory; a project and its ledger are not in it.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from registry.core.gate.judging.triggers import Caps, watch_canary
from registry.core.gate.language.rule import parse_rule
from registry.core.gate.rows.canary import read_growing

RULES = (
    "canary.abandon_rate.point <= 0.05",
    "canary.safety_incidents.count == 0",
    "canary.latency_p95_ms.point <= 950",
    "canary.cost_per_1k_tokens_usd.point <= 0.022",
)
DAY_MS = 86_400_000


def main() -> None:
    """Write a canary and look at it, or, with `--look`, look at one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.look:
        look(words.look)
        return
    with tempfile.TemporaryDirectory(prefix="registry-bench-") as room:
        file = Path(room) / "live.jsonl"
        with file.open("wb") as out:
            out.writelines(lines(words.requests))
        print(f"{words.requests:,} requests, {file.stat().st_size / 1e6:.0f} MB")
        subprocess.run([sys.executable, __file__, "--look", str(file)], check=True)


def lines(requests: int) -> Iterator[bytes]:
    """A canary's file: three requests to a session, a few that leave or time out."""
    die = random.Random(1)  # noqa: S311 - made-up traffic
    yield b'{"form":"registry.canary/1","manifest":"sha256:%s","watched_ms":%d}\n' % (b"ab" * 32, DAY_MS)
    for at in range(requests):
        left = b"true" if die.random() < 0.045 else b"false"
        ms, dollars, tokens = int(die.lognormvariate(6.2, 0.35)), die.randint(100, 300), die.randint(50, 400)
        head = b'{"abandoned":%s,"at_ms":%d,' % (left, at * DAY_MS // requests)
        names = b'"request":"r%08d","screened":true,"session":"s%08d",' % (at, at // 3)
        latency, status = (b"", b"timeout") if die.random() < 0.003 else (b'"latency_ms":"%d",' % ms, b"ok")
        told = (b'"cost_usd":"0.%05d","incident":false,' % dollars, latency, names)
        yield b"".join((head, *told, b'"status":"%s","tokens":%d}\n' % (status, tokens)))


def look(file: Path) -> None:
    """Read and watch, and tell what it took."""
    start = time.process_time()
    canary, _ = read_growing(file.read_bytes())
    read = time.process_time()
    found = watch_canary(canary, map(parse_rule, RULES), caps=Caps(Decimal("0.1"), 4000))
    watched = time.process_time()
    assert not any(one.request or one.unwatched for one in found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"read {read - start:.2f} s, watched {watched - read:.2f} s, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
