"""A file that is hashed a second way while it is read, so that nothing is read twice."""

import hashlib
import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from registry.ports import OpenFile

_PIECE_BYTES = 1024 * 1024

Hasher = Callable[[], Any]
"""Makes a fresh hash object of `hashlib`, with whatever must come before the content already in it."""


def md5() -> Any:
    """MD5 as DVC uses it: to say which bytes are meant, never to be safe against an attacker."""
    return hashlib.md5(usedforsecurity=False)


def git_blob(size: int, *, wide: bool = False) -> Hasher:
    """The hash that git names a file of `size` bytes by: SHA-1, or SHA-256 in a repository that is `wide`."""

    def fresh() -> Any:
        found = hashlib.sha256() if wide else hashlib.sha1(usedforsecurity=False)
        found.update(b"blob %d\0" % size)
        return found

    return fresh


class Observed:
    """An `OpenFile` that also knows, once it was read to its end, what `hasher` makes of its bytes."""

    def __init__(self, file: OpenFile, hasher: Hasher) -> None:
        self.file, self.hasher = file, hasher
        self.path, self.size = file.path, file.size
        self._found: str | None = None

    @property
    def found(self) -> str:
        """The hash in hex. A file that nobody has read to its end, as a store that knows it need not, is read now."""
        if self._found is None:
            with self.open() as content:
                while content.read(_PIECE_BYTES):
                    pass
        assert self._found is not None
        return self._found

    def open(self) -> BinaryIO:
        """Open it; a second opening starts the hash anew. A plain file stays one, so that its blocks can be shared."""
        self._found = None
        content = self.file.open()
        watch = _Watch(self, self.hasher())
        watched = _File(content, watch) if isinstance(content, io.FileIO) else _Stream(content, watch)
        return cast("BinaryIO", watched)

    def note(self, found: str) -> None:
        """Take the hash of a reading that came to its end."""
        self._found = found


class _Watch:
    """Hashes what passes, and tells its owner at the end."""

    def __init__(self, owner: Observed, hasher: Any) -> None:
        self.owner, self.hasher, self.is_whole = owner, hasher, True

    def take(self, chunk: Any, wanted: int) -> None:
        """Hash the next bytes, of `wanted` that were asked for; none of some means the end."""
        if len(chunk):
            self.hasher.update(chunk)
        elif wanted and self.is_whole:
            self.owner.note(self.hasher.hexdigest())


class _File(io.FileIO):
    """A plain file under watch."""

    def __init__(self, content: io.FileIO, watch: _Watch) -> None:
        super().__init__(os.dup(content.fileno()))
        self.watch = watch
        content.close()

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self.watch.take(memoryview(buffer)[:count], len(memoryview(buffer)))
        return count

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        data = super().read(size) or b""
        self.watch.take(data, size)
        return data

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(_PIECE_BYTES), b""))

    def seek(self, offset: int, whence: int = 0) -> int:
        # why: bytes that are read twice, or not at all, are no hash of the file; `found` then reads it once more.
        self.watch.is_whole = False
        return super().seek(offset, whence)


class _Stream(io.RawIOBase):
    """Anything else under watch."""

    def __init__(self, content: BinaryIO, watch: _Watch) -> None:
        self.content, self.watch = content, watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = memoryview(buffer)
        count = _read_into(self.content, chunk)
        self.watch.take(chunk[:count], len(chunk))
        return count

    def close(self) -> None:
        self.content.close()
        super().close()


def _read_into(content: BinaryIO, chunk: memoryview) -> int:
    if isinstance(content, io.RawIOBase | io.BufferedIOBase):
        return content.readinto(chunk) or 0
    data = content.read(len(chunk))
    chunk[: len(data)] = data
    return len(data)
