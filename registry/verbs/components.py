"""Components: what each part of the models takes in the store, and what sharing saves."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.ledger.views import State
from registry.core.pin import Pin, Role
from registry.core.reach import of_pin
from registry.core.store import Stock
from registry.verbs.walk import Walk


@dataclass(frozen=True, slots=True)
class Component:
    """All versions of one artefact, in bytes.

    `size` is what its `versions` that are here would take if each lay there on its own, `stored` what they take.
    Of that, `shared` belongs to other versions or artefacts too, and `reclaimable` is kept by nothing.
    """

    role: Role
    name: str
    versions: int
    size: int
    stored: int
    shared: int
    reclaimable: int


def components_of(
    state: State, walk: Walk, *, stock: Stock, spare: Collection[Digest]
) -> tuple[tuple[Component, ...], int, Collection[Digest]]:
    """Every registered artefact of which something is here, the largest first; the bytes that sharing saves; the blobs.

    Args:
        state: What the ledger says.
        walk: How lists of files are read; one that is gone is passed over.
        stock: What the store holds.
        spare: The blobs that can be reclaimed now.
    """
    versions = {(pin.role, pin.name, pin.digest): pin for pin in state.pins}
    blobs = {key: _blobs(pin, walk, stock) for key, pin in versions.items()}
    owners = Counter(digest for found in blobs.values() for digest in found)
    rows = []
    for role, name in dict.fromkeys((role, name) for role, name, _ in versions):
        of = [found for (its_role, its_name, _), found in blobs.items() if (its_role, its_name) == (role, name)]
        rows.append(_row(role, name, [found for found in of if found], owners=owners, spare=spare))
    stored = {digest: size for found in blobs.values() for digest, size in found.items()}
    alone = sum(sum(found.values()) for found in blobs.values())
    listed = sorted((row for row in rows if row.versions), key=lambda row: (-row.stored, row.role, row.name))
    return tuple(listed), alone - sum(stored.values()), stored.keys()


def _row(
    role: Role, name: str, versions: list[dict[Digest, int]], *, owners: Counter[Digest], spare: Collection[Digest]
) -> Component:
    own = {digest: size for found in versions for digest, size in found.items()}
    return Component(
        role=role,
        name=name,
        versions=len(versions),
        size=sum(sum(found.values()) for found in versions),
        stored=sum(own.values()),
        shared=sum(size for digest, size in own.items() if owners[digest] > 1),
        reclaimable=sum(size for digest, size in own.items() if digest in spare),
    )


def _blobs(pin: Pin, walk: Walk, stock: Stock) -> dict[Digest, int]:
    """The blobs of one version that are in the store, with their sizes: its list of files, and the files."""
    found = (needed.digest for needed in walk.through(of_pin(pin)))
    return {digest: stock.blobs[digest].size for digest in found if digest in stock.blobs}
