"""Audit the ledger: every entry, signature and link, the tree over them, and the checkpoint; nothing is believed."""

from dataclasses import dataclass
from typing import Literal

from registry.core.digest import Digest
from registry.core.ledger.head import check_head, sizes_of
from registry.ports import LedgerFile
from registry.verbs.reading import read_anew


@dataclass(frozen=True, slots=True)
class Audited:
    """A ledger that holds.

    `root` is the root of the tree over all entries, 64 hex digits. `checkpoint` tells whether a head key signed the
    ledger up to its last entry, up to an earlier one, or not at all; `signed` is up to where, `signed_at` when (RFC
    3339, UTC). `void` counts entries that no longer count.
    """

    entries: int
    policies: int
    void: int
    head: Digest
    root: str
    checkpoint: Literal["signed", "lags", "none"]
    signed: int
    signed_at: str | None


def audit(*, ledger: LedgerFile, genesis: Digest) -> Audited:
    """Read the whole ledger and verify all of it, each entry under the policy in force there.

    Raises:
        LedgerLost, Breach: An entry is not what it must be; the class and the index say which and how.
        BadNote, NotSigned, Forked, FastForwarded: There is a checkpoint, and it is not one of these entries.
        ForeignFile, MissingEntry: Something else lies among the entries, or one is missing.
    """
    note = ledger.checkpoint()
    reading = read_anew(ledger, genesis, sizes_of(note))
    chain = reading.chain
    ledger.read(chain.count)  # why: to see whether anything else lies there
    now = chain.now
    signed = check_head(note, chain) if note is not None else None
    size = signed.checkpoint.size if signed else 0
    reading.retain()
    return Audited(
        entries=now.size,
        policies=reading.policies,
        void=len(chain.past.void),
        head=chain.past.links.digest(-1),
        root=now.root.hex(),
        checkpoint="none" if signed is None else "signed" if size == now.size else "lags",
        signed=size,
        signed_at=signed.at if signed else None,
    )
