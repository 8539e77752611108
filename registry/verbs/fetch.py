"""fetch: bring what another place has here: blobs, and then the ledger's entries."""

from collections.abc import Sequence
from dataclasses import replace

from registry.core.digest import Digest
from registry.core.ledger.views import read_state
from registry.errors import UsageError
from registry.ports import Meter
from registry.verbs.carry import Carried, Side, carry, check_same, extend, wanted_of
from registry.verbs.checkpoint import hand_on


class NothingThere(UsageError):
    """The other place has no ledger."""


def fetch(refs: Sequence[str], *, here: Side, there: Side, genesis: Digest, meter: Meter) -> Carried:
    """Bring everything from `there` that the ledger needs, or the models `refs`; then the entries that are new.

    Nothing there is believed: entries are verified from the pinned genesis on, blobs by their digests.

    Raises:
        NothingThere: There is no ledger.
        Breach: The ledger there breaks the rules, or is another one.
        Diverged: The ledgers differ in an entry that both have.
        UnknownReference, AmbiguousReference: A name is none, or more than one.
        Missing, DigestMismatch: A blob there is not what it must be; nothing of it was kept.
        Moved: Somebody else wrote to the ledger here meanwhile.
    """
    ours, theirs = here.ledger.read(), there.ledger.read()
    if not theirs:
        mend = "check the place, or push there first"
        raise NothingThere("there is no registry to fetch from", why="its ledger has no entries", mend=mend)
    read_state(theirs, genesis)
    check_same(ours, theirs)
    state = read_state(max(ours, theirs, key=len), genesis)
    wanted, records = wanted_of(state, refs), (here.store, there.store)
    done = carry(wanted, source=there.store, target=here.store, records=records, meter=meter)
    added = extend(here.ledger, theirs, len(ours))
    hand_on(there.ledger, here.ledger, state)
    return replace(done, entries=added, length=max(len(ours), len(theirs)))
