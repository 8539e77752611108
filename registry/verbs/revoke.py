"""Revoke a model: nothing may be made to serve it any more, and no host takes it in."""

from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.ledger.entry import Entry, Revoke
from registry.core.ledger.views import State
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.admit import ModelRevoked, check_sound
from registry.verbs.append import append, stamp


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The revocation, whether it stood before, and the stages that serve the model still: they must be rolled back."""

    entry: Entry
    was_there: bool
    serving: tuple[str, ...]


def revoke(
    model: Digest, *, reason: str, ledger: LedgerFile, genesis: Digest, signer: Signer, clock: Clock, actor: str
) -> Withdrawn:
    """Say that `model` is bad, for ever. What serves it goes on until somebody rolls back or promotes another.

    Raises:
        NotRegistered: Nobody knows it.
        UsageError: The reason is empty or not one line.
        NotYours: The signer is no registrar.
        LedgerLost, Breach, TooBusy: As `append`.
    """

    def decide(state: State) -> Revoke | None:
        try:
            check_sound(state, model)
        except ModelRevoked:
            return None
        return Revoke(**stamp(state, clock=clock, actor=actor, reason=reason), manifest=model)

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    now = {stage: done.state.serving(stage) for stage in done.state.stages}
    serving = tuple(stage for stage, one in now.items() if one and one.manifest == model)
    return Withdrawn(done.state.revoked[model], done.link is None, serving)
