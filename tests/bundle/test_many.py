"""A release of many small files: they become durable together, and nothing of them is shown before they are."""

import errno
import io
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from registry.adapters import durable
from registry.adapters.durable import together
from registry.adapters.hosts import filling
from registry.adapters.hosts.directory import HostDirectory
from registry.core.digest import hex_of
from registry.core.tree import Tree
from registry.errors import RegistryError
from registry.ports import Delivered
from registry.testing.host import tree_of_files
from tests.crash.power import Recorder, drawn_state, look, names_below

MANY = filling.FEW + 1
SMALL = {f"{number % 3}/{number}.json": b"%d" % number * 100 for number in range(MANY)}
FILES = {**SMALL, "large": b"x" * durable.PIECE_BYTES}
needs_batches = pytest.mark.skipif(together._libc() is None, reason="this system does not tell all faults")


class Far(io.BufferedReader):
    """A stream of bytes that come from somewhere."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


def deliver(
    host: HostDirectory, files: dict[str, bytes], *, stream: Callable[[bytes], BinaryIO] = io.BytesIO
) -> Delivered:
    """Deliver `files`, each as a `stream`."""
    with host.hold():
        return host.deliver(tree_of_files(files), lambda entry: stream(files[entry.path]))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked for, in order: `fsync` of a file, `syncfs`, `switch`."""
    found: list[str] = []
    fsync, syncfs, rename = os.fsync, together.syncfs, os.rename

    def told_fsync(fd: int) -> None:
        found.extend(["fsync"] if Path(f"/proc/self/fd/{fd}").readlink().name in ("large", "0.json") else [])
        fsync(fd)

    def told_syncfs(fd: int) -> None:
        syncfs(fd)
        found.append("syncfs")

    def told_rename(source: str, target: str, **parts: int) -> None:
        rename(source, target, **parts)
        found.extend(["shown"] if len(target) == 64 else [])

    monkeypatch.setattr(os, "fsync", told_fsync)
    monkeypatch.setattr(together, "syncfs", told_syncfs)
    monkeypatch.setattr(os, "rename", told_rename)
    return found


@needs_batches
def test_one_call_makes_many_small_files_durable_before_they_are_shown(tmp_path: Path, calls: list[str]) -> None:
    """A large one has an fsync of its own; the first call asks for what others have left to be told."""
    deliver(HostDirectory(tmp_path / "host"), FILES)

    assert ["syncfs", "syncfs", "fsync", "shown"] == calls


@pytest.mark.parametrize("why", ["few", "not told", "far away"])
def test_elsewhere_each_file_is_fsynced(
    why: str, tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are few, where the system would not tell of all faults, and where it takes time to get them."""
    if why == "few":
        monkeypatch.setattr(filling, "FEW", MANY)
    if why == "not told":
        monkeypatch.setattr(together, "_KINDS", frozenset[int]())
    deliver(HostDirectory(tmp_path / "host"), FILES, stream=Far if why == "far away" else io.BytesIO)

    assert ["fsync", "fsync", "shown"] == calls


@needs_batches
@pytest.mark.parametrize(("number", "fault"), [(errno.EIO, durable.WriteFailed), (errno.ENOSPC, durable.DiskFull)])
def test_of_files_that_may_not_be_durable_nothing_is_shown(
    number: int, fault: type[RegistryError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is final; the host shows what it showed, and keeps nothing."""
    host, asked, real = HostDirectory(tmp_path / "host"), list[int](), together.syncfs
    deliver(host, {"model": b"first"})
    before = host.current()

    def failing(fd: int) -> None:
        asked.append(fd)
        if len(asked) > 1:
            raise OSError(number, os.strerror(number))
        real(fd)

    monkeypatch.setattr(together, "syncfs", failing)
    with pytest.raises(fault):
        deliver(host, FILES)

    assert 2 == len(asked)
    assert before == host.current()
    assert [] == list((host.path / "staging").iterdir())
    assert 1 == len(list((host.path / "releases").iterdir()))


def test_a_stream_that_lies_leaves_nothing(tmp_path: Path) -> None:
    """One of many small files is not what its entry says."""
    host = HostDirectory(tmp_path / "host")
    with host.hold(), pytest.raises(RegistryError, match="not what the manifest says"):
        host.deliver(tree_of_files(FILES), lambda entry: io.BytesIO(FILES[entry.path].replace(b"64", b"46")))

    assert host.current() is None
    assert [] == [*(host.path / "staging").iterdir(), *(host.path / "releases").iterdir()]


def whole(tree: Tree, root: int, state: tuple[object, ...]) -> set[str | None]:
    """How the files of the release `tree` are found."""
    home = f"host/releases/{hex_of(tree.digest)}"
    return {look(root, f"{home}/{entry.path}", state) for entry in tree.entries}  # type: ignore[arg-type]


@needs_batches
def test_a_power_cut_leaves_the_whole_release_or_none(tmp_path: Path) -> None:
    """Whatever was not synced is torn; a release that was told of is there, and no file of one is torn."""
    root, tree, draw = tmp_path.stat().st_ino, tree_of_files(FILES), random.Random(1)
    before, recorder = names_below(tmp_path), Recorder(tmp_path)
    with recorder.recording():
        deliver(HostDirectory(tmp_path / "host"), FILES)
        recorder.told()
    states = [drawn_state(recorder.events, before, draw, least=cut) for cut in (0, len(recorder.events)) * 60]

    assert {True, False} == {state[2] for state in states}
    for state in states:
        found = whole(tree, root, state)
        assert found in ([{"whole"}] if state[2] else [{"whole"}, {None}])
