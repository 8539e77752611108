"""Collecting a bucket: what goes, what stays, what comes back, and what is refused."""

import itertools
from pathlib import Path

import pytest

from registry.adapters.stores import bucket_attic
from registry.adapters.stores.bucket_attic import Crowded
from registry.core.digest import digest_of
from registry.core.manifest import Manifest
from registry.core.store import Missing, grave_of, place_of
from registry.verbs.gc import StoreDamaged
from registry.verbs.prove import Damaged, prove
from tests.remote.estate import FarEstate, Step, at_each_request, memory_bucket, remember
from tests.remote.service import Service
from tests.store.estate import own


@pytest.fixture(params=["memory", pytest.param("server", marks=pytest.mark.slow)])
def estate(request: pytest.FixtureRequest, in_memory: Path) -> FarEstate:
    """A model is served; another was set aside for longer than the grace, a third is an orphan old enough to be.

    Once in memory, and once on a server.
    """
    if request.param == "memory":
        return remember(in_memory, memory_bucket())
    service: Service = request.getfixturevalue("service")
    return remember(in_memory, service.open(service.new_bucket()))


@pytest.fixture
def nearby(in_memory: Path) -> FarEstate:
    """The same in memory alone, for what is not about the service."""
    return remember(in_memory, memory_bucket())


def _is_kept(estate: FarEstate, manifest: Manifest) -> bool:
    return own(manifest, estate.store) <= estate.blobs()


def test_it_goes_in_two_steps_with_a_grace_before_each(estate: FarEstate) -> None:
    """Young, then in the trash where it is still read, then away; and nobody misses what was deleted on purpose."""
    estate.days, data = 0, b"of a pin that was interrupted"
    orphan = estate.store.put(data)
    for days, place in ((0, "store"), (13.9, "store"), (14.1, "trash"), (28, "trash"), (28.2, "nowhere")):
        estate.days = days
        estate.gc()

        assert place == estate.why(orphan).place, days
        if place != "nowhere":
            assert data == estate.store.get(orphan) == estate.store.open(orphan).read()
    with pytest.raises(Missing):
        estate.store.get(orphan)
    assert estate.verify().is_clean


def test_a_dry_run_changes_nothing_and_says_the_same(estate: FarEstate) -> None:
    """It asks only to list, to look and to read; what it promises is what is done then."""
    before = estate.keys()
    with at_each_request(lambda *_: None) as steps:
        said = estate.survey()

    assert {"list", "list_with_delimiter", "head", "get"} >= {name for name, _ in steps}
    assert before == estate.keys()
    assert (4, 3) == (said.set_aside.blobs, said.deleted.blobs)
    done = estate.gc()
    assert (said.set_aside, said.deleted, said.kept) == (done.set_aside, done.deleted, done.kept)


def test_what_was_deleted_is_noted_before_it_goes_and_missed_by_nobody(estate: FarEstate) -> None:
    """Verify counts it, and does not call it lost; a list that is lost makes it lost."""
    old = own(estate.models[0], estate.store)
    estate.gc()
    report = estate.verify()

    assert report.is_clean
    assert report.collected > 0
    assert old & estate.store.collected()
    estate.bucket.delete("collected.json")
    assert "data-loss" == estate.verify().health


def test_what_is_needed_again_comes_back_and_its_copy_stays_for_a_grace(estate: FarEstate) -> None:
    """Nothing leaves the trash before its time, also what was brought back; then it goes from there, and only there."""
    old = estate.models[0]
    estate.write_register(old)

    assert ("repairable", {"trashed"}) == (estate.glance().health, {fault.kind for fault in estate.glance().faults})
    done = estate.gc()
    assert 2 == done.brought_back.blobs
    assert _is_kept(estate, old)
    assert estate.verify().is_clean
    assert own(old, estate.store) <= estate.store.attic.trashed()
    estate.gc()
    assert not own(old, estate.store) & estate.store.attic.trashed()
    assert _is_kept(estate, old)
    assert estate.verify().is_clean


def test_who_decides_on_what_is_in_the_trash_brings_it_back_first(estate: FarEstate) -> None:
    """All that the manifest names is in its place before the decision; who only reads changes nothing."""
    old, before = estate.models[0], estate.keys()
    prove(old.digest, store=estate.store)

    assert before == estate.keys()
    prove(old.digest, store=estate.grounds)
    assert _is_kept(estate, old)


def test_who_writes_does_not_count_on_the_trash(nearby: FarEstate) -> None:
    """What is there only counts as not there: it is sent again."""
    made = nearby.make(adapter="deleted", name="old")

    assert _is_kept(nearby, made)
    nearby.days = 1
    nearby.gc()
    assert _is_kept(nearby, made), "it is young again"


def test_a_damaged_store_is_not_collected(nearby: FarEstate) -> None:
    """If something that is to be kept cannot be read, nobody knows what else is needed."""
    served, before = nearby.models[2], nearby.keys()
    for data in (b"{}", None):
        key = place_of(served.adapters[0].digest)
        nearby.bucket.write(key, data) if data else nearby.bucket.delete(key)
        for collect in (nearby.survey, nearby.gc):
            with pytest.raises(StoreDamaged):
                collect()

    assert set(before) - {key} == set(nearby.keys())


def test_a_good_copy_in_the_trash_outlives_a_bad_one_in_place(nearby: FarEstate) -> None:
    """It is the only copy, however long it has been there; and once the place is empty it comes back."""
    old = nearby.models[0]
    (weights,) = own(old, nearby.store) - {old.adapters[0].digest}
    nearby.decide(old)
    good = nearby.store.get(weights)
    nearby.damage(weights, good[:-1] + b"?")
    nearby.days = 200
    nearby.gc()

    assert weights in nearby.store.attic.trashed()
    nearby.bucket.delete(place_of(weights))
    nearby.gc()
    assert good == nearby.bucket.read(place_of(weights), 1 << 20)


def test_a_bad_copy_in_the_trash_is_never_brought_back(nearby: FarEstate) -> None:
    """An older one that is sound is; without one, who wants to decide on it is told."""
    old = nearby.models[0]
    (weights,) = own(old, nearby.store) - {old.adapters[0].digest}
    good = nearby.store.get(weights)
    ((key, _),) = nearby.store.attic.graves(weights)
    nearby.bucket.write(key, b"bad")
    with pytest.raises(Damaged):
        prove(old.digest, store=nearby.grounds)

    assert weights not in nearby.blobs()
    nearby.bucket.write(f"trash/20260101T000000Z/{key[-64:]}", good)
    prove(old.digest, store=nearby.grounds)
    assert good == nearby.bucket.read(place_of(weights), 1 << 20)


def test_what_is_too_large_for_a_copy_passes_through(estate: FarEstate, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 copies up to 5 GB in one request."""
    monkeypatch.setattr(bucket_attic, "COPIED_AT_MOST", 10)
    large = estate.store.put(bytes(9_000_000))
    estate.gc()

    assert large not in estate.blobs()
    assert bytes(9_000_000) == estate.store.get(large)


def test_what_is_sound_is_not_quarantined(nearby: FarEstate) -> None:
    """Somebody healed it after it was judged; or it is gone."""
    served = nearby.models[2].digest

    assert nearby.store.attic.quarantine(served, nearby.now()) is None
    assert served in nearby.blobs()
    assert nearby.store.attic.quarantine(digest_of(b"nowhere"), nearby.now()) is None


def test_strangers_are_never_moved(nearby: FarEstate) -> None:
    """Odd names among the blobs and in the trash stay where they are."""
    name = digest_of(b"?")[7:]
    strangers = [
        *(f"blobs/sha256/00/{name}", "blobs/notes.txt", f"trash/{name}", f"trash/yesterday/{name}"),
        *(f"trash/20261316T000000Z/{name}", f"trash/20260101T000000Z/{name}.txt", "trash/20260101T000000Z/note"),
    ]
    for key in strangers:
        nearby.bucket.write(key, b"?")
    nearby.gc()
    nearby.days = 200
    nearby.gc()

    assert set(strangers) <= set(nearby.keys())


def test_a_clock_that_jumps_back_deletes_nothing(nearby: FarEstate) -> None:
    """What seems to come from the future is young; the service's own clock counts where it is the later one."""
    nearby.days = -1000
    done = nearby.gc()
    assert (0, 0) == (done.set_aside.blobs, done.deleted.blobs)
    orphan = nearby.store.put(b"set aside by a clock that was years behind")
    nearby.bucket.copy(nearby.bucket.open(place_of(orphan)).origin, grave_of(orphan, nearby.now()))  # type: ignore[union-attr] # it is there
    nearby.days = 13
    nearby.gc()
    assert orphan in nearby.store.attic.trashed()


def test_two_who_note_at_once_lose_nothing(estate: FarEstate) -> None:
    """At every request of one another one notes something else."""
    ours, theirs = digest_of(b"ours"), [digest_of(b"%d" % number) for number in range(9)]
    rest = iter(theirs)
    with at_each_request(lambda *_: estate.store.note_collected([next(rest, ours)])) as steps:
        estate.store.note_collected([ours])

    assert len(steps) > 9
    assert {ours, *theirs} <= estate.store.collected()


def test_a_list_that_others_write_to_all_the_time_is_left(nearby: FarEstate) -> None:
    """Nobody waits for ever; and nothing is deleted that was not noted."""
    before = nearby.keys()
    turns = (digest_of(b"%d" % number) for number in itertools.count())

    def meanwhile(_: int, step: Step) -> None:
        if step == ("put", "registry/collected.json"):
            nearby.store.note_collected([next(turns)])

    with at_each_request(meanwhile), pytest.raises(Crowded, match="could not be added to"):
        nearby.gc()

    assert before[-3:] == [key for key in nearby.keys("trash") if key in before]
