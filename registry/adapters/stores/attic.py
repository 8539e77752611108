"""What lies behind a directory store: lock, leases, trash, quarantine, and the list of what was deleted.

    lock                          held by writers together, by a collector alone
    leases/.unfinished-…          the digests that a living process has put or read; locked while it lives
    trash/20261126T101500Z/<hex>  set aside by the collector at that time; still read where a blob is missed
    quarantine/<hex>.<time>       damaged, moved out of its place, never deleted
    collected.json                what was deleted for good, on purpose

Nothing here is followed through a link: what is no plain file in a plain directory is nobody's to move.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from registry.adapters import durable
from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, Sha256, hex_of
from registry.core.record import Record
from registry.core.store import Lying, Stock, digest_at, missing, place_of
from registry.errors import UsageError

WAIT_S = 10.0
"""How long a collector waits for writers, in seconds."""

_MOMENT = "%Y%m%dT%H%M%SZ"
_HEX = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(rb"sha256:[0-9a-f]{64}")


class NotOurs(UsageError):
    """A directory of the store is somebody else's."""


class CollectedList(Record):
    """The digests of blobs that the collector deleted for good."""

    form: Literal["registry.collected/1"] = "registry.collected/1"
    digests: tuple[Sha256, ...] = ()


@dataclass(frozen=True, slots=True)
class Attic:
    """What lies behind the store at `root`."""

    root: Path

    @contextmanager
    def alone(self) -> Iterator[Stock]:
        """Keep writers and other collectors out, and say what is here.

        The leases are read first, the ledger by the caller afterwards: a writer names its blobs in the ledger before it
        lets go of its lease, so one of the two has them.

        Raises:
            Busy: Writers or another collector were at work all the time.
            CannotLock: The file system has no locks.
        """
        durable.make_directory(self.root)
        with durable.held_alone(self.root / "lock", wait_s=WAIT_S):
            leased = frozenset(self._leased())
            yield Stock(dict(self._blobs()), dict(self._trash()), leased, self.collected())

    def set_aside(self, digests: Sequence[Digest], at: datetime) -> None:
        """Move blobs into the trash; only while alone."""
        if not digests:
            return
        grave = self._own("trash") / at.astimezone(UTC).strftime(_MOMENT)
        durable.make_directory(grave)
        durable.move_all((self.root / place_of(digest), grave / hex_of(digest)) for digest in digests)

    def bring_back(self, digests: Sequence[Digest]) -> None:
        """Move blobs from the trash to their places; only while alone.

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
            listed = CollectedList(digests=tuple(sorted({*self.collected(), *known})))
            durable.replace(self.root / "collected.json", listed.canonical())
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
        target = self._own("quarantine") / f"{hex_of(digest)}.{at.astimezone(UTC).strftime(_MOMENT)}"
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
        try:
            return frozenset(CollectedList.parse(durable.read_plain(self.root / "collected.json")).digests)
        except (OSError, NotCanonical):
            return frozenset()

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
                    yield digest, Lying(found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _trash(self) -> Iterator[tuple[Digest, Lying]]:
        """The trash, oldest first: of a blob that was set aside twice, the later time counts."""
        for grave in self._graves():
            since = datetime.strptime(grave.name, _MOMENT).replace(tzinfo=UTC)
            for entry in plain_files(grave):
                if _HEX.fullmatch(entry.name):
                    yield Digest(f"sha256:{entry.name}"), Lying(entry.stat(follow_symlinks=False).st_size, since)

    def _graves(self) -> list[Path]:
        """The directories of the trash, oldest first."""
        trash = self.root / "trash"
        if trash.is_symlink() or not trash.is_dir():
            return []
        return [path for path in sorted(trash.iterdir()) if _is_moment(path.name) and not path.is_symlink()]


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


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _is_moment(name: str) -> bool:
    try:
        return datetime.strptime(name, _MOMENT).replace(tzinfo=UTC).strftime(_MOMENT) == name
    except ValueError:
        return False
