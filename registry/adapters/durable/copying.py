"""Reading once, in large pieces: hash, and copy on the way; memory does not grow with the content."""

import errno
import fcntl
import hashlib
import io
import itertools
import mmap
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from registry.adapters.durable.sinks import PIECE_BYTES, Sink
from registry.core.digest import Digest
from registry.errors import RegistryError

CHUNK_BYTES = 256 * 1024
"""How much is read and hashed at a time: enough to keep a core busy, little enough to stay in its cache."""

_RING = 4
"""Pieces that are under way at once between reading and the disk; so much memory a thread takes, and no more."""

_FICLONE = 0x40049409  # ioctl(2), Linux; elsewhere it is refused, and the bytes are copied.
_own = threading.local()


class ReadFailed(RegistryError):
    """What was to be copied could not be read to its end; nothing of it was kept."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was copied: the digest and the number of the bytes that passed."""

    digest: Digest
    size: int


def pour(content: BinaryIO, sink: Sink | None = None) -> Written:
    """Read `content` to its end, hash it, and write it to `sink` if there is one.

    What is longer than one piece is written by a second thread while the next pieces are read and hashed, so that a
    core and the disk work at the same time. The pieces lie in buffers that are used again and again, so memory does not
    grow with the content.

    Raises:
        ReadFailed: `content` could not be read to its end.
        OSError: It could not be written.
    """
    hashed, ring = hashlib.sha256(), _ring()
    if sink is None:
        size = sum(len(piece) for piece in _pieces(content, hashed, ring[:1]))
    else:
        size = _write_behind(_pieces(content, hashed, ring), sink)
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


def read_whole(content: BinaryIO, most_bytes: int) -> bytes:
    """Read a stream that should have at most `most_bytes`, to its end, or to the first byte that is too many.

    Raises:
        ReadFailed: It could not be read to its end.
    """
    data = b""
    try:
        while len(data) <= most_bytes and (piece := content.read(most_bytes + 1 - len(data))):
            data += piece
    except OSError as error:
        raise _failed(content, error) from error
    return data


def clone(source: int, target: int) -> bool:
    """Let the empty file `target` share the bytes of `source`, copied on write; False where that cannot be."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _write_behind(pieces: Iterator[memoryview], sink: Sink) -> int:
    """Write `pieces` in their order, up to a ring of them behind the reading; how many bytes there were."""
    first = next(pieces, None)
    if first is None or len(first) < PIECE_BYTES:
        sink.write(first or b"")
        return len(first or b"")
    size, begun = 0, deque[Future[None]]()
    with ThreadPoolExecutor(1) as writer:
        for piece in itertools.chain([first], pieces):
            size += len(piece)
            begun.append(writer.submit(sink.write, piece))
            if len(begun) == _RING:
                begun.popleft().result()  # why: the next piece takes its buffer; and a fault is told here.
        for write in begun:
            write.result()
    return size


def _pieces(content: BinaryIO, hashed: Any, ring: Sequence[memoryview]) -> Iterator[memoryview]:
    """The bytes of `content`, hashed, in pieces, each in the next buffer of `ring`; all but the last are full."""
    for buffer in itertools.cycle(ring):
        size = 0
        while size < PIECE_BYTES and (count := _fill(content, chunk := buffer[size : size + CHUNK_BYTES])):
            hashed.update(chunk[:count])
            size += count
        if size:
            yield buffer[:size]
        if size < PIECE_BYTES:
            return


def _ring() -> Sequence[memoryview]:
    """This thread's own buffers; they start at a page, as writes past the page cache must."""
    if not hasattr(_own, "ring"):
        _own.ring = tuple(memoryview(mmap.mmap(-1, PIECE_BYTES)) for _ in range(_RING))
    ring: Sequence[memoryview] = _own.ring
    return ring


def _fill(content: BinaryIO, view: memoryview) -> int:
    """Read the next bytes into `view`, without a copy where the stream can; how many, 0 at the end."""
    try:
        if readinto := getattr(content, "readinto", None):
            return int(readinto(view) or 0)
        data = content.read(len(view))
    except OSError as error:
        raise _failed(content, error) from error
    view[: len(data)] = data
    return len(data)


def _failed(content: BinaryIO, error: OSError) -> ReadFailed:
    name = getattr(content, "name", "the content")
    return ReadFailed(f"{name} could not be read", why=error.strerror or str(error))
