"""A ledger in a bucket: an object an entry, `ledger/00000000000000000007.json` for entry 7; and `ledger/checkpoint`.

All rests on one promise of the service: of several creations of an object, one succeeds (`If-None-Match: *`). So each
writer tries that promise before it relies on it, and reads back what it was told is written.
"""

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile

from registry.adapters.buckets.bucket import Bucket
from registry.adapters.buckets.faults import BucketFault, TooLong, Uncertain
from registry.adapters.ledgers.directory import ForeignFile, MissingEntry, UnreadableFile
from registry.core.ledger.entry import MAX_BYTES
from registry.errors import IntegrityError, RegistryError

_FOLDER = "ledger"
_CHECKPOINT = "ledger/checkpoint"
_KEY = re.compile(r"ledger/([0-9]{20})\.json")
_AT_ONCE = 32
_TRIES = 5
_WAIT_S = 0.2


class NoConditions(RegistryError):
    """The service lets one writer overwrite another, so no ledger can be kept there."""


class Unsettled(BucketFault):
    """Whether an entry was written could not be found out."""


class Overwritten(IntegrityError):
    """The service said that it keeps an entry, and holds another."""


@dataclass(slots=True)
class BucketLedger:
    """A ledger below the prefix of `bucket`. Any number of machines may share it."""

    bucket: Bucket
    wait_s: float = _WAIT_S
    _is_tried: bool = field(default=False, repr=False)
    _known: int = field(default=-1, repr=False)
    """The index of an entry that this process has put: those up to it are there."""

    def read(self, start: int = 0, stop: int | None = None) -> Sequence[bytes]:
        """Entries' exact bytes, from `start` to the last, or to the one before `stop`; none if nothing is there.

        Raises:
            ForeignFile: No `stop` is given, and something else lies there.
            MissingEntry: There is a gap.
            UnreadableFile: An entry is far too long, or is not given as it was announced.
            BucketFault: The service could not be reached, or does not allow it.
        """
        if stop is not None and stop <= start:
            return ()
        is_whole = stop is None
        listed = self._indexes(_key(start - 1) if start and not is_whole else None, is_whole=is_whole)
        found = [index for index in takewhile(lambda index: stop is None or index < stop, listed) if index >= start]
        # why by name: a listing has pages, and an entry that was put between two of them is missed by both.
        indexes = range(start, max(found, default=start - 1) + 1)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return tuple(threads.map(self._read_entry, indexes))

    def checkpoint(self) -> bytes | None:
        """The checkpoint's exact bytes; None if none was put.

        Raises:
            UnreadableFile: It is far too long.
        """
        try:
            return self.bucket.read(_CHECKPOINT, MAX_BYTES)
        except TooLong as error:
            mend = "remove it; the next writer who holds a head key makes another"
            raise UnreadableFile("the ledger's checkpoint cannot be read", why=error.why, mend=mend) from None

    def put_checkpoint(self, data: bytes) -> None:
        """Put `data` in the place of the checkpoint."""
        self.bucket.write(_CHECKPOINT, data)

    def put_if_absent(self, index: int, data: bytes) -> bool:
        """Make `data` entry `index`; False if that index is taken. Who wins a race is told True, alone.

        A failure that leaves open whether the entry was written is settled by reading: if our exact bytes are there,
        they are ours.

        Raises:
            MissingEntry: The entry before it is not there.
            NoConditions: The service does not keep writers apart.
            Unsettled: It could not be written, or that could not be found out.
            BucketFault: The service could not be reached, or does not allow it.
        """
        if index < 0 or len(data) > MAX_BYTES:
            raise RegistryError(f"entry {index} of {len(data)} bytes cannot be kept", why=f"at most {MAX_BYTES} are")
        if index > 0:
            if self._known < index - 1 and self.bucket.look(_key(index - 1)) is None:
                raise MissingEntry(f"entry {index} cannot be put", why=f"entry {index - 1} is not there")
            self._try_conditions()
        if not self._create(index, data):
            return False
        # why not a failure where reading fails: it is written, and who is told otherwise would decide twice.
        with suppress(BucketFault):
            self._prove(index, data)
        if index == 0:
            self._try_conditions()
        self._known = index
        return True

    def _indexes(self, after: str | None, *, is_whole: bool) -> Iterator[int]:
        """The entries that are listed, in order, those up to the key `after` left out."""
        for key, _ in self.bucket.listed(_FOLDER, after=after):
            if match := _KEY.fullmatch(key):
                yield int(match[1])
            elif is_whole and key != _CHECKPOINT:
                mend = "move it away, and find out who put it there"
                raise ForeignFile(f"{key!r} is no ledger entry", why=f"it lies in {self.bucket.address}", mend=mend)

    def _create(self, index: int, data: bytes) -> bool:
        """Create the entry; True if it is ours, also where only reading shows it."""
        is_uncertain, why = False, "the service says that it is there, and that it is not"
        for attempt in range(_TRIES):
            try:
                if self.bucket.create(_key(index), data):
                    return True
            except Uncertain as error:
                is_uncertain, why = True, error.why
            try:
                found = self._find(index)
            except BucketFault as error:
                if not is_uncertain:
                    raise
                found, why = None, error.why
            if found is not None:
                return is_uncertain and found == data
            time.sleep(self.wait_s * 2**attempt)
        mend = "look with `registry log` whether the decision is there before you take it again"
        raise Unsettled(f"ledger entry {index} could not be written", why=why, mend=mend)

    def _prove(self, index: int, data: bytes) -> None:
        if (found := self._find(index)) != data:
            why = "nothing is there" if found is None else f"it holds {len(found)} other bytes"
            raise Overwritten(f"ledger entry {index} was acknowledged and is not there", why=why)

    def _try_conditions(self) -> None:
        """Try to create entry 0 again, from its own bytes; a service that lets us would let any writer."""
        if self._is_tried:
            return
        first = self._find(0)
        if first is not None and self.bucket.create(_key(0), first):
            why = "an object that is there could be created again, so If-None-Match is not honoured"
            mend = "use a service with conditional writes, such as S3, GCS, Azure, MinIO or R2"
            raise NoConditions(f"{self.bucket.address} cannot hold a ledger", why=why, mend=mend)
        self._is_tried = True

    def _read_entry(self, index: int) -> bytes:
        if (data := self._find(index)) is None:
            raise self._missing(index)
        return data

    def _find(self, index: int) -> bytes | None:
        try:
            return self.bucket.read(_key(index), MAX_BYTES)
        except TooLong as error:
            mend = "restore it from an earlier version of the object, or from another copy of the ledger"
            raise UnreadableFile(f"ledger entry {index} cannot be read", why=error.why, mend=mend) from None

    def _missing(self, index: int) -> MissingEntry:
        mend = "restore it from an earlier version of the object, or from another copy of the ledger"
        why = f"{self.bucket.address}/{_key(index)} is not there"
        return MissingEntry(f"ledger entry {index} is missing", why=why, mend=mend)


def _key(index: int) -> str:
    return f"{_FOLDER}/{index:020d}.json"
