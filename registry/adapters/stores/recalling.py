"""A store in a bucket, for who decides on what is read there: what it names is not left in the trash."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from registry.adapters.stores.bucket import BucketStore
from registry.core.digest import Digest
from registry.core.reach import Needed, of_leased
from registry.core.tree import Tree
from registry.errors import RegistryError
from registry.ports import OpenFile


@dataclass(frozen=True)
class RecallingStore:
    """`store`, of which each record that is read is brought back from the trash first, with all that it names.

    What was set aside before this process began may be deleted before its entry is written; what is set aside later
    stays in the trash for a whole grace. So it is enough to look into the trash once.
    """

    store: BucketStore

    def put(self, data: bytes) -> Digest:
        """Keep small `data`; what is in the trash is not there."""
        return self.store.put(data)

    def put_files(self, files: Iterable[OpenFile]) -> Tree:
        """Keep each file, and return the tree that they make."""
        return self.store.put_files(files)

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading, unverified; the record that names it was read before, and has brought it back."""
        return self.store.open(digest)

    def get(self, digest: Digest) -> bytes:
        """Read a small blob, verified, and bring back what it names.

        Raises:
            Missing: It is not here, nor in the trash.
            DigestMismatch: It has other bytes.
            Forbidden: It would have to be brought back, and the credentials do not allow it.
        """
        data = self.store.get(digest)
        if self._trashed:
            named = {needed.digest for needed in self._below(of_leased(digest, is_record=data.startswith(b"{")))}
            self.store.attic.bring_back(sorted(named & self._trashed))
        return data

    def digests(self) -> Iterator[Digest]:
        """Every blob that is here."""
        return self.store.digests()

    def held(self, wanted: Mapping[Digest, int]) -> frozenset[Digest]:
        """Those of `wanted` that are here whole; what is in the trash is not."""
        return self.store.held(wanted)

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose, here or where blobs were brought from."""
        return self.store.collected()

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Note what was deleted on purpose where blobs were brought from."""
        self.store.note_collected(digests)

    @cached_property
    def _trashed(self) -> frozenset[Digest]:
        """What was in the trash when it was first asked for."""
        return self.store.attic.trashed()

    def _below(self, top: Needed) -> Iterator[Needed]:
        """`top`, and whatever it names, as far as that can be read; who reads it later is told what cannot."""
        waiting, met = [top], set[tuple[Digest, str]]()
        while waiting:
            needed = waiting.pop()
            if (needed.digest, needed.scope) in met:
                continue
            met.add((needed.digest, needed.scope))
            yield needed
            with suppress(RegistryError):
                waiting += needed.follow(self.store.get(needed.digest)) if needed.follow else ()
