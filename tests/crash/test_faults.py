"""A few of each kind of fault, at points that a seed draws; `python -m tests.crash` does thousands."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.crash.bench import Bench
from tests.crash.campaign import ROOMS, run_room
from tests.crash.power import Synced

SEED = int(os.environ.get("REGISTRY_FAULT_SEED", "1"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bench on which a promotion, here and in a bucket, a switch of a host and a collection are struck."""
    made = Bench(tmp_path_factory.mktemp("bench") / "it", ("promote", "switch", "gc", "bucket promote"))
    yield made
    made.close()


@pytest.mark.parametrize("name", ROOMS)
def test_no_fault_loses_what_was_acknowledged_or_shows_what_is_half_done(name: str, bench: Bench) -> None:
    """And done again without the fault, it succeeds; see `tests.crash.scenes` for all that must hold."""
    if why_not := ROOMS[name].why_not:
        pytest.skip(why_not)
    count = run_room(name, SEED, ROOMS[name].few, bench)

    assert [] == count.failures
    assert ROOMS[name].few == count.done


def test_a_missing_fsync_would_be_found(bench: Bench) -> None:
    """The same cuts of a promotion that syncs nothing must fail, or those above would prove nothing."""
    done = bench.recorded("promote")
    careless = [event for event in done.events if not isinstance(event, Synced)]
    bench.recordings["promote"] = replace(done, events=careless)
    failed = run_room("power cut", SEED, ROOMS["power cut"].few, bench).failures
    bench.recordings["promote"] = done

    assert failed
