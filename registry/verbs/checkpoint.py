"""Sign how far the ledger goes: after every entry by whoever holds a head key, and by a timer where age matters."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from registry.core.digest import Digest
from registry.core.ledger.chain import Chain, Forked
from registry.core.ledger.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, origin_of, sign_checkpoint
from registry.core.ledger.merkle import Frontier, root_of
from registry.core.ledger.note import BadNote, NotSigned
from registry.core.ledger.views import State
from registry.errors import Refused
from registry.ports import Clock, HeadSigner, LedgerFile, Signer
from registry.verbs.reading import Reading, read_to_decide


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
    reading, _ = read_to_decide(ledger, genesis)
    if (head := _head(reading.chain, signer)) is None:
        mend = "have a root key name it as a head key in the policy, or sign with another key (REGISTRY_KEY)"
        raise NoHeadKey(f"the key {signer.key_id[:12]} may not sign checkpoints", mend=mend)
    return _publish(reading, head, ledger=ledger, time=int(clock.now().timestamp()))


def publish(reading: Reading, *, ledger: LedgerFile, signer: Signer, time: int) -> None:
    """Sign how far the verified ledger goes, if `signer` may; `time` is in seconds since 1970.

    Raises:
        Forked: What is stored is not what was verified, or not what a head key signed before. Nothing is signed.
    """
    if (head := _head(reading.chain, signer)) is not None:
        _publish(reading, head, ledger=ledger, time=time)


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


def _head(chain: Chain, signer: Signer) -> HeadSigner | None:
    policy = chain.now.policy
    head = signer.head
    return head if head is not None and policy.head is not None and head.public in policy.head.publics else None


def _publish(reading: Reading, head: HeadSigner, *, ledger: LedgerFile, time: int) -> Signed:
    # why read again: a root over what was only in memory could be signed over what nobody can ever show. A public log
    # was lost to one such bit (DigiCert's Yeti 2022). What was recalled is hashed again as far as it is read each time.
    chain, anchor = reading.chain, reading.older
    stored = ledger.read(anchor.size, chain.count)
    if anchor.extend(stored) != chain.tree:
        raise Forked("the entries changed while they were read", why="what is stored is not what was verified")
    note, told = ledger.checkpoint(), Checkpoint(origin_of(chain.genesis), chain.count, chain.tree.root)
    if not _is_ahead(note, reading, ledger):
        signed = sign_checkpoint(told, head.public, head.sign, time=time, before=note)
        ledger.put_checkpoint(signed)
        reading.checked = sha256(signed).hexdigest()
    return Signed(told.size, told.root.hex(), time, told.text)


def _is_ahead(note: bytes | None, reading: Reading, ledger: LedgerFile) -> bool:
    """Whether a faster writer signed more already; one who signed other entries than these stops us.

    Raises:
        Forked: A head key signed other entries.
    """
    chain = reading.chain
    head = chain.now.policy.head
    signed = _opened(note, chain.genesis, head.publics if head else ())
    if note is None or signed is None or sha256(note).hexdigest() == reading.checked:
        return False
    if (told := signed.checkpoint).size > chain.count:
        return True
    if _root(reading, told.size, ledger) != told.root:
        raise Forked("a head key signed other entries than these", why=f"over the first {told.size}")
    return False


def _root(reading: Reading, size: int, ledger: LedgerFile) -> bytes:
    """The root over the first `size` entries, from where the tree is known."""
    tree = reading.older if size >= reading.older.size else Frontier()
    return tree.extend(ledger.read(tree.size, size)).root
