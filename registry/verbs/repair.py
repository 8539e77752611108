"""repair: move damaged blobs out of the way, and fetch what is lost by digest from wherever there is a copy.

Nothing is deleted. A copy is whatever has the right bytes: they are hashed while they arrive, and shown only then.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from registry.core.digest import Digest, hashed
from registry.core.health import Fault, Health, Kind, Report, worst
from registry.core.store import Missing, Premises
from registry.errors import ConflictError, IntegrityError, RegistryError
from registry.ports import Attic, Clock, Copies, LedgerFile, OpenFile, Store
from registry.verbs.verify import glance, verify

_LOST: tuple[Kind, ...] = ("missing", "damaged", "unreadable")
"""What is fetched from elsewhere. What cannot be read is replaced by the same bytes, so nothing is lost by that."""


class UnfitCopy(IntegrityError):
    """What a place offered as a copy has other bytes, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done, and what is left to do.

    `health` is that of the store now, `faults` what is still wrong, `breach` how its ledger is broken, if it is, and
    `unread` what kept it from being read; `unlisted` is why what was deleted on purpose cannot be known. `quarantined`
    are the places, relative to the store, where damaged blobs lie now; `sealed` blobs could be written to before;
    `unasked` is why places could not be asked for copies.
    """

    health: Health
    restored: tuple[Digest, ...] = ()
    brought_back: tuple[Digest, ...] = ()
    quarantined: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    breach: str | None = None
    unread: str | None = None
    sealed: tuple[Digest, ...] = ()
    unasked: tuple[str, ...] = ()
    unlisted: str | None = None


def repair(
    *,
    store: Store,
    attic: Attic,
    ledger: LedgerFile,
    genesis: Digest,
    premises: Callable[[], Premises],
    copies: Sequence[Copies],
    clock: Clock,
) -> Repaired:
    """Verify everything, then put right what can be.

    Args:
        store: What is repaired; not through a lease.
        attic: What lies behind it.
        ledger: Where the entries are.
        genesis: The pinned digest of entry 0.
        premises: Says what else the store's place shows, each time anew.
        copies: Where to look for each lost blob, in this order.
        clock: Says when something went into the quarantine.

    Raises:
        ConflictError: Writers or a collector were at work all the time.
        RegistryError: There is no room, or the system would not write.
    """

    def look() -> Report:
        return glance(store=store, ledger=ledger, genesis=genesis, premises=premises())

    work = _Work(store, attic, clock, list(copies))
    first = verify(store=store, ledger=ledger, genesis=genesis, premises=premises())
    work.step(first)
    now = look()
    # why again and again: a list of files that is back tells of files that nobody knew to be missing.
    while work.step(now):
        now = look()
    told = {fault.digest for fault in now.faults} | set(work.restored)
    unsure = (fault for fault in first.faults if fault.kind in ("unreadable", "unsteady") and fault.digest not in told)
    left = (*now.faults, *unsure)
    return Repaired(
        worst({now.health, *(fault.health for fault in left)}),
        tuple(work.restored),
        tuple(work.brought_back),
        tuple(work.quarantined),
        left,
        now.breach,
        now.unread,
        unlisted=now.unlisted,
        unasked=tuple(work.unasked),
    )


def quarantine(report: Report, *, store: Store, attic: Attic, clock: Clock) -> tuple[str, ...]:
    """Move each damaged blob of `report` out of its place; where they are now.

    Each is read once more while nobody writes: somebody may have put the right bytes meanwhile.
    """
    damaged = [fault.digest for fault in report.faults if fault.kind == "damaged"]
    if not damaged:
        return ()
    with attic.stocktaking():
        moved = [attic.quarantine(digest, clock.now()) for digest in damaged if _is_damaged(digest, store)]
    return tuple(place for place in moved if place is not None)


@dataclass(slots=True)
class _Work:
    """What was done so far, and where copies are still looked for."""

    store: Store
    attic: Attic
    clock: Clock
    copies: list[Copies]
    restored: list[Digest] = field(default_factory=list)
    brought_back: list[Digest] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)

    def step(self, report: Report) -> bool:
        """Do what can be done about `report`; whether that was anything."""
        moved = quarantine(report, store=self.store, attic=self.attic, clock=self.clock)
        back = self._bring_back([fault.digest for fault in report.faults if fault.kind == "trashed"])
        # why once each: a disk that does not keep what was put must not be written to for ever.
        lost = [fault for fault in report.faults if fault.kind in _LOST and fault.digest not in self.restored]
        found = [fault.digest for fault in lost if self._fetch(fault)]
        self.quarantined += moved
        self.restored += found
        return bool(moved or back or found)

    def _bring_back(self, digests: Sequence[Digest]) -> bool:
        """Bring what is sound back from the trash, and move what is not into the quarantine; whether there was any."""
        if not digests:
            return False
        with self.attic.stocktaking() as take_stock:
            stock = take_stock()
            there = [digest for digest in digests if digest in stock.trash and digest not in stock.blobs]
            damaged = [digest for digest in there if _is_damaged(digest, self.store)]
            tried = [self.attic.quarantine(digest, self.clock.now()) for digest in damaged]
            self.quarantined += (moved := [place for place in tried if place is not None])
            sound = [digest for digest in there if digest not in damaged]
            self.attic.bring_back(sound)
            self.brought_back += sound
        return bool(moved or sound)

    def _fetch(self, fault: Fault) -> bool:
        """Put a lost blob again, from the first place that really has it."""
        for file in self._found(fault):
            try:
                self.store.put_files([_Promised(file, fault.digest)])
            except (IntegrityError, ConflictError):
                continue
            return True
        return False

    def _found(self, fault: Fault) -> Iterator[OpenFile]:
        """What may be copies; a place that cannot be asked is told, and not asked again."""
        for place in tuple(self.copies):
            try:
                yield from place.find(fault.digest, fault.size)
            except RegistryError as error:
                self.copies.remove(place)
                self.unasked.append(f"{error.what}: {error.why}")


def _is_damaged(digest: Digest, store: Store) -> bool:
    try:
        with store.open(digest) as content:
            return hashed(content)[1] != digest
    except (Missing, OSError):
        return False
    except RegistryError as error:
        return isinstance(error, IntegrityError)  # why: what cannot be read may be whole; what is no file is not


@dataclass(frozen=True, slots=True)
class _Promised:
    """A file that must turn out to be the blob `digest`, or it is refused before its last byte is given."""

    file: OpenFile
    digest: Digest

    @property
    def path(self) -> str:
        """A name; nobody will see it."""
        return "copy"

    @property
    def size(self) -> int:
        """Bytes that the place says it has."""
        return self.file.size

    def open(self) -> BinaryIO:
        """Open it; raises `UnfitCopy`."""
        try:
            return _Hashed(self.file.open(), self.digest)  # type: ignore[return-value] # a raw stream, as others are
        except (OSError, RegistryError) as error:
            raise UnfitCopy("a copy cannot be read", why=str(error)) from None


class _Hashed(io.RawIOBase):
    """A stream that hashes what it gives, and raises at its end if that was not what was promised."""

    def __init__(self, content: BinaryIO, digest: Digest) -> None:
        self._content, self._digest, self._hash = content, digest, hashlib.sha256()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # the buffer is what io hands on
        """The next bytes; raises `UnfitCopy` at the end."""
        try:
            data = self._content.read(len(buffer))
        except (OSError, RegistryError) as error:
            raise UnfitCopy("a copy cannot be read", why=str(error)) from None
        self._hash.update(data)
        if not data and (found := f"sha256:{self._hash.hexdigest()}") != self._digest:
            raise UnfitCopy(f"this is no copy of {self._digest}", why=f"it hashes to {found}")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file too."""
        self._content.close()
        super().close()
