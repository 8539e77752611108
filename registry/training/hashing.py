"""The tree of files where they lie: hashed in pieces, kept nowhere."""

import hashlib
from collections.abc import Iterable

from registry.core.digest import parse_digest
from registry.core.tree import Entry, Tree, tree_of
from registry.ports import OpenFile

BLOCK_BYTES = 1 << 20


def tree_at(files: Iterable[OpenFile]) -> Tree:
    """The tree of `files`, each read once."""
    return tree_of(_entry(file) for file in files)


def _entry(file: OpenFile) -> Entry:
    hashed, size = hashlib.sha256(), 0
    with file.open() as reader:
        while block := reader.read(BLOCK_BYTES):
            hashed.update(block)
            size += len(block)
    return Entry(path=file.path, size=size, digest=parse_digest(f"sha256:{hashed.hexdigest()}"))
