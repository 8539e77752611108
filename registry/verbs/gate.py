"""gate: judge a model by the rules of a stage, and keep the verdict as a fact."""

from dataclasses import dataclass

from registry.core.digest import Digest
from registry.core.gate.judging.check import check_gate
from registry.core.gate.judging.conclude import Hearing, Side, conclude
from registry.core.gate.language.gatefile import GateFile, read_gate
from registry.core.gate.verdict import Verdict
from registry.core.heldout.suite import Suite
from registry.core.ledger.past import Generation
from registry.core.ledger.views import State
from registry.core.manifest import Manifest
from registry.ports import Store
from registry.verbs.sides import baseline_side, canary_in, candidate_side, label_in, suite_in
from registry.verbs.sift import sift
from registry.verbs.wear import wear


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the digest under which the store keeps it."""

    verdict: Verdict
    digest: Digest


def gate(model: Digest, stage: str, *, store: Store, state: State, gate_file: bytes) -> Judgement:
    """Judge `model` by the rules for `stage`, against what the stage serves now.

    Args:
        model: Digest of a manifest in the store; its newest registered evidence is judged.
        stage: A stage of the ledger's policy, and the one that the gate file is for.
        store: Where the manifest, suite and evidence are; the gate file and the verdict are put there.
        state: What the ledger says.
        gate_file: The bytes of `manifests/gates/STAGE.yaml`.

    Returns:
        The verdict. The same inputs give the same bytes, and so the same digest.

    Raises:
        Faults: The gate file has faults, is for another stage, or cannot be meant for this suite; all are told.
        UsageError: The manifest names no suite.
        UnknownReference: There is no such stage.
        ForeignEvidence: Evidence is of another subject, suite or verifier than its manifest.
        BadRows: Evidence rows are malformed, doubled or unknown.
    """
    serving = state.serving(stage)
    file = gate_of(gate_file, stage)
    manifest = Manifest.parse(store.get(model))
    suite = suite_in(manifest, store)
    check_gate(file, suite)
    candidate = candidate_side(manifest, next(iter(state.evidence(model)), None), suite, store=store)
    sifted = sift(manifest, suite, store=store)
    hearing = Hearing(
        gate_file=store.put(gate_file),
        file=file,
        suite=suite,
        candidate=candidate,
        baseline=_baseline(serving, candidate, suite, store=store, state=state),
        canary=canary_in(candidate, store),
        attempts=wear(candidate, suite, gate=file.gate, state=state, store=store),
        leaks=sifted.leaks,
        datasets=sifted.datasets,
        unsearched=sifted.closed,
    )
    store.put(file.gate.canonical())
    verdict = conclude(hearing)
    return Judgement(verdict, store.put(verdict.canonical()))


def gate_of(data: bytes, stage: str) -> GateFile:
    """Read the gate file of `stage`; one that is for another stage has a fault, told with all others.

    Raises:
        Faults: It cannot be read at all.
    """
    file = read_gate(data, name=f"the gate file of {stage}", stage=stage)
    if "stage" in file.settings and file.gate.stage != stage:
        file.fault_in("stage", f"this file is for {file.gate.stage!r}, not for {stage!r}")
    return file


def _baseline(serving: Generation | None, candidate: Side, suite: Suite, *, store: Store, state: State) -> Side | None:
    """What the stage serves, as evidence to compare with; None where it never served anything."""
    if serving is None:
        return None
    manifest = Manifest.parse(store.get(serving.manifest))
    found = state.evidence(serving.manifest)
    same = [digest for digest in found if label_in(manifest, digest, store).suite == suite.digest]
    if not same:
        why = "was never judged on this suite" if found else "has no evidence"
        return Side(serving.manifest, None, None, None, f"What {serving.stage} serves {why}: nothing to compare with.")
    return baseline_side(manifest, same[0], suite, candidate=candidate, store=store)
