"""Reading an object of any size in bounded memory."""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SPAN_BYTES = 32 * 1024 * 1024
"""What one request asks for: enough for its round trip not to count, and little enough for a time limit to fit."""

Stream = Callable[[int, int], Iterator[bytes]]
"""Gives the bytes from a first one to before a last one, in pieces that are not empty, or raises."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a reader reads: the service that has it, and its whole name there."""

    service: tuple[str, str, str | None]
    key: str


class Reader(io.RawIOBase):
    """An object as a stream; nothing is fetched before the first byte is wanted."""

    def __init__(self, stream: Stream, size: int, origin: Origin) -> None:
        """Read an object of `size` bytes, which `stream` gives in spans."""
        super().__init__()
        self.origin = origin
        self._stream, self._size, self._at = stream, size, 0
        self._pieces: Iterator[bytes] = iter(())
        self._rest = memoryview(b"")

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
        if (there := max(0, start + offset)) != self._at:
            self._at, self._pieces, self._rest = there, iter(()), memoryview(b"")
        return self._at

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # the buffer is what io hands on
        """Read on, up to the end of the present piece."""
        if self._at >= self._size:
            return 0
        if not self._rest:
            self._rest = memoryview(self._next_piece())
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        """Let go of what is on its way."""
        self._pieces, self._rest = iter(()), memoryview(b"")
        super().close()

    def _next_piece(self) -> bytes:
        if (piece := next(self._pieces, None)) is None:
            self._pieces = self._stream(self._at, min(self._at + SPAN_BYTES, self._size))
            piece = next(self._pieces)
        return piece
