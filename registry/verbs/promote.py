"""Let a stage serve a model, because its gate said GO; write the refusal down where it did not."""

from dataclasses import dataclass
from typing import Any, Literal

from registry.core.digest import Digest, short
from registry.core.gate.verdict import RuleVerdict, Verdict
from registry.core.ledger.entry import Promote, Refuse, Waive
from registry.core.ledger.past import Generation
from registry.core.ledger.policy import promoter
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.errors import ConflictError, Refused, Undecided, UsageError
from registry.ports import Clock, LedgerFile, Signer, Store
from registry.verbs.admit import check_approved, check_open, check_order, check_sound, check_way_back
from registry.verbs.append import append, check_role, stamp
from registry.verbs.prove import prove
from registry.verbs.screen import screen
from registry.verbs.waive import waivers_of


class GateRefused(Refused):
    """The gate said NO-GO."""


class GateUndecided(Undecided):
    """The gate said HOLD."""


class NotFirst(Refused):
    """A bootstrap is for a stage that never served anything."""


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
    """Let `stage` serve `model` if `verdict` is GO, or if a live waiver excuses each rule that did not pass.

    Anything else is written down as a refusal, and raised. Everything that the decision rests on is looked at again
    when another writer was faster. Promoting what is served already changes nothing. Before a switch every blob of the
    model, and of what a rollback would bring back, is read and hashed, once: what a stage serves can be pulled, and
    left again.

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
        StageHeld: Nothing is promoted to the stage for now.
        ModelRevoked: The model was found to be bad.
        SkipsStage: The policy wants another stage to have served it first.
        NotApproved: The policy wants more people to approve it.
        RunsCode: It has files that could run code when they are loaded, and the policy does not let them in.
        NoWayBack: What a rollback would bring back is damaged.
        Outdated: The stage serves something else than the verdict's baseline, or newer evidence of the model was
            registered; judge again.
        AnotherVerdict: The verdict is about another model or stage.
        Damaged: A part of the model is missing or not what it was; it is named.
        NotRegistered, UnknownReference, NotYours, Breach, TooBusy: See `append` and `registry.core.ledger.names`.
    """
    digest = store.put(verdict.canonical())
    # why kept: another writer who was faster is no reason to read gigabytes again; blobs do not change.
    proven: dict[Digest, int] = {}

    def decide(state: State) -> Promote | Refuse | None:
        if _serves(state, stage, model):
            return None
        # why first: who may not promote may not write down a refusal either, and should hear what they asked for.
        check_role(promoter(stage), f"promote to {stage}", state=state, signer=signer)
        _check_subject(state, stage, verdict=verdict, model=model)
        check_open(state, stage)
        place = stamp(state, clock=clock, actor=actor, reason=reason, stage=stage)
        waiver = _live_waiver(state, verdict, digest, at=place["at"])
        if verdict.answer != "GO" and waiver is None:
            return _refusal(state, verdict, digest=digest, place=place)
        _check_ready(state, stage, model, promoter=signer.key_id)
        prove(model, store=store, proven=proven)
        screen(Manifest.parse(store.get(model)), policy=state.policy, store=store)
        check_way_back(state, stage, model, store=store, proven=proven)
        return _promotion(state, verdict, digest=digest, place=place, waiver=waiver)

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    now = done.state.serving(stage)
    if now is None or now.manifest != model:
        raise _told(verdict, waivers_of(done.state, verdict, digest))
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
        StageHeld, ModelRevoked, SkipsStage, NotApproved, Outdated, AnotherVerdict, NotRegistered, Damaged: As
            `promote`.
    """
    digest = store.put(verdict.canonical())
    # why kept: another writer who was faster is no reason to read gigabytes again; blobs do not change.
    proven: dict[Digest, int] = {}

    def decide(state: State) -> Promote | None:
        if _serves(state, stage, model):
            return None
        if now := state.serving(stage):
            why = f"it serves {short(now.manifest)}"
            raise NotFirst(f"{stage} has its first release already", why=why, mend="promote without --bootstrap")
        check_role(promoter(stage), f"promote to {stage}", state=state, signer=signer)
        _check_subject(state, stage, verdict=verdict, model=model)
        check_open(state, stage)
        _check_ready(state, stage, model, promoter=signer.key_id)
        prove(model, store=store, proven=proven)
        screen(Manifest.parse(store.get(model)), policy=state.policy, store=store)
        place = stamp(state, clock=clock, actor=actor, reason=reason, stage=stage)
        return _promotion(state, verdict, digest=digest, place=place)

    done = append(decide, ledger=ledger, genesis=genesis, signer=signer)
    return Promoted(done.state.generations(stage)[-1], was_there=done.link is None)


def _serves(state: State, stage: str, model: Digest) -> bool:
    current = state.serving(stage)
    return current is not None and current.manifest == model


def _check_subject(state: State, stage: str, *, verdict: Verdict, model: Digest) -> None:
    """Refuse a verdict about something else than this model, on this stage, as it is."""
    check_sound(state, model)
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


def _check_ready(state: State, stage: str, model: Digest, *, promoter: str) -> None:
    """Refuse what the policy does not let in yet."""
    check_order(state, stage, model)
    check_approved(state, stage, model, promoter=promoter)


def _live_waiver(state: State, verdict: Verdict, digest: Digest, *, at: str) -> Digest | None:
    """The waiver that a promotion at that time may rest on; None if there is none, or none is needed."""
    found = [] if verdict.answer == "GO" else waivers_of(state, verdict, digest)
    return next((one for one, waiver in found if waiver.expires >= at), None)


def _promotion(
    state: State, verdict: Verdict, *, digest: Digest, place: dict[str, Any], waiver: Digest | None = None
) -> Promote:
    now = state.serving(verdict.stage)
    return Promote(
        **place,
        manifest=verdict.candidate,
        generation=len(state.generations(verdict.stage)) + 1,
        replaces=now.manifest if now else None,
        verdict=digest,
        answer=verdict.answer,
        basis="gate" if verdict.answer == "GO" else "waiver" if waiver else "bootstrap",
        waiver=waiver,
    )


def _refusal(state: State, verdict: Verdict, *, digest: Digest, place: dict[str, Any]) -> Refuse | None:
    """The refusal to write down; None where the last word about the stage is this very one."""
    last = next((link.entry for link in reversed(state.entries) if link.digest == place["stage_previous"]), None)
    if isinstance(last, Refuse) and last.verdict == digest:
        return None  # why: a pipeline that asks every minute would fill the ledger with one answer
    answer: Literal["NO-GO", "HOLD"] = "HOLD" if verdict.answer == "HOLD" else "NO-GO"
    return Refuse(**place, manifest=verdict.candidate, verdict=digest, answer=answer)


def _told(verdict: Verdict, expired: list[tuple[Digest, Waive]]) -> GateRefused | GateUndecided:
    """The gate's no, with the rules behind it, one a line, and the waivers that lasted until now."""
    what = f"the gate of {verdict.stage} says {verdict.answer} to {short(verdict.candidate)}"
    past = "".join(f"\n        the waiver of entry {one.index} expired at {one.expires}" for _, one in expired)
    if verdict.answer == "HOLD":
        why = _rules([rule for rule in verdict.rules if rule.verdict == "inconclusive"]) + past
        mend = "gather the evidence that the rules miss, and promote again"
        if verdict.baseline is None:
            mend += "; a stage's first release, with nothing to be compared with, may take `--bootstrap --reason TEXT`"
        return GateUndecided(what, why=why, mend=mend)
    why = _rules([rule for rule in verdict.rules if rule.verdict == "fail"]) + past
    return GateRefused(what, why=why, mend="see `registry gate` for the numbers; the refusal is in the ledger")


def _rules(rules: list[RuleVerdict]) -> str:
    return "\n        ".join(f"{rule.rule} ({rule.verdict}: {rule.sentence})" for rule in rules)
