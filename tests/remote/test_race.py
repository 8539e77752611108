"""Many machines, one ledger: eight processes append at once, and there is one history."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.adapters.clocks import SystemClock
from registry.adapters.ledgers.bucket import BucketLedger
from registry.adapters.stores.bucket import BucketStore
from registry.core.digest import Digest
from registry.errors import ConflictError
from registry.verbs.promote import promote
from registry.verbs.reading import read
from tests.ledger.desk import ALICE, Desk
from tests.ledger.models import model_of, verdict_of
from tests.remote.service import Service

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_eight_processes_make_one_history(service: Service, tmp_path: Path) -> None:
    """25 entries each: 200 in all, each told to exactly one writer, none lost, none doubled, each writer's in order."""
    name = service.new_bucket()
    BucketLedger(service.open(name)).put_if_absent(0, b"zero")
    environment = {**os.environ, "RACE_BEGINS": str(tmp_path / "go"), "PYTHONPATH": str(ROOT)}
    words = [[sys.executable, "-m", "tests.remote.racer", service.url(name), f"racer-{n}", "25"] for n in range(8)]
    racers = [subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for line in words]
    (tmp_path / "go").touch()
    said = [[int(index) for index in racer.communicate(timeout=240)[0].split()] for racer in racers]
    entries = BucketLedger(service.open(name)).read()

    assert [0] * 8 == [racer.returncode for racer in racers]
    assert list(range(1, 201)) == sorted(index for indexes in said for index in indexes)
    assert 201 == len(entries)
    for number, indexes in enumerate(said):
        assert [f"racer-{number} {turn}".encode() for turn in range(25)] == [entries[index] for index in indexes]


def test_racing_promotions_of_one_stage_make_one_history(service: Service, tmp_path: Path) -> None:
    """Whoever judged against what is no longer served gets a conflict; each promotion that was told is there."""
    name = service.new_bucket()

    def opened() -> tuple[BucketStore, BucketLedger]:
        bucket = service.open(name)
        return BucketStore(bucket, tmp_path / "notes"), BucketLedger(bucket, wait_s=0.01)

    store, ledger = opened()
    desk = Desk(ledger=ledger)
    models = [model_of("assistant", store, weights=b"%d" % number).digest for number in range(4)]
    for number, model in enumerate(models):
        desk.register(number, manifest=model)
    with ThreadPoolExecutor(4) as threads:
        told = sum(threads.map(_promoter(opened, desk.genesis), models))
    served = read(ledger, desk.genesis).generations("dev")

    assert told == len(served) > 0
    assert list(range(1, len(served) + 1)) == [one.number for one in served]


def _promoter(opened: Callable[[], tuple[BucketStore, BucketLedger]], genesis: Digest) -> Callable[[Digest], int]:
    def run(model: Digest) -> int:
        store, ledger = opened()
        told = 0
        for _ in range(4):
            now = read(ledger, genesis).serving("dev")
            verdict = verdict_of(model, "dev", baseline=now.manifest if now else None)
            try:
                done = promote(
                    model,
                    "dev",
                    verdict=verdict,
                    store=store,
                    ledger=ledger,
                    genesis=genesis,
                    signer=ALICE,
                    clock=SystemClock(),
                    actor="racer",
                )
                told += not done.was_there
            except ConflictError:
                continue
        return told

    return run
