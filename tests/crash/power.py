"""What a power cut may leave: every state of a disk that the calls so far allow, by the weakest promises of POSIX.

A file's bytes are whole only after an fsync of the file; before it they may be torn. A name that was given or taken is
certain only after an fsync of its directory; before it any of the changes may be there and any other not. A rename
between directories is one change, and an fsync of either makes it certain. A mode is as it was until its inode is
fsynced. A syncfs is an fsync of everything that was done before it. This is weaker than what any one file system
does, so what survives it survives them all.
"""

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

from registry.adapters.durable import together

CALLS = ("open", "write", "fsync", "link", "symlink", "rename", "unlink", "rmdir", "mkdir", "chmod", "fchmod")
"""The calls of `os` that are listened to."""

Name = tuple[int, str]
"""A name: the inode of its directory, and the name there."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names that now lead to an inode, or to None."""

    changes: tuple[tuple[Name, int | None], ...]


@dataclass(frozen=True, slots=True)
class Synced:
    """An inode that was fsynced; None for all that there are."""

    inode: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """An inode whose bytes changed."""

    inode: int


@dataclass(frozen=True, slots=True)
class Moded:
    """An inode that had this mode before."""

    inode: int
    before: int


@dataclass(frozen=True, slots=True)
class Told:
    """The caller was told that it is done."""


Event = Names | Synced | Written | Moded | Told
State = tuple[dict[Name, int], set[int], bool, dict[int, int]]
"""The names, the torn inodes, whether the caller was told, and modes that are as they were before."""


class Killed(BaseException):
    """The process is dead: none of its calls does anything any more."""


Found = str | None
"""What lies at a path after a power cut: `whole`, `torn`, or None."""


@dataclass(slots=True)
class Recorder:
    """Notes what the system is asked to do below `root`, while it does it."""

    root: Path
    events: list[Event] = field(default_factory=list)
    dies_at: int | None = None
    """After so many events every call is the last one."""

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Listen to the calls of `os` that change a disk."""
        wraps = {name: self._wrap(name) for name in CALLS}
        with patch.multiple(os, **wraps), patch.object(together, "syncfs", self._wrap_syncfs()):
            yield

    def told(self) -> None:
        """The caller has its answer now."""
        self.events.append(Told())

    def _wrap(self, call: str) -> Any:
        real, note = getattr(os, call), getattr(self, f"_{call}")

        def wrapped(*words: Any, **parts: Any) -> Any:
            if self.dies_at is not None and len(self.events) >= self.dies_at:
                raise Killed
            before = _stat(words[0]).st_mode if call in ("chmod", "fchmod") else None
            done = real(*words, **parts)
            note(done if before is None else before, *words, **parts)
            return done

        return wrapped

    def _wrap_syncfs(self) -> Any:
        real = together.syncfs

        def wrapped(fd: int) -> None:
            if self.dies_at is not None and len(self.events) >= self.dies_at:
                raise Killed
            real(fd)
            self.events.append(Synced(None))

        return wrapped

    def _name(self, path: Any, directory: int | None) -> Name:
        path = Path(path)
        return os.stat(path.parent, dir_fd=directory).st_ino, path.name

    def _open(self, fd: int, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        if flags & os.O_CREAT:
            self.events.append(Names(((self._name(path, dir_fd), os.fstat(fd).st_ino),)))

    def _write(self, _: int, fd: int, data: bytes) -> None:
        self.events.append(Written(os.fstat(fd).st_ino))

    def _fsync(self, _: None, fd: int) -> None:
        self.events.append(Synced(os.fstat(fd).st_ino))

    def _link(
        self,
        _: None,
        old: Any,
        new: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        inode = os.stat(new, dir_fd=dst_dir_fd, follow_symlinks=False).st_ino
        self.events.append(Names(((self._name(new, dst_dir_fd), inode),)))

    def _symlink(self, _: None, target: Any, new: Any, *more: Any, dir_fd: int | None = None) -> None:
        inode = os.stat(new, dir_fd=dir_fd, follow_symlinks=False).st_ino
        self.events.append(Names(((self._name(new, dir_fd), inode),)))

    def _rename(
        self, _: None, old: Any, new: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        inode = os.stat(new, dir_fd=dst_dir_fd, follow_symlinks=False).st_ino
        self.events.append(Names(((self._name(new, dst_dir_fd), inode), (self._name(old, src_dir_fd), None))))

    def _chmod(self, before: int, path: Any, *more: Any, **parts: Any) -> None:
        self.events.append(Moded(_stat(path).st_ino, before))

    _fchmod = _chmod

    def _unlink(self, _: None, path: Any, *, dir_fd: int | None = None) -> None:
        self.events.append(Names(((self._name(path, dir_fd), None),)))

    def _rmdir(self, _: None, path: Any, *, dir_fd: int | None = None) -> None:
        self.events.append(Names(((self._name(path, dir_fd), None),)))

    def _mkdir(self, _: None, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        inode = os.stat(path, dir_fd=dir_fd).st_ino
        self.events.append(Names(((self._name(path, dir_fd), inode),)))


def _stat(place: Any) -> os.stat_result:
    return os.fstat(place) if isinstance(place, int) else Path(place).stat()


def states(events: Sequence[Event], before: dict[Name, int]) -> Iterator[State]:
    """Every state that a cut after any of `events` may leave: the names, the torn inodes, whether the caller was told.

    `before` are the names that were durable at the start.
    """
    for cut in range(len(events) + 1):
        past = events[:cut]
        certain, unsure = _sorted_out(past)
        for chosen in product((False, True), repeat=len(unsure)):
            kept = {at for at, is_kept in zip(unsure, chosen, strict=True) if is_kept}
            yield _state_of(past, before, kept | certain)


def drawn_state(events: Sequence[Event], before: dict[Name, int], draw: random.Random, *, least: int = 0) -> State:
    """One of those states: a third have none of the changes that are not certain, a third all, the others some.

    No cut comes before `least` events.
    """
    past = events[: draw.randrange(least, len(events) + 1)]
    certain, unsure = _sorted_out(past)
    chance = draw.choice((0.0, 1.0, draw.random()))
    return _state_of(past, before, {at for at in unsure if draw.random() < chance} | certain)


def _state_of(past: Sequence[Event], before: dict[Name, int], kept: set[int]) -> State:
    """The state in which of all changes of names those at `kept` have happened."""
    names = dict(before)
    for at in sorted(kept):
        event = past[at]
        assert isinstance(event, Names)
        for name, inode in event.changes:
            names.pop(name, None) if inode is None else names.__setitem__(name, inode)
    torn = {
        event.inode
        for at, event in enumerate(past)
        if isinstance(event, Written) and not _is_synced(past[at:], event.inode)
    }
    modes: dict[int, int] = {}
    for at, event in enumerate(past):
        if isinstance(event, Moded) and not _is_synced(past[at:], event.inode):
            modes.setdefault(event.inode, event.before)
    return names, torn, any(isinstance(event, Told) for event in past), modes


def look(root: int, path: str, state: State) -> Found:
    """What lies at `path` below the directory with the inode `root`."""
    names, torn, *_ = state
    inode: int | None = root
    for step in path.split("/"):
        inode = names.get((inode, step)) if inode is not None else None
    return None if inode is None else "torn" if inode in torn else "whole"


def names_below(root: Path) -> dict[Name, int]:
    """The names that are there now."""
    found: dict[Name, int] = {}
    for path in root.rglob("*"):
        found[path.parent.stat().st_ino, path.name] = path.lstat().st_ino
    return found


def _sorted_out(past: Sequence[Event]) -> tuple[set[int], list[int]]:
    """The changes of names that are certain, and those that may or may not have happened."""
    certain, unsure = set(), []
    for at, event in enumerate(past):
        if isinstance(event, Names):
            directories = {name[0] for name, _ in event.changes}
            if any(_is_synced(past[at:], directory) for directory in directories):
                certain.add(at)
            else:
                unsure.append(at)
    return certain, unsure


def _is_synced(later: Sequence[Event], inode: int) -> bool:
    return any(isinstance(event, Synced) and event.inode in (inode, None) for event in later)
