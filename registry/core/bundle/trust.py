"""What a host remembers of the ledger, so that nobody can show it an old one or another one."""

from typing import Annotated, Literal

from pydantic import Field

from registry.core.digest import Sha256
from registry.core.ledger.chain import Head, check_extends
from registry.core.ledger.views import State
from registry.core.record import Record
from registry.errors import IntegrityError


class AnotherLedger(IntegrityError):
    """The ledger does not start with the entry that this host trusts."""


class SeenLedger(Record):
    """How far a host has seen the ledger: its first entry, and the last one seen with its index.

    A host that has seen nothing trusts the first ledger that it is shown. To pin a host to a ledger before that, write
    this record for it with index 0 and the genesis digest twice.
    """

    form: Literal["registry.seen/1"] = "registry.seen/1"
    genesis: Sha256
    index: Annotated[int, Field(ge=0)]
    entry: Sha256


def follow(seen: SeenLedger | None, state: State) -> SeenLedger:
    """Accept a verified ledger that goes on from what was seen, and say how far it was seen now.

    A rollback that somebody decided is a new entry, so it passes; an old copy of the ledger does not.

    Args:
        seen: What this host remembers; None on its first pull.
        state: What the whole verified ledger says.

    Raises:
        AnotherLedger: It starts with another entry.
        Replayed: It is shorter than what was seen.
        Forked: It has another entry at the place that was remembered.
    """
    if seen is not None:
        if seen.genesis != state.genesis:
            why = f"this host trusts {seen.genesis}, the ledger starts with {state.genesis}"
            mend = "if the ledger was replaced on purpose, remove seen.json of this host and pull again"
            raise AnotherLedger("this is not the ledger that this host follows", why=why, mend=mend)
        check_extends(state.entries, Head(index=seen.index, digest=seen.entry))
    return SeenLedger(genesis=state.genesis, index=state.head.index, entry=state.head.digest)
