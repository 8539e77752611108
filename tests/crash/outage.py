"""A power cut at any moment of a whole verb: the disk as it may be then is made anew, and everything must hold."""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from registry.adapters.durable import files as durable_files
from registry.adapters.hosts import filling
from registry.adapters.stores import directory as directory_store
from tests.crash.power import Event, Killed, Name, Recorder, State, names_below
from tests.crash.scenes import VERBS, Before, Scene, look

_open = os.open
"""The system's own, which nobody listens to."""


@dataclass(slots=True)
class Holding(Recorder):
    """Notes what is done below `root`, and holds every file that was ever there, so that no inode is used again."""

    held: dict[int, int] = field(default_factory=dict)

    def hold_all(self) -> None:
        """Hold what is there now."""
        for path in self.root.rglob("*"):
            self._hold(path)
        self._hold(self.root)

    def _hold(self, path: Path, directory: int | None = None) -> None:
        fd = _open(path, os.O_PATH | os.O_NOFOLLOW, dir_fd=directory)
        if self.held.setdefault(os.fstat(fd).st_ino, fd) != fd:
            os.close(fd)

    def _open(self, fd: int, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        # why so spelled: a dataclass with slots is another class than the one that `super()` would look for.
        Recorder._open(self, fd, path, flags, mode, dir_fd=dir_fd)
        if flags & os.O_CREAT and (inode := os.fstat(fd).st_ino) not in self.held:
            # why not dup: that would share its lock, and hold it when the process is dead.
            self.held[inode] = _open(f"/proc/self/fd/{fd}", os.O_PATH)

    def _mkdir(self, done: None, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        Recorder._mkdir(self, done, path, mode, dir_fd=dir_fd)
        self._hold(Path(path), dir_fd)

    def _symlink(self, done: None, target: Any, new: Any, *more: Any, dir_fd: int | None = None) -> None:
        Recorder._symlink(self, done, target, new, *more, dir_fd=dir_fd)
        assert dir_fd is None
        self._hold(Path(new))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A verb that was done once: what it asked of the system, and every inode that it met."""

    verb: str
    root: int
    names: dict[Name, int]
    events: Sequence[Event]
    held: dict[int, int]
    before: Before

    def close(self) -> None:
        """Let go of the inodes."""
        for fd in self.held.values():
            os.close(fd)


def record(scene: Scene, *, dies_at: int | None = None) -> Recorded:
    """Do the verb in this process, while every call is noted; first die at a call, if that is said."""
    recorder, before = Holding(scene.parent), look(scene)
    recorder.hold_all()
    names, root = names_below(scene.parent), scene.parent.stat().st_ino
    if dies_at is not None:
        recorder.dies_at = dies_at
        with suppress(Killed):
            _live(scene, recorder)
        recorder.dies_at = None
    _live(scene, recorder)
    recorder.told()
    return Recorded(scene.verb, root, names, recorder.events, recorder.held, before)


def _live(scene: Scene, recorder: Holding) -> None:
    durable_files._made.clear()  # why: it is about this process, which is none of the verb's
    with (
        _as_typed(scene) as said,
        patch.object(directory_store, "FEW", 0),
        patch.object(filling, "FEW", 0),
        recorder.recording(),
    ):
        _do(said)


@contextmanager
def _as_typed(scene: Scene) -> Iterator[StringIO]:
    here = Path.cwd()
    os.chdir(scene.project.root)
    words = ["registry", *VERBS[scene.verb]]
    try:
        with (
            patch.dict(os.environ, scene.project.environment, clear=True),
            patch.object(sys, "argv", words),
            redirect_stdout(StringIO()),
            redirect_stderr(said := StringIO()),
        ):
            yield said
    finally:
        os.chdir(here)


def _do(said: StringIO) -> None:
    from registry.cli import main

    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, said.getvalue()


def restore(done: Recorded, state: State, place: Path) -> Scene:
    """Make the disk as `state` has it, at `place`; what is torn has lost its second half."""
    names, torn, _, modes = state
    below: dict[int, list[tuple[str, int]]] = {}
    for (directory, name), inode in names.items():
        below.setdefault(directory, []).append((name, inode))
    held = {inode: (fd, modes.get(inode)) for inode, fd in done.held.items()}
    _make(place, done.root, below, held, torn)
    return Scene(done.verb, place)


def _make(
    path: Path,
    inode: int,
    below: dict[int, list[tuple[str, int]]],
    held: dict[int, tuple[int, int | None]],
    torn: set[int],
) -> None:
    fd, mode = held[inode]
    found = os.fstat(fd)
    if stat.S_ISLNK(found.st_mode):
        path.symlink_to(os.readlink("", dir_fd=fd))
    elif stat.S_ISDIR(found.st_mode):
        path.mkdir(parents=True)
        for name, child in below.get(inode, []):
            _make(path / name, child, below, held, torn)
        path.chmod((mode or found.st_mode) & 0o7777)
    else:
        data = Path(f"/proc/self/fd/{fd}").read_bytes()
        path.write_bytes(data[: len(data) // 2] if inode in torn else data)
        path.chmod((mode or found.st_mode) & 0o7777)
        os.utime(path, ns=(found.st_mtime_ns, found.st_mtime_ns))
