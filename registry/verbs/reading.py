"""Read the ledger: verify what is new, and recall what was verified before.

A reader remembers a ledger that it has verified, where it has somewhere to keep that. Then it reads the last entries
again, at least 256 of them, to see that they are the same, and verifies what came after. A short ledger is read and
verified from its first entry on, each time.
"""

import gc
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice

from registry.core.digest import Digest
from registry.core.ledger.chain import Chain, Point
from registry.core.ledger.checkpoint import SignedCheckpoint, open_checkpoint
from registry.core.ledger.entry import Link, PolicyEntry
from registry.core.ledger.head import check_head, sizes_of
from registry.core.ledger.links import Links
from registry.core.ledger.merkle import Frontier
from registry.core.ledger.note import BadNote, NotSigned
from registry.core.ledger.past import Past
from registry.core.ledger.recall import About, Basis, recall, recollection_of
from registry.core.ledger.views import State, state_after
from registry.errors import IntegrityError
from registry.ports import LedgerFile, Remembers

AGAIN = 256
"""Fewest entries, of those that are recalled, that are read again each time; at most twice as many."""

NEWS = 64
"""How many entries are verified anew each time, before what they say is remembered."""

LONG = 4096
"""From so many entries on, a reader remembers every one at once; and one that remembers nothing asks the head key."""

_CHUNK = 1024
_ALONE: tuple[Basis, ...] = ("signatures",)
_EITHER: tuple[Basis, ...] = ("signatures", "checkpoint")


@dataclass(slots=True)
class Reading:
    """A ledger that was read: the chain, and what has to be known to remember it.

    `older` and `newer` are the trees at the last two multiples of `AGAIN`. `checked` is the SHA-256 of a checkpoint
    that is one of these entries, `recalled` how many entries the memory holds;
    `policies` counts the policies among what was verified now.
    """

    chain: Chain
    memory: Remembers | None
    basis: Basis = "signatures"
    older: Frontier = field(default_factory=Frontier)
    newer: Frontier = field(default_factory=Frontier)
    policy_index: int = 0
    policies: int = 0
    checked: str | None = None
    recalled: int = 0

    def take(self, data: bytes) -> Link:
        """Verify one more entry."""
        link = self.chain.extend(data)
        if isinstance(link.entry, PolicyEntry):
            self.policy_index = link.entry.index
            self.policies += 1
        self.step(self.chain.tree)
        return link

    def step(self, tree: Frontier) -> None:
        """Note how far the tree has grown."""
        if tree.size % AGAIN == 0:
            self.older, self.newer = self.newer, tree

    def retain(self) -> None:
        """Remember it, where there is a memory and there is enough that is new."""
        news = self.chain.count - self.recalled
        if self.memory is not None and news >= (NEWS if self.chain.count < LONG else 1):
            about = About(self.memory.code, self.basis, self.policy_index, self.checked, self.older)
            self.memory.retain(recollection_of(self.chain, about))
            self.recalled = self.chain.count


def entries_of(ledger: LedgerFile, start: int = 0) -> Iterator[bytes]:
    """The entries from `start` on, a few at a time. From the first on, also whether anything else lies there."""
    while chunk := ledger.read(start, start + _CHUNK):
        yield from chunk
        start += len(chunk)
        if len(chunk) < _CHUNK:
            break
    if start <= LONG:  # why not for a long one: to list a hundred thousand names takes longer than all the rest
        yield from ledger.read(start)


@contextmanager
def _unswept() -> Iterator[None]:
    """Keep Python from looking for cycles meanwhile: entries make none, and looking takes a seventh of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def new_chain(ledger: LedgerFile, genesis: Digest, *, wanted: frozenset[int] = frozenset(), vouched: int = 0) -> Chain:
    """A chain that keeps only the latest entries in memory, and reads others again where somebody asks."""
    return Chain(genesis, Past(links=Links(fetch=ledger.read)), wanted=wanted, vouched=vouched)


def read(ledger: LedgerFile, genesis: Digest) -> State:
    """What the ledger says now, every signature verified, now or earlier.

    Raises:
        FastForwarded: A head key signed more entries than there are.
        LedgerLost: It has no entries.
        Breach: An entry breaks it.
    """
    note = ledger.checkpoint()  # why first: what it says was written before it, so it is there when we read on
    return _told(_recalled(ledger, genesis) or read_anew(ledger, genesis), note)


def read_to_look(ledger: LedgerFile, genesis: Digest) -> State:
    """What the ledger says now, for who looks, and neither decides nor serves anything.

    Who has verified it before recalls that. Who has not, and finds it long, takes a head key's word for the signatures
    up to the checkpoint: the root of the bytes that were read must be the signed one, and policies are verified.

    Raises:
        FastForwarded: A head key signed more entries than there are.
        LedgerLost: It has no entries.
        Breach: An entry breaks it.
    """
    note = ledger.checkpoint()
    reading = _recalled(ledger, genesis, bases=_EITHER) or _vouched(ledger, genesis, note)
    return _told(reading or read_anew(ledger, genesis), note)


def read_signed(ledger: LedgerFile, genesis: Digest) -> State:
    """What the ledger says now, every signature verified, with its checkpoint, if a head key signed that.

    Raises:
        Forked, FastForwarded, LedgerLost, Breach: As `read_to_decide`.
    """
    reading, signed = read_to_decide(ledger, genesis)
    return state_after(reading.chain.past, reading.chain.tree, signed)


def read_to_decide(ledger: LedgerFile, genesis: Digest) -> tuple[Reading, SignedCheckpoint | None]:
    """Verify a ledger, every signature of it, and that it is one with its checkpoint, if a head key signed that.

    Raises:
        Forked: A head key signed other entries than these.
        FastForwarded: A head key signed more entries than there are.
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    note = ledger.checkpoint()  # why first: what it says was written before it, so it is there when we read on
    mark = sha256(note).hexdigest() if note is not None else None
    reading = _recalled(ledger, genesis, wanted=sizes_of(note), mark=mark) or read_anew(ledger, genesis, sizes_of(note))
    signed = _signed(note, reading, is_checked=mark is not None and mark == reading.checked)
    reading.checked = mark if signed is not None else None
    reading.retain()
    return reading, signed


def _told(reading: Reading, note: bytes | None) -> State:
    """What the entries say, if they are no fewer than a head key signed; whether they are others, writers look."""
    if max(sizes_of(note), default=0) > reading.chain.count:
        _signed(note, reading, is_checked=False)
    reading.retain()
    return state_after(reading.chain.past, reading.chain.tree)


def _signed(note: bytes | None, reading: Reading, *, is_checked: bool) -> SignedCheckpoint | None:
    # why: anybody who may write there can put junk in its place; it says nothing, and the next writer mends it.
    with suppress(BadNote, NotSigned):
        if note is None:
            return None
        chain = reading.chain
        head = chain.now.policy.head
        if is_checked and not chain.points:
            return open_checkpoint(note, genesis=chain.genesis, keys=head.publics if head else ())
        return check_head(note, chain)
    return None


def read_anew(ledger: LedgerFile, genesis: Digest, wanted: frozenset[int] = frozenset()) -> Reading:
    """Verify everything, and recall nothing. Of the sizes `wanted`, the chain notes the points.

    Raises:
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    reading = Reading(new_chain(ledger, genesis, wanted=wanted), _memory(ledger))
    with _unswept():
        for data in entries_of(ledger):
            reading.take(data)
    _ = reading.chain.now
    return reading


def _vouched(ledger: LedgerFile, genesis: Digest, note: bytes | None) -> Reading | None:
    """Verify everything but the signatures for which a head key gives its word; None where there is no such word."""
    wanted = sizes_of(note)
    if note is None or max(wanted, default=0) < LONG:
        return None
    reading = Reading(new_chain(ledger, genesis, wanted=wanted, vouched=max(wanted)), _memory(ledger), "checkpoint")
    # why: whatever is wrong is told by who verifies everything, and told better.
    with suppress(IntegrityError):
        with _unswept():
            for data in entries_of(ledger):
                reading.take(data)
        check_head(note, reading.chain)
        return reading
    return None


def _recalled(
    ledger: LedgerFile,
    genesis: Digest,
    *,
    bases: Collection[Basis] = _ALONE,
    wanted: frozenset[int] = frozenset(),
    mark: str | None = None,
) -> Reading | None:
    """Go on from what is remembered; None where nothing is, or it is not what the ledger begins with."""
    memory = _memory(ledger)
    found = memory.recall() if memory is not None else None
    if found is None or found.head.basis not in bases:
        return None
    head = found.head
    count = head.tree.size
    chain = recall(found, ledger.read, lambda: _past_of(ledger, genesis, count))
    if chain is None:
        return None
    reading = Reading(chain, memory, head.basis, found.anchor, found.anchor)
    reading.policy_index, reading.checked, reading.recalled = head.policy_index, head.checked, count
    chain.wanted = wanted if mark is None or mark != head.checked else frozenset()
    entries = entries_of(ledger, found.anchor.size)
    if not _is_same(reading, found.anchor, islice(entries, count - found.anchor.size)):
        return None
    for data in entries:
        reading.take(data)
    return reading


def _is_same(reading: Reading, tree: Frontier, entries: Iterator[bytes]) -> bool:
    """Whether the entries after the anchor are those that are recalled; wanted points among them are noted."""
    chain = reading.chain
    for data in entries:
        tree = tree.extend((data,))
        reading.step(tree)
        if tree.size in chain.wanted and tree.size > reading.policy_index:
            chain.points[tree.size] = Point(tree.size, tree.root, chain.now.policy)
    missed = {size for size in chain.wanted if size <= chain.count} - set(chain.points)
    return tree == chain.tree and not missed


def _past_of(ledger: LedgerFile, genesis: Digest, count: int) -> Past:
    """Find out anew what the first `count` entries say."""
    chain = new_chain(ledger, genesis)
    for data in islice(entries_of(ledger), count):
        chain.extend(data)
    return chain.past


def _memory(ledger: LedgerFile) -> Remembers | None:
    return ledger if isinstance(ledger, Remembers) else None
