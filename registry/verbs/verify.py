"""Verify: believe nothing, read every blob again, check the ledger again, and say what is damaged and whom it harms."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import tee

from registry.core.abreast import abreast
from registry.core.digest import Digest, hashed, short
from registry.core.health import Fault, Health, Kind, Level, Report, health_of, worst
from registry.core.ledger.chain import Chain
from registry.core.ledger.entry import Link, manifest_of
from registry.core.ledger.head import check_head, sizes_of
from registry.core.ledger.views import state_of
from registry.core.reach import of_entry
from registry.core.sample import Sample
from registry.core.store import Missing, Premises
from registry.errors import IntegrityError, RegistryError, UsageError
from registry.ports import LedgerFile, Store
from registry.verbs.walk import Walk

_CHUNK = 1024
"""Entries that are read at a time where not all can be."""


def verify(
    *,
    store: Store,
    ledger: LedgerFile,
    genesis: Digest,
    premises: Premises | None = None,
    sample: Sample | None = None,
    readers: int = 2,
) -> Report:
    """Check the ledger, then hash every blob in `store`, needed or not; nothing that was seen before counts.

    What has other bytes than its name says is read once more, before it is called damaged.

    Args:
        store: Where the blobs are.
        ledger: Where the entries are.
        genesis: The pinned digest of entry 0.
        premises: What else the store's place shows.
        sample: Hash only these, and records; the others are looked at, as `glance` does.
        readers: Blobs that are read at a time.
    """
    level: Level = "subset" if sample else "read-data"
    return _Check(store, premises or Premises(), level, sample, readers).run(ledger, genesis)


def glance(*, store: Store, ledger: LedgerFile, genesis: Digest, premises: Premises | None = None) -> Report:
    """Check the ledger, then that every blob that is needed is there and has its size; only trees and records are read.

    The arguments are those of `verify`. What this finds is damage; what it does not find may be there.
    """
    return _Check(store, premises or Premises(), "quick").run(ledger, genesis)


@dataclass(slots=True)
class _Names:
    """What one blob is to people, in the order in which it was met."""

    what: dict[str, None] = field(default_factory=dict)
    harms: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one blob showed: its size in bytes, whether all were read, and what is wrong, if anything is."""

    size: int = 0
    is_read: bool = False
    kind: Kind | None = None
    why: str = ""


@dataclass(slots=True)
class _Check:
    """One run: `needed` has the size of every blob that is needed, `wrong` what each showed that is not sound.

    `blobs` were read, or looked at where that is all; they have `size` bytes. `unchecked` were not read.
    """

    store: Store
    premises: Premises
    level: Level
    sample: Sample | None = None
    readers: int = 1
    needed: dict[Digest, int | None] = field(default_factory=dict)
    wrong: dict[Digest, _Seen] = field(default_factory=dict)
    blobs: int = 0
    size: int = 0
    unchecked: int = 0

    def run(self, ledger: LedgerFile, genesis: Digest) -> Report:
        """Walk from the ledger to every blob, look or read, and report."""
        links, breach, unread = _links(ledger, genesis)
        present = set(self.store.digests())  # why after: blobs come before the entries that name them
        walk = Walk(self.store)
        for link in links:
            for needed in walk.through(of_entry(link.entry), present):
                if self.needed.get(needed.digest) is None:
                    self.needed[needed.digest] = needed.size
        records = _of_walk(walk)
        self._note(records.items())
        others = () if self.level == "quick" else sorted(present - self.needed.keys())
        self._see_all(digest for digest in (*self.needed, *others) if digest not in records)
        trashed = self.premises.trashed & self.needed.keys() - present
        excused = self._excused(links, walk, trashed)
        found = (*self._faults(excused), *self._outside(trashed - excused, present))
        names = self._names(links, walk, present, wanted={digest for digest, *_ in found})
        faults = tuple(self._fault(*one, names=names) for one in found)
        report = self._report(len(links), breach, faults=faults, collected=len(excused - trashed), present=present)
        if unread or self.premises.unlisted:
            health = worst({report.health, "could-not-check"})
            return replace(report, unread=unread, unlisted=self.premises.unlisted, health=health)
        return report

    def _names(
        self, links: Sequence[Link], walk: Walk, present: Collection[Digest], *, wanted: Collection[Digest]
    ) -> dict[Digest, _Names]:
        """What those `wanted` that are needed are to people; only of these, since a store may have very many blobs."""
        found: dict[Digest, _Names] = {}
        state = state_of(links) if links and wanted else None
        for link in links if wanted else ():
            manifest = manifest_of(link.entry)
            called = state.names(manifest) if state and manifest else ()
            harm = f"{'/'.join(called)}@{short(manifest)}" if manifest else None
            for needed in walk.through(of_entry(link.entry), present):
                if needed.digest in wanted:
                    names = found.setdefault(needed.digest, _Names())
                    names.what[needed.what] = None
                    names.harms |= {harm: None} if harm else {}
        return found

    def _see_all(self, digests: Iterable[Digest]) -> None:
        ours, theirs = tee(digests)
        self._note(zip(ours, abreast(self._see, theirs, at_once=self.readers), strict=True))

    def _note(self, seen: Iterable[tuple[Digest, _Seen]]) -> None:
        """Count what blobs showed, and keep what is wrong."""
        for digest, one in seen:
            if one.is_read or self.level == "quick":
                self.blobs, self.size = self.blobs + 1, self.size + one.size
            if one.kind:
                self.wrong[digest] = one
            elif not one.is_read:
                self.unchecked += 1

    def _see(self, digest: Digest) -> _Seen:
        is_read = self.level == "read-data" or (self.sample is not None and self.sample.has(digest))
        try:
            size, found = self._open(digest, is_read=is_read)
            again = self._open(digest, is_read=is_read) if found != digest else (size, found)
        except RegistryError as error:
            return _fault_of(error)
        except OSError as error:
            return _Seen(kind="unreadable", why=error.strerror or str(error))
        wanted = self.needed.get(digest)
        if again[1] != digest:
            return _Seen(size, is_read, "damaged", f"its {size} bytes hash to {found}, and so they did when read again")
        if found != digest:
            return _Seen(size, is_read, "unsteady", f"read first, it hashed to {found}; suspect memory, cable or disk")
        if wanted is not None and size != wanted:
            return _Seen(size, is_read, "damaged", f"it has {size} bytes instead of {wanted}")
        return _Seen(size, is_read)

    def _open(self, digest: Digest, *, is_read: bool) -> tuple[int, Digest]:
        """Hash a blob, or look at its size alone."""
        with self.store.open(digest) as content:
            return hashed(content) if is_read else (content.seek(0, 2), digest)

    def _excused(self, links: Sequence[Link], walk: Walk, trashed: Collection[Digest]) -> set[Digest]:
        """What was set aside or deleted on purpose, and is not needed again."""
        gone = {one for one, seen in self.wrong.items() if seen.kind == "missing"} & self.premises.collected
        gone |= set(trashed)
        return walk.excused(gone, state_of(links)) if gone and links else gone

    def _faults(self, excused: Collection[Digest]) -> Iterator[tuple[Digest, Kind, str]]:
        """What the blobs showed, in the order in which they were met."""
        for digest, seen in self.wrong.items():
            if seen.kind and digest not in excused:
                yield digest, seen.kind, seen.why

    def _outside(self, trashed: Collection[Digest], present: Collection[Digest]) -> Iterator[tuple[Digest, Kind, str]]:
        """What the premises show of blobs that are sound, as far as they were read."""
        for digest in sorted(set(trashed) - self.wrong.keys()):
            yield digest, "trashed", "it was set aside, and is needed again"
        for digest in self.premises.exposed:
            is_sound = (digest in present or digest in self.needed) and digest not in self.wrong
            if is_sound or self.level == "quick":
                yield digest, "exposed", "its mode lets somebody write to it"

    def _fault(self, digest: Digest, kind: Kind, why: str, *, names: Mapping[Digest, _Names]) -> Fault:
        named, health = names.get(digest, _Names()), health_of(kind, is_needed=digest in self.needed)
        return Fault(digest, kind, health, why, tuple(named.what), tuple(named.harms), self.needed.get(digest))

    def _report(
        self,
        entries: int,
        breach: str | None,
        *,
        faults: tuple[Fault, ...],
        collected: int,
        present: set[Digest],
    ) -> Report:
        healths: set[Health] = {fault.health for fault in faults} | ({"tampering"} if breach else set())
        bad = {fault.digest for fault in faults}
        return Report(
            health=worst(healths),
            level=self.level,
            entries=entries,
            blobs=self.blobs,
            size=self.size,
            unchecked=self.unchecked,
            breach=breach,
            faults=faults,
            collected=collected,
            spare=tuple(sorted(present - self.needed.keys() - bad)),
            strays=self.premises.strays,
        )


def _of_walk(walk: Walk) -> dict[Digest, _Seen]:
    """What the records showed: they were read whole."""
    seen = {digest: _Seen(size, is_read=True) for digest, size in walk.sizes.items()}
    for digest, error in walk.unsteady.items():
        seen[digest] = _Seen(walk.sizes.get(digest, 0), is_read=True, kind="unsteady", why=f"read first: {error.why}")
    return {**seen, **{digest: _fault_of(error) for digest, error in walk.faults.items()}}


def _links(ledger: LedgerFile, genesis: Digest) -> tuple[list[Link], str | None, str | None]:
    """The entries that can be believed; what is wrong with what comes next; and what kept that from being read."""
    links: list[Link] = []
    try:
        note = ledger.checkpoint()  # why first: what it says was written before it
        chain = Chain(genesis, wanted=sizes_of(note))
        for data in _entries(ledger):
            links.append(chain.extend(data))  # noqa: PERF401 - those before a breach must stay
        _ = chain.now
        if note is not None:
            check_head(note, chain)
    except IntegrityError as error:
        return links, str(error), None
    except RegistryError as error:
        return links, None, str(error)
    return links, None, None


def _entries(ledger: LedgerFile) -> Iterator[bytes]:
    """Every entry; where one cannot be had, those before it, and then the fault."""
    try:
        entries = ledger.read()
    except RegistryError as error:
        yield from _entries_before(ledger, error)
    else:
        yield from entries


def _entries_before(ledger: LedgerFile, fault: RegistryError) -> Iterator[bytes]:
    start, count = 0, _CHUNK
    while True:
        try:
            entries = ledger.read(start, start + count)
        except RegistryError:
            if count == 1:
                raise
            count = 1
            continue
        yield from entries
        start += len(entries)
        if len(entries) < count:
            raise fault


def _fault_of(error: RegistryError) -> _Seen:
    kind: Kind
    match error:
        case Missing():
            kind = "missing"
        case IntegrityError() | UsageError():
            kind = "damaged"
        case _:
            kind = "unreadable"
    return _Seen(kind=kind, why=f"{error.what}: {error.why}" if error.why else error.what)
