"""Reading an object of any size in bounded memory: a few pieces are on their way while one is being used."""

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

PIECE_BYTES = 4 * 1024 * 1024
_AHEAD = 3
"""Pieces that are asked for at a time; one alone would wait for the network's round trip after each."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a reader reads: the service that has it, and its whole name there."""

    service: tuple[str, str, str | None]
    key: str


class Reader(io.RawIOBase):
    """An object as a stream; nothing is fetched before the first byte is wanted."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, origin: Origin) -> None:
        """Read an object of `size` bytes, of which `fetch` gives the bytes from a first one to before a last one."""
        super().__init__()
        self.origin = origin
        self._fetch, self._size, self._at = fetch, size, 0
        self._start, self._piece = -1, b""
        self._coming: dict[int, Future[bytes]] = {}
        self._threads: ThreadPoolExecutor | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read, from 0."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go elsewhere; nothing is fetched for it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # the buffer is what io hands on
        """Read on, up to the end of the present piece."""
        if self._at >= self._size:
            return 0
        self._load(self._at - self._at % PIECE_BYTES)
        offset = self._at - self._start
        part = memoryview(self._piece)[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        """Let go of what is on its way."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        self._coming.clear()
        self._piece = b""
        super().close()

    def _load(self, start: int) -> None:
        """Make the piece at `start` the present one, and ask for those after it."""
        if start == self._start:
            return
        if self._size <= PIECE_BYTES:
            self._piece = self._fetch(0, self._size)
        else:
            self._threads = self._threads or ThreadPoolExecutor(_AHEAD)
            wanted = range(start, min(self._size, start + _AHEAD * PIECE_BYTES), PIECE_BYTES)
            for at in wanted:
                if at not in self._coming:
                    end = min(at + PIECE_BYTES, self._size)
                    self._coming[at] = self._threads.submit(self._fetch, at, end)
            self._coming = {at: piece for at, piece in self._coming.items() if at in wanted}
            self._piece = self._coming.pop(start).result()
        self._start = start
