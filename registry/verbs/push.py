"""push: bring what is here to another place: blobs, and then the ledger's entries."""

from collections.abc import Sequence
from dataclasses import replace

from registry.core.digest import Digest
from registry.errors import ConflictError
from registry.ports import Meter
from registry.verbs.carry import Carried, Side, carry, check_same, extend, wanted_of
from registry.verbs.checkpoint import hand_on
from registry.verbs.reading import read


class Ahead(ConflictError):
    """The other copy has entries that are not here."""


def push(refs: Sequence[str], *, here: Side, there: Side, genesis: Digest, meter: Meter) -> Carried:
    """Make `there` a copy of `here`: all blobs that the ledger needs, or those of the models `refs`, and the ledger.

    Only what is missing, or not whole, is sent. The ledger there is only ever gone on with.

    Raises:
        LedgerLost, Breach, FastForwarded: The ledger here cannot be read or believed.
        UnknownReference, AmbiguousReference: A name is none, or more than one.
        Ahead: There are entries there that are not here.
        Diverged: The ledgers differ in an entry that both have.
        Missing, DigestMismatch: A blob here is not what it must be.
        Moved: Somebody else wrote to the ledger there meanwhile.
    """
    state = read(here.ledger, genesis)
    ours, theirs = here.ledger.read(0, len(state.entries)), there.ledger.read()
    check_same(ours, theirs)
    if len(theirs) > len(ours):
        why = f"it has {len(theirs)} entries, here are {len(ours)}"
        raise Ahead("the other ledger has gone on", why=why, mend="run `registry fetch` first")
    done = carry(wanted_of(state, refs), source=here.store, target=there.store, records=(here.store,), meter=meter)
    added = extend(there.ledger, ours, len(theirs))
    hand_on(here.ledger, there.ledger, state)
    return replace(done, entries=added, length=len(ours))
