"""Go back: let a stage serve again what it served before, proven byte by byte before the switch.

Where the policy says so it may also go to what was approved for the stage, and never served by it.
"""

from dataclasses import dataclass

from registry.core.digest import Digest, short
from registry.core.ledger.entry import Rollback
from registry.core.ledger.past import Generation
from registry.core.ledger.policy import promoter
from registry.core.ledger.retreat import Retreat, Target, retreat
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.errors import ConflictError, UsageError
from registry.ports import Clock, LedgerFile, Signer, Store
from registry.verbs.admit import check_approved, check_order, check_sound
from registry.verbs.append import append, check_role, stamp
from registry.verbs.prove import Proof, prove
from registry.verbs.reading import read
from registry.verbs.screen import screen


class StageMoved(ConflictError):
    """Somebody changed what the stage serves while we were at work."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The switch: what is served now, what was served until now, and what was read to prove that it is whole.

    `passed` are later generations that were no way back, because they are revoked.
    """

    now: Generation
    before: Generation
    proof: Proof
    passed: tuple[Generation, ...] = ()


@dataclass(frozen=True, slots=True)
class Drilled:
    """A rollback that was not done, and could be: from `before` to `manifest`, of which everything was read.

    `target` is the generation that served it; None where none did.
    """

    before: Generation
    manifest: Digest
    target: Generation | None
    proof: Proof
    passed: tuple[Generation, ...] = ()


def rollback(
    stage: str,
    *,
    reason: str,
    to: Target = "previous",
    ledger: LedgerFile,
    genesis: Digest,
    store: Store,
    signer: Signer,
    clock: Clock,
    actor: str,
) -> RolledBack:
    """Let `stage` serve an earlier manifest again, as a new generation.

    Every blob of it is read and hashed first; if one is missing or damaged, nothing changes. It needs no gate, no
    approvals and no network, and works on a stage that is on hold: what is gone back to was allowed once. What the
    stage never served, where the policy takes any approved manifest, needs all that a promotion does but the gate.

    Args:
        stage: Where.
        reason: Why, in one line; it is written down.
        to: What to go back to; see `registry.core.ledger.retreat`.
        ledger: Where the switch is written, which makes it.
        genesis: The pinned digest of the ledger's entry 0.
        store: Where the blobs are.
        signer: A key that may promote to `stage`.
        clock: Says when.
        actor: Who does it.

    Raises:
        NothingBefore: The stage served nothing else before, or serves that already.
        RevokedTarget: The generation that was named is revoked; also if that happened while we were at work.
        NeverServed: The stage never served the manifest, and the policy does not let it go elsewhere.
        NotRegistered, ModelRevoked, SkipsStage, NotApproved, RunsCode: As `promote`, of what it never served.
        Damaged: A part of the target is missing or not what it was; it is named.
        StageMoved: The stage serves something else than when we began; look again before you go back.
        NotYours: The policy does not let the signer do it.
        UsageError: There is no such stage or generation, or the reason is empty or not one line.
    """
    if not reason.strip():
        raise UsageError("a rollback gives its reason", mend="say it with `--reason TEXT`")
    way, proof = _ready(read(ledger, genesis), stage, to, store=store, signer=signer)

    def decide(now: State) -> Rollback:
        _check_unmoved(now, way.before)
        # why again: it may have been revoked meanwhile, or lost an approval.
        again = _way(now, stage, way.target.number if way.target else way.manifest, signer=signer)
        _screen(again, now, store)
        return Rollback(
            **stamp(now, clock=clock, actor=actor, reason=reason, stage=stage),
            manifest=again.manifest,
            generation=len(now.generations(stage)) + 1,
            replaces=way.before.manifest,
            target=again.target.number if again.target else None,
        )

    after = append(decide, ledger=ledger, genesis=genesis, signer=signer).state
    return RolledBack(after.generations(stage)[-1], way.before, proof, way.passed)


def drill(
    stage: str, *, to: Target = "previous", ledger: LedgerFile, genesis: Digest, store: Store, signer: Signer
) -> Drilled:
    """Do everything of a rollback but the switch: choose, ask whether the key may, and read and hash every blob.

    Raises:
        NothingBefore, RevokedTarget, NeverServed, NotApproved, Damaged, NotYours, UsageError: As `rollback`.
    """
    way, proof = _ready(read(ledger, genesis), stage, to, store=store, signer=signer)
    return Drilled(way.before, way.manifest, way.target, proof, way.passed)


def _ready(state: State, stage: str, to: Target, *, store: Store, signer: Signer) -> tuple[Retreat, Proof]:
    way = _way(state, stage, to, signer=signer)
    proof = prove(way.manifest, store=store)
    _screen(way, state, store)
    return way, proof


def _way(state: State, stage: str, to: Target, *, signer: Signer) -> Retreat:
    """The way back that the ledger allows to the signer."""
    way = retreat(state, stage, to)
    check_role(promoter(stage), f"roll {stage} back", state=state, signer=signer)
    if way.target is None:
        check_sound(state, way.manifest)
        check_order(state, stage, way.manifest)
        check_approved(state, stage, way.manifest, promoter=signer.key_id)
    return way


def _screen(way: Retreat, state: State, store: Store) -> None:
    if way.target is None:  # why not what was served: it was let in once, and on-call must not wait for an exemption
        screen(Manifest.parse(store.get(way.manifest)), policy=state.policy, store=store)


def _check_unmoved(now: State, before: Generation) -> None:
    current = now.serving(before.stage)
    if current is None or current.index != before.index:
        found = f"generation {current.number} ({short(current.manifest)})" if current else "nothing"
        why = f"it was generation {before.number}, and is {found}"
        raise StageMoved(
            f"{before.stage} changed meanwhile", why=why, mend="look at `registry status`, then decide again"
        )
