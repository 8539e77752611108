"""Places that may have a copy of a blob: another store, or any directory of files, whatever they are called there."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from registry.adapters import durable
from registry.adapters.stores.attic import plain_files
from registry.core.digest import Digest
from registry.core.store import Missing
from registry.errors import IntegrityError, RegistryError
from registry.ports import Store

_SMALL_BYTES = 1024 * 1024
"""Files up to this size are hashed where nobody knows how large the lost blob was: records and lists of files are."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a copy."""

    place: Path
    size: int

    @property
    def path(self) -> str:
        """Its name."""
        return self.place.name

    def open(self) -> BinaryIO:
        """Open it, never through a link."""
        return durable.open_plain(self.place)


@dataclass(frozen=True)
class Pile:
    """Every plain file below `root`: a host's releases, a bundle, a DVC cache, a directory of models.

    DVC knows bytes by their md5 and a host by their paths; by size and digest they are found all the same.
    """

    root: Path

    def find(self, digest: Digest, size: int | None) -> Iterator[Candidate]:
        """The files of that size; where the size is not known, the small file with that digest."""
        if size is not None:
            yield from (Candidate(path, size) for path in self._by_size[size])
        elif digest in self._small:
            yield self._small[digest]

    @cached_property
    def _by_size(self) -> defaultdict[int, list[Path]]:
        found = defaultdict[int, list[Path]](list)
        for entry in plain_files(self.root):
            found[entry.stat(follow_symlinks=False).st_size].append(Path(entry.path))
        return found

    @cached_property
    def _small(self) -> dict[Digest, Candidate]:
        found = {}
        for size, paths in self._by_size.items():
            for path in paths if size <= _SMALL_BYTES else ():
                try:
                    with durable.open_plain(path) as content:
                        found[durable.pour(content).digest] = Candidate(path, size)
                except (OSError, RegistryError):
                    continue  # why: what cannot be read here may be found elsewhere
        return found


@dataclass(frozen=True, slots=True)
class FromStore:
    """Another store of any kind."""

    store: Store

    def find(self, digest: Digest, size: int | None) -> Iterator["Blob"]:
        """The blob, if it has it and the system will open it."""
        try:
            with self.store.open(digest) as content:
                found = Blob(self.store, digest, content.seek(0, 2))
        except (Missing, IntegrityError, OSError):
            return
        yield found


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob of another store."""

    store: Store
    digest: Digest
    size: int

    @property
    def path(self) -> str:
        """Its name."""
        return "blob"

    def open(self) -> BinaryIO:
        """Open it, unverified."""
        return self.store.open(self.digest)
