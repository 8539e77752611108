"""Measure a long ledger: `python scripts/bench/ledger.py [--entries 100000] [--keep DIR]`.

Makes a project whose ledger has so many entries, each signed, and types commands there as a person would, each in a
process of its own. Prints wall time and the most memory that each process had. Cold means that this user remembers
nothing of the ledger; the files are in the page cache. They were written without waiting for the disk, which is not
what is measured.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from registry.adapters.keys import FileSigner, find_key, load_key
from registry.core.digest import Digest, digest_of
from registry.core.ledger.checkpoint import Checkpoint, origin_of, sign_checkpoint
from registry.core.ledger.entry import Entry, Judge, PolicyEntry, Promote, Refuse, Register, Rollback, statement_of
from registry.core.ledger.envelope import pae, seal
from registry.core.ledger.merkle import Frontier
from registry.core.ledger.policy import one_key_policy
from registry.core.ledger.text import moment_of

ROOT = Path(__file__).parents[2]
START = datetime(2020, 1, 1, tzinfo=UTC)
CYCLE = ("register", "judge", "refuse", "judge", "promote", "judge", "refuse", "judge", "promote", "rollback")
"""What a team does over and over: half of all candidates are let in, one of two is taken back."""


@dataclass
class Pen:
    """Writes entries, one after the other, that belong on each other."""

    place: Path
    signer: FileSigner
    tree: Frontier = field(default_factory=Frontier)
    last: Digest | None = None
    tip: Digest | None = None
    served: list[Digest] = field(default_factory=list)
    model: Digest = field(default_factory=lambda: digest_of(b"model 0"))

    def write(self, entry: Entry) -> None:
        """Sign an entry and write its file."""
        payload = statement_of(entry)
        data = seal(payload, {self.signer.key_id: self.signer.sign(pae(payload))})
        (self.place / f"{self.tree.size:020d}.json").write_bytes(data)
        self.tree, self.last = self.tree.extend((data,)), digest_of(data)
        self.tip = self.last if hasattr(entry, "stage_previous") else self.tip

    def common(self) -> dict[str, Any]:
        """The fields that every entry has."""
        at = moment_of(START + timedelta(minutes=self.tree.size))
        return {"index": self.tree.size, "previous": self.last, "actor": "bench", "at": at}

    def entries(self, count: int) -> Iterator[Entry]:
        """The policy, and then the cycle."""
        head = self.signer.head.public
        yield PolicyEntry(**self.common(), policy=one_key_policy(self.signer.public_pem, head=head))
        for number in range(1, count):
            yield getattr(self, f"_{CYCLE[number % len(CYCLE) - 1]}")(number)

    def _on(self) -> dict[str, Any]:
        return {**self.common(), "stage": "dev", "stage_previous": self.tip, "manifest": self.model}

    def _register(self, number: int) -> Entry:
        self.model = digest_of(b"model %d" % number)
        evidence = (digest_of(b"evidence %d" % number),)
        return Register(**self.common(), model="assistant", manifest=self.model, evidence=evidence)

    def _judge(self, number: int) -> Entry:
        parts: dict[str, Any] = {
            name: digest_of(b"%s %d" % (name.encode(), number)) for name in ("evidence", "suite", "verdict")
        }
        return Judge(**self.common(), stage="dev", manifest=self.model, answer="HOLD", **parts)

    def _refuse(self, number: int) -> Entry:
        return Refuse(**self._on(), verdict=digest_of(b"verdict %d" % number), answer="HOLD")

    def _promote(self, number: int) -> Entry:
        if self.served[-1:] == [self.model]:
            return self._refuse(number)
        now = self.served[-1] if self.served else None
        self.served.append(self.model)
        generation, verdict = len(self.served), digest_of(b"verdict %d" % number)
        made: dict[str, Any] = {
            "generation": generation,
            "replaces": now,
            "verdict": verdict,
            "answer": "GO",
            "basis": "gate",
        }
        return Promote(**self._on(), **made)

    def _rollback(self, number: int) -> Entry:
        if len(self.served) < 2 or self.served[-2] == self.served[-1]:
            return self._refuse(number)
        target, now = len(self.served) - 1, self.served[-1]
        self.served.append(self.served[target - 1])
        made: dict[str, Any] = {
            "generation": len(self.served),
            "replaces": now,
            "target": target,
            "reason": "it was better",
        }
        return Rollback(**{**self._on(), "manifest": self.served[-1]}, **made)


def make(root: Path, count: int, environment: dict[str, str]) -> None:
    """A project with a ledger of `count` entries, signed up to the last."""
    subprocess.run([sys.executable, "-m", "registry", "key", "new"], cwd=root, env=environment, check=True, stdout=-3)
    place = root / ".registry/ledger"
    place.mkdir(parents=True)
    pen = Pen(place, load_key(find_key(environment)))
    for entry in pen.entries(count):
        pen.write(entry)
    genesis = digest_of((place / f"{0:020d}.json").read_bytes())
    told = Checkpoint(origin_of(genesis), count, pen.tree.root)
    head, now = pen.signer.head, int(time.time())
    (place / "checkpoint").write_bytes(sign_checkpoint(told, head.public, head.sign, time=now))
    (root / "registry.toml").write_text(f'genesis = "{genesis}"\n')


def run(root: Path, environment: dict[str, str], *words: str) -> tuple[float, float, float]:
    """Type a command; seconds that passed, seconds that a processor worked, and the most memory in MB."""
    started = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "registry", *words], cwd=root, env=environment, stdout=-3) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"registry {' '.join(words)}: exit {process.returncode}")
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def measure(root: Path, environment: dict[str, str]) -> None:
    """Type everything that is of interest, in this order."""
    rows = [
        ("--help, to compare with", ("--help",), False),
        ("status, cold, on the head key's word", ("status",), True),
        ("status, warm", ("status",), False),
        ("status, warm, again", ("status",), False),
        ("a first decision: every signature verified", ("hold", "dev", "--reason", "bench"), False),
        ("a decision, warm", ("resume", "dev", "--reason", "bench"), False),
        ("status, warm", ("status",), False),
        ("log dev", ("log", "dev"), False),
        ("prove 5", ("prove", "5"), False),
        ("verify --ledger", ("verify", "--ledger"), True),
        ("status, warm", ("status",), False),
    ]
    for what, words, is_cold in rows:
        if is_cold:
            shutil.rmtree(environment["XDG_STATE_HOME"], ignore_errors=True)
        seconds, cpu_s, memory_mb = run(root, environment, *words)
        print(f"{what:45} {seconds:8.2f} s {cpu_s:8.2f} s CPU {memory_mb:6.0f} MB", flush=True)


def main() -> None:
    """Make, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = chosen.keep or Path(temporary) / "project"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_CONFIG_HOME": f"{root}-config",
            "XDG_STATE_HOME": f"{root}-state",
        }
        if not root.exists():
            root.mkdir(parents=True)
            started = time.perf_counter()
            make(root, chosen.entries, environment)
            print(f"made {chosen.entries} entries in {time.perf_counter() - started:.0f} s", flush=True)
        measure(root, environment)


if __name__ == "__main__":
    main()
