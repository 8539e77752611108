"""gate: judge a model by the rules of a stage, and keep the verdict as a fact."""

from dataclasses import dataclass

from registry.core.binding import ForeignEvidence, check_bound
from registry.core.digest import Digest
from registry.core.gate.canary import Canary, read_canary
from registry.core.gate.check import check_gate
from registry.core.gate.decide import judge
from registry.core.gate.gatefile import GateFile, read_gate
from registry.core.gate.pairs import flips_of
from registry.core.gate.rows import Rows
from registry.core.gate.trial import Trial
from registry.core.gate.verdict import MOST_FLIPS, Verdict, answer_of
from registry.core.heldout.evidence import Evidence
from registry.core.heldout.suite import Suite, suite_of
from registry.core.ledger.views import Generation, State
from registry.core.manifest import Manifest
from registry.core.tree import Tree
from registry.errors import UsageError
from registry.ports import Store
from registry.verbs.read_evidence import rows_of


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the digest under which the store keeps it."""

    verdict: Verdict
    digest: Digest


@dataclass(frozen=True, slots=True)
class Side:
    """One model as the gate sees it; rows are None where there is no evidence that can be used, and `why` says so."""

    manifest: Digest
    evidence: Digest | None
    label: Evidence | None
    rows: Rows | None
    why: str = ""


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
    file = read_gate(gate_file, name=f"the gate file of {stage}", stage=stage)
    if "stage" in file.settings and file.gate.stage != stage:
        file.fault_in("stage", f"this file is for {file.gate.stage!r}, not for {stage!r}")
    manifest = Manifest.parse(store.get(model))
    suite = _suite(manifest, store)
    check_gate(file, suite)
    candidate = _candidate(manifest, suite, store=store, state=state)
    baseline = _baseline(serving, candidate, suite, store=store, state=state)
    canary = _canary(candidate, store)
    kept = store.put(gate_file)
    verdict = _verdict(file, suite, candidate=candidate, baseline=baseline, canary=canary, gate_file=kept)
    store.put(file.gate.canonical())
    return Judgement(verdict, store.put(verdict.canonical()))


def _suite(manifest: Manifest, store: Store) -> Suite:
    if manifest.suite is None:
        mend = "give the config `evidence:`, evaluate, and pin again"
        raise UsageError(f"the manifest of {manifest.name} names no suite to be judged on", mend=mend)
    tree = Tree.parse(store.get(manifest.suite))
    return suite_of({entry.path: store.get(entry.digest) for entry in tree.entries})


def _candidate(manifest: Manifest, suite: Suite, *, store: Store, state: State) -> Side:
    found = state.evidence(manifest.digest)
    if not found:
        why = "There is no evidence for this model: evaluate it and pin it again."
        return Side(manifest.digest, None, None, None, why)
    label = _label(manifest, found[0], store)
    return Side(manifest.digest, found[0], label, _rows(manifest, label, suite, store=store))


def _label(manifest: Manifest, evidence: Digest, store: Store) -> Evidence:
    """The label on a model's evidence, which must name that model, its suite and its verifiers."""
    label = Evidence.parse(store.get(evidence))
    check_bound(label, manifest)
    return label


def _rows(manifest: Manifest, label: Evidence, suite: Suite, *, store: Store) -> Rows:
    return rows_of(label, suite, store=store, route=manifest.adapter_for)


def _canary(side: Side, store: Store) -> Canary | None:
    """The live traffic of a model, where there was any; it stands beside its rows."""
    if side.label is None or side.label.canary is None:
        return None
    canary = read_canary(store.get(side.label.canary))
    if canary.manifest != side.manifest:
        why = f"it is about {canary.manifest}, this is {side.manifest}"
        raise ForeignEvidence("the canary is about another model", why=why)
    return canary


def _baseline(serving: Generation | None, candidate: Side, suite: Suite, *, store: Store, state: State) -> Side | None:
    """What the stage serves, as evidence to compare with; None where it never served anything."""
    if serving is None:
        return None
    manifest = Manifest.parse(store.get(serving.manifest))
    found = [(digest, _label(manifest, digest, store)) for digest in state.evidence(serving.manifest)]
    same = [(digest, label) for digest, label in found if label.suite == suite.digest]
    if not same:
        why = "was never judged on this suite" if found else "has no evidence"
        return Side(serving.manifest, None, None, None, f"What {serving.stage} serves {why}: nothing to compare with.")
    digest, label = same[0]
    if candidate.label is not None and (other := _other_verifiers(candidate.label, label)):
        why = f"What {serving.stage} serves was judged by another version of {other}: nothing to compare with."
        return Side(serving.manifest, digest, label, None, why)
    return Side(serving.manifest, digest, label, _rows(manifest, label, suite, store=store))


def _other_verifiers(one: Evidence, other: Evidence) -> str:
    """The verifiers that differ between two evaluations, for a sentence."""
    names = sorted(one.verifiers.keys() | other.verifiers.keys())
    return ", ".join(name for name in names if one.verifiers.get(name) != other.verifiers.get(name))


def _verdict(
    file: GateFile,
    suite: Suite,
    *,
    candidate: Side,
    baseline: Side | None,
    canary: Canary | None,
    gate_file: Digest,
) -> Verdict:
    trial = Trial(
        gate=file.gate,
        rules=tuple(placed.rule for placed in file.rules),
        suite=suite,
        candidate=candidate.rows,
        baseline=baseline.rows if baseline else None,
        canary=canary,
        no_candidate=candidate.why,
        no_baseline=baseline.why if baseline else f"{file.gate.stage} never served anything: nothing to compare with.",
    )
    rules, flips = judge(trial), flips_of(trial)
    return Verdict(
        stage=file.gate.stage,
        answer=answer_of([rule.verdict for rule in rules]),
        rules=rules,
        flips=flips[:MOST_FLIPS],
        flips_in_all=len(flips) if len(flips) > MOST_FLIPS else None,
        gate_file=gate_file,
        gate=file.gate.digest,
        suite=suite.digest,
        candidate=candidate.manifest,
        candidate_evidence=candidate.evidence,
        baseline=baseline.manifest if baseline else None,
        baseline_evidence=baseline.evidence if baseline else None,
        canary=candidate.label.canary if candidate.label else None,
    )
