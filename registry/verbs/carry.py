"""Carry: bring blobs from one store to another and entries from one ledger to its copy, which `push` and `fetch` do.

Blobs go first, then the entries that name them, in their order; so whatever interrupts it, a ledger never names what
is not there, and the next run goes on where this one stopped.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import tee
from typing import BinaryIO, cast

from registry.core.abreast import abreast
from registry.core.digest import Digest, DigestMismatch, digest_of, hex_of, short
from registry.core.ledger.views import State
from registry.core.reach import Needed, of_entry, of_manifest
from registry.core.roots import certain
from registry.core.store import Missing
from registry.errors import ConflictError, IntegrityError
from registry.ports import LedgerFile, Meter, Replica, Store

_AT_ONCE = 16
_PUT_AT_ONCE = 8192
"""Blobs that a store is handed at once; it makes a tree of them, of which nobody has any use here."""

_UNLISTED_MOST_BYTES = 1 << 34
"""A blob whose size is written down nowhere has no more bytes than this, whatever a store says: 16 GiB."""


class Moved(ConflictError):
    """Somebody else wrote to the ledger meanwhile."""


class Diverged(IntegrityError):
    """Two copies of a ledger differ in an entry: they were written to apart, or one was tampered with."""

    def __init__(self, index: int, why: str) -> None:
        """Name the first entry in which they differ."""
        mend = "compare both with a third copy; what was decided apart cannot be joined, only decided again"
        super().__init__(f"the ledgers differ from entry {index} on", why=why, mend=mend)
        self.index = index


@dataclass(frozen=True, slots=True)
class Side:
    """One of two copies of a registry."""

    store: Replica
    ledger: LedgerFile


@dataclass(frozen=True, slots=True)
class Carried:
    """What was brought: of `blobs` that were asked for, `copied` with `size_bytes` in all; the others were there.

    `lacking` blobs are named by an entry, but nothing has to keep them any more, and they are not where the others come
    from. `entries` were added to the ledger, which then has `length` of them.
    """

    blobs: int
    copied: int
    lacking: int
    size_bytes: int
    entries: int
    length: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be carried: what must be there, and what is brought if it is."""

    must: tuple[Needed, ...]
    may: tuple[Needed, ...] = ()


def wanted_of(state: State, refs: Sequence[str]) -> Wanted:
    """The models `refs`, with what was decided about them; without any, all that entries name.

    What a collector may have deleted need not be there; what a registry cannot do without must.

    Raises:
        UnknownReference, AmbiguousReference: A name is none, or more than one.
    """
    if not refs:
        named = (needed for link in state.entries for needed in of_entry(link.entry))
        return Wanted(tuple(root.needed for root in certain(state)), tuple(named))
    models = {state.resolve(ref) for ref in refs}
    about = (link.entry for link in state.entries if getattr(link.entry, "manifest", None) in models)
    return Wanted((*map(of_manifest, models), *(needed for entry in about for needed in of_entry(entry))))


def carry(wanted: Wanted, *, source: Replica, target: Replica, records: Sequence[Store], meter: Meter) -> Carried:
    """Bring everything that is `wanted`, and that `target` does not hold whole.

    Args:
        wanted: The beginnings of it; all that they need is wanted, too.
        source: Where blobs come from.
        target: Where they are brought to; every one is verified on arrival.
        records: Where trees and records are read to follow them, the first that has one sound.
        meter: Is told how far it is.

    Raises:
        Missing: The source has not got a blob.
        DigestMismatch: It gave other bytes; nothing of them was kept.
    """
    walk = _Walk(source, records)
    walk.run(wanted.must)
    lacking = walk.run(wanted.may, is_strict=False)
    sizes = walk.sizes
    held = target.held(sizes)
    files = [_Blob(digest, size, source, meter) for digest, size in sizes.items() if digest not in held]
    size_bytes = sum(file.size for file in files)
    meter.expect(size_bytes)
    for start in range(0, len(files), _PUT_AT_ONCE):
        target.put_files(files[start : start + _PUT_AT_ONCE])
    _hand_on_collected(lacking, source, target)
    return Carried(len(sizes), len(files), len(lacking), size_bytes, 0, 0)


def _hand_on_collected(lacking: set[Digest], source: Replica, target: Replica) -> None:
    """Let `target` know which of the `lacking` blobs were deleted on purpose, before an entry comes that names them."""
    if lacking and (fresh := lacking & source.collected() - target.collected()):
        # why not what is there: if that is lost one day, it was not on purpose.
        target.note_collected(fresh.difference(target.digests()))


def check_same(ours: Sequence[bytes], theirs: Sequence[bytes]) -> None:
    """Make sure that one ledger goes on where the other ends.

    Raises:
        Diverged: They differ in an entry that both have.
    """
    for index, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            raise Diverged(index, f"here it is {short(digest_of(mine))}, there {short(digest_of(other))}")


def extend(ledger: LedgerFile, entries: Sequence[bytes], start: int) -> int:
    """Add the `entries` from index `start` on to a copy that has those before; how many were added.

    Raises:
        Moved: Another entry was written there meanwhile.
    """
    added = 0
    for index in range(start, len(entries)):
        if ledger.put_if_absent(index, entries[index]):
            added += 1
        elif tuple(ledger.read(index, index + 1)) != (entries[index],):
            why = f"somebody wrote another entry {index}"
            raise Moved("the ledger was written to meanwhile", why=why, mend="run the same command again")
    return added


@dataclass(frozen=True, slots=True)
class _Blob:
    """A blob of a store, offered to another."""

    digest: Digest
    size: int
    source: Store
    meter: Meter

    @property
    def path(self) -> str:
        return hex_of(self.digest)

    def open(self) -> BinaryIO:
        """Open it, metered; one that is not as long as it must be is not even read."""
        content = self.source.open(self.digest)
        if (found := content.seek(0, io.SEEK_END)) != self.size:
            content.close()
            mend = "run `registry verify` there"
            raise DigestMismatch(f"{self.digest} is not whole", why=f"{found} bytes of {self.size}", mend=mend)
        content.seek(0)
        return cast("BinaryIO", _Metered(content, self.meter))


class _Metered(io.BufferedReader):
    """A stream that tells how much of it was read. Its `raw` is what it reads, for whoever can share that instead."""

    def __init__(self, content: BinaryIO, meter: Meter) -> None:
        super().__init__(cast("io.RawIOBase", content))
        self._meter = meter

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override] # the buffer is what io hands on
        count = super().readinto(buffer)
        self._meter.moved(count)
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._meter.moved(len(data))
        return data


@dataclass(slots=True)
class _Walk:
    """Finds every blob below some roots, and its size in bytes; level by level, many at a time."""

    source: Store
    records: Sequence[Store]
    sizes: dict[Digest, int] = field(default_factory=dict)
    met: dict[str, set[Digest]] = field(default_factory=dict)

    def run(self, roots: Iterable[Needed], *, is_strict: bool = True) -> set[Digest]:
        """Add everything below `roots`; what of it is not there, which is an error if the walk is strict."""
        level, lacking = list(roots), set[Digest]()
        while level:
            ours, theirs = tee(self._unmet(level))
            found = abreast(lambda one: self._look(one, is_strict=is_strict), theirs, at_once=_AT_ONCE)
            below: list[Needed] = []
            for one, inside in zip(ours, found, strict=True):
                lacking |= {one.digest} if inside is None else set()
                below += inside or ()
            level = below
        return lacking

    def _unmet(self, level: Iterable[Needed]) -> Iterator[Needed]:
        """Those that were not met before; they are now."""
        for one in level:
            met = self.met.setdefault(one.scope, set())
            if one.digest not in met:
                met.add(one.digest)
                yield one

    def _look(self, needed: Needed, *, is_strict: bool) -> tuple[Needed, ...] | None:
        """Note the size of a blob, and return what it needs; None if it is not there, and need not be."""
        try:
            if needed.follow:
                data = self._get(needed)
                self.sizes[needed.digest] = len(data)
                return tuple(needed.follow(data))
            if needed.digest not in self.sizes:
                is_sure = is_strict and not needed.may_lack
                self.sizes[needed.digest] = needed.size if is_sure and needed.size is not None else self._size(needed)
        except Missing:
            if is_strict and not needed.may_lack:
                raise
            return () if needed.may_lack else None
        return ()

    def _get(self, needed: Needed) -> bytes:
        for store in self.records[:-1]:
            try:
                return store.get(needed.digest)
            except IntegrityError:
                continue  # why: what is missing or damaged here is what the other one is asked for.
        return self.records[-1].get(needed.digest)

    def _look_up(self, digest: Digest) -> int:
        try:
            return _length(self.source, digest)
        except Missing:
            others = [store for store in self.records if store is not self.source]
            if not others:
                raise
            return _length(others[0], digest)

    def _size(self, needed: Needed) -> int:
        """The size of a blob as it is written down, or else as a store says that has it."""
        size = self._look_up(needed.digest)
        if needed.size is None and size > _UNLISTED_MOST_BYTES:
            raise DigestMismatch(f"{needed.what} cannot be that long", why=f"{size} bytes")
        return size if needed.size is None else needed.size


def _length(store: Store, digest: Digest) -> int:
    with store.open(digest) as content:
        return content.seek(0, io.SEEK_END)
