"""Collectors, writers, readers and menders of one bucket at once: at every request of one, another comes in between.

Nobody can be kept out of a bucket, so whoever comes in between runs to its end there. Each also is killed there, and
loses the answer. No blob that an entry names, or that may be read, is ever lost. Tried is each request that changes
something; of those that only look or read, some, since nothing changes between them.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle

import pytest
from obstore.exceptions import GenericError

from registry.adapters.stores.copies import FromStore
from registry.core.digest import Digest
from registry.core.manifest import Manifest
from registry.core.store import place_of
from registry.errors import RegistryError
from registry.verbs.gc import StoreDamaged
from registry.verbs.prove import Damaged
from registry.verbs.repair import quarantine, repair
from tests.remote.estate import FarEstate, Killed, Step, at_each_request, later, memory_bucket, remember
from tests.remote.service import Service
from tests.store.conftest import memory
from tests.store.estate import own

pytestmark = pytest.mark.slow

Act = Callable[[FarEstate], object]
Digests = tuple[Digest, ...]
MOST = 10
"""Of the requests that only look or read, so many are tried, evenly; of those that change something, all."""


@pytest.fixture(scope="module")
def seed() -> Iterator[FarEstate]:
    """What each run begins with."""
    with memory() as place:
        yield remember(place, memory_bucket())


def _points(
    seed: FarEstate, first: Act, *, after: bool = False, but: str = "nothing", about: Digests = ()
) -> Iterator[int]:
    """The requests at which somebody comes in between."""
    estate = seed.twin()
    with at_each_request(lambda *_: None, after=after) as steps:
        first(estate)
    models = (*seed.models, _orphan(seed))
    touched = {digest[7:] for model in models for digest in about or own(model, seed.store)} | {"collected.json"}
    numbers = range(len(steps))
    changing = [number for number in numbers if steps[number][0] in ("copy", "put", "delete")]
    about_them = [n for n in numbers if n not in changing and steps[n][1].rpartition("/")[2][:64] in touched]
    points = {0, *changing, *about_them[:: 1 + len(about_them) // MOST], *(numbers[:: 1 + len(steps) // 4])}
    assert len(points) > 5, "it is hardly interrupted"
    yield from (number for number in sorted(points) if not " ".join(steps[number]).startswith(but))


def _orphan(estate: FarEstate) -> Manifest:
    """The model that was made and never registered."""
    return estate.twin().make(adapter="orphan")


def _runs(
    seed: FarEstate, first: Act, second: Act, *, but: str = "nothing", about: Digests = ()
) -> Iterator[FarEstate]:
    """The estate after `first` did its work, while `second` came in at one of its requests, for each `but` some."""
    for number in _points(seed, first, but=but, about=about):
        estate = seed.twin()

        def come_in(at: int, _: Step, number: int = number, estate: FarEstate = estate) -> None:
            if at == number:
                second(estate.another())

        with later(seed.days):
            with at_each_request(come_in):
                first(estate)
            yield estate


def _check(estate: FarEstate) -> None:
    """Nothing that is needed is lost, and collections by one and another leave everything in its place."""
    estate = estate.another()
    assert estate.glance().health in ("clean", "repairable")
    for _ in range(2):
        estate.gc()
        assert estate.glance().is_clean
        estate.days += 100


def _collect(estate: FarEstate) -> None:
    estate.gc()


def _refusing(estate: FarEstate) -> None:
    """Collect, or do nothing because something that is needed is in the quarantine just now."""
    with suppress(StoreDamaged):
        estate.gc()


def _pin(adapter: str) -> Act:
    """A pin of a model whose adapter is an orphan, has been deleted, is damaged in its place, or is new."""

    def pin(estate: FarEstate) -> None:
        made = estate.make(adapter=adapter, name="pinned")
        estate.write_register(made)
        assert all(estate.store.get(digest) for digest in own(made, estate.store))

    return pin


def _old(estate: FarEstate) -> Manifest:
    """The model whose weights are in the trash."""
    return estate.models[0]


def _decide(estate: FarEstate) -> None:
    """Prove a model that is in the trash and name it again, or find that it is gone."""
    with suppress(Damaged):
        estate.decide(_old(estate))


@pytest.mark.parametrize("adapter", ["orphan", "deleted", "new"])
def test_a_pin_comes_in_at_every_request_of_a_collection(seed: FarEstate, adapter: str) -> None:
    """Its blobs are new, or about to be set aside, or about to be deleted: once its entry is written, all are here."""
    for estate in _runs(seed, _collect, _pin(adapter)):
        _check(estate)


def test_a_decision_comes_in_at_every_request_of_a_collection(seed: FarEstate) -> None:
    """It brings back what it decides on, and all of it stays; or it finds that it is gone, and decides nothing."""
    decided = 0
    for estate in _runs(seed, _collect, _decide):
        decided += "pinned" in estate.desk.state.models
        _check(estate)

    assert decided > 10


@pytest.mark.parametrize("copied_at_most", [5 * 10**9, 10])
def test_another_collection_comes_in_at_every_request_of_a_collection(
    seed: FarEstate, monkeypatch: pytest.MonkeyPatch, copied_at_most: int
) -> None:
    """What one has done is nothing to do for the other, also where a blob passes through this machine."""
    monkeypatch.setattr("registry.adapters.stores.bucket_attic.COPIED_AT_MOST", copied_at_most)
    for estate in _runs(seed, _collect, _collect):
        assert own(_old(seed), seed.store) & estate.store.collected()
        _check(estate)


@pytest.mark.parametrize("act", [_pin("orphan"), _pin("deleted"), _decide], ids=["orphan", "deleted", "decision"])
def test_a_collection_comes_in_at_every_request_of_a_writer(seed: FarEstate, act: Act) -> None:
    """Whatever it sees in its place before its entry is written is in its place or in the trash afterwards."""
    for estate in _runs(seed, act, _collect):
        _check(estate)


def _loss_at(number: int, fault: type[BaseException]) -> Callable[[int, Step], None]:
    def lose(at: int, _: Step) -> None:
        if at == number:
            raise fault("here")

    return lose


def test_somebody_comes_in_at_every_change_on_a_server(service: Service, seed: FarEstate) -> None:
    """A pin, a decision, another collection, a repair, one after another, at each copy and each deletion of one run."""
    estate = remember(seed.root / "server", service.open(service.new_bucket()))
    estate.copies = seed.twin().store
    rest = cycle((_pin("orphan"), _decide, _collect, _pin("new"), _mend))

    def come_in(_: int, step: Step) -> None:
        if step[0] in ("copy", "delete"):
            next(rest)(estate.another())

    with later(seed.days):
        with at_each_request(come_in) as steps:
            estate.gc()
        assert 5 < sum(name in ("copy", "delete") for name, _ in steps)
        _check(estate)


@pytest.mark.parametrize("fault", [Killed, GenericError])
def test_a_collection_ends_at_every_request(seed: FarEstate, fault: type[BaseException]) -> None:
    """Killed, or without an answer to what was done: each blob is in its place or in the trash; a next run goes on."""
    everything = {digest: seed.store.get(digest) for digest in seed.blobs() | seed.store.attic.trashed()}
    for number in _points(seed, _collect, after=True):
        estate = seed.twin()
        with later(seed.days):
            with suppress(Killed, RegistryError), at_each_request(_loss_at(number, fault), after=True):
                estate.gc()
            for digest, data in everything.items():
                assert digest in estate.store.collected() or data == estate.store.get(digest)
            _check(estate)


def _mend(estate: FarEstate) -> None:
    """Repair from the seed, which has everything."""
    repair(
        store=estate.store,
        attic=estate.store.attic,
        ledger=estate.desk.ledger,
        genesis=estate.desk.genesis,
        premises=estate.store.premises,
        copies=[FromStore(estate.copies)],
        clock=estate,
    )


def _damaged(seed: FarEstate) -> tuple[FarEstate, Digest, Digest]:
    """The estate with a weight of the served model and the orphan's damaged in their places."""
    estate = seed.twin()
    estate.copies = seed.store
    victims = [_weights(estate, estate.models[2]), _weights(estate, _orphan(estate))]
    for victim in victims:
        estate.damage(victim, estate.store.get(victim)[:-1] + b"?")
    return estate, victims[0], victims[1]


def _weights(estate: FarEstate, manifest: Manifest) -> Digest:
    (weights,) = own(manifest, estate.store) - {manifest.adapters[0].digest}
    return weights


def _heal(estate: FarEstate) -> None:
    """Pin both damaged models again, where the files still are."""
    for adapter in ("served", "orphan"):
        made = estate.make(adapter=adapter, name="pinned")
        assert all(estate.store.get(digest) for digest in own(made, estate.store))
    estate.write_register(made)


def _isolate(estate: FarEstate) -> None:
    """Move what is damaged into the quarantine, as `verify --quarantine` does."""
    quarantine(estate.verify(), store=estate.store, attic=estate.store.attic, clock=estate)


@pytest.mark.parametrize(
    ("first", "second"),
    [(_mend, _heal), (_isolate, _heal), (_heal, _isolate), (_mend, _refusing), (_refusing, _mend)],
)
def test_menders_healers_and_collectors_at_once(seed: FarEstate, first: Act, second: Act) -> None:
    """Somebody pins again what another one moves into the quarantine: what was healed is never lost."""
    damaged, *victims = _damaged(seed)
    for estate in _runs(damaged, first, second, about=tuple(victims)):
        if _heal in (first, second):
            estate.gc()  # why: it brings back from the trash what was removed from its place after it was healed
            assert estate.verify().is_clean
        else:
            _mend(estate)
        _check(estate)


def test_the_good_copy_in_the_trash_outlives_the_bad_one_in_place(seed: FarEstate) -> None:
    """Somebody moves the bad one into the quarantine while the collector decides about the good one."""
    begun = seed.twin()
    begun.decide(_old(begun))
    begun.damage(victim := _weights(begun, _old(begun)), bytes(1413))
    for estate in _runs(begun, _collect, _isolate, about=(victim,)):
        _isolate(estate)
        _check(estate)

        assert estate.verify().is_clean


def test_what_is_written_by_other_means_is_not_taken(seed: FarEstate) -> None:
    """Also if the bytes are the same: who wrote them wants them there."""
    victim = _weights(seed, _orphan(seed))

    def write(estate: FarEstate) -> None:
        estate.bucket.write(place_of(victim), seed.store.get(victim))

    taken = 0
    for estate in _runs(seed, _collect, write, about=(victim,)):
        taken += victim not in estate.blobs()
        assert seed.store.get(victim) == estate.store.get(victim)

    assert 2 >= taken, "before its copy is looked at, and before it is deleted"


def test_a_mender_ends_at_every_request(seed: FarEstate) -> None:
    """Killed anywhere, the bad bytes are in their place or in the quarantine, and the next run mends the rest."""
    damaged, served, orphan = _damaged(seed)
    bad = {digest: damaged.bucket.read(place_of(digest), 1 << 20) for digest in (served, orphan)}
    for number in _points(damaged, _mend, after=True, about=(served, orphan)):
        estate = damaged.twin()
        with suppress(Killed), at_each_request(_loss_at(number, Killed), after=True):
            _mend(estate)
        _mend(estate)

        assert estate.verify().is_clean
        kept = {estate.bucket.read(key, 1 << 20) for key in estate.keys("quarantine")}
        assert set(bad.values()) <= kept


def test_a_reader_goes_on_in_the_trash(seed: FarEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set aside while it is read is read to its end, from wherever it is then."""
    monkeypatch.setattr("registry.adapters.buckets.reader.SPAN_BYTES", 100)
    orphan = _weights(seed, _orphan(seed))

    def read(estate: FarEstate) -> None:
        with estate.store.open(orphan) as content:
            found.append(content.read())

    found: list[bytes] = []
    for estate in _runs(seed, read, _collect):
        assert found.pop() == seed.store.get(orphan)
        assert orphan not in estate.blobs()


@pytest.mark.parametrize("is_pinned_first", [True, False])
def test_a_collector_that_sleeps_for_graces_takes_nothing(seed: FarEstate, *, is_pinned_first: bool) -> None:
    """Another one has emptied the trash, and somebody has pinned the orphan, when it goes on."""

    def meanwhile(estate: FarEstate) -> None:
        if is_pinned_first:
            _pin("orphan")(estate)
        for _ in range(2):
            estate.days += 20
            estate.gc()
        if not is_pinned_first:
            _pin("orphan")(estate)

    for estate in _runs(seed, _collect, meanwhile, but="delete registry/blobs/"):
        _check(estate)
