"""Read evidence from a store piece by piece, hashed on the way: a million rows are never in memory at once."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from registry.core.digest import Digest, DigestMismatch, hex_of
from registry.core.gate.rows.rows import BadRows, Route, Rows, read_rows
from registry.core.heldout.evidence import Evidence
from registry.core.heldout.suite import Suite
from registry.ports import Store

_PIECE_BYTES = 1 << 20


def rows_of(label: Evidence, suite: Suite, *, store: Store, route: Route | None = None) -> Rows:
    """The rows and timings that `label` names, in columns.

    Args:
        label: Names both files by digest.
        suite: As for `read_rows`.
        store: Where they are.
        route: As for `read_rows`.

    Raises:
        DigestMismatch: A file has other bytes than its name promises; that is told before what these bytes say.
        BadRows: As `read_rows`.
    """
    rows, timings = Pieces(store, label.rows), Pieces(store, label.timings)
    try:
        found = read_rows(rows, timings, suite, route=route)
    except BadRows:
        for piece in (Pieces(store, label.rows), Pieces(store, label.timings)):
            piece.read_through()
        raise
    rows.confirm()
    timings.confirm()
    return found


@dataclass(slots=True)
class Pieces:
    """A blob in pieces; `confirm` says, after the last one, whether they were the promised ones."""

    store: Store
    digest: Digest
    hash: Any = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[bytes]:
        """Each piece, once."""
        with self.store.open(self.digest) as reader:
            while piece := reader.read(_PIECE_BYTES):
                self.hash.update(piece)
                yield piece

    def confirm(self) -> None:
        """Raises DigestMismatch if other bytes were read than the name promises."""
        if self.hash.hexdigest() != hex_of(self.digest):
            why = f"they hash to sha256:{self.hash.hexdigest()}"
            raise DigestMismatch(f"{self.digest} holds other bytes", why=why, mend="run `registry verify`")

    def read_through(self) -> None:
        """Read all of it, and confirm."""
        for _ in self:
            pass
        self.confirm()
