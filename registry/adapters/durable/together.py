"""Many small files that become durable together, by one call of the system instead of one for each.

`syncfs` makes all of a file system durable, and tells every fault since its descriptor was opened; so each batch opens
its own, before it writes. It writes out what others have left dirty, too, which the disk would have had to take anyway.
Only where that call is known to tell all faults is it relied on: from Linux 5.17 on (before, what a file system said
of its own journal was dropped), and on file systems that were looked at. Elsewhere files are fsynced one by one.

Source: syncfs(2); J. Layton, vfs: track per-sb writeback errors and report them to syncfs (Linux 5.8); D. Wong, vfs:
make sync_filesystem return errors from ->sync_fs (Linux 5.17).
"""

import errno
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from registry.adapters.durable.copying import clone, plain_file
from registry.adapters.durable.sinks import write_all
from registry.adapters.durable.syncing import explained, folder
from registry.adapters.durable.temporary import Draft, lock, new_name

_TELLS_ALL_FROM = (5, 17)
_KINDS = frozenset({0xEF53, 0x58465342, 0x9123683E, 0x01021994})  # ext2 to ext4, XFS, btrfs, tmpfs
_NO_CALL = frozenset({errno.ENOSYS, errno.EPERM, errno.EACCES})  # what a sandbox says of calls that it does not allow
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_RDWR
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WORTH_SHARING_BYTES = 64 * 1024
_STATFS_BYTES = 256
_LONG_BYTES = 8


@dataclass(slots=True)
class Batch:
    """Files that are being made in the directory `fd`, which is ours alone, and locked while we live."""

    fd: int
    made: int = field(default=0)

    def write(self, data: bytes, *, mode: int, source: BinaryIO | None = None) -> tuple[Draft, os.stat_result]:
        """Make a file of `data`, which is durable after `sync`; and how it looks to the system.

        Args:
            data: All of its bytes.
            mode: Its mode.
            source: What `data` was read from, if that will not change: larger files share its blocks where they can.
        """
        draft = Draft(self.fd, str(self.made))
        self.made += 1
        fd = os.open(draft.name, _NEW, mode, dir_fd=self.fd)
        try:
            if not (len(data) >= _WORTH_SHARING_BYTES and source and _share(source, fd)):
                write_all(fd, data)
            found = os.fstat(fd)
            if found.st_mode & 0o7777 != mode:
                os.fchmod(fd, mode)  # why: the umask has taken from it
        finally:
            os.close(fd)
        return draft, found

    def sync(self) -> None:
        """Make everything that was written so far durable; a fault is final."""
        syncfs(self.fd)


@contextmanager
def batch(directory: int) -> Iterator[Batch]:
    """A batch in the open `directory`, of which nothing is left afterwards but what was given a name."""
    name, fd = _make(directory)
    try:
        yield Batch(fd)
    finally:
        try:
            with os.scandir(fd) as left:
                for one in left:
                    os.unlink(one.name, dir_fd=fd)
            os.rmdir(name, dir_fd=directory)
        finally:
            os.close(fd)  # why also then: while it is open it counts as being made, and nobody would sweep it.


def _make(directory: int) -> tuple[str, int]:
    """Make a directory and lock it; its name and its descriptor, which the caller closes."""
    while True:
        os.mkdir(name := new_name(), 0o700, dir_fd=directory)
        with suppress(FileNotFoundError):
            fd = os.open(name, _FOLDER, dir_fd=directory)
            # why: a sweeper may have taken it for litter between the calls; then it is gone, so make another.
            if lock(fd) is not False and os.fstat(fd).st_nlink > 0:
                return name, fd
            os.close(fd)


@contextmanager
def synced_together(directory: Path) -> Iterator[bool]:
    """Whether files that are made below `directory` meanwhile need no sync of their own: here, all become durable.

    Nobody may look for any of them by its name before.

    Raises:
        WriteFailed: The system would not do it; a fault is final.
    """
    with explained(directory), folder(directory) as place:
        # why another descriptor, after the question: it is told what failed since it was opened.
        fd = os.open(".", _FOLDER, dir_fd=place) if can_sync_together(place) else None
    if fd is None:
        yield False
        return
    try:
        yield True
        with explained(directory):
            syncfs(fd)
    finally:
        os.close(fd)


def can_sync_together(directory: int) -> bool:
    """Whether batches can be made in the open `directory`.

    Faults that others had there before, and that nobody was told yet, are asked for here: they are none of ours.
    """
    if _libc() is None or _kind_of(directory) not in _KINDS:
        return False
    fd = os.open(".", _FOLDER, dir_fd=directory)
    try:
        syncfs(fd)
    except OSError as error:
        return error.errno not in _NO_CALL
    finally:
        os.close(fd)
    return True


def syncfs(fd: int) -> None:
    """Make all of the file system of `fd` durable; raises OSError also for what failed since `fd` was opened."""
    import ctypes

    if _libc().syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _share(source: BinaryIO, fd: int) -> bool:
    plain = plain_file(source)
    return plain is not None and clone(plain, fd)


@cache
def _libc() -> Any:
    """The C library, or None where it has no such call or the kernel is too old for it."""
    import ctypes  # why here: a command that writes few files does without

    version = re.match(r"(\d+)\.(\d+)", platform.release())
    is_new = version is not None and (int(version[1]), int(version[2])) >= _TELLS_ALL_FROM
    if sys.platform != "linux" or not is_new or ctypes.sizeof(ctypes.c_long) != _LONG_BYTES:
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "syncfs") and hasattr(library, "fstatfs") else None


def _kind_of(directory: int) -> int:
    """The number of the kind of file system that `directory` is on; 0 if it is not told."""
    import ctypes

    found = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc().fstatfs(directory, found) != 0:
        return 0
    return int.from_bytes(found.raw[:_LONG_BYTES], sys.byteorder)
