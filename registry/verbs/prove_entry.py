"""Prove an entry: hand on one decision so that a stranger can check it, offline, with nothing but the genesis."""

import re

from registry.core.digest import Digest
from registry.core.ledger.entry import PolicyEntry
from registry.core.ledger.head import check_head, sizes_of, verified_lines
from registry.core.ledger.merkle import leaf_hash
from registry.core.ledger.proof import Proof, make_proof
from registry.core.ledger.views import State, state_after
from registry.errors import Refused, UsageError
from registry.ports import LedgerFile
from registry.verbs.reading import entries_of, new_chain

_INDEX = re.compile(r"(?:entry:|#)?([0-9]{1,20})")
_SIGN = "have somebody who holds a head key run `registry ledger checkpoint`"


class NotSignedYet(Refused):
    """No checkpoint covers the entry, so there is nothing that a stranger could believe."""


class NoEntry(UsageError):
    """A reference leads to no entry."""


def prove_entry(ref: str, *, ledger: LedgerFile, genesis: Digest) -> Proof:
    """Verify the whole ledger, and prove one entry of it.

    Args:
        ref: `N`, `#N`, `entry:N`, the digest of an entry, a stage (the entry behind what it serves now) or `STAGE@N`.
        ledger: Where the entries are.
        genesis: The pinned digest of entry 0.

    Raises:
        NoEntry: There is none like that.
        NotSignedYet: The checkpoint is of fewer entries, or there is none.
        UnknownReference: There is no such stage.
        LedgerLost, Breach, BadNote, NotSigned, Forked, FastForwarded: Ledger or checkpoint do not hold.
    """
    note = ledger.checkpoint()
    if note is None:
        raise NotSignedYet("the ledger has no checkpoint", why="nobody signed how far it goes", mend=_SIGN)
    chain, leaves, policies = new_chain(ledger, genesis, wanted=sizes_of(note)), [], set()
    for data in entries_of(ledger):
        link = chain.extend(data)
        leaves.append(leaf_hash(data))
        policies |= {link.entry.index} if isinstance(link.entry, PolicyEntry) else set()
    index = _find(ref, state_after(chain.past))
    size = check_head(note, chain).checkpoint.size
    if index >= size:
        raise NotSignedYet(f"entry {index} is not signed for yet", why=f"the checkpoint is of {size}", mend=_SIGN)
    places = {index, *(place for place in policies if place < size)}
    # why they may be read again: the leaves are of what was verified, and other bytes would not be under them.
    needed = {place: ledger.read(place, place + 1)[0] for place in places}
    return make_proof(index, leaves[:size], needed, checkpoint=verified_lines(note, chain))


def _find(ref: str, state: State) -> int:
    """The index of the entry that `ref` means."""
    if found := _INDEX.fullmatch(ref):
        index = int(found[1])
    elif ref.startswith("sha256:"):
        index = next((link.entry.index for link in state.entries if link.digest == ref), state.next_index)
    else:
        stage, _, number = ref.partition("@")
        served = [one.index for one in state.generations(stage) if not number or str(one.number) == number]
        index = served[-1] if served else state.next_index
    if index >= state.next_index:
        why = f"the ledger has the entries 0 to {state.head.index}"
        raise NoEntry(f"{ref} leads to no entry", why=why, mend="see `registry log`")
    return index
