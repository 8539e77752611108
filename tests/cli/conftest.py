"""Projects to work in; each test gets a copy of its own."""

import shutil
from pathlib import Path

import pytest

from tests.cli.scene import Scene, make_scene

FIRST = ("promote", "old", "--to", "staging", "--bootstrap", "--reason", "the first release")


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two projects to copy: `bare` is ready to be pinned; in `pinned` both models are, and `old` is in staging."""
    place = tmp_path_factory.mktemp("templates")
    (place / "bare").mkdir()
    make_scene(place / "bare" / "project")
    shutil.copytree(place / "bare", place / "pinned")
    scene = Scene(place / "pinned" / "project")
    for name in ("old", "new"):
        scene.done("pin", f"manifests/{name}.yaml")
    scene.done(*FIRST)
    return place


@pytest.fixture
def bare(templates: Path, tmp_path: Path) -> Scene:
    """A project whose models are evaluated and committed."""
    return Scene(shutil.copytree(templates / "bare", tmp_path / "scene") / "project")


@pytest.fixture
def pinned(templates: Path, tmp_path: Path) -> Scene:
    """A project whose two models are pinned; `old` is the first release of staging."""
    return Scene(shutil.copytree(templates / "pinned", tmp_path / "scene") / "project")
