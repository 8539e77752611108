"""Statements and bills: valid by other people's validators, and true to the manifest and the verdict."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from securesystemslib.dsse import Envelope
from securesystemslib.signer._key import SSlibKey

from registry.core.attestation.bom import bill_of
from registry.core.attestation.provenance import provenance_of
from registry.core.manifest import Manifest
from registry.core.pin import Pin, Source
from registry.core.tree import Tree
from tests.cli.conftest import pinned, templates
from tests.cli.scene import Scene

__all__ = ["pinned", "templates"]  # fixtures


def payload_of(envelope: dict[str, Any]) -> dict[str, Any]:
    """What an envelope holds."""
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return found


def export(scene: Scene, *words: str) -> dict[str, Any]:
    """Type `registry export` and read what comes."""
    found: dict[str, Any] = json.loads(scene.done("export", *words))
    return found


def strict(text: str) -> object:
    """What CycloneDX's strict validator holds against a bill; None if nothing."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def lock(scene: Scene) -> Manifest:
    """The manifest of `new`."""
    return Manifest.parse((scene.root / "manifests/new.lock.json").read_bytes())


@pytest.mark.slow
def test_the_bill_of_materials_is_valid_by_the_strict_validator(pinned: Scene) -> None:
    """And it is the validator that would notice a word that CycloneDX does not know."""
    text = pinned.done("export", "bom", "new")
    odd = json.loads(text)
    odd["metadata"]["component"]["modelCard"]["confidence"] = "high"

    assert strict(text) is None
    assert strict(json.dumps(odd)) is not None


@pytest.mark.slow
def test_the_bill_names_every_part_with_its_files(pinned: Scene) -> None:
    """Whoever scans it sees what is shipped, by digest."""
    bill = export(pinned, "bom", "old")
    parts = {part["name"]: part for part in bill["components"]}
    files = {file["name"] for file in parts["base"]["components"]}

    assert {"base", "division", "tokenizer"} == set(parts)
    assert "config.json" in files
    assert {"name": "lockstep:stage.staging", "value": "generation 1"} in bill["metadata"]["component"]["properties"]
    assert pinned.done("export", "bom", "old") == pinned.done("export", "bom", "old")


@pytest.mark.slow
def test_provenance_names_the_commit_and_every_input_and_others_can_verify_it(pinned: Scene) -> None:
    """The envelope is plain DSSE: a library that knows nothing of us checks it."""
    envelope = export(pinned, "provenance", "new")
    pem = (pinned.root.parent / "config/lockstep/keys/default.pub").read_text()
    key_id = envelope["signatures"][0]["keyid"]
    key = SSlibKey(key_id, "ecdsa", "ecdsa-sha2-nistp256", {"public": pem})
    verified = Envelope.from_dict(envelope).verify([key], 1)
    statement, manifest = payload_of(envelope), lock(pinned)
    inputs = {one["name"]: one["digest"] for one in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}

    assert {key_id} == set(verified)
    assert "https://slsa.dev/provenance/v1" == statement["predicateType"]
    assert [{"name": "new", "digest": {"sha256": manifest.digest.removeprefix("sha256:")}}] == statement["subject"]
    assert {"gitCommit": manifest.repo_sha.source.revision} == inputs["repository"]
    assert {"sha256": manifest.llm_sha.digest.removeprefix("sha256:")} == inputs["llm:base"]


@pytest.mark.slow
def test_a_test_result_says_which_rules_passed(pinned: Scene) -> None:
    """GO is PASSED; HOLD is a warning, for what could not be decided has not passed."""
    pinned.done("promote", "new", "--to", "staging")
    passed = payload_of(export(pinned, "test-result", "new", "--to", "staging"))
    held = export(pinned, "test-result", "old", "--bare")

    assert ("PASSED", 4) == (passed["predicate"]["result"], len(passed["predicate"]["passedTests"]))
    assert "WARNED" == held["predicate"]["result"]
    assert held["predicate"]["warnedTests"]


@pytest.mark.slow
def test_what_cannot_be_exported_is_told(pinned: Scene) -> None:
    """A model that nobody judged, a stage that nobody knows, a form that there is not."""
    assert "no gate has judged" in pinned.done("export", "test-result", "new", "--to", "production", code=2)
    assert "there is no stage" in pinned.done("export", "test-result", "new", "--to", "prod", code=2)
    assert "spdx" in pinned.done("export", "spdx", "new", code=2)


def test_a_bill_with_every_kind_of_part_is_valid(tmp_path: Path) -> None:
    """Data sets, fixtures, a reward model and a template, labelled or not."""
    tree = Tree(entries=())
    source = Source(kind="hf", location="org/repo", revision="a" * 40)

    def pin(role: Any, name: str, label: str | None = None) -> Pin:
        return Pin(role=role, name=name, label=label, digest=tree.digest, size=0, source=source)

    document = {
        "form": "registry.manifest/1",
        "name": "m",
        "llm_sha": pin("llm", "base").model_dump(exclude_none=True),
        "adapters": [pin("adapter", "math", "v1").model_dump(exclude_none=True)],
        "input_sha": pin("input", "template").model_dump(exclude_none=True),
        "tokenizer_sha": pin("tokenizer", "tok").model_dump(exclude_none=True),
        "sampling": {"temperature": "0.2"},
        "reward_model_sha": pin("reward_model", "rm").model_dump(exclude_none=True),
        "verifiers": [pin("verifier", "json_schema", "v4.3").model_dump(exclude_none=True)],
        "tools": {
            "versions": {"search_api": "3.2.1"},
            "fixtures": pin("fixture", "f.json").model_dump(exclude_none=True),
        },
        "routes": {},
        "datasets": [pin("dataset", "train").model_dump(exclude_none=True)],
        "repo_sha": pin("repo", "repo").model_dump(exclude_none=True),
        "environment": {"python": "3.11", "platform": "x", "device": "cpu", "packages": tree.digest},
    }
    manifest = Manifest.of(document)

    assert strict(bill_of(manifest, {tree.digest: tree}).decode()) is None
    assert b"dataset:train" in provenance_of(manifest)
