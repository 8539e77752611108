"""Go back: let a stage serve again what it served before, proven byte by byte before the switch."""

from dataclasses import dataclass

from registry.core.digest import Digest, short
from registry.core.ledger.entry import Rollback, moment_of
from registry.core.ledger.views import Generation, State
from registry.errors import ConflictError, Refused, UsageError
from registry.ports import Clock, LedgerFile, Signer, Store
from registry.verbs.append import append, read
from registry.verbs.prove import Proof, prove


class NothingBefore(Refused):
    """A stage served nothing earlier, so there is nothing to go back to."""


class StageMoved(ConflictError):
    """Somebody changed what the stage serves while we were at work."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The switch: what is served now, what was served until now, and what was read to prove that it is whole."""

    now: Generation
    before: Generation
    proof: Proof


def rollback(
    stage: str,
    *,
    reason: str,
    to: int | None = None,
    ledger: LedgerFile,
    genesis: Digest,
    store: Store,
    signer: Signer,
    clock: Clock,
    actor: str,
) -> RolledBack:
    """Let `stage` serve an earlier manifest again, as a new generation.

    Every blob of it is read and hashed first; if one is missing or damaged, nothing changes. It needs no gate and no
    network: what is gone back to was allowed once.

    Args:
        stage: Where.
        reason: Why, in one line; it is written down.
        to: The generation to go back to. None is the one before; done again, it goes one further back, not to and fro.
        ledger: Where the switch is written, which makes it.
        genesis: The pinned digest of the ledger's entry 0.
        store: Where the blobs are.
        signer: A key that may promote to `stage`.
        clock: Says when.
        actor: Who does it.

    Raises:
        NothingBefore: The stage served nothing else before, or serves that already.
        Damaged: A part of the target is missing or not what it was; it is named.
        StageMoved: The stage serves something else than when we began; look again before you go back.
        NotYours: The policy does not let the signer do it.
        UsageError: There is no such stage or generation, or the reason is empty or not one line.
    """
    if not reason.strip():
        raise UsageError("a rollback gives its reason", mend="say it with `--reason TEXT`")
    state = read(ledger, genesis)
    before, target = _choose(state, stage, to)
    proof = prove(target.manifest, store=store)

    def decide(now: State) -> Rollback:
        _check_unmoved(now, before)
        return Rollback(
            index=now.next_index,
            previous=now.head.digest,
            stage=stage,
            stage_previous=now.tips.get(stage),
            actor=actor,
            at=moment_of(clock.now()),
            reason=reason,
            manifest=target.manifest,
            generation=before.number + 1,
            replaces=before.manifest,
            target=target.number,
        )

    after = append(decide, ledger=ledger, genesis=genesis, signer=signer).state
    return RolledBack(after.generations(stage)[before.number], before, proof)


def _choose(state: State, stage: str, to: int | None) -> tuple[Generation, Generation]:
    """What `stage` serves, and what it should go back to."""
    served = state.generations(stage)
    if not served:
        raise NothingBefore(f"{stage} serves nothing yet", mend="see `registry status`")
    current = served[-1]
    if to is None:
        # why from the origin: after a rollback the one before it is what we just fled from.
        earlier = [one for one in served[: current.origin - 1] if one.manifest != current.manifest]
        if not earlier:
            raise NothingBefore(f"{stage} served nothing before {short(current.manifest)}", mend=_PICK)
        return current, earlier[-1]
    if not 1 <= to <= len(served):
        why = f"it has the generations 1 to {len(served)}"
        raise UsageError(f"there is no generation {to} of {stage}", why=why, mend=_PICK)
    if served[to - 1].manifest == current.manifest:
        raise NothingBefore(f"{stage} serves what generation {to} did already", why=short(current.manifest))
    return current, served[to - 1]


_PICK = "see `registry log` for the generations, and name one with `--to N`"


def _check_unmoved(now: State, before: Generation) -> None:
    current = now.serving(before.stage)
    if current is None or current.index != before.index:
        found = f"generation {current.number} ({short(current.manifest)})" if current else "nothing"
        why = f"it was generation {before.number}, and is {found}"
        raise StageMoved(
            f"{before.stage} changed meanwhile", why=why, mend="look at `registry status`, then decide again"
        )
