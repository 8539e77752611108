"""What a trainer writes: files whose bytes depend on the model alone, and the metrics and curve of the stage."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.errors import IntegrityError

BASE_NAME = "models/base"
"""What adapters say their base is: the place in this project, whatever the machine's path to it."""


def settle(directory: Path) -> None:
    """Make a saved model's bytes depend on the model alone.

    Files get mode 0644 (transformers writes weights as 0600); PEFT's card goes, and its config gets the base's place
    and its module list sorted: it comes from a set.

    Raises:
        IntegrityError: A safetensors file has metadata beside its format; its order would differ at every save.
    """
    (directory / "README.md").unlink(missing_ok=True)
    config = directory / "adapter_config.json"
    if config.exists():
        settings = json.loads(config.read_text())
        settings["base_model_name_or_path"] = BASE_NAME
        settings["target_modules"] = sorted(settings["target_modules"])
        config.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            path.chmod(0o644)
        if path.suffix == ".safetensors":
            _check_metadata(path)


def _check_metadata(path: Path) -> None:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    if header.get("__metadata__", {}) not in ({}, {"format": "pt"}):
        raise IntegrityError(
            f"{path.name} has metadata of its own", why="its order would change the bytes at every save"
        )


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write a stage's metrics for `dvc metrics`: numbers, not the decimal strings of evidence, so that DVC compares."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(metrics), indent=2, sort_keys=True) + "\n")


def write_curve(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write a curve for `dvc plots`: one column for each key of the rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(_rounded(row) for row in rows)


def _rounded(value: Any) -> Any:
    """Floats to six places, all the way down."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value
