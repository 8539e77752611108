"""The head: whether a checkpoint tells of a ledger what its verified entries tell."""

from contextlib import suppress

from registry.core.ledger.chain import Chain, Forked
from registry.core.ledger.checkpoint import (
    SignedCheckpoint,
    open_checkpoint,
    parse_checkpoint,
    without_strangers,
)
from registry.core.ledger.note import BadNote, NotSigned, read_note
from registry.errors import IntegrityError


class FastForwarded(IntegrityError):
    """A checkpoint is ahead of the ledger or of the clock: entries are kept back, or whoever signed it lies."""


def sizes_of(data: bytes | None) -> frozenset[int]:
    """The size that a checkpoint says, unverified: of which point it must be judged. None of what is no checkpoint."""
    found: set[int] = set()
    with suppress(BadNote):
        found |= {parse_checkpoint(read_note(data).text).size} if data is not None else set()
    return frozenset(found)


def check_head(data: bytes, chain: Chain) -> SignedCheckpoint:
    """Open the checkpoint of a ledger whose entries were verified, and compare it with them.

    Args:
        data: Its exact bytes.
        chain: The verified entries; `sizes_of(data)` was wanted of it.

    Raises:
        BadNote: It is no checkpoint, or another ledger's.
        NotSigned: No head key of the policy in force at its size signed it.
        FastForwarded: It says more entries than there are.
        Forked: It says another root than that of the entries.
    """
    said = parse_checkpoint(read_note(data).text).size
    signed = open_checkpoint(data, genesis=chain.genesis, keys=_keys(chain, said))
    if said > chain.count:
        why = f"a head key signed {said} entries, and {chain.count} are here"
        mend = "ask another copy of the ledger for the entries that are kept back"
        raise FastForwarded("the checkpoint is ahead of the ledger", why=why, mend=mend)
    root = chain.points[said].root
    if signed.checkpoint.root != root:
        why = f"the root over the first {said} entries is {root.hex()}, not {signed.checkpoint.root.hex()}"
        mend = "keep both, and compare with another copy of the ledger: somebody shows two histories"
        error = Forked("the checkpoint is not one of these entries", why=why, mend=mend)
        error.rival = signed.note
        raise error
    return signed


def verified_lines(data: bytes, chain: Chain) -> bytes:
    """A checkpoint that `check_head` has checked, with the lines of the head keys alone."""
    (said,) = sizes_of(data)
    return without_strangers(data, genesis=chain.genesis, keys=_keys(chain, said))


def _keys(chain: Chain, said: int) -> tuple[bytes, ...]:
    """Who may sign a checkpoint that says so many entries: the head keys of the policy that was in force after them."""
    point = chain.now if said > chain.count else chain.points.get(said)
    if point is None or point.policy.head is None:
        why = "the policy in force there names no head key" if point else "it is of no entries"
        raise NotSigned("nobody may have signed this checkpoint", why=why)
    return point.policy.head.publics
