"""repair: move damaged blobs out of the way, and fetch what is lost by digest from wherever there is a copy.

Nothing is deleted. A copy is whatever has the right bytes: they are hashed while they arrive, and shown only then.
"""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from registry.core.digest import Digest, hashed
from registry.core.health import Fault, Health, Report, worst
from registry.core.store import Missing, Premises
from registry.errors import ConflictError, IntegrityError, RegistryError
from registry.ports import Attic, Clock, Copies, LedgerFile, OpenFile, Store
from registry.verbs.verify import glance, verify


class UnfitCopy(IntegrityError):
    """What a place offered as a copy has other bytes, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What was done, and what is left to do.

    `health` is that of the store now, `faults` what is still wrong, `breach` how its ledger is broken, if it is.
    `quarantined` are the places, relative to the store, where damaged blobs lie now.
    """

    health: Health
    restored: tuple[Digest, ...]
    brought_back: tuple[Digest, ...]
    quarantined: tuple[str, ...]
    faults: tuple[Fault, ...]
    breach: str | None


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
    first = verify(store=store, ledger=ledger, genesis=genesis, premises=premises())
    quarantined = [*quarantine(first, store=store, attic=attic, clock=clock)]
    back = tuple(fault.digest for fault in first.faults if fault.kind == "trashed")
    if back:
        with attic.alone() as stock:
            attic.bring_back([digest for digest in back if digest in stock.trash and digest not in stock.blobs])
    restored: list[Digest] = []
    while True:
        now = glance(store=store, ledger=ledger, genesis=genesis, premises=premises())
        moved = quarantine(now, store=store, attic=attic, clock=clock)
        lost = [fault for fault in now.faults if fault.kind in ("missing", "damaged")]
        found = [fault.digest for fault in lost if _fetch(fault, copies, store)]
        # why again and again: a list of files that is back tells of files that nobody knew to be missing.
        if not moved and not found:
            break
        quarantined += moved
        restored += found
    left = (*now.faults, *(fault for fault in first.faults if fault.kind in ("unreadable", "unsteady")))
    healths: set[Health] = {fault.health for fault in left} | ({"tampering"} if now.breach else set())
    return Repaired(worst(healths), tuple(restored), back, tuple(quarantined), left, now.breach)


def quarantine(report: Report, *, store: Store, attic: Attic, clock: Clock) -> tuple[str, ...]:
    """Move each damaged blob of `report` out of its place; where they are now.

    Each is read once more while nobody writes: somebody may have put the right bytes meanwhile.
    """
    damaged = [fault.digest for fault in report.faults if fault.kind == "damaged"]
    if not damaged:
        return ()
    with attic.alone():
        return tuple(attic.quarantine(digest, clock.now()) for digest in damaged if _is_damaged(digest, store))


def _is_damaged(digest: Digest, store: Store) -> bool:
    try:
        with store.open(digest) as content:
            return hashed(content)[1] != digest
    except (Missing, OSError):
        return False
    except RegistryError as error:
        return isinstance(error, IntegrityError)  # why: what cannot be read may be whole; what is no file is not


def _fetch(fault: Fault, copies: Sequence[Copies], store: Store) -> bool:
    """Put a lost blob again, from the first place that really has it."""
    for place in copies:
        for file in place.find(fault.digest, fault.size):
            try:
                store.put_files([_Promised(file, fault.digest)])
            except (IntegrityError, ConflictError):
                continue
            return True
    return False


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
        except OSError as error:
            raise UnfitCopy("a copy cannot be read", why=error.strerror or str(error)) from None


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
        except OSError as error:
            raise UnfitCopy("a copy cannot be read", why=error.strerror or str(error)) from None
        self._hash.update(data)
        if not data and (found := f"sha256:{self._hash.hexdigest()}") != self._digest:
            raise UnfitCopy(f"this is no copy of {self._digest}", why=f"it hashes to {found}")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file too."""
        self._content.close()
        super().close()
