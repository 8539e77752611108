"""A store in a directory: `blobs/sha256/ab/<64 hex>`, read-only files that are durable before they are acknowledged."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from registry.adapters import durable
from registry.adapters.stores.attic import Attic
from registry.adapters.stores.intake import BLOBS, Intake, Taken
from registry.adapters.stores.seen import Seen
from registry.core.abreast import abreast
from registry.core.digest import Digest, DigestMismatch, check, digest_of
from registry.core.store import Premises, digest_at, missing, place_of
from registry.core.tree import Entry, Tree, check_names, tree_of
from registry.errors import RegistryError
from registry.ports import OpenFile

_LARGE_AT_ONCE = min(max(os.cpu_count() or 1, 2), 16)
"""Files of more than one piece in flight: a core each, and no more than their buffers may take of the memory."""

_SMALL_AT_ONCE = 4
"""Small files in flight, each with an fsync of its own. More only fight for the interpreter."""

FEW = 64
"""Up to so many small files are fsynced one by one, which waits for nothing that others have left dirty."""

_GROUP = 256
"""Small files of a batch, which become durable by one call."""

_GROUPS_AT_ONCE = 2
"""Batches under way: one is read while the other waits for the disk."""

_BATCH = 4096
"""Files between two rounds of making names durable; so memory is bounded whatever their number."""


class Unreadable(RegistryError):
    """A blob is there, but the system will not let us read it."""


@dataclass(frozen=True, slots=True)
class DirectoryStore:
    """Blobs below `root`, which is made when the first blob comes. Any number of processes may use it at once."""

    root: Path

    @property
    def attic(self) -> Attic:
        """What lies behind it: the lock, the trash, the quarantine."""
        return Attic(self.root)

    def put(self, data: bytes) -> Digest:
        """Keep small `data` durably; a damaged blob of that name is healed. Raises `DiskFull` or `WriteFailed`."""
        with self._intake() as intake:
            intake.keep(digest := digest_of(data), data)
            intake.settle()
        return digest

    def put_files(self, files: Iterable[OpenFile]) -> Tree:
        """Keep each file durably, hashing while copying, and return the tree that they make.

        A file that was hashed before and looks unchanged, and whose blob is sound, is not even read.

        Raises:
            UnsafeName: A name could leave the tree, or two collide; nothing was copied.
            SourceChanged: A file was written while it was read.
            DiskFull: There is no room.
            WriteFailed: The system would not do it.
        """
        listed = tuple(files)
        check_names([file.path for file in listed])
        entries: list[Entry] = []
        with self._intake() as intake:
            for start in range(0, len(listed), _BATCH):
                taken = list(_take_all(intake, listed[start : start + _BATCH]))
                intake.settle()
                intake.remember(taken)
                entries += (one.entry for one in taken)
        return tree_of(entries)

    def open(self, digest: Digest) -> BinaryIO:
        """Open a blob for reading, unverified; raises `Missing`, `DigestMismatch` if it is no file, or `Unreadable`.

        One that was set aside is read where it is now: nothing is lost to readers before it is deleted for good.
        """
        path = self.root / place_of(digest)
        try:
            return durable.open_plain(path)
        except FileNotFoundError:
            return self._open_trashed(digest)
        except OSError as error:
            if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
                raise _no_file(digest) from None
            raise _unreadable(digest, error) from error

    def get(self, digest: Digest) -> bytes:
        """Read a small blob, verified; raises `Missing`, `DigestMismatch` or `Unreadable`."""
        with self.open(digest) as content:
            try:
                return check(content.read(), digest)
            except OSError as error:
                raise _unreadable(digest, error) from error

    def digests(self) -> Iterator[Digest]:
        """Every blob that is here, in no order."""
        return (digest for place in self._places() if (digest := digest_at(place)))

    def held(self, wanted: Mapping[Digest, int]) -> frozenset[Digest]:
        """Those of `wanted` that are here whole: of that size in bytes, and hashed now or when they looked the same."""
        if not (self.root / "blobs").is_dir():
            return frozenset()
        blobs = [durable.Written(digest, size) for digest, size in wanted.items()]
        with self._intake() as intake:
            are_here = abreast(intake.has, blobs, at_once=os.cpu_count() or 1)
            found = frozenset(blob.digest for blob, is_here in zip(blobs, are_here, strict=True) if is_here)
            intake.settle()
            intake.remember(())
        return found

    def strays(self) -> tuple[str, ...]:
        """What lies in the store and is no blob: a crash's unfinished files, and what somebody else put there."""
        unfinished = durable.strays(self.root / "unfinished")
        foreign = [place for place in self._places() if digest_at(place) is None]
        return (*(path.relative_to(self.root).as_posix() for path in unfinished), *sorted(foreign))

    def premises(self) -> Premises:
        """What shows without reading a byte."""
        attic = self.attic
        return Premises(self.strays(), tuple(sorted(self._exposed())), attic.trashed(), *attic.deletions())

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose, here or where blobs were brought from."""
        return self.attic.collected()

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Note what was deleted on purpose where blobs were brought from."""
        durable.make_directory(self.root)
        self.attic.note_collected(digests)

    def seal(self, digests: Iterable[Digest]) -> None:
        """Let nobody write to these blobs any more."""
        for digest in digests:
            durable.seal(self.root / place_of(digest))

    def confirm(self) -> None:
        """Make the name of every blob durable, before all are called whole: who showed one may have been killed then.

        Raises:
            WriteFailed: The system would not do it.
        """
        if (self.root / "blobs").is_dir():
            durable.settle(self.root / "blobs")

    @contextmanager
    def _intake(self) -> Iterator[Intake]:
        """Open the way in, making what is missing and clearing away what crashes left."""
        area = self.root / "unfinished"
        durable.make_directory(self.root / BLOBS)
        durable.make_directory(area)
        durable.sweep(area)
        with (
            durable.held_with_others(self.root / "lock"),  # why: no collector may move what we find or show
            durable.folder(area) as unfinished,
            durable.folder(self.root / BLOBS) as blobs,
            closing(Seen(self.root / "seen-1.sqlite")) as seen,
        ):
            try:
                yield Intake(self.root, unfinished, blobs, seen)
            except durable.WriteFailed:
                seen.forget()  # why: after a fault of the disk, nothing that was hashed before proves anything.
                raise

    def _open_trashed(self, digest: Digest) -> BinaryIO:
        # why the blob's own place again: the collector may be bringing it back at this moment.
        for path in (self.attic.find_in_trash(digest), self.root / place_of(digest)):
            try:
                if path is not None:
                    return durable.open_plain(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _unreadable(digest, error) from error
        raise missing(digest)

    def _exposed(self) -> Iterator[Digest]:
        """The blobs whose mode lets somebody write."""
        for place in self._places():
            if digest := digest_at(place):
                mode = (self.root / place).lstat().st_mode
                if stat.S_ISREG(mode) and mode & 0o222:
                    yield digest

    def _places(self) -> Iterator[str]:
        """The relative POSIX path of each thing below `blobs`, directories left out; a link to one is a thing."""
        for place, directories, names in os.walk(self.root / "blobs", onerror=_refuse):
            inside = Path(place).relative_to(self.root).as_posix()
            links = [name for name in directories if Path(place, name).is_symlink()]
            yield from (f"{inside}/{name}" for name in (*names, *links))


def _take_all(intake: Intake, files: Sequence[OpenFile]) -> Iterator[Taken]:
    """Take `files` in, the large ones a core each, then the small ones many at a time."""
    # why the largest first: so that the last one to end is not a large one that was begun last.
    large = sorted((file for file in files if file.size >= durable.PIECE_BYTES), key=lambda file: -file.size)
    small = [file for file in files if file.size < durable.PIECE_BYTES]
    yield from abreast(intake.take, large, at_once=_LARGE_AT_ONCE)
    if len(small) > FEW and _is_local(small[0]) and durable.can_sync_together(intake.unfinished):
        groups = [small[start : start + _GROUP] for start in range(0, len(small), _GROUP)]
        yield from chain.from_iterable(abreast(intake.take_all, groups, at_once=_GROUPS_AT_ONCE))
    else:
        yield from abreast(intake.take, small, at_once=_SMALL_AT_ONCE)


def _is_local(file: OpenFile) -> bool:
    """Whether `file` is a plain file, so that it is read without waiting for anybody."""
    with file.open() as content:
        return durable.plain_file(content) is not None


def _refuse(error: OSError) -> None:
    """Tell of a directory that cannot be listed: what lies in it would seem not to be there, or never be checked."""
    if not isinstance(error, FileNotFoundError):
        why, mend = error.strerror or str(error), durable.mend_of(error)
        raise Unreadable(f"{error.filename} could not be listed", why=why, mend=mend) from error


def _unreadable(digest: Digest, error: OSError) -> Unreadable:
    why, mend = error.strerror or str(error), durable.mend_of(error)
    return Unreadable(f"{digest} could not be read", why=why, mend=mend)


def _no_file(digest: Digest) -> DigestMismatch:
    mend = "remove it and pin again, or put a copy of the blob back"
    return DigestMismatch(f"{digest} is not a regular file", why="something else lies in its place", mend=mend)
