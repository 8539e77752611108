"""Writers, readers and collectors at the same time: at every step of one, another comes in between.

The collector is stopped at each of its steps in turn, and somebody else begins; they may have to wait for it. Then
writers are stopped at each of their steps, and a whole collection is tried. No blob that an entry names, or that
somebody was told to be kept, is ever lost.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from registry.adapters import durable
from registry.adapters.stores import attic as attic_module
from registry.adapters.stores.attic import Attic
from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.leased import Lease, LeasedStore
from registry.core.digest import Digest
from registry.core.ledger.entry import Register
from registry.core.manifest import Manifest
from registry.core.store import Missing, Stock
from registry.core.tree import Tree
from registry.errors import ConflictError
from registry.ports import LedgerFile
from registry.verbs.prove import prove
from tests.store.estate import Estate, own

Hook = Callable[[str], None]
STEPS = (
    *("before the lock", "leases read", "ledger read", "before bringing back", "before setting aside"),
    *("half set aside", "set aside", "before deleting", "half deleted", "deleted", "lock given up"),
)
LET_RUN_S = 0.03


@dataclass(frozen=True)
class Stepping:
    """An attic that tells when it is at which step."""

    attic: Attic
    at: Hook

    @contextmanager
    def stocktaking(self) -> Iterator[Callable[[], Stock]]:
        self.at("before the lock")
        with self.attic.stocktaking() as take_stock:
            self.at("leases read")
            yield take_stock
        self.at("lock given up")

    def set_aside(self, digests: Sequence[Digest], at: datetime) -> None:
        self.at("before setting aside")
        half = len(digests) // 2
        self.attic.set_aside(digests[:half], at)
        self.at("half set aside")
        self.attic.set_aside(digests[half:], at)
        self.at("set aside")

    def bring_back(self, digests: Sequence[Digest]) -> None:
        self.at("before bringing back")
        self.attic.bring_back(digests)

    def purge(self, digests: Sequence[Digest], *, known: Sequence[Digest]) -> None:
        self.at("before deleting")
        half = len(digests) // 2
        self.attic.purge(digests[:half], known=known)
        self.at("half deleted")
        self.attic.purge(digests[half:], known=())
        self.at("deleted")

    def quarantine(self, digest: Digest, at: datetime) -> str:
        return self.attic.quarantine(digest, at)


@dataclass(frozen=True)
class Told:
    """A ledger that tells when it was read."""

    ledger: LedgerFile
    at: Hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        found = self.ledger.read(start, stop)
        self.at("ledger read")
        return found


@dataclass
class Between:
    """Starts `act` when the collector is at `step`, and goes on when it is done or has to wait."""

    step: str
    act: Callable[[], object]
    thread: threading.Thread | None = None
    faults: list[BaseException] = field(default_factory=list)

    def __call__(self, step: str) -> None:
        if step == self.step and self.thread is None:
            self.thread = threading.Thread(target=self._run)
            self.thread.start()
            self.thread.join(LET_RUN_S)

    def join(self) -> None:
        """Wait for it; it must have been started."""
        assert self.thread, f"the collector was never at {self.step!r}"
        self.thread.join(30)
        assert not self.thread.is_alive()

    def _run(self) -> None:
        try:
            self.act()
        except BaseException as error:  # noqa: BLE001 - told in the main thread
            self.faults.append(error)


@pytest.fixture
def estate(in_memory: Path) -> Estate:
    """One model is served; two left blobs that nobody needs, one of them in the trash for longer than the grace."""
    estate = Estate(in_memory / "store")
    deleted = estate.make(adapter="deleted")
    estate.promote(estate.add(adapter="served"))
    estate.days = 20
    estate.gc()
    assert own(deleted, estate.store) <= estate.store.attic.trashed()
    estate.make(adapter="orphan")
    estate.days = 60
    return estate


def _collect(estate: Estate, between: Between) -> None:
    """Collect, with somebody in between, and let both finish."""
    estate.attic = Stepping(estate.store.attic, between)
    ledger = estate.desk.ledger
    estate.desk.ledger = Told(ledger, between)
    try:
        estate.gc()
    finally:
        estate.attic, estate.desk.ledger = None, ledger
        between.join()


def _check(estate: Estate) -> None:
    """Nothing that is needed is lost, and the next collection leaves everything in its place."""
    assert estate.glance().health in ("clean", "repairable")
    estate.gc()
    assert estate.verify().is_clean
    estate.days += 100
    estate.gc()
    assert estate.verify().is_clean


def _leased(estate: Estate) -> LeasedStore:
    return LeasedStore(estate.store, Lease(estate.root))


def _register(estate: Estate, manifest: Manifest) -> None:
    """Write the entry past the hooks of the collector."""
    desk = type(estate.desk).__new__(type(estate.desk))
    ledger = getattr(estate.desk.ledger, "ledger", estate.desk.ledger)
    desk.policy, desk.signers, desk.tips, desk.ledger = estate.desk.policy, estate.desk.signers, {}, ledger
    desk.write(Register(**desk.common(), model="pinned", manifest=manifest.digest, pins=manifest.pins))


@pytest.mark.parametrize("adapter", ["orphan", "deleted", "new"])
@pytest.mark.parametrize("step", STEPS)
def test_a_pin_comes_in_between(estate: Estate, step: str, adapter: str) -> None:
    """Its blobs are new, or about to be set aside, or about to be deleted: when its entry is written, all are here."""

    def pin() -> None:
        store = _leased(estate)
        _register(estate, estate.make(adapter=adapter, name="pinned", store=store))

    between = Between(step, pin)
    _collect(estate, between)

    assert [] == between.faults
    assert "pinned" in estate.desk.state.models
    _check(estate)


@pytest.mark.parametrize("step", STEPS)
def test_a_put_without_a_lease_is_never_lost_at_once(estate: Estate, step: str) -> None:
    """What was acknowledged can be read: in its place, or in the trash for as long as the grace."""
    put: list[Digest] = []
    between = Between(step, lambda: put.extend(own(estate.make(adapter="orphan"), estate.store)))
    _collect(estate, between)

    assert [] == between.faults
    assert all(estate.store.get(digest) for digest in put)
    _check(estate)


@pytest.mark.parametrize("adapter", ["orphan", "deleted"])
@pytest.mark.parametrize("step", STEPS)
def test_a_reader_that_has_begun_comes_to_its_end(estate: Estate, step: str, adapter: str) -> None:
    """A pull reads a model that nothing keeps: all of it, or it is told at the start that it is gone."""
    manifest, read = estate.make(adapter=adapter), list[bytes]()
    for digest in own(manifest, estate.store):
        os.utime(estate.root / f"blobs/sha256/{digest[7:9]}/{digest[7:]}", (1, 1))
    begun = threading.Event()

    def pull() -> None:
        store = _leased(estate)
        tree = Tree.parse(store.get(manifest.adapters[0].digest))
        begun.set()
        for number, entry in enumerate(tree.entries):
            if number:
                threading.Event().wait(LET_RUN_S)  # why: the collector goes on meanwhile
            read.append(store.open(entry.digest).read())

    between = Between(step, pull)
    _collect(estate, between)

    assert begun.is_set() or [Missing] == [type(fault) for fault in between.faults]
    assert not begun.is_set() or ([] == between.faults and 2 == len(read))
    _check(estate)


@pytest.mark.parametrize("step", STEPS)
def test_a_promotion_of_what_is_in_the_trash_comes_in_between(estate: Estate, step: str) -> None:
    """It proves the model, which holds it, and writes the entry; or it finds that the model is gone and writes none."""
    manifest = estate.make(adapter="deleted")
    estate.days = 20
    for digest in estate.blobs():
        os.utime(estate.root / f"blobs/sha256/{digest[7:9]}/{digest[7:]}", (1, 1))
    estate.gc()
    estate.days = 60

    store = _leased(estate)  # why out here: a command holds its lease until after its entry

    def promote() -> None:
        prove(manifest.digest, store=store)
        _register(estate, manifest)

    between = Between(step, promote)
    _collect(estate, between)

    assert not between.faults or "pinned" not in estate.desk.state.models
    _check(estate)


@pytest.mark.parametrize("step", STEPS)
def test_two_collectors_do_not_get_in_each_others_way(estate: Estate, step: str) -> None:
    """One waits for the other, and finds nothing left to do, or something else."""
    between = Between(step, estate.gc)
    second = Estate(estate.root, desk=estate.desk, days=estate.days)
    between.act = second.gc
    _collect(estate, between)

    assert [] == between.faults
    _check(estate)


def _at_each_write(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> list[str]:
    """Call `act` before each call of the system that makes something durable or gives or takes a name."""
    calls: list[str] = []
    inside = threading.local()

    def stop_at(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def stopped(*words: Any, **parts: Any) -> Any:
            if threading.current_thread() is threading.main_thread() and not getattr(inside, "busy", False):
                inside.busy = True
                calls.append(name)
                act()
                inside.busy = False
            return real(*words, **parts)

        return stopped

    for name in ("fsync", "link", "rename", "unlink"):
        monkeypatch.setattr(os, name, stop_at(name, getattr(os, name)))
    return calls


@pytest.mark.parametrize("adapter", ["orphan", "deleted"])
def test_a_collection_at_every_step_of_a_pin(estate: Estate, adapter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a blob is taken in the collector has to wait, and gives up here; between two blobs it runs through."""
    monkeypatch.setattr(attic_module, "WAIT_S", 0.0)
    done: list[bool] = []

    def collect() -> None:
        try:
            estate.gc()
            done.append(True)
        except ConflictError:
            done.append(False)

    store = _leased(estate)
    calls = _at_each_write(monkeypatch, collect)
    manifest = estate.make(adapter=adapter, name="pinned", store=store)
    collect()
    _register(estate, manifest)
    collect()
    monkeypatch.undo()

    assert len(calls) > 20
    assert {True, False} == set(done), "some waited, some ran"
    assert all(store.get(digest) for digest in own(manifest, estate.store))
    del store
    _check(estate)


def test_a_lease_ends_with_its_holder(estate: Estate) -> None:
    """While it lives nothing of it goes; without it the blobs are what they were before: nobody's."""
    store = _leased(estate)
    manifest = estate.make(adapter="orphan", store=store)
    estate.gc()
    assert own(manifest, estate.store) <= estate.blobs()
    assert "somebody is working with it" in {path.why for path in estate.why(manifest.adapters[0].digest).paths}
    del store
    estate.gc()

    assert not own(manifest, estate.store) & estate.blobs()


def test_why_tells_of_a_lease_that_alone_holds_a_blob(estate: Estate) -> None:
    """Weights are no record, and no record that is leased names them yet."""
    store = _leased(estate)
    weights = store.put(b"weights that no list names yet")

    assert ["somebody is working with it"] == [path.why for path in estate.why(weights).paths]
    del store
    assert () == estate.why(weights).paths


def test_a_leased_manifest_holds_all_that_it_names(estate: Estate) -> None:
    """Who has asked for the manifest will ask for the rest."""
    manifest = estate.make(adapter="orphan")
    os.utime(estate.root / f"blobs/sha256/{manifest.digest[7:9]}/{manifest.digest[7:]}", (1, 1))
    store = _leased(estate)
    store.get(manifest.digest)
    estate.gc()

    assert own(manifest, estate.store) <= estate.blobs()
    assert "leases" not in {Path(place).parts[0] for place in estate.store.strays()}


def test_who_may_only_read_reads_without_a_lease(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host on a read-only mount cannot hold anything, and is not stopped by that."""

    def refuse(*_: object, **__: object) -> None:
        raise durable.WriteFailed("it is read-only")

    monkeypatch.setattr(durable, "make_directory", refuse)
    served = estate.models[0]

    assert served.canonical() == _leased(estate).get(served.digest)


def test_an_empty_place_is_not_filled_by_asking(tmp_path: Path) -> None:
    """A store that is not there is not made by a reader."""
    with pytest.raises(Missing):
        LeasedStore(DirectoryStore(tmp_path / "store"), Lease(tmp_path / "store")).get(Digest("sha256:" + "0" * 64))

    assert [] == list(tmp_path.iterdir())
