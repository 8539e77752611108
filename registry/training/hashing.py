"""The tree of files where they lie: hashed in pieces, kept nowhere."""

from collections.abc import Iterable

from registry.core.digest import hashed
from registry.core.tree import Entry, Tree, tree_of
from registry.ports import OpenFile


def tree_at(files: Iterable[OpenFile]) -> Tree:
    """The tree of `files`, each read once."""
    return tree_of(_entry(file) for file in files)


def _entry(file: OpenFile) -> Entry:
    with file.open() as reader:
        size, digest = hashed(reader)
    return Entry(path=file.path, size=size, digest=digest)
