"""Sides: what a gate looks at, fetched from a store by digest and checked to be about what it claims."""

from registry.core.binding import ForeignEvidence, check_bound
from registry.core.digest import Digest
from registry.core.gate.judging.conclude import Side
from registry.core.gate.rows.canary import Canary, read_canary
from registry.core.gate.rows.rows import Rows
from registry.core.heldout.evidence import Evidence
from registry.core.heldout.suite import Suite, suite_of
from registry.core.manifest import Manifest
from registry.core.tree import Tree
from registry.errors import UsageError
from registry.ports import Store
from registry.verbs.read_evidence import rows_of


def suite_in(manifest: Manifest, store: Store) -> Suite:
    """The suite that a manifest is judged on.

    Raises:
        UsageError: It names none.
        Missing, DigestMismatch: A file of it is not there, or not what it was.
    """
    if manifest.suite is None:
        mend = "give the config `evidence:`, evaluate, and pin again"
        raise UsageError(f"the manifest of {manifest.name} names no suite to be judged on", mend=mend)
    tree = Tree.parse(store.get(manifest.suite))
    return suite_of({entry.path: store.get(entry.digest) for entry in tree.entries})


def label_in(manifest: Manifest, evidence: Digest, store: Store) -> Evidence:
    """The label on a model's evidence, which must name that model, its suite and its verifiers.

    Raises:
        ForeignEvidence: It names others.
        Missing, DigestMismatch: It is not there, or not what it was.
    """
    label = Evidence.parse(store.get(evidence))
    check_bound(label, manifest)
    return label


def candidate_side(manifest: Manifest, evidence: Digest | None, suite: Suite, *, store: Store) -> Side:
    """The model that is judged, by this evidence.

    Raises:
        ForeignEvidence, BadRows, Missing, DigestMismatch: The evidence cannot be believed.
    """
    if evidence is None:
        why = "There is no evidence for this model: evaluate it and pin it again."
        return Side(manifest.digest, None, None, None, why)
    label = label_in(manifest, evidence, store)
    return Side(manifest.digest, evidence, label, _rows(manifest, label, suite, store=store))


def baseline_side(manifest: Manifest, evidence: Digest, suite: Suite, *, candidate: Side, store: Store) -> Side:
    """What the stage serves, by evidence on the same suite; without rows where other verifiers judged it.

    Raises:
        ForeignEvidence, BadRows, Missing, DigestMismatch: The evidence cannot be believed.
    """
    label = label_in(manifest, evidence, store)
    if candidate.label is not None and (other := _other_verifiers(candidate.label, label)):
        why = f"What the stage serves was judged by another version of {other}: nothing to compare with."
        return Side(manifest.digest, evidence, label, None, why)
    return Side(manifest.digest, evidence, label, _rows(manifest, label, suite, store=store))


def _rows(manifest: Manifest, label: Evidence, suite: Suite, *, store: Store) -> Rows:
    return rows_of(label, suite, store=store, route=manifest.adapter_for)


def canary_in(side: Side, store: Store) -> Canary | None:
    """The live traffic of a model, where there was any; it stands beside its rows.

    Raises:
        ForeignEvidence: It is another model's.
        BadCanary, Missing, DigestMismatch: It cannot be believed.
    """
    if side.label is None or side.label.canary is None:
        return None
    canary = read_canary(store.get(Digest(side.label.canary)))
    if canary.manifest != side.manifest:
        why = f"it is about {canary.manifest}, this is {side.manifest}"
        raise ForeignEvidence("the canary is about another model", why=why)
    return canary


def _other_verifiers(one: Evidence, other: Evidence) -> str:
    """The verifiers that differ between two evaluations, for a sentence."""
    names = sorted(one.verifiers.keys() | other.verifiers.keys())
    return ", ".join(name for name in names if one.verifiers.get(name) != other.verifiers.get(name))
