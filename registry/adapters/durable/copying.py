"""Reading once, in large pieces: hash, and copy on the way; memory does not grow with the content."""

import errno
import fcntl
import hashlib
import io
import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from registry.core.digest import Digest
from registry.errors import RegistryError

CHUNK_BYTES = 256 * 1024
"""How much is read, hashed and written at a time: enough to keep a core busy, little enough to stay in its cache."""

AHEAD_BYTES = 16 * 1024 * 1024
"""How much is written before the disk is told to begin with it, so that the fsync at the end has little left to do."""

_FICLONE = 0x40049409  # ioctl(2), Linux; elsewhere it is refused, and the bytes are copied.
_own = threading.local()


class ReadFailed(RegistryError):
    """What was to be copied could not be read to its end; nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was copied: the digest and the number of the bytes that passed."""

    digest: Digest
    size: int


def pour(content: BinaryIO, fd: int | None = None) -> Written:
    """Read `content` to its end in large pieces, hash it, and write it to `fd` if there is one.

    One buffer a thread is used again and again, so memory does not grow with the content.

    Raises:
        ReadFailed: `content` could not be read to its end.
    """
    view: memoryview = _buffer()
    hashed, size, begun = hashlib.sha256(), 0, 0
    while count := _fill(content, view):
        hashed.update(view[:count])
        if fd is not None:
            write_all(fd, view[:count])
        size += count
        if fd is not None and size - begun >= AHEAD_BYTES:
            begin_writing(fd, begun, size)
            begun = size
    return Written(Digest("sha256:" + hashed.hexdigest()), size)


def plain_file(content: BinaryIO) -> int | None:
    """The descriptor of the regular file that `content` reads as it stands, or None.

    A stream that unpacks or decodes may have a descriptor too, but not of the bytes that it gives.
    """
    raw = content.raw if isinstance(content, io.BufferedReader) else content
    if not isinstance(raw, io.FileIO):
        return None
    return raw.fileno() if stat.S_ISREG(os.fstat(raw.fileno()).st_mode) else None


def open_plain(path: Path) -> io.FileIO:
    """Open a regular file for reading, never through a symlink, and never waiting for a FIFO's other end.

    Raises:
        OSError: It is not there, not readable or not a regular file (`EINVAL`).
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return io.FileIO(fd)


def read_plain(path: Path) -> bytes:
    """Read a small regular file whole; as `open_plain`, so nothing that lies in its place makes anybody wait.

    Raises:
        OSError: It is not there, not readable or not a regular file.
    """
    with open_plain(path) as content:
        return content.read()


def write_all(fd: int, view: memoryview) -> None:
    """Write all of `view` to `fd`, in as many steps as the system wants."""
    while view:
        view = view[os.write(fd, view) :]


def begin_writing(fd: int, start: int, end: int) -> None:
    """Let the disk begin with the bytes from `start` to `end`, without waiting for it; nothing is promised."""
    # why this call: what is dirty cannot be dropped, so the system starts to write it; nothing else in os does.
    if advise := getattr(os, "posix_fadvise", None):
        advise(fd, start, end - start, os.POSIX_FADV_DONTNEED)


def clone(source: int, target: int) -> bool:
    """Let the empty file `target` share the bytes of `source`, copied on write; False where that cannot be."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _buffer() -> memoryview:
    """This thread's own buffer."""
    if not hasattr(_own, "view"):
        _own.view = memoryview(bytearray(CHUNK_BYTES))
    view: memoryview = _own.view
    return view


def _fill(content: BinaryIO, view: memoryview) -> int:
    """Read the next bytes into `view`, without a copy where the stream can; how many, 0 at the end."""
    try:
        if readinto := getattr(content, "readinto", None):
            return int(readinto(view) or 0)
        data = content.read(len(view))
    except OSError as error:
        name = getattr(content, "name", "the content")
        raise ReadFailed(f"{name} could not be read", why=error.strerror or str(error)) from error
    view[: len(data)] = data
    return len(data)
