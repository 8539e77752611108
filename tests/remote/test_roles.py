"""Each role does its work with the permissions that the page gives it, and no more; what is refused loses nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from registry.adapters.buckets.faults import Forbidden
from registry.adapters.ledgers.bucket import BucketLedger
from registry.core.store import Stock, place_of
from tests.remote.estate import FarEstate, remember
from tests.remote.policy import judged_as
from tests.remote.proxy import Proxy
from tests.remote.service import Service
from tests.store.estate import own

pytestmark = pytest.mark.slow

Roles = Callable[[str], FarEstate]


@pytest.fixture
def estate(service: Service, in_memory: Path) -> FarEstate:
    """A bucket with an orphan, and weights that may be deleted, seen by who may do everything."""
    return remember(in_memory, service.open(service.new_bucket()))


@pytest.fixture
def as_role(service: Service, estate: FarEstate) -> Iterator[Roles]:
    """The same estate, seen by a role."""
    with ExitStack() as stack:

        def seen(role: str) -> FarEstate:
            endpoint = stack.enter_context(Proxy(service.endpoint, mischief=judged_as(role)).running())
            found = estate.another()
            found.bucket = Service(endpoint).open(estate.bucket.address.name)
            return found

        yield seen


def test_a_host_reads_everything_and_writes_nothing(as_role: Roles) -> None:
    """Also what is in the trash; and it may ask what a collection would do."""
    host = as_role("host")
    old = host.models[0]

    assert host.verify().is_clean
    assert all(host.store.get(digest) for digest in own(old, host.store))
    assert host.survey().set_aside.blobs > 0
    for write in (
        lambda: host.store.put(b"new"),
        lambda: host.store.note_collected([old.digest]),
        lambda: BucketLedger(host.bucket).put_if_absent(0, b"entry"),
        lambda: host.decide(old),
        host.gc,
    ):
        with pytest.raises(Forbidden, match="may not"):
            write()


def test_a_promoter_puts_heals_and_brings_back_and_deletes_nothing(as_role: Roles, estate: FarEstate) -> None:
    """Small and large, over what is damaged, from the trash, entries and the checkpoint; a gc is refused."""
    promoter, ledger = as_role("promoter"), BucketLedger(as_role("promoter").bucket)
    large, served = bytes(9_000_000), estate.models[2]
    weights = next(iter(own(served, estate.store) - {served.adapters[0].digest}))
    good = estate.store.get(weights)
    promoter.store.put(large)
    for data in (good[:-1] + b"?", b""):
        estate.damage(weights, data)
        assert weights == promoter.store.put(good)
    promoter.decide(estate.models[0])
    promoter.store.note_collected([served.digest])
    assert ledger.put_if_absent(0, b"entry")
    ledger.put_checkpoint(b"checkpoint")

    before = _stock(estate)
    with pytest.raises(Forbidden, match="may not delete"):
        promoter.gc()
    assert before.blobs.keys() <= _stock(estate).blobs.keys()
    assert estate.verify().is_clean
    for key in (place_of(weights), "ledger/00000000000000000000.json"):
        with pytest.raises(Forbidden):
            promoter.bucket.delete(key)
    with pytest.raises(Forbidden):
        promoter.bucket.write("ledger/00000000000000000000.json", b"another")


def test_a_collector_collects_and_mends_and_decides_nothing(as_role: Roles, estate: FarEstate) -> None:
    """What it moves, deletes and notes is all that it may; entries and the quarantine are safe from it."""
    collector = as_role("collector")
    done = collector.gc()
    assert (4, 3) == (done.set_aside.blobs, done.deleted.blobs)
    served = estate.models[2].digest
    estate.damage(served)
    place = collector.store.attic.quarantine(served, collector.now())
    assert place == estate.keys("quarantine")[0]
    collector.store.put(estate.models[2].canonical())
    collector.days = 200
    collector.gc()

    assert estate.verify().is_clean
    for forbidden in (
        lambda: collector.bucket.delete(place),
        lambda: collector.bucket.delete("collected.json"),
        lambda: BucketLedger(collector.bucket).put_if_absent(0, b"entry"),
    ):
        with pytest.raises(Forbidden, match="may not"):
            forbidden()


def _stock(estate: FarEstate) -> Stock:
    with estate.store.attic.stocktaking() as take_stock:
        return take_stock()
