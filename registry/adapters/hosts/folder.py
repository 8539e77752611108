"""A plain folder that takes one release: what `registry bundle` makes, to be copied, imaged or uploaded."""

import glob
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from registry.adapters import durable
from registry.adapters.hosts.filling import Open, fill
from registry.adapters.hosts.lease import held_alone
from registry.adapters.hosts.modes import DIRECTORY
from registry.adapters.hosts.record import Book
from registry.core.tree import Tree
from registry.errors import ConflictError
from registry.ports import Delivered


class FolderTaken(ConflictError):
    """The folder holds something else."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder `path`, missing or empty; its parent is made if it is missing."""

    path: Path

    def deliver(self, tree: Tree, open: Open) -> Delivered:
        """Make `tree` the folder's whole content, in one step; a folder that is exactly that already is left alone.

        Raises:
            FolderTaken: It holds something else.
            DigestMismatch: A stream did not hold what its entry says; the folder is as it was.
            DiskFull: There is not enough room; the folder is as it was.
            WriteFailed: The system would not do it.
        """
        if self.path.is_dir() and any(self.path.iterdir()):
            self._check_same(tree)
            with durable.explained(self.path):
                durable.settle(self.path)  # why: who laid it out may have been killed before its names were durable.
                durable.confirm(self.path)
            return Delivered(tree.digest, tree.digest, 0, 0, len(tree.entries), tree.size)
        durable.make_directory(self.path.parent)
        self._clean()
        staged = self.path.parent / f".{self.path.name}.{secrets.token_hex(8)}"
        durable.make_directory(staged, mode=0o700)
        with held_alone(staged):
            try:
                fill(staged, tree.entries, open)
                staged.chmod(DIRECTORY)
                durable.settle(staged)
                durable.move(staged, self.path)
            except BaseException:
                with suppress(durable.WriteFailed):
                    durable.discard(staged)
                raise
        return Delivered(tree.digest, None, len(tree.entries), tree.size, 0, 0)

    def _clean(self) -> None:
        """Remove what dead makers of this folder left beside it; one that lives holds its own."""
        for path in self.path.parent.glob(f".{glob.escape(self.path.name)}.{'[0-9a-f]' * 16}"):
            with held_alone(path) as is_litter:
                if is_litter:
                    durable.discard(path)

    def _check_same(self, tree: Tree) -> None:
        found = {
            Path(place, name).relative_to(self.path).as_posix()
            for place, _, names in os.walk(self.path, onerror=durable.refuse)
            for name in names
        }
        book = Book(self.path)
        if found != {entry.path for entry in tree.entries} or not all(
            book.holds(entry.path, entry) for entry in tree.entries
        ):
            why, mend = "a bundle is never changed in place", "name a new folder, or remove this one first"
            raise FolderTaken(f"{self.path} holds something else than this bundle", why=why, mend=mend)
