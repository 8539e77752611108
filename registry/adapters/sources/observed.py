"""A file that is hashed a second way while it is read, so that nothing is read twice."""

import hashlib
import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from registry.ports import OpenFile

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
        self.found: str | None = None

    def open(self) -> BinaryIO:
        """Open it; a second opening starts the hash anew."""
        self.found = None
        return cast("BinaryIO", _Stream(self, self.file.open(), self.hasher()))


class _Stream(io.RawIOBase):
    def __init__(self, owner: Observed, content: BinaryIO, hasher: Any) -> None:
        self.owner, self.content, self.hasher = owner, content, hasher

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = memoryview(buffer)
        count = _read_into(self.content, chunk)
        self.hasher.update(chunk[:count])
        if not count and len(chunk):
            self.owner.found = self.hasher.hexdigest()
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
