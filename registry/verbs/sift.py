"""Sift: look for held-out cases in the training data that a manifest pins."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from registry.core.digest import Digest
from registry.core.gate.judging.leaks import Net, net_of, search
from registry.core.gate.verdict import Leak
from registry.core.heldout.suite import Suite
from registry.core.manifest import Manifest
from registry.core.tree import Tree
from registry.errors import IntegrityError
from registry.ports import Store
from registry.verbs.read_evidence import Pieces

_PACKED: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": partial(zlib.decompressobj, wbits=31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lzma.LZMADecompressor,
}
_CLOSED = (b"PAR1", b"ARROW1", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")
"""How files begin whose text cannot be read as it lies: Parquet, Arrow, Zstandard, zip."""


_PACKED_BYTES = 1 << 16
"""Of a compressed file so much at once: what a thousand times as much may come out of must fit into memory."""


class BadArchive(IntegrityError):
    """A compressed file of a data set cannot be unpacked."""


@dataclass(frozen=True, slots=True)
class Sifted:
    """The cases that were found, in the suite's order, and the data sets that were searched, by name.

    `closed` are files that could not be searched, as `dataset/path`.
    """

    leaks: tuple[Leak, ...]
    datasets: Mapping[str, Digest]
    closed: tuple[str, ...] = ()


def sift(manifest: Manifest, suite: Suite, *, store: Store) -> Sifted:
    """Search every file of every data set that `manifest` pins; in bounded memory, about 30 MB in a CPU second.

    Raises:
        Missing, DigestMismatch: A file of a data set is not in the store, or not what it was.
        BadArchive: A compressed one cannot be unpacked.
    """
    net, found, closed = net_of(suite.cases) if manifest.datasets else Net(), set[Leak](), list[str]()
    for pin in manifest.datasets:
        for entry in Tree.parse(store.get(pin.digest)).entries:
            where = f"{pin.name}/{entry.path}"
            pieces = Pieces(store, entry.digest)
            blocks = iter(pieces)
            first = next(blocks, b"")
            whole = chain([first], blocks)
            if first.startswith(_CLOSED):
                closed.append(where)
                continue
            found.update(search(net, _unpacked(whole, first, where), pin.name))
            pieces.confirm()
    places = {(name, case.id): at for name, cases in suite.cases.items() for at, case in enumerate(cases)}
    # why: who has the whole text has its runs of eight words too; the stronger finding is enough.
    texts = {(leak.slice, leak.case, leak.dataset) for leak in found if leak.how == "text"}
    told = [leak for leak in found if leak.how == "text" or (leak.slice, leak.case, leak.dataset) not in texts]
    told.sort(key=lambda leak: (leak.slice, places[leak.slice, leak.case], leak.dataset))
    return Sifted(tuple(told), {pin.name: pin.digest for pin in manifest.datasets}, tuple(closed))


def _unpacked(pieces: Iterable[bytes], first: bytes, where: str) -> Iterator[bytes]:
    """A file piece by piece, unpacked where it is compressed."""
    make = next((make for magic, make in _PACKED.items() if first.startswith(magic)), None)
    if make is None:
        yield from pieces
        return
    packer = make()
    try:
        for piece in pieces:
            for at in range(0, len(piece), _PACKED_BYTES):
                rest = piece[at : at + _PACKED_BYTES]
                while rest:
                    # why: one file may hold several archives, one after the other.
                    packer = make() if packer.eof else packer
                    yield packer.decompress(rest)
                    rest = packer.unused_data if packer.eof else b""
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadArchive(f"{where} cannot be unpacked", why=str(error)) from None
    if not packer.eof:
        raise BadArchive(f"{where} cannot be unpacked", why="it is cut off")
