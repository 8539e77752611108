"""Look a registry over: what is weak, what will soon be, and what somebody forgot; honest, and short."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from registry.core.ledger.concerns import concerns_of
from registry.core.ledger.policy import REGISTRAR, ROOT, Policy, approver, promoter
from registry.core.ledger.policyfile import names_of
from registry.core.ledger.text import moment_of, time_of
from registry.core.ledger.views import State
from registry.ports import Clock

SOON = timedelta(days=14)
"""How long before its end a waiver is told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know. A `warning` should be mended; a `note` is legal, and somebody should have meant it."""

    level: Literal["warning", "note"]
    what: str
    mend: str = ""


def doctor(state: State, *, clock: Clock, found: Sequence[Finding] = ()) -> tuple[Finding, ...]:
    """Everything that should be known, warnings first.

    Args:
        state: What the ledger says.
        clock: Says when; waivers expire by it.
        found: What was seen around the ledger: keys, files, copies.
    """
    now = clock.now()
    stages = {stage: concerns_of(stage, state, now=moment_of(now)) for stage in state.stages}
    every = [Finding("warning", f"{stage}: {one}") for stage, concerns in stages.items() for one in concerns]
    every += _ending(state, now=moment_of(now), soon=moment_of(now + SOON))
    every += [*found, *_policy(state.policy), *_head(state.policy)]
    return tuple(sorted(every, key=lambda one: one.level != "warning"))


def _ending(state: State, *, now: str, soon: str) -> Iterator[Finding]:
    """The waivers that releases rest on now, and that end soon."""
    for stage in state.policy.stages:
        serving = state.serving(stage)
        waive = state.waives.get(serving.waiver) if serving and serving.waiver else None
        if waive is not None and now <= waive.expires < soon:
            days = (time_of(waive.expires) - time_of(now)).days
            mend = "promote a model that passes, or have it waived again"
            yield Finding("warning", f"{stage}: the waiver of entry {waive.index} ends in {days} days", mend)


def _policy(policy: Policy) -> Iterator[Finding]:
    names, last = names_of(policy), policy.stages[-1]
    acting = {key_id for role in policy.roles.values() for key_id in role.keys}
    if len(acting) == 1:
        what = "one key decides everything: legal, but the ledger proves what was done, not that two people agreed"
        yield Finding("note", what, "add a second person's key and the role approver:STAGE (`registry policy`)")
    elif approver(last) not in policy.roles:
        yield Finding("note", f"{last} takes no approvals", f"add the role {approver(last)} (`registry policy`)")
    if len(policy.roles[ROOT].keys) == 1:
        what = f"only {names[policy.roles[ROOT].keys[0]]} can change the policy: if that key is lost, nobody can"
        yield Finding("note", what, "give the role root to a second key, kept elsewhere")
    elif policy.roles[ROOT].threshold == 1:
        yield Finding("note", "each root key alone can change the policy", "raise the threshold of root to 2")
    for stage in policy.stages:
        yield from _stage(policy, stage)
    for stage in filter(policy.takes_any_approved, policy.stages):
        what = f"a rollback of {stage} may go to any manifest that is approved for it: no gate is asked"
        yield Finding(
            "note", what, "take `any-approved` out of rollback_targets, unless you meant it (`registry policy`)"
        )
    for kind in (policy.formats.allow or ()) if policy.formats else ():
        yield Finding("note", f"models may have {kind} files, which run code when they are loaded")


def _head(policy: Policy) -> Iterator[Finding]:
    if policy.head is None:
        what = "the policy names no head key: nobody signs how far the ledger goes, and no decision can be proved"
        yield Finding("note", what, "name one as `head: {keys: [...]}`; `registry key show` tells yours")


def _stage(policy: Policy, stage: str) -> Iterator[Finding]:
    """What makes a stage impossible or useless to promote to."""
    if policy.roles[promoter(stage)].threshold > 1:
        what = f"{promoter(stage)} wants several signatures on one entry, which no command gathers"
        yield Finding("warning", what, f"set its threshold to 1 and that of {approver(stage)} to how many must agree")
    approvers = policy.roles.get(approver(stage))
    makers = set(policy.roles[REGISTRAR].keys)
    if approvers and len(makers) == 1 and set(approvers.keys) <= makers:
        what = f"nothing can enter {stage}: who registers is its only approver, and nobody decides alone"
        yield Finding("warning", what, f"give the role {approver(stage)} to another key")
