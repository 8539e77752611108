"""Admit: what must be true of a model and a stage before it may serve it, whatever its gate says."""

from registry.core.digest import Digest, short
from registry.core.ledger.retreat import way_back_after
from registry.core.ledger.views import State
from registry.errors import IntegrityError, Refused, UsageError
from registry.ports import Store
from registry.verbs.prove import Damaged, prove


class NotRegistered(UsageError):
    """A manifest has no name yet."""


class ModelRevoked(Refused):
    """A model was found to be bad."""


class StageHeld(Refused):
    """Nothing is promoted to a stage for now."""


class SkipsStage(Refused):
    """The stage before this one never served the model."""


class NotApproved(Refused):
    """The policy wants more people to agree."""


class NoWayBack(IntegrityError):
    """After a promotion nobody could go back to what is served now."""


def check_sound(state: State, model: Digest) -> None:
    """Refuse a model that nobody registered, or that was revoked.

    Raises:
        NotRegistered, ModelRevoked: So it is.
    """
    if model not in state.makers:
        raise NotRegistered(f"{short(model)} is not registered", mend="run `registry pin` on its config")
    check_unrevoked(state, model)


def check_unrevoked(state: State, model: Digest) -> None:
    """Refuse a model that was revoked.

    Raises:
        ModelRevoked: It was.
    """
    if revoke := state.revoked.get(model):
        why = f"by {revoke.actor} at {revoke.at} (entry {revoke.index}): {revoke.reason}"
        raise ModelRevoked(f"{short(model)} was revoked", why=why, mend="roll back, or promote another model")


def check_open(state: State, stage: str) -> None:
    """Refuse a promotion to a stage that is on hold.

    Raises:
        StageHeld: It is.
    """
    if hold := state.held(stage):
        why = f"by {hold.actor} at {hold.at} (entry {hold.index}): {hold.reason}"
        mend = f"wait, or `registry resume {stage} --reason TEXT`; `registry rollback` works all the same"
        raise StageHeld(f"{stage} is on hold", why=why, mend=mend)


def check_order(state: State, stage: str, model: Digest) -> None:
    """Refuse a model that the stage before never served, where the policy wants it to.

    Raises:
        SkipsStage: It did not.
    """
    earlier = state.policy.after.get(stage)
    if earlier is not None and not state.has_served(earlier, model):
        why = f"the policy wants {earlier} to have served it first"
        raise SkipsStage(f"{short(model)} may not enter {stage} yet", why=why, mend=f"promote it to {earlier}")


def check_approved(state: State, stage: str, model: Digest, *, promoter: str) -> None:
    """Refuse a model that fewer people approved for `stage` than the policy wants, `promoter` being who asks.

    Raises:
        NotApproved: It is so; what lacks is told.
    """
    if lacking := state.assent(stage, model).lacking(frozenset({promoter})):
        mend = f"have others say `registry approve {short(model)} --to {stage}`, each with a key of their own"
        raise NotApproved(f"{short(model)} is not approved for {stage}", why=lacking, mend=mend)


def check_way_back(state: State, stage: str, model: Digest, *, store: Store, proven: dict[Digest, int]) -> None:
    """Rehearse the rollback that would undo the promotion of `model`; where there is nothing to go back to, none.

    Raises:
        NoWayBack: What it would bring back is missing or damaged in the store.
    """
    target = way_back_after(state, stage, model)
    if target is None:
        return
    try:
        prove(target.manifest, store=store, proven=proven)
    except Damaged as error:
        mend = "put it back from a copy of the store, or revoke that model: then it is no way back, and says so"
        what = f"after this promotion {stage} could not go back to generation {target.number}"
        raise NoWayBack(what, why=f"{error.what}: {error.why}", mend=mend) from None
