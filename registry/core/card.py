"""The card: a manifest in the short form that people write, with the keys in the order in which they write them."""

from typing import Any

from registry.core.manifest import Manifest
from registry.core.pin import Pin


def card_of(manifest: Manifest) -> dict[str, Any]:
    """The short form of `manifest`: ready to be printed as JSON, and to be pinned again where it is registered.

    Numbers are as people write them; what the config left out is left out. Sources, the environment, the suite and the
    evidence are in the manifest only.
    """
    sampling = {name: _number(text) for name, text in manifest.sampling.items()}
    fixtures = {"fixtures": _fixtures(manifest.tools.fixtures)} if manifest.tools.fixtures else {}
    found: dict[str, Any] = {
        "llm_sha": manifest.llm_sha.card,
        "adapters": [pin.card for pin in manifest.adapters],
        "input_sha": manifest.input_sha.card if manifest.input_sha else None,
        "tokenizer_sha": manifest.tokenizer_sha.card,
        "sampling": sampling,
        "reward_model_sha": manifest.reward_model_sha.card if manifest.reward_model_sha else None,
        "verifiers": {pin.name: pin.label for pin in manifest.verifiers},
        "tools": {**manifest.tools.versions, **fixtures},
        "routes": manifest.routes,
        "datasets": [pin.card for pin in manifest.datasets],
        "repo_sha": _commit(manifest.repo_sha),
    }
    return {key: value for key, value in found.items() if value}


def _number(text: str) -> float | int:
    # why: for the eye only; the manifest keeps the digits.
    return float(text) if "." in text else int(text)


def _fixtures(pin: Pin) -> str:
    return pin.card if pin.label else pin.name


def _commit(pin: Pin) -> str | None:
    if pin.name != "repo":
        return pin.card
    return pin.label or pin.source.revision
