"""A ledger in a directory: one read-only file an entry, `00000000000000000007.json` for entry 7."""

import errno
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.adapters import durable
from registry.core.ledger.entry import MAX_BYTES
from registry.errors import IntegrityError, RegistryError

_NAME = re.compile(r"([0-9]{20})\.json")
_UNFINISHED = re.compile(r"\.unfinished-[0-9a-f]{16}")
"""What `durable` calls a file that it is still writing, or was when the power went."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ForeignFile(IntegrityError):
    """The ledger's directory holds something that is no entry."""


class MissingEntry(IntegrityError):
    """An entry is not there, though a later one is."""


class UnreadableFile(IntegrityError):
    """An entry's file cannot be read: the disk fails, or it is no plain file, or far too long."""


@dataclass(frozen=True, slots=True)
class DirectoryLedger:
    """A ledger in the directory `path`, which is made with the first entry. Any number of processes may share it."""

    path: Path

    def read(self) -> Sequence[bytes]:
        """All entries' exact bytes, from 0; none if the directory is not there.

        Raises:
            ForeignFile: Something else lies there.
            MissingEntry: There is a gap.
            UnreadableFile: An entry cannot be read.
        """
        try:
            names = [entry.name for entry in os.scandir(self.path)]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise UnreadableFile(f"the ledger {self.path} cannot be read", why=error.strerror or str(error)) from None
        matches = [(name, _NAME.fullmatch(name)) for name in names if not _UNFINISHED.fullmatch(name)]
        if foreign := sorted(name for name, match in matches if match is None):
            mend = "move it away, and find out who put it there"
            raise ForeignFile(f"{foreign[0]!r} is no ledger entry", why=f"it lies in {self.path}", mend=mend)
        count = max((int(match[1]) + 1 for _, match in matches if match), default=0)
        # why by name: an entry that is put while we list may be missed by the listing, though a later one is not.
        return tuple(self._read_entry(index) for index in range(count))

    def put_if_absent(self, index: int, data: bytes) -> bool:
        """Make `data` entry `index`, durably; False if that index is taken. Who wins a race is told True, alone.

        Raises:
            MissingEntry: The entry before it is not there.
            WriteFailed: The system would not write it.
        """
        if index < 0 or len(data) > MAX_BYTES:
            raise RegistryError(f"entry {index} of {len(data)} bytes cannot be kept", why=f"at most {MAX_BYTES} are")
        if index > 0 and not self._file(index - 1).is_file():
            raise MissingEntry(f"entry {index} cannot be put", why=f"entry {index - 1} is not there")
        durable.make_directory(self.path)
        return durable.put_if_absent(self._file(index), data)

    def _file(self, index: int) -> Path:
        return self.path / f"{index:020d}.json"

    def _missing(self, index: int) -> MissingEntry:
        mend = "restore it from a backup or from another copy of the ledger"
        return MissingEntry(f"ledger entry {index} is missing", why=f"{self._file(index)} is not there", mend=mend)

    def _read_entry(self, index: int) -> bytes:
        """Read one entry, bounded, and never through a link or from a pipe."""
        try:
            fd = os.open(self._file(index), _READ)
        except FileNotFoundError:
            raise self._missing(index) from None
        except OSError as error:
            raise self._unreadable(index, "it is a link" if error.errno == errno.ELOOP else str(error)) from None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise self._unreadable(index, "it is no plain file")
            data = _read_all(fd)
        except OSError as error:
            raise self._unreadable(index, error.strerror or str(error)) from None
        finally:
            os.close(fd)
        if len(data) > MAX_BYTES:
            raise self._unreadable(index, f"it has more than {MAX_BYTES} bytes")
        return data

    def _unreadable(self, index: int, why: str) -> UnreadableFile:
        mend = "restore it from a backup or from another copy of the ledger"
        return UnreadableFile(f"ledger entry {index} cannot be read", why=why, mend=mend)


def _read_all(fd: int) -> bytes:
    """Read to the end, or one byte past what an entry may have."""
    data = b""
    while piece := os.read(fd, MAX_BYTES + 1 - len(data)):
        data += piece
    return data
