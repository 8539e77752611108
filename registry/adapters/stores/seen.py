"""What was hashed before: file identities and the digests that their bytes had, so that nothing is hashed twice.

It is a cache and no more: any part may be lost at any time, `verify` never asks it, and a damaged one is thrown away.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.core.digest import Digest, hex_of

_FORM = "CREATE TABLE IF NOT EXISTS seen (place TEXT PRIMARY KEY, state TEXT NOT NULL, sha256 BLOB NOT NULL)"
_FIND = "SELECT sha256 FROM seen WHERE place = ? AND state = ?"
_FIND_ALL = "SELECT place, state, sha256 FROM seen WHERE place IN"
_NOTE = "INSERT OR REPLACE INTO seen VALUES (?, ?, ?)"
_SHA256_BYTES = 32
_SECOND_NS = 1_000_000_000

Note = tuple[str, str, Digest]
"""What is remembered: a place, how what is there looked, and its digest."""

GRAIN_NS = 20_000_000
"""How far a file system's clock may lag: two ticks of the slowest common kernel timer (100 Hz), in nanoseconds."""


def is_settled(found: os.stat_result, began_ns: int) -> bool:
    """Whether a write after `began_ns` (time of day, ns) must show in the times that `found` has.

    A file touched within the clock's grain could be written once more without its times changing. Whole seconds on both
    times mean a file system that keeps no fractions, some of which count in twos.
    """
    is_coarse = found.st_mtime_ns % _SECOND_NS == 0 and found.st_ctime_ns % _SECOND_NS == 0
    grain = 2 * _SECOND_NS if is_coarse else GRAIN_NS
    return max(found.st_mtime_ns, found.st_ctime_ns) + grain < began_ns


class Seen:
    """The notes of one store; usable from several threads. Close it after use."""

    def __init__(self, path: Path) -> None:
        """Open the notes at `path`, or do without where that cannot be."""
        self._path, self._lock = path, threading.Lock()
        self._notes = _connect(path)
        with self._tolerant() as notes:
            notes.execute(_FORM)

    def find(self, found: os.stat_result) -> Digest | None:
        """The digest of the file that `found` describes, if it was hashed when it looked exactly so."""
        return self.find_at(*_identity(found))

    def find_at(self, place: str, state: str) -> Digest | None:
        """The digest of what is at `place`, if it was hashed when it looked like `state`."""
        with self._tolerant() as notes:
            for (sha256,) in notes.execute(_FIND, (place, state)):
                if isinstance(sha256, bytes) and len(sha256) == _SHA256_BYTES:  # why: a bit may have made it a number
                    return Digest(f"sha256:{sha256.hex()}")
        return None

    def find_all(self, found: Sequence[os.stat_result | None]) -> list[Digest | None]:
        """What `find` says of each, asked at once; a few dozen at most, as the system of notes bounds a question."""
        named = [_identity(one) if one else ("", "") for one in found]
        question = f"{_FIND_ALL} ({','.join('?' * len(named))})"
        known: dict[tuple[str, str], Digest] = {}
        with self._tolerant() as notes:
            for place, state, sha256 in notes.execute(question, [place for place, _ in named]):
                if isinstance(sha256, bytes) and len(sha256) == _SHA256_BYTES:
                    known[place, state] = Digest(f"sha256:{sha256.hex()}")
        return [known.get(one) for one in named]

    def note_at(self, rows: Iterable[Note]) -> None:
        """Remember what was really hashed, and whose times were settled when that began."""
        with self._tolerant() as notes, notes:
            notes.executemany(_NOTE, ((place, state, bytes.fromhex(hex_of(digest))) for place, state, digest in rows))

    def forget(self) -> None:
        """Throw all notes away: after a fault of the disk nothing that was seen before counts."""
        self.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._notes.close()

    @contextmanager
    def _tolerant(self) -> Iterator[sqlite3.Connection]:
        """Use the notes, one thread at a time; a fault of theirs costs time, never an answer."""
        with self._lock:
            try:
                yield self._notes
            except (sqlite3.OperationalError, sqlite3.ProgrammingError):
                pass  # why: busy, full, read-only or closed: do without for once.
            except sqlite3.DatabaseError:
                self.forget()


def note_of(found: os.stat_result, digest: Digest) -> Note:
    """What to remember of a file that looked so when it was hashed."""
    return (*_identity(found), digest)


def _identity(found: os.stat_result) -> tuple[str, str]:
    """Which file it is, and what would change if it were written."""
    return f"{found.st_dev}:{found.st_ino}", f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}"


def _connect(path: Path) -> sqlite3.Connection:
    """Open `path`, or nothing that lasts where that cannot be."""
    try:
        return sqlite3.connect(path, timeout=1, check_same_thread=False)
    except sqlite3.Error:
        return sqlite3.connect(":memory:", check_same_thread=False)
