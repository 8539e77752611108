"""What a trainer writes: bytes that depend on the model alone."""

import json
import stat
from pathlib import Path

import pytest

from registry.errors import IntegrityError
from registry.training.artefact import settle, write_metrics


def safetensors(metadata: dict[str, str]) -> bytes:
    """A safetensors file without a tensor."""
    header = json.dumps({"__metadata__": metadata}).encode()
    return len(header).to_bytes(8, "little") + header


def test_an_adapter_is_settled(tmp_path: Path) -> None:
    """The module list is sorted, the base is called by its place, the card is gone, everybody may read."""
    (tmp_path / "README.md").write_text("a card")
    config = {"target_modules": ["v_proj", "k_proj"], "base_model_name_or_path": "/somewhere/else"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    (tmp_path / "adapter_model.safetensors").write_bytes(safetensors({"format": "pt"}))
    (tmp_path / "adapter_model.safetensors").chmod(0o600)

    settle(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert json.loads((tmp_path / "adapter_config.json").read_text()) == {
        "base_model_name_or_path": "models/base",
        "target_modules": ["k_proj", "v_proj"],
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}


def test_weights_with_metadata_of_their_own_are_refused(tmp_path: Path) -> None:
    """Two keys of metadata are written in another order at every save."""
    (tmp_path / "model.safetensors").write_bytes(safetensors({"format": "pt", "when": "now"}))

    with pytest.raises(IntegrityError, match="metadata of its own"):
        settle(tmp_path)


def test_metrics_are_numbers_to_six_places(tmp_path: Path) -> None:
    """DVC compares numbers; more places than that are noise."""
    write_metrics(tmp_path / "some" / "metrics.json", {"loss": 1 / 3, "kind": {"a": 2 / 3}})

    assert json.loads((tmp_path / "some" / "metrics.json").read_text()) == {"kind": {"a": 0.666667}, "loss": 0.333333}
