"""One release on its way into a host's directory: built beside the others, or mended where it stands."""

import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from registry.adapters import durable
from registry.adapters.hosts.filling import Open, each, fill, make_parents
from registry.adapters.hosts.ground import RELEASES, STAGING
from registry.adapters.hosts.modes import DIRECTORY, is_sealed, seal, unlock
from registry.adapters.hosts.record import Book
from registry.core.bundle.layout import LOCK, Lock
from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, hex_of
from registry.core.tree import Entry, Tree


@dataclass(slots=True)
class Delivery:
    """The work of making `tree` a release of the host at `book.root`, and the count of what it took."""

    book: Book
    tree: Tree
    open: Open
    copied: list[Entry] = field(default_factory=list)
    reused: list[Entry] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    name: str = field(init=False)
    home: Path = field(init=False)
    _linked: set[bytes] = field(default_factory=set)
    _elsewhere: dict[Digest, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the release's directory: `name` is relative to the host's, `home` is not."""
        self.name = f"{RELEASES}/{hex_of(self.tree.digest)}"
        self.home = self.book.root / self.name

    def run(self) -> None:
        """Make the release whole and durable, whatever there was of it before."""
        is_here = self.home.is_dir() and not self.home.is_symlink()
        new = self._mend() if is_here else self._build()
        self.book.refresh(self._linked)
        self._linked.clear()  # why: what is noted next takes as much memory as what was noted before did
        for entry in new:
            self.book.add(f"{self.name}/{entry.path}", entry)

    def _build(self) -> Sequence[Entry]:
        """Make the whole release in staging, then give it its name; the files that are new in it."""
        staged = self._stage(self.tree.entries)
        staged.chmod(DIRECTORY)
        durable.settle(staged)
        durable.discard(self.home)
        durable.move(staged, self.home)
        return self.tree.entries

    def _mend(self) -> Sequence[Entry]:
        """Put right what is not as it should be in a release that is here already, each file in one step.

        The release may be the one that is being served, so it keeps its directory and all its good files.

        Returns:
            The files that were put back.
        """
        # why first: in a directory that may not be read, nothing that is wrong would show.
        self.mended += unlock(self.home)
        # why next: a link in place of a directory would make files elsewhere look like ours.
        strange = sorted(self._strange())
        for path in strange:
            durable.discard(self.home / path)
        damaged = self._damaged()
        gone = {entry.path for entry in damaged}
        self.reused = [entry for entry in self.tree.entries if entry.path not in gone]
        self.mended = sorted({*self.mended, *strange, *gone})
        if self.mended:
            staged = self._stage(damaged)
            for entry in damaged:
                self._put_back(staged, entry)
        # why in any case: who built or mended it may have been killed before its names were durable.
        durable.settle(self.home)
        with durable.explained(self.home):
            durable.confirm(self.home)
        return damaged

    def _put_back(self, staged: Path, entry: Entry) -> None:
        target = self.home / entry.path
        make_parents(self.home, entry.path)
        if target.is_dir() and not target.is_symlink():
            durable.discard(target)
        durable.move(staged / entry.path, target)

    def _stage(self, entries: Sequence[Entry]) -> Path:
        """Bring `entries` together in a new directory in staging: linked where the host has them, else copied."""
        staged = self.book.root / STAGING / secrets.token_hex(8)
        durable.make_directory(staged, mode=0o700)
        self._elsewhere = self._look_elsewhere(entries)
        missing: list[Entry] = []
        for entry in entries:
            (self.reused if self._link(entry, staged) else missing).append(entry)
        fill(staged, missing, self.open)
        self.copied += missing
        return staged

    def _link(self, entry: Entry, staged: Path) -> bool:
        """Give a good file of an earlier release another name. Releases share it; nobody may write to either."""
        for path in self._candidates(entry):
            if not (self.book.holds(path, entry) and seal(self.book.root / path)):
                continue
            make_parents(staged, entry.path)
            self._linked |= self.book.noted(path)
            # why: some file systems have no hard links, or no more for this file; then it is copied.
            with suppress(OSError):
                os.link(self.book.root / path, staged / entry.path, follow_symlinks=False)
                return True
        return False

    def _candidates(self, entry: Entry) -> Iterator[str]:
        """Where the host may have a file with these bytes; most have the same name in the release before."""
        yield from self.book.namesakes(entry)
        yield from self._elsewhere.get(entry.digest, ())

    def _look_elsewhere(self, entries: Sequence[Entry]) -> dict[Digest, list[str]]:
        """Where the host may have those that are not known by their names: by its record, else by its locks."""
        wanted = {entry.digest for entry in entries if not self.book.namesakes(entry)}
        found = self.book.by_digest(wanted)
        return _by_locks(self.book, wanted - found.keys()) | found

    def _damaged(self) -> list[Entry]:
        """The entries that the release has not, or not with their bytes; where only the mode is wrong it is mended."""
        found: list[Entry] = []

        def look(entry: Entry) -> None:
            path = self.home / entry.path
            was_sealed = is_sealed(path)
            if not (self.book.holds(f"{self.name}/{entry.path}", entry) and seal(path)):
                found.append(entry)
            elif not was_sealed:
                self.mended.append(entry.path)

        each(look, [entry for entry in self.tree.entries if not self._is_known(entry)])
        return sorted(found, key=lambda entry: entry.path)

    def _is_known(self, entry: Entry) -> bool:
        path = f"{self.name}/{entry.path}"
        return is_sealed(self.book.root / path) and self.book.knows(path, entry)

    def _strange(self) -> Iterator[str]:
        """What lies in the release and is none of its files; links are never followed."""
        expected = {entry.path for entry in self.tree.entries}
        for place, directories, files in os.walk(self.home, onerror=durable.refuse):
            links = [name for name in directories if Path(place, name).is_symlink()]
            for name in (*files, *links):
                path = Path(place, name).relative_to(self.home).as_posix()
                if path not in expected:
                    yield path


def _by_locks(book: Book, wanted: Collection[Digest]) -> dict[Digest, list[str]]:
    """Where wanted files should be, by the locks of the releases of which the record says nothing.

    Anybody may have changed a lock, so these are hints only.
    """
    hints: dict[Digest, list[str]] = {}
    for path in sorted(book.root.glob(f"{RELEASES}/*/{LOCK}")) if wanted else ():
        release = path.parent.parent.relative_to(book.root).as_posix()
        if release in book.known:
            continue
        with suppress(OSError, NotCanonical):
            for entry in Lock.parse(durable.read_plain(path)).files:
                if entry.digest in wanted:
                    hints.setdefault(entry.digest, []).append(f"{release}/{entry.path}")
    return hints
