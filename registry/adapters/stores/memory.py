"""A store that lasts as long as the process: for tests, and the first to keep the contract."""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from registry.core.digest import Digest, check, digest_of, parse_digest
from registry.core.store import SourceChanged, missing
from registry.core.tree import Entry, Tree, check_names, tree_of
from registry.ports import KnownFile, OpenFile


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """Blobs in a dictionary."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    gone: set[Digest] = field(default_factory=set)

    def put(self, data: bytes) -> Digest:
        """Keep `data`."""
        self.blobs[digest := digest_of(data)] = bytes(data)
        return digest

    def put_files(self, files: Iterable[OpenFile]) -> Tree:
        """Keep each file and return the tree that they make; raises as every store does."""
        listed = tuple(files)
        check_names([file.path for file in listed])
        return tree_of(self._take(file) for file in listed)

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob, unverified; raises `Missing`."""
        if (data := self.blobs.get(parse_digest(digest))) is None:
            raise missing(digest)
        return io.BytesIO(data)

    def get(self, digest: Digest) -> bytes:
        """Read a blob, verified; raises `Missing` or `DigestMismatch`."""
        with self.open(digest) as content:
            return check(content.read(), digest)

    def digests(self) -> Iterator[Digest]:
        """Every blob that is here."""
        return iter(tuple(self.blobs))

    def held(self, wanted: Mapping[Digest, int]) -> frozenset[Digest]:
        """Those of `wanted` that are here whole."""
        here = ((digest, size, self.blobs.get(digest)) for digest, size in wanted.items())
        return frozenset(d for d, size, data in here if data is not None and (len(data), digest_of(data)) == (size, d))

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose where blobs were brought from."""
        return frozenset(self.gone)

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Add to it."""
        self.gone.update(digests)

    def _take(self, file: OpenFile) -> Entry:
        with file.open() as content:
            data = content.read()
        if isinstance(file, KnownFile):
            check(data, file.digest)
        if len(data) != file.size:
            raise SourceChanged(f"{file.path} changed while it was read", why=f"{len(data)} bytes, not {file.size}")
        return Entry(path=file.path, size=len(data), digest=self.put(data))
