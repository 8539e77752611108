"""What lies behind a directory store: lock, leases, trash, quarantine, and the list of what was deleted.

    lock                          held by writers together, by a collector alone
    leases/.unfinished-…          the digests that a living process has put or read; locked while it lives
    trash/20261126T101500Z/<hex>  set aside by the collector at that time; still read where a blob is missed
    quarantine/<hex>.<time>       damaged, moved out of its place, never deleted
    collected.json                what was deleted for good, on purpose; written by one at a time, who locks the
    collected.json.lock           file beside it

Nothing here is followed through a link: what is no plain file in a plain directory is nobody's to move.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from registry.adapters import durable
from registry.core.digest import Digest, hex_of
from registry.core.store import (
    COLLECTED,
    CollectedList,
    Lying,
    Stock,
    Unlisted,
    deletions,
    digest_at,
    grave_of,
    missing,
    place_of,
    stamp,
    stamped,
)
from registry.errors import UsageError

WAIT_S = 10.0
"""How long a collector waits for writers, in seconds."""

_HEX = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(rb"sha256:[0-9a-f]{64}")


class NotOurs(UsageError):
    """A directory of the store is somebody else's."""


@dataclass(frozen=True, slots=True)
class Attic:
    """What lies behind the store at `root`."""

    root: Path

    @contextmanager
    def stocktaking(self) -> Iterator[Callable[[], Stock]]:
        """Keep writers and other collectors out; what it gives says what is here.

        The leases are read first, the ledger by the caller afterwards: a writer names its blobs in the ledger before it
        lets go of its lease, so one of the two has them.

        Raises:
            Busy: Writers or another collector were at work all the time.
            CannotLock: The file system has no locks.
        """
        durable.make_directory(self.root)
        with durable.held_alone(self.root / "lock", wait_s=WAIT_S):
            leased = frozenset(self._leased())
            yield lambda: Stock(dict(self._blobs()), dict(self._trash()), leased, *self.deletions())

    def set_aside(self, digests: Sequence[Digest], at: datetime) -> None:
        """Move blobs into the trash; only while taking stock."""
        if not digests:
            return
        durable.make_directory(self._own("trash") / stamp(at))
        durable.move_all((self.root / place_of(digest), self.root / grave_of(digest, at)) for digest in digests)

    def bring_back(self, digests: Sequence[Digest]) -> None:
        """Move blobs from the trash to their places; only while taking stock.

        Raises:
            Missing: One is not in the trash.
        """
        moves = [(self._newest(digest), self.root / place_of(digest)) for digest in digests]
        for _, target in moves:
            durable.make_directory(target.parent)
        durable.move_all(moves)

    def purge(self, digests: Sequence[Digest], *, known: Sequence[Digest]) -> None:
        """Delete these from the trash for good; those that are `known` to the ledger are written down first."""
        if known:
            self.note_collected(known)
        durable.remove_all(grave / hex_of(digest) for grave in self._graves() for digest in digests)
        for grave in self._graves():
            with suppress(OSError):
                grave.rmdir()  # why suppressed: it is not empty, and that is fine

    def quarantine(self, digest: Digest, at: datetime) -> str:
        """Move what lies in a blob's place, or else in the trash, into the quarantine; where it is now.

        That is told relative to the store.
        """
        source = self.root / place_of(digest)
        if not os.path.lexists(source):
            source = self._newest(digest)
        target = self._own("quarantine") / f"{hex_of(digest)}.{stamp(at)}"
        durable.make_directory(target.parent)
        while os.path.lexists(target):
            target = target.with_name(f"{target.name}+")  # why: an only copy is never replaced by another
        durable.move(source, target)
        return target.relative_to(self.root).as_posix()

    def find_in_trash(self, digest: Digest) -> Path | None:
        """Where a blob lies in the trash, the newest first; None if it does not."""
        found = [grave / hex_of(digest) for grave in self._graves()]
        return next((path for path in reversed(found) if _is_plain(path)), None)

    def trashed(self) -> frozenset[Digest]:
        """Every blob in the trash."""
        return frozenset(digest for digest, _ in self._trash())

    def collected(self) -> frozenset[Digest]:
        """What was deleted on purpose; nothing if the list is lost or damaged: then it counts as missing."""
        return self.deletions()[0]

    def deletions(self) -> tuple[frozenset[Digest], str | None]:
        """What was deleted on purpose, and why that cannot be known, if it cannot."""
        path = self.root / COLLECTED
        try:
            return deletions(durable.read_plain(path), str(path))
        except FileNotFoundError:
            return deletions(None, str(path))
        except OSError as error:
            return frozenset(), f"{path} cannot be read: {error.strerror or error}"

    def note_collected(self, digests: Iterable[Digest]) -> None:
        """Add to what was deleted on purpose.

        Raises:
            Busy: Somebody else held the list all the time.
            Unlisted: The list is damaged.
        """
        try:
            # why a lock of its own: who brings blobs from elsewhere need not wait for all who write blobs.
            with durable.held_alone(self.root / f"{COLLECTED}.lock", wait_s=WAIT_S):
                self._note(digests)
        except durable.CannotLock:
            self._note(digests)  # why: where there are no locks nothing is collected, and the next fetch tells it again

    def _note(self, digests: Iterable[Digest]) -> None:
        before, why = self.deletions()
        if why:
            raise Unlisted(why)
        if fresh := set(digests) - before:
            durable.replace(self.root / COLLECTED, CollectedList(digests=tuple(sorted(before | fresh))).canonical())

    def _own(self, name: str) -> Path:
        """One of the store's own directories, which may be missing.

        Raises:
            NotOurs: It is a link: what it leads to is not ours to fill.
        """
        path = self.root / name
        if path.is_symlink():
            raise NotOurs(f"{path} is a link", why="nothing is moved to where it leads", mend="remove the link")
        return path

    def _newest(self, digest: Digest) -> Path:
        if (path := self.find_in_trash(digest)) is None:
            raise missing(digest)
        return path

    def _leased(self) -> Iterator[Digest]:
        for lease in durable.living(self.root / "leases"):
            with suppress(FileNotFoundError):
                lines = durable.read_plain(lease).split(b"\n")
                yield from (Digest(line.decode()) for line in lines if _LINE.fullmatch(line))

    def _blobs(self) -> Iterator[tuple[Digest, Lying]]:
        for entry in plain_files(self.root / "blobs"):
            digest = digest_at(Path(entry.path).relative_to(self.root).as_posix())
            with suppress(FileNotFoundError):
                if digest:
                    found = entry.stat(follow_symlinks=False)
                    yield digest, Lying(found.st_size, _moment(int(found.st_mtime)))

    def _trash(self) -> Iterator[tuple[Digest, Lying]]:
        """The trash, oldest first: of a blob that was set aside twice, the later time counts."""
        for grave in self._graves():
            since = stamped(grave.name)
            for entry in plain_files(grave):
                if since and _HEX.fullmatch(entry.name):
                    yield Digest(f"sha256:{entry.name}"), Lying(entry.stat(follow_symlinks=False).st_size, since)

    def _graves(self) -> list[Path]:
        """The directories of the trash, oldest first."""
        trash = self.root / "trash"
        if trash.is_symlink() or not trash.is_dir():
            return []
        return [path for path in sorted(trash.iterdir()) if stamped(path.name) and not path.is_symlink()]


def plain_files(directory: Path) -> Iterator[os.DirEntry[str]]:
    """Every regular file below `directory`; links are not followed, and what is missing is empty."""
    try:
        with os.scandir(directory) as entries:
            listed = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            yield from plain_files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield entry


@lru_cache
def _moment(second: int) -> datetime:
    """A time of day (s), as the trash has it: of very many blobs, those that came in one second share it."""
    return datetime.fromtimestamp(second, UTC)


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
