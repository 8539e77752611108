"""kill -9 at each step of gc and of repair: the store is as sound as before, and the next run finishes."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.adapters import durable
from registry.adapters.hosts.directory import HostDirectory
from registry.adapters.ledgers.directory import DirectoryLedger
from registry.adapters.stores.copies import FromStore
from registry.adapters.stores.directory import DirectoryStore
from registry.core.bundle.trust import SeenLedger
from registry.core.digest import digest_of
from registry.core.store import place_of
from registry.verbs.repair import Repaired, repair
from tests.crash.power import Names, Recorder, look, names_below, states
from tests.store.estate import Estate, own

CALLS = ("fsync", "link", "rename", "unlink")


def _in_a_child(do: Callable[[], object], at: int) -> bool:
    """Do it in a process that kills itself before the `at`-th call that changes the disk; whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            _arm(at)
            do()
            os._exit(0)
        finally:
            os._exit(1)  # why: a fault must not run on as a second pytest
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == signal.SIGKILL


def _arm(at: int) -> None:
    count = [0]

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **parts: Any) -> Any:
            count[0] += 1
            if count[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **parts)

        return call

    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name)))


def _kills(estate: Estate, do: Callable[[Estate], object]) -> Iterator[Estate]:
    """For each call: a copy of `estate` in which `do` was killed just before it."""
    for at in range(1, 1000):
        root = estate.root.parent / f"killed {at}"
        shutil.copytree(estate.root, root, symlinks=True)
        copy = Estate(root, desk=estate.desk, days=estate.days, models=estate.models)
        was_killed = _in_a_child(lambda copy=copy: do(copy), at)  # type: ignore[misc] # bound now, on purpose
        yield copy
        shutil.rmtree(root)
        if not was_killed:
            assert at > 5, "there is nothing to be killed at"
            return


@pytest.fixture
def estate(in_memory: Path) -> Estate:
    """A stage that has outlived two of its models; one of them is to come back from the trash, one to be deleted."""
    estate = Estate(in_memory / "store")
    for name in ("first", "second", "third", "fourth", "fifth"):
        estate.promote(estate.add(adapter=name))
    estate.days = 20
    estate.gc()
    estate.promote(estate.models[0])
    estate.make(adapter="orphan")
    estate.days = 60
    return estate


@pytest.mark.slow
def test_a_killed_collector_loses_nothing_and_the_next_one_finishes(estate: Estate) -> None:
    """It brings something back, sets something aside and deletes something; killed before each call of each."""
    plan = estate.survey()
    assert min(plan.set_aside.blobs, plan.deleted.blobs, plan.brought_back.blobs) > 0
    done = Estate(estate.root.parent / "done", desk=estate.desk, days=estate.days)
    shutil.copytree(estate.root, done.root)
    done.gc()
    for killed in _kills(estate, Estate.gc):
        assert killed.glance().health in ("clean", "repairable")
        assert all(killed.store.get(digest) for digest in own(estate.models[0], killed.store))
        killed.gc()

        assert done.blobs() == killed.blobs()
        assert killed.verify().is_clean


def _mend(estate: Estate) -> Repaired:
    return repair(
        store=estate.store,
        attic=estate.store.attic,
        ledger=estate.desk.ledger,
        genesis=estate.desk.genesis,
        premises=estate.store.premises,
        copies=[FromStore(DirectoryStore(estate.root.parent / "copy"))],
        clock=estate,
    )


@pytest.mark.slow
def test_a_killed_repair_loses_nothing_and_the_next_one_finishes(estate: Estate) -> None:
    """One blob is damaged and one is lost; the damaged bytes are somewhere at every moment."""
    estate.gc()
    shutil.copytree(estate.root, estate.root.parent / "copy")
    last, before = estate.models[4], estate.blobs()
    bad, lost = sorted(own(last, estate.store))
    (estate.root / place_of(lost)).unlink()
    (estate.root / place_of(bad)).chmod(0o644)
    (estate.root / place_of(bad)).write_bytes(b"bad")
    for killed in _kills(estate, _mend):
        assert before - {bad, lost} <= killed.blobs()
        kept = [*(killed.root / "quarantine").glob("*"), killed.root / place_of(bad)]
        assert b"bad" in [path.read_bytes() for path in kept if path.exists()]
        assert "clean" == _mend(killed).health
        assert killed.verify().is_clean


def test_who_reads_an_entry_makes_its_name_durable(tmp_path: Path) -> None:
    """The writer died between the name and its fsync; who reads the entry may act on it, so it must not go again."""
    ledger = DirectoryLedger(tmp_path / "ledger")
    ledger.put_if_absent(0, b"old")
    before = names_below(tmp_path)
    first, second = Recorder(tmp_path), Recorder(tmp_path)
    with first.recording():
        ledger.put_if_absent(1, b"new")
    named = max(at for at, event in enumerate(first.events) if isinstance(event, Names) and _gives(event)) + 1
    with second.recording():
        assert (b"old", b"new") == tuple(ledger.read())
        second.told()
    told = [state for state in states([*first.events[:named], *second.events], before) if state[2]]

    assert {"whole"} == {look(tmp_path.stat().st_ino, f"ledger/{1:020d}.json", state) for state in told}


def test_who_believes_what_a_host_remembers_makes_it_durable(tmp_path: Path) -> None:
    """A pull that was killed has seen more than a power cut would leave; the next one does not write it again."""
    seen = SeenLedger(genesis=digest_of(b"0"), index=7, entry=digest_of(b"7"))
    host = HostDirectory(tmp_path / "host")
    (tmp_path / "host").mkdir()
    host.remember(seen.model_copy(update={"index": 6}))
    before = names_below(tmp_path)
    first, second = Recorder(tmp_path), Recorder(tmp_path)
    with first.recording():
        host.remember(seen)
    named = max(at for at, event in enumerate(first.events) if isinstance(event, Names) and _gives(event)) + 1
    inode = (tmp_path / "host" / "seen.json").stat().st_ino
    with second.recording():
        host.remember(seen)
        second.told()
    place = (tmp_path / "host").stat().st_ino, "seen.json"
    told = [state for state in states([*first.events[:named], *second.events], before) if state[2]]

    assert {inode} == {state[0].get(place) for state in told}


def test_a_process_makes_the_directories_durable_that_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may have been made by somebody who was killed before that; so it is asked of each once, and not again."""
    synced: list[str] = []
    (tmp_path / "store" / "blobs").mkdir(parents=True)
    monkeypatch.setattr(durable.files, "confirm", lambda path: synced.append(path.name))
    durable.make_directory(tmp_path / "store" / "blobs")
    durable.make_directory(tmp_path / "store" / "blobs")

    assert ["blobs", "store"] == synced[:2]
    assert 1 == synced.count("blobs")


def _gives(event: Names) -> bool:
    """Whether a name was given, and not only taken away."""
    return any(inode is not None for _, inode in event.changes)
