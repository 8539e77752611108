"""The tree over the ledger's entries: one root for all of them, and short proofs that need none of the others.

The leaves are the exact stored bytes, so a root says which bytes, in which order, and how many. An inclusion proof
shows that an entry is under a root; a consistency proof shows that a larger tree begins with a smaller one. Every check
raises or returns nothing: there is no answer that could be ignored.

Source: RFC 6962, Certificate Transparency, section 2.1; the checks are those of RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from registry.errors import IntegrityError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of no entries."""


class BadProof(IntegrityError):
    """A proof does not show what it should."""


class NotIncluded(BadProof):
    """An entry is not where the proof says, under the root that was given."""


class NotConsistent(BadProof):
    """The larger tree does not begin with the smaller one, or the proof does not show that it does."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry's exact bytes as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two neighbours. Its prefix is another than a leaf's, so no entry can pass for a node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(entries: Iterable[bytes]) -> bytes:
    """The root over entries, from the first on; 32 bytes."""
    return Frontier().extend(entries).root


@dataclass(frozen=True, slots=True)
class Frontier:
    """What must be kept of a tree so that it can grow: its size, and the roots of its whole subtrees, largest first.

    A tree of `size` entries has as many whole subtrees as `size` has binary ones, so 100,000 entries need at most 17.
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The root of the tree as it is."""
        if not self.roots:
            return EMPTY_ROOT
        root = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            root = node_hash(left, root)
        return root

    def extend(self, entries: Iterable[bytes]) -> "Frontier":
        """The tree with `entries` after its last one."""
        size, roots = self.size, list(self.roots)
        for entry in entries:
            node, rest = leaf_hash(entry), size
            while rest & 1:
                node, rest = node_hash(roots.pop(), node), rest >> 1
            roots.append(node)
            size += 1
        return Frontier(size, tuple(roots))


def prove_inclusion(entries: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes that lead from entry `index` to the root over `entries`, from the leaf's neighbour upwards.

    Raises:
        BadProof: There is no such entry.
    """
    return prove_leaf([leaf_hash(entry) for entry in entries], index)


def prove_leaf(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Prove an inclusion as `prove_inclusion` does, where only the entries' leaf hashes are at hand.

    Raises:
        BadProof: There is no such entry.
    """
    if not 0 <= index < len(leaves):
        raise BadProof(f"entry {index} is not in a tree of {len(leaves)}")
    return _path(leaves, index)


def check_inclusion(entry: bytes, index: int, proof: Sequence[bytes], *, size: int, root: bytes) -> None:
    """Check that `entry` has the place `index` in the tree of `size` entries with this `root`.

    Args:
        entry: Its exact bytes.
        index: Its place, from 0.
        proof: From `prove_inclusion`: hashes from the leaf's neighbour upwards.
        size: How many entries the tree has, at least 1.
        root: 32 bytes.

    Raises:
        NotIncluded: It has not, or `proof` does not show it.
    """
    check_leaf(leaf_hash(entry), index, proof, size=size, root=root)


def check_leaf(leaf: bytes, index: int, proof: Sequence[bytes], *, size: int, root: bytes) -> None:
    """Check an inclusion as `check_inclusion` does, where only the entry's `leaf_hash` is at hand.

    Raises:
        NotIncluded: The leaf has another place, or `proof` does not show its place.
    """
    _check_hashes((*proof, leaf, root), NotIncluded)
    if not 0 <= index < size:
        raise NotIncluded(f"entry {index} is not in a tree of {size}")
    node, place, last = leaf, index, size - 1
    for neighbour in proof:
        if last == 0:
            raise NotIncluded(f"the proof of entry {index} is too long")
        if place & 1 or place == last:
            node = node_hash(neighbour, node)
            place, last = _climb(place, last)
        else:
            node = node_hash(node, neighbour)
        place, last = place >> 1, last >> 1
    if last != 0 or node != root:
        why = "it has other bytes, another place, or belongs to another ledger"
        raise NotIncluded(f"entry {index} is not in the tree that the checkpoint signs", why=why)


def prove_consistency(entries: Sequence[bytes], size: int) -> tuple[bytes, ...]:
    """The hashes that show that the tree over `entries` begins with the tree over its first `size` entries.

    Raises:
        BadProof: `size` is 0, of which nothing can be proved, or more than there are.
    """
    if not 0 < size <= len(entries):
        raise BadProof(f"a tree of {len(entries)} entries cannot be compared with its first {size}")
    return _difference([leaf_hash(entry) for entry in entries], size, is_known=True)


def check_consistency(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> None:
    """Check that the tree `new` begins with the tree `old`; each is its size and its root.

    Args:
        old: The smaller tree, of at least one entry: with none, there is nothing that a proof could show.
        new: The larger one, or the same.
        proof: From `prove_consistency`; none where the sizes are equal.

    Raises:
        NotConsistent: It does not, or `proof` does not show it.
    """
    (old_size, old_root), (new_size, new_root) = old, new
    _check_hashes((*proof, old_root, new_root), NotConsistent)
    if not 0 < old_size <= new_size:
        raise NotConsistent(f"a tree of {new_size} entries cannot begin with one of {old_size}")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise NotConsistent(f"two trees of {old_size} entries have other roots", why="one of them was rewritten")
        return
    # why: a whole old tree is a node of the new one, so its root is where the proof starts, and is left out of it.
    hashes = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if _climbed(hashes, old_size - 1, new_size - 1) != (old_root, new_root):
        why = "an entry that was signed before is another one now, or is gone"
        raise NotConsistent(f"the tree of {new_size} entries does not begin with that of {old_size}", why=why)


def _climbed(hashes: Sequence[bytes], place: int, last: int) -> tuple[bytes, bytes] | None:
    """The old and the new root that a consistency proof leads to; None if it has too few or too many hashes."""
    if not hashes:
        return None
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = hashes[0]
    for neighbour in hashes[1:]:
        if last == 0:
            return None
        if place & 1 or place == last:
            old, new = node_hash(neighbour, old), node_hash(neighbour, new)
            place, last = _climb(place, last)
        else:
            new = node_hash(new, neighbour)
        place, last = place >> 1, last >> 1
    return (old, new) if last == 0 else None


def _climb(place: int, last: int) -> tuple[int, int]:
    """Go up while the node is a left one without a right neighbour: it stands for its parent as it is."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _check_hashes(hashes: Iterable[bytes], kind: type[BadProof]) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise kind("a proof has something that is no hash", why=f"each has {HASH_BYTES} bytes")


def _root(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, at least one."""
    if len(hashes) == 1:
        return hashes[0]
    half = _half(len(hashes))
    return node_hash(_root(hashes[:half]), _root(hashes[half:]))


def _path(hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    if len(hashes) == 1:
        return ()
    half = _half(len(hashes))
    if index < half:
        return (*_path(hashes[:half], index), _root(hashes[half:]))
    return (*_path(hashes[half:], index - half), _root(hashes[:half]))


def _difference(hashes: Sequence[bytes], size: int, *, is_known: bool) -> tuple[bytes, ...]:
    """SUBPROOF of RFC 6962; a subtree whose root the reader has already (`is_known`) is left out."""
    if size == len(hashes):
        return () if is_known else (_root(hashes),)
    half = _half(len(hashes))
    if size <= half:
        return (*_difference(hashes[:half], size, is_known=is_known), _root(hashes[half:]))
    return (*_difference(hashes[half:], size - half, is_known=False), _root(hashes[:half]))


def _half(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1
