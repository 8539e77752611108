"""Writing many files at once, each hashed while it is written; all of them, or an error."""

import io
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, cast

from registry.adapters import durable
from registry.core.digest import DigestMismatch
from registry.core.tree import Entry

Open = Callable[[Entry], BinaryIO]

WRITTEN_NS = 315_532_800 * 10**9
"""The time of modification that every file of a release has: 1980-01-01.

Whoever writes to such a file later gives it a present time, so that even a change within the same clock tick as our
last look at it shows in its stat.
"""

_AT_ONCE = 4
FEW = 64
"""Up to so many small files are fsynced one by one, which waits for nothing that others have left dirty."""

_HANDED_OUT = 1024
"""Files that are handed out at once: what waits takes memory too."""


class _Stopped(Exception):
    """Another file failed, so this one is of no more use."""


def fill(root: Path, entries: Sequence[Entry], open: Open) -> None:
    """Write `entries` below `root`, a directory that nobody reads yet, a few files at a time.

    Every file is durable afterwards, of mode 0444 and modified at `WRITTEN_NS`; the names are not durable yet. Many
    small files are made durable by one call, where the system has one that tells all faults.

    Raises:
        DigestMismatch: A stream did not hold what its entry says.
        DiskFull: There is not enough room; where that can be foreseen, before anything is written.
        WriteFailed: The system would not do it.
    """
    _check_room(root, sum(entry.size for entry in entries))
    for entry in entries:
        make_parents(root, entry.path)
    small = [entry for entry in entries if entry.size < durable.PIECE_BYTES]
    stop, are_many = threading.Event(), len(small) > FEW and _is_at_hand(small[-1], open)
    with durable.synced_together(root) if are_many else nullcontext(enter_result=False) as is_together:
        # why in turn: threads that wait neither for a disk nor for a network fight for the interpreter.
        for entry in small if is_together else ():
            write_one(root / entry.path, entry, open, stop=stop, is_synced=False)
    rest = [entry for entry in entries if not is_together or entry.size >= durable.PIECE_BYTES]
    # why: the largest first, so that the last thread to end is not the one that got the largest file last.
    rest.sort(key=lambda entry: -entry.size)
    each(lambda entry: write_one(root / entry.path, entry, open, stop=stop, is_synced=True), rest, stop=stop)


def each(work: Callable[[Entry], None], entries: Sequence[Entry], *, stop: threading.Event | None = None) -> None:
    """Do `work` for each entry, a few at a time; after the first fault set `stop`, start no more, and raise it."""
    for start in range(0, len(entries), _HANDED_OUT):
        _each(work, entries[start : start + _HANDED_OUT], stop)


def _each(work: Callable[[Entry], None], entries: Sequence[Entry], stop: threading.Event | None) -> None:
    with ThreadPoolExecutor(min(_AT_ONCE, len(entries), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(work, entry) for entry in entries]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            # why: also when a person interrupts, no thread may go on writing into a directory that is being removed.
            if stop is not None and not all(future.done() for future in futures):
                stop.set()
            pool.shutdown(cancel_futures=True)
    faults = [fault for future in futures if not future.cancelled() and (fault := future.exception()) is not None]
    for fault in sorted(faults, key=lambda fault: isinstance(fault, _Stopped)):
        raise fault


def write_one(path: Path, entry: Entry, open: Open, *, stop: threading.Event, is_synced: bool) -> None:
    """Write one file at `path`, which is new; nothing is left there if it is not what `entry` says.

    It is durable if `is_synced`.

    Raises:
        DigestMismatch: The stream did not hold what `entry` says.
        WriteFailed: The system would not do it.
    """
    with open(entry) as content:
        bounded = cast("BinaryIO", _Bounded(content, entry.size + 1, stop))
        written = durable.write_new(path, bounded, mode=0o444, is_synced=is_synced)
    if (written.size, written.digest) != (entry.size, entry.digest):
        durable.discard(path)
        why = f"{entry.path} should be {entry.size} bytes of {entry.digest}, and is {written.size} of {written.digest}"
        raise DigestMismatch("a file is not what the manifest says", why=why, mend="run `registry verify`")
    os.utime(path, ns=(WRITTEN_NS, WRITTEN_NS))


def make_parents(root: Path, path: str) -> None:
    """Make the directories between `root` and `path`, readable by all whatever the umask."""
    directory = root
    for step in path.split("/")[:-1]:
        directory /= step
        if not directory.is_dir():
            with durable.explained(directory):
                directory.mkdir()
                directory.chmod(0o755)


def _is_at_hand(entry: Entry, open: Open) -> bool:
    """Whether the content of `entry` is read without waiting for anybody far away."""
    with open(entry) as content:
        return isinstance(content, io.BytesIO) or durable.plain_file(content) is not None


def _check_room(root: Path, needed: int) -> None:
    free = os.statvfs(root)
    room = free.f_bavail * free.f_frsize
    if room < needed:
        why = f"{needed} bytes are needed, {room} are free"
        raise durable.DiskFull(f"no room left below {root}", why=why, mend="free some space and pull again")


class _Bounded:
    """A stream that ends after `left` bytes, so that a blob that grew cannot fill the disk, and that can be stopped."""

    def __init__(self, content: BinaryIO, left: int, stop: threading.Event | None) -> None:
        self._content, self._left, self._stop = content, left, stop

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes."""
        if self._stop is not None and self._stop.is_set():
            raise _Stopped
        data = self._content.read(min(size, self._left))
        self._left -= len(data)
        return data

    def readinto(self, view: memoryview) -> int:
        """Read into `view`, without a copy where the stream can."""
        if self._stop is not None and self._stop.is_set():
            raise _Stopped
        part = view[: self._left]
        if (into := getattr(self._content, "readinto", None)) is None:
            data = self._content.read(len(part))
            part[: len(data)] = data
            count = len(data)
        else:
            count = int(into(part) or 0)
        self._left -= count
        return count
