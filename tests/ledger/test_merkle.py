"""The tree: the roots of the standard, every proof at every size, and nothing else believed."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.ledger.merkle import (
    EMPTY_ROOT,
    BadProof,
    Frontier,
    NotConsistent,
    NotIncluded,
    check_consistency,
    check_inclusion,
    check_leaf,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
)

VECTORS = json.loads((Path(__file__).parent / "merkle_vectors.json").read_text())
"""All vectors without subtrees of transparency-dev/merkle at 417fb0c3 (Apache-2.0), each once."""

ENTRIES = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", bytes(range(0x50, 0x58))]
ENTRIES.append(bytes(range(0x60, 0x70)))
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The roots over the first 0 to 8 of `ENTRIES`, as Certificate Transparency's first implementation published them."""

STRICTER = {"consistency/additional/sizes-are-equal-one-and-proof-is-empty"}
"""What we refuse and they do not: there, two roots are equal and no hashes."""

MOST = 130


def entries_of(count: int) -> list[bytes]:
    """Entries that are all different."""
    return [b"entry %d" % number for number in range(count)]


def naive(hashes: list[bytes]) -> bytes:
    """MTH as RFC 6962 writes it down."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return node_hash(naive(hashes[:half]), naive(hashes[half:]))


def test_the_published_roots_come_out() -> None:
    """The root over 0 to 8 well-known entries."""
    assert ROOTS == [root_of(ENTRIES[:count]).hex() for count in range(9)]
    assert EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["desc"]))
def test_the_published_vectors_are_judged_as_published(vector: dict[str, Any]) -> None:
    """Proofs that hold, and proofs that were tampered with in every way that others thought of."""
    proof = [base64.b64decode(one) for one in vector["proof"] or ()]
    check: Callable[[], None]
    if "leafIdx" in vector:
        leaf, root = base64.b64decode(vector["leafHash"]), base64.b64decode(vector["root"] or "")
        index, size = vector["leafIdx"], vector["treeSize"]

        def check() -> None:
            check_leaf(leaf, index, proof, size=size, root=root)
    else:
        old, new = ((vector[f"size{n}"], base64.b64decode(vector[f"root{n}"] or "")) for n in (1, 2))

        def check() -> None:
            check_consistency(old, new, proof)

    if vector["wantErr"] or vector["desc"] in STRICTER:
        with pytest.raises(BadProof):
            check()
    else:
        check()


def test_every_entry_of_every_tree_is_proved_and_nothing_else_is() -> None:
    """Sizes 1 to 130: each proof holds for its entry, and for no other entry, place or size, nor cut or prolonged."""
    entries = entries_of(MOST)
    for size in range(1, MOST + 1):
        root = naive([leaf_hash(entry) for entry in entries[:size]])

        assert root == root_of(entries[:size])
        for index in range(size):
            proof = prove_inclusion(entries[:size], index)
            check_inclusion(entries[index], index, proof, size=size, root=root)
            wrong = [
                (b"other", index, proof, size),
                (entries[index], index + 1, proof, size),
                (entries[index], index, (*proof, root), size),
                (entries[index], index, proof[:-1] if proof else (root,), size),
                (entries[index], index, proof[::-1] if len(proof) > 1 else (root, root), size),
            ]
            for entry, place, path, count in wrong:
                with pytest.raises(NotIncluded):
                    check_inclusion(entry, place, path, size=count, root=root)


def test_every_tree_begins_with_every_smaller_one() -> None:
    """All pairs up to 130: the proof holds, and holds for no other root, nor cut or prolonged."""
    entries = entries_of(MOST)
    roots = [root_of(entries[:size]) for size in range(MOST + 1)]
    for new in range(1, MOST + 1):
        for old in range(1, new + 1):
            proof = prove_consistency(entries[:new], old)
            check_consistency((old, roots[old]), (new, roots[new]), proof)
            wrong = [
                ((old, EMPTY_ROOT), (new, roots[new]), proof),
                ((old, roots[old]), (new, EMPTY_ROOT), proof),
                ((old, roots[old]), (new, roots[new]), (*proof, EMPTY_ROOT)),
                *([((old, roots[old]), (new, roots[new]), proof[:-1])] if proof else []),
            ]
            for first, second, path in wrong:
                with pytest.raises(NotConsistent):
                    check_consistency(first, second, path)


@pytest.mark.parametrize(
    ("old", "new"), [(0, 0), (0, 1), (2, 1), (-1, 3), (5, 0)], ids=["both empty", "old empty", "shrunk", "less", "gone"]
)
def test_of_nothing_nothing_is_proved(old: int, new: int) -> None:
    """An empty or a larger old tree is an error, never a proof that holds by itself."""
    with pytest.raises(NotConsistent):
        check_consistency((old, EMPTY_ROOT), (new, EMPTY_ROOT), ())
    with pytest.raises(BadProof):
        prove_consistency(entries_of(max(new, 0)), old)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3)])
def test_an_entry_outside_of_the_tree_is_an_error(index: int, size: int) -> None:
    """There is no proof of it, and none is believed."""
    with pytest.raises(NotIncluded):
        check_inclusion(b"", index, (), size=size, root=EMPTY_ROOT)
    with pytest.raises(BadProof):
        prove_inclusion(entries_of(size), index)


@pytest.mark.parametrize("hash", [b"", b"x" * 31, b"x" * 33])
def test_what_is_no_hash_is_refused(hash: bytes) -> None:
    """A hash has 32 bytes, wherever it stands."""
    one, two = entries_of(2)
    with pytest.raises(NotIncluded):
        check_inclusion(one, 0, (hash,), size=2, root=root_of((one, two)))
    with pytest.raises(NotIncluded):
        check_leaf(hash, 0, (leaf_hash(two),), size=2, root=root_of((one, two)))
    with pytest.raises(NotConsistent):
        check_consistency((1, hash), (1, hash), ())


def test_a_node_cannot_pass_for_an_entry() -> None:
    """Two leaves' hashes, taken as an entry's bytes, have another leaf hash than the node over them."""
    one, two = entries_of(2)

    assert node_hash(leaf_hash(one), leaf_hash(two)) != leaf_hash(leaf_hash(one) + leaf_hash(two))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=70), st.data())
def test_a_tree_grows_to_the_same_root_in_any_steps(entries: list[bytes], data: st.DataObject) -> None:
    """What is kept of a tree is enough to go on from it."""
    cut = data.draw(st.integers(0, len(entries)))
    first = Frontier().extend(entries[:cut])

    assert naive([leaf_hash(entry) for entry in entries]) == first.extend(entries[cut:]).root
    assert (first.size, len(first.roots)) == (cut, cut.bit_count())


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 60), st.data())
def test_one_flipped_bit_of_a_proof_is_refused(size: int, data: st.DataObject) -> None:
    """Anywhere in the entry, the hashes or the root."""
    entries = entries_of(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = prove_inclusion(entries, index), root_of(entries)
    parts = [entries[index], root, *proof]
    which = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
    spoiled = bytearray(parts[which])
    spoiled[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(spoiled)
    with pytest.raises(NotIncluded):
        check_inclusion(parts[0], index, parts[2:], size=size, root=parts[1])
