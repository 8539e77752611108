"""A ledger in a directory: one read-only file an entry, `00000000000000000007.json` for entry 7; and `checkpoint`."""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.adapters import durable
from registry.core.ledger.entry import MAX_BYTES
from registry.errors import IntegrityError, RegistryError

_NAME = re.compile(r"([0-9]{20})\.json")
_CHECKPOINT = "checkpoint"
_UNFINISHED = re.compile(r"\.unfinished-[0-9a-f]{16}")
"""What `durable` calls a file that it is still writing, or was when the power went."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ForeignFile(IntegrityError):
    """The ledger's directory holds something that is no entry."""


class MissingEntry(IntegrityError):
    """An entry is not there, though a later one is."""


class UnreadableFile(IntegrityError):
    """An entry cannot be what lies there: it is no plain file, or far too long."""


class CannotRead(RegistryError):
    """The system will not let us read the ledger, so nobody knows what it says."""


@dataclass(frozen=True, slots=True)
class DirectoryLedger:
    """A ledger in the directory `path`, which is made with the first entry. Any number of processes may share it."""

    path: Path

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Entries' exact bytes, from `start` to the last, or to the one before `stop`; none if there is no directory.

        Raises:
            ForeignFile: No `stop` is given, and something else lies there.
            MissingEntry: There is a gap.
            UnreadableFile: An entry cannot be read.
        """
        if stop is None:
            # why by name: an entry that is put while we list may be missed by the listing, though a later one is not.
            found = tuple(self._read_entry(index) for index in range(start, self._count()))
        else:
            found = tuple(self._read_on(start, stop))
        if found:
            self._confirm()
        return found

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

    def checkpoint(self) -> bytes | None:
        """The checkpoint's exact bytes; None if none was put.

        Raises:
            UnreadableFile: It cannot be read.
        """
        try:
            return _read_plain(self.path / _CHECKPOINT)
        except FileNotFoundError:
            return None
        except OSError as error:
            mend = "remove it; the next writer who holds a head key makes another"
            raise _refused("the ledger's checkpoint", error, mend) from None

    def put_checkpoint(self, data: bytes) -> None:
        """Put `data` in the place of the checkpoint, durably.

        Raises:
            WriteFailed: The system would not write it.
        """
        durable.make_directory(self.path)
        durable.replace(self.path / _CHECKPOINT, data)

    def _count(self) -> int:
        """How many entries there are, by their names."""
        try:
            names = [entry.name for entry in os.scandir(self.path)]
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise _refused(f"the ledger {self.path}", error) from None
        known = [name for name in names if name != _CHECKPOINT and not _UNFINISHED.fullmatch(name)]
        matches = [(name, _NAME.fullmatch(name)) for name in known]
        if foreign := sorted(name for name, match in matches if match is None):
            mend = "move it away, and find out who put it there"
            raise ForeignFile(f"{foreign[0]!r} is no ledger entry", why=f"it lies in {self.path}", mend=mend)
        return max((int(match[1]) + 1 for _, match in matches if match), default=0)

    def _read_on(self, start: int, stop: int) -> Iterator[bytes]:
        """Entries from `start` on, until one is not there, nor the next."""
        for index in range(start, stop):
            try:
                yield self._read_entry(index)
            except MissingEntry:
                if self._file(index + 1).exists():
                    raise
                return

    def _file(self, index: int) -> Path:
        return self.path / f"{index:020d}.json"

    def _confirm(self) -> None:
        """Make the names durable: a writer that was killed before that has left an entry that a power cut may undo."""
        try:
            durable.confirm(self._file(0))
        except OSError as error:
            raise _refused(f"the ledger {self.path}", error) from None

    def _missing(self, index: int) -> MissingEntry:
        mend = "restore it from a backup or from another copy of the ledger"
        return MissingEntry(f"ledger entry {index} is missing", why=f"{self._file(index)} is not there", mend=mend)

    def _read_entry(self, index: int) -> bytes:
        """Read one entry, bounded, and never through a link or from a pipe."""
        try:
            # why no Path: to make a hundred thousand of them takes as long as to open the files.
            return _read_plain(f"{self.path}/{index:020d}.json")
        except FileNotFoundError:
            raise self._missing(index) from None
        except OSError as error:
            mend = "restore it from a backup or from another copy of the ledger"
            raise _refused(f"ledger entry {index}", error, mend) from None


def _refused(what: str, error: OSError, mend: str = "") -> UnreadableFile | CannotRead:
    """What to raise: what the system refuses has a number; what we refuse ourselves is to be mended otherwise."""
    if error.errno is None:
        return UnreadableFile(f"{what} cannot be read", why=str(error), mend=mend)
    mend = "check the disk and who may read it; nothing says that the ledger was changed"
    return CannotRead(f"{what} cannot be read", why=error.strerror or str(error), mend=mend)


def _read_plain(path: Path | str) -> bytes:
    """Read a plain file of at most `MAX_BYTES`; anything else is an OSError that says what it is."""
    try:
        fd = os.open(path, _READ)
    except OSError as error:
        raise OSError("it is a link") if error.errno == errno.ELOOP else error from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError("it is no plain file")
        data = b""
        while piece := os.read(fd, MAX_BYTES + 1 - len(data)):
            data += piece
    finally:
        os.close(fd)
    if len(data) > MAX_BYTES:
        raise OSError(f"it has more than {MAX_BYTES} bytes")
    return data
