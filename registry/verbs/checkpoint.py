"""Sign how far the ledger goes: after every entry by whoever holds a head key, and by a timer where age matters."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.ledger.chain import Chain, Forked
from registry.core.ledger.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, origin_of, sign_checkpoint
from registry.core.ledger.head import check_head, sizes_of
from registry.core.ledger.merkle import Frontier, root_of
from registry.core.ledger.note import BadNote, NotSigned
from registry.core.ledger.views import State, state_after
from registry.errors import Refused
from registry.ports import Clock, HeadSigner, LedgerFile, Signer


class NoHeadKey(Refused):
    """The policy does not let this key sign checkpoints."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What was signed: how many entries, their root (64 hex digits), when (seconds since 1970), and the signed text."""

    size: int
    root: str
    time: int
    text: str


def checkpoint(*, ledger: LedgerFile, genesis: Digest, signer: Signer, clock: Clock) -> Signed:
    """Verify the whole ledger and sign how far it goes now. Done again, it says a later time.

    Raises:
        NoHeadKey: The policy names another head key, or none.
        Forked: A head key signed other entries than these before. Nothing is signed.
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    chain = read_chain(ledger, genesis)
    if (head := _head(chain, signer)) is None:
        mend = "have a root key name it as a head key in the policy, or sign with another key (REGISTRY_KEY)"
        raise NoHeadKey(f"the key {signer.key_id[:12]} may not sign checkpoints", mend=mend)
    return _publish(chain, head, ledger=ledger, time=int(clock.now().timestamp()))


def publish(chain: Chain, *, ledger: LedgerFile, signer: Signer, time: int) -> None:
    """Sign how far the verified `chain` goes, if `signer` may; `time` is in seconds since 1970.

    Raises:
        Forked: What is stored is not what was verified, or not what a head key signed before. Nothing is signed.
    """
    if (head := _head(chain, signer)) is not None:
        _publish(chain, head, ledger=ledger, time=time)


def hand_on(source: LedgerFile, target: LedgerFile, state: State) -> None:
    """Put the checkpoint of one copy of a ledger beside another, if it holds there and says more than the one there.

    Args:
        source: Whose checkpoint it is.
        target: The other copy, with all its entries.
        state: What the target's entries say, verified.
    """
    keys = state.policy.head.publics if state.policy.head else ()
    note, other = source.checkpoint(), target.checkpoint()
    found, known = (_opened(one, state.genesis, keys) for one in (note, other))
    if note is None or found is None or (known and _says(known) >= _says(found)):
        return
    if root_of(target.read(0, found.checkpoint.size)) == found.checkpoint.root:
        target.put_checkpoint(note)


def _says(signed: SignedCheckpoint) -> tuple[int, int]:
    return signed.checkpoint.size, signed.time or 0


def _opened(note: bytes | None, genesis: Digest, keys: Iterable[bytes]) -> SignedCheckpoint | None:
    """What one of `keys` signed; None where there is nothing, or junk."""
    with suppress(BadNote, NotSigned):
        return open_checkpoint(note, genesis=genesis, keys=keys) if note is not None else None
    return None


def read_signed(ledger: LedgerFile, genesis: Digest) -> State:
    """What the ledger says now, with its checkpoint, if a head key signed that.

    Raises:
        Forked, FastForwarded, LedgerLost, Breach: As `read_chain`.
    """
    chain, signed = _read(ledger, genesis)
    return state_after(chain.past, chain.tree, signed)


def read_chain(ledger: LedgerFile, genesis: Digest) -> Chain:
    """Verify a whole ledger, and that it is one with its checkpoint, if a head key signed that.

    Raises:
        Forked: A head key signed other entries than these.
        FastForwarded: A head key signed more entries than there are.
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    return _read(ledger, genesis)[0]


def _read(ledger: LedgerFile, genesis: Digest) -> tuple[Chain, SignedCheckpoint | None]:
    note = ledger.checkpoint()  # why first: what it says was written before it, so it is there when we read on
    chain = Chain(genesis, wanted=sizes_of(note))
    for data in ledger.read():
        chain.extend(data)
    _ = chain.now
    # why: anybody who may write there can put junk in its place; it says nothing, and the next writer mends it.
    with suppress(BadNote, NotSigned):
        return chain, check_head(note, chain) if note is not None else None
    return chain, None


def _head(chain: Chain, signer: Signer) -> HeadSigner | None:
    policy = chain.now.policy
    head = signer.head
    return head if head is not None and policy.head is not None and head.public in policy.head.publics else None


def _publish(chain: Chain, head: HeadSigner, *, ledger: LedgerFile, time: int) -> Signed:
    # why read again: a root over what was only in memory could be signed over what nobody can ever show. A public log
    # was lost to one such bit (DigiCert's Yeti 2022).
    stored = ledger.read(0, chain.count)
    if Frontier().extend(stored) != chain.tree:
        raise Forked("the entries changed while they were read", why="what is stored is not what was verified")
    note, told = ledger.checkpoint(), Checkpoint(origin_of(chain.genesis), chain.count, chain.tree.root)
    if not _is_ahead(note, chain, stored):
        ledger.put_checkpoint(sign_checkpoint(told, head.public, head.sign, time=time, before=note))
    return Signed(told.size, told.root.hex(), time, told.text)


def _is_ahead(note: bytes | None, chain: Chain, stored: Sequence[bytes]) -> bool:
    """Whether a faster writer signed more already; one who signed other entries than these stops us.

    Raises:
        Forked: A head key signed other entries.
    """
    head = chain.now.policy.head
    signed = _opened(note, chain.genesis, head.publics if head else ())
    if signed is None or (told := signed.checkpoint).size > chain.count:
        return signed is not None
    if root_of(stored[: told.size]) != told.root:
        raise Forked("a head key signed other entries than these", why=f"over the first {told.size}")
    return False
