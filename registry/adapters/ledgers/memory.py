"""A ledger in memory: for tests, and for trying things out."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryLedger:
    """Entries in a list; safe between threads, gone with the process."""

    entries: list[bytes] = field(default_factory=list)
    signed: bytes | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Entries' exact bytes, from `start` to the last, or to the one before `stop`."""
        with self._lock:
            return tuple(self.entries[start:stop])

    def put_if_absent(self, index: int, data: bytes) -> bool:
        """Make `data` entry `index`; False if that index is taken.

        Raises:
            IndexError: `index` is past the next one, or negative; a gap would make the ledger unreadable.
        """
        with self._lock:
            if not 0 <= index <= len(self.entries):
                raise IndexError(index)
            if index < len(self.entries):
                return False
            self.entries.append(data)
            return True

    def checkpoint(self) -> bytes | None:
        """The checkpoint; None if none was put."""
        return self.signed

    def put_checkpoint(self, data: bytes) -> None:
        """Put `data` in its place."""
        self.signed = data
