"""SLSA provenance: what a model was made from, for tools that check supply chains.

It says what the manifest pins and no more: that these inputs *did* make these outputs is what `registry reproduce` and
DVC's own lock can show, not a statement.

Source: https://slsa.dev/spec/v1.0/provenance
"""

from collections.abc import Iterator
from typing import Any

from registry.core.attestation.statement import digest_set, statement_of
from registry.core.manifest import Manifest
from registry.core.pin import Pin

PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:lockstep:build:dvc:1"
"""A DVC pipeline at a git commit, whose outputs a manifest pins."""

BUILDER = "urn:lockstep:registry:1"


def provenance_of(manifest: Manifest) -> bytes:
    """State what `manifest` was made from: the commit, the data sets, the base, and every other pinned part."""
    commit = manifest.repo_sha.source.revision or ""
    internal: dict[str, Any] = {"environment": manifest.environment.model_dump(mode="json", exclude_none=True)}
    external: dict[str, Any] = {"config": f"manifests/{manifest.name}", "commit": commit}
    if manifest.sampling:
        external["sampling"] = dict(manifest.sampling)
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": external,
        "internalParameters": internal,
        "resolvedDependencies": [_commit(commit), *_dependencies(manifest)],
    }
    predicate = {"buildDefinition": definition, "runDetails": {"builder": {"id": BUILDER}}}
    return statement_of(manifest.name, manifest.digest, predicate_type=PROVENANCE_TYPE, predicate=predicate)


def _commit(commit: str) -> dict[str, Any]:
    return {"name": "repository", "uri": f"git+local@{commit}", "digest": {"gitCommit": commit}}


def _dependencies(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for pin in manifest.pins:
        if pin.role != "repo":
            yield _dependency(pin)
    for name, digest in (("dvc.lock", manifest.dvc_lock), ("heldout suite", manifest.suite)):
        if digest is not None:
            yield {"name": name, "digest": digest_set(digest)}


def _dependency(pin: Pin) -> dict[str, Any]:
    where = f"@{pin.source.revision}" if pin.source.revision else ""
    return {
        "name": f"{pin.role}:{pin.name}",
        "uri": f"{pin.source.kind}:{pin.source.location}{where}",
        "digest": digest_set(pin.digest),
    }
