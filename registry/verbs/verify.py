"""Verify: believe nothing, read every blob again, check the ledger again, and say what is damaged and whom it harms."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from registry.core.digest import Digest, short
from registry.core.ledger.chain import Link, check_chain
from registry.core.ledger.entry import manifest_of
from registry.core.ledger.views import state_of
from registry.core.reach import Needed, of_entry
from registry.core.store import Missing
from registry.errors import IntegrityError, RegistryError, UsageError
from registry.ports import LedgerFile, Store

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """A blob that is not what it must be.

    `what` are its names to people, `harms` the models that cannot be brought back or explained without it. A damaged
    blob that nothing needs has neither, and is told all the same.
    """

    digest: Digest
    kind: Literal["missing", "damaged", "unreadable"]
    why: str
    what: tuple[str, ...]
    harms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found.

    `blobs` and `size` (bytes) were read, or only looked at if `is_quick`. `breach` is how the ledger is broken, if it
    is. `spare` blobs are sound and needed by no entry; `strays` are no blobs. Both harm nobody.
    """

    is_quick: bool
    entries: int
    blobs: int
    size: int
    breach: str | None
    faults: tuple[Fault, ...]
    spare: tuple[Digest, ...]
    strays: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether everything is as it was written."""
        return self.breach is None and not self.faults


def verify(
    *, store: Store, ledger: LedgerFile, genesis: Digest, strays: Iterable[str] = (), readers: int = 2
) -> Report:
    """Check the ledger, then hash every blob in `store`, needed or not; nothing that was seen before counts.

    Args:
        store: Where the blobs are.
        ledger: Where the entries are.
        genesis: The pinned digest of entry 0.
        strays: What the store's place holds that is no blob; told on.
        readers: Blobs that are read at a time.
    """
    return _Check(store, readers).run(ledger, genesis, strays)


def glance(*, store: Store, ledger: LedgerFile, genesis: Digest, strays: Iterable[str] = ()) -> Report:
    """Check the ledger, then that every blob that is needed is there and has its size; only trees and records are read.

    The arguments are those of `verify`. What this finds is damage; what it does not find may be there.
    """
    return _Check(store, 1, is_quick=True).run(ledger, genesis, strays)


@dataclass(slots=True)
class _Names:
    """What one blob is to people, in the order in which it was met."""

    size: int | None
    what: dict[str, None] = field(default_factory=dict)
    harms: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    """What reading one blob showed: its size in bytes, and what is wrong, if anything is."""

    size: int = 0
    kind: Literal["missing", "damaged", "unreadable"] | None = None
    why: str = ""


@dataclass(slots=True)
class _Check:
    """One run: `names` has every blob that is needed, `seen` every blob that was read."""

    store: Store
    readers: int
    is_quick: bool = False
    names: dict[Digest, _Names] = field(default_factory=dict)
    seen: dict[Digest, _Seen] = field(default_factory=dict)
    inside: dict[Digest, tuple[Needed, ...]] = field(default_factory=dict)

    def run(self, ledger: LedgerFile, genesis: Digest, strays: Iterable[str]) -> Report:
        """Walk from the ledger to every blob, read, and report."""
        links, breach = _links(ledger, genesis)
        present = set(self.store.digests())  # why after: blobs come before the entries that name them
        for needed, harm in _roots(links):
            self._follow(needed, harm, present)
        wanted = self.names if self.is_quick else {**self.names, **dict.fromkeys(sorted(present))}
        self._read_all([digest for digest in wanted if digest not in self.seen])
        faults = tuple(self._fault(digest, seen) for digest, seen in self.seen.items() if seen.kind)
        spare = tuple(sorted(present - set(self.names) - {fault.digest for fault in faults}))
        size = sum(seen.size for seen in self.seen.values())
        return Report(self.is_quick, len(links), len(self.seen), size, breach, faults, spare, tuple(strays))

    def _follow(self, root: Needed, harm: str | None, present: set[Digest]) -> None:
        """Name everything below `root`; what has things below it is read at once."""
        waiting = [root]
        while waiting:
            needed = waiting.pop()
            if needed.may_lack and needed.digest not in present:
                continue
            names = self.names.setdefault(needed.digest, _Names(needed.size))
            names.what[needed.what] = None
            if harm:
                names.harms[harm] = None
            if needed.follow:
                waiting += reversed(self._inside(needed))

    def _inside(self, needed: Needed) -> tuple[Needed, ...]:
        """What a tree or a record needs; nothing, and a fault is kept, if it cannot be read."""
        if needed.digest not in self.inside:
            self.inside[needed.digest] = ()
            try:
                data = self.store.get(needed.digest)
                self.seen[needed.digest] = _Seen(len(data))
                self.inside[needed.digest] = tuple(needed.follow(data)) if needed.follow else ()
            except RegistryError as error:
                self.seen[needed.digest] = _fault_of(error)
        return self.inside[needed.digest]

    def _read_all(self, digests: Sequence[Digest]) -> None:
        with ThreadPoolExecutor(self.readers) as threads:
            self.seen.update(zip(digests, threads.map(self._read, digests), strict=True))

    def _read(self, digest: Digest) -> _Seen:
        try:
            with self.store.open(digest) as content:
                size, found = (content.seek(0, 2), digest) if self.is_quick else _hashed(content)
        except RegistryError as error:
            return _fault_of(error)
        except OSError as error:
            return _Seen(0, "unreadable", error.strerror or str(error))
        wanted = self.names[digest].size if digest in self.names else None
        if found != digest:
            return _Seen(size, "damaged", f"its {size} bytes hash to {found}")
        if wanted is not None and size != wanted:
            return _Seen(size, "damaged", f"it has {size} bytes instead of {wanted}")
        return _Seen(size)

    def _fault(self, digest: Digest, seen: _Seen) -> Fault:
        names = self.names.get(digest, _Names(None))
        return Fault(digest, seen.kind or "damaged", seen.why, tuple(names.what), tuple(names.harms))


def _links(ledger: LedgerFile, genesis: Digest) -> tuple[list[Link], str | None]:
    """The entries that can be believed, and what is wrong with the next one."""
    links: list[Link] = []
    try:
        for link in check_chain(ledger.read(), genesis):
            links.append(link)  # noqa: PERF402 - those before a breach must stay
    except RegistryError as error:
        return links, str(error)
    return links, None


def _roots(links: Sequence[Link]) -> Iterator[tuple[Needed, str | None]]:
    """What each entry needs, with the model that it is about."""
    state = state_of(links) if links else None
    for link in links:
        manifest = manifest_of(link.entry)
        names = state.names(manifest) if state and manifest else ()
        harm = f"{'/'.join(names)}@{short(manifest)}" if manifest else None
        for needed in of_entry(link.entry):
            yield needed, harm


def _hashed(content: BinaryIO) -> tuple[int, Digest]:
    hashed, size = hashlib.sha256(), 0
    while piece := content.read(_PIECE_BYTES):
        hashed.update(piece)
        size += len(piece)
    return size, Digest("sha256:" + hashed.hexdigest())


def _fault_of(error: RegistryError) -> _Seen:
    kind: Literal["missing", "damaged", "unreadable"]
    match error:
        case Missing():
            kind = "missing"
        case IntegrityError() | UsageError():
            kind = "damaged"
        case _:
            kind = "unreadable"
    return _Seen(0, kind, f"{error.what}: {error.why}" if error.why else error.what)
