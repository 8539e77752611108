"""Making bytes and names durable, and telling why that failed."""

import errno
import fcntl
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from registry.errors import RegistryError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_AT_ONCE = 8
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class WriteFailed(RegistryError):
    """Bytes could not be made durable; nothing was acknowledged, and what was there before still is."""


class DiskFull(WriteFailed):
    """There is no room for the bytes; nothing of them was kept."""


@contextmanager
def folder(path: Path) -> Iterator[int]:
    """Hold the directory `path` open, so that what happens to its name meanwhile does not matter."""
    fd = os.open(path, _FOLDER)
    try:
        yield fd
    finally:
        os.close(fd)


def sync(fd: int) -> None:
    """Make a file or directory durable, down to the medium."""
    # why: on macOS fsync stops at the drive's cache.
    if full := getattr(fcntl, "F_FULLFSYNC", None):
        fcntl.fcntl(fd, full)
    else:
        os.fsync(fd)


def sync_folders(places: Collection[Path]) -> None:
    """Make the names in each of these directories durable, many at a time: they wait for the disk together.

    Raises:
        OSError: The first fault.
    """

    def one(place: Path) -> None:
        with folder(place) as directory:
            sync(directory)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for _ in threads.map(one, places):
            pass


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Tell the system's refusals about `path` as what, why and how to mend it."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if error.errno in _FULL:
            mend = "free some space and run the same command again; nothing half-written was kept"
            raise DiskFull(f"no room left to write {path}", why=why, mend=mend) from error
        mend = "after a fault of the disk, check it and run `registry verify`" if error.errno == errno.EIO else ""
        raise WriteFailed(f"{path} could not be written", why=why, mend=mend) from error
