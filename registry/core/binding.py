"""The binding: whether evidence is whole, and whether it speaks for this model, on this suite, by these verifiers."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.core.canonical import NotCanonical
from registry.core.digest import Digest, DigestMismatch, check, short
from registry.core.heldout.evidence import Evidence
from registry.core.manifest import Manifest
from registry.core.tree import Tree
from registry.errors import IntegrityError, UsageError

LABEL = "evidence.json"
FILES = {"rows": "rows.jsonl", "timings": "timings.jsonl", "cross": "cross.jsonl"}


class ForeignEvidence(IntegrityError):
    """Evidence is whole, but about another model, another suite, or by other verifiers."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence as it was found: the digest of its exact bytes, what it says, and the files beside it."""

    digest: Digest
    evidence: Evidence
    files: Mapping[str, Digest]


def read_proof(tree: Tree, label: bytes) -> Proof:
    """Read evidence from the tree of its directory and the bytes of its `evidence.json`.

    Raises:
        UsageError: A file that the evidence speaks of is missing.
        DigestMismatch: A file has other bytes than the evidence says.
        NotCanonical: `label` is not the one spelling of an evidence record.
    """
    evidence = _parsed(label)
    files = {entry.path: entry.digest for entry in tree.entries}
    digest = files[LABEL]
    check(label, digest)
    for field, name in FILES.items():
        promised: Digest | None = getattr(evidence, field)
        if promised is None:
            continue
        if name not in files:
            raise missing(name)
        if files[name] != promised:
            why = f"it hashes to {short(files[name])}, the evidence says {short(promised)}"
            raise DigestMismatch(f"{name} was changed after the evaluation", why=why, mend="run `dvc repro`")
    return Proof(digest, evidence, files)


def _parsed(label: bytes) -> Evidence:
    try:
        return Evidence.parse(label)
    except NotCanonical as error:
        why = f"{error.what}; {error.why}" if error.why else error.what
        raise type(error)(f"{LABEL} is not as the evaluation wrote it", why=why, mend="run `dvc repro`") from None


def check_bound(evidence: Evidence, manifest: Manifest) -> None:
    """Refuse evidence about another model or another suite, or by other verifiers than the manifest pins.

    Raises:
        ForeignEvidence: With both digests or versions.
    """
    mend = "evaluate this config: run `dvc repro`, and commit"
    if evidence.subject != manifest.subject:
        why = f"it is about {short(evidence.subject)}, this model's behaviour is {short(manifest.subject)}"
        raise ForeignEvidence("the evidence is about another model", why=why, mend=mend)
    if evidence.suite != manifest.suite:
        here = short(manifest.suite) if manifest.suite else "none"
        why = f"it is about {short(evidence.suite)}, this config's suite is {here}"
        raise ForeignEvidence("the evidence is about another suite", why=why, mend=mend)
    for pin in manifest.verifiers:
        used = evidence.verifiers.get(pin.name)
        if used is not None and used != f"{pin.label}@{pin.digest}":
            why = f"the evidence used {used}, the config pins {pin.label}@{pin.digest}"
            raise ForeignEvidence(f"verifier {pin.name} changed after the evaluation", why=why, mend=mend)


def missing(name: str) -> UsageError:
    """The complaint that a file of the evidence is not there."""
    return UsageError(f"the evidence has no {name}", why="evidence is whole or it is none", mend="run `dvc repro`")
