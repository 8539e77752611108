"""The chain: every entry is where it says, follows the one before, was signed by who may, and did what it says.

All of it is checked from the exact stored bytes, from the genesis on, each entry under the policy in force there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from registry.core.digest import Digest, digest_of, short
from registry.core.ledger.entry import (
    MAX_BYTES,
    Entry,
    PolicyEntry,
    Promote,
    Refuse,
    Register,
    Rollback,
    entry_of,
)
from registry.core.ledger.envelope import BadEnvelope, BadSignature, MisnamedKey, Verified, open_unverified, verify
from registry.core.ledger.policy import Policy
from registry.errors import IntegrityError


class Breach(IntegrityError):
    """Entry `index` breaks the ledger."""

    def __init__(self, index: int, what: str, *, why: str = "") -> None:
        """Name the entry, so that a reader knows how far the ledger can be believed: up to the one before."""
        mend = "compare with another copy of the ledger; do not write to this one"
        super().__init__(f"ledger entry {index}: {what}", why=why, mend=mend)
        self.index = index


class UnreadableEntry(Breach):
    """The bytes are not an entry in its one spelling."""


class WrongGenesis(Breach):
    """Entry 0 is not the pinned one, or is no policy: this is another ledger."""


class WrongIndex(Breach):
    """An entry says that it stands elsewhere: one was moved, removed or put in."""


class BrokenLink(Breach):
    """An entry follows other bytes than those before it."""


class BrokenStageLink(Breach):
    """An entry follows another entry of its stage than the last one."""


class Forged(Breach):
    """The signatures do not hold, or are not those of known keys."""


class NotAllowed(Breach):
    """The keys that signed may not do this."""


class UnknownManifest(Breach):
    """A stage was to serve a manifest that nobody registered."""


class SkippedStage(Breach):
    """A stage was to serve a manifest that the stage before it never served."""


class WrongGeneration(Breach):
    """A generation number is not the next one."""


class WrongReplaced(Breach):
    """An entry replaces something else than what the stage serves, or nothing at all."""


class LateBootstrap(Breach):
    """A bootstrap of a stage that has served something already."""


class WrongTarget(Breach):
    """A rollback to a generation that did not serve this manifest."""


class Replayed(IntegrityError):
    """The ledger is shorter than it once was: an old copy, or its end was cut off."""


class Forked(IntegrityError):
    """An entry that was seen before is another one now."""


class LedgerLost(IntegrityError):
    """There are no entries. Who has pinned a genesis has seen it written, so an empty ledger is a loss."""

    def __init__(self, which: str = "") -> None:
        """Say which ledger was pinned, where that is known."""
        what = f"the pinned ledger {which} is not there" if which else "the pinned ledger is not there"
        mend = "put a copy of its entries back; or, to start anew, take the genesis out of registry.toml"
        super().__init__(what, why="this place is empty", mend=mend)


@dataclass(frozen=True, slots=True)
class Link:
    """A verified entry: what it decides, the digest of its stored bytes, and the keys that signed it."""

    entry: Entry
    digest: Digest
    key_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Head:
    """How far a ledger was seen: the index of the last entry, and its digest."""

    index: int
    digest: Digest


@dataclass(slots=True)
class Chain:
    """A ledger being verified, entry by entry: what is needed of the past to judge the next entry, and no more.

    `genesis` is the pinned digest of entry 0, which names the ledger. `served` has each stage's manifests by
    generation, the first at position 0; `heads` the last entry of each stage.
    """

    genesis: Digest
    policy: Policy | None = None
    count: int = 0
    last: Digest | None = None
    heads: dict[str, Digest] = field(default_factory=dict)
    served: dict[str, list[Digest]] = field(default_factory=dict)
    registered: set[Digest] = field(default_factory=set)

    def extend(self, data: bytes) -> Link:
        """Verify the next entry from its exact stored bytes. After a breach the chain is of no more use.

        Raises:
            Breach: The entry breaks the ledger; the class says how.
        """
        index = self.count
        policy = self.policy or _genesis_policy(data, self.genesis)
        verified = _verify(index, data, policy)
        entry = _parse(index, verified.payload)
        key_ids = _signers(data, verified, index=index, entry=entry)
        _check_place(self, entry)
        if not policy.may(entry.role, key_ids):
            raise NotAllowed(index, f"who signed it may not {entry.action}", why=f"{entry.role} did not sign")
        digest = digest_of(data)
        _apply(self, entry, digest)
        self.policy = entry.policy if isinstance(entry, PolicyEntry) else policy
        self.last, self.count = digest, index + 1
        return Link(entry, digest, key_ids)


def check_chain(entries: Iterable[bytes], genesis: Digest) -> Iterator[Link]:
    """Verify a whole ledger from its exact stored bytes.

    Args:
        entries: All entries, from 0.
        genesis: The pinned digest of entry 0.

    Yields:
        Each entry, once it is verified. What came before a breach is good; what comes after it is unknown.

    Raises:
        LedgerLost: There are no entries.
        Breach: The first entry that breaks the ledger; its class says how.
    """
    chain = Chain(genesis)
    for data in entries:
        yield chain.extend(data)
    if chain.count == 0:
        raise LedgerLost(short(genesis))


def check_extends(links: Iterable[Link], seen: Head) -> None:
    """Check that a verified ledger goes on from where it was seen before.

    Raises:
        Replayed: It ends before `seen`.
        Forked: It has another entry there.
    """
    for index, link in enumerate(links):
        if index == seen.index:
            if link.digest != seen.digest:
                why = f"it was {short(seen.digest)} and is {short(link.digest)}"
                raise Forked(f"ledger entry {index} is not the one that was seen before", why=why)
            return
    raise Replayed("the ledger is older than what was seen before", why=f"entry {seen.index} is not in it")


def _genesis_policy(data: bytes, genesis: Digest) -> Policy:
    """The policy in entry 0, believed because its digest is pinned; its signature is checked like every other."""
    if (found := digest_of(data)) != genesis:
        raise WrongGenesis(0, "this is not the ledger that was pinned", why=f"its digest is {found}, not {genesis}")
    try:
        entry = _parse(0, open_unverified(data).content)
    except BadEnvelope as error:
        raise UnreadableEntry(0, "it cannot be read", why=str(error)) from None
    if not isinstance(entry, PolicyEntry):
        raise WrongGenesis(0, "a ledger starts with a policy", why=f"this is a {entry.action} entry")
    return entry.policy


def _check_place(chain: Chain, entry: Entry) -> None:
    if entry.index != chain.count:
        raise WrongIndex(chain.count, f"it says that it is entry {entry.index}")
    if entry.previous != chain.last:
        raise BrokenLink(chain.count, "it does not follow the entry before it", why=f"it follows {entry.previous}")


def _verify(index: int, data: bytes, policy: Policy) -> Verified:
    if len(data) > MAX_BYTES:
        raise UnreadableEntry(index, "it is too long", why=f"{len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        return verify(data, policy.pems, threshold=1)
    except BadEnvelope as error:
        raise UnreadableEntry(index, "it cannot be read", why=str(error)) from None
    except (BadSignature, MisnamedKey) as error:
        raise Forged(index, error.what, why=error.why) from None


def _parse(index: int, payload: bytes) -> Entry:
    try:
        return entry_of(payload)
    except IntegrityError as error:
        raise UnreadableEntry(index, "it is signed, but is no entry", why=str(error)) from None


def _signers(data: bytes, verified: Verified, *, index: int, entry: Entry) -> frozenset[str]:
    """All keys that signed. A new policy is signed under the old one and under itself (the rule of TUF's root)."""
    key_ids, strangers = verified.key_ids, verified.strangers
    if isinstance(entry, PolicyEntry):
        own = _verify(index, data, entry.policy)
        if not entry.policy.may(entry.role, own.key_ids):
            raise NotAllowed(index, "the new policy is not signed by its own root role")
        key_ids, strangers = key_ids | own.key_ids, strangers & own.strangers
    if strangers:
        raise Forged(index, "it bears a signature by no known key", why=", ".join(name[:12] for name in strangers))
    return key_ids


def _apply(chain: Chain, entry: Entry, digest: Digest) -> None:
    """Check what the entry does, and do it."""
    if isinstance(entry, Register) and entry.manifest is not None:
        chain.registered.add(entry.manifest)
    if isinstance(entry, Promote | Refuse | Rollback):
        _check_stage(chain, entry)
        chain.heads[entry.stage] = digest
    if isinstance(entry, Promote | Rollback):
        chain.served.setdefault(entry.stage, []).append(entry.manifest)


def _check_stage(chain: Chain, entry: Promote | Refuse | Rollback) -> None:
    served = chain.served.get(entry.stage, [])
    if entry.stage_previous != chain.heads.get(entry.stage):
        raise BrokenStageLink(entry.index, f"it does not follow the last entry of {entry.stage}")
    if entry.manifest not in chain.registered:
        raise UnknownManifest(entry.index, f"manifest {short(entry.manifest)} was never registered")
    if isinstance(entry, Promote):
        _check_switch(entry, served)
        _check_promotion(chain, entry)
    if isinstance(entry, Rollback):
        _check_switch(entry, served)
        if entry.target > len(served) or served[entry.target - 1] != entry.manifest:
            raise WrongTarget(entry.index, f"generation {entry.target} of {entry.stage} did not serve this manifest")


def _check_switch(entry: Promote | Rollback, served: list[Digest]) -> None:
    if entry.generation != len(served) + 1:
        raise WrongGeneration(entry.index, f"it is generation {entry.generation}, after {len(served)} others")
    if entry.replaces != (served[-1] if served else None):
        raise WrongReplaced(entry.index, f"it replaces {entry.replaces}, which {entry.stage} does not serve")
    if entry.replaces == entry.manifest:
        raise WrongReplaced(entry.index, f"it replaces {short(entry.manifest)} by itself")


def _check_promotion(chain: Chain, entry: Promote) -> None:
    if entry.basis == "bootstrap" and chain.served.get(entry.stage):
        raise LateBootstrap(entry.index, f"{entry.stage} has served something already")
    earlier = chain.policy.after.get(entry.stage) if chain.policy else None
    if earlier is not None and entry.manifest not in chain.served.get(earlier, []):
        raise SkippedStage(entry.index, f"{earlier} never served what {entry.stage} was to serve")
