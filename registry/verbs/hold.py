"""Hold a stage, so that nothing is promoted to it; resume it again."""

from registry.core.digest import Digest
from registry.core.ledger.entry import Hold, Resume
from registry.core.ledger.views import State
from registry.errors import UsageError
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.append import Decided, append, stamp


class NotHeld(UsageError):
    """A stage that is open cannot be resumed."""


def hold(
    stage: str, *, reason: str, ledger: LedgerFile, genesis: Digest, signer: Signer, clock: Clock, actor: str
) -> Decided:
    """Let nothing be promoted to `stage` from here on. A rollback still is possible. Done again, it changes nothing.

    Raises:
        UnknownReference: There is no such stage.
        UsageError: The reason is empty or not one line.
        NotYours: The signer may not promote to the stage.
        LedgerLost, Breach, TooBusy: As `append`.
    """

    def decide(state: State) -> Hold | None:
        state.generations(stage)
        if state.held(stage):
            return None
        return Hold(**stamp(state, clock=clock, actor=actor, reason=reason, stage=stage))

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    return Decided(done.state.holds[stage], was_there=done.link is None)


def resume(
    stage: str, *, reason: str, ledger: LedgerFile, genesis: Digest, signer: Signer, clock: Clock, actor: str
) -> Decided:
    """Open `stage` for promotions again.

    Raises:
        NotHeld: It is open.
        UnknownReference, UsageError, NotYours, LedgerLost, Breach, TooBusy: As `hold`.
    """

    def decide(state: State) -> Resume:
        state.generations(stage)
        if not state.held(stage):
            raise NotHeld(f"{stage} is not on hold", why="it is open for promotions", mend="see `registry status`")
        return Resume(**stamp(state, clock=clock, actor=actor, reason=reason, stage=stage))

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    return Decided(done.state.entries[-1].entry, was_there=False)
