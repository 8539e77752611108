"""What is damaged goes into the quarantine, what is lost comes back from wherever it is, and only as what it was."""

import hashlib
import io
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, cast

import pytest

from registry.adapters import durable
from registry.adapters.hosts.folder import Folder
from registry.adapters.stores.attic import Attic
from registry.adapters.stores.copies import FromStore, Pile
from registry.adapters.stores.directory import DirectoryStore
from registry.adapters.stores.memory import MemoryStore
from registry.core.digest import Digest, digest_of
from registry.core.manifest import Manifest
from registry.core.store import Premises, place_of
from registry.core.tree import Tree
from registry.errors import RegistryError
from registry.ports import Copies, OpenFile
from registry.verbs.bundle import bundle
from registry.verbs.repair import Repaired, repair
from tests.cli.scene import Scene
from tests.store.estate import Estate


@pytest.fixture
def estate(in_memory: Path) -> Estate:
    """Two promoted models, and a copy of the store as it was beside it."""
    estate = Estate(in_memory / "store")
    for name in ("one", "two"):
        estate.promote(estate.add(adapter=name))
    shutil.copytree(in_memory / "store", in_memory / "copy")
    return estate


def _repair(estate: Estate, *copies: Copies) -> Repaired:
    return repair(
        store=estate.store,
        attic=estate.store.attic,
        ledger=estate.desk.ledger,
        genesis=estate.desk.genesis,
        premises=estate.store.premises,
        copies=copies,
        clock=estate,
    )


def _files(estate: Estate, number: int = 0) -> dict[str, Digest]:
    """The adapter's and base's files of a model, and their trees."""
    manifest, found = estate.models[number], dict[str, Digest]()
    for pin in (manifest.llm_sha, *manifest.adapters):
        found[f"tree {pin.name}"] = pin.digest
        found |= {entry.path: entry.digest for entry in Tree.parse(estate.store.get(pin.digest)).entries}
    return found


def _spoil(estate: Estate, digest: Digest, data: bytes) -> None:
    path = estate.root / place_of(digest)
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)


def _copy(estate: Estate) -> FromStore:
    return FromStore(DirectoryStore(estate.root.parent / "copy"))


def test_a_whole_store_needs_nothing(estate: Estate) -> None:
    """Nothing moves."""
    before = estate.blobs()

    assert Repaired("clean") == _repair(estate)
    assert before == estate.blobs()


def test_every_blob_but_what_explains_nothing_comes_back_from_another_store(estate: Estate) -> None:
    """Even if all are gone: lists of files tell of files that nobody knew to be missing."""
    needed = estate.blobs() - set(estate.verify().spare)
    shutil.rmtree(estate.root / "blobs")
    repaired = _repair(estate, _copy(estate))

    assert "clean" == repaired.health
    assert needed == estate.blobs() == set(repaired.restored)
    assert estate.verify().is_clean


def test_a_damaged_blob_is_kept_aside_and_replaced(estate: Estate) -> None:
    """The bad bytes are evidence; the good ones are in place again, read-only."""
    weights = _files(estate)["adapter_model.safetensors"]
    _spoil(estate, weights, b"bad")
    repaired = _repair(estate, _copy(estate))

    assert ("clean", (weights,)) == (repaired.health, repaired.restored)
    (place,) = repaired.quarantined
    assert b"bad" == (estate.root / place).read_bytes()
    assert place.startswith(f"quarantine/{weights[7:]}.")
    assert 0o444 == (estate.root / place_of(weights)).stat().st_mode & 0o777


def test_without_a_copy_nothing_is_made_up(estate: Estate) -> None:
    """The bad bytes are aside, the loss is told with whom it harms, and another repair has nothing more to move."""
    weights = _files(estate)["adapter_model.safetensors"]
    _spoil(estate, weights, b"bad")
    for quarantined in (1, 0):
        repaired = _repair(estate)

        assert "data-loss" == repaired.health
        assert quarantined == len(repaired.quarantined)
        assert [("missing", weights)] == [(fault.kind, fault.digest) for fault in repaired.faults]
        assert repaired.faults[0].harms


def test_bytes_that_only_look_right_are_refused(estate: Estate) -> None:
    """Same name, same size: a copy is believed by its digest alone, and the next place is asked."""
    weights = _files(estate)["adapter_model.safetensors"]
    good = estate.store.get(weights)
    for name, data in (("liar", good[:-1] + b"?"), ("longer", good + b"x"), ("other", b"x" * len(good))):
        (estate.root.parent / "pile").mkdir(exist_ok=True)
        (estate.root.parent / "pile" / name).write_bytes(data)
    before = estate.blobs()
    (estate.root / place_of(weights)).unlink()
    lying = MemoryStore({weights: good[:-1] + b"?"})

    assert "data-loss" == _repair(estate, Pile(estate.root.parent / "pile"), FromStore(lying)).health
    assert before - {weights} == estate.blobs()
    assert () == estate.store.premises().strays
    assert "clean" == _repair(estate, Pile(estate.root.parent / "pile"), FromStore(lying), _copy(estate)).health


def _as_dvc(estate: Estate, place: Path) -> None:
    """The files of the models as DVC's cache has them: under their md5, in two steps."""
    for number in range(2):
        for name, digest in _files(estate, number).items():
            if not name.startswith("tree"):
                md5 = hashlib.md5(estate.store.get(digest)).hexdigest()
                (place / "files/md5" / md5[:2]).mkdir(parents=True, exist_ok=True)
                (place / "files/md5" / md5[:2] / md5[2:]).write_bytes(estate.store.get(digest))


def _as_bundle(estate: Estate, place: Path) -> None:
    for manifest in estate.models:
        bundle(manifest, store=estate.store, destination=Folder(place / manifest.digest[7:]))


@pytest.mark.parametrize("lay_out", [_as_dvc, _as_bundle], ids=["DVC cache", "bundles"])
def test_files_come_back_from_places_that_call_them_otherwise(
    estate: Estate, lay_out: Callable[[Estate, Path], None]
) -> None:
    """DVC knows the md5, a host the path; size and digest find the bytes."""
    lay_out(estate, estate.root.parent / "place")
    lost = [digest for number in range(2) for name, digest in _files(estate, number).items() if "safetensors" in name]
    for digest in lost:
        (estate.root / place_of(digest)).unlink(missing_ok=True)

    assert "data-loss" == estate.glance().health
    repaired = _repair(estate, Pile(estate.root.parent / "place"))
    assert ("clean", set(lost)) == (repaired.health, set(repaired.restored))
    assert estate.verify().is_clean


def test_a_lost_manifest_comes_back_from_its_lock_file(estate: Estate) -> None:
    """Its size is written nowhere, so small files are hashed."""
    manifest: Manifest = estate.models[0]
    (estate.root.parent / "manifests").mkdir()
    (estate.root.parent / "manifests" / "assistant.lock.json").write_bytes(manifest.canonical())
    (estate.root / place_of(manifest.digest)).unlink()

    assert "clean" == _repair(estate, Pile(estate.root.parent / "manifests")).health


def test_something_else_in_a_blobs_place_is_moved_away(estate: Estate, tmp_path: Path) -> None:
    """A directory, a pipe and a link are no blobs; what a link leads to is not touched."""
    names = ["adapter_model.safetensors", "config.json", "tree math", "generation_config.json"]
    victims = [estate.root / place_of(_files(estate)[name]) for name in names]
    (tmp_path / "elsewhere").write_bytes(victims[2].read_bytes())
    for victim in victims:
        victim.unlink()
    victims[0].mkdir()
    (victims[0] / "inside").write_bytes(b"mine")
    os.mkfifo(victims[1])
    victims[2].symlink_to(tmp_path / "elsewhere")
    victims[3].symlink_to(tmp_path)
    repaired = _repair(estate, _copy(estate))

    assert "clean" == repaired.health
    assert 4 == len(repaired.quarantined)
    assert (tmp_path / "elsewhere").exists()
    assert estate.verify().is_clean


def test_damage_to_what_nothing_needs_is_moved_away(estate: Estate) -> None:
    """It is no loss, so the store is whole afterwards."""
    spare = estate.store.put(b"spare")
    _spoil(estate, spare, b"spore")

    assert "repairable" == estate.verify().health
    repaired = _repair(estate)
    assert ("clean", 1) == (repaired.health, len(repaired.quarantined))


def test_what_the_trash_has_replaces_what_is_damaged(estate: Estate) -> None:
    """In one go: the bad bytes go away, and the good ones that a collector set aside come back."""
    weights = _files(estate)["adapter_model.safetensors"]
    good = estate.store.get(weights)
    estate.store.attic.set_aside([weights], estate.now())
    blob = estate.root / place_of(weights)
    blob.write_bytes(b"bad")
    blob.chmod(0o444)
    repaired = _repair(estate)

    assert ("clean", (weights,), 1) == (repaired.health, repaired.brought_back, len(repaired.quarantined))
    assert good == blob.read_bytes()
    assert estate.verify().is_clean


def test_what_is_damaged_in_the_trash_goes_into_the_quarantine(estate: Estate) -> None:
    """It is never shown in its place, and a copy from elsewhere is."""
    weights = _files(estate)["adapter_model.safetensors"]
    estate.store.attic.set_aside([weights], estate.now())
    (grave,) = (estate.root / "trash").rglob(weights[7:])
    grave.chmod(0o644)
    grave.write_bytes(b"?" * grave.stat().st_size)
    repaired = _repair(estate)

    assert ("data-loss", (), 1) == (repaired.health, repaired.brought_back, len(repaired.quarantined))
    assert not grave.exists()
    again = _repair(estate, _copy(estate))
    assert ("clean", (weights,)) == (again.health, again.restored)
    assert estate.verify().is_clean


class Stubborn(Attic):
    """An attic that can move nothing away, as in a bucket where others write all the time."""

    def quarantine(self, digest: Digest, at: datetime) -> str | None:  # type: ignore[override] # as a bucket's does
        return None


def test_what_cannot_be_moved_away_is_not_tried_for_ever(estate: Estate) -> None:
    """It is told as it is, and the command comes to its end."""
    weights = _files(estate)["adapter_model.safetensors"]
    estate.store.attic.set_aside([weights], estate.now())
    (grave,) = (estate.root / "trash").rglob(weights[7:])
    grave.chmod(0o644)
    grave.write_bytes(b"?" * grave.stat().st_size)
    looks = itertools.count()

    def premises() -> Premises:
        assert next(looks) < 9, "it goes round and round"
        return estate.store.premises()

    doors = {**estate.doors(2, 14), "attic": Stubborn(estate.root)}
    doors.pop("retention")

    assert "clean" != repair(**doors, premises=premises, copies=()).health


def test_what_cannot_be_read_is_told_once_and_replaced_by_a_copy(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes from elsewhere lose nothing; without a copy it stays where it is."""
    weights, real = _files(estate)["adapter_model.safetensors"], durable.open_plain
    dead = (estate.root / place_of(weights)).stat().st_ino

    def refusing(path: Path) -> io.FileIO:
        if path.exists() and path.stat().st_ino == dead:
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(durable, "open_plain", refusing)
    alone = _repair(estate)
    assert ("could-not-check", [weights]) == (alone.health, [fault.digest for fault in alone.faults])
    repaired = _repair(estate, _copy(estate))

    assert ("clean", (weights,), ()) == (repaired.health, repaired.restored, repaired.quarantined)
    assert estate.verify().is_clean


class Unreachable:
    """A place that nobody answers at."""

    asked = 0

    def find(self, digest: Digest, size: int | None) -> Iterator[OpenFile]:
        """Fail."""
        self.asked += 1
        raise RegistryError("could not look at s3://models", why="Connection refused")


def test_a_place_that_cannot_be_asked_is_passed_over_and_told(estate: Estate) -> None:
    """The next one is asked; it costs one attempt, whatever was lost."""
    dead, lost = Unreachable(), list(_files(estate).values())
    for digest in lost:
        (estate.root / place_of(digest)).unlink()
    repaired = _repair(estate, dead, _copy(estate))

    assert ("clean", set(lost)) == (repaired.health, set(repaired.restored))
    assert 1 == dead.asked
    (told,) = repaired.unasked
    assert "Connection refused" in told


@dataclass(frozen=True)
class Breaking:
    """A copy whose line breaks in the middle."""

    size: int
    path: str = "copy"

    def open(self) -> BinaryIO:
        """A stream of half of it."""
        return cast("BinaryIO", self)

    def read(self, size: int = -1) -> bytes:
        """Break."""
        raise RegistryError("could not read s3://models", why="connection reset")

    def close(self) -> None:
        """Nothing is open."""


def test_a_copy_whose_line_breaks_is_no_copy(estate: Estate) -> None:
    """Nothing of it is kept, and the next place is asked."""
    weights = _files(estate)["adapter_model.safetensors"]
    size = len(estate.store.get(weights))
    (estate.root / place_of(weights)).unlink()
    place = SimpleNamespace(find=lambda digest, size_known: iter([Breaking(size)]))

    repaired = _repair(estate, place, _copy(estate))
    assert ("clean", (weights,)) == (repaired.health, repaired.restored)


def test_who_heals_a_blob_meanwhile_does_not_lose_it(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the finding and the moving somebody puts the right bytes: they stay."""
    weights = _files(estate)["adapter_model.safetensors"]
    good = estate.store.get(weights)
    _spoil(estate, weights, b"bad")
    from registry.verbs import repair as module

    real = module.quarantine

    def healed(*words: object, **parts: object) -> tuple[str, ...]:
        estate.store.put(good)
        return real(*words, **parts)  # type: ignore[arg-type] # handed on

    monkeypatch.setattr(module, "quarantine", healed)
    assert ("clean", ()) == (_repair(estate).health, _repair(estate).quarantined)
    assert good == estate.store.get(weights)


def test_the_quarantine_never_replaces_what_is_in_it(estate: Estate) -> None:
    """Twice within a second, both stay."""
    weights = _files(estate)["adapter_model.safetensors"]
    attic, now = estate.store.attic, estate.now()
    places = []
    for data in (b"bad", b"worse"):
        estate.store.put(DirectoryStore(estate.root.parent / "copy").get(weights))
        _spoil(estate, weights, data)
        places.append(attic.quarantine(weights, now))

    assert [b"bad", b"worse"] == [(estate.root / place).read_bytes() for place in places]


def test_putting_a_damaged_blob_again_heals_it(estate: Estate) -> None:
    """Also without repair: `pin` does, for one."""
    weights = _files(estate)["adapter_model.safetensors"]
    good = estate.store.get(weights)
    _spoil(estate, weights, b"bad")
    estate.store.put(good)

    assert estate.verify().is_clean
    assert digest_of(good) == weights


@pytest.mark.slow
def test_repair_as_it_is_typed(pinned: Scene) -> None:
    """The host has what the store lost; without it the exit code says that data is lost."""
    pinned.done("pull", "staging", "host")
    data = (pinned.root / "models/division/adapter_model.safetensors").read_bytes()
    blob = pinned.root / ".registry" / place_of(digest_of(data))
    blob.chmod(0o644)
    blob.write_bytes(data[:-1] + b"?")

    assert "data-loss" in pinned.done("verify", "--quarantine", code=5)
    assert not blob.exists()
    assert "missing" in pinned.done("repair", code=5)
    other = next(path for path in blob.parents[1].rglob("*") if path.is_file())
    other.chmod(0o644)
    assert other.name in pinned.done("repair", code=5)
    assert "clean" == pinned.read("repair", "--from", "manifests", "--from", "host")["health"]
    assert data == blob.read_bytes()
    assert "clean" in pinned.done("verify")
    pinned.done("repair", "--from", "nowhere", code=2)
