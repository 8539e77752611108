"""A base that comes from elsewhere: the stages fetch it at a commit, check it and write nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pin.test_hub import COMMIT, REPO, Hub, hub

__all__ = ["hub"]  # why: pytest finds the fixture by its name here
ROOT = Path(__file__).parents[2]


def run_base(source: str, place: Path, endpoint: str = "http://127.0.0.1:9") -> "subprocess.CompletedProcess[str]":
    """Run the stage's script in `place`, with `base.source` set; the Hub is the one at `endpoint`."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["reference"]["base"]["source"] = source
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "PYTHONPATH": str(ROOT),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(place / "home"),
    }
    command = [sys.executable, str(ROOT / "scripts" / "base.py")]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def written(place: Path) -> dict[str, bytes]:
    """The files of the base."""
    return {path.name: path.read_bytes() for path in sorted((place / "models" / "base").glob("*"))}


@pytest.mark.slow
def test_a_base_is_taken_from_a_hub_at_a_commit(hub: Hub, tmp_path: Path) -> None:
    """With the real client; only the model's own files are kept, and the commit is told."""
    ran = run_base(f"hf://{REPO}@main", tmp_path, hub.url)

    assert ran.returncode == 0, ran.stderr
    assert written(tmp_path) == {name: hub.files[name] for name in ("config.json", "model.safetensors")}
    assert COMMIT in ran.stderr


@pytest.mark.slow
def test_a_base_that_is_not_what_the_hub_lists_is_refused(hub: Hub, tmp_path: Path) -> None:
    """Same size, other bytes: the stage fails and leaves no base."""
    hub.sent["model.safetensors"] = b"weirdos" * 1000
    ran = run_base(f"hf://{REPO}@main", tmp_path, hub.url)

    assert ran.returncode != 0
    assert "DigestMismatch" in ran.stderr
    assert written(tmp_path) == {}


def test_a_base_is_taken_from_a_directory(tmp_path: Path) -> None:
    """The same, from a path inside the project."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    (tmp_path / "elsewhere" / "notes.txt").write_text("not wanted")
    ran = run_base("elsewhere", tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert written(tmp_path) == {"config.json": b"{}"}


def test_a_base_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    """By name."""
    ran = run_base("nowhere", tmp_path)

    assert ran.returncode != 0
    assert "nowhere" in ran.stderr
