"""Approve: say with a key of your own that a stage may serve a model."""

from registry.core.digest import Digest, short
from registry.core.ledger.entry import Approve
from registry.core.ledger.policy import approver
from registry.core.ledger.views import State
from registry.errors import Refused
from registry.ports import Clock, LedgerFile, Signer
from registry.verbs.admit import check_sound
from registry.verbs.append import Decided, append, stamp


class NoApprovalsWanted(Refused):
    """The policy lets a stage be promoted to without approvals."""


def approve(
    model: Digest,
    stage: str,
    *,
    ledger: LedgerFile,
    genesis: Digest,
    signer: Signer,
    clock: Clock,
    actor: str,
    reason: str | None = None,
) -> Decided:
    """Approve that `stage` serves `model`. It is of this manifest: any other has to be approved anew.

    It counts as long as the key is an approver of the stage. Approving twice changes nothing.

    Raises:
        NoApprovalsWanted: The stage has no approvers.
        NotYours: The signer is none of them.
        NotRegistered, ModelRevoked: The model is not known, or is bad.
        UnknownReference: There is no such stage.
        LedgerLost, Breach, TooBusy: As `append`.
    """

    def decide(state: State) -> Approve | None:
        state.generations(stage)  # why: a stage that does not exist is another fault than one without approvers
        check_sound(state, model)
        if state.policy.role(approver(stage)) is None:
            mend = "to ask for some, add that role to the policy (`registry policy`)"
            raise NoApprovalsWanted(f"{stage} takes no approvals", why=f"nobody is {approver(stage)}", mend=mend)
        if signer.key_id in state.assent(stage, model).approvals:
            return None
        return Approve(**stamp(state, clock=clock, actor=actor, reason=reason, stage=stage), manifest=model)

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    link = done.link or done.state.assent(stage, model).approvals[signer.key_id]
    return Decided(link.entry, was_there=done.link is None)


def tally(state: State, stage: str, model: Digest) -> str:
    """How many of the approvals that a stage wants are there, in words."""
    assent = state.assent(stage, model)
    wanted = assent.role.threshold if assent.role else 0
    return f"{len(assent.approvals)} of {wanted} approvals of {short(model)} for {stage}"
