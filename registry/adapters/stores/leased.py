"""A store under a lease: what this process puts or reads is not collected while it is at work."""

import os
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from registry.adapters import durable
from registry.adapters.stores.directory import DirectoryStore
from registry.core.digest import Digest, digest_of
from registry.core.tree import Tree
from registry.ports import OpenFile

_AT_ONCE = 8192
"""Digests that are written down at once."""


@dataclass(frozen=True, slots=True)
class LeasedStore:
    """`store`, of which each blob that is put, and each record that is read, is written into a lease first.

    A collector counts what is in the lease of a living process as needed, a record with all that it names. So nobody
    has to hold a lock between the first blob of a model and the entry of the ledger that names it, or between its
    manifest and its last file.
    """

    store: DirectoryStore
    lease: "Lease"

    def put(self, data: bytes) -> Digest:
        """Keep small `data` durably, under the lease."""
        with self.lease.naming([digest_of(data)]):
            return self.store.put(data)

    def put_files(self, files: Iterable[OpenFile]) -> Tree:
        """Keep each file durably, and return the tree that they make; all are under the lease."""
        with self.lease.naming(()):
            tree = self.store.put_files(files)
            self.lease.add(entry.digest for entry in tree.entries)
        return tree

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading, unverified; the record that names it was read before, and holds it."""
        return self.store.open(digest)

    def get(self, digest: Digest) -> bytes:
        """Read a small blob, verified, and hold it with all that it names."""
        # why suppressed: who may only read cannot hold a lease, and may read all the same.
        if digest not in self.lease.named and self.store.root.is_dir():
            with suppress(durable.WriteFailed), self.lease.naming([digest]):
                pass
        return self.store.get(digest)

    def digests(self) -> Iterator[Digest]:
        """Every blob that is here."""
        return self.store.digests()

    def held(self, wanted: Mapping[Digest, int]) -> frozenset[Digest]:
        """Those of `wanted` that are here whole; all of `wanted` is under the lease."""
        with self.lease.naming(wanted):
            return self.store.held(wanted)

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose, here or where blobs were brought from."""
        return self.store.collected()

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Note what was deleted on purpose where blobs were brought from."""
        self.store.note_collected(digests)


@dataclass(slots=True, weakref_slot=True, eq=False)
class Lease:
    """The digests that this process works with, in a file of the store at `root`, locked while the process lives.

    It is made with the first digest, and nothing of it need survive: when the process is gone, so is what it was about
    to do. Its methods may run in several threads.
    """

    root: Path
    named: set[Digest] = field(default_factory=set)
    _file: durable.Temporary | None = None
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def naming(self, digests: Collection[Digest]) -> Iterator[None]:
        """Add `digests`, and keep collectors out until the end of the block.

        Raises:
            WriteFailed: The store cannot be written to.
        """
        durable.make_directory(self.root)
        with durable.held_with_others(self.root / "lock"):
            self.add(digests)
            self.named.update(digests)
            yield

    def add(self, digests: Iterable[Digest]) -> None:
        """Write `digests` down; only inside `naming`. They may be very many, and are not kept in memory."""
        with self._one_at_a_time, durable.explained(self.root / "leases"):
            rest = iter(digests)
            while some := set(islice(rest, _AT_ONCE)):
                if fresh := some - self.named:
                    # why a line break first: a line that a full disk has cut must not run into the next one.
                    self._open().write("\n".join(["", *sorted(fresh), ""]).encode())

    def _open(self) -> durable.Temporary:
        if self._file is None:
            area = self.root / "leases"
            durable.make_directory(area)
            durable.sweep(area)
            self._file = durable.create(os.open(area, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            weakref.finalize(self, _let_go, self._file)
        return self._file


def _let_go(file: durable.Temporary) -> None:
    with suppress(OSError):
        file.close()
        os.close(file.directory)
