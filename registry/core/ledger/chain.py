"""The chain: every entry is where it says, follows the one before, was signed by who may, and did what it says.

All of it is checked from the exact stored bytes, from the genesis on, each entry under the policy in force there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registry.core.digest import Digest, digest_of, short
from registry.core.ledger.breach import BrokenLink, Forged, NotAllowed, UnreadableEntry, WrongGenesis, WrongIndex
from registry.core.ledger.change import Change, signed_by
from registry.core.ledger.checks import check
from registry.core.ledger.entry import MAX_BYTES, Entry, Link, PolicyEntry, claimed_entry_of, entry_of
from registry.core.ledger.envelope import (
    BadEnvelope,
    BadSignature,
    MisnamedKey,
    Verified,
    claims_of,
    open_unverified,
    verify,
)
from registry.core.ledger.links import Links
from registry.core.ledger.merkle import Frontier
from registry.core.ledger.past import Past
from registry.core.ledger.policy import Policy
from registry.errors import IntegrityError


class Replayed(IntegrityError):
    """The ledger is shorter than it once was: an old copy, or its end was cut off."""


class Forked(IntegrityError):
    """An entry that was seen before is another one now.

    `rival` is a checkpoint, verbatim, by which a head key says so: evidence.
    """

    rival: str | None = None


class LedgerLost(IntegrityError):
    """There are no entries. Who has pinned a genesis has seen it written, so an empty ledger is a loss."""

    def __init__(self, which: str = "") -> None:
        """Say which ledger was pinned, where that is known."""
        what = f"the pinned ledger {which} is not there" if which else "the pinned ledger is not there"
        mend = "run `registry fetch` from where it is; or, to start anew, take the genesis out of registry.toml"
        super().__init__(what, why="this place is empty", mend=mend)


@dataclass(frozen=True, slots=True)
class Head:
    """How far a ledger was seen: the index of the last entry, and its digest."""

    index: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Point:
    """A ledger as it was at one size: the root of its tree, 32 bytes, and the policy after its last entry."""

    size: int
    root: bytes
    policy: Policy


@dataclass(slots=True)
class Chain:
    """A ledger being verified, entry by entry. `past` is what the verified entries say, `tree` the tree over them.

    `genesis` is the pinned digest of entry 0, which names the ledger. Of each size in `wanted` the tree and the policy
    are kept in `points`, once it is reached: so that a checkpoint of that size can be judged. Of the first `vouched`
    entries the signatures are not checked, but for those of policies: for who has a head key's word for their root.
    """

    genesis: Digest
    past: Past = field(default_factory=Past)
    tree: Frontier = field(default_factory=Frontier)
    wanted: frozenset[int] = frozenset()
    points: dict[int, Point] = field(default_factory=dict)
    vouched: int = 0

    @property
    def count(self) -> int:
        """Entries that were verified: the index of the next one."""
        return self.tree.size

    @property
    def now(self) -> Point:
        """The ledger as it is after the last entry.

        Raises:
            LedgerLost: There are none.
        """
        if self.past.policy is None:
            raise LedgerLost(short(self.genesis))
        return Point(self.count, self.tree.root, self.past.policy)

    def extend(self, data: bytes) -> Link:
        """Verify the next entry from its exact stored bytes. After a breach the chain is of no more use.

        Raises:
            Breach: The entry breaks the ledger; the class says how.
        """
        policy = self.past.policy or genesis_policy(data, self.genesis)
        link = _vouched(data, self.count, policy) if 0 < self.count < self.vouched else None
        link = link or open_entry(data, self.count, policy)
        _check_place(self.past, link.entry)
        check(link, self.past)
        self.past.take(link)
        self.tree = self.tree.extend((data,))
        if self.count in self.wanted:
            self.points[self.count] = self.now
        return link


def open_entry(data: bytes, index: int, policy: Policy) -> Link:
    """Open an entry, and check that who signed it may do what it does. Whether it follows is another question.

    Args:
        data: Its exact stored bytes.
        index: Where it stands.
        policy: The one in force there.

    Raises:
        Breach: It is no entry, or was not signed by who may.
    """
    verified = _verify(index, data, policy.pems)
    entry = _parse(index, verified.payload)
    key_ids = _signers(data, entry, verified, index=index, policy=policy)
    if entry.index != index:
        raise WrongIndex(index, f"it says that it is entry {entry.index}")
    if not policy.may(entry.role, key_ids):
        raise NotAllowed(index, f"who signed it may not {entry.action}", why=f"{entry.role} did not sign")
    return Link(entry, digest_of(data), key_ids)


def _vouched(data: bytes, index: int, policy: Policy) -> Link | None:
    """Open an entry whose signatures somebody else has checked; None for a policy, which nobody else can vouch for."""
    try:
        payload, key_ids = claims_of(data)
        entry = claimed_entry_of(payload)
    except IntegrityError as error:
        raise UnreadableEntry(index, "it cannot be read", why=str(error)) from None
    if isinstance(entry, PolicyEntry):
        return None
    if entry.index != index:
        raise WrongIndex(index, f"it says that it is entry {entry.index}")
    if not policy.may(entry.role, key_ids):
        raise NotAllowed(index, f"who signed it may not {entry.action}", why=f"{entry.role} did not sign")
    return Link(entry, digest_of(data), key_ids)


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


REPLAYED = "pull from a copy that goes on; if entries were lost there, `registry ledger recover` puts them back"
"""What to do about a ledger that ends too early."""


def check_extends(links: Sequence[Link], seen: Head) -> None:
    """Check that a verified ledger goes on from where it was seen before.

    Raises:
        Replayed: It ends before `seen`.
        Forked: It has another entry there.
    """
    if seen.index >= len(links):
        why = f"entry {seen.index} is not in it"
        raise Replayed("the ledger is older than what was seen before", why=why, mend=REPLAYED)
    found = links.digest(seen.index) if isinstance(links, Links) else links[seen.index].digest
    if found != seen.digest:
        why = f"it was {short(seen.digest)} and is {short(found)}"
        mend = "keep both, and compare with another copy of the ledger: somebody shows two histories"
        raise Forked(f"ledger entry {seen.index} is not the one that was seen before", why=why, mend=mend)


def genesis_policy(data: bytes, genesis: Digest) -> Policy:
    """The policy in entry 0, believed because its digest is pinned; its signature is checked like every other.

    Raises:
        WrongGenesis: The bytes have another digest, or are no policy.
        UnreadableEntry: They are no entry.
    """
    if (found := digest_of(data)) != genesis:
        raise WrongGenesis(0, "this is not the ledger that was pinned", why=f"its digest is {found}, not {genesis}")
    try:
        entry = _parse(0, open_unverified(data).content)
    except BadEnvelope as error:
        raise UnreadableEntry(0, "it cannot be read", why=str(error)) from None
    if not isinstance(entry, PolicyEntry):
        raise WrongGenesis(0, "a ledger starts with a policy", why=f"this is a {entry.action} entry")
    return entry.policy


def _check_place(past: Past, entry: Entry) -> None:
    last = past.links.digest(-1) if past.links else None
    if entry.previous != last:
        raise BrokenLink(entry.index, "it does not follow the entry before it", why=f"it follows {entry.previous}")


def _verify(index: int, data: bytes, pems: Mapping[str, str]) -> Verified:
    if len(data) > MAX_BYTES:
        raise UnreadableEntry(index, "it is too long", why=f"{len(data)} bytes; at most {MAX_BYTES} are allowed")
    try:
        return verify(data, pems, threshold=1)
    except BadEnvelope as error:
        raise UnreadableEntry(index, "it cannot be read", why=str(error)) from None
    except (BadSignature, MisnamedKey) as error:
        raise Forged(index, error.what, why=error.why) from None


def _parse(index: int, payload: bytes) -> Entry:
    try:
        return entry_of(payload)
    except IntegrityError as error:
        raise UnreadableEntry(index, "it is signed, but is no entry", why=str(error)) from None


def _signers(data: bytes, entry: Entry, verified: Verified, *, index: int, policy: Policy) -> frozenset[str]:
    """All keys that signed. A new policy is signed under the old one and under itself (the rule of TUF's root)."""
    key_ids, strangers = verified.key_ids, verified.strangers
    if isinstance(entry, PolicyEntry):
        own = _verify(index, data, {**entry.policy.pems, **policy.pems})
        key_ids, strangers = own.key_ids | _endorsers(entry, index, policy), own.strangers
        if not entry.policy.may(entry.role, key_ids):
            raise NotAllowed(index, "the new policy is not signed by its own root role")
    if strangers:
        raise Forged(index, "it bears a signature by no known key", why=", ".join(name[:12] for name in strangers))
    return key_ids


def _endorsers(entry: PolicyEntry, index: int, before: Policy) -> frozenset[str]:
    """The keys that signed this change of the policy before it was written down."""
    if entry.endorsements is None or entry.genesis is None:
        return frozenset()
    change = Change(genesis=entry.genesis, replaces=before.digest, policy=entry.policy)
    try:
        return signed_by(change, entry.endorsements, before=before)
    except IntegrityError as error:
        raise Forged(index, f"an endorsement does not hold: {error.what}", why=error.why) from None
