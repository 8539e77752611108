"""Pushing and fetching between two places: all arrives, nothing wrong does, and a ledger only ever grows."""

import itertools
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from registry.adapters.ledgers.memory import MemoryLedger
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest, DigestMismatch, digest_of
from registry.core.ledger.breach import Breach
from registry.core.ledger.head import FastForwarded
from registry.core.store import Missing, place_of
from registry.verbs.carry import Diverged, Moved, Side
from registry.verbs.fetch import NothingThere, fetch
from registry.verbs.push import Ahead, push
from tests.ledger.heads import checkpoint_of, signed_desk
from tests.remote.sides import Count, Desks, everything, in_directory, in_memory, make_desks

WEIGHTS = [digest_of(b"weights %d" % number) for number in range(2)]


@pytest.fixture
def desks() -> Desks:
    return make_desks()


@pytest.mark.parametrize("kind", ["memory", "directory"])
def test_a_push_makes_a_whole_copy(desks: Desks, tmp_path: Path, kind: str) -> None:
    """Every blob and every entry, byte for byte; and the meter saw every byte."""
    there = in_memory() if kind == "memory" else in_directory(tmp_path / "copy")
    done = desks.push(there)

    assert everything(desks.side) == everything(there)
    assert (done.blobs, done.entries, done.length) == (done.copied, 3, 3)
    assert done.size_bytes == desks.meter.expected == desks.meter.done


def test_a_second_push_sends_nothing(desks: Desks, tmp_path: Path) -> None:
    """What is there whole is not sent again."""
    there = in_directory(tmp_path)
    first, second = desks.push(there), desks.push(there)

    assert (first.blobs, 0, 0, 0) == (second.blobs, second.copied, second.size_bytes, second.entries)


def test_what_is_new_follows(desks: Desks) -> None:
    """Only the new model's own blobs, and its entry."""
    there = in_memory()
    desks.push(there)
    desks.add(b"other weights")
    done = desks.push(there)

    assert (3, 1, 4) == (done.copied, done.entries, done.length)  # the manifest, the adapter's tree, its weights
    assert everything(desks.side) == everything(there)


def test_a_damaged_blob_there_is_mended_by_a_push(desks: Desks, tmp_path: Path) -> None:
    """Its length alone does not count."""
    there = in_directory(tmp_path)
    desks.push(there)
    path = tmp_path / place_of(desks.models[0])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    done = desks.push(there)

    assert 1 == done.copied
    assert everything(desks.side) == everything(there)


def test_a_damaged_or_missing_blob_here_is_mended_by_a_fetch(desks: Desks, tmp_path: Path) -> None:
    """A copy is what a registry is repaired from, also where the damaged blob is a record that leads to others."""
    copy = in_directory(tmp_path)
    desks.fetch_into(copy)
    for digest in desks.models:
        (tmp_path / place_of(digest)).unlink()
    path = tmp_path / place_of(WEIGHTS[0])
    path.chmod(0o644)
    path.write_bytes(b"!" * path.stat().st_size)
    done = desks.fetch_into(copy)

    assert (3, 0) == (done.copied, done.entries)
    assert everything(desks.side) == everything(copy)


def test_a_model_can_be_brought_alone(desks: Desks) -> None:
    """Its blobs and no other's; the ledger goes along whole, for it cannot be read in parts."""
    there = in_memory()
    desks.push(there, "model-1")

    assert WEIGHTS[1] in set(there.store.digests())
    assert WEIGHTS[0] not in set(there.store.digests())
    assert list(desks.side.ledger.read()) == list(there.ledger.read())
    desks.push(there)
    assert everything(desks.side) == everything(there)


def test_the_other_ledger_is_never_overwritten(desks: Desks) -> None:
    """A copy that was written to apart is refused with the first entry that differs, in either direction."""
    there = in_memory()
    desks.push(there)
    ours = list(desks.side.ledger.read())
    desks.add(b"here")
    desks.at(there).add(b"there")
    before = list(there.ledger.read())
    for carry in (desks.push, desks.fetch_into):
        with pytest.raises(Diverged, match="entry 3 ") as caught:
            carry(there)

        assert (len(ours), 5) == (caught.value.index, caught.value.exit_code)
        assert before == list(there.ledger.read())


def test_a_copy_that_has_gone_on_is_fetched_first(desks: Desks) -> None:
    """A push to it is refused as a conflict; after a fetch there is nothing left to push."""
    copy = in_memory()
    desks.fetch_into(copy)
    desks.add(b"later")
    behind = desks.at(copy)
    with pytest.raises(Ahead, match="gone on") as caught:
        behind.push(desks.side)
    desks.fetch_into(copy)

    assert 6 == caught.value.exit_code
    assert 0 == behind.push(desks.side).copied


def test_another_ledger_or_none_is_not_fetched(desks: Desks) -> None:
    """The genesis is pinned: who answers with another ledger, or a forged entry, brings nothing in."""
    copy, stranger = in_memory(), make_desks()
    stranger_genesis = Side(stranger.side.store, MemoryLedger([b"{}", *list(stranger.side.ledger.read())[1:]]))
    forged = Side(desks.side.store, MemoryLedger([*list(desks.side.ledger.read()), b"{}"]))
    for there, fault in ((in_memory(), NothingThere), (stranger_genesis, Breach), (forged, Breach)):
        with pytest.raises(fault):
            fetch((), here=copy, there=there, genesis=desks.desk.genesis, meter=desks.meter)

        assert ([], []) == everything(copy)


def test_wrong_bytes_stop_the_transfer_and_are_not_kept(desks: Desks, tmp_path: Path) -> None:
    """The entries that name the blob are not added either; once it is mended, the transfer goes on."""
    source = desks.side.store
    assert isinstance(source, MemoryStore)
    weights, copy = WEIGHTS[0], in_directory(tmp_path)
    good = source.blobs[weights]
    for bad in (good[:-1], good + b"x", good[:-1] + b"!", b""):
        source.blobs[weights] = bad
        with pytest.raises(DigestMismatch):
            desks.fetch_into(copy)

        assert [] == list(copy.ledger.read())
        assert weights not in set(copy.store.digests())
        everything(copy)
    source.blobs[weights] = good
    desks.fetch_into(copy)
    assert everything(desks.side) == everything(copy)


def test_a_blob_that_is_nowhere_stops_the_transfer(desks: Desks) -> None:
    """A ledger is never brought without what it needs."""
    source, copy = desks.side.store, in_memory()
    assert isinstance(source, MemoryStore)
    del source.blobs[WEIGHTS[0]]
    with pytest.raises(Missing):
        desks.fetch_into(copy)

    assert [] == list(copy.ledger.read())


def test_an_interrupted_transfer_goes_on_where_it_stopped(desks: Desks, tmp_path: Path) -> None:
    """Each try brings a little more, nothing is lost, and the entries come last of all."""
    assert isinstance(desks.side.store, MemoryStore)
    copy, opened = in_directory(tmp_path), itertools.count()
    counts: list[int] = []

    class Breaking(MemoryStore):
        def open(self, digest: Digest) -> BinaryIO:
            if next(opened) % 15 == 14:
                raise ConnectionError
            return super().open(digest)

    breaking = desks.at(Side(Breaking(desks.side.store.blobs), desks.side.ledger))
    while not list(copy.ledger.read()) and len(counts) < 50:
        counts.append(len(list(copy.store.digests())))
        with suppress(ConnectionError):
            breaking.fetch_into(copy)

    assert len(counts) > 1
    assert counts == sorted(counts)
    assert everything(desks.side) == everything(copy)


class Raced(MemoryLedger):
    """A ledger that another writer is always faster to write to."""

    def put_if_absent(self, index: int, data: bytes) -> bool:
        if index == 2:
            super().put_if_absent(index, b"somebody else's entry")
        return super().put_if_absent(index, data)


def test_a_race_for_the_ledger_is_a_conflict(desks: Desks) -> None:
    """Another entry that came between is told, and not overwritten."""
    there = Side(MemoryStore(), Raced())
    with pytest.raises(Moved) as caught:
        desks.push(there)

    assert 6 == caught.value.exit_code
    assert b"somebody else's entry" == there.ledger.read()[2]


def test_a_ledger_whose_end_is_missing_is_not_pushed() -> None:
    """A head key signed more entries than there are: a copy of that would look like a whole one."""
    desk = signed_desk()
    note = checkpoint_of(desk.entries, desk.genesis)
    side, there = Side(MemoryStore(), MemoryLedger(list(desk.entries[:-1]), note)), in_memory()
    with pytest.raises(FastForwarded):
        push((), here=side, there=there, genesis=desk.genesis, meter=Count())

    assert () == tuple(there.ledger.read())


def test_two_pushes_of_the_same_ledger_do_not_disturb_each_other(desks: Desks) -> None:
    """An entry that somebody else has just put is as good as ours if it is the same."""
    there = in_memory()

    class Twin(MemoryLedger):
        def put_if_absent(self, index: int, data: bytes) -> bool:
            super().put_if_absent(index, data)
            return super().put_if_absent(index, data)

    done = desks.push(Side(there.store, Twin()))

    assert (0, 3) == (done.entries, done.length)
