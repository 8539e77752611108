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
_NO_FULL = frozenset({errno.ENOTSUP, errno.ENOTTY, errno.EINVAL})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_MENDS = {
    frozenset({errno.EIO}): "after a fault of the disk, check it and run `registry verify`",
    frozenset({errno.EACCES, errno.EPERM}): "see who owns it and who may use it (`ls -ld`), and run the command again",
    frozenset({errno.EROFS}): "it is mounted read-only; work where it can be written to",
    frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL}): (
        "something else lies in its place; move that away, and run the same command again"
    ),
    frozenset({errno.EXDEV}): "it is on another file system; let the whole store lie on one",
    frozenset({errno.EMFILE, errno.ENFILE}): "let more files be open (`ulimit -n`), and run the same command again",
}
_MEND = "put that right, and run the same command again"


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
    # why: on macOS fsync stops at the drive's cache; but shares and some drives there know only fsync.
    if full := getattr(fcntl, "F_FULLFSYNC", None):
        try:
            fcntl.fcntl(fd, full)
        except OSError as error:
            if error.errno not in _NO_FULL:
                raise
        else:
            return
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
            mend = "free some space, or inodes (`df -i`), and run the same command again; nothing half-written was kept"
            raise DiskFull(f"no room left to write {path}", why=why, mend=mend) from error
        raise WriteFailed(f"{path} could not be written", why=why, mend=mend_of(error)) from error


def mend_of(error: OSError) -> str:
    """What can be done about what the system refused."""
    return next((mend for numbers, mend in _MENDS.items() if error.errno in numbers), _MEND)
