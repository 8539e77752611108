"""Sign how far the ledger goes: after every entry by whoever holds a head key, and by a timer where age matters."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.ledger.chain import Chain, Forked
from registry.core.ledger.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from registry.core.ledger.head import check_head, sizes_of
from registry.core.ledger.merkle import Frontier, root_of
from registry.core.ledger.note import BadNote, NotSigned
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


def read_chain(ledger: LedgerFile, genesis: Digest) -> Chain:
    """Verify a whole ledger, and that it is one with its checkpoint, if a head key signed that.

    Raises:
        Forked: A head key signed other entries than these.
        FastForwarded: A head key signed more entries than there are.
        LedgerLost, Breach: The ledger cannot be read or believed.
    """
    note = ledger.checkpoint()  # why first: what it says was written before it, so it is there when we read on
    chain = Chain(genesis, wanted=sizes_of(note))
    for data in ledger.read():
        chain.extend(data)
    _ = chain.now
    if note is not None:
        # why: anybody who may write there can put junk in its place; it says nothing, and the next writer mends it.
        with suppress(BadNote, NotSigned):
            check_head(note, chain)
    return chain


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
    found = None
    with suppress(BadNote, NotSigned):
        keys = chain.now.policy.head.publics if chain.now.policy.head else ()
        found = open_checkpoint(note, genesis=chain.genesis, keys=keys).checkpoint if note is not None else None
    if found is None or found.size > chain.count:
        return found is not None
    if root_of(stored[: found.size]) != found.root:
        raise Forked("a head key signed other entries than these", why=f"over the first {found.size}")
    return False
