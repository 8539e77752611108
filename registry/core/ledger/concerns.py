"""Concerns: what somebody should know about a stage who sees what it serves. They are told until they are mended."""

from collections.abc import Iterator

from registry.core.digest import short
from registry.core.ledger.past import Generation
from registry.core.ledger.views import State


def concerns_of(stage: str, state: State, *, now: str) -> tuple[str, ...]:
    """Everything that is not as it should be with `stage`, in sentences, the most pressing first.

    Args:
        stage: A stage of the ledger.
        state: What the ledger says.
        now: The present as entries spell it; a waiver expires by it.
    """
    serving = state.serving(stage)
    found = [*_about(serving, state, now)] if serving else []
    found += [
        f"generation {one.number} ({short(one.manifest)}) is void: entry {one.index} was signed by a key that was in "
        f"other hands"
        for one in (state.generations(stage) if state.void else ())
        if one.is_void
    ]
    if hold := state.held(stage):
        found.append(f"ON HOLD since {hold.at} by {hold.actor} (entry {hold.index}): {hold.reason}")
    return tuple(found)


def _about(one: Generation, state: State, now: str) -> Iterator[str]:
    name = f"generation {one.number} ({short(one.manifest)})"
    if revoke := state.revoked.get(one.manifest):
        yield f"{name} is REVOKED since {revoke.at} by {revoke.actor} (entry {revoke.index}): {revoke.reason}"
    if one.manifest not in state.makers:
        yield f"{name} is UNKNOWN: what registered it was signed by a key that was in other hands"
    if one.waiver:
        yield _waived(one, state, now)
    if lacking := state.assent(one.stage, one.manifest).lacking(frozenset()):
        yield f"{name} is UNAPPROVED by the policy in force: {lacking}"


def _waived(one: Generation, state: State, now: str) -> str:
    name = f"generation {one.number} ({short(one.manifest)})"
    waive = state.waives.get(one.waiver) if one.waiver else None
    if waive is None:
        return f"{name} rests on a WAIVER that is void: it was signed by a key that was in other hands"
    until = "EXPIRED at" if waive.expires < now else "until"
    rules = "; ".join(waive.rules)
    return (
        f"{name} was let in over {one.answer} by a WAIVER {until} {waive.expires}, of {waive.actor} (entry "
        f"{waive.index}): {waive.reason} -- not passed: {rules}"
    )
