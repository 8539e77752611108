"""A power cut at any moment: what was acknowledged is there, and what is there is whole."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from registry.adapters import durable
from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.stores import directory
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import digest_of
from registry.core.store import place_of
from registry.testing.store import Offered
from tests.crash.power import Event, Names, Recorder, Synced, look, names_below, states


@dataclass(frozen=True)
class Plain(Offered):
    """A plain file."""

    def open(self) -> BinaryIO:
        """Open it."""
        content = io.FileIO(os.memfd_create(self.path), "r+")
        content.write(self.data)
        content.seek(0)
        return cast("BinaryIO", content)


BLOB = place_of(digest_of(b"new"))
WRITES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "put_if_absent": ("entry", lambda root: durable.put_if_absent(root / "entry", b"new")),
    "replace": ("lock", lambda root: durable.replace(root / "lock", b"new")),
    "ledger": (f"ledger/{0:020d}.json", lambda root: DirectoryLedger(root / "ledger").put_if_absent(0, b"new")),
    "put": (BLOB, lambda root: DirectoryStore(root).put(b"new")),
    "put_files": (BLOB, lambda root: DirectoryStore(root).put_files([Offered("a", b"new")])),
    "batch": (BLOB, lambda root: DirectoryStore(root).put_files([Plain("a", b"new")])),
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small file is enough for a batch."""
    monkeypatch.setattr(directory, "FEW", 0)


def record(root: Path, write: Callable[[Path], object]) -> tuple[list[Event], dict[tuple[int, str], int]]:
    """What `write` asks of the system below `root`, and the names that were there before."""
    before = names_below(root)
    recorder = Recorder(root)
    with recorder.recording():
        write(root)
        recorder.told()
    return recorder.events, before


@pytest.mark.parametrize("name", WRITES)
def test_after_a_cut_it_is_whole_or_not_there_and_there_if_it_was_told(name: str, tmp_path: Path) -> None:
    """In each of the states that the calls allow."""
    path, write = WRITES[name]
    events, before = record(tmp_path, write)
    seen = set()
    for state in states(events, before):
        found = look(tmp_path.stat().st_ino, path, state)
        seen.add((found, state[2]))

    assert seen == {(None, False), ("whole", False), ("whole", True)}


@pytest.mark.parametrize("name", ["put", "put_files", "batch"])
def test_healing_never_loses_the_name(name: str, tmp_path: Path) -> None:
    """The damaged blob is replaced in one step: at every moment there is one blob of that name, and it is not torn."""
    path, write = WRITES[name]
    write(tmp_path)
    (tmp_path / path).chmod(0o644)
    (tmp_path / path).write_bytes(b"bad")
    bad = (tmp_path / path).stat().st_ino
    events, before = record(tmp_path, write)
    for state in states(events, before):
        found = look(tmp_path.stat().st_ino, path, state)

        assert found == "whole"
        assert not state[2] or bad not in state[0].values()


def test_a_reader_of_a_replaced_file_has_the_old_or_the_new(tmp_path: Path) -> None:
    """There is no state without one of them."""
    durable.replace(tmp_path / "lock", b"old")
    events, before = record(tmp_path, lambda root: durable.replace(root / "lock", b"new"))

    assert {look(tmp_path.stat().st_ino, "lock", state) for state in states(events, before)} == {"whole"}


@pytest.mark.parametrize("name", WRITES)
def test_the_model_sees_what_a_missing_fsync_costs(name: str, tmp_path: Path) -> None:
    """The same calls without one kind of fsync must fail the tests above, or those would prove nothing."""
    path, write = WRITES[name]
    events, before = record(tmp_path, write)
    root = tmp_path.stat().st_ino
    directories = {found[0] for found in names_below(tmp_path)} | {root}
    without_file = [event for event in events if not isinstance(event, Synced) or event.inode in directories]
    without_names = [event for event in events if not isinstance(event, Synced) or event.inode not in directories]

    assert any(look(root, path, state) == "torn" for state in states(without_file, before))
    assert any(look(root, path, state) is None and state[2] for state in states(without_names, before))


def test_who_finds_a_blob_makes_its_name_durable(tmp_path: Path) -> None:
    """The first writer died between the name and its fsync; the second one finds the blob, and must not believe."""
    store = DirectoryStore(tmp_path / "store")
    store.put(b"other")
    before = names_below(tmp_path)
    first, second = Recorder(tmp_path), Recorder(tmp_path)
    with first.recording():
        store.put(b"new")
    linked = max(at for at, event in enumerate(first.events) if isinstance(event, Names)) + 1
    with second.recording():
        store.put(b"new")
        second.told()
    told = [state for state in states([*first.events[:linked], *second.events], before) if state[2]]

    assert {look(tmp_path.stat().st_ino, f"store/{BLOB}", state) for state in told} == {"whole"}
