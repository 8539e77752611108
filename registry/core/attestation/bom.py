"""CycloneDX: the bill of materials of a model, for scanners and for whoever asks what is inside.

The document is a function of the manifest and of its trees: the serial number is made of the manifest's digest, and
there is no time in it, so that the same model has the same bill.

Source: https://cyclonedx.org/docs/1.6/json/
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from registry.core.digest import Digest, hex_of, short
from registry.core.manifest import Manifest
from registry.core.pin import Pin
from registry.core.tree import Tree

_KINDS = {
    "llm": "machine-learning-model",
    "adapter": "machine-learning-model",
    "reward_model": "machine-learning-model",
    "dataset": "data",
    "fixture": "data",
    "input": "data",
    "tokenizer": "data",
    "tool": "application",
    "verifier": "application",
}
_SPACE = uuid.UUID("6f1c1f1e-9f0f-5d0c-9b1b-2f6a4b1e7c55")


def bill_of(manifest: Manifest, trees: Mapping[Digest, Tree], *, facts: Mapping[str, str] | None = None) -> bytes:
    """The bill of `manifest` in CycloneDX 1.6, indented JSON with a final line break.

    Args:
        manifest: The model.
        trees: The tree of every pin but the commit, by digest; its files become parts of the component.
        facts: Further properties by name, such as the stage that serves it.
    """
    model = _model(manifest, facts or {})
    components = [_component(pin, trees[pin.digest]) for pin in _pins(manifest)]
    parts = [str(component["bom-ref"]) for component in components]
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, manifest.digest)}",
        "version": 1,
        "metadata": {"component": model, "tools": {"components": [{"type": "application", "name": "lockstep"}]}},
        "components": components,
        "dependencies": [{"ref": model["bom-ref"], "dependsOn": sorted(parts)}, *({"ref": ref} for ref in parts)],
    }
    return (json.dumps(bill, indent=2, ensure_ascii=False) + "\n").encode()


def _pins(manifest: Manifest) -> tuple[Pin, ...]:
    """Each pinned part once, the commit left out."""
    return tuple(dict.fromkeys(pin for pin in manifest.pins if pin.role != "repo"))


def _model(manifest: Manifest, facts: Mapping[str, str]) -> dict[str, Any]:
    """The model itself, with a card of what CycloneDX has words for."""
    commit = manifest.repo_sha.source.revision or ""
    card: dict[str, Any] = {"modelParameters": {"task": "text-generation", "inputs": [{"format": "text"}]}}
    if manifest.datasets:
        card["modelParameters"]["datasets"] = [{"ref": _ref(pin)} for pin in dict.fromkeys(manifest.datasets)]
    settings = {f"sampling.{name}": value for name, value in manifest.sampling.items()}
    settings |= {f"tool.{name}": version for name, version in manifest.tools.versions.items()}
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{manifest.digest}",
        "name": manifest.name,
        "version": short(manifest.digest),
        "hashes": [_hash(manifest.digest)],
        "modelCard": card,
        "properties": _properties({"commit": commit, **settings, **facts}),
    }


def _component(pin: Pin, tree: Tree) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": _KINDS[pin.role],
        "bom-ref": _ref(pin),
        "name": pin.name,
        "hashes": [_hash(pin.digest)],
        "properties": _properties(dict(_facts(pin))),
        "components": [
            {
                "type": "file",
                "bom-ref": f"{_ref(pin)}/{entry.path}",
                "name": entry.path,
                "hashes": [_hash(entry.digest)],
            }
            for entry in tree.entries
        ],
    }
    if pin.label is not None:
        found["version"] = pin.label
    return found


def _facts(pin: Pin) -> Iterator[tuple[str, str]]:
    yield "role", pin.role
    yield "source", f"{pin.source.kind}:{pin.source.location}"
    if pin.source.revision:
        yield "revision", pin.source.revision


def _properties(facts: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": f"lockstep:{name}", "value": value} for name, value in sorted(facts.items())]


def _ref(pin: Pin) -> str:
    return f"{pin.role}:{pin.name}:{short(pin.digest)}"


def _hash(digest: Digest) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hex_of(digest)}
