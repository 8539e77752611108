"""The proof: one entry of a ledger, with all that is needed to believe it, and nothing else of the ledger.

It holds the entry's exact bytes, every policy up to the checkpoint, a checkpoint, and for each of these entries the
hashes that lead to its root. A reader who knows the genesis needs no network, no project and no other file.

What a proof cannot show is what came after its checkpoint; and that no policy was left out of it is the word of the
head key, which signs only what it has verified under all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Digest, digest_of
from registry.core.ledger.breach import WrongGenesis
from registry.core.ledger.chain import genesis_policy, open_entry
from registry.core.ledger.checkpoint import SignedCheckpoint, open_checkpoint, parse_checkpoint
from registry.core.ledger.checks import check
from registry.core.ledger.entry import Link, PolicyEntry, entry_of
from registry.core.ledger.envelope import open_unverified
from registry.core.ledger.merkle import BadProof, check_inclusion, prove_leaf
from registry.core.ledger.note import read_note
from registry.core.ledger.past import Past, is_void
from registry.core.ledger.policy import Policy
from registry.core.record import Record
from registry.errors import Refused

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Void(Refused):
    """A proof holds, and what it proves no longer counts."""


class Leaf(Record):
    """An entry and its place: its exact bytes as text, its index, and the hashes from its neighbour up to the root."""

    index: Annotated[int, Field(ge=0)]
    entry: str
    path: tuple[Hash, ...]

    @property
    def data(self) -> bytes:
        """The entry's exact bytes."""
        return self.entry.encode()


class Proof(Record):
    """What is handed on. `policies` are in order, the genesis first; `checkpoint` is a signed note."""

    form: Literal["registry.proof/1"] = "registry.proof/1"
    checkpoint: str
    leaf: Leaf
    policies: Annotated[tuple[Leaf, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Proven:
    """What a proof shows: an entry that counts, in which ledger, and under which checkpoint."""

    link: Link
    genesis: Digest
    signed: SignedCheckpoint


def make_proof(index: int, leaves: Sequence[bytes], entries: Mapping[int, bytes], *, checkpoint: bytes) -> Proof:
    """Prove entry `index`.

    Args:
        index: The entry's place.
        leaves: The leaf hashes of all entries that the checkpoint is of.
        entries: The exact bytes of that entry and of every policy among them, by index.
        checkpoint: A verified one, without lines of strangers.
    """
    made = {
        place: Leaf(index=place, entry=data.decode(), path=tuple(one.hex() for one in prove_leaf(leaves, place)))
        for place, data in entries.items()
    }
    policies = tuple(made[place] for place in sorted(made) if place != index or _is_policy(entries[index]))
    return Proof(checkpoint=checkpoint.decode(), leaf=made[index], policies=policies)


def check_proof(data: bytes, genesis: Digest | None = None) -> Proven:
    """Check a proof, offline.

    Args:
        data: Its exact bytes.
        genesis: The digest of entry 0 of the ledger that the reader trusts. None believes whichever the proof names.

    Raises:
        NotCanonical: The bytes are no proof, or not in its one spelling.
        WrongGenesis: It is of another ledger.
        Breach: The entry or a policy was not signed by who may.
        BadNote, NotSigned: The checkpoint does not hold.
        BadProof: An entry is not under its root, or the checkpoint has a line of a stranger.
        Void: All of it holds, but a key that signed the entry was in other hands, so that it does not count.
    """
    proof = Proof.parse(data)
    found = digest_of(proof.policies[0].data)
    if genesis is not None and found != genesis:
        raise WrongGenesis(0, "the proof is of another ledger", why=f"it starts with {found}, not {genesis}")
    told = parse_checkpoint(read_note(proof.checkpoint.encode()).text)
    for leaf in (*proof.policies, proof.leaf):  # why first: hashing is cheap, and what is not under the root is junk
        path = [bytes.fromhex(one) for one in leaf.path]
        check_inclusion(leaf.data, leaf.index, path, size=told.size, root=told.root)
    policies = _policies(proof, found)
    signed = _signed(proof, found, _before(policies, told.size))
    link = _opened(proof.leaf, policies)
    if is_void(link, _before(policies, link.entry.index), policies[max(policies)].revocations):
        why = "a later policy says that a key which signed it was in other hands then"
        raise Void(f"entry {link.entry.index} was written, and does not count", why=why)
    return Proven(link, found, signed)


def _is_policy(data: bytes) -> bool:
    return isinstance(entry_of(open_unverified(data).content), PolicyEntry)


def _policies(proof: Proof, genesis: Digest) -> dict[int, Policy]:
    """Each policy by its index, verified under the one before it."""
    past, found = Past(), dict[int, Policy]()
    for leaf in proof.policies:
        if leaf.index <= max(found, default=-1) or (not found and leaf.index):
            raise BadProof("the policies of a proof are not in order", why=f"entry {leaf.index} is out of place")
        link = open_entry(leaf.data, leaf.index, past.policy or genesis_policy(leaf.data, genesis))
        if not isinstance(link.entry, PolicyEntry):
            raise BadProof(f"entry {leaf.index} is no policy", why=f"it is a {link.entry.action} entry")
        check(link, past)
        past.links.append(link)
        found[leaf.index] = past.policy = link.entry.policy
    return found


def _signed(proof: Proof, genesis: Digest, policy: Policy) -> SignedCheckpoint:
    keys = policy.head.publics if policy.head else ()
    signed = open_checkpoint(proof.checkpoint.encode(), genesis=genesis, keys=keys)
    if signed.strangers:
        raise BadProof("the checkpoint of a proof has a line by an unknown key", why="a proof holds nothing unverified")
    return signed


def _opened(leaf: Leaf, policies: dict[int, Policy]) -> Link:
    return open_entry(leaf.data, leaf.index, policies[0] if leaf.index == 0 else _before(policies, leaf.index))


def _before(policies: dict[int, Policy], index: int) -> Policy:
    """The policy in force for the entry `index`."""
    earlier = [place for place in policies if place < index]
    return policies[max(earlier, default=0)]
