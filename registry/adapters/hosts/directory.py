"""A host's directory: several releases, and a symlink `current` that always names a whole one.

    DIR/current              -> releases/<64 hex digits of the release's tree digest>
    DIR/.registry-host       says that this is a host's directory; held while a pull is under way
    DIR/releases/…           whole releases; files of mode 0444, equal files of several releases share one inode
    DIR/staging/             a pull under way, mode 0700; what a dead one left is removed by the next
    DIR/seen.json            how far the ledger was seen
    DIR/ledger/              a copy of its entries
    DIR/record.json          what was hashed before, and how it looked then; a cache

Nothing is made or removed in a directory that is not a host's (see `ground`).

A server that must keep its release while others come and go holds a lease: a shared lock on the release's directory,
as `flock --shared DIR/current/ COMMAND` takes it. The lock goes with the process, so no lease outlives its holder.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from registry.adapters import durable
from registry.adapters.hosts.copies import keep_entries
from registry.adapters.hosts.delivery import Delivery
from registry.adapters.hosts.filling import Open
from registry.adapters.hosts.ground import RELEASES, SEEN, STAGING, check_ground, check_places, marked, read_seen
from registry.adapters.hosts.lease import held_alone
from registry.adapters.hosts.record import Book, open_book
from registry.core.bundle.trust import SeenLedger
from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, hex_of, parse_digest
from registry.core.tree import Tree
from registry.errors import IntegrityError
from registry.ports import Delivered

_TARGET = re.compile(RELEASES + r"/([0-9a-f]{64})")
_STAGED = re.compile(r"[0-9a-f]{16}")


class SeenUnreadable(IntegrityError):
    """What the host remembers of the ledger cannot be read, so nothing can be compared with it."""


@dataclass(frozen=True, slots=True)
class HostDirectory:
    """The directory `path`, which is made if it is missing. It keeps the last `keep` releases, at least one."""

    path: Path
    keep: int = 3

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep every other pull out meanwhile.

        Raises:
            NotAHost: The directory is somebody else's; nothing in it is touched.
            HostBusy: A pull is under way.
        """
        check_ground(self.path)
        with marked(self.path):
            yield

    def seen(self) -> SeenLedger | None:
        """How far the ledger was seen, or None before the first pull.

        Raises:
            SeenUnreadable: There is a record, and it cannot be read.
        """
        path = self.path / SEEN
        try:
            return read_seen(path)
        except FileNotFoundError:
            return None
        except (OSError, NotCanonical) as error:
            mend = "compare the ledger with another host's; if it is the right one, remove the file and pull again"
            raise SeenUnreadable(f"{path} cannot be read", why=str(error), mend=mend) from error

    def remember(self, seen: SeenLedger) -> None:
        """Keep `seen`, durably; what is kept already is not written again."""
        if self.seen() != seen:
            durable.replace(self.path / SEEN, seen.canonical(), mode=0o644)
        else:
            with durable.explained(self.path / SEEN):
                durable.confirm(self.path / SEEN)  # why: who wrote it may have been killed before its name was durable

    def copy_ledger(self, entries: Callable[[int], Sequence[bytes]]) -> None:
        """Keep a copy of the ledger's entries; `entries` gives those from an index on."""
        keep_entries(self.path, entries)

    def current(self) -> Digest | None:
        """The release that `current` names, or None if it names none."""
        link = self.path / "current"
        if not link.is_symlink():
            return None
        match = _TARGET.fullmatch(str(link.readlink()))
        return parse_digest(f"sha256:{match[1]}") if match else None

    def deliver(self, tree: Tree, open: Open) -> Delivered:
        """Make `tree` a whole release here and point `current` at it, in one step; only while it is held.

        Files that an earlier release has are shared with it. A release that is here already is compared with `tree`
        and mended. Older releases are removed, except the last `keep`, the current one and those with a lease.

        Raises:
            NotAHost: A place of the host is a link, or `current` is none; nothing is touched.
            DigestMismatch: A stream did not hold what its entry says; `current` is as it was.
            DiskFull: There is not enough room; `current` is as it was.
            WriteFailed: The system would not do it; `current` is as it was, unless the last step's fsync failed.
        """
        self._clean()
        previous = self.current()
        book = open_book(self.path, self.path / "record.json")
        history = book.history
        delivery = Delivery(book, tree, open)
        try:
            delivery.run()
        except BaseException:
            self._clean()
            raise
        if previous != tree.digest:
            self._switch(tree.digest)
        self._remember_release(book, tree.digest)
        if book.is_changed or book.history != history:
            # why: the record is a cache, and the release is already shown; a full disk may not call that a failure.
            with suppress(durable.WriteFailed):
                book.save(self.path / "record.json")
        return Delivered(
            release=tree.digest,
            previous=previous,
            files_copied=len(delivery.copied),
            bytes_copied=sum(entry.size for entry in delivery.copied),
            files_reused=len(delivery.reused),
            bytes_reused=sum(entry.size for entry in delivery.reused),
            mended=tuple(delivery.mended),
        )

    def _clean(self) -> None:
        """Make the places of a host, and remove what a dead pull left; whoever holds the host is alone in them.

        Raises:
            NotAHost: Somebody has put a link where one of them was.
        """
        check_places(self.path)
        durable.make_directory(self.path / RELEASES)
        durable.make_directory(self.path / STAGING, mode=0o700)
        for path in (self.path / STAGING).iterdir():
            if _STAGED.fullmatch(path.name):
                durable.discard(path)

    def _switch(self, release: Digest) -> None:
        link = self.path / STAGING / secrets.token_hex(8)
        with durable.explained(link):
            link.symlink_to(f"{RELEASES}/{hex_of(release)}")
        durable.move(link, self.path / "current")

    def _remember_release(self, book: Book, release: Digest) -> None:
        """Put `release` at the end of the history and remove what is too old."""
        here = {path.name for path in (self.path / RELEASES).iterdir() if _TARGET.fullmatch(f"{RELEASES}/{path.name}")}
        known = [one for one in book.history if one != release and hex_of(one) in here]
        unknown = sorted(here - {hex_of(one) for one in known} - {hex_of(release)})
        spare = [*unknown, *map(hex_of, known)]
        for name in spare[: max(0, len(spare) + 1 - max(self.keep, 1))]:
            self._remove(book, name)
        book.history = [*known, release]

    def _remove(self, book: Book, name: str) -> None:
        """Remove a release, unless a server holds a lease on it; then a later pull will."""
        path, place = self.path / RELEASES / name, f"{RELEASES}/{name}"
        with held_alone(path) as is_free:
            if not is_free:
                return
            shared = book.noted_in(place)
            grave = self.path / STAGING / secrets.token_hex(8)
            durable.move(path, grave)
            durable.discard(grave)
        book.forget(place)
        book.refresh(shared)
