"""The checks: whether an entry that is well signed may follow upon what was decided before."""

from collections.abc import Callable, Mapping
from typing import Any

from registry.core.digest import short
from registry.core.ledger.breach import (
    BrokenStageLink,
    Forged,
    LateBootstrap,
    NotWaived,
    OnHold,
    Reinstated,
    Revoked,
    SkippedStage,
    Unapproved,
    UnknownManifest,
    UnknownStage,
    WrongGeneration,
    WrongReplaced,
    WrongTarget,
)
from registry.core.ledger.entry import (
    Approve,
    Hold,
    Judge,
    Link,
    ModelDecision,
    PolicyEntry,
    Promote,
    Refuse,
    Register,
    Resume,
    Revoke,
    Rollback,
    StageDecision,
    Waive,
)
from registry.core.ledger.past import Past

Check = Callable[[Any, Link, Past], None]
"""Looks at an entry of the kind that it is listed for, at its link, and at the past; raises a `Breach`."""


def check(link: Link, past: Past) -> None:
    """Check what the entry of `link` does against `past`, everything that was said before it.

    Raises:
        Breach: It may not follow; the class says why.
    """
    for one in CHECKS[type(link.entry)]:
        one(link.entry, link, past)


def _is_of_this_ledger(entry: PolicyEntry, _: Link, past: Past) -> None:
    if entry.genesis is not None and (not past.links or entry.genesis != past.links[0].digest):
        raise Forged(entry.index, "its endorsements are of another ledger", why=entry.genesis)


def _keeps_revocations(entry: PolicyEntry, _: Link, past: Past) -> None:
    now = entry.policy.revocations
    for key_id, index in now.items():
        if index > entry.index:
            raise Reinstated(
                entry.index, f"it revokes the key {key_id[:12]} in the future", why=f"from entry {index} on"
            )
    for key_id, index in past.policy.revocations.items() if past.policy else ():
        if now.get(key_id, entry.index + 1) > index:
            why = f"it is revoked from entry {index} on"
            raise Reinstated(entry.index, f"it gives the key {key_id[:12]} back what was taken from it", why=why)


def _follows(entry: StageDecision, _: Link, past: Past) -> None:
    if entry.stage_previous != past.tips.get(entry.stage):
        raise BrokenStageLink(entry.index, f"it does not follow the last entry of {entry.stage}")


def _is_on_a_stage(entry: Judge, _: Link, past: Past) -> None:
    if past.policy is None or entry.stage not in past.policy.stages:
        raise UnknownStage(entry.index, f"there is no stage {entry.stage}")


def _is_known(entry: ModelDecision | Judge | Revoke, _: Link, past: Past) -> None:
    if entry.manifest not in past.makers:
        raise UnknownManifest(entry.index, f"manifest {short(entry.manifest)} was never registered")


def _is_not_revoked(entry: ModelDecision | Revoke, _: Link, past: Past) -> None:
    if entry.manifest in past.revoked:
        why = f"entry {past.revoked[entry.manifest].index} revoked it"
        raise Revoked(entry.index, f"manifest {short(entry.manifest)} is revoked", why=why)


def _is_open(entry: Promote | Hold, _: Link, past: Past) -> None:
    if entry.stage in past.holds:
        raise OnHold(entry.index, f"{entry.stage} is on hold", why=f"since entry {past.holds[entry.stage].index}")


def _is_held(entry: Resume, _: Link, past: Past) -> None:
    if entry.stage not in past.holds:
        raise OnHold(entry.index, f"{entry.stage} is not on hold")


def _switches(entry: Promote | Rollback, _: Link, past: Past) -> None:
    served, now = past.stages.get(entry.stage, []), past.serving(entry.stage)
    if entry.generation != len(served) + 1:
        raise WrongGeneration(entry.index, f"it is generation {entry.generation}, after {len(served)} others")
    if entry.replaces != (now.manifest if now else None):
        raise WrongReplaced(entry.index, f"it replaces {entry.replaces}, which {entry.stage} does not serve")
    if entry.replaces == entry.manifest:
        raise WrongReplaced(entry.index, f"it replaces {short(entry.manifest)} by itself")


def _is_first(entry: Promote, _: Link, past: Past) -> None:
    if entry.basis == "bootstrap" and past.serving(entry.stage):
        raise LateBootstrap(entry.index, f"{entry.stage} has served something already")


def _is_in_order(entry: Promote | Rollback, _: Link, past: Past) -> None:
    earlier = past.policy.after.get(entry.stage) if past.policy else None
    if earlier is not None and not past.has_served(earlier, entry.manifest):
        raise SkippedStage(entry.index, f"{earlier} never served what {entry.stage} was to serve")


def _is_approved(entry: Promote | Rollback, link: Link, past: Past) -> None:
    if lacking := past.assent(entry.stage, entry.manifest).lacking(link.key_ids):
        raise Unapproved(entry.index, f"{short(entry.manifest)} is not approved for {entry.stage}", why=lacking)


def _is_waived(entry: Promote, _: Link, past: Past) -> None:
    if entry.waiver is None:
        return
    waive = past.waivers.get(entry.waiver)
    of = (entry.stage, entry.manifest, entry.verdict)
    if waive is None or (waive.stage, waive.manifest, waive.verdict) != of:
        raise NotWaived(entry.index, "it names a waiver that is not one for it", why=entry.waiver)
    if entry.at > waive.expires:
        raise NotWaived(entry.index, "its waiver had expired", why=f"on {waive.expires}")


def _goes_back(entry: Rollback, link: Link, past: Past) -> None:
    served = past.stages.get(entry.stage, [])
    if entry.target is None:
        _goes_to_approved(entry, link, past)
        return
    if entry.target > len(served) or served[entry.target - 1].manifest != entry.manifest:
        raise WrongTarget(entry.index, f"generation {entry.target} of {entry.stage} did not serve this manifest")
    if served[entry.target - 1].is_void:
        raise WrongTarget(entry.index, f"generation {entry.target} of {entry.stage} is void")


def _goes_to_approved(entry: Rollback, link: Link, past: Past) -> None:
    """It was never let in, so what a promotion must keep is kept here, but for the gate and a hold."""
    if past.policy is None or not past.policy.takes_any_approved(entry.stage):
        raise WrongTarget(entry.index, f"the policy lets {entry.stage} go back only to what it served")
    if past.has_served(entry.stage, entry.manifest):
        raise WrongTarget(entry.index, f"{entry.stage} served this manifest, and the generation is not named")
    _is_in_order(entry, link, past)
    _is_approved(entry, link, past)


CHECKS: Mapping[type, tuple[Check, ...]] = {
    PolicyEntry: (_is_of_this_ledger, _keeps_revocations),
    Register: (),
    Judge: (_is_on_a_stage, _is_known),
    Approve: (_follows, _is_known, _is_not_revoked),
    Waive: (_follows, _is_known, _is_not_revoked),
    Promote: (
        _follows,
        _is_known,
        _is_not_revoked,
        _is_open,
        _switches,
        _is_first,
        _is_in_order,
        _is_approved,
        _is_waived,
    ),
    Refuse: (_follows, _is_known),
    Rollback: (_follows, _is_known, _is_not_revoked, _switches, _goes_back),
    Revoke: (_is_known, _is_not_revoked),
    Hold: (_follows, _is_open),
    Resume: (_follows, _is_held),
}
"""What each kind of entry must keep, in this order."""
