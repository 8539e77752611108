"""The retreat: which earlier generation a stage goes back to, and which it must pass over."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from registry.core.digest import Digest, short
from registry.core.ledger.entry import Promote, Rollback
from registry.core.ledger.past import Generation
from registry.core.ledger.text import moment_of
from registry.core.ledger.views import State
from registry.errors import Refused, UsageError

Target = int | datetime | Literal["previous", "last-good"] | Digest
"""A generation's number, a time at which the stage served it, the one before, the last good one, or a manifest."""

PICK = "see `registry log` for the generations, and name one with `--to N`"


class NothingBefore(Refused):
    """A stage served nothing earlier, so there is nothing to go back to."""


class RevokedTarget(Refused):
    """What was to be served again was revoked, or was decided by a key that was in other hands."""


class NeverServed(Refused):
    """What was to be served again was never served by the stage, and the policy wants that it was."""


@dataclass(frozen=True, slots=True)
class Retreat:
    """What the stage serves, what it should go back to, and the generations in between that were passed over.

    `target` is the generation that served `manifest`; None where none did, and the policy lets an approval do. `passed`
    are those whose manifests were revoked; they are told, because somebody may look for them.
    """

    before: Generation
    manifest: Digest
    target: Generation | None
    passed: tuple[Generation, ...] = ()


def retreat(state: State, stage: str, to: Target) -> Retreat:
    """Choose what `stage` goes back to.

    `previous` is what it served before; asked again after a rollback it goes further back, not to and fro. `last-good`
    is the newest earlier generation that its gate let in with GO and whose manifest was not gone back from since it was
    last promoted. Both pass over what was revoked; a number or a time that leads there is refused. A manifest means its
    newest generation. Where there is none, and the policy takes any approved one, the manifest itself is the target:
    whether it may be is then asked as for a promotion.

    Raises:
        NeverServed: The stage never served the manifest, and the policy does not let it go elsewhere.
        NothingBefore: There is no such generation, or the stage serves it already.
        RevokedTarget: The generation that was named is revoked or void.
        UsageError: There is no such stage or number.
    """
    before = state.serving(stage)
    if before is None:
        raise NothingBefore(f"{stage} serves nothing yet", mend="see `registry status`")
    if to == "previous":
        # why from the origin: after a rollback the one before it is what we just fled from.
        return _newest(state, before, lambda one: one.number < before.origin)
    if to == "last-good":
        fled = _fled(state, stage)
        return _newest(state, before, lambda one: _is_good(state, one) and one.manifest not in fled)
    target = _named(state, stage, to)
    if target is None:
        return Retreat(before, Digest(str(to)), None)
    if target.manifest == before.manifest:
        what = f"{stage} serves what generation {target.number} did already"
        raise NothingBefore(what, why=short(before.manifest), mend=PICK)
    return Retreat(before, target.manifest, _sound(state, target))


def way_back_after(state: State, stage: str, model: Digest) -> Generation | None:
    """What a rollback would bring back, once `model` is promoted to `stage`; None if there is nothing."""
    found = [one for one in state.generations(stage) if one.manifest != model and not _is_bad(state, one)]
    return found[-1] if found else None


def _newest(state: State, before: Generation, is_wanted: Callable[[Generation], bool]) -> Retreat:
    earlier = state.generations(before.stage)[: before.number - 1]
    wanted = [one for one in earlier if one.manifest != before.manifest and is_wanted(one) and not one.is_void]
    good = [one for one in wanted if one.manifest not in state.revoked]
    if not good:
        why = f"of {len(wanted)} earlier generations each is revoked" if wanted else ""
        raise NothingBefore(
            f"{before.stage} has nothing to go back to from {short(before.manifest)}", why=why, mend=PICK
        )
    return Retreat(before, good[-1].manifest, good[-1], tuple(one for one in wanted if one.number > good[-1].number))


def _named(state: State, stage: str, to: int | datetime | str) -> Generation | None:
    """The generation that somebody named; None for a manifest that the stage may serve though it never did."""
    if isinstance(to, int):
        return _numbered(state, stage, to)
    if isinstance(to, datetime):
        return _at(state, stage, to)
    found = [one for one in state.generations(stage) if one.manifest == to and not one.is_void]
    if not found and not state.policy.takes_any_approved(stage):
        why = "the policy lets it go back only to what it served (`rollback_targets`)"
        mend = f"promote it, or {PICK}"
        raise NeverServed(f"{stage} never served {short(Digest(to))}", why=why, mend=mend)
    return found[-1] if found else None


def _at(state: State, stage: str, when: datetime) -> Generation:
    found = state.at(stage, when)
    if found is None:
        raise NothingBefore(f"{stage} served nothing at that time", why=f"it was {moment_of(when)}", mend=PICK)
    return found


def _numbered(state: State, stage: str, number: int) -> Generation:
    served = state.generations(stage)
    if not 1 <= number <= len(served):
        why = f"it has the generations 1 to {len(served)}"
        raise UsageError(f"there is no generation {number} of {stage}", why=why, mend=PICK)
    return served[number - 1]


def _sound(state: State, target: Generation) -> Generation:
    what = f"generation {target.number} of {target.stage} is no way back"
    if revoke := state.revoked.get(target.manifest):
        why = f"entry {revoke.index} revoked {short(target.manifest)}: {revoke.reason}"
        raise RevokedTarget(what, why=why, mend=PICK)
    if target.is_void:
        raise RevokedTarget(what, why=f"entry {target.index} is void: its key was in other hands", mend=PICK)
    return target


def _is_bad(state: State, one: Generation) -> bool:
    return one.is_void or one.manifest in state.revoked


def _is_good(state: State, one: Generation) -> bool:
    """Whether the gate let it in, itself or the promotion behind it."""
    origin = state.generations(one.stage)[one.origin - 1]
    return origin.basis == "gate" and one.answer == "GO"


def _fled(state: State, stage: str) -> set[Digest]:
    """The manifests that the stage went back from, and that were neither promoted nor brought back since."""
    fled: set[Digest] = set()
    for link in state.entries:
        match link.entry:
            case Promote(stage=of) | Rollback(stage=of) if of == stage and link.entry.index not in state.void:
                if isinstance(link.entry, Rollback):
                    fled.add(link.entry.replaces)
                fled.discard(link.entry.manifest)
            case _:
                pass
    return fled
