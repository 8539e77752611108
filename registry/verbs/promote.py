"""Let a stage serve a model, because its gate said GO; write the refusal down where it did not."""

from dataclasses import dataclass
from functools import cache, partial

from registry.core.digest import Digest, short
from registry.core.gate.verdict import RuleVerdict, Verdict
from registry.core.ledger.entry import Promote, Refuse, moment_of
from registry.core.ledger.views import Generation, State
from registry.errors import ConflictError, Refused, Undecided, UsageError
from registry.ports import Clock, LedgerFile, Signer, Store
from registry.verbs.append import append
from registry.verbs.prove import prove


class GateRefused(Refused):
    """The gate said NO-GO."""


class GateUndecided(Undecided):
    """The gate said HOLD."""


class SkipsStage(Refused):
    """The stage before this one never served the model."""


class NotFirst(Refused):
    """A bootstrap is for a stage that never served anything."""


class NotRegistered(UsageError):
    """A manifest has no name yet."""


class AnotherVerdict(UsageError):
    """A verdict is about another model or another stage."""


class Outdated(ConflictError):
    """The stage serves something else than what the model was compared with, or there is newer evidence."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What the stage serves now, and whether it did before we came: then nothing was written."""

    now: Generation
    was_there: bool


def promote(
    model: Digest,
    stage: str,
    *,
    verdict: Verdict,
    store: Store,
    ledger: LedgerFile,
    genesis: Digest,
    signer: Signer,
    clock: Clock,
    actor: str,
    reason: str | None = None,
) -> Promoted:
    """Let `stage` serve `model` if `verdict` is GO. Anything else is written down as a refusal, and raised.

    Everything that the decision rests on is looked at again when another writer was faster. Promoting what is served
    already changes nothing. Before a switch every blob of the model is read and hashed, once: what a stage serves can
    be pulled.

    Args:
        model: The manifest's digest.
        stage: Where.
        verdict: What the gate of `stage` says of `model`, compared with what the stage serves.
        store: Where the model's blobs are; the verdict is kept there before an entry names it.
        ledger: Where the switch is written, which makes it.
        genesis: The pinned digest of the ledger's entry 0.
        signer: A key that may promote to `stage`.
        clock: Says when.
        actor: Who does it.
        reason: Why, in one line.

    Raises:
        GateRefused: NO-GO; the failing rules are named.
        GateUndecided: HOLD; the rules that could not be decided are named.
        SkipsStage: The policy wants another stage to have served it first.
        Outdated: The stage serves something else than the verdict's baseline, or newer evidence of the model was
            registered; judge again.
        AnotherVerdict: The verdict is about another model or stage.
        Damaged: A part of the model is missing or not what it was; it is named.
        NotRegistered, UnknownReference, NotYours, Breach, TooBusy: See `append` and `registry.core.ledger.names`.
    """
    digest = store.put(verdict.canonical())
    # why cached: another writer who was faster is no reason to read gigabytes again; blobs do not change.
    prove_once = cache(partial(prove, model, store=store))

    def decide(state: State) -> Promote | Refuse | None:
        if _serves(state, stage, model):
            return None
        _check_subject(state, stage, verdict=verdict, model=model)
        if verdict.answer != "GO":
            return _refusal(state, verdict, digest=digest, actor=actor, at=moment_of(clock.now()), reason=reason)
        _check_order(state, stage, model)
        prove_once()
        return _promotion(state, verdict, digest=digest, actor=actor, at=moment_of(clock.now()), reason=reason)

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    now = done.state.serving(stage)
    if now is None or now.manifest != model:
        raise _told(verdict)
    return Promoted(now, was_there=done.link is None)


def bootstrap(
    model: Digest,
    stage: str,
    *,
    verdict: Verdict,
    reason: str,
    store: Store,
    ledger: LedgerFile,
    genesis: Digest,
    signer: Signer,
    clock: Clock,
    actor: str,
) -> Promoted:
    """Let `stage` serve `model` as its very first, whatever the gate says of it, and say so for ever.

    A gate that compares has nothing to compare with there. The verdict is computed and attached all the same; where it
    is GO, the entry says that the gate let it in. The arguments are those of `promote`, but for the reason, which must
    be given.

    Raises:
        NotFirst: The stage has served something already.
        SkipsStage, Outdated, AnotherVerdict, NotRegistered, Damaged: As `promote`.
    """
    digest = store.put(verdict.canonical())
    # why cached: another writer who was faster is no reason to read gigabytes again; blobs do not change.
    prove_once = cache(partial(prove, model, store=store))

    def decide(state: State) -> Promote | None:
        if _serves(state, stage, model):
            return None
        if state.generations(stage):
            why = f"it serves {short(state.generations(stage)[-1].manifest)}"
            raise NotFirst(f"{stage} has its first release already", why=why, mend="promote without --bootstrap")
        _check_subject(state, stage, verdict=verdict, model=model)
        _check_order(state, stage, model)
        prove_once()
        return _promotion(state, verdict, digest=digest, actor=actor, at=moment_of(clock.now()), reason=reason)

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    return Promoted(done.state.generations(stage)[-1], was_there=done.link is None)


def _serves(state: State, stage: str, model: Digest) -> bool:
    current = state.serving(stage)
    return current is not None and current.manifest == model


def _check_subject(state: State, stage: str, *, verdict: Verdict, model: Digest) -> None:
    """Refuse a verdict about something else than this model, on this stage, as it is."""
    if not state.names(model):
        raise NotRegistered(f"{short(model)} is not registered", mend="run `registry pin` on its config")
    if (verdict.candidate, verdict.stage) != (model, stage):
        why = f"it is about {short(verdict.candidate)} on {verdict.stage}"
        raise AnotherVerdict(f"this verdict says nothing about {short(model)} on {stage}", why=why)
    current = state.serving(stage)
    served = current.manifest if current else None
    if verdict.baseline != served:
        spelled = [short(digest) if digest else "nothing" for digest in (verdict.baseline, served)]
        why = f"the model was compared with {spelled[0]}, and {stage} serves {spelled[1]}"
        raise Outdated(f"{stage} changed meanwhile", why=why, mend=_AGAIN)
    if verdict.candidate_evidence != next(iter(state.evidence(model)), None):
        why = "the verdict rests on other evidence than the newest that is registered"
        raise Outdated(f"there is newer evidence for {short(model)}", why=why, mend=_AGAIN)


_AGAIN = "run the same command again: it judges anew"


def _check_order(state: State, stage: str, model: Digest) -> None:
    earlier = state.policy.after.get(stage)
    if earlier is not None and not state.has_served(earlier, model):
        why = f"the policy wants {earlier} to have served it first"
        raise SkipsStage(f"{short(model)} may not enter {stage} yet", why=why, mend=f"promote it to {earlier}")


def _promotion(state: State, verdict: Verdict, *, digest: Digest, actor: str, at: str, reason: str | None) -> Promote:
    served = state.generations(verdict.stage)
    return Promote(
        index=state.next_index,
        previous=state.head.digest,
        stage=verdict.stage,
        stage_previous=state.tips.get(verdict.stage),
        actor=actor,
        at=at,
        reason=reason,
        manifest=verdict.candidate,
        generation=len(served) + 1,
        replaces=served[-1].manifest if served else None,
        verdict=digest,
        answer=verdict.answer,
        basis="gate" if verdict.answer == "GO" else "bootstrap",
    )


def _refusal(
    state: State, verdict: Verdict, *, digest: Digest, actor: str, at: str, reason: str | None
) -> Refuse | None:
    """The refusal to write down; None where the last word about the stage is this very one."""
    tip = state.tips.get(verdict.stage)
    last = next((link.entry for link in reversed(state.entries) if link.digest == tip), None)
    if isinstance(last, Refuse) and last.verdict == digest:
        return None  # why: a pipeline that asks every minute would fill the ledger with one answer
    return Refuse(
        index=state.next_index,
        previous=state.head.digest,
        stage=verdict.stage,
        stage_previous=tip,
        actor=actor,
        at=at,
        reason=reason,
        manifest=verdict.candidate,
        verdict=digest,
        answer="HOLD" if verdict.answer == "HOLD" else "NO-GO",
    )


def _told(verdict: Verdict) -> GateRefused | GateUndecided:
    """The gate's no, with the rules behind it, one a line."""
    what = f"the gate of {verdict.stage} says {verdict.answer} to {short(verdict.candidate)}"
    if verdict.answer == "HOLD":
        why = _rules([rule for rule in verdict.rules if rule.verdict == "inconclusive"])
        return GateUndecided(what, why=why, mend="gather the evidence that the rules miss, and promote again")
    why = _rules([rule for rule in verdict.rules if rule.verdict == "fail"])
    return GateRefused(what, why=why, mend="see `registry gate` for the numbers; the refusal is in the ledger")


def _rules(rules: list[RuleVerdict]) -> str:
    return "\n        ".join(f"{rule.rule} ({rule.verdict}: {rule.sentence})" for rule in rules)
