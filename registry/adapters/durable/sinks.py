"""Where copied bytes go: through the system's page cache, or past it, straight to the disk."""

import errno
import fcntl
import os
from dataclasses import dataclass
from typing import Protocol

PIECE_BYTES = 1024 * 1024
"""How much is written at a time; what is larger than one piece is written while the next ones are read."""

_AHEAD_BYTES = 16 * 1024 * 1024
"""How much is written before the disk is told to begin with it, so that the fsync at the end has little left to do."""

_BLOCK_BYTES = 4096
_DIRECT = getattr(os, "O_DIRECT", 0)


class Sink(Protocol):
    """An open file that is written from its start to its end."""

    def write(self, piece: bytes | memoryview) -> None:
        """Write all of the next `piece`; raises OSError."""


@dataclass(slots=True)
class Cached:
    """A file that somebody is about to read, as a server reads what was pulled: it stays in the page cache."""

    fd: int
    size: int = 0
    begun: int = 0

    def write(self, piece: bytes | memoryview) -> None:
        """Write `piece`, and let the disk begin with it when there is enough."""
        write_all(self.fd, piece)
        self.size += len(piece)
        # why this call: what is dirty cannot be dropped, so the system starts to write it; nothing else in os does.
        if self.size - self.begun >= _AHEAD_BYTES and (advise := getattr(os, "posix_fadvise", None)):
            advise(self.fd, self.begun, self.size - self.begun, os.POSIX_FADV_DONTNEED)
            self.begun = self.size


@dataclass(slots=True)
class Direct:
    """A file that nobody is about to read, as a blob is: full pieces go past the page cache where that can be.

    It saves a copy of every byte and the memory for it, and leaves the cache to the files that people work with. It
    promises nothing about the medium: the fsync comes all the same.
    """

    fd: int
    is_direct: bool = False
    is_refused: bool = not _DIRECT

    def write(self, piece: bytes | memoryview) -> None:
        """Write `piece`, which lies at the start of a page if it is full."""
        self._choose(is_direct=len(piece) >= PIECE_BYTES and len(piece) % _BLOCK_BYTES == 0)
        while piece:
            try:
                piece = piece[os.write(self.fd, piece) :]
            except OSError as error:
                if error.errno != errno.EINVAL or not self.is_direct:
                    raise
                self.is_refused = True  # why: larger blocks than ours, or a short write has moved us off them.
                self._choose(is_direct=False)

    def _choose(self, *, is_direct: bool) -> None:
        if is_direct == self.is_direct or (is_direct and self.is_refused):
            return
        flags = fcntl.fcntl(self.fd, fcntl.F_GETFL)
        try:
            fcntl.fcntl(self.fd, fcntl.F_SETFL, flags | _DIRECT if is_direct else flags & ~_DIRECT)
        except OSError:
            if not is_direct:
                raise
            self.is_refused = True
        else:
            self.is_direct = is_direct


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data` to `fd`, in as many steps as the system wants."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
